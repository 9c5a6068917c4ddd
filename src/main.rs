//! The command. It calls the library and maps the outcome to an exit code, nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    pathvet::error::install_panic_hook();
    let code = match pathvet::cli::run(std::env::args_os()) {
        Ok(outcome) => outcome.exit_code(),
        Err(error) => {
            pathvet::cli::report(&error);
            error.exit_code()
        }
    };
    ExitCode::from(code)
}

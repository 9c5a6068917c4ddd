//! The command. It calls the library and maps the outcome to an exit code, nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    pathvet::error::install_panic_hook();
    // One host of the built-in network: the binary starts itself for it, and the command line knows nothing of it.
    let args: Vec<_> = std::env::args_os().collect();
    if let [_, verb, rest @ ..] = args.as_slice()
        && verb == pathvet::lab::COMMAND
    {
        return pathvet::lab::lab_host_main(rest);
    }
    let code = match pathvet::cli::run(args) {
        Ok(outcome) => outcome.exit_code(),
        Err(error) => {
            pathvet::cli::report(&error);
            error.exit_code()
        }
    };
    ExitCode::from(code)
}

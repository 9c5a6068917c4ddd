//! The command. It calls the library and maps the outcome to an exit code, nothing else.

use pathvet::lab::demo::Demo;
use pathvet::lab::topologies::Family;
use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    match args.split_first() {
        Some((command, rest)) if command == pathvet::lab::COMMAND => pathvet::lab::lab_host_main(rest),
        Some((command, rest)) if command == "demo" => {
            let word = |name: &str| rest.iter().any(|arg| arg == name);
            let demo = Demo {
                topology: rest.iter().skip_while(|arg| *arg != "--topology").nth(1).map(|name| name.to_string_lossy().into_owned()),
                family: if word("-6") { Family::V6 } else { Family::V4 },
                keep: word("--keep"),
            };
            match demo.run(&mut std::io::stdout()) {
                Ok(code) => ExitCode::from(code),
                Err(error) => {
                    anstream::eprintln!("{error}");
                    ExitCode::from(64)
                }
            }
        }
        _ => ExitCode::from(64),
    }
}

//! The figures of the README: pathvet and its rivals side by side, on the built-in network, as Markdown.
//!
//! `cargo bench` measures everything; `-- --quick` gives rivals seconds instead of minutes; `-- --loss N` makes N runs over lossy
//! paths and counts the answers instead.
#![expect(clippy::print_stdout, reason = "it prints tables")]

mod command;
mod loss;
mod paths;
mod rivals;
mod scale;
mod table;

use std::process::ExitCode;

const PATHVET: &str = env!("CARGO_BIN_EXE_pathvet");

/// How much time a measurement may take.
#[derive(Debug, Clone, Copy)]
struct Effort {
    quick: bool,
}

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let (mut quick, mut runs, mut bench) = (false, None, false);
    while let Some(word) = words.next() {
        match word.as_str() {
            // From cargo. `cargo test --all-targets` starts this program without it.
            "--bench" => bench = true,
            "--quick" => quick = true,
            "--loss" => match words.next().and_then(|number| number.parse().ok()) {
                Some(number) => runs = Some(number),
                None => return usage("--loss wants a number of runs"),
            },
            other => return usage(&format!("unknown argument {other}")),
        }
    }
    if !bench {
        println!("nothing is measured: this is for cargo bench");
        return ExitCode::SUCCESS;
    }
    println!("{}\n", table::machine());
    let right = if let Some(runs) = runs {
        loss::measure(runs)
    } else {
        let effort = Effort { quick };
        paths::measure(effort);
        scale::start_and_size();
        scale::measure(effort)
    };
    if right { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn usage(what: &str) -> ExitCode {
    println!("{what}\ncargo bench [-- --quick | --loss N]");
    ExitCode::from(64)
}

//! `pathvet generate`: what packaging needs, from the running binary.

use super::Outcome;
use super::output::print;
use crate::error::{Bug, Error};
use clap::{Args, Subcommand};

/// `pathvet generate`.
#[derive(Debug, Subcommand)]
pub enum GenerateVerb {
    /// Completions for a shell, on standard output
    Completions(CompletionsArgs),
}

/// `pathvet generate completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    pub shell: clap_complete::Shell,
}

pub(super) fn run(verb: &GenerateVerb) -> Result<Outcome, Error> {
    match verb {
        GenerateVerb::Completions(args) => {
            let mut script = Vec::new();
            clap_complete::generate(args.shell, &mut super::command(), "pathvet", &mut script);
            let script = String::from_utf8(script).map_err(|error| Bug(error.to_string()))?;
            print(&script)?;
        }
    }
    Ok(Outcome::Done)
}

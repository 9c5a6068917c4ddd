//! `pathvet demo`: the built-in network.

use super::{DemoArgs, Outcome};
use crate::error::{Error, OutputError, Problem, printable, writeln_stderr};
use crate::lab::demo::{Demo, DemoError};
use crate::lab::topologies::Family;
use pathvet_checks::report;
use std::path::Path;

pub(super) fn run(args: &DemoArgs) -> Result<Outcome, Error> {
    let family = if args.ipv6 { Family::V6 } else { Family::V4 };
    let demo = Demo { topology: args.topology.clone(), family, keep: args.keep };
    match demo.run(&mut std::io::stdout().lock()) {
        Ok(code) => Ok(Outcome::Judged(code)),
        Err(DemoError::Unknown { name, nearest, list }) => {
            let near = nearest.map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
            Err(Problem::new("--topology", format!("no topology is called `{name}`")).help(format!("{near}{list}")).into())
        }
        Err(DemoError::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(Outcome::Done),
        Err(DemoError::Output(error)) => Err(OutputError::new("write", Path::new("standard output"), error).into()),
        // What this machine forbids is a matter of the world: the demo could not decide.
        Err(DemoError::Lab(error)) => {
            let text = error.to_string();
            let lines: Vec<_> = text.lines().map(printable).collect();
            drop(writeln_stderr(&format!("pathvet: {}", lines.join("\n"))));
            Ok(Outcome::Judged(report::Outcome::Unknown.exit_code()))
        }
    }
}

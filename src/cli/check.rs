//! `pathvet check`: collect, judge and report in one run.

use super::output::{Outputs, Sink, print, use_color};
use super::request::{Request, remark};
use super::watch::ProgressLine;
use super::{CheckArgs, Outcome, gather, judge, signalled};
use crate::error::Error;
use std::io::IsTerminal;
use std::time::Instant;

pub(super) fn run(args: &CheckArgs) -> Result<Outcome, Error> {
    let (started, clock) = (super::now(), Instant::now());
    let request = Request::new(&args.targets, &args.probing, args.judging.expect, args.root.as_deref())?.listening(args.lldp)?;
    let expect = args.judging.chosen(request.expect.clone());
    if args.probing.dry_run {
        return print(&gather::forecast(&request)).map(|()| Outcome::Done).map_err(Error::from);
    }
    request.confirm(&args.targets, args.probing.yes)?;
    let outputs = Outputs::open(&args.report)?;
    let save = args.save.as_deref().map(Sink::open).transpose()?;
    if !args.report.quiet {
        remark(args.judging.expect, request.plan.as_ref(), use_color(args.report.color, std::io::stderr().is_terminal()));
    }
    let mut line = ProgressLine::new(args.report.quiet);
    let found = gather::gather(&request, None, &mut line)?;
    drop(line);
    // With thousands of targets their list makes room for the findings.
    drop(request);
    // As with every other file, the report reaches the user even where this one could not be written.
    let saved = match save {
        Some(save) => save.write(|out| gather::write_json(&found.evidence, out)),
        None => Ok(()),
    };
    let mut judged = judge::judged(found.evidence, &expect, started, args.judging.fail_on);
    if let Some(signal) = found.signal {
        judged.exit_code = signalled(signal);
    }
    let outcome = judge::deliver(judged, started, clock.elapsed(), outputs)?;
    saved?;
    Ok(outcome)
}

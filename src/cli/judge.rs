//! `pathvet judge`: evidence in, report out. `check` ends here too, so both say the same of the same evidence.

use super::args::FailOn;
use super::output::{Outputs, use_color};
use super::request::{expectations, remark};
use super::target::Source;
use super::{JudgeVerbArgs, Outcome, gather};
use crate::catalogue;
use crate::error::{Error, InputError};
use crate::plan::Plan;
use pathvet_checks::evidence::{Evidence, merge};
use pathvet_checks::expect::Expect;
use pathvet_checks::judge_owned;
use pathvet_checks::report::Report;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

pub(super) fn run(args: &JudgeVerbArgs) -> Result<Outcome, Error> {
    let (started, clock) = (super::now(), Instant::now());
    let plan = args.plan.as_deref().map(Plan::load).transpose()?;
    let expect = args.judging.chosen(expectations(args.judging.expect, plan.as_ref(), None)?);
    let mut evidence = read(&args.files)?;
    if let Some(plan) = &plan {
        for file in gather::files_of(plan)? {
            merge(&mut evidence, file);
        }
    }
    let outputs = Outputs::open(&args.report)?;
    if !args.report.quiet {
        remark(args.judging.expect, plan.as_ref(), use_color(args.report.color, std::io::stderr().is_terminal()));
    }
    let judged = judged(evidence, &expect, args.at.unwrap_or(started), args.judging.fail_on);
    deliver(judged, started, clock.elapsed(), outputs)
}

/// Reads every file, tells the mistakes of all of them, and merges them.
fn read(files: &[Source]) -> Result<Evidence, Error> {
    let mut problems = Vec::new();
    let mut all: Option<Evidence> = None;
    for file in files {
        match gather::read_evidence(file) {
            Ok(evidence) => match &mut all {
                Some(all) => merge(all, evidence),
                None => all = Some(evidence),
            },
            Err(error) => problems.extend(error.problems),
        }
    }
    match all {
        Some(all) if problems.is_empty() => Ok(all),
        _ => Err(InputError { problems }.into()),
    }
}

/// The report on `evidence`, with the exit code that `--fail-on` makes of its verdict.
pub(super) fn judged(evidence: Evidence, expect: &Expect, now: jiff::Timestamp, fail_on: FailOn) -> Report {
    let known = catalogue::for_evidence(&evidence);
    let mut report = judge_owned(evidence, expect, known, now);
    report.exit_code = fail_on.exit_code(report.verdict);
    report
}

/// Writes a report wherever it goes.
pub(super) fn deliver(mut report: Report, started: jiff::Timestamp, elapsed: Duration, outputs: Outputs) -> Result<Outcome, Error> {
    report.started = started;
    report.elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    outputs.write(&report)?;
    let outcome = Outcome::Judged(report.exit_code);
    // The process ends next: to take a report on ten thousand paths apart first would be time for nothing.
    std::mem::forget(report);
    Ok(outcome)
}

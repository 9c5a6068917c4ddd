//! The front door: one case in, one report out.

use crate::builtin;
use crate::catalogue::Catalogue;
use crate::diagnose;
use crate::evidence::Evidence;
use crate::expect::Expect;
use crate::report::{self, Counts, Outcome, Report};
use alloc::string::ToString;
use alloc::vec::Vec;

/// Everything that a judgement may depend on.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// What was found.
    pub evidence: &'a Evidence,
    /// What it is held against.
    pub expect: &'a Expect,
    /// Known ceilings, with sources.
    pub catalogue: &'a Catalogue,
    /// The moment of judging: waivers run out by it.
    pub now: jiff::Timestamp,
}

/// Judges a case. `started`, `elapsed_ms` and `exit_code` are the caller's to set: they are not matters of evidence.
#[must_use]
pub fn judge(case: &Case<'_>) -> Report {
    let mut findings = Vec::new();
    for check in builtin::ALL {
        findings.extend(check.judge(case));
    }
    let diagnoses = diagnose::diagnose(case, &findings);
    Report {
        schema: report::SCHEMA.to_string(),
        tool: case.evidence.tool.clone(),
        started: case.now,
        elapsed_ms: 0,
        verdict: Outcome::Unknown,
        exit_code: 0,
        counts: Counts::default(),
        paths: Vec::new(),
        findings,
        diagnoses,
    }
}

//! The front door: one case in, one report out.

use crate::builtin::run::{self, WaiverUse};
use crate::builtin::{self};
use crate::catalogue::Catalogue;
use crate::diagnose;
use crate::evidence::{Evidence, LimitKind, Path};
use crate::expect::{Expect, Waiver};
use crate::facts;
pub use crate::facts::expected_mtu;
use crate::report::{self, Counts, Finding, Outcome, PathReport, Report, Waived};
use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec::Vec;
use jiff::tz::TimeZone;

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

/// Judges a case. `started`, `elapsed_ms` and, where `--fail-on` is given, `exit_code` are the caller's to set: they are not
/// matters of evidence.
///
/// The findings stand in the order of the manual, those of one check in the order of the evidence; the same case gives the same
/// report.
#[must_use]
pub fn judge(case: &Case<'_>) -> Report {
    let paths = case.evidence.paths.iter().map(|path| path_report(case, path.clone())).collect();
    Report { paths, ..without_paths(case) }
}

/// As [`judge`], but the paths move into the report instead of being copied: for runs with thousands of targets.
#[must_use]
pub fn judge_owned(mut evidence: Evidence, expect: &Expect, catalogue: &Catalogue, now: jiff::Timestamp) -> Report {
    let report = without_paths(&Case { evidence: &evidence, expect, catalogue, now });
    let mut paths = core::mem::take(&mut evidence.paths);
    let case = Case { evidence: &evidence, expect, catalogue, now };
    let mut reports = Vec::with_capacity(paths.len());
    // From the end, so that the memory of those that have moved can go back while the others wait.
    while let Some(path) = paths.pop() {
        reports.push(path_report(&case, path));
        if paths.len().is_multiple_of(1024) {
            paths.shrink_to_fit();
        }
    }
    reports.reverse();
    Report { paths: reports, ..report }
}

fn without_paths(case: &Case<'_>) -> Report {
    let mut findings: Vec<Finding> = Vec::new();
    for check in builtin::ALL.iter().filter(|check| facts::selected(case, check.meta().id)) {
        let mut found = check.judge(case);
        findings.reserve_exact(found.len());
        findings.append(&mut found);
    }
    for finding in &mut findings {
        lower(case, finding);
    }
    let about_waivers = waive(case, &mut findings);
    findings.extend(about_waivers);
    let counts = count(&findings);
    if counts.pass + counts.warn + counts.fail + counts.unknown == 0 {
        findings.push(run::nothing(case, counts.waived));
    }
    let verdict = worst(&findings);
    let diagnoses = diagnose::diagnose(case, &findings);
    Report {
        schema: report::SCHEMA.to_string(),
        tool: case.evidence.tool.clone(),
        started: case.now,
        elapsed_ms: 0,
        verdict,
        exit_code: verdict.exit_code(),
        counts: count(&findings),
        paths: Vec::new(),
        findings,
        diagnoses,
    }
}

/// The path as measured, with what the report says beyond it.
fn path_report(case: &Case<'_>, mut path: Path) -> PathReport {
    let link = facts::egress(case, &path);
    let expected_mtu = expected_mtu(case, &path);
    // What the interface sends arrived, and more is expected: the limit is this host itself.
    if path.limit.kind == LimitKind::None && expected_mtu > path.path_mtu && path.path_mtu.is_some() {
        path.limit.kind = LimitKind::Local;
    }
    PathReport {
        expected_mtu,
        interface_driver: link.and_then(|link| link.driver.clone()),
        interface_speed_mbps: link.and_then(|link| link.speed_mbps),
        path,
    }
}

/// The plan's `severity`: lowers a FAIL of that check, nothing else.
fn lower(case: &Case<'_>, finding: &mut Finding) {
    if finding.outcome == Outcome::Fail
        && let Some(lowered) = case.expect.severity.get(&*finding.check)
        && *lowered < Outcome::Fail
    {
        finding.outcome = *lowered;
        finding.notes.push("FAIL by itself; lowered by the plan's severity".into());
    }
}

/// Marks what is waived, and says which waivers ran out or cover nothing.
fn waive(case: &Case<'_>, findings: &mut [Finding]) -> Vec<Finding> {
    let today = case.now.to_zoned(TimeZone::UTC).date();
    let mut said = Vec::new();
    for waiver in &case.expect.waivers {
        let holds = today <= waiver.until;
        let mut used = WaiverUse::Unused;
        for finding in findings.iter_mut().filter(|finding| covers(waiver, finding)) {
            if !holds {
                used = WaiverUse::Expired;
                break;
            }
            used = WaiverUse::Holds;
            if finding.waived.is_none() {
                finding.waived =
                    Some(Box::new(Waived { owner: waiver.owner.clone(), reason: waiver.reason.clone(), until: waiver.until }));
            }
        }
        if facts::selected(case, &waiver.check) {
            said.extend(run::waiver(waiver, used));
        }
    }
    said
}

/// Whether a waiver is about this finding: what passes or was not looked at needs none.
fn covers(waiver: &Waiver, finding: &Finding) -> bool {
    matches!(finding.outcome, Outcome::Warn | Outcome::Unknown | Outcome::Fail)
        && waiver.check == finding.check
        && glob(waiver.subject.as_bytes(), finding.subject.as_bytes())
}

/// Whether `pattern` matches the whole of `text`; `*` stands for any run of characters. In time proportional to the product of
/// both lengths at most.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut from) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while from < text.len() {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at, from));
            at += 1;
        } else if pattern.get(at) == Some(&text[from]) {
            at += 1;
            from += 1;
        } else if let Some((star_at, star_from)) = star {
            star = Some((star_at, star_from + 1));
            at = star_at + 1;
            from = star_from + 1;
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

fn count(findings: &[Finding]) -> Counts {
    let mut counts = Counts::default();
    for finding in findings {
        let counter = match finding.outcome {
            _ if finding.waived.is_some() => &mut counts.waived,
            Outcome::Pass => &mut counts.pass,
            Outcome::Warn => &mut counts.warn,
            Outcome::Fail => &mut counts.fail,
            Outcome::Unknown => &mut counts.unknown,
            Outcome::Skip => &mut counts.skip,
        };
        *counter = counter.saturating_add(1);
    }
    counts
}

/// The worst counted outcome: fail > unknown > warn > pass.
fn worst(findings: &[Finding]) -> Outcome {
    let counted = findings.iter().filter(|finding| finding.waived.is_none() && finding.outcome != Outcome::Skip);
    counted.map(|finding| finding.outcome).max().unwrap_or(Outcome::Unknown)
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn globs() {
        for (pattern, text, matches) in [
            ("node2:eth0", "node2:eth0", true),
            ("node2:eth0", "node2:eth01", false),
            ("node*", "node2:eth0", true),
            ("*:eth0", "node2:eth0", true),
            ("*->nas", "node1->nas", true),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b", "ab-ab-a", false),
            ("", "", true),
            ("*", "", true),
            ("**", "anything", true),
            ("", "x", false),
        ] {
            assert_eq!(glob(pattern.as_bytes(), text.as_bytes()), matches, "{pattern} against {text}");
        }
    }
}

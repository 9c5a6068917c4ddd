//! A baseline against a host: each value now, after the next boot, and as wanted (schema `pathvet.tune/1`).

use crate::baseline::{Baseline, Kind, Machine, Risk, Rule, Setting, bytes_words, lint, normal, shape};
use crate::evidence::{Gap, Otherwise, Place, Sysctl};
use crate::report::Outcome;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The schema name that this version writes.
pub const SCHEMA: &str = "pathvet.tune/1";

/// What `tune show`, `diff` and `status` say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TuneReport {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// The program and version that wrote it.
    pub tool: String,
    /// `show`, `diff` or `status`.
    pub verb: String,
    /// Name of the baseline; `None` = all that is applied here.
    pub baseline: Option<String>,
    /// What reads the files at boot here: `systemd-sysctl` or `sysctl --system`.
    pub loader: String,
    /// The worst counted outcome: fail > unknown > warn > pass.
    pub verdict: Outcome,
    /// What the command exits with.
    pub exit_code: u8,
    /// Every value of the baseline, in its order.
    pub values: Vec<TuneValue>,
    /// Values that are wrong, harmful or without effect: those of the baseline, or of this host where none was named.
    pub risks: Vec<TuneRisk>,
    /// What pathvet has applied here, the latest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub applies: Vec<Applied>,
    /// What to know besides.
    pub notes: Vec<String>,
}

/// One value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TuneValue {
    /// The key, in dots as `sysctl` prints it.
    pub key: String,
    /// How it came out.
    pub outcome: Outcome,
    /// The same in words.
    pub summary: String,
    /// `equal`, `at_least`, `at_most`, `one_of`, `not`.
    pub rule: String,
    /// What the rule wants, in words: `at least 16777216`.
    pub wanted: String,
    /// What `tune apply` would set here; `None` where the rule says only what the value must not be.
    pub target: Option<String>,
    /// What the value does, and why it is wanted.
    pub reason: String,
    /// What it costs, or when it is wrong.
    #[serde(default)]
    pub warning: Option<String>,
    /// The value now; `None` = this kernel or namespace has no such key, or it cannot be read.
    pub running: Option<String>,
    /// The value that the files give at the next boot; `None` = no file sets it.
    pub persisted: Option<String>,
    /// The line that wins.
    pub winner: Option<Place>,
    /// Lines that lose to it.
    pub losers: Vec<Place>,
    /// Lines whose value the kernel refuses: quoted or empty.
    pub refused: Vec<Place>,
    /// What the other program would make of the same files, where that is another value.
    pub otherwise: Option<Otherwise>,
}

/// One risk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TuneRisk {
    /// The key.
    pub key: String,
    /// Its value.
    pub value: String,
    /// `note`, `harmful`, `wrong`.
    pub severity: String,
    /// Whether `tune apply` writes it only with `--accept-risk`.
    pub refused: bool,
    /// Why, with a number.
    pub reason: String,
}

/// One apply that stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Applied {
    /// Its number, for `tune revert`.
    pub id: u32,
    /// The baseline.
    pub baseline: String,
    /// When.
    #[schemars(with = "String")]
    pub at: jiff::Timestamp,
    /// How it came out: complete and still so is PASS.
    pub outcome: Outcome,
    /// The same in words.
    pub summary: String,
    /// What is no longer as it was applied, one line each.
    pub changed: Vec<String>,
}

impl From<Risk> for TuneRisk {
    fn from(risk: Risk) -> Self {
        let Risk { key, value, reason, severity } = risk;
        Self { key, value, severity: severity.word().into(), refused: severity.refused(), reason }
    }
}

/// Everything that a report is made of.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// The values of this host.
    pub table: &'a BTreeMap<String, Sysctl>,
    /// What could not be read.
    pub gaps: &'a [Gap],
    /// What decides whether a value is harmful.
    pub machine: Machine,
    /// What reads the files at boot.
    pub loader: &'a str,
}

/// Holds a host against a baseline.
#[must_use]
pub fn compare(baseline: &Baseline, facts: &Facts<'_>) -> TuneReport {
    let values: Vec<TuneValue> = baseline.values.iter().map(|setting| value(setting, facts)).collect();
    let wanted = values.iter().filter_map(|value| Some((value.key.clone(), value.target.clone()?))).collect();
    let risks = lint(&wanted, &facts.machine).into_iter().map(TuneRisk::from).collect();
    let mut notes = baseline.warnings.clone();
    notes.extend(
        facts
            .gaps
            .iter()
            .filter(|gap| gap.what == "sysctl" && !gap.place.starts_with("/proc/"))
            .map(|gap| format!("{} cannot be read ({}): whether it sets one of these values is not known", gap.place, gap.detail)),
    );
    for value in &values {
        if let Some(other) = &value.otherwise {
            let says = other.persisted.as_deref().map_or_else(|| "no value".to_string(), |value| format!("`{value}`"));
            let from = other.winner.as_ref().map(|place| format!(" from {}:{}", place.file, place.line)).unwrap_or_default();
            notes.push(format!("{}: {} would make of the same files {says}{from}", value.key, other.loader));
        }
        for place in &value.refused {
            notes.push(format!(
                "{}: {}:{} has no effect: its value is empty or in quotes, which no program takes off and the kernel refuses",
                value.key, place.file, place.line
            ));
        }
    }
    finish(TuneReport {
        schema: SCHEMA.into(),
        tool: String::new(),
        verb: "diff".into(),
        baseline: Some(baseline.name.clone()),
        loader: facts.loader.into(),
        verdict: Outcome::Unknown,
        exit_code: 3,
        values,
        risks,
        applies: Vec::new(),
        notes,
    })
}

/// What stands of earlier applies, and what is harmful among the values of this host, with or without them.
#[must_use]
pub fn status(applies: Vec<Applied>, facts: &Facts<'_>) -> TuneReport {
    let running = facts.table.iter().filter_map(|(key, sysctl)| Some((key.clone(), sysctl.running.clone()?))).collect();
    let risks = lint(&running, &facts.machine).into_iter().map(TuneRisk::from).collect();
    finish(TuneReport {
        schema: SCHEMA.into(),
        tool: String::new(),
        verb: "status".into(),
        baseline: None,
        loader: facts.loader.into(),
        verdict: Outcome::Unknown,
        exit_code: 3,
        values: Vec::new(),
        risks,
        applies,
        notes: Vec::new(),
    })
}

/// Sets verdict and exit code from what the report holds.
#[must_use]
pub fn finish(mut report: TuneReport) -> TuneReport {
    let risky = report.risks.iter().any(|risk| risk.refused).then_some(Outcome::Warn);
    let outcomes = report.values.iter().map(|value| value.outcome).chain(report.applies.iter().map(|apply| apply.outcome));
    let worst = outcomes.chain(risky).filter(|outcome| *outcome != Outcome::Skip).max();
    // A host with nothing applied and nothing harmful was looked at, and is well.
    let nothing = if report.values.is_empty() { Outcome::Pass } else { Outcome::Unknown };
    report.verdict = worst.unwrap_or(nothing);
    report.exit_code = report.verdict.exit_code();
    report
}

fn value(setting: &Setting, facts: &Facts<'_>) -> TuneValue {
    let found = facts.table.get(&setting.key).cloned().unwrap_or_default();
    let place = format!("/proc/sys/{}", crate::parse::sysctl::path(&setting.key));
    let gap = facts.gaps.iter().find(|gap| gap.place == place);
    let (outcome, summary) = match gap {
        Some(gap) => (Outcome::Unknown, format!("cannot be read: {}", gap.detail)),
        None => vet(&setting.rule, &found),
    };
    TuneValue {
        key: setting.key.clone(),
        outcome,
        summary,
        rule: setting.rule.word().into(),
        wanted: setting.rule.to_string(),
        target: setting.target(found.running.as_deref()),
        reason: setting.reason.clone(),
        warning: setting.warning.clone(),
        running: found.running,
        persisted: found.persisted,
        winner: found.winner,
        losers: found.losers,
        refused: found.refused,
        otherwise: found.otherwise,
    }
}

/// Whether a setting follows a rule, now and after the next boot. A deviation is a WARN: a baseline is advice, and what it wants
/// is not proven to be needed.
#[must_use]
pub fn vet(rule: &Rule, found: &Sysctl) -> (Outcome, String) {
    let Some(running) = &found.running else {
        return (Outcome::Skip, "this kernel or namespace has no such setting".into());
    };
    let line = found.winner.as_ref().map(|place| format!("{}:{}", place.file, place.line)).unwrap_or_default();
    match (rule.holds(running), &found.persisted) {
        (true, None) => (Outcome::Pass, "as wanted; no file sets it".into()),
        (true, Some(value)) if rule.holds(value) => (Outcome::Pass, format!("as wanted, now and by {line}")),
        (true, Some(value)) => (Outcome::Warn, format!("as wanted until the next boot: {line} sets `{value}`")),
        (false, None) => (Outcome::Warn, "not as wanted, and no file sets it".into()),
        (false, Some(value)) if rule.holds(value) => (Outcome::Warn, format!("not as wanted until the next boot: {line} sets it")),
        (false, Some(value)) => (Outcome::Warn, format!("not as wanted, and {line} sets `{value}`")),
    }
}

/// A value as people read it: what counts pages gets its bytes.
#[must_use]
pub fn shown(key: &str, value: &str, page_size: u64) -> String {
    let value = normal(value);
    if !matches!(shape(key).map(|shape| shape.kind), Some(Kind::Number { unit: "pages", .. })) {
        return value;
    }
    let most = value.split(' ').filter_map(|field| field.parse::<u128>().ok()).max().unwrap_or(0);
    format!("{value} ({})", bytes_words(most.saturating_mul(u128::from(page_size))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(running: Option<&str>, persisted: Option<&str>) -> Sysctl {
        let winner = persisted.map(|_| Place { file: "/etc/sysctl.d/a.conf".into(), line: 3 });
        Sysctl { running: running.map(Into::into), persisted: persisted.map(Into::into), winner, ..Sysctl::default() }
    }

    #[test]
    fn running_and_persisted_are_told_apart() {
        let rule = Rule::AtLeast("16777216".into());
        let said = |running, persisted| vet(&rule, &found(running, persisted));
        assert_eq!(said(None, Some("16777216")).0, Outcome::Skip);
        assert_eq!(said(Some("33554432"), None).0, Outcome::Pass);
        assert_eq!(said(Some("33554432"), Some("16777216")).0, Outcome::Pass);
        let (outcome, words) = said(Some("33554432"), Some("212992"));
        assert_eq!(outcome, Outcome::Warn);
        assert_eq!(words, "as wanted until the next boot: /etc/sysctl.d/a.conf:3 sets `212992`");
        assert!(said(Some("212992"), Some("16777216")).1.starts_with("not as wanted until the next boot"));
        assert_eq!(said(Some("212992"), None).1, "not as wanted, and no file sets it");
    }

    #[test]
    fn pages_are_shown_as_bytes_too() {
        assert_eq!(shown("net.ipv4.tcp_mem", "16777216\t16777216 16777216", 4096), "16777216 16777216 16777216 (64 GiB)");
        assert_eq!(shown("net.core.rmem_max", "16777216", 4096), "16777216");
        assert_eq!(shown("net.ipv4.tcp_sack", "1", 4096), "1");
        assert_eq!(shown("net.core.default_qdisc", "fq", 4096), "fq");
        drop(shown("net.ipv4.tcp_mem", "340282366920938463463374607431768211455", u64::MAX));
    }
}

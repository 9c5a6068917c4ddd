//! Do the kernel settings of a host follow the baseline that the plan names?

use crate::Case;
use crate::baseline::{Baseline, Machine, Risk, Setting, lint};
use crate::check::{Check, Meta, check};
use crate::evidence::{Host, Sysctl};
use crate::facts;
use crate::report::{At, Finding, Outcome, Quantity};
use crate::tune::vet;
use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

check! {
    /// # What it looks for
    ///
    /// Kernel settings (sysctl) that differ from the baseline that the plan's `expect.tuning` names for the host, in their
    /// value now and in the value that the files give after the next boot; and values that are known to be harmful.
    ///
    /// # How it decides
    ///
    /// Each value of the baseline has a rule: equal, at least, at most, one of, not. White space does not matter, and a buffer
    /// larger than the baseline's passes.
    ///
    /// - FAIL: a value differs and is wrong or harmful by itself: `tcp_mem` in bytes where pages are counted, a minimum above a
    ///   maximum, timestamps or selective acknowledgements off at 10 Gb/s and more.
    /// - WARN: a value differs now, or will after the next boot. A baseline is advice: that it is needed is not proven.
    /// - PASS: every value follows its rule, now and after the next boot.
    /// - UNKNOWN: a baseline is asked for and the settings were not read.
    /// - SKIP: no baseline is asked for. Harmful values are notes then.
    ///
    /// A setting that this kernel or network namespace does not have is a note. So is a value that no file sets: after a boot
    /// it may be another, unless a service sets it.
    ///
    /// # What to do
    ///
    /// `pathvet tune diff BASELINE` shows each value, the file that wins and the reason; `pathvet tune apply BASELINE` sets them.
    /// `pathvet explain BASELINE` says what each value does.
    ///
    /// # Example
    ///
    /// `warn-drift`: the plan asks for `ipoib-safe`, and the receive buffers are the kernel's own.
    ///
    /// ```text
    /// WARN tuning node1
    ///   1 of 5 values differs from ipoib-safe: net.core.rmem_max is 212992 (wanted at least 16777216), and no file sets it
    ///   measured: net.core.rmem_max 212992
    ///   expected: at least 16777216
    /// ```
    pub(crate) struct Tuning = { id: "tuning", summary: "kernel settings that differ from the plan's baseline" }
}

impl Check for Tuning {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn judge(&self, case: &Case<'_>) -> Vec<Finding> {
        let mut findings = Vec::new();
        for host in &case.evidence.hosts {
            let baselines = facts::baselines(case, host);
            if baselines.is_empty() {
                findings.extend(unasked(case, host));
            }
            findings.extend(baselines.into_iter().map(|baseline| against(host, baseline)));
        }
        let expected = case.expect.hosts.iter().filter_map(|(name, host)| Some((name, host.expect.tuning.as_deref()?)));
        for (name, baseline) in expected {
            if !case.evidence.hosts.iter().any(|host| facts::is_called(host, name)) {
                let at = At { host: Some(name.clone()), ..At::default() };
                let summary = format!("whether {name} follows {} can only be seen there", baseline.name);
                let mut finding = Finding::new(Self::META.id, name.clone(), at, Outcome::Unknown, summary);
                finding.remedies = alloc::vec![format!("run pathvet with this plan on {name}, or give its evidence in the plan")];
                findings.push(finding);
            }
        }
        findings
    }
}

fn finding(host: &Host, outcome: Outcome, summary: impl Into<alloc::borrow::Cow<'static, str>>) -> Finding {
    let at = At { host: Some(host.name.clone()), ..At::default() };
    Finding::new(Tuning::META.id, host.name.clone(), at, outcome, summary)
}

/// What is harmful among the values of a host, without those that are `pmtu-masking`'s to judge.
fn risks(host: &Host, table: &BTreeMap<String, Sysctl>) -> Vec<Risk> {
    let running = table.iter().filter_map(|(key, found)| Some((key.clone(), found.running.clone()?))).collect();
    let risks = lint(&running, &Machine::of(host));
    risks.into_iter().filter(|risk| risk.severity.refused() && !super::pmtu_masking::KEYS.contains(&risk.key.as_str())).collect()
}

fn risk_words(risk: &Risk) -> String {
    format!("{} is {}: {}", risk.key, risk.value, risk.reason)
}

fn unasked(case: &Case<'_>, host: &Host) -> Option<Finding> {
    let notes: Vec<String> =
        host.sysctl.as_ref().map(|table| risks(host, table).iter().map(risk_words).collect()).unwrap_or_default();
    let named = facts::named(case, Tuning::META.id);
    if notes.is_empty() && !named {
        return None;
    }
    let outcome = if named { Outcome::Unknown } else { Outcome::Skip };
    let mut finding = finding(host, outcome, "no baseline is named to compare with");
    finding.notes = notes;
    finding.remedies =
        alloc::vec!["name one in the plan, as `expect: { tuning: ipoib-safe }`; `pathvet tune list` shows them".into()];
    Some(finding)
}

/// A value that differs.
struct Drift {
    key: String,
    running: String,
    wanted: String,
    words: String,
}

fn against(host: &Host, baseline: &Baseline) -> Finding {
    let name = &baseline.name;
    let Some(table) = &host.sysctl else {
        let gap = host.gaps.iter().find(|gap| gap.what == "sysctl");
        let why = gap.map_or_else(|| "they were not collected".to_owned(), |gap| format!("{}: {}", gap.place, gap.detail));
        return finding(
            host,
            Outcome::Unknown,
            format!("the kernel settings are not known, so nothing is held against {name}: {why}"),
        );
    };
    let risks = risks(host, table);
    let (mut drifts, mut unread, mut absent, mut unset) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut followed: u32 = 0;
    for setting in &baseline.values {
        let key = &setting.key;
        let place = format!("/proc/sys/{}", crate::parse::sysctl::path(key));
        let gap = host.gaps.iter().find(|gap| gap.place == place);
        let Some(found) = table.get(key).filter(|_| gap.is_none()) else {
            unread.push(
                gap.map_or_else(|| format!("{key} was not collected"), |gap| format!("{key} cannot be read: {}", gap.detail)),
            );
            continue;
        };
        let Some(running) = &found.running else {
            absent.push(key.as_str());
            continue;
        };
        if vet(&setting.rule, found).0 == Outcome::Pass {
            followed += 1;
            if found.persisted.is_none() {
                unset.push(key.as_str());
            }
        } else {
            let (running, wanted) = (running.clone(), setting.rule.to_string());
            drifts.push(Drift { key: key.clone(), words: drift_words(setting, found, &running), running, wanted });
        }
    }
    let mut finding = outcome(host, baseline, &drifts, &unread, &risks, followed);
    finding.notes.extend(drifts.iter().skip(SHOWN).map(|drift| drift.words.clone()));
    finding.notes.extend(risks.iter().map(risk_words));
    if !unread.is_empty() && finding.outcome != Outcome::Unknown {
        finding.notes.extend(unread);
    }
    if !absent.is_empty() {
        finding.notes.push(format!("this kernel or network namespace does not have {}", absent.join(", ")));
    }
    if !unset.is_empty() {
        let those = if unset.len() <= SHOWN { unset.join(", ") } else { format!("{} of the values", unset.len()) };
        finding.notes.push(format!("no file sets {those}: after a boot the kernel or a service decides"));
    }
    if matches!(finding.outcome, Outcome::Warn | Outcome::Fail) {
        let word = baseline.file.as_deref().unwrap_or(name);
        finding.remedies = alloc::vec![format!("pathvet tune diff {word}   and then   pathvet tune apply {word}")];
    }
    finding
}

/// What differs, in words: now, after the next boot, or both.
fn drift_words(setting: &Setting, found: &Sysctl, running: &str) -> String {
    let (key, rule) = (&setting.key, &setting.rule);
    let line = found.winner.as_ref().map_or_else(|| "a file".to_owned(), |place| format!("{}:{}", place.file, place.line));
    match &found.persisted {
        Some(value) if rule.holds(running) => {
            format!("{key} is {running} until the next boot, {line} sets {value} (wanted {rule})")
        }
        Some(value) if rule.holds(value) => format!("{key} is {running} (wanted {rule}), {line} sets {value} at the next boot"),
        Some(value) if value == running => format!("{key} is {running} (wanted {rule}), as {line} sets it"),
        Some(value) => format!("{key} is {running} (wanted {rule}), and {line} sets {value}"),
        None => format!("{key} is {running} (wanted {rule}), and no file sets it"),
    }
}

/// Values that a summary names.
const SHOWN: usize = 3;

fn outcome(host: &Host, baseline: &Baseline, drifts: &[Drift], unread: &[String], risks: &[Risk], followed: u32) -> Finding {
    let name = &baseline.name;
    if let Some(first) = drifts.first() {
        let harmful = drifts.iter().any(|drift| risks.iter().any(|risk| risk.key == drift.key));
        let outcome = if harmful { Outcome::Fail } else { Outcome::Warn };
        let all = drifts.len() + usize::try_from(followed).unwrap_or(usize::MAX);
        let differ = if drifts.len() == 1 { "differs" } else { "differ" };
        let shown: Vec<&str> = drifts.iter().take(SHOWN).map(|drift| drift.words.as_str()).collect();
        let more = if drifts.len() > SHOWN { format!("; and {} more", drifts.len() - SHOWN) } else { String::new() };
        let summary = format!("{} of {all} values {differ} from {name}: {}{more}", drifts.len(), shown.join("; "));
        let mut finding = finding(host, outcome, summary);
        let (observed, expected) = match drifts {
            [one] => (format!("{} {}", first.key, first.running), one.wanted.clone()),
            several => (format!("{} of {all} values differ", several.len()), name.clone()),
        };
        finding.observed = Some(Quantity::text(observed));
        finding.expected = Some(Quantity::text(expected));
        return finding;
    }
    match (unread, followed) {
        ([], 0) => finding(host, Outcome::Unknown, format!("this kernel or network namespace has no setting of {name}")),
        ([], some) if usize::try_from(some) == Ok(baseline.values.len()) => {
            finding(host, Outcome::Pass, format!("every value follows {name} ({some})"))
        }
        ([], some) => finding(
            host,
            Outcome::Pass,
            format!("{some} of the {} values of {name} exist here, and follow it", baseline.values.len()),
        ),
        (unread, _) => {
            let more = if unread.len() > 1 { format!("; and {} more", unread.len() - 1) } else { String::new() };
            finding(host, Outcome::Unknown, format!("whether {name} is followed is not known: {}{more}", unread[0]))
        }
    }
}

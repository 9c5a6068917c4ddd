//! Does a kernel setting hide a path that drops large packets?

use crate::Case;
use crate::baseline::{mtu_probing, no_pmtu_disc};
use crate::check::{Check, Meta, check};
use crate::evidence::{Host, LimitKind, Sysctl};
use crate::facts;
use crate::report::{At, Finding, Outcome, Quantity};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

const NO_DISCOVERY: &str = "net.ipv4.ip_no_pmtu_disc";
const PROBING: &str = "net.ipv4.tcp_mtu_probing";

/// The settings that are judged here and not by `tuning`.
pub(crate) const KEYS: [&str; 2] = [NO_DISCOVERY, PROBING];

check! {
    /// # What it looks for
    ///
    /// Settings of this host that hide what a path carries: `net.ipv4.ip_no_pmtu_disc`, with which its path MTU is not learnt, and
    /// `net.ipv4.tcp_mtu_probing`, with which TCP survives a path that drops large packets in silence. The path stays broken: UDP,
    /// RDMA and other hosts still fail on it, and a live migration becomes slow instead of failing at once.
    ///
    /// # How it decides
    ///
    /// - WARN: `ip_no_pmtu_disc` is not 0; or `tcp_mtu_probing` is on and a silent cut was measured in the same run.
    /// - PASS: `tcp_mtu_probing` is on and no cut was measured, which is a note; or, where this check is asked for by name,
    ///   neither is set.
    /// - UNKNOWN: it was asked for by name and the settings were not read.
    ///
    /// # What to do
    ///
    /// Mend the path that `path-mtu` names; what it carries is measured past TCP and these settings. Then set both to 0.
    ///
    /// # Example
    ///
    /// `warn-probing-and-cut`: nothing above 9198 arrives, and TCP on node1 works around it.
    ///
    /// ```text
    /// WARN pmtu-masking node1
    ///   tcp_mtu_probing hides the cut at 9198 from TCP on node1
    ///   measured: net.ipv4.tcp_mtu_probing 1
    ///   expected: 0
    /// ```
    pub(crate) struct PmtuMasking = { id: "pmtu-masking", summary: "settings that hide a broken path from TCP" }
}

impl Check for PmtuMasking {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn judge(&self, case: &Case<'_>) -> Vec<Finding> {
        case.evidence.hosts.iter().filter_map(|host| judge(case, host)).collect()
    }
}

fn finding(host: &Host, outcome: Outcome, summary: impl Into<alloc::borrow::Cow<'static, str>>) -> Finding {
    let at = At { host: Some(host.name.clone()), ..At::default() };
    let mut finding = Finding::new(PmtuMasking::META.id, host.name.clone(), at, outcome, summary);
    finding.sources.push("/proc/sys/net/ipv4".into());
    finding
}

fn running(table: &BTreeMap<String, Sysctl>, key: &str) -> Option<i128> {
    table.get(key)?.running.as_ref()?.trim().parse().ok()
}

fn judge(case: &Case<'_>, host: &Host) -> Option<Finding> {
    let named = facts::named(case, PmtuMasking::META.id);
    let values = host.sysctl.as_ref().map(|table| (table, running(table, NO_DISCOVERY), running(table, PROBING)));
    let Some((table, discovery, probing)) = values.filter(|(_, discovery, probing)| discovery.or(*probing).is_some()) else {
        return named.then(|| finding(host, Outcome::Unknown, "the kernel settings are not known"));
    };
    // The smallest size above which packets of this host vanish.
    let cut = case
        .evidence
        .paths
        .iter()
        .filter(|path| path.limit.kind == LimitKind::Silent && facts::is_called(host, &path.from))
        .filter_map(|path| path.path_mtu)
        .min();
    let discovery = discovery.filter(|value| *value != 0);
    let probing = probing.filter(|value| *value != 0);
    let base = table.get("net.ipv4.tcp_base_mss").and_then(|found| found.running.as_deref());
    let mut found = match (discovery, probing, cut) {
        (None, None, _) if named => return Some(finding(host, Outcome::Pass, "neither setting hides a cut from TCP")),
        (None, None, _) => return None,
        (Some(value), ..) => {
            let words = if value == 3 {
                "path MTU discovery for IPv4 works for TCP and SCTP alone"
            } else {
                "path MTU discovery for IPv4 is off"
            };
            let mut found = masks(host, table, words.into(), NO_DISCOVERY, value);
            found.notes.push(format!("{NO_DISCOVERY} is {value}: {}", no_pmtu_disc(value)));
            found
        }
        (None, Some(value), Some(cut)) => {
            let words = format!("tcp_mtu_probing hides the cut at {cut} from TCP on {}", host.name);
            masks(host, table, words, PROBING, value)
        }
        (None, Some(value), None) => finding(host, Outcome::Pass, format!("tcp_mtu_probing is {value}, and no cut was measured")),
    };
    if let Some(value) = probing {
        found.notes.push(format!("{PROBING} is {value}: {}", mtu_probing(value, base)));
    }
    Some(found)
}

fn masks(host: &Host, table: &BTreeMap<String, Sysctl>, words: String, key: &str, value: i128) -> Finding {
    let mut finding = finding(host, Outcome::Warn, words);
    finding.observed = Some(Quantity::text(format!("{key} {value}")));
    finding.expected = Some(Quantity::text("0"));
    let file = table.get(key).and_then(|found| found.winner.as_ref());
    let file = file.map(|place| format!(", and take it out of {}:{}", place.file, place.line)).unwrap_or_default();
    let first = if key == PROBING { "mend the path first; then " } else { "" };
    finding.remedies = alloc::vec![format!("{first}sysctl -w {key}=0{file}")];
    finding
}

//! Do error counters rise while the path is vetted?

use crate::Case;
use crate::chain::{self, Carrier};
use crate::check::{Check, Meta, check};
use crate::evidence::{Counters, LimitKind, Link};
use crate::facts;
use crate::report::{Finding, Outcome, Quantity};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

check! {
    /// # What it looks for
    ///
    /// Error and drop counters of the interfaces that carry the path, read before and after probing.
    ///
    /// # How it decides
    ///
    /// Only what rises between the two samples counts; old totals prove nothing.
    ///
    /// - WARN: an error counter or the counter of dropped sends rises. Never worse: what it means is the path checks' to say.
    /// - PASS: none rises. Some drivers count good jumbo frames as oversize, and the kernel counts frames of protocols that nobody
    ///   here listens to as dropped: without a silent cut these are a note.
    /// - SKIP: there is only one sample.
    ///
    /// Receive errors that rise with a silent cut mean that the packets reach this host and its receive side throws them away.
    ///
    /// # What to do
    ///
    /// `ethtool -S IFACE`, twice: the driver's own counters tell CRC errors (cable, optic) from lengths (MTU) and from a lack of
    /// buffers (`ethtool -g`).
    ///
    /// # Example
    ///
    /// `warn-crc`: `rx_crc_errors` rises by 12 in the run.
    ///
    /// ```text
    /// WARN link-errors node1:eth0
    ///   rx_crc_errors of eth0 rose by 12
    ///   measured: 12
    ///   expected: 0
    /// ```
    pub(crate) struct LinkErrors = { id: "link-errors", summary: "error counters that rise during the run" }
}

impl Check for LinkErrors {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn judge(&self, case: &Case<'_>) -> Vec<Finding> {
        chain::carriers(case).iter().map(|carrier| finding(case, carrier)).collect()
    }
}

/// What a counter that rises says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    /// Something is wrong.
    Error,
    /// Something is wrong if large packets vanish; else it may be the driver's way to count.
    Doubtful,
}

/// Names as in `/sys/class/net/*/statistics` (`Documentation/networking/statistics.rst`).
fn weight(counter: &str) -> Option<Weight> {
    match counter {
        "rx_dropped" | "rx_length_errors" | "rx_over_errors" | "rx_oversize_errors" => Some(Weight::Doubtful),
        "tx_dropped" => Some(Weight::Error),
        name if name.ends_with("_errors") && name != "rx_errors" && name != "tx_errors" => Some(Weight::Error),
        _ => None,
    }
}

/// Counters of the two totals, which repeat what the others say in detail.
const TOTALS: [&str; 2] = ["rx_errors", "tx_errors"];

/// The counters of a link that rose, with by how much.
fn rises(counters: &Counters) -> Vec<(&str, u64, Weight)> {
    let Some(last) = &counters.last else { return Vec::new() };
    let rise = |name: &str| Some(last.get(name)?.saturating_sub(*counters.first.get(name)?)).filter(|rise| *rise > 0);
    let mut risen: Vec<(&str, u64, Weight)> =
        counters.first.keys().filter_map(|name| Some((name.as_str(), rise(name)?, weight(name)?))).collect();
    for total in TOTALS {
        let side = &total[..3];
        let detailed: u64 = risen
            .iter()
            .filter(|(name, ..)| name.starts_with(side) && name.ends_with("_errors"))
            .map(|(_, rise, _)| *rise)
            .fold(0, u64::saturating_add);
        if let Some(rise) = rise(total)
            && rise > detailed
        {
            risen.push((total, rise - detailed, Weight::Error));
        }
    }
    risen
}

/// Whether receive errors of the path's interfaces rose.
pub(crate) fn receive_side(case: &Case<'_>, path: &crate::evidence::Path) -> Option<String> {
    let host = facts::host(case, &path.from)?;
    let top = facts::egress(case, path)?;
    chain::layers(host, top).iter().find_map(|layer| {
        let risen = rises(layer.link.counters.as_ref()?);
        let (name, rise, _) = risen.into_iter().find(|(name, ..)| name.starts_with("rx_"))?;
        Some(format!("{} of {} rose by {rise} during the run", name, layer.link.ifname))
    })
}

fn finding(case: &Case<'_>, carrier: &Carrier<'_>) -> Finding {
    let (id, host, name) = (LinkErrors::META.id, carrier.host, carrier.ifname);
    let skip = || if facts::named(case, id) { Outcome::Unknown } else { Outcome::Skip };
    let Some(top) = carrier.link else {
        let why = if host.links.is_some() { format!("{name} is not among the interfaces") } else { chain::links_gap(host) };
        return facts::of_link(host, name, id, skip(), why);
    };
    let layers = chain::layers(host, top);
    let sampled: Vec<&Link> = layers
        .iter()
        .map(|layer| layer.link)
        .filter(|link| link.counters.as_ref().is_some_and(|counters| counters.last.is_some()))
        .collect();
    if sampled.is_empty() {
        return facts::of_link(host, name, id, skip(), "only one sample of the counters");
    }
    let silent_cut = chain::paths(case, carrier).any(|path| path.limit.kind == LimitKind::Silent);
    let mut bad: Vec<String> = Vec::new();
    let mut doubtful: Vec<String> = Vec::new();
    let mut total: u64 = 0;
    for link in sampled {
        for (counter, rise, weight) in link.counters.as_ref().map(rises).unwrap_or_default() {
            let words = format!("{counter} of {} rose by {rise}", link.ifname);
            if weight == Weight::Error || silent_cut {
                total = total.saturating_add(rise);
                bad.push(words);
            } else {
                doubtful.push(words);
            }
        }
    }
    let mut finding = if bad.is_empty() {
        facts::of_link(host, name, id, Outcome::Pass, "none rises")
    } else {
        let mut finding = facts::of_link(host, name, id, Outcome::Warn, bad.join("; "));
        finding.observed = Some(Quantity::counted(total, "errors"));
        finding.expected = Some(Quantity::counted(0_u32, "errors"));
        finding.remedies =
            alloc::vec![format!("ethtool -S {name}, twice: the driver's own counters tell cable, length and buffer errors apart")];
        if silent_cut && bad.iter().any(|words| words.starts_with("rx_")) {
            finding.causes.push("with the silent cut of this run: this end's receive side throws large packets away".to_owned());
        }
        finding
    };
    finding
        .notes
        .extend(doubtful.into_iter().map(|words| format!("{words}: good jumbo frames, or frames that nobody here listens to")));
    finding
}

//! Does this host believe in a smaller path MTU than the path has?

use super::path_reach;
use crate::Case;
use crate::check::{Check, Meta, check};
use crate::evidence::{Path, RouteUsed};
use crate::facts;
use crate::report::{Finding, Outcome, Quantity};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

check! {
    /// # What it looks for
    ///
    /// A path MTU that the kernel learnt and remembers, a route's own `mtu`, a `mtu lock`, or an `advmss`, each smaller than what
    /// the path was measured to carry. Programs are then held to the smaller size although larger packets would arrive.
    ///
    /// # How it decides
    ///
    /// - FAIL: the route's own `mtu` is below both what arrives and what is expected.
    /// - WARN: the route's own `mtu`, or a remembered path MTU, is below what arrives; or `advmss` is lower than the MTU allows
    ///   (MTU less 40 for IPv4, 60 for IPv6).
    /// - PASS: nothing smaller is set or remembered.
    /// - SKIP: the route or what arrives is not known.
    ///
    /// # What to do
    ///
    /// A remembered value goes by itself after ten minutes (`net.ipv4.route.mtu_expires`), or with `ip route flush cache`. A
    /// route's own value is somebody's setting: `ip route show` names it, `ip route replace` changes it.
    ///
    /// # Example
    ///
    /// `warn-stale-cache`: the path carries 9000 and the kernel remembers 1500 for 480 seconds more.
    ///
    /// ```text
    /// WARN pmtu-cache node1->node2
    ///   the kernel remembers 1500 for 480 s more, and 9000 arrives
    ///   measured: 1500
    ///   expected: 9000
    /// ```
    pub(crate) struct PmtuCache = { id: "pmtu-cache", summary: "a path MTU remembered or set too small on this host" }
}

impl Check for PmtuCache {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn judge(&self, case: &Case<'_>) -> Vec<Finding> {
        case.evidence.paths.iter().map(|path| facts::eased(path, finding(case, path))).collect()
    }
}

fn finding(case: &Case<'_>, path: &Path) -> Finding {
    let id = PmtuCache::META.id;
    if let Some(blocked) = path_reach::blocked(case, path, id) {
        return blocked;
    }
    let Some(route) = &path.route else {
        return facts::of_path(path, id, Outcome::Skip, "the kernel's route could not be read");
    };
    let Some(measured) = path.path_mtu else {
        return facts::of_path(path, id, Outcome::Skip, "what the path carries is not known");
    };
    let smaller = set(case, path, route, measured)
        .or_else(|| cached(path, route, measured))
        .or_else(|| advertised(case, path, route, measured));
    let mut finding = smaller.unwrap_or_else(|| facts::of_path(path, id, Outcome::Pass, "nothing smaller set"));
    if finding.outcome != Outcome::Pass {
        finding.sources.push("RTM_GETROUTE".into());
    }
    finding
}

/// What of the route a command that changes it must repeat.
fn route_words(route: &RouteUsed) -> String {
    let mut words = route.dst.clone().unwrap_or_else(|| "DESTINATION".into());
    if let Some(gateway) = route.gateway {
        words = format!("{words} via {gateway}");
    }
    if let Some(dev) = &route.dev {
        words = format!("{words} dev {dev}");
    }
    words
}

fn ip(path: &Path) -> &'static str {
    if path.family == 6 { "ip -6" } else { "ip" }
}

fn set(case: &Case<'_>, path: &Path, route: &RouteUsed, measured: u32) -> Option<Finding> {
    let mtu = route.mtu.filter(|mtu| *mtu < measured)?;
    let lock = if route.mtu_locked { "mtu lock" } else { "mtu" };
    let expected = facts::expected_mtu(case, path);
    let outcome = if expected.is_some_and(|expected| expected > mtu) { Outcome::Fail } else { Outcome::Warn };
    let mut finding =
        facts::of_path(path, PmtuCache::META.id, outcome, format!("the route is set to {lock} {mtu}, and {measured} arrives"));
    finding.observed = Some(Quantity::bytes(mtu));
    finding.expected = Some(Quantity::bytes(expected.unwrap_or(measured)));
    finding.remedies = alloc::vec![format!("{} route replace {}   without `{lock} {mtu}`", ip(path), route_words(route))];
    Some(finding)
}

fn cached(path: &Path, route: &RouteUsed, measured: u32) -> Option<Finding> {
    let mtu = route.cached_mtu.filter(|mtu| *mtu < measured)?;
    let left = route.cache_expires_s.map(|seconds| format!(" for {seconds} s more")).unwrap_or_default();
    let summary = format!("the kernel remembers {mtu}{left}, and {measured} arrives");
    let mut finding = facts::of_path(path, PmtuCache::META.id, Outcome::Warn, summary);
    finding.observed = Some(Quantity::bytes(mtu));
    finding.expected = Some(Quantity::bytes(measured));
    finding.causes = alloc::vec!["a router was narrower before, or a forged or wrong too-big message was believed".into()];
    finding.remedies = alloc::vec![format!("{} route flush cache", ip(path))];
    Some(finding)
}

fn advertised(case: &Case<'_>, path: &Path, route: &RouteUsed, measured: u32) -> Option<Finding> {
    let advmss = route.advmss.filter(|advmss| *advmss > 0)?;
    let headers = if path.family == 6 { 60 } else { 40 };
    // On a narrower path a lower value is right, so the narrower of both counts.
    let mtu = super::path_mtu::sends(case, path).map_or(measured, |sends| sends.min(measured));
    let allowed = mtu.saturating_sub(headers);
    if advmss >= allowed {
        return None;
    }
    let summary = format!("the route advertises an MSS of {advmss}, and an MTU of {mtu} allows {allowed}");
    let mut finding = facts::of_path(path, PmtuCache::META.id, Outcome::Warn, summary);
    finding.observed = Some(Quantity::bytes(advmss));
    finding.expected = Some(Quantity::bytes(allowed));
    finding.remedies = alloc::vec![format!("{} route replace {}   without `advmss {advmss}`", ip(path), route_words(route))];
    Some(finding)
}

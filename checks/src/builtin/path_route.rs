//! Does the kernel send the path where the plan says?

use super::path_reach;
use crate::Case;
use crate::check::{Check, Meta, check};
use crate::evidence::{Link, Path, RouteUsed};
use crate::facts;
use crate::report::{Finding, Outcome, Quantity};
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

check! {
    /// # What it looks for
    ///
    /// The interface, source address, table, VRF and rule that the kernel picks for the target, against the plan.
    ///
    /// # How it decides
    ///
    /// - FAIL: the plan names an interface or a subnet for this network and the route uses another; or the route is local: the
    ///   target is this host itself, and no network is tested.
    /// - WARN: the plan names nothing, and this host has an interface in the target's subnet that the route does not use.
    /// - PASS: the route is as planned, or nothing speaks against it.
    /// - UNKNOWN: the kernel's answer could not be read.
    ///
    /// A multipath route or a bond is vetted with one flow; a note says that the other members were not tested.
    ///
    /// # What to do
    ///
    /// `ip route get ADDRESS` shows the kernel's choice, `ip rule` and `ip route show table all` why. Give the interface an
    /// address in the network's subnet, or correct the rule or metric.
    ///
    /// # Example
    ///
    /// `fail-planned-interface`: the plan's migration network is eth1, the route leaves by eth0.
    ///
    /// ```text
    /// FAIL path-route node1->node2@migration
    ///   leaves by eth0; the plan's network migration is eth1
    ///   measured: eth0 from 192.0.2.1
    ///   expected: eth1
    /// ```
    pub(crate) struct PathRoute = { id: "path-route", summary: "whether the kernel's route is the planned one" }
}

/// The check's id.
pub(crate) const ID: &str = PathRoute::META.id;

impl Check for PathRoute {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn judge(&self, case: &Case<'_>) -> Vec<Finding> {
        case.evidence.paths.iter().map(|path| facts::eased(path, finding(case, path))).collect()
    }
}

/// What is wrong with the route, and what was expected instead.
pub(crate) fn wrong(case: &Case<'_>, path: &Path) -> Option<(String, Box<Quantity>)> {
    let route = path.route.as_ref()?;
    let address = path.address?;
    if facts::is_self(path) {
        return Some((format!("{address} is this host itself: no network was tested"), Quantity::text("another host")));
    }
    if route.kind != "unicast" {
        return None;
    }
    let (name, network) = facts::network(case, path)?;
    let dev = route.dev.as_deref().unwrap_or("no interface");
    if let Some(planned) = &network.interface
        && dev != planned
    {
        return Some((format!("leaves by {dev}; the plan's network {name} is {planned}"), Quantity::text(planned.clone())));
    }
    let (subnet, length) = network.subnet.filter(|(subnet, _)| subnet.is_ipv4() == address.is_ipv4())?;
    let planned = || Quantity::text(format!("{subnet}/{length}"));
    if !facts::in_subnet(address, subnet, length) {
        return Some((format!("{address} is not in the plan's network {name}, {subnet}/{length}"), planned()));
    }
    let source = route.source?;
    (!facts::in_subnet(source, subnet, length))
        .then(|| (format!("leaves by {dev} from {source}, outside the plan's network {name}, {subnet}/{length}"), planned()))
}

/// The finding on one path, before a gateway's is eased.
pub(crate) fn finding(case: &Case<'_>, path: &Path) -> Finding {
    let Some(route) = &path.route else {
        if let Some(blocked) = path_reach::blocked(case, path, ID) {
            return blocked;
        }
        let outcome = Outcome::Unknown;
        return facts::of_path(path, ID, outcome, "the kernel's route could not be read");
    };
    let shown = || Some(Quantity::text(describe(route)));
    if let Some((summary, expected)) = wrong(case, path) {
        let mut finding = facts::of_path(path, ID, Outcome::Fail, summary);
        finding.observed = shown();
        finding.expected = Some(expected);
        finding.sources = sources(route);
        finding.causes = causes(case, path, route);
        finding.remedies = remedies(case, path, route);
        return finding;
    }
    if let Some(blocked) = path_reach::blocked(case, path, ID) {
        return blocked;
    }
    let mut finding = if let Some((link, subnet)) = unused(case, path, route) {
        let summary = format!("{} has an address in the target's subnet {subnet}, and the route does not use it", link.ifname);
        let mut finding = facts::of_path(path, ID, Outcome::Warn, summary);
        finding.observed = shown();
        finding.expected = Some(Quantity::text(link.ifname.clone()));
        finding.causes = facts::down(link).into_iter().chain(["a metric, a rule or another table wins".to_owned()]).collect();
        finding.remedies = remedies(case, path, route);
        finding.sources = sources(route);
        finding
    } else {
        facts::of_path(path, ID, Outcome::Pass, describe(route))
    };
    finding.notes.extend(one_flow(case, path, route));
    finding
}

/// `eth0 from 192.0.2.1 via 192.0.2.254`.
fn describe(route: &RouteUsed) -> String {
    let mut text = route.dev.clone().unwrap_or_else(|| route.kind.clone());
    if let Some(source) = route.source {
        text = format!("{text} from {source}");
    }
    if let Some(gateway) = route.gateway {
        text = format!("{text} via {gateway}");
    }
    if let Some(vrf) = &route.vrf {
        text = format!("{text} in VRF {vrf}");
    }
    text
}

/// What only one flow cannot show.
fn one_flow(case: &Case<'_>, path: &Path, route: &RouteUsed) -> Option<String> {
    if route.nexthops > 1 {
        return Some(format!("the route has {} next hops; one flow was vetted, the other members are not tested", route.nexthops));
    }
    let bond = facts::egress(case, path).filter(|link| matches!(link.kind(), "bond" | "team"))?;
    Some(format!("{} is a {}; one flow was vetted, the other members are not tested", bond.ifname, bond.kind()))
}

/// An interface with an address in the target's subnet that the route does not use.
fn unused<'a>(case: &Case<'a>, path: &Path, route: &RouteUsed) -> Option<(&'a Link, String)> {
    if facts::network(case, path).is_some_and(|(_, network)| network.interface.is_some() || network.subnet.is_some()) {
        return None;
    }
    let target = path.address.filter(|address| !is_link_local(*address))?;
    let host = facts::host(case, &path.from)?;
    let used = host.link(route.dev.as_deref()?)?;
    // The route's own interface in that subnet means that the subnet is not missed, whatever else is in it.
    let holds = |link: &'a Link| {
        let full = if target.is_ipv4() { 32 } else { 128 };
        let known = link.addresses.iter().find(|own| own.prefixlen < full && facts::in_subnet(target, own.local, own.prefixlen));
        known.map(|own| format!("{}/{}", facts::network_of(own.local, own.prefixlen), own.prefixlen))
    };
    if holds(used).is_some() {
        return None;
    }
    // Another VRF has its own tables.
    let vrf = |link: &Link| {
        link.master.as_deref().and_then(|master| host.link(master)).filter(|master| master.kind() == "vrf").map(|vrf| vrf.ifindex)
    };
    host.links
        .iter()
        .flatten()
        .filter(|link| link.ifindex != used.ifindex && !link.is_loopback() && vrf(link) == vrf(used))
        .find_map(|link| Some((link, holds(link)?)))
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

fn sources(route: &RouteUsed) -> Vec<String> {
    let mut sources = alloc::vec!["RTM_GETROUTE".to_owned()];
    sources.extend(route.rule.as_ref().map(|rule| format!("rule {rule}")));
    sources.extend(route.dst.as_ref().map(|dst| {
        let table = route.table.map(|table| format!(" of table {table}")).unwrap_or_default();
        format!("route {dst}{table}")
    }));
    sources
}

fn causes(case: &Case<'_>, path: &Path, route: &RouteUsed) -> Vec<String> {
    if facts::is_self(path) {
        return alloc::vec!["the name or address is this host's own".to_owned()];
    }
    let mut causes = Vec::new();
    let subnet = facts::network(case, path).and_then(|(_, network)| network.subnet);
    if let (Some((subnet, length)), Some(address)) = (subnet, path.address)
        && !facts::in_subnet(address, subnet, length)
    {
        return alloc::vec![format!("{} resolves to an address of another network", path.to)];
    }
    let planned = facts::network(case, path).and_then(|(_, network)| network.interface.as_deref());
    if let Some(planned) = planned
        && let Some(host) = facts::host(case, &path.from)
    {
        match host.link(planned) {
            Some(link) => causes.extend(facts::down(link)),
            None if host.links.is_some() => return alloc::vec![format!("this host has no interface {planned}")],
            None => {}
        }
    }
    if let Some(rule) = &route.rule {
        causes.push(format!("the rule that chose the table: {rule}"));
    }
    causes.push("no address of the network on the planned interface, so its connected route is missing".to_owned());
    causes
}

fn remedies(case: &Case<'_>, path: &Path, route: &RouteUsed) -> Vec<String> {
    if facts::is_self(path) {
        let what = path.address.map_or_else(|| path.to.clone(), |address| format!("{address}"));
        return alloc::vec![format!("name the other host: {what} is an address of {}", path.from)];
    }
    let target = path.address.map_or_else(|| path.to.clone(), |address| format!("{address}"));
    let planned = facts::network(case, path).and_then(|(_, network)| network.interface.clone());
    let look = format!("ip route get {target}; ip rule; ip route show table all   show why");
    let first = match planned {
        Some(planned) => Some(format!("give {planned} its address in the network and set it up:   ip address show dev {planned}")),
        None => unused(case, path, route).map(|(link, _)| match facts::down(link) {
            Some(_) => format!("ip link set dev {} up", link.ifname),
            None => format!("remove the route or rule that sends {target} out of {}", route.dev.as_deref().unwrap_or("there")),
        }),
    };
    first.into_iter().chain([look]).collect()
}

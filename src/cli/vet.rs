//! From wanted paths to vetted ones: asks the kernel for each route, samples the counters, probes, and looks at the neighbours.

use super::args::{Rate, SourceArg};
use super::gather::{Wanted, unprobed};
use super::request::Probing;
use crate::collect::{self, RouteQuery, Routing};
use crate::host::Host as Source;
use crate::probe::{self, Observer, Options, Target};
use pathvet_checks::evidence::{Gap, GapReason, Host, Link, Method, Neighbour, Path, RouteUsed};
use pathvet_checks::expect::Expect;
use pathvet_checks::search;
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::Instant;

/// Interfaces whose counters are sampled, where a host has very many; those of the paths come first.
const MOST_SAMPLED: usize = 256;

/// How the paths of one run are vetted.
pub(super) struct Vetting<'a> {
    /// How to probe.
    pub(super) probing: &'a Probing,
    /// Sizes that are expected are probed too.
    pub(super) expect: &'a Expect,
    /// Only the ladder: no second method, no far end's MTU, no loss sample.
    pub(super) ladder_only: bool,
    /// Watches the run.
    pub(super) observer: &'a mut dyn Observer,
}

/// Probes every wanted path. The host's neighbours are read again afterwards, and its counters before and after.
pub(super) fn vet(
    vetting: Vetting<'_>,
    source: &dyn Source,
    host: &mut Host,
    wanted: &[Wanted],
    taken: jiff::Timestamp,
) -> Vec<Path> {
    let links = host.links.clone().unwrap_or_default();
    let (routing, gaps) = Routing::new(source, &links);
    host.gaps.extend(gaps);
    let bound = match bind(vetting.probing, &links) {
        Ok(bound) => bound,
        Err(why) => return wanted.iter().map(|wanted| refused(&host.name, wanted, taken, &why)).collect(),
    };
    let mut paths = Vec::with_capacity(wanted.len());
    let mut flows = Vec::new();
    let mut queries = Vec::new();
    for wanted in wanted {
        let Some(Ok(addresses)) = &wanted.addresses else {
            paths.push(unprobed(&host.name, wanted, taken, "its name has no address"));
            continue;
        };
        if addresses.is_empty() {
            paths.push(unprobed(&host.name, wanted, taken, "it has no address in that network"));
        }
        for address in one_of_each_family(addresses) {
            for dscp in &vetting.probing.dscp {
                let scope = scope(wanted.zone.as_deref(), address, &routing);
                queries.push(RouteQuery {
                    dst: address,
                    oif: bound.ifindex.or(scope),
                    source: bound.source,
                    tos: dscp << 2,
                    mark: 0,
                });
                flows.push((wanted, *dscp, scope));
            }
        }
    }
    let facts = Facts { links: &links, neighbours: index(host.neighbours.as_deref().unwrap_or_default()), bound, name: &host.name };
    let mut targets = Vec::new();
    for ((query, route), (wanted, dscp, scope)) in queries.iter().zip(collect::routes_used(source, &routing, &queries)).zip(flows) {
        match route {
            Ok(route) => targets.push(facts.target(wanted, query, &route, dscp, scope, vetting.expect)),
            Err(gap) => host.gaps.push(gap),
        }
    }
    drop_unrouted_families(&mut targets);
    let sampled = sampled(&links, &targets);
    let (before, gaps) = collect::sample_counters(source, &sampled);
    host.gaps.extend(gaps);
    let clock = Instant::now();
    let after = RefCell::new(None);
    let read_neighbours = || {
        let (table, _) = collect::neighbours(source, &links);
        after.replace(table.clone());
        table.unwrap_or_default()
    };
    let options = options(vetting.probing, vetting.ladder_only);
    match probe::run(&targets, &options, &read_neighbours, vetting.observer) {
        Ok(outcome) => {
            host.gaps.extend(outcome.gaps);
            paths.extend(outcome.paths);
        }
        Err(error) => host.gaps.push(Gap {
            what: "paths".to_string(),
            place: "getrandom".to_string(),
            reason: GapReason::Unsupported,
            detail: error.to_string(),
            right: None,
        }),
    }
    if let Some(table) = after.into_inner() {
        host.neighbours = Some(table);
    }
    let (last, _) = collect::sample_counters(source, &sampled);
    collect::apply_counters(host, &before, Some((&last, clock.elapsed())));
    host.gaps.sort();
    host.gaps.dedup();
    paths
}

/// What `--source` binds the probes to.
#[derive(Debug, Clone, Copy, Default)]
struct Bound {
    ifindex: Option<u32>,
    source: Option<IpAddr>,
}

/// # Errors
/// Why nothing can be sent from there: the interface or address is not this host's.
fn bind(probing: &Probing, links: &[Link]) -> Result<Bound, String> {
    match &probing.source {
        None => Ok(Bound::default()),
        Some(SourceArg::Interface(name)) => match links.iter().find(|link| link.ifname == *name) {
            None => Err(format!("this host has no interface {name} (--source)")),
            Some(link) if !link.is_up() => Err(format!("interface {name} (--source) is down: ip link set dev {name} up")),
            Some(link) => Ok(Bound { ifindex: Some(link.ifindex), source: None }),
        },
        Some(SourceArg::Address(address)) => {
            let ours = links.iter().flat_map(|link| &link.addresses).any(|own| own.local == *address);
            if ours {
                Ok(Bound { ifindex: None, source: Some(*address) })
            } else {
                Err(format!("{address} (--source) is no address of this host"))
            }
        }
    }
}

/// A path on which nothing was sent, because the user's source does not exist here.
fn refused(from: &str, wanted: &Wanted, taken: jiff::Timestamp, why: &str) -> Path {
    let mut path = unprobed(from, wanted, taken, why);
    path.limit.kind = pathvet_checks::evidence::LimitKind::Unreachable;
    path
}

/// The first address of each family.
fn one_of_each_family(addresses: &[IpAddr]) -> impl Iterator<Item = IpAddr> {
    let v4 = addresses.iter().copied().find(IpAddr::is_ipv4);
    let v6 = addresses.iter().copied().find(IpAddr::is_ipv6);
    v4.into_iter().chain(v6)
}

/// Interface index of a link-local address.
fn scope(zone: Option<&str>, address: IpAddr, routing: &Routing) -> Option<u32> {
    let IpAddr::V6(address) = address else { return None };
    let zone = zone.filter(|_| address.is_unicast_link_local())?;
    routing.ifindex(zone).or_else(|| zone.parse().ok())
}

/// Where a name has both families and this host routes one of them only, the other is not vetted.
fn drop_unrouted_families(targets: &mut Vec<Target>) {
    let routed: BTreeSet<(String, Option<String>)> = targets
        .iter()
        .filter(|target| target.route.kind != "none")
        .map(|target| (target.to.clone(), target.network.clone()))
        .collect();
    let mut kept = BTreeSet::new();
    targets.retain(|target| {
        let key = (target.to.clone(), target.network.clone());
        // One of several dead ones stays, to say so.
        target.route.kind != "none" || (!routed.contains(&key) && kept.insert(key))
    });
}

fn index(neighbours: &[Neighbour]) -> HashMap<IpAddr, &Neighbour> {
    neighbours.iter().map(|neighbour| (neighbour.dst, neighbour)).collect()
}

/// What is known of this host before the first probe.
struct Facts<'a> {
    links: &'a [Link],
    neighbours: HashMap<IpAddr, &'a Neighbour>,
    bound: Bound,
    name: &'a str,
}

impl Facts<'_> {
    fn target(
        &self,
        wanted: &Wanted,
        query: &RouteQuery,
        route: &RouteUsed,
        dscp: u8,
        scope: Option<u32>,
        expect: &Expect,
    ) -> Target {
        let link = route.dev.as_ref().and_then(|dev| self.links.iter().find(|link| link.ifname == *dev));
        let link_mtu = link.map_or(0, |link| link.mtu);
        let route_mtu = route.mtu.filter(|mtu| *mtu > 0 && *mtu < link_mtu);
        let next_hop = route.gateway.unwrap_or(query.dst);
        let known = self.neighbours.get(&next_hop).filter(|entry| Some(&entry.dev) == route.dev.as_ref());
        let usable = |entry: &&&Neighbour| matches!(entry.state.as_str(), "reachable" | "stale" | "delay" | "probe" | "permanent");
        let without_neighbours = link.is_some_and(|link| link.is_loopback() || link.flags.iter().any(|flag| flag == "NOARP"));
        Target {
            from: self.name.to_string(),
            to: wanted.to.clone(),
            network: wanted.network.clone(),
            asked: wanted.asked,
            address: query.dst,
            scope_id: scope.unwrap_or(0),
            interface: route.dev.clone(),
            ifindex: link.map_or(0, |link| link.ifindex),
            bind: self.bound.ifindex.is_some() || scope.is_some(),
            source: self.bound.source,
            lladdr: link.and_then(|link| lladdr(link.address.as_deref()?)),
            interface_mtu: route_mtu.unwrap_or(link_mtu),
            probe_above: route_mtu.is_none() && route.kind == "unicast",
            speed_mbps: link.and_then(|link| link.speed_mbps),
            on_link: route.gateway.is_none() && route.kind == "unicast",
            resolved: known.filter(usable).is_some_and(|entry| entry.lladdr.is_some())
                || without_neighbours
                || route.kind == "local",
            dscp,
            expected: expected(expect, wanted),
            route: route.clone(),
        }
    }
}

/// The size that the user expects of this path, so that it is probed.
fn expected(expect: &Expect, wanted: &Wanted) -> Option<u32> {
    let network = wanted.network.as_ref().and_then(|name| expect.networks.get(name));
    let host = expect.hosts.get(&wanted.to);
    expect
        .mtu
        .or_else(|| host.and_then(|host| host.expect.mtu))
        .or_else(|| network.and_then(|network| network.mtu.or(network.expect.mtu)))
        .or(expect.all.mtu)
}

/// A link-layer address of six bytes.
fn lladdr(text: &str) -> Option<[u8; 6]> {
    let mut bytes = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut bytes {
        *byte = u8::from_str_radix(parts.next()?, 16).ok()?;
    }
    parts.next().is_none().then_some(bytes)
}

/// The interfaces of the paths, and what lies below and above them; all of a small host.
fn sampled(links: &[Link], targets: &[Target]) -> Vec<u32> {
    let used: BTreeSet<u32> = targets.iter().map(|target| target.ifindex).filter(|ifindex| *ifindex > 0).collect();
    let rest = links.iter().map(|link| link.ifindex).filter(|ifindex| !used.contains(ifindex));
    used.iter().copied().chain(rest).take(MOST_SAMPLED).collect()
}

fn options(probing: &Probing, ladder_only: bool) -> Options {
    let may = |method| probing.methods.is_empty() || probing.methods.contains(&method);
    Options {
        icmp: may(Method::Icmp),
        udp: may(Method::Udp),
        tcp: may(Method::Tcp),
        connect: probing.connect,
        tcp_port: probing.tcp_port,
        rate: match probing.rate {
            Rate::PerSecond(rate) => Some(rate),
            Rate::Unlimited => None,
        },
        deadline: probing.deadline,
        ladder_only,
        ceilings: search::KNOWN_CEILINGS.into(),
        receive_buffer: None,
    }
}

//! From wanted paths to measured ones: routes, interfaces and limits, the probing itself, and the counters around it.

use super::Sources;
use super::wanted::{Wanted, unprobed};
use crate::catalogue;
use crate::cli::args::{Rate, SourceArg};
use crate::cli::request::Probing;
use crate::collect::{self, Overflows, RouteQuery, Routing, apply_counters, overflows, sample_counters};
use crate::probe::{self, Observer, Options, Target};
use pathvet_checks::evidence::{Evidence, Gap, GapReason, Host, Method, Path, RouteUsed, SCHEMA};
use pathvet_checks::expect::Expect;
use pathvet_checks::search::KNOWN_CEILINGS;
use pathvet_checks::size::MAX;
use pathvet_checks::{Case, expected_mtu};
use std::cell::RefCell;
use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;
use std::time::Instant;

/// Hosts with more interfaces than this have the counters of the egress interfaces alone sampled.
const MANY_LINKS: usize = 128;

/// One path before it is probed.
struct Candidate<'w> {
    wanted: &'w Wanted,
    /// Its place among all that is wanted: the paths come out in this order.
    order: usize,
    address: IpAddr,
    dscp: u8,
}

/// What can be probed, and what is said already of the rest.
#[derive(Default)]
struct Sorted {
    targets: Vec<Target>,
    /// Of every target, its place among all that is wanted.
    orders: Vec<usize>,
    /// Paths that are not probed, with their place.
    paths: Vec<(usize, Path)>,
    gaps: Vec<Gap>,
}

impl Sources<'_> {
    /// Probes every wanted path, and samples the counters of this host's interfaces around it.
    pub(super) fn probe(&self, host: &mut Host, wanted: &[Wanted], observer: &mut dyn Observer) -> Vec<Path> {
        let Sorted { targets, orders, mut paths, mut gaps } = self.sort(host, wanted);
        let links = host.links.as_deref().unwrap_or_default();
        let watched: BTreeSet<u32> = if links.len() <= MANY_LINKS {
            links.iter().map(|link| link.ifindex).collect()
        } else {
            targets.iter().map(|target| target.ifindex).filter(|index| *index != 0).collect()
        };
        let watched: Vec<u32> = watched.into_iter().collect();
        let (before, more) = sample_counters(self.host, &watched);
        gaps.extend(more);
        let full_before = overflows(self.host);
        let clock = Instant::now();
        // Probing resolves neighbours: the table as it is afterwards is the one that says something.
        let table = RefCell::new(None);
        let neighbours = || {
            let (found, _) = collect::neighbours(self.host, links);
            table.borrow_mut().clone_from(&found);
            found.unwrap_or_default()
        };
        match probe::run(&targets, &options(&self.request.probing), &neighbours, observer) {
            Ok(outcome) => {
                gaps.extend(outcome.gaps);
                paths.extend(orders.into_iter().zip(outcome.paths));
                if let (Some(before), Some(after)) = (full_before, overflows(self.host)) {
                    for (_, path) in &mut paths {
                        excuse(path, before, after);
                    }
                }
            }
            Err(error) => {
                let why = format!("no probe could be sent: {error}");
                let unsent = |order: usize| Some((order, unprobed(&host.name, wanted.get(order)?, self.taken, &why)));
                paths.extend(orders.into_iter().filter_map(unsent));
                gaps.push(Gap {
                    what: "paths".to_string(),
                    place: "sockets".to_string(),
                    reason: GapReason::Unsupported,
                    detail: error.to_string(),
                    right: None,
                });
            }
        }
        let (after, more) = sample_counters(self.host, &watched);
        gaps.extend(more);
        if let Some(table) = table.into_inner() {
            host.neighbours = Some(table);
        }
        apply_counters(host, &before, Some((&after, clock.elapsed())));
        host.gaps.extend(gaps);
        host.gaps.sort();
        host.gaps.dedup();
        paths.sort_by_key(|(order, _)| *order);
        paths.into_iter().map(|(_, path)| path).collect()
    }

    /// Asks the kernel for the route of every address, and says which can be probed.
    fn sort(&self, host: &Host, wanted: &[Wanted]) -> Sorted {
        let probing = &self.request.probing;
        let refused = |order: usize, wanted: &Wanted, why: &str| (order, unprobed(&host.name, wanted, self.taken, why));
        let mut sorted = Sorted::default();
        let mut candidates = Vec::new();
        for (order, wanted) in wanted.iter().enumerate() {
            match candidates_of(wanted, order, probing) {
                Ok(found) => candidates.extend(found),
                Err(why) => sorted.paths.push(refused(order, wanted, &why)),
            }
        }
        let (routing, gaps) = Routing::new(self.host, host.links.as_deref().unwrap_or_default());
        sorted.gaps = gaps;
        let (mut oif, mut source) = (None, None);
        match &probing.source {
            Some(SourceArg::Address(address)) => source = Some(*address),
            Some(SourceArg::Interface(name)) => {
                oif = routing.ifindex(name);
                if oif.is_none() {
                    let why = format!("this host has no interface {name}");
                    sorted.paths = wanted.iter().enumerate().map(|(order, wanted)| refused(order, wanted, &why)).collect();
                    return sorted;
                }
            }
            None => {}
        }
        let query = |candidate: &Candidate<'_>| {
            let zone = candidate.wanted.zone.as_deref().and_then(|zone| routing.ifindex(zone).or_else(|| zone.parse().ok()));
            RouteQuery { dst: candidate.address, oif: oif.or(zone), source, tos: candidate.dscp << 2, mark: 0 }
        };
        let queries: Vec<_> = candidates.iter().map(query).collect();
        let routes = collect::routes_used(self.host, &routing, &queries);
        let vetted = chosen(&candidates, &routes, probing.ladder_only);
        let stage = Stage::new(host, self);
        for (index, (candidate, route)) in candidates.iter().zip(routes).enumerate() {
            match route {
                _ if !vetted.contains(&index) => {}
                Ok(route) if route.kind == "local" => {
                    let (order, mut path) = refused(candidate.order, candidate.wanted, "the target is this host itself");
                    path.address = Some(candidate.address);
                    path.family = if candidate.address.is_ipv4() { 4 } else { 6 };
                    path.interface.clone_from(&route.dev);
                    path.route = Some(Box::new(route));
                    sorted.paths.push((order, path));
                }
                Ok(route) => {
                    let target = stage.target(candidate, route, &queries[index]);
                    sorted.targets.push(Target { bind: oif.is_some(), source, ..target });
                    sorted.orders.push(candidate.order);
                }
                Err(gap) => {
                    sorted.paths.push(refused(candidate.order, candidate.wanted, &gap.detail));
                    sorted.gaps.push(gap);
                }
            }
        }
        sorted
    }
}

/// Where the neighbour table was full while the run went on, a next hop that was not resolved may never have been asked for.
fn excuse(path: &mut Path, before: Overflows, after: Overflows) {
    let (full, family) = if path.family == 6 { (after.v6 > before.v6, 6) } else { (after.v4 > before.v4, 4) };
    let resolved = path.neighbour_lladdr.is_some() || path.path_mtu.is_some();
    if full && !resolved && path.send_error.is_none() {
        let why = format!("ENOBUFS: the neighbour table was full (net.ipv{family}.neigh.default.gc_thresh3)");
        path.send_error = Some(why);
    }
}

/// One address of each family for every DSCP, or why there is none to be probed.
fn candidates_of<'w>(wanted: &'w Wanted, order: usize, probing: &Probing) -> Result<Vec<Candidate<'w>>, String> {
    let addresses = match &wanted.addresses {
        Some(Ok(addresses)) => addresses.as_slice(),
        Some(Err(why)) => return Err(why.clone()),
        None => &[],
    };
    let source_is_v4 = match &probing.source {
        Some(SourceArg::Address(address)) => Some(address.is_ipv4()),
        _ => None,
    };
    let fits = |address: &&IpAddr| source_is_v4.is_none_or(|v4| v4 == address.is_ipv4());
    let mut families = BTreeSet::new();
    let first: Vec<_> = addresses.iter().filter(fits).filter(|address| families.insert(address.is_ipv4())).collect();
    if first.is_empty() {
        return Err("the target has no address of the source address's family".to_string());
    }
    let each = |address: &&IpAddr| {
        let address = **address;
        probing.dscp.iter().map(move |dscp| Candidate { wanted, order, address, dscp: *dscp }).collect::<Vec<_>>()
    };
    Ok(first.iter().flat_map(each).collect())
}

/// Indexes of the candidates that are vetted. Of a name with both families one that this host does not route is left out, as long
/// as it routes the other. `only_one`: the first of each target.
fn chosen(candidates: &[Candidate<'_>], routes: &[Result<RouteUsed, Gap>], only_one: bool) -> BTreeSet<usize> {
    let usable = |index: usize| {
        let refused =
            |route: &RouteUsed| matches!(route.kind.as_str(), "none" | "unreachable" | "prohibit" | "blackhole" | "throw");
        routes.get(index).is_some_and(|route| route.as_ref().is_ok_and(|route| !refused(route)))
    };
    let mut chosen = BTreeSet::new();
    let mut start = 0;
    for group in candidates.chunk_by(|one, other| std::ptr::eq(one.wanted, other.wanted)) {
        let all = start..start + group.len();
        start = all.end;
        let mut kept: Vec<_> = all.clone().filter(|index| usable(*index)).collect();
        if kept.is_empty() {
            kept = all.take(if only_one { 1 } else { usize::MAX }).collect();
        } else if only_one {
            kept.truncate(1);
        }
        chosen.extend(kept);
    }
    chosen
}

/// What is known before probing begins.
struct Stage<'a> {
    host: &'a Host,
    expect: &'a Expect,
    /// What is known of other hosts: some expectations are found through it.
    known: Evidence,
    now: jiff::Timestamp,
    /// Next hops with a resolved neighbour entry, by interface.
    resolved: HashSet<(&'a str, IpAddr)>,
}

impl<'a> Stage<'a> {
    fn new(host: &'a Host, sources: &'a Sources<'_>) -> Self {
        let known = host
            .neighbours
            .iter()
            .flatten()
            .filter(|neighbour| neighbour.lladdr.is_some() && !matches!(neighbour.state.as_str(), "failed" | "incomplete"));
        let resolved = known.map(|neighbour| (neighbour.dev.as_str(), neighbour.dst)).collect();
        let hosts = sources.files.iter().flat_map(|file| file.hosts.iter().cloned()).collect();
        let now = sources.taken;
        let known = Evidence { schema: SCHEMA.to_string(), taken: now, tool: String::new(), hosts, paths: Vec::new() };
        Self { host, expect: &sources.request.expect, known, now, resolved }
    }

    fn target(&self, candidate: &Candidate<'_>, route: RouteUsed, query: &RouteQuery) -> Target {
        let Candidate { wanted, address, dscp, .. } = *candidate;
        let link = route.dev.as_deref().and_then(|dev| self.host.link(dev));
        let own = link.map_or(0, |link| link.mtu.min(MAX));
        let interface_mtu = route.mtu.filter(|mtu| *mtu > 0).map_or(own, |mtu| if own == 0 { mtu } else { mtu.min(own) });
        let next_hop = route.gateway.unwrap_or(address);
        let resolved = route.dev.as_deref().is_some_and(|dev| self.resolved.contains(&(dev, next_hop)));
        let is_link_local = matches!(address, IpAddr::V6(address) if address.is_unicast_link_local());
        Target {
            from: self.host.name.clone(),
            to: wanted.to.clone(),
            network: wanted.network.clone(),
            asked: wanted.asked,
            address,
            scope_id: if is_link_local { query.oif.or(link.map(|link| link.ifindex)).unwrap_or(0) } else { 0 },
            interface: route.dev.clone(),
            ifindex: link.map_or(0, |link| link.ifindex),
            bind: false,
            source: None,
            lladdr: link.and_then(|link| link_layer_address(link.address.as_deref()?)),
            interface_mtu,
            probe_above: interface_mtu == own && own < MAX,
            speed_mbps: link.and_then(|link| link.speed_mbps),
            on_link: route.gateway.is_none(),
            resolved,
            dscp,
            expected: self.expected(wanted, address),
            route,
        }
    }

    /// The MTU that is expected of a path, decided where the judge decides it.
    fn expected(&self, wanted: &Wanted, address: IpAddr) -> Option<u32> {
        let mut path = Path::new(&self.host.name, &wanted.to, self.now);
        path.network.clone_from(&wanted.network);
        path.address = Some(address);
        path.family = if address.is_ipv4() { 4 } else { 6 };
        let case =
            Case { evidence: &self.known, expect: self.expect, catalogue: catalogue::for_evidence(&self.known), now: self.now };
        expected_mtu(&case, &path)
    }
}

fn link_layer_address(text: &str) -> Option<[u8; 6]> {
    let mut bytes = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut bytes {
        *byte = u8::from_str_radix(parts.next()?, 16).ok()?;
    }
    parts.next().is_none().then_some(bytes)
}

fn options(probing: &Probing) -> Options {
    let wanted = |method: Method| probing.methods.is_empty() || probing.methods.contains(&method);
    Options {
        icmp: wanted(Method::Icmp),
        udp: wanted(Method::Udp),
        tcp: wanted(Method::Tcp),
        connect: probing.connect,
        tcp_port: probing.tcp_port,
        rate: match probing.rate {
            Rate::PerSecond(rate) => Some(rate),
            Rate::Unlimited => None,
        },
        deadline: probing.deadline,
        ladder_only: probing.ladder_only,
        ceilings: KNOWN_CEILINGS.into(),
        ..Options::default()
    }
}

//! The route that the kernel really takes, asked with the same source, interface, mark and TOS as the probes.

use super::links::{Names, name};
use super::routes::destination;
use super::rules::{self, Flow, Rule};
use super::{gap, words};
use crate::host::Host;
use pathvet_checks::evidence::{Gap, Link, RouteUsed};
use pathvet_checks::size::Family;
use pathvet_checks::wire::nla;
use pathvet_checks::wire::rtnl::{self, RouteQuery};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;

const PLACE: &str = "netlink RTM_GETROUTE";

/// What is needed to explain the kernel's answers: names, VRFs and policy rules, read once for any number of questions.
#[derive(Debug, Clone)]
pub struct Routing {
    names: Names,
    /// Table of every VRF, and the VRF's name.
    vrfs: BTreeMap<u32, String>,
    /// The VRF table of every interface that is or belongs to one.
    vrf_of: BTreeMap<u32, u32>,
    rules4: Vec<Rule>,
    rules6: Vec<Rule>,
    tables: BTreeMap<u32, String>,
    addresses: BTreeSet<IpAddr>,
    uid: Option<u32>,
}

impl Routing {
    /// Reads the rules of a host whose links are known.
    #[must_use]
    pub fn new(host: &dyn Host, links: &[Link]) -> (Self, Vec<Gap>) {
        let mut vrfs = BTreeMap::new();
        let mut vrf_of = BTreeMap::new();
        for link in links {
            let Some(info) = &link.linkinfo else { continue };
            let table = |data: &BTreeMap<String, serde_json::Value>| {
                data.get("table").and_then(serde_json::Value::as_u64).and_then(|table| u32::try_from(table).ok())
            };
            if let Some(table) = table(&info.info_data).filter(|_| link.kind() == "vrf") {
                vrfs.insert(table, link.ifname.clone());
                vrf_of.insert(link.ifindex, table);
            } else if let Some(table) = table(&info.info_slave_data).filter(|_| info.info_slave_kind.as_deref() == Some("vrf")) {
                vrf_of.insert(link.ifindex, table);
            }
        }
        let (rules4, mut gaps) = rules::rules(host, Family::V4);
        let (rules6, more) = rules::rules(host, Family::V6);
        gaps.extend(more);
        let tables = rules::table_names(host);
        let addresses = links.iter().flat_map(|link| &link.addresses).map(|address| address.local).collect();
        let uid = host.live().then(|| rustix::process::getuid().as_raw());
        (Self { names: super::links::names(links), vrfs, vrf_of, rules4, rules6, tables, addresses, uid }, gaps)
    }

    /// The index of an interface.
    #[must_use]
    pub fn ifindex(&self, ifname: &str) -> Option<u32> {
        self.names.iter().find(|(_, name)| *name == ifname).map(|(index, _)| *index)
    }

    /// The name of an interface.
    #[must_use]
    pub fn ifname(&self, ifindex: u32) -> Option<&str> {
        self.names.get(&ifindex).map(String::as_str)
    }

    fn rule(&self, query: &RouteQuery, table: u32, prefix_length: Option<u8>) -> Option<String> {
        let flow = Flow {
            dst: query.dst,
            source: query.source,
            oif: query.oif.and_then(|index| self.names.get(&index)).map(String::as_str),
            mark: query.mark,
            tos: query.tos,
            uid: self.uid,
            vrf_table: query.oif.and_then(|index| self.vrf_of.get(&index)).copied(),
        };
        let rules = if query.dst.is_ipv4() { &self.rules4 } else { &self.rules6 };
        rules::decider(rules, &flow, table, prefix_length, &self.tables)
    }
}

/// The route of one destination; see [`routes_used`].
///
/// # Errors
///
/// The gap where the kernel could not be asked, or its answer not be read.
pub fn route_used(host: &dyn Host, routing: &Routing, query: RouteQuery) -> Result<RouteUsed, Gap> {
    routes_used(host, routing, &[query]).pop().unwrap_or_else(|| Err(gap::malformed("routes", PLACE, "no answer")))
}

/// The routes of many destinations, in their order, over one socket.
///
/// The kernel is asked twice each: for the route it would use now, which holds a cached path MTU, and for the entry of the
/// table that matched (`RTM_F_FIB_MATCH`). That there is no route, or one that refuses, is an answer and no gap.
#[must_use]
pub fn routes_used(host: &dyn Host, routing: &Routing, queries: &[RouteQuery]) -> Vec<Result<RouteUsed, Gap>> {
    let workers = if queries.len() < MANY { 1 } else { std::thread::available_parallelism().map_or(1, usize::from).min(4) };
    if workers == 1 || !host.live() {
        return routes_of(host, routing, queries);
    }
    let shares = queries.chunks(queries.len().div_ceil(workers));
    std::thread::scope(|scope| {
        let threads: Vec<_> = shares.map(|share| (share, scope.spawn(|| routes_of(host, routing, share)))).collect();
        let answers = threads.into_iter().map(|(share, thread)| {
            let lost = |_| share.iter().map(|_| Err(gap::malformed("routes", PLACE, "no answer"))).collect();
            thread.join().unwrap_or_else(lost)
        });
        answers.flat_map(|share: Vec<_>| share).collect()
    })
}

/// From how many questions on threads share them: it is the kernel that computes, in the calling thread.
const MANY: usize = 512;

fn routes_of(host: &dyn Host, routing: &Routing, queries: &[RouteQuery]) -> Vec<Result<RouteUsed, Gap>> {
    let requests: Vec<Vec<u8>> = queries.iter().flat_map(|query| [query.request(false), query.request(true)]).collect();
    let answers = host.netlink_many(libc::NETLINK_ROUTE, &requests);
    let used = |(query, pair): (&RouteQuery, &[io::Result<Vec<u8>>])| {
        let [plain, matched] = pair else { return Err(gap::malformed("routes", PLACE, "no answer")) };
        answer(routing, query, plain, matched)
    };
    queries.iter().zip(answers.chunks(2)).map(used).collect()
}

fn answer(
    routing: &Routing,
    query: &RouteQuery,
    plain: &io::Result<Vec<u8>>,
    matched: &io::Result<Vec<u8>>,
) -> Result<RouteUsed, Gap> {
    let plain = match plain {
        Ok(bytes) => fact(bytes)?,
        Err(error) => return refused(routing, query, error),
    };
    // An older kernel ignores RTM_F_FIB_MATCH and gives the same cloned route again (IPv4).
    let matched = matched.as_ref().ok().and_then(|bytes| fact(bytes).ok()).filter(|fact| fact.family == Family::V6 || !fact.cloned);
    let entry = matched.as_ref();
    let expires = plain.expires.filter(|&ticks| ticks > 0);
    // Of an IPv4 route only a learnt MTU expires. An IPv6 route may itself (router advertisement): there the clone tells.
    let cached = expires.filter(|_| plain.family == Family::V4 || plain.cloned).and(plain.mtu);
    Ok(RouteUsed {
        kind: words::route_type(plain.kind),
        dst: entry.map(destination),
        dev: plain.oif.map(|index| name(&routing.names, index)),
        gateway: plain.gateway,
        source: plain.prefsrc.or(query.source),
        table: Some(plain.table).filter(|&table| table != 0),
        vrf: routing.vrfs.get(&plain.table).cloned(),
        rule: routing.rule(query, plain.table, entry.map(|fact| fact.prefix_length)),
        mtu: entry.and_then(|fact| fact.mtu),
        mtu_locked: entry.is_some_and(|fact| fact.mtu_locked),
        advmss: entry.and_then(|fact| fact.advmss),
        cached_mtu: cached,
        cache_expires_s: cached.and(expires).map(|ticks| ticks / 100),
        nexthops: entry.map_or(0, |fact| fact.nexthops),
    })
}

fn fact(bytes: &[u8]) -> Result<rtnl::Route, Gap> {
    let unreadable = |detail: String| gap::malformed("routes", PLACE, detail);
    let message = nla::messages(bytes).next().ok_or_else(|| unreadable("an empty answer".into()))?;
    let message = message.map_err(|fault| unreadable(fault.to_string()))?;
    rtnl::Route::read(&message).map_err(|fault| unreadable(fault.to_string()))?.ok_or_else(|| unreadable("not a route".into()))
}

/// The kernel's refusals (`fib_props` in `net/ipv4/fib_semantics.c`, `ip6_rt_type_to_error`) as kinds of routes.
fn refused(routing: &Routing, query: &RouteQuery, error: &io::Error) -> Result<RouteUsed, Gap> {
    // The kernel has the same errors for a source that is not this host's (`ip_route_output_key_hash_rcu`).
    if let Some(source) = query.source.filter(|source| !source.is_loopback() && !routing.addresses.contains(source)) {
        let mut gap = gap::from_error("routes", PLACE, error);
        gap.detail = format!("{source} is not an address of this host");
        return Err(gap);
    }
    let kind = match error.raw_os_error() {
        Some(libc::ENETUNREACH | libc::EAGAIN) => "none",
        Some(libc::EHOSTUNREACH) => "unreachable",
        Some(libc::EACCES) => "prohibit",
        Some(libc::EINVAL) => "blackhole",
        _ => return Err(gap::from_error("routes", PLACE, error)),
    };
    Ok(RouteUsed { kind: kind.into(), ..RouteUsed::default() })
}

//! Several documents in, one out.
//!
//! The result depends on the documents and not on their order: hosts are grouped first, then every table is taken from the
//! newest instance of a host that has it.

use super::{Evidence, Gap, GapReason, Host, Link, Path, SCHEMA};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::net::IpAddr;
use serde::Serialize;

/// Merges `other` into `into`. Commutative and idempotent. For more than two documents [`merge_all`] is the one to call: it
/// sees the age of every table, and of a merged document only the newest is known.
pub fn merge(into: &mut Evidence, other: Evidence) {
    let first = core::mem::replace(into, Evidence::empty(other.taken, ""));
    if let Some(merged) = merge_all([first, other]) {
        *into = merged;
    }
}

/// Merges any number of documents, in whatever order; `None` where there are none.
///
/// - Hosts with the same id are one host. Without an id on either side, the same name is the same host, unless that name
///   belongs to several ids. Where the instances of one id look like clones of an image, a gap says so.
/// - Of every table the newest wins; one that was not collected never replaces one that was. Gaps go with the table that
///   they are about.
/// - Of a path that was probed several times the newest result stays.
#[must_use]
pub fn merge_all(documents: impl IntoIterator<Item = Evidence>) -> Option<Evidence> {
    let mut hosts = Vec::new();
    let mut paths = Vec::new();
    let mut newest: Option<(jiff::Timestamp, String)> = None;
    for document in documents {
        hosts.extend(document.hosts);
        paths.extend(document.paths);
        newest = newest.max(Some((document.taken, document.tool)));
    }
    let (taken, tool) = newest?;
    let mut hosts: Vec<Host> = groups(hosts).into_iter().map(unite).collect();
    hosts.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)).then_with(|| by_text(a, b)));
    Some(Evidence { schema: SCHEMA.into(), taken, tool, hosts, paths: newest_paths(paths) })
}

impl Evidence {
    /// A document that says nothing.
    #[must_use]
    pub fn empty(taken: jiff::Timestamp, tool: &str) -> Self {
        Self { schema: SCHEMA.into(), taken, tool: tool.into(), hosts: Vec::new(), paths: Vec::new() }
    }
}

/// The host that a path leads to, where its own settings are in the evidence.
///
/// It is the one that owns the path's address; of several (an address that is used twice, or in separate networks), the one
/// that the path calls by name; none if that does not decide. A host of that name whose addresses are not known is taken at
/// its name. An address that says nothing beyond its own machine or link (loopback, link-local) needs the name as well.
#[must_use]
pub fn host_of_target<'a>(evidence: &'a Evidence, path: &Path) -> Option<&'a Host> {
    let named = |host: &&Host| host.name == path.to || host.names.contains(&path.to);
    let Some(address) = path.address else {
        return only(evidence.hosts.iter().filter(named));
    };
    if address.is_loopback() {
        return only(evidence.hosts.iter().filter(|host| host.name == path.from));
    }
    let owners = || evidence.hosts.iter().filter(|host| owns(host, address));
    if link_local(address) {
        return only(owners().filter(named));
    }
    only(owners())
        .or_else(|| only(owners().filter(named)))
        .or_else(|| only(evidence.hosts.iter().filter(named).filter(|host| !knows_addresses(host))))
}

fn only<T>(mut rows: impl Iterator<Item = T>) -> Option<T> {
    let first = rows.next()?;
    rows.next().is_none().then_some(first)
}

fn owns(host: &Host, address: IpAddr) -> bool {
    host.links.iter().flatten().any(|link| link.addresses.iter().any(|own| own.local == address))
}

fn knows_addresses(host: &Host) -> bool {
    host.links.iter().flatten().any(|link| !link.is_loopback() && !link.addresses.is_empty())
}

const fn link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

/// Puts the instances of each host together.
fn groups(hosts: Vec<Host>) -> Vec<Vec<Host>> {
    let mut by_id: BTreeMap<String, Vec<Host>> = BTreeMap::new();
    let mut nameless: BTreeMap<String, Vec<Host>> = BTreeMap::new();
    for host in hosts {
        match host.id.clone() {
            Some(id) => by_id.entry(id).or_default().push(host),
            None => nameless.entry(host.name.clone()).or_default().push(host),
        }
    }
    let mut groups: Vec<Vec<Host>> = by_id.into_values().collect();
    for (name, instances) in nameless {
        let called = |host: &Host| host.id.is_some() && (host.name == name || host.names.contains(&name));
        let mut known = groups.iter_mut().filter(|group| group.iter().any(called));
        match (known.next(), known.next()) {
            (Some(group), None) => group.extend(instances),
            _ => groups.push(instances),
        }
    }
    groups
}

/// The gap that clones of one image leave, whose machine id was not renewed: other names, and no link-layer address in common.
fn clones(instances: &[Host]) -> Option<Gap> {
    let known: Vec<(&Host, BTreeSet<&str>)> =
        instances.iter().map(|host| (host, link_layer_addresses(host))).filter(|(_, addresses)| !addresses.is_empty()).collect();
    let mut pairs = BTreeSet::new();
    for (at, (host, addresses)) in known.iter().enumerate() {
        for (other, theirs) in &known[at + 1..] {
            if other.name != host.name && theirs.is_disjoint(addresses) {
                pairs.insert((host.name.as_str().min(&other.name), host.name.as_str().max(&other.name)));
            }
        }
    }
    let (one, other) = pairs.first()?;
    Some(Gap {
        what: "merge".into(),
        place: "/etc/machine-id".into(),
        reason: GapReason::Malformed,
        detail: format!(
            "{one} and {other} have the same machine id, and no link-layer address in common: if they are clones of one image, \
             give each an id of its own (systemd-machine-id-setup) and collect again"
        ),
        right: None,
    })
}

fn link_layer_addresses(host: &Host) -> BTreeSet<&str> {
    let links = host.links.iter().flatten().filter(|link| !link.is_loopback());
    links
        .filter_map(|link| link.address.as_deref())
        .filter(|address| address.bytes().any(|byte| !matches!(byte, b'0' | b':')))
        .collect()
}

/// Makes one host of its instances.
fn unite(mut instances: Vec<Host>) -> Host {
    // Newest first; among equals whatever order, so long as it is always the same.
    instances.sort_by(|a, b| b.taken.cmp(&a.taken).then_with(|| b.id.cmp(&a.id)).then_with(|| by_text(b, a)));
    let mut host = Host::default();
    let mut names: BTreeSet<String> = instances.iter().flat_map(|instance| instance.names.iter().cloned()).collect();
    names.extend(instances.iter().map(|instance| instance.name.clone()));

    let first = |has: &dyn Fn(&Host) -> bool| instances.iter().position(has);
    // Interfaces that were only heard on (an imported capture) add to a table of interfaces and are none.
    let whole = |host: &Host| host.links.as_ref().is_some_and(|links| links.iter().any(|link| link.mtu != 0));
    let links = first(&whole).or_else(|| first(&|host| host.links.is_some()));
    let routes = first(&|host| host.routes.is_some());
    let neighbours = first(&|host| host.neighbours.is_some());
    let modules = first(&|host| host.modules.is_some());
    let infiniband = first(&|host| host.infiniband.is_some());
    let roce = first(&|host| host.roce.is_some());
    let sysctl = first(&|host| host.sysctl.is_some());
    let memory = first(&|host| host.memory.is_some());
    let power = first(&|host| host.power.is_some());
    let mut gaps: BTreeSet<Gap> = clones(&instances).into_iter().collect();
    for (at, instance) in instances.iter().enumerate() {
        let spoken = |gap: &&Gap| match gap.what.split('.').next().unwrap_or_default() {
            "links" => links.is_none_or(|winner| winner == at),
            "routes" => routes.is_none_or(|winner| winner == at),
            "neighbours" => neighbours.is_none_or(|winner| winner == at),
            "modules" => modules.is_none_or(|winner| winner == at),
            "infiniband" => infiniband.is_none_or(|winner| winner == at),
            "roce" => roce.is_none_or(|winner| winner == at),
            "sysctl" => sysctl.is_none_or(|winner| winner == at),
            "memory" => memory.is_none_or(|winner| winner == at),
            "power" => power.is_none_or(|winner| winner == at),
            "id" => instances.iter().all(|other| other.id.is_none()),
            "os" => instances.iter().all(|other| other.os.is_none()),
            "kernel" => instances.iter().all(|other| other.kernel.is_none()),
            _ => true,
        };
        gaps.extend(instance.gaps.iter().filter(spoken).cloned());
    }
    host.gaps = gaps.into_iter().collect();

    if let Some(newest) = instances.first() {
        host.name.clone_from(&newest.name);
        host.origin.clone_from(&newest.origin);
        host.taken = newest.taken;
    }
    host.id = instances.iter().find_map(|instance| instance.id.clone());
    host.os = instances.iter().find_map(|instance| instance.os.clone());
    host.kernel = instances.iter().find_map(|instance| instance.kernel.clone());
    host.links = links.and_then(|at| instances[at].links.take());
    for link in host.links.iter_mut().flatten() {
        let name = link.ifname.clone();
        // Of two links with one name nobody knows which is meant.
        let same = |other: &&Link| other.ifname == name;
        fill(link, instances.iter().filter_map(|instance| only(instance.links.iter().flatten().filter(same))));
    }
    host.routes = routes.and_then(|at| instances[at].routes.take());
    host.neighbours = neighbours.and_then(|at| instances[at].neighbours.take());
    host.modules = modules.and_then(|at| instances[at].modules.take());
    host.infiniband = infiniband.and_then(|at| instances[at].infiniband.take());
    host.roce = roce.and_then(|at| instances[at].roce.take());
    host.sysctl = sysctl.and_then(|at| instances[at].sysctl.take());
    host.memory = memory.and_then(|at| instances[at].memory.take());
    host.power = power.and_then(|at| instances[at].power.take());
    names.remove(&host.name);
    host.names = names.into_iter().collect();
    host
}

/// What is read on its own account (`IPoIB`, DCB, LLDP) is a table of its own: where the newest list of links lacks it, an older
/// reading of the same link stays.
fn fill<'a>(link: &mut Link, older: impl Iterator<Item = &'a Link>) {
    for other in older {
        if link.ipoib.is_none() {
            link.ipoib.clone_from(&other.ipoib);
        }
        if link.dcb.is_none() {
            link.dcb.clone_from(&other.dcb);
        }
        if link.lldp.is_none() {
            link.lldp.clone_from(&other.lldp);
        }
    }
}

/// One result for each path, sorted: by its ends, network, address, DSCP and flow.
fn newest_paths(paths: Vec<Path>) -> Vec<Path> {
    type Key = (String, String, Option<String>, Option<IpAddr>, u8, u8, u32);
    let mut newest: BTreeMap<Key, Path> = BTreeMap::new();
    for path in paths {
        let key = (path.from.clone(), path.to.clone(), path.network.clone(), path.address, path.family, path.dscp, path.flow);
        match newest.get(&key) {
            Some(kept) if kept.taken.cmp(&path.taken).then_with(|| by_text(kept, &path)) != Ordering::Less => {}
            _ => {
                newest.insert(key, path);
            }
        }
    }
    newest.into_values().collect()
}

/// Any order of values that are not equal: that of their JSON.
fn by_text<T: Serialize>(a: &T, b: &T) -> Ordering {
    let text = |value: &T| serde_json::to_string(value).unwrap_or_default();
    text(a).cmp(&text(b))
}

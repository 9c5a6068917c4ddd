//! The interfaces that carry a path, from the one with the address down to the card.

use crate::Case;
use crate::evidence::{Host, Link, Path, Route};
use crate::facts;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

/// Deeper stacks do not occur; a longer walk is a loop in the evidence.
const MAX_DEPTH: usize = 12;

/// One layer: an interface, and what it leaves for the packets of the layer on top.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layer<'a> {
    /// The interface.
    pub(crate) link: &'a Link,
    /// Bytes that tunnels above take from its MTU.
    pub(crate) overhead: u32,
    /// How the layer above rests on it.
    pub(crate) rests: Rests,
}

/// How a layer rests on the one below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rests {
    /// It is the interface with the address.
    Top,
    /// VLAN, bridge port, bond member: a packet of the layer above passes whole or not at all.
    Whole,
    /// Tunnel: the packet is wrapped, and the underlay may fragment it.
    Tunnel,
    /// Virtual function: the physical function's setting may bound it, as the card decides.
    PhysicalFunction,
}

impl Layer<'_> {
    /// IP MTU that this layer leaves for the interface with the address.
    pub(crate) fn room(&self) -> u32 {
        self.link.mtu.saturating_sub(self.overhead)
    }
}

/// An interface that carries traffic of the case, and the paths for which it does.
#[derive(Debug)]
pub(crate) struct Carrier<'a> {
    /// The machine.
    pub(crate) host: &'a Host,
    /// The interface with the address, by name.
    pub(crate) ifname: &'a str,
    /// The interface; `None` where the evidence does not know it.
    pub(crate) link: Option<&'a Link>,
    /// Indexes of the paths that leave through it.
    pub(crate) leaving: Vec<usize>,
    /// Indexes of the paths that end at it.
    pub(crate) ending: Vec<usize>,
}

/// Every interface that carries a vetted path: where it leaves, and where it ends if the far end's evidence is at hand. A host
/// of which no path is known stands with the interfaces of its default routes.
pub(crate) fn carriers<'a>(case: &Case<'a>) -> Vec<Carrier<'a>> {
    let mut carriers: Vec<Carrier<'a>> = Vec::new();
    for (index, path) in case.evidence.paths.iter().enumerate() {
        if let (Some(host), Some(ifname)) = (facts::host(case, &path.from), facts::egress_name(path))
            && !facts::is_self(path)
        {
            carrier(&mut carriers, host, ifname).leaving.push(index);
        }
        if let Some((host, link)) = facts::peer_link(case, path) {
            carrier(&mut carriers, host, &link.ifname).ending.push(index);
        }
    }
    for host in &case.evidence.hosts {
        if !carriers.iter().any(|known| core::ptr::eq(known.host, host)) {
            for ifname in default_interfaces(host) {
                carrier(&mut carriers, host, ifname);
            }
        }
    }
    let order = |carrier: &Carrier<'_>| case.evidence.hosts.iter().position(|host| core::ptr::eq(host, carrier.host));
    carriers.sort_by(|a, b| (order(a), a.ifname).cmp(&(order(b), b.ifname)));
    carriers
}

fn carrier<'a, 'c>(carriers: &'c mut Vec<Carrier<'a>>, host: &'a Host, ifname: &'a str) -> &'c mut Carrier<'a> {
    let known = carriers.iter().position(|known| core::ptr::eq(known.host, host) && known.ifname == ifname);
    let index = known.unwrap_or_else(|| {
        carriers.push(Carrier { host, ifname, link: host.link(ifname), leaving: Vec::new(), ending: Vec::new() });
        carriers.len() - 1
    });
    &mut carriers[index]
}

/// The interfaces of the default routes that the kernel prefers, IPv4's first.
fn default_interfaces(host: &Host) -> Vec<&str> {
    const MAIN: u32 = 254;
    let mut names: Vec<&str> = Vec::new();
    for family in [4, 6] {
        let best = host
            .routes
            .iter()
            .flatten()
            .filter(|route| is_default(route, family) && route.table == MAIN)
            .min_by_key(|route| route.metric);
        if let Some(name) = best.and_then(|route| route.dev.as_deref())
            && !names.contains(&name)
        {
            names.push(name);
        }
    }
    names
}

fn is_default(route: &Route, family: u8) -> bool {
    route.family == family && route.dst == "default" && route.kind == "unicast"
}

/// The layers under `top`, itself first. Several members of a bond stand side by side: any of them may carry the path.
pub(crate) fn layers<'a>(host: &'a Host, top: &'a Link) -> Vec<Layer<'a>> {
    let mut layers = alloc::vec![Layer { link: top, overhead: 0, rests: Rests::Top }];
    let mut next = 0;
    while next < layers.len() && layers.len() < MAX_DEPTH * 4 {
        let above = layers[next];
        next += 1;
        for (link, cost, rests) in below(host, above.link) {
            if !layers.iter().any(|known| core::ptr::eq(known.link, link)) {
                layers.push(Layer { link, overhead: above.overhead.saturating_add(cost), rests });
            }
        }
    }
    layers
}

/// The interfaces on which `link` rests directly, with the bytes that it takes from them.
fn below<'a>(host: &'a Host, link: &'a Link) -> Vec<(&'a Link, u32, Rests)> {
    let lower = || link.link.as_deref().filter(|_| link.link_netnsid.is_none()).and_then(|name| host.link(name));
    match link.kind() {
        "bridge" => uplink(host, link).map(|port| (port, 0, Rests::Whole)).into_iter().collect(),
        "bond" | "team" => members(host, link).into_iter().map(|member| (member, 0, Rests::Whole)).collect(),
        "vlan" | "macvlan" | "macvtap" | "ipvlan" => lower().map(|lower| (lower, 0, Rests::Whole)).into_iter().collect(),
        kind => {
            if let Some(cost) = tunnel_overhead(link, kind) {
                return underlay(host, link).map(|under| (under, cost, Rests::Tunnel)).into_iter().collect();
            }
            let function = link.physfn.as_deref().and_then(|name| host.link(name));
            function.map(|function| (function, 0, Rests::PhysicalFunction)).into_iter().collect()
        }
    }
}

/// The lowest layers under `top`: the cards, or what stands for one.
pub(crate) fn cards<'a>(host: &'a Host, top: &'a Link) -> Vec<&'a Link> {
    layers(host, top).iter().map(|layer| layer.link).filter(|link| below(host, link).is_empty()).collect()
}

/// The members of a bond that may carry packets: the active one of an active-backup bond, else all.
fn members<'a>(host: &'a Host, bond: &Link) -> Vec<&'a Link> {
    let all = ports(host, bond);
    let active = bond.linkinfo.as_ref().and_then(|info| info.info_data.get("active_slave")).and_then(|name| name.as_str());
    match active.and_then(|active| all.iter().find(|member| member.ifname == active)) {
        Some(active) => alloc::vec![*active],
        None => all,
    }
}

/// The interfaces whose master is `link`.
pub(crate) fn ports<'a>(host: &'a Host, link: &Link) -> Vec<&'a Link> {
    host.links.iter().flatten().filter(|port| port.master.as_deref() == Some(&link.ifname)).collect()
}

/// The port through which a bridge reaches the network: the one real card, bond or VLAN among its ports, else the one port that
/// is not a virtual machine's, else the one of these with the largest MTU. `None` where it cannot be told.
pub(crate) fn uplink<'a>(host: &'a Host, bridge: &Link) -> Option<&'a Link> {
    let ports = ports(host, bridge);
    let only = |wanted: &dyn Fn(&Link) -> bool| {
        let mut fitting = ports.iter().copied().filter(|port| wanted(port));
        fitting.next().filter(|_| fitting.next().is_none())
    };
    let real = |link: &Link| matches!(link.kind(), "" | "bond" | "team" | "vlan");
    let has_real = ports.iter().any(|port| real(port));
    if has_real {
        return only(&real);
    }
    let widest = ports.iter().map(|port| port.mtu).max();
    only(&|link| link.kind() != "tun").or_else(|| only(&|link| link.kind() != "tun" && Some(link.mtu) == widest))
}

/// Bytes that a tunnel takes from its underlay's IP MTU; `None` for what is no tunnel. Outer IPv4, or IPv6 where the remote end is.
/// Kernel: `vxlan_headroom`, `GENEVE_IPV4_HLEN`, `ip_tunnel_bind_dev`; options of GRE and Geneve come on top and are not known here.
fn tunnel_overhead(link: &Link, kind: &str) -> Option<u32> {
    let outer6 = data(link, "remote6").is_some()
        || data(link, "group6").is_some()
        || ["remote", "local", "group"].iter().any(|key| address(link, key).is_some_and(|address| address.is_ipv6()));
    let outer = |over4: u32, over6: u32| Some(if outer6 { over6 } else { over4 });
    match kind {
        "vxlan" | "geneve" => outer(50, 70),
        "gre" => outer(24, 44),
        "ip6gre" => Some(44),
        "gretap" => outer(38, 58),
        "ip6gretap" => Some(58),
        // 60 with an outer IPv4, 80 with IPv6; which one a peer uses is not in the interface's facts, so the smaller.
        "wireguard" => Some(60),
        "ipip" | "sit" => Some(20),
        "ip6tnl" => Some(40),
        "ppp" => Some(8),
        _ => None,
    }
}

fn data<'a>(link: &'a Link, key: &str) -> Option<&'a str> {
    link.linkinfo.as_ref()?.info_data.get(key)?.as_str()
}

fn address(link: &Link, key: &str) -> Option<IpAddr> {
    data(link, key)?.parse().ok()
}

/// The interface that carries a tunnel's packets: the one it names, else where the route to its far end leads.
fn underlay<'a>(host: &'a Host, tunnel: &'a Link) -> Option<&'a Link> {
    let named = [tunnel.link.as_deref(), data(tunnel, "link")];
    let named = named.into_iter().flatten().find_map(|name| host.link(name));
    named.or_else(|| {
        let remote = ["remote", "remote6"].iter().find_map(|key| address(tunnel, key));
        let dev = match remote {
            Some(remote) => route_dev(host, remote)?,
            // Its peers' addresses are not in the interface's facts; most are reached by the default route.
            None if tunnel.kind() == "wireguard" => *default_interfaces(host).first()?,
            None => return None,
        };
        host.link(dev).filter(|link| link.ifname != tunnel.ifname)
    })
}

/// The interface of the longest matching route of the main table.
fn route_dev(host: &Host, to: IpAddr) -> Option<&str> {
    let family = if to.is_ipv4() { 4 } else { 6 };
    host.routes
        .iter()
        .flatten()
        .filter(|route| route.kind == "unicast" && route.family == family && route.table == 254)
        .filter_map(|route| {
            let length = if route.dst == "default" {
                0
            } else {
                prefix_of(&route.dst).filter(|(net, length)| facts::in_subnet(to, *net, *length))?.1
            };
            Some((length, core::cmp::Reverse(route.metric), route.dev.as_deref()?))
        })
        .max_by_key(|(length, metric, _)| (*length, *metric))
        .map(|(_, _, dev)| dev)
}

fn prefix_of(text: &str) -> Option<(IpAddr, u8)> {
    let (net, length) = text.split_once('/')?;
    Some((net.parse().ok()?, length.parse().ok()?))
}

/// The path that a carrier's findings are held against, for those that need one.
pub(crate) fn paths<'a>(case: &Case<'a>, carrier: &Carrier<'_>) -> impl Iterator<Item = &'a Path> {
    let indexes: Vec<usize> = carrier.leaving.iter().chain(&carrier.ending).copied().collect();
    let paths = &case.evidence.paths;
    indexes.into_iter().filter_map(move |index| paths.get(index))
}

/// The reason why a host's interfaces are not known, from its gaps.
pub(crate) fn links_gap(host: &Host) -> String {
    let gap = host.gaps.iter().find(|gap| gap.what == "links");
    match gap {
        Some(gap) => {
            let right = gap.right.as_deref().map(|right| alloc::format!(", needs {right}")).unwrap_or_default();
            alloc::format!("interfaces not read: {}{right}", gap.detail)
        }
        None => "interfaces not read".into(),
    }
}

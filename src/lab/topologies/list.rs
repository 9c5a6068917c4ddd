//! The table of topologies.

use super::build::{Builder, answering, cut, far, lossy, near, prefix, single, transit};
use super::{Expect, Family, Held, Scene, Topology};
use crate::lab::network::{Bridge, Filter, Hop, Neighbour, Prime, Rate, Route, RouteKind, Rules, TooBig, Vxlan};
use pathvet_checks::evidence::LimitKind;
use pathvet_checks::report::{CulpritKind, Outcome};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Every topology; the first is the one of `pathvet demo`.
pub const ALL: &[Topology] = &[
    normal("story", "two hosts set to jumbo 9614, a switch that stops at 9216-byte frames and says nothing", story),
    normal("cut-9216", "IP MTU 9614 at both ends, silent cut above 9216", |f| silent(f, 9614, 9216)),
    normal("cut-peer-9600", "silent cut above 9198, the peer's own MTU is 9600", |f| peer_at(f, 9600)),
    normal("cut-peer-9000", "silent cut above 9198, and the peer's own MTU is 9000", |f| peer_at(f, 9000)),
    normal("cut-peer-1500", "silent cut above 9198, and the peer's own MTU is 1500", |f| peer_at(f, 1500)),
    normal("clean", "jumbo 9000 through a bridge, nothing wrong", clean),
    normal("clean-1500", "1500 through a bridge, nothing wrong", clean_1500),
    normal("router", "a router with a 1500 link behind it answers too big", router),
    normal("router-honest", "two jumbo hosts with an honest 1500 link between two routers", router_honest),
    normal("router-slow", "a router that answers too big once in 500 ms", router_slow),
    normal("router-mute", "a 1500 link between routers, and every too-big answer is filtered", router_mute),
    normal("liar-zero", "a router that answers too big with MTU 0", |f| liar(f, 0, None)),
    normal("liar-larger", "a router that answers too big with an MTU above what was sent", |f| liar(f, 12_000, None)),
    normal("liar-68", "a router that answers too big with MTU 68", |f| liar(f, 68, None)),
    normal("liar-stranger", "too big from an address that has nothing to do with the path", liar_stranger),
    normal("overlay", "a VXLAN under a bridge answers too big with the target's own address", overlay),
    normal("loss-5", "5 % of the packets are lost each way", |f| loss(f, 5)),
    normal("loss-20", "20 % of the packets are lost each way", |f| loss(f, 20)),
    normal("loss-40", "40 % of the packets are lost each way", |f| loss(f, 40)),
    normal("loss-5-cut", "silent cut above 9198, and 5 % lost each way", |f| loss_cut(f, 5)),
    normal("loss-20-cut", "silent cut above 9198, and 20 % lost each way", |f| loss_cut(f, 20)),
    normal("loss-40-cut", "silent cut above 9198, and 40 % lost each way", |f| loss_cut(f, 40)),
    normal("policer-packets", "a policer passes 100 packets a second", |f| policed(f, packets(3), None)),
    normal("policer-bytes", "a policer passes a million bytes a second", |f| policed(f, bytes(10_000), None)),
    normal("policer-packets-cut", "silent cut above 9198, and a policer of 100 packets a second", |f| {
        policed(f, packets(10), Some(9198))
    }),
    normal("policer-bytes-cut", "silent cut above 9198, and a policer of a million bytes a second", |f| {
        policed(f, bytes(64_000), Some(9198))
    }),
    normal("icmp-large-filtered", "a firewall drops large ICMP, above 1024 bytes; UDP and TCP pass", icmp_large_filtered),
    normal("echo-filtered", "a firewall drops echo; the path is clean", |f| echo_filtered(f, 9000, None)),
    normal("echo-filtered-cut", "a firewall drops echo, and a silent cut above 9198", |f| echo_filtered(f, 9600, Some(9198))),
    normal("mute", "the target resolves, and nothing else ever comes back", mute),
    normal("reverse-silent", "9000 forward, 1500 on the way back, silently", reverse_silent),
    normal("reverse-known", "9000 forward, and the far end knows that its way back carries 1500", reverse_known),
    normal("host-down", "nobody has the address", host_down),
    normal("no-route", "no route leads to the address", no_route),
    normal("gateway-silent", "the default gateway does not answer echo", gateway_silent),
    normal("self", "the target is this host itself", this_host),
    normal("wrong-interface", "an unused interface is in the target's subnet, and a route leads elsewhere", wrong_interface),
    normal("bridge-tap", "a bridge of this host lowered to 1500 by a port that joined", bridge_tap),
    normal("ipoib-clean", "IP MTU 65520, as IPoIB in connected mode", |f| wide(f, None)),
    normal("ipoib-cut", "IP MTU 65520 at both ends, silent cut above 2044, as one datagram port makes", |f| wide(f, Some(2044))),
    normal("delay", "the story with 20 ms round-trip time", delay),
    normal("stale-cache", "a clean 9000 path, and a path-MTU cache that still says 1500", stale_cache),
    normal("twins", "two machines with one address", twins),
    normal("proxy-arp", "a router answers for a target that seems to be on the link", proxy_arp),
    special("ecmp", "one of four equal-cost paths loses everything above 1500", ecmp),
    special("farm", "one host with a million addresses behind one next hop", farm),
    special("onlink-2000", "one host with 2,000 addresses on the link", onlink_2000),
];

const fn normal(name: &'static str, summary: &'static str, build: fn(Family) -> Scene) -> Topology {
    Topology { name, summary, special: false, build }
}

const fn special(name: &'static str, summary: &'static str, build: fn(Family) -> Scene) -> Topology {
    Topology { name, summary, special: true, build }
}

const PASS: &[Outcome] = &[Outcome::Pass];
const WARN: &[Outcome] = &[Outcome::Warn];
const FAIL: &[Outcome] = &[Outcome::Fail];
const UNKNOWN: &[Outcome] = &[Outcome::Unknown];

/// Nothing wrong: the interface MTU arrives.
const fn fine(mtu: u32) -> Expect {
    Expect { verdict: PASS, path_mtu: Held::Is(mtu), limit: Held::Is(LimitKind::None), culprit: Held::Absent }
}

const fn expect(verdict: &'static [Outcome], mtu: u32, limit: LimitKind, culprit: Held<CulpritKind>) -> Expect {
    Expect { verdict, path_mtu: Held::Is(mtu), limit: Held::Is(limit), culprit }
}

/// Nothing can be measured.
const fn unreached(verdict: &'static [Outcome], limit: LimitKind) -> Expect {
    Expect { verdict, path_mtu: Held::Absent, limit: Held::Is(limit), culprit: Held::Any }
}

fn story(family: Family) -> Scene {
    silent(family, 9600, 9198)
}

/// Two hosts of one MTU and a switch that carries less.
fn silent(family: Family, mtu: u32, max: u32) -> Scene {
    let net = Builder::pair(family, [mtu, mtu], cut(max), cut(max));
    net.scene(near(family, 2), expect(FAIL, max, LimitKind::Silent, Held::Is(CulpritKind::Switch)))
}

/// The same switch with three peers. A veth takes 4 bytes more than its MTU, so the box stands for the peer's own limit too.
fn peer_at(family: Family, mtu: u32) -> Scene {
    let max = mtu.min(9198);
    let net = Builder::pair(family, [9600, mtu], cut(max), cut(9198));
    let expect = if mtu > max {
        expect(FAIL, max, LimitKind::Silent, Held::Is(CulpritKind::Switch))
    } else {
        expect(WARN, max, LimitKind::Silent, Held::Is(CulpritKind::Host))
    };
    net.scene(near(family, 2), expect)
}

/// node1 and node2 on a real bridge.
fn bridged(family: Family, mtu: u32) -> Builder {
    let mut net = Builder::new(family);
    net.node("node1");
    net.node("node2");
    net.switch("sw1", &[("node1", "eth0", mtu), ("node2", "eth0", mtu)]);
    net.address("node1", "eth0", near(family, 1));
    net.address("node2", "eth0", near(family, 2));
    net
}

fn clean(family: Family) -> Scene {
    bridged(family, 9000).scene(near(family, 2), fine(9000))
}

fn clean_1500(family: Family) -> Scene {
    bridged(family, 1500).scene(near(family, 2), fine(1500))
}

/// A router that says what passes is no fault of a routed path.
const ROUTED: Expect = expect(PASS, 1500, LimitKind::Router, Held::Any);

fn router(family: Family) -> Scene {
    Builder::routed(family, [9000, 1500], None).scene(far(family, 2), ROUTED)
}

fn router_honest(family: Family) -> Scene {
    Builder::routed_twice(family, 9000, 1500, None).scene(far(family, 2), ROUTED)
}

/// An answer of r1 for everything above 1500.
fn too_big(family: Family) -> TooBig {
    TooBig { above: 1500, says: 1500, from: Some(near(family, 254)), every_ms: 0, only: None }
}

fn router_slow(family: Family) -> Scene {
    let rules = answering(TooBig { every_ms: 500, ..too_big(family) });
    Builder::routed(family, [9000, 9000], Some([rules, Rules::default()])).scene(far(family, 2), ROUTED)
}

/// A silent cut on a routed path whose ends are both jumbo.
const ROUTED_SILENT: Expect = expect(FAIL, 1500, LimitKind::Silent, Held::Either(CulpritKind::Router, CulpritKind::Firewall));

fn router_mute(family: Family) -> Scene {
    let filter = Rules { drop: vec![Filter::TooBig], ..Rules::default() };
    Builder::routed_twice(family, 9000, 1500, Some([Rules::default(), filter])).scene(far(family, 2), ROUTED_SILENT)
}

/// A router that drops what is above 1500 and names another MTU.
fn liar(family: Family, says: u32, from: Option<IpAddr>) -> Scene {
    let rules = answering(TooBig { says, from: from.or(Some(near(family, 254))), ..too_big(family) });
    let net = Builder::routed(family, [9000, 9000], Some([rules, Rules::default()]));
    let limit = Held::Either(LimitKind::Silent, LimitKind::Router);
    let expect = Expect { verdict: FAIL, path_mtu: Held::Is(1500), limit, culprit: Held::Is(CulpritKind::Router) };
    net.scene(far(family, 2), expect)
}

/// The truth, from an address that is nowhere on the path: believed for what it quotes.
fn liar_stranger(family: Family) -> Scene {
    Scene { expect: ROUTED, ..liar(family, 1500, Some(transit(family, 15, 14))) }
}

/// Two bridges joined by VXLAN over a 9000 underlay. The tunnels themselves are set to 9000, so the underlay's room for 50
/// bytes of headers is what runs out, and the sending bridge answers in the target's name.
fn overlay(family: Family) -> Scene {
    let mut net = Builder::new(family);
    net.node("node1");
    net.node("node2");
    let underlay = |n| IpAddr::from(Ipv4Addr::new(203, 0, 113, n));
    for (n, (name, node)) in (1..).zip([("sw1", "node1"), ("sw2", "node2")]) {
        net.cable((node, "eth0"), (name, "port1"), 9000);
        net.address_in(name, "uplink", underlay(n), 28);
        let host = net.host(name);
        host.bridges.push(Bridge { name: "br0".to_owned(), ports: vec!["port1".to_owned(), "vxlan0".to_owned()] });
        let (local, remote) = (underlay(n), underlay(3 - n));
        host.vxlans.push(Vxlan { name: "vxlan0".to_owned(), id: 70, local, remote, mtu: 9000 });
        // The underlay has carried traffic before: nothing in the tunnel waits for ARP outside.
        let owner = (format!("sw{}", 3 - n), "uplink".to_owned());
        host.neighbours.push(Neighbour { address: remote, interface: "uplink".to_owned(), owner });
    }
    net.cable(("sw1", "uplink"), ("sw2", "uplink"), 9000);
    net.address("node1", "eth0", near(family, 1));
    net.address("node2", "eth0", near(family, 2));
    net.scene(near(family, 2), expect(WARN, 8950, LimitKind::Router, Held::Is(CulpritKind::Overlay)))
}

/// node2 also has the whole segment behind it, so that one run can vet 200 targets.
fn many(mut net: Builder) -> Builder {
    let family = net.family;
    net.far_route("node1", near(family, 2));
    net.host("node2").routes.push(Route::local(far(family, 0), prefix(family)));
    net
}

fn loss(family: Family, percent: u32) -> Scene {
    let net = many(Builder::pair(family, [9000, 9000], lossy(percent), lossy(percent)));
    let path_mtu = if percent < 40 { Held::Is(9000) } else { Held::Any };
    let limit = if percent < 40 { Held::Either(LimitKind::None, LimitKind::Loss) } else { Held::Any };
    // A short search over a path that loses every tenth answer may see all of its own.
    let verdict = if percent < 20 { &[Outcome::Pass, Outcome::Warn, Outcome::Fail] } else { FAIL };
    net.scene(near(family, 2), Expect { verdict, path_mtu, limit, culprit: Held::Any })
}

fn loss_cut(family: Family, percent: u32) -> Scene {
    let rules = Rules { max: Some(9198), ..lossy(percent) };
    let net = many(Builder::pair(family, [9600, 9600], rules.clone(), rules));
    let expect = if percent < 40 {
        expect(FAIL, 9198, LimitKind::Silent, Held::Is(CulpritKind::Switch))
    } else {
        Expect { verdict: FAIL, path_mtu: Held::Any, limit: Held::Any, culprit: Held::Any }
    };
    net.scene(near(family, 2), expect)
}

/// A policer is no fault: the size of the path is found below its rate.
const POLICED: Expect = Expect {
    verdict: PASS,
    path_mtu: Held::Is(9000),
    limit: Held::Either(LimitKind::None, LimitKind::Policed),
    culprit: Held::Any,
};

/// So few at once that even a short search meets the rate.
fn packets(burst: u64) -> Rules {
    Rules { packet_rate: Some(Rate { per_second: 100, burst }), ..Rules::default() }
}

fn bytes(burst: u64) -> Rules {
    Rules { byte_rate: Some(Rate { per_second: 1_000_000, burst }), ..Rules::default() }
}

fn policed(family: Family, rules: Rules, max: Option<u32>) -> Scene {
    let mtu = if max.is_some() { 9600 } else { 9000 };
    let reverse = Rules { max, ..Rules::default() };
    let net = Builder::pair(family, [mtu, mtu], Rules { max, ..rules }, reverse);
    net.scene(near(family, 2), max.map_or(POLICED, |max| expect(FAIL, max, LimitKind::Silent, Held::Is(CulpritKind::Switch))))
}

/// In IPv6 the limit is 1280: errors are as long as that, and a firewall that drops them leaves no UDP method either.
fn icmp_large_filtered(family: Family) -> Scene {
    let limit = if family == Family::V4 { 1024 } else { 1280 };
    let rules = Rules { drop: vec![Filter::IcmpAbove(limit)], ..Rules::default() };
    let net = Builder::pair(family, [9000, 9000], rules.clone(), rules);
    net.scene(near(family, 2), Expect { culprit: Held::Any, ..fine(9000) })
}

fn echo_filtered(family: Family, mtu: u32, max: Option<u32>) -> Scene {
    let rules = Rules { drop: vec![Filter::Echo], max, ..Rules::default() };
    let net = Builder::pair(family, [mtu, mtu], rules.clone(), rules);
    let expect = match max {
        None => Expect { culprit: Held::Any, ..fine(mtu) },
        Some(max) => expect(FAIL, max, LimitKind::Silent, Held::Is(CulpritKind::Switch)),
    };
    net.scene(near(family, 2), expect)
}

fn mute(family: Family) -> Scene {
    let rules = Rules { drop: vec![Filter::Ip], ..Rules::default() };
    let net = Builder::pair(family, [9000, 9000], rules.clone(), rules);
    net.scene(near(family, 2), unreached(UNKNOWN, LimitKind::Filtered))
}

fn reverse_silent(family: Family) -> Scene {
    let net = Builder::pair(family, [9000, 9000], Rules::default(), cut(1500));
    let limit = Held::Either(LimitKind::Silent, LimitKind::None);
    let expect = Expect { verdict: FAIL, path_mtu: Held::Is(9000), limit, culprit: Held::Any };
    net.scene(near(family, 2), expect)
}

fn reverse_known(family: Family) -> Scene {
    let mut net = Builder::pair(family, [9000, 9000], Rules::default(), cut(1500));
    net.on_link("node2", near(family, 1), "eth0");
    for route in &mut net.host("node2").routes {
        route.mtu = Some(1500);
    }
    net.scene(near(family, 2), Expect { verdict: WARN, culprit: Held::Any, ..fine(9000) })
}

fn host_down(family: Family) -> Scene {
    bridged(family, 9000).scene(near(family, 77), unreached(FAIL, LimitKind::Unreachable))
}

fn no_route(family: Family) -> Scene {
    bridged(family, 9000).scene(far(family, 2), unreached(FAIL, LimitKind::Unreachable))
}

fn gateway_silent(family: Family) -> Scene {
    let mut net = bridged(family, 9000);
    net.default_route("node1", near(family, 2));
    let key = match family {
        Family::V4 => "net/ipv4/icmp_echo_ignore_all",
        Family::V6 => "net/ipv6/icmp/echo_ignore_all",
    };
    net.host("node2").sysctls.push((key.to_owned(), "1".to_owned()));
    net.scene(None, Expect { verdict: PASS, path_mtu: Held::Any, limit: Held::Any, culprit: Held::Absent })
}

fn this_host(family: Family) -> Scene {
    bridged(family, 9000).scene(near(family, 1), unreached(FAIL, LimitKind::Unreachable))
}

/// eth1 is in the target's subnet, but a host route sends the target through eth0, the narrow management network.
fn wrong_interface(family: Family) -> Scene {
    let mut net = Builder::new(family);
    net.node("node1");
    net.node("node2");
    net.switch("sw1", &[("node1", "eth0", 1500), ("node2", "eth0", 1500)]);
    net.switch("sw2", &[("node1", "eth1", 9000), ("node2", "eth1", 9000)]);
    for (n, node) in [(1, "node1"), (2, "node2")] {
        net.address(node, "eth0", near(family, n));
        net.address(node, "eth1", far(family, n));
    }
    net.host("node1").routes.push(Route::via(far(family, 2), single(family), near(family, 2)));
    net.scene(far(family, 2), Expect { verdict: WARN, culprit: Held::Any, ..fine(1500) })
}

/// br0 of node1 carries the address. Its second port, a guest's at 1500, pulls the bridge down to 1500.
fn bridge_tap(family: Family) -> Scene {
    let mut net = Builder::new(family);
    net.node("node1");
    net.node("node2");
    net.host("guest");
    net.switch("sw1", &[("node1", "eth0", 9000), ("node2", "eth0", 9000)]);
    net.cable(("node1", "vnet0"), ("guest", "eth0"), 1500);
    let ports = vec!["eth0".to_owned(), "vnet0".to_owned()];
    net.host("node1").bridges.push(Bridge { name: "br0".to_owned(), ports });
    net.address("node1", "br0", near(family, 1));
    net.address("node2", "eth0", near(family, 2));
    let limit = Held::Is(LimitKind::None);
    net.scene(near(family, 2), Expect { verdict: FAIL, path_mtu: Held::Is(1500), limit, culprit: Held::Any })
}

fn wide(family: Family, max: Option<u32>) -> Scene {
    let rules = Rules { max, ..Rules::default() };
    let net = Builder::pair(family, [65520, 65520], rules.clone(), rules);
    let expect = max.map_or(fine(65520), |max| expect(FAIL, max, LimitKind::Silent, Held::Any));
    net.scene(near(family, 2), expect)
}

fn delay(family: Family) -> Scene {
    let rules = Rules { delay_us: 10_000, ..cut(9198) };
    let net = Builder::pair(family, [9600, 9600], rules.clone(), rules);
    net.scene(near(family, 2), expect(FAIL, 9198, LimitKind::Silent, Held::Is(CulpritKind::Switch)))
}

/// The box answers once, to the datagram that fills the cache, and then carries everything.
fn stale_cache(family: Family) -> Scene {
    let rules = answering(TooBig { only: Some(1), ..too_big(family) });
    let mut net = Builder::routed(family, [9000, 9000], Some([rules, Rules::default()]));
    net.host("node1").prime = Some(Prime { to: far(family, 2), payload: 8000 });
    net.scene(far(family, 2), Expect { verdict: WARN, culprit: Held::Any, ..fine(9000) })
}

fn twins(family: Family) -> Scene {
    let mut net = Builder::new(family);
    net.node("node1");
    net.node("node2");
    net.node("node3");
    net.switch("sw1", &[("node1", "eth0", 9000), ("node2", "eth0", 9000), ("node3", "eth0", 9000)]);
    net.address("node1", "eth0", near(family, 1));
    net.address("node2", "eth0", near(family, 2));
    net.address("node3", "eth0", near(family, 2));
    net.scene(near(family, 2), Expect { verdict: FAIL, path_mtu: Held::Any, limit: Held::Any, culprit: Held::Any })
}

/// node2 has an address of node1's subnet, but is behind r1, which answers for it. The link behind r1 is 1500.
fn proxy_arp(family: Family) -> Scene {
    let mut net = Builder::new(family);
    net.node("node1");
    net.node("node2");
    net.router("r1");
    net.cable(("node1", "eth0"), ("r1", "eth0"), 9000);
    net.cable(("r1", "eth1"), ("node2", "eth0"), 1500);
    net.address("node1", "eth0", near(family, 1));
    net.address("r1", "eth0", near(family, 254));
    net.address("r1", "eth1", far(family, 254));
    net.address_in("node2", "eth0", near(family, 2), single(family));
    net.on_link("r1", near(family, 2), "eth1");
    net.on_link("node2", far(family, 254), "eth0");
    net.default_route("node2", far(family, 254));
    // A proxy waits up to 0.8 s before it answers; nobody here competes with it.
    let (proxy, delay) = match family {
        Family::V4 => ("net/ipv4/conf/default/proxy_arp", "net/ipv4/neigh/eth0/proxy_delay"),
        Family::V6 => ("net/ipv6/conf/default/proxy_ndp", "net/ipv6/neigh/eth0/proxy_delay"),
    };
    let r1 = net.host("r1");
    r1.sysctls.push((proxy.to_owned(), "1".to_owned()));
    r1.interface_sysctls.push((delay.to_owned(), "0".to_owned()));
    if family == Family::V6 {
        r1.proxies.push((near(family, 2), "eth0".to_owned()));
    }
    // It counts as routed, and the router says what passes.
    net.scene(near(family, 2), ROUTED)
}

/// Four cables between r1 and r2, one of them through a box that cuts. r1 spreads flows by addresses and ports.
fn ecmp(family: Family) -> Scene {
    let length = if family == Family::V4 { 28 } else { 64 };
    let mut net = Builder::new(family);
    net.node("node1");
    net.node("node2");
    net.router("r1");
    net.router("r2");
    net.cable(("node1", "eth0"), ("r1", "eth0"), 9000);
    net.cable(("r2", "eth0"), ("node2", "eth0"), 9000);
    net.address("node1", "eth0", near(family, 1));
    net.address("r1", "eth0", near(family, 254));
    net.address("r2", "eth0", far(family, 254));
    net.address("node2", "eth0", far(family, 2));
    net.default_route("node1", near(family, 254));
    net.default_route("node2", far(family, 254));
    let mut hops = Vec::new();
    for member in 1..=4 {
        let interface = format!("member{member}");
        if member == 3 {
            let (r1, r2) = (("r1", interface.as_str(), 9000), ("r2", interface.as_str(), 9000));
            net.between("box", r1, r2, cut(1500), Rules::default());
        } else {
            net.cable(("r1", &interface), ("r2", &interface), 9000);
        }
        net.address_in("r1", &interface, transit(family, member, 1), length);
        net.address_in("r2", &interface, transit(family, member, 2), length);
        hops.push(Hop { via: Some(transit(family, member, 2)), interface: Some(interface) });
    }
    let to = (far(family, 0), prefix(family));
    net.host("r1").routes.push(Route { to, kind: RouteKind::Unicast, hops, mtu: None });
    let key = match family {
        Family::V4 => "net/ipv4/fib_multipath_hash_policy",
        Family::V6 => "net/ipv6/fib_multipath_hash_policy",
    };
    net.host("r1").sysctls.push((key.to_owned(), "1".to_owned()));
    net.default_route("r2", transit(family, 1, 1));
    let expect = Expect { verdict: &[], path_mtu: Held::Any, limit: Held::Any, culprit: Held::Any };
    net.scene(far(family, 2), expect)
}

/// 10.80.0.0/12, or `2001:db8:50::/48`, behind node2: a million addresses and one neighbour.
fn farm(family: Family) -> Scene {
    let (to, length, target): (IpAddr, u8, IpAddr) = match family {
        Family::V4 => (Ipv4Addr::new(10, 80, 0, 0).into(), 12, Ipv4Addr::new(10, 80, 0, 1).into()),
        Family::V6 => {
            (Ipv6Addr::new(0x2001, 0xdb8, 0x50, 0, 0, 0, 0, 0).into(), 48, Ipv6Addr::new(0x2001, 0xdb8, 0x50, 0, 0, 0, 0, 1).into())
        }
    };
    let mut net = Builder::new(family);
    net.node("node1");
    net.node("node2");
    net.cable(("node1", "eth0"), ("node2", "eth0"), 9000);
    net.address("node1", "eth0", near(family, 1));
    net.address("node2", "eth0", near(family, 2));
    net.host("node1").routes.push(Route::via(to, length, near(family, 2)));
    net.host("node2").routes.push(Route::local(to, length));
    net.scene(target, fine(9000))
}

/// 10.80.0.1 is node1, 10.80.1.0 to 10.80.8.207 are node2 (`2001:db8:51::1:0` and on in IPv6).
fn onlink_2000(family: Family) -> Scene {
    let address = |n: u16| -> IpAddr {
        let [high, low] = n.to_be_bytes();
        match family {
            Family::V4 => Ipv4Addr::new(10, 80, high, low).into(),
            Family::V6 => Ipv6Addr::new(0x2001, 0xdb8, 0x51, 0, 0, 0, u16::from(high > 0), n).into(),
        }
    };
    let length = if family == Family::V4 { 20 } else { 64 };
    let mut net = Builder::new(family);
    net.node("node1");
    net.node("node2");
    net.cable(("node1", "eth0"), ("node2", "eth0"), 9000);
    net.address_in("node1", "eth0", address(1), length);
    // The kernel counts the neighbours of all namespaces in one table: node2 would forget node1 while that is full.
    let owner = ("node1".to_owned(), "eth0".to_owned());
    net.host("node2").neighbours.push(Neighbour { address: address(1), interface: "eth0".to_owned(), owner });
    match family {
        // ARP answers for whatever is local, so that one route does.
        Family::V4 => {
            net.address_in("node2", "eth0", address(2), length);
            for high in 1..=8 {
                net.host("node2").routes.push(Route::local(Ipv4Addr::new(10, 80, high, 0).into(), 24));
            }
        }
        Family::V6 => {
            for n in 0..2000 {
                net.address_in("node2", "eth0", address(256 + n), length);
            }
        }
    }
    net.scene(address(256), fine(9000))
}

/// The addresses that a special topology holds, for tests that vet them all: `farm` and `onlink-2000`, or 200 behind a lossy path.
#[must_use]
pub fn targets(topology: &str, family: Family, count: u16) -> Vec<IpAddr> {
    (0..count)
        .map(|n| {
            let [high, low] = n.to_be_bytes();
            match (topology, family) {
                ("farm", Family::V4) => Ipv4Addr::new(10, 80, high, low).into(),
                ("farm", Family::V6) => Ipv6Addr::new(0x2001, 0xdb8, 0x50, 0, 0, 0, 1, n).into(),
                ("onlink-2000", Family::V4) => Ipv4Addr::new(10, 80, high + 1, low).into(),
                ("onlink-2000", Family::V6) => Ipv6Addr::new(0x2001, 0xdb8, 0x51, 0, 0, 0, 1, 256 + n).into(),
                (_, family) => far(family, low),
            }
        })
        .collect()
}

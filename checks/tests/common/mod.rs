//! What the tests of the checks share: one healthy evidence, the catalogue, and short ways to judge.
#![allow(dead_code, clippy::allow_attributes, reason = "each test file is a crate of its own and uses a part")]

use pathvet_checks::catalogue::Catalogue;
use pathvet_checks::evidence::{
    Address, Counters, Direction, Evidence, Host, Limit, LimitKind, Link, LossSample, Method, Path, Pause, Proof, Route, RouteUsed,
    Rtt, SCHEMA,
};
use pathvet_checks::expect::Expect;
use pathvet_checks::report::{Confidence, CulpritKind, Finding, Outcome, Report};
use pathvet_checks::{Case, judge};
use std::sync::OnceLock;

/// The moment at which every test judges.
pub(crate) fn now() -> jiff::Timestamp {
    "2026-11-20T12:00:00Z".parse().expect("a timestamp")
}

/// The product's own catalogue.
pub(crate) fn catalogue() -> &'static Catalogue {
    static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
    CATALOGUE.get_or_init(|| {
        let text = include_str!("../../catalogue/mtu-ceilings.yaml");
        serde_yaml::from_str(text).expect("the catalogue can be read")
    })
}

pub(crate) fn judged(evidence: &Evidence, expect: &Expect) -> Report {
    judge(&Case { evidence, expect, catalogue: catalogue(), now: now() })
}

/// Checks of what the machines of these tests do not have: they skip it.
const ABSENT_HERE: [&str; 6] = ["dcb-pfc", "dcb-ets", "dcb-app", "dcb-dcbx", "switch-frame-size", "lldp-neighbor"];

/// Every finding that is not PASS, as `FAIL path-mtu node1->node2`.
pub(crate) fn not_passed(report: &Report) -> Vec<String> {
    let absent = |finding: &Finding| finding.outcome == Outcome::Skip && ABSENT_HERE.contains(&&*finding.check);
    let not_passed = report.findings.iter().filter(|finding| finding.outcome != Outcome::Pass && !absent(finding));
    not_passed.map(|finding| format!("{} {} {}", finding.outcome.word(), finding.check, finding.subject)).collect()
}

/// An interface with a card behind it.
pub(crate) fn card(ifname: &str, ifindex: u32, mtu: u32) -> Link {
    let counters =
        [("rx_errors", 0), ("tx_errors", 0), ("rx_dropped", 7), ("tx_dropped", 0), ("rx_crc_errors", 3), ("rx_length_errors", 0)];
    let sample: std::collections::BTreeMap<String, u64> =
        counters.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    Link {
        ifname: ifname.into(),
        ifindex,
        mtu,
        max_mtu: Some(9978),
        operstate: Some("up".into()),
        carrier: Some(true),
        flags: ["BROADCAST", "MULTICAST", "UP", "LOWER_UP"].map(String::from).into(),
        link_type: Some("ether".into()),
        speed_mbps: Some(40_000),
        duplex: Some("full".into()),
        driver: Some("mlx5_core".into()),
        address: Some(format!("02:00:00:00:00:{ifindex:02x}")),
        pause: Some(Pause { rx: true, tx: true, autoneg: false }),
        counters: Some(Counters { first: sample.clone(), last: Some(sample), interval_ms: Some(20) }),
        source: "netlink".into(),
        ..Link::default()
    }
}

/// An interface without a card: `kind` as in `ip -d link`.
pub(crate) fn virtual_link(ifname: &str, ifindex: u32, mtu: u32, kind: &str) -> Link {
    let info = pathvet_checks::evidence::LinkInfo { info_kind: Some(kind.into()), ..Default::default() };
    Link { linkinfo: Some(info), driver: None, speed_mbps: None, pause: None, counters: None, ..card(ifname, ifindex, mtu) }
}

pub(crate) fn with_address(mut link: Link, address: &str, prefixlen: u8) -> Link {
    let local = address.parse().expect("an address");
    link.addresses.push(Address { local, prefixlen, family: if address.contains(':') { "inet6" } else { "inet" }.into() });
    link
}

/// node1 and node2 on one link, both at 9000 and all of it arriving.
pub(crate) fn healthy() -> Evidence {
    let mut loopback = virtual_link("lo", 1, 65536, "");
    loopback.linkinfo = None;
    loopback.max_mtu = None;
    loopback.link_type = Some("loopback".into());
    loopback.flags = ["LOOPBACK", "UP", "LOWER_UP"].map(String::from).into();
    let eth0 = with_address(card("eth0", 2, 9000), "192.0.2.1", 24);
    let route = |dst: &str, gateway: Option<&str>| Route {
        dst: dst.into(),
        family: 4,
        kind: "unicast".into(),
        table: 254,
        dev: Some("eth0".into()),
        gateway: gateway.map(|gateway| gateway.parse().expect("an address")),
        ..Route::default()
    };
    let node1 = Host {
        id: Some("7d1f".into()),
        name: "node1".into(),
        os: Some("Debian GNU/Linux 12 (bookworm)".into()),
        kernel: Some("6.1.0".into()),
        origin: "local".into(),
        taken: Some(now()),
        links: Some(vec![loopback, eth0]),
        routes: Some(vec![route("default", Some("192.0.2.254")), route("192.0.2.0/24", None)]),
        neighbours: Some(Vec::new()),
        ..Host::default()
    };
    let mut path = Path::new("node1", "node2", now());
    path.address = Some("192.0.2.2".parse().expect("an address"));
    path.family = 4;
    path.method = Some(Method::Icmp);
    path.interface = Some("eth0".into());
    path.interface_mtu = Some(9000);
    path.path_mtu = Some(9000);
    path.reverse_mtu = Some(9000);
    path.limit = Limit { kind: LimitKind::None, direction: None, router: None, reported_mtu: None };
    path.loss = Some(0.0);
    path.rtt_us = Some(Rtt { min: 40, avg: 50, max: 70 });
    path.probes_sent = 20;
    path.bytes_sent = 90_000;
    path.rounds = 1;
    path.elapsed_ms = 3;
    path.route = Some(Box::new(RouteUsed {
        kind: "unicast".into(),
        dst: Some("192.0.2.0/24".into()),
        dev: Some("eth0".into()),
        source: Some("192.0.2.1".parse().expect("an address")),
        table: Some(254),
        ..RouteUsed::default()
    }));
    path.on_link = true;
    path.neighbour_state = Some("reachable".into());
    path.neighbour_lladdr = Some("02:00:00:00:01:02".into());
    path.responders = Some(vec!["02:00:00:00:01:02".into()]);
    path.reply_ttl = Some(64);
    path.control = LossSample { sent: 4, replied: 4 };
    path.sample = LossSample { sent: 20, replied: 20 };
    Evidence { schema: SCHEMA.into(), taken: now(), tool: "pathvet 0.1.0".into(), hosts: vec![node1], paths: vec![path] }
}

/// Two hosts in connected mode on one fabric of 4096 with a master and a standby, and a path between them that carries 65520.
pub(crate) fn infiniband() -> Evidence {
    let text = include_str!("../../../testdata/checks/ib-sm/pass-two-hosts/evidence.json");
    serde_json::from_str(text).expect("evidence")
}

/// node2 with its own evidence, its eth0 at `mtu`.
pub(crate) fn node2(mtu: u32) -> Host {
    let mut eth0 = with_address(card("eth0", 2, mtu), "192.0.2.2", 24);
    eth0.address = Some("02:00:00:00:01:02".into());
    Host {
        id: Some("2e9a".into()),
        name: "node2".into(),
        origin: "import:evidence".into(),
        links: Some(vec![eth0]),
        routes: Some(Vec::new()),
        ..Host::default()
    }
}

/// Makes the path a silent cut: this host sends `sends`, and nothing above `mtu` arrives, as a second method confirms.
pub(crate) fn cut(evidence: &mut Evidence, sends: u32, mtu: u32) {
    if let Some(links) = &mut evidence.hosts[0].links {
        links[1].mtu = sends;
    }
    let path = &mut evidence.paths[0];
    path.interface_mtu = Some(sends);
    path.path_mtu = Some(mtu);
    path.reverse_mtu = Some(mtu);
    path.limit = Limit { kind: LimitKind::Silent, direction: Some(Direction::Forward), router: None, reported_mtu: None };
    path.proof = Some(Proof {
        passes: mtu,
        passes_sent: 13,
        passes_replied: 13,
        vanishes: mtu + 1,
        vanishes_sent: 13,
        vanishes_replied: 0,
        proven: true,
    });
    path.methods = vec![second_method(Method::Udp, mtu, Some(mtu + 1))];
}

pub(crate) fn second_method(method: Method, passed: u32, failed: Option<u32>) -> pathvet_checks::evidence::MethodResult {
    pathvet_checks::evidence::MethodResult {
        method,
        sent: 6,
        replied: 3,
        passed: Some(passed),
        failed,
        forward_only: method != Method::Icmp,
    }
}

/// Fills in everything that a path and a host can hold, so that a test which changes places finds them.
pub(crate) fn bound_to_fail(evidence: &mut Evidence) {
    use pathvet_checks::evidence::{Asked, Gap, GapReason, PeerMtu, PeerMtuHow, Policer, TooBig};
    cut(evidence, 9600, 9198);
    let path = &mut evidence.paths[0];
    path.asked = Asked::Plan;
    path.network = Some("migration".into());
    path.peer_mtu = Some(PeerMtu { value: 9600, how: PeerMtuHow::Mss, at_least: false });
    path.limit.router = Some("192.0.2.254".parse().expect("an address"));
    path.limit.reported_mtu = Some(9198);
    path.slow_sample = Some(LossSample { sent: 300, replied: 290 });
    path.too_big = vec![TooBig { from: "192.0.2.254".parse().expect("an address"), mtu: 68, quoted: 9600, believed: false }];
    path.policer = Some(Policer { per_second: 20 });
    path.unreachable = Some("host unreachable from 192.0.2.254".into());
    path.send_error = Some("ENOBUFS".into());
    path.resolve_error = Some("no such name".into());
    path.incomplete = Some("the deadline passed".into());
    path.gateway_lladdr = Some("02:00:00:00:09:09".into());
    path.methods.push(second_method(Method::Icmp, 1024, Some(1025)));
    let route = path.route.as_mut().expect("a route");
    route.gateway = Some("192.0.2.254".parse().expect("an address"));
    (route.mtu, route.advmss, route.cached_mtu, route.cache_expires_s) = (Some(9600), Some(9000), Some(9198), Some(9));
    (route.vrf, route.rule) = (Some("blue".into()), Some("32766: from all lookup main".into()));
    let second = evidence.paths[0].clone();
    evidence.paths.push(Path { to: "node3".into(), address: Some("192.0.2.3".parse().expect("an address")), ..second });
    let host = &mut evidence.hosts[0];
    host.gaps.push(Gap {
        what: "paths".into(),
        place: "socket".into(),
        reason: GapReason::NotPermitted,
        detail: "no ICMP socket".into(),
        right: Some("CAP_NET_RAW".into()),
    });
    let links = host.links.as_mut().expect("links");
    links[1].master = Some("br0".into());
    links[1].physfn = Some("eth9".into());
    links[1].link = Some("eth0".into());
    for (number, (name, kind)) in
        [("br0", "bridge"), ("bond0", "bond"), ("vxlan0", "vxlan"), ("tap0", "tun"), ("eth9", "vlan")].into_iter().enumerate()
    {
        let index = u32::try_from(number).unwrap_or_default() + 10;
        let mut link = virtual_link(name, index, 9600, kind);
        link.link = Some("eth0".into());
        link.master = Some("br0".into());
        let info = link.linkinfo.as_mut().expect("a kind");
        for (key, value) in
            [("mode", "802.3ad"), ("active_slave", "eth0"), ("primary", "eth1"), ("remote", "192.0.2.2"), ("link", "eth0")]
        {
            info.info_data.insert(key.into(), value.into());
        }
        info.info_data.insert("ad_info".into(), serde_json::json!({"partner_mac": "00:00:00:00:00:00"}));
        info.info_slave_data.insert("mii_status".into(), "UP".into());
        info.info_slave_data.insert("ad_aggregator_id".into(), 1.into());
        links.push(link);
    }
}

/// Judges the healthy evidence with one thing broken.
pub(crate) fn broken(change: impl FnOnce(&mut Evidence)) -> Report {
    expecting(&Expect::default(), change)
}

pub(crate) fn expecting(expect: &Expect, change: impl FnOnce(&mut Evidence)) -> Report {
    let mut evidence = healthy();
    change(&mut evidence);
    judged(&evidence, expect)
}

pub(crate) fn culprit(report: &Report) -> Option<(CulpritKind, Confidence, &str)> {
    let first = report.diagnoses.first()?;
    Some((first.culprit.kind, first.confidence, &first.culprit.name))
}

#[track_caller]
pub(crate) fn assert_found(report: &Report, expected: &[&str]) {
    assert_eq!(
        not_passed(report),
        expected,
        "{:#?}",
        report.findings.iter().map(|finding| (&finding.check, &finding.summary)).collect::<Vec<_>>()
    );
}

/// A path on which nothing came back.
pub(crate) fn silent(path: &mut Path) {
    path.path_mtu = None;
    path.reverse_mtu = None;
    path.limit.kind = LimitKind::Unreachable;
    path.control = LossSample::default();
    path.sample = LossSample::default();
    path.reply_ttl = None;
    path.responders = None;
}

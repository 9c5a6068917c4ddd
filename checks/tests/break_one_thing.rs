//! From one healthy evidence on which every check passes: each test breaks one thing and asserts exactly what is found.

#![expect(clippy::unwrap_used, reason = "a test may stop where its own evidence is not as it thinks")]

mod common;

use common::*;
use pathvet_checks::evidence::*;
use pathvet_checks::expect::{Expect, HostExpect, Network, Waiver};
use pathvet_checks::report::{Confidence, CulpritKind, Outcome, Report};

const AFTER_REACH: [&str; 5] = [
    "SKIP path-mtu node1->node2",
    "SKIP path-reverse node1->node2",
    "SKIP path-loss node1->node2",
    "SKIP path-corrupt node1->node2",
    "SKIP pmtu-cache node1->node2",
];

/// `first`, then the other path checks of the pair, which point to it.
#[track_caller]
fn assert_unreached(report: &Report, first: &str) {
    let mut expected = vec![first, "SKIP path-route node1->node2"];
    expected.extend(AFTER_REACH);
    assert_found(report, &expected);
    let others = report.findings.iter().filter(|finding| finding.at.from.is_some()).skip(1);
    assert!(others.clone().count() == 6 && others.into_iter().all(|finding| finding.summary == "see path-reach"));
}

#[test]
fn healthy_passes_everywhere() {
    let report = broken(|_| {});
    assert_found(&report, &[]);
    assert_eq!(report.verdict, Outcome::Pass);
    assert_eq!(report.exit_code, 0);
    assert!(report.diagnoses.is_empty());
    let of_paths = |id: &&str| id.starts_with("path-") || id.starts_with("link-") || *id == "pmtu-cache";
    let checks: Vec<&str> = report.findings.iter().map(|finding| &*finding.check).filter(of_paths).collect();
    let all: Vec<&str> = pathvet_checks::builtin::ALL.iter().map(|check| check.meta().id).filter(of_paths).collect();
    assert_eq!(checks, all, "every check of paths and links has one finding, in the order of the manual");
}

// --- path-reach

#[test]
fn name_does_not_resolve() {
    let report = broken(|evidence| {
        let mut path = Path::new("node1", "node2", now());
        path.resolve_error = Some("no such name".into());
        evidence.paths = vec![path];
    });
    assert_unreached(&report, "UNKNOWN path-reach node1->node2");
    assert_eq!(report.exit_code, 3);
}

#[test]
fn arp_is_not_answered() {
    let report = broken(|evidence| {
        let path = &mut evidence.paths[0];
        silent(path);
        path.neighbour_state = Some("failed".into());
        path.neighbour_lladdr = None;
    });
    assert_unreached(&report, "FAIL path-reach node1->node2");
    assert_eq!(culprit(&report), Some((CulpritKind::Host, Confidence::Likely, "192.0.2.2")));
}

#[test]
fn no_route() {
    let report = broken(|evidence| {
        let path = &mut evidence.paths[0];
        silent(path);
        path.route = Some(Box::new(RouteUsed { kind: "none".into(), ..RouteUsed::default() }));
        path.interface = None;
        path.neighbour_state = None;
        path.neighbour_lladdr = None;
    });
    assert_unreached(&report, "FAIL path-reach node1->node2");
    assert_eq!(culprit(&report), Some((CulpritKind::Setting, Confidence::Certain, "the routes of node1")));
}

#[test]
fn interface_is_down() {
    let report = broken(|evidence| {
        silent(&mut evidence.paths[0]);
        evidence.paths[0].neighbour_lladdr = None;
        let eth0 = &mut evidence.hosts[0].links.as_mut().unwrap()[1];
        eth0.carrier = Some(false);
        eth0.operstate = Some("down".into());
    });
    let mut expected = vec!["FAIL path-reach node1->node2", "SKIP path-route node1->node2"];
    expected.extend(AFTER_REACH);
    expected.push("SKIP link-state node1:eth0");
    assert_found(&report, &expected);
    assert_eq!(culprit(&report), Some((CulpritKind::Nic, Confidence::Certain, "node1:eth0")));
}

#[test]
fn a_router_says_unreachable() {
    let report = broken(|evidence| {
        silent(&mut evidence.paths[0]);
        evidence.paths[0].unreachable = Some("host unreachable from 192.0.2.254".into());
    });
    assert_unreached(&report, "FAIL path-reach node1->node2");
    assert_eq!(culprit(&report), Some((CulpritKind::Router, Confidence::Likely, "192.0.2.254")));
}

#[test]
fn a_filter_says_prohibited() {
    let report = broken(|evidence| {
        silent(&mut evidence.paths[0]);
        evidence.paths[0].unreachable = Some("administratively prohibited from 192.0.2.254".into());
    });
    assert_unreached(&report, "UNKNOWN path-reach node1->node2");
}

#[test]
fn own_packet_filter() {
    let report = broken(|evidence| {
        silent(&mut evidence.paths[0]);
        evidence.paths[0].send_error = Some("EPERM".into());
        evidence.paths[0].limit.kind = LimitKind::FirewallLocal;
    });
    assert_unreached(&report, "UNKNOWN path-reach node1->node2");
    assert_eq!(culprit(&report), Some((CulpritKind::Firewall, Confidence::Certain, "the packet filter of node1")));
}

#[test]
fn a_route_prohibits_it() {
    let report = broken(|evidence| {
        silent(&mut evidence.paths[0]);
        evidence.paths[0].send_error = Some("EACCES".into());
        evidence.paths[0].limit.kind = LimitKind::FirewallLocal;
        evidence.paths[0].route.as_mut().unwrap().kind = "prohibit".into();
    });
    assert_unreached(&report, "FAIL path-reach node1->node2");
    assert_eq!(culprit(&report), Some((CulpritKind::Setting, Confidence::Certain, "the routes of node1")));
}

#[test]
fn up_but_it_filters() {
    let report = broken(|evidence| {
        silent(&mut evidence.paths[0]);
        evidence.paths[0].limit.kind = LimitKind::Filtered;
    });
    assert_unreached(&report, "UNKNOWN path-reach node1->node2");
    assert_eq!(culprit(&report), Some((CulpritKind::Firewall, Confidence::Likely, "the packet filter of node2")));
}

#[test]
fn two_machines_with_one_address() {
    let twins = || Some(vec!["02:00:00:00:01:02".to_owned(), "02:00:00:00:01:03".to_owned()]);
    let report = broken(|evidence| evidence.paths[0].responders = twins());
    assert_unreached(&report, "FAIL path-reach node1->node2");
    // The same two, known to be two cards of node2.
    let report = broken(|evidence| {
        evidence.paths[0].responders = twins();
        let mut node2 = node2(9000);
        let mut second = card("eth1", 3, 9000);
        second.address = Some("02:00:00:00:01:03".into());
        node2.links.as_mut().unwrap().push(second);
        evidence.hosts.push(node2);
    });
    assert_found(&report, &[]);
    // A virtual router's address beside the real one.
    let report =
        broken(|evidence| evidence.paths[0].responders = Some(vec!["00:00:5e:00:01:0a".into(), "02:00:00:00:01:02".into()]));
    assert_found(&report, &[]);
    assert!(report.findings[0].notes[0].contains("00:00:5e:00:01:0a"));
}

#[test]
fn proxy_arp_counts_as_routed() {
    // A router's word is a WARN on the link, and a note behind a proxy.
    let told = |evidence: &mut Evidence| {
        let path = &mut evidence.paths[0];
        path.path_mtu = Some(1500);
        path.reverse_mtu = Some(1500);
        let router = Some("192.0.2.254".parse().unwrap());
        path.limit = Limit { kind: LimitKind::Router, direction: Some(Direction::Forward), router, reported_mtu: Some(1500) };
    };
    assert_found(&broken(told), &["WARN path-mtu node1->node2"]);
    let report = broken(|evidence| {
        told(evidence);
        evidence.paths[0].gateway_lladdr = Some("02:00:00:00:01:02".into());
    });
    assert_found(&report, &[]);
    let report = broken(|evidence| {
        told(evidence);
        evidence.paths[0].reply_ttl = Some(63);
    });
    assert_found(&report, &[]);
}

// --- path-route

#[test]
fn target_is_this_host() {
    let report = broken(|evidence| {
        let route = evidence.paths[0].route.as_mut().unwrap();
        route.kind = "local".into();
        route.dev = Some("lo".into());
    });
    let mut expected = vec!["SKIP path-reach node1->node2", "FAIL path-route node1->node2"];
    expected.extend(AFTER_REACH);
    assert_found(&report, &expected);
    assert!(
        report
            .findings
            .iter()
            .filter(|finding| finding.outcome == Outcome::Skip && finding.check.starts_with("path-"))
            .all(|finding| finding.summary == "see path-route")
    );
}

fn plan_network(network: Network) -> Expect {
    Expect { networks: [("migration".to_owned(), network)].into(), ..Expect::default() }
}

#[test]
fn route_leaves_the_planned_interface() {
    let planned = plan_network(Network { interface: Some("eth1".into()), ..Network::default() });
    let report = expecting(&planned, |evidence| evidence.paths[0].network = Some("migration".into()));
    assert_found(&report, &["FAIL path-route node1->node2@migration"]);
    let planned = plan_network(Network { interface: Some("eth0".into()), ..Network::default() });
    let report = expecting(&planned, |evidence| evidence.paths[0].network = Some("migration".into()));
    assert_found(&report, &[]);
}

#[test]
fn route_leaves_the_planned_subnet() {
    let planned = plan_network(Network { subnet: Some(("198.51.100.0".parse().unwrap(), 24)), ..Network::default() });
    let report = expecting(&planned, |evidence| evidence.paths[0].network = Some("migration".into()));
    assert_found(&report, &["FAIL path-route node1->node2@migration"]);
    // An IPv6 path is not held against an IPv4 subnet.
    let report = expecting(&planned, |evidence| {
        let path = &mut evidence.paths[0];
        path.network = Some("migration".into());
        path.family = 6;
        path.address = Some("2001:db8::2".parse().unwrap());
    });
    assert_found(&report, &[]);
}

#[test]
fn an_interface_in_the_subnet_is_not_used() {
    let report = broken(|evidence| {
        let links = evidence.hosts[0].links.as_mut().unwrap();
        links.push(with_address(card("eth1", 3, 9000), "198.51.100.1", 24));
        let path = &mut evidence.paths[0];
        path.address = Some("198.51.100.2".parse().unwrap());
        path.on_link = false;
        path.route.as_mut().unwrap().gateway = Some("192.0.2.254".parse().unwrap());
    });
    assert_found(&report, &["WARN path-route node1->node2"]);
    assert!(report.findings[1].summary.contains("eth1"));
}

// --- path-mtu

#[test]
fn silent_cut_with_a_large_peer_is_something_between() {
    let report = broken(|evidence| {
        cut(evidence, 9600, 9198);
        evidence.paths[0].peer_mtu = Some(PeerMtu { value: 9600, how: PeerMtuHow::Mss, at_least: false });
    });
    assert_found(&report, &["FAIL path-mtu node1->node2"]);
    assert_eq!(culprit(&report), Some((CulpritKind::Switch, Confidence::Likely, "between node1 and node2")));
    let diagnosis = &report.diagnoses[0];
    assert!(diagnosis.summary.contains("drops frames above 9216 bytes"), "{}", diagnosis.summary);
    assert!(
        diagnosis
            .details
            .iter()
            .any(|line| line.starts_with("9216-byte frames are the largest of: ") && line.ends_with("pathvet explain 9198"))
    );
    assert_eq!(diagnosis.proof[0], "ping -M do -c 5 -s 9170 192.0.2.2   passes;   -s 9171   does not");
    assert!(diagnosis.remedies[0].starts_with(
        "set every host of this segment to 9000:   ip link set dev eth0 mtu 9000   Windows *JumboPacket 9014   ESXi 9000"
    ));
    assert!(diagnosis.remedies[1].contains("at least 9622 bytes (9618, and 4 for a VLAN tag)"));
}

#[test]
fn silent_cut_with_an_unknown_peer_names_both() {
    let report = broken(|evidence| cut(evidence, 9600, 9198));
    assert_found(&report, &["FAIL path-mtu node1->node2"]);
    assert_eq!(culprit(&report), Some((CulpritKind::Host, Confidence::Possible, "node2")));
    assert!(report.diagnoses[0].summary.starts_with("Either node2's own MTU is 9198, or something between"));
}

#[test]
fn silent_cut_at_the_peer_is_ends_differ() {
    for (value, how, confidence, name) in
        [(9000, PeerMtuHow::Mss, Confidence::Likely, "node2"), (1500, PeerMtuHow::Fragments, Confidence::Likely, "node2")]
    {
        let report = broken(|evidence| {
            cut(evidence, 9600, value);
            evidence.paths[0].peer_mtu = Some(PeerMtu { value, how, at_least: false });
        });
        assert_found(&report, &["WARN path-mtu node1->node2", "SKIP path-reverse node1->node2"]);
        assert_eq!(culprit(&report), Some((CulpritKind::Host, confidence, name)));
    }
    // The far end's own evidence makes it certain.
    let report = broken(|evidence| {
        cut(evidence, 9600, 9000);
        evidence.hosts.push(node2(9000));
    });
    assert_found(&report, &["WARN path-mtu node1->node2", "SKIP path-reverse node1->node2"]);
    assert_eq!(culprit(&report), Some((CulpritKind::Host, Confidence::Certain, "node2:eth0")));
    // A reading that is a lower bound explains nothing.
    let report = broken(|evidence| {
        cut(evidence, 9600, 9198);
        evidence.paths[0].peer_mtu = Some(PeerMtu { value: 9000, how: PeerMtuHow::Mss, at_least: true });
    });
    assert_found(&report, &["FAIL path-mtu node1->node2"]);
}

#[test]
fn expected_mtu_beats_ends_differ() {
    let expect = Expect { mtu: Some(9600), ..Expect::default() };
    let report = expecting(&expect, |evidence| {
        cut(evidence, 9600, 9000);
        evidence.paths[0].peer_mtu = Some(PeerMtu { value: 9000, how: PeerMtuHow::Mss, at_least: false });
    });
    assert_found(&report, &["FAIL path-mtu node1->node2", "SKIP path-reverse node1->node2"]);
    assert_eq!(culprit(&report), Some((CulpritKind::Host, Confidence::Likely, "node2")));
}

#[test]
fn silent_cut_fails_although_the_expected_mtu_is_met() {
    let expect = Expect { mtu: Some(9000), ..Expect::default() };
    let report = expecting(&expect, |evidence| cut(evidence, 9600, 9198));
    assert_found(&report, &["FAIL path-mtu node1->node2"]);
}

#[test]
fn silent_cut_that_only_echo_saw() {
    // On the link from 1280 bytes on: FAIL, and no more than possible. Below, or routed: UNKNOWN.
    let only_echo = |mtu: u32, on_link: bool| {
        broken(|evidence| {
            cut(evidence, 9000, mtu);
            let path = &mut evidence.paths[0];
            path.methods = vec![];
            path.on_link = on_link;
            path.limit.direction = Some(Direction::Unknown);
            path.peer_mtu = Some(PeerMtu { value: 9000, how: PeerMtuHow::Mss, at_least: true });
        })
    };
    let report = only_echo(1500, true);
    assert_found(&report, &["FAIL path-mtu node1->node2", "SKIP path-reverse node1->node2"]);
    let finding = report.findings.iter().find(|finding| finding.check == "path-mtu").unwrap();
    assert!(finding.causes.iter().any(|cause| cause == "a firewall that limits ICMP"));
    for (mtu, on_link) in [(1024, true), (1500, false), (1024, false)] {
        let report = only_echo(mtu, on_link);
        assert_found(&report, &["UNKNOWN path-mtu node1->node2", "SKIP path-reverse node1->node2"]);
        assert_eq!(
            culprit(&report).map(|(kind, confidence, _)| (kind, confidence)),
            Some((CulpritKind::Firewall, Confidence::Possible))
        );
    }
}

#[test]
fn silent_cut_that_is_not_proven() {
    let report = broken(|evidence| {
        cut(evidence, 9000, 1500);
        let proof = evidence.paths[0].proof.as_mut().unwrap();
        (proof.passes_sent, proof.passes_replied, proof.vanishes_sent, proof.proven) = (4, 4, 4, false);
        evidence.paths[0].incomplete = Some("the deadline passed".into());
    });
    assert_found(&report, &["UNKNOWN path-mtu node1->node2", "SKIP path-reverse node1->node2"]);
    assert!(report.findings[2].summary.ends_with("the deadline passed"));
}

#[test]
fn large_icmp_is_filtered() {
    let report = broken(|evidence| {
        let path = &mut evidence.paths[0];
        path.method = Some(Method::Udp);
        path.methods = vec![second_method(Method::Icmp, 1024, Some(1025))];
        path.reverse_mtu = Some(1024);
    });
    assert_found(&report, &["SKIP path-reverse node1->node2"]);
    assert_eq!(report.verdict, Outcome::Pass);
    assert!(report.findings[2].notes.iter().any(|note| note == "large ICMP is filtered: echo stops at 1024, UDP passes"));
}

#[test]
fn a_router_says_so() {
    let routed = |expect: Option<u32>| {
        let expect = Expect { mtu: expect, ..Expect::default() };
        expecting(&expect, |evidence| {
            let path = &mut evidence.paths[0];
            path.on_link = false;
            path.path_mtu = Some(1500);
            path.reverse_mtu = Some(1500);
            let router = Some("198.51.100.1".parse().unwrap());
            path.limit = Limit { kind: LimitKind::Router, direction: Some(Direction::Forward), router, reported_mtu: Some(1500) };
        })
    };
    assert_found(&routed(None), &[]);
    assert_found(&routed(Some(1500)), &[]);
    let report = routed(Some(9000));
    assert_found(&report, &["FAIL path-mtu node1->node2"]);
    assert_eq!(culprit(&report), Some((CulpritKind::Router, Confidence::Certain, "198.51.100.1")));
}

#[test]
fn an_overlay_answers_in_the_targets_name() {
    let report = broken(|evidence| {
        let path = &mut evidence.paths[0];
        path.path_mtu = Some(8950);
        path.reverse_mtu = Some(8950);
        path.limit =
            Limit { kind: LimitKind::Router, direction: Some(Direction::Forward), router: path.address, reported_mtu: Some(8950) };
    });
    assert_found(&report, &["WARN path-mtu node1->node2"]);
    assert_eq!(culprit(&report).map(|(kind, ..)| kind), Some(CulpritKind::Overlay));
    assert!(report.diagnoses[0].details[0].starts_with("8950 is 9000 less 50: VXLAN"));
}

#[test]
fn more_is_expected_than_the_interface_sends() {
    let expect = Expect { mtu: Some(9600), ..Expect::default() };
    let report = expecting(&expect, |_| {});
    assert_found(&report, &["FAIL path-mtu node1->node2", "FAIL link-mtu node1:eth0"]);
    assert_eq!(report.diagnoses.len(), 1, "one cause explains both");
    assert_eq!(report.diagnoses[0].explains, [2, 7]);
    assert_eq!(report.paths[0].path.limit.kind, LimitKind::Local, "this host itself is the limit");
    assert_eq!(culprit(&report), Some((CulpritKind::Setting, Confidence::Certain, "MTU of node1:eth0")));
    // A card that cannot do it is named as such.
    let expect = Expect { mtu: Some(16_000), ..Expect::default() };
    let report = expecting(&expect, |_| {});
    assert!(report.diagnoses[0].remedies[0].contains("takes at most 9978"), "{:?}", report.diagnoses[0].remedies);
    assert_eq!(culprit(&report), Some((CulpritKind::Nic, Confidence::Certain, "node1:eth0 (at most 9978, mlx5_core)")));
}

#[test]
fn ipv6_below_its_minimum() {
    let report = broken(|evidence| {
        cut(evidence, 1500, 1200);
        let path = &mut evidence.paths[0];
        path.family = 6;
        path.address = Some("2001:db8::2".parse().unwrap());
        path.peer_mtu = Some(PeerMtu { value: 1200, how: PeerMtuHow::Mss, at_least: false });
    });
    assert_found(&report, &["FAIL path-mtu node1->node2/6", "SKIP path-reverse node1->node2/6"]);
    assert_eq!(report.diagnoses[0].proof[0], "ping -6 -M do -c 5 -s 1152 2001:db8::2   passes;   -s 1153   does not");
}

#[test]
fn undecided_searches() {
    for (kind, word) in [
        (LimitKind::Loss, "too much is lost"),
        (LimitKind::Policed, "even at 20 a second"),
        (LimitKind::Filtered, "only echo answers"),
    ] {
        let report = broken(|evidence| {
            let path = &mut evidence.paths[0];
            path.path_mtu = Some(1500);
            path.reverse_mtu = None;
            path.limit.kind = kind;
            path.slow_sample = Some(LossSample { sent: 40, replied: 40 });
            path.policer = Some(Policer { per_second: 20 });
        });
        assert_found(&report, &["UNKNOWN path-mtu node1->node2", "SKIP path-reverse node1->node2"]);
        assert!(report.findings[2].summary.contains(word), "{}", report.findings[2].summary);
        assert_eq!(report.exit_code, 3);
    }
}

#[test]
fn expectations_are_taken_from_the_nearest() {
    let mut expect = Expect::default();
    let seen = |expect: &Expect| {
        let report = expecting(expect, |evidence| evidence.paths[0].network = Some("migration".into()));
        report.paths[0].expected_mtu
    };
    assert_eq!(seen(&expect), None);
    expect.all.mtu = Some(1);
    assert_eq!(seen(&expect), Some(1));
    let network = Network { expect: pathvet_checks::expect::Settings { mtu: Some(2), ..Default::default() }, ..Network::default() };
    expect.networks.insert("migration".into(), network);
    assert_eq!(seen(&expect), Some(2));
    expect.networks.get_mut("migration").unwrap().mtu = Some(3);
    assert_eq!(seen(&expect), Some(3));
    let mut host = HostExpect::default();
    host.expect.mtu = Some(4);
    expect.hosts.insert("node1".into(), host.clone());
    assert_eq!(seen(&expect), Some(4));
    host.expect.mtu = Some(5);
    expect.hosts.insert("node2".into(), host);
    assert_eq!(seen(&expect), Some(5));
    expect.mtu = Some(6);
    assert_eq!(seen(&expect), Some(6));
}

// --- path-reverse

#[test]
fn the_way_back_is_cut() {
    let back = |peer: Option<PeerMtu>, kind: LimitKind, direction: Option<Direction>| {
        broken(|evidence| {
            let path = &mut evidence.paths[0];
            path.method = Some(Method::Udp);
            path.methods = vec![second_method(Method::Icmp, 1500, Some(1501))];
            path.reverse_mtu = Some(1500);
            path.limit = Limit { kind, direction, router: None, reported_mtu: None };
            path.peer_mtu = peer;
        })
    };
    let mss = |value| Some(PeerMtu { value, how: PeerMtuHow::Mss, at_least: true });
    let report = back(mss(9000), LimitKind::Silent, Some(Direction::Reverse));
    assert_found(&report, &["FAIL path-reverse node1->node2"]);
    assert_eq!(culprit(&report), Some((CulpritKind::Switch, Confidence::Likely, "on the way back from node2 to node1")));
    assert_found(&back(None, LimitKind::Silent, Some(Direction::Reverse)), &["WARN path-reverse node1->node2"]);
    assert_found(&back(None, LimitKind::Silent, Some(Direction::Unknown)), &["WARN path-reverse node1->node2"]);
    let fragments = Some(PeerMtu { value: 1500, how: PeerMtuHow::Fragments, at_least: false });
    let report = back(fragments, LimitKind::None, None);
    assert_found(&report, &["WARN path-reverse node1->node2"]);
    assert_eq!(culprit(&report), Some((CulpritKind::Host, Confidence::Likely, "node2")));
}

// --- path-loss, path-corrupt

#[test]
fn loss() {
    let lost = |sent: u32, replied: u32, ppm: Option<u32>| {
        let mut expect = Expect::default();
        expect.all.loss_ppm = ppm;
        expecting(&expect, |evidence| evidence.paths[0].slow_sample = Some(LossSample { sent, replied }))
    };
    assert_found(&lost(300, 299, None), &[]);
    assert_found(&lost(300, 298, None), &[]);
    assert_found(&lost(300, 297, None), &["WARN path-loss node1->node2"]);
    assert_found(&lost(300, 292, None), &["WARN path-loss node1->node2"]);
    assert_found(&lost(300, 291, None), &["FAIL path-loss node1->node2"]);
    assert_found(&lost(61, 40, None), &["UNKNOWN path-loss node1->node2"]);
    assert_found(&lost(300, 270, Some(150_000)), &[]);
    assert_found(&lost(300, 299, Some(0)), &["FAIL path-loss node1->node2"]);
}

#[test]
fn changed_data() {
    assert_found(&broken(|evidence| evidence.paths[0].corrupted = 2), &["FAIL path-corrupt node1->node2"]);
}

// --- pmtu-cache

#[test]
fn remembered_and_set_path_mtu() {
    let route = |expect: Option<u32>, change: fn(&mut RouteUsed)| {
        let expect = Expect { mtu: expect, ..Expect::default() };
        expecting(&expect, |evidence| change(evidence.paths[0].route.as_mut().unwrap()))
    };
    let report = route(None, |route| (route.cached_mtu, route.cache_expires_s) = (Some(1500), Some(480)));
    assert_found(&report, &["WARN pmtu-cache node1->node2"]);
    assert!(report.findings[6].summary.contains("480 s") && report.findings[6].remedies[0] == "ip route flush cache");
    assert_found(&route(None, |route| route.cached_mtu = Some(9000)), &[]);
    assert_found(&route(None, |route| (route.mtu, route.mtu_locked) = (Some(1500), true)), &["WARN pmtu-cache node1->node2"]);
    assert_found(&route(Some(9000), |route| route.mtu = Some(1500)), &["FAIL pmtu-cache node1->node2"]);
    assert_found(&route(None, |route| route.advmss = Some(1460)), &["WARN pmtu-cache node1->node2"]);
    assert_found(&route(None, |route| route.advmss = Some(8960)), &[]);
}

// --- the gateway that nobody named

#[test]
fn a_gateway_is_never_worse_than_a_note() {
    let gateway = |change: fn(&mut Path)| {
        broken(|evidence| {
            evidence.paths[0].asked = Asked::Gateway;
            change(&mut evidence.paths[0]);
        })
    };
    assert_found(&gateway(|_| {}), &["SKIP path-loss node1->node2"]);
    let report = gateway(silent);
    let mut expected = vec!["SKIP path-reach node1->node2", "SKIP path-route node1->node2"];
    expected.extend(AFTER_REACH);
    assert_found(&report, &expected);
    assert_eq!(report.verdict, Outcome::Pass, "the links were checked");
    assert!(report.diagnoses.is_empty());
    let report = gateway(|path| {
        path.path_mtu = Some(1500);
        path.limit.kind = LimitKind::Silent;
        path.proof = Some(Proof {
            passes: 1500,
            passes_sent: 13,
            passes_replied: 13,
            vanishes: 1501,
            vanishes_sent: 13,
            vanishes_replied: 0,
            proven: true,
        });
        path.sample = LossSample { sent: 300, replied: 100 };
        path.route.as_mut().unwrap().cached_mtu = Some(1400);
    });
    assert_eq!(report.verdict, Outcome::Pass);
    assert!(report.diagnoses.is_empty());
}

// --- the judge

#[test]
fn nothing_was_checked() {
    let report = broken(|evidence| {
        evidence.hosts.clear();
        evidence.paths.clear();
    });
    assert_found(&report, &["UNKNOWN run run"]);
    assert_eq!((report.verdict, report.exit_code, report.counts.unknown), (Outcome::Unknown, 3, 1));
}

#[test]
fn only_and_skip() {
    let ids = |report: &Report| report.findings.iter().map(|finding| finding.check.to_string()).collect::<Vec<_>>();
    let only = Expect { only: vec!["link-mtu".into(), "path-mtu".into()], ..Expect::default() };
    assert_eq!(ids(&expecting(&only, |_| {})), ["path-mtu", "link-mtu"]);
    let skip = Expect { skip: vec!["link-mtu".into()], ..Expect::default() };
    assert!(!ids(&expecting(&skip, |_| {})).contains(&"link-mtu".to_owned()));
    // What points to a check that was left out says it itself.
    let only = Expect { only: vec!["path-mtu".into()], ..Expect::default() };
    let report = expecting(&only, |evidence| {
        silent(&mut evidence.paths[0]);
        evidence.paths[0].limit.kind = LimitKind::Filtered;
    });
    assert_found(&report, &["UNKNOWN path-mtu node1->node2"]);
    assert!(report.findings[0].summary.contains("is up"));
}

#[test]
fn severity_lowers_a_failure_and_nothing_else() {
    let mut expect = Expect::default();
    expect.severity.insert("path-mtu".into(), Outcome::Warn);
    let report = expecting(&expect, |evidence| cut(evidence, 9600, 9198));
    assert_found(&report, &["WARN path-mtu node1->node2"]);
    expect.severity.insert("path-loss".into(), Outcome::Warn);
    assert_found(&expecting(&expect, |_| {}), &[]);
}

fn waiver(check: &str, subject: &str, until: &str) -> Expect {
    let waiver = Waiver {
        check: check.into(),
        subject: subject.into(),
        owner: "ops".into(),
        reason: "old switch".into(),
        until: until.parse().unwrap(),
    };
    Expect { waivers: vec![waiver], ..Expect::default() }
}

#[test]
fn waivers() {
    let cut_path = |evidence: &mut Evidence| cut(evidence, 9600, 9198);
    let report = expecting(&waiver("path-mtu", "node1->*", "2026-11-20"), cut_path);
    assert_found(&report, &["FAIL path-mtu node1->node2"]);
    assert_eq!((report.verdict, report.counts.waived, report.counts.fail), (Outcome::Pass, 1, 0));
    assert_eq!(report.findings[2].waived.as_ref().unwrap().owner, "ops");
    assert!(report.diagnoses.is_empty(), "what somebody accepted needs no remedy: {:?}", report.diagnoses);
    // It held until yesterday.
    let report = expecting(&waiver("path-mtu", "node1->*", "2026-11-19"), cut_path);
    assert_found(&report, &["FAIL path-mtu node1->node2", "WARN run waiver path-mtu node1->*"]);
    assert_eq!((report.verdict, report.counts.waived), (Outcome::Fail, 0));
    // It covers nothing.
    let report = expecting(&waiver("path-mtu", "node7->*", "2026-11-20"), cut_path);
    assert_found(&report, &["FAIL path-mtu node1->node2", "SKIP run waiver path-mtu node7->*"]);
}

#[test]
fn many_targets_behind_one_cut_have_one_cause() {
    let report = broken(|evidence| {
        cut(evidence, 9600, 9198);
        evidence.paths[0].peer_mtu = Some(PeerMtu { value: 9600, how: PeerMtuHow::Mss, at_least: true });
        for number in 3..=40 {
            let mut path = evidence.paths[0].clone();
            path.to = format!("node{number}");
            path.address = Some(format!("192.0.2.{number}").parse().unwrap());
            evidence.paths.push(path);
        }
    });
    assert_eq!(report.counts.fail, 39);
    assert_eq!(report.diagnoses.len(), 1);
    assert_eq!(report.diagnoses[0].explains.len(), 39);
}

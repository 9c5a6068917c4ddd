//! From one healthy evidence: each test breaks one thing of an interface and asserts exactly what is found.

#![expect(clippy::unwrap_used, reason = "a test may stop where its own evidence is not as it thinks")]

mod common;

use common::*;
use pathvet_checks::evidence::*;
use pathvet_checks::expect::Expect;
use pathvet_checks::report::{Confidence, CulpritKind, Outcome};

// --- links

/// Puts br0 with the address over eth0, and a second port beside it.
fn bridge(evidence: &mut Evidence, mtu: u32, port: Link) {
    let links = evidence.hosts[0].links.as_mut().unwrap();
    let addresses = std::mem::take(&mut links[1].addresses);
    links[1].master = Some("br0".into());
    links.push(Link { addresses, ..virtual_link("br0", 3, mtu, "bridge") });
    links.push(Link { master: Some("br0".into()), ..port });
    let path = &mut evidence.paths[0];
    path.interface = Some("br0".into());
    path.interface_mtu = Some(mtu);
    path.path_mtu = Some(mtu);
    path.reverse_mtu = Some(mtu);
    path.route.as_mut().unwrap().dev = Some("br0".into());
}

#[test]
fn a_tap_lowers_the_bridge() {
    let report = broken(|evidence| bridge(evidence, 1500, virtual_link("tap0", 4, 1500, "tun")));
    assert_found(&report, &["FAIL link-mtu node1:br0"]);
    assert_eq!(culprit(&report), Some((CulpritKind::Setting, Confidence::Certain, "MTU of node1:tap0")));
    // A port of another MTU that does not lower the bridge is nobody's business, nor is one that meets what is expected.
    assert_found(&broken(|evidence| bridge(evidence, 9000, virtual_link("tap0", 4, 1500, "tun"))), &[]);
    let expect = Expect { mtu: Some(1500), ..Expect::default() };
    assert_found(&expecting(&expect, |evidence| bridge(evidence, 1500, virtual_link("tap0", 4, 1500, "tun"))), &[]);
    // In a namespace the uplink is a veth, and so is a container's port.
    let report = broken(|evidence| {
        bridge(evidence, 1500, virtual_link("vnet0", 4, 1500, "veth"));
        evidence.hosts[0].links.as_mut().unwrap()[1].linkinfo = virtual_link("", 0, 0, "veth").linkinfo;
    });
    assert_found(&report, &["FAIL link-mtu node1:br0"]);
}

#[test]
fn the_card_under_a_vlan_is_narrower() {
    let report = broken(|evidence| {
        cut(evidence, 9000, 1500);
        let links = evidence.hosts[0].links.as_mut().unwrap();
        links[1].mtu = 1500;
        let addresses = std::mem::take(&mut links[1].addresses);
        links.push(Link { addresses, link: Some("eth0".into()), ..virtual_link("eth0.7", 3, 9000, "vlan") });
        let path = &mut evidence.paths[0];
        path.interface = Some("eth0.7".into());
        path.route.as_mut().unwrap().dev = Some("eth0.7".into());
    });
    assert_found(&report, &["FAIL path-mtu node1->node2", "FAIL link-mtu node1:eth0.7"]);
    assert_eq!(report.diagnoses.len(), 1, "one cause explains both");
    assert_eq!(culprit(&report), Some((CulpritKind::Setting, Confidence::Certain, "MTU of node1:eth0")));
}

/// Puts a tunnel with the address over eth0.
fn tunnel(evidence: &mut Evidence, kind: &str, mtu: u32, remote: &str) {
    let links = evidence.hosts[0].links.as_mut().unwrap();
    let addresses = std::mem::take(&mut links[1].addresses);
    let mut link = Link { addresses, ..virtual_link("tun0", 3, mtu, kind) };
    let data = &mut link.linkinfo.as_mut().unwrap().info_data;
    data.insert("remote".into(), remote.into());
    links.push(link);
    let path = &mut evidence.paths[0];
    path.interface = Some("tun0".into());
    (path.interface_mtu, path.path_mtu, path.reverse_mtu) = (Some(mtu), Some(mtu), Some(mtu));
    path.route.as_mut().unwrap().dev = Some("tun0".into());
}

#[test]
fn a_tunnel_does_not_fit_its_underlay() {
    for (kind, remote, fits) in [
        ("vxlan", "203.0.113.9", 8950),
        ("vxlan", "2001:db8::9", 8930),
        ("gre", "203.0.113.9", 8976),
        ("gretap", "203.0.113.9", 8962),
        ("ipip", "203.0.113.9", 8980),
    ] {
        // The underlay is found by the route to the tunnel's far end.
        let with_route = |evidence: &mut Evidence| {
            let mut six = evidence.hosts[0].routes.as_ref().unwrap()[0].clone();
            six.family = 6;
            evidence.hosts[0].routes.as_mut().unwrap().push(six);
        };
        let fitting = broken(|evidence| {
            with_route(evidence);
            tunnel(evidence, kind, fits, remote);
        });
        assert_found(&fitting, &[]);
        let report = broken(|evidence| {
            with_route(evidence);
            tunnel(evidence, kind, fits + 1, remote);
        });
        assert_found(&report, &["WARN link-mtu node1:tun0"]);
    }
}

/// Puts bond0 with the address over eth0 and eth1.
fn bond(evidence: &mut Evidence, mode: &str, change: impl FnOnce(&mut Vec<Link>)) {
    let links = evidence.hosts[0].links.as_mut().unwrap();
    let addresses = std::mem::take(&mut links[1].addresses);
    links[1].master = Some("bond0".into());
    links.push(Link { master: Some("bond0".into()), ..card("eth1", 3, 9000) });
    let mut bond = Link { addresses, ..virtual_link("bond0", 4, 9000, "bond") };
    bond.linkinfo.as_mut().unwrap().info_data.insert("mode".into(), mode.into());
    links.push(bond);
    for member in &mut links[1..3] {
        let info = member.linkinfo.get_or_insert_default();
        info.info_slave_kind = Some("bond".into());
        info.info_slave_data.insert("ad_aggregator_id".into(), 1.into());
        info.info_slave_data.insert("mii_status".into(), "UP".into());
    }
    change(links);
    let path = &mut evidence.paths[0];
    path.interface = Some("bond0".into());
    path.route.as_mut().unwrap().dev = Some("bond0".into());
}

#[test]
fn bonds() {
    let data = |link: &mut Link, key: &str, value: serde_json::Value| {
        link.linkinfo.as_mut().unwrap().info_data.insert(key.into(), value);
    };
    let warn = ["WARN link-state node1:bond0"];
    assert_found(&broken(|evidence| bond(evidence, "802.3ad", |_| {})), &[]);
    assert_found(&broken(|evidence| bond(evidence, "802.3ad", |links| links[2].carrier = Some(false))), &warn);
    assert_found(&broken(|evidence| bond(evidence, "802.3ad", |links| links[2].speed_mbps = Some(10_000))), &warn);
    assert_found(
        &broken(|evidence| {
            bond(evidence, "802.3ad", |links| {
                links[2].linkinfo.as_mut().unwrap().info_slave_data.insert("ad_aggregator_id".into(), 2.into());
            });
        }),
        &warn,
    );
    assert_found(
        &broken(|evidence| {
            bond(evidence, "802.3ad", |links| {
                data(&mut links[3], "ad_info", serde_json::json!({"partner_mac": "00:00:00:00:00:00"}));
            });
        }),
        &warn,
    );
    assert_found(
        &broken(|evidence| {
            bond(evidence, "active-backup", |links| {
                data(&mut links[3], "primary", "eth0".into());
                data(&mut links[3], "active_slave", "eth1".into());
            });
        }),
        &warn,
    );
    let report = broken(|evidence| {
        bond(evidence, "802.3ad", |links| {
            for link in &mut links[1..3] {
                link.carrier = Some(false);
            }
        });
    });
    assert_found(&report, &["FAIL link-state node1:bond0"]);
    assert_found(
        &broken(|evidence| bond(evidence, "802.3ad", |links| links[2].pause = Some(Pause { rx: true, tx: false, autoneg: false }))),
        &["WARN link-pause node1:bond0"],
    );
}

#[test]
fn counters() {
    let rising = |name: &'static str, cut_at: Option<u32>| {
        broken(move |evidence| {
            if let Some(mtu) = cut_at {
                cut(evidence, 9600, mtu);
                evidence.paths[0].peer_mtu = Some(PeerMtu { value: 9600, how: PeerMtuHow::Mss, at_least: true });
            }
            let counters = evidence.hosts[0].links.as_mut().unwrap()[1].counters.as_mut().unwrap();
            *counters.last.as_mut().unwrap().entry(name.into()).or_default() += 12;
        })
    };
    assert_found(&rising("rx_crc_errors", None), &["WARN link-errors node1:eth0"]);
    assert_found(&rising("tx_dropped", None), &["WARN link-errors node1:eth0"]);
    // What good jumbo frames and unknown protocols may count as is a note, unless large packets vanish.
    assert_found(&rising("rx_length_errors", None), &[]);
    assert_found(&rising("rx_dropped", None), &[]);
    let report = rising("rx_length_errors", Some(9198));
    assert_found(&report, &["FAIL path-mtu node1->node2", "WARN link-errors node1:eth0"]);
    assert!(report.diagnoses[0].details.iter().any(|line| line.contains("this end's receive side")));
    // Old totals prove nothing.
    let report = broken(|evidence| evidence.hosts[0].links.as_mut().unwrap()[1].counters.as_mut().unwrap().last = None);
    assert_found(&report, &["SKIP link-errors node1:eth0"]);
    assert_eq!(report.verdict, Outcome::Pass);
}

#[test]
fn facts_that_were_not_collected_are_skipped_unless_asked_for() {
    let without_links = |evidence: &mut Evidence| {
        evidence.hosts[0].links = None;
        evidence.hosts[0].gaps.push(Gap {
            what: "links".into(),
            place: "netlink".into(),
            reason: GapReason::NotPermitted,
            detail: "permission denied".into(),
            right: Some("CAP_NET_ADMIN".into()),
        });
    };
    let report = broken(without_links);
    let skipped = ["link-mtu", "link-state", "link-errors", "link-pause"].map(|check| format!("SKIP {check} node1:eth0"));
    assert_eq!(not_passed(&report), skipped);
    assert_eq!(report.exit_code, 0);
    assert!(report.findings.last().unwrap().summary.ends_with("needs CAP_NET_ADMIN"));
    let only = Expect { only: vec!["link-state".into()], ..Expect::default() };
    assert_found(&expecting(&only, without_links), &["UNKNOWN link-state node1:eth0"]);
}

#[test]
fn the_far_ends_own_interfaces_are_judged_too() {
    let report = broken(|evidence| {
        let mut node2 = node2(9000);
        node2.links.as_mut().unwrap()[0].counters = None;
        evidence.hosts.push(node2);
    });
    assert_found(&report, &["SKIP link-errors node2:eth0"]);
    assert!(report.findings.iter().any(|finding| finding.check == "link-mtu" && &*finding.subject == "node2:eth0"));
}

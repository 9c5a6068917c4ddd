//! From one healthy fabric on which every check passes: each test breaks one thing and asserts exactly what is found.

#![expect(clippy::unwrap_used, reason = "a test may stop where its own evidence is not as it thinks")]

mod common;

use common::{assert_found, culprit, infiniband, judged, not_passed};
use pathvet_checks::evidence::*;
use pathvet_checks::expect::{Expect, HostExpect, IpoibExpect, IpoibMode, Network, SmExpect};
use pathvet_checks::report::{Confidence, CulpritKind, Outcome, Report};

fn broken(change: impl FnOnce(&mut Evidence)) -> Report {
    expecting(&Expect::default(), change)
}

fn expecting(expect: &Expect, change: impl FnOnce(&mut Evidence)) -> Report {
    let mut evidence = infiniband();
    change(&mut evidence);
    let mut report = judged(&evidence, expect);
    // What cards of Ethernet tell and these do not is another test's matter.
    report.findings.retain(|finding| finding.check.starts_with("ib-") || finding.check.starts_with("ipoib-"));
    report
}

fn table(evidence: &mut Evidence, host: usize) -> &mut Infiniband {
    evidence.hosts[host].infiniband.as_mut().unwrap()
}

fn port(evidence: &mut Evidence, host: usize) -> &mut IbPort {
    &mut table(evidence, host).ports[0]
}

fn link(evidence: &mut Evidence, host: usize) -> &mut Link {
    &mut evidence.hosts[host].links.as_mut().unwrap()[0]
}

fn managers(evidence: &mut Evidence, change: &dyn Fn(&mut Vec<SubnetManager>)) {
    for host in 0..2 {
        change(table(evidence, host).subnet_managers.as_mut().unwrap());
    }
}

fn datagram(evidence: &mut Evidence, host: usize, mtu: u32) {
    let link = link(evidence, host);
    link.mtu = mtu;
    link.ipoib.as_mut().unwrap().mode = Some("datagram".into());
}

#[test]
fn a_healthy_fabric_passes_everywhere() {
    let report = broken(|_| {});
    assert_found(&report, &[]);
    assert_eq!(judged(&infiniband(), &Expect::default()).verdict, Outcome::Pass);
    let mut checks: Vec<&str> = report.findings.iter().map(|finding| &*finding.check).collect();
    checks.dedup();
    assert_eq!(checks, ["ib-port", "ipoib-mode", "ipoib-mtu", "ib-partition", "ib-sm", "ib-modules", "ib-firmware"]);
}

#[test]
fn a_host_without_infiniband_has_one_line() {
    let ethernet = |evidence: &mut Evidence| {
        evidence.hosts.truncate(1);
        evidence.paths.clear();
        evidence.hosts[0].links.as_mut().unwrap().clear();
        *table(evidence, 0) = Infiniband::default();
    };
    assert_found(&broken(ethernet), &["SKIP ib-port node1"]);
    // The table was not collected at all, as in evidence of an older version: nothing.
    let report = broken(|evidence| {
        ethernet(evidence);
        evidence.hosts[0].infiniband = None;
    });
    assert_eq!(report.findings.len(), 0);
}

#[test]
fn no_manager_has_ever_come() {
    let report = broken(|evidence| {
        for host in 0..2 {
            let port = port(evidence, host);
            port.state = Some("Initializing".into());
            port.state_again = Some("Initializing".into());
            (port.lid, port.sm_lid) = (Some(0), Some(0));
            table(evidence, host).subnet_managers = None;
            let link = link(evidence, host);
            (link.carrier, link.mtu) = (Some(false), 4092);
        }
    });
    let found = not_passed(&report);
    for expected in [
        "FAIL ib-port node1:mlx4_0/1",
        "FAIL ib-port node2:mlx4_0/1",
        "FAIL ib-sm node1:mlx4_0/1",
        "UNKNOWN ipoib-mtu node1:ib0",
        "UNKNOWN ipoib-mtu node2:ib0",
        "UNKNOWN ib-partition node1:mlx4_0/1",
    ] {
        assert!(found.iter().any(|line| line == expected), "{expected} is not in {found:?}");
    }
    let of_manager = report.diagnoses.iter().filter(|diagnosis| diagnosis.culprit.kind == CulpritKind::SubnetManager);
    assert_eq!(of_manager.count(), 1, "however many ports wait, it is one cause: {:?}", report.diagnoses);
}

#[test]
fn a_port_beside_one_in_use_may_have_no_cable() {
    let second = |evidence: &mut Evidence| {
        let mut idle = port(evidence, 0).clone();
        idle.port = 2;
        idle.state = Some("Down".into());
        idle.phys_state = Some("Polling".into());
        idle.port_guid = Some("0x0002c90300a10002".into());
        table(evidence, 0).ports.push(idle);
    };
    assert_found(&broken(second), &["SKIP ib-port node1:mlx4_0/2", "SKIP ib-partition node1:mlx4_0/2"]);
    let report = broken(|evidence| {
        second(evidence);
        let port = port(evidence, 0);
        (port.state, port.phys_state) = (Some("Down".into()), Some("Polling".into()));
    });
    assert!(not_passed(&report).contains(&"FAIL ib-port node1:mlx4_0/1".to_owned()), "the path goes over this one");
}

#[test]
fn what_both_ends_support_is_expected_and_no_more() {
    assert_found(&broken(|evidence| port(evidence, 0).width = Some(1)), &["WARN ib-port node1:mlx4_0/1"]);
    assert_found(&broken(|evidence| port(evidence, 0).speed = Some("DDR".into())), &["WARN ib-port node1:mlx4_0/1"]);
    for peer in [Some(1), None] {
        let report = broken(|evidence| {
            port(evidence, 0).width = Some(1);
            port(evidence, 0).peer_width_supported = peer;
        });
        assert_found(&report, &[]);
    }
    let rising = |name: &str| {
        broken(|evidence| {
            let counters = port(evidence, 0).counters.as_mut().unwrap();
            counters.first.insert(name.into(), 1);
            counters.last.as_mut().unwrap().insert(name.into(), 2);
        })
    };
    assert_found(&rising("symbol_error"), &["WARN ib-port node1:mlx4_0/1"]);
    assert_found(&rising("port_xmit_wait"), &[]);
    assert_found(&rising("port_rcv_switch_relay_errors"), &[]);
}

/// Adds node3, which is as node1.
fn third(evidence: &mut Evidence) {
    let mut host = evidence.hosts[0].clone();
    (host.name, host.id) = ("node3".into(), Some("7d13".into()));
    host.links.as_mut().unwrap()[0].addresses[0].local = "192.0.2.3".parse().unwrap();
    let table = host.infiniband.as_mut().unwrap();
    table.ports[0].port_guid = Some("0x0002c90300a30001".into());
    (table.ports[0].lid, table.sm_config) = (Some(5), None);
    evidence.hosts.push(host);
}

#[test]
fn one_end_is_in_the_other_mode() {
    assert_found(&broken(|evidence| datagram(evidence, 1, 4092)), &["WARN ipoib-mode node1:ib0", "WARN ipoib-mode node2:ib0"]);
    // A third host decides who deviates, and so does the plan.
    let report = broken(|evidence| {
        datagram(evidence, 1, 4092);
        third(evidence);
    });
    assert_found(&report, &["WARN ipoib-mode node2:ib0"]);
    let mut expect = Expect::default();
    expect.all.ipoib.mode = Some(IpoibMode::Connected);
    let report = expecting(&expect, |evidence| {
        datagram(evidence, 1, 4092);
        third(evidence);
    });
    assert_found(&report, &["FAIL ipoib-mode node2:ib0"]);
}

#[test]
fn expectations_are_taken_key_by_key_from_the_nearest() {
    let mut expect = Expect::default();
    expect.all.ipoib = IpoibExpect { mode: Some(IpoibMode::Datagram), mtu: Some(2044) };
    let subnet = Some(("192.0.2.0".parse().unwrap(), 24));
    let mut network = Network { subnet, ..Network::default() };
    network.expect.ipoib.mode = Some(IpoibMode::Connected);
    expect.networks.insert("storage".into(), network);
    let mut host = HostExpect::default();
    host.expect.ipoib.mtu = Some(65520);
    expect.hosts.insert("node1".into(), host);
    assert_found(&expecting(&expect, |_| {}), &["FAIL ipoib-mtu node2:ib0"]);
}

#[test]
fn datagram_sizes() {
    let at = |mtu: u32, active: u16| {
        broken(|evidence| {
            for host in 0..2 {
                datagram(evidence, host, mtu);
                port(evidence, host).active_mtu = Some(active);
                table(evidence, host).sm_config = None;
            }
        })
    };
    assert_found(&at(2044, 2048), &[]);
    assert_found(&at(2044, 4096), &[]);
    assert_found(&at(4092, 4096), &[]);
    assert_found(&at(4092, 2048), &["FAIL ipoib-mtu node1:ib0", "FAIL ipoib-mtu node2:ib0"]);
}

#[test]
fn partitions_ask_for_more_than_an_old_switch_carries() {
    let report = broken(|evidence| {
        for host in 0..2 {
            datagram(evidence, host, 2044);
            port(evidence, host).active_mtu = Some(2048);
        }
    });
    let expected = [
        "WARN ipoib-mtu node1:ib0",
        "WARN ipoib-mtu node2:ib0",
        "FAIL ib-partition node1:mlx4_0/1",
        "FAIL ib-partition node2:mlx4_0/1",
    ];
    assert_found(&report, &expected);
    assert_eq!(report.diagnoses.len(), 1, "one line of one file: {:?}", report.diagnoses);
    let remedy = &report.diagnoses[0].remedies[0];
    assert!(remedy.contains("Default=0x7fff,ipoib,mtu=4:ALL=full;"), "{remedy}");
    assert!(remedy.contains("2044 for every IPoIB interface"), "{remedy}");
}

#[test]
fn partitions() {
    let keys = |keys: Option<Vec<u16>>| broken(|evidence| port(evidence, 0).pkeys = keys);
    assert_found(&keys(Some(vec![0x8001])), &["FAIL ib-partition node1:mlx4_0/1"]);
    assert_found(&keys(Some(vec![0x7fff])), &["WARN ib-partition node1:mlx4_0/1"]);
    assert_found(&keys(Some(vec![0x7fff, 0xffff])), &[]);
    assert_found(&keys(None), &["UNKNOWN ib-partition node1:mlx4_0/1"]);
    let report = broken(|evidence| {
        for host in 0..2 {
            port(evidence, host).pkeys = Some(vec![0x7fff]);
        }
    });
    assert_found(&report, &["FAIL ib-partition node1:mlx4_0/1", "FAIL ib-partition node2:mlx4_0/1"]);
    assert_eq!(report.diagnoses.len(), 1);
}

#[test]
fn subnet_managers() {
    let one = |change: &dyn Fn(&mut Vec<SubnetManager>)| broken(|evidence| managers(evidence, change));
    let (warn, fail) = (["WARN ib-sm node1:mlx4_0/1"], ["FAIL ib-sm node1:mlx4_0/1"]);
    assert_found(&one(&|all| all[1].priority = Some(10)), &warn);
    assert_found(&one(&|all| all[1].priority = Some(11)), &warn);
    assert_found(&one(&|all| all.truncate(1)), &warn);
    assert_found(&one(&|all| all[1].state = Some("MASTER".into())), &fail);
    assert_found(&one(&|all| all[0].state = Some("STANDBY".into())), &fail);
    assert_found(&one(&|all| all[0].answers = Some(false)), &fail);
    assert_found(&one(&|all| all[0].counting = Some(false)), &warn);
    // A manager that is switched off has no say.
    let off = one(&|all| {
        let guid = "0x0002c90300000001".into();
        all.push(SubnetManager { guid, priority: Some(15), state: Some("NOTACTIVE".into()), ..all[1].clone() });
    });
    assert_found(&off, &[]);
    // Under a vetted path the managers are asked for, and without a right nobody can say.
    let untold = broken(|evidence| {
        for host in 0..2 {
            table(evidence, host).subnet_managers = None;
        }
    });
    assert_found(&untold, &["UNKNOWN ib-sm node1:mlx4_0/1"]);
}

#[test]
fn equal_priorities_name_the_lower_guid() {
    let report = broken(|evidence| {
        managers(evidence, &|all| {
            for manager in all {
                manager.priority = Some(0);
            }
        });
    });
    assert_found(&report, &["WARN ib-sm node1:mlx4_0/1"]);
    let summary = &report.findings.iter().find(|finding| finding.check == "ib-sm").unwrap().summary;
    assert!(summary.contains("0x0002c90300a10001 (node1) wins"), "{summary}");
}

#[test]
fn roles_and_the_plan_decide_what_no_standby_means() {
    let alone = |evidence: &mut Evidence| managers(evidence, &|all| all.truncate(1));
    let role = |role: &str| {
        let mut expect = Expect::default();
        let network = Network { interface: Some("ib0".into()), role: Some(role.into()), ..Network::default() };
        expect.networks.insert("n".into(), network);
        expect
    };
    assert_found(&expecting(&role("storage"), alone), &["FAIL ib-sm node1:mlx4_0/1"]);
    assert_found(&expecting(&role("migration"), alone), &["WARN ib-sm node1:mlx4_0/1"]);
    let mut expect = role("storage");
    expect.all.sm = SmExpect { master: None, standby: Some(0) };
    assert_found(&expecting(&expect, alone), &[]);
    expect.all.sm = SmExpect { master: Some("0x0002c90300a20001".into()), standby: Some(1) };
    assert_found(&expecting(&expect, |_| {}), &["FAIL ib-sm node1:mlx4_0/1"]);
    assert_found(&expecting(&expect, alone), &["FAIL ib-sm node1:mlx4_0/1", "FAIL ib-sm node1:mlx4_0/1"]);
}

#[test]
fn who_takes_another_for_the_master() {
    assert_found(&broken(|evidence| port(evidence, 1).sm_lid = Some(4)), &["FAIL ib-sm node2:mlx4_0/1"]);
    // A port of several LIDs is one port.
    let report = broken(|evidence| {
        port(evidence, 1).sm_lid = Some(2);
        for host in 0..2 {
            port(evidence, host).lmc = Some(1);
        }
    });
    assert_found(&report, &[]);
    // Another master on the other host: the path between them proves that it is one fabric.
    let report = broken(|evidence| {
        let all = table(evidence, 1).subnet_managers.as_mut().unwrap();
        all[0].state = Some("STANDBY".into());
        all[1].state = Some("MASTER".into());
        port(evidence, 1).sm_lid = Some(4);
    });
    assert_found(&report, &["FAIL ib-sm node1:mlx4_0/1"]);
}

#[test]
fn firmware_of_equal_boards() {
    let other = broken(|evidence| port(evidence, 1).firmware = Some("2.10.700".into()));
    assert_found(&other, &["WARN ib-firmware node1:mlx4_0", "WARN ib-firmware node2:mlx4_0"]);
    let other = broken(|evidence| port(evidence, 1).board_id = Some("MT_2140110033".into()));
    assert_found(&other, &["SKIP ib-firmware node1:mlx4_0", "SKIP ib-firmware node2:mlx4_0"]);
}

fn cut(evidence: &mut Evidence, sends: u32, mtu: u32) {
    link(evidence, 0).mtu = sends;
    let path = &mut evidence.paths[0];
    (path.interface_mtu, path.path_mtu, path.reverse_mtu) = (Some(sends), Some(mtu), Some(mtu));
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
    path.methods = vec![common::second_method(Method::Udp, mtu, Some(mtu + 1))];
}

#[test]
fn a_cut_on_ipoib_names_its_cause() {
    let report = broken(|evidence| {
        cut(evidence, 65520, 4092);
        datagram(evidence, 1, 4092);
    });
    assert_eq!(culprit(&report), Some((CulpritKind::Setting, Confidence::Certain, "IPoIB mode of node2:ib0")));
    assert_eq!(report.diagnoses.len(), 1, "path and modes have one cause: {:?}", report.diagnoses);
    let remedy = &report.diagnoses[0].remedies[0];
    assert!(remedy.starts_with("echo connected > /sys/class/net/ib0/mode; ip link set dev ib0 mtu 65520   on node2"), "{remedy}");
    // The group of the file is what arrives.
    let report = broken(|evidence| {
        for host in 0..2 {
            datagram(evidence, host, 4092);
            table(evidence, host).sm_config.as_mut().unwrap()[0].partitions.as_mut().unwrap()[0].mtu = 2048;
        }
        cut(evidence, 4092, 2044);
    });
    let (kind, sure, name) = culprit(&report).unwrap();
    assert_eq!((kind, sure), (CulpritKind::Setting, Confidence::Certain));
    assert!(name.starts_with("the group of partition Default (node1:partitions.conf:1)"), "{name}");
    // The far end is not known: the size tells.
    let report = broken(|evidence| {
        cut(evidence, 65520, 2044);
        evidence.hosts.truncate(1);
    });
    assert_eq!(culprit(&report), Some((CulpritKind::Host, Confidence::Likely, "node2")));
}

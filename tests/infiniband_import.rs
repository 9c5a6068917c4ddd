//! `pathvet import ib`, through the real binary.

use assert_cmd::Command;
use pathvet_checks::evidence::{Evidence, Host, Link};
use predicates::prelude::*;
use predicates::str::contains;
use std::path::Path;

fn pathvet(args: &[&str]) -> Command {
    let mut command = Command::cargo_bin("pathvet").expect("the binary is built with the tests");
    command.arg("import").args(args).current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/imports"));
    command
}

fn imported(args: &[&str]) -> Vec<Host> {
    let output = pathvet(args).assert().code(0).stderr("").get_output().clone();
    let evidence: Evidence = serde_json::from_slice(&output.stdout).expect("evidence");
    evidence.hosts
}

fn one(args: &[&str]) -> Host {
    let mut hosts = imported(args);
    assert_eq!(hosts.len(), 1);
    hosts.pop().expect("a host")
}

fn link<'a>(host: &'a Host, name: &str) -> &'a Link {
    host.link(name).expect("the interface")
}

#[test]
fn the_tools_on_a_simulated_fabric() {
    let host = one(&["ib", "ibsim.txt"]);
    assert_eq!((host.name.as_str(), host.origin.as_str()), ("ibsim", "import:ib"));
    let table = host.infiniband.expect("InfiniBand");
    let port = &table.ports[0];
    assert_eq!((port.device.as_str(), port.port, port.source.as_str()), ("ibsim0", 1, "import:ib"));
    assert_eq!((port.state.as_deref(), port.lid, port.sm_lid, port.cap_mask), (Some("Active"), Some(3), Some(1), Some(0x50_c048)));
    assert_eq!((port.link_layer.as_deref(), port.rate.as_deref()), (Some("InfiniBand"), Some("10 Gb/sec")));
    let managers = table.subnet_managers.expect("managers");
    let found: Vec<_> = managers
        .iter()
        .map(|manager| (manager.guid.as_str(), manager.lid, manager.priority, manager.state.as_deref(), manager.node.as_deref()))
        .collect();
    assert_eq!(
        found,
        [
            ("0x0002c90300cc0001", Some(4), Some(10), Some("MASTER"), Some("HCA-C")),
            ("0x0002c90300aa0001", Some(1), Some(5), Some("STANDBY"), Some("HCA-A")),
        ]
    );
    assert_eq!((managers[0].counting, managers[1].counting), (Some(true), None), "123 in one text and 122 in the other");
    assert_eq!(host.gaps, [], "every LID of saquery -s is one of SMIR's");
}

#[test]
fn what_was_pasted_years_ago() {
    let host = one(&["ib", "debian7.txt", "--host", "pve1"]);
    assert_eq!(host.name, "pve1");
    let table = host.infiniband.as_ref().expect("InfiniBand");
    let [port] = table.ports.as_slice() else { panic!("ibstat and ibstatus speak of one port") };
    assert_eq!((port.state.as_deref(), port.phys_state.as_deref(), port.lid), (Some("Initializing"), Some("LinkUp"), Some(0)));
    assert_eq!((port.hca_type.as_deref(), port.firmware.as_deref()), (Some("MT26428"), Some("2.6.200")));
    assert_eq!(
        (port.rate.as_deref(), port.data_rate_mbps, port.speed.as_deref()),
        (Some("40 Gb/sec (4X QDR)"), Some(32_000), Some("QDR"))
    );
    assert_eq!(
        (port.port_guid.as_deref(), port.subnet_prefix.as_deref()),
        (Some("0x0002c90300048b5d"), Some("0xfe80000000000000"))
    );
    let managers = table.subnet_managers.as_deref().expect("sminfo");
    assert_eq!(
        (managers[0].priority, managers[0].act_count, managers[0].node.as_deref()),
        (Some(14), Some(1824), Some("pve2 HCA-1"))
    );
    let ib0 = link(&host, "ib0");
    assert_eq!((ib0.mtu, ib0.carrier, ib0.addresses.len()), (2044, Some(true), 2));
}

#[test]
fn ifconfig_in_any_language() {
    for (file, mtu, address, prefix) in [
        ("german.txt", 65_520, "10.10.10.2", 24),
        ("japanese.txt", 2044, "10.10.10.3", 23),
        ("debian7.txt", 2044, "10.10.10.1", 24),
    ] {
        let host = one(&["ib", file]);
        let ib0 = link(&host, "ib0");
        assert_eq!(ib0.mtu, mtu, "{file}");
        let found: Vec<_> = ib0.addresses.iter().map(|address| (address.local.to_string(), address.prefixlen)).collect();
        assert_eq!(found[0], (address.to_string(), prefix), "{file}");
        assert!(found[1].0.starts_with("fe80::202:c903:") && found[1].1 == 64, "{file}: {found:?}");
        assert_eq!(ib0.address, None, "{file}: ifconfig shows a part of it");
        assert!(ib0.is_up() && ib0.carrier == Some(true), "{file}");
    }
}

#[test]
fn interfaces_of_ip_and_new_ifconfig() {
    let host = one(&["ib", "ip-link.txt"]);
    let names: Vec<_> = host.links.iter().flatten().map(|link| link.ifname.as_str()).collect();
    assert_eq!(names, ["lo", "ib0", "ib0.8001", "ib1"]);
    let ib0 = link(&host, "ib0");
    let settings = ib0.ipoib.as_deref().expect("IPoIB");
    assert_eq!((ib0.mtu, ib0.kind(), ib0.operstate.as_deref()), (65_520, "ipoib", Some("up")));
    assert_eq!((settings.mode.as_deref(), settings.pkey, settings.umcast), (Some("connected"), Some(0xffff), Some(false)));
    assert_eq!(settings.connected_capable, Some(true));
    let child = link(&host, "ib0.8001").ipoib.as_deref().expect("IPoIB");
    assert_eq!((child.parent.as_deref(), child.pkey, child.mode.as_deref()), (Some("ib0"), Some(0x8001), Some("datagram")));
    let ib1 = link(&host, "ib1");
    assert_eq!((ib1.mtu, ib1.addresses.len()), (4092, 2));
    assert_eq!(ib1.ipoib.as_deref().and_then(|settings| settings.connected_capable), Some(false));
    assert!(link(&host, "lo").ipoib.is_none());
}

#[test]
fn interfaces_are_joined_with_their_ports() {
    let text = "CA 'mlx4_0'\nPort 2:\nState: Active\nPort GUID: 0x0002c90300bb0001\n";
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().join("ip-link.ibstat");
    std::fs::write(&place, text).expect("written");
    // Files whose names differ in their extension alone are of one host.
    let host = one(&["ib", "ip-link.txt", place.to_str().expect("a path")]);
    let settings = link(&host, "ib0").ipoib.as_deref().expect("IPoIB");
    assert_eq!((settings.device.as_deref(), settings.port), (Some("mlx4_0"), Some(2)));
}

#[test]
fn several_hosts_and_a_file() {
    let hosts = imported(&["ib", "german.txt", "debian7.txt"]);
    assert_eq!(hosts.iter().map(|host| host.name.as_str()).collect::<Vec<_>>(), ["debian7", "german"]);
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().join("e.json");
    pathvet(&["ib", "german.txt", "-o", place.to_str().expect("a path")]).assert().code(0).stdout("").stderr("");
    let text = std::fs::read_to_string(&place).expect("written");
    assert!(serde_json::from_str::<Evidence>(&text).is_ok());
    Command::cargo_bin("pathvet").expect("built").args(["judge", place.to_str().expect("a path")]).assert().stderr("");
}

#[test]
fn standard_input_needs_a_name() {
    pathvet(&["ib", "-"]).write_stdin("x").assert().code(64).stdout("").stderr(contains("--host NAME"));
    let text = "sminfo: sm lid 1 sm guid 0x2c90300aa0001, activity count 9 priority 5 state 3 SMINFO_MASTER\r\n";
    let output = pathvet(&["ib", "-", "--host", "n"]).write_stdin(text).assert().code(0).get_output().clone();
    let evidence: Evidence = serde_json::from_slice(&output.stdout).expect("evidence");
    let managers = evidence.hosts[0].infiniband.as_ref().and_then(|table| table.subnet_managers.clone()).expect("managers");
    assert_eq!((managers[0].guid.as_str(), managers[0].state.as_deref()), ("0x0002c90300aa0001", Some("MASTER")));
}

#[test]
fn what_cannot_be_read_has_its_line_and_the_rest_goes_on() {
    let text = "CA 'mlx4_0'\n\tPort 1:\n\t\tState: Perhaps\n\t\tPhysical state: LinkUp\n\t\tBase lid: 70000\n\t\tSM lid: 1\n\
                SMInfoRecord dump:\n\t\tLID...1\n\t\tGUID...0x0002c90300aa0001\n\t\tPriority...16\n\t\tSMState...3\n\
                7: ib0: <UP> mtu big qdisc x\nsminfo: iberror: failed: query\n";
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().join("n.txt");
    std::fs::write(&place, text).expect("written");
    let place = place.to_str().expect("a path");
    let output = pathvet(&["ib", place]).assert().code(0).get_output().clone();
    let said = String::from_utf8(output.stderr).expect("text");
    for line in ["n.txt:3:", "n.txt:5:", "n.txt:10:", "n.txt:12:", "n.txt:13:", "State: `Perhaps`", "expected 0 to 15"] {
        assert!(said.contains(line), "{line}: {said}");
    }
    let evidence: Evidence = serde_json::from_slice(&output.stdout).expect("evidence");
    let host = &evidence.hosts[0];
    let table = host.infiniband.as_ref().expect("InfiniBand");
    assert_eq!(
        (table.ports[0].state.as_deref(), table.ports[0].phys_state.as_deref(), table.ports[0].sm_lid),
        (None, Some("LinkUp"), Some(1))
    );
    let manager = &table.subnet_managers.as_deref().expect("managers")[0];
    assert_eq!((manager.priority, manager.state.as_deref()), (None, Some("MASTER")));
    assert!(host.gaps.iter().any(|gap| gap.place.ends_with("n.txt:3") && gap.detail.contains("State")), "{:?}", host.gaps);
    assert_eq!(host.gaps.len(), 5);
    pathvet(&["ib", "-q", place]).assert().code(0).stderr("");
}

#[test]
fn what_is_no_such_text_is_refused() {
    pathvet(&["ib", "ORIGIN.md", "missing.txt"])
        .assert()
        .code(64)
        .stdout("")
        .stderr(contains("ORIGIN.md: nothing in it is known output").and(contains("missing.txt: cannot be read")));
    pathvet(&["ibb", "x"]).assert().code(64).stderr(contains("'ib'"));
    pathvet(&["ib"]).assert().code(64);
    pathvet(&["ib", "german.txt", "--host", "a b"]).assert().code(64);
}

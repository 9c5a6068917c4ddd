//! The story with a switch that announces itself: a real lldpd on the switch of the built-in network, vetted from both ends. And PFC:
//! the recorded bytes of a DCB device, the announcement of a real lldpd, and a plan.
#![expect(clippy::print_stdout, reason = "a test says what it skipped")]

mod lldpd;

use lldpd::{Lldpd, Speaker};
use pathvet::host::{DriverInfo, Host, Recorder};
use pathvet::lab::Lab;
use pathvet::lab::topologies::{Family, Topology};
use pathvet_checks::evidence::Evidence;
use pathvet_checks::report::{Confidence, CulpritKind, Finding, Outcome, Report};
use pathvet_checks::wire::dcbnl;
use std::io;
use std::path::Path;
use std::process::Command;

const PATHVET: &str = env!("CARGO_BIN_EXE_pathvet");

fn skip(why: &str) {
    println!("SKIPPED: {why}");
    assert!(std::env::var_os("CI").is_none(), "SKIPPED in CI: {why}");
}

/// A built-in network whose switch announces `size` on both of its ports.
struct Story {
    lab: Lab,
    _switch: [Lldpd; 2],
    folder: tempfile::TempDir,
}

impl Story {
    fn start(topology: &str, size: u16) -> Option<Self> {
        let lab = Lab::start_with(Path::new(PATHVET), Topology::find(topology).expect("a topology"), Family::V4);
        let lab = lab.expect("the lab starts");
        let (_, pid) = lab.processes().find(|(name, _)| *name == "sw1").expect("a switch");
        let [high, low] = size.to_be_bytes();
        let size = format!("oui 00,12,0f subtype 4 oui-info {high:02x},{low:02x}");
        let tlvs = [size.as_str(), "oui 00,80,c2 subtype 11 oui-info 08,08"];
        let ports: Vec<String> = ["node1", "node2"].iter().map(|node| port_to(&lab, node)).collect();
        let start = |at: usize, port| Lldpd::start(pid, &Speaker { interface: &ports[at], name: "tor1", port, tlvs: &tlvs });
        match (start(0, "Eth1/7"), start(1, "Eth1/8")) {
            (Ok(first), Ok(second)) => Some(Self { lab, _switch: [first, second], folder: tempfile::tempdir().expect("a folder") }),
            (Err(why), _) | (_, Err(why)) => {
                skip(&why);
                None
            }
        }
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().expect("it is text").to_owned()
    }

    fn report(&self, host: &str, argv: &[&str]) -> Report {
        let argv = [&[PATHVET], argv, &["--format", "json"]].concat();
        let output = self.lab.run(host, &argv).expect("it runs");
        let report: Report =
            serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", output.stdout, output.stderr));
        assert_eq!(output.status.code(), Some(report.exit_code.into()));
        report
    }

    /// Vets node2 from node1, and listens until the switch has announced itself; saves the evidence.
    fn vetted(&self) -> Report {
        let target = self.lab.target().expect("a target").to_string();
        self.report("node1", &["check", &target, "--lldp", "30", "--save", &self.file("node1.json")])
    }

    /// The same evidence with that of node2.
    fn judged_with_node2(&self) -> Report {
        let saved = self.file("node2.json");
        let output = self.lab.run("node2", &[PATHVET, "collect", "--lldp", "30", "-o", &saved]).expect("it runs");
        assert!(output.status.success(), "{}", output.stderr);
        self.report("node1", &["judge", &self.file("node1.json"), &saved])
    }
}

/// The switch's interface at the other end of a node's cable.
fn port_to(lab: &Lab, node: &str) -> String {
    let cables = &lab.scene().network.cables;
    let cable = cables.iter().find(|cable| cable.ends.iter().any(|end| end.host == node)).expect("a cable");
    let far = cable.ends.iter().find(|end| end.host != node).expect("its other end");
    far.interface.clone()
}

fn found<'r>(report: &'r Report, check: &str, host: &str) -> &'r Finding {
    let of_host = |finding: &&Finding| finding.check == check && finding.at.host.as_deref() == Some(host);
    report.findings.iter().find(of_host).unwrap_or_else(|| panic!("no {check} of {host}"))
}

#[test]
fn a_switch_that_announces_the_cut_is_named() {
    let Some(story) = Story::start("story", 9216) else { return };
    let report = story.vetted();
    let diagnosis = report.diagnoses.first().expect("a diagnosis");
    assert_eq!((diagnosis.culprit.kind, diagnosis.confidence), (CulpritKind::Switch, Confidence::Likely), "{diagnosis:?}");
    assert_eq!(diagnosis.culprit.name, "tor1 Eth1/7");
    assert!(diagnosis.summary.contains("The first switch, tor1 Eth1/7, announces 9216: exactly the cut."), "{}", diagnosis.summary);
    let both = story.judged_with_node2();
    let diagnosis = both.diagnoses.first().expect("a diagnosis");
    assert_eq!((diagnosis.culprit.kind, diagnosis.confidence), (CulpritKind::Switch, Confidence::Certain), "{diagnosis:?}");
    assert_eq!(diagnosis.culprit.name, "tor1");
    println!("{}\n{}", report.diagnoses[0].summary, diagnosis.summary);
}

#[test]
fn a_switch_that_announces_more_contradicts_what_arrives() {
    let Some(story) = Story::start("story", 12_000) else { return };
    let report = story.vetted();
    let finding = found(&report, "switch-frame-size", "node1");
    assert_eq!(finding.outcome, Outcome::Warn);
    assert!(finding.summary.contains("announces frames of 12000 bytes, and none above 9216 arrives"), "{}", finding.summary);
    let diagnosis = report.diagnoses.first().expect("a diagnosis");
    assert_ne!(diagnosis.confidence, Confidence::Certain);
    assert!(!diagnosis.culprit.name.contains("tor1"), "{diagnosis:?}");
    assert_ne!(story.judged_with_node2().diagnoses[0].confidence, Confidence::Certain);
    println!("{}", finding.summary);
}

#[test]
fn a_switch_that_announces_1518_while_jumbo_arrives_is_a_note() {
    let Some(story) = Story::start("clean", 1518) else { return };
    let report = story.vetted();
    let finding = found(&report, "switch-frame-size", "node1");
    assert_eq!((report.verdict, finding.outcome), (Outcome::Pass, Outcome::Pass), "{:?}", report.findings);
    assert!(finding.notes.iter().any(|note| note.contains("the announcement is wrong")), "{finding:?}");
    println!("{}", finding.notes.join("\n"));
}

/// A machine with one DCB device: the recorded answers to dcbnl.
struct DcbHost {
    name: &'static str,
    address: &'static str,
    /// Priorities that get PFC besides the recorded 3.
    more: u8,
}

/// Request and answer of the recorded device, from the lines `tx` and `rx` under `getdcb dcbsim0`.
fn recorded() -> Vec<(Vec<u8>, Vec<u8>)> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/dcb/guest-dcb.txt")).expect("testdata");
    let device = text.split("+ getdcb dcbsim0\n").nth(1).expect("the device").split("\n+ ").next().expect("its lines");
    let bytes = |line: &str| -> Vec<u8> {
        let digits: Vec<u32> = line.chars().filter_map(|digit| digit.to_digit(16)).collect();
        digits.chunks_exact(2).map(|pair| u8::try_from(pair[0] << 4 | pair[1]).expect("a byte")).collect()
    };
    let lines = |word: &'static str| device.lines().filter_map(move |line| line.trim().strip_prefix(word));
    lines("tx ").map(bytes).zip(lines("rx ").map(bytes)).collect()
}

impl Host for DcbHost {
    fn origin(&self) -> &'static str {
        "root"
    }

    fn read(&self, _path: &str) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn list(&self, _path: &str) -> io::Result<Vec<String>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn link(&self, _path: &str) -> io::Result<String> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn netlink(&self, family: i32, request: &[u8]) -> io::Result<Vec<u8>> {
        let answers = recorded();
        // Length, flags and sequence apart: kind, command and name are the question.
        let same = |tx: &[u8]| tx.get(4..6) == request.get(4..6) && tx.get(16..) == request.get(16..);
        let found = answers.into_iter().find(|(tx, _)| family == libc::NETLINK_ROUTE && same(tx));
        let (_, mut answer) = found.ok_or(io::ErrorKind::NotFound)?;
        // `struct ieee_pfc` of the device, not of its peer: capability 8, priority 3, no MACsec bypass, delay 100.
        if let Some(at) = answer.windows(6).position(|bytes| bytes == [8, 8, 0, 0, 100, 0]) {
            answer[at + 1] |= self.more;
        }
        Ok(answer)
    }

    fn driver(&self, _ifname: &str) -> io::Result<DriverInfo> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn live(&self) -> bool {
        false
    }
}

/// The evidence of such a machine: recorded into a tree, and collected from there by the command.
fn evidence(host: &DcbHost, folder: &Path) -> String {
    let tree = folder.join(format!("{}.tree", host.name));
    let recorder = Recorder::new(host, &tree, jiff::Timestamp::UNIX_EPOCH).expect("an empty folder");
    recorder.netlink(libc::NETLINK_ROUTE, &dcbnl::request(dcbnl::Command::IeeeGet, "dcbsim0")).expect("recorded");
    recorder.finish().expect("written");
    let device = [
        ("ifindex", "2"),
        ("mtu", "9000"),
        ("flags", "0x1003"),
        ("type", "1"),
        ("carrier", "1"),
        ("operstate", "up"),
        ("address", host.address),
    ];
    let sysfs = device.map(|(file, text)| (format!("sys/class/net/dcbsim0/{file}"), text));
    for (path, text) in sysfs.into_iter().chain([("proc/sys/kernel/hostname".to_owned(), host.name)]) {
        let place = tree.join(path);
        std::fs::create_dir_all(place.parent().expect("a folder")).expect("made");
        std::fs::write(place, format!("{text}\n")).expect("written");
    }
    let saved = folder.join(format!("recorded-{}.json", host.name)).to_str().expect("it is text").to_owned();
    let run = Command::new(PATHVET).args(["collect", "--root"]).arg(&tree).args(["-o", &saved]).output().expect("it runs");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    saved
}

fn judge(argv: &[&str]) -> (Option<i32>, String) {
    let run = Command::new(PATHVET).arg("judge").args(argv).env("COLUMNS", "80").output().expect("it runs");
    (run.status.code(), String::from_utf8_lossy(&run.stdout).into_owned())
}

/// Recorded bytes of a DCB device with PFC on 3 and 4, a real lldpd that announces PFC on 3 alone, and a plan that wants 3.
#[test]
fn pfc_of_recorded_bytes_a_real_switch_and_a_plan() {
    let Some(story) = Story::start("clean", 9216) else { return };
    let folder = story.folder.path();
    let node1 = evidence(&DcbHost { name: "node1", address: "02:00:00:00:00:01", more: 1 << 4 }, folder);
    // What node1 of the built-in network hears on its eth0 is what the recorded device is wired to.
    story.vetted();
    let mut whole: Evidence = serde_json::from_slice(&std::fs::read(&node1).expect("saved")).expect("evidence");
    let heard: Evidence = serde_json::from_slice(&std::fs::read(story.file("node1.json")).expect("saved")).expect("evidence");
    let lldp = heard.hosts[0].link("eth0").and_then(|link| link.lldp.clone()).expect("a neighbour");
    let link = whole.hosts[0].links.as_mut().and_then(|links| links.first_mut()).expect("the device");
    link.lldp = Some(lldp);
    let merged = story.file("merged.json");
    std::fs::write(&merged, serde_json::to_vec(&whole).expect("JSON")).expect("written");
    let plan = story.file("plan.yaml");
    std::fs::write(&plan, "schema: pathvet.plan/1\nexpect: { dcb: { lossless: [3] } }\n").expect("written");
    let (code, table) = judge(&[&merged, "-f", &plan]);
    println!("{table}");
    assert_eq!(code, Some(2), "{table}");
    for line in [
        "  plan           -  -  -  on   -  -  -  -",
        "  node1:dcbsim0  -  -  -  on  on  -  -  -",
        "  tor1 Eth1/7    -  -  -  on   -  -  -  -",
    ] {
        assert!(table.lines().any(|found| found == line), "{line}\n{table}");
    }
    assert!(
        table.contains("dcb pfc set dev dcbsim0 prio-pfc all:off 3:on") && table.contains("on tor1 Eth1/7, PFC on 3 and 4:"),
        "{table}"
    );
}

/// Two machines that differ in one priority: host, interface and priority are named.
#[test]
fn two_hosts_that_differ_in_one_priority() {
    let folder = tempfile::tempdir().expect("a folder");
    let hosts = [("node1", "02:00:00:00:00:01", 0), ("node2", "02:00:00:00:00:02", 1 << 4)];
    let saved = hosts.map(|(name, address, more)| evidence(&DcbHost { name, address, more }, folder.path()));
    let plan = folder.path().join("plan.yaml");
    std::fs::write(&plan, "schema: pathvet.plan/1\nnetworks: { storage: { interface: dcbsim0, role: storage } }\n")
        .expect("written");
    let (code, table) = judge(&[&saved[0], &saved[1], "-f", plan.to_str().expect("text"), "--only", "dcb-pfc"]);
    println!("{table}");
    assert_eq!(code, Some(2), "{table}");
    let words = table.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        words.contains("node1:dcbsim0") && words.contains("node2:dcbsim0") && words.contains("differ at priority 4"),
        "{table}"
    );
}

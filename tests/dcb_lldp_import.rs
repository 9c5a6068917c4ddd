//! `pathvet import pcap` and `import lldp` through the real binary, and DCB through a kernel that was recorded.

use assert_cmd::Command;
use pathvet::collect;
use pathvet::host::{DriverInfo, Host};
use pathvet_checks::evidence::{self, Evidence, GapReason, Lldp};
use pathvet_checks::wire::dcbnl;
use pathvet_checks::wire::nla::{self, Builder};
use std::io;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn import(args: &[&str]) -> assert_cmd::assert::Assert {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pathvet"));
    command.arg("import").args(args).current_dir(root().join("testdata/lldp")).assert()
}

fn imported(args: &[&str]) -> (evidence::Host, String) {
    let assert = import(args).success();
    let output = assert.get_output();
    let mut read: Evidence = serde_json::from_slice(&output.stdout).expect("evidence");
    assert_eq!(read.hosts.len(), 1);
    (read.hosts.remove(0), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn heard<'h>(host: &'h evidence::Host, ifname: &str) -> &'h [Lldp] {
    host.link(ifname).and_then(|link| link.lldp.as_deref()).unwrap_or_else(|| panic!("{ifname}: {host:?}"))
}

#[test]
fn a_capture_becomes_a_host_with_neighbours() {
    let (host, errors) = imported(&["pcap", "guest-lldpad.pcap"]);
    assert_eq!((host.name.as_str(), host.origin.as_str(), errors.as_str()), ("guest-lldpad", "import:pcap", ""));
    assert_eq!(heard(&host, "capture").len(), 2);
    let (host, _) = imported(&["pcap", "guest-lldpad.pcap", "--host", "node1", "--interface", "eth0"]);
    assert_eq!((host.name.as_str(), heard(&host, "eth0").len()), ("node1", 2));
    assert!(host.taken.is_some_and(|taken| taken.to_string().starts_with("2026-")), "{:?}", host.taken);
}

#[test]
fn what_cannot_be_read_is_said_and_kept_as_a_gap() {
    let (host, errors) = imported(&["pcap", "hostile.pcap", "--interface", "eth0"]);
    assert!(errors.contains("hostile.pcap: frame 1: PFC (00-80-c2 11): 1 bytes where 2 are needed"), "{errors}");
    assert!(!errors.contains('\u{1b}'), "{errors:?}");
    let gap = host.gaps.iter().find(|gap| gap.place == "hostile.pcap, frame 2" && gap.detail.contains("differs"));
    assert_eq!(gap.map(|gap| (gap.what.as_str(), gap.reason)), Some(("links.eth0.lldp", GapReason::Malformed)));
    assert_eq!(heard(&host, "eth0").len(), 2);
    let (_, errors) = imported(&["pcap", "hostile.pcap", "-q"]);
    assert_eq!(errors, "");
}

#[test]
fn a_file_without_neighbours_is_refused_with_what_was_expected() {
    for (args, part) in [
        (&["pcap", "README.md"][..], "neither pcap nor pcapng"),
        (&["pcap", "missing.pcap"], "missing.pcap"),
        (&["lldp", "README.md"], "expected what `lldpctl -f json` or `lldptool -t -n -i IFACE` prints"),
        (&["lldp", "-"], "--host"),
        (&["ib", "README.md", "--interface", "eth0"], "--interface"),
    ] {
        let assert = import(args).code(64);
        let errors = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
        assert!(errors.contains(part), "{args:?}: {errors}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let empty = folder.path().join("empty.pcap");
    std::fs::write(&empty, [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0]).expect("written");
    let assert = import(&["pcap", empty.to_str().expect("text")]).code(64);
    assert!(String::from_utf8_lossy(&assert.get_output().stderr).contains("no LLDP that came in, in 0 frames"));
}

#[test]
fn lldpctl_and_lldptool_name_the_same_neighbour() {
    let (json, _) = imported(&["lldp", "lldpctl-two.json", "--host", "node1"]);
    let (plain, _) = imported(&["lldp", "lldpctl-two.json0", "--host", "node1"]);
    assert_eq!(json.links, plain.links);
    assert_eq!(heard(&json, "vb0")[0].max_frame_size, Some(9216));
    let (text, _) = imported(&["lldp", "lldptool.txt", "--host", "node1", "--interface", "vb0"]);
    assert_eq!(heard(&text, "vb0")[0].port_id, "Eth1/7");
}

/// An imported capture adds neighbours to a host that was collected, whichever is newer, and takes nothing away.
#[test]
fn neighbours_are_added_to_the_host_that_was_collected() {
    let (capture, _) = imported(&["pcap", "guest-lldpad.pcap", "--host", "node1", "--interface", "eth0"]);
    let link = |name: &str| evidence::Link { ifname: name.into(), ifindex: 2, mtu: 9000, ..evidence::Link::default() };
    for taken in ["2020-01-01T00:00:00Z", "2030-01-01T00:00:00Z"] {
        let taken: jiff::Timestamp = taken.parse().expect("a moment");
        let collected = evidence::Host {
            name: "node1".into(),
            taken: Some(taken),
            links: Some(vec![link("eth0"), link("eth1")]),
            ..Default::default()
        };
        let document = |host: &evidence::Host| Evidence { hosts: vec![host.clone()], ..Evidence::empty(taken, "test") };
        let merged = evidence::merge_all([document(&collected), document(&capture)]).expect("two documents");
        let host = &merged.hosts[0];
        assert_eq!((host.links.as_ref().map(Vec::len), host.link("eth0").map(|link| link.mtu)), (Some(2), Some(9000)));
        assert_eq!(heard(host, "eth0").len(), 2);
    }
}

/// A kernel with the interfaces of the recording: `dcbsim0` (IEEE), `dcbsim2` (CEE), and `eth9`, which has no DCB.
struct Recorded {
    /// Gives these bytes instead of the recorded ones.
    instead: Option<Vec<u8>>,
}

impl Recorded {
    fn links() -> Vec<u8> {
        let mut answer = Vec::new();
        for (index, name, kind) in [(2_u32, "dcbsim0", ""), (3, "dcbsim2", "dcbsim"), (4, "eth9", ""), (5, "br0", "bridge")] {
            let mut fixed = [0; 16];
            fixed[2..4].copy_from_slice(&1_u16.to_ne_bytes());
            fixed[4..8].copy_from_slice(&index.to_ne_bytes());
            let mut message = Builder::new(16, 0, &fixed);
            message.text(3, name).u32(4, 9000);
            if !kind.is_empty() {
                message.nest(18, |info| {
                    info.text(1, kind);
                });
            }
            answer.extend(message.finish());
        }
        answer
    }

    fn dcb(request: &[u8]) -> io::Result<Vec<u8>> {
        let recording = std::fs::read_to_string(root().join("testdata/dcb/guest-dcb.txt"))?;
        let bytes = |hex: &str| -> Vec<u8> {
            hex.as_bytes()
                .chunks_exact(2)
                .map(|pair| u8::from_str_radix(&String::from_utf8_lossy(pair), 16).expect("digits"))
                .collect()
        };
        let mut lines = recording.lines();
        while let Some(line) = lines.next() {
            let Some(sent) = line.strip_prefix("  tx ").map(bytes) else { continue };
            // The recorder numbered its requests.
            if sent.len() == request.len() && sent[16..] == request[16..] {
                return Ok(bytes(lines.next().and_then(|line| line.strip_prefix("  rx ")).expect("an answer")));
            }
        }
        Err(io::Error::from_raw_os_error(95))
    }
}

impl Host for Recorded {
    fn origin(&self) -> &'static str {
        "root"
    }

    fn read(&self, _: &str) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn list(&self, _: &str) -> io::Result<Vec<String>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn link(&self, _: &str) -> io::Result<String> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn netlink(&self, _: i32, request: &[u8]) -> io::Result<Vec<u8>> {
        match (nla::read_u16(&request[4..]), &self.instead) {
            (Some(18), _) => Ok(Self::links()),
            (Some(dcbnl::GETDCB), Some(bytes)) => Ok(bytes.clone()),
            (Some(dcbnl::GETDCB), None) => Self::dcb(request),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn driver(&self, _: &str) -> io::Result<DriverInfo> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn live(&self) -> bool {
        false
    }
}

#[test]
fn every_ethernet_device_is_asked_for_dcb() {
    let found = collect::host(&Recorded { instead: None }, jiff::Timestamp::UNIX_EPOCH);
    let dcb = |name: &str| found.link(name).expect("an interface").dcb.as_deref();
    let ieee = dcb("dcbsim0").expect("IEEE");
    assert_eq!((ieee.variant.as_deref(), ieee.app.as_ref().map(Vec::len)), (Some("ieee"), Some(4)));
    assert_eq!(ieee.ets.as_ref().map(|ets| ets.tc_bw), Some([50, 0, 0, 50, 0, 0, 0, 0]));
    let cee = dcb("dcbsim2").expect("CEE");
    assert_eq!((cee.variant.as_deref(), cee.dcbx.as_deref()), (Some("cee"), Some(&["host".to_string(), "cee".to_string()][..])));
    assert!(dcb("eth9").is_none() && dcb("br0").is_none());
    let gaps: Vec<_> = found.gaps.iter().filter(|gap| gap.what.split('.').next_back() == Some("dcb")).collect();
    let [gap] = gaps.as_slice() else { panic!("{gaps:?}") };
    assert_eq!(
        (gap.what.as_str(), gap.reason, gap.detail.as_str()),
        ("links.eth9.dcb", GapReason::Unsupported, "this device has no DCB")
    );
}

#[test]
fn an_answer_that_cannot_be_read_is_a_gap_naming_the_attribute() {
    let (mut odd, _) = {
        let recorded = Recorded::dcb(&dcbnl::request(dcbnl::Command::IeeeGet, "dcbsim0")).expect("recorded");
        let message = nla::messages(&recorded).next().expect("a message").expect("whole");
        dcbnl::parse(message.body).expect("long enough")
    };
    for attribute in &mut odd.attributes {
        if let dcbnl::Top::Ieee(inner) = attribute {
            inner[0] = dcbnl::Ieee::Other(1, vec![0; 58]);
        }
    }
    let found = collect::host(&Recorded { instead: Some(odd.emit()) }, jiff::Timestamp::UNIX_EPOCH);
    let dcb = found.link("eth9").and_then(|link| link.dcb.as_deref()).expect("the rest");
    assert!(dcb.ets.is_none() && dcb.pfc.is_some());
    let gap = found.gaps.iter().find(|gap| gap.what == "links.eth9.dcb").expect("a gap");
    assert_eq!((gap.reason, gap.detail.as_str()), (GapReason::Malformed, "DCB_ATTR_IEEE_ETS: 58 bytes where 59 are expected"));
    let found = collect::host(&Recorded { instead: Some(vec![1, 2, 3]) }, jiff::Timestamp::UNIX_EPOCH);
    assert!(found.links.iter().flatten().all(|link| link.dcb.is_none()));
    assert!(found.gaps.iter().any(|gap| gap.what == "links.eth9.dcb" && gap.reason == GapReason::Malformed), "{:?}", found.gaps);
}

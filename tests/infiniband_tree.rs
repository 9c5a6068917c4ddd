//! InfiniBand from recorded trees: every kind of adapter, hostile files, and what collecting costs.
//!
//! `PATHVET_BLESS=1` writes those trees of `testdata/hosts` anew that [`TREES`] describes.

use pathvet::collect;
use pathvet::host::{DriverInfo, Host, Recorder, Tree};
use pathvet_checks::evidence::{self, GapReason, IbPort, Ipoib};
use pathvet_checks::wire::linkinfo;
use pathvet_checks::wire::nla::{self, Builder};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/hosts").join(name)
}

fn collected(tree: &Path) -> evidence::Host {
    collect::host(&Tree::open(tree).expect("a tree"), jiff::Timestamp::UNIX_EPOCH)
}

/// Files by path; a value that begins with `->` is a link.
type Files = BTreeMap<String, String>;

fn put(files: &mut Files, base: &str, values: &[(&str, &str)]) {
    for (name, value) in values {
        let value = if value.starts_with("->") { (*value).to_owned() } else { format!("{value}\n") };
        files.insert(format!("{base}/{name}"), value);
    }
}

fn write(root: &Path, files: &Files) {
    for (name, value) in files {
        let place = root.join(name);
        std::fs::create_dir_all(place.parent().expect("a folder")).expect("made");
        match value.strip_prefix("->") {
            Some(target) => symlink(target, place).expect("linked"),
            None => std::fs::write(place, value).expect("written"),
        }
    }
}

fn read_back(root: &Path) -> Files {
    let mut files = Files::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.strip_prefix(root).expect("inside").to_string_lossy().into_owned();
            if path.is_symlink() {
                files.insert(name, format!("->{}", std::fs::read_link(&path).expect("a link").display()));
            } else if path.is_dir() {
                open.push(path);
            } else {
                files.insert(name, std::fs::read_to_string(&path).expect("text"));
            }
        }
    }
    files
}

/// An adapter: its own files.
fn adapter(files: &mut Files, name: &str, bus: &str, driver: &str, values: &[(&str, &str)]) {
    let base = format!("sys/class/infiniband/{name}");
    let device = format!("->../../../devices/pci0000:00/{bus}");
    put(files, &base, &[("device", &device), ("node_type", "1: CA")]);
    put(files, &base, values);
    put(files, &format!("sys/bus/pci/devices/{bus}"), &[("driver", &format!("->../../../../bus/pci/drivers/{driver}"))]);
}

/// One of its ports: state, physical state, rate, LIDs, the last four digits of its GUID.
fn port(files: &mut Files, adapter: &str, number: u8, values: &[(&str, &str)], guid: &str) {
    let base = format!("sys/class/infiniband/{adapter}/ports/{number}");
    put(files, &base, &[("link_layer", "InfiniBand"), ("lid_mask_count", "0"), ("sm_sl", "0"), ("cap_mask", "0x02510868")]);
    put(files, &base, &[("gids/0", guid), ("pkeys/0", "0xffff"), ("pkeys/1", "0x0000")]);
    let counters = ["symbol_error", "link_downed", "port_rcv_errors", "port_xmit_discards", "VL15_dropped", "port_rcv_data"];
    put(files, &format!("{base}/counters"), &counters.map(|name| (name, "0")));
    put(files, &base, values);
}

/// An `IPoIB` interface; the address is of the port.
fn interface(files: &mut Files, name: &str, index: u8, bus: &str, address: &str, values: &[(&str, &str)]) {
    let base = format!("sys/class/net/{name}");
    let index = index.to_string();
    put(files, &base, &[("ifindex", &index), ("iflink", &index), ("type", "32"), ("addr_len", "20"), ("flags", "0x1003")]);
    put(files, &base, &[("address", address), ("pkey", "0xffff"), ("umcast", "0"), ("mode", "datagram"), ("dev_port", "0")]);
    put(files, &base, &[("device", &format!("->../../../devices/pci0000:00/{bus}"))]);
    put(files, &base, values);
}

const UP: [(&str, &str); 2] = [("state", "4: ACTIVE"), ("phys_state", "5: LinkUp")];
const RUNNING: [(&str, &str); 2] = [("operstate", "up"), ("carrier", "1")];

fn host(name: &str, os: &str, kernel: &str, modules: &[&str]) -> Files {
    let mut files = Files::new();
    put(&mut files, "proc/sys/kernel", &[("hostname", name), ("osrelease", kernel)]);
    put(&mut files, "etc", &[("os-release", &format!("PRETTY_NAME=\"{os}\""))]);
    let text = modules.iter().fold(String::new(), |mut text, name| {
        let _ = writeln!(text, "{name} 36864 1 - Live 0x0000000000000000");
        text
    });
    files.insert("proc/modules".into(), text);
    files
}

/// A ConnectX-2 on Debian 7 before a subnet manager has seen it.
fn debian7() -> Files {
    let modules = ["mlx4_ib", "ib_umad", "ib_uverbs", "ib_ipoib", "ib_cm", "ib_core", "rdma_cm", "mlx4_core"];
    let mut files = host("pve1", "Debian GNU/Linux 7 (wheezy)", "3.2.0-4-amd64", &modules);
    let bus = "0000:03:00.0";
    let values =
        [("fw_ver", "2.6.200"), ("board_id", "MT_0BB0110003"), ("hca_type", "MT26428"), ("node_guid", "0002:c903:0004:8b5c")];
    adapter(&mut files, "mlx4_0", bus, "mlx4_core", &values);
    let state =
        [("state", "2: INIT"), ("phys_state", "5: LinkUp"), ("rate", "40 Gb/sec (4X QDR)"), ("lid", "0x0"), ("sm_lid", "0x0")];
    port(&mut files, "mlx4_0", 1, &state, "fe80:0000:0000:0000:0002:c903:0004:8b5d");
    let address = "80:00:00:48:fe:80:00:00:00:00:00:00:00:02:c9:03:00:04:8b:5d";
    interface(&mut files, "ib0", 4, bus, address, &[("mtu", "4092"), ("operstate", "down"), ("carrier", "0")]);
    files
}

/// A ConnectX-3 at 40 Gb/s with `OpenSM` and the partitions file of a fabric with 4096-byte links.
fn connectx3() -> Files {
    let mut files = host(
        "node3",
        "Debian GNU/Linux 12 (bookworm)",
        "6.1.0-28-amd64",
        &["ib_core", "ib_ipoib", "ib_umad", "mlx4_core", "mlx4_ib"],
    );
    let bus = "0000:04:00.0";
    let values =
        [("fw_ver", "2.42.5000"), ("board_id", "MT_1090110019"), ("hca_type", "MT4099"), ("node_guid", "f452:1403:0095:a4c0")];
    adapter(&mut files, "mlx4_0", bus, "mlx4_core", &values);
    let rate = [("rate", "40 Gb/sec (4X FDR10)"), ("lid", "0x2"), ("sm_lid", "0x1"), ("pkeys/1", "0x8001")];
    port(&mut files, "mlx4_0", 1, &[&UP[..], &rate].concat(), "fe80:0000:0000:0000:f452:1403:0095:a4c1");
    let address = "80:00:02:08:fe:80:00:00:00:00:00:00:f4:52:14:03:00:95:a4:c1";
    interface(&mut files, "ib0", 4, bus, address, &[&RUNNING[..], &[("mtu", "2044")]].concat());
    let child = [&RUNNING[..], &[("mtu", "2044"), ("pkey", "0x8001"), ("parent", "ib0"), ("iflink", "4")]].concat();
    interface(&mut files, "ib0.8001", 5, bus, address, &child);
    put(&mut files, "sys/module/mlx4_core/parameters", &[("mtu_4k", "1"), ("port_type_array", "1,1")]);
    put(&mut files, "etc/opensm", &[("partitions.conf", "# 4K links\nDefault=0x7fff,ipoib,mtu=5:ALL=full;")]);
    put(&mut files, "etc/opensm", &[("opensm.conf", "sm_priority 13\nsminfo_polling_timeout 10000\npolling_retry_number 4")]);
    put(&mut files, "etc/opensm/mlx4_1", &[("partitions.conf", "Default=0x7fff,ipoib,mtu=4096:ALL=full;")]);
    files
}

/// ConnectX-5 with the driver's own `IPoIB`, which has no connected mode.
fn enhanced() -> Files {
    let mut files =
        host("node5", "Rocky Linux 9.4", "5.14.0-427.el9.x86_64", &["ib_core", "ib_ipoib", "ib_umad", "mlx5_core", "mlx5_ib"]);
    let bus = "0000:3b:00.0";
    let values =
        [("fw_ver", "16.35.2000"), ("board_id", "MT_0000000008"), ("hca_type", "MT4119"), ("node_guid", "0c42:a103:0059:be10")];
    adapter(&mut files, "mlx5_0", bus, "mlx5_core", &values);
    let rate = [("rate", "100 Gb/sec (4X EDR)"), ("lid", "0x7"), ("sm_lid", "0x1")];
    port(&mut files, "mlx5_0", 1, &[&UP[..], &rate].concat(), "fe80:0000:0000:0000:0c42:a103:0059:be10");
    let address = "00:00:10:87:fe:80:00:00:00:00:00:00:0c:42:a1:03:00:59:be:10";
    interface(&mut files, "ibp59s0", 4, bus, address, &[&RUNNING[..], &[("mtu", "4092")]].concat());
    files
}

/// Two ports, one without a cable.
fn two_ports() -> Files {
    let mut files = host(
        "node6",
        "Debian GNU/Linux 12 (bookworm)",
        "6.1.0-28-amd64",
        &["ib_core", "ib_ipoib", "ib_umad", "mlx4_core", "mlx4_ib"],
    );
    let bus = "0000:05:00.0";
    let values =
        [("fw_ver", "2.9.1000"), ("board_id", "MT_0D80110009"), ("hca_type", "MT26428"), ("node_guid", "0002:c903:000a:1230")];
    adapter(&mut files, "mlx4_0", bus, "mlx4_core", &values);
    let rate = [("rate", "40 Gb/sec (4X QDR)"), ("lid", "0x4"), ("sm_lid", "0x1")];
    port(&mut files, "mlx4_0", 1, &[&UP[..], &rate].concat(), "fe80:0000:0000:0000:0002:c903:000a:1231");
    let down = [("state", "1: DOWN"), ("phys_state", "2: Polling"), ("rate", "10 Gb/sec (4X)"), ("lid", "0x0"), ("sm_lid", "0x0")];
    port(&mut files, "mlx4_0", 2, &down, "fe80:0000:0000:0000:0002:c903:000a:1232");
    let address = |last: &str| format!("80:00:00:48:fe:80:00:00:00:00:00:00:00:02:c9:03:00:0a:12:{last}");
    let connected = [&RUNNING[..], &[("mtu", "65520"), ("mode", "connected")]].concat();
    interface(&mut files, "ib0", 4, bus, &address("31"), &connected);
    let down = [("mtu", "4092"), ("dev_port", "1"), ("operstate", "down"), ("carrier", "0")];
    interface(&mut files, "ib1", 5, bus, &address("32"), &down);
    files
}

/// A port that speaks Ethernet.
fn roce() -> Files {
    let mut files =
        host("node7", "Debian GNU/Linux 12 (bookworm)", "6.1.0-28-amd64", &["ib_core", "ib_umad", "mlx5_core", "mlx5_ib"]);
    let bus = "0000:af:00.0";
    let values =
        [("fw_ver", "14.32.1010"), ("board_id", "MT_2420110034"), ("hca_type", "MT4117"), ("node_guid", "0c42:a103:0012:3456")];
    adapter(&mut files, "mlx5_0", bus, "mlx5_core", &values);
    let values = [("link_layer", "Ethernet"), ("rate", "25 Gb/sec (1X EDR)"), ("lid", "0x0"), ("sm_lid", "0x0")];
    port(&mut files, "mlx5_0", 1, &[&UP[..], &values].concat(), "fe80:0000:0000:0000:0e42:a1ff:fe12:3456");
    let base = "sys/class/net/enp175s0";
    put(&mut files, base, &[("ifindex", "2"), ("iflink", "2"), ("type", "1"), ("mtu", "9000"), ("address", "0c:42:a1:12:34:56")]);
    put(&mut files, base, &RUNNING);
    files
}

/// A tree's name, and what makes its files.
type Made = (&'static str, fn() -> Files);

const TREES: [Made; 5] = [
    ("ib-debian7", debian7),
    ("ib-connectx3", connectx3),
    ("ib-enhanced", enhanced),
    ("ib-two-ports", two_ports),
    ("ib-roce", roce),
];

#[test]
fn the_committed_trees_are_what_is_written_here() {
    for (name, make) in TREES {
        let place = testdata(name);
        if std::env::var_os("PATHVET_BLESS").is_some() {
            let _ = std::fs::remove_dir_all(&place);
            write(&place, &make());
        }
        assert_eq!(read_back(&place), make(), "{name}: PATHVET_BLESS=1 writes the tree anew");
    }
}

fn ports(host: &evidence::Host) -> &[IbPort] {
    host.infiniband.as_ref().map(|table| table.ports.as_slice()).unwrap_or_default()
}

fn ipoib<'a>(host: &'a evidence::Host, name: &str) -> &'a Ipoib {
    host.link(name).and_then(|link| link.ipoib.as_deref()).expect("an IPoIB interface")
}

/// Gaps of the tables that these trees are about; the trees hold nothing of routes and the like.
fn gaps(host: &evidence::Host) -> Vec<String> {
    let about = |what: &str| what.starts_with("infiniband") || what.starts_with("modules") || what.contains("ipoib");
    host.gaps.iter().filter(|gap| about(&gap.what)).map(|gap| format!("{} {}: {}", gap.what, gap.place, gap.detail)).collect()
}

#[test]
fn recorded_files_of_a_real_kernel() {
    let host = collected(&testdata("ib-connected"));
    assert_eq!(gaps(&host), ["modules /proc/modules: No such file or directory"]);
    let [port] = ports(&host) else { panic!("one port") };
    assert_eq!((port.device.as_str(), port.port, port.source.as_str()), ("fakeib0", 1, "sysfs"));
    assert_eq!((port.state.as_deref(), port.phys_state.as_deref()), (Some("Active"), Some("LinkUp")));
    assert_eq!(
        (port.rate.as_deref(), port.rate_mbps, port.data_rate_mbps),
        (Some("100 Gb/sec (4X EDR)"), Some(103_125), Some(100_000))
    );
    assert_eq!((port.lid, port.sm_lid, port.lmc, port.cap_mask), (Some(3), Some(1), Some(0), Some(0x0251_0868)));
    assert_eq!(port.port_guid.as_deref(), Some("0x0002c90300bb0001"));
    assert_eq!(port.subnet_prefix.as_deref(), Some("0xfe80000000000000"));
    assert_eq!((port.pkeys.as_deref(), port.active_mtu), (Some(&[0xffff][..]), None), "no file has the MTU of the link");
    let settings = ipoib(&host, "ib0");
    assert_eq!((settings.mode.as_deref(), settings.pkey, settings.umcast), (Some("connected"), Some(0xffff), Some(false)));
    assert_eq!((settings.device.as_deref(), settings.port, settings.connected_capable), (Some("fakeib0"), Some(1), Some(true)));

    let host = collected(&testdata("ib-initializing"));
    assert_eq!(ports(&host)[0].state.as_deref(), Some("Initializing"));
    assert_eq!(ports(&host)[0].state_again, None, "a tree does not change");
    assert_eq!((host.link("ib0").map(|link| link.mtu), ipoib(&host, "ib0").mode.as_deref()), (Some(4092), Some("datagram")));
}

#[test]
fn adapters_of_every_age() {
    let host = collected(&testdata("ib-debian7"));
    assert_eq!(gaps(&host), [""; 0]);
    let port = &ports(&host)[0];
    assert_eq!((port.state.as_deref(), port.lid, port.sm_lid), (Some("Initializing"), Some(0), Some(0)));
    assert_eq!(
        (port.hca_type.as_deref(), port.firmware.as_deref(), port.driver.as_deref()),
        (Some("MT26428"), Some("2.6.200"), Some("mlx4_core"))
    );
    assert_eq!((port.rate_mbps, port.data_rate_mbps), (Some(40_000), Some(32_000)));
    let names: Vec<_> = host.modules.iter().flatten().map(|module| module.name.as_str()).collect();
    assert_eq!(names, ["ib_cm", "ib_core", "ib_ipoib", "ib_umad", "ib_uverbs", "mlx4_core", "mlx4_ib", "rdma_cm"]);

    let host = collected(&testdata("ib-connectx3"));
    assert_eq!((ports(&host)[0].speed.as_deref(), ports(&host)[0].data_rate_mbps), (Some("FDR10"), Some(40_000)));
    assert_eq!((ipoib(&host, "ib0.8001").parent.as_deref(), ipoib(&host, "ib0.8001").pkey), (Some("ib0"), Some(0x8001)));
    assert_eq!(host.link("ib0.8001").and_then(|link| link.link.as_deref()), Some("ib0"));
    let mlx4 = host.modules.iter().flatten().find(|module| module.name == "mlx4_core").expect("loaded");
    assert_eq!(mlx4.parameters["mtu_4k"], "1");
    let config = host.infiniband.as_ref().and_then(|table| table.sm_config.as_deref()).expect("files");
    assert_eq!((config.len(), config[0].priority, config[0].file.as_deref()), (2, Some(13), Some("/etc/opensm/opensm.conf")));
    let partition = &config[0].partitions.as_deref().expect("a file")[0];
    assert_eq!((partition.pkey, partition.mtu, partition.ipoib, partition.line), (0x7fff, 4096, true, 2));
    assert_eq!(config[1].partitions_file.as_deref(), Some("/etc/opensm/mlx4_1/partitions.conf"));
    assert_eq!(
        gaps(&host),
        ["infiniband.sm_config /etc/opensm/mlx4_1/partitions.conf:1: mtu: 4096 is no code; 4096 bytes are mtu=5"]
    );

    let host = collected(&testdata("ib-enhanced"));
    assert_eq!((ipoib(&host, "ibp59s0").connected_capable, ports(&host)[0].driver.as_deref()), (Some(false), Some("mlx5_core")));

    let host = collected(&testdata("ib-two-ports"));
    let states: Vec<_> = ports(&host).iter().map(|port| (port.port, port.state.as_deref(), port.phys_state.as_deref())).collect();
    assert_eq!(states, [(1, Some("Active"), Some("LinkUp")), (2, Some("Down"), Some("Polling"))]);
    assert_eq!((ipoib(&host, "ib0").port, ipoib(&host, "ib1").port), (Some(1), Some(2)));
    let counters = ports(&host)[0].counters.as_ref().expect("counters");
    assert_eq!((counters.first.len(), counters.last.as_ref()), (5, None), "data are no error");

    let host = collected(&testdata("ib-roce"));
    let port = &ports(&host)[0];
    assert_eq!(
        (port.link_layer.as_deref(), port.port_guid.as_deref(), port.subnet_prefix.as_deref()),
        (Some("Ethernet"), None, None)
    );
    assert!(host.links.iter().flatten().all(|link| link.ipoib.is_none()));
    assert_eq!(gaps(&host), [""; 0]);
}

#[test]
fn no_adapter_is_an_empty_table_and_no_tree_is_a_gap() {
    let folder = tempfile::tempdir().expect("a folder");
    let host = collected(folder.path());
    assert_eq!((host.infiniband.as_ref(), host.modules.as_ref()), (None, None));
    assert!(gaps(&host).iter().any(|gap| gap.starts_with("infiniband /sys/class/infiniband")));
    std::fs::create_dir_all(folder.path().join("sys/class/net")).expect("made");
    let host = collected(folder.path());
    assert_eq!(host.infiniband, Some(evidence::Infiniband::default()));
    assert_eq!(gaps(&host), ["modules /proc/modules: No such file or directory"]);
    assert_eq!(host.modules, None, "a tree without the list of modules says nothing of them");
    std::fs::create_dir_all(folder.path().join("sys/module/kernel")).expect("made");
    assert_eq!(collected(folder.path()).modules, Some(vec![]));
}

/// Every value of a port spoilt in every way, one at a time: one gap that names file and field, and all else as before.
#[test]
fn a_spoilt_value_costs_itself_alone() {
    let whole = enhanced();
    let files: Vec<&str> = whole.keys().filter(|name| name.starts_with("sys/class/infiniband/")).map(String::as_str).collect();
    // Nobody reads these.
    let unread = ["node_type", "sm_sl", "device", "port_rcv_data"];
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), &whole);
    let before = collected(folder.path());
    let mut tried = 0;
    for name in files.into_iter().filter(|name| !unread.iter().any(|end| name.ends_with(end))) {
        let place = folder.path().join(name);
        let kept = std::fs::read(&place).expect("a file");
        for spoilt in ["", "N/A\n", "-1\n", "\u{1b}[31m", "99999999999999999999\n", "x", &"7".repeat(1 << 20)] {
            std::fs::write(&place, spoilt).expect("written");
            let host = collected(folder.path());
            let found = gaps(&host);
            let versions = ["fw_ver", "board_id", "hca_type"].iter().any(|end| name.ends_with(end));
            let lawful = versions && ["-1\n", "99999999999999999999\n", "x"].contains(&spoilt);
            if !lawful {
                assert_eq!(found.len(), 1, "{name} {spoilt:.20?}: {found:?}");
                assert!(
                    found[0].contains(name) && found[0].len() < 400 && !found[0].contains('\u{1b}') || spoilt.contains('\u{1b}'),
                    "{found:?}"
                );
            }
            assert_eq!(ports(&host).len(), 1);
            assert_eq!(host.links, before.links.clone().map(|links| relinked(links, &host)), "{name}");
            tried += 1;
        }
        // A folder in its place is what a file that cannot be read looks like; then nothing at all.
        std::fs::remove_file(&place).expect("removed");
        std::fs::create_dir(&place).expect("made");
        assert_eq!(gaps(&collected(folder.path())).len(), 1, "{name}");
        std::fs::remove_dir(&place).expect("removed");
        let missing = gaps(&collected(folder.path()));
        assert!(missing.len() <= 1, "{name}: {missing:?}");
        std::fs::write(&place, kept).expect("written");
        tried += 2;
    }
    println!("{tried} spoilt values");
    assert_eq!(collected(folder.path()).infiniband, before.infiniband);
    assert!(tried > 150);
}

/// The links as they must be: on which port an interface sits may rest on the GUID that was spoilt.
fn relinked(mut links: Vec<evidence::Link>, host: &evidence::Host) -> Vec<evidence::Link> {
    for link in &mut links {
        if let (Some(settings), Some(now)) = (&mut link.ipoib, host.link(&link.ifname).and_then(|link| link.ipoib.as_ref())) {
            (settings.device, settings.port) = (now.device.clone(), now.port);
        }
    }
    links
}

#[test]
fn a_recording_gives_the_same_evidence() {
    for (name, _) in TREES {
        let folder = tempfile::tempdir().expect("a folder");
        let tree = Tree::open(&testdata(name)).expect("a tree");
        let recorder = Recorder::new(&tree, folder.path(), jiff::Timestamp::UNIX_EPOCH).expect("a recorder");
        let first = collect::host(&recorder, jiff::Timestamp::UNIX_EPOCH);
        recorder.finish().expect("a whole recording");
        assert_eq!(collected(folder.path()), first, "{name}");
    }
}

/// Another host, whose questions are counted and some of whose files cannot be read.
struct Counting<'a> {
    host: &'a dyn Host,
    asked: AtomicUsize,
    /// Files with this ending answer EINVAL, as those of some drivers do while a port is down.
    refused: Option<&'a str>,
}

impl Counting<'_> {
    fn count(&self) {
        self.asked.fetch_add(1, Ordering::Relaxed);
    }
}

impl Host for Counting<'_> {
    fn origin(&self) -> &'static str {
        self.host.origin()
    }
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        self.count();
        if self.refused.is_some_and(|end| path.ends_with(end)) {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        self.host.read(path)
    }
    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        self.count();
        self.host.list(path)
    }
    fn link(&self, path: &str) -> io::Result<String> {
        self.count();
        self.host.link(path)
    }
    fn netlink(&self, family: i32, request: &[u8]) -> io::Result<Vec<u8>> {
        self.count();
        self.host.netlink(family, request)
    }
    fn driver(&self, ifname: &str) -> io::Result<DriverInfo> {
        self.host.driver(ifname)
    }
    fn live(&self) -> bool {
        self.host.live()
    }
}

#[test]
fn a_file_that_the_kernel_refuses_is_a_gap() {
    let tree = Tree::open(&testdata("ib-two-ports")).expect("a tree");
    let host = Counting { host: &tree, asked: AtomicUsize::new(0), refused: Some("ports/2/rate") };
    let (table, gaps) = collect::infiniband(&host);
    let [gap] = gaps.as_slice() else { panic!("{gaps:?}") };
    assert_eq!((gap.what.as_str(), gap.reason), ("infiniband.ports.mlx4_0/2.rate", GapReason::Malformed));
    assert_eq!((gap.place.as_str(), gap.detail.as_str()), ("/sys/class/infiniband/mlx4_0/ports/2/rate", "Invalid argument"));
    let ports = table.expect("a table").ports;
    assert_eq!((ports[0].rate_mbps, ports[1].rate_mbps, ports[1].state.as_deref()), (Some(40_000), None, Some("Down")));
}

/// Eight adapters of two ports, each with a table of 128 `P_Key`s.
#[test]
fn eight_adapters_cost_little() {
    const PKEYS: usize = 128;
    let mut files = Files::new();
    for number in 0..8 {
        let (name, bus) = (format!("mlx5_{number}"), format!("0000:{number:02x}:00.0"));
        let guid = format!("0c42:a103:0059:be{number:x}0");
        let values = [("fw_ver", "16.35.2000"), ("board_id", "MT_0000000008"), ("hca_type", "MT4119"), ("node_guid", &guid)];
        adapter(&mut files, &name, &bus, "mlx5_core", &values);
        for at in 1..=2 {
            let address = format!("fe80:0000:0000:0000:0c42:a103:0059:be{number:x}{at}");
            let rate = [("rate", "100 Gb/sec (4X EDR)"), ("lid", "0x7"), ("sm_lid", "0x1")];
            port(&mut files, &name, at, &[&UP[..], &rate].concat(), &address);
            for key in 1..PKEYS {
                let value = if key == 100 { "0x8001" } else { "0x0000" };
                put(&mut files, &format!("sys/class/infiniband/{name}/ports/{at}"), &[(&format!("pkeys/{key}"), value)]);
            }
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), &files);
    let tree = Tree::open(folder.path()).expect("a tree");
    let host = Counting { host: &tree, asked: AtomicUsize::new(0), refused: None };
    let (table, gaps) = collect::infiniband(&host);
    assert_eq!(gaps, []);
    let ports = table.expect("a table").ports;
    assert_eq!(ports.len(), 16);
    assert!(ports.iter().all(|port| port.pkeys.as_deref() == Some(&[0xffff, 0x8001][..])), "a table may have holes");
    // The folder; of each adapter 4 values, the 3 of them that may be missing looked at before, its device, driver and ports; of each
    // port 9 values, two folders, its keys and 5 counters; the folders and the file of a subnet manager.
    let expected = 1 + 8 * (4 + 3 + 2 + 1) + 16 * (9 + 2 + PKEYS + 5) + 4;
    assert_eq!(host.asked.load(Ordering::Relaxed), expected);
    let took = (0..5).map(|_| {
        let clock = Instant::now();
        let _ = collect::infiniband(&tree);
        clock.elapsed()
    });
    let best = took.min().unwrap_or(Duration::MAX);
    println!("8 adapters, 16 ports, {expected} reads: {:.1} ms, at most 50 wanted", best.as_secs_f64() * 1000.0);
}

/// The settings as rtnetlink has them, in the words of `ip -d -j link` (recorded from the kernel of `ib-connected`).
#[test]
fn netlink_says_the_same_as_ip() {
    let payload = |key: u16, mode: u16| {
        let mut message = Builder::new(0, 0, &[]);
        message.text(1, "ipoib").nest(2, |data| {
            data.put(1, &key.to_ne_bytes()).put(2, &mode.to_ne_bytes()).put(3, &0_u16.to_ne_bytes());
        });
        message.finish()[nla::HEADER..].to_vec()
    };
    let info = linkinfo::read(&payload(0xffff, 1), &BTreeMap::new());
    assert_eq!(info.info_kind.as_deref(), Some("ipoib"));
    let expected = serde_json::json!({ "key": "0xffff", "mode": "connected", "umcast": "0000" });
    assert_eq!(serde_json::to_value(&info.info_data).expect("JSON"), expected);
    let info = linkinfo::read(&payload(1, 0), &BTreeMap::new());
    assert_eq!((&info.info_data["key"], &info.info_data["mode"]), (&"0x0001".into(), &"datagram".into()));
}

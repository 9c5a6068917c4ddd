//! Announcements that are cut off, contradict themselves or make no sense: what is wrong is said, the rest is used.

use pathvet_checks::evidence::Lldp;
use pathvet_checks::parse::capture;
use pathvet_checks::wire::lldp::{Announcement, decode};
use pathvet_checks::wire::pcap::Capture;

fn bytes(name: &str) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/lldp").join(name);
    std::fs::read(path).expect("testdata is part of it")
}

fn units(name: &str) -> Vec<Announcement> {
    let bytes = bytes(name);
    let frames = Capture::open(&bytes).expect("a capture").map(|frame| frame.expect("a whole one"));
    frames.map(|frame| decode(frame.payload().expect("an Ethernet frame").bytes)).collect()
}

fn faults(unit: &Announcement) -> Vec<String> {
    unit.faults.iter().map(ToString::to_string).collect()
}

fn neighbour(unit: &Announcement) -> &Lldp {
    unit.neighbour.as_ref().expect("a neighbour")
}

#[test]
fn each_fault_is_named_and_the_rest_is_used() {
    let units = units("hostile.pcap");
    let [cut, twice, beyond, nobody, odd, over, cin, text, gone] = units.as_slice() else { panic!("{} units", units.len()) };

    assert_eq!(
        faults(cut),
        [
            "PFC (00-80-c2 11): 1 bytes where 2 are needed",
            "ETS configuration (00-80-c2 9): 20 bytes where 21 are needed",
            "management address: an address of 17 bytes of which 3 are there",
        ]
    );
    assert_eq!((neighbour(cut).max_frame_size, neighbour(cut).dcb.is_none()), (Some(9216), true));

    assert_eq!(
        faults(twice),
        [
            "system name: a second one that differs; the first is used",
            "PFC (00-80-c2 11): a second one that differs; the first is used",
            "link aggregation (00-80-c2 7): its two forms differ; the first is used",
        ]
    );
    let lldp = neighbour(twice);
    assert_eq!((lldp.system_name.as_deref(), lldp.aggregation.map(|found| found.enabled)), (Some("tor1"), Some(true)));
    let pfc = lldp.dcb.as_ref().and_then(|dcb| dcb.pfc.as_ref()).expect("the first");
    assert_eq!((pfc.prio_pfc[3], pfc.prio_pfc[4]), (true, false));

    assert_eq!(faults(beyond), ["PFC (00-80-c2 11): 511 bytes of which 4 are there"]);
    assert_eq!(neighbour(beyond).max_frame_size, Some(9216));

    assert_eq!(
        faults(nobody),
        ["time to live: it is TLV number 1", "chassis id: it is missing, so nobody knows who announces this"]
    );
    assert!(nobody.neighbour.is_none());

    assert_eq!(faults(odd), ["CEE DCBX (00-1b-21 2): a second one that differs; the first is used"]);
    assert_eq!(faults(over), ["CEE DCBX (00-1b-21 2): sub-TLV 4 has 255 bytes where 1 are left"]);
    assert!(neighbour(over).dcb.as_ref().and_then(|dcb| dcb.pfc.as_ref()).is_some_and(|pfc| pfc.prio_pfc[3]));

    assert_eq!(faults(cin), [""; 0]);
    let dcb = neighbour(cin).dcb.as_ref().expect("CIN");
    assert_eq!((dcb.variant.as_deref(), dcb.dcbx.as_deref()), (Some("cee"), Some(&["cin".to_string()][..])));
    let ets = dcb.ets.as_ref().expect("groups");
    assert_eq!((ets.prio_tc, ets.tc_bw), ([0, 0, 0, 1, 0, 0, 0, 15], [50, 50, 0, 0, 0, 0, 0, 0]));
    assert!(dcb.pfc.as_ref().is_some_and(|pfc| pfc.prio_pfc[3]));
    let app = &dcb.app.as_ref().expect("FCoE")[0];
    assert_eq!((app.selector.as_str(), app.protocol, app.priority), ("ethtype", 0x8906, 3));

    let lldp = neighbour(text);
    assert_eq!((lldp.chassis_id.as_str(), lldp.port_id.as_str()), ("tor\u{1b}[2J\u{fffd}", "01:02"));
    assert_eq!(lldp.port_description.as_deref(), Some("port"));

    assert!(gone.shutdown && gone.faults.is_empty());
}

#[test]
fn no_prefix_of_an_announcement_is_worse_than_its_end_missing() {
    for name in ["hostile.pcap", "lldpd_dcbx.pcap", "guest-lldpad.pcap"] {
        let bytes = bytes(name);
        for frame in Capture::open(&bytes).expect("a capture").map_while(Result::ok) {
            let Some(payload) = frame.payload() else { continue };
            for end in 0..payload.bytes.len() {
                let cut = decode(&payload.bytes[..end]);
                assert!(cut.faults.len() <= 32);
            }
        }
        // The same of the file itself.
        let whole = capture::read(&bytes, None).expect("a capture");
        for end in 24..bytes.len() {
            let cut = capture::read(&bytes[..end], None).expect("its header is whole");
            assert!(cut.frames <= whole.frames && (cut.frames == whole.frames || cut.cut.is_some() || end < bytes.len()));
        }
    }
}

#[test]
fn a_capture_keeps_the_last_word_of_each_neighbour() {
    let found = capture::read(&bytes("lldpd_dcbx.pcap"), Some("eth0")).expect("a capture");
    assert_eq!((found.frames, found.announcements), (12, 12));
    // The only neighbour says good-bye at the end.
    assert_eq!(found.neighbours.get("eth0").map(Vec::len), Some(0));
    assert_eq!(found.cut, None);
    let found = capture::read(&bytes("guest-lldpad.pcap"), None).expect("a capture");
    let heard = found.neighbours.get(capture::UNNAMED).expect("neighbours");
    assert_eq!(heard.len(), 2);
    assert_eq!((heard[0].max_frame_size, heard[1].max_frame_size), (Some(9018), None));
    assert!(heard.iter().all(|lldp| lldp.source.as_deref() == Some("nearest-bridge")));
    let pfc = |at: usize| heard[at].dcb.as_ref().and_then(|dcb| dcb.pfc.clone()).expect("PFC");
    assert_eq!((pfc(0).prio_pfc, pfc(0).willing.is_some()), (pfc(1).prio_pfc, true), "the willing one took it over");
    assert_eq!(capture::read(b"no capture", None).expect_err("none").why, "neither pcap nor pcapng");
}

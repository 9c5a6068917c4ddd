//! LLDP data units, captures, what lldpd and lldptool print, and DCB netlink.

use super::samples::{recorded, texts};
use pathvet_checks::parse::{capture, lldpd, lldptool};
use pathvet_checks::wire::pcap::Capture;
use pathvet_checks::wire::{dcbnl, lldp, nla};

/// An LLDP data unit.
pub fn lldp(bytes: &[u8]) -> bool {
    let read = lldp::decode(bytes);
    assert!(read.faults.len() <= 32, "{} faults", read.faults.len());
    assert!(!read.shutdown || read.neighbour.is_some());
    // What follows the end, or a unit that was read whole, changes nothing.
    if let Some(neighbour) = &read.neighbour {
        let text = serde_json::to_string(neighbour).expect("a neighbour is JSON");
        assert_eq!(serde_json::from_str::<pathvet_checks::evidence::Lldp>(&text).expect("it is read back"), *neighbour);
        if read.faults.is_empty() && bytes.ends_with(&[0, 0]) {
            assert_eq!(lldp::decode(&[bytes, &[0; 30]].concat()), read, "padding");
        }
    }
    read.neighbour.is_some()
}

/// A capture, and the LLDP in it.
pub fn captures(bytes: &[u8]) -> bool {
    let Ok(found) = capture::read(bytes, None) else { return false };
    let frames = Capture::open(bytes).expect("it was one before").map_while(Result::ok);
    let (mut count, mut kept) = (0, 0);
    for frame in frames {
        count += 1;
        kept += frame.bytes.len();
        assert_eq!(frame.number, count);
        if let Some(payload) = frame.payload() {
            assert!(payload.bytes.len() < frame.bytes.len());
        }
    }
    assert_eq!(count, found.frames);
    assert!(kept <= bytes.len() && found.announcements <= found.frames, "no byte is read twice");
    assert!(found.neighbours.values().map(Vec::len).sum::<usize>() <= found.announcements);
    found.announcements > 0
}

/// What lldpctl and lldptool print.
pub fn neighbours(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let json = lldpd::read(&text).is_ok_and(|read| !read.found.is_empty());
    let (lldp, faults) = lldptool::read(&text);
    assert!(faults.iter().all(|fault| (1..=text.lines().count()).contains(&usize::try_from(fault.line).expect("small"))));
    json || lldp.is_some()
}

/// Answers of DCB netlink: what is read without a fault is written back to the same meaning.
pub fn dcb(bytes: &[u8]) -> bool {
    let mut understood = false;
    for message in nla::messages(bytes).map_while(Result::ok) {
        let Some((reply, faults)) = dcbnl::parse(message.body) else { continue };
        let (ieee, cee, runs_cee) = (reply.ieee_evidence(), reply.cee_evidence(), reply.runs_cee());
        understood |= ieee.pfc.is_some() || cee.pfc.is_some();
        if faults.is_empty() {
            let written = reply.emit();
            let again = nla::messages(&written).next().expect("a message").expect("a whole one");
            let (again, faults) = dcbnl::parse(again.body).expect("long enough");
            assert_eq!((again.ieee_evidence(), again.cee_evidence(), again.runs_cee()), (ieee, cee, runs_cee), "{faults:?}");
        }
    }
    understood
}

fn pcaps() -> Vec<Vec<u8>> {
    recorded("lldp", |path| path.extension().is_some_and(|end| end == "pcap"))
}

pub(super) fn lldp_samples() -> Vec<Vec<u8>> {
    let mut units: Vec<Vec<u8>> = Vec::new();
    for bytes in pcaps() {
        for frame in Capture::open(&bytes).expect("a capture").map_while(Result::ok) {
            units.extend(
                frame.payload().filter(|payload| payload.ethertype == lldp::ETHERTYPE).map(|payload| payload.bytes.to_vec()),
            );
        }
    }
    units
}

/// Classic captures as they are and with the byte order and resolution of others, and the same frames as pcapng.
pub(super) fn capture_samples() -> Vec<Vec<u8>> {
    let mut captures = pcaps();
    for (word, bytes) in [[0xa1_u8, 0xb2, 0xc3, 0xd4], [0x4d, 0x3c, 0xb2, 0xa1]].iter().zip(pcaps()) {
        captures.push([word, &bytes[4..]].concat());
    }
    let mut ng = Vec::new();
    let mut block = |kind: u32, body: &[u8]| {
        let length = u32::try_from(12 + body.len().next_multiple_of(4)).expect("small").to_le_bytes();
        ng.extend_from_slice(&kind.to_le_bytes());
        ng.extend_from_slice(&length);
        ng.extend_from_slice(body);
        ng.resize(ng.len().next_multiple_of(4), 0);
        ng.extend_from_slice(&length);
    };
    block(0x0a0d_0d0a, &[0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255]);
    block(1, &[1, 0, 0, 0, 0, 0, 4, 0, 2, 0, 4, 0, b'e', b't', b'h', b'0', 9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
    for unit in lldp_samples() {
        let frame = [&[0x01, 0x80, 0xc2, 0, 0, 0x0e, 2, 0, 0, 0, 0, 1, 0x81, 0, 0, 5, 0x88, 0xcc][..], &unit].concat();
        let length = u32::try_from(frame.len()).expect("small").to_le_bytes();
        block(6, &[&[0, 0, 0, 0, 1, 2, 3, 0, 4, 5, 6, 7][..], &length, &length, &frame].concat());
        block(3, &[&length[..], &frame].concat());
    }
    captures.push(ng);
    captures
}

pub(super) fn neighbour_samples() -> Vec<Vec<u8>> {
    let mut samples = recorded("lldp", |path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("lldp") && !name.to_string_lossy().ends_with("pcap"))
    });
    samples.extend(texts(&[
        "Chassis ID TLV\n\tLocal: a\nPort ID TLV\n\tIfname: b\nIEEE 8021QAZ APP TLV\n\tApp#0:\n\t Priority: 2\n\t Sel: 2\n\t {S}TCP Port: 3260\n",
        "{\"lldp\":{\"interface\":[{\"a\":[{\"via\":\"LLDP\",\"chassis\":{\"id\":{\"type\":\"mac\",\"value\":\"x\"}},\"port\":{\"id\":{\"value\":\"y\"}}}]}]}}",
    ]));
    samples
}

/// The recorded answers of a kernel with DCB devices.
pub(super) fn dcb_samples() -> Vec<Vec<u8>> {
    let recording = recorded("dcb", |path| path.extension().is_some_and(|end| end == "txt")).concat();
    let text = String::from_utf8_lossy(&recording).into_owned();
    let digits = text.lines().filter_map(|line| line.strip_prefix("  rx "));
    let byte = |pair: &[u8]| u8::from_str_radix(&String::from_utf8_lossy(pair), 16).expect("hexadecimal");
    digits.map(|line| line.as_bytes().chunks_exact(2).map(byte).collect()).collect()
}

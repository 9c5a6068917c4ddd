//! Every capture of `testdata` and, where it is there, of `../shared/captures`, decoded by us and by tshark, field by field.

use pathvet_checks::evidence::{App, Dcb, Ets, Lldp};
use pathvet_checks::wire::lldp::{ETHERTYPE, add_organised, decode};
use pathvet_checks::wire::pcap::Capture;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

const TSHARK: &str = "/usr/bin/tshark";
const BETWEEN: &str = "\u{1e}";

/// What stands once in a data unit, as text.
const ONCE: [&str; 13] = [
    "lldp.chassis.id.mac",
    "lldp.chassis.id.ip4",
    "lldp.port.id.mac",
    "lldp.port.id",
    "lldp.time_to_live",
    "lldp.port.desc",
    "lldp.tlv.system.name",
    "lldp.tlv.system.desc",
    "lldp.tlv.enable_system_cap",
    "lldp.ieee.802_1.port_vlan.id",
    "lldp.ieee.802_3.max_frame_size",
    "lldp.ieee.802_3.aggregated_port_id",
    "lldp.ieee.802_1.aggregated_port_id",
];
/// What may stand there several times; the order is that of the TLVs.
const MANY: [&str; 20] = [
    "lldp.mgn.addr.ip4",
    "lldp.mgn.addr.ip6",
    "lldp.ieee.802_1.vlan.id",
    "lldp.ieee.802_1.vlan.name",
    "lldp.ieee.802_3.aggregation_status.cap",
    "lldp.ieee.802_3.aggregation_status.enabled",
    "lldp.ieee.802_1.aggregation_status.cap",
    "lldp.ieee.802_1.aggregation_status.enabled",
    "lldp.dcbx.ieee.willing",
    "lldp.dcbx.ieee.ets.cbs",
    "lldp.dcbx.ieee.ets.maxtcs",
    "lldp.dcbx.ieee.pfc.mbc",
    "lldp.dcbx.ieee.pfc.numtcs",
    "lldp.dcbx.ieee.app.prio",
    "lldp.dcbx.iee.app.sf",
    "lldp.dcbx.feature.app.proto",
    "lldp.dcbx.feature.app.prio",
    "lldp.dcbx.feature.pg.numtcs",
    "lldp.dcbx.feature.pfc.numtcs",
    "lldp.dcbx.feature.willing",
];

/// The same with a number from 0 to 7 behind it: of each priority, group or class.
const EIGHT: [&str; 4] =
    ["lldp.dcbx.feature.pg.pgid_prio", "lldp.dcbx.feature.pg.per", "lldp.dcbx.ieee.ets.tsa", "lldp.dcbx.feature.pfc.prio"];

fn fields() -> Vec<String> {
    let eight = EIGHT.iter().flat_map(|field| (0..8).map(move |at| format!("{field}{at}")));
    ONCE.iter().chain(&MANY).map(ToString::to_string).chain(eight).collect()
}

type Values = BTreeMap<String, Vec<String>>;

/// What tshark says, by frame.
fn theirs(capture: &Path) -> BTreeMap<usize, (Values, bool)> {
    let mut command = Command::new(TSHARK);
    command.arg("-r").arg(capture).args(["-Y", "lldp", "-T", "fields", "-E", "occurrence=a", "-E", "separator=/t"]);
    command.args([
        "-E".to_owned(),
        format!("aggregator={BETWEEN}"),
        "-e".into(),
        "frame.number".into(),
        "-e".into(),
        "_ws.malformed".into(),
    ]);
    let fields = fields();
    for field in &fields {
        command.args(["-e", field]);
    }
    let output = command.output().expect("tshark runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut frames = BTreeMap::new();
    for line in text.lines() {
        let mut cells = line.split('\t');
        let number = cells.next().and_then(|cell| cell.parse().ok()).expect("a number");
        let malformed = cells.next().is_some_and(|cell| !cell.is_empty());
        let values = fields.iter().zip(cells).filter(|(_, cell)| !cell.is_empty());
        let values = values.map(|(field, cell)| (field.clone(), cell.split(BETWEEN).map(plain).collect()));
        frames.insert(number, (values.collect(), malformed));
    }
    frames
}

/// Numbers in one way of writing them.
fn plain(text: &str) -> String {
    let number = text.strip_prefix("0x").and_then(|digits| u32::from_str_radix(digits, 16).ok());
    match (number, text) {
        (Some(number), _) => number.to_string(),
        (None, "True") => "1".into(),
        (None, "False") => "0".into(),
        (None, other) => other.to_owned(),
    }
}

/// The TLVs of a data unit: type and value.
fn tlvs(mut unit: &[u8]) -> Vec<(u16, &[u8])> {
    let mut found = Vec::new();
    while let Some((head, rest)) = unit.split_first_chunk::<2>() {
        let head = u16::from_be_bytes(*head);
        let (kind, length) = (head >> 9, usize::from(head & 0x1ff));
        match rest.split_at_checked(length) {
            Some((value, next)) if kind != 0 => {
                found.push((kind, value));
                unit = next;
            }
            _ => break,
        }
    }
    found
}

struct Ours(Values);

impl Ours {
    fn put(&mut self, field: &str, value: impl std::fmt::Display) {
        self.0.entry(field.to_owned()).or_default().push(format!("{value}"));
    }

    fn flag(&mut self, field: &str, value: Option<bool>) {
        if let Some(value) = value {
            self.put(field, u8::from(value));
        }
    }

    fn unit(&mut self, lldp: &Lldp) {
        match lldp.chassis_id_type.as_deref() {
            Some("mac") => self.put("lldp.chassis.id.mac", &lldp.chassis_id),
            Some("ip") => self.put("lldp.chassis.id.ip4", &lldp.chassis_id),
            _ => {}
        }
        match lldp.port_id_type.as_deref() {
            Some("mac") => self.put("lldp.port.id.mac", &lldp.port_id),
            Some("ip") => {}
            _ => self.put("lldp.port.id", &lldp.port_id),
        }
        lldp.ttl.into_iter().for_each(|ttl| self.put("lldp.time_to_live", ttl));
        let texts = [
            ("lldp.port.desc", &lldp.port_description),
            ("lldp.tlv.system.name", &lldp.system_name),
            ("lldp.tlv.system.desc", &lldp.system_description),
        ];
        for (field, text) in texts {
            text.iter()
                .filter(|text| !text.is_empty())
                .for_each(|text| self.put(field, text.replace("\r\n", "\\r\\n").replace('\n', "\\n")));
        }
        for address in &lldp.management_addresses {
            if address.contains('.') {
                self.put("lldp.mgn.addr.ip4", address);
            } else if address.parse::<std::net::Ipv6Addr>().is_ok() {
                self.put("lldp.mgn.addr.ip6", address);
            }
        }
    }

    fn ets(&mut self, ets: &Ets) {
        for at in 0..8 {
            self.put(&format!("{}{at}", EIGHT[0]), ets.prio_tc[at]);
            self.put(&format!("{}{at}", EIGHT[1]), ets.tc_bw[at]);
        }
    }

    /// A TLV of an organisation, on its own.
    fn organised(&mut self, oui: [u8; 3], lldp: &Lldp) {
        lldp.port_vlan.into_iter().for_each(|id| self.put("lldp.ieee.802_1.port_vlan.id", id));
        for vlan in &lldp.vlans {
            self.put("lldp.ieee.802_1.vlan.id", vlan.id);
            if !vlan.name.is_empty() {
                self.put("lldp.ieee.802_1.vlan.name", &vlan.name);
            }
        }
        lldp.max_frame_size.into_iter().for_each(|size| self.put("lldp.ieee.802_3.max_frame_size", size));
        if let Some(found) = lldp.aggregation {
            let standard = if oui == [0, 0x12, 0x0f] { "3" } else { "1" };
            self.flag(&format!("lldp.ieee.802_{standard}.aggregation_status.cap"), Some(found.capable));
            self.flag(&format!("lldp.ieee.802_{standard}.aggregation_status.enabled"), Some(found.enabled));
            self.put(&format!("lldp.ieee.802_{standard}.aggregated_port_id"), found.id);
        }
        let Some(dcb) = &lldp.dcb else { return };
        if oui == [0, 0x1b, 0x21] { self.cee(dcb) } else { self.ieee(dcb) }
    }

    fn ieee(&mut self, dcb: &Dcb) {
        for ets in dcb.ets.iter().chain(&dcb.ets_recommendation) {
            self.flag("lldp.dcbx.ieee.willing", ets.willing);
            self.flag("lldp.dcbx.ieee.ets.cbs", ets.cbs);
            ets.ets_cap.into_iter().for_each(|classes| self.put("lldp.dcbx.ieee.ets.maxtcs", classes % 8));
            self.ets(ets);
            for at in 0..8 {
                let number = match ets.tc_tsa[at].as_str() {
                    "strict" => "0",
                    "cbs" => "1",
                    "ets" => "2",
                    "vendor" => "255",
                    other => other,
                };
                self.put(&format!("{}{at}", EIGHT[2]), number);
            }
        }
        if let Some(pfc) = &dcb.pfc {
            self.flag("lldp.dcbx.ieee.willing", pfc.willing);
            self.flag("lldp.dcbx.ieee.pfc.mbc", pfc.macsec_bypass);
            pfc.pfc_cap.into_iter().for_each(|classes| self.put("lldp.dcbx.ieee.pfc.numtcs", classes));
            self.pfc(pfc.prio_pfc);
        }
        for App { selector, protocol, priority } in dcb.app.iter().flatten() {
            let number = match selector.as_str() {
                "default" | "ethtype" => "1",
                "stream-port" => "2",
                "dgram-port" => "3",
                "port" => "4",
                "dscp" => "5",
                other => other,
            };
            self.put("lldp.dcbx.ieee.app.prio", priority);
            self.put("lldp.dcbx.iee.app.sf", number);
            self.put("lldp.dcbx.feature.app.proto", protocol);
        }
    }

    fn pfc(&mut self, on: [bool; 8]) {
        on.iter().enumerate().for_each(|(at, on)| self.flag(&format!("{}{at}", EIGHT[3]), Some(*on)));
    }

    fn cee(&mut self, dcb: &Dcb) {
        if let Some(ets) = &dcb.ets {
            self.flag("lldp.dcbx.feature.willing", ets.willing);
            self.ets(ets);
            ets.ets_cap.into_iter().for_each(|classes| self.put("lldp.dcbx.feature.pg.numtcs", classes));
        }
        if let Some(pfc) = &dcb.pfc {
            self.flag("lldp.dcbx.feature.willing", pfc.willing);
            self.pfc(pfc.prio_pfc);
            pfc.pfc_cap.into_iter().for_each(|classes| self.put("lldp.dcbx.feature.pfc.numtcs", classes));
        }
        // Of an entry's bitmap tshark tells the lowest priority alone.
        let mut last = None;
        for App { selector, protocol, priority } in dcb.app.iter().flatten() {
            if last != Some((selector, *protocol)) {
                self.put("lldp.dcbx.feature.app.proto", protocol);
                self.put("lldp.dcbx.feature.app.prio", priority);
            }
            last = Some((selector, *protocol));
        }
    }
}

fn ours(unit: &[u8]) -> (Values, usize) {
    let read = decode(unit);
    let mut values = Ours(BTreeMap::new());
    read.neighbour.iter().for_each(|lldp| values.unit(lldp));
    for (kind, value) in tlvs(unit) {
        match (kind, value) {
            (7, &[_, _, high, low]) => values.put("lldp.tlv.enable_system_cap", u16::from_be_bytes([high, low])),
            (127, &[a, b, c, subtype, ref value @ ..]) => {
                let mut lldp = Lldp::default();
                add_organised(&mut lldp, [([a, b, c], subtype, value)]);
                values.organised([a, b, c], &lldp);
            }
            _ => {}
        }
    }
    (values.0, read.faults.len())
}

#[test]
fn tshark_says_the_same() {
    if !Path::new(TSHARK).exists() {
        println!("SKIPPED: {TSHARK} is not installed");
        assert!(std::env::var_os("CI").is_none());
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut captures: Vec<PathBuf> = Vec::new();
    for folder in ["testdata/lldp", "../shared/captures"] {
        match std::fs::read_dir(root.join(folder)) {
            Ok(entries) => captures.extend(entries.map(|entry| entry.expect("readable").path())),
            Err(_) => println!("ABSENT: {folder}"),
        }
    }
    captures.retain(|path| path.extension().is_some_and(|end| end == "pcap" || end == "pcapng"));
    captures.sort();
    assert!(captures.len() >= 3);
    let (mut units, mut compared, mut wrong) = (0, 0, Vec::new());
    for path in &captures {
        let bytes = std::fs::read(path).expect("readable");
        let theirs = theirs(path);
        let mut heard = 0;
        for frame in Capture::open(&bytes).expect("a capture").map(|frame| frame.expect("whole")) {
            let Some(payload) = frame.payload().filter(|payload| payload.ethertype == ETHERTYPE) else { continue };
            heard += 1;
            let (ours, faults) = ours(payload.bytes);
            let (theirs, malformed) =
                theirs.get(&frame.number).unwrap_or_else(|| panic!("{}: frame {}", path.display(), frame.number));
            let what = format!("{} frame {} ({faults} faults, malformed: {malformed})", path.display(), frame.number);
            for field in fields() {
                let (ours, mut theirs) = (ours.get(&field).cloned(), theirs.get(&field).cloned());
                if field == "lldp.dcbx.feature.willing" {
                    // That of CEE's applications is not kept; it is the last of them.
                    if let Some(theirs) = &mut theirs {
                        theirs.truncate(ours.as_ref().map_or(0, Vec::len));
                    }
                }
                // What tshark calls malformed it reads no further.
                let given_up = *malformed && theirs.is_none();
                // Of what was made to be wrong, `checks/tests/lldp_hostile.rs` says what is read; tshark reads CIN as CEE, and both of two.
                let made_wrong = path.ends_with("testdata/lldp/hostile.pcap") && (*malformed || faults > 0);
                if ours == theirs || given_up || made_wrong {
                    compared += if given_up || ours != theirs { 0 } else { ours.map_or(0, |ours| ours.len()) };
                } else {
                    wrong.push(format!("{what}: {field}: ours {ours:?}, theirs {theirs:?}"));
                }
            }
        }
        assert_eq!(heard, theirs.len(), "{}: data units", path.display());
        units += heard;
    }
    println!("{compared} fields of {units} data units in {} captures compared with tshark", captures.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

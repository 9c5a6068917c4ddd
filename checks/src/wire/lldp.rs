//! LLDP data units (IEEE 802.1AB clause 8): what a link partner announces, TLV by TLV.
//!
//! Every length is checked. What is cut off, contradicts itself or makes no sense is a [`Fault`]; the rest is used.

use super::dcbx;
use crate::evidence::{Aggregation, Lldp, LldpVlan};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Write as _;
use core::net::{Ipv4Addr, Ipv6Addr};

/// The `EtherType` of LLDP.
pub const ETHERTYPE: u16 = 0x88cc;
/// Where announcements go to (802.1AB table 7-1), and what [`Lldp::source`] says for each.
pub const GROUPS: [([u8; 6], &str); 3] = [
    ([0x01, 0x80, 0xc2, 0, 0, 0x0e], "nearest-bridge"),
    ([0x01, 0x80, 0xc2, 0, 0, 0x03], "nearest-non-tpmr-bridge"),
    ([0x01, 0x80, 0xc2, 0, 0, 0x00], "nearest-customer-bridge"),
];
/// Most faults of one announcement that are told.
const FAULTS: usize = 16;
/// Most entries of a list in one announcement; a frame of 1500 bytes has fewer.
const ENTRIES: usize = 512;

const DOT1: [u8; 3] = [0x00, 0x80, 0xc2];
const DOT3: [u8; 3] = [0x00, 0x12, 0x0f];
const CEE: [u8; 3] = [0x00, 0x1b, 0x21];

/// What could not be read of an announcement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{tlv}: {why}")]
pub struct Fault {
    /// The TLV, by name or number.
    pub tlv: String,
    /// What is wrong with it.
    pub why: String,
}

/// One data unit, read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Announcement {
    /// Who announces what; `None` where it does not say who it is. `source` is not filled in.
    pub neighbour: Option<Lldp>,
    /// TTL 0: the neighbour says that it is gone (802.1AB 9.1.2.2).
    pub shutdown: bool,
    /// What could not be read.
    pub faults: Vec<Fault>,
}

/// Reads a data unit: what follows the `EtherType`, padding included.
#[must_use]
pub fn decode(bytes: &[u8]) -> Announcement {
    let mut reader = Reader::default();
    let mut rest = bytes;
    let mut position = 0;
    loop {
        let Some((head, after)) = rest.split_first_chunk::<2>() else {
            if !rest.is_empty() {
                reader.fault("data unit".into(), "one byte is left where a TLV begins".into());
            }
            break;
        };
        let head = u16::from_be_bytes(*head);
        let (kind, length) = (head >> 9, usize::from(head & 0x1ff));
        let Some((value, next)) = after.split_at_checked(length) else {
            reader.fault(name(kind, after), format!("{length} bytes of which {} are there", after.len()));
            break;
        };
        // What follows the end is padding.
        if kind == 0 {
            break;
        }
        reader.tlv(position, kind, value);
        position += 1;
        rest = next;
    }
    reader.finish()
}

/// Adds TLVs of organisations to what is known of a neighbour already: OUI, subtype and what follows them. Says what cannot be
/// read of them.
pub fn add_organised<'a>(lldp: &mut Lldp, tlvs: impl IntoIterator<Item = ([u8; 3], u8, &'a [u8])>) -> Vec<Fault> {
    let mut reader = Reader { lldp: core::mem::take(lldp), ..Reader::default() };
    for ([a, b, c], subtype, value) in tlvs {
        reader.tlv(3, 127, &[&[a, b, c, subtype], value].concat());
    }
    *lldp = reader.lldp;
    lldp.dcb = reader.dcbx.evidence().or_else(|| lldp.dcb.take());
    reader.faults
}

/// A TLV's name: that of 802.1AB, or OUI and subtype.
fn name(kind: u16, value: &[u8]) -> String {
    let fixed = match kind {
        1 => "chassis id",
        2 => "port id",
        3 => "time to live",
        4 => "port description",
        5 => "system name",
        6 => "system description",
        7 => "system capabilities",
        8 => "management address",
        127 => {
            return match value.first_chunk::<4>() {
                Some(&[a, b, c, subtype]) => organised([a, b, c], subtype),
                None => "TLV 127".to_owned(),
            };
        }
        _ => return format!("TLV {kind}"),
    };
    fixed.to_owned()
}

fn organised(oui: [u8; 3], subtype: u8) -> String {
    let what = match (oui, subtype) {
        (DOT1, 1) => "port VLAN",
        (DOT1, 3) => "VLAN name",
        (DOT1, 7) | (DOT3, 3) => "link aggregation",
        (DOT1, 9) => "ETS configuration",
        (DOT1, 10) => "ETS recommendation",
        (DOT1, 11) => "PFC",
        (DOT1, 12) => "application priority",
        (DOT3, 4) => "maximum frame size",
        (CEE, 1) => "CIN DCBX",
        (CEE, 2) => "CEE DCBX",
        _ => "TLV 127",
    };
    let [a, b, c] = oui;
    format!("{what} ({a:02x}-{b:02x}-{c:02x} {subtype})")
}

#[derive(Default)]
struct Reader {
    lldp: Lldp,
    chassis: bool,
    port: bool,
    /// What may stand there once: type, OUI and subtype, and what it said.
    seen: Vec<(u16, [u8; 4], Vec<u8>)>,
    dcbx: dcbx::Heard,
    faults: Vec<Fault>,
}

impl Reader {
    fn fault(&mut self, tlv: String, why: String) {
        if self.faults.len() < FAULTS {
            self.faults.push(Fault { tlv, why });
        }
    }

    fn tlv(&mut self, position: usize, kind: u16, value: &[u8]) {
        // Chassis, port and TTL come first, in this order (802.1AB 8.2).
        let due = u16::try_from(position + 1).unwrap_or(u16::MAX);
        if (kind <= 3 || due <= 3) && kind != due && !self.seen.iter().any(|(seen, ..)| *seen == kind) {
            self.fault(name(kind, value), format!("it is TLV number {due}"));
        }
        if !self.first(kind, value) {
            return;
        }
        if let Err(why) = self.read(kind, value) {
            self.fault(name(kind, value), why);
        }
    }

    /// Whether it is the first of its kind, where there may be only one. A second one that says the same is no fault.
    fn first(&mut self, kind: u16, value: &[u8]) -> bool {
        let id = match (kind, value.first_chunk::<4>()) {
            (1..=7, _) => [0; 4],
            (127, Some(&[0x00, 0x80, 0xc2, subtype @ (1 | 7 | 9..=12)])) => [0x00, 0x80, 0xc2, subtype],
            (127, Some(&[0x00, 0x12, 0x0f, subtype @ (3 | 4)])) => [0x00, 0x12, 0x0f, subtype],
            (127, Some(&[0x00, 0x1b, 0x21, subtype @ (1 | 2)])) => [0x00, 0x1b, 0x21, subtype],
            _ => return true,
        };
        match self.seen.iter().find(|(seen, seen_id, _)| (*seen, *seen_id) == (kind, id)) {
            None => {
                self.seen.push((kind, id, value.to_vec()));
                true
            }
            Some((.., said)) if said == value => false,
            Some(_) => {
                self.fault(name(kind, value), "a second one that differs; the first is used".into());
                false
            }
        }
    }

    fn read(&mut self, kind: u16, value: &[u8]) -> Result<(), String> {
        match kind {
            1 => {
                let (kind, id) = id(value, CHASSIS)?;
                (self.lldp.chassis_id_type, self.lldp.chassis_id, self.chassis) = (Some(kind), id, true);
            }
            2 => {
                let (kind, id) = id(value, PORT)?;
                (self.lldp.port_id_type, self.lldp.port_id, self.port) = (Some(kind), id, true);
            }
            3 => self.lldp.ttl = Some(number(value)?),
            4 => self.lldp.port_description = Some(text(value)),
            5 => self.lldp.system_name = Some(text(value)),
            6 => self.lldp.system_description = Some(text(value)),
            7 => {
                let &[_, _, high, low] = value.first_chunk().ok_or_else(|| short(value, 4))?;
                self.lldp.capabilities = capabilities(u16::from_be_bytes([high, low]));
            }
            8 => {
                let address = management_address(value)?;
                if self.lldp.management_addresses.len() < ENTRIES && !self.lldp.management_addresses.contains(&address) {
                    self.lldp.management_addresses.push(address);
                }
            }
            127 => {
                let (&[a, b, c, subtype], rest) = value.split_first_chunk().ok_or_else(|| short(value, 4))?;
                return self.organised([a, b, c], subtype, rest);
            }
            _ => {}
        }
        Ok(())
    }

    fn organised(&mut self, oui: [u8; 3], subtype: u8, value: &[u8]) -> Result<(), String> {
        match (oui, subtype) {
            (DOT1, 1) => self.lldp.port_vlan = Some(number(value)?),
            (DOT1, 3) => {
                let id = number(value)?;
                let &length = value.get(2).ok_or_else(|| short(value, 3))?;
                let name = value.get(3..3 + usize::from(length)).ok_or_else(|| short(value, 3 + usize::from(length)))?;
                let vlan = LldpVlan { id, name: text(name) };
                if self.lldp.vlans.len() < ENTRIES && !self.lldp.vlans.contains(&vlan) {
                    self.lldp.vlans.push(vlan);
                }
            }
            (DOT1, 7) | (DOT3, 3) => {
                let &[status, a, b, c, d] = value.first_chunk().ok_or_else(|| short(value, 5))?;
                let id = u32::from_be_bytes([a, b, c, d]);
                let found = Aggregation { capable: status & 1 != 0, enabled: status & 2 != 0, id };
                if self.lldp.aggregation.is_some_and(|known| known != found) {
                    return Err("its two forms differ; the first is used".into());
                }
                self.lldp.aggregation = Some(found);
            }
            (DOT1, 9..=12) => return self.dcbx.ieee(subtype, value),
            (DOT3, 4) => self.lldp.max_frame_size = Some(number(value)?),
            (CEE, 1 | 2) => {
                for why in self.dcbx.cee(subtype, value) {
                    self.fault(organised(CEE, subtype), why);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(mut self) -> Announcement {
        if self.lldp.ttl.is_none() {
            self.fault("time to live".into(), "it is missing".into());
        }
        for (there, tlv) in [(self.chassis, "chassis id"), (self.port, "port id")] {
            if !there {
                self.fault(tlv.into(), "it is missing, so nobody knows who announces this".into());
            }
        }
        self.lldp.dcb = self.dcbx.evidence();
        let neighbour = Some(self.lldp).filter(|_| self.chassis && self.port);
        let shutdown = neighbour.as_ref().is_some_and(|lldp| lldp.ttl == Some(0));
        Announcement { neighbour, shutdown, faults: self.faults }
    }
}

/// Words of the subtypes of a chassis id (802.1AB table 8-2), from 1.
const CHASSIS: [&str; 7] = ["component", "ifalias", "port", "mac", "ip", "ifname", "local"];
/// Words of the subtypes of a port id (802.1AB table 8-3), from 1.
const PORT: [&str; 7] = ["ifalias", "port", "mac", "ip", "ifname", "agent-circuit-id", "local"];

fn id(value: &[u8], words: [&str; 7]) -> Result<(String, String), String> {
    let (&subtype, id) = value.split_first().ok_or_else(|| short(value, 2))?;
    if id.is_empty() {
        return Err(short(value, 2));
    }
    let word = usize::from(subtype).checked_sub(1).and_then(|at| words.get(at)).copied();
    let shown = match (word, id) {
        (Some("ip"), [family, address @ ..]) => ip(*family, address).unwrap_or_else(|| mac(id)),
        (Some("mac") | None, _) => mac(id),
        _ => text(id),
    };
    Ok((word.map_or_else(|| subtype.to_string(), ToOwned::to_owned), shown))
}

/// An address of the family numbers of IANA, 1 and 2.
fn ip(family: u8, address: &[u8]) -> Option<String> {
    match family {
        1 => <[u8; 4]>::try_from(address).ok().map(|octets| Ipv4Addr::from(octets).to_string()),
        2 => <[u8; 16]>::try_from(address).ok().map(|octets| Ipv6Addr::from(octets).to_string()),
        _ => None,
    }
}

/// The address without the interface and object that follow it.
fn management_address(value: &[u8]) -> Result<String, String> {
    let (&length, rest) = value.split_first().ok_or_else(|| short(value, 9))?;
    match rest.get(..usize::from(length)) {
        Some([family, address @ ..]) if !address.is_empty() => {
            let mac_or_hex = || mac(address);
            Ok(ip(*family, address).unwrap_or_else(mac_or_hex))
        }
        Some(_) => Err("an address without bytes".into()),
        None => Err(format!("an address of {length} bytes of which {} are there", rest.len())),
    }
}

fn capabilities(enabled: u16) -> Vec<String> {
    const WORDS: [&str; 11] =
        ["other", "repeater", "bridge", "wlan-ap", "router", "telephone", "docsis", "station", "c-vlan", "s-vlan", "tpmr"];
    let on = WORDS.iter().enumerate().filter(|(bit, _)| enabled & (1 << bit) != 0);
    on.map(|(_, word)| (*word).to_owned()).collect()
}

fn number(value: &[u8]) -> Result<u16, String> {
    value.first_chunk().map(|bytes| u16::from_be_bytes(*bytes)).ok_or_else(|| short(value, 2))
}

fn short(value: &[u8], wanted: usize) -> String {
    format!("{} bytes where {wanted} are needed", value.len())
}

/// Bytes that are not UTF-8 are replaced; some devices count a closing NUL.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned()
}

/// Bytes as hexadecimal numbers with colons.
fn mac(bytes: &[u8]) -> String {
    bytes.iter().enumerate().fold(String::new(), |mut text, (at, byte)| {
        let _ = write!(text, "{}{byte:02x}", if at == 0 { "" } else { ":" });
        text
    })
}

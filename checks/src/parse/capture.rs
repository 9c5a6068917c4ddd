//! LLDP out of a capture: who announces what on which interface.

use crate::evidence::Lldp;
use crate::wire::lldp::{ETHERTYPE, GROUPS, decode};
use crate::wire::pcap::{Capture, Frame, Malformed, Payload};
use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Interface of a capture that names none.
pub const UNNAMED: &str = "capture";
/// Most neighbours that are kept of one interface.
const NEIGHBOURS: usize = 256;
/// Most faults that are kept in all.
const FAULTS: usize = 256;

/// What a capture holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// Frames of any kind.
    pub frames: usize,
    /// LLDP data units among them that did not leave this host.
    pub announcements: usize,
    /// Neighbours that had not said good-bye by the end, by interface; the last announcement of each.
    pub neighbours: BTreeMap<String, Vec<Lldp>>,
    /// Interface, number of the frame, and what of it cannot be read.
    pub faults: Vec<(String, usize, String)>,
    /// Time of the last announcement, nanoseconds since 1970.
    pub last: Option<u64>,
    /// Where the capture itself breaks off, if it does.
    pub cut: Option<Malformed>,
}

/// Reads a capture. `interface` is the name for all of its frames, where the caller knows it better.
///
/// # Errors
///
/// It is no capture.
pub fn read(bytes: &[u8], interface: Option<&str>) -> Result<Found, Malformed> {
    let mut capture = Capture::open(bytes)?;
    let mut found = Found::default();
    let mut by_interface: BTreeMap<String, BTreeMap<(String, String), Lldp>> = BTreeMap::new();
    while let Some(frame) = capture.next() {
        let frame = match frame {
            Ok(frame) => frame,
            Err(fault) => {
                found.cut = Some(fault);
                break;
            }
        };
        found.frames += 1;
        let Some(payload) = frame.payload().filter(|payload| payload.ethertype == ETHERTYPE && !payload.outbound) else { continue };
        found.announcements += 1;
        found.last = found.last.max(frame.time);
        let name = interface.map_or_else(|| name(&capture, &frame, &payload), ToOwned::to_owned);
        let announced = decode(payload.bytes);
        for fault in &announced.faults {
            if found.faults.len() < FAULTS {
                found.faults.push((name.clone(), frame.number, fault.to_string()));
            }
        }
        let Some(neighbour) = announced.neighbour else { continue };
        let key = (neighbour.chassis_id.clone(), neighbour.port_id.clone());
        let known = by_interface.entry(name).or_default();
        if announced.shutdown {
            known.remove(&key);
        } else if known.len() < NEIGHBOURS || known.contains_key(&key) {
            let group = GROUPS.iter().find(|(group, _)| payload.to == Some(*group));
            let source = Some(group.map_or("pcap", |(_, word)| word).to_string());
            known.insert(key, Lldp { source, ..neighbour });
        }
    }
    found.neighbours = by_interface.into_iter().map(|(name, known)| (name, known.into_values().collect())).collect();
    Ok(found)
}

fn name(capture: &Capture<'_>, frame: &Frame<'_>, payload: &Payload<'_>) -> String {
    match (capture.interface_name(frame.interface), payload.ifindex) {
        // `any` is no interface.
        (Some(name), None) if name != "any" => name.to_owned(),
        (_, Some(ifindex)) => format!("if{ifindex}"),
        _ => UNNAMED.to_owned(),
    }
}

//! DCBX TLVs of LLDP: IEEE 802.1Q annex D.2.8 to D.2.11 (OUI 00-80-c2), CEE ("DCB Capability Exchange Protocol Base
//! Specification" rev. 1.01, OUI 00-1b-21 subtype 2) and its forerunner CIN (subtype 1).

use crate::evidence::{App, Dcb, Ets, Pfc};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// The group of CEE that stands before all others and has no share.
pub(super) const NO_LIMIT: u8 = 15;

/// Flags of a CEE feature.
const ENABLED: u8 = 0x80;
const WILLING: u8 = 0x40;
const ERROR: u8 = 0x20;

/// Bit n of a bitmap of priorities is priority n.
pub(super) fn bits(map: u8) -> [bool; 8] {
    core::array::from_fn(|priority| map & (1 << priority) != 0)
}

/// Transmission selection algorithms (802.1Q table 8-5), in the words of dcb-ets(8); a number for what has no word.
fn tsa(number: u8) -> String {
    match number {
        0 => "strict".into(),
        1 => "cbs".into(),
        2 => "ets".into(),
        255 => "vendor".into(),
        other => other.to_string(),
    }
}

pub(super) fn tsas(numbers: [u8; 8]) -> [String; 8] {
    numbers.map(tsa)
}

/// Selectors of 802.1Q table D-9, in the words of dcb-app(8); `EtherType` 0 is the priority of everything else.
pub(crate) fn app_selector(selector: u8, protocol: u16) -> String {
    match (selector, protocol) {
        (1, 0) => "default".into(),
        (1, _) => "ethtype".into(),
        (2, _) => "stream-port".into(),
        (3, _) => "dgram-port".into(),
        (4, _) => "port".into(),
        (5, _) => "dscp".into(),
        (255, _) => "pcp".into(),
        (other, _) => other.to_string(),
    }
}

/// A CEE entry, one of ours for each priority of its bitmap.
pub(crate) fn cee_apps(selector: u8, protocol: u16, priorities: u8) -> Vec<App> {
    let word = match selector {
        0 => "ethtype".to_string(),
        1 => "port".to_string(),
        other => other.to_string(),
    };
    let priorities = (0..8_u8).filter(|priority| priorities & (1 << priority) != 0);
    priorities.map(|priority| App { selector: word.clone(), protocol, priority }).collect()
}

/// CEE's priority groups as classes: a group that has a share or priorities takes part in the sharing.
pub(crate) fn priority_groups(prio_pg: [u8; 8], shares: [u8; 8]) -> Ets {
    let used = |group: usize| shares[group] != 0 || prio_pg.iter().any(|&of| usize::from(of) == group);
    Ets {
        tc_bw: shares,
        tc_tsa: core::array::from_fn(|group| tsa(if used(group) { 2 } else { 0 })),
        prio_tc: prio_pg,
        ..Ets::default()
    }
}

/// Four bytes of eight numbers, that of priority 0 first.
fn nibbles(bytes: [u8; 4]) -> [u8; 8] {
    core::array::from_fn(|at| if at % 2 == 0 { bytes[at / 2] >> 4 } else { bytes[at / 2] & 15 })
}

/// What has been heard, of each variant.
#[derive(Debug, Default)]
pub(super) struct Heard {
    ieee: Dcb,
    cee: Option<Dcb>,
    cin: Option<Dcb>,
}

impl Heard {
    /// One as evidence: of several variants the newest standard, and the words of all.
    pub(super) fn evidence(self) -> Option<Dcb> {
        let mut words = Vec::new();
        let ieee = Some(self.ieee).filter(|ieee| *ieee != Dcb::default());
        for (word, heard) in [("ieee", ieee.is_some()), ("cee", self.cee.is_some()), ("cin", self.cin.is_some())] {
            if heard {
                words.push(word.to_string());
            }
        }
        let variant = if ieee.is_some() { "ieee" } else { "cee" };
        ieee.or(self.cee).or(self.cin).map(|dcb| Dcb { dcbx: Some(words), variant: Some(variant.into()), ..dcb })
    }

    /// Reads a TLV of 802.1Q: what follows its OUI and subtype.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(super) fn ieee(&mut self, subtype: u8, bytes: &[u8]) -> Result<(), String> {
        match subtype {
            9 | 10 => {
                let &[flags, a, b, c, d, ref rest @ ..] = bytes.first_chunk::<21>().ok_or_else(|| short(bytes, 21))?;
                let (shares, algorithms) = (rest.first_chunk::<8>(), rest.last_chunk::<8>());
                let ets = Ets {
                    tc_bw: shares.copied().unwrap_or_default(),
                    tc_tsa: tsas(algorithms.copied().unwrap_or_default()),
                    prio_tc: nibbles([a, b, c, d]),
                    ..Ets::default()
                };
                if subtype == 10 {
                    self.ieee.ets_recommendation = Some(ets);
                } else {
                    let classes = match flags & 7 {
                        0 => 8,
                        classes => classes,
                    };
                    let (willing, cbs) = (Some(flags & 0x80 != 0), Some(flags & 0x40 != 0));
                    self.ieee.ets = Some(Ets { willing, cbs, ets_cap: Some(classes), ..ets });
                }
            }
            11 => {
                let &[flags, enabled] = bytes.first_chunk().ok_or_else(|| short(bytes, 2))?;
                self.ieee.pfc = Some(Pfc {
                    willing: Some(flags & 0x80 != 0),
                    macsec_bypass: Some(flags & 0x40 != 0),
                    pfc_cap: Some(flags & 15),
                    prio_pfc: bits(enabled),
                    ..Pfc::default()
                });
            }
            _ => {
                let (_, table) = bytes.split_first().ok_or_else(|| short(bytes, 1))?;
                let entries = table.chunks_exact(3);
                let left = entries.remainder().len();
                let apps = self.ieee.app.get_or_insert_default();
                for entry in entries {
                    let protocol = u16::from_be_bytes([entry[1], entry[2]]);
                    let selector = app_selector(entry[0] & 7, protocol);
                    apps.push(App { selector, protocol, priority: entry[0] >> 5 });
                }
                if left != 0 {
                    return Err(format!("{left} bytes are left after entries of 3"));
                }
            }
        }
        Ok(())
    }

    /// Reads the sub-TLVs of CEE (`subtype` 2) or CIN (1). Says everything that is wrong; the rest is used.
    pub(super) fn cee(&mut self, subtype: u8, bytes: &[u8]) -> Vec<String> {
        let mut faults = Vec::new();
        let mut dcb = Dcb::default();
        let mut rest = bytes;
        while let Some((head, after)) = rest.split_first_chunk::<2>() {
            let head = u16::from_be_bytes(*head);
            let (kind, length) = (head >> 9, usize::from(head & 0x1ff));
            let Some((value, next)) = after.split_at_checked(length) else {
                faults.push(format!("sub-TLV {kind} has {length} bytes where {} are left", after.len()));
                rest = &[];
                break;
            };
            rest = next;
            if let Err(why) = feature(subtype, kind, value, &mut dcb) {
                faults.push(format!("sub-TLV {kind}: {why}"));
            }
        }
        if !rest.is_empty() {
            faults.push("one byte is left after the sub-TLVs".into());
        }
        *if subtype == 1 { &mut self.cin } else { &mut self.cee } = Some(dcb);
        faults
    }
}

fn short(bytes: &[u8], wanted: usize) -> String {
    format!("{} bytes where {wanted} are needed", bytes.len())
}

/// One feature of CEE or CIN. One that is not enabled is not in use, and left out.
fn feature(variant: u8, kind: u16, value: &[u8], dcb: &mut Dcb) -> Result<(), String> {
    let known = match (variant, kind) {
        (_, 2) => dcb.ets.is_some(),
        (_, 3) => dcb.pfc.is_some(),
        (1, 5) | (2, 4) => false,
        // Control (1) says how far the exchange has come; BCN and logical link of CIN are not in use any more.
        _ => return Ok(()),
    };
    if known {
        return Err("a second one; the first is used".into());
    }
    let (&[_, _, flags, application], data) = value.split_first_chunk::<4>().ok_or_else(|| short(value, 4))?;
    if flags & ENABLED == 0 {
        return Ok(());
    }
    let willing = Some(flags & WILLING != 0);
    match (variant, kind) {
        (1, 2) => {
            let shares = data.first_chunk::<8>().copied();
            let priorities = data.get(8..).and_then(|rest| rest.first_chunk::<16>());
            let (Some(shares), Some(priorities)) = (shares, priorities) else { return Err(short(data, 24)) };
            // Bits 7 to 5 are the group; bits 4 and 3 are 2 where the priority stands before all groups.
            let group = |at: usize| if (priorities[at * 2] >> 3) & 3 == 2 { NO_LIMIT } else { priorities[at * 2] >> 5 };
            dcb.ets = Some(Ets { willing, ..priority_groups(core::array::from_fn(group), shares) });
        }
        (_, 2) => {
            let groups = data.first_chunk::<4>().copied();
            let shares = data.get(4..).and_then(|rest| rest.first_chunk::<8>().copied());
            let (Some(groups), Some(shares)) = (groups, shares) else { return Err(short(data, 13)) };
            dcb.ets = Some(Ets { willing, ets_cap: data.get(12).copied(), ..priority_groups(nibbles(groups), shares) });
        }
        (_, 3) => {
            let &enabled = data.first().ok_or_else(|| short(data, 1))?;
            dcb.pfc = Some(Pfc { willing, pfc_cap: data.get(1).copied(), prio_pfc: bits(enabled), ..Pfc::default() });
        }
        (1, _) => {
            let &priorities = data.first().ok_or_else(|| short(data, 1))?;
            let (selector, protocol) = match application {
                0 => (0, 0x8906),
                1 => (1, 3260),
                2 => (0, 0x8914),
                other => return Err(format!("an application that has no name: {other}")),
            };
            dcb.app.get_or_insert_default().extend(cee_apps(selector, protocol, priorities));
        }
        _ => {
            let entries = data.chunks_exact(6);
            let left = entries.remainder().len();
            let apps = dcb.app.get_or_insert_default();
            for entry in entries {
                apps.extend(cee_apps(entry[2] & 3, u16::from_be_bytes([entry[0], entry[1]]), entry[5]));
            }
            if left != 0 {
                return Err(format!("{left} bytes are left after entries of 6"));
            }
        }
    }
    if flags & ERROR != 0 {
        return Err("the port says that its partner's settings do not fit its own".into());
    }
    Ok(())
}

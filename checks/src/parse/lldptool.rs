//! `lldptool -t -n -i IFACE` of lldpad (open-lldp): the TLVs that one neighbour announces.

use super::{Fault, line_number};
use crate::evidence::{Aggregation, App, Dcb, Ets, Lldp, LldpVlan, Pfc};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Reads the text; `None` where it names no neighbour.
#[must_use]
pub fn read(text: &str) -> (Option<Lldp>, Vec<Fault>) {
    let mut reader = Reader::default();
    for (at, line) in text.lines().enumerate() {
        let head = line.strip_suffix(" TLV").filter(|head| !head.starts_with([' ', '\t']));
        match head {
            Some(head) => reader.begin(head),
            None if !line.trim().is_empty() => {
                if let Err(message) = reader.line(line) {
                    reader.faults.push(Fault::new(line_number(at), &reader.section, message));
                }
            }
            None => {}
        }
    }
    reader.finish()
}

#[derive(Default)]
struct Reader {
    section: String,
    /// The feature of CEE or the application of 802.1Qaz that is being read.
    part: String,
    lldp: Lldp,
    chassis: bool,
    port: bool,
    aggregation: Option<Aggregation>,
    ieee: Dcb,
    cee: Dcb,
    /// Selector of the application whose line comes next (older lldptool).
    app: App,
    faults: Vec<Fault>,
}

fn number<T: core::str::FromStr>(text: &str) -> Result<T, String> {
    text.trim().parse().map_err(|_| format!("`{}` is not a number that can be here", super::quoted(text.trim())))
}

fn yes(text: &str) -> bool {
    matches!(text.trim(), "yes" | "supported")
}

impl Reader {
    fn begin(&mut self, head: &str) {
        head.clone_into(&mut self.section);
        self.part.clear();
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        let text = line.trim();
        let (key, value) = text.split_once(':').map_or((text, ""), |(key, value)| (key.trim(), value.trim()));
        match self.section.as_str() {
            "Chassis ID" if !self.chassis => {
                (self.lldp.chassis_id_type, self.lldp.chassis_id, self.chassis) = (Some(kind(key)), value.to_owned(), true);
            }
            "Port ID" if !self.port => {
                (self.lldp.port_id_type, self.lldp.port_id, self.port) = (Some(kind(key)), value.to_owned(), true);
            }
            "Time to Live" => self.lldp.ttl = Some(number(text)?),
            "Port Description" => append(&mut self.lldp.port_description, text),
            "System Name" => append(&mut self.lldp.system_name, text),
            "System Description" => append(&mut self.lldp.system_description, text),
            "System Capabilities" if key == "Enabled capabilities" => {
                self.lldp.capabilities = value.split(", ").map(|word| capability(word).to_owned()).collect();
            }
            "Management Address" if matches!(key, "IPv4" | "IPv6" | "MAC") => {
                self.lldp.management_addresses.push(value.to_owned());
            }
            "Port VLAN ID" if key == "PVID" => self.lldp.port_vlan = Some(number(value)?),
            "VLAN Name" => {
                if let Some(id) = key.strip_prefix("VID ") {
                    let name = value.strip_prefix("Name").unwrap_or(value).trim();
                    self.lldp.vlans.push(LldpVlan { id: number(id)?, name: name.to_owned() });
                }
            }
            "Maximum Frame Size" => self.lldp.max_frame_size = Some(number(text)?),
            "Link Aggregation" => {
                let found = self.aggregation.get_or_insert(Aggregation { capable: false, enabled: false, id: 0 });
                match (text, key) {
                    ("Aggregation capable", _) => found.capable = true,
                    ("Currently aggregated", _) => found.enabled = true,
                    (_, "Aggregated Port ID") => {
                        found.id = number(value)?;
                        self.lldp.aggregation.get_or_insert(*found);
                        self.aggregation = None;
                    }
                    _ => {}
                }
            }
            "IEEE 8021QAZ ETS Configuration" => ets(self.ieee.ets.get_or_insert_default(), key, value)?,
            "IEEE 8021QAZ ETS Recommendation" => ets(self.ieee.ets_recommendation.get_or_insert_default(), key, value)?,
            "IEEE 8021QAZ PFC" => {
                let pfc = self.ieee.pfc.get_or_insert_default();
                match key {
                    "Willing" => pfc.willing = Some(yes(value)),
                    "MACsec Bypass Capable" => pfc.macsec_bypass = Some(yes(value)),
                    "PFC capable traffic classes" => pfc.pfc_cap = Some(number(value)?),
                    "PFC enabled" => priorities(pfc, value)?,
                    _ => {}
                }
            }
            "IEEE 8021QAZ APP" => return self.application(text, key, value),
            "CEE DCBX" => return self.cee(line, key, value),
            _ => {}
        }
        Ok(())
    }

    /// Backspaces take the last comma back. `App# 0  Prio 3  Sel 1  P-ID  Ethertype: 0x8906` and `Prio:4  dscp: 26,`, or in older ones three lines for each.
    fn application(&mut self, text: &str, key: &str, value: &str) -> Result<(), String> {
        let apps = self.ieee.app.get_or_insert_default();
        let words: Vec<&str> = text.split_whitespace().collect();
        if let (Some(priority), Some(selector)) = (after(&words, "Prio"), after(&words, "Sel")) {
            let protocol = text.rsplit(':').next().unwrap_or_default();
            apps.push(app(number(selector)?, protocol, number(priority)?)?);
            return Ok(());
        }
        if let Some((priority, points)) = text.strip_prefix("Prio:").and_then(|rest| rest.split_once("dscp:")) {
            let priority = number(priority)?;
            for point in points.split([',', '\u{8}']).map(str::trim).filter(|point| !point.is_empty()) {
                apps.push(app(5, point, priority)?);
            }
            return Ok(());
        }
        match key {
            "Priority" => self.app.priority = number(value)?,
            "Sel" => value.clone_into(&mut self.app.selector),
            _ if key.starts_with("App#") || self.app.selector.is_empty() => {}
            _ => {
                let last = core::mem::take(&mut self.app);
                apps.push(app(number(&last.selector)?, value, last.priority)?);
            }
        }
        Ok(())
    }

    fn cee(&mut self, line: &str, key: &str, value: &str) -> Result<(), String> {
        if let Some(part) = line.trim().strip_suffix(" TLV:") {
            part.clone_into(&mut self.part);
            return Ok(());
        }
        let flags: Vec<&str> = line.trim().split(", ").collect();
        let enabled = match flags.as_slice() {
            ["Enabled", ..] => Some(true),
            ["Not Enabled", ..] => Some(false),
            _ => None,
        };
        if let Some(enabled) = enabled {
            let willing = Some(flags.contains(&"Willing"));
            match self.part.as_str() {
                "Priority Groups" if enabled => self.cee.ets = Some(Ets { willing, ..Ets::default() }),
                "Priority Flow Control" if enabled => self.cee.pfc = Some(Pfc { willing, ..Pfc::default() }),
                "Application" if enabled => self.cee.app = Some(Vec::new()),
                _ => {}
            }
            return Ok(());
        }
        match (self.part.as_str(), key) {
            ("Priority Groups", "PGID Priorities") => {
                let Some(ets) = &mut self.cee.ets else { return Ok(()) };
                for group in value.split(']') {
                    let Some((group, members)) = group.split_once(":[") else { continue };
                    let group = number(group)?;
                    for member in members.split(',') {
                        let member: usize = number(member)?;
                        *ets.prio_tc.get_mut(member).ok_or("a priority above 7")? = group;
                    }
                }
            }
            ("Priority Groups", "PGID Percentages") => {
                let Some(ets) = &mut self.cee.ets else { return Ok(()) };
                for (group, share) in pairs(value)? {
                    ets.tc_bw[group] = number(share.trim_end_matches('%'))?;
                }
                let shared = crate::wire::dcbx::priority_groups(ets.prio_tc, ets.tc_bw);
                ets.tc_tsa = shared.tc_tsa;
            }
            ("Priority Groups", "Number of TC's supported") => {
                let count = number(value)?;
                self.cee.ets.iter_mut().for_each(|ets| ets.ets_cap = Some(count));
            }
            ("Priority Flow Control", "PFC enabled priorities") => {
                self.cee.pfc.as_mut().map_or(Ok(()), |pfc| priorities(pfc, value))?;
            }
            ("Priority Flow Control", "Number of TC's supported") => {
                let count = number(value)?;
                self.cee.pfc.iter_mut().for_each(|pfc| pfc.pfc_cap = Some(count));
            }
            ("Application", "Ethertype" | "TCP/UDP Port") => {
                let Some(apps) = &mut self.cee.app else { return Ok(()) };
                let (protocol, map) = value.split_once(", Priority Map:").ok_or("no priorities")?;
                let selector = u8::from(key != "Ethertype");
                let map = u8::try_from(hexadecimal(map)?).map_err(|_| "more than 8 priorities")?;
                apps.extend(crate::wire::dcbx::cee_apps(selector, hexadecimal(protocol)?, map));
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(mut self) -> (Option<Lldp>, Vec<Fault>) {
        let heard = [("ieee", &self.ieee), ("cee", &self.cee)].map(|(word, dcb)| (word, *dcb != Dcb::default()));
        let words: Vec<String> = heard.iter().filter(|(_, heard)| *heard).map(|(word, _)| (*word).to_owned()).collect();
        if let Some(variant) = words.first().cloned() {
            let dcb = if variant == "ieee" { self.ieee } else { self.cee };
            self.lldp.dcb = Some(Dcb { variant: Some(variant), dcbx: Some(words), ..dcb });
        }
        self.lldp.source = Some("lldptool".into());
        (Some(self.lldp).filter(|_| self.chassis && self.port), self.faults)
    }
}

fn append(field: &mut Option<String>, text: &str) {
    match field {
        Some(known) => {
            known.push('\n');
            known.push_str(text);
        }
        None => *field = Some(text.to_owned()),
    }
}

/// The word for an id's kind.
fn kind(key: &str) -> String {
    match key {
        "IPv4" | "IPv6" => "ip".into(),
        "Ifalias" => "ifalias".into(),
        other => other.to_lowercase(),
    }
}

fn capability(word: &str) -> &str {
    match word.trim() {
        "Other" => "other",
        "Repeater" => "repeater",
        "Bridge" => "bridge",
        "WLAN Access Point" => "wlan-ap",
        "Router" => "router",
        "Telephone" => "telephone",
        "DOCSIS cable device" => "docsis",
        "Station Only" => "station",
        "C-VLAN" => "c-vlan",
        "S-VLAN" => "s-vlan",
        "TPMR" | "Two-port MAC Relay (TPMR)" => "tpmr",
        other => other,
    }
}

/// `0:a 1:b` with what stands before each colon below 8.
fn pairs(value: &str) -> Result<Vec<(usize, &str)>, String> {
    let mut found = Vec::new();
    for pair in value.split_whitespace() {
        let (at, item) = pair.split_once(':').ok_or("no colon")?;
        let at: usize = number(at)?;
        if at > 7 {
            return Err(format!("{at} where there are 8"));
        }
        found.push((at, item));
    }
    Ok(found)
}

fn ets(ets: &mut Ets, key: &str, value: &str) -> Result<(), String> {
    match key {
        "Willing" => ets.willing = Some(yes(value)),
        "CBS" => ets.cbs = Some(yes(value)),
        "MAX_TCS" => ets.ets_cap = Some(number(value)?),
        "PRIO_MAP" => {
            for (priority, class) in pairs(value)? {
                ets.prio_tc[priority] = number(class)?;
            }
        }
        "TC Bandwidth" => {
            for (share, text) in ets.tc_bw.iter_mut().zip(value.split_whitespace()) {
                *share = number(text.trim_end_matches('%'))?;
            }
        }
        "TSA_MAP" => {
            for (class, algorithm) in pairs(value)? {
                ets.tc_tsa[class] = algorithm.to_lowercase();
            }
        }
        _ => {}
    }
    Ok(())
}

/// `3 4`, `3, 4` or `none`.
fn priorities(pfc: &mut Pfc, value: &str) -> Result<(), String> {
    for word in value.split([' ', ',']).filter(|word| !word.is_empty() && *word != "none") {
        let priority: usize = number(word)?;
        *pfc.prio_pfc.get_mut(priority).ok_or("a priority above 7")? = true;
    }
    Ok(())
}

fn after<'w>(words: &[&'w str], word: &str) -> Option<&'w str> {
    let at = words.iter().position(|found| *found == word)?;
    words.get(at + 1).copied()
}

fn hexadecimal(text: &str) -> Result<u16, String> {
    let text = text.trim();
    let digits = text.strip_prefix("0x").ok_or_else(|| format!("`{}` is not hexadecimal", super::quoted(text)))?;
    u16::from_str_radix(digits, 16).map_err(|error| error.to_string())
}

fn app(selector: u8, protocol: &str, priority: u8) -> Result<App, String> {
    let protocol = if protocol.trim().starts_with("0x") { hexadecimal(protocol)? } else { number(protocol)? };
    if priority > 7 {
        return Err(format!("priority {priority}"));
    }
    Ok(App { selector: crate::wire::dcbx::app_selector(selector, protocol), protocol, priority })
}

//! What people paste: `ibstat`, `ibstatus`, `ibhosts`, `sminfo`, `saquery SMIR`, `saquery -s`, `ip -d link` and `ifconfig`.
//!
//! One text may hold the output of several of them, with prompts and other lines between. Keys are looked for, not columns, so
//! lost indentation does no harm. Only `ifconfig` of old net-tools is translated: there the shape of a line decides and not its
//! words.

mod interfaces;

use super::infiniband::{gid, guid, link_layer, number, phys_state, rate, show_guid, sm_state, state};
use super::{Fault, line_number, quoted};
use crate::evidence::{Gap, GapReason, Host, IbPort, Infiniband, Link, SubnetManager};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// What a text says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pasted {
    /// Ports, from `ibstat` and `ibstatus`.
    pub ports: Vec<IbPort>,
    /// Subnet managers, from `sminfo` and `saquery SMIR`; `None` where neither was pasted.
    pub subnet_managers: Option<Vec<SubnetManager>>,
    /// LIDs of ports on which a subnet manager runs, from `saquery -s`, with their line.
    pub is_sm: Vec<(u32, u16)>,
    /// Adapters of the fabric, from `ibhosts`: GUID, ports, description.
    pub nodes: Vec<(u64, u8, String)>,
    /// Interfaces, from `ip -d link` and `ifconfig`.
    pub links: Vec<Link>,
    /// What could not be read.
    pub faults: Vec<Fault>,
    /// Outputs of a known program that were found.
    pub outputs: u32,
}

/// Most entries of each kind that are kept of one text: more than any fabric has (IBA has 49,151 LIDs for its ends).
const MOST_PORTS: usize = 4096;
const MOST_MANAGERS: usize = 1024;
const MOST_NODES: usize = 49_151;
const MOST_LINKS: usize = 4096;
const MOST_FAULTS: usize = 1000;

/// Which output the lines belong to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum In {
    Nothing,
    Ibstat,
    Ibstatus,
    Smir,
    IsSm,
    Interfaces,
}

/// Reads a pasted text.
#[must_use]
pub fn read(text: &str) -> Pasted {
    let mut reader = Reader { found: Pasted::default(), at: In::Nothing, adapter: IbPort::default() };
    for (index, line) in text.strip_prefix('\u{feff}').unwrap_or(text).lines().enumerate() {
        reader.line(line_number(index), line.trim_end());
    }
    reader.found
}

struct Reader {
    found: Pasted,
    at: In,
    /// What ibstat says of the adapter before its ports.
    adapter: IbPort,
}

impl Reader {
    fn line(&mut self, number: u32, line: &str) {
        let text = line.trim();
        if self.begins(number, text, line) {
            return;
        }
        match self.at {
            In::Nothing => {}
            In::Ibstat => self.ibstat(number, text),
            In::Ibstatus => self.ibstatus(number, text),
            In::Smir => self.smir(number, text),
            In::IsSm => self.is_sm(number, text),
            In::Interfaces => {
                if let Some(device) = self.found.links.last_mut()
                    && let Err(Fault { line, field, message }) = interfaces::detail(device, number, text)
                {
                    self.fault(line, &field, message);
                }
            }
        }
    }

    fn begin(&mut self, at: In) {
        self.at = at;
        self.found.outputs = self.found.outputs.saturating_add(1);
    }

    fn fault(&mut self, line: u32, field: &str, message: String) {
        if self.found.faults.len() < MOST_FAULTS {
            self.found.faults.push(Fault::new(line, field, message));
        }
    }

    /// Whether the line begins an output, or is one by itself.
    fn begins(&mut self, number: u32, text: &str, line: &str) -> bool {
        if let Some(name) = text.strip_prefix("CA '").and_then(|rest| rest.strip_suffix('\'')) {
            self.begin(In::Ibstat);
            self.adapter = IbPort { device: name.to_string(), ..IbPort::default() };
        } else if let Some(rest) = text.strip_prefix("Infiniband device '") {
            self.begin(In::Ibstatus);
            let parts = rest.split_once("' port ");
            let port = parts.and_then(|(_, rest)| rest.split_whitespace().next()?.parse().ok());
            if let (Some((device, _)), Some(port)) = (parts, port) {
                self.push_port(IbPort { device: device.to_string(), port, ..IbPort::default() });
            } else {
                self.at = In::Nothing;
                self.fault(number, "Infiniband device", "expected `Infiniband device 'NAME' port N status:`".into());
            }
        } else if text.starts_with("sminfo: sm lid ") {
            self.begin(In::Nothing);
            match sminfo(text) {
                Ok(manager) => self.manager(manager),
                Err(message) => self.fault(number, "sminfo", message),
            }
        } else if text.starts_with("sminfo: iberror") {
            self.begin(In::Nothing);
            self.fault(number, "sminfo", "sminfo got no answer".into());
        } else if text == "SMInfoRecord dump:" {
            self.begin(In::Smir);
            self.manager(SubnetManager::default());
        } else if text == "IsSM ports" {
            self.begin(In::IsSm);
        } else if text == "IsSMdisabled ports" {
            self.at = In::Nothing;
        } else if let Some(rest) = text.strip_prefix("Ca\t:").or_else(|| text.strip_prefix("Ca :")).or_else(|| hosts_line(text)) {
            self.begin(In::Nothing);
            match ibhosts(rest) {
                Ok(node) if self.found.nodes.len() < MOST_NODES => self.found.nodes.push(node),
                Ok(_) => {}
                Err(message) => self.fault(number, "Ca", message),
            }
        } else if let Some(device) = interfaces::first_line(line) {
            self.begin(In::Interfaces);
            match device {
                Ok(device) if self.found.links.len() < MOST_LINKS => self.found.links.push(device),
                Ok(_) => self.at = In::Nothing,
                Err(message) => {
                    self.at = In::Nothing;
                    self.fault(number, "interface", message);
                }
            }
        } else {
            return false;
        }
        true
    }

    /// Begins a port. What was said of it already stays, where nothing later says otherwise.
    fn push_port(&mut self, port: IbPort) {
        let known = self.found.ports.iter().position(|known| known.device == port.device && known.port == port.port);
        let IbPort { hca_type, firmware, node_guid, .. } = port.clone();
        let port = match known {
            None if self.found.ports.len() >= MOST_PORTS => {
                self.at = In::Nothing;
                return;
            }
            None => port,
            Some(at) => {
                let known = self.found.ports.remove(at);
                IbPort {
                    hca_type: hca_type.or(known.hca_type.clone()),
                    firmware: firmware.or(known.firmware.clone()),
                    node_guid: node_guid.or(known.node_guid.clone()),
                    ..known
                }
            }
        };
        self.found.ports.push(port);
    }

    fn ibstat(&mut self, line: u32, text: &str) {
        if let Some(port) = text.strip_prefix("Port ").and_then(|rest| rest.strip_suffix(':')) {
            match port.parse() {
                Ok(port) => self.push_port(IbPort { port, ..self.adapter.clone() }),
                Err(_) => self.fault(line, "Port", format!("`{}` is no number of a port", quoted(port))),
            }
            return;
        }
        let Some((key, value)) = text.split_once(':') else { return };
        let (key, value) = (key.trim(), value.trim());
        let known = match key {
            "CA type" => {
                self.adapter.hca_type = word(value);
                Ok(())
            }
            "Firmware version" => {
                self.adapter.firmware = word(value);
                Ok(())
            }
            "Node GUID" => guid(value).map(|guid| self.adapter.node_guid = Some(show_guid(guid))),
            _ => {
                let device = &self.adapter.device;
                match self.found.ports.last_mut().filter(|port| port.device == *device) {
                    Some(port) => port_field(port, key, value),
                    None => Ok(()),
                }
            }
        };
        if let Err(message) = known {
            self.fault(line, key, message);
        }
    }

    fn ibstatus(&mut self, line: u32, text: &str) {
        let Some((key, value)) = text.split_once(':') else { return };
        let (key, value) = (key.trim(), value.trim());
        let Some(port) = self.found.ports.last_mut() else { return };
        if let Err(message) = port_field(port, key, value) {
            self.fault(line, key, message);
        }
    }

    /// Lines such as `Priority..............10`.
    fn smir(&mut self, line: u32, text: &str) {
        let Some((key, value)) = dotted(text) else { return };
        let Some(manager) = self.found.subnet_managers.iter_mut().flatten().last() else { return };
        let wrong = |what: &str| format!("`{}` is no {what}", quoted(value));
        let number = number(value);
        let read = match key {
            "LID" => small(number).map(|lid| manager.lid = Some(lid)).ok_or_else(|| wrong("LID")),
            "GUID" => guid(value).map(|guid| manager.guid = show_guid(guid)),
            "ActCount" => small(number).map(|count| manager.act_count = Some(count)).ok_or_else(|| wrong("number")),
            "Priority" => small(number)
                .filter(|priority| *priority <= 15_u8)
                .map(|priority| manager.priority = Some(priority))
                .ok_or_else(|| format!("{}; expected 0 to 15", wrong("priority"))),
            "SMState" => number
                .and_then(sm_state)
                .map(|state| manager.state = Some(state.to_string()))
                .ok_or_else(|| format!("{}; expected 0 to 3", wrong("state of a subnet manager"))),
            // The SM_Key is a secret and not looked at.
            _ => Ok(()),
        };
        if let Err(message) = read {
            self.fault(line, key, message);
        }
    }

    fn is_sm(&mut self, line: u32, text: &str) {
        if let Some(("base_lid", value)) = dotted(text) {
            match small(number(value)) {
                Some(lid) if self.found.is_sm.len() < MOST_MANAGERS => self.found.is_sm.push((line, lid)),
                Some(_) => {}
                None => self.fault(line, "base_lid", format!("`{}` is no LID", quoted(value))),
            }
        }
    }

    fn manager(&mut self, manager: SubnetManager) {
        let managers = self.found.subnet_managers.get_or_insert_default();
        if managers.len() < MOST_MANAGERS {
            managers.push(manager);
        } else {
            self.at = In::Nothing;
        }
    }
}

/// A value that may be empty or say that there is none.
fn word(value: &str) -> Option<String> {
    Some(value).filter(|value| !value.is_empty() && *value != "N/A").map(str::to_string)
}

fn small<T: TryFrom<u64>>(number: Option<u64>) -> Option<T> {
    T::try_from(number?).ok()
}

/// `Priority..............10` as key and value; `0x…` and names may hold no dots before the first run of them.
fn dotted(text: &str) -> Option<(&str, &str)> {
    let (key, rest) = text.split_once("..")?;
    Some((key.trim(), rest.trim_start_matches('.').trim()))
}

/// A field of a port: ibstat's and ibstatus's keys.
fn port_field(port: &mut IbPort, key: &str, value: &str) -> Result<(), String> {
    let wrong = |what: &str| format!("`{}` is no {what}", quoted(value));
    match key {
        "State" | "state" => port.state = Some(state(value)?),
        "Physical state" | "phys state" => port.phys_state = Some(phys_state(value)?),
        "Rate" | "rate" => {
            let rate = rate(value)?;
            port.rate =
                Some(if value.ends_with(|c: char| c.is_ascii_digit()) { format!("{value} Gb/sec") } else { value.to_string() });
            port.rate_mbps = Some(rate.mbps);
            port.data_rate_mbps = rate.data_mbps;
            port.width = rate.width;
            port.speed = rate.speed.map(|speed| speed.name().to_string());
        }
        "Base lid" | "base lid" => port.lid = Some(small(number(value)).ok_or_else(|| wrong("LID"))?),
        "SM lid" | "sm lid" => port.sm_lid = Some(small(number(value)).ok_or_else(|| wrong("LID"))?),
        "LMC" => port.lmc = Some(small(number(value)).filter(|lmc| *lmc <= 7_u8).ok_or_else(|| wrong("LMC of 0 to 7"))?),
        "Capability mask" => port.cap_mask = Some(small(number(value)).ok_or_else(|| wrong("mask of 32 bits"))?),
        "Port GUID" => port.port_guid = Some(show_guid(guid(value)?)),
        "Link layer" | "link_layer" => port.link_layer = Some(link_layer(value).ok_or_else(|| wrong("link layer"))?.to_string()),
        "default gid" => {
            let (prefix, id) = gid(value).ok_or_else(|| wrong("GID"))?;
            port.subnet_prefix = Some(show_guid(prefix));
            port.port_guid = Some(show_guid(id));
        }
        _ => {}
    }
    Ok(())
}

/// `sminfo: sm lid 1 sm guid 0x2c90300aa0001, activity count 109 priority 5 state 3 SMINFO_MASTER`.
fn sminfo(text: &str) -> Result<SubnetManager, String> {
    let after = |key: &str| text.split_once(key).and_then(|(_, rest)| rest.split([' ', ',']).next()).unwrap_or_default();
    let wrong = |what: &str, value: &str| format!("{what}: `{}` cannot be read", quoted(value));
    let count = after("activity count ");
    let priority = after("priority ");
    let state = after("state ");
    let lid = after("sm lid ");
    Ok(SubnetManager {
        guid: show_guid(guid(after("sm guid "))?),
        lid: Some(small(number(lid)).ok_or_else(|| wrong("LID", lid))?),
        priority: Some(small(number(priority)).filter(|number| *number <= 15_u8).ok_or_else(|| wrong("priority", priority))?),
        state: Some(number(state).and_then(sm_state).ok_or_else(|| wrong("state", state))?.to_string()),
        act_count: Some(small(number(count)).ok_or_else(|| wrong("activity count", count))?),
        // sminfo asks the manager itself.
        answers: Some(true),
        ..SubnetManager::default()
    })
}

/// `Ca` and a colon with whatever white space a terminal made of the tab.
fn hosts_line(text: &str) -> Option<&str> {
    text.strip_prefix("Ca")?.trim_start().strip_prefix(':')
}

/// `0x0002c90300dd0000 ports 2 "HCA-D"`.
fn ibhosts(text: &str) -> Result<(u64, u8, String), String> {
    let wrong = || format!("`{}`: expected `GUID ports N \"NAME\"`", quoted(text.trim()));
    let (id, rest) = text.trim().split_once(" ports ").ok_or_else(wrong)?;
    let (ports, name) = rest.split_once(' ').ok_or_else(wrong)?;
    let name = name.trim().strip_prefix('"').and_then(|name| name.strip_suffix('"')).ok_or_else(wrong)?;
    Ok((guid(id)?, ports.parse().map_err(|_| wrong())?, name.to_string()))
}

impl Pasted {
    /// Adds what the text says to a host. `file` is what gaps call the text, `source` the origin of ports and links.
    pub fn add_to(self, host: &mut Host, file: &str, source: &str) {
        let Self { ports, subnet_managers, is_sm, nodes, links, faults, .. } = self;
        let gap = |what: &str, line: u32, detail: String| Gap {
            what: what.into(),
            place: format!("{file}:{line}"),
            reason: GapReason::Malformed,
            detail,
            right: None,
        };
        host.gaps.extend(faults.into_iter().map(|fault| {
            let what = if fault.field == "interface" { "links" } else { "infiniband" };
            gap(what, fault.line, format!("{}: {}", fault.field, fault.message))
        }));
        if !ports.is_empty() || subnet_managers.is_some() || !is_sm.is_empty() || !nodes.is_empty() {
            let table = host.infiniband.get_or_insert_default();
            for port in ports {
                add_port(table, IbPort { source: source.into(), ..port });
            }
            for manager in subnet_managers.into_iter().flatten().filter(|manager| !manager.guid.is_empty()) {
                add_manager(table.subnet_managers.get_or_insert_default(), manager);
            }
            for manager in table.subnet_managers.iter_mut().flatten().filter(|manager| manager.node.is_none()) {
                let Ok(id) = guid(&manager.guid) else { continue };
                // The ports of an adapter have the GUIDs that follow its own.
                let node = nodes.iter().find(|(node, ports, _)| (*node..=node.saturating_add(u64::from(*ports))).contains(&id));
                manager.node = node.map(|(_, _, name)| name.clone());
            }
            for (line, lid) in is_sm {
                if !table.subnet_managers.iter().flatten().any(|manager| manager.lid == Some(lid)) {
                    let detail =
                        format!("a subnet manager runs at LID {lid}, of which this text has no priority: add `saquery SMIR`");
                    let mut gap = gap("infiniband.subnet_managers", line, detail);
                    gap.reason = GapReason::NotPresent;
                    host.gaps.push(gap);
                }
            }
        }
        if !links.is_empty() {
            let table = host.links.get_or_insert_default();
            for link in links {
                table.retain(|known| known.ifname != link.ifname);
                table.push(Link { source: source.into(), ..link });
            }
        }
        join_ports(host);
    }
}

/// Says of every `IPoIB` interface on which port it sits, where that is not known: the last 8 bytes of its address are the GUID of
/// the port (RFC 4391 section 9.1.1).
pub fn join_ports(host: &mut Host) {
    let ports = host.infiniband.as_ref().map(|table| table.ports.as_slice()).unwrap_or_default();
    for device in host.links.iter_mut().flatten() {
        let Some(ipoib) = device.ipoib.as_mut().filter(|ipoib| ipoib.device.is_none()) else { continue };
        let Some(id) = device.address.as_deref().filter(|address| address.len() == 59).and_then(|address| address.get(36..)) else {
            continue;
        };
        let Ok(id) = guid(id).map(show_guid) else { continue };
        let mut owners = ports.iter().filter(|port| port.port_guid.as_ref() == Some(&id));
        if let (Some(port), None) = (owners.next(), owners.next()) {
            ipoib.device = Some(port.device.clone());
            ipoib.port = Some(port.port);
        }
    }
}

/// Adds a port, or what was not yet known of it.
fn add_port(table: &mut Infiniband, port: IbPort) {
    let Some(known) = table.ports.iter_mut().find(|known| known.device == port.device && known.port == port.port) else {
        table.ports.push(port);
        return;
    };
    let old = core::mem::replace(known, port);
    macro_rules! keep {
        ($($field:ident),*) => { $(if known.$field.is_none() { known.$field = old.$field; })* };
    }
    keep!(link_layer, state, phys_state, lid, lmc, sm_lid, cap_mask, port_guid, node_guid, subnet_prefix, firmware, hca_type);
    if known.speed.is_none() && old.rate.is_some() {
        (known.rate, known.rate_mbps, known.data_rate_mbps) = (old.rate, old.rate_mbps, old.data_rate_mbps);
        (known.width, known.speed) = (old.width, old.speed);
    }
}

/// Adds a subnet manager; one that was seen twice with different counts is alive.
fn add_manager(table: &mut Vec<SubnetManager>, manager: SubnetManager) {
    let Some(known) = table.iter_mut().find(|known| known.guid == manager.guid) else {
        table.push(manager);
        return;
    };
    let moved = match (known.act_count, manager.act_count) {
        (Some(one), Some(other)) if one != other => Some(true),
        // The same count may be of the same moment.
        _ => known.counting,
    };
    let answers = known.answers.or(manager.answers);
    let node = known.node.take().or(manager.node.clone());
    *known = SubnetManager { counting: moved, answers, node, ..manager };
}

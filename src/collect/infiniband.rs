//! InfiniBand adapters and their ports: `/sys/class/infiniband`.

mod value;

use super::identity::line;
use super::{gap, opensm};
use crate::host::Host;
use pathvet_checks::evidence::{self, Counters, Gap, IbPort, Infiniband};
use pathvet_checks::parse::infiniband as words;
use std::collections::BTreeMap;
use std::io;
use std::time::Duration;
use value::Values;

const CLASS: &str = "/sys/class/infiniband";
/// Most entries of a port's `P_Key` table that are read; adapters have up to 128.
const MOST_PKEYS: usize = 1024;
/// Error counters (IBA 16.1.3.5, `drivers/infiniband/core/sysfs.c`).
const COUNTERS: [&str; 12] = [
    "VL15_dropped",
    "excessive_buffer_overrun_errors",
    "link_downed",
    "link_error_recovery",
    "local_link_integrity_errors",
    "port_rcv_constraint_errors",
    "port_rcv_errors",
    "port_rcv_remote_physical_errors",
    "port_rcv_switch_relay_errors",
    "port_xmit_constraint_errors",
    "port_xmit_discards",
    "symbol_error",
];

/// Every port of every adapter, and the files of this host's subnet manager. A host without adapters has an empty table, which
/// costs one look.
#[must_use]
pub fn infiniband(host: &dyn Host) -> (Option<Infiniband>, Vec<Gap>) {
    let devices = match host.list(CLASS) {
        Ok(devices) => devices,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !super::without_sysfs(host) => Vec::new(),
        Err(error) => return (None, vec![gap::from_error("infiniband", CLASS, &error)]),
    };
    let mut found = Infiniband::default();
    let mut gaps = Vec::new();
    for device in &devices {
        adapter(host, device, &mut found.ports, &mut gaps);
    }
    if !found.ports.is_empty() {
        let (config, more) = opensm::sm_config(host);
        found.sm_config = Some(config);
        gaps.extend(more);
    }
    (Some(found), gaps)
}

fn adapter(host: &dyn Host, device: &str, ports: &mut Vec<IbPort>, gaps: &mut Vec<Gap>) {
    let base = format!("{CLASS}/{device}");
    let mut values = Values { host, base: &base, what: format!("infiniband.ports.{device}"), gaps };
    let node_guid = values.guid("node_guid");
    let firmware = values.text("fw_ver");
    let board_id = values.text("board_id");
    let hca_type = values.text("hca_type");
    // Not through the `device` link, behind which a recording cannot look.
    let bus = host.link(&format!("{base}/device")).ok().and_then(|target| last(&target));
    let driver = bus.and_then(|bus| last(&host.link(&format!("/sys/bus/pci/devices/{bus}/driver")).ok()?));
    let place = format!("{base}/ports");
    let names = match host.list(&place) {
        Ok(names) => names,
        Err(error) => return gaps.push(gap::from_error(&format!("infiniband.ports.{device}"), &place, &error)),
    };
    let mut numbers: Vec<u8> = names.iter().filter_map(|name| name.parse().ok()).collect();
    numbers.sort_unstable();
    for number in numbers {
        let known = IbPort {
            device: device.to_owned(),
            port: number,
            node_guid: node_guid.clone(),
            firmware: firmware.clone(),
            board_id: board_id.clone(),
            hca_type: hca_type.clone(),
            driver: driver.clone(),
            source: "sysfs".into(),
            ..IbPort::default()
        };
        ports.push(port(host, known, gaps));
    }
}

/// The name that a link of sysfs leads to.
pub(super) fn last(target: &str) -> Option<String> {
    target.rsplit('/').next().filter(|name| !name.is_empty()).map(str::to_owned)
}

fn port(host: &dyn Host, mut port: IbPort, gaps: &mut Vec<Gap>) -> IbPort {
    let base = format!("{CLASS}/{}/ports/{}", port.device, port.port);
    let mut values = Values { host, base: &base, what: format!("infiniband.ports.{}/{}", port.device, port.port), gaps };
    port.link_layer = values.read("link_layer", |text| {
        words::link_layer(text).map(str::to_owned).ok_or_else(|| "expected `InfiniBand` or `Ethernet`".to_owned())
    });
    port.state = values.read("state", words::state);
    port.phys_state = values.read("phys_state", words::phys_state);
    if let Some((text, rate)) = values.read("rate", |text| words::rate(text).map(|rate| (text.to_owned(), rate))) {
        port.rate = Some(text);
        port.rate_mbps = Some(rate.mbps);
        port.data_rate_mbps = rate.data_mbps;
        port.width = rate.width;
        port.speed = rate.speed.map(|speed| speed.name().to_owned());
    }
    port.lid = values.number("lid");
    port.sm_lid = values.number("sm_lid");
    port.lmc = values.number("lid_mask_count");
    port.cap_mask = values.number("cap_mask");
    // The GIDs of a RoCE port are made of its addresses and say nothing of a subnet.
    if port.link_layer.as_deref() != Some("Ethernet") {
        let gid = values.read("gids/0", |text| words::gid(text).ok_or_else(|| "expected a GID of eight groups".to_owned()));
        if let Some((prefix, guid)) = gid {
            port.subnet_prefix = Some(words::show_guid(prefix));
            port.port_guid = Some(words::show_guid(guid)).filter(|_| guid != 0);
        }
    }
    port.pkeys = pkeys(&mut values);
    port.counters = counters(host, &port, gaps).map(|first| Counters { first, ..Counters::default() });
    port
}

/// Every `P_Key` that is not 0: tables may have holes.
fn pkeys(values: &mut Values<'_>) -> Option<Vec<u16>> {
    let place = format!("{}/pkeys", values.base);
    let names = match values.host.list(&place) {
        Ok(names) => names,
        Err(error) => {
            values.gaps.push(gap::from_error(&format!("{}.pkeys", values.what), &place, &error));
            return None;
        }
    };
    let mut indexes: Vec<u32> = names.iter().filter_map(|name| name.parse().ok()).collect();
    indexes.sort_unstable();
    if indexes.len() > MOST_PKEYS {
        let detail = format!("{} entries, of which {MOST_PKEYS} were read", indexes.len());
        values.gaps.push(gap::malformed(&format!("{}.pkeys", values.what), &place, detail));
        indexes.truncate(MOST_PKEYS);
    }
    let keys = indexes.iter().filter_map(|index| values.number::<u16>(&format!("pkeys/{index}")));
    Some(keys.filter(|key| *key != 0).collect())
}

/// The error counters of a port. `None` where it has none.
fn counters(host: &dyn Host, port: &IbPort, gaps: &mut Vec<Gap>) -> Option<BTreeMap<String, u64>> {
    let place = format!("{CLASS}/{}/ports/{}/counters", port.device, port.port);
    let what = format!("infiniband.ports.{}/{}.counters", port.device, port.port);
    let names = match host.list(&place) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            gaps.push(gap::from_error(&what, &place, &error));
            return None;
        }
    };
    let mut found = BTreeMap::new();
    for name in COUNTERS.iter().filter(|name| names.iter().any(|there| there == *name)) {
        let place = format!("{place}/{name}");
        match line(host, &place) {
            Ok(text) => match text.parse() {
                Ok(count) => {
                    found.insert((*name).to_owned(), count);
                }
                Err(_) => {
                    gaps.push(gap::malformed(&what, &place, format!("`{}` is no count", pathvet_checks::parse::quoted(&text))));
                }
            },
            Err(error) => gaps.push(gap::from_error(&what, &place, &error)),
        }
    }
    Some(found)
}

/// Reads again what needs two samples: error counters, `interval` after the first, and the state of ports that were about to come
/// up. `settled` says whether a port has had its two seconds.
pub fn infiniband_again(host: &dyn Host, found: &mut evidence::Host, interval: Duration, settled: bool) {
    let mut gaps = Vec::new();
    for port in found.infiniband.iter_mut().flat_map(|table| &mut table.ports) {
        if settled && coming_up(port) {
            let base = format!("{CLASS}/{}/ports/{}", port.device, port.port);
            let what = format!("infiniband.ports.{}/{}", port.device, port.port);
            port.state_again = Values { host, base: &base, what, gaps: &mut gaps }.read("state", words::state);
        }
        if port.counters.is_some() {
            let last = counters(host, port, &mut gaps);
            if let Some(counters) = &mut port.counters {
                counters.interval_ms = last.as_ref().map(|_| u64::try_from(interval.as_millis()).unwrap_or(u64::MAX));
                counters.last = last;
            }
        }
    }
    found.gaps.extend(gaps);
    found.gaps.sort();
    found.gaps.dedup();
}

/// Whether a port may be about to come up, so that its state is worth a second look.
#[must_use]
pub fn coming_up(port: &IbPort) -> bool {
    port.link_layer.as_deref() != Some("Ethernet") && matches!(port.state.as_deref(), Some("Initializing" | "Armed"))
}

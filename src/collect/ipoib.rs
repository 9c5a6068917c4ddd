//! `IPoIB` interfaces: rtnetlink has mode, `P_Key` and umcast; sysfs has them too where a recorded tree holds no netlink, and it
//! alone knows the port below.

use super::identity::line;
use super::infiniband::last;
use super::{gap, sysfs};
use crate::host::Host;
use pathvet_checks::evidence::{self, Gap, GapReason, Ipoib, Link};
use pathvet_checks::parse::{infiniband::number, paste::join_ports, quoted};
use serde_json::Value;
use std::collections::BTreeMap;

const CLASS: &str = "/sys/class/net";

/// Fills in the `IPoIB` settings of every InfiniBand interface.
pub(super) fn ipoib(host: &dyn Host, found: &mut evidence::Host) -> Vec<Gap> {
    let mut gaps = Vec::new();
    let is_ipoib = |link: &Link| link.kind() == "ipoib" || link.link_type.as_deref() == Some("infiniband");
    if !found.links.iter().flatten().any(is_ipoib) {
        return gaps;
    }
    let adapters = adapters(host, found);
    for link in found.links.iter_mut().flatten().filter(|link| is_ipoib(link)) {
        let mut settings = from_netlink(link);
        settings.parent = link.link.clone().filter(|parent| !parent.starts_with('@'));
        settings.connected_capable = link.address.as_deref().and_then(capable);
        if sysfs::shows(host, link) {
            from_sysfs(host, &link.ifname, &mut settings, &adapters, &mut gaps);
        } else {
            let place = format!("{CLASS}/{}", link.ifname);
            let detail = "sysfs shows another network namespace, or is not mounted";
            let what = format!("links.{}.ipoib.port", link.ifname);
            gaps.push(Gap { what, place, reason: GapReason::NotPresent, detail: detail.into(), right: None });
        }
        if settings.mode.is_none() {
            let place = format!("IFLA_IPOIB_MODE and {CLASS}/{}/mode", link.ifname);
            gaps.push(gap::malformed(&format!("links.{}.ipoib.mode", link.ifname), &place, "neither names the mode"));
        }
        link.ipoib = Some(Box::new(settings));
    }
    join_ports(found);
    gaps
}

/// Adapters by the device that they sit on, as the `device` link of sysfs ends.
fn adapters(host: &dyn Host, found: &evidence::Host) -> BTreeMap<String, String> {
    let mut names: Vec<&str> = found.infiniband.iter().flat_map(|table| &table.ports).map(|port| port.device.as_str()).collect();
    names.dedup();
    let below = |name: &&str| Some((last(&host.link(&format!("/sys/class/infiniband/{name}/device")).ok()?)?, (*name).to_owned()));
    names.iter().filter_map(below).collect()
}

fn from_netlink(link: &Link) -> Ipoib {
    let data = link.linkinfo.as_ref().filter(|info| info.info_kind.as_deref() == Some("ipoib")).map(|info| &info.info_data);
    let text = |key: &str| data.and_then(|data| data.get(key)).and_then(Value::as_str);
    Ipoib {
        mode: text("mode").map(str::to_owned),
        pkey: text("key").and_then(number).and_then(|key| u16::try_from(key).ok()),
        umcast: text("umcast").map(|umcast| umcast.bytes().any(|digit| digit != b'0')),
        ..Ipoib::default()
    }
}

/// The flag of `IPoIB` over reliable connections (RFC 4755 section 3.1); drivers with an offload of their own do not set it.
fn capable(address: &str) -> Option<bool> {
    const LENGTH: usize = 20;
    if address.split(':').count() != LENGTH {
        return None;
    }
    u8::from_str_radix(address.get(..2)?, 16).ok().map(|flags| flags & 0x80 != 0)
}

fn from_sysfs(host: &dyn Host, ifname: &str, settings: &mut Ipoib, adapters: &BTreeMap<String, String>, gaps: &mut Vec<Gap>) {
    let base = format!("{CLASS}/{ifname}");
    let mut fault = |field: &str, file: &str, text: &str| {
        let detail = if text.is_empty() { "the file is empty".to_owned() } else { format!("`{}` cannot be read", quoted(text)) };
        gaps.push(gap::malformed(&format!("links.{ifname}.ipoib.{field}"), &format!("{base}/{file}"), detail));
    };
    if settings.mode.is_none()
        && let Ok(text) = line(host, &format!("{base}/mode"))
    {
        match text.as_str() {
            "datagram" | "connected" => settings.mode = Some(text),
            _ => fault("mode", "mode", &text),
        }
    }
    if settings.pkey.is_none()
        && let Ok(text) = line(host, &format!("{base}/pkey"))
    {
        settings.pkey = number(&text).and_then(|key| u16::try_from(key).ok());
        if settings.pkey.is_none() {
            fault("pkey", "pkey", &text);
        }
    }
    if settings.umcast.is_none()
        && let Ok(text) = line(host, &format!("{base}/umcast"))
    {
        settings.umcast = number(&text).map(|number| number != 0);
        if settings.umcast.is_none() {
            fault("umcast", "umcast", &text);
        }
    }
    if settings.parent.is_none() {
        settings.parent = line(host, &format!("{base}/parent")).ok().filter(|parent| !parent.is_empty());
    }
    let device = host.link(&format!("{base}/device")).ok().and_then(|target| last(&target));
    settings.device = device.and_then(|device| adapters.get(&device).cloned());
    if settings.device.is_some()
        && let Ok(text) = line(host, &format!("{base}/dev_port"))
    {
        // Counted from 0 there.
        settings.port = number(&text).and_then(|port| u8::try_from(port.checked_add(1)?).ok());
        if settings.port.is_none() {
            fault("port", "dev_port", &text);
        }
    }
}

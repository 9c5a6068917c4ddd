//! Do applications send with the priority that is kept lossless for them?

use crate::Case;
use crate::check::{Check, Meta, check};
use crate::dcb::{self, Partner, Port, Said, Table, app_priority, each, list, remedy};
use crate::evidence::{App, Dcb, Link, Roce};
use crate::expect::{AppId, DcbExpect, Trust};
use crate::facts;
use crate::report::{Finding, Outcome, Side};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

check! {
    /// # What it looks for
    ///
    /// Which priority applications get on the cards that carry the path: the application table of the card, what its switch port
    /// announces (802.1Qaz application priority TLV), and what `RoCE` on Linux really uses, which is not that table: the default TOS of
    /// `rdma_cm`, the traffic class that the device forces, the egress map of the VLAN, and whether the port trusts DSCP or the tag.
    ///
    /// # How it decides
    ///
    /// - FAIL: the plan names an application's priority and it has another; iSCSI or `FCoE` is expected on a lossless priority and PFC is
    ///   off for the one that it has; the plan's `trust` is not what the driver says (WARN where it only seems so from the table).
    /// - WARN: `FCoE` on a priority without PFC; `RoCE` on a priority without PFC while others have it; host and switch, or the hosts of one
    ///   plan network, name different priorities; the plan names a priority and the table has no entry.
    /// - PASS: none of these. iSCSI on a lossy priority is fine unless the plan says lossless: TCP repeats what is lost.
    /// - UNKNOWN: the plan names applications, and the card's table cannot be read.
    /// - SKIP: no table and no `RoCE`; or the plan wants `RoCE` alone and nothing of what it uses can be read.
    ///
    /// With DSCP trust the priority is looked up in the card's DSCP table. With PCP trust it comes from the tag: the TOS becomes a
    /// kernel priority (`rt_tos2priority`), and the VLAN's egress map turns that into the tag's. A frame without tag has priority 0.
    ///
    /// # What to do
    ///
    /// `RoCE`: `cma_roce_tos -d mlx5_0 -t 106` for `rdma_cm`, and `mlnx_qos -i IFACE --trust dscp` or `ip link set dev VLAN type vlan
    /// egress-qos-map 2:3`. Others: `dcb app replace dev IFACE stream-port-prio 3260:4`, `lldptool -T -i IFACE -V APP app=4,2,3260`, on
    /// Windows `New-NetQosPolicy`.
    ///
    /// # Example
    ///
    /// `fail-iscsi-lossy-planned-lossless`: the plan wants iSCSI lossless on 4, and PFC is off there.
    ///
    /// ```text
    /// FAIL dcb-app node1:eth0
    ///   iSCSI is on priority 4, which is expected to be lossless, and PFC is on for 3
    /// ```
    pub(crate) struct DcbApp = { id: "dcb-app", summary: "the priority that storage and RDMA traffic gets" }
}

impl Check for DcbApp {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn judge(&self, case: &Case<'_>) -> Vec<Finding> {
        let ports = dcb::ports(case);
        ports.iter().filter_map(|port| finding(case, &ports, port)).collect()
    }
}

/// What `RoCE` on a port sends with.
enum RocePriority {
    /// This priority, and how it comes about.
    Is(u8, String),
    /// It cannot be told, and why.
    Untold(String),
}

fn finding(case: &Case<'_>, ports: &[Port<'_>], port: &Port<'_>) -> Option<Finding> {
    let id = DcbApp::META.id;
    let expect = dcb::expected(case, port);
    let dcb = port.link.dcb.as_deref();
    let partner = dcb::partner(port.link);
    let fars = dcb::fars(ports, port);
    let table = dcb.filter(|dcb| dcb.app.is_some());
    let mut said = Said::default();
    planned(&mut said, port, table, &expect);
    if let (Some(wanted), Some(dcb)) = (expect.trust, table) {
        trust(&mut said, port, dcb, wanted);
    }
    let roce = roce(&mut said, port, &expect);
    if let Some(dcb) = table {
        lossless(&mut said, port, dcb, &expect);
        against(&mut said, port, dcb, partner.as_ref(), &fars);
    }
    if said.worst().is_none() {
        let wants_table = expect.apps.iter().flatten().any(|app| !matches!(app.app, AppId::Rocev2 | AppId::Roce));
        match (table, roce) {
            (Some(dcb), _) if !known(dcb).is_empty() => said.say(Outcome::Pass, words(dcb)),
            (_, Some(why)) => said.say(Outcome::Skip, why),
            (Some(_), None) => said.say(Outcome::Skip, "no application has a priority of its own"),
            (None, None) => {
                let why = if dcb.is_some() { "no application table".to_owned() } else { dcb::missing(port) };
                let asked = wants_table || facts::named(case, id);
                said.say(if asked { Outcome::Unknown } else { Outcome::Skip }, why);
            }
        }
    }
    let mut finding = said.finding(id, port)?;
    if finding.outcome != Outcome::Skip {
        finding.sources = sources(table.is_some(), partner.as_ref(), port);
        finding.details = side_by_side(port, &expect, table, partner.as_ref(), &fars).finish();
    }
    Some(finding)
}

/// The application table against the plan.
fn planned(said: &mut Said, port: &Port<'_>, table: Option<&Dcb>, expect: &DcbExpect) {
    let Some(dcb) = table else { return };
    for wanted in expect.apps.iter().flatten() {
        // What RoCE on Linux sends with is read apart; the entry only tells others.
        let told_only = matches!(wanted.app, AppId::Rocev2 | AppId::Roce) && port.host.roce.is_some();
        let (name, priority) = (wanted.app.name(), wanted.priority);
        match app_priority(dcb, wanted.app) {
            Some(found) if found == priority => said.say(Outcome::Pass, format!("{name} on {priority}")),
            Some(found) if told_only => {
                said.say(Outcome::Warn, format!("the table tells others {name} on {found}, not {priority}"));
                said.remedies.push(remedy::app_host(port, wanted.app, priority));
            }
            Some(found) => {
                said.say(Outcome::Fail, format!("{name} is on priority {found}, not {priority}"));
                said.remedies.push(remedy::app_host(port, wanted.app, priority));
            }
            None if matches!(wanted.app, AppId::Rocev2 | AppId::Roce) => {}
            None if default_priority(dcb) == priority => said.say(Outcome::Pass, format!("{name} on {priority}, the default")),
            None => {
                let text = format!("{name} is expected on {priority}, and the table has no entry for {}", wanted.app.port());
                said.say(Outcome::Warn, text);
                said.remedies.push(remedy::app_host(port, wanted.app, priority));
            }
        }
    }
}

/// The priority of everything that no entry names (`EtherType` 0, selector 1).
fn default_priority(dcb: &Dcb) -> u8 {
    let is_default = |entry: &&App| entry.selector == "default" || entry.selector == "ethtype" && entry.protocol == 0;
    dcb.app.iter().flatten().find(is_default).map_or(0, |entry| entry.priority)
}

fn trust(said: &mut Said, port: &Port<'_>, dcb: &Dcb, wanted: Trust) {
    let outcome = if dcb::trust_is_told(port.link) { Outcome::Fail } else { Outcome::Warn };
    match (wanted, dcb::trust(dcb)) {
        (Trust::Dscp, Some(Trust::Pcp)) => {
            said.say(outcome, "it has no table of DSCP values, so it sorts by tag (PCP), not by DSCP");
            let dev = &port.link.ifname;
            said.remedies.push(format!(
                "on {}:   dcb app add dev {dev} dscp-prio 26:3   or   mlnx_qos -i {dev} --trust dscp",
                port.host.name
            ));
        }
        (Trust::Pcp, Some(Trust::Dscp)) => {
            said.say(outcome, "it has a table of DSCP values, so it sorts by DSCP, not by tag (PCP)");
            let dev = &port.link.ifname;
            said.remedies
                .push(format!("on {}:   dcb app flush dev {dev} dscp-prio   or   mlnx_qos -i {dev} --trust pcp", port.host.name));
        }
        _ => {}
    }
}

/// What is on a priority of which it needs to be lossless.
fn lossless(said: &mut Said, port: &Port<'_>, dcb: &Dcb, expect: &DcbExpect) {
    let Some(pfc) = port.pfc() else { return };
    for app in [AppId::Iscsi, AppId::Fcoe] {
        let Some(priority) = app_priority(dcb, app) else { continue };
        if pfc >> priority & 1 == 1 {
            continue;
        }
        let name = app.name();
        let with_plan = expect.lossless.is_some_and(|lossless| {
            lossless >> priority & 1 == 1 || expect.app(app).is_some_and(|planned| lossless >> planned & 1 == 1)
        });
        let on = if pfc == 0 { "PFC is off".to_owned() } else { format!("PFC is on for {}", list(pfc)) };
        match (with_plan, app) {
            (true, _) => {
                said.say(Outcome::Fail, format!("{name} is on priority {priority}, which is expected to be lossless, and {on}"));
                said.remedies.push(remedy::pfc_host(port, expect.lossless.unwrap_or(pfc)));
            }
            (false, AppId::Iscsi) => {
                said.notes.push(format!("{}: iSCSI on priority {priority} is lossy, which TCP bears", port.name()));
            }
            (false, _) => {
                said.say(Outcome::Warn, format!("{name} is on priority {priority}, and {on}: it needs a lossless one"));
                said.remedies.push(remedy::pfc_host(port, pfc | 1 << priority));
            }
        }
    }
}

/// The kernel's priority for a TOS byte (`rt_tos2priority`, `net/ipv4/route.c` `ip_tos2prio`).
pub(crate) fn tos_to_priority(tos: u8) -> u8 {
    // Every pair is one value of the four TOS bits of RFC 1349 (0x1e), the lowest of which ECN took over.
    match (tos & 0x1e) >> 1 {
        4..=7 => 2,
        8..=11 => 6,
        12..=15 => 4,
        _ => 0,
    }
}

/// What `RoCE` sends with; `None` in the end where there is no `RoCE`, or the reason why it cannot be told.
fn roce(said: &mut Said, port: &Port<'_>, expect: &DcbExpect) -> Option<String> {
    let wanted = expect.app(AppId::Rocev2).or_else(|| expect.app(AppId::Roce));
    let devices: Vec<&Roce> = dcb::roce(port).collect();
    if devices.is_empty() {
        return wanted.map(|_| "RoCE: no RDMA device is known on this card".to_owned());
    }
    let mut untold = None;
    for device in devices {
        let (name, number) = (&device.device, device.port);
        match roce_priority(port, device, expect) {
            RocePriority::Untold(why) => untold = Some(format!("RoCE: {why}")),
            RocePriority::Is(priority, how) => match wanted {
                Some(wanted) if wanted == priority => said.say(Outcome::Pass, format!("RoCE ({name}) on {priority}: {how}")),
                Some(wanted) => {
                    said.say(Outcome::Fail, format!("RoCE ({name}) goes out on priority {priority}, not {wanted}: {how}"));
                    said.remedies.extend(remedy::roce_host(port, name, number, wanted, expect));
                }
                None => match port.pfc().filter(|pfc| *pfc != 0 && dcb::roce_in_use(port, expect)) {
                    Some(pfc) if pfc >> priority & 1 == 0 => {
                        let text = format!("RoCE ({name}) goes out on priority {priority}, and PFC is on for {}: {how}", list(pfc));
                        said.say(Outcome::Warn, text);
                        let first = each(pfc).next().unwrap_or(3);
                        said.remedies.extend(remedy::roce_host(port, name, number, first, expect));
                    }
                    Some(_) => said.say(Outcome::Pass, format!("RoCE ({name}) on {priority}: {how}")),
                    None => {}
                },
            },
        }
    }
    if let Some(why) = untold.as_ref().filter(|_| said.worst().is_some() && wanted.is_some()) {
        said.notes.push(format!("{}: {why}", port.name()));
    }
    untold
}

fn roce_priority(port: &Port<'_>, device: &Roce, expect: &DcbExpect) -> RocePriority {
    let (tos, from) = match (device.traffic_class, device.default_roce_tos) {
        (Some(class), _) if class != 0 => (class, "traffic_class"),
        (_, Some(tos)) => (tos, "rdma_cm's default TOS"),
        (Some(class), None) => (class, "traffic_class"),
        (None, None) => {
            return RocePriority::Untold("neither rdma_cm's default TOS nor the device's traffic class can be read".to_owned());
        }
    };
    let dcb = port.link.dcb.as_deref();
    let trusts = dcb.and_then(dcb::trust).filter(|_| dcb::trust_is_told(port.link)).or(expect.trust);
    match trusts {
        Some(Trust::Dscp) => {
            let dscp = tos >> 2;
            let entries = dcb.and_then(|dcb| dcb.app.as_deref()).unwrap_or_default();
            let entry =
                entries.iter().find(|entry| entry.selector == "dscp" && entry.protocol == u16::from(dscp) && entry.priority < 8);
            match entry {
                Some(entry) => RocePriority::Is(entry.priority, format!("{from} {tos} is DSCP {dscp}")),
                // Without an entry of its own mlx5 maps eight DSCP values to each priority.
                None if port.link.driver.as_deref() == Some("mlx5_core") => {
                    RocePriority::Is(dscp >> 3, format!("{from} {tos} is DSCP {dscp}, which has no entry of its own"))
                }
                None => RocePriority::Untold(format!("{from} {tos} is DSCP {dscp}, which has no entry in the card's table")),
            }
        }
        Some(Trust::Pcp) => {
            let vlans: Vec<&Link> = port.tops.iter().copied().filter(|top| top.kind() == "vlan").collect();
            let [top] = port.tops.as_slice() else {
                return RocePriority::Untold("several interfaces share the card, each with its own tag".to_owned());
            };
            if vlans.is_empty() {
                return RocePriority::Is(0, "frames leave without a VLAN tag, and the card sorts by tag".to_owned());
            }
            let kernel = tos_to_priority(tos);
            let map = top.linkinfo.as_ref().and_then(|info| info.info_data.get("egress_qos")).and_then(|map| map.as_array());
            let Some(map) = map.or(None).or_else(|| top.linkinfo.is_some().then_some(&EMPTY)) else {
                return RocePriority::Untold(format!("the egress map of {} is not known", top.ifname));
            };
            let entry = map.iter().find(|entry| entry.get("from").and_then(serde_json::Value::as_u64) == Some(u64::from(kernel)));
            let to = entry.and_then(|entry| entry.get("to")).and_then(serde_json::Value::as_u64).unwrap_or(0);
            let priority = u8::try_from(to & 7).unwrap_or(0);
            let how = format!("{from} {tos} is kernel priority {kernel}, which the egress map of {} makes {priority}", top.ifname);
            RocePriority::Is(priority, how)
        }
        None => RocePriority::Untold("whether the card trusts DSCP or the tag cannot be read".to_owned()),
    }
}

/// A VLAN without an entry has no map attribute at all.
static EMPTY: Vec<serde_json::Value> = Vec::new();

/// Host against switch and against the other hosts.
fn against(said: &mut Said, port: &Port<'_>, dcb: &Dcb, partner: Option<&Partner<'_>>, fars: &[&Port<'_>]) {
    for app in AppId::ALL {
        let Some(own) = app_priority(dcb, app) else { continue };
        if let Some(partner) = partner
            && let Some(theirs) = app_priority(partner.dcb, app).filter(|theirs| *theirs != own)
        {
            said.say(Outcome::Warn, format!("{} has {} on {own}, and {} on {theirs}", port.name(), app.name(), partner.name));
            said.remedies.push(remedy::app_host(port, app, theirs));
        }
        if port.network.is_none() && port.paths.is_empty() {
            continue;
        }
        let value = |port: &Port<'_>| port.link.dcb.as_deref().and_then(|dcb| app_priority(dcb, app));
        if let Some(odd) = dcb::odd(port, fars, value, |one, other| one == other)
            && let Some(theirs) = value(odd.far)
        {
            said.say(Outcome::Warn, format!("{} has {} on {own}, and {} on {theirs}", port.name(), app.name(), odd.far.name()));
            said.remedies.push(remedy::app_host(port, app, theirs));
            if odd.majority.is_none() {
                said.remedies.push(remedy::app_host(odd.far, app, own));
            }
        }
    }
}

/// The applications of a table that are known by name.
fn known(dcb: &Dcb) -> Vec<(AppId, u8)> {
    AppId::ALL.iter().filter_map(|app| Some((*app, app_priority(dcb, *app)?))).collect()
}

/// `FCoE on 3, iSCSI on 4`.
fn words(dcb: &Dcb) -> String {
    let words: Vec<String> = known(dcb).iter().map(|(app, priority)| format!("{} on {priority}", app.name())).collect();
    words.join(", ")
}

fn cells(apps: &[(AppId, u8)]) -> [String; 8] {
    core::array::from_fn(|priority| {
        let here = apps.iter().filter(|(_, at)| usize::from(*at) == priority);
        here.map(|(app, _)| app.word()).collect::<Vec<_>>().join(" ")
    })
}

fn sources(table: bool, partner: Option<&Partner<'_>>, port: &Port<'_>) -> Vec<String> {
    let mut sources = Vec::new();
    if table {
        sources.push("DCB_ATTR_IEEE_APP_TABLE".to_owned());
    }
    if partner.is_some_and(|partner| partner.dcb.app.is_some() && partner.lldp.is_some()) {
        sources.push("LLDP application priority TLV (802.1Qaz D.2.12)".to_owned());
    }
    for roce in dcb::roce(port) {
        if roce.default_roce_tos.is_some() {
            sources.push(format!("/sys/kernel/config/rdma_cm/{}/ports/{}/default_roce_tos", roce.device, roce.port));
        }
        if roce.traffic_class.is_some() {
            sources.push(format!("/sys/class/infiniband/{}/tc/{}/traffic_class", roce.device, roce.port));
        }
    }
    sources
}

fn side_by_side(
    port: &Port<'_>,
    expect: &DcbExpect,
    own: Option<&Dcb>,
    partner: Option<&Partner<'_>>,
    fars: &[&Port<'_>],
) -> Table {
    let mut table = Table::new("applications");
    let planned = expect.apps.as_ref().map(|apps| apps.iter().map(|app| (app.app, app.priority)).collect::<Vec<_>>());
    let of = |dcb: &Dcb| Some(known(dcb)).filter(|apps| !apps.is_empty()).map(|apps| cells(&apps));
    table.row(Side::Plan, "plan", planned.map(|apps| cells(&apps)));
    table.row(Side::Host, port.name(), own.and_then(of));
    if let Some(partner) = partner {
        table.row(Side::Switch, partner.name.clone(), of(partner.dcb));
    }
    for far in fars.iter().take(4) {
        table.row(Side::Peer, far.name(), far.link.dcb.as_deref().and_then(of));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::tos_to_priority;

    /// The values that `ip_tos2prio` gives, as guides for RoCE list them.
    #[test]
    fn tos_becomes_the_kernels_priority() {
        for (tos, priority) in [(0, 0), (2, 0), (8, 2), (16, 6), (24, 4), (104, 2), (106, 2), (96, 0)] {
            assert_eq!(tos_to_priority(tos), priority, "{tos}");
        }
    }
}

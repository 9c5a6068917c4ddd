//! The exact command or setting, on hosts and on switches.

use super::{Partner, Port, class, each};
use crate::evidence::{Ets, Host, Lldp};
use crate::expect::{AppId, ClassExpect, DcbExpect};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Whether a host is known to be Windows.
fn is_windows(host: &Host) -> bool {
    host.os.as_deref().is_some_and(|os| os.contains("Windows"))
}

fn joined(items: impl Iterator<Item = impl ToString>, between: &str) -> String {
    items.map(|item| item.to_string()).collect::<Vec<_>>().join(between)
}

/// Whether `mlnx_qos` may know the card: it is NVIDIA's, or its driver is not known.
fn is_nvidia(port: &Port<'_>) -> bool {
    port.link.driver.as_deref().is_none_or(|driver| driver.starts_with("mlx"))
}

/// PFC on these priorities and no others, on the host.
pub(crate) fn pfc_host(port: &Port<'_>, on: u8) -> String {
    let (dev, host) = (&port.link.ifname, &port.host.name);
    if is_windows(port.host) {
        return format!("on {host}, PFC {}:   {}", super::on(on), powershell_pfc(dev, on));
    }
    let windows = if on == 0 { "Disable-NetQosFlowControl" } else { "Enable-NetQosFlowControl" };
    let windows = format!("{windows} -Priority {}", joined(each(if on == 0 { 0xff } else { on }), ","));
    let set = joined(each(on).map(|priority| format!(" {priority}:on")), "");
    let flags = joined((0..8).map(|priority| on >> priority & 1), ",");
    let enabled = if on == 0 { "none".to_owned() } else { joined(each(on), ",") };
    let mlnx = if is_nvidia(port) { format!("   or mlnx_qos -i {dev} --pfc {flags}") } else { String::new() };
    format!(
        "on {host}, PFC {}:   dcb pfc set dev {dev} prio-pfc all:off{set}{mlnx}   lldpad: lldptool -T -i {dev} -V PFC \
         enabled={enabled}   Windows: {windows}",
        super::on(on)
    )
}

fn powershell_pfc(dev: &str, on: u8) -> String {
    let enable = if on == 0 { String::new() } else { format!("Enable-NetQosFlowControl -Priority {}; ", joined(each(on), ",")) };
    let disable =
        if on == 0xff { String::new() } else { format!("Disable-NetQosFlowControl -Priority {}; ", joined(each(!on), ",")) };
    format!("{enable}{disable}Enable-NetAdapterQos -Name \"{dev}\"")
}

/// Makers whose settings are known by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Maker {
    Cisco,
    Arista,
    Juniper,
    Sonic,
    Onyx,
    Cumulus,
    DellOs9,
    DellOs10,
    Hpe,
    Unknown,
}

/// The maker, as the system description tells it.
fn maker(lldp: Option<&Lldp>) -> Maker {
    const KNOWN: [(&str, Maker); 14] = [
        ("sonic", Maker::Sonic),
        ("arista", Maker::Arista),
        ("juniper", Maker::Juniper),
        ("cumulus", Maker::Cumulus),
        ("onyx", Maker::Onyx),
        ("mlnx-os", Maker::Onyx),
        ("mellanox", Maker::Onyx),
        ("os10", Maker::DellOs10),
        ("force10", Maker::DellOs9),
        ("ftos", Maker::DellOs9),
        ("dell networking os", Maker::DellOs9),
        ("cisco", Maker::Cisco),
        ("nx-os", Maker::Cisco),
        ("comware", Maker::Hpe),
    ];
    let text = lldp.and_then(|lldp| lldp.system_description.as_deref()).unwrap_or_default().to_ascii_lowercase();
    KNOWN.iter().find(|(word, _)| text.contains(word)).map_or(Maker::Unknown, |(_, maker)| *maker)
}

/// PFC on these priorities and no others, on the link partner.
pub(crate) fn pfc_partner(partner: &Partner<'_>, on: u8) -> String {
    let port = partner.lldp.map_or("PORT", |lldp| lldp.port_id.as_str());
    let first = each(on).next().unwrap_or(3);
    let lines = |text: &dyn Fn(u8) -> String| joined(each(on).map(text), "; ");
    let setting = match maker(partner.lldp) {
        Maker::Cisco => format!(
            "interface {port}; priority-flow-control mode on;   and in the network-qos policy   pause pfc-cos {} (Nexus 5000: pause no-drop)",
            joined(each(on), ",")
        ),
        Maker::Arista => format!(
            "interface {port}; priority-flow-control on; {}",
            lines(&|priority| format!("priority-flow-control priority {priority} no-drop"))
        ),
        Maker::Juniper => {
            let input = lines(&|priority| {
                format!("set class-of-service congestion-notification-profile pfc input ieee-802.1 code-point {priority:03b} pfc")
            });
            format!(
                "{input}; set class-of-service interfaces {port} congestion-notification-profile pfc   mind: the port is blocked while it changes"
            )
        }
        Maker::Sonic => lines(&|priority| format!("config interface pfc priority {port} {priority} on")),
        Maker::Onyx => format!(
            "{}; interface {port} dcb priority-flow-control mode on force",
            lines(&|priority| format!("dcb priority-flow-control priority {priority} enable"))
        ),
        Maker::Cumulus => format!(
            "nv set qos pfc default-global switch-priority {}; nv set interface {port} qos pfc profile default-global",
            joined(each(on), ",")
        ),
        Maker::DellOs9 => format!(
            "dcb-map: priority-group 1 bandwidth 50 pfc on; priority-pgid {}   mind: some changes take effect after a reload",
            joined((0..8).map(|priority| on >> priority & 1), " ")
        ),
        Maker::DellOs10 => format!(
            "interface {port}; priority-flow-control mode on;   and in the network-qos policy   pause; pfc-cos {}",
            joined(each(on), ",")
        ),
        Maker::Hpe => {
            format!("interface {port}; priority-flow-control enable; priority-flow-control no-drop dot1p {}", joined(each(on), ","))
        }
        Maker::Unknown => format!(
            "Cisco   priority-flow-control mode on, network-qos pause pfc-cos {first}   Arista   priority-flow-control priority {first} \
             no-drop   Juniper   congestion-notification-profile   SONiC   config interface pfc priority   Dell OS9   dcb-map pfc on   mind: \
             some switches apply it only after a reload"
        ),
    };
    format!("on {}, PFC {}:   {setting}", partner.name, super::on(on))
}

/// Class tables that give priorities what a plan expects: classes with shares first, strict ones above them.
pub(crate) fn tables(classes: &[ClassExpect]) -> Ets {
    let mut ordered: Vec<&ClassExpect> = classes.iter().collect();
    // Class 0 is where devices put what nobody mapped.
    ordered.sort_by_key(|class| match class.share {
        Some(_) => (false, u8::from(!class.priorities.contains(&0))),
        None => (true, class.priorities.iter().max().copied().unwrap_or(0)),
    });
    let mut ets = Ets { tc_tsa: core::array::from_fn(|_| "strict".to_owned()), ..Ets::default() };
    for (number, class) in ordered.iter().enumerate().take(8) {
        if let Some(share) = class.share {
            ets.tc_bw[number] = share;
            "ets".clone_into(&mut ets.tc_tsa[number]);
        }
        for priority in class.priorities.iter().filter(|priority| **priority < 8) {
            ets.prio_tc[usize::from(*priority)] = u8::try_from(number).unwrap_or(0);
        }
    }
    ets
}

/// These class tables on the host.
pub(crate) fn ets_host(port: &Port<'_>, ets: &Ets) -> String {
    let (dev, host) = (&port.link.ifname, &port.host.name);
    let used: Vec<usize> = {
        let mut used: Vec<usize> = (0..8).filter_map(|priority| class(ets, priority)).collect();
        used.sort_unstable();
        used.dedup();
        used
    };
    let of = |class: usize| (0..8_u8).filter(move |priority| self::class(ets, *priority) == Some(class));
    let powershell = joined(
        used.iter().filter(|class| ets.tc_tsa[**class] == "ets" && **class != 0).map(|class| {
            format!(
                "New-NetQosTrafficClass -Name tc{class} -Priority {} -BandwidthPercentage {} -Algorithm ETS",
                joined(of(*class), ","),
                ets.tc_bw[*class]
            )
        }),
        "; ",
    );
    if is_windows(port.host) {
        return format!("on {host}:   {powershell}");
    }
    let tsa = joined(used.iter().map(|class| format!("{class}:{}", ets.tc_tsa[*class])), " ");
    let shares = joined(used.iter().map(|class| format!("{class}:{}", ets.tc_bw[*class])), " ");
    let map = joined((0..8).filter_map(|priority| Some(format!("{priority}:{}", class(ets, priority)?))), " ");
    let mlnx = if is_nvidia(port) {
        let words = joined(ets.tc_tsa.iter().map(|word| if word == "ets" { "ets" } else { "strict" }), ",");
        format!("   or mlnx_qos -i {dev} -p {} -s {words} -t {}", joined(ets.prio_tc.iter(), ","), joined(ets.tc_bw.iter(), ","))
    } else {
        String::new()
    };
    format!(
        "on {host}:   dcb ets set dev {dev} tc-tsa all:strict {tsa} tc-bw all:0 {shares} prio-tc {map}{mlnx}   lldpad: lldptool -T -i {dev} -V \
         ETS-CFG tsa={} up2tc={} tcbw={}   Windows: {powershell}",
        tsa.replace(' ', ","),
        map.replace(' ', ","),
        joined(ets.tc_bw.iter(), ","),
    )
}

/// Willing on or off, on the host.
pub(crate) fn willing_host(port: &Port<'_>, willing: bool) -> String {
    let (dev, host) = (&port.link.ifname, &port.host.name);
    let (word, yes, boolean) = if willing { ("on", "yes", "$True") } else { ("off", "no", "$False") };
    let powershell = format!("Set-NetQosDcbxSetting -InterfaceAlias \"{dev}\" -Willing {boolean}");
    if is_windows(port.host) {
        return format!("on {host}:   {powershell}");
    }
    format!(
        "on {host}:   dcb ets set dev {dev} willing {word}   lldpad: lldptool -T -i {dev} -V PFC willing={yes}; lldptool -T -i {dev} \
         -V ETS-CFG willing={yes}   Windows: {powershell}"
    )
}

/// An application on that priority, in the host's table.
pub(crate) fn app_host(port: &Port<'_>, app: AppId, priority: u8) -> String {
    let (dev, host) = (&port.link.ifname, &port.host.name);
    let (selector, number, protocol) = match app {
        AppId::Rocev2 => ("dgram-port-prio", 3, "4791"),
        AppId::Roce => ("ethtype-prio", 1, "0x8915"),
        AppId::Iscsi => ("stream-port-prio", 2, "3260"),
        AppId::SmbDirect => ("stream-port-prio", 2, "445"),
        AppId::Fcoe => ("ethtype-prio", 1, "0x8906"),
        AppId::Heartbeat => ("dgram-port-prio", 3, "3343"),
    };
    let powershell = match app {
        AppId::SmbDirect => {
            format!("New-NetQosPolicy SMBDirect -NetDirectPortMatchCondition 445 -PriorityValue8021Action {priority}")
        }
        AppId::Heartbeat => format!("New-NetQosPolicy Cluster -Cluster -PriorityValue8021Action {priority}"),
        AppId::Iscsi => format!("New-NetQosPolicy iSCSI -iSCSI -PriorityValue8021Action {priority}"),
        AppId::Fcoe => format!("New-NetQosPolicy FCoE -FCOE -PriorityValue8021Action {priority}"),
        AppId::Rocev2 | AppId::Roce => String::new(),
    };
    if is_windows(port.host) && !powershell.is_empty() {
        return format!("on {host}:   {powershell}");
    }
    let windows = if powershell.is_empty() { String::new() } else { format!("   Windows: {powershell}") };
    format!(
        "on {host}, {} on {priority}:   dcb app replace dev {dev} {selector} {protocol}:{priority}   lldpad: lldptool -T -i {dev} -V APP \
         app={priority},{number},{protocol}{windows}",
        app.name()
    )
}

/// `RoCE` on that priority: what Linux really takes it from.
pub(crate) fn roce_host(port: &Port<'_>, device: &str, number: u8, priority: u8, expect: &DcbExpect) -> Vec<String> {
    let (dev, host) = (&port.link.ifname, &port.host.name);
    // DSCP 26 is what guides use for priority 3; for others the class selector of the priority. The two low bits stay for ECN.
    let dscp = if priority == 3 { 26 } else { priority.saturating_mul(8) };
    let (tos, class) = (dscp * 4, dscp * 4 + 2);
    let set = format!(
        "cma_roce_tos -d {device} -p {number} -t {class}   and echo {class} > /sys/class/infiniband/{device}/tc/{number}/traffic_class"
    );
    let by_dscp =
        format!("on {host}, by DSCP:   mlnx_qos -i {dev} --trust dscp   dcb app add dev {dev} dscp-prio {dscp}:{priority}   {set}");
    let vlan = port.tops.iter().find(|top| top.kind() == "vlan").map_or("VLAN", |top| top.ifname.as_str());
    let from = super::super::builtin::dcb_app::tos_to_priority(tos);
    let by_tag = format!(
        "on {host}, by VLAN tag:   ip link set dev {vlan} type vlan egress-qos-map {from}:{priority}   cma_roce_tos -d {device} -p {number} -t {tos}"
    );
    match expect.trust {
        Some(crate::expect::Trust::Dscp) => alloc::vec![by_dscp],
        Some(crate::expect::Trust::Pcp) => alloc::vec![by_tag],
        None => alloc::vec![by_dscp, by_tag],
    }
}

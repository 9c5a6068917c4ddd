//! What to do about a cut, and how to prove it by hand.

use crate::Case;
use crate::builtin::path_mtu::{self, Ruling};
use crate::evidence::{Method, Path};
use crate::facts;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

/// Above this no Ethernet is meant: it is `IPoIB` or a virtual network, and no switch has frames of that size.
pub(crate) const LARGEST_ETHERNET: u32 = 16_384;

/// How much a remedy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// What to do: for a finding.
    Short,
    /// Also how it lasts and what to mind: for a diagnosis.
    Full,
}

/// The MTU to give hosts so that their packets fit through `measured`: the usual number where it fits, else the measured one.
pub(crate) const fn widest_fit(measured: u32) -> u32 {
    match measured {
        9000..=LARGEST_ETHERNET => 9000,
        1500..=1536 => 1500,
        other => other,
    }
}

/// What to do about a path whose MTU is judged by `ruling`, best first.
pub(crate) fn for_path(case: &Case<'_>, path: &Path, ruling: &Ruling, length: Length) -> Vec<String> {
    let Some(measured) = path.path_mtu else { return Vec::new() };
    let interface = facts::egress_name(path).unwrap_or("IFACE");
    let sends = path_mtu::sends(case, path).unwrap_or(measured);
    let wanted = facts::expected_mtu(case, path).unwrap_or(0).max(sends);
    if matches!(ruling, Ruling::EndsDiffer | Ruling::Silent { .. })
        && let Some(remedies) = super::infiniband::remedies_for(case, path, measured, length)
    {
        return remedies;
    }
    match ruling {
        Ruling::Whole | Ruling::Undecided(_) => Vec::new(),
        Ruling::Reverse => {
            alloc::vec![format!("run pathvet check {} on {}: it sees the way back as its way there", path.from, path.to)]
        }
        Ruling::Local => here(case, path, interface, wanted, length),
        Ruling::Router => router(path, measured, wanted, interface),
        Ruling::EndsDiffer => ends(case, path, measured, wanted, interface, length),
        Ruling::Silent { .. } => both_ways(case, path, measured, wanted, interface, length),
    }
}

fn here(case: &Case<'_>, path: &Path, interface: &str, wanted: u32, length: Length) -> Vec<String> {
    let link = facts::egress(case, path);
    if let Some(max) = link.and_then(|link| link.max_mtu).filter(|max| *max < wanted) {
        return alloc::vec![format!("{interface} takes at most {max}: expect no more, or use a card that takes {wanted}")];
    }
    let lower_route = path.route.as_ref().and_then(|route| route.mtu).filter(|mtu| *mtu < wanted);
    if let (Some(mtu), true) = (lower_route, link.is_none_or(|link| link.mtu >= wanted)) {
        return alloc::vec![format!(
            "the route sets mtu {mtu}: ip route get {} shows it; ip route replace it without",
            target(path)
        )];
    }
    alloc::vec![lasting(format!("set {interface} to {wanted}:   ip link set dev {interface} mtu {wanted}"), wanted, length)]
}

fn router(path: &Path, measured: u32, wanted: u32, interface: &str) -> Vec<String> {
    let fit = widest_fit(measured);
    let overlay = path.limit.router.is_some() && path.limit.router == path.address;
    let who = path.limit.router.map_or_else(|| "the router".to_owned(), |router| format!("{router}"));
    let mut remedies = alloc::vec![if overlay {
        let underlay = wanted.saturating_add(50);
        format!("raise the overlay's underlay so that {wanted} fits inside: {underlay} for VXLAN or Geneve over IPv4")
    } else {
        format!("raise the MTU of the link behind {who} to {wanted}")
    }];
    // IPv6 has no interface below its minimum.
    if path.family != 6 || fit >= 1280 {
        remedies.push(format!("expect {measured}: programs that heed too-big messages already send no more"));
        remedies.push(format!("set the hosts to {fit}:   {}", set_commands(interface, fit, wanted)));
    }
    remedies
}

/// The two ways to make the ends equal.
fn ends(case: &Case<'_>, path: &Path, measured: u32, wanted: u32, interface: &str, length: Length) -> Vec<String> {
    let peer = facts::peer(case, path);
    let fit = widest_fit(peer.map_or(measured, |peer| peer.mtu.min(measured)));
    let far = peer
        .and_then(|peer| peer.link)
        .map(|(host, link)| format!(":   ip link set dev {} mtu {wanted}   on {}", link.ifname, host.name));
    let up = format!("set {} to {wanted} as well{}{}", path.to, far.unwrap_or_default(), carried(wanted));
    order(case, path, hosts_down(case, path, fit, wanted, interface, length), up, fit)
}

/// The two ways to repair a silent cut: the hosts down, or the network up.
fn both_ways(case: &Case<'_>, path: &Path, measured: u32, wanted: u32, interface: &str, length: Length) -> Vec<String> {
    let fit = widest_fit(measured);
    let up = if wanted > LARGEST_ETHERNET {
        format!("set both ends and what is between to {wanted}")
    } else {
        let frame = wanted.saturating_add(18);
        format!(
            "let every switch port between them carry frames of at least {} bytes ({frame}, and 4 for a VLAN tag)",
            frame.saturating_add(4)
        )
    };
    let mut remedies = order(case, path, hosts_down(case, path, fit, wanted, interface, length), up, fit);
    if !facts::on_link(case, path) {
        let message = if path.family == 6 { "ICMPv6 type 2" } else { "ICMP type 3 code 4" };
        remedies
            .push(format!("let the routers between say what passes (`ip unreachables`), and every firewall let {message} through"));
    }
    remedies
}

fn hosts_down(case: &Case<'_>, path: &Path, fit: u32, wanted: u32, interface: &str, length: Length) -> String {
    let segment = if facts::on_link(case, path) { "every host of this segment" } else { "the hosts on both ends" };
    let expected = facts::expected_mtu(case, path).unwrap_or(0);
    let short = if fit < expected { format!(" ({expected} is then not met)") } else { String::new() };
    lasting(format!("set {segment} to {fit}{short}:   {}", set_commands(interface, fit, wanted)), fit, length)
}

/// Bringing the hosts down comes first, unless more than that is expected.
fn order(case: &Case<'_>, path: &Path, down: String, up: String, fit: u32) -> Vec<String> {
    let met = facts::expected_mtu(case, path).is_none_or(|expected| fit >= expected);
    if met { alloc::vec![down, up] } else { alloc::vec![up, down] }
}

/// What a network must carry for hosts of that MTU.
fn carried(mtu: u32) -> String {
    if mtu > LARGEST_ETHERNET {
        return String::new();
    }
    format!(", and let every switch port between carry frames of at least {} bytes", mtu.saturating_add(22))
}

/// The command or setting on Linux, Windows and `ESXi`, for hosts that were at `was`.
fn set_commands(interface: &str, mtu: u32, was: u32) -> String {
    if was > LARGEST_ETHERNET {
        return format!("ip link set dev {interface} mtu {mtu}");
    }
    format!("ip link set dev {interface} mtu {mtu}   Windows *JumboPacket {}   ESXi {mtu}", mtu.saturating_add(14))
}

fn lasting(what: String, mtu: u32, length: Length) -> String {
    match length {
        Length::Short => what,
        Length::Full => format!("{what}   {}   {}", keep(mtu), members()),
    }
}

/// How a setting outlives a reboot.
fn keep(mtu: u32) -> String {
    format!(
        "to keep it: NetworkManager `nmcli connection modify NAME 802-3-ethernet.mtu {mtu}`, netplan `mtu: {mtu}`, systemd-networkd \
         `[Link] MTUBytes={mtu}`, ifupdown `mtu {mtu}`"
    )
}

fn members() -> String {
    "mind: every member of this L2 segment needs it, and this host's virtual machines, bridges and bonds; it resets the link on many \
     cards, so not during a migration"
        .to_owned()
}

fn target(path: &Path) -> String {
    match path.address {
        Some(IpAddr::V6(address)) if address.is_unicast_link_local() => match facts::egress_name(path) {
            Some(dev) => format!("{address}%{dev}"),
            None => format!("{address}"),
        },
        Some(address) => format!("{address}"),
        None => path.to.clone(),
    }
}

/// The pings that show the cut by hand on Linux, Windows and `ESXi`; nothing where echo was not what measured it.
pub(crate) fn proof(path: &Path) -> Vec<String> {
    let Some(measured) = path.path_mtu.filter(|_| matches!(path.method, None | Some(Method::Icmp))) else { return Vec::new() };
    let six = path.family == 6;
    // IPv4 header 20, IPv6 header 40, echo header 8.
    let Some(payload) = measured.checked_sub(if six { 48 } else { 28 }) else { return Vec::new() };
    let (above, target) = (payload + 1, target(path));
    let mut lines = Vec::new();
    if path.route.as_ref().and_then(|route| route.cached_mtu).is_some_and(|cached| cached < measured) {
        lines.push(format!("{} route flush cache   first: ping obeys the remembered path MTU", if six { "ip -6" } else { "ip" }));
    }
    let ping = if six { "ping -6" } else { "ping" };
    lines.push(format!("{ping} -M do -c 5 -s {payload} {target}   passes;   -s {above}   does not"));
    if !six {
        // Windows fragments IPv6 echo at the sender and has no switch against it.
        lines.push(format!("Windows: ping -f -l {payload} {target}   passes;   -l {above}   does not"));
    }
    let vmkping = if six { "vmkping -6" } else { "vmkping" };
    lines.push(format!("ESXi: {vmkping} -d -s {payload} {target}   passes;   -s {above}   does not"));
    lines
}

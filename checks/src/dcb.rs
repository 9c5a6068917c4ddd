//! What the DCB and LLDP checks share: the ports that carry a case's traffic, who is at the other end of their cables, and
//! values side by side.

pub(crate) mod remedy;

use crate::Case;
use crate::chain;
use crate::evidence::{App, Dcb, Ets, Gap, GapReason, Host, Link, Lldp, Pfc};
use crate::expect::{AppId, DcbExpect, Network, Settings, Trust};
use crate::facts;
use crate::report::{Comparison, ComparisonRow, Finding, Outcome, Side};
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// A card that carries traffic of the case.
#[derive(Debug)]
pub(crate) struct Port<'a> {
    /// The machine.
    pub(crate) host: &'a Host,
    /// The card.
    pub(crate) link: &'a Link,
    /// The interfaces with an address that rest on it.
    pub(crate) tops: Vec<&'a Link>,
    /// Indexes of the vetted paths that leave or end here, in order.
    pub(crate) paths: Vec<usize>,
    /// The network of the plan to which it belongs.
    pub(crate) network: Option<(&'a str, &'a Network)>,
}

impl Port<'_> {
    /// `node1:eth0`.
    pub(crate) fn name(&self) -> String {
        format!("{}:{}", self.host.name, self.link.ifname)
    }

    /// Its DCB settings of one kind.
    pub(crate) fn pfc(&self) -> Option<u8> {
        pfc_of(self.link.dcb.as_deref()?)
    }

    /// Its bandwidth classes.
    pub(crate) fn ets(&self) -> Option<&Ets> {
        self.link.dcb.as_deref()?.ets.as_ref()
    }

    /// What it is for, where the plan says.
    pub(crate) fn role(&self) -> Option<&str> {
        self.network.and_then(|(_, network)| network.role.as_deref())
    }
}

/// The priorities with PFC, as bits.
pub(crate) fn pfc_of(dcb: &Dcb) -> Option<u8> {
    dcb.pfc.as_ref().map(|pfc| bits(pfc.prio_pfc))
}

/// The cards that carry vetted paths; those of the plan's networks; and of a host without either, those of its default route and
/// those on which PFC is on. In the order of the evidence.
pub(crate) fn ports<'a>(case: &Case<'a>) -> Vec<Port<'a>> {
    let mut ports: Vec<Port<'a>> = Vec::new();
    for carrier in chain::carriers(case) {
        let Some(top) = carrier.link.filter(|top| !top.is_loopback()) else { continue };
        let paths: Vec<usize> = carrier.leaving.iter().chain(&carrier.ending).copied().collect();
        let of_path = |index: &usize| facts::network(case, case.evidence.paths.get(*index)?);
        let network = paths.iter().find_map(of_path).or_else(|| network_of(case, top));
        add(&mut ports, carrier.host, top, &paths, network);
    }
    for host in &case.evidence.hosts {
        let links = || host.links.iter().flatten().filter(|link| !link.is_loopback());
        for top in links() {
            if let Some(network) = network_of(case, top)
                && (planned(case, host, Some(network.1)) || chain::cards(host, top).iter().any(|card| card.dcb.is_some()))
            {
                add(&mut ports, host, top, &[], Some(network));
            }
        }
        if !ports.iter().any(|port| core::ptr::eq(port.host, host) && (!port.paths.is_empty() || port.network.is_some())) {
            let lossless = |link: &&Link| link.dcb.as_deref().and_then(pfc_of).is_some_and(|bits| bits != 0);
            for link in links().filter(lossless).filter(|link| facts::down(link).is_none()) {
                add(&mut ports, host, top_of(host, link), &[], None);
            }
        }
    }
    let place = |port: &Port<'_>| case.evidence.hosts.iter().position(|host| core::ptr::eq(host, port.host));
    ports.sort_by(|a, b| (place(a), &a.link.ifname).cmp(&(place(b), &b.link.ifname)));
    for port in &mut ports {
        port.paths.sort_unstable();
        port.paths.dedup();
    }
    ports
}

fn add<'a>(ports: &mut Vec<Port<'a>>, host: &'a Host, top: &'a Link, paths: &[usize], network: Option<(&'a str, &'a Network)>) {
    for link in chain::cards(host, top) {
        match ports.iter_mut().find(|port| core::ptr::eq(port.link, link)) {
            Some(known) => {
                if !known.tops.iter().any(|known| core::ptr::eq(*known, top)) {
                    known.tops.push(top);
                }
                known.paths.extend(paths);
                known.network = known.network.or(network);
            }
            None => ports.push(Port { host, link, tops: alloc::vec![top], paths: paths.to_vec(), network }),
        }
    }
}

/// The bond or bridge above a card, as far as it goes.
fn top_of<'a>(host: &'a Host, link: &'a Link) -> &'a Link {
    link.master.as_deref().and_then(|master| host.link(master)).unwrap_or(link)
}

/// The network of the plan that an interface belongs to, by its name or addresses.
fn network_of<'a>(case: &Case<'a>, top: &Link) -> Option<(&'a str, &'a Network)> {
    let belongs = |network: &Network| {
        network.interface.as_deref() == Some(&top.ifname)
            || network
                .subnet
                .is_some_and(|(subnet, length)| top.addresses.iter().any(|own| facts::in_subnet(own.local, subnet, length)))
    };
    let networks = case.expect.networks.iter().filter(|(_, network)| belongs(network));
    // The narrowest subnet, as for paths.
    networks
        .max_by_key(|(_, network)| network.subnet.map_or(0, |(_, length)| length))
        .map(|(name, network)| (name.as_str(), network))
}

fn host_settings<'a>(case: &Case<'a>, host: &Host) -> Option<&'a Settings> {
    let hosts = &case.expect.hosts;
    let found = hosts.get(&host.name).or_else(|| host.names.iter().find_map(|name| hosts.get(name)));
    found.map(|host| &host.expect)
}

/// Whether the plan expects something of the ports of that network on that host.
fn planned(case: &Case<'_>, host: &Host, network: Option<&Network>) -> bool {
    let levels = [host_settings(case, host), network.map(|network| &network.expect), Some(&case.expect.all)];
    levels.into_iter().flatten().any(|settings| settings.dcb.is_some() || settings.lldp_neighbor.is_some())
}

/// The levels of the plan that are about a port, the nearest first.
fn levels<'a>(case: &Case<'a>, port: &Port<'a>) -> impl Iterator<Item = &'a Settings> {
    // What stands at the top is meant for what is vetted, not for a management port that happens to hold the default route.
    let meant = !port.paths.is_empty()
        || port.network.is_some()
        || case.expect.networks.is_empty() && port.link.dcb.as_deref().is_some_and(|dcb| pfc_of(dcb).is_some());
    let all = meant.then_some(&case.expect.all);
    [host_settings(case, port.host), port.network.map(|(_, network)| &network.expect), all].into_iter().flatten()
}

/// What the plan expects of a port: the host's own words first, then the network's, then the general ones, field by field.
pub(crate) fn expected(case: &Case<'_>, port: &Port<'_>) -> DcbExpect {
    let mut expect = DcbExpect::default();
    for settings in levels(case, port) {
        if let Some(farther) = settings.dcb.as_deref() {
            expect.fill(farther);
        }
    }
    expect
}

/// The switches of which one must be at the other end of the cable.
pub(crate) fn expected_neighbor<'a>(case: &Case<'a>, port: &Port<'a>) -> Option<&'a [String]> {
    levels(case, port).find_map(|settings| settings.lldp_neighbor.as_deref())
}

/// The device at the other end of a port's cable: a bridge before others, what only the nearest bridge hears before the rest.
pub(crate) fn neighbour(link: &Link) -> Option<&Lldp> {
    neighbours(link).min_by_key(|lldp| {
        let nearest = lldp.source.as_deref().is_some_and(|source| source.starts_with("nearest-") && source != "nearest-bridge");
        (!is_switch(lldp), nearest)
    })
}

/// Everything that was heard on a port and is not this port itself.
pub(crate) fn neighbours(link: &Link) -> impl Iterator<Item = &Lldp> {
    let own = |lldp: &&Lldp| link.address.as_deref().is_some_and(|own| own == lldp.port_id && own == lldp.chassis_id);
    link.lldp.iter().flatten().filter(|lldp| lldp.ttl != Some(0)).filter(move |lldp| !own(lldp))
}

/// Whether a neighbour says that it bridges or routes.
pub(crate) fn is_switch(lldp: &Lldp) -> bool {
    lldp.capabilities.iter().any(|word| matches!(word.as_str(), "bridge" | "router"))
}

/// `tor1`, or its chassis id.
pub(crate) fn chassis_name(lldp: &Lldp) -> &str {
    lldp.system_name.as_deref().filter(|name| !name.trim().is_empty()).unwrap_or(&lldp.chassis_id)
}

/// `tor1 Eth1/7`.
pub(crate) fn neighbour_name(lldp: &Lldp) -> String {
    let described = lldp.port_description.as_deref().filter(|text| !text.trim().is_empty());
    // An address says nothing to a person who stands before the switch.
    let port = if lldp.port_id_type.as_deref() == Some("mac") { described.unwrap_or(&lldp.port_id) } else { &lldp.port_id };
    format!("{} {port}", chassis_name(lldp))
}

/// The other end of a port's cable as far as DCB goes.
#[derive(Debug, Clone)]
pub(crate) struct Partner<'a> {
    /// `tor1 Eth1/7`, or `the link partner`.
    pub(crate) name: String,
    /// Its announcement, where it was heard.
    pub(crate) lldp: Option<&'a Lldp>,
    /// Its settings.
    pub(crate) dcb: &'a Dcb,
}

/// The DCB settings of a port's link partner: as it announces them, else as the port itself remembers them.
pub(crate) fn partner(link: &Link) -> Option<Partner<'_>> {
    let says = |dcb: &Dcb| dcb.pfc.is_some() || dcb.ets.is_some() || dcb.ets_recommendation.is_some() || dcb.app.is_some();
    let first = neighbour(link).into_iter();
    let heard = first.chain(neighbours(link)).find_map(|lldp| Some((lldp, lldp.dcb.as_ref().filter(|dcb| says(dcb))?)));
    if let Some((lldp, dcb)) = heard {
        return Some(Partner { name: neighbour_name(lldp), lldp: Some(lldp), dcb });
    }
    // All zero is what a port holds that has heard nothing.
    let heard = |dcb: &&Dcb| {
        pfc_of(dcb).is_some_and(|bits| bits != 0)
            || dcb.ets.as_ref().is_some_and(|ets| ets.tc_bw.iter().any(|share| *share != 0))
            || dcb.app.as_ref().is_some_and(|apps| !apps.is_empty())
    };
    let dcb = link.dcb.as_deref()?.peer.as_deref().filter(heard)?;
    Some(Partner {
        name: neighbour(link).map_or_else(|| "the link partner".to_owned(), neighbour_name),
        lldp: neighbour(link),
        dcb,
    })
}

/// Why nothing is known of a port's DCB, and the right that would help.
pub(crate) fn missing(port: &Port<'_>) -> String {
    if port.link.dcb.is_some() {
        return "the card's DCB settings do not tell it".to_owned();
    }
    let about = |gap: &&Gap| {
        let mut parts = gap.what.split('.');
        parts.next() == Some("links")
            && match (parts.next(), parts.next()) {
                (Some("dcb"), None) => true,
                (Some(name), Some("dcb")) => name == port.link.ifname,
                _ => false,
            }
    };
    let gap = port.host.gaps.iter().find(about);
    let right = gap.and_then(|gap| gap.right.as_deref()).map(|right| format!(", needs {right}")).unwrap_or_default();
    match gap {
        Some(gap) if gap.reason != GapReason::Unsupported => format!("DCB not read: {}{right}", gap.detail),
        _ => "the card has no DCB".to_owned(),
    }
}

/// Why no link partner is known.
pub(crate) fn unheard(port: &Port<'_>) -> String {
    if let Some(lldp) = neighbour(port.link) {
        return format!("{} announces no DCBX", neighbour_name(lldp));
    }
    let gap = port.host.gaps.iter().find(|gap| gap.what.split('.').any(|part| part == "lldp"));
    match (&port.link.lldp, gap) {
        (Some(_), _) => "no LLDP heard".to_owned(),
        (None, _) if !port.link.kind().is_empty() => "a virtual interface has no cable".to_owned(),
        (None, Some(gap)) if gap.right.is_some() => {
            format!("LLDP needs {}", gap.right.as_deref().unwrap_or_default())
        }
        (None, Some(gap)) if gap.reason == GapReason::TimedOut => "no LLDP heard yet: --lldp 35 waits for it".to_owned(),
        (None, Some(gap)) => format!("LLDP not read: {}", gap.detail),
        (None, None) => "nobody listened for LLDP".to_owned(),
    }
}

/// The other hosts' ports that must agree with this one: those of the same plan network; without one, those at the other ends of
/// its paths; without paths, those in the same subnet.
pub(crate) fn fars<'p, 'a>(ports: &'p [Port<'a>], port: &Port<'a>) -> Vec<&'p Port<'a>> {
    let related = |other: &Port<'a>| match (port.network, other.network) {
        (Some((name, _)), Some((other, _))) => name == other,
        (None, None) if port.paths.is_empty() && other.paths.is_empty() => {
            port.tops.iter().any(|top| other.tops.iter().any(|far| share_subnet(top, far)))
        }
        _ => port.paths.iter().any(|index| other.paths.binary_search(index).is_ok()),
    };
    ports.iter().filter(|other| !core::ptr::eq(other.host, port.host) && related(other)).collect()
}

fn share_subnet(one: &Link, other: &Link) -> bool {
    let local = |ip: core::net::IpAddr| matches!(ip, core::net::IpAddr::V6(ip) if ip.is_unicast_link_local());
    one.addresses.iter().filter(|own| !local(own.local)).any(|own| {
        other.addresses.iter().any(|far| own.prefixlen == far.prefixlen && facts::in_subnet(far.local, own.local, own.prefixlen))
    })
}

/// A port that differs from its fellows.
pub(crate) struct Odd<'p, 'a> {
    /// A port that has what most have, or of two kinds the other.
    pub(crate) far: &'p Port<'a>,
    /// How many hosts have what it has, and of how many, where these are more than half.
    pub(crate) majority: Option<(usize, usize)>,
}

/// Whether `port` is the odd one among the others; each host has one vote for each value that it has.
pub(crate) fn odd<'p, 'a, T>(
    port: &Port<'a>,
    fars: &[&'p Port<'a>],
    value: impl Fn(&Port<'a>) -> Option<T>,
    same: impl Fn(&T, &T) -> bool,
) -> Option<Odd<'p, 'a>> {
    let own = value(port)?;
    let mut kinds: Vec<(T, Vec<&Host>, &'p Port<'a>)> = Vec::new();
    let mut alike: Vec<&Host> = alloc::vec![port.host];
    for far in fars {
        let Some(theirs) = value(far) else { continue };
        if same(&own, &theirs) {
            vote(&mut alike, far.host);
        } else if let Some((_, hosts, _)) = kinds.iter_mut().find(|(kind, ..)| same(kind, &theirs)) {
            vote(hosts, far.host);
        } else {
            kinds.push((theirs, alloc::vec![far.host], far));
        }
    }
    let total = alike.len() + kinds.iter().map(|(_, hosts, _)| hosts.len()).sum::<usize>();
    let (_, hosts, far) = kinds.iter().max_by_key(|(_, hosts, _)| hosts.len())?;
    if alike.len() * 2 > total {
        return None;
    }
    Some(Odd { far, majority: (hosts.len() * 2 > total).then_some((hosts.len(), total)) })
}

fn vote<'a>(hosts: &mut Vec<&'a Host>, host: &'a Host) {
    if !hosts.iter().any(|known| core::ptr::eq(*known, host)) {
        hosts.push(host);
    }
}

/// Priorities as bits; bit 0 is priority 0.
pub(crate) fn bits(on: [bool; 8]) -> u8 {
    on.iter().rev().fold(0, |bits, on| bits << 1 | u8::from(*on))
}

/// The priorities in `bits`.
pub(crate) fn each(bits: u8) -> impl Iterator<Item = u8> + Clone {
    (0..8).filter(move |priority| bits >> priority & 1 == 1)
}

/// `3`, `3 and 4`, `0-2 and 4-7`, `none`.
pub(crate) fn list(bits: u8) -> String {
    let mut names: Vec<String> = Vec::new();
    let mut at = 0_u8;
    while at < 8 {
        let run = (at..8).take_while(|next| bits >> next & 1 == 1).fold(0_u8, |run, _| run + 1);
        match run {
            0 => at += 1,
            1 | 2 => {
                names.push(at.to_string());
                at += 1;
            }
            _ => {
                names.push(format!("{at}-{}", at + run - 1));
                at += run;
            }
        }
    }
    match names.as_slice() {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// `on 3 and 4`, `off`.
pub(crate) fn on(bits: u8) -> String {
    if bits == 0 { "off".to_owned() } else { format!("on {}", list(bits)) }
}

/// `priority 3`, `priorities 3 and 4`, `no priority`.
pub(crate) fn priorities(bits: u8) -> String {
    match bits.count_ones() {
        0 => "no priority".to_owned(),
        1 => format!("priority {}", list(bits)),
        _ => format!("priorities {}", list(bits)),
    }
}

/// What a priority gets of the link: the algorithm of its class, and with ETS the class's share in per cent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Share {
    /// `ets`, `strict`, `cbs`, `vendor`.
    pub(crate) tsa: String,
    /// Per cent; 0 where the algorithm has no shares.
    pub(crate) percent: u8,
}

impl core::fmt::Display for Share {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if self.tsa == "ets" { write!(out, "{}%", self.percent) } else { out.write_str(&self.tsa) }
    }
}

/// The class of a priority, if the table is sound.
pub(crate) fn class(ets: &Ets, priority: u8) -> Option<usize> {
    ets.prio_tc.get(usize::from(priority)).map(|class| usize::from(*class)).filter(|class| *class < 8)
}

/// The priority group of CEE that comes before all others.
pub(crate) const CEE_STRICT: u8 = 15;

/// What each priority gets; `None` where a table names a class that does not exist.
pub(crate) fn shares(ets: &Ets) -> [Option<Share>; 8] {
    core::array::from_fn(|priority| {
        if ets.prio_tc[priority] == CEE_STRICT {
            return Some(Share { tsa: "strict".to_owned(), percent: 0 });
        }
        let class = class(ets, u8::try_from(priority).ok()?)?;
        let tsa = ets.tc_tsa.get(class)?.clone();
        let percent = if tsa == "ets" { *ets.tc_bw.get(class)? } else { 0 };
        Some(Share { tsa, percent })
    })
}

/// The priorities at which two tables give something else; what either does not say is not compared.
pub(crate) fn shares_differ(one: &[Option<Share>; 8], other: &[Option<Share>; 8]) -> u8 {
    bits(core::array::from_fn(|priority| match (&one[priority], &other[priority]) {
        (Some(one), Some(other)) => one != other,
        _ => false,
    }))
}

/// The recommendation that a device makes to its link partner.
pub(crate) fn recommendation(dcb: &Dcb) -> Option<Ets> {
    if let Some(recommended) = &dcb.ets_recommendation {
        return Some(recommended.clone());
    }
    let ets = dcb.ets.as_ref()?;
    let (tc_bw, tc_tsa) = (ets.reco_tc_bw?, ets.reco_tc_tsa.clone()?);
    // All zero and strict is a recommendation that nobody made.
    let made = tc_bw.iter().any(|share| *share != 0) || tc_tsa.iter().any(|word| word == "ets");
    made.then(|| Ets { tc_bw, tc_tsa, prio_tc: ets.reco_prio_tc.unwrap_or(ets.prio_tc), ..Ets::default() })
}

/// Whether a port takes over its link partner's settings; dcbnl says it once, with ETS.
pub(crate) fn willing(dcb: &Dcb) -> Option<bool> {
    let of_pfc = |pfc: &Pfc| pfc.willing;
    dcb.pfc.as_ref().and_then(of_pfc).or_else(|| dcb.ets.as_ref().and_then(|ets| ets.willing))
}

/// Two LLDP intervals of 30 seconds (802.1AB 9.2.5.7), in which an end takes over settings.
const SETTLED_S: u64 = 60;

/// For how many seconds the ends have known each other, where that is too short to have settled and one of them is willing.
pub(crate) fn settling(port: &Port<'_>, partner: &Partner<'_>) -> Option<u64> {
    let ends = [port.link.dcb.as_deref(), Some(partner.dcb)];
    let willing = ends.into_iter().flatten().any(|dcb| willing(dcb) == Some(true));
    partner.lldp.and_then(|lldp| lldp.age_s).filter(|age| willing && *age < SETTLED_S)
}

/// What a port takes a frame's priority from, as the driver says, else as its table of DSCP values tells; `None` where neither is
/// there.
pub(crate) fn trust(dcb: &Dcb) -> Option<Trust> {
    if let Some(first) = dcb.apptrust.as_deref().and_then(|order| order.iter().find(|word| matches!(word.as_str(), "dscp" | "pcp")))
    {
        return Some(if first == "dscp" { Trust::Dscp } else { Trust::Pcp });
    }
    let apps = dcb.app.as_ref()?;
    Some(if apps.iter().any(|app| app.selector == "dscp") { Trust::Dscp } else { Trust::Pcp })
}

/// Whether what [`trust`] says can be relied on: the driver says it, there are DSCP values, or the driver is known to show them
/// whenever it goes by them.
pub(crate) fn trust_is_told(link: &Link) -> bool {
    let Some(dcb) = link.dcb.as_deref() else { return false };
    dcb.apptrust.is_some() || trust(dcb) == Some(Trust::Dscp) || link.driver.as_deref() == Some("mlx5_core")
}

/// Whether an entry of the application table is about that application.
pub(crate) fn is_app(entry: &App, app: AppId) -> bool {
    let (selectors, protocol): (&[&str], u16) = match app {
        AppId::Rocev2 => (&["dgram-port", "port"], 4791),
        AppId::Roce => (&["ethtype"], 0x8915),
        AppId::Iscsi => (&["stream-port", "port"], 3260),
        AppId::SmbDirect => (&["stream-port", "dgram-port", "port"], 445),
        AppId::Fcoe => (&["ethtype"], 0x8906),
        AppId::Heartbeat => (&["dgram-port", "port"], 3343),
    };
    entry.protocol == protocol && selectors.contains(&entry.selector.as_str())
}

/// The priority that a table gives an application.
pub(crate) fn app_priority(dcb: &Dcb, app: AppId) -> Option<u8> {
    // Evidence may hold any byte; there are eight priorities.
    dcb.app.iter().flatten().find(|entry| is_app(entry, app) && entry.priority < 8).map(|entry| entry.priority)
}

/// Whether `RoCE` is known to be used on a port: its role in the plan, what the plan expects of it, or a class that somebody set.
pub(crate) fn roce_in_use(port: &Port<'_>, expect: &DcbExpect) -> bool {
    let set = |value: Option<u8>| value.is_some_and(|value| value != 0);
    let devices: Vec<_> = roce(port).collect();
    let told = devices.iter().any(|roce| set(roce.traffic_class) || set(roce.default_roce_tos));
    let meant = matches!(port.role(), Some("rdma" | "storage")) || expect.app(AppId::Rocev2).is_some();
    told || !devices.is_empty() && meant
}

/// The RDMA devices on a port that speak `RoCE`; iWARP (`node_type` RNIC) runs over TCP and needs no lossless priority.
pub(crate) fn roce<'a>(port: &Port<'a>) -> impl Iterator<Item = &'a crate::evidence::Roce> {
    let host = port.host;
    let names: Vec<&'a str> =
        core::iter::once(port.link).chain(port.tops.iter().copied()).map(|link| link.ifname.as_str()).collect();
    host.roce.iter().flatten().filter(move |roce| {
        roce.netdev.as_deref().is_some_and(|netdev| names.contains(&netdev))
            && roce.node_type.as_deref().is_none_or(|kind| !kind.contains("RNIC"))
    })
}

/// What is said of one port; the worst of it decides.
#[derive(Debug, Default)]
pub(crate) struct Said {
    all: Vec<(Outcome, String)>,
    /// Never changes the outcome.
    pub(crate) notes: Vec<String>,
    /// What may be behind it.
    pub(crate) causes: Vec<String>,
    /// What to do.
    pub(crate) remedies: Vec<String>,
}

impl Said {
    pub(crate) fn say(&mut self, outcome: Outcome, text: impl Into<String>) {
        self.all.push((outcome, text.into()));
    }

    pub(crate) fn worst(&self) -> Option<Outcome> {
        self.all.iter().map(|(outcome, _)| *outcome).max()
    }

    /// The finding: the worst in its summary, other trouble as notes.
    pub(crate) fn finding(mut self, check: &'static str, port: &Port<'_>) -> Option<Finding> {
        let worst = self.worst()?;
        let (first, rest): (Vec<_>, Vec<_>) = self.all.into_iter().partition(|(outcome, _)| *outcome == worst);
        let summary = first.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join("; ");
        self.notes.extend(rest.into_iter().filter(|(outcome, _)| *outcome > Outcome::Pass).map(|(_, text)| text));
        let mut finding = facts::of_link(port.host, &port.link.ifname, check, worst, summary);
        finding.notes = self.notes;
        if worst != Outcome::Pass && worst != Outcome::Skip {
            finding.causes = self.causes;
            finding.remedies = self.remedies;
        }
        Some(finding)
    }
}

/// Values of several devices for each priority.
#[derive(Debug)]
pub(crate) struct Table(Comparison);

impl Table {
    pub(crate) fn new(what: &str) -> Self {
        let columns = (0..8).map(|priority: u8| priority.to_string()).collect();
        Self(Comparison { what: what.to_owned(), columns, rows: Vec::new() })
    }

    /// A row; nothing where the device was not heard.
    pub(crate) fn row(&mut self, side: Side, name: impl Into<String>, cells: Option<[String; 8]>) {
        if let Some(cells) = cells {
            self.0.rows.push(ComparisonRow { side, name: name.into(), cells: cells.into() });
        }
    }

    /// The table, where there is more than one row to compare.
    pub(crate) fn finish(self) -> Option<Box<Comparison>> {
        (self.0.rows.len() > 1).then(|| Box::new(self.0))
    }
}

/// One cell for each priority.
pub(crate) fn pfc_cells(bits: u8) -> [String; 8] {
    core::array::from_fn(|priority| if bits >> priority & 1 == 1 { "on" } else { "off" }.to_owned())
}

/// One cell for each priority; empty where the table is not sound.
pub(crate) fn share_cells(shares: &[Option<Share>; 8]) -> [String; 8] {
    core::array::from_fn(|priority| shares[priority].as_ref().map(ToString::to_string).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priorities_are_listed_as_people_do() {
        assert_eq!((list(0), list(8), list(0x18), list(0x38)), ("none".into(), "3".into(), "3 and 4".into(), "3-5".into()));
        assert_eq!((list(0xf7), list(0xff), list(0x9a)), ("0-2 and 4-7".into(), "0-7".into(), "1, 3, 4 and 7".into()));
        assert_eq!(bits([false, false, false, true, true, false, false, true]), 0x98);
        assert_eq!(each(0x98).collect::<Vec<_>>(), [3, 4, 7]);
    }

    #[test]
    fn shares_do_not_depend_on_class_numbers() {
        let words = |ets: [usize; 2]| core::array::from_fn(|class| if ets.contains(&class) { "ets" } else { "strict" }.to_owned());
        let one =
            Ets { tc_bw: [50, 0, 0, 50, 0, 0, 0, 0], tc_tsa: words([0, 3]), prio_tc: [0, 0, 0, 3, 0, 0, 0, 0], ..Ets::default() };
        let two =
            Ets { tc_bw: [50, 50, 0, 0, 0, 0, 0, 0], tc_tsa: words([0, 1]), prio_tc: [1, 1, 1, 0, 1, 1, 1, 1], ..Ets::default() };
        assert_eq!(shares_differ(&shares(&one), &shares(&two)), 0);
        let wild = Ets { prio_tc: [9; 8], ..two };
        assert_eq!(shares(&wild), [const { None }; 8]);
        assert_eq!(shares_differ(&shares(&one), &shares(&wild)), 0);
    }
}

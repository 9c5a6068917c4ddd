//! What several checks ask about InfiniBand: which interface sits on which port, what a plan expects there, who is vetted, which
//! ports belong to one fabric, and who of several deviates.

use crate::Case;
use crate::chain;
use crate::evidence::{Asked, GapReason, Host, IbPort, Link, SubnetManager};
use crate::expect::{IpoibExpect, Network, Settings, SmExpect};
use crate::facts;
use crate::guid;
use crate::report::{At, Finding, Outcome};
use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// The subnet prefix that every manager uses unless told otherwise (IBA 4.1.1): it tells no two fabrics apart.
const DEFAULT_PREFIX: &str = "0xfe80000000000000";
/// `IPoIB` takes four bytes of a datagram (RFC 4391 section 6).
pub(crate) const ENCAPSULATION: u32 = 4;
/// Largest MTU in connected mode (`IPOIB_CM_MTU`, drivers/infiniband/ulp/ipoib/ipoib.h).
pub(crate) const CONNECTED_MTU: u32 = 65_520;
/// What a host without any port is skipped with.
pub(crate) const NO_PORT: &str = "InfiniBand: no port";

/// Logical state of a port (IBA `PortInfo:PortState`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// No link.
    Down,
    /// A link, and no subnet manager has configured it.
    Initializing,
    /// A subnet manager is half way.
    Armed,
    /// It works.
    Active,
    /// Not told, or a word that this version does not know.
    Unknown,
}

impl State {
    fn of(word: &str) -> Self {
        let is = |names: &[&str]| names.iter().any(|name| word.trim().eq_ignore_ascii_case(name));
        if is(&["down"]) {
            Self::Down
        } else if is(&["initializing", "init", "initialize"]) {
            Self::Initializing
        } else if is(&["armed"]) {
            Self::Armed
        } else if is(&["active", "activedefer", "active_defer", "active (deferred)"]) {
            Self::Active
        } else {
            Self::Unknown
        }
    }

    /// As `ibstat` writes it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Down => "Down",
            Self::Initializing => "Initializing",
            Self::Armed => "Armed",
            Self::Active => "Active",
            Self::Unknown => "unknown",
        }
    }
}

/// The state of a port, the later reading where there are two.
pub(crate) fn state(port: &IbPort) -> State {
    let known = |text: &Option<String>| text.as_deref().map(State::of).filter(|state| *state != State::Unknown);
    known(&port.state_again).or_else(|| known(&port.state)).unwrap_or(State::Unknown)
}

/// The state of the first reading.
pub(crate) fn first_state(port: &IbPort) -> State {
    port.state.as_deref().map_or(State::Unknown, State::of)
}

/// Whether the port is InfiniBand and not `RoCE`.
pub(crate) fn is_infiniband(port: &IbPort) -> bool {
    port.link_layer.as_deref().is_none_or(|layer| layer.trim().eq_ignore_ascii_case("infiniband"))
}

/// `mlx4_0/1`.
pub(crate) fn port_name(port: &IbPort) -> String {
    format!("{}/{}", port.device, port.port)
}

/// The InfiniBand ports of a host.
pub(crate) fn ports(host: &Host) -> impl Iterator<Item = &IbPort> {
    host.infiniband.iter().flat_map(|table| &table.ports).filter(|port| is_infiniband(port))
}

/// Whether the interface is `IPoIB`.
pub(crate) fn is_ipoib(link: &Link) -> bool {
    // A bond over IPoIB has its link type, and no port of its own.
    let plain = || link.kind().is_empty() && link.link_type.as_deref() == Some("infiniband");
    link.ipoib.is_some() || link.kind() == "ipoib" || plain()
}

/// The `IPoIB` interfaces of a host.
pub(crate) fn interfaces(host: &Host) -> impl Iterator<Item = &Link> {
    host.links.iter().flatten().filter(|link| is_ipoib(link))
}

/// Whether anything of a host is InfiniBand.
pub(crate) fn concerns(host: &Host) -> bool {
    ports(host).next().is_some() || interfaces(host).next().is_some()
}

/// The port on which an `IPoIB` interface sits: as the kernel says, else by the GUID in its address, else the only one.
pub(crate) fn port_of<'a>(host: &'a Host, link: &Link) -> Option<&'a IbPort> {
    let parent = link.ipoib.as_ref().and_then(|ipoib| ipoib.parent.as_deref()).or(link.link.as_deref());
    let parent = parent.and_then(|name| host.link(name)).filter(|parent| parent.ifname != link.ifname);
    let own = |link: &Link| {
        let ipoib = link.ipoib.as_ref()?;
        let device = ipoib.device.as_deref()?;
        let mut fitting = ports(host).filter(|port| port.device == device && ipoib.port.is_none_or(|number| number == port.port));
        fitting.next().filter(|_| fitting.next().is_none())
    };
    let by_guid = |link: &Link| {
        let guid = address_guid(link.address.as_deref()?)?;
        ports(host).find(|port| port.port_guid.as_deref() == Some(&guid))
    };
    let only = || {
        let mut all = ports(host);
        all.next().filter(|_| all.next().is_none())
    };
    own(link).or_else(|| parent.and_then(own)).or_else(|| by_guid(link)).or_else(only)
}

/// The port GUID in the link-layer address of an `IPoIB` interface: the last 8 of 20 bytes (RFC 4391 section 9.1.1).
fn address_guid(address: &str) -> Option<String> {
    if address.split(':').count() != 20 {
        return None;
    }
    let (start, _) = address.match_indices(':').nth(11)?;
    guid::normal(address.get(start + 1..)?)
}

/// How much a run wants to know of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Focus {
    /// The run vets paths of this host, and they go elsewhere: an idle card never alarms.
    Aside,
    /// The run is about this host, and nobody asked for this in particular.
    Host,
    /// A vetted path uses it, the plan expects something of it, or `--only` names the check.
    Asked,
}

impl Focus {
    /// What becomes of something that cannot be decided.
    pub(crate) const fn undecided(self) -> Outcome {
        match self {
            Self::Asked => Outcome::Unknown,
            Self::Aside | Self::Host => Outcome::Skip,
        }
    }
}

/// Which `IPoIB` interfaces carry what is vetted.
pub(crate) struct Use<'a> {
    carried: Vec<(&'a Host, &'a Link)>,
    vetted: Vec<&'a Host>,
}

impl<'a> Use<'a> {
    pub(crate) fn of(case: &Case<'a>) -> Self {
        let mut found = Self { carried: Vec::new(), vetted: Vec::new() };
        if !case.evidence.hosts.iter().any(concerns) {
            return found;
        }
        for carrier in chain::carriers(case) {
            if !chain::paths(case, &carrier).any(|path| path.asked != Asked::Gateway) {
                continue;
            }
            found.vetted.push(carrier.host);
            let Some(top) = carrier.link else { continue };
            let layers = chain::layers(carrier.host, top);
            found.carried.extend(layers.iter().filter(|layer| is_ipoib(layer.link)).map(|layer| (carrier.host, layer.link)));
        }
        found
    }

    /// Whether a vetted path of the user goes over this interface.
    pub(crate) fn carries(&self, host: &Host, link: &Link) -> bool {
        self.carried.iter().any(|(known, carrier)| core::ptr::eq(*known, host) && core::ptr::eq(*carrier, link))
    }

    /// What the run wants to know of an interface.
    pub(crate) fn interface(&self, case: &Case<'_>, check: &str, host: &Host, link: &Link) -> Focus {
        let planned = !networks(case, host, link).is_empty();
        self.focus(case, check, host, self.carries(host, link), planned)
    }

    /// What the run wants to know of a port: as of the interfaces on it.
    pub(crate) fn port(&self, case: &Case<'_>, check: &str, host: &Host, port: &IbPort) -> Focus {
        let on_it = on_port(host, port).map(|link| self.interface(case, check, host, link));
        on_it.max().unwrap_or_else(|| self.focus(case, check, host, false, false))
    }

    fn focus(&self, case: &Case<'_>, check: &str, host: &Host, carries: bool, planned: bool) -> Focus {
        if carries || facts::named(case, check) {
            Focus::Asked
        } else if planned || !self.vetted.iter().any(|vetted| core::ptr::eq(*vetted, host)) {
            Focus::Host
        } else {
            Focus::Aside
        }
    }
}

/// The interfaces that sit on a port.
pub(crate) fn on_port<'a>(host: &'a Host, port: &'a IbPort) -> impl Iterator<Item = &'a Link> {
    interfaces(host).filter(move |link| port_of(host, link).is_some_and(|own| core::ptr::eq(own, port)))
}

/// The networks of the plan to which an interface belongs: by its name, by its addresses or those of the bond above it, or because
/// a path of that network leaves there.
pub(crate) fn networks<'a>(case: &Case<'a>, host: &Host, link: &Link) -> Vec<(&'a str, &'a Network)> {
    let master = link.master.as_deref().and_then(|name| host.link(name));
    let holders = || core::iter::once(link).chain(master);
    let leaves = |name: &str| {
        case.evidence.paths.iter().any(|path| {
            path.network.as_deref() == Some(name)
                && facts::host(case, &path.from).is_some_and(|from| core::ptr::eq(from, host))
                && facts::egress_name(path).is_some_and(|egress| holders().any(|holder| holder.ifname == egress))
        })
    };
    let belongs = |(name, network): &(&String, &Network)| {
        holders().any(|holder| network.interface.as_deref() == Some(&holder.ifname))
            || network.subnet.is_some_and(|(subnet, length)| {
                holders().any(|holder| holder.addresses.iter().any(|address| facts::in_subnet(address.local, subnet, length)))
            })
            || leaves(name)
    };
    case.expect.networks.iter().filter(belongs).map(|(name, network)| (name.as_str(), network)).collect()
}

/// What the plan expects of a host itself.
fn of_host<'a>(case: &Case<'a>, host: &Host) -> Option<&'a Settings> {
    let mut names = core::iter::once(&host.name).chain(&host.names);
    names.find_map(|name| case.expect.hosts.get(name)).map(|host| &host.expect)
}

/// A key of the plan for one interface: the host's, else that of its networks, else the general one.
fn nearest<T>(case: &Case<'_>, host: &Host, link: Option<&Link>, key: impl Fn(&Settings) -> Option<T>) -> Option<T> {
    let of_networks = || {
        let networks = link.map(|link| networks(case, host, link)).unwrap_or_default();
        networks.into_iter().find_map(|(_, network)| key(&network.expect))
    };
    of_host(case, host).and_then(&key).or_else(of_networks).or_else(|| key(&case.expect.all))
}

/// What the plan expects of an `IPoIB` interface.
pub(crate) fn expected_ipoib(case: &Case<'_>, host: &Host, link: &Link) -> IpoibExpect {
    IpoibExpect {
        mode: nearest(case, host, Some(link), |settings| settings.ipoib.mode),
        mtu: nearest(case, host, Some(link), |settings| settings.ipoib.mtu),
    }
}

/// What the plan expects of the subnet managers behind a port.
pub(crate) fn expected_sm(case: &Case<'_>, host: &Host, port: Option<&IbPort>) -> SmExpect {
    let links: Vec<Option<&Link>> = match port {
        Some(port) => on_port(host, port).map(Some).chain([None]).collect(),
        None => alloc::vec![None],
    };
    SmExpect {
        master: links.iter().find_map(|link| nearest(case, host, *link, |settings| settings.sm.master.clone())),
        standby: links.iter().find_map(|link| nearest(case, host, *link, |settings| settings.sm.standby)),
    }
}

/// Whether the plan expects something of this host in particular, or of all and no host has anything of the kind: then a host
/// that has none of it cannot be passed over.
pub(crate) fn wanted(case: &Case<'_>, host: &Host, key: impl Fn(&Settings) -> bool) -> bool {
    let of_network = || {
        case.expect.networks.iter().filter(|(_, network)| key(&network.expect)).any(|(name, network)| {
            let has = host.links.iter().flatten().any(|link| {
                network.interface.as_deref() == Some(&link.ifname)
                    || network.subnet.is_some_and(|(subnet, length)| {
                        link.addresses.iter().any(|address| facts::in_subnet(address.local, subnet, length))
                    })
            });
            has || case.evidence.paths.iter().any(|path| {
                path.network.as_deref() == Some(name)
                    && (path.from == host.name || path.to == host.name || host.names.contains(&path.to))
            })
        })
    };
    of_host(case, host).is_some_and(&key)
        || of_network()
        || key(&case.expect.all) && (concerns(host) || !case.evidence.hosts.iter().any(concerns))
}

/// Whether the plan says anything about `IPoIB`.
pub(crate) fn wants_ipoib(settings: &Settings) -> bool {
    settings.ipoib != IpoibExpect::default()
}

/// Whether the plan says anything about subnet managers.
pub(crate) fn wants_sm(settings: &Settings) -> bool {
    settings.sm != SmExpect::default()
}

/// Whether a right is what is missing for a fact.
pub(crate) fn is_refused(host: &Host, what: &str) -> bool {
    host.gaps.iter().any(|gap| gap.what == what && gap.reason == GapReason::NotPermitted)
}

/// Why something of a host's InfiniBand is not known, from its gaps: the one about `what` or the table as a whole.
pub(crate) fn gap(host: &Host, what: &str) -> Option<String> {
    let gap =
        host.gaps.iter().find(|gap| gap.what == what || gap.what.starts_with(what) && gap.what[what.len()..].starts_with('.'));
    let table = what.split('.').next().unwrap_or(what);
    let gap = gap.or_else(|| host.gaps.iter().find(|gap| gap.what == table))?;
    let right = gap.right.as_deref().map(|right| format!(", needs {right}")).unwrap_or_default();
    Some(format!("{}: {}{right}", gap.place, gap.detail))
}

/// A finding about a port.
pub(crate) fn of_port(
    host: &Host,
    port: &IbPort,
    check: &'static str,
    outcome: Outcome,
    summary: impl Into<Cow<'static, str>>,
) -> Finding {
    facts::of_link(host, &port_name(port), check, outcome, summary)
}

/// A finding about a host as a whole.
pub(crate) fn of_whole(host: &Host, check: &'static str, outcome: Outcome, summary: impl Into<Cow<'static, str>>) -> Finding {
    let at = At { host: Some(host.name.clone()), ..At::default() };
    let subject = if host.name.is_empty() { "host" } else { host.name.as_str() };
    Finding::new(check, subject, at, outcome, summary)
}

/// Which of several values is that of more than half.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Vote<T> {
    /// All alike, or nobody voted.
    Alike,
    /// Of all, so many have this one.
    Most { value: T, count: usize, of: usize },
    /// No value has more than half.
    Tie,
}

/// Counts votes.
pub(crate) fn vote<T: Ord + Clone>(values: impl IntoIterator<Item = T>) -> Vote<T> {
    let mut values: Vec<T> = values.into_iter().collect();
    values.sort();
    let of = values.len();
    let runs = values.chunk_by(|a, b| a == b);
    let Some(longest) = runs.max_by_key(|run| run.len()) else { return Vote::Alike };
    match longest {
        run if run.len() == of => Vote::Alike,
        [value, ..] if longest.len() * 2 > of => Vote::Most { value: value.clone(), count: longest.len(), of },
        _ => Vote::Tie,
    }
}

/// `IPoIB` interfaces that are ends of one IP network, with what that network is called.
pub(crate) struct Ends<'a> {
    /// `the network storage`, `192.0.2.0/24`.
    pub(crate) name: String,
    /// Who is in it.
    pub(crate) members: Vec<(&'a Host, &'a Link)>,
}

impl<'a> Ends<'a> {
    /// What each host says, once: a host with two interfaces in a network has one vote, unless these differ.
    pub(crate) fn votes<T: PartialEq>(&self, said: impl Fn(&'a Host, &'a Link) -> Option<T>) -> Vec<T> {
        let mut votes: Vec<(&Host, T)> = Vec::new();
        for (host, link) in &self.members {
            if let Some(value) = said(host, link)
                && !votes.iter().any(|(known, same)| core::ptr::eq(*known, *host) && *same == value)
            {
                votes.push((host, value));
            }
        }
        votes.into_iter().map(|(_, value)| value).collect()
    }
}

/// The IP networks in which `IPoIB` interfaces of at least two hosts are.
pub(crate) fn ends<'a>(case: &Case<'a>) -> Vec<Ends<'a>> {
    let mut found: Vec<Ends<'a>> = Vec::new();
    for host in &case.evidence.hosts {
        for link in interfaces(host).filter(|link| link.flags.is_empty() || link.is_up()) {
            let mut names: Vec<String> =
                networks(case, host, link).into_iter().map(|(name, _)| format!("the network {name}")).collect();
            if names.is_empty() {
                let master = link.master.as_deref().and_then(|name| host.link(name));
                let addresses = core::iter::once(link).chain(master).flat_map(|holder| &holder.addresses);
                let shared = addresses.filter(|address| match address.local {
                    core::net::IpAddr::V4(own) => !own.is_link_local() && !own.is_loopback(),
                    core::net::IpAddr::V6(own) => !own.is_unicast_link_local() && !own.is_loopback(),
                });
                names = shared.map(|own| format!("{}/{}", facts::network_of(own.local, own.prefixlen), own.prefixlen)).collect();
            }
            names.sort();
            names.dedup();
            for name in names {
                match found.iter_mut().find(|ends| ends.name == name) {
                    Some(ends) => ends.members.push((host, link)),
                    None => found.push(Ends { name, members: alloc::vec![(host, link)] }),
                }
            }
        }
    }
    found.retain(|ends| ends.members.iter().any(|(host, _)| !core::ptr::eq(*host, ends.members[0].0)));
    found
}

/// The ports of one fabric.
pub(crate) struct Fabric<'a> {
    /// Its ports, in the order of the evidence.
    pub(crate) ports: Vec<(&'a Host, &'a IbPort)>,
}

impl<'a> Fabric<'a> {
    /// Whether a port belongs to it.
    pub(crate) fn holds(&self, host: &Host, port: &IbPort) -> bool {
        self.ports.iter().any(|(known, own)| core::ptr::eq(*known, host) && core::ptr::eq(*own, port))
    }

    /// The subnet managers that one of its ports sees; `None` where nobody answered there.
    pub(crate) fn seen(&self, index: usize) -> Option<Vec<&'a SubnetManager>> {
        self.ports.get(index).and_then(|(host, port)| seen_through(host, port))
    }
}

/// The subnet managers that a port sees: those that say so, and those that say nothing where the host has one port that works.
pub(crate) fn seen_through<'a>(host: &'a Host, port: &IbPort) -> Option<Vec<&'a SubnetManager>> {
    let all = host.infiniband.as_ref()?.subnet_managers.as_ref()?;
    let name = port_name(port);
    let only = ports(host).filter(|port| state(port) != State::Down).count() == 1 && state(port) != State::Down;
    let seen: Vec<&SubnetManager> = all
        .iter()
        .filter(|manager| match manager.seen_through.as_deref() {
            Some(through) => through == name,
            None => only,
        })
        .collect();
    // A list that speaks of other ports alone says nothing about this one.
    let silent = seen.is_empty() && !all.is_empty();
    let gap = host.gaps.iter().any(|gap| gap.what.starts_with("infiniband.subnet_managers"));
    if silent || (seen.is_empty() && gap) { None } else { Some(seen) }
}

/// Whether a subnet manager is in a state, as the words of IBA 14.2.5.13 have it.
pub(crate) fn is_state(manager: &SubnetManager, word: &str) -> bool {
    manager.state.as_deref().is_some_and(|state| state.trim().trim_start_matches("SMINFO_").eq_ignore_ascii_case(word))
}

/// The GUIDs of the masters that a port sees.
pub(crate) fn masters(host: &Host, port: &IbPort) -> Vec<String> {
    let seen = seen_through(host, port).unwrap_or_default();
    let mut masters: Vec<String> =
        seen.iter().filter(|manager| is_state(manager, "MASTER")).map(|manager| normal(&manager.guid)).collect();
    masters.sort();
    masters.dedup();
    masters
}

/// A GUID as everywhere; what is none is kept as it is.
pub(crate) fn normal(text: &str) -> String {
    guid::normal(text).unwrap_or_else(|| text.to_string())
}

/// The fabrics of the case, ports without link left out: ports that see the same master, share a network of the plan or a subnet prefix other than the default,
/// or between which a vetted packet passed without a router.
pub(crate) fn fabrics<'a>(case: &Case<'a>) -> Vec<Fabric<'a>> {
    let nodes: Vec<(&'a Host, &'a IbPort)> = case
        .evidence
        .hosts
        .iter()
        .flat_map(|host| ports(host).filter(|port| state(port) != State::Down).map(move |port| (host, port)))
        .collect();
    let of_networks: Vec<Vec<&str>> = nodes
        .iter()
        .map(|(host, port)| {
            let mut names: Vec<&str> =
                on_port(host, port).flat_map(|link| networks(case, host, link)).map(|(name, _)| name).collect();
            names.sort_unstable();
            names.dedup();
            names
        })
        .collect();
    // Two ports of one host in one network are two rails, each with a master of its own: there the LID tells which is which.
    let mut railed: Vec<&str> = Vec::new();
    for (index, (host, _)) in nodes.iter().enumerate() {
        let beside = nodes.iter().enumerate().filter(|(other, (known, _))| *other != index && core::ptr::eq(*known, *host));
        for (other, _) in beside {
            railed.extend(of_networks[index].iter().filter(|name| of_networks[other].contains(name)));
        }
    }
    let mut of: Vec<usize> = (0..nodes.len()).collect();
    let mut keys: alloc::collections::BTreeMap<String, usize> = alloc::collections::BTreeMap::new();
    let mut join = |one: usize, other: usize| {
        let (into, from) = (of[one].min(of[other]), of[one].max(of[other]));
        for group in &mut of {
            if *group == from {
                *group = into;
            }
        }
    };
    for (index, (host, port)) in nodes.iter().enumerate() {
        let mut own: Vec<String> = masters(host, port).into_iter().map(|guid| format!("master {guid}")).collect();
        let prefix =
            port.subnet_prefix.as_deref().map(normal).filter(|prefix| prefix != DEFAULT_PREFIX && guid::normal(prefix).is_some());
        own.extend(prefix.map(|prefix| format!("prefix {prefix}")));
        for name in &of_networks[index] {
            match port.sm_lid {
                _ if !railed.contains(name) => own.push(format!("network {name}")),
                Some(lid) if lid != 0 => own.push(format!("network {name}, SM LID {lid}")),
                _ => {}
            }
        }
        for key in own {
            if let Some(other) = keys.get(&key) {
                join(*other, index);
            } else {
                keys.insert(key, index);
            }
        }
    }
    let node = |host: &Host, link: &Link| {
        let port = port_of(host, link)?;
        nodes.iter().position(|(known, own)| core::ptr::eq(*known, host) && core::ptr::eq(*own, port))
    };
    if nodes.len() > 1 {
        for path in case.evidence.paths.iter().filter(|path| facts::answered(path) && facts::on_link(case, path)) {
            let near = facts::host(case, &path.from).zip(facts::egress(case, path)).filter(|(_, link)| is_ipoib(link));
            let far = facts::peer_link(case, path).filter(|(_, link)| is_ipoib(link));
            if let (Some(near), Some(far)) = (near, far)
                && let (Some(near), Some(far)) = (node(near.0, near.1), node(far.0, far.1))
            {
                join(near, far);
            }
        }
    }
    let mut fabrics: Vec<(usize, Fabric<'a>)> = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        match fabrics.iter_mut().find(|(group, _)| *group == of[index]) {
            Some((_, fabric)) => fabric.ports.push(*node),
            None => fabrics.push((of[index], Fabric { ports: alloc::vec![*node] })),
        }
    }
    fabrics.into_iter().map(|(_, fabric)| fabric).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn votes_are_counted() {
        assert_eq!(vote([1, 1, 1]), Vote::Alike);
        assert_eq!(vote(Vec::<u8>::new()), Vote::Alike);
        assert_eq!(vote([1, 2, 1]), Vote::Most { value: 1, count: 2, of: 3 });
        assert_eq!(vote([1, 2]), Vote::Tie);
        assert_eq!(vote([1, 2, 3, 1]), Vote::Tie, "half is no majority");
    }

    #[test]
    fn the_guid_in_an_address() {
        let address = "80:00:00:41:fe:80:00:00:00:00:00:00:00:02:c9:03:00:bb:00:01";
        assert_eq!(address_guid(address).as_deref(), Some("0x0002c90300bb0001"));
        assert_eq!(address_guid("02:00:00:00:00:01"), None);
    }
}

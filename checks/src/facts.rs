//! What several checks and the diagnosis read from a case: expectations, the far end, who is on which link.

use crate::Case;
use crate::baseline::Baseline;
use crate::evidence::{Asked, Host, Link, Path, PeerMtuHow};
use crate::expect::{Network, Settings};
use crate::report::{At, Finding, Outcome};
use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

/// Whether this check runs at all: `--only` and `--skip`.
pub(crate) fn selected(case: &Case<'_>, check: &str) -> bool {
    let named = |list: &[String]| list.iter().any(|id| id == check);
    (case.expect.only.is_empty() || named(&case.expect.only)) && !named(&case.expect.skip)
}

/// Whether the user asked for this check by name.
pub(crate) fn named(case: &Case<'_>, check: &str) -> bool {
    case.expect.only.iter().any(|id| id == check)
}

/// The host of that name.
pub(crate) fn host<'a>(case: &Case<'a>, name: &str) -> Option<&'a Host> {
    let hosts = &case.evidence.hosts;
    hosts.iter().find(|host| host.name == name).or_else(|| hosts.iter().find(|host| host.names.iter().any(|known| known == name)))
}

/// The interface through which a path leaves, where the sending host's interfaces are known.
pub(crate) fn egress<'a>(case: &Case<'a>, path: &Path) -> Option<&'a Link> {
    host(case, &path.from)?.link(egress_name(path)?)
}

/// The name of the interface through which a path leaves.
pub(crate) fn egress_name(path: &Path) -> Option<&str> {
    path.route.as_ref().and_then(|route| route.dev.as_deref()).or(path.interface.as_deref())
}

/// The network of the plan to which a path belongs: the one that it names, else the narrowest whose subnet holds the target.
pub(crate) fn network<'a>(case: &Case<'a>, path: &Path) -> Option<(&'a str, &'a Network)> {
    let networks = &case.expect.networks;
    if let Some(name) = &path.network {
        return networks.get_key_value(name).map(|(name, network)| (name.as_str(), network));
    }
    let address = path.address?;
    networks
        .iter()
        .filter_map(|(name, network)| {
            let (subnet, length) = network.subnet?;
            in_subnet(address, subnet, length).then_some((length, name.as_str(), network))
        })
        .max_by_key(|(length, _, _)| *length)
        .map(|(_, name, network)| (name, network))
}

/// The path MTU that the user or the plan expects: `--expect-mtu`, else the nearest of the target's, the sender's, the
/// network's and the general expectation.
#[must_use]
pub fn expected_mtu(case: &Case<'_>, path: &Path) -> Option<u32> {
    if case.expect.mtu.is_some() {
        return case.expect.mtu;
    }
    let network = network(case, path).map(|(_, network)| network);
    setting(case, path, |settings| settings.mtu, network.and_then(|network| network.mtu))
}

/// The loss from which `path-loss` fails, millionths, where the plan says so.
pub(crate) fn expected_loss(case: &Case<'_>, path: &Path) -> Option<u32> {
    setting(case, path, |settings| settings.loss_ppm, None)
}

fn setting(case: &Case<'_>, path: &Path, key: impl Fn(&Settings) -> Option<u32>, of_network: Option<u32>) -> Option<u32> {
    let of_host = |name: &str| case.expect.hosts.get(name).and_then(|host| key(&host.expect));
    of_host(&path.to)
        .or_else(|| of_host(&path.from))
        .or(of_network)
        .or_else(|| network(case, path).and_then(|(_, network)| key(&network.expect)))
        .or_else(|| key(&case.expect.all))
}

/// Whether a name of the plan means this host: equal, or equal up to the first dot where one of the two has no domain.
pub(crate) fn is_called(host: &Host, name: &str) -> bool {
    let first = |text: &str| text.split('.').next().unwrap_or_default().to_ascii_lowercase();
    core::iter::once(&host.name).chain(&host.names).any(|own| {
        own.eq_ignore_ascii_case(name)
            || ((!own.contains('.') || !name.contains('.')) && !first(own).is_empty() && first(own) == first(name))
    })
}

/// The plan's networks that a host is in: by address, by interface, or because a path of the network begins or ends there.
fn networks_of<'a>(case: &Case<'a>, host: &Host) -> impl Iterator<Item = &'a Network> {
    let ends = |name: &str| {
        let paths = case.evidence.paths.iter().filter(|path| path.network.as_deref() == Some(name));
        paths.into_iter().any(|path| is_called(host, &path.from) || is_called(host, &path.to))
    };
    let inside = |network: &Network| {
        let mut links = host.links.iter().flatten();
        links.any(|link| {
            let holds = |(subnet, length)| link.addresses.iter().any(|address| in_subnet(address.local, subnet, length));
            network.subnet.is_some_and(holds) || network.interface.as_deref() == Some(link.ifname.as_str())
        })
    };
    let found: Vec<&Network> =
        case.expect.networks.iter().filter(|(name, network)| inside(network) || ends(name)).map(|(_, network)| network).collect();
    found.into_iter()
}

/// The baselines that the plan expects of a host: its own, else those of its networks, else the general one.
pub(crate) fn baselines<'a>(case: &Case<'a>, host: &Host) -> Vec<&'a Baseline> {
    let expect = case.expect;
    let own = expect.hosts.iter().find(|(name, settings)| settings.expect.tuning.is_some() && is_called(host, name));
    if let Some(own) = own.and_then(|(_, settings)| settings.expect.tuning.as_deref()) {
        return alloc::vec![own];
    }
    let mut found: Vec<&Baseline> = Vec::new();
    for baseline in networks_of(case, host).filter_map(|network| network.expect.tuning.as_deref()) {
        if !found.contains(&baseline) {
            found.push(baseline);
        }
    }
    if found.is_empty() { expect.all.tuning.as_deref().into_iter().collect() } else { found }
}

/// The first address of the subnet that holds `address`.
pub(crate) fn network_of(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(length.into())).unwrap_or(0);
            IpAddr::V4((u32::from(address) & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(length.into())).unwrap_or(0);
            IpAddr::V6((u128::from(address) & mask).into())
        }
    }
}

/// Whether `address` lies in `subnet/length`.
pub(crate) fn in_subnet(address: IpAddr, subnet: IpAddr, length: u8) -> bool {
    address.is_ipv4() == subnet.is_ipv4() && network_of(address, length) == network_of(subnet, length)
}

/// The far end's own MTU, and how it is known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer<'a> {
    /// Bytes.
    pub(crate) mtu: u32,
    /// How it was read.
    pub(crate) how: PeerMtuHow,
    /// The truth may be larger.
    pub(crate) at_least: bool,
    /// The far end's interface that holds the address, where its own evidence is at hand.
    pub(crate) link: Option<(&'a Host, &'a Link)>,
}

impl Peer<'_> {
    /// Whether the far end's own MTU explains that nothing above `mtu` arrives.
    pub(crate) fn explains(&self, mtu: u32) -> bool {
        !self.at_least && self.mtu <= mtu
    }

    /// Whether the far end's own MTU is at least `mtu`, as far as the way of reading can tell: fragments are cut at multiples
    /// of eight (RFC 791 section 3.1).
    pub(crate) fn reaches(&self, mtu: u32) -> bool {
        let slack = if self.how == PeerMtuHow::Fragments { 7 } else { 0 };
        self.mtu.saturating_add(slack) >= mtu
    }

    /// `from the MSS of its SYN-ACK`.
    pub(crate) const fn source(&self) -> &'static str {
        match self.how {
            PeerMtuHow::Mss => "from the MSS of its SYN-ACK",
            PeerMtuHow::Fragments => "from the fragments of its answers",
            PeerMtuHow::Evidence => "from its own evidence",
            PeerMtuHow::Unknown => "read in a way that this version does not know",
        }
    }
}

/// The other host in the document that owns the target's address, and the interface that holds it.
pub(crate) fn peer_link<'a>(case: &Case<'a>, path: &Path) -> Option<(&'a Host, &'a Link)> {
    let address = path.address?;
    let sender = host(case, &path.from);
    let mut owners =
        case.evidence.hosts.iter().filter(|host| !sender.is_some_and(|sender| core::ptr::eq(sender, *host))).filter_map(|host| {
            let links = host.links.as_deref()?;
            let link =
                links.iter().find(|link| !link.is_loopback() && link.addresses.iter().any(|known| known.local == address))?;
            Some((host, link))
        });
    let first = owners.next()?;
    // Private addresses repeat: where several hosts own it, only the one that the user named counts.
    let goes_by = |host: &Host| host.name == path.to || host.names.contains(&path.to);
    match owners.next() {
        None => Some(first),
        Some(second) => core::iter::once(first).chain(core::iter::once(second)).chain(owners).find(|(host, _)| goes_by(host)),
    }
}

/// The far end's own MTU: from its own evidence where there is some, else as read from here.
pub(crate) fn peer<'a>(case: &Case<'a>, path: &Path) -> Option<Peer<'a>> {
    let link = peer_link(case, path);
    if let Some((_, owner)) = link {
        return Some(Peer { mtu: owner.mtu, how: PeerMtuHow::Evidence, at_least: false, link });
    }
    path.peer_mtu.map(|read| Peer { mtu: read.value, how: read.how, at_least: read.at_least, link: None })
}

/// Whether any answer of the target came back.
pub(crate) fn answered(path: &Path) -> bool {
    path.path_mtu.is_some()
        || path.control.replied > 0
        || path.sample.replied > 0
        || path.methods.iter().any(|method| method.replied > 0)
}

/// Whether sending failed with that error: its name alone, or followed by words.
pub(crate) fn send_failed(path: &Path, error: &str) -> bool {
    path.send_error.as_deref().and_then(|text| text.split([' ', ':', '(']).next()) == Some(error)
}

/// Whether the route sends the path to this host itself.
pub(crate) fn is_self(path: &Path) -> bool {
    path.route.as_ref().is_some_and(|route| route.kind == "local")
}

/// Why an on-link target is in truth behind a router, in words.
pub(crate) fn proxy(case: &Case<'_>, path: &Path) -> Option<String> {
    if path.asked == Asked::Gateway || path.route.as_ref().is_none_or(|route| route.gateway.is_some()) || is_self(path) {
        return None;
    }
    let gateway_is_target = host(case, &path.from)
        .and_then(|host| host.routes.as_deref())
        .is_some_and(|routes| routes.iter().any(|route| route.gateway.is_some() && route.gateway == path.address));
    if gateway_is_target {
        return None;
    }
    match (&path.neighbour_lladdr, &path.gateway_lladdr, path.reply_ttl) {
        (Some(neighbour), Some(gateway), _) if neighbour.eq_ignore_ascii_case(gateway) => {
            Some(format!("the gateway ({gateway}) answers ARP for it: proxy ARP, so the path is judged as routed"))
        }
        // 64, 128 and 255 are the initial values of the usual stacks; one less has passed one router.
        (_, _, Some(ttl @ (63 | 127 | 254))) => Some(format!(
            "its answers arrive with TTL {ttl}, one below a usual start: a router is between, so the path is judged as routed"
        )),
        _ => None,
    }
}

/// Whether the target is on this link, with no router between.
pub(crate) fn on_link(case: &Case<'_>, path: &Path) -> bool {
    path.on_link && proxy(case, path).is_none()
}

/// Why the interface of a path cannot carry anything, in words.
pub(crate) fn interface_down(case: &Case<'_>, path: &Path) -> Option<String> {
    let name = egress_name(path)?;
    if send_failed(path, "ENETDOWN") {
        return Some(format!("interface {name} is down"));
    }
    down(egress(case, path)?)
}

/// Why an interface cannot carry anything, in words.
pub(crate) fn down(link: &Link) -> Option<String> {
    let name = &link.ifname;
    let state = link.operstate.as_deref();
    if !link.flags.is_empty() && !link.is_up() {
        Some(format!("interface {name} is set down"))
    } else if link.carrier == Some(false) {
        Some(format!("interface {name} has no carrier"))
    } else if matches!(state, Some("down" | "lowerlayerdown" | "notpresent")) {
        Some(format!("interface {name} is {}", state.unwrap_or("down")))
    } else {
        None
    }
}

/// A finding about a path.
pub(crate) fn of_path(path: &Path, check: &'static str, outcome: Outcome, summary: impl Into<Cow<'static, str>>) -> Finding {
    let (subject, at) = path.shared(|path| At {
        host: None,
        interface: None,
        from: Some(path.from.clone()),
        to: Some(path.to.clone()),
        network: path.network.clone(),
        family: (path.family != 0).then_some(path.family),
    });
    Finding::new(check, subject, at, outcome, summary)
}

/// A finding about an interface.
pub(crate) fn of_link(
    host: &Host,
    ifname: &str,
    check: &'static str,
    outcome: Outcome,
    summary: impl Into<Cow<'static, str>>,
) -> Finding {
    let at = At { host: Some(host.name.clone()), interface: Some(ifname.into()), ..At::default() };
    Finding::new(check, format!("{}:{ifname}", host.name), at, outcome, summary)
}

/// Makes a finding on a path that pathvet chose itself no worse than a note: undecided is SKIP, a deviation is a note.
pub(crate) fn eased(path: &Path, mut finding: Finding) -> Finding {
    if path.asked != Asked::Gateway {
        return finding;
    }
    match finding.outcome {
        Outcome::Unknown => finding.outcome = Outcome::Skip,
        Outcome::Fail | Outcome::Warn => {
            finding.outcome = Outcome::Pass;
            finding.expected = None;
            finding.notes.push(format!("{}; a note only, because nobody named this gateway", finding.summary));
        }
        Outcome::Pass | Outcome::Skip => return finding,
    }
    finding.causes.clear();
    finding.remedies.clear();
    finding
}

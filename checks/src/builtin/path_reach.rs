//! Does the target answer at all?

use crate::Case;
use crate::check::{Check, Meta, check};
use crate::evidence::{Asked, LimitKind, Method, Path};
use crate::facts;
use crate::report::{Finding, Outcome, Quantity};
use crate::search::Denial;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

check! {
    /// # What it looks for
    ///
    /// Whether the target answers any probe, and whether exactly one machine answers for its address.
    ///
    /// # How it decides
    ///
    /// - PASS: an answer came back.
    /// - FAIL: this host has no route; the next hop does not answer ARP or neighbour discovery; a router says that the host or
    ///   network is unreachable; the outgoing interface is down; two machines answer for the address. Virtual router addresses
    ///   (VRRP, HSRP, GLBP) beside the real one are a note.
    /// - UNKNOWN: the name does not resolve; this host's own packet filter refuses to send; the target is on this link, resolves
    ///   and answers nothing (up, but it filters); somebody refuses this kind of packet (prohibited, port unreachable), as filters
    ///   do for hosts that are up; the target is routed and silent.
    /// - A gateway that pathvet chose itself and that stays silent is SKIP: many do not answer echo.
    ///
    /// While it is not PASS, the other path checks of the same pair are SKIP: one fault is one finding.
    ///
    /// # What to do
    ///
    /// Follow the cause in the finding. Behind a filter, let ICMP echo or one closed UDP port between 33434 and 33534 through,
    /// or name an open TCP port with `--tcp-port`.
    ///
    /// # Example
    ///
    /// `fail-arp-unresolved`: the target's address has no owner on the link.
    ///
    /// ```text
    /// FAIL path-reach node1->node2
    ///   192.0.2.2 does not answer ARP on eth0
    ///   measured: no ARP answer
    ///   expected: an answer
    /// ```
    pub(crate) struct PathReach = { id: "path-reach", summary: "whether the target answers, and one machine only" }
}

impl Check for PathReach {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn judge(&self, case: &Case<'_>) -> Vec<Finding> {
        let silent = |path: &Path| path.asked == Asked::Gateway && !facts::answered(path);
        let judged = |path: &Path| match finding(case, path) {
            // A gateway that nobody named may be silent in every way.
            finding if silent(path) && finding.outcome == Outcome::Fail => Finding { outcome: Outcome::Unknown, ..finding },
            finding => finding,
        };
        case.evidence.paths.iter().map(|path| facts::eased(path, judged(path))).collect()
    }
}

/// What keeps the other path checks of this pair from judging: the check to see, or, where that check does not run, its outcome
/// and words.
pub(crate) fn blocked(case: &Case<'_>, path: &Path, check: &'static str) -> Option<Finding> {
    if facts::is_self(path) || super::path_route::wrong(case, path).is_some() && !facts::answered(path) {
        return Some(elsewhere(case, path, check, super::path_route::ID, || super::path_route::finding(case, path)));
    }
    let (outcome, _) = verdict(case, path);
    (outcome != Outcome::Pass).then(|| elsewhere(case, path, check, PathReach::META.id, || finding(case, path)))
}

fn elsewhere(case: &Case<'_>, path: &Path, check: &'static str, other: &str, judge: impl Fn() -> Finding) -> Finding {
    if facts::selected(case, other) {
        let see = if other == super::path_route::ID { "see path-route" } else { "see path-reach" };
        return facts::of_path(path, check, Outcome::Skip, see);
    }
    // The other check was left out, so its reason must stand here.
    let other = judge();
    let outcome = if other.outcome == Outcome::Skip { Outcome::Skip } else { Outcome::Unknown };
    facts::eased(path, facts::of_path(path, check, outcome, other.summary))
}

/// Why a path is not reachable, as causes and remedies need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reason {
    /// It is.
    Answers,
    /// The name did not resolve.
    Name,
    /// This host's own packet filter.
    LocalFilter,
    /// No route.
    NoRoute,
    /// The interface is down.
    Down(String),
    /// Two machines answer for the address.
    TwoOwners(Vec<String>),
    /// The next hop does not answer ARP or ND.
    Unresolved,
    /// Somebody says that it cannot be reached.
    Told(String),
    /// Somebody refuses this kind of packet: a filter, as a rule.
    Refused(String),
    /// Up, but filters.
    Filters,
    /// Routed and silent.
    Silent,
    /// Not tried, or not to the end.
    NotTried(String),
}

/// Whether the target can be reached, and why not.
pub(crate) fn verdict(case: &Case<'_>, path: &Path) -> (Outcome, Reason) {
    let owners = owners(path);
    if owners.len() > 1 && !one_machine(case, path, &owners) {
        return (Outcome::Fail, Reason::TwoOwners(owners));
    }
    if facts::answered(path) && path.limit.kind != LimitKind::FirewallLocal {
        return (Outcome::Pass, Reason::Answers);
    }
    if path.address.is_none() {
        // A path that begins at another machine has no address because nobody asked for one.
        let elsewhere = path.incomplete.as_ref().filter(|_| path.resolve_error.is_none());
        return (Outcome::Unknown, elsewhere.map_or(Reason::Name, |why| Reason::NotTried(why.clone())));
    }
    // A `prohibit` route gives EACCES too, so the route is looked at before the filter is blamed.
    let route = path.route.as_ref().map(|route| route.kind.as_str());
    if matches!(route, Some("none" | "unreachable" | "blackhole" | "prohibit" | "throw")) || facts::send_failed(path, "ENETUNREACH")
    {
        return (Outcome::Fail, Reason::NoRoute);
    }
    if path.limit.kind == LimitKind::FirewallLocal || facts::send_failed(path, "EPERM") || facts::send_failed(path, "EACCES") {
        return (Outcome::Unknown, Reason::LocalFilter);
    }
    if let Some(why) = facts::interface_down(case, path) {
        return (Outcome::Fail, Reason::Down(why));
    }
    if let Some(told) = &path.unreachable {
        // All other words may be a filter's ("prohibited"; "port unreachable" is what REJECT sends): the target may well be up
        // (RFC 1812 section 5.2.7.1, RFC 4443 section 3.1).
        return match Denial::of(told) {
            Denial::Destination => (Outcome::Fail, Reason::Told(told.clone())),
            Denial::Packet => (Outcome::Unknown, Reason::Refused(told.clone())),
        };
    }
    let resolved = path.neighbour_lladdr.is_some();
    if facts::send_failed(path, "ENOBUFS") {
        // Nobody was asked who has the address, or nothing could leave.
        let why = path.send_error.as_deref().unwrap_or_default();
        return (Outcome::Unknown, Reason::NotTried(format!("sending failed with {why}")));
    }
    match path.neighbour_state.as_deref() {
        Some("failed") if !resolved => return (Outcome::Fail, Reason::Unresolved),
        // A deadline may have come while the kernel was still asking.
        Some("incomplete") if !resolved && path.incomplete.is_none() => return (Outcome::Fail, Reason::Unresolved),
        _ if facts::send_failed(path, "EHOSTUNREACH") => return (Outcome::Fail, Reason::Unresolved),
        _ => {}
    }
    if let Some(why) = &path.incomplete {
        return (Outcome::Unknown, Reason::NotTried(why.clone()));
    }
    if let Some(error) = &path.send_error {
        return (Outcome::Unknown, Reason::NotTried(format!("sending failed with {error}")));
    }
    if path.probes_sent == 0 {
        return (Outcome::Unknown, Reason::NotTried(not_sent(case, path)));
    }
    let filters = facts::on_link(case, path) && resolved;
    (Outcome::Unknown, if filters { Reason::Filters } else { Reason::Silent })
}

/// The right without which this host sends no echo, where that is what is missing.
pub(crate) fn echo_right<'a>(case: &Case<'a>, path: &Path) -> Option<&'a str> {
    let host = facts::host(case, &path.from).filter(|_| path.method.is_some_and(|method| method != Method::Icmp))?;
    host.gaps.iter().find(|gap| gap.what == "paths.icmp")?.right.as_deref()
}

/// Why nothing was sent, from the sending host's gaps.
fn not_sent(case: &Case<'_>, path: &Path) -> String {
    let gaps = facts::host(case, &path.from).map(|host| host.gaps.as_slice()).unwrap_or_default();
    let about = |what: &str| what == "paths" || what.starts_with("paths.");
    match gaps.iter().find(|gap| about(&gap.what)) {
        Some(gap) => {
            let right = gap.right.as_deref().map(|right| format!(", needs {right}")).unwrap_or_default();
            match gap.what.strip_prefix("paths.") {
                Some(method) => format!("no {} socket: {}{right}", method.to_ascii_uppercase(), gap.detail),
                None => format!("{}{right}", gap.detail),
            }
        }
        None => "nothing was sent".to_owned(),
    }
}

/// The real machines that answered for the address: virtual router addresses stand for one of them.
fn owners(path: &Path) -> Vec<String> {
    let all = path.responders.as_deref().unwrap_or_default();
    let mut real: Vec<String> =
        all.iter().map(|address| address.to_ascii_lowercase()).filter(|address| !is_virtual(address)).collect();
    real.sort();
    real.dedup();
    real
}

/// Whether the far end's own evidence shows that all these link-layer addresses are its own: one machine with several interfaces
/// on the link, which is how Linux answers ARP by default.
fn one_machine(case: &Case<'_>, path: &Path, owners: &[String]) -> bool {
    facts::peer_link(case, path).and_then(|(host, _)| host.links.as_deref()).is_some_and(|links| {
        owners
            .iter()
            .all(|owner| links.iter().any(|link| link.address.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(owner))))
    })
}

/// Whether a link-layer address belongs to a redundancy protocol: VRRP (RFC 9568 section 7.3), HSRP 1, 2 and IPv6, GLBP
/// (Cisco's documents of these protocols), and the shared addresses of Cumulus Linux.
fn is_virtual(address: &str) -> bool {
    const PREFIXES: [&str; 7] =
        ["00:00:5e:00:01:", "00:00:5e:00:02:", "00:00:0c:07:ac:", "00:00:0c:9f:f", "00:05:73:a0:0", "00:07:b4:00:", "44:38:39:ff:"];
    PREFIXES.iter().any(|prefix| address.starts_with(prefix))
}

/// The finding on one path, before a gateway's is eased.
pub(crate) fn finding(case: &Case<'_>, path: &Path) -> Finding {
    let id = PathReach::META.id;
    if facts::is_self(path) || super::path_route::wrong(case, path).is_some() && !facts::answered(path) {
        return elsewhere(case, path, id, super::path_route::ID, || super::path_route::finding(case, path));
    }
    let (outcome, reason) = verdict(case, path);
    if reason == Reason::Answers {
        let mut finding = facts::of_path(path, id, outcome, "answers");
        finding.notes.extend(facts::proxy(case, path));
        finding.notes.extend(shared_address(path));
        return finding;
    }
    let target = path.address.map_or_else(|| path.to.clone(), |address| format!("{address}"));
    let hop = next_hop(path);
    let interface = facts::egress_name(path).unwrap_or("the interface").to_owned();
    let summary = match &reason {
        Reason::Answers => "answers".to_owned(),
        Reason::Name => match &path.resolve_error {
            Some(error) => format!("{} does not resolve: {error}", path.to),
            None => format!("{} does not resolve", path.to),
        },
        Reason::LocalFilter => format!("this host's own packet filter refuses to send to {target}"),
        Reason::NoRoute => no_route(path, &target),
        Reason::Down(why) | Reason::NotTried(why) => why.clone(),
        Reason::TwoOwners(owners) => format!("{} machines answer for {target}: {}", owners.len(), owners.join(", ")),
        Reason::Unresolved => format!("{hop} does not answer {} on {interface}", resolution(path)),
        Reason::Told(told) | Reason::Refused(told) => match told.rsplit_once(" from ") {
            Some((what, who)) => format!("{who} says: {what}"),
            None => told.clone(),
        },
        Reason::Filters | Reason::Silent if path.asked == Asked::Gateway => {
            "the gateway does not answer echo, which is common".to_owned()
        }
        Reason::Filters => format!("{target} is up (it answers {}), but no probe gets an answer", resolution(path)),
        Reason::Silent => format!("no answer from {target}, and nobody says why"),
    };
    let mut finding = facts::of_path(path, id, outcome, summary);
    let (observed, expected) = measured(&reason, path);
    finding.observed = Some(Quantity::text(observed));
    finding.expected = Some(Quantity::text(expected));
    finding.causes = causes(&reason);
    finding.remedies = remedies(&reason, path, &target, &interface);
    finding.sources = sources(path);
    finding
}

/// What was found, and what was expected instead.
fn measured(reason: &Reason, path: &Path) -> (String, &'static str) {
    match reason {
        Reason::Answers => ("answers".to_owned(), "an answer"),
        Reason::Name => ("no address".to_owned(), "an address"),
        Reason::NoRoute => ("no route".to_owned(), "a route"),
        Reason::Down(_) => ("interface down".to_owned(), "an answer"),
        Reason::TwoOwners(owners) => (format!("{} link-layer addresses", owners.len()), "one"),
        Reason::Unresolved => (format!("no {} answer", if path.family == 6 { "ND" } else { "ARP" }), "an answer"),
        Reason::NotTried(_) if path.probes_sent == 0 => ("not tried".to_owned(), "an answer"),
        Reason::LocalFilter => ("not sent".to_owned(), "an answer"),
        Reason::Told(_) | Reason::Refused(_) | Reason::Filters | Reason::Silent | Reason::NotTried(_) => {
            ("no answer".to_owned(), "an answer")
        }
    }
}

fn no_route(path: &Path, target: &str) -> String {
    match path.route.as_ref() {
        Some(route) if route.kind != "none" && route.kind != "unicast" => {
            format!("this host's routes make {target} {}", kind_word(&route.kind))
        }
        _ => format!("this host has no route to {target}"),
    }
}

fn kind_word(kind: &str) -> &str {
    match kind {
        "blackhole" => "a black hole",
        "prohibit" => "prohibited",
        other => other,
    }
}

fn next_hop(path: &Path) -> String {
    match path.route.as_ref().and_then(|route| route.gateway) {
        Some(gateway) => format!("the gateway {gateway}"),
        None => path.address.map_or_else(|| path.to.clone(), |address| format!("{address}")),
    }
}

const fn resolution(path: &Path) -> &'static str {
    if path.family == 6 { "neighbour discovery" } else { "ARP" }
}

fn shared_address(path: &Path) -> Option<String> {
    let all = path.responders.as_deref().unwrap_or_default();
    let shared = all.iter().find(|address| is_virtual(&address.to_ascii_lowercase()))?;
    (all.len() > 1).then(|| format!("{shared}, a shared router address, answers for it too"))
}

fn sources(path: &Path) -> Vec<String> {
    let mut sources = Vec::new();
    if let Some(error) = &path.send_error {
        sources.push(format!("send: {error}"));
    }
    if let Some(state) = path.neighbour_state.as_deref().filter(|_| path.neighbour_lladdr.is_none()) {
        sources.push(format!("neighbour entry: {state}"));
    }
    sources
}

fn causes(reason: &Reason) -> Vec<String> {
    let lines: &[&str] = match reason {
        Reason::Answers | Reason::Name | Reason::NoRoute | Reason::Told(_) | Reason::NotTried(_) => &[],
        Reason::LocalFilter => &["an nftables or iptables rule on the output of this host drops the probes"],
        Reason::Down(_) => &["the cable, the optic, the switch port, or `ip link set … down`"],
        Reason::TwoOwners(_) => &[
            "two machines are set to the same address",
            "one machine with two interfaces on this link (Linux answers on both: net.ipv4.conf.*.arp_ignore)",
        ],
        Reason::Unresolved => &["the machine is off", "it is on another VLAN or segment", "the address is wrong"],
        Reason::Refused(_) => &["a packet filter there refuses the probes; the target itself may well be up"],
        Reason::Filters => &["a packet filter on the target drops echo, UDP and TCP probes"],
        Reason::Silent => {
            &["the machine is off", "a packet filter on the way or on the target", "no way back: its route to this host is missing"]
        }
    };
    lines.iter().map(|line| (*line).to_owned()).collect()
}

fn remedies(reason: &Reason, path: &Path, target: &str, interface: &str) -> Vec<String> {
    let neigh = if path.family == 6 { "ip -6 neigh show" } else { "ip neigh show" };
    let line = match reason {
        Reason::Name => format!("getent ahosts {}", path.to),
        Reason::LocalFilter => "nft list ruleset   shows the rule; let ICMP echo out".to_owned(),
        Reason::NoRoute => {
            format!("ip route get {target}   shows what the kernel picks; add the route, or the address of this network")
        }
        Reason::Down(_) => format!("ip link set dev {interface} up; then look at cable and switch port: ethtool {interface}"),
        Reason::TwoOwners(_) => {
            format!("{neigh} {target}; find the second machine by its link-layer address in the switch, and change its address")
        }
        Reason::Unresolved => format!("{neigh} dev {interface}; check power, VLAN and address of {}", next_hop(path)),
        Reason::Refused(_) => "let ICMP echo through there, both ways; or name an open port: --tcp-port PORT".to_owned(),
        Reason::Filters => "let ICMP echo in on the target, or name an open port: --tcp-port PORT".to_owned(),
        Reason::Told(_) => {
            format!("tracepath -n {target}   shows how far packets get; the box that says so knows the way no further")
        }
        Reason::Silent => {
            format!("tracepath -n {target}   shows how far packets get; or name an open port: --tcp-port PORT")
        }
        _ => return Vec::new(),
    };
    alloc::vec![line]
}

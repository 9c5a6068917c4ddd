//! Root causes in InfiniBand: modes and sizes of `IPoIB` that differ, partitions, subnet managers, ports.

use super::remedies::{self, Length};
use super::{Lead, Root};
use crate::Case;
use crate::builtin::path_mtu::{self, Ruling};
use crate::builtin::{ib_port, ipoib_mode};
use crate::chain;
use crate::evidence::{Host, IbPort, Link, Path, PeerMtuHow};
use crate::expect::IpoibMode;
use crate::fabric::{self, CONNECTED_MTU, State, Vote};
use crate::facts;
use crate::partition;
use crate::report::{Confidence, CulpritKind, Finding, Outcome};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// What is behind a finding on a port, an `IPoIB` interface or a fabric.
pub(super) fn lead<'a>(case: Case<'a>, finding: &'a Finding) -> Option<Lead<'a>> {
    if finding.outcome == Outcome::Unknown {
        return None;
    }
    let host = facts::host(&case, finding.at.host.as_deref()?)?;
    let place = finding.at.interface.as_deref().unwrap_or_default();
    let own = |key: String, kind: CulpritKind, name: String, confidence: Confidence| {
        Some(of_finding(key, finding, kind, name, confidence))
    };
    let port = || fabric::ports(host).find(|port| fabric::port_name(port) == place);
    let here = format!("{}:{place}", host.name);
    match &*finding.check {
        "ib-port" => match port().map(fabric::state) {
            Some(State::Initializing) => Some(no_manager(host, place, finding)),
            Some(State::Active) => {
                own(format!("ib-port|{here}"), CulpritKind::Nic, format!("the link of {here}"), Confidence::Possible)
            }
            Some(State::Armed) => {
                let name = format!("the subnet manager of {here}");
                own(format!("ib-port|{here}"), CulpritKind::SubnetManager, name, Confidence::Likely)
            }
            _ => own(format!("ib-port|{here}"), CulpritKind::Nic, format!("cable or port of {here}"), Confidence::Likely),
        },
        "ib-sm" if finding.summary.starts_with("no subnet manager:") => Some(no_manager(host, place, finding)),
        "ib-sm" => {
            let key = format!("ib-sm|{here}|{}", finding.summary);
            own(key, CulpritKind::SubnetManager, format!("the subnet managers of {here}"), sure(finding))
        }
        "ib-partition" => {
            // What one line of a file does to several ports has the same remedy everywhere.
            let same = || (format!("ib-partition|{}", finding.remedies.join("|")), format!("partitions of {here}"));
            let (key, name) = port().and_then(|port| too_large_a_group(&case, host, port)).unwrap_or_else(same);
            own(key, CulpritKind::Setting, name, sure(finding))
        }
        "ipoib-mode" | "ipoib-mtu" => {
            let link = host.link(place)?;
            if let Some(cut) = explained_by_path(case, host, link) {
                return Some(cut);
            }
            let group = fabric::port_of(host, link).and_then(|port| too_large_a_group(&case, host, port));
            let group = group.filter(|_| finding.check == "ipoib-mtu" && finding.outcome == Outcome::Warn);
            if let Some((key, name)) = group {
                return own(key, CulpritKind::Setting, name, sure(finding));
            }
            if finding.summary.contains("a tie") {
                // Ends that differ are one cause: their remedies are the same words.
                let key = format!("{}|{}", finding.check, finding.remedies.join("|"));
                return own(key, CulpritKind::Setting, format!("{} of the ends", what(finding)), Confidence::Possible);
            }
            own(format!("{}|{here}", finding.check), CulpritKind::Setting, format!("{} of {here}", what(finding)), sure(finding))
        }
        "ib-modules" => {
            own(format!("ib-modules|{}", host.name), CulpritKind::Setting, format!("modules of {}", host.name), Confidence::Certain)
        }
        "ib-firmware" => own(format!("ib-firmware|{here}"), CulpritKind::Nic, here, Confidence::Certain),
        _ => None,
    }
}

/// A finding that knows of one cause is sure of it.
fn sure(finding: &Finding) -> Confidence {
    if finding.outcome == Outcome::Fail && finding.causes.len() < 2 { Confidence::Certain } else { Confidence::Likely }
}

fn what(finding: &Finding) -> &'static str {
    if finding.check == "ipoib-mode" { "IPoIB mode" } else { "MTU" }
}

/// A cause with the finding's own words.
fn of_finding(key: String, finding: &Finding, kind: CulpritKind, name: String, confidence: Confidence) -> Lead<'_> {
    Lead::new(key, move |_| Root {
        summary: format!("{}: {}.", finding.at.host.as_deref().unwrap_or("here"), finding.summary),
        kind,
        name,
        confidence,
        details: finding.causes.clone(),
        proof: Vec::new(),
        remedies: finding.remedies.clone(),
    })
}

/// However many ports wait for one: it is one cause.
fn no_manager<'a>(host: &'a Host, place: &'a str, finding: &'a Finding) -> Lead<'a> {
    let gone = finding.summary.ends_with("none answered");
    Lead::new("no-sm".to_owned(), move |_| {
        let here = format!("{}:{place}", host.name);
        let (summary, proof) = if gone {
            (
                format!("Nobody manages the InfiniBand subnet of {here} any more: what restarts, or loses its link, stays out."),
                format!("sminfo   on {} fails", host.name),
            )
        } else {
            (
                format!("Nobody manages the InfiniBand subnet of {here}: its ports get no LID and never become Active."),
                format!("ibstat   on {} shows State: Initializing and Base lid: 0; sminfo fails", host.name),
            )
        };
        Root {
            summary,
            kind: CulpritKind::SubnetManager,
            name: format!("the subnet manager of {here}"),
            confidence: Confidence::Likely,
            details: finding.causes.clone(),
            proof: alloc::vec![proof],
            remedies: ib_port::start_a_manager(),
        }
    })
}

/// Where a partition's group is larger than what the port carries: the key of that cause, and what to call it.
fn too_large_a_group(case: &Case<'_>, host: &Host, port: &IbPort) -> Option<(String, String)> {
    let fabrics = fabric::fabrics(case);
    let mut links = fabric::on_port(host, port).map(Some).chain([None]);
    let rule = links.find_map(|link| partition::rule(case, &fabrics, host, port, link))?;
    (rule.mtu() > port.active_mtu.or(port.max_mtu)?).then(|| (format!("group|{}", rule.place()), rule.name()))
}

/// A cut on a path of which this interface is an end, where `IPoIB` explains it.
fn explained_by_path<'a>(case: Case<'a>, host: &Host, link: &Link) -> Option<Lead<'a>> {
    const LOOKED_AT: usize = 64;
    let is_end = |path: &&Path| {
        let near = facts::host(&case, &path.from).zip(facts::egress(&case, path));
        let ends = near.into_iter().chain(facts::peer_link(&case, path));
        ends.into_iter()
            .any(|(known, top)| core::ptr::eq(known, host) && under(known, top).is_some_and(|own| core::ptr::eq(own, link)))
    };
    let cuts = case.evidence.paths.iter().filter(is_end).take(LOOKED_AT);
    cuts.filter_map(|path| Some((path, path.path_mtu?))).find_map(|(path, measured)| match path_mtu::decide(&case, path).1 {
        Ruling::Silent { .. } | Ruling::EndsDiffer => cut(case, path, measured),
        _ => None,
    })
}

/// The `IPoIB` interface that an interface is or rests on.
fn under<'a>(host: &'a Host, top: &'a Link) -> Option<&'a Link> {
    chain::layers(host, top).into_iter().map(|layer| layer.link).find(|link| fabric::is_ipoib(link))
}

/// Who is to blame for a cut on a path over `IPoIB`.
struct Blame {
    kind: CulpritKind,
    name: String,
    confidence: Confidence,
    summary: String,
    details: Vec<String>,
    remedies: Vec<String>,
}

/// Whether a path leaves through `IPoIB`.
pub(crate) fn over_ipoib(case: &Case<'_>, path: &Path) -> bool {
    sender(case, path).is_some()
}

fn sender<'a>(case: &Case<'a>, path: &Path) -> Option<(&'a Host, &'a Link)> {
    let (host, top) = facts::host(case, &path.from).zip(facts::egress(case, path))?;
    Some((host, under(host, top)?))
}

/// What to do about a cut on a path over `IPoIB`; `None` where it is no such path.
pub(super) fn remedies_for(case: &Case<'_>, path: &Path, measured: u32, length: Length) -> Option<Vec<String>> {
    Some(blame(case, path, measured, length)?.remedies)
}

/// The cause of a silent cut, or of ends that differ, on a path over `IPoIB`.
pub(super) fn cut<'a>(case: Case<'a>, path: &'a Path, measured: u32) -> Option<Lead<'a>> {
    let blame = blame(&case, path, measured, Length::Full)?;
    Some(Lead::new(format!("ipoib|{}|{measured}", blame.name), move |_| Root {
        summary: blame.summary,
        kind: blame.kind,
        name: blame.name,
        confidence: blame.confidence,
        details: blame.details,
        proof: remedies::proof(path),
        remedies: blame.remedies,
    }))
}

/// One end of a path.
#[derive(Clone, Copy)]
struct End<'a> {
    host: &'a Host,
    link: &'a Link,
    /// How much is said about setting it.
    length: Length,
}

impl End<'_> {
    fn name(&self) -> String {
        format!("{}:{}", self.host.name, self.link.ifname)
    }

    fn mode(&self) -> Option<IpoibMode> {
        ipoib_mode::mode(self.link)
    }

    /// The command that gives it another mode or MTU, and where.
    fn set(&self, mode: IpoibMode, mtu: u32) -> String {
        let name = &self.link.ifname;
        let command =
            if self.mode() == Some(mode) { format!("ip link set dev {name} mtu {mtu}") } else { ipoib_mode::set(name, mode, mtu) };
        match self.length {
            Length::Short => format!("{command}   on {}", self.host.name),
            Length::Full => format!("{command}   on {}   {}", self.host.name, ipoib_mode::keep(name, mode, mtu)),
        }
    }
}

fn blame(case: &Case<'_>, path: &Path, measured: u32, length: Length) -> Option<Blame> {
    let (host, link) = sender(case, path)?;
    let near = End { host, link, length };
    let far = facts::peer_link(case, path).and_then(|(host, top)| Some(End { host, link: under(host, top)?, length }));
    let sends = path_mtu::sends(case, path).unwrap_or(link.mtu);
    match far {
        Some(far) if far.mode() != near.mode() && far.mode().is_some() && near.mode().is_some() => {
            Some(modes_differ(case, near, far, measured))
        }
        Some(far) if far.link.mtu < sends && far.link.mtu <= measured.saturating_add(fabric::ENCAPSULATION) => {
            Some(sizes_differ(near, far, sends))
        }
        Some(far) => Some(between(case, near, Some(far), path, sends, measured)),
        None => Some(one_sided(case, near, path, sends, measured)),
    }
}

/// One end is connected and the other is not: certain, because both say so themselves.
fn modes_differ(case: &Case<'_>, near: End<'_>, far: End<'_>, measured: u32) -> Blame {
    let (datagram, connected) = if near.mode() == Some(IpoibMode::Datagram) { (near, far) } else { (far, near) };
    // Where most ends of the network are in datagram mode, the connected one is the odd one.
    let most = fabric::ends(case)
        .into_iter()
        .find(|ends| ends.members.iter().any(|(_, link)| core::ptr::eq(*link, near.link)))
        .map(|ends| fabric::vote(ends.votes(|_, link| ipoib_mode::mode(link).map(IpoibMode::word))));
    let odd_is_connected = matches!(most, Some(Vote::Most { value: "datagram", .. }));
    let impossible = ipoib_mode::enhanced(datagram.link);
    let culprit = if odd_is_connected { connected } else { datagram };
    let down = connected.set(IpoibMode::Datagram, if measured >= 4092 { 4092 } else { 2044 });
    let up = datagram.set(IpoibMode::Connected, CONNECTED_MTU);
    let mut details = alloc::vec!["multicast, and traffic between the two modes, goes at the datagram size".to_owned()];
    if impossible {
        details.push(format!("{} is enhanced IPoIB, which has no connected mode", datagram.name()));
    }
    Blame {
        kind: CulpritKind::Setting,
        name: format!("IPoIB mode of {}", culprit.name()),
        confidence: Confidence::Certain,
        summary: format!(
            "The ends differ: {} is in datagram mode (MTU {}), and {} in connected mode (MTU {}).",
            datagram.name(),
            datagram.link.mtu,
            connected.name(),
            connected.link.mtu
        ),
        details,
        remedies: match (impossible, odd_is_connected) {
            (true, _) => alloc::vec![down],
            (false, true) => alloc::vec![down, up],
            (false, false) => alloc::vec![up, down],
        },
    }
}

/// The same mode, and the far end set lower.
fn sizes_differ(near: End<'_>, far: End<'_>, sends: u32) -> Blame {
    let mode = far.mode().or(near.mode()).unwrap_or(IpoibMode::Datagram);
    let mut remedies = alloc::vec![far.set(mode, sends), near.set(mode, far.link.mtu)];
    let mut details = Vec::new();
    if mode == IpoibMode::Datagram {
        details.push(
            "in datagram mode the kernel goes no higher than the broadcast group, and says nothing when it is told to".to_owned(),
        );
        if let Some(first) = remedies.first_mut() {
            first
                .push_str("   where it stays lower, first mtu=5 in partitions.conf of the subnet managers, and 4096 on every link");
        }
    }
    Blame {
        kind: CulpritKind::Setting,
        name: format!("MTU of {}", far.name()),
        confidence: Confidence::Certain,
        summary: format!(
            "The ends differ: {} is set to {}, and {} to {sends}, both in {} mode.",
            far.name(),
            far.link.mtu,
            near.name(),
            mode.word()
        ),
        details,
        remedies,
    }
}

/// Both ends are alike, and less arrives.
fn between(case: &Case<'_>, near: End<'_>, far: Option<End<'_>>, path: &Path, sends: u32, measured: u32) -> Blame {
    let to = far.map_or_else(|| path.to.clone(), |far| far.name());
    let fabrics = fabric::fabrics(case);
    let ends: Vec<(End<'_>, &IbPort)> =
        core::iter::once(near).chain(far).filter_map(|end| Some((end, fabric::port_of(end.host, end.link)?))).collect();
    let narrow = ends.iter().find(|(_, port)| {
        port.active_mtu.is_some_and(|mtu| u32::from(mtu).saturating_sub(fabric::ENCAPSULATION) == measured && measured < sends)
    });
    let rule = ends
        .iter()
        .find_map(|(end, port)| partition::rule(case, &fabrics, end.host, port, Some(end.link)))
        .filter(|rule| rule.ip_mtu() == measured);
    let down = near.set(IpoibMode::Datagram, measured);
    if near.mode() == Some(IpoibMode::Connected) {
        let mut details = alloc::vec![
            "both ends are in connected mode, and what arrives is a datagram's size: the connection between them is not made"
                .to_owned(),
        ];
        details.extend(rule.map(|rule| format!("{} gives the group {} bytes", rule.name(), rule.mtu())));
        details.push("a gateway or bridge between two fabrics carries datagrams alone".to_owned());
        return Blame {
            kind: CulpritKind::Unknown,
            name: format!("the connected mode between {} and {to}", near.name()),
            confidence: Confidence::Possible,
            summary: format!(
                "Between {} and {to} {measured} arrives, as in datagram mode, although connected mode is set.",
                near.name()
            ),
            details,
            remedies: alloc::vec![
                format!(
                    "dmesg on both ends: ib0 lines about REQ, REJ or a failed connection; then {}",
                    near.set(IpoibMode::Connected, CONNECTED_MTU)
                ),
                format!("datagram mode on every end:   {down}"),
            ],
        };
    }
    let (kind, name, confidence, why) = match (rule, narrow) {
        (Some(rule), _) => (
            CulpritKind::Setting,
            format!("the group of {}", rule.name()),
            Confidence::Certain,
            format!("{} gives the group {} bytes, so {measured} of IP", rule.name(), rule.mtu()),
        ),
        (None, Some((end, port))) => (
            CulpritKind::Nic,
            format!("{}:{}", end.host.name, fabric::port_name(port)),
            Confidence::Certain,
            format!("the link of {}:{} carries {} bytes", end.host.name, fabric::port_name(port), measured.saturating_add(4)),
        ),
        (None, None) => (
            CulpritKind::Switch,
            format!("between {} and {to}", near.name()),
            Confidence::Likely,
            format!("a link or group between them has an MTU of {}", measured.saturating_add(fabric::ENCAPSULATION)),
        ),
    };
    let mut remedies = alloc::vec![format!("{measured} on every end:   {down}")];
    remedies.push(rule.map_or_else(
        || "4096 on every switch and card, and mtu=5 in partitions.conf of the subnet managers".to_owned(),
        |rule| format!("where every link carries 4096, {}", rule.set_mtu(4096)),
    ));
    Blame {
        kind,
        name,
        confidence,
        summary: format!("Between {} and {to} packets above {measured} vanish: {why}.", near.name()),
        details: partition::driver_limit(near.host).into_iter().collect(),
        remedies,
    }
}

/// Nothing but a size may be known of the far end.
fn one_sided(case: &Case<'_>, near: End<'_>, path: &Path, sends: u32, measured: u32) -> Blame {
    let datagram_size = matches!(measured, 2044 | 4092);
    let peer = facts::peer(case, path);
    let told = peer.filter(|peer| peer.how != PeerMtuHow::Evidence);
    if near.mode() != Some(IpoibMode::Connected)
        || told.is_some_and(|peer| peer.reaches(sends) || peer.at_least && peer.mtu > measured)
    {
        return between(case, near, None, path, sends, measured);
    }
    let group = measured.saturating_add(fabric::ENCAPSULATION);
    let (confidence, why) = match (told.is_some_and(|peer| peer.explains(measured)), datagram_size) {
        (true, true) => (Confidence::Likely, format!("{} is in datagram mode: its own MTU is {measured}", path.to)),
        (true, false) => (Confidence::Likely, format!("{}'s own MTU is {measured}", path.to)),
        (false, true) => {
            (Confidence::Likely, format!("{} is in datagram mode, as {measured} is the size of a group of {group}", path.to))
        }
        (false, false) => (Confidence::Possible, format!("either {} is set to {measured}, or something between", path.to)),
    };
    let mut details: Vec<String> =
        told.map(|peer| format!("{}'s own MTU is {}, {}", path.to, peer.mtu, peer.source())).into_iter().collect();
    details.push(format!("{} is in connected mode with MTU {sends}", near.name()));
    let interface = &near.link.ifname;
    Blame {
        kind: CulpritKind::Host,
        name: path.to.clone(),
        confidence,
        summary: format!("{} sends {sends} in connected mode, and {measured} arrives: {why}.", near.name()),
        details,
        remedies: alloc::vec![
            format!(
                "on {}:   {}   (cat /sys/class/net/{interface}/mode shows it)",
                path.to,
                ipoib_mode::set(interface, IpoibMode::Connected, sends)
            ),
            format!("datagram mode on every end:   {}", near.set(IpoibMode::Datagram, if datagram_size { measured } else { 2044 })),
        ],
    }
}

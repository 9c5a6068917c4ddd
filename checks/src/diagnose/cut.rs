//! The root cause behind a finding on a path.

use super::{Root, here, remedies};
use crate::Case;
use crate::builtin::path_mtu::{self, Ruling};
use crate::builtin::path_reach::{self, Reason};
use crate::catalogue::{self, Fit, Kind, Match};
use crate::evidence::{Direction, LimitKind, Path, PeerMtuHow};
use crate::facts::{self, Peer};
use crate::report::{Confidence, CulpritKind, Finding, Outcome};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// How many products a line names before it counts the rest.
const NAMED: usize = 3;

/// What is behind this finding on this path.
pub(super) fn root(case: &Case<'_>, path: &Path, finding: &Finding) -> Option<Root> {
    match finding.check.as_str() {
        "path-reach" => reach(case, path, finding),
        "path-route" => Some(own_setting(path, "route", finding, Confidence::Certain)),
        "path-mtu" => mtu(case, path, finding),
        "path-reverse" => Some(reverse(case, path, finding)),
        "path-loss" => Some(loss(case, path, finding)),
        "path-corrupt" => Some(corrupt(path, finding)),
        "pmtu-cache" => Some(own_setting(path, "pmtu", finding, Confidence::Certain)),
        _ => None,
    }
}

/// A cause of one path, with the finding's own remedies.
fn of_path(path: &Path, what: &str, finding: &Finding, kind: CulpritKind, name: String, confidence: Confidence) -> Root {
    Root {
        key: format!("{what}|{}|{}", path.subject(), path.address.map(|address| format!("{address}")).unwrap_or_default()),
        summary: sentence(&finding.summary),
        kind,
        name,
        confidence,
        details: Vec::new(),
        proof: Vec::new(),
        remedies: finding.remedies.clone(),
    }
}

/// The first letter raised and a full stop at the end; names of interfaces and hosts keep their case.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first_word_is_plain =
        text.split([' ', ',', ':']).next().is_some_and(|word| word.chars().all(|letter| letter.is_ascii_lowercase()));
    let mut sentence: String = match letters.next() {
        Some(first) if first_word_is_plain => core::iter::once(first.to_ascii_uppercase()).chain(letters).collect(),
        _ => text.to_owned(),
    };
    if !sentence.ends_with('.') {
        sentence.push('.');
    }
    sentence
}

fn own_setting(path: &Path, what: &str, finding: &Finding, confidence: Confidence) -> Root {
    of_path(path, what, finding, CulpritKind::Setting, format!("the route to {} on {}", path.to, path.from), confidence)
}

fn reach(case: &Case<'_>, path: &Path, finding: &Finding) -> Option<Root> {
    let (_, reason) = path_reach::verdict(case, path);
    let of = |kind, name: String, confidence| Some(of_path(path, "reach", finding, kind, name, confidence));
    let target = path.address.map_or_else(|| path.to.clone(), |address| format!("{address}"));
    match reason {
        Reason::Answers | Reason::NotTried(_) => None,
        Reason::Name => of(CulpritKind::Setting, format!("the name {}", path.to), Confidence::Likely),
        Reason::LocalFilter => of(CulpritKind::Firewall, format!("the packet filter of {}", path.from), Confidence::Certain),
        Reason::NoRoute => of(CulpritKind::Setting, format!("the routes of {}", path.from), Confidence::Certain),
        Reason::Down(why) => {
            let name = facts::egress_name(path).unwrap_or("its interface");
            let mut root = of_path(path, "reach", finding, CulpritKind::Nic, format!("{}:{name}", path.from), Confidence::Certain);
            root.key = format!("down|{}|{name}", path.from);
            root.summary = sentence(&format!("{why} on {}", path.from));
            Some(root)
        }
        Reason::TwoOwners(owners) => of(CulpritKind::Host, owners.join(", "), Confidence::Likely),
        Reason::Unresolved => match path.route.as_ref().and_then(|route| route.gateway) {
            Some(gateway) => {
                let mut root = of_path(path, "reach", finding, CulpritKind::Router, format!("{gateway}"), Confidence::Likely);
                root.key = format!("gateway|{}|{gateway}", path.from);
                Some(root)
            }
            None => of(CulpritKind::Host, target, Confidence::Likely),
        },
        Reason::Told(told) => {
            let who = told.rsplit_once(" from ").map_or(target, |(_, who)| who.to_owned());
            of(CulpritKind::Router, who, Confidence::Likely)
        }
        Reason::Filters => of(CulpritKind::Firewall, format!("the packet filter of {}", path.to), Confidence::Likely),
        Reason::Silent => of(CulpritKind::Unknown, format!("{} or a box before it", path.to), Confidence::Possible),
    }
}

fn mtu(case: &Case<'_>, path: &Path, finding: &Finding) -> Option<Root> {
    let measured = path.path_mtu?;
    let (_, ruling) = path_mtu::decide(case, path);
    let root = match &ruling {
        Ruling::Whole | Ruling::Reverse => return None,
        Ruling::Undecided(_) => return undecided(case, path, finding, measured),
        Ruling::Local => here::too_small(case, path, &remedies::for_path(case, path, &ruling)),
        Ruling::Router => router(case, path, &ruling, measured),
        Ruling::EndsDiffer => far_end(case, path, &ruling, measured),
        Ruling::Silent { .. } => {
            let sends = path_mtu::sends(case, path).unwrap_or(measured);
            // A layer under this host's own interface that is just as narrow explains the cut better than any box outside.
            match here::narrow_layer(case, path, measured, &remedies::for_path(case, path, &ruling)) {
                Some(root) => root,
                None => silent(case, path, &ruling, measured, sends),
            }
        }
    };
    Some(root)
}

/// The frame on an Ethernet, header and FCS included.
const fn frame(ip_mtu: u32) -> u32 {
    ip_mtu.saturating_add(18)
}

fn sender_key(path: &Path) -> String {
    format!("{}|{}", path.from, facts::egress_name(path).unwrap_or_default())
}

/// The far end's own MTU explains the cut.
fn far_end(case: &Case<'_>, path: &Path, ruling: &Ruling, measured: u32) -> Root {
    let peer = facts::peer(case, path);
    let mtu = peer.map_or(measured, |peer| peer.mtu);
    let interface = facts::egress_name(path).unwrap_or("its interface");
    let sends = path_mtu::sends(case, path).unwrap_or(measured);
    let confidence =
        if peer.is_some_and(|peer| peer.how == PeerMtuHow::Evidence) { Confidence::Certain } else { Confidence::Likely };
    let (mut name, mut details) = (path.to.clone(), Vec::new());
    if let Some(peer) = peer {
        details.push(format!("{}'s own MTU is {mtu}, {}", path.to, peer.source()));
        if let Some((host, link)) = peer.link {
            name = format!("{}:{}", host.name, link.ifname);
        }
    }
    // Cards take a few bytes more than their MTU, for a VLAN tag; a cut well above is somebody else's.
    if measured > mtu.saturating_add(26) {
        details.push(format!("packets up to {measured} arrive all the same, so something else stops what is larger"));
    }
    let mut remedies = remedies::for_path(case, path, ruling);
    remedies.insert(0, format!("set {} to {sends} as well, if the network between carries it", path.to));
    Root {
        key: format!("far-end|{}|{mtu}|{sends}", path.to),
        summary: format!("The ends differ: {} is set to {mtu}, and {}'s {interface} to {sends}.", path.to, path.from),
        kind: CulpritKind::Host,
        name,
        confidence,
        details,
        proof: remedies::proof(path),
        remedies,
    }
}

/// Larger packets vanish, and the far end's own MTU does not explain it or is not known.
fn silent(case: &Case<'_>, path: &Path, ruling: &Ruling, measured: u32, sends: u32) -> Root {
    let peer = facts::peer(case, path);
    let on_link = facts::on_link(case, path);
    let larger = peer.filter(|peer| peer.mtu > measured);
    let ethernet = sends <= 16_384;
    let what = if ethernet && on_link {
        format!("drops frames above {} bytes and says nothing", frame(measured))
    } else {
        format!("drops packets above {measured} bytes and says nothing")
    };
    let mut details = Vec::new();
    let confirmed = matches!(ruling, Ruling::Silent { confirmed: true });
    let (kind, name, summary, mut confidence) = match larger {
        None if on_link => (
            CulpritKind::Host,
            path.to.clone(),
            format!("Either {}'s own MTU is {measured}, or something between {} and {} {what}.", path.to, path.from, path.to),
            Confidence::Possible,
        ),
        peer => {
            let kind = if on_link { CulpritKind::Switch } else { CulpritKind::Router };
            let sure = if peer.is_some_and(|peer| peer.reaches(sends)) { Confidence::Likely } else { Confidence::Possible };
            (
                kind,
                format!("between {} and {}", path.from, path.to),
                format!("Something between {} and {} {what}.", path.from, path.to),
                sure,
            )
        }
    };
    if !confirmed {
        confidence = Confidence::Possible.max(confidence.min(Confidence::Likely));
        details.push("only echo saw it: a firewall that limits ICMP looks the same".to_owned());
    }
    if let Some(peer) = larger {
        details.push(peer_line(path, &peer, sends));
    }
    if !on_link {
        details.push(
            "a router that sends no too-big messages (`no ip unreachables`), or a firewall that drops them, or a switch".to_owned(),
        );
    }
    for lie in path.too_big.iter().filter(|message| !message.believed) {
        details.push(format!("{} answered with an MTU of {}, which is not what passes", lie.from, lie.mtu));
    }
    if ethernet {
        details.extend(products(case, measured));
    }
    details.extend(meanings(case, measured, sends));
    details.extend(elsewhere(case, path, sends));
    details.extend(
        crate::builtin::link_errors::receive_side(case, path)
            .map(|rise| format!("{rise}: this end's receive side throws packets away")),
    );
    let root_name = name;
    Root {
        key: format!(
            "silent|{}|{measured}|{}|{}",
            sender_key(path),
            on_link,
            if kind == CulpritKind::Host { path.to.as_str() } else { "" }
        ),
        summary,
        kind,
        name: root_name,
        confidence,
        details,
        proof: remedies::proof(path),
        remedies: remedies::for_path(case, path, ruling),
    }
}

fn peer_line(path: &Path, peer: &Peer<'_>, sends: u32) -> String {
    let at_least = if peer.at_least { "at least " } else { "" };
    let differ = if peer.reaches(sends) { String::new() } else { format!("; the ends differ too, {} sends {sends}", path.from) };
    format!("{}'s own MTU is {at_least}{}, {}{differ}", path.to, peer.mtu, peer.source())
}

/// Which products carry exactly this much: `9216-byte frames are the largest of: A, B, C and 15 more: pathvet explain 9198`.
fn products(case: &Case<'_>, measured: u32) -> Vec<String> {
    let found: Vec<Match<'_>> = catalogue::ceilings_at(case.catalogue, measured)
        .into_iter()
        .filter(|found| matches!(found.ceiling.kind, Kind::Switch | Kind::Router | Kind::Hypervisor | Kind::Cloud))
        .collect();
    let line = |fit: Fit, heading: String| {
        let mut names: Vec<String> = Vec::new();
        for found in found.iter().filter(|found| found.fit == fit) {
            let name = found.ceiling.name();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        if names.is_empty() {
            return None;
        }
        let rest = names.len().saturating_sub(NAMED);
        let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
        names.truncate(NAMED);
        Some(format!("{heading}: {}{more}: pathvet explain {measured}", names.join(", ")))
    };
    let size = frame(measured);
    line(Fit::Exact, format!("{size}-byte frames are the largest of"))
        .or_else(|| line(Fit::Tagged, format!("{}-byte frames, VLAN tag included, are the largest of", size.saturating_add(4))))
        .or_else(|| line(Fit::Default, format!("{size}-byte frames are what these carry unless somebody changed it")))
        .into_iter()
        .collect()
}

/// What a size like this usually means where no Ethernet switch explains it.
fn meanings(case: &Case<'_>, measured: u32, sends: u32) -> Vec<String> {
    let signature = |mtu: u32| {
        let found = case.catalogue.signatures.iter().find(|signature| signature.ip_mtu == mtu)?;
        found.readings.first().map(|reading| format!("{mtu}: {}", reading.meaning))
    };
    let mut lines = Vec::new();
    if sends > 16_384 {
        lines.extend(signature(sends));
        lines.extend(signature(measured));
    }
    if let Some(found) = catalogue::tunnels_at(case.catalogue, measured).first() {
        lines.push(format!("{measured} is {} less {}: {}", found.underlay, found.tunnel.overhead, found.tunnel.name));
    }
    lines
}

/// Another target that this host reaches with everything it sends: then this host and its first port are not the limit.
fn elsewhere(case: &Case<'_>, path: &Path, sends: u32) -> Option<String> {
    let interface = facts::egress_name(path)?;
    let other = case.evidence.paths.iter().find(|other| {
        other.from == path.from
            && other.to != path.to
            && facts::egress_name(other) == Some(interface)
            && facts::on_link(case, other)
            && other.path_mtu.is_some_and(|mtu| mtu >= sends)
    })?;
    Some(format!(
        "{sends} arrives at {} over the same interface, so {}'s {interface} and its first port are not the limit",
        other.to, path.from
    ))
}

fn router(case: &Case<'_>, path: &Path, ruling: &Ruling, measured: u32) -> Root {
    let remedies = remedies::for_path(case, path, ruling);
    let overlay = facts::on_link(case, path) && (path.limit.router.is_none() || path.limit.router == path.address)
        || path.limit.router.is_some() && path.limit.router == path.address;
    let tunnels = catalogue::tunnels_at(case.catalogue, measured);
    let tunnel = tunnels
        .first()
        .map(|found| format!("{measured} is {} less {}: {}", found.underlay, found.tunnel.overhead, found.tunnel.name));
    if overlay {
        return Root {
            key: format!("overlay|{}|{measured}", sender_key(path)),
            summary: format!(
                "An overlay between {} and {} carries {measured} and says so in the target's name: no router is on this link.",
                path.from, path.to
            ),
            kind: CulpritKind::Overlay,
            name: format!("between {} and {}", path.from, path.to),
            confidence: Confidence::Likely,
            details: tunnel.into_iter().collect(),
            proof: remedies::proof(path),
            remedies,
        };
    }
    let who = path.limit.router.map_or_else(|| "a router".to_owned(), |router| format!("{router}"));
    Root {
        key: format!("router|{who}|{measured}"),
        summary: format!("The link behind {who} carries {measured}; {who} says so."),
        kind: CulpritKind::Router,
        name: who,
        confidence: Confidence::Certain,
        details: tunnel.into_iter().collect(),
        proof: remedies::proof(path),
        remedies,
    }
}

fn undecided(case: &Case<'_>, path: &Path, finding: &Finding, measured: u32) -> Option<Root> {
    match path.limit.kind {
        LimitKind::Silent if path.proof.is_some_and(|proof| proof.proven) => {
            let mut root = of_path(
                path,
                "icmp",
                finding,
                CulpritKind::Firewall,
                format!("between {} and {}", path.from, path.to),
                Confidence::Possible,
            );
            root.summary = format!(
                "Either a firewall drops ICMP above {measured} bytes, or a box on the way carries no more; echo alone cannot tell."
            );
            root.details = products(case, measured);
            root.remedies = alloc::vec![
                "name an open TCP port of the target: --tcp-port PORT".to_owned(),
                "let UDP to ports 33434 to 33534 through, so that a second method can tell".to_owned(),
            ];
            Some(root)
        }
        LimitKind::Loss => Some(loss(case, path, finding)),
        LimitKind::Policed => {
            let mut root = of_path(
                path,
                "policer",
                finding,
                CulpritKind::Setting,
                format!("the answer limit of {} or of a box before it", path.to),
                Confidence::Possible,
            );
            root.remedies = alloc::vec!["give the run more time, so that it can go below the limit".to_owned()];
            Some(root)
        }
        _ => None,
    }
}

fn reverse(case: &Case<'_>, path: &Path, finding: &Finding) -> Root {
    if finding.summary.starts_with("the ends differ") {
        let peer = facts::peer(case, path);
        let certain = peer.is_some_and(|peer| peer.how == PeerMtuHow::Evidence);
        let confidence = if certain { Confidence::Certain } else { Confidence::Likely };
        return of_path(path, "reverse", finding, CulpritKind::Host, path.to.clone(), confidence);
    }
    let confidence = if finding.outcome == Outcome::Fail { Confidence::Likely } else { Confidence::Possible };
    let kind = if facts::on_link(case, path) { CulpritKind::Switch } else { CulpritKind::Router };
    let mut root =
        of_path(path, "reverse", finding, kind, format!("on the way back from {} to {}", path.to, path.from), confidence);
    if let Some(back) = path.reverse_mtu.filter(|_| path.limit.direction != Some(Direction::Unknown)) {
        root.summary = format!(
            "Something on the way back from {} to {} drops packets above {back} bytes and says nothing.",
            path.to, path.from
        );
        root.details = products(case, back);
    }
    root
}

fn loss(case: &Case<'_>, path: &Path, finding: &Finding) -> Root {
    let mut root = of_path(
        path,
        "loss",
        finding,
        CulpritKind::Unknown,
        format!("the link or a box between {} and {}", path.from, path.to),
        Confidence::Possible,
    );
    if let Some(rise) = crate::builtin::link_errors::receive_side(case, path) {
        root.kind = CulpritKind::Nic;
        root.name = format!("{}:{}", path.from, facts::egress_name(path).unwrap_or("its interface"));
        root.confidence = Confidence::Likely;
        root.details.push(rise);
    }
    if root.remedies.is_empty() {
        root.remedies = alloc::vec!["repair the loss first; then vet the size again".to_owned()];
    }
    root.summary = format!("Packets between {} and {} are lost whatever their size: {}.", path.from, path.to, finding.summary);
    root
}

fn corrupt(path: &Path, finding: &Finding) -> Root {
    let mut root = of_path(
        path,
        "corrupt",
        finding,
        CulpritKind::Unknown,
        format!("a card or box between {} and {}", path.from, path.to),
        Confidence::Possible,
    );
    root.summary = format!("Something between {} and {} changes data and computes the checksums anew.", path.from, path.to);
    root
}

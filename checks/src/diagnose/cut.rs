//! The root cause behind a finding on a path.

use super::remedies::{self, LARGEST_ETHERNET, Length};
use super::{Lead, Root, here, infiniband, neighbour};
use crate::Case;
use crate::builtin::path_mtu::{self, Ruling};
use crate::builtin::path_reach::{self, Reason};
use crate::catalogue::{self, Fit, Kind, Match};
use crate::evidence::{Direction, LimitKind, Path, PeerMtuHow, TooBig};
use crate::facts::{self, Peer};
use crate::report::{Confidence, CulpritKind, Finding, Outcome};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// How many products a line names before it counts the rest.
const NAMED: usize = 3;

/// What is behind this finding on this path.
pub(super) fn lead<'a>(case: Case<'a>, path: &'a Path, finding: &'a Finding) -> Option<Lead<'a>> {
    match &*finding.check {
        "path-reach" => reach(case, path, finding),
        "path-route" | "pmtu-cache" if finding.outcome == Outcome::Unknown => None,
        "path-route" => Some(own_setting("route", path, finding)),
        "path-mtu" => mtu(case, path, finding),
        "path-reverse" => Some(reverse(case, path, finding)),
        "path-loss" => Some(loss(case, path, finding)),
        "path-corrupt" => Some(corrupt(path, finding)),
        "pmtu-cache" => Some(own_setting("pmtu", path, finding)),
        _ => None,
    }
}

/// A cause with the finding's own words and remedies.
fn of_finding(finding: &Finding, kind: CulpritKind, name: String, confidence: Confidence) -> Root {
    Root {
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

/// The sender and its interface, as the key of what many of its targets have in common.
fn sender(path: &Path) -> String {
    format!("{}|{}", path.from, facts::egress_name(path).unwrap_or_default())
}

fn own_setting<'a>(what: &str, path: &'a Path, finding: &'a Finding) -> Lead<'a> {
    let same = path.route.as_ref().and_then(|route| route.dst.as_deref()).unwrap_or_default();
    Lead::new(format!("{what}|{}|{same}|{}", sender(path), finding.remedies.join("|")), |targets| {
        let name = format!("the route to {} on {}", targets.names(), path.from);
        of_finding(finding, CulpritKind::Setting, name, Confidence::Certain)
    })
}

fn reach<'a>(case: Case<'a>, path: &'a Path, finding: &'a Finding) -> Option<Lead<'a>> {
    let (_, reason) = path_reach::verdict(&case, path);
    let gateway = path.route.as_ref().and_then(|route| route.gateway);
    // What many targets have in common is one cause; what is each one's own is not.
    let key = match &reason {
        Reason::Answers | Reason::NotTried(_) => return None,
        Reason::Down(_) => format!("down|{}", sender(path)),
        Reason::TwoOwners(owners) => format!("owners|{}", owners.join("|")),
        Reason::Told(told) | Reason::Refused(told) => format!("told|{}|{told}", path.from),
        Reason::Unresolved => match gateway {
            Some(gateway) => format!("unresolved|{}|{gateway}", sender(path)),
            None => format!("unresolved|{}", sender(path)),
        },
        Reason::Name => format!("name|{}", path.from),
        Reason::LocalFilter => format!("local-filter|{}", path.from),
        Reason::NoRoute => format!("no-route|{}", path.from),
        Reason::Filters => format!("filters|{}", sender(path)),
        Reason::Silent => format!("no-answer|{}", sender(path)),
    };
    Some(Lead::new(key, move |targets| {
        let (names, many) = (targets.names(), targets.count() > 1);
        let (kind, name, confidence) = match &reason {
            Reason::Name => (CulpritKind::Setting, format!("the name {names}"), Confidence::Likely),
            Reason::LocalFilter => (CulpritKind::Firewall, format!("the packet filter of {}", path.from), Confidence::Certain),
            Reason::NoRoute => (CulpritKind::Setting, format!("the routes of {}", path.from), Confidence::Certain),
            Reason::Down(_) => {
                let interface = facts::egress_name(path).unwrap_or("its interface");
                (CulpritKind::Nic, format!("{}:{interface}", path.from), Confidence::Certain)
            }
            Reason::TwoOwners(owners) => (CulpritKind::Host, owners.join(", "), Confidence::Likely),
            Reason::Unresolved => match gateway {
                Some(gateway) => (CulpritKind::Router, format!("{gateway}"), Confidence::Likely),
                None if many => (CulpritKind::Unknown, names.clone(), Confidence::Possible),
                None => (CulpritKind::Host, path.address.map_or(names.clone(), |address| format!("{address}")), Confidence::Likely),
            },
            Reason::Told(told) => {
                let who = told.rsplit_once(" from ").map_or(names.clone(), |(_, who)| who.to_owned());
                (CulpritKind::Router, who, Confidence::Likely)
            }
            Reason::Refused(told) => {
                let who = told.rsplit_once(" from ").map_or(names.clone(), |(_, who)| who.to_owned());
                (CulpritKind::Firewall, format!("the packet filter of {who}"), Confidence::Likely)
            }
            Reason::Filters => (CulpritKind::Firewall, format!("the packet filter of {names}"), Confidence::Likely),
            Reason::Silent | Reason::Answers | Reason::NotTried(_) => {
                (CulpritKind::Unknown, format!("{names} or a box before"), Confidence::Possible)
            }
        };
        let mut root = of_finding(finding, kind, name, confidence);
        if let Reason::Down(why) = &reason {
            root.summary = sentence(&format!("{why} on {}", path.from));
        } else if many {
            root.summary = format!("{} targets alike ({names}): {}", targets.count(), sentence(&finding.summary));
            if matches!(reason, Reason::Unresolved | Reason::Silent) {
                root.details.push(format!("what they share is {}'s way out: its cable, VLAN, switch or next router", path.from));
            }
        }
        root
    }))
}

fn mtu<'a>(case: Case<'a>, path: &'a Path, finding: &'a Finding) -> Option<Lead<'a>> {
    let measured = path.path_mtu?;
    let (_, ruling) = path_mtu::decide(&case, path);
    match &ruling {
        Ruling::Whole | Ruling::Reverse => None,
        Ruling::Undecided(_) => undecided(case, path, finding, measured),
        Ruling::Local => Some(here::too_small(case, path)),
        Ruling::Router => Some(router(case, path, measured)),
        Ruling::EndsDiffer => infiniband::cut(case, path, measured).or_else(|| Some(far_end(case, path, measured))),
        // A layer under an end's own interface that is just as narrow explains the cut better than any box outside.
        Ruling::Silent { confirmed } => here::narrow_layer(&case, path, measured)
            .or_else(|| infiniband::cut(case, path, measured))
            .or_else(|| Some(silent(case, path, measured, *confirmed))),
    }
}

/// The frame on an Ethernet, header and FCS included.
const fn frame(ip_mtu: u32) -> u32 {
    ip_mtu.saturating_add(18)
}

/// The far end's own MTU explains the cut.
fn far_end<'a>(case: Case<'a>, path: &'a Path, measured: u32) -> Lead<'a> {
    let peer = facts::peer(&case, path);
    let mtu = peer.map_or(measured, |peer| peer.mtu);
    let sends = path_mtu::sends(&case, path).unwrap_or(measured);
    Lead::new(format!("far-end|{}|{mtu}|{sends}|{measured}", sender(path)), move |targets| {
        let interface = facts::egress_name(path).unwrap_or("its interface");
        let evidence = peer.is_some_and(|peer| peer.how == PeerMtuHow::Evidence);
        let confidence = if evidence { Confidence::Certain } else { Confidence::Likely };
        let (mut name, mut details) = (targets.names(), Vec::new());
        if let Some(peer) = peer {
            details.push(format!("{}'s own MTU is {mtu}, {}", path.to, peer.source()));
            if let Some((host, link)) = peer.link.filter(|_| targets.count() < 2) {
                name = format!("{}:{}", host.name, link.ifname);
            }
        }
        // Cards take a few bytes more than their MTU, for a VLAN tag; a cut well above is somebody else's.
        if measured > mtu.saturating_add(26) {
            details.push(format!("packets up to {measured} arrive all the same, so something else stops what is larger"));
        }
        Root {
            summary: format!(
                "The ends differ: {} {} set to {mtu}, and {}'s {interface} to {sends}.",
                targets.names(),
                targets.is(),
                path.from
            ),
            kind: CulpritKind::Host,
            name,
            confidence,
            details,
            proof: remedies::proof(path),
            remedies: remedies::for_path(&case, path, &Ruling::EndsDiffer, Length::Full),
        }
    })
}

/// Whether the far end's own run, which is in the same evidence, found the same cut on its way here: then it is one cause.
fn seen_from_both(case: &Case<'_>, path: &Path, measured: u32) -> bool {
    let far = |path: &Path| facts::peer_link(case, path).map(|(host, _)| host.name.as_str());
    case.evidence.hosts.len() > 1
        && far(path).is_some_and(|peer| {
            case.evidence.paths.iter().any(|other| {
                other.from == peer
                    && other.family == path.family
                    && other.path_mtu == Some(measured)
                    && other.limit.kind == LimitKind::Silent
                    && far(other) == Some(path.from.as_str())
            })
        })
}

/// Larger packets vanish, and the far end's own MTU does not explain it or is not known.
fn silent<'a>(case: Case<'a>, path: &'a Path, measured: u32, confirmed: bool) -> Lead<'a> {
    let sends = path_mtu::sends(&case, path).unwrap_or(measured);
    let on_link = facts::on_link(&case, path);
    let larger = facts::peer(&case, path).filter(|peer| peer.mtu > measured);
    let pair = seen_from_both(&case, path, measured);
    let exact = neighbour::exact(&case, path, measured, larger.as_ref());
    let key = if pair {
        let ends = [Some(path.from.as_str()), facts::peer_link(&case, path).map(|(host, _)| host.name.as_str())];
        format!("silent-pair|{:?}|{:?}|{measured}|{}", ends.iter().min(), ends.iter().max(), path.family)
    } else {
        let switch = exact.as_ref().map(|exact| exact.name.as_str()).unwrap_or_default();
        format!("silent|{}|{measured}|{on_link}|{}|{switch}", sender(path), larger.is_some())
    };
    Lead::new(key, move |targets| {
        let what = if sends <= LARGEST_ETHERNET && on_link {
            format!("drops frames above {} bytes and says nothing", frame(measured))
        } else {
            format!("drops packets above {measured} bytes and says nothing")
        };
        let (from, to) = (&path.from, if pair { path.to.clone() } else { targets.names() });
        let kind = if on_link { CulpritKind::Switch } else { CulpritKind::Router };
        let between = format!("between {from} and {to}");
        let something = format!("omething between {from} and {to} {what}.");
        // Who answers that a packet is too big has dropped it, whatever the MTU he names.
        let liar = path.too_big.iter().find(|message| {
            !message.believed
                && message.quoted > measured
                && !is_another_cut(message, measured)
                && Some(message.from) != path.address
        });
        let (kind, name, summary, confidence) = match larger {
            _ if let Some(lie) = liar => {
                let summary = format!(
                    "{} drops packets above {measured} bytes and answers with an MTU of {}, which helps nobody.",
                    lie.from, lie.mtu
                );
                (CulpritKind::Router, format!("{}", lie.from), summary, Confidence::Likely)
            }
            _ if let Some(exact) = &exact => {
                let cut = format!("S{something} {}", exact.summary);
                (CulpritKind::Switch, exact.name.clone(), cut, exact.confidence)
            }
            Some(peer) if peer.reaches(sends) => (kind, between, format!("S{something}"), Confidence::Likely),
            Some(_) => (kind, between, format!("S{something}"), Confidence::Possible),
            None if targets.count() > 1 && !pair => {
                let summary = format!("S{something} Or each of them is set to {measured}.");
                (kind, between, summary, Confidence::Possible)
            }
            None => (
                CulpritKind::Host,
                to.clone(),
                format!("Either {to}'s own MTU is {measured}, or s{something}"),
                Confidence::Possible,
            ),
        };
        let mut details = Vec::new();
        if pair {
            details.push(format!("{from} and {to} both see it, each from its own end"));
        }
        match &exact {
            Some(exact) => details.extend(exact.details.iter().cloned()),
            None => details.extend(neighbour::other(&case, path, measured)),
        }
        if !confirmed {
            details.push("only echo saw it: a firewall that limits ICMP looks the same".to_owned());
        }
        details.extend(larger.map(|peer| peer_line(path, &peer, sends)));
        if !on_link {
            let routed = "a router that sends no too-big messages (`no ip unreachables`), a firewall that drops them, or a switch";
            details.push(routed.to_owned());
        }
        for lie in path.too_big.iter().filter(|message| !message.believed && Some(*message) != liar) {
            let said = format!("{} answered with an MTU of {}", lie.from, lie.mtu);
            details.push(if is_another_cut(lie, measured) {
                format!("{said} to what is larger than that, which is another cut")
            } else {
                format!("{said}, which is not what passes")
            });
        }
        details.extend(known(&case, measured, sends));
        details.extend(elsewhere(&case, path, sends));
        let rise = crate::builtin::link_errors::receive_side(&case, path);
        details.extend(rise.map(|rise| format!("{rise}: this end's receive side throws packets away")));
        Root {
            summary,
            kind,
            name,
            confidence,
            details,
            proof: remedies::proof(path),
            remedies: remedies::for_path(&case, path, &Ruling::Silent { confirmed }, Length::Full),
        }
    })
}

/// Whether a too-big message may be true: it came for packets larger than it names, and names more than what is measured.
fn is_another_cut(message: &TooBig, measured: u32) -> bool {
    (measured..message.quoted).contains(&message.mtu)
}

fn peer_line(path: &Path, peer: &Peer<'_>, sends: u32) -> String {
    let at_least = if peer.at_least { "at least " } else { "" };
    let open = peer.at_least && peer.how == PeerMtuHow::Mss;
    let differ =
        if open || peer.reaches(sends) { String::new() } else { format!("; the ends differ too, {} sends {sends}", path.from) };
    format!("{}'s own MTU is {at_least}{}, {}{differ}", path.to, peer.mtu, peer.source())
}

/// What is known to stop at this size: the products whose largest frame it is, else what such a size usually means.
fn known(case: &Case<'_>, measured: u32, sends: u32) -> Vec<String> {
    let signature = |mtu: u32| {
        let found = case.catalogue.signatures.iter().find(|signature| signature.ip_mtu == mtu)?;
        found.readings.first().map(|reading| format!("{mtu}: {}", reading.meaning))
    };
    if sends > LARGEST_ETHERNET {
        return signature(sends).into_iter().chain(signature(measured)).collect();
    }
    let found: Vec<Match<'_>> = catalogue::ceilings_at(case.catalogue, measured)
        .into_iter()
        .filter(|found| matches!(found.ceiling.kind, Kind::Switch | Kind::Router | Kind::Hypervisor))
        .collect();
    let size = frame(measured);
    let line = products(&found, Fit::Exact, measured, &format!("{size}-byte frames are the largest of"))
        .or_else(|| signature(measured).map(|meaning| format!("{meaning}: pathvet explain {measured}")))
        .or_else(|| {
            let tagged = size.saturating_add(4);
            products(&found, Fit::Tagged, measured, &format!("{tagged}-byte frames, VLAN tag included, are the largest of"))
        })
        .or_else(|| {
            products(&found, Fit::Default, measured, &format!("{size}-byte frames are what these carry unless somebody changed it"))
        })
        .or_else(|| tunnel(case, measured));
    line.into_iter().collect()
}

/// `9216-byte frames are the largest of: A, B, C and 15 more: pathvet explain 9198`.
fn products(found: &[Match<'_>], fit: Fit, measured: u32, heading: &str) -> Option<String> {
    let of_fit = || found.iter().filter(|found| found.fit == fit).map(|found| found.ceiling);
    let mut names: Vec<String> = Vec::new();
    let mut vendors: Vec<&str> = Vec::new();
    // One product of each vendor first: the reader looks for his own.
    for ceiling in of_fit() {
        if !vendors.contains(&ceiling.vendor.as_str()) {
            vendors.push(&ceiling.vendor);
            names.push(ceiling.name());
        }
    }
    for name in of_fit().map(catalogue::Ceiling::name) {
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
}

/// `8950 is 9000 less 50: VXLAN over IPv4`.
fn tunnel(case: &Case<'_>, measured: u32) -> Option<String> {
    let tunnels = catalogue::tunnels_at(case.catalogue, measured);
    tunnels.first().map(|found| format!("{measured} is {} less {}: {}", found.underlay, found.tunnel.overhead, found.tunnel.name))
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

fn router<'a>(case: Case<'a>, path: &'a Path, measured: u32) -> Lead<'a> {
    let router = path.limit.router;
    let overlay = router.is_some() && router == path.address;
    let key = match router {
        Some(router) if !overlay => format!("router|{router}|{measured}"),
        _ => format!("router|{}|{measured}", sender(path)),
    };
    Lead::new(key, move |targets| {
        let (kind, name, confidence, summary) = if overlay {
            let between = format!("between {} and {}", path.from, targets.names());
            let summary =
                format!("An overlay {between} carries {measured} and says so in the target's own name, as no router does.");
            (CulpritKind::Overlay, between, Confidence::Likely, summary)
        } else {
            let who = router.map_or_else(|| "a router".to_owned(), |router| format!("{router}"));
            let summary = format!("The link behind {who} carries {measured}; {who} says so.");
            (CulpritKind::Router, who, Confidence::Certain, summary)
        };
        Root {
            summary,
            kind,
            name,
            confidence,
            details: tunnel(&case, measured).into_iter().collect(),
            proof: remedies::proof(path),
            remedies: remedies::for_path(&case, path, &Ruling::Router, Length::Full),
        }
    })
}

fn undecided<'a>(case: Case<'a>, path: &'a Path, finding: &'a Finding, measured: u32) -> Option<Lead<'a>> {
    match path.limit.kind {
        LimitKind::Silent if path.proof.is_some_and(|proof| proof.proven) => {
            Some(Lead::new(format!("icmp|{}|{measured}", sender(path)), move |targets| {
                let name = format!("between {} and {}", path.from, targets.names());
                let mut root = of_finding(finding, CulpritKind::Firewall, name, Confidence::Possible);
                root.summary = format!(
                    "Either a firewall drops ICMP above {measured} bytes, or a box on the way carries no more; echo alone cannot tell."
                );
                root.details = known(&case, measured, path_mtu::sends(&case, path).unwrap_or(measured));
                root.remedies = alloc::vec![
                    "name an open TCP port of the target: --tcp-port PORT".to_owned(),
                    "let UDP to ports 33434 to 33534 through, so that a second method can tell".to_owned(),
                ];
                root
            }))
        }
        LimitKind::Loss => Some(loss(case, path, finding)),
        LimitKind::Policed => Some(Lead::new(format!("policer|{}", sender(path)), |targets| {
            let name = format!("the answer limit of {} or of a box before", targets.names());
            let mut root = of_finding(finding, CulpritKind::Setting, name, Confidence::Possible);
            root.remedies = alloc::vec!["give the run more time, so that it can go below the limit".to_owned()];
            root
        })),
        _ => None,
    }
}

fn reverse<'a>(case: Case<'a>, path: &'a Path, finding: &'a Finding) -> Lead<'a> {
    let untold = path.limit.direction == Some(Direction::Unknown);
    let back = path.reverse_mtu.unwrap_or(0);
    if finding.summary.starts_with("the ends differ") {
        return Lead::new(format!("answers|{}|{}", sender(path), finding.summary), move |targets| {
            let certain = facts::peer(&case, path).is_some_and(|peer| peer.how == PeerMtuHow::Evidence);
            let confidence = if certain { Confidence::Certain } else { Confidence::Likely };
            of_finding(finding, CulpritKind::Host, targets.names(), confidence)
        });
    }
    Lead::new(format!("back|{}|{back}|{untold}|{}", sender(path), finding.outcome.word()), move |targets| {
        let confidence = if finding.outcome == Outcome::Fail { Confidence::Likely } else { Confidence::Possible };
        let kind = match facts::on_link(&case, path) {
            _ if untold => CulpritKind::Firewall,
            true => CulpritKind::Switch,
            false => CulpritKind::Router,
        };
        let way = format!("on the way back from {} to {}", targets.names(), path.from);
        let mut root = of_finding(finding, kind, way.clone(), confidence);
        if !untold {
            root.summary = format!("Something {way} drops packets above {back} bytes and says nothing.");
            root.details = known(&case, back, path_mtu::sends(&case, path).unwrap_or(back));
        }
        root
    })
}

fn loss<'a>(case: Case<'a>, path: &'a Path, finding: &'a Finding) -> Lead<'a> {
    Lead::new(format!("loss|{}", sender(path)), move |targets| {
        let between = format!("between {} and {}", path.from, targets.names());
        let mut root = of_finding(finding, CulpritKind::Unknown, format!("the link or a box {between}"), Confidence::Possible);
        if let Some(rise) = crate::builtin::link_errors::receive_side(&case, path) {
            root.kind = CulpritKind::Nic;
            root.name = format!("{}:{}", path.from, facts::egress_name(path).unwrap_or("its interface"));
            root.confidence = Confidence::Likely;
            root.details.push(rise);
        }
        let sample = crate::builtin::path_loss::sample(path);
        root.summary = format!(
            "Packets {between} are lost whatever their size: {} of {} at sizes that pass.",
            sample.sent.saturating_sub(sample.replied),
            sample.sent
        );
        if targets.count() > 1 {
            root.details.push(format!("the figure is that of {}; what they share is {}'s way out", path.to, path.from));
        }
        if root.remedies.is_empty() {
            root.remedies = alloc::vec!["repair the loss first; then vet the size again".to_owned()];
        }
        root
    })
}

fn corrupt<'a>(path: &'a Path, finding: &'a Finding) -> Lead<'a> {
    Lead::new(format!("corrupt|{}", sender(path)), |targets| {
        let between = format!("between {} and {}", path.from, targets.names());
        let mut root = of_finding(finding, CulpritKind::Unknown, format!("a card or box {between}"), Confidence::Possible);
        root.summary = format!("Something {between} changes data and computes the checksums anew.");
        root
    })
}

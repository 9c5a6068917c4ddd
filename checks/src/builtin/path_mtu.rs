//! The largest packet that the path carries, and whether that is enough.

use super::path_reach;
use crate::Case;
use crate::check::{Check, Meta, check};
use crate::diagnose::remedies::{LARGEST_ETHERNET, Length};
use crate::evidence::{Direction, LimitKind, Method, Path};
use crate::facts::{self, Peer};
use crate::report::{Finding, Outcome, Quantity};
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

check! {
    /// # What it looks for
    ///
    /// The largest IP packet that arrives, against what is expected (`--expect-mtu`, the plan's `mtu`) and against what this
    /// host will send: the MTU of the route's interface.
    ///
    /// # How it decides
    ///
    /// The first rule that applies decides:
    ///
    /// 1. An expected MTU is given and less arrives: FAIL.
    /// 2. Less than the interface's MTU arrives and larger packets vanish without a word: FAIL, also when the expected MTU is
    ///    met, because the host will send the larger size and lose it. WARN "the ends differ" if the far end's own MTU is known
    ///    to be no larger than what arrives.
    /// 3. A router says so with a usable MTU: PASS with a note if the expected MTU is met, or if none is given and the target is
    ///    routed; WARN for a target on the same link.
    /// 4. The interface's MTU arrives: PASS. The network may carry more; that is not tested. IPv6 below 1280 is FAIL
    ///    (RFC 8200 section 5).
    ///
    /// A silent cut counts only when it is proven: the size that arrives and the next one alternate until chance is ruled out
    /// (below one in ten million). A cut that only echo sees may be a firewall that drops large ICMP: without a second method
    /// that confirms it, it is FAIL for a target on this link from 1280 bytes on, and UNKNOWN otherwise. Where a second method
    /// passes, large ICMP is filtered and the second method's value is the MTU.
    ///
    /// UNKNOWN: too much loss, answers limited per second, or a run that ended before the search did.
    ///
    /// # What to do
    ///
    /// Bring the narrowest box up, or every host down to the size that fits. The diagnosis names the box as far as it can be
    /// told, and prints a ping that proves it by hand.
    ///
    /// # Example
    ///
    /// `fail-silent-cut`: both hosts are set to 9600 and a switch between them drops frames above 9216 bytes.
    ///
    /// ```text
    /// FAIL path-mtu node1->node2
    ///   packets above 9198 vanish
    ///   measured: 9198
    ///   expected: 9600 (MTU of eth0)
    /// ```
    pub(crate) struct PathMtu = { id: "path-mtu", summary: "the largest packet that the path carries" }
}

/// The smallest MTU that IPv6 allows (RFC 8200 section 5).
const IPV6_MINIMUM: u32 = 1280;

impl Check for PathMtu {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn judge(&self, case: &Case<'_>) -> Vec<Finding> {
        case.evidence.paths.iter().map(|path| facts::eased(path, finding(case, path))).collect()
    }
}

/// Which rule decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ruling {
    /// The interface's MTU arrives, and no more is expected.
    Whole,
    /// This host refuses what is expected: its interface or route is smaller.
    Local,
    /// A router says so.
    Router,
    /// Larger packets vanish; `confirmed` by a second method, or not seen by echo in the first place.
    Silent { confirmed: bool },
    /// Larger packets vanish, and the far end's own MTU explains it.
    EndsDiffer,
    /// Larger packets arrive there, and their answers vanish.
    Reverse,
    /// It cannot be said, and why.
    Undecided(String),
}

/// What this host will send: the MTU of the outgoing interface or the route's lower one.
pub(crate) fn sends(case: &Case<'_>, path: &Path) -> Option<u32> {
    path.interface_mtu.or_else(|| facts::egress(case, path).map(|link| link.mtu))
}

/// Outcome and rule for a path that is reachable.
pub(crate) fn decide(case: &Case<'_>, path: &Path) -> (Outcome, Ruling) {
    let undecided = |why: String| (Outcome::Unknown, Ruling::Undecided(why));
    let Some(measured) = path.path_mtu else {
        return undecided(why_undecided(path));
    };
    let sends = sends(case, path);
    let expected = facts::expected_mtu(case, path);
    let short = expected.is_some_and(|expected| measured < expected);
    let ruling = if sends.is_some_and(|sends| measured >= sends) || sends.is_none() && path.limit.kind == LimitKind::None {
        if short { Ruling::Local } else { Ruling::Whole }
    } else {
        match path.limit.kind {
            LimitKind::Router => Ruling::Router,
            LimitKind::Local => Ruling::Local,
            LimitKind::Silent => match silent(case, path, measured) {
                Ok(ruling) => ruling,
                Err(why) => return undecided(why),
            },
            _ => return undecided(why_undecided(path)),
        }
    };
    let too_small_for_ipv6 = path.family == 6 && measured < IPV6_MINIMUM;
    let outcome = match ruling {
        Ruling::Reverse => Outcome::Skip,
        _ if short || too_small_for_ipv6 => Outcome::Fail,
        Ruling::Silent { .. } => Outcome::Fail,
        Ruling::EndsDiffer => Outcome::Warn,
        Ruling::Router if expected.is_none() && facts::on_link(case, path) => Outcome::Warn,
        _ => Outcome::Pass,
    };
    (outcome, ruling)
}

/// The ruling on a silent cut at `measured`, or why there is none.
fn silent(case: &Case<'_>, path: &Path, measured: u32) -> Result<Ruling, String> {
    if !path.proof.is_some_and(|proof| proof.proven) {
        let why = path.incomplete.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
        return Err(format!("packets above {measured} got no answer, but that is not proven yet{why}"));
    }
    if path.limit.direction == Some(Direction::Reverse) {
        return Ok(Ruling::Reverse);
    }
    if facts::peer(case, path).is_some_and(|peer| peer.explains(measured)) {
        return Ok(Ruling::EndsDiffer);
    }
    let confirmed = path.method.is_some_and(|method| method != Method::Icmp) || confirmed_by(path, measured).is_some();
    // Firewalls that drop ICMP above about 1024 bytes are common, and they stand before routed targets.
    if !(confirmed || facts::on_link(case, path) && measured >= IPV6_MINIMUM) {
        return Err(format!(
            "echo above {measured} gets no answer and no second method answers: a cut, or a firewall that drops large ICMP"
        ));
    }
    Ok(Ruling::Silent { confirmed })
}

/// The second method that saw the same cut.
pub(crate) fn confirmed_by(path: &Path, measured: u32) -> Option<Method> {
    let main = path.method.unwrap_or(Method::Icmp);
    path.methods
        .iter()
        .find(|seen| {
            seen.method != main
                && seen.passed.is_some_and(|passed| passed <= measured)
                && seen.failed.is_some_and(|failed| failed > measured)
        })
        .map(|seen| seen.method)
}

/// The size at which echo stops although another method, with small answers, passes above it.
pub(crate) fn echo_stops_at(path: &Path) -> Option<u32> {
    let measured = path.path_mtu?;
    let echo = path.methods.iter().find(|seen| seen.method == Method::Icmp)?;
    let passed = echo.passed.filter(|passed| *passed < measured)?;
    (echo.failed.is_some() && path.method.is_some_and(|method| method != Method::Icmp)).then_some(passed)
}

fn why_undecided(path: &Path) -> String {
    let at = path.path_mtu.map(|mtu| format!("{mtu} arrives; above that ")).unwrap_or_default();
    let incomplete = path.incomplete.as_deref();
    match path.limit.kind {
        LimitKind::Loss => format!("{at}too much is lost to say ({} of {} answered)", path.sample.replied, path.sample.sent),
        LimitKind::Policed => match path.policer {
            Some(policer) => format!("{at}answers are limited, and even at {} a second too few came to say", policer.per_second),
            None => format!("{at}answers are limited per second, too few to say"),
        },
        LimitKind::Filtered if path.path_mtu.is_some() => {
            format!("{at}only {} answers, and its silence alone proves nothing", method_name(path.method))
        }
        LimitKind::Filtered => "no probe method gets through".to_owned(),
        _ => match incomplete {
            Some(why) => format!("{at}the search did not end: {why}"),
            None => format!("{at}the search did not end"),
        },
    }
}

fn finding(case: &Case<'_>, path: &Path) -> Finding {
    let id = PathMtu::META.id;
    if let Some(blocked) = path_reach::blocked(case, path, id) {
        return blocked;
    }
    let (outcome, ruling) = decide(case, path);
    let measured = path.path_mtu.unwrap_or(0);
    let peer = facts::peer(case, path);
    let summary = match &ruling {
        Ruling::Whole => format!("{measured} arrives"),
        Ruling::Local => local_summary(path, measured),
        Ruling::Router => match path.limit.router {
            Some(router) => format!("{measured} arrives; {router} says that more is too big"),
            None => format!("{measured} arrives; a router says that more is too big"),
        },
        Ruling::Silent { confirmed: true } => format!("packets above {measured} vanish"),
        Ruling::Silent { confirmed: false } => format!("packets above {measured} vanish, as far as echo can tell"),
        Ruling::EndsDiffer => format!(
            "the ends differ: packets above {measured} vanish, and {} is set to {}",
            path.to,
            peer.map_or(0, |peer| peer.mtu)
        ),
        Ruling::Reverse => "see path-reverse: the answers are lost on the way back".to_owned(),
        Ruling::Undecided(why) => why.clone(),
    };
    let mut finding = facts::of_path(path, id, outcome, summary);
    if outcome == Outcome::Skip {
        return finding;
    }
    finding.observed = path.path_mtu.map(Quantity::bytes);
    finding.expected = expectation(case, path, measured);
    finding.notes = notes(case, path, &ruling, outcome);
    if outcome != Outcome::Pass {
        finding.sources = sources(path);
        finding.causes = causes(case, path, &ruling, peer.as_ref());
    }
    if matches!(outcome, Outcome::Fail | Outcome::Warn) {
        finding.remedies = crate::diagnose::remedies::for_path(case, path, &ruling, Length::Short);
    }
    finding
}

/// `9600 (MTU of eth0)`, `9000`; `9600 (MTU of eth0), 9000 met` where what this host sends is lost although the expectation is met.
fn expectation(case: &Case<'_>, path: &Path, measured: u32) -> Option<Box<Quantity>> {
    let expected = facts::expected_mtu(case, path);
    let sends = sends(case, path);
    let lost = sends.is_some_and(|sends| measured < sends) && path.limit.kind == LimitKind::Silent;
    let met = match expected {
        Some(expected) if measured >= expected && lost => format!(", {expected} met"),
        Some(expected) => return Some(Quantity::bytes(expected)),
        None => String::new(),
    };
    let sends = sends?;
    let of = facts::egress_name(path).map(|name| format!(" (MTU of {name})")).unwrap_or_default();
    Some(Quantity::bytes(sends).shown_as(format!("{sends}{of}{met}")))
}

fn local_summary(path: &Path, measured: u32) -> String {
    let name = facts::egress_name(path).unwrap_or("the interface");
    match path.interface_mtu {
        Some(mtu) if mtu == measured => format!("{measured} arrives; {name} sends no more"),
        _ => format!("{measured} arrives; this host itself refuses more"),
    }
}

fn notes(case: &Case<'_>, path: &Path, ruling: &Ruling, outcome: Outcome) -> Vec<String> {
    let mut notes = Vec::new();
    if *ruling == Ruling::Whole {
        notes.push("the network may carry more; not tested".to_owned());
    }
    if let Some(at) = echo_stops_at(path) {
        let seen = format!("echo stops at {at}, {} passes", method_name(path.method));
        notes.push(match path.limit.direction {
            Some(Direction::Reverse | Direction::Both) => format!("{seen}: large answers are lost on the way back"),
            Some(Direction::Unknown) => format!("{seen}: large ICMP is filtered, or large answers are lost on the way back"),
            Some(Direction::Forward) | None => format!("large ICMP is filtered: {seen}"),
        });
    }
    if *ruling == Ruling::Router {
        if path.limit.router.is_some() && path.limit.router == path.address {
            notes.push("the message comes from the target's own address, as overlays send it".to_owned());
        } else if outcome == Outcome::Pass {
            notes.push("programs that heed too-big messages lose nothing".to_owned());
        }
    }
    if *ruling == Ruling::Local && facts::expected_mtu(case, path).is_none() {
        notes.push("this host tells its programs so: nothing is lost (route, lock or IPsec)".to_owned());
    }
    for lie in path.too_big.iter().filter(|message| !message.believed) {
        notes.push(format!("{} sent a too-big message naming {}, which was not believed", lie.from, lie.mtu));
    }
    notes.shrink_to_fit();
    notes
}

fn method_name(method: Option<Method>) -> &'static str {
    match method {
        Some(Method::Icmp) => "echo",
        Some(Method::Udp) => "UDP",
        Some(Method::Tcp) => "TCP",
        Some(Method::Responder) => "the responder",
        Some(Method::Unknown) | None => "another method",
    }
}

fn sources(path: &Path) -> Vec<String> {
    let mut sources = Vec::new();
    if let Some(proof) = &path.proof {
        sources.push(format!(
            "{}: {} of {} answered at {}, {} of {} at {}",
            method_name(path.method),
            proof.passes_replied,
            proof.passes_sent,
            proof.passes,
            proof.vanishes_replied,
            proof.vanishes_sent,
            proof.vanishes
        ));
    }
    if let Some(method) = path.path_mtu.and_then(|measured| confirmed_by(path, measured)) {
        sources.push(format!("{} stops there too", method_name(Some(method))));
    }
    for message in path.too_big.iter().filter(|message| message.believed) {
        sources.push(format!("too-big from {}: {}", message.from, message.mtu));
    }
    sources
}

fn causes(case: &Case<'_>, path: &Path, ruling: &Ruling, peer: Option<&Peer<'_>>) -> Vec<String> {
    let measured = path.path_mtu.unwrap_or(0);
    let frame = measured.saturating_add(18);
    let mut causes = Vec::new();
    match ruling {
        Ruling::Silent { confirmed } => {
            let between = peer.is_some_and(|peer| peer.mtu > measured);
            if !between {
                causes.push(format!("{}'s own MTU is {measured}", path.to));
            }
            causes.push(if crate::diagnose::infiniband::over_ipoib(case, path) {
                format!("an IPoIB end in datagram mode, or a group or link between them of {} bytes", measured.saturating_add(4))
            } else if sends(case, path).is_some_and(|sends| sends > LARGEST_ETHERNET) {
                format!("something between them carries packets of at most {measured} bytes")
            } else {
                format!("a switch between them carries frames of at most {frame} bytes")
            });
            if !facts::on_link(case, path) {
                causes.push("a router that sends no too-big messages (`no ip unreachables`)".to_owned());
                causes.push("a firewall that drops too-big messages".to_owned());
            }
            if !confirmed {
                causes.push("a firewall that limits ICMP".to_owned());
            }
        }
        Ruling::EndsDiffer => {
            let source = peer.map(Peer::source).unwrap_or_default();
            causes.push(format!("{}'s own MTU is {} ({source})", path.to, peer.map_or(0, |peer| peer.mtu)));
        }
        Ruling::Local => {
            let name = facts::egress_name(path).unwrap_or("the interface");
            causes.push(format!("{name} or its route is set to {measured} on this host"));
        }
        Ruling::Router => causes.push(format!("the next link of that router carries {measured}")),
        Ruling::Undecided(_) if path.limit.kind == LimitKind::Silent => {
            causes.push(format!("a link or box on the way that carries {measured}"));
            causes.push("a firewall that limits ICMP".to_owned());
        }
        Ruling::Whole | Ruling::Reverse | Ruling::Undecided(_) => {}
    }
    causes
}

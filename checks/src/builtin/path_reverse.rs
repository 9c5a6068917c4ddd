//! What the way back carries.

use super::path_mtu::{self, Ruling};
use super::path_reach;
use crate::Case;
use crate::check::{Check, Meta, check};
use crate::evidence::{Direction, LimitKind, Method, Path, PeerMtuHow};
use crate::facts;
use crate::report::{Finding, Outcome, Quantity};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::vec::Vec;

check! {
    /// # What it looks for
    ///
    /// Whether answers as large as the path's MTU come back in one piece.
    ///
    /// # How it decides
    ///
    /// - PASS: an answer of the path's MTU came back whole.
    /// - FAIL: answers above some size vanish, and the far end's own MTU is larger than that size.
    /// - WARN: the far end cuts its answers into fragments of a smaller MTU of its own ("the ends differ"); answers vanish and
    ///   the far end's own MTU is not larger or not known; or echo stops below what UDP or TCP shows to arrive there, and nothing
    ///   tells a filter of large ICMP from a cut on the way back.
    /// - SKIP: with echo alone nobody can tell on which way a large packet and its equally large answer is lost, and probes with
    ///   small answers show the way there only.
    ///
    /// # What to do
    ///
    /// Run pathvet on the other host towards this one: what is the way back here is the way there from it.
    ///
    /// # Example
    ///
    /// `fail-silent-way-back`: 9000 arrives, and answers above 1500 vanish.
    ///
    /// ```text
    /// FAIL path-reverse node1->node2
    ///   answers above 1500 vanish; node2 itself is set to 9000
    ///   measured: 1500
    ///   expected: 9000
    /// ```
    pub(crate) struct PathReverse = { id: "path-reverse", summary: "the largest answer that comes back in one piece" }
}

impl Check for PathReverse {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn judge(&self, case: &Case<'_>) -> Vec<Finding> {
        case.evidence.paths.iter().map(|path| facts::eased(path, finding(case, path))).collect()
    }
}

fn finding(case: &Case<'_>, path: &Path) -> Finding {
    let id = PathReverse::META.id;
    if let Some(blocked) = path_reach::blocked(case, path, id) {
        return blocked;
    }
    let skip = |summary: &'static str| facts::of_path(path, id, Outcome::Skip, summary);
    let (_, ruling) = path_mtu::decide(case, path);
    let Some(forward) = path.path_mtu else {
        return skip("what arrives there is not known");
    };
    if matches!(ruling, Ruling::Undecided(_)) {
        return skip("see path-mtu: what arrives there is not known for sure");
    }
    if ruling == Ruling::EndsDiffer {
        return skip("see path-mtu: the ends differ");
    }
    if let Some(finding) =
        cut_to_pieces(case, path, forward).or_else(|| vanishing(case, path, forward)).or_else(|| vanishing_perhaps(path, forward))
    {
        return finding;
    }
    match path.reverse_mtu {
        Some(back) if back >= forward => {
            if matches!(ruling, Ruling::Silent { .. }) && path.limit.direction != Some(Direction::Forward) {
                return skip("the way on which larger packets are lost cannot be told with echo alone");
            }
            let mut finding = facts::of_path(path, id, Outcome::Pass, format!("{back} comes back whole"));
            finding.observed = Some(Quantity::bytes(back));
            finding
        }
        Some(back) => {
            facts::of_path(path, id, Outcome::Skip, format!("answers up to {back} come back; larger ones cannot be told"))
        }
        None => {
            let right = path_reach::echo_right(case, path).map(|right| format!("; echo needs {right}")).unwrap_or_default();
            facts::of_path(path, id, Outcome::Skip, format!("no large answer came back that could show it{right}"))
        }
    }
}

/// The far end cuts its answers into fragments of a smaller MTU of its own.
fn cut_to_pieces(case: &Case<'_>, path: &Path, forward: u32) -> Option<Finding> {
    if path.reverse_mtu.is_some_and(|back| back >= forward) {
        return None;
    }
    let seen = path.peer_mtu.filter(|read| read.how == PeerMtuHow::Fragments && !read.at_least).map(|read| read.value);
    // An echo reply is as large as its request: one that arrives and is not whole has come in pieces.
    let pieces = path.reverse_mtu.filter(|_| path.method == Some(Method::Icmp) && path.limit.direction.is_none());
    let own = facts::peer(case, path).filter(|peer| peer.how == PeerMtuHow::Evidence).map(|peer| peer.mtu);
    // Fragments are cut at multiples of eight (RFC 791 section 3.1).
    let mtu = seen.or(pieces).filter(|mtu| mtu.saturating_add(7) < forward).or(own.filter(|mtu| *mtu < forward))?;
    let to = &path.to;
    let how = if seen.or(pieces) == Some(mtu) { "from the fragments of its answers" } else { "from its own evidence" };
    let summary = format!("the ends differ: {to} cuts its answers to its own MTU of {mtu}");
    let mut finding = facts::of_path(path, PathReverse::META.id, Outcome::Warn, summary);
    finding.observed = Some(Quantity::bytes(mtu));
    finding.expected = Some(Quantity::bytes(forward));
    finding.causes = alloc::vec![format!("the MTU of {to}'s interface, or of its route to here, is {mtu} ({how})")];
    finding.remedies = alloc::vec![format!("set both ends to the same MTU: {to} sends {mtu}, and takes {forward}")];
    Some(finding)
}

/// Answers above some size vanish on the way back.
fn vanishing(case: &Case<'_>, path: &Path, forward: u32) -> Option<Finding> {
    // The direction counts where a silent cut is the limit, or where the way there is whole and answers vanish all the same.
    let lost = matches!(path.limit.direction, Some(Direction::Reverse | Direction::Both))
        && !matches!(path.limit.kind, LimitKind::Router | LimitKind::Local);
    let back = path.reverse_mtu.filter(|_| lost)?;
    let (outcome, why) = match facts::peer(case, path) {
        Some(peer) if peer.mtu > back => (Outcome::Fail, format!("{} itself is set to {}", path.to, peer.mtu)),
        Some(peer) if peer.explains(back) => (Outcome::Warn, format!("{} itself is set to {}", path.to, peer.mtu)),
        _ => (Outcome::Warn, format!("what {} is set to is not known", path.to)),
    };
    let mut finding = facts::of_path(path, PathReverse::META.id, outcome, format!("answers above {back} vanish; {why}"));
    finding.observed = Some(Quantity::bytes(back));
    finding.expected = Some(Quantity::bytes(forward.max(back)));
    finding.causes = alloc::vec![
        format!("a box on the way back carries {back} only and says nothing"),
        "a router on the way back that sends no too-big messages, or a firewall that drops them".to_owned(),
    ];
    finding.remedies = alloc::vec![format!("run pathvet check {} on {}: it sees this way as its way there", path.from, path.to)];
    Some(finding)
}

/// Echo stops below what another method shows to arrive there, and nothing tells a filter from a cut on the way back.
fn vanishing_perhaps(path: &Path, forward: u32) -> Option<Finding> {
    let untold = path.limit.kind == LimitKind::Silent && path.limit.direction == Some(Direction::Unknown);
    let back = path_mtu::echo_stops_at(path).filter(|_| untold)?;
    let summary = format!("answers above {back} vanish, or large ICMP is filtered on the way there");
    let mut finding = facts::of_path(path, PathReverse::META.id, Outcome::Warn, summary);
    finding.observed = Some(Quantity::bytes(back));
    finding.expected = Some(Quantity::bytes(forward));
    finding.causes = alloc::vec![
        format!("a firewall that drops ICMP above {back} bytes; other traffic is not touched"),
        format!("a box on the way back carries {back} only and says nothing"),
    ];
    finding.remedies =
        alloc::vec![format!("run pathvet check {} on {}: it sees the way back as its way there", path.from, path.to)];
    Some(finding)
}

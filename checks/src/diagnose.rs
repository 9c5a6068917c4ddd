//! Many findings and the whole evidence in, few root causes with a culprit out.

mod cut;
mod explain;
mod here;
pub(crate) mod infiniband;
mod neighbour;
pub(crate) mod remedies;

pub use crate::catalogue::{Fit, Match, TunnelMatch, ceilings_at, known_ceilings, tunnels_at};
pub use explain::{Reading, SizeExplanation, Written, explain_size};

use crate::Case;
use crate::evidence::Path;
use crate::report::{Confidence, Culprit, CulpritKind, Diagnosis, Finding, Outcome};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// What is behind a finding: what tells it from other causes, and how to say it once everything that it explains is known.
pub(crate) struct Lead<'a> {
    /// Findings with the same key have one cause.
    key: String,
    /// Says it, given every path that it explains.
    say: Box<dyn FnOnce(&Targets<'a>) -> Root + 'a>,
}

/// One root cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Root {
    summary: String,
    kind: CulpritKind,
    name: String,
    confidence: Confidence,
    details: Vec<String>,
    proof: Vec<String>,
    remedies: Vec<String>,
}

/// The paths that one cause explains; none where it is about an interface alone.
pub(crate) struct Targets<'a> {
    paths: Vec<&'a Path>,
}

/// How many targets a sentence names before it counts the rest.
const NAMED_TARGETS: usize = 3;

impl<'a> Lead<'a> {
    fn new(key: String, say: impl FnOnce(&Targets<'a>) -> Root + 'a) -> Self {
        Self { key, say: Box::new(say) }
    }
}

impl Targets<'_> {
    /// How many there are.
    fn count(&self) -> usize {
        self.paths.len()
    }

    /// `node2`, `node2 and node3`, `node2, node3, node4 and 7 more`.
    fn names(&self) -> String {
        let mut names: Vec<&str> = Vec::new();
        for path in &self.paths {
            if names.len() < NAMED_TARGETS && !names.contains(&path.to.as_str()) {
                names.push(&path.to);
            }
        }
        let rest = self.paths.len().saturating_sub(names.len());
        match (rest, names.as_slice()) {
            (0, [first, second]) => format!("{first} and {second}"),
            (0, names) => names.join(", "),
            (rest, names) => format!("{} and {rest} more", names.join(", ")),
        }
    }

    /// `is` or `are`, as their number wants.
    fn is(&self) -> &'static str {
        if self.count() > 1 { "are" } else { "is" }
    }
}

/// The root causes behind `findings`, the worst first.
///
/// `findings` are those of [`crate::judge`] on the same case: the findings of a path check stand in the order of the paths.
#[must_use]
pub fn diagnose(case: &Case<'_>, findings: &[Finding]) -> Vec<Diagnosis> {
    struct Group<'a> {
        say: Box<dyn FnOnce(&Targets<'a>) -> Root + 'a>,
        explains: Vec<usize>,
        paths: Vec<usize>,
    }
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut positions: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, finding) in findings.iter().enumerate() {
        let position = positions.entry(&finding.check).or_default();
        let nth = *position;
        *position += 1;
        // What somebody accepted needs no remedy.
        if finding.waived.is_some() || !matches!(finding.outcome, Outcome::Warn | Outcome::Fail | Outcome::Unknown) {
            continue;
        }
        let path = case.evidence.paths.get(nth).filter(|_| finding.at.from.is_some());
        let lead = match path {
            Some(path) => cut::lead(*case, path, finding),
            None if finding.check.starts_with("ib-") || finding.check.starts_with("ipoib-") => infiniband::lead(*case, finding),
            None => here::lead(*case, finding),
        };
        let Some(lead) = lead else { continue };
        let place = *places.entry(lead.key).or_insert(groups.len());
        if place == groups.len() {
            groups.push(Group { say: lead.say, explains: Vec::new(), paths: Vec::new() });
        }
        if let Some(group) = groups.get_mut(place) {
            group.explains.push(index);
            group.paths.extend(path.map(|_| nth));
        }
    }
    let worst = |explains: &[usize]| explains.iter().filter_map(|index| findings.get(*index)).map(|finding| finding.outcome).max();
    groups.sort_by_key(|group| core::cmp::Reverse(worst(&group.explains)));
    groups
        .into_iter()
        .map(|mut group| {
            group.paths.sort_unstable();
            group.paths.dedup();
            let paths = group.paths.iter().filter_map(|index| case.evidence.paths.get(*index)).collect();
            let root = (group.say)(&Targets { paths });
            Diagnosis {
                summary: root.summary,
                culprit: Culprit { kind: root.kind, name: root.name },
                confidence: root.confidence,
                explains: group.explains,
                details: root.details,
                proof: root.proof,
                remedies: root.remedies,
            }
        })
        .collect()
}

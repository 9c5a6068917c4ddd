//! Many findings and the whole evidence in, few root causes with a culprit out.

mod cut;
mod explain;
mod here;
pub(crate) mod remedies;

pub use crate::catalogue::{Fit, Match, TunnelMatch, ceilings_at, known_ceilings, tunnels_at};
pub use explain::{Reading, SizeExplanation, Written, explain_size};

use crate::Case;
use crate::report::{Confidence, Culprit, CulpritKind, Diagnosis, Finding, Outcome};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

/// One root cause while it is put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Root {
    /// Findings with the same key have one cause.
    key: String,
    summary: String,
    kind: CulpritKind,
    name: String,
    confidence: Confidence,
    details: Vec<String>,
    proof: Vec<String>,
    remedies: Vec<String>,
}

/// The root causes behind `findings`, the worst first.
///
/// `findings` are those of [`crate::judge`] on the same case: the findings of a path check stand in the order of the paths.
#[must_use]
pub fn diagnose(case: &Case<'_>, findings: &[Finding]) -> Vec<Diagnosis> {
    let mut roots: Vec<(Root, Vec<usize>)> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut positions: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, finding) in findings.iter().enumerate() {
        let position = positions.entry(finding.check.as_str()).or_default();
        let nth = *position;
        *position += 1;
        if !matches!(finding.outcome, Outcome::Warn | Outcome::Fail | Outcome::Unknown) {
            continue;
        }
        let path = case.evidence.paths.get(nth).filter(|_| finding.at.from.is_some());
        let root = match path {
            Some(path) => cut::root(case, path, finding),
            None => here::root(case, finding),
        };
        let Some(root) = root else { continue };
        if let Some((known, explains)) = places.get(&root.key).and_then(|place| roots.get_mut(*place)) {
            explains.push(index);
            known.confidence = known.confidence.max(root.confidence);
        } else {
            places.insert(root.key.clone(), roots.len());
            roots.push((root, alloc::vec![index]));
        }
    }
    let worst = |explains: &[usize]| explains.iter().filter_map(|index| findings.get(*index)).map(|finding| finding.outcome).max();
    roots.sort_by_key(|(_, explains)| core::cmp::Reverse(worst(explains)));
    roots
        .into_iter()
        .map(|(root, explains)| Diagnosis {
            summary: root.summary,
            culprit: Culprit { kind: root.kind, name: root.name },
            confidence: root.confidence,
            explains,
            details: root.details,
            proof: root.proof,
            remedies: root.remedies,
        })
        .collect()
}

//! `expect.tuning` of a plan: the baseline that a host's kernel settings must follow.

use super::baseline;
use super::yaml::Node;
use crate::error::Problem;
use pathvet_checks::baseline::Baseline;
use std::path::Path;
use std::sync::Arc;

/// Reads the name of a built-in baseline, or that of a file beside the plan, and the baseline itself. Mistakes in the file stand
/// in `problems` with their own place.
pub(super) fn read(node: &Node<'_>, problems: &mut Vec<Problem>) -> Option<Arc<Baseline>> {
    let Some(word) = node.value.as_str().map(str::trim).filter(|word| !word.is_empty()) else {
        let problem = node.problem(format!("{} does not belong here", node.describe()));
        problems.push(problem.expected("expected the name of a baseline such as ipoib-safe, or a file"));
        return None;
    };
    if !baseline::is_file(word) {
        let found = baseline::built_in(word);
        if found.is_none() {
            problems.push(baseline::unknown(node.problem(baseline::no_such(word)), word));
        }
        return found;
    }
    match baseline::load(word, Path::new(node.document_name()).parent(), word) {
        Ok(found) => Some(found),
        Err(error) => {
            // What has no place of its own (a file that is not there) is put down to the plan.
            let placed = |problem: Problem| match problem.place {
                Some(_) => problem,
                None => node.problem(problem.message),
            };
            problems.extend(error.problems.into_iter().map(placed));
            None
        }
    }
}

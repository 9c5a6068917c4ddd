//! `pathvet list`: the checks, in the order of the manual.

use super::Outcome;
use super::output::print;
use crate::error::Error;
use pathvet_checks::builtin;
use std::fmt::Write as _;

pub(super) fn run() -> Result<Outcome, Error> {
    let checks = builtin::ALL.iter().map(|check| check.meta());
    let width = checks.clone().map(|meta| meta.id.len()).max().unwrap_or(0);
    let mut text = String::new();
    for meta in checks {
        let _ = writeln!(text, "{:width$}  {}", meta.id, meta.summary);
    }
    print(&text)?;
    Ok(Outcome::Done)
}

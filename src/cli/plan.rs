//! `pathvet plan`: write a first plan, or say what is wrong with one.

use super::output::{print, terminal};
use super::target::Source;
use super::{Outcome, PlanInitArgs, PlanLintArgs, gather};
use crate::error::{Error, OutputError, render_problems};
use crate::plan::{Plan, init as write_plan, yaml};
use std::io::Write;

/// Writes a plan of this host's networks. A file that is there already is never overwritten.
pub(super) fn init(args: &PlanInitArgs) -> Result<Outcome, Error> {
    let host = gather::host_alone(args.root.as_deref())?;
    let text = write_plan::plan(&host);
    let Some(place) = &args.out else {
        print(&text)?;
        return Ok(Outcome::Done);
    };
    let file = std::fs::File::create_new(place).map_err(|error| OutputError::new("create", place, error));
    file?.write_all(text.as_bytes()).map_err(|error| OutputError::new("write", place, error))?;
    Ok(Outcome::Done)
}

/// Reads a plan as `check -f` would, with every remark on what is odd in it.
pub(super) fn lint(args: &PlanLintArgs) -> Result<Outcome, Error> {
    let name = args.file.name();
    let bytes = args.file.read(yaml::MOST_BYTES)?;
    let plan = Plan::parse(&name, &bytes)?;
    let notes = plan.lint(super::today());
    let mut text = render_problems(&notes, terminal(args.color).color);
    if notes.is_empty() {
        let what = match args.file {
            Source::Stdin => "the plan",
            Source::File(_) => name.as_str(),
        };
        text = format!("{} is fine\n", crate::error::printable(what));
    }
    print(&text)?;
    Ok(Outcome::Done)
}

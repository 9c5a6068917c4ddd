//! `pathvet demo`: the built-in network.

use super::args::ColorArg;
use super::{DemoArgs, LabHostArgs, Outcome};
use crate::error::{Error, InputError};

pub(super) fn run(args: &DemoArgs, _color: ColorArg) -> Result<Outcome, Error> {
    let name = args.topology.as_deref().unwrap_or("story");
    Err(InputError::one("--topology", format!("no topology is called `{name}`")).into())
}

/// Becomes one host of the built-in network.
pub(super) fn lab_host(_args: &LabHostArgs) -> Outcome {
    Outcome::Done
}

//! `pathvet probe`: one path, its sizes shown as they are decided.

use super::output::{print, terminal};
use super::request::Request;
use super::{Outcome, ProbeVerbArgs, gather};
use crate::error::Error;
use crate::report::ladder;

pub(super) fn run(args: &ProbeVerbArgs) -> Result<Outcome, Error> {
    let request = Request::one(&args.host, &args.probing, args.expect)?;
    if args.probing.dry_run {
        return print(&gather::forecast(&request)).map(|()| Outcome::Done).map_err(Error::from);
    }
    let view = terminal(args.color);
    let evidence = gather::gather(&request, None)?;
    for path in &evidence.paths {
        print(&ladder::render(path, None, &view))?;
    }
    Ok(Outcome::Done)
}

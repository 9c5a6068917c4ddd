//! `pathvet probe`: one path, its sizes shown as they are decided.

use super::gather::Watch;
use super::output::{print, terminal};
use super::request::Request;
use super::watch::LadderOnStdout;
use super::{Outcome, ProbeVerbArgs, gather};
use crate::error::{Error, OutputError};
use crate::report::ladder;
use std::io::ErrorKind;
use std::path::Path;

/// Lines of a terminal whose height is not known.
const ROWS: usize = 24;

pub(super) fn run(args: &ProbeVerbArgs) -> Result<Outcome, Error> {
    let request = Request::one(&args.host, &args.probing, args.expect)?;
    if args.probing.dry_run {
        return print(&gather::forecast(&request)).map(|()| Outcome::Done).map_err(Error::from);
    }
    let view = terminal(args.color);
    let rows = terminal_size::terminal_size_of(std::io::stdout()).map_or(ROWS, |(_, height)| usize::from(height.0));
    let expected = request.expect.mtu;
    let mut live = LadderOnStdout::new(args.host.as_str(), expected, view, rows);
    let evidence = gather::gather(&request, None, Watch { observer: &mut live, ladder_only: true })?;
    let mut paths = evidence.paths.iter();
    if let Some(path) = paths.next() {
        match live.finish(path) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                return Err(OutputError::new("write", Path::new("standard output"), error).into());
            }
            _ => {}
        }
    }
    for path in paths {
        print(&format!("\n{}", ladder::render(path, expected, &view)))?;
    }
    Ok(Outcome::Done)
}

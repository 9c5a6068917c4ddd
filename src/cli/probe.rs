//! `pathvet probe`: one path, its sizes shown as they are decided.

use super::output::{print, terminal};
use super::request::Request;
use super::watch::LiveLadder;
use super::{Outcome, ProbeVerbArgs, gather, signalled};
use crate::error::{Error, OutputError};
use std::io::ErrorKind;
use std::path::Path;

pub(super) fn run(args: &ProbeVerbArgs) -> Result<Outcome, Error> {
    let request = Request::one(&args.host, &args.probing, args.expect)?;
    if args.probing.dry_run {
        return print(&gather::forecast(&request)).map(|()| Outcome::Done).map_err(Error::from);
    }
    let mut ladder = LiveLadder::new(terminal(args.color), request.expect.mtu);
    let found = gather::gather(&request, None, &mut ladder)?;
    if let Some(path) = found.evidence.paths.first() {
        match ladder.finish(path) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                return Err(OutputError::new("write", Path::new("standard output"), error).into());
            }
            _ => {}
        }
    }
    Ok(found.signal.map_or(Outcome::Done, |signal| Outcome::Judged(signalled(signal))))
}

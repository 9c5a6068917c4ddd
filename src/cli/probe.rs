//! `pathvet probe`: one path, its sizes shown as they are decided.

use super::output::{print, terminal};
use super::request::Request;
use super::watch::LiveLadder;
use super::{Outcome, ProbeVerbArgs, gather, signalled};
use crate::error::{Error, OutputError, printable};
use crate::report::ladder;
use pathvet_checks::evidence::Path;
use pathvet_checks::report::{self, PathReport};
use std::io::ErrorKind;
use std::path::Path as Place;

pub(super) fn run(args: &ProbeVerbArgs) -> Result<Outcome, Error> {
    let request = Request::one(&args.host, &args.probing, args.expect)?;
    if args.probing.dry_run {
        return print(&gather::forecast(&request)).map(|()| Outcome::Done).map_err(Error::from);
    }
    let view = terminal(args.color);
    let mut live = LiveLadder::new(view, request.expect.mtu);
    let found = gather::gather(&request, None, &mut live)?;
    let Some(path) = found.evidence.paths.first() else { return Ok(Outcome::Done) };
    match live.finish(path) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            return Err(OutputError::new("write", Place::new("standard output"), error).into());
        }
        _ => {}
    }
    let host = found.evidence.hosts.iter().find(|host| host.name == path.from);
    let link = host.and_then(|host| host.link(path.interface.as_deref()?));
    let head = PathReport {
        path: path.clone(),
        expected_mtu: request.expect.mtu,
        interface_driver: link.and_then(|link| link.driver.clone()),
        interface_speed_mbps: link.and_then(|link| link.speed_mbps),
    };
    let gap = if path.rungs.is_empty() { "" } else { "\n" };
    print(&format!("{gap}{}{}", ladder::head(&head, &view), why_not(path)))?;
    if let Some(signal) = found.signal {
        return Ok(Outcome::Judged(signalled(signal)));
    }
    // What could not be measured is not done.
    Ok(if path.path_mtu.is_some() { Outcome::Done } else { Outcome::Judged(report::Outcome::Unknown.exit_code()) })
}

/// Why there is no path MTU, as a line; empty where there is one.
fn why_not(path: &Path) -> String {
    if path.path_mtu.is_some() {
        return String::new();
    }
    let known = [&path.resolve_error, &path.unreachable, &path.incomplete, &path.send_error];
    let why = known.into_iter().flatten().next().map_or("no answer; `pathvet check` says more", String::as_str);
    format!("{}\n", printable(why))
}

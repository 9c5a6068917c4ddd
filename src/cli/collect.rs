//! `pathvet collect`: the evidence alone.

use super::output::{Sink, print, print_with};
use super::request::Request;
use super::watch::ProgressLine;
use super::{CollectArgs, Outcome, gather, signalled};
use crate::error::Error;
use std::io::Write;

pub(super) fn run(args: &CollectArgs) -> Result<Outcome, Error> {
    let request = Request::new(&args.targets, &args.probing, args.expect, args.root.as_deref())?.listening(args.lldp)?;
    if args.probing.dry_run {
        return print(&gather::forecast(&request)).map(|()| Outcome::Done).map_err(Error::from);
    }
    request.confirm(&args.targets, args.probing.yes)?;
    let sink = args.out.as_deref().map(Sink::open).transpose()?;
    let mut line = ProgressLine::new(args.quiet);
    let found = gather::gather(&request, args.record.as_deref(), &mut line)?;
    drop(line);
    let content = |out: &mut dyn Write| gather::write_json(&found.evidence, out);
    match sink {
        Some(sink) => sink.write(content)?,
        None => print_with(content)?,
    }
    Ok(found.signal.map_or(Outcome::Done, |signal| Outcome::Judged(signalled(signal))))
}

//! Dumps of rtnetlink: one request, many messages, and a gap for those that cannot be read.

use super::gap;
use crate::host::Host;
use pathvet_checks::evidence::Gap;
use pathvet_checks::wire::nla::{self, Message};
use pathvet_checks::wire::rtnl::Unreadable;
use std::io;

/// One dump, and what `read` makes of each of its messages. `None` and a gap where nothing could be asked; where single
/// messages are unreadable, one gap counts them.
pub(super) fn dump<T>(
    host: &dyn Host,
    what: &str,
    place: &str,
    request: &[u8],
    mut read: impl FnMut(&Message<'_>) -> Result<Option<T>, Unreadable>,
) -> (Option<Vec<T>>, Vec<Gap>) {
    let answer = match host.netlink(libc::NETLINK_ROUTE, request) {
        Ok(answer) => answer,
        Err(error) => return (None, vec![gap::from_error(what, place, &error)]),
    };
    let mut table = Vec::new();
    let mut faults = Faults::default();
    let mut changed = false;
    for message in nla::messages(&answer) {
        match message {
            Ok(message) => {
                changed |= message.flags & nla::DUMP_INTERRUPTED != 0;
                match read(&message) {
                    Ok(row) => table.extend(row),
                    Err(fault) => faults.add(fault),
                }
            }
            Err(fault) => faults.add(fault.into()),
        }
    }
    let mut gaps = faults.gap(what, place);
    if changed {
        let detail = "the table kept changing while it was read; entries may be missing or doubled";
        gaps.push(gap::from_error(what, place, &io::Error::new(io::ErrorKind::TimedOut, detail)));
    }
    (Some(table), gaps)
}

/// Unreadable messages of one dump.
#[derive(Default)]
struct Faults {
    count: usize,
    first: Option<Unreadable>,
}

impl Faults {
    fn add(&mut self, fault: Unreadable) {
        self.first.get_or_insert(fault);
        self.count += 1;
    }

    fn gap(self, what: &str, place: &str) -> Vec<Gap> {
        let Some(first) = self.first else { return Vec::new() };
        vec![gap::malformed(
            what,
            place,
            match self.count {
                1 => format!("one message cannot be read: {first}"),
                count => format!("{count} messages cannot be read, the first: {first}"),
            },
        )]
    }
}

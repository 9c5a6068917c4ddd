//! rtnetlink: requests made and answers read with netlink-packet-route.

use super::gap;
use crate::error::guarded;
use crate::host::Host;
use netlink_packet_core::{NetlinkHeader, NetlinkMessage, NetlinkPayload, ParseableParametrized as _};
use netlink_packet_route::RouteNetlinkMessage;
use pathvet_checks::evidence::Gap;
use pathvet_checks::wire::nla::{self, Message};
use std::io;

/// A request of one message.
pub(super) fn request(message: RouteNetlinkMessage, dump: bool) -> Vec<u8> {
    let mut header = NetlinkHeader::default();
    header.flags = nla::REQUEST | if dump { nla::DUMP } else { 0 };
    let mut message = NetlinkMessage::new(header, NetlinkPayload::from(message));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

/// Reads one message, with those attributes alone that `keep` names; `fixed` is the length of its fixed part.
///
/// The library refuses a message for one attribute that it cannot read, and old versions of it panicked on odd kernels
/// (rust-netlink/netlink-packet-route issues 140, 143, 151, 332): it sees what is needed, and what it throws is caught.
pub(super) fn parse(message: &Message<'_>, fixed: usize, keep: &[u16]) -> Result<RouteNetlinkMessage, String> {
    let body = nla::retain(message, fixed, keep).map_err(|fault| fault.to_string())?;
    match guarded(|| RouteNetlinkMessage::parse_with_param(&body, message.kind)) {
        Ok(Ok(parsed)) => Ok(parsed),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("the netlink library gave up on it".into()),
    }
}

/// One dump, and what `read` makes of each of its messages. `None` and a gap where nothing could be asked; where single
/// messages are unreadable, one gap counts them.
pub(super) fn dump<T>(
    host: &dyn Host,
    what: &str,
    place: &str,
    request: RouteNetlinkMessage,
    mut read: impl FnMut(&Message<'_>) -> Result<Option<T>, String>,
) -> (Option<Vec<T>>, Vec<Gap>) {
    let answer = match host.netlink(libc::NETLINK_ROUTE, &self::request(request, true)) {
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
            Err(fault) => faults.add(fault.to_string()),
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
    first: String,
}

impl Faults {
    fn add(&mut self, fault: String) {
        if self.count == 0 {
            self.first = fault;
        }
        self.count += 1;
    }

    fn gap(self, what: &str, place: &str) -> Vec<Gap> {
        match self.count {
            0 => Vec::new(),
            1 => vec![gap::malformed(what, place, format!("one message cannot be read: {}", self.first))],
            count => vec![gap::malformed(what, place, format!("{count} messages cannot be read, the first: {}", self.first))],
        }
    }
}

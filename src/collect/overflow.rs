//! How often the kernel's neighbour tables were full. They are one for all network namespaces of a machine, so others may fill them;
//! a host that is then not resolved is not a host that is down.

use crate::host::Host;
use pathvet_checks::wire::nla::{self, Builder};

const RTM_NEWNEIGHTBL: u16 = 64;
const RTM_GETNEIGHTBL: u16 = 66;
/// `struct ndtmsg`.
const HEADER: usize = 4;
/// `NDTA_STATS`, a `struct ndt_stats`.
const STATS: u16 = 7;
/// `ndts_table_fulls`, the eleventh of its 64-bit fields.
const TABLE_FULLS: usize = 10 * 8;

/// How often an entry found no room since the machine started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Overflows {
    /// ARP, IPv4.
    pub v4: u64,
    /// Neighbour discovery, IPv6.
    pub v6: u64,
}

/// Reads both tables' counters (`RTM_GETNEIGHTBL`, Linux 4.2 for the counter); `None` where the kernel does not tell.
#[must_use]
pub fn overflows(host: &dyn Host) -> Option<Overflows> {
    let request = Builder::new(RTM_GETNEIGHTBL, nla::REQUEST | nla::DUMP, &[0; HEADER]).finish();
    let answer = host.netlink(libc::NETLINK_ROUTE, &request).ok()?;
    let mut found = None;
    for message in nla::messages(&answer).flatten().filter(|message| message.kind == RTM_NEWNEIGHTBL) {
        let family = i32::from(*message.body.first()?);
        let Some(attributes) = message.body.get(HEADER..) else { continue };
        let stats = nla::attributes(attributes).flatten().find(|attribute| attribute.kind == STATS);
        // One message a table has them; the others are about single interfaces.
        let Some(fulls) = stats.and_then(|stats| nla::read_u64(stats.value.get(TABLE_FULLS..TABLE_FULLS + 8)?)) else { continue };
        let overflows = found.get_or_insert_with(Overflows::default);
        match family {
            libc::AF_INET => overflows.v4 = fulls,
            libc::AF_INET6 => overflows.v6 = fulls,
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::ThisHost;

    #[test]
    fn the_kernel_counts_them() {
        let once = overflows(&ThisHost).expect("the kernel tells");
        let again = overflows(&ThisHost).expect("the kernel tells");
        assert!(again.v4 >= once.v4 && again.v6 >= once.v6);
    }
}

//! Collectors: each reads one table of the evidence and returns it with its gaps.
//!
//! A collector cannot fail and never judges. What it does not learn becomes a [`Gap`] that says what, where and why; a table
//! of which nothing is known is `None`, and one message that cannot be read costs that message alone.

mod counters;
mod dcb;
mod gap;
mod identity;
mod infiniband;
mod ipoib;
mod links;
mod lldp;
mod memory;
mod modules;
mod neighbours;
mod opensm;
mod overflow;
mod power;
mod read;
mod roce;
mod routes;
mod rtnetlink;
mod rules;
mod subnet_manager;
mod sysctl;
mod sysfs;
mod tuning;
mod used;
mod words;

pub use counters::{CounterSample, apply_counters, sample_counters};
pub use identity::local_name;
pub use infiniband::{coming_up, infiniband, infiniband_again};
pub use links::links;
pub use lldp::{Ears, Listening, Waiting};
pub use memory::memory;
pub use modules::modules;
pub use neighbours::neighbours;
pub use overflow::{Overflows, overflows};
pub use pathvet_checks::wire::rtnl::RouteQuery;
pub use power::power;
pub use read::{EVIDENCE_LIMIT, ReadError, read_evidence};
pub use routes::routes;
pub use subnet_manager::subnet_managers;
pub use sysctl::{SysctlFiles, boot_loader, sysctl};
pub use tuning::tuning;
pub use used::{Routing, route_used, routes_used};

use crate::host::Host;
use jiff::Timestamp;
use pathvet_checks::evidence::{self, Gap};

/// Reads everything that one host says of itself: who it is, its links, routes, neighbours, InfiniBand ports and modules.
///
/// `now` is when the tables were read, unless the host is a recording with a date of its own.
#[must_use]
pub fn host(host: &dyn Host, now: Timestamp) -> evidence::Host {
    let mut gaps = Vec::new();
    let mut found = identity::identity(host, &mut gaps);
    found.taken = Some(host.taken().unwrap_or(now));
    found.links = take(links(host), &mut gaps);
    gaps.extend(dcb::dcb(host, found.links.as_deref_mut().unwrap_or_default()));
    let links = found.links.as_deref().unwrap_or_default();
    found.routes = take(routes(host, links), &mut gaps);
    found.neighbours = take(neighbours(host, links), &mut gaps);
    found.infiniband = take(infiniband(host), &mut gaps);
    found.modules = take(modules(host), &mut gaps);
    found.roce = roce::roce(host, found.links.as_deref().unwrap_or_default());
    gaps.extend(ipoib::ipoib(host, &mut found));
    gaps.sort();
    gaps.dedup();
    found.gaps = gaps;
    found
}

/// Whether a recorded tree has nothing of `/sys`, so that what is missing there says nothing.
fn without_sysfs(host: &dyn Host) -> bool {
    !host.live() && host.list("/sys/class").is_err()
}

fn take<T>((table, more): (Option<T>, Vec<Gap>), gaps: &mut Vec<Gap>) -> Option<T> {
    gaps.extend(more);
    table
}

//! Collectors: each reads one table of the evidence and returns it with its gaps.
//!
//! A collector cannot fail and never judges. What it does not learn becomes a [`Gap`] that says what, where and why; a table
//! of which nothing is known is `None`, and one message that cannot be read costs that message alone.

mod counters;
mod gap;
mod identity;
mod links;
mod memory;
mod neighbours;
mod overflow;
mod power;
mod read;
mod routes;
mod rtnetlink;
mod rules;
mod sysctl;
mod sysfs;
mod tuning;
mod used;
mod words;

pub use counters::{CounterSample, apply_counters, sample_counters};
pub use identity::local_name;
pub use links::links;
pub use memory::memory;
pub use neighbours::neighbours;
pub use overflow::{Overflows, overflows};
pub use power::power;
pub use read::{EVIDENCE_LIMIT, ReadError, read_evidence};
pub use routes::routes;
pub use sysctl::{SysctlFiles, boot_loader, sysctl};
pub use tuning::tuning;
pub use used::{RouteQuery, Routing, route_used, routes_used};

use crate::host::Host;
use jiff::Timestamp;
use pathvet_checks::evidence::{self, Gap};

/// Reads everything that one host says of itself: who it is, its links, routes and neighbours.
///
/// `now` is when the tables were read, unless the host is a recording with a date of its own.
#[must_use]
pub fn host(host: &dyn Host, now: Timestamp) -> evidence::Host {
    let mut gaps = Vec::new();
    let mut found = identity::identity(host, &mut gaps);
    found.taken = Some(host.taken().unwrap_or(now));
    found.links = take(links(host), &mut gaps);
    let links = found.links.as_deref().unwrap_or_default();
    found.routes = take(routes(host, links), &mut gaps);
    found.neighbours = take(neighbours(host, links), &mut gaps);
    gaps.sort();
    gaps.dedup();
    found.gaps = gaps;
    found
}

fn take<T>((table, more): (Option<T>, Vec<Gap>), gaps: &mut Vec<Gap>) -> Option<T> {
    gaps.extend(more);
    table
}

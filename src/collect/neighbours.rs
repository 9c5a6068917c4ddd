//! ARP and ND entries.

use super::links::{Names, name, names};
use super::{rtnetlink, words};
use crate::host::Host;
use pathvet_checks::evidence::{Gap, Link, Neighbour};
use pathvet_checks::wire::{linkinfo, rtnl};

const PLACE: &str = "netlink RTM_GETNEIGH";

/// The neighbour tables of both families, as `ip neigh` shows them: without `noarp` entries, which are made by the kernel. `links` gives the names
/// of the interfaces.
#[must_use]
pub fn neighbours(host: &dyn Host, links: &[Link]) -> (Option<Vec<Neighbour>>, Vec<Gap>) {
    let names = names(links);
    let (table, gaps) = rtnetlink::dump(host, "neighbours", PLACE, &rtnl::neighbours_request(), |message| {
        let row = rtnl::Neighbour::read(message)?.and_then(|row| read(&row, &names));
        Ok(row.filter(|row| row.state != "noarp" && row.state != "none"))
    });
    let table = table.map(|mut table| {
        table.sort();
        table
    });
    (table, gaps)
}

fn read(row: &rtnl::Neighbour<'_>, names: &Names) -> Option<Neighbour> {
    Some(Neighbour {
        dst: row.dst?,
        dev: name(names, row.index),
        lladdr: row.lladdr.filter(|address| !address.is_empty()).map(linkinfo::mac),
        state: words::neighbour_state(row.state).into(),
        router: row.router,
    })
}

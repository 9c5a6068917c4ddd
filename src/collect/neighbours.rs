//! ARP and ND entries.

use super::links::{Names, name, names};
use super::{rtnetlink, words};
use crate::host::Host;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage};
use pathvet_checks::evidence::{Gap, Link, Neighbour};
use pathvet_checks::wire::linkinfo;
use std::net::IpAddr;

/// `struct ndmsg`.
const HEADER: usize = 12;
/// `NDA_DST`, `NDA_LLADDR`.
const ATTRIBUTES: [u16; 2] = [1, 2];
const PLACE: &str = "netlink RTM_GETNEIGH";

/// The neighbour tables of both families, as `ip neigh` shows them: without `noarp` entries, which are made by the kernel. `links` gives the names
/// of the interfaces.
#[must_use]
pub fn neighbours(host: &dyn Host, links: &[Link]) -> (Option<Vec<Neighbour>>, Vec<Gap>) {
    let names = names(links);
    let request = RouteNetlinkMessage::GetNeighbour(NeighbourMessage::default());
    let (table, gaps) = rtnetlink::dump(host, "neighbours", PLACE, request, |message| {
        let RouteNetlinkMessage::NewNeighbour(row) = rtnetlink::parse(message, HEADER, &ATTRIBUTES)? else {
            return Ok(None);
        };
        Ok(read(&row, &names).filter(|row| row.state != "noarp" && row.state != "none"))
    });
    let table = table.map(|mut table| {
        table.sort();
        table
    });
    (table, gaps)
}

fn read(row: &NeighbourMessage, names: &Names) -> Option<Neighbour> {
    let mut dst = None;
    let mut lladdr = None;
    for attribute in &row.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(ip)) => dst = Some(IpAddr::from(*ip)),
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(ip)) => dst = Some(IpAddr::from(*ip)),
            NeighbourAttribute::LinkLayerAddress(bytes) if !bytes.is_empty() => lladdr = Some(linkinfo::mac(bytes)),
            _ => {}
        }
    }
    Some(Neighbour {
        dst: dst?,
        dev: name(names, row.header.ifindex),
        lladdr,
        state: words::neighbour_state(u16::from(row.header.state)).into(),
        router: row.header.flags.contains(NeighbourFlags::Router),
    })
}

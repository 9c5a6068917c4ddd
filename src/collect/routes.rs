//! Routes of every table.

use super::links::{Names, name, names};
use super::{rtnetlink, words};
use crate::host::Host;
use pathvet_checks::evidence::{Gap, Link, Route};
use pathvet_checks::size::Family;
use pathvet_checks::wire::rtnl;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The routes of all tables and both families, without the kernel's cached ones. `links` gives the names of the interfaces.
#[must_use]
pub fn routes(host: &dyn Host, links: &[Link]) -> (Option<Vec<Route>>, Vec<Gap>) {
    let names = names(links);
    let mut table: Option<Vec<Route>> = None;
    let mut gaps = Vec::new();
    for (family, place) in [(Family::V4, "netlink RTM_GETROUTE inet"), (Family::V6, "netlink RTM_GETROUTE inet6")] {
        let (rows, more) = rtnetlink::dump(host, "routes", place, &rtnl::routes_request(family), |message| {
            Ok(rtnl::Route::read(message)?.filter(|row| !row.cloned).map(|row| route(&row, &names)))
        });
        gaps.extend(more);
        if let Some(rows) = rows {
            table.get_or_insert_default().extend(rows);
        }
    }
    (table, gaps)
}

/// The entry: `default`, or address/prefix.
pub(super) fn destination(row: &rtnl::Route) -> String {
    let unspecified = || match row.family {
        Family::V4 => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
    };
    match (row.dst, row.prefix_length) {
        (None, 0) => "default".into(),
        (dst, length) => format!("{}/{length}", dst.unwrap_or_else(unspecified)),
    }
}

fn route(row: &rtnl::Route, names: &Names) -> Route {
    Route {
        dst: destination(row),
        family: row.family.number(),
        kind: words::route_type(row.kind),
        table: row.table,
        dev: row.oif.map(|index| name(names, index)),
        gateway: row.gateway,
        prefsrc: row.prefsrc,
        scope: Some(words::scope(row.scope)),
        protocol: Some(words::route_protocol(row.protocol)),
        metric: row.priority,
        mtu: row.mtu,
        mtu_locked: row.mtu_locked,
        advmss: row.advmss,
        nexthops: row.nexthops,
    }
}

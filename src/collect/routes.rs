//! Routes of every table.

use super::links::{Names, name, names};
use super::{rtnetlink, words};
use crate::host::Host;
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteMetric, RouteVia};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use pathvet_checks::evidence::{Gap, Link, Route};
use pathvet_checks::wire::nla;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `struct rtmsg`.
pub(super) const HEADER: usize = 12;
/// `RTA_` `DST`, `OIF`, `GATEWAY`, `PRIORITY`, `PREFSRC`, `METRICS`, `MULTIPATH`, `CACHEINFO`, `TABLE`, `VIA`.
pub(super) const ATTRIBUTES: [u16; 10] = [1, 4, 5, 6, 7, 8, 9, 12, 15, 18];
/// `RTAX_MTU` as a bit of `RTAX_LOCK`.
const LOCK_MTU: u32 = 1 << 2;

/// The routes of all tables and both families, without the kernel's cached ones. `links` gives the names of the interfaces.
#[must_use]
pub fn routes(host: &dyn Host, links: &[Link]) -> (Option<Vec<Route>>, Vec<Gap>) {
    let names = names(links);
    let mut table: Option<Vec<Route>> = None;
    let mut gaps = Vec::new();
    for (family, place) in
        [(AddressFamily::Inet, "netlink RTM_GETROUTE inet"), (AddressFamily::Inet6, "netlink RTM_GETROUTE inet6")]
    {
        let mut request = RouteMessage::default();
        request.header.address_family = family;
        let (rows, more) = rtnetlink::dump(host, "routes", place, RouteNetlinkMessage::GetRoute(request), |message| {
            Ok(read(message)?.filter(|fact| !fact.cloned).map(|fact| fact.route(&names)))
        });
        gaps.extend(more);
        if let Some(rows) = rows {
            table.get_or_insert_default().extend(rows);
        }
    }
    (table, gaps)
}

/// A route message, taken apart.
#[derive(Debug, Clone, Default)]
pub(super) struct Fact {
    pub(super) family: u8,
    pub(super) kind: u8,
    pub(super) protocol: u8,
    pub(super) scope: u8,
    pub(super) prefix_length: u8,
    /// `RTM_F_CLONED`: made by the kernel from another, for one destination.
    pub(super) cloned: bool,
    pub(super) dst: Option<IpAddr>,
    pub(super) oif: Option<u32>,
    pub(super) gateway: Option<IpAddr>,
    pub(super) prefsrc: Option<IpAddr>,
    pub(super) table: u32,
    pub(super) priority: Option<u32>,
    pub(super) mtu: Option<u32>,
    pub(super) mtu_locked: bool,
    pub(super) advmss: Option<u32>,
    /// `rta_expires` in ticks of 1/100 s (`USER_HZ`).
    pub(super) expires: Option<u32>,
    pub(super) nexthops: u32,
}

/// Reads a route message; `None` for one of another kind or family.
pub(super) fn read(message: &nla::Message<'_>) -> Result<Option<Fact>, String> {
    let RouteNetlinkMessage::NewRoute(row) = rtnetlink::parse(message, HEADER, &ATTRIBUTES)? else {
        return Ok(None);
    };
    let family = match row.header.address_family {
        AddressFamily::Inet => 4,
        AddressFamily::Inet6 => 6,
        _ => return Ok(None),
    };
    let mut fact = Fact {
        family,
        kind: u8::from(row.header.kind),
        protocol: u8::from(row.header.protocol),
        scope: u8::from(row.header.scope),
        prefix_length: row.header.destination_prefix_length,
        cloned: row.header.flags.contains(RouteFlags::Cloned),
        table: u32::from(row.header.table),
        ..Fact::default()
    };
    for attribute in &row.attributes {
        fact.add(attribute);
    }
    Ok(Some(fact))
}

impl Fact {
    fn add(&mut self, attribute: &RouteAttribute) {
        match attribute {
            RouteAttribute::Destination(address) => self.dst = ip(address),
            RouteAttribute::Gateway(address) => self.gateway = ip(address),
            RouteAttribute::PrefSource(address) => self.prefsrc = ip(address),
            // An IPv4 route through an IPv6 next hop (RFC 8950).
            RouteAttribute::Via(RouteVia::Inet(address)) => self.gateway = Some((*address).into()),
            RouteAttribute::Via(RouteVia::Inet6(address)) => self.gateway = Some((*address).into()),
            RouteAttribute::Oif(index) => self.oif = Some(*index),
            RouteAttribute::Priority(metric) => self.priority = Some(*metric),
            RouteAttribute::Table(table) => self.table = *table,
            RouteAttribute::CacheInfo(info) => self.expires = Some(info.expires),
            RouteAttribute::Metrics(metrics) => {
                for metric in metrics {
                    match metric {
                        RouteMetric::Mtu(mtu) => self.mtu = Some(*mtu),
                        RouteMetric::Advmss(mss) => self.advmss = Some(*mss),
                        RouteMetric::Lock(bits) => self.mtu_locked = bits & LOCK_MTU != 0,
                        _ => {}
                    }
                }
            }
            RouteAttribute::MultiPath(hops) => {
                self.nexthops = u32::try_from(hops.len()).unwrap_or(u32::MAX);
                if let Some(first) = hops.first() {
                    self.oif = Some(first.interface_index);
                    for attribute in &first.attributes {
                        if matches!(attribute, RouteAttribute::Gateway(_) | RouteAttribute::Via(_)) {
                            self.add(attribute);
                        }
                    }
                }
            }
            _ => {}
        }
    }

    /// The matched entry: `default`, or address/prefix.
    pub(super) fn destination(&self) -> String {
        match (self.dst, self.prefix_length) {
            (None, 0) => "default".into(),
            (dst, length) => format!("{}/{length}", dst.unwrap_or_else(|| self.unspecified())),
        }
    }

    fn unspecified(&self) -> IpAddr {
        if self.family == 4 { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
    }

    fn route(&self, names: &Names) -> Route {
        Route {
            dst: self.destination(),
            family: self.family,
            kind: words::route_type(self.kind),
            table: self.table,
            dev: self.oif.map(|index| name(names, index)),
            gateway: self.gateway,
            prefsrc: self.prefsrc,
            scope: Some(words::scope(self.scope)),
            protocol: Some(words::route_protocol(self.protocol)),
            metric: self.priority,
            mtu: self.mtu,
            mtu_locked: self.mtu_locked,
            advmss: self.advmss,
            nexthops: self.nexthops,
        }
    }
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(ip) => Some((*ip).into()),
        RouteAddress::Inet6(ip) => Some((*ip).into()),
        _ => None,
    }
}

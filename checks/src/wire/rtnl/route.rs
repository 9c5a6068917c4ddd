//! Routes (`linux/rtnetlink.h`). A run asks for two of each target, so reading one must cost nothing but the walk.

use super::{Unreadable, exact, family, family_number, ip, number32, open};
use crate::size::Family;
use crate::wire::nla::{self, Builder, Malformed, Message};
use alloc::vec::Vec;
use core::net::IpAddr;

const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
/// Length of `struct rtmsg`.
const FIXED: usize = 12;
/// Length of `struct rtnexthop`.
const HOP: usize = 8;
/// `RTM_F_CLONED`.
const CLONED: u32 = 0x200;
/// `RTM_F_LOOKUP_TABLE`: the answer names the table that matched.
const LOOKUP_TABLE: u32 = 0x1000;
/// `RTM_F_FIB_MATCH`: the answer is the entry that matched, not the route that is made of it.
const FIB_MATCH: u32 = 0x2000;
const RTA_DST: u16 = 1;
const RTA_SRC: u16 = 2;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_PREFSRC: u16 = 7;
const RTA_METRICS: u16 = 8;
const RTA_MULTIPATH: u16 = 9;
const RTA_CACHEINFO: u16 = 12;
const RTA_TABLE: u16 = 15;
const RTA_MARK: u16 = 16;
const RTA_VIA: u16 = 18;
const RTAX_LOCK: u16 = 1;
const RTAX_MTU: u16 = 2;
const RTAX_ADVMSS: u16 = 8;
/// `RTAX_MTU` as a bit of `RTAX_LOCK`.
const LOCK_MTU: u32 = 1 << RTAX_MTU;
/// Length of `struct rta_cacheinfo`.
const CACHEINFO: usize = 32;

/// Asks for the routes of every table of one family (`RTM_GETROUTE`).
#[must_use]
pub fn routes_request(family: Family) -> Vec<u8> {
    let mut fixed = [0; FIXED];
    fixed[0] = family_number(family);
    Builder::new(RTM_GETROUTE, nla::REQUEST | nla::DUMP, &fixed).finish()
}

/// A question to the kernel: which way a packet goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteQuery {
    /// Where to.
    pub dst: IpAddr,
    /// Index of the interface that the probes are bound to.
    pub oif: Option<u32>,
    /// Source address that the probes are bound to.
    pub source: Option<IpAddr>,
    /// TOS or traffic class byte of the probes.
    pub tos: u8,
    /// `SO_MARK` of the probes.
    pub mark: u32,
}

impl RouteQuery {
    /// The question of a socket that is bound to nothing.
    #[must_use]
    pub const fn to(dst: IpAddr) -> Self {
        Self { dst, oif: None, source: None, tos: 0, mark: 0 }
    }

    /// Its request (`RTM_GETROUTE`); with `fib_match` for the entry of the table (Linux 4.13, for IPv6 4.17), else for the
    /// route that would be used, with what is cached of it. A source of the other family is left out.
    #[must_use]
    pub fn request(&self, fib_match: bool) -> Vec<u8> {
        let family = Family::of(self.dst);
        let length = match family {
            Family::V4 => 32,
            Family::V6 => 128,
        };
        let source = self.source.filter(|source| Family::of(*source) == family);
        let flags = if fib_match { LOOKUP_TABLE | FIB_MATCH } else { LOOKUP_TABLE };
        let mut fixed = [0; FIXED];
        fixed[0] = family_number(family);
        fixed[1] = length;
        fixed[2] = source.map_or(0, |_| length);
        fixed[3] = self.tos;
        fixed[8..].copy_from_slice(&flags.to_ne_bytes());
        let mut request = Builder::new(RTM_GETROUTE, nla::REQUEST, &fixed);
        request.ip(RTA_DST, self.dst);
        if let Some(source) = source {
            request.ip(RTA_SRC, source);
        }
        if let Some(oif) = self.oif {
            request.u32(RTA_OIF, oif);
        }
        if self.mark != 0 {
            request.u32(RTA_MARK, self.mark);
        }
        request.finish()
    }
}

/// One route: `RTM_NEWROUTE`, a `struct rtmsg` and attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// `rtm_family`.
    pub family: Family,
    /// `rtm_dst_len`, bits.
    pub prefix_length: u8,
    /// `rtm_protocol`, an `RTPROT_*`.
    pub protocol: u8,
    /// `rtm_scope`, an `RT_SCOPE_*`.
    pub scope: u8,
    /// `rtm_type`, an `RTN_*`.
    pub kind: u8,
    /// `RTM_F_CLONED`: made by the kernel from another, for one destination.
    pub cloned: bool,
    /// `RTA_TABLE`, or `rtm_table`, which has eight bits.
    pub table: u32,
    /// `RTA_DST`; `None` for the default route.
    pub dst: Option<IpAddr>,
    /// `RTA_OIF`, or that of the first next hop.
    pub oif: Option<u32>,
    /// `RTA_GATEWAY`, or `RTA_VIA` where it is of the other family (RFC 8950), or that of the first next hop.
    pub gateway: Option<IpAddr>,
    /// `RTA_PREFSRC`.
    pub prefsrc: Option<IpAddr>,
    /// `RTA_PRIORITY`: the metric.
    pub priority: Option<u32>,
    /// `RTAX_MTU`, bytes.
    pub mtu: Option<u32>,
    /// `RTAX_LOCK` has the MTU: path-MTU discovery does not change it.
    pub mtu_locked: bool,
    /// `RTAX_ADVMSS`, bytes.
    pub advmss: Option<u32>,
    /// `rta_expires` of `RTA_CACHEINFO`, in ticks of 1/100 s (`USER_HZ`).
    pub expires: Option<u32>,
    /// How many next hops `RTA_MULTIPATH` has.
    pub nexthops: u32,
}

impl Route {
    /// Reads a message; `None` for one that is not about a route of IPv4 or IPv6, or about one that goes.
    ///
    /// # Errors
    ///
    /// As for [`Link::read`](super::Link::read).
    pub fn read(message: &Message<'_>) -> Result<Option<Self>, Unreadable> {
        let Some((&fixed, attributes)) = open::<FIXED>(message, RTM_NEWROUTE)? else { return Ok(None) };
        let [number, prefix_length, _, _, table, protocol, scope, kind, flags @ ..] = fixed;
        let Some(family) = family(number) else { return Ok(None) };
        let mut route = Self {
            family,
            prefix_length,
            protocol,
            scope,
            kind,
            cloned: u32::from_ne_bytes(flags) & CLONED != 0,
            table: table.into(),
            dst: None,
            oif: None,
            gateway: None,
            prefsrc: None,
            priority: None,
            mtu: None,
            mtu_locked: false,
            advmss: None,
            expires: None,
            nexthops: 0,
        };
        for attribute in attributes {
            let attribute = attribute?;
            let value = attribute.value;
            match attribute.kind {
                RTA_DST => route.dst = Some(ip("RTA_DST", family, value)?),
                RTA_OIF => route.oif = Some(number32("RTA_OIF", value)?),
                RTA_GATEWAY | RTA_VIA => route.via(attribute.kind, value)?,
                RTA_PRIORITY => route.priority = Some(number32("RTA_PRIORITY", value)?),
                RTA_PREFSRC => route.prefsrc = Some(ip("RTA_PREFSRC", family, value)?),
                RTA_METRICS => route.metrics(value)?,
                RTA_MULTIPATH => route.multipath(value)?,
                RTA_CACHEINFO => route.expires = Some(expires(value)?),
                RTA_TABLE => route.table = number32("RTA_TABLE", value)?,
                _ => {}
            }
        }
        Ok(Some(route))
    }

    /// `RTA_GATEWAY`, or a `struct rtvia`; one of neither family changes nothing.
    fn via(&mut self, kind: u16, value: &[u8]) -> Result<(), Unreadable> {
        if kind == RTA_GATEWAY {
            self.gateway = Some(ip("RTA_GATEWAY", self.family, value)?);
            return Ok(());
        }
        let Some((number, address)) = value.split_first_chunk::<2>() else {
            return Err(Unreadable::Address { attribute: "RTA_VIA", length: value.len() });
        };
        // An address family has eight bits wherever a route is concerned.
        let number = u16::from_ne_bytes(*number).to_le_bytes()[0];
        if let Some(family) = family(number) {
            self.gateway = Some(ip("RTA_VIA", family, address)?);
        }
        Ok(())
    }

    fn metrics(&mut self, value: &[u8]) -> Result<(), Unreadable> {
        for metric in nla::attributes(value) {
            let metric = metric.map_err(|fault| Unreadable::Nested { attribute: "RTA_METRICS", fault })?;
            match metric.kind {
                RTAX_LOCK => self.mtu_locked = number32("RTAX_LOCK", metric.value)? & LOCK_MTU != 0,
                RTAX_MTU => self.mtu = Some(number32("RTAX_MTU", metric.value)?),
                RTAX_ADVMSS => self.advmss = Some(number32("RTAX_ADVMSS", metric.value)?),
                _ => {}
            }
        }
        Ok(())
    }

    /// Counts the next hops (`struct rtnexthop`, each with attributes) and takes the way of the first.
    fn multipath(&mut self, value: &[u8]) -> Result<(), Unreadable> {
        let mut rest = value;
        self.nexthops = 0;
        while !rest.is_empty() {
            let offset = value.len() - rest.len();
            let length = usize::from(nla::read_u16(rest).unwrap_or(0));
            let fault = Malformed { offset, length, room: rest.len() };
            let nested = |fault| Unreadable::Nested { attribute: "RTA_MULTIPATH", fault };
            let hop = rest.get(..length).filter(|hop| hop.len() >= HOP).ok_or(nested(fault))?;
            if self.nexthops == 0 {
                self.oif = nla::read_u32(&hop[4..]);
                for attribute in nla::attributes(&hop[HOP..]) {
                    let attribute = attribute.map_err(nested)?;
                    if matches!(attribute.kind, RTA_GATEWAY | RTA_VIA) {
                        self.via(attribute.kind, attribute.value)?;
                    }
                }
            }
            self.nexthops += 1;
            rest = rest.get(nla::align(length)..).unwrap_or_default();
        }
        Ok(())
    }
}

/// `rta_expires`, the third number of `struct rta_cacheinfo`.
fn expires(value: &[u8]) -> Result<u32, Unreadable> {
    // A longer structure is one that later kernels have added to.
    let known = exact::<CACHEINFO>("RTA_CACHEINFO", value.get(..CACHEINFO).unwrap_or(value))?;
    let [_, _, _, _, _, _, _, _, a, b, c, d, ..] = known;
    Ok(u32::from_ne_bytes([a, b, c, d]))
}

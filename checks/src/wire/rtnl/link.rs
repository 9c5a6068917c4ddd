//! Links and their addresses (`linux/if_link.h`, `linux/if_addr.h`).

use super::{Unreadable, any_ip, exact, number8, number32, open, text};
use crate::wire::nla::{self, Builder, Message};
use alloc::vec::Vec;
use core::net::IpAddr;

const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
/// Length of `struct ifinfomsg`.
const LINK: usize = 16;
/// Length of `struct ifaddrmsg`.
const ADDRESS: usize = 8;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_OPERSTATE: u16 = 16;
const IFLA_LINKINFO: u16 = 18;
const IFLA_EXT_MASK: u16 = 29;
const IFLA_CARRIER: u16 = 33;
const IFLA_LINK_NETNSID: u16 = 37;
const IFLA_MIN_MTU: u16 = 50;
const IFLA_MAX_MTU: u16 = 51;
const IFLA_PARENT_DEV_NAME: u16 = 56;
/// `RTEXT_FILTER_SKIP_STATS`: half of the answer.
const SKIP_STATS: u32 = 1 << 3;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;

/// Asks for every link (`RTM_GETLINK`), without counters.
#[must_use]
pub fn links_request() -> Vec<u8> {
    Builder::new(RTM_GETLINK, nla::REQUEST | nla::DUMP, &[0; LINK]).u32(IFLA_EXT_MASK, SKIP_STATS).finish()
}

/// Asks for the addresses of every link (`RTM_GETADDR`), of both families.
#[must_use]
pub fn addresses_request() -> Vec<u8> {
    Builder::new(RTM_GETADDR, nla::REQUEST | nla::DUMP, &[0; ADDRESS]).finish()
}

/// One link: `RTM_NEWLINK`, a `struct ifinfomsg` and attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Link<'a> {
    /// `ifi_type`, an `ARPHRD_*`.
    pub link_type: u16,
    /// `ifi_index`.
    pub index: u32,
    /// `ifi_flags`, `IFF_*`.
    pub flags: u32,
    /// `IFLA_IFNAME`.
    pub name: Option<&'a str>,
    /// `IFLA_ADDRESS`: the link-layer address, of the length that the type of the link has.
    pub address: Option<&'a [u8]>,
    /// `IFLA_MTU`, bytes.
    pub mtu: Option<u32>,
    /// `IFLA_MIN_MTU`, bytes.
    pub min_mtu: Option<u32>,
    /// `IFLA_MAX_MTU`, bytes; 0 where there is none.
    pub max_mtu: Option<u32>,
    /// `IFLA_LINK`: the index of the device below, in the namespace that `netnsid` names.
    pub link: Option<u32>,
    /// `IFLA_LINK_NETNSID`.
    pub netnsid: Option<i32>,
    /// `IFLA_MASTER`: the index of the bridge, bond or VRF that the link is part of.
    pub master: Option<u32>,
    /// `IFLA_OPERSTATE`, an `IF_OPER_*`.
    pub operstate: Option<u8>,
    /// `IFLA_CARRIER`.
    pub carrier: Option<bool>,
    /// `IFLA_PARENT_DEV_NAME`: the device on its bus.
    pub parent: Option<&'a str>,
    /// `IFLA_LINKINFO`, for [`linkinfo`](crate::wire::linkinfo).
    pub info: Option<&'a [u8]>,
}

impl<'a> Link<'a> {
    /// Reads a message; `None` for one that is not about a link, or about one that goes.
    ///
    /// # Errors
    ///
    /// The message does not fit, or what is needed of it has another form than the kernel's.
    pub fn read(message: &Message<'a>) -> Result<Option<Self>, Unreadable> {
        let Some((&fixed, attributes)) = open::<LINK>(message, RTM_NEWLINK)? else { return Ok(None) };
        let [_, _, type0, type1, index0, index1, index2, index3, flags0, flags1, flags2, flags3, ..] = fixed;
        let mut link = Self {
            link_type: u16::from_ne_bytes([type0, type1]),
            index: u32::from_ne_bytes([index0, index1, index2, index3]),
            flags: u32::from_ne_bytes([flags0, flags1, flags2, flags3]),
            ..Self::default()
        };
        for attribute in attributes {
            let attribute = attribute?;
            let value = attribute.value;
            match attribute.kind {
                IFLA_ADDRESS => link.address = Some(value),
                IFLA_IFNAME => link.name = Some(text("IFLA_IFNAME", value)?),
                IFLA_MTU => link.mtu = Some(number32("IFLA_MTU", value)?),
                IFLA_MIN_MTU => link.min_mtu = Some(number32("IFLA_MIN_MTU", value)?),
                IFLA_MAX_MTU => link.max_mtu = Some(number32("IFLA_MAX_MTU", value)?),
                IFLA_LINK => link.link = Some(number32("IFLA_LINK", value)?),
                IFLA_LINK_NETNSID => link.netnsid = Some(i32::from_ne_bytes(exact("IFLA_LINK_NETNSID", value)?)),
                IFLA_MASTER => link.master = Some(number32("IFLA_MASTER", value)?),
                IFLA_OPERSTATE => link.operstate = Some(number8("IFLA_OPERSTATE", value)?),
                IFLA_CARRIER => link.carrier = Some(number8("IFLA_CARRIER", value)? != 0),
                IFLA_PARENT_DEV_NAME => link.parent = Some(text("IFLA_PARENT_DEV_NAME", value)?),
                IFLA_LINKINFO => link.info = Some(value),
                _ => {}
            }
        }
        Ok(Some(link))
    }
}

/// One address of a link: `RTM_NEWADDR`, a `struct ifaddrmsg` and attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Address {
    /// `ifa_prefixlen`, bits.
    pub prefix_length: u8,
    /// `ifa_flags`, the lower eight `IFA_F_*`.
    pub flags: u8,
    /// `ifa_index`: the link.
    pub index: u32,
    /// `IFA_ADDRESS`: the peer's on a point-to-point link, else the address itself.
    pub address: Option<IpAddr>,
    /// `IFA_LOCAL`: the address itself, where the kernel tells both.
    pub local: Option<IpAddr>,
}

impl Address {
    /// Reads a message; `None` for one that is not about an address, or about one that goes.
    ///
    /// # Errors
    ///
    /// As for [`Link::read`].
    pub fn read(message: &Message<'_>) -> Result<Option<Self>, Unreadable> {
        let Some((&fixed, attributes)) = open::<ADDRESS>(message, RTM_NEWADDR)? else { return Ok(None) };
        let [_, prefix_length, flags, _, index @ ..] = fixed;
        let mut row = Self { prefix_length, flags, index: u32::from_ne_bytes(index), ..Self::default() };
        for attribute in attributes {
            let attribute = attribute?;
            match attribute.kind {
                IFA_ADDRESS => row.address = Some(any_ip("IFA_ADDRESS", attribute.value)?),
                IFA_LOCAL => row.local = Some(any_ip("IFA_LOCAL", attribute.value)?),
                _ => {}
            }
        }
        Ok(Some(row))
    }
}

//! ARP and neighbour discovery (`linux/neighbour.h`).

use super::{Unreadable, family, ip, open};
use crate::wire::nla::{self, Builder, Message};
use alloc::vec::Vec;
use core::net::IpAddr;

const RTM_NEWNEIGH: u16 = 28;
const RTM_GETNEIGH: u16 = 30;
/// Length of `struct ndmsg`.
const FIXED: usize = 12;
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
const NTF_ROUTER: u8 = 0x80;

/// Asks for the neighbour tables of every family (`RTM_GETNEIGH`).
#[must_use]
pub fn neighbours_request() -> Vec<u8> {
    Builder::new(RTM_GETNEIGH, nla::REQUEST | nla::DUMP, &[0; FIXED]).finish()
}

/// One entry: `RTM_NEWNEIGH`, a `struct ndmsg` and attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Neighbour<'a> {
    /// `ndm_ifindex`.
    pub index: u32,
    /// `ndm_state`, `NUD_*`.
    pub state: u16,
    /// `NTF_ROUTER` of `ndm_flags`: it says that it is a router (IPv6).
    pub router: bool,
    /// `NDA_DST`; `None` for an entry that is not about IP, as those of a bridge.
    pub dst: Option<IpAddr>,
    /// `NDA_LLADDR`.
    pub lladdr: Option<&'a [u8]>,
}

impl<'a> Neighbour<'a> {
    /// Reads a message; `None` for one that is not about a neighbour, or about one that goes.
    ///
    /// # Errors
    ///
    /// As for [`Link::read`](super::Link::read).
    pub fn read(message: &Message<'a>) -> Result<Option<Self>, Unreadable> {
        let Some((&fixed, attributes)) = open::<FIXED>(message, RTM_NEWNEIGH)? else { return Ok(None) };
        let [number, _, _, _, index0, index1, index2, index3, state0, state1, flags, _] = fixed;
        let mut row = Self {
            index: u32::from_ne_bytes([index0, index1, index2, index3]),
            state: u16::from_ne_bytes([state0, state1]),
            router: flags & NTF_ROUTER != 0,
            ..Self::default()
        };
        let family = family(number);
        for attribute in attributes {
            let attribute = attribute?;
            match (attribute.kind, family) {
                (NDA_DST, Some(family)) => row.dst = Some(ip("NDA_DST", family, attribute.value)?),
                (NDA_LLADDR, _) => row.lladdr = Some(attribute.value),
                _ => {}
            }
        }
        Ok(Some(row))
    }
}

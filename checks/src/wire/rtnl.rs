//! rtnetlink: what the kernel says of links, addresses, neighbours, routes and rules, and the requests that make it say so
//! (`linux/rtnetlink.h`).
//!
//! Only what is used is read, and nothing is allocated: names and addresses borrow from the answer. An attribute that is used
//! and has another length than the kernel's makes its message [`Unreadable`]; what is not used cannot be in the way. Of two
//! attributes of one type the last counts, as in the kernel's own `nla_parse`.

mod link;
mod neighbour;
mod route;
mod rule;

pub use link::{Address, Link, addresses_request, links_request};
pub use neighbour::{Neighbour, neighbours_request};
pub use route::{Route, RouteQuery, routes_request};
pub use rule::{Rule, RuleAction, rules_request};

use super::nla::{self, Attributes, Malformed, Message};
use crate::size::Family;
use core::net::IpAddr;

/// `RTM_BASE`. Smaller types are netlink's own: errors, ends, overruns.
const FIRST: u16 = 16;
/// `RTM_MAX` of Linux 6.12.
const LAST: u16 = 123;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// Why a message says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// The message or an attribute is longer than what holds it.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// A nest of attributes, or a next hop, is longer than what holds it.
    #[error("{attribute}: {fault}")]
    Nested {
        /// What holds it.
        attribute: &'static str,
        /// What is wrong in there.
        fault: Malformed,
    },
    /// An attribute has another length than the kernel's.
    #[error("{attribute} has {length} bytes where {expected} belong")]
    Length {
        /// The attribute.
        attribute: &'static str,
        /// How many bytes it has.
        length: usize,
        /// How many the kernel writes.
        expected: usize,
    },
    /// An address that is neither one of IPv4 nor one of IPv6.
    #[error("{attribute} has {length} bytes where an IP address belongs")]
    Address {
        /// The attribute.
        attribute: &'static str,
        /// How many bytes it has.
        length: usize,
    },
    /// A name that is not UTF-8.
    #[error("{attribute} is not UTF-8")]
    Text {
        /// The attribute.
        attribute: &'static str,
    },
    /// A message that is none of rtnetlink.
    #[error("type {0} is not a message of rtnetlink")]
    Type(u16),
}

/// The fixed part and the attributes of a message of type `kind`; `None` for another message of rtnetlink.
fn open<'a, const FIXED: usize>(message: &Message<'a>, kind: u16) -> Result<Option<(&'a [u8; FIXED], Attributes<'a>)>, Unreadable> {
    let Some((fixed, rest)) = message.body.split_first_chunk() else {
        return Err(Malformed { offset: 0, length: FIXED, room: message.body.len() }.into());
    };
    if !(FIRST..=LAST).contains(&message.kind) {
        return Err(Unreadable::Type(message.kind));
    }
    Ok((message.kind == kind).then(|| (fixed, nla::attributes(rest))))
}

fn exact<const N: usize>(attribute: &'static str, value: &[u8]) -> Result<[u8; N], Unreadable> {
    value.try_into().map_err(|_| Unreadable::Length { attribute, length: value.len(), expected: N })
}

fn number8(attribute: &'static str, value: &[u8]) -> Result<u8, Unreadable> {
    exact(attribute, value).map(u8::from_ne_bytes)
}

fn number32(attribute: &'static str, value: &[u8]) -> Result<u32, Unreadable> {
    exact(attribute, value).map(u32::from_ne_bytes)
}

/// A name, without the NUL that ends it.
fn text<'a>(attribute: &'static str, value: &'a [u8]) -> Result<&'a str, Unreadable> {
    let value = value.strip_suffix(&[0]).unwrap_or(value);
    core::str::from_utf8(value).map_err(|_| Unreadable::Text { attribute })
}

/// An address of either family, which its length tells.
fn any_ip(attribute: &'static str, value: &[u8]) -> Result<IpAddr, Unreadable> {
    nla::read_ip(value).ok_or(Unreadable::Address { attribute, length: value.len() })
}

/// An address of the family of its message.
fn ip(attribute: &'static str, family: Family, value: &[u8]) -> Result<IpAddr, Unreadable> {
    match family {
        Family::V4 => exact::<4>(attribute, value).map(IpAddr::from),
        Family::V6 => exact::<16>(attribute, value).map(IpAddr::from),
    }
}

/// `AF_INET` or `AF_INET6`.
const fn family(number: u8) -> Option<Family> {
    match number {
        AF_INET => Some(Family::V4),
        AF_INET6 => Some(Family::V6),
        _ => None,
    }
}

const fn family_number(family: Family) -> u8 {
    match family {
        Family::V4 => AF_INET,
        Family::V6 => AF_INET6,
    }
}

#[cfg(test)]
mod tests;

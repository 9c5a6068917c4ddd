//! Policy rules (`linux/fib_rules.h`).

use super::{Unreadable, any_ip, exact, family_number, number8, number32, open, text};
use crate::size::Family;
use crate::wire::nla::{self, Builder, Message};
use alloc::vec::Vec;
use core::net::IpAddr;

const RTM_NEWRULE: u16 = 32;
const RTM_GETRULE: u16 = 34;
/// Length of `struct fib_rule_hdr`.
const FIXED: usize = 12;
/// `FIB_RULE_INVERT`.
const INVERT: u32 = 2;
const FRA_DST: u16 = 1;
const FRA_SRC: u16 = 2;
const FRA_IIFNAME: u16 = 3;
const FRA_GOTO: u16 = 4;
const FRA_UNUSED2: u16 = 5;
const FRA_PRIORITY: u16 = 6;
const FRA_UNUSED3: u16 = 7;
const FRA_UNUSED5: u16 = 9;
const FRA_FWMARK: u16 = 10;
const FRA_FLOW: u16 = 11;
const FRA_TUN_ID: u16 = 12;
const FRA_SUPPRESS_IFGROUP: u16 = 13;
const FRA_SUPPRESS_PREFIXLEN: u16 = 14;
const FRA_TABLE: u16 = 15;
const FRA_FWMASK: u16 = 16;
const FRA_OIFNAME: u16 = 17;
const FRA_PAD: u16 = 18;
const FRA_L3MDEV: u16 = 19;
const FRA_UID_RANGE: u16 = 20;
const FRA_PROTOCOL: u16 = 21;
const FRA_IP_PROTO: u16 = 22;
const FRA_SPORT_RANGE: u16 = 23;
const FRA_DPORT_RANGE: u16 = 24;
const FRA_DSCP: u16 = 25;

/// Asks for the rules of one family (`RTM_GETRULE`).
#[must_use]
pub fn rules_request(family: Family) -> Vec<u8> {
    let mut fixed = [0; FIXED];
    fixed[0] = family_number(family);
    Builder::new(RTM_GETRULE, nla::REQUEST | nla::DUMP, &fixed).finish()
}

/// `FR_ACT_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RuleAction {
    /// `FR_ACT_NOP`, and whatever has no name.
    #[default]
    Nop,
    /// `FR_ACT_TO_TBL`.
    Lookup,
    /// `FR_ACT_GOTO`.
    Goto,
    /// `FR_ACT_BLACKHOLE`.
    Blackhole,
    /// `FR_ACT_UNREACHABLE`.
    Unreachable,
    /// `FR_ACT_PROHIBIT`.
    Prohibit,
}

/// One rule: `RTM_NEWRULE`, a `struct fib_rule_hdr` and attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rule<'a> {
    /// `dst_len`, bits.
    pub to_length: u8,
    /// `src_len`, bits.
    pub from_length: u8,
    /// `tos`.
    pub tos: u8,
    /// `action`.
    pub action: RuleAction,
    /// `FIB_RULE_INVERT` of `flags`: `not`.
    pub invert: bool,
    /// `FRA_TABLE`, or `table`, which has eight bits.
    pub table: u32,
    /// `FRA_DST`.
    pub to: Option<IpAddr>,
    /// `FRA_SRC`.
    pub from: Option<IpAddr>,
    /// `FRA_IIFNAME`.
    pub iif: Option<&'a str>,
    /// `FRA_OIFNAME`.
    pub oif: Option<&'a str>,
    /// `FRA_GOTO`: a priority.
    pub goto: Option<u32>,
    /// `FRA_PRIORITY`; the kernel leaves it out where it is 0.
    pub priority: u32,
    /// `FRA_FWMARK`.
    pub mark: u32,
    /// `FRA_FWMASK`.
    pub mask: Option<u32>,
    /// `FRA_TUN_ID`; 0 for none.
    pub tunnel: u64,
    /// `FRA_SUPPRESS_IFGROUP`; `u32::MAX` for none.
    pub suppress_group: Option<u32>,
    /// `FRA_SUPPRESS_PREFIXLEN`, bits; `u32::MAX` for none.
    pub suppress_length: Option<u32>,
    /// `FRA_L3MDEV`: the table of the packet's VRF.
    pub l3mdev: bool,
    /// `FRA_UID_RANGE`: the first and the last.
    pub uids: Option<(u32, u32)>,
    /// `FRA_IP_PROTO`; 0 for none.
    pub protocol: u8,
    /// `FRA_SPORT_RANGE`: the first and the last.
    pub sport: Option<(u16, u16)>,
    /// `FRA_DPORT_RANGE`: the first and the last.
    pub dport: Option<(u16, u16)>,
    /// `FRA_DSCP`, six bits.
    pub dscp: Option<u8>,
    /// It has an attribute that is not known here, and may select by it.
    pub foreign: bool,
}

impl<'a> Rule<'a> {
    /// Reads a message; `None` for one that is not about a rule, or about one that goes.
    ///
    /// # Errors
    ///
    /// As for [`Link::read`](super::Link::read).
    pub fn read(message: &Message<'a>) -> Result<Option<Self>, Unreadable> {
        let Some((&fixed, attributes)) = open::<FIXED>(message, RTM_NEWRULE)? else { return Ok(None) };
        let [_, to_length, from_length, tos, table, _, _, action, flags @ ..] = fixed;
        let mut rule = Self {
            to_length,
            from_length,
            tos,
            action: match action {
                1 => RuleAction::Lookup,
                2 => RuleAction::Goto,
                6 => RuleAction::Blackhole,
                7 => RuleAction::Unreachable,
                8 => RuleAction::Prohibit,
                _ => RuleAction::Nop,
            },
            invert: u32::from_ne_bytes(flags) & INVERT != 0,
            table: table.into(),
            ..Self::default()
        };
        for attribute in attributes {
            let attribute = attribute?;
            rule.add(attribute.kind, attribute.value)?;
        }
        Ok(Some(rule))
    }

    fn add(&mut self, kind: u16, value: &'a [u8]) -> Result<(), Unreadable> {
        match kind {
            FRA_DST => self.to = Some(any_ip("FRA_DST", value)?),
            FRA_SRC => self.from = Some(any_ip("FRA_SRC", value)?),
            FRA_IIFNAME => self.iif = Some(text("FRA_IIFNAME", value)?),
            FRA_OIFNAME => self.oif = Some(text("FRA_OIFNAME", value)?),
            FRA_GOTO => self.goto = Some(number32("FRA_GOTO", value)?),
            FRA_PRIORITY => self.priority = number32("FRA_PRIORITY", value)?,
            FRA_FWMARK => self.mark = number32("FRA_FWMARK", value)?,
            FRA_FWMASK => self.mask = Some(number32("FRA_FWMASK", value)?),
            FRA_TUN_ID => self.tunnel = u64::from_be_bytes(exact("FRA_TUN_ID", value)?),
            FRA_SUPPRESS_IFGROUP => self.suppress_group = Some(number32("FRA_SUPPRESS_IFGROUP", value)?),
            FRA_SUPPRESS_PREFIXLEN => self.suppress_length = Some(number32("FRA_SUPPRESS_PREFIXLEN", value)?),
            FRA_TABLE => self.table = number32("FRA_TABLE", value)?,
            FRA_L3MDEV => self.l3mdev = number8("FRA_L3MDEV", value)? != 0,
            FRA_UID_RANGE => {
                let [a, b, c, d, last @ ..] = exact::<8>("FRA_UID_RANGE", value)?;
                self.uids = Some((u32::from_ne_bytes([a, b, c, d]), u32::from_ne_bytes(last)));
            }
            FRA_IP_PROTO => self.protocol = number8("FRA_IP_PROTO", value)?,
            FRA_SPORT_RANGE => self.sport = Some(ports("FRA_SPORT_RANGE", value)?),
            FRA_DPORT_RANGE => self.dport = Some(ports("FRA_DPORT_RANGE", value)?),
            FRA_DSCP => self.dscp = Some(number8("FRA_DSCP", value)?),
            // These select nothing.
            FRA_UNUSED2 | FRA_UNUSED3..=FRA_UNUSED5 | FRA_FLOW | FRA_PAD | FRA_PROTOCOL => {}
            _ => self.foreign = true,
        }
        Ok(())
    }
}

/// A `struct fib_rule_port_range`, in host order.
fn ports(attribute: &'static str, value: &[u8]) -> Result<(u16, u16), Unreadable> {
    let [a, b, last @ ..] = exact::<4>(attribute, value)?;
    Ok((u16::from_ne_bytes([a, b]), u16::from_ne_bytes(last)))
}

//! An entrance for the fuzz bodies: what a forwarder reads of a frame. No interface of the library.

use super::network::{Filter, TooBig};
use super::packet::Packet;

/// The length of the IP packet in a frame, how many filters mean it, and the "too big" answer that `rule` makes of it; `None`
/// for what no rule touches.
#[must_use]
pub fn frame(bytes: &[u8], rule: &TooBig) -> Option<(usize, usize, Option<Vec<u8>>)> {
    let packet = Packet::parse(bytes)?;
    let filters = [Filter::Echo, Filter::IcmpAbove(rule.above), Filter::Udp, Filter::Tcp, Filter::TooBig, Filter::Ip];
    let meant = filters.into_iter().filter(|filter| packet.matches(*filter)).count();
    Some((packet.length(), meant, packet.too_big(rule)))
}

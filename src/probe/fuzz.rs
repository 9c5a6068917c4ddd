//! Entrances for the fuzz bodies: the readers of packets, which nothing else outside needs. No interface of the library.

use super::packet::{Codec, Message, Quoted, fragments_v4, parse_icmp_v4, parse_tcp, parse_v4, parse_v6};
use std::net::Ipv4Addr;
use std::sync::LazyLock;

/// A key that no input knows.
static CODEC: LazyLock<Codec> = LazyLock::new(|| Codec::new().expect("the kernel gives random bytes"));

/// What the readers made of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// One of them understood the bytes.
    pub understood: bool,
    /// What was understood breaks a promise of the reader.
    pub broken: Option<&'static str>,
}

impl Heard {
    const NOTHING: Self = Self { understood: false, broken: None };

    fn of(broken: Option<&'static str>) -> Self {
        Self { understood: true, broken }
    }

    fn and(self, other: Self) -> Self {
        Self { understood: self.understood || other.understood, broken: self.broken.or(other.broken) }
    }
}

/// Reads bytes as a raw `ICMPv4` socket and as a datagram socket deliver them.
#[must_use]
pub fn icmp_v4(bytes: &[u8]) -> Heard {
    let raw = parse_v4(bytes).map_or(Heard::NOTHING, |(_, read)| message(bytes, &read));
    raw.and(parse_icmp_v4(bytes).map_or(Heard::NOTHING, |read| message(bytes, &read)))
}

/// Reads bytes as an `ICMPv6` socket delivers them.
#[must_use]
pub fn icmp_v6(bytes: &[u8]) -> Heard {
    parse_v6(bytes).map_or(Heard::NOTHING, |read| message(bytes, &read))
}

/// Reads bytes as a raw TCP socket delivers them, in both families.
#[must_use]
pub fn tcp(bytes: &[u8]) -> Heard {
    let understood = parse_tcp(bytes, false).is_some() || parse_tcp(bytes, true).is_some();
    Heard { understood, broken: payload(bytes) }
}

/// Cuts an echo request into fragments: they hold all of it, and none is longer than asked.
#[must_use]
pub fn fragments(echo: &[u8], limit: usize) -> Heard {
    let limit = limit.clamp(28, 65_535);
    let packets = fragments_v4(echo, Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST, 1, limit);
    let whole: Vec<u8> = packets.iter().flat_map(|packet| packet[20..].iter().copied()).collect();
    let fits = packets.iter().all(|packet| packet.len() <= limit);
    Heard::of((!fits || whole != echo).then_some("fragments that are too long, or not all of the packet"))
}

fn message(bytes: &[u8], message: &Message<'_>) -> Heard {
    match message {
        Message::EchoReply { payload: echoed } => Heard::of(payload(echoed)),
        Message::Error { quoted, .. } => Heard::of(quote(bytes, quoted)),
        Message::TimestampReply { .. } | Message::Advertisement { .. } => Heard::of(None),
    }
}

fn quote(bytes: &[u8], quoted: &Quoted<'_>) -> Option<&'static str> {
    if quoted.transport.len() < 8 || quoted.transport.len() >= bytes.len() {
        return Some("a quote that is shorter than a header or longer than the message");
    }
    if quoted.icmp().is_some() && quoted.tcp().is_some() {
        return Some("a quote that is ICMP and TCP at once");
    }
    payload(quoted.transport.get(8..)?)
}

/// Nobody without the key makes a mark. A fuzzer can, because it sees both sides of every comparison.
fn payload(bytes: &[u8]) -> Option<&'static str> {
    let forged = CODEC.read_mark(bytes).is_some();
    let intact = CODEC.is_intact(bytes, 1500, false) || CODEC.is_intact(bytes, 1500, true);
    (!cfg!(fuzzing) && (forged || intact)).then_some("a payload that was taken for one of ours")
}

//! The little that a forwarder must know of a frame, and the "too big" answers that it makes.

use super::network::{Filter, TooBig};
use pnet::packet::icmpv6::{self, Icmpv6Packet};
use pnet::packet::util::checksum;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Length of an Ethernet header without a tag.
const ETHERNET: usize = 14;
/// Length of an IPv4 header without options.
const IPV4: usize = 20;
/// Length of an IPv6 header.
const IPV6: usize = 40;
/// Length of an ICMP error's header.
const ICMP: usize = 8;
/// RFC 1812 section 4.3.2.3: an ICMP error is at most this long.
const ICMPV4_ERROR_MAX: usize = 576;
/// RFC 4443 section 3.2: an `ICMPv6` error fits the smallest MTU.
const ICMPV6_ERROR_MAX: usize = 1280;

/// An IP packet in an Ethernet frame, as far as the rules look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packet<'a> {
    frame: &'a [u8],
    source: IpAddr,
    destination: IpAddr,
    transport: Transport,
    /// Whether a router may not fragment it.
    dont_fragment: bool,
}

/// What an IP packet carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transport {
    Icmp { kind: u8, code: u8 },
    Icmpv6 { kind: u8 },
    Udp,
    Tcp,
    Other,
}

impl<'a> Packet<'a> {
    /// Reads a frame. None: not IP, or cut short, or neighbour discovery, which no rule touches.
    pub(super) fn parse(frame: &'a [u8]) -> Option<Self> {
        let ip = frame.get(ETHERNET..)?;
        match (frame.get(12..ETHERNET)?, ip.first()? >> 4) {
            ([0x08, 0x00], 4) => {
                let header = ip.get(..IPV4)?;
                let body = ip.get(usize::from(header[0] & 0x0f) * 4..).unwrap_or_default();
                let fragment_offset = u16::from_be_bytes([header[6] & 0x1f, header[7]]);
                Some(Self {
                    frame,
                    source: Ipv4Addr::from(array(&header[12..16])?).into(),
                    destination: Ipv4Addr::from(array(&header[16..20])?).into(),
                    transport: transport(header[9], if fragment_offset == 0 { body } else { &[] }),
                    dont_fragment: header[6] & 0x40 != 0,
                })
            }
            ([0x86, 0xdd], 6) => {
                let header = ip.get(..IPV6)?;
                let transport = transport(header[6], &ip[IPV6..]);
                // 130-132 and 143: multicast listeners; 133-137: neighbour discovery. What the kernel sends of them is small; a large
                // one is somebody's probe, and a packet like any other.
                let small = ip.len() <= IPV6 + 256;
                if small && matches!(transport, Transport::Icmpv6 { kind: 130..=137 | 143 }) || is_listener_report(ip) {
                    return None;
                }
                Some(Self {
                    frame,
                    source: Ipv6Addr::from(array::<16>(&header[8..24])?).into(),
                    destination: Ipv6Addr::from(array::<16>(&header[24..40])?).into(),
                    transport,
                    dont_fragment: true,
                })
            }
            _ => None,
        }
    }

    /// Length of the IP packet in bytes.
    pub(super) const fn length(&self) -> usize {
        self.frame.len() - ETHERNET
    }

    /// Whether a filter means this packet.
    pub(super) fn matches(&self, filter: Filter) -> bool {
        match (filter, self.transport) {
            (Filter::Ip, _)
            | (Filter::Udp, Transport::Udp)
            | (Filter::Tcp, Transport::Tcp)
            | (Filter::Echo, Transport::Icmp { kind: 0 | 8, .. } | Transport::Icmpv6 { kind: 128 | 129 })
            | (Filter::TooBig, Transport::Icmp { kind: 3, code: 4 } | Transport::Icmpv6 { kind: 2 }) => true,
            (Filter::IcmpAbove(limit), Transport::Icmp { .. } | Transport::Icmpv6 { .. }) => self.length() > limit as usize,
            _ => false,
        }
    }

    /// The frame that tells the sender what passes. None: no router would answer this packet.
    pub(super) fn too_big(&self, rule: &TooBig) -> Option<Vec<u8>> {
        if !self.dont_fragment {
            return None;
        }
        let ip = &self.frame[ETHERNET..];
        let mut answer = Vec::with_capacity(ETHERNET + ICMPV6_ERROR_MAX);
        answer.extend_from_slice(&self.frame[6..12]);
        answer.extend_from_slice(&self.frame[..6]);
        answer.extend_from_slice(&self.frame[12..ETHERNET]);
        match (rule.from.unwrap_or(self.destination), self.source) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                let quoted = &ip[..ip.len().min(ICMPV4_ERROR_MAX - IPV4 - ICMP)];
                // RFC 1191 section 4: type 3, code 4, two unused bytes, the MTU in two.
                let mtu = u16::try_from(rule.says).unwrap_or(u16::MAX).to_be_bytes();
                let mut icmp = vec![3, 4, 0, 0, 0, 0, mtu[0], mtu[1]];
                icmp.extend_from_slice(quoted);
                let sum = checksum(&icmp, 1).to_be_bytes();
                icmp[2..4].copy_from_slice(&sum);

                let length = u16::try_from(IPV4 + icmp.len()).ok()?.to_be_bytes();
                let mut header = [0x45, 0xc0, length[0], length[1], 0, 0, 0, 0, 64, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
                header[12..16].copy_from_slice(&from.octets());
                header[16..20].copy_from_slice(&to.octets());
                let sum = checksum(&header, 5).to_be_bytes();
                header[10..12].copy_from_slice(&sum);
                answer.extend_from_slice(&header);
                answer.extend_from_slice(&icmp);
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                let quoted = &ip[..ip.len().min(ICMPV6_ERROR_MAX - IPV6 - ICMP)];
                // RFC 4443 section 3.2: type 2, code 0, the MTU in four bytes.
                let mut icmp = vec![2, 0, 0, 0];
                icmp.extend_from_slice(&rule.says.to_be_bytes());
                icmp.extend_from_slice(quoted);
                let sum = icmpv6::checksum(&Icmpv6Packet::new(&icmp)?, &from, &to).to_be_bytes();
                icmp[2..4].copy_from_slice(&sum);

                let length = u16::try_from(icmp.len()).ok()?.to_be_bytes();
                answer.extend_from_slice(&[0x60, 0, 0, 0, length[0], length[1], 58, 64]);
                answer.extend_from_slice(&from.octets());
                answer.extend_from_slice(&to.octets());
                answer.extend_from_slice(&icmp);
            }
            _ => return None,
        }
        Some(answer)
    }
}

/// A multicast listener report: `ICMPv6` behind a hop-by-hop header with a router alert (RFC 3810 section 5).
fn is_listener_report(ip: &[u8]) -> bool {
    ip[6] == 0 && ip.get(IPV6) == Some(&58) && matches!(ip.get(IPV6 + 8), Some(130..=132 | 143))
}

fn transport(protocol: u8, body: &[u8]) -> Transport {
    match (protocol, body) {
        (1, [kind, code, ..]) => Transport::Icmp { kind: *kind, code: *code },
        (58, [kind, ..]) => Transport::Icmpv6 { kind: *kind },
        (17, _) => Transport::Udp,
        (6, _) => Transport::Tcp,
        _ => Transport::Other,
    }
}

fn array<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An echo request to 192.0.2.2 with DF, of a given IP length.
    fn echo(length: usize) -> Vec<u8> {
        let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0];
        frame.extend_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
        frame.extend_from_slice(&[0, 0, 0x40, 0, 64, 1, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2, 8, 0]);
        frame.resize(ETHERNET + length, 0xa5);
        frame
    }

    fn echo6(length: usize) -> Vec<u8> {
        let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x86, 0xdd, 0x60, 0, 0, 0];
        frame.extend_from_slice(&u16::try_from(length - IPV6).unwrap().to_be_bytes());
        frame.extend_from_slice(&[58, 64]);
        frame.extend_from_slice(&"2001:db8::1".parse::<Ipv6Addr>().unwrap().octets());
        frame.extend_from_slice(&"2001:db8::2".parse::<Ipv6Addr>().unwrap().octets());
        frame.extend_from_slice(&[128, 0]);
        frame.resize(ETHERNET + length, 0xa5);
        frame
    }

    const RULE: TooBig = TooBig { above: 1500, says: 1500, from: None, every_ms: 0, only: None };

    #[test]
    fn filters_look_at_type_and_length() {
        let frame = echo(1025);
        let packet = Packet::parse(&frame).unwrap();
        assert_eq!(packet.length(), 1025);
        assert!(packet.matches(Filter::Echo));
        assert!(packet.matches(Filter::Ip));
        assert!(packet.matches(Filter::IcmpAbove(1024)));
        assert!(!packet.matches(Filter::IcmpAbove(1025)));
        assert!(!packet.matches(Filter::Udp));
        assert!(!packet.matches(Filter::TooBig));
    }

    #[test]
    fn arp_and_neighbour_discovery_are_no_packets() {
        let mut frame = echo(28);
        frame[13] = 0x06;
        assert_eq!(Packet::parse(&frame), None);
        let mut frame = echo6(64);
        for kind in [133, 134, 135, 136, 137, 143] {
            frame[ETHERNET + IPV6] = kind;
            assert_eq!(Packet::parse(&frame), None, "type {kind}");
        }
    }

    #[test]
    fn every_prefix_of_a_frame_is_read_without_panic() {
        for frame in [echo(60), echo6(100)] {
            for end in 0..frame.len() {
                if let Some(packet) = Packet::parse(&frame[..end]) {
                    let _ = packet.too_big(&RULE);
                }
            }
        }
    }

    #[test]
    fn too_big_quotes_the_packet_and_sums_to_zero() {
        let frame = echo(9000);
        let answer = Packet::parse(&frame).unwrap().too_big(&RULE).unwrap();
        assert_eq!(answer.len(), ETHERNET + ICMPV4_ERROR_MAX);
        assert_eq!(answer[..6], frame[6..12], "goes back to the sender");
        let ip = &answer[ETHERNET..];
        assert_eq!(checksum(&ip[..IPV4], usize::MAX), 0);
        assert_eq!(checksum(&ip[IPV4..], usize::MAX), 0);
        assert_eq!(ip[12..16], [192, 0, 2, 2], "the target's own address, as an overlay answers");
        assert_eq!(ip[IPV4..IPV4 + 2], [3, 4]);
        assert_eq!(ip[IPV4 + 6..IPV4 + 8], 1500_u16.to_be_bytes());
        assert_eq!(ip[IPV4 + ICMP..], frame[ETHERNET..][..ICMPV4_ERROR_MAX - IPV4 - ICMP]);
    }

    #[test]
    fn too_big_in_ipv6_fits_the_smallest_mtu() {
        let frame = echo6(9000);
        let rule = TooBig { from: Some("2001:db8::fe".parse().unwrap()), ..RULE };
        let answer = Packet::parse(&frame).unwrap().too_big(&rule).unwrap();
        assert_eq!(answer.len(), ETHERNET + ICMPV6_ERROR_MAX);
        let ip = &answer[ETHERNET..];
        assert_eq!(ip[8..24], "2001:db8::fe".parse::<Ipv6Addr>().unwrap().octets());
        assert_eq!(ip[IPV6..IPV6 + 2], [2, 0]);
        assert_eq!(ip[IPV6 + 4..IPV6 + 8], 1500_u32.to_be_bytes());
    }

    #[test]
    fn a_packet_that_may_be_fragmented_gets_no_answer() {
        let mut frame = echo(9000);
        frame[ETHERNET + 6] = 0;
        assert_eq!(Packet::parse(&frame).unwrap().too_big(&RULE), None);
    }
}

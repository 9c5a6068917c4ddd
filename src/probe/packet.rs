//! Probe packets: marked, keyed, and checked byte for byte when they come back.
//!
//! Payload of every probe: `pathvet` and a version byte, then path, sequence number, size and carrier, a keyed tag over those
//! (SipHash-2-4, a key per run), and random bytes. Who sees one knows what it is; who does not see one cannot make an answer.

use pathvet_checks::search::{Carrier, Probe};
use pnet::packet::MutablePacket;
use pnet::packet::icmp::{self, IcmpPacket};
use pnet::packet::ipv4::Ipv4Packet;
use pnet::packet::ipv6::Ipv6Packet;
use pnet::packet::tcp::{self, MutableTcpPacket, TcpFlags, TcpPacket};
use siphasher::sip::SipHasher24;
use std::hash::Hasher;
use std::io;
use std::net::IpAddr;

/// First bytes of every payload; the last one is the version of this layout.
const MARK: [u8; 8] = *b"pathvet\x01";
/// Bytes of payload before the random ones.
const MARKED: usize = 32;
/// Largest head of any carrier: a TCP header and the marked bytes.
const HEAD: usize = 64;
const ICMP_HEADER: usize = 8;
const TCP_HEADER: usize = 20;
/// Header and target address of a neighbour solicitation (RFC 4861 section 4.3).
const SOLICITATION: usize = 24;
/// Identifier to the end of the three timestamps (RFC 792).
const TIMESTAMPS: usize = 12;

/// What a marked payload says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) path: u32,
    pub(super) seq: u16,
    pub(super) size: u32,
}

/// A probe ready to send: a head of its own, and the length of the shared random tail.
#[derive(Debug, Clone, Copy)]
pub(super) struct Built {
    head: [u8; HEAD],
    head_len: usize,
    tail_len: usize,
    /// The tail is that of a padded neighbour solicitation.
    options: bool,
}

impl Built {
    pub(super) fn head(&self) -> &[u8] {
        &self.head[..self.head_len]
    }
}

/// What is needed to build a TCP or ICMP header.
#[derive(Debug, Clone, Copy)]
pub(super) struct Route {
    pub(super) source: Option<IpAddr>,
    pub(super) target: IpAddr,
    pub(super) tcp_port: u16,
}

/// Builds and recognises the probes of one run.
pub(super) struct Codec {
    /// ICMP identifier, and the TCP source port.
    pub(super) id: u16,
    pub(super) tcp_source: u16,
    key: (u64, u64),
    fill: Vec<u8>,
    /// One's complement sum of the first n bytes of `fill`, for even n, by n / 2.
    sums: Vec<u32>,
    /// Options of eight bytes each, for padded neighbour solicitations.
    options: Vec<u8>,
}

impl Codec {
    pub(super) fn new() -> io::Result<Self> {
        let mut seed = [0_u8; 20];
        crate::sys::socket::random(&mut seed)?;
        let mut fill = vec![0; 65_536];
        crate::sys::socket::random(&mut fill)?;
        let word = |at: usize| u64::from_ne_bytes(std::array::from_fn(|index| seed[at + index]));
        let mut sums = Vec::with_capacity(fill.len() / 2 + 1);
        let mut sum = 0_u32;
        sums.push(0);
        for pair in fill.chunks_exact(2) {
            sum += u32::from(u16::from_be_bytes([pair[0], pair[1]]));
            sum = (sum & 0xffff) + (sum >> 16);
            sums.push(sum);
        }
        let id = u16::from_ne_bytes([seed[16], seed[17]]);
        let tcp_source = 32_768 + u16::from_ne_bytes([seed[18], seed[19]]) % 28_000;
        // Type 253, for experiments (RFC 4727), length 1 unit.
        let options = [253, 1, 0, 0, 0, 0, 0, 0].repeat(8_192);
        Ok(Self { id, tcp_source, key: (word(0), word(8)), fill, sums, options })
    }

    /// A seed for the searches.
    pub(super) fn seed(&self, path: u32) -> u64 {
        self.tag(&path.to_be_bytes())
    }

    fn tag(&self, bytes: &[u8]) -> u64 {
        let mut hasher = SipHasher24::new_with_keys(self.key.0, self.key.1);
        hasher.write(bytes);
        hasher.finish()
    }

    pub(super) fn tail(&self, len: usize) -> &[u8] {
        &self.fill[..len.min(self.fill.len())]
    }

    fn marked(&self, path: u32, probe: Probe) -> [u8; MARKED] {
        let mut bytes = [0; MARKED];
        bytes[..8].copy_from_slice(&MARK);
        bytes[8..12].copy_from_slice(&path.to_be_bytes());
        bytes[12..14].copy_from_slice(&probe.seq.to_be_bytes());
        bytes[14..18].copy_from_slice(&probe.size.to_be_bytes());
        bytes[18] = match probe.carrier {
            Carrier::Echo => 1,
            Carrier::Udp => 2,
            Carrier::Tcp => 3,
            Carrier::ForwardIcmp => 4,
            Carrier::Fragments => 5,
        };
        let tag = self.tag(&bytes[..24]);
        bytes[24..].copy_from_slice(&tag.to_be_bytes());
        bytes
    }

    /// The tag of a probe whose answer carries four bytes only.
    pub(super) fn short_tag(&self, path: u32, probe: Probe) -> u32 {
        let bytes = self.marked(path, probe);
        u32::from_be_bytes([bytes[24], bytes[25], bytes[26], bytes[27]])
    }

    pub(super) fn build(&self, path: u32, probe: Probe, route: Route) -> Built {
        let marked = self.marked(path, probe);
        let v6 = route.target.is_ipv6();
        let mut head = [0; HEAD];
        let ip_header = if v6 { 40 } else { 20 };
        let before = match probe.carrier {
            Carrier::Echo | Carrier::Fragments => {
                head[0] = if v6 { 128 } else { 8 };
                ICMP_HEADER
            }
            Carrier::ForwardIcmp if v6 => return self.solicitation(probe.size, route.target),
            Carrier::ForwardIcmp => {
                head[0] = 13;
                head[ICMP_HEADER..ICMP_HEADER + 4].copy_from_slice(&marked[24..28]);
                ICMP_HEADER + TIMESTAMPS
            }
            Carrier::Udp => 0,
            Carrier::Tcp => TCP_HEADER,
        };
        let head_len = before + MARKED;
        head[before..head_len].copy_from_slice(&marked);
        // The kernel writes the UDP header, eight bytes as well.
        let beyond = if probe.carrier == Carrier::Udp { 8 } else { 0 };
        let tail_len = (probe.size as usize).saturating_sub(ip_header + beyond + head_len).min(self.fill.len());
        if matches!(probe.carrier, Carrier::Echo | Carrier::Fragments | Carrier::ForwardIcmp) {
            head[4..6].copy_from_slice(&self.id.to_be_bytes());
            head[6..8].copy_from_slice(&probe.seq.to_be_bytes());
            if !v6 {
                let sum = self.sum(&head[..head_len], tail_len);
                head[2..4].copy_from_slice(&(!sum).to_be_bytes());
            }
        } else if probe.carrier == Carrier::Tcp {
            self.write_tcp(&mut head[..head_len], tail_len, path, probe, route);
        }
        Built { head, head_len, tail_len, options: false }
    }

    /// A neighbour solicitation for the target itself, padded to `size` with options that nobody knows: receivers skip those
    /// (RFC 4861 section 4.6), and the advertisement that answers it is small. Options are counted in units of eight bytes, so
    /// the packet may come out up to seven bytes smaller.
    fn solicitation(&self, size: u32, target: IpAddr) -> Built {
        let mut head = [0; HEAD];
        head[0] = 135;
        if let IpAddr::V6(target) = target {
            head[8..24].copy_from_slice(&target.octets());
        }
        let padding = (size as usize).saturating_sub(40 + SOLICITATION) / 8 * 8;
        Built { head, head_len: SOLICITATION, tail_len: padding.min(self.options.len()), options: true }
    }

    /// What follows a head: random bytes, or the options of a padded solicitation.
    pub(super) fn tail_of(&self, built: &Built) -> &[u8] {
        if built.options { &self.options[self.options.len() - built.tail_len..] } else { self.tail(built.tail_len) }
    }

    /// One's complement sum of the head and of the first `tail_len` random bytes.
    fn sum(&self, head: &[u8], tail_len: usize) -> u16 {
        let mut sum: u32 =
            head.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]))).sum();
        sum += self.sums[tail_len / 2];
        if tail_len % 2 == 1 {
            sum += u32::from(self.fill[tail_len - 1]) << 8;
        }
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        u16::try_from(sum).unwrap_or(u16::MAX)
    }

    fn write_tcp(&self, head: &mut [u8], tail_len: usize, path: u32, probe: Probe, route: Route) {
        let sequence = self.short_tag(path, probe);
        {
            let Some(mut packet) = MutableTcpPacket::new(head) else { return };
            packet.set_source(self.tcp_source);
            packet.set_destination(route.tcp_port);
            packet.set_sequence(sequence);
            packet.set_data_offset(5);
            packet.set_flags(TcpFlags::SYN);
            packet.set_window(1024);
        }
        let mut whole = head.to_vec();
        whole.extend_from_slice(self.tail(tail_len));
        let Some(mut packet) = MutableTcpPacket::new(&mut whole) else { return };
        let checksum = match (route.source, route.target) {
            (Some(IpAddr::V4(source)), IpAddr::V4(target)) => tcp::ipv4_checksum(&packet.to_immutable(), &source, &target),
            (Some(IpAddr::V6(source)), IpAddr::V6(target)) => tcp::ipv6_checksum(&packet.to_immutable(), &source, &target),
            _ => 0,
        };
        packet.set_checksum(checksum);
        let len = head.len();
        head.copy_from_slice(&packet.packet_mut()[..len]);
    }

    /// The mark of a payload, where it is one of ours.
    pub(super) fn read_mark(&self, payload: &[u8]) -> Option<Mark> {
        let bytes = payload.first_chunk::<MARKED>()?;
        if bytes[..8] != MARK || self.tag(&bytes[..24]).to_be_bytes() != bytes[24..] {
            return None;
        }
        let path = u32::from_be_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]);
        let size = u32::from_be_bytes([bytes[14], bytes[15], bytes[16], bytes[17]]);
        Some(Mark { path, seq: u16::from_be_bytes([bytes[12], bytes[13]]), size })
    }

    /// Whether an echo's payload came back exactly as it was sent with a packet of `size`.
    pub(super) fn is_intact(&self, payload: &[u8], size: u32, v6: bool) -> bool {
        let expected = (size as usize).saturating_sub(if v6 { 48 } else { 28 });
        payload.len() == expected && payload.get(MARKED..).is_some_and(|tail| tail == self.tail(tail.len()))
    }
}

/// What an ICMP message that reached a raw or datagram socket is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Message<'a> {
    /// An echo reply.
    EchoReply { payload: &'a [u8] },
    /// A timestamp reply: sequence number and the originate time stamp, which is our tag.
    TimestampReply { seq: u16, tag: u32 },
    /// A neighbour advertisement: target and, where it says one, link-layer address.
    Advertisement { target: IpAddr, lladdr: Option<[u8; 6]> },
    /// An error about a packet of somebody's.
    Error { kind: u8, code: u8, mtu: u32, quoted: Quoted<'a> },
}

/// The start of a packet that an ICMP error quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quoted<'a> {
    pub(super) target: IpAddr,
    /// Length of the packet as its IP header says.
    pub(super) size: u32,
    pub(super) protocol: u8,
    /// From the transport header on; eight bytes at least.
    pub(super) transport: &'a [u8],
}

impl Quoted<'_> {
    /// Identifier and sequence number, where it is an ICMP request of a kind that we send.
    pub(super) fn icmp(&self) -> Option<(u16, u16)> {
        let bytes = self.transport.first_chunk::<8>()?;
        let ours = matches!((self.protocol, bytes[0]), (1, 8 | 13) | (58, 128));
        ours.then(|| (u16::from_be_bytes([bytes[4], bytes[5]]), u16::from_be_bytes([bytes[6], bytes[7]])))
    }

    /// Source port and sequence number, where it is TCP.
    pub(super) fn tcp(&self) -> Option<(u16, u32)> {
        let bytes = self.transport.first_chunk::<8>().filter(|_| self.protocol == 6)?;
        Some((u16::from_be_bytes([bytes[0], bytes[1]]), u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]])))
    }
}

/// Reads what a raw `ICMPv4` socket delivers: an IP packet. Returns its TTL and the message.
pub(super) fn parse_v4(bytes: &[u8]) -> Option<(u8, Message<'_>)> {
    let header_len = usize::from(bytes.first()? & 0xf) * 4;
    let ip = Ipv4Packet::new(bytes).filter(|ip| ip.get_version() == 4 && header_len >= 20)?;
    Some((ip.get_ttl(), parse_icmp_v4(bytes.get(header_len..)?)?))
}

/// Reads an `ICMPv4` message without its IP header, as a datagram socket delivers it.
pub(super) fn parse_icmp_v4(bytes: &[u8]) -> Option<Message<'_>> {
    let message = IcmpPacket::new(bytes).filter(|_| bytes.len() >= ICMP_HEADER)?;
    let body = &bytes[ICMP_HEADER..];
    match (message.get_icmp_type(), message.get_icmp_code()) {
        (icmp::IcmpTypes::EchoReply, _) => Some(Message::EchoReply { payload: body }),
        (icmp::IcmpTypes::TimestampReply, _) => {
            let tag = body.first_chunk::<4>().map(|tag| u32::from_be_bytes(*tag))?;
            Some(Message::TimestampReply { seq: u16::from_be_bytes([bytes[6], bytes[7]]), tag })
        }
        (icmp::IcmpTypes::DestinationUnreachable | icmp::IcmpTypes::TimeExceeded | icmp::IcmpTypes::ParameterProblem, code) => {
            let mtu = u32::from(u16::from_be_bytes([bytes[6], bytes[7]]));
            Some(Message::Error { kind: message.get_icmp_type().0, code: code.0, mtu, quoted: parse_quoted_v4(body)? })
        }
        _ => None,
    }
}

fn parse_quoted_v4(bytes: &[u8]) -> Option<Quoted<'_>> {
    let header_len = usize::from(bytes.first()? & 0xf) * 4;
    let ip = Ipv4Packet::new(bytes).filter(|ip| ip.get_version() == 4 && header_len >= 20)?;
    let transport = bytes.get(header_len..).filter(|transport| transport.len() >= 8)?;
    Some(Quoted {
        target: ip.get_destination().into(),
        size: ip.get_total_length().into(),
        protocol: ip.get_next_level_protocol().0,
        transport,
    })
}

/// Reads what a raw or datagram `ICMPv6` socket delivers: the message without its IP header.
pub(super) fn parse_v6(bytes: &[u8]) -> Option<Message<'_>> {
    let header = bytes.first_chunk::<ICMP_HEADER>()?;
    let body = &bytes[ICMP_HEADER..];
    match header[0] {
        129 => Some(Message::EchoReply { payload: body }),
        136 => {
            let target = <[u8; 16]>::try_from(body.get(..16)?).ok()?;
            let mut options = body.get(16..)?;
            // Type, length in units of eight bytes, value (RFC 4861 section 4.6).
            while let [kind, units, ..] = *options {
                let len = usize::from(units) * 8;
                let option = options.get(..len).filter(|_| len > 0)?;
                if kind == 2 && len == 8 {
                    let lladdr = <[u8; 6]>::try_from(&option[2..8]).ok()?;
                    return Some(Message::Advertisement { target: target.into(), lladdr: Some(lladdr) });
                }
                options = &options[len..];
            }
            Some(Message::Advertisement { target: target.into(), lladdr: None })
        }
        kind @ (1..=4) => {
            let mtu = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
            let ip = Ipv6Packet::new(body).filter(|ip| ip.get_version() == 6)?;
            let transport = body.get(40..).filter(|transport| transport.len() >= 8)?;
            let quoted = Quoted {
                target: ip.get_destination().into(),
                size: u32::from(ip.get_payload_length()) + 40,
                protocol: ip.get_next_header().0,
                transport,
            };
            Some(Message::Error { kind, code: header[1], mtu, quoted })
        }
        _ => None,
    }
}

/// Reads what a raw TCP socket delivers: an IP packet (IPv4) or the segment alone (IPv6). Returns source port, destination port
/// and acknowledgement number.
pub(super) fn parse_tcp(bytes: &[u8], v6: bool) -> Option<(u16, u16, u32)> {
    let header_len = if v6 { 0 } else { usize::from(bytes.first()? & 0xf) * 4 };
    let segment = TcpPacket::new(bytes.get(header_len..)?)?;
    let answers = segment.get_flags() & TcpFlags::ACK != 0;
    answers.then(|| (segment.get_source(), segment.get_destination(), segment.get_acknowledgement()))
}

/// IPv4 fragments of an echo request, each at most `limit` bytes, ready for a socket that takes IP headers.
pub(super) fn fragments_v4(
    echo: &[u8],
    source: std::net::Ipv4Addr,
    target: std::net::Ipv4Addr,
    id: u16,
    limit: usize,
) -> Vec<Vec<u8>> {
    use pnet::packet::ipv4::{Ipv4Flags, MutableIpv4Packet};
    let step = (limit - 20) / 8 * 8;
    let count = echo.chunks(step).count();
    let mut packets = Vec::with_capacity(count);
    for (index, part) in echo.chunks(step).enumerate() {
        let mut packet = vec![0; 20 + part.len()];
        packet[20..].copy_from_slice(part);
        if let Some(mut ip) = MutableIpv4Packet::new(&mut packet) {
            ip.set_version(4);
            ip.set_header_length(5);
            ip.set_total_length(u16::try_from(20 + part.len()).unwrap_or(u16::MAX));
            ip.set_identification(id);
            ip.set_fragment_offset(u16::try_from(index * step / 8).unwrap_or(0));
            ip.set_flags(if index + 1 < count { Ipv4Flags::MoreFragments } else { 0 });
            ip.set_ttl(64);
            ip.set_next_level_protocol(pnet::packet::ip::IpNextHeaderProtocols::Icmp);
            ip.set_source(source);
            ip.set_destination(target);
        }
        packets.push(packet);
    }
    packets
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const ROUTE: Route =
        Route { source: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)), target: IpAddr::V4(Ipv4Addr::LOCALHOST), tcp_port: 33_500 };

    fn probe(size: u32, carrier: Carrier) -> Probe {
        Probe { seq: 0x1234, size, carrier }
    }

    #[test]
    fn an_echo_has_its_size_a_valid_checksum_and_comes_back_as_ours() {
        let codec = Codec::new().expect("random bytes");
        for size in [84, 85, 1500, 9198, 9199, 65_535] {
            let built = codec.build(7, probe(size, Carrier::Echo), ROUTE);
            let mut bytes = built.head().to_vec();
            bytes.extend_from_slice(codec.tail(built.tail_len));
            assert_eq!(bytes.len() + 20, size as usize);
            let packet = IcmpPacket::new(&bytes).expect("long enough");
            assert_eq!(icmp::checksum(&packet), packet.get_checksum(), "{size}");
            bytes[0] = 0;
            let Some(Message::EchoReply { payload }) = parse_icmp_v4(&bytes) else { panic!("not a reply") };
            assert_eq!(codec.read_mark(payload), Some(Mark { path: 7, seq: 0x1234, size }));
            assert!(codec.is_intact(payload, size, false));
            let mut changed = payload.to_vec();
            *changed.last_mut().expect("not empty") ^= 1;
            assert!(!codec.is_intact(&changed, size, false));
        }
    }

    #[test]
    fn nobody_without_the_key_makes_a_mark() {
        let (ours, theirs) = (Codec::new().expect("random"), Codec::new().expect("random"));
        let built = theirs.build(7, probe(84, Carrier::Echo), ROUTE);
        assert_eq!(ours.read_mark(&built.head()[8..]), None);
    }

    #[test]
    fn a_padded_solicitation_is_whole_options_and_never_too_large() {
        let codec = Codec::new().expect("random bytes");
        let target: IpAddr = "2001:db8::2".parse().expect("an address");
        let route = Route { source: None, target, tcp_port: 0 };
        for size in [104, 1501, 9000, 9001, 65_535] {
            let built = codec.build(0, probe(size, Carrier::ForwardIcmp), route);
            let len = u32::try_from(built.head().len() + codec.tail_of(&built).len()).expect("small") + 40;
            assert!(len <= size && len + 8 > size, "{len} for {size}");
            assert!(codec.tail_of(&built).chunks(8).all(|option| option[..2] == [253, 1]));
        }
    }

    #[test]
    fn a_syn_has_a_valid_checksum() {
        let codec = Codec::new().expect("random bytes");
        let built = codec.build(0, probe(9001, Carrier::Tcp), ROUTE);
        let mut bytes = built.head().to_vec();
        bytes.extend_from_slice(codec.tail(built.tail_len));
        assert_eq!(bytes.len() + 20, 9001);
        let packet = TcpPacket::new(&bytes).expect("long enough");
        assert_eq!(tcp::ipv4_checksum(&packet, &Ipv4Addr::LOCALHOST, &Ipv4Addr::LOCALHOST), packet.get_checksum());
    }

    #[test]
    fn fragments_put_together_are_the_echo() {
        let echo: Vec<u8> = (0..9_572_u32).map(|byte| u8::try_from(byte % 251).expect("small")).collect();
        let fragments = fragments_v4(&echo, Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST, 5, 1280);
        assert!(fragments.iter().all(|fragment| fragment.len() <= 1280));
        assert_eq!(fragments.iter().flat_map(|fragment| fragment[20..].to_vec()).collect::<Vec<_>>(), echo);
    }

    /// Seeded mutations of real messages: the parsers end, whatever comes.
    #[test]
    fn hostile_messages_never_panic() {
        let codec = Codec::new().expect("random bytes");
        let mut seed = 1_u64;
        let mut next = move || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize
        };
        let mut base = vec![0x45, 0, 0, 84, 0, 0, 0, 0, 64, 1, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2];
        base.extend_from_slice(codec.build(7, probe(400, Carrier::Echo), ROUTE).head());
        let mut parsed = 0;
        for _ in 0..200_000 {
            let mut bytes = base.clone();
            bytes.truncate(next() % (bytes.len() + 1));
            for _ in 0..next() % 6 {
                if let Some(len) = bytes.len().checked_sub(1) {
                    bytes[next() % (len + 1)] = u8::try_from(next() % 256).unwrap_or(0);
                }
            }
            parsed += usize::from(parse_v4(&bytes).is_some()) + usize::from(parse_v6(&bytes).is_some());
            parsed += usize::from(parse_tcp(&bytes, false).is_some()) + usize::from(codec.read_mark(&bytes).is_some());
        }
        println!("hostile ICMP and TCP: 200000 mutations, {parsed} parsed");
        assert!(parsed > 0);
    }
}

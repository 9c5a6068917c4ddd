//! Who answers for an on-link address: one ARP request (RFC 826) or neighbour solicitation (RFC 4861) of our own, and every
//! answer to it. Two link-layer addresses are two machines.

use crate::sys::socket;
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

const ETHERTYPE_ARP: u16 = 0x0806;
const BROADCAST: [u8; 6] = [0xff; 6];

/// Asks and listens.
pub(super) struct Watch {
    arp: Option<Socket>,
    seen: BTreeMap<IpAddr, BTreeSet<[u8; 6]>>,
}

impl Watch {
    /// Opens what the rights allow; without `CAP_NET_RAW` it asks nobody.
    pub(super) fn open(v4: bool) -> Self {
        let arp = v4.then(|| Self::open_arp().ok()).flatten();
        Self { arp, seen: BTreeMap::new() }
    }

    fn open_arp() -> io::Result<Socket> {
        let protocol = Protocol::from(i32::from(ETHERTYPE_ARP.to_be()));
        let socket = Socket::new(Domain::PACKET, Type::DGRAM, Some(protocol))?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    }

    pub(super) fn fd(&self) -> Option<RawFd> {
        self.arp.as_ref().map(AsRawFd::as_raw_fd)
    }

    /// Broadcasts one request. `true` where it left.
    pub(super) fn ask_v4(&mut self, ifindex: u32, source: (Ipv4Addr, [u8; 6]), target: Ipv4Addr) -> bool {
        let Some(socket) = &self.arp else { return false };
        let mut request = [0_u8; 28];
        request[..8].copy_from_slice(&[0, 1, 8, 0, 6, 4, 0, 1]);
        request[8..14].copy_from_slice(&source.1);
        request[14..18].copy_from_slice(&source.0.octets());
        request[24..28].copy_from_slice(&target.octets());
        let left = socket::send_packet(socket.as_fd(), ETHERTYPE_ARP, ifindex, BROADCAST, &request).is_ok();
        if left {
            self.seen.entry(target.into()).or_default();
        }
        left
    }

    /// Multicasts one solicitation through the raw `ICMPv6` socket. `true` where it left.
    pub(super) fn ask_v6(&mut self, icmp: BorrowedFd<'_>, ifindex: u32, source: (Ipv6Addr, [u8; 6]), target: Ipv6Addr) -> bool {
        let mut message = [0_u8; 32];
        message[0] = 135;
        message[8..24].copy_from_slice(&target.octets());
        message[24..26].copy_from_slice(&[1, 1]);
        message[26..].copy_from_slice(&source.1);
        let last = target.octets();
        let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(last[13]), u16::from_be_bytes([last[14], last[15]]));
        let outgoing = socket::Outgoing {
            to: SocketAddr::V6(SocketAddrV6::new(group, 0, 0, ifindex)),
            ifindex,
            source: Some(source.0.into()),
            tos: 0,
            hop_limit: Some(255),
            head: &message,
            tail: &[],
        };
        let left = socket::send_batch(icmp, &[outgoing]).is_ok_and(|count| count == 1);
        if left {
            self.seen.entry(target.into()).or_default();
        }
        left
    }

    /// An answer for `target`.
    pub(super) fn note(&mut self, target: IpAddr, lladdr: [u8; 6]) {
        if let Some(seen) = self.seen.get_mut(&target)
            && seen.len() < 16
        {
            seen.insert(lladdr);
        }
    }

    /// Takes the ARP answers that are there.
    pub(super) fn receive(&mut self, buffers: &mut socket::Buffers) {
        let Some(socket) = &self.arp else { return };
        let mut answers = Vec::new();
        while socket::receive_batch(socket.as_fd(), buffers, false).is_ok_and(|count| count > 0) {
            answers.extend(buffers.received.iter().filter_map(|received| parse_reply(buffers.data(received))));
        }
        for (target, lladdr) in answers {
            self.note(target.into(), lladdr);
        }
    }

    /// Stops listening. Closing such a socket waits until every processor has let go of it, some milliseconds; nobody else need wait.
    pub(super) fn retire(&mut self) {
        if let Some(socket) = self.arp.take() {
            // Without a thread to spare it is closed here.
            drop(std::thread::Builder::new().spawn(move || drop(socket)));
        }
    }

    /// Who answered for `target`; `None` where nobody was asked.
    pub(super) fn responders(&self, target: IpAddr) -> Option<Vec<String>> {
        let seen = self.seen.get(&target)?;
        Some(seen.iter().map(|lladdr| lladdr.map(|byte| format!("{byte:02x}")).join(":")).collect())
    }
}

/// The sender of an ARP reply.
fn parse_reply(bytes: &[u8]) -> Option<(Ipv4Addr, [u8; 6])> {
    let bytes = bytes.first_chunk::<28>()?;
    if bytes[..8] != [0, 1, 8, 0, 6, 4, 0, 2] {
        return None;
    }
    let lladdr = <[u8; 6]>::try_from(&bytes[8..14]).ok()?;
    Some((Ipv4Addr::new(bytes[14], bytes[15], bytes[16], bytes[17]), lladdr))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_replies_are_read() {
        let mut reply = [0_u8; 46];
        reply[..8].copy_from_slice(&[0, 1, 8, 0, 6, 4, 0, 2]);
        reply[8..18].copy_from_slice(&[2, 0, 0, 0, 0, 9, 192, 0, 2, 9]);
        assert_eq!(parse_reply(&reply), Some((Ipv4Addr::new(192, 0, 2, 9), [2, 0, 0, 0, 0, 9])));
        assert_eq!(parse_reply(&reply[..27]), None);
        reply[7] = 1;
        assert_eq!(parse_reply(&reply), None);
    }
}

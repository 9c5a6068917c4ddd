//! What arrives: answers and errors, told apart by what their payload says.

use super::Engine;
use crate::probe::packet::{self, Message, Quoted};
use crate::sys;
use pathvet_checks::search::{Carrier, Probe};
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::time::Duration;

impl Engine<'_> {
    /// Takes everything that has arrived. `true` when there was something.
    pub(super) fn receive(&mut self) -> bool {
        let mut any = false;
        for v6 in [false, true] {
            any |= self.receive_icmp(v6);
            any |= self.receive_tcp(v6);
        }
        any |= self.drain_errors();
        if self.watch.fd().is_some() {
            self.watch.receive(&mut self.buffers);
        }
        any
    }

    pub(super) fn receive_icmp(&mut self, v6: bool) -> bool {
        let mut any = false;
        loop {
            let Some(icmp) = &self.families[usize::from(v6)].icmp else { return any };
            let raw = icmp.raw;
            let mut buffers = std::mem::replace(&mut self.buffers, sys::socket::Buffers::new(0, 0));
            let count = sys::socket::receive_batch(icmp.as_fd(), &mut buffers, false).unwrap_or(0);
            let now = self.now();
            for received in &buffers.received {
                if let Some(drops) = received.drops {
                    self.note_drops(v6, drops);
                }
                let bytes = buffers.data(received);
                let parsed = match (v6, raw) {
                    (false, true) => packet::parse_v4(bytes).map(|(ttl, message)| (Some(ttl), message)),
                    (false, false) => packet::parse_icmp_v4(bytes).map(|message| (received.ttl, message)),
                    (true, _) => packet::parse_v6(bytes).map(|message| (received.ttl, message)),
                };
                if let Some((ttl, message)) = parsed {
                    let from = received.from.map(|from| from.ip());
                    self.on_message(v6, message, received.fragment, ttl, from, now);
                }
            }
            let full = count > 0 && count == buffers.slots();
            self.buffers = buffers;
            any |= count > 0;
            if !full {
                return any;
            }
        }
    }

    pub(super) fn note_drops(&mut self, v6: bool, drops: u32) {
        let Some(icmp) = &mut self.families[usize::from(v6)].icmp else { return };
        if drops == icmp.drops {
            return;
        }
        icmp.drops = drops;
        // Half of what was thought to be room, from now on.
        icmp.capacity = (icmp.capacity / 2).max(65_536);
        for index in 0..self.slots.len() {
            if self.targets[index].address.is_ipv6() != v6 {
                continue;
            }
            if let Some(search) = self.slots[index].search.as_mut().filter(|search| !search.is_done()) {
                search.on_receive_drops();
                self.enqueue(u32::try_from(index).unwrap_or(u32::MAX));
            }
        }
    }

    pub(super) fn on_message(
        &mut self,
        v6: bool,
        message: Message<'_>,
        fragment: Option<u32>,
        ttl: Option<u8>,
        from: Option<IpAddr>,
        now: Duration,
    ) {
        match message {
            Message::EchoReply { payload } => {
                let Some(mark) = self.codec.read_mark(payload) else { return };
                let intact = self.codec.is_intact(payload, mark.size, v6);
                let Some(slot) = self.slots.get_mut(mark.path as usize) else { return };
                let Some(search) = &mut slot.search else { return };
                if intact {
                    // A reply in one piece reports no fragment size, or its own size.
                    search.on_reply(mark.seq, now, fragment.filter(|fragment| *fragment < mark.size), ttl);
                } else {
                    search.on_corrupted();
                }
                self.after_event(mark.path, now);
            }
            Message::TimestampReply { seq, tag } => {
                for path in self.paths_to(from) {
                    let Some(probe) = self.probe_in(path, seq) else { continue };
                    if self.codec.short_tag(path, probe) == tag {
                        self.reply(path, seq, now, ttl);
                    }
                }
            }
            Message::Advertisement { target, lladdr } => {
                if let Some(lladdr) = lladdr {
                    self.watch.note(target, lladdr);
                }
                // It names no probe; the oldest one that waits for it is answered.
                for path in self.paths_to(Some(target)) {
                    let waiting =
                        self.slots[path as usize].search.as_ref().and_then(|search| search.oldest_in_flight(Carrier::ForwardIcmp));
                    if let Some(seq) = waiting {
                        self.reply(path, seq, now, None);
                    }
                }
            }
            Message::Error { kind, code, mtu, quoted } => self.on_icmp_error(v6, (kind, code, mtu), quoted, from, now),
        }
    }

    pub(super) fn probe_in(&self, path: u32, seq: u16) -> Option<Probe> {
        self.slots[path as usize].search.as_ref()?.probe(seq)
    }

    pub(super) fn paths_to(&self, address: Option<IpAddr>) -> Vec<u32> {
        address.and_then(|address| self.by_address.get(&address)).cloned().unwrap_or_default()
    }

    pub(super) fn reply(&mut self, path: u32, seq: u16, now: Duration, ttl: Option<u8>) {
        if let Some(search) = &mut self.slots[path as usize].search {
            search.on_reply(seq, now, None, ttl);
            self.after_event(path, now);
        }
    }

    pub(super) fn after_event(&mut self, path: u32, now: Duration) {
        if let Some(search) = &mut self.slots[path as usize].search {
            search.on_timeout(now);
        }
        self.enqueue(path);
        self.settle(path);
    }

    /// An ICMP error that a raw socket sees. It is ours where it quotes the identifier, sequence number, length and address of a
    /// probe; where the quotation reaches into the payload, the key must fit too.
    pub(super) fn on_icmp_error(
        &mut self,
        v6: bool,
        error: (u8, u8, u32),
        quoted: Quoted<'_>,
        from: Option<IpAddr>,
        now: Duration,
    ) {
        for path in self.paths_to(Some(quoted.target)) {
            let seq = if let Some((id, seq)) = quoted.icmp() {
                if id != self.codec.id {
                    continue;
                }
                seq
            } else if let Some((port, sequence)) = quoted.tcp().filter(|(port, _)| *port == self.codec.tcp_source) {
                let _ = port;
                let sent = self.slots[path as usize].tcp_sent.iter().find(|(_, known, _)| *known == sequence);
                let Some((seq, ..)) = sent else { continue };
                *seq
            } else {
                continue;
            };
            let Some(probe) = self.probe_in(path, seq) else { continue };
            if probe.size != quoted.size {
                continue;
            }
            let payload = quoted.transport.get(8..).unwrap_or(&[]);
            if probe.carrier == Carrier::Echo
                && payload.len() >= 32
                && self.codec.read_mark(payload).is_none_or(|mark| mark.path != path || mark.seq != seq)
            {
                continue;
            }
            self.on_error(path, seq, v6, error, from, now);
        }
    }

    /// Too-big, or another error, for one probe of ours.
    pub(super) fn on_error(
        &mut self,
        path: u32,
        seq: u16,
        v6: bool,
        (kind, code, mtu): (u8, u8, u32),
        from: Option<IpAddr>,
        now: Duration,
    ) {
        let from = from.unwrap_or(if v6 {
            IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED)
        } else {
            IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED)
        });
        let Some(search) = &mut self.slots[path as usize].search else { return };
        if (v6 && kind == 2) || (!v6 && kind == 3 && code == 4) {
            search.on_too_big(seq, from, mtu, now);
        } else if kind == 3 || (v6 && kind == 1) {
            search.on_unreachable(seq, &format!("{} from {from}", unreachable(v6, kind, code)), now);
        }
        self.after_event(path, now);
    }

    pub(super) fn receive_tcp(&mut self, v6: bool) -> bool {
        let Some(tcp) = &self.families[usize::from(v6)].tcp else { return false };
        let mut buffers = std::mem::replace(&mut self.buffers, sys::socket::Buffers::new(0, 0));
        let count = sys::socket::receive_batch(tcp.as_fd(), &mut buffers, false).unwrap_or(0);
        let now = self.now();
        for received in &buffers.received {
            let Some((_, port, acknowledged)) = packet::parse_tcp(buffers.data(received), v6) else { continue };
            if port != self.codec.tcp_source {
                continue;
            }
            for path in self.paths_to(received.from.map(|from| from.ip())) {
                // A closed port acknowledges SYN and payload, an open one perhaps the SYN alone (RFC 9293 section 3.10.7).
                let sent = self.slots[path as usize].tcp_sent.iter().find(|(_, sequence, len)| {
                    acknowledged == sequence.wrapping_add(1).wrapping_add(*len) || acknowledged == sequence.wrapping_add(1)
                });
                if let Some((seq, ..)) = sent.copied() {
                    self.reply(path, seq, now, received.ttl);
                }
            }
        }
        self.buffers = buffers;
        count > 0
    }

    /// Empties the error queues: UDP's answers, a datagram socket's too-big messages, and what a raw socket has seen already.
    pub(super) fn drain_errors(&mut self) -> bool {
        let mut any = false;
        for v6 in [false, true] {
            for udp in [false, true] {
                any |= self.drain_queue(v6, udp);
            }
        }
        any
    }

    pub(super) fn drain_queue(&mut self, v6: bool, udp: bool) -> bool {
        let mut any = false;
        loop {
            let family = &self.families[usize::from(v6)];
            let socket = if udp { family.udp.as_ref().map(AsFd::as_fd) } else { family.icmp.as_ref().map(AsFd::as_fd) };
            let Some(socket) = socket else { return any };
            let raw = !udp && family.icmp.as_ref().is_some_and(|icmp| icmp.raw);
            let mut buffers = std::mem::replace(&mut self.buffers, sys::socket::Buffers::new(0, 0));
            let count = sys::socket::receive_batch(socket, &mut buffers, true).unwrap_or(0);
            let now = self.now();
            for received in &buffers.received {
                let (Some(error), Some(target)) = (received.error, received.from) else { continue };
                if error.origin < 2 {
                    if i32::try_from(error.errno) == Ok(libc::EMSGSIZE) {
                        self.refusals.push((target.ip(), error.info));
                    }
                    continue;
                }
                // A raw socket has read the message itself.
                if raw {
                    continue;
                }
                let bytes = buffers.data(received);
                let payload = if udp { bytes } else { bytes.get(8..).unwrap_or(&[]) };
                self.on_queued_error(v6, udp, target.ip(), error, payload, now);
            }
            let full = count > 0;
            self.buffers = buffers;
            any |= full;
            if !full {
                return any;
            }
        }
    }

    pub(super) fn on_queued_error(
        &mut self,
        v6: bool,
        udp: bool,
        target: IpAddr,
        error: sys::socket::ExtendedError,
        payload: &[u8],
        now: Duration,
    ) {
        let found = match self.codec.read_mark(payload) {
            Some(mark) => Some((mark.path, mark.seq)),
            // A router that quotes eight bytes only: it is clear what it means where one such probe is out.
            None if payload.len() < 32 && udp => self.only_udp_probe(target),
            None => None,
        };
        let Some((path, seq)) = found else { return };
        if self.slots.get(path as usize).is_none() {
            return;
        }
        let port_unreachable = if v6 { (error.kind, error.code) == (1, 4) } else { (error.kind, error.code) == (3, 3) };
        if udp && port_unreachable && error.offender == Some(target) {
            self.reply(path, seq, now, None);
        } else {
            self.on_error(path, seq, v6, (error.kind, error.code, error.info), error.offender, now);
        }
    }

    pub(super) fn only_udp_probe(&self, target: IpAddr) -> Option<(u32, u16)> {
        let mut found = None;
        for path in self.paths_to(Some(target)) {
            let seq = self.slots[path as usize].search.as_ref()?.only_in_flight(Carrier::Udp)?;
            if found.replace((path, seq)).is_some() {
                return None;
            }
        }
        found
    }
}

/// RFC 792, RFC 1812 section 5.2.7.1; RFC 4443 section 3.1.
fn unreachable(v6: bool, kind: u8, code: u8) -> &'static str {
    match (v6, kind, code) {
        (false, 3, 0) => "network unreachable",
        (false, 3, 1) | (true, 1, 3) => "host unreachable",
        (true, 1, 0) => "no route",
        (false, 3, 2) => "protocol unreachable",
        (false, 3, 3) | (true, 1, 4) => "port unreachable",
        (false, 3, 9 | 10 | 13) | (true, 1, 1) => "administratively prohibited",
        (true, 1, 5) => "source address failed policy",
        (true, 1, 6) => "route rejected",
        _ => "unreachable",
    }
}

//! The path-MTU search under any order of events.

use pathvet_checks::evidence::{Path, PeerMtu, PeerMtuHow, RungOutcome};
use pathvet_checks::search::{BUDGET, Carrier, Config, MAX_BYTES_IN_FLIGHT, MAX_IN_FLIGHT, Methods, Probe, Search, Transmit};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// The most that one search may take in the silence after the last event; far more than any needs.
const STEPS: u32 = 200_000;

/// What the bytes still say; nothing where they have ended.
struct Bytes<'b>(&'b [u8]);

impl Bytes<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn byte(&mut self) -> u8 {
        self.next().unwrap_or(0)
    }

    fn number(&mut self) -> u32 {
        u32::from_be_bytes(std::array::from_fn(|_| self.byte()))
    }

    fn short(&mut self) -> u32 {
        u32::from(u16::from_be_bytes([self.byte(), self.byte()]))
    }
}

/// A search, and what its loop knows.
struct Run {
    search: Search,
    now: Duration,
    /// In the loop's hands: neither sent nor refused yet.
    held: Vec<Probe>,
    /// Everything that was ever handed out.
    known: Vec<Probe>,
    /// Sizes that were answered, with their carriers.
    answered: Vec<Probe>,
    replies: u32,
    sent: u32,
    /// Probes that a full receive buffer made void; they may be sent again.
    void: u32,
}

impl Run {
    fn send_one(&mut self) {
        if let Some(probe) = self.held.pop() {
            self.search.on_sent(probe.seq, self.now);
            self.sent += 1;
        }
    }

    fn poll(&mut self) -> bool {
        match self.search.poll_transmit(self.now) {
            Some(Transmit::Probe(probe)) => {
                self.known.push(probe);
                self.held.push(probe);
                true
            }
            Some(Transmit::Connect) => true,
            None => false,
        }
    }

    fn check_flight(&self) {
        let awaited: Vec<u32> = self.search.awaited().collect();
        assert!(awaited.len() <= MAX_IN_FLIGHT, "{} in flight", awaited.len());
        // One packet may always fly, and the small control on top of what is allowed.
        let bytes: u32 = awaited.iter().sum();
        assert!(awaited.len() <= 1 || bytes <= MAX_BYTES_IN_FLIGHT + 32 * 104, "{bytes} bytes in flight");
    }

    fn reply(&mut self, probe: Probe, fragment: Option<u32>) {
        self.answered.push(probe);
        self.replies += 1;
        self.search.on_reply(probe.seq, self.now, fragment, Some(64));
    }

    fn event(&mut self, kind: u8, bytes: &mut Bytes<'_>) {
        // One of the latest probes that have left: the loop empties its hands before it reads.
        let chosen = |bytes: &mut Bytes<'_>, run: &Self| {
            let back = usize::from(bytes.byte());
            let mut left = run.known.iter().rev().filter(|probe| !run.held.contains(probe));
            left.nth(back).copied()
        };
        match kind % 18 {
            0 | 1 => drop(self.poll()),
            2 | 3 => self.send_one(),
            4 => {
                while self.poll() {}
                while !self.held.is_empty() {
                    self.send_one();
                }
            }
            5 | 6 => {
                if let Some(probe) = chosen(bytes, self) {
                    self.reply(probe, None);
                }
            }
            7 => {
                if let Some(probe) = chosen(bytes, self) {
                    let fragment = bytes.short();
                    self.reply(probe, Some(fragment));
                }
            }
            // A sequence number of somebody else's.
            8 => {
                let seq = u16::try_from(bytes.short()).unwrap_or(0);
                if self.search.probe(seq).is_none() {
                    self.search.on_reply(seq, self.now, None, None);
                }
            }
            9 => {
                if let Some(probe) = chosen(bytes, self) {
                    let from: IpAddr = if bytes.byte().is_multiple_of(2) {
                        Ipv4Addr::new(192, 0, 2, 254).into()
                    } else {
                        Ipv6Addr::LOCALHOST.into()
                    };
                    let mtu = if bytes.byte().is_multiple_of(2) { bytes.short() } else { bytes.number() };
                    self.search.on_too_big(probe.seq, from, mtu, self.now);
                }
            }
            10 => {
                if let Some(probe) = chosen(bytes, self) {
                    let word = if bytes.byte().is_multiple_of(2) { "host unreachable" } else { "port unreachable" };
                    self.search.on_unreachable(probe.seq, word, self.now);
                }
            }
            11 => {
                if let Some(probe) = self.held.pop() {
                    let mtu = (bytes.byte().is_multiple_of(2)).then(|| bytes.short());
                    self.search.on_refused(probe.seq, mtu);
                }
            }
            12 => {
                if let Some(probe) = self.held.pop() {
                    self.search.on_unsent(probe.seq, self.now);
                }
            }
            13 => {
                while !self.held.is_empty() {
                    self.send_one();
                }
                self.void += u32::try_from(MAX_IN_FLIGHT).unwrap_or(0);
                self.search.on_receive_drops();
            }
            14 => self.now += Duration::from_micros(bytes.short().into()) * (1 << (bytes.byte() % 8)),
            15 => {
                if let Some(due) = self.search.poll_timeout() {
                    self.now = self.now.max(due);
                }
                self.search.on_timeout(self.now);
            }
            16 => {
                let value = bytes.short();
                let peer = PeerMtu { value, how: PeerMtuHow::Mss, at_least: value.is_multiple_of(2) };
                self.search.on_peer_mtu((value > 0).then_some(peer));
            }
            _ => match bytes.byte() {
                0 => self.search.abort("the deadline has come", self.now),
                1 => self.search.on_corrupted(),
                2 => {
                    if let Some(probe) = self.held.pop() {
                        self.search.on_send_error(probe.seq, "EPERM: not permitted", self.now);
                    }
                }
                _ => {
                    let _ = (self.search.rungs(), self.search.peek_transmit(self.now), self.search.oldest_in_flight(Carrier::Echo));
                }
            },
        }
    }

    /// From now on nothing comes back: the search must end by itself.
    fn silence(&mut self) {
        let mut steps = 0;
        while !self.search.is_done() {
            while self.poll() {}
            while !self.held.is_empty() {
                self.send_one();
            }
            self.check_flight();
            if self.search.is_done() {
                break;
            }
            let due = self.search.poll_timeout();
            let Some(due) = due else { panic!("nothing will ever happen: {:?}", self.search) };
            self.now = self.now.max(due);
            self.search.on_timeout(self.now);
            steps += 1;
            assert!(steps < STEPS, "it goes on for ever, {} sent", self.sent);
        }
    }
}

/// The first bytes configure a search, the others are events, in any order and with a clock that never goes back. Then there is
/// silence. The search ends within its budget and claims nothing that was not answered.
pub fn search(bytes: &[u8]) -> bool {
    let mut bytes = Bytes(bytes);
    let (flags, methods) = (bytes.byte(), bytes.byte());
    let flag = |bit: u8| flags & (1 << bit) != 0;
    let method = |bit: u8| methods & (1 << bit) != 0;
    let interface_mtu = bytes.short().max(68);
    let expected = bytes.short();
    let config = Config {
        v6: flag(0),
        interface_mtu,
        probe_above: flag(1),
        expected: flag(2).then_some(expected.max(68)),
        on_link: flag(3),
        resolved: flag(4),
        ceilings: pathvet_checks::search::KNOWN_CEILINGS.into(),
        methods: Methods {
            icmp: method(0),
            udp: method(1),
            tcp: method(2),
            forward_icmp: method(3),
            fragments: method(4),
            connect: method(5),
        },
        gateway: flag(5),
        sample: u32::from(bytes.byte()),
        ladder_only: flag(6),
        seed: bytes.number().into(),
    };
    let mut run = Run {
        search: Search::new(config),
        now: Duration::ZERO,
        held: Vec::new(),
        known: Vec::new(),
        answered: Vec::new(),
        replies: 0,
        sent: 0,
        void: 0,
    };
    while let Some(kind) = bytes.next() {
        run.event(kind, &mut bytes);
        run.check_flight();
    }
    run.silence();

    assert!(run.search.probes_sent() <= run.sent, "{} counted, {} sent", run.search.probes_sent(), run.sent);
    // The budget is looked at between rounds; the largest of those is a loss sample of 300.
    let most = BUDGET + 320 + run.void;
    assert!(run.sent <= most, "{} probes, {most} at most", run.sent);

    let mut path = Path::new("node1", "node2", jiff::Timestamp::UNIX_EPOCH);
    path.interface_mtu = Some(interface_mtu);
    run.search.conclude(&mut path);
    let was_answered = |size: u32| run.answered.iter().any(|probe| probe.size == size);
    if let Some(mtu) = path.path_mtu {
        assert!(was_answered(mtu), "{mtu} is claimed and was never answered");
    }
    for rung in &path.rungs {
        assert!((rung.replied > 0) == (rung.outcome == RungOutcome::Passed), "{rung:?}");
        assert!(rung.replied == 0 || was_answered(rung.mtu), "{rung:?} was never answered");
    }
    for result in &path.methods {
        assert!(result.passed.is_none_or(was_answered), "{result:?} was never answered");
    }
    if let Some(proof) = path.proof.filter(|proof| proof.proven) {
        assert!(proof.vanishes_replied == 0 && proof.vanishes == proof.passes + 1 && was_answered(proof.passes), "{proof:?}");
    }
    if let Some(loss) = path.loss {
        assert!((0.0..=1.0).contains(&loss), "loss {loss}");
    }
    run.replies > 0
}

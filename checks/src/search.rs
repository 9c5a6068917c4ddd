//! The path-MTU search: a state machine without socket or clock.
//!
//! The probing loop asks it what to send ([`Search::poll_transmit`]), tells it what happened (`on_…`), and wakes it when
//! [`Search::poll_timeout`] says. Time is an argument: the duration since the run began.
//!
//! # The method
//!
//! An answer proves its size for ever; silence proves nothing by itself. So the search only ever moves its lower end by
//! answers, and everything that hangs on silence is checked again at the end.
//!
//! 1. *Contact*: one small control probe, repeated up to three times, so that the neighbour is resolved before anything large
//!    is sent. A method that stays silent is followed by the next: echo, UDP, TCP.
//! 2. *Round 1*: 1280, 1500, 9000, the expected and the interface MTU, one above it, and a small fence. A probe counts as lost
//!    when a later one has been answered and a reordering margin has passed, or after a time-out made from the measured RTT.
//! 3. *Round 2*: known ceilings inside the gap, each with the next size, by rank; then k-ary rounds.
//! 4. A *too-big* message is believed when it quotes a probe of ours and a packet of the size it names then arrives. Nothing
//!    larger is sent meanwhile. One that names a size that does not work out is a lie and is reported as one.
//! 5. *Proof* of a silent cut: N and N + 1 in random order, in bursts that span a round trip, until Fisher's exact test is
//!    sure ([`stats::proves_cut`]). One answer at N + 1 reopens the search above it.
//! 6. Loss among sizes that pass starts a *slow sample*: if the loss goes away, it was a policer, and the search goes on slowly.
//! 7. A second method confirms what echo says, and the far end's own MTU is read (MSS, fragments), while the proof runs.

mod ceilings;
mod decide;
mod ladder_plan;
mod outcome;
mod pacer;
mod rng;
mod rtt;
pub mod stats;
mod tally;

#[cfg(test)]
mod tests;

pub use ceilings::KNOWN_CEILINGS;
pub use pacer::{Admission, Pacer, PacerConfig, Request};

use crate::evidence::{Method, PeerMtu, TooBig};
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;
use rng::Rng;
use rtt::RttEstimate;
use tally::Ladder;

/// Probes in flight on one path at most (VERDICTS: what a run may do to a network).
pub const MAX_IN_FLIGHT: usize = 32;
/// Bytes in flight on one path at most.
pub const MAX_BYTES_IN_FLIGHT: u32 = 256 * 1024;
/// Probes of one path before the search gives up.
pub const BUDGET: u32 = 1_500;
/// The same for a gateway that pathvet chose itself.
pub const GATEWAY_BUDGET: u32 = 40;

/// What a search may use, and what is known before it begins.
#[derive(Debug, Clone)]
pub struct Config {
    /// `true` for IPv6.
    pub v6: bool,
    /// MTU of the outgoing interface or a lower one of its route, bytes. The search never goes above it, but for one probe.
    pub interface_mtu: u32,
    /// Whether one size above `interface_mtu` is tried, which this host itself should refuse.
    pub probe_above: bool,
    /// The path MTU that the user expects.
    pub expected: Option<u32>,
    /// The target is on this link.
    pub on_link: bool,
    /// The next hop's neighbour entry is resolved, so large packets will not pile up in its queue.
    pub resolved: bool,
    /// Known ceilings, likeliest first, bytes of IP packet.
    pub ceilings: Arc<[u32]>,
    /// Methods that are available and allowed.
    pub methods: Methods,
    /// pathvet chose this target itself: few probes, no proof.
    pub gateway: bool,
    /// Probes of a path on which nothing larger is lost: they are what the verdict on loss rests on. 0: only what the search took.
    pub sample: u32,
    /// Only the ladder: no second method, no far end's MTU, no loss sample.
    pub ladder_only: bool,
    /// Seed for random order and spacing.
    pub seed: u64,
}

/// Probe methods that the loop can carry out for this path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "a set of independent switches")]
pub struct Methods {
    /// ICMP or `ICMPv6` echo.
    pub icmp: bool,
    /// UDP to a closed port.
    pub udp: bool,
    /// TCP SYN with payload; only for targets that the user named.
    pub tcp: bool,
    /// A large ICMP message whose answer is small: ICMP timestamp (RFC 792), or a padded neighbour solicitation (RFC 4861).
    pub forward_icmp: bool,
    /// An echo request in small fragments, whose answer shows the far end's own MTU.
    pub fragments: bool,
    /// One ordinary TCP connect, to read the far end's MSS.
    pub connect: bool,
}

/// What carries a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// Echo request.
    Echo,
    /// UDP datagram to a closed port.
    Udp,
    /// TCP SYN with payload.
    Tcp,
    /// ICMP timestamp request or neighbour solicitation, padded to the size.
    ForwardIcmp,
    /// Echo request of that size, sent in fragments of at most 1280 bytes, without DF.
    Fragments,
}

/// One probe to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// Sequence number; the answer names it.
    pub seq: u16,
    /// Bytes of IP packet.
    pub size: u32,
    /// What carries it.
    pub carrier: Carrier,
}

/// Something to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transmit {
    /// Send this probe and call [`Search::on_sent`], [`Search::on_refused`], [`Search::on_unsent`] or [`Search::on_send_error`].
    Probe(Probe),
    /// Read the far end's MSS with one ordinary connect and call [`Search::on_peer_mtu`].
    Connect,
}

/// What the next transmission would be, for the pacer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Bytes of IP packet; 0 for a connect.
    pub size: u32,
    /// Larger than anything that has passed so far.
    pub oversize: bool,
}

/// Why a probe is sent; decides how its fate counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Before the first answer: its loss is never counted.
    Contact,
    /// The ladder, and fences.
    Ladder,
    /// N of the proof.
    PairLow,
    /// N + 1 of the proof.
    PairHigh,
    /// The slow sample.
    Slow,
    /// A second method at N or N + 1; a forward-only or fragmented probe.
    Confirm,
    /// One more question to a router that may be answering seldom.
    Reask,
}

#[derive(Debug, Clone, Copy)]
struct Planned {
    at: Duration,
    size: u32,
    carrier: Carrier,
    role: Role,
    /// How often the kernel had no buffer for it.
    unsent: u8,
}

#[derive(Debug, Clone, Copy)]
struct InFlight {
    plan: Planned,
    seq: u16,
    sent_at: Duration,
    /// The kernel has taken it; until then it is in the loop's hands.
    sent: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Contact { tries: u8 },
    Ladder,
    Slow,
    Proof,
    Confirm,
    Done,
}

/// The running proof of a cut between `low` and `low + 1`.
#[derive(Debug, Clone, Copy, Default)]
struct Pairs {
    low: u32,
    low_sent: u32,
    low_replied: u32,
    high_sent: u32,
    high_replied: u32,
    proven: bool,
}

/// A too-big message that is being tried.
#[derive(Debug, Clone, Copy)]
struct Hint {
    mtu: u32,
    from: IpAddr,
    asked: u8,
    confirmed: bool,
}

/// The search of one path.
#[derive(Debug)]
pub struct Search {
    config: Config,
    stage: Stage,
    main: Carrier,
    /// A method that answered while echo had not; it becomes the main one if echo stays silent.
    fallback: Option<Carrier>,
    queue: VecDeque<Planned>,
    in_flight: Vec<InFlight>,
    bytes_in_flight: u32,
    /// Given up, newest last; a late answer finds its probe here.
    given_up: Vec<(u16, Planned)>,
    echo: Ladder,
    udp: Ladder,
    tcp: Ladder,
    rtt: RttEstimate,
    rtt_sample: (u32, u64, u32, u32),
    highest_answered: Option<(u16, Duration)>,
    next_seq: u16,
    rng: Rng,
    rounds: u32,
    /// Rounds inside a gap since the method was chosen.
    gap_rounds: u32,
    sent: u32,
    bytes: u64,
    pairs: Pairs,
    hint: Option<Hint>,
    too_big: Vec<TooBig>,
    slow: (u32, u32),
    slow_checked: bool,
    policed: bool,
    /// Answers that the far end's error limit still allows, in thousandths, and when that was computed.
    udp_tokens: (u32, Duration),
    /// The low end for which a second method was asked; 0 = none yet.
    confirm_for: u32,
    confirm_extra: u8,
    reasked: u8,
    echo_cut: Option<u32>,
    forward_icmp: ((u32, u32), (u32, u32)),
    fragments_asked: bool,
    connect_asked: bool,
    connect_wanted: bool,
    connect_pending: Option<Duration>,
    peer_mtu: Option<PeerMtu>,
    largest_fragment: Option<u32>,
    whole_reply: u32,
    reply_ttl: Option<u8>,
    sampled: bool,
    control_sample: (u32, u32),
    corrupted: u32,
    void_rounds: u32,
    refused_at: Option<u32>,
    buffer_full_at: Option<u32>,
    unreachable: Option<String>,
    send_error: Option<String>,
    incomplete: Option<String>,
    finished_at: Option<Duration>,
    started_at: Option<Duration>,
}

impl Search {
    /// A search that has sent nothing yet.
    #[must_use]
    pub fn new(mut config: Config) -> Self {
        config.interface_mtu = config.interface_mtu.min(65_535);
        let main = if config.methods.icmp {
            Carrier::Echo
        } else if config.methods.udp {
            Carrier::Udp
        } else {
            Carrier::Tcp
        };
        let mut rng = Rng::new(config.seed);
        let next_seq = rng.next_u16();
        Self {
            config,
            stage: Stage::Contact { tries: 0 },
            main,
            fallback: None,
            queue: VecDeque::new(),
            in_flight: Vec::new(),
            bytes_in_flight: 0,
            given_up: Vec::new(),
            echo: Ladder::default(),
            udp: Ladder::default(),
            tcp: Ladder::default(),
            rtt: RttEstimate::default(),
            rtt_sample: (0, 0, u32::MAX, 0),
            highest_answered: None,
            next_seq,
            rng,
            rounds: 0,
            gap_rounds: 0,
            sent: 0,
            bytes: 0,
            pairs: Pairs::default(),
            hint: None,
            too_big: Vec::new(),
            slow: (0, 0),
            slow_checked: false,
            policed: false,
            udp_tokens: (6_000, Duration::ZERO),
            confirm_for: 0,
            confirm_extra: 0,
            reasked: 0,
            echo_cut: None,
            forward_icmp: ((0, 0), (0, 0)),
            fragments_asked: false,
            connect_asked: false,
            connect_wanted: false,
            connect_pending: None,
            peer_mtu: None,
            largest_fragment: None,
            whole_reply: 0,
            reply_ttl: None,
            sampled: false,
            control_sample: (0, 0),
            corrupted: 0,
            void_rounds: 0,
            refused_at: None,
            buffer_full_at: None,
            unreachable: None,
            send_error: None,
            incomplete: None,
            finished_at: None,
            started_at: None,
        }
    }

    /// Size of the small control probe: what `ping` sends without options, 56 bytes of payload.
    #[must_use]
    pub const fn control_size(&self) -> u32 {
        if self.config.v6 { 104 } else { 84 }
    }

    /// Whether the verdict is in.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        matches!(self.stage, Stage::Done)
    }

    /// Probes sent so far.
    #[must_use]
    pub const fn probes_sent(&self) -> u32 {
        self.sent
    }

    /// The largest size that is known to arrive so far; 0 before the first answer.
    #[must_use]
    pub fn largest_answered(&self) -> u32 {
        self.ladder().low
    }

    /// What [`Search::poll_transmit`] would return now, for the pacer; `None` when there is nothing to send at this moment.
    pub fn peek_transmit(&mut self, now: Duration) -> Option<Wanted> {
        self.advance(now);
        if self.connect_wanted {
            return Some(Wanted { size: 0, oversize: false });
        }
        let next = self.sendable(now)?;
        let known = self.echo.low.max(self.udp.low).max(self.tcp.low).max(self.control_size());
        Some(Wanted { size: next.size, oversize: next.size > known && next.carrier != Carrier::Fragments })
    }

    /// The next thing to do now, or `None`.
    pub fn poll_transmit(&mut self, now: Duration) -> Option<Transmit> {
        self.advance(now);
        if self.connect_wanted {
            self.connect_wanted = false;
            self.connect_pending = Some(now);
            return Some(Transmit::Connect);
        }
        let plan = self.sendable(now)?;
        self.queue.pop_front();
        let seq = self.next_seq;
        self.next_seq = self.next_seq.wrapping_add(1);
        self.in_flight.push(InFlight { plan, seq, sent_at: now, sent: false });
        self.bytes_in_flight += plan.size;
        Some(Transmit::Probe(Probe { seq, size: plan.size, carrier: plan.carrier }))
    }

    /// The kernel has taken the probe.
    pub fn on_sent(&mut self, seq: u16, now: Duration) {
        self.started_at.get_or_insert(now);
        let Some(entry) = self.in_flight.iter_mut().find(|entry| entry.seq == seq) else { return };
        entry.sent = true;
        entry.sent_at = now;
        let plan = entry.plan;
        self.sent += 1;
        self.bytes += u64::from(plan.size);
        match plan.role {
            Role::PairLow => self.pairs.low_sent += 1,
            Role::PairHigh => self.pairs.high_sent += 1,
            Role::Slow => self.slow.0 += 1,
            Role::Contact | Role::Ladder | Role::Confirm | Role::Reask => {}
        }
        match plan.carrier {
            Carrier::Fragments => {}
            Carrier::ForwardIcmp => {
                if plan.size > self.control_size() {
                    self.forward_icmp.1.0 += 1
                } else {
                    self.forward_icmp.0.0 += 1
                }
            }
            carrier if plan.role != Role::Slow => self.ladder_of(carrier).at(plan.size).sent += 1,
            _ => {}
        }
    }

    /// This host refuses that size (EMSGSIZE). `mtu` is the largest size it says it would take, where it says one.
    pub fn on_refused(&mut self, seq: u16, mtu: Option<u32>) {
        let Some(entry) = self.take_in_flight(seq) else { return };
        let size = entry.plan.size;
        self.undo_sent(&entry);
        self.ladder_of(entry.plan.carrier).at(size).refused = true;
        let limit = mtu.unwrap_or(size - 1).min(size - 1);
        self.refused_at = Some(self.refused_at.map_or(limit, |known| known.min(limit)));
        if size <= self.config.interface_mtu {
            self.queue.retain(|plan| plan.size < size);
        }
    }

    /// The kernel had no room for it (ENOBUFS): no evidence, it is tried again a little later.
    pub fn on_unsent(&mut self, seq: u16, now: Duration) {
        let Some(entry) = self.take_in_flight(seq) else { return };
        self.undo_sent(&entry);
        let mut plan = entry.plan;
        plan.unsent = plan.unsent.saturating_add(1);
        let wait = Duration::from_millis(u64::from(plan.unsent.min(50)) * 2);
        let dead = self.buffer_full_at.is_some_and(|dead| plan.size >= dead) || plan.unsent >= 4;
        if dead && plan.size > self.ladder_of(plan.carrier).low && self.ladder().low > 0 {
            // Small ones leave and this size never does: the device below drops it, which is an answer of a kind.
            self.buffer_full_at = Some(self.buffer_full_at.map_or(plan.size, |known| known.min(plan.size)));
            let tally = self.ladder_of(plan.carrier).at(plan.size);
            tally.lost += 1;
            tally.sent += 1;
            match plan.role {
                Role::PairLow => self.pairs.low_sent += 1,
                Role::PairHigh => self.pairs.high_sent += 1,
                _ => {}
            }
            return;
        }
        plan.at = now + wait;
        self.queue.push_front(plan);
    }

    /// Sending failed for a reason that more probes will not mend (EPERM, ENETUNREACH). The search ends.
    pub fn on_send_error(&mut self, seq: u16, error: &str, now: Duration) {
        if let Some(entry) = self.take_in_flight(seq) {
            self.undo_sent(&entry);
        }
        self.send_error = Some(error.into());
        if self.ladder().low == 0 && self.main == Carrier::Echo && self.config.methods.udp {
            // The local filter may refuse echo alone.
            self.queue.clear();
            self.main = Carrier::Udp;
            self.stage = Stage::Contact { tries: 0 };
            return;
        }
        self.finish(now);
    }

    /// An answer to probe `seq`. `size` is the probe's size; `fragment` the largest fragment that the answer came in, where the
    /// kernel said that it came in fragments; `ttl` the answer's TTL or hop limit.
    pub fn on_reply(&mut self, seq: u16, now: Duration, fragment: Option<u32>, ttl: Option<u8>) {
        let (plan, late) = if let Some(entry) = self.take_in_flight(seq) {
            if self.highest_answered.is_none_or(|(highest, _)| newer(seq, highest)) {
                self.highest_answered = Some((seq, now));
            }
            if matches!(entry.plan.carrier, Carrier::Echo | Carrier::Udp | Carrier::Tcp) {
                let sample = now.saturating_sub(entry.sent_at);
                self.rtt.add(sample);
                if entry.plan.size == self.control_size() {
                    let micros = u32::try_from(sample.as_micros()).unwrap_or(u32::MAX);
                    let (count, sum, min, max) = self.rtt_sample;
                    self.rtt_sample = (count + 1, sum + u64::from(micros), min.min(micros), max.max(micros));
                }
            }
            (entry.plan, false)
        } else if let Some(index) = self.given_up.iter().position(|(other, _)| *other == seq) {
            (self.given_up.swap_remove(index).1, true)
        } else {
            return;
        };
        self.reply_ttl = ttl.or(self.reply_ttl);
        self.count_reply(plan, late, fragment, now);
    }

    /// An answer came back with another payload than was sent.
    pub fn on_corrupted(&mut self) {
        self.corrupted += 1;
    }

    /// A too-big message that quotes probe `seq` of ours.
    pub fn on_too_big(&mut self, seq: u16, from: IpAddr, mtu: u32, now: Duration) {
        let Some(plan) = self.plan_of(seq) else { return };
        if self.take_in_flight(seq).is_some() {
            if !matches!(plan.carrier, Carrier::Fragments | Carrier::ForwardIcmp) {
                let tally = self.ladder_of(plan.carrier).at(plan.size);
                tally.lost += 1;
                tally.too_big = true;
            }
        }
        if self.highest_answered.is_none_or(|(highest, _)| newer(seq, highest)) {
            self.highest_answered = Some((seq, now));
        }
        let smallest = if self.config.v6 { 1280 } else { 68 };
        let usable = mtu >= smallest && mtu < plan.size && mtu >= self.ladder().low;
        if !self.too_big.iter().any(|known| known.from == from && known.mtu == mtu) && self.too_big.len() < 16 {
            self.too_big.push(TooBig { from, mtu, quoted: plan.size, believed: false });
        }
        if usable && self.hint.is_none_or(|hint| mtu < hint.mtu) {
            // Said, not silent: the running pairs are void.
            self.pairs = Pairs::default();
            self.hint = Some(Hint { mtu, from, asked: 0, confirmed: false });
            self.queue.retain(|queued| queued.size <= mtu);
        }
    }

    /// An error other than too-big came back for probe `seq`: `what` names it and its sender.
    pub fn on_unreachable(&mut self, seq: u16, what: &str, now: Duration) {
        let Some(plan) = self.plan_of(seq) else { return };
        self.unreachable.get_or_insert_with(|| what.into());
        if plan.role == Role::Contact {
            self.take_in_flight(seq);
            if self.in_flight.is_empty() {
                self.queue.clear();
                self.stage = Stage::Contact { tries: u8::MAX };
                self.advance(now);
            }
        }
    }

    /// This host's receive buffer overflowed: what is in flight is no evidence.
    pub fn on_receive_drops(&mut self) {
        if self.in_flight.is_empty() {
            return;
        }
        self.void_rounds += 1;
        for entry in core::mem::take(&mut self.in_flight) {
            self.undo_sent(&entry);
            let mut plan = entry.plan;
            plan.unsent = 0;
            self.queue.push_front(plan);
        }
        self.bytes_in_flight = 0;
    }

    /// The far end's MTU as its MSS says; `None` where no port answered.
    pub fn on_peer_mtu(&mut self, peer: Option<PeerMtu>) {
        self.connect_pending = None;
        if peer.is_some() {
            self.peer_mtu = peer;
        }
    }

    /// When [`Search::on_timeout`] wants to be called, if nothing else happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        if self.is_done() {
            return None;
        }
        let due = self.in_flight.iter().filter(|entry| entry.sent).map(|entry| self.due(entry)).min();
        let queued = self.queue.front().filter(|plan| !self.is_blocked(plan)).map(|plan| self.ready_at(plan));
        let connect = self.connect_pending.map(|since| since + self.patience());
        [due, queued, connect].into_iter().flatten().min()
    }

    /// Time has passed: probes that are due are given up, and the next step is decided when nothing is in flight.
    pub fn on_timeout(&mut self, now: Duration) {
        self.advance(now);
    }

    /// Stops: the deadline has come, or a signal. What is undecided stays undecided.
    pub fn abort(&mut self, why: &str, now: Duration) {
        if !self.is_done() {
            self.incomplete = Some(why.into());
            self.finish(now);
        }
    }

    /// The probe with that sequence number, while its fate is of interest.
    #[must_use]
    pub fn probe(&self, seq: u16) -> Option<Probe> {
        let plan = self.plan_of(seq)?;
        Some(Probe { seq, size: plan.size, carrier: plan.carrier })
    }

    /// Sizes of the answers that may still come in full size: what the receive buffer must have room for.
    pub fn awaited(&self) -> impl Iterator<Item = u32> {
        let echo = self.in_flight.iter().filter(|entry| matches!(entry.plan.carrier, Carrier::Echo | Carrier::Fragments));
        echo.map(|entry| entry.plan.size)
    }

    /// The sequence number of the oldest probe of that carrier in flight.
    #[must_use]
    pub fn oldest_in_flight(&self, carrier: Carrier) -> Option<u16> {
        let flying = self.in_flight.iter().filter(|entry| entry.plan.carrier == carrier && entry.sent);
        flying.min_by_key(|entry| entry.sent_at).map(|entry| entry.seq)
    }

    /// The sequence number of the only probe of that carrier in flight; `None` where there are none or several.
    #[must_use]
    pub fn only_in_flight(&self, carrier: Carrier) -> Option<u16> {
        let mut flying = self.in_flight.iter().filter(|entry| entry.plan.carrier == carrier);
        let first = flying.next()?;
        flying.next().is_none().then_some(first.seq)
    }

    fn ladder(&self) -> &Ladder {
        match self.main {
            Carrier::Udp => &self.udp,
            Carrier::Tcp => &self.tcp,
            Carrier::Echo | Carrier::ForwardIcmp | Carrier::Fragments => &self.echo,
        }
    }

    fn ladder_of(&mut self, carrier: Carrier) -> &mut Ladder {
        match carrier {
            Carrier::Udp => &mut self.udp,
            Carrier::Tcp => &mut self.tcp,
            Carrier::Echo | Carrier::ForwardIcmp | Carrier::Fragments => &mut self.echo,
        }
    }

    fn take_in_flight(&mut self, seq: u16) -> Option<InFlight> {
        let index = self.in_flight.iter().position(|entry| entry.seq == seq)?;
        let entry = self.in_flight.swap_remove(index);
        self.bytes_in_flight = self.bytes_in_flight.saturating_sub(entry.plan.size);
        Some(entry)
    }

    fn plan_of(&self, seq: u16) -> Option<Planned> {
        let flying = self.in_flight.iter().find(|entry| entry.seq == seq).map(|entry| entry.plan);
        flying.or_else(|| self.given_up.iter().find(|(other, _)| *other == seq).map(|(_, plan)| *plan))
    }

    /// Takes back what [`Search::on_sent`] counted.
    fn undo_sent(&mut self, entry: &InFlight) {
        if !entry.sent {
            return;
        }
        match entry.plan.role {
            Role::PairLow => self.pairs.low_sent = self.pairs.low_sent.saturating_sub(1),
            Role::PairHigh => self.pairs.high_sent = self.pairs.high_sent.saturating_sub(1),
            Role::Slow => self.slow.0 = self.slow.0.saturating_sub(1),
            Role::Contact | Role::Ladder | Role::Confirm | Role::Reask => {}
        }
        if entry.plan.role != Role::Slow && matches!(entry.plan.carrier, Carrier::Echo | Carrier::Udp | Carrier::Tcp) {
            let tally = self.ladder_of(entry.plan.carrier).at(entry.plan.size);
            tally.sent = tally.sent.saturating_sub(1);
        }
    }

    fn count_reply(&mut self, plan: Planned, late: bool, fragment: Option<u32>, now: Duration) {
        if plan.size == self.control_size() && plan.role != Role::Contact {
            self.control_sample.1 += 1;
            self.control_sample.0 += u32::from(!late);
        }
        match plan.carrier {
            Carrier::ForwardIcmp => {
                if plan.size > self.control_size() {
                    self.forward_icmp.1.1 += 1
                } else {
                    self.forward_icmp.0.1 += 1
                }
                return;
            }
            Carrier::Fragments => {
                if let Some(fragment) = fragment.filter(|fragment| *fragment < plan.size) {
                    self.largest_fragment = Some(self.largest_fragment.map_or(fragment, |known| known.max(fragment)));
                    self.note_fragments(fragment);
                }
                return;
            }
            Carrier::Echo => match fragment.filter(|fragment| *fragment < plan.size) {
                Some(fragment) => {
                    self.largest_fragment = Some(self.largest_fragment.map_or(fragment, |known| known.max(fragment)));
                    self.note_fragments(fragment);
                }
                None => self.whole_reply = self.whole_reply.max(plan.size),
            },
            Carrier::Udp => self.spend_udp_token(now),
            Carrier::Tcp => {}
        }
        let late_loss = |tally: &mut tally::Tally| tally.lost -= u32::from(late).min(tally.lost);
        match plan.role {
            Role::Slow => {
                self.slow.1 += 1;
                return;
            }
            Role::PairLow if plan.size == self.pairs.low => self.pairs.low_replied += 1,
            Role::PairHigh if plan.size == self.pairs.low + 1 => self.pairs.high_replied += 1,
            _ => {}
        }
        let carrier = plan.carrier;
        let ladder = self.ladder_of(carrier);
        late_loss(ladder.at(plan.size));
        ladder.answered(plan.size);
        if carrier == Carrier::Udp || carrier == Carrier::Tcp {
            // These rounds go down from the top: what is smaller than an answered size need not be asked.
            self.queue.retain(|queued| queued.carrier != carrier || queued.role != Role::Ladder || queued.size > plan.size);
        }
        if self.stage == Stage::Proof && carrier == self.main && plan.size > self.pairs.low {
            self.queue.retain(|queued| !matches!(queued.role, Role::PairLow | Role::PairHigh));
        }
        if matches!(self.stage, Stage::Contact { .. }) {
            self.on_contact(carrier, now);
        }
    }
}

/// Whether sequence number `a` was sent after `b` (they wrap).
const fn newer(a: u16, b: u16) -> bool {
    a != b && a.wrapping_sub(b) < 0x8000
}

/// The evidence's word for a carrier.
const fn method(carrier: Carrier) -> Method {
    match carrier {
        Carrier::Udp => Method::Udp,
        Carrier::Tcp => Method::Tcp,
        Carrier::Echo | Carrier::ForwardIcmp | Carrier::Fragments => Method::Icmp,
    }
}

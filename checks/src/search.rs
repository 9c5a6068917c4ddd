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
//! 7. A second method confirms what echo says, and the far end's own MTU is read (MSS, fragments), while the proof runs. What UDP
//!    alone says is asked for by TCP.

mod ceilings;
mod confirm;
mod decide;
mod events;
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
/// What a fragment of 1280 bytes carries, over IPv6; 24 bytes less than over IPv4 (RFC 8200 section 4.5).
const FRAGMENT_PAYLOAD: u32 = 1_232;

/// What a search may use, and what is known before it begins.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts and switches")]
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

/// What an error other than too-big speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// The destination: network or host unreachable, no route. No other probe would get there.
    Destination,
    /// This kind of packet: port or protocol unreachable, prohibited. A filter may send it (`REJECT`), and let others pass.
    Packet,
}

impl Denial {
    /// What an error speaks of whose name `words` begin with (RFC 792, RFC 4443 section 3.1).
    #[must_use]
    pub fn of(words: &str) -> Self {
        let gone = ["network unreachable", "host unreachable", "no route"].iter().any(|name| words.starts_with(name));
        if gone { Self::Destination } else { Self::Packet }
    }
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
    /// Packets that it takes: more than one where it is sent in fragments.
    pub packets: u32,
    /// Larger than an Ethernet packet and than anything that has passed so far: a router may have to say that it is too big.
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

/// Answers to messages whose answer is small whatever their size.
#[derive(Debug, Clone, Copy, Default)]
struct ForwardIcmp {
    small: u32,
    large: u32,
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
#[expect(clippy::struct_excessive_bools, reason = "each remembers one thing that is asked at most once")]
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
    /// How many hints did not arrive, and the smallest of them.
    hints_failed: u32,
    hint_failed: Option<u32>,
    too_big: Vec<TooBig>,
    slow: (u32, u32),
    slow_checked: bool,
    policed: bool,
    /// Answers that the far end's error limit still allows, in thousandths, and when that was computed.
    udp_tokens: (u32, Duration),
    /// The low end for which a second method was asked; 0 = none yet.
    confirm_for: u32,
    confirm_extra: u8,
    /// Questions by UDP after a pause, where all others were silent.
    udp_late: u8,
    /// A round by UDP in which what had arrived before went unanswered too: it says nothing about sizes.
    udp_fence_lost: bool,
    udp_voids: u8,
    reasked: u8,
    echo_cut: Option<u32>,
    forward_icmp: ForwardIcmp,
    fragments_asked: bool,
    connect_asked: bool,
    connect_wanted: bool,
    connect_pending: Option<Duration>,
    peer_mtu: Option<PeerMtu>,
    largest_fragment: Option<u32>,
    whole_reply: u32,
    split_reply: Option<u32>,
    narrowed: u8,
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
            hints_failed: 0,
            hint_failed: None,
            too_big: Vec::new(),
            slow: (0, 0),
            slow_checked: false,
            policed: false,
            udp_tokens: (6_000, Duration::ZERO),
            confirm_for: 0,
            confirm_extra: 0,
            udp_late: 0,
            udp_fence_lost: false,
            udp_voids: 0,
            reasked: 0,
            echo_cut: None,
            forward_icmp: ForwardIcmp::default(),
            fragments_asked: false,
            connect_asked: false,
            connect_wanted: false,
            connect_pending: None,
            peer_mtu: None,
            largest_fragment: None,
            whole_reply: 0,
            split_reply: None,
            narrowed: 0,
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
            return Some(Wanted { size: 0, packets: 1, oversize: false });
        }
        let next = self.sendable(now)?;
        // Every router carries an Ethernet packet in its fast path.
        let known = self.echo.low.max(self.udp.low).max(self.tcp.low).max(1500);
        let in_fragments = next.carrier == Carrier::Fragments;
        Some(Wanted {
            size: next.size,
            packets: if in_fragments { next.size.div_ceil(FRAGMENT_PAYLOAD) } else { 1 },
            oversize: next.size > known && !in_fragments,
        })
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

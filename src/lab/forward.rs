//! The box between two cables: one thread for each direction reads frames, applies the rules, and writes them on.

use super::network::{Forwarder, Rate, Rules};
use super::packet::Packet;
use crate::sys::frame::{FrameSocket, wait_readable};
use crate::sys::ring::Ring;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Frames of one direction wait here while the forwarder is not scheduled: about 800 of 9,000 bytes, 100 of 65,520.
const RING_MEBIBYTES: usize = 8;
/// An Ethernet header, and a tag that nobody here sends.
const ETHERNET: usize = 18;
/// Frames handled between two looks at the frames that are held back.
const BATCH: usize = 64;

/// What one direction of a forwarder did with its frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Frames that arrived, ARP and neighbour discovery among them.
    pub frames: u64,
    /// IP packets that arrived, without neighbour discovery.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The longest of them.
    pub longest: u64,
    /// Dropped by a filter.
    pub filtered: u64,
    /// Dropped because they were too big.
    pub too_big: u64,
    /// "Too big" answers sent.
    pub answers: u64,
    /// Dropped by a policer.
    pub policed: u64,
    /// Lost by chance.
    pub lost: u64,
    /// Not taken by the interface on the other side.
    pub refused: u64,
    /// Not even seen: more frames at once than there is room for. A test that sees one cannot trust its losses.
    pub missed: u64,
}

/// A forwarder at work. It ends with its process.
#[derive(Debug)]
pub(super) struct Running {
    directions: [Arc<Mutex<Direction>>; 2],
}

/// Rules of one direction and where they stand.
#[derive(Debug)]
struct Direction {
    rules: Rules,
    random: Random,
    packet_bucket: Option<Bucket>,
    byte_bucket: Option<Bucket>,
    last_answer: Option<Instant>,
    counters: Counters,
}

/// What becomes of a frame.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Pass(Duration),
    Drop,
    Answer(Vec<u8>),
}

impl Running {
    /// Starts both directions between two interfaces, given by index. `widest` is the largest MTU of the hosts around.
    pub(super) fn start(forwarder: &Forwarder, left: u32, right: u32, widest: u32, seed: u64) -> io::Result<Self> {
        let left = Arc::new(FrameSocket::open(left)?);
        let right = Arc::new(FrameSocket::open(right)?);
        let longest = widest as usize + ETHERNET;
        let start = |rules: &Rules, seed, from: &Arc<FrameSocket>, to: &Arc<FrameSocket>| {
            let direction = Arc::new(Mutex::new(Direction::new(rules.clone(), seed)));
            let (shared, from, to) = (Arc::clone(&direction), Arc::clone(from), Arc::clone(to));
            let ring = Ring::new(Arc::clone(&from), longest, RING_MEBIBYTES)?;
            thread::Builder::new().name("forward".to_owned()).spawn(move || carry(&shared, ring, &from, &to)).map(|_| direction)
        };
        // Two streams of random numbers that do not run in step.
        let directions = [start(&forwarder.forward, seed, &left, &right)?, start(&forwarder.reverse, !seed, &right, &left)?];
        Ok(Self { directions })
    }

    /// What was done so far: forward, reverse.
    pub(super) fn counters(&self) -> [Counters; 2] {
        self.directions.each_ref().map(|direction| lock(direction).counters)
    }

    /// Replaces the rules of both directions.
    pub(super) fn set_rules(&self, forward: Rules, reverse: Rules) {
        for (direction, rules) in self.directions.iter().zip([forward, reverse]) {
            lock(direction).set_rules(rules);
        }
    }
}

/// One direction, for ever.
fn carry(direction: &Mutex<Direction>, mut ring: Ring, from: &FrameSocket, to: &FrameSocket) {
    let mut held: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
    loop {
        let wait = held.front().map(|(due, _)| due.saturating_duration_since(Instant::now()));
        if wait_readable(&[ring.as_fd()], wait).is_err() {
            return;
        }
        let mut direction = lock(direction);
        for _ in 0..BATCH {
            let taken = ring.take(|frame| match direction.decide(frame, Instant::now) {
                Fate::Pass(Duration::ZERO) => direction.send(to, frame),
                Fate::Pass(delay) => held.push_back((Instant::now() + delay, frame.to_vec())),
                Fate::Drop => {}
                Fate::Answer(answer) => direction.send(from, &answer),
            });
            if taken.is_none() {
                break;
            }
        }
        direction.counters.missed += u64::from(ring.missed());
        let now = Instant::now();
        while let Some((_, frame)) = held.pop_front_if(|(due, _)| *due <= now) {
            direction.send(to, &frame);
        }
    }
}

impl Direction {
    fn new(rules: Rules, seed: u64) -> Self {
        let mut new = Self {
            rules: Rules::default(),
            random: Random(seed),
            packet_bucket: None,
            byte_bucket: None,
            last_answer: None,
            counters: Counters::default(),
        };
        new.set_rules(rules);
        new
    }

    fn set_rules(&mut self, rules: Rules) {
        self.packet_bucket = rules.packet_rate.map(Bucket::new);
        self.byte_bucket = rules.byte_rate.map(Bucket::new);
        self.last_answer = None;
        self.rules = rules;
    }

    /// Applies the rules to one frame. The clock is asked only by rules that need it.
    fn decide(&mut self, frame: &[u8], now: impl Fn() -> Instant) -> Fate {
        self.counters.frames += 1;
        let delay = Duration::from_micros(self.rules.delay_us);
        let Some(packet) = Packet::parse(frame) else { return Fate::Pass(delay) };
        let length = packet.length() as u64;
        self.counters.packets += 1;
        self.counters.bytes += length;
        self.counters.longest = self.counters.longest.max(length);

        if self.rules.drop.iter().any(|filter| packet.matches(*filter)) {
            self.counters.filtered += 1;
            return Fate::Drop;
        }
        if let Some(rule) = &mut self.rules.too_big
            && length > u64::from(rule.above)
            && rule.only != Some(0)
        {
            self.counters.too_big += 1;
            let quiet = Duration::from_millis(rule.every_ms);
            if self.last_answer.is_some_and(|last| now() < last + quiet) {
                return Fate::Drop;
            }
            let Some(answer) = packet.too_big(rule) else { return Fate::Drop };
            self.last_answer = (rule.every_ms > 0).then(&now);
            rule.only = rule.only.map(|left| left - 1);
            self.counters.answers += 1;
            return Fate::Answer(answer);
        }
        if self.rules.max.is_some_and(|max| length > u64::from(max)) {
            self.counters.too_big += 1;
            return Fate::Drop;
        }
        if self.packet_bucket.as_mut().is_some_and(|bucket| !bucket.take(1, now()))
            || self.byte_bucket.as_mut().is_some_and(|bucket| !bucket.take(length, now()))
        {
            self.counters.policed += 1;
            return Fate::Drop;
        }
        if self.rules.loss_ppm > 0 && self.random.below(1_000_000) < u64::from(self.rules.loss_ppm) {
            self.counters.lost += 1;
            return Fate::Drop;
        }
        Fate::Pass(delay)
    }

    fn send(&mut self, to: &FrameSocket, frame: &[u8]) {
        if to.send(frame).is_err() {
            self.counters.refused += 1;
        }
    }
}

/// A token bucket. Tokens are counted in billionths, so that no rate is rounded.
#[derive(Debug)]
struct Bucket {
    rate: Rate,
    tokens: u128,
    filled: Option<Instant>,
}

/// Parts of a token.
const TOKEN: u128 = 1_000_000_000;

impl Bucket {
    fn new(rate: Rate) -> Self {
        Self { rate, tokens: u128::from(rate.burst) * TOKEN, filled: None }
    }

    /// Takes tokens if there are as many.
    fn take(&mut self, tokens: u64, now: Instant) -> bool {
        let since = self.filled.map_or(Duration::ZERO, |filled| now.saturating_duration_since(filled));
        self.filled = Some(now);
        let full = u128::from(self.rate.burst) * TOKEN;
        self.tokens = full.min(self.tokens + since.as_nanos() * u128::from(self.rate.per_second));
        let wanted = u128::from(tokens) * TOKEN;
        let enough = self.tokens >= wanted;
        if enough {
            self.tokens -= wanted;
        }
        enough
    }
}

/// `SplitMix64` (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below a limit. The bias of 2^-44 for a million does not matter here.
    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// The lock is held over no call that can panic; if one did, the counters are still numbers.
fn lock(direction: &Mutex<Direction>) -> std::sync::MutexGuard<'_, Direction> {
    direction.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::network::{Filter, TooBig};

    /// An echo request with DF, of a given IP length.
    fn echo(length: usize) -> Vec<u8> {
        let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0];
        frame.extend_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
        frame.extend_from_slice(&[0, 0, 0x40, 0, 64, 1, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2, 8, 0]);
        frame.resize(14 + length, 0);
        frame
    }

    fn passes(direction: &mut Direction, length: usize, now: Instant) -> bool {
        matches!(direction.decide(&echo(length), || now), Fate::Pass(_))
    }

    #[test]
    fn the_cut_is_exact() {
        let mut direction = Direction::new(Rules { max: Some(9198), ..Rules::default() }, 1);
        let now = Instant::now();
        assert!(passes(&mut direction, 9198, now));
        assert!(!passes(&mut direction, 9199, now));
        assert_eq!(direction.counters.too_big, 1);
        assert_eq!(direction.counters.longest, 9199);
    }

    #[test]
    fn the_longest_packet_passes() {
        let mut direction = Direction::new(Rules { max: Some(65535), ..Rules::default() }, 1);
        assert!(passes(&mut direction, 65535, Instant::now()));
    }

    #[test]
    fn loss_is_repeatable_and_near_its_rate() {
        let lost = |seed| {
            let mut direction = Direction::new(Rules { loss_ppm: 200_000, ..Rules::default() }, seed);
            let now = Instant::now();
            (0..10_000).filter(|_| !passes(&mut direction, 84, now)).count()
        };
        assert_eq!(lost(7), lost(7));
        // Six standard deviations of 10,000 draws at 20 %.
        assert!((1760..=2240).contains(&lost(7)), "{}", lost(7));
    }

    #[test]
    fn a_policer_passes_its_burst_and_then_its_rate() {
        let rules = Rules { packet_rate: Some(Rate { per_second: 100, burst: 10 }), ..Rules::default() };
        let mut direction = Direction::new(rules, 1);
        let start = Instant::now();
        assert_eq!((0..60).filter(|_| passes(&mut direction, 84, start)).count(), 10);
        assert!(!passes(&mut direction, 84, start + Duration::from_millis(9)));
        assert!(passes(&mut direction, 84, start + Duration::from_millis(10)));
        assert_eq!((0..60).filter(|_| passes(&mut direction, 84, start + Duration::from_mins(1))).count(), 10);
    }

    #[test]
    fn a_byte_policer_counts_bytes() {
        let rules = Rules { byte_rate: Some(Rate { per_second: 1000, burst: 9000 }), ..Rules::default() };
        let mut direction = Direction::new(rules, 1);
        let now = Instant::now();
        assert!(passes(&mut direction, 9000, now));
        assert!(!passes(&mut direction, 100, now));
        assert!(passes(&mut direction, 100, now + Duration::from_millis(100)));
    }

    #[test]
    fn answers_keep_their_distance_and_end() {
        let too_big = TooBig { above: 1500, says: 1500, from: None, every_ms: 500, only: Some(2) };
        let mut direction = Direction::new(Rules { too_big: Some(too_big), ..Rules::default() }, 1);
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut answers = |now| matches!(direction.decide(&echo(1501), || now), Fate::Answer(_));
        assert!(answers(at(0)));
        assert!(!answers(at(499)));
        assert!(answers(at(500)));
        assert!(passes(&mut direction, 9000, at(501)), "the rule has ended");
    }

    #[test]
    fn filters_drop_and_count() {
        let mut direction = Direction::new(Rules { drop: vec![Filter::IcmpAbove(1024)], ..Rules::default() }, 1);
        let now = Instant::now();
        assert!(passes(&mut direction, 1024, now));
        assert!(!passes(&mut direction, 1025, now));
        assert_eq!(direction.counters.filtered, 1);
    }

    #[test]
    fn what_is_not_ip_is_only_delayed() {
        let rules = Rules { drop: vec![Filter::Ip], delay_us: 10_000, loss_ppm: 1_000_000, ..Rules::default() };
        let mut direction = Direction::new(rules, 1);
        let mut arp = echo(46);
        arp[13] = 6;
        assert_eq!(direction.decide(&arp, Instant::now), Fate::Pass(Duration::from_millis(10)));
        assert_eq!(direction.counters.packets, 0);
    }
}

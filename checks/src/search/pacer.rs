//! How fast a run may send, over all its paths. The same shape as the search: no clock, no socket.
//!
//! The limits are those of VERDICTS ("What a run may do to a network"): per target a burst, then a rate; routed paths share a
//! budget of oversize probes per next hop; the whole run has a rate, a share of the sending link, and a spread for bursts.

use alloc::collections::BTreeMap;
use core::time::Duration;

/// A token bucket in integer arithmetic.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// Tokens in millionths.
    level: u64,
    at: Duration,
}

/// Capacity and refill of a bucket.
#[derive(Debug, Clone, Copy)]
struct Shape {
    burst: u64,
    per_second: u64,
}

impl Bucket {
    const fn full(shape: Shape, at: Duration) -> Self {
        Self { level: shape.burst * 1_000_000, at }
    }

    fn refill(&mut self, shape: Shape, now: Duration) {
        let micros = u64::try_from(now.saturating_sub(self.at).as_micros()).unwrap_or(u64::MAX);
        self.level = self.level.saturating_add(micros.saturating_mul(shape.per_second)).min(shape.burst * 1_000_000);
        self.at = self.at.max(now);
    }

    /// When `cost` tokens will be there.
    fn ready(&mut self, shape: Shape, cost: u64, now: Duration) -> Duration {
        self.refill(shape, now);
        // What costs more than the bucket holds passes when it is full.
        let cost = cost.min(shape.burst) * 1_000_000;
        if self.level >= cost { now } else { now + Duration::from_micros((cost - self.level).div_ceil(shape.per_second.max(1))) }
    }

    fn take(&mut self, cost: u64) {
        self.level = self.level.saturating_sub(cost * 1_000_000);
    }
}

/// The limits of a run.
#[derive(Debug, Clone, Copy)]
pub struct PacerConfig {
    /// Probes a second in the long run; `None` lifts every limit of this module (`--rate unlimited`).
    pub rate: Option<u32>,
    /// Bytes a second: 5 % of the sending link, 64 MB/s at most.
    pub bytes_per_second: u64,
}

impl PacerConfig {
    /// The default limits for a link of that speed; an unknown speed counts as 1 Gb/s.
    #[must_use]
    pub fn for_link(speed_mbps: Option<u32>) -> Self {
        let bytes = u64::from(speed_mbps.unwrap_or(1000).max(10)) * 125_000 / 20;
        Self { rate: Some(2_000), bytes_per_second: bytes.min(64_000_000) }
    }
}

/// Probes of one run that may leave at once.
const RUN_BURST: u64 = 1_000;
/// Bytes of one run that may leave at once.
const RUN_BYTES: u64 = 512 * 1024;
/// What may leave within a millisecond (256 KiB and 32 probes "spread over at least 1 ms").
const SPREAD_BYTES: Shape = Shape { burst: 64 * 1024, per_second: 262_144_000 };
const SPREAD_PROBES: Shape = Shape { burst: 8, per_second: 32_000 };
/// One target.
const TARGET: Shape = Shape { burst: 100, per_second: 500 };
/// A router as the target.
const ROUTER: Shape = Shape { burst: 40, per_second: 100 };
/// Oversize probes through one next hop.
const OVERSIZE: Shape = Shape { burst: 50, per_second: 20 };

/// Whether a probe may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Now.
    Now,
    /// Not before that moment.
    At(Duration),
}

/// What one probe asks of the pacer.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    /// Number of the path.
    pub path: u32,
    /// Bytes of IP packet.
    pub size: u32,
    /// Packets that it takes, 1 or, in fragments, more.
    pub packets: u32,
    /// Larger than anything that has passed on this path.
    pub oversize: bool,
    /// Number of the next hop, for routed paths; `None` for targets on the link.
    pub next_hop: Option<u32>,
    /// The target is a router that pathvet chose itself.
    pub router: bool,
}

/// The pacer of one run.
#[derive(Debug)]
pub struct Pacer {
    config: PacerConfig,
    run: Bucket,
    bytes: Bucket,
    spread: (Bucket, Bucket),
    targets: BTreeMap<u32, Bucket>,
    next_hops: BTreeMap<u32, Bucket>,
}

impl Pacer {
    /// A pacer that has admitted nothing yet.
    #[must_use]
    pub fn new(config: PacerConfig) -> Self {
        let start = Duration::ZERO;
        Self {
            config,
            run: Bucket::full(Shape { burst: RUN_BURST, per_second: 0 }, start),
            bytes: Bucket::full(Shape { burst: RUN_BYTES, per_second: 0 }, start),
            spread: (Bucket::full(SPREAD_BYTES, start), Bucket::full(SPREAD_PROBES, start)),
            targets: BTreeMap::new(),
            next_hops: BTreeMap::new(),
        }
    }

    /// Whether the probe may leave now; if so, it is counted.
    pub fn admit(&mut self, request: Request, now: Duration) -> Admission {
        let Some(rate) = self.config.rate else { return Admission::Now };
        let run = Shape { burst: RUN_BURST.min(u64::from(rate).max(1)), per_second: rate.into() };
        let bytes = Shape { burst: RUN_BYTES, per_second: self.config.bytes_per_second };
        let target = if request.router { ROUTER } else { TARGET };
        let (size, packets) = (u64::from(request.size), u64::from(request.packets));
        let per_target = self.targets.entry(request.path).or_insert_with(|| Bucket::full(target, now));
        let mut ready =
            self.run.ready(run, packets, now).max(self.bytes.ready(bytes, size, now)).max(per_target.ready(target, packets, now));
        ready = ready.max(self.spread.0.ready(SPREAD_BYTES, size, now)).max(self.spread.1.ready(SPREAD_PROBES, packets, now));
        let oversize = request.next_hop.filter(|_| request.oversize);
        if let Some(hop) = oversize {
            let bucket = self.next_hops.entry(hop).or_insert_with(|| Bucket::full(OVERSIZE, now));
            ready = ready.max(bucket.ready(OVERSIZE, 1, now));
        }
        if ready > now {
            return Admission::At(ready);
        }
        self.run.take(packets);
        self.bytes.take(size);
        self.spread.0.take(size);
        self.spread.1.take(packets);
        if let Some(bucket) = self.targets.get_mut(&request.path) {
            bucket.take(packets);
        }
        if let Some(bucket) = oversize.and_then(|hop| self.next_hops.get_mut(&hop)) {
            bucket.take(1);
        }
        Admission::Now
    }

    /// Forgets a path whose search is over.
    pub fn forget(&mut self, path: u32) {
        self.targets.remove(&path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: u32) -> Request {
        Request { path, size: 84, packets: 1, oversize: false, next_hop: None, router: false }
    }

    /// How many of `wanted` probes are admitted within the first `span`.
    fn admitted(pacer: &mut Pacer, request: Request, wanted: u32, span: Duration) -> u32 {
        let (mut now, mut count) = (Duration::ZERO, 0);
        while count < wanted && now <= span {
            match pacer.admit(request, now) {
                Admission::Now => count += 1,
                Admission::At(later) => {
                    assert!(later > now);
                    now = later;
                }
            }
        }
        count
    }

    #[test]
    fn one_target_gets_a_hundred_at_once_and_then_five_hundred_a_second() {
        let mut pacer = Pacer::new(PacerConfig::for_link(Some(100_000)));
        let count = admitted(&mut pacer, request(0), 10_000, Duration::from_secs(2));
        assert!((1_095..=1_101).contains(&count), "{count}");
    }

    #[test]
    fn fragments_are_packets() {
        let mut pacer = Pacer::new(PacerConfig::for_link(Some(100_000)));
        let train = Request { size: 9_600, packets: 8, ..request(0) };
        let count = admitted(&mut pacer, train, 10_000, Duration::from_secs(2));
        assert!((1_090..=1_108).contains(&(count * 8)), "{count}");
    }

    #[test]
    fn a_router_gets_forty_and_then_a_hundred_a_second() {
        let mut pacer = Pacer::new(PacerConfig::for_link(Some(100_000)));
        let count = admitted(&mut pacer, Request { router: true, ..request(0) }, 10_000, Duration::from_secs(1));
        assert!((138..=141).contains(&count), "{count}");
    }

    #[test]
    fn oversize_probes_share_a_next_hop() {
        let mut pacer = Pacer::new(PacerConfig::for_link(Some(100_000)));
        let oversize = |path| Request { size: 9_000, oversize: true, next_hop: Some(7), ..request(path) };
        assert_eq!(admitted(&mut pacer, oversize(0), 50, Duration::from_mins(1)), 50);
        assert!(matches!(pacer.admit(oversize(1), Duration::from_millis(15)), Admission::At(_)));
        assert_eq!(pacer.admit(request(1), Duration::from_millis(15)), Admission::Now);
    }

    #[test]
    fn a_full_burst_takes_at_least_a_millisecond() {
        let mut pacer = Pacer::new(PacerConfig::for_link(Some(100_000)));
        let jumbo = Request { size: 8_192, ..request(0) };
        assert!(admitted(&mut pacer, jumbo, 32, Duration::from_micros(700)) < 32);
    }

    #[test]
    fn the_run_keeps_to_its_share_of_the_link() {
        let mut pacer = Pacer::new(PacerConfig::for_link(Some(1_000)));
        let sent: u32 = (0..64).map(|path| admitted(&mut pacer, Request { size: 9_000, ..request(path) }, 1, Duration::ZERO)).sum();
        assert!(sent < 64);
        let mut pacer = Pacer::new(PacerConfig::for_link(Some(1_000)));
        let one = admitted(&mut pacer, Request { size: 9_000, ..request(0) }, 100_000, Duration::from_secs(1));
        // 6.25 MB/s and the burst.
        assert!(u64::from(one) * 9_000 <= 6_250_000 + RUN_BYTES + 9_000, "{one}");
    }

    #[test]
    fn unlimited_admits_everything() {
        let mut pacer = Pacer::new(PacerConfig { rate: None, bytes_per_second: 1 });
        assert_eq!(admitted(&mut pacer, request(0), 100_000, Duration::ZERO), 100_000);
    }
}

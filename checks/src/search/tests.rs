//! The search on a pretend network with a pretend clock.

use super::rng::Rng;
use super::{BUDGET, Carrier, Config, Methods, Probe, Search, Transmit};
use crate::evidence::{Direction, LimitKind, Path, PeerMtu, PeerMtuHow};
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;
use proptest::prelude::*;

mod connect;
mod denials;

/// A network between one host and one target.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "a set of independent switches")]
struct Net {
    rtt: Duration,
    /// Largest packet that arrives; larger ones vanish.
    forward: u32,
    /// Largest answer that comes back.
    reverse: u32,
    /// A router that answers too-big above `forward`, with the MTU that it names, and the time between two answers.
    router: Option<(u32, Duration)>,
    /// It is silent about what it could carry: the cut at `forward` is somebody else's.
    honest: bool,
    /// Loss each way, per thousand.
    loss: u64,
    /// Probes a second and burst of a policer on the way there; `true`: counted in kilobytes.
    policer: Option<(u64, u64, bool)>,
    /// Echo requests and answers above this size are dropped.
    icmp_filter: u32,
    udp: bool,
    /// Datagrams above this size are dropped.
    udp_filter: u32,
    tcp: bool,
    /// The far end's MTU: it fragments its answers to it, and a connect tells it.
    peer: Option<u32>,
    duplicates: bool,
    reorder: bool,
    mss: bool,
    /// The first SYN is lost; the kernel sends another.
    syn_lost: bool,
    /// The far end has just sent all the errors that it may.
    udp_spent: bool,
}

impl Net {
    fn clean(mtu: u32) -> Self {
        Self {
            rtt: Duration::from_micros(200),
            forward: mtu,
            reverse: 65_535,
            router: None,
            honest: false,
            loss: 0,
            policer: None,
            icmp_filter: 65_535,
            udp: true,
            udp_filter: 65_535,
            tcp: true,
            peer: None,
            duplicates: false,
            reorder: false,
            mss: true,
            syn_lost: false,
            udp_spent: false,
        }
    }
}

const TARGET: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
const ROUTER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 254));

enum Event {
    Reply(u16, Option<u32>),
    TooBig(u16, u32),
    Peer(Option<PeerMtu>),
}

struct World {
    net: Net,
    rng: Rng,
    events: BTreeMap<(Duration, u64), Event>,
    count: u64,
    router_spoke: Option<Duration>,
    bucket: (u64, Duration),
    udp_bucket: (u64, Duration),
}

impl World {
    fn push(&mut self, at: Duration, event: Event) {
        self.count += 1;
        self.events.insert((at, self.count), event);
    }

    fn lost(&mut self) -> bool {
        self.rng.below(1000) < self.net.loss
    }

    fn carry(&mut self, probe: Probe, now: Duration) {
        let Probe { seq, size, carrier } = probe;
        if let Some((rate, burst, kilobytes)) = self.net.policer {
            let cost = if kilobytes { u64::from(size) * 1_000 } else { 1_000_000 };
            let gained = u64::try_from(now.saturating_sub(self.bucket.1).as_micros()).unwrap() * rate;
            self.bucket = ((self.bucket.0 + gained).min(burst * 1_000_000), now);
            if self.bucket.0 < cost {
                return;
            }
            self.bucket.0 -= cost;
        }
        if self.lost() {
            return;
        }
        let jitter = if self.net.reorder { Duration::from_micros(self.rng.below(400)) } else { Duration::ZERO };
        let back = now + self.net.rtt + jitter;
        if carrier != Carrier::Fragments && size > self.net.forward {
            if let Some((mtu, gap)) = self.net.router
                && !(self.net.honest && size <= mtu)
                && self.router_spoke.is_none_or(|last| now >= last + gap)
                && !self.lost()
            {
                self.router_spoke = Some(now);
                self.push(back, Event::TooBig(seq, mtu));
            }
            return;
        }
        let icmp = matches!(carrier, Carrier::Echo | Carrier::ForwardIcmp | Carrier::Fragments);
        if icmp && size > self.net.icmp_filter {
            return;
        }
        let answer = match carrier {
            Carrier::Echo | Carrier::Fragments => size,
            Carrier::Udp if !self.net.udp || size > self.net.udp_filter => return,
            Carrier::Tcp if !self.net.tcp => return,
            Carrier::Udp => {
                let gained = u64::try_from(now.saturating_sub(self.udp_bucket.1).as_micros()).unwrap();
                self.udp_bucket = ((self.udp_bucket.0 + gained).min(6_000_000), now);
                if self.udp_bucket.0 < 1_000_000 {
                    return;
                }
                self.udp_bucket.0 -= 1_000_000;
                84
            }
            Carrier::Tcp | Carrier::ForwardIcmp => 84,
        };
        let fragment = self.net.peer.filter(|peer| answer > *peer).map(|peer| (peer - 20) / 8 * 8 + 20);
        if fragment.unwrap_or(answer) > self.net.reverse || (icmp && answer > self.net.icmp_filter) || self.lost() {
            return;
        }
        self.push(back, Event::Reply(seq, fragment));
        if self.net.duplicates {
            self.push(back + Duration::from_micros(10), Event::Reply(seq, fragment));
        }
    }
}

fn config(interface_mtu: u32, seed: u64) -> Config {
    Config {
        v6: false,
        interface_mtu,
        probe_above: true,
        expected: None,
        on_link: true,
        resolved: false,
        ceilings: vec![9198, 9216, 1500, 9000, 2044, 4092, 9202, 9194, 9600, 9014, 8996, 1492, 9214, 9234, 9578, 9500].into(),
        methods: Methods { icmp: true, udp: true, tcp: true, forward_icmp: true, fragments: true, connect: true },
        gateway: false,
        sample: 0,
        ladder_only: false,
        seed,
    }
}

struct Run {
    path: Path,
    /// Sizes in the order sent, with their carriers.
    sent: Vec<(Carrier, u32)>,
    elapsed: Duration,
}

impl Run {
    fn echo_sizes(&self) -> Vec<u32> {
        self.sent.iter().filter(|(carrier, _)| *carrier == Carrier::Echo).map(|(_, size)| *size).collect()
    }
}

fn run(net: Net, config: Config) -> Run {
    let interface = config.interface_mtu;
    let on_link = config.on_link;
    let mut world = World {
        rng: Rng::new(config.seed ^ 0x5eed),
        events: BTreeMap::new(),
        count: 0,
        router_spoke: None,
        bucket: (net.policer.map_or(0, |(_, burst, _)| burst * 1_000_000), Duration::ZERO),
        udp_bucket: (if net.udp_spent { 0 } else { 6_000_000 }, Duration::ZERO),
        net,
    };
    let mut search = Search::new(config);
    let mut now = Duration::ZERO;
    let mut sent = Vec::new();
    let mut idle = 0;
    while !search.is_done() {
        let mut worked = false;
        while let Some(transmit) = search.poll_transmit(now) {
            worked = true;
            match transmit {
                Transmit::Connect => {
                    let peer = world.net.peer.filter(|_| world.net.mss);
                    let at_least = peer.is_some_and(|peer| peer >= interface);
                    let peer = peer.map(|value| PeerMtu { value: value.min(interface), how: PeerMtuHow::Mss, at_least });
                    let second = if world.net.syn_lost { Duration::from_secs(1) } else { Duration::ZERO };
                    world.push(now + second + world.net.rtt, Event::Peer(peer));
                }
                Transmit::Probe(probe) if probe.size > interface && probe.carrier != Carrier::Fragments => {
                    search.on_refused(probe.seq, Some(interface));
                }
                Transmit::Probe(probe) => {
                    search.on_sent(probe.seq, now);
                    sent.push((probe.carrier, probe.size));
                    world.carry(probe, now);
                }
            }
        }
        if search.is_done() {
            break;
        }
        let next_event = world.events.keys().next().copied();
        let timeout = search.poll_timeout();
        assert!(next_event.is_some() || timeout.is_some(), "nothing will ever happen: {:?}", search.stage);
        idle = if worked { 0 } else { idle + 1 };
        assert!(idle < 1_000, "it spins: {:?} {:?}", search.stage, search.queue);
        match (next_event, timeout) {
            (Some(key), timeout) if timeout.is_none_or(|timeout| key.0 <= timeout) => {
                now = now.max(key.0);
                idle = 0;
                match world.events.remove(&key) {
                    Some(Event::Reply(seq, fragment)) => search.on_reply(seq, now, fragment, Some(64)),
                    Some(Event::TooBig(seq, mtu)) => search.on_too_big(seq, ROUTER, mtu, now),
                    Some(Event::Peer(peer)) => search.on_peer_mtu(peer),
                    None => {}
                }
            }
            (_, Some(timeout)) => {
                now = now.max(timeout);
                search.on_timeout(now);
            }
            _ => {}
        }
    }
    let mut path = Path::new("node1", "node2", jiff::Timestamp::UNIX_EPOCH);
    path.address = Some(TARGET);
    path.on_link = on_link;
    path.neighbour_lladdr = Some("02:00:00:00:00:02".into());
    path.interface_mtu = Some(interface);
    search.conclude(&mut path);
    Run { path, sent, elapsed: now }
}

#[test]
fn a_clean_jumbo_path_takes_one_round() {
    let run = run(Net::clean(9000), config(9000, 1));
    assert_eq!(run.echo_sizes(), [84, 1280, 1500, 9000, 84]);
    assert_eq!((run.path.path_mtu, run.path.limit.kind), (Some(9000), LimitKind::None));
    assert_eq!(run.path.reverse_mtu, Some(9000));
    assert!(run.elapsed < Duration::from_millis(2), "{:?}", run.elapsed);
}

#[test]
fn a_clean_path_is_sampled_for_loss() {
    let clean = run(Net::clean(9000), Config { sample: 80, ..config(9000, 1) });
    assert_eq!((clean.path.sample.sent, clean.path.sample.replied, clean.path.slow_sample), (81, 81, None));
    assert!(clean.elapsed < Duration::from_millis(5), "{:?}", clean.elapsed);
    let lossy = run(Net { loss: 50, ..Net::clean(9000) }, Config { sample: 80, ..config(9000, 1) });
    assert!(lossy.path.slow_sample.is_some_and(|sample| sample.sent >= 300 && sample.replied < sample.sent));
}

#[test]
fn a_gateway_that_only_udp_could_ask_is_not_asked() {
    let methods = Methods { icmp: false, udp: true, tcp: false, forward_icmp: false, fragments: false, connect: false };
    for resolved in [false, true] {
        let run = run(Net::clean(1500), Config { gateway: true, resolved, methods, ..config(1500, 1) });
        assert_eq!((run.sent.len(), run.path.path_mtu), (0, None));
    }
}

#[test]
fn a_resolved_neighbour_saves_the_first_round_trip() {
    let run = run(Net::clean(1500), Config { resolved: true, ..config(1500, 1) });
    assert_eq!(run.echo_sizes(), [84, 1280, 1500, 84]);
    assert!(run.elapsed < Duration::from_millis(1), "{:?}", run.elapsed);
}

#[test]
fn the_story_is_found_in_two_rounds_and_proven_by_thirteen_pairs() {
    let run = run(Net { peer: Some(9600), ..Net::clean(9198) }, config(9600, 1));
    let path = &run.path;
    assert_eq!((path.path_mtu, path.limit.kind), (Some(9198), LimitKind::Silent));
    assert_eq!(path.limit.direction, Some(Direction::Forward));
    assert!(path.proof.is_some_and(|proof| proof.proven && proof.passes_sent == 13 && proof.vanishes_replied == 0));
    assert_eq!(path.peer_mtu.map(|peer| (peer.value, peer.at_least)), Some((9600, true)));
    assert!(path.probes_sent <= 100, "{} probes", path.probes_sent);
    assert!(run.elapsed < Duration::from_millis(20), "{:?}", run.elapsed);
    assert_eq!(
        run.echo_sizes()[..27],
        [
            84, 1280, 1500, 9000, 9600, 84, 9001, 9014, 9015, 9194, 9195, 9198, 9199, 9202, 9203, 9214, 9215, 9216, 9217, 9234,
            9235, 9500, 9501, 9578, 9579, 9600, 84
        ]
    );
}

#[test]
fn an_unknown_cut_is_exact_too() {
    for cut in [1281, 1499, 1501, 2047, 8999, 9001, 9100, 9220, 9599] {
        let run = run(Net::clean(cut), config(9600, u64::from(cut)));
        assert_eq!((run.path.path_mtu, run.path.limit.kind), (Some(cut), LimitKind::Silent), "{cut}");
        assert!(run.path.probes_sent <= 130, "{cut}: {} probes", run.path.probes_sent);
    }
}

#[test]
fn ipoib_connected_cut_at_the_datagram_size() {
    let run = run(Net::clean(2044), config(65_520, 3));
    assert_eq!((run.path.path_mtu, run.path.limit.kind), (Some(2044), LimitKind::Silent));
}

#[test]
fn twenty_milliseconds_cost_few_round_trips() {
    let net = Net { rtt: Duration::from_millis(20), peer: Some(9600), ..Net::clean(9198) };
    let run = run(net, config(9600, 1));
    assert_eq!(run.path.path_mtu, Some(9198));
    assert!(run.elapsed < Duration::from_millis(130), "{:?}", run.elapsed);
}

#[test]
fn a_router_that_answers_is_believed_at_once() {
    let net = Net { router: Some((1500, Duration::ZERO)), ..Net::clean(1500) };
    let run = run(net, Config { on_link: false, ..config(9000, 1) });
    let limit = run.path.limit;
    assert_eq!(
        (run.path.path_mtu, limit.kind, limit.router, limit.reported_mtu),
        (Some(1500), LimitKind::Router, Some(ROUTER), Some(1500))
    );
    assert!(run.path.too_big.iter().all(|message| message.believed));
    assert_eq!(run.echo_sizes(), [84, 1280, 1500, 9000, 84]);
}

#[test]
fn a_router_that_answers_seldom_is_believed_too() {
    let net = Net { router: Some((1400, Duration::from_millis(500))), ..Net::clean(1400) };
    let run = run(net, Config { on_link: false, ..config(9000, 1) });
    assert_eq!((run.path.path_mtu, run.path.limit.kind), (Some(1400), LimitKind::Router));
}

#[test]
fn a_router_that_has_just_spoken_to_somebody_else_is_asked_again() {
    let net = Net { router: Some((1400, Duration::from_millis(500))), ..Net::clean(1400) };
    let config = Config { on_link: false, ..config(9000, 1) };
    let mut search = Search::new(config);
    // The first half second passes in silence: the router's word is spent on others.
    let (mut now, mut path) = (Duration::ZERO, Path::new("a", "b", jiff::Timestamp::UNIX_EPOCH));
    let mut pending: Vec<(Duration, u16, u32)> = Vec::new();
    while !search.is_done() {
        while let Some(transmit) = search.poll_transmit(now) {
            match transmit {
                Transmit::Connect => search.on_peer_mtu(None),
                Transmit::Probe(probe) => {
                    search.on_sent(probe.seq, now);
                    if probe.carrier == Carrier::Echo {
                        pending.push((now + net.rtt, probe.seq, probe.size));
                    }
                }
            }
        }
        if let Some(index) = pending.iter().position(|(at, ..)| *at <= now) {
            let (_, seq, size) = pending.remove(index);
            if size <= 1400 {
                search.on_reply(seq, now, None, None);
            } else if now > Duration::from_millis(300) {
                search.on_too_big(seq, ROUTER, 1400, now);
            }
            continue;
        }
        if search.is_done() {
            break;
        }
        let wake = search.poll_timeout().into_iter().chain(pending.iter().map(|(at, ..)| *at)).min();
        now = now.max(wake.expect("something happens"));
        search.on_timeout(now);
    }
    search.conclude(&mut path);
    assert_eq!((path.path_mtu, path.limit.kind), (Some(1400), LimitKind::Router));
}

#[test]
fn lies_are_found_out() {
    for named in [0, 68, 1300, 9600, 20_000] {
        let net = Net { router: Some((named, Duration::ZERO)), ..Net::clean(9000) };
        let run = run(net, Config { on_link: false, ..config(9600, 5) });
        assert_eq!((run.path.path_mtu, run.path.limit.kind), (Some(9000), LimitKind::Silent), "too-big naming {named}");
        assert!(run.path.too_big.iter().any(|message| message.mtu == named && !message.believed), "{named}");
        assert!(run.path.proof.is_some_and(|proof| proof.proven) && run.path.incomplete.is_none(), "{named}: {:?}", run.path.proof);
    }
}

#[test]
fn a_lie_above_the_cut_is_found_out() {
    let net = Net { router: Some((9300, Duration::ZERO)), ..Net::clean(9198) };
    let run = run(net, Config { on_link: false, ..config(9600, 5) });
    assert_eq!((run.path.path_mtu, run.path.limit.kind), (Some(9198), LimitKind::Silent));
}

#[test]
fn a_packet_policer_is_no_cut() {
    for seed in 0..20 {
        let run = run(Net { policer: Some((100, 10, false)), ..Net::clean(9198) }, config(9600, seed));
        assert_eq!((run.path.path_mtu, run.path.limit.kind), (Some(9198), LimitKind::Silent), "{seed}");
        assert!(run.path.policer.is_some());
        let run = super::tests::run(Net { policer: Some((100, 3, false)), ..Net::clean(9600) }, config(9600, seed));
        assert_eq!((run.path.path_mtu, run.path.limit.kind), (Some(9600), LimitKind::None), "{seed}");
    }
}

#[test]
fn a_byte_policer_is_no_cut() {
    for seed in 0..20 {
        // 1 MB/s, 20 kB burst.
        let run = run(Net { policer: Some((1_000, 20_000, true)), ..Net::clean(9600) }, config(9600, seed));
        assert_eq!((run.path.path_mtu, run.path.limit.kind), (Some(9600), LimitKind::None), "{seed}");
    }
}

#[test]
fn large_icmp_filtered_is_not_the_path() {
    let run = run(Net { icmp_filter: 1024, peer: Some(9000), ..Net::clean(9000) }, config(9000, 2));
    assert_eq!((run.path.path_mtu, run.path.limit.kind), (Some(9000), LimitKind::None));
    assert_eq!(run.path.method, Some(crate::evidence::Method::Udp));
    let echo = run.path.methods.iter().find(|result| result.method == crate::evidence::Method::Icmp).copied();
    assert_eq!(echo.and_then(|echo| echo.passed), Some(1024));
}

#[test]
fn a_filter_above_1280_is_told_from_the_way_back_by_a_small_answer() {
    let run = run(Net { icmp_filter: 2000, peer: Some(9000), ..Net::clean(9000) }, config(9000, 2));
    assert_eq!((run.path.path_mtu, run.path.limit.kind, run.path.limit.direction), (Some(9000), LimitKind::None, None));
}

#[test]
fn a_cut_on_the_way_back_has_its_direction() {
    let run = run(Net { reverse: 1500, peer: Some(9000), ..Net::clean(9000) }, config(9000, 2));
    let limit = run.path.limit;
    assert_eq!((run.path.path_mtu, limit.kind, limit.direction), (Some(9000), LimitKind::Silent, Some(Direction::Reverse)));
    assert_eq!(run.path.reverse_mtu, Some(1500));
}

#[test]
fn a_far_end_that_fragments_shows_its_mtu() {
    let run = run(Net { peer: Some(1500), ..Net::clean(9000) }, config(9000, 2));
    assert_eq!((run.path.path_mtu, run.path.limit.kind, run.path.reverse_mtu), (Some(9000), LimitKind::None, Some(1500)));
}

#[test]
fn the_far_ends_mtu_is_read_from_fragments_where_no_port_is_open() {
    let run = run(Net { peer: Some(9000), mss: false, ..Net::clean(9000) }, config(9600, 2));
    assert_eq!((run.path.path_mtu, run.path.limit.kind), (Some(9000), LimitKind::Silent));
    assert_eq!(run.path.peer_mtu.map(|peer| (peer.value, peer.how)), Some((9000, PeerMtuHow::Fragments)));
}

#[test]
fn without_echo_udp_measures() {
    let run = run(Net { icmp_filter: 0, ..Net::clean(9000) }, config(9000, 2));
    assert_eq!((run.path.path_mtu, run.path.limit.kind), (Some(9000), LimitKind::None));
    let run = super::tests::run(Net { icmp_filter: 0, ..Net::clean(9198) }, config(9600, 2));
    assert_eq!(
        (run.path.path_mtu, run.path.limit.kind, run.path.limit.direction),
        (Some(9198), LimitKind::Silent, Some(Direction::Forward))
    );
    assert!(run.path.proof.is_some_and(|proof| proof.proven));
}

#[test]
fn errors_spent_on_the_run_before_are_waited_for() {
    // The far end may send no error for the first second.
    let mut search = Search::new(Config { methods: Methods { tcp: false, ..config(9000, 1).methods }, ..config(9000, 1) });
    let (mut now, mut path) = (Duration::ZERO, Path::new("a", "b", jiff::Timestamp::UNIX_EPOCH));
    let mut pending: Vec<(Duration, u16)> = Vec::new();
    while !search.is_done() {
        while let Some(transmit) = search.poll_transmit(now) {
            match transmit {
                Transmit::Connect => search.on_peer_mtu(None),
                Transmit::Probe(probe) if probe.size > 9000 => search.on_refused(probe.seq, None),
                Transmit::Probe(probe) => {
                    search.on_sent(probe.seq, now);
                    let answers = match probe.carrier {
                        Carrier::Echo => probe.size <= 4000,
                        Carrier::Udp => now > Duration::from_secs(1),
                        _ => false,
                    };
                    if answers {
                        pending.push((now + Duration::from_micros(200), probe.seq));
                    }
                }
            }
        }
        if let Some(index) = pending.iter().position(|(at, _)| *at <= now) {
            search.on_reply(pending.remove(index).1, now, None, None);
            continue;
        }
        if search.is_done() {
            break;
        }
        let wake = search.poll_timeout().into_iter().chain(pending.iter().map(|(at, _)| *at)).min();
        now = now.max(wake.expect("something happens"));
        search.on_timeout(now);
    }
    search.conclude(&mut path);
    assert_eq!((path.path_mtu, path.method), (Some(9000), Some(crate::evidence::Method::Udp)));
}

#[test]
fn tcp_alone_proves_what_passes_and_nothing_more() {
    let run = run(Net { icmp_filter: 0, udp: false, ..Net::clean(9000) }, config(9000, 2));
    assert_eq!((run.path.path_mtu, run.path.limit.kind), (Some(9000), LimitKind::None));
    let run = super::tests::run(Net { icmp_filter: 0, udp: false, ..Net::clean(9198) }, config(9600, 2));
    assert_eq!(run.path.limit.kind, LimitKind::Filtered);
    assert!(run.path.path_mtu.is_some_and(|mtu| (84..=9198).contains(&mtu)));
    assert!(run.sent.iter().filter(|(carrier, _)| *carrier == Carrier::Tcp).count() <= 20);
}

/// Where the far end's errors are spent on others, TCP alone can confirm a cut: a SYN that is lost is no answer.
#[test]
fn a_cut_under_loss_is_confirmed_by_more_than_one_syn() {
    let confirmed = |loss, seed| {
        let run = run(Net { udp: false, loss, ..Net::clean(9198) }, Config { on_link: false, ..config(9600, seed) });
        assert_eq!(run.path.path_mtu, Some(9198), "seed {seed}");
        let syns = run.sent.iter().filter(|(carrier, _)| *carrier == Carrier::Tcp).count();
        assert!(syns <= 20, "{syns}");
        run.path.methods.iter().any(|result| {
            result.method == crate::evidence::Method::Tcp && (result.passed, result.failed) == (Some(9198), Some(9199))
        })
    };
    assert!(confirmed(0, 1));
    let count = (0..100).filter(|seed| confirmed(200, *seed)).count();
    assert!(count >= 95, "{count} of 100");
}

/// On the link a cut needs no second method: one SYN above it says whether anything passes, and nothing waits for the far end's
/// errors, which a run just before may have spent.
#[test]
fn on_the_link_one_syn_is_enough() {
    let cut = run(Net { udp: false, ..Net::clean(9198) }, config(9600, 1));
    assert_eq!((cut.path.path_mtu, cut.path.limit.kind), (Some(9198), LimitKind::Silent));
    assert_eq!(cut.sent.iter().filter(|(carrier, _)| *carrier == Carrier::Tcp).collect::<Vec<_>>(), [&(Carrier::Tcp, 9199)]);
    assert!(cut.elapsed < Duration::from_millis(20), "{:?}", cut.elapsed);
    let filter = run(Net { udp: false, icmp_filter: 4000, ..Net::clean(9600) }, config(9600, 1));
    assert_eq!(filter.path.path_mtu, Some(9600), "it passes: large ICMP is filtered");
}

#[test]
fn a_dead_host_costs_a_handful_of_small_probes() {
    let run = run(Net { loss: 1000, ..Net::clean(9000) }, config(9000, 2));
    assert_eq!(run.path.path_mtu, None);
    assert!(run.sent.len() <= 12 && run.sent.iter().all(|(_, size)| *size == 84), "{:?}", run.sent);
}

/// Loss each way, runs, how many may stay undecided.
#[test]
fn loss_never_moves_the_answer() {
    let mut undecided = 0;
    for (loss, runs) in [(50, 200), (200, 200), (400, 100)] {
        for seed in 0..runs {
            for (net_mtu, kind) in [(9198, LimitKind::Silent), (9600, LimitKind::None)] {
                let run = run(Net { loss, peer: Some(9600), ..Net::clean(net_mtu) }, config(9600, seed * 7 + loss));
                let sure = run.path.limit.kind == kind && run.path.incomplete.is_none();
                if sure {
                    assert_eq!(run.path.path_mtu, Some(net_mtu), "loss {loss} seed {seed}");
                    assert!(kind == LimitKind::None || run.path.proof.is_some_and(|proof| proof.proven));
                } else {
                    assert!(loss == 400, "loss {loss} seed {seed}: {:?} {:?}", run.path.limit, run.path.incomplete);
                    undecided += 1;
                }
            }
        }
    }
    assert!(undecided <= 20, "{undecided} undecided");
}

#[test]
fn a_full_receive_buffer_is_no_evidence() {
    let mut search = Search::new(config(9000, 1));
    let mut now = Duration::ZERO;
    let mut dropped = 0;
    let mut path = Path::new("a", "b", jiff::Timestamp::UNIX_EPOCH);
    while !search.is_done() {
        let mut burst = Vec::new();
        while let Some(Transmit::Probe(probe)) = search.poll_transmit(now) {
            if probe.size > 9000 {
                search.on_refused(probe.seq, None);
            } else {
                search.on_sent(probe.seq, now);
                burst.push(probe);
            }
        }
        now += Duration::from_micros(100);
        if burst.len() > 2 && dropped < 3 {
            dropped += 1;
            search.on_receive_drops();
            continue;
        }
        for probe in burst {
            search.on_reply(probe.seq, now, None, None);
        }
        search.on_timeout(now);
    }
    search.conclude(&mut path);
    assert_eq!((path.path_mtu, path.limit.kind, path.void_rounds), (Some(9000), LimitKind::None, 3));
    assert!(path.rungs.iter().all(|rung| rung.mtu > 9000 || rung.sent == rung.replied), "{:?}", path.rungs);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn truthful_and_lossless_is_always_exact(
        interface in 1300_u32..=65_535, share in 0_u32..=1000, router in any::<bool>(), seed in any::<u64>(), rtt in 50_u64..30_000,
        duplicates in any::<bool>(), reorder in any::<bool>(),
    ) {
        let cut = 1280 + (interface - 1280) * share / 1000;
        let net = Net {
            rtt: Duration::from_micros(rtt),
            router: router.then_some((cut, Duration::ZERO)),
            peer: Some(interface),
            duplicates,
            reorder,
            ..Net::clean(cut)
        };
        let run = run(net, Config { on_link: !router, ..config(interface, seed) });
        let kind = if cut >= interface { LimitKind::None } else if router { LimitKind::Router } else { LimitKind::Silent };
        prop_assert_eq!((run.path.path_mtu, run.path.limit.kind), (Some(cut.min(interface)), kind));
        prop_assert!(run.path.probes_sent <= 300, "{} probes", run.path.probes_sent);
    }

    #[test]
    fn any_network_ends_within_the_budget_and_never_overstates(
        interface in 100_u32..=65_535, forward in 60_u32..=65_535, reverse in 60_u32..=65_535, loss in 0_u64..=1000, named in any::<u32>(),
        router in any::<bool>(), policer in proptest::option::of((1_u64..1000, 1_u64..100, any::<bool>())), filter in 0_u32..=65_535,
        udp in any::<bool>(), tcp in any::<bool>(), peer in proptest::option::of(100_u32..=65_535), mss in any::<bool>(), seed in any::<u64>(),
        flags in any::<(bool, bool, bool, bool, bool)>(),
    ) {
        let (duplicates, reorder, on_link, gateway, resolved) = flags;
        let net = Net {
            rtt: Duration::from_micros(100 + seed % 50_000),
            forward,
            reverse,
            router: router.then_some((named, Duration::from_millis(seed % 600))),
            honest: seed.is_multiple_of(2),
            loss,
            policer,
            icmp_filter: filter,
            udp,
            udp_filter: if seed.is_multiple_of(7) { 1420 } else { 65_535 },
            tcp,
            peer,
            duplicates,
            reorder,
            mss,
            syn_lost: seed.is_multiple_of(3),
            udp_spent: seed.is_multiple_of(5),
        };
        let run = run(net, Config { on_link, resolved, gateway, ..config(interface, seed) });
        prop_assert!(run.sent.len() <= BUDGET as usize + 320, "{} probes", run.sent.len());
        if let Some(mtu) = run.path.path_mtu {
            prop_assert!(mtu <= forward.min(interface), "{} over {}", mtu, forward);
        }
        if let Some(proof) = run.path.proof.filter(|proof| proof.proven) {
            prop_assert_eq!(proof.vanishes_replied, 0);
        }
    }
}

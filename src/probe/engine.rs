//! The loop.

mod family;
mod receive;
mod transmit;

use super::connect::{Connect, State};
use super::duplicates::Watch;
use super::packet::{Built, Codec};
use super::{Observer, Options, Outcome, Progress, ReadNeighbours, Target, wall_clock};
use crate::sys::{self, signal};
use family::{Family, open_family};
use jiff::Timestamp;
use pathvet_checks::evidence::{Asked, Gap, Path};
use pathvet_checks::search::{Admission, Config, Methods, Pacer, PacerConfig, Probe, Request, Search, Transmit};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// Searches that run at the same time.
const MAX_ACTIVE: usize = 512;
/// Of these, at most so many whose neighbour is not resolved: the kernel's table has room for 1,024 (`gc_thresh3`).
const MAX_UNRESOLVED: usize = 128;
/// How often a target is tried again because the neighbour table was full.
const MAX_TRIES: u8 = 4;
/// More on-link targets than this are not asked who answers for them.
const MAX_WATCHED: usize = 256;
/// Paths of a run that are sampled for loss; a larger run sees loss only in what its searches send.
const MAX_SAMPLED: usize = 64;
/// Probes of a clean path: at 5 % loss each way the odds that one or none of them is lost are 1 in 400.
const LOSS_SAMPLE: u32 = 80;
/// How long a second machine has to answer for an address.
const PATIENCE: Duration = Duration::from_millis(5);
/// One packet as a socket delivers it, 65,535 bytes and a header.
const SLOT: usize = 66_000;
const BATCH: usize = 64;

/// Vets all `targets`, and returns one path for each.
///
/// # Errors
/// Only where the kernel gives no random bytes or no socket at all; a missing right is a gap.
pub fn run(
    targets: &[Target],
    options: &Options,
    neighbours: ReadNeighbours<'_>,
    observer: &mut dyn Observer,
) -> io::Result<Outcome> {
    if targets.is_empty() {
        return Ok(Outcome::default());
    }
    Ok(Engine::new(targets, options, observer)?.run(neighbours))
}

/// One target while it is vetted.
#[derive(Default)]
struct Slot {
    search: Option<Box<Search>>,
    taken: Option<Timestamp>,
    /// Start of its search.
    since: Duration,
    /// Searches that were given up because the neighbour table was full.
    tries: u8,
    connect: Option<Box<Connect>>,
    timer: Option<Duration>,
    queued: bool,
    cost: u64,
    resolved: bool,
    window: (Duration, u32, u32),
    tcp_sent: Vec<(u16, u32, u32)>,
    next_hop: Option<u32>,
    done: Option<Box<Path>>,
    /// Counted as finished; a late answer or timer must not count it again.
    finished: bool,
}

struct Outbox {
    entries: Vec<(u32, Probe, Built)>,
}

struct Engine<'a> {
    targets: &'a [Target],
    options: &'a Options,
    observer: &'a mut dyn Observer,
    codec: Codec,
    families: [Family; 2],
    slots: Vec<Slot>,
    by_address: HashMap<IpAddr, Vec<u32>>,
    next: usize,
    /// When the last question left that asks who answers for an address.
    last_watched: Option<Duration>,
    /// Interfaces on which one byte more than their MTU was tried.
    tried_above: BTreeSet<u32>,
    active: usize,
    unresolved: usize,
    finished: usize,
    ready: VecDeque<u32>,
    timers: BinaryHeap<Reverse<(Duration, u32)>>,
    pacer: Pacer,
    outboxes: BTreeMap<(bool, u8), Outbox>,
    start: Instant,
    sent: u64,
    peak: (Duration, u32, u32),
    /// Since when the kernel has had no room for any probe.
    full_since: Option<Duration>,
    /// When it last had none for a neighbour.
    full_at: Option<Duration>,
    /// What this host itself refused, as its error queues say: the address and the largest size it would send there.
    refusals: Vec<(IpAddr, u32)>,
    /// Targets that are tried once more.
    again: VecDeque<usize>,
    watch: Watch,
    buffers: sys::socket::Buffers,
    gaps: Vec<Gap>,
    udp_port: u16,
    connecting: Vec<u32>,
    last_progress: Duration,
}

impl<'a> Engine<'a> {
    fn new(targets: &'a [Target], options: &'a Options, observer: &'a mut dyn Observer) -> io::Result<Self> {
        let codec = Codec::new()?;
        let mut gaps = Vec::new();
        let mut open = |v6: bool| open_family(v6, targets, options, &codec, &mut gaps);
        let families = [open(false), open(true)];
        let raw = families.iter().any(|family| family.icmp.as_ref().is_some_and(|icmp| icmp.raw));
        let on_link = targets.iter().filter(|target| target.on_link).count();
        let watch =
            Watch::open(raw && on_link <= MAX_WATCHED && targets.iter().any(|target| target.on_link && target.address.is_ipv4()));
        let mut by_address: HashMap<IpAddr, Vec<u32>> = HashMap::new();
        let mut hops: HashMap<IpAddr, u32> = HashMap::new();
        let mut slots = Vec::with_capacity(targets.len());
        for (index, target) in targets.iter().enumerate() {
            by_address.entry(target.address).or_default().push(u32::try_from(index).unwrap_or(u32::MAX));
            let count = u32::try_from(hops.len()).unwrap_or(u32::MAX);
            let next_hop = target.route.gateway.map(|gateway| *hops.entry(gateway).or_insert(count));
            slots.push(Slot { next_hop, resolved: target.resolved, ..Slot::default() });
        }
        let slowest = targets.iter().map(|target| target.speed_mbps.unwrap_or(1_000)).min();
        let pacer = Pacer::new(PacerConfig { rate: options.rate, ..PacerConfig::for_link(slowest) });
        let udp_port = 33_434 + u16::try_from(codec.seed(u32::MAX) % 101).unwrap_or(0);
        let large = targets.len() > 64;
        Ok(Self {
            targets,
            options,
            observer,
            codec,
            families,
            slots,
            by_address,
            next: 0,
            last_watched: None,
            tried_above: BTreeSet::new(),
            active: 0,
            unresolved: 0,
            finished: 0,
            ready: VecDeque::new(),
            timers: BinaryHeap::new(),
            pacer,
            outboxes: BTreeMap::new(),
            start: Instant::now(),
            sent: 0,
            peak: (Duration::ZERO, 0, 0),
            full_since: None,
            full_at: None,
            refusals: Vec::new(),
            again: VecDeque::new(),
            watch,
            buffers: sys::socket::Buffers::new(if large { BATCH } else { 32 }, SLOT),
            gaps,
            udp_port,
            connecting: Vec::new(),
            last_progress: Duration::ZERO,
        })
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn run(mut self, neighbours: ReadNeighbours<'_>) -> Outcome {
        let mut interrupted = false;
        while self.finished < self.targets.len() {
            let now = self.now();
            let signalled = signal::caught().is_some();
            if signalled || self.options.deadline.is_some_and(|deadline| now >= deadline) {
                interrupted = signalled;
                self.abort(if signalled { "interrupted" } else { "the deadline has passed" });
                break;
            }
            self.activate(now);
            let sent = self.send();
            let received = self.receive();
            let fired = self.fire_timers();
            self.poll_connects();
            self.tell();
            if self.next == self.targets.len() && self.heard_enough().is_some_and(|until| self.now() >= until) {
                self.watch.retire();
            }
            if !(sent || received || fired) && self.finished < self.targets.len() {
                self.sleep();
            }
        }
        self.listen_on();
        self.conclude(interrupted, &neighbours())
    }

    /// Starts searches until enough are running.
    fn activate(&mut self, now: Duration) {
        while self.active < MAX_ACTIVE && self.unresolved < MAX_UNRESOLVED {
            let index = if self.next < self.targets.len() {
                self.next += 1;
                self.next - 1
            } else if let Some(index) = self.again.pop_front() {
                index
            } else {
                break;
            };
            let target = &self.targets[index];
            let path = u32::try_from(index).unwrap_or(u32::MAX);
            let family = &self.families[usize::from(target.address.is_ipv6())];
            let raw = family.icmp.as_ref().is_some_and(|icmp| icmp.raw);
            let methods = Methods {
                icmp: family.icmp.is_some(),
                udp: family.udp.is_some(),
                tcp: family.tcp.is_some() && target.asked != Asked::Gateway,
                // IPv6 has none but neighbour solicitation, which stays on the link.
                forward_icmp: raw && (target.address.is_ipv4() || target.on_link),
                fragments: family.fragments.is_some() && (target.address.is_ipv6() || target.route.source.is_some()),
                connect: self.options.connect && target.asked != Asked::Gateway,
            };
            let slot = &mut self.slots[index];
            slot.taken = Some(wall_clock());
            slot.since = now;
            let routable = !matches!(target.route.kind.as_str(), "none" | "unreachable" | "prohibit" | "blackhole" | "throw");
            if !routable || !(methods.icmp || methods.udp || methods.tcp) {
                self.finished += 1;
                slot.done = Some(Box::new(describe(target, slot.taken)));
                continue;
            }
            let config = Config {
                v6: target.address.is_ipv6(),
                interface_mtu: target.interface_mtu,
                // What this host itself refuses is a matter of the interface, not of the target.
                probe_above: target.probe_above && self.tried_above.insert(target.ifindex),
                expected: target.expected,
                on_link: target.on_link,
                resolved: target.resolved,
                ceilings: self.options.ceilings.clone(),
                methods,
                gateway: target.asked == Asked::Gateway,
                // Marked packets are kept few.
                sample: if self.targets.len() <= MAX_SAMPLED && target.dscp == 0 { LOSS_SAMPLE } else { 0 },
                ladder_only: self.options.ladder_only,
                seed: self.codec.seed(path) ^ u64::from(slot.tries),
            };
            slot.search = Some(Box::new(Search::new(config)));
            self.active += 1;
            if target.on_link && !target.resolved {
                self.unresolved += 1;
            }
            self.ask_who_answers(index, now);
            self.enqueue(path);
        }
    }

    fn ask_who_answers(&mut self, index: usize, now: Duration) {
        let target = &self.targets[index];
        if !target.on_link || target.route.kind == "local" || self.targets.len() > MAX_WATCHED {
            return;
        }
        let Some(lladdr) = target.lladdr else { return };
        let asked = match (target.address, target.source.or(target.route.source)) {
            (IpAddr::V4(address), Some(IpAddr::V4(source))) => self.watch.ask_v4(target.ifindex, (source, lladdr), address),
            (IpAddr::V6(address), Some(IpAddr::V6(source))) => match &self.families[1].icmp {
                Some(icmp) if icmp.raw => self.watch.ask_v6(icmp.as_fd(), target.ifindex, (source, lladdr), address),
                _ => false,
            },
            _ => false,
        };
        if asked {
            self.last_watched = Some(now);
        }
    }

    fn enqueue(&mut self, path: u32) {
        let slot = &mut self.slots[path as usize];
        if !slot.queued && slot.search.is_some() {
            slot.queued = true;
            self.ready.push_back(path);
        }
    }

    /// Lets every ready search send what the pacer and the receive buffer allow. `true` when something left.
    fn send(&mut self) -> bool {
        let mut any = false;
        for _ in 0..self.ready.len() {
            let Some(path) = self.ready.pop_front() else { break };
            self.slots[path as usize].queued = false;
            let (sent, full) = self.send_path(path);
            any |= sent;
            self.settle(path);
            if full {
                // The receive buffer could not hold more answers: read first.
                self.enqueue_front(path);
                break;
            }
        }
        self.flush_all();
        any
    }

    fn enqueue_front(&mut self, path: u32) {
        let slot = &mut self.slots[path as usize];
        if !slot.queued && slot.search.is_some() {
            slot.queued = true;
            self.ready.push_front(path);
        }
    }

    /// Returns whether something was sent, and whether the receive buffer's room ran out.
    fn send_path(&mut self, path: u32) -> (bool, bool) {
        let target = &self.targets[path as usize];
        let family = usize::from(target.address.is_ipv6());
        let mut any = false;
        loop {
            let now = self.now();
            let slot = &mut self.slots[path as usize];
            let Some(search) = &mut slot.search else { return (any, false) };
            let Some(wanted) = search.peek_transmit(now) else { return (any, false) };
            let outstanding = self.families[family].outstanding;
            let capacity = self.families[family].icmp.as_ref().map_or(u64::MAX, |icmp| icmp.capacity / 2);
            if outstanding > 0 && outstanding + truesize(wanted.size) > capacity {
                return (any, true);
            }
            let request = Request {
                path,
                size: wanted.size,
                packets: wanted.packets,
                oversize: wanted.oversize,
                next_hop: slot.next_hop,
                router: target.asked == Asked::Gateway,
            };
            if wanted.size > 0
                && let Admission::At(later) = self.pacer.admit(request, now)
            {
                self.set_timer(path, later);
                return (any, false);
            }
            let transmit = search.poll_transmit(now);
            any = true;
            match transmit {
                None => return (any, false),
                Some(Transmit::Connect) => self.start_connect(path),
                Some(Transmit::Probe(probe)) => self.post(path, probe),
            }
        }
    }

    fn start_connect(&mut self, path: u32) {
        let target = &self.targets[path as usize];
        let source = target.source.map(|source| SocketAddr::new(source, 0));
        let ifindex = if target.bind { target.ifindex } else { 0 };
        let connect = Connect::new(address(target, 0), ifindex, source, self.options.tcp_port);
        self.slots[path as usize].connect = Some(Box::new(connect));
        self.connecting.push(path);
    }

    fn set_timer(&mut self, path: u32, at: Duration) {
        let slot = &mut self.slots[path as usize];
        if slot.timer.is_none_or(|timer| at < timer) {
            slot.timer = Some(at);
            self.timers.push(Reverse((at, path)));
        }
    }

    fn refresh_timer(&mut self, path: u32) {
        if let Some(at) = self.slots[path as usize].search.as_ref().and_then(|search| search.poll_timeout()) {
            self.set_timer(path, at);
        }
    }

    fn fire_timers(&mut self) -> bool {
        let now = self.now();
        // Taken out first: a search with something ready to send asks to be woken at once, which is for the next turn.
        let mut due = Vec::new();
        while let Some(Reverse((at, path))) = self.timers.peek().copied().filter(|Reverse((at, _))| *at <= now) {
            self.timers.pop();
            let slot = &mut self.slots[path as usize];
            if slot.timer == Some(at) {
                slot.timer = None;
                due.push(path);
            }
        }
        for path in &due {
            if let Some(search) = &mut self.slots[*path as usize].search {
                search.on_timeout(now);
                self.enqueue(*path);
                self.settle(*path);
            }
        }
        !due.is_empty()
    }

    /// Takes note of what a search has become after something happened to it.
    fn settle(&mut self, path: u32) {
        let index = path as usize;
        let target = &self.targets[index];
        let slot = &mut self.slots[index];
        let Some(search) = &slot.search else { return };
        let cost: u64 = search.awaited().map(truesize).sum();
        let family = &mut self.families[usize::from(target.address.is_ipv6())];
        family.outstanding = (family.outstanding + cost).saturating_sub(slot.cost);
        slot.cost = cost;
        if self.observer.wants_ladder() {
            self.observer.ladder(index, &search.rungs(), search.largest_answered());
        }
        let answered = search.largest_answered() > 0;
        let done = search.is_done();
        if target.on_link && !self.slots[index].resolved && (answered || done) {
            self.slots[index].resolved = true;
            self.unresolved -= 1;
        }
        if !done {
            self.refresh_timer(path);
        } else if self.is_doubtful(index) {
            self.try_again(index);
        } else {
            self.finish(path);
        }
    }

    /// Whether something went unanswered soon after the kernel's neighbour table was full: then nobody may have been asked. IPv6 also
    /// needs an entry for the group that a solicitation goes to, and says nothing where there is no room for that one.
    fn is_doubtful(&self, index: usize) -> bool {
        let (target, slot) = (&self.targets[index], &self.slots[index]);
        let short = slot.search.as_ref().is_some_and(|search| search.largest_answered() < target.interface_mtu);
        short
            && !slot.finished
            && target.on_link
            && !target.resolved
            && slot.tries < MAX_TRIES
            && self.full_at.is_some_and(|at| at + transmit::PATIENCE >= slot.since)
    }

    /// Puts a target behind all others.
    fn try_again(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        let family = &mut self.families[usize::from(self.targets[index].address.is_ipv6())];
        family.outstanding = family.outstanding.saturating_sub(slot.cost);
        *slot =
            Slot { tries: slot.tries + 1, queued: slot.queued, window: slot.window, next_hop: slot.next_hop, ..Slot::default() };
        self.active -= 1;
        self.again.push_back(index);
    }

    fn finish(&mut self, path: u32) {
        let index = path as usize;
        let target = &self.targets[index];
        self.pacer.forget(path);
        let slot = &mut self.slots[index];
        if std::mem::replace(&mut slot.finished, true) {
            return;
        }
        let family = &mut self.families[usize::from(target.address.is_ipv6())];
        family.outstanding = family.outstanding.saturating_sub(slot.cost);
        slot.cost = 0;
        slot.connect = None;
        let answered = slot.search.as_ref().is_some_and(|search| search.largest_answered() > 0);
        if answered && let Some(search) = slot.search.take() {
            let mut path = describe(target, slot.taken);
            path.peak_rate = slot.window.2 * 10;
            search.conclude(&mut path);
            slot.done = Some(Box::new(path));
        }
        self.active -= 1;
        self.finished += 1;
    }

    fn abort(&mut self, why: &str) {
        let now = self.now();
        for index in 0..self.slots.len() {
            if self.slots[index].done.is_some() {
                continue;
            }
            let Some(search) = &mut self.slots[index].search else {
                let mut path = describe(&self.targets[index], Some(wall_clock()));
                path.incomplete = Some(why.to_owned());
                self.slots[index].done = Some(Box::new(path));
                continue;
            };
            if !search.is_done() {
                search.abort(why, now);
                self.finish(u32::try_from(index).unwrap_or(u32::MAX));
            }
        }
    }

    /// Sleeps until something arrives or the next timer fires.
    fn sleep(&mut self) {
        let now = self.now();
        let mut until = self.timers.peek().map(|Reverse((at, _))| *at);
        let connects = self.connecting.iter().filter_map(|path| self.slots[*path as usize].connect.as_ref()?.next_poll()).min();
        until = [until, connects, self.options.deadline].into_iter().flatten().min();
        // A signal that comes between the test and the sleep is seen at the next turn.
        let timeout = until.map_or(Duration::from_millis(100), |until| until.saturating_sub(now)).min(Duration::from_millis(100));
        self.wait(timeout);
    }

    fn wait(&self, timeout: Duration) {
        let mut watches = Vec::with_capacity(8 + self.connecting.len());
        let mut watch = |fd, writable| watches.push(sys::socket::Watch { fd, writable, ready: false });
        for family in &self.families {
            family.icmp.iter().for_each(|socket| watch(socket.raw_fd(), false));
            family.udp.iter().for_each(|socket| watch(socket.raw_fd(), false));
            family.tcp.iter().for_each(|socket| watch(socket.raw_fd(), false));
        }
        self.watch.fd().into_iter().for_each(|fd| watch(fd, false));
        for path in &self.connecting {
            for fd in self.slots[*path as usize].connect.iter().flat_map(|connect| connect.descriptors().collect::<Vec<_>>()) {
                watch(fd, true);
            }
        }
        sys::socket::wait(&mut watches, Some(timeout));
    }

    fn poll_connects(&mut self) {
        let now = self.now();
        let mut index = 0;
        while index < self.connecting.len() {
            let path = self.connecting[index];
            let interface_mtu = self.targets[path as usize].interface_mtu;
            let slot = &mut self.slots[path as usize];
            let state = slot.connect.as_mut().map_or(State::Done(None), |connect| connect.poll(now, interface_mtu));
            let State::Done(peer) = state else {
                index += 1;
                continue;
            };
            slot.connect = None;
            self.connecting.swap_remove(index);
            if let Some(search) = &mut slot.search {
                search.on_peer_mtu(peer);
                search.on_timeout(now);
                self.enqueue(path);
                self.settle(path);
            }
        }
    }

    fn tell(&mut self) {
        let elapsed = self.now();
        if elapsed >= self.last_progress + Duration::from_millis(100) {
            self.last_progress = elapsed;
            self.observer.progress(Progress { done: self.finished, total: self.targets.len(), probes: self.sent, elapsed });
        }
    }

    /// Until when a second machine may answer for an address; `None` where nobody was asked.
    fn heard_enough(&self) -> Option<Duration> {
        self.last_watched.map(|last| last + PATIENCE)
    }

    /// Waits for a second machine that may answer for an address.
    fn listen_on(&mut self) {
        let Some(until) = self.heard_enough() else { return };
        loop {
            self.receive();
            let now = self.now();
            if now >= until || signal::caught().is_some() {
                self.watch.retire();
                return;
            }
            self.wait(until.saturating_sub(now));
        }
    }

    fn conclude(self, interrupted: bool, neighbours: &[pathvet_checks::evidence::Neighbour]) -> Outcome {
        let table: HashMap<IpAddr, &pathvet_checks::evidence::Neighbour> =
            neighbours.iter().map(|neighbour| (neighbour.dst, neighbour)).collect();
        let mut paths = Vec::with_capacity(self.slots.len());
        for (slot, target) in self.slots.into_iter().zip(self.targets) {
            let mut path = slot.done.map_or_else(|| describe(target, slot.taken), |path| *path);
            let next_hop = target.route.gateway.unwrap_or(target.address);
            if let Some(neighbour) =
                table.get(&next_hop).filter(|entry| target.interface.as_ref().is_none_or(|name| *name == entry.dev))
            {
                path.neighbour_state = Some(neighbour.state.clone());
                path.neighbour_lladdr.clone_from(&neighbour.lladdr);
            }
            if target.on_link {
                let gateway = neighbours.iter().find(|entry| entry.router && Some(&entry.dev) == target.interface.as_ref());
                path.gateway_lladdr = gateway.and_then(|entry| entry.lladdr.clone());
                path.responders = self.watch.responders(target.address);
            }
            if let Some(search) = slot.search {
                path.peak_rate = slot.window.2 * 10;
                search.conclude(&mut path);
            }
            paths.push(path);
        }
        Outcome { paths, gaps: self.gaps, peak_rate: self.peak.2 * 10, interrupted }
    }
}

/// A path of which only the target is known.
fn describe(target: &Target, taken: Option<Timestamp>) -> Path {
    let mut path = Path::new(&target.from, &target.to, taken.unwrap_or_else(wall_clock));
    path.network.clone_from(&target.network);
    path.asked = target.asked;
    path.address = Some(target.address);
    path.family = if target.address.is_ipv6() { 6 } else { 4 };
    path.dscp = target.dscp;
    path.interface.clone_from(&target.interface);
    path.interface_mtu = (target.interface_mtu > 0).then_some(target.interface_mtu);
    path.route = Some(Box::new(target.route.clone()));
    path.on_link = target.on_link;
    path.limit.kind = pathvet_checks::evidence::LimitKind::Unreachable;
    path
}

fn address(target: &Target, port: u16) -> SocketAddr {
    match target.address {
        IpAddr::V4(ip) => SocketAddr::new(ip.into(), port),
        IpAddr::V6(ip) => SocketAddrV6::new(ip, port, 0, target.scope_id).into(),
    }
}

/// What one answer of that size costs the receive buffer: its allocation is rounded up to a power of two.
fn truesize(size: u32) -> u64 {
    u64::from((size + 512).next_power_of_two()) + 768
}

/// The highest number of events within 100 ms: start of the window, events in it, highest so far.
fn count_peak((since, count, peak): (Duration, u32, u32), now: Duration) -> (Duration, u32, u32) {
    let (since, count) = if now > since + Duration::from_millis(100) { (now, 1) } else { (since, count + 1) };
    (since, count, peak.max(count))
}

//! The loop.

use super::connect::{Connect, State};
use super::duplicates::Watch;
use super::packet::{self, Built, Codec, Message, Quoted};
use super::sockets::{FragmentSocket, IcmpSocket, TcpSocket, UdpSocket};
use super::{Observer, Options, Outcome, Progress, ReadNeighbours, Target, wall_clock};
use crate::sys::{self, signal};
use jiff::Timestamp;
use pathvet_checks::evidence::{Asked, Gap, GapReason, Path};
use pathvet_checks::search::{Admission, Carrier, Config, Methods, Pacer, PacerConfig, Probe, Request, Search, Transmit};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// Searches that run at the same time.
const MAX_ACTIVE: usize = 1_024;
/// Of these, at most so many whose neighbour is not resolved: the kernel's table has room for 1,024 (`gc_thresh3`).
const MAX_UNRESOLVED: usize = 128;
/// More on-link targets than this are not asked who answers for them.
const MAX_WATCHED: usize = 256;
/// Paths of a run that are sampled for loss; a larger run sees loss only in what its searches send.
const MAX_SAMPLED: usize = 64;
/// Probes of a clean path: at 5 % loss each way the odds that one or none of them is lost are 1 in 400.
const LOSS_SAMPLE: u32 = 80;
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
    Engine::new(targets, options, observer)?.run(neighbours)
}

/// The sockets of one family.
struct Family {
    icmp: Option<IcmpSocket>,
    udp: Option<UdpSocket>,
    tcp: Option<TcpSocket>,
    fragments: Option<FragmentSocket>,
    /// Answers in flight, as the receive buffer would count them.
    outstanding: u64,
}

/// One target while it is vetted.
#[derive(Default)]
struct Slot {
    search: Option<Box<Search>>,
    taken: Option<Timestamp>,
    connect: Option<Box<Connect>>,
    timer: Option<Duration>,
    queued: bool,
    cost: u64,
    watched_at: Option<Duration>,
    resolved: bool,
    window: (Duration, u32, u32),
    tcp_sent: Vec<(u16, u32, u32)>,
    next_hop: Option<u32>,
    done: Option<Box<Path>>,
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

    fn run(mut self, neighbours: ReadNeighbours<'_>) -> io::Result<Outcome> {
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
            if !(sent || received || fired) && self.finished < self.targets.len() {
                self.sleep();
            }
        }
        self.listen_on();
        Ok(self.conclude(interrupted, &neighbours()))
    }

    /// Starts searches until enough are running.
    fn activate(&mut self, now: Duration) {
        while self.next < self.targets.len() && self.active < MAX_ACTIVE && self.unresolved < MAX_UNRESOLVED {
            let index = self.next;
            self.next += 1;
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
            let routable = !matches!(target.route.kind.as_str(), "none" | "unreachable" | "prohibit" | "blackhole" | "throw");
            if !routable || !(methods.icmp || methods.udp || methods.tcp) {
                self.finished += 1;
                slot.done = Some(Box::new(describe(target, slot.taken)));
                continue;
            }
            let config = Config {
                v6: target.address.is_ipv6(),
                interface_mtu: target.interface_mtu,
                probe_above: target.probe_above,
                expected: target.expected,
                on_link: target.on_link,
                resolved: target.resolved,
                ceilings: self.options.ceilings.clone(),
                methods,
                gateway: target.asked == Asked::Gateway,
                sample: if self.targets.len() <= MAX_SAMPLED { LOSS_SAMPLE } else { 0 },
                ladder_only: self.options.ladder_only,
                seed: self.codec.seed(path),
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
            self.slots[index].watched_at = Some(now);
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

    /// Puts a probe into its socket's outbox.
    fn post(&mut self, path: u32, probe: Probe) {
        let target = &self.targets[path as usize];
        let v6 = target.address.is_ipv6();
        let cost = if matches!(probe.carrier, Carrier::Echo | Carrier::Fragments) { truesize(probe.size) } else { 0 };
        self.families[usize::from(v6)].outstanding += cost;
        self.slots[path as usize].cost += cost;
        let tcp_port = self.options.tcp_port.unwrap_or(self.udp_port);
        let route = packet::Route { source: target.source.or(target.route.source), target: target.address, tcp_port };
        let built = self.codec.build(path, probe, route);
        if probe.carrier == Carrier::Tcp {
            let sequence = self.codec.short_tag(path, probe);
            let headers = if v6 { 60 } else { 40 };
            self.slots[path as usize].tcp_sent.push((probe.seq, sequence, probe.size.saturating_sub(headers)));
        }
        let kind = match probe.carrier {
            Carrier::Echo | Carrier::ForwardIcmp => 0,
            Carrier::Udp => 1,
            Carrier::Tcp => 2,
            Carrier::Fragments => 3,
        };
        let outbox = self.outboxes.entry((v6, kind)).or_insert_with(|| Outbox { entries: Vec::with_capacity(BATCH) });
        outbox.entries.push((path, probe, built));
        if outbox.entries.len() >= BATCH {
            self.flush((v6, kind));
        }
    }

    fn flush_all(&mut self) {
        for key in self.outboxes.keys().copied().collect::<Vec<_>>() {
            self.flush(key);
        }
    }

    /// Sends an outbox in batches. What the kernel refuses is told to its search.
    fn flush(&mut self, key: (bool, u8)) {
        let Some(outbox) = self.outboxes.get_mut(&key) else { return };
        let entries = std::mem::take(&mut outbox.entries);
        let mut rest: &[(u32, Probe, Built)] = &entries;
        let mut retried = false;
        while !rest.is_empty() {
            let result = self.send_entries(key, rest);
            let now = self.now();
            match result {
                Ok(count) => {
                    for (path, probe, _) in &rest[..count.min(rest.len())] {
                        self.note_sent(*path, *probe, now);
                    }
                    rest = rest.get(count.max(1)..).unwrap_or(&[]);
                    retried = false;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    // An error that came back for an earlier probe shows up here too: drain it, and ask once more.
                    let oversize = error.raw_os_error() == Some(libc::EMSGSIZE)
                        && rest[0].1.size > self.targets[rest[0].0 as usize].interface_mtu;
                    if !retried && !oversize && !is_full(&error) {
                        retried = true;
                        self.drain_errors();
                        continue;
                    }
                    retried = false;
                    self.note_unsent(rest[0].0, rest[0].1, &error, now);
                    rest = &rest[1..];
                }
            }
        }
        let mut entries = entries;
        entries.clear();
        if let Some(outbox) = self.outboxes.get_mut(&key) {
            outbox.entries = entries;
        }
    }

    fn send_entries(&self, (v6, kind): (bool, u8), entries: &[(u32, Probe, Built)]) -> io::Result<usize> {
        let family = &self.families[usize::from(v6)];
        let socket: Option<BorrowedFd<'_>> = match kind {
            0 => family.icmp.as_ref().map(AsFd::as_fd),
            1 => family.udp.as_ref().map(AsFd::as_fd),
            2 => family.tcp.as_ref().map(AsFd::as_fd),
            _ => family.fragments.as_ref().map(AsFd::as_fd),
        };
        let Some(socket) = socket else { return Err(io::Error::from_raw_os_error(libc::EBADF)) };
        if kind == 3 && !v6 {
            return self.send_fragments(socket, &entries[0]).map(|()| 1);
        }
        let messages: Vec<sys::socket::Outgoing<'_>> = entries
            .iter()
            .take(BATCH)
            .map(|(path, probe, built)| {
                let target = &self.targets[*path as usize];
                sys::socket::Outgoing {
                    to: address(target, if kind == 1 { self.udp_port } else { 0 }),
                    ifindex: if target.bind { target.ifindex } else { 0 },
                    source: target.source,
                    tos: target.dscp << 2,
                    // Neighbour discovery is only heard at its full hop limit.
                    hop_limit: (v6 && probe.carrier == Carrier::ForwardIcmp).then_some(255),
                    head: built.head(),
                    tail: self.codec.tail_of(built),
                }
            })
            .collect();
        sys::socket::send_batch(socket, &messages)
    }

    fn send_fragments(&self, socket: BorrowedFd<'_>, (path, probe, built): &(u32, Probe, Built)) -> io::Result<()> {
        let target = &self.targets[*path as usize];
        let (Some(IpAddr::V4(source)), IpAddr::V4(address_v4)) = (target.source.or(target.route.source), target.address) else {
            return Err(io::Error::from_raw_os_error(libc::EADDRNOTAVAIL));
        };
        let mut echo = built.head().to_vec();
        echo.extend_from_slice(self.codec.tail_of(built));
        for fragment in packet::fragments_v4(&echo, source, address_v4, probe.seq, 1280) {
            let outgoing = sys::socket::Outgoing {
                to: address(target, 0),
                ifindex: if target.bind { target.ifindex } else { 0 },
                source: None,
                tos: 0,
                hop_limit: None,
                head: &fragment,
                tail: &[],
            };
            sys::socket::send_batch(socket, &[outgoing])?;
        }
        Ok(())
    }

    fn note_sent(&mut self, path: u32, probe: Probe, now: Duration) {
        self.sent += 1;
        self.peak = count_peak(self.peak, now);
        let slot = &mut self.slots[path as usize];
        slot.window = count_peak(slot.window, now);
        if let Some(search) = &mut slot.search {
            search.on_sent(probe.seq, now);
        }
        self.refresh_timer(path);
    }

    fn note_unsent(&mut self, path: u32, probe: Probe, error: &io::Error, now: Duration) {
        let target = &self.targets[path as usize];
        let Some(search) = &mut self.slots[path as usize].search else { return };
        match error.raw_os_error() {
            Some(libc::EMSGSIZE) => {
                search.on_refused(probe.seq, (probe.size > target.interface_mtu).then_some(target.interface_mtu))
            }
            _ if is_full(error) => search.on_unsent(probe.seq, now),
            _ => search.on_send_error(probe.seq, &error_name(error), now),
        }
        self.refresh_timer(path);
        self.enqueue(path);
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
        if done {
            self.finish(path);
        } else {
            self.refresh_timer(path);
        }
    }

    fn finish(&mut self, path: u32) {
        let index = path as usize;
        let target = &self.targets[index];
        self.pacer.forget(path);
        let slot = &mut self.slots[index];
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

    /// Takes everything that has arrived. `true` when there was something.
    fn receive(&mut self) -> bool {
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

    fn receive_icmp(&mut self, v6: bool) -> bool {
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

    fn note_drops(&mut self, v6: bool, drops: u32) {
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

    fn on_message(
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

    fn probe_in(&self, path: u32, seq: u16) -> Option<Probe> {
        self.slots[path as usize].search.as_ref()?.probe(seq)
    }

    fn paths_to(&self, address: Option<IpAddr>) -> Vec<u32> {
        address.and_then(|address| self.by_address.get(&address)).cloned().unwrap_or_default()
    }

    fn reply(&mut self, path: u32, seq: u16, now: Duration, ttl: Option<u8>) {
        if let Some(search) = &mut self.slots[path as usize].search {
            search.on_reply(seq, now, None, ttl);
            self.after_event(path, now);
        }
    }

    fn after_event(&mut self, path: u32, now: Duration) {
        if let Some(search) = &mut self.slots[path as usize].search {
            search.on_timeout(now);
        }
        self.enqueue(path);
        self.settle(path);
    }

    /// An ICMP error that a raw socket sees. It is ours where it quotes the identifier, sequence number, length and address of a
    /// probe; where the quotation reaches into the payload, the key must fit too.
    fn on_icmp_error(&mut self, v6: bool, error: (u8, u8, u32), quoted: Quoted<'_>, from: Option<IpAddr>, now: Duration) {
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
    fn on_error(&mut self, path: u32, seq: u16, v6: bool, (kind, code, mtu): (u8, u8, u32), from: Option<IpAddr>, now: Duration) {
        let from = from.unwrap_or(if v6 {
            IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED)
        } else {
            IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED)
        });
        let Some(search) = &mut self.slots[path as usize].search else { return };
        if (v6 && kind == 2) || (!v6 && kind == 3 && code == 4) {
            search.on_too_big(seq, from, mtu, now);
        } else if kind == 3 || (v6 && kind == 1) {
            search.on_unreachable(seq, &format!("{} from {from}", unreachable_name(v6, kind, code)), now);
        }
        self.after_event(path, now);
    }

    fn receive_tcp(&mut self, v6: bool) -> bool {
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
    fn drain_errors(&mut self) -> bool {
        let mut any = false;
        for v6 in [false, true] {
            for udp in [false, true] {
                any |= self.drain_queue(v6, udp);
            }
        }
        any
    }

    fn drain_queue(&mut self, v6: bool, udp: bool) -> bool {
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
                // A raw socket has read the message itself; what this host says is told by the send call.
                if raw || error.origin < 2 {
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

    fn on_queued_error(
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

    fn only_udp_probe(&self, target: IpAddr) -> Option<(u32, u16)> {
        let mut found = None;
        for path in self.paths_to(Some(target)) {
            let seq = self.slots[path as usize].search.as_ref()?.only_in_flight(Carrier::Udp)?;
            if found.replace((path, seq)).is_some() {
                return None;
            }
        }
        found
    }

    /// Waits for a second machine that may answer for an address, as long as one answer took and a little.
    fn listen_on(&mut self) {
        let patience = Duration::from_millis(5);
        let Some(last) = self.slots.iter().filter_map(|slot| slot.watched_at).max() else { return };
        let until = last + patience;
        loop {
            self.receive();
            let now = self.now();
            if now >= until || signal::caught().is_some() {
                return;
            }
            self.wait(until - now);
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
    path.route = Some(target.route.clone());
    path.on_link = target.on_link;
    path.limit.kind = pathvet_checks::evidence::LimitKind::Unreachable;
    path
}

fn open_family(v6: bool, targets: &[Target], options: &Options, codec: &Codec, gaps: &mut Vec<Gap>) -> Family {
    let mut family = Family { icmp: None, udp: None, tcp: None, fragments: None, outstanding: 0 };
    if !targets.iter().any(|target| target.address.is_ipv6() == v6) {
        return family;
    }
    let mut gap = |what: &str, error: &io::Error| {
        let denied = matches!(error.raw_os_error(), Some(libc::EPERM | libc::EACCES));
        gaps.push(Gap {
            what: format!("paths.{what}"),
            place: format!("socket({}, {what})", if v6 { "AF_INET6" } else { "AF_INET" }),
            reason: if denied { GapReason::NotPermitted } else { GapReason::Unsupported },
            detail: error.to_string(),
            right: denied.then(|| "CAP_NET_RAW".to_owned()),
        });
    };
    if options.icmp {
        family.icmp = IcmpSocket::open(v6, codec, options.receive_buffer).map_err(|error| gap("icmp", &error)).ok();
    }
    if options.udp {
        family.udp = UdpSocket::open(v6).map_err(|error| gap("udp", &error)).ok();
    }
    if family.icmp.as_ref().is_none_or(|icmp| icmp.raw) {
        if options.tcp {
            family.tcp = TcpSocket::open(v6, codec).map_err(|error| gap("tcp", &error)).ok();
        }
        if options.icmp && !options.ladder_only {
            family.fragments = FragmentSocket::open(v6).ok();
        }
    }
    family
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

fn is_full(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOBUFS | libc::EAGAIN | libc::ENOMEM))
}

/// The highest number of events within 100 ms: start of the window, events in it, highest so far.
fn count_peak((since, count, peak): (Duration, u32, u32), now: Duration) -> (Duration, u32, u32) {
    let (since, count) = if now > since + Duration::from_millis(100) { (now, 1) } else { (since, count + 1) };
    (since, count, peak.max(count))
}

fn error_name(error: &io::Error) -> String {
    let name = match error.raw_os_error() {
        Some(libc::EPERM) => "EPERM",
        Some(libc::EACCES) => "EACCES",
        Some(libc::ENETUNREACH) => "ENETUNREACH",
        Some(libc::EHOSTUNREACH) => "EHOSTUNREACH",
        Some(libc::ENETDOWN) => "ENETDOWN",
        Some(libc::EADDRNOTAVAIL) => "EADDRNOTAVAIL",
        Some(libc::EINVAL) => "EINVAL",
        Some(libc::ENODEV) => "ENODEV",
        _ => return error.to_string(),
    };
    format!("{name}: {error}")
}

/// RFC 792, RFC 1812 section 5.2.7.1; RFC 4443 section 3.1.
fn unreachable_name(v6: bool, kind: u8, code: u8) -> &'static str {
    match (v6, kind, code) {
        (false, 3, 0) => "network unreachable",
        (false, 3, 1) | (true, 1, 3) => "host unreachable",
        (false, 3, 2) => "protocol unreachable",
        (false, 3, 3) | (true, 1, 4) => "port unreachable",
        (false, 3, 9 | 10 | 13) | (true, 1, 1) => "administratively prohibited",
        (true, 1, 0) => "no route",
        (true, 1, 5) => "source address failed policy",
        (true, 1, 6) => "route rejected",
        _ => "unreachable",
    }
}

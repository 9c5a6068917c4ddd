//! Link partners: what a running lldpd knows, and what is heard meanwhile (IEEE 802.1AB).

use super::gap;
use crate::child::{self, ChildError, Program};
use crate::host::Host;
use crate::sys::frame::wait_readable;
use crate::sys::groups::GroupSocket;
use pathvet_checks::evidence::{self, Gap, GapReason, Link, Lldp};
use pathvet_checks::parse::lldpd;
use pathvet_checks::wire::lldp::{self, ETHERTYPE, GROUPS};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::AsFd;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Switches announce themselves every 30 seconds (802.1AB 9.2.5.7): a run that is shorter than this hears nothing, and opens nothing.
const WORTHWHILE: Duration = Duration::from_millis(250);
/// What lldpd may take to answer.
const LLDPD_TIMEOUT: Duration = Duration::from_secs(1);
/// Where lldpd listens for questions.
const LLDPD_SOCKETS: [&str; 2] = ["/run/lldpd.socket", "/var/run/lldpd.socket"];
/// How often somebody is told how far the waiting is.
const TELL: Duration = Duration::from_millis(100);
/// Longest frame that is read: no LLDP data unit is longer than an Ethernet frame, jumbo ones included.
const LONGEST: usize = 9216;
/// Most neighbours, and most faults, that are kept of one interface.
const MOST: usize = 32;
const LISTEN: &str = "AF_PACKET 0x88cc";

/// How link partners are learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Listening {
    /// Not at all: nothing is opened, nobody is asked.
    #[default]
    Off,
    /// lldpd is asked, and what comes while the paths are probed is heard.
    WhileProbing,
    /// The same, and it is waited so long until every interface with a carrier has heard somebody.
    For(Duration),
}

/// How far the waiting is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// Interfaces whose neighbour is known.
    pub heard: usize,
    /// Interfaces with a carrier.
    pub of: usize,
    /// The longest that is still waited.
    pub left: Duration,
}

/// Listens from when it is made until [`Ears::close`].
#[derive(Debug)]
pub struct Ears {
    since: Instant,
    how: Listening,
    watched: Vec<Watched>,
    socket: Opening,
    lldpd: Option<JoinHandle<Result<Vec<u8>, ChildError>>>,
}

#[derive(Debug)]
struct Watched {
    ifindex: u32,
    ifname: String,
    carrier: bool,
}

/// The socket, or the thread that opens it where the run turns out to be worth it; dropping the sender stops that.
#[derive(Debug)]
enum Opening {
    Done(io::Result<GroupSocket>),
    Later(mpsc::Sender<()>, JoinHandle<Option<io::Result<GroupSocket>>>),
    Not,
}

/// What of the announcements on one interface is kept.
#[derive(Debug, Default)]
struct Heard {
    /// By chassis and port.
    neighbours: BTreeMap<(String, String), Lldp>,
    gaps: BTreeSet<Gap>,
}

/// Whether LLDP may be heard there: Ethernet devices with a cable, and veth pairs that are no bridge's port (those of a container
/// host lead into its own containers).
fn listens(link: &Link) -> bool {
    let ether = link.link_type.as_deref() == Some("ether") && !link.is_loopback() && link.is_up();
    ether && (super::dcb::has_cable(link) || link.kind() == "veth" && link.master.is_none())
}

impl Ears {
    /// Begins to listen on the interfaces of this host, and asks lldpd where one runs; both go on beside the caller.
    #[must_use]
    pub fn open(host: &dyn Host, links: &[Link], how: Listening) -> Self {
        let mut ears = Self { since: Instant::now(), how, watched: Vec::new(), socket: Opening::Not, lldpd: None };
        if how == Listening::Off || !host.live() {
            return ears;
        }
        let watched = links.iter().filter(|link| listens(link)).map(|link| Watched {
            ifindex: link.ifindex,
            ifname: link.ifname.clone(),
            carrier: link.carrier == Some(true),
        });
        ears.watched = watched.collect();
        if ears.watched.is_empty() {
            return ears;
        }
        if LLDPD_SOCKETS.iter().any(|socket| std::path::Path::new(socket).exists()) {
            let ask = || child::run(Program::Lldpctl, &["-f", "json0"], LLDPD_TIMEOUT).map(|output| output.stdout);
            ears.lldpd = std::thread::Builder::new().name("lldpd".into()).spawn(ask).ok();
        }
        let indexes: Vec<u32> = ears.watched.iter().map(|watched| watched.ifindex).collect();
        ears.socket = if let Listening::For(_) = how {
            Opening::Done(open(&indexes))
        } else {
            let (stop, stopped) = mpsc::channel();
            let later = move || match stopped.recv_timeout(WORTHWHILE) {
                Err(mpsc::RecvTimeoutError::Timeout) => Some(open(&indexes)),
                _ => None,
            };
            let thread = std::thread::Builder::new().name("lldp".into()).spawn(later);
            thread.map_or(Opening::Not, |thread| Opening::Later(stop, thread))
        };
        ears
    }

    /// Waits as long as was asked for and as long as `go_on` says so, and writes what is known into `found`.
    pub fn close(mut self, host: &dyn Host, found: &mut evidence::Host, go_on: &mut dyn FnMut(Waiting) -> bool) {
        if self.watched.is_empty() {
            return;
        }
        let (known, lldpd_gap) = self.of_lldpd(host);
        let mut heard: BTreeMap<u32, Heard> = BTreeMap::new();
        let mut faults = Vec::new();
        let socket = match self.socket {
            Opening::Done(socket) => Some(socket),
            Opening::Later(stop, thread) => {
                drop(stop);
                thread.join().unwrap_or_default()
            }
            Opening::Not => None,
        };
        let listened = match &socket {
            Some(Ok(socket)) => {
                let limit = if let Listening::For(limit) = self.how { limit } else { Duration::ZERO };
                loop {
                    drain(socket, &self.watched, &mut heard);
                    let left = limit.saturating_sub(self.since.elapsed());
                    let carriers = self.watched.iter().filter(|watched| watched.carrier);
                    let of = carriers.clone().count();
                    let has = |watched: &&Watched| {
                        heard.get(&watched.ifindex).is_some_and(|heard| !heard.neighbours.is_empty())
                            || known.get(&watched.ifindex).is_some_and(|known| !known.is_empty())
                    };
                    let waiting = Waiting { heard: carriers.filter(has).count(), of, left };
                    if left.is_zero() || waiting.heard == of || !go_on(waiting) {
                        break;
                    }
                    if let Err(error) = wait_readable(&[socket.as_fd()], Some(left.min(TELL))) {
                        faults.push(gap::from_error("links.lldp", LISTEN, &error));
                        break;
                    }
                }
                true
            }
            Some(Err(error)) => {
                faults.push(refused(error));
                false
            }
            None => {
                faults.push(too_short());
                false
            }
        };
        if let Some(socket) = socket {
            retire(socket);
        }
        let mut unknown = false;
        for watched in &self.watched {
            let heard = heard.remove(&watched.ifindex).unwrap_or_default();
            let told = known.get(&watched.ifindex);
            found.gaps.extend(heard.gaps);
            let Some(link) = found.links.iter_mut().flatten().find(|link| link.ifindex == watched.ifindex) else { continue };
            if !listened && told.is_none() {
                unknown = true;
                continue;
            }
            // Of what lldpd tells, frames say more.
            let mut all = heard.neighbours;
            for lldp in told.into_iter().flatten() {
                all.entry((lldp.chassis_id.clone(), lldp.port_id.clone())).or_insert_with(|| lldp.clone());
            }
            link.lldp = Some(all.into_values().collect());
        }
        if unknown {
            found.gaps.extend(faults);
            found.gaps.extend(lldpd_gap);
        }
        found.gaps.sort();
        found.gaps.dedup();
    }

    /// What lldpd knows of the watched interfaces, by index. One that it does not watch is not there.
    fn of_lldpd(&mut self, host: &dyn Host) -> (BTreeMap<u32, Vec<Lldp>>, Option<Gap>) {
        const PLACE: &str = "lldpctl";
        let mut known = BTreeMap::new();
        let Some(thread) = self.lldpd.take() else { return (known, None) };
        let output = match thread.join() {
            Ok(Ok(output)) => output,
            Ok(Err(ChildError::Io(_, error))) => return (known, Some(gap::from_error("links.lldp", PLACE, &error))),
            Ok(Err(error @ ChildError::TimedOut { .. })) => {
                let error = io::Error::new(io::ErrorKind::TimedOut, error.to_string());
                return (known, Some(gap::from_error("links.lldp", PLACE, &error)));
            }
            Ok(Err(error)) => return (known, Some(gap::malformed("links.lldp", PLACE, error.to_string()))),
            Err(_) => return (known, None),
        };
        let read = match lldpd::read(&String::from_utf8_lossy(&output)) {
            Ok(read) => read,
            Err(why) => return (known, Some(gap::malformed("links.lldp", PLACE, why))),
        };
        // A socket in the file system is reached from every network namespace; lldpd speaks of these interfaces only where its packet
        // sockets are in this one.
        let sockets = host.read("/proc/net/packet").unwrap_or_default();
        let bound = bound_interfaces(&String::from_utf8_lossy(&sockets));
        for watched in self.watched.iter().filter(|watched| bound.contains(&watched.ifindex)) {
            let of_this = read.found.iter().filter(|(name, _)| *name == watched.ifname);
            known.insert(watched.ifindex, of_this.map(|(_, lldp)| lldp.clone()).take(MOST).collect());
        }
        let fault = read.faults.first().map(|(name, why)| gap::malformed(&format!("links.{name}.lldp"), PLACE, why.clone()));
        (known, fault)
    }
}

/// The interfaces that packet sockets of this network namespace are bound to (`/proc/net/packet`, column `Iface`).
fn bound_interfaces(text: &str) -> BTreeSet<u32> {
    text.lines().skip(1).filter_map(|line| line.split_whitespace().nth(4)?.parse().ok()).collect()
}

fn open(interfaces: &[u32]) -> io::Result<GroupSocket> {
    let socket = GroupSocket::open(ETHERTYPE)?;
    for &ifindex in interfaces {
        for (group, _) in GROUPS {
            // An interface that has gone meanwhile hears nothing.
            if socket.join(ifindex, group).is_err() {
                break;
            }
        }
    }
    Ok(socket)
}

/// Closing a packet socket waits until every processor has let go of it, some milliseconds; nobody else need wait.
fn retire(socket: io::Result<GroupSocket>) {
    drop(std::thread::Builder::new().spawn(move || drop(socket)));
}

/// Takes the frames that are there.
fn drain(socket: &GroupSocket, watched: &[Watched], heard: &mut BTreeMap<u32, Heard>) {
    let mut buffer = [0; LONGEST];
    let mut errors = 0;
    // An interface that goes down is told once, as an error; a socket that tells nothing else is left alone.
    while errors < 16 {
        match socket.receive(&mut buffer) {
            Ok(Some(received)) => {
                let at = watched.iter().find(|watched| watched.ifindex == received.ifindex);
                if let (Some(at), Some(frame)) = (at, buffer.get(..received.length)) {
                    heard.entry(at.ifindex).or_default().take(&at.ifname, frame);
                }
            }
            Ok(None) => break,
            Err(_) => errors += 1,
        }
    }
}

impl Heard {
    /// Notes an announcement. The kernel has taken any VLAN tag off.
    fn take(&mut self, ifname: &str, frame: &[u8]) {
        let (Some((to, rest)), Some(unit)) = (frame.split_first_chunk::<6>(), frame.get(14..)) else { return };
        let from = rest.first_chunk::<6>().copied().unwrap_or_default().map(|byte| format!("{byte:02x}")).join(":");
        let group = GROUPS.iter().find(|(group, _)| group == to).map(|(_, word)| (*word).to_owned());
        let announced = lldp::decode(unit);
        for fault in announced.faults {
            if self.gaps.len() < MOST {
                let place = format!("LLDP from {from}");
                self.gaps.insert(gap::malformed(&format!("links.{ifname}.lldp"), &place, fault.to_string()));
            }
        }
        let Some(neighbour) = announced.neighbour else { return };
        let key = (neighbour.chassis_id.clone(), neighbour.port_id.clone());
        if announced.shutdown {
            self.neighbours.remove(&key);
        } else if self.neighbours.len() < MOST || self.neighbours.contains_key(&key) {
            self.neighbours.insert(key, Lldp { source: group, ..neighbour });
        }
    }
}

fn refused(error: &io::Error) -> Gap {
    let mut gap = gap::from_error("links.lldp", LISTEN, error);
    if gap.reason == GapReason::NotPermitted {
        gap.right = Some("CAP_NET_RAW".into());
        gap.detail = "listening needs root, or once: setcap cap_net_raw+ep on the program".into();
    }
    gap
}

/// Nobody listened: because the run was over too soon, and without the right nobody could have.
fn too_short() -> Gap {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|word| u64::from_str_radix(word.trim(), 16).ok());
    if effective.is_some_and(|rights| rights & (1 << CAP_NET_RAW) == 0) {
        return refused(&io::Error::from_raw_os_error(libc::EPERM));
    }
    let detail =
        "the run was over before it was worth listening: neighbours announce themselves every 30 s, --lldp 35 waits for them";
    gap::from_error("links.lldp", LISTEN, &io::Error::new(io::ErrorKind::TimedOut, detail))
}

/// `linux/capability.h`.
const CAP_NET_RAW: u32 = 13;

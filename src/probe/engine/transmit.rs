//! What leaves: batches per socket, and what the kernel says to each.

use super::{BATCH, Engine, MAX_UNRESOLVED, Outbox, address, count_peak, truesize};
use crate::probe::packet::{self, Built};
use crate::sys;
use pathvet_checks::search::{Carrier, Probe};
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

impl Engine<'_> {
    /// Puts a probe into its socket's outbox.
    pub(super) fn post(&mut self, path: u32, probe: Probe) {
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

    pub(super) fn flush_all(&mut self) {
        for key in self.outboxes.keys().copied().collect::<Vec<_>>() {
            self.flush(key);
        }
    }

    /// Sends an outbox in batches. What the kernel refuses is told to its search.
    pub(super) fn flush(&mut self, key: (bool, u8)) {
        let Some(outbox) = self.outboxes.get_mut(&key) else { return };
        let entries = std::mem::take(&mut outbox.entries);
        let mut rest: &[(u32, Probe, Built)] = &entries;
        let mut tries = 0;
        while !rest.is_empty() {
            // Where the far end is on this machine its answers are there before the call returns.
            let before = self.now();
            let result = self.send_entries(key, rest);
            let now = self.now();
            match result {
                Ok(count) => {
                    for (path, probe, _) in &rest[..count.min(rest.len())] {
                        self.note_sent(*path, *probe, before);
                    }
                    rest = rest.get(count.max(1)..).unwrap_or(&[]);
                    tries = 0;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    // An error that came back for an earlier probe shows up here too, and another may come while it is drained:
                    // a router's EMSGSIZE is told from this host's own by what this host puts into the error queue.
                    let (path, probe, _) = &rest[0];
                    let target = &self.targets[*path as usize];
                    let (address, oversize) = (target.address, probe.size > target.interface_mtu);
                    let emsgsize = error.raw_os_error() == Some(libc::EMSGSIZE);
                    let own = is_full(&error) || (emsgsize && oversize);
                    if !own && tries < if emsgsize { STALE_ERRORS } else { 4 } {
                        tries += 1;
                        self.refusals.clear();
                        self.drain_errors();
                        if !emsgsize || !self.refusals.iter().any(|(to, mtu)| *to == address && probe.size > *mtu) {
                            continue;
                        }
                    }
                    tries = 0;
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

    pub(super) fn send_entries(&self, (v6, kind): (bool, u8), entries: &[(u32, Probe, Built)]) -> io::Result<usize> {
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

    pub(super) fn send_fragments(&self, socket: BorrowedFd<'_>, (path, probe, built): &(u32, Probe, Built)) -> io::Result<()> {
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

    pub(super) fn note_sent(&mut self, path: u32, probe: Probe, now: Duration) {
        self.sent += 1;
        self.full_since = None;
        self.peak = count_peak(self.peak, now);
        let slot = &mut self.slots[path as usize];
        slot.window = count_peak(slot.window, now);
        if let Some(search) = &mut slot.search {
            search.on_sent(probe.seq, now);
        }
        self.refresh_timer(path);
    }

    pub(super) fn note_unsent(&mut self, path: u32, probe: Probe, error: &io::Error, now: Duration) {
        let target = &self.targets[path as usize];
        let slot = &mut self.slots[path as usize];
        let Some(search) = &mut slot.search else { return };
        // IPv6 says EINVAL where IPv4 says ENOBUFS (`ip6_finish_output2`). The table is one for all networks of a machine, so that
        // others may have filled it.
        let no_neighbour = error.raw_os_error() == Some(libc::EINVAL) && target.address.is_ipv6() && !slot.resolved;
        let patience = if self.targets.len() > MAX_UNRESOLVED { PATIENCE } else { SHORT_PATIENCE };
        match error.raw_os_error() {
            Some(libc::EMSGSIZE) => {
                search.on_refused(probe.seq, (probe.size > target.interface_mtu).then_some(target.interface_mtu));
            }
            _ if is_full(error) || no_neighbour => {
                // A neighbour that has answered is in the table: there it is the interface below that drops.
                if target.on_link && !target.resolved && !slot.resolved {
                    self.full_at = Some(now);
                }
                if now.saturating_sub(*self.full_since.get_or_insert(now)) < patience {
                    search.on_unsent(probe.seq, now);
                } else {
                    search.on_send_error(probe.seq, &no_room(target.address, patience), now);
                }
            }
            _ => search.on_send_error(probe.seq, &error_name(error), now),
        }
        self.refresh_timer(path);
        self.enqueue(path);
    }
}

/// How often an EMSGSIZE that this host did not explain is taken for a late answer to an earlier probe.
const STALE_ERRORS: u32 = 64;

/// How long a run waits for room. A neighbour is held while it counts as reachable, up to 45 s (`neigh_rand_reach_time`); as long
/// as it is, nothing makes room for others.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);

/// The same for a run that cannot have filled the table itself.
const SHORT_PATIENCE: Duration = Duration::from_secs(10);

fn no_room(address: IpAddr, patience: Duration) -> String {
    let family = if address.is_ipv6() { 6 } else { 4 };
    let seconds = patience.as_secs();
    format!(
        "ENOBUFS: no room for {seconds} s, in the neighbour table (net.ipv{family}.neigh.default.gc_thresh3) or in the interface"
    )
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOBUFS | libc::EAGAIN | libc::ENOMEM))
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

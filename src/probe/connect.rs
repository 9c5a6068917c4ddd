//! The far end's MTU from the MSS of one ordinary TCP connect.

use crate::sys::socket;
use pathvet_checks::evidence::{PeerMtu, PeerMtuHow};
use socket2::{Domain, Protocol, Socket, Type};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::Duration;

/// Ports that are open anyway on hosts that migrate or store: ssh, SMB, ESXi, RDP.
const PORTS: [u16; 4] = [22, 445, 902, 3389];
/// How long one port may keep silent before the next is tried beside it.
const STEP: Duration = Duration::from_millis(4);

/// Connects to one host, one port after the other.
pub(super) struct Connect {
    target: SocketAddr,
    ifindex: u32,
    source: Option<SocketAddr>,
    ports: Vec<u16>,
    open: Vec<Socket>,
    next_at: Duration,
}

/// How a connect stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// No answer yet.
    Waiting,
    /// Over: what was read, if anything.
    Done(Option<PeerMtu>),
}

impl Connect {
    pub(super) fn new(target: SocketAddr, ifindex: u32, source: Option<SocketAddr>, first: Option<u16>) -> Self {
        let mut ports: Vec<u16> = PORTS.iter().rev().copied().filter(|port| Some(*port) != first).collect();
        ports.extend(first);
        Self { target, ifindex, source, ports, open: Vec::new(), next_at: Duration::ZERO }
    }

    pub(super) fn descriptors(&self) -> impl Iterator<Item = RawFd> {
        self.open.iter().map(AsRawFd::as_raw_fd)
    }

    /// When it wants to be polled again, at the latest.
    pub(super) fn next_poll(&self) -> Option<Duration> {
        (!self.ports.is_empty()).then_some(self.next_at)
    }

    /// Takes what has answered; starts the next port where the last one is refused or silent.
    pub(super) fn poll(&mut self, now: Duration, interface_mtu: u32) -> State {
        let mut index = 0;
        while index < self.open.len() {
            let socket = &self.open[index];
            match socket.take_error() {
                Ok(None) if socket.peer_addr().is_ok() => return State::Done(self.read(index, interface_mtu)),
                Ok(None) => index += 1,
                Ok(Some(_)) | Err(_) => {
                    self.open.swap_remove(index);
                    self.next_at = now;
                }
            }
        }
        while now >= self.next_at {
            let Some(port) = self.ports.pop() else { break };
            if let Some(socket) = self.start(port) {
                self.open.push(socket);
                self.next_at = now + STEP;
            }
        }
        if self.open.is_empty() && self.ports.is_empty() { State::Done(None) } else { State::Waiting }
    }

    fn start(&self, port: u16) -> Option<Socket> {
        let mut target = self.target;
        target.set_port(port);
        let socket = Socket::new(Domain::for_address(target), Type::STREAM, Some(Protocol::TCP)).ok()?;
        socket.set_nonblocking(true).ok()?;
        if let Some(source) = self.source {
            socket.bind(&source.into()).ok()?;
        }
        if let Some(index) = std::num::NonZeroU32::new(self.ifindex) {
            let bound = if target.is_ipv4() {
                socket.bind_device_by_index_v4(Some(index))
            } else {
                socket.bind_device_by_index_v6(Some(index))
            };
            bound.ok()?;
        }
        match socket.connect(&target.into()) {
            Ok(()) => Some(socket),
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => Some(socket),
            Err(_) => None,
        }
    }

    /// `TCP_MAXSEG` is the smaller of the peer's MSS and ours, less 12 where timestamps are on (RFC 7323), and never more than half
    /// of the window that the peer offered (`tcp_bound_to_half_wnd` in the kernel's `include/net/tcp.h`).
    fn read(&self, index: usize, interface_mtu: u32) -> Option<PeerMtu> {
        let socket = &self.open[index];
        let segment = socket::get_option(socket.as_fd(), libc::IPPROTO_TCP, libc::TCP_MAXSEG).ok()?;
        let info = socket::tcp_info(socket.as_fd()).ok()?;
        let options = if info.timestamps { 12 } else { 0 };
        let headers = if self.target.is_ipv4() { 40 } else { 60 };
        let segment = u32::try_from(segment).ok()?;
        let value = segment + options + headers;
        let halved = segment == info.peer_window / 2;
        if value >= info.path_mtu && info.path_mtu < interface_mtu {
            // A path MTU that this host has cached is the smaller one; it hides what the peer said.
            return None;
        }
        Some(PeerMtu { value, how: PeerMtuHow::Mss, at_least: halved || value >= interface_mtu })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn half_of_a_small_window_is_not_the_far_ends_mtu() {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        // The window that the listener offers follows its receive buffer.
        listener.set_recv_buffer_size(8192).expect("a size that every kernel allows");
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a port");
        listener.listen(4).expect("listening");
        let target = listener.local_addr().ok().and_then(|address| address.as_socket()).expect("bound");
        let mut connect = Connect::new(target, 0, None, Some(target.port()));
        let mut now = Duration::ZERO;
        let peer = loop {
            match connect.poll(now, 65_535) {
                State::Done(peer) => break peer.expect("it is open"),
                State::Waiting => now += Duration::from_millis(1),
            }
        };
        assert!(peer.value < 65_535 && peer.at_least, "{peer:?}");
    }

    #[test]
    fn an_open_port_on_loopback_tells_its_mss() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let target = listener.local_addr().expect("bound");
        let mut connect = Connect::new(target, 0, None, Some(target.port()));
        let mut now = Duration::ZERO;
        loop {
            match connect.poll(now, 65_535) {
                State::Done(peer) => {
                    let peer = peer.expect("it is open");
                    assert!(peer.value > 1_500, "{peer:?}");
                    break;
                }
                State::Waiting => now += Duration::from_millis(1),
            }
        }
    }
}

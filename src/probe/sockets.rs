//! One receive socket per family and method, whatever the number of targets.

use super::packet::Codec;
use crate::sys::socket::{self, BpfInstruction, IP_RECVFRAGSIZE, IPV6_RECVFRAGSIZE};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

/// `IP_PMTUDISC_PROBE`: DF set, and the cached path MTU ignored (include/uapi/linux/in.h).
const PMTUDISC_PROBE: i32 = 3;
/// `IP_PMTUDISC_DONT`: no DF.
const PMTUDISC_DONT: i32 = 0;
/// What is asked for; the kernel gives what `net.core.rmem_max` allows.
const WANTED_BUFFER: i32 = 4 * 1024 * 1024;

/// The ICMP socket of one family.
pub(super) struct IcmpSocket {
    socket: Socket,
    /// A raw socket: it sees IP headers (IPv4) and ICMP errors. A datagram socket's errors come through its error queue.
    pub(super) raw: bool,
    /// Bytes of answers that the receive buffer holds, as the kernel counts them.
    pub(super) capacity: u64,
    /// `SO_RXQ_OVFL` so far.
    pub(super) drops: u32,
}

impl AsFd for IcmpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl IcmpSocket {
    /// A raw socket, or a datagram one where that right is missing.
    ///
    /// # Errors
    /// The raw socket's error, where neither can be opened.
    pub(super) fn open(v6: bool, codec: &Codec, buffer: Option<u32>) -> io::Result<Self> {
        let (domain, protocol) = if v6 { (Domain::IPV6, Protocol::ICMPV6) } else { (Domain::IPV4, Protocol::ICMPV4) };
        let (socket, raw) = match Socket::new(domain, Type::RAW, Some(protocol)) {
            Ok(socket) => (socket, true),
            Err(error) => (Socket::new(domain, Type::DGRAM, Some(protocol)).map_err(|_| error)?, false),
        };
        socket.set_nonblocking(true)?;
        if raw {
            // Before anything else, so that no foreign answer ever fills the buffer.
            socket::attach_filter(socket.as_fd(), &filter(v6, codec.id))?;
        }
        discover(&socket, v6, PMTUDISC_PROBE)?;
        receive_options(&socket, v6)?;
        let capacity = size_buffers(&socket, buffer);
        Ok(Self { socket, raw, capacity, drops: 0 })
    }

    pub(super) fn raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// The UDP socket of one family: sends to closed ports, and reads the errors that come back from its error queue.
pub(super) struct UdpSocket {
    socket: Socket,
}

impl AsFd for UdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl UdpSocket {
    pub(super) fn open(v6: bool) -> io::Result<Self> {
        let domain = if v6 { Domain::IPV6 } else { Domain::IPV4 };
        let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        if v6 {
            socket.set_only_v6(true)?;
        }
        socket.bind(&any(v6).into())?;
        discover(&socket, v6, PMTUDISC_PROBE)?;
        receive_options(&socket, v6)?;
        size_buffers(&socket, None);
        Ok(Self { socket })
    }

    pub(super) fn raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// A raw TCP socket that sends SYNs and sees the answers to one source port.
pub(super) struct TcpSocket {
    socket: Socket,
}

impl AsFd for TcpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl TcpSocket {
    pub(super) fn open(v6: bool, codec: &Codec) -> io::Result<Self> {
        let domain = if v6 { Domain::IPV6 } else { Domain::IPV4 };
        let socket = Socket::new(domain, Type::RAW, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket::attach_filter(socket.as_fd(), &tcp_filter(v6, codec.tcp_source))?;
        discover(&socket, v6, PMTUDISC_PROBE)?;
        Ok(Self { socket })
    }

    pub(super) fn raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// Sends echo requests in small fragments, without DF. Answers arrive at the [`IcmpSocket`].
pub(super) struct FragmentSocket {
    socket: Socket,
}

impl AsFd for FragmentSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl FragmentSocket {
    pub(super) fn open(v6: bool) -> io::Result<Self> {
        if v6 {
            let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6))?;
            discover(&socket, true, PMTUDISC_DONT)?;
            // The kernel fragments at this size (RFC 8200 section 5).
            socket::set_option(socket.as_fd(), libc::IPPROTO_IPV6, libc::IPV6_MTU, 1280)?;
            // It only sends.
            socket::attach_filter(socket.as_fd(), &[(RETURN, 0, 0, 0)])?;
            socket.set_nonblocking(true)?;
            return Ok(Self { socket });
        }
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(libc::IPPROTO_RAW)))?;
        socket::set_option(socket.as_fd(), libc::IPPROTO_IP, libc::IP_HDRINCL, 1)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket })
    }
}

pub(super) fn any(v6: bool) -> SocketAddr {
    let ip: IpAddr = if v6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
    SocketAddr::new(ip, 0)
}

fn discover(socket: &Socket, v6: bool, mode: i32) -> io::Result<()> {
    if v6 {
        socket::set_option(socket.as_fd(), libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, mode)?;
        socket::set_option(socket.as_fd(), libc::IPPROTO_IPV6, libc::IPV6_DONTFRAG, i32::from(mode == PMTUDISC_PROBE))
    } else {
        socket::set_option(socket.as_fd(), libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, mode)
    }
}

fn receive_options(socket: &Socket, v6: bool) -> io::Result<()> {
    let fd = socket.as_fd();
    // Old kernels lack the one or the other; what it would have told stays unknown.
    let _ = socket::set_option(fd, libc::SOL_SOCKET, libc::SO_RXQ_OVFL, 1);
    if v6 {
        let _ = socket::set_option(fd, libc::IPPROTO_IPV6, IPV6_RECVFRAGSIZE, 1);
        socket::set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT, 1)?;
        socket::set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVERR, 1)
    } else {
        let _ = socket::set_option(fd, libc::IPPROTO_IP, IP_RECVFRAGSIZE, 1);
        socket::set_option(fd, libc::IPPROTO_IP, libc::IP_RECVTTL, 1)?;
        // Also what makes the kernel say ENOBUFS when the neighbour table is full.
        socket::set_option(fd, libc::IPPROTO_IP, libc::IP_RECVERR, 1)
    }
}

/// Asks for large buffers and returns what the receive buffer holds.
fn size_buffers(socket: &Socket, wanted: Option<u32>) -> u64 {
    let fd = socket.as_fd();
    let size = wanted.and_then(|wanted| i32::try_from(wanted).ok()).unwrap_or(WANTED_BUFFER);
    for (force, plain) in [(libc::SO_RCVBUFFORCE, libc::SO_RCVBUF), (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF)] {
        if wanted.is_some() || socket::set_option(fd, libc::SOL_SOCKET, force, size).is_err() {
            let _ = socket::set_option(fd, libc::SOL_SOCKET, plain, size);
        }
    }
    socket::get_option(fd, libc::SOL_SOCKET, libc::SO_RCVBUF).ok().and_then(|size| u64::try_from(size).ok()).unwrap_or(212_992)
}

// Classic BPF (include/uapi/linux/bpf_common.h).
const LOAD_BYTE_X: u16 = 0x50;
const LOAD_HALF_X: u16 = 0x48;
const LOAD_BYTE: u16 = 0x30;
const LOAD_HALF: u16 = 0x28;
const LOAD_X_HEADER: u16 = 0xb1;
const JUMP_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;
const WHOLE: u32 = 0x4_0000;

/// Answers that carry our identifier, and errors. An IPv4 raw socket's filter sees the IP header, an IPv6 one does not.
fn filter(v6: bool, id: u16) -> Vec<BpfInstruction> {
    if v6 {
        return vec![
            (LOAD_BYTE, 0, 0, 0),
            (JUMP_EQUAL, 5, 0, 129),
            (JUMP_EQUAL, 6, 0, 1),
            (JUMP_EQUAL, 5, 0, 2),
            (JUMP_EQUAL, 4, 0, 3),
            (JUMP_EQUAL, 3, 0, 136),
            (RETURN, 0, 0, 0),
            (LOAD_HALF, 0, 0, 4),
            (JUMP_EQUAL, 0, 1, id.into()),
            (RETURN, 0, 0, WHOLE),
            (RETURN, 0, 0, 0),
        ];
    }
    vec![
        (LOAD_X_HEADER, 0, 0, 0),
        (LOAD_BYTE_X, 0, 0, 0),
        (JUMP_EQUAL, 5, 0, 0),
        (JUMP_EQUAL, 4, 0, 14),
        (JUMP_EQUAL, 5, 0, 3),
        (JUMP_EQUAL, 4, 0, 11),
        (JUMP_EQUAL, 3, 0, 12),
        (RETURN, 0, 0, 0),
        (LOAD_HALF_X, 0, 0, 4),
        (JUMP_EQUAL, 0, 1, id.into()),
        (RETURN, 0, 0, WHOLE),
        (RETURN, 0, 0, 0),
    ]
}

/// Segments to our port.
fn tcp_filter(v6: bool, port: u16) -> Vec<BpfInstruction> {
    if v6 {
        return vec![(LOAD_HALF, 0, 0, 2), (JUMP_EQUAL, 0, 1, port.into()), (RETURN, 0, 0, WHOLE), (RETURN, 0, 0, 0)];
    }
    vec![
        (LOAD_X_HEADER, 0, 0, 0),
        (LOAD_HALF_X, 0, 0, 2),
        (JUMP_EQUAL, 0, 1, port.into()),
        (RETURN, 0, 0, WHOLE),
        (RETURN, 0, 0, 0),
    ]
}

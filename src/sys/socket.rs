//! Sockets beyond what `socket2` offers: batches, control messages, the error queue, classic BPF filters.

#![expect(unsafe_code, reason = "sendmmsg, recvmmsg, setsockopt and ppoll take raw pointers")]

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

/// One datagram to send: a small head, then a slice of bytes that many datagrams share.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// Where to; the port matters for UDP only.
    pub to: SocketAddr,
    /// Outgoing interface index, 0 to leave it to the route.
    pub ifindex: u32,
    /// Source address, where the user chose one.
    pub source: Option<IpAddr>,
    /// TOS or traffic class byte.
    pub tos: u8,
    /// Hop limit, where it must be a certain one (255 for neighbour discovery).
    pub hop_limit: Option<u8>,
    /// First bytes.
    pub head: &'a [u8],
    /// The rest.
    pub tail: &'a [u8],
}

const BATCH: usize = 64;
const CONTROL: usize = 256;

#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; CONTROL]);

/// Sends as many as the kernel takes, in order. `Ok(n)`: the first n left. `Err`: the first one was refused for that reason.
///
/// # Errors
/// The system's error for the first message.
pub fn send_batch(socket: BorrowedFd<'_>, messages: &[Outgoing<'_>]) -> io::Result<usize> {
    let count = messages.len().min(BATCH);
    let mut names = [EMPTY_NAME; BATCH];
    let mut parts = [[libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; 2]; BATCH];
    let mut controls = [Control([0; CONTROL]); BATCH];
    // SAFETY: all-zero is a valid mmsghdr: null pointers with zero lengths.
    let mut headers: [libc::mmsghdr; BATCH] = unsafe { std::mem::zeroed() };
    for (index, message) in messages.iter().take(count).enumerate() {
        let name_len = write_name(&mut names[index], message.to);
        parts[index] = [
            libc::iovec { iov_base: message.head.as_ptr().cast_mut().cast(), iov_len: message.head.len() },
            libc::iovec { iov_base: message.tail.as_ptr().cast_mut().cast(), iov_len: message.tail.len() },
        ];
        let control_len = write_control(&mut controls[index], message);
        let header = &mut headers[index].msg_hdr;
        header.msg_name = std::ptr::from_mut(&mut names[index]).cast();
        header.msg_namelen = name_len;
        header.msg_iov = parts[index].as_mut_ptr();
        header.msg_iovlen = 2;
        if control_len > 0 {
            header.msg_control = controls[index].0.as_mut_ptr().cast();
            header.msg_controllen = control_len;
        }
    }
    let vlen = u32::try_from(count).unwrap_or(0);
    // SAFETY: every header points into arrays of this frame or into slices that outlive the call; the kernel only reads the
    // iovecs although their type is mutable.
    let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), vlen, libc::MSG_DONTWAIT) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

const EMPTY_NAME: libc::sockaddr_storage =
    // SAFETY: all-zero is a valid sockaddr_storage (family AF_UNSPEC).
    unsafe { std::mem::zeroed() };

fn write_name(storage: &mut libc::sockaddr_storage, to: SocketAddr) -> libc::socklen_t {
    match to {
        SocketAddr::V4(to) => {
            let name = libc::sockaddr_in {
                sin_family: libc::sa_family_t::try_from(libc::AF_INET).unwrap_or(0),
                sin_port: to.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(to.ip().octets()) },
                sin_zero: [0; 8],
            };
            // SAFETY: sockaddr_storage is larger than and aligned for every sockaddr.
            unsafe { std::ptr::from_mut(storage).cast::<libc::sockaddr_in>().write(name) };
            socklen::<libc::sockaddr_in>()
        }
        SocketAddr::V6(to) => {
            let name = libc::sockaddr_in6 {
                sin6_family: libc::sa_family_t::try_from(libc::AF_INET6).unwrap_or(0),
                sin6_port: to.port().to_be(),
                sin6_flowinfo: 0,
                sin6_addr: libc::in6_addr { s6_addr: to.ip().octets() },
                sin6_scope_id: to.scope_id(),
            };
            // SAFETY: as above.
            unsafe { std::ptr::from_mut(storage).cast::<libc::sockaddr_in6>().write(name) };
            socklen::<libc::sockaddr_in6>()
        }
    }
}

fn socklen<T>() -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<T>()).unwrap_or(0)
}

/// Appends one control message and returns the new length. The buffer is large enough for all that [`write_control`] writes.
fn push_control<T>(control: &mut Control, used: usize, level: i32, kind: i32, value: T) -> usize {
    let data = u32::try_from(size_of::<T>()).unwrap_or(0);
    // SAFETY: CMSG_SPACE and CMSG_LEN only compute; the write below stays inside the buffer, which the check holds.
    let (space, len) = unsafe { (libc::CMSG_SPACE(data) as usize, libc::CMSG_LEN(data) as usize) };
    if used + space > CONTROL {
        return used;
    }
    let header = libc::cmsghdr { cmsg_len: len, cmsg_level: level, cmsg_type: kind };
    // SAFETY: `used` is a multiple of the cmsg alignment, the buffer is aligned to 8, and `used + space` is inside it.
    unsafe {
        let at = control.0.as_mut_ptr().add(used);
        at.cast::<libc::cmsghdr>().write_unaligned(header);
        libc::CMSG_DATA(at.cast()).cast::<T>().write_unaligned(value);
    }
    used + space
}

fn write_control(control: &mut Control, message: &Outgoing<'_>) -> usize {
    let mut used = 0;
    match message.to {
        SocketAddr::V4(_) => {
            if message.ifindex != 0 || message.source.is_some() {
                let source = if let Some(IpAddr::V4(source)) = message.source { source } else { Ipv4Addr::UNSPECIFIED };
                let info = libc::in_pktinfo {
                    ipi_ifindex: i32::try_from(message.ifindex).unwrap_or(0),
                    ipi_spec_dst: libc::in_addr { s_addr: u32::from_ne_bytes(source.octets()) },
                    ipi_addr: libc::in_addr { s_addr: 0 },
                };
                used = push_control(control, used, libc::IPPROTO_IP, libc::IP_PKTINFO, info);
            }
            if message.tos != 0 {
                used = push_control(control, used, libc::IPPROTO_IP, libc::IP_TOS, i32::from(message.tos));
            }
            if let Some(limit) = message.hop_limit {
                used = push_control(control, used, libc::IPPROTO_IP, libc::IP_TTL, i32::from(limit));
            }
        }
        SocketAddr::V6(_) => {
            if message.ifindex != 0 || message.source.is_some() {
                let source = if let Some(IpAddr::V6(source)) = message.source { source } else { Ipv6Addr::UNSPECIFIED };
                let info =
                    libc::in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr: source.octets() }, ipi6_ifindex: message.ifindex };
                used = push_control(control, used, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info);
            }
            if message.tos != 0 {
                used = push_control(control, used, libc::IPPROTO_IPV6, libc::IPV6_TCLASS, i32::from(message.tos));
            }
            if let Some(limit) = message.hop_limit {
                used = push_control(control, used, libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT, i32::from(limit));
            }
        }
    }
    used
}

/// What came with a datagram beside its bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Received {
    /// Index of the buffer that holds the bytes.
    pub slot: usize,
    /// Number of bytes.
    pub len: usize,
    /// The buffer was too small.
    pub truncated: bool,
    /// Who sent it; from the error queue: whom the failed datagram was sent to.
    pub from: Option<SocketAddr>,
    /// TTL or hop limit.
    pub ttl: Option<u8>,
    /// Largest fragment that it was put together from (`IP_RECVFRAGSIZE`, `IPV6_RECVFRAGSIZE`), bytes of IP packet.
    pub fragment: Option<u32>,
    /// Datagrams dropped by this socket so far (`SO_RXQ_OVFL`).
    pub drops: Option<u32>,
    /// From the error queue: what happened.
    pub error: Option<ExtendedError>,
}

/// `struct sock_extended_err`, and the node that reported it.
#[derive(Debug, Clone, Copy)]
pub struct ExtendedError {
    /// errno.
    pub errno: u32,
    /// 1 this host, 2 ICMP, 3 `ICMPv6`.
    pub origin: u8,
    /// ICMP type.
    pub kind: u8,
    /// ICMP code.
    pub code: u8,
    /// The MTU of a too-big message.
    pub info: u32,
    /// Who reported it.
    pub offender: Option<IpAddr>,
}

/// Buffers for [`receive_batch`], used again and again.
pub struct Buffers {
    bytes: Vec<u8>,
    slot_size: usize,
    slots: usize,
    controls: Vec<Control>,
    names: Vec<libc::sockaddr_storage>,
    /// What the last call received.
    pub received: Vec<Received>,
}

impl Buffers {
    /// Buffers for `slots` datagrams of at most `slot_size` bytes each. Memory that is never written to costs nothing.
    #[must_use]
    pub fn new(slots: usize, slot_size: usize) -> Self {
        Self {
            bytes: vec![0; slots * slot_size],
            slot_size,
            slots,
            controls: vec![Control([0; CONTROL]); slots],
            names: vec![EMPTY_NAME; slots],
            received: Vec::with_capacity(slots),
        }
    }

    /// How many datagrams one call can take.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.slots.min(BATCH)
    }

    /// The bytes of one received datagram.
    #[must_use]
    pub fn data(&self, received: &Received) -> &[u8] {
        let start = received.slot * self.slot_size;
        self.bytes.get(start..start + received.len.min(self.slot_size)).unwrap_or(&[])
    }
}

/// Receives what is there, at most as much as the buffers hold, into `buffers.received`. Nothing there: `Ok(0)`.
///
/// # Errors
/// Any system error but EAGAIN and EINTR.
pub fn receive_batch(socket: BorrowedFd<'_>, buffers: &mut Buffers, errors: bool) -> io::Result<usize> {
    buffers.received.clear();
    let slots = buffers.slots.min(BATCH);
    // SAFETY: all-zero is a valid mmsghdr.
    let mut headers: [libc::mmsghdr; BATCH] = unsafe { std::mem::zeroed() };
    let mut parts = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; BATCH];
    for index in 0..slots {
        let start = index * buffers.slot_size;
        parts[index] = libc::iovec { iov_base: buffers.bytes[start..].as_mut_ptr().cast(), iov_len: buffers.slot_size };
        let header = &mut headers[index].msg_hdr;
        // Lengths are set anew before every call: the kernel writes what it used, and a stale one loses control messages.
        header.msg_name = std::ptr::from_mut(&mut buffers.names[index]).cast();
        header.msg_namelen = socklen::<libc::sockaddr_storage>();
        header.msg_iov = &raw mut parts[index];
        header.msg_iovlen = 1;
        header.msg_control = buffers.controls[index].0.as_mut_ptr().cast();
        header.msg_controllen = CONTROL;
    }
    let flags = libc::MSG_DONTWAIT | if errors { libc::MSG_ERRQUEUE } else { 0 };
    let vlen = u32::try_from(slots).unwrap_or(0);
    // SAFETY: every header points to buffers that live in this frame or in `buffers`, with their true lengths.
    let got = unsafe { libc::recvmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), vlen, flags, std::ptr::null_mut()) };
    let Ok(got) = usize::try_from(got) else {
        let error = io::Error::last_os_error();
        return match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(0),
            _ => Err(error),
        };
    };
    for (index, header) in headers.iter().take(got).enumerate() {
        let mut received = Received {
            slot: index,
            len: header.msg_len as usize,
            truncated: header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
            from: (header.msg_hdr.msg_namelen > 0).then(|| read_name(&buffers.names[index])).flatten(),
            ..Received::default()
        };
        read_control(&header.msg_hdr, &mut received);
        buffers.received.push(received);
    }
    Ok(got)
}

fn read_name(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match i32::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says that the kernel wrote a sockaddr_in.
            let name = unsafe { std::ptr::from_ref(storage).cast::<libc::sockaddr_in>().read() };
            let ip = Ipv4Addr::from(name.sin_addr.s_addr.to_ne_bytes());
            Some(SocketAddrV4::new(ip, u16::from_be(name.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: the family says that the kernel wrote a sockaddr_in6.
            let name = unsafe { std::ptr::from_ref(storage).cast::<libc::sockaddr_in6>().read() };
            let ip = Ipv6Addr::from(name.sin6_addr.s6_addr);
            Some(SocketAddrV6::new(ip, u16::from_be(name.sin6_port), 0, name.sin6_scope_id).into())
        }
        _ => None,
    }
}

fn read_control(header: &libc::msghdr, received: &mut Received) {
    // SAFETY: the kernel filled msg_control and msg_controllen of a buffer that is still alive; the CMSG macros stay inside.
    let mut cursor = unsafe { libc::CMSG_FIRSTHDR(header) };
    while !cursor.is_null() {
        // SAFETY: CMSG_FIRSTHDR and CMSG_NXTHDR return null or a whole header inside the buffer.
        let (message, data) = unsafe { (cursor.read_unaligned(), libc::CMSG_DATA(cursor)) };
        // SAFETY: CMSG_LEN only computes.
        let len = message.cmsg_len.saturating_sub(unsafe { libc::CMSG_LEN(0) } as usize);
        // SAFETY: the kernel says that `len` bytes of data follow, inside the control buffer.
        let bytes = unsafe { std::slice::from_raw_parts(data, len) };
        let number = || bytes.first_chunk::<4>().map(|bytes| u32::from_ne_bytes(*bytes));
        match (message.cmsg_level, message.cmsg_type) {
            (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => {
                received.ttl = number().and_then(|ttl| u8::try_from(ttl).ok());
            }
            (libc::IPPROTO_IP, IP_RECVFRAGSIZE) | (libc::IPPROTO_IPV6, IPV6_RECVFRAGSIZE) => received.fragment = number(),
            (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => received.drops = number(),
            (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR) => received.error = read_error(bytes),
            _ => {}
        }
        // SAFETY: as for CMSG_FIRSTHDR.
        cursor = unsafe { libc::CMSG_NXTHDR(header, cursor) };
    }
}

/// `include/uapi/linux/errqueue.h`: errno u32, origin, type, code, pad u8, info u32, data u32, then the offender's sockaddr.
fn read_error(bytes: &[u8]) -> Option<ExtendedError> {
    let (fixed, name) = bytes.split_first_chunk::<16>()?;
    let word = |at: usize| u32::from_ne_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]]);
    let family = name.first_chunk::<2>().map(|family| i32::from(u16::from_ne_bytes(*family)));
    let offender = match family {
        Some(libc::AF_INET) => name.get(4..8).and_then(|ip| <[u8; 4]>::try_from(ip).ok()).map(IpAddr::from),
        Some(libc::AF_INET6) => name.get(8..24).and_then(|ip| <[u8; 16]>::try_from(ip).ok()).map(IpAddr::from),
        _ => None,
    };
    Some(ExtendedError { errno: word(0), origin: fixed[4], kind: fixed[5], code: fixed[6], info: word(8), offender })
}

/// `include/uapi/linux/in.h`; not in the libc crate.
pub const IP_RECVFRAGSIZE: i32 = 25;
/// `include/uapi/linux/in6.h`; not in the libc crate.
pub const IPV6_RECVFRAGSIZE: i32 = 77;

/// Sets an integer socket option.
///
/// # Errors
/// The system's error.
pub fn set_option(socket: BorrowedFd<'_>, level: i32, name: i32, value: i32) -> io::Result<()> {
    // SAFETY: the pointer and length describe one i32 of this frame.
    let done = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, std::ptr::from_ref(&value).cast(), socklen::<i32>()) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Reads an integer socket option.
///
/// # Errors
/// The system's error.
pub fn get_option(socket: BorrowedFd<'_>, level: i32, name: i32) -> io::Result<i32> {
    let mut value = 0_i32;
    let mut len = socklen::<i32>();
    // SAFETY: the pointers describe one i32 and its length in this frame.
    let done = unsafe { libc::getsockopt(socket.as_raw_fd(), level, name, std::ptr::from_mut(&mut value).cast(), &raw mut len) };
    if done == 0 { Ok(value) } else { Err(io::Error::last_os_error()) }
}

/// What `TCP_INFO` says of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpInfo {
    /// Timestamps were negotiated (`TCPI_OPT_TIMESTAMPS`).
    pub timestamps: bool,
    /// The path MTU that this host's kernel goes by (`tcpi_pmtu`), bytes.
    pub path_mtu: u32,
    /// The window that the peer offers (`tcpi_snd_wnd`, Linux 5.4), bytes; 0 where the kernel does not say.
    pub peer_window: u32,
}

/// Reads `TCP_INFO`.
///
/// # Errors
/// The system's error.
pub fn tcp_info(socket: BorrowedFd<'_>) -> io::Result<TcpInfo> {
    // struct tcp_info (include/uapi/linux/tcp.h): eight bytes, the options being the sixth, then 32-bit words, tcpi_pmtu being
    // the fourteenth; tcpi_snd_wnd is at 228. An older kernel fills less of it.
    let mut info = [0_u8; 232];
    let mut len = libc::socklen_t::try_from(info.len()).unwrap_or(0);
    // SAFETY: the kernel writes at most `len` bytes.
    let done =
        unsafe { libc::getsockopt(socket.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_INFO, info.as_mut_ptr().cast(), &raw mut len) };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    let word = |at: usize| u32::from_ne_bytes([info[at], info[at + 1], info[at + 2], info[at + 3]]);
    Ok(TcpInfo { timestamps: info[5] & 1 != 0, path_mtu: word(60), peer_window: word(228) })
}

/// One instruction of classic BPF: code, jump if true, jump if false, constant.
pub type BpfInstruction = (u16, u8, u8, u32);

/// Attaches a filter; what it does not accept never enters the receive buffer.
///
/// # Errors
/// The system's error.
pub fn attach_filter(socket: BorrowedFd<'_>, program: &[BpfInstruction]) -> io::Result<()> {
    let mut code: Vec<libc::sock_filter> = program.iter().map(|&(code, jt, jf, k)| libc::sock_filter { code, jt, jf, k }).collect();
    let program = libc::sock_fprog { len: u16::try_from(code.len()).unwrap_or(0), filter: code.as_mut_ptr() };
    // SAFETY: the program points to `code`, which lives until the call returns; the kernel copies it.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            std::ptr::from_ref(&program).cast(),
            socklen::<libc::sock_fprog>(),
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Binds an `AF_PACKET` socket to one interface.
///
/// # Errors
/// The system's error.
pub fn bind_packet(socket: BorrowedFd<'_>, protocol: u16, ifindex: u32) -> io::Result<()> {
    let name = link_name(protocol, ifindex, [0; 6]);
    // SAFETY: the pointer and length describe one sockaddr_ll of this frame.
    let done = unsafe { libc::bind(socket.as_raw_fd(), std::ptr::from_ref(&name).cast(), socklen::<libc::sockaddr_ll>()) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Sends one frame's payload through an `AF_PACKET` datagram socket; the kernel writes the link-layer header.
///
/// # Errors
/// The system's error.
pub fn send_packet(socket: BorrowedFd<'_>, protocol: u16, ifindex: u32, to: [u8; 6], bytes: &[u8]) -> io::Result<()> {
    let name = link_name(protocol, ifindex, to);
    // SAFETY: the pointers describe `bytes` and one sockaddr_ll of this frame.
    let sent = unsafe {
        libc::sendto(
            socket.as_raw_fd(),
            bytes.as_ptr().cast(),
            bytes.len(),
            libc::MSG_DONTWAIT,
            std::ptr::from_ref(&name).cast(),
            socklen::<libc::sockaddr_ll>(),
        )
    };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn link_name(protocol: u16, ifindex: u32, to: [u8; 6]) -> libc::sockaddr_ll {
    let mut address = [0; 8];
    address[..6].copy_from_slice(&to);
    libc::sockaddr_ll {
        sll_family: u16::try_from(libc::AF_PACKET).unwrap_or(0),
        sll_protocol: protocol.to_be(),
        sll_ifindex: i32::try_from(ifindex).unwrap_or(0),
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: address,
    }
}

/// What [`wait`] watches.
#[derive(Debug, Clone, Copy)]
pub struct Watch {
    /// The descriptor.
    pub fd: RawFd,
    /// Also wake when it can be written to.
    pub writable: bool,
    /// Set by [`wait`]: something is there (data, an error, or room to write).
    pub ready: bool,
}

/// Waits until a descriptor is ready or the time has passed; a signal ends it early.
pub fn wait(watches: &mut [Watch], timeout: Option<Duration>) {
    let mut fds: Vec<libc::pollfd> = watches
        .iter()
        .map(|watch| libc::pollfd {
            fd: watch.fd,
            events: libc::POLLIN | if watch.writable { libc::POLLOUT } else { 0 },
            revents: 0,
        })
        .collect();
    let timeout = timeout.map(|timeout| libc::timespec {
        tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(timeout.subsec_nanos()),
    });
    let timeout = timeout.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: `fds` and the timespec live until the call returns; the length is the vector's.
    let ready = unsafe { libc::ppoll(fds.as_mut_ptr(), libc::nfds_t::try_from(fds.len()).unwrap_or(0), timeout, std::ptr::null()) };
    for (watch, fd) in watches.iter_mut().zip(&fds) {
        watch.ready = ready > 0 && fd.revents != 0;
    }
}

/// Fills `bytes` from the kernel's generator.
///
/// # Errors
/// The system's error.
pub fn random(bytes: &mut [u8]) -> io::Result<()> {
    let mut done = 0;
    while done < bytes.len() {
        let rest = &mut bytes[done..];
        // SAFETY: the kernel writes at most `rest.len()` bytes.
        let got = unsafe { libc::getrandom(rest.as_mut_ptr().cast(), rest.len(), 0) };
        match usize::try_from(got) {
            Ok(got) => done += got,
            Err(_) => return Err(io::Error::last_os_error()),
        }
    }
    Ok(())
}

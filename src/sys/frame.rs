//! Whole Ethernet frames in and out of one interface (`packet(7)`), and waiting with a fine clock.
#![expect(unsafe_code, reason = "sockaddr_ll, PACKET_IGNORE_OUTGOING and ppoll have no safe wrapper")]

use socket2::{Domain, SockAddr, Socket, Type};
use std::io::{self, Read, Write};
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

/// Every protocol (`linux/if_ether.h`).
const ETH_P_ALL: u16 = 0x0003;

/// A packet socket on one interface: reads what arrives there, writes what shall leave there.
#[derive(Debug)]
pub struct FrameSocket(Socket);

impl FrameSocket {
    /// Opens a socket that does not block. `receive_buffer` in bytes is a wish: the kernel keeps it below `net.core.rmem_max`.
    ///
    /// # Errors
    /// `EPERM` without `CAP_NET_RAW`, `ENODEV` without that interface.
    pub fn open(ifindex: u32, receive_buffer: usize) -> io::Result<Self> {
        // Protocol 0 receives nothing until bind says what.
        let socket = Socket::new(Domain::PACKET, Type::RAW, None)?;
        socket.set_nonblocking(true)?;
        socket.set_recv_buffer_size(receive_buffer)?;
        socket.set_send_buffer_size(receive_buffer)?;
        let on: libc::c_int = 1;
        // SAFETY: the option reads one int, which lives on this stack.
        let result = unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_PACKET,
                PACKET_IGNORE_OUTGOING,
                (&raw const on).cast(),
                length_of::<libc::c_int>(),
            )
        };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        socket.bind(&address(ifindex)?)?;
        Ok(Self(socket))
    }

    /// One frame from its Ethernet header on, without FCS.
    ///
    /// # Errors
    /// `WouldBlock` when there is none; `ENETDOWN` once after the interface went down.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        (&self.0).read(buffer)
    }

    /// Sends one frame.
    ///
    /// # Errors
    /// `EMSGSIZE` above the interface's MTU, `ENOBUFS` or `WouldBlock` when it cannot take more.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        (&self.0).write(frame).map(drop)
    }
}

impl AsFd for FrameSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Waits until one of the descriptors can be read or has ended. False: the time is over. None: no limit.
///
/// # Errors
/// What `ppoll(2)` says; an interrupted call is repeated.
pub fn wait_readable(descriptors: &[BorrowedFd<'_>], limit: Option<Duration>) -> io::Result<bool> {
    let mut polled: Vec<libc::pollfd> =
        descriptors.iter().map(|fd| libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 }).collect();
    let time = limit.map(|limit| libc::timespec {
        tv_sec: libc::time_t::try_from(limit.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: limit.subsec_nanos().into(),
    });
    loop {
        // SAFETY: the array and the time live longer than the call, and the count is the array's.
        let ready = unsafe {
            libc::ppoll(
                polled.as_mut_ptr(),
                polled.len() as libc::nfds_t,
                time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref),
                std::ptr::null(),
            )
        };
        if ready >= 0 {
            return Ok(ready > 0);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// `linux/if_packet.h`, Linux 4.20; not in libc.
const PACKET_IGNORE_OUTGOING: libc::c_int = 23;

fn address(ifindex: u32) -> io::Result<SockAddr> {
    let index = i32::try_from(ifindex).map_err(|_| io::Error::from_raw_os_error(libc::ENODEV))?;
    // SAFETY: sockaddr_ll is plain old data that fits a sockaddr_storage; it is written whole before the length says so.
    let ((), address) = unsafe {
        SockAddr::try_init(|storage, length| {
            let mut link: libc::sockaddr_ll = std::mem::zeroed();
            link.sll_family = libc::AF_PACKET as libc::sa_family_t;
            link.sll_protocol = ETH_P_ALL.to_be();
            link.sll_ifindex = index;
            storage.cast::<libc::sockaddr_ll>().write(link);
            length.write(length_of::<libc::sockaddr_ll>());
            Ok(())
        })
    }?;
    Ok(address)
}

/// A size as the kernel takes it.
const fn length_of<T>() -> libc::socklen_t {
    size_of::<T>() as libc::socklen_t
}

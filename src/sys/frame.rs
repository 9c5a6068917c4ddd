//! Whole Ethernet frames in and out of one interface (`packet(7)`), and waiting with a fine clock.
#![expect(unsafe_code, reason = "sockaddr_ll, the options of packet sockets and ppoll have no safe wrapper")]

use socket2::{Domain, SockAddr, Socket, Type};
use std::io::{self, Write};
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

/// Every protocol (`linux/if_ether.h`).
const ETH_P_ALL: u16 = 0x0003;

/// A packet socket on one interface: writes what shall leave there. What arrives is read from its [`Ring`](super::ring::Ring).
#[derive(Debug)]
pub struct FrameSocket(Socket);

impl FrameSocket {
    /// Opens a socket on an interface, given by index. It does not see the frames that leave there.
    ///
    /// # Errors
    /// `EPERM` without `CAP_NET_RAW`, `ENODEV` without that interface.
    pub fn open(ifindex: u32) -> io::Result<Self> {
        // Protocol 0 receives nothing until bind says what.
        let socket = Socket::new(Domain::PACKET, Type::RAW, None)?;
        socket.set_nonblocking(true)?;
        let on: libc::c_int = 1;
        set_option(socket.as_fd(), libc::PACKET_IGNORE_OUTGOING, &on)?;
        socket.bind(&address(ifindex)?)?;
        Ok(Self(socket))
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

/// Types that the options of packet sockets are made of: plain integers, alone or in a `repr(C)` structure without padding.
///
/// # Safety
/// Every byte of a value is initialised.
pub(super) unsafe trait OptionValue {}

// SAFETY: an integer.
unsafe impl OptionValue for libc::c_int {}
// SAFETY: four integers of one size.
unsafe impl OptionValue for libc::tpacket_req {}

/// Sets an option of a packet socket.
pub(super) fn set_option<T: OptionValue>(socket: BorrowedFd<'_>, option: libc::c_int, value: &T) -> io::Result<()> {
    // SAFETY: the kernel reads as many bytes as the value has, and all of them are initialised.
    let result = unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_PACKET, option, std::ptr::from_ref(value).cast(), length_of::<T>())
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn address(ifindex: u32) -> io::Result<SockAddr> {
    let index = i32::try_from(ifindex).map_err(|_| io::Error::from_raw_os_error(libc::ENODEV))?;
    // SAFETY: sockaddr_ll is plain old data that fits a sockaddr_storage; it is written whole before the length says so.
    let ((), address) = unsafe {
        SockAddr::try_init(|storage, length| {
            let mut link: libc::sockaddr_ll = std::mem::zeroed();
            link.sll_family = AF_PACKET;
            link.sll_protocol = ETH_P_ALL.to_be();
            link.sll_ifindex = index;
            storage.cast::<libc::sockaddr_ll>().write(link);
            length.write(length_of::<libc::sockaddr_ll>());
            Ok(())
        })
    }?;
    Ok(address)
}

/// `AF_PACKET` as an address holds it.
const AF_PACKET: libc::sa_family_t = 17;

/// A size as the kernel takes it; those here are below a hundred bytes.
#[expect(clippy::cast_possible_truncation, reason = "the sizes of a few small structures")]
pub(super) const fn length_of<T>() -> libc::socklen_t {
    size_of::<T>() as libc::socklen_t
}

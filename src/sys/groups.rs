//! Frames of one `EtherType` that go to group addresses, from many interfaces at once (`packet(7)`).
#![expect(unsafe_code, reason = "sockaddr_ll and packet_mreq have no safe wrapper")]

use super::frame::{OptionValue, set_option};
use socket2::{Domain, SockAddr, SockAddrStorage, Socket, Type};
use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// A packet socket that receives one `EtherType` on every interface, without promiscuous mode, and not what leaves here.
#[derive(Debug)]
pub struct GroupSocket(Socket);

/// A frame that was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// Where.
    pub ifindex: u32,
    /// Bytes in the buffer, from the Ethernet header on.
    pub length: usize,
}

// SAFETY: an integer, two halves and eight bytes, in that order: no padding.
unsafe impl OptionValue for libc::packet_mreq {}

impl GroupSocket {
    /// Opens the socket.
    ///
    /// # Errors
    /// `EPERM` without `CAP_NET_RAW`.
    pub fn open(ethertype: u16) -> io::Result<Self> {
        // Protocol 0 receives nothing until bind says what, so that nothing comes before the options hold.
        let socket = Socket::new(Domain::PACKET, Type::RAW, None)?;
        socket.set_nonblocking(true)?;
        let on: libc::c_int = 1;
        set_option(socket.as_fd(), libc::PACKET_IGNORE_OUTGOING, &on)?;
        socket.bind(&any_interface(ethertype)?)?;
        Ok(Self(socket))
    }

    /// Has an interface let frames through that go to a group address.
    ///
    /// # Errors
    /// `ENODEV` where the interface has gone.
    pub fn join(&self, ifindex: u32, group: [u8; 6]) -> io::Result<()> {
        let mut address = [0; 8];
        address[..6].copy_from_slice(&group);
        let request = libc::packet_mreq {
            mr_ifindex: libc::c_int::try_from(ifindex).map_err(|_| io::Error::from_raw_os_error(libc::ENODEV))?,
            mr_type: MULTICAST,
            mr_alen: 6,
            mr_address: address,
        };
        set_option(self.0.as_fd(), libc::PACKET_ADD_MEMBERSHIP, &request)
    }

    /// Takes the next frame, cut to the buffer. None: there is none.
    ///
    /// # Errors
    /// The system's; `ENETDOWN` when an interface has gone down, after which others still receive.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<Received>> {
        let mut storage = SockAddrStorage::zeroed();
        let mut length = storage.size_of();
        // SAFETY: pointers and lengths describe the buffer and the storage, which outlive the call.
        let received = unsafe {
            libc::recvfrom(
                self.0.as_raw_fd(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                libc::MSG_DONTWAIT,
                std::ptr::from_mut(&mut storage).cast(),
                &raw mut length,
            )
        };
        let Ok(received) = usize::try_from(received) else {
            let error = io::Error::last_os_error();
            return match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(None),
                _ => Err(error),
            };
        };
        // SAFETY: a packet socket's addresses are sockaddr_ll, of which all-zero is a valid one.
        let from = unsafe { std::ptr::from_ref(&storage).cast::<libc::sockaddr_ll>().read() };
        let ifindex = u32::try_from(from.sll_ifindex).unwrap_or(0);
        Ok(Some(Received { ifindex, length: received.min(buffer.len()) }))
    }
}

impl AsFd for GroupSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// `PACKET_MR_MULTICAST` as a request holds it.
const MULTICAST: libc::c_ushort = 0;
/// `AF_PACKET` as an address holds it.
const AF_PACKET: libc::sa_family_t = 17;

const _: () = assert!(size_of::<libc::packet_mreq>() == 16, "no padding");

fn any_interface(ethertype: u16) -> io::Result<SockAddr> {
    // SAFETY: sockaddr_ll is plain old data that fits a sockaddr_storage; it is written whole before the length says so.
    let ((), address) = unsafe {
        SockAddr::try_init(|storage, length| {
            let mut link: libc::sockaddr_ll = std::mem::zeroed();
            link.sll_family = AF_PACKET;
            link.sll_protocol = ethertype.to_be();
            storage.cast::<libc::sockaddr_ll>().write(link);
            length.write(super::frame::length_of::<libc::sockaddr_ll>());
            Ok(())
        })
    }?;
    Ok(address)
}

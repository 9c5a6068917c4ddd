//! Turns off the interface features that would let a lab's packets escape its rules (`SIOCETHTOOL`).
#![expect(unsafe_code, reason = "ioctl has no safe wrapper")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// `struct ethtool_value` (`linux/ethtool.h`).
#[repr(C)]
struct Value {
    command: u32,
    data: u32,
}

/// `ETHTOOL_STXCSUM`, `ETHTOOL_STSO`, `ETHTOOL_SGSO`, `ETHTOOL_SGRO` (`linux/ethtool.h`).
const COMMANDS: [u32; 4] = [0x17, 0x1f, 0x24, 0x2c];

/// `SIOCETHTOOL` (`linux/sockios.h`).
const SIOCETHTOOL: libc::Ioctl = 0x8946;

/// Turns off transmit checksumming, segmentation and receive merging, so that what one host sends is what travels.
///
/// With segmentation a TCP segment larger than the path passes a port as one merged packet; without a checksum a packet that
/// leaves through a packet socket is wrong.
///
/// # Errors
/// `EPERM` without `CAP_NET_ADMIN`, `ENODEV` without that interface.
pub fn turn_off(socket: BorrowedFd<'_>, interface: &str) -> io::Result<()> {
    for command in COMMANDS {
        let mut value = Value { command, data: 0 };
        // SAFETY: ifreq is plain old data, for which all zeroes is valid.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        // One byte stays zero: the kernel reads a terminated string.
        for (to, from) in request.ifr_name.iter_mut().zip(interface.bytes().take(libc::IFNAMSIZ - 1)) {
            *to = from.cast_signed();
        }
        request.ifr_ifru.ifru_data = (&raw mut value).cast();
        // SAFETY: the request and the value it points at live on this stack until the call returns.
        let result = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL, &raw mut request) };
        if result < 0 {
            let error = io::Error::last_os_error();
            // A feature that this interface does not have is off.
            if error.raw_os_error() != Some(libc::EOPNOTSUPP) {
                return Err(error);
            }
        }
    }
    Ok(())
}

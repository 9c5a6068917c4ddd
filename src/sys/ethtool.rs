//! The one ethtool question that generic netlink does not answer: who drives a device.
#![expect(unsafe_code, reason = "SIOCETHTOOL takes a pointer to a struct that the kernel fills")]

use crate::host::DriverInfo;
use std::io;
use std::os::fd::AsRawFd as _;

/// `SIOCETHTOOL` (`linux/sockios.h`).
const SIOCETHTOOL: libc::c_ulong = 0x8946;
/// `ETHTOOL_GDRVINFO` (`linux/ethtool.h`).
const GDRVINFO: u32 = 3;

/// `struct ethtool_drvinfo`.
#[repr(C)]
struct DrvInfo {
    cmd: u32,
    driver: [u8; 32],
    version: [u8; 32],
    firmware: [u8; 32],
    bus: [u8; 32],
    rest: [u8; 64],
}

/// Asks the driver of `ifname` for its name, firmware and bus address.
///
/// # Errors
///
/// The system's: `ENODEV` for no such interface, `EOPNOTSUPP` for one without a driver to ask.
pub fn driver_info(ifname: &str) -> io::Result<DriverInfo> {
    let mut request =
        libc::ifreq { ifr_name: [0; libc::IFNAMSIZ], ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_data: std::ptr::null_mut() } };
    let name = ifname.as_bytes();
    if name.is_empty() || name.len() >= libc::IFNAMSIZ {
        return Err(io::Error::from_raw_os_error(libc::ENODEV));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name) {
        *to = from.cast_signed();
    }
    let mut info = DrvInfo { cmd: GDRVINFO, driver: [0; 32], version: [0; 32], firmware: [0; 32], bus: [0; 32], rest: [0; 64] };
    request.ifr_ifru.ifru_data = (&raw mut info).cast();
    let socket = std::os::unix::net::UnixDatagram::unbound()?;
    // SAFETY: SIOCETHTOOL reads an ifreq, whose name ends in a NUL and whose data points to `info`. For ETHTOOL_GDRVINFO the
    // kernel writes one struct ethtool_drvinfo there (196 bytes, as DrvInfo has). Both outlive the call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL, &raw mut request) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(DriverInfo { driver: text(&info.driver), firmware: text(&info.firmware), bus: text(&info.bus) })
}

/// A fixed field as text; empty and `N/A` are nothing.
fn text(field: &[u8]) -> Option<String> {
    let end = field.iter().position(|&byte| byte == 0).unwrap_or(field.len());
    let text = String::from_utf8_lossy(&field[..end]).trim().to_owned();
    (!text.is_empty() && text != "N/A").then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_struct_is_the_kernels() {
        assert_eq!(size_of::<DrvInfo>(), 196);
    }

    #[test]
    fn missing_and_odd_names_are_errors() {
        for name in ["", "no-such-device", "a-name-that-is-far-too-long"] {
            assert_eq!(driver_info(name).expect_err("no device").raw_os_error(), Some(libc::ENODEV), "{name}");
        }
    }
}

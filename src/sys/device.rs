//! Files and devices opened through libc's `open`.
//!
//! The standard library calls `open64`. The simulator of InfiniBand fabrics that the tests run (ibsim's `libumad2sim.so`) stands
//! before `open`, `read`, `write`, `poll`, `ioctl` and `close` alone, so everything that it has to serve goes through these.

#![expect(unsafe_code, reason = "open, read, write, poll and ioctl take raw pointers and numbers")]

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::FromRawFd as _;
use std::time::Duration;

/// `IB_USER_MAD_REGISTER_AGENT` (`rdma/ib_user_mad.h`): `_IOWR(0x1b, 1, struct ib_user_mad_reg_req)`.
const REGISTER_AGENT: libc::c_ulong = 0xC01C_1B01;

/// Opens a file for reading. It does not wait for the other end of a pipe, and no terminal becomes that of the process.
///
/// # Errors
/// The system's.
pub fn open_to_read(path: &str) -> io::Result<File> {
    let fd = open(path, libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOCTTY)?;
    // SAFETY: the descriptor was just opened and belongs to nobody else.
    Ok(unsafe { File::from_raw_fd(fd) })
}

fn open(path: &str, flags: libc::c_int) -> io::Result<libc::c_int> {
    let path = CString::new(path).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    loop {
        // SAFETY: `path` ends in a NUL and outlives the call; without O_CREAT there is no third argument.
        let fd = unsafe { libc::open(path.as_ptr(), flags | libc::O_CLOEXEC | libc::O_LARGEFILE) };
        if fd >= 0 {
            return Ok(fd);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// `struct ib_user_mad_reg_req`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
struct Registration {
    id: u32,
    method_mask: [u32; 4],
    qpn: u8,
    mgmt_class: u8,
    mgmt_class_version: u8,
    oui: [u8; 3],
    rmpp_version: u8,
}

/// A umad device (`/dev/infiniband/umadN`): one port of an adapter, through which management datagrams are sent.
///
/// The descriptor is no `OwnedFd`: under the simulator it is a number that only its own `close` knows.
#[derive(Debug)]
pub struct Umad(libc::c_int);

impl Umad {
    /// Opens the device for asking and hearing.
    ///
    /// # Errors
    /// The system's: `EACCES` without the right to the device.
    pub fn open(path: &str) -> io::Result<Self> {
        open(path, libc::O_RDWR | libc::O_NONBLOCK).map(Self)
    }

    /// Registers for a management class on queue pair 0 or 1 and returns the number of the agent. No methods are taken over: an
    /// agent so made hears the answers to its own questions and nothing else.
    ///
    /// # Errors
    /// The system's.
    pub fn register(&self, queue_pair: u8, class: u8, class_version: u8, rmpp_version: u8) -> io::Result<u32> {
        let mut request = Registration {
            qpn: queue_pair,
            mgmt_class: class,
            mgmt_class_version: class_version,
            rmpp_version,
            ..Registration::default()
        };
        // SAFETY: REGISTER_AGENT reads and writes one struct ib_user_mad_reg_req (28 bytes, as Registration has), which outlives
        // the call.
        let result = unsafe { libc::ioctl(self.0, REGISTER_AGENT, &raw mut request) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(request.id) }
    }

    /// Sends one datagram with its header.
    ///
    /// # Errors
    /// The system's; [`io::ErrorKind::WriteZero`] where only a part was taken.
    pub fn send(&self, datagram: &[u8]) -> io::Result<()> {
        // SAFETY: the pointer and length are those of a slice that outlives the call.
        let sent = unsafe { libc::write(self.0, datagram.as_ptr().cast(), datagram.len()) };
        match usize::try_from(sent) {
            Err(_) => Err(io::Error::last_os_error()),
            Ok(sent) if sent < datagram.len() => Err(io::ErrorKind::WriteZero.into()),
            Ok(_) => Ok(()),
        }
    }

    /// Waits for one datagram with its header, at most so long; its length. `None`: nothing came.
    ///
    /// # Errors
    /// The system's: `ENOSPC` for one larger than `buffer`.
    pub fn receive(&self, buffer: &mut [u8], within: Duration) -> io::Result<Option<usize>> {
        let milliseconds = within.as_micros().div_ceil(1000);
        let mut poll = libc::pollfd { fd: self.0, events: libc::POLLIN, revents: 0 };
        // SAFETY: one pollfd is passed, and it outlives the call.
        let ready = unsafe { libc::poll(&raw mut poll, 1, libc::c_int::try_from(milliseconds).unwrap_or(libc::c_int::MAX)) };
        if ready < 0 {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::Interrupted { Ok(None) } else { Err(error) };
        }
        if ready == 0 {
            return Ok(None);
        }
        // SAFETY: the pointer and length are those of a slice that nobody else uses during the call.
        let got = unsafe { libc::read(self.0, buffer.as_mut_ptr().cast(), buffer.len()) };
        match usize::try_from(got) {
            Ok(got) => Ok(Some(got.min(buffer.len()))),
            // The simulator returns the negative number of its error and leaves errno alone.
            Err(_) if got < -1 => Ok(None),
            Err(_) => match io::Error::last_os_error() {
                error if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(None),
                error => Err(error),
            },
        }
    }
}

impl Drop for Umad {
    fn drop(&mut self) {
        // SAFETY: the descriptor is this struct's own and not used afterwards. Closing unregisters its agents.
        unsafe { libc::close(self.0) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_struct_is_the_kernels() {
        assert_eq!(size_of::<Registration>(), 28);
    }

    #[test]
    fn what_is_no_device_is_an_error() {
        assert_eq!(Umad::open("/nowhere/umad0").expect_err("missing").kind(), io::ErrorKind::NotFound);
        assert!(open_to_read("a\0b").is_err());
        let null = Umad::open("/dev/null").expect("a device");
        assert!(null.register(0, 1, 1, 0).is_err(), "it knows no agents");
        let mut nothing = [0; 8];
        assert_eq!(null.receive(&mut nothing, Duration::ZERO).expect("its end"), Some(0));
    }
}

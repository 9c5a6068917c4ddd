//! Where facts are read from: this machine, or a recorded tree.
//!
//! A collector sees a [`Host`] and nothing else of the world, so what it finds on a machine it finds again, byte for byte, in
//! the tree that a [`Recorder`] wrote there.

mod record;
mod this;
mod tree;

pub use record::Recorder;
pub use this::ThisHost;
pub use tree::Tree;

use siphasher::sip128::{Hasher128, SipHasher24};
use std::hash::Hasher as _;
use std::io;

/// Largest file that is read: kernel files are a page, tables of names may be longer.
const FILE_LIMIT: u64 = 4 << 20;
/// Largest answer to one netlink request.
const ANSWER_LIMIT: usize = 64 << 20;

/// A source of facts. Paths are absolute, as on the machine itself.
///
/// Errors are the system's own. [`io::ErrorKind::NotFound`] means that the machine, or the tree, has no such thing;
/// [`io::ErrorKind::InvalidData`] that it is there and unusable.
pub trait Host: Sync {
    /// `local` or `root`, for [`pathvet_checks::evidence::Host::origin`].
    fn origin(&self) -> &'static str;

    /// The bytes of a file, at most 4 MiB.
    ///
    /// # Errors
    ///
    /// The system's, [`io::ErrorKind::FileTooLarge`], or [`io::ErrorKind::InvalidData`] for what is not a regular file.
    fn read(&self, path: &str) -> io::Result<Vec<u8>>;

    /// The names in a directory, sorted.
    ///
    /// # Errors
    ///
    /// The system's.
    fn list(&self, path: &str) -> io::Result<Vec<String>>;

    /// Where a symbolic link points to, as it is written.
    ///
    /// # Errors
    ///
    /// The system's.
    fn link(&self, path: &str) -> io::Result<String>;

    /// Sends one request to a netlink family (`NETLINK_ROUTE`, `NETLINK_GENERIC`) and returns every message of the answer, one
    /// after the other, without the closing `NLMSG_DONE` and without acknowledgements. The request's sequence number is 0.
    ///
    /// # Errors
    ///
    /// The errno of an `NLMSG_ERROR`, that of the socket, or [`io::ErrorKind::FileTooLarge`] above 64 MiB.
    fn netlink(&self, family: i32, request: &[u8]) -> io::Result<Vec<u8>>;

    /// As [`Host::netlink`] for many requests that are no dumps; one answer each, in their order.
    fn netlink_many(&self, family: i32, requests: &[Vec<u8>]) -> Vec<io::Result<Vec<u8>>> {
        requests.iter().map(|request| self.netlink(family, request)).collect()
    }

    /// The salted hash of the machine id (`/etc/machine-id`), 32 hexadecimal digits. The id itself never leaves this call.
    ///
    /// # Errors
    ///
    /// The system's; [`io::ErrorKind::InvalidData`] for a file that holds no id.
    fn machine_id(&self) -> io::Result<String> {
        hashed_id(&self.read(MACHINE_ID)?)
    }

    /// Driver, firmware and bus of an interface (`ETHTOOL_GDRVINFO`).
    ///
    /// # Errors
    ///
    /// The system's; [`io::ErrorKind::Unsupported`] where the device has no driver to ask.
    fn driver(&self, ifname: &str) -> io::Result<DriverInfo>;

    /// When the facts were read, where that is not now.
    fn taken(&self) -> Option<jiff::Timestamp> {
        None
    }

    /// Whether this is the machine that pathvet runs on, so that packets can be sent from it.
    fn live(&self) -> bool;
}

/// What a driver says of itself (`struct ethtool_drvinfo`); an empty answer is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DriverInfo {
    /// Name of the driver.
    pub driver: Option<String>,
    /// Firmware version.
    pub firmware: Option<String>,
    /// Bus address.
    pub bus: Option<String>,
}

impl DriverInfo {
    /// Reads the lines of `ethtool -i`.
    fn from_lines(text: &str) -> Self {
        let mut info = Self::default();
        for (key, value) in text.lines().filter_map(|line| line.split_once(':')) {
            let value = Some(value.trim()).filter(|value| !value.is_empty()).map(str::to_owned);
            match key.trim() {
                "driver" => info.driver = value,
                "firmware-version" => info.firmware = value,
                "bus-info" => info.bus = value,
                _ => {}
            }
        }
        info
    }

    /// Writes the lines of `ethtool -i`.
    fn to_lines(&self) -> String {
        let word = |value: &Option<String>| value.clone().unwrap_or_default();
        format!("driver: {}\nfirmware-version: {}\nbus-info: {}\n", word(&self.driver), word(&self.firmware), word(&self.bus))
    }
}

/// Where the machine id stands (machine-id(5)).
const MACHINE_ID: &str = "/etc/machine-id";
/// Where a recorded tree has the hash instead.
const HASHED_ID: &str = "/pathvet/machine-id.hash";
/// Where a recorded tree has the moment of recording.
const TAKEN: &str = "/pathvet/taken";

/// Hashes a machine id as machine-id(5) asks: keyed with what is ours, so that it is of no use to anybody else.
fn hashed_id(raw: &[u8]) -> io::Result<String> {
    let id = raw.trim_ascii();
    if id.len() != 32 || !id.iter().all(u8::is_ascii_hexdigit) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "not a machine id of 32 hexadecimal digits"));
    }
    let mut hasher = SipHasher24::new_with_key(b"pathvet host key");
    hasher.write(&id.to_ascii_lowercase());
    Ok(format!("{:032x}", hasher.finish128().as_u128()))
}

/// Name of the file under `netlink/` in a tree that holds the answer to a request: family, message and a hash of the request.
fn answer_file(family: i32, request: &[u8]) -> String {
    let mut hasher = SipHasher24::new();
    hasher.write(request);
    let kind = request.get(4..6).and_then(|bytes| bytes.first_chunk().copied()).map_or(0, u16::from_ne_bytes);
    let family_name = match family {
        libc::NETLINK_ROUTE => "route".to_owned(),
        libc::NETLINK_GENERIC => "generic".to_owned(),
        other => other.to_string(),
    };
    let message = match (family, kind) {
        (libc::NETLINK_ROUTE, libc::RTM_GETLINK) => "getlink".to_owned(),
        (libc::NETLINK_ROUTE, libc::RTM_GETADDR) => "getaddr".to_owned(),
        (libc::NETLINK_ROUTE, libc::RTM_GETROUTE) => "getroute".to_owned(),
        (libc::NETLINK_ROUTE, libc::RTM_GETNEIGH) => "getneigh".to_owned(),
        (libc::NETLINK_ROUTE, libc::RTM_GETRULE) => "getrule".to_owned(),
        (libc::NETLINK_ROUTE, libc::RTM_GETDCB) => "getdcb".to_owned(),
        (_, other) => other.to_string(),
    };
    format!("/netlink/{family_name}-{message}-{:016x}", hasher.finish128().h1)
}

/// Splits a raw answer: its payload messages, or the error that it ends in.
fn conclude(raw: &[u8]) -> io::Result<Vec<u8>> {
    use pathvet_checks::wire::nla;
    let mut kept = Vec::with_capacity(raw.len());
    let mut end = 0;
    for message in nla::messages(raw) {
        let Ok(message) = message else {
            // The reader of the messages meets the fault itself, after what came before it.
            kept.extend_from_slice(&raw[end..]);
            break;
        };
        end = (end + message.bytes.len().next_multiple_of(4)).min(raw.len());
        match message.error() {
            Some(0) => {}
            Some(errno) => return Err(io::Error::from_raw_os_error(errno)),
            None if message.kind == nla::DONE => {
                // A dump that fails half-way says so here (`netlink_dump`).
                let code = nla::read_u32(message.body).map_or(0, u32::cast_signed);
                if code < 0 {
                    return Err(io::Error::from_raw_os_error(code.wrapping_neg()));
                }
            }
            None => {
                kept.extend_from_slice(message.bytes);
                kept.resize(kept.len().next_multiple_of(4), 0);
            }
        }
    }
    Ok(kept)
}

/// A request made by hand, for the tests of this module.
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_id_is_hashed_and_salted() {
        let hash = hashed_id(b"0123456789abcdef0123456789ABCDEF\n").expect("an id");
        assert_eq!(hash.len(), 32);
        assert_ne!(hash, "0123456789abcdef0123456789abcdef");
        assert_eq!(hash, hashed_id(b"0123456789abcdef0123456789abcdef").expect("an id"), "case does not matter");
        assert_eq!(hashed_id(b"uninitialized\n").expect_err("no id").kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn driver_lines_round_trip() {
        let info = DriverInfo { driver: Some("mlx5_core".into()), firmware: None, bus: Some("0000:3b:00.0".into()) };
        assert_eq!(DriverInfo::from_lines(&info.to_lines()), info);
    }
}

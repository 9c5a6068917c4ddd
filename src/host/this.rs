//! The machine that pathvet runs on.

use super::{ANSWER_LIMIT, DriverInfo, FILE_LIMIT, Host, conclude};
use netlink_sys::{Socket, SocketAddr};
use pathvet_checks::wire::nla;
use std::io::{self, Read as _};

/// Requests that are sent at once: their answers fit a receive buffer of 212,992 bytes many times over.
const BATCH: usize = 32;
/// The kernel fills at most 32 KiB a datagram of a dump (`netlink_recvmsg`).
const BUFFER: usize = 64 << 10;
/// How often a dump is begun anew because its table changed under it.
const RETRIES: usize = 5;

/// This machine, in the network namespace of the calling thread.
#[derive(Debug, Clone, Copy, Default)]
pub struct ThisHost;

impl Host for ThisHost {
    fn origin(&self) -> &'static str {
        "local"
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        read_file(crate::sys::device::open_to_read(path)?)
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(path)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn link(&self, path: &str) -> io::Result<String> {
        Ok(std::fs::read_link(path)?.to_string_lossy().into_owned())
    }

    fn netlink(&self, family: i32, request: &[u8]) -> io::Result<Vec<u8>> {
        let mut socket = Netlink::open(family)?;
        let mut answer = socket.ask(request)?;
        for _ in 0..RETRIES {
            if !interrupted(&answer) {
                break;
            }
            answer = socket.ask(request)?;
        }
        conclude(&answer)
    }

    fn netlink_many(&self, family: i32, requests: &[Vec<u8>]) -> Vec<io::Result<Vec<u8>>> {
        let mut socket = match Netlink::open(family) {
            Ok(socket) => socket,
            Err(error) => return requests.iter().map(|_| Err(same(&error))).collect(),
        };
        let mut answers = Vec::with_capacity(requests.len());
        for batch in requests.chunks(BATCH) {
            match socket.ask_all(batch) {
                Ok(some) => answers.extend(some.iter().map(|answer| conclude(answer))),
                // An overrun loses answers of the whole batch (ENOBUFS): one at a time, on a socket without leftovers.
                Err(_) => answers.extend(batch.iter().map(|request| self.netlink(family, request))),
            }
        }
        answers
    }

    fn driver(&self, ifname: &str) -> io::Result<DriverInfo> {
        crate::sys::ethtool::driver_info(ifname)
    }

    fn live(&self) -> bool {
        true
    }
}

/// Reads what is a regular file to its end, once: some drivers' files answer a second read with EAGAIN for ever.
pub(super) fn read_file(file: std::fs::File) -> io::Result<Vec<u8>> {
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(FILE_LIMIT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_LIMIT {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {} MiB", FILE_LIMIT >> 20)));
    }
    Ok(bytes)
}

fn same(error: &io::Error) -> io::Error {
    error.raw_os_error().map_or_else(|| io::Error::new(error.kind(), error.to_string()), io::Error::from_raw_os_error)
}

fn interrupted(answer: &[u8]) -> bool {
    nla::messages(answer).flatten().any(|message| message.flags & nla::DUMP_INTERRUPTED != 0)
}

/// A netlink socket that speaks to the kernel alone.
///
/// The kernel answers within `sendmsg` (`netlink_unicast_kernel`), and goes on with a dump within `recvmsg`: what is not there
/// at once never comes. So nothing here waits.
struct Netlink {
    socket: Socket,
    seq: u32,
    buffer: Vec<u8>,
}

impl Netlink {
    fn open(family: i32) -> io::Result<Self> {
        let family = isize::try_from(family).map_err(|_| io::Error::from_raw_os_error(libc::EPROTONOSUPPORT))?;
        let mut socket = Socket::new(family)?;
        socket.bind_auto()?;
        // Once connected, no other process can send to this socket.
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self { socket, seq: 0, buffer: Vec::with_capacity(BUFFER) })
    }

    /// One request and its whole answer, the closing message included.
    fn ask(&mut self, request: &[u8]) -> io::Result<Vec<u8>> {
        let mut answers = self.ask_all(std::slice::from_ref(&request))?;
        Ok(answers.pop().unwrap_or_default())
    }

    /// Several requests and the answers of each. The kernel works through them in their order, so that the closing message of
    /// the last closes them all; of those before it only a dump has one of its own.
    fn ask_all<R: AsRef<[u8]>>(&mut self, requests: &[R]) -> io::Result<Vec<Vec<u8>>> {
        let first = self.seq.wrapping_add(1);
        let mut packet = Vec::with_capacity(requests.len() * 64);
        for (at, request) in requests.iter().enumerate() {
            self.seq = self.seq.wrapping_add(1);
            stamp(&mut packet, request.as_ref(), self.seq, at + 1 == requests.len())?;
        }
        self.socket.send(&packet, 0)?;

        let mut answers = vec![Vec::new(); requests.len()];
        let mut closed = requests.is_empty();
        let mut total = 0;
        while !closed {
            self.buffer.clear();
            let length = match self.socket.recv(&mut self.buffer, libc::MSG_DONTWAIT | libc::MSG_TRUNC) {
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "the kernel did not answer"));
                }
                Err(error) => return Err(error),
            };
            total += length;
            if length > self.buffer.len() || total > ANSWER_LIMIT {
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("an answer of more than {total} bytes")));
            }
            for message in nla::messages(&self.buffer) {
                let message = message.map_err(|fault| io::Error::new(io::ErrorKind::InvalidData, fault.to_string()))?;
                let Some(answer) = usize::try_from(message.seq.wrapping_sub(first)).ok().and_then(|at| answers.get_mut(at)) else {
                    continue;
                };
                answer.extend_from_slice(message.bytes);
                answer.resize(answer.len().next_multiple_of(4), 0);
                closed |= message.seq == self.seq && (message.kind == nla::DONE || message.kind == nla::ERROR);
            }
        }
        Ok(answers)
    }
}

/// Appends a request with its sequence number. The last, if it is no dump, asks to be acknowledged, which marks the end.
fn stamp(packet: &mut Vec<u8>, request: &[u8], seq: u32, last: bool) -> io::Result<()> {
    if request.len() < nla::HEADER {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a netlink request shorter than its header"));
    }
    let start = packet.len();
    packet.extend_from_slice(request);
    packet.resize(packet.len().next_multiple_of(4), 0);
    let flags = nla::read_u16(&request[6..]).unwrap_or(0);
    let flags = if !last || flags & nla::DUMP == nla::DUMP { flags } else { flags | nla::ACK } | nla::REQUEST;
    packet[start + 6..start + 8].copy_from_slice(&flags.to_ne_bytes());
    packet[start + 8..start + 12].copy_from_slice(&seq.to_ne_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get_link(ifindex: u32) -> Vec<u8> {
        let mut header = [0; 16];
        header[4..8].copy_from_slice(&ifindex.to_ne_bytes());
        nla::Builder::new(libc::RTM_GETLINK, nla::REQUEST, &header).finish()
    }

    #[test]
    fn the_kernel_answers_in_order_and_errors_are_its_own() {
        let requests: Vec<_> = (0..100).map(|n| get_link(if n % 3 == 0 { 1 } else { 2_000_000_000 })).collect();
        let answers = ThisHost.netlink_many(libc::NETLINK_ROUTE, &requests);
        assert_eq!(answers.len(), 100);
        for (n, answer) in answers.iter().enumerate() {
            match answer {
                Ok(bytes) => {
                    assert_eq!(n % 3, 0);
                    assert_eq!(nla::messages(bytes).count(), 1, "the acknowledgement is stripped");
                }
                Err(error) => {
                    assert_ne!(n % 3, 0);
                    assert_eq!(error.raw_os_error(), Some(libc::ENODEV));
                }
            }
        }
    }

    #[test]
    fn a_dump_ends() {
        let request = nla::Builder::new(libc::RTM_GETLINK, nla::REQUEST | nla::DUMP, &[0; 16]).finish();
        let answer = ThisHost.netlink(libc::NETLINK_ROUTE, &request).expect("links");
        assert!(nla::messages(&answer).all(|message| message.is_ok_and(|message| message.kind == libc::RTM_NEWLINK)));
    }

    #[test]
    fn odd_requests_and_families_are_errors() {
        assert_eq!(ThisHost.netlink(libc::NETLINK_ROUTE, &[1, 2]).expect_err("too short").kind(), io::ErrorKind::InvalidInput);
        assert!(ThisHost.netlink(9999, &get_link(1)).is_err());
        assert_eq!(ThisHost.read("/dev/zero").expect_err("a device").kind(), io::ErrorKind::InvalidData);
        assert_eq!(ThisHost.read("/").expect_err("a directory").kind(), io::ErrorKind::InvalidData);
    }
}

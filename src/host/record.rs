//! Writes what a host said into a tree, as it says it: `collect --record DIR`.

use super::{DriverInfo, HASHED_ID, Host, TAKEN, answer_file};
use pathvet_checks::wire::nla;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Files whose content identifies the machine or is secret; they are passed on and never written.
const PRIVATE: [&str; 3] = [super::MACHINE_ID, "/var/lib/dbus/machine-id", "/sys/class/dmi/id/"];

/// Passes every question on to another host and keeps the answers under a directory that [`super::Tree`] can open.
///
/// The machine id is kept as its salted hash alone. Link-layer and IP addresses are kept: the findings are about them.
pub struct Recorder<'a> {
    host: &'a dyn Host,
    root: PathBuf,
    fault: Mutex<Option<io::Error>>,
}

impl<'a> Recorder<'a> {
    /// Records into `root`, which is made if it is missing and must be empty.
    ///
    /// # Errors
    ///
    /// The system's; [`io::ErrorKind::DirectoryNotEmpty`] where something is there already, since a mixture of two
    /// recordings would be neither.
    pub fn new(host: &'a dyn Host, root: &Path, now: jiff::Timestamp) -> io::Result<Self> {
        std::fs::create_dir_all(root)?;
        if std::fs::read_dir(root)?.next().is_some() {
            return Err(io::Error::new(io::ErrorKind::DirectoryNotEmpty, "the directory is not empty"));
        }
        let recorder = Self { host, root: root.to_owned(), fault: Mutex::new(None) };
        let taken = host.taken().unwrap_or(now);
        recorder.write(TAKEN, format!("{taken}\n").as_bytes())?;
        Ok(recorder)
    }

    /// Ends the recording.
    ///
    /// # Errors
    ///
    /// The first error that writing met; the tree is then incomplete.
    pub fn finish(self) -> io::Result<()> {
        let fault = self.fault.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        fault.map_or(Ok(()), Err)
    }

    fn keep(&self, path: &str, bytes: &[u8]) {
        if PRIVATE.iter().any(|private| path.starts_with(private)) {
            return;
        }
        self.note(self.write(path, bytes));
    }

    fn note(&self, result: io::Result<()>) {
        if let Err(error) = result {
            let mut fault = self.fault.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            fault.get_or_insert(error);
        }
    }

    /// The place of `path` in the tree, with its directories made. A link that was recorded is never walked through: it may
    /// point anywhere.
    fn place(&self, path: &str) -> io::Result<PathBuf> {
        let mut place = self.root.clone();
        let mut parts = path.split('/').filter(|part| !part.is_empty()).peekable();
        while let Some(part) = parts.next() {
            if part == ".." {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{path} cannot be recorded")));
            }
            place.push(part);
            if parts.peek().is_some() {
                // An entry of a list that turns out to be a folder stands there as an empty file.
                if std::fs::symlink_metadata(&place).is_ok_and(|found| found.is_file() && found.len() == 0) {
                    std::fs::remove_file(&place)?;
                }
                match std::fs::create_dir(&place) {
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                    _ if std::fs::symlink_metadata(&place)?.is_dir() => {}
                    _ => return Err(io::Error::new(io::ErrorKind::NotADirectory, format!("{path} lies behind a recorded link"))),
                }
            }
        }
        Ok(place)
    }

    fn write(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        std::fs::write(self.place(path)?, bytes)
    }

    fn keep_answer(&self, family: i32, request: &[u8], answer: &io::Result<Vec<u8>>) {
        let bytes = match answer {
            Ok(bytes) => anonymous(bytes),
            Err(error) => match error.raw_os_error() {
                Some(errno) => refusal(errno),
                None => return,
            },
        };
        self.keep(&answer_file(family, request), &bytes);
    }
}

/// The same messages with sequence numbers and port ids of 0, so that two recordings of one state are equal.
fn anonymous(answer: &[u8]) -> Vec<u8> {
    let mut bytes = answer.to_vec();
    let mut start = 0;
    for message in nla::messages(answer).map_while(Result::ok) {
        bytes[start + 8..start + nla::HEADER].fill(0);
        start += message.bytes.len().next_multiple_of(4);
    }
    bytes
}

/// An `NLMSG_ERROR`.
fn refusal(errno: i32) -> Vec<u8> {
    let mut body = [0; 20];
    body[..4].copy_from_slice(&errno.wrapping_neg().to_ne_bytes());
    nla::Builder::new(nla::ERROR, 0, &body).finish()
}

impl Host for Recorder<'_> {
    fn origin(&self) -> &'static str {
        self.host.origin()
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let bytes = self.host.read(path)?;
        self.keep(path, &bytes);
        Ok(bytes)
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let names = self.host.list(path)?;
        for name in &names {
            // The entry stands there as an empty file until more of it is asked for.
            let place = self.place(&format!("{path}/{name}"));
            let made = place.and_then(|place| std::fs::File::options().append(true).create(true).open(place)).map(|_| ());
            let made = made.or_else(|error| if error.kind() == io::ErrorKind::IsADirectory { Ok(()) } else { Err(error) });
            self.note(made);
        }
        Ok(names)
    }

    fn link(&self, path: &str) -> io::Result<String> {
        let target = self.host.link(path)?;
        let made = self.place(path).and_then(|place| match std::os::unix::fs::symlink(&target, &place) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if std::fs::symlink_metadata(&place)?.is_file() {
                    std::fs::remove_file(&place)?;
                    std::os::unix::fs::symlink(&target, place)?;
                }
                Ok(())
            }
            other => other,
        });
        self.note(made);
        Ok(target)
    }

    fn netlink(&self, family: i32, request: &[u8]) -> io::Result<Vec<u8>> {
        let answer = self.host.netlink(family, request);
        self.keep_answer(family, request, &answer);
        answer
    }

    fn netlink_many(&self, family: i32, requests: &[Vec<u8>]) -> Vec<io::Result<Vec<u8>>> {
        let answers = self.host.netlink_many(family, requests);
        for (request, answer) in requests.iter().zip(&answers) {
            self.keep_answer(family, request, answer);
        }
        answers
    }

    fn machine_id(&self) -> io::Result<String> {
        let hash = self.host.machine_id()?;
        self.keep(HASHED_ID, format!("{hash}\n").as_bytes());
        Ok(hash)
    }

    fn driver(&self, ifname: &str) -> io::Result<DriverInfo> {
        let info = self.host.driver(ifname)?;
        self.keep(&format!("/ethtool/{ifname}"), info.to_lines().as_bytes());
        Ok(info)
    }

    fn taken(&self) -> Option<jiff::Timestamp> {
        self.host.taken()
    }

    fn live(&self) -> bool {
        self.host.live()
    }
}

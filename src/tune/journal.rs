//! What an apply is about to change, and how it was before. It is written before anything else, and is all that revert needs.

use super::{TuneError, disk};
use crate::error::{InputError, Lines, OutputError, Problem};
use crate::host::Host;
use jiff::Timestamp;
use pathvet_checks::parse::sysctl;
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Where the journals are.
pub const FOLDER: &str = "/var/lib/pathvet";
/// Where the files are that set values at boot.
pub const SYSCTL_D: &str = "/etc/sysctl.d";
/// Where running values are.
pub const PROC: &str = "/proc/sys";
/// The schema of a journal.
const SCHEMA: &str = "pathvet.journal/1";
/// Most journals that are read.
const MOST: usize = 10_000;

/// One apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    /// Always `pathvet.journal/1`.
    pub schema: String,
    /// Its number; a later apply has a larger one.
    pub id: u32,
    /// Name of the baseline.
    pub baseline: String,
    /// When it began.
    pub started: Timestamp,
    /// `/proc/sys/kernel/random/boot_id`.
    #[serde(default)]
    pub boot: Option<String>,
    /// The network namespace (`/proc/self/ns/net`), which is meaningful within one boot.
    #[serde(default)]
    pub namespace: Option<String>,
    /// The file that is written, if one is.
    #[serde(default)]
    pub file: Option<FileChange>,
    /// The running values that are set, in their order.
    #[serde(default)]
    pub values: Vec<ValueChange>,
}

/// `/etc/sysctl.d/90-pathvet-NAME.conf` before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileChange {
    /// Whether its folder was missing.
    #[serde(default)]
    pub folder_made: bool,
    /// As it was; nothing = there was none.
    pub old: Option<OldFile>,
    /// What is written; nothing = the file is removed.
    pub new: Option<String>,
}

/// A file as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OldFile {
    /// All of it.
    pub text: String,
    /// Permission bits.
    pub mode: u32,
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// One running value before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueChange {
    /// In dots, as `sysctl` prints it.
    pub key: String,
    /// As it was, to the byte.
    pub old: String,
    /// What is written.
    pub new: String,
}

impl ValueChange {
    /// Its file below `/proc/sys`.
    #[must_use]
    pub fn place(&self) -> PathBuf {
        Path::new(PROC).join(sysctl::path(&self.key))
    }
}

/// How far an apply has come; the name of the journal says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It was begun. Where no pathvet is at work, something ended it in the middle.
    Started,
    /// It is complete.
    Applied,
}

impl State {
    const fn word(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Applied => "applied",
        }
    }
}

/// A journal that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// How far it has come.
    pub state: State,
    /// What it holds.
    pub journal: Journal,
}

impl Journal {
    /// An empty one.
    #[must_use]
    pub fn new(id: u32, baseline: &str, started: Timestamp) -> Self {
        Self {
            schema: SCHEMA.into(),
            id,
            baseline: baseline.into(),
            started,
            boot: None,
            namespace: None,
            file: None,
            values: Vec::new(),
        }
    }

    /// Reads one.
    ///
    /// # Errors
    /// Not a journal, or one that names something that pathvet never writes to.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Self, InputError> {
        let journal: Self = serde_json::from_slice(bytes).map_err(|error| {
            let text = String::from_utf8_lossy(bytes);
            let lines = Lines::of(&text);
            let at = lines.offset(error.line(), error.column());
            let message = error.to_string();
            let message = message.split(" at line ").next().unwrap_or_default();
            InputError::from(Problem::new(name, format!("not a journal: {message}")).at(lines.place(&text, &(at..at + 1))))
        })?;
        let wrong = |message: String| Err(InputError::one(name, message));
        if journal.schema != SCHEMA {
            return wrong(format!("its schema is `{}`, expected `{SCHEMA}`", journal.schema));
        }
        if !is_file_word(&journal.baseline) {
            return wrong(format!("`{}` is no name of a baseline", journal.baseline));
        }
        if let Some(odd) = journal.values.iter().find(|value| !sysctl::is_lawful(&sysctl::path(&value.key))) {
            return wrong(format!("`{}` is no kernel setting", odd.key));
        }
        Ok(journal)
    }

    /// The file of its baseline.
    #[must_use]
    pub fn file_place(&self) -> PathBuf {
        file_of(&self.baseline)
    }

    /// The name under which that file is written first; no program reads it at boot.
    #[must_use]
    pub fn file_draft(&self) -> PathBuf {
        Path::new(SYSCTL_D).join(format!(".90-pathvet-{}.conf.new", self.baseline))
    }
}

/// The file that holds a baseline's values.
#[must_use]
pub fn file_of(baseline: &str) -> PathBuf {
    Path::new(SYSCTL_D).join(format!("90-pathvet-{baseline}.conf"))
}

/// Whether a baseline's name can be part of a file's.
#[must_use]
pub fn is_file_word(name: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    name.len() <= 64 && name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(good)
}

/// Why the journals of a host are not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListError {
    /// They may not be read; in words.
    Unreadable(String),
    /// One of them is no journal.
    Broken(InputError),
}

/// The journals of a host, in the order of their numbers. None where there is no folder.
///
/// # Errors
/// What may not be read, or is no journal.
pub fn list(host: &dyn Host) -> Result<Vec<Entry>, ListError> {
    let unreadable = |place: &str, error: &io::Error| {
        let right = if error.kind() == io::ErrorKind::PermissionDenied { "; it takes root" } else { "" };
        ListError::Unreadable(format!("{place} cannot be read: {error}{right}"))
    };
    let names = match host.list(FOLDER) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(FOLDER, &error)),
    };
    let mut entries = Vec::new();
    for name in names.iter().take(MOST) {
        let Some((id, state)) = parse_name(name) else { continue };
        let place = format!("{FOLDER}/{name}");
        let bytes = host.read(&place).map_err(|error| unreadable(&place, &error))?;
        let journal = Journal::parse(&place, &bytes).map_err(ListError::Broken)?;
        if journal.id != id {
            return Err(ListError::Broken(InputError::one(&place, format!("it says that it is number {}", journal.id))));
        }
        entries.push(Entry { state, journal });
    }
    entries.sort_by_key(|entry| entry.journal.id);
    Ok(entries)
}

fn file_name(id: u32, state: State) -> String {
    format!("{id:06}.{}.json", state.word())
}

fn parse_name(name: &str) -> Option<(u32, State)> {
    let (id, rest) = name.split_once('.')?;
    let state = [State::Started, State::Applied].into_iter().find(|state| rest.strip_suffix(".json") == Some(state.word()))?;
    let id = id.parse().ok()?;
    (file_name(id, state) == name).then_some((id, state))
}

/// The folder of journals, locked for this process. The lock goes with the process, however that ends.
#[derive(Debug)]
pub struct Store {
    _lock: File,
}

impl Store {
    /// Locks the folder, and makes it where it is missing.
    ///
    /// # Errors
    /// It cannot be made or opened, or another process holds the lock.
    pub fn open() -> Result<Self, TuneError> {
        let folder = Path::new(FOLDER);
        disk::make_folder(folder, 0o700)?;
        let lock = File::open(folder).map_err(|error| OutputError::new("open", folder, error))?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { _lock: lock }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(TuneError::Busy),
            Err(error) => Err(OutputError::new("lock", folder, error.into()).into()),
        }
    }

    /// Writes a new journal; when this returns, it survives a power cut.
    ///
    /// # Errors
    /// It could not be written; nothing of it is left.
    pub fn begin(&self, journal: &Journal) -> Result<(), OutputError> {
        let place = self.place(journal.id, State::Started);
        let text = serde_json::to_vec_pretty(journal).map_err(|error| OutputError::new("write", &place, error.into()))?;
        disk::replace(&place, &Self::draft(journal.id), &text, disk::Owner { mode: 0o600, ids: None })
    }

    /// Marks a journal as complete.
    ///
    /// # Errors
    /// It could not be renamed.
    pub fn complete(&self, id: u32) -> Result<(), OutputError> {
        disk::rename(&self.place(id, State::Started), &self.place(id, State::Applied))
    }

    /// Removes a journal, and drafts of journals that were never begun.
    ///
    /// # Errors
    /// It could not be removed.
    pub fn forget(&self, id: u32) -> Result<(), OutputError> {
        for place in [Self::draft(id), self.place(id, State::Started), self.place(id, State::Applied)] {
            disk::remove(&place).map_err(|error| OutputError::new("remove", &place, error))?;
        }
        disk::sync_folder_of(&Self::draft(id))
    }

    /// Removes what was begun and never became a journal: nothing else was written then.
    ///
    /// # Errors
    /// It could not be removed.
    pub fn tidy(&self, host: &dyn Host) -> Result<(), OutputError> {
        for name in host.list(FOLDER).unwrap_or_default() {
            if name.strip_suffix(".draft").is_some_and(|id| id.parse::<u32>().is_ok()) {
                let place = Path::new(FOLDER).join(name);
                disk::remove(&place).map_err(|error| OutputError::new("remove", &place, error))?;
            }
        }
        Ok(())
    }

    #[expect(clippy::unused_self, reason = "a place is asked for by whom holds the lock")]
    fn place(&self, id: u32, state: State) -> PathBuf {
        Path::new(FOLDER).join(file_name(id, state))
    }

    fn draft(id: u32) -> PathBuf {
        Path::new(FOLDER).join(format!("{id:06}.draft"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_number_and_state() {
        assert_eq!(parse_name("000012.applied.json"), Some((12, State::Applied)));
        assert_eq!(parse_name("000012.started.json"), Some((12, State::Started)));
        for odd in ["12.applied.json", "000012.draft", "lock", "000012.applied.json.bak", "+00012.applied.json"] {
            assert_eq!(parse_name(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_journal_that_leads_elsewhere_is_refused() {
        let mut journal = Journal::new(1, "site", Timestamp::UNIX_EPOCH);
        let read = |journal: &Journal| Journal::parse("j", &serde_json::to_vec(journal).expect("JSON"));
        assert_eq!(read(&journal).as_ref(), Ok(&journal));
        journal.values.push(ValueChange { key: "net.//.//.etc.passwd".into(), old: "x".into(), new: "y".into() });
        assert!(read(&journal).expect_err("it leads out").to_string().contains("is no kernel setting"));
        journal.values.clear();
        journal.baseline = "../../x".into();
        assert!(read(&journal).is_err());
        assert!(Journal::parse("j", b"{\n  \"schema\": 1").expect_err("cut off").to_string().contains("j:2:"));
    }
}

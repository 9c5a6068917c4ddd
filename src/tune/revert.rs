//! Takes an apply back from its journal, whatever ended it, and as often as it takes.

use super::journal::{Entry, FileChange, Journal, OldFile, PROC, State, Store, ValueChange};
use super::plan::{boot, namespace, old_file};
use super::{TuneError, disk};
use crate::error::OutputError;
use crate::host::Host;
use pathvet_checks::parse::sysctl;
use std::io;
use std::path::Path;

/// What became of something that an apply changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Now {
    /// As it was before.
    Before,
    /// As the apply left it, or half written by it.
    Applied,
    /// Somebody changed it since; what it is now.
    Changed(String),
    /// It is gone: its interface or module left.
    Gone,
}

/// What a revert finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undo {
    /// The journal.
    pub entry: Entry,
    /// What became of the file, where the apply wrote one.
    pub file: Option<Now>,
    /// What became of each running value, in the order of the journal.
    pub values: Vec<Now>,
}

impl Undo {
    /// Looks at everything that the apply of `entry` changed.
    ///
    /// # Errors
    /// A value that cannot be read.
    pub fn look(host: &dyn Host, entry: Entry) -> Result<Self, OutputError> {
        let file = entry.journal.file.as_ref().map(|file| file_now(host, &entry.journal, file));
        let values = entry.journal.values.iter().map(|value| value_now(host, value)).collect::<Result<_, _>>()?;
        Ok(Self { entry, file, values })
    }

    /// How many things somebody changed since.
    #[must_use]
    pub fn changed(&self) -> usize {
        self.values.iter().chain(&self.file).filter(|now| matches!(now, Now::Changed(_))).count()
    }

    /// How many things the revert has to do.
    #[must_use]
    pub fn applied(&self) -> usize {
        self.values.iter().chain(&self.file).filter(|now| **now == Now::Applied).count()
    }

    /// What stands against it: a later apply of the same things, or another network namespace.
    #[must_use]
    pub fn refusals(&self, host: &dyn Host, all: &[Entry]) -> Vec<String> {
        let journal = &self.entry.journal;
        let mut refusals = Vec::new();
        for later in all.iter().map(|entry| &entry.journal).filter(|later| later.id > journal.id) {
            let shared = later.values.iter().find(|value| journal.values.iter().any(|own| own.key == value.key));
            let what = match shared {
                Some(value) => value.key.clone(),
                None if later.file.is_some() && journal.file.is_some() && later.baseline == journal.baseline => {
                    later.file_place().display().to_string()
                }
                None => continue,
            };
            refusals.push(format!(
                "{what}: {} (number {}) was applied after {} (number {}) and changed it, too: revert {} first",
                later.baseline, later.id, journal.baseline, journal.id, later.id
            ));
        }
        let elsewhere = |known: &Option<String>, now: Option<String>| known.is_some() && now.is_some() && *known != now;
        let same_boot = journal.boot.is_some() && journal.boot == boot(host);
        let of_network = journal.values.iter().any(|value| value.key.starts_with("net."));
        if same_boot && of_network && elsewhere(&journal.namespace, namespace(host)) {
            refusals.push(format!(
                "{} (number {}) was applied in another network namespace ({}): revert it there",
                journal.baseline,
                journal.id,
                journal.namespace.as_deref().unwrap_or_default()
            ));
        }
        refusals
    }

    /// Takes it back. What somebody changed is left as it is, unless `force`; the journal is kept then.
    ///
    /// # Errors
    /// What could not be written; the journal is kept.
    pub fn perform(&self, store: &Store, force: bool) -> Result<(), TuneError> {
        let journal = &self.entry.journal;
        let wanted = |now: &Now| *now == Now::Applied || (force && matches!(now, Now::Changed(_)));
        for (value, now) in journal.values.iter().zip(&self.values).rev() {
            if wanted(now) {
                disk::set_value(&value.place(), &value.old)?;
            }
        }
        if let (Some(file), Some(now)) = (&journal.file, &self.file) {
            disk::remove(&journal.file_draft()).map_err(|error| OutputError::new("remove", &journal.file_draft(), error))?;
            if wanted(now) {
                restore_file(journal, file)?;
            }
        }
        if force || self.changed() == 0 {
            store.forget(journal.id)?;
        }
        Ok(())
    }
}

/// Takes back what this process itself has just done: the file, and the first `attempted` values, whatever they read now.
pub(super) fn roll_back(journal: &Journal, attempted: usize) -> Result<(), OutputError> {
    let mut failed = None;
    for value in journal.values.iter().take(attempted).rev() {
        // One that cannot be set back must not keep the others from it.
        if let Err(error) = disk::set_value(&value.place(), &value.old) {
            failed.get_or_insert(error);
        }
    }
    if let Some(file) = &journal.file {
        restore_file(journal, file)?;
    }
    failed.map_or(Ok(()), Err)
}

/// The file as it was before; also ends what a revert began that did not come to its end.
fn restore_file(journal: &Journal, file: &FileChange) -> Result<(), OutputError> {
    let (place, draft) = (journal.file_place(), journal.file_draft());
    let folder = place.parent().unwrap_or(Path::new("/"));
    let gone = |place: &Path| disk::remove(place).map_err(|error| OutputError::new("remove", place, error));
    match &file.old {
        Some(OldFile { text, mode, uid, gid }) => {
            disk::make_folder(folder, 0o755)?;
            disk::replace(&place, &draft, text.as_bytes(), disk::Owner { mode: *mode, ids: Some((*uid, *gid)) })?;
        }
        None if folder.is_dir() => {
            gone(&draft)?;
            gone(&place)?;
            disk::sync_folder_of(&place)?;
        }
        None => {}
    }
    if file.folder_made && file.old.is_none() {
        match std::fs::remove_dir(folder) {
            // Somebody put something there since: it is theirs now.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty) => {}
            Err(error) => return Err(OutputError::new("remove", folder, error)),
            Ok(()) => disk::sync_folder_of(folder)?,
        }
    }
    Ok(())
}

fn value_now(host: &dyn Host, value: &ValueChange) -> Result<Now, OutputError> {
    let path = format!("{PROC}/{}", sysctl::path(&value.key));
    let text = match host.read(&path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(Now::Gone),
        Err(error) => return Err(OutputError::new("read", Path::new(&path), error)),
    };
    let now = sysctl::normal(&text);
    Ok(match now {
        _ if text == value.old => Now::Before,
        // Nothing at all is nobody's wish: it was opened and not yet written.
        now if now.is_empty() || now == sysctl::normal(&value.new) || now == sysctl::normal(&value.old) => Now::Applied,
        now => Now::Changed(now),
    })
}

fn file_now(host: &dyn Host, journal: &Journal, file: &FileChange) -> Now {
    let place = journal.file_place();
    let now = match old_file(&place) {
        Ok(now) => now,
        Err(why) => return Now::Changed(why),
    };
    if now == file.old {
        // Half of it may stand there: the draft, or the folder that was made for it.
        let draft = host.read(&journal.file_draft().to_string_lossy()).is_ok();
        let folder = file.folder_made && file.old.is_none() && place.parent().is_some_and(Path::is_dir);
        return if draft || folder { Now::Applied } else { Now::Before };
    }
    match now {
        now if now.as_ref().map(|now| now.text.as_str()) == file.new.as_deref() => Now::Applied,
        None => Now::Changed("removed".into()),
        Some(_) => Now::Changed("edited".into()),
    }
}

/// The journal to take back: that of `id`, or the latest.
#[must_use]
pub fn choose(all: &[Entry], id: Option<u32>) -> Option<&Entry> {
    match id {
        Some(id) => all.iter().find(|entry| entry.journal.id == id),
        None => all.last(),
    }
}

/// Whether an apply was ended in the middle; nothing may be applied before it is taken back.
#[must_use]
pub fn unfinished(all: &[Entry]) -> Option<&Entry> {
    all.iter().find(|entry| entry.state == State::Started)
}

//! Files that are there whole or not at all, also after a power cut.

use crate::error::OutputError;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::Path;

/// Who may do what with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// Permission bits.
    pub mode: u32,
    /// User and group; `None` = whoever writes.
    pub ids: Option<(u32, u32)>,
}

/// Writes `place` by way of `draft`, a name in the same folder: text, `fsync`, rename, `fsync` of the folder.
///
/// # Errors
/// The first step that failed; the draft is gone then.
pub fn replace(place: &Path, draft: &Path, text: &[u8], owner: Owner) -> Result<(), OutputError> {
    let written = write_draft(draft, text, owner).map_err(|error| OutputError::new("write", draft, error));
    let renamed = written.and_then(|()| fs::rename(draft, place).map_err(|error| OutputError::new("write", place, error)));
    if renamed.is_err() {
        // Where even that fails, revert finds it by its name.
        drop(fs::remove_file(draft));
    }
    renamed.and_then(|()| sync_folder_of(place))
}

fn write_draft(draft: &Path, text: &[u8], owner: Owner) -> io::Result<()> {
    remove(draft)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(owner.mode).open(draft)?;
    file.write_all(text)?;
    // The umask has taken bits away.
    file.set_permissions(Permissions::from_mode(owner.mode))?;
    if let Some((user, group)) = owner.ids {
        let found = file.metadata()?;
        if (found.uid(), found.gid()) != (user, group) {
            fchown(&file, Some(user), Some(group))?;
        }
    }
    file.sync_all()
}

/// Removes a file; one that is not there is no error.
///
/// # Errors
/// The system's.
pub fn remove(place: &Path) -> io::Result<()> {
    match fs::remove_file(place) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Gives a file another name in the same folder, for good.
///
/// # Errors
/// The system's.
pub fn rename(from: &Path, to: &Path) -> Result<(), OutputError> {
    fs::rename(from, to).map_err(|error| OutputError::new("rename", from, error))?;
    sync_folder_of(to)
}

/// Makes a folder and those above it that are missing, for good; says which were missing, the outermost first.
///
/// # Errors
/// The system's.
pub fn make_folder(place: &Path, mode: u32) -> Result<(), OutputError> {
    if place.is_dir() {
        return Ok(());
    }
    if let Some(above) = place.parent() {
        make_folder(above, 0o755)?;
    }
    DirBuilder::new().mode(mode).create(place).map_err(|error| OutputError::new("create", place, error))?;
    sync_folder_of(place)
}

/// `fsync` of the folder that holds `place`: what was renamed, made or removed in it stays so.
///
/// # Errors
/// The system's.
pub fn sync_folder_of(place: &Path) -> Result<(), OutputError> {
    let folder = place.parent().unwrap_or(Path::new("/"));
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    match synced {
        // Some file systems have nothing to do there (fsync(2)).
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(()),
        other => other.map_err(|error| OutputError::new("sync", folder, error)),
    }
}

/// Writes one kernel setting, in one call as the kernel wants it; a setting that does not exist is not made.
///
/// # Errors
/// The system's: `EINVAL` for a value that the kernel refuses.
pub fn set_value(place: &Path, text: &str) -> Result<(), OutputError> {
    let set = OpenOptions::new().write(true).truncate(true).open(place).and_then(|mut file| file.write_all(text.as_bytes()));
    set.map_err(|error| OutputError::new("write", place, error))
}

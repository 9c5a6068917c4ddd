//! Applies a baseline of kernel settings and takes it back: the only code that writes to the system.
//!
//! An apply has one order, and every step of it is on the disk before the next one begins:
//!
//! 1. the journal (`/var/lib/pathvet`), which holds all that is needed to go back: old values, old file;
//! 2. the file `/etc/sysctl.d/90-pathvet-NAME.conf`, and a look at which file wins now;
//! 3. the running values, each read back;
//! 4. the journal's new name, which says that the apply is complete.
//!
//! So whatever ends it, and whenever, [`revert`] needs the journal alone. Nothing here starts a thread.

pub mod apply;
pub mod disk;
pub mod journal;
pub mod plan;
pub mod revert;
pub mod standing;

use crate::error::OutputError;

/// Why nothing was changed, or why a change was taken back or stopped.
#[derive(Debug, thiserror::Error)]
pub enum TuneError {
    /// Another process holds the lock.
    #[error("another pathvet is at work on this host's settings (it holds the lock on {})", journal::FOLDER)]
    Busy,
    /// The world as it is does not allow it; nothing was written. One line each.
    #[error("{}", .0.join("\n"))]
    Refused(Vec<String>),
    /// It could not be written, and nothing was changed.
    #[error(transparent)]
    Write(#[from] OutputError),
    /// A step failed, and all that was done before is taken back.
    #[error("{why}; everything is as it was before")]
    RolledBack {
        /// What failed.
        why: Box<Step>,
    },
    /// A step failed, and going back failed as well.
    #[error("{why}; and going back failed: {again}. `pathvet tune revert {id}` tries it again")]
    Stuck {
        /// What failed.
        why: Box<Step>,
        /// What failed on the way back.
        again: Box<OutputError>,
        /// The journal's number.
        id: u32,
    },
    /// A journal that cannot be read.
    #[error(transparent)]
    Journal(#[from] crate::error::InputError),
}

/// The step of an apply that failed.
#[derive(Debug, thiserror::Error)]
pub enum Step {
    /// A file or a value could not be written.
    #[error(transparent)]
    Write(#[from] OutputError),
    /// The kernel took a value and has another one.
    #[error("{key} was set to `{wanted}` and reads `{found}`")]
    ReadBack {
        /// The key.
        key: String,
        /// What was written.
        wanted: String,
        /// What it reads.
        found: String,
    },
    /// Another file decides over a key after all.
    #[error("{0}")]
    Beaten(String),
    /// A signal.
    #[error("ended by signal {0}")]
    Signal(i32),
}

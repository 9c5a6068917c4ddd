//! Carries an apply out, step by step, or takes all of it back.

use super::journal::{Journal, PROC, Store};
use super::plan::{Plan, beaten};
use super::{Step, TuneError, disk, revert};
use crate::collect::SysctlFiles;
use crate::error::OutputError;
use crate::host::Host;
use crate::sys::signal;
use pathvet_checks::parse::sysctl;
use std::path::Path;

/// Applies `plan`, whose journal is `journal`. A signal that [`signal::catch`] holds ends it as a failure does.
///
/// # Errors
/// The step that failed; all is as before then, but for [`TuneError::Stuck`].
pub fn perform(host: &dyn Host, store: &Store, plan: &Plan, journal: &Journal) -> Result<(), TuneError> {
    if let Err(error) = store.begin(journal) {
        // Nothing else has happened yet, so nothing of it is needed.
        drop(store.forget(journal.id));
        return Err(error.into());
    }
    let mut attempted = 0;
    let carried = carry_out(host, plan, journal, &mut attempted).and_then(|()| Ok(store.complete(journal.id)?));
    let Err(why) = carried else { return Ok(()) };
    let why = Box::new(why);
    match revert::roll_back(journal, attempted).and_then(|()| store.forget(journal.id)) {
        Ok(()) => Err(TuneError::RolledBack { why }),
        Err(again) => Err(TuneError::Stuck { why, again: Box::new(again), id: journal.id }),
    }
}

fn carry_out(host: &dyn Host, plan: &Plan, journal: &Journal, attempted: &mut usize) -> Result<(), Step> {
    if let Some(file) = &journal.file {
        let place = journal.file_place();
        if let Some(text) = &file.new {
            disk::make_folder(place.parent().unwrap_or(Path::new("/")), 0o755)?;
            disk::replace(&place, &journal.file_draft(), text.as_bytes(), disk::Owner { mode: 0o644, ids: None })?;
        } else {
            disk::remove(&place).map_err(|error| OutputError::new("remove", &place, error))?;
            disk::sync_folder_of(&place)?;
        }
        // Somebody may have written a file since the plan was made.
        let files = SysctlFiles::read(host, &mut Vec::new());
        if let Some(why) = plan.items.iter().find_map(|item| beaten(&files, &item.setting)) {
            return Err(Step::Beaten(why));
        }
    }
    for value in &journal.values {
        if let Some(signal) = signal::caught() {
            return Err(Step::Signal(signal));
        }
        *attempted += 1;
        disk::set_value(&value.place(), &format!("{}\n", value.new))?;
        let path = format!("{PROC}/{}", sysctl::path(&value.key));
        let found = host.read(&path).map_err(|error| OutputError::new("read", Path::new(&path), error))?;
        let found = sysctl::normal(&String::from_utf8_lossy(&found));
        if !pathvet_checks::baseline::Rule::Equal(value.new.clone()).holds(&found) {
            return Err(Step::ReadBack { key: value.key.clone(), wanted: value.new.clone(), found });
        }
    }
    Ok(())
}

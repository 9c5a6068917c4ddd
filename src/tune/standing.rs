//! Whether what was applied still holds.

use super::journal::{Entry, PROC, State};
use crate::collect::SysctlFiles;
use crate::host::Host;
use pathvet_checks::baseline::Rule;
use pathvet_checks::parse::sysctl;
use pathvet_checks::report::Outcome;
use pathvet_checks::tune::Applied;

/// One apply, held against the host as it is now.
#[must_use]
pub fn standing(host: &dyn Host, entry: &Entry) -> Applied {
    let journal = &entry.journal;
    let mut changed = Vec::new();
    let mut unread = 0;
    for value in &journal.values {
        match host.read(&format!("{PROC}/{}", sysctl::path(&value.key))) {
            Ok(now) => {
                let now = sysctl::normal(&String::from_utf8_lossy(&now));
                if !Rule::Equal(value.new.clone()).holds(&now) {
                    changed.push(format!("{} was set to `{}` and is `{now}`", value.key, value.new));
                }
            }
            Err(error) => {
                unread += 1;
                changed.push(format!("{} was set to `{}` and cannot be read: {error}", value.key, value.new));
            }
        }
    }
    if let Some(file) = &journal.file {
        let place = journal.file_place();
        let now = host.read(&place.to_string_lossy()).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        match (&now, &file.new) {
            (None, Some(_)) => changed.push(format!("{} was removed", place.display())),
            (now, new) if now != new => changed.push(format!("{} was edited", place.display())),
            _ => {}
        }
        let files = SysctlFiles::read(host, &mut Vec::new());
        for line in sysctl::parse(file.new.as_deref().unwrap_or_default()) {
            let found = files.decide(&line.path);
            let wanted = sysctl::normal(line.value.as_deref().unwrap_or_default());
            if let (Some(winner), true) = (&found.winner, found.persisted.as_ref() != Some(&wanted)) {
                changed.push(format!(
                    "{} will be `{}` after the next boot: {}:{} wins",
                    sysctl::key(&line.path),
                    found.persisted.as_deref().unwrap_or_default(),
                    winner.file,
                    winner.line
                ));
            }
        }
    }
    let total = journal.values.len() + usize::from(journal.file.is_some());
    let (outcome, summary) = match entry.state {
        State::Started => (Outcome::Fail, format!("not complete: `pathvet tune revert {}` takes it back", journal.id)),
        State::Applied if changed.is_empty() => (Outcome::Pass, format!("holds, {total} of {total}")),
        State::Applied if unread > 0 && unread == changed.len() => {
            (Outcome::Unknown, format!("{unread} of {total} cannot be read"))
        }
        State::Applied => (Outcome::Warn, format!("{} changed since", changed.len())),
    };
    Applied { id: journal.id, baseline: journal.baseline.clone(), at: journal.started, outcome, summary, changed }
}

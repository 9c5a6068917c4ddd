//! What an apply would change, and everything that stands against it. Reads, and writes nothing.

use super::journal::{self, FileChange, Journal, OldFile, PROC, SYSCTL_D, ValueChange};
use crate::collect::SysctlFiles;
use crate::host::Host;
use jiff::Timestamp;
use pathvet_checks::baseline::{Baseline, Machine, Risk, Rule, Setting, lint, never_built_in};
use pathvet_checks::evidence::{Gap, Sysctl};
use pathvet_checks::parse::sysctl;
use rustix::fs::Access;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// What the user asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// Set running values.
    pub running: bool,
    /// Write the file for the next boot.
    pub persist: bool,
    /// These keys alone; none = all.
    pub only: Vec<String>,
    /// Keys whose risk is accepted.
    pub accepted: Vec<String>,
}

/// One setting of the baseline on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What is wanted.
    pub setting: Setting,
    /// The value now, as the file in `/proc/sys` has it.
    pub running: Option<String>,
    /// Who would decide at boot without the file of this baseline.
    pub without: Sysctl,
    /// The value to set now.
    pub set: Option<String>,
    /// The value for the file.
    pub line: Option<String>,
}

/// An apply, thought through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Name of the baseline.
    pub baseline: String,
    /// Its settings, those that were asked for.
    pub items: Vec<Item>,
    /// The file, where it changes.
    pub file: Option<FileChange>,
    /// What stands against it, one line each.
    pub refusals: Vec<String>,
    /// Harmful values that are written because they were accepted.
    pub accepted: Vec<Risk>,
}

impl Plan {
    /// Thinks an apply through.
    #[must_use]
    pub fn new(host: &dyn Host, baseline: &Baseline, wish: &Wish, machine: &Machine) -> Self {
        let mut refusals = Vec::new();
        let mut gaps = Vec::new();
        let place = journal::file_of(&baseline.name);
        let place = place.to_string_lossy();
        let bare = SysctlFiles::read_with(host, &mut gaps, Some((&place, None)));
        let chosen = |key: &str| wish.only.is_empty() || wish.only.iter().any(|only| only == key);
        let mut items: Vec<Item> = baseline
            .values
            .iter()
            .filter(|setting| chosen(&setting.key))
            .map(|setting| item(host, &bare, setting, wish, &mut refusals))
            .collect();
        let mut file = None;
        if wish.persist {
            file = file_change(&baseline.name, &items, wish, &mut refusals);
            refusals.extend(gaps.iter().map(unreadable));
            let now = || host.read(&place).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            let text = file.as_ref().map_or_else(now, |file| file.new.clone());
            let files = SysctlFiles::read_with(host, &mut Vec::new(), Some((&place, text.as_deref())));
            refusals.extend(items.iter().filter_map(|item| beaten(&files, &item.setting)));
        }
        if file.is_none() {
            // Its lines stand there already, or none is asked for.
            for item in &mut items {
                item.line = None;
            }
        }
        let accepted = risks(baseline, &items, wish, machine, &mut refusals);
        Self { baseline: baseline.name.clone(), items, file, refusals, accepted }
    }

    /// Whether there is anything to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.file.is_none() && self.items.iter().all(|item| item.set.is_none())
    }

    /// The journal of this apply.
    #[must_use]
    pub fn journal(&self, host: &dyn Host, id: u32, now: Timestamp) -> Journal {
        let value = |item: &Item| {
            let (old, new) = (item.running.clone()?, item.set.clone()?);
            Some(ValueChange { key: item.setting.key.clone(), old, new })
        };
        Journal {
            boot: boot(host),
            namespace: namespace(host),
            file: self.file.clone(),
            values: self.items.iter().filter_map(value).collect(),
            ..Journal::new(id, &self.baseline, now)
        }
    }
}

/// The boot that this is.
pub(super) fn boot(host: &dyn Host) -> Option<String> {
    let text = host.read("/proc/sys/kernel/random/boot_id").ok()?;
    Some(String::from_utf8_lossy(&text).trim().to_owned()).filter(|id| !id.is_empty())
}

/// Whether this is known not to be the network namespace in which files of settings are read at boot.
#[must_use]
pub fn is_other_namespace(host: &dyn Host) -> bool {
    namespace(host).zip(host.link("/proc/1/ns/net").ok()).is_some_and(|(own, first)| own != first)
}

/// The network namespace of this process.
pub(super) fn namespace(host: &dyn Host) -> Option<String> {
    host.link("/proc/self/ns/net").ok()
}

fn item(host: &dyn Host, bare: &SysctlFiles, setting: &Setting, wish: &Wish, refusals: &mut Vec<String>) -> Item {
    let key = &setting.key;
    let path = sysctl::path(key);
    let without = bare.decide(&path);
    let mut item = Item { setting: setting.clone(), running: None, without, set: None, line: None };
    let place = format!("{PROC}/{path}");
    if !sysctl::is_lawful(&path) {
        refusals.push(format!("{key}: no kernel setting can be called so"));
        return item;
    }
    match host.read(&place).map(String::from_utf8) {
        Ok(Ok(text)) => item.running = Some(text),
        Ok(Err(_)) => refusals.push(format!("{key}: its value is no text")),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            refusals.push(format!("{key}: this kernel or namespace has no such setting; --only names those to apply"));
        }
        Err(error) => refusals.push(format!("{key}: cannot be read: {error}")),
    }
    let Some(running) = item.running.as_deref() else { return item };
    let Some(target) = setting.target(Some(running)) else {
        refusals.push(format!(
            "{key}: the baseline says only what it must not be, so there is nothing to set; --only names those to apply"
        ));
        return item;
    };
    if target.contains(char::is_control) || sysctl::normal(&target) != target || target.is_empty() {
        refusals.push(format!("{key}: `{target}` cannot be written to a file of settings"));
        return item;
    }
    if wish.running && !setting.rule.holds(running) {
        if let Some(why) = cannot_go_back(host, key) {
            refusals.push(format!("{key}: {why}; --only names those to apply"));
            return item;
        }
        if let Err(error) = rustix::fs::access(&place, Access::WRITE_OK) {
            refusals.push(format!("{key}: cannot be written here: {}", io::Error::from(error)));
        }
        item.set = Some(target.clone());
    }
    // A file of this host that sets it right already is left to do so, whichever program reads it.
    let right = |value: Option<&str>| value.is_some_and(|value| setting.rule.holds(value));
    let other = item.without.otherwise.as_ref();
    if wish.persist && !(right(item.without.persisted.as_deref()) && other.is_none_or(|other| right(other.persisted.as_deref()))) {
        item.line = Some(target);
    }
    item
}

/// Why setting this key could not be taken back exactly: the kernel changes other settings with it.
fn cannot_go_back(host: &dyn Host, key: &str) -> Option<String> {
    /// `dirty_bytes_handler`, `dirty_ratio_handler` and their like: each sets the other of its pair to 0.
    const PAIRS: [(&str, &str); 4] = [
        ("vm.dirty_bytes", "vm.dirty_ratio"),
        ("vm.dirty_ratio", "vm.dirty_bytes"),
        ("vm.dirty_background_bytes", "vm.dirty_background_ratio"),
        ("vm.dirty_background_ratio", "vm.dirty_background_bytes"),
    ];
    if never_built_in(key) || key.ends_with(".disable_ipv6") {
        return Some(
            "it decides where packets go or which are let in, and changes other settings with it: pathvet does not set it".into(),
        );
    }
    let (_, other) = PAIRS.iter().find(|(own, _)| *own == key)?;
    let now = host.read(&format!("{PROC}/{}", sysctl::path(other))).ok()?;
    let now = sysctl::normal(&String::from_utf8_lossy(&now));
    (!matches!(now.as_str(), "" | "0")).then(|| format!("the kernel sets {other} to 0 with it, which is {now} now"))
}

/// Refuses values that are harmful and not accepted; returns those that are.
fn risks(baseline: &Baseline, items: &[Item], wish: &Wish, machine: &Machine, refusals: &mut Vec<String>) -> Vec<Risk> {
    let mut values: BTreeMap<String, String> = BTreeMap::new();
    for item in items {
        let value = item.set.as_ref().or(item.line.as_ref()).or(item.running.as_ref());
        if let Some(value) = value {
            values.insert(item.setting.key.clone(), sysctl::normal(value));
        }
    }
    for setting in &baseline.values {
        // What is left out by --only is not written, and still part of what its neighbours are judged by.
        if let (false, Rule::Equal(value)) = (values.contains_key(&setting.key), &setting.rule)
            && !items.iter().any(|item| item.setting.key == setting.key)
        {
            values.insert(setting.key.clone(), value.clone());
        }
    }
    let changes = |key: &str| items.iter().any(|item| item.setting.key == key && (item.set.is_some() || item.line.is_some()));
    let mut accepted = Vec::new();
    for risk in lint(&values, machine).into_iter().filter(|risk| risk.severity.refused() && changes(&risk.key)) {
        if wish.accepted.contains(&risk.key) {
            accepted.push(risk);
        } else {
            let Risk { key, value, reason, severity } = risk;
            refusals.push(format!("{key} = {value} is {}: {reason}; --accept-risk {key} writes it all the same", severity.word()));
        }
    }
    accepted
}

/// What happens to the file of the baseline; `None` = nothing.
fn file_change(name: &str, items: &[Item], wish: &Wish, refusals: &mut Vec<String>) -> Option<FileChange> {
    let place = journal::file_of(name);
    let old = match old_file(&place) {
        Ok(old) => old,
        Err(why) => {
            refusals.push(format!("{}: {why}", place.display()));
            return None;
        }
    };
    let mut lines: Vec<(String, String)> = Vec::new();
    if let (Some(old), false) = (&old, wish.only.is_empty()) {
        // Keys that --only leaves out stay as an earlier apply has them.
        for setting in sysctl::parse(&old.text) {
            let key = sysctl::key(&setting.path);
            if let (Some(value), false) = (setting.value, items.iter().any(|item| item.setting.key == key)) {
                lines.push((key, value));
            }
        }
    }
    lines.extend(items.iter().filter_map(|item| Some((item.setting.key.clone(), item.line.clone()?))));
    let new = (!lines.is_empty()).then(|| file_text(name, &lines));
    let changed = new.as_deref() != old.as_ref().map(|old| old.text.as_str());
    changed.then(|| FileChange { folder_made: !Path::new(SYSCTL_D).is_dir(), old, new })
}

fn file_text(name: &str, lines: &[(String, String)]) -> String {
    let mut text = format!("# Written by `pathvet tune apply`, baseline {name}. `pathvet tune revert` takes it back.\n");
    for (key, value) in lines {
        let _ = writeln!(text, "{key} = {value}");
    }
    text
}

/// The file as it is now; `None` = there is none.
///
/// # Errors
/// Why it cannot be replaced, in words.
pub(super) fn old_file(place: &Path) -> Result<Option<OldFile>, String> {
    let found = match std::fs::symlink_metadata(place) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    if !found.is_file() {
        return Err("it is no regular file, so somebody else put it there".into());
    }
    let text = std::fs::read(place).map_err(|error| error.to_string())?;
    let text = String::from_utf8(text).map_err(|_| "it is no text".to_owned())?;
    Ok(Some(OldFile { text, mode: found.mode() & 0o7777, uid: found.uid(), gid: found.gid() }))
}

/// Says which file decides over a key against the baseline, if one does.
pub(super) fn beaten(files: &SysctlFiles, setting: &Setting) -> Option<String> {
    let found = files.decide(&sysctl::path(&setting.key));
    let value = found.persisted.as_deref().unwrap_or_default();
    if setting.rule.holds(value) {
        return None;
    }
    let key = &setting.key;
    // Without a winner no file sets it; a key of which no line was asked for is not ours to judge.
    let place = found.winner.as_ref()?;
    let ours = place.file.starts_with(&format!("{SYSCTL_D}/90-pathvet-"));
    let cure = if ours { "take that apply back first (`pathvet tune status`)" } else { "take that line out first" };
    Some(format!(
        "{key}: {}:{} sets it to `{value}` and is read after the file of this baseline by {}: {cure}",
        place.file,
        place.line,
        files.loader.name()
    ))
}

fn unreadable(gap: &Gap) -> String {
    format!("{}: cannot be read ({}), so nobody can say which file wins", gap.place, gap.detail)
}

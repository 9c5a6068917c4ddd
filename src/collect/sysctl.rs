//! Kernel settings: the value now (`/proc/sys`), the value that the files give at the next boot, and the file that wins.

use super::gap;
use crate::host::Host;
use pathvet_checks::evidence::{Gap, Otherwise, Sysctl};
use pathvet_checks::parse::sysctl::{self, DIRECTORIES, File, LAST_FILE, Loader};
use std::collections::BTreeMap;
use std::io;

const PROC: &str = "/proc/sys";
/// systemd runs (`sd_booted(3)`).
const SYSTEMD_RUNS: &str = "/run/systemd/system";
/// The unit that runs at boot, where systemd does not run yet.
const SYSTEMD_UNITS: [&str; 2] = ["/usr/lib/systemd/system/systemd-sysctl.service", "/lib/systemd/system/systemd-sysctl.service"];

/// The settings of `keys` (in dots, as `sysctl` prints them), and what could not be learnt. A key that this kernel or namespace
/// does not have has no running value, which is no gap.
#[must_use]
pub fn sysctl<'k>(host: &dyn Host, keys: impl IntoIterator<Item = &'k str>) -> (Option<BTreeMap<String, Sysctl>>, Vec<Gap>) {
    let mut gaps = Vec::new();
    let files = SysctlFiles::read(host, &mut gaps);
    let mut table = BTreeMap::new();
    for key in keys {
        let path = sysctl::path(key);
        if !sysctl::is_lawful(&path) {
            continue;
        }
        let place = format!("{PROC}/{path}");
        let running = match host.read(&place) {
            Ok(bytes) => Some(sysctl::normal(&String::from_utf8_lossy(&bytes))),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => None,
            Err(error) => {
                gaps.push(gap::from_error("sysctl", &place, &error));
                None
            }
        };
        table.insert(sysctl::key(&path), Sysctl { running, ..files.decide(&path) });
    }
    (Some(table), gaps)
}

/// Which program reads the files at boot: systemd's where it runs or its unit is there, else procps.
#[must_use]
pub fn boot_loader(host: &dyn Host) -> Loader {
    // The units come first, so that a recording has them: the folder of a running systemd is empty.
    let unit = SYSTEMD_UNITS.iter().any(|unit| host.read(unit).is_ok());
    // Many a copied tree has what an administrator writes, and not what packages bring.
    let configured = !host.live() && host.read("/etc/systemd/system.conf").is_ok();
    if unit || configured || host.list(SYSTEMD_RUNS).is_ok() { Loader::Systemd } else { Loader::Procps }
}

/// The files that set kernel settings at boot, as both programs see them.
#[derive(Debug, Clone)]
pub struct SysctlFiles {
    /// The program that runs at boot here.
    pub loader: Loader,
    own: Vec<File>,
    other: Vec<File>,
}

impl SysctlFiles {
    /// Reads them.
    pub fn read(host: &dyn Host, gaps: &mut Vec<Gap>) -> Self {
        Self::read_with(host, gaps, None)
    }

    /// Reads them as if `file` (its whole path and text; no text: no such file) stood there.
    pub fn read_with(host: &dyn Host, gaps: &mut Vec<Gap>, file: Option<(&str, Option<&str>)>) -> Self {
        let loader = boot_loader(host);
        let mut listings = Vec::new();
        for directory in DIRECTORIES {
            let mut names = match host.list(directory) {
                Ok(names) => names,
                Err(error) => {
                    if error.kind() != io::ErrorKind::NotFound {
                        gaps.push(gap::from_error("sysctl", directory, &error));
                    }
                    Vec::new()
                }
            };
            names.retain(|name| name.strip_suffix(".conf").is_some());
            if let Some((path, text)) = file
                && let Some((folder, name)) = path.rsplit_once('/')
                && folder == directory
            {
                names.retain(|known| known != name);
                if text.is_some() {
                    names.push(name.to_owned());
                }
            }
            if !names.is_empty() {
                listings.push((directory, names));
            }
        }
        let mut cache: BTreeMap<String, Vec<sysctl::Setting>> = BTreeMap::new();
        let mut load = |loader: Loader, gaps: &mut Vec<Gap>| {
            let mut listings = listings.clone();
            if loader == Loader::Systemd {
                for (directory, names) in &mut listings {
                    names.retain(|name| !is_directory(host, &format!("{directory}/{name}")));
                }
            }
            let last = host.read(LAST_FILE).is_ok();
            let mut files = Vec::new();
            for name in sysctl::order(loader, &listings, last) {
                let settings = cache.entry(name.clone()).or_insert_with(|| match file {
                    Some((path, Some(text))) if path == name => sysctl::parse(text),
                    _ => settings(host, &name, gaps),
                });
                files.push(File { settings: settings.clone(), name });
            }
            files
        };
        Self { loader, own: load(loader, gaps), other: load(loader.other(), gaps) }
    }

    /// Who decides over a file below `/proc/sys`; no running value.
    #[must_use]
    pub fn decide(&self, path: &str) -> Sysctl {
        let own = sysctl::decide(self.loader, &self.own, path);
        let other = sysctl::decide(self.loader.other(), &self.other, path);
        let otherwise = (other.value != own.value).then(|| Otherwise {
            loader: self.loader.other().name().into(),
            persisted: other.value,
            winner: other.winner,
        });
        Sysctl { running: None, persisted: own.value, winner: own.winner, losers: own.losers, refused: own.refused, otherwise }
    }
}

/// A name that is a directory: systemd does not take it for a file, procps does and reads nothing.
fn is_directory(host: &dyn Host, path: &str) -> bool {
    // The common case is a regular file, which is read anyway.
    matches!(host.read(path), Err(error) if error.kind() != io::ErrorKind::NotFound) && host.list(path).is_ok()
}

/// The lines of a file. A link to nowhere or to `/dev/null` is a mask: it hides others and sets nothing.
fn settings(host: &dyn Host, name: &str, gaps: &mut Vec<Gap>) -> Vec<sysctl::Setting> {
    match host.read(name) {
        Ok(bytes) => sysctl::parse(&String::from_utf8_lossy(&bytes)),
        Err(error) => {
            if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData) {
                gaps.push(gap::from_error("sysctl", name, &error));
            }
            Vec::new()
        }
    }
}

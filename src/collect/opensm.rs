//! The files of this host's subnet manager: `opensm.conf`, `partitions.conf`, and which ports Debian starts it on.

use super::gap;
use crate::host::Host;
use pathvet_checks::evidence::{Gap, SmConfig};
use pathvet_checks::parse::opensm::{self, Ports};
use pathvet_checks::parse::{Fault, quoted};
use std::io;

/// Debian and upstream, Red Hat, and `ESXi`; each may have one folder for every adapter or port.
const FOLDERS: [&str; 3] = ["/etc/opensm", "/etc/rdma", "/scratch/opensm"];
const OPTIONS: &str = "opensm.conf";
const PARTITIONS: &str = "partitions.conf";
/// Which ports Debian starts managers on.
const DEBIAN: &str = "/etc/default/opensm";
const WHAT: &str = "infiniband.sm_config";
/// Most mistakes of one file that become gaps.
const MOST: usize = 20;

/// Every instance that files on this host configure. None: `OpenSM` is not installed, or has no file at all.
pub(super) fn sm_config(host: &dyn Host) -> (Vec<SmConfig>, Vec<Gap>) {
    let mut reader = Reader { host, gaps: Vec::new() };
    let mut found = Vec::new();
    for folder in FOLDERS {
        let names = match host.list(folder) {
            Ok(names) => names,
            Err(error) => {
                reader.refused(folder, &error);
                continue;
            }
        };
        let has = |names: &[String], file: &str| names.iter().any(|name| name == file);
        if has(&names, OPTIONS) || has(&names, PARTITIONS) {
            found.extend(reader.instance(folder, &names));
        }
        for name in names.iter().filter(|name| !name.contains('.')) {
            let inner = format!("{folder}/{name}");
            let names = host.list(&inner).unwrap_or_default();
            if has(&names, OPTIONS) || has(&names, PARTITIONS) {
                found.extend(reader.instance(&inner, &names));
            }
        }
    }
    if let Some(ports) = reader.file(DEBIAN, opensm::ports).flatten() {
        found = started(found, &ports);
    }
    (found, reader.gaps)
}

/// The instances that Debian's service starts: one for every port, all with the same file.
fn started(found: Vec<SmConfig>, ports: &Ports) -> Vec<SmConfig> {
    let shared = if found.is_empty() { vec![SmConfig::default()] } else { found };
    match ports {
        Ports::All => shared,
        Ports::None => shared.into_iter().map(|config| SmConfig { enabled: Some(false), ..config }).collect(),
        Ports::Guids(guids) => {
            let one = |config: &SmConfig, guid: &String| SmConfig { guid: Some(guid.clone()), ..config.clone() };
            shared.iter().flat_map(|config| guids.iter().map(move |guid| one(config, guid))).collect()
        }
    }
}

struct Reader<'a> {
    host: &'a dyn Host,
    gaps: Vec<Gap>,
}

impl Reader<'_> {
    /// A missing file or folder is no gap.
    fn refused(&mut self, place: &str, error: &io::Error) {
        if error.kind() != io::ErrorKind::NotFound {
            self.gaps.push(gap::from_error(WHAT, place, error));
        }
    }

    /// Reads a file; its mistakes are gaps with their lines.
    fn file<T>(&mut self, place: &str, parse: impl FnOnce(&str) -> (T, Vec<Fault>)) -> Option<T> {
        let bytes = match self.host.read(place) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.refused(place, &error);
                return None;
            }
        };
        let (value, faults) = parse(&String::from_utf8_lossy(&bytes));
        let more = faults.len().saturating_sub(MOST);
        for fault in faults.into_iter().take(MOST) {
            let place = format!("{place}:{}", fault.line);
            self.gaps.push(gap::malformed(WHAT, &place, format!("{}: {}", fault.field, fault.message)));
        }
        if more > 0 {
            self.gaps.push(gap::malformed(WHAT, place, format!("and {more} more mistakes")));
        }
        Some(value)
    }

    fn instance(&mut self, folder: &str, names: &[String]) -> Option<SmConfig> {
        let mut config = SmConfig::default();
        let mut place = format!("{folder}/{PARTITIONS}");
        if names.iter().any(|name| name == OPTIONS) {
            let file = format!("{folder}/{OPTIONS}");
            let options = self.file(&file, opensm::options)?;
            config = SmConfig { file: Some(file), ..options.config };
            if let Some(named) = options.partition_config_file {
                if named.starts_with('/') {
                    place = named;
                } else {
                    let detail = format!("partition_config_file: `{}` is no absolute path", quoted(&named));
                    self.gaps.push(gap::malformed(WHAT, config.file.as_deref().unwrap_or_default(), detail));
                }
            }
        }
        config.partitions = self.file(&place, opensm::partitions);
        config.partitions_file = Some(place);
        Some(config)
    }
}

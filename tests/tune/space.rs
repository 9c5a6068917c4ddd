//! A place where settings may be written: the test starts itself anew in namespaces of its own (`unshare`), where the folders
//! of settings are empty, and where, if wanted, `/proc/sys` is a folder of ordinary files.
//!
//! Global keys (`net.core.rmem_max`, `tcp_mem`) cannot be written in a user namespace, so most tests use the folder.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The command under test.
pub(crate) const PATHVET: &str = env!("CARGO_BIN_EXE_pathvet");
/// Set inside.
const INSIDE: &str = "PATHVET_TEST_INSIDE";

/// What `/proc/sys` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sys {
    /// A folder with [`KEYS`].
    Folder,
    /// The kernel's, of the new network namespace.
    Kernel,
}

/// The settings in the folder, as the kernel writes them.
pub(crate) const KEYS: [(&str, &str); 17] = [
    ("kernel/hostname", "node1\n"),
    ("kernel/osrelease", "6.1.0-18-amd64\n"),
    ("kernel/random/boot_id", "0f0e0d0c-0b0a-4909-8807-060504030201\n"),
    ("net/core/default_qdisc", "pfifo_fast\n"),
    ("net/core/netdev_max_backlog", "1000\n"),
    ("net/core/optmem_max", "131072\n"),
    ("net/core/rmem_default", "212992\n"),
    ("net/core/rmem_max", "212992\n"),
    ("net/core/wmem_default", "212992\n"),
    ("net/core/wmem_max", "212992\n"),
    ("net/ipv4/tcp_mem", "287898\t383867\t575796\n"),
    ("net/ipv4/tcp_mtu_probing", "0\n"),
    ("net/ipv4/tcp_rmem", "4096\t131072\t6291456\n"),
    ("net/ipv4/tcp_sack", "1\n"),
    ("net/ipv4/tcp_timestamps", "1\n"),
    ("net/ipv4/tcp_tw_reuse", "2\n"),
    ("net/ipv4/tcp_wmem", "4096\t16384\t4194304\n"),
];

/// Folders whose files are part of a [`Snapshot`].
const WATCHED: [&str; 6] = ["/etc", "/run/sysctl.d", "/usr/local/lib", "/usr/lib/sysctl.d", "/var/lib", "/proc/sys"];

/// Runs `body` inside. `test` is the name of the test, with its module.
pub(crate) fn inside(test: &str, sys: Sys, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        furnish(sys);
        // What is said begins on a line of its own.
        println!();
        body();
        return;
    }
    let own = fs::read_link("/proc/self/ns/net").unwrap();
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "--mount", "--propagation", "private"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(INSIDE, own)
        .output()
        .expect("unshare runs (util-linux)");
    let said = String::from_utf8_lossy(&output.stdout);
    let own = |line: &&str| !line.is_empty() && *line != "ok" && !line.starts_with("running 1 test") && !line.starts_with("test ");
    for line in said.lines().filter(own) {
        println!("{line}");
    }
    assert!(output.status.success() && said.contains("1 passed"), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
}

/// Makes the namespaces that this process is in ready. It must be in namespaces of its own.
fn furnish(sys: Sys) {
    let outside = std::env::var(INSIDE).unwrap();
    assert_ne!(fs::read_link("/proc/self/ns/net").unwrap(), Path::new(&outside), "still in the machine's own namespace");
    for folder in ["/run", "/etc", "/usr/local/lib", "/usr/lib/sysctl.d", "/var/lib"] {
        mount(&["-t", "tmpfs", "tmpfs", folder]);
    }
    for folder in ["/run/sysctl.d", "/etc/sysctl.d", "/usr/local/lib/sysctl.d"] {
        fs::create_dir(folder).unwrap();
    }
    if sys == Sys::Folder {
        let folder = Path::new("/run/proc-sys");
        for (path, value) in KEYS {
            let place = folder.join(path);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(place, value).unwrap();
        }
        mount(&["--bind", "/run/proc-sys", "/proc/sys"]);
    }
}

pub(crate) fn mount(args: &[&str]) {
    let output = Command::new("mount").args(args).output().expect("mount runs");
    assert!(output.status.success(), "mount {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

pub(crate) fn unmount(place: &str) {
    let output = Command::new("umount").arg(place).output().expect("umount runs");
    assert!(output.status.success(), "umount {place}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Runs pathvet.
pub(crate) fn pathvet(args: &[&str]) -> Output {
    command(PATHVET, args).output().expect("pathvet runs")
}

/// A command with a plain environment.
pub(crate) fn command(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C").env("COLUMNS", "1000");
    command
}

/// The exit code, and both outputs as one text.
pub(crate) fn said(output: &Output) -> (Option<i32>, String) {
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code(), text)
}

/// Runs pathvet, which must exit with `code`; returns all that it said.
pub(crate) fn expect(code: i32, args: &[&str]) -> String {
    let (found, text) = said(&pathvet(args));
    assert_eq!(found, Some(code), "pathvet {}:\n{text}", args.join(" "));
    text
}

/// Every file below the watched folders: content, permissions, owner; folders by their name.
pub(crate) type Snapshot = BTreeMap<PathBuf, (Vec<u8>, u32, u32)>;

pub(crate) fn snapshot() -> Snapshot {
    let mut found = Snapshot::new();
    let mut open: Vec<PathBuf> = WATCHED.iter().map(PathBuf::from).collect();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            // The folder of journals stays; what it holds is looked at.
            if path != Path::new("/var/lib/pathvet") {
                let content = if metadata.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
                found.insert(path.clone(), (content, metadata.permissions().mode(), metadata.uid()));
            }
            if metadata.is_dir() {
                open.push(path);
            }
        }
    }
    found
}

/// What differs, in words.
pub(crate) fn difference(before: &Snapshot, after: &Snapshot) -> String {
    let mut text = String::new();
    for path in before.keys().chain(after.keys().filter(|path| !before.contains_key(*path))) {
        let (old, new) = (before.get(path), after.get(path));
        if old != new {
            let show = |entry: Option<&(Vec<u8>, u32, u32)>| {
                entry.map_or("nothing".into(), |(bytes, mode, _)| format!("{:o} {:?}", mode, String::from_utf8_lossy(bytes)))
            };
            let _ = writeln!(text, "{}: {} became {}", path.display(), show(old), show(new));
        }
    }
    text
}

/// A baseline of a site, as a file outside of the watched folders.
pub(crate) fn site(values: &[(&str, &str)]) -> String {
    let mut text = "schema: pathvet.baseline/1\nname: site\nvalues:\n".to_owned();
    for (key, rule) in values {
        let _ = writeln!(text, "  {key}: {{ {rule} }}");
    }
    let place = "/run/site.yaml";
    fs::write(place, text).unwrap();
    place.into()
}

/// A running value, white space made single.
pub(crate) fn running(path: &str) -> String {
    let text = fs::read_to_string(Path::new("/proc/sys").join(path)).unwrap();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

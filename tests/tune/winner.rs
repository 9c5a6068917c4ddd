//! Who wins, as `sysctl --system` and `systemd-sysctl` have it: both run on the same files, and what they leave in `/proc/sys`
//! is compared with what pathvet says.

use super::random::Random;
use super::space::{Sys, command, expect, inside, mount, pathvet, running, said, site, unmount};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

const SYSTEMD: &str = "/lib/systemd/systemd-sysctl";
const UNITS: &str = "/usr/lib/systemd/system";
/// A value that no line sets, of the same length as all that lines set: systemd does not cut a file off before it writes.
const UNSET: &str = "99";

/// The settings that lines fight over.
const PATHS: [&str; 8] = [
    "net/core/rmem_max",
    "net/core/wmem_max",
    "net/ipv4/tcp_sack",
    "net/ipv4/tcp_timestamps",
    "net/ipv4/conf/eth0/mtu",
    "net/ipv4/conf/eth0.100/mtu",
    "net/ipv4/conf/eth1/mtu",
    "net/ipv4/conf/all/mtu",
];

fn key(path: &str) -> String {
    pathvet_checks::parse::sysctl::key(path)
}

fn reset() {
    for path in PATHS {
        let place = Path::new("/proc/sys").join(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, format!("{UNSET}\n")).unwrap();
    }
}

/// What a program leaves.
fn left_by(program: &str, args: &[&str]) -> BTreeMap<String, String> {
    reset();
    let output = command(program, args).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    drop(output);
    PATHS.iter().map(|path| (key(path), running(path))).collect()
}

/// What pathvet says, and the lines that win.
fn told(baseline: &str) -> BTreeMap<String, (String, String)> {
    reset();
    let output = pathvet(&["tune", "show", baseline, "--format", "json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{:?}", said(&output)));
    let values = report["values"].as_array().unwrap().iter();
    values
        .map(|value| {
            let winner = &value["winner"];
            let winner = winner["file"].as_str().map(|file| format!("{file}:{}", winner["line"])).unwrap_or_default();
            let persisted = value["persisted"].as_str().unwrap_or(UNSET).to_owned();
            (value["key"].as_str().unwrap().to_owned(), (persisted, winner))
        })
        .collect()
}

fn baseline() -> String {
    let keys: Vec<String> = PATHS.iter().map(|path| key(path)).collect();
    // Some rule that a baseline may have for it.
    let rule = |key: &str| if key.contains("core") { "not: 256" } else { "not: 0" };
    let rows: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), rule(key))).collect();
    site(&rows)
}

/// Compares pathvet with one real program; says every difference.
fn compare(baseline: &str, program: &str, args: &[&str], what: &str) -> Vec<String> {
    let real = left_by(program, args);
    let told = told(baseline);
    let differ = real.iter().filter(|(key, value)| told[*key].0 != **value);
    differ.map(|(key, value)| format!("{what}: {key} is {value} by {program}, {:?} by pathvet", told[key])).collect()
}

/// Without systemd's unit, and where systemd does not run, procps is what runs at boot.
fn both(baseline: &str, what: &str) -> Vec<String> {
    fs::create_dir_all("/run/systemd/system").unwrap();
    let mut wrong = compare(baseline, SYSTEMD, &[], what);
    fs::remove_dir_all("/run/systemd").unwrap();
    wrong.extend(compare(baseline, "sysctl", &["--system"], what));
    wrong
}

fn without_units() {
    if Path::new(UNITS).exists() {
        mount(&["-t", "tmpfs", "tmpfs", UNITS]);
    }
}

fn have_systemd() -> bool {
    let there = Path::new(SYSTEMD).exists();
    if !there {
        assert!(std::env::var_os("CI").is_none(), "SKIPPED: {SYSTEMD} is missing");
        println!("SKIPPED: {SYSTEMD} is missing (apt: systemd)");
    }
    there
}

/// Twelve files in every folder, with masks, globs, exclusions and every way to write a line.
fn twelve() -> Vec<(&'static str, &'static str)> {
    vec![
        ("/etc/sysctl.d/10-first.conf", "net.core.rmem_max = 11\nnet.ipv4.tcp_sack=12\nnet.ipv4.conf.*.mtu = 13\n"),
        ("/etc/sysctl.d/50-middle.conf", "# net.core.rmem_max = 14\n; net.core.rmem_max = 15\n  net/core/wmem_max   =   16  \n"),
        ("/etc/sysctl.d/90-late.conf", "-net.ipv4.tcp_timestamps = 17\nnet.ipv4.conf.eth0/100.mtu = 18\n"),
        ("/etc/sysctl.d/README", "net.core.rmem_max = 19\n"),
        ("/run/sysctl.d/10-first.conf", "net.core.rmem_max = 20\nnet.core.wmem_max = 20\n"),
        ("/run/sysctl.d/60-run.conf", "net.core.rmem_max = 21\n-net.ipv4.conf.all.mtu\n"),
        ("/run/sysctl.d/95-glob.conf", "net.ipv4.conf.eth[0-9].mtu = 22\nnet.ipv4.tcp_* = 23\n"),
        ("/usr/local/lib/sysctl.d/70-local.conf", "net.core.wmem_max = 24\nnonsense\n= 25\nnet.core.absent = 26\n"),
        ("/usr/local/lib/sysctl.d/90-late.conf", "net.ipv4.tcp_timestamps = 27\n"),
        ("/usr/lib/sysctl.d/00-vendor.conf", "net.core.rmem_max = 28\nnet.ipv4.tcp_timestamps = 29\nnet.ipv4.conf.*.mtu = 30\n"),
        ("/usr/lib/sysctl.d/99-vendor.conf", "net.core.wmem_max\t=\t31\n"),
        ("/etc/sysctl.conf", "net.ipv4.tcp_sack = 32\nnet.core.wmem_max = 33\n"),
    ]
}

fn clear() {
    for folder in ["/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d"] {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { fs::remove_dir(path).unwrap() } else { fs::remove_file(path).unwrap() }
        }
    }
    let _ = fs::remove_file("/etc/sysctl.conf");
}

#[test]
fn twelve_files_that_fight() {
    inside("winner::twelve_files_that_fight", Sys::Folder, || {
        if !have_systemd() {
            return;
        }
        without_units();
        reset();
        let files = twelve();
        for (place, text) in &files {
            fs::write(place, text).unwrap();
        }
        let baseline = baseline();
        assert_eq!(both(&baseline, "twelve"), Vec::<String>::new());
        // Masked by a link to /dev/null, by a link to nowhere, by an empty file, by a folder.
        fs::remove_file("/etc/sysctl.d/90-late.conf").unwrap();
        symlink("/dev/null", "/etc/sysctl.d/90-late.conf").unwrap();
        symlink("/nowhere", "/etc/sysctl.d/99-vendor.conf").unwrap();
        fs::write("/etc/sysctl.d/00-vendor.conf", "").unwrap();
        fs::create_dir("/etc/sysctl.d/70-local.conf").unwrap();
        symlink("../sysctl.conf", "/etc/sysctl.d/99-sysctl.conf").unwrap();
        fs::write("/etc/sysctl.d/.97-hidden.conf", "net.core.rmem_max = 34\n").unwrap();
        assert_eq!(both(&baseline, "masked"), Vec::<String>::new());
        println!(
            "{} files, {} settings, and the same masked: systemd-sysctl and sysctl --system agree with pathvet",
            files.len(),
            PATHS.len()
        );
        let text = expect(0, &["tune", "show", &baseline]);
        assert!(text.contains("/etc/sysctl.conf:1 wins over /etc/sysctl.d/10-first.conf:2"), "{text}");
    });
}

fn pick<T: Copy>(random: &mut Random, from: &[T]) -> T {
    from[random.below(from.len())]
}

#[test]
fn any_files_that_fight() {
    const ROUNDS: u32 = 150;
    inside("winner::any_files_that_fight", Sys::Folder, || {
        if !have_systemd() {
            return;
        }
        without_units();
        reset();
        let baseline = baseline();
        let mut random = Random(0x7379_7363_746c);
        let mut wrong = Vec::new();
        let globs = [
            "net.ipv4.conf.*.mtu",
            "net/ipv4/conf/eth?/mtu",
            "net.ipv4.conf.eth[!1]*.mtu",
            "net.core.?mem_max",
            "net.*.tcp_*",
            "net.ipv4.tcp_[[:alpha:]]*",
        ];
        let names = ["10-a.conf", "50-b.conf", "90-c.conf", "99-d.conf", "a.conf", "Z.conf"];
        for round in 0..ROUNDS {
            clear();
            for _ in 0..=random.below(9) {
                let folder = pick(&mut random, &["/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d"]);
                let mut text = String::new();
                for _ in 0..=random.below(5) {
                    let path = pick(&mut random, &PATHS);
                    let name = match random.below(4) {
                        0 => pick(&mut random, &globs).to_owned(),
                        1 => path.to_owned(),
                        _ => key(path),
                    };
                    let value = 10 + random.below(80);
                    let line = match random.below(8) {
                        0 => format!("-{name}\n"),
                        1 => format!("-{name}={value}\n"),
                        2 => format!("\t{name} \t= {value} \n"),
                        3 => format!("#{name} = {value}\n\n"),
                        _ => format!("{name} = {value}\n"),
                    };
                    text.push_str(&line);
                }
                let place = if random.below(8) == 0 {
                    "/etc/sysctl.conf".into()
                } else {
                    format!("{folder}/{}", pick(&mut random, &names))
                };
                if !Path::new(&place).is_symlink() {
                    match random.below(16) {
                        0 if !Path::new(&place).exists() => symlink("/dev/null", &place).unwrap(),
                        _ => fs::write(&place, text).unwrap(),
                    }
                }
            }
            let found = both(&baseline, &format!("round {round}"));
            if !found.is_empty() && wrong.is_empty() {
                for folder in ["/etc", "/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d"] {
                    for entry in fs::read_dir(folder).unwrap() {
                        let path = entry.unwrap().path();
                        if path.is_file() {
                            wrong.push(format!("{}:\n{}", path.display(), fs::read_to_string(&path).unwrap()));
                        }
                    }
                }
                wrong.extend(found);
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        println!(
            "{ROUNDS} random sets of files: systemd-sysctl and sysctl --system agree with pathvet on {} settings each",
            PATHS.len()
        );
    });
}

/// On the kernel's own settings: a quoted or empty value is refused there, whoever writes it.
#[test]
fn quoted_values_have_no_effect() {
    inside("winner::quoted_values_have_no_effect", Sys::Kernel, || {
        if !have_systemd() {
            return;
        }
        without_units();
        let path = "net/ipv4/tcp_rmem";
        let baseline = site(&[("net.ipv4.tcp_rmem", "not: 1 2 3")]);
        let text = "net.ipv4.tcp_rmem = 4096 87380 4194304\nnet.ipv4.tcp_rmem = \"4096 87380 8388608\"\nnet.ipv4.tcp_rmem =\n";
        fs::write("/etc/sysctl.d/50-quoted.conf", text).unwrap();
        let start = running(path);
        for (program, args, booted) in [(SYSTEMD, &[][..], true), ("sysctl", &["--system"], false)] {
            fs::write(Path::new("/proc/sys").join(path), &start).unwrap();
            if booted {
                fs::create_dir_all("/run/systemd/system").unwrap();
            } else {
                fs::remove_dir_all("/run/systemd").unwrap();
            }
            drop(command(program, args).output().unwrap());
            let real = running(path);
            let output = pathvet(&["tune", "show", &baseline, "--format", "json"]);
            let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            let value = &report["values"][0];
            let told = value["persisted"].as_str().unwrap_or(&start);
            assert_eq!(told, real, "{program}: {value:#}");
            assert_eq!(value["refused"].as_array().unwrap().len(), 2, "{value:#}");
            assert!(value["otherwise"].is_object(), "the two programs differ here: {value:#}");
        }
        unmount("/usr/lib/sysctl.d");
    });
}

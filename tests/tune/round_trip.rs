//! Apply, look, revert.

use super::space::{Sys, difference, expect, inside, running, site, snapshot};
use std::fs;

const SAFE: [(&str, &str); 5] = [
    ("net/core/netdev_max_backlog", "250000"),
    ("net/core/rmem_max", "16777216"),
    ("net/core/wmem_max", "16777216"),
    ("net/ipv4/tcp_rmem", "4096 131072 16777216"),
    ("net/ipv4/tcp_wmem", "4096 65536 16777216"),
];

#[test]
fn what_is_applied_is_there_and_what_is_taken_back_is_as_before() {
    inside("round_trip::what_is_applied_is_there_and_what_is_taken_back_is_as_before", Sys::Folder, || {
        let before = snapshot();
        assert!(expect(1, &["tune", "diff", "ipoib-safe"]).contains("WARN"));
        expect(0, &["tune", "apply", "ipoib-safe", "--yes"]);
        for (path, value) in SAFE {
            assert_eq!(running(path), value, "{path}");
        }
        let file = fs::read_to_string("/etc/sysctl.d/90-pathvet-ipoib-safe.conf").unwrap();
        assert!(file.contains("net.core.rmem_max = 16777216\n"), "{file}");
        expect(0, &["tune", "diff", "ipoib-safe"]);
        assert!(expect(0, &["tune", "status"]).contains("holds, 6 of 6"));
        let again = expect(0, &["tune", "apply", "ipoib-safe", "--yes"]);
        assert!(again.contains("nothing to do"), "{again}");
        expect(0, &["tune", "revert", "--yes"]);
        assert_eq!(difference(&before, &snapshot()), "");
        assert!(expect(0, &["tune", "revert", "--yes"]).contains("Nothing is applied here"));
        println!("{} values applied, read back, reverted; every file identical", SAFE.len());
    });
}

/// The kernel's own settings, those that a network namespace of an ordinary user has.
#[test]
fn the_kernel_takes_the_values_and_gives_them_back() {
    inside("round_trip::the_kernel_takes_the_values_and_gives_them_back", Sys::Kernel, || {
        let keys = ["net/ipv4/tcp_rmem", "net/ipv4/tcp_wmem", "net/ipv4/tcp_mtu_probing", "net/ipv4/tcp_timestamps"];
        let now = || keys.map(|key| fs::read_to_string(format!("/proc/sys/{key}")).unwrap());
        let before = now();
        let baseline = site(&[
            ("net.ipv4.tcp_rmem", "at_least: 4096 131072 33554432"),
            ("net.ipv4.tcp_wmem", "equal: 4096 65536 33554432"),
            ("net.ipv4.tcp_mtu_probing", "equal: 1"),
            ("net.ipv4.tcp_timestamps", "one_of: [2, 0]"),
        ]);
        expect(0, &["tune", "apply", &baseline, "--yes"]);
        assert_eq!(keys.map(running), ["4096 131072 33554432", "4096 65536 33554432", "1", "2"].map(str::to_owned));
        expect(0, &["tune", "revert", "--yes"]);
        assert_eq!(now(), before);
        // A value that the kernel refuses takes everything back.
        let baseline =
            site(&[("net.ipv4.tcp_wmem", "equal: 4096 65536 33554432"), ("net.ipv4.tcp_congestion_control", "equal: nonsense")]);
        let text = expect(2, &["tune", "apply", &baseline, "--yes"]);
        assert!(text.contains("tcp_congestion_control") && text.contains("everything is as it was before"), "{text}");
        assert_eq!(now(), before);
        assert_eq!(fs::read_dir("/etc/sysctl.d").unwrap().count(), 0);
        // What does not exist here, or may not be written, is refused before anything is.
        let text = expect(2, &["tune", "apply", "ipoib-safe", "--yes"]);
        assert!(text.contains("net.core.rmem_max: cannot be written here"), "{text}");
        assert!(text.contains("net.core.netdev_max_backlog: this kernel or namespace has no such setting"), "{text}");
        assert_eq!(now(), before);
        expect(0, &["tune", "apply", "ipoib-safe", "--yes", "--only", "net.ipv4.tcp_rmem,net.ipv4.tcp_wmem"]);
        expect(0, &["tune", "revert", "--yes"]);
        assert_eq!(now(), before);
    });
}

#[test]
fn what_somebody_changed_is_shown_and_left_unless_asked() {
    inside("round_trip::what_somebody_changed_is_shown_and_left_unless_asked", Sys::Folder, || {
        let before = snapshot();
        expect(0, &["tune", "apply", "ipoib-safe", "--yes"]);
        fs::write("/proc/sys/net/core/rmem_max", "33554432\n").unwrap();
        let file = "/etc/sysctl.d/90-pathvet-ipoib-safe.conf";
        fs::write(file, "net.core.rmem_max = 33554432\n").unwrap();
        let text = expect(1, &["tune", "status"]);
        assert!(text.contains("net.core.rmem_max was set to `16777216` and is `33554432`"), "{text}");
        let text = expect(1, &["tune", "revert", "--yes"]);
        assert!(text.contains("33554432 (changed since)") && text.contains("Left as they are: 2"), "{text}");
        assert_eq!(running("net/core/rmem_max"), "33554432");
        assert_eq!(running("net/core/wmem_max"), "212992");
        assert_eq!(fs::read_to_string(file).unwrap(), "net.core.rmem_max = 33554432\n");
        expect(0, &["tune", "revert", "1", "--force", "--yes"]);
        assert_eq!(difference(&before, &snapshot()), "");
    });
}

#[test]
fn applies_stand_on_each_other_and_go_in_turn() {
    inside("round_trip::applies_stand_on_each_other_and_go_in_turn", Sys::Folder, || {
        let clean = snapshot();
        let first = site(&[("net.core.rmem_max", "at_least: 1000000"), ("net.ipv4.tcp_sack", "equal: 1")]);
        expect(0, &["tune", "apply", &first, "--yes"]);
        let one = snapshot();
        let second = site(&[("net.core.rmem_max", "at_least: 2000000"), ("net.core.wmem_max", "at_least: 2000000")]);
        expect(0, &["tune", "apply", &second, "--yes"]);
        let text = expect(2, &["tune", "revert", "1", "--yes"]);
        assert!(text.contains("revert 2 first"), "{text}");
        expect(0, &["tune", "revert", "--yes"]);
        assert_eq!(difference(&one, &snapshot()), "");
        expect(0, &["tune", "revert", "--yes"]);
        assert_eq!(difference(&clean, &snapshot()), "");
        expect(64, &["tune", "revert", "7", "--yes"]);
    });
}

#[test]
fn parts_of_an_apply() {
    inside("round_trip::parts_of_an_apply", Sys::Folder, || {
        let before = snapshot();
        let text = expect(0, &["tune", "apply", "ipoib-safe", "--dry-run"]);
        assert!(text.contains("5 values change"), "{text}");
        assert_eq!(difference(&before, &snapshot()), "");
        assert!(!std::path::Path::new("/var/lib/pathvet").exists(), "a dry run makes no folder");
        expect(0, &["tune", "apply", "ipoib-safe", "--runtime-only", "--yes"]);
        assert_eq!(running("net/core/rmem_max"), "16777216");
        assert_eq!(fs::read_dir("/etc/sysctl.d").unwrap().count(), 0);
        expect(0, &["tune", "revert", "--yes"]);
        expect(0, &["tune", "apply", "ipoib-safe", "--persist-only", "--yes"]);
        assert_eq!(running("net/core/rmem_max"), "212992");
        let text = expect(1, &["tune", "diff", "ipoib-safe"]);
        assert!(text.contains("not as wanted until the next boot: /etc/sysctl.d/90-pathvet-ipoib-safe.conf:"), "{text}");
        expect(0, &["tune", "revert", "--yes"]);
        assert_eq!(difference(&before, &snapshot()), "");
        let only = |key: &str| expect(0, &["tune", "apply", "ipoib-safe", "--only", key, "--yes"]);
        only("net.core.rmem_max");
        only("net.core.wmem_max");
        let file = fs::read_to_string("/etc/sysctl.d/90-pathvet-ipoib-safe.conf").unwrap();
        assert!(file.ends_with("net.core.rmem_max = 16777216\nnet.core.wmem_max = 16777216\n"), "{file}");
        for _ in 0..2 {
            expect(0, &["tune", "revert", "--yes"]);
        }
        assert_eq!(difference(&before, &snapshot()), "");
        // Where the folder of files is missing, it is made, and goes again.
        fs::remove_dir("/etc/sysctl.d").unwrap();
        expect(0, &["tune", "apply", "ipoib-safe", "--yes"]);
        expect(0, &["tune", "revert", "--yes"]);
        assert!(!std::path::Path::new("/etc/sysctl.d").exists());
    });
}

#[test]
fn a_file_that_wins_is_named_and_nothing_is_written() {
    inside("round_trip::a_file_that_wins_is_named_and_nothing_is_written", Sys::Folder, || {
        fs::write("/etc/sysctl.d/99-sysctl.conf", "# mine\nnet.core.rmem_max = 212992\nnet.core.wmem_max = 33554432\n").unwrap();
        let before = snapshot();
        let text = expect(2, &["tune", "apply", "ipoib-safe", "--yes"]);
        let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains("net.core.rmem_max: /etc/sysctl.d/99-sysctl.conf:2 sets it to `212992`"), "{flat}");
        assert!(!flat.contains("99-sysctl.conf:3"), "a larger buffer is as good: {flat}");
        assert_eq!(difference(&before, &snapshot()), "");
        expect(0, &["tune", "apply", "ipoib-safe", "--yes", "--runtime-only"]);
        expect(0, &["tune", "revert", "--yes"]);
        assert_eq!(difference(&before, &snapshot()), "");
    });
}

#[test]
fn two_at_once_and_nobody_to_ask() {
    use rustix::fs::{FlockOperation, flock};
    inside("round_trip::two_at_once_and_nobody_to_ask", Sys::Folder, || {
        let text = expect(64, &["tune", "apply", "ipoib-safe"]);
        assert!(text.contains("give --yes"), "{text}");
        fs::create_dir("/var/lib/pathvet").unwrap();
        let before = snapshot();
        let folder = fs::File::open("/var/lib/pathvet").unwrap();
        flock(&folder, FlockOperation::LockExclusive).unwrap();
        for args in [&["tune", "apply", "ipoib-safe", "--yes"][..], &["tune", "revert", "--yes"]] {
            let text = expect(3, args);
            assert_eq!(text.lines().filter(|line| line.contains("another pathvet is at work")).count(), 1, "{text}");
        }
        drop(folder);
        assert_eq!(difference(&before, &snapshot()), "");
        // A journal that is broken stops both, with its place.
        fs::write("/var/lib/pathvet/000001.applied.json", "{\n \"schema\": 5 }").unwrap();
        let text = expect(64, &["tune", "apply", "ipoib-safe", "--yes"]);
        assert!(text.contains("000001.applied.json:2:"), "{text}");
        expect(64, &["tune", "revert", "--yes"]);
        expect(64, &["tune", "status"]);
    });
}

#[test]
fn another_network_namespace_is_not_touched() {
    use super::space::{PATHVET, command, said};
    inside("round_trip::another_network_namespace_is_not_touched", Sys::Folder, || {
        expect(0, &["tune", "apply", "ipoib-safe", "--yes"]);
        let applied = snapshot();
        let (code, text) = said(&command("unshare", &["--net", PATHVET, "tune", "revert", "--yes"]).output().unwrap());
        assert_eq!(code, Some(2), "{text}");
        assert!(text.contains("was applied in another network namespace (net:["), "{text}");
        assert_eq!(difference(&applied, &snapshot()), "");
        expect(0, &["tune", "revert", "--yes"]);
    });
}

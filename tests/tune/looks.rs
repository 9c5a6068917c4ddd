//! Verbs that only look: what they say, and that they write nothing.

use super::space::{PATHVET, Sys, command, difference, expect, inside, said, site, snapshot};
use std::fs;
use std::time::Instant;

#[test]
fn the_classic_set_is_named_with_numbers_and_refused() {
    inside("looks::the_classic_set_is_named_with_numbers_and_refused", Sys::Folder, || {
        let text = expect(1, &["tune", "diff", "ipoib-connected-2012"]);
        for needed in ["16777216 pages = 64 GiB", "3.4 s at 10 Gb/s", "net.core.rmem_default", "net.ipv4.tcp_sack"] {
            assert!(text.contains(needed), "{needed}: {text}");
        }
        let before = snapshot();
        let text = expect(2, &["tune", "apply", "ipoib-connected-2012", "--yes"]);
        let keys =
            ["net.ipv4.tcp_timestamps", "net.ipv4.tcp_sack", "net.ipv4.tcp_mem", "net.core.rmem_default", "net.core.wmem_default"];
        for key in keys {
            assert!(text.contains(&format!("--accept-risk {key}")), "{key}: {text}");
        }
        assert_eq!(difference(&before, &snapshot()), "");
        let accept = keys.join(",");
        expect(0, &["tune", "apply", "ipoib-connected-2012", "--yes", "--accept-risk", &accept]);
        let text = expect(1, &["tune", "status"]);
        assert!(text.contains("holds, 12 of 12") && text.contains("64 GiB"), "{text}");
        expect(0, &["tune", "revert", "--yes"]);
        assert_eq!(difference(&before, &snapshot()), "");
    });
}

#[test]
fn broken_community_sets_are_caught() {
    inside("looks::broken_community_sets_are_caught", Sys::Folder, || {
        let rmem = site(&[("net.ipv4.tcp_rmem", "equal: 67108864 134217728 56623104")]);
        let text = expect(2, &["tune", "apply", &rmem, "--yes"]);
        assert!(text.contains("the order is minimum, default, maximum"), "{text}");
        let reuse = site(&[("net.ipv4.tcp_tw_reuse", "equal: 1"), ("net.ipv4.tcp_timestamps", "equal: 0")]);
        let text = expect(2, &["tune", "apply", &reuse, "--yes"]);
        assert!(text.contains("net.ipv4.tcp_tw_reuse = 1 is wrong"), "{text}");
        assert!(expect(1, &["tune", "diff", &reuse]).contains("needs timestamps"));
    });
}

/// What changes other settings with it could not be taken back exactly.
#[test]
fn what_cannot_be_taken_back_is_not_set() {
    inside("looks::what_cannot_be_taken_back_is_not_set", Sys::Folder, || {
        for (path, value) in [("net/ipv4/ip_forward", "0\n"), ("vm/dirty_ratio", "20\n"), ("vm/dirty_bytes", "0\n")] {
            let place = std::path::Path::new("/proc/sys").join(path);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(place, value).unwrap();
        }
        let before = snapshot();
        let baseline = site(&[
            ("net.ipv4.ip_forward", "equal: 1"),
            ("vm.dirty_bytes", "equal: 1000000"),
            ("net.core.rmem_max", "at_least: 5000000"),
        ]);
        let text = expect(2, &["tune", "apply", &baseline, "--yes"]);
        assert!(text.contains("net.ipv4.ip_forward: it decides where packets go"), "{text}");
        assert!(text.contains("sets vm.dirty_ratio to 0 with it, which is 20 now"), "{text}");
        assert_eq!(difference(&before, &snapshot()), "");
        expect(0, &["tune", "apply", &baseline, "--yes", "--only", "net.core.rmem_max"]);
        expect(0, &["tune", "revert", "--yes"]);
        assert_eq!(difference(&before, &snapshot()), "");
    });
}

#[test]
fn mistakes_have_their_place_and_the_nearest_word() {
    inside("looks::mistakes_have_their_place_and_the_nearest_word", Sys::Folder, || {
        let before = snapshot();
        let text = expect(64, &["tune", "apply", "ipoib-saf", "--yes"]);
        assert!(text.contains("did you mean `ipoib-safe`?"), "{text}");
        let text = expect(64, &["tune", "apply", "ipoib-safe", "--yes", "--only", "net.core.rmem_maxx"]);
        assert!(text.contains("did you mean `net.core.rmem_max`?"), "{text}");
        expect(64, &["tune", "apply", "ipoib-safe", "--yes", "--runtime-only", "--persist-only"]);
        let baseline =
            site(&[("net.core.rmem_maxx", "equal: 5"), ("net.ipv4.tcp_rmem", "equal: 1 2"), ("net.ipv4.tcp_sack", "equal: 7")]);
        let text = expect(64, &["tune", "apply", &baseline, "--yes"]);
        for place in ["site.yaml:4:", "site.yaml:5:", "site.yaml:6:"] {
            assert!(text.contains(place), "{place}: {text}");
        }
        for args in
            [&["tune", "apply", "ipoib-safe", "--root", "/run"][..], &["tune", "revert", "--root", "/run"], &["tune", "diff"]]
        {
            expect(64, args);
        }
        assert_eq!(difference(&before, &snapshot()), "");
    });
}

#[test]
fn a_tree_is_read_like_this_host() {
    inside("looks::a_tree_is_read_like_this_host", Sys::Folder, || {
        fs::create_dir_all("/run/tree/proc").unwrap();
        fs::create_dir_all("/run/tree/etc").unwrap();
        let copy = |from: &str, to: &str| {
            assert!(command("cp", &["-a", from, to]).status().unwrap().success());
        };
        fs::write("/etc/sysctl.d/50-a.conf", "net.core.rmem_max = 4194304\n").unwrap();
        expect(0, &["tune", "apply", "ipoib-safe", "--yes"]);
        copy("/proc/sys", "/run/tree/proc/sys");
        copy("/etc/sysctl.d", "/run/tree/etc/sysctl.d");
        copy("/var/lib", "/run/tree/var-lib");
        fs::create_dir("/run/tree/var").unwrap();
        fs::rename("/run/tree/var-lib", "/run/tree/var/lib").unwrap();
        let here = expect(0, &["tune", "status"]);
        expect(0, &["tune", "revert", "--yes"]);
        let there = expect(0, &["tune", "status", "--root", "/run/tree"]);
        let state = |text: &str| text.lines().find(|line| line.contains("ipoib-safe")).map(str::to_owned);
        assert_eq!((state(&here), state(&here).is_some()), (state(&there), true));
        assert!(expect(0, &["tune", "diff", "ipoib-safe", "--root", "/run/tree"]).contains("PASS"));
        let text = expect(0, &["tune", "show", "ipoib-safe", "--root", "/run/tree"]);
        assert!(text.contains("90-pathvet-ipoib-safe.conf:3 wins over /etc/sysctl.d/50-a.conf:1"), "{text}");
        let json = expect(0, &["tune", "diff", "ipoib-safe", "--root", "/run/tree", "--format", "json"]);
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((json["verdict"].as_str(), json["exit_code"].as_u64()), (Some("pass"), Some(0)));
    });
}

/// No verb but apply and revert opens a file for writing.
#[test]
fn looking_writes_nothing() {
    inside("looks::looking_writes_nothing", Sys::Folder, || {
        assert!(command("ip", &["link", "set", "lo", "up"]).status().unwrap().success());
        let before = snapshot();
        let runs: [&[&str]; 7] = [
            &["tune", "diff", "ipoib-connected-2012"],
            &["tune", "show", "esnet-10g"],
            &["tune", "status"],
            &["tune", "list"],
            &["tune", "apply", "ipoib-safe", "--dry-run"],
            &["check", "127.0.0.1"],
            &["collect", "127.0.0.1"],
        ];
        for args in runs {
            let log = "/run/trace.looking";
            let trace =
                "trace=open,openat,openat2,creat,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,truncate,ftruncate";
            let output = command("strace", &["-f", "-o", log, "-e", trace, PATHVET]).args(args).output().expect("strace runs");
            assert!(output.status.code().is_some_and(|code| code < 64), "{:?}", said(&output));
            let text = fs::read_to_string(log).unwrap();
            let opened = text.lines().filter(|line| line.contains("open")).count();
            let writing: Vec<&str> = text
                .lines()
                .filter(|line| {
                    let opens = line.contains("open")
                        && !["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC"].iter().any(|flag| line.contains(flag));
                    let ends = line.contains("+++ exited") || line.contains("--- SIG") || line.contains("resumed>");
                    !opens && !ends
                })
                .collect();
            assert!(writing.is_empty(), "{args:?}: {writing:#?}");
            println!("{:45} {opened:4} files opened, none for writing", args.join(" "));
        }
        assert_eq!(difference(&before, &snapshot()), "");
        let mut times: Vec<_> = (0..21)
            .map(|_| {
                let start = Instant::now();
                expect(1, &["tune", "diff", "ipoib-connected-2012"]);
                start.elapsed()
            })
            .collect();
        times.sort();
        println!("tune diff: {:.1} ms, median of {}", times[times.len() / 2].as_secs_f64() * 1e3, times.len());
    });
}

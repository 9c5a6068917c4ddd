//! Runs that end in the middle: killed, out of space, at every call that could leave something half done.

use super::space::{Sys, difference, expect, inside, mount, pathvet, said, site, snapshot, unmount};
use super::trace::{Call, broken, calls};
use std::fs;
use std::os::unix::process::ExitStatusExt as _;

const APPLY: [&str; 4] = ["tune", "apply", "ipoib-safe", "--yes"];
const REVERT: [&str; 3] = ["tune", "revert", "--yes"];

fn killed(args: &[&str], call: &Call) {
    let output = broken(args, call, "signal=KILL");
    let dead = output.status.signal() == Some(9) || output.status.code() == Some(128 + 9);
    assert!(dead, "{} {} did not kill: {:?}", call.name, call.nth, said(&output));
}

/// Takes back the apply of that number; one that was killed before its journal was there needs nothing.
fn take_back(id: &str, killed_at: &str) {
    let (code, text) = said(&pathvet(&["tune", "revert", id, "--yes"]));
    let never_begun = code == Some(64) && text.contains("no apply has the number");
    assert!(code == Some(0) || never_begun, "after {killed_at}:\n{text}");
}

/// Kills `apply`, whose number will be `id`, and the revert after it at each of their points.
fn kill_everywhere(name: &str, apply: &[&str], id: &str) {
    let before = snapshot();
    let revert = ["tune", "revert", id, "--yes"];
    let (output, applying) = calls(apply);
    assert_eq!(output.status.code(), Some(0), "{:?}", said(&output));
    let (output, reverting) = calls(&revert);
    assert_eq!(output.status.code(), Some(0), "{:?}", said(&output));
    assert_eq!(difference(&before, &snapshot()), "");
    let (mut at_apply, mut at_revert) = (0, 0);
    for call in &applying {
        killed(apply, call);
        take_back(id, &call.line);
        assert_eq!(difference(&before, &snapshot()), "", "killed at {}", call.line);
        at_apply += 1;
    }
    for call in &reverting {
        expect(0, apply);
        killed(&revert, call);
        take_back(id, &call.line);
        assert_eq!(difference(&before, &snapshot()), "", "killed at {}", call.line);
        at_revert += 1;
    }
    println!(
        "{name}: killed at {at_apply} of {} points of apply, and at {at_revert} of {} of revert",
        applying.len(),
        reverting.len()
    );
}

#[test]
fn killed_at_every_call() {
    inside("broken::killed_at_every_call", Sys::Folder, || {
        // The first apply of all makes the folder of journals, too.
        let before = snapshot();
        let (_, first) = calls(&APPLY);
        expect(0, &REVERT);
        for call in &first {
            fs::remove_dir("/var/lib/pathvet").unwrap();
            killed(&APPLY, call);
            expect(0, &REVERT);
            assert_eq!(difference(&before, &snapshot()), "", "killed at {}", call.line);
            fs::create_dir_all("/var/lib/pathvet").unwrap();
        }
        println!("first apply: killed at {} of {} points", first.len(), first.len());
        kill_everywhere("a new file", &APPLY, "1");
    });
}

#[test]
fn killed_at_every_call_while_an_older_file_is_replaced() {
    inside("broken::killed_at_every_call_while_an_older_file_is_replaced", Sys::Folder, || {
        let old = site(&[("net.core.rmem_max", "at_least: 1000000")]);
        expect(0, &["tune", "apply", &old, "--yes"]);
        let new = site(&[("net.core.rmem_max", "at_least: 2000000"), ("net.ipv4.tcp_mtu_probing", "equal: 1")]);
        kill_everywhere("an older file", &["tune", "apply", &new, "--yes"], "2");
    });
}

#[test]
fn killed_at_every_call_where_the_folder_is_missing() {
    inside("broken::killed_at_every_call_where_the_folder_is_missing", Sys::Folder, || {
        fs::remove_dir("/etc/sysctl.d").unwrap();
        fs::create_dir("/var/lib/pathvet").unwrap();
        kill_everywhere("a missing folder", &APPLY, "1");
    });
}

#[test]
fn an_interrupted_apply_is_told_and_blocks_the_next() {
    inside("broken::an_interrupted_apply_is_told_and_blocks_the_next", Sys::Folder, || {
        let (_, all) = calls(&APPLY);
        expect(0, &REVERT);
        let middle =
            all.iter().filter(|call| call.line.contains("/run/proc-sys") || call.line.contains("/proc/sys")).nth(4).unwrap();
        killed(&APPLY, middle);
        let text = expect(2, &["tune", "status"]);
        assert!(text.contains("not complete: `pathvet tune revert 1` takes it back"), "{text}");
        let text = expect(2, &["tune", "apply", "esnet-10g", "--yes"]);
        assert!(text.contains("was interrupted: `pathvet tune revert 1`"), "{text}");
        expect(0, &REVERT);
        // A reboot: another boot id, values as the kernel has them, and the file of the interrupted apply was read.
        killed(&APPLY, middle);
        fs::write("/proc/sys/kernel/random/boot_id", "11111111-2222-4333-8444-555555555555\n").unwrap();
        let text = expect(0, &REVERT);
        assert!(text.contains("interrupted"), "{text}");
    });
}

/// A signal that asks it to end makes it go back, or comes too early or too late to matter.
#[test]
fn interrupted_at_every_call() {
    inside("broken::interrupted_at_every_call", Sys::Folder, || {
        fs::create_dir("/var/lib/pathvet").unwrap();
        let before = snapshot();
        let (_, all) = calls(&APPLY);
        expect(0, &REVERT);
        let mut went_back = 0;
        for call in &all {
            let output = broken(&APPLY, call, "signal=TERM");
            let (code, text) = said(&output);
            match (code, output.status.signal()) {
                (Some(143), _) if text.contains("everything is as it was before") => went_back += 1,
                (Some(0), _) => drop(expect(0, &REVERT)),
                (None | Some(143), _) => {}
                odd => panic!("{odd:?} at {}: {text}", call.line),
            }
            assert_eq!(difference(&before, &snapshot()), "", "SIGTERM at {}:\n{text}", call.line);
        }
        assert!(went_back > 3, "{went_back}");
        println!("SIGTERM at {} points: {went_back} went back by themselves", all.len());
    });
}

/// What fails at any call leaves everything as it was, or a journal from which revert makes it so.
#[test]
fn out_of_space_at_every_call() {
    inside("broken::out_of_space_at_every_call", Sys::Folder, || {
        fs::create_dir("/var/lib/pathvet").unwrap();
        let before = snapshot();
        let (_, all) = calls(&APPLY);
        expect(0, &REVERT);
        let mut undone = 0;
        for call in &all {
            let (code, text) = said(&broken(&APPLY, call, "error=ENOSPC"));
            let on_stdout = call.line.starts_with("write(1<");
            assert!(code.is_some_and(|code| code != 0), "{}: {code:?} {text}", call.line);
            if on_stdout {
                expect(0, &REVERT);
            } else {
                assert_eq!(
                    code,
                    Some(if call.line.contains("proc-sys") || call.line.contains("/proc/sys") { 2 } else { 74 }),
                    "{}: {text}",
                    call.line
                );
                undone += 1;
            }
            assert_eq!(difference(&before, &snapshot()), "", "ENOSPC at {}:\n{text}", call.line);
        }
        println!("{} of {} failures were taken back by apply itself; the others are its own printing", undone, all.len());
    });
}

#[test]
fn a_disk_that_is_full() {
    inside("broken::a_disk_that_is_full", Sys::Folder, || {
        for folder in ["/var/lib", "/etc/sysctl.d"] {
            // Pages for the root and nothing else, then for some of what is needed.
            for size in ["4k", "8k"] {
                mount(&["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs", folder]);
                let filler = format!("{folder}/filler");
                let _ = fs::write(&filler, vec![b'x'; 1 << 16]);
                let before = snapshot();
                let text = expect(74, &APPLY);
                assert!(text.contains("No space left on device"), "{folder} {size}: {text}");
                assert_eq!(difference(&before, &snapshot()), "", "{folder} {size}");
                expect(0, &REVERT);
                fs::remove_file(&filler).unwrap();
                unmount(folder);
            }
        }
        mount(&["-t", "tmpfs", "-o", "ro", "tmpfs", "/var/lib"]);
        assert!(expect(74, &APPLY).contains("Read-only file system"));
        unmount("/var/lib");
        mount(&["-o", "remount,bind,ro", "/proc/sys"]);
        let before = snapshot();
        let text = expect(2, &APPLY);
        assert!(text.contains("net.core.rmem_max: cannot be written here: Read-only file system"), "{text}");
        assert_eq!(difference(&before, &snapshot()), "");
    });
}

//! The real binary and wrong input: one clear message, the right exit code, and nothing else.

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::{contains, starts_with};
use std::path::Path;

fn pathvet(args: &[&str]) -> Command {
    let mut command = Command::cargo_bin("pathvet").expect("the binary is built with the tests");
    command.env("RUST_BACKTRACE", "1").env_remove("NO_COLOR").args(args);
    command
}

/// Runs `args`, which must be refused with 64 before anything reaches standard output.
fn refused(args: &[&str]) -> String {
    let output = pathvet(args).assert().code(64).stdout("").get_output().clone();
    let text = String::from_utf8(output.stderr).expect("messages are text");
    assert!(!text.contains('\u{1b}') && !text.contains("panicked") && !text.contains("stack backtrace"), "{args:?}: {text}");
    text
}

#[test]
fn without_a_verb_the_short_help_is_shown() {
    let text = refused(&[]);
    assert!(text.contains("Usage: pathvet") && text.contains("check"), "{text}");
}

#[test]
fn slips_are_met_with_the_nearest_right_word() {
    assert!(refused(&["chek"]).contains("'check'"));
    assert!(refused(&["check", "--expct-mtu", "9000"]).contains("'--expect-mtu'"));
    assert!(refused(&["check", "x", "--format", "jsn"]).contains("'json'"));
    assert!(refused(&["check", "x", "-o", "jsn=/dev/null"]).contains("`json`"));
    assert!(refused(&["check", "x", "--expect-mtu", "9018frames"]).contains("`9018frame`"));
}

#[test]
fn an_unknown_check_is_met_with_the_nearest_one() {
    for args in [["check", "--only", "path-mtuu"], ["check", "--skip", "path-mtuu"], ["judge", "-", "--only=path-mtuu"]] {
        assert!(refused(&args).contains("path-mtu'"), "{args:?}");
    }
    assert!(refused(&["explain", "path-mtuu"]).contains("did you mean `path-mtu`?"));
    assert!(refused(&["explain", "quux"]).contains("pathvet list"));
}

#[test]
fn sizes_outside_their_range_are_refused() {
    assert!(refused(&["check", "x", "--expect-mtu", "67"]).contains("below the smallest IPv4 MTU, 68"));
    assert!(refused(&["check", "x", "--expect-mtu", "65536"]).contains("above the largest IP packet"));
    assert!(refused(&["check", "-6", "x", "--expect-mtu", "1279"]).contains("below the smallest IPv6 MTU, 1280"));
    assert!(refused(&["check", "2001:db8::1", "--expect-mtu", "1279"]).contains("below the smallest IPv6 MTU, 1280"));
    assert!(refused(&["check", "x", "--expect-mtu", "-5"]).contains("-5"));
    refused(&["explain", "99999999999"]);
}

#[test]
fn flags_that_contradict_each_other_are_refused() {
    refused(&["check", "-4", "-6", "x"]);
    assert!(refused(&["check", "-6", "192.0.2.1"]).contains("192.0.2.1 is an IPv4 address"));
    assert!(refused(&["check", "--root", "/", "x"]).contains("--root"));
    refused(&["probe", "--root", "/", "x"]);
    refused(&["demo", "--root", "/"]);
    assert!(refused(&["check", "--root", "/nowhere/at/all"]).contains("not a folder"));
    assert!(refused(&["check", "x", "--rate", "unlimited"]).contains("--yes"));
    assert!(refused(&["check", "x", "--methods", "icmp", "--tcp-port", "22"]).contains("--methods leaves TCP out"));
    refused(&["check", "x", "-q", "-v"]);
}

#[test]
fn values_are_held_against_their_range() {
    for args in [
        ["check", "x", "--rate=0"],
        ["check", "x", "--rate=-1"],
        ["check", "x", "--tcp-port=0"],
        ["check", "x", "--tcp-port=65536"],
        ["check", "x", "--timeout=0"],
        ["check", "x", "--deadline=forever"],
        ["check", "x", "--methods=sctp"],
        ["check", "x", "--source=a/b"],
        ["check", "x", "--color=blue"],
        ["judge", "-", "--at=yesterday"],
    ] {
        refused(&args);
    }
}

#[test]
fn what_cannot_be_a_host_is_refused() {
    assert!(refused(&["check", "192.0.2.0/24"]).contains("network"));
    assert!(refused(&["check", "node2:22"]).contains("port"));
    assert!(refused(&["probe", "[2001:db8::1]"]).contains("without brackets"));
    assert!(refused(&["check", "a\u{1b}[31mb"]).contains("neither a host name nor an address"));
    refused(&["check", ""]);
    refused(&["probe"]);
}

#[test]
fn a_wrong_list_is_placed_and_a_long_one_is_confirmed_first() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let list = folder.path().join("hosts");
    let name = list.to_str().expect("a plain name");
    std::fs::write(&list, "node1\r\n\r\n192.0.2.0/24\r\nnode 2\r\n").expect("a writable folder");
    let text = refused(&["check", "--targets", name]);
    assert!(text.contains("hosts:3:1") && text.contains("hosts:4:1"), "{text}");
    let hosts = (0..257).map(|host| format!("10.80.{}.{}", host / 256, host % 256)).collect::<Vec<_>>().join("\n");
    std::fs::write(&list, &hosts).expect("a writable folder");
    let text = refused(&["check", "--targets", name]);
    assert!(text.contains("257 paths") && text.contains("--yes"), "{text}");
    pathvet(&["check", "--targets", "-"]).write_stdin(hosts).assert().code(64).stderr(contains("--yes"));
    pathvet(&["check", "-n", "--targets", name])
        .assert()
        .code(0)
        .stdout(contains("257 paths"))
        .stdout(contains("nothing was sent"));
    assert!(refused(&["check", "--targets", "/nowhere/at/all"]).contains("/nowhere/at/all"));
}

#[test]
fn a_wrong_plan_ends_every_verb_that_reads_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let plan = folder.path().join("plan.yaml");
    let name = plan.to_str().expect("a plain name");
    std::fs::write(&plan, "schema: pathvet.plan/1\nnetwroks: {}\nexpect: { mtu: 12 }\n").expect("a writable folder");
    for args in [["check", "-f", name], ["collect", "-f", name], ["plan", "lint", name]] {
        let text = refused(&args);
        assert!(text.contains("plan.yaml:2:1") && text.contains("did you mean `networks`?"), "{text}");
        assert!(text.contains("plan.yaml:3:16"), "{text}");
    }
    assert!(refused(&["check", "-f", "/nowhere/at/all"]).contains("/nowhere/at/all"));
    assert!(refused(&["check", "-f", "/"]).contains("cannot read the plan"));
}

#[test]
fn wrong_evidence_is_refused_with_its_place() {
    pathvet(&["judge", "-"]).write_stdin("{\n  \"schema\": 5 }").assert().code(64).stderr(contains("standard input:2:"));
    pathvet(&["judge", "-"]).write_stdin("").assert().code(64).stdout("");
    pathvet(&["judge", "-"]).write_stdin("[".repeat(1 << 20)).assert().code(64).stdout("");
    let newer = r#"{"schema":"pathvet.evidence/2","taken":"2026-11-20T00:00:00Z","tool":"pathvet 9.0.0"}"#;
    let both = contains("pathvet.evidence/2").and(contains("pathvet.evidence/1"));
    pathvet(&["judge", "-"]).write_stdin(newer).assert().code(64).stderr(both);
    assert!(refused(&["judge", "/nowhere/at/all"]).contains("/nowhere/at/all"));
    refused(&["judge"]);
}

#[test]
fn an_output_that_cannot_be_written_is_74_before_anything_is_sent() {
    let message = starts_with("pathvet: cannot create /nowhere/at/all: ");
    for args in [
        ["check", "192.0.2.1", "-o", "json=/nowhere/at/all"],
        ["check", "192.0.2.1", "--save", "/nowhere/at/all"],
        ["collect", "192.0.2.1", "-o", "/nowhere/at/all"],
        ["plan", "init", "-o", "/nowhere/at/all"],
    ] {
        pathvet(&args).assert().code(74).stdout("").stderr(message.clone());
    }
}

#[test]
fn a_full_disk_is_74() {
    if !Path::new("/dev/full").exists() {
        println!("ABSENT: /dev/full");
        return;
    }
    let full = || std::fs::File::options().write(true).open("/dev/full").expect("a device for everybody");
    for args in [["list"].as_slice(), &["explain", "9198"], &["generate", "completions", "bash"], &["plan", "init"]] {
        let binary = assert_cmd::cargo::cargo_bin("pathvet");
        let output = std::process::Command::new(binary).args(args).stdout(full()).output().expect("the binary runs");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.code() == Some(74) && text.starts_with("pathvet: cannot write standard output: "),
            "{args:?}: {text}"
        );
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let binary = assert_cmd::cargo::cargo_bin("pathvet");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = std::process::Command::new(binary);
    command.args(["explain", "9198"]).stdout(writer).stderr(std::process::Stdio::piped());
    let output = command.spawn().expect("the binary runs").wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

/// A bug is one line and 70, on whatever thread it shows, and whatever the environment asks for. The test starts itself for it.
#[test]
fn a_panic_is_one_line_and_70() {
    const THREAD: &str = "PATHVET_TEST_PANIC";
    if let Some(thread) = std::env::var_os(THREAD) {
        pathvet::error::install_panic_hook();
        if thread == "other" {
            let _ = std::thread::spawn(|| panic!("on\u{1b}[31m purpose")).join();
        }
        panic!("on\u{1b}[31m purpose");
    }
    for thread in ["main", "other"] {
        let mut itself = std::process::Command::new(std::env::current_exe().expect("a test has a file"));
        itself.args(["--exact", "a_panic_is_one_line_and_70", "--nocapture"]).env(THREAD, thread).env("RUST_BACKTRACE", "full");
        let output = itself.output().expect("the test runs");
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), text.lines().count()), (Some(70), 1), "{text}");
        assert!(text.starts_with("pathvet: internal error: on\\u{1b}[31m purpose (") && text.contains("bug"), "{text}");
    }
}

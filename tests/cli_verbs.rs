//! The verbs that need no network, through the real binary.

use assert_cmd::Command;
use pathvet_checks::builtin;
use predicates::prelude::*;
use predicates::str::contains;
use std::path::Path;

fn pathvet(args: &[&str]) -> Command {
    let mut command = Command::cargo_bin("pathvet").expect("the binary is built with the tests");
    command.args(args);
    command
}

fn printed(args: &[&str]) -> String {
    let output = pathvet(args).assert().code(0).stderr("").get_output().clone();
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn help_and_version_are_answers() {
    assert!(printed(&["--help"]).contains("Exit codes:"));
    assert!(printed(&["-h"]).lines().count() < 40, "the short help fits on a screen");
    assert_eq!(printed(&["--version"]), format!("pathvet {}\n", env!("CARGO_PKG_VERSION")));
    for verb in ["check", "probe", "collect", "judge", "import", "explain"] {
        assert!(printed(&[verb, "--help"]).contains("Examples:\n  "), "{verb}");
    }
}

#[test]
fn list_names_every_check_in_the_order_of_the_manual() {
    let listed = printed(&["list"]);
    let ids: Vec<_> = listed.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let expected: Vec<_> = builtin::ALL.iter().map(|check| check.meta().id).collect();
    assert_eq!(ids, expected);
}

#[test]
fn every_check_is_explained() {
    for check in builtin::ALL {
        let text = printed(&["explain", check.meta().id]);
        assert!(text.starts_with(check.meta().id) && text.contains("What to do"), "{text}");
        assert!(!text.contains('\u{1b}') && text.lines().all(|line| line.chars().count() <= 132), "{text}");
    }
}

#[test]
fn every_baseline_is_explained() {
    for name in pathvet::plan::baseline::names() {
        let text = printed(&["explain", name]);
        assert!(text.starts_with(name) && text.contains("\nValues\n") && text.contains("\nFrom\n"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 132), "{text}");
    }
    let text = printed(&["explain", "ipoib-connected-2012"]).split_whitespace().collect::<Vec<_>>().join(" ");
    for words in [
        "Wrong: The unit is pages. 16777216 pages are 64 GiB",
        "wrap in 3.4 s at 10 Gb/s",
        "--accept-risk KEY",
        "## END MLX4_EN ##",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(!printed(&["explain", "ipoib-safe"]).contains("--accept-risk"));
    pathvet(&["explain", "ipoib-saef"]).assert().code(64).stderr(contains("did you mean `ipoib-safe`?"));
}

/// The example of pathvet-baseline(5) is a baseline.
#[test]
fn the_baseline_of_the_manual_is_a_baseline() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("man/pathvet-baseline.5")).expect("the page");
    let example = page.split(".Bd -literal\n").nth(1).and_then(|rest| rest.split(".Ed\n").next()).expect("an example");
    let baseline = pathvet::plan::baseline::parse("site.yaml", example.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((baseline.name.as_str(), baseline.values.len()), ("storage-site", 8));
}

#[test]
fn sizes_are_explained_in_every_way_of_counting() {
    for size in ["9198", "9216frame", "9220tagged", "9212eth", "9170ping", "jumbo9212"] {
        let text = printed(&["explain", size]);
        for number in ["9198", "9216", "9212", "9170", "9150"] {
            assert!(text.contains(number), "{size}: {text}");
        }
    }
    assert!(printed(&["explain", "9014"]).contains("9014 is usually a frame with header"));
}

#[test]
fn a_plan_from_init_lints_clean() {
    let plan = printed(&["plan", "init"]);
    pathvet(&["plan", "lint", "-"]).write_stdin(plan).assert().code(0).stdout("the plan is fine\n");
}

#[test]
fn init_never_overwrites_a_plan() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let place = folder.path().join("plan.yaml");
    let name = place.to_str().expect("a plain name");
    assert_eq!(printed(&["plan", "init", "-o", name]), "");
    let first = std::fs::read(&place).expect("it was written");
    pathvet(&["plan", "init", "-o", name]).assert().code(74).stderr(contains("File exists"));
    assert_eq!(std::fs::read(&place).expect("it is still there"), first);
}

#[test]
fn lint_tells_what_is_odd_and_exits_0() {
    let plan = "schema: pathvet.plan/1\nnetworks: { a: { mtu: 9014 } }\npaths: [ { network: a, to: [192.0.2.1] } ]\n";
    let told = contains("warning: 9014 is usually a frame").and(contains("standard input:2:23"));
    pathvet(&["plan", "lint", "-"]).write_stdin(plan).assert().code(0).stdout(told);
}

#[test]
fn completions_know_the_verbs() {
    for shell in ["bash", "zsh", "fish"] {
        let script = printed(&["generate", "completions", shell]);
        assert!(script.contains("check") && script.contains("expect-mtu"), "{shell}");
        assert!(!script.contains("'lab-host"), "{shell}: the hidden verb is no completion");
    }
}

#[test]
fn a_dry_run_sends_nothing_and_says_what_it_would() {
    let text = printed(&["check", "-n", "192.0.2.1", "node2", "192.0.2.1"]);
    assert!(text.starts_with("local -> 192.0.2.1\nlocal -> node2\n2 paths, about 120 probes"), "{text}");
}

#[test]
fn colours_are_used_when_asked_for() {
    let Some(first) = builtin::ALL.first() else { return };
    let id = first.meta().id;
    pathvet(&["explain", id, "--color", "always"]).assert().stdout(contains("\u{1b}["));
    pathvet(&["explain", id, "--color", "never"]).env("CLICOLOR_FORCE", "1").assert().stdout(contains("\u{1b}[").not());
}

//! Whole runs on networks of the lab: exit codes, formats, files, and the law that `collect | judge` says what `check` says.

use pathvet::lab::topologies::{Family, Topology};
use pathvet::lab::{Lab, Output};
use serde_json::Value;
use std::path::Path;

const PATHVET: &str = env!("CARGO_BIN_EXE_pathvet");

fn start(name: &str) -> Lab {
    let topology = Topology::find(name).expect("the topology exists");
    Lab::start_with(Path::new(PATHVET), topology, Family::V4).expect("the lab starts")
}

fn run(lab: &Lab, args: &[&str]) -> Output {
    let target = lab.target().map(|target| target.to_string());
    let words = std::iter::once("pathvet").chain(args.iter().map(|arg| match (*arg, &target) {
        ("TARGET", Some(target)) => target.as_str(),
        (arg, _) => arg,
    }));
    lab.run(lab.first(), &words.collect::<Vec<_>>()).expect("a program can be started")
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A report without what every run has anew.
fn timeless(text: &str) -> Value {
    let mut report = json(text);
    let fields = report.as_object_mut().expect("a report is an object");
    assert!(fields.remove("started").is_some() && fields.remove("elapsed_ms").is_some());
    report
}

#[test]
fn the_exit_code_is_the_verdicts_and_json_agrees() {
    let lab = start("story");
    for (args, code) in [
        (["check", "TARGET", "--format", "json"].as_slice(), 2),
        (&["check", "TARGET", "--format", "json", "--fail-on", "fail"], 2),
        (&["check", "TARGET", "--format", "json", "--only", "path-reach"], 0),
        (&["check", "TARGET", "--format", "json", "--skip", "path-mtu,link-mtu"], 0),
    ] {
        let output = run(&lab, args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}{}", output.stdout, output.stderr);
        assert_eq!(json(&output.stdout)["exit_code"], code, "{args:?}");
    }
}

#[test]
fn collected_and_judged_is_checked() {
    for name in ["story", "clean", "router-honest"] {
        let lab = start(name);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let save = folder.path().join("evidence.json");
        let place = save.to_str().expect("a plain name");
        for options in [[].as_slice(), &["--expect-mtu", "9600"], &["--only", "path-mtu"], &["--fail-on", "fail"]] {
            let check = run(&lab, &[&["check", "TARGET", "--format", "json", "--save", place], options].concat());
            let judge = run(&lab, &[&["judge", place, "--format", "json"], options].concat());
            assert_eq!(timeless(&judge.stdout), timeless(&check.stdout), "{name} {options:?}");
            assert_eq!(judge.status.code(), check.status.code(), "{name} {options:?}");
        }
        let collect = run(&lab, &["collect", "TARGET", "-o", place]);
        assert_eq!((collect.status.code(), collect.stdout.as_str()), (Some(0), ""), "{}", collect.stderr);
        let twice = run(&lab, &["judge", place, place, "--format", "json"]);
        let once = run(&lab, &["judge", place, "--format", "json"]);
        assert_eq!(timeless(&twice.stdout), timeless(&once.stdout), "{name}: merging is idempotent");
    }
}

#[test]
fn every_output_holds_the_same_report() {
    let lab = start("story");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let name = |file: &str| folder.path().join(file).to_str().expect("a plain name").to_string();
    let (one, two) = (format!("json={}", name("one")), format!("table={}", name("two")));
    let output = run(&lab, &["check", "TARGET", "--format", "json", "-o", &one, "--output", &two]);
    let read = |file: &str| std::fs::read_to_string(name(file)).expect("it was written");
    assert_eq!(read("one"), output.stdout);
    assert!(read("two").contains("FAIL") && !read("two").contains('\u{1b}'), "{}", read("two"));
}

#[test]
fn a_healthy_path_says_nothing_when_quiet_and_exits_0() {
    let lab = start("clean");
    let output = run(&lab, &["check", "TARGET", "-q"]);
    assert_eq!((output.status.code(), output.stdout.as_str(), output.stderr.as_str()), (Some(0), "", ""));
    let plain = lab.run_without_rights(lab.first(), &["pathvet", "check", &lab.target().expect("a target").to_string()]);
    let plain = plain.expect("a program can be started");
    assert_eq!(plain.status.code(), Some(0), "an ordinary user: {}{}", plain.stdout, plain.stderr);
}

#[test]
fn probe_shows_the_sizes_and_says_why_there_are_none() {
    let lab = start("story");
    let output = run(&lab, &["probe", "TARGET"]);
    assert_eq!(output.status.code(), Some(0), "{}", output.stderr);
    assert!(output.stdout.contains("9198") && output.stdout.contains("the path carries this much"), "{}", output.stdout);
    let output = run(&lab, &["probe", "nosuch.invalid"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(output.stdout.contains("nosuch.invalid"), "{}", output.stdout);
}

#[test]
fn a_recording_is_judged_like_the_host() {
    let lab = start("clean");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let tree = folder.path().join("tree");
    let place = tree.to_str().expect("a plain name");
    let live = run(&lab, &["collect", "TARGET", "--record", place]);
    assert_eq!(live.status.code(), Some(0), "{}", live.stderr);
    let (live, recorded) = (json(&live.stdout), json(&run(&lab, &["collect", "--root", place]).stdout));
    for table in ["id", "name", "routes", "neighbours", "taken"] {
        assert_eq!(recorded["hosts"][0][table], live["hosts"][0][table], "{table}");
    }
    assert_eq!(recorded["hosts"][0]["origin"], "root");
    assert_eq!(recorded["paths"], json("[]"));
}

#[test]
fn a_plan_decides_what_is_vetted_and_expected() {
    let lab = start("clean");
    let target = lab.target().expect("a target");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let place = folder.path().join("plan.yaml");
    let name = place.to_str().expect("a plain name");
    let plan = |mtu: u32| {
        format!(
            "schema: pathvet.plan/1\nhosts:\n  node1: {{}}\n  node2: {{ address: {target} }}\n  node3: {{}}\n\
             networks:\n  m: {{ subnet: 192.0.2.0/24, mtu: {mtu} }}\npaths:\n  - {{ network: m, mesh: [node1, node2] }}\n"
        )
    };
    std::fs::write(&place, plan(9000)).expect("a writable folder");
    let output = run(&lab, &["check", "-f", name, "--format", "json"]);
    let report = json(&output.stdout);
    assert_eq!((report["exit_code"].clone(), output.stderr.as_str()), (0.into(), ""), "{}", output.stdout);
    assert_eq!(report["paths"][0]["expected_mtu"], 9000);
    assert_eq!((&report["paths"][0]["from"], &report["paths"][0]["to"]), (&"node1".into(), &"node2".into()));
    assert_eq!(report["paths"].as_array().map(Vec::len), Some(1), "node2 has only an address: it is probed to, never from");

    std::fs::write(&place, plan(9600)).expect("a writable folder");
    assert_eq!(run(&lab, &["check", "-f", name]).status.code(), Some(2), "more is expected than the path carries");
    assert_eq!(run(&lab, &["check", "-f", name, "--expect-mtu", "9000"]).status.code(), Some(0), "--expect-mtu beats the plan");

    let with_node3 = plan(9000).replace("[node1, node2]", "[node1, node2, node3]");
    std::fs::write(&place, with_node3).expect("a writable folder");
    let output = run(&lab, &["check", "-f", name]);
    assert_eq!(output.status.code(), Some(3), "{}", output.stdout);
    assert!(output.stdout.contains("can only be vetted there"), "{}", output.stdout);
}

#[test]
fn what_the_deadline_cuts_off_is_unknown_and_the_report_complete() {
    let lab = start("story");
    let output = run(&lab, &["check", "TARGET", "--rate", "1", "--deadline", "300ms", "--format", "json"]);
    let report = json(&output.stdout);
    assert_eq!((output.status.code(), &report["verdict"]), (Some(3), &"unknown".into()), "{}", output.stdout);
    assert_eq!(report["paths"].as_array().map(Vec::len), Some(1));
}

#[test]
fn what_the_world_refuses_is_a_finding_and_stops_no_other_path() {
    let lab = start("clean");
    let output = run(&lab, &["check", "nosuch.invalid", "TARGET", "--format", "json"]);
    let report = json(&output.stdout);
    assert_eq!((output.status.code(), output.stderr.as_str()), (Some(3), ""), "{}", output.stdout);
    assert_eq!(report["paths"][1]["path_mtu"], 9000, "the paths come in the order of the targets");
    let output = run(&lab, &["check", "TARGET", "--source", "eth9"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(output.stdout.contains("no interface eth9"), "{}", output.stdout);
    let output = run(&lab, &["check", "127.0.0.1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.contains("this host itself"), "{}", output.stdout);
}

//! Evidence of several hosts, judged by the real command: who deviates is named. And the recorded trees.

use assert_cmd::Command;
use serde_json::Value;
use std::path::{Path, PathBuf};

fn testdata(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(path)
}

/// The report of a run, as JSON.
fn report(args: &[&str]) -> Value {
    let mut command = Command::cargo_bin("pathvet").expect("the command is built");
    let output = command.args(args).args(["--format", "json"]).output().expect("it runs");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{args:?}: {error}: {output:?}"))
}

/// `FAIL ib-port node1:mlx4_0/1`, for each finding of these checks that is not PASS.
fn not_passed(report: &Value, checks: &[&str]) -> Vec<String> {
    let findings = report["findings"].as_array().expect("findings");
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    let wanted = findings.iter().filter(|finding| checks.contains(&finding["check"].as_str().unwrap_or_default()));
    wanted
        .filter(|finding| finding["outcome"] != "pass")
        .map(|finding| {
            format!("{} {} {}", text(finding, "outcome").to_uppercase(), text(finding, "check"), text(finding, "subject"))
        })
        .collect()
}

/// Writes each host of a case into a file of its own.
fn hosts_apart(case: &str, folder: &Path) -> Vec<String> {
    let text = std::fs::read(testdata(&format!("checks/{case}/evidence.json"))).expect("a case");
    let evidence: Value = serde_json::from_slice(&text).expect("evidence");
    let hosts = evidence["hosts"].as_array().expect("hosts").clone();
    hosts
        .into_iter()
        .map(|host| {
            let file = folder.join(format!("{}.json", host["name"].as_str().expect("a name")));
            let mut own = evidence.clone();
            own["hosts"] = Value::Array(vec![host]);
            std::fs::write(&file, own.to_string()).expect("a writable folder");
            file.to_string_lossy().into_owned()
        })
        .collect()
}

fn judged(case: &str, more: &[&str]) -> Value {
    let folder = tempfile::tempdir().expect("a folder");
    let files = hosts_apart(case, folder.path());
    let mut args = vec!["judge"];
    args.extend(files.iter().map(String::as_str));
    args.extend(more);
    report(&args)
}

#[test]
fn several_files_name_the_host_that_deviates() {
    for (case, check, expected) in [
        ("ipoib-mode/warn-one-of-three", "ipoib-mode", "WARN ipoib-mode node2:ib0"),
        ("ipoib-mtu/warn-one-of-three", "ipoib-mtu", "WARN ipoib-mtu node2:ib0"),
        ("ib-firmware/warn-one-of-three", "ib-firmware", "WARN ib-firmware node1:mlx4_0"),
    ] {
        assert_eq!(not_passed(&judged(case, &[]), &[check]), [expected], "{case}");
    }
}

#[test]
fn of_two_files_a_tie_is_said_and_the_plan_decides() {
    let report = judged("ipoib-mode/warn-tie", &[]);
    assert_eq!(not_passed(&report, &["ipoib-mode"]), ["WARN ipoib-mode node1:ib0", "WARN ipoib-mode node2:ib0"]);
    let summaries: Vec<&str> =
        report["findings"].as_array().expect("findings").iter().filter_map(|f| f["summary"].as_str()).collect();
    assert_eq!(summaries.iter().filter(|summary| summary.contains("a tie, so nobody can say")).count(), 2, "{summaries:?}");
    let folder = tempfile::tempdir().expect("a folder");
    let plan = folder.path().join("plan.yaml");
    std::fs::write(&plan, "schema: pathvet.plan/1\nexpect: { ipoib: { mode: connected } }\n").expect("a writable folder");
    let report = judged("ipoib-mode/warn-tie", &["-f", &plan.to_string_lossy()]);
    assert_eq!(not_passed(&report, &["ipoib-mode"]), ["FAIL ipoib-mode node2:ib0"]);
}

#[test]
fn recorded_trees() {
    let judged = |tree: &str| report(&["check", "--root", &testdata(&format!("hosts/{tree}")).to_string_lossy()]);
    let checks = ["ib-port", "ipoib-mode", "ipoib-mtu", "ib-partition"];
    let report = judged("ib-connected");
    assert_eq!(not_passed(&report, &checks), [""; 0]);
    assert_eq!(report["verdict"], "pass");
    let report = judged("ib-initializing");
    let found = not_passed(&report, &checks);
    assert!(found.contains(&"FAIL ib-port ib-initializing:fakeib0/1".to_owned()), "{found:?}");
    assert!(found.contains(&"UNKNOWN ipoib-mtu ib-initializing:ib0".to_owned()), "{found:?}");
    assert_eq!(report["verdict"], "fail");
    let found = not_passed(&judged("ib-roce"), &checks);
    assert!(!found.is_empty() && found.iter().all(|line| line.starts_with("SKIP ib-port")), "{found:?}");
    let found = not_passed(&judged("ib-two-ports"), &checks);
    assert!(found.iter().all(|line| line.starts_with("SKIP")), "the port without cable alarms nobody: {found:?}");
    assert_eq!(not_passed(&judged("ib-connectx3"), &checks), [""; 0]);
    assert_eq!(not_passed(&judged("ib-enhanced"), &checks), [""; 0]);
}

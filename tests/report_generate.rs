//! `pathvet generate`: the man pages in `man/` are current and well-formed, schemas and completions can be used.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use assert_cmd::cargo_bin_cmd;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

fn generate(args: &[&str]) -> String {
    let output = cargo_bin_cmd!("pathvet").arg("generate").args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn pages(folder: &Path) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read_to_string(entry.path()).unwrap())).collect()
}

#[test]
fn the_manual_is_current() {
    let folder = tempfile::tempdir().unwrap();
    generate(&["man", folder.path().join("new").to_str().unwrap()]);
    let made = pages(&folder.path().join("new"));
    let kept = pages(&Path::new(env!("CARGO_MANIFEST_DIR")).join("man"));
    let names = |pages: &BTreeMap<String, String>| pages.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&made), names(&kept), "man/ has other pages: cargo run -- generate man man/");
    for (name, text) in &made {
        assert!(kept[name] == *text, "man/{name} is stale: cargo run -- generate man man/");
    }
}

#[test]
fn a_formatter_has_nothing_to_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("man");
    for name in pages(&folder).keys() {
        let linted = Command::new("mandoc").args(["-T", "lint", "-W", "warning"]).arg(folder.join(name)).output();
        match linted {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return println!("SKIPPED: mandoc is not installed"),
            linted => {
                let said = linted.unwrap().stdout;
                assert!(said.is_empty(), "{}", String::from_utf8_lossy(&said));
            }
        }
    }
}

#[test]
fn the_plan_of_the_manual_is_a_plan() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("man/pathvet-plan.5")).unwrap();
    let plan = page.split(".Bd -literal\n").nth(1).and_then(|rest| rest.split(".Ed\n").next()).unwrap();
    cargo_bin_cmd!("pathvet").args(["plan", "lint", "-"]).write_stdin(plan).assert().code(0);
}

#[test]
fn schemas_know_the_documents() {
    for (document, name, example) in [
        ("report", "pathvet.report/1", include_str!("../testdata/reports/story.json")),
        ("evidence", "pathvet.evidence/1", r#"{"schema": 1, "taken": 1, "tool": 1, "hosts": 1, "paths": 1}"#),
    ] {
        let schema: serde_json::Value = serde_json::from_str(&generate(&["schema", document])).unwrap();
        assert_eq!(schema["$id"], name);
        assert_eq!(schema["properties"]["schema"]["const"], name);
        let example: serde_json::Value = serde_json::from_str(example).unwrap();
        let known = schema["properties"].as_object().unwrap();
        for key in example.as_object().unwrap().keys() {
            assert!(known.contains_key(key), "{document} has {key}, its schema has not");
        }
        for (key, value) in known {
            assert!(
                value.get("description").is_some_and(|text| text.as_str().unwrap().len() > 3),
                "{document}.{key} is not described"
            );
        }
    }
}

#[test]
fn completions_are_scripts() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = generate(&["completions", shell]);
        assert!(script.contains("pathvet") && script.contains("expect-mtu"), "{shell}");
        assert!(!script.contains("lab-host"), "{shell} offers a hidden verb");
        if shell == "bash" {
            let checked = Command::new("bash").args(["-n", "-c", &script]).output().unwrap();
            assert!(checked.status.success(), "{checked:?}");
        }
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_an_output_error() {
    let output = cargo_bin_cmd!("pathvet").args(["generate", "man", "/dev/null/man"]).output().unwrap();
    assert_eq!(output.status.code(), Some(74));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("pathvet: cannot create /dev/null/man: "), "{output:?}");
}

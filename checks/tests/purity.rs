//! What thinks does nothing else: no standard library, and a short list of crates below it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn crate_dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("the sources can be listed") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// `#![no_std]` alone proves nothing: `extern crate std` still compiles.
#[test]
fn the_standard_library_is_not_used() {
    let mut files = Vec::new();
    sources(&crate_dir().join("src"), &mut files);
    assert!(files.len() > 20);
    let root = std::fs::read_to_string(crate_dir().join("src/lib.rs")).expect("lib.rs");
    assert!(root.contains("#![no_std]") && root.contains("#![forbid(unsafe_code)]"));
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a source file");
        // Tests may use what they like.
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let tests_only = file.file_stem().is_some_and(|stem| stem == "tests");
        for (number, line) in code.lines().enumerate().filter(|_| !tests_only) {
            let line = line.trim_start();
            if line.starts_with("//") {
                continue;
            }
            let shown = format!("{}:{}: {line}", file.display(), number + 1);
            assert!(!line.contains("extern crate std"), "{shown}");
            assert!(!line.contains("std::"), "{shown}");
            assert!(!line.contains("f32") && !line.contains("powi("), "{shown}");
        }
    }
}

/// Everything that is linked below this crate, with what it is for. A new name here is a decision, not an accident.
const ALLOWED: [&str; 14] = [
    "pathvet-checks",
    // dates and moments
    "jiff",
    "jiff-core",
    // evidence and report as JSON
    "serde",
    "serde_core",
    "serde_json",
    "itoa",
    "memchr",
    "zmij",
    // the schema of both
    "schemars",
    "dyn-clone",
    "ref-cast",
    // errors
    "thiserror",
    // worked out once, without std
    "once_cell",
];

#[test]
fn the_crates_below_are_few() {
    let cargo = std::env::var("CARGO").expect("cargo runs the tests");
    let tree = ["tree", "--package", "pathvet-checks", "--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}"];
    let output = std::process::Command::new(cargo)
        .args(tree)
        .args(["--offline", "--locked"])
        .current_dir(crate_dir())
        .output()
        .expect("cargo tree starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    let linked: BTreeSet<&str> = text.lines().filter_map(|line| line.split(' ').next()).filter(|name| !name.is_empty()).collect();
    assert!(linked.contains("serde_json"), "{text}");
    let unknown: Vec<&&str> = linked.iter().filter(|name| !ALLOWED.contains(*name)).collect();
    assert!(unknown.is_empty(), "not on the list: {unknown:?}");
}

//! The registry of checks: every file is in the list, ids are lawful, documentation is whole, every rule has a case.

use pathvet_checks::builtin::{ALL, find};
use std::collections::BTreeSet;
use std::path::PathBuf;

fn crate_dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn docs(check: &dyn pathvet_checks::check::Check) -> String {
    let lines = check.meta().docs.iter().map(|line| line.strip_prefix(' ').unwrap_or(line));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn every_file_is_a_check_in_the_list() {
    let folder = std::fs::read_dir(crate_dir().join("src/builtin")).expect("the folder of the checks");
    let files: BTreeSet<String> = folder
        .map(|entry| entry.expect("an entry").path())
        .map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned())
        .collect();
    let listed: BTreeSet<String> = ALL.iter().map(|check| check.meta().id.replace('-', "_")).collect();
    assert_eq!(files, listed);
}

#[test]
fn ids_are_lawful_and_unique() {
    let mut seen = BTreeSet::new();
    for check in ALL {
        let id = check.meta().id;
        assert!(seen.insert(id), "{id} twice");
        let lawful = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        assert!(id.split('-').all(lawful), "{id}");
        assert!(find(id).is_some_and(|found| found.meta().id == id));
    }
    assert!(find("path-mtus").is_none());
}

#[test]
fn documentation_is_whole() {
    for check in ALL {
        let (id, summary, docs) = (check.meta().id, check.meta().summary, docs(*check));
        assert!(!summary.ends_with('.') && summary.len() < 70 && !summary.is_empty(), "{id}: {summary}");
        let headings: Vec<&str> = docs.lines().filter_map(|line| line.strip_prefix("# ")).collect();
        let known = ["What it looks for", "Why it matters", "How it decides", "What to do", "Example", "See also"];
        assert!(headings.iter().all(|heading| known.contains(heading)), "{id}: {headings:?}");
        for wanted in ["What it looks for", "How it decides", "What to do", "Example"] {
            assert_eq!(headings.iter().filter(|heading| **heading == wanted).count(), 1, "{id}: {wanted}");
        }
        assert!(!docs.contains('\u{2014}'), "{id} has an em dash");
    }
}

#[test]
fn every_check_has_cases() {
    for check in ALL {
        let id = check.meta().id;
        let folder = crate_dir().join("../testdata/checks").join(id);
        let cases = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let cases: Vec<String> = cases.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        let some = |prefixes: &[&str]| cases.iter().any(|case| prefixes.iter().any(|prefix| case.starts_with(prefix)));
        assert!(some(&["pass-"]), "{id} has no case that passes");
        assert!(some(&["fail-", "warn-"]), "{id} has no case that does not pass");
        assert!(some(&["unknown-", "skip-"]), "{id} has no case that cannot be decided");
    }
}

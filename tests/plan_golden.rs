//! Plans under testdata/plans: what is right is read, what is wrong is said as the golden file beside it says.
//!
//! `PATHVET_BLESS=1 cargo test --test plan_golden` writes the golden files anew.

use pathvet::error::render_problems;
use pathvet::plan::Plan;
use std::path::{Path, PathBuf};

fn plans(prefix: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/plans");
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .expect("testdata/plans is part of the repository")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix)))
        .collect();
    found.sort();
    assert!(!found.is_empty(), "no {prefix}*.yaml");
    found
}

/// Reads a plan under its bare file name, so that messages do not depend on where the repository lies.
fn read(path: &Path) -> Result<Plan, pathvet::error::InputError> {
    let bytes = std::fs::read(path).expect("a readable plan");
    Plan::parse(&path.file_name().expect("a file").to_string_lossy(), &bytes)
}

fn compare(path: &Path, found: &str) {
    let golden = path.with_extension("txt");
    if std::env::var_os("PATHVET_BLESS").is_some() {
        std::fs::write(&golden, found).expect("a writable folder");
    }
    let expected = std::fs::read_to_string(&golden).unwrap_or_default();
    assert_eq!(found, expected, "{} is not what {} makes now", golden.display(), path.display());
}

#[test]
fn good_plans_are_read_without_a_remark_on_sizes() {
    for path in plans("good-") {
        let plan = read(&path).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(plan.lint(jiff::civil::date(2026, 11, 20)), [], "{}", path.display());
    }
}

#[test]
fn every_mistake_of_a_bad_plan_is_told_at_once() {
    for path in plans("bad-") {
        let error = read(&path).map(|plan| format!("{plan:?}")).expect_err(&path.display().to_string());
        let text = error.render(false);
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{}: {text:?}", path.display());
        compare(&path, &text);
    }
}

#[test]
fn lints_are_told_and_do_not_stop_a_run() {
    for path in plans("lint-") {
        let plan = read(&path).unwrap_or_else(|error| panic!("{error}"));
        compare(&path, &render_problems(&plan.lint(jiff::civil::date(2026, 11, 20)), false));
    }
}

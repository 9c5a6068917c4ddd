//! The run that the README shows is a real one: the demo is run, and its words compared. Times and counts of probes may differ.
//!
//! `PATHVET_BLESS=1 cargo test --test report_readme` writes the run into the README.

use assert_cmd::cargo_bin_cmd;
use std::path::Path;

const START: &str = "```\n$ pathvet demo\n";
const END: &str = "\n```\n";

/// Numbers that differ from run to run become `N` in a path's heading; counts such as `13 of 13` are left out.
fn steady(text: &str) -> String {
    let number = |word: &str| !word.is_empty() && word.bytes().all(|c| c.is_ascii_digit());
    let mut lines = Vec::new();
    for line in text.lines() {
        if line.contains(" probes, ") || line.contains("rtt ") {
            let masked: String = line.chars().map(|c| if c.is_ascii_digit() { 'N' } else { c }).collect();
            lines.push(masked.replace("NN", "N").replace("NN", "N").replace("N.N", "N"));
            continue;
        }
        // The number of blanks belongs to the layout, which has its own tests.
        let mut words: Vec<&str> = line.split_whitespace().collect();
        // A size that was tried once has no count at all.
        while let Some(at) = words.windows(3).position(|three| three[1] == "of" && number(three[0]) && number(three[2])) {
            words.drain(at..at + 3);
        }
        lines.push(words.join(" "));
    }
    lines.join("\n")
}

#[test]
fn the_readme_shows_the_demo() {
    let output = cargo_bin_cmd!("pathvet").arg("demo").env("LC_ALL", "C").env_remove("COLUMNS").output().unwrap();
    let said = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(&place).unwrap();
    let (before, rest) = readme.split_once(START).expect("the README shows a run of the demo");
    let (shown, after) = rest.split_once(END).expect("the run ends");
    if std::env::var_os("PATHVET_BLESS").is_some() {
        std::fs::write(&place, format!("{before}{START}{}{END}{after}", said.trim_end())).unwrap();
        return;
    }
    assert_eq!(steady(shown), steady(said.trim_end()), "PATHVET_BLESS=1 cargo test --test report_readme writes it anew");
}

#[test]
fn what_differs_from_run_to_run_is_masked() {
    assert_eq!(steady("  rtt 0.05 ms   61 probes, 398 KiB, 18 ms"), steady("  rtt 0.31 ms   57 probes, 1398 KiB, 9 ms"));
    assert_eq!(steady(" 9199 9217 vanished   0 of 13   <- x"), steady(" 9199 9217 vanished <- x"));
}

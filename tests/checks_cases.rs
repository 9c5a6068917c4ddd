//! Every case under `testdata/checks`: evidence in, findings out.
//!
//! A case is a folder `testdata/checks/<check>/<outcome>-<what>/` with `evidence.json`, a `plan.yaml` where a plan matters, `args`
//! with `--expect-mtu` or `--only` where these matter, and `findings.txt`: what that check says of it. The moment of judging is
//! the evidence's `taken`. `PATHVET_BLESS=1 cargo test --test checks_cases` writes the expected files anew.

use pathvet::catalogue;
use pathvet::plan::Plan;
use pathvet_checks::builtin;
use pathvet_checks::evidence::Evidence;
use pathvet_checks::expect::Expect;
use pathvet_checks::report::{Finding, Outcome, Report};
use pathvet_checks::{Case, judge};
use std::fmt::Write;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/checks")
}

/// The folders in `dir`, in order; what begins with `_` is no case.
fn folders(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_dir()).collect();
    folders.retain(|path| !name(path).starts_with('_'));
    folders.sort();
    folders
}

fn name(path: &Path) -> String {
    path.file_name().expect("a name").to_string_lossy().into_owned()
}

fn cases() -> Vec<(String, PathBuf)> {
    folders(&root()).iter().flat_map(|check| folders(check).into_iter().map(|case| (name(check), case))).collect()
}

fn expectation(case: &Path) -> Expect {
    let plan = case.join("plan.yaml");
    let mut expect = match std::fs::read(&plan) {
        Ok(bytes) => Plan::parse("plan.yaml", &bytes).unwrap_or_else(|error| panic!("{}:\n{error}", plan.display())).expect,
        Err(_) => Expect::default(),
    };
    let args = std::fs::read_to_string(case.join("args")).unwrap_or_default();
    let mut words = args.split_whitespace();
    while let Some(word) = words.next() {
        let value = words.next().expect("a value");
        match word {
            "--expect-mtu" => expect.mtu = Some(value.parse().expect("a size")),
            "--only" => expect.only = value.split(',').map(str::to_owned).collect(),
            other => panic!("{}: {other} is not for cases", case.display()),
        }
    }
    expect
}

fn judged(case: &Path) -> Report {
    let text = std::fs::read(case.join("evidence.json")).expect("evidence.json");
    let evidence: Evidence = serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", case.display()));
    judge(&Case { evidence: &evidence, expect: &expectation(case), catalogue: catalogue::ceilings(), now: evidence.taken })
}

/// A finding as the cases and the documentation show it.
fn rendered(finding: &Finding) -> String {
    let mut text = format!("{} {} {}\n  {}\n", finding.outcome.word(), finding.check, finding.subject, finding.summary);
    let mut line = |label: &str, words: &str| writeln!(text, "  {label}: {words}").expect("a string takes everything");
    for (label, quantity) in [("measured", &finding.observed), ("expected", &finding.expected)] {
        if let Some(quantity) = quantity {
            line(label, &quantity.text);
        }
    }
    for (label, lines) in
        [("note", &finding.notes), ("from", &finding.sources), ("cause", &finding.causes), ("remedy", &finding.remedies)]
    {
        for words in lines {
            line(label, words);
        }
    }
    for row in finding.details.iter().flat_map(|details| &details.rows) {
        let cells: Vec<&str> = row.cells.iter().map(|cell| if cell.is_empty() { "-" } else { cell }).collect();
        line("row", &format!("{}: {}", row.name, cells.join(" | ")));
    }
    if let Some(waived) = &finding.waived {
        line("waived", &format!("{} until {}: {}", waived.owner, waived.until, waived.reason));
    }
    text
}

/// What the check says of the case, and the diagnoses that explain it.
fn said(check: &str, report: &Report) -> String {
    let mut text = String::new();
    for finding in report.findings.iter().filter(|finding| finding.check == check) {
        text.push_str(&rendered(finding));
    }
    if text.is_empty() {
        text.push_str("no finding\n");
    }
    for diagnosis in &report.diagnoses {
        if diagnosis.explains.iter().any(|index| report.findings[*index].check == check) {
            let culprit = serde_json::to_value(diagnosis.culprit.kind).expect("a word");
            let sure = serde_json::to_value(diagnosis.confidence).expect("a word");
            let word = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            writeln!(text, "\nDIAGNOSIS ({}) {} {}\n  {}", word(&sure), word(&culprit), diagnosis.culprit.name, diagnosis.summary)
                .expect("text");
            for (label, lines) in [("detail", &diagnosis.details), ("proof", &diagnosis.proof), ("remedy", &diagnosis.remedies)] {
                for words in lines {
                    writeln!(text, "  {label}: {words}").expect("text");
                }
            }
        }
    }
    text
}

#[test]
fn findings_are_as_expected() {
    let bless = std::env::var_os("PATHVET_BLESS").is_some();
    let mut wrong = String::new();
    let mut count = 0;
    for (check, case) in cases() {
        count += 1;
        assert!(builtin::find(&check).is_some(), "{check} is no check");
        let found = said(&check, &judged(&case));
        let file = case.join("findings.txt");
        if bless {
            std::fs::write(&file, &found).expect("findings.txt can be written");
        }
        let expected = std::fs::read_to_string(&file).unwrap_or_default();
        if found != expected {
            writeln!(wrong, "--- {}\nexpected:\n{expected}\nfound:\n{found}", case.display()).expect("text");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(count > 100);
}

/// The first word of a case's name is the worst outcome that its check comes to.
#[test]
fn names_of_cases_tell_their_outcome() {
    for (check, case) in cases() {
        let report = judged(&case);
        let findings = report.findings.iter().filter(|finding| finding.check == check);
        let worst = findings.map(|finding| finding.outcome).max();
        let name = name(&case);
        let promised = name.split('-').next().unwrap_or_default();
        let word = worst.map_or("pass".to_owned(), |outcome| outcome.word().to_lowercase());
        assert_eq!(promised, word, "{}", case.display());
        assert!(worst != Some(Outcome::Skip) || report.findings.iter().all(|finding| !finding.summary.is_empty()));
    }
}

/// Documentation cannot lie: the example names a case, and the block under it stands in that case's findings.
#[test]
fn examples_are_true() {
    for check in builtin::ALL {
        let id = check.meta().id;
        let lines: Vec<&str> = check.meta().docs.iter().map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
        let docs = lines.join("\n");
        let example = docs.split("# Example\n").nth(1).expect("an example");
        let example = example.split("\n# ").next().unwrap_or_default();
        let case = example.split('`').nth(1).expect("the example names a case");
        let block = example.split("```text\n").nth(1).and_then(|rest| rest.split("```").next());
        let block = block.unwrap_or_else(|| panic!("{id}: the example shows no finding"));
        let findings = std::fs::read_to_string(root().join(id).join(case).join("findings.txt"));
        let findings = findings.unwrap_or_else(|error| panic!("{id}: {case}: {error}"));
        assert!(findings.starts_with(block), "{id}: the example says\n{block}\nand the case\n{findings}");
    }
}

/// A report can be written and read again: what is judged here can be sent elsewhere.
#[test]
fn reports_survive_json() {
    for (_, case) in cases() {
        let report = judged(&case);
        let text = serde_json::to_string(&report).expect("a report can be written");
        let read: Report = serde_json::from_str(&text).expect("and read");
        assert_eq!(report, read);
    }
}

//! The table of hand-made reports, byte for byte. `PATHVET_BLESS=1 cargo test --test report_table` writes the expected files anew.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use pathvet::report::{View, json, table};
use pathvet_checks::evidence::{Limit, LimitKind, LossSample};
use pathvet_checks::report::{Counts, Outcome, Report};
use std::path::PathBuf;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/reports")
}

fn load(name: &str) -> Report {
    let text = std::fs::read_to_string(folder().join(format!("{name}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn view(width: usize) -> View {
    View { width, utf8: true, ..View::default() }
}

/// Compares with `testdata/reports/<file>`, or writes it when asked to.
fn golden(file: &str, text: &str) {
    let path = folder().join(file);
    if std::env::var_os("PATHVET_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}; write it with PATHVET_BLESS=1"));
    assert!(wanted == text, "{file} differs; it should be:\n{wanted}\nit is:\n{text}");
}

fn goldens(name: &str, report: &Report, widths: &[usize]) {
    for &width in widths {
        golden(&format!("{name}.{width}.txt"), &table::render(report, &view(width)));
    }
}

#[test]
fn every_report_at_three_widths() {
    for name in ["story", "healthy", "gateway", "router", "unknown-host", "policer", "lossy"] {
        goldens(name, &load(name), &[50, 80, 160]);
    }
}

#[test]
fn verbose_ascii_colour_and_quiet() {
    let report = load("story");
    golden("story.verbose.txt", &table::render(&report, &View { verbose: 1, ..view(80) }));
    golden("story.ascii.txt", &table::render(&report, &View { utf8: false, ..view(80) }));
    golden("story.color.txt", &table::render(&report, &View { color: true, ..view(80) }));
    golden("story.quiet.txt", &table::render(&report, &View { quiet: true, ..view(80) }));
    golden("policer.color.txt", &table::render(&load("policer"), &View { color: true, ..view(80) }));
    assert_eq!(table::render(&load("healthy"), &View { quiet: true, ..view(80) }), "");
}

/// The healthy path many times over; of every hundred one has the silent cut of the story and one does not answer.
fn farm(paths: u32) -> Report {
    let (healthy, story) = (load("healthy"), load("story"));
    let mut report =
        Report { paths: Vec::new(), findings: Vec::new(), diagnoses: Vec::new(), counts: Counts::default(), ..load("story") };
    report.elapsed_ms = 1234;
    for n in 0..paths {
        let model = if n % 100 == 17 { &story } else { &healthy };
        let dead = n % 100 == 63;
        let mut path = model.paths[0].clone();
        let address = std::net::Ipv4Addr::from(0x0a50_0000 + n);
        path.path.to = address.to_string();
        path.path.address = Some(address.into());
        path.path.family = 4;
        if dead {
            path.path.path_mtu = None;
            path.path.rungs.clear();
            path.path.rtt_us = None;
            path.path.sample = LossSample::default();
            path.path.limit = Limit { kind: LimitKind::Filtered, direction: None, router: None, reported_mtu: None };
        }
        let subject = path.path.subject();
        let offset = report.findings.len();
        for finding in model.findings.iter().filter(|finding| finding.at.to.is_some()) {
            let mut finding = finding.clone();
            finding.subject = subject.as_str().into();
            if dead {
                let reach = finding.check == "path-reach";
                finding.outcome = if reach { Outcome::Unknown } else { Outcome::Skip };
                finding.summary = if reach { "routed, and silent" } else { "see path-reach" }.into();
                (finding.observed, finding.expected) = (None, None);
            }
            report.findings.push(finding);
        }
        for diagnosis in &model.diagnoses {
            let mut diagnosis = diagnosis.clone();
            diagnosis.explains = diagnosis.explains.iter().map(|index| index + offset).collect();
            diagnosis.summary = diagnosis.summary.replace("node2", &path.path.to);
            report.diagnoses.push(diagnosis);
        }
        report.paths.push(path);
    }
    for finding in &report.findings {
        match finding.outcome {
            Outcome::Pass => report.counts.pass += 1,
            Outcome::Warn => report.counts.warn += 1,
            Outcome::Fail => report.counts.fail += 1,
            Outcome::Unknown => report.counts.unknown += 1,
            Outcome::Skip => report.counts.skip += 1,
        }
    }
    report
}

#[test]
fn many_paths_stay_readable() {
    goldens("targets-18", &farm(18), &[80]);
    goldens("targets-300", &farm(300), &[50, 80, 160]);
    let text = table::render(&farm(10_000), &view(80));
    assert!(text.lines().count() < 200, "{} lines", text.lines().count());
    assert!(text.contains("9800 of 10000 paths PASS, all with MTU 9000"), "{text}");
    let all = table::render(&farm(10_000), &View { verbose: 1, ..view(80) });
    let listed = all.lines().filter(|line| line.starts_with(" 10.80.") && line.contains(" PASS ")).count();
    assert_eq!(listed, 9800);
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for name in ["story", "healthy", "gateway", "router", "policer"] {
        for width in [50, 64, 80, 100, 160] {
            for line in table::render(&load(name), &view(width)).lines() {
                assert!(line.chars().count() <= width, "{name} at {width}: {line}");
                assert_eq!(line.trim_end(), line, "{name} at {width}");
            }
        }
    }
}

#[test]
fn nothing_from_outside_reaches_the_terminal_raw() {
    for verbose in [0, 1] {
        let text = table::render(&load("lossy"), &View { verbose, ..view(80) });
        assert!(!text.contains('\u{1b}') && text.contains("evil\\u{1b}[2Jname"), "{text}");
    }
    let mut report = load("story");
    let evil = "x\u{1b}]0;t\u{7}\ny\u{202e}";
    let path = &mut report.paths[0].path;
    (path.from, path.to, path.network, path.interface) = (evil.into(), evil.into(), Some(evil.into()), Some(evil.into()));
    for finding in &mut report.findings {
        finding.check += evil;
        finding.subject = format!("{}{evil}", finding.subject).into();
        finding.summary += evil;
        finding.notes.push(evil.into());
        finding.causes.push(evil.into());
        finding.remedies.push(evil.into());
        finding.sources.push(evil.into());
        for quantity in [&mut finding.observed, &mut finding.expected].into_iter().flatten() {
            quantity.text.push_str(evil);
        }
    }
    for diagnosis in &mut report.diagnoses {
        diagnosis.explains.clear();
        diagnosis.summary.push_str(evil);
        for list in [&mut diagnosis.details, &mut diagnosis.proof, &mut diagnosis.remedies] {
            list.push(evil.into());
        }
    }
    for utf8 in [true, false] {
        for verbose in [0, 1] {
            let text = table::render(&report, &View { verbose, utf8, ..view(80) });
            let raw = text.chars().find(|&c| (c.is_control() && c != '\n') || c == '\u{202e}');
            assert_eq!(raw, None, "{text}");
            assert!(!text.lines().any(|line| line.starts_with('y')), "{text}");
            assert!(utf8 || text.is_ascii(), "{text}");
        }
        let text = table::render(&report, &View { quiet: true, utf8, ..view(80) });
        assert_eq!(text.lines().count(), 1);
    }
}

#[test]
fn the_exit_code_is_named_where_it_is_not_the_verdicts_own() {
    let mut report = load("router");
    report.exit_code = 0;
    let text = table::render(&report, &view(80));
    assert!(text.lines().last().unwrap().starts_with("WARN: 1 warning, 3 passed (exit code 0)."), "{text}");
}

#[test]
fn json_keeps_the_names_and_the_order_of_the_schema() {
    let report = load("story");
    let mut text = Vec::new();
    json::write(&report, &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.ends_with("}\n") && text.starts_with("{\n  \"schema\": \"pathvet.report/1\",\n  \"tool\""));
    let keys: Vec<&str> = text.lines().filter(|line| line.starts_with("  \"")).filter_map(|line| line.split('"').nth(1)).collect();
    let wanted = ["schema", "tool", "started", "elapsed_ms", "verdict", "exit_code", "counts", "paths", "findings", "diagnoses"];
    assert_eq!(keys, wanted);
    assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let path = value["paths"][0].as_object().unwrap();
    let named = [
        "from",
        "to",
        "network",
        "address",
        "family",
        "dscp",
        "flow",
        "flows",
        "taken",
        "method",
        "interface",
        "interface_mtu",
        "expected_mtu",
        "path_mtu",
        "reverse_mtu",
        "peer_mtu",
        "limit",
        "loss",
        "rtt_us",
        "probes_sent",
        "bytes_sent",
        "rounds",
        "elapsed_ms",
        "rungs",
    ];
    assert!(named.iter().all(|name| path.contains_key(*name)), "{path:?}");
}

//! Reports with any text and any numbers in them, at any width: no panic, and nothing that moves a terminal's cursor.

use pathvet::report::ladder::{self, Live};
use pathvet::report::{View, table};
use pathvet_checks::evidence::{LossSample, Rtt, Rung, RungOutcome};
use pathvet_checks::report::{Outcome, Report};
use proptest::prelude::*;

fn story() -> Report {
    serde_json::from_str(include_str!("../testdata/reports/story.json")).expect("a report")
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-z0-9 ]{0,200}",
        "(->|→|\u{1b}\\[2J|\n|\r|\t|\u{202e}|漢字|é| |-v|PASS|FAIL){0,12}",
        Just(String::new()),
    ]
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop::sample::select(vec![Outcome::Pass, Outcome::Warn, Outcome::Fail, Outcome::Unknown, Outcome::Skip])
}

fn rungs() -> impl Strategy<Value = Vec<Rung>> {
    let outcome = prop::sample::select(vec![
        RungOutcome::Passed,
        RungOutcome::Silent,
        RungOutcome::TooBig,
        RungOutcome::Local,
        RungOutcome::Lost,
        RungOutcome::Unknown,
    ]);
    let mtu = prop_oneof![any::<u32>(), prop::sample::select(vec![9198_u32, 9199, 9600, 1500])];
    let rung = (mtu, any::<u32>(), any::<u32>(), outcome);
    prop::collection::vec(rung.prop_map(|(mtu, sent, replied, outcome)| Rung { mtu, sent, replied, outcome }), 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_report_renders(
        width in 0_usize..200,
        flags in any::<(bool, bool)>(),
        verbose in 0_u8..3,
        copies in 1_usize..12,
        words in prop::collection::vec(text(), 8),
        outcomes in prop::collection::vec(outcome(), 7),
        rungs in rungs(),
        numbers in any::<(u64, u64, u64, u32, u32, u32, u32)>(),
        explains in prop::collection::vec(any::<usize>(), 0..4),
    ) {
        let (utf8, quiet) = flags;
        let mut report = story();
        let path = &mut report.paths[0].path;
        (path.from, path.to, path.network, path.interface) =
            (words[0].clone(), words[1].clone(), Some(words[2].clone()), Some(words[3].clone()));
        path.rungs = rungs;
        (path.probes_sent, path.bytes_sent, path.elapsed_ms) = (numbers.0, numbers.1, numbers.2);
        path.sample = LossSample { sent: numbers.3, replied: numbers.4 };
        path.rtt_us = Some(Rtt { min: numbers.5, avg: numbers.5, max: numbers.5 });
        path.flow = numbers.6;
        path.flows = numbers.3;
        let subject = path.subject();
        for (finding, outcome) in report.findings.iter_mut().zip(&outcomes) {
            finding.outcome = *outcome;
            finding.subject = subject.as_str().into();
            finding.check = words[4].clone().into();
            finding.summary = words[5].clone().into();
            finding.notes = words.clone();
            finding.causes.clone_from(&finding.notes);
            finding.remedies.clone_from(&finding.notes);
            if let Some(seen) = &mut finding.observed {
                seen.text.clone_from(&words[6]);
            }
        }
        report.diagnoses[0].summary.clone_from(&words[7]);
        report.diagnoses[0].proof = words.clone();
        report.diagnoses[0].explains = explains;
        report.paths = vec![report.paths[0].clone(); copies];

        let view = View { width, color: false, utf8, verbose, quiet };
        let page = table::render(&report, &view);
        prop_assert!(page.chars().all(|c| c == '\n' || !c.is_control()), "{page:?}");
        prop_assert!(utf8 || page.is_ascii(), "{page:?}");
        prop_assert!(page.is_empty() || page.ends_with('\n'));
        let colourful = table::render(&report, &View { color: true, ..view });
        let bare = anstream::adapter::strip_str(&colourful).to_string();
        prop_assert_eq!(bare, page);

        let path = &report.paths[0].path;
        let raw = ladder::render(path, None, &view).contains(|c: char| c.is_control() && c != '\n');
        prop_assert!(!raw);
        for terminal in [false, true] {
            let mut live = Live::new(Vec::new(), view, terminal, usize::from(verbose) * 10);
            live.update(path, Some(numbers.6)).expect("a Vec takes everything");
            live.update(path, None).expect("a Vec takes everything");
            live.finish(path, None).expect("a Vec takes everything");
        }
    }
}

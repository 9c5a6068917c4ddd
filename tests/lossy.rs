//! Lossy paths: a short form of `cargo bench -- --loss N`, with the counts.

use pathvet::lab::Lab;
use pathvet::lab::topologies::{Family, Topology};
use pathvet_checks::report::Report;
use std::path::Path;
use std::sync::Mutex;

const PATHVET: &str = env!("CARGO_BIN_EXE_pathvet");

/// The topologies, what they carry, and whether "cannot tell" is an answer.
const LOSSY: &[(&str, u32, bool)] = &[
    ("loss-5", 9000, false),
    ("loss-20", 9000, false),
    ("loss-40", 9000, true),
    ("loss-5-cut", 9198, false),
    ("loss-20-cut", 9198, false),
    ("loss-40-cut", 9198, true),
];
/// Runs in each network.
const RUNS: u64 = 5;

/// The answers of some runs in one network, whose losses are its own.
fn answers(name: &str, family: Family, seed: u64) -> Vec<Option<u32>> {
    let mut scene = Topology::find(name).expect("the topology exists").scene(family);
    scene.network.seed = seed;
    let lab = Lab::build(Path::new(PATHVET), scene).expect("the lab starts");
    let target = lab.target().expect("it has a target").to_string();
    let vet = |_| {
        let output = lab.run(lab.first(), &[PATHVET, "check", "--format", "json", &target]).expect("it runs");
        let report: Report = serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        report.paths.first().and_then(|path| path.path.path_mtu)
    };
    (0..RUNS).map(vet).collect()
}

#[test]
fn no_answer_over_a_lossy_path_is_wrong() {
    let kinds: Vec<_> = LOSSY.iter().flat_map(|kind| Family::BOTH.map(|family| (*kind, family))).collect();
    let counted = Mutex::new(Vec::new());
    // Most of a lossy run is waiting: all networks at once.
    std::thread::scope(|scope| {
        for (index, ((name, truth, may_be_undecided), family)) in (1..).zip(&kinds) {
            let counted = &counted;
            scope.spawn(move || {
                let answers = answers(name, *family, index * 7919);
                let mut counted = counted.lock().expect("no other has failed");
                counted.push((*name, *family, *truth, *may_be_undecided, answers));
            });
        }
    });
    let mut counted = counted.into_inner().expect("none has failed");
    counted.sort_by_key(|(name, family, ..)| (*name, *family));
    println!("{:<12} {:<4} {:>8} {:>6} {:>9} {:>6}", "topology", "IP", "right is", "right", "undecided", "wrong");
    let (mut runs, mut all_wrong, mut all_undecided) = (0, 0, 0);
    for (name, family, truth, may_be_undecided, answers) in counted {
        let right = answers.iter().filter(|answer| **answer == Some(truth)).count();
        let undecided = answers.iter().filter(|answer| answer.is_none()).count();
        let wrong = answers.len() - right - undecided;
        println!("{name:<12} {:<4} {truth:>8} {right:>6} {undecided:>9} {wrong:>6}   {answers:?}", family.number());
        runs += answers.len();
        all_wrong += wrong;
        all_undecided += if may_be_undecided { 0 } else { undecided };
    }
    println!("{runs} runs, {all_wrong} wrong, {all_undecided} undecided below 40 %");
    assert_eq!((runs, all_wrong, all_undecided), (60, 0, 0));
}

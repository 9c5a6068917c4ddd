//! Plans and lists that are broken at random, from a fixed seed: reading them never panics, and what is refused has a place.

mod random;

use pathvet::plan::{Local, Plan};
use random::Random;
use std::path::Path;

/// How many broken plans are read.
const RUNS: u32 = 20_000;

/// Pieces that mean something to a YAML or plan reader.
const PIECES: [&str; 40] = [
    "\n",
    "  ",
    "\t",
    ": ",
    "- ",
    "{",
    "}",
    "[",
    "]",
    ",",
    "&a ",
    "*a",
    "<<: *a",
    "!t ",
    "---\n",
    "...\n",
    "# ",
    "\"",
    "'",
    "|\n",
    ">-\n",
    "? ",
    "~",
    "null",
    "true",
    "9014",
    "-1",
    "1e9",
    "0x10",
    ".inf",
    "%YAML 1.1\n",
    "\u{feff}",
    "\u{202e}",
    "é",
    "\r",
    "\0",
    "schema: pathvet.plan/1\n",
    "mtu: 9000",
    "mesh: [a, b]",
    "until: 2027-02-30",
];

fn mutate(random: &mut Random, seed: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len() + 1);
        match random.below(6) {
            0 if at < bytes.len() => bytes[at] = random.next().to_le_bytes()[0],
            1 if at < bytes.len() => {
                let end = (at + random.below(30)).min(bytes.len());
                bytes.drain(at..end);
            }
            2 => {
                let end = (at + random.below(60)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                let to = random.below(bytes.len() + 1);
                bytes.splice(to..to, copy);
            }
            3 => {
                let from = random.below(other.len() + 1);
                let end = (from + random.below(80)).min(other.len());
                bytes.splice(at..at, other[from..end].iter().copied());
            }
            4 => bytes.truncate(at),
            _ => {
                let piece = PIECES[random.below(PIECES.len())];
                bytes.splice(at..at, piece.bytes());
            }
        }
    }
    bytes
}

#[test]
fn broken_plans_never_panic_and_mistakes_have_places() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/plans");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("testdata/plans is part of the repository")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    paths.sort();
    let seeds: Vec<_> = paths.iter().map(|path| std::fs::read(path).expect("a readable plan")).collect();
    let is_good = |index: &usize| paths[*index].to_string_lossy().contains("/good-");
    let good_seeds: Vec<_> = (0..seeds.len()).filter(is_good).collect();
    let mut random = Random(0x7061_7468_7665_7401);
    let local = Local { names: vec!["node1".into()], addresses: Vec::new() };
    let (mut good, mut problems) = (0, 0);
    for _ in 0..RUNS {
        // Every second one begins as a right plan, so that the readers behind the YAML are reached.
        let seed = if random.below(2) == 0 { good_seeds[random.below(good_seeds.len())] } else { random.below(seeds.len()) };
        let other = random.below(seeds.len());
        let bytes = mutate(&mut random, &seeds[seed], &seeds[other]);
        match Plan::parse("p", &bytes) {
            Ok(plan) => {
                good += 1;
                let _ = (plan.paths_from(&local), plan.lint(jiff::civil::date(2026, 11, 20)));
            }
            Err(error) => {
                assert!(!error.problems.is_empty());
                problems += error.problems.len();
                for problem in &error.problems {
                    assert!(problem.place.is_some(), "{problem:?}\n{}", String::from_utf8_lossy(&bytes));
                }
                let text = error.render(false);
                assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
            }
        }
    }
    println!("{RUNS} broken plans read: {good} still right, {problems} mistakes told");
}

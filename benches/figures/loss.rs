//! Many runs over lossy paths, counted.

use crate::rivals::report;
use crate::table::{Spread, markdown, number, time, times};
use crate::{PATHVET, command};
use pathvet::lab::Lab;
use pathvet::lab::topologies::{Family, Topology};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The topologies, what they carry, and whether "cannot tell" is an answer.
const LOSSY: &[(&str, u32, bool)] = &[
    ("loss-5", 9000, false),
    ("loss-20", 9000, false),
    ("loss-40", 9000, true),
    ("loss-5-cut", 9198, false),
    ("loss-20-cut", 9198, false),
    ("loss-40-cut", 9198, true),
];

/// Networks at the same time. Most of a lossy run is waiting.
const WORKERS: usize = 16;
/// Runs in one network. Each network has losses of its own.
const RUNS_EACH: usize = 5;

#[derive(Default)]
struct Counted {
    right: usize,
    undecided: usize,
    /// Why, where a path was undecided.
    reasons: Vec<String>,
    wrong: Vec<String>,
    probes: Vec<u64>,
    walls: Vec<Duration>,
}

/// Makes `runs` runs over all lossy topologies in both families. `false`: there was a wrong answer, or none where there is one.
pub(crate) fn measure(runs: usize) -> bool {
    let kinds: Vec<_> = LOSSY.iter().flat_map(|kind| Family::BOTH.map(|family| (kind, family))).collect();
    let each = runs.div_ceil(kinds.len());
    let counted: Vec<Mutex<Counted>> = kinds.iter().map(|_| Mutex::default()).collect();
    let labs = each.div_ceil(RUNS_EACH);
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let job = next.fetch_add(1, Ordering::Relaxed);
                    let (round, kind) = (job / kinds.len(), job % kinds.len());
                    if round >= labs {
                        return;
                    }
                    let ((name, truth, _), family) = kinds[kind];
                    let seed = u64::try_from(job).unwrap_or(0).wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1;
                    let wanted = RUNS_EACH.min(each - round * RUNS_EACH);
                    vet(name, family, *truth, seed, wanted, &counted[kind]);
                }
            });
        }
    });
    let mut fine = true;
    let (mut rows, mut all, mut all_wrong, mut reasons) = (Vec::new(), 0, Vec::new(), Vec::new());
    for (((name, truth, may_be_undecided), family), counted) in kinds.iter().zip(&counted) {
        let counted = counted.lock().expect("no worker has failed");
        fine &= counted.wrong.is_empty() && (*may_be_undecided || counted.undecided == 0);
        all += counted.walls.len();
        reasons.extend(counted.reasons.iter().map(|reason| format!("{name} {family}: {reason}")));
        all_wrong.extend(counted.wrong.iter().map(|answer| format!("{name} {family}: {answer}")));
        rows.push(vec![
            (*name).to_owned(),
            family.to_string(),
            truth.to_string(),
            counted.right.to_string(),
            counted.undecided.to_string(),
            counted.wrong.len().to_string(),
            Spread::of(&counted.probes).map_or("-".to_owned(), |probes| format!("{} (most {})", probes.median, probes.most)),
            Spread::of(&counted.walls).map_or("-".to_owned(), times),
        ]);
    }
    let head = ["topology", "family", "right is", "right", "undecided", "wrong", "probes", "median (least - most)"];
    println!("{}", markdown(&format!("{} runs over lossy paths, {WORKERS} at a time", number(all as u64)), &head, &rows));
    for reason in &reasons {
        println!("undecided: {reason}");
    }
    for answer in &all_wrong {
        println!("wrong: {answer}");
    }
    println!("{} wrong", all_wrong.len());
    fine
}

/// Some runs in one network.
fn vet(name: &str, family: Family, truth: u32, seed: u64, runs: usize, counted: &Mutex<Counted>) {
    let mut scene = Topology::find(name).expect("the topology exists").scene(family);
    scene.network.seed = seed;
    let lab = Lab::build(Path::new(PATHVET), scene).expect("the lab starts");
    let target = lab.target().expect("it has a target").to_string();
    for _ in 0..runs {
        let argv = [PATHVET, "check", "--format", "json", &target];
        let run = command::run(lab.command(lab.first(), &argv).expect("the first host exists"), Duration::from_mins(2));
        let found = report(&run.stdout).and_then(|report| report.paths.into_iter().next()).map(|path| path.path);
        let mut counted = counted.lock().expect("no worker has failed");
        counted.walls.push(run.wall);
        counted.probes.extend(found.as_ref().map(|path| path.probes_sent));
        match found.as_ref().and_then(|path| path.path_mtu) {
            Some(size) if size == truth => counted.right += 1,
            Some(size) => counted.wrong.push(size.to_string()),
            None => {
                counted.undecided += 1;
                let why = found.map(|path| (path.limit.kind, path.probes_sent, path.send_error, path.unreachable));
                counted.reasons.push(format!("{why:?} after {}", time(run.wall)));
            }
        }
    }
}

//! Many targets, many copies, and what the program itself costs.

use crate::command::{run, run_and_weigh};
use crate::table::{Spread, markdown, number, time, times};
use crate::{Effort, PATHVET};
use pathvet::lab::Lab;
use pathvet::lab::topologies::{Family, Topology, targets};
use pathvet_checks::evidence::LimitKind;
use pathvet_checks::report::Report;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

const ADDRESSES: u16 = 10_000;
const ON_LINK: u16 = 2_000;
const COPIES: u16 = 8;
const EACH: u16 = 64;

/// How long the program takes to start, and how large it is.
pub(crate) fn start_and_size() {
    let mut rows = Vec::new();
    for words in [&["list"][..], &["--help"], &["check", "--help"]] {
        let once = || {
            let mut command = Command::new(PATHVET);
            command.args(words);
            run(command, Duration::from_secs(10)).wall
        };
        let walls: Vec<Duration> = (0..31).map(|_| once()).collect();
        let spread = Spread::of(&walls).expect("it has run");
        rows.push(vec![format!("pathvet {}", words.join(" ")), times(spread), spread.count.to_string()]);
    }
    println!("{}", markdown("Start", &["command", "median (least - most)", "runs"], &rows));
    let bytes = fs::metadata(PATHVET).map_or(0, |file| file.len());
    println!("The binary is {} bytes ({}.{:02} MiB).\n", number(bytes), bytes >> 20, ((bytes % (1 << 20)) * 100) >> 20);
}

/// A network, and a folder for lists and reports.
struct Field {
    lab: Lab,
    folder: TempDir,
}

impl Field {
    fn new(topology: &str, family: Family) -> Self {
        let topology = Topology::find(topology).expect("the topology exists");
        let lab = Lab::start_with(Path::new(PATHVET), topology, family).expect("the lab starts");
        Self { lab, folder: TempDir::new().expect("a folder can be made") }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A list of addresses in a file.
    fn list(&self, name: &str, addresses: &[std::net::IpAddr]) -> String {
        let mut text = String::new();
        for address in addresses {
            let _ = writeln!(text, "{address}");
        }
        let file = self.file(name);
        fs::write(&file, text).expect("the folder is writable");
        file.to_str().expect("it is text").to_owned()
    }

    /// pathvet on a list, its report into a file.
    fn pathvet(&self, list: &str, output: &str) -> Command {
        let output = format!("json={}", self.file(output).display());
        let argv = [PATHVET, "check", "--targets", list, "--rate", "unlimited", "--yes", "-q", "-o", &output];
        self.lab.command(self.lab.first(), &argv).expect("the first host exists")
    }

    fn report(&self, output: &str) -> Report {
        let text = fs::read(self.file(output)).expect("the report was written");
        serde_json::from_slice(&text).expect("it is a report")
    }
}

/// How many paths carry exactly `mtu`, how many are dead, and how many probes they took.
fn count(report: &Report, mtu: u32) -> (usize, usize, u64) {
    let paths = || report.paths.iter().map(|path| &path.path);
    let exact = paths().filter(|path| path.path_mtu == Some(mtu)).count();
    let dead = paths().filter(|path| path.limit.kind == LimitKind::Unreachable).count();
    (exact, dead, paths().map(|path| path.probes_sent).sum())
}

/// Ten thousand addresses against fping, two thousand on the link, and eight copies at once. `false`: an answer was not exact.
pub(crate) fn measure(effort: Effort) -> bool {
    let rounds = if effort.quick { 1 } else { 5 };
    let farms = Family::BOTH.map(|family| farm(family, rounds));
    let rest = [on_link(), copies()];
    farms.into_iter().chain(rest).all(|right| right)
}

/// Events a second.
fn rate(events: u64, wall: Duration) -> u64 {
    u64::try_from(u128::from(events) * 1_000_000_000 / wall.as_nanos().max(1)).unwrap_or(u64::MAX)
}

fn farm(family: Family, rounds: usize) -> bool {
    let field = Field::new("farm", family);
    let list = field.list("list", &targets("farm", family, ADDRESSES));
    let payload = if family == Family::V4 { "8972" } else { "8952" };
    let fping = ["fping", "-q", "-i", "0", "-M", "-b", payload, "-f", &list];
    let has_fping = ["/usr/bin/fping", "/usr/sbin/fping"].iter().any(|file| Path::new(file).exists());
    let (mut own, mut weights, mut rates, mut theirs, mut their_rates) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut exact, mut probes) = (usize::MAX, 0);
    for _ in 0..rounds {
        let (wall, weight) = run_and_weigh(field.pathvet(&list, "report.json"));
        let counted = count(&field.report("report.json"), 9000);
        own.push(wall);
        weights.push(weight);
        rates.push(rate(counted.2, wall));
        (exact, probes) = (exact.min(counted.0), counted.2);
        if has_fping {
            let (wall, _) = run_and_weigh(field.lab.command(field.lab.first(), &fping).expect("the first host exists"));
            theirs.push(wall);
            their_rates.push(rate(ADDRESSES.into(), wall));
        }
    }
    let row = |name: &str, walls: &[Duration], rates: &[u64], rest: [String; 3]| {
        let (Some(walls), Some(rates)) = (Spread::of(walls), Spread::of(rates)) else { return None };
        let mut cells = vec![name.to_owned(), times(walls), walls.count.to_string(), number(rates.median)];
        cells.extend(rest);
        Some(cells)
    };
    let most = weights.iter().max().copied().unwrap_or(0);
    let memory = format!("{} KiB", number(most));
    let rows: Vec<_> = [
        row("pathvet check --rate unlimited", &own, &rates, [number(probes), format!("{exact} exact"), memory]),
        row(
            "fping -q -i 0 -M -b",
            &theirs,
            &their_rates,
            [number(ADDRESSES.into()), "one size, yes or no".to_owned(), "-".to_owned()],
        ),
    ]
    .into_iter()
    .flatten()
    .collect();
    let head = ["tool", "median (least - most)", "runs", "probes/s", "probes", "answers", "memory"];
    println!("{}", markdown(&format!("{} addresses, {family}", number(ADDRESSES.into())), &head, &rows));
    exact == usize::from(ADDRESSES)
}

fn on_link() -> bool {
    let (mut rows, mut right) = (Vec::new(), true);
    for family in Family::BOTH {
        let field = Field::new("onlink-2000", family);
        let list = field.list("list", &targets("onlink-2000", family, ON_LINK));
        let (wall, weight) = run_and_weigh(field.pathvet(&list, "report.json"));
        let (exact, dead, _) = count(&field.report("report.json"), 9000);
        right &= exact == usize::from(ON_LINK);
        let cells = [family.to_string(), time(wall), exact.to_string(), dead.to_string(), format!("{} KiB", number(weight))];
        rows.push(cells.to_vec());
    }
    let head = ["family", "time", "exact", "reported dead", "memory"];
    println!("{}", markdown(&format!("{} targets on the link", number(ON_LINK.into())), &head, &rows));
    right
}

fn copies() -> bool {
    let (mut rows, mut right) = (Vec::new(), true);
    for family in Family::BOTH {
        let field = Field::new("farm", family);
        let all = targets("farm", family, COPIES * EACH);
        let name = |copy: usize| format!("report{copy}.json");
        let start = std::time::Instant::now();
        let copies: Vec<_> = all
            .chunks(EACH.into())
            .enumerate()
            .map(|(copy, part)| {
                let list = field.list(&format!("list{copy}"), part);
                let null = || Stdio::from(File::options().write(true).open("/dev/null").expect("it is there"));
                field.pathvet(&list, &name(copy)).stdout(null()).stderr(null()).spawn().expect("it starts")
            })
            .collect();
        for mut copy in copies {
            copy.wait().expect("it is our child");
        }
        let wall = start.elapsed();
        let exact: usize = (0..COPIES.into()).map(|copy| count(&field.report(&name(copy)), 9000).0).sum();
        right &= exact == all.len();
        rows.push(vec![family.to_string(), time(wall), format!("{exact} of {}", all.len())]);
    }
    println!("{}", markdown(&format!("{COPIES} copies at once, {EACH} targets each"), &["family", "time", "exact"], &rows));
    right
}

//! One path: how long each tool takes to say what it carries, what it says, and what it sends.

use crate::command;
use crate::rivals::{Answer, Place, TOOLS, Tool, report};
use crate::table::{Spread, markdown, number, time, times};
use crate::{Effort, PATHVET};
use pathvet::lab::Lab;
use pathvet::lab::topologies::{Family, Held, Topology};
use std::path::Path;
use std::time::Duration;

/// A row of figures: the topology, how it is called, and whether slow tools are waited for.
const ROWS: &[(&str, Family, &str, bool)] = &[
    ("story", Family::V4, "Silent black hole: 9600 at both ends, a switch that stops at 9198", true),
    ("story", Family::V6, "The same over IPv6", false),
    ("delay", Family::V4, "The same with 20 ms round-trip time", false),
    ("router", Family::V4, "A router with a 1500 link answers too big", false),
    ("router-mute", Family::V4, "A 1500 link between routers, and every answer filtered", false),
    ("clean", Family::V4, "Jumbo 9000, nothing wrong", false),
];

/// Runs of one tool on one row, at most.
const ROUNDS: usize = 15;

/// What one tool did on one row.
#[derive(Default)]
struct Column {
    walls: Vec<Duration>,
    packets: Vec<u64>,
    probes: Vec<u64>,
    answers: Vec<Answer>,
    capped: bool,
}

/// Prints a table for each row, and one of the factors.
pub(crate) fn measure(effort: Effort) {
    let mut factors = Vec::new();
    for (name, family, title, patient) in ROWS {
        let topology = Topology::find(name).expect("the topology exists");
        let Held::Is(truth) = topology.scene(*family).expect.path_mtu else { continue };
        let cap = match (effort.quick, patient) {
            (true, _) => Duration::from_secs(4),
            (false, true) => Duration::from_secs(100),
            (false, false) => Duration::from_secs(30),
        };
        let tools: Vec<&Tool> = TOOLS.iter().filter(|tool| tool.is_here(*family)).collect();
        let columns = alternate(topology, *family, &tools, cap, effort);
        println!("{}", section(title, truth, &tools, &columns, cap));
        factors.push(factors_of(title, &tools, &columns, cap));
    }
    let mut head = vec!["times longer than pathvet"];
    head.extend(TOOLS.iter().skip(1).map(|tool| tool.name));
    let rows: Vec<Vec<String>> = factors
        .into_iter()
        .map(|(title, found)| {
            let cell =
                |tool: &Tool| found.iter().find(|(name, _)| *name == tool.name).map_or("-".to_owned(), |(_, text)| text.clone());
            std::iter::once(title).chain(TOOLS.iter().skip(1).map(cell)).collect()
        })
        .collect();
    println!("{}", markdown("Factors", &head, &rows));
}

/// One run of each tool after the other, again and again, until its time is spent.
fn alternate(topology: &Topology, family: Family, tools: &[&Tool], cap: Duration, effort: Effort) -> Vec<Column> {
    let budget = Duration::from_secs(if effort.quick { 3 } else { 20 });
    let mut columns: Vec<Column> = tools.iter().map(|_| Column::default()).collect();
    for _ in 0..if effort.quick { 5 } else { ROUNDS } {
        for (tool, column) in tools.iter().zip(&mut columns) {
            if column.walls.iter().sum::<Duration>() < budget {
                once(topology, family, tool, cap, column);
            }
        }
    }
    columns
}

/// One run in a network of its own: what a router has said to one tool must not help the next.
fn once(topology: &Topology, family: Family, tool: &Tool, cap: Duration, column: &mut Column) {
    let lab = Lab::start_with(Path::new(PATHVET), topology, family).expect("the lab starts");
    let target = lab.target().expect("it has a target").to_string();
    let interface = |what: &str| -> u64 {
        let text = lab.run(lab.first(), &["cat", &format!("/sys/class/net/eth0/{what}")]).expect("cat runs").stdout;
        text.trim().parse().expect("it is a number")
    };
    let sent = || interface("statistics/tx_packets") + interface("statistics/tx_dropped");
    let mtu = u32::try_from(interface("mtu")).expect("it is an MTU");
    // Neighbours are known, as on any network that is in use.
    lab.run(lab.first(), &["ping", "-n", "-c", "1", "-W", "1", &target]).expect("ping runs");
    let place = Place { family, target, mtu };
    let before = sent();
    let run = command::run(tool.command(&lab, &place), cap);
    let packets = sent() - before;
    column.walls.push(run.wall);
    column.packets.push(packets);
    column.answers.push(tool.read(&run.stdout));
    column.capped |= run.capped;
    column.probes.extend(report(&run.stdout).and_then(|report| Some(report.paths.first()?.path.probes_sent)));
}

fn section(title: &str, truth: u32, tools: &[&Tool], columns: &[Column], cap: Duration) -> String {
    let row = |(tool, column): (&&Tool, &Column)| {
        let mut answers: Vec<String> = Vec::new();
        for answer in &column.answers {
            let words = answer.words(truth);
            if !answers.contains(&words) {
                answers.push(words);
            }
        }
        let exact = column.answers.iter().filter(|answer| answer.is_exact(truth)).count();
        let wall = match Spread::of(&column.walls) {
            None => "-".to_owned(),
            Some(_) if column.capped => format!("over {}", time(cap)),
            Some(spread) if spread.count == 1 => time(spread.median),
            Some(spread) => times(spread),
        };
        let packets = Spread::of(&column.packets).map_or("-".to_owned(), |spread| number(spread.median));
        let probes = Spread::of(&column.probes).map(|spread| format!(", {} probes at most", spread.most)).unwrap_or_default();
        vec![
            tool.name.to_owned(),
            wall,
            column.walls.len().to_string(),
            answers.join(", "),
            format!("{exact} of {}", column.answers.len()),
            format!("{packets}{probes}"),
        ]
    };
    let rows: Vec<Vec<String>> = tools.iter().zip(columns).map(row).collect();
    let head = ["tool", "median (least - most)", "runs", "answer", "exact", "packets"];
    markdown(&format!("{title} (right is {truth})"), &head, &rows)
}

/// How many times longer each tool takes than pathvet.
fn factors_of<'t>(title: &str, tools: &[&'t Tool], columns: &[Column], cap: Duration) -> (String, Vec<(&'t str, String)>) {
    let median = |column: &Column| Spread::of(&column.walls).map_or(0.0, |spread| spread.median.as_secs_f64());
    let own = columns.first().map_or(0.0, median).max(1e-9);
    let others = tools.iter().zip(columns).skip(1).map(|(tool, column)| {
        let (seconds, mark) = if column.capped { (cap.as_secs_f64(), "over ") } else { (median(column), "") };
        let digits = usize::from(seconds / own < 10.0);
        (tool.name, format!("{mark}{:.digits$}", seconds / own))
    });
    (title.to_owned(), others.collect())
}

//! The truth table: every topology in both families, what pathvet says of it, and what is right. Also the law that judging the
//! saved evidence says the same as the run that saved it.

use pathvet::lab::Lab;
use pathvet::lab::topologies::{ALL, Family, Held, Topology};
use pathvet_checks::evidence::{LimitKind, Method};
use pathvet_checks::report::{CulpritKind, Outcome, Report};
use std::fmt::Debug;
use std::path::Path;

const PATHVET: &str = env!("CARGO_BIN_EXE_pathvet");

/// One row of the table.
struct Row {
    name: &'static str,
    family: Family,
    verdict: Outcome,
    path_mtu: Option<u32>,
    limit: String,
    culprit: Option<CulpritKind>,
    probes: u64,
    rounds: u32,
    elapsed_ms: u64,
    wrong: Vec<String>,
}

fn held<T: PartialEq + Debug>(what: &str, expected: &Held<T>, found: Option<&T>, wrong: &mut Vec<String>) {
    if !expected.holds(found) {
        wrong.push(format!("{what}: expected {expected:?}, found {found:?}"));
    }
}

fn vet(topology: &'static Topology, family: Family) -> Row {
    let lab = Lab::start_with(Path::new(PATHVET), topology, family).expect("the lab starts");
    let saved = tempfile::NamedTempFile::new().expect("a file");
    let saved = saved.path().to_str().expect("it is text").to_owned();
    let target = lab.target().map(|target| target.to_string());
    let mut argv = vec![PATHVET, "check", "--format", "json", "--save", &saved];
    argv.extend(target.as_deref());
    let output = lab.run(lab.first(), &argv).expect("it runs");
    let report: Report = serde_json::from_str(&output.stdout)
        .unwrap_or_else(|error| panic!("{} {family}: {error}\n{}\n{}", topology.name, output.stdout, output.stderr));
    let mut wrong = Vec::new();
    if output.status.code() != Some(report.exit_code.into()) {
        wrong.push(format!("exit {:?} and exit_code {}", output.status.code(), report.exit_code));
    }

    // The law: judging the evidence at the same moment says the same.
    let at = report.started.to_string();
    let again = lab.run(lab.first(), &[PATHVET, "judge", &saved, "--format", "json", "--at", &at]).expect("it runs");
    let mut again: Report = serde_json::from_str(&again.stdout).unwrap_or_else(|error| panic!("{error}: {}", again.stderr));
    again.started = report.started;
    again.elapsed_ms = report.elapsed_ms;
    if again != report {
        wrong.push("judging the saved evidence says something else".to_owned());
    }

    let expect = &lab.scene().expect;
    if !expect.verdict.contains(&report.verdict) {
        let findings = report.findings.iter().filter(|finding| finding.outcome == report.verdict);
        let findings: Vec<_> = findings.map(|finding| format!("{}: {}", finding.check, finding.summary)).collect();
        wrong.push(format!("verdict: expected {:?}: {}", expect.verdict, findings.join("; ")));
    }
    let path = report.paths.first().map(|path| &path.path);
    held("path_mtu", &expect.path_mtu, path.and_then(|path| path.path_mtu).as_ref(), &mut wrong);
    held("limit", &expect.limit, path.map(|path| &path.limit.kind), &mut wrong);
    let culprit = report.diagnoses.first().map(|diagnosis| diagnosis.culprit.kind);
    held("culprit", &expect.culprit, culprit.as_ref(), &mut wrong);
    Row {
        name: topology.name,
        family,
        verdict: report.verdict,
        path_mtu: path.and_then(|path| path.path_mtu),
        limit: path.map(|path| format!("{:?}", path.limit.kind)).unwrap_or_default(),
        culprit,
        probes: path.map_or(0, |path| path.probes_sent),
        rounds: path.map_or(0, |path| path.rounds),
        elapsed_ms: path.map_or(0, |path| path.elapsed_ms),
        wrong,
    }
}

#[test]
fn every_row_of_the_table_is_right() {
    // For work on one topology: PATHVET_TOPOLOGY=story,delay cargo test --test topologies -- --nocapture
    let only = std::env::var("PATHVET_TOPOLOGY").ok();
    let is_wanted = |name| only.as_deref().is_none_or(|only| only.split(',').any(|only| only == name));
    let wanted = ALL.iter().filter(|topology| !topology.special && is_wanted(topology.name));
    println!(
        "{:<20} {:<4} {:<8} {:>8} {:<14} {:<12} {:>7} {:>7} {:>6}",
        "topology", "IP", "verdict", "path_mtu", "limit", "culprit", "probes", "rounds", "ms"
    );
    let (mut rows, mut wrong) = (0, Vec::new());
    for (topology, family) in wanted.flat_map(|topology| Family::BOTH.map(|family| (topology, family))) {
        let row = vet(topology, family);
        let mtu = row.path_mtu.map_or("-".to_owned(), |mtu| mtu.to_string());
        let culprit = row.culprit.map_or("-".to_owned(), |culprit| format!("{culprit:?}"));
        let mark = if row.wrong.is_empty() { "" } else { "  WRONG" };
        println!(
            "{:<20} {:<4} {:<8} {:>8} {:<14} {:<12} {:>7} {:>7} {:>6}{mark}",
            row.name,
            row.family.number(),
            row.verdict.word(),
            mtu,
            row.limit,
            culprit,
            row.probes,
            row.rounds,
            row.elapsed_ms
        );
        rows += 1;
        wrong.extend(row.wrong.into_iter().map(|what| format!("{} {}: {what}", row.name, row.family)));
    }
    println!("{rows} rows, {} wrong", wrong.len());
    assert!(rows > 0 && wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The cable itself drops what is too long for its other end, and the kernel says "no buffer space" for that too, as it does where
/// the neighbour table is full. The path is probed once all the same: another search would find the far end's errors spent.
#[test]
fn a_cable_that_drops_is_no_full_neighbour_table() {
    for family in Family::BOTH {
        let mut scene = Topology::find("echo-filtered-cut").expect("it exists").scene(family);
        let near = scene.network.cables.iter_mut().find(|cable| cable.ends.iter().any(|end| end.host == "node1"));
        let far = near.and_then(|cable| cable.ends.iter_mut().find(|end| end.host != "node1")).expect("node1 has a cable");
        // A veth receives 4 bytes more than its MTU.
        far.mtu = 9194;
        let lab = Lab::build(Path::new(PATHVET), scene).expect("the lab starts");
        let target = lab.target().expect("it has a target").to_string();
        let output = lab.run(lab.first(), &[PATHVET, "check", "--format", "json", &target]).expect("it runs");
        let report: Report = serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", output.stderr));
        let path = &report.paths[0].path;
        assert_eq!((report.verdict, path.path_mtu, path.limit.kind), (Outcome::Fail, Some(9198), LimitKind::Silent), "{family}");
        assert_eq!(path.method, Some(Method::Udp), "{family}");
        let carried = lab.counters("sw1").expect("the lab runs").expect("it is a box")[0].packets;
        // And the connection that asks for the far end's MTU.
        assert!(carried <= path.probes_sent + 10, "{family}: {carried} packets, {} probes", path.probes_sent);
    }
}

//! The same answers without rights: ICMP datagram sockets and UDP's error queue instead of raw sockets.

use pathvet::lab::Lab;
use pathvet::lab::topologies::{Family, Topology};
use pathvet_checks::evidence::LimitKind;
use pathvet_checks::report::{Outcome, Report};
use std::path::Path;

const PATHVET: &str = env!("CARGO_BIN_EXE_pathvet");

fn vet(name: &str, family: Family) -> Report {
    let topology = Topology::find(name).expect("the topology exists");
    let lab = Lab::start_with(Path::new(PATHVET), topology, family).expect("the lab starts");
    let target = lab.target().expect("it has a target").to_string();
    let output = lab.run_without_rights(lab.first(), &[PATHVET, "check", &target, "--format", "json"]).expect("it runs");
    let report: Report =
        serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{name} {family}: {error}\n{}", output.stderr));
    assert_eq!(output.status.code(), Some(report.exit_code.into()));
    report
}

#[test]
fn an_ordinary_user_gets_the_same_answer() {
    let rows = [
        ("clean", Outcome::Pass, Some(9000), LimitKind::None),
        ("story", Outcome::Fail, Some(9198), LimitKind::Silent),
        ("router", Outcome::Pass, Some(1500), LimitKind::Router),
        ("router-slow", Outcome::Pass, Some(1500), LimitKind::Router),
        ("overlay", Outcome::Warn, Some(8950), LimitKind::Router),
        ("liar-zero", Outcome::Fail, Some(1500), LimitKind::Silent),
        ("policer-packets", Outcome::Pass, Some(9000), LimitKind::None),
        ("host-down", Outcome::Fail, None, LimitKind::Unreachable),
        ("mute", Outcome::Unknown, None, LimitKind::Filtered),
        ("ipoib-cut", Outcome::Fail, Some(2044), LimitKind::Silent),
    ];
    let mut wrong = Vec::new();
    for (name, verdict, path_mtu, kind) in rows {
        for family in Family::BOTH {
            let report = vet(name, family);
            let path = &report.paths[0].path;
            println!(
                "{name:<16} {family} {:<8} {:?} {:?} {} probes",
                report.verdict.word(),
                path.path_mtu,
                path.limit.kind,
                path.probes_sent
            );
            if (report.verdict, path.path_mtu, path.limit.kind) != (verdict, path_mtu, kind) {
                wrong.push(format!("{name} {family}: {:?} {:?} {:?}", report.verdict, path.path_mtu, path.limit.kind));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A router's "too big" for one probe makes the kernel refuse the next one with the same words as a limit of this host: which of
/// the two it was is told apart each time, however many come.
#[test]
fn a_routers_answer_is_not_taken_for_this_hosts_own() {
    for _ in 0..8 {
        let report = vet("liar-zero", Family::V4);
        let path = &report.paths[0].path;
        assert_eq!((report.verdict, path.path_mtu, path.limit.kind), (Outcome::Fail, Some(1500), LimitKind::Silent));
    }
}

/// A healthy path vetted by an ordinary user exits 0, also where not even a datagram socket may be opened but UDP gets through.
#[test]
fn what_a_right_would_add_is_said_and_counts_for_nothing() {
    let report = vet("clean", Family::V4);
    assert_eq!((report.verdict, report.exit_code), (Outcome::Pass, 0));
}

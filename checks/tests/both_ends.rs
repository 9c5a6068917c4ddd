//! Evidence of both ends of one path.

mod common;

use common::{broken, cut, node2};
use pathvet_checks::report::CulpritKind;

#[test]
fn a_cut_that_both_ends_saw_is_one_cause() {
    let report = broken(|evidence| {
        cut(evidence, 9600, 9198);
        evidence.hosts.push(node2(9600));
        let mut back = evidence.paths[0].clone();
        (back.from, back.to) = ("node2".into(), "node1".into());
        back.address = Some("192.0.2.1".parse().unwrap());
        evidence.paths.push(back);
    });
    let both: Vec<_> = report.diagnoses.iter().filter(|diagnosis| diagnosis.culprit.kind == CulpritKind::Switch).collect();
    assert_eq!(both.len(), 1, "{:?}", report.diagnoses);
    assert_eq!(both[0].explains.len(), 2);
    assert_eq!(both[0].culprit.name, "between node1 and node2");
    assert!(both[0].details[0].contains("both see it"), "{:?}", both[0].details);
}

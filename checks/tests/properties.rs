//! Whatever the evidence says, judging ends with a report whose parts agree: no panic, and the verdict is the worst that counts.

mod common;

use common::{bound_to_fail, catalogue, healthy, judged, node2, now};
use pathvet_checks::evidence::Evidence;
use pathvet_checks::expect::{Expect, IpoibExpect, IpoibMode, Network, Settings, SmExpect, Waiver};
use pathvet_checks::report::{Outcome, Report};
use pathvet_checks::{Case, judge, judge_owned};
use proptest::prelude::*;
use serde_json::Value;

/// Evidence with everything in it that the checks look at.
fn full() -> Value {
    let mut evidence = healthy();
    evidence.hosts.push(node2(9000));
    bound_to_fail(&mut evidence);
    serde_json::to_value(&evidence).expect("evidence is JSON")
}

/// A path over `IPoIB` between two hosts with everything that the checks of InfiniBand look at.
fn full_infiniband() -> Value {
    let mut evidence = common::infiniband();
    let path = &mut evidence.paths[0];
    (path.path_mtu, path.limit.kind) = (Some(2044), pathvet_checks::evidence::LimitKind::Silent);
    path.proof = Some(pathvet_checks::evidence::Proof {
        passes: 2044,
        passes_sent: 13,
        passes_replied: 13,
        vanishes: 2045,
        vanishes_sent: 13,
        vanishes_replied: 0,
        proven: true,
    });
    serde_json::to_value(&evidence).expect("evidence is JSON")
}

/// Every place in the document, as a JSON pointer.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| places(value, &format!("{at}/{key}"), found)),
        Value::Array(items) => items.iter().enumerate().for_each(|(index, value)| places(value, &format!("{at}/{index}"), found)),
        _ => {}
    }
}

/// What a place is changed to.
fn scrap() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(Value::Array(Vec::new())),
        any::<bool>().prop_map(Value::from),
        prop_oneof![Just(0_u32), Just(1), Just(40), Just(1280), Just(1500), Just(9000), Just(u32::MAX), any::<u32>()]
            .prop_map(Value::from),
        prop::sample::select(vec![3_u32, 4, 256, 2044, 2048, 4092, 4096, 32767, 32769, 65520, 65535]).prop_map(Value::from),
        prop::sample::select(vec![
            "",
            "silent",
            "router",
            "none",
            "local",
            "loss",
            "policed",
            "filtered",
            "firewall-local",
            "unreachable",
            "reverse",
            "both",
            "unknown",
            "udp",
            "tcp",
            "icmp",
            "bridge",
            "bond",
            "vlan",
            "vxlan",
            "gretap",
            "wireguard",
            "eth0",
            "br0",
            "bond0",
            "node1",
            "node2",
            "gateway",
            "fragments",
            "evidence",
            "failed",
            "incomplete",
            "EPERM",
            "ENETUNREACH",
            "unicast",
            "blackhole",
            "192.0.2.1",
            "192.0.2.2",
            "::1",
            "fe80::1",
            "0.0.0.0/0",
            "300.1/99",
            "down",
            "802.3ad",
            "datagram",
            "connected",
            "ipoib",
            "Down",
            "Initializing",
            "Armed",
            "Active",
            "Polling",
            "Ethernet",
            "MASTER",
            "STANDBY",
            "0x0002c90300a10001",
            "0x0002c90300a20001",
            "0xfe80000000000001",
            "mlx4_0",
            "mlx4_0/1",
            "ib0",
            "80:\u{e9}:00:00:fe:80:00:00:00:00:00:00:00:02:c9:03:00:bb:00:01",
        ])
        .prop_map(Value::from),
    ]
}

/// Evidence that somebody mistreated: several places changed, and what can no longer be read left as it was.
fn mistreated() -> impl Strategy<Value = Evidence> {
    prop_oneof![mistreat(full()), mistreat(full_infiniband())]
}

fn mistreat(full: Value) -> impl Strategy<Value = Evidence> {
    let mut all = Vec::new();
    places(&full, "", &mut all);
    prop::collection::vec((prop::sample::select(all), scrap()), 1..12).prop_map(move |changes| {
        let mut value = full.clone();
        for (place, scrap) in changes {
            let before = value.clone();
            if let Some(target) = value.pointer_mut(&place) {
                *target = scrap;
            }
            if serde_json::from_value::<Evidence>(value.clone()).is_err() {
                value = before;
            }
        }
        serde_json::from_value(value).expect("it was read before")
    })
}

/// What a plan can say of InfiniBand, for all and for one network.
fn fabric_expectation() -> impl Strategy<Value = (Settings, Network)> {
    let settings = || {
        let mode = prop::option::of(prop::sample::select(vec![IpoibMode::Connected, IpoibMode::Datagram]));
        let mtu = prop::option::of(prop::sample::select(vec![0, 2044, 4092, 65520, u32::MAX]));
        let master = prop::option::of(prop::sample::select(vec!["0x0002c90300a10001".to_owned(), "0x0002c90300a20000".to_owned()]));
        (mode, mtu, master, prop::option::of(0_u32..3)).prop_map(|(mode, mtu, master, standby)| Settings {
            ipoib: IpoibExpect { mode, mtu },
            sm: SmExpect { master, standby },
            ..Settings::default()
        })
    };
    let role = prop::option::of(prop::sample::select(vec!["storage".to_owned(), "migration".to_owned(), "rdma".to_owned()]));
    let interface = prop::option::of(prop::sample::select(vec!["ib0".to_owned(), "ib1".to_owned()]));
    (settings(), settings(), role, interface)
        .prop_map(|(all, expect, role, interface)| (all, Network { subnet: None, interface, mtu: None, role, expect }))
}

fn expectation() -> impl Strategy<Value = Expect> {
    let checks =
        || prop::sample::select(pathvet_checks::builtin::ALL.iter().map(|check| check.meta().id.to_owned()).collect::<Vec<_>>());
    let outcome = prop::sample::select(vec![Outcome::Pass, Outcome::Warn, Outcome::Unknown, Outcome::Fail, Outcome::Skip]);
    (
        prop::option::of(prop_oneof![Just(0), Just(1280), Just(1500), Just(9000), Just(65535), any::<u32>()]),
        prop::option::of(any::<u32>()),
        prop::collection::vec(checks(), 0..3),
        prop::collection::vec(checks(), 0..3),
        prop::collection::btree_map(checks(), outcome, 0..3),
        prop::collection::vec((checks(), prop::sample::select(vec!["*", "node1*", "*eth0", "", "node2:*"]), 2025_i16..2028), 0..3),
        prop::option::of((any::<[u8; 4]>(), any::<u8>())),
        fabric_expectation(),
    )
        .prop_map(|(mtu, loss_ppm, only, skip, severity, waivers, subnet, (all, network))| {
            let mut expect = Expect { mtu, only, skip, severity, all, ..Expect::default() };
            expect.networks.insert("storage".into(), network);
            expect.all.loss_ppm = loss_ppm;
            expect.waivers = waivers
                .into_iter()
                .map(|(check, subject, year)| Waiver {
                    check,
                    subject: subject.into(),
                    owner: "ops".into(),
                    reason: "because".into(),
                    until: jiff::civil::date(year, 11, 20),
                })
                .collect();
            if let Some((subnet, length)) = subnet {
                let network =
                    Network { subnet: Some((subnet.into(), length)), interface: Some("eth1".into()), ..Network::default() };
                expect.networks.insert("migration".into(), network);
            }
            expect
        })
}

/// What holds of every report.
fn agrees(report: &Report, evidence: &Evidence, expect: &Expect) -> Result<(), TestCaseError> {
    let counted = report.findings.iter().filter(|finding| finding.waived.is_none() && finding.outcome != Outcome::Skip);
    prop_assert_eq!(Some(report.verdict), counted.map(|finding| finding.outcome).max(), "the verdict is the worst that counts");
    prop_assert_eq!(report.exit_code, report.verdict.exit_code());
    let counts = report.counts;
    let sum = counts.pass + counts.warn + counts.fail + counts.unknown + counts.skip + counts.waived;
    prop_assert_eq!(usize::try_from(sum).ok(), Some(report.findings.len()));
    prop_assert_eq!(report.paths.len(), evidence.paths.len());
    for diagnosis in &report.diagnoses {
        prop_assert!(!diagnosis.explains.is_empty() && diagnosis.explains.iter().all(|index| *index < report.findings.len()));
        prop_assert!(!diagnosis.summary.is_empty() && !diagnosis.culprit.name.is_empty());
    }
    for finding in &report.findings {
        prop_assert!(!finding.summary.is_empty() && !finding.subject.is_empty());
        let named = |list: &[String]| list.iter().any(|id| *id == finding.check);
        prop_assert!(finding.check == "run" || !named(&expect.skip));
        prop_assert!(finding.check == "run" || expect.only.is_empty() || named(&expect.only));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn judging_never_panics_and_its_parts_agree(evidence in mistreated(), expect in expectation()) {
        let report = judged(&evidence, &expect);
        agrees(&report, &evidence, &expect)?;
        let again = judge(&Case { evidence: &evidence, expect: &expect, catalogue: catalogue(), now: now() });
        prop_assert_eq!(&report, &again, "the same case gives the same report");
        let owned = judge_owned(evidence, &expect, catalogue(), now());
        prop_assert_eq!(report, owned, "moving the evidence changes nothing");
    }

    /// What nobody named never makes a run fail, and never leaves it unknown, as far as paths are concerned.
    #[test]
    fn a_gateway_never_fails_a_run(mut evidence in mistreated()) {
        for path in &mut evidence.paths {
            path.asked = pathvet_checks::evidence::Asked::Gateway;
        }
        let report = judged(&evidence, &Expect::default());
        for finding in report.findings.iter().filter(|finding| finding.at.from.is_some()) {
            prop_assert!(finding.outcome < Outcome::Unknown, "{} {}", finding.outcome.word(), finding.summary);
        }
    }

    /// A larger expectation never makes a run better.
    #[test]
    fn expecting_more_is_never_easier(evidence in mistreated(), low in 68_u32..70_000, more in 0_u32..70_000) {
        let outcome = |mtu: u32| {
            let report = judged(&evidence, &Expect { mtu: Some(mtu), only: vec!["path-mtu".into()], ..Expect::default() });
            report.findings.iter().map(|finding| finding.outcome == Outcome::Fail).collect::<Vec<_>>()
        };
        let (easy, hard) = (outcome(low), outcome(low.saturating_add(more)));
        for (easy, hard) in easy.into_iter().zip(hard) {
            prop_assert!(hard || !easy, "failed at {low} and not at {more} more");
        }
    }
}

//! The catalogue: its figures agree with each other, and what is asked of it comes in the right order.

mod common;

use common::catalogue;
use pathvet_checks::catalogue::{Bound, Fit, Unit, ceilings_at, known_ceilings};
use pathvet_checks::diagnose::{Written, explain_size};
use std::collections::BTreeSet;

#[test]
fn ip_mtu_agrees_with_value_and_unit() {
    for ceiling in &catalogue().ceilings {
        let ip_mtu = ceiling.value - ceiling.unit_counts.above_ip();
        assert_eq!(ceiling.ip_mtu_untagged, ip_mtu, "{}", ceiling.id);
        if let Some(tagged) = ceiling.ip_mtu_if_tag_counted {
            assert_eq!(tagged, ip_mtu - 4, "{}", ceiling.id);
            let frame = matches!(ceiling.unit_counts, Unit::EthernetFrameWithFcs | Unit::EthernetFrameWithoutFcs);
            assert!(frame, "{}: only a frame can count a tag", ceiling.id);
        }
    }
}

#[test]
fn every_entry_has_an_id_of_its_own_and_a_source() {
    let known = catalogue();
    let mut ids = BTreeSet::new();
    let entries = known.ceilings.iter().map(|ceiling| (&ceiling.id, &ceiling.source));
    for (id, source) in entries.chain(known.tunnels.iter().map(|tunnel| (&tunnel.id, &tunnel.source))) {
        assert!(ids.insert(id.as_str()), "{id} twice");
        assert!(id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'), "{id}");
        assert!(!source.is_empty() && source.iter().all(|source| !source.trim().is_empty()), "{id} has no source");
    }
    for signature in &known.signatures {
        assert!(!signature.readings.is_empty());
        for id in signature.readings.iter().flat_map(|reading| &reading.entries) {
            assert!(ids.contains(id.as_str()), "{} rests on {id}, which does not exist", signature.ip_mtu);
        }
    }
}

/// The unit is what makes a "9216" 9216, 9202, 9198 or 9184 bytes of IP packet.
#[test]
fn a_9216_is_not_a_9216() {
    let ip_mtu = |id: &str| {
        catalogue().ceilings.iter().find(|ceiling| ceiling.id == id).map(|ceiling| (ceiling.value, ceiling.ip_mtu_untagged))
    };
    assert_eq!(ip_mtu("cisco-nexus-9000"), Some((9216, 9216)));
    assert_eq!(ip_mtu("juniper-ex"), Some((9216, 9202)));
    assert_eq!(ip_mtu("dell-powerconnect-8132"), Some((9216, 9198)));
    assert_eq!(ip_mtu("dell-os10-s4000"), Some((9216, 9184)));
    assert_eq!(ip_mtu("win-jumbopacket-9014"), Some((9014, 9000)));
    assert_eq!(ip_mtu("win-mellanox-9614"), Some((9614, 9600)));
    assert_eq!(ip_mtu("dell-force10-s4810-link"), Some((12000, 11982)));
}

#[test]
fn order_of_blame() {
    let found = ceilings_at(catalogue(), 9198);
    assert!(found.is_sorted_by_key(|found| found.fit));
    assert!(found.iter().filter(|found| found.fit == Fit::Exact).count() >= 13, "9198 fits many, so no one of them is certain");
    assert!(found.iter().any(|found| found.ceiling.id == "huawei-ce-default" && found.fit == Fit::Default));
    let tagged = ceilings_at(catalogue(), 9194);
    assert!(tagged.iter().any(|found| found.ceiling.id == "dell-powerconnect-8132" && found.fit == Fit::Tagged));
    assert!(ceilings_at(catalogue(), 4192).is_empty(), "what a protocol needs is no ceiling");
    assert!(catalogue().ceilings.iter().any(|ceiling| ceiling.bound == Bound::Min && ceiling.ip_mtu_untagged == 4192));
}

#[test]
fn known_ceilings_are_ranked_and_within_bounds() {
    let sizes = known_ceilings(catalogue());
    assert!(sizes.iter().all(|size| (576..=65535).contains(size)));
    assert_eq!(sizes.iter().collect::<BTreeSet<_>>().len(), sizes.len(), "no size twice");
    assert_eq!(&sizes[..2], [9000, 1500]);
    let rank = |size: u32| sizes.iter().position(|known| *known == size);
    for usual in [9198, 9216, 9202, 9194, 1492, 8950, 2044, 4092] {
        assert!(rank(usual).is_some(), "{usual}");
    }
    // A story between 9000 and 9600 must find its answer among the first 32 of the gap.
    let in_gap: Vec<u32> = sizes.iter().copied().filter(|size| (9001..9600).contains(size)).take(32).collect();
    for likely in [9198, 9216, 9202, 9194, 9100, 9214] {
        assert!(in_gap.contains(&likely), "{likely} in {in_gap:?}");
    }
}

#[test]
fn numbers_in_other_units_are_recognised() {
    let first = |number: u32| {
        let explanation = explain_size(catalogue(), number);
        let first = &explanation.readings[0];
        (first.unit, first.ip_mtu)
    };
    for (number, unit, ip_mtu) in [
        (9198, Written::IpMtu, 9198),
        (9014, Written::Eth, 9000),
        (1514, Written::Eth, 1500),
        (9614, Written::Eth, 9600),
        (9018, Written::Frame, 9000),
        (1518, Written::Frame, 1500),
        (9022, Written::Tagged, 9000),
        (8972, Written::Ping, 9000),
        (1472, Written::Ping, 1500),
        (9216, Written::IpMtu, 9216),
        (65520, Written::IpMtu, 65520),
        (2044, Written::IpMtu, 2044),
        (1500, Written::IpMtu, 1500),
    ] {
        assert_eq!(first(number), (unit, ip_mtu), "{number}");
    }
    // 9216 is both: Nexus and others count the packet, most count the frame.
    let readings = explain_size(catalogue(), 9216).readings;
    assert!(readings.iter().any(|reading| reading.unit == Written::Frame && reading.ip_mtu == 9198));
    assert!(
        explain_size(catalogue(), 2044).readings[0].signatures.iter().any(|reading| reading.meaning.contains("IPoIB datagram"))
    );
}

#[test]
fn any_number_can_be_explained() {
    for number in [0, 1, 17, 28, 68, 65535, 65536, u32::MAX - 1, u32::MAX] {
        let explanation = explain_size(catalogue(), number);
        assert!(explanation.to_string().contains(&number.to_string()));
    }
    for number in 0..20_000 {
        assert!(!explain_size(catalogue(), number).readings.is_empty());
    }
}

#[test]
fn explanation_of_9198_lists_everything() {
    let text = explain_size(catalogue(), 9198).to_string();
    assert!(
        text.starts_with(
            "9198 as an IP MTU: frame+FCS 9216, with a VLAN tag 9220, with header only 9212, ping -s 9170 (IPv6 9150)\n"
        ),
        "{text}"
    );
    for product in ["PowerConnect 8100", "S4048", "Catalyst 9000", "AOS-CX", "EXOS", "VXLAN"] {
        assert!(text.contains(product) || product == "VXLAN", "{product} in\n{text}");
    }
    let exact = ceilings_at(catalogue(), 9198).len();
    assert!(text.lines().filter(|line| line.starts_with("    ")).count() >= exact, "{text}");
}

/// The search does not read the catalogue; what it knows of it must be current.
#[test]
fn the_search_knows_the_ceilings_of_the_catalogue() {
    let sizes = known_ceilings(catalogue());
    assert_eq!(sizes, pathvet_checks::search::KNOWN_CEILINGS, "checks/src/search/ceilings.rs should hold {sizes:?}");
}

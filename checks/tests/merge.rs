//! Merging evidence: the same whatever the order, and never a loss.

use pathvet_checks::evidence::{
    Address, Evidence, Gap, GapReason, Host, Infiniband, Ipoib, Link, Memory, Neighbour, Path, Power, Route, SCHEMA, Sysctl,
    host_of_target, merge, merge_all,
};
use proptest::prelude::*;
use std::net::IpAddr;

fn at(second: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(1_700_000_000 + second).expect("in range")
}

fn document(taken: i64, hosts: Vec<Host>, paths: Vec<Path>) -> Evidence {
    Evidence { schema: SCHEMA.into(), taken: at(taken), tool: "pathvet 0.1.0".into(), hosts, paths }
}

fn host(name: &str, id: Option<&str>, taken: i64) -> Host {
    Host { name: name.into(), id: id.map(Into::into), taken: Some(at(taken)), origin: "local".into(), ..Host::default() }
}

fn link(ifname: &str, address: &str, ip: Option<&str>) -> Link {
    let addresses = ip.into_iter().map(|ip| Address { local: ip.parse().expect("ip"), prefixlen: 24, family: "inet".into() });
    Link { ifname: ifname.into(), ifindex: 2, address: Some(address.into()), addresses: addresses.collect(), ..Link::default() }
}

fn gap(what: &str) -> Gap {
    Gap { what: what.into(), place: "x".into(), reason: GapReason::NotPermitted, detail: "no".into(), right: None }
}

fn both(a: &Evidence, b: &Evidence) -> Evidence {
    let mut one = a.clone();
    merge(&mut one, b.clone());
    let mut other = b.clone();
    merge(&mut other, a.clone());
    assert_eq!(one, other);
    one
}

#[test]
fn the_newer_table_wins_and_a_gap_never_replaces_data() {
    let mut old = host("node1", Some("aa"), 0);
    old.links = Some(vec![link("eth0", "02:00:00:00:00:01", None)]);
    old.routes = Some(vec![Route { dst: "default".into(), ..Route::default() }]);
    old.gaps = vec![gap("links.eth0.pause"), gap("routes")];
    let mut new = host("node1", Some("aa"), 10);
    new.routes = Some(Vec::new());
    new.gaps = vec![gap("links"), gap("neighbours")];
    let merged = both(&document(0, vec![old.clone()], vec![]), &document(10, vec![new], vec![]));
    let one = &merged.hosts[..];
    assert_eq!(one.len(), 1);
    assert_eq!(one[0].links, old.links, "the newer document has none");
    assert_eq!(one[0].routes.as_deref(), Some(&[][..]), "collected and empty is data");
    assert_eq!(one[0].neighbours, None);
    assert_eq!(one[0].gaps, [gap("links.eth0.pause"), gap("neighbours")], "gaps go with their table");
    assert_eq!((merged.taken, one[0].taken), (at(10), Some(at(10))));
}

#[test]
fn who_is_one_host() {
    let names = |hosts: Vec<Host>| {
        let merged = both(&document(0, hosts, vec![]), &document(0, vec![], vec![]));
        merged.hosts.iter().map(|host| (host.name.clone(), host.id.clone())).collect::<Vec<_>>()
    };
    assert_eq!(names(vec![host("a", Some("1"), 0), host("b", Some("1"), 1)]), [("b".into(), Some("1".into()))], "renamed");
    assert_eq!(names(vec![host("a", Some("1"), 0), host("a", None, 1)]), [("a".into(), Some("1".into()))], "no contradicting id");
    assert_eq!(names(vec![host("a", None, 0), host("a", None, 1)]).len(), 1);
    assert_eq!(names(vec![host("a", Some("1"), 0), host("a", Some("2"), 1)]).len(), 2, "contradicting ids");
    assert_eq!(names(vec![host("a", Some("1"), 0), host("a", Some("2"), 1), host("a", None, 2)]).len(), 3, "whose is it?");
    assert_eq!(names(vec![host("a", None, 0), host("b", None, 1)]).len(), 2);
}

#[test]
fn clones_of_one_image_leave_a_gap() {
    let with = |name: &str, address: &str| Host { links: Some(vec![link("eth0", address, None)]), ..host(name, Some("1"), 0) };
    let one = |second| {
        let first = with("a", "02:00:00:00:00:01");
        let merged = merge_all([document(0, vec![first, second], vec![])]).expect("a document");
        assert_eq!(merged.hosts.len(), 1);
        merged.hosts[0].gaps.clone()
    };
    let gaps = one(with("b", "02:00:00:00:00:02"));
    assert!(gaps.len() == 1 && gaps[0].detail.starts_with("a and b have the same machine id"), "{gaps:?}");
    assert_eq!(one(with("b", "02:00:00:00:00:01")), [], "renamed: the card is the same");
    assert_eq!(one(with("a", "02:00:00:00:00:02")), [], "a new card");
}

#[test]
fn a_target_is_joined_through_its_address() {
    let own = |name: &str, ip: &str| Host { links: Some(vec![link("eth0", "02:00:00:00:00:01", Some(ip))]), ..host(name, None, 0) };
    let path = |to: &str, ip: &str| {
        let mut path = Path::new("node1", to, at(0));
        path.address = Some(ip.parse::<IpAddr>().expect("ip"));
        path
    };
    let hosts = vec![own("node1", "192.0.2.1"), own("node2", "192.0.2.2"), own("twin", "192.0.2.2"), host("win", None, 0)];
    let evidence = document(0, hosts, vec![]);
    let found = |to: &str, ip: &str| host_of_target(&evidence, &path(to, ip)).map(|host| host.name.clone());
    assert_eq!(found("some.alias", "192.0.2.1").as_deref(), Some("node1"));
    assert_eq!(found("node2", "192.0.2.2").as_deref(), Some("node2"), "the name decides between two owners");
    assert_eq!(found("vip", "192.0.2.2"), None, "and without it nobody is guessed");
    assert_eq!(found("win", "192.0.2.7").as_deref(), Some("win"), "its addresses are not known");
    assert_eq!(found("node2", "192.0.2.9"), None, "its addresses are known, and this is none of them");
    assert_eq!(found("localhost", "127.0.0.1").as_deref(), Some("node1"));
    assert_eq!(found("node2", "fe80::1"), None);
}

fn some_host() -> impl Strategy<Value = Host> {
    let links = prop::option::of(prop::collection::vec((0u8..3, 0u8..3, any::<bool>()), 0..3));
    let gaps = prop::collection::btree_set(
        prop::sample::select(vec!["links", "links.e0.pause", "routes", "id", "os", "paths", "sysctl.x", "power", "memory"]),
        0..3,
    );
    ((0u8..3), prop::option::of(0u8..2), prop::option::of(0i64..3), links, any::<[bool; 10]>(), gaps).prop_map(
        |(name, id, taken, links, has, gaps)| Host {
            id: id.map(|id| format!("{id:032x}")),
            name: format!("node{name}"),
            names: if has[3] { vec!["alias".into()] } else { vec![] },
            os: has[0].then(|| format!("os{name}")),
            kernel: None,
            origin: "local".into(),
            taken: taken.map(at),
            links: links.map(|links| {
                let one = |(mac, mtu, ib): (u8, u8, bool)| Link {
                    mtu: 1500 + u32::from(mtu),
                    ipoib: (ib && has[8]).then(|| Box::new(Ipoib { pkey: Some(mac.into()), ..Ipoib::default() })),
                    lldp: has[9].then(Vec::new),
                    ..link("e0", &format!("02:00:00:00:00:0{mac}"), None)
                };
                links.into_iter().map(one).collect()
            }),
            routes: has[1].then(Vec::new),
            neighbours: has[2].then(|| {
                let dst = IpAddr::from([192, 0, 2, name]);
                vec![Neighbour { dst, dev: "e0".into(), lladdr: None, state: "stale".into(), router: false }]
            }),
            modules: has[4].then(Vec::new),
            infiniband: has[5].then(Infiniband::default),
            sysctl: has[6].then(|| [(format!("net.node{name}"), Sysctl::default())].into()),
            memory: has[7].then(|| Memory { total: Some(u64::from(name)), page_size: None }),
            power: has[7].then(Power::default),
            gaps: gaps.into_iter().map(gap).collect(),
            ..Host::default()
        },
    )
}

fn some_path() -> impl Strategy<Value = Path> {
    ((0u8..2), (0u8..2), prop::option::of(0u8..2), 0i64..3, prop::option::of(1500u32..1503)).prop_map(
        |(from, to, ip, taken, mtu)| {
            let mut path = Path::new(&format!("node{from}"), &format!("node{to}"), at(taken));
            path.address = ip.map(|ip| IpAddr::from([192, 0, 2, ip]));
            path.path_mtu = mtu;
            path
        },
    )
}

fn some_document() -> impl Strategy<Value = Evidence> {
    let parts = (0i64..3, prop::collection::vec(some_host(), 0..4), prop::collection::vec(some_path(), 0..4));
    parts.prop_map(|(taken, hosts, paths)| document(taken, hosts, paths))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn commutative(a in some_document(), b in some_document()) {
        both(&a, &b);
    }

    #[test]
    fn idempotent(a in some_document(), b in some_document()) {
        let once = both(&a, &b);
        let mut twice = once.clone();
        merge(&mut twice, once.clone());
        prop_assert_eq!(&twice, &once);
        prop_assert_eq!(merge_all([a.clone(), a, b.clone(), b]), Some(once));
    }

    #[test]
    fn the_order_of_many_documents_does_not_matter(
        (sorted, shuffled) in prop::collection::vec(some_document(), 1..5)
            .prop_flat_map(|documents| (Just(documents.clone()), Just(documents).prop_shuffle()))
    ) {
        prop_assert_eq!(merge_all(sorted), merge_all(shuffled));
    }

    #[test]
    fn no_table_that_was_collected_is_lost(a in some_document(), b in some_document()) {
        let merged = both(&a, &b);
        for host in a.hosts.iter().chain(&b.hosts) {
            let same = |other: &&Host| other.name == host.name || other.names.contains(&host.name);
            prop_assert!(merged.hosts.iter().any(|other| same(&other)), "{} is gone", host.name);
            if host.routes.is_some() {
                prop_assert!(merged.hosts.iter().filter(same).any(|other| other.routes.is_some()));
            }
        }
        for path in a.paths.iter().chain(&b.paths) {
            prop_assert!(merged.paths.iter().any(|kept| kept.subject() == path.subject() && kept.taken >= path.taken));
        }
    }
}

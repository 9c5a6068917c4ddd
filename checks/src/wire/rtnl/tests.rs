use super::*;
use crate::wire::nla::{Builder, messages};
use alloc::format;
use alloc::string::ToString as _;
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;

/// Type, length of the fixed part, and the decoder, as words or as an error.
type Decoder = (u16, usize, fn(&Message<'_>) -> Result<bool, Unreadable>);

const DECODERS: [Decoder; 5] = [
    (16, 16, |message| Link::read(message).map(|row| row.is_some())),
    (20, 8, |message| Address::read(message).map(|row| row.is_some())),
    (24, 12, |message| Route::read(message).map(|row| row.is_some())),
    (28, 12, |message| Neighbour::read(message).map(|row| row.is_some())),
    (32, 12, |message| Rule::read(message).map(|row| row.is_some())),
];

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn first(bytes: &[u8]) -> Message<'_> {
    messages(bytes).next().expect("one message").expect("well formed")
}

/// `struct rtmsg` of a unicast route in the main table, protocol static, scope universe.
fn rtmsg(family: u8, length: u8, flags: u32) -> Vec<u8> {
    let mut fixed = vec![family, length, 0, 0, 254, 4, 0, 1];
    fixed.extend(flags.to_ne_bytes());
    fixed
}

/// `struct rtnexthop` with its attributes, of which `attributes` is a whole message.
fn hop(index: u32, attributes: &Builder) -> Vec<u8> {
    let attributes = &attributes.finish()[nla::HEADER..];
    let mut bytes = u16::try_from(8 + attributes.len()).expect("short").to_ne_bytes().to_vec();
    bytes.extend([0, 0]);
    bytes.extend(index.to_ne_bytes());
    bytes.extend(attributes);
    bytes
}

#[test]
fn a_link_is_read_back() {
    let mut fixed = vec![0, 0];
    fixed.extend(32_u16.to_ne_bytes());
    fixed.extend(7_u32.to_ne_bytes());
    fixed.extend(0x1_1043_u32.to_ne_bytes());
    fixed.extend([0; 4]);
    let mut builder = Builder::new(16, 0, &fixed);
    builder.put(1, &[0x20; 20]).text(3, "ib0").u32(4, 2044).u32(50, 0).u32(51, 4092).u32(5, 3).u32(37, u32::MAX);
    builder.u32(10, 9).put(16, &[6]).put(33, &[1]).text(56, "0000:3b:00.0").nest(18, |info| {
        info.text(1, "ipoib");
    });
    // What is not used may be anything.
    builder.put(7, &[1]).put(22, &[0xff; 3]);
    let bytes = builder.finish();
    let link = Link::read(&first(&bytes)).expect("readable").expect("a link");
    let expected = Link {
        link_type: 32,
        index: 7,
        flags: 0x1_1043,
        name: Some("ib0"),
        address: Some(&[0x20; 20]),
        mtu: Some(2044),
        min_mtu: Some(0),
        max_mtu: Some(4092),
        link: Some(3),
        netnsid: Some(-1),
        master: Some(9),
        operstate: Some(6),
        carrier: Some(true),
        parent: Some("0000:3b:00.0"),
        info: link.info,
    };
    assert_eq!(link, expected);
    let info = nla::attributes(link.info.expect("link information")).next().expect("the kind").expect("well formed");
    assert_eq!(info.text(), "ipoib");
}

#[test]
fn addresses_and_neighbours_are_read_back() {
    let mut builder = Builder::new(20, 0, &[2, 31, 0x80, 0, 3, 0, 0, 0]);
    builder.ip(1, address("192.0.2.1")).ip(2, address("192.0.2.0"));
    let bytes = builder.finish();
    let row = Address::read(&first(&bytes)).expect("readable").expect("an address");
    assert_eq!((row.prefix_length, row.flags, row.index), (31, 0x80, u32::from_ne_bytes([3, 0, 0, 0])));
    assert_eq!((row.address, row.local), (Some(address("192.0.2.1")), Some(address("192.0.2.0"))));

    let mut fixed = [10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 1];
    fixed[4..8].copy_from_slice(&5_u32.to_ne_bytes());
    fixed[8..10].copy_from_slice(&0x02_u16.to_ne_bytes());
    let mut builder = Builder::new(28, 0, &fixed);
    builder.ip(1, address("fe80::1")).put(2, &[2, 0, 0, 0, 0, 1]);
    let bytes = builder.finish();
    let row = Neighbour::read(&first(&bytes)).expect("readable").expect("a neighbour");
    let expected = Neighbour { index: 5, state: 2, router: true, dst: Some(address("fe80::1")), lladdr: Some(&[2, 0, 0, 0, 0, 1]) };
    assert_eq!(row, expected);
    // An entry of a bridge has a link-layer address where others have one of IP.
    let bytes = Builder::new(28, 0, &[7, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0]).put(1, &[2; 6]).finish();
    assert_eq!(Neighbour::read(&first(&bytes)).expect("readable").expect("a neighbour").dst, None);
}

#[test]
fn a_route_is_read_back() {
    let mut cacheinfo = [0; 32];
    cacheinfo[8..12].copy_from_slice(&59_000_u32.to_ne_bytes());
    let mut builder = Builder::new(24, 0, &rtmsg(2, 24, 0x200));
    builder.u32(15, 1000).ip(1, address("192.0.2.0")).u32(6, 100).ip(7, address("198.51.100.1")).u32(4, 3);
    builder.ip(5, address("198.51.100.254")).put(12, &cacheinfo).nest(8, |metrics| {
        // Window and congestion control are nobody's matter here.
        metrics.u32(1, 1 << 2).u32(2, 1400).u32(8, 1360).put(3, &[1]).text(16, "cubic");
    });
    let bytes = builder.finish();
    let route = Route::read(&first(&bytes)).expect("readable").expect("a route");
    let expected = Route {
        family: Family::V4,
        prefix_length: 24,
        protocol: 4,
        scope: 0,
        kind: 1,
        cloned: true,
        table: 1000,
        dst: Some(address("192.0.2.0")),
        oif: Some(3),
        gateway: Some(address("198.51.100.254")),
        prefsrc: Some(address("198.51.100.1")),
        priority: Some(100),
        mtu: Some(1400),
        mtu_locked: true,
        advmss: Some(1360),
        expires: Some(59_000),
        nexthops: 0,
    };
    assert_eq!(route, expected);
}

#[test]
fn next_hops_of_both_families_and_another() {
    let via = |number: u16, octets: &[u8]| [&number.to_ne_bytes()[..], octets].concat();
    let read = |builder: &Builder| Route::read(&first(&builder.finish())).map(|route| route.expect("a route"));
    let six = address("2001:db8::1");
    let IpAddr::V6(octets) = six else { unreachable!() };
    let mut builder = Builder::new(24, 0, &rtmsg(2, 0, 0));
    assert_eq!(read(builder.put(18, &via(10, &octets.octets()))).expect("readable").gateway, Some(six));
    // AF_PACKET, as MPLS has it.
    assert_eq!(read(builder.put(18, &via(17, &[1; 6]))).expect("readable").gateway, Some(six));
    let fault = read(builder.put(18, &via(10, &[1; 4]))).expect_err("too short");
    assert_eq!(fault.to_string(), "RTA_VIA has 4 bytes where 16 belong");

    let attributes = |gateway: Option<IpAddr>| {
        let mut attributes = Builder::new(0, 0, &[]);
        if let Some(gateway) = gateway {
            attributes.ip(5, gateway);
        }
        attributes
    };
    let hops = [hop(4, &attributes(Some(address("192.0.2.1")))), hop(5, &attributes(None)), hop(6, &attributes(None))];
    let mut builder = Builder::new(24, 0, &rtmsg(2, 0, 0));
    let route = read(builder.put(9, &hops.concat())).expect("readable");
    assert_eq!((route.nexthops, route.oif, route.gateway), (3, Some(4), Some(address("192.0.2.1"))));
    let route = read(Builder::new(24, 0, &rtmsg(2, 0, 0)).put(9, &[])).expect("readable");
    assert_eq!((route.nexthops, route.oif), (0, None));
    for (cut, fault) in [
        (1, "RTA_MULTIPATH: a length of 8 bytes where 7 are left, at byte 24"),
        (7, "RTA_MULTIPATH: a length of 0 bytes where 1 are left, at byte 24"),
    ] {
        let mut bytes = hops.concat();
        bytes.truncate(bytes.len() - cut);
        let read = read(Builder::new(24, 0, &rtmsg(2, 0, 0)).put(9, &bytes));
        assert_eq!(read.expect_err("cut").to_string(), fault);
    }
    let read = read(Builder::new(24, 0, &rtmsg(2, 0, 0)).put(9, &[4, 0, 0, 0, 0, 0, 0, 0]));
    assert!(read.is_err(), "a hop that is shorter than its own header leads nowhere");
}

#[test]
fn a_rule_is_read_back() {
    let mut fixed = vec![2, 24, 16, 0x10, 0, 0, 0, 2];
    fixed.extend(2_u32.to_ne_bytes());
    let mut builder = Builder::new(32, 0, &fixed);
    builder.ip(1, address("192.0.2.0")).ip(2, address("198.51.0.0")).text(3, "lo").text(17, "eth0").u32(4, 500).u32(6, 100);
    builder.u32(10, 7).u32(16, 0xff).put(12, &77_u64.to_be_bytes()).u32(13, u32::MAX).u32(14, 0).u32(15, 1000).put(19, &[1]);
    builder.put(20, &[1000_u32.to_ne_bytes(), 2000_u32.to_ne_bytes()].concat()).put(22, &[6]).put(25, &[46]);
    builder.put(23, &[1_u16.to_ne_bytes(), 2_u16.to_ne_bytes()].concat());
    builder.put(24, &[3_u16.to_ne_bytes(), 4_u16.to_ne_bytes()].concat()).put(21, &[2]).put(18, &[]);
    let bytes = builder.finish();
    let expected = Rule {
        to_length: 24,
        from_length: 16,
        tos: 0x10,
        action: RuleAction::Goto,
        invert: true,
        table: 1000,
        to: Some(address("192.0.2.0")),
        from: Some(address("198.51.0.0")),
        iif: Some("lo"),
        oif: Some("eth0"),
        goto: Some(500),
        priority: 100,
        mark: 7,
        mask: Some(0xff),
        tunnel: 77,
        suppress_group: Some(u32::MAX),
        suppress_length: Some(0),
        l3mdev: true,
        uids: Some((1000, 2000)),
        protocol: 6,
        sport: Some((1, 2)),
        dport: Some((3, 4)),
        dscp: Some(46),
        foreign: false,
    };
    assert_eq!(Rule::read(&first(&bytes)), Ok(Some(expected)));
    for selector in [0, 26, 0x3fff] {
        let bytes = Builder::new(32, 0, &fixed).put(selector, &[1]).finish();
        assert!(Rule::read(&first(&bytes)).expect("readable").expect("a rule").foreign, "attribute {selector}");
    }
}

#[test]
fn an_attribute_of_another_length_is_unreadable_where_it_is_used() {
    /// Type, fixed part, and those attributes that are used and have one length. `RTA_VIA` has the one of its family.
    const USED: [(u16, usize, &[u16]); 5] = [
        (16, 16, &[4, 5, 10, 16, 33, 37, 50, 51]),
        (20, 8, &[1, 2]),
        (24, 12, &[1, 4, 5, 6, 7, 8, 9, 12, 15]),
        (28, 12, &[1]),
        (32, 12, &[1, 2, 4, 6, 10, 12, 13, 14, 15, 16, 19, 20, 22, 23, 24, 25]),
    ];
    for ((kind, length, used), (_, _, read)) in USED.into_iter().zip(DECODERS) {
        let mut fixed = vec![0; length];
        fixed[0] = AF_INET;
        for attribute in 0..70 {
            // No attribute has nine bytes; the nests hold one that is longer than they are.
            let bytes = Builder::new(kind, 0, &fixed).put(attribute, &[0xff; 9]).finish();
            let text = matches!((kind, attribute), (16, 3 | 56) | (32, 3 | 17));
            let result = read(&first(&bytes));
            assert_eq!(result.is_err(), used.contains(&attribute) || text, "type {kind}, attribute {attribute}");
            if let Err(fault) = result {
                let words = fault.to_string();
                assert!(words.chars().filter(|&c| c == '_').count() >= 1 && !words.contains('{'), "{words}");
            }
        }
        for cut in 0..length {
            let bytes = Builder::new(kind, 0, &fixed[..cut & !3]).finish();
            let fault = read(&first(&bytes)).expect_err("cut");
            assert_eq!(fault, Malformed { offset: 0, length, room: cut & !3 }.into());
        }
    }
    let bytes = Builder::new(16, 0, &[0; 16]).put(4, &[0; 3]).finish();
    assert_eq!(Link::read(&first(&bytes)).expect_err("short").to_string(), "IFLA_MTU has 3 bytes where 4 belong");
    let bytes = Builder::new(20, 0, &[0; 8]).put(2, &[0; 5]).finish();
    assert_eq!(Address::read(&first(&bytes)).expect_err("short").to_string(), "IFA_LOCAL has 5 bytes where an IP address belongs");
    let bytes = Builder::new(16, 0, &[0; 16]).put(3, &[b'e', 0xff, 0]).finish();
    assert_eq!(Link::read(&first(&bytes)).expect_err("no text").to_string(), "IFLA_IFNAME is not UTF-8");
}

#[test]
fn other_messages_are_passed_over_and_those_of_netlink_refused() {
    for (kind, length, read) in DECODERS {
        for other in 0..200 {
            let bytes = Builder::new(other, 0, &vec![0; length]).finish();
            // A family of neither IPv4 nor IPv6 is no route.
            let expected = if (16..=123).contains(&other) { Ok(other == kind && kind != 24) } else { Err(Unreadable::Type(other)) };
            assert_eq!(read(&first(&bytes)), expected, "{other} read as {kind}");
        }
    }
    assert_eq!(Unreadable::Type(3).to_string(), "type 3 is not a message of rtnetlink");
}

#[test]
fn a_question_carries_what_the_probes_are_bound_to() {
    let query =
        RouteQuery { oif: Some(3), source: Some(address("192.0.2.1")), tos: 0xb8, mark: 9, ..RouteQuery::to(address("192.0.2.2")) };
    let bytes = query.request(true);
    let message = first(&bytes);
    assert_eq!((message.kind, message.flags), (26, nla::REQUEST));
    assert_eq!(message.body[..8], [2, 32, 32, 0xb8, 0, 0, 0, 0]);
    assert_eq!(nla::read_u32(&message.body[8..]), Some(0x3000));
    let attributes: Vec<_> = nla::attributes(&message.body[12..]).map(|it| it.expect("well formed")).collect();
    assert_eq!(attributes.iter().map(|it| it.kind).collect::<Vec<_>>(), [1, 2, 4, 16]);
    assert_eq!((attributes[0].ip(), attributes[1].ip()), (Some(query.dst), query.source));
    // A source of the other family is no source of this packet.
    let query = RouteQuery { source: Some(address("192.0.2.1")), ..RouteQuery::to(address("2001:db8::2")) };
    assert_eq!(query.request(false), RouteQuery { source: None, ..query }.request(false));
}

fn any_attributes() -> impl Strategy<Value = Vec<(u16, Vec<u8>)>> {
    prop::collection::vec((prop_oneof![0_u16..70, any::<u16>()], prop::collection::vec(any::<u8>(), 0..40)), 0..12)
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        for (kind, _, read) in DECODERS {
            let message = Message { kind, flags: 0, seq: 0, body: &bytes, bytes: &bytes };
            let _ = read(&message).map_err(|fault| fault.to_string());
        }
    }

    #[test]
    fn any_attributes_are_read_or_refused(head in any::<[u8; 16]>(), family in 0_usize..3, list in any_attributes()) {
        for (kind, length, read) in DECODERS {
            let mut fixed = head[..length].to_vec();
            fixed[0] = [AF_INET, AF_INET6, head[0]][family];
            let mut builder = Builder::new(kind, 0, &fixed);
            for (attribute, value) in &list {
                builder.put(*attribute, value);
            }
            let bytes = builder.finish();
            let message = first(&bytes);
            let read = read(&message);
            prop_assert!(!matches!(read, Err(Unreadable::Type(_) | Unreadable::Malformed(_))), "{}", format!("{read:?}"));
            if let Ok(Some(route)) = Route::read(&message) {
                prop_assert!(route.dst.is_none_or(|dst| Family::of(dst) == route.family));
                prop_assert!(route.prefsrc.is_none_or(|source| Family::of(source) == route.family));
            }
        }
    }

    #[test]
    fn any_route_is_read_back(
        four in any::<bool>(),
        bits in any::<u128>(),
        numbers in any::<[u32; 6]>(),
        header in any::<[u8; 4]>(),
        cloned in any::<bool>(),
    ) {
        let ip: IpAddr = if four { IpAddr::from(numbers[0].to_be_bytes()) } else { IpAddr::from(bits.to_be_bytes()) };
        let mut fixed = rtmsg(if four { 2 } else { 10 }, header[0], if cloned { u32::MAX } else { !CLONED });
        fixed[5..8].copy_from_slice(&header[1..]);
        let mut builder = Builder::new(24, 0, &fixed);
        builder.ip(1, ip).ip(5, ip).ip(7, ip).u32(4, numbers[1]).u32(6, numbers[2]).u32(15, numbers[3]);
        builder.nest(8, |metrics| { metrics.u32(2, numbers[4]).u32(8, numbers[5]).u32(1, numbers[1]); });
        let bytes = builder.finish();
        let expected = Route {
            family: Family::of(ip),
            prefix_length: header[0],
            protocol: header[1],
            scope: header[2],
            kind: header[3],
            cloned,
            table: numbers[3],
            dst: Some(ip),
            oif: Some(numbers[1]),
            gateway: Some(ip),
            prefsrc: Some(ip),
            priority: Some(numbers[2]),
            mtu: Some(numbers[4]),
            mtu_locked: numbers[1] & 4 != 0,
            advmss: Some(numbers[5]),
            expires: None,
            nexthops: 0,
        };
        prop_assert_eq!(Route::read(&first(&bytes)), Ok(Some(expected)));
    }
}

/// `RTM_F_CLONED`.
const CLONED: u32 = 0x200;

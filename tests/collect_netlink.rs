//! The reading of rtnetlink against netlink-packet-route, which is written by others: its messages are read with the same
//! values, its requests have the same bytes, and what it reads of spoiled messages is what is read here.

mod random;

use netlink_packet_core::{NetlinkHeader, NetlinkMessage, NetlinkPayload, Nla as _, ParseableParametrized as _};
use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkFlags, LinkInfo, LinkLayerType, LinkMessage, State};
use netlink_packet_route::neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteCacheInfo, RouteFlags, RouteMessage, RouteMetric, RouteNextHop, RouteProtocol, RouteScope,
    RouteType, RouteVia,
};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleFlags, RuleMessage, RulePortRange, RuleUidRange};
use netlink_packet_route::{AddressFamily, IpProtocol, RouteNetlinkMessage};
use pathvet_checks::size::Family;
use pathvet_checks::wire::nla::{self, Message};
use pathvet_checks::wire::rtnl::{self, RouteQuery, Unreadable};
use random::Random;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A message as the library writes it.
fn written(message: RouteNetlinkMessage, flags: u16) -> Vec<u8> {
    let mut header = NetlinkHeader::default();
    header.flags = flags;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::from(message));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn number_of(family: Family) -> AddressFamily {
    match family {
        Family::V4 => AddressFamily::Inet,
        Family::V6 => AddressFamily::Inet6,
    }
}

#[test]
fn requests_have_the_bytes_that_the_library_writes() {
    let dump = |message| written(message, nla::REQUEST | nla::DUMP);
    let mut links = LinkMessage::default();
    links.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    assert_eq!(rtnl::links_request(), dump(RouteNetlinkMessage::GetLink(links)));
    assert_eq!(rtnl::addresses_request(), dump(RouteNetlinkMessage::GetAddress(AddressMessage::default())));
    assert_eq!(rtnl::neighbours_request(), dump(RouteNetlinkMessage::GetNeighbour(NeighbourMessage::default())));
    for family in [Family::V4, Family::V6] {
        let mut routes = RouteMessage::default();
        routes.header.address_family = number_of(family);
        assert_eq!(rtnl::routes_request(family), dump(RouteNetlinkMessage::GetRoute(routes)));
        let mut rules = RuleMessage::default();
        rules.header.family = number_of(family);
        assert_eq!(rtnl::rules_request(family), dump(RouteNetlinkMessage::GetRule(rules)));
    }
    let mut questions = 0;
    for (dst, source) in [("192.0.2.2", "192.0.2.1"), ("2001:db8::2", "2001:db8::1")] {
        for bits in 0..32_u8 {
            let on = |bit: u8| bits & (1 << bit) != 0;
            let query = RouteQuery {
                dst: ip(dst),
                source: on(0).then(|| ip(source)),
                oif: on(1).then_some(0x0102_0304),
                mark: if on(2) { 0xdead_beef } else { 0 },
                tos: if on(3) { 0xb8 } else { 0 },
            };
            assert_eq!(query.request(on(4)), written(asked(&query, on(4)), nla::REQUEST));
            questions += 1;
        }
    }
    println!("7 dumps and {questions} questions compared");
}

fn asked(query: &RouteQuery, fib_match: bool) -> RouteNetlinkMessage {
    let mut message = RouteMessage::default();
    let length = if query.dst.is_ipv4() { 32 } else { 128 };
    message.header.address_family = number_of(Family::of(query.dst));
    message.header.destination_prefix_length = length;
    message.header.tos = query.tos;
    message.header.flags = RouteFlags::LookupTable;
    if fib_match {
        message.header.flags |= RouteFlags::FibMatch;
    }
    message.attributes.push(RouteAttribute::Destination(query.dst.into()));
    if let Some(source) = query.source {
        message.header.source_prefix_length = length;
        message.attributes.push(RouteAttribute::Source(source.into()));
    }
    message.attributes.extend(query.oif.map(RouteAttribute::Oif));
    message.attributes.extend(Some(query.mark).filter(|&mark| mark != 0).map(RouteAttribute::Mark));
    RouteNetlinkMessage::GetRoute(message)
}

fn link_samples() -> Vec<Vec<u8>> {
    let mut tunnel = LinkMessage::default();
    tunnel.header.index = 7;
    tunnel.header.link_layer_type = LinkLayerType::Ipgre;
    tunnel.header.flags = LinkFlags::Up | LinkFlags::LowerUp | LinkFlags::Pointopoint;
    tunnel.attributes = vec![
        LinkAttribute::IfName("gre1".into()),
        LinkAttribute::Mtu(8972),
        LinkAttribute::MinMtu(68),
        LinkAttribute::MaxMtu(0),
        LinkAttribute::Link(5),
        LinkAttribute::LinkNetNsId(-1),
        LinkAttribute::Controller(9),
        LinkAttribute::OperState(State::LowerLayerDown),
        LinkAttribute::Carrier(0),
        LinkAttribute::Address(vec![192, 0, 2, 1]),
        LinkAttribute::ParentDevName("0000:3b:00.0".into()),
        LinkAttribute::IfAlias("to the other end".into()),
        LinkAttribute::LinkInfo(vec![LinkInfo::Kind(netlink_packet_route::link::InfoKind::GreTun)]),
    ];
    let mut bare = LinkMessage::default();
    bare.header.link_layer_type = LinkLayerType::Infiniband;
    bare.attributes = vec![LinkAttribute::IfName("ib0".into()), LinkAttribute::Address(vec![0x80; 20])];
    [tunnel, bare].map(|link| written(RouteNetlinkMessage::NewLink(link), 2)).to_vec()
}

fn address_samples() -> Vec<Vec<u8>> {
    let row = |index, address: &str, local: Option<&str>| {
        let mut row = AddressMessage::default();
        row.header.family = number_of(Family::of(ip(address)));
        row.header.prefix_len = 24;
        row.header.index = index;
        row.header.flags = AddressHeaderFlags::Tentative | AddressHeaderFlags::Permanent;
        row.attributes = vec![AddressAttribute::Address(ip(address)), AddressAttribute::Label("eth0:1".into())];
        row.attributes.extend(local.map(|local| AddressAttribute::Local(ip(local))));
        written(RouteNetlinkMessage::NewAddress(row), 2)
    };
    vec![row(3, "192.0.2.1", Some("192.0.2.2")), row(4, "2001:db8::1", None), row(5, "fe80::1", Some("fe80::2"))]
}

fn route_samples() -> Vec<Vec<u8>> {
    let cacheinfo: Vec<u8> = (0..32).collect();
    let mut plain = RouteMessage::default();
    plain.header.address_family = AddressFamily::Inet;
    plain.header.destination_prefix_length = 24;
    plain.header.table = 254;
    plain.header.kind = RouteType::Unicast;
    plain.header.protocol = RouteProtocol::Bgp;
    plain.header.scope = RouteScope::Link;
    plain.header.flags = RouteFlags::Cloned;
    plain.attributes = vec![
        RouteAttribute::Table(1000),
        RouteAttribute::Destination(ip("198.51.100.0").into()),
        RouteAttribute::Gateway(ip("192.0.2.1").into()),
        RouteAttribute::Oif(3),
        RouteAttribute::PrefSource(ip("192.0.2.2").into()),
        RouteAttribute::Priority(100),
        RouteAttribute::CacheInfo(RouteCacheInfo::parse(&cacheinfo).expect("long enough")),
        RouteAttribute::Metrics(vec![
            RouteMetric::Lock(1 << 2),
            RouteMetric::Mtu(1400),
            RouteMetric::Advmss(1360),
            RouteMetric::Window(65_535),
            RouteMetric::CcAlgo("bbr".into()),
        ]),
        RouteAttribute::Uid(1000),
    ];
    let mut via = RouteMessage::default();
    via.header.address_family = AddressFamily::Inet;
    via.header.kind = RouteType::Unicast;
    via.attributes = vec![RouteAttribute::Via(RouteVia::Inet6("fe80::1".parse().expect("ip"))), RouteAttribute::Oif(4)];
    let mut other_way = via.clone();
    other_way.attributes[0] = RouteAttribute::Via(RouteVia::Packet(vec![2, 0, 0, 0, 0, 1]));
    let hop = |index, attributes| {
        let mut hop = RouteNextHop::default();
        hop.interface_index = index;
        hop.attributes = attributes;
        hop
    };
    let mut many = RouteMessage::default();
    many.header.address_family = AddressFamily::Inet6;
    many.header.destination_prefix_length = 64;
    many.header.kind = RouteType::Unicast;
    many.attributes = vec![
        RouteAttribute::Destination(ip("2001:db8::").into()),
        RouteAttribute::MultiPath(vec![
            hop(5, vec![RouteAttribute::Gateway(ip("fe80::5").into())]),
            hop(
                6,
                vec![
                    RouteAttribute::Gateway(ip("fe80::6").into()),
                    RouteAttribute::Realm(netlink_packet_route::route::RouteRealm { source: 1, destination: 2 }),
                ],
            ),
            hop(7, vec![]),
        ]),
        RouteAttribute::Metrics(vec![RouteMetric::Mtu(1280)]),
    ];
    let mut both = via.clone();
    both.attributes
        .push(RouteAttribute::MultiPath(vec![hop(8, vec![RouteAttribute::Via(RouteVia::Inet6("fe80::8".parse().expect("ip")))])]));
    let mut refusing = RouteMessage::default();
    refusing.header.address_family = AddressFamily::Inet6;
    refusing.header.kind = RouteType::Unreachable;
    let mut foreign = RouteMessage::default();
    foreign.header.address_family = AddressFamily::Mpls;
    [plain, via, other_way, many, both, refusing, foreign].map(|route| written(RouteNetlinkMessage::NewRoute(route), 2)).to_vec()
}

fn neighbour_samples() -> Vec<Vec<u8>> {
    let row = |family, state, dst, flags| {
        let mut row = NeighbourMessage::default();
        row.header.family = family;
        row.header.ifindex = 3;
        row.header.state = state;
        row.header.flags = flags;
        row.attributes = vec![
            NeighbourAttribute::Destination(dst),
            NeighbourAttribute::LinkLayerAddress(vec![2, 0, 0, 0, 0, 9]),
            NeighbourAttribute::Probes(4),
        ];
        written(RouteNetlinkMessage::NewNeighbour(row), 2)
    };
    vec![
        row(AddressFamily::Inet, NeighbourState::Reachable, ip("192.0.2.9").into(), NeighbourFlags::empty()),
        row(AddressFamily::Inet6, NeighbourState::Other(0x84), ip("fe80::9").into(), NeighbourFlags::Router),
        row(AddressFamily::Bridge, NeighbourState::Permanent, NeighbourAddress::Other(vec![1; 6]), NeighbourFlags::empty()),
    ]
}

fn rule_samples() -> Vec<Vec<u8>> {
    let mut all = RuleMessage::default();
    all.header.family = AddressFamily::Inet;
    all.header.dst_len = 24;
    all.header.src_len = 16;
    all.header.tos = 0x10;
    all.header.table = 254;
    all.header.action = RuleAction::Goto;
    all.header.flags = RuleFlags::Invert | RuleFlags::Permanent;
    all.attributes = vec![
        RuleAttribute::Destination(ip("192.0.2.0")),
        RuleAttribute::Source(ip("198.51.0.0")),
        RuleAttribute::Iifname("lo".into()),
        RuleAttribute::Oifname("eth0".into()),
        RuleAttribute::Goto(500),
        RuleAttribute::Priority(100),
        RuleAttribute::FwMark(7),
        RuleAttribute::FwMask(0xff),
        RuleAttribute::Table(1000),
        RuleAttribute::L3MDev(true),
        RuleAttribute::UidRange(RuleUidRange { start: 1, end: 1000 }),
        RuleAttribute::SuppressPrefixLen(0),
        RuleAttribute::SuppressIfGroup(u32::MAX),
        RuleAttribute::TunId(77),
        RuleAttribute::IpProtocol(IpProtocol::Tcp),
        RuleAttribute::SourcePortRange(RulePortRange { start: 1, end: 2 }),
        RuleAttribute::DestinationPortRange(RulePortRange { start: 3, end: 4 }),
        RuleAttribute::Protocol(RouteProtocol::Kernel),
        RuleAttribute::Other(netlink_packet_core::DefaultNla::new(FRA_DSCP, vec![46])),
    ];
    let bare = |action| {
        let mut rule = RuleMessage::default();
        rule.header.family = AddressFamily::Inet6;
        rule.header.action = action;
        rule.attributes = vec![RuleAttribute::Destination(ip("2001:db8::"))];
        rule
    };
    let mut unknown = bare(RuleAction::ToTable);
    unknown.attributes.push(RuleAttribute::Other(netlink_packet_core::DefaultNla::new(26, vec![1])));
    let mut rules = vec![all, unknown];
    rules.extend(
        [RuleAction::Nop, RuleAction::Blackhole, RuleAction::Unreachable, RuleAction::Prohibit, RuleAction::Other(9)].map(bare),
    );
    rules.into_iter().map(|rule| written(RouteNetlinkMessage::NewRule(rule), 2)).collect()
}

const FRA_DSCP: u16 = 25;
/// What is used of each type of message, and the length of its fixed part. Link information is read by a decoder of its own.
const USED: [(u16, usize, &[u16]); 5] = [
    (16, 16, &[1, 3, 4, 5, 10, 16, 33, 37, 50, 51, 56]),
    (20, 8, &[1, 2]),
    (24, 12, &[1, 4, 5, 6, 7, 8, 9, 12, 15, 18]),
    (28, 12, &[1, 2]),
    (32, 12, &[1, 2, 3, 4, 6, 10, 12, 13, 14, 15, 16, 17, 19, 20, 22, 23, 24, FRA_DSCP]),
];

/// What the library reads of a message, in whose body those attributes alone are left that are used: it refuses messages for
/// attributes that nobody needs. `None` where it refuses.
fn parsed(message: &Message<'_>) -> Option<RouteNetlinkMessage> {
    let (_, length, used) = USED.into_iter().find(|(kind, ..)| *kind == message.kind)?;
    let (fixed, rest) = message.body.split_at_checked(length)?;
    let mut body = fixed.to_vec();
    for attribute in nla::attributes(rest) {
        let attribute = attribute.ok()?;
        if used.contains(&attribute.kind) {
            body.extend_from_slice(attribute.bytes);
            body.resize(body.len().next_multiple_of(4), 0);
        }
    }
    let parse = || RouteNetlinkMessage::parse_with_param(&body, message.kind).ok();
    catch_unwind(AssertUnwindSafe(parse)).ok().flatten()
}

fn attributes<'m>(message: &Message<'m>) -> impl Iterator<Item = nla::Attribute<'m>> + use<'m> {
    let length = USED.iter().find(|(kind, ..)| *kind == message.kind).map_or(0, |(_, length, _)| *length);
    nla::attributes(message.body.get(length..).unwrap_or_default()).flatten()
}

fn their_link<'m>(message: &Message<'m>, row: &'m LinkMessage) -> rtnl::Link<'m> {
    let mut link = rtnl::Link {
        // The library makes `ARPHRD_VOID` of a type that it does not know.
        link_type: match u16::from(row.header.link_layer_type) {
            u16::MAX => nla::read_u16(&message.body[2..]).expect("a whole header"),
            known => known,
        },
        index: row.header.index,
        flags: row.header.flags.bits(),
        info: attributes(message).filter(|attribute| attribute.kind == 18).last().map(|attribute| attribute.value),
        ..rtnl::Link::default()
    };
    for attribute in &row.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name = Some(name),
            LinkAttribute::Mtu(mtu) => link.mtu = Some(*mtu),
            LinkAttribute::MinMtu(mtu) => link.min_mtu = Some(*mtu),
            LinkAttribute::MaxMtu(mtu) => link.max_mtu = Some(*mtu),
            LinkAttribute::Address(bytes) => link.address = Some(bytes),
            LinkAttribute::OperState(state) => link.operstate = Some(u8::from(*state)),
            LinkAttribute::Carrier(carrier) => link.carrier = Some(*carrier != 0),
            LinkAttribute::Controller(index) => link.master = Some(*index),
            LinkAttribute::Link(index) => link.link = Some(*index),
            LinkAttribute::LinkNetNsId(id) => link.netnsid = Some(*id),
            LinkAttribute::ParentDevName(name) => link.parent = Some(name),
            other => panic!("{other:?} was not asked for"),
        }
    }
    link
}

fn their_address(row: &AddressMessage) -> rtnl::Address {
    let mut address = rtnl::Address {
        prefix_length: row.header.prefix_len,
        flags: row.header.flags.bits(),
        index: row.header.index,
        ..rtnl::Address::default()
    };
    for attribute in &row.attributes {
        match attribute {
            AddressAttribute::Address(ip) => address.address = Some(*ip),
            AddressAttribute::Local(ip) => address.local = Some(*ip),
            other => panic!("{other:?} was not asked for"),
        }
    }
    address
}

fn their_neighbour(row: &NeighbourMessage) -> rtnl::Neighbour<'_> {
    let mut neighbour = rtnl::Neighbour {
        index: row.header.ifindex,
        state: row.header.state.into(),
        router: row.header.flags.contains(NeighbourFlags::Router),
        ..rtnl::Neighbour::default()
    };
    for attribute in &row.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(ip)) => neighbour.dst = Some((*ip).into()),
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(ip)) => neighbour.dst = Some((*ip).into()),
            NeighbourAttribute::LinkLayerAddress(bytes) => neighbour.lladdr = Some(bytes),
            _ => {}
        }
    }
    neighbour
}

fn their_route(row: &RouteMessage) -> Option<rtnl::Route> {
    let mut route = rtnl::Route {
        family: match row.header.address_family {
            AddressFamily::Inet => Family::V4,
            AddressFamily::Inet6 => Family::V6,
            _ => return None,
        },
        prefix_length: row.header.destination_prefix_length,
        protocol: row.header.protocol.into(),
        scope: row.header.scope.into(),
        kind: row.header.kind.into(),
        cloned: row.header.flags.contains(RouteFlags::Cloned),
        table: row.header.table.into(),
        dst: None,
        oif: None,
        gateway: None,
        prefsrc: None,
        priority: None,
        mtu: None,
        mtu_locked: false,
        advmss: None,
        expires: None,
        nexthops: 0,
    };
    for attribute in &row.attributes {
        match attribute {
            RouteAttribute::Destination(address) => route.dst = theirs(address),
            RouteAttribute::PrefSource(address) => route.prefsrc = theirs(address),
            RouteAttribute::Oif(index) => route.oif = Some(*index),
            RouteAttribute::Priority(metric) => route.priority = Some(*metric),
            RouteAttribute::Table(table) => route.table = *table,
            RouteAttribute::CacheInfo(info) => route.expires = Some(info.expires),
            RouteAttribute::Metrics(metrics) => {
                for metric in metrics {
                    match metric {
                        RouteMetric::Mtu(mtu) => route.mtu = Some(*mtu),
                        RouteMetric::Advmss(mss) => route.advmss = Some(*mss),
                        RouteMetric::Lock(bits) => route.mtu_locked = bits & 4 != 0,
                        _ => {}
                    }
                }
            }
            RouteAttribute::MultiPath(hops) => {
                route.nexthops = u32::try_from(hops.len()).expect("few");
                if let Some(first) = hops.first() {
                    route.oif = Some(first.interface_index);
                    first.attributes.iter().for_each(|attribute| their_gateway(&mut route, attribute));
                }
            }
            other => their_gateway(&mut route, other),
        }
    }
    Some(route)
}

fn their_gateway(route: &mut rtnl::Route, attribute: &RouteAttribute) {
    match attribute {
        RouteAttribute::Gateway(address) => route.gateway = theirs(address),
        RouteAttribute::Via(RouteVia::Inet(address)) => route.gateway = Some((*address).into()),
        RouteAttribute::Via(RouteVia::Inet6(address)) => route.gateway = Some((*address).into()),
        _ => {}
    }
}

fn theirs(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(ip) => Some((*ip).into()),
        RouteAddress::Inet6(ip) => Some((*ip).into()),
        _ => None,
    }
}

/// `None` where a DSCP is not one byte: the library does not know it.
fn their_rule<'m>(message: &Message<'_>, row: &'m RuleMessage) -> Option<rtnl::Rule<'m>> {
    const NO_SELECTORS: [u16; 7] = [5, 7, 8, 9, 11, 18, 21];
    let header = &row.header;
    let mut rule = rtnl::Rule {
        to_length: header.dst_len,
        from_length: header.src_len,
        tos: header.tos,
        action: match header.action {
            RuleAction::ToTable => rtnl::RuleAction::Lookup,
            RuleAction::Goto => rtnl::RuleAction::Goto,
            RuleAction::Blackhole => rtnl::RuleAction::Blackhole,
            RuleAction::Unreachable => rtnl::RuleAction::Unreachable,
            RuleAction::Prohibit => rtnl::RuleAction::Prohibit,
            _ => rtnl::RuleAction::Nop,
        },
        invert: header.flags.contains(RuleFlags::Invert),
        table: header.table.into(),
        foreign: attributes(message).any(|it| !USED[4].2.contains(&it.kind) && !NO_SELECTORS.contains(&it.kind)),
        ..rtnl::Rule::default()
    };
    for attribute in &row.attributes {
        match attribute {
            RuleAttribute::Destination(ip) => rule.to = Some(*ip),
            RuleAttribute::Source(ip) => rule.from = Some(*ip),
            RuleAttribute::Iifname(name) => rule.iif = Some(name),
            RuleAttribute::Oifname(name) => rule.oif = Some(name),
            RuleAttribute::Goto(priority) => rule.goto = Some(*priority),
            RuleAttribute::Priority(priority) => rule.priority = *priority,
            RuleAttribute::FwMark(mark) => rule.mark = *mark,
            RuleAttribute::FwMask(mask) => rule.mask = Some(*mask),
            RuleAttribute::Table(table) => rule.table = *table,
            RuleAttribute::L3MDev(on) => rule.l3mdev = *on,
            RuleAttribute::UidRange(range) => rule.uids = Some((range.start, range.end)),
            RuleAttribute::SuppressPrefixLen(length) => rule.suppress_length = Some(*length),
            RuleAttribute::SuppressIfGroup(group) => rule.suppress_group = Some(*group),
            RuleAttribute::TunId(id) => rule.tunnel = *id,
            RuleAttribute::IpProtocol(protocol) => rule.protocol = u8::from(*protocol),
            RuleAttribute::SourcePortRange(range) => rule.sport = Some((range.start, range.end)),
            RuleAttribute::DestinationPortRange(range) => rule.dport = Some((range.start, range.end)),
            RuleAttribute::Other(other) => {
                let mut value = [0];
                if other.value_len() != value.len() {
                    return None;
                }
                other.emit_value(&mut value);
                rule.dscp = Some(value[0]);
            }
            other => panic!("{other:?} was not asked for"),
        }
    }
    Some(rule)
}

/// How the two readings of one message compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opinion {
    Same,
    Refused,
    /// What the library minds is not used.
    Ours,
    /// There is nothing to compare.
    Neither,
}

/// Holds `ours` against `theirs`, of which `None` is a refusal.
fn opinion<T: PartialEq + std::fmt::Debug>(
    message: &Message<'_>,
    ours: &Result<Option<T>, Unreadable>,
    theirs: Option<&Option<T>>,
) -> Opinion {
    match (ours, theirs) {
        (Ok(ours), Some(theirs)) => {
            assert_eq!(ours, theirs, "{:02x?}", message.bytes);
            Opinion::Same
        }
        (Err(_), None) => Opinion::Refused,
        (Ok(_), None) => Opinion::Ours,
        (Err(fault), Some(theirs)) => panic!("{fault}, where the library reads {theirs:?}: {:02x?}", message.bytes),
    }
}

fn compare(message: &Message<'_>) -> Opinion {
    use RouteNetlinkMessage::{NewAddress, NewLink, NewNeighbour, NewRoute, NewRule};
    let parsed = parsed(message);
    match message.kind {
        16 => {
            let theirs = parsed.as_ref().map(|row| if let NewLink(row) = row { Some(their_link(message, row)) } else { None });
            opinion(message, &rtnl::Link::read(message), theirs.as_ref())
        }
        20 => {
            let theirs = parsed.as_ref().map(|row| if let NewAddress(row) = row { Some(their_address(row)) } else { None });
            opinion(message, &rtnl::Address::read(message), theirs.as_ref())
        }
        24 => {
            let ours = rtnl::Route::read(message);
            if message.body.first().is_some_and(|family| ![2, 10].contains(family)) && message.body.len() >= 12 {
                assert_eq!(ours, Ok(None));
                return Opinion::Neither;
            }
            if attributes(message).any(|attribute| attribute.kind == 9 && !is_aligned(attribute.value)) {
                return Opinion::Neither;
            }
            let theirs = parsed.as_ref().map(|row| if let NewRoute(row) = row { their_route(row) } else { None });
            let opinion = opinion(message, &ours, theirs.as_ref());
            let nests = attributes(message).any(|attribute| [8, 9].contains(&attribute.kind));
            assert!(opinion != Opinion::Ours || nests, "{:02x?}", message.bytes);
            opinion
        }
        28 => {
            let theirs = parsed.as_ref().map(|row| if let NewNeighbour(row) = row { Some(their_neighbour(row)) } else { None });
            opinion(message, &rtnl::Neighbour::read(message), theirs.as_ref())
        }
        32 => {
            // A DSCP of more than one byte is none: unreadable here, and unknown to the library.
            let theirs = parsed.as_ref().and_then(|row| if let NewRule(row) = row { their_rule(message, row) } else { None });
            opinion(message, &rtnl::Rule::read(message), theirs.map(Some).as_ref())
        }
        _ => Opinion::Neither,
    }
}

/// Whether the next hops begin at multiples of four bytes, as the kernel writes them (`RTNH_ALIGN`); the library knows no padding.
fn is_aligned(hops: &[u8]) -> bool {
    let mut rest = hops;
    while let Some(length) = nla::read_u16(rest).map(usize::from).filter(|&length| length > 0) {
        if length % 4 != 0 {
            return false;
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    true
}

/// What a kernel said, and hosts made by hand: the recorded answers of rtnetlink.
fn recorded() -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let hosts = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/hosts");
    for host in std::fs::read_dir(hosts).expect("recorded hosts") {
        let Ok(answers) = std::fs::read_dir(host.expect("an entry").path().join("netlink")) else { continue };
        let mut answers: Vec<_> = answers.map(|entry| entry.expect("an entry").path()).collect();
        answers.sort();
        for path in answers.iter().filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("route-")))
        {
            found.push(std::fs::read(path).expect("a file"));
        }
    }
    found
}

fn samples() -> Vec<Vec<u8>> {
    let mut samples = [link_samples(), address_samples(), route_samples(), neighbour_samples(), rule_samples()].concat();
    for answer in recorded() {
        samples.extend(nla::messages(&answer).map_while(Result::ok).map(|message| message.bytes.to_vec()));
    }
    samples
}

#[test]
fn the_messages_of_the_library_are_read_with_equal_fields() {
    let mut compared = [0; 5];
    for sample in samples() {
        for message in nla::messages(&sample) {
            let message = message.expect("well formed");
            let Some(table) = USED.iter().position(|(kind, ..)| *kind == message.kind) else { continue };
            let foreign = message.kind == 24 && message.body[0] == 28;
            assert_eq!(compare(&message), if foreign { Opinion::Neither } else { Opinion::Same });
            compared[table] += 1;
        }
    }
    let [links, addresses, routes, neighbours, rules] = compared;
    println!("{links} links, {addresses} addresses, {routes} routes, {neighbours} neighbours and {rules} rules compared");
    assert!(compared.iter().all(|&count| count >= 3));
}

/// Changes the body of a message; the header is made to fit again.
fn spoil(random: &mut Random, sample: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = sample.to_vec();
    for _ in 0..=random.below(3) {
        let at = nla::HEADER + random.below(bytes.len() - nla::HEADER);
        match random.below(7) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = [0, 1, 4, 8, 0x7f, 0xff][random.below(6)],
            2 => bytes.truncate(at.max(nla::HEADER + 1)),
            3 => {
                let end = (at + random.below(32)).min(bytes.len());
                bytes.drain(at.max(nla::HEADER + 1).min(end)..end);
            }
            // An attribute's length or type that is off by a little.
            4 | 5 => {
                let at = at & !3;
                bytes[at] = bytes[at].wrapping_add([1, 2, 4, 0xff, 0xfe, 0xfc][random.below(6)]);
            }
            _ => {
                let from = (nla::HEADER + random.below(other.len() - nla::HEADER)) & !3;
                let end = (from + 4 * random.below(12)).min(other.len());
                let at = (at & !3).max(nla::HEADER);
                bytes.splice(at..at, other[from.min(end)..end].iter().copied());
            }
        }
    }
    let length = u32::try_from(bytes.len()).expect("short");
    bytes[..4].copy_from_slice(&length.to_ne_bytes());
    bytes
}

#[test]
fn the_library_reads_the_same_of_spoiled_messages_or_refuses_them_too() {
    const ROUNDS: usize = 300_000;
    let known =
        |bytes: &Vec<u8>| bytes.len() > nla::HEADER && USED.iter().any(|(kind, ..)| nla::read_u16(&bytes[4..]) == Some(*kind));
    let samples: Vec<_> = samples().into_iter().filter(known).collect();
    let mut random = Random(0x7274_6e65_746c_696e);
    let mut counts = [0; 4];
    for _ in 0..ROUNDS {
        let [sample, other] = [(); 2].map(|()| &samples[random.below(samples.len())]);
        let bytes = spoil(&mut random, sample, other);
        let message = nla::messages(&bytes).next().expect("one message").expect("the length fits");
        counts[compare(&message) as usize] += 1;
    }
    let [same, refused, ours, neither] = counts;
    println!(
        "{ROUNDS} spoiled messages: {same} read alike, {refused} refused by both, {ours} by the library alone, {neither} not compared"
    );
    assert!(same > ROUNDS / 4 && refused > ROUNDS / 10 && ours < ROUNDS / 20 && neither < ROUNDS / 5);
}

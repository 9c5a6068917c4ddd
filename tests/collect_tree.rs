//! Recorded trees: devices that the test kernel has not, recordings that give the same evidence again, hostile input.

mod random;

use netlink_packet_core::{NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage::{self, NewAddress, NewLink, NewRoute, NewRule};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{
    BondAdInfo, BondLacpRate, BondMode, BondPortState, BondXmitHashPolicy, GreIOFlags, InfoBond, InfoBondPort, InfoData,
    InfoGeneve, InfoGre, InfoIpTunnel, InfoIpVlan, InfoKind, InfoPortData, InfoPortKind, InfoVlan, InfoVrf, InfoVrfPort,
    IpVlanMode, LacpState, LinkAttribute, LinkFlags, LinkInfo, LinkLayerType, LinkMessage, MiiStatus, State, VlanProtocol,
};
use netlink_packet_route::route::{RouteAttribute, RouteMessage, RouteType};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use netlink_packet_route::{AddressFamily, IpProtocol};
use pathvet::collect;
use pathvet::host::{DriverInfo, Host, Recorder, ThisHost, Tree};
use pathvet_checks::evidence::{self, GapReason, Link};
use pathvet_checks::wire::nla::{self, Builder};
use random::Random;
use serde_json::json;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

const BOND_TREE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/hosts/bond-vlan-tunnels");

fn taken() -> jiff::Timestamp {
    "2026-11-20T12:00:00Z".parse().expect("a time")
}

fn message(payload: RouteNetlinkMessage) -> Vec<u8> {
    let mut message = NetlinkMessage::new(NetlinkHeader::default(), NetlinkPayload::from(payload));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

/// One interface: an index, a name, its own attributes and its link info.
fn link(index: u32, name: &str, kind: LinkLayerType, more: Vec<LinkAttribute>, info: Vec<LinkInfo>) -> Vec<u8> {
    let mut link = LinkMessage::default();
    link.header.index = index;
    link.header.link_layer_type = kind;
    link.header.flags = LinkFlags::Up | LinkFlags::Running | LinkFlags::LowerUp | LinkFlags::Broadcast | LinkFlags::Multicast;
    if kind == LinkLayerType::Ether {
        link.attributes.push(LinkAttribute::Address(vec![2, 0, 0, 0, 0, u8::try_from(index).expect("small")]));
    }
    link.attributes.extend([LinkAttribute::IfName(name.into()), LinkAttribute::OperState(State::Up), LinkAttribute::Carrier(1)]);
    link.attributes.extend(more);
    if !info.is_empty() {
        link.attributes.push(LinkAttribute::LinkInfo(info));
    }
    message(NewLink(link))
}

fn info(kind: InfoKind, data: InfoData) -> Vec<LinkInfo> {
    vec![LinkInfo::Kind(kind), LinkInfo::Data(data)]
}

fn bond_port(state: BondPortState, mii: MiiStatus, aggregator: u16, partner: u8) -> Vec<LinkInfo> {
    vec![
        LinkInfo::PortKind(InfoPortKind::Bond),
        LinkInfo::PortData(InfoPortData::BondPort(vec![
            InfoBondPort::BondPortState(state),
            InfoBondPort::MiiStatus(mii),
            InfoBondPort::LinkFailureCount(3),
            InfoBondPort::PermHwaddr(vec![2, 0, 0, 0, 0, 0x22]),
            InfoBondPort::QueueId(0),
            InfoBondPort::AdAggregatorId(aggregator),
            InfoBondPort::AdActorOperPortState(LacpState::from_bits_retain(0x3d)),
            InfoBondPort::AdPartnerOperPortState(LacpState::from_bits_retain(partner)),
        ])),
    ]
}

#[expect(clippy::too_many_lines, reason = "a table of devices")]
fn links() -> Vec<u8> {
    use LinkAttribute::{Controller, Link as Lower, MaxMtu, MinMtu, Mtu};
    let ether = LinkLayerType::Ether;
    let mut loopback = LinkMessage::default();
    loopback.header.index = 1;
    loopback.header.link_layer_type = LinkLayerType::Loopback;
    loopback.header.flags = LinkFlags::Up | LinkFlags::Running | LinkFlags::LowerUp | LinkFlags::Loopback;
    loopback.attributes =
        vec![LinkAttribute::Address(vec![0; 6]), LinkAttribute::IfName("lo".into()), Mtu(65536), MinMtu(0), MaxMtu(0)];
    let remote = [192, 0, 2, 9].into();
    let local = [192, 0, 2, 1].into();
    let bond = vec![
        InfoBond::Mode(BondMode::Ieee8023Ad),
        InfoBond::MiiMon(100),
        InfoBond::UpDelay(0),
        InfoBond::DownDelay(200),
        InfoBond::UseCarrier(true),
        InfoBond::XmitHashPolicy(BondXmitHashPolicy::Layer34),
        InfoBond::MinLinks(1),
        InfoBond::AdLacpRate(BondLacpRate::Fast),
        InfoBond::AdLacpActive(true),
        InfoBond::AdActorSysPrio(65535),
        InfoBond::AdActorSystem([0; 6]),
        InfoBond::AdInfo(vec![
            BondAdInfo::Aggregator(1),
            BondAdInfo::NumPorts(1),
            BondAdInfo::ActorKey(15),
            BondAdInfo::PartnerKey(1000),
            BondAdInfo::PartnerMac([0x02, 0x1c, 0x73, 0, 0, 1]),
        ]),
    ];
    [
        message(NewLink(loopback)),
        link(
            2,
            "eth0",
            ether,
            vec![Mtu(9000), MinMtu(68), MaxMtu(9978), Controller(4)],
            bond_port(BondPortState::Active, MiiStatus::Up, 1, 0x3d),
        ),
        link(
            3,
            "eth1",
            ether,
            vec![Mtu(9000), MinMtu(68), MaxMtu(9978), Controller(4)],
            bond_port(BondPortState::Backup, MiiStatus::Down, 2, 0),
        ),
        link(4, "bond0", ether, vec![Mtu(9000)], info(InfoKind::Bond, InfoData::Bond(bond))),
        link(
            5,
            "bond0.100",
            ether,
            vec![Mtu(9000), Lower(4)],
            info(InfoKind::Vlan, InfoData::Vlan(vec![InfoVlan::Protocol(VlanProtocol::Ieee8021Q), InfoVlan::Id(100)])),
        ),
        link(
            6,
            "gnv0",
            ether,
            vec![Mtu(8950)],
            info(
                InfoKind::Geneve,
                InfoData::Geneve(vec![InfoGeneve::Id(77), InfoGeneve::Remote(remote), InfoGeneve::Ttl(0), InfoGeneve::Port(6081)]),
            ),
        ),
        link(
            7,
            "gre1",
            LinkLayerType::Ipgre,
            vec![Mtu(8972), Lower(5), LinkAttribute::Address(vec![192, 0, 2, 1])],
            info(
                InfoKind::GreTun,
                InfoData::GreTun(vec![
                    InfoGre::Link(5),
                    InfoGre::IFlags(GreIOFlags::Key),
                    InfoGre::OFlags(GreIOFlags::Key | GreIOFlags::Checksum),
                    InfoGre::IKey(7),
                    InfoGre::OKey(7),
                    InfoGre::Local(local),
                    InfoGre::Remote(remote),
                    InfoGre::Ttl(64),
                    InfoGre::PathMTUDiscovery(true),
                    InfoGre::EncapType(netlink_packet_route::link::GreEncapType::Fou),
                    InfoGre::EncapFlags(netlink_packet_route::link::GreEncapFlags::Checksum),
                    InfoGre::SourcePort(0),
                    InfoGre::DestinationPort(5555),
                ]),
            ),
        ),
        link(
            8,
            "ipip1",
            LinkLayerType::Tunnel,
            vec![Mtu(8980)],
            info(
                InfoKind::IpIp,
                InfoData::IpTunnel(vec![
                    InfoIpTunnel::Local([0, 0, 0, 0].into()),
                    InfoIpTunnel::Remote(remote.into()),
                    InfoIpTunnel::Ttl(64),
                    InfoIpTunnel::Protocol(IpProtocol::Ipip),
                    InfoIpTunnel::PMtuDisc(true),
                ]),
            ),
        ),
        link(9, "vrf-blue", ether, vec![Mtu(65575)], info(InfoKind::Vrf, InfoData::Vrf(vec![InfoVrf::TableId(100)]))),
        link(
            10,
            "eth2",
            ether,
            vec![Mtu(1500), Controller(9)],
            vec![LinkInfo::PortKind(InfoPortKind::Vrf), LinkInfo::PortData(InfoPortData::VrfPort(vec![InfoVrfPort::TableId(100)]))],
        ),
        link(11, "wg0", LinkLayerType::None, vec![Mtu(8920)], vec![LinkInfo::Kind(InfoKind::Wireguard)]),
        link(
            12,
            "ipvl0",
            ether,
            vec![Mtu(9000), Lower(5)],
            info(InfoKind::IpVlan, InfoData::IpVlan(vec![InfoIpVlan::Mode(IpVlanMode::L3)])),
        ),
    ]
    .concat()
}

fn address(index: u32, ip: [u8; 4], length: u8) -> Vec<u8> {
    let mut row = AddressMessage::default();
    row.header.family = AddressFamily::Inet;
    row.header.index = index;
    row.header.prefix_len = length;
    row.attributes = vec![AddressAttribute::Address(ip.into()), AddressAttribute::Local(ip.into())];
    message(NewAddress(row))
}

fn route(dst: Option<([u8; 4], u8)>, oif: u32, table: u32) -> Vec<u8> {
    let mut row = RouteMessage::default();
    row.header.address_family = AddressFamily::Inet;
    row.header.kind = RouteType::Unicast;
    row.header.destination_prefix_length = dst.map_or(0, |(_, length)| length);
    row.attributes = vec![RouteAttribute::Oif(oif), RouteAttribute::Table(table)];
    row.attributes.extend(dst.map(|(ip, _)| RouteAttribute::Destination(std::net::IpAddr::from(ip).into())));
    message(NewRoute(row))
}

fn rule(priority: u32, table: u32, l3mdev: bool) -> Vec<u8> {
    let mut row = RuleMessage::default();
    row.header.family = AddressFamily::Inet;
    row.header.action = RuleAction::ToTable;
    row.attributes = vec![RuleAttribute::Priority(priority), RuleAttribute::Table(table)];
    if l3mdev {
        row.attributes.push(RuleAttribute::L3MDev(true));
    }
    message(NewRule(row))
}

/// Answers of ethtool: `struct genlmsghdr`, the header nest, then `fill`.
fn ethtool(command: u8, index: u32, fill: impl FnOnce(&mut Builder)) -> Vec<u8> {
    let mut builder = Builder::new(21, 0, &[command, 1, 0, 0]);
    builder.nest(1, |header| {
        header.u32(1, index);
    });
    fill(&mut builder);
    builder.finish()
}

/// A host made by hand: two ports of a LACP bond (one down, in another aggregator), a VLAN, tunnels, a VRF. Messages are
/// written by netlink-packet-route, so that our reading of them is held against a second opinion.
struct Made;

impl Made {
    fn answer(family: i32, request: &[u8]) -> Option<Vec<u8>> {
        let kind = nla::read_u16(&request[4..])?;
        let body = &request[nla::HEADER..];
        Some(match (family, kind) {
            (libc::NETLINK_ROUTE, libc::RTM_GETLINK) => links(),
            (libc::NETLINK_ROUTE, libc::RTM_GETADDR) => {
                [address(1, [127, 0, 0, 1], 8), address(5, [192, 0, 2, 1], 24), address(10, [198, 51, 100, 1], 24)].concat()
            }
            (libc::NETLINK_ROUTE, libc::RTM_GETROUTE) if body[0] == 2 && nla::read_u16(&request[6..])? & nla::DUMP == nla::DUMP => {
                [route(Some(([192, 0, 2, 0], 24)), 5, 254), route(Some(([198, 51, 100, 0], 24)), 10, 100), route(None, 5, 254)]
                    .concat()
            }
            (libc::NETLINK_ROUTE, libc::RTM_GETROUTE) if body[0] == 2 => route(Some(([198, 51, 100, 0], 24)), 10, 100),
            (libc::NETLINK_ROUTE, libc::RTM_GETRULE) if body[0] == 2 => {
                [rule(0, 255, false), rule(1000, 0, true), rule(32766, 254, false)].concat()
            }
            (libc::NETLINK_ROUTE, libc::RTM_GETROUTE | libc::RTM_GETRULE | libc::RTM_GETNEIGH) => Vec::new(),
            (libc::NETLINK_GENERIC, 16) => {
                let mut builder = Builder::new(16, 0, &[1, 2, 0, 0]);
                builder.text(2, "ethtool").put(1, &21_u16.to_ne_bytes());
                builder.finish()
            }
            (libc::NETLINK_GENERIC, 21) => match body[0] {
                4 => [(2, 40_000, 1), (3, u32::MAX, 0xff)]
                    .map(|(index, speed, duplex)| {
                        ethtool(4, index, |it| {
                            it.u32(5, speed).put(6, &[duplex]);
                        })
                    })
                    .concat(),
                21 => ethtool(22, 2, |it| {
                    it.put(2, &[0]).put(3, &[1]).put(4, &[1]);
                }),
                _ => ethtool(14, 2, |it| {
                    it.nest(2, |set| {
                        set.nest(3, |bits| {
                            bits.nest(1, |bit| {
                                bit.text(2, "disable-fw-lldp");
                            });
                        });
                    });
                }),
            },
            _ => return None,
        })
    }
}

impl Host for Made {
    fn origin(&self) -> &'static str {
        "root"
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let text = match path {
            "/etc/machine-id" => "0123456789abcdef0123456789abcdef\n",
            "/proc/sys/kernel/hostname" => "hv1\n",
            "/proc/sys/kernel/osrelease" => "6.1.0-28-amd64\n",
            "/etc/os-release" => "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n",
            "/sys/class/net/eth0/ifindex" => "2\n",
            "/sys/class/net/eth0/address" => "02:00:00:00:00:02\n",
            "/sys/class/net/eth1/ifindex" => "7\n",
            "/sys/class/net/eth1/address" => "02:00:00:00:00:03\n",
            _ => return Err(io::Error::from_raw_os_error(libc::ENOENT)),
        };
        Ok(text.into())
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        match path {
            "/sys/class" => Ok(vec!["net".into()]),
            "/sys/class/net/eth0/device/physfn/net" => Ok(vec!["enp1s0".into()]),
            _ => Err(io::Error::from_raw_os_error(libc::ENOENT)),
        }
    }

    fn link(&self, _: &str) -> io::Result<String> {
        Err(io::Error::from_raw_os_error(libc::ENOENT))
    }

    fn netlink(&self, family: i32, request: &[u8]) -> io::Result<Vec<u8>> {
        Self::answer(family, request).ok_or_else(|| io::Error::from_raw_os_error(libc::EOPNOTSUPP))
    }

    fn driver(&self, ifname: &str) -> io::Result<DriverInfo> {
        if ifname == "eth0" {
            let word = |text: &str| Some(text.to_owned());
            return Ok(DriverInfo { driver: word("mlx5_core"), firmware: word("16.35.4030"), bus: word("0000:3b:00.0") });
        }
        Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP))
    }

    fn live(&self) -> bool {
        false
    }
}

fn tree_files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(&directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(root).expect("inside").to_string_lossy().into_owned();
                files.insert(name, std::fs::read(&path).expect("a file"));
            }
        }
    }
    files
}

/// Set `PATHVET_UPDATE=1` to write the committed tree anew.
#[test]
fn the_committed_tree_is_what_the_generator_writes() {
    let directory = tempfile::tempdir().expect("a directory");
    let recorder = Recorder::new(&Made, directory.path(), taken()).expect("a recorder");
    let live = collect::host(&recorder, taken());
    let (_, gaps) = collect::Routing::new(&recorder, live.links.as_deref().expect("links"));
    assert!(gaps.is_empty(), "{gaps:?}");
    recorder.finish().expect("a whole recording");
    let files = tree_files(directory.path());
    if std::env::var_os("PATHVET_UPDATE").is_some() {
        let _ = std::fs::remove_dir_all(BOND_TREE);
        for (name, bytes) in &files {
            let place = Path::new(BOND_TREE).join(name);
            std::fs::create_dir_all(place.parent().expect("a directory")).expect("made");
            std::fs::write(place, bytes).expect("written");
        }
    }
    let mut committed = tree_files(Path::new(BOND_TREE));
    committed.remove("README.md");
    assert_eq!(files.keys().collect::<Vec<_>>(), committed.keys().collect::<Vec<_>>());
    assert!(files == committed, "PATHVET_UPDATE=1 writes the tree anew");
    let tree = collect::host(&Tree::open(directory.path()).expect("a tree"), jiff::Timestamp::UNIX_EPOCH);
    assert_eq!(tree, live, "the same evidence, and of the same moment");
}

fn get<'a>(host: &'a evidence::Host, name: &str) -> &'a Link {
    host.link(name).unwrap_or_else(|| panic!("{name}"))
}

#[test]
fn bond_vlan_and_tunnels_in_the_words_of_ip() {
    let tree = Tree::open(Path::new(BOND_TREE)).expect("the tree");
    let host = collect::host(&tree, jiff::Timestamp::UNIX_EPOCH);
    assert_eq!(host.taken, Some(taken()));
    assert_eq!((host.name.as_str(), host.origin.as_str()), ("hv1", "root"));
    assert_eq!(host.os.as_deref(), Some("Debian GNU/Linux 12 (bookworm)"));
    let data = |name: &str| serde_json::to_value(&get(&host, name).linkinfo).expect("JSON");
    assert_eq!(
        data("bond0"),
        json!({ "info_kind": "bond", "info_slave_kind": null, "info_slave_data": {}, "info_data": {
            "mode": "802.3ad", "miimon": 100, "updelay": 0, "downdelay": 200, "use_carrier": 1, "xmit_hash_policy": "layer3+4",
            "min_links": 1, "ad_lacp_rate": "fast", "ad_lacp_active": "on", "ad_actor_sys_prio": 65535,
            "ad_actor_system": "00:00:00:00:00:00",
            "ad_info": { "aggregator": 1, "num_ports": 1, "actor_key": 15, "partner_key": 1000, "partner_mac": "02:1c:73:00:00:01" } } })
    );
    assert_eq!(
        data("eth1")["info_slave_data"],
        json!({ "state": "BACKUP", "mii_status": "DOWN", "link_failure_count": 3, "perm_hwaddr": "02:00:00:00:00:22", "queue_id": 0,
            "ad_aggregator_id": 2, "ad_actor_oper_port_state": 61, "ad_partner_oper_port_state": 0,
            "ad_actor_oper_port_state_str": ["active", "aggregating", "in_sync", "collecting", "distributing"],
            "ad_partner_oper_port_state_str": [] })
    );
    assert_eq!(data("bond0.100")["info_data"], json!({ "protocol": "802.1Q", "id": 100 }));
    assert_eq!(get(&host, "bond0.100").link.as_deref(), Some("bond0"));
    assert_eq!(data("gnv0")["info_data"], json!({ "id": 77, "remote": "192.0.2.9", "ttl": 0, "port": 6081 }));
    assert_eq!(
        data("gre1")["info_data"],
        json!({ "link": "bond0.100", "local": "192.0.2.1", "remote": "192.0.2.9", "ttl": 64, "pmtudisc": true,
            "ikey": "0.0.0.7", "okey": "0.0.0.7", "ocsum": true,
            "encap": { "type": "fou", "sport": 0, "dport": 5555, "csum": true, "csum6": false, "remcsum": false } })
    );
    assert_eq!(get(&host, "gre1").address.as_deref(), Some("192.0.2.1"));
    assert_eq!(data("ipip1")["info_data"], json!({ "local": "any", "remote": "192.0.2.9", "ttl": 64, "pmtudisc": true }));
    assert_eq!(data("vrf-blue")["info_data"], json!({ "table": 100 }));
    assert_eq!(data("ipvl0")["info_data"], json!({ "mode": "l3" }));
    assert_eq!(get(&host, "wg0").kind(), "wireguard");

    let eth0 = get(&host, "eth0");
    assert_eq!((eth0.speed_mbps, eth0.duplex.as_deref(), eth0.master.as_deref()), (Some(40_000), Some("full"), Some("bond0")));
    assert_eq!((eth0.min_mtu, eth0.max_mtu, eth0.bus.as_deref()), (Some(68), Some(9978), Some("0000:3b:00.0")));
    assert_eq!((eth0.driver.as_deref(), eth0.firmware.as_deref()), (Some("mlx5_core"), Some("16.35.4030")));
    assert_eq!(eth0.physfn.as_deref(), Some("enp1s0"));
    let pause = eth0.pause.expect("pause");
    assert!(pause.rx && pause.tx && !pause.autoneg);
    assert_eq!(eth0.private_flags.as_ref().expect("flags").get("disable-fw-lldp"), Some(&false));
    let eth1 = get(&host, "eth1");
    assert_eq!((eth1.speed_mbps, eth1.driver.as_deref()), (None, None));
    let gap = host.gaps.iter().find(|gap| gap.what == "links.eth1.physfn").expect("sysfs has another index");
    assert_eq!(gap.reason, GapReason::NotPresent);
}

#[test]
fn the_rule_of_a_vrf() {
    let host = collect::host(&Made, taken());
    let (routing, _) = collect::Routing::new(&Made, host.links.as_deref().expect("links"));
    let query =
        collect::RouteQuery { oif: routing.ifindex("eth2"), ..collect::RouteQuery::to("198.51.100.7".parse().expect("ip")) };
    let used = collect::route_used(&Made, &routing, query).expect("a route");
    assert_eq!((used.vrf.as_deref(), used.table), (Some("vrf-blue"), Some(100)));
    assert_eq!(used.rule.as_deref(), Some("1000: from all lookup [l3mdev-table]"));
}

/// Counts what a collection asks of a host.
struct Counting<'a>(&'a dyn Host, AtomicUsize);

impl Host for Counting<'_> {
    fn origin(&self) -> &'static str {
        self.0.origin()
    }
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        self.0.read(path)
    }
    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        self.0.list(path)
    }
    fn link(&self, path: &str) -> io::Result<String> {
        self.0.link(path)
    }
    fn netlink(&self, family: i32, request: &[u8]) -> io::Result<Vec<u8>> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.netlink(family, request)
    }
    fn netlink_many(&self, family: i32, requests: &[Vec<u8>]) -> Vec<io::Result<Vec<u8>>> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.netlink_many(family, requests)
    }
    fn driver(&self, ifname: &str) -> io::Result<DriverInfo> {
        self.0.driver(ifname)
    }
    fn live(&self) -> bool {
        self.0.live()
    }
}

#[test]
fn a_handful_of_requests_whatever_the_number_of_links() {
    for host in [&Made as &dyn Host, &ThisHost] {
        let counting = Counting(host, AtomicUsize::new(0));
        let found = collect::host(&counting, taken());
        assert!(found.links.is_some());
        // Links, addresses, four of ethtool, two of routes, neighbours; DCB in one batch, where a device may have it, and CEE in another.
        let asked = counting.1.into_inner();
        assert!((9..=11).contains(&asked), "{asked} requests");
    }
}

#[test]
fn a_recording_of_this_machine_holds_no_machine_id() {
    let directory = tempfile::tempdir().expect("a directory");
    let recorder = Recorder::new(&ThisHost, directory.path(), taken()).expect("a recorder");
    let live = collect::host(&recorder, taken());
    assert!(recorder.read("/etc/machine-id").is_ok() || live.id.is_none());
    recorder.finish().expect("a whole recording");
    let tree = Tree::open(directory.path()).expect("a tree");
    let again = collect::host(&tree, jiff::Timestamp::UNIX_EPOCH);
    assert_eq!(again.origin, "root");
    assert_eq!(again.id, live.id);
    assert_eq!((&again.links, &again.routes, &again.neighbours), (&live.links, &live.routes, &live.neighbours));
    if let Ok(id) = std::fs::read("/etc/machine-id") {
        for (name, bytes) in tree_files(directory.path()) {
            assert!(!bytes.windows(32).any(|window| window == id.trim_ascii()), "{name} has the machine id");
        }
    }
    let again = Recorder::new(&ThisHost, directory.path(), taken());
    assert_eq!(again.err().expect("refused").kind(), io::ErrorKind::DirectoryNotEmpty);
}

#[test]
fn empty_and_odd_trees_are_gaps() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    let empty = collect::host(&Tree::open(root).expect("a tree"), taken());
    assert_eq!((empty.links, empty.routes, empty.neighbours), (None, None, None));
    assert_eq!(empty.name, "localhost");
    for what in ["id", "kernel", "links", "name", "neighbours", "routes"] {
        assert!(empty.gaps.iter().any(|gap| gap.what == what && gap.reason == GapReason::NotPresent), "{what}: {:?}", empty.gaps);
    }

    // Every file of a good tree in turn empty, a mebibyte of noise, too large, a directory, a link to nowhere, a pipe.
    let good = tree_files(Path::new(BOND_TREE));
    let spoils: [Spoil<'_>; 6] = [
        &|place, _| std::fs::write(place, []).expect("written"),
        &|place, _| std::fs::write(place, vec![0xa5; 1 << 20]).expect("written"),
        &|place, _| std::fs::File::create(place).and_then(|file| file.set_len(5 << 20)).expect("written"),
        &|place, _| std::fs::create_dir(place).expect("made"),
        &|place, _| std::os::unix::fs::symlink("/nowhere", place).expect("made"),
        &|place, bytes| std::fs::write(place, &bytes[..bytes.len() / 2]).expect("written"),
    ];
    let mut trees = 0;
    for spoiled in good.keys().filter(|name| *name != "README.md") {
        for spoil in &spoils {
            let directory = tempfile::tempdir().expect("a directory");
            for (name, bytes) in &good {
                let place = directory.path().join(name);
                std::fs::create_dir_all(place.parent().expect("a directory")).expect("made");
                if name == spoiled { spoil(&place, bytes) } else { std::fs::write(place, bytes).expect("written") }
            }
            let host = collect::host(&Tree::open(directory.path()).expect("a tree"), taken());
            if spoiled.starts_with("netlink/route-getlink") {
                assert!(!host.gaps.is_empty());
            } else {
                assert_eq!(host.links.as_ref().map(Vec::len), Some(12), "{spoiled}: {:?}", host.gaps);
            }
            trees += 1;
        }
    }
    println!("{trees} spoiled trees, no panic");
}

type Spoil<'a> = &'a dyn Fn(&Path, &[u8]);

fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..=random.below(4) {
        if bytes.is_empty() {
            return;
        }
        let at = random.below(bytes.len());
        match random.below(6) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = [0, 1, 0x7f, 0xff][random.below(4)],
            2 => bytes.truncate(at),
            3 => {
                let to = (at + random.below(64)).min(bytes.len());
                bytes.drain(at..to);
            }
            4 => {
                let to = (at + random.below(64)).min(bytes.len());
                let part = bytes[at..to].to_vec();
                bytes.splice(at..at, part);
            }
            _ => {
                let at = at & !3;
                let value = u16::try_from(random.below(300)).expect("small");
                if let Some(length) = bytes.get_mut(at..at + 2) {
                    length.copy_from_slice(&value.to_ne_bytes());
                }
            }
        }
    }
}

/// Answers as [`Made`] does, each spoiled.
struct Spoiled(Mutex<Random>);

impl Host for Spoiled {
    fn origin(&self) -> &'static str {
        "root"
    }
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let mut bytes = Made.read(path)?;
        mutate(&mut self.0.lock().expect("one thread"), &mut bytes);
        Ok(bytes)
    }
    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        Made.list(path)
    }
    fn link(&self, path: &str) -> io::Result<String> {
        Made.link(path)
    }
    fn netlink(&self, family: i32, request: &[u8]) -> io::Result<Vec<u8>> {
        let mut bytes = Made.netlink(family, request)?;
        mutate(&mut self.0.lock().expect("one thread"), &mut bytes);
        Ok(bytes)
    }
    fn driver(&self, ifname: &str) -> io::Result<DriverInfo> {
        Made.driver(ifname)
    }
    fn live(&self) -> bool {
        false
    }
}

#[test]
fn spoiled_answers_never_panic() {
    const ROUNDS: u64 = 1000;
    let mut malformed = 0;
    let mut whole = 0;
    for seed in 1..=ROUNDS {
        let host = Spoiled(Mutex::new(Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))));
        let found = collect::host(&host, taken());
        let links = found.links.unwrap_or_default();
        let (routing, _) = collect::Routing::new(&host, &links);
        for oif in [None, Some(10)] {
            let query = collect::RouteQuery { oif, ..collect::RouteQuery::to("198.51.100.7".parse().expect("ip")) };
            let _ = collect::route_used(&host, &routing, query);
        }
        let _ = collect::sample_counters(&host, &[1, 2]);
        malformed += usize::from(found.gaps.iter().any(|gap| gap.reason == GapReason::Malformed));
        whole += usize::from(links.len() == 12);
    }
    println!("{ROUNDS} spoiled hosts: {malformed} with malformed answers, {whole} with all links, no panic");
    assert!(malformed > 100 && whole > 100, "the spoiling does something, and not everything");
}

#[test]
fn spoiled_documents_never_panic() {
    const ROUNDS: u64 = 10_000;
    let host = collect::host(&Made, taken());
    let mut document = evidence::Evidence::empty(taken(), "pathvet 0.1.0");
    document.hosts.push(host);
    document.paths.push(evidence::Path::new("hv1", "node2", taken()));
    let good = serde_json::to_vec(&document).expect("JSON");
    assert_eq!(collect::read_evidence("good.json", &good).expect("evidence"), document);
    let mut random = Random(0x5eed);
    let mut read = 0;
    for _ in 0..ROUNDS {
        let mut bytes = good.clone();
        mutate(&mut random, &mut bytes);
        match collect::read_evidence("bad.json", &bytes) {
            Ok(_) => read += 1,
            Err(error) => assert!(error.line > 0 && !error.message.is_empty() && !error.message.contains('\n'), "{error}"),
        }
    }
    println!("{ROUNDS} spoiled documents, {read} still evidence, no panic");
}

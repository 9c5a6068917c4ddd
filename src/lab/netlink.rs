//! Builds interfaces, addresses and routes: batches of rtnetlink requests, few round trips.

use super::network::{Address, Bridge, Route, RouteKind, Vxlan};
use crate::sys::frame::wait_readable;
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{
    InfoBridge, InfoData, InfoKind, InfoVeth, InfoVxlan, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use netlink_packet_route::neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState};
use netlink_packet_route::route::{
    RouteAttribute, RouteHeader, RouteMessage, RouteMetric, RouteNextHop, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use pathvet_checks::wire::{linkinfo, nla, rtnl};
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// Requests of one send. Their acknowledgements fit the default receive buffer.
const CHUNK: usize = 64;

/// Requests that wait to be sent together, each with words for an error.
#[derive(Debug, Default)]
pub(super) struct Batch(Vec<(String, RouteNetlinkMessage, u16)>);

/// Interface indexes of one host by name.
pub(super) type Indexes = BTreeMap<String, u32>;

/// One end of a veth pair, for the kernel.
#[derive(Debug)]
pub(super) struct VethEnd<'a> {
    pub(super) name: &'a str,
    pub(super) index: u32,
    pub(super) mtu: u32,
    pub(super) address: [u8; 6],
    /// A process in the network namespace that shall have it.
    pub(super) pid: u32,
}

impl Batch {
    /// A veth pair, each end at once in its namespace.
    pub(super) fn veth(&mut self, [a, b]: [&VethEnd<'_>; 2]) {
        let mut peer = LinkMessage::default();
        peer.header.index = b.index;
        peer.attributes = veth_attributes(b);
        let mut link = LinkMessage::default();
        link.header.index = a.index;
        link.attributes = veth_attributes(a);
        link.attributes.push(LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
        ]));
        self.create(format!("create the cable {} - {}", a.name, b.name), RouteNetlinkMessage::NewLink(link));
    }

    /// A bridge that forwards at once and floods multicast.
    pub(super) fn bridge(&mut self, bridge: &Bridge, index: u32) {
        let mut link = LinkMessage::default();
        link.header.index = index;
        link.attributes = vec![
            LinkAttribute::IfName(bridge.name.clone()),
            LinkAttribute::LinkInfo(vec![
                LinkInfo::Kind(InfoKind::Bridge),
                LinkInfo::Data(InfoData::Bridge(vec![InfoBridge::MulticastSnooping(false)])),
            ]),
        ];
        self.create(format!("create the bridge {}", bridge.name), RouteNetlinkMessage::NewLink(link));
    }

    /// A VXLAN interface to one other end.
    pub(super) fn vxlan(&mut self, vxlan: &Vxlan, index: u32) {
        let mut data = vec![InfoVxlan::Id(vxlan.id), InfoVxlan::Port(4789)];
        data.push(match vxlan.local {
            IpAddr::V4(address) => InfoVxlan::Local(address),
            IpAddr::V6(address) => InfoVxlan::Local6(address),
        });
        data.push(match vxlan.remote {
            IpAddr::V4(address) => InfoVxlan::Group(address),
            IpAddr::V6(address) => InfoVxlan::Group6(address),
        });
        let mut link = LinkMessage::default();
        link.header.index = index;
        link.attributes = vec![
            LinkAttribute::IfName(vxlan.name.clone()),
            LinkAttribute::Mtu(vxlan.mtu),
            LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Vxlan), LinkInfo::Data(InfoData::Vxlan(data))]),
        ];
        self.create(format!("create the tunnel {}", vxlan.name), RouteNetlinkMessage::NewLink(link));
    }

    /// Makes an interface a port of a bridge.
    pub(super) fn enslave(&mut self, port: &str, index: u32, bridge: u32) {
        let mut link = LinkMessage::default();
        link.header.index = index;
        link.attributes = vec![LinkAttribute::Controller(bridge)];
        self.change(format!("make {port} a bridge port"), RouteNetlinkMessage::SetLink(link));
    }

    /// Brings an interface up.
    pub(super) fn up(&mut self, name: &str, index: u32) {
        let mut link = LinkMessage::default();
        link.header.index = index;
        link.header.flags = LinkFlags::Up;
        link.header.change_mask = LinkFlags::Up;
        self.change(format!("bring {name} up"), RouteNetlinkMessage::SetLink(link));
    }

    /// Gives an interface an address. The hosts' settings turn duplicate address detection off; the kernel still does the
    /// rest of its work on an IPv6 address later, and takes the tentative flag away then. [`Watch::wait`] waits for it.
    pub(super) fn address(&mut self, address: &Address, index: u32) {
        let mut message = AddressMessage::default();
        message.header.family = family(address.address);
        message.header.prefix_len = address.prefix;
        message.header.index = index;
        message.attributes = vec![AddressAttribute::Local(address.address), AddressAttribute::Address(address.address)];
        let what = format!("give {} the address {}/{}", address.interface, address.address, address.prefix);
        self.create(what, RouteNetlinkMessage::NewAddress(message));
    }

    /// Adds a route.
    pub(super) fn route(&mut self, route: &Route, indexes: &Indexes) -> Result<(), String> {
        let (to, prefix) = route.to;
        let index = |name: &Option<String>| match name {
            None => Ok(None),
            Some(name) => indexes.get(name).copied().map(Some).ok_or_else(|| format!("a route names the interface {name}")),
        };
        let mut message = RouteMessage::default();
        message.header = RouteHeader {
            address_family: family(to),
            destination_prefix_length: prefix,
            table: if route.kind == RouteKind::Local { TABLE_LOCAL } else { RouteHeader::RT_TABLE_MAIN },
            protocol: RouteProtocol::Static,
            scope: match (route.kind, route.hops.first().and_then(|hop| hop.via)) {
                (RouteKind::Local, _) => RouteScope::Host,
                (RouteKind::Unicast, None) => RouteScope::Link,
                _ => RouteScope::Universe,
            },
            kind: match route.kind {
                RouteKind::Unicast => RouteType::Unicast,
                RouteKind::Local => RouteType::Local,
                RouteKind::Unreachable => RouteType::Unreachable,
                RouteKind::Blackhole => RouteType::BlackHole,
            },
            ..RouteHeader::default()
        };
        if prefix > 0 {
            message.attributes.push(RouteAttribute::Destination(to.into()));
        }
        if let [hop] = route.hops.as_slice() {
            message.attributes.extend(hop.via.map(|via| RouteAttribute::Gateway(via.into())));
            message.attributes.extend(index(&hop.interface)?.map(RouteAttribute::Oif));
        } else if !route.hops.is_empty() {
            let mut hops = Vec::new();
            for hop in &route.hops {
                let mut next = RouteNextHop::default();
                next.interface_index = index(&hop.interface)?.unwrap_or(0);
                next.attributes.extend(hop.via.map(|via| RouteAttribute::Gateway(via.into())));
                hops.push(next);
            }
            message.attributes.push(RouteAttribute::MultiPath(hops));
        }
        message.attributes.extend(route.mtu.map(|mtu| RouteAttribute::Metrics(vec![RouteMetric::Mtu(mtu)])));
        self.create(format!("add the route to {to}/{prefix}"), RouteNetlinkMessage::NewRoute(message));
        Ok(())
    }

    /// Answers neighbour solicitations for an address of another host.
    pub(super) fn proxy(&mut self, address: IpAddr, index: u32) {
        let mut message = neighbour(address, index);
        message.header.flags = NeighbourFlags::Proxy;
        self.create(format!("answer for {address}"), RouteNetlinkMessage::NewNeighbour(message));
    }

    /// Tells a neighbour's link-layer address.
    pub(super) fn neighbour(&mut self, address: IpAddr, index: u32, hardware: [u8; 6]) {
        let mut message = neighbour(address, index);
        message.attributes.push(NeighbourAttribute::LinkLayerAddress(hardware.to_vec()));
        let what = format!("add the neighbour {address}");
        // The kernel may be looking for it already.
        self.0.push((what, RouteNetlinkMessage::NewNeighbour(message), NLM_F_CREATE | NLM_F_REPLACE));
    }

    /// Sends everything and waits for every acknowledgement.
    pub(super) fn commit(self) -> io::Result<()> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        // Without it an error carries the whole request back. Only a matter of space.
        let _ = socket.set_cap_ack(true);
        for chunk in self.0.chunks(CHUNK) {
            send_chunk(&socket, chunk)?;
        }
        Ok(())
    }

    fn create(&mut self, what: String, message: RouteNetlinkMessage) {
        self.0.push((what, message, NLM_F_CREATE | NLM_F_EXCL));
    }

    fn change(&mut self, what: String, message: RouteNetlinkMessage) {
        self.0.push((what, message, 0));
    }
}

/// Notices when interfaces carry packets and addresses answer.
///
/// The kernel tells a carrier to bridges and to IPv6, and joins the group by which an IPv6 address is found, from work queues,
/// which can be late on a busy machine. Until then a bridge port does not forward, and neighbour discovery fails for a second.
#[derive(Debug)]
pub(super) struct Watch {
    events: Socket,
}

impl Watch {
    /// Starts to listen. Do it before the interfaces are brought up.
    pub(super) fn start() -> io::Result<Self> {
        let mut events = Socket::new(NETLINK_ROUTE)?;
        events.bind(&SocketAddr::new(0, RTMGRP_LINK | RTMGRP_IPV6_IFADDR))?;
        events.set_non_blocking(true)?;
        Ok(Self { events })
    }

    /// Waits until every one of these interfaces is up, and forwards if it is a bridge port, and no address is tentative.
    pub(super) fn wait(self, mut indexes: Vec<u32>, limit: Duration) -> io::Result<()> {
        let end = Instant::now() + limit;
        loop {
            let carrying =
                dump(&rtnl::links_request(), |message| Ok(rtnl::Link::read(message)?.filter(carries).map(|link| link.index)))?;
            indexes.retain(|index| !carrying.contains(index));
            let tentative = dump(&rtnl::addresses_request(), |message| {
                Ok(rtnl::Address::read(message)?.filter(|address| address.flags & IFA_F_TENTATIVE != 0))
            })?;
            let tentative = tentative.len();
            if indexes.is_empty() && tentative == 0 {
                return Ok(());
            }
            if !wait_readable(&[self.events.as_fd()], Some(end.saturating_duration_since(Instant::now())))? {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("{} interfaces and {tentative} addresses are not up", indexes.len()),
                ));
            }
            // Which interface an event is about does not matter: all are looked at again. A full buffer is an event too.
            while self.events.recv(&mut Vec::with_capacity(MESSAGES), 0).is_ok() {}
        }
    }
}

/// Room for as much as the kernel sends at once.
const MESSAGES: usize = 64 * 1024;
/// Changes of links (`linux/rtnetlink.h`).
const RTMGRP_LINK: u32 = 1;
/// Changes of IPv6 addresses (`linux/rtnetlink.h`).
const RTMGRP_IPV6_IFADDR: u32 = 0x100;

/// Duplicate address detection is not through (`linux/if_addr.h`); IPv4 has no such state.
const IFA_F_TENTATIVE: u8 = 0x40;
/// `IF_OPER_UNKNOWN` and `IF_OPER_UP` (`linux/if.h`).
const OPER_UNKNOWN: u8 = 0;
const OPER_UP: u8 = 6;

fn carries(link: &rtnl::Link<'_>) -> bool {
    let info = linkinfo::read(link.info.unwrap_or_default(), &BTreeMap::new());
    // A tunnel does not tell its state.
    let is_tunnel = info.info_kind.as_deref() == Some("vxlan");
    let is_up = link.operstate == Some(OPER_UP) || (is_tunnel && link.operstate == Some(OPER_UNKNOWN));
    let is_bridge_port = info.info_slave_kind.as_deref() == Some("bridge");
    is_up && (!is_bridge_port || info.info_slave_data.get("state").is_some_and(|state| state == "forwarding"))
}

/// Asks for a whole table.
fn dump<T>(request: &[u8], pick: impl Fn(&nla::Message<'_>) -> Result<Option<T>, rtnl::Unreadable>) -> io::Result<Vec<T>> {
    let socket = Socket::new(NETLINK_ROUTE)?;
    socket.send_to(request, &SocketAddr::new(0, 0), 0)?;
    let mut rows = Vec::new();
    loop {
        let datagram = receive(&socket)?;
        for message in nla::messages(&datagram) {
            let message = message.map_err(io::Error::other)?;
            match (message.kind, message.error()) {
                (nla::DONE, _) => return Ok(rows),
                (_, Some(error)) => return Err(io::Error::from_raw_os_error(error)),
                _ => rows.extend(pick(&message).map_err(io::Error::other)?),
            }
        }
    }
}

/// One datagram: whole messages.
fn receive(socket: &Socket) -> io::Result<Vec<u8>> {
    let mut datagram = Vec::with_capacity(MESSAGES);
    socket.recv(&mut datagram, 0)?;
    Ok(datagram)
}

/// The table of local addresses (`RT_TABLE_LOCAL`, `linux/rtnetlink.h`).
const TABLE_LOCAL: u8 = 255;

fn send_chunk(socket: &Socket, chunk: &[(String, RouteNetlinkMessage, u16)]) -> io::Result<()> {
    let mut bytes = Vec::new();
    for (sequence, (_, message, flags)) in (0..).zip(chunk) {
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
        header.sequence_number = sequence;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(message.clone()));
        message.finalize();
        let start = bytes.len();
        bytes.resize(start + message.buffer_len().next_multiple_of(4), 0);
        message.serialize(&mut bytes[start..]);
    }
    socket.send(&bytes, 0)?;

    let mut missing = chunk.len();
    let mut first_error = None;
    while missing > 0 {
        let datagram = receive(socket)?;
        for answer in nla::messages(&datagram) {
            let answer = answer.map_err(io::Error::other)?;
            let Some(error) = answer.error() else { continue };
            missing = missing.saturating_sub(1);
            if error != 0 && first_error.is_none() {
                let what = usize::try_from(answer.seq).ok().and_then(|at| chunk.get(at));
                let what = what.map_or("a request", |(what, _, _)| what.as_str());
                let error = io::Error::from_raw_os_error(error);
                first_error = Some(io::Error::new(error.kind(), format!("{what}: {error}")));
            }
        }
    }
    first_error.map_or(Ok(()), Err)
}

fn veth_attributes(end: &VethEnd<'_>) -> Vec<LinkAttribute> {
    vec![
        LinkAttribute::IfName(end.name.to_owned()),
        LinkAttribute::Mtu(end.mtu),
        LinkAttribute::Address(end.address.to_vec()),
        LinkAttribute::NetNsPid(end.pid),
    ]
}

fn neighbour(address: IpAddr, index: u32) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = family(address);
    message.header.ifindex = index;
    message.header.state = NeighbourState::Permanent;
    message.attributes = vec![NeighbourAttribute::Destination(match address {
        IpAddr::V4(address) => NeighbourAddress::Inet(address),
        IpAddr::V6(address) => NeighbourAddress::Inet6(address),
    })];
    message
}

const fn family(address: IpAddr) -> AddressFamily {
    match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}

//! What a lab is made of: hosts, cables, addresses, routes and the boxes between, as plain data.
//!
//! The process that starts a lab writes a [`Network`] to the process of its first host, which builds it.

use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The largest MTU of a virtual interface; ends inside a forwarder have it, so that only its rules cut.
pub const WIDEST: u32 = 65535;

/// A network, ready to be built.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Network {
    /// The hosts; pathvet runs on the first.
    pub hosts: Vec<Host>,
    /// What joins them.
    pub cables: Vec<Cable>,
    /// Names for /etc/hosts of every host.
    pub names: Vec<(IpAddr, String)>,
    /// Where the forwarders' random numbers start: the same seed loses the same packets of the same traffic.
    pub seed: u64,
}

/// One host, switch, router or box: a network namespace with a process of its own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// Its name, unique in the network.
    pub name: String,
    /// Files under /proc/sys, with `/` between the parts, and what is written to them before any interface exists.
    pub sysctls: Vec<(String, String)>,
    /// The same for settings of one interface, written once its cables are there.
    pub interface_sysctls: Vec<(String, String)>,
    /// Bridges.
    pub bridges: Vec<Bridge>,
    /// VXLAN interfaces.
    pub vxlans: Vec<Vxlan>,
    /// Addresses of its interfaces.
    pub addresses: Vec<Address>,
    /// Routes besides those that the addresses bring.
    pub routes: Vec<Route>,
    /// Addresses of others for which it answers neighbour solicitations, with the interface (IPv6; `ip neigh add proxy`).
    pub proxies: Vec<(IpAddr, String)>,
    /// Neighbours that it knows from the start and for ever.
    pub neighbours: Vec<Neighbour>,
    /// TCP ports on which it accepts connections, and closes them.
    pub listen: Vec<u16>,
    /// Set when it is a box between two cables.
    pub forwarder: Option<Forwarder>,
    /// A datagram sent once everything is up, to fill the path-MTU cache.
    pub prime: Option<Prime>,
}

/// A cable: a pair of veth interfaces.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cable {
    /// Both ends.
    pub ends: [End; 2],
}

/// One end of a cable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Name of the host.
    pub host: String,
    /// Name of the interface, unique on that host.
    pub interface: String,
    /// Its MTU. A veth receives IP packets of up to 4 bytes more (`is_skb_forwardable`, `include/linux/netdevice.h`).
    pub mtu: u32,
}

/// A bridge and its ports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bridge {
    /// Name of the bridge interface.
    pub name: String,
    /// Interfaces of the same host. The kernel keeps the bridge's MTU at that of the smallest.
    pub ports: Vec<String>,
}

/// A VXLAN interface: Ethernet in UDP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vxlan {
    /// Name of the interface.
    pub name: String,
    /// Network identifier.
    pub id: u32,
    /// Own address of the underlay.
    pub local: IpAddr,
    /// Address of the other end.
    pub remote: IpAddr,
    /// MTU of the interface itself.
    pub mtu: u32,
}

/// An address of an interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// Name of the interface.
    pub interface: String,
    /// The address.
    pub address: IpAddr,
    /// Length of the prefix.
    pub prefix: u8,
}

/// A permanent neighbour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbour {
    /// Its address.
    pub address: IpAddr,
    /// Through which interface it is reached.
    pub interface: String,
    /// Whose link-layer address it has: a host, and the end of a cable there.
    pub owner: (String, String),
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Destination and length of its prefix; 0 is the default route.
    pub to: (IpAddr, u8),
    /// What happens to a packet.
    pub kind: RouteKind,
    /// Next hops; several share the traffic.
    pub hops: Vec<Hop>,
    /// Path MTU that the route gives (`ip route … mtu`).
    pub mtu: Option<u32>,
}

/// What a route does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RouteKind {
    /// Sends on to a next hop.
    Unicast,
    /// Delivers to this host, whatever its addresses are.
    Local,
    /// Refuses with "unreachable".
    Unreachable,
    /// Drops and says nothing.
    Blackhole,
}

/// A next hop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// Its address; without one the destination itself is on the link.
    pub via: Option<IpAddr>,
    /// Name of the interface; without one the kernel finds it through `via`.
    pub interface: Option<String>,
}

/// A box between two cables. It reads frames on one side, applies its rules, and writes them on the other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Forwarder {
    /// Interface of one side.
    pub left: String,
    /// Interface of the other side.
    pub right: String,
    /// Rules for frames from left to right.
    pub forward: Rules,
    /// Rules for frames from right to left.
    pub reverse: Rules,
}

/// What a forwarder does with the frames of one direction. ARP, neighbour discovery and multicast listener reports always pass.
///
/// The rules apply in the order of the fields; lengths are those of the IP packet in bytes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Rules {
    /// Packets that are dropped.
    pub drop: Vec<Filter>,
    /// Answers packets above a size, and drops them. One that may be fragmented (IPv4 without DF) is dropped unanswered.
    pub too_big: Option<TooBig>,
    /// Drops packets above this length and says nothing.
    pub max: Option<u32>,
    /// Passes at most so many packets.
    pub packet_rate: Option<Rate>,
    /// Passes at most so many bytes of IP packets.
    pub byte_rate: Option<Rate>,
    /// Chance that a packet is lost, in millionths.
    pub loss_ppm: u32,
    /// How long a frame is held, in microseconds. Order is kept.
    pub delay_us: u64,
}

/// Packets to drop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Filter {
    /// Echo requests and replies.
    Echo,
    /// ICMP of any type above this IP length.
    IcmpAbove(u32),
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// "Fragmentation needed" (RFC 1191) and "packet too big" (RFC 8201).
    TooBig,
    /// Every IP packet but neighbour discovery.
    Ip,
}

/// A token bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// Packets or bytes a second.
    pub per_second: u64,
    /// Packets or bytes at once.
    pub burst: u64,
}

/// How a forwarder answers a packet that is too big.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TooBig {
    /// The largest packet that passes.
    pub above: u32,
    /// The MTU that the answer names, true or not.
    pub says: u32,
    /// Whose address the answer bears; none: that of the packet's destination.
    pub from: Option<IpAddr>,
    /// Shortest time between two answers.
    pub every_ms: u64,
    /// After so many answers the rule ends, and large packets pass.
    pub only: Option<u32>,
}

/// A datagram that makes a router tell this host a path MTU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prime {
    /// Where it goes, to the discard port.
    pub to: IpAddr,
    /// Length of its payload in bytes.
    pub payload: usize,
}

impl Network {
    /// The interfaces of one host that are ends of cables, each with its index.
    ///
    /// No two interfaces of a network have the same index, although the kernel would allow it in two namespaces: it reports a
    /// carrier at once only where a veth's index is not that of its peer (`linkwatch_urgent_event`, `net/core/link_watch.c`),
    /// and up to a second later otherwise.
    pub fn ends_of<'a>(&'a self, host: &'a str) -> impl Iterator<Item = (u32, &'a End)> {
        (FIRST_INDEX..).zip(self.cables.iter().flat_map(|cable| &cable.ends)).filter(move |(_, end)| end.host == host)
    }

    /// The link-layer address of an end of a cable, given by host and interface: locally administered, the same in every run.
    #[must_use]
    pub fn hardware_address(&self, host: &str, interface: &str) -> Option<[u8; 6]> {
        let (index, _) = self.ends_of(host).find(|(_, end)| end.interface == interface)?;
        let place = self.hosts.iter().position(|other| other.name == host)?;
        let [.., place] = place.to_be_bytes();
        let [.., high, low] = index.to_be_bytes();
        Some([0x02, 0x70, 0x76, place, high, low])
    }

    /// The first index that no end of a cable has; bridges and tunnels have those from here on.
    #[must_use]
    pub fn first_free_index(&self) -> u32 {
        u32::try_from(self.cables.len()).map_or(FIRST_INDEX, |cables| FIRST_INDEX + 2 * cables)
    }
}

/// Interface indexes start here, above those of the devices that some kernels put into every namespace (`sit0`, `tunl0`, …).
pub const FIRST_INDEX: u32 = 101;

impl Route {
    /// A route to one next hop.
    #[must_use]
    pub fn via(to: IpAddr, prefix: u8, via: IpAddr) -> Self {
        Self { to: (to, prefix), kind: RouteKind::Unicast, hops: vec![Hop { via: Some(via), interface: None }], mtu: None }
    }

    /// A route that makes every address of a prefix one of this host.
    #[must_use]
    pub fn local(to: IpAddr, prefix: u8) -> Self {
        Self {
            to: (to, prefix),
            kind: RouteKind::Local,
            hops: vec![Hop { via: None, interface: Some("lo".to_owned()) }],
            mtu: None,
        }
    }
}

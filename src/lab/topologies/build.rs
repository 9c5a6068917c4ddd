//! Words to write a topology with.

use super::{Family, Scene};
use crate::lab::network::{Address, Bridge, Cable, End, Forwarder, Hop, Host, Network, Route, RouteKind, Rules, TooBig, WIDEST};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The TCP port on which a peer's MTU can be read.
const SSH: u16 = 22;

/// A network that grows.
pub(super) struct Builder {
    pub(super) family: Family,
    network: Network,
}

/// An address of the segment that the nodes share: 192.0.2.N, `2001:db8::N`.
pub(super) fn near(family: Family, n: u8) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::new(192, 0, 2, n).into(),
        Family::V6 => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, n.into()).into(),
    }
}

/// An address behind a router: 198.51.100.N, `2001:db8:64::N`.
pub(super) fn far(family: Family, n: u8) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::new(198, 51, 100, n).into(),
        Family::V6 => Ipv6Addr::new(0x2001, 0xdb8, 0x64, 0, 0, 0, 0, n.into()).into(),
    }
}

/// An address between two routers, on their cable number `link`: 203.0.113.(16 link + N), `2001:db8:71:LINK::N`.
pub(super) fn transit(family: Family, link: u8, n: u8) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::new(203, 0, 113, 16 * link + n).into(),
        Family::V6 => Ipv6Addr::new(0x2001, 0xdb8, 0x71, link.into(), 0, 0, 0, n.into()).into(),
    }
}

/// The default route's destination.
pub(super) const fn anywhere(family: Family) -> IpAddr {
    match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        Family::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}

/// Length of the prefix of a segment.
pub(super) const fn prefix(family: Family) -> u8 {
    match family {
        Family::V4 => 24,
        Family::V6 => 64,
    }
}

/// Length of the prefix of a single address.
pub(super) const fn single(family: Family) -> u8 {
    match family {
        Family::V4 => 32,
        Family::V6 => 128,
    }
}

/// Rules that cut silently.
pub(super) fn cut(max: u32) -> Rules {
    Rules { max: Some(max), ..Rules::default() }
}

/// Rules that lose so many of a hundred packets.
pub(super) fn lossy(percent: u32) -> Rules {
    Rules { loss_ppm: percent * 10_000, ..Rules::default() }
}

/// Rules that answer what is too big.
pub(super) fn answering(too_big: TooBig) -> Rules {
    Rules { too_big: Some(too_big), ..Rules::default() }
}

impl Builder {
    pub(super) fn new(family: Family) -> Self {
        Self { family, network: Network { hosts: Vec::new(), cables: Vec::new(), names: Vec::new(), seed: 1 } }
    }

    /// A host with the settings that every host of a lab has.
    pub(super) fn host(&mut self, name: &str) -> &mut Host {
        if let Some(at) = self.network.hosts.iter().position(|host| host.name == name) {
            return &mut self.network.hosts[at];
        }
        let mut sysctls = vec![("net/ipv4/ping_group_range", "0 0"), ("net/ipv4/conf/all/rp_filter", "0")];
        sysctls.push(("net/ipv4/conf/default/rp_filter", "0"));
        for key in
            ["net/bridge/bridge-nf-call-iptables", "net/bridge/bridge-nf-call-ip6tables", "net/bridge/bridge-nf-call-arptables"]
        {
            sysctls.push((key, "0"));
        }
        match self.family {
            // Fewer packets that nobody asked for.
            Family::V4 => {
                sysctls.push(("net/ipv6/conf/all/disable_ipv6", "1"));
                sysctls.push(("net/ipv6/conf/default/disable_ipv6", "1"));
            }
            Family::V6 => {
                for key in ["accept_dad", "accept_ra", "router_solicitations"] {
                    sysctls.push((
                        match key {
                            "accept_dad" => "net/ipv6/conf/default/accept_dad",
                            "accept_ra" => "net/ipv6/conf/default/accept_ra",
                            _ => "net/ipv6/conf/default/router_solicitations",
                        },
                        "0",
                    ));
                }
            }
        }
        self.network.hosts.push(Host {
            name: name.to_owned(),
            sysctls: sysctls.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            ..Host::default()
        });
        let last = self.network.hosts.len() - 1;
        &mut self.network.hosts[last]
    }

    /// A host that forwards packets, as a router does.
    pub(super) fn router(&mut self, name: &str) -> &mut Host {
        let key = match self.family {
            Family::V4 => "net/ipv4/ip_forward",
            Family::V6 => "net/ipv6/conf/all/forwarding",
        };
        let host = self.host(name);
        host.sysctls.push((key.to_owned(), "1".to_owned()));
        host
    }

    /// A node that accepts connections on port 22.
    pub(super) fn node(&mut self, name: &str) -> &mut Host {
        let host = self.host(name);
        host.listen = vec![SSH];
        host
    }

    /// A cable between two interfaces of one MTU.
    pub(super) fn cable(&mut self, a: (&str, &str), b: (&str, &str), mtu: u32) {
        self.cable_of((a.0, a.1, mtu), (b.0, b.1, mtu));
    }

    /// A cable between interfaces of two MTUs.
    pub(super) fn cable_of(&mut self, a: (&str, &str, u32), b: (&str, &str, u32)) {
        let ends = [a, b].map(|(host, interface, mtu)| End { host: host.to_owned(), interface: interface.to_owned(), mtu });
        self.network.cables.push(Cable { ends });
    }

    /// Gives an interface an address, and the host's name to the first of them.
    pub(super) fn address(&mut self, host: &str, interface: &str, address: IpAddr) {
        self.address_in(host, interface, address, prefix(self.family));
    }

    pub(super) fn address_in(&mut self, host: &str, interface: &str, address: IpAddr, prefix: u8) {
        if !self.network.names.iter().any(|(_, name)| name == host) {
            self.network.names.push((address, host.to_owned()));
        }
        self.host(host).addresses.push(Address { interface: interface.to_owned(), address, prefix });
    }

    /// A default route.
    pub(super) fn default_route(&mut self, host: &str, via: IpAddr) {
        let to = anywhere(self.family);
        self.host(host).routes.push(Route::via(to, 0, via));
    }

    /// A route to the segment behind the routers.
    pub(super) fn far_route(&mut self, host: &str, via: IpAddr) {
        let (to, length) = (far(self.family, 0), prefix(self.family));
        self.host(host).routes.push(Route::via(to, length, via));
    }

    /// A route to a single address through an interface, as if it were on the link.
    pub(super) fn on_link(&mut self, host: &str, to: IpAddr, interface: &str) {
        let route = Route {
            to: (to, single(self.family)),
            kind: RouteKind::Unicast,
            hops: vec![Hop { via: None, interface: Some(interface.to_owned()) }],
            mtu: None,
        };
        self.host(host).routes.push(route);
    }

    /// A bridge that joins the given interfaces of other hosts, each with an MTU.
    pub(super) fn switch(&mut self, name: &str, ends: &[(&str, &str, u32)]) {
        let mut ports = Vec::new();
        for (n, (host, interface, mtu)) in ends.iter().enumerate() {
            let port = format!("port{}", n + 1);
            self.cable_of((host, interface, *mtu), (name, &port, *mtu));
            ports.push(port);
        }
        let bridge = Bridge { name: "br0".to_owned(), ports };
        self.quiet(name).bridges.push(bridge);
    }

    /// A box of ours between two interfaces.
    pub(super) fn between(&mut self, name: &str, a: (&str, &str, u32), b: (&str, &str, u32), forward: Rules, reverse: Rules) {
        self.cable_of(a, (name, "left", WIDEST));
        self.cable_of((name, "right", WIDEST), b);
        let forwarder = Forwarder { left: "left".to_owned(), right: "right".to_owned(), forward, reverse };
        self.quiet(name).forwarder = Some(forwarder);
    }

    /// A host without addresses that never speaks for itself.
    fn quiet(&mut self, name: &str) -> &mut Host {
        let host = self.host(name);
        for key in ["net/ipv6/conf/all/disable_ipv6", "net/ipv6/conf/default/disable_ipv6"] {
            host.sysctls.push((key.to_owned(), "1".to_owned()));
        }
        host
    }

    /// node1 and node2 on one segment with a box between.
    pub(super) fn pair(family: Family, mtus: [u32; 2], forward: Rules, reverse: Rules) -> Self {
        let mut net = Self::new(family);
        net.node("node1");
        net.node("node2");
        net.between("sw1", ("node1", "eth0", mtus[0]), ("node2", "eth0", mtus[1]), forward, reverse);
        net.address("node1", "eth0", near(family, 1));
        net.address("node2", "eth0", near(family, 2));
        net
    }

    /// node1 and node2 with a router between: node1 - r1 - node2, each link with its MTU; the box, if any, is before r1.
    pub(super) fn routed(family: Family, mtus: [u32; 2], rules: Option<[Rules; 2]>) -> Self {
        let mut net = Self::new(family);
        net.node("node1");
        net.node("node2");
        net.router("r1");
        match rules {
            None => net.cable(("node1", "eth0"), ("r1", "eth0"), mtus[0]),
            Some([forward, reverse]) => {
                net.between("box", ("node1", "eth0", mtus[0]), ("r1", "eth0", mtus[0]), forward, reverse);
            }
        }
        net.cable(("r1", "eth1"), ("node2", "eth0"), mtus[1]);
        net.address("node1", "eth0", near(family, 1));
        net.address("r1", "eth0", near(family, 254));
        net.address("r1", "eth1", far(family, 254));
        net.address("node2", "eth0", far(family, 2));
        net.default_route("node1", near(family, 254));
        net.default_route("node2", far(family, 254));
        net
    }

    /// node1 and node2, jumbo, with two routers between, whose own link has another MTU; the box, if any, is before r1.
    pub(super) fn routed_twice(family: Family, ends: u32, middle: u32, rules: Option<[Rules; 2]>) -> Self {
        let mut net = Self::new(family);
        net.node("node1");
        net.node("node2");
        net.router("r1");
        net.router("r2");
        match rules {
            None => net.cable(("node1", "eth0"), ("r1", "eth0"), ends),
            Some([forward, reverse]) => {
                net.between("box", ("node1", "eth0", ends), ("r1", "eth0", ends), forward, reverse);
            }
        }
        net.cable(("r1", "eth1"), ("r2", "eth0"), middle);
        net.cable(("r2", "eth1"), ("node2", "eth0"), ends);
        net.address("node1", "eth0", near(family, 1));
        net.address("r1", "eth0", near(family, 254));
        net.address_in("r1", "eth1", transit(family, 0, 1), if family == Family::V4 { 28 } else { 64 });
        net.address_in("r2", "eth0", transit(family, 0, 2), if family == Family::V4 { 28 } else { 64 });
        net.address("r2", "eth1", far(family, 254));
        net.address("node2", "eth0", far(family, 2));
        net.default_route("node1", near(family, 254));
        net.default_route("node2", far(family, 254));
        net.default_route("r1", transit(family, 0, 2));
        net.default_route("r2", transit(family, 0, 1));
        net
    }

    /// The network, the address to vet, and what is right.
    pub(super) fn scene(self, target: impl Into<Option<IpAddr>>, expect: super::Expect) -> Scene {
        Scene { network: self.network, target: target.into(), expect }
    }
}

//! The topologies that `pathvet demo --topology` and the tests build, and what a right answer about each is.
//!
//! node1 is where pathvet runs and node2 is vetted. They share 192.0.2.0/24 (`2001:db8::/64`), or node2 is behind routers in
//! 198.51.100.0/24 (`2001:db8:64::/64`). Every host's interface is eth0, and node2 listens on TCP port 22.

mod build;
mod list;

use super::network::Network;
pub use list::{ALL, targets};
use pathvet_checks::evidence::LimitKind;
use pathvet_checks::report::{CulpritKind, Outcome};
use std::fmt;
use std::net::IpAddr;

/// A family of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// A network by name.
#[derive(Debug, Clone, Copy)]
pub struct Topology {
    /// Its name, lower case with hyphens.
    pub name: &'static str,
    /// What it is, in one line.
    pub summary: &'static str,
    /// Whether it is large or for one special test, and not part of the table of verdicts.
    pub special: bool,
    build: fn(Family) -> Scene,
}

/// A topology in one family: the network, what to vet, and the right answer.
#[derive(Debug, Clone)]
pub struct Scene {
    /// The network.
    pub network: Network,
    /// The address to vet; none: `pathvet check` alone, which vets the default gateway.
    pub target: Option<IpAddr>,
    /// What is right.
    pub expect: Expect,
}

/// What `pathvet check TARGET` must find. The fields are those of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expect {
    /// The verdict of the run: one of these.
    pub verdict: &'static [Outcome],
    /// `path_mtu`.
    pub path_mtu: Held<u32>,
    /// `limit.kind`.
    pub limit: Held<LimitKind>,
    /// `culprit.kind` of the first diagnosis; absent: no diagnosis.
    pub culprit: Held<CulpritKind>,
}

/// An expectation of one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held<T> {
    /// This value.
    Is(T),
    /// One of two values.
    Either(T, T),
    /// No value.
    Absent,
    /// Nothing is expected.
    Any,
}

impl Topology {
    /// The topology of that name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|topology| topology.name == name)
    }

    /// The network in one family.
    #[must_use]
    pub fn scene(&self, family: Family) -> Scene {
        (self.build)(family)
    }
}

impl<T: PartialEq> Held<T> {
    /// Whether a value is as expected.
    pub fn holds(&self, value: Option<&T>) -> bool {
        match (self, value) {
            (Self::Any, _) | (Self::Absent, None) => true,
            (Self::Is(expected), Some(value)) => expected == value,
            (Self::Either(one, other), Some(value)) => one == value || other == value,
            _ => false,
        }
    }
}

impl Family {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::V4, Self::V6];

    /// 4 or 6.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::V4 => 4,
            Self::V6 => 6,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IPv{}", self.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_lawful_and_unique() {
        let mut seen = BTreeSet::new();
        for topology in ALL {
            assert!(seen.insert(topology.name), "{} twice", topology.name);
            assert!(topology.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'));
            assert!(!topology.summary.ends_with('.') && topology.summary.len() < 100, "{}", topology.name);
        }
    }

    #[test]
    fn every_end_belongs_to_a_host_and_every_interface_is_named_once() {
        for (topology, family) in ALL.iter().flat_map(|topology| Family::BOTH.map(|family| (topology, family))) {
            let network = topology.scene(family).network;
            let hosts: BTreeSet<_> = network.hosts.iter().map(|host| host.name.as_str()).collect();
            assert_eq!(hosts.len(), network.hosts.len(), "{}", topology.name);
            let mut interfaces = BTreeSet::new();
            for end in network.cables.iter().flat_map(|cable| &cable.ends) {
                assert!(hosts.contains(end.host.as_str()), "{}: {}", topology.name, end.host);
                assert!(interfaces.insert((&end.host, &end.interface)), "{}: {}", topology.name, end.interface);
                assert!(end.interface.len() < 16);
            }
            for host in &network.hosts {
                let known = |name: &str| {
                    name == "lo"
                        || interfaces.contains(&(&host.name, &name.to_owned()))
                        || host.bridges.iter().any(|bridge| bridge.name == name)
                        || host.vxlans.iter().any(|vxlan| vxlan.name == name)
                };
                assert!(host.addresses.iter().all(|address| known(&address.interface)), "{}", topology.name);
                assert!(host.bridges.iter().flat_map(|bridge| &bridge.ports).all(|port| known(port)), "{}", topology.name);
                assert!(host.forwarder.iter().all(|box_| known(&box_.left) && known(&box_.right)), "{}", topology.name);
            }
        }
    }

    #[test]
    fn addresses_are_those_for_documentation_and_of_the_family() {
        for (topology, family) in ALL.iter().flat_map(|topology| Family::BOTH.map(|family| (topology, family))) {
            let scene = topology.scene(family);
            let addresses = scene.network.hosts.iter().flat_map(|host| host.addresses.iter().map(|address| address.address));
            for address in addresses.chain(scene.target) {
                let documented = match address {
                    IpAddr::V4(address) => address.is_documentation() || address.octets()[0] == 10 && topology.special,
                    IpAddr::V6(address) => address.segments()[..2] == [0x2001, 0xdb8],
                };
                assert!(documented, "{}: {address}", topology.name);
                assert!(topology.name == "overlay" || address.is_ipv4() == (family == Family::V4), "{}: {address}", topology.name);
            }
        }
    }
}

//! What the user expects: the plan and the options, already read and checked. Plain data.

mod dcb;

pub use dcb::{AppExpect, AppId, ClassExpect, DcbExpect, DcbProfile, Trust};

use crate::baseline::Baseline;
use crate::report::Outcome;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

/// Everything that a judgement is held against.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expect {
    /// `--expect-mtu`: beats every other expectation, bytes of IP packet.
    pub mtu: Option<u32>,
    /// The plan's `expect` at top level.
    pub all: Settings,
    /// The plan's hosts and their own `expect`.
    pub hosts: BTreeMap<String, HostExpect>,
    /// The plan's networks.
    pub networks: BTreeMap<String, Network>,
    /// `--only`: these checks and no others, and asked for.
    pub only: Vec<String>,
    /// `--skip`: not these.
    pub skip: Vec<String>,
    /// The plan's `severity`: what a FAIL of that check is lowered to.
    pub severity: BTreeMap<String, Outcome>,
    /// The plan's `waivers`.
    pub waivers: Vec<Waiver>,
}

impl Expect {
    /// Every baseline that is expected of some host.
    pub fn baselines(&self) -> impl Iterator<Item = &Arc<Baseline>> {
        let settings = core::iter::once(&self.all)
            .chain(self.networks.values().map(|network| &network.expect))
            .chain(self.hosts.values().map(|host| &host.expect));
        settings.filter_map(|settings| settings.tuning.as_ref())
    }

    /// The keys of these baselines; a key may come more than once.
    pub fn tuning_keys(&self) -> impl Iterator<Item = &str> {
        self.baselines().flat_map(|baseline| &baseline.values).map(|setting| setting.key.as_str())
    }
}

/// A host of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HostExpect {
    /// The plan's `address`.
    pub address: Option<IpAddr>,
    /// The host's own `expect`; beats the network's and the top level's, key by key.
    pub expect: Settings,
}

/// A network of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Network {
    /// Addresses that belong to it: address and prefix length.
    pub subnet: Option<(IpAddr, u8)>,
    /// Interface that carries it, where the plan names one instead of a subnet.
    pub interface: Option<String>,
    /// Expected path MTU, bytes of IP packet.
    pub mtu: Option<u32>,
    /// `migration`, `storage`, `rdma`, `management`, …
    pub role: Option<String>,
    /// The network's own `expect`.
    pub expect: Settings,
}

/// Keys that may stand under `expect` at each of the three levels.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// Expected MTU of paths and links, bytes of IP packet.
    pub mtu: Option<u32>,
    /// Loss from which `path-loss` fails, millionths.
    pub loss_ppm: Option<u32>,
    /// `ipoib`: how `IPoIB` interfaces are to be set.
    pub ipoib: IpoibExpect,
    /// `sm`: who is to manage the InfiniBand subnet.
    pub sm: SmExpect,
    /// Data Center Bridging; boxed, because most plans say nothing of it.
    pub dcb: Option<alloc::boxed::Box<DcbExpect>>,
    /// Names of the switches of which one must be at the other end of the cable (`lldp_neighbor`).
    pub lldp_neighbor: Option<Vec<String>>,
    /// Kernel settings that a host must follow.
    pub tuning: Option<Arc<Baseline>>,
}

/// The plan's `expect.ipoib`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IpoibExpect {
    /// Connected or datagram.
    pub mode: Option<IpoibMode>,
    /// MTU of the interface, bytes of IP packet.
    pub mtu: Option<u32>,
}

/// The two modes of `IPoIB` (RFC 4391 and RFC 4755).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IpoibMode {
    /// Reliable connections, MTU up to 65520.
    Connected,
    /// Unreliable datagrams, the MTU of the broadcast group less 4.
    Datagram,
}

/// The plan's `expect.sm`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SmExpect {
    /// GUID of the intended master, as [`crate::guid::normal`] writes it.
    pub master: Option<String>,
    /// Fewest standby managers.
    pub standby: Option<u32>,
}

impl IpoibMode {
    /// As the kernel writes it: `connected`, `datagram`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Datagram => "datagram",
        }
    }
}

/// A finding that somebody accepted for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiver {
    /// Check id.
    pub check: String,
    /// Subject, `*` for any run of characters.
    pub subject: String,
    /// Who accepted it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// Last day on which it holds.
    pub until: jiff::civil::Date,
}

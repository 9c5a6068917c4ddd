//! One machine and the tables that were read from it.

use super::{Gap, Infiniband, Link, Memory, Module, Neighbour, Power, Roce, Route, Sysctl};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One machine: who it is, and its own settings.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Host {
    /// Salted hash of the machine id (`/etc/machine-id`), hexadecimal; `None` where there is none.
    pub id: Option<String>,
    /// The name by which the user knows it; the host name (`/proc/sys/kernel/hostname`) for this machine.
    pub name: String,
    /// Other names and addresses under which it is known.
    #[serde(default)]
    pub names: Vec<String>,
    /// `PRETTY_NAME` of `/etc/os-release`.
    pub os: Option<String>,
    /// `/proc/sys/kernel/osrelease`.
    pub kernel: Option<String>,
    /// `local`, `root`, `ssh` or `import:KIND`.
    pub origin: String,
    /// When this host's tables were read; decides which table is newer when documents are merged.
    #[schemars(with = "Option<String>")]
    #[serde(default)]
    pub taken: Option<jiff::Timestamp>,
    /// Network interfaces.
    #[serde(default)]
    pub links: Option<Vec<Link>>,
    /// Routes of every table.
    #[serde(default)]
    pub routes: Option<Vec<Route>>,
    /// ARP and ND entries.
    #[serde(default)]
    pub neighbours: Option<Vec<Neighbour>>,
    /// Loaded kernel modules that matter here.
    #[serde(default)]
    pub modules: Option<Vec<Module>>,
    /// Adapters, ports and subnet managers.
    #[serde(default)]
    pub infiniband: Option<Infiniband>,
    /// RDMA devices over Ethernet, and what sets their priority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roce: Option<Vec<Roce>>,
    /// Kernel settings by key, in dots as `sysctl` prints them.
    #[serde(default)]
    pub sysctl: Option<BTreeMap<String, Sysctl>>,
    /// Memory and the size of its pages.
    #[serde(default)]
    pub memory: Option<Memory>,
    /// Power management.
    #[serde(default)]
    pub power: Option<Power>,
    /// What could not be learnt here.
    #[serde(default)]
    pub gaps: Vec<Gap>,
}

impl Host {
    /// The interface of that name.
    #[must_use]
    pub fn link(&self, ifname: &str) -> Option<&Link> {
        self.links.as_deref()?.iter().find(|link| link.ifname == ifname)
    }

    /// The interface with that index.
    #[must_use]
    pub fn link_by_index(&self, ifindex: u32) -> Option<&Link> {
        self.links.as_deref()?.iter().find(|link| link.ifindex == ifindex)
    }
}

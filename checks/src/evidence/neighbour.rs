//! ARP and ND entries.

use alloc::string::String;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One entry of the neighbour table (`RTM_GETNEIGH`), in the words of `ip -j neigh`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Neighbour {
    /// The neighbour's IP address (`NDA_DST`).
    #[schemars(with = "String")]
    pub dst: core::net::IpAddr,
    /// Interface name.
    pub dev: String,
    /// Its link-layer address (`NDA_LLADDR`), lower case with colons; `None` while unresolved.
    #[serde(default)]
    pub lladdr: Option<String>,
    /// `reachable`, `stale`, `delay`, `probe`, `incomplete`, `failed`, `permanent`, `noarp`, `none`.
    pub state: String,
    /// Whether it says it is a router (`NTF_ROUTER`).
    #[serde(default)]
    pub router: bool,
}

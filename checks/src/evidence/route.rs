//! Routes, and the one route that a path really uses.

use alloc::string::String;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One route of a table (`RTM_GETROUTE` dump), in the words of `ip -j route`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Route {
    /// `default`, or address/prefix.
    pub dst: String,
    /// 4 or 6.
    pub family: u8,
    /// `unicast`, `local`, `blackhole`, `unreachable`, `prohibit`, `throw`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// Table number (`main` is 254, `local` 255).
    pub table: u32,
    /// Outgoing interface.
    #[serde(default)]
    pub dev: Option<String>,
    /// Next hop.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub gateway: Option<core::net::IpAddr>,
    /// Preferred source address.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub prefsrc: Option<core::net::IpAddr>,
    /// `link`, `global`, `host`, …
    #[serde(default)]
    pub scope: Option<String>,
    /// `kernel`, `boot`, `static`, `dhcp`, `ra`, …
    #[serde(default)]
    pub protocol: Option<String>,
    /// Route priority.
    #[serde(default)]
    pub metric: Option<u32>,
    /// `RTAX_MTU` in bytes.
    #[serde(default)]
    pub mtu: Option<u32>,
    /// `mtu lock`: the kernel never learns a smaller one and never sets DF.
    #[serde(default)]
    pub mtu_locked: bool,
    /// `RTAX_ADVMSS` in bytes.
    #[serde(default)]
    pub advmss: Option<u32>,
    /// Number of next hops of a multipath route; 0 or 1 for a plain one.
    #[serde(default)]
    pub nexthops: u32,
}

/// What the kernel answered when asked for the route of one destination with the source, interface and TOS of the probes
/// (`RTM_GETROUTE` without dump, `RTM_F_FIB_MATCH` for the entry that matched).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct RouteUsed {
    /// `unicast`, `local`, `unreachable`, `blackhole`, `prohibit`, or `none` where the kernel has no route.
    #[serde(rename = "type")]
    pub kind: String,
    /// The entry that matched: `default`, or address/prefix.
    #[serde(default)]
    pub dst: Option<String>,
    /// Outgoing interface.
    #[serde(default)]
    pub dev: Option<String>,
    /// Next hop; `None` for an on-link target.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub gateway: Option<core::net::IpAddr>,
    /// Source address that the kernel picks.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub source: Option<core::net::IpAddr>,
    /// Table that held the entry.
    #[serde(default)]
    pub table: Option<u32>,
    /// Name of the VRF device whose table it is.
    #[serde(default)]
    pub vrf: Option<String>,
    /// The policy rule that chose the table, as `ip rule` prints it: `32766: from all lookup main`.
    #[serde(default)]
    pub rule: Option<String>,
    /// A route's own `mtu` (`RTAX_MTU` of the FIB entry), bytes.
    #[serde(default)]
    pub mtu: Option<u32>,
    /// That `mtu` is locked.
    #[serde(default)]
    pub mtu_locked: bool,
    /// The FIB entry's `advmss`, bytes.
    #[serde(default)]
    pub advmss: Option<u32>,
    /// A path MTU that the kernel learnt and cached for this destination, bytes.
    #[serde(default)]
    pub cached_mtu: Option<u32>,
    /// Seconds until the cached value is forgotten (`RTA_CACHEINFO` expires).
    #[serde(default)]
    pub cache_expires_s: Option<u32>,
    /// Number of next hops of a multipath route; 0 or 1 for a plain one.
    #[serde(default)]
    pub nexthops: u32,
}

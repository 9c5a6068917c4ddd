//! What a link partner announces (IEEE 802.1AB).

use super::Dcb;
use alloc::string::String;
use alloc::vec::Vec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One announcement: the device and port at the other end of the cable.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Lldp {
    /// Chassis id as text: a MAC address lower case with colons, a name, an address.
    pub chassis_id: String,
    /// Subtype of the chassis id (802.1AB 8.5.2.2): `component`, `ifalias`, `port`, `mac`, `ip`, `ifname`, `local`.
    #[serde(default)]
    pub chassis_id_type: Option<String>,
    /// Port id as text.
    pub port_id: String,
    /// Subtype of the port id (802.1AB 8.5.3.2): `ifalias`, `port`, `mac`, `ip`, `ifname`, `agent-circuit-id`, `local`.
    #[serde(default)]
    pub port_id_type: Option<String>,
    /// Time to live, seconds.
    #[serde(default)]
    pub ttl: Option<u16>,
    /// For how long this neighbour has been known, seconds (`lldpd` tells it); `None` = not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_s: Option<u64>,
    /// System name.
    #[serde(default)]
    pub system_name: Option<String>,
    /// System description.
    #[serde(default)]
    pub system_description: Option<String>,
    /// Port description.
    #[serde(default)]
    pub port_description: Option<String>,
    /// Capabilities that are switched on: `bridge`, `router`, `station`, `wlan-ap`, `telephone`, `docsis`, `repeater`, `other`.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// Management addresses as text.
    #[serde(default)]
    pub management_addresses: Vec<String>,
    /// Port VLAN id (802.1Q D.2.1); 0 = untagged frames are refused.
    #[serde(default)]
    pub port_vlan: Option<u16>,
    /// VLANs and their names (802.1Q D.2.3).
    #[serde(default)]
    pub vlans: Vec<LldpVlan>,
    /// Maximum frame size, bytes (802.3 79.3.4); a hint.
    #[serde(default)]
    pub max_frame_size: Option<u16>,
    /// Link aggregation (802.1AX or 802.3 79.3.3).
    #[serde(default)]
    pub aggregation: Option<Aggregation>,
    /// DCBX: IEEE (00-80-c2 9 to 12) or CEE (00-1b-21).
    #[serde(default)]
    pub dcb: Option<Dcb>,
    /// Group address on which it came: `nearest-bridge`, `nearest-non-tpmr-bridge`, `nearest-customer-bridge`; or `lldpd`,
    /// `lldptool`, `pcap` for one that was told by those.
    #[serde(default)]
    pub source: Option<String>,
}

/// A VLAN that a port announces.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
pub struct LldpVlan {
    /// VLAN id.
    pub id: u16,
    /// Its name.
    #[serde(default)]
    pub name: String,
}

/// Link aggregation as announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Aggregation {
    /// The port can be aggregated.
    pub capable: bool,
    /// It is.
    pub enabled: bool,
    /// Interface number of the aggregate.
    pub id: u32,
}

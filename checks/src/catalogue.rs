//! Known frame and packet ceilings, with their sources. Plain data; the command parses `checks/catalogue/*.yaml` into it.

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// The whole catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Catalogue {
    /// Every known ceiling.
    pub ceilings: Vec<Ceiling>,
}

/// One product's or standard's ceiling.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ceiling {
    /// Stable id.
    pub id: String,
    /// Vendor.
    pub vendor: String,
    /// Product or family.
    pub product: String,
    /// `switch`, `nic`, `tunnel`, `standard`, `hypervisor`, `cloud`, `router`.
    pub kind: String,
    /// The setting's name on the product.
    pub setting: String,
    /// The number as the product shows it.
    pub value: u32,
    /// What that number counts: `ip_packet`, `ethernet_frame_with_fcs`, …
    pub unit_counts: String,
    /// `max`, `default`, `fixed`, `option`, `min`, `recommended`.
    pub bound: String,
    /// The IP MTU that it means without a VLAN tag, bytes.
    pub ip_mtu_untagged: u32,
    /// The IP MTU where a VLAN tag is counted, bytes.
    #[serde(default)]
    pub ip_mtu_if_tag_counted: Option<u32>,
    /// `verified`, `commonly-cited`, `uncertain`.
    pub confidence: String,
    /// Where the figure was read.
    #[serde(default)]
    pub source: Vec<String>,
    /// What else is known.
    #[serde(default)]
    pub note: Option<String>,
}

//! A network interface, in the words of `ip -d -j link`.

use super::{Dcb, Ipoib, Lldp};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One network interface.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Link {
    /// `IFLA_IFNAME`.
    pub ifname: String,
    /// `ifi_index`.
    pub ifindex: u32,
    /// `IFLA_MTU`: the largest IP packet, in bytes.
    pub mtu: u32,
    /// `IFLA_MIN_MTU`, bytes.
    #[serde(default)]
    pub min_mtu: Option<u32>,
    /// `IFLA_MAX_MTU`, bytes; 0 in the kernel (no limit known) is `None`.
    #[serde(default)]
    pub max_mtu: Option<u32>,
    /// `IFLA_OPERSTATE`: `up`, `down`, `lowerlayerdown`, `dormant`, `testing`, `notpresent`, `unknown`.
    #[serde(default)]
    pub operstate: Option<String>,
    /// `IFLA_CARRIER`.
    #[serde(default)]
    pub carrier: Option<bool>,
    /// `ifi_flags` as words: `UP`, `LOWER_UP`, `LOOPBACK`, `NOARP`, `MULTICAST`, `POINTOPOINT`, …
    #[serde(default)]
    pub flags: Vec<String>,
    /// `ifi_type` as `ip` prints it: `ether`, `loopback`, `infiniband`, `none`, …
    #[serde(default)]
    pub link_type: Option<String>,
    /// `ETHTOOL_MSG_LINKMODES_GET` speed, else `/sys/class/net/*/speed`; Mb/s; `None` where the device does not know.
    #[serde(default)]
    pub speed_mbps: Option<u32>,
    /// `full`, `half`.
    #[serde(default)]
    pub duplex: Option<String>,
    /// Kernel driver: `SIOCETHTOOL` `ETHTOOL_GDRVINFO`, else the `device/driver` link in sysfs.
    #[serde(default)]
    pub driver: Option<String>,
    /// Firmware version from `ETHTOOL_GDRVINFO`.
    #[serde(default)]
    pub firmware: Option<String>,
    /// Bus address of the device (`0000:3b:00.0`), from `ETHTOOL_GDRVINFO` or sysfs; two ports of one card share its slot.
    #[serde(default)]
    pub bus: Option<String>,
    /// Name of the bridge, bond or VRF above (`IFLA_MASTER`).
    #[serde(default)]
    pub master: Option<String>,
    /// Name of the interface below (`IFLA_LINK`): the VLAN's or tunnel's lower device. `@N` where it lives in another namespace.
    #[serde(default)]
    pub link: Option<String>,
    /// `IFLA_LINK_NETNSID`, where the lower device is in another network namespace.
    #[serde(default)]
    pub link_netnsid: Option<i32>,
    /// Link-layer address, lower case with colons.
    #[serde(default)]
    pub address: Option<String>,
    /// IP addresses.
    #[serde(default)]
    pub addresses: Vec<Address>,
    /// `IFLA_LINKINFO`: what kind of virtual device it is, and how it is set.
    #[serde(default)]
    pub linkinfo: Option<LinkInfo>,
    /// 802.3x global pause (`ETHTOOL_MSG_PAUSE_GET`).
    #[serde(default)]
    pub pause: Option<Pause>,
    /// Driver private flags (`ETHTOOL_MSG_PRIVFLAGS_GET`).
    #[serde(default)]
    pub private_flags: Option<BTreeMap<String, bool>>,
    /// PF of which this is a virtual function (`device/physfn` in sysfs), by interface name.
    #[serde(default)]
    pub physfn: Option<String>,
    /// `IPoIB` settings, on InfiniBand interfaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipoib: Option<Box<Ipoib>>,
    /// DCB settings (dcbnl); `None` = not read, or the device has none (then a gap says which).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dcb: Option<Box<Dcb>>,
    /// Link partners that were heard; `None` = nobody listened, `[]` = nothing was heard.
    #[serde(default)]
    pub lldp: Option<Vec<Lldp>>,
    /// Error and packet counters, sampled before and after probing.
    #[serde(default)]
    pub counters: Option<Counters>,
    /// Where the facts come from: `netlink`, `sysfs`, `import:KIND`.
    #[serde(default)]
    pub source: String,
}

/// One IP address of an interface (`RTM_GETADDR`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Address {
    /// The address.
    #[schemars(with = "String")]
    pub local: core::net::IpAddr,
    /// Prefix length in bits.
    pub prefixlen: u8,
    /// `inet` or `inet6`, as `ip -j` says it.
    pub family: String,
}

/// `IFLA_LINKINFO`. Keys and words are those of `ip -d -j link`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct LinkInfo {
    /// `vlan`, `bond`, `bridge`, `vxlan`, `geneve`, `gre`, `gretap`, `wireguard`, `ipip`, `ip6tnl`, `macvlan`, `veth`, `tun`, `vrf`, …
    #[serde(default)]
    pub info_kind: Option<String>,
    /// Settings of the device: VLAN `id`, VXLAN `id`/`local`/`remote`/`port`, bond `mode`/`active_slave`/`ad_info`, …
    #[serde(default)]
    pub info_data: BTreeMap<String, serde_json::Value>,
    /// Kind of the master: `bond`, `bridge`, `vrf`.
    #[serde(default)]
    pub info_slave_kind: Option<String>,
    /// State of this device under its master: bond `state`/`mii_status`/`ad_aggregator_id`/`ad_partner_oper_port_state`, bridge `state`, …
    #[serde(default)]
    pub info_slave_data: BTreeMap<String, serde_json::Value>,
}

/// 802.3x pause frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pause {
    /// Honours pause frames it receives.
    pub rx: bool,
    /// Sends pause frames.
    pub tx: bool,
    /// Settles pause by autonegotiation.
    pub autoneg: bool,
}

/// Two samples of the same counters. One sample proves nothing: only what rises between them is evidence.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Counters {
    /// Values before probing; names as in `/sys/class/net/*/statistics`.
    pub first: BTreeMap<String, u64>,
    /// Values after probing; `None` where only one sample was taken.
    #[serde(default)]
    pub last: Option<BTreeMap<String, u64>>,
    /// Milliseconds between the two.
    #[serde(default)]
    pub interval_ms: Option<u64>,
}

impl Link {
    /// The device kind of `IFLA_LINKINFO`, or "" for a plain device.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.linkinfo.as_ref().and_then(|info| info.info_kind.as_deref()).unwrap_or("")
    }

    /// Whether the administrator has set it up.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.flags.iter().any(|flag| flag == "UP")
    }

    /// Whether it is the loopback device.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.flags.iter().any(|flag| flag == "LOOPBACK")
    }
}

//! InfiniBand: adapters, their ports, IPoIB interfaces, subnet managers and the files that configure these.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a host knows of InfiniBand.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Infiniband {
    /// One entry for every port of every adapter (`/sys/class/infiniband/*/ports/*`).
    #[serde(default)]
    pub ports: Vec<IbPort>,
    /// Subnet managers that the fabric names (SA `SMInfoRecord`, `SubnGet(SMInfo)`); `None` = not asked, or nobody answered.
    #[serde(default)]
    pub subnet_managers: Option<Vec<SubnetManager>>,
    /// `opensm.conf` and `partitions.conf` of this host.
    #[serde(default)]
    pub sm_config: Option<Vec<SmConfig>>,
}

/// One port of an adapter.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct IbPort {
    /// The adapter, as the kernel names it: `mlx4_0`.
    pub device: String,
    /// Port number, from 1.
    pub port: u8,
    /// `link_layer`: `InfiniBand` or `Ethernet` (`RoCE`).
    #[serde(default)]
    pub link_layer: Option<String>,
    /// Logical state (IBA `PortInfo:PortState`): `Down`, `Initializing`, `Armed`, `Active`, `ActiveDefer`.
    #[serde(default)]
    pub state: Option<String>,
    /// The state read again after two seconds, where the first was `Initializing` or `Armed`.
    #[serde(default)]
    pub state_again: Option<String>,
    /// Physical state (IBA `PortInfo:PortPhysicalState`): `Sleep`, `Polling`, `Disabled`, `PortConfigurationTraining`, `LinkUp`,
    /// `LinkErrorRecovery`, `PhyTest`.
    #[serde(default)]
    pub phys_state: Option<String>,
    /// `rate` as the kernel prints it: `40 Gb/sec (4X QDR)`.
    #[serde(default)]
    pub rate: Option<String>,
    /// Signalling rate in Mb/s.
    #[serde(default)]
    pub rate_mbps: Option<u32>,
    /// Data rate in Mb/s: the signalling rate less the line code (8b/10b for SDR, DDR and QDR, 64b/66b above).
    #[serde(default)]
    pub data_rate_mbps: Option<u32>,
    /// Lanes in use: 1, 2, 4, 8 or 12.
    #[serde(default)]
    pub width: Option<u8>,
    /// Largest number of lanes that the port supports (`PortInfo:LinkWidthSupported`).
    #[serde(default)]
    pub width_supported: Option<u8>,
    /// Speed per lane in use: `SDR`, `DDR`, `QDR`, `FDR10`, `FDR`, `EDR`, `HDR`, `NDR`.
    #[serde(default)]
    pub speed: Option<String>,
    /// Highest speed per lane that the port supports (`PortInfo:LinkSpeedSupported`, `LinkSpeedExtSupported`).
    #[serde(default)]
    pub speed_supported: Option<String>,
    /// The same of the port at the other end of the cable, lanes.
    #[serde(default)]
    pub peer_width_supported: Option<u8>,
    /// The same of the port at the other end of the cable, speed.
    #[serde(default)]
    pub peer_speed_supported: Option<String>,
    /// Local identifier, 0 where no subnet manager has given one.
    #[serde(default)]
    pub lid: Option<u16>,
    /// LID mask control.
    #[serde(default)]
    pub lmc: Option<u8>,
    /// LID of the subnet manager, as this port was told.
    #[serde(default)]
    pub sm_lid: Option<u16>,
    /// `cap_mask` (IBA `PortInfo:CapabilityMask`); bit 1 `IsSM`.
    #[serde(default)]
    pub cap_mask: Option<u32>,
    /// GUID of the port, `0x` and 16 hexadecimal digits; from GID 0.
    #[serde(default)]
    pub port_guid: Option<String>,
    /// GUID of the adapter (`node_guid`), `0x` and 16 hexadecimal digits.
    #[serde(default)]
    pub node_guid: Option<String>,
    /// Subnet prefix, upper half of GID 0, `0x` and 16 hexadecimal digits; the default is `0xfe80000000000000`.
    #[serde(default)]
    pub subnet_prefix: Option<String>,
    /// `P_Keys` in use (`pkeys/*` that are not 0), bit 15 set = full member.
    #[serde(default)]
    pub pkeys: Option<Vec<u16>>,
    /// MTU of the link in bytes (`PortInfo:NeighborMTU`, over umad); no file has it.
    #[serde(default)]
    pub active_mtu: Option<u16>,
    /// Largest MTU of the port in bytes (`PortInfo:MTUCap`, over umad).
    #[serde(default)]
    pub max_mtu: Option<u16>,
    /// Firmware (`fw_ver`).
    #[serde(default)]
    pub firmware: Option<String>,
    /// Board id, the PSID of Mellanox cards (`board_id`).
    #[serde(default)]
    pub board_id: Option<String>,
    /// Hardware type (`hca_type`): `MT26428`.
    #[serde(default)]
    pub hca_type: Option<String>,
    /// Kernel driver of the device.
    #[serde(default)]
    pub driver: Option<String>,
    /// Error counters (`counters/*`: `symbol_error`, `link_downed`, `port_rcv_errors`, …) in two samples.
    #[serde(default)]
    pub counters: Option<super::Counters>,
    /// Where the facts come from: `sysfs`, `umad`, `import:KIND`.
    #[serde(default)]
    pub source: String,
}

/// A subnet manager, as the fabric tells of it (IBA 14.2.5.13 `SMInfo`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct SubnetManager {
    /// Port GUID, `0x` and 16 hexadecimal digits.
    pub guid: String,
    /// Its LID.
    #[serde(default)]
    pub lid: Option<u16>,
    /// Priority, 0 to 15; the higher wins, of equals the lower GUID.
    #[serde(default)]
    pub priority: Option<u8>,
    /// `NOTACTIVE`, `DISCOVERING`, `STANDBY`, `MASTER`.
    #[serde(default)]
    pub state: Option<String>,
    /// Activity counter (`ActCount`), first sample.
    #[serde(default)]
    pub act_count: Option<u32>,
    /// Whether the activity counter moved between two samples; `None` where it was read once.
    #[serde(default)]
    pub counting: Option<bool>,
    /// Whether it answered `SubnGet(SMInfo)` itself; `None` where it was not asked.
    #[serde(default)]
    pub answers: Option<bool>,
    /// Node description, where it is known.
    #[serde(default)]
    pub node: Option<String>,
    /// The port through which it was seen: `mlx4_0/1`.
    #[serde(default)]
    pub seen_through: Option<String>,
}

/// One configured instance of `OpenSM`: `opensm.conf` and the partitions file that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct SmConfig {
    /// The file of the options.
    #[serde(default)]
    pub file: Option<String>,
    /// `false` where Debian's `/etc/default/opensm` has `PORTS=NONE`; `None` where no file says.
    #[serde(default)]
    pub enabled: Option<bool>,
    /// `guid`, normalised as everywhere; `None` where the file leaves it to `OpenSM`.
    #[serde(default)]
    pub guid: Option<String>,
    /// `sm_priority`.
    #[serde(default)]
    pub priority: Option<u8>,
    /// `sminfo_polling_timeout`, milliseconds.
    #[serde(default)]
    pub polling_timeout_ms: Option<u32>,
    /// `polling_retry_number`.
    #[serde(default)]
    pub polling_retries: Option<u32>,
    /// The partitions file, whether it exists or not.
    #[serde(default)]
    pub partitions_file: Option<String>,
    /// The partitions; `None` = there is no file, so that `OpenSM` makes the default one (0x7fff, `IPoIB`, MTU 2048, 10 Gb/s).
    #[serde(default)]
    pub partitions: Option<Vec<Partition>>,
}

/// One partition of `partitions.conf`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Partition {
    /// Its name.
    pub name: String,
    /// `P_Key` without the membership bit: 0x7fff for the default partition.
    pub pkey: u16,
    /// `ipoib`: the manager makes the broadcast group.
    #[serde(default)]
    pub ipoib: bool,
    /// MTU of the `IPoIB` group in bytes, decoded from the code (default 4 = 2048).
    #[serde(default)]
    pub mtu: u16,
    /// Rate of the group in Mb/s, decoded from the code (default 3 = 10 Gb/s).
    #[serde(default)]
    pub rate_mbps: u32,
    /// Service level.
    #[serde(default)]
    pub sl: Option<u8>,
    /// Members: a GUID, `ALL`, `ALL_CAS`, `ALL_SWITCHES`, `SELF`, … with `full`, `limited` or `both`.
    #[serde(default)]
    pub members: BTreeMap<String, String>,
    /// Line of the file.
    #[serde(default)]
    pub line: u32,
}

/// An `IPoIB` interface.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Ipoib {
    /// `datagram` or `connected` (`IFLA_IPOIB_MODE`, `/sys/class/net/*/mode`).
    #[serde(default)]
    pub mode: Option<String>,
    /// `P_Key` with the membership bit (`IFLA_IPOIB_PKEY`).
    #[serde(default)]
    pub pkey: Option<u16>,
    /// Userspace multicast (`IFLA_IPOIB_UMCAST`).
    #[serde(default)]
    pub umcast: Option<bool>,
    /// Adapter under it.
    #[serde(default)]
    pub device: Option<String>,
    /// Port of that adapter (`dev_port` + 1).
    #[serde(default)]
    pub port: Option<u8>,
    /// Parent interface of a child (`ib0.8001`).
    #[serde(default)]
    pub parent: Option<String>,
    /// Whether connected mode can be had: bit 7 of the first byte of the link-layer address. `false` is enhanced `IPoIB`.
    #[serde(default)]
    pub connected_capable: Option<bool>,
}

/// A loaded kernel module and those of its parameters that matter here.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Module {
    /// Its name with underscores, as in `/sys/module`.
    pub name: String,
    /// Parameters and their values (`/sys/module/*/parameters/*`).
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
}

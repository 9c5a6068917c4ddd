//! What `RoCE` takes its priority from, besides the DCB tables.

use alloc::string::String;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One port of an RDMA device that runs over Ethernet.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Roce {
    /// The device, as the kernel names it: `mlx5_0`.
    pub device: String,
    /// Port number, from 1.
    pub port: u8,
    /// Its network interface (`/sys/class/infiniband/*/ports/*/gid_attrs/ndevs/0`, else `device/net`).
    #[serde(default)]
    pub netdev: Option<String>,
    /// `node_type` as the kernel prints it: `1: CA`, `4: RNIC` (iWARP).
    #[serde(default)]
    pub node_type: Option<String>,
    /// TOS byte of connections made through `rdma_cm` that name none
    /// (`/sys/kernel/config/rdma_cm/*/ports/*/default_roce_tos`).
    #[serde(default)]
    pub default_roce_tos: Option<u8>,
    /// `RoCE` version of such connections (`default_roce_mode`): `IB/RoCE v1`, `RoCE v2`.
    #[serde(default)]
    pub default_roce_mode: Option<String>,
    /// Traffic class that the device forces on everything (`/sys/class/infiniband/*/tc/*/traffic_class`; NVIDIA's driver package).
    #[serde(default)]
    pub traffic_class: Option<u8>,
}

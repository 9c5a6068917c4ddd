//! Data Center Bridging, in the words of `dcb -j`.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// DCB settings of one port: of this host's interface (dcbnl), or as its link partner announces them (LLDP).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Dcb {
    /// `DCB_ATTR_DCBX` as words: `host`, `lld_managed`, `cee`, `ieee`, `static`. Of what a link partner announces: `ieee`, `cee`,
    /// `cin` (the forerunner of CEE), as far as it announces them; the other fields are from the first of these.
    #[serde(default)]
    pub dcbx: Option<Vec<String>>,
    /// `ieee`, `cee` or `cin`: the variant that the other fields were read from.
    #[serde(default)]
    pub variant: Option<String>,
    /// Priority-based flow control (802.1Qbb).
    #[serde(default)]
    pub pfc: Option<Pfc>,
    /// Enhanced transmission selection (802.1Qaz), configuration.
    #[serde(default)]
    pub ets: Option<Ets>,
    /// The recommendation, where it is announced on its own (LLDP); dcbnl has it in `ets`.
    #[serde(default)]
    pub ets_recommendation: Option<Ets>,
    /// Application priority table.
    #[serde(default)]
    pub app: Option<Vec<App>>,
    /// Largest rate per traffic class, kb/s, 0 = no limit (`DCB_ATTR_IEEE_MAXRATE`).
    #[serde(default)]
    pub tc_maxrate: Option<[u64; 8]>,
    /// By what a received packet gets its priority, in this order: selectors as in `app` (`DCB_ATTR_DCB_APP_TRUST_TABLE`, Linux
    /// 6.3, `dcb apptrust show`); `None` where the driver does not say.
    #[serde(default)]
    pub apptrust: Option<Vec<String>>,
    /// Receive buffers (`DCB_ATTR_DCB_BUFFER`).
    #[serde(default)]
    pub buffer: Option<Buffer>,
    /// What the port itself holds of its peer (`IEEE_PEER_*`, `CEE_PEER_*`).
    #[serde(default)]
    pub peer: Option<Box<Dcb>>,
}

/// `struct ieee_pfc` (`include/uapi/linux/dcbnl.h`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Pfc {
    /// Whether the port takes over the other side's settings (DCBX willing); dcbnl does not have it.
    #[serde(default)]
    pub willing: Option<bool>,
    /// How many priorities may have PFC at once.
    #[serde(default)]
    pub pfc_cap: Option<u8>,
    /// `MACsec` bypass capability.
    #[serde(default)]
    pub macsec_bypass: Option<bool>,
    /// Allowance for round-trip delay, bits times 1024… as the driver gives it.
    #[serde(default)]
    pub delay: Option<u16>,
    /// Whether each priority 0 to 7 has PFC.
    pub prio_pfc: [bool; 8],
    /// PFC frames sent per priority.
    #[serde(default)]
    pub requests: Option<[u64; 8]>,
    /// PFC frames received per priority.
    #[serde(default)]
    pub indications: Option<[u64; 8]>,
}

/// `struct ieee_ets` (`include/uapi/linux/dcbnl.h`), 802.1Qaz D.2.8 and D.2.9.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Ets {
    /// Whether the port takes over the other side's recommendation.
    #[serde(default)]
    pub willing: Option<bool>,
    /// How many traffic classes the port supports, 8 for the wire's 0.
    #[serde(default)]
    pub ets_cap: Option<u8>,
    /// Credit-based shaper supported.
    #[serde(default)]
    pub cbs: Option<bool>,
    /// Share of each traffic class, per cent.
    pub tc_bw: [u8; 8],
    /// Algorithm of each traffic class: `strict`, `cbs`, `ets`, `vendor`.
    pub tc_tsa: [String; 8],
    /// Traffic class of each priority. With CEE the priority group, of which 15 stands before all others and has no share.
    pub prio_tc: [u8; 8],
    /// `tc_rx_bw`, which `dcb` prints as `pg_bw`.
    #[serde(default)]
    pub pg_bw: Option<[u8; 8]>,
    /// Recommended shares (dcbnl).
    #[serde(default)]
    pub reco_tc_bw: Option<[u8; 8]>,
    /// Recommended algorithms (dcbnl).
    #[serde(default)]
    pub reco_tc_tsa: Option<[String; 8]>,
    /// Recommended classes (dcbnl).
    #[serde(default)]
    pub reco_prio_tc: Option<[u8; 8]>,
}

/// One entry of the application priority table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
pub struct App {
    /// `ethtype`, `stream-port` (TCP and SCTP), `dgram-port` (UDP and DCCP), `port` (any), `dscp`, `default`, `pcp`.
    pub selector: String,
    /// `EtherType`, port, DSCP or PCP.
    pub protocol: u16,
    /// Priority 0 to 7.
    pub priority: u8,
}

/// `struct dcbnl_buffer`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Buffer {
    /// Buffer of each priority.
    pub prio_buffer: [u8; 8],
    /// Size of each buffer, bytes.
    pub buffer_size: [u32; 8],
    /// All of them, bytes.
    pub total_size: u32,
}

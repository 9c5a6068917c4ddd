//! The evidence: everything pathvet knows about the world, as one document (schema `pathvet.evidence/1`).
//!
//! Collectors write it, checks read it, nothing else passes between them. A table that is `None` (JSON `null`) was not
//! collected; an empty one was collected and holds nothing. Unknown fields are ignored and unknown words read as `unknown`,
//! so that an older pathvet can read what a newer one wrote under the same schema number.

mod dcb;
mod gap;
mod host;
mod infiniband;
mod link;
mod lldp;
mod merge;
mod neighbour;
mod path;
mod roce;
mod route;
mod tuning;

pub use dcb::{App, Buffer, Dcb, Ets, Pfc};
pub use gap::{Gap, GapReason};
pub use host::Host;
pub use infiniband::{IbPort, Infiniband, Ipoib, Module, Partition, SmConfig, SubnetManager};
pub use link::{Address, Counters, Link, LinkInfo, Pause};
pub use lldp::{Aggregation, Lldp, LldpVlan};
pub use merge::{host_of_target, merge, merge_all};
pub use neighbour::Neighbour;
pub use path::{
    Asked, Direction, Limit, LimitKind, LossSample, Method, MethodResult, Path, PeerMtu, PeerMtuHow, Policer, Proof, Rtt, Rung,
    RungOutcome, Shared, TooBig,
};
pub use roce::Roce;
pub use route::{Route, RouteUsed};
pub use tuning::{IdleState, Memory, Otherwise, Place, Power, Sysctl};

use alloc::string::String;
use alloc::vec::Vec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The schema name that this version writes, and the only one that it reads.
pub const SCHEMA: &str = "pathvet.evidence/1";

/// One evidence document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// When collection began (UTC).
    #[schemars(with = "String")]
    pub taken: jiff::Timestamp,
    /// The program and version that wrote it: `pathvet 0.1.0`.
    pub tool: String,
    /// One entry for every machine whose own settings were read.
    #[serde(default)]
    pub hosts: Vec<Host>,
    /// One entry for every path that was probed.
    #[serde(default)]
    pub paths: Vec<Path>,
}

//! What a collector could not learn, and why.

use alloc::string::String;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something that was looked for and not learnt. A gap is data: it never stops a collection and never replaces a fact.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Gap {
    /// What is missing, in the words of the evidence: `links`, `links.eth0.pause`, `neighbours`, `paths`.
    pub what: String,
    /// Where it was looked for: a file, a netlink request, a host name.
    #[serde(rename = "where")]
    pub place: String,
    /// Why it is missing.
    pub reason: GapReason,
    /// The cause in words, such as the system's own error text.
    pub detail: String,
    /// The right that would help (`CAP_NET_RAW`), where a right is what is missing.
    pub right: Option<String>,
}

/// Why something could not be learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GapReason {
    /// The machine has no such thing.
    NotPresent,
    /// A right is missing.
    NotPermitted,
    /// The kernel, driver or device does not offer it.
    Unsupported,
    /// No answer in time.
    TimedOut,
    /// An answer that cannot be read.
    Malformed,
    /// A word that this version does not know.
    #[serde(other)]
    Unknown,
}

//! What a plan expects of Data Center Bridging: a named profile, fields of its own, or both.

use alloc::string::String;
use alloc::vec::Vec;
use serde::Deserialize;

/// `expect.dcb` of a plan. A field that is `None` is not judged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DcbExpect {
    /// The profile from which the fields come that are not given themselves.
    pub profile: Option<String>,
    /// Priorities with PFC; bit 0 is priority 0. All others must be without.
    pub lossless: Option<u8>,
    /// Bandwidth classes. Priorities that stand in none are not judged.
    pub ets: Option<Vec<ClassExpect>>,
    /// Applications and their priorities.
    pub apps: Option<Vec<AppExpect>>,
    /// Whether the host takes over its link partner's settings (DCBX).
    pub willing: Option<bool>,
    /// What the host's port takes a frame's priority from.
    pub trust: Option<Trust>,
}

/// A traffic class: the priorities that share it, and what it gets. Class numbers are local to each device and stand nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassExpect {
    /// Priorities 0 to 7.
    pub priorities: Vec<u8>,
    /// Share of the bandwidth, per cent; `None` = strict priority.
    #[serde(default)]
    pub share: Option<u8>,
}

/// An application and its priority.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppExpect {
    /// Which application.
    pub app: AppId,
    /// Priority 0 to 7.
    pub priority: u8,
}

/// An application that has a priority of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AppId {
    /// `RoCE` version 2: UDP port 4791.
    Rocev2,
    /// `RoCE` version 1: `EtherType` 0x8915.
    Roce,
    /// iSCSI: TCP port 3260.
    Iscsi,
    /// SMB Direct: `NetDirect` port 445.
    SmbDirect,
    /// Fibre Channel over Ethernet: `EtherType` 0x8906.
    Fcoe,
    /// The heartbeat of a Windows failover cluster: UDP port 3343.
    Heartbeat,
}

/// What a port takes a frame's priority from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trust {
    /// The VLAN tag (802.1Q priority code point).
    Pcp,
    /// The IP header.
    Dscp,
}

/// A named set of expectations with its origin (`checks/catalogue/dcb-profiles.yaml`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DcbProfile {
    /// Its name in plans.
    pub id: String,
    /// What it is for.
    pub summary: String,
    /// Priorities with PFC.
    #[serde(default)]
    pub lossless: Option<Vec<u8>>,
    /// Bandwidth classes.
    #[serde(default)]
    pub ets: Option<Vec<ClassExpect>>,
    /// Applications.
    #[serde(default)]
    pub apps: Option<Vec<AppExpect>>,
    /// DCBX willing.
    #[serde(default)]
    pub willing: Option<bool>,
    /// What ports trust.
    #[serde(default)]
    pub trust: Option<Trust>,
    /// Where the figures come from.
    pub source: Vec<String>,
    /// When the profile was written.
    pub date: String,
    /// What else to know.
    #[serde(default)]
    pub note: Option<String>,
}

impl AppId {
    /// Every application, in the order of the documentation.
    pub const ALL: [Self; 6] = [Self::Rocev2, Self::Roce, Self::Iscsi, Self::SmbDirect, Self::Fcoe, Self::Heartbeat];

    /// The word in a plan.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Rocev2 => "rocev2",
            Self::Roce => "roce",
            Self::Iscsi => "iscsi",
            Self::SmbDirect => "smb-direct",
            Self::Fcoe => "fcoe",
            Self::Heartbeat => "heartbeat",
        }
    }

    /// The name in sentences.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rocev2 => "RoCEv2",
            Self::Roce => "RoCE",
            Self::Iscsi => "iSCSI",
            Self::SmbDirect => "SMB Direct",
            Self::Fcoe => "FCoE",
            Self::Heartbeat => "cluster heartbeat",
        }
    }

    /// By what it is told: `UDP 4791`, `EtherType 0x8915`.
    #[must_use]
    pub const fn port(self) -> &'static str {
        match self {
            Self::Rocev2 => "UDP 4791",
            Self::Roce => "EtherType 0x8915",
            Self::Iscsi => "TCP 3260",
            Self::SmbDirect => "port 445",
            Self::Fcoe => "EtherType 0x8906",
            Self::Heartbeat => "UDP 3343",
        }
    }
}

impl Trust {
    /// The word in a plan.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pcp => "pcp",
            Self::Dscp => "dscp",
        }
    }
}

impl DcbProfile {
    /// The same as what a plan expects.
    #[must_use]
    pub fn expect(&self) -> DcbExpect {
        DcbExpect {
            profile: Some(self.id.clone()),
            lossless: self.lossless.as_deref().map(bits),
            ets: self.ets.clone(),
            apps: self.apps.clone(),
            willing: self.willing,
            trust: self.trust,
        }
    }
}

impl DcbExpect {
    /// The fields of `farther` where this has none. A profile is whole: what it leaves out is not looked for farther away.
    pub fn fill(&mut self, farther: &Self) {
        if self.profile.is_some() {
            return;
        }
        self.profile.clone_from(&farther.profile);
        self.lossless = self.lossless.or(farther.lossless);
        self.willing = self.willing.or(farther.willing);
        self.trust = self.trust.or(farther.trust);
        if self.ets.is_none() {
            self.ets.clone_from(&farther.ets);
        }
        if self.apps.is_none() {
            self.apps.clone_from(&farther.apps);
        }
    }

    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The priority that it expects of an application.
    #[must_use]
    pub fn app(&self, app: AppId) -> Option<u8> {
        self.apps.iter().flatten().find(|expected| expected.app == app).map(|expected| expected.priority)
    }
}

/// Priorities as bits; bit 0 is priority 0.
fn bits(priorities: &[u8]) -> u8 {
    priorities.iter().filter(|priority| **priority < 8).fold(0, |bits, priority| bits | 1 << priority)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nearer_field_wins_and_a_profile_is_whole() {
        let far = DcbExpect { profile: Some("a".into()), lossless: Some(8), willing: Some(true), ..DcbExpect::default() };
        let mut near = DcbExpect { willing: Some(false), ..DcbExpect::default() };
        near.fill(&far);
        assert_eq!((near.profile.as_deref(), near.lossless, near.willing), (Some("a"), Some(8), Some(false)));
        let mut whole = DcbExpect { profile: Some("b".into()), ..DcbExpect::default() };
        whole.fill(&far);
        assert_eq!((whole.lossless, whole.willing), (None, None));
    }
}

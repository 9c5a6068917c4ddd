//! The report: verdict, findings and diagnoses (schema `pathvet.report/1`). It only holds; judging is in [`crate::judge`].

use crate::evidence::Path;
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The schema name that this version writes.
pub const SCHEMA: &str = "pathvet.report/1";

/// One report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// The program and version that wrote it.
    pub tool: String,
    /// When the run began (UTC).
    #[schemars(with = "String")]
    pub started: jiff::Timestamp,
    /// How long the run took.
    pub elapsed_ms: u64,
    /// The worst counted outcome: fail > unknown > warn > pass.
    pub verdict: Outcome,
    /// What the command exits with, `--fail-on` considered.
    pub exit_code: u8,
    /// How many findings of each outcome.
    pub counts: Counts,
    /// Every path, as measured.
    pub paths: Vec<PathReport>,
    /// Every finding, in the order of the manual.
    pub findings: Vec<Finding>,
    /// What lies behind the findings.
    pub diagnoses: Vec<Diagnosis>,
}

/// A path of the evidence, and what was expected of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PathReport {
    /// As measured.
    #[serde(flatten)]
    pub path: Path,
    /// The path MTU that the user or the plan expects.
    pub expected_mtu: Option<u32>,
    /// Driver of the outgoing interface, where the sender's own evidence has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface_driver: Option<String>,
    /// Speed of the outgoing interface in Mb/s, where the sender's own evidence has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface_speed_mbps: Option<u32>,
}

/// How a finding came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Does not apply, or was not asked for and could not be decided.
    Skip,
    /// Measured, and as expected.
    Pass,
    /// Works, but a known risk, or a deviation not proven harmful.
    Warn,
    /// Asked for, and could not be decided.
    Unknown,
    /// Measured, and wrong.
    Fail,
}

/// Findings by outcome. Waived ones are counted apart, and only there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// PASS.
    pub pass: u32,
    /// WARN.
    pub warn: u32,
    /// FAIL.
    pub fail: u32,
    /// UNKNOWN.
    pub unknown: u32,
    /// SKIP.
    pub skip: u32,
    /// Waived, whatever their outcome.
    pub waived: u32,
}

/// What one check says of one subject.
///
/// A run may have tens of thousands: what repeats is shared, and what is seldom there is boxed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Check id.
    pub check: Cow<'static, str>,
    /// `node1:eth0`, `node1->node2`, `node1->node2@migration/6`.
    pub subject: Arc<str>,
    /// The subject in parts.
    pub at: Arc<At>,
    /// How it came out.
    pub outcome: Outcome,
    /// One line.
    pub summary: Cow<'static, str>,
    /// What was measured or read, where it is more than the summary says.
    pub observed: Option<Box<Quantity>>,
    /// What it is held against.
    pub expected: Option<Box<Quantity>>,
    /// What else a reader should know; never changes the outcome.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Files, netlink requests, probes that it rests on.
    pub sources: Vec<String>,
    /// What may be behind it, likeliest first.
    pub causes: Vec<String>,
    /// The exact command or setting, and where.
    pub remedies: Vec<String>,
    /// What several devices are set to, side by side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Box<Comparison>>,
    /// Who accepted it, and until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waived: Option<Box<Waived>>,
}

/// A finding's subject in parts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct At {
    /// Host.
    pub host: Option<String>,
    /// Interface on that host.
    pub interface: Option<String>,
    /// Sending host of a path.
    pub from: Option<String>,
    /// Target of a path.
    pub to: Option<String>,
    /// Network of the plan.
    pub network: Option<String>,
    /// 4 or 6.
    pub family: Option<u8>,
}

/// A value with its unit, and as a person reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Quantity {
    /// Machine-readable.
    pub value: serde_json::Value,
    /// `bytes`, `probes`, `Mb/s`, …
    pub unit: Option<Cow<'static, str>>,
    /// As shown in the table.
    pub text: String,
}

/// What several devices are set to, one row each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// What is compared: `PFC`, `ETS`, `applications`.
    pub what: String,
    /// Heads of the columns: the priorities 0 to 7.
    pub columns: Vec<String>,
    /// The devices, and the plan where it says something.
    pub rows: Vec<ComparisonRow>,
}

/// One device of a [`Comparison`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ComparisonRow {
    /// Whose values these are.
    pub side: Side,
    /// `plan`, `node1:eth0`, `tor1 Eth1/7`.
    pub name: String,
    /// One for each column; empty = not said.
    pub cells: Vec<String>,
}

/// Whose values a row holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// What the plan expects.
    Plan,
    /// The port that the finding is about.
    Host,
    /// The other end of its cable.
    Switch,
    /// Another host.
    Peer,
}

/// A waiver that applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Waived {
    /// Who accepted it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// Last day on which it holds.
    #[schemars(with = "String")]
    pub until: jiff::civil::Date,
}

/// One root cause behind one or more findings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Diagnosis {
    /// One or two sentences.
    pub summary: String,
    /// What to change or look at.
    pub culprit: Culprit,
    /// How sure.
    pub confidence: Confidence,
    /// Indexes into `findings`.
    pub explains: Vec<usize>,
    /// Supporting lines, such as the products that stop at that size.
    #[serde(default)]
    pub details: Vec<String>,
    /// How to prove it by hand, one command a line.
    #[serde(default)]
    pub proof: Vec<String>,
    /// What to do, best first.
    pub remedies: Vec<String>,
}

/// What is to blame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Culprit {
    /// The kind of thing.
    pub kind: CulpritKind,
    /// Its name, as exact as the evidence allows.
    pub name: String,
}

/// The kind of a [`Culprit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CulpritKind {
    /// A machine.
    Host,
    /// A network card or its driver.
    Nic,
    /// A switch.
    Switch,
    /// One port of a switch.
    SwitchPort,
    /// A router.
    Router,
    /// A tunnel or overlay network.
    Overlay,
    /// A packet filter.
    Firewall,
    /// An InfiniBand subnet manager.
    SubnetManager,
    /// A setting on a known machine.
    Setting,
    /// Cannot be told.
    Unknown,
}

/// How sure a diagnosis is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// One explanation among several.
    Possible,
    /// The best explanation, not proven.
    Likely,
    /// Proven by what was measured.
    Certain,
}

impl Outcome {
    /// `PASS`, `WARN`, `FAIL`, `UNKNOWN`, `SKIP`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Skip => "SKIP",
            Self::Pass => "PASS",
            Self::Warn => "WARN",
            Self::Unknown => "UNKNOWN",
            Self::Fail => "FAIL",
        }
    }

    /// The Nagios exit code of this verdict: 0 PASS, 1 WARN, 2 FAIL, 3 UNKNOWN.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Skip | Self::Pass => 0,
            Self::Warn => 1,
            Self::Fail => 2,
            Self::Unknown => 3,
        }
    }
}

impl Finding {
    /// A finding without numbers, causes or remedies.
    #[must_use]
    pub fn new(
        check: &'static str,
        subject: impl Into<Arc<str>>,
        at: impl Into<Arc<At>>,
        outcome: Outcome,
        summary: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            check: Cow::Borrowed(check),
            subject: subject.into(),
            at: at.into(),
            outcome,
            summary: summary.into(),
            observed: None,
            expected: None,
            notes: Vec::new(),
            sources: Vec::new(),
            causes: Vec::new(),
            remedies: Vec::new(),
            details: None,
            waived: None,
        }
    }
}

impl Finding {
    /// What was measured or read: as said apart, else the summary.
    #[must_use]
    pub fn measured(&self) -> &str {
        self.observed.as_ref().map_or(&self.summary, |observed| &observed.text)
    }
}

impl Quantity {
    /// A number of bytes.
    #[must_use]
    pub fn bytes(value: u32) -> Box<Self> {
        Box::new(Self { value: value.into(), unit: Some("bytes".into()), text: alloc::format!("{value}") })
    }

    /// A number of something: `12`, `errors`.
    #[must_use]
    pub fn counted(value: impl Into<u64>, unit: &'static str) -> Box<Self> {
        let value = value.into();
        Box::new(Self { value: value.into(), unit: Some(unit.into()), text: alloc::format!("{value}") })
    }

    /// Words without a number.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Box<Self> {
        let text = text.into();
        Box::new(Self { value: text.clone().into(), unit: None, text })
    }

    /// The same value with other words for the table.
    #[must_use]
    pub fn shown_as(mut self: Box<Self>, text: impl Into<String>) -> Box<Self> {
        self.text = text.into();
        self
    }
}

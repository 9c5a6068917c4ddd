//! Kernel settings and power management.

use alloc::string::String;
use alloc::vec::Vec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One kernel setting: what it is now, and what it will be after the next boot.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Sysctl {
    /// The value now, white space made single; `None` = this kernel or namespace has no such key.
    #[serde(default)]
    pub running: Option<String>,
    /// The value that the files give; `None` = no file sets it.
    #[serde(default)]
    pub persisted: Option<String>,
    /// The file whose value holds.
    #[serde(default)]
    pub winner: Option<Place>,
    /// Files that set it too and lose, in the order in which they are read.
    #[serde(default)]
    pub losers: Vec<Place>,
    /// Files whose value the kernel refuses whatever the key: it is empty or in quotes, which no program takes off.
    #[serde(default)]
    pub refused: Vec<Place>,
    /// What the other of `systemd-sysctl` and `sysctl --system` would make of the same files, where that is another value.
    #[serde(default)]
    pub otherwise: Option<Otherwise>,
}

/// What a program that does not run at boot here would make of the files.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Otherwise {
    /// `systemd-sysctl` or `sysctl --system`.
    pub loader: String,
    /// The value that it would set.
    #[serde(default)]
    pub persisted: Option<String>,
    /// The file whose value it would take.
    #[serde(default)]
    pub winner: Option<Place>,
}

/// A line of a configuration file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// The file.
    pub file: String,
    /// Line number, from 1.
    pub line: u32,
}

/// Memory of a host: what tells whether a limit in pages can be meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Memory {
    /// `MemTotal` of `/proc/meminfo`, bytes.
    #[serde(default)]
    pub total: Option<u64>,
    /// `AT_PAGESZ` of `/proc/self/auxv`, bytes.
    #[serde(default)]
    pub page_size: Option<u32>,
}

/// Power management of the processors.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Power {
    /// `scaling_driver`: `intel_pstate`, `acpi-cpufreq`, `amd-pstate-epp`, …
    #[serde(default)]
    pub driver: Option<String>,
    /// `intel_pstate/status` or `amd_pstate/status`: `active`, `passive`, `guided`, `off`.
    #[serde(default)]
    pub driver_status: Option<String>,
    /// `scaling_governor` of the processors, each once.
    #[serde(default)]
    pub governors: Vec<String>,
    /// `energy_performance_preference` of the processors, each once.
    #[serde(default)]
    pub energy_preferences: Vec<String>,
    /// Idle states that are switched on.
    #[serde(default)]
    pub idle_states: Vec<IdleState>,
    /// `vm`, `container`, or `none`; how it was recognised stands in the gap where it is not known.
    #[serde(default)]
    pub virtualisation: Option<String>,
}

/// One idle state of `cpuidle`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct IdleState {
    /// Its name: `C6`.
    pub name: String,
    /// Exit latency, microseconds.
    pub latency_us: u32,
}

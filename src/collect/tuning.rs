//! What the checks of settings look at: kernel settings, memory and power management.

use super::{memory, power, sysctl, take};
use crate::host::Host;
use pathvet_checks::baseline::WATCHED;
use pathvet_checks::evidence;
use std::collections::BTreeSet;

/// Adds the kernel settings that the checks know, and `more` of them, memory and power management to the facts of a host.
pub fn tuning<'k>(host: &dyn Host, found: &mut evidence::Host, more: impl IntoIterator<Item = &'k str>) {
    let keys: BTreeSet<&str> = WATCHED.iter().copied().chain(more).collect();
    let mut gaps = std::mem::take(&mut found.gaps);
    let table = take(sysctl(host, keys), &mut gaps);
    // Without a single value it is /proc/sys that is missing, not each of the keys.
    found.sysctl = table.filter(|table| table.values().any(|setting| setting.running.is_some() || setting.persisted.is_some()));
    found.memory = take(memory(host), &mut gaps);
    found.power = take(power(host), &mut gaps);
    gaps.sort();
    gaps.dedup();
    found.gaps = gaps;
}

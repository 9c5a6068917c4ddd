//! Do the processors of a host that moves data save power at its cost?

use crate::Case;
use crate::chain;
use crate::check::{Check, Meta, check};
use crate::evidence::{Host, Link, Path, Power};
use crate::facts;
use crate::report::{At, Finding, Outcome, Quantity};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

check! {
    /// # What it looks for
    ///
    /// Processors that are held at their lowest speed on a host whose network is for storage, migration or RDMA, at 10 Gb/s and
    /// more. One reported host moved 16 % of its 10 Gb/s until its power profile was changed.
    ///
    /// # How it decides
    ///
    /// Hosts are looked at where the plan gives a path's network the role `storage`, `migration` or `rdma` and the card has
    /// 10 Gb/s or more, or where this check is asked for by name.
    ///
    /// - WARN: the governor is `powersave` with a driver that obeys it (acpi-cpufreq, or `intel_pstate` and `amd_pstate` in passive
    ///   mode); or the energy preference is `power` with a driver that chooses for itself; or an idle state takes longer to leave
    ///   than the plan's baseline allows (`idle_latency_us`).
    /// - PASS: anything else. `powersave` under an active `intel_pstate` or `amd_pstate` is normal and saves nothing under load. The
    ///   deepest idle state and how long it takes to leave it is a note.
    /// - SKIP: a virtual machine or a container, whose speed is decided outside; or the kernel has no say, and the firmware decides.
    /// - UNKNOWN: it was asked for by name and cannot be told.
    ///
    /// # What to do
    ///
    /// `cpupower frequency-set -g performance` until the next boot; `tuned-adm profile throughput-performance`, or the firmware's
    /// power profile, for good.
    ///
    /// # Example
    ///
    /// `warn-powersave`: the processors of a host with a migration network are held at their lowest speed.
    ///
    /// ```text
    /// WARN host-power node1
    ///   the processors are held at their lowest speed: governor powersave with acpi-cpufreq
    ///   measured: powersave (acpi-cpufreq)
    ///   expected: schedutil, ondemand or performance
    /// ```
    pub(crate) struct HostPower = { id: "host-power", summary: "processors that save power on a host that moves data" }
}

/// From this speed on processors that save power are felt, Mb/s.
const FAST: u32 = 10_000;
/// Roles of networks that move much data.
const ROLES: [&str; 3] = ["migration", "rdma", "storage"];

impl Check for HostPower {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn judge(&self, case: &Case<'_>) -> Vec<Finding> {
        let named = facts::named(case, Self::META.id);
        let hosts = case.evidence.hosts.iter();
        hosts.filter(|host| named || moves_data(case, host)).map(|host| judge(case, host, named)).collect()
    }
}

/// Whether a path of a role that moves much data uses a fast card of this host.
fn moves_data(case: &Case<'_>, host: &Host) -> bool {
    case.evidence.paths.iter().any(|path| {
        let role = facts::network(case, path).and_then(|(_, network)| network.role.as_deref());
        role.is_some_and(|role| ROLES.contains(&role)) && link(case, path, host).is_some_and(|link| fast(host, link))
    })
}

/// The interface of `host` that a path leaves by or ends at.
fn link<'a>(case: &Case<'a>, path: &Path, host: &Host) -> Option<&'a Link> {
    if facts::host(case, &path.from).is_some_and(|from| core::ptr::eq(from, host)) {
        return facts::egress(case, path);
    }
    facts::peer_link(case, path).filter(|(peer, _)| core::ptr::eq(*peer, host)).map(|(_, link)| link)
}

fn fast(host: &Host, link: &Link) -> bool {
    chain::layers(host, link).iter().any(|layer| layer.link.speed_mbps.is_some_and(|speed| speed >= FAST))
}

fn finding(host: &Host, outcome: Outcome, summary: impl Into<alloc::borrow::Cow<'static, str>>) -> Finding {
    let at = At { host: Some(host.name.clone()), ..At::default() };
    Finding::new(HostPower::META.id, host.name.clone(), at, outcome, summary)
}

fn judge(case: &Case<'_>, host: &Host, named: bool) -> Finding {
    let undecided = if named { Outcome::Unknown } else { Outcome::Skip };
    let Some(power) = &host.power else {
        let gap = host.gaps.iter().find(|gap| gap.what == "power");
        let why = gap.map_or_else(|| "power management was not read".into(), |gap| format!("{}: {}", gap.place, gap.detail));
        return finding(host, undecided, why);
    };
    match power.virtualisation.as_deref() {
        Some("vm") => return finding(host, Outcome::Skip, "a virtual machine: the host below decides how fast it runs"),
        Some("container") => return finding(host, Outcome::Skip, "a container: the host around it decides how fast it runs"),
        _ => {}
    }
    let Some(driver) = power.driver.as_deref() else {
        let mut finding = finding(host, undecided, "the kernel has no say in the speed of the processors: the firmware decides");
        finding.remedies =
            alloc::vec!["look at the power profile in the firmware's setup: performance, or controlled by the system".into()];
        return finding;
    };
    let mut finding = speed(host, power, driver).unwrap_or_else(|| {
        let mut finding = finding(host, Outcome::Pass, format!("nothing holds the processors back: {}", words(power, driver)));
        finding.observed = Some(Quantity::text(words(power, driver)));
        finding
    });
    finding.sources.push("/sys/devices/system/cpu/cpufreq".into());
    idle(case, host, power, &mut finding);
    finding
}

/// Whether the driver chooses the speed by itself, so that governors are but a hint.
fn chooses(power: &Power, driver: &str) -> bool {
    let active = power.driver_status.as_deref().is_none_or(|status| status == "active");
    matches!(driver, "intel_pstate" | "amd-pstate-epp" | "amd_pstate_epp") && active
}

/// `powersave (acpi-cpufreq)`, `balance_performance (intel_pstate)`.
fn words(power: &Power, driver: &str) -> String {
    let of = |values: &[String]| values.join(", ");
    if chooses(power, driver) && !power.energy_preferences.is_empty() {
        return format!("{} ({driver})", of(&power.energy_preferences));
    }
    if power.governors.is_empty() { driver.into() } else { format!("{} ({driver})", of(&power.governors)) }
}

/// What holds the processors back.
fn speed(host: &Host, power: &Power, driver: &str) -> Option<Finding> {
    let has = |values: &[String], word: &str| values.iter().any(|value| value == word);
    let some = |values: &[String]| if values.len() > 1 { "some processors" } else { "the processors" };
    let mut found = if chooses(power, driver) {
        if !has(&power.energy_preferences, "power") {
            return None;
        }
        let summary =
            format!("{} prefer saving power to speed: energy preference power with {driver}", some(&power.energy_preferences));
        let mut found = finding(host, Outcome::Warn, summary);
        found.expected = Some(Quantity::text("balance_performance or performance"));
        found.remedies = alloc::vec![
            "echo balance_performance | tee /sys/devices/system/cpu/cpufreq/policy*/energy_performance_preference   until the next boot".into(),
        ];
        found
    } else {
        if !has(&power.governors, "powersave") {
            return None;
        }
        let summary = format!("{} are held at their lowest speed: governor powersave with {driver}", some(&power.governors));
        let mut found = finding(host, Outcome::Warn, summary);
        found.expected = Some(Quantity::text("schedutil, ondemand or performance"));
        found.remedies = alloc::vec!["cpupower frequency-set -g performance   until the next boot".into()];
        found
    };
    found.observed = Some(Quantity::text(words(power, driver)));
    found.remedies.push("tuned-adm profile throughput-performance   for good; or the firmware's power profile".into());
    Some(found)
}

/// Idle states: a note, and a WARN where the plan's baseline has a limit.
fn idle(case: &Case<'_>, host: &Host, power: &Power, finding: &mut Finding) {
    let Some(deepest) = power.idle_states.iter().max_by_key(|state| state.latency_us) else { return };
    let words = format!("the deepest idle state {} takes {} µs to leave", deepest.name, deepest.latency_us);
    let limit =
        facts::baselines(case, host).into_iter().filter_map(|baseline| Some((baseline.idle_latency_us?, &baseline.name))).min();
    match limit.filter(|(limit, _)| deepest.latency_us > *limit) {
        Some((limit, name)) => {
            if finding.outcome == Outcome::Pass {
                finding.outcome = Outcome::Warn;
                finding.summary = format!("{words}, and {name} allows {limit}").into();
                finding.observed =
                    Some(Quantity::counted(deepest.latency_us, "microseconds").shown_as(format!("{} µs", deepest.latency_us)));
                finding.expected = Some(Quantity::counted(limit, "microseconds").shown_as(format!("at most {limit} µs")));
            } else {
                finding.notes.push(format!("{words}, and {name} allows {limit}"));
            }
            finding.causes.push("a service may hold /dev/cpu_dma_latency, as tuned does: then the state is on and not used".into());
            finding.remedies.push(format!("cpupower idle-set -D {limit}   until the next boot"));
        }
        None if deepest.latency_us > 0 => finding.notes.push(words),
        None => {}
    }
}

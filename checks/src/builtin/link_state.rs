//! Are the interfaces that carry the path up, and are bonds whole?

use crate::Case;
use crate::chain::{self, Carrier};
use crate::check::{Check, Meta, check};
use crate::evidence::{Host, Link};
use crate::facts;
use crate::report::{Finding, Outcome, Quantity};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

check! {
    /// # What it looks for
    ///
    /// The state of every layer that carries the path, and the health of bonds among them.
    ///
    /// # How it decides
    ///
    /// - FAIL: an interface of the chain is down or without carrier, or no member of a bond carries.
    /// - WARN: a member of a bond is down; LACP is on and the partner's address is all zero (the switch does not speak it); members
    ///   sit in different aggregators or run at different speeds; an active-backup bond runs on another than its primary member.
    /// - PASS: everything carries.
    ///
    /// Interfaces that do not carry the path are not looked at: an idle card never alarms.
    ///
    /// # What to do
    ///
    /// `ip -d link show master BOND` and `cat /proc/net/bonding/BOND` show the members. With LACP all ports of one bond belong
    /// in one port channel of one switch, or of one pair that acts as one.
    ///
    /// # Example
    ///
    /// `warn-bond-member-down`: eth1 of bond0 has no carrier.
    ///
    /// ```text
    /// WARN link-state node1:bond0
    ///   bond0: interface eth1 has no carrier
    ///   expected: up, every member carrying
    /// ```
    pub(crate) struct LinkState = { id: "link-state", summary: "whether the path's interfaces are up and its bonds whole" }
}

impl Check for LinkState {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn judge(&self, case: &Case<'_>) -> Vec<Finding> {
        chain::carriers(case).iter().map(|carrier| finding(case, carrier)).collect()
    }
}

fn finding(case: &Case<'_>, carrier: &Carrier<'_>) -> Finding {
    let (id, host, name) = (LinkState::META.id, carrier.host, carrier.ifname);
    let Some(top) = carrier.link else {
        let outcome = if facts::named(case, id) { Outcome::Unknown } else { Outcome::Skip };
        let why = if host.links.is_some() { format!("{name} is not among the interfaces") } else { chain::links_gap(host) };
        return facts::of_link(host, name, id, outcome, why);
    };
    let layers = chain::layers(host, top);
    let bonds: Vec<&Link> = layers.iter().map(|layer| layer.link).filter(|link| matches!(link.kind(), "bond" | "team")).collect();
    let is_member = |link: &Link| bonds.iter().any(|bond| link.master.as_deref() == Some(&bond.ifname));
    let mut failures: Vec<String> = Vec::new();
    let mut warnings: Vec<String> = Vec::new();
    for bond in &bonds {
        bond_state(host, bond, &mut failures, &mut warnings);
    }
    let down =
        layers.iter().map(|layer| layer.link).filter(|link| !is_member(link)).find_map(|link| Some((link, facts::down(link)?)));
    if failures.is_empty() {
        failures.extend(down.as_ref().map(|(_, why)| why.clone()));
    }
    if !failures.is_empty() && reach_says_so(case, carrier) {
        return facts::of_link(host, name, id, Outcome::Skip, "see path-reach");
    }
    let (outcome, said) = match (failures.is_empty(), warnings.is_empty()) {
        (false, _) => (Outcome::Fail, failures),
        (true, false) => (Outcome::Warn, warnings),
        (true, true) => (Outcome::Pass, alloc::vec![describe(top, layers.len())]),
    };
    let mut finding = facts::of_link(host, name, id, outcome, said.join("; "));
    if outcome != Outcome::Pass {
        finding.expected = Some(Quantity::text("up, every member carrying"));
        let name = down.map_or(name, |(link, _)| link.ifname.as_str());
        finding.remedies = match bonds.first() {
            Some(bond) => alloc::vec![format!(
                "cat /proc/net/bonding/{}; look at cable and switch port of the member that is named",
                bond.ifname
            )],
            None => alloc::vec![format!("ip link set dev {name} up; then cable, optic and switch port: ethtool {name}")],
        };
    }
    finding
}

/// Whether `path-reach` already says that this carrier's interface is down: one fault is one finding.
fn reach_says_so(case: &Case<'_>, carrier: &Carrier<'_>) -> bool {
    use super::path_reach::{PathReach, Reason, verdict};
    use crate::check::Check as _;
    facts::selected(case, PathReach.meta().id)
        && carrier
            .leaving
            .iter()
            .filter_map(|index| case.evidence.paths.get(*index))
            .any(|path| matches!(verdict(case, path).1, Reason::Down(_)))
}

/// `up, 40 Gb/s, 2 layers`.
fn describe(top: &Link, layers: usize) -> String {
    let mut text = "up".to_owned();
    if let Some(speed) = top.speed_mbps {
        text = if speed >= 1000 && speed % 1000 == 0 {
            format!("{text}, {} Gb/s", speed / 1000)
        } else {
            format!("{text}, {speed} Mb/s")
        };
    }
    if layers > 1 {
        text = format!("{text}, {layers} layers");
    }
    text
}

fn bond_state(host: &Host, bond: &Link, failures: &mut Vec<String>, warnings: &mut Vec<String>) {
    let name = &bond.ifname;
    let members = chain::ports(host, bond);
    let carrying: Vec<&&Link> = members.iter().filter(|member| member_down(member).is_none()).collect();
    if carrying.is_empty() {
        failures.push(if members.is_empty() { format!("{name} has no member") } else { format!("no member of {name} carries") });
        return;
    }
    for member in &members {
        if let Some(why) = member_down(member) {
            warnings.push(format!("{name}: {why}"));
        }
    }
    let data = |key: &str| bond.linkinfo.as_ref().and_then(|info| info.info_data.get(key));
    let mode = data("mode").and_then(|mode| mode.as_str()).unwrap_or_default();
    if matches!(mode, "802.3ad" | "4") {
        let partner =
            data("ad_info").and_then(|info| info.get("partner_mac").or_else(|| info.get("partner"))).and_then(|mac| mac.as_str());
        if partner == Some("00:00:00:00:00:00") {
            warnings.push(format!("{name}: LACP partner is all zero, so the switch does not speak LACP on these ports"));
        }
        let aggregators = distinct(carrying.iter().filter_map(|member| slave(member, "ad_aggregator_id")).map(ToString::to_string));
        if aggregators.len() > 1 {
            warnings.push(format!(
                "{name}: members sit in different aggregators ({}), so only one of them carries",
                aggregators.join(", ")
            ));
        }
    }
    let speeds = distinct(carrying.iter().filter_map(|member| member.speed_mbps).map(|speed| format!("{speed}")));
    if speeds.len() > 1 {
        warnings.push(format!("{name}: members run at different speeds ({} Mb/s)", speeds.join(", ")));
    }
    let text = |key: &str| data(key).and_then(|value| value.as_str());
    if let (Some(primary), Some(active)) = (text("primary"), text("active_slave"))
        && primary != active
        && carrying.iter().any(|member| member.ifname == primary)
    {
        warnings.push(format!("{name}: {active} is active although its primary {primary} carries"));
    }
}

fn slave<'a>(member: &'a Link, key: &str) -> Option<&'a serde_json::Value> {
    member.linkinfo.as_ref()?.info_slave_data.get(key)
}

/// Why a member of a bond does not carry.
fn member_down(member: &Link) -> Option<String> {
    facts::down(member).or_else(|| {
        let status = slave(member, "mii_status")?.as_str()?;
        (!status.eq_ignore_ascii_case("up")).then(|| format!("member {} is {}", member.ifname, status.to_ascii_lowercase()))
    })
}

fn distinct(values: impl Iterator<Item = String>) -> Vec<String> {
    let mut values: Vec<String> = values.collect();
    values.sort();
    values.dedup();
    values
}

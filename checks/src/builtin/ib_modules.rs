//! Are the kernel's modules for InfiniBand loaded?

use crate::Case;
use crate::check::{Check, Meta, check};
use crate::evidence::{Host, Module};
use crate::fabric;
use crate::facts;
use crate::partition;
use crate::report::{Finding, Outcome, Quantity};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

check! {
    /// # What it looks for
    ///
    /// On a host with InfiniBand: the module of the card (`mlx4_ib`, `mlx5_ib`, ...), `ib_ipoib` for IP, `ib_umad` for subnet
    /// managers and `ibstat`; and whether `mlx4_core` keeps its ports below 4096 bytes.
    ///
    /// # How it decides
    ///
    /// - FAIL: the plan expects something of `IPoIB`, and `ib_ipoib` is not there, or of the card its core module alone.
    /// - WARN: a subnet manager is configured here and
    ///   `ib_umad`, without which it cannot work, is not loaded; the plan or `partitions.conf` wants 4092, and `mlx4_core` is loaded
    ///   with `mtu_4k=0`.
    /// - PASS: what is needed is there. That `ib_ipoib` is missing is a note where nothing asks for IP.
    /// - SKIP: no InfiniBand here, or the list of modules was not read.
    ///
    /// # What to do
    ///
    /// `modprobe ib_ipoib`, and its name in a file under `/etc/modules-load.d`. For SRP and iSER also `ib_srp`, `ib_iser`,
    /// `rdma_ucm`, `ib_uverbs`.
    ///
    /// On `ESXi` 5 the inbox drivers stand in the way of the vendor's: `esxcli software vib remove -n=net-mlx4-en -n=net-mlx4-core`,
    /// reboot, `esxcli software acceptance set --level=CommunitySupported`, then install. `esxcli software vib list` shows which are
    /// there.
    ///
    /// # Example
    ///
    /// `fail-ipoib-not-loaded`: the plan expects connected mode, and there is no interface yet.
    ///
    /// ```text
    /// FAIL ib-modules node1
    ///   ib_ipoib is not loaded, and the plan expects IPoIB
    /// ```
    pub(crate) struct IbModules = { id: "ib-modules", summary: "kernel modules that InfiniBand needs" }
}

impl Check for IbModules {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn judge(&self, case: &Case<'_>) -> Vec<Finding> {
        case.evidence.hosts.iter().filter_map(|host| finding(case, host)).collect()
    }
}

/// Core modules of cards and the modules that make them InfiniBand devices.
const CARDS: [(&str, &str); 2] = [("mlx4_core", "mlx4_ib"), ("mlx5_core", "mlx5_ib")];

fn finding(case: &Case<'_>, host: &Host) -> Option<Finding> {
    let id = IbModules::META.id;
    let expects = fabric::wanted(case, host, fabric::wants_ipoib);
    let by_name = facts::named(case, id);
    if !fabric::concerns(host) && !expects {
        let outcome = if host.infiniband.is_some() || host.modules.is_some() { Outcome::Skip } else { Outcome::Unknown };
        return by_name.then(|| fabric::of_whole(host, id, outcome, fabric::NO_PORT));
    }
    let Some(modules) = &host.modules else {
        let outcome = if by_name || expects { Outcome::Unknown } else { Outcome::Skip };
        let why = fabric::gap(host, "modules").unwrap_or_else(|| "not collected".to_owned());
        return Some(fabric::of_whole(host, id, outcome, format!("modules: {why}")));
    };
    let loaded = |name: &str| modules.iter().any(|module| module.name == name);
    let mut finding = if let Some(card) = card_without_module(host, modules, expects) {
        card
    } else if !loaded("ib_ipoib") && fabric::interfaces(host).next().is_none() && expects {
        let mut finding = fabric::of_whole(host, id, Outcome::Fail, "ib_ipoib is not loaded, and the plan expects IPoIB");
        finding.remedies = alloc::vec![load("ib_ipoib")];
        finding
    } else if let Some(warning) = warning(case, host, modules) {
        warning
    } else {
        let names: Vec<&str> = ["mlx4_ib", "mlx5_ib", "ib_ipoib", "ib_umad", "rdma_ucm", "ib_srp", "ib_iser"]
            .into_iter()
            .filter(|name| loaded(name))
            .collect();
        let summary = if names.is_empty() { "nothing is missing".to_owned() } else { names.join(", ") };
        let mut finding = fabric::of_whole(host, id, Outcome::Pass, summary);
        if !loaded("ib_ipoib") && fabric::interfaces(host).next().is_none() {
            finding.notes.push("ib_ipoib is not loaded: no IP over InfiniBand here".to_owned());
        }
        finding
    };
    if !loaded("ib_umad") && fabric::ports(host).next().is_some() && finding.outcome == Outcome::Pass {
        finding.notes.push("ib_umad is not loaded: neither ibstat nor pathvet can ask the subnet manager from here".to_owned());
    }
    finding.sources = alloc::vec!["/sys/module".to_owned()];
    Some(finding)
}

fn load(name: &str) -> String {
    format!("modprobe {name}; echo {name} > /etc/modules-load.d/{name}.conf")
}

/// A card whose core module is loaded alone. One that is used as Ethernet needs no more; who expects `IPoIB` does.
fn card_without_module(host: &Host, modules: &[Module], expects: bool) -> Option<Finding> {
    let loaded = |name: &str| modules.iter().any(|module| module.name == name);
    let has_ports = host.infiniband.as_ref().is_some_and(|table| !table.ports.is_empty());
    let (core, own) = CARDS.iter().find(|(core, own)| expects && loaded(core) && !loaded(own) && !has_ports)?;
    let summary = format!("{core} is loaded and {own} is not: no InfiniBand port, and the plan expects IPoIB");
    let mut finding = fabric::of_whole(host, IbModules::META.id, Outcome::Fail, summary);
    finding.remedies = alloc::vec![format!("{}; {}", load(own), load("ib_ipoib"))];
    Some(finding)
}

fn warning(case: &Case<'_>, host: &Host, modules: &[Module]) -> Option<Finding> {
    let id = IbModules::META.id;
    let loaded = |name: &str| modules.iter().any(|module| module.name == name);
    let configured = host.infiniband.as_ref().is_some_and(|table| table.sm_config.as_ref().is_some_and(|files| !files.is_empty()));
    if configured && !loaded("ib_umad") {
        let summary = "ib_umad is not loaded, and a subnet manager is configured here: it cannot work without";
        let mut finding = fabric::of_whole(host, id, Outcome::Warn, summary);
        finding.remedies = alloc::vec![load("ib_umad")];
        return Some(finding);
    }
    let wants_4k = fabric::interfaces(host)
        .find(|link| fabric::expected_ipoib(case, host, link).mtu.is_some_and(|mtu| (2045..=4092).contains(&mtu)));
    let fabrics = fabric::fabrics(case);
    let group_4k = || {
        fabric::ports(host).find_map(|port| {
            partition::rule(case, &fabrics, host, port, None).filter(|rule| rule.mtu() > 2048).map(|rule| rule.name())
        })
    };
    let limit = partition::driver_limit(host)?;
    let who = wants_4k
        .map(|link| format!("the plan expects 4092 of {}", link.ifname))
        .or_else(|| group_4k().map(|rule| format!("{rule} asks for 4096")))?;
    let mut finding = fabric::of_whole(host, id, Outcome::Warn, format!("{limit}, and {who}"));
    finding.observed = Some(Quantity::text("mtu_4k=0"));
    finding.expected = Some(Quantity::text("mtu_4k=1"));
    finding.remedies = partition::raise_card(host).into_iter().collect();
    Some(finding)
}

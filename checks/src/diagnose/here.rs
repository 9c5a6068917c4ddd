//! Root causes on a host of the evidence: its interfaces, bridges and bonds.

use super::remedies::{self, Length};
use super::{Lead, Root};
use crate::Case;
use crate::builtin::link_mtu::{self, Lowered};
use crate::builtin::path_mtu::{self, Ruling};
use crate::chain::{self, Layer, Rests};
use crate::evidence::{Host, Path};
use crate::facts;
use crate::report::{Confidence, CulpritKind, Finding, Outcome};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// What is behind a finding on an interface.
pub(super) fn lead<'a>(case: Case<'a>, finding: &'a Finding) -> Option<Lead<'a>> {
    if finding.outcome == Outcome::Unknown {
        return None;
    }
    let host = facts::host(&case, finding.at.host.as_deref()?)?;
    let ifname = finding.at.interface.as_deref()?;
    match &*finding.check {
        "link-mtu" => mtu(case, host, ifname, finding),
        "link-state" => {
            let bond = chain::layers(host, host.link(ifname)?).iter().any(|layer| matches!(layer.link.kind(), "bond" | "team"));
            let kind = if bond { CulpritKind::Setting } else { CulpritKind::Nic };
            Some(own("down", host, ifname, kind, Confidence::Certain, finding))
        }
        "link-errors" => Some(own("errors", host, ifname, CulpritKind::Nic, Confidence::Possible, finding)),
        "dcb-pfc" | "dcb-ets" | "dcb-app" | "dcb-dcbx" | "lldp-neighbor" => {
            Some(super::neighbour::dcb(case, host, ifname, finding))
        }
        "link-pause" => Some(own("pause", host, ifname, CulpritKind::Setting, Confidence::Certain, finding)),
        _ => None,
    }
}

fn own<'a>(
    what: &str,
    host: &'a Host,
    ifname: &'a str,
    kind: CulpritKind,
    confidence: Confidence,
    finding: &'a Finding,
) -> Lead<'a> {
    Lead::new(format!("{what}|{}|{ifname}", host.name), move |_| Root {
        summary: format!("{}: {}.", host.name, finding.summary),
        kind,
        name: format!("{}:{ifname}", host.name),
        confidence,
        details: finding.causes.clone(),
        proof: Vec::new(),
        remedies: finding.remedies.clone(),
    })
}

fn mtu<'a>(case: Case<'a>, host: &'a Host, ifname: &str, finding: &'a Finding) -> Option<Lead<'a>> {
    let carriers = chain::carriers(&case);
    let carrier = carriers.iter().find(|carrier| core::ptr::eq(carrier.host, host) && carrier.ifname == ifname)?;
    let layers = chain::layers(host, carrier.link?);
    if let Some(low) = link_mtu::lowered(host, &layers, link_mtu::expected(&case, carrier)) {
        return Some(lowered(host, low, finding.remedies.clone()));
    }
    let narrowest = layers.iter().min_by_key(|layer| layer.room())?;
    let need = link_mtu::expected(&case, carrier).unwrap_or(carrier.link?.mtu);
    Some(layer(host, *narrowest, need, finding.remedies.clone()))
}

/// A bridge that a smaller port pulled down.
fn lowered<'a>(host: &'a Host, low: Lowered<'a>, remedies: Vec<String>) -> Lead<'a> {
    let Lowered { bridge, uplink, port } = low;
    Lead::new(format!("lowered|{}|{}", host.name, bridge.ifname), move |_| Root {
        summary: format!(
            "{}: bridge {} fell to {} because its port {} is set to {}; its uplink {} is set to {}.",
            host.name, bridge.ifname, bridge.mtu, port.ifname, port.mtu, uplink.ifname, uplink.mtu
        ),
        kind: CulpritKind::Setting,
        name: format!("MTU of {}:{}", host.name, port.ifname),
        confidence: Confidence::Certain,
        details: alloc::vec!["a bridge follows its smallest port unless its MTU was set by hand".to_string()],
        proof: alloc::vec![format!("ip link show master {}   shows the port of {}", bridge.ifname, port.mtu)],
        remedies,
    })
}

/// A layer of the chain that is narrower than what is wanted of it.
fn layer<'a>(host: &'a Host, layer: Layer<'a>, need: u32, remedies: Vec<String>) -> Lead<'a> {
    let link = layer.link;
    Lead::new(format!("layer|{}|{}", host.name, link.ifname), move |_| {
        let leaves = if layer.overhead > 0 { format!(", which leaves {} inside the tunnel", layer.room()) } else { String::new() };
        let details = match layer.rests {
            Rests::PhysicalFunction => {
                alloc::vec!["the card decides whether a virtual function may send more than its physical function".to_string()]
            }
            Rests::Tunnel => alloc::vec![format!("the tunnel takes {} bytes of every packet", layer.overhead)],
            Rests::Top | Rests::Whole => Vec::new(),
        };
        // No setting helps where the card or its driver takes no more.
        let cannot = link.max_mtu.filter(|max| *max < need.saturating_add(layer.overhead));
        let (kind, name) = match cannot {
            Some(max) => {
                let driver = link.driver.as_deref().map(|driver| format!(", {driver}")).unwrap_or_default();
                (CulpritKind::Nic, format!("{}:{} (at most {max}{driver})", host.name, link.ifname))
            }
            None => (CulpritKind::Setting, format!("MTU of {}:{}", host.name, link.ifname)),
        };
        Root {
            summary: format!("{}: {} is set to {}{leaves}, and {need} is needed.", host.name, link.ifname, link.mtu),
            kind,
            name,
            confidence: Confidence::Certain,
            details,
            proof: alloc::vec![format!("ip link show dev {}", link.ifname)],
            remedies,
        }
    })
}

/// This host refuses what is expected of the path.
pub(super) fn too_small<'a>(case: Case<'a>, path: &'a Path) -> Lead<'a> {
    let wanted = facts::expected_mtu(&case, path).unwrap_or(0);
    let remedies = remedies::for_path(&case, path, &Ruling::Local, Length::Full);
    if let (Some(host), Some(top)) = (facts::host(&case, &path.from), facts::egress(&case, path)) {
        let layers = chain::layers(host, top);
        if let Some(low) = link_mtu::lowered(host, &layers, Some(wanted)) {
            return lowered(host, low, remedies);
        }
        if let Some(narrowest) = layers.iter().min_by_key(|layer| layer.room()).filter(|layer| layer.room() < wanted) {
            return layer(host, *narrowest, wanted, remedies);
        }
    }
    let interface = facts::egress_name(path).unwrap_or("its interface");
    let measured = path.path_mtu.unwrap_or(0);
    let route = path.route.as_ref().and_then(|route| route.mtu).is_some_and(|mtu| mtu == measured);
    let what = if route { format!("the route to {}", path.to) } else { interface.to_string() };
    Lead::new(format!("local|{}|{what}", path.from), move |_| Root {
        summary: format!("{}: {what} sends no more than {measured}.", path.from),
        kind: CulpritKind::Setting,
        name: format!("MTU of {what} on {}", path.from),
        confidence: Confidence::Certain,
        details: Vec::new(),
        proof: alloc::vec![format!(
            "ip route get {}",
            path.address.map_or_else(|| path.to.clone(), |address| format!("{address}"))
        )],
        remedies,
    })
}

/// A layer under the sender's or the far end's interface, where their evidence is at hand, that carries no more than arrived.
pub(super) fn narrow_layer<'a>(case: &Case<'a>, path: &Path, measured: u32) -> Option<Lead<'a>> {
    let sends = path_mtu::sends(case, path)?;
    let own = facts::host(case, &path.from).zip(facts::egress(case, path));
    let ends = own.into_iter().chain(facts::peer_link(case, path));
    for (host, top) in ends {
        let layers = chain::layers(host, top);
        let narrowest = layers.iter().min_by_key(|layer| layer.room())?;
        if narrowest.room() < sends && narrowest.room() <= measured {
            let wanted = sends.saturating_add(narrowest.overhead);
            let remedies = alloc::vec![format!("ip link set dev {} mtu {wanted}   on {}", narrowest.link.ifname, host.name)];
            return Some(layer(host, *narrowest, sends, remedies));
        }
    }
    None
}

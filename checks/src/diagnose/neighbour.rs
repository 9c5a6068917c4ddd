//! What the device at the other end of the cable has to do with it.

use super::{Lead, Root};
use crate::Case;
use crate::builtin::{path_mtu, switch_frame_size};
use crate::chain;
use crate::dcb;
use crate::evidence::{Host, Link, Lldp, Path};
use crate::facts::{self, Peer};
use crate::report::{Confidence, CulpritKind, Finding, Side};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// A switch that announces exactly the cut.
pub(super) struct Exact {
    /// `tor1 Eth1/7`, or `tor1` where both ends hang on it.
    pub(super) name: String,
    /// What it is that says so.
    pub(super) summary: String,
    /// Certain where nothing else is between the ends.
    pub(super) confidence: Confidence,
    /// What else there is to say.
    pub(super) details: Vec<String>,
}

/// The neighbours of the cards that carry an interface's traffic.
fn of_cards<'a>(host: &'a Host, top: &'a Link) -> Vec<&'a Lldp> {
    chain::cards(host, top).iter().filter_map(|card| dcb::neighbour(card)).collect()
}

/// The first switch at the sender's end, where it announces exactly what was measured.
///
/// Certain only if both ends hang on the same chassis, both ends' own MTUs exceed the cut, and what is announced is what was
/// measured, on both ports where both announce it.
pub(super) fn exact(case: &Case<'_>, path: &Path, measured: u32, larger: Option<&Peer<'_>>) -> Option<Exact> {
    if !facts::on_link(case, path) {
        return None;
    }
    let sender = facts::host(case, &path.from)?;
    let near = of_cards(sender, facts::egress(case, path)?);
    let far = facts::peer_link(case, path).map(|(host, link)| of_cards(host, link)).unwrap_or_default();
    let says = |lldp: &Lldp| lldp.max_frame_size.map(|size| switch_frame_size::means(size, measured));
    // With several members of a bond it is not known which one carried the probes: all that announce must agree.
    let agree = |all: &[&Lldp]| all.iter().any(|lldp| says(lldp) == Some(true)) && all.iter().all(|lldp| says(lldp) != Some(false));
    let contradicts = |all: &[&Lldp]| all.iter().any(|lldp| says(lldp) == Some(false));
    if contradicts(&near) || contradicts(&far) || !agree(&near) && !agree(&far) {
        return None;
    }
    let from_near = agree(&near);
    let announcing = if from_near { &near } else { &far };
    let first = announcing.iter().find(|lldp| says(lldp) == Some(true))?;
    let (name, size) = (dcb::neighbour_name(first), first.max_frame_size?);
    let end = if from_near { &path.from } else { &path.to };
    let one_chassis = !near.is_empty()
        && !far.is_empty()
        && near.iter().chain(&far).all(|lldp| lldp.chassis_id == first.chassis_id && lldp.chassis_id_type == first.chassis_id_type);
    let exceed = path_mtu::sends(case, path).is_some_and(|sends| sends > measured)
        && larger.is_some_and(|peer| peer.link.is_some() && peer.mtu > measured);
    let mut details = Vec::new();
    if one_chassis && exceed && from_near {
        let chassis = dcb::chassis_name(first);
        let port = |all: &[&Lldp]| all.iter().map(|lldp| dcb::neighbour_name(lldp)).collect::<Vec<_>>().join(" and ");
        details.push(format!("{} hangs on {}, {} on {}, and nothing is between", path.from, port(&near), path.to, port(&far)));
        return Some(Exact {
            name: chassis.to_string(),
            summary: format!("The switch {chassis}, on which both ends hang, announces {size}: exactly the cut."),
            confidence: Confidence::Certain,
            details,
        });
    }
    let which = if from_near { "first switch".to_string() } else { format!("switch before {end}") };
    details.push(format!("seen from {end} alone: a switch further on may be set to the same"));
    Some(Exact {
        name: name.clone(),
        summary: format!("The {which}, {name}, announces {size}: exactly the cut."),
        confidence: Confidence::Likely,
        details,
    })
}

/// What the first switch announces where that is not the cut: never the culprit by this alone.
pub(super) fn other(case: &Case<'_>, path: &Path, measured: u32) -> Option<String> {
    let near = of_cards(facts::host(case, &path.from)?, facts::egress(case, path)?);
    let lldp = near.first()?;
    let name = dcb::neighbour_name(lldp);
    match lldp.max_frame_size {
        Some(size) if switch_frame_size::means(size, measured) => None,
        Some(size) => Some(format!("the first switch is {name}; it announces frames of {size}, which is not the cut")),
        None => Some(format!("the first switch is {name}; it announces no frame size")),
    }
}

/// A finding about the settings of a port and its link partner. What DCBX says of a port is why its PFC is what it is.
pub(super) fn dcb<'a>(case: Case<'a>, host: &'a Host, ifname: &'a str, finding: &'a Finding) -> Lead<'a> {
    let group = match &*finding.check {
        "dcb-pfc" | "dcb-dcbx" => "pfc",
        other => other,
    };
    let port = format!("{}:{ifname}", host.name);
    let rows = finding.details.as_deref().map(|details| details.rows.as_slice()).unwrap_or_default();
    let cells = |side: Side| rows.iter().find(|row| row.side == side).map(|row| row.cells.as_slice());
    let (plan, own) = (cells(Side::Plan), cells(Side::Host));
    // The first row of a switch is the port's own, unless nobody heard it and it stands behind a peer.
    let switch_at = rows.iter().position(|row| row.side == Side::Switch);
    let peer_at = rows.iter().position(|row| row.side == Side::Peer);
    let switch = switch_at.filter(|at| peer_at.is_none_or(|peer| *at < peer)).and_then(|at| rows.get(at));
    let switch_differs = switch.is_some_and(|switch| Some(switch.cells.as_slice()) != own);
    let peer = rows.get(peer_at.unwrap_or(usize::MAX)).filter(|peer| Some(peer.cells.as_slice()) != own);
    let among_hosts = plan.is_none() && !switch_differs && &*finding.check != "dcb-dcbx";
    let (key, kind, name) = match (switch, peer.filter(|_| among_hosts)) {
        // Two remedies: it is open which of the two is right, and both say the same.
        (_, Some(peer)) if finding.remedies.len() > 1 => {
            let (first, second) = if port < peer.name { (&port, &peer.name) } else { (&peer.name, &port) };
            (format!("{first}|{second}"), CulpritKind::Setting, format!("{first} or {second}"))
        }
        (Some(switch), _) if plan.is_some() && plan == own && switch_differs => {
            (port.clone(), CulpritKind::SwitchPort, switch.name.clone())
        }
        (Some(switch), _) if plan.is_none() && switch_differs && !switch.name.ends_with(" recommends") => {
            (port.clone(), CulpritKind::Setting, format!("{port} or {}", switch.name))
        }
        _ => (
            port.clone(),
            CulpritKind::Setting,
            format!("{} of {port}", &finding.check[finding.check.find('-').map_or(0, |at| at + 1)..]),
        ),
    };
    Lead::new(format!("dcb|{group}|{key}"), move |_| {
        let why = (&*finding.check == "dcb-pfc").then(|| crate::builtin::dcb_dcbx::about(&case, ifname, host)).flatten();
        let perhaps = |causes: &[String]| causes.iter().map(|cause| format!("perhaps: {cause}")).collect::<Vec<_>>();
        let mut details = perhaps(&finding.causes);
        let mut remedies = finding.remedies.clone();
        if let Some(why) = why {
            details.push(format!("DCBX: {}", why.summary));
            details.extend(perhaps(&why.causes));
            remedies.extend(why.remedies);
        }
        let summary =
            if finding.summary.contains(&port) { format!("{}.", finding.summary) } else { format!("{port}: {}.", finding.summary) };
        Root { summary, kind, name, confidence: Confidence::Certain, details, proof: proof(&finding.check, ifname), remedies }
    })
}

/// How to see both sides by hand.
fn proof(check: &str, ifname: &str) -> Vec<String> {
    let heard = |tlv: &str| format!("lldptool -t -n -i {ifname} -V {tlv}   what the switch announces, where lldpad runs");
    match check {
        "dcb-pfc" => alloc::vec![format!("dcb pfc show dev {ifname} prio-pfc"), heard("PFC")],
        "dcb-ets" => alloc::vec![format!("dcb ets show dev {ifname}"), heard("ETS-REC")],
        "dcb-app" => alloc::vec![format!("dcb app show dev {ifname}"), heard("APP")],
        "dcb-dcbx" => alloc::vec![format!("dcb dcbx show dev {ifname}"), heard("PFC")],
        _ => alloc::vec!["lldpcli show neighbors".to_string()],
    }
}

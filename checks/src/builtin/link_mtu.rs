//! Is every layer under the path as large as the path needs?

use crate::Case;
use crate::chain::{self, Carrier, Layer, Rests};
use crate::check::{Check, Meta, check};
use crate::evidence::{Host, Link, Path};
use crate::facts;
use crate::report::{Finding, Outcome, Quantity};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

check! {
    /// # What it looks for
    ///
    /// The MTU of every layer that carries the path: the interface with the address, then VLAN, bridge, bond and card. Without a
    /// vetted path: the interface of the default route.
    ///
    /// # How it decides
    ///
    /// The narrowest layer is held against the expected MTU, or against the MTU of the interface with the address.
    ///
    /// - FAIL: a layer is narrower; or a bridge is lower than its uplink because a smaller port joined it, which the kernel does
    ///   by itself.
    /// - WARN: a layer looks narrower and larger packets were measured to arrive all the same; a tunnel whose packets do not fit
    ///   its underlay (VXLAN and Geneve take 50 bytes, 70 over IPv6; GRE 24 or 44; GRETAP 38 or 58; `WireGuard` 60; IPIP 20;
    ///   ip6tnl 40; `PPPoE` 8), or a virtual function above its physical function, while nothing was seen to be lost. FAIL where
    ///   the path is cut.
    /// - PASS: every layer is large enough.
    ///
    /// Other ports of a bridge and other interfaces are not judged.
    ///
    /// # What to do
    ///
    /// `ip link set dev IFACE mtu N` on the layer that is named, from the card upwards. A bridge that fell with a port rises with
    /// it: raise the port, then the bridge.
    ///
    /// # Example
    ///
    /// `fail-bridge-lowered`: a tap of 1500 joined br0, whose uplink is 9000.
    ///
    /// ```text
    /// FAIL link-mtu node1:br0
    ///   bridge br0 is down to 1500 because its port tap0 is; its uplink eth0 is 9000
    ///   measured: 1500
    ///   expected: 9000 (MTU of eth0)
    /// ```
    pub(crate) struct LinkMtu = { id: "link-mtu", summary: "the MTU of every layer that carries the path" }
}

impl Check for LinkMtu {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn judge(&self, case: &Case<'_>) -> Vec<Finding> {
        chain::carriers(case).iter().map(|carrier| finding(case, carrier)).collect()
    }
}

/// A port that pulled its bridge down.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lowered<'a> {
    /// The bridge.
    pub(crate) bridge: &'a Link,
    /// Its uplink, which is larger.
    pub(crate) uplink: &'a Link,
    /// The smaller port.
    pub(crate) port: &'a Link,
}

/// The bridge among the layers that a smaller port pulled below `need`.
pub(crate) fn lowered<'a>(host: &'a Host, layers: &[Layer<'a>], need: Option<u32>) -> Option<Lowered<'a>> {
    layers.iter().map(|layer| layer.link).filter(|link| link.kind() == "bridge").find_map(|bridge| {
        let uplink = chain::uplink(host, bridge).filter(|uplink| uplink.mtu > bridge.mtu)?;
        let port = chain::ports(host, bridge).into_iter().find(|port| port.ifindex != uplink.ifindex && port.mtu == bridge.mtu)?;
        need.is_none_or(|need| bridge.mtu < need).then_some(Lowered { bridge, uplink, port })
    })
}

/// What the carrier's paths expect: the largest of their expectations.
pub(crate) fn expected(case: &Case<'_>, carrier: &Carrier<'_>) -> Option<u32> {
    let of_paths = chain::paths(case, carrier).filter_map(|path| facts::expected_mtu(case, path)).max();
    of_paths.or(case.expect.mtu).or_else(|| {
        let of_host = case.expect.hosts.get(&carrier.host.name).and_then(|host| host.expect.mtu);
        of_host.or(case.expect.all.mtu)
    })
}

fn finding(case: &Case<'_>, carrier: &Carrier<'_>) -> Finding {
    let (id, host, name) = (LinkMtu::META.id, carrier.host, carrier.ifname);
    let expected = expected(case, carrier);
    let Some(top) = carrier.link else {
        let asked = facts::named(case, id) || expected.is_some();
        let outcome = if asked { Outcome::Unknown } else { Outcome::Skip };
        let why = if host.links.is_some() { format!("{name} is not among the interfaces") } else { chain::links_gap(host) };
        return facts::of_link(host, name, id, outcome, why);
    };
    let layers = chain::layers(host, top);
    let need = expected.unwrap_or(top.mtu);
    let narrowest =
        layers.iter().min_by_key(|layer| layer.room()).copied().unwrap_or(Layer { link: top, overhead: 0, rests: Rests::Top });
    let mut finding = if let Some(low) = lowered(host, &layers, expected) {
        bridge_lowered(host, name, &low)
    } else if narrowest.room() < need {
        narrow(case, carrier, &narrowest, need)
    } else {
        facts::of_link(host, name, id, Outcome::Pass, format!("{}", top.mtu))
    };
    if finding.observed.is_none() {
        finding.observed = Some(Quantity::bytes(narrowest.room()));
    }
    if finding.expected.is_none() {
        finding.expected = Some(Quantity::bytes(need).shown_as(format!("{need} or more, {}", layer_count(layers.len()))));
    }
    finding
}

fn layer_count(count: usize) -> String {
    if count == 1 { "1 layer".to_owned() } else { format!("{count} layers") }
}

fn bridge_lowered(host: &Host, name: &str, low: &Lowered<'_>) -> Finding {
    let Lowered { bridge, uplink, port } = low;
    let summary = format!(
        "bridge {} is down to {} because its port {} is; its uplink {} is {}",
        bridge.ifname, bridge.mtu, port.ifname, uplink.ifname, uplink.mtu
    );
    let mut finding = facts::of_link(host, name, LinkMtu::META.id, Outcome::Fail, summary);
    finding.observed = Some(Quantity::bytes(bridge.mtu));
    finding.expected = Some(Quantity::bytes(uplink.mtu).shown_as(format!("{} (MTU of {})", uplink.mtu, uplink.ifname)));
    finding.causes = alloc::vec![format!(
        "{} joined {} with an MTU of {}: a bridge follows its smallest port",
        port.ifname, bridge.ifname, port.mtu
    )];
    finding.remedies = alloc::vec![
        format!("ip link set dev {} mtu {}; ip link set dev {} mtu {}", port.ifname, uplink.mtu, bridge.ifname, uplink.mtu),
        format!("in the virtual machine or container behind {}: the same MTU", port.ifname),
    ];
    finding
}

fn narrow(case: &Case<'_>, carrier: &Carrier<'_>, narrowest: &Layer<'_>, need: u32) -> Finding {
    let (host, name) = (carrier.host, carrier.ifname);
    let link = narrowest.link;
    let arrived = chain::paths(case, carrier).any(|path: &Path| path.path_mtu.is_some_and(|mtu| mtu >= need));
    let cut = chain::paths(case, carrier).any(|path| path.path_mtu.is_some_and(|mtu| mtu < need));
    let outcome = match narrowest.rests {
        _ if arrived => Outcome::Warn,
        Rests::Top | Rests::Whole => Outcome::Fail,
        Rests::Tunnel | Rests::PhysicalFunction if cut => Outcome::Fail,
        Rests::Tunnel | Rests::PhysicalFunction => Outcome::Warn,
    };
    let summary = match narrowest.rests {
        Rests::Top => format!("{name} is set to {}", link.mtu),
        Rests::Tunnel => {
            format!(
                "{} is {}, which leaves {} for {name} under {} bytes of tunnel",
                link.ifname,
                link.mtu,
                narrowest.room(),
                narrowest.overhead
            )
        }
        Rests::PhysicalFunction => format!("{}, the physical function under {name}, is set to {}", link.ifname, link.mtu),
        Rests::Whole if narrowest.overhead > 0 => {
            format!(
                "{} under {name} is {}, which leaves {} under {} bytes of tunnel",
                link.ifname,
                link.mtu,
                narrowest.room(),
                narrowest.overhead
            )
        }
        Rests::Whole => format!("{} under {name} is set to {}", link.ifname, link.mtu),
    };
    let mut finding = facts::of_link(host, name, LinkMtu::META.id, outcome, summary);
    let wanted = need.saturating_add(narrowest.overhead);
    finding.remedies = match link.max_mtu {
        Some(max) if max < wanted => {
            finding.causes.push(format!(
                "{} takes at most {max} ({})",
                link.ifname,
                link.driver.as_deref().unwrap_or("its driver")
            ));
            alloc::vec![format!(
                "bring the expectation down to {}, or use a card that takes {wanted}",
                max.saturating_sub(narrowest.overhead)
            )]
        }
        _ => alloc::vec![format!("ip link set dev {} mtu {wanted}", link.ifname)],
    };
    if arrived {
        finding.notes.push(format!("{need} was measured to arrive all the same"));
    }
    finding
}

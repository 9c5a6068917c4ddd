//! Does the switch port announce frames as large as the path needs?

use crate::Case;
use crate::check::{Check, Meta, check};
use crate::dcb::{self, Port};
use crate::evidence::{LimitKind, Link, Path};
use crate::facts;
use crate::report::{Finding, Outcome, Quantity};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

check! {
    /// # What it looks for
    ///
    /// The maximum frame size that the switch port announces (IEEE 802.3 79.3.4, over LLDP), against the frames that this host sends.
    /// It is a hint: some makers announce what the chip can do, some the setting of the port, some always 1518.
    ///
    /// # How it decides
    ///
    /// Needed is the MTU of the interface, or the expected one, and 18 bytes for header and FCS, 22 with a VLAN tag. Never FAIL.
    ///
    /// - PASS: the path was measured and carries what is needed. Where less is announced, that is a note: the announcement is wrong.
    /// - WARN: less is announced than needed, and no path was measured; or clearly more is announced than was measured to arrive.
    /// - SKIP: nothing announced; enough announced and nothing measured; or the size announced is exactly the measured cut, which the
    ///   diagnosis of `path-mtu` uses.
    ///
    /// # What to do
    ///
    /// Raise the frame size of the port that is named: `mtu 9216` (Cisco Nexus, Arista, Dell), `mtu 9216` under `interfaces` (Juniper),
    /// `config interface mtu` (`SONiC`). Vendors count differently: `pathvet explain 9216frame`.
    ///
    /// # Example
    ///
    /// `warn-announces-more-than-arrives`: the port announces 12000, and nothing above 9216 arrives.
    ///
    /// ```text
    /// WARN switch-frame-size node1:eth0
    ///   tor1 Eth1/7 announces frames of 12000 bytes, and none above 9216 arrives at node2
    /// ```
    pub(crate) struct SwitchFrameSize = { id: "switch-frame-size", summary: "the frame size that the switch port announces" }
}

/// Header and FCS.
const FRAME: u32 = 18;
/// A VLAN tag.
const TAG: u32 = 4;
/// What makers count above the IP packet: nothing, the header, the header with FCS, with a tag, with two tags.
const COUNTED: [u32; 5] = [0, 14, 18, 22, 26];

impl Check for SwitchFrameSize {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn judge(&self, case: &Case<'_>) -> Vec<Finding> {
        dcb::ports(case).iter().map(|port| finding(case, port)).collect()
    }
}

/// Whether an announced frame size means exactly this IP MTU, whatever the maker counts.
pub(crate) fn means(announced: u16, ip_mtu: u32) -> bool {
    u32::from(announced).checked_sub(ip_mtu).is_some_and(|above| COUNTED.contains(&above))
}

/// The silent cut of a path: the largest IP packet that passes, where larger ones vanish.
fn cut(path: &Path) -> Option<u32> {
    path.path_mtu.filter(|_| path.limit.kind == LimitKind::Silent && path.proof.is_some_and(|proof| proof.proven))
}

fn finding(case: &Case<'_>, port: &Port<'_>) -> Finding {
    let id = SwitchFrameSize::META.id;
    let of_port = |outcome, summary: String| facts::of_link(port.host, &port.link.ifname, id, outcome, summary);
    let skip = if facts::named(case, id) { Outcome::Unknown } else { Outcome::Skip };
    let Some(lldp) = dcb::neighbour(port.link) else { return of_port(skip, dcb::unheard(port)) };
    let name = dcb::neighbour_name(lldp);
    let Some(announced) = lldp.max_frame_size else {
        return of_port(skip, "the switch announces no frame size".to_owned());
    };
    let saying = format!("{name} announces frames of {announced} bytes");
    let size = u32::from(announced);
    let paths: Vec<&Path> = port.paths.iter().filter_map(|index| case.evidence.paths.get(*index)).collect();
    let needed = needed(case, port, &paths);
    let on_link = || paths.iter().filter(|path| facts::on_link(case, path));
    let largest = on_link().filter_map(|path| path.path_mtu).max();
    let mut finding = if let Some((path, cut)) = on_link().find_map(|path| Some((path, cut(path)?))) {
        let frames = cut.saturating_add(FRAME);
        if means(announced, cut) {
            of_port(Outcome::Skip, format!("{saying}: exactly the cut of path-mtu"))
        } else if size > frames.saturating_add(TAG + TAG) {
            let mut finding = of_port(Outcome::Warn, format!("{saying}, and none above {frames} arrives at {}", path.to));
            finding.causes = alloc::vec![
                "another switch further on is the limit".to_owned(),
                format!("{} announces what its hardware can do, not what the port is set to", dcb::chassis_name(lldp)),
            ];
            finding.remedies = alloc::vec![format!(
                "look at the port's own setting on {}, then at the next switch on the way to {}",
                dcb::chassis_name(lldp),
                path.to
            )];
            finding
        } else {
            arrive(&of_port, &saying, size, frames)
        }
    } else if let Some(largest) = largest.filter(|largest| largest.saturating_add(FRAME) >= needed.bytes.saturating_sub(needed.tag))
    {
        arrive(&of_port, &saying, size, largest.saturating_add(FRAME))
    } else if size >= needed.bytes {
        of_port(Outcome::Skip, format!("{saying}, enough for {}; not measured", needed.bytes))
    } else if largest.is_some() {
        of_port(Outcome::Skip, format!("{saying}; see path-mtu for what arrives"))
    } else {
        let mut finding = of_port(Outcome::Warn, format!("{saying}, and {} are needed; not measured", needed.bytes));
        finding.remedies = alloc::vec![format!(
            "measure it: pathvet check HOST   then raise the port's frame size to {} on {}",
            needed.bytes,
            dcb::chassis_name(lldp)
        )];
        finding
    };
    if finding.outcome != Outcome::Skip {
        finding.observed = Some(Quantity::bytes(size));
        finding.expected = Some(Quantity::bytes(needed.bytes).shown_as(format!("{} or more", needed.bytes)));
        finding.sources = alloc::vec!["LLDP maximum frame size TLV (802.3 79.3.4)".to_owned()];
    }
    finding
}

/// Frames of that size were measured to arrive, whatever is announced.
fn arrive(of_port: &impl Fn(Outcome, String) -> Finding, saying: &str, size: u32, frames: u32) -> Finding {
    let mut finding = of_port(Outcome::Pass, format!("{saying}; frames of {frames} arrive"));
    if size < frames {
        let note = format!("{saying}, yet frames of {frames} arrive: the announcement is wrong, nothing is to be done");
        finding.notes = alloc::vec![note];
    }
    finding
}

/// The largest frame that this host sends through the port, with header and FCS.
struct Needed {
    bytes: u32,
    /// How much of that is a VLAN tag.
    tag: u32,
}

fn needed(case: &Case<'_>, port: &Port<'_>, paths: &[&Path]) -> Needed {
    let expected = paths.iter().filter_map(|path| facts::expected_mtu(case, path)).max();
    let of_network = port.network.and_then(|(_, network)| network.mtu);
    let of = |top: &&Link| {
        let tag = if top.kind() == "vlan" { TAG } else { 0 };
        let mtu = expected.or(case.expect.mtu).or(of_network).map_or(top.mtu, |expected| expected.max(top.mtu));
        Needed { bytes: mtu.saturating_add(FRAME).saturating_add(tag), tag }
    };
    let mut all: Vec<Needed> = port.tops.iter().map(of).collect();
    all.sort_by_key(|needed| needed.bytes);
    all.pop().unwrap_or(Needed { bytes: port.link.mtu.saturating_add(FRAME), tag: 0 })
}

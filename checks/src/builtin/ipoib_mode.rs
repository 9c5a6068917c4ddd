//! Is IPoIB in the mode that is expected, and the same on all ends?

use crate::Case;
use crate::check::{Check, Meta, check};
use crate::evidence::{Host, Link};
use crate::expect::IpoibMode;
use crate::fabric::{self, Focus, Use, Vote};
use crate::facts;
use crate::report::{Finding, Outcome, Quantity};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

check! {
    /// # What it looks for
    ///
    /// The mode of every `IPoIB` interface: `datagram` (MTU 2044 or 4092) or `connected` (MTU up to 65520), against the plan's
    /// `expect.ipoib.mode` and against the other ends of its IP network.
    ///
    /// # How it decides
    ///
    /// - FAIL: the plan expects the other mode.
    /// - WARN: the ends of one IP network differ. Who deviates from more than half of them is named; of two ends nobody can say.
    /// - PASS: as expected, and as the others.
    /// - UNKNOWN or SKIP: the mode is not known. SKIP also for an interface that no vetted path uses.
    ///
    /// Enhanced `IPoIB` (ConnectX-4 and later with mlx5) has no connected mode: the kernel refuses it, and bit 7 of the first byte
    /// of the interface's address is clear.
    ///
    /// `IPoIB` takes the host's processor, and datagram mode most of it: a few Gb/s less than the link has are no fault.
    ///
    /// # What to do
    ///
    /// `echo connected > /sys/class/net/ib0/mode; ip link set dev ib0 mtu 65520` on every end, or `echo datagram > ...`. To keep
    /// it: ifupdown `pre-up echo connected > /sys/class/net/ib0/mode` and `mtu 65520`; `NetworkManager`: `nmcli connection modify
    /// NAME infiniband.transport-mode connected infiniband.mtu 65520`; systemd-networkd `[IPoIB] Mode=connected` and
    /// `[Link] MTUBytes=65520`. Multicast and traffic to datagram ends stay at the datagram size in either mode.
    ///
    /// # Example
    ///
    /// `fail-datagram`: the plan expects connected mode.
    ///
    /// ```text
    /// FAIL ipoib-mode node1:ib0
    ///   datagram, and the plan expects connected
    ///   measured: datagram
    ///   expected: connected
    /// ```
    pub(crate) struct IpoibModeCheck = { id: "ipoib-mode", summary: "the mode of IPoIB, as expected and the same on all ends" }
}

impl Check for IpoibModeCheck {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn judge(&self, case: &Case<'_>) -> Vec<Finding> {
        let used = Use::of(case);
        let differing = differing(case);
        let hosts = case.evidence.hosts.iter();
        hosts
            .flat_map(|host| {
                let mut found: Vec<Finding> =
                    fabric::interfaces(host).map(|link| finding(case, &used, &differing, host, link)).collect();
                if found.is_empty() {
                    found.extend(missing(case, host, Self::META.id, |settings| settings.ipoib.mode.is_some()));
                }
                found
            })
            .collect()
    }
}

/// What is to be said of a host that has no `IPoIB` interface.
pub(crate) fn missing(
    case: &Case<'_>,
    host: &Host,
    check: &'static str,
    key: impl Fn(&crate::expect::Settings) -> bool,
) -> Option<Finding> {
    let outcome = match (fabric::wanted(case, host, key), facts::named(case, check)) {
        (true, _) => Outcome::Unknown,
        (false, true) if host.links.is_none() => Outcome::Unknown,
        (false, true) => Outcome::Skip,
        (false, false) => return None,
    };
    let why = if host.links.is_none() {
        crate::chain::links_gap(host)
    } else if host.infiniband.as_ref().is_some_and(|table| table.ports.is_empty()) {
        fabric::NO_PORT.to_owned()
    } else {
        "no IPoIB interface".to_owned()
    };
    let mut finding = fabric::of_whole(host, check, outcome, why);
    if outcome == Outcome::Unknown {
        let ports = host.infiniband.as_ref().map(|table| table.ports.as_slice()).unwrap_or_default();
        if !ports.is_empty() && !ports.iter().any(fabric::is_infiniband) {
            finding.causes.push("the card's ports are set to Ethernet".to_owned());
            finding.remedies.push(
                "mlxconfig -d DEVICE set LINK_TYPE_P1=1   (ConnectX-3: echo ib > /sys/bus/pci/devices/BUS/mlx4_port1)".to_owned(),
            );
        } else if !ports.is_empty() {
            finding.causes.push("the module ib_ipoib is not loaded".to_owned());
            finding.remedies.push("modprobe ib_ipoib".to_owned());
        }
    }
    Some(finding)
}

/// The mode of an interface, where it is known.
pub(crate) fn mode(link: &Link) -> Option<IpoibMode> {
    let word = link.ipoib.as_ref()?.mode.as_deref()?.trim();
    [IpoibMode::Connected, IpoibMode::Datagram].into_iter().find(|mode| word.eq_ignore_ascii_case(mode.word()))
}

/// Whether the interface cannot do connected mode.
pub(crate) fn enhanced(link: &Link) -> bool {
    link.ipoib.as_ref().is_some_and(|ipoib| ipoib.connected_capable == Some(false))
}

/// The commands that set a mode and the MTU that belongs to it.
pub(crate) fn set(ifname: &str, mode: IpoibMode, mtu: u32) -> String {
    format!("echo {} > /sys/class/net/{ifname}/mode; ip link set dev {ifname} mtu {mtu}", mode.word())
}

/// The same, and how it lasts.
pub(crate) fn lasting(ifname: &str, mode: IpoibMode, mtu: u32) -> String {
    format!("{}   {}", set(ifname, mode, mtu), keep(ifname, mode, mtu))
}

/// How a mode and its MTU outlive a reboot.
pub(crate) fn keep(ifname: &str, mode: IpoibMode, mtu: u32) -> String {
    let word = mode.word();
    format!(
        "to keep it: ifupdown `pre-up echo {word} > /sys/class/net/{ifname}/mode` and `mtu {mtu}`, NetworkManager `nmcli connection modify \
         NAME infiniband.transport-mode {word} infiniband.mtu {mtu}`, systemd-networkd `[IPoIB] Mode={word}` and `[Link] MTUBytes={mtu}`"
    )
}

/// Ends that differ in mode, with what most of them have.
struct Differing<'a> {
    ends: fabric::Ends<'a>,
    vote: Vote<&'static str>,
}

fn differing<'a>(case: &Case<'a>) -> Vec<Differing<'a>> {
    let all = fabric::ends(case).into_iter().map(|ends| {
        let vote = fabric::vote(ends.votes(|_, link| mode(link).map(IpoibMode::word)));
        Differing { ends, vote }
    });
    all.filter(|differing| differing.vote != Vote::Alike).collect()
}

fn finding(case: &Case<'_>, used: &Use<'_>, differing: &[Differing<'_>], host: &Host, link: &Link) -> Finding {
    let id = IpoibModeCheck::META.id;
    let expected = fabric::expected_ipoib(case, host, link).mode;
    let mut focus = used.interface(case, id, host, link);
    if expected.is_some() {
        focus = Focus::Asked;
    }
    let name = &link.ifname;
    let Some(mode) = mode(link) else {
        let why = fabric::gap(host, &format!("links.{name}.ipoib")).unwrap_or_else(|| "not told".to_owned());
        return facts::of_link(host, name, id, focus.undecided(), format!("the mode is not known: {why}"));
    };
    if focus == Focus::Aside {
        return facts::of_link(host, name, id, Outcome::Skip, "no vetted path goes over this IPoIB interface");
    }
    // Whoever is as the plan expects does not deviate.
    let mut differing = differing.iter().filter(|_| expected.is_none());
    let mut finding = if let Some(expected) = expected.filter(|expected| *expected != mode) {
        unexpected(host, link, mode, expected)
    } else if let Some(deviation) = differing.find_map(|differing| deviation(differing, host, link, mode)) {
        deviation
    } else {
        let plain = if enhanced(link) { " (enhanced IPoIB: no connected mode)" } else { "" };
        facts::of_link(host, name, id, Outcome::Pass, format!("{}{plain}", mode.word()))
    };
    if let (Some(expected), None) = (expected, &finding.expected) {
        finding.expected = Some(Quantity::text(expected.word()));
    }
    finding.sources = alloc::vec![format!("/sys/class/net/{name}/mode")];
    finding
}

fn unexpected(host: &Host, link: &Link, mode: IpoibMode, expected: IpoibMode) -> Finding {
    let id = IpoibModeCheck::META.id;
    let name = &link.ifname;
    let impossible = expected == IpoibMode::Connected && enhanced(link);
    let why = if impossible { ", which this interface does not have: it is enhanced IPoIB" } else { "" };
    let summary = format!("{}, and the plan expects {}{why}", mode.word(), expected.word());
    let mut finding = facts::of_link(host, name, id, Outcome::Fail, summary);
    finding.observed = Some(Quantity::text(mode.word()));
    finding.expected = Some(Quantity::text(expected.word()));
    if impossible {
        finding.causes = alloc::vec!["enhanced IPoIB (mlx5: ConnectX-4 and later) works in datagram mode alone".to_owned()];
        finding.remedies = alloc::vec![
            "let every end of this network be datagram, with 4092 where the fabric allows it, and expect that: ipoib: { mode: datagram }"
                .to_owned(),
            "with the vendor's driver only: options ib_ipoib ipoib_enhanced=0 in /etc/modprobe.d, then load it anew".to_owned(),
        ];
    } else {
        let mtu = if expected == IpoibMode::Connected { fabric::CONNECTED_MTU } else { 2044 };
        finding.remedies = alloc::vec![lasting(name, expected, mtu)];
        if expected == IpoibMode::Datagram {
            finding
                .notes
                .push("leaving connected mode the kernel lowers the MTU by itself, to that of the broadcast group".to_owned());
        }
    }
    finding
}

/// What is to be said where this interface is one of ends that differ, and not as most of them.
fn deviation(differing: &Differing<'_>, host: &Host, link: &Link, mode: IpoibMode) -> Option<Finding> {
    let members = &differing.ends.members;
    members.iter().find(|(known, own)| core::ptr::eq(*known, host) && core::ptr::eq(*own, link))?;
    let id = IpoibModeCheck::META.id;
    let other = match mode {
        IpoibMode::Connected => IpoibMode::Datagram,
        IpoibMode::Datagram => IpoibMode::Connected,
    };
    let summary = match &differing.vote {
        Vote::Alike => return None,
        Vote::Most { value, .. } if *value == mode.word() => return None,
        Vote::Most { value, count, of } => {
            format!("{}, and {count} of {of} ends in {} are {value}", mode.word(), differing.ends.name)
        }
        Vote::Tie => {
            let others: Vec<String> = members
                .iter()
                .filter(|(_, link)| self::mode(link) == Some(other))
                .map(|(host, link)| format!("{}:{}", host.name, link.ifname))
                .collect();
            format!(
                "{}, and {} in {} {} {}: a tie, so nobody can say who deviates",
                mode.word(),
                others.join(", "),
                differing.ends.name,
                if others.len() > 1 { "are" } else { "is" },
                other.word()
            )
        }
    };
    let mut finding = facts::of_link(host, &link.ifname, id, Outcome::Warn, summary);
    finding.observed = Some(Quantity::text(mode.word()));
    finding.expected = Some(Quantity::text("the same on all ends"));
    finding.causes = alloc::vec!["traffic between the two modes goes at the datagram size at most".to_owned()];
    let possible = members.iter().all(|(_, link)| !enhanced(link));
    finding.remedies = if possible {
        alloc::vec![
            format!("connected on every end:   {}", set("ib0", IpoibMode::Connected, fabric::CONNECTED_MTU)),
            format!("datagram on every end:   {}", set("ib0", IpoibMode::Datagram, 2044)),
        ]
    } else {
        alloc::vec![format!(
            "datagram on every end, because one of them has no connected mode (enhanced IPoIB):   {}",
            set("ib0", IpoibMode::Datagram, 2044)
        )]
    };
    Some(finding)
}

//! Is the MTU of IPoIB what link, group and mode allow, and the same on all ends?

use super::ib_port::{self, Ruling};
use super::ipoib_mode;
use crate::Case;
use crate::check::{Check, Meta, check};
use crate::evidence::{Host, IbPort, Link};
use crate::expect::IpoibMode;
use crate::fabric::{self, CONNECTED_MTU, Ends, Fabric, Focus, State, Use, Vote};
use crate::facts;
use crate::partition::{self, Force, Rule};
use crate::report::{Finding, Outcome, Quantity};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

check! {
    /// # What it looks for
    ///
    /// The MTU of every `IPoIB` interface against the plan's `expect.ipoib.mtu`, against what its mode, its link and its
    /// broadcast group allow, and against the other ends of its IP network.
    ///
    /// In datagram mode that is the smaller of link and group less 4: 2044 on 2048 bytes, 4092 on 4096. The group's MTU is the
    /// `mtu` code of `partitions.conf`, 4 (2048) unless written. In connected mode it is up to 65520; multicast, and what goes to
    /// datagram ends, stays at the datagram size.
    ///
    /// # How it decides
    ///
    /// - FAIL: not what the plan expects; more than the link carries.
    /// - WARN: connected mode that was left at a datagram size; less than the group of `partitions.conf`, because the link cannot, or
    ///   somebody set it so, or the file is newer than the running manager; ends of one IP network that differ.
    /// - PASS: as expected, or as mode, link and group allow.
    /// - UNKNOWN: the port is not `Active`. An interface without its broadcast group shows 4092 whatever the fabric carries, so it
    ///   is not judged. SKIP where nobody needs the port.
    ///
    /// # What to do
    ///
    /// On a group of 2048 the kernel takes `ip link set dev ib0 mtu 4092` without an error and stays at 2044: raise the group
    /// first. For 4092 everywhere: switch and cards at 4096 (`mlx4_core`: `mtu_4k=1`), then `Default=0x7fff,ipoib,mtu=5:ALL=full;` in
    /// `partitions.conf` of every subnet manager, then restart it. Old switches carry 2048: `mtu=4`, 2044. A virtual switch, VLAN or
    /// `VMkernel` interface above needs the same number.
    ///
    /// # Example
    ///
    /// `warn-connected-left-at-2044`: the mode was set, and the MTU forgotten.
    ///
    /// ```text
    /// WARN ipoib-mtu node1:ib0
    ///   connected mode left at 2044
    ///   measured: 2044
    ///   expected: 65520
    /// ```
    pub(crate) struct IpoibMtu = { id: "ipoib-mtu", summary: "the MTU of IPoIB, by mode, link and group, the same on all ends" }
}

impl Check for IpoibMtu {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn judge(&self, case: &Case<'_>) -> Vec<Finding> {
        let context = Context { case, used: Use::of(case), fabrics: fabric::fabrics(case), ends: fabric::ends(case) };
        let hosts = case.evidence.hosts.iter();
        hosts
            .flat_map(|host| {
                let mut found: Vec<Finding> = fabric::interfaces(host).map(|link| finding(&context, host, link)).collect();
                if found.is_empty() {
                    found.extend(ipoib_mode::missing(case, host, Self::META.id, |settings| settings.ipoib.mtu.is_some()));
                }
                found
            })
            .collect()
    }
}

struct Context<'c, 'a> {
    case: &'c Case<'a>,
    used: Use<'a>,
    fabrics: Vec<Fabric<'a>>,
    ends: Vec<Ends<'a>>,
}

fn finding(context: &Context<'_, '_>, host: &Host, link: &Link) -> Finding {
    let (id, case) = (IpoibMtu::META.id, context.case);
    let name = &link.ifname;
    let expected = fabric::expected_ipoib(case, host, link).mtu;
    let mut focus = context.used.interface(case, id, host, link);
    if expected.is_some() {
        focus = Focus::Asked;
    }
    if focus == Focus::Aside {
        return facts::of_link(host, name, id, Outcome::Skip, "no vetted path goes over this IPoIB interface");
    }
    let port = fabric::port_of(host, link);
    if let Some((needed, why)) = inactive(context, host, link, port) {
        let outcome = if needed { Outcome::Unknown } else { Outcome::Skip };
        return facts::of_link(host, name, id, outcome, why);
    }
    let Some(mode) = ipoib_mode::mode(link) else {
        let why = fabric::gap(host, &format!("links.{name}.ipoib")).unwrap_or_else(|| "not told".to_owned());
        return facts::of_link(host, name, id, focus.undecided(), format!("{}, and the mode is not known: {why}", link.mtu));
    };
    let limits = Limits::of(context, host, link, port);
    let mut finding = match expected {
        Some(expected) if expected != link.mtu => unexpected(host, link, mode, &limits, expected),
        _ => match mode {
            IpoibMode::Datagram => datagram(host, link, &limits, expected.is_some()),
            IpoibMode::Connected => connected(host, link, &limits, expected.is_some()),
        },
    };
    if finding.outcome == Outcome::Pass
        && expected.is_none()
        && let Some(deviation) = deviation(context, host, link, mode)
    {
        finding = deviation;
    }
    finding.observed = Some(Quantity::bytes(link.mtu));
    if let (Some(expected), None) = (expected, &finding.expected) {
        finding.expected = Some(Quantity::bytes(expected));
    }
    if finding.outcome != Outcome::Pass {
        finding.sources.insert(0, format!("MTU of {name}"));
    }
    finding
}

/// Why the MTU says nothing yet, and whether that matters.
fn inactive(context: &Context<'_, '_>, host: &Host, link: &Link, port: Option<&IbPort>) -> Option<(bool, String)> {
    let carries = context.used.carries(host, link);
    if !carries && !link.flags.is_empty() && !link.is_up() {
        return Some((false, format!("interface {} is set down", link.ifname)));
    }
    if let Some(port) = port {
        let state = fabric::state(port);
        if state != State::Active {
            let name = fabric::port_name(port);
            let needed = match ib_port::decide(context.case, &context.used, host, port) {
                Ruling::NoLink | Ruling::NoManager | Ruling::Unfinished => true,
                Ruling::Unknown => carries,
                Ruling::Active | Ruling::Idle | Ruling::Aside => false,
            };
            let why = if needed {
                format!(
                    "port {name} is {}: an interface without its group shows {}, whatever the fabric carries",
                    state.word(),
                    link.mtu
                )
            } else {
                format!("port {name} is {}", state.word())
            };
            return Some((needed, why));
        }
    }
    facts::down(link).map(|why| (carries, format!("{why}: without its group it shows {}, whatever the fabric carries", link.mtu)))
}

/// What bounds the datagram size of an interface.
struct Limits<'a> {
    /// Link MTU less 4, where the port's is known.
    link: Option<u32>,
    /// What the subnet manager's files say.
    rule: Option<Rule<'a>>,
}

impl<'a> Limits<'a> {
    fn of(context: &Context<'_, 'a>, host: &Host, link: &Link, port: Option<&IbPort>) -> Self {
        let carried = port.and_then(|port| match (port.active_mtu, port.max_mtu) {
            (None, Some(max)) => (max <= 2048).then_some(max),
            (active, max) => active.map(|active| max.map_or(active, |max| active.min(max))),
        });
        Self {
            link: carried.map(|mtu| u32::from(mtu).saturating_sub(fabric::ENCAPSULATION)),
            rule: port.and_then(|port| partition::rule(context.case, &context.fabrics, host, port, Some(link))),
        }
    }

    /// The datagram size, as far as it is certain.
    fn certain(&self) -> Option<u32> {
        let group = self.rule.filter(|rule| rule.of.force == Force::Master).map(|rule| rule.ip_mtu());
        [self.link, group].into_iter().flatten().min()
    }
}

fn unexpected(host: &Host, link: &Link, mode: IpoibMode, limits: &Limits<'_>, expected: u32) -> Finding {
    let (id, name) = (IpoibMtu::META.id, &link.ifname);
    let summary = format!("{} in {} mode, and the plan expects {expected}", link.mtu, mode.word());
    let mut finding = facts::of_link(host, name, id, Outcome::Fail, summary);
    finding.expected = Some(Quantity::bytes(expected));
    let set = format!("ip link set dev {name} mtu {expected}");
    if link.mtu > expected || mode == IpoibMode::Connected {
        finding.remedies = alloc::vec![format!("{set}   {}", ipoib_mode::keep(name, mode, expected))];
        return finding;
    }
    if expected > 4092 {
        finding.causes = alloc::vec![format!("datagram mode has at most 4092; {expected} needs connected mode")];
        finding.remedies = alloc::vec![if ipoib_mode::enhanced(link) {
            "this interface has no connected mode (enhanced IPoIB): expect 2044 or 4092".to_owned()
        } else {
            ipoib_mode::lasting(name, IpoibMode::Connected, expected)
        }];
        return finding;
    }
    let narrow = limits.link.filter(|most| *most < expected);
    let mut steps: Vec<String> = Vec::new();
    if let Some(most) = narrow {
        finding.causes.push(format!("the link carries {} bytes, so {most} at most", link_bytes(limits)));
        steps.push(partition::raise_card(host).unwrap_or_else(|| "raise card and switch to 4096".to_owned()));
    }
    match limits.rule {
        Some(rule) if rule.ip_mtu() < expected => {
            finding.causes.push(format!("{} gives the group {} bytes, so {} at most", rule.name(), rule.mtu(), rule.ip_mtu()));
            steps.push(rule.set_mtu(4096));
        }
        Some(_) => {}
        None => {
            if narrow.is_none() {
                finding.causes.push(format!(
                    "the broadcast group is smaller: the kernel takes `mtu {expected}` without an error and stays at {}",
                    link.mtu
                ));
            }
            steps.push("in partitions.conf of every subnet manager Default=0x7fff,ipoib,mtu=5:ALL=full; and restart it".to_owned());
        }
    }
    finding.causes.extend(partition::driver_limit(host));
    steps.push(set);
    finding.remedies = alloc::vec![
        steps.join("   then "),
        format!("where a switch carries no more, expect {}: ipoib: {{ mtu: {} }}", link.mtu, link.mtu),
    ];
    finding
}

fn link_bytes(limits: &Limits<'_>) -> u32 {
    limits.link.unwrap_or(0).saturating_add(fabric::ENCAPSULATION)
}

fn datagram(host: &Host, link: &Link, limits: &Limits<'_>, expected: bool) -> Finding {
    let (id, name, mtu) = (IpoibMtu::META.id, &link.ifname, link.mtu);
    if let Some(most) = limits.link.filter(|most| mtu > *most) {
        let summary = format!("{mtu}, and the link carries {} bytes, so {most} at most", link_bytes(limits));
        let mut finding = facts::of_link(host, name, id, Outcome::Fail, summary);
        finding.expected = Some(Quantity::bytes(most).shown_as(format!("{most} or less")));
        finding.remedies = alloc::vec![format!("ip link set dev {name} mtu {most}   on every end of this network")];
        return finding;
    }
    if let Some(rule) = limits.rule.filter(|rule| mtu != rule.ip_mtu() && !expected) {
        return beside_the_group(host, link, limits, &rule);
    }
    let mut finding = facts::of_link(host, name, id, Outcome::Pass, format!("{mtu} in datagram mode"));
    match limits.link {
        Some(most) if mtu < most && limits.rule.is_none() && !expected => {
            let note = format!(
                "the link carries {} bytes: {most} is possible where the group's MTU is raised (partitions.conf mtu=5)",
                link_bytes(limits)
            );
            finding.notes.push(note);
        }
        _ => {}
    }
    finding
}

/// The interface is not at what the file gives its group.
fn beside_the_group(host: &Host, link: &Link, limits: &Limits<'_>, rule: &Rule<'_>) -> Finding {
    let (id, name, mtu) = (IpoibMtu::META.id, &link.ifname, link.mtu);
    let (group, place) = (rule.ip_mtu(), rule.name());
    if mtu > group {
        let when = match rule.of.force {
            Force::Standby => "once its manager takes over",
            _ => "once its manager is started anew",
        };
        let summary = format!("{mtu}, and {place} gives its group {group} {when}");
        let mut finding = facts::of_link(host, name, id, Outcome::Warn, summary);
        finding.expected = Some(Quantity::bytes(group));
        finding.causes =
            alloc::vec!["the files of the subnet managers differ, or this one is newer than what its manager runs by".to_owned()];
        finding.remedies = alloc::vec![if mtu > 2044 { rule.set_mtu(4096) } else { rule.set_mtu(2048) }];
        return finding;
    }
    let cannot = limits.link.filter(|most| *most < group);
    let why = cannot.map(|_| format!(", which the link with its {} bytes cannot carry", link_bytes(limits))).unwrap_or_default();
    let mut finding = facts::of_link(host, name, id, Outcome::Warn, format!("{mtu}, and {place} asks for {group}{why}"));
    finding.expected = Some(Quantity::bytes(group).shown_as(format!("{group} (mtu={})", partition::code(rule.mtu()))));
    if cannot.is_some() {
        finding.causes = alloc::vec!["an old switch or a card that is set to 2048 bytes".to_owned()];
        finding.causes.extend(partition::driver_limit(host));
        finding.remedies = alloc::vec![rule.set_mtu(2048)];
        finding.remedies.extend(partition::raise_card(host));
    } else {
        finding.causes = alloc::vec![
            "the manager has not read the file since: it does so when it starts".to_owned(),
            "the link carries less, as with an old switch or a card that is set to 2048 bytes".to_owned(),
            "somebody set the interface lower".to_owned(),
        ];
        finding.causes.extend(partition::driver_limit(host));
        finding.remedies = alloc::vec![
            format!("systemctl restart opensm   on {}, then ip link set dev {name} mtu {group}", rule.of.host.name),
            format!(
                "for old switches ({mtu}): {}",
                rule.set_mtu(u16::try_from(mtu.saturating_add(fabric::ENCAPSULATION)).unwrap_or(2048))
            ),
        ];
    }
    finding
}

fn connected(host: &Host, link: &Link, limits: &Limits<'_>, expected: bool) -> Finding {
    let (id, name, mtu) = (IpoibMtu::META.id, &link.ifname, link.mtu);
    if mtu <= 4092 && !expected {
        let mut finding = facts::of_link(host, name, id, Outcome::Warn, format!("connected mode left at {mtu}"));
        finding.expected = Some(Quantity::bytes(CONNECTED_MTU));
        finding.causes =
            alloc::vec!["the mode alone changes no MTU: connected mode allows 65520, and somebody must set it".to_owned()];
        finding.remedies = alloc::vec![format!(
            "ip link set dev {name} mtu {CONNECTED_MTU}   on every end of this network   {}",
            ipoib_mode::keep(name, IpoibMode::Connected, CONNECTED_MTU)
        )];
        return finding;
    }
    let mut finding = facts::of_link(host, name, id, Outcome::Pass, format!("{mtu} in connected mode"));
    let datagram = limits.certain().map_or_else(|| "the datagram size (2044 or 4092)".to_owned(), |size| format!("{size}"));
    finding.notes.push(format!("multicast, and what goes to ends in datagram mode, stays at {datagram}"));
    finding
}

/// What is to be said where this interface is one of ends in the same mode that differ, and not as most of them. Ends in
/// different modes are ipoib-mode's matter.
fn deviation(context: &Context<'_, '_>, host: &Host, link: &Link, mode: IpoibMode) -> Option<Finding> {
    let (id, name, mtu) = (IpoibMtu::META.id, &link.ifname, link.mtu);
    context.ends.iter().find_map(|ends| {
        ends.members.iter().find(|(known, own)| core::ptr::eq(*known, host) && core::ptr::eq(*own, link))?;
        let judged = |host: &Host, link: &Link| {
            let active = fabric::port_of(host, link).is_none_or(|port| fabric::state(port) == State::Active);
            ipoib_mode::mode(link) == Some(mode) && active && facts::down(link).is_none()
        };
        let alike: Vec<(&Host, &Link)> = ends.members.iter().copied().filter(|(host, link)| judged(host, link)).collect();
        let summary = match fabric::vote(ends.votes(|host, link| judged(host, link).then_some(link.mtu))) {
            Vote::Alike => return None,
            Vote::Most { value, .. } if value == mtu => return None,
            Vote::Most { value, count, of } => format!("{mtu}, and {count} of {of} ends in {} have {value}", ends.name),
            Vote::Tie => {
                let others: Vec<String> = alike
                    .iter()
                    .filter(|(_, link)| link.mtu != mtu)
                    .map(|(host, link)| format!("{}:{} {}", host.name, link.ifname, link.mtu))
                    .collect();
                format!("{mtu}, and in {} {}: a tie, so nobody can say who deviates", ends.name, others.join(", "))
            }
        };
        let mut finding = facts::of_link(host, name, id, Outcome::Warn, summary);
        finding.expected = Some(Quantity::text("the same on all ends"));
        let most = alike.iter().map(|(_, link)| link.mtu).max().unwrap_or(mtu);
        let least = alike.iter().map(|(_, link)| link.mtu).min().unwrap_or(mtu);
        finding.remedies = alloc::vec![
            format!("{most} on every end, where link and group carry it:   ip link set dev {name} mtu {most}"),
            format!("{least} on every end:   ip link set dev {name} mtu {least}"),
        ];
        Some(finding)
    })
}

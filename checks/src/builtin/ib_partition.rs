//! Are the `P_Key`s there that `IPoIB` needs, and do partitions.conf and ports agree?

use super::ib_port::{self, Ruling};
use crate::Case;
use crate::check::{Check, Meta, check};
use crate::evidence::{Host, IbPort, Link};
use crate::fabric::{self, Fabric, Focus, State, Use};
use crate::facts;
use crate::partition::{self, FULL, Force, Rule};
use crate::report::{Finding, Outcome, Quantity};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

check! {
    /// # What it looks for
    ///
    /// The `P_Key` of every `IPoIB` interface in the table of its port, as a full member (bit 15 set); and the MTU and rate that
    /// `partitions.conf` gives the group against what the port carries. A partition is what a VLAN is on Ethernet; a child
    /// interface such as `ib0.8001` is one end of it.
    ///
    /// # How it decides
    ///
    /// - FAIL: the `P_Key` is not in the table; both ends of a vetted path are limited members, which cannot exchange packets (IBA
    ///   10.9.3); the group's MTU or rate is above what the port carries, so that the port cannot join it. WARN instead where the
    ///   file is that of a manager that is not known to rule.
    /// - WARN: a limited member.
    /// - PASS: every `P_Key` is there, with full membership.
    /// - UNKNOWN or SKIP: the table is not known, or the port is not `Active` yet: the subnet manager writes the table.
    ///
    /// # What to do
    ///
    /// Partitions are made in `partitions.conf` of the subnet manager, in the same words on every standby:
    /// `Default=0x7fff,ipoib,mtu=4:ALL=full;`. Codes of `mtu`: 1 to 5 = 256, 512, 1024, 2048, 4096 bytes, 4 unless written; of
    /// `rate`: 2 = 2.5, 3 = 10, 6 = 20, 7 = 40, 16 = 100 Gb/s, 3 unless written. Without a rule for the default partition other
    /// ports become limited members. On `ESXi` each card has a file of its own, `/scratch/opensm/<hca>/partitions.conf`.
    ///
    /// # Example
    ///
    /// `fail-group-above-port`: mtu=5 was written, and an old switch keeps the port at 2048.
    ///
    /// ```text
    /// FAIL ib-partition node1:mlx4_0/1
    ///   partition Default (node1:partitions.conf:1) asks for 4096 bytes, and the port carries 2048 (ib0 is at 2044): it cannot join
    ///   measured: 2048
    ///   expected: 4096 (mtu=5)
    /// ```
    pub(crate) struct IbPartition = { id: "ib-partition", summary: "P_Keys, membership, and the MTU of partitions" }
}

impl Check for IbPartition {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn judge(&self, case: &Case<'_>) -> Vec<Finding> {
        let context = Context { case, used: Use::of(case), fabrics: fabric::fabrics(case) };
        let hosts = case.evidence.hosts.iter();
        hosts
            .flat_map(|host| {
                let mut found: Vec<Finding> = fabric::ports(host).map(|port| finding(&context, host, port)).collect();
                if found.is_empty() && facts::named(case, Self::META.id) {
                    let read = host.infiniband.is_some();
                    let (outcome, why) = match fabric::gap(host, "infiniband") {
                        _ if read => (Outcome::Skip, fabric::NO_PORT.to_owned()),
                        Some(why) => (Outcome::Unknown, format!("InfiniBand: {why}")),
                        None => (Outcome::Unknown, "InfiniBand: not collected".to_owned()),
                    };
                    found.push(fabric::of_whole(host, Self::META.id, outcome, why));
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
}

/// How a port holds a `P_Key`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Member {
    Full,
    Limited,
    Not,
}

fn member(port: &IbPort, pkey: u16) -> Option<Member> {
    let table = port.pkeys.as_ref()?;
    let has = |pkey: u16| table.contains(&pkey);
    Some(if has(pkey | FULL) {
        Member::Full
    } else if has(pkey & !FULL) {
        Member::Limited
    } else {
        Member::Not
    })
}

fn pkey(link: &Link) -> Option<u16> {
    link.ipoib.as_ref()?.pkey
}

fn finding(context: &Context<'_, '_>, host: &Host, port: &IbPort) -> Finding {
    let (id, case) = (IbPartition::META.id, context.case);
    let focus = context.used.port(case, id, host, port);
    let links: Vec<&Link> = fabric::on_port(host, port).collect();
    let state = fabric::state(port);
    if focus == Focus::Aside {
        return fabric::of_port(host, port, id, Outcome::Skip, "no vetted path goes over this port");
    }
    if !matches!(state, State::Active | State::Unknown) {
        let missed = !matches!(ib_port::decide(case, &context.used, host, port), Ruling::Idle | Ruling::Aside);
        let outcome = if missed { focus.undecided() } else { Outcome::Skip };
        return fabric::of_port(host, port, id, outcome, format!("port is {}: its table is not written yet", state.word()));
    }
    let rules: Vec<Rule<'_>> = {
        let tops = links.iter().map(|link| Some(*link)).chain(links.is_empty().then_some(None));
        let mut rules: Vec<Rule<'_>> = Vec::new();
        for link in tops {
            let Some(rule) = partition::rule(case, &context.fabrics, host, port, link) else { continue };
            if !rules.iter().any(|known| known.place() == rule.place()) {
                rules.push(rule);
            }
        }
        rules
    };
    let found = absent(host, port, &links, &context.fabrics, case)
        .or_else(|| above_port(host, port, &links, &rules))
        .or_else(|| limited(context, host, port, &links));
    if let Some(mut found) = found {
        found.sources.push(format!("/sys/class/infiniband/{}/ports/{}/pkeys", port.device, port.port));
        return found;
    }
    let Some(table) = &port.pkeys else {
        let why =
            fabric::gap(host, &format!("infiniband.ports.{}", fabric::port_name(port))).unwrap_or_else(|| "not told".to_owned());
        return fabric::of_port(host, port, id, focus.undecided(), format!("the table of P_Keys is not known: {why}"));
    };
    let shown: Vec<String> =
        table.iter().map(|pkey| format!("0x{pkey:04x} ({})", if pkey & FULL == 0 { "limited" } else { "full" })).collect();
    let summary = if shown.is_empty() { "no P_Key".to_owned() } else { shown.join(", ") };
    let outcome = if shown.is_empty() { focus.undecided() } else { Outcome::Pass };
    let mut finding = fabric::of_port(host, port, id, outcome, summary);
    for rule in rules {
        let Some(carried) = port.active_mtu.filter(|carried| *carried > rule.mtu()) else { continue };
        finding.notes.push(format!("{} gives its group {} bytes, and the port carries {carried}", rule.name(), rule.mtu()));
    }
    finding
}

/// An interface whose `P_Key` the port does not have.
fn absent(host: &Host, port: &IbPort, links: &[&Link], fabrics: &[Fabric<'_>], case: &Case<'_>) -> Option<Finding> {
    let up = |link: &Link| link.flags.is_empty() || link.is_up();
    let missing = |link: &&&Link| up(link) && pkey(link).is_some_and(|own| member(port, own) == Some(Member::Not));
    let link = links.iter().find(missing)?;
    let own = pkey(link)?;
    let table = port.pkeys.as_deref().unwrap_or_default();
    let has: Vec<String> = table.iter().map(|pkey| format!("0x{pkey:04x}")).collect();
    let has = if has.is_empty() { "none".to_owned() } else { has.join(", ") };
    let summary = format!("{} uses P_Key 0x{own:04x}, which is not in the port's table", link.ifname);
    let mut finding = fabric::of_port(host, port, IbPartition::META.id, Outcome::Fail, summary);
    finding.observed = Some(Quantity::text(has));
    finding.expected = Some(Quantity::text(format!("0x{:04x}", own | FULL)));
    let guid = port.port_guid.clone().unwrap_or_else(|| "GUID".to_owned());
    finding.causes = alloc::vec!["no partition of the subnet manager has this port as a member".to_owned()];
    let configs = partition::configs(case, fabrics, host, port);
    let known = configs.iter().flat_map(|of| of.file.partitions.iter().flatten().map(move |partition| (of, partition)));
    if let Some((of, partition)) =
        known.clone().find(|(_, partition)| partition.pkey & partition::DEFAULT == own & partition::DEFAULT)
    {
        let rule = Rule { of: *of, written: Some(partition) };
        let names = partition.members.keys().any(|member| fabric::normal(member) == guid || member.starts_with("ALL"));
        finding.causes.push(format!(
            "{} {}",
            rule.name(),
            if names { "names it: the manager has not read the file since" } else { "does not name it" }
        ));
    }
    finding.remedies = alloc::vec![
        format!(
            "in partitions.conf of every subnet manager:   part{:04x}=0x{:04x},ipoib:{guid}=full;   then restart the manager",
            own & !FULL,
            own & !FULL
        ),
        format!("remove the interface: ip link delete {}", link.ifname),
    ];
    Some(finding)
}

/// A group that the port cannot join, because it carries or sends less than the group asks for.
fn above_port(host: &Host, port: &IbPort, links: &[&Link], rules: &[Rule<'_>]) -> Option<Finding> {
    let id = IbPartition::META.id;
    for rule in rules {
        let outcome = if rule.of.force == Force::Master { Outcome::Fail } else { Outcome::Warn };
        let said = |unjoinable: &str| match rule.of.force {
            Force::Master => format!(": {unjoinable}"),
            Force::Standby => format!(": {unjoinable} once that manager takes over"),
            Force::Unknown | Force::Idle => format!(": {unjoinable} if a manager runs by that file"),
        };
        let carried = port.active_mtu.or(port.max_mtu).filter(|carried| *carried < rule.mtu());
        if let Some(carried) = carried {
            let at: Vec<String> = links.iter().map(|link| format!("{} is at {}", link.ifname, link.mtu)).collect();
            let at = if at.is_empty() { String::new() } else { format!(" ({})", at.join(", ")) };
            let summary = format!(
                "{} asks for {} bytes, and the port carries {carried}{at}{}",
                rule.name(),
                rule.mtu(),
                said("it cannot join")
            );
            let mut finding = fabric::of_port(host, port, id, outcome, summary);
            finding.observed = Some(Quantity::bytes(carried.into()));
            finding.expected =
                Some(Quantity::bytes(rule.mtu().into()).shown_as(format!("{} (mtu={})", rule.mtu(), partition::code(rule.mtu()))));
            finding.causes = alloc::vec!["a switch that carries no more than 2048, or a card that is set so".to_owned()];
            finding.causes.extend(partition::driver_limit(host));
            finding.remedies =
                alloc::vec![format!("for old switches ({}): {}", u32::from(carried).saturating_sub(4), rule.set_mtu(carried))];
            finding.remedies.extend(partition::raise_card(host));
            return Some(finding);
        }
        let asked = rule.written.map_or(0, |partition| partition.rate_mbps);
        // A rate is a promise to the group: who sends slower cannot join (IBA 15.2.5.17).
        if let Some(rate) = port.rate_mbps.filter(|rate| asked > *rate) {
            let summary = format!(
                "{} asks for {} Gb/s, and the port has {} Gb/s{}",
                rule.name(),
                tenths(asked),
                tenths(rate),
                said("it cannot join")
            );
            let mut finding = fabric::of_port(host, port, id, outcome, summary);
            finding.observed = Some(Quantity::counted(rate, "Mb/s").shown_as(format!("{} Gb/s", tenths(rate))));
            finding.expected = Some(Quantity::counted(asked, "Mb/s").shown_as(format!("{} Gb/s or more", tenths(asked))));
            finding.causes = alloc::vec!["the rate of the group is above that of the slowest member".to_owned()];
            finding.remedies =
                alloc::vec![format!("in {}: a rate that every member has; rate=3 (10 Gb/s) unless written", rule.place())];
            return Some(finding);
        }
    }
    None
}

fn tenths(mbps: u32) -> String {
    match (mbps / 1000, mbps % 1000 / 100) {
        (whole, 0) => whole.to_string(),
        (whole, tenth) => format!("{whole}.{tenth}"),
    }
}

/// An interface that is a limited member; two of them on one path cannot talk.
fn limited(context: &Context<'_, '_>, host: &Host, port: &IbPort, links: &[&Link]) -> Option<Finding> {
    let is_limited = |port: &IbPort, link: &Link| pkey(link).is_some_and(|own| member(port, own) == Some(Member::Limited));
    let link = links.iter().find(|link| is_limited(port, link))?;
    let own = pkey(link)? & !FULL;
    let far = context.case.evidence.paths.iter().find_map(|path| {
        let near = facts::host(context.case, &path.from).zip(facts::egress(context.case, path))?;
        let far = facts::peer_link(context.case, path)?;
        let ends = [near, far];
        let at = ends.iter().position(|(known, end)| core::ptr::eq(*known, host) && core::ptr::eq(*end, *link))?;
        let (other, end) = ends[1 - at];
        let same = pkey(end).is_some_and(|pkey| pkey & !FULL == own);
        (same && is_limited(fabric::port_of(other, end)?, end)).then(|| format!("{}:{}", other.name, end.ifname))
    });
    let (outcome, summary) = match &far {
        Some(far) => (
            Outcome::Fail,
            format!(
                "{} and {far} are both limited members of 0x{own:04x}: two limited members cannot exchange packets",
                link.ifname
            ),
        ),
        None => (Outcome::Warn, format!("{} is a limited member of 0x{own:04x}: it reaches full members alone", link.ifname)),
    };
    let mut finding = fabric::of_port(host, port, IbPartition::META.id, outcome, summary);
    finding.observed = Some(Quantity::text("limited"));
    finding.expected = Some(Quantity::text("full"));
    finding.causes =
        alloc::vec!["partitions.conf says limited, or has no rule for it: then other ports are limited members".to_owned()];
    let guid = port.port_guid.as_deref().unwrap_or("GUID");
    finding.remedies = alloc::vec![if own == partition::DEFAULT {
        "in partitions.conf of every subnet manager:   Default=0x7fff,ipoib:ALL=full;   then restart the manager".to_owned()
    } else {
        format!(
            "in partitions.conf of every subnet manager:   {guid}=full in the partition 0x{own:04x};   then restart the manager"
        )
    }];
    Some(finding)
}

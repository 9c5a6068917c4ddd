//! Does every priority get the share of the link that it should?

use crate::Case;
use crate::check::{Check, Meta, check};
use crate::dcb::{
    self, Partner, Port, Said, Share, Table, class, each, list, priorities, remedy, share_cells, shares, shares_differ,
};
use crate::evidence::Ets;
use crate::expect::{AppId, ClassExpect, DcbExpect};
use crate::facts;
use crate::report::{Finding, Outcome, Quantity, Side};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

check! {
    /// # What it looks for
    ///
    /// Enhanced transmission selection (IEEE 802.1Qaz) on the cards that carry the path: for every priority the algorithm of its
    /// traffic class and the class's share of the link. Class numbers are local to each device and are never compared.
    ///
    /// # How it decides
    ///
    /// - FAIL: a priority that the plan names gets another share or algorithm, or shares its class with priorities that the plan puts
    ///   elsewhere.
    /// - WARN: the card is willing and has something else than the switch recommends; hosts of one plan network, or the ends of a
    ///   path, differ; the share of a lossless priority and the switch's own differ by more than 10 points; the shares of the ETS
    ///   classes do not add up to 100; an ETS class with priorities in it has 0 %; a bulk application sits in a strict class above
    ///   another bulk application, which it can starve.
    /// - PASS: none of these. The switch's recommendation to a card that is not willing is a note.
    /// - UNKNOWN: the plan names shares, and the card's settings cannot be read.
    /// - SKIP: no DCB here.
    ///
    /// Strict priority for congestion notification packets (often 6) is right, and 0 % is wrong with ETS alone.
    ///
    /// # What to do
    ///
    /// `dcb ets set dev IFACE tc-tsa 0:ets 1:ets tc-bw 0:50 1:50 prio-tc 0:0 1:0 2:0 3:1 4:0 5:0 6:0 7:0`, `mlnx_qos -i IFACE -p … -s …
    /// -t …`, on Windows `New-NetQosTrafficClass`. The switch calls it bandwidth or weight of a queue.
    ///
    /// # Example
    ///
    /// `fail-plan-50-50`: the plan gives priority 3 and the rest half each; the card gives 60 and 40.
    ///
    /// ```text
    /// FAIL dcb-ets node1:eth0
    ///   priority 3 gets 40%, not 50%; priorities 0-2 and 4-7 get 60%, not 50%
    /// ```
    pub(crate) struct DcbEts = { id: "dcb-ets", summary: "the bandwidth share of every priority on host, peer and switch" }
}

/// Points by which a lossless priority's share may differ between a card and its switch port.
const POINTS: u8 = 10;

/// Applications that fill a link.
const BULK: [AppId; 5] = [AppId::Rocev2, AppId::Roce, AppId::Iscsi, AppId::SmbDirect, AppId::Fcoe];

impl Check for DcbEts {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn judge(&self, case: &Case<'_>) -> Vec<Finding> {
        let ports = dcb::ports(case);
        ports.iter().filter_map(|port| finding(case, &ports, port)).collect()
    }
}

/// Whether a table says anything: all zero and strict is what a card has that nobody configured.
fn configured(ets: &Ets) -> bool {
    ets.tc_bw.iter().any(|share| *share != 0) || ets.prio_tc.iter().any(|class| *class != 0)
}

fn finding(case: &Case<'_>, ports: &[Port<'_>], port: &Port<'_>) -> Option<Finding> {
    let id = DcbEts::META.id;
    let expect = dcb::expected(case, port);
    let Some(own) = port.ets() else {
        let why = dcb::missing(port);
        let mut said = Said::default();
        match &expect.ets {
            Some(_) => said.say(Outcome::Unknown, format!("shares are expected, and {why}")),
            None if facts::named(case, id) => said.say(Outcome::Unknown, why),
            None => said.say(Outcome::Skip, why),
        }
        return said.finding(id, port);
    };
    let partner = dcb::partner(port.link);
    let fars = dcb::fars(ports, port);
    let mut said = Said::default();
    if let Some(classes) = &expect.ets {
        let wrong = against_plan(own, classes);
        if wrong.is_empty() {
            said.say(Outcome::Pass, "as the plan says");
        } else {
            said.say(Outcome::Fail, wrong.join("; "));
            said.remedies.push(remedy::ets_host(port, &remedy::tables(classes)));
        }
    }
    sound(&mut said, port, own);
    if let Some(partner) = &partner {
        recommended(&mut said, port, own, partner, &expect);
        switch_share(&mut said, port, own, partner);
    }
    others(&mut said, port, own, &fars, &expect);
    strict(&mut said, port, own);
    if said.worst().is_none() {
        if configured(own) {
            said.say(Outcome::Pass, summary(own));
        } else if facts::named(case, id) {
            said.say(Outcome::Pass, "one class, nothing configured");
        } else {
            said.say(Outcome::Skip, "no bandwidth classes are configured");
        }
    }
    let mut finding = said.finding(id, port)?;
    if finding.outcome != Outcome::Skip {
        finding.sources = sources(partner.as_ref());
        finding.details = table(port, own, &expect, partner.as_ref(), &fars).finish();
        if finding.outcome == Outcome::Fail {
            finding.observed = Some(Quantity::text(summary(own)));
            finding.expected =
                expect.ets.as_deref().map(|classes| Quantity::text(format!("{} (plan)", summary(&remedy::tables(classes)))));
        }
    }
    Some(finding)
}

/// `3: 50%, the rest: 50%`.
fn summary(ets: &Ets) -> String {
    let shares = shares(ets);
    let mut groups: Vec<(usize, Share, u8)> = Vec::new();
    for priority in 0..8_u8 {
        let (Some(class), Some(share)) = (class(ets, priority), shares[usize::from(priority)].clone()) else { continue };
        match groups.iter_mut().find(|(known, ..)| *known == class) {
            Some((_, _, bits)) => *bits |= 1 << priority,
            None => groups.push((class, share, 1 << priority)),
        }
    }
    groups.sort_by_key(|(_, _, bits)| (bits.count_ones(), *bits));
    let last = groups.len().saturating_sub(1);
    let words: Vec<String> = groups
        .iter()
        .enumerate()
        .map(|(at, (_, share, bits))| {
            if at == last && last > 0 {
                format!("rest: {share}")
            } else {
                format!("{}: {share}", list(*bits).replace(" and ", ", "))
            }
        })
        .collect();
    words.join("; ")
}

/// What is other than planned, in words.
fn against_plan(own: &Ets, classes: &[ClassExpect]) -> Vec<String> {
    let shares = shares(own);
    let mut wrong: Vec<(String, String, u8)> = Vec::new();
    let mut said = 0_u8;
    for expected in classes {
        let wanted = expected.share.map_or_else(|| "strict".to_owned(), |share| format!("{share}%"));
        for priority in expected.priorities.iter().copied().filter(|priority| *priority < 8) {
            let found =
                shares[usize::from(priority)].as_ref().map_or_else(|| "nothing known".to_owned(), |share| format!("{share}"));
            if found != wanted {
                said |= 1 << priority;
                match wrong.iter_mut().find(|(known, want, _)| *known == found && *want == wanted) {
                    Some((_, _, bits)) => *bits |= 1 << priority,
                    None => wrong.push((found, wanted.clone(), 1 << priority)),
                }
            }
        }
    }
    let mut words: Vec<String> = wrong
        .into_iter()
        .map(|(found, wanted, bits)| {
            let get = if bits.is_power_of_two() { "gets" } else { "get" };
            format!("{} {get} {found}, not {wanted}", priorities(bits))
        })
        .collect();
    // A share is worth what it is divided by: priorities of two planned classes must not sit in one.
    let planned = |priority: u8| classes.iter().position(|expected| expected.priorities.contains(&priority));
    for one in 0..8_u8 {
        for other in one + 1..8 {
            let apart = planned(one).zip(planned(other)).is_some_and(|(one, other)| one != other);
            let strict = shares[usize::from(one)].as_ref().is_some_and(|share| share.tsa != "ets");
            if apart && !strict && said >> one & 1 == 0 && said >> other & 1 == 0 && class(own, one) == class(own, other) {
                words.push(format!("priorities {one} and {other} share one class, and the plan keeps them apart"));
                said |= 1 << one | 1 << other;
            }
        }
    }
    words
}

/// Faults that the table has by itself.
fn sound(said: &mut Said, port: &Port<'_>, own: &Ets) {
    let ets: Vec<usize> = (0..8).filter(|class| own.tc_tsa[*class] == "ets").collect();
    let sum: u32 = ets.iter().map(|class| u32::from(own.tc_bw[*class])).sum();
    let cee = port.link.dcb.as_deref().and_then(|dcb| dcb.variant.as_deref()).is_some_and(|variant| variant != "ieee");
    if own.prio_tc.iter().any(|class| *class >= 8 && !(cee && *class == dcb::CEE_STRICT)) {
        said.say(Outcome::Warn, "priorities are mapped to classes that do not exist");
    }
    // A card that nobody configured may call its classes ETS and give none a share.
    if !ets.is_empty() && sum != 100 && sum != 0 {
        said.say(Outcome::Warn, format!("the shares of its ETS classes add up to {sum}%, not 100%"));
    }
    if !ets.is_empty() && sum == 0 {
        said.notes.push("its ETS classes have no shares at all: 802.1Qaz wants them to add up to 100%".to_owned());
    }
    if sum != 0 {
        for class in ets.iter().copied().filter(|class| own.tc_bw[*class] == 0) {
            let members = dcb::bits(core::array::from_fn(|priority| usize::from(own.prio_tc[priority]) == class));
            if members != 0 {
                said.say(Outcome::Warn, format!("the ETS class of {} has 0%", priorities(members)));
            }
        }
    }
}

/// Against what the switch recommends to this port.
fn recommended(said: &mut Said, port: &Port<'_>, own: &Ets, partner: &Partner<'_>, expect: &DcbExpect) {
    let Some(wanted) = dcb::recommendation(partner.dcb) else { return };
    let differ = shares_differ(&shares(own), &shares(&wanted));
    let text = format!("{} recommends something else for {} ({})", partner.name, priorities(differ), summary(&wanted));
    match (differ, own.willing) {
        (0, _) => said.say(Outcome::Pass, format!("as {} recommends", partner.name)),
        // The plan was told already; a switch that recommends against it is worth a word.
        (_, Some(true)) if expect.ets.is_none() => {
            said.say(Outcome::Warn, format!("{} is willing, and {text}", port.name()));
            said.remedies.push(remedy::ets_host(port, &wanted));
            said.causes.push(
                "the recommendation was not taken over: the agent (lldpad, firmware) does not run, or runs for another card"
                    .to_owned(),
            );
        }
        _ => said.notes.push(format!("{}: {text}", port.name())),
    }
}

/// Against the switch port's own egress, where a lossless priority is concerned.
fn switch_share(said: &mut Said, port: &Port<'_>, own: &Ets, partner: &Partner<'_>) {
    let Some(theirs) = partner.dcb.ets.as_ref().filter(|ets| configured(ets)) else { return };
    let lossless = port.pfc().unwrap_or(0) | dcb::pfc_of(partner.dcb).unwrap_or(0);
    let (mine, far) = (shares(own), shares(theirs));
    for priority in each(lossless) {
        let at = usize::from(priority);
        let (Some(mine), Some(far)) = (&mine[at], &far[at]) else { continue };
        if mine.tsa == "ets" && far.tsa == "ets" && mine.percent.abs_diff(far.percent) > POINTS {
            said.say(Outcome::Warn, format!("lossless priority {priority} gets {mine} here and {far} on {}", partner.name));
        }
    }
}

/// Against the other hosts.
fn others(said: &mut Said, port: &Port<'_>, own: &Ets, fars: &[&Port<'_>], expect: &DcbExpect) {
    if port.network.is_none() && port.paths.is_empty() {
        return;
    }
    let value = |port: &Port<'_>| port.ets().map(shares);
    let Some(odd) = dcb::odd(port, fars, value, |one, other| shares_differ(one, other) == 0) else { return };
    let Some(theirs) = odd.far.ets() else { return };
    let differ = shares_differ(&shares(own), &shares(theirs));
    let majority = odd.majority.map(|(count, total)| format!(", as {count} of {total} hosts")).unwrap_or_default();
    said.say(
        Outcome::Warn,
        format!(
            "{} and {} differ at {}: {} has {}{majority}",
            port.name(),
            odd.far.name(),
            priorities(differ),
            odd.far.name(),
            summary(theirs)
        ),
    );
    if expect.ets.is_none() {
        said.remedies.push(remedy::ets_host(port, theirs));
        if odd.majority.is_none() {
            said.remedies.push(remedy::ets_host(odd.far, own));
        }
    }
}

/// A bulk application in a strict class above another's.
fn strict(said: &mut Said, port: &Port<'_>, own: &Ets) {
    let Some(dcb) = port.link.dcb.as_deref() else { return };
    let placed: Vec<(AppId, u8, usize)> = BULK
        .iter()
        .filter_map(|app| {
            let priority = dcb::app_priority(dcb, *app)?;
            Some((*app, priority, class(own, priority)?))
        })
        .collect();
    for (app, priority, above) in &placed {
        let below = placed.iter().find(|(_, _, below)| {
            below != above && (own.tc_tsa[*below] == "ets" || own.tc_tsa[*below] == "strict" && below < above)
        });
        if own.tc_tsa[*above] == "strict"
            && configured(own)
            && let Some((other, far, _)) = below
        {
            said.say(
                Outcome::Warn,
                format!("{} on priority {priority} is strict and can starve {} on priority {far}", app.name(), other.name()),
            );
        }
    }
}

fn sources(partner: Option<&Partner<'_>>) -> Vec<String> {
    let mut sources = alloc::vec!["DCB_ATTR_IEEE_ETS".to_owned()];
    if let Some(partner) = partner {
        let lldp = if partner.lldp.is_some() { "LLDP ETS TLVs (802.1Qaz D.2.8, D.2.9)" } else { "DCB_ATTR_IEEE_PEER_ETS" };
        sources.push(lldp.to_owned());
    }
    sources
}

fn table(port: &Port<'_>, own: &Ets, expect: &DcbExpect, partner: Option<&Partner<'_>>, fars: &[&Port<'_>]) -> Table {
    let mut table = Table::new("ETS");
    let planned = expect.ets.as_deref().map(|classes| {
        let mut cells = share_cells(&shares(&remedy::tables(classes)));
        for (priority, cell) in (0_u8..).zip(&mut cells) {
            if !classes.iter().any(|class| class.priorities.contains(&priority)) {
                cell.clear();
            }
        }
        cells
    });
    table.row(Side::Plan, "plan", planned);
    table.row(Side::Host, port.name(), Some(share_cells(&shares(own))));
    if let Some(partner) = partner {
        let configured = partner.dcb.ets.as_ref().filter(|ets| configured(ets));
        table.row(Side::Switch, partner.name.clone(), configured.map(|ets| share_cells(&shares(ets))));
        let recommended = dcb::recommendation(partner.dcb).map(|ets| share_cells(&shares(&ets)));
        table.row(Side::Switch, format!("{} recommends", partner.name), recommended);
    }
    let mut shown: Vec<(&Port<'_>, &Ets)> = fars.iter().filter_map(|far| Some((*far, far.ets()?))).collect();
    shown.sort_by_key(|(_, ets)| shares_differ(&shares(own), &shares(ets)) == 0);
    for (far, ets) in shown.into_iter().take(4) {
        table.row(Side::Peer, far.name(), Some(share_cells(&shares(ets))));
    }
    table
}

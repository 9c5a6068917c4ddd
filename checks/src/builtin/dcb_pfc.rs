//! Is the same priority lossless on host, peer and switch?

use crate::Case;
use crate::check::{Check, Meta, check};
use crate::dcb::{self, Odd, Partner, Port, Said, Table, list, on, pfc_cells, pfc_of, priorities, remedy};
use crate::expect::DcbExpect;
use crate::facts;
use crate::report::{Finding, Outcome, Quantity, Side};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::vec::Vec;

check! {
    /// # What it looks for
    ///
    /// Priority-based flow control (IEEE 802.1Qbb) on the cards that carry the path: which of the priorities 0 to 7 are lossless on the
    /// card, on the switch port at the other end of its cable (from LLDP), and on the other hosts.
    ///
    /// # How it decides
    ///
    /// - FAIL: the plan names lossless priorities, and the card or its switch port has others; or the card has PFC on a priority for
    ///   which its switch port has not, so that nobody heeds its pause frames; or the hosts of one plan network, or of both ends of a
    ///   path, have PFC and not one priority in common.
    /// - WARN: the switch port has PFC on a priority for which the card has not; the hosts have different sets; or more than two
    ///   priorities are lossless without a plan that says so (most switches have buffers for two).
    /// - PASS: equal, and as the plan says.
    /// - UNKNOWN: the plan names lossless priorities and the card's settings cannot be read; or PFC is on, and neither a plan, nor the
    ///   switch port, nor another host is there to compare with.
    /// - SKIP: no DCB here, or PFC is off and nobody asked for it.
    ///
    /// Hosts are held against each other within one network of the plan; without one, the two ends of a path. PFC needs a VLAN tag only
    /// where ports trust the tag (PCP); with DSCP trust frames may be untagged. Frames with a tag are 4 bytes longer, which a switch
    /// may count: measure on the tagged interface.
    ///
    /// # What to do
    ///
    /// Set the same priorities everywhere: `dcb pfc set dev IFACE prio-pfc all:off 3:on`, `mlnx_qos -i IFACE --pfc 0,0,0,1,0,0,0,0`,
    /// `lldptool -T -i IFACE -V PFC enabled=3`, on Windows `Enable-NetQosFlowControl -Priority 3` for every adapter of the network.
    /// Switches call it `priority-flow-control` (Cisco, Arista, Dell OS10, HPE), `congestion-notification-profile` (Juniper),
    /// `config interface pfc priority` (`SONiC`) or `dcb-map` (Dell OS9). On some a change takes effect after a reload, on some it
    /// blocks the port for a moment.
    ///
    /// # Example
    ///
    /// `fail-plan-wants-3`: the plan wants priority 3 lossless; the host has PFC on 3 and 4, its switch port on 3.
    ///
    /// ```text
    /// FAIL dcb-pfc node1:eth0
    ///   node1:eth0 has PFC on 3 and 4 instead of on 3; tor1 Eth1/7 has it off for priority 4
    ///   measured: 3 and 4
    ///   expected: 3 (plan)
    /// ```
    pub(crate) struct DcbPfc = { id: "dcb-pfc", summary: "the same lossless priorities on host, peer and switch" }
}

/// More lossless priorities than this want buffers that few switches have.
const USUAL: u32 = 2;

impl Check for DcbPfc {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn judge(&self, case: &Case<'_>) -> Vec<Finding> {
        let ports = dcb::ports(case);
        ports.iter().filter_map(|port| finding(case, &ports, port)).collect()
    }
}

fn finding(case: &Case<'_>, ports: &[Port<'_>], port: &Port<'_>) -> Option<Finding> {
    let id = DcbPfc::META.id;
    let expect = dcb::expected(case, port);
    let partner = dcb::partner(port.link).filter(|partner| partner.dcb.pfc.is_some());
    let theirs = partner.as_ref().and_then(|partner| pfc_of(partner.dcb));
    let fars = dcb::fars(ports, port);
    let mut said = Said::default();
    let own = port.pfc();
    match own {
        Some(own) => {
            let odd = dcb::odd(port, &fars, Port::pfc, |one, other| one == other);
            plan(&mut said, port, own, theirs, &expect);
            link_partner(&mut said, port, own, partner.as_ref(), theirs, &expect);
            others(&mut said, port, own, odd.as_ref());
            known(case, &mut said, port, own, theirs, &expect, &fars);
            remedies(&mut said, port, own, partner.as_ref(), theirs, &expect, odd.as_ref());
        }
        None => unreadable(case, &mut said, port, partner.as_ref(), theirs, &expect),
    }
    let mut finding = said.finding(id, port)?;
    if finding.outcome != Outcome::Skip {
        finding.observed = own.map(|own| Quantity::text(list(own)));
        finding.expected = match (expect.lossless, theirs) {
            (Some(wanted), _) => Some(Quantity::text(format!("{} (plan)", list(wanted)))),
            (None, Some(theirs)) if Some(theirs) != own => {
                Some(Quantity::text(format!("the same on both ends ({})", list(theirs))))
            }
            _ => None,
        };
        finding.sources = sources(own.is_some(), partner.as_ref());
        finding.details = table(port, &expect, partner.as_ref(), &fars).finish();
    }
    Some(finding)
}

/// The card against the plan.
fn plan(said: &mut Said, port: &Port<'_>, own: u8, theirs: Option<u8>, expect: &DcbExpect) {
    let Some(wanted) = expect.lossless else {
        if own.count_ones() > USUAL {
            said.say(Outcome::Warn, format!("{} priorities are lossless; most switches have buffers for two", own.count_ones()));
        }
        return;
    };
    if own == wanted {
        if theirs != Some(own) {
            said.say(Outcome::Pass, format!("PFC {}", on(own)));
        }
        return;
    }
    said.say(Outcome::Fail, format!("{} has PFC {} instead of {}", port.name(), on(own), on(wanted)));
    let most = port.link.dcb.as_deref().and_then(|dcb| dcb.pfc.as_ref()).and_then(|pfc| pfc.pfc_cap).filter(|cap| *cap != 0);
    if let Some(most) = most.filter(|most| u32::from(*most) < wanted.count_ones()) {
        said.notes.push(format!("{} can have PFC on {most} priorities at once", port.name()));
    }
}

/// The card against the port at the other end of its cable.
fn link_partner(said: &mut Said, port: &Port<'_>, own: u8, partner: Option<&Partner<'_>>, theirs: Option<u8>, expect: &DcbExpect) {
    let (Some(partner), Some(theirs)) = (partner, theirs) else { return };
    let name = &partner.name;
    if theirs == own {
        said.say(Outcome::Pass, format!("PFC {} on both ends of the cable", on(own)));
    }
    if let Some(wanted) = expect.lossless.filter(|wanted| theirs != *wanted) {
        said.say(Outcome::Fail, format!("{name} has PFC {} instead of {}", on(theirs), on(wanted)));
        return;
    }
    let (alone, only_theirs) = (own & !theirs, theirs & !own);
    if alone != 0 {
        let text = format!("{name} has it off for {}", priorities(alone));
        // What the plan does not want is told against the plan already; the far end is its confirmation.
        said.say(
            Outcome::Fail,
            if expect.lossless.is_some() { text } else { format!("{} has PFC {}; {text}", port.name(), on(own)) },
        );
    }
    if only_theirs != 0 {
        let outcome = if expect.lossless.is_some() { Outcome::Fail } else { Outcome::Warn };
        said.say(outcome, format!("{name} has PFC on {} and {} has not", priorities(only_theirs), port.name()));
    }
}

/// The card against the other hosts'.
fn others(said: &mut Said, port: &Port<'_>, own: u8, odd: Option<&Odd<'_, '_>>) {
    let Some(odd) = odd else { return };
    let Some(theirs) = odd.far.pfc() else { return };
    let (name, far) = (port.name(), odd.far.name());
    let majority = odd.majority.map(|(count, total)| format!(", as have {count} of {total} hosts")).unwrap_or_default();
    let differ = priorities(own ^ theirs);
    let text = format!("{name} has PFC {} and {far} {}{majority}: they differ at {differ}", on(own), on(theirs));
    // Two of one network or path without any lossless priority in common have no lossless way between them.
    let apart = own != 0 && theirs != 0 && own & theirs == 0 && (port.network.is_some() || !port.paths.is_empty());
    // Ports that are not known to talk to each other are told apart only where both take part.
    if port.network.is_none() && port.paths.is_empty() && (own == 0 || theirs == 0) {
        return;
    }
    said.say(if apart { Outcome::Fail } else { Outcome::Warn }, text);
}

/// What there is to say where nothing was said yet.
fn known(case: &Case<'_>, said: &mut Said, port: &Port<'_>, own: u8, theirs: Option<u8>, expect: &DcbExpect, fars: &[&Port<'_>]) {
    if theirs.is_none() && own != 0 {
        said.notes.push(format!("{}: the switch's side is not known ({})", port.name(), dcb::unheard(port)));
    }
    if said.worst().is_some() {
        return;
    }
    let named = facts::named(case, DcbPfc::META.id);
    if fars.iter().any(|far| far.pfc() == Some(own)) && own != 0 {
        said.say(Outcome::Pass, format!("PFC {} on every host", on(own)));
    } else if own == 0 && expect.lossless.is_none() && !named {
        said.say(Outcome::Skip, "PFC is off");
    } else if own == 0 {
        said.say(Outcome::Pass, "PFC is off");
    } else if port.paths.is_empty() && !named {
        said.say(Outcome::Skip, format!("PFC is on for {}, and there is nothing to compare with", priorities(own)));
    } else {
        let why = dcb::unheard(port);
        said.notes.clear();
        said.say(Outcome::Unknown, format!("PFC is on for {}, and the switch's side is not known: {why}", priorities(own)));
        said.remedies.push("listen until the switch has announced itself: --lldp 30".to_owned());
        said.remedies.push(format!(
            "or say in the plan what is right: expect: {{ dcb: {{ lossless: [{}] }} }}",
            list(own).replace(" and ", ", ")
        ));
    }
}

/// The card's own settings cannot be read.
fn unreadable(
    case: &Case<'_>,
    said: &mut Said,
    port: &Port<'_>,
    partner: Option<&Partner<'_>>,
    theirs: Option<u8>,
    expect: &DcbExpect,
) {
    let why = dcb::missing(port);
    match (expect.lossless, partner, theirs) {
        (Some(wanted), Some(partner), Some(theirs)) if theirs != wanted => {
            said.say(Outcome::Fail, format!("{} has PFC {} instead of {}", partner.name, on(theirs), on(wanted)));
            said.notes.push(format!("{}: {why}", port.name()));
            said.remedies.push(remedy::pfc_partner(partner, wanted));
        }
        (Some(wanted), ..) => said.say(Outcome::Unknown, format!("PFC {} is expected, and {why}", on(wanted))),
        (None, ..) if facts::named(case, DcbPfc::META.id) => said.say(Outcome::Unknown, why),
        (None, ..) => said.say(Outcome::Skip, why),
    }
}

/// The command for whichever side is wrong, the likelier first.
fn remedies(
    said: &mut Said,
    port: &Port<'_>,
    own: u8,
    partner: Option<&Partner<'_>>,
    theirs: Option<u8>,
    expect: &DcbExpect,
    odd: Option<&Odd<'_, '_>>,
) {
    if said.worst().is_none_or(|worst| worst < Outcome::Warn || worst == Outcome::Unknown) {
        return;
    }
    let mut add = |remedy| {
        if !said.remedies.contains(&remedy) {
            said.remedies.push(remedy);
        }
    };
    if let Some(wanted) = expect.lossless {
        if own != wanted {
            add(remedy::pfc_host(port, wanted));
        }
        if let (Some(partner), Some(theirs)) = (partner, theirs)
            && (theirs != wanted || own != wanted)
        {
            // The plan decides; where the switch is right already, this is what the other choice would be.
            add(remedy::pfc_partner(partner, if theirs == wanted { own } else { wanted }));
        }
    } else if let (Some(partner), Some(theirs)) = (partner, theirs)
        && theirs != own
    {
        add(remedy::pfc_host(port, theirs));
        if own != 0 {
            add(remedy::pfc_partner(partner, own));
        }
    }
    if let Some(odd) = odd
        && let (Some(far), None) = (odd.far.pfc(), expect.lossless)
    {
        add(remedy::pfc_host(port, far));
        if odd.majority.is_none() {
            add(remedy::pfc_host(odd.far, own));
        }
    }
}

fn sources(own: bool, partner: Option<&Partner<'_>>) -> Vec<alloc::string::String> {
    let dcbnl = own.then(|| "DCB_ATTR_IEEE_PFC".to_owned());
    let lldp =
        partner.map(|partner| if partner.lldp.is_some() { "LLDP PFC TLV (802.1Qaz D.2.11)" } else { "DCB_ATTR_IEEE_PEER_PFC" });
    dcbnl.into_iter().chain(lldp.map(ToOwned::to_owned)).collect()
}

/// Plan, host, switch, and the other hosts with theirs.
fn table(port: &Port<'_>, expect: &DcbExpect, partner: Option<&Partner<'_>>, fars: &[&Port<'_>]) -> Table {
    const PEERS: usize = 4;
    let mut table = Table::new("PFC");
    table.row(Side::Plan, "plan", expect.lossless.map(pfc_cells));
    table.row(Side::Host, port.name(), port.pfc().map(pfc_cells));
    if let Some(partner) = partner {
        table.row(Side::Switch, partner.name.clone(), pfc_of(partner.dcb).map(pfc_cells));
    }
    // Those that differ first: with hundreds of hosts the table shows why, not everything.
    let mut shown: Vec<&&Port<'_>> = fars.iter().filter(|far| far.pfc().is_some()).collect();
    shown.sort_by_key(|far| far.pfc() == port.pfc());
    for far in shown.into_iter().take(PEERS) {
        table.row(Side::Peer, far.name(), far.pfc().map(pfc_cells));
        if let Some(partner) = dcb::partner(far.link) {
            table.row(Side::Switch, partner.name.clone(), pfc_of(partner.dcb).map(pfc_cells));
        }
    }
    table
}

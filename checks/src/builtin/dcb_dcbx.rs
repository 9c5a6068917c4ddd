//! Have host and switch settled their DCB settings?

use crate::Case;
use crate::check::{Check, Meta, check};
use crate::dcb::{self, Partner, Port, Said, pfc_of, priorities, remedy, shares, shares_differ};
use crate::facts;
use crate::report::{Finding, Outcome};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

check! {
    /// # What it looks for
    ///
    /// DCBX, by which the two ends of a cable settle PFC and ETS (IEEE 802.1Qaz clause 38, or the older CEE): which end is willing to
    /// take over the other's settings, and whether the settings in operation are equal.
    ///
    /// # How it decides
    ///
    /// The settings in operation decide: PFC of both ends, and ETS against the recommendation of the other end where this end is
    /// willing.
    ///
    /// - PASS: they are equal, and not both ends are willing.
    /// - FAIL: one end is willing and they are still unequal: not adopted. Or the plan's `willing` is not what the host has.
    /// - WARN: both ends are willing, equal or not: the tie-break settles PFC, by which the lower MAC address wins, and nobody has
    ///   decided it; neither is willing and they are unequal, so each keeps its own; one end speaks CEE and the other IEEE, so
    ///   neither hears the other.
    /// - SKIP: no DCBX was heard, which is no fault.
    ///
    /// DCBX in the card's firmware (`lld_managed`) settles without the kernel. A neighbour that is known for less than two LLDP
    /// intervals (60 s) may still settle; that is a WARN.
    ///
    /// # What to do
    ///
    /// Decide which end decides. Usually the switch does, and hosts are willing; where hosts are configured by hand, they are not:
    /// `lldptool -T -i IFACE -V PFC willing=no`, `dcb ets set dev IFACE willing off`, on Windows `Set-NetQosDcbxSetting -Willing $False`.
    ///
    /// # Example
    ///
    /// `fail-not-adopted`: the host is willing, and after a minute has not what its switch port has.
    ///
    /// ```text
    /// FAIL dcb-dcbx node1:eth0
    ///   node1:eth0 is willing, and has not adopted what tor1 Eth1/7 has: PFC differs at priority 3
    /// ```
    pub(crate) struct DcbDcbx = { id: "dcb-dcbx", summary: "whether host and switch settled PFC and ETS between them" }
}

impl Check for DcbDcbx {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn judge(&self, case: &Case<'_>) -> Vec<Finding> {
        dcb::ports(case).iter().filter_map(|port| finding(case, port)).collect()
    }
}

/// What it says of one port, for the diagnosis: it is the reason of what PFC and ETS are found to be.
pub(crate) fn about(case: &Case<'_>, ifname: &str, host: &crate::evidence::Host) -> Option<Finding> {
    let ports = dcb::ports(case);
    let port = ports.iter().find(|port| core::ptr::eq(port.host, host) && port.link.ifname == ifname)?;
    finding(case, port).filter(|finding| matches!(finding.outcome, Outcome::Warn | Outcome::Fail))
}

fn finding(case: &Case<'_>, port: &Port<'_>) -> Option<Finding> {
    let id = DcbDcbx::META.id;
    let expect = dcb::expected(case, port);
    let mut said = Said::default();
    let own = port.link.dcb.as_deref();
    let mine = own.and_then(dcb::willing);
    let mut planned = false;
    if let Some(wanted) = expect.willing {
        let word = |willing: bool| if willing { "willing" } else { "not willing" };
        match mine {
            Some(mine) if mine == wanted => {
                planned = true;
                said.say(Outcome::Pass, format!("{}, as planned", word(mine)));
            }
            Some(mine) => {
                planned = true;
                said.say(Outcome::Fail, format!("{} is {}, and the plan says {}", port.name(), word(mine), word(wanted)));
                said.remedies.push(remedy::willing_host(port, wanted));
            }
            None => said.say(Outcome::Unknown, format!("the plan says {}, and {}", word(wanted), dcb::missing(port))),
        }
    }
    // What is announced counts here; what the port remembers of its peer has no willing bit of PFC.
    let partner = dcb::partner(port.link).filter(|partner| partner.dcb.pfc.is_some() || partner.dcb.ets.is_some());
    match (own, &partner) {
        (Some(_), Some(partner)) => settled(case, &mut said, port, partner, mine, planned),
        _ if said.worst().is_some() => {}
        (own, _) => {
            let why = if own.is_none() { dcb::missing(port) } else { dcb::unheard(port) };
            let asked = facts::named(case, id);
            said.say(if asked { Outcome::Unknown } else { Outcome::Skip }, why);
        }
    }
    let mut finding = said.finding(id, port)?;
    if finding.outcome != Outcome::Skip {
        finding.sources = alloc::vec!["DCB_ATTR_DCBX, DCB_ATTR_IEEE".to_owned()];
        finding.sources.extend(partner.as_ref().filter(|partner| partner.lldp.is_some()).map(|_| "LLDP DCBX TLVs".to_owned()));
    }
    Some(finding)
}

fn settled(case: &Case<'_>, said: &mut Said, port: &Port<'_>, partner: &Partner<'_>, mine: Option<bool>, planned: bool) {
    let (name, far) = (port.name(), &partner.name);
    let theirs = dcb::willing(partner.dcb);
    let variants = versions(port, partner);
    let unequal = unequal(port, partner, mine, theirs);
    if unequal.is_empty() {
        let both = (mine == Some(true) && theirs == Some(true)).then(|| tie_break(port, partner));
        match both {
            Some(tie) if variants.is_none() && !planned => {
                said.say(Outcome::Warn, format!("equal to what {far} has, but both ends are willing: {tie}"));
                said.remedies.push(remedy::willing_host(port, false));
            }
            tie => {
                said.say(Outcome::Pass, format!("the same as {far}"));
                said.notes.extend(tie.map(|tie| format!("{name} and {far} are both willing: {tie}")));
            }
        }
        if let Some((own, other)) = variants {
            said.notes.push(format!("{name} speaks {own} and {far} {other}: neither hears the other, yet they are equal"));
        }
        return;
    }
    let what = unequal.join(", ");
    let willing = |end: Option<bool>| end == Some(true);
    let firmware = own_words(port).any(|word| word == "lld_managed");
    if let Some((own, other)) = variants {
        let text = format!("{name} speaks {own} and {far} {other}, so neither hears the other, and {what}");
        let outcome = if willing(mine) == willing(theirs) { Outcome::Warn } else { Outcome::Fail };
        said.say(outcome, text);
        said.remedies.push(match own {
            "CEE" => format!("on {}:   dcb dcbx set dev {} host ieee   or let {far} speak CEE", port.host.name, port.link.ifname),
            _ => format!("let {far} speak IEEE DCBX   or on {}:   dcb dcbx set dev {} host cee", port.host.name, port.link.ifname),
        });
        return;
    }
    match (mine, theirs) {
        (Some(true), Some(true)) => {
            let text = format!("{name} and {far} are both willing, and {what}: {}", tie_break(port, partner));
            said.say(if planned { Outcome::Pass } else { Outcome::Warn }, text);
            said.remedies.push(remedy::willing_host(port, false));
        }
        (mine, theirs) if willing(mine) || willing(theirs) => {
            let (who, other) = if willing(mine) { (name.as_str(), far.as_str()) } else { (far.as_str(), name.as_str()) };
            if let Some(age) = dcb::settling(port, partner) {
                said.say(
                    Outcome::Warn,
                    format!("{who} is willing and has not adopted what {other} has, {what}; they met {age} s ago"),
                );
                said.remedies.push("look again in a minute".to_owned());
                return;
            }
            said.say(Outcome::Fail, format!("{who} is willing, and has not adopted what {other} has: {what}"));
            if willing(mine) {
                let agent = if firmware {
                    "the card's firmware settles DCBX (lld_managed), and does not"
                } else {
                    "no agent does it: the kernel takes over nothing by itself; lldpad or the card's firmware must run"
                };
                said.causes.push(agent.to_owned());
                said.remedies.push(format!(
                    "on {}:   systemctl start lldpad   and   lldptool -T -i {} -V PFC enableTx=yes",
                    port.host.name, port.link.ifname
                ));
                said.remedies.push(format!("or set it by hand, and stop being willing: {}", remedy::willing_host(port, false)));
            } else {
                said.causes.push(format!("{far} does not accept what the host announces, or the host announces nothing"));
            }
            said.causes.push("the link came up less than a minute ago".to_owned());
        }
        (Some(false), Some(false)) => {
            said.say(Outcome::Warn, format!("neither {name} nor {far} is willing, so each keeps its own: {what}"));
            said.remedies.push("set one end by hand to what the other has, or let one be willing".to_owned());
        }
        _ => {
            let outcome = if facts::named(case, DcbDcbx::META.id) { Outcome::Unknown } else { Outcome::Skip };
            said.say(outcome, "which end is willing is not known; see dcb-pfc and dcb-ets");
        }
    }
}

/// What is in operation and differs.
fn unequal(port: &Port<'_>, partner: &Partner<'_>, mine: Option<bool>, theirs: Option<bool>) -> Vec<String> {
    let mut words = Vec::new();
    if let (Some(own), Some(far)) = (port.pfc(), pfc_of(partner.dcb))
        && own != far
    {
        words.push(format!("PFC differs at {}", priorities(own ^ far)));
    }
    let own = port.ets();
    if mine == Some(true)
        && let (Some(own), Some(wanted)) = (own, dcb::recommendation(partner.dcb))
    {
        let differ = shares_differ(&shares(own), &shares(&wanted));
        if differ != 0 {
            words.push(format!("ETS differs from the recommendation at {}", priorities(differ)));
        }
    }
    let recommended = port.link.dcb.as_deref().and_then(dcb::recommendation);
    if theirs == Some(true)
        && let (Some(far), Some(wanted)) = (&partner.dcb.ets, recommended)
    {
        let differ = shares_differ(&shares(far), &shares(&wanted));
        if differ != 0 {
            words.push(format!("ETS differs from what this host recommends at {}", priorities(differ)));
        }
    }
    words
}

fn own_words<'a>(port: &Port<'a>) -> impl Iterator<Item = &'a str> {
    port.link.dcb.as_deref().and_then(|dcb| dcb.dcbx.as_deref()).unwrap_or_default().iter().map(String::as_str)
}

/// The two versions of DCBX, where they differ. A neighbour that announces both is heard by either.
fn versions(port: &Port<'_>, partner: &Partner<'_>) -> Option<(&'static str, &'static str)> {
    let own = port.link.dcb.as_deref().and_then(|dcb| dcb.variant.as_deref()).and_then(version);
    let all = partner.lldp.into_iter().flat_map(|_| {
        let announced = partner.dcb.dcbx.as_deref().unwrap_or_default().iter().map(String::as_str);
        announced.chain(partner.dcb.variant.as_deref()).filter_map(version)
    });
    let (own, far) = (own?, all.clone().next()?);
    (!all.clone().any(|version| version == own)).then_some((own, far))
}

/// The version of DCBX; CIN is the forerunner of CEE and speaks with it.
fn version(word: &str) -> Option<&'static str> {
    match word {
        "ieee" => Some("IEEE"),
        "cee" | "cin" => Some("CEE"),
        _ => None,
    }
}

/// Who wins where both ends are willing (802.1Qaz 38.4.2): the lower MAC address decides.
fn tie_break(port: &Port<'_>, partner: &Partner<'_>) -> String {
    let far = partner.lldp.and_then(|lldp| {
        let is_mac = |kind: &Option<String>| kind.as_deref() == Some("mac");
        if is_mac(&lldp.port_id_type) {
            Some(lldp.port_id.as_str())
        } else {
            is_mac(&lldp.chassis_id_type).then_some(lldp.chassis_id.as_str())
        }
    });
    match (port.link.address.as_deref(), far) {
        (Some(own), Some(far)) if own != far => {
            let winner = if own < far { port.name() } else { partner.name.clone() };
            format!("the tie-break gives PFC to the lower MAC address, {winner}")
        }
        _ => "the tie-break gives PFC to the lower MAC address".to_owned(),
    }
}

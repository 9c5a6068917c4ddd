//! Is the right switch at the other end of the cable, and can it be heard?

use crate::Case;
use crate::chain;
use crate::check::{Check, Meta, check};
use crate::dcb::{self, Port};
use crate::facts;
use crate::report::{Finding, Outcome, Quantity};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

check! {
    /// # What it looks for
    ///
    /// Who announces itself at the other end of the cable (LLDP, IEEE 802.1AB) of each card that carries the path.
    ///
    /// # How it decides
    ///
    /// - FAIL: the plan names switches (`lldp_neighbor`), and another one is heard.
    /// - WARN: a member of a bond hears nothing while another member hears its switch.
    /// - PASS: a neighbour is heard, and the plan does not name another.
    /// - UNKNOWN: the plan names switches, and nothing is heard.
    /// - SKIP: nothing is heard, which is no fault by itself: switches may be silent, and listening takes up to 30 seconds. Virtual
    ///   interfaces have no cable.
    ///
    /// Some cards answer LLDP in their own firmware and keep it from the kernel (Intel X710 and E810); then that is said. Switching the
    /// agent off also stops the DCBX that it does: PFC and ETS that the switch had set are gone until somebody sets them again.
    ///
    /// # What to do
    ///
    /// `lldpcli show neighbors`, or listen for longer: `--lldp 30`. For Intel firmware agents, mind the warning above: `ethtool
    /// --set-priv-flags IFACE disable-fw-lldp on` (X710), `ethtool --set-priv-flags IFACE fw-lldp-agent off` (E810).
    ///
    /// # Example
    ///
    /// `fail-other-switch`: the plan names tor1 and tor2.
    ///
    /// ```text
    /// FAIL lldp-neighbor node1:eth0
    ///   the other end of the cable is tor7 Eth1/7
    ///   measured: tor7 Eth1/7
    ///   expected: tor1 or tor2 (plan)
    /// ```
    pub(crate) struct LldpNeighbor = { id: "lldp-neighbor", summary: "which switch port is at the other end of the cable" }
}

impl Check for LldpNeighbor {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn judge(&self, case: &Case<'_>) -> Vec<Finding> {
        dcb::ports(case).iter().map(|port| finding(case, port)).collect()
    }
}

fn finding(case: &Case<'_>, port: &Port<'_>) -> Finding {
    let id = LldpNeighbor::META.id;
    let of_port = |outcome, summary: String| facts::of_link(port.host, &port.link.ifname, id, outcome, summary);
    let wanted = dcb::expected_neighbor(case, port);
    let heard = dcb::neighbour(port.link);
    let mut finding = match (heard, wanted) {
        (Some(lldp), wanted) => {
            let name = dcb::neighbour_name(lldp);
            let system = dcb::chassis_name(lldp);
            let right = |wanted: &String| wanted.eq_ignore_ascii_case(system) || short(wanted).eq_ignore_ascii_case(short(system));
            match wanted.filter(|wanted| !wanted.iter().any(right)) {
                Some(wanted) => {
                    let mut finding = of_port(Outcome::Fail, format!("the other end of the cable is {name}"));
                    finding.observed = Some(Quantity::text(name));
                    finding.expected = Some(Quantity::text(format!("{} (plan)", wanted.join(" or "))));
                    finding.remedies = alloc::vec!["move the cable, or correct `lldp_neighbor` in the plan".to_owned()];
                    finding
                }
                None => of_port(Outcome::Pass, name),
            }
        }
        (None, wanted) => silent(port, wanted.is_some() || facts::named(case, id), of_port),
    };
    if finding.outcome != Outcome::Skip {
        finding.sources = alloc::vec!["LLDP".to_owned()];
    }
    finding
}

/// A host name without its domain.
fn short(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

fn silent(port: &Port<'_>, asked: bool, of_port: impl Fn(Outcome, String) -> Finding) -> Finding {
    let skip = if asked { Outcome::Unknown } else { Outcome::Skip };
    if let Some((flag, remedy)) = firmware_agent(port) {
        let mut finding = of_port(skip, format!("the card's firmware answers LLDP itself and keeps it from the kernel ({flag})"));
        finding.remedies = alloc::vec![remedy];
        return finding;
    }
    if let Some(other) = fellow(port) {
        let text = format!("no LLDP heard, while {other} of the same bond hears its switch");
        let mut finding = of_port(Outcome::Warn, text);
        finding.causes = alloc::vec![
            "the cable leads to a port on which LLDP is off, or to something that is no switch".to_owned(),
            "it was not listened for long enough: switches announce themselves every 30 seconds".to_owned(),
        ];
        finding.remedies = alloc::vec!["listen for longer: --lldp 60   then look at cable and port".to_owned()];
        return finding;
    }
    of_port(skip, dcb::unheard(port))
}

/// The driver flag by which a card's own agent takes LLDP, and what to do with the warning that belongs to it.
fn firmware_agent(port: &Port<'_>) -> Option<(String, String)> {
    let flags = port.link.private_flags.as_ref()?;
    let dev = &port.link.ifname;
    // i40e names the flag by what it switches off, ice by what it switches on.
    let (flag, on, command) = if flags.get("disable-fw-lldp") == Some(&false) {
        ("disable-fw-lldp", "off", format!("ethtool --set-priv-flags {dev} disable-fw-lldp on"))
    } else if flags.get("fw-lldp-agent") == Some(&true) {
        ("fw-lldp-agent", "on", format!("ethtool --set-priv-flags {dev} fw-lldp-agent off"))
    } else {
        return None;
    };
    let remedy = format!(
        "{command}   mind: that also stops the DCBX of the firmware, so PFC and ETS that the switch had set are gone until they are set by hand"
    );
    Some((format!("{flag} {on}"), remedy))
}

/// Another member of the same bond that hears its switch, where both were listened on.
fn fellow<'a>(port: &Port<'a>) -> Option<&'a str> {
    let master = port.host.link(port.link.master.as_deref()?).filter(|master| matches!(master.kind(), "bond" | "team"))?;
    port.link.lldp.as_ref()?;
    let members = chain::ports(port.host, master);
    let hears = members.iter().find(|member| member.ifname != port.link.ifname && dcb::neighbour(member).is_some())?;
    Some(hears.ifname.as_str())
}

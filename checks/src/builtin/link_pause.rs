//! Is 802.3x pause set as the path needs?

use crate::Case;
use crate::chain::{self, Carrier};
use crate::check::{Check, Meta, check};
use crate::dcb::{self, Port, Said};
use crate::evidence::{Host, Link, Pause};
use crate::facts;
use crate::report::{Finding, Outcome, Quantity};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

check! {
    /// # What it looks for
    ///
    /// Global pause (IEEE 802.3 annex 31B) on the cards that carry the path, and how it goes with PFC (802.1Qbb) and `RoCE`.
    ///
    /// # How it decides
    ///
    /// - WARN: a card has global pause and PFC, which exclude each other: pause stops every priority; `RoCE` is in use and has neither,
    ///   so a full buffer loses its packets; the members of one bond, which end in one switch, differ; two cards on one cable, as LLDP
    ///   shows, differ.
    /// - PASS: none of these; what is set is shown. A card that differs from the far end's card with a switch between is a note: pause
    ///   is settled on each cable.
    /// - SKIP: no card of the path reports it.
    ///
    /// `RoCE` counts as used where the plan's network has the role storage or rdma, where the plan expects a priority of it, or where
    /// somebody set its traffic class. It works without PFC, slower; between two hosts on one cable more so. iWARP needs neither.
    ///
    /// # What to do
    ///
    /// `ethtool -A IFACE rx on tx on` (or off), the same on every member and on the switch's ports. With PFC: off everywhere.
    ///
    /// # Example
    ///
    /// `warn-bond-members`: eth0 sends pause frames and eth1, in the same bond, does not.
    ///
    /// ```text
    /// WARN link-pause node1:bond0
    ///   eth0 has pause rx on, tx on, and eth1 of the same bond rx on, tx off
    ///   expected: the same on every member
    /// ```
    pub(crate) struct LinkPause = { id: "link-pause", summary: "802.3x pause on the cards that carry the path" }
}

impl Check for LinkPause {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn judge(&self, case: &Case<'_>) -> Vec<Finding> {
        let ports = dcb::ports(case);
        chain::carriers(case).iter().map(|carrier| finding(case, &ports, carrier)).collect()
    }
}

fn words(pause: Pause) -> String {
    let on = |set: bool| if set { "on" } else { "off" };
    format!("rx {}, tx {}", on(pause.rx), on(pause.tx))
}

/// The cards under an interface that report their pause setting.
fn cards<'a>(host: &'a Host, top: &'a Link) -> Vec<(&'a Link, Pause)> {
    chain::layers(host, top).iter().filter_map(|layer| Some((layer.link, layer.link.pause?))).collect()
}

fn finding(case: &Case<'_>, ports: &[Port<'_>], carrier: &Carrier<'_>) -> Finding {
    let (id, host, name) = (LinkPause::META.id, carrier.host, carrier.ifname);
    let skip = || if facts::named(case, id) { Outcome::Unknown } else { Outcome::Skip };
    let Some(top) = carrier.link else {
        let why = if host.links.is_some() { format!("{name} is not among the interfaces") } else { chain::links_gap(host) };
        return facts::of_link(host, name, id, skip(), why);
    };
    let cards = cards(host, top);
    let Some((first, pause)) = cards.first().copied() else {
        return facts::of_link(host, name, id, skip(), "no card of this path reports pause");
    };
    let mut said = Said::default();
    for (link, pause) in &cards {
        if let Some(port) = ports.iter().find(|port| core::ptr::eq(port.link, *link)) {
            beside_pfc(case, &mut said, port, *pause);
            on_one_cable(case, &mut said, port, *pause);
        }
    }
    let differs = |other: &Pause| (other.rx, other.tx) != (pause.rx, pause.tx);
    let odd = cards.iter().find(|(link, other)| differs(other) && link.master.is_some() && link.master == first.master);
    let mut finding = match odd {
        Some((link, other)) => {
            let summary =
                format!("{} has pause {}, and {} of the same bond {}", first.ifname, words(pause), link.ifname, words(*other));
            let mut finding = facts::of_link(host, name, id, Outcome::Warn, summary);
            finding.expected = Some(Quantity::text("the same on every member"));
            finding.remedies = alloc::vec![format!(
                "ethtool -A {} rx {} tx {}",
                link.ifname,
                if pause.rx { "on" } else { "off" },
                if pause.tx { "on" } else { "off" }
            )];
            finding
        }
        None => facts::of_link(host, name, id, Outcome::Pass, words(pause)),
    };
    if let Some(more) = said.finding(id, &Port { host, link: top, tops: Vec::new(), paths: Vec::new(), network: None }) {
        if finding.outcome == Outcome::Pass {
            finding.outcome = more.outcome;
            finding.observed = Some(Quantity::text(words(pause)));
            finding.summary = more.summary;
        } else {
            finding.summary = format!("{}; {}", finding.summary, more.summary).into();
        }
        finding.remedies.extend(more.remedies);
    }
    finding.sources = alloc::vec!["ETHTOOL_MSG_PAUSE_GET".into()];
    finding.notes.extend(far_end(case, carrier, pause));
    finding
}

/// Pause and PFC together, and `RoCE` with neither.
fn beside_pfc(case: &Case<'_>, said: &mut Said, port: &Port<'_>, pause: Pause) {
    let Some(pfc) = port.pfc() else { return };
    let name = &port.link.ifname;
    let global = pause.rx || pause.tx;
    if global && pfc != 0 {
        let on = dcb::priorities(pfc);
        said.say(Outcome::Warn, format!("{name} has global pause ({}) and PFC on {on}: pause stops every priority", words(pause)));
        said.remedies.push(format!("ethtool -A {name} rx off tx off   and global pause off on the switch port"));
    }
    let expect = dcb::expected(case, port);
    if !global && pfc == 0 && dcb::roce_in_use(port, &expect) {
        said.say(
            Outcome::Warn,
            format!("RoCE is in use on {name}, with neither PFC nor global pause: a full buffer loses its packets"),
        );
        said.remedies.push(dcb::remedy::pfc_host(port, expect.lossless.filter(|lossless| *lossless != 0).unwrap_or(1 << 3)));
        said.remedies.push(format!("or, on a network of its own:   ethtool -A {name} rx on tx on   and on the switch port"));
    }
}

/// Another host's card at the other end of the same cable, as LLDP shows, with other pause.
fn on_one_cable(case: &Case<'_>, said: &mut Said, port: &Port<'_>, pause: Pause) {
    let Some(lldp) = dcb::neighbour(port.link).filter(|lldp| !dcb::is_switch(lldp)) else { return };
    let far = case.evidence.hosts.iter().filter(|host| !core::ptr::eq(*host, port.host)).find_map(|host| {
        let link = host.links.iter().flatten().find(|link| link.address.as_deref() == Some(&lldp.port_id))?;
        Some((host, link, link.pause?))
    });
    if let Some((host, link, other)) = far.filter(|(_, _, other)| (other.rx, other.tx) != (pause.rx, pause.tx)) {
        let (name, far) = (&port.link.ifname, format!("{}:{}", host.name, link.ifname));
        said.say(Outcome::Warn, format!("{name} has pause {}, and {far} on the same cable {}", words(pause), words(other)));
        said.remedies.push(format!("let both negotiate:   ethtool -A {name} autoneg on   or set both alike"));
    }
}

/// A note where the far end's card, on the same link, is set otherwise.
fn far_end(case: &Case<'_>, carrier: &Carrier<'_>, pause: Pause) -> Option<String> {
    carrier.leaving.iter().filter_map(|index| case.evidence.paths.get(*index)).filter(|path| facts::on_link(case, path)).find_map(
        |path| {
            let (host, link) = facts::peer_link(case, path)?;
            let (card, other) = cards(host, link).first().copied()?;
            ((other.rx, other.tx) != (pause.rx, pause.tx))
                .then(|| format!("{}:{} has pause {}", host.name, card.ifname, words(other)))
        },
    )
}

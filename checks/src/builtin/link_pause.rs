//! Is 802.3x pause set as the path needs?

use crate::Case;
use crate::chain::{self, Carrier};
use crate::check::{Check, Meta, check};
use crate::evidence::{Host, Link, Pause};
use crate::facts;
use crate::report::{Finding, Outcome, Quantity};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

check! {
    /// # What it looks for
    ///
    /// Global pause (IEEE 802.3 annex 31B) on the cards that carry the path.
    ///
    /// # How it decides
    ///
    /// - WARN: the members of one bond, which end in one switch, differ.
    /// - PASS: they are equal, or there is one card; what is set is shown. A card that differs from the far end's card is a note:
    ///   pause is settled on each cable, and a switch may be between.
    /// - SKIP: no card of the path reports it.
    ///
    /// # What to do
    ///
    /// `ethtool -A IFACE rx on tx on` (or off), the same on every member and on the switch's ports.
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
        chain::carriers(case).iter().map(|carrier| finding(case, carrier)).collect()
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

fn finding(case: &Case<'_>, carrier: &Carrier<'_>) -> Finding {
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
    finding.sources = alloc::vec!["ETHTOOL_MSG_PAUSE_GET".into()];
    finding.notes.extend(far_end(case, carrier, pause));
    finding
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

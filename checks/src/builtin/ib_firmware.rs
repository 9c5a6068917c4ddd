//! Do equal InfiniBand cards have equal firmware?

use crate::Case;
use crate::check::{Check, Meta, check};
use crate::evidence::{Host, IbPort};
use crate::fabric::{self, Vote};
use crate::facts;
use crate::report::{Finding, Outcome, Quantity};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

check! {
    /// # What it looks for
    ///
    /// Cards with the same board id (the PSID of Mellanox cards) and different firmware, over all hosts of the evidence.
    ///
    /// # How it decides
    ///
    /// - WARN: a card has other firmware than more than half of its kind, or there is no such half. A rolling upgrade looks like
    ///   that, so it is never a FAIL.
    /// - PASS: all cards of one board id have the same firmware.
    /// - SKIP: no second card of that board id in the evidence, or the card does not tell.
    ///
    /// # What to do
    ///
    /// `mstflint -d DEVICE query` shows firmware and PSID, `mstflint -d DEVICE -i IMAGE burn` writes an image; the image must be
    /// made for that PSID. RDMA over Ethernet is more sensitive to firmware and driver than InfiniBand is.
    ///
    /// # Example
    ///
    /// `warn-one-of-three`: one of three cards was not upgraded.
    ///
    /// ```text
    /// WARN ib-firmware node1:mlx4_0
    ///   2.10.700, and 2 of 3 cards MT_1090120019 have 2.30.8000
    ///   measured: 2.10.700
    ///   expected: 2.30.8000
    /// ```
    pub(crate) struct IbFirmware = { id: "ib-firmware", summary: "the same firmware on cards of the same kind" }
}

impl Check for IbFirmware {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn judge(&self, case: &Case<'_>) -> Vec<Finding> {
        let cards: Vec<Card<'_>> = case.evidence.hosts.iter().flat_map(cards).collect();
        let mut kinds: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for card in &cards {
            if let (Some(board), Some(firmware)) = (card.board(), card.firmware()) {
                kinds.entry(board).or_default().push(firmware);
            }
        }
        cards.iter().map(|card| finding(case, &kinds, card)).collect()
    }
}

struct Card<'a> {
    host: &'a Host,
    port: &'a IbPort,
}

impl Card<'_> {
    fn board(&self) -> Option<&str> {
        told(self.port.board_id.as_deref())
    }

    fn firmware(&self) -> Option<&str> {
        told(self.port.firmware.as_deref())
    }
}

/// What says something: some devices have an empty file, or `N/A`.
fn told(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty() && *text != "N/A")
}

/// The cards of a host that have a port which is InfiniBand; ports of one device are one card.
fn cards(host: &Host) -> Vec<Card<'_>> {
    let mut cards: Vec<Card<'_>> = Vec::new();
    for port in fabric::ports(host) {
        if !cards.iter().any(|card| card.port.device == port.device) {
            cards.push(Card { host, port });
        }
    }
    cards
}

fn finding(case: &Case<'_>, kinds: &BTreeMap<&str, Vec<&str>>, card: &Card<'_>) -> Finding {
    let id = IbFirmware::META.id;
    let of = |outcome: Outcome, summary: String| facts::of_link(card.host, &card.port.device, id, outcome, summary);
    let undecided = if facts::named(case, id) { Outcome::Unknown } else { Outcome::Skip };
    let (Some(board), Some(firmware)) = (card.board(), card.firmware()) else {
        return of(undecided, "the card does not tell board id and firmware".into());
    };
    let same = kinds.get(board).map(Vec::as_slice).unwrap_or_default();
    if same.len() < 2 {
        return of(Outcome::Skip, "no second card of its kind to compare with".into());
    }
    let mut finding = match fabric::vote(same.iter().copied()) {
        Vote::Most { value, count, of: all } if value != firmware => {
            let mut finding = of(Outcome::Warn, format!("{firmware}, and {count} of {all} cards {board} have {value}"));
            finding.expected = Some(Quantity::text(value));
            finding
        }
        Vote::Tie => {
            let mut others: Vec<&str> = same.iter().copied().filter(|other| *other != firmware).collect();
            others.sort_unstable();
            others.dedup();
            let summary =
                format!("{firmware}, and other cards {board} have {}: a tie, so nobody can say who deviates", others.join(", "));
            of(Outcome::Warn, summary)
        }
        Vote::Alike | Vote::Most { .. } => of(Outcome::Pass, format!("{firmware} ({board})")),
    };
    if finding.outcome == Outcome::Warn {
        finding.observed = Some(Quantity::text(firmware));
        finding.remedies = alloc::vec![format!(
            "mstflint -d {} query   on {}, and the same image for {board} on every host",
            card.port.device, card.host.name
        )];
    }
    finding.sources = alloc::vec![format!("/sys/class/infiniband/{}/fw_ver, board_id", card.port.device)];
    finding
}

//! Interfaces that talk in one direction at a time.

use crate::Case;
use crate::check::{Check, Meta, check};
use crate::report::{At, Finding, Outcome, Quantity};
use alloc::format;
use alloc::vec::Vec;

check! {
    /// # What it looks for
    ///
    /// Interfaces that have negotiated half duplex.
    ///
    /// # How it decides
    ///
    /// - WARN: the device reports half duplex.
    /// - PASS: it reports full duplex.
    /// - SKIP: it reports neither, as virtual devices do.
    ///
    /// # What to do
    ///
    /// Let both ends negotiate; a fixed setting on one end alone makes the other fall back to half duplex.
    pub(crate) struct LinkDuplex = { id: "link-duplex", summary: "interfaces that have negotiated half duplex" }
}

impl Check for LinkDuplex {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn judge(&self, case: &Case<'_>) -> Vec<Finding> {
        let hosts = case.evidence.hosts.iter();
        let links = hosts.flat_map(|host| host.links.iter().flatten().map(move |link| (host, link)));
        links
            .map(|(host, link)| {
                let at = At { host: Some(host.name.clone()), interface: Some(link.ifname.clone()), ..At::default() };
                let (outcome, summary) = match link.duplex.as_deref() {
                    Some("half") => (Outcome::Warn, "the link works in one direction at a time"),
                    Some(_) => (Outcome::Pass, "both directions at once"),
                    None => (Outcome::Skip, "the device does not say"),
                };
                let mut finding = Finding::new(Self::META.id, format!("{}:{}", host.name, link.ifname), at, outcome, summary);
                finding.observed = link.duplex.as_deref().map(Quantity::text);
                finding
            })
            .collect()
    }
}

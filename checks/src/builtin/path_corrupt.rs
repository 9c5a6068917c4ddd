//! Does what comes back equal what was sent?

use super::path_reach;
use crate::Case;
use crate::check::{Check, Meta, check};
use crate::evidence::{Asked, Path};
use crate::facts;
use crate::report::{Finding, Outcome, Quantity};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::vec::Vec;

check! {
    /// # What it looks for
    ///
    /// Answers whose payload is not what was sent. The payload of every probe is random and compared byte for byte.
    ///
    /// # How it decides
    ///
    /// - FAIL: at least one answer came back changed. Checksums of Ethernet, IP and ICMP were right, or it would not have come
    ///   back: something changed the data and computed them anew.
    /// - PASS: none did.
    ///
    /// # What to do
    ///
    /// Suspect the memory of a switch, router or card, and offloading: `ethtool -K IFACE tx off rx off tso off gso off gro off`
    /// on one end, then on the other, shows which side it is. Do not migrate or store data over this path before.
    ///
    /// # Example
    ///
    /// `fail-changed`: two answers differ from what was sent.
    ///
    /// ```text
    /// FAIL path-corrupt node1->node2
    ///   2 answers came back with changed data
    ///   measured: 2
    ///   expected: 0
    /// ```
    pub(crate) struct PathCorrupt = { id: "path-corrupt", summary: "answers that differ from what was sent" }
}

impl Check for PathCorrupt {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn judge(&self, case: &Case<'_>) -> Vec<Finding> {
        case.evidence.paths.iter().map(|path| finding(case, path)).collect()
    }
}

fn finding(case: &Case<'_>, path: &Path) -> Finding {
    let id = PathCorrupt::META.id;
    if let Some(blocked) = path_reach::blocked(case, path, id) {
        return blocked;
    }
    if path.corrupted == 0 {
        return facts::of_path(path, id, Outcome::Pass, "no answer changed");
    }
    // Changed data is no matter of what a gateway cares to answer, but a run that named nobody must not fail either.
    let outcome = if path.asked == Asked::Gateway { Outcome::Warn } else { Outcome::Fail };
    let count = path.corrupted;
    let mut finding = facts::of_path(path, id, outcome, format!("{count} answers came back with changed data"));
    finding.observed = Some(Quantity::counted(count, "answers"));
    finding.expected = Some(Quantity::counted(0_u32, "answers"));
    finding.causes = ["faulty memory in a switch, router or network card", "a broken checksum or segmentation offload"]
        .map(ToOwned::to_owned)
        .into();
    let name = facts::egress_name(path).unwrap_or("IFACE");
    finding.remedies = alloc::vec![format!(
        "ethtool -K {name} tx off rx off tso off gso off gro off   on one end, then on the other, shows the side"
    )];
    finding
}

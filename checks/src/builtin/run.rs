//! What the run as a whole has to say.

use crate::Case;
use crate::check::{Check, Meta, check};
use crate::expect::Waiver;
use crate::report::{At, Finding, Outcome};
use alloc::format;
use alloc::vec::Vec;

check! {
    /// # What it looks for
    ///
    /// The run itself: whether anything was checked, and whether the plan's waivers still hold.
    ///
    /// # How it decides
    ///
    /// - UNKNOWN: nothing was checked: no finding counts, so nothing can be said.
    /// - WARN: a waiver has run out and the finding that it covered counts again.
    /// - SKIP: a waiver matches nothing, or its check passes: it can go.
    ///
    /// # What to do
    ///
    /// Name a host, or use a plan with paths. Renew or remove the waiver that is named.
    ///
    /// # Example
    ///
    /// `warn-waiver-expired`: the waiver of an old switch ran out, and `path-mtu` fails again.
    ///
    /// ```text
    /// WARN run waiver path-mtu node1->*
    ///   the waiver of ops for node1->* ran out on 2026-01-31: it counts again
    /// ```
    pub(crate) struct Run = { id: "run", summary: "whether anything was checked, and whether waivers still hold" }
}

impl Check for Run {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    /// Nothing: what it says depends on the other findings, so the judge asks it last.
    fn judge(&self, _case: &Case<'_>) -> Vec<Finding> {
        Vec::new()
    }
}

/// What became of a waiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaiverUse {
    /// It holds, and covers a finding.
    Holds,
    /// It ran out, and covered a finding.
    Expired,
    /// It covers nothing.
    Unused,
}

/// The finding about a waiver, if there is something to say.
pub(crate) fn waiver(waiver: &Waiver, used: WaiverUse) -> Option<Finding> {
    let (outcome, summary) = match used {
        WaiverUse::Holds => return None,
        WaiverUse::Expired => (
            Outcome::Warn,
            format!("the waiver of {} for {} ran out on {}: it counts again", waiver.owner, waiver.subject, waiver.until),
        ),
        WaiverUse::Unused => {
            (Outcome::Skip, format!("the waiver for {} {} matches nothing that was found", waiver.check, waiver.subject))
        }
    };
    let mut finding =
        Finding::new(Run::META.id, format!("waiver {} {}", waiver.check, waiver.subject), At::default(), outcome, summary);
    if used == WaiverUse::Expired {
        finding.causes = alloc::vec![format!("it was given because: {}", waiver.reason)];
        finding.remedies = alloc::vec![format!("repair what it covers, or renew `until` with {}", waiver.owner)];
    }
    Some(finding)
}

/// The finding of a run in which nothing counts.
pub(crate) fn nothing(case: &Case<'_>, waived: u32) -> Finding {
    let summary = if waived == 0 { "nothing was checked" } else { "nothing was checked but what is waived" };
    let mut finding = Finding::new(Run::META.id, "run", At::default(), Outcome::Unknown, summary);
    let recorded = case.evidence.hosts.iter().any(|host| host.origin == "root");
    finding.remedies = alloc::vec![if recorded {
        "a recorded tree holds no path: name a check that needs none with --only, or probe from that host: pathvet check HOST"
            .into()
    } else {
        "name a host: pathvet check HOST".into()
    }];
    finding
}

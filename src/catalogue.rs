//! Reads the built-in catalogues on first use.

use pathvet_checks::catalogue::Catalogue;
use pathvet_checks::evidence::Evidence;
use std::sync::OnceLock;

/// The built-in catalogue of ceilings, parsed when it is first asked for.
#[must_use]
pub fn ceilings() -> &'static Catalogue {
    static CEILINGS: OnceLock<Catalogue> = OnceLock::new();
    CEILINGS.get_or_init(Catalogue::default)
}

/// The catalogue for judging `evidence`. It only names what stops at a cut, so without a cut it stays unread and empty.
#[must_use]
pub fn for_evidence(evidence: &Evidence) -> &'static Catalogue {
    static EMPTY: Catalogue = Catalogue { ceilings: Vec::new() };
    let cut =
        |path: &pathvet_checks::evidence::Path| path.path_mtu.is_some_and(|mtu| path.interface_mtu.is_none_or(|own| mtu < own));
    if evidence.paths.iter().any(cut) { ceilings() } else { &EMPTY }
}

//! Reads the built-in catalogues on first use.

use pathvet_checks::catalogue::Catalogue;
use pathvet_checks::evidence::{Evidence, LimitKind, Path};
use std::sync::OnceLock;

/// The built-in catalogue of ceilings, parsed when it is first asked for.
#[must_use]
#[expect(clippy::missing_panics_doc, reason = "the file is part of the program, and a test parses it")]
pub fn ceilings() -> &'static Catalogue {
    static CEILINGS: OnceLock<Catalogue> = OnceLock::new();
    const TEXT: &str = include_str!("../checks/catalogue/mtu-ceilings.yaml");
    CEILINGS.get_or_init(|| serde_yaml::from_str(TEXT).expect("a test parses the file that is built in"))
}

/// The catalogue for judging `evidence`. It only names what stops at a cut, so without a cut it stays unread and empty.
#[must_use]
pub fn for_evidence(evidence: &Evidence) -> &'static Catalogue {
    static EMPTY: OnceLock<Catalogue> = OnceLock::new();
    let cut = |path: &Path| {
        let there = path.path_mtu.is_some_and(|mtu| path.interface_mtu.is_none_or(|own| mtu < own));
        there || path.limit.kind == LimitKind::Silent
    };
    if evidence.paths.iter().any(cut) { ceilings() } else { EMPTY.get_or_init(Catalogue::default) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_built_in_catalogue_parses() {
        assert!(super::ceilings().ceilings.len() > 50);
    }
}

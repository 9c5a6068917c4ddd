//! Reads the built-in catalogues on first use.

use pathvet_checks::catalogue::{CEILINGS, Catalogue};
use pathvet_checks::evidence::{Evidence, LimitKind, Path};
use pathvet_checks::expect::DcbProfile;
use std::sync::OnceLock;

/// The built-in catalogue of ceilings, parsed when it is first asked for.
#[must_use]
#[expect(clippy::missing_panics_doc, reason = "the file is part of the program, and a test parses it")]
pub fn ceilings() -> &'static Catalogue {
    static PARSED: OnceLock<Catalogue> = OnceLock::new();
    PARSED.get_or_init(|| serde_json::from_str(CEILINGS).expect("a test parses the file that is built in"))
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

/// The built-in DCB profiles, in the order of their file, parsed when they are first asked for.
#[must_use]
#[expect(clippy::missing_panics_doc, reason = "the file is part of the program, and a test parses it")]
pub fn dcb_profiles() -> &'static [DcbProfile] {
    static PROFILES: OnceLock<Vec<DcbProfile>> = OnceLock::new();
    const TEXT: &str = include_str!("../checks/catalogue/dcb-profiles.yaml");
    PROFILES.get_or_init(|| serde_yaml::from_str(TEXT).expect("a test parses the file that is built in"))
}

/// The built-in DCB profile of that name.
#[must_use]
pub fn dcb_profile(id: &str) -> Option<&'static DcbProfile> {
    dcb_profiles().iter().find(|profile| profile.id == id)
}

#[cfg(test)]
mod tests {
    /// Whatever a profile expects, a port can be set to.
    #[test]
    fn the_dcb_profiles_are_sound() {
        let names: Vec<&str> = super::dcb_profiles().iter().map(|profile| profile.id.as_str()).collect();
        assert_eq!(names, ["roce-storage", "smb-direct", "smb-direct-legacy", "iscsi-lossless", "fcoe"]);
        for profile in super::dcb_profiles() {
            let id = &profile.id;
            let classes = profile.ets.as_deref().unwrap_or_default();
            let mut priorities: Vec<u8> = classes.iter().flat_map(|class| class.priorities.clone()).collect();
            priorities.sort_unstable();
            assert_eq!(priorities, [0, 1, 2, 3, 4, 5, 6, 7], "{id}");
            assert_eq!(classes.iter().filter_map(|class| class.share).map(u32::from).sum::<u32>(), 100, "{id}");
            let lossless = profile.lossless.as_deref().unwrap_or_default();
            assert!(!lossless.is_empty() && lossless.iter().all(|priority| *priority < 8), "{id}");
            assert!(profile.apps.iter().flatten().all(|app| app.priority < 8), "{id}");
            assert!(!profile.source.is_empty() && profile.date.parse::<jiff::civil::Date>().is_ok(), "{id}");
        }
    }

    #[test]
    fn the_built_in_catalogue_parses() {
        let built_in = super::ceilings();
        assert!(built_in.ceilings.len() > 50);
        let edited = include_str!("../checks/catalogue/mtu-ceilings.yaml");
        assert_eq!(*built_in, serde_yaml::from_str::<super::Catalogue>(edited).expect("it is a catalogue"));
    }
}

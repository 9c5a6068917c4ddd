//! The checks. This list is the whole registry, and its order is the order of the manual.

pub(crate) mod dcb_app;
pub(crate) mod dcb_dcbx;
mod dcb_ets;
mod dcb_pfc;
mod host_power;
mod ib_firmware;
mod ib_modules;
mod ib_partition;
pub(crate) mod ib_port;
mod ib_sm;
pub(crate) mod ipoib_mode;
mod ipoib_mtu;
pub(crate) mod link_errors;
pub(crate) mod link_mtu;
mod link_pause;
mod link_state;
mod lldp_neighbor;
mod path_corrupt;
pub(crate) mod path_loss;
pub(crate) mod path_mtu;
pub(crate) mod path_reach;
mod path_reverse;
mod path_route;
mod pmtu_cache;
pub(crate) mod pmtu_masking;
pub(crate) mod run;
pub(crate) mod switch_frame_size;
mod tuning;

use crate::check::Check;

/// Every check, in the order of the manual.
pub const ALL: &[&dyn Check] = &[
    &path_reach::PathReach,
    &path_route::PathRoute,
    &path_mtu::PathMtu,
    &path_reverse::PathReverse,
    &path_loss::PathLoss,
    &path_corrupt::PathCorrupt,
    &pmtu_cache::PmtuCache,
    &pmtu_masking::PmtuMasking,
    &link_mtu::LinkMtu,
    &link_state::LinkState,
    &link_errors::LinkErrors,
    &link_pause::LinkPause,
    &dcb_pfc::DcbPfc,
    &dcb_ets::DcbEts,
    &dcb_app::DcbApp,
    &dcb_dcbx::DcbDcbx,
    &switch_frame_size::SwitchFrameSize,
    &lldp_neighbor::LldpNeighbor,
    &ib_port::IbPortCheck,
    &ipoib_mode::IpoibModeCheck,
    &ipoib_mtu::IpoibMtu,
    &ib_partition::IbPartition,
    &ib_sm::IbSm,
    &ib_modules::IbModules,
    &ib_firmware::IbFirmware,
    &host_power::HostPower,
    &tuning::Tuning,
    &run::Run,
];

/// The check with that id.
#[must_use]
pub fn find(id: &str) -> Option<&'static dyn Check> {
    ALL.iter().copied().find(|check| check.meta().id == id)
}

#[cfg(test)]
#[path = "../../testdata/checks/_template/link_duplex.rs"]
mod template;

#[cfg(test)]
mod tests {
    use super::template::LinkDuplex;
    use crate::Case;
    use crate::catalogue::Catalogue;
    use crate::check::Check;
    use crate::evidence::{Evidence, Host, Link};
    use crate::expect::Expect;
    use crate::report::Outcome;
    use alloc::vec;

    /// It stands in `CONTRIBUTING.md` for others to start from.
    #[test]
    fn the_check_of_the_guide_works() {
        let link = |duplex: Option<&str>| Link { duplex: duplex.map(Into::into), ..Link::default() };
        let links = Some(vec![link(Some("full")), link(Some("half")), link(None)]);
        let hosts = vec![Host { name: "node1".into(), links, ..Host::default() }];
        let evidence = Evidence {
            schema: crate::evidence::SCHEMA.into(),
            taken: jiff::Timestamp::UNIX_EPOCH,
            tool: "pathvet".into(),
            hosts,
            paths: vec![],
        };
        let (expect, catalogue) = (Expect::default(), Catalogue::default());
        let case = Case { evidence: &evidence, expect: &expect, catalogue: &catalogue, now: jiff::Timestamp::UNIX_EPOCH };
        let outcomes: vec::Vec<Outcome> = LinkDuplex.judge(&case).iter().map(|finding| finding.outcome).collect();
        assert_eq!(LinkDuplex.meta().id, "link-duplex");
        assert_eq!(outcomes, [Outcome::Pass, Outcome::Warn, Outcome::Skip]);
    }
}

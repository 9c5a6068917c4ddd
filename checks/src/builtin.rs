//! The checks. This list is the whole registry, and its order is the order of the manual.

pub(crate) mod link_errors;
pub(crate) mod link_mtu;
mod link_pause;
mod link_state;
mod path_corrupt;
pub(crate) mod path_loss;
pub(crate) mod path_mtu;
pub(crate) mod path_reach;
mod path_reverse;
mod path_route;
mod pmtu_cache;
pub(crate) mod run;

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
    &link_mtu::LinkMtu,
    &link_state::LinkState,
    &link_errors::LinkErrors,
    &link_pause::LinkPause,
    &run::Run,
];

/// The check with that id.
#[must_use]
pub fn find(id: &str) -> Option<&'static dyn Check> {
    ALL.iter().copied().find(|check| check.meta().id == id)
}

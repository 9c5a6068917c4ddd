//! The checks. This list is the whole registry, and its order is the order of the manual.

use crate::check::Check;

/// Every check, in the order of the manual.
pub const ALL: &[&dyn Check] = &[];

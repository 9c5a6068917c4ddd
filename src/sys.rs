//! Everything unsafe, in small functions that explain themselves.

pub mod signal;
pub mod socket;

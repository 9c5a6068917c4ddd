//! `pathvet tune` on real files and settings, in user, network and mount namespaces of its own.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking, and says how much it tried")]

mod broken;
mod looks;
mod order;
#[path = "../random/mod.rs"]
mod random;
mod round_trip;
mod space;
mod trace;
mod winner;

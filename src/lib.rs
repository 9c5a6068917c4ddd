//! pathvet proves what a network path really carries, compares it with what every box on the path is set to, and names the
//! box that is wrong.
//!
//! This crate is everything that touches the world or is seen by the user; what thinks is in `pathvet_checks`.

pub mod catalogue;
pub mod child;
pub mod cli;
pub mod collect;
pub mod error;
pub mod host;
pub mod lab;
pub mod plan;
pub mod probe;
pub mod report;
pub mod resolve;
pub mod sys;
pub mod tune;

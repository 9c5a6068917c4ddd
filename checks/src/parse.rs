//! Text to structs.

pub mod sysctl;

//! Everything unsafe, in small functions that explain themselves.

pub mod frame;
pub mod ns;
pub mod offload;
pub mod ring;

//! Everything unsafe, in small functions that explain themselves.

pub mod device;
pub mod ethtool;
pub mod frame;
pub mod groups;
pub mod ns;
pub mod offload;
pub mod ring;
pub mod signal;
pub mod socket;

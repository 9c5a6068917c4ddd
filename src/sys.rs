//! Everything unsafe, in small functions that explain themselves.

pub mod ethtool;

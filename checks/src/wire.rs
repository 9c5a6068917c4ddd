//! Bytes and structs that no library has.

pub mod ethtool;
pub mod linkinfo;
pub mod mad;
pub mod nla;

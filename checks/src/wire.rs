//! Bytes and structs that no library has.

pub mod dcbnl;
mod dcbx;
pub mod ethtool;
pub mod linkinfo;
pub mod lldp;
pub mod mad;
pub mod nla;

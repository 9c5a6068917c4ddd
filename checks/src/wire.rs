//! Bytes and structs that no library has.

pub mod dcbnl;
pub(crate) mod dcbx;
pub mod ethtool;
pub mod linkinfo;
pub mod lldp;
pub mod mad;
pub mod nla;
pub mod pcap;
pub mod rtnl;

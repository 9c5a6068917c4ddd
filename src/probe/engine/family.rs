//! The sockets of one family.

use crate::probe::packet::Codec;
use crate::probe::sockets::{FragmentSocket, IcmpSocket, TcpSocket, UdpSocket};
use crate::probe::{Options, Target};
use pathvet_checks::evidence::{Gap, GapReason};
use std::io;

/// The sockets of one family.
pub(super) struct Family {
    pub(super) icmp: Option<IcmpSocket>,
    pub(super) udp: Option<UdpSocket>,
    pub(super) tcp: Option<TcpSocket>,
    pub(super) fragments: Option<FragmentSocket>,
    /// Answers in flight, as the receive buffer would count them.
    pub(super) outstanding: u64,
}

pub(super) fn open_family(v6: bool, targets: &[Target], options: &Options, codec: &Codec, gaps: &mut Vec<Gap>) -> Family {
    let mut family = Family { icmp: None, udp: None, tcp: None, fragments: None, outstanding: 0 };
    if !targets.iter().any(|target| target.address.is_ipv6() == v6) {
        return family;
    }
    let mut gap = |what: &str, error: &io::Error| {
        let right = if what == "icmp" { "CAP_NET_RAW or net.ipv4.ping_group_range" } else { "CAP_NET_RAW" };
        let denied = matches!(error.raw_os_error(), Some(libc::EPERM | libc::EACCES));
        gaps.push(Gap {
            what: format!("paths.{what}"),
            place: format!("socket({}, {what})", if v6 { "AF_INET6" } else { "AF_INET" }),
            reason: if denied { GapReason::NotPermitted } else { GapReason::Unsupported },
            detail: error.to_string().split(" (os error").next().unwrap_or_default().to_owned(),
            right: denied.then(|| right.to_owned()),
        });
    };
    if options.icmp {
        family.icmp = IcmpSocket::open(v6, codec, options.receive_buffer).map_err(|error| gap("icmp", &error)).ok();
    }
    if options.udp {
        family.udp = UdpSocket::open(v6).map_err(|error| gap("udp", &error)).ok();
    }
    if family.icmp.as_ref().is_none_or(|icmp| icmp.raw) {
        if options.tcp {
            family.tcp = TcpSocket::open(v6, codec).map_err(|error| gap("tcp", &error)).ok();
        }
        if options.icmp && !options.ladder_only {
            family.fragments = FragmentSocket::open(v6).ok();
        }
    }
    family
}

//! Data Center Bridging: dcbnl asks every Ethernet device that may have it, all in one batch.

use super::gap;
use crate::host::Host;
use pathvet_checks::evidence::{Dcb, Gap, GapReason, Link};
use pathvet_checks::wire::dcbnl::{self, Command, Fault, Reply};
use pathvet_checks::wire::nla;
use std::io;

/// Kinds of virtual devices that have no cable of their own.
const VIRTUAL: [&str; 23] = [
    "bareudp",
    "batadv",
    "bond",
    "bridge",
    "dummy",
    "erspan",
    "geneve",
    "gretap",
    "hsr",
    "ifb",
    "ip6gretap",
    "ipvlan",
    "ipvtap",
    "macsec",
    "macvlan",
    "macvtap",
    "nlmon",
    "team",
    "tun",
    "veth",
    "vlan",
    "vrf",
    "vxlan",
];

/// Whether it is an Ethernet device that may have a cable: not one of the kernel's own making.
pub(super) fn has_cable(link: &Link) -> bool {
    link.link_type.as_deref() == Some("ether") && !link.is_loopback() && !VIRTUAL.contains(&link.kind())
}

/// Fills in `dcb` of every link that has it.
///
/// A device without DCB answers `EOPNOTSUPP` ("Operation not supported"): that is a gap, and not a setting.
pub(super) fn dcb(host: &dyn Host, links: &mut [Link]) -> Vec<Gap> {
    let asked: Vec<usize> = (0..links.len()).filter(|&at| has_cable(&links[at])).collect();
    if asked.is_empty() {
        return Vec::new();
    }
    let answers = ask(host, Command::IeeeGet, asked.iter().map(|&at| links[at].ifname.as_str()));
    // A recording from before DCB was asked for holds none of the answers.
    let unasked = |answer: &io::Result<Vec<u8>>| answer.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
    if !host.live() && answers.iter().all(unasked) {
        let detail = "the recording holds no answer";
        let error = io::Error::new(io::ErrorKind::NotFound, detail);
        return vec![gap::from_error("links.dcb", place(Command::IeeeGet), &error)];
    }
    let mut gaps = Vec::new();
    let mut cee = Vec::new();
    for (at, answer) in asked.into_iter().zip(answers) {
        let what = format!("links.{}.dcb", links[at].ifname);
        match read(answer) {
            Ok((reply, _)) if reply.runs_cee() => cee.push(at),
            Ok((reply, faults)) => {
                gaps.extend(faults.iter().map(|fault| malformed(&what, Command::IeeeGet, fault)));
                links[at].dcb = known(reply.ieee_evidence());
            }
            Err(error) => gaps.push(refusal(&what, Command::IeeeGet, &error)),
        }
    }
    let answers = ask(host, Command::CeeGet, cee.iter().map(|&at| links[at].ifname.as_str()));
    for (at, answer) in cee.into_iter().zip(answers) {
        let what = format!("links.{}.dcb", links[at].ifname);
        match read(answer) {
            Ok((reply, faults)) => {
                gaps.extend(faults.iter().map(|fault| malformed(&what, Command::CeeGet, fault)));
                links[at].dcb = known(reply.cee_evidence());
            }
            Err(error) => gaps.push(refusal(&what, Command::CeeGet, &error)),
        }
    }
    gaps
}

fn ask<'n>(host: &dyn Host, command: Command, names: impl Iterator<Item = &'n str>) -> Vec<io::Result<Vec<u8>>> {
    let requests: Vec<_> = names.map(|name| dcbnl::request(command, name)).collect();
    if requests.is_empty() { Vec::new() } else { host.netlink_many(libc::NETLINK_ROUTE, &requests) }
}

fn read(answer: io::Result<Vec<u8>>) -> io::Result<(Reply, Vec<Fault>)> {
    let answer = answer?;
    let malformed = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
    let message = nla::messages(&answer).next().ok_or_else(|| malformed("an empty answer".into()))?;
    let message = message.map_err(|fault| malformed(fault.to_string()))?;
    if message.kind != dcbnl::GETDCB {
        return Err(malformed(format!("an answer of type {}", message.kind)));
    }
    dcbnl::parse(message.body).ok_or_else(|| malformed(format!("an answer of {} bytes", message.body.len())))
}

/// An answer in which nothing stands is not known to be "off".
fn known(dcb: Dcb) -> Option<Box<Dcb>> {
    let says = dcb.dcbx.is_some() || dcb.pfc.is_some() || dcb.ets.is_some() || dcb.app.is_some();
    says.then(|| Box::new(dcb))
}

fn refusal(what: &str, command: Command, error: &io::Error) -> Gap {
    let mut gap = gap::from_error(what, place(command), error);
    if gap.reason == GapReason::Unsupported {
        gap.detail = "this device has no DCB".into();
    }
    gap
}

fn malformed(what: &str, command: Command, fault: &Fault) -> Gap {
    gap::malformed(what, place(command), fault.to_string())
}

const fn place(command: Command) -> &'static str {
    match command {
        Command::IeeeGet => "netlink RTM_GETDCB IEEE_GET",
        Command::GetDcbx => "netlink RTM_GETDCB GDCBX",
        Command::CeeGet => "netlink RTM_GETDCB CEE_GET",
    }
}

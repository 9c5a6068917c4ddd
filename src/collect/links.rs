//! Network interfaces: rtnetlink for the devices and their addresses, ethtool for speed, pause and drivers, sysfs for what
//! neither says.

use super::{gap, rtnetlink, words};
use crate::host::Host;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkMessage};
use pathvet_checks::evidence::{Address, Gap, GapReason, Link, LinkInfo};
use pathvet_checks::wire::ethtool::{self, Question};
use pathvet_checks::wire::{linkinfo, nla};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Names of interfaces by index.
pub(super) type Names = BTreeMap<u32, String>;

/// `struct ifinfomsg`.
const LINK_HEADER: usize = 16;
/// `struct ifaddrmsg`.
const ADDRESS_HEADER: usize = 8;
const IFLA_LINKINFO: u16 = 18;
/// `IFLA_` `ADDRESS`, `IFNAME`, `MTU`, `LINK`, `MASTER`, `OPERSTATE`, `CARRIER`, `LINK_NETNSID`, `MIN_MTU`, `MAX_MTU`,
/// `PARENT_DEV_NAME`.
const LINK_ATTRIBUTES: [u16; 11] = [1, 3, 4, 5, 10, 16, 33, 37, 50, 51, 56];
/// `IFA_ADDRESS`, `IFA_LOCAL`.
const ADDRESS_ATTRIBUTES: [u16; 2] = [1, 2];
const DUMP_LINKS: &str = "netlink RTM_GETLINK";
const DUMP_ADDRESSES: &str = "netlink RTM_GETADDR";

/// Every interface of the network namespace, by index.
#[must_use]
pub fn links(host: &dyn Host) -> (Option<Vec<Link>>, Vec<Gap>) {
    let mut request = LinkMessage::default();
    request.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    let (raw, mut gaps) = rtnetlink::dump(host, "links", DUMP_LINKS, RouteNetlinkMessage::GetLink(request), read_link);
    if raw.as_ref().is_some_and(Vec::is_empty) && gaps.is_empty() {
        gaps.push(gap::malformed("links", DUMP_LINKS, "an empty answer; every machine has a loopback interface"));
    }
    let Some(raw) = raw.filter(|raw| !raw.is_empty()) else {
        if host.live() {
            return (None, gaps);
        }
        return match super::sysfs::links(host) {
            Some(links) => (Some(links), gaps),
            None => (None, gaps),
        };
    };

    let mut names: Names = BTreeMap::new();
    for (message, _) in &raw {
        if let Some(name) = ifname(message) {
            names.insert(message.header.index, name.to_owned());
        }
    }
    let mut links: Vec<Link> = Vec::with_capacity(raw.len());
    for (message, info) in &raw {
        match build(message, info.as_deref(), &names) {
            Some(link) => links.push(link),
            None => gaps.push(gap::malformed("links", DUMP_LINKS, format!("interface {} has no name", message.header.index))),
        }
    }
    links.sort_by_key(|link| link.ifindex);
    links.dedup_by_key(|link| link.ifindex);

    gaps.extend(addresses(host, &mut links));
    gaps.extend(ethtool_answers(host, &mut links));
    for link in &mut links {
        gaps.extend(device(host, link));
    }
    (Some(links), gaps)
}

/// The names of interfaces by index.
pub(super) fn names(links: &[Link]) -> Names {
    links.iter().map(|link| (link.ifindex, link.ifname.clone())).collect()
}

/// The name of an interface; iproute2's form for one that is not known.
pub(super) fn name(names: &Names, ifindex: u32) -> String {
    names.get(&ifindex).cloned().unwrap_or_else(|| format!("if{ifindex}"))
}

type RawLink = (LinkMessage, Option<Vec<u8>>);

fn read_link(message: &nla::Message<'_>) -> Result<Option<RawLink>, String> {
    let RouteNetlinkMessage::NewLink(link) = rtnetlink::parse(message, LINK_HEADER, &LINK_ATTRIBUTES)? else {
        return Ok(None);
    };
    let rest = message.body.get(LINK_HEADER..).unwrap_or_default();
    let info = nla::attributes(rest).flatten().find(|attribute| attribute.kind == IFLA_LINKINFO);
    Ok(Some((link, info.map(|attribute| attribute.value.to_vec()))))
}

fn ifname(message: &LinkMessage) -> Option<&str> {
    message.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.as_str()),
        _ => None,
    })
}

fn build(message: &LinkMessage, info: Option<&[u8]>, names: &Names) -> Option<Link> {
    let link_type = u16::from(message.header.link_layer_type);
    let mut link = Link {
        ifname: ifname(message)?.to_owned(),
        ifindex: message.header.index,
        flags: words::link_flags(message.header.flags.bits()),
        link_type: Some(words::link_type(link_type)),
        linkinfo: info.map(|payload| linkinfo::read(payload, names)).filter(|info| *info != LinkInfo::default()),
        source: "netlink".into(),
        ..Link::default()
    };
    let mut lower = None;
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
            LinkAttribute::MinMtu(mtu) => link.min_mtu = Some(*mtu),
            LinkAttribute::MaxMtu(mtu) => link.max_mtu = Some(*mtu).filter(|&mtu| mtu != 0),
            LinkAttribute::Address(bytes) => link.address = words::link_address(link_type, bytes),
            LinkAttribute::OperState(state) => link.operstate = Some(words::operstate(u8::from(*state)).into()),
            LinkAttribute::Carrier(carrier) => link.carrier = Some(*carrier != 0),
            LinkAttribute::Controller(index) => {
                link.master = Some(*index).filter(|&index| index != 0).map(|index| name(names, index));
            }
            LinkAttribute::Link(index) => lower = Some(*index).filter(|&index| index != 0),
            LinkAttribute::LinkNetNsId(id) => link.link_netnsid = Some(*id),
            LinkAttribute::ParentDevName(bus) => link.bus = Some(bus.clone()),
            _ => {}
        }
    }
    // With a namespace id the index is one of that namespace; a device of its own index is its own lower device.
    link.link = match (lower, link.link_netnsid) {
        (Some(index), Some(_)) => Some(format!("@{index}")),
        (Some(index), None) if index != link.ifindex => Some(name(names, index)),
        _ => None,
    };
    Some(link)
}

/// Fills in the addresses of all links.
fn addresses(host: &dyn Host, links: &mut [Link]) -> Vec<Gap> {
    let request = RouteNetlinkMessage::GetAddress(AddressMessage::default());
    let (rows, gaps) = rtnetlink::dump(host, "links.addresses", DUMP_ADDRESSES, request, |message| {
        let parsed = rtnetlink::parse(message, ADDRESS_HEADER, &ADDRESS_ATTRIBUTES)?;
        Ok(if let RouteNetlinkMessage::NewAddress(row) = parsed { Some(row) } else { None })
    });
    for row in rows.into_iter().flatten() {
        let mut address = None;
        let mut local = None;
        for attribute in &row.attributes {
            match attribute {
                AddressAttribute::Address(ip) => address = Some(*ip),
                AddressAttribute::Local(ip) => local = Some(*ip),
                _ => {}
            }
        }
        // On a point-to-point link IFA_ADDRESS is the peer's (linux/if_addr.h).
        let Some(local) = local.or(address) else { continue };
        let Ok(at) = links.binary_search_by_key(&row.header.index, |link| link.ifindex) else { continue };
        let family = if matches!(local, IpAddr::V4(_)) { "inet" } else { "inet6" };
        links[at].addresses.push(Address { local, prefixlen: row.header.prefix_len, family: family.into() });
    }
    gaps
}

/// Speed, duplex, pause and private flags: one dump each, whatever the number of interfaces.
fn ethtool_answers(host: &dyn Host, links: &mut [Link]) -> Vec<Gap> {
    let generic = |request: &[u8]| host.netlink(libc::NETLINK_GENERIC, request);
    let family = match generic(&ethtool::family_request()) {
        Ok(answer) => ethtool::family_id(&answer),
        Err(error) => {
            for link in links.iter_mut() {
                super::sysfs::speed(host, link);
            }
            return vec![gap::from_error("links.pause", "generic netlink ethtool", &error)];
        }
    };
    let Some(family) = family else {
        return vec![gap::malformed("links.pause", "generic netlink ethtool", "no family number in the answer")];
    };
    let mut gaps = Vec::new();
    for (question, what, place) in [
        (Question::LinkModes, "links.speed_mbps", "ethtool LINKMODES_GET"),
        (Question::Pause, "links.pause", "ethtool PAUSE_GET"),
        (Question::PrivateFlags, "links.private_flags", "ethtool PRIVFLAGS_GET"),
    ] {
        let answer = match generic(&ethtool::dump_request(family, question)) {
            Ok(answer) => answer,
            Err(error) => {
                gaps.push(gap::from_error(what, place, &error));
                continue;
            }
        };
        for message in nla::messages(&answer) {
            let message = match message {
                Ok(message) => message,
                Err(fault) => {
                    gaps.push(gap::malformed(what, place, fault.to_string()));
                    continue;
                }
            };
            let Some(answer) = ethtool::answer(&message, question) else { continue };
            let Ok(at) = links.binary_search_by_key(&answer.ifindex, |link| link.ifindex) else { continue };
            let link = &mut links[at];
            match question {
                Question::LinkModes => {
                    link.speed_mbps = answer.speed_mbps;
                    link.duplex = answer.duplex.map(str::to_owned);
                }
                Question::Pause => link.pause = answer.pause,
                Question::PrivateFlags => link.private_flags = answer.private_flags.filter(|flags| !flags.is_empty()),
            }
        }
    }
    gaps
}

/// Driver, firmware, bus and physical function of what is not a virtual device of the kernel's own.
fn device(host: &dyn Host, link: &mut Link) -> Option<Gap> {
    if link.is_loopback() || !matches!(link.kind(), "" | "ipoib") {
        return None;
    }
    let refused = match host.driver(&link.ifname) {
        Ok(info) => {
            link.driver = info.driver;
            link.firmware = info.firmware;
            link.bus = info.bus.or(link.bus.take());
            None
        }
        Err(error) => Some(error),
    };
    if !super::sysfs::shows(host, link) {
        let place = format!("/sys/class/net/{}", link.ifname);
        let detail = "sysfs shows another network namespace, or is not mounted";
        let what = format!("links.{}.physfn", link.ifname);
        return Some(Gap { what, place, reason: GapReason::NotPresent, detail: detail.into(), right: None });
    }
    super::sysfs::device(host, link);
    let error = refused.filter(|_| link.driver.is_none())?;
    Some(gap::from_error(&format!("links.{}.driver", link.ifname), "ETHTOOL_GDRVINFO", &error))
}

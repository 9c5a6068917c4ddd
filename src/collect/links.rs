//! Network interfaces: rtnetlink for the devices and their addresses, ethtool for speed, pause and drivers, sysfs for what
//! neither says.

use super::{gap, rtnetlink, words};
use crate::host::Host;
use pathvet_checks::evidence::{Address, Gap, GapReason, Link, LinkInfo};
use pathvet_checks::wire::ethtool::{self, Question};
use pathvet_checks::wire::{linkinfo, nla, rtnl};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Names of interfaces by index.
pub(super) type Names = BTreeMap<u32, String>;

const DUMP_LINKS: &str = "netlink RTM_GETLINK";
const DUMP_ADDRESSES: &str = "netlink RTM_GETADDR";

/// Every interface of the network namespace, by index.
#[must_use]
pub fn links(host: &dyn Host) -> (Option<Vec<Link>>, Vec<Gap>) {
    let mut names: Names = BTreeMap::new();
    let (raw, mut gaps) = rtnetlink::dump(host, "links", DUMP_LINKS, &rtnl::links_request(), |message| {
        let Some(row) = rtnl::Link::read(message)? else { return Ok(None) };
        names.extend(row.name.map(|name| (row.index, name.to_owned())));
        Ok(Some((row.index, row.name.map(|name| RawLink::new(&row, name)))))
    });
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

    let mut links: Vec<Link> = Vec::with_capacity(raw.len());
    for (index, row) in raw {
        match row {
            Some(row) => links.push(row.named(&names)),
            None => gaps.push(gap::malformed("links", DUMP_LINKS, format!("interface {index} has no name"))),
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

/// A link before the names of all are known.
struct RawLink {
    link: Link,
    /// Index of the device below; 0 for none.
    lower: u32,
    /// Index of what the link is part of; 0 for none.
    master: u32,
    info: Option<Vec<u8>>,
}

impl RawLink {
    fn new(row: &rtnl::Link<'_>, ifname: &str) -> Self {
        let link = Link {
            ifname: ifname.to_owned(),
            ifindex: row.index,
            flags: words::link_flags(row.flags),
            link_type: Some(words::link_type(row.link_type)),
            mtu: row.mtu.unwrap_or_default(),
            min_mtu: row.min_mtu,
            max_mtu: row.max_mtu.filter(|&mtu| mtu != 0),
            address: row.address.and_then(|address| words::link_address(row.link_type, address)),
            operstate: row.operstate.map(|state| words::operstate(state).into()),
            carrier: row.carrier,
            link_netnsid: row.netnsid,
            bus: row.parent.map(str::to_owned),
            source: "netlink".into(),
            ..Link::default()
        };
        let [lower, master] = [row.link, row.master].map(Option::unwrap_or_default);
        Self { link, lower, master, info: row.info.map(<[u8]>::to_vec) }
    }

    fn named(self, names: &Names) -> Link {
        let Self { mut link, lower, master, info } = self;
        link.linkinfo = info.map(|payload| linkinfo::read(&payload, names)).filter(|info| *info != LinkInfo::default());
        link.master = (master != 0).then(|| name(names, master));
        // With a namespace id the index is one of that namespace; a device of its own index is its own lower device.
        link.link = match (lower, link.link_netnsid) {
            (0, _) => None,
            (index, Some(_)) => Some(format!("@{index}")),
            (index, None) => (index != link.ifindex).then(|| name(names, index)),
        };
        link
    }
}

/// Fills in the addresses of all links.
fn addresses(host: &dyn Host, links: &mut [Link]) -> Vec<Gap> {
    let request = rtnl::addresses_request();
    let (rows, gaps) = rtnetlink::dump(host, "links.addresses", DUMP_ADDRESSES, &request, rtnl::Address::read);
    for row in rows.into_iter().flatten() {
        // On a point-to-point link IFA_ADDRESS is the peer's (linux/if_addr.h).
        let Some(local) = row.local.or(row.address) else { continue };
        let Ok(at) = links.binary_search_by_key(&row.index, |link| link.ifindex) else { continue };
        let family = if matches!(local, IpAddr::V4(_)) { "inet" } else { "inet6" };
        links[at].addresses.push(Address { local, prefixlen: row.prefix_length, family: family.into() });
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

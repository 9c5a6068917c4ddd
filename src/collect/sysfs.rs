//! What `/sys/class/net` says of interfaces: believed only where its `ifindex` is netlink's, since a process that changed its
//! network namespace still sees the sysfs of the first.

use super::identity::line;
use super::words;
use crate::host::Host;
use pathvet_checks::evidence::Link;
use std::str::FromStr;

const CLASS: &str = "/sys/class/net";

fn value<T: FromStr>(host: &dyn Host, ifname: &str, file: &str) -> Option<T> {
    line(host, &format!("{CLASS}/{ifname}/{file}")).ok()?.parse().ok()
}

/// Whether sysfs has the same interface as netlink: index and link-layer address are equal.
pub(super) fn shows(host: &dyn Host, link: &Link) -> bool {
    value(host, &link.ifname, "ifindex") == Some(link.ifindex)
        && line(host, &format!("{CLASS}/{}/address", link.ifname)).ok().filter(|address| !address.is_empty()) == link.address
}

/// Driver and physical function of a device that [`shows`].
pub(super) fn device(host: &dyn Host, link: &mut Link) {
    let base = format!("{CLASS}/{}/device", link.ifname);
    if link.driver.is_none() {
        let target = host.link(&format!("{base}/driver")).ok();
        link.driver = target.and_then(|target| target.rsplit('/').next().map(str::to_owned)).filter(|name| !name.is_empty());
    }
    if link.driver.is_some() {
        link.physfn = host.list(&format!("{base}/physfn/net")).ok().and_then(|names| names.into_iter().next());
    }
}

/// `speed` and `duplex`, for kernels whose ethtool has no netlink; -1 and an error mean unknown.
pub(super) fn speed(host: &dyn Host, link: &mut Link) {
    if link.is_loopback() || !shows(host, link) {
        return;
    }
    link.speed_mbps =
        value::<i64>(host, &link.ifname, "speed").and_then(|speed| u32::try_from(speed).ok()).filter(|&speed| speed != 0);
    link.duplex = value::<String>(host, &link.ifname, "duplex").filter(|word| word == "full" || word == "half");
}

/// The interfaces of a tree that holds no netlink answers. `None` where it has no `/sys/class/net` either.
pub(super) fn links(host: &dyn Host) -> Option<Vec<Link>> {
    let mut links: Vec<Link> = host.list(CLASS).ok()?.iter().filter_map(|ifname| link(host, ifname)).collect();
    links.sort_by_key(|link| link.ifindex);
    links.dedup_by_key(|link| link.ifindex);
    let names = super::links::names(&links);
    for link in &mut links {
        let below = value::<u32>(host, &link.ifname, "iflink").filter(|&index| index != link.ifindex && index != 0);
        link.link = below.map(|index| super::links::name(&names, index));
    }
    Some(links)
}

fn link(host: &dyn Host, ifname: &str) -> Option<Link> {
    let ifindex = value(host, ifname, "ifindex")?;
    let flags = line(host, &format!("{CLASS}/{ifname}/flags")).ok();
    let flags = flags.and_then(|text| u32::from_str_radix(text.strip_prefix("0x")?, 16).ok());
    let master = host.link(&format!("{CLASS}/{ifname}/master")).ok();
    let carrier = value::<u8>(host, ifname, "carrier").map(|carrier| carrier != 0);
    let mut link = Link {
        ifname: ifname.to_owned(),
        ifindex,
        mtu: value(host, ifname, "mtu")?,
        operstate: value(host, ifname, "operstate"),
        carrier,
        // IFF_LOWER_UP and IFF_RUNNING are not in the file (dev_get_flags): the carrier says both.
        flags: flags
            .map(|flags| words::link_flags(flags | if carrier == Some(true) { 1 << 6 | 1 << 16 } else { 0 }))
            .unwrap_or_default(),
        link_type: value::<u16>(host, ifname, "type").map(words::link_type),
        address: line(host, &format!("{CLASS}/{ifname}/address")).ok().filter(|address| !address.is_empty()),
        master: master.and_then(|target| target.rsplit('/').next().map(str::to_owned)),
        source: "sysfs".into(),
        ..Link::default()
    };
    speed(host, &mut link);
    device(host, &mut link);
    Some(link)
}

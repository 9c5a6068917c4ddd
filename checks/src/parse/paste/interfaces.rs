//! Interfaces, from `ip -d link`, `ip addr` and both shapes of `ifconfig`.

use crate::evidence::{Address, Ipoib, Link, LinkInfo};
use crate::parse::infiniband::number;
use crate::parse::{Fault, quoted};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The interface that a line begins. It stands at the start of the line: an indented line never begins one.
pub(super) fn first_line(line: &str) -> Option<Result<Link, String>> {
    if line.starts_with(char::is_whitespace) {
        return None;
    }
    ip_link(line).or_else(|| new_ifconfig(line)).or_else(|| old_ifconfig(line))
}

/// `6: ib0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 65520 qdisc fq_codel state UP …`
fn ip_link(line: &str) -> Option<Result<Link, String>> {
    let (index, rest) = line.split_once(": ")?;
    let ifindex = index.parse().ok()?;
    let (name, rest) = rest.split_once(": <")?;
    let (flags, rest) = rest.split_once('>')?;
    let (name, below) = name.split_once('@').map_or((name, None), |(name, below)| (name, Some(below)));
    let flags: Vec<String> = flags.split(',').map(str::to_string).collect();
    let mut device = Link {
        ifname: name.to_string(),
        ifindex,
        carrier: Some(flags.iter().any(|flag| flag == "LOWER_UP")),
        link: below.filter(|below| *below != "NONE").map(str::to_string),
        flags,
        ..Link::default()
    };
    let mut words = rest.split_whitespace();
    let mut mtu = None;
    while let Some(word) = words.next() {
        match word {
            "mtu" => mtu = words.next(),
            "state" => device.operstate = words.next().map(str::to_lowercase),
            "master" => device.master = words.next().map(str::to_string),
            _ => {}
        }
    }
    Some(with_mtu(device, mtu))
}

/// `ib0: flags=4163<UP,BROADCAST,RUNNING,MULTICAST>  mtu 65520`
fn new_ifconfig(line: &str) -> Option<Result<Link, String>> {
    let (name, rest) = line.split_once(": flags=")?;
    let (_, rest) = rest.split_once('<')?;
    let (flags, rest) = rest.split_once('>')?;
    let mut words = rest.split_whitespace();
    let mtu = words.find(|word| *word == "mtu").and_then(|_| words.next());
    let device = Link { ifname: name.to_string(), ..Link::default() };
    Some(with_mtu(with_flags(device, flags.split(',')), mtu))
}

/// `ib0       Link encap:InfiniBand  HWaddr 80:00:…`, whose words are translated in other languages. `encap:` is not.
fn old_ifconfig(line: &str) -> Option<Result<Link, String>> {
    let (before, kind) = line.split_once("encap:")?;
    let name = before.split_whitespace().next()?;
    let kind = kind.split("  ").next().unwrap_or_default().trim();
    let mut device = Link { ifname: name.to_string(), link_type: Some(link_type(name, kind)), ..Link::default() };
    hardware_address(&mut device, line.split_whitespace().find_map(link_address));
    Some(Ok(device))
}

/// Of an `IPoIB` address ifconfig's ioctl carries the first bytes alone (ifconfig(8), BUGS): it is no address, but it has the flag.
fn hardware_address(device: &mut Link, address: Option<String>) {
    if device.link_type.as_deref() == Some("infiniband") {
        let flags = address.as_deref().and_then(|address| u8::from_str_radix(address.get(..2)?, 16).ok());
        let connected_capable = flags.map(|flags| flags & 0x80 != 0);
        device.ipoib = Some(Ipoib { connected_capable, ..Ipoib::default() }.into());
    } else {
        device.address = address.filter(|_| device.link_type.as_deref() != Some("unspec"));
    }
}

/// net-tools before 1.60-24 do not know InfiniBand: `UNSPEC`.
fn link_type(name: &str, word: &str) -> String {
    match word.to_lowercase().as_str() {
        "infiniband" => "infiniband".into(),
        "unspec" if name.starts_with("ib") => "infiniband".into(),
        "ethernet" => "ether".into(),
        other if other.contains("loop") => "loopback".into(),
        other => other.to_string(),
    }
}

fn with_mtu(mut device: Link, mtu: Option<&str>) -> Result<Link, String> {
    let mtu = mtu.ok_or_else(|| format!("{}: no mtu", quoted(&device.ifname)))?;
    device.mtu = mtu.parse().map_err(|_| format!("{}: mtu `{}` is no number", quoted(&device.ifname), quoted(mtu)))?;
    Ok(device)
}

/// ifconfig's flags; `RUNNING` is its word for a carrier.
fn with_flags<'a>(mut device: Link, flags: impl Iterator<Item = &'a str>) -> Link {
    let flags: Vec<&str> = flags.collect();
    let running = flags.contains(&"RUNNING");
    device.carrier = Some(running);
    device.flags = flags.into_iter().filter(|flag| *flag != "RUNNING").map(str::to_string).collect();
    if running {
        device.flags.push("LOWER_UP".into());
    }
    device
}

/// A link-layer address of 6 or 20 bytes, lower case.
fn link_address(word: &str) -> Option<String> {
    let separator = if word.contains('-') { '-' } else { ':' };
    let parts: Vec<&str> = word.split(separator).collect();
    let lawful = parts.len() >= 6 && parts.iter().all(|part| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit()));
    lawful.then(|| parts.join(":").to_lowercase())
}

/// A further line of an interface.
pub(super) fn detail(device: &mut Link, line: u32, text: &str) -> Result<(), Fault> {
    let mut words = text.split_whitespace();
    let first = words.next().unwrap_or_default();
    if let Some(kind) = first.strip_prefix("link/") {
        device.link_type = Some(kind.to_string());
        device.address = words.next().and_then(link_address);
        capable(device);
    } else if first == "ipoib" {
        return ipoib(device, words, line);
    } else if first == "infiniband" || first == "ether" {
        // net-tools 2: `infiniband 80:00:…  txqueuelen 256  (InfiniBand)`
        device.link_type = Some(first.to_string());
        hardware_address(device, words.next().and_then(link_address));
    } else if let Some(mtu) = text.split_whitespace().find_map(|word| word.strip_prefix("MTU:")) {
        // net-tools 1: `UP BROADCAST RUNNING MULTICAST  MTU:65520  Metric:1`
        let flags = text.split_whitespace().filter(|word| word.bytes().all(|byte| byte.is_ascii_uppercase()));
        let found = with_flags(core::mem::take(device), flags);
        *device = found;
        device.mtu = mtu.parse().map_err(|_| Fault::new(line, "MTU", format!("`{}` is no number", quoted(mtu))))?;
    } else if text.contains("inet") {
        device
            .addresses
            .extend(addresses(text).into_iter().filter(|address| !device.addresses.contains(address)).collect::<Vec<_>>());
    }
    Ok(())
}

/// `ipoib pkey  0xffff mode  connected umcast  0000 …`
fn ipoib<'a>(device: &mut Link, mut words: impl Iterator<Item = &'a str>, line: u32) -> Result<(), Fault> {
    let mut found = Ipoib { parent: device.link.clone(), ..Ipoib::default() };
    let mut fault = None;
    while let Some(word) = words.next() {
        let mut wrong = |value: &str| {
            fault.get_or_insert_with(|| Fault::new(line, word, format!("`{}` cannot be read", quoted(value))));
        };
        match word {
            "pkey" => {
                let value = words.next().unwrap_or_default();
                found.pkey = number(value).and_then(|pkey| u16::try_from(pkey).ok());
                if found.pkey.is_none() {
                    wrong(value);
                }
            }
            "mode" => match words.next() {
                Some(mode @ ("datagram" | "connected")) => found.mode = Some(mode.to_string()),
                other => wrong(other.unwrap_or_default()),
            },
            "umcast" => found.umcast = words.next().and_then(number).map(|number| number != 0),
            _ => {}
        }
    }
    device.linkinfo = Some(LinkInfo { info_kind: Some("ipoib".into()), ..LinkInfo::default() });
    device.ipoib = Some(found.into());
    capable(device);
    fault.map_or(Ok(()), Err)
}

/// Connected mode can be had where bit 7 of the address is set.
fn capable(device: &mut Link) {
    let first = device.address.as_deref().filter(|address| address.len() == 59).and_then(|address| address.get(..2));
    let flags = first.and_then(|byte| u8::from_str_radix(byte, 16).ok());
    if let Some(ipoib) = &mut device.ipoib {
        ipoib.connected_capable = flags.map(|flags| flags & 0x80 != 0);
    }
}

/// The addresses of a line, in any language: `inet 10.0.0.1/24`, `inet addr:10.0.0.1  Bcast:…  Mask:255.255.255.0`,
/// `inet 10.0.0.1  netmask 255.255.255.0`, `inet6 addr: fe80::1/64 Scope:Link`, `inet6 fe80::1  prefixlen 64`.
fn addresses(text: &str) -> Option<Address> {
    let pieces = || text.split(|c: char| c.is_whitespace() || c == '<');
    if text.contains("inet6") {
        let found = pieces().find_map(|word| {
            let (address, prefix) = word.split_once('/').map_or((word, None), |(address, prefix)| (address, prefix.parse().ok()));
            Some((address.parse::<Ipv6Addr>().ok()?, prefix))
        })?;
        let mut words = pieces();
        let named = words.find(|word| *word == "prefixlen").and_then(|_| words.next()?.parse().ok());
        let prefixlen = found.1.or(named).filter(|length: &u8| *length <= 128)?;
        return Some(Address { local: IpAddr::V6(found.0), prefixlen, family: "inet6".into() });
    }
    let quads = || pieces().filter_map(|word| word.rsplit(':').next().filter(|part| !part.is_empty()));
    let (address, prefix) = quads().find_map(|word| {
        let (address, prefix) = word.split_once('/').map_or((word, None), |(address, prefix)| (address, prefix.parse::<u8>().ok()));
        Some((address.parse::<Ipv4Addr>().ok()?, prefix))
    })?;
    let mask = quads()
        .skip(1)
        .filter_map(|word| word.parse::<Ipv4Addr>().ok())
        .filter(|other| *other != address)
        .filter_map(mask_length)
        .last();
    let prefixlen = prefix.or(mask).filter(|length| *length <= 32)?;
    Some(Address { local: IpAddr::V4(address), prefixlen, family: "inet".into() })
}

/// The length of a netmask; `None` for what is none.
fn mask_length(mask: Ipv4Addr) -> Option<u8> {
    let bits = u32::from(mask);
    let ones = bits.leading_ones();
    (bits != 0 && ones == bits.count_ones()).then(|| u8::try_from(ones).unwrap_or(32))
}

//! The words that iproute2 prints for numbers of the kernel.

use std::net::IpAddr;

/// `ifi_flags` (`linux/if.h`) in the words and order of `ip link`. `RUNNING` is not printed: `NO-CARRIER` says when it is
/// missing.
pub(super) fn link_flags(flags: u32) -> Vec<String> {
    const UP: u32 = 1;
    const RUNNING: u32 = 1 << 6;
    const WORDS: [(u32, &str); 18] = [
        (1 << 3, "LOOPBACK"),
        (1 << 1, "BROADCAST"),
        (1 << 4, "POINTOPOINT"),
        (1 << 12, "MULTICAST"),
        (1 << 7, "NOARP"),
        (1 << 9, "ALLMULTI"),
        (1 << 8, "PROMISC"),
        (1 << 10, "MASTER"),
        (1 << 11, "SLAVE"),
        (1 << 2, "DEBUG"),
        (1 << 15, "DYNAMIC"),
        (1 << 14, "AUTOMEDIA"),
        (1 << 13, "PORTSEL"),
        (1 << 5, "NOTRAILERS"),
        (UP, "UP"),
        (1 << 16, "LOWER_UP"),
        (1 << 17, "DORMANT"),
        (1 << 18, "ECHO"),
    ];
    let no_carrier = (flags & UP != 0 && flags & RUNNING == 0).then_some("NO-CARRIER");
    let words = WORDS.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, word)| *word);
    no_carrier.into_iter().chain(words).map(str::to_owned).collect()
}

/// `ARPHRD_*` (`linux/if_arp.h`).
pub(super) fn link_type(number: u16) -> String {
    let word = match number {
        1 => "ether",
        24 => "ieee1394",
        32 => "infiniband",
        256 => "slip",
        280 => "can",
        512 => "ppp",
        513 => "hdlc",
        519 => "rawip",
        768 => "ipip",
        769 => "tunnel6",
        772 => "loopback",
        776 => "sit",
        778 => "gre",
        779 => "pimreg",
        801 => "ieee802.11",
        803 => "ieee802.11/radiotap",
        804 => "ieee802.15.4",
        820 => "phonet",
        823 => "gre6",
        824 => "netlink",
        825 => "6lowpan",
        0xfffe => "none",
        0xffff => "void",
        other => return format!("[{other}]"),
    };
    word.into()
}

/// `IF_OPER_*` (RFC 2863, `linux/if.h`).
pub(super) fn operstate(number: u8) -> &'static str {
    ["unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up"].get(usize::from(number)).unwrap_or(&"unknown")
}

/// `NUD_*` (`linux/neighbour.h`); of several bits the one that says most.
pub(super) fn neighbour_state(state: u16) -> &'static str {
    const WORDS: [(u16, &str); 8] = [
        (0x80, "permanent"),
        (0x40, "noarp"),
        (0x02, "reachable"),
        (0x08, "delay"),
        (0x10, "probe"),
        (0x04, "stale"),
        (0x20, "failed"),
        (0x01, "incomplete"),
    ];
    WORDS.iter().find(|(bit, _)| state & bit != 0).map_or("none", |(_, word)| word)
}

/// `RTN_*` (`linux/rtnetlink.h`).
pub(super) fn route_type(number: u8) -> String {
    const WORDS: [&str; 13] = [
        "none",
        "unicast",
        "local",
        "broadcast",
        "anycast",
        "multicast",
        "blackhole",
        "unreachable",
        "prohibit",
        "throw",
        "nat",
        "xresolve",
        "",
    ];
    WORDS.get(usize::from(number)).filter(|word| !word.is_empty()).map_or_else(|| number.to_string(), |word| (*word).into())
}

/// `RTPROT_*` (`linux/rtnetlink.h`).
pub(super) fn route_protocol(number: u8) -> String {
    let word = match number {
        0 => "unspec",
        1 => "redirect",
        2 => "kernel",
        3 => "boot",
        4 => "static",
        8 => "gated",
        9 => "ra",
        10 => "mrt",
        11 => "zebra",
        12 => "bird",
        13 => "dnrouted",
        14 => "xorp",
        15 => "ntk",
        16 => "dhcp",
        18 => "keepalived",
        42 => "babel",
        99 => "openr",
        186 => "bgp",
        187 => "isis",
        188 => "ospf",
        189 => "rip",
        192 => "eigrp",
        other => return other.to_string(),
    };
    word.into()
}

/// `RT_SCOPE_*` (`linux/rtnetlink.h`).
pub(super) fn scope(number: u8) -> String {
    let word = match number {
        0 => "global",
        200 => "site",
        253 => "link",
        254 => "host",
        255 => "nowhere",
        other => return other.to_string(),
    };
    word.into()
}

/// A link-layer address: dotted for a tunnel whose address is an IP address, else hexadecimal with colons.
pub(super) fn link_address(link_type: u16, bytes: &[u8]) -> Option<String> {
    if bytes.is_empty() {
        return None;
    }
    if let (768 | 776 | 778, Ok(octets)) = (link_type, <[u8; 4]>::try_from(bytes)) {
        return Some(IpAddr::from(octets).to_string());
    }
    if let (769 | 823, Ok(octets)) = (link_type, <[u8; 16]>::try_from(bytes)) {
        return Some(IpAddr::from(octets).to_string());
    }
    Some(pathvet_checks::wire::linkinfo::mac(bytes))
}

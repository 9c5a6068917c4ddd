//! `IFLA_LINKINFO` in the keys and words of `ip -d -j link`.
//!
//! One table a kind of device, one row an attribute: its number (`linux/if_link.h`, `linux/if_tunnel.h`), the key that
//! iproute2 prints it under, and how iproute2 shows its value. An attribute without a row is left out.

use super::nla::{Attribute, attributes, read_u16};
use crate::evidence::LinkInfo;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Write as _;
use core::net::IpAddr;
use serde_json::{Value, json};

/// How a value is shown.
#[derive(Clone, Copy)]
enum Shape {
    /// A number in host order.
    Number,
    /// A signed 32-bit number.
    Signed,
    /// A number in network order.
    Big,
    /// A number in hexadecimal, as a string.
    Hex,
    /// The same, left out where it is 0.
    HexUnlessZero,
    /// True or false.
    OnOff,
    /// `null`: the attribute's presence is the fact.
    Flag,
    /// `true`: the attribute's presence is the fact.
    True,
    /// `true`, left out where it is 0.
    TrueUnlessZero,
    /// A word, by number; a number beyond the list is left as it is.
    Word(&'static [&'static str]),
    /// An interface index, as its name.
    Link,
    /// A link-layer address.
    Mac,
    /// An IP address; the unspecified one is left out, a multicast one goes under the other key.
    Ip { multicast: &'static str },
    /// A tunnel's end; the unspecified one is `any`.
    Endpoint,
    /// A VLAN protocol.
    Protocol,
    /// A VLAN's map between the kernel's priorities and those of tags.
    QosMap,
    /// A bridge id: priority, point, address without leading zeros.
    BridgeId,
    /// `struct ifla_vxlan_port_range`.
    PortRange,
    /// A GRE key in dotted form.
    Key,
    /// `IFLA_BOND_AD_INFO`.
    AdInfo,
    /// A bond port's LACP state, as number and, under `_str`, as words.
    Lacp,
}

use Shape::{
    AdInfo, Big, BridgeId, Endpoint, Flag, Hex, HexUnlessZero, Ip, Key, Lacp, Link, Mac, Number, OnOff, PortRange, Protocol,
    QosMap, Signed, True, TrueUnlessZero, Word,
};

type Row = (u16, &'static str, Shape);

const DF: Shape = Word(&["unset", "set", "inherit"]);

const VLAN: &[Row] = &[(1, "id", Number), (3, "egress_qos", QosMap), (4, "ingress_qos", QosMap), (5, "protocol", Protocol)];

const VXLAN: &[Row] = &[
    (1, "id", Number),
    (2, "remote", Ip { multicast: "group" }),
    (3, "link", Link),
    (4, "local", Ip { multicast: "local" }),
    (5, "ttl", Number),
    (6, "tos", HexUnlessZero),
    (7, "learning", OnOff),
    (10, "port_range", PortRange),
    (15, "port", Big),
    (16, "remote6", Ip { multicast: "group6" }),
    (17, "local6", Ip { multicast: "local6" }),
    (18, "udp_csum", OnOff),
    (19, "udp_zero_csum6_tx", OnOff),
    (20, "udp_zero_csum6_rx", OnOff),
    (23, "gbp", Flag),
    (25, "external", TrueUnlessZero),
    (27, "gpe", Flag),
    (29, "df", DF),
];

const GENEVE: &[Row] = &[
    (1, "id", Number),
    (2, "remote", Ip { multicast: "remote" }),
    (3, "ttl", Number),
    (4, "tos", HexUnlessZero),
    (5, "port", Big),
    (6, "external", True),
    (7, "remote6", Ip { multicast: "remote6" }),
    (8, "udp_csum", OnOff),
    (9, "udp_zero_csum6_tx", OnOff),
    (10, "udp_zero_csum6_rx", OnOff),
    (13, "df", DF),
    (14, "inner_proto_inherit", True),
    (17, "local", Ip { multicast: "local" }),
    (18, "local6", Ip { multicast: "local6" }),
];

/// gre, gretap, erspan and their IPv6 forms; `iflags` and `oflags` are settled in [`gre_flags`].
const GRE: &[Row] = &[
    (1, "link", Link),
    (4, "ikey", Key),
    (5, "okey", Key),
    (6, "local", Endpoint),
    (7, "remote", Endpoint),
    (8, "ttl", Number),
    (9, "tos", HexUnlessZero),
    (10, "pmtudisc", OnOff),
    (11, "encap_limit", Number),
    (18, "external", True),
];

const IPTUN: &[Row] = &[
    (1, "link", Link),
    (2, "local", Endpoint),
    (3, "remote", Endpoint),
    (4, "ttl", Number),
    (5, "tos", HexUnlessZero),
    (10, "pmtudisc", OnOff),
    (19, "external", True),
];

const IP6TNL: &[Row] = &[
    (1, "link", Link),
    (2, "local", Endpoint),
    (3, "remote", Endpoint),
    (4, "ttl", Number),
    (6, "encap_limit", Number),
    (19, "external", True),
];

const MACVLAN: &[Row] = &[(1, "mode", Number)];
const IPVLAN: &[Row] = &[(1, "mode", Word(&["l2", "l3", "l3s"]))];
const IPOIB: &[Row] = &[(1, "key", Number), (2, "mode", Word(&["datagram", "connected"])), (3, "umcast", Number)];
const VRF: &[Row] = &[(1, "table", Number)];
const XFRM: &[Row] = &[(1, "link", Link), (2, "if_id", HexUnlessZero)];
/// Who owns the device (1, 2) is left out.
const TUN: &[Row] = &[
    (3, "type", Word(&["", "tun", "tap"])),
    (4, "pi", OnOff),
    (5, "vnet_hdr", OnOff),
    (6, "persist", OnOff),
    (7, "multi_queue", OnOff),
    (8, "numqueues", Number),
    (9, "numdisabled", Number),
];

const BOND: &[Row] = &[
    (1, "mode", Word(&["balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb"])),
    (2, "active_slave", Link),
    (3, "miimon", Number),
    (4, "updelay", Number),
    (5, "downdelay", Number),
    (6, "use_carrier", Number),
    (7, "arp_interval", Number),
    (10, "arp_all_targets", Word(&["any", "all"])),
    (11, "primary", Link),
    (12, "primary_reselect", Word(&["always", "better", "failure"])),
    (13, "fail_over_mac", Word(&["none", "active", "follow"])),
    (14, "xmit_hash_policy", Word(&["layer2", "layer3+4", "layer2+3", "encap2+3", "encap3+4", "vlan+srcmac"])),
    (15, "resend_igmp", Number),
    (16, "num_peer_notif", Number),
    (17, "all_slaves_active", Number),
    (18, "min_links", Number),
    (19, "lp_interval", Number),
    (20, "packets_per_slave", Number),
    (21, "ad_lacp_rate", Word(&["slow", "fast"])),
    (22, "ad_select", Word(&["stable", "bandwidth", "count", "actor_port_prio"])),
    (23, "ad_info", AdInfo),
    (24, "ad_actor_sys_prio", Number),
    (25, "ad_user_port_key", Number),
    (26, "ad_actor_system", Mac),
    (27, "tlb_dynamic_lb", Number),
    (28, "peer_notify_delay", Number),
    (29, "ad_lacp_active", Word(&["off", "on"])),
];

const BOND_PORT: &[Row] = &[
    (1, "state", Word(&["ACTIVE", "BACKUP"])),
    (2, "mii_status", Word(&["UP", "GOING_DOWN", "DOWN", "GOING_BACK"])),
    (3, "link_failure_count", Number),
    (4, "perm_hwaddr", Mac),
    (5, "queue_id", Number),
    (6, "ad_aggregator_id", Number),
    (7, "ad_actor_oper_port_state", Lacp),
    (8, "ad_partner_oper_port_state", Lacp),
    (9, "prio", Signed),
];

const BRIDGE: &[Row] = &[
    (1, "forward_delay", Number),
    (2, "hello_time", Number),
    (3, "max_age", Number),
    (4, "ageing_time", Number),
    (5, "stp_state", Number),
    (6, "priority", Number),
    (7, "vlan_filtering", Number),
    (8, "vlan_protocol", Protocol),
    (9, "group_fwd_mask", Hex),
    (10, "root_id", BridgeId),
    (11, "bridge_id", BridgeId),
    (12, "root_port", Number),
    (13, "root_path_cost", Number),
    (14, "topology_change", Number),
    (23, "mcast_snooping", Number),
    (36, "nf_call_iptables", Number),
    (37, "nf_call_ip6tables", Number),
    (38, "nf_call_arptables", Number),
    (39, "vlan_default_pvid", Number),
];

const BRIDGE_PORT: &[Row] = &[
    (1, "state", Word(&["disabled", "listening", "learning", "forwarding", "blocking"])),
    (2, "priority", Number),
    (3, "cost", Number),
    (4, "hairpin", OnOff),
    (5, "guard", OnOff),
    (6, "root_block", OnOff),
    (7, "fastleave", OnOff),
    (8, "learning", OnOff),
    (9, "flood", OnOff),
    (10, "proxy_arp", OnOff),
    (12, "proxy_arp_wifi", OnOff),
    (13, "root_id", BridgeId),
    (14, "bridge_id", BridgeId),
    (15, "designated_port", Number),
    (16, "designated_cost", Number),
    (17, "id", Hex),
    (18, "no", Hex),
    (27, "mcast_flood", OnOff),
    (29, "vlan_tunnel", OnOff),
    (30, "bcast_flood", OnOff),
    (32, "neigh_suppress", OnOff),
    (33, "isolated", OnOff),
];

fn table(kind: &str) -> &'static [Row] {
    match kind {
        "vlan" => VLAN,
        "vxlan" => VXLAN,
        "geneve" => GENEVE,
        "gre" | "gretap" | "erspan" | "ip6gre" | "ip6gretap" | "ip6erspan" => GRE,
        "ipip" | "sit" => IPTUN,
        "ip6tnl" => IP6TNL,
        "macvlan" | "macvtap" => MACVLAN,
        "ipvlan" | "ipvtap" => IPVLAN,
        "ipoib" => IPOIB,
        "vrf" => VRF,
        "xfrm" => XFRM,
        "tun" => TUN,
        "bond" => BOND,
        "bridge" => BRIDGE,
        _ => &[],
    }
}

fn port_table(kind: &str) -> &'static [Row] {
    match kind {
        "bond" => BOND_PORT,
        "bridge" => BRIDGE_PORT,
        "vrf" => VRF,
        _ => &[],
    }
}

/// Reads the payload of an `IFLA_LINKINFO`; `names` gives the names of interface indexes. What cannot be read is left out.
#[must_use]
pub fn read(payload: &[u8], names: &BTreeMap<u32, String>) -> LinkInfo {
    let mut info = LinkInfo::default();
    let mut data = None;
    let mut port_data = None;
    for attribute in attributes(payload).map_while(Result::ok) {
        match attribute.kind {
            1 => info.info_kind = Some(attribute.text()),
            2 => data = Some(attribute),
            4 => info.info_slave_kind = Some(attribute.text()),
            5 => port_data = Some(attribute),
            _ => {}
        }
    }
    if let (Some(kind), Some(data)) = (info.info_kind.as_deref(), data) {
        info.info_data = rows(&data, table(kind), names);
        match kind {
            "macvlan" | "macvtap" => macvlan_mode(&mut info.info_data),
            "ipoib" => ipoib_numbers(&mut info.info_data),
            "gre" | "gretap" | "erspan" | "ip6gre" | "ip6gretap" | "ip6erspan" => {
                gre_flags(&data, &mut info.info_data);
                encap(&data, 14, &mut info.info_data);
            }
            "ipip" | "sit" | "ip6tnl" => encap(&data, 15, &mut info.info_data),
            _ => {}
        }
    }
    if let (Some(kind), Some(data)) = (info.info_slave_kind.as_deref(), port_data) {
        info.info_slave_data = rows(&data, port_table(kind), names);
    }
    info
}

fn rows(data: &Attribute<'_>, table: &[Row], names: &BTreeMap<u32, String>) -> BTreeMap<String, Value> {
    let mut map = BTreeMap::new();
    for attribute in data.nested() {
        if let Some(&(_, key, shape)) = table.iter().find(|(number, ..)| *number == attribute.kind) {
            show(&attribute, key, shape, names, &mut map);
        }
    }
    map
}

fn show(attribute: &Attribute<'_>, key: &str, shape: Shape, names: &BTreeMap<u32, String>, map: &mut BTreeMap<String, Value>) {
    let number = attribute.number();
    let value = match shape {
        Number => number.map(Value::from),
        Signed => attribute.u32().map(|bits| Value::from(bits.cast_signed())),
        Big => attribute.value.first_chunk().map(|bytes| Value::from(u16::from_be_bytes(*bytes))),
        Hex => number.map(hex),
        HexUnlessZero => number.filter(|&number| number != 0).map(hex),
        OnOff => number.map(|number| Value::from(number != 0)),
        Flag => Some(Value::Null),
        True => Some(Value::from(true)),
        TrueUnlessZero => number.filter(|&number| number != 0).map(|_| Value::from(true)),
        Word(words) => number.map(|number| word(words, number)),
        Link => attribute.u32().filter(|&index| index != 0).map(|index| Value::from(name(names, index))),
        Mac => Some(Value::from(mac(attribute.value))),
        Ip { multicast } => {
            if let Some(ip) = attribute.ip().filter(|ip| !ip.is_unspecified()) {
                let key = if ip.is_multicast() { multicast } else { key };
                map.insert(key.into(), Value::from(ip.to_string()));
            }
            None
        }
        Endpoint => attribute.ip().map(|ip| Value::from(if ip.is_unspecified() { "any".into() } else { ip.to_string() })),
        Protocol => attribute.value.first_chunk().map(|bytes| Value::from(protocol(u16::from_be_bytes(*bytes)))),
        QosMap => Some(qos_map(attribute)),
        BridgeId => bridge_id(attribute.value).map(Value::from),
        PortRange => match *attribute.value {
            [a, b, c, d] => Some(json!({ "low": u16::from_be_bytes([a, b]), "high": u16::from_be_bytes([c, d]) })),
            _ => None,
        },
        Key => attribute.ip().filter(IpAddr::is_ipv4).map(|ip| Value::from(ip.to_string())),
        AdInfo => Some(ad_info(attribute)),
        Lacp => number.map(|state| {
            map.insert(format!("{key}_str"), lacp(state));
            Value::from(state)
        }),
    };
    if let Some(value) = value {
        map.insert(key.into(), value);
    }
}

/// `IFLA_MACVLAN_MODE` is a bit, not a position.
fn macvlan_mode(data: &mut BTreeMap<String, Value>) {
    if let Some(mode) = data.get_mut("mode") {
        *mode = Value::from(match mode.as_u64() {
            Some(1) => "private",
            Some(2) => "vepa",
            Some(4) => "bridge",
            Some(8) => "passthru",
            Some(16) => "source",
            _ => "unknown",
        });
    }
}

/// iproute2 shows the numbers of `IPoIB` as text of four digits.
fn ipoib_numbers(data: &mut BTreeMap<String, Value>) {
    for (key, prefix) in [("key", "0x"), ("umcast", "")] {
        if let Some(value) = data.get_mut(key)
            && let Some(number) = value.as_u64()
        {
            *value = Value::from(format!("{prefix}{number:04x}"));
        }
    }
}

/// `IFLA_GRE_IFLAGS` and `IFLA_GRE_OFLAGS` (big endian, `linux/if_tunnel.h` `GRE_*`) say which options the header carries;
/// each costs four bytes of every packet.
fn gre_flags(data: &Attribute<'_>, map: &mut BTreeMap<String, Value>) {
    const CHECKSUM: u16 = 0x8000;
    const KEY: u16 = 0x2000;
    const SEQUENCE: u16 = 0x1000;
    for (number, key, sequence, checksum) in [(2, "ikey", "iseq", "icsum"), (3, "okey", "oseq", "ocsum")] {
        let flags = data.nested().find(|inner| inner.kind == number);
        let flags = flags.and_then(|inner| inner.value.first_chunk().copied()).map_or(0, u16::from_be_bytes);
        if flags & KEY == 0 {
            map.remove(key);
        }
        for (bit, name) in [(SEQUENCE, sequence), (CHECKSUM, checksum)] {
            if flags & bit != 0 {
                map.insert(name.into(), Value::from(true));
            }
        }
    }
}

/// UDP around a tunnel (`TUNNEL_ENCAP_*`): FOU costs 8 bytes of every packet, GUE 12 and more. The four attributes follow each
/// other from `first`: type, flags, source and destination port.
fn encap(data: &Attribute<'_>, first: u16, map: &mut BTreeMap<String, Value>) {
    let find = |number: u16| data.nested().find(|inner| inner.kind == first + number);
    let host = |number| find(number).and_then(|inner| read_u16(inner.value)).unwrap_or(0);
    let big = |number| find(number).and_then(|inner| inner.value.first_chunk().copied()).map_or(0, u16::from_be_bytes);
    let kind = match host(0) {
        0 => return,
        1 => Some("fou"),
        2 => Some("gue"),
        _ => None,
    };
    let flag = |bit: u16| host(1) & bit != 0;
    let value = json!({ "type": kind, "sport": big(2), "dport": big(3), "csum": flag(1), "csum6": flag(2), "remcsum": flag(4) });
    map.insert("encap".into(), value);
}

/// `IFLA_BOND_AD_INFO_*`; the partner's address is all zero where no partner speaks LACP.
fn ad_info(attribute: &Attribute<'_>) -> Value {
    let mut info = serde_json::Map::new();
    for inner in attribute.nested() {
        let key = match inner.kind {
            1 => "aggregator",
            2 => "num_ports",
            3 => "actor_key",
            4 => "partner_key",
            5 => {
                info.insert("partner_mac".into(), Value::from(mac(inner.value)));
                continue;
            }
            _ => continue,
        };
        if let Some(number) = inner.number() {
            info.insert(key.into(), Value::from(number));
        }
    }
    Value::Object(info)
}

/// IEEE 802.1AX LACP state bits, lowest first.
fn lacp(state: u64) -> Value {
    const WORDS: [&str; 8] =
        ["active", "short_timeout", "aggregating", "in_sync", "collecting", "distributing", "defaulted", "expired"];
    WORDS.iter().enumerate().filter(|(bit, _)| state >> bit & 1 == 1).map(|(_, word)| Value::from(*word)).collect()
}

fn word(words: &[&str], number: u64) -> Value {
    usize::try_from(number)
        .ok()
        .and_then(|number| words.get(number))
        .filter(|word| !word.is_empty())
        .map_or_else(|| Value::from(number), |word| Value::from(*word))
}

fn hex(number: u64) -> Value {
    Value::from(if number == 0 { "0".into() } else { format!("{number:#x}") })
}

fn name(names: &BTreeMap<u32, String>, index: u32) -> String {
    names.get(&index).cloned().unwrap_or_else(|| format!("if{index}"))
}

fn protocol(number: u16) -> String {
    match number {
        0x8100 => "802.1Q".into(),
        0x88a8 => "802.1ad".into(),
        other => format!("[{other}]"),
    }
}

/// `IFLA_VLAN_QOS_MAPPING`: one `struct ifla_vlan_qos_mapping` each, from and to.
fn qos_map(attribute: &Attribute<'_>) -> Value {
    let pair = |inner: Attribute<'_>| {
        let (from, to) = inner.value.split_first_chunk::<4>()?;
        Some(json!({ "from": u32::from_ne_bytes(*from), "to": u32::from_ne_bytes(*to.first_chunk::<4>()?) }))
    };
    attribute.nested().filter(|inner| inner.kind == 1).filter_map(pair).collect()
}

/// `struct ifla_bridge_id`: two bytes of priority, six of address.
fn bridge_id(bytes: &[u8]) -> Option<String> {
    let (priority, address) = bytes.split_first_chunk::<2>()?;
    let parts: Vec<String> = address.iter().map(|byte| format!("{byte:x}")).collect();
    Some(format!("{:02x}{:02x}.{}", priority[0], priority[1], parts.join(":")))
}

/// A link-layer address, lower case with colons.
#[must_use]
pub fn mac(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 3);
    for (position, byte) in bytes.iter().enumerate() {
        let _ = write!(text, "{}{byte:02x}", if position == 0 { "" } else { ":" });
    }
    text
}

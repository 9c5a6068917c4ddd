//! Real inputs, for the mutations to start from: recorded ones from `testdata`, and messages as the standards draw them.

use pathvet_checks::wire::nla::Builder;
use std::path::{Path, PathBuf};

/// Every file below a folder of `testdata` that `wanted` says yes to, in a fixed order.
pub(super) fn recorded(folder: &str, wanted: impl Fn(&Path) -> bool) -> Vec<Vec<u8>> {
    let inside = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = if inside.ends_with("fuzz") { inside.join("..") } else { inside.to_path_buf() };
    let mut open: Vec<PathBuf> = vec![root.join("testdata").join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).expect("testdata is part of the repository") {
            let path = entry.expect("a readable folder").path();
            if path.is_dir() {
                open.push(path);
            } else if wanted(&path) {
                files.push(path);
            }
        }
    }
    files.sort();
    assert!(!files.is_empty(), "nothing in testdata/{folder}");
    files.iter().map(|file| std::fs::read(file).expect("a readable file")).collect()
}

pub(super) fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// The payload of a probe, with a tag that nobody made.
fn payload() -> Vec<u8> {
    let mut bytes = b"pathvet\x01".to_vec();
    bytes.extend_from_slice(&[0, 0, 0, 7, 0x12, 0x34, 0, 0, 0x23, 0xee, 1, 0, 0, 0, 0, 0]);
    bytes.extend_from_slice(&[0xaa; 24]);
    bytes
}

fn ipv4(protocol: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + body.len()).expect("a short packet").to_be_bytes();
    let mut packet = vec![0x45, 0, length[0], length[1], 0, 1, 0x40, 0, 64, protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2];
    packet.extend_from_slice(body);
    packet
}

fn ipv6(protocol: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).expect("a short packet").to_be_bytes();
    let mut packet = vec![0x60, 0, 0, 0, length[0], length[1], protocol, 64];
    for last in [1, 2] {
        packet.extend_from_slice(&[0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    packet.extend_from_slice(body);
    packet
}

fn with_payload(header: &[u8]) -> Vec<u8> {
    [header, &payload()].concat()
}

fn syn_ack() -> Vec<u8> {
    with_payload(&[0x82, 0xaa, 0x82, 0xdc, 1, 2, 3, 4, 5, 6, 7, 8, 0x60, 0x12, 4, 0, 0, 0, 0, 0, 2, 4, 0x23, 0xc6])
}

/// Echo and timestamp replies, and every error about an echo, a UDP datagram and a SYN, with and without their IP header.
pub fn icmp4() -> Vec<Vec<u8>> {
    let mut messages =
        vec![with_payload(&[0, 0, 0, 0, 0x12, 0x34, 0, 1]), [&[14, 0, 0, 0, 0x12, 0x34, 0, 1][..], &[9; 12]].concat()];
    let quotes = [
        ipv4(1, &with_payload(&[8, 0, 0, 0, 0x12, 0x34, 0, 1])),
        ipv4(1, &[13, 0, 0, 0, 0x12, 0x34, 0, 1]),
        ipv4(17, &with_payload(&[0x82, 0xdc, 0x82, 0xdc, 0, 56, 0, 0])),
        ipv4(6, &syn_ack()),
    ];
    for quote in &quotes {
        for error in [[3, 4, 0, 0, 0, 0, 5, 0xdc], [3, 1, 0, 0, 0, 0, 0, 0], [11, 0, 0, 0, 0, 0, 0, 0], [12, 0, 0, 0, 20, 0, 0, 0]]
        {
            messages.push([&error[..], quote].concat());
        }
    }
    let whole: Vec<_> = messages.iter().map(|message| ipv4(1, message)).collect();
    messages.extend(whole);
    messages
}

/// Echo replies, errors about an echo, UDP and TCP, and a neighbour advertisement.
pub fn icmp6() -> Vec<Vec<u8>> {
    let mut messages = vec![with_payload(&[129, 0, 0, 0, 0x12, 0x34, 0, 1])];
    let target = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
    messages.push([&[136, 0, 0, 0, 0x60, 0, 0, 0][..], &target, &[14, 1, 0, 0, 0, 0, 0, 0], &[2, 1, 2, 0, 0, 0, 0, 2]].concat());
    messages.push([&[135, 0, 0, 0, 0, 0, 0, 0][..], &target, &[253, 1, 0, 0, 0, 0, 0, 0]].concat());
    let quotes = [
        ipv6(58, &with_payload(&[128, 0, 0, 0, 0x12, 0x34, 0, 1])),
        ipv6(17, &with_payload(&[0x82, 0xdc, 0x82, 0xdc, 0, 56, 0, 0])),
        ipv6(6, &syn_ack()),
    ];
    for quote in &quotes {
        for error in [[2, 0, 0, 0, 0, 0, 5, 0xdc], [1, 3, 0, 0, 0, 0, 0, 0], [3, 0, 0, 0, 0, 0, 0, 0], [4, 1, 0, 0, 0, 0, 0, 40]] {
            messages.push([&error[..], quote].concat());
        }
    }
    messages
}

/// A SYN-ACK with and without its IPv4 header, and a marked payload alone.
pub fn tcp() -> Vec<Vec<u8>> {
    vec![ipv4(6, &syn_ack()), syn_ack(), payload()]
}

/// Limits, each with a packet.
pub fn fragments() -> Vec<Vec<u8>> {
    [[5, 0], [0, 28], [0, 0], [255, 255]].iter().map(|limit| [&limit[..], &payload().repeat(90)].concat()).collect()
}

/// Messages in Ethernet frames, each with a rule.
pub fn frames() -> Vec<Vec<u8>> {
    let ethernet = |rule: u8, kind: [u8; 2], packet: &[u8]| {
        let mut frame = vec![rule, 0, 0, 5, 0xdc, 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, kind[0], kind[1]];
        frame.extend_from_slice(packet);
        frame
    };
    let mut frames = vec![ethernet(0, [8, 6], &[0, 1, 8, 0, 6, 4, 0, 1])];
    for (rule, packet) in icmp4().into_iter().filter(|packet| packet[0] == 0x45).enumerate() {
        frames.push(ethernet(u8::try_from(rule % 3).unwrap_or(0), [8, 0], &packet));
    }
    for (rule, message) in icmp6().iter().enumerate() {
        frames.push(ethernet(u8::try_from(rule % 3).unwrap_or(0), [0x86, 0xdd], &ipv6(58, message)));
    }
    frames.push(ethernet(0, [8, 0], &ipv4(6, &syn_ack())));
    frames.push(ethernet(2, [0x86, 0xdd], &ipv6(17, &with_payload(&[0x82, 0xdc, 0x82, 0xdc, 0, 56, 0, 0]))));
    frames
}

/// Files of `OpenSM`, and what people paste.
pub fn fabric_text() -> Vec<Vec<u8>> {
    let mut samples = texts(&super::fabric::FILES);
    samples.extend(recorded("imports", |path| path.extension().is_some_and(|end| end == "txt")));
    samples
}

/// The recorded answers of a kernel, one by one and all together.
pub fn netlink() -> Vec<Vec<u8>> {
    let mut answers = recorded("hosts", |path| path.parent().is_some_and(|folder| folder.ends_with("netlink")));
    answers.push(answers.concat());
    answers.push(Builder::new(16, 0, &[0; 16]).text(3, "eth0").u32(4, 9000).finish());
    // Two next hops, one of them of IPv6; metrics with a lock.
    let hops =
        [&[24, 0, 0, 0, 2, 0, 0, 0][..], &[8, 0, 5, 0, 192, 0, 2, 1], &[8, 0, 5, 0, 192, 0, 2, 2], &[8, 0, 0, 0, 3, 0, 0, 0]];
    let via = [&[10, 0, 0x20, 1, 0x0d, 0xb8][..], &[0; 11], &[1]].concat();
    let mut route = Builder::new(24, 0, &[2, 24, 0, 0, 254, 4, 0, 1, 0, 0, 0, 0]);
    route.put(1, &[192, 0, 2, 0]).put(9, &hops.concat()).put(18, &via).put(12, &[0; 32]).nest(8, |metrics| {
        metrics.u32(1, 4).u32(2, 1400).u32(8, 1360);
    });
    answers.push(route.finish());
    let mut rule = Builder::new(32, 0, &[2, 24, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0]);
    rule.put(1, &[192, 0, 2, 0])
        .text(3, "lo")
        .u32(6, 100)
        .u32(10, 7)
        .put(12, &[0; 8])
        .put(20, &[0; 8])
        .put(23, &[0; 4])
        .put(22, &[6]);
    answers.push(rule.finish());
    answers
}

/// The evidence of the checks' own cases.
pub fn evidence() -> Vec<Vec<u8>> {
    recorded("checks", |path| path.ends_with("evidence.json"))
}

/// The built-in baselines, and the one of the manual.
pub fn baseline() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().find(|folder| folder.join("checks/catalogue").exists());
    let folder = folder.expect("the repository").join("checks/catalogue/baselines");
    let mut files: Vec<_> = std::fs::read_dir(folder).expect("baselines").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    // A site may not take the name of a built-in baseline.
    files.iter().map(|file| std::fs::read_to_string(file).expect("a file").replace("\nname: ", "\nname: x-").into_bytes()).collect()
}

/// Right and wrong plans.
pub fn plan() -> Vec<Vec<u8>> {
    recorded("plans", |path| path.extension().is_some_and(|end| end == "yaml"))
}

/// Sizes in every unit, and hosts.
pub fn sizes() -> Vec<Vec<u8>> {
    let long = "9".repeat(1_000);
    texts(&[
        &long,
        "9000",
        "9014eth",
        "9018frame",
        "9022tagged",
        "8972ping",
        "jumbo9014",
        "65535",
        "68",
        "1280",
        "9018frames",
        "4294967296",
        "node2",
        "192.0.2.1",
        "2001:db8::1",
        "fe80::1%eth0",
        "[::1]",
        "192.0.2.0/24",
        "node2:22",
    ])
}

/// Lists of targets.
pub fn targets() -> Vec<Vec<u8>> {
    texts(&[
        "node1\nnode2 # the other\n\n# none\n192.0.2.1\n2001:db8::1\r\nfe80::1%eth0\r\n",
        "192.0.2.0/24\nnode2:22\n",
        "\u{feff}a.b\n",
    ])
}

/// A hosts file and an answer of getent.
pub fn names() -> Vec<Vec<u8>> {
    texts(&[
        "127.0.0.1 localhost\n192.0.2.7 Node2.example node2 # not node3\n2001:db8::7\tnode2 a.example\nbad node2\n",
        "192.0.2.9       STREAM node9\n192.0.2.9       DGRAM  \n::ffff:192.0.2.9 RAW\nfe80::9%eth1   STREAM\n",
    ])
}

/// Configurations, each with answers to everything, to some, to nothing.
pub fn search() -> Vec<Vec<u8>> {
    let mut samples = Vec::new();
    for (flags, methods, mtu) in
        [(0x1a, 0x3f, [0x23, 0x28]), (0x1b, 0x3f, [0x25, 0x80]), (0x0e, 0x06, [5, 0xdc]), (0x28, 0x01, [0x23, 0x28])]
    {
        let head = [flags, methods, mtu[0], mtu[1], 0x23, 0x28, 80, 0, 0, 0, 1];
        for replies in [&[5, 0, 5, 1, 5, 2, 5, 3, 5, 4][..], &[5, 0, 9, 1, 0, 0, 5, 0xdc, 5, 2], &[7, 0, 5, 0, 12, 13, 15], &[]] {
            let round = [&[4, 14, 0, 200, 0][..], replies, &[15, 15]].concat();
            samples.push([&head[..], &round.repeat(20)].concat());
        }
    }
    samples
}

/// Files of kernel settings.
pub fn sysctl() -> Vec<Vec<u8>> {
    texts(&[
        "# a\nnet.core.rmem_max = 16777216\n-net.ipv4.tcp_sack=0\n; b\nnet.ipv4.conf.*.mtu = 1500\n-net.ipv4.conf.all.mtu\n",
        "net/ipv4/conf/eth0.100/mtu = 9000\nnet.ipv4.conf.eth0/100.mtu=1500\nnet.ipv4.tcp_rmem = \"4096 87380 16777216\"\n",
        "net.ipv4.conf.eth[!0-9]?.mtu\t=\t1\r\nnet.*.tcp_[[:alpha:]]* =\n/proc/sys/net/core/rmem_max = 5\nnonsense\n= 4\n",
    ])
}

/// Journals.
pub fn journal() -> Vec<Vec<u8>> {
    texts(&[
        r#"{"schema":"pathvet.journal/1","id":1,"baseline":"ipoib-safe","started":"2026-11-20T19:07:16.314Z","boot":null,
"namespace":"net:[4026531840]","file":{"folder_made":false,"old":{"text":"a = 1\n","mode":420,"uid":0,"gid":0},"new":"a = 2\n"},
"values":[{"key":"net.core.rmem_max","old":"212992\n","new":"16777216"},{"key":"net.ipv4.conf.eth0/100.mtu","old":"1","new":"2"}]}"#,
        r#"{"schema":"pathvet.journal/1","id":2,"baseline":"x","started":"2026-11-20T19:07:16Z"}"#,
    ])
}

//! Values that are wrong, harmful or without effect, each with a reason and a number.
//!
//! Meanings of the keys: `Documentation/networking/ip-sysctl.rst` and `Documentation/admin-guide/sysctl/net.rst` of Linux.

use super::{bytes_words, numbers};
use crate::evidence::Host;
use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// What of a machine decides whether a value is harmful there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine {
    /// Bytes of a page of memory.
    pub page_size: u64,
    /// Bytes of memory, where it is known.
    pub memory: Option<u64>,
    /// Speed of its fastest interface in Mb/s; where it is not known, [`Machine::FAST`] is assumed.
    pub speed_mbps: Option<u32>,
    /// Version of the kernel, where it is known.
    pub kernel: Option<(u32, u32)>,
}

impl Machine {
    /// The speed from which on switched-off timestamps or selective acknowledgements are harmful: 10 Gb/s.
    pub const FAST: u32 = 10_000;

    fn fast(&self) -> bool {
        self.speed() >= Self::FAST
    }

    fn speed(&self) -> u32 {
        self.speed_mbps.filter(|speed| *speed > 0).unwrap_or(Self::FAST)
    }

    /// What is known of a host. Its speed is that of the fastest card: virtual devices name one that means nothing.
    #[must_use]
    pub fn of(host: &Host) -> Self {
        let cards = host.links.iter().flatten().filter(|link| !link.is_loopback() && matches!(link.kind(), "" | "bond"));
        let memory = host.memory.unwrap_or_default();
        Self {
            page_size: memory.page_size.map_or(4096, u64::from),
            memory: memory.total,
            speed_mbps: cards.filter_map(|link| link.speed_mbps).max(),
            kernel: host.kernel.as_deref().and_then(Self::kernel_version),
        }
    }

    /// The version of a kernel in numbers: `6.1.0-18-amd64` is 6.1.
    #[must_use]
    pub fn kernel_version(release: &str) -> Option<(u32, u32)> {
        let mut parts = release.split(|c: char| !c.is_ascii_digit());
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    }
}

impl Default for Machine {
    fn default() -> Self {
        Self { page_size: 4096, memory: None, speed_mbps: None, kernel: None }
    }
}

/// How bad a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing: without effect, or a matter of taste.
    Note,
    /// Costs speed or safety.
    Harmful,
    /// Cannot be meant: a slip of units or order.
    Wrong,
}

impl Severity {
    /// Whether `tune apply` writes such a value only where it is told to.
    #[must_use]
    pub const fn refused(self) -> bool {
        matches!(self, Self::Harmful | Self::Wrong)
    }

    /// `Note`, `Harmful`, `Wrong`: the beginning of a line.
    #[must_use]
    pub const fn heading(self) -> &'static str {
        match self {
            Self::Note => "Note",
            Self::Harmful => "Harmful",
            Self::Wrong => "Wrong",
        }
    }

    /// `note`, `harmful`, `wrong`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Harmful => "harmful",
            Self::Wrong => "wrong",
        }
    }
}

/// One value that somebody should look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Risk {
    /// The key.
    pub key: String,
    /// Its value.
    pub value: String,
    /// Why, with a number.
    pub reason: String,
    /// How bad.
    pub severity: Severity,
}

/// From here on the first size of a buffer is giant: 1 MiB.
const GIANT: i128 = 1 << 20;

const TIMESTAMPS: &str = "net.ipv4.tcp_timestamps";

/// What is wrong, harmful or void among `values`, in the order of the keys. Keys are in dots; what is missing is not judged.
#[must_use]
pub fn lint(values: &BTreeMap<String, String>, machine: &Machine) -> Vec<Risk> {
    let mut risks = Vec::new();
    for (key, value) in values {
        let fields = numbers(value).unwrap_or_default();
        let mut say = |severity: Severity, reason: String| {
            risks.push(Risk { key: key.clone(), value: super::normal(value), reason, severity });
        };
        match fields.as_slice() {
            [one] => single(key, *one, values, machine, &mut say),
            [low, middle, high] => triple(key, [*low, *middle, *high], machine, &mut say),
            _ => {}
        }
    }
    risks
}

/// `3.4 s`: how long 2^32 bytes of sequence numbers last at a speed in Mb/s (RFC 7323 section 1.2 and 5).
#[must_use]
pub fn wrap_words(speed_mbps: u32) -> String {
    let milliseconds = (8_u64 << 32) / (u64::from(speed_mbps.max(1)) * 1000);
    let rounded = |unit: u64| (milliseconds + unit / 2) / unit;
    match milliseconds {
        0..1000 => format!("0.{:02} s", rounded(10).min(99)),
        1000..100_000 => format!("{}.{} s", rounded(100) / 10, rounded(100) % 10),
        _ => format!("{} s", rounded(1000)),
    }
}

/// `10 Gb/s`, `100 Mb/s`, `2.5 Gb/s`.
fn speed_words(mbps: u32) -> String {
    match (mbps / 1000, mbps % 1000 / 100) {
        (0, _) => format!("{mbps} Mb/s"),
        (whole, 0) => format!("{whole} Gb/s"),
        (whole, tenths) => format!("{whole}.{tenths} Gb/s"),
    }
}

fn words(bytes: i128) -> String {
    bytes_words(u128::try_from(bytes).unwrap_or(0))
}

fn single(key: &str, value: i128, values: &BTreeMap<String, String>, machine: &Machine, say: &mut impl FnMut(Severity, String)) {
    let speed = machine.speed();
    let by_speed = if machine.fast() { Severity::Harmful } else { Severity::Note };
    let newer = |major: u32, minor: u32| machine.kernel.is_some_and(|kernel| kernel >= (major, minor));
    match key {
        TIMESTAMPS if value == 0 => say(
            by_speed,
            format!(
                "without timestamps nothing tells an old segment from a new one when sequence numbers wrap, after {} at {}; \
                 round trips of repeated segments cannot be measured, and 12 bytes of a segment are saved: 0.1 % at an MTU of 9000",
                wrap_words(speed),
                speed_words(speed)
            ),
        ),
        "net.ipv4.tcp_sack" if value == 0 => {
            // One millisecond of packets of 9000 bytes.
            let packets = u64::from(speed) * 1000 / 8 / 9000;
            say(
                by_speed,
                format!(
                    "without selective acknowledgements each further loss in a window costs a round trip or a time-out of 200 ms or \
                     more; at {} a round trip of 1 ms holds {packets} packets of 9000 bytes",
                    speed_words(speed)
                ),
            );
        }
        "net.ipv4.tcp_window_scaling" if value == 0 => {
            say(Severity::Harmful, "windows end at 65,535 bytes: 524 Mb/s at a round trip of 1 ms, whatever the buffers".into());
        }
        "net.ipv4.tcp_moderate_rcvbuf" if value == 0 => {
            let first = values.get("net.ipv4.tcp_rmem").and_then(|value| numbers(value)).and_then(|fields| fields.get(1).copied());
            let first = first.map_or_else(|| "the middle value of tcp_rmem".to_owned(), words);
            say(
                Severity::Harmful,
                format!("receive buffers no longer grow: each connection keeps {first}, unless the program sets it"),
            );
        }
        "net.core.rmem_default" | "net.core.wmem_default" if value > GIANT => say(
            Severity::Harmful,
            format!(
                "every socket that is not TCP may hold {} unread, 1,000 sockets {}; TCP takes the middle value of tcp_{} instead",
                words(value),
                words(value.saturating_mul(1000)),
                if key.contains("rmem") { "rmem" } else { "wmem" }
            ),
        ),
        "net.core.optmem_max" if value > GIANT => say(
            Severity::Note,
            format!(
                "{} of ancillary data a socket bring no throughput; the kernel's own 20 KiB or 128 KiB is enough",
                words(value)
            ),
        ),
        "net.core.netdev_max_backlog" if value >= 100_000 => {
            let milliseconds = value.saturating_mul(1538 * 8) / (i128::from(speed) * 1000);
            say(
                Severity::Note,
                format!(
                    "{value} full packets of 1500 bytes are {milliseconds} ms of waiting at {}; only RPS and drivers without NAPI use \
                     this queue: worth it only where the second column of /proc/net/softnet_stat grows",
                    speed_words(speed)
                ),
            );
        }
        "net.ipv4.tcp_low_latency" if value != 0 => {
            say(Severity::Note, format!("{value} has no effect: the kernel has ignored this key since 4.14"));
        }
        "net.ipv4.tcp_adv_win_scale" if value != 1 && newer(6, 6) => {
            say(Severity::Note, format!("{value} has no effect: kernels from 6.6 on measure the overhead themselves"));
        }
        "net.ipv4.tcp_fack" if value != 0 && newer(4, 15) => {
            say(Severity::Note, format!("{value} has no effect: kernels from 4.15 on use RACK instead"));
        }
        "net.ipv4.tcp_tw_recycle" if value != 0 => say(
            Severity::Wrong,
            "connections of clients behind one NAT address are refused for up to 60 s after each other; removed from Linux 4.12"
                .into(),
        ),
        "net.ipv4.tcp_tw_reuse" if value != 0 && off(values, TIMESTAMPS) => say(
            Severity::Wrong,
            "it needs timestamps to tell old segments from new ones, and tcp_timestamps is 0: it has no effect".into(),
        ),
        "net.ipv4.tcp_no_metrics_save" if value != 0 => say(
            Severity::Note,
            "every connection starts with 10 segments and knows nothing of those before it: right for measurements, not for work"
                .into(),
        ),
        "net.ipv4.ip_no_pmtu_disc" if value != 0 => say(Severity::Harmful, no_pmtu_disc(value)),
        "net.ipv4.tcp_mtu_probing" if value != 0 => {
            say(Severity::Note, mtu_probing(value, values.get("net.ipv4.tcp_base_mss").map(String::as_str)));
        }
        _ => {}
    }
}

/// What a value of `ip_no_pmtu_disc` does (`ip-sysctl.rst`).
pub(crate) fn no_pmtu_disc(value: i128) -> String {
    match value {
        1 => {
            "IPv4 packets are sent without DF, so routers fragment them, and a too-big message brings the path down to 552 bytes: \
              the true path MTU is never learnt"
                .into()
        }
        2 => "IPv4 packets are sent without DF, so routers fragment them, and too-big messages are discarded: the true path MTU, \
              1500 bytes or another, is never learnt"
            .into(),
        3 => "IPv4 too-big messages count for TCP and SCTP alone: for UDP a path of 1500 bytes or less stays unknown".into(),
        other => format!("{other} is no documented value: 0 to 3 are"),
    }
}

/// What a value of `tcp_mtu_probing` does (`ip-sysctl.rst`); `base` is `tcp_base_mss`, whose default is 1024.
pub(crate) fn mtu_probing(value: i128, base: Option<&str>) -> String {
    let base = base.unwrap_or("1024");
    let when = if value == 1 { "TCP that meets a black hole shrinks to" } else { "TCP always starts with" };
    format!(
        "{when} segments of {base} bytes and searches from there: transfers are slow where they would hang, and UDP and RDMA \
         still hang"
    )
}

/// Whether a switch is set, and to 0.
fn off(values: &BTreeMap<String, String>, key: &str) -> bool {
    values.get(key).and_then(|value| numbers(value)).is_some_and(|fields| fields == [0])
}

fn triple(key: &str, [low, middle, high]: [i128; 3], machine: &Machine, say: &mut impl FnMut(Severity, String)) {
    match key {
        "net.ipv4.tcp_mem" | "net.ipv4.udp_mem" => pages(key, [low, middle, high], machine, say),
        "net.ipv4.tcp_rmem" | "net.ipv4.tcp_wmem" => {
            let (name, direction) = if key.ends_with("rmem") { ("rmem", "receive") } else { ("wmem", "send") };
            if low > middle || middle > high {
                let (which, above) = match (low > high, low > middle, middle > high) {
                    (true, ..) => (format!("the minimum {low}"), format!("the maximum {high}")),
                    (_, true, _) => (format!("the minimum {low}"), format!("the default {middle}")),
                    _ => (format!("the default {middle}"), format!("the maximum {high}")),
                };
                say(
                    Severity::Wrong,
                    format!(
                        "{which} is above {above} ({} above {}): the order is minimum, default, maximum",
                        words(low.max(middle)),
                        words(middle.min(high))
                    ),
                );
            } else if low == high {
                say(
                    Severity::Harmful,
                    format!("all three are {}: {direction} buffers neither shrink nor grow with the path", words(low)),
                );
            }
            let first = low.max(middle);
            if first > GIANT {
                let reason = format!(
                    "each connection starts with a {direction} buffer of {}, 1,000 connections {}; buffers grow to the maximum by \
                     themselves (tcp_{name}[2])",
                    words(first),
                    words(first.saturating_mul(1000))
                );
                say(Severity::Harmful, reason);
            }
        }
        _ => {}
    }
}

/// `tcp_mem` and `udp_mem` count pages.
fn pages(key: &str, [low, middle, high]: [i128; 3], machine: &Machine, say: &mut impl FnMut(Severity, String)) {
    let protocol = if key.contains("tcp") { "TCP" } else { "UDP" };
    let bytes = high.saturating_mul(i128::from(machine.page_size));
    let size = format!("{high} pages = {}", words(bytes));
    let memory = machine.memory.map(i128::from).filter(|memory| bytes > *memory);
    if low > middle || middle > high {
        say(Severity::Wrong, format!("{low}, {middle}, {high} pages are not in order: low, pressure, maximum"));
    } else if let Some(memory) = memory {
        say(
            Severity::Wrong,
            format!(
                "the unit is pages: {size}, and this host has {}: nothing limits {protocol} before memory runs out",
                words(memory)
            ),
        );
    } else if low == high {
        say(
            Severity::Wrong,
            format!("the unit is pages: {size}, and all three are equal, so there is no pressure before {protocol} sockets fail"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linted(pairs: &[(&str, &str)], machine: &Machine) -> Vec<(String, Severity, String)> {
        let values = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        lint(&values, machine).into_iter().map(|risk| (risk.key, risk.severity, risk.reason)).collect()
    }

    fn severities(pairs: &[(&str, &str)]) -> Vec<(String, Severity)> {
        linted(pairs, &Machine::default()).into_iter().map(|(key, severity, _)| (key, severity)).collect()
    }

    #[test]
    fn sequence_numbers_wrap() {
        assert_eq!(wrap_words(10_000), "3.4 s");
        assert_eq!(wrap_words(40_000), "0.86 s");
        assert_eq!(wrap_words(100_000), "0.34 s");
        assert_eq!(wrap_words(1_000), "34.4 s");
        assert_eq!(wrap_words(100), "344 s");
        assert_eq!(wrap_words(0), "34360 s");
        assert_eq!(wrap_words(u32::MAX), "0.00 s");
    }

    #[test]
    fn the_classic_eleven_are_named_with_numbers() {
        let said = linted(
            &[
                ("net.ipv4.tcp_timestamps", "0"),
                ("net.ipv4.tcp_sack", "0"),
                ("net.core.netdev_max_backlog", "250000"),
                ("net.core.rmem_max", "16777216"),
                ("net.core.wmem_max", "16777216"),
                ("net.core.rmem_default", "16777216"),
                ("net.core.wmem_default", "16777216"),
                ("net.core.optmem_max", "16777216"),
                ("net.ipv4.tcp_mem", "16777216 16777216 16777216"),
                ("net.ipv4.tcp_rmem", "4096 87380 16777216"),
                ("net.ipv4.tcp_wmem", "4096 65536 16777216"),
            ],
            &Machine::default(),
        );
        let of = |key: &str| said.iter().find(|(known, ..)| known == key).cloned();
        let (_, severity, reason) = of("net.ipv4.tcp_mem").expect("a risk");
        assert_eq!(severity, Severity::Wrong);
        assert!(reason.contains("16777216 pages = 64 GiB"), "{reason}");
        let (_, severity, reason) = of("net.ipv4.tcp_timestamps").expect("a risk");
        assert_eq!(severity, Severity::Harmful);
        assert!(reason.contains("3.4 s at 10 Gb/s"), "{reason}");
        assert_eq!(of("net.ipv4.tcp_sack").expect("a risk").1, Severity::Harmful);
        assert_eq!(of("net.core.rmem_default").expect("a risk").1, Severity::Harmful);
        assert_eq!(of("net.core.optmem_max").expect("a risk").1, Severity::Note);
        assert_eq!(of("net.core.netdev_max_backlog").expect("a risk").1, Severity::Note);
        assert_eq!((of("net.core.rmem_max"), of("net.ipv4.tcp_rmem")), (None, None));
        assert!(said.iter().all(|(.., reason)| reason.contains(|c: char| c.is_ascii_digit())), "each has a number: {said:?}");
    }

    #[test]
    fn broken_community_sets_are_caught() {
        assert_eq!(
            severities(&[
                ("net.ipv4.tcp_rmem", "67108864 134217728 56623104"),
                ("net.ipv4.tcp_sack", "0"),
                ("net.ipv4.tcp_tw_recycle", "1")
            ]),
            [
                ("net.ipv4.tcp_rmem".into(), Severity::Wrong),
                ("net.ipv4.tcp_rmem".into(), Severity::Harmful),
                ("net.ipv4.tcp_sack".into(), Severity::Harmful),
                ("net.ipv4.tcp_tw_recycle".into(), Severity::Wrong),
            ]
        );
        assert_eq!(
            severities(&[("net.ipv4.tcp_tw_reuse", "1"), ("net.ipv4.tcp_timestamps", "0")]),
            [("net.ipv4.tcp_timestamps".into(), Severity::Harmful), ("net.ipv4.tcp_tw_reuse".into(), Severity::Wrong)]
        );
        assert_eq!(severities(&[("net.ipv4.tcp_tw_reuse", "1"), ("net.ipv4.tcp_timestamps", "1")]), []);
        assert_eq!(severities(&[("net.ipv4.tcp_tw_reuse", "2")]), [], "nothing is known of timestamps");
        let ixgb = ("net.ipv4.tcp_mem", "10000000 10000000 10000000");
        assert!(linted(&[ixgb], &Machine::default())[0].2.contains("10000000 pages = 38.1 GiB"));
    }

    #[test]
    fn the_machine_decides() {
        let slow = Machine { speed_mbps: Some(1000), ..Machine::default() };
        assert_eq!(linted(&[("net.ipv4.tcp_sack", "0")], &slow)[0].1, Severity::Note);
        let mem = ("net.ipv4.tcp_mem", "16777216 20000000 33554432");
        assert_eq!(linted(&[mem], &Machine::default()), [], "128 GiB may be right");
        let small = Machine { memory: Some(8 << 30), ..Machine::default() };
        let said = linted(&[mem], &small);
        assert!(said[0].2.contains("33554432 pages = 128 GiB, and this host has 8 GiB"), "{said:?}");
        let large_pages = Machine { page_size: 65_536, ..Machine::default() };
        let said = linted(&[("net.ipv4.tcp_mem", "16777216 16777216 16777216")], &large_pages);
        assert!(said[0].2.contains("1 TiB"), "{said:?}");
        assert_eq!(linted(&[("net.ipv4.tcp_adv_win_scale", "2")], &Machine { kernel: Some((6, 1)), ..Machine::default() }), []);
        assert_eq!(
            linted(&[("net.ipv4.tcp_adv_win_scale", "2")], &Machine { kernel: Some((6, 6)), ..Machine::default() }).len(),
            1
        );
        assert_eq!(Machine::kernel_version("6.1.0-18-amd64"), Some((6, 1)));
        assert_eq!(Machine::kernel_version("6"), None);
    }

    #[test]
    fn healthy_values_are_quiet() {
        assert_eq!(
            severities(&[
                ("net.ipv4.tcp_timestamps", "1"),
                ("net.ipv4.tcp_sack", "1"),
                ("net.ipv4.tcp_window_scaling", "1"),
                ("net.ipv4.tcp_moderate_rcvbuf", "1"),
                ("net.ipv4.tcp_mem", "287898\t383867\t575796"),
                ("net.ipv4.udp_mem", "575796 767734 1151592"),
                ("net.ipv4.tcp_rmem", "4096 131072 33554432"),
                ("net.ipv4.tcp_wmem", "4096 16384 4194304"),
                ("net.core.rmem_default", "212992"),
                ("net.core.optmem_max", "131072"),
                ("net.core.netdev_max_backlog", "1000"),
                ("net.ipv4.tcp_mtu_probing", "0"),
                ("net.ipv4.ip_no_pmtu_disc", "0"),
                ("net.ipv4.tcp_rmem_is_new", "nonsense"),
            ]),
            []
        );
    }

    #[test]
    fn no_value_breaks_it() {
        for value in ["", "x", "-1 -1 -1", "170141183460469231731687303715884105727", "9 9 170141183460469231731687303715884105727"]
        {
            for key in super::super::known() {
                drop(linted(&[(key, value)], &Machine { memory: Some(1), speed_mbps: Some(u32::MAX), ..Machine::default() }));
            }
        }
    }
}

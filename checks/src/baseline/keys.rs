//! Keys of kernel settings, and what shape their values have.
//!
//! Only keys that matter for the network have a shape here: enough to catch slips in a baseline before anything is written.
//! Names and ranges as in `Documentation/networking/ip-sysctl.rst`, `Documentation/admin-guide/sysctl/net.rst` and the tables
//! in `net/ipv4/sysctl_net_ipv4.c` and `net/core/sysctl_net_core.c` of Linux.

use alloc::string::String;

/// What shape the value of a key has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// The key in dots.
    pub key: &'static str,
    /// How many fields.
    pub fields: usize,
    /// What each field is.
    pub kind: Kind,
}

/// What the fields of a value are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Whole numbers in this range, and what they count.
    Number {
        /// Smallest that the kernel takes or documents.
        least: i64,
        /// Largest.
        most: i64,
        /// `bytes`, `pages`, `packets`, … or nothing for switches.
        unit: &'static str,
    },
    /// A word.
    Word,
}

const fn number(key: &'static str, fields: usize, least: i64, most: i64, unit: &'static str) -> Shape {
    Shape { key, fields, kind: Kind::Number { least, most, unit } }
}

const fn switch(key: &'static str, most: i64) -> Shape {
    number(key, 1, 0, most, "")
}

const INT: i64 = i32::MAX as i64;
/// Most pages that a table of `long` takes.
const LONG: i64 = i64::MAX;

/// The keys with a known shape, sorted by key.
const SHAPES: &[Shape] = &[
    number("net.core.busy_poll", 1, 0, INT, "microseconds"),
    number("net.core.busy_read", 1, 0, INT, "microseconds"),
    Shape { key: "net.core.default_qdisc", fields: 1, kind: Kind::Word },
    number("net.core.dev_weight", 1, 1, INT, "packets"),
    number("net.core.netdev_budget", 1, 1, INT, "packets"),
    number("net.core.netdev_budget_usecs", 1, 1, INT, "microseconds"),
    number("net.core.netdev_max_backlog", 1, 0, INT, "packets"),
    number("net.core.optmem_max", 1, 0, INT, "bytes"),
    number("net.core.rmem_default", 1, 256, INT, "bytes"),
    number("net.core.rmem_max", 1, 256, INT, "bytes"),
    number("net.core.rps_sock_flow_entries", 1, 0, 1 << 30, "entries"),
    number("net.core.somaxconn", 1, 0, INT, "connections"),
    number("net.core.wmem_default", 1, 256, INT, "bytes"),
    number("net.core.wmem_max", 1, 256, INT, "bytes"),
    switch("net.ipv4.ip_forward", 1),
    number("net.ipv4.ip_local_port_range", 2, 1, 65_535, "ports"),
    switch("net.ipv4.ip_no_pmtu_disc", 3),
    number("net.ipv4.ipfrag_high_thresh", 1, 0, LONG, "bytes"),
    number("net.ipv4.ipfrag_low_thresh", 1, 0, LONG, "bytes"),
    number("net.ipv4.ipfrag_time", 1, 0, INT, "seconds"),
    number("net.ipv4.neigh.default.gc_thresh1", 1, 0, INT, "entries"),
    number("net.ipv4.neigh.default.gc_thresh2", 1, 0, INT, "entries"),
    number("net.ipv4.neigh.default.gc_thresh3", 1, 0, INT, "entries"),
    number("net.ipv4.route.min_pmtu", 1, 68, INT, "bytes"),
    number("net.ipv4.route.mtu_expires", 1, 0, INT, "seconds"),
    number("net.ipv4.tcp_adv_win_scale", 1, -31, 31, ""),
    number("net.ipv4.tcp_app_win", 1, 0, 31, ""),
    number("net.ipv4.tcp_base_mss", 1, 48, 65_535, "bytes"),
    Shape { key: "net.ipv4.tcp_congestion_control", fields: 1, kind: Kind::Word },
    switch("net.ipv4.tcp_dsack", 1),
    switch("net.ipv4.tcp_ecn", 5),
    switch("net.ipv4.tcp_fack", 1),
    number("net.ipv4.tcp_fastopen", 1, 0, INT, ""),
    number("net.ipv4.tcp_fin_timeout", 1, 0, INT, "seconds"),
    number("net.ipv4.tcp_keepalive_intvl", 1, 0, INT, "seconds"),
    number("net.ipv4.tcp_keepalive_probes", 1, 0, 255, ""),
    number("net.ipv4.tcp_keepalive_time", 1, 0, INT, "seconds"),
    number("net.ipv4.tcp_limit_output_bytes", 1, 0, INT, "bytes"),
    switch("net.ipv4.tcp_low_latency", 1),
    number("net.ipv4.tcp_max_syn_backlog", 1, 0, INT, "connections"),
    number("net.ipv4.tcp_mem", 3, 0, LONG, "pages"),
    switch("net.ipv4.tcp_moderate_rcvbuf", 1),
    number("net.ipv4.tcp_mtu_probe_floor", 1, 48, 65_535, "bytes"),
    switch("net.ipv4.tcp_mtu_probing", 2),
    switch("net.ipv4.tcp_no_metrics_save", 1),
    number("net.ipv4.tcp_notsent_lowat", 1, 0, u32::MAX as i64, "bytes"),
    switch("net.ipv4.tcp_recovery", 7),
    number("net.ipv4.tcp_rmem", 3, 1, INT, "bytes"),
    switch("net.ipv4.tcp_sack", 1),
    switch("net.ipv4.tcp_slow_start_after_idle", 1),
    number("net.ipv4.tcp_syn_retries", 1, 1, 127, ""),
    switch("net.ipv4.tcp_syncookies", 2),
    switch("net.ipv4.tcp_timestamps", 2),
    switch("net.ipv4.tcp_tw_recycle", 1),
    switch("net.ipv4.tcp_tw_reuse", 2),
    switch("net.ipv4.tcp_window_scaling", 1),
    number("net.ipv4.tcp_wmem", 3, 1, INT, "bytes"),
    number("net.ipv4.udp_mem", 3, 0, LONG, "pages"),
    number("net.ipv4.udp_rmem_min", 1, 1, INT, "bytes"),
    number("net.ipv4.udp_wmem_min", 1, 1, INT, "bytes"),
    number("net.ipv6.neigh.default.gc_thresh1", 1, 0, INT, "entries"),
    number("net.ipv6.neigh.default.gc_thresh2", 1, 0, INT, "entries"),
    number("net.ipv6.neigh.default.gc_thresh3", 1, 0, INT, "entries"),
    number("net.ipv6.route.mtu_expires", 1, 0, INT, "seconds"),
];

/// Other keys of the network that a baseline may name, sorted: known, so that no slip is seen in them.
const NAMES: &[&str] = &[
    "net.core.flow_limit_cpu_bitmap",
    "net.core.flow_limit_table_len",
    "net.core.gro_normal_batch",
    "net.core.high_order_alloc_disable",
    "net.core.max_skb_frags",
    "net.core.message_burst",
    "net.core.message_cost",
    "net.core.netdev_tstamp_prequeue",
    "net.core.txrehash",
    "net.ipv4.fib_multipath_hash_policy",
    "net.ipv4.icmp_echo_ignore_all",
    "net.ipv4.icmp_msgs_burst",
    "net.ipv4.icmp_msgs_per_sec",
    "net.ipv4.icmp_ratelimit",
    "net.ipv4.icmp_ratemask",
    "net.ipv4.ip_default_ttl",
    "net.ipv4.ip_early_demux",
    "net.ipv4.ip_forward_use_pmtu",
    "net.ipv4.ip_nonlocal_bind",
    "net.ipv4.ipfrag_max_dist",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_abort_on_overflow",
    "net.ipv4.tcp_autocorking",
    "net.ipv4.tcp_comp_sack_delay_ns",
    "net.ipv4.tcp_comp_sack_nr",
    "net.ipv4.tcp_early_demux",
    "net.ipv4.tcp_early_retrans",
    "net.ipv4.tcp_ecn_fallback",
    "net.ipv4.tcp_frto",
    "net.ipv4.tcp_max_orphans",
    "net.ipv4.tcp_max_reordering",
    "net.ipv4.tcp_max_tw_buckets",
    "net.ipv4.tcp_min_rtt_wlen",
    "net.ipv4.tcp_min_snd_mss",
    "net.ipv4.tcp_min_tso_segs",
    "net.ipv4.tcp_no_ssthresh_metrics_save",
    "net.ipv4.tcp_orphan_retries",
    "net.ipv4.tcp_pacing_ca_ratio",
    "net.ipv4.tcp_pacing_ss_ratio",
    "net.ipv4.tcp_probe_interval",
    "net.ipv4.tcp_probe_threshold",
    "net.ipv4.tcp_reordering",
    "net.ipv4.tcp_retrans_collapse",
    "net.ipv4.tcp_retries1",
    "net.ipv4.tcp_retries2",
    "net.ipv4.tcp_rfc1337",
    "net.ipv4.tcp_rto_max_ms",
    "net.ipv4.tcp_rto_min_us",
    "net.ipv4.tcp_shrink_window",
    "net.ipv4.tcp_stdurg",
    "net.ipv4.tcp_synack_retries",
    "net.ipv4.tcp_thin_linear_timeouts",
    "net.ipv4.tcp_tso_win_divisor",
    "net.ipv4.tcp_workaround_signed_windows",
    "net.ipv4.udp_early_demux",
    "net.ipv6.fib_multipath_hash_policy",
    "net.ipv6.icmp.echo_ignore_all",
    "net.ipv6.icmp.ratelimit",
    "net.ipv6.icmp.ratemask",
    "net.ipv6.ip6frag_high_thresh",
    "net.ipv6.ip6frag_low_thresh",
    "net.ipv6.ip6frag_time",
    "net.ipv6.ip_nonlocal_bind",
];

/// The keys that the checks look at: those of the built-in baselines, and those that [`super::lint`] and `pmtu-masking` judge.
/// Sorted; tests hold it against both.
pub const WATCHED: &[&str] = &[
    "kernel.hung_task_timeout_secs",
    "kernel.nmi_watchdog",
    "kernel.numa_balancing",
    "kernel.timer_migration",
    "net.core.busy_poll",
    "net.core.busy_read",
    "net.core.default_qdisc",
    "net.core.netdev_max_backlog",
    "net.core.optmem_max",
    "net.core.rmem_default",
    "net.core.rmem_max",
    "net.core.somaxconn",
    "net.core.wmem_default",
    "net.core.wmem_max",
    "net.ipv4.ip_no_pmtu_disc",
    "net.ipv4.tcp_adv_win_scale",
    "net.ipv4.tcp_base_mss",
    "net.ipv4.tcp_fack",
    "net.ipv4.tcp_fastopen",
    "net.ipv4.tcp_low_latency",
    "net.ipv4.tcp_mem",
    "net.ipv4.tcp_moderate_rcvbuf",
    "net.ipv4.tcp_mtu_probing",
    "net.ipv4.tcp_no_metrics_save",
    "net.ipv4.tcp_notsent_lowat",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_sack",
    "net.ipv4.tcp_slow_start_after_idle",
    "net.ipv4.tcp_timestamps",
    "net.ipv4.tcp_tw_recycle",
    "net.ipv4.tcp_tw_reuse",
    "net.ipv4.tcp_window_scaling",
    "net.ipv4.tcp_wmem",
    "net.ipv4.udp_mem",
    "vm.stat_interval",
    "vm.swappiness",
];

/// The folders of `/proc/sys` (`Documentation/admin-guide/sysctl/`).
const TOPS: [&str; 10] = ["abi", "crypto", "debug", "dev", "fs", "kernel", "net", "sunrpc", "user", "vm"];

/// The shape of a key's value, where it is known.
#[must_use]
pub fn shape(key: &str) -> Option<&'static Shape> {
    SHAPES.iter().find(|shape| shape.key == key)
}

/// Every key that is known by name, for finding the nearest.
pub fn known() -> impl Iterator<Item = &'static str> {
    SHAPES.iter().map(|shape| shape.key).chain(NAMES.iter().copied())
}

/// Whether a text can be a key at all: parts of letters, digits and `_ - / :` with a dot between them, the first a folder of
/// `/proc/sys`. A slash within a part stands for a dot of an interface's name; no part leads up or is empty.
#[must_use]
pub fn is_key(key: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '/' | ':' | '@' | '+');
    let part = |part: &str| !part.is_empty() && part.chars().all(good) && !part.starts_with('/') && !part.ends_with('/');
    key.len() <= 255
        && key.split('.').count() >= 2
        && key.split('.').all(part)
        && !key.contains("//")
        && key.split('.').next().is_some_and(|top| TOPS.contains(&top))
}

/// A key as `sysctl` prints it. Where a slash comes before any dot, slashes separate the parts and dots belong to names
/// (sysctl(8), sysctl.d(5)): `net/ipv4/conf/eth0.100/mtu` is `net.ipv4.conf.eth0/100.mtu`.
#[must_use]
pub fn dotted(key: &str) -> String {
    let first = key.find(['.', '/']).and_then(|at| key.as_bytes().get(at));
    if first != Some(&b'/') {
        return key.into();
    }
    key.chars()
        .map(|c| match c {
            '/' => '.',
            '.' => '/',
            other => other,
        })
        .collect()
}

/// Whether a key decides where packets go or which are let in. No baseline of ours touches it: it is no matter of speed.
#[must_use]
pub fn never_built_in(key: &str) -> bool {
    let last = key.rsplit('.').next().unwrap_or(key);
    last.contains("forward") || last.contains("rp_filter") || key.contains("bridge-nf-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted_and_lawful() {
        assert!(SHAPES.is_sorted_by(|one, other| one.key < other.key));
        assert!(NAMES.is_sorted() && WATCHED.is_sorted());
        for key in known() {
            assert!(is_key(key), "{key}");
        }
        assert!(NAMES.iter().all(|name| shape(name).is_none()));
    }

    #[test]
    fn keys() {
        for good in ["net.ipv4.tcp_rmem", "net.ipv4.conf.eth0/100.mtu", "vm.swappiness", "net.ipv6.conf.br-lan.mtu"] {
            assert!(is_key(good), "{good}");
        }
        for bad in ["", "net", "net.", ".net.x", "net..x", "etc.passwd", "net.a b", "net.ipv4./etc", "net.//x", "net.x/", "net.x\n"]
        {
            assert!(!is_key(bad), "{bad:?}");
        }
        assert_eq!(dotted("net/ipv4/conf/eth0.100/mtu"), "net.ipv4.conf.eth0/100.mtu");
        assert_eq!(dotted("net.ipv4.conf.eth0/100.mtu"), "net.ipv4.conf.eth0/100.mtu");
        assert_eq!(dotted("vm.swappiness"), "vm.swappiness");
        assert!(never_built_in("net.ipv4.ip_forward") && never_built_in("net.ipv4.conf.all.rp_filter"));
        assert!(never_built_in("net.bridge.bridge-nf-call-iptables") && never_built_in("net.ipv6.conf.all.forwarding"));
        assert!(!never_built_in("net.ipv4.tcp_rmem"));
    }
}

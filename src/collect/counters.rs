//! Packet and error counters, sampled before and after probing.

use super::gap;
use crate::host::Host;
use pathvet_checks::evidence::{self, Counters, Gap};
use pathvet_checks::wire::nla::{self, Builder};
use std::collections::BTreeMap;
use std::time::Duration;

const RTM_NEWSTATS: u16 = 92;
const RTM_GETSTATS: u16 = 94;
/// `struct if_stats_msg`.
const HEADER: usize = 12;
/// `IFLA_STATS_LINK_64`, and its bit in the request's filter.
const LINK_64: u16 = 1;
const PLACE: &str = "netlink RTM_GETSTATS";

/// The fields of `struct rtnl_link_stats64` in their order, named as in `/sys/class/net/*/statistics`.
const NAMES: [&str; 24] = [
    "rx_packets",
    "tx_packets",
    "rx_bytes",
    "tx_bytes",
    "rx_errors",
    "tx_errors",
    "rx_dropped",
    "tx_dropped",
    "multicast",
    "collisions",
    "rx_length_errors",
    "rx_over_errors",
    "rx_crc_errors",
    "rx_frame_errors",
    "rx_fifo_errors",
    "rx_missed_errors",
    "tx_aborted_errors",
    "tx_carrier_errors",
    "tx_fifo_errors",
    "tx_heartbeat_errors",
    "tx_window_errors",
    "rx_compressed",
    "tx_compressed",
    "rx_nohandler",
];

/// The counters of some interfaces at one moment, by interface index.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CounterSample {
    values: BTreeMap<u32, BTreeMap<String, u64>>,
}

impl CounterSample {
    /// The counters of one interface.
    #[must_use]
    pub fn get(&self, ifindex: u32) -> Option<&BTreeMap<String, u64>> {
        self.values.get(&ifindex)
    }
}

/// Reads the counters of those interfaces, all with one system call or two.
#[must_use]
pub fn sample_counters(host: &dyn Host, ifindexes: &[u32]) -> (CounterSample, Vec<Gap>) {
    let requests: Vec<Vec<u8>> = ifindexes.iter().map(|&ifindex| request(ifindex)).collect();
    let mut sample = CounterSample::default();
    let mut gaps = Vec::new();
    for (ifindex, answer) in ifindexes.iter().zip(host.netlink_many(libc::NETLINK_ROUTE, &requests)) {
        match answer {
            Ok(bytes) => match read(&bytes) {
                Some((ifindex, values)) => {
                    sample.values.insert(ifindex, values);
                }
                None => {
                    gaps.push(gap::malformed("links.counters", PLACE, format!("interface {ifindex}: no counters in the answer")));
                }
            },
            Err(error) => {
                let mut gap = gap::from_error("links.counters", PLACE, &error);
                gap.detail = format!("interface {ifindex}: {}", gap.detail);
                gaps.push(gap);
            }
        }
    }
    (sample, gaps)
}

/// Puts two samples, taken `interval` apart, into the links of a host.
pub fn apply_counters(host: &mut evidence::Host, before: &CounterSample, after: Option<(&CounterSample, Duration)>) {
    for link in host.links.iter_mut().flatten() {
        let Some(first) = before.get(link.ifindex) else { continue };
        let last = after.and_then(|(sample, interval)| Some((sample.get(link.ifindex)?, interval)));
        link.counters = Some(Counters {
            first: first.clone(),
            last: last.map(|(values, _)| values.clone()),
            interval_ms: last.map(|(_, interval)| u64::try_from(interval.as_millis()).unwrap_or(u64::MAX)),
        });
    }
}

fn request(ifindex: u32) -> Vec<u8> {
    let mut header = [0; HEADER];
    header[4..8].copy_from_slice(&ifindex.to_ne_bytes());
    header[8..12].copy_from_slice(&1u32.to_ne_bytes());
    Builder::new(RTM_GETSTATS, nla::REQUEST, &header).finish()
}

fn read(bytes: &[u8]) -> Option<(u32, BTreeMap<String, u64>)> {
    let message = nla::messages(bytes).next()?.ok().filter(|message| message.kind == RTM_NEWSTATS)?;
    let ifindex = nla::read_u32(message.body.get(4..)?)?;
    let stats = nla::attributes(message.body.get(HEADER..)?).flatten().find(|attribute| attribute.kind == LINK_64)?;
    let values = NAMES.iter().zip(stats.value.chunks_exact(8));
    Some((ifindex, values.filter_map(|(name, value)| Some(((*name).to_owned(), nla::read_u64(value)?))).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::ThisHost;
    use std::net::UdpSocket;

    #[test]
    fn counters_rise_and_have_the_names_of_sysfs() {
        let (before, gaps) = sample_counters(&ThisHost, &[1]);
        assert_eq!(gaps, []);
        let socket = UdpSocket::bind(("127.0.0.1", 0)).expect("a socket");
        let address = socket.local_addr().expect("an address");
        for _ in 0..3 {
            socket.send_to(&[0; 100], address).expect("sent");
        }
        let (after, _) = sample_counters(&ThisHost, &[1]);
        let sent = |sample: &CounterSample| sample.get(1).expect("loopback")["tx_packets"];
        assert!(sent(&after) >= sent(&before) + 3);

        let mut names: Vec<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
        names.sort();
        assert_eq!(ThisHost.list("/sys/class/net/lo/statistics").expect("sysfs"), names);
        let value = |name: &str| ThisHost.read(&format!("/sys/class/net/lo/statistics/{name}")).expect("sysfs");
        for name in ["rx_over_errors", "rx_nohandler", "collisions"] {
            let text = String::from_utf8(value(name)).expect("text");
            assert_eq!(text.trim().parse::<u64>().ok(), after.get(1).and_then(|values| values.get(name)).copied(), "{name}");
        }

        let mut host = evidence::Host { links: crate::collect::links(&ThisHost).0, ..evidence::Host::default() };
        apply_counters(&mut host, &before, Some((&after, Duration::from_millis(7))));
        let counters = host.link_by_index(1).and_then(|link| link.counters.clone()).expect("counters");
        assert_eq!((counters.interval_ms, counters.last.as_ref()), (Some(7), after.get(1)));
        let (none, gaps) = sample_counters(&ThisHost, &[2_000_000_000]);
        assert_eq!((none, gaps.len()), (CounterSample::default(), 1));
    }
}

//! What routers, filters and far ends refuse.

use super::{Net, config, run};
use crate::evidence::{LimitKind, Method};
use crate::search::{Carrier, Config, Probe, Search, Transmit};
use alloc::vec::Vec;
use core::time::Duration;

/// Sends what the search wants now: the probes, in their order.
fn sent_now(search: &mut Search, now: Duration) -> Vec<Probe> {
    let mut sent = Vec::new();
    while let Some(transmit) = search.poll_transmit(now) {
        if let Transmit::Probe(probe) = transmit {
            search.on_sent(probe.seq, now);
            sent.push(probe);
        }
    }
    sent
}

/// The first echo was late; UDP was asked too, and a filter or another address of the far end refuses it after echo has answered.
#[test]
fn a_late_refusal_of_udp_ends_nothing() {
    for word in ["port unreachable from 192.0.2.3", "host unreachable from 192.0.2.254"] {
        let mut search = Search::new(config(9600, 1));
        let first = sent_now(&mut search, Duration::ZERO)[0];
        let now = Duration::from_millis(251);
        let second = sent_now(&mut search, now);
        let carriers: Vec<Carrier> = second.iter().map(|probe| probe.carrier).collect();
        assert_eq!(carriers, [Carrier::Echo, Carrier::Udp]);
        search.on_reply(second[0].seq, now, None, Some(64));
        search.on_unreachable(second[1].seq, word, now);
        assert!(!search.is_done());
        assert!(sent_now(&mut search, now).iter().any(|probe| probe.size == 9600), "the ladder goes on");
        assert!(search.largest_answered() < 1280 && first.carrier == Carrier::Echo);
    }
}

/// Every kind of packet but TCP is refused by a filter: the others are asked without waiting.
#[test]
fn a_filters_word_is_not_the_last() {
    let mut search = Search::new(config(9600, 1));
    let now = Duration::from_millis(1);
    let mut asked = Vec::new();
    for _ in 0..6 {
        for probe in sent_now(&mut search, now) {
            asked.push(probe.carrier);
            if probe.carrier == Carrier::Tcp {
                search.on_reply(probe.seq, now, None, None);
            } else {
                search.on_unreachable(probe.seq, "administratively prohibited from 192.0.2.254", now);
            }
        }
    }
    assert!(asked.contains(&Carrier::Udp) && asked.contains(&Carrier::Tcp), "{asked:?}");
    assert!(!search.is_done());
}

/// A filter refuses UDP, then a router says that the host is not there: the router's word ends it and is the one to tell.
#[test]
fn the_word_that_ends_the_contact_is_kept() {
    let mut search = Search::new(config(9600, 1));
    let echo = sent_now(&mut search, Duration::ZERO)[0];
    let now = Duration::from_millis(251);
    let mut out = sent_now(&mut search, now);
    out.retain(|probe| {
        probe.carrier != Carrier::Udp || {
            search.on_unreachable(probe.seq, "port unreachable from 192.0.2.254", now);
            false
        }
    });
    assert_eq!(search.unreachable.as_deref(), Some("port unreachable from 192.0.2.254"));
    for probe in out.into_iter().chain([echo]).chain(sent_now(&mut search, now)) {
        search.on_unreachable(probe.seq, "host unreachable from 192.0.2.254", now);
    }
    assert_eq!(search.unreachable.as_deref(), Some("host unreachable from 192.0.2.254"));
}

/// Echo is filtered, and a run that ended just now took all the errors that the far end may send: the answer is the same.
#[test]
fn a_run_right_after_another_says_the_same() {
    for seed in 0..20 {
        for (mtu, kind) in [(9198, LimitKind::Silent), (9600, LimitKind::None)] {
            for udp_spent in [false, true] {
                let found = run(Net { icmp_filter: 0, udp_spent, ..Net::clean(mtu) }, config(9600, seed)).path;
                assert_eq!((found.path_mtu, found.limit.kind), (Some(mtu), kind), "{seed} {udp_spent}");
                assert!(kind == LimitKind::None || found.method == Some(Method::Udp), "{seed} {udp_spent}");
            }
        }
    }
}

/// A router says truly that it carries 9000, and what is behind it carries less: its word is tried, and then no more.
#[test]
fn a_true_word_about_another_cut_is_not_tried_for_ever() {
    for seed in 0..20 {
        for (loss, policer) in [(0, None), (50, None), (0, Some((150, 12, false)))] {
            let router = Some((9000, Duration::ZERO));
            let net = Net { router, honest: true, udp: false, tcp: false, loss, policer, ..Net::clean(4004) };
            let found = run(net, Config { on_link: false, ..config(9216, seed) }).path;
            assert_eq!((found.path_mtu, found.limit.kind), (Some(4004), LimitKind::Silent), "{seed} {loss} {policer:?}");
            assert!(found.incomplete.is_none() && found.probes_sent < 900, "{seed} {loss}: {}", found.probes_sent);
        }
    }
}

/// Echo is filtered, and large datagrams are too: what UDP alone saw is no cut where TCP passes.
#[test]
fn a_filter_of_large_datagrams_is_no_cut() {
    for seed in 0..20 {
        let net = Net { icmp_filter: 0, udp_filter: 1420, ..Net::clean(9000) };
        let found = run(net.clone(), config(9000, seed)).path;
        assert_eq!((found.path_mtu, found.limit.kind, found.method), (Some(9000), LimitKind::None, Some(Method::Tcp)), "{seed}");
        // With a cut above it TCP's silence decides nothing.
        let found = run(net, config(9600, seed)).path;
        assert!(found.path_mtu >= Some(1420) && found.limit.kind == LimitKind::Filtered, "{seed}: {:?}", found.limit);
    }
}

//! What the search concluded, written into the evidence.

use super::{Carrier, Search, method};
use crate::evidence::{
    Direction, Limit, LimitKind, LossSample, MethodResult, Path, PeerMtu, PeerMtuHow, Policer, Proof, Rtt, Rung, RungOutcome,
};
use alloc::vec::Vec;
use core::time::Duration;

impl Search {
    /// Writes what was measured into `path`. Who answered for the address, the route and the neighbour are the loop's to add.
    pub fn conclude(&self, path: &mut Path) {
        let low = self.ladder().low;
        let contacted = low > 0;
        path.method = (self.sent > 0).then_some(method(self.main));
        path.path_mtu = contacted.then_some(low);
        path.probes_sent = self.sent.into();
        path.bytes_sent = self.bytes;
        path.rounds = self.rounds;
        path.elapsed_ms = self.elapsed().map_or(0, |elapsed| u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
        path.reply_ttl = self.reply_ttl;
        path.corrupted = self.corrupted;
        path.void_rounds = self.void_rounds;
        path.too_big.clone_from(&self.too_big);
        path.unreachable.clone_from(&self.unreachable);
        path.send_error.clone_from(&self.send_error);
        path.incomplete.clone_from(&self.incomplete);
        path.peer_mtu = self.peer_mtu.or_else(|| {
            let (value, limit) = self.far_mtu()?;
            // What is between could be asked for only where it arrives.
            let at_least = value < limit && value > self.ladder().low;
            Some(PeerMtu { value, how: PeerMtuHow::Fragments, at_least })
        });
        path.policer = self.policed.then_some(Policer { per_second: 20 });
        path.rtt_us = self.rtt();
        path.rungs = self.rungs();
        path.methods = self.methods();
        path.control = sample(self.control_sample);
        self.conclude_loss(path);
        path.limit = self.limit(path.on_link, path.neighbour_lladdr.is_some());
        path.proof = (self.pairs.low_sent > 0).then(|| Proof {
            passes: self.pairs.low,
            passes_sent: self.pairs.low_sent,
            passes_replied: self.pairs.low_replied,
            vanishes: self.pairs.low + 1,
            vanishes_sent: self.pairs.high_sent,
            vanishes_replied: self.pairs.high_replied,
            proven: self.pairs.proven,
        });
        path.reverse_mtu = self.reverse_mtu(path.limit);
    }

    /// Time from the first probe to the verdict.
    #[must_use]
    pub fn elapsed(&self) -> Option<Duration> {
        Some(self.finished_at?.saturating_sub(self.started_at?))
    }

    /// The rungs so far, ascending; for the live ladder.
    #[must_use]
    pub fn rungs(&self) -> Vec<Rung> {
        let mut rungs: Vec<Rung> = Vec::new();
        let low = self.ladder().low;
        let ladders: &[&super::Ladder] = match self.main {
            Carrier::Udp => &[&self.udp],
            Carrier::Tcp => &[&self.tcp],
            Carrier::Echo | Carrier::ForwardIcmp | Carrier::Fragments => &[&self.echo],
        };
        for tally in ladders.iter().flat_map(|ladder| ladder.all()) {
            let outcome = if tally.replied > 0 {
                RungOutcome::Passed
            } else if tally.refused {
                RungOutcome::Local
            } else if tally.too_big {
                RungOutcome::TooBig
            } else if tally.sent == 0 {
                continue;
            } else if tally.size < low {
                RungOutcome::Lost
            } else {
                RungOutcome::Silent
            };
            rungs.push(Rung { mtu: tally.size, sent: tally.sent, replied: tally.replied, outcome });
        }
        rungs
    }

    fn rtt(&self) -> Option<Rtt> {
        let (count, sum, min, max) = self.rtt_sample;
        let avg = sum.checked_div(count.into())?;
        Some(Rtt { min, avg: u32::try_from(avg).unwrap_or(u32::MAX), max })
    }

    fn conclude_loss(&self, path: &mut Path) {
        let (sent, lost) = self.ladder().loss();
        path.sample = LossSample { sent, replied: sent - lost };
        path.slow_sample = (self.slow.0 > 0).then(|| sample(self.slow));
        let judged = path.slow_sample.unwrap_or(path.sample);
        path.loss = (judged.sent > 0 && self.main == Carrier::Echo)
            .then(|| f64::from(judged.sent.saturating_sub(judged.replied)) / f64::from(judged.sent));
    }

    fn methods(&self) -> Vec<MethodResult> {
        let mut results = Vec::new();
        for (carrier, ladder) in [(Carrier::Echo, &self.echo), (Carrier::Udp, &self.udp), (Carrier::Tcp, &self.tcp)] {
            let (sent, replied) =
                ladder.all().iter().fold((0, 0), |(sent, replied), tally| (sent + tally.sent, replied + tally.replied));
            if carrier == self.main || sent == 0 {
                continue;
            }
            let failed = ladder.all().iter().find(|tally| tally.size > ladder.low && tally.lost >= 3).map(|tally| tally.size);
            results.push(MethodResult {
                method: method(carrier),
                sent,
                replied,
                passed: (ladder.low > 0).then_some(ladder.low),
                failed,
                forward_only: carrier != Carrier::Echo,
            });
        }
        results
    }

    fn limit(&self, on_link: bool, resolved: bool) -> Limit {
        let plain = |kind| Limit { kind, direction: None, router: None, reported_mtu: None };
        let low = self.ladder().low;
        if self.send_error.as_deref().is_some_and(|error| error.starts_with("EPERM") || error.starts_with("EACCES")) {
            return plain(LimitKind::FirewallLocal);
        }
        if low == 0 {
            return plain(if on_link && resolved && self.unreachable.is_none() {
                LimitKind::Filtered
            } else {
                LimitKind::Unreachable
            });
        }
        if let Some(hint) = self.hint.filter(|hint| hint.confirmed && low <= hint.mtu) {
            let router = Some(hint.from);
            return Limit { kind: LimitKind::Router, direction: Some(Direction::Forward), router, reported_mtu: Some(hint.mtu) };
        }
        if let Some(cut) = self.echo_cut
            && low >= self.top()
        {
            return match self.echo_cut_direction(cut) {
                Some(direction) => Limit { kind: LimitKind::Silent, direction: Some(direction), router: None, reported_mtu: None },
                None => plain(LimitKind::None),
            };
        }
        if low >= self.config.interface_mtu {
            return plain(LimitKind::None);
        }
        if self.refused_at.is_some_and(|refused| low >= refused) {
            return Limit { direction: Some(Direction::Forward), reported_mtu: self.refused_at, ..plain(LimitKind::Local) };
        }
        if self.main == Carrier::Tcp {
            return plain(LimitKind::Filtered);
        }
        if self.pairs.low == low && self.pairs.high_sent > 0 && self.pairs.high_replied == 0 || self.config.gateway {
            return Limit { direction: Some(self.cut_direction(low)), ..plain(LimitKind::Silent) };
        }
        let lost = self.ladder().loss().1 > 0;
        plain(match (self.policed, lost) {
            (true, _) => LimitKind::Policed,
            (false, true) => LimitKind::Loss,
            (false, false) => LimitKind::Silent,
        })
    }

    /// Which way a cut that echo and its second method agree on acts.
    fn cut_direction(&self, low: u32) -> Direction {
        let forward = |ladder: &super::Ladder| ladder.get(low).replied > 0 && ladder.low <= low;
        if self.main == Carrier::Udp || forward(&self.udp) || forward(&self.tcp) { Direction::Forward } else { Direction::Unknown }
    }

    /// Where echo stops at `cut` and a method with small answers does not: `Reverse` where large ICMP is known to arrive,
    /// `Unknown` where it cannot be told, `None` where large ICMP is filtered.
    ///
    /// No network carries less than 1280 bytes (IPv6) or is set below it, so a smaller cut is a filter's.
    fn echo_cut_direction(&self, cut: u32) -> Option<Direction> {
        let super::ForwardIcmp { small, large } = self.forward_icmp;
        if cut < 1280 || (small > 0 && large == 0) {
            None
        } else if large > 0 {
            Some(Direction::Reverse)
        } else {
            Some(Direction::Unknown)
        }
    }

    fn reverse_mtu(&self, limit: Limit) -> Option<u32> {
        if limit.direction == Some(Direction::Reverse) {
            return self.echo_cut;
        }
        // The far end fragments its answers at its own MTU; what comes back whole has proven its size.
        self.largest_fragment.filter(|_| self.fragments_are_answers()).or((self.whole_reply > 0).then_some(self.whole_reply))
    }

    fn fragments_are_answers(&self) -> bool {
        self.largest_fragment.is_some_and(|fragment| fragment < self.ladder().low)
    }

    /// The far end's MTU, from and to, as its answers in fragments tell it. On a routed IPv4 path any router may have cut them.
    ///
    /// A fragment's payload is a multiple of eight, so up to seven bytes of the MTU stay unused (RFC 791, RFC 8200); what came back
    /// whole, what did not, and what arrives there narrow it down.
    pub(super) fn far_mtu(&self) -> Option<(u32, u32)> {
        let fragment = self.largest_fragment.filter(|_| self.config.v6 || self.config.on_link)?;
        let limit = self.split_reply.map_or(fragment + 7, |split| (fragment + 7).min(split - 1)).max(fragment);
        let within = |size: &u32| (fragment..=limit).contains(size);
        let least = [self.whole_reply, self.ladder().low].into_iter().filter(within).max();
        Some((least.unwrap_or(fragment), limit))
    }

    pub(super) fn knows_far_mtu(&self) -> bool {
        self.peer_mtu.is_some() || self.far_mtu().is_some()
    }
}

fn sample((sent, replied): (u32, u32)) -> LossSample {
    LossSample { sent, replied: replied.min(sent) }
}

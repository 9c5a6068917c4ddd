//! The decisions: what is given up, and what is asked next.

use super::ladder_plan::{self, Gap};
use super::{
    BUDGET, Carrier, GATEWAY_BUDGET, InFlight, MAX_BYTES_IN_FLIGHT, MAX_IN_FLIGHT, Pairs, Planned, Role, Search, Stage, stats,
};
use alloc::vec::Vec;
use core::time::Duration;

/// Pace once a policer is known, and of the slow sample: 20 a second at most.
const SLOW_GAP: Duration = Duration::from_millis(50);
/// Pace of the enlarged loss sample.
const SAMPLE_GAP: Duration = Duration::from_millis(10);
/// Size of the sample that a verdict on loss needs.
const LOSS_SAMPLE: u32 = 300;
/// Largest slow sample before it counts as undecided.
const SLOW_SAMPLE: u32 = 40;
/// Pairs of the first proof: what it takes without loss.
const PAIRS: u32 = 13;
/// The same by UDP: groups, and how many N + 1 there are in each beside one N.
const UDP_PROOF: (u32, u32) = (6, 7);
/// SYNs of one path at most, and their distance.
pub(super) const MAX_SYNS: u32 = 20;
pub(super) const SYN_GAP: Duration = Duration::from_millis(20);
/// Many routers answer one too-big message per half second.
pub(super) const ROUTER_GAP: Duration = Duration::from_millis(520);
/// Linux sends one ICMP error a second to one peer, after a burst of six (`net.ipv4.icmp_ratelimit`, `XRLIM_BURST_FACTOR`).
const UDP_BURST: u32 = 6_000;
pub(super) const ERROR_GAP: Duration = Duration::from_millis(1_100);

impl Search {
    /// Gives up what is due, and decides the next step when nothing is left in flight.
    pub(super) fn advance(&mut self, now: Duration) {
        if self.is_done() {
            return;
        }
        self.give_up(now);
        if self.connect_pending.is_some_and(|since| now >= since + self.patience()) {
            self.connect_pending = None;
        }
        if self.queue.is_empty() && self.in_flight.is_empty() {
            match self.stage {
                Stage::Contact { tries } => self.contact(tries, now),
                Stage::Slow => self.judge_slow_sample(now),
                Stage::Ladder | Stage::Proof | Stage::Confirm => self.decide(now),
                Stage::Done => {}
            }
        }
    }

    pub(super) fn finish(&mut self, now: Duration) {
        self.stage = Stage::Done;
        self.queue = alloc::collections::VecDeque::new();
        self.in_flight = Vec::new();
        self.given_up = Vec::new();
        self.bytes_in_flight = 0;
        self.connect_wanted = false;
        self.connect_pending = None;
        self.finished_at = Some(now);
    }

    /// The first of the queue, where it may be sent now.
    pub(super) fn sendable(&self, now: Duration) -> Option<Planned> {
        let next = self.queue.front()?;
        (self.ready_at(next) <= now && !self.is_blocked(next)).then_some(*next)
    }

    /// Whether the limit on probes or bytes in flight holds it back.
    pub(super) fn is_blocked(&self, plan: &Planned) -> bool {
        if self.in_flight.is_empty() {
            return false;
        }
        let small = plan.size <= self.control_size();
        let full = if small { self.in_flight.len() >= MAX_IN_FLIGHT } else { self.in_flight.len() >= MAX_IN_FLIGHT - 1 };
        full || (!small && self.bytes_in_flight + plan.size > MAX_BYTES_IN_FLIGHT)
    }

    /// When the far end's limit on errors, and its own schedule, let it go.
    pub(super) fn ready_at(&self, plan: &Planned) -> Duration {
        if plan.carrier != Carrier::Udp {
            return plan.at;
        }
        let expected = self.in_flight.iter().filter(|entry| entry.plan.carrier == Carrier::Udp).count();
        let expected = u32::try_from(expected).unwrap_or(u32::MAX).saturating_mul(1000);
        let (tokens, since) = self.udp_tokens;
        let short = (expected + 1000).saturating_sub(tokens);
        if short == 0 { plan.at } else { plan.at.max(since + Duration::from_micros(u64::from(short) * 1_050)) }
    }

    pub(super) fn spend_udp_token(&mut self, now: Duration) {
        let (tokens, since) = self.udp_tokens;
        let gained = u32::try_from(now.saturating_sub(since).as_micros() / 1_050).unwrap_or(u32::MAX);
        self.udp_tokens = (tokens.saturating_add(gained).min(UDP_BURST).saturating_sub(1000), now);
    }

    /// How long a connect may keep the verdict waiting: the ports are tried one after the other, and where packets are lost the
    /// kernel's second SYN is waited for, a second after the first (`TCP_TIMEOUT_INIT` in the kernel's `include/net/tcp.h`).
    pub(super) fn patience(&self) -> Duration {
        let answered = (self.rtt.smoothed() * 4).max(self.rtt.timeout()) + Duration::from_millis(15);
        let lossy = self.policed || self.ladder().loss().1 > 0;
        if lossy { answered + Duration::from_secs(1) } else { answered }
    }

    /// When a probe in flight counts as lost.
    pub(super) fn due(&self, entry: &InFlight) -> Duration {
        let timeout = match (entry.plan.role, self.stage) {
            (Role::Contact, Stage::Contact { tries }) if self.fallback.is_none() => {
                Duration::from_millis(250) * (1 << tries.saturating_sub(1).min(2))
            }
            _ => self.rtt.timeout(),
        };
        let by_time = entry.sent_at + timeout;
        let Some((highest, at)) = self.highest_answered else { return by_time };
        if !super::newer(highest, entry.seq) {
            return by_time;
        }
        let margin = match entry.plan.role {
            Role::PairLow | Role::PairHigh | Role::Confirm | Role::Reask => self.rtt.final_margin(),
            Role::Contact | Role::Ladder | Role::Slow => self.rtt.margin(),
        };
        by_time.min(at.max(entry.sent_at) + margin)
    }

    fn give_up(&mut self, now: Duration) {
        let mut index = 0;
        while index < self.in_flight.len() {
            let entry = self.in_flight[index];
            if !entry.sent || self.due(&entry) > now {
                index += 1;
                continue;
            }
            self.in_flight.swap_remove(index);
            self.bytes_in_flight = self.bytes_in_flight.saturating_sub(entry.plan.size);
            if self.given_up.len() >= 64 {
                self.given_up.remove(0);
            }
            self.given_up.push((entry.seq, entry.plan));
            let plan = entry.plan;
            if matches!(plan.carrier, Carrier::ForwardIcmp | Carrier::Fragments) || plan.role == Role::Slow {
                continue;
            }
            if plan.role == Role::Contact {
                let tally = self.ladder_of(plan.carrier).at(plan.size);
                tally.sent = tally.sent.saturating_sub(1);
                continue;
            }
            if plan.size == self.control_size() {
                self.control_sample.0 += 1;
            }
            if plan.carrier == Carrier::Udp && plan.size <= self.udp.low {
                // What arrived before: the far end has most likely spent its errors, on others or on the run before this one.
                self.udp_tokens = (0, now);
                self.udp_fence_lost |= plan.role == Role::Ladder;
            }
            self.ladder_of(plan.carrier).at(plan.size).lost += 1;
        }
    }

    pub(super) fn enqueue(&mut self, at: Duration, size: u32, carrier: Carrier, role: Role) {
        self.queue.push_back(Planned { at, size, carrier, role, unsent: 0 });
    }

    /// Control probes until something answers: echo, from the second try on UDP too, then TCP.
    fn contact(&mut self, tries: u8, now: Duration) {
        let methods = self.config.methods;
        let size = self.control_size();
        if let Some(carrier) = self.fallback {
            self.main = carrier;
            self.stage = Stage::Ladder;
            self.decide(now);
            return;
        }
        let last = if methods.tcp { 4 } else { 3 };
        if tries >= last || (self.config.gateway && tries >= 2) {
            self.finish(now);
            return;
        }
        self.stage = Stage::Contact { tries: tries + 1 };
        if methods.icmp {
            self.enqueue(now, size, Carrier::Echo, Role::Contact);
        }
        if methods.udp && !self.config.gateway && (tries >= 1 || !methods.icmp) {
            self.enqueue(now, size, Carrier::Udp, Role::Contact);
        }
        if methods.tcp && (tries >= 2 || !(methods.icmp || methods.udp)) {
            self.enqueue(now, size, Carrier::Tcp, Role::Contact);
        }
        if tries == 0 && self.config.resolved && methods.icmp {
            self.start_round(now);
        }
        if self.queue.is_empty() {
            // No method for this try, and perhaps for none.
            self.contact(tries + 1, now);
        }
    }

    /// The first answer, and by which method. Echo is preferred: nothing limits its answers, so it gets some more tries before
    /// another method takes over.
    pub(super) fn on_contact(&mut self, carrier: Carrier, now: Duration) {
        self.config.resolved = true;
        if carrier == Carrier::Echo || !self.config.methods.icmp {
            self.queue.retain(|queued| queued.role != Role::Contact);
            self.main = carrier;
            self.fallback = None;
            self.stage = Stage::Ladder;
        } else if self.fallback.is_none() {
            self.queue.retain(|queued| queued.role != Role::Contact);
            self.fallback = Some(carrier);
            let step = self.rtt.smoothed() + Duration::from_millis(2);
            for number in 0..8 {
                self.enqueue(now + step * number, self.control_size(), Carrier::Echo, Role::Contact);
            }
        } else if carrier == Carrier::Udp {
            // TCP's silence proves nothing, so it is the last resort.
            self.fallback = Some(carrier);
        }
    }

    /// The size at which the search ends, if it arrives.
    pub(super) fn top(&self) -> u32 {
        let local = self.refused_at.map_or(self.config.interface_mtu, |refused| refused.min(self.config.interface_mtu));
        self.hint.map_or(local, |hint| hint.mtu.min(local))
    }

    pub(super) fn decide(&mut self, now: Duration) {
        self.stage = Stage::Ladder;
        let budget = if self.config.gateway { GATEWAY_BUDGET - 10 } else { BUDGET };
        if self.sent >= budget {
            if !self.config.gateway {
                self.incomplete = Some("the probe budget was spent before the answer was sure".into());
            }
            self.finish(now);
            return;
        }
        if self.try_hint(now) {
            return;
        }
        let top = self.top();
        if self.main == Carrier::Echo && self.slow_checked && !self.policed {
            // What was too little to tell at the time of the slow sample may be enough by now.
            self.finds_a_policer();
        }
        let ladder = self.ladder();
        let (low, (sent, lost)) = (ladder.low, ladder.loss());
        if self.main == Carrier::Echo && !self.slow_checked && !self.config.gateway && lost >= 2 {
            self.stage = Stage::Slow;
            self.enqueue_slow(now + SLOW_GAP * 2, 8, SLOW_GAP);
            return;
        }
        if low >= top {
            if self.wants_sample(sent) {
                self.take_sample(now, sent);
            } else {
                self.settle(now);
            }
            return;
        }
        if self.main == Carrier::Tcp && self.take_over_by_udp(now) {
            return;
        }
        if self.main == Carrier::Tcp && self.tcp_syns() + 2 > MAX_SYNS {
            self.finish(now);
            return;
        }
        if core::mem::take(&mut self.udp_fence_lost) && self.main == Carrier::Udp && self.udp_voids < 3 {
            self.udp_voids += 1;
            self.udp.forget_losses();
            self.gap_rounds = self.gap_rounds.saturating_sub(1);
        }
        match self.ladder().high(stats::tries_for(sent, lost)) {
            Some(high) if high == low + 1 && self.rounds > 0 => self.prove(low, now),
            _ => self.start_round(now),
        }
    }

    /// Tries the size that a too-big message names. `true` while that is going on.
    fn try_hint(&mut self, now: Duration) -> bool {
        let Some(mut hint) = self.hint.filter(|hint| !hint.confirmed) else { return false };
        let low = self.ladder().low;
        if low > hint.mtu {
            self.hint = None;
            return false;
        }
        if low == hint.mtu {
            hint.confirmed = true;
            self.hint = Some(hint);
            for message in self.too_big.iter_mut().filter(|message| message.mtu == hint.mtu && message.from == hint.from) {
                message.believed = true;
            }
            return false;
        }
        if hint.asked >= 2 {
            self.hint = None;
            self.hints_failed += 1;
            self.hint_failed = Some(self.hint_failed.map_or(hint.mtu, |least| least.min(hint.mtu)));
            return false;
        }
        let (at, mut copies) = if hint.asked == 0 { (now, 1) } else { (now + ROUTER_GAP, 3) };
        if self.ladder().loss().1 > 0 {
            copies *= 4;
        }
        hint.asked += 1;
        self.hint = Some(hint);
        self.rounds += 1;
        for _ in 0..copies {
            self.enqueue(at, hint.mtu, self.main, Role::Ladder);
        }
        if self.main == Carrier::Echo {
            self.enqueue(at, self.control_size(), Carrier::Echo, Role::Ladder);
        }
        true
    }

    /// Whether a path on which everything passes has been probed too little to say anything about loss.
    fn wants_sample(&self, sent: u32) -> bool {
        let wanted = self.config.sample > sent && !self.config.gateway && !self.config.ladder_only;
        wanted && !self.sampled && self.main == Carrier::Echo && !self.slow_checked && !self.policed
    }

    /// Control and largest size in turn, spread over a round trip, so that a short disturbance does not hit all.
    fn take_sample(&mut self, now: Duration, sent: u32) {
        self.sampled = true;
        let sizes = [self.control_size(), self.ladder().low];
        let count = self.config.sample.saturating_sub(sent);
        let span = self.rtt.smoothed().clamp(Duration::from_millis(2), Duration::from_millis(20));
        let step = u64::try_from(span.as_micros()).unwrap_or(0) * 2 / u64::from(count.max(1));
        let mut at = now;
        for index in 0..count {
            self.enqueue(at, sizes[usize::from(index % 2 == 0)], Carrier::Echo, Role::Ladder);
            at += Duration::from_micros(self.rng.below(step));
        }
        self.enqueue(at, self.control_size(), Carrier::Echo, Role::Ladder);
    }

    fn start_round(&mut self, now: Duration) {
        self.rounds += 1;
        let (sent, lost) = self.ladder().loss();
        let tries = stats::tries_for(sent, lost);
        let gap = Gap {
            low: self.ladder().low.max(self.control_size()),
            high: self.ladder().high(tries),
            top: self.top(),
            first: self.rounds == 1 || self.ladder().low <= self.control_size() && self.ladder().high(1).is_none(),
            second: self.gap_rounds == 0,
            tries: if lost > 0 { tries } else { 1 },
            policed: self.policed,
        };
        if !gap.first {
            self.gap_rounds += 1;
        }
        let sizes = ladder_plan::sizes(&self.config, &gap);
        match self.main {
            Carrier::Udp => {
                let step = self.rtt.smoothed() * 5 / 4 + Duration::from_millis(1);
                self.enqueue_descending(now, &sizes, step);
                // Where all were silent: was the far end free to answer?
                let at = now + step * u32::try_from(sizes.len()).unwrap_or(u32::MAX);
                self.enqueue(at, self.udp.low.max(self.control_size()), Carrier::Udp, Role::Ladder);
            }
            Carrier::Tcp => self.enqueue_descending(now, &sizes, SYN_GAP.max(self.rtt.smoothed() * 5 / 4)),
            Carrier::Echo | Carrier::ForwardIcmp | Carrier::Fragments => {
                let step = if self.policed { SLOW_GAP } else { Duration::ZERO };
                let mut at = now;
                for size in sizes {
                    self.enqueue(at, size, Carrier::Echo, Role::Ladder);
                    at += step;
                }
                let fence = self.control_size();
                self.enqueue(at, fence, Carrier::Echo, Role::Ladder);
                if lost > 0 && !self.policed {
                    self.enqueue(at, fence, Carrier::Echo, Role::Ladder);
                }
            }
        }
    }

    /// From the largest down, one at a time: the first answer ends the round, so each round costs the far end one error message.
    fn enqueue_descending(&mut self, now: Duration, sizes: &[u32], step: Duration) {
        let carrier = self.main;
        let room = if carrier == Carrier::Tcp { MAX_SYNS.saturating_sub(self.tcp_syns()) } else { u32::MAX };
        let mut at = now;
        for size in sizes.iter().rev().take(usize::try_from(room).unwrap_or(usize::MAX)) {
            self.enqueue(at, *size, carrier, Role::Ladder);
            at += step;
        }
    }

    pub(super) fn tcp_syns(&self) -> u32 {
        self.tcp.all().iter().map(|tally| tally.sent).sum::<u32>() + 4
    }

    fn prove(&mut self, low: u32, now: Duration) {
        self.stage = Stage::Proof;
        if self.pairs.low != low {
            self.pairs = Pairs { low, ..Pairs::default() };
        }
        let pairs = &mut self.pairs;
        if pairs.high_replied == 0 && stats::proves_cut(pairs.low_sent, pairs.low_replied, pairs.high_sent) {
            pairs.proven = true;
            self.settle(now);
            return;
        }
        let first = pairs.low_sent == 0;
        let count = if first { PAIRS } else { 6 };
        self.rounds += 1;
        if self.main == Carrier::Udp {
            // What arrives costs one of the few errors that the far end sends a second; what vanishes costs nothing.
            let (count, above) = if first { UDP_PROOF } else { (2, UDP_PROOF.1) };
            self.enqueue_proof(now, low, (count, above), Duration::from_millis(2));
            return;
        }
        if self.policed {
            self.enqueue_proof(now, low, (count, 1), SLOW_GAP);
            return;
        }
        let span = self.rtt.smoothed().max(Duration::from_millis(5));
        if first {
            let third = count.div_ceil(3);
            for (burst, pairs) in [third, third, count - 2 * third].into_iter().enumerate() {
                let jitter = Duration::from_micros(self.rng.below(u64::try_from(span.as_micros() / 16).unwrap_or(0)));
                let at = now + span * u32::try_from(burst).unwrap_or(0) / 2 + if burst == 1 { jitter } else { Duration::ZERO };
                self.enqueue_proof(at, low, (pairs, 1), Duration::ZERO);
                self.enqueue(at, self.control_size(), Carrier::Echo, Role::Ladder);
                if burst == 0 {
                    self.ask_second_method(at, low);
                }
            }
        } else {
            self.enqueue_proof(now, low, (count, 1), Duration::ZERO);
            self.enqueue(now + Duration::from_micros(400), self.control_size(), Carrier::Echo, Role::Ladder);
        }
    }

    /// So many groups, each of one N and `above` N + 1, in random order at random spacing.
    fn enqueue_proof(&mut self, mut at: Duration, low: u32, (count, above): (u32, u32), gap: Duration) {
        for _ in 0..count {
            let place = self.rng.below(u64::from(above) + 1);
            for index in 0..=above {
                let (size, role) = if u64::from(index) == place { (low, Role::PairLow) } else { (low + 1, Role::PairHigh) };
                self.enqueue(at, size, self.main, role);
                at += if gap.is_zero() { Duration::from_micros(self.rng.below(60)) } else { gap };
            }
        }
    }

    /// While the proof runs, and nothing was lost: N and N + 1 by UDP, and the far end's own MTU.
    fn ask_second_method(&mut self, at: Duration, low: u32) {
        if self.config.ladder_only || self.config.gateway || self.confirm_for == low || self.ladder().loss().1 > 0 {
            return;
        }
        self.confirm_for = low;
        if self.config.methods.udp {
            // What vanishes costs the far end nothing; what arrives costs one of the few errors that it sends a second.
            for size in [low + 1, low, low + 1, low + 1] {
                self.enqueue(at, size, Carrier::Udp, Role::Confirm);
            }
        }
        self.ask_connect();
    }

    fn enqueue_slow(&mut self, mut at: Duration, count: u32, gap: Duration) {
        let sizes = [self.control_size(), self.ladder().low];
        for index in 0..count {
            self.enqueue(at, sizes[usize::from(index % 2 == 1)], Carrier::Echo, Role::Slow);
            let jitter = u64::try_from(gap.as_micros() / 8).unwrap_or(0);
            at += gap + Duration::from_micros(self.rng.below(jitter));
        }
    }

    fn judge_slow_sample(&mut self, now: Duration) {
        let (sent, replied) = self.slow;
        let lost = sent.saturating_sub(replied);
        if self.slow_checked {
            // The enlarged sample has run.
            self.settle(now);
            return;
        }
        if self.finds_a_policer() || sent >= SLOW_SAMPLE || (lost >= 2 && sent >= 12) {
            self.slow_checked = true;
        } else {
            self.enqueue_slow(now + SLOW_GAP, 4, SLOW_GAP);
            return;
        }
        self.decide(now);
    }

    /// Whether loss is a policer's: nothing is lost at a slow pace, and too much at a fast one.
    fn finds_a_policer(&mut self) -> bool {
        let (sent, replied) = self.slow;
        let (fast_sent, fast_lost) = self.ladder().loss();
        self.policed = sent > 0 && sent == replied && stats::loss_went_away(fast_sent, fast_lost, sent);
        if self.policed {
            self.echo.forget_losses();
            self.pairs = Pairs::default();
        }
        self.policed
    }

    /// The main search has its answer: confirm it, read the far end, sample the loss, finish.
    fn settle(&mut self, now: Duration) {
        self.stage = Stage::Confirm;
        let low = self.ladder().low;
        let cut = low < self.top() && self.pairs.proven && self.pairs.low == low;
        if cut && !self.config.gateway && self.confirm_cut(low, now) {
            return;
        }
        if self.narrow_far_mtu(now) {
            return;
        }
        if self.wants_loss_sample() {
            self.stage = Stage::Slow;
            self.enqueue_slow(now + SAMPLE_GAP, LOSS_SAMPLE.saturating_sub(self.slow.0), SAMPLE_GAP);
            return;
        }
        if self.connect_pending.is_none() && !self.connect_wanted {
            self.finish(now);
        }
    }

    fn wants_loss_sample(&self) -> bool {
        let (sent, replied) = self.slow;
        self.slow_checked
            && !self.policed
            && !self.config.ladder_only
            && !self.config.gateway
            && sent > replied
            && sent < LOSS_SAMPLE
    }
}

//! What happens to probes: sent, refused, answered, told to be too big.

use super::{Carrier, Denial, Hint, InFlight, Pairs, Planned, Role, Search, Stage, newer, tally};
use crate::evidence::{PeerMtu, TooBig};
use core::net::IpAddr;
use core::time::Duration;

impl Search {
    /// The kernel has taken the probe.
    pub fn on_sent(&mut self, seq: u16, now: Duration) {
        self.started_at.get_or_insert(now);
        let Some(entry) = self.in_flight.iter_mut().find(|entry| entry.seq == seq) else { return };
        entry.sent = true;
        entry.sent_at = now;
        let plan = entry.plan;
        self.sent += 1;
        self.bytes += u64::from(plan.size);
        match plan.role {
            Role::PairLow => self.pairs.low_sent += 1,
            Role::PairHigh => self.pairs.high_sent += 1,
            Role::Slow => self.slow.0 += 1,
            Role::Contact | Role::Ladder | Role::Confirm | Role::Reask => {}
        }
        match plan.carrier {
            Carrier::Fragments | Carrier::ForwardIcmp => {}
            carrier if plan.role != Role::Slow => self.ladder_of(carrier).at(plan.size).sent += 1,
            _ => {}
        }
    }

    /// This host refuses that size (EMSGSIZE). `mtu` is the largest size it says it would take, where it says one.
    pub fn on_refused(&mut self, seq: u16, mtu: Option<u32>) {
        let Some(entry) = self.take_in_flight(seq) else { return };
        let size = entry.plan.size;
        self.undo_sent(&entry);
        self.ladder_of(entry.plan.carrier).at(size).refused = true;
        let limit = mtu.unwrap_or(size - 1).min(size - 1);
        self.refused_at = Some(self.refused_at.map_or(limit, |known| known.min(limit)));
        if size <= self.config.interface_mtu {
            self.queue.retain(|plan| plan.size < size);
        }
    }

    /// The kernel had no room for it (ENOBUFS): no evidence, it is tried again a little later.
    pub fn on_unsent(&mut self, seq: u16, now: Duration) {
        let Some(entry) = self.take_in_flight(seq) else { return };
        self.undo_sent(&entry);
        let mut plan = entry.plan;
        plan.unsent = plan.unsent.saturating_add(1);
        let wait = Duration::from_millis(u64::from(plan.unsent.min(50)) * 2);
        let dead = self.buffer_full_at.is_some_and(|dead| plan.size >= dead) || plan.unsent >= 4;
        if dead && plan.size > self.ladder_of(plan.carrier).low && self.ladder().low > 0 {
            // Small ones leave and this size never does: the device below drops it, which is an answer of a kind.
            self.buffer_full_at = Some(self.buffer_full_at.map_or(plan.size, |known| known.min(plan.size)));
            let tally = self.ladder_of(plan.carrier).at(plan.size);
            tally.lost += 1;
            tally.sent += 1;
            match plan.role {
                Role::PairLow => self.pairs.low_sent += 1,
                Role::PairHigh => self.pairs.high_sent += 1,
                _ => {}
            }
            return;
        }
        plan.at = now + wait;
        self.queue.push_front(plan);
    }

    /// Sending failed for a reason that more probes will not mend (EPERM, ENETUNREACH). The search ends.
    pub fn on_send_error(&mut self, seq: u16, error: &str, now: Duration) {
        if let Some(entry) = self.take_in_flight(seq) {
            self.undo_sent(&entry);
        }
        self.send_error = Some(error.into());
        if self.ladder().low == 0 && self.main == Carrier::Echo && self.config.methods.udp {
            // The local filter may refuse echo alone.
            self.queue.clear();
            self.main = Carrier::Udp;
            self.stage = Stage::Contact { tries: 0 };
            return;
        }
        self.finish(now);
    }

    /// An answer to probe `seq`. `size` is the probe's size; `fragment` the largest fragment that the answer came in, where the
    /// kernel said that it came in fragments; `ttl` the answer's TTL or hop limit.
    pub fn on_reply(&mut self, seq: u16, now: Duration, fragment: Option<u32>, ttl: Option<u8>) {
        let (plan, late) = if let Some(entry) = self.take_in_flight(seq) {
            if self.highest_answered.is_none_or(|(highest, _)| newer(seq, highest)) {
                self.highest_answered = Some((seq, now));
            }
            if matches!(entry.plan.carrier, Carrier::Echo | Carrier::Udp | Carrier::Tcp) {
                let sample = now.saturating_sub(entry.sent_at);
                self.rtt.add(sample);
                if entry.plan.size == self.control_size() {
                    let micros = u32::try_from(sample.as_micros()).unwrap_or(u32::MAX);
                    let (count, sum, min, max) = self.rtt_sample;
                    self.rtt_sample = (count + 1, sum + u64::from(micros), min.min(micros), max.max(micros));
                }
            }
            (entry.plan, false)
        } else if let Some(index) = self.given_up.iter().position(|(other, _)| *other == seq) {
            (self.given_up.swap_remove(index).1, true)
        } else {
            return;
        };
        self.reply_ttl = ttl.or(self.reply_ttl);
        self.count_reply(plan, late, fragment, now);
    }

    /// An answer came back with another payload than was sent.
    pub fn on_corrupted(&mut self) {
        self.corrupted += 1;
    }

    /// A too-big message that quotes probe `seq` of ours.
    pub fn on_too_big(&mut self, seq: u16, from: IpAddr, mtu: u32, now: Duration) {
        let Some(plan) = self.plan_of(seq) else { return };
        if self.take_in_flight(seq).is_some() && !matches!(plan.carrier, Carrier::Fragments | Carrier::ForwardIcmp) {
            let tally = self.ladder_of(plan.carrier).at(plan.size);
            tally.lost += 1;
            tally.too_big = true;
        }
        if self.highest_answered.is_none_or(|(highest, _)| newer(seq, highest)) {
            self.highest_answered = Some((seq, now));
        }
        let smallest = if self.config.v6 { 1280 } else { 68 };
        // A size that did not arrive when it was asked for is cut elsewhere. One failure may be loss.
        let failed = self.hints_failed >= 2 && self.hint_failed.is_some_and(|least| mtu >= least);
        let usable = mtu >= smallest && mtu < plan.size && mtu >= self.ladder().low && !failed;
        let few = self.too_big.len() < 16;
        match self.too_big.iter_mut().find(|known| known.from == from && known.mtu == mtu) {
            Some(known) => known.quoted = known.quoted.min(plan.size),
            None if few => self.too_big.push(TooBig { from, mtu, quoted: plan.size, believed: false }),
            None => {}
        }
        if usable && self.hint.is_none_or(|hint| mtu < hint.mtu) {
            // Said, not silent: the running pairs are void.
            self.pairs = Pairs::default();
            self.hint = Some(Hint { mtu, from, asked: 0, confirmed: false });
            self.queue.retain(|queued| queued.size <= mtu);
        }
    }

    /// An error other than too-big came back for probe `seq`: `what` names it and its sender, in words that [`Denial::of`] knows.
    pub fn on_unreachable(&mut self, seq: u16, what: &str, now: Duration) {
        let Some(plan) = self.plan_of(seq) else { return };
        self.unreachable.get_or_insert_with(|| what.into());
        if plan.role != Role::Contact {
            return;
        }
        self.take_in_flight(seq);
        // A late word on a question that another answer has settled ends nothing.
        let open = matches!(self.stage, Stage::Contact { .. }) && self.fallback.is_none();
        if open && Denial::of(what) == Denial::Destination && self.in_flight.is_empty() {
            self.unreachable = Some(what.into());
            self.queue.clear();
            self.stage = Stage::Contact { tries: u8::MAX };
            self.advance(now);
        }
    }

    /// This host's receive buffer overflowed: what is in flight is no evidence.
    pub fn on_receive_drops(&mut self) {
        if self.in_flight.is_empty() {
            return;
        }
        self.void_rounds += 1;
        for entry in core::mem::take(&mut self.in_flight) {
            self.undo_sent(&entry);
            let mut plan = entry.plan;
            plan.unsent = 0;
            self.queue.push_front(plan);
        }
        self.bytes_in_flight = 0;
    }

    /// The far end's MTU as its MSS says; `None` where no port answered.
    pub fn on_peer_mtu(&mut self, peer: Option<PeerMtu>) {
        self.connect_pending = None;
        if peer.is_some() {
            self.peer_mtu = peer;
        }
    }

    /// Takes back what [`Search::on_sent`] counted.
    fn undo_sent(&mut self, entry: &InFlight) {
        if !entry.sent {
            return;
        }
        match entry.plan.role {
            Role::PairLow => self.pairs.low_sent = self.pairs.low_sent.saturating_sub(1),
            Role::PairHigh => self.pairs.high_sent = self.pairs.high_sent.saturating_sub(1),
            Role::Slow => self.slow.0 = self.slow.0.saturating_sub(1),
            Role::Contact | Role::Ladder | Role::Confirm | Role::Reask => {}
        }
        if entry.plan.role != Role::Slow && matches!(entry.plan.carrier, Carrier::Echo | Carrier::Udp | Carrier::Tcp) {
            let tally = self.ladder_of(entry.plan.carrier).at(entry.plan.size);
            tally.sent = tally.sent.saturating_sub(1);
        }
    }

    fn count_reply(&mut self, plan: Planned, late: bool, fragment: Option<u32>, now: Duration) {
        if plan.size == self.control_size() && plan.role != Role::Contact {
            self.control_sample.1 += 1;
            self.control_sample.0 += u32::from(!late);
        }
        match plan.carrier {
            Carrier::ForwardIcmp => {
                let small = plan.size <= self.control_size();
                *(if small { &mut self.forward_icmp.small } else { &mut self.forward_icmp.large }) += 1;
                return;
            }
            Carrier::Fragments => {
                if let Some(fragment) = fragment.filter(|fragment| *fragment < plan.size) {
                    self.largest_fragment = Some(self.largest_fragment.map_or(fragment, |known| known.max(fragment)));
                }
                return;
            }
            Carrier::Echo => match fragment.filter(|fragment| *fragment < plan.size) {
                Some(fragment) => {
                    self.largest_fragment = Some(self.largest_fragment.map_or(fragment, |known| known.max(fragment)));
                    self.split_reply = Some(self.split_reply.map_or(plan.size, |known| known.min(plan.size)));
                }
                None => self.whole_reply = self.whole_reply.max(plan.size),
            },
            Carrier::Udp => self.spend_udp_token(now),
            Carrier::Tcp => {}
        }
        let late_loss = |tally: &mut tally::Tally| tally.lost -= u32::from(late).min(tally.lost);
        match plan.role {
            Role::Slow => {
                self.slow.1 += 1;
                return;
            }
            Role::PairLow if plan.size == self.pairs.low => self.pairs.low_replied += 1,
            Role::PairHigh if plan.size == self.pairs.low + 1 => self.pairs.high_replied += 1,
            _ => {}
        }
        let carrier = plan.carrier;
        let ladder = self.ladder_of(carrier);
        late_loss(ladder.at(plan.size));
        ladder.answered(plan.size);
        if carrier == Carrier::Udp || carrier == Carrier::Tcp {
            // These rounds go down from the top: what is smaller than an answered size need not be asked.
            self.queue.retain(|queued| queued.carrier != carrier || queued.role != Role::Ladder || queued.size > plan.size);
        }
        if self.stage == Stage::Proof && carrier == self.main && plan.size > self.pairs.low {
            self.queue.retain(|queued| !matches!(queued.role, Role::PairLow | Role::PairHigh));
        }
        if matches!(self.stage, Stage::Contact { .. }) {
            self.on_contact(carrier, now);
        }
    }
}

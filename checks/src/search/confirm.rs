//! Other methods than the main one: what they add to a cut, and who takes over.

use super::decide::{ERROR_GAP, MAX_SYNS, ROUTER_GAP, SYN_GAP};
use super::{Carrier, Pairs, Role, Search, Stage};
use core::time::Duration;

impl Search {
    /// Where only TCP answered so far and something seems to stop it, UDP is asked once more, after the far end's pause between two
    /// errors: TCP's silence proves nothing, UDP's does. `true` while that is going on.
    pub(super) fn take_over_by_udp(&mut self, now: Duration) -> bool {
        let low = self.tcp.low;
        if self.udp_late > 0 && self.udp.low >= low {
            self.go_on_by(Carrier::Udp);
            self.decide(now);
            return true;
        }
        let stopped = self.tcp.high(1).is_some();
        if !stopped || !self.config.methods.udp || self.config.gateway || self.udp_late > 0 {
            return false;
        }
        self.udp_late += 1;
        self.enqueue(now + ERROR_GAP, low, Carrier::Udp, Role::Confirm);
        true
    }

    /// Another method takes over: its own answers count, and the known ceilings are tried again.
    fn go_on_by(&mut self, carrier: Carrier) {
        self.main = carrier;
        self.gap_rounds = 0;
        self.pairs = Pairs::default();
    }

    /// Wants the connect that reads the far end's MTU, once.
    pub(super) fn ask_connect(&mut self) {
        if self.config.methods.connect && !self.connect_asked && !self.knows_far_mtu() {
            self.connect_asked = true;
            self.connect_wanted = true;
        }
    }

    /// What a proven silent cut still needs. `true` while something is under way.
    pub(super) fn confirm_cut(&mut self, low: u32, now: Duration) -> bool {
        if !self.config.on_link && self.reasked < 2 {
            // A router that answers seldom may have spent its word on somebody else.
            self.reasked += 1;
            self.enqueue(now + ROUTER_GAP, low + 1, self.main, Role::Reask);
            if self.main == Carrier::Echo {
                self.enqueue(now + ROUTER_GAP, self.control_size(), Carrier::Echo, Role::Ladder);
            }
            return true;
        }
        if self.config.ladder_only {
            return false;
        }
        self.ask_connect();
        if self.main == Carrier::Udp {
            return self.ask_tcp_above(low, now);
        }
        if self.main != Carrier::Echo {
            return false;
        }
        if self.config.methods.udp && self.udp_undecided(low) {
            self.confirm_for = low;
            self.confirm_extra += 1;
            self.enqueue(now, low, Carrier::Udp, Role::Confirm);
            self.enqueue(now, low + 1, Carrier::Udp, Role::Confirm);
            return true;
        }
        // On the link, silence of every other method leaves the verdict as it is: what matters there is whether anything passes.
        let one_will_do = self.config.on_link && low >= 1280 && self.ladder().loss().1 == 0;
        if self.config.methods.tcp && self.udp.low < low && self.tcp_undecided(low) && self.tcp_syns() + 4 <= MAX_SYNS {
            if one_will_do {
                self.enqueue(now, low + 1, Carrier::Tcp, Role::Confirm);
                self.enqueue(now, self.control_size(), Carrier::Echo, Role::Ladder);
                return true;
            }
            let mut at = now;
            // What should arrive comes last: its answer ends the wait for the others.
            for size in [low + 1, low + 1, low + 1, low] {
                self.enqueue(at, size, Carrier::Tcp, Role::Confirm);
                at += SYN_GAP;
            }
            return true;
        }
        let asked = one_will_do && self.tcp.get(low + 1).sent > 0;
        let silent = self.udp.low < low && self.tcp.low < low && !asked;
        if self.config.methods.udp && silent && self.udp_late < 2 {
            // The far end may have spent its errors on somebody else, or on the run before this one.
            self.udp_late += 1;
            for size in [low, low + 1] {
                self.enqueue(now + ERROR_GAP, size, Carrier::Udp, Role::Confirm);
            }
            return true;
        }
        let second = if self.udp.low > low {
            Carrier::Udp
        } else if self.tcp.low > low {
            Carrier::Tcp
        } else {
            return self.ask_fragments(now);
        };
        // Echo alone is cut: either large ICMP is filtered, or large answers are lost on the way back.
        self.echo_cut = Some(low);
        self.go_on_by(second);
        if self.config.methods.forward_icmp {
            self.ask_forward_icmp(now, low);
        }
        self.ask_fragments(now);
        self.stage = Stage::Ladder;
        if self.queue.is_empty() {
            self.decide(now);
        }
        true
    }

    /// Three small and three large, a fence's time apart: a solicitation's answer does not say which of them it answers.
    fn ask_forward_icmp(&mut self, now: Duration, low: u32) {
        let small = self.control_size();
        // Eight bytes above the cut: a padded solicitation comes out up to seven smaller.
        let large = (low + 8).min(self.config.interface_mtu);
        let pause = self.rtt.timeout() + Duration::from_millis(5);
        for (at, size) in [(now, small), (now + pause, large)] {
            for _ in 0..3 {
                self.enqueue(at, size, Carrier::ForwardIcmp, Role::Confirm);
            }
        }
    }

    /// Whether UDP should be asked (again) at N and N + 1.
    fn udp_undecided(&self, low: u32) -> bool {
        if self.udp.low > low {
            return false;
        }
        let (at_low, above) = (self.udp.get(low), self.udp.get(low + 1));
        if at_low.sent == 0 || above.sent < 3 {
            return true;
        }
        let lossy = self.ladder().loss().1 > 0;
        let enough = if lossy { at_low.replied >= 3 && above.sent >= 6 } else { at_low.replied > 0 };
        // Silence of three is silence where nothing is lost; under loss it takes more, and after ten it is left at that.
        !enough && lossy && self.confirm_extra < 10
    }

    /// Whether TCP should be asked (again) at N and N + 1: where packets are lost, one silence at N is no answer and three above
    /// it are too few.
    fn tcp_undecided(&self, low: u32) -> bool {
        let above = self.tcp.get(low + 1);
        let enough = self.tcp.low >= low && above.sent >= 6;
        let lossy = self.ladder().loss().1 > 0;
        self.tcp.low <= low && (above.sent == 0 || (lossy && !enough))
    }

    fn ask_fragments(&mut self, now: Duration) -> bool {
        let known = self.knows_far_mtu() || self.connect_pending.is_some() || self.connect_wanted;
        let routed = !self.config.v6 && !self.config.on_link;
        if known || routed || self.fragments_asked || !self.config.methods.fragments {
            return false;
        }
        self.fragments_asked = true;
        for _ in 0..2 {
            self.enqueue(now, self.config.interface_mtu.max(1281), Carrier::Fragments, Role::Confirm);
        }
        self.enqueue(now, self.control_size(), Carrier::Echo, Role::Ladder);
        true
    }

    /// Asks for what lies between the largest answer that is known to come back whole and the smallest that does not.
    pub(super) fn narrow_far_mtu(&mut self, now: Duration) -> bool {
        let Some((whole, limit)) = self.far_mtu().filter(|_| self.peer_mtu.is_none() && self.main == Carrier::Echo) else {
            return false;
        };
        let (top, lossy) = (limit.min(self.ladder().low), self.ladder().loss().1 > 0);
        let rounds = if lossy { 4 } else { 1 };
        if whole >= top || self.narrowed >= rounds || self.config.gateway || self.config.ladder_only {
            return false;
        }
        self.narrowed += 1;
        for size in whole + 1..=top {
            self.enqueue(now, size, Carrier::Echo, Role::Ladder);
        }
        true
    }

    /// A cut that UDP alone saw may be a filter of large datagrams: TCP is asked above it.
    fn ask_tcp_above(&mut self, low: u32, now: Duration) -> bool {
        if self.tcp.low > low {
            self.go_on_by(Carrier::Tcp);
            self.decide(now);
            return true;
        }
        let wanted = self.config.methods.tcp && self.tcp.get(low + 1).sent == 0 && self.tcp_syns() + 3 <= MAX_SYNS;
        for number in 0..if wanted { 3 } else { 0 } {
            self.enqueue(now + SYN_GAP * number, low + 1, Carrier::Tcp, Role::Confirm);
        }
        wanted
    }
}

//! One probed path: what was sent, what came back, and what the search concluded from it.

use super::RouteUsed;
use crate::report::At;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use once_cell::race::OnceBox;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A path from one host to one address, vetted with one flow.
///
/// All sizes are IP packets in bytes, header included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Path {
    /// Name of the sending host.
    pub from: String,
    /// The target as the user named it.
    pub to: String,
    /// Name of the plan's network.
    #[serde(default)]
    pub network: Option<String>,
    /// Who wanted it vetted.
    #[serde(default)]
    pub asked: Asked,
    /// The target's address; `None` where the name did not resolve.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub address: Option<core::net::IpAddr>,
    /// 4 or 6; 0 where the name did not resolve.
    pub family: u8,
    /// DSCP of the probes.
    #[serde(default)]
    pub dscp: u8,
    /// Number of this flow, from 0.
    #[serde(default)]
    pub flow: u32,
    /// How many flows of this pair were vetted.
    #[serde(default = "one")]
    pub flows: u32,
    /// When probing of this path began.
    #[schemars(with = "String")]
    pub taken: jiff::Timestamp,
    /// The method that measured `path_mtu`; `None` where nothing was sent.
    #[serde(default)]
    pub method: Option<Method>,
    /// Outgoing interface.
    #[serde(default)]
    pub interface: Option<String>,
    /// MTU of the outgoing interface, or a lower MTU of the route.
    #[serde(default)]
    pub interface_mtu: Option<u32>,
    /// Largest IP packet proven to arrive; the network may carry more where `limit.kind` is `none`.
    #[serde(default)]
    pub path_mtu: Option<u32>,
    /// Largest packet proven to come back in one piece, or the size at which the way back was seen to stop.
    #[serde(default)]
    pub reverse_mtu: Option<u32>,
    /// The far end's own MTU, where it could be read from here.
    #[serde(default)]
    pub peer_mtu: Option<PeerMtu>,
    /// What stops larger packets.
    pub limit: Limit,
    /// Share of answers lost among the sizes that pass, 0.0 to 1.0. For people; verdicts are computed from `sample` and `slow_sample`.
    #[serde(default)]
    pub loss: Option<f64>,
    /// Round-trip times of the small control probes.
    #[serde(default)]
    pub rtt_us: Option<Rtt>,
    /// Probes sent, all methods.
    #[serde(default)]
    pub probes_sent: u64,
    /// Bytes sent, IP headers included.
    #[serde(default)]
    pub bytes_sent: u64,
    /// Highest number of probes sent within any 100 ms, as a rate per second.
    #[serde(default)]
    pub peak_rate: u32,
    /// Rounds of the search.
    #[serde(default)]
    pub rounds: u32,
    /// Milliseconds from the first probe to the verdict.
    #[serde(default)]
    pub elapsed_ms: u64,
    /// The size ladder, ascending.
    #[serde(default)]
    pub rungs: Vec<Rung>,

    /// Why the name did not resolve.
    #[serde(default)]
    pub resolve_error: Option<String>,
    /// The route that the kernel picks for the probes.
    #[serde(default)]
    pub route: Option<Box<RouteUsed>>,
    /// The target is on this link (no gateway), and did not prove to be behind a proxy.
    #[serde(default)]
    pub on_link: bool,
    /// Neighbour state of the next hop after probing: `reachable`, `failed`, `incomplete`, …
    #[serde(default)]
    pub neighbour_state: Option<String>,
    /// Link-layer address of the next hop.
    #[serde(default)]
    pub neighbour_lladdr: Option<String>,
    /// Link-layer addresses that answered an ARP request or neighbour solicitation for the target, sorted; `None` = not asked.
    #[serde(default)]
    pub responders: Option<Vec<String>>,
    /// Link-layer address of this host's gateway on the same interface, where known.
    #[serde(default)]
    pub gateway_lladdr: Option<String>,
    /// TTL or hop limit of the target's answers, as received.
    #[serde(default)]
    pub reply_ttl: Option<u8>,
    /// Small control probes, without those sent before the neighbour was resolved.
    #[serde(default)]
    pub control: LossSample,
    /// All probes of sizes at most `path_mtu`, the control included, as one sample; for the loss verdict, `slow_sample` comes first.
    #[serde(default)]
    pub sample: LossSample,
    /// The sample taken at a slow rate, where loss made one necessary.
    #[serde(default)]
    pub slow_sample: Option<LossSample>,
    /// Answers whose payload differed from what was sent.
    #[serde(default)]
    pub corrupted: u32,
    /// The statistical proof of a silent cut.
    #[serde(default)]
    pub proof: Option<Proof>,
    /// What the other methods saw at the cut.
    #[serde(default)]
    pub methods: Vec<MethodResult>,
    /// Every distinct too-big message, believed or not.
    #[serde(default)]
    pub too_big: Vec<TooBig>,
    /// A limit on answers per second that the target or the network imposes.
    #[serde(default)]
    pub policer: Option<Policer>,
    /// Errors other than too-big that came back: the code's name and who sent it, such as `host unreachable from 192.0.2.1`.
    #[serde(default)]
    pub unreachable: Option<String>,
    /// Error of the local send call that ended probing: `EPERM`, `ENETUNREACH`, …
    #[serde(default)]
    pub send_error: Option<String>,
    /// Rounds that were thrown away because this host's receive buffer overflowed.
    #[serde(default)]
    pub void_rounds: u32,
    /// Why the search stopped before it was sure: the deadline, a signal, the probe budget.
    #[serde(default)]
    pub incomplete: Option<String>,
    /// What findings on this path share; made when it is first needed.
    #[serde(skip)]
    pub shared: Shared,
}

const fn one() -> u32 {
    1
}

/// Who wanted a path vetted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Asked {
    /// Named on the command line or in a target list.
    #[default]
    Named,
    /// Named by the plan.
    Plan,
    /// pathvet chose this host's default gateway itself; it is never judged worse than a note.
    Gateway,
    /// A word that this version does not know.
    #[serde(other)]
    Unknown,
}

/// What carried the probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// ICMP or ICMPv6 echo.
    Icmp,
    /// UDP to a closed port, answered by port unreachable.
    Udp,
    /// TCP SYN with payload to a closed port, answered by RST; or a SYN-ACK.
    Tcp,
    /// A pathvet responder.
    Responder,
    /// A word that this version does not know.
    #[serde(other)]
    Unknown,
}

/// What stops packets larger than `path_mtu`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Limit {
    /// The kind of limit.
    pub kind: LimitKind,
    /// The way on which it acts.
    pub direction: Option<Direction>,
    /// The router that said so.
    #[schemars(with = "Option<String>")]
    pub router: Option<core::net::IpAddr>,
    /// The MTU that it reported, bytes.
    pub reported_mtu: Option<u32>,
}

/// The kind of a [`Limit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LimitKind {
    /// The interface MTU arrived.
    None,
    /// This host refused a size that was expected: route, lock, IPsec, or an expectation above the interface.
    Local,
    /// A router says so.
    Router,
    /// Larger packets vanish.
    Silent,
    /// Too lossy to say.
    Loss,
    /// Answers are limited per second, too much to say.
    Policed,
    /// Something answers or ARP resolves, but no probe method gets through.
    Filtered,
    /// A local firewall refuses to send (EPERM, EACCES).
    FirewallLocal,
    /// See `path-reach`.
    Unreachable,
    /// A word that this version does not know.
    #[serde(other)]
    Unknown,
}

/// The way on which a limit acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From this host to the target.
    Forward,
    /// From the target back.
    Reverse,
    /// Both ways.
    Both,
    /// Cannot be told, or a word that this version does not know.
    #[serde(other)]
    Unknown,
}

/// The far end's own MTU as read from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PeerMtu {
    /// Bytes. With `how: fragments` and `at_least` a multiple of eight plus a header, up to 7 below the truth.
    pub value: u32,
    /// How it was read.
    pub how: PeerMtuHow,
    /// The true value may be larger: our own MSS or the size we asked with was the smaller one, or
    /// nothing so large arrives.
    #[serde(default)]
    pub at_least: bool,
}

/// How the far end's MTU was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PeerMtuHow {
    /// The MSS of a SYN-ACK.
    Mss,
    /// The largest fragment of an answer.
    Fragments,
    /// The far end's own evidence.
    Evidence,
    /// A word that this version does not know.
    #[serde(other)]
    Unknown,
}

/// Round-trip times in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Rtt {
    /// Smallest.
    pub min: u32,
    /// Mean.
    pub avg: u32,
    /// Largest.
    pub max: u32,
}

/// One size of the ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rung {
    /// IP packet size in bytes.
    pub mtu: u32,
    /// Probes sent.
    pub sent: u32,
    /// Answers.
    pub replied: u32,
    /// What became of it.
    pub outcome: RungOutcome,
}

/// What became of a rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RungOutcome {
    /// At least one answer came back.
    Passed,
    /// Nothing came back, and nobody said why.
    Silent,
    /// A router said that it is too big.
    TooBig,
    /// This host refused to send it.
    Local,
    /// Nothing came back, although a larger size passed.
    Lost,
    /// A word that this version does not know.
    #[serde(other)]
    Unknown,
}

/// A sample of probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct LossSample {
    /// Sent.
    pub sent: u32,
    /// Answered.
    pub replied: u32,
}

/// The interleaved pair that proves a silent cut (Fisher's exact test).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Proof {
    /// The size that arrives, N.
    pub passes: u32,
    /// Probes of N.
    pub passes_sent: u32,
    /// Answers to N.
    pub passes_replied: u32,
    /// The size that does not arrive, N + 1.
    pub vanishes: u32,
    /// Probes of N + 1.
    pub vanishes_sent: u32,
    /// Answers to N + 1; a proof has none.
    pub vanishes_replied: u32,
    /// The odds of seeing this without a cut are below one in ten million.
    pub proven: bool,
}

/// What one further method saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MethodResult {
    /// The method.
    pub method: Method,
    /// Probes sent with it.
    pub sent: u32,
    /// Answers to them.
    pub replied: u32,
    /// Largest size that passed.
    pub passed: Option<u32>,
    /// Smallest size above `passed` that was tried (three times at least) and never answered.
    pub failed: Option<u32>,
    /// The method sees the way there only: its answer is small whatever the probe's size.
    pub forward_only: bool,
}

/// A too-big message (ICMP type 3 code 4, `ICMPv6` type 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TooBig {
    /// Who sent it.
    #[schemars(with = "String")]
    pub from: core::net::IpAddr,
    /// The MTU that it names.
    pub mtu: u32,
    /// Size of the smallest probe that it quotes.
    pub quoted: u32,
    /// It quotes a probe of ours, and a packet of the MTU it names then arrived.
    pub believed: bool,
}

/// A limit on answers per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Policer {
    /// Probes a second at which answers came although faster ones were lost.
    pub per_second: u32,
}

impl Path {
    /// A path to `to` of which nothing is known yet.
    #[must_use]
    pub fn new(from: &str, to: &str, taken: jiff::Timestamp) -> Self {
        Self {
            from: from.into(),
            to: to.into(),
            network: None,
            asked: Asked::Named,
            address: None,
            family: 0,
            dscp: 0,
            flow: 0,
            flows: 1,
            taken,
            method: None,
            interface: None,
            interface_mtu: None,
            path_mtu: None,
            reverse_mtu: None,
            peer_mtu: None,
            limit: Limit { kind: LimitKind::Unreachable, direction: None, router: None, reported_mtu: None },
            loss: None,
            rtt_us: None,
            probes_sent: 0,
            bytes_sent: 0,
            peak_rate: 0,
            rounds: 0,
            elapsed_ms: 0,
            rungs: Vec::new(),
            resolve_error: None,
            route: None,
            on_link: false,
            neighbour_state: None,
            neighbour_lladdr: None,
            responders: None,
            gateway_lladdr: None,
            reply_ttl: None,
            control: LossSample::default(),
            sample: LossSample::default(),
            slow_sample: None,
            corrupted: 0,
            proof: None,
            methods: Vec::new(),
            too_big: Vec::new(),
            policer: None,
            unreachable: None,
            send_error: None,
            void_rounds: 0,
            incomplete: None,
            shared: Shared::default(),
        }
    }

    /// The subject of findings on this path, and what `parts` makes of the path: both are made when they are first asked for,
    /// and shared by all findings. With ten thousand paths that is most of a report.
    pub(crate) fn shared(&self, parts: impl FnOnce(&Self) -> At) -> (Arc<str>, Arc<At>) {
        self.shared.0.get_or_init(|| Box::new((self.subject().into(), Arc::new(parts(self))))).clone()
    }

    /// The subject of findings on this path: `node1->node2`, with the network and `/6` where they are needed to tell paths apart.
    #[must_use]
    pub fn subject(&self) -> String {
        let mut subject = alloc::format!("{}->{}", self.from, self.to);
        if let Some(network) = &self.network {
            subject.push('@');
            subject.push_str(network);
        }
        if self.family == 6 {
            subject.push_str("/6");
        }
        subject
    }
}

/// What is worked out from a path once. It says nothing that the path does not, so that any two are equal.
#[derive(Debug, Clone, Default)]
pub struct Shared(OnceBox<(Arc<str>, Arc<At>)>);

impl PartialEq for Shared {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

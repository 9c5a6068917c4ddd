//! The one loop with a clock and sockets: drives the searches of all paths at once.
//!
//! One thread, one receive socket per family and method. The searches say what to send, the pacer says when, the kernel takes
//! it in batches; answers are told apart by what their payload says.

mod connect;
mod duplicates;
mod engine;
#[doc(hidden)]
pub mod fuzz;
mod packet;
mod sockets;

pub use engine::run;

use jiff::Timestamp;
use pathvet_checks::evidence::{Asked, Gap, Neighbour, Path, RouteUsed, Rung};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// One path to vet.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub struct Target {
    /// Name of this host.
    pub from: String,
    /// The target as the user named it.
    pub to: String,
    /// Network of the plan.
    pub network: Option<String>,
    /// Who wants it vetted.
    pub asked: Asked,
    /// Its address.
    pub address: IpAddr,
    /// Interface index of a link-local address; else 0.
    pub scope_id: u32,
    /// The route that the kernel picks.
    pub route: RouteUsed,
    /// Outgoing interface.
    pub interface: Option<String>,
    /// Its index; the probes are bound to it only where the user chose it (`bind`).
    pub ifindex: u32,
    /// Bind the probes to `ifindex`.
    pub bind: bool,
    /// Source address, where the user chose one.
    pub source: Option<IpAddr>,
    /// Link-layer address of the outgoing interface, where it has one of six bytes.
    pub lladdr: Option<[u8; 6]>,
    /// MTU of the interface or a lower one of the route.
    pub interface_mtu: u32,
    /// Whether `interface_mtu` is the interface's own, so that this host refuses one byte more.
    pub probe_above: bool,
    /// Speed of the interface, Mb/s.
    pub speed_mbps: Option<u32>,
    /// Not behind a gateway.
    pub on_link: bool,
    /// Has a resolved neighbour entry for its next hop.
    pub resolved: bool,
    /// DSCP of the probes.
    pub dscp: u8,
    /// The path MTU that the user expects.
    pub expected: Option<u32>,
}

/// How a run probes.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "a set of independent switches")]
pub struct Options {
    /// Echo may be used.
    pub icmp: bool,
    /// UDP may be used.
    pub udp: bool,
    /// TCP SYNs may be used.
    pub tcp: bool,
    /// One ordinary connect may read the far end's MSS.
    pub connect: bool,
    /// A port that the user says is open, or closed as he likes; tried first.
    pub tcp_port: Option<u16>,
    /// Probes a second in the long run; `None` lifts all pacing.
    pub rate: Option<u32>,
    /// The whole run.
    pub deadline: Option<Duration>,
    /// Only the ladder.
    pub ladder_only: bool,
    /// Known ceilings, likeliest first.
    pub ceilings: Arc<[u32]>,
    /// Receive buffer in bytes, where a test wants a small one.
    pub receive_buffer: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            icmp: true,
            udp: true,
            tcp: true,
            connect: true,
            tcp_port: None,
            rate: Some(2_000),
            deadline: None,
            ladder_only: false,
            ceilings: Arc::new([]),
            receive_buffer: None,
        }
    }
}

/// How far a run is.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Paths whose verdict is in.
    pub done: usize,
    /// Paths in all.
    pub total: usize,
    /// Probes sent.
    pub probes: u64,
    /// Time since the first.
    pub elapsed: Duration,
}

/// Watches a run while it goes on.
pub trait Observer {
    /// Called about ten times a second.
    fn progress(&mut self, progress: Progress) {
        let _ = progress;
    }

    /// Called when something changed on a path, with its rungs so far and the largest size that is known to arrive.
    fn ladder(&mut self, path: usize, rungs: &[Rung], largest: u32) {
        let _ = (path, rungs, largest);
    }

    /// Called about ten times a second while neighbours are waited for: interfaces that have heard one, all of them, and the longest
    /// that is still waited.
    fn listening(&mut self, heard: usize, of: usize, left: Duration) {
        let _ = (heard, of, left);
    }

    /// Whether [`Observer::ladder`] is wanted; it costs something.
    fn wants_ladder(&self) -> bool {
        false
    }
}

/// Watches nothing.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Observer for Silent {}

/// What a run brought.
#[derive(Debug, Default)]
pub struct Outcome {
    /// One path for every target, in the order of the targets.
    pub paths: Vec<Path>,
    /// What could not be used, such as raw sockets without the right.
    pub gaps: Vec<Gap>,
    /// Highest rate of the run within any 100 ms, probes a second.
    pub peak_rate: u32,
    /// A signal ended the run.
    pub interrupted: bool,
}

/// Reads the neighbour table at the end of a run.
pub type ReadNeighbours<'a> = &'a dyn Fn() -> Vec<Neighbour>;

/// Reads the clock for `taken`.
fn wall_clock() -> Timestamp {
    Timestamp::now()
}

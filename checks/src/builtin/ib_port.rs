//! Are the InfiniBand ports up, configured, and as fast as both ends can be?

use crate::Case;
use crate::check::{Check, Meta, check};
use crate::evidence::{Counters, Host, IbPort};
use crate::fabric::{self, Focus, State, Use};
use crate::facts;
use crate::report::{Finding, Outcome, Quantity};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

check! {
    /// # What it looks for
    ///
    /// The state of every InfiniBand port: a link (physical state `LinkUp`), a LID from a subnet manager and the logical state
    /// `Active`, as many lanes and as fast as both ends support, and no error counter that rises.
    ///
    /// # How it decides
    ///
    /// - FAIL: no link (`Polling`: cable, transceiver, or the port at the other end); `Initializing` with LID 0: a link, and no
    ///   subnet manager has ever configured it; `Initializing` or `Armed` still after two seconds.
    /// - WARN: fewer lanes or a lower speed than both ends support; an error counter rises during the run.
    /// - PASS: `Active`.
    /// - SKIP: a port without cable beside one in use, or that nothing uses; a port of which no vetted path makes use; a port whose
    ///   link layer is Ethernet (`RoCE`), about which the checks of links speak.
    ///
    /// Rates are signalling rates, as the vendors print them: QDR 40 carries 32 Gb/s of data, because SDR, DDR and QDR send ten
    /// bits for eight; from FDR on it is 66 for 64.
    ///
    /// # What to do
    ///
    /// `ibstat` (Debian: `infiniband-diags`; `ESXi`: `/opt/opensm/bin/ibstat`) shows the same, `ibhosts` lists who is there. Without link: the cable at both ends, then another cable. Without a subnet manager: start one,
    /// `opensm` on a host or the one in the switch; also two hosts on one cable need it. A lane that is missing is a cable or a
    /// connector. A card that can be both is set to Ethernet or InfiniBand by its firmware (`mlxconfig ... LINK_TYPE_P1=1`) or, for
    /// ConnectX-3, by `/sys/bus/pci/devices/*/mlx4_port1`.
    ///
    /// # Example
    ///
    /// `fail-initializing`: the cable is in, and nobody started a subnet manager.
    ///
    /// ```text
    /// FAIL ib-port node1:mlx4_0/1
    ///   Initializing with LID 0: the link is up, and no subnet manager has configured it
    ///   measured: Initializing
    ///   expected: Active
    /// ```
    pub(crate) struct IbPortCheck = { id: "ib-port", summary: "whether InfiniBand ports are up, configured and at full speed" }
}

impl Check for IbPortCheck {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn judge(&self, case: &Case<'_>) -> Vec<Finding> {
        let used = Use::of(case);
        case.evidence.hosts.iter().flat_map(|host| of_host(case, &used, host)).collect()
    }
}

fn of_host(case: &Case<'_>, used: &Use<'_>, host: &Host) -> Vec<Finding> {
    let id = IbPortCheck::META.id;
    let wanted = fabric::wanted(case, host, |settings| fabric::wants_ipoib(settings) || fabric::wants_sm(settings));
    let Some(table) = &host.infiniband else {
        let why = fabric::gap(host, "infiniband");
        let asked = wanted || facts::named(case, id) || fabric::interfaces(host).any(|link| used.carries(host, link));
        return match (asked, why) {
            (true, why) => {
                let why = why.map_or_else(|| "InfiniBand: not collected".to_owned(), |why| format!("InfiniBand: {why}"));
                alloc::vec![fabric::of_whole(host, id, Outcome::Unknown, why)]
            }
            (false, Some(why)) => alloc::vec![fabric::of_whole(host, id, Outcome::Skip, format!("InfiniBand: {why}"))],
            (false, None) => Vec::new(),
        };
    };
    if table.ports.is_empty() {
        let outcome = if wanted { Outcome::Unknown } else { Outcome::Skip };
        return alloc::vec![fabric::of_whole(host, id, outcome, fabric::NO_PORT)];
    }
    table.ports.iter().map(|port| finding(case, used, host, port)).collect()
}

/// What is to be said of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ruling {
    /// It works.
    Active,
    /// No link, and somebody needs it.
    NoLink,
    /// No link, and nobody needs it.
    Idle,
    /// A link, and no subnet manager has configured it.
    NoManager,
    /// A subnet manager has not finished.
    Unfinished,
    /// The state is not known.
    Unknown,
    /// Something is wrong with it, and nothing that is vetted goes there.
    Aside,
}

/// The ruling on a port, apart from its speed and counters.
pub(crate) fn decide(case: &Case<'_>, used: &Use<'_>, host: &Host, port: &IbPort) -> Ruling {
    let focus = used.port(case, IbPortCheck::META.id, host, port);
    let carries = fabric::on_port(host, port).any(|link| used.carries(host, link));
    let ruling = match fabric::state(port) {
        State::Active => return Ruling::Active,
        State::Down if carries || needed(host, port) => Ruling::NoLink,
        State::Down => return Ruling::Idle,
        State::Initializing => Ruling::NoManager,
        State::Armed => Ruling::Unfinished,
        State::Unknown => Ruling::Unknown,
    };
    if focus == Focus::Aside { Ruling::Aside } else { ruling }
}

/// Whether a port without link is missed: no other port of the host has a link, and an interface on it is up or interfaces are
/// not known.
fn needed(host: &Host, port: &IbPort) -> bool {
    let beside = fabric::ports(host).any(|other| !core::ptr::eq(other, port) && fabric::state(other) != State::Down);
    let set_up = || host.links.is_none() || fabric::on_port(host, port).any(|link| link.flags.is_empty() || link.is_up());
    !beside && set_up()
}

fn finding(case: &Case<'_>, used: &Use<'_>, host: &Host, port: &IbPort) -> Finding {
    let id = IbPortCheck::META.id;
    if !fabric::is_infiniband(port) {
        let layer = port.link_layer.as_deref().unwrap_or_default();
        return fabric::of_port(host, port, id, Outcome::Skip, format!("link layer {layer} (RoCE): no InfiniBand port"));
    }
    let state = fabric::state(port);
    let mut finding = match decide(case, used, host, port) {
        Ruling::Active => active(host, port),
        Ruling::NoLink => no_link(host, port),
        Ruling::Idle => {
            fabric::of_port(host, port, id, Outcome::Skip, format!("no link ({}), and nothing uses it", physical(port)))
        }
        Ruling::NoManager => no_manager(host, port),
        Ruling::Unfinished => unfinished(host, port),
        Ruling::Unknown => {
            let outcome = used.port(case, id, host, port).undecided();
            let why = fabric::gap(host, &format!("infiniband.ports.{}", fabric::port_name(port)))
                .unwrap_or_else(|| "not told".to_owned());
            fabric::of_port(host, port, id, outcome, format!("the state of the port is not known: {why}"))
        }
        Ruling::Aside => {
            fabric::of_port(host, port, id, Outcome::Skip, format!("{}, and no vetted path goes over it", state.word()))
        }
    };
    if finding.outcome != Outcome::Skip {
        finding.sources = alloc::vec![source(port)];
        if state != State::Active && state != State::Unknown {
            finding.observed = Some(Quantity::text(state.word()));
            finding.expected = Some(Quantity::text("Active"));
        }
    }
    finding
}

fn source(port: &IbPort) -> String {
    match port.source.as_str() {
        "" | "sysfs" => format!("/sys/class/infiniband/{}/ports/{}", port.device, port.port),
        other => other.to_owned(),
    }
}

fn physical(port: &IbPort) -> &str {
    port.phys_state.as_deref().unwrap_or("Down")
}

fn no_link(host: &Host, port: &IbPort) -> Finding {
    let physical = physical(port);
    let is = |word: &str| physical.eq_ignore_ascii_case(word);
    let (why, causes): (&str, &[&str]) = if is("disabled") || is("sleep") {
        ("it was switched off", &["somebody disabled the port, here or at the switch (`ibportstate`)"])
    } else if is("linkerrorrecovery") || is("portconfigurationtraining") || is("phytest") {
        ("the two ends cannot agree on a link", &["cable or transceiver", "two ends that support no speed in common"])
    } else {
        (
            "no cable, or nothing at its other end",
            &["cable or transceiver", "the port at the other end is off", "its card is set to Ethernet"],
        )
    };
    let mut finding =
        fabric::of_port(host, port, IbPortCheck::META.id, Outcome::Fail, format!("no link (physical state {physical}): {why}"));
    finding.causes = causes.iter().map(|cause| (*cause).to_owned()).collect();
    finding.remedies = alloc::vec![if is("disabled") || is("sleep") {
        format!("ibportstate -C {} -P {} -D 0 {} enable", port.device, port.port, port.port)
    } else {
        "look at cable and connectors at both ends, then try another cable; ibstat shows LinkUp when it is right".to_owned()
    }];
    finding
}

/// How to start a subnet manager.
pub(crate) fn start_a_manager() -> Vec<String> {
    alloc::vec![
        "start a subnet manager on a host of this fabric:   apt-get install opensm; systemctl enable --now opensm".to_owned(),
        "switch on the one in an InfiniBand switch; two hosts on one cable need one as well".to_owned(),
    ]
}

fn no_manager(host: &Host, port: &IbPort) -> Finding {
    let again = if port.state_again.is_some() { " and still two seconds later" } else { "" };
    let summary = match port.lid {
        Some(0) | None => {
            let lid = if port.lid.is_some() { " with LID 0" } else { "" };
            format!("Initializing{lid}{again}: the link is up, and no subnet manager has configured it")
        }
        Some(lid) => format!("Initializing with LID {lid}{again}: the subnet manager that gave it does not bring the port back"),
    };
    let mut finding = fabric::of_port(host, port, IbPortCheck::META.id, Outcome::Fail, summary);
    finding.causes = alloc::vec![
        "no subnet manager runs in this fabric".to_owned(),
        "the manager runs on another port or in another fabric (opensm.conf: guid; /etc/default/opensm: PORTS)".to_owned(),
    ];
    finding.remedies = start_a_manager();
    finding
}

fn unfinished(host: &Host, port: &IbPort) -> Finding {
    let id = IbPortCheck::META.id;
    // Armed lasts for moments: one reading proves nothing.
    let (outcome, summary) = if port.state_again.is_some() {
        (Outcome::Fail, "Armed, and still two seconds later: the subnet manager does not finish")
    } else {
        (Outcome::Warn, "Armed at the one time that it was read: the subnet manager was not done with it")
    };
    let mut finding = fabric::of_port(host, port, id, outcome, summary);
    finding.causes = alloc::vec!["the subnet manager hangs, or was stopped in the middle of its sweep".to_owned()];
    finding.remedies = alloc::vec!["systemctl restart opensm   on the host that is master; sminfo names it".to_owned()];
    finding
}

/// Speeds from slow to fast. Per lane: 2.5, 5, 10 (8b/10b), then 10.3, 14, 26, 53, 106 and 212 Gb/s (64b/66b and up).
fn rank(speed: &str) -> Option<usize> {
    const SPEEDS: [&str; 9] = ["SDR", "DDR", "QDR", "FDR10", "FDR", "EDR", "HDR", "NDR", "XDR"];
    SPEEDS.iter().position(|known| speed.trim().eq_ignore_ascii_case(known))
}

/// What the link has less of than both ends support: `2 of 4 lanes`, `QDR where both ends support FDR`.
fn less_than_possible(port: &IbPort) -> Vec<String> {
    let mut less = Vec::new();
    if let (Some(width), Some(own), Some(peer)) = (port.width, port.width_supported, port.peer_width_supported)
        && width < own.min(peer)
    {
        less.push(format!("{width} of {} lanes", own.min(peer)));
    }
    if let (Some(speed), Some(own), Some(peer)) = (&port.speed, &port.speed_supported, &port.peer_speed_supported)
        && let (Some(now), Some(mine), Some(theirs)) = (rank(speed), rank(own), rank(peer))
        && now < mine.min(theirs)
    {
        less.push(format!("{speed} where both ends support {}", if mine <= theirs { own } else { peer }));
    }
    less
}

fn active(host: &Host, port: &IbPort) -> Finding {
    let id = IbPortCheck::META.id;
    let less = less_than_possible(port);
    let errors = port.counters.as_ref().map(rising).unwrap_or_default();
    let (outcome, summary) = match (less.as_slice(), errors.as_slice()) {
        ([], []) => (Outcome::Pass, describe(port)),
        (less, errors) => {
            let counted = errors.iter().map(|(name, by)| format!("{name} rose by {by}"));
            let said: Vec<String> = less.iter().cloned().chain(counted).collect();
            (Outcome::Warn, format!("Active, and {}", said.join(", ")))
        }
    };
    let mut finding = fabric::of_port(host, port, id, outcome, summary);
    if !less.is_empty() {
        finding.observed = Some(Quantity::text(describe(port)));
        let width = port.width_supported.min(port.peer_width_supported).map(|width| format!("{width}X")).unwrap_or_default();
        let slower = [&port.speed_supported, &port.peer_speed_supported];
        let slower =
            slower.into_iter().flatten().min_by_key(|speed| rank(speed)).map(|speed| format!(" {speed}")).unwrap_or_default();
        finding.expected = Some(Quantity::text(format!("{width}{slower}")));
        finding.causes.push("a lane of cable, transceiver or connector that does not work, or a cable made for less".to_owned());
        finding.causes.push("a speed that somebody limited (LinkSpeedEnabled, LinkWidthEnabled)".to_owned());
        finding
            .remedies
            .push("put the cable in anew at both ends, then another; iblinkinfo shows which links run below their best".to_owned());
    }
    if !errors.is_empty() {
        finding.causes.push("cable, transceiver or connector; port_xmit_discards: congestion or a slow receiver".to_owned());
        finding.remedies.push(format!("perfquery -C {} -P {}   shows the counters; then the cable", port.device, port.port));
    }
    if fabric::first_state(port) != State::Active && port.state.is_some() {
        finding.notes.push(format!("it was {} at first and Active two seconds later", fabric::first_state(port).word()));
    }
    finding.notes.extend(port.counters.as_ref().and_then(saturated));
    finding
}

/// `Active, 40 Gb/s (4X QDR), 32 Gb/s of data`.
fn describe(port: &IbPort) -> String {
    let mut text = "Active".to_owned();
    if let Some(rate) = port.rate_mbps {
        text = format!("{text}, {}", gigabits(rate));
        if let (Some(width), Some(speed)) = (port.width, port.speed.as_deref()) {
            text = format!("{text} ({width}X {speed})");
        }
        if let Some(data) = port.data_rate_mbps.filter(|data| *data != rate) {
            text = format!("{text}, {} of data", gigabits(data));
        }
    } else if let Some(rate) = port.rate.as_deref() {
        text = format!("{text}, {rate}");
    }
    text
}

/// `40 Gb/s`, `2.5 Gb/s`, `13.6 Gb/s`.
fn gigabits(mbps: u32) -> String {
    match (mbps / 1000, mbps % 1000 / 100) {
        (whole, 0) => format!("{whole} Gb/s"),
        (whole, tenth) => format!("{whole}.{tenth} Gb/s"),
    }
}

/// Error counters (`/sys/class/infiniband/*/ports/*/counters`) and the largest value of each: they stop there (IBA 16.1.3.5).
/// What switches count as relay errors of multicast, and the waiting times of congestion, are no errors.
const ERRORS: [(&str, u64); 10] = [
    ("symbol_error", 0xffff),
    ("link_error_recovery", 0xff),
    ("link_downed", 0xff),
    ("port_rcv_errors", 0xffff),
    ("port_rcv_remote_physical_errors", 0xffff),
    ("port_xmit_discards", 0xffff),
    ("port_xmit_constraint_errors", 0xff),
    ("port_rcv_constraint_errors", 0xff),
    ("local_link_integrity_errors", 0xf),
    ("excessive_buffer_overrun_errors", 0xf),
];

fn rising(counters: &Counters) -> Vec<(&'static str, u64)> {
    let Some(last) = &counters.last else { return Vec::new() };
    let rise = |name: &str| last.get(name)?.checked_sub(*counters.first.get(name)?).filter(|by| *by > 0);
    ERRORS.iter().filter_map(|(name, _)| Some((*name, rise(name)?))).collect()
}

fn saturated(counters: &Counters) -> Option<String> {
    let full = |(name, most): &&(&str, u64)| counters.last.as_ref().unwrap_or(&counters.first).get(*name) == Some(most);
    let names: Vec<&str> = ERRORS.iter().filter(full).map(|(name, _)| *name).collect();
    (!names.is_empty()).then(|| {
        format!(
            "at the largest value that they can have, so that nothing more is counted: {} (perfquery -R clears)",
            names.join(", ")
        )
    })
}

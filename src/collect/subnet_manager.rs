//! What only the fabric itself knows: the MTU in use, what both ends of a cable support, and its subnet managers. Asked over
//! `/dev/infiniband/umad*`, with questions alone.

mod ask;

use super::gap;
use super::identity::line;
use crate::host::Host;
use ask::{Asker, Refusal};
use pathvet_checks::evidence::{self, Gap, GapReason, IbPort, SubnetManager};
use pathvet_checks::parse::infiniband::{Speed, show_guid};
use pathvet_checks::wire::mad::{Answer, PortInfo, Question, Route, SmInfo};
use std::collections::BTreeMap;
use std::time::Duration;

const CLASS: &str = "/sys/class/infiniband_mad";
const MANAGERS: &str = "infiniband.subnet_managers";
const MTU: &str = "infiniband.active_mtu";
const PEER: &str = "infiniband.peer";
/// Time for what this port and its neighbour answer themselves.
const NEAR: Duration = Duration::from_secs(1);
/// Time for a manager, and for subnet administration.
const FAR: Duration = Duration::from_secs(2);
/// A manager that has not counted between two questions is asked again after that.
const SECOND_LOOK: Duration = Duration::from_secs(1);

/// Asks the fabric through every InfiniBand port of this host that has a link. `timeout` is the time for one question; what was
/// learnt goes into the host's ports and subnet managers, what was not into its gaps. A recorded tree is left as it is.
pub fn subnet_managers(host: &dyn Host, found: &mut evidence::Host, timeout: Duration) {
    let Some(table) = &mut found.infiniband else { return };
    // What was learnt a moment ago is learnt anew.
    found.gaps.retain(|gap| ![MANAGERS, MTU, PEER].contains(&gap.what.as_str()));
    table.subnet_managers = None;
    let linked: Vec<usize> = (0..table.ports.len()).filter(|at| has_link(&table.ports[*at])).collect();
    if !host.live() || linked.is_empty() {
        return;
    }
    let devices = match umads(host) {
        Ok(devices) => devices,
        Err(gap) => {
            found.gaps.extend([Gap { what: MTU.into(), ..gap.clone() }, gap]);
            return;
        }
    };
    let ask = |at: &usize| {
        let port = &table.ports[*at];
        match devices.get(&(port.device.clone(), port.port)) {
            Some(umad) => through(&format!("/dev/infiniband/{umad}"), port, timeout),
            None => Learnt::refused(gap::malformed(MANAGERS, CLASS, format!("no umad device for {}/{}", port.device, port.port))),
        }
    };
    // One silent fabric must not hold up the others.
    let learnt: Vec<Learnt> = std::thread::scope(|scope| {
        let threads: Vec<_> = linked.iter().map(|at| scope.spawn(move || ask(at))).collect();
        let ended = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
        ended.map(|learnt| learnt.unwrap_or_else(|_| Learnt::default())).collect()
    });
    for (at, learnt) in linked.into_iter().zip(learnt) {
        learnt.fill(&mut table.ports[at]);
        if let Some(managers) = learnt.managers {
            table.subnet_managers.get_or_insert_default().extend(managers);
        }
        found.gaps.extend(learnt.gaps);
    }
    found.gaps.sort();
    found.gaps.dedup();
}

/// Whether something can be asked through a port: InfiniBand, and not down.
fn has_link(port: &IbPort) -> bool {
    let up = matches!(port.state.as_deref(), Some("Initializing" | "Armed" | "Active" | "ActiveDefer"));
    up && port.link_layer.as_deref() != Some("Ethernet")
}

/// The umad device of every adapter and port.
fn umads(host: &dyn Host) -> Result<BTreeMap<(String, u8), String>, Gap> {
    let names = host.list(CLASS).map_err(|error| {
        let gap = gap::from_error(MANAGERS, CLASS, &error);
        let detail = "no umad device; the module ib_umad makes them".to_owned();
        if gap.reason == GapReason::NotPresent { Gap { detail, ..gap } } else { gap }
    })?;
    let of = |name: &String| {
        let device = line(host, &format!("{CLASS}/{name}/ibdev")).ok()?;
        let port = line(host, &format!("{CLASS}/{name}/port")).ok()?.parse().ok()?;
        Some(((device, port), name.clone()))
    };
    Ok(names.iter().filter(|name| name.starts_with("umad")).filter_map(of).collect())
}

/// What one port has told.
#[derive(Default)]
struct Learnt {
    own: Option<PortInfo>,
    peer: Option<PortInfo>,
    managers: Option<Vec<SubnetManager>>,
    gaps: Vec<Gap>,
}

impl Learnt {
    /// Nothing, for one reason.
    fn refused(gap: Gap) -> Self {
        Self { gaps: vec![Gap { what: MTU.into(), ..gap.clone() }, gap], ..Self::default() }
    }

    fn fill(&self, port: &mut IbPort) {
        if let Some(own) = self.own {
            // Only an InfiniBand port answers; old kernels and the simulator have no file that says it.
            port.link_layer.get_or_insert_with(|| "InfiniBand".into());
            port.width_supported = own.widest();
            port.speed_supported = own.fastest().map(Speed::name).map(str::to_owned);
            port.max_mtu = own.max_mtu();
            // Until the port is active nobody has set the MTU of its link.
            port.active_mtu = own.active_mtu().filter(|_| matches!(own.state_word(), Some("Active" | "ActiveDefer")));
        }
        if let Some(peer) = self.peer {
            port.peer_width_supported = peer.widest();
            port.peer_speed_supported = peer.fastest().map(Speed::name).map(str::to_owned);
        }
    }

    /// Notes what was not answered.
    fn note(&mut self, what: &str, place: String, refusal: &Refusal) {
        let (reason, detail) = match refusal {
            Refusal::Silent => (GapReason::TimedOut, "no answer".to_owned()),
            Refusal::Wrong(why) => (GapReason::Malformed, why.clone()),
        };
        self.gaps.push(Gap { what: what.into(), place, reason, detail, right: None });
    }
}

/// Asks through one port.
fn through(device: &str, port: &IbPort, timeout: Duration) -> Learnt {
    let mut asker = match Asker::open(device) {
        Ok(asker) => asker,
        Err(error) => {
            let mut gap = gap::from_error(MANAGERS, device, &error);
            if gap.reason == GapReason::NotPermitted {
                gap.right = Some(format!("read and write access to {device}"));
            }
            return Learnt::refused(gap);
        }
    };
    let (near, far) = (timeout.min(NEAR), timeout.min(FAR));
    let name = format!("{}/{}", port.device, port.port);
    let mut learnt = Learnt::default();
    match asker.ask(Question::PortInfo(Route::Here, port.port), near) {
        Ok(Answer::PortInfo(own)) => learnt.own = Some(own),
        Ok(_) => {}
        Err(refusal) => learnt.note(MTU, format!("PortInfo of {name}"), &refusal),
    }
    neighbour(&mut asker, &mut learnt, &name, port.port, near);

    // Sysfs has what the port was told a moment ago; the port itself is asked where it can be.
    let state = learnt.own.and_then(|own| own.state_word()).or(port.state.as_deref()).unwrap_or_default();
    let sm_lid = learnt.own.map(|own| own.sm_lid).or(port.sm_lid).unwrap_or(0);
    if sm_lid == 0 {
        // A subnet manager makes itself known to every port that it finds: this one has met none.
        learnt.managers = Some(Vec::new());
    } else if !matches!(state, "Active" | "ActiveDefer") {
        let detail = format!("{name} is {state}: until it is Active nothing can be asked beyond its cable");
        let (what, place) = (MANAGERS.into(), name);
        learnt.gaps.push(Gap { what, place, reason: GapReason::NotPresent, detail, right: None });
    } else {
        managers(&mut asker, &mut learnt, &name, sm_lid, far);
    }
    learnt
}

/// What the cable leads to: which of its ports, and what that supports.
fn neighbour(asker: &mut Asker, learnt: &mut Learnt, name: &str, port: u8, within: Duration) {
    let route = Route::Through(port);
    let place = |what: &str| format!("{what} of the port opposite {name}");
    match asker.ask(Question::NodeInfo(route), within) {
        Ok(Answer::NodeInfo(node)) => match asker.ask(Question::PortInfo(route, node.local_port), within) {
            Ok(Answer::PortInfo(peer)) => learnt.peer = Some(peer),
            Ok(_) => {}
            Err(refusal) => learnt.note(PEER, place("PortInfo"), &refusal),
        },
        Ok(_) => {}
        Err(refusal) => learnt.note(PEER, place("NodeInfo"), &refusal),
    }
}

/// Every subnet manager that subnet administration knows, each asked itself, twice.
fn managers(asker: &mut Asker, learnt: &mut Learnt, name: &str, sm_lid: u16, within: Duration) {
    let known = match asker.ask(Question::SmInfoRecords(sm_lid), within) {
        Ok(Answer::SmInfoRecords(records)) => records.into_iter().map(|record| (record.lid, Some(record.info))).collect(),
        Ok(_) => Vec::new(),
        Err(refusal) => {
            let place = format!("subnet administration at LID {sm_lid}, through {name}");
            learnt.note(MANAGERS, place, &refusal);
            if let Some(gap) = learnt.gaps.last_mut() {
                gap.detail.push_str("; only the manager at that LID was asked, there may be others");
            }
            Vec::new()
        }
    };
    let administration = !known.is_empty();
    // A manager that its own administration does not list is asked all the same.
    let mut known: Vec<(u16, Option<SmInfo>)> = known;
    if !known.iter().any(|(lid, _)| *lid == sm_lid) {
        known.push((sm_lid, None));
    }
    let questions: Vec<Question> = known.iter().map(|(lid, _)| Question::SmInfo(*lid)).collect();
    let first = asker.ask_all(&questions, within);
    let (mut moved, _) = counting(asker, &questions, &first, within);
    if moved.iter().zip(&first).any(|(moved, first)| sm_info(first).is_some() && *moved != Some(true)) {
        std::thread::sleep(SECOND_LOOK);
        let (later, _) = counting(asker, &questions, &first, within);
        for (moved, later) in moved.iter_mut().zip(later) {
            *moved = later.or(*moved);
        }
    }
    let mut found = Vec::new();
    for (((lid, record), own), counting) in known.into_iter().zip(&first).zip(moved) {
        let own = sm_info(own);
        // What it says of itself is newer than what administration has noted of it.
        let Some(info) = own.or(record) else {
            if lid == sm_lid && !administration {
                let place = format!("SMInfo at LID {lid}, through {name}");
                learnt.note(MANAGERS, place, &Refusal::Silent);
            }
            continue;
        };
        found.push(SubnetManager {
            guid: show_guid(info.guid),
            lid: Some(lid),
            priority: Some(info.priority),
            state: info.state_word().map(str::to_owned),
            act_count: Some(info.act_count),
            counting,
            answers: Some(own.is_some()),
            node: None,
            seen_through: Some(name.to_owned()),
        });
    }
    found.sort_by(|one, other| (&one.guid, one.lid).cmp(&(&other.guid, other.lid)));
    if !found.is_empty() {
        learnt.managers = Some(found);
    }
}

type Heard = Result<Answer, Refusal>;

fn sm_info(heard: &Heard) -> Option<SmInfo> {
    match heard {
        Ok(Answer::SmInfo(info)) => Some(*info),
        _ => None,
    }
}

/// Asks again, and says of each whether its count has moved since.
fn counting(asker: &mut Asker, questions: &[Question], first: &[Heard], within: Duration) -> (Vec<Option<bool>>, Vec<Heard>) {
    let again = asker.ask_all(questions, within);
    let moved = first.iter().zip(&again).map(|(first, again)| Some(sm_info(first)?.act_count != sm_info(again)?.act_count));
    (moved.collect(), again)
}

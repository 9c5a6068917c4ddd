//! Does exactly one subnet manager rule each fabric, the intended one, with a standby?

use crate::Case;
use crate::check::{Check, Meta, check};
use crate::evidence::{Host, IbPort, SubnetManager};
use crate::expect::SmExpect;
use crate::fabric::{self, Fabric, Focus, State, Use, Vote};
use crate::facts;
use crate::report::{Finding, Outcome, Quantity};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

check! {
    /// # What it looks for
    ///
    /// The subnet managers of every fabric: who is master, with which priority, who stands by, and whether the hosts agree. Ports
    /// are one fabric where they see the same master, share a network of the plan or a subnet prefix other than the default, or
    /// where a vetted packet passed between them without a router. Two rails with a master each are two fabrics.
    ///
    /// # Why it matters
    ///
    /// Without a subnet manager no port that comes up gets a LID. What runs goes on for a while; what restarts, or loses its link,
    /// stays out. Storage that has no other way freezes every virtual machine at once.
    ///
    /// # How it decides
    ///
    /// - FAIL: no subnet manager; none that is master; two masters seen through one port, or by two hosts of one network; another
    ///   master than the plan's `expect.sm.master`; fewer standbys than `expect.sm.standby`; no standby where the plan's network
    ///   has the role storage; a master that does not answer; a port whose SM LID is not that of the master.
    /// - WARN: the master's priority is also that of another: then the lower GUID wins, which nobody chose; a standby with a higher
    ///   priority than the master; no standby (unless `expect.sm.standby` is 0); a master whose activity count stands still.
    /// - PASS: one master, as expected, with a standby of lower priority.
    /// - UNKNOWN or SKIP: nobody could be asked: no right for `/dev/infiniband/umad*` (UNKNOWN only where the plan or `--only` wants
    ///   it), or no answer.
    ///
    /// The higher priority (0 to 15) wins, of equals the lower GUID. Every `OpenSM` has 0 unless told otherwise. A standby takes over
    /// after four polls of ten seconds unless `opensm.conf` says otherwise (`polling_retry_number`, `sminfo_polling_timeout`).
    ///
    /// # What to do
    ///
    /// Run one on at least two nodes, or in the switch and on one node, with different priorities: `sm_priority 10` in
    /// `/etc/opensm/opensm.conf` (`opensm -c /etc/opensm/opensm.conf` writes one), or `opensm -p 10`; some switches want 13 at
    /// most. Give all the same `partitions.conf`. For storage prefer one in a switch. `sminfo` and `saquery SMIR` show the same;
    /// never give `sminfo` a state or priority, it would set it.
    ///
    /// # Example
    ///
    /// `warn-equal-priorities`: both managers were left at priority 0.
    ///
    /// ```text
    /// WARN ib-sm node1:mlx4_0/1
    ///   priority 0 twice: 0x0002c90300aa0001 wins, because its GUID is lower than that of 0x0002c90300cc0001
    /// ```
    pub(crate) struct IbSm = { id: "ib-sm", summary: "one subnet manager, the intended one, with a standby" }
}

/// Readings further apart than this may both be right.
const TOGETHER_SECONDS: i64 = 600;

impl Check for IbSm {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn judge(&self, case: &Case<'_>) -> Vec<Finding> {
        let used = Use::of(case);
        let fabrics = fabric::fabrics(case);
        let mut found: Vec<Finding> = fabrics.iter().flat_map(|fabric| of_fabric(case, &used, fabric)).collect();
        for host in &case.evidence.hosts {
            if !fabrics.iter().any(|fabric| fabric.ports.iter().any(|(known, _)| core::ptr::eq(*known, host))) {
                found.extend(without_link(case, host));
            }
        }
        if fabrics.len() > 1
            && let Some(first) = found.iter_mut().find(|finding| finding.outcome != Outcome::Skip)
        {
            first.notes.push(format!("{} fabrics, each with managers of its own", fabrics.len()));
        }
        found
    }
}

/// What is to be said of a host none of whose ports has a link.
fn without_link(case: &Case<'_>, host: &Host) -> Option<Finding> {
    let wanted = fabric::wanted(case, host, fabric::wants_sm);
    let named = facts::named(case, IbSm::META.id);
    let read = host.infiniband.is_some();
    let outcome = match (wanted, named) {
        (false, true) if read => Outcome::Skip,
        (false, false) => return None,
        (true, _) | (false, true) => Outcome::Unknown,
    };
    let why = if fabric::ports(host).next().is_some() {
        "no InfiniBand port of this host has a link".to_owned()
    } else {
        fabric::gap(host, "infiniband").map_or_else(|| fabric::NO_PORT.to_owned(), |why| format!("InfiniBand: {why}"))
    };
    Some(fabric::of_whole(host, IbSm::META.id, outcome, why))
}

/// A port, and the managers that it sees.
struct View<'a> {
    host: &'a Host,
    port: &'a IbPort,
    managers: Vec<&'a SubnetManager>,
}

/// What is known of one fabric.
struct Known<'c, 'a> {
    case: &'c Case<'a>,
    fabric: &'c Fabric<'a>,
    views: Vec<View<'a>>,
    /// Every manager once.
    managers: Vec<&'a SubnetManager>,
    expected: SmExpect,
}

fn of_fabric(case: &Case<'_>, used: &Use<'_>, fabric: &Fabric<'_>) -> Vec<Finding> {
    let id = IbSm::META.id;
    let Some((host, port)) = fabric.ports.first().copied() else { return Vec::new() };
    let of_ports = fabric.ports.iter().map(|(host, port)| fabric::expected_sm(case, host, Some(port)));
    let expected = of_ports
        .fold(SmExpect::default(), |all, own| SmExpect { master: all.master.or(own.master), standby: all.standby.or(own.standby) });
    let mut focus = fabric.ports.iter().map(|(host, port)| used.port(case, id, host, port)).max().unwrap_or(Focus::Host);
    if expected != SmExpect::default() {
        focus = Focus::Asked;
    }
    if focus == Focus::Aside {
        return alloc::vec![fabric::of_port(host, port, id, Outcome::Skip, "no vetted path goes over this port")];
    }
    let views: Vec<View<'_>> = (0..fabric.ports.len())
        .filter_map(|index| {
            let (host, port) = fabric.ports[index];
            fabric.seen(index).map(|managers| View { host, port, managers })
        })
        .collect();
    let mut managers: Vec<&SubnetManager> = Vec::new();
    for manager in views.iter().flat_map(|view| &view.managers) {
        if !managers.iter().any(|known| fabric::normal(&known.guid) == fabric::normal(&manager.guid)) {
            managers.push(manager);
        }
    }
    let known = Known { case, fabric, views, managers, expected };
    let mut found = known.judge(focus);
    let decided = |finding: &&mut Finding| !matches!(finding.outcome, Outcome::Skip | Outcome::Unknown);
    for finding in found.iter_mut().filter(decided).filter(|finding| finding.sources.is_empty()) {
        finding.sources.push("SMInfo, SMInfoRecord (IBA 14.2.5.13, 15.2.5.14)".to_owned());
    }
    found
}

impl<'a> Known<'_, 'a> {
    fn say(&self, outcome: Outcome, summary: String) -> Finding {
        let seen = self.views.first().map(|view| (view.host, view.port));
        let place = seen.or_else(|| self.fabric.ports.first().copied());
        match place {
            Some((host, port)) => fabric::of_port(host, port, IbSm::META.id, outcome, summary),
            None => Finding::new(IbSm::META.id, "fabric", crate::report::At::default(), outcome, summary),
        }
    }

    fn judge(&self, focus: Focus) -> Vec<Finding> {
        if self.managers.is_empty() {
            return self.nobody(focus);
        }
        if let Some(split) = self.two_masters() {
            return alloc::vec![split];
        }
        let masters: Vec<&SubnetManager> =
            self.managers.iter().copied().filter(|known| fabric::is_state(known, "MASTER")).collect();
        let Some(master) = masters.first().copied() else { return alloc::vec![self.no_master()] };
        let mut found: Vec<Finding> = Vec::new();
        found.extend(self.unintended(master));
        found.extend(self.mute(master));
        found.extend(self.priorities(master));
        found.extend(self.standby(master));
        found.extend(self.misled(master));
        if found.is_empty() {
            found.push(self.say(Outcome::Pass, self.describe(master)));
        }
        let notes = self.notes();
        if let Some(first) = found.first_mut() {
            first.notes.extend(notes);
        }
        found
    }

    /// `0x0002c90300aa0001 (node1)`.
    fn name(&self, manager: &SubnetManager) -> String {
        let guid = fabric::normal(&manager.guid);
        let owner = self.owner(&guid).map(|host| host.name.clone());
        match owner.or_else(|| manager.node.clone()) {
            Some(node) => format!("{guid} ({node})"),
            None => guid,
        }
    }

    /// The host of the evidence that has a port with this GUID.
    fn owner(&self, guid: &str) -> Option<&'a Host> {
        let has =
            |host: &&Host| fabric::ports(host).any(|port| port.port_guid.as_deref().map(fabric::normal).as_deref() == Some(guid));
        self.case.evidence.hosts.iter().find(has)
    }

    fn standbys(&self) -> impl Iterator<Item = &'a SubnetManager> {
        self.managers.iter().copied().filter(|manager| fabric::is_state(manager, "STANDBY"))
    }

    fn describe(&self, master: &SubnetManager) -> String {
        let priority = |manager: &SubnetManager| manager.priority.map(|own| format!(", priority {own}")).unwrap_or_default();
        let mut text = format!("master {}{}", self.name(master), priority(master));
        for standby in self.standbys() {
            text = format!("{text}; standby {}{}", self.name(standby), priority(standby));
        }
        text
    }

    /// Nobody is known to manage the fabric.
    fn nobody(&self, focus: Focus) -> Vec<Finding> {
        let unconfigured = |port: &IbPort| fabric::state(port) == State::Initializing && port.lid.is_none_or(|lid| lid == 0);
        let asked = !self.views.is_empty();
        if asked || self.fabric.ports.iter().all(|(_, port)| unconfigured(port)) {
            let why = if asked { "asked, and none answered" } else { "the port is Initializing and has no LID" };
            let mut finding = self.say(Outcome::Fail, format!("no subnet manager: {why}"));
            if !asked {
                finding.sources.push("state and LID of the port".to_owned());
            }
            finding.remedies = super::ib_port::start_a_manager();
            finding
                .notes
                .push("a second one on another node, with another priority (sm_priority), takes over when it stops".to_owned());
            return alloc::vec![finding];
        }
        if let Some(finding) = self.sm_lids_differ() {
            return alloc::vec![finding];
        }
        let gap = self.fabric.ports.iter().find_map(|(host, _)| fabric::gap(host, "infiniband.subnet_managers"));
        // An ordinary user's healthy path passes: that the path uses the port makes a missing right no more than a line at the end.
        let refused = self.fabric.ports.iter().all(|(host, _)| fabric::is_refused(host, "infiniband.subnet_managers"));
        let by_name = facts::named(self.case, IbSm::META.id) || self.expected != SmExpect::default();
        let focus = if refused && !by_name { Focus::Host } else { focus };
        let why = gap.unwrap_or_else(|| "nobody was asked".to_owned());
        let lid = self.fabric.ports.iter().find_map(|(_, port)| port.sm_lid.filter(|lid| *lid != 0));
        let lid = lid.map(|lid| format!("; the port was told LID {lid}")).unwrap_or_default();
        alloc::vec![self.say(focus.undecided(), format!("the subnet managers are not known: {why}{lid}"))]
    }

    /// Ports of one fabric that were told different LIDs of the manager.
    fn sm_lids_differ(&self) -> Option<Finding> {
        let told: Vec<(&Host, &IbPort, u16)> = self
            .fabric
            .ports
            .iter()
            .filter(|(_, port)| fabric::state(port) == State::Active)
            .filter_map(|(host, port)| Some((*host, *port, port.sm_lid.filter(|lid| *lid != 0)?)))
            .collect();
        let say = |(host, port, lid): (&Host, &IbPort, u16), summary: String| {
            let mut finding = fabric::of_port(host, port, IbSm::META.id, Outcome::Fail, summary);
            finding.observed = Some(Quantity::text(format!("LID {lid}")));
            finding.causes =
                alloc::vec!["two managers that each rule a part, or one that died before it told everybody".to_owned()];
            finding.remedies = alloc::vec!["sminfo   on each host names its master; stop the wrong one".to_owned()];
            finding
        };
        match fabric::vote(told.iter().map(|(_, _, lid)| *lid)) {
            Vote::Alike => None,
            Vote::Most { value, count, of } => told.iter().find(|(_, _, lid)| *lid != value).map(|odd| {
                say(*odd, format!("takes LID {} for its subnet manager, and {count} of {of} ports take LID {value}", odd.2))
            }),
            Vote::Tie => {
                let all: Vec<String> =
                    told.iter().map(|(host, port, lid)| format!("{}:{} LID {lid}", host.name, fabric::port_name(port))).collect();
                let summary = format!("the hosts disagree about the subnet manager: {}: a tie", all.join(", "));
                told.first().map(|first| say(*first, summary))
            }
        }
    }

    /// Two masters seen through one port, or other ones by two hosts of one network.
    fn two_masters(&self) -> Option<Finding> {
        for view in &self.views {
            let mut masters: Vec<&&SubnetManager> =
                view.managers.iter().filter(|known| fabric::is_state(known, "MASTER")).collect();
            masters.sort_by_key(|master| fabric::normal(&master.guid));
            masters.dedup_by_key(|master| fabric::normal(&master.guid));
            if masters.len() > 1 {
                let names: Vec<String> = masters.iter().map(|master| self.ranked(master)).collect();
                let summary = format!("{} masters in one fabric: {}", masters.len(), names.join(", "));
                let finding = fabric::of_port(view.host, view.port, IbSm::META.id, Outcome::Fail, summary);
                return Some(one_too_many(finding));
            }
        }
        for (at, view) in self.views.iter().enumerate() {
            let mine = self.masters_of(view.host);
            for other in self.views[at + 1..].iter().filter(|other| !core::ptr::eq(other.host, view.host)) {
                let theirs = self.masters_of(other.host);
                if mine.is_empty() || theirs.is_empty() || mine.iter().any(|guid| theirs.contains(guid)) {
                    continue;
                }
                let apart = match (view.host.taken, other.host.taken) {
                    (Some(one), Some(two)) => one.as_second().saturating_sub(two.as_second()).saturating_abs() > TOGETHER_SECONDS,
                    _ => false,
                };
                let summary = format!(
                    "{} sees {} as master, and {} sees {}{}",
                    view.host.name,
                    mine.join(", "),
                    other.host.name,
                    theirs.join(", "),
                    if apart { ", read at another time" } else { "" }
                );
                let outcome = if apart { Outcome::Warn } else { Outcome::Fail };
                let mut finding = fabric::of_port(view.host, view.port, IbSm::META.id, outcome, summary);
                if apart {
                    finding.expected = Some(Quantity::text("one master"));
                    finding.remedies =
                        alloc::vec!["pathvet collect   on both hosts within ten minutes, then judge again".to_owned()];
                    return Some(finding);
                }
                return Some(one_too_many(finding));
            }
        }
        None
    }

    fn masters_of(&self, host: &Host) -> Vec<String> {
        let own = self.fabric.ports.iter().filter(|(known, _)| core::ptr::eq(*known, host));
        let mut masters: Vec<String> = own.flat_map(|(host, port)| fabric::masters(host, port)).collect();
        masters.sort();
        masters.dedup();
        masters
    }

    /// `0x… (node1), priority 5`.
    fn ranked(&self, manager: &SubnetManager) -> String {
        let priority = manager.priority.map(|own| format!(" with priority {own}")).unwrap_or_default();
        format!("{}{priority}", self.name(manager))
    }

    fn no_master(&self) -> Finding {
        let names: Vec<String> = self
            .managers
            .iter()
            .map(|manager| {
                format!("{} {}", self.ranked(manager), manager.state.as_deref().unwrap_or("in no known state").to_ascii_lowercase())
            })
            .collect();
        let mut finding = self.say(Outcome::Fail, format!("no subnet manager is master: {}", names.join(", ")));
        finding.causes = alloc::vec![
            "the master was lost and a standby has not taken over yet: it takes four polls of ten seconds unless opensm.conf says otherwise"
                .to_owned(),
            "a master that hangs: it became master and answers nobody".to_owned(),
        ];
        finding.remedies = alloc::vec!["look again in a minute; then systemctl restart opensm   on the intended master".to_owned()];
        finding.notes.extend(self.notes());
        finding
    }

    /// Another master than the plan's.
    fn unintended(&self, master: &SubnetManager) -> Option<Finding> {
        let wanted = self.expected.master.as_deref().map(fabric::normal)?;
        let guid = fabric::normal(&master.guid);
        if wanted == guid {
            return None;
        }
        // People copy the GUID of the card, which ibstat prints first.
        let of_card = |host: &Host| {
            fabric::ports(host).any(|port| {
                port.node_guid.as_deref().map(fabric::normal).as_deref() == Some(&wanted)
                    && port.port_guid.as_deref().map(fabric::normal).as_deref() == Some(&guid)
            })
        };
        if self.case.evidence.hosts.iter().any(of_card) {
            return None;
        }
        let mut finding = self.say(Outcome::Fail, format!("{} is master, and the plan expects {wanted}", self.ranked(master)));
        finding.observed = Some(Quantity::text(guid));
        finding.expected = Some(Quantity::text(wanted.clone()));
        let intended = self.managers.iter().find(|manager| fabric::normal(&manager.guid) == wanted);
        finding.causes = alloc::vec![match intended {
            None => format!("{wanted} is not among the subnet managers: it does not run, or on another fabric"),
            Some(intended) => match (intended.priority, master.priority) {
                (Some(own), Some(other)) if own == other => format!("both have priority {own}: the lower GUID wins"),
                (Some(own), Some(other)) if own < other => format!("its priority {own} is below {other}"),
                _ => "the master has not handed over yet, or the intended one waits to take it back".to_owned(),
            },
        }];
        let highest = self.managers.iter().filter_map(|manager| manager.priority).max().unwrap_or(0);
        finding.remedies = alloc::vec![format!(
            "on the intended one: sm_priority {} in /etc/opensm/opensm.conf (or opensm -p), lower on the others; systemctl restart opensm",
            highest.saturating_add(1).min(15)
        )];
        Some(finding)
    }

    /// A master that no longer answers or counts.
    fn mute(&self, master: &SubnetManager) -> Option<Finding> {
        let name = self.name(master);
        let (outcome, summary) = match (master.answers, master.counting) {
            (Some(false), _) => (Outcome::Fail, format!("master {name} does not answer: it is listed, and it may hang")),
            (_, Some(false)) => (Outcome::Warn, format!("master {name} answers, and its activity count stands still: it may hang")),
            _ => return None,
        };
        let mut finding = self.say(outcome, summary);
        finding.remedies = alloc::vec!["systemctl restart opensm   on that host; a standby takes over meanwhile".to_owned()];
        finding.notes.extend(master.act_count.map(|count| format!("activity count {count}")));
        Some(finding)
    }

    /// Priorities that leave the choice to GUIDs, or that the master does not have.
    fn priorities(&self, master: &SubnetManager) -> Option<Finding> {
        let own = master.priority?;
        let rivals: Vec<&SubnetManager> = self.standbys().filter(|standby| standby.priority.is_some()).collect();
        if let Some(higher) = rivals.iter().filter(|rival| rival.priority > Some(own)).max_by_key(|rival| rival.priority) {
            let summary = format!("{} is standby, and master is {}: a lower priority", self.ranked(higher), self.ranked(master));
            let mut finding = self.say(Outcome::Warn, summary);
            finding.causes =
                alloc::vec!["the master hands over at its next sweep".to_owned(), "or it does not see the other".to_owned()];
            finding.remedies =
                alloc::vec!["look again in a minute; the log of both managers says why there is no hand-over".to_owned()];
            return Some(finding);
        }
        let mut equal: Vec<&SubnetManager> = rivals.into_iter().filter(|rival| rival.priority == Some(own)).collect();
        if equal.is_empty() {
            return None;
        }
        equal.push(master);
        equal.sort_by_key(|manager| fabric::normal(&manager.guid));
        let (winner, losers) = equal.split_first()?;
        let losers: Vec<String> = losers.iter().map(|loser| self.name(loser)).collect();
        let times = match equal.len() {
            2 => "twice".to_owned(),
            count => format!("{count} times"),
        };
        let rules = if fabric::normal(&winner.guid) == fabric::normal(&master.guid) { "wins" } else { "will win" };
        let summary = format!(
            "priority {own} {times}: {} {rules}, because its GUID is lower than that of {}",
            self.name(winner),
            losers.join(", ")
        );
        let mut finding = self.say(Outcome::Warn, summary);
        if own == 0 {
            finding.causes = alloc::vec!["every OpenSM has priority 0 unless told otherwise".to_owned()];
        }
        finding.remedies = alloc::vec![
            "sm_priority 10 in /etc/opensm/opensm.conf of the intended master (or opensm -p 10), another on each of the others; systemctl \
             restart opensm"
                .to_owned(),
        ];
        Some(finding)
    }

    /// Too few standbys, by the plan or by what the network carries.
    fn standby(&self, master: &SubnetManager) -> Option<Finding> {
        let alive = self.standbys().filter(|standby| standby.answers != Some(false)).count();
        let dead = self.standbys().find(|standby| standby.answers == Some(false));
        let count = u32::try_from(alive).unwrap_or(u32::MAX);
        let storage = self.roles().any(|role| role == "storage");
        let (outcome, summary) = match self.expected.standby {
            Some(wanted) if count >= wanted => return None,
            Some(wanted) => {
                (Outcome::Fail, format!("{count} standby, and the plan expects {wanted}: master {} alone", self.name(master)))
            }
            None if alive > 0 => return None,
            None if storage => {
                (Outcome::Fail, format!("no standby: when {} stops, the storage on this fabric is lost with it", self.name(master)))
            }
            None => (Outcome::Warn, format!("no standby: nobody takes over when {} stops", self.name(master))),
        };
        let mut finding = self.say(outcome, summary);
        if let Some(dead) = dead {
            finding.causes = alloc::vec![format!("{} is listed as standby and does not answer", self.name(dead))];
        }
        let below = master.priority.map_or_else(String::new, |own| {
            if own == 0 { " 0, 5 on the intended master,".to_owned() } else { format!(" below {own}") }
        });
        finding.observed = Some(Quantity::counted(count, "managers").shown_as(format!("{count} standby")));
        let wanted = self.expected.standby.unwrap_or(1);
        finding.expected = Some(Quantity::counted(wanted, "managers").shown_as(format!("{wanted} or more")));
        finding.remedies = alloc::vec![
            format!(
                "on another node:   apt-get install opensm; sm_priority{below} in /etc/opensm/opensm.conf; the same partitions.conf"
            ),
            "say that it is meant so: expect: { sm: { standby: 0 } }".to_owned(),
        ];
        Some(finding)
    }

    fn roles(&self) -> impl Iterator<Item = &'a str> {
        let links = self.fabric.ports.iter().flat_map(|(host, port)| fabric::on_port(host, port).map(move |link| (*host, link)));
        links.flat_map(|(host, link)| fabric::networks(self.case, host, link)).filter_map(|(_, network)| network.role.as_deref())
    }

    /// Ports that take somebody else for the master.
    fn misled(&self, master: &SubnetManager) -> Vec<Finding> {
        let Some(lid) = master.lid.filter(|lid| *lid != 0) else { return self.sm_lids_differ().into_iter().collect() };
        let wrong = self.fabric.ports.iter().filter(|(_, port)| {
            // A port of several LIDs answers to each of them.
            let lmc = port.lmc.map_or(0, u32::from).min(7);
            let told = port.sm_lid.filter(|told| *told != 0 && fabric::state(port) == State::Active);
            told.is_some_and(|told| (told >> lmc) != (lid >> lmc))
        });
        wrong
            .map(|(host, port)| {
                let told = port.sm_lid.unwrap_or(0);
                let who = self.managers.iter().find(|manager| manager.lid == Some(told)).map_or_else(
                    || "no subnet manager".to_owned(),
                    |manager| format!("{} in state {}", self.name(manager), manager.state.as_deref().unwrap_or("unknown")),
                );
                let summary = format!(
                    "takes LID {told} for its subnet manager, which is {who}; master is {} at LID {lid}",
                    self.name(master)
                );
                let mut finding = fabric::of_port(host, port, IbSm::META.id, Outcome::Fail, summary);
                finding.observed = Some(Quantity::text(format!("LID {told}")));
                finding.expected = Some(Quantity::text(format!("LID {lid}")));
                finding.causes = alloc::vec!["a master that hangs: it took over and has not told the ports".to_owned()];
                finding.remedies = alloc::vec!["systemctl restart opensm   on the master; sminfo then names it".to_owned()];
                finding
            })
            .collect()
    }

    /// When a standby of the evidence would take over, and where its file says another priority than it has.
    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for host in &self.case.evidence.hosts {
            let own = |manager: &&&SubnetManager| {
                self.owner(&fabric::normal(&manager.guid)).is_some_and(|owner| core::ptr::eq(owner, host))
            };
            let manager = self.managers.iter().find(own);
            for file in host.infiniband.iter().flat_map(|table| table.sm_config.iter().flatten()) {
                let given = host.origin.starts_with("import");
                if given || manager.is_some_and(|manager| fabric::is_state(manager, "STANDBY")) {
                    let (timeout, retries) = (file.polling_timeout_ms.unwrap_or(10_000), file.polling_retries.unwrap_or(4));
                    let seconds = u64::from(timeout).saturating_mul(u64::from(retries)).div_ceil(1000);
                    notes.push(format!(
                        "{} takes over about {seconds} s after the master falls silent ({retries} polls)",
                        host.name
                    ));
                }
                if let Some((manager, (real, written))) =
                    manager.and_then(|manager| Some((manager, manager.priority.zip(file.priority)?)))
                    && real != written
                {
                    let place = file.file.as_deref().unwrap_or("opensm.conf");
                    notes.push(format!("{} has priority {real}, and {place} says {written}", self.name(manager)));
                }
            }
        }
        notes.sort();
        notes.dedup();
        notes
    }
}

fn one_too_many(mut finding: Finding) -> Finding {
    finding.expected = Some(Quantity::text("one master"));
    finding.causes = alloc::vec![
        "two parts of a fabric that were joined while both ran, and whose managers do not see each other".to_owned(),
        "a master that hangs and does not give way".to_owned(),
    ];
    finding.remedies = alloc::vec![
        "systemctl stop opensm   on the one that is not intended; start it again as standby with a lower priority".to_owned()
    ];
    finding
}

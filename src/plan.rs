//! Reads a plan: what the user expects of which paths.
//!
//! A plan is strict: an unknown key is an error, because a misspelt expectation that is silently dropped blesses a broken path.
//! Everything that is wrong is said at once, with file, line, column and the nearest right word ([`crate::error::InputError`]).

pub mod baseline;
mod expect_ib;
mod expect_tuning;
pub mod init;
mod read;
pub mod yaml;

use crate::error::{InputError, Place, Problem};
use pathvet_checks::expect::Expect;
use pathvet_checks::size::Family;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// The schema name that a plan must carry.
pub const SCHEMA: &str = "pathvet.plan/1";

/// A plan, read and checked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// What messages call it: the file as the user named it.
    pub name: String,
    /// What a judgement is held against. `mtu`, `only` and `skip` are the command line's to fill.
    pub expect: Expect,
    /// The machines of the plan.
    pub hosts: BTreeMap<String, PlanHost>,
    /// Which paths are wanted, as written.
    pub paths: Vec<PathGroup>,
    /// How probing is limited.
    pub limits: Limits,
    /// Remarks on a plan that is otherwise fine, each with its place: the usual slips of units.
    pub notes: Vec<Problem>,
    /// Hosts and networks that no path uses, each with its place.
    pub unused: Vec<Problem>,
    /// Where each of `expect.waivers` says until when it holds.
    pub waiver_places: Vec<Place>,
}

/// A machine of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PlanHost {
    /// Its address, where the plan gives one.
    pub address: Option<IpAddr>,
    /// Its evidence file, where the plan gives one; relative to the plan's own folder.
    pub evidence: Option<PathBuf>,
    /// `ssh`: the destination, with or without a user.
    pub ssh: Option<String>,
    /// `ssh_options`.
    pub ssh_options: Vec<String>,
}

/// One entry of `paths`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathGroup {
    /// The network that the paths belong to.
    pub network: Option<String>,
    /// Which pairs.
    pub pairs: Pairs,
}

/// Which pairs of machines an entry of `paths` means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pairs {
    /// From this host to each.
    FromLocal(Vec<String>),
    /// Every ordered pair.
    Mesh(Vec<String>),
    /// Each to the next, the last to the first.
    Ring(Vec<String>),
}

/// `limits`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Limits {
    /// Probes per second over all paths.
    pub rate: Option<u32>,
    /// DSCP values to probe with; empty = 0 alone.
    pub dscp: Vec<u8>,
}

/// Who this machine is, for finding it among the plan's hosts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Local {
    /// Its names, with and without domain.
    pub names: Vec<String>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

/// A path that the plan wants from this machine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlannedPath {
    /// The network of the plan.
    pub network: Option<String>,
    /// The target as the plan names it.
    pub to: String,
    /// The target's address, where the plan gives one; else `names` are to be resolved.
    pub address: Option<IpAddr>,
    /// What to resolve, in this order, until one gives an address.
    pub names: Vec<String>,
    /// The target's evidence file, where the plan gives one: its addresses come before a resolver's.
    pub evidence: Option<PathBuf>,
}

/// Where the paths of a plan can be vetted from here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Planned {
    /// Paths from this machine, in the order of the plan, each once.
    pub local: Vec<PlannedPath>,
    /// Machines that other paths begin at.
    pub needs_ssh: BTreeMap<String, Elsewhere>,
    /// The name that the plan has for this machine, if it has one.
    pub this_host: Option<String>,
}

/// The paths of a plan that begin at one machine other than this, which only ssh could reach.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Elsewhere {
    /// How many.
    pub paths: usize,
    /// The target, where there is one path.
    pub to: Option<String>,
    /// The network of the first.
    pub network: Option<String>,
}

impl Plan {
    /// Reads a plan. `name` is what messages call it; evidence files are looked for in the folder of `name`.
    ///
    /// # Errors
    /// Every mistake of the plan, each with its place.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Self, InputError> {
        read::read(name, bytes)
    }

    /// Reads the plan in `path`.
    ///
    /// # Errors
    /// The file cannot be read, or holds mistakes.
    pub fn load(path: &Path) -> Result<Self, InputError> {
        let name = path.display().to_string();
        let bytes = read_limited(path, yaml::MOST_BYTES)
            .map_err(|error| InputError::one(&name, format!("cannot read the plan: {error}")))?;
        Self::parse(&name, &bytes)
    }

    /// Every remark on the plan: `notes`, `unused`, and the waivers that ran out before `today`.
    #[must_use]
    pub fn lint(&self, today: jiff::civil::Date) -> Vec<Problem> {
        let mut notes = [self.notes.as_slice(), &self.unused].concat();
        for (waiver, place) in self.expect.waivers.iter().zip(&self.waiver_places) {
            if waiver.until < today {
                let problem = Problem::new(&self.name, format!("this waiver of {} ran out", waiver.check)).at(place.clone());
                let problem = problem.expected(format!("today is {today}"));
                notes.push(problem.help("mend what it excuses, or agree on a new day with its owner").warning());
            }
        }
        notes.sort_by_key(Problem::position);
        notes
    }

    /// Which of the plan's hosts this machine is.
    #[must_use]
    pub fn recognise(&self, local: &Local) -> Option<&str> {
        let by_address = self.hosts.iter().find(|(_, host)| host.address.is_some_and(|address| local.addresses.contains(&address)));
        let by_name = || self.hosts.keys().find(|name| local.is_named(name)).map(String::as_str);
        by_name().or(by_address.map(|(name, _)| name.as_str()))
    }

    /// The paths of the plan as this machine sees them. A machine that has only an address or an evidence file is probed to,
    /// never from, so pairs that begin there are left out.
    #[must_use]
    pub fn paths_from(&self, local: &Local) -> Planned {
        let this_host = self.recognise(local).map(str::to_string);
        let mut planned = Planned { this_host: this_host.clone(), ..Planned::default() };
        let mut seen = BTreeSet::new();
        for group in &self.paths {
            let (hosts, ring) = match &group.pairs {
                Pairs::FromLocal(targets) => {
                    for to in targets {
                        let path = self.planned(group, to);
                        if seen.insert(path.clone()) {
                            planned.local.push(path);
                        }
                    }
                    continue;
                }
                Pairs::Mesh(hosts) => (hosts, false),
                Pairs::Ring(hosts) => (hosts, true),
            };
            for (index, from) in hosts.iter().enumerate() {
                // A mesh of thousands has millions of pairs; of those that begin elsewhere the number is enough.
                let next = hosts.get((index + 1) % hosts.len());
                if this_host.as_ref() == Some(from) {
                    for to in hosts.iter().filter(|to| *to != from && (!ring || Some(*to) == next)) {
                        let path = self.planned(group, to);
                        if seen.insert(path.clone()) {
                            planned.local.push(path);
                        }
                    }
                } else if !self.hosts.get(from).is_some_and(PlanHost::is_target_only) {
                    let elsewhere = planned.needs_ssh.entry(from.clone()).or_default();
                    elsewhere.paths += if ring { 1 } else { hosts.len().saturating_sub(1) };
                    elsewhere.network = elsewhere.network.take().or_else(|| group.network.clone());
                    let only = if ring || hosts.len() == 2 { next } else { None };
                    elsewhere.to = only.filter(|_| elsewhere.paths == 1).cloned();
                }
            }
        }
        planned
    }

    fn planned(&self, group: &PathGroup, to: &str) -> PlannedPath {
        let host = self.hosts.get(to);
        let address = host.map_or_else(|| to.parse().ok(), |host| host.address);
        let mut names = vec![to.to_string()];
        if let Some(destination) = host.and_then(|host| host.ssh.as_deref()) {
            let name = destination.rsplit_once('@').map_or(destination, |(_, name)| name);
            if name != to {
                names.push(name.to_string());
            }
        }
        let evidence = host.and_then(|host| host.evidence.clone());
        PlannedPath { network: group.network.clone(), to: to.to_string(), address, names, evidence }
    }

    /// Of the addresses that a target has, those that belong to the path's network; all of them where none does or no subnet is
    /// named, so that the check of the route can say what is wrong.
    #[must_use]
    pub fn in_network(&self, network: Option<&str>, addresses: &[IpAddr]) -> Vec<IpAddr> {
        let subnet = network.and_then(|name| self.expect.networks.get(name)).and_then(|network| network.subnet);
        let inside: Vec<_> =
            addresses.iter().copied().filter(|address| subnet.is_some_and(|subnet| contains(subnet, *address))).collect();
        if inside.is_empty() { addresses.to_vec() } else { inside }
    }
}

impl PlanHost {
    /// Probed to, never from: it has an address or an evidence file and no ssh.
    #[must_use]
    pub fn is_target_only(&self) -> bool {
        self.ssh.is_none() && (self.address.is_some() || self.evidence.is_some())
    }
}

impl Local {
    /// Whether `name` is this machine: equal, or equal up to the first dot where one of the two has no domain.
    #[must_use]
    pub fn is_named(&self, name: &str) -> bool {
        self.names.iter().any(|own| {
            let bare = !own.contains('.') || !name.contains('.');
            let first = |text: &str| text.split('.').next().unwrap_or_default().to_ascii_lowercase();
            own.eq_ignore_ascii_case(name) || (bare && !first(own).is_empty() && first(own) == first(name))
        })
    }
}

/// Whether `address` is within a subnet.
#[must_use]
pub fn contains((network, prefix): (IpAddr, u8), address: IpAddr) -> bool {
    Family::of(network) == Family::of(address) && mask(network, prefix) == mask(address, prefix)
}

/// `address` with every bit behind `prefix` cleared.
fn mask(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(prefix.into())).unwrap_or(0);
            IpAddr::V4((u32::from(address) & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(prefix.into())).unwrap_or(0);
            IpAddr::V6((u128::from(address) & mask).into())
        }
    }
}

/// Reads at most `most` bytes of a file, and one more, so that the reader sees that there is more.
pub(crate) fn read_limited(path: &Path, most: usize) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    std::fs::File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether an interface may have that name (`dev_valid_name`; `__dev_alloc_name` puts a number for every `%d` and takes no other
/// `%`; both net/core/dev.c).
pub(crate) fn is_interface_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 15
        && name != "."
        && name != ".."
        && !name.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | ':' | '%'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: &str = "schema: pathvet.plan/1
hosts:
  node1: {}
  node2: { ssh: root@192.0.2.2 }
  hv3: { evidence: hv3.json }
  nas: { address: 192.0.2.9 }
networks:
  migration: { subnet: 192.0.2.0/24, mtu: 9000 }
paths:
  - { network: migration, mesh: [node1, node2, hv3] }
  - { network: migration, from: local, to: [nas, 2001:db8::1] }
  - { ring: [node1, node2, nas] }
";

    fn local(name: &str) -> Local {
        Local { names: vec![name.to_string()], addresses: Vec::new() }
    }

    fn targets(paths: &[PlannedPath]) -> Vec<&str> {
        paths.iter().map(|path| path.to.as_str()).collect()
    }

    #[test]
    fn pairs_are_seen_from_this_host() {
        let plan = Plan::parse("plan.yaml", PLAN.as_bytes()).unwrap();
        let planned = plan.paths_from(&local("node1.example.net"));
        assert_eq!(planned.this_host.as_deref(), Some("node1"));
        assert_eq!(targets(&planned.local), ["node2", "hv3", "nas", "2001:db8::1", "node2"]);
        let from_node2 = Elsewhere { paths: 3, to: None, network: Some("migration".into()) };
        assert_eq!(planned.needs_ssh["node2"], from_node2);
        assert_eq!(planned.needs_ssh.len(), 1, "what has only an address or evidence is never probed from");
        assert_eq!(planned.local[0].names, ["node2", "192.0.2.2"]);
        assert_eq!(planned.local[2].address, Some("192.0.2.9".parse().unwrap()));
        assert_eq!(planned.local[3].address, Some("2001:db8::1".parse().unwrap()));
    }

    #[test]
    fn a_stranger_vets_only_what_begins_at_local() {
        let plan = Plan::parse("plan.yaml", PLAN.as_bytes()).unwrap();
        let planned = plan.paths_from(&local("elsewhere"));
        assert_eq!(planned.this_host, None);
        assert_eq!(targets(&planned.local), ["nas", "2001:db8::1"]);
        assert_eq!(planned.needs_ssh.keys().collect::<Vec<_>>(), ["node1", "node2"]);
    }

    #[test]
    fn this_host_is_known_by_address_too() {
        let plan = Plan::parse("plan.yaml", PLAN.as_bytes()).unwrap();
        let local = Local { names: vec!["x".into()], addresses: vec!["192.0.2.9".parse().unwrap()] };
        assert_eq!(plan.recognise(&local), Some("nas"));
    }

    #[test]
    fn subnets_hold_their_addresses() {
        let subnet = |text: &str, prefix| (text.parse().unwrap(), prefix);
        let address = |text: &str| -> IpAddr { text.parse().unwrap() };
        assert!(contains(subnet("192.0.2.0", 24), address("192.0.2.255")));
        assert!(!contains(subnet("192.0.2.0", 24), address("192.0.3.0")));
        assert!(contains(subnet("0.0.0.0", 0), address("255.255.255.255")));
        assert!(!contains(subnet("0.0.0.0", 0), address("::1")));
        assert!(contains(subnet("2001:db8::", 32), address("2001:db8:ffff::1")));
        assert!(!contains(subnet("2001:db8::1", 128), address("2001:db8::2")));
    }
}

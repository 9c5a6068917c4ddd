//! From a request to the evidence: facts of this host, the paths that are wanted, and what probing them showed.

use super::request::{Probing, Request};
use super::target::{Source, Target};
use crate::error::{Bug, Error, InputError};
use crate::plan::{Elsewhere, Local, Plan, PlannedPath};
use pathvet_checks::evidence::{Asked, Evidence, Host, Path, SCHEMA, merge};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path as Folder;

/// Largest evidence file, bytes.
const MOST_BYTES: usize = 64 << 20;
/// Paths that a dry run lists one by one.
const MOST_LISTED: usize = 40;

/// A path that is to be probed from here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The target as the user named it.
    pub(crate) to: String,
    /// Network of the plan.
    pub(crate) network: Option<String>,
    /// Who wants it.
    pub(crate) asked: Asked,
    /// Interface behind `%` of a link-local address.
    pub(crate) zone: Option<String>,
    /// Its addresses, or why the name has none.
    pub(crate) addresses: Result<Vec<IpAddr>, String>,
}

/// Collects and probes. `record` keeps every fact that was read as a tree.
///
/// # Errors
/// A file that the plan names cannot be read, or the tree cannot be read or written. What the world refuses is in the evidence.
pub(crate) fn gather(request: &Request, record: Option<&Folder>) -> Result<Evidence, Error> {
    let taken = super::now();
    let host = collect_host(request.root.as_deref(), record, taken)?;
    let tool = concat!("pathvet ", env!("CARGO_PKG_VERSION")).to_string();
    let mut evidence = Evidence { schema: SCHEMA.to_string(), taken, tool, hosts: Vec::new(), paths: Vec::new() };
    if let Some(plan) = &request.plan {
        add_files_of(plan, &mut evidence)?;
    }
    let (wanted, elsewhere) = wanted(request, &host, &evidence, taken);
    let from = host.name.clone();
    let mut paths = if request.root.is_some() {
        let refuse =
            |wanted: &Wanted| unprobed(&from, wanted, taken, "--root reads a recorded tree, from which nothing can be sent");
        wanted.iter().map(refuse).collect()
    } else {
        probe(&request.probing, &host, &wanted, taken)
    };
    paths.extend(elsewhere);
    let found = Evidence { hosts: vec![host], paths, ..evidence.clone() };
    merge(&mut evidence, found);
    Ok(evidence)
}

/// This host, or the one whose tree `--root` names.
fn collect_host(root: Option<&Folder>, _record: Option<&Folder>, taken: jiff::Timestamp) -> Result<Host, Error> {
    let origin = if root.is_some() { "root" } else { "local" };
    Ok(Host { name: "localhost".into(), origin: origin.into(), taken: Some(taken), ..Host::default() })
}

/// The facts of this host alone, for `plan init`.
pub(crate) fn this_host(root: Option<&Folder>) -> Result<Host, Error> {
    collect_host(root, None, super::now())
}

/// The paths that are wanted from here, and an entry for every machine of the plan that only ssh could begin at.
fn wanted(request: &Request, host: &Host, evidence: &Evidence, taken: jiff::Timestamp) -> (Vec<Wanted>, Vec<Path>) {
    let mut wanted: Vec<_> = request.targets.iter().map(|target| named(target, &request.probing)).collect();
    let mut elsewhere = Vec::new();
    if let Some(plan) = &request.plan {
        let planned = plan.paths_from(&local(host));
        wanted.extend(planned.local.iter().map(|path| planned_path(plan, path, evidence, &request.probing)));
        elsewhere.extend(planned.needs_ssh.iter().map(|(from, paths)| needs_ssh(from, paths, taken)));
    } else if wanted.is_empty() && request.root.is_none() {
        wanted.extend(gateways(host, request.probing.family).into_iter().map(|gateway| Wanted {
            to: gateway.to_string(),
            network: None,
            asked: Asked::Gateway,
            zone: None,
            addresses: Ok(vec![gateway]),
        }));
    }
    (wanted, elsewhere)
}

/// A target of the command line or a list.
pub(crate) fn named(target: &Target, probing: &Probing) -> Wanted {
    let zone = target.zone().map(str::to_string);
    let addresses = match target.address() {
        Some(address) => Ok(vec![address]),
        None => resolve(&[target.to_string()], probing),
    };
    Wanted { to: target.to_string(), network: None, asked: Asked::Named, zone, addresses }
}

/// A target of the plan: its own address, else those of its evidence, else those of its name.
fn planned_path(plan: &Plan, path: &PlannedPath, evidence: &Evidence, probing: &Probing) -> Wanted {
    let right = |address: &IpAddr| probing.family.is_none_or(|family| pathvet_checks::size::Family::of(*address) == family);
    let known = evidence.hosts.iter().find(|host| host.name == path.to).map(addresses_of).unwrap_or_default();
    let known: Vec<_> = known.into_iter().filter(right).collect();
    let addresses = match path.address {
        Some(address) => Ok(vec![address]),
        None if !known.is_empty() => Ok(known),
        None => resolve(&path.names, probing),
    };
    let addresses = addresses.map(|addresses| plan.in_network(path.network.as_deref(), &addresses));
    Wanted { to: path.to.clone(), network: path.network.clone(), asked: Asked::Plan, zone: None, addresses }
}

/// Addresses under which others reach a host.
fn addresses_of(host: &Host) -> Vec<IpAddr> {
    let links = host.links.iter().flatten().filter(|link| !link.is_loopback());
    let addresses = links.flat_map(|link| &link.addresses).map(|address| address.local);
    let reachable = |address: &IpAddr| match address {
        IpAddr::V4(address) => !address.is_link_local(),
        IpAddr::V6(address) => !address.is_unicast_link_local(),
    };
    addresses.filter(reachable).collect()
}

/// Who this host is, for finding it in a plan.
fn local(host: &Host) -> Local {
    let mut names = vec![host.name.clone()];
    let mut addresses = addresses_of(host);
    for name in &host.names {
        match name.parse() {
            Ok(address) => addresses.push(address),
            Err(_) => names.push(name.clone()),
        }
    }
    Local { names, addresses }
}

/// The default gateways of the main table, each once, in the order of their metric.
fn gateways(host: &Host, family: Option<pathvet_checks::size::Family>) -> Vec<IpAddr> {
    const MAIN: u32 = 254;
    let routes = host.routes.iter().flatten().filter(|route| route.table == MAIN && route.dst == "default");
    let mut routes: Vec<_> = routes.filter_map(|route| Some((route.family, route.metric.unwrap_or(0), route.gateway?))).collect();
    routes.retain(|(number, ..)| family.is_none_or(|family| family.number() == *number));
    routes.sort();
    // One gateway a family: where several have routes, the one with the lowest metric is used.
    let mut families = BTreeSet::new();
    routes.into_iter().filter(|(number, ..)| families.insert(*number)).map(|(.., gateway)| gateway).collect()
}

/// The addresses of the first of `names` that has any.
fn resolve(names: &[String], _probing: &Probing) -> Result<Vec<IpAddr>, String> {
    names
        .iter()
        .find_map(|name| name.parse().ok())
        .map(|address| vec![address])
        .ok_or_else(|| "the name has no address".to_string())
}

/// Probes every wanted path.
pub(crate) fn probe(_probing: &Probing, host: &Host, wanted: &[Wanted], taken: jiff::Timestamp) -> Vec<Path> {
    wanted.iter().map(|wanted| unprobed(&host.name, wanted, taken, "nothing was sent")).collect()
}

/// A path of which only is known why nothing was sent.
fn unprobed(from: &str, wanted: &Wanted, taken: jiff::Timestamp, why: &str) -> Path {
    let mut path = Path::new(from, &wanted.to, taken);
    path.network.clone_from(&wanted.network);
    path.asked = wanted.asked;
    match &wanted.addresses {
        Ok(addresses) => path.address = addresses.first().copied(),
        Err(error) => path.resolve_error = Some(error.clone()),
    }
    path.family = match path.address {
        Some(IpAddr::V4(_)) => 4,
        Some(IpAddr::V6(_)) => 6,
        None => 0,
    };
    path.incomplete = Some(why.to_string());
    path
}

/// One entry for all paths that begin at another machine.
fn needs_ssh(from: &str, paths: &Elsewhere, taken: jiff::Timestamp) -> Path {
    let to = paths.to.clone().unwrap_or_else(|| format!("{} hosts", paths.paths));
    let mut path = Path::new(from, &to, taken);
    path.asked = Asked::Plan;
    path.network.clone_from(&paths.network);
    path.incomplete = Some(format!("paths from {from} can only be vetted there: run pathvet with this plan on {from}"));
    path
}

/// What a run would send, for `-n`.
pub(crate) fn forecast(request: &Request) -> String {
    let mut text = String::new();
    let planned = match (&request.plan, &request.root) {
        (Some(plan), None) => plan.paths_from(&this_host(None).map(|host| local(&host)).unwrap_or_default()),
        _ => crate::plan::Planned::default(),
    };
    let gateway = request.targets.is_empty() && request.plan.is_none() && request.root.is_none();
    let names = request.targets.iter().map(Target::to_string);
    let names = names.chain(planned.local.iter().map(|path| match &path.network {
        Some(network) => format!("{} ({network})", path.to),
        None => path.to.clone(),
    }));
    let mut names = names.chain(gateway.then(|| "the default gateway".to_string()));
    for name in names.by_ref().take(MOST_LISTED) {
        let _ = writeln!(text, "local -> {name}");
    }
    let rest = names.count();
    if rest > 0 {
        let _ = writeln!(text, "and {rest} more");
    }
    for (from, paths) in &planned.needs_ssh {
        let _ = writeln!(text, "not from here: {} from {from}", paths.paths);
    }
    let _ = writeln!(text, "{}; nothing was sent", request.estimate(planned.local.len()));
    text
}

/// Merges the evidence files that a plan names into `evidence`, each under the plan's name for the host.
///
/// # Errors
/// Every file that cannot be read, with its place.
pub(crate) fn add_files_of(plan: &Plan, evidence: &mut Evidence) -> Result<(), InputError> {
    let mut problems = Vec::new();
    for (name, host) in &plan.hosts {
        let Some(file) = &host.evidence else { continue };
        match read_evidence(&Source::File(file.clone())) {
            Ok(mut found) => {
                if let [only] = found.hosts.as_mut_slice()
                    && only.name != *name
                {
                    let old = std::mem::replace(&mut only.name, name.clone());
                    for path in found.paths.iter_mut().filter(|path| path.from == old) {
                        path.from.clone_from(name);
                    }
                    only.names.push(old);
                }
                merge(evidence, found);
            }
            Err(error) => problems.extend(error.problems),
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(InputError { problems }) }
}

/// Reads one evidence file.
///
/// # Errors
/// It cannot be read, is not JSON, or has another schema.
pub(crate) fn read_evidence(source: &Source) -> Result<Evidence, InputError> {
    let bytes = source.read(MOST_BYTES)?;
    let evidence: Evidence = serde_json::from_slice(&bytes).map_err(|error| InputError::one(&source.name(), error.to_string()))?;
    Ok(evidence)
}

/// An evidence document as it is written to a file.
pub(crate) fn to_json(evidence: &Evidence) -> Result<String, Bug> {
    let text = serde_json::to_string_pretty(evidence);
    text.map(|text| text + "\n").map_err(|error| Bug(format!("the evidence cannot be written as JSON: {error}")))
}

//! Which paths are wanted: hosts that were named, paths of the plan, or the default gateway; and their addresses.

use crate::cli::request::{Probing, Request};
use crate::cli::target::Target;
use crate::plan::{Elsewhere, Local, PlannedPath};
use crate::resolve;
use pathvet_checks::evidence::{Asked, Evidence, Host, Path};
use pathvet_checks::size::Family;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Names that are resolved at the same time.
const RESOLVERS: usize = 16;

/// A path that is to be probed from here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The target as the user named it.
    pub(super) to: String,
    /// Network of the plan.
    pub(super) network: Option<String>,
    /// Who wants it.
    pub(super) asked: Asked,
    /// Interface behind `%` of a link-local address.
    pub(super) zone: Option<String>,
    /// What to resolve, in this order, until one has an address.
    pub(super) names: Vec<String>,
    /// Its addresses, or why it has none; `None` until its names are resolved.
    pub(super) addresses: Option<Result<Vec<IpAddr>, String>>,
}

/// The paths that are wanted from here, and an entry for every machine of the plan that only ssh could begin at.
pub(super) fn wanted(request: &Request, host: &Host, files: &[Evidence], taken: jiff::Timestamp) -> (Vec<Wanted>, Vec<Path>) {
    let mut wanted: Vec<_> = request.targets.iter().map(named).collect();
    let mut elsewhere = Vec::new();
    if let Some(plan) = &request.plan {
        let planned = plan.paths_from(&local(host));
        wanted.extend(planned.local.iter().map(|path| planned_path(path, files, request.probing.family)));
        elsewhere.extend(planned.needs_ssh.iter().map(|(from, paths)| needs_ssh(from, paths, taken)));
    } else if wanted.is_empty() && request.root.is_none() {
        wanted.extend(gateways(host, request.probing.family).into_iter().map(|gateway| Wanted {
            asked: Asked::Gateway,
            addresses: Some(Ok(vec![gateway])),
            ..Wanted::new(&gateway.to_string())
        }));
    }
    resolve_all(&mut wanted, &request.probing);
    if let Some(plan) = &request.plan {
        for wanted in &mut wanted {
            if let Some(Ok(addresses)) = &mut wanted.addresses {
                *addresses = plan.in_network(wanted.network.as_deref(), addresses);
            }
        }
    }
    (wanted, elsewhere)
}

impl Wanted {
    fn new(to: &str) -> Self {
        Self { to: to.to_string(), network: None, asked: Asked::Named, zone: None, names: vec![to.to_string()], addresses: None }
    }
}

/// A target of the command line or a list.
fn named(target: &Target) -> Wanted {
    let addresses = target.address().map(|address| Ok(vec![address]));
    Wanted { zone: target.zone().map(str::to_string), addresses, ..Wanted::new(target.as_str()) }
}

/// A target of the plan: its own address, else those of its evidence; else its names are resolved.
fn planned_path(path: &PlannedPath, files: &[Evidence], family: Option<Family>) -> Wanted {
    let right = |address: &IpAddr| family.is_none_or(|family| Family::of(*address) == family);
    let known = files.iter().flat_map(|file| &file.hosts).filter(|host| host.name == path.to).flat_map(addresses_of);
    let known: Vec<_> = path.address.into_iter().chain(known.filter(|_| path.address.is_none())).collect();
    let addresses = match known.iter().copied().filter(right).collect::<Vec<_>>() {
        right if !right.is_empty() => Some(Ok(right)),
        _ if known.is_empty() => None,
        _ => Some(Err(format!("{} has no {} address", path.to, family.map(|family| family.to_string()).unwrap_or_default()))),
    };
    Wanted { network: path.network.clone(), asked: Asked::Plan, names: path.names.clone(), addresses, ..Wanted::new(&path.to) }
}

/// Resolves what has only names, several at a time: one slow name must not hold up the others.
fn resolve_all(wanted: &mut [Wanted], probing: &Probing) {
    let open: Vec<_> = wanted.iter_mut().filter(|wanted| wanted.addresses.is_none()).map(Mutex::new).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(wanted) = open.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut wanted = wanted.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let (zone, addresses) = resolve_first(&wanted.names, probing);
            wanted.zone = zone;
            wanted.addresses = Some(addresses);
        }
    };
    match open.len() {
        0 => {}
        1 => work(),
        many => std::thread::scope(|scope| (0..many.min(RESOLVERS)).for_each(|_| drop(scope.spawn(work)))),
    }
}

/// The addresses of the first of `names` that has any, each once, and the interface of a link-local one.
fn resolve_first(names: &[String], probing: &Probing) -> (Option<String>, Result<Vec<IpAddr>, String>) {
    let family = match probing.family {
        None => resolve::Family::Any,
        Some(Family::V4) => resolve::Family::V4,
        Some(Family::V6) => resolve::Family::V6,
    };
    let mut first_error = None;
    for name in names {
        match resolve::resolve(name, family, probing.timeout) {
            Ok(found) => {
                let zone = found.iter().find_map(|address| address.scope.clone());
                let mut seen = BTreeSet::new();
                return (zone, Ok(found.iter().map(|address| address.ip).filter(|ip| seen.insert(*ip)).collect()));
            }
            Err(error) => first_error = first_error.or(Some(error.to_string())),
        }
    }
    (None, Err(first_error.unwrap_or_else(|| "there is no name to resolve".to_string())))
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
pub(super) fn local(host: &Host) -> Local {
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
fn gateways(host: &Host, family: Option<Family>) -> Vec<IpAddr> {
    const MAIN: u32 = 254;
    let routes = host.routes.iter().flatten().filter(|route| route.table == MAIN && route.dst == "default");
    let mut routes: Vec<_> = routes.filter_map(|route| Some((route.family, route.metric.unwrap_or(0), route.gateway?))).collect();
    routes.retain(|(number, ..)| family.is_none_or(|family| family.number() == *number));
    routes.sort();
    // One gateway a family: where several have routes, the one with the lowest metric is used.
    let mut families = BTreeSet::new();
    routes.into_iter().filter(|(number, ..)| families.insert(*number)).map(|(.., gateway)| gateway).collect()
}

/// A path of which only is known why nothing was sent.
pub(super) fn unprobed(from: &str, wanted: &Wanted, taken: jiff::Timestamp, why: &str) -> Path {
    let mut path = Path::new(from, &wanted.to, taken);
    path.network.clone_from(&wanted.network);
    path.asked = wanted.asked;
    match &wanted.addresses {
        Some(Ok(addresses)) => path.address = addresses.first().copied(),
        Some(Err(error)) => path.resolve_error = Some(error.clone()),
        None => {}
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

//! From a request to the evidence: facts of this host, the paths that are wanted, and what probing them showed.

use super::request::{Probing, Request};
use super::target::{Source, Target};
use crate::collect::{self, EVIDENCE_LIMIT};
use crate::error::{Bug, Error, InputError, Lines, OutputError, Problem};
use crate::host::{self, Recorder, ThisHost, Tree};
use crate::plan::{Elsewhere, Local, Plan, PlannedPath};
use crate::resolve;
use pathvet_checks::evidence::{Asked, Evidence, Host, Path, SCHEMA, merge};
use pathvet_checks::size::Family;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path as Folder;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Paths that a dry run lists one by one.
const MOST_LISTED: usize = 40;
/// Names that are resolved at the same time.
const RESOLVERS: usize = 16;

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
    /// What to resolve, in this order, until one has an address.
    pub(crate) names: Vec<String>,
    /// Its addresses, or why it has none; `None` until its names are resolved.
    pub(crate) addresses: Option<Result<Vec<IpAddr>, String>>,
}

/// Collects and probes. `record` keeps every fact that was read as a tree.
///
/// # Errors
/// A file that the plan names cannot be read, or the tree cannot be read or written. What the world refuses is in the evidence.
pub(crate) fn gather(request: &Request, record: Option<&Folder>) -> Result<Evidence, Error> {
    let taken = super::now();
    let files = request.plan.as_ref().map(files_of).transpose()?.unwrap_or_default();
    let facts = match &request.root {
        Some(root) => {
            let tree = Tree::open(root)
                .map_err(|error| InputError::one(&root.display().to_string(), format!("cannot be read: {error}")))?;
            gather_from(&tree, request, record, &files, taken)?
        }
        None => gather_from(&ThisHost, request, record, &files, taken)?,
    };
    let mut evidence = facts;
    for file in files {
        merge(&mut evidence, file);
    }
    Ok(evidence)
}

/// Records while it gathers, where a recording is wanted.
fn gather_from(
    source: &dyn host::Host,
    request: &Request,
    record: Option<&Folder>,
    files: &[Evidence],
    taken: jiff::Timestamp,
) -> Result<Evidence, Error> {
    let Some(folder) = record else { return Ok(gather_all(source, request, files, taken)) };
    let recorder = Recorder::new(source, folder, taken).map_err(|error| OutputError::new("create", folder, error))?;
    let evidence = gather_all(&recorder, request, files, taken);
    recorder.finish().map_err(|error| OutputError::new("write", folder, error))?;
    Ok(evidence)
}

/// The facts of one host and its paths.
fn gather_all(source: &dyn host::Host, request: &Request, files: &[Evidence], taken: jiff::Timestamp) -> Evidence {
    let mut host = collect::host(source, taken);
    let (wanted, elsewhere) = wanted(request, &host, files, taken);
    let mut paths = if source.live() && request.root.is_none() {
        probe(&request.probing, source, &mut host, &wanted, taken)
    } else {
        let refuse =
            |wanted: &Wanted| unprobed(&host.name, wanted, taken, "a recorded tree was read, from which nothing can be sent");
        wanted.iter().map(refuse).collect()
    };
    paths.extend(elsewhere);
    let tool = concat!("pathvet ", env!("CARGO_PKG_VERSION")).to_string();
    Evidence { schema: SCHEMA.to_string(), taken, tool, hosts: vec![host], paths }
}

/// The facts of this host alone, or of the tree in `root`, for `plan init`.
pub(crate) fn host_alone(root: Option<&Folder>) -> Result<Host, Error> {
    let Some(root) = root else { return Ok(collect::host(&ThisHost, super::now())) };
    let tree = Tree::open(root).map_err(|error| InputError::one("--root", format!("{}: {error}", root.display())))?;
    Ok(collect::host(&tree, super::now()))
}

/// The paths that are wanted from here, and an entry for every machine of the plan that only ssh could begin at.
fn wanted(request: &Request, host: &Host, files: &[Evidence], taken: jiff::Timestamp) -> (Vec<Wanted>, Vec<Path>) {
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

/// Probes every wanted path, and samples the counters of this host's interfaces around it.
fn probe(_probing: &Probing, _source: &dyn host::Host, host: &mut Host, wanted: &[Wanted], taken: jiff::Timestamp) -> Vec<Path> {
    wanted.iter().map(|wanted| unprobed(&host.name, wanted, taken, "nothing was sent")).collect()
}

/// A path of which only is known why nothing was sent.
fn unprobed(from: &str, wanted: &Wanted, taken: jiff::Timestamp, why: &str) -> Path {
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

/// What a run would send, for `-n`.
pub(crate) fn forecast(request: &Request) -> String {
    let mut text = String::new();
    let planned = match (&request.plan, &request.root) {
        (Some(plan), None) => plan.paths_from(&host_alone(None).map(|host| local(&host)).unwrap_or_default()),
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

/// The evidence files that a plan names, each host under the plan's name for it.
///
/// # Errors
/// Every file that cannot be read, with its place.
pub(crate) fn files_of(plan: &Plan) -> Result<Vec<Evidence>, InputError> {
    let mut problems = Vec::new();
    let mut files = Vec::new();
    for (name, host) in &plan.hosts {
        let Some(file) = &host.evidence else { continue };
        match read_evidence(&Source::File(file.clone())) {
            Ok(mut found) => {
                rename(&mut found, name);
                files.push(found);
            }
            Err(error) => problems.extend(error.problems),
        }
    }
    if problems.is_empty() { Ok(files) } else { Err(InputError { problems }) }
}

/// Gives the one host of `evidence` the plan's name for it. Of several hosts none can be meant.
fn rename(evidence: &mut Evidence, name: &str) {
    let [host] = evidence.hosts.as_mut_slice() else { return };
    if host.name == name {
        return;
    }
    let old = std::mem::replace(&mut host.name, name.to_string());
    for path in evidence.paths.iter_mut().filter(|path| path.from == old) {
        path.from = name.to_string();
    }
    host.names.push(old);
}

/// Reads one evidence file.
///
/// # Errors
/// It cannot be read, is not JSON, or has another schema.
pub(crate) fn read_evidence(source: &Source) -> Result<Evidence, InputError> {
    let bytes = source.read(EVIDENCE_LIMIT)?;
    collect::read_evidence(&source.name(), &bytes).map_err(|error| {
        let problem = Problem::new(&error.file, error.message);
        if error.line == 0 {
            return problem.into();
        }
        let text = String::from_utf8_lossy(&bytes);
        let lines = Lines::of(&text);
        let at = lines.offset(error.line, error.column);
        problem.at(lines.place(&text, &(at..at + 1))).into()
    })
}

/// An evidence document as it is written to a file.
pub(crate) fn to_json(evidence: &Evidence) -> Result<String, Bug> {
    let text = serde_json::to_string_pretty(evidence);
    text.map(|text| text + "\n").map_err(|error| Bug(format!("the evidence cannot be written as JSON: {error}")))
}

//! From a request to the evidence: facts of this host, the paths that are wanted, and what probing them showed.

mod probing;
mod wanted;

use super::request::{Probing, Request};
use super::target::{Source, Target};
use crate::collect::{self, EVIDENCE_LIMIT};
use crate::error::{Error, InputError, Lines, OutputError, Problem};
use crate::host::{self, Recorder, ThisHost, Tree};
use crate::plan::{Plan, Planned};
use crate::probe::Observer;
use crate::sys::signal;
use pathvet_checks::evidence::{Evidence, Host, IbPort, SCHEMA, merge};
use std::fmt::Write as _;
use std::io::{self, BufWriter, Write};
use std::path::Path as Folder;
use std::time::{Duration, Instant};
use wanted::{local, unprobed, wanted};

/// Paths that a dry run lists one by one.
const MOST_LISTED: usize = 40;

/// What a run found, and the signal that ended it early, if one did.
#[derive(Debug)]
pub(crate) struct Gathered {
    pub(crate) evidence: Evidence,
    pub(crate) signal: Option<i32>,
}

/// Where facts are read from, and what is already known of other hosts.
struct Sources<'a> {
    request: &'a Request,
    host: &'a dyn host::Host,
    files: &'a [Evidence],
    taken: jiff::Timestamp,
}

/// Collects and probes. `record` keeps every fact that was read as a tree.
///
/// # Errors
/// A file that the plan names cannot be read, or the tree cannot be read or written. What the world refuses is in the evidence.
pub(crate) fn gather(request: &Request, record: Option<&Folder>, observer: &mut dyn Observer) -> Result<Gathered, Error> {
    let taken = super::now();
    let files = request.plan.as_ref().map(files_of).transpose()?.unwrap_or_default();
    let tree = request.root.as_deref().map(open_tree).transpose()?;
    let host: &dyn host::Host = tree.as_ref().map_or(&ThisHost, |tree| tree);
    let sources = Sources { request, host, files: &files, taken };
    let mut gathered = match record {
        None => sources.gather(observer),
        Some(folder) => {
            let recorder = Recorder::new(host, folder, taken).map_err(|error| OutputError::new("create", folder, error))?;
            let gathered = Sources { host: &recorder, ..sources }.gather(observer);
            recorder.finish().map_err(|error| OutputError::new("write", folder, error))?;
            gathered
        }
    };
    for file in files {
        merge(&mut gathered.evidence, file);
    }
    Ok(gathered)
}

fn open_tree(root: &Folder) -> Result<Tree, InputError> {
    Tree::open(root).map_err(|error| InputError::one("--root", format!("{}: {error}", root.display())))
}

impl Sources<'_> {
    /// The facts of one host and its paths.
    fn gather(&self, observer: &mut dyn Observer) -> Gathered {
        let mut host = collect::host(self.host, self.taken);
        collect::tuning(self.host, &mut host, self.request.expect.tuning_keys());
        let clock = Instant::now();
        let (wanted, elsewhere) = wanted(self.request, &host, self.files, self.taken);
        let mut paths = if self.host.live() {
            signal::catch();
            let ears = collect::Ears::open(self.host, host.links.as_deref().unwrap_or_default(), self.request.lldp);
            collect::subnet_managers(self.host, &mut host, self.patience());
            let paths = self.probe(&mut host, &wanted, observer);
            self.look_again(&mut host, clock);
            ears.close(self.host, &mut host, &mut |waiting| {
                observer.listening(waiting.heard, waiting.of, waiting.left);
                let over = self.request.probing.deadline.is_some_and(|deadline| clock.elapsed() >= deadline);
                !over && signal::caught().is_none()
            });
            paths
        } else {
            let why = "a recorded tree was read, from which nothing can be sent";
            wanted.iter().map(|wanted| unprobed(&host.name, wanted, self.taken, why)).collect()
        };
        paths.extend(elsewhere);
        let tool = concat!("pathvet ", env!("CARGO_PKG_VERSION")).to_string();
        let evidence = Evidence { schema: SCHEMA.to_string(), taken: self.taken, tool, hosts: vec![host], paths };
        Gathered { evidence, signal: signal::caught() }
    }

    /// Reads a second time what one look cannot tell: InfiniBand counters, and the state of ports that are about to come up.
    fn look_again(&self, host: &mut Host, clock: Instant) {
        const SETTLING: Duration = Duration::from_secs(2);
        const NAP: Duration = Duration::from_millis(50);
        let ports = || host.infiniband.iter().flat_map(|table| &table.ports);
        if ports().next().is_none() {
            return;
        }
        let until = self.request.probing.deadline.map_or(SETTLING, |deadline| deadline.min(SETTLING));
        while ports().any(collect::coming_up) && clock.elapsed() < until && signal::caught().is_none() {
            std::thread::sleep(NAP);
        }
        let elapsed = clock.elapsed();
        collect::infiniband_again(self.host, host, elapsed, elapsed >= SETTLING);
        let came_up = |port: &IbPort| collect::coming_up(port) && port.state_again.is_some() && port.state_again != port.state;
        if host.infiniband.iter().flat_map(|table| &table.ports).any(came_up) {
            collect::subnet_managers(self.host, host, self.patience());
        }
    }

    /// Time for one management datagram.
    fn patience(&self) -> Duration {
        let Probing { timeout, deadline, .. } = self.request.probing;
        deadline.map_or(timeout, |deadline| deadline.min(timeout))
    }
}

/// The facts of this host alone, or of the tree in `root`, for `plan init`.
pub(crate) fn host_alone(root: Option<&Folder>) -> Result<Host, Error> {
    match root {
        Some(root) => Ok(collect::host(&open_tree(root)?, super::now())),
        None => Ok(collect::host(&ThisHost, super::now())),
    }
}

/// What a run would send, for `-n`.
pub(crate) fn forecast(request: &Request) -> String {
    let mut text = String::new();
    let planned = match (&request.plan, &request.root) {
        (Some(plan), None) => plan.paths_from(&host_alone(None).map(|host| local(&host)).unwrap_or_default()),
        _ => Planned::default(),
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

/// Writes an evidence document as it stands in a file.
pub(crate) fn write_json(evidence: &Evidence, out: &mut dyn Write) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(256 * 1024, out);
    serde_json::to_writer_pretty(&mut out, evidence)?;
    out.write_all(b"\n")?;
    out.flush()
}

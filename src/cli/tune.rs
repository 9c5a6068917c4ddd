//! `pathvet tune`: baselines of kernel settings, shown, compared, applied and taken back.

mod change;

use super::Outcome;
use super::args::{ColorArg, Format};
use super::output::{print, print_with, terminal};
use crate::collect;
use crate::error::{Error, InputError};
use crate::host::{Host, ThisHost, Tree};
use crate::plan::baseline as baselines;
use crate::report::tune as render;
use crate::tune::{journal, standing};
use clap::{Args, Subcommand};
use pathvet_checks::baseline::{self, Baseline, Machine};
use pathvet_checks::evidence::{self, Gap, Sysctl};
use pathvet_checks::report;
use pathvet_checks::tune::{self, Facts, TuneReport};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// `pathvet tune`.
#[derive(Debug, Subcommand)]
pub enum TuneVerb {
    /// List the baselines
    List,
    /// Show every value of a baseline: why, what it is here, and which file decides
    #[command(after_long_help = "\
Examples:
  pathvet tune show ipoib-safe
  pathvet tune show ./site.yaml --root /mnt/sosreport")]
    Show(LookArgs),
    /// Compare this host with a baseline, and name what is harmful in it
    #[command(after_long_help = "\
The exit code is the verdict: 0 as wanted, 1 deviates or is harmful, 3 cannot be read. `--format json` writes schema
pathvet.tune/1 (`pathvet generate schema tune`).

Examples:
  pathvet tune diff esnet-10g
  pathvet tune diff ipoib-connected-2012 --format json")]
    Diff(LookArgs),
    /// Say what has been applied here, whether it still holds, and what is harmful among this host's values
    #[command(after_long_help = "\
The exit code is the verdict: 0 all well, 1 something changed or is harmful, 2 an apply was interrupted, 3 cannot be read.")]
    Status(StatusArgs),
    /// Set the values of a baseline, now and for the next boot
    #[command(after_long_help = "\
What is there is written down first (/var/lib/pathvet), so that `pathvet tune revert` can take everything back, also after
a crash in the middle. One file is written, /etc/sysctl.d/90-pathvet-NAME.conf; running values are set and read back. Where
anything fails, or another file wins, everything is taken back. Network settings are those of the network namespace that the
command runs in.

Exit codes: 0 done, 2 refused or failed and nothing changed, 3 another pathvet is at work, 64 wrong arguments, 74 cannot write.

Examples:
  pathvet tune apply ipoib-safe --dry-run
  pathvet tune apply ./site.yaml --yes")]
    Apply(ApplyArgs),
    /// Take an apply back, exactly
    #[command(after_long_help = "\
Without ID the latest apply is taken back. What somebody changed since is shown and left as it is, and the exit code is 1;
--force restores that, too.")]
    Revert(RevertArgs),
}

/// `tune show` and `tune diff`.
#[derive(Debug, Args)]
pub struct LookArgs {
    /// Name of a baseline (`pathvet tune list`), or a file
    #[arg(value_name = "BASELINE")]
    pub baseline: String,
    /// Where to read and how to show.
    #[command(flatten)]
    pub view: ViewArgs,
}

/// `tune status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Only what was applied of this baseline
    #[arg(value_name = "BASELINE")]
    pub baseline: Option<String>,
    /// Where to read and how to show.
    #[command(flatten)]
    pub view: ViewArgs,
}

/// Where to read and how to show.
#[derive(Debug, Args)]
pub struct ViewArgs {
    /// Read every fact from this folder instead of this machine
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Format on standard output
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Table)]
    pub format: Format,
    /// When to use colours
    #[arg(long, value_name = "WHEN", value_enum, default_value_t)]
    pub color: ColorArg,
}

/// `tune apply`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is one flag of the command line")]
pub struct ApplyArgs {
    /// Name of a baseline (`pathvet tune list`), or a file
    #[arg(value_name = "BASELINE")]
    pub baseline: String,
    /// Say what would be changed, and change nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Set running values, and write no file
    #[arg(long, conflicts_with = "persist_only")]
    pub runtime_only: bool,
    /// Write the file for the next boot, and set nothing now
    #[arg(long)]
    pub persist_only: bool,
    /// Apply these keys alone
    #[arg(long, value_name = "KEY,…", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Write the value of this key although it is harmful
    #[arg(long, value_name = "KEY,…", value_delimiter = ',')]
    pub accept_risk: Vec<String>,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

/// `tune revert`.
#[derive(Debug, Args)]
pub struct RevertArgs {
    /// The number of the apply, as `pathvet tune status` shows it
    #[arg(value_name = "ID")]
    pub id: Option<u32>,
    /// Also restore what somebody changed since
    #[arg(long)]
    pub force: bool,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

pub(super) fn run(verb: &TuneVerb) -> Result<Outcome, Error> {
    match verb {
        TuneVerb::List => list(),
        TuneVerb::Show(args) => look(args, "show"),
        TuneVerb::Diff(args) => look(args, "diff"),
        TuneVerb::Status(args) => status(args),
        TuneVerb::Apply(args) => change::apply(args),
        TuneVerb::Revert(args) => change::revert(args),
    }
}

fn list() -> Result<Outcome, Error> {
    let known: Vec<Arc<Baseline>> = baselines::names().filter_map(baselines::built_in).collect();
    print(&render::list(&known))?;
    Ok(Outcome::Done)
}

fn load(word: &str) -> Result<Arc<Baseline>, InputError> {
    baselines::load(word, None, "BASELINE")
}

/// This machine, or the tree of `--root`.
fn host(root: Option<&PathBuf>) -> Result<Box<dyn Host>, Error> {
    let Some(root) = root else { return Ok(Box::new(ThisHost)) };
    let tree = Tree::open(root).map_err(|error| InputError::one("--root", format!("{}: {error}", root.display())))?;
    Ok(Box::new(tree))
}

/// What decides on this host whether a value is harmful.
fn machine(host: &dyn Host) -> Machine {
    let kernel = host.read("/proc/sys/kernel/osrelease").ok().map(|release| String::from_utf8_lossy(&release).into_owned());
    Machine::of(&evidence::Host {
        links: collect::links(host).0,
        memory: collect::memory(host).0,
        kernel,
        ..evidence::Host::default()
    })
}

/// The settings that decide whether others are harmful, and those that are harmful by themselves.
fn linted_keys() -> impl Iterator<Item = &'static str> {
    baseline::known()
}

fn look(args: &LookArgs, verb: &str) -> Result<Outcome, Error> {
    let baseline = load(&args.baseline)?;
    let host = host(args.view.root.as_ref())?;
    let (table, gaps) = collect::sysctl(&*host, baseline.values.iter().map(|setting| setting.key.as_str()));
    let table = table.unwrap_or_default();
    let machine = machine(&*host);
    let facts = Facts { table: &table, gaps: &gaps, machine, loader: collect::boot_loader(&*host).name() };
    let mut report = tune::compare(&baseline, &facts);
    report.verb = verb.into();
    if verb == "show" {
        report.exit_code = 0;
    }
    show(report, &args.view, |report, view| match verb {
        "show" => render::show(report, &baseline, machine.page_size, view),
        _ => render::diff(report, machine.page_size, view),
    })
}

fn show(
    mut report: TuneReport,
    args: &ViewArgs,
    table: impl FnOnce(&TuneReport, &crate::report::View) -> String,
) -> Result<Outcome, Error> {
    report.tool = concat!("pathvet ", env!("CARGO_PKG_VERSION")).into();
    match args.format {
        Format::Table => print(&table(&report, &terminal(args.color)))?,
        Format::Json => print_with(|out| {
            serde_json::to_writer_pretty(&mut *out, &report)?;
            out.write_all(b"\n")
        })?,
    }
    Ok(Outcome::Judged(report.exit_code))
}

fn status(args: &StatusArgs) -> Result<Outcome, Error> {
    let host = host(args.view.root.as_ref())?;
    let host = &*host;
    let name = args.baseline.as_deref().map(status_name).transpose()?;
    let (mut applies, mut notes) = (Vec::new(), Vec::new());
    let mut unknown = false;
    match journal::list(host) {
        Ok(all) => {
            let has = |name: &str| all.iter().any(|entry| entry.journal.baseline == name);
            if let Some(name) = name.as_deref().filter(|name| !has(name) && baselines::built_in(name).is_none()) {
                // Neither applied nor known: a slip.
                load(name)?;
            }
            for entry in all.iter().filter(|entry| name.as_ref().is_none_or(|name| *name == entry.journal.baseline)) {
                applies.push(standing::standing(host, entry));
            }
        }
        // A right that is missing is a matter of the world; a journal that is broken is a wrong file.
        Err(journal::ListError::Unreadable(why)) => {
            unknown = true;
            notes.push(why);
        }
        Err(journal::ListError::Broken(error)) => return Err(error.into()),
    }
    let (table, gaps) = match &name {
        Some(_) => (BTreeMap::new(), Vec::new()),
        None => collect_known(host),
    };
    let machine = machine(host);
    let facts = Facts { table: &table, gaps: &gaps, machine, loader: collect::boot_loader(host).name() };
    let mut report = tune::status(applies, &facts);
    let mut least = if unknown { report::Outcome::Unknown } else { report::Outcome::Skip };
    if let (Some(name), true, false) = (&name, report.applies.is_empty(), unknown) {
        notes.push(format!("{name} is not applied here"));
        least = report::Outcome::Warn;
    }
    report.baseline = name;
    report.notes.extend(notes);
    report.verdict = report.verdict.max(least);
    report.exit_code = report.verdict.exit_code();
    show(report, &args.view, |report, view| render::status(report, machine.page_size, view))
}

fn collect_known(host: &dyn Host) -> (BTreeMap<String, Sysctl>, Vec<Gap>) {
    let (table, gaps) = collect::sysctl(host, linted_keys());
    (table.unwrap_or_default(), gaps)
}

/// The name under which a baseline was applied.
fn status_name(word: &str) -> Result<String, InputError> {
    // What is applied may be a site's own, which is known by its name alone.
    if baselines::is_file(word) { Ok(load(word)?.name.clone()) } else { Ok(word.to_owned()) }
}

//! The command line: arguments in, exit code out.
//!
//! [`args`] holds what was typed, [`request`] what it means; reading either sends nothing and writes nothing. Each verb is one
//! module with one `run`.

pub mod args;
pub mod request;
pub mod target;

mod check;
mod collect;
mod demo;
mod explain;
mod gather;
mod generate;
mod import;
mod judge;
mod list;
mod output;
mod plan;
mod probe;
mod tune;
mod watch;

use crate::error::{Error, printable, writeln_stderr};
use clap::builder::TypedValueParser;
use clap::{Args, CommandFactory, Parser, Subcommand};
use pathvet_checks::size::Size;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::PathBuf;

/// Proves what a network path really carries, and names the box that is wrong
///
/// pathvet measures the largest packet that a path carries, to the byte, compares it with what every box on the path is set to,
/// and says what to change. It works as an ordinary user wherever the kernel lets one ping.
#[derive(Debug, Parser)]
#[command(
    name = "pathvet",
    version,
    arg_required_else_help = true,
    subcommand_required = true,
    disable_help_subcommand = true,
    after_help = "`pathvet VERB --help` tells more, with examples.",
    after_long_help = EXIT_CODES
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

const EXIT_CODES: &str = "\
Exit codes:
  0 PASS   1 WARN   2 FAIL   3 UNKNOWN      the verdict, from --fail-on on
  64 wrong arguments, plan or input file    70 a bug in pathvet
  74 a result cannot be written

Examples:
  pathvet check node2                       is this path what its ends are set to?
  pathvet check node2 --expect-mtu 9000     does it carry jumbo packets?
  pathvet demo                              see a broken network vetted, without touching yours";

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Vet this host and the paths to HOST…
    #[command(after_long_help = "\
Without HOST and plan, this host and the path to its default gateway are vetted; a gateway that does not answer is no fault.

Examples:
  pathvet check node2 node3
  pathvet check node2 --fail-on unknown && virsh migrate …
  pathvet check -f plan.yaml --output json=report.json
  pathvet check --targets hosts.txt --only path-mtu,path-loss")]
    Check(CheckArgs),
    /// Measure one path and show the sizes as they are decided
    #[command(after_long_help = "\
Examples:
  pathvet probe node2
  pathvet probe -6 node2 --methods udp")]
    Probe(ProbeVerbArgs),
    /// Write down what this host and its paths are like, without judging
    #[command(after_long_help = "\
The result is an evidence document, see pathvet-evidence(5). `pathvet collect X | pathvet judge -` says the same as
`pathvet check X`.

Examples:
  pathvet collect node2 -o node1.json
  pathvet collect --root /mnt/sosreport")]
    Collect(CollectArgs),
    /// Judge evidence that was collected earlier or elsewhere
    #[command(after_long_help = "\
Several files are judged as one: what each host says of itself is joined with the paths that lead to it.

Examples:
  pathvet judge node1.json node2.json
  ssh node2 pathvet collect node1 | pathvet judge - --expect-mtu 9000")]
    Judge(JudgeVerbArgs),
    /// Make evidence of what other programs have printed or captured
    #[command(after_long_help = "\
The result is an evidence document, see pathvet-evidence(5), for `pathvet judge`. Files without --host whose names differ in
their extension alone are of one host. Lines that cannot be read are named on standard error, and the rest is used.

Examples:
  ssh node2 'ibstat; ip -d link' | pathvet import ib --host node2 - -o node2.json
  pathvet import ib node1.ibstat node1.sminfo | pathvet judge -
  pathvet import pcap node1.pcap --interface eth0 -o node1.json
  lldpctl -f json | pathvet import lldp --host node1 -")]
    Import(import::ImportArgs),
    /// Explain a check, or what stops at a size
    #[command(after_long_help = "\
Examples:
  pathvet explain path-mtu
  pathvet explain 9198
  pathvet explain 9216frame")]
    Explain(ExplainArgs),
    /// List the checks
    List,
    /// Write or lint a plan
    #[command(subcommand, arg_required_else_help = true)]
    Plan(PlanVerb),
    /// Baselines of kernel settings: compare, apply, take back
    #[command(subcommand, arg_required_else_help = true)]
    Tune(tune::TuneVerb),
    /// Show a broken network being vetted, in namespaces of its own
    Demo(DemoArgs),
    /// Write shell completions and other files for packaging
    #[command(subcommand, arg_required_else_help = true)]
    Generate(generate::GenerateVerb),
}

/// `pathvet check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Which paths.
    #[command(flatten)]
    pub targets: args::TargetArgs,
    /// How to probe.
    #[command(flatten)]
    pub probing: args::ProbeArgs,
    /// Link partners.
    #[command(flatten)]
    pub lldp: args::LldpArgs,
    /// Against what to judge.
    #[command(flatten)]
    pub judging: args::JudgeArgs,
    /// Where to report.
    #[command(flatten)]
    pub report: args::ReportArgs,
    /// Read every fact from this folder instead of this machine, and probe nothing
    ///
    /// The folder is laid out as a root file system, as `pathvet collect --record` and sosreport write it.
    #[arg(long, value_name = "DIR", help_heading = "Targets")]
    pub root: Option<PathBuf>,
    /// Also write the evidence to a file, for `pathvet judge`
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub save: Option<PathBuf>,
}

/// `pathvet probe`.
#[derive(Debug, Args)]
pub struct ProbeVerbArgs {
    /// Host name or address
    #[arg(value_name = "HOST", value_parser = target::Target::parse)]
    pub host: target::Target,
    /// How to probe.
    #[command(flatten)]
    pub probing: args::ProbeArgs,
    /// What the paths must carry; that size is probed too.
    #[command(flatten)]
    pub expect: args::ExpectArgs,
    /// When to use colours
    #[arg(long, value_name = "WHEN", value_enum, default_value_t, help_heading = "Output")]
    pub color: args::ColorArg,
}

/// `pathvet collect`.
#[derive(Debug, Args)]
pub struct CollectArgs {
    /// Which paths.
    #[command(flatten)]
    pub targets: args::TargetArgs,
    /// How to probe.
    #[command(flatten)]
    pub probing: args::ProbeArgs,
    /// Link partners.
    #[command(flatten)]
    pub lldp: args::LldpArgs,
    /// What the paths must carry; that size is probed too.
    #[command(flatten)]
    pub expect: args::ExpectArgs,
    /// Read every fact from this folder instead of this machine, and probe nothing
    #[arg(long, value_name = "DIR", help_heading = "Targets")]
    pub root: Option<PathBuf>,
    /// Also keep every file and answer that was read, as a folder for --root
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub record: Option<PathBuf>,
    /// Write to this file instead of standard output
    #[arg(short = 'o', long = "out", value_name = "FILE", help_heading = "Output")]
    pub out: Option<PathBuf>,
    /// Say nothing on standard error
    #[arg(short, long, help_heading = "Output")]
    pub quiet: bool,
}

/// `pathvet judge`.
#[derive(Debug, Args)]
pub struct JudgeVerbArgs {
    /// Evidence files; `-` is standard input
    #[arg(value_name = "FILE", required = true, value_parser = source())]
    pub files: Vec<target::Source>,
    /// Judge against this plan
    #[arg(short = 'f', long = "plan", value_name = "PLAN", help_heading = "Judging")]
    pub plan: Option<PathBuf>,
    /// Judge as of this moment instead of now: waivers run out by it
    #[arg(long, value_name = "TIME", help_heading = "Judging", value_parser = moment)]
    pub at: Option<jiff::Timestamp>,
    /// Against what to judge.
    #[command(flatten)]
    pub judging: args::JudgeArgs,
    /// Where to report.
    #[command(flatten)]
    pub report: args::ReportArgs,
}

/// `pathvet explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// A check, DCB profile or baseline by its name, or a size: 9198, 9216frame, jumbo9614
    #[arg(value_name = "ID|SIZE", value_parser = Topic::parse)]
    pub topic: Topic,
    /// When to use colours
    #[arg(long, value_name = "WHEN", value_enum, default_value_t, help_heading = "Output")]
    pub color: args::ColorArg,
}

/// What `explain` is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// Index into the list of checks.
    Check(usize),
    /// Index into the list of DCB profiles.
    DcbProfile(usize),
    /// Index into the list of built-in baselines.
    Baseline(usize),
    /// A size.
    Size(Size),
}

/// `pathvet plan`.
#[derive(Debug, Subcommand)]
pub enum PlanVerb {
    /// Write a first plan from this host's own networks
    Init(PlanInitArgs),
    /// Say everything that is wrong or odd in a plan
    Lint(PlanLintArgs),
}

/// `pathvet plan init`.
#[derive(Debug, Args)]
pub struct PlanInitArgs {
    /// Write to this new file instead of standard output
    #[arg(short = 'o', long = "out", value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Read the facts from this folder instead of this machine
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
}

/// `pathvet plan lint`.
#[derive(Debug, Args)]
pub struct PlanLintArgs {
    /// The plan; `-` is standard input
    #[arg(value_name = "FILE", value_parser = source())]
    pub file: target::Source,
    /// When to use colours
    #[arg(long, value_name = "WHEN", value_enum, default_value_t, help_heading = "Output")]
    pub color: args::ColorArg,
}

/// `pathvet demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Which network to build; an unknown name lists them
    #[arg(long, value_name = "NAME")]
    pub topology: Option<String>,
    /// Vet it over IPv6
    #[arg(short = '6')]
    pub ipv6: bool,
    /// Keep the network afterwards, until Enter or Ctrl-C
    #[arg(long)]
    pub keep: bool,
}

/// Reads a file name, or `-` for standard input.
fn source() -> impl TypedValueParser<Value = target::Source> {
    clap::builder::OsStringValueParser::new().map(|text| target::Source::parse(&text))
}

impl Topic {
    fn parse(text: &str) -> Result<Self, String> {
        let checks = pathvet_checks::builtin::ALL;
        if let Some(index) = checks.iter().position(|check| check.meta().id == text) {
            return Ok(Self::Check(index));
        }
        let profiles = crate::catalogue::dcb_profiles();
        if let Some(index) = profiles.iter().position(|profile| profile.id == text) {
            return Ok(Self::DcbProfile(index));
        }
        if let Some(index) = crate::plan::baseline::names().position(|name| name == text) {
            return Ok(Self::Baseline(index));
        }
        if text.starts_with(|c: char| c.is_ascii_digit()) || text.strip_prefix("jumbo").is_some_and(|rest| !rest.is_empty()) {
            return Size::parse(text, None).map(Self::Size).map_err(|error| error.to_string());
        }
        let known = checks.iter().map(|check| check.meta().id).chain(profiles.iter().map(|profile| profile.id.as_str()));
        let known = known.chain(crate::plan::baseline::names());
        let near = crate::error::nearest(text, known);
        let near = near.map_or_else(|| "see `pathvet list`".to_string(), |near| format!("did you mean `{near}`?"));
        Err(format!("no check or profile is called so, and it is no size; {near}"))
    }
}

/// A moment: `2026-11-20T15:00:00Z`, or a day, which means its first second (UTC).
fn moment(text: &str) -> Result<jiff::Timestamp, String> {
    if let Ok(moment) = text.parse() {
        return Ok(moment);
    }
    let day: Option<jiff::civil::Date> = text.parse().ok().filter(|_| text.len() == 10);
    let moment = day.and_then(|day| day.to_zoned(jiff::tz::TimeZone::UTC).ok());
    moment.map(|moment| moment.timestamp()).ok_or_else(|| "expected a time such as 2026-11-20T15:00:00Z or 2026-11-20".to_string())
}

/// The wall clock, in whole milliseconds.
pub(crate) fn now() -> jiff::Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let milliseconds = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(milliseconds).unwrap_or(jiff::Timestamp::MAX)
}

/// The day (UTC).
fn today() -> jiff::civil::Date {
    now().to_zoned(jiff::tz::TimeZone::UTC).date()
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// What was asked is done.
    Done,
    /// A report was made; its exit code, with `--fail-on` considered.
    Judged(u8),
}

impl Outcome {
    /// The exit code.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Judged(code) => code,
        }
    }
}

/// What a run that a signal ended exits with, as a shell counts: 130 for SIGINT, 143 for SIGTERM.
fn signalled(signal: i32) -> u8 {
    u8::try_from(128 + signal).unwrap_or(u8::MAX)
}

/// The command as clap knows it; man pages and completions are made from it.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// Reads the arguments and does what they say.
///
/// # Errors
/// The arguments or the files they name are wrong, or a result cannot be written.
pub fn run(args: impl IntoIterator<Item = OsString>) -> Result<Outcome, Error> {
    let cli = Cli::try_parse_from(args)?;
    match cli.verb {
        Verb::Check(args) => check::run(&args),
        Verb::Probe(args) => probe::run(&args),
        Verb::Collect(args) => collect::run(&args),
        Verb::Judge(args) => judge::run(&args),
        Verb::Import(args) => import::run(&args),
        Verb::Explain(args) => explain::run(&args),
        Verb::List => list::run(),
        Verb::Plan(PlanVerb::Init(args)) => plan::init(&args),
        Verb::Plan(PlanVerb::Lint(args)) => plan::lint(&args),
        Verb::Tune(verb) => tune::run(&verb),
        Verb::Demo(args) => demo::run(&args),
        Verb::Generate(args) => generate::run(&args),
    }
}

/// Tells the user why a run ended without its result: on standard error, or on standard output where help was asked for.
pub fn report(error: &Error) {
    let color = output::use_color(args::ColorArg::Auto, std::io::stderr().is_terminal());
    // Nothing is left to do where even standard error is gone.
    drop(match error {
        Error::Usage(error) => error.print(),
        Error::Input(error) => writeln_stderr(error.render(color).trim_end()),
        Error::Output(_) | Error::Bug(_) => writeln_stderr(&format!("pathvet: {}", printable(&error.to_string()))),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_well_formed() {
        command().debug_assert();
    }

    #[test]
    fn every_argument_says_what_it_is_for_in_one_line() {
        fn walk(command: &clap::Command) {
            for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
                let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
                let name = format!("{} {}", command.get_name(), argument.get_id());
                assert!(!help.is_empty() && help.len() <= 90 && !help.ends_with('.'), "{name}: {help:?}");
            }
            for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
                assert!(verb.get_about().is_some(), "{}", verb.get_name());
                walk(verb);
            }
        }
        walk(&command());
    }

    #[test]
    fn moments_are_times_or_days() {
        assert_eq!(moment("2026-11-20"), "2026-11-20T00:00:00Z".parse().map_err(|_| String::new()));
        assert!(moment("2026-11-20T15:00:00+01:00").is_ok());
        assert!(moment("yesterday").is_err());
    }
}

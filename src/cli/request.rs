//! What was typed, put together and checked: everything that is wrong is found here, before anything is sent or written.

use super::args::{ExpectArgs, LldpArg, LldpArgs, ProbeArgs, Rate, SourceArg, TargetArgs};
use super::target::{Source, Target, read_list};
use crate::collect::Listening;
use crate::error::{Error, InputError, Problem, render_problems, writeln_stderr};
use crate::plan::Plan;
use pathvet_checks::evidence::Method;
use pathvet_checks::expect::Expect;
use pathvet_checks::size::{Family, Size};
use std::collections::HashSet;
use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Targets outside a plan from which on a run is confirmed first.
pub const MANY: usize = 256;
/// Probes per second where neither flag nor plan says otherwise.
pub const DEFAULT_RATE: u32 = 2_000;
/// About how many probes one path takes: a silent cut with its proof on a clean network.
const PROBES_PER_PATH: u64 = 60;
/// About how many bytes these are.
const BYTES_PER_PATH: u64 = 400 << 10;

/// A run that measures: where the facts come from, which paths, and how they are probed.
#[derive(Debug, Clone)]
pub struct Request {
    /// Hosts from the command line and the list, each once, in their order.
    pub targets: Vec<Target>,
    /// The plan.
    pub plan: Option<Plan>,
    /// Read facts from this tree instead of this machine, and probe nothing.
    pub root: Option<PathBuf>,
    /// What the plan and `--expect-mtu` expect.
    pub expect: Expect,
    /// How to probe.
    pub probing: Probing,
    /// How link partners are learnt; not at all unless [`Request::listening`] says so.
    pub lldp: Listening,
}

/// How paths are probed.
#[derive(Debug, Clone)]
pub struct Probing {
    /// Send from here.
    pub source: Option<SourceArg>,
    /// The only family, where one was asked for.
    pub family: Option<Family>,
    /// Methods in their order; empty = pathvet decides.
    pub methods: Vec<Method>,
    /// A port that TCP may be tried on.
    pub tcp_port: Option<u16>,
    /// A TCP connection may be opened to learn the far end's MTU.
    pub connect: bool,
    /// Pace over all paths.
    pub rate: Rate,
    /// DSCP values to probe with, at least one.
    pub dscp: Vec<u8>,
    /// Time for one name or one connection.
    pub timeout: Duration,
    /// Time for the whole run.
    pub deadline: Option<Duration>,
    /// The sizes alone, of the first address that is routed.
    pub ladder_only: bool,
}

/// About what a run will send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// Paths.
    pub paths: u64,
    /// Probes.
    pub probes: u64,
    /// Bytes of IP packets.
    pub bytes: u64,
    /// Seconds, where the pace and not the network decides.
    pub seconds: u64,
}

impl Request {
    /// Puts the flags of `check` and `collect` together and reads the files that they name.
    ///
    /// # Errors
    /// Every mistake of the plan or the list, or flags that contradict each other.
    pub fn new(targets: &TargetArgs, probing: &ProbeArgs, expect: ExpectArgs, root: Option<&Path>) -> Result<Self, Error> {
        let plan = targets.plan.as_deref().map(Plan::load).transpose()?;
        let mut hosts = targets.hosts.clone();
        if let Some(list) = &targets.targets {
            hosts.extend(read_list(list)?);
        }
        let mut seen = HashSet::new();
        hosts.retain(|host| seen.insert(host.clone()));
        if let Some(root) = root {
            // A tree is a record of the past: nothing can be sent from it.
            let origin = "--root";
            if !hosts.is_empty() {
                return Err(
                    InputError::one(origin, "no host can be probed from a recorded tree: leave out --root or the hosts").into()
                );
            }
            if !root.is_dir() {
                return Err(InputError::one(origin, format!("{} is not a folder", root.display())).into());
            }
        }
        let limits = plan.as_ref().map(|plan| plan.limits.clone()).unwrap_or_default();
        let given_rate = probing.rate;
        let mut probing = Probing::new(probing)?;
        if let (Some(rate), None) = (limits.rate, given_rate) {
            probing.rate = Rate::PerSecond(rate);
        }
        if !limits.dscp.is_empty() {
            probing.dscp = limits.dscp;
        }
        let mut request = Self {
            targets: hosts,
            plan,
            root: root.map(Path::to_path_buf),
            expect: Expect::default(),
            probing,
            lldp: Listening::Off,
        };
        request.one_family()?;
        request.expect = expectations(expect, request.plan.as_ref(), request.only_family())?;
        Ok(request)
    }

    /// A run that measures one path.
    ///
    /// # Errors
    /// Flags that contradict each other.
    pub fn one(host: &Target, probing: &ProbeArgs, expect: ExpectArgs) -> Result<Self, Error> {
        let targets = TargetArgs { hosts: vec![host.clone()], ..TargetArgs::default() };
        let mut request = Self::new(&targets, probing, expect, None)?;
        request.probing.ladder_only = true;
        Ok(request)
    }

    /// The same with link partners, as `--lldp` asks for them.
    ///
    /// # Errors
    /// `--lldp` with a recorded tree, from which nothing can be heard.
    pub fn listening(mut self, args: LldpArgs) -> Result<Self, Error> {
        if self.root.is_some() {
            return match args.lldp {
                Some(_) => {
                    Err(InputError::one("--lldp", "nothing can be heard from a recorded tree: leave out --root or --lldp").into())
                }
                None => Ok(self),
            };
        }
        self.lldp = match args.lldp {
            None => Listening::WhileProbing,
            Some(LldpArg::Off) => Listening::Off,
            Some(LldpArg::For(time)) => Listening::For(time),
        };
        Ok(self)
    }

    /// An address of the other family than `-4` or `-6` asks for is a slip.
    fn one_family(&self) -> Result<(), InputError> {
        let Some(family) = self.probing.family else { return Ok(()) };
        let flag = format!("-{}", family.number());
        let source = match &self.probing.source {
            Some(SourceArg::Address(address)) => Some(*address),
            _ => None,
        };
        let addresses = self.targets.iter().filter_map(Target::address).chain(source);
        let problems: Vec<_> = addresses
            .filter(|address| Family::of(*address) != family)
            .map(|address| Problem::new(&flag, format!("{address} is an {} address", Family::of(address))))
            .collect();
        if problems.is_empty() { Ok(()) } else { Err(InputError { problems }) }
    }

    /// The family of every path, where the flags or the targets leave only one.
    fn only_family(&self) -> Option<Family> {
        if self.probing.family.is_some() || self.plan.is_some() || self.targets.is_empty() {
            return self.probing.family;
        }
        let mut families = self.targets.iter().map(|target| target.address().map(Family::of));
        let first = families.next().flatten()?;
        families.all(|family| family == Some(first)).then_some(first)
    }

    /// About what this run will send. Names are not resolved for it: each target counts as one path.
    #[must_use]
    pub fn estimate(&self, planned: usize) -> Estimate {
        let gateway = usize::from(self.targets.is_empty() && self.plan.is_none());
        let pairs = u64::try_from(self.targets.len() + planned + gateway).unwrap_or(u64::MAX);
        let paths = if self.root.is_some() { 0 } else { pairs.saturating_mul(self.probing.dscp.len() as u64) };
        let probes = paths.saturating_mul(PROBES_PER_PATH);
        let seconds = match self.probing.rate {
            Rate::PerSecond(rate) => probes / u64::from(rate.max(1)),
            Rate::Unlimited => 0,
        };
        Estimate { paths, probes, bytes: paths.saturating_mul(BYTES_PER_PATH), seconds }
    }

    /// A run with more than [`MANY`] targets outside a plan is confirmed first: by `--yes`, or by an answer on the terminal.
    ///
    /// # Errors
    /// It was not confirmed.
    pub fn confirm(&self, args: &TargetArgs, yes: bool) -> Result<(), Error> {
        if self.targets.len() <= MANY || yes {
            return Ok(());
        }
        let estimate = self.estimate(0);
        let stdin = std::io::stdin();
        if args.targets != Some(Source::Stdin) && stdin.is_terminal() && std::io::stderr().is_terminal() {
            let mut stderr = std::io::stderr().lock();
            let asked = write!(stderr, "{estimate}. Go on? [y/N] ").and_then(|()| stderr.flush());
            let mut answer = String::new();
            if asked.is_ok() && stdin.lock().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes") {
                return Ok(());
            }
        }
        let problem = Problem::new("--targets", estimate.to_string());
        Err(problem.help(format!("more than {MANY} targets need --yes; -n shows what would be sent")).into())
    }
}

impl Probing {
    fn new(args: &ProbeArgs) -> Result<Self, InputError> {
        if args.rate == Some(Rate::Unlimited) && !args.yes {
            let problem = Problem::new("--rate", "`unlimited` can fill a link");
            return Err(problem.help("give --yes as well, if that is what you want").into());
        }
        let mut methods = Vec::new();
        for method in args.methods.iter().map(|method| method.method()) {
            if !methods.contains(&method) {
                methods.push(method);
            }
        }
        if args.tcp_port.is_some() && !methods.is_empty() && !methods.contains(&Method::Tcp) {
            return Err(InputError::one("--tcp-port", "--methods leaves TCP out"));
        }
        let family = match (args.ipv4, args.ipv6) {
            (true, false) => Some(Family::V4),
            (false, true) => Some(Family::V6),
            _ => None,
        };
        Ok(Self {
            source: args.source.clone(),
            family,
            methods,
            tcp_port: args.tcp_port,
            connect: !args.no_connect,
            rate: args.rate.unwrap_or(Rate::PerSecond(DEFAULT_RATE)),
            dscp: vec![0],
            timeout: args.timeout,
            deadline: args.deadline,
            ladder_only: false,
        })
    }
}

/// What the plan and `--expect-mtu` expect, as one. `family` is that of every path, where there is only one.
///
/// # Errors
/// `--expect-mtu` is below the smallest MTU of the family.
pub fn expectations(args: ExpectArgs, plan: Option<&Plan>, family: Option<Family>) -> Result<Expect, InputError> {
    let mut expect = plan.map(|plan| plan.expect.clone()).unwrap_or_default();
    if let Some(size) = args.expect_mtu {
        Size::new(size.number, size.unit, family).map_err(|error| InputError::one("--expect-mtu", error.to_string()))?;
        expect.mtu = Some(size.ip.0);
    }
    Ok(expect)
}

/// Says on standard error what is odd in the plan and the flags, but not wrong.
pub fn remark(args: ExpectArgs, plan: Option<&Plan>, color: bool) {
    let mut notes = plan.map(|plan| plan.notes.clone()).unwrap_or_default();
    if let Some(slip) = args.expect_mtu.and_then(|size| size.slip()) {
        notes.push(Problem::new("--expect-mtu", slip).warning());
    }
    if !notes.is_empty() {
        // Remarks are not worth failing for.
        drop(writeln_stderr(render_problems(&notes, color).trim_end()));
    }
}

impl std::fmt::Display for Estimate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { paths, probes, bytes, seconds } = self;
        let plural = if *paths == 1 { "path" } else { "paths" };
        write!(f, "{paths} {plural}, about {probes} probes, {} MiB and {} s", bytes.div_ceil(1 << 20), (*seconds).max(1))
    }
}

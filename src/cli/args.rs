//! The flags, as they were typed. Reading them checks each for itself and does nothing else.

use super::target::{Source, Target};
use clap::builder::{OsStringValueParser, PossibleValuesParser, TypedValueParser};
use clap::{ArgAction, Args, ValueEnum};
use pathvet_checks::builtin;
use pathvet_checks::evidence::Method;
use pathvet_checks::expect::Expect;
use pathvet_checks::report::Outcome;
use pathvet_checks::size::{Size, SizeError};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Fastest rate short of `unlimited`, probes a second.
const FASTEST: u32 = 1_000_000;

/// Which paths.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Targets")]
pub struct TargetArgs {
    /// Host name or address to vet the path to; none: the default gateway
    #[arg(value_name = "HOST", value_parser = Target::parse)]
    pub hosts: Vec<Target>,
    /// Vet what this plan names, against what it expects
    ///
    /// HOST and --targets add paths to those of the plan. The format is described in pathvet-plan(5); `pathvet plan init` writes a
    /// first one.
    #[arg(short = 'f', long = "plan", value_name = "PLAN")]
    pub plan: Option<PathBuf>,
    /// Read more targets from a file, one a line; `-` is standard input
    #[arg(long, value_name = "FILE", value_parser = super::source())]
    pub targets: Option<Source>,
}

/// How probes are sent.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Probing")]
#[expect(clippy::struct_excessive_bools, reason = "each is one flag of the command line")]
pub struct ProbeArgs {
    /// Send from this interface or address
    #[arg(long, value_name = "IFACE|ADDR", value_parser = SourceArg::parse)]
    pub source: Option<SourceArg>,
    /// IPv4 only
    #[arg(short = '4', conflicts_with = "ipv6")]
    pub ipv4: bool,
    /// IPv6 only
    #[arg(short = '6')]
    pub ipv6: bool,
    /// How to probe: icmp, udp, tcp, in this order of preference
    ///
    /// Without it, ICMP echo is used first, UDP where echo is silent or where a cut wants a second opinion, and TCP where both are
    /// silent and the target was named.
    #[arg(long, value_name = "METHOD,…", value_delimiter = ',', value_enum)]
    pub methods: Vec<MethodArg>,
    /// A port on the targets that TCP may be tried on
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub tcp_port: Option<u16>,
    /// Open no TCP connection to learn the far end's own MTU
    #[arg(long)]
    pub no_connect: bool,
    /// Probes per second over all paths
    ///
    /// `unlimited` lifts the pacing altogether and needs --yes. The limits per target and per link stay in force below it.
    #[arg(long, value_name = "N|unlimited", value_parser = Rate::parse)]
    pub rate: Option<Rate>,
    /// Time for one name to resolve or one connection to open
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration)]
    pub timeout: Duration,
    /// Time for the whole run; what is undecided then is UNKNOWN
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub deadline: Option<Duration>,
    /// Do not ask before a run with many targets, and allow --rate unlimited
    #[arg(long)]
    pub yes: bool,
    /// Say what would be sent, and send nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}

/// How link partners are learnt.
#[derive(Debug, Clone, Copy, Default, Args)]
#[command(next_help_heading = "Probing")]
pub struct LldpArgs {
    /// Wait so long for every neighbour's LLDP; `off`: do not listen at all
    ///
    /// Without it, a running lldpd is asked, and pathvet listens as long as the probing takes. Switches announce themselves every 30
    /// seconds, so 35 hears all of them; the wait ends as soon as every interface with a carrier has heard its neighbour. Listening
    /// needs the right `CAP_NET_RAW`.
    #[arg(long, value_name = "SECONDS|off", value_parser = LldpArg::parse)]
    pub lldp: Option<LldpArg>,
}

/// `--lldp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LldpArg {
    /// Not at all.
    Off,
    /// So long at most.
    For(Duration),
}

impl LldpArg {
    fn parse(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        duration(text).map(Self::For).map_err(|error| format!("{error}, or `off`"))
    }
}

/// What the paths must carry.
#[derive(Debug, Clone, Copy, Default, Args)]
#[command(next_help_heading = "Judging")]
pub struct ExpectArgs {
    /// Path MTU that every path must carry
    ///
    /// A plain number is the IP packet; other ways of counting have a unit: 9014eth (with header), 9018frame (header and FCS, as
    /// switches count), 9022tagged (and a VLAN tag), 8972ping (payload of an IPv4 ping), jumbo9014 (the Windows setting).
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub expect_mtu: Option<Size>,
}

/// What the findings are held against.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Judging")]
pub struct JudgeArgs {
    /// The expected path MTU.
    #[command(flatten)]
    pub expect: ExpectArgs,
    /// Run these checks alone (see `pathvet list`)
    #[arg(long, value_name = "ID,…", value_delimiter = ',', value_parser = check_ids(), hide_possible_values = true)]
    pub only: Vec<String>,
    /// Do not run these checks
    #[arg(long, value_name = "ID,…", value_delimiter = ',', value_parser = check_ids(), hide_possible_values = true)]
    pub skip: Vec<String>,
    /// Exit with 0 below this verdict
    #[arg(long, value_name = "VERDICT", value_enum, default_value_t = FailOn::Warn)]
    pub fail_on: FailOn,
}

/// Where the report goes.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Output")]
pub struct ReportArgs {
    /// Format of the report on standard output
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Table)]
    pub format: Format,
    /// Also write the report to a file; may be given several times
    #[arg(short = 'o', long = "output", value_name = "FORMAT=FILE", value_parser = OsStringValueParser::new().try_map(OutputSpec::parse))]
    pub outputs: Vec<OutputSpec>,
    /// When to use colours
    #[arg(long, value_name = "WHEN", value_enum, default_value_t)]
    pub color: ColorArg,
    /// Only the verdict, and only where it is not PASS
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// List every path, size and source
    #[arg(short, long, action = ArgAction::Count)]
    pub verbose: u8,
}

impl JudgeArgs {
    /// `expect` with the choice of checks.
    #[must_use]
    pub fn chosen(&self, mut expect: Expect) -> Expect {
        expect.only.clone_from(&self.only);
        expect.skip.clone_from(&self.skip);
        expect
    }
}

/// `--source`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceArg {
    /// An address of this host.
    Address(IpAddr),
    /// An interface of this host.
    Interface(String),
}

impl SourceArg {
    fn parse(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        if crate::plan::is_interface_name(text) {
            return Ok(Self::Interface(text.to_string()));
        }
        Err("neither an address nor the name of an interface".to_string())
    }
}

/// `--methods`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MethodArg {
    /// ICMP echo
    Icmp,
    /// UDP to a closed port
    Udp,
    /// TCP
    Tcp,
}

impl MethodArg {
    /// The same in the words of the evidence.
    #[must_use]
    pub const fn method(self) -> Method {
        match self {
            Self::Icmp => Method::Icmp,
            Self::Udp => Method::Udp,
            Self::Tcp => Method::Tcp,
        }
    }
}

/// `--rate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// Probes a second.
    PerSecond(u32),
    /// No pacing.
    Unlimited,
}

impl Rate {
    fn parse(text: &str) -> Result<Self, String> {
        if text == "unlimited" {
            return Ok(Self::Unlimited);
        }
        let number = text.parse().ok().filter(|rate| (1..=FASTEST).contains(rate));
        number.map(Self::PerSecond).ok_or_else(|| format!("expected a number from 1 to {FASTEST}, or `unlimited`"))
    }
}

/// `--fail-on`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum FailOn {
    /// 0 for PASS alone
    #[default]
    Warn,
    /// 0 for PASS and WARN
    Unknown,
    /// 0 for everything but FAIL
    Fail,
}

impl FailOn {
    /// What a run with that verdict exits with.
    #[must_use]
    pub fn exit_code(self, verdict: Outcome) -> u8 {
        let from = match self {
            Self::Warn => Outcome::Warn,
            Self::Unknown => Outcome::Unknown,
            Self::Fail => Outcome::Fail,
        };
        if verdict >= from { verdict.exit_code() } else { 0 }
    }
}

/// Formats of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Table,
    /// For programs: schema pathvet.report/1
    Json,
}

/// `--output FORMAT=FILE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputSpec {
    /// Format.
    pub format: Format,
    /// File.
    pub file: PathBuf,
}

impl OutputSpec {
    #[expect(clippy::needless_pass_by_value, reason = "clap hands the value over")]
    fn parse(text: std::ffi::OsString) -> Result<Self, String> {
        use std::os::unix::ffi::OsStrExt;
        let bytes = text.as_bytes();
        let names: Vec<_> = Format::value_variants().iter().filter_map(ValueEnum::to_possible_value).collect();
        let known = names.iter().map(|value| format!("{}=FILE", value.get_name())).collect::<Vec<_>>().join(" or ");
        let Some(at) = bytes.iter().position(|byte| *byte == b'=') else {
            return Err(format!("expected {known}"));
        };
        let (format, file) = (&bytes[..at], &bytes[at + 1..]);
        let format = String::from_utf8_lossy(format);
        let Ok(found) = Format::from_str(&format, false) else {
            let near = crate::error::nearest(&format, names.iter().map(clap::builder::PossibleValue::get_name));
            let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            return Err(format!("`{format}` is no format, expected {known}{near}"));
        };
        match file {
            b"" => Err(format!("the file is missing: expected {format}=FILE")),
            b"-" => Err(format!("for standard output use --format {format}")),
            file => Ok(Self { format: found, file: PathBuf::from(std::ffi::OsStr::from_bytes(file)) }),
        }
    }
}

/// `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ColorArg {
    /// On a terminal, unless `NO_COLOR` is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The ids of the built-in checks. clap names the nearest one where none fits.
fn check_ids() -> PossibleValuesParser {
    PossibleValuesParser::new(builtin::ALL.iter().map(|check| check.meta().id))
}

/// A size; the range of IPv6 is held later, when the targets are known.
fn size(text: &str) -> Result<Size, String> {
    Size::parse(text, None).map_err(|error| match &error {
        SizeError::Unit { nearest: Some(near), .. } => format!("{error}; did you mean `{near}`?"),
        _ => error.to_string(),
    })
}

/// `2s`, `500ms`, `1m 30s`, or seconds as a plain number.
fn duration(text: &str) -> Result<Duration, String> {
    let expected = || "expected a time such as 500ms, 2s or 1m".to_string();
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let text = if plain { format!("{text}s") } else { text.to_string() };
    let parsed: jiff::SignedDuration = text.parse().map_err(|_| expected())?;
    let duration = Duration::try_from(parsed).map_err(|_| expected())?;
    let day = Duration::from_hours(24);
    if duration.is_zero() || duration > day {
        return Err("expected a time above zero and up to 24h".to_string());
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units_and_plain_numbers_are_seconds() {
        assert_eq!(duration("2"), Ok(Duration::from_secs(2)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("1m"), Ok(Duration::from_mins(1)));
        for text in ["", "0", "-1s", "x", "25h", "99999999999999999999", "1 parsec"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn fail_on_decides_from_which_verdict_on_the_exit_code_is_not_zero() {
        let codes = |fail_on: FailOn| {
            [Outcome::Pass, Outcome::Warn, Outcome::Unknown, Outcome::Fail].map(|verdict| fail_on.exit_code(verdict))
        };
        assert_eq!(codes(FailOn::Warn), [0, 1, 3, 2]);
        assert_eq!(codes(FailOn::Unknown), [0, 0, 3, 2]);
        assert_eq!(codes(FailOn::Fail), [0, 0, 0, 2]);
    }

    #[test]
    fn outputs_name_a_format_and_a_file() {
        let parse = |text: &str| OutputSpec::parse(text.into());
        assert_eq!(parse("json=a=b").unwrap(), OutputSpec { format: Format::Json, file: "a=b".into() });
        assert!(parse("jsn=x").unwrap_err().contains("did you mean `json`?"));
        for text in ["json", "json=", "json=-", "=x", ""] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}

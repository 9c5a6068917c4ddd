//! `pathvet import`: evidence from the output of other programs.

mod lldp;

use super::output::{Sink, print_with};
use super::target::Source;
use super::{Outcome, gather};
use crate::collect::EVIDENCE_LIMIT;
use crate::error::{Error, InputError, Lines, Problem, render_problems, writeln_stderr};
use clap::{Args, ValueEnum};
use pathvet_checks::evidence::{Evidence, Host};
use pathvet_checks::parse::paste;
use std::io::Write;
use std::path::PathBuf;

/// `pathvet import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// What the files hold
    #[arg(value_name = "KIND", value_enum)]
    pub kind: ImportKind,
    /// The files; `-` is standard input
    #[arg(value_name = "FILE", required = true, value_parser = super::source())]
    pub files: Vec<Source>,
    /// The host that the files are of [default: the file's name without its extension]
    #[arg(long, value_name = "NAME", value_parser = host_name)]
    pub host: Option<String>,
    /// The interface that neighbours were heard on, where the file does not name it
    #[arg(long, value_name = "IFACE", value_parser = host_name)]
    pub interface: Option<String>,
    /// Write to this file instead of standard output
    #[arg(short = 'o', long = "out", value_name = "FILE", help_heading = "Output")]
    pub out: Option<PathBuf>,
    /// Say nothing on standard error of lines that cannot be read
    #[arg(short, long, help_heading = "Output")]
    pub quiet: bool,
}

/// What can be imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ImportKind {
    /// InfiniBand: ibstat, ibstatus, ibhosts, sminfo, saquery SMIR and -s, ip -d link, ifconfig, pasted in any order
    Ib,
    /// A capture with LLDP in it, as tcpdump -w writes it: pcap or pcapng
    Pcap,
    /// LLDP neighbours: lldpctl -f json of lldpd, lldptool -t -n -i IFACE of lldpad
    Lldp,
}

impl ImportKind {
    /// Adds what `bytes` say to the host; what cannot be read are remarks, and gaps of the host. `file` is what both call the file.
    ///
    /// # Errors
    /// Nothing in the file can be used.
    fn read(self, file: &str, bytes: &[u8], interface: Option<&str>, host: &mut Host) -> Result<Vec<Problem>, InputError> {
        match self {
            Self::Ib => infiniband(file, bytes, host),
            Self::Pcap => lldp::pcap(file, bytes, interface, host),
            Self::Lldp => lldp::text(file, bytes, interface, host),
        }
    }

    /// `import:KIND`.
    fn origin(self) -> String {
        let name = self.to_possible_value().map(|value| value.get_name().to_string());
        format!("import:{}", name.unwrap_or_default())
    }
}

pub(super) fn run(args: &ImportArgs) -> Result<Outcome, Error> {
    if args.interface.is_some() && args.kind == ImportKind::Ib {
        return Err(InputError::one("--interface", "output about InfiniBand names its interfaces itself").into());
    }
    let taken = super::now();
    let mut hosts: Vec<Host> = Vec::new();
    let (mut problems, mut remarks) = (Vec::new(), Vec::new());
    for file in &args.files {
        let read = name_of(file, args.host.as_deref()).and_then(|name| {
            let bytes = file.read(EVIDENCE_LIMIT)?;
            let at = hosts.iter().position(|host| host.name == name).unwrap_or_else(|| {
                hosts.push(Host { name, origin: args.kind.origin(), taken: Some(taken), ..Host::default() });
                hosts.len() - 1
            });
            args.kind.read(&file.name(), &bytes, args.interface.as_deref(), &mut hosts[at])
        });
        match read {
            Ok(more) => remarks.extend(more),
            Err(error) => problems.extend(error.problems),
        }
    }
    if !problems.is_empty() {
        return Err(InputError { problems }.into());
    }
    for host in &mut hosts {
        host.gaps.sort();
        host.gaps.dedup();
    }
    hosts.sort_by(|one, other| one.name.cmp(&other.name));
    let tool = concat!("pathvet ", env!("CARGO_PKG_VERSION"));
    let evidence = Evidence { hosts, ..Evidence::empty(taken, tool) };
    let sink = args.out.as_deref().map(Sink::open).transpose()?;
    if !remarks.is_empty() && !args.quiet {
        // Remarks are not worth failing for.
        drop(writeln_stderr(render_problems(&remarks, false).trim_end()));
    }
    let content = |out: &mut dyn Write| gather::write_json(&evidence, out);
    match sink {
        Some(sink) => sink.write(content)?,
        None => print_with(content)?,
    }
    Ok(Outcome::Done)
}

/// Whose facts a file holds.
fn name_of(file: &Source, given: Option<&str>) -> Result<String, InputError> {
    if let Some(name) = given {
        return Ok(name.to_string());
    }
    let stem = match file {
        Source::Stdin => None,
        Source::File(path) => path.file_stem(),
    };
    let name = stem.and_then(|stem| host_name(&stem.to_string_lossy()).ok());
    let problem = || Problem::new(&file.name(), "no name for its host follows from that").help("name the host: --host NAME");
    name.ok_or_else(|| problem().into())
}

/// A name as reports can show it.
fn host_name(text: &str) -> Result<String, String> {
    let lawful = !text.is_empty() && text.chars().count() <= 253 && !text.contains(|c: char| c.is_control() || c.is_whitespace());
    lawful.then(|| text.to_string()).ok_or_else(|| "expected a name without spaces, up to 253 characters".to_string())
}

fn infiniband(file: &str, bytes: &[u8], host: &mut Host) -> Result<Vec<Problem>, InputError> {
    let text = String::from_utf8_lossy(bytes);
    let found = paste::read(&text);
    if found.outputs == 0 {
        let problem = Problem::new(file, "nothing in it is known output about InfiniBand");
        let expected = "expected that of ibstat, ibstatus, ibhosts, sminfo, saquery SMIR, saquery -s, ip -d link or ifconfig";
        return Err(problem.expected(expected).into());
    }
    let lines = Lines::of(&text);
    let remark = |fault: &pathvet_checks::parse::Fault| {
        let start = lines.offset(usize::try_from(fault.line).unwrap_or(usize::MAX), 1);
        let length = text.get(start..).and_then(|rest| rest.lines().next()).map_or(0, str::len);
        let place = lines.place(&text, &(start..start + length));
        Problem::new(file, format!("{}: {}", fault.field, fault.message)).at(place).warning()
    };
    let remarks = found.faults.iter().map(remark).collect();
    found.add_to(host, file, "import:ib");
    Ok(remarks)
}

//! `pathvet demo`: builds a topology and vets it before the user's eyes.

use super::topologies::{ALL, Family, Scene, Topology};
use super::{Lab, LabError};
use crate::sys::ns::{hold_interrupts, release_interrupts};
use std::fmt::Write as _;
use std::io::{self, BufRead, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use thiserror::Error;

/// What `pathvet demo` was asked for.
#[derive(Debug, Clone)]
pub struct Demo {
    /// Name of a topology; none: the story of the 9614 / 9216 mismatch.
    pub topology: Option<String>,
    /// IPv4 or IPv6.
    pub family: Family,
    /// Keep the network after the run until Enter is pressed.
    pub keep: bool,
}

/// Why a demo did not run.
#[derive(Debug, Error)]
pub enum DemoError {
    /// No topology has that name. The message lists them all.
    #[error("no topology is called {name}{}\n{list}", .nearest.map(|word| format!("; did you mean {word}?")).unwrap_or_default())]
    Unknown {
        /// What was asked for.
        name: String,
        /// The nearest name, if one is near.
        nearest: Option<&'static str>,
        /// Names and summaries, one a line.
        list: String,
    },
    /// The network could not be built.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// Standard output cannot be written.
    #[error("cannot write: {0}")]
    Output(#[source] io::Error),
}

impl Demo {
    /// Builds the network, says what it is, runs `pathvet check` in node1 with this process's terminal, and gives its exit code.
    ///
    /// # Errors
    /// See [`DemoError`].
    pub fn run(&self, out: &mut impl Write) -> Result<u8, DemoError> {
        let topology = self.topology()?;
        let lab = Lab::start(topology, self.family)?;
        let scene = lab.scene();
        let mut argv = vec!["pathvet".to_owned(), "check".to_owned()];
        argv.extend(lab.target_name());
        writeln!(out, "{}\n{}\n", describe(topology, scene), argv.join(" ").replace("pathvet", "node1$ pathvet"))
            .and_then(|()| out.flush())
            .map_err(DemoError::Output)?;

        // Ctrl-C is for the run, which then says what it knows; this process waits for it.
        hold_interrupts();
        let mut command = lab.command(lab.first(), &argv)?;
        let status = command.status().map_err(|source| LabError::Process { what: "start pathvet in node1", source })?;
        release_interrupts();
        if self.keep {
            hold(&lab, out).map_err(DemoError::Output)?;
        }
        Ok(code(status))
    }

    fn topology(&self) -> Result<&'static Topology, DemoError> {
        let Some(name) = &self.topology else { return Ok(&ALL[0]) };
        Topology::find(name).ok_or_else(|| DemoError::Unknown {
            name: name.clone(),
            nearest: ALL
                .iter()
                .map(|topology| (strsim::damerau_levenshtein(name, topology.name), topology.name))
                .min()
                .filter(|(distance, _)| *distance <= 3)
                .map(|(_, name)| name),
            list: list(),
        })
    }
}

/// Tells how to enter the network and waits for Enter, or for the end of the input. Ctrl-C ends it too.
fn hold(lab: &Lab, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\nThe network stays until you press Enter. To look around:")?;
    for (host, _) in lab.processes() {
        if let Ok(line) = lab.nsenter(host) {
            writeln!(out, "  {line} sh    # {host}")?;
        }
    }
    out.flush()?;
    io::stdin().lock().read_line(&mut String::new()).map(drop)
}

/// Every topology with its summary, one a line.
#[must_use]
pub fn list() -> String {
    let width = ALL.iter().map(|topology| topology.name.len()).max().unwrap_or(0);
    ALL.iter().fold("the topologies are:".to_owned(), |mut text, topology| {
        let _ = write!(text, "\n  {:width$}  {}", topology.name, topology.summary);
        text
    })
}

/// Two lines: what the network shows, and the way from node1 to node2.
fn describe(topology: &Topology, scene: &Scene) -> String {
    let mut chain = String::new();
    for host in &scene.network.hosts {
        let mtu = |interface: &str| {
            let ends = scene.network.ends_of(&host.name).map(|(_, end)| end);
            ends.filter(|end| end.interface == interface).map(|end| end.mtu).next()
        };
        let Some(first) = host.addresses.first() else { continue };
        let separator = if chain.is_empty() { "" } else { "; " };
        let _ = write!(chain, "{separator}{} {}", host.name, first.address);
        if let Some(mtu) = mtu(&first.interface) {
            let _ = write!(chain, " ({}, MTU {mtu})", first.interface);
        }
    }
    format!("A network inside this machine: {}.\n{chain}.", topology.summary)
}

/// The exit code of a child, as a shell counts.
fn code(status: ExitStatus) -> u8 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).and_then(|code| u8::try_from(code).ok()).unwrap_or(70)
}

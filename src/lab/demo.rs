//! `pathvet demo`: builds a topology and vets it before the user's eyes.

use super::network::Host;
use super::topologies::{ALL, Family, Scene, Topology};
use super::{Lab, LabError};
use crate::sys::ns::{hold_interrupts, release_interrupts};
use std::collections::VecDeque;
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

/// Two lines: what the network shows, and the way from node1 to the target.
fn describe(topology: &Topology, scene: &Scene) -> String {
    let way: Vec<_> = way(scene).into_iter().map(|host| label(host, scene)).collect();
    format!("A network inside this machine: {}.\n{}", topology.summary, way.join(" - "))
}

/// A host with its address and interface; a switch or box has but a name.
fn label(host: &Host, scene: &Scene) -> String {
    let Some(first) = host.addresses.first() else { return host.name.clone() };
    let end = scene.network.ends_of(&host.name).map(|(_, end)| end).find(|end| end.interface == first.interface);
    let mtu = end.map(|end| format!(", MTU {}", end.mtu)).unwrap_or_default();
    format!("{} {} ({}{mtu})", host.name, first.address, first.interface)
}

/// The hosts from the first to the one that has the target's address, along the fewest cables. Nobody has it: every host.
fn way(scene: &Scene) -> Vec<&Host> {
    let network = &scene.network;
    let has_target = |host: &Host| host.addresses.iter().any(|address| Some(address.address) == scene.target);
    let mut ways: VecDeque<Vec<&Host>> = network.hosts.first().map(|host| vec![host]).into_iter().collect();
    let mut seen: Vec<&str> = Vec::new();
    while let Some(way) = ways.pop_front() {
        let Some(last) = way.last().copied() else { break };
        if has_target(last) {
            return way;
        }
        for [a, b] in network.cables.iter().map(|cable| &cable.ends) {
            let Some(next) = (a.host == last.name).then_some(&b.host).or((b.host == last.name).then_some(&a.host)) else {
                continue;
            };
            if seen.contains(&next.as_str()) {
                continue;
            }
            seen.push(next);
            if let Some(host) = network.hosts.iter().find(|host| host.name == *next) {
                ways.push_back(way.iter().copied().chain([host]).collect());
            }
        }
    }
    network.hosts.iter().collect()
}

/// The exit code of a child, as a shell counts.
fn code(status: ExitStatus) -> u8 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).and_then(|code| u8::try_from(code).ok()).unwrap_or(70)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_leads_to_the_target() {
        let lines = |name: &str| {
            let topology = Topology::find(name).expect("it exists");
            describe(topology, &topology.scene(Family::V4)).lines().nth(1).map(str::to_owned)
        };
        let story = "node1 192.0.2.1 (eth0, MTU 9600) - sw1 - node2 192.0.2.2 (eth0, MTU 9600)";
        assert_eq!(lines("story").as_deref(), Some(story));
        let router = "node1 192.0.2.1 (eth0, MTU 9000) - r1 192.0.2.254 (eth0, MTU 9000) - node2 198.51.100.2 (eth0, MTU 1500)";
        assert_eq!(lines("router").as_deref(), Some(router));
        assert_eq!(lines("self").as_deref(), Some("node1 192.0.2.1 (eth0, MTU 9000)"));
        let nobody = lines("host-down").unwrap_or_default();
        assert!(nobody.contains("node1") && nobody.contains("node2"), "{nobody}");
    }
}

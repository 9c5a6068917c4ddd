//! What the processes of a lab say to each other: one line of JSON at a time.

use super::forward::Counters;
use super::network::{Network, Rules};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};

/// What a host's process is told.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// The first line: the network, and which of its hosts this is.
    Prepare { network: Box<Network>, host: String },
    /// The cables are there: configure.
    Configure,
    /// For the first host, which passes it on: tell what a host counted.
    Count { host: String },
    /// For the first host, which passes it on: other rules for a forwarder.
    Change { host: String, forward: Box<Rules>, reverse: Box<Rules> },
}

/// What it answers.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// Done.
    Done,
    /// The first host's answer when the network stands.
    Built(Built),
    /// See [`Order::Count`]. None: the host is no forwarder.
    Counted(Option<[Counters; 2]>),
    /// It could not be done.
    Failed(Failure),
}

/// How to get into a network that stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Built {
    /// A process in each host.
    pub(super) pids: BTreeMap<String, u32>,
    /// Whether the hosts are in a user namespace of their own.
    pub(super) user_namespace: bool,
    /// Whether the hosts' names resolve in the first host.
    pub(super) names: bool,
}

/// Why a lab could not be built.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Failure {
    /// On which host.
    pub(super) host: String,
    /// What was being done, and the kernel's words.
    pub(super) what: String,
    /// Whether it was the making of namespaces.
    pub(super) namespaces: bool,
}

/// Writes one line.
pub(super) fn write_line(to: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    to.write_all(&line)?;
    to.flush()
}

/// Reads one line; `UnexpectedEof` when the other side has ended.
pub(super) fn read_line<T: DeserializeOwned>(from: &mut impl BufRead) -> io::Result<T> {
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(serde_json::from_str(&line)?)
}

//! The built-in network: real namespaces, bridges and routers, without root.
//!
//! [`Lab::start`] builds one of the [`topologies`] and [`Lab::run`] executes programs on its hosts. Every host is a process
//! with its own network namespace; dropping the [`Lab`], or killing this process, ends them all.

pub mod demo;
mod forward;
#[doc(hidden)]
pub mod fuzz;
mod host;
mod netlink;
pub mod network;
mod packet;
mod protocol;
pub mod topologies;

pub use forward::Counters;
pub use host::{COMMAND, lab_host_main};

use crate::sys::ns::user_and_group;
use host::OWN_PROGRAM;
use network::Rules;
use protocol::{Answer, Built, Failure, Order, read_line, write_line};
use std::ffi::OsStr;
use std::fs;
use std::io::{self, BufReader};
use std::net::{IpAddr, Shutdown};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use thiserror::Error;
use topologies::{Family, Scene, Topology};

/// A network that runs.
#[derive(Debug)]
pub struct Lab {
    program: PathBuf,
    built: Built,
    first: String,
    scene: Scene,
    control: Mutex<BufReader<UnixStream>>,
    keeper: Option<JoinHandle<()>>,
}

/// What a program in a lab's host did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to standard output; bytes that are not UTF-8 are replaced.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

/// Why there is no lab.
#[derive(Debug, Error)]
pub enum LabError {
    /// The machine does not let this user make networks of its own.
    #[error("{reason}; {remedy} ({failure})")]
    Forbidden {
        /// The setting that forbids it, and its value.
        reason: String,
        /// What allows it.
        remedy: String,
        /// What the kernel said.
        failure: String,
    },
    /// A step of building it failed.
    #[error("cannot build the network: {host}: {what}")]
    Build {
        /// On which host.
        host: String,
        /// What was being done, and the kernel's words.
        what: String,
    },
    /// The network has no such host.
    #[error("the network has no host {name}; it has {known}")]
    UnknownHost {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// A process could not be started or reached.
    #[error("cannot {what}")]
    Process {
        /// What was being done.
        what: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl Lab {
    /// Builds a topology; when this returns, packets pass.
    ///
    /// # Errors
    /// [`LabError::Forbidden`] where user namespaces are not allowed, else what went wrong where.
    pub fn start(topology: &Topology, family: Family) -> Result<Self, LabError> {
        Self::build(Path::new(OWN_PROGRAM), topology.scene(family))
    }

    /// The same with another copy of pathvet for the hosts. A test's own program is not pathvet, so tests name it.
    ///
    /// # Errors
    /// As [`Lab::start`].
    pub fn start_with(program: &Path, topology: &Topology, family: Family) -> Result<Self, LabError> {
        Self::build(program, topology.scene(family))
    }

    /// Builds a scene that the caller may have changed, such as its seed.
    ///
    /// # Errors
    /// As [`Lab::start`].
    pub fn build(program: &Path, scene: Scene) -> Result<Self, LabError> {
        let network = &scene.network;
        let process = |what| move |source| LabError::Process { what, source };
        let first = network.hosts.first().map(|host| host.name.clone()).unwrap_or_default();
        let (ours, theirs) = UnixStream::pair().map_err(process("make a socket pair"))?;
        let mut command = host::first_host(program, theirs);
        // The hosts die with the thread that started them, not only with this process: so it waits for their end.
        let (started, start) = std::sync::mpsc::channel();
        let keeper = std::thread::spawn(move || {
            let child = command.spawn();
            // Its copy of the hosts' end must close, or their end would not be seen here.
            drop(command);
            match child {
                Ok(mut child) => {
                    let _ = started.send(Ok(()));
                    let _ = child.wait();
                }
                Err(error) => drop(started.send(Err(error))),
            }
        });
        start.recv().unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into())).map_err(process("start a host"))?;

        let mut control = BufReader::new(ours);
        let order = Order::Prepare { network: Box::new(network.clone()), host: first.clone() };
        write_line(control.get_mut(), &order).map_err(process("reach a host"))?;
        let answer = read_line(&mut control);
        let mut lab = Self {
            program: program.to_owned(),
            built: Built { pids: std::collections::BTreeMap::new(), user_namespace: false, names: false },
            first,
            scene,
            control: Mutex::new(control),
            keeper: Some(keeper),
        };
        match answer.map_err(process("hear from a host"))? {
            Answer::Built(built) => lab.built = built,
            Answer::Failed(failure) => return Err(explain(failure)),
            Answer::Done | Answer::Counted(_) => return Err(process("understand a host")(io::ErrorKind::InvalidData.into())),
        }
        Ok(lab)
    }

    /// A program on a host, to be started as the caller likes. `pathvet` means this program.
    ///
    /// It runs as root of the lab and is killed when the thread that starts it ends.
    ///
    /// # Errors
    /// [`LabError::UnknownHost`].
    pub fn command(&self, host: &str, argv: &[impl AsRef<OsStr>]) -> Result<Command, LabError> {
        self.entering(host, argv, true)
    }

    /// The same without any right, as an ordinary user would have it.
    ///
    /// # Errors
    /// [`LabError::UnknownHost`].
    pub fn command_without_rights(&self, host: &str, argv: &[impl AsRef<OsStr>]) -> Result<Command, LabError> {
        self.entering(host, argv, false)
    }

    /// Runs a program on a host to its end.
    ///
    /// # Errors
    /// [`LabError::UnknownHost`], or that no process could be started. That the program fails or is missing is in the output.
    pub fn run(&self, host: &str, argv: &[impl AsRef<OsStr>]) -> Result<Output, LabError> {
        output(self.command(host, argv)?)
    }

    /// The same without any right.
    ///
    /// # Errors
    /// As [`Lab::run`].
    pub fn run_without_rights(&self, host: &str, argv: &[impl AsRef<OsStr>]) -> Result<Output, LabError> {
        output(self.command_without_rights(host, argv)?)
    }

    /// The address to vet; none: `pathvet check` alone.
    #[must_use]
    pub fn target(&self) -> Option<IpAddr> {
        self.scene.target
    }

    /// The target as a user would write it: by name where it has one that resolves in the first host.
    #[must_use]
    pub fn target_name(&self) -> Option<String> {
        let target = self.scene.target?;
        let mut names = self.scene.network.names.iter();
        let name = names.find(|(address, _)| self.built.names && *address == target).map(|(_, name)| name.clone());
        Some(name.unwrap_or_else(|| target.to_string()))
    }

    /// What is built, and what is right about it.
    #[must_use]
    pub fn scene(&self) -> &Scene {
        &self.scene
    }

    /// The host on which pathvet runs.
    #[must_use]
    pub fn first(&self) -> &str {
        &self.first
    }

    /// A process in each host, by name.
    pub fn processes(&self) -> impl Iterator<Item = (&str, u32)> {
        self.built.pids.iter().map(|(name, pid)| (name.as_str(), *pid))
    }

    /// The command line that enters a host from another terminal.
    ///
    /// # Errors
    /// [`LabError::UnknownHost`].
    pub fn nsenter(&self, host: &str) -> Result<String, LabError> {
        let user = if self.built.user_namespace { " -U --preserve-credentials" } else { "" };
        Ok(format!("nsenter -t {}{user} -n -m -u", self.pid(host)?))
    }

    /// What a forwarder has done so far, forward and reverse. None: that host is no forwarder.
    ///
    /// # Errors
    /// [`LabError::UnknownHost`], or that the lab has ended.
    pub fn counters(&self, host: &str) -> Result<Option<[Counters; 2]>, LabError> {
        match self.order(host, &Order::Count { host: host.to_owned() })? {
            Answer::Counted(counters) => Ok(counters),
            _ => Ok(None),
        }
    }

    /// Gives a forwarder other rules while the network runs.
    ///
    /// # Errors
    /// [`LabError::UnknownHost`], or that the lab has ended.
    pub fn change(&self, host: &str, forward: Rules, reverse: Rules) -> Result<(), LabError> {
        let (forward, reverse) = (Box::new(forward), Box::new(reverse));
        self.order(host, &Order::Change { host: host.to_owned(), forward, reverse }).map(drop)
    }

    fn order(&self, host: &str, order: &Order) -> Result<Answer, LabError> {
        self.pid(host)?;
        let mut control = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        write_line(control.get_mut(), order)
            .and_then(|()| read_line(&mut *control))
            .map_err(|source| LabError::Process { what: "reach a host", source })
    }

    fn entering(&self, host: &str, argv: &[impl AsRef<OsStr>], rights: bool) -> Result<Command, LabError> {
        let mut command = host::entering(&self.program, &self.built, self.pid(host)?, rights);
        command.args(argv);
        Ok(command)
    }

    fn pid(&self, host: &str) -> Result<u32, LabError> {
        self.built.pids.get(host).copied().ok_or_else(|| LabError::UnknownHost {
            name: host.to_owned(),
            known: self.built.pids.keys().cloned().collect::<Vec<_>>().join(", "),
        })
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // The first host ends with this stream, and ends the others before itself.
        let control = self.control.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ = control.get_ref().shutdown(Shutdown::Both);
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.join();
        }
    }
}

fn output(mut command: Command) -> Result<Output, LabError> {
    let output =
        command.stdin(Stdio::null()).output().map_err(|source| LabError::Process { what: "start a program in a host", source })?;
    Ok(Output {
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Finds the setting behind a refusal.
fn explain(failure: Failure) -> LabError {
    if !failure.namespaces {
        return LabError::Build { host: failure.host, what: failure.what };
    }
    let read = |key: &str| fs::read_to_string(Path::new("/proc/sys").join(key.replace('.', "/"))).ok();
    let (reason, remedy) = forbidding(read, user_and_group().0 == 0);
    LabError::Forbidden { reason, remedy, failure: failure.what }
}

/// What forbids namespaces, and what allows them; `read` gives a sysctl's value.
fn forbidding(read: impl Fn(&str) -> Option<String>, root: bool) -> (String, String) {
    const KEYS: [(&str, &str, &str); 4] = [
        ("kernel.unprivileged_userns_clone", "0", "1"),
        ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
        ("user.max_user_namespaces", "0", "10000"),
        ("user.max_net_namespaces", "0", "10000"),
    ];
    for (key, forbids, allows) in KEYS {
        if read(key).is_some_and(|value| value.trim() == forbids) {
            let remedy = format!("it works with sudo, or after: sysctl -w {key}={allows}");
            return (format!("{key} is {forbids}, so an ordinary user cannot make a network here"), remedy);
        }
    }
    let remedy = "a container needs CAP_SYS_ADMIN, or a seccomp profile that allows unshare".to_owned();
    if root {
        ("this root may not make namespaces, although no sysctl forbids it".to_owned(), remedy)
    } else {
        let reason = "this user may not make namespaces, although no sysctl forbids it: a seccomp filter, or a kernel without them";
        (reason.to_owned(), format!("it works with sudo; {remedy}"))
    }
}

#[cfg(test)]
mod tests {
    use super::forbidding;

    #[test]
    fn the_forbidding_setting_is_named() {
        let only = |name: &'static str, value: &'static str| move |key: &str| (key == name).then(|| format!("{value}\n"));
        for (key, value, allows) in [
            ("kernel.unprivileged_userns_clone", "0", "1"),
            ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
            ("user.max_user_namespaces", "0", "10000"),
        ] {
            let (reason, remedy) = forbidding(only(key, value), false);
            assert_eq!(reason, format!("{key} is {value}, so an ordinary user cannot make a network here"));
            assert_eq!(remedy, format!("it works with sudo, or after: sysctl -w {key}={allows}"));
        }
        assert!(forbidding(only("kernel.unprivileged_userns_clone", "1"), false).0.contains("seccomp"));
        assert!(!forbidding(|_| None, true).1.contains("sudo"), "root has that already");
    }
}

//! The only place that starts processes.
//!
//! A fixed list of programs, each found under a fixed list of directories and never along `PATH`. A child runs with an empty
//! environment but `LC_ALL=C`, no input, its own process group, a time-out, and a cap on what it may print; when it is done
//! with, its whole group is killed.

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::io::{self, Read};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Where programs are looked for, in this order.
const DIRECTORIES: [&str; 4] = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"];
/// What a child may print before it is stopped.
const OUTPUT_LIMIT: u64 = 1 << 20;

/// A program that may be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// getent(1): names through the system's own resolver.
    Getent,
    /// lldpctl(8): the neighbours that lldpd knows.
    Lldpctl,
}

impl Program {
    const fn name(self) -> &'static str {
        match self {
            Self::Getent => "getent",
            Self::Lldpctl => "lldpctl",
        }
    }

    fn path(self) -> Option<PathBuf> {
        DIRECTORIES.iter().map(|directory| PathBuf::from(directory).join(self.name())).find(|path| path.is_file())
    }
}

/// What a child left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// What it printed, at most 1 MiB.
    pub stdout: Vec<u8>,
}

/// Why a child did not finish.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// The program is in none of the directories.
    #[error("{0} is not installed in /usr/bin, /bin, /usr/sbin or /sbin")]
    Missing(&'static str),
    /// It could not be started or read from.
    #[error("{0} cannot be run")]
    Io(&'static str, #[source] io::Error),
    /// It did not finish in time.
    #[error("{program} gave no answer within {} ms", after.as_millis())]
    TimedOut {
        /// The program.
        program: &'static str,
        /// The time that it had.
        after: Duration,
    },
    /// It printed more than is read.
    #[error("{0} printed more than 1 MiB")]
    TooMuch(&'static str),
}

/// Runs a program to its end.
///
/// # Errors
///
/// [`ChildError`]; an exit code other than 0 is none.
pub fn run(program: Program, arguments: &[&str], timeout: Duration) -> Result<Output, ChildError> {
    let path = program.path().ok_or(ChildError::Missing(program.name()))?;
    let mut command = Command::new(path);
    command.args(arguments);
    finish(command, program.name(), timeout)
}

/// Starts the command and waits for the end of its output, then for its end.
fn finish(mut command: Command, name: &'static str, timeout: Duration) -> Result<Output, ChildError> {
    let begun = Instant::now();
    command.env_clear().env("LC_ALL", "C").current_dir("/").process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let child = command.spawn().map_err(|error| ChildError::Io(name, error))?;
    let mut group = Group { child, reaped: false };
    let Some(stdout) = group.child.stdout.take() else { return Err(ChildError::Io(name, io::ErrorKind::BrokenPipe.into())) };

    let (send, receive) = mpsc::sync_channel(1);
    thread::Builder::new()
        .name(format!("{name} output"))
        .spawn(move || {
            let mut bytes = Vec::new();
            let read = stdout.take(OUTPUT_LIMIT + 1).read_to_end(&mut bytes);
            // Nobody listens any more after the time-out.
            let _ = send.send(read.map(|_| bytes));
        })
        .map_err(|error| ChildError::Io(name, error))?;
    let timed_out = || ChildError::TimedOut { program: name, after: timeout };
    let stdout = match receive.recv_timeout(timeout) {
        Ok(Ok(bytes)) if bytes.len() as u64 > OUTPUT_LIMIT => return Err(ChildError::TooMuch(name)),
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) => return Err(ChildError::Io(name, error)),
        Err(_) => return Err(timed_out()),
    };
    // The output is closed: the child is about to end, or it lingers and is killed for it.
    let mut pause = Duration::from_micros(100);
    loop {
        match waitid(WaitId::Pid(group.pid()), WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT) {
            Ok(Some(_)) => break,
            Ok(None) if begun.elapsed() >= timeout => return Err(timed_out()),
            Ok(None) | Err(Errno::INTR) => thread::sleep(pause),
            Err(error) => return Err(ChildError::Io(name, error.into())),
        }
        pause = (pause * 2).min(Duration::from_millis(5));
    }
    let status = group.end().map_err(|error| ChildError::Io(name, error))?;
    Ok(Output { code: status.code(), stdout })
}

/// A child that leads a process group. Dropped, the whole group is killed and the child reaped, however it ended.
struct Group {
    child: Child,
    reaped: bool,
}

impl Group {
    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Kills what is left of the group, then reaps its leader: not before, or its number could be another's by now.
    fn end(&mut self) -> io::Result<ExitStatus> {
        let _ = kill_process_group(self.pid(), Signal::KILL);
        let status = self.child.wait();
        self.reaped = true;
        status
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.reaped {
            let _ = self.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    }

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn output_and_code_come_back() {
        let output = finish(shell("echo \"$LC_ALL:$HOME:$(pwd)\"; exit 3"), "sh", LONG).expect("runs");
        assert_eq!((output.code, output.stdout.as_slice()), (Some(3), b"C::/\n".as_slice()));
    }

    #[test]
    fn the_whole_group_is_killed_at_the_time_out() {
        // The inner sleep holds the output open; both must be gone.
        let result = finish(shell("sleep 1000 & echo $!; sleep 1000"), "sh", Duration::from_millis(50));
        assert!(matches!(result, Err(ChildError::TimedOut { .. })), "{result:?}");
        // A child that closes its output and lingers is killed too.
        let result = finish(shell("exec >&-; exec sleep 1000"), "sh", Duration::from_millis(50));
        assert!(matches!(result, Err(ChildError::TimedOut { .. })), "{result:?}");
    }

    #[test]
    fn endless_output_is_cut() {
        let result = finish(shell("while :; do echo 0123456789012345678901234567890123456789; done"), "sh", LONG);
        assert!(matches!(result, Err(ChildError::TooMuch("sh"))), "{result:?}");
    }
}

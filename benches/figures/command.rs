//! Runs a command, measures how long it takes, and ends it when it takes too long.

use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// What a command did.
pub(crate) struct Run {
    /// From before its start to its end, or to the cap.
    pub(crate) wall: Duration,
    /// It was ended at the cap.
    pub(crate) capped: bool,
    /// What it printed.
    pub(crate) stdout: String,
}

/// Runs `command` for at most `cap`.
pub(crate) fn run(mut command: Command, cap: Duration) -> Run {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let start = Instant::now();
    let mut child = command.spawn().expect("a command can be started");
    let mut pipe = child.stdout.take().expect("it is a pipe");
    let (ended, end) = mpsc::channel();
    let (read, text) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = [0; 16384];
        while let Ok(count @ 1..) = pipe.read(&mut bytes) {
            let _ = read.send(bytes[..count].to_vec());
        }
        let _ = ended.send(());
    });
    let capped = end.recv_timeout(cap).is_err();
    if capped {
        // What it has started may hold the pipe for a while; nobody waits for that.
        child.kill().expect("it is our child");
    }
    child.wait().expect("it is our child");
    let wall = start.elapsed();
    let bytes: Vec<u8> = text.try_iter().flatten().collect();
    Run { wall, capped, stdout: String::from_utf8_lossy(&bytes).into_owned() }
}

/// Runs `command` to its end without a look at what it prints; also the most memory that it held, in KiB.
pub(crate) fn run_and_weigh(mut command: Command) -> (Duration, u64) {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let start = Instant::now();
    let mut child = command.spawn().expect("a command can be started");
    let status = format!("/proc/{}/status", child.id());
    let (stop, stopped) = mpsc::channel::<()>();
    // The kernel keeps the high-water mark (VmHWM, proc_pid_status(5)), which is gone with the process: the last one seen counts.
    let watcher = std::thread::spawn(move || {
        let mut most = 0;
        while let Err(mpsc::RecvTimeoutError::Timeout) = stopped.recv_timeout(Duration::from_millis(2)) {
            let text = fs::read_to_string(&status).unwrap_or_default();
            let mark = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let mark = mark.and_then(|mark| mark.trim().split(' ').next()?.parse().ok());
            most = mark.unwrap_or(0).max(most);
        }
        most
    });
    child.wait().expect("it is our child");
    let wall = start.elapsed();
    drop(stop);
    (wall, watcher.join().expect("the watcher ends"))
}

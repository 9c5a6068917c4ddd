//! One line on standard error that says how far a long run has come.

use std::io::{self, Write};
use std::time::Duration;

/// Runs shorter than this show nothing.
const QUIET: Duration = Duration::from_secs(1);
/// The line is not written more often than this.
const EVERY: Duration = Duration::from_millis(100);

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Done {
    /// Paths with a verdict.
    pub paths: usize,
    /// Paths in all.
    pub of: usize,
    /// Probes sent so far.
    pub probes: u64,
}

/// The line, rewritten in place. It reads no clock: the caller says how much time has passed since the run began.
#[derive(Debug)]
pub struct Progress<W: Write> {
    out: W,
    terminal: bool,
    last: Option<Duration>,
}

impl<W: Write> Progress<W> {
    /// Writes to `out` if it is a terminal, and nothing otherwise.
    pub const fn new(out: W, terminal: bool) -> Self {
        Self { out, terminal, last: None }
    }

    /// Shows how far the run has come, if it is time to.
    ///
    /// # Errors
    /// What writing to the terminal returned.
    pub fn update(&mut self, elapsed: Duration, done: Done) -> io::Result<()> {
        let due = self.last.map_or(QUIET, |last| last + EVERY);
        if !self.terminal || elapsed < due {
            return Ok(());
        }
        self.last = Some(elapsed);
        self.write(&line(elapsed, done))
    }

    /// Shows for how many interfaces neighbours are still waited for.
    ///
    /// # Errors
    /// What writing to the terminal returned.
    pub fn listening(&mut self, heard: usize, of: usize, left: Duration) -> io::Result<()> {
        if !self.terminal {
            return Ok(());
        }
        self.last.get_or_insert_default();
        let plural = if of == 1 { "interface" } else { "interfaces" };
        self.write(&format!("pathvet: LLDP heard on {heard} of {of} {plural}, waiting {} s more at most", left.as_secs() + 1))
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        write!(self.out, "\r{line}\u{1b}[K")?;
        self.out.flush()
    }

    /// Takes the line away. Also happens when this is dropped.
    ///
    /// # Errors
    /// What writing to the terminal returned.
    pub fn clear(&mut self) -> io::Result<()> {
        if self.last.take().is_none() {
            return Ok(());
        }
        write!(self.out, "\r\u{1b}[K")?;
        self.out.flush()
    }
}

impl<W: Write> Drop for Progress<W> {
    fn drop(&mut self) {
        // A terminal that has gone away is no reason to fail a run that is over.
        let _ = self.clear();
    }
}

fn line(elapsed: Duration, done: Done) -> String {
    let Done { paths, of, probes } = done;
    let (path_word, probe_word) = (if of == 1 { "path" } else { "paths" }, if probes == 1 { "probe" } else { "probes" });
    format!("pathvet: {paths} of {of} {path_word}, {probes} {probe_word}, {} s", elapsed.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(terminal: bool, millis: &[u64]) -> String {
        let mut out = Vec::new();
        {
            let mut progress = Progress::new(&mut out, terminal);
            for &ms in millis {
                let done = Done { paths: 12, of: 64, probes: 431 };
                progress.update(Duration::from_millis(ms), done).expect("a Vec takes everything");
            }
        }
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn a_short_run_and_a_pipe_show_nothing() {
        assert_eq!(run(true, &[1, 500, 999]), "");
        assert_eq!(run(false, &[1, 5000]), "");
    }

    #[test]
    fn a_long_run_is_shown_at_most_ten_times_a_second_and_cleared() {
        let line = |seconds| format!("\rpathvet: 12 of 64 paths, 431 probes, {seconds} s\u{1b}[K");
        assert_eq!(run(true, &[1000, 1050, 3001]), format!("{}{}\r\u{1b}[K", line(1), line(3)));
    }
}

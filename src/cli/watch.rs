//! What the user sees while a run goes on.

use crate::probe::{Observer, Progress};
use crate::report::View;
use crate::report::ladder::Live;
use crate::report::progress::{self, Done};
use pathvet_checks::evidence::{Path, Rung, RungOutcome};
use std::io::{self, IsTerminal, Stderr, Stdout};
use std::time::Duration;

/// The progress line of a long run, on standard error where that is a terminal.
pub(crate) struct ProgressLine(progress::Progress<Stderr>);

impl ProgressLine {
    pub(crate) fn new(quiet: bool) -> Self {
        Self(progress::Progress::new(io::stderr(), !quiet && io::stderr().is_terminal()))
    }
}

impl Observer for ProgressLine {
    fn progress(&mut self, progress: Progress) {
        let done = Done { paths: progress.done, of: progress.total, probes: progress.probes };
        // A terminal that went away is no reason to stop.
        drop(self.0.update(progress.elapsed, done));
    }

    fn listening(&mut self, heard: usize, of: usize, left: Duration) {
        drop(self.0.listening(heard, of, left));
    }
}

/// The ladder of one path, filling while it is measured.
pub(crate) struct LiveLadder {
    live: Live<Stdout>,
    terminal: bool,
    path: Path,
    expected: Option<u32>,
}

impl LiveLadder {
    pub(crate) fn new(view: View, expected: Option<u32>) -> Self {
        let terminal = io::stdout().is_terminal();
        let rows = terminal_size::terminal_size_of(io::stdout()).map_or(24, |(_, height)| usize::from(height.0));
        let live = Live::new(io::stdout(), view, terminal, rows);
        Self { live, terminal, path: Path::new("", "", jiff::Timestamp::UNIX_EPOCH), expected }
    }

    /// Leaves the end result on the screen.
    pub(crate) fn finish(self, path: &Path) -> io::Result<()> {
        self.live.finish(path, self.expected)
    }
}

impl Observer for LiveLadder {
    fn ladder(&mut self, path: usize, rungs: &[Rung], largest: u32) {
        if path == 0 {
            // A probe that is still on its way looks like one that vanished.
            let decided = |rung: &&Rung| rung.outcome != RungOutcome::Silent || rung.sent > 1;
            self.path.rungs = rungs.iter().filter(decided).copied().collect();
            self.path.path_mtu = Some(largest);
            // A terminal that went away is no reason to stop.
            drop(self.live.update(&self.path, self.expected));
        }
    }

    /// What was said cannot be taken back where the output is no terminal: there the end result is printed alone.
    fn wants_ladder(&self) -> bool {
        self.terminal
    }
}

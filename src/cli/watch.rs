//! Shows a run while it goes on: one line on standard error, or the ladder of `probe`.

use crate::probe::{Observer, Progress};
use crate::report::View;
use crate::report::ladder::Live;
use crate::report::progress::{self, Done};
use pathvet_checks::evidence::{Path, Rung};
use std::io::{self, IsTerminal, Stderr, Stdout};

/// The progress line.
pub(super) struct OnStderr(progress::Progress<Stderr>);

impl OnStderr {
    pub(super) fn new() -> Self {
        Self(progress::Progress::new(io::stderr(), io::stderr().is_terminal()))
    }
}

impl Observer for OnStderr {
    fn progress(&mut self, progress: Progress) {
        let done = Done { paths: progress.done, of: progress.total, probes: progress.probes };
        // A progress line that cannot be shown is not missed.
        drop(self.0.update(progress.elapsed, done));
    }
}

/// The ladder of one path, filling.
pub(super) struct LadderOnStdout {
    live: Live<Stdout>,
    path: Path,
    expected: Option<u32>,
}

impl LadderOnStdout {
    pub(super) fn new(to: &str, expected: Option<u32>, view: View, rows: usize) -> Self {
        let terminal = io::stdout().is_terminal();
        Self { live: Live::new(io::stdout(), view, terminal, rows), path: Path::new("", to, jiff::Timestamp::UNIX_EPOCH), expected }
    }

    /// Shows the end result of one path.
    pub(super) fn finish(self, path: &Path) -> io::Result<()> {
        self.live.finish(path, self.expected)
    }
}

impl Observer for LadderOnStdout {
    fn ladder(&mut self, path: usize, rungs: &[Rung], largest: u32) {
        // A name with two families has two paths; the first one is shown live.
        if path != 0 || self.path.rungs == rungs {
            return;
        }
        self.path.rungs = rungs.to_vec();
        self.path.path_mtu = (largest > 0).then_some(largest);
        drop(self.live.update(&self.path, self.expected));
    }

    fn wants_ladder(&self) -> bool {
        true
    }
}

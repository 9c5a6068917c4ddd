//! Renders a report: table, JSON, the live ladder and the progress line. It only renders; nothing here judges.

pub mod json;
pub mod ladder;
pub mod progress;
pub mod table;
pub mod tune;

mod paths;
mod side;
mod text;

/// How a report is to be shown. The caller decides: this module asks neither the terminal nor the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// Columns of the terminal; text is wrapped to it, single long words are not broken.
    pub width: usize,
    /// Write ANSI colours.
    pub color: bool,
    /// Characters beyond ASCII may be written; otherwise `->` stands for the arrow and the rest is escaped.
    pub utf8: bool,
    /// `-v`: list every path, every size and every source.
    pub verbose: u8,
    /// `-q`: the verdict line alone, and only where the verdict is not PASS.
    pub quiet: bool,
}

impl Default for View {
    fn default() -> Self {
        Self { width: 80, color: false, utf8: false, verbose: 0, quiet: false }
    }
}

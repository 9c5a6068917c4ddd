//! The four kinds of trouble that a user can see.
//!
//! What the world refuses is a [`Gap`](pathvet_checks::evidence::Gap): data, part of the evidence. The other three end the run:
//! [`InputError`] (arguments and files, exit code 64), [`OutputError`] (a result cannot be written, 74) and [`Bug`] (70).

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::panic;
use std::path::{Path, PathBuf};

/// Why a run ended without its result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Arguments that clap refused, or its answer to `--help` and `--version`.
    #[error(transparent)]
    Usage(#[from] clap::Error),
    /// A plan, a list, an evidence file or an argument is wrong.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A result cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// pathvet itself is wrong.
    #[error(transparent)]
    Bug(#[from] Bug),
}

impl Error {
    /// The exit code of this error (`sysexits.h`: usage 64, software 70, input/output 74); 0 for `--help` and `--version`.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(error) if !error.use_stderr() => 0,
            Self::Usage(_) | Self::Input(_) => 64,
            Self::Bug(_) => 70,
            Self::Output(_) => 74,
        }
    }
}

/// A state that cannot be, found at run time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("internal error: {0}. This is a bug in pathvet: please report it with the command that you ran")]
pub struct Bug(pub String);

/// A result that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {}: {source}", printable(&place.display().to_string()))]
pub struct OutputError {
    /// `create`, `write`, …
    pub operation: &'static str,
    /// The file, or `standard output`.
    pub place: PathBuf,
    /// The system's answer.
    pub source: std::io::Error,
}

impl OutputError {
    /// `operation` on `place` failed.
    #[must_use]
    pub fn new(operation: &'static str, place: &Path, source: std::io::Error) -> Self {
        Self { operation, place: place.to_path_buf(), source }
    }
}

/// Every mistake of one input, so that they can be mended in one go.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InputError {
    /// The mistakes, in the order of the input.
    pub problems: Vec<Problem>,
}

/// One mistake, or one remark on an input that is otherwise fine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What it does to the run.
    pub severity: Severity,
    /// The file, `standard input`, or the flag.
    pub origin: String,
    /// Where in the file.
    pub place: Option<Place>,
    /// What is wrong, without a full stop.
    pub message: String,
    /// What was expected; stands under the marked text.
    pub expected: Option<String>,
    /// What to do: the nearest right word, another spelling.
    pub help: Option<String>,
}

/// What a [`Problem`] does to the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// It ends the run with 64.
    Error,
    /// It is only said.
    Warning,
}

/// A place in a text file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// The line itself, or nothing where it is too long to be shown.
    pub text: Option<String>,
    /// The marked part of `text`, in bytes; it ends with the line.
    pub marked: Range<usize>,
}

/// Most problems that are printed of one input.
pub(crate) const MOST_SHOWN: usize = 50;
/// Lines longer than this (bytes) are not printed.
const LONGEST_LINE: usize = 1000;

impl Problem {
    /// A mistake in `origin`, which is a file, `standard input` or a flag.
    #[must_use]
    pub fn new(origin: &str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            origin: origin.to_string(),
            place: None,
            message: message.into(),
            expected: None,
            help: None,
        }
    }

    /// Where it is.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// What was expected instead.
    #[must_use]
    pub fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    /// What to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The nearest right word to `word`, if any of `words` is near, as help.
    #[must_use]
    pub fn nearest<'w>(self, word: &str, words: impl IntoIterator<Item = &'w str>) -> Self {
        match nearest(word, words) {
            Some(near) => self.help(format!("did you mean `{near}`?")),
            None => self,
        }
    }

    /// The same as a remark that does not end the run.
    #[must_use]
    pub fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// Line and column, for sorting.
    #[must_use]
    pub fn position(&self) -> (usize, usize) {
        self.place.as_ref().map_or((0, 0), |place| (place.line, place.column))
    }

    fn render(&self, renderer: &Renderer) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let message = match &self.place {
            Some(_) => printable(&self.message).into_owned(),
            None => format!("{}: {}", printable(&self.origin), printable(&self.message)),
        };
        let expected = self.expected.as_deref().map(printable);
        let mut group = Group::with_title(level.primary_title(message));
        let mut labelled = false;
        if let Some(place) = &self.place {
            let path = printable(&self.origin).into_owned();
            if let Some(text) = &place.text {
                labelled = expected.is_some();
                let mark = AnnotationKind::Primary.span(place.marked.clone());
                let mark = mark.label(expected.clone());
                group = group.element(Snippet::source(text.as_str()).line_start(place.line).path(path).annotation(mark));
            } else {
                group = group.element(Origin::path(path).line(place.line).char_column(place.column));
            }
        }
        if let (false, Some(expected)) = (labelled, &expected) {
            group = group.element(Level::NOTE.message(expected.to_string()));
        }
        if let Some(help) = &self.help {
            let lines: Vec<_> = help.lines().map(printable).collect();
            group = group.element(Level::HELP.message(lines.join("\n")));
        }
        renderer.render(&[group])
    }
}

impl InputError {
    /// An input with one mistake and no place in a file.
    #[must_use]
    pub fn one(origin: &str, message: impl Into<String>) -> Self {
        Problem::new(origin, message).into()
    }

    /// All problems as text, with colours if `colour`. Ends with a newline.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        render_problems(&self.problems, colour)
    }
}

/// Problems of any severity as text, with colours if `colour`, one blank line between them. Ends with a newline.
#[must_use]
pub fn render_problems(problems: &[Problem], colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let mut text = String::new();
    for (index, problem) in problems.iter().take(MOST_SHOWN).enumerate() {
        if index > 0 {
            text.push('\n');
        }
        text.push_str(&problem.render(&renderer));
        text.push('\n');
    }
    if let Some(more) = problems.len().checked_sub(MOST_SHOWN).filter(|more| *more > 0) {
        text.push_str("\nand ");
        text.push_str(&more.to_string());
        text.push_str(" more\n");
    }
    text
}

impl From<Problem> for InputError {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem] }
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Input(problem.into())
    }
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.render(false).trim_end())
    }
}

impl std::error::Error for InputError {}

/// Line starts of a text, for turning byte offsets into places.
#[derive(Debug, Clone)]
pub struct Lines {
    starts: Vec<usize>,
}

impl Lines {
    /// Finds the lines of `text`; LF, CRLF and CR end one.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut starts = vec![0];
        for (index, byte) in bytes.iter().enumerate() {
            if *byte == b'\n' || (*byte == b'\r' && bytes.get(index + 1) != Some(&b'\n')) {
                starts.push(index + 1);
            }
        }
        Self { starts }
    }

    /// The place of `span` (bytes) in `text`, cut to its first line. Offsets beyond the text mean its end.
    #[must_use]
    pub fn place(&self, text: &str, span: &Range<usize>) -> Place {
        let start = floor_char(text, span.start);
        let index = self.starts.partition_point(|line| *line <= start).saturating_sub(1);
        let line_start = self.starts.get(index).copied().unwrap_or(0);
        let next = self.starts.get(index + 1).copied().unwrap_or(text.len());
        let line = text.get(line_start..next).unwrap_or_default().trim_end_matches(['\r', '\n']);
        let from = start.saturating_sub(line_start).min(line.len());
        let to = floor_char(text, span.end).saturating_sub(line_start).clamp(from, line.len());
        let to = floor_char(line, to).max(from);
        let column = line.get(..from).unwrap_or_default().chars().count() + 1;
        // The renderer shows the other control characters as signs, but these would reach the terminal. The sign is as long as they
        // are, so that `marked` stays right.
        let text = (line.len() <= LONGEST_LINE).then(|| line.replace(|c: char| matches!(c, '\u{80}'..='\u{9f}'), "¿"));
        Place { line: index + 1, column, text, marked: from..to }
    }

    /// The byte offset of a line and column, both counted from 1, the column in bytes.
    #[must_use]
    pub fn offset(&self, line: usize, column: usize) -> usize {
        let start = self.starts.get(line.saturating_sub(1)).or(self.starts.last()).copied().unwrap_or(0);
        start.saturating_add(column.saturating_sub(1))
    }
}

/// The last character boundary of `text` at or before `index`.
fn floor_char(text: &str, index: usize) -> usize {
    let mut index = index.min(text.len());
    while !text.is_char_boundary(index) {
        index -= 1;
    }
    index
}

/// The word nearest to `word`, if one is near enough that a slip of the fingers explains the difference.
#[must_use]
pub fn nearest<'w>(word: &str, words: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    const LONGEST: usize = 80;
    if word.chars().count() > LONGEST {
        return None;
    }
    let lower = word.to_lowercase();
    let own = lower.chars().count();
    let near = words.into_iter().filter_map(|candidate| {
        let other = candidate.chars().count();
        let length = own.max(other);
        let allowed = (length / 3).max(1);
        // A difference in length is a lower bound of the distance, and cheap.
        if own.abs_diff(other) > allowed {
            return None;
        }
        let distance = strsim::osa_distance(&lower, &candidate.to_lowercase());
        (distance <= allowed && distance < length).then_some((distance, candidate))
    });
    near.min_by_key(|(distance, _)| *distance).map(|(_, candidate)| candidate)
}

/// `text` with every control and direction character written as an escape, so that no input can steer the terminal.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    let steers =
        |c: char| c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if steers(c) {
            clean.extend(c.escape_default());
        } else {
            clean.push(c);
        }
    }
    Cow::Owned(clean)
}

/// From now on a panic, on any thread, prints one line without a backtrace and ends the process with 70.
pub fn install_panic_hook() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map_or_else(String::new, |at| format!(" ({}:{})", at.file(), at.line()));
        let bug = Bug(format!("{}{place}", printable(payload_text(info.payload()))));
        // Nothing is left to do where even standard error is gone.
        drop(writeln_stderr(&format!("pathvet: {bug}")));
        #[expect(clippy::exit, reason = "the state after a panic is not to be trusted, and other threads must not go on sending")]
        std::process::exit(i32::from(Error::Bug(bug).exit_code()));
    }));
}

fn payload_text(payload: &(dyn std::any::Any + Send)) -> &str {
    payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("panic")
}

/// Writes one line to standard error.
///
/// # Errors
/// Standard error cannot be written.
pub fn writeln_stderr(line: &str) -> std::io::Result<()> {
    use std::io::Write;
    let mut stderr = std::io::stderr().lock();
    stderr.write_all(line.as_bytes())?;
    stderr.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str, span: Range<usize>) -> Place {
        Lines::of(text).place(text, &span)
    }

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let text = "a: 1\r\nbä: x\nlast";
        assert_eq!(place(text, 0..1), Place { line: 1, column: 1, text: Some("a: 1".into()), marked: 0..1 });
        assert_eq!(place(text, 11..12), Place { line: 2, column: 5, text: Some("bä: x".into()), marked: 5..6 });
        assert_eq!(place(text, 13..99), Place { line: 3, column: 1, text: Some("last".into()), marked: 0..4 });
        assert_eq!(place(text, 99..120), Place { line: 3, column: 5, text: Some("last".into()), marked: 4..4 });
        assert_eq!(place("", 0..3), Place { line: 1, column: 1, text: Some(String::new()), marked: 0..0 });
        assert_eq!(place("x\n", 2..2).line, 2);
    }

    #[test]
    fn a_span_over_lines_is_cut_to_the_first_and_never_splits_a_character() {
        assert_eq!(place("ab\ncd\n", 1..5).marked, 1..2);
        for start in 0..6 {
            for end in start..8 {
                let text = "ä→é";
                let found = place(text, start..end);
                assert!(text.get(found.marked.clone()).is_some(), "{start}..{end}: {found:?}");
            }
        }
    }

    #[test]
    fn no_line_steers_the_terminal() {
        let text = "a\u{9b}31m\u{1b}[2J\u{7f}: x";
        let at = text.find('x').unwrap();
        let shown = InputError::from(Problem::new("p", "wrong").at(place(text, at..at + 1))).render(false);
        assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "{shown:?}");
        assert_eq!(place(text, at..at + 1).marked, at..at + 1);
    }

    #[test]
    fn a_problem_reads_like_rustc() {
        let text = "networks:\n  migration: { mtuu: 9000 }\n";
        let at = text.find("mtuu").unwrap();
        let problem = Problem::new("plan.yaml", "unknown key `mtuu`")
            .at(place(text, at..at + 4))
            .expected("expected subnet or mtu")
            .nearest("mtuu", ["subnet", "mtu"]);
        let expected = "error: unknown key `mtuu`\n --> plan.yaml:2:16\n  |\n2 |   migration: { mtuu: 9000 }\n  |                ^^^^ \
                        expected subnet or mtu\n  |\n  = help: did you mean `mtu`?\n";
        assert_eq!(InputError::from(problem).render(false), expected);
    }

    #[test]
    fn long_lines_are_not_shown_but_placed() {
        let text = format!("{}x", " ".repeat(5000));
        let problem = Problem::new("p", "no").at(place(&text, 5000..5001)).expected("yes");
        assert_eq!(InputError::from(problem).render(false), "error: no\n--> p:1:5001\n = note: yes\n");
    }

    #[test]
    fn only_near_words_are_offered() {
        let words = ["path-mtu", "path-loss", "link-mtu"];
        assert_eq!(nearest("path-mtuu", words), Some("path-mtu"));
        assert_eq!(nearest("PATH-MTU", words), Some("path-mtu"));
        assert_eq!(nearest("pathloss", words), Some("path-loss"));
        assert_eq!(nearest("banana", words), None);
        assert_eq!(nearest("", words), None);
        assert_eq!(nearest("x", ["y"]), None);
    }

    #[test]
    fn no_text_steers_the_terminal() {
        assert_eq!(printable("plain → text"), "plain → text");
        assert_eq!(printable("a\u{1b}[31m\u{202e}b\n"), "a\\u{1b}[31m\\u{202e}b\\n");
        let rendered = InputError::one("f\u{7}", "x\u{1b}]0;owned").render(false);
        assert!(!rendered.contains(['\u{1b}', '\u{7}']), "{rendered:?}");
    }
}

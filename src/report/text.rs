//! Text on its way to a terminal: escaped, wrapped and coloured in one place, so that no renderer can forget it.

use super::View;
use anstyle::{AnsiColor, Style};
use std::borrow::Cow;
use std::fmt::Write as _;
use unicode_width::UnicodeWidthStr;

/// What a piece of text is meant to say by its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Strong,
    Dim,
    Good,
    Caution,
    Unsure,
    Bad,
}

impl Tone {
    fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Strong => Style::new().bold(),
            Self::Dim => Style::new().dimmed(),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Caution => AnsiColor::Yellow.on_default(),
            Self::Unsure => AnsiColor::Magenta.on_default(),
            Self::Bad => AnsiColor::Red.on_default().bold(),
        }
    }
}

/// A piece of text and its tone.
pub(super) type Span<'a> = (Cow<'a, str>, Tone);

/// A span without colour.
pub(super) fn plain<'a>(text: impl Into<Cow<'a, str>>) -> Span<'a> {
    (text.into(), Tone::Plain)
}

/// Columns that `text` takes on a terminal.
pub(super) fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// Makes text from outside harmless: control characters, and those that reorder or hide what is written, are shown as escapes.
/// Without UTF-8 the usual typographic characters get their ASCII form and all others are escaped as well.
pub(super) fn clean(text: &str, utf8: bool) -> Cow<'_, str> {
    let harmless = |c: char| matches!(c, ' '..='~') || (utf8 && !c.is_ascii() && !is_hidden(c));
    if text.chars().all(harmless) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            c if harmless(c) => out.push(c),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '→' => out.push_str("->"),
            '…' => out.push_str("..."),
            '×' => out.push('x'),
            'µ' | 'μ' => out.push('u'),
            '≤' => out.push_str("<="),
            '≥' => out.push_str(">="),
            '−' | '–' | '—' => out.push('-'),
            c => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
        }
    }
    Cow::Owned(out)
}

/// Characters that a terminal does not show as themselves: controls, bidirectional marks, zero-width and separator characters.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A subject as people read it: `node1->node2` gets its arrow on a UTF-8 terminal.
pub(super) fn subject(text: &str, view: &View) -> String {
    let text = clean(text, view.utf8);
    if view.utf8 { text.replace("->", " → ") } else { text.into_owned() }
}

/// A sentence of a check: the arrows of subjects in it get the same form as [`subject`].
pub(super) fn sentence(text: &str, view: &View) -> String {
    let text = clean(text, view.utf8);
    if !view.utf8 || !text.contains("->") {
        return text.into_owned();
    }
    let word = |word: &str| {
        if word.starts_with("->") || word.ends_with("->") { word.to_owned() } else { word.replace("->", " → ") }
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// The page that a renderer writes on.
pub(super) struct Page<'v> {
    view: &'v View,
    out: String,
}

/// One word, the spaces before it, and whether a chunk (text between runs of two or more spaces) begins with it.
struct Word {
    text: String,
    tone: Tone,
    gap: usize,
    chunk: bool,
}

impl<'v> Page<'v> {
    pub(super) fn new(view: &'v View) -> Self {
        Self { view, out: String::new() }
    }

    pub(super) fn finish(self) -> String {
        self.out
    }

    /// An empty line, unless the page is empty or ends with one.
    pub(super) fn blank(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }

    /// One line, not wrapped.
    pub(super) fn line(&mut self, spans: &[Span<'_>]) {
        let start = self.out.len();
        for (text, tone) in spans {
            self.put(text, *tone);
        }
        self.trim(start);
        self.out.push('\n');
    }

    /// A paragraph, wrapped to the width: `first` columns of indent on its first line, `rest` on the others.
    pub(super) fn flow(&mut self, first: usize, rest: usize, spans: &[Span<'_>]) {
        self.layout(&[plain(" ".repeat(first))], rest, spans, false);
    }

    /// Like [`Page::flow`], but text between runs of two or more spaces is kept on one line where it fits on one: commands that
    /// are to be pasted stay whole.
    pub(super) fn flow_chunks(&mut self, first: usize, rest: usize, spans: &[Span<'_>]) {
        self.layout(&[plain(" ".repeat(first))], rest, spans, true);
    }

    /// A paragraph behind a label, which stands as it is; `chunks` as in [`Page::flow_chunks`]. Text begins below text.
    pub(super) fn labelled(&mut self, label: &[Span<'_>], spans: &[Span<'_>], chunks: bool) {
        let label_width: usize = label.iter().map(|(text, _)| width(text)).sum();
        self.layout(label, label_width.min(self.view.width / 2), spans, chunks);
    }

    fn layout(&mut self, lead: &[Span<'_>], rest: usize, spans: &[Span<'_>], keep: bool) {
        let words = split(spans, self.view.utf8);
        let limit = self.view.width.max(rest + 16);
        let start = self.out.len();
        let mut column = 0;
        for (text, tone) in lead {
            self.put(text, *tone);
            column += width(text);
        }
        let mut fresh = words.first().is_none_or(|word| column + width(&word.text) <= limit || column <= rest);
        if !fresh {
            self.trim(start);
        }
        let mut chunk_fits = false;
        for (index, word) in words.iter().enumerate() {
            let own = width(&word.text);
            let mut turn = !fresh && column + word.gap + own > limit;
            if word.chunk && keep {
                let whole = chunk_width(&words[index..]);
                chunk_fits = whole <= limit.saturating_sub(rest);
                turn = !fresh && column + word.gap + whole > limit;
            } else if keep && chunk_fits {
                turn = false;
            }
            if turn {
                self.trim(start);
                self.out.push('\n');
                self.put(&" ".repeat(rest), Tone::Plain);
                (column, fresh) = (rest, true);
            }
            if !fresh {
                self.put(&" ".repeat(word.gap), Tone::Plain);
                column += word.gap;
            }
            self.put(&word.text, word.tone);
            column += own;
            fresh = false;
        }
        self.trim(start);
        self.out.push('\n');
    }

    /// Takes blanks from the end of the page, but none from before `start`.
    fn trim(&mut self, start: usize) {
        let kept = start + self.out[start..].trim_end_matches(' ').len();
        self.out.truncate(kept);
    }

    fn put(&mut self, text: &str, tone: Tone) {
        let text = clean(text, self.view.utf8);
        if self.view.color && tone != Tone::Plain && !text.trim().is_empty() {
            let (style, inner) = (tone.style(), text.trim_end_matches(' '));
            let _ = write!(self.out, "{style}{inner}{style:#}{}", &text[inner.len()..]);
        } else {
            self.out.push_str(&text);
        }
    }
}

/// Columns from the first word to the end of its chunk.
fn chunk_width(words: &[Word]) -> usize {
    let mut total = 0;
    for (index, word) in words.iter().enumerate() {
        if index > 0 {
            if word.chunk {
                break;
            }
            total += word.gap;
        }
        total += width(&word.text);
    }
    total
}

fn split(spans: &[Span<'_>], utf8: bool) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut gap = 0;
    for (text, tone) in spans {
        let text = clean(text, utf8);
        let mut rest = &*text;
        while !rest.is_empty() {
            let trimmed = rest.trim_start_matches(' ');
            gap += rest.len() - trimmed.len();
            if trimmed.is_empty() {
                break;
            }
            let end = trimmed.find(' ').unwrap_or(trimmed.len());
            let first = words.is_empty();
            words.push(Word { text: trimmed[..end].to_owned(), tone: *tone, gap: gap.min(4), chunk: first || gap > 1 });
            gap = 0;
            rest = &trimmed[end..];
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(width: usize, text: &str, keep: bool) -> String {
        let view = View { width, ..View::default() };
        let mut page = Page::new(&view);
        page.layout(&[], 2, &[plain(text)], keep);
        page.finish()
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(clean("a\u{1b}[31mb\n\u{7}\u{9b}", true), "a\\u{1b}[31mb\\n\\u{7}\\u{9b}");
        assert_eq!(clean("evil\u{202e}name", true), "evil\\u{202e}name");
        assert_eq!(clean("zürich → x", true), "zürich → x");
        assert_eq!(clean("zürich → x…", false), "z\\u{fc}rich -> x...");
    }

    #[test]
    fn only_subjects_get_an_arrow() {
        let view = View { utf8: true, ..View::default() };
        assert_eq!(sentence("node1->node2 is down", &view), "node1 → node2 is down");
        assert_eq!(sentence("a -> b", &view), "a -> b");
    }

    #[test]
    fn prose_wraps_and_chunks_stay_whole() {
        assert_eq!(flow(20, "one two three four five six", false), "one two three four\n  five six\n");
        assert_eq!(flow(24, "try it:  ip link set dev x   or that", true), "try it:\n  ip link set dev x\n  or that\n");
        assert_eq!(flow(8, "incomprehensibilities are one word", false), "incomprehensibilities\n  are one word\n");
    }
}

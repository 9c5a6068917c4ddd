//! `pathvet explain`: a check's documentation, or what stops at a size.

use super::output::{print, terminal};
use super::{ExplainArgs, Outcome, Topic};
use crate::error::Error;
use crate::report::View;
use pathvet_checks::builtin;
use pathvet_checks::check::Meta;
use pathvet_checks::size::{Family, Size, frame_with_fcs, ping_payload, tagged_frame_with_fcs};
use std::fmt::Write as _;

pub(super) fn run(args: &ExplainArgs) -> Result<Outcome, Error> {
    let view = terminal(args.color);
    let text = match args.topic {
        Topic::Check(index) => builtin::ALL.get(index).map(|check| explain_check(check.meta(), &view)).unwrap_or_default(),
        Topic::Size(size) => explain_size(size),
    };
    print(&text)?;
    Ok(Outcome::Done)
}

/// The documentation of a check: its Markdown with the paragraphs filled to the width of the terminal.
fn explain_check(meta: &Meta, view: &View) -> String {
    let bold = |text: &str| if view.color { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_string() };
    let width = view.width.min(100);
    let mut text = format!("{}  {}\n", bold(meta.id), meta.summary);
    let mut paragraph = String::new();
    let mut code = false;
    for line in meta.docs {
        let line = line.strip_prefix(' ').unwrap_or(line);
        let fence = line.trim_start().starts_with("```");
        let heading = line.trim_start_matches('#');
        let is_heading = heading.len() < line.len() && heading.starts_with(' ');
        let item = line.trim_start().starts_with(['-', '*', '|']) || line.trim_start().starts_with(|c: char| c.is_ascii_digit());
        if code || fence || is_heading || item || line.trim().is_empty() {
            fill(&mut text, &paragraph, width);
            paragraph.clear();
        }
        if fence {
            code = !code;
        } else if code {
            let _ = writeln!(text, "    {line}");
        } else if is_heading {
            let _ = writeln!(text, "\n{}", bold(heading.trim()));
        } else if line.trim().is_empty() {
            if !text.ends_with("\n\n") {
                text.push('\n');
            }
        } else {
            if !paragraph.is_empty() {
                paragraph.push(' ');
            }
            paragraph.push_str(if paragraph.is_empty() { line.trim_end() } else { line.trim() });
        }
    }
    fill(&mut text, &paragraph, width);
    text
}

/// Appends a paragraph with lines of at most `width` characters. The lines after the first of a list item hang under its text.
fn fill(text: &mut String, paragraph: &str, width: usize) {
    let body = paragraph.trim_start();
    let indent = paragraph.len() - body.len();
    let hang = if body.starts_with("- ") || body.starts_with("* ") {
        2
    } else {
        body.split_once(". ").filter(|(number, _)| number.parse::<u8>().is_ok()).map_or(0, |(number, _)| number.len() + 2)
    };
    let mut column = 0;
    for word in body.split_whitespace() {
        let length = word.chars().count();
        if column == 0 {
            text.push_str(&" ".repeat(indent));
            column = indent;
        } else if column + 1 + length > width {
            text.push('\n');
            text.push_str(&" ".repeat(indent + hang));
            column = indent + hang;
        } else {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += length;
    }
    if column > 0 {
        text.push('\n');
    }
}

/// A size in every way of counting.
fn explain_size(size: Size) -> String {
    let ip = size.ip;
    let mut text = String::new();
    let _ = writeln!(text, "IP MTU {ip}");
    let frame = frame_with_fcs(ip);
    let _ = writeln!(text, "  frame with header and FCS    {frame}, with a VLAN tag {}", tagged_frame_with_fcs(ip));
    let header = ip.0 + pathvet_checks::size::ETHERNET_HEADER;
    let _ = writeln!(text, "  frame with header, no FCS    {header}");
    let _ = write!(text, "  ping payload                 {} (IPv4)", ping_payload(ip, Family::V4));
    let _ = writeln!(text, ", {} (IPv6)", ping_payload(ip, Family::V6));
    if let Some(slip) = size.slip() {
        let _ = writeln!(text, "\n{slip}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documentation_is_filled_and_keeps_lists_and_code() {
        let docs = &[
            " # What it looks for",
            "",
            " The largest packet that",
            " arrives.",
            "",
            " - one item that is long enough",
            "   to be wrapped",
            " - two",
            " ```text",
            " ping   -s 1",
            " ```",
        ];
        let meta = Meta { id: "path-mtu", summary: "sizes", docs };
        let view = View { width: 24, ..View::default() };
        let expected = "path-mtu  sizes\n\nWhat it looks for\n\nThe largest packet that\narrives.\n\n- one item that is long\n  enough to be wrapped\n\
                        - two\n    ping   -s 1\n";
        assert_eq!(explain_check(&meta, &view), expected);
    }
}

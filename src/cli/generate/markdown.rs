//! The Markdown that the documentation of checks uses, as roff: headings, paragraphs, lists, terms and code blocks.

use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

/// Appends `text` to a page. A heading of level one becomes `.SH` where `sections` is set and `.SS` otherwise; deeper ones are `.SS`.
///
/// A line that begins with `: ` says what the line before it means, as in a list of terms.
pub(super) fn append(roff: &mut Roff, text: &str, sections: bool) {
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let bare = line.trim();
        if bare.is_empty() {
            continue;
        }
        if bare.starts_with("```") {
            let code: Vec<&str> = lines.by_ref().take_while(|line| !line.trim().starts_with("```")).collect();
            block(roff, &code);
        } else if let Some((level, title)) = heading(bare) {
            if level == 1 && sections {
                roff.control("SH", [title.to_uppercase().as_str()]);
            } else {
                roff.control("SS", [title]);
            }
        } else if let Some((mark, item)) = item(bare) {
            let mut item = item.to_owned();
            while let Some(more) = lines.next_if(|next| continues(next)) {
                item.push('\n');
                item.push_str(more.trim());
            }
            let indent = if mark == "\\(bu" { "2" } else { "4" };
            roff.control("IP", [mark, indent]);
            roff.text(inline(&item));
        } else {
            paragraph(roff, bare, &mut lines);
        }
    }
}

fn paragraph<'a>(roff: &mut Roff, first: &str, lines: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>) {
    if let Some(meaning) = lines.next_if(|next| next.starts_with(": ")) {
        roff.control("TP", []);
        roff.text(inline(first));
        let mut text = meaning[2..].to_owned();
        while let Some(more) = lines.next_if(|next| continues(next)) {
            text.push('\n');
            text.push_str(more.trim());
        }
        roff.text(inline(&text));
        return;
    }
    let mut text = first.to_owned();
    while let Some(more) = lines.next_if(|next| continues(next)) {
        text.push('\n');
        text.push_str(more.trim());
    }
    roff.control("PP", []);
    roff.text(inline(&text));
}

/// The line goes on with what the line before it said.
fn continues(line: &str) -> bool {
    let bare = line.trim();
    !bare.is_empty() && heading(bare).is_none() && item(bare).is_none() && !bare.starts_with("```") && !bare.starts_with(": ")
}

fn heading(line: &str) -> Option<(usize, &str)> {
    let title = line.trim_start_matches('#');
    let level = line.len() - title.len();
    (1..=6).contains(&level).then(|| title.strip_prefix(' ').map(|title| (level, title.trim()))).flatten()
}

/// The mark of a list item and its text: a bullet, or `1.` as it stands.
fn item(line: &str) -> Option<(&str, &str)> {
    if let Some(text) = line.strip_prefix("- ").or_else(|| line.strip_prefix("* ")) {
        return Some(("\\(bu", text));
    }
    let (mark, text) = line.split_once(' ')?;
    let number = mark.strip_suffix('.')?;
    (!number.is_empty() && number.len() < 3 && number.bytes().all(|c| c.is_ascii_digit())).then_some((mark, text))
}

fn block(roff: &mut Roff, code: &[&str]) {
    roff.control("PP", []);
    roff.control("RS", ["4"]);
    roff.control("nf", []);
    for line in code {
        // An empty text line would close the block's line in some formatters; a request of its own does not.
        if line.is_empty() {
            roff.control("sp", []);
        } else {
            roff.text([roman(*line)]);
        }
    }
    roff.control("fi", []);
    roff.control("RE", []);
}

/// `code` and **strong** in bold, *emphasis* in italics.
fn inline(text: &str) -> Vec<Inline> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['`', '*']) {
        let (before, marked) = rest.split_at(at);
        let mark = if marked.starts_with("**") { "**" } else { &marked[..1] };
        let body = &marked[mark.len()..];
        let end = body.find(mark).filter(|&end| end > 0 && !(mark == "*" && body.starts_with(char::is_whitespace)));
        let Some(end) = end else {
            out.push(roman(format!("{before}{mark}")));
            rest = body;
            continue;
        };
        if !before.is_empty() {
            out.push(roman(before));
        }
        out.push(if mark == "*" { italic(&body[..end]) } else { bold(&body[..end]) });
        rest = &body[end + mark.len()..];
    }
    if !rest.is_empty() {
        out.push(roman(rest));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roff(text: &str) -> String {
        let mut page = Roff::new();
        append(&mut page, text, false);
        page.to_roff()
    }

    #[test]
    fn every_form_has_its_request() {
        let text = "# Head\n\nOne `a-b` and *two*,\n**three**.\n\n- item\n  goes on\n- next\n\n**0**\n: all is well,\n  really\n\n```text\nping -M do\n\n.x\n```\n";
        let wanted = ".SS Head\n.PP\nOne \\fBa\\-b\\fR and \\fItwo\\fR,\n\\fBthree\\fR.\n.IP \\(bu 2\nitem\ngoes on\n.IP \\(bu 2\nnext\n\
                      .TP\n\\fB0\\fR\nall is well,\nreally\n.PP\n.RS 4\n.nf\nping \\-M do\n.sp\n\\&.x\n.fi\n.RE\n";
        assert_eq!(roff(text), wanted);
    }

    #[test]
    fn numbers_stand_as_they_are() {
        assert_eq!(roff("1. one\n   more\n2. two"), ".IP 1. 4\none\nmore\n.IP 2. 4\ntwo\n");
        assert_eq!(roff("below 1280 is FAIL (RFC\n8200 section 5)."), ".PP\nbelow 1280 is FAIL (RFC\n8200 section 5).\n");
    }

    #[test]
    fn a_lone_mark_is_text() {
        assert_eq!(roff("2 * 3 ` x"), ".PP\n2 * 3 ` x\n");
        assert_eq!(roff("1 < 2 and a**b"), ".PP\n1 < 2 and a**b\n");
    }
}

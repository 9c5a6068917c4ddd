//! `pathvet explain`: a check's documentation, a DCB profile, a baseline, or what stops at a size.

use super::output::{print, terminal};
use super::{ExplainArgs, Outcome, Topic};
use crate::catalogue;
use crate::error::Error;
use crate::plan::baseline;
use crate::report::View;
use pathvet_checks::baseline::{Baseline, Machine, Severity, lint};
use pathvet_checks::builtin;
use pathvet_checks::check::Meta;
use pathvet_checks::diagnose;
use pathvet_checks::expect::DcbProfile;
use pathvet_checks::size::{Size, Unit};
use std::fmt::Write as _;

pub(super) fn run(args: &ExplainArgs) -> Result<Outcome, Error> {
    let view = terminal(args.color);
    let text = match args.topic {
        Topic::Check(index) => builtin::ALL.get(index).map(|check| explain_check(check.meta(), &view)).unwrap_or_default(),
        Topic::DcbProfile(index) => {
            catalogue::dcb_profiles().get(index).map(|profile| explain_dcb(profile, &view)).unwrap_or_default()
        }
        Topic::Baseline(index) => {
            let known = baseline::names().nth(index).and_then(baseline::built_in);
            known.map(|known| explain_baseline(&known, &view)).unwrap_or_default()
        }
        Topic::Size(size) => explain_size(size, &view),
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
            fill(&mut text, &paragraph, width, 0);
            paragraph.clear();
        }
        if fence {
            code = !code;
        } else if code {
            let _ = writeln!(text, "    {line}");
        } else if is_heading {
            let gap = if text.ends_with("\n\n") { "" } else { "\n" };
            let _ = writeln!(text, "{gap}{}", bold(heading.trim()));
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
    fill(&mut text, &paragraph, width, 0);
    text
}

/// A DCB profile as it would stand in a plan, and where it comes from.
fn explain_dcb(profile: &DcbProfile, view: &View) -> String {
    let list = |priorities: &[u8]| priorities.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    let mut text =
        format!("{}  {}\n\nA plan that says `expect: {{ dcb: {} }}` expects:\n\n", profile.id, profile.summary, profile.id);
    if let Some(lossless) = &profile.lossless {
        let _ = writeln!(text, "    lossless: [{}]", list(lossless));
    }
    if let Some(classes) = &profile.ets {
        text.push_str("    ets:\n");
        for class in classes {
            let share = class.share.map_or_else(|| "strict: true".to_string(), |share| format!("share: {share}"));
            let _ = writeln!(text, "      - {{ priorities: [{}], {share} }}", list(&class.priorities));
        }
    }
    if let Some(apps) = &profile.apps {
        let apps: Vec<String> = apps.iter().map(|app| format!("{}: {}", app.app.word(), app.priority)).collect();
        let _ = writeln!(text, "    apps: {{ {} }}", apps.join(", "));
    }
    if let Some(willing) = profile.willing {
        let _ = writeln!(text, "    willing: {willing}");
    }
    if let Some(trust) = profile.trust {
        let _ = writeln!(text, "    trust: {}", trust.word());
    }
    text.push('\n');
    if let Some(note) = &profile.note {
        fill(&mut text, note, view.width.min(100), 0);
        text.push('\n');
    }
    for source in &profile.source {
        fill(&mut text, &format!("- {source} (profile of {})", profile.date), view.width.min(100), 0);
    }
    text
}

/// What a baseline is for, what each of its values does and why, and what is known against it.
fn explain_baseline(baseline: &Baseline, view: &View) -> String {
    let width = view.width.min(100);
    let mut text = format!("{}  {}\n\n", baseline.name, baseline.title);
    fill(&mut text, &baseline.purpose, width, 0);
    if !baseline.warnings.is_empty() {
        text.push_str("\nBefore it is used\n");
        for warning in &baseline.warnings {
            fill(&mut text, &format!("- {warning}"), width, 0);
        }
    }
    text.push_str("\nValues\n");
    let values = baseline.values.iter().filter_map(|setting| Some((setting.key.clone(), setting.target(None)?))).collect();
    let risks = lint(&values, &Machine::default());
    for setting in &baseline.values {
        let _ = writeln!(text, "  {} = {}", setting.key, setting.rule);
        fill(&mut text, &format!("      {}", setting.reason), width, 0);
        let risk = risks.iter().find(|risk| risk.key == setting.key && risk.severity != Severity::Note);
        match (&setting.warning, risk) {
            (Some(warning), Some(risk)) => fill(&mut text, &format!("      {}: {warning}", risk.severity.heading()), width, 0),
            (Some(warning), None) => fill(&mut text, &format!("      Note: {warning}"), width, 0),
            (None, Some(risk)) => fill(&mut text, &format!("      {}: {}", risk.severity.heading(), risk.reason), width, 0),
            (None, None) => {}
        }
    }
    if risks.iter().any(|risk| risk.severity.refused()) {
        text.push('\n');
        let refused = "What is harmful or wrong `pathvet tune apply` writes only with --accept-risk KEY.";
        fill(&mut text, refused, width, 0);
    }
    text.push_str("\nFrom\n");
    for origin in &baseline.origin {
        fill(&mut text, &format!("- {origin}"), width, 0);
    }
    text
}

/// Appends a paragraph with lines of at most `width` characters. The lines after the first are set in by `hang` more, those of a
/// list item hang under its text.
fn fill(text: &mut String, paragraph: &str, width: usize, hang: usize) {
    let body = paragraph.trim_start();
    let indent = paragraph.len() - body.len();
    let hang = if body.starts_with("- ") || body.starts_with("* ") {
        2
    } else {
        body.split_once(". ").filter(|(number, _)| number.parse::<u8>().is_ok()).map_or(hang, |(number, _)| number.len() + 2)
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

/// What stops at a size, and what else the number may mean.
fn explain_size(size: Size, view: &View) -> String {
    let mut explained = String::new();
    let number = if size.unit == Unit::Ip { size.number } else { size.ip.0 };
    if let Some(slip) = size.slip() {
        let _ = writeln!(explained, "{slip}\n");
    }
    let _ = write!(explained, "{}", diagnose::explain_size(catalogue::ceilings(), number));
    let mut text = String::new();
    for line in explained.lines() {
        if line.chars().count() <= view.width {
            let _ = writeln!(text, "{line}");
        } else {
            fill(&mut text, line, view.width, 2);
        }
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
            " # How it decides",
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
        let expected = "path-mtu  sizes\n\nWhat it looks for\n\nHow it decides\n\nThe largest packet that\narrives.\n\n- one item that is long\n  enough to be wrapped\n\
                        - two\n    ping   -s 1\n";
        assert_eq!(explain_check(&meta, &view), expected);
    }
}

//! What `pathvet tune` says, for people.

use super::View;
use super::table::{Grid, NARROW, tone};
use super::text::{Page, Tone, plain, sentence};
use pathvet_checks::baseline::Baseline;
use pathvet_checks::evidence::Place;
use pathvet_checks::report::Outcome;
use pathvet_checks::tune::{TuneReport, TuneRisk, TuneValue, shown};
use std::fmt::Write as _;
use std::sync::Arc;

/// What an apply or a revert is going to do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// One line.
    pub head: String,
    /// What changes.
    pub rows: Vec<Change>,
    /// What to know besides.
    pub notes: Vec<String>,
    /// Why nothing is changed.
    pub refusals: Vec<String>,
}

/// One thing that changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change {
    /// The key.
    pub what: String,
    /// What is done.
    pub action: String,
    /// The value now.
    pub now: String,
    /// The value after the next boot, without this change; `None` = there is no such column.
    pub at_boot: Option<String>,
    /// The value then.
    pub then: String,
}

/// `tune list`.
#[must_use]
pub fn list(known: &[Arc<Baseline>]) -> String {
    let wide = known.iter().map(|baseline| baseline.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for baseline in known {
        let _ = writeln!(text, "{:wide$}  {}", baseline.name, baseline.title);
    }
    text
}

/// `tune apply` and `tune revert`, before the question.
#[must_use]
pub fn changes(changes: &Changes, view: &View) -> String {
    let mut page = Page::new(view);
    page.flow(0, 2, &[(sentence(&changes.head, view).into(), Tone::Strong)]);
    if !changes.rows.is_empty() {
        page.blank();
        let boot = changes.rows.iter().any(|row| row.at_boot.is_some());
        let heads: &[&'static str] = if boot { &["KEY", "SET", "NOW", "AT BOOT", "THEN"] } else { &["KEY", "DONE", "NOW", "THEN"] };
        let mut grid = Grid::new(heads, 1, view);
        for row in &changes.rows {
            let mut cells = vec![row.what.clone(), row.action.clone(), row.now.clone()];
            if boot {
                cells.push(row.at_boot.clone().unwrap_or_default());
            }
            cells.push(row.then.clone());
            grid.row(cells, Tone::Plain, false);
        }
        grid.write(&mut page);
    }
    lines(&mut page, &changes.notes, view);
    lines(&mut page, &changes.refusals, view);
    page.finish()
}

fn lines(page: &mut Page<'_>, lines: &[String], view: &View) {
    if !lines.is_empty() {
        page.blank();
    }
    for line in lines {
        page.flow(2, 4, &[plain(sentence(line, view))]);
    }
}

/// `tune show`: every value with its reason.
#[must_use]
pub fn show(report: &TuneReport, baseline: &Baseline, page_size: u64, view: &View) -> String {
    let mut page = Page::new(view);
    let head = format!("{}  {}", baseline.name, baseline.title);
    page.flow(0, 2, &[(sentence(&head, view).into(), Tone::Strong)]);
    page.flow(2, 2, &[plain(sentence(&baseline.purpose, view))]);
    for origin in &baseline.origin {
        page.flow(2, 4, &[("from ".into(), Tone::Dim), plain(sentence(origin, view))]);
    }
    if let Some(base) = &baseline.extends {
        page.flow(2, 4, &[("built on ".into(), Tone::Dim), plain(sentence(base, view))]);
    }
    for value in &report.values {
        page.blank();
        page.flow(0, 2, &[(value.key.as_str().into(), Tone::Strong), plain(format!("  {}", wanted(value, page_size)))]);
        let here = |text: Option<&str>, none: &str| {
            text.map_or_else(|| none.to_owned(), |value_text| shown(&value.key, value_text, page_size))
        };
        page.labelled(
            &[("  now      ".into(), Tone::Dim)],
            &[plain(here(value.running.as_deref(), "no such setting here"))],
            false,
        );
        let mut boot = here(value.persisted.as_deref(), "no file sets it");
        if let Some(winner) = &value.winner {
            let _ = write!(boot, "  {} wins", at(winner));
        }
        if !value.losers.is_empty() {
            let _ = write!(boot, " over {}", value.losers.iter().map(at).collect::<Vec<_>>().join(", "));
        }
        page.labelled(&[("  at boot  ".into(), Tone::Dim)], &[plain(sentence(&boot, view))], false);
        if !value.reason.is_empty() {
            page.labelled(&[("  why      ".into(), Tone::Dim)], &[plain(sentence(&value.reason, view))], false);
        }
        if let Some(warning) = &value.warning {
            page.labelled(&[("  mind     ".into(), Tone::Dim)], &[plain(sentence(warning, view))], false);
        }
        for risk in report.risks.iter().filter(|risk| risk.key == value.key) {
            let label = format!("  {:8} ", risk.severity);
            page.labelled(&[(label.into(), risk_tone(risk))], &[plain(sentence(&risk.reason, view))], false);
        }
    }
    notes(&mut page, report, view);
    page.blank();
    page.flow(0, 2, &[plain(format!("Files are read at boot by {}.", report.loader))]);
    page.finish()
}

/// `tune diff`: the table, what deviates and why it matters, and what is harmful.
#[must_use]
pub fn diff(report: &TuneReport, page_size: u64, view: &View) -> String {
    let mut page = Page::new(view);
    let narrow = view.width < NARROW;
    let mut grid = if narrow {
        Grid::new(&["RESULT", "KEY, NOW, AT BOOT, WANTED"], 0, view)
    } else {
        Grid::new(&["KEY", "RESULT", "NOW", "AT BOOT", "WANTED"], 1, view)
    };
    for value in &report.values {
        let cell = |text: Option<&str>| text.map_or_else(|| "-".to_owned(), |text| shown(&value.key, text, page_size));
        let (now, boot, wanted) = (cell(value.running.as_deref()), cell(value.persisted.as_deref()), wanted(value, page_size));
        let result = value.outcome.word().to_owned();
        let cells = if narrow {
            vec![result, format!("{}\n{now}; {boot}; {wanted}", value.key)]
        } else {
            vec![value.key.clone(), result, now, boot, wanted]
        };
        grid.row(cells, tone(value.outcome), false);
    }
    grid.write(&mut page);
    let odd: Vec<&TuneValue> = report.values.iter().filter(|value| value.outcome != Outcome::Pass).collect();
    if !odd.is_empty() {
        page.blank();
    }
    for value in odd {
        let mut text = format!("{}.", value.summary);
        if !value.reason.is_empty() {
            let _ = write!(text, " {}", value.reason);
        }
        page.flow(0, 2, &[(value.key.as_str().into(), tone(value.outcome)), plain(format!("  {}", sentence(&text, view)))]);
    }
    risks(&mut page, report, page_size, view);
    notes(&mut page, report, view);
    page.blank();
    verdict(&mut page, report, view);
    page.finish()
}

/// `tune status`.
#[must_use]
pub fn status(report: &TuneReport, page_size: u64, view: &View) -> String {
    let mut page = Page::new(view);
    if report.applies.is_empty() && report.baseline.is_none() && report.verdict != Outcome::Unknown {
        page.line(&[plain("Nothing is applied here.")]);
    }
    if !report.applies.is_empty() {
        let mut grid = Grid::new(&["ID", "BASELINE", "RESULT", "APPLIED", "STATE"], 2, view);
        for apply in &report.applies {
            let cells = vec![
                apply.id.to_string(),
                apply.baseline.clone(),
                apply.outcome.word().to_owned(),
                apply.at.to_string(),
                apply.summary.clone(),
            ];
            grid.row(cells, tone(apply.outcome), false);
        }
        grid.write(&mut page);
        for apply in &report.applies {
            lines(&mut page, &apply.changed, view);
        }
    }
    risks(&mut page, report, page_size, view);
    notes(&mut page, report, view);
    page.blank();
    verdict(&mut page, report, view);
    page.finish()
}

fn at(place: &Place) -> String {
    format!("{}:{}", place.file, place.line)
}

/// What is wanted; what counts pages or many bytes in units that people know.
fn wanted(value: &TuneValue, page_size: u64) -> String {
    match (value.rule.as_str(), value.wanted.strip_prefix("at least "), value.wanted.strip_prefix("at most ")) {
        ("equal", ..) => shown(&value.key, &value.wanted, page_size),
        (_, Some(least), _) => format!("at least {}", shown(&value.key, least, page_size)),
        (.., Some(most)) => format!("at most {}", shown(&value.key, most, page_size)),
        _ => value.wanted.clone(),
    }
}

fn risk_tone(risk: &TuneRisk) -> Tone {
    if risk.refused { Tone::Caution } else { Tone::Dim }
}

fn risks(page: &mut Page<'_>, report: &TuneReport, page_size: u64, view: &View) {
    if !report.risks.is_empty() {
        page.blank();
    }
    for risk in &report.risks {
        let label = format!("{:9}", risk.severity);
        let value = shown(&risk.key, &risk.value, page_size);
        let text = format!("{} = {value}: {}", risk.key, risk.reason);
        page.labelled(&[(label.into(), risk_tone(risk))], &[plain(sentence(&text, view))], false);
    }
}

fn notes(page: &mut Page<'_>, report: &TuneReport, view: &View) {
    if !report.notes.is_empty() {
        page.blank();
    }
    for note in &report.notes {
        page.labelled(&[("note     ".into(), Tone::Dim)], &[plain(sentence(note, view))], false);
    }
}

fn verdict(page: &mut Page<'_>, report: &TuneReport, view: &View) {
    let count = |outcome: Outcome| report.values.iter().filter(|value| value.outcome == outcome).count();
    let mut parts = Vec::new();
    let mut say = |number: usize, words: &str| {
        if number > 0 {
            parts.push(format!("{number} {words}"));
        }
    };
    say(count(Outcome::Pass), "as wanted");
    say(count(Outcome::Warn), "not as wanted");
    say(count(Outcome::Unknown), "cannot be read");
    say(count(Outcome::Skip), "not on this host");
    say(report.risks.iter().filter(|risk| risk.refused).count(), "harmful or wrong");
    say(report.applies.iter().filter(|apply| apply.outcome == Outcome::Pass).count(), "applied and holding");
    say(report.applies.iter().filter(|apply| apply.outcome != Outcome::Pass).count(), "applied and not as it was");
    let text = if parts.is_empty() { ".".to_owned() } else { format!(": {}.", parts.join(", ")) };
    let word = report.verdict.word();
    let tail = sentence(&format!("{text}  Files are read at boot by {}.", report.loader), view);
    page.flow(0, 2, &[(word.into(), tone(report.verdict)), plain(tail)]);
}

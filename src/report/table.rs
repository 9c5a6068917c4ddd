//! The report for people: paths and ladders, the table of checks, the diagnosis, and the verdict line.

use super::text::{Page, Tone, clean, plain, sentence, subject, width};
use super::{View, ladder, paths, side};
use comfy_table::{Cell, ColumnConstraint, ContentArrangement, Table, presets};
use pathvet_checks::report::{Confidence, Counts, Diagnosis, Finding, Outcome, PathReport, Report};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Up to this many paths are shown one by one, more of them as a table.
const FEW: usize = 6;
/// Lines of a list that is shortened without `-v`.
pub(super) const LIST: usize = 40;
/// Paths, diagnoses and findings told in full without `-v` where there are many paths.
pub(super) const DETAILS: usize = 3;
/// Reasons in the verdict line, and diagnoses of the same kind, that are named one by one.
const NAMED: usize = 6;
/// Below this many columns tables have fewer of their own.
pub(super) const NARROW: usize = 64;

/// The report as text, every line ended.
#[must_use]
pub fn render(report: &Report, view: &View) -> String {
    let mut page = Page::new(view);
    if view.quiet {
        if report.verdict != Outcome::Pass {
            quiet(&mut page, report, view);
        }
        return page.finish();
    }
    let counted = Counted::new(report);
    let many = report.paths.len() > FEW;
    let detailed: Vec<&PathReport> =
        if many { paths::write(&mut page, report, &counted, view) } else { report.paths.iter().collect() };
    for path in detailed.iter().filter(|path| !many || !path.path.rungs.is_empty()) {
        page.blank();
        ladder::header(&mut page, path, view);
        if !path.path.rungs.is_empty() {
            page.blank();
            ladder::write(&mut page, &path.path, path.expected_mtu, view);
        }
    }
    let shown = shown(report, many, &detailed, view);
    page.blank();
    checks(&mut page, &shown, view);
    diagnoses(&mut page, report, many, view);
    explanations(&mut page, report, &shown, many, view);
    notes(&mut page, report, view);
    if view.verbose > 0 {
        not_looked_at_list(&mut page, report, view);
    }
    page.blank();
    verdict(&mut page, report, view);
    page.finish()
}

/// Findings by subject.
pub(super) struct Counted<'r>(BTreeMap<&'r str, Vec<&'r Finding>>);

impl<'r> Counted<'r> {
    fn new(report: &'r Report) -> Self {
        let mut by_subject: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
        for finding in &report.findings {
            by_subject.entry(&finding.subject).or_default().push(finding);
        }
        Self(by_subject)
    }

    /// Every finding on that subject, in the order of the manual.
    pub(super) fn of(&self, subject: &str) -> &[&'r Finding] {
        self.0.get(subject).map_or(&[], Vec::as_slice)
    }
}

/// The worst counted outcome; `None` where nothing counts.
pub(super) fn worst(findings: &[&Finding]) -> Option<Outcome> {
    findings.iter().filter(|finding| counts(finding)).map(|finding| finding.outcome).max()
}

fn counts(finding: &Finding) -> bool {
    finding.outcome != Outcome::Skip && finding.waived.is_none()
}

pub(super) const fn tone(outcome: Outcome) -> Tone {
    match outcome {
        Outcome::Pass => Tone::Good,
        Outcome::Warn => Tone::Caution,
        Outcome::Unknown => Tone::Unsure,
        Outcome::Fail => Tone::Bad,
        Outcome::Skip => Tone::Dim,
    }
}

/// How many of something are told in full.
pub(super) const fn listing_cap(view: &View, few: usize) -> usize {
    if view.verbose > 0 { usize::MAX } else { few }
}

/// A finding that is in the table of checks, and its index in the report.
type Shown<'r> = (usize, &'r Finding);

/// The findings of the table of checks. With many paths a path's own findings are there only where something is wrong with it.
fn shown<'r>(report: &'r Report, many: bool, detailed: &[&PathReport], view: &View) -> Vec<Shown<'r>> {
    let of_paths: BTreeSet<String> = report.paths.iter().map(|path| path.path.subject()).collect();
    let wanted: BTreeSet<String> = detailed.iter().map(|path| path.path.subject()).collect();
    let keep = |(_, finding): &Shown<'_>| {
        finding.outcome != Outcome::Skip
            && (!many
                || view.verbose > 1
                || !of_paths.contains(&*finding.subject)
                || (finding.outcome != Outcome::Pass && wanted.contains(&*finding.subject)))
    };
    let all: Vec<Shown<'_>> = report.findings.iter().enumerate().filter(keep).collect();
    let most = if many { listing_cap(view, LIST) } else { usize::MAX };
    if all.len() <= most {
        return all;
    }
    let (mut bad, good): (Vec<Shown<'_>>, Vec<Shown<'_>>) =
        all.into_iter().partition(|(_, finding)| finding.outcome != Outcome::Pass);
    bad.extend(good);
    bad.truncate(most);
    bad
}

fn checks(page: &mut Page<'_>, findings: &[Shown<'_>], view: &View) {
    if findings.is_empty() {
        return;
    }
    let narrow = view.width < NARROW;
    let mut grid = if narrow {
        Grid::new(&["RESULT", "CHECK", "SUBJECT, MEASURED"], 0, view)
    } else {
        Grid::new(&["CHECK", "SUBJECT", "RESULT", "MEASURED", "EXPECTED"], 2, view)
    };
    for (_, finding) in findings {
        let measured =
            finding.observed.as_ref().map_or_else(|| sentence(&finding.summary, view), |seen| sentence(&seen.text, view));
        let expected = finding.expected.as_ref().map_or_else(String::new, |wanted| sentence(&wanted.text, view));
        let waived = finding.waived.is_some();
        let result = if waived { format!("{} waived", finding.outcome.word()) } else { finding.outcome.word().to_owned() };
        let about = subject(&finding.subject, view);
        let cells = if narrow {
            let expected = if expected.is_empty() { expected } else { format!("; expected {expected}") };
            vec![result, finding.check.to_string(), format!("{about}\n{measured}{expected}")]
        } else {
            vec![finding.check.to_string(), about, result, measured, expected]
        };
        grid.row(cells, tone(finding.outcome), waived);
    }
    grid.write(page);
}

/// A table without lines, whose column of results has a colour.
pub(super) struct Grid<'v> {
    view: &'v View,
    table: Table,
    result: &'static str,
    result_index: usize,
    rows: Vec<(Tone, bool)>,
}

impl<'v> Grid<'v> {
    /// `result` is the index of the column that holds outcomes.
    pub(super) fn new(heads: &[&'static str], result: usize, view: &'v View) -> Self {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(u16::try_from(view.width.max(24)).unwrap_or(u16::MAX));
        table.set_header(heads.to_vec());
        if let Some(column) = table.column_mut(result) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
        Self { view, table, result: heads[result], result_index: result, rows: Vec::new() }
    }

    /// What stands before and in the column of results is broken only where it leaves too little for the rest.
    fn keep_names_whole(&mut self) {
        const REST: usize = 28;
        let widths = self.table.column_max_content_widths();
        let names = widths.get(..=self.result_index).unwrap_or_default();
        let taken: usize = names.iter().map(|width| usize::from(*width) + 2).sum();
        if taken + REST <= self.view.width {
            for index in 0..names.len() {
                if let Some(column) = self.table.column_mut(index) {
                    column.set_constraint(ColumnConstraint::ContentWidth);
                }
            }
        }
    }

    /// Adds a row; `dim` takes the colour from all of it.
    pub(super) fn row(&mut self, cells: Vec<String>, tone: Tone, dim: bool) {
        let cell = |text: String| {
            let lines: Vec<_> = text.split('\n').map(|line| clean(line, self.view.utf8)).collect();
            Cell::new_owned(lines.join("\n"))
        };
        self.table.add_row(cells.into_iter().map(cell).collect::<Vec<_>>());
        self.rows.push((tone, dim));
    }

    pub(super) fn write(mut self, page: &mut Page<'_>) {
        self.keep_names_whole();
        let mut lines = self.table.lines();
        let Some(head) = lines.next() else { return };
        let at = head.find(self.result).unwrap_or(0);
        page.line(&[(head.into(), Tone::Dim)]);
        let mut rows = self.rows.iter();
        let mut now = (Tone::Plain, false);
        for line in lines {
            let (before, rest) = line.split_at(column(&line, at));
            let first = rest.starts_with(|c: char| c != ' ');
            if first {
                now = rows.next().copied().unwrap_or(now);
            }
            let end = ["UNKNOWN", "PASS", "WARN", "FAIL", "SKIP"]
                .iter()
                .find(|word| rest.starts_with(**word))
                .map_or(0, |word| word.len());
            let (word, after) = rest.split_at(end);
            if now.1 {
                page.line(&[(line.as_str().into(), Tone::Dim)]);
            } else {
                page.line(&[plain(before), (word.into(), now.0), plain(after)]);
            }
        }
    }
}

/// The byte at which terminal column `at` of `line` begins.
fn column(line: &str, at: usize) -> usize {
    let mut columns = 0;
    for (index, c) in line.char_indices() {
        if columns >= at {
            return index;
        }
        columns += width(c.encode_utf8(&mut [0; 4]));
    }
    line.len()
}

/// Diagnoses, those that differ in the path alone under the first of them.
fn diagnoses(page: &mut Page<'_>, report: &Report, many: bool, view: &View) {
    let mut groups: Vec<(&Diagnosis, Vec<&Diagnosis>)> = Vec::new();
    let mut place: BTreeMap<(&[String], &[String]), usize> = BTreeMap::new();
    for diagnosis in &report.diagnoses {
        let key = (diagnosis.details.as_slice(), diagnosis.remedies.as_slice());
        let same = place.get(&key).and_then(|&at| groups.get_mut(at));
        match same {
            Some((first, others)) if first.confidence == diagnosis.confidence && first.culprit.kind == diagnosis.culprit.kind => {
                others.push(diagnosis);
            }
            _ => {
                place.insert(key, groups.len());
                groups.push((diagnosis, Vec::new()));
            }
        }
    }
    let most = if many { listing_cap(view, DETAILS) } else { usize::MAX };
    for (diagnosis, others) in groups.iter().take(most) {
        page.blank();
        one_diagnosis(page, diagnosis, &report.findings, view);
        let named = listing_cap(view, NAMED);
        let mut same: Vec<String> = others.iter().take(named).map(|other| sentence(&other.summary, view)).collect();
        if others.len() > named {
            same.push(format!("... and {} more of the same: -v names them", others.len() - named));
        }
        labelled(page, "The same", "", &same, false);
    }
    if groups.len() > most {
        page.blank();
        page.flow(0, 2, &[plain(format!("... and {} more diagnoses: -v tells them", groups.len() - most))]);
    }
}

fn one_diagnosis(page: &mut Page<'_>, diagnosis: &Diagnosis, findings: &[Finding], view: &View) {
    let sure = match diagnosis.confidence {
        Confidence::Certain => "certain",
        Confidence::Likely => "likely",
        Confidence::Possible => "possible",
    };
    let head = format!("DIAGNOSIS ({sure})");
    page.flow(0, 2, &[(head.into(), Tone::Strong), plain(format!("  {}", sentence(&diagnosis.summary, view)))]);
    for detail in &diagnosis.details {
        page.flow(2, 4, &[plain(sentence(detail, view))]);
    }
    if view.verbose > 0
        && let Some(finding) = diagnosis.explains.first().and_then(|index| findings.get(*index))
    {
        let sources: Vec<String> = finding.sources.iter().map(|source| sentence(source, view)).collect();
        labelled(page, "From", "", &sources, false);
    }
    // Both ends of one difference have the same table, seen from either.
    let mut shown: Vec<&str> = Vec::new();
    for finding in diagnosis.explains.iter().filter_map(|index| findings.get(*index)) {
        if let Some(comparison) = finding.details.as_deref().filter(|comparison| !shown.contains(&comparison.what.as_str())) {
            shown.push(&comparison.what);
            compared(page, finding, view);
        }
    }
    labelled(page, "Prove it", "", &diagnosis.proof, true);
    remedies(page, &diagnosis.remedies);
}

/// The devices of a finding side by side, where it compared some.
fn compared(page: &mut Page<'_>, finding: &Finding, view: &View) {
    if let Some(comparison) = &finding.details {
        page.blank();
        side::write(page, comparison, view);
        page.blank();
    }
}

/// `Either …`, `or …`; `Remedy` where there is one.
fn remedies(page: &mut Page<'_>, remedies: &[String]) {
    match remedies {
        [] => {}
        [one] => labelled(page, "Remedy", "", std::slice::from_ref(one), true),
        several => labelled(page, "Either", "or", several, true),
    }
}

/// Lines under a label: the label before the first, `again` before the others.
fn labelled(page: &mut Page<'_>, label: &str, again: &str, lines: &[String], chunks: bool) {
    for (index, line) in lines.iter().enumerate() {
        let label = if index == 0 { label } else { again };
        page.labelled(&[(format!("  {label:<8}   ").into(), Tone::Strong)], &[plain(line.as_str())], chunks);
    }
}

/// Findings that are not PASS and that no diagnosis explains, with what may be behind them and what to do.
fn explanations(page: &mut Page<'_>, report: &Report, shown: &[Shown<'_>], many: bool, view: &View) {
    let explained: BTreeSet<usize> = report.diagnoses.iter().flat_map(|diagnosis| diagnosis.explains.iter().copied()).collect();
    let open = |(index, finding): &&Shown<'_>| {
        counts(finding)
            && finding.outcome != Outcome::Pass
            && !explained.contains(index)
            && (finding.observed.is_some() || !finding.causes.is_empty() || !finding.remedies.is_empty())
    };
    let most = if many { listing_cap(view, DETAILS) } else { usize::MAX };
    let all: Vec<&Finding> = shown.iter().filter(open).map(|(_, finding)| *finding).collect();
    for finding in all.iter().take(most) {
        page.blank();
        let head = format!("{} {}  {}", finding.outcome.word(), finding.check, subject(&finding.subject, view));
        page.flow(0, 2, &[(head.into(), tone(finding.outcome)), plain(format!("  {}", sentence(&finding.summary, view)))]);
        compared(page, finding, view);
        let causes: Vec<String> = finding.causes.iter().map(|cause| sentence(cause, view)).collect();
        labelled(page, "Perhaps", "or", &causes, false);
        remedies(page, &finding.remedies);
        if view.verbose > 0 && !finding.sources.is_empty() {
            labelled(page, "From", "", &[finding.sources.join(", ")], false);
        }
    }
    if all.len() > most {
        page.blank();
        page.flow(0, 2, &[plain(format!("... and {} more findings: -v tells them", all.len() - most))]);
    }
}

/// Things with the same words, and whom each is about, in the order in which they were first said.
struct Grouped<T> {
    groups: Vec<(String, Vec<T>)>,
    place: BTreeMap<String, usize>,
}

impl<T> Grouped<T> {
    fn add(&mut self, text: String, about: T) {
        if let Some((_, abouts)) = self.place.get(&text).and_then(|&at| self.groups.get_mut(at)) {
            abouts.push(about);
        } else {
            self.place.insert(text.clone(), self.groups.len());
            self.groups.push((text, vec![about]));
        }
    }
}

/// Notes of the findings and who waived what; equal ones once, with how many subjects they are about.
fn notes(page: &mut Page<'_>, report: &Report, view: &View) {
    let mut notes = Grouped { groups: Vec::new(), place: BTreeMap::new() };
    for finding in &report.findings {
        if let Some(waived) = &finding.waived {
            let (check, word) = (&finding.check, finding.outcome.word());
            let text = format!("{check} {word} waived until {} by {}: {}", waived.until, waived.owner, waived.reason);
            notes.add(text, &finding.subject);
        }
        for note in &finding.notes {
            notes.add(sentence(note, view), &finding.subject);
        }
    }
    let notes = notes.groups;
    if notes.is_empty() {
        return;
    }
    page.blank();
    let alone = report.paths.len() <= 1;
    let most = listing_cap(view, 10);
    for (text, subjects) in notes.iter().take(most) {
        let about = match subjects.as_slice() {
            [one] if !alone => format!(" ({})", subject(one, view)),
            [] | [_] => String::new(),
            several => format!(" ({} subjects)", several.len()),
        };
        page.labelled(&[("Note  ".into(), Tone::Strong)], &[plain(format!("{text}{about}"))], false);
    }
    if notes.len() > most {
        page.flow(6, 6, &[plain(format!("... and {} more notes: -v lists them", notes.len() - most))]);
    }
}

/// Reasons for what was skipped, each with the checks that it kept from looking; in the order of the manual.
fn skipped(report: &Report) -> Vec<(String, Vec<&Finding>)> {
    let mut reasons = Grouped { groups: Vec::new(), place: BTreeMap::new() };
    for finding in report.findings.iter().filter(|finding| finding.outcome == Outcome::Skip) {
        reasons.add(finding.summary.to_string(), finding);
    }
    reasons.groups
}

fn not_looked_at_list(page: &mut Page<'_>, report: &Report, view: &View) {
    let reasons = skipped(report);
    if reasons.is_empty() {
        return;
    }
    page.blank();
    page.line(&[("NOT LOOKED AT".into(), Tone::Dim)]);
    for finding in reasons.iter().flat_map(|(_, findings)| findings) {
        let text = format!("{}  {}  {}", finding.check, subject(&finding.subject, view), sentence(&finding.summary, view));
        page.flow(1, 4, &[plain(text)]);
        for remedy in &finding.remedies {
            page.flow_chunks(4, 6, &[plain(remedy.as_str())]);
        }
    }
}

/// `FAIL: 1 failed, 3 passed.  Not looked at: InfiniBand (no port)`.
fn verdict(page: &mut Page<'_>, report: &Report, view: &View) {
    let mut spans = vec![
        (report.verdict.word().into(), tone(report.verdict)),
        plain(format!(": {}{}.", counted_words(report.counts), exit_note(report))),
    ];
    let reasons = skipped(report);
    if !reasons.is_empty() {
        let most = listing_cap(view, NAMED);
        let mut parts: Vec<String> = reasons.iter().take(most).map(|(why, findings)| skipped_words(why, findings, view)).collect();
        if reasons.len() > most {
            parts.push(format!("{} more: -v", reasons.len() - most));
        }
        spans.push(plain(format!("  Not looked at: {}", parts.join(", "))));
    }
    page.flow(0, 2, &spans);
}

/// `path-reverse, path-loss (see path-reach)`.
fn skipped_words(why: &str, findings: &[&Finding], view: &View) -> String {
    // A reason that names what it is about needs no checks before it.
    if let Some(reason) = why.strip_prefix("InfiniBand: ") {
        return format!("InfiniBand ({})", sentence(reason, view));
    }
    let mut checks: Vec<&str> = Vec::new();
    for finding in findings {
        if !checks.contains(&&*finding.check) {
            checks.push(&finding.check);
        }
    }
    format!("{} ({})", checks.join(", "), sentence(why.trim_end_matches('.'), view))
}

fn counted_words(counts: Counts) -> String {
    let warnings = if counts.warn == 1 { "warning" } else { "warnings" };
    let words: Vec<String> = [
        (counts.fail, "failed"),
        (counts.unknown, "unknown"),
        (counts.warn, warnings),
        (counts.pass, "passed"),
        (counts.waived, "waived"),
    ]
    .into_iter()
    .filter(|(n, _)| *n > 0)
    .map(|(n, word)| format!("{n} {word}"))
    .collect();
    if words.is_empty() { "nothing was checked".to_owned() } else { words.join(", ") }
}

/// Said only where `--fail-on` makes the exit code another than the verdict's own.
fn exit_note(report: &Report) -> String {
    if report.exit_code == report.verdict.exit_code() { String::new() } else { format!(" (exit code {})", report.exit_code) }
}

fn quiet(page: &mut Page<'_>, report: &Report, view: &View) {
    let mut text = format!(": {}{}.", counted_words(report.counts), exit_note(report));
    let first = report.findings.iter().find(|finding| counts(finding) && finding.outcome == report.verdict);
    if let Some(finding) = first {
        let (about, summary) = (subject(&finding.subject, view), sentence(&finding.summary, view));
        let _ = write!(text, "  {} {about}: {summary}", finding.check);
    }
    page.line(&[(report.verdict.word().into(), tone(report.verdict)), plain(text)]);
}

//! Many paths on one page: a table with one line for each, healthy ones as a count where there are a great many.

use super::View;
use super::ladder::{bytes, lost, millis, seconds};
use super::table::{Counted, Grid, LIST, listing_cap, tone, worst};
use super::text::{Page, Tone, plain, sentence};
use pathvet_checks::evidence::LimitKind;
use pathvet_checks::report::{Outcome, PathReport, Report};
use std::collections::BTreeMap;

/// Writes the table of paths and says which paths deserve a closer look, worst first.
pub(super) fn write<'r>(page: &mut Page<'_>, report: &'r Report, counted: &Counted<'r>, view: &View) -> Vec<&'r PathReport> {
    let mut bad: Vec<(Outcome, &PathReport)> = Vec::new();
    let mut healthy: Vec<&PathReport> = Vec::new();
    for path in &report.paths {
        match worst(counted.of(&path.path.subject())) {
            Some(outcome) if outcome != Outcome::Pass => bad.push((outcome, path)),
            Some(_) => healthy.push(path),
            None => bad.push((Outcome::Skip, path)),
        }
    }
    bad.sort_by_key(|(outcome, _)| std::cmp::Reverse(*outcome));
    totals(page, report);
    let list_healthy = view.verbose > 0 || report.paths.len() <= LIST;
    let shown = if view.verbose > 0 { bad.len() } else { bad.len().min(LIST) };
    let mut rows: Vec<(Outcome, &PathReport)> = bad[..shown].to_vec();
    if list_healthy {
        rows.extend(healthy.iter().map(|path| (Outcome::Pass, *path)));
    }
    if !rows.is_empty() {
        page.blank();
        table(page, &rows, counted, view);
    }
    if shown < bad.len() {
        page.flow(1, 2, &[plain(format!("... and {} more that are not PASS: -v lists them", bad.len() - shown))]);
    }
    if !list_healthy && !healthy.is_empty() {
        page.blank();
        summary(page, &healthy, report.paths.len());
    }
    let most = listing_cap(view, super::table::DETAILS);
    bad.into_iter().filter(|(outcome, _)| *outcome != Outcome::Skip).map(|(_, path)| path).take(most).collect()
}

fn totals(page: &mut Page<'_>, report: &Report) {
    // Numbers of a file can be anything.
    let probes = report.paths.iter().fold(0, |sum: u64, path| sum.saturating_add(path.path.probes_sent));
    let sent = report.paths.iter().fold(0, |sum: u64, path| sum.saturating_add(path.path.bytes_sent));
    let mut from: Vec<&str> = report.paths.iter().map(|path| path.path.from.as_str()).collect();
    from.sort_unstable();
    from.dedup();
    let from = match from.as_slice() {
        [one] => format!(" from {one}"),
        several => format!(" from {} hosts", several.len()),
    };
    let effort = format!("   {probes} probes, {}, {}", bytes(sent), seconds(report.elapsed_ms));
    page.flow_chunks(0, 2, &[(format!("{} paths{from}", report.paths.len()).into(), Tone::Strong), plain(effort)]);
}

/// `9,997 of 10,000 paths PASS: MTU 9000 on 9,000, 1500 on 997`.
fn summary(page: &mut Page<'_>, healthy: &[&PathReport], all: usize) {
    let mut sizes: BTreeMap<u32, usize> = BTreeMap::new();
    for path in healthy {
        *sizes.entry(path.path.path_mtu.unwrap_or(0)).or_default() += 1;
    }
    let mut sizes: Vec<(u32, usize)> = sizes.into_iter().filter(|(mtu, _)| *mtu > 0).collect();
    sizes.sort_by_key(|(mtu, count)| (std::cmp::Reverse(*count), *mtu));
    let words = match sizes.as_slice() {
        [] => String::new(),
        [(mtu, count)] if *count == healthy.len() => format!(", all with MTU {mtu}"),
        several => {
            let most: Vec<String> = several.iter().take(6).map(|(mtu, count)| format!("{mtu} on {count}")).collect();
            let more = if several.len() > 6 { ", others on the rest" } else { "" };
            format!(": MTU {}{more}", most.join(", "))
        }
    };
    let text = format!(" {} of {all} paths PASS{words}; -v lists them", healthy.len());
    page.flow(1, 2, &[(text.into(), Tone::Good)]);
}

fn table(page: &mut Page<'_>, rows: &[(Outcome, &PathReport)], counted: &Counted<'_>, view: &View) {
    let one_source = rows.iter().all(|(_, path)| path.path.from == rows[0].1.path.from);
    let narrow = view.width < super::table::NARROW;
    let mut grid = if narrow {
        Grid::new(&["RESULT", "PATH", "MTU", "WHY"], 0, view)
    } else {
        Grid::new(&["PATH", "RESULT", "MTU", "EXPECTED", "LOST", "RTT", "WHY"], 1, view)
    };
    for (outcome, path) in rows {
        let PathReport { path, expected_mtu, .. } = path;
        let mut name = if one_source { path.subject().replacen(&format!("{}->", path.from), "", 1) } else { path.subject() };
        if let Some(address) = path.address.map(|address| address.to_string()).filter(|address| *address != path.to) {
            name = format!("{name} ({address})");
        }
        let mtu = path.path_mtu.map_or_else(|| "-".to_owned(), |mtu| mtu.to_string());
        let expected = expected_mtu.or(path.interface_mtu).map_or_else(|| "-".to_owned(), |mtu| mtu.to_string());
        let why = why(*outcome, path, counted, view);
        let word = outcome.word().to_owned();
        let cells = if narrow {
            vec![word, name, mtu, why]
        } else {
            let rtt = path.rtt_us.map_or_else(|| "-".to_owned(), |rtt| millis(rtt.avg));
            vec![name, word, mtu, expected, lost(path).unwrap_or_else(|| "-".to_owned()), rtt, why]
        };
        grid.row(cells, tone(*outcome), false);
    }
    grid.write(page);
}

/// The checks that are not PASS, and what limits the path where that is known.
fn why(outcome: Outcome, path: &pathvet_checks::evidence::Path, counted: &Counted<'_>, view: &View) -> String {
    if outcome == Outcome::Pass {
        return String::new();
    }
    let findings = counted.of(&path.subject());
    if outcome == Outcome::Skip {
        return findings.first().map_or_else(String::new, |finding| sentence(&finding.summary, view));
    }
    let mut checks: Vec<&str> =
        findings.iter().filter(|finding| finding.outcome == outcome).map(|finding| &*finding.check).collect();
    checks.dedup();
    let limit = match path.limit.kind {
        LimitKind::Router => path.limit.router.map_or_else(String::new, |router| format!(" ({router})")),
        LimitKind::Silent => " (silent)".to_owned(),
        LimitKind::None
        | LimitKind::Local
        | LimitKind::Loss
        | LimitKind::Policed
        | LimitKind::Filtered
        | LimitKind::FirewallLocal
        | LimitKind::Unreachable
        | LimitKind::Unknown => String::new(),
    };
    format!("{}{limit}", checks.join(", "))
}

//! What several devices are set to, side by side: one row each, one column for each priority.

use super::View;
use super::text::{Page, Tone, clean, plain, width};
use pathvet_checks::report::{Comparison, ComparisonRow, Side};

/// Columns between two values.
const GAP: usize = 2;

/// Writes the table below a finding. What differs from the row that counts (the plan, else the port itself) stands out.
pub(super) fn write(page: &mut Page<'_>, comparison: &Comparison, view: &View) {
    let cell = |text: &str| match text {
        "" | "off" => "-".to_owned(),
        text => clean(text, view.utf8).into_owned(),
    };
    let rows: Vec<(&ComparisonRow, String, Vec<String>)> = comparison
        .rows
        .iter()
        .map(|row| (row, clean(&row.name, view.utf8).into_owned(), row.cells.iter().map(|text| cell(text)).collect()))
        .collect();
    let heads: Vec<String> = comparison.columns.iter().map(|head| clean(head, view.utf8).into_owned()).collect();
    let what = clean(&comparison.what, view.utf8).into_owned();
    let widths: Vec<usize> = (0..heads.len())
        .map(|at| {
            let cells = rows.iter().filter_map(|(_, _, cells)| cells.get(at));
            cells.chain(heads.get(at)).map(|text| width(text)).max().unwrap_or(0)
        })
        .collect();
    let values: usize = widths.iter().map(|own| own + GAP).sum();
    let names = rows.iter().map(|(_, name, _)| name).chain([&what]).map(|name| width(name)).max().unwrap_or(0);
    // Names that leave no room for the values stand on a line of their own.
    let apart = names + values + GAP > view.width;
    let names = if apart { width(&what).min(view.width / 3) } else { names };
    let line = |name: &str, cells: &[String]| {
        let mut text = format!("  {name}{}", " ".repeat(names.saturating_sub(width(name))));
        for (cell, own) in cells.iter().zip(&widths) {
            text.push_str(&" ".repeat(GAP + own.saturating_sub(width(cell))));
            text.push_str(cell);
        }
        text
    };
    page.line(&[(line(&what, &heads).into(), Tone::Dim)]);
    let measure = rows.iter().find(|(row, ..)| row.side == Side::Plan).or_else(|| rows.first()).map(|(_, _, cells)| cells.clone());
    for (row, name, cells) in &rows {
        let differs = row.side != Side::Plan && measure.as_ref().is_some_and(|measure| said_otherwise(measure, cells));
        let tone = if differs { Tone::Caution } else { Tone::Plain };
        if apart {
            page.line(&[plain(format!("  {name}"))]);
            page.line(&[(line("", cells).into(), tone)]);
        } else {
            page.line(&[(line(name, cells).into(), tone)]);
        }
    }
}

/// Whether two rows differ anywhere.
fn said_otherwise(one: &[String], other: &[String]) -> bool {
    one.iter().zip(other).any(|(one, other)| one != other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comparison(name: &str) -> Comparison {
        let cells = |on: &[usize]| (0..8).map(|at| if on.contains(&at) { "on" } else { "off" }.to_owned()).collect();
        let row = |side, name: &str, on: &[usize]| ComparisonRow { side, name: name.to_owned(), cells: cells(on) };
        Comparison {
            what: "PFC".to_owned(),
            columns: (0..8).map(|at| at.to_string()).collect(),
            rows: vec![row(Side::Plan, "plan", &[3]), row(Side::Host, "node1:eth0", &[3, 4]), row(Side::Switch, name, &[3])],
        }
    }

    fn written(name: &str, columns: usize) -> String {
        let view = View { width: columns, ..View::default() };
        let mut page = Page::new(&view);
        write(&mut page, &comparison(name), &view);
        page.finish()
    }

    #[test]
    fn priorities_are_columns() {
        let expected = "  PFC          0  1  2   3   4  5  6  7\n  plan         -  -  -  on   -  -  -  -\n  node1:eth0   -  -  -  on  on  -  -  -\n  \
                        tor1 Eth1/7  -  -  -  on   -  -  -  -\n";
        assert_eq!(written("tor1 Eth1/7", 80), expected);
    }

    #[test]
    fn long_and_hostile_names_do_not_break_it() {
        let name = format!("\u{1b}[2J{}", "x".repeat(70));
        let text = written(&name, 60);
        assert!(text.contains("\\u{1b}[2Jxxx") && !text.contains('\u{1b}'), "{text}");
        assert!(text.lines().filter(|line| !line.contains("xxx")).all(|line| line.len() <= 60), "{text}");
    }
}

//! The report as JSON (schema `pathvet.report/1`, described in `pathvet-report.5`).

use pathvet_checks::report::Report;

/// The whole report, indented, keys in the order of the schema, one newline at the end.
///
/// # Errors
/// Only where a number in it has no JSON form (a loss that is not finite).
pub fn render(report: &Report) -> serde_json::Result<String> {
    let mut text = serde_json::to_string_pretty(report)?;
    text.push('\n');
    Ok(text)
}

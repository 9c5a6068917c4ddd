//! The report as JSON (schema `pathvet.report/1`, described in `pathvet-report.5`).

use pathvet_checks::report::Report;
use std::io::{self, BufWriter, Write};

/// Paths up to which a report is indented: beyond, nobody reads it without a program.
const READABLE: usize = 256;

/// Writes the whole report, keys in the order of the schema, one newline at the end. As text at once it would be many times the
/// size of the report where that has thousands of paths.
///
/// # Errors
/// What writing returned.
pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(256 * 1024, out);
    if report.paths.len() > READABLE {
        serde_json::to_writer(&mut out, report)?;
    } else {
        serde_json::to_writer_pretty(&mut out, report)?;
    }
    out.write_all(b"\n")?;
    out.flush()
}

//! The report as JSON (schema `pathvet.report/1`, described in `pathvet-report.5`).

use pathvet_checks::report::Report;
use serde::Serialize;
use std::io::{self, BufWriter, Write};
use std::num::NonZero;
use std::sync::mpsc::{channel, sync_channel};
use std::thread;

/// Paths up to which a report is indented: beyond, nobody reads it without a program.
const READABLE: usize = 256;
/// Rows that a thread makes text of at a time: some hundred kilobytes.
const CHUNK: usize = 128;
/// The last keys of a report that has no rows.
const NO_ROWS: &str = r#""paths":[],"findings":[],"diagnoses":[]}"#;

/// Writes the whole report, keys in the order of the schema, one newline at the end. As text at once it would be many times the
/// size of the report where that has thousands of paths.
///
/// # Errors
/// What writing returned.
pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(256 * 1024, out);
    if report.paths.len() > READABLE {
        long(report, &mut out)?;
    } else {
        serde_json::to_writer_pretty(&mut out, report)?;
    }
    out.write_all(b"\n")?;
    out.flush()
}

/// Making text of ten thousand paths takes as long as a quarter of their probing, so the rows are shared out among threads.
fn long(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let empty = Report {
        schema: report.schema.clone(),
        tool: report.tool.clone(),
        started: report.started,
        elapsed_ms: report.elapsed_ms,
        verdict: report.verdict,
        exit_code: report.exit_code,
        counts: report.counts,
        paths: Vec::new(),
        findings: Vec::new(),
        diagnoses: Vec::new(),
    };
    let text = serde_json::to_string(&empty)?;
    let Some(head) = text.strip_suffix(NO_ROWS) else { return Ok(serde_json::to_writer(out, report)?) };
    write!(out, "{head}\"paths\":")?;
    rows(&report.paths, out)?;
    out.write_all(b",\"findings\":")?;
    rows(&report.findings, out)?;
    out.write_all(b",\"diagnoses\":")?;
    rows(&report.diagnoses, out)?;
    out.write_all(b"}")
}

/// Writes a list.
fn rows<T: Serialize + Sync>(rows: &[T], out: &mut impl Write) -> io::Result<()> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(4);
    out.write_all(b"[")?;
    thread::scope(|scope| {
        // Each thread waits with its next chunk until the one before is taken: little is held at a time. Buffers go back and forth.
        let start = |first| {
            let (sender, receiver) = sync_channel(1);
            let (back, spare) = channel();
            let own = rows.chunks(CHUNK).skip(first).step_by(threads);
            let text = move |chunk| text(chunk, spare.try_recv().unwrap_or_default());
            let work = move || drop(own.map(text).try_for_each(|chunk| sender.send(chunk)));
            thread::Builder::new().name("json".into()).spawn_scoped(scope, work).ok().map(|_| (receiver, back))
        };
        let threads: Vec<_> = (0..threads).map(start).collect();
        for (index, chunk) in rows.chunks(CHUNK).enumerate() {
            if index > 0 {
                out.write_all(b",")?;
            }
            let Some((receiver, back)) = &threads[index % threads.len()] else {
                // No thread was to be had.
                out.write_all(&text(chunk, Vec::new())?)?;
                continue;
            };
            let bytes = receiver.recv().map_err(io::Error::other)??;
            out.write_all(&bytes)?;
            // A thread that has made its last chunk wants none.
            drop(back.send(bytes));
        }
        out.write_all(b"]")
    })
}

/// Rows and the commas between them, written into `bytes`, whatever it held.
fn text<T: Serialize>(rows: &[T], mut bytes: Vec<u8>) -> serde_json::Result<Vec<u8>> {
    bytes.clear();
    for (index, row) in rows.iter().enumerate() {
        if index > 0 {
            bytes.push(b',');
        }
        serde_json::to_writer(&mut bytes, row)?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever the number of rows, the text is what the library alone would make of the report.
    #[test]
    fn long_reports_are_the_same_text() {
        let text = include_str!("../../testdata/reports/story.json");
        let mut report: Report = serde_json::from_str(text).expect("it is a report");
        let (path, finding) = (report.paths[0].clone(), report.findings[0].clone());
        for count in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 5 * CHUNK + 7] {
            report.paths = vec![path.clone(); count];
            report.findings = vec![finding.clone(); count * 2];
            for (index, path) in report.paths.iter_mut().enumerate() {
                path.path.to = format!("192.0.2.{index}");
            }
            let mut written = Vec::new();
            long(&report, &mut written).expect("memory takes it");
            assert!(written == serde_json::to_vec(&report).expect("it is a report"), "{count} rows");
        }
    }

    #[test]
    fn a_full_disk_is_an_error_and_no_hang() {
        struct Full(usize);
        impl Write for Full {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
                Ok(bytes.len())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let numbers: Vec<u32> = (0..100_000).collect();
        let error = rows(&numbers, &mut Full(100_000)).expect_err("it is full");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}

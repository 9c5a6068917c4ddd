//! Where results go: standard output and files, all opened before the first probe.

use super::args::{ColorArg, Format, ReportArgs};
use crate::error::{Error, OutputError};
use crate::report::{View, json, table};
use pathvet_checks::report::Report;
use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// A file that is open for writing and still holds what it held: it is emptied only when the result is there.
#[derive(Debug)]
pub(crate) struct Sink {
    place: PathBuf,
    file: File,
}

impl Sink {
    /// Opens a file, and makes it where there is none.
    pub(crate) fn open(place: &Path) -> Result<Self, OutputError> {
        let file = File::options().write(true).create(true).truncate(false).open(place);
        let file = file.map_err(|error| OutputError::new("create", place, error))?;
        Ok(Self { place: place.to_path_buf(), file })
    }

    /// Replaces what the file holds with what `content` writes.
    pub(crate) fn write(mut self, content: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), OutputError> {
        let is_file = self.file.metadata().is_ok_and(|metadata| metadata.is_file());
        let cut = if is_file { self.file.set_len(0) } else { Ok(()) };
        let written = cut.and_then(|()| content(&mut self.file)).and_then(|()| self.file.flush());
        written.map_err(|error| OutputError::new("write", &self.place, error))
    }
}

/// Writes to standard output. A reader that went away is not an error.
pub(crate) fn print(text: &str) -> Result<(), OutputError> {
    print_with(|out| out.write_all(text.as_bytes()))
}

/// The same for what writes itself.
pub(crate) fn print_with(content: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), OutputError> {
    let mut stdout = io::stdout().lock();
    match content(&mut stdout).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(OutputError::new("write", Path::new("standard output"), error)),
        _ => Ok(()),
    }
}

/// All places that one report goes to.
#[derive(Debug)]
pub(crate) struct Outputs {
    format: Format,
    view: View,
    files: Vec<(Format, Sink)>,
}

impl Outputs {
    /// Opens every file that the report goes to.
    pub(crate) fn open(args: &ReportArgs) -> Result<Self, OutputError> {
        let files = args.outputs.iter().map(|output| Ok((output.format, Sink::open(&output.file)?)));
        let files = files.collect::<Result<_, OutputError>>()?;
        Ok(Self { format: args.format, view: view(args), files })
    }

    /// Writes the report everywhere. The files come first, so that a full disk is noticed although standard output went away.
    pub(crate) fn write(self, report: &Report) -> Result<(), Error> {
        let mut failed = None;
        for (format, sink) in self.files {
            let plain = View { color: false, utf8: false, width: 80, quiet: false, ..self.view };
            let written = sink.write(|out| render(report, format, &plain, out));
            failed = failed.or(written.err());
        }
        // The report reaches the user even where a file could not be written.
        print_with(|out| render(report, self.format, &self.view, out))?;
        failed.map_or(Ok(()), |error| Err(error.into()))
    }
}

fn render(report: &Report, format: Format, view: &View, out: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Table => out.write_all(table::render(report, view).as_bytes()),
        Format::Json => json::write(report, out),
    }
}

/// Whether to write colours to a stream. `NO_COLOR` (no-color.org) and `TERM=dumb` say no, `CLICOLOR_FORCE` says yes.
pub(crate) fn use_color(color: ColorArg, is_terminal: bool) -> bool {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    match color {
        ColorArg::Always => true,
        ColorArg::Never => false,
        ColorArg::Auto if set("NO_COLOR").is_some() => false,
        ColorArg::Auto if set("CLICOLOR_FORCE").is_some_and(|value| value != "0") => true,
        ColorArg::Auto => is_terminal && set("TERM").is_some_and(|term| term != "dumb"),
    }
}

/// How standard output shows a report.
pub(crate) fn view(args: &ReportArgs) -> View {
    View { verbose: args.verbose, quiet: args.quiet, ..terminal(args.color) }
}

/// What standard output is: its width, whether it takes colours and characters beyond ASCII.
pub(crate) fn terminal(color: ColorArg) -> View {
    let is_terminal = io::stdout().is_terminal();
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let columns = || set("COLUMNS").and_then(|columns| columns.parse().ok()).filter(|columns| (20..=1000).contains(columns));
    let size = || terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0)).filter(|width| *width >= 20);
    let locale = set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG")).unwrap_or_default().to_ascii_lowercase();
    let utf8 = locale.contains("utf-8") || locale.contains("utf8");
    View {
        width: size().or_else(columns).unwrap_or(80),
        color: use_color(color, is_terminal),
        utf8: is_terminal && utf8,
        ..View::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_keeps_its_content_until_the_result_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("report");
        std::fs::write(&place, "an older and longer report").unwrap();
        let sink = Sink::open(&place).unwrap();
        assert_eq!(std::fs::read_to_string(&place).unwrap(), "an older and longer report");
        sink.write(|out| out.write_all(b"new")).unwrap();
        assert_eq!(std::fs::read_to_string(&place).unwrap(), "new");
    }

    #[test]
    fn what_cannot_be_written_names_the_file() {
        let error = Sink::open(Path::new("/nowhere/at/all")).unwrap_err();
        assert!(error.to_string().starts_with("cannot create /nowhere/at/all: "), "{error}");
        let error = Sink::open(Path::new("/dev/full")).unwrap().write(|out| out.write_all(b"x")).unwrap_err();
        assert!(error.to_string().starts_with("cannot write /dev/full: "), "{error}");
    }
}

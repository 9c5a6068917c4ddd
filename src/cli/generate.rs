//! `pathvet generate`: man pages, completions and JSON schemas, made by the program itself so that they cannot differ from it.

mod markdown;

use super::Outcome;
use super::output::print;
use crate::error::{Bug, Error, OutputError};
use clap::{Args, Subcommand, ValueEnum};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use pathvet_checks::builtin;
use pathvet_checks::evidence::Evidence;
use pathvet_checks::report::Report;
use schemars::{JsonSchema, SchemaGenerator};
use std::io;
use std::path::PathBuf;

/// `pathvet generate`.
#[derive(Debug, Subcommand)]
pub enum GenerateVerb {
    /// Man pages, as files in a folder
    Man(ManArgs),
    /// Completions for a shell, on standard output
    Completions(CompletionsArgs),
    /// The JSON schema of a document, on standard output
    Schema(SchemaArgs),
}

/// `pathvet generate man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// The folder; it is made where it is missing
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}

/// `pathvet generate completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    pub shell: clap_complete::Shell,
}

/// `pathvet generate schema`.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// The document
    #[arg(value_name = "DOCUMENT", value_enum)]
    pub document: Document,
}

/// A document whose schema can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Document {
    /// What `collect` writes and `judge` reads
    Evidence,
    /// What `--format json` writes
    Report,
    /// What `tune diff --format json` and its neighbours write
    Tune,
}

pub(super) fn run(verb: &GenerateVerb) -> Result<Outcome, Error> {
    let bug = |error: &dyn std::fmt::Display| Bug(error.to_string());
    match verb {
        GenerateVerb::Man(args) => {
            let pages = man_pages(&super::command()).map_err(|error| bug(&error))?;
            std::fs::create_dir_all(&args.folder).map_err(|error| OutputError::new("create", &args.folder, error))?;
            for (name, text) in pages {
                let place = args.folder.join(name);
                std::fs::write(&place, text).map_err(|error| OutputError::new("write", &place, error))?;
            }
        }
        GenerateVerb::Completions(args) => {
            let mut script = Vec::new();
            clap_complete::generate(args.shell, &mut visible(&super::command()), "pathvet", &mut script);
            print(&String::from_utf8(script).map_err(|error| bug(&error))?)?;
        }
        GenerateVerb::Schema(args) => print(&schema(args.document).map_err(|error| bug(&error))?)?,
    }
    Ok(Outcome::Done)
}

/// The command without its hidden verbs, which completion scripts would offer all the same.
fn visible(command: &clap::Command) -> clap::Command {
    clap::Command::new("pathvet")
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_subcommand(true)
        .args(command.get_arguments().cloned())
        .subcommands(command.get_subcommands().filter(|verb| !verb.is_hide_set()).cloned())
}

/// The day of the release, as `CHANGELOG.md` has it.
const RELEASED: &str = "2026-11-20";

/// Sections of `pathvet.1` beyond what the options say.
const PATHVET: &str = include_str!("generate/pathvet.md");

/// Hand-written pages, which packaging wants in the same folder.
const SECTION_5: [(&str, &str); 4] = [
    ("pathvet-baseline.5", include_str!("../../man/pathvet-baseline.5")),
    ("pathvet-evidence.5", include_str!("../../man/pathvet-evidence.5")),
    ("pathvet-plan.5", include_str!("../../man/pathvet-plan.5")),
    ("pathvet-report.5", include_str!("../../man/pathvet-report.5")),
];

/// Every page: file name and text, in alphabetical order.
fn man_pages(command: &clap::Command) -> io::Result<Vec<(String, String)>> {
    let mut root = command.clone().disable_help_subcommand(true);
    root.build();
    let mut pages: Vec<(String, String)> = Vec::new();
    verb_pages(&root, &mut pages, true)?;
    pages.push(("pathvet-checks.7".to_owned(), checks_page()));
    pages.extend(SECTION_5.map(|(name, text)| (name.to_owned(), text.to_owned())));
    pages.sort();
    Ok(pages)
}

/// One page for `command` and each of its verbs, and theirs.
fn verb_pages(command: &clap::Command, pages: &mut Vec<(String, String)>, root: bool) -> io::Result<()> {
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        verb_pages(verb, pages, false)?;
    }
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let man = Man::new(command.clone()).title(name.to_uppercase()).date(RELEASED).source(source()).manual("pathvet");
    let mut out = Vec::new();
    man.render_title(&mut out)?;
    man.render_name_section(&mut out)?;
    man.render_synopsis_section(&mut out)?;
    man.render_description_section(&mut out)?;
    if command.get_arguments().any(|argument| !argument.is_hide_set()) {
        man.render_options_section(&mut out)?;
    }
    if command.get_subcommands().any(|verb| !verb.is_hide_set()) {
        man.render_subcommands_section(&mut out)?;
    }
    let mut roff = Roff::new();
    if root {
        markdown::append(&mut roff, PATHVET, true);
    } else {
        if let Some(help) = command.get_after_long_help().or_else(|| command.get_after_help()) {
            after_help(&mut roff, &help.to_string());
        }
        roff.control("SH", ["SEE ALSO"]);
        roff.text([bold("pathvet"), roman("(1), "), bold("pathvet-checks"), roman("(7)")]);
    }
    roff.to_writer(&mut out)?;
    pages.push((format!("{name}.1"), tidy(&String::from_utf8_lossy(&out))));
    Ok(())
}

/// The examples at the end of a verb's `--help`: `Examples:` heads them, indented lines are commands.
fn after_help(roff: &mut Roff, help: &str) {
    let mut code = false;
    let set = |roff: &mut Roff, on: bool, code: &mut bool| {
        if on != *code {
            roff.control(if on { "nf" } else { "fi" }, []);
            *code = on;
        }
    };
    if !help.trim_start().starts_with("Example") {
        roff.control("SH", ["NOTES"]);
    }
    for line in help.lines() {
        if let Some(title) = line.strip_suffix(':').filter(|title| !title.starts_with(' ') && title.len() < 32) {
            set(roff, false, &mut code);
            roff.control("SH", [title.to_uppercase().as_str()]);
        } else if line.trim().is_empty() {
            set(roff, false, &mut code);
            roff.control("PP", []);
        } else {
            set(roff, line.starts_with(' '), &mut code);
            roff.text([roman(line)]);
        }
    }
    set(roff, false, &mut code);
}

/// `pathvet-checks.7`: every check, in the order of the registry.
fn checks_page() -> String {
    let mut roff = Roff::new();
    roff.control("TH", ["PATHVET-CHECKS", "7", RELEASED, source().as_str(), "pathvet"]);
    roff.control("SH", ["NAME"]);
    roff.text([roman("pathvet-checks - what pathvet looks for, how it decides, and what to do")]);
    roff.control("SH", ["DESCRIPTION"]);
    markdown::append(&mut roff, CHECKS_INTRODUCTION, false);
    for check in builtin::ALL {
        let meta = check.meta();
        roff.control("SH", [meta.id]);
        roff.text([roman(meta.summary)]);
        // rustc keeps the space that follows the three slashes.
        let docs: Vec<&str> = meta.docs.iter().map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
        markdown::append(&mut roff, &docs.join("\n"), false);
    }
    roff.control("SH", ["SEE ALSO"]);
    roff.text([bold("pathvet"), roman("(1), "), bold("pathvet-plan"), roman("(5), "), bold("pathvet-report"), roman("(5)")]);
    tidy(&roff.render())
}

const CHECKS_INTRODUCTION: &str = "\
Each check looks at one thing and says one of five words about each subject that it finds.

**PASS**
: measured, and as expected.

**WARN**
: it works, but there is a known risk, or a deviation that is not proven harmful.

**FAIL**
: measured, and wrong.

**UNKNOWN**
: asked for, and could not be decided; always with the reason.

**SKIP**
: does not apply here, or was not asked for and could not be decided. It is not counted, and named in the last line of the report.

Asked for are: the path checks of targets that were named, checks named by `--only`, what `--expect-mtu` or the plan's
`expect` names, and facts that the vetted path shows in use. The verdict of a run is the worst counted outcome, in the order
FAIL, UNKNOWN, WARN, PASS.

`pathvet explain` *ID* prints one of these sections, `pathvet list` their names.
";

fn source() -> String {
    format!("pathvet {}", env!("CARGO_PKG_VERSION"))
}

/// One apostrophe preamble instead of one for each section, no blanks at line ends, and no request for space where there is some.
fn tidy(page: &str) -> String {
    let lines: Vec<&str> = page.lines().map(str::trim_end).collect();
    let starts =
        |line: Option<&&str>, requests: &[&str]| line.is_some_and(|line| requests.iter().any(|request| line.starts_with(request)));
    let mut out: Vec<&str> = Vec::with_capacity(lines.len());
    for (index, &line) in lines.iter().enumerate() {
        let (last, next) = (out.last(), lines.get(index + 1));
        let is_empty = |line: Option<&&str>| line.is_some_and(|line| line.is_empty());
        let superfluous = match line {
            ".br" => is_empty(last) || is_empty(next),
            ".PP" => starts(last, &[".SH", ".SS", ".PP"]) || starts(next, &[".SH", ".SS"]) || next.is_none(),
            _ => starts(Some(&line), &[".ie \\n(.g .ds Aq", ".el .ds Aq"]) && out.contains(&line),
        };
        if !superfluous {
            out.push(line);
        }
    }
    let mut text = out.join("\n");
    text.push('\n');
    text
}

/// The JSON schema (draft 2020-12) of one kind of document, with a newline at its end.
fn schema(document: Document) -> serde_json::Result<String> {
    match document {
        Document::Evidence => schema_text::<Evidence>(pathvet_checks::evidence::SCHEMA),
        Document::Report => schema_text::<Report>(pathvet_checks::report::SCHEMA),
        Document::Tune => schema_text::<pathvet_checks::tune::TuneReport>(pathvet_checks::tune::SCHEMA),
    }
}

fn schema_text<T: JsonSchema>(name: &str) -> serde_json::Result<String> {
    let mut schema = SchemaGenerator::default().into_root_schema_for::<T>();
    schema.insert("$id".to_owned(), name.into());
    if let Some(word) = schema.pointer_mut("/properties/schema").and_then(serde_json::Value::as_object_mut) {
        word.insert("const".to_owned(), name.into());
    }
    let mut text = serde_json::to_string_pretty(&schema)?;
    text.push('\n');
    Ok(text)
}

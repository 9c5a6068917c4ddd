//! `tune apply` and `tune revert`: what is going to change, the question, and what came of it.

use super::super::Outcome;
use super::super::args::ColorArg;
use super::super::output::{print, terminal};
use super::{ApplyArgs, RevertArgs, load, machine};
use crate::error::{Error, InputError, OutputError, Problem, printable, writeln_stderr};
use crate::host::{Host, ThisHost};
use crate::report::tune::{self as render, Change, Changes};
use crate::sys::signal;
use crate::tune::journal::{self, Entry, ListError, Store};
use crate::tune::plan::{Plan, Wish, is_other_namespace};
use crate::tune::revert::{self, Now, Undo};
use crate::tune::{Step, TuneError, apply as applying};
use pathvet_checks::baseline::{self, Baseline, Machine};
use pathvet_checks::report;
use pathvet_checks::tune::shown as value_shown;
use std::io::{BufRead as _, IsTerminal as _, Write as _};

/// `tune apply`.
pub(super) fn apply(args: &ApplyArgs) -> Result<Outcome, Error> {
    let baseline = load(&args.baseline)?;
    let keys = |flag: &str, words: &[String]| {
        let known = || baseline.values.iter().map(|setting| setting.key.as_str());
        let found = words.iter().map(|word| {
            let key = baseline::dotted(word.trim());
            if known().any(|known| known == key) {
                return Ok(key);
            }
            let problem = Problem::new(flag, format!("the baseline {} has no `{key}`", baseline.name));
            Err(InputError::from(problem.nearest(&key, known())))
        });
        found.collect::<Result<Vec<_>, _>>()
    };
    let wish = Wish {
        running: !args.persist_only,
        persist: !args.runtime_only,
        only: keys("--only", &args.only)?,
        accepted: keys("--accept-risk", &args.accept_risk)?,
    };
    if !journal::is_file_word(&baseline.name) {
        return Err(Problem::new("BASELINE", format!("`{}` cannot be part of a file's name", baseline.name)).into());
    }
    let host = ThisHost;
    // Where the journals may not be read, nothing may be written either; that is said when it is tried.
    if let Some(why) = journal::list(&host).ok().and_then(|all| interrupted(&all)) {
        return failed(TuneError::Refused(vec![why]));
    }
    let machine = machine(&host);
    let plan = Plan::new(&host, &baseline, &wish, &machine);
    let view = terminal(ColorArg::Auto);
    let mut changes = shown(&plan, machine.page_size);
    if plan.file.is_some() && plan.refusals.is_empty() && is_other_namespace(&host) {
        changes.notes.push("this is not the first network namespace: the file acts on that one, at boot".into());
    }
    print(&render::changes(&changes, &view))?;
    if !plan.refusals.is_empty() {
        return Ok(refused());
    }
    if plan.is_empty() || args.dry_run {
        return Ok(Outcome::Done);
    }
    confirm(args.yes, "Set these values?", "apply")?;
    match carry_out(&host, &baseline, &wish, &machine, &plan) {
        Ok(id) => {
            print(&format!("Done. `pathvet tune revert {id}` takes it back.\n"))?;
            Ok(Outcome::Done)
        }
        Err(error) => failed(error),
    }
}

/// Locks, looks again, and applies.
fn carry_out(host: &dyn Host, baseline: &Baseline, wish: &Wish, machine: &Machine, shown: &Plan) -> Result<u32, TuneError> {
    signal::catch();
    let store = Store::open()?;
    store.tidy(host)?;
    let all = journals(host)?;
    if let Some(why) = interrupted(&all) {
        return Err(TuneError::Refused(vec![why]));
    }
    if Plan::new(host, baseline, wish, machine) != *shown {
        return Err(TuneError::Refused(vec!["the settings of this host changed while it was asked: look again".into()]));
    }
    let id = all.last().map_or(0, |entry| entry.journal.id).saturating_add(1);
    let journal = shown.journal(host, id, super::super::now());
    applying::perform(host, &store, shown, &journal)?;
    Ok(id)
}

fn interrupted(all: &[Entry]) -> Option<String> {
    let journal = &revert::unfinished(all)?.journal;
    Some(format!(
        "an apply of {} (number {}) was interrupted: `pathvet tune revert {1}` takes it back first",
        journal.baseline, journal.id
    ))
}

fn journals(host: &dyn Host) -> Result<Vec<Entry>, TuneError> {
    journal::list(host).map_err(|error| match error {
        ListError::Unreadable(why) => TuneError::Refused(vec![why]),
        ListError::Broken(error) => TuneError::Journal(error),
    })
}

/// `tune revert`.
pub(super) fn revert(args: &RevertArgs) -> Result<Outcome, Error> {
    match revert_or_fail(args) {
        Ok(outcome) => Ok(outcome),
        Err(Ended::Tune(error)) => failed(error),
        Err(Ended::Other(error)) => Err(error),
    }
}

enum Ended {
    Tune(TuneError),
    Other(Error),
}

impl From<TuneError> for Ended {
    fn from(error: TuneError) -> Self {
        Self::Tune(error)
    }
}

impl From<Error> for Ended {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl From<OutputError> for Ended {
    fn from(error: OutputError) -> Self {
        Self::Other(error.into())
    }
}

fn revert_or_fail(args: &RevertArgs) -> Result<Outcome, Ended> {
    let host = ThisHost;
    // Where nothing was ever applied there is nothing to lock, and no folder is made for it.
    let never = host.list(journal::FOLDER).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound);
    let store = if never { None } else { Some(Store::open()?) };
    if let Some(store) = &store {
        store.tidy(&host)?;
    }
    let all = journals(&host)?;
    let (Some(store), Some(entry)) = (store, revert::choose(&all, args.id)) else {
        if let Some(id) = args.id {
            let known: Vec<String> = all.iter().map(|entry| entry.journal.id.to_string()).collect();
            let known = if known.is_empty() { "nothing is applied here".into() } else { format!("there is {}", known.join(", ")) };
            return Err(Error::from(Problem::new("ID", format!("no apply has the number {id}; {known}"))).into());
        }
        print("Nothing is applied here.\n")?;
        return Ok(Outcome::Done);
    };
    let undo = Undo::look(&host, entry.clone()).map_err(TuneError::from)?;
    print(&render::changes(&shown_undo(&undo, args.force), &terminal(ColorArg::Auto)))?;
    let refusals = undo.refusals(&host, &all);
    if !refusals.is_empty() {
        return Err(TuneError::Refused(refusals).into());
    }
    let left = if args.force { 0 } else { undo.changed() };
    if undo.applied() > 0 || (args.force && undo.changed() > 0) {
        confirm(args.yes, "Take it back?", "revert")?;
    }
    undo.perform(&store, args.force)?;
    if left > 0 {
        let id = undo.entry.journal.id;
        print(&format!("Left as they are: {left}. `pathvet tune revert {id} --force` restores them, too.\n"))?;
        return Ok(Outcome::Judged(report::Outcome::Warn.exit_code()));
    }
    let gone = undo.values.iter().filter(|now| **now == Now::Gone).count();
    let gone = if gone > 0 { format!(", but for {gone} that this host no longer has") } else { String::new() };
    print(&format!("Everything is as it was before{gone}.\n"))?;
    Ok(Outcome::Done)
}

fn refused() -> Outcome {
    Outcome::Judged(report::Outcome::Fail.exit_code())
}

/// Says why nothing was changed. What cannot be written has an exit code of its own.
fn failed(error: TuneError) -> Result<Outcome, Error> {
    let code = match error {
        TuneError::Write(error) => return Err(error.into()),
        TuneError::Journal(error) => return Err(error.into()),
        TuneError::Busy => report::Outcome::Unknown.exit_code(),
        TuneError::Refused(_) => report::Outcome::Fail.exit_code(),
        TuneError::RolledBack { ref why } | TuneError::Stuck { ref why, .. } => match &**why {
            Step::Write(error) if !error.place.starts_with(journal::PROC) => 74,
            Step::Signal(number) => super::super::signalled(*number),
            _ => report::Outcome::Fail.exit_code(),
        },
    };
    let text = error.to_string();
    for line in text.lines() {
        drop(writeln_stderr(&format!("pathvet: {}", printable(line))));
    }
    Ok(Outcome::Judged(code))
}

/// Asks on a terminal; without one, `--yes` is needed.
fn confirm(yes: bool, question: &str, verb: &str) -> Result<(), Error> {
    if yes {
        return Ok(());
    }
    let stdin = std::io::stdin();
    if !stdin.is_terminal() || !std::io::stderr().is_terminal() {
        let problem = Problem::new(&format!("tune {verb}"), "nobody can be asked: there is no terminal");
        return Err(problem.help("give --yes to go on without a question").into());
    }
    let mut stderr = std::io::stderr().lock();
    let asked = write!(stderr, "{question} [y/N] ").and_then(|()| stderr.flush());
    let mut answer = String::new();
    if asked.is_ok() && stdin.lock().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes") {
        return Ok(());
    }
    Err(Problem::new(&format!("tune {verb}"), "the answer was no; nothing was changed").into())
}

/// An apply as rows.
fn shown(plan: &Plan, page_size: u64) -> Changes {
    let mut changes = Changes::default();
    for item in &plan.items {
        let key = &item.setting.key;
        let Some(target) = item.set.as_ref().or(item.line.as_ref()) else { continue };
        let at_boot = item.without.persisted.as_deref().unwrap_or("-");
        let what = match (&item.set, &item.line) {
            (Some(_), Some(_)) => "now, at boot",
            (Some(_), None) => "now",
            _ => "at boot",
        };
        changes.rows.push(Change {
            what: key.clone(),
            action: what.into(),
            now: item.running.as_deref().map(|value| value_shown(key, value, page_size)).unwrap_or_default(),
            at_boot: Some(value_shown(key, at_boot, page_size)),
            then: value_shown(key, target, page_size),
        });
    }
    if let Some(file) = &plan.file {
        let place = journal::file_of(&plan.baseline);
        let verb = match (&file.old, &file.new) {
            (_, None) => "is removed",
            (None, _) => "is written",
            (Some(_), _) => "is written anew",
        };
        changes.notes.push(format!("{} {verb}", place.display()));
    }
    for risk in &plan.accepted {
        changes.notes.push(format!("accepted: {} = {} is {}: {}", risk.key, risk.value, risk.severity.word(), risk.reason));
    }
    let held = plan.items.len() - changes.rows.len();
    if plan.refusals.is_empty() {
        changes.head = match changes.rows.len() {
            0 if plan.file.is_none() => format!("{}: nothing to do, all {held} values are as wanted", plan.baseline),
            1 => format!("{}: 1 value changes, {held} as wanted", plan.baseline),
            some => format!("{}: {some} values change, {held} as wanted", plan.baseline),
        };
    } else {
        changes.head = format!("{}: refused, nothing was written", plan.baseline);
        changes.refusals.clone_from(&plan.refusals);
        changes.rows.clear();
        changes.notes.clear();
    }
    let memory = |row: &Change| matches!(row.what.as_str(), "net.ipv4.tcp_mem" | "net.ipv4.udp_mem") && row.action.contains("now");
    if changes.rows.iter().any(memory) {
        changes.notes.push("tcp_mem and udp_mem act on open connections at once".into());
    }
    changes
}

/// A revert as rows.
fn shown_undo(undo: &Undo, force: bool) -> Changes {
    let journal = &undo.entry.journal;
    let mut changes = Changes {
        head: format!("{} (number {}), applied {}", journal.baseline, journal.id, journal.started),
        ..Changes::default()
    };
    if undo.entry.state == journal::State::Started {
        changes.head.push_str(", interrupted");
    }
    let action = |now: &Now| match now {
        Now::Applied => "restored",
        Now::Changed(_) if force => "restored",
        Now::Changed(_) => "left",
        Now::Before => "as before",
        Now::Gone => "gone",
    };
    for (value, now) in journal.values.iter().zip(&undo.values) {
        let shown = match now {
            Now::Changed(value) => format!("{value} (changed since)"),
            Now::Applied => value.new.clone(),
            Now::Before => value.old.clone(),
            Now::Gone => String::new(),
        };
        let then = if matches!(now, Now::Changed(_)) && !force { String::new() } else { baseline::normal(&value.old) };
        changes.rows.push(Change {
            what: value.key.clone(),
            action: action(now).into(),
            now: baseline::normal(&shown),
            at_boot: None,
            then,
        });
    }
    if let (Some(file), Some(now)) = (&journal.file, &undo.file) {
        let place = journal.file_place();
        let what = match now {
            Now::Changed(how) if !force => format!("was {how} since and is left as it is"),
            Now::Before | Now::Gone => "is as before".into(),
            _ if file.old.is_some() => "gets its old content".into(),
            _ => "is removed".into(),
        };
        changes.notes.push(format!("{} {what}", place.display()));
    }
    changes
}

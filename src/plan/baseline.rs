//! Baselines of kernel settings: those that are built in, and a site's own files.
//!
//! Both are the same YAML (`pathvet.baseline/1`, pathvet-baseline(5)). As with plans every mistake is said, each with its place.

use super::yaml::{Document, Entry, MOST_BYTES, Node};
use crate::error::{InputError, Problem, nearest};
use pathvet_checks::baseline::{Baseline, Kind, Rule, Setting, dotted, is_key, known, normal, shape};
use serde_yaml::Value;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// The schema name that a baseline must carry.
pub const SCHEMA: &str = "pathvet.baseline/1";
/// Most baselines that may stand on each other.
const DEEPEST: usize = 8;
/// Longest name: it becomes part of a file name.
const LONGEST_NAME: usize = 40;
/// Longest value, bytes.
const LONGEST_VALUE: usize = 256;
/// Words of a setting that say its rule.
const RULES: [&str; 5] = ["equal", "at_least", "at_most", "one_of", "not"];

/// A baseline that is built in, parsed when it is first asked for.
struct BuiltIn {
    name: &'static str,
    text: &'static str,
    parsed: OnceLock<Arc<Baseline>>,
}

macro_rules! built_in {
    ($($name:literal),+ $(,)?) => {
        [$(BuiltIn {
            name: $name,
            text: include_str!(concat!("../../checks/catalogue/baselines/", $name, ".yaml")),
            parsed: OnceLock::new(),
        }),+]
    };
}

static BUILT_IN: [BuiltIn; 8] = built_in![
    "ipoib-connected-2012",
    "ipoib-safe",
    "nvidia-guide",
    "tuned-network-throughput",
    "tuned-network-latency",
    "esnet-10g",
    "esnet-40g",
    "kernel-default",
];

/// The names of the built-in baselines, in the order in which they are listed.
pub fn names() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().map(|known| known.name)
}

/// The built-in baseline of that name.
#[must_use]
#[expect(clippy::missing_panics_doc, reason = "the files are part of the program, and a test parses each")]
pub fn built_in(name: &str) -> Option<Arc<Baseline>> {
    let known = BUILT_IN.iter().find(|known| known.name == name)?;
    let parsed = known.parsed.get_or_init(|| {
        let read = Reading::default().document(known.name, known.text.as_bytes(), None);
        Arc::new(read.expect("a test parses the files that are built in"))
    });
    Some(Arc::clone(parsed))
}

/// Whether a word names a file rather than a built-in baseline: it has a dot or a slash, which no name has.
#[must_use]
pub fn is_file(word: &str) -> bool {
    word.contains(['/', '.'])
}

/// The baseline that a word names: a built-in one, or a file where it has a dot or a slash. `folder` is where the file is looked
/// for; `origin` is what a mistake in the word itself is put down to.
///
/// # Errors
/// No baseline is called so, or every mistake of the file and of those that it extends.
pub fn load(word: &str, folder: Option<&Path>, origin: &str) -> Result<Arc<Baseline>, InputError> {
    if is_file(word) {
        let path = folder.map_or_else(|| PathBuf::from(word), |folder| folder.join(word));
        let mut baseline = Reading::default().file(&path)?;
        baseline.file = Some(path.display().to_string());
        return Ok(Arc::new(baseline));
    }
    built_in(word).ok_or_else(|| unknown(Problem::new(origin, no_such(word)), word).into())
}

/// Reads the text of a baseline. `name` is what messages call it; what it extends by a file name is looked for in its folder.
///
/// # Errors
/// Every mistake, each with its place.
pub fn parse(name: &str, bytes: &[u8]) -> Result<Baseline, InputError> {
    Reading::default().document(name, bytes, Path::new(name).parent())
}

pub(super) fn no_such(word: &str) -> String {
    format!("no baseline is called `{word}`")
}

/// Says what could have been meant.
pub(super) fn unknown(problem: Problem, word: &str) -> Problem {
    let expected = format!("expected {}, or a file such as ./{word}.yaml", names().collect::<Vec<_>>().join(", "));
    problem.expected(expected).nearest(word, names())
}

/// Reads a regular file: a pipe or a device would be waited for.
fn read_regular(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::{Error, ErrorKind, Read};
    use std::os::unix::fs::OpenOptionsExt;
    let file = std::fs::File::options().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(Error::new(ErrorKind::InvalidInput, "not a regular file"));
    }
    let mut bytes = Vec::new();
    let limit = u64::try_from(MOST_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// One reading: the mistakes of a file, and the files that are being read because one extends the other.
#[derive(Default)]
struct Reading {
    problems: Vec<Problem>,
    open: Vec<PathBuf>,
}

impl Reading {
    fn file(&mut self, path: &Path) -> Result<Baseline, InputError> {
        let name = path.display().to_string();
        let cannot = |error: std::io::Error| InputError::one(&name, format!("cannot read the baseline: {error}"));
        let bytes = read_regular(path).map_err(cannot)?;
        self.open.push(std::fs::canonicalize(path).map_err(cannot)?);
        self.document(&name, &bytes, path.parent())
    }

    /// `folder` is where files that it extends are looked for; a built-in baseline has none and extends only others of its kind.
    fn document(&mut self, name: &str, bytes: &[u8], folder: Option<&Path>) -> Result<Baseline, InputError> {
        let document = Document::parse(name, bytes)?;
        let baseline = self.baseline(&document.root(), folder);
        if self.problems.is_empty() {
            return Ok(baseline);
        }
        // Those of a file that is extended have their own places and stay behind.
        let mut problems = std::mem::take(&mut self.problems);
        problems.sort_by_key(|problem| (problem.origin != name, problem.position()));
        Err(InputError { problems })
    }

    fn wrong(&mut self, node: &Node<'_>, expected: &str) {
        let problem = node.problem(format!("{} does not belong here", node.describe()));
        self.problems.push(problem.expected(format!("expected {expected}")));
    }

    /// The entries of a mapping whose keys are known; others are reported and left out.
    fn fields<'d>(&mut self, node: &Node<'d>, allowed: &[&str]) -> Vec<Entry<'d>> {
        let Some(entries) = node.entries() else {
            self.wrong(node, &format!("a mapping with {}", allowed.join(", ")));
            return Vec::new();
        };
        let (right, odd): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| allowed.contains(&entry.key));
        for entry in odd {
            let problem = entry.key_problem(format!("unknown key `{}`", entry.key));
            let problem = problem.expected(format!("expected {}", allowed.join(", ")));
            self.problems.push(problem.nearest(entry.key, allowed.iter().copied()));
        }
        right
    }

    fn text(&mut self, node: &Node<'_>, expected: &str) -> Option<String> {
        let text = node.value.as_str().map(str::trim).filter(|text| !text.is_empty());
        if text.is_none() {
            self.wrong(node, expected);
        }
        text.map(str::to_owned)
    }

    /// A list of texts, or one.
    fn texts(&mut self, node: &Node<'_>, expected: &str) -> Vec<String> {
        let items = node.items().unwrap_or_else(|| vec![node.clone()]);
        items.iter().filter_map(|item| self.text(item, expected)).collect()
    }

    fn baseline(&mut self, node: &Node<'_>, folder: Option<&Path>) -> Baseline {
        const KEYS: [&str; 10] =
            ["schema", "name", "title", "purpose", "origin", "extends", "without", "warnings", "idle_latency_us", "values"];
        let mut baseline = Baseline::default();
        if node.value.is_null() {
            let problem = node.problem("the baseline is empty");
            self.problems.push(problem.expected(format!("expected `schema: {SCHEMA}`, `name` and `values`")));
            return baseline;
        }
        if node.entries().is_none() {
            self.wrong(node, &format!("a mapping with {}", KEYS.join(", ")));
            return baseline;
        }
        let entries = self.fields(node, &KEYS);
        let at = |key: &str| entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node);
        if let Some(schema) = at("schema") {
            self.schema(schema);
        } else {
            let problem = node.problem("the baseline does not say which schema it follows");
            self.problems.push(problem.expected(format!("expected the line `schema: {SCHEMA}`")));
        }
        if let Some(name) = at("name") {
            baseline.name = self.name(name, folder).unwrap_or_default();
        } else {
            let problem = node.problem("the baseline has no `name`");
            self.problems.push(problem.expected("expected a line such as `name: storage`"));
        }
        for (key, field) in [("title", &mut baseline.title), ("purpose", &mut baseline.purpose)] {
            if let Some(node) = at(key) {
                *field = self.text(node, "a text").unwrap_or_default();
            }
        }
        if let Some(node) = at("origin") {
            baseline.origin = self.texts(node, "where the values come from");
        }
        if let Some(node) = at("values") {
            baseline.values = self.values(node);
        }
        let base = at("extends").and_then(|node| Some((self.text(node, "the name or file of a baseline")?, node)));
        let base = base.and_then(|(word, node)| {
            baseline.extends = Some(word.clone());
            self.base(&word, node, folder)
        });
        let without = at("without").map(|node| self.without(node, base.as_deref())).unwrap_or_default();
        match at("warnings") {
            Some(node) => baseline.warnings = self.texts(node, "a warning"),
            None => baseline.warnings = base.as_deref().map(|base| base.warnings.clone()).unwrap_or_default(),
        }
        if let Some(node) = at("idle_latency_us") {
            baseline.idle_latency_us = node.value.as_u64().and_then(|latency| u32::try_from(latency).ok());
            if baseline.idle_latency_us.is_none() {
                self.wrong(node, "a number of microseconds");
            }
        } else {
            baseline.idle_latency_us = base.as_deref().and_then(|base| base.idle_latency_us);
        }
        if let Some(base) = base {
            baseline.build_on(&base, &without);
        } else if at("values").is_none() && at("extends").is_none() {
            self.problems.push(node.problem("the baseline has no `values`").expected("expected `values` or `extends`"));
        }
        baseline
    }

    fn schema(&mut self, node: &Node<'_>) {
        let Some(text) = self.text(node, &format!("`{SCHEMA}`")) else { return };
        if text == SCHEMA {
            return;
        }
        let message = match text.strip_prefix("pathvet.baseline/") {
            Some(version) if version.parse::<u32>().is_ok() => {
                format!("this baseline has schema {text}; this pathvet ({}) reads {SCHEMA}", env!("CARGO_PKG_VERSION"))
            }
            _ => format!("`{text}` is not the schema of a baseline"),
        };
        self.problems.push(node.problem(message).expected(format!("expected `{SCHEMA}`")));
    }

    fn name(&mut self, node: &Node<'_>, folder: Option<&Path>) -> Option<String> {
        let name = self.text(node, "a word of lower-case letters, digits and hyphens")?;
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !name.chars().all(good) || name.starts_with('-') || name.len() > LONGEST_NAME {
            let problem = node.problem(format!("`{name}` cannot be the name of a baseline"));
            self.problems.push(problem.expected(format!("expected at most {LONGEST_NAME} lower-case letters, digits and hyphens")));
            return None;
        }
        if folder.is_some() && names().any(|known| known == name) {
            let problem = node.problem(format!("`{name}` is the name of a built-in baseline"));
            self.problems.push(problem.expected("expected another name"));
            return None;
        }
        Some(name)
    }

    /// The baseline that this one stands on.
    fn base(&mut self, word: &str, node: &Node<'_>, folder: Option<&Path>) -> Option<Arc<Baseline>> {
        if !is_file(word) {
            let base = built_in(word);
            if base.is_none() {
                self.problems.push(unknown(node.problem(no_such(word)), word));
            }
            return base;
        }
        let Some(folder) = folder else {
            self.wrong(node, "the name of a built-in baseline");
            return None;
        };
        let path = folder.join(word);
        let real = std::fs::canonicalize(&path).map_err(|error| {
            self.problems.push(node.problem(format!("cannot read {}: {error}", path.display())));
        });
        let real = real.ok()?;
        if let Some(at) = self.open.iter().position(|open| *open == real) {
            let file = |path: &PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let round: Vec<_> = self.open.iter().skip(at).chain([&real]).map(file).collect();
            self.problems.push(node.problem(format!("this baseline extends itself: {}", round.join(" -> "))));
            return None;
        }
        if self.open.len() >= DEEPEST {
            self.problems.push(node.problem(format!("more than {DEEPEST} baselines stand on each other")));
            return None;
        }
        let mut inner = Self { problems: Vec::new(), open: self.open.clone() };
        match inner.file(&path) {
            Ok(base) => Some(Arc::new(base)),
            Err(error) => {
                self.problems.extend(error.problems);
                None
            }
        }
    }

    fn without(&mut self, node: &Node<'_>, base: Option<&Baseline>) -> Vec<String> {
        let items = node.items().unwrap_or_else(|| vec![node.clone()]);
        let mut keys = Vec::new();
        for item in &items {
            let Some(key) = self.text(item, "a key of the baseline that this one extends").map(|key| dotted(&key)) else {
                continue;
            };
            if base.is_some_and(|base| base.setting(&key).is_none()) {
                let problem = item.problem(format!("the baseline that this one extends does not set `{key}`"));
                let settings = base.map(|base| base.values.as_slice()).unwrap_or_default();
                self.problems.push(problem.nearest(&key, settings.iter().map(|setting| setting.key.as_str())));
            }
            keys.push(key);
        }
        keys
    }

    fn values(&mut self, node: &Node<'_>) -> Vec<Setting> {
        let Some(entries) = node.entries() else {
            self.wrong(node, "a mapping of keys such as net.core.rmem_max");
            return Vec::new();
        };
        let mut settings: Vec<Setting> = Vec::new();
        for entry in &entries {
            let Some(key) = self.key(entry) else { continue };
            if settings.iter().any(|known| known.key == key) {
                self.problems.push(entry.key_problem(format!("the key `{key}` stands here a second time")));
            } else if let Some(setting) = self.setting(key, entry) {
                settings.push(setting);
            }
        }
        settings
    }

    fn key(&mut self, entry: &Entry<'_>) -> Option<String> {
        let key = dotted(entry.key);
        if !is_key(&key) {
            let problem = entry.key_problem(format!("`{}` is not the key of a kernel setting", entry.key));
            let problem = problem.expected("expected a key as `sysctl -a` prints it, such as net.core.rmem_max");
            self.problems.push(problem.nearest(&key, known()));
            return None;
        }
        if let Some(near) = slip(&key) {
            let problem = entry.key_problem(format!("no kernel setting is called `{key}`"));
            self.problems.push(problem.help(format!("did you mean `{near}`?")));
            return None;
        }
        Some(key)
    }

    /// `key: value`, or `key: { RULE: value, set: value, reason: text, warning: text }`.
    fn setting(&mut self, key: String, entry: &Entry<'_>) -> Option<Setting> {
        let node = &entry.node;
        if node.entries().is_none() {
            let value = self.value(&key, node, true)?;
            return Some(Setting { key, rule: Rule::Equal(value), set: None, reason: String::new(), warning: None });
        }
        let allowed = [RULES.as_slice(), &["set", "reason", "warning"]].concat();
        let fields = self.fields(node, &allowed);
        let at = |key: &str| fields.iter().find(|field| field.key == key).map(|field| &field.node);
        let rules: Vec<_> = fields.iter().filter(|field| RULES.contains(&field.key)).collect();
        let [rule] = rules.as_slice() else {
            let message = if rules.is_empty() { "this setting has no rule" } else { "this setting has more than one rule" };
            self.problems.push(entry.key_problem(message).expected(format!("expected one of {}", RULES.join(", "))));
            return None;
        };
        let read = match rule.key {
            "equal" => self.value(&key, &rule.node, true).map(Rule::Equal),
            "at_least" => self.ordered(&key, &rule.node).map(Rule::AtLeast),
            "at_most" => self.ordered(&key, &rule.node).map(Rule::AtMost),
            "one_of" => self.several(&key, &rule.node).map(Rule::OneOf),
            _ => self.several(&key, &rule.node).map(Rule::Not),
        };
        let set = at("set").and_then(|node| Some((self.value(&key, node, true)?, node)));
        let reason = at("reason").and_then(|node| self.text(node, "why this value is wanted")).unwrap_or_default();
        let warning = at("warning").and_then(|node| self.text(node, "what it costs, or when it is wrong"));
        let rule = read?;
        if let Some((set, node)) = set.as_ref().filter(|(set, _)| !rule.holds(set)) {
            self.problems
                .push(node.problem(format!("`set: {set}` breaks the rule of this setting")).expected(format!("expected {rule}")));
        }
        Some(Setting { key, rule, set: set.map(|(set, _)| set), reason, warning })
    }

    /// A value whose fields can be compared by size.
    fn ordered(&mut self, key: &str, node: &Node<'_>) -> Option<String> {
        let value = self.value(key, node, true)?;
        if value.split_whitespace().any(|field| field.parse::<i128>().is_err()) {
            self.wrong(node, "numbers, because the rule compares sizes");
            return None;
        }
        Some(value)
    }

    /// One value or a list of them; the items of the list are values of their own.
    fn several(&mut self, key: &str, node: &Node<'_>) -> Option<Vec<String>> {
        let items = node.items().unwrap_or_else(|| vec![node.clone()]);
        if items.is_empty() {
            self.wrong(node, "at least one value");
            return None;
        }
        let values: Vec<_> = items.iter().map(|item| self.value(key, item, false)).collect();
        values.into_iter().collect()
    }

    /// A value: a number, a text, or, where `list` says so, a list of its fields.
    fn value(&mut self, key: &str, node: &Node<'_>, list: bool) -> Option<String> {
        let expected = expected(key);
        let value = match node.value {
            Value::Number(number) if number.is_i64() || number.is_u64() => number.to_string(),
            Value::String(text) => normal(text),
            Value::Sequence(_) if list => {
                let fields = node.items().unwrap_or_default();
                let fields: Option<Vec<_>> = fields.iter().map(|field| self.value_field(field, &expected)).collect();
                fields?.join(" ")
            }
            _ => {
                self.wrong(node, &expected);
                return None;
            }
        };
        if value.is_empty() || value.len() > LONGEST_VALUE || value.contains(|c: char| c.is_control() || !c.is_ascii()) {
            self.wrong(node, &expected);
            return None;
        }
        self.fits(key, &value, node)?;
        Some(value)
    }

    fn value_field(&mut self, node: &Node<'_>, expected: &str) -> Option<String> {
        match node.value {
            Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
            Value::String(text) if !text.contains(char::is_whitespace) && !text.is_empty() => Some(text.clone()),
            _ => {
                self.wrong(node, expected);
                None
            }
        }
    }

    /// Number of fields and range, where the key's shape is known.
    fn fits(&mut self, key: &str, value: &str, node: &Node<'_>) -> Option<()> {
        let Some(shape) = shape(key) else { return Some(()) };
        let fields: Vec<_> = value.split_whitespace().collect();
        if fields.len() != shape.fields {
            let (has, plural) = (fields.len(), if fields.len() == 1 { "field" } else { "fields" });
            self.problems.push(node.problem(format!("{key} with {has} {plural}")).expected(format!("expected {}", expected(key))));
            return None;
        }
        let Kind::Number { least, most, .. } = shape.kind else { return Some(()) };
        for field in fields {
            let range = i128::from(least)..=i128::from(most);
            let message = match field.parse::<i128>() {
                Ok(number) if range.contains(&number) => continue,
                Ok(number) => format!("{number} is out of range for {key}"),
                Err(_) => format!("`{field}` is not a number"),
            };
            self.problems.push(node.problem(message).expected(format!("expected {}", expected(key))));
            return None;
        }
        Some(())
    }
}

/// What a value of the key looks like, in words: `3 numbers from 1 to 2147483647 (bytes)`.
fn expected(key: &str) -> String {
    let Some(shape) = shape(key) else { return "a number or a text".into() };
    let Kind::Number { least, most, unit } = shape.kind else { return "a word".into() };
    let unit = if unit.is_empty() { String::new() } else { format!(" ({unit})") };
    match shape.fields {
        1 => format!("a number from {least} to {most}{unit}"),
        fields => format!("{fields} numbers from {least} to {most}{unit}"),
    }
}

/// The known key that somebody meant who wrote `key`, which is not known: a slip of one or two letters in its last part. Other
/// keys that are not known may be those of another kernel.
fn slip(key: &str) -> Option<&'static str> {
    if known().any(|name| name == key) {
        return None;
    }
    let near = nearest(key, known())?;
    (strsim::osa_distance(key, near) <= 2).then_some(near)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pathvet_checks::baseline::{Machine, Severity, WATCHED, lint, never_built_in};
    use std::collections::BTreeMap;

    fn refused(text: &str) -> Vec<String> {
        let error = parse("b.yaml", text.as_bytes()).expect_err("mistakes");
        let place = |problem: &Problem| problem.place.as_ref().map_or_else(String::new, |at| format!("{}:{} ", at.line, at.column));
        let help = |problem: &Problem| problem.help.as_ref().map_or_else(String::new, |help| format!(" ({help})"));
        error.problems.iter().map(|problem| format!("{}{}{}", place(problem), problem.message, help(problem))).collect()
    }

    fn site(values: &str) -> String {
        format!("schema: pathvet.baseline/1\nname: site\nvalues:\n{values}")
    }

    #[test]
    fn the_built_in_baselines_are_whole() {
        for name in names() {
            let baseline = built_in(name).expect("it is built in");
            assert_eq!(baseline.name, name);
            assert!(!baseline.title.is_empty() && !baseline.purpose.is_empty() && !baseline.origin.is_empty(), "{name}");
            assert!(!baseline.values.is_empty(), "{name}");
            // A plain text ends where ` #` begins a comment.
            assert!(baseline.origin.iter().all(|origin| origin.matches('"').count() % 2 == 0), "{name}: {:?}", baseline.origin);
            for setting in &baseline.values {
                assert!(!setting.reason.is_empty(), "{name}: {} says not why", setting.key);
                assert!(!never_built_in(&setting.key), "{name}: {} is no matter of ours", setting.key);
                assert!(WATCHED.contains(&setting.key.as_str()), "{name}: {} is not collected", setting.key);
                assert!(setting.target(None).is_some(), "{name}: {} has no value to write", setting.key);
            }
        }
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("checks/catalogue/baselines");
        let files = std::fs::read_dir(folder).expect("a folder").count();
        assert_eq!(files, BUILT_IN.len(), "a file that is not in the list");
        assert_eq!(built_in("nothing"), None);
    }

    #[test]
    fn the_classic_eleven_are_exact() {
        let values: Vec<_> = built_in("ipoib-connected-2012")
            .expect("it is built in")
            .values
            .iter()
            .map(|setting| format!("{}={}", setting.key, setting.target(None).unwrap_or_default()))
            .collect();
        assert_eq!(
            values,
            [
                "net.ipv4.tcp_timestamps=0",
                "net.ipv4.tcp_sack=0",
                "net.core.netdev_max_backlog=250000",
                "net.core.rmem_max=16777216",
                "net.core.wmem_max=16777216",
                "net.core.rmem_default=16777216",
                "net.core.wmem_default=16777216",
                "net.core.optmem_max=16777216",
                "net.ipv4.tcp_mem=16777216 16777216 16777216",
                "net.ipv4.tcp_rmem=4096 87380 16777216",
                "net.ipv4.tcp_wmem=4096 65536 16777216",
            ]
        );
    }

    /// What the lint says of a baseline and what its warnings say are the same.
    #[test]
    fn harmful_values_have_a_warning_and_safe_baselines_have_none() {
        for name in names() {
            let baseline = built_in(name).expect("it is built in");
            let values: BTreeMap<String, String> =
                baseline.values.iter().filter_map(|setting| Some((setting.key.clone(), setting.target(None)?))).collect();
            let risks = lint(&values, &Machine::default());
            for risk in risks.iter().filter(|risk| risk.severity != Severity::Note) {
                assert!(baseline.setting(&risk.key).is_some_and(|setting| setting.warning.is_some()), "{name}: {}", risk.key);
            }
            let harmful = risks.iter().any(|risk| risk.severity.refused());
            assert_eq!(harmful, ["ipoib-connected-2012", "nvidia-guide"].contains(&name), "{name}: {risks:?}");
        }
    }

    #[test]
    fn every_mistake_has_its_place() {
        assert_eq!(
            refused(&site("  net.ipv4.tcp_rmme: [1, 2, 3]\n")),
            ["4:3 no kernel setting is called `net.ipv4.tcp_rmme` (did you mean `net.ipv4.tcp_rmem`?)"]
        );
        assert_eq!(
            refused(&site("  net.ipv4.tcp_rmem: 16777216\n  net.core.rmem_max: [1, 2]\n")),
            ["4:22 net.ipv4.tcp_rmem with 1 field", "5:22 net.core.rmem_max with 2 fields"]
        );
        assert_eq!(
            refused(&site("  net.ipv4.tcp_sack: 7\n  net.core.rmem_max: 3000000000\n  net.core.wmem_max: 16M\n")),
            [
                "4:22 7 is out of range for net.ipv4.tcp_sack",
                "5:22 3000000000 is out of range for net.core.rmem_max",
                "6:22 `16M` is not a number"
            ]
        );
        assert_eq!(
            refused(&site("  net.core.rmem_max: { atleast: 1, reason: x }\n")),
            ["4:3 this setting has no rule", "4:24 unknown key `atleast` (did you mean `at_least`?)"]
        );
        assert_eq!(
            refused(&site("  net.core.rmem_max: { at_least: 4096, at_most: 8192 }\n")),
            ["4:3 this setting has more than one rule"]
        );
        assert_eq!(refused(&site("  net.ipv4.tcp_sack: { not: 0, set: 0 }\n")), ["4:37 `set: 0` breaks the rule of this setting"]);
        assert_eq!(refused(&site("  ../../etc/passwd: 1\n")).len(), 1);
        assert_eq!(refused(&site("  net/core/rmem_max: 4096\n  net.core.rmem_max: 4096\n")).len(), 1);
        assert_eq!(refused(&site("  net.core.default_qdisc: { at_least: fq }\n")).len(), 1);
        assert_eq!(refused("schema: pathvet.baseline/2\nname: x\nvalues: {}\n").len(), 1);
        assert_eq!(refused("").len(), 1);
        assert_eq!(refused("- a\n").len(), 1);
        assert_eq!(refused("schema: pathvet.baseline/1\n").len(), 2);
        assert_eq!(
            refused("schema: pathvet.baseline/1\nname: x\nextends: ipoib-saef\n"),
            ["3:10 no baseline is called `ipoib-saef` (did you mean `ipoib-safe`?)"]
        );
        assert_eq!(
            refused("schema: pathvet.baseline/1\nname: ipoib-safe\nextends: esnet-10g\nwithout: net.ipv4.tcp_sack\n").len(),
            2
        );
    }

    #[test]
    fn a_site_builds_on_others() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("a file");
        write(
            "site.yaml",
            "schema: pathvet.baseline/1\nname: site\nextends: base.yaml\nwithout: [net.core.default_qdisc]\nvalues:\n  \
             net.core.rmem_max: { at_least: 268435456 }\n  net.ipv4.conf.eth0/100.mtu: 9000\n",
        );
        write("base.yaml", "schema: pathvet.baseline/1\nname: base\nextends: esnet-10g\nvalues:\n  net.ipv4.tcp_sack: 1\n");
        let site = load("site.yaml", Some(folder.path()), "test").expect("a baseline");
        let values: Vec<_> = site.values.iter().map(|setting| format!("{} {}", setting.key, setting.rule)).collect();
        assert_eq!(
            values,
            [
                "net.core.rmem_max at least 268435456",
                "net.core.wmem_max at least 67108864",
                "net.ipv4.tcp_rmem at least 4096 87380 33554432",
                "net.ipv4.tcp_wmem at least 4096 65536 33554432",
                "net.ipv4.tcp_mtu_probing 1 or 2",
                "net.ipv4.tcp_sack 1",
                "net.ipv4.conf.eth0/100.mtu 9000",
            ]
        );
        assert_eq!(site.warnings.len(), 2, "warnings are inherited");
        write("base.yaml", "schema: pathvet.baseline/1\nname: base\nextends: ./site.yaml\nvalues:\n  net.ipv4.tcp_sack: 9\n");
        let error = load("site.yaml", Some(folder.path()), "test").expect_err("a cycle").render(false);
        assert!(error.contains("this baseline extends itself: site.yaml -> base.yaml -> site.yaml"), "{error}");
        assert!(error.contains("base.yaml:3:10") && error.contains("9 is out of range"), "{error}");
        write("own.yaml", "schema: pathvet.baseline/1\nname: own\nextends: own.yaml\n");
        let error = load("own.yaml", Some(folder.path()), "test").expect_err("a cycle").render(false);
        assert!(error.contains("own.yaml -> own.yaml"), "{error}");
        assert!(load("missing.yaml", Some(folder.path()), "test").expect_err("no file").render(false).contains("cannot read"));
        assert!(load(".", Some(folder.path()), "test").is_err(), "a folder is no file");
        assert!(load("/dev/zero", None, "test").expect_err("no file").render(false).contains("not a regular file"));
        let error = load("ipoib", None, "BASELINE").expect_err("no name").render(false);
        assert!(error.contains("BASELINE: no baseline is called `ipoib`"), "{error}");
    }
}

//! YAML with places: a document whose every node knows where it stands in the file.
//!
//! Reading is two steps. One pass over the events of `granit-parser` builds an index of spans and refuses what must not reach
//! the second step: documents that are too large or too deep, aliases that expand without end, duplicate and merge keys, tags.
//! Then `serde_yaml` alone decides the values. The reader of a kind of document walks [`Node`]s and collects every mistake.

use crate::error::{InputError, Lines, Place, Problem};
use granit_parser::{Event, Parser, ScalarStyle};
use serde_yaml::Value;
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::rc::Rc;

/// Largest document, bytes.
pub const MOST_BYTES: usize = 4 << 20;
/// Deepest nesting.
const DEEPEST: usize = 64;
/// Most aliases in one document.
const MOST_ALIASES: usize = 1000;
/// Most nodes that all aliases of a document may stand for.
const MOST_ALIASED_NODES: usize = 100_000;
/// Most bytes of scalars that all aliases of a document may stand for.
const MOST_ALIASED_BYTES: usize = MOST_BYTES;

/// A YAML document with its source.
#[derive(Debug)]
pub struct Document {
    name: String,
    text: String,
    lines: Lines,
    root: Option<Rc<Spans>>,
    value: Value,
}

/// Where a node and its children stand, in the order of the file.
#[derive(Debug, Default)]
struct Spans {
    span: Range<usize>,
    children: Vec<Child>,
    /// Nodes of this tree, aliases expanded.
    nodes: usize,
    /// Bytes of scalars of this tree, aliases expanded.
    bytes: usize,
}

/// A value of a sequence, or a key and a value of a mapping.
#[derive(Debug)]
struct Child {
    key: Option<Key>,
    node: Rc<Spans>,
}

/// A key of a mapping.
#[derive(Debug, Clone)]
struct Key {
    text: String,
    span: Range<usize>,
}

/// A node of a [`Document`]: its value and its place.
#[derive(Debug, Clone)]
pub struct Node<'d> {
    document: &'d Document,
    spans: Option<&'d Spans>,
    span: Range<usize>,
    /// What the node holds.
    pub value: &'d Value,
}

/// One entry of a mapping.
#[derive(Debug, Clone)]
pub struct Entry<'d> {
    /// The key, which is always text.
    pub key: &'d str,
    /// Where the key stands.
    key_span: Range<usize>,
    /// The value.
    pub node: Node<'d>,
}

impl Document {
    /// Reads one YAML document. `name` is what messages call it: the file as the user named it.
    ///
    /// # Errors
    /// Not UTF-8, larger than [`MOST_BYTES`], not YAML, more than one document, or something that pathvet's YAML does not have:
    /// duplicate keys, merge keys, tags, keys that are not text, aliases beyond measure. Every one of the latter is listed.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Self, InputError> {
        if bytes.len() > MOST_BYTES {
            let size = bytes.len();
            return Err(InputError::one(name, format!("the file has {size} bytes; the largest that is read has {MOST_BYTES}")));
        }
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text).to_string(),
            Err(error) => return Err(not_utf8(name, bytes, error.valid_up_to()).into()),
        };
        let lines = Lines::of(&text);
        let mut indexer = Indexer::new(name, &text, &lines);
        let root = indexer.run();
        if !indexer.problems.is_empty() {
            return Err(InputError { problems: indexer.problems });
        }
        let value = serde_yaml::from_str::<Value>(&text).map_err(|error| {
            let at = error.location().map_or(0, |at| at.index());
            Problem::new(name, format!("not YAML: {error}")).at(lines.place(&text, &(at..at + 1)))
        })?;
        Ok(Self { name: name.to_string(), text, lines, root, value })
    }

    /// What messages call the document.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The outermost node.
    #[must_use]
    pub fn root(&self) -> Node<'_> {
        let spans = self.root.as_deref();
        let span = spans.map_or(0..0, |spans| spans.span.clone());
        Node { document: self, spans, span, value: &self.value }
    }

    fn problem(&self, span: &Range<usize>, message: impl Into<String>) -> Problem {
        Problem::new(&self.name, message).at(self.place(span))
    }

    fn place(&self, span: &Range<usize>) -> Place {
        self.lines.place(&self.text, span)
    }
}

/// A problem at the first byte that is not UTF-8.
pub(crate) fn not_utf8(name: &str, bytes: &[u8], valid: usize) -> Problem {
    let text = String::from_utf8_lossy(bytes.get(..valid).unwrap_or_default());
    let mut place = Lines::of(&text).place(&text, &(valid..valid));
    // The line that can be shown ends where the trouble begins.
    place.text = None;
    Problem::new(name, "not UTF-8 text").at(place)
}

impl<'d> Node<'d> {
    /// A problem that marks this node.
    #[must_use]
    pub fn problem(&self, message: impl Into<String>) -> Problem {
        self.document.problem(&self.span, message)
    }

    /// The node as it is written in the file.
    #[must_use]
    pub fn source(&self) -> &'d str {
        self.document.text.get(self.span.clone()).unwrap_or_default()
    }

    /// What messages call its document.
    #[must_use]
    pub fn document_name(&self) -> &'d str {
        &self.document.name
    }

    /// Where the node stands.
    #[must_use]
    pub fn place(&self) -> Place {
        self.document.place(&self.span)
    }

    /// The entries of a mapping, in the order of the file; `None` for anything else.
    #[must_use]
    pub fn entries(&self) -> Option<Vec<Entry<'d>>> {
        let mapping = self.value.as_mapping()?;
        let entries = mapping.iter().enumerate().filter_map(|(index, (key, value))| {
            let key = key.as_str()?;
            // The index was made by another parser; where the two do not agree, the whole mapping is marked.
            let child = self.spans.and_then(|spans| spans.children.get(index));
            let child = child.filter(|child| child.key.as_ref().is_some_and(|indexed| indexed.text == key));
            let key_span = child.and_then(|child| child.key.as_ref()).map_or(self.span.clone(), |key| key.span.clone());
            let node = self.child(child, value);
            Some(Entry { key, key_span, node })
        });
        Some(entries.collect())
    }

    /// The items of a sequence; `None` for anything else.
    #[must_use]
    pub fn items(&self) -> Option<Vec<Node<'d>>> {
        let sequence = self.value.as_sequence()?;
        let items = sequence.iter().enumerate().map(|(index, value)| {
            let child = self.spans.and_then(|spans| spans.children.get(index)).filter(|child| child.key.is_none());
            self.child(child, value)
        });
        Some(items.collect())
    }

    fn child(&self, child: Option<&'d Child>, value: &'d Value) -> Node<'d> {
        let spans = child.map(|child| child.node.as_ref());
        let span = spans.map_or(self.span.clone(), |spans| spans.span.clone());
        Node { document: self.document, spans, span, value }
    }

    /// What the node holds, in words for a message: "a list", "the number 5".
    #[must_use]
    pub fn describe(&self) -> String {
        match self.value {
            Value::Null => "nothing".to_string(),
            Value::Bool(value) => value.to_string(),
            Value::Number(number) => format!("the number {number}"),
            Value::String(text) if text.chars().count() > 40 => "a long text".to_string(),
            Value::String(text) => format!("`{text}`"),
            Value::Sequence(_) => "a list".to_string(),
            Value::Mapping(_) => "a mapping".to_string(),
            Value::Tagged(_) => "a tagged value".to_string(),
        }
    }
}

impl Entry<'_> {
    /// A problem that marks the key.
    #[must_use]
    pub fn key_problem(&self, message: impl Into<String>) -> Problem {
        self.node.document.problem(&self.key_span, message)
    }
}

/// Builds the index of spans and collects what is refused.
struct Indexer<'t> {
    name: &'t str,
    text: &'t str,
    lines: &'t Lines,
    problems: Vec<Problem>,
    /// Collections that are still open, outermost first.
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Spans>>,
    aliases: usize,
    aliased_nodes: usize,
    aliased_bytes: usize,
    root: Option<Rc<Spans>>,
    documents: usize,
}

/// A collection whose end has not come yet.
struct Open {
    spans: Spans,
    anchor: usize,
    mapping: bool,
    /// The key whose value comes next.
    key: Option<Key>,
    seen: HashSet<String>,
    /// This collection stands where a key belongs.
    is_key: bool,
}

impl<'t> Indexer<'t> {
    fn new(name: &'t str, text: &'t str, lines: &'t Lines) -> Self {
        Self {
            name,
            text,
            lines,
            problems: Vec::new(),
            open: Vec::new(),
            anchors: HashMap::new(),
            aliases: 0,
            aliased_nodes: 0,
            aliased_bytes: 0,
            root: None,
            documents: 0,
        }
    }

    fn refuse(&mut self, span: &Range<usize>, message: impl Into<String>, help: &str) {
        let problem = Problem::new(self.name, message).at(self.lines.place(self.text, span));
        self.problems.push(if help.is_empty() { problem } else { problem.help(help) });
    }

    fn run(&mut self) -> Option<Rc<Spans>> {
        let options = granit_parser::options! { emit_comments: false };
        for next in Parser::new_from_str_with_options(self.text, options) {
            let (event, span) = match next {
                Ok(next) => next,
                Err(error) => {
                    let marker = error.marker();
                    let at = marker.byte_offset().unwrap_or_else(|| self.lines.offset(marker.line(), marker.col() + 1));
                    self.refuse(&(at..at + 1), format!("not YAML: {}", error.info()), "");
                    return None;
                }
            };
            let tagged = span.tag_span().and_then(|span| span.byte_range());
            let span = span.byte_range().unwrap_or(0..0);
            if !self.event(event, span, tagged) {
                return None;
            }
        }
        self.root.take()
    }

    /// Takes one event; false where going on makes no sense.
    fn event(&mut self, event: Event<'_>, span: Range<usize>, tagged: Option<Range<usize>>) -> bool {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.refuse(
                        &span,
                        "a second document begins here",
                        "one file holds one document: remove `---` or split the file",
                    );
                    return false;
                }
                true
            }
            Event::Scalar(text, style, anchor, tag) => {
                if tag.is_some() {
                    self.refuse_tag(&tagged.unwrap_or(span.clone()));
                }
                if self.key_is_next() {
                    self.key(&text, style, span);
                } else {
                    let spans = Rc::new(Spans { span, children: Vec::new(), nodes: 1, bytes: text.len() });
                    self.remember(anchor, &spans);
                    self.value(spans);
                }
                true
            }
            Event::SequenceStart(_, anchor, tag) => self.start(false, anchor, tag.is_some(), span, tagged),
            Event::MappingStart(_, anchor, tag) => self.start(true, anchor, tag.is_some(), span, tagged),
            Event::SequenceEnd | Event::MappingEnd => {
                self.end(&span);
                true
            }
            Event::Alias(anchor) => self.alias(anchor, span),
            _ => true,
        }
    }

    fn key_is_next(&self) -> bool {
        self.open.last().is_some_and(|open| open.mapping && open.key.is_none())
    }

    fn refuse_tag(&mut self, span: &Range<usize>) {
        self.refuse(span, "tags have no meaning here", "remove the word that begins with `!`");
    }

    fn key(&mut self, text: &str, style: ScalarStyle, span: Range<usize>) {
        if text == "<<" && style == ScalarStyle::Plain {
            self.refuse(&span, "merge keys (`<<`) are not read", "write the keys out, or use an alias for a whole value");
        } else if style == ScalarStyle::Plain && !is_text(text) {
            self.refuse(&span, format!("the key `{text}` is not text"), &format!("put it in quotes: \"{text}\""));
        }
        let Some(open) = self.open.last_mut() else { return };
        let new = open.seen.insert(text.to_string());
        open.key = Some(Key { text: text.to_string(), span: span.clone() });
        if !new {
            self.refuse(&span, format!("the key `{text}` stands here a second time"), "each key may stand once");
        }
    }

    fn start(&mut self, mapping: bool, anchor: usize, tag: bool, span: Range<usize>, tagged: Option<Range<usize>>) -> bool {
        if tag {
            self.refuse_tag(&tagged.unwrap_or(span.clone()));
        }
        if self.open.len() >= DEEPEST {
            self.refuse(&span, format!("nested more than {DEEPEST} levels deep"), "");
            return false;
        }
        let is_key = self.key_is_next();
        if is_key {
            self.refuse(&span, "a key must be text, not a list or a mapping", "");
        }
        let spans = Spans { span, children: Vec::new(), nodes: 1, bytes: 0 };
        self.open.push(Open { spans, anchor, mapping, key: None, seen: HashSet::new(), is_key });
        true
    }

    fn end(&mut self, span: &Range<usize>) {
        let Some(mut open) = self.open.pop() else { return };
        open.spans.span.end = open.spans.span.end.max(span.end);
        let spans = Rc::new(open.spans);
        self.remember(open.anchor, &spans);
        if open.is_key {
            if let Some(parent) = self.open.last_mut() {
                parent.key = Some(Key { text: String::new(), span: spans.span.clone() });
            }
        } else {
            self.value(spans);
        }
    }

    /// An alias stands for the whole value behind its anchor. What all of them stand for together is limited, because the values
    /// are copied when they are read.
    fn alias(&mut self, anchor: usize, span: Range<usize>) -> bool {
        let Some(spans) = self.anchors.get(&anchor).cloned() else {
            self.refuse(&span, "this alias stands inside the value that it names", "");
            return false;
        };
        self.aliases += 1;
        self.aliased_nodes = self.aliased_nodes.saturating_add(spans.nodes);
        self.aliased_bytes = self.aliased_bytes.saturating_add(spans.bytes);
        if self.aliases > MOST_ALIASES || self.aliased_nodes > MOST_ALIASED_NODES || self.aliased_bytes > MOST_ALIASED_BYTES {
            self.refuse(&span, "the aliases of this file stand for too much", "write the values out, or split the file");
            return false;
        }
        if self.key_is_next() {
            self.refuse(&span, "a key must be text, not an alias", "");
            if let Some(open) = self.open.last_mut() {
                open.key = Some(Key { text: String::new(), span });
            }
        } else {
            self.value(spans);
        }
        true
    }

    fn remember(&mut self, anchor: usize, spans: &Rc<Spans>) {
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(spans));
        }
    }

    /// A finished value goes into the collection that is open, or is the document.
    fn value(&mut self, node: Rc<Spans>) {
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return;
        };
        open.spans.nodes = open.spans.nodes.saturating_add(node.nodes);
        open.spans.bytes = open.spans.bytes.saturating_add(node.bytes);
        let key = if open.mapping { open.key.take() } else { None };
        open.spans.children.push(Child { key, node });
    }
}

/// Whether `serde_yaml` reads this plain scalar as text: everything that the core schema has no other type for.
fn is_text(plain: &str) -> bool {
    const WORDS: [&str; 3] = ["null", "true", "false"];
    // What begins with a letter and is none of these words needs no parser.
    if plain.starts_with(char::is_alphabetic) && !WORDS.iter().any(|word| plain.eq_ignore_ascii_case(word)) {
        return true;
    }
    serde_yaml::from_str::<Value>(plain).map_or(true, |value| !matches!(value, Value::Null | Value::Bool(_) | Value::Number(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Vec<(usize, usize, String)> {
        let problems = Document::parse("t", text.as_bytes()).unwrap_err().problems;
        problems
            .into_iter()
            .map(|problem| {
                let place = problem.place.expect("every YAML problem has a place");
                (place.line, place.column, problem.message)
            })
            .collect()
    }

    #[test]
    fn every_node_knows_its_place() {
        let text = "a: 1\nb:\n  - x\n  - { ü: [1, 2] }\n";
        let document = Document::parse("t", text.as_bytes()).unwrap();
        let root = document.root().entries().unwrap();
        let place = |node: &Node<'_>| {
            let place = document.place(&node.span);
            (place.line, place.column)
        };
        assert_eq!(place(&root[0].node), (1, 4));
        let list = root[1].node.items().unwrap();
        assert_eq!(place(&list[0]), (3, 5));
        let inner = list[1].entries().unwrap();
        assert_eq!(inner[0].key, "ü");
        assert_eq!(place(&inner[0].node.items().unwrap()[1]), (4, 14));
    }

    #[test]
    fn what_values_would_hide_is_refused_with_its_place() {
        assert_eq!(refused("a: 1\na: 2\n"), [(2, 1, "the key `a` stands here a second time".into())]);
        assert_eq!(refused("a: {b: 1, b: 2}\n").len(), 1);
        assert_eq!(refused("x: &x {a: 1}\ny:\n  <<: *x\n"), [(3, 3, "merge keys (`<<`) are not read".into())]);
        assert_eq!(refused("a: !foo 1\n"), [(1, 4, "tags have no meaning here".into())]);
        assert_eq!(refused("1: a\n"), [(1, 1, "the key `1` is not text".into())]);
        assert_eq!(refused("{[a]: 1}\n").len(), 1);
        assert_eq!(refused("a: 1\n---\nb: 2\n")[0].2, "a second document begins here");
        assert_eq!(refused("a: [1\n").len(), 1);
        assert_eq!(refused("a:\n\t- b\n")[0].0, 2);
        assert_eq!(refused("x: &x [*x]\n")[0].2, "this alias stands inside the value that it names");
        assert_eq!(refused("x: *nobody\n").len(), 1);
    }

    #[test]
    fn several_slips_are_listed_together() {
        assert_eq!(refused("a: 1\na: 2\nb: !t x\nb: 3\n").len(), 3);
    }

    #[test]
    fn aliases_keep_the_place_of_what_they_name() {
        let document = Document::parse("t", b"a: &x [1, 2]\nb: *x\n").unwrap();
        let b = &document.root().entries().unwrap()[1].node;
        assert_eq!(document.place(&b.items().unwrap()[1].span).column, 11);
    }

    #[test]
    fn bombs_are_refused_before_they_are_expanded() {
        let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
        for level in 1..10 {
            let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
            laughs = format!("{laughs}a{level}: &a{level} [{aliases}]\n");
        }
        assert!(refused(&laughs)[0].2.contains("aliases"));
        let scalar = format!("a: &a {}\nb: [{}]\n", "x".repeat(100_000), vec!["*a"; 900].join(", "));
        assert!(refused(&scalar)[0].2.contains("aliases"));
        assert!(refused(&("[".repeat(70) + &"]".repeat(70)))[0].2.contains("deep"));
        assert_eq!(refused(&"[".repeat(100_000)).len(), 1);
        assert!(refused(&"- ".repeat(100))[0].2.contains("deep"));
        let large = vec![b' '; MOST_BYTES + 1];
        assert!(Document::parse("t", &large).unwrap_err().problems[0].message.contains("bytes"));
    }

    #[test]
    fn text_that_is_not_utf8_is_placed() {
        let problem = Document::parse("t", b"a: 1\nb: \xff\n").unwrap_err().problems.remove(0);
        let place = problem.place.unwrap();
        assert_eq!((place.line, place.column), (2, 4));
    }

    #[test]
    fn many_comments_are_fine() {
        let text = "# note\n".repeat(5000) + "a: 1\n";
        assert!(Document::parse("t", text.as_bytes()).is_ok());
        assert!(matches!(Document::parse("t", b"# nothing\n").unwrap().root().value, Value::Null));
        assert!(matches!(Document::parse("t", b"").unwrap().root().value, Value::Null));
    }
}

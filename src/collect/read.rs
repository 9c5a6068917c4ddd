//! Reads an evidence document that somebody else wrote.

use pathvet_checks::evidence::{Evidence, SCHEMA};
use serde::Deserialize;
use std::borrow::Cow;

/// Largest document that is read, bytes.
pub const EVIDENCE_LIMIT: usize = 64 << 20;

/// Deepest nesting that is read; evidence itself needs ten levels.
const DEPTH: usize = 100;

/// Why a document cannot be used. Lines and columns count from 1; both are 0 where the whole document is meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct ReadError {
    /// The name that the user gave.
    pub file: String,
    /// Line of the fault.
    pub line: usize,
    /// Column of the fault, in bytes.
    pub column: usize,
    /// What is wrong, and what is expected.
    pub message: String,
}

/// What is looked at before anything else, so that another version's document is named as such and not as broken.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    schema: Option<Cow<'a, str>>,
}

/// Reads a document; `file` is the name that errors are given.
///
/// # Errors
///
/// [`ReadError`] for what is larger than [`EVIDENCE_LIMIT`], not JSON, nested deeper than 100 levels, of another schema, or not
/// evidence.
pub fn read_evidence(file: &str, bytes: &[u8]) -> Result<Evidence, ReadError> {
    let fault = |line, column, message: String| ReadError { file: file.into(), line, column, message };
    if bytes.len() > EVIDENCE_LIMIT {
        let message = format!("{} bytes of evidence; at most {} MiB are read", bytes.len(), EVIDENCE_LIMIT >> 20);
        return Err(fault(0, 0, message));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.trim_ascii().is_empty() {
        return Err(fault(1, 1, format!("the file is empty; expected an evidence document ({SCHEMA})")));
    }
    if let Some(at) = too_deep(bytes) {
        let (line, column) = position(bytes, at);
        return Err(fault(line, column, format!("nested deeper than {DEPTH} levels")));
    }
    let json = |error: &serde_json::Error| fault(error.line(), error.column(), words(error));
    // A syntax error anywhere shows here; a wrong type does too, where it is the document itself.
    let head: Head<'_> = serde_json::from_slice(bytes).map_err(|error| json(&error))?;
    match head.schema.as_deref() {
        Some(SCHEMA) => serde_json::from_slice(bytes).map_err(|error| json(&error)),
        found => {
            let (line, column) = schema_position(bytes);
            Err(fault(line, column, schema_message(found)))
        }
    }
}

fn schema_message(found: Option<&str>) -> String {
    let Some(found) = found else {
        return format!("no `schema`; expected an evidence document with \"schema\": \"{SCHEMA}\"");
    };
    let tool = concat!("pathvet ", env!("CARGO_PKG_VERSION"));
    let number = |schema: &str| schema.strip_prefix("pathvet.evidence/")?.parse::<u32>().ok();
    let shown: String = found.chars().take(80).collect();
    match number(found) {
        Some(_) => format!("evidence of schema \"{shown}\"; this is {tool}, which reads \"{SCHEMA}\" alone"),
        None if found.starts_with("pathvet.report/") => {
            format!("a report (\"{shown}\"), not evidence; expected \"{SCHEMA}\", as `pathvet collect` and `--save` write it")
        }
        None => format!("schema \"{shown}\" is not evidence; expected \"{SCHEMA}\""),
    }
}

/// Where the first `"schema"` of the document stands, for the eye; the start where it cannot be found.
fn schema_position(bytes: &[u8]) -> (usize, usize) {
    let key = b"\"schema\"";
    position(bytes, bytes.windows(key.len()).position(|window| window == key).unwrap_or(0))
}

/// Where the bracket stands that opens one level too many. `serde_json` has a limit of its own, but not for what it skips.
fn too_deep(bytes: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut escaped = false;
    for (at, &byte) in bytes.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => {
                depth += 1;
                if depth > DEPTH {
                    return Some(at);
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// Line and column of a byte, from 1.
fn position(bytes: &[u8], at: usize) -> (usize, usize) {
    let before = &bytes[..at];
    let line = before.split(|&byte| byte == b'\n').count();
    let column = at - before.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1) + 1;
    (line, column)
}

/// `serde_json`'s words without its own line and column.
fn words(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let end = text.rfind(" at line ").unwrap_or(text.len());
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> ReadError {
        read_evidence("e.json", text.as_bytes()).expect_err("not evidence")
    }

    #[test]
    fn the_smallest_document() {
        let text = format!("{{\"schema\":\"{SCHEMA}\",\"taken\":\"2026-11-20T12:00:00Z\",\"tool\":\"pathvet 0.1.0\",\"new\":[1]}}");
        let evidence = read_evidence("e.json", text.as_bytes()).expect("evidence");
        assert!(evidence.hosts.is_empty() && evidence.paths.is_empty());
    }

    #[test]
    fn faults_have_a_place() {
        for (text, line, column, part) in [
            ("", 1, 1, "empty"),
            ("  \n ", 1, 1, "empty"),
            ("{\n  \"schema\": oops }", 2, 13, "expected value"),
            ("[1, 2]", 1, 0, "invalid type"),
            ("{}", 1, 1, "no `schema`"),
            ("{\n \"schema\": \"pathvet.evidence/2\"}", 2, 2, "\"pathvet.evidence/2\"; this is pathvet"),
            ("{\"schema\": \"pathvet.report/1\"}", 1, 2, "a report"),
            ("{\"schema\": \"other\"}", 1, 2, "is not evidence"),
            ("{\"schema\": 7}", 1, 12, "invalid type: integer `7`"),
            ("{\"schema\": \"pathvet.evidence/1\",\n\"taken\": \"2026-11-20T12:00:00Z\"}", 2, 32, "missing field `tool`"),
            ("{\"schema\": \"pathvet.evidence/1\",\n\"taken\": \"yesterday\", \"tool\": \"x\"}", 2, 20, ""),
        ] {
            let found = fault(text);
            assert!(found.message.contains(part), "{text:?}: {found}");
            assert_eq!(found.line, line, "{text:?}: {found}");
            assert!(column == 0 || found.column == column, "{text:?}: {found}");
        }
    }

    #[test]
    fn deep_nesting_and_size_are_refused() {
        let deep = format!("{{\"schema\":\"{SCHEMA}\",\"x\":{}", "[".repeat(1_000_000));
        let found = fault(&deep);
        assert_eq!((found.message.as_str(), found.line, found.column), ("nested deeper than 100 levels", 1, 135));
        let brackets = format!("{{\"schema\":\"{SCHEMA}\",\"x\":\"{}\\\"[\"", "[".repeat(1000));
        assert!(fault(&brackets).message.contains("EOF"), "brackets in a string are no nesting");
        let big = vec![b' '; EVIDENCE_LIMIT + 1];
        assert!(read_evidence("e.json", &big).expect_err("too big").message.contains("64 MiB"));
        assert!(read_evidence("e.json", &[0xff, 0xfe, 0]).is_err());
    }
}

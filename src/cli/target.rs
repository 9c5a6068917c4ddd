//! What the user wants vetted: hosts on the command line and in lists.

use crate::error::{InputError, Lines, Problem};
use std::collections::HashSet;
use std::fmt;
use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Largest list of targets, bytes.
const MOST_BYTES: usize = 64 << 20;
/// Longest host name, bytes (RFC 1035 section 2.3.4), with room for an address with a zone.
const LONGEST_NAME: usize = 253;

/// A host as the user named it: a name or an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target(String);

/// Why a text cannot be a host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Nothing is there.
    #[error("a host name or address is missing")]
    Empty,
    /// It holds characters that no host name has.
    #[error("`{0}` is neither a host name nor an address")]
    Odd(String),
    /// `192.0.2.0/24`.
    #[error("`{0}` is a network: name the hosts in it one by one, or in a file for --targets")]
    Network(String),
    /// `node2:22`, `http://node2`.
    #[error("`{0}` has a port or a scheme: name the host alone")]
    Port(String),
    /// `[2001:db8::1]`.
    #[error("write the address without brackets: {0}")]
    Brackets(String),
    /// Longer than a name may be.
    #[error("a host name has at most {LONGEST_NAME} characters")]
    Long,
    /// A part between two dots is longer than that may be (RFC 1035 section 2.3.4).
    #[error("`{0}`: a part of a host name has at most 63 characters")]
    LongPart(String),
}

impl Target {
    /// Reads a host name or an address; an IPv6 link-local one may carry its interface, `fe80::1%eth0`.
    ///
    /// # Errors
    /// It can be neither.
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        let quoted = || text.chars().take(60).collect::<String>();
        if text.is_empty() {
            return Err(TargetError::Empty);
        }
        if text.len() > LONGEST_NAME {
            return Err(TargetError::Long);
        }
        if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            return Err(TargetError::Brackets(inner.to_string()));
        }
        let (address, zone) = text.split_once('%').map_or((text, None), |(address, zone)| (address, Some(zone)));
        if let Ok(address) = address.parse::<IpAddr>() {
            let good = zone.is_none_or(|zone| address.is_ipv6() && crate::plan::is_interface_name(zone));
            return if good { Ok(Self(text.to_string())) } else { Err(TargetError::Odd(quoted())) };
        }
        if let Some((network, prefix)) = text.split_once('/') {
            let is_network = network.parse::<IpAddr>().is_ok() && prefix.parse::<u8>().is_ok();
            return Err(if is_network { TargetError::Network(quoted()) } else { TargetError::Odd(quoted()) });
        }
        if let Some((name, port)) = text.rsplit_once(':') {
            let is_port = !name.contains(':') && port.parse::<u16>().is_ok();
            return Err(if is_port { TargetError::Port(quoted()) } else { TargetError::Odd(quoted()) });
        }
        let good = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
        if !text.chars().all(good) || text.starts_with(['-', '.']) || !text.chars().any(char::is_alphanumeric) {
            return Err(TargetError::Odd(quoted()));
        }
        if text.split('.').any(|part| part.len() > 63) {
            return Err(TargetError::LongPart(quoted()));
        }
        // 192.0.2.256 is a slip, not a name: no top-level domain is a number (RFC 3696 section 2).
        if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
            return Err(TargetError::Odd(quoted()));
        }
        Ok(Self(text.to_string()))
    }

    /// As the user wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address, where the user wrote one.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.0.split('%').next()?.parse().ok()
    }

    /// The interface behind `%`, where the user wrote one.
    #[must_use]
    pub fn zone(&self) -> Option<&str> {
        self.0.split_once('%').map(|(_, zone)| zone)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A file, or standard input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `-`.
    Stdin,
    /// A file.
    File(PathBuf),
}

impl Source {
    /// `-` is standard input, everything else a file.
    #[must_use]
    pub fn parse(text: &std::ffi::OsStr) -> Self {
        if text == "-" { Self::Stdin } else { Self::File(PathBuf::from(text)) }
    }

    /// What messages call it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Stdin => "standard input".to_string(),
            Self::File(path) => path.display().to_string(),
        }
    }

    /// All of it, at most `most` bytes.
    ///
    /// # Errors
    /// It cannot be read, or is larger.
    pub fn read(&self, most: usize) -> Result<Vec<u8>, InputError> {
        let read = match self {
            Self::Stdin => read_stdin(most),
            Self::File(path) => read_file(path, most),
        };
        let bytes = read.map_err(|error| InputError::one(&self.name(), format!("cannot be read: {error}")))?;
        if bytes.len() > most {
            let message = format!("larger than {} MiB, the most that is read", most >> 20);
            return Err(InputError::one(&self.name(), message));
        }
        Ok(bytes)
    }
}

fn read_file(path: &Path, most: usize) -> std::io::Result<Vec<u8>> {
    crate::plan::read_limited(path, most)
}

fn read_stdin(most: usize) -> std::io::Result<Vec<u8>> {
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    std::io::stdin().lock().take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a list of targets: one host a line, `#` begins a comment, blank lines are skipped, each host counts once.
///
/// # Errors
/// The list cannot be read, is not UTF-8, names no host, or has lines that are no hosts: all of these are named with their places.
pub fn read_list(source: &Source) -> Result<Vec<Target>, InputError> {
    parse_list(&source.name(), &source.read(MOST_BYTES)?)
}

/// Reads the bytes of a list of targets; `name` is what messages call it.
///
/// # Errors
/// It is not UTF-8, names no host, or has lines that are no hosts.
pub fn parse_list(name: &str, bytes: &[u8]) -> Result<Vec<Target>, InputError> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return Err(crate::plan::yaml::not_utf8(name, bytes, error.valid_up_to()).into()),
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut targets = Vec::new();
    let mut seen = HashSet::new();
    let mut problems = Vec::new();
    let mut lines = None;
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let content = line.split('#').next().unwrap_or_default();
        let word = content.trim();
        let at = start + (content.len() - content.trim_start().len());
        start += line.len();
        if word.is_empty() {
            continue;
        }
        match Target::parse(word) {
            Ok(target) => {
                if seen.insert(target.clone()) {
                    targets.push(target);
                }
            }
            Err(error) => {
                let lines = lines.get_or_insert_with(|| Lines::of(text));
                let problem = Problem::new(name, error.to_string()).at(lines.place(text, &(at..at + word.len())));
                problems.push(problem.expected("expected one host name or address a line"));
            }
        }
    }
    if targets.is_empty() && problems.is_empty() {
        // Without a host the default gateway would be vetted, and an inventory that failed would pass.
        let problem = Problem::new(name, "the list names no host").at(Lines::of(text).place(text, &(0..0)));
        problems.push(problem.expected("expected one host name or address a line"));
    }
    if problems.is_empty() { Ok(targets) } else { Err(InputError { problems }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_hosts() {
        for text in
            ["node2", "node-2.example.net", "host_1", "192.0.2.1", "2001:db8::1", "fe80::1%eth0", "7zip", "a.b.", "größe.example"]
        {
            assert_eq!(Target::parse(text).map(|target| target.0), Ok(text.to_string()));
        }
        let linked = Target::parse("fe80::1%eth0").unwrap();
        assert_eq!((linked.address(), linked.zone()), (Some("fe80::1".parse().unwrap()), Some("eth0")));
        assert_eq!(Target::parse("node2").unwrap().address(), None);
    }

    #[test]
    fn what_is_no_host_says_why() {
        let error = |text: &str| Target::parse(text).unwrap_err();
        assert_eq!(error(""), TargetError::Empty);
        assert!(matches!(error("192.0.2.0/24"), TargetError::Network(_)));
        assert!(matches!(error("node2:22"), TargetError::Port(_)));
        assert!(matches!(error("[2001:db8::1]"), TargetError::Brackets(_)));
        assert_eq!(error(&"x".repeat(254)), TargetError::Long);
        for text in
            ["a b", "-x", "http://node2", "192.0.2.256", "192.0.2.1%eth0", "...", "a\u{1b}b", "fe80::1%", "2001:db8::g", "1"]
        {
            assert!(matches!(error(text), TargetError::Odd(_)), "{text}");
        }
    }

    #[test]
    fn lists_have_comments_and_any_line_end() {
        let list = "\u{feff}# all of rack 3\r\n\r\nnode1\r\n  node2   # the new one\n192.0.2.7\nnode1\n";
        let names: Vec<_> = parse_list("l", list.as_bytes()).unwrap().into_iter().map(|target| target.0).collect();
        assert_eq!(names, ["node1", "node2", "192.0.2.7"]);
        for empty in [&b""[..], b"\n# none yet\n"] {
            assert_eq!(parse_list("l", empty).unwrap_err().problems[0].message, "the list names no host");
        }
    }

    #[test]
    fn every_wrong_line_of_a_list_is_placed() {
        let error = parse_list("l", b"node1\n  two words\nok\n10.0.0.0/8 # net\n").unwrap_err();
        let places: Vec<_> = error.problems.iter().map(Problem::position).collect();
        assert_eq!(places, [(2, 3), (4, 1)]);
        assert_eq!(parse_list("l", b"a\n\xff").unwrap_err().problems[0].position(), (2, 1));
        let long = "x".repeat(1 << 20);
        assert_eq!(parse_list("l", long.as_bytes()).unwrap_err().problems.len(), 1);
    }
}

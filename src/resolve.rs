//! Names to addresses: numeric, `/etc/hosts`, a `getent` child.
//!
//! The C library's resolver is never called in this process: a static build cannot (its name service modules are shared
//! objects), and a call that hangs could not be stopped. getent(1) asks the same resolver and can be.

use crate::child::{self, ChildError, Program};
use crate::host::{Host, ThisHost};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// What `getent ahosts` exits with for a name that it does not find (getent(1)).
const NOT_FOUND: i32 = 2;

/// Which addresses are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Family {
    /// Both, in the resolver's order.
    #[default]
    Any,
    /// IPv4 alone: `-4`.
    V4,
    /// IPv6 alone: `-6`.
    V6,
}

impl Family {
    /// Whether an address is wanted.
    #[must_use]
    pub const fn wants(self, ip: &IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::V4 => ip.is_ipv4(),
            Self::V6 => ip.is_ipv6(),
        }
    }
}

/// An address and, of a link-local one, the interface that it is meant on (`fe80::1%eth0`, RFC 4007 section 11).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    /// The address.
    pub ip: IpAddr,
    /// Interface name, or index as digits.
    pub scope: Option<String>,
}

/// Why a name has no address.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The resolver knows no such name.
    #[error("no address for the name `{0}`")]
    NotFound(String),
    /// It has addresses, but not of the family that was asked for.
    #[error("`{name}` has no {family} address; it has {has}")]
    WrongFamily {
        /// The name.
        name: String,
        /// `IPv4` or `IPv6`.
        family: &'static str,
        /// One that it has.
        has: IpAddr,
    },
    /// It cannot be a host name or an address.
    #[error("`{name}` is neither a host name nor an address: {why}")]
    Invalid {
        /// The name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The resolver could not be asked, or did not answer in time.
    #[error("the name `{name}` could not be resolved: {source}")]
    Failed {
        /// The name.
        name: String,
        /// Why.
        source: ChildError,
    },
}

/// The addresses of a name or literal, in the resolver's order and each once; never an empty list.
///
/// # Errors
///
/// [`ResolveError`]. [`ResolveError::Invalid`] depends on the name alone, the others on the world.
pub fn resolve(name: &str, family: Family, timeout: Duration) -> Result<Vec<Address>, ResolveError> {
    resolve_with(&ThisHost, name, family, timeout)
}

fn resolve_with(host: &dyn Host, name: &str, family: Family, timeout: Duration) -> Result<Vec<Address>, ResolveError> {
    if let Some(address) = literal(name)? {
        return filter(name, family, vec![address]);
    }
    check(name)?;
    let hosts = host.read("/etc/hosts").unwrap_or_default();
    let listed = from_hosts(&String::from_utf8_lossy(&hosts), name);
    // A family that the file does not list may still be known to the name service.
    if listed.iter().any(|address| family.wants(&address.ip)) {
        return filter(name, family, listed);
    }
    let failed = |source| ResolveError::Failed { name: name.into(), source };
    let output = child::run(Program::Getent, &["ahosts", "--", name], timeout).map_err(failed)?;
    let mut found = from_getent(&String::from_utf8_lossy(&output.stdout));
    if found.is_empty() {
        found = listed;
    }
    match output.code {
        Some(0 | NOT_FOUND) => filter(name, family, found),
        code => Err(failed(ChildError::Io(
            "getent",
            std::io::Error::other(code.map_or_else(|| "it was killed".to_owned(), |code| format!("it ended with code {code}"))),
        ))),
    }
}

/// An address literal, in brackets or not, with a scope or not; `None` for what is a name.
///
/// # Errors
///
/// [`ResolveError::Invalid`] for what begins as a literal and is none.
pub fn literal(text: &str) -> Result<Option<Address>, ResolveError> {
    let invalid = |why| ResolveError::Invalid { name: text.into(), why };
    let inner = text.strip_prefix('[').map(|rest| rest.strip_suffix(']').ok_or_else(|| invalid("the bracket is not closed")));
    let inner = inner.transpose()?.unwrap_or(text);
    if let Ok(ip) = inner.parse::<Ipv4Addr>() {
        return Ok(Some(Address { ip: ip.into(), scope: None }));
    }
    let (address, scope) = match inner.split_once('%') {
        Some((address, scope)) => (address, Some(scope)),
        None => (inner, None),
    };
    match address.parse::<Ipv6Addr>() {
        Ok(ip) => match scope {
            Some("") => Err(invalid("no interface after the `%`")),
            Some(scope) if scope.len() >= libc::IFNAMSIZ || scope.contains(['/', ' ', '%']) => {
                Err(invalid("no interface has the name after the `%`"))
            }
            scope => Ok(Some(Address { ip: ip.into(), scope: scope.map(str::to_owned) })),
        },
        Err(_) if inner.contains(':') || text.starts_with('[') => Err(invalid("not an IPv6 address")),
        Err(_) if inner.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') => Err(invalid("not an IPv4 address")),
        Err(_) => Ok(None),
    }
}

/// Refuses what the resolver must not see: an option, a blank, a control character, a name that DNS cannot carry.
fn check(name: &str) -> Result<(), ResolveError> {
    let why = if name.is_empty() {
        "it is empty"
    } else if name.len() > 253 {
        "it is longer than 253 bytes"
    } else if name.starts_with('-') {
        "it begins with a hyphen"
    } else if name.split('.').any(|label| label.len() > 63) {
        "a part between its dots is longer than 63 bytes"
    } else if name.chars().any(|char| char.is_whitespace() || char.is_control() || "/%:@,;\"'\\[]()<>|&$`".contains(char)) {
        "it has a character that no host name has"
    } else {
        return Ok(());
    };
    Err(ResolveError::Invalid { name: name.into(), why })
}

fn filter(name: &str, family: Family, addresses: Vec<Address>) -> Result<Vec<Address>, ResolveError> {
    let first = addresses.first().map(|address| address.ip);
    let mut kept: Vec<Address> = Vec::with_capacity(addresses.len());
    for address in addresses {
        if family.wants(&address.ip) && !kept.contains(&address) {
            kept.push(address);
        }
    }
    match (kept.is_empty(), first) {
        (false, _) => Ok(kept),
        (true, None) => Err(ResolveError::NotFound(name.into())),
        (true, Some(has)) => {
            let family = if family == Family::V4 { "IPv4" } else { "IPv6" };
            Err(ResolveError::WrongFamily { name: name.into(), family, has })
        }
    }
}

/// The addresses of `name` in a hosts file (hosts(5)): an address, then names; names are compared without regard to case.
#[must_use]
pub fn from_hosts(text: &str, name: &str) -> Vec<Address> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let mut found = Vec::new();
    for line in text.lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let Some(Ok(Some(address))) = words.next().map(literal) else { continue };
        if words.any(|word| word.eq_ignore_ascii_case(name)) {
            found.push(address);
        }
    }
    found
}

/// The addresses in the answer of `getent ahosts`: one line for each address and socket type, the address first.
#[must_use]
pub fn from_getent(text: &str) -> Vec<Address> {
    let addresses = text.lines().filter_map(|line| literal(line.split_whitespace().next()?).ok().flatten());
    addresses
        .map(|address| match address.ip {
            IpAddr::V6(ip) => Address { ip: ip.to_canonical(), ..address },
            IpAddr::V4(_) => address,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    fn ips(addresses: &[Address]) -> Vec<String> {
        addresses.iter().map(|address| address.ip.to_string()).collect()
    }

    #[test]
    fn literals() {
        for (text, ip, scope) in [
            ("192.0.2.1", "192.0.2.1", None),
            ("2001:db8::1", "2001:db8::1", None),
            ("[2001:db8::1]", "2001:db8::1", None),
            ("fe80::1%eth0", "fe80::1", Some("eth0")),
            ("fe80::1%3", "fe80::1", Some("3")),
            ("::ffff:192.0.2.1", "::ffff:192.0.2.1", None),
        ] {
            let address = literal(text).expect("lawful").expect("a literal");
            assert_eq!((address.ip.to_string().as_str(), address.scope.as_deref()), (ip, scope), "{text}");
        }
        for text in
            ["192.0.2", "192.0.2.256", "1", "2001:db8::g", "[::1", "[host]", "fe80::1%", "fe80::1%a/b", "::1%aaaaaaaaaaaaaaaaaaaa"]
        {
            assert!(matches!(literal(text), Err(ResolveError::Invalid { .. })), "{text}");
        }
        assert_eq!(literal("node2").expect("lawful"), None);
    }

    #[test]
    fn unlawful_names_never_reach_a_child() {
        for name in ["", "-v", "a b", "a/b", "a;b", "a\nb", &"a".repeat(254), &format!("{}.b", "a".repeat(64))] {
            assert!(matches!(resolve(name, Family::Any, LONG), Err(ResolveError::Invalid { .. })), "{name:?}");
        }
    }

    #[test]
    fn the_hosts_file_comes_first() {
        let text = "# comment\n192.0.2.7 Node2.example node2 # not node3\n2001:db8::7\tnode2\nbad node2\n192.0.2.7 node2\n";
        let found = from_hosts(text, "NODE2");
        assert_eq!(ips(&filter("node2", Family::Any, found.clone()).expect("both")), ["192.0.2.7", "2001:db8::7"]);
        assert_eq!(ips(&filter("node2", Family::V6, found).expect("one")), ["2001:db8::7"]);
        assert!(from_hosts(text, "node3").is_empty());
        assert_eq!(ips(&from_hosts(text, "node2.example.")), ["192.0.2.7"]);
    }

    #[test]
    fn the_answer_of_getent() {
        let text = "192.0.2.9       STREAM node9\n192.0.2.9       DGRAM  \n::ffff:192.0.2.9 RAW\nfe80::9%eth1   STREAM\n";
        let found = filter("node9", Family::Any, from_getent(text)).expect("found");
        assert_eq!(ips(&found), ["192.0.2.9", "fe80::9"]);
        assert_eq!(found[1].scope.as_deref(), Some("eth1"));
    }

    #[test]
    fn localhost_resolves_and_nonsense_does_not() {
        assert!(resolve("localhost", Family::V4, LONG).expect("localhost").iter().all(|address| address.ip.is_loopback()));
        let missing = resolve("no-such-host.invalid", Family::Any, LONG);
        assert!(matches!(missing, Err(ResolveError::NotFound(_) | ResolveError::Failed { .. })), "{missing:?}");
        let wrong = resolve("127.0.0.1", Family::V6, LONG).expect_err("no IPv6 address");
        assert_eq!(wrong.to_string(), "`127.0.0.1` has no IPv6 address; it has 127.0.0.1");
    }
}

//! Who a machine is.

use super::gap;
use crate::host::Host;
use pathvet_checks::evidence::{self, Gap};

const HOSTNAME: &str = "/proc/sys/kernel/hostname";
const RELEASE: &str = "/proc/sys/kernel/osrelease";
/// os-release(5): the first that exists is the one that counts.
const OS_RELEASE: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];

/// The host name (`/proc/sys/kernel/hostname`); `localhost` where it cannot be read.
#[must_use]
pub fn local_name(host: &dyn Host) -> String {
    line(host, HOSTNAME).ok().filter(|name| !name.is_empty()).unwrap_or_else(|| "localhost".into())
}

/// Everything of a host but its tables.
pub(super) fn identity(host: &dyn Host, gaps: &mut Vec<Gap>) -> evidence::Host {
    let mut note = |what: &str, place: &str, error: &std::io::Error| gaps.push(gap::from_error(what, place, error));
    let id = host.machine_id().map_err(|error| note("id", "/etc/machine-id", &error)).ok();
    let name = line(host, HOSTNAME).map_err(|error| note("name", HOSTNAME, &error)).ok().filter(|name| !name.is_empty());
    let kernel = line(host, RELEASE).map_err(|error| note("kernel", RELEASE, &error)).ok();
    let os =
        OS_RELEASE.iter().find_map(|path| host.read(path).ok()).and_then(|bytes| pretty_name(&String::from_utf8_lossy(&bytes)));
    evidence::Host {
        id,
        name: name.unwrap_or_else(|| "localhost".into()),
        os,
        kernel,
        origin: host.origin().into(),
        ..evidence::Host::default()
    }
}

/// The first line of a file, without the space around it.
pub(super) fn line(host: &dyn Host, path: &str) -> std::io::Result<String> {
    let bytes = host.read(path)?;
    Ok(String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default().trim().chars().take(256).collect())
}

/// `PRETTY_NAME` of an os-release(5) file: shell quoting, of which only what occurs is undone.
fn pretty_name(text: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.trim().strip_prefix("PRETTY_NAME="))?.trim();
    let quote = value.chars().next().filter(|first| matches!(first, '"' | '\''));
    let inner = quote.map_or(value, |quote| value.trim_matches(quote));
    let mut name = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(next) = chars.next() {
        match (next, quote) {
            ('\\', quote) if quote != Some('\'') => name.extend(chars.next()),
            _ => name.push(next),
        }
    }
    Some(name.chars().take(256).collect()).filter(|name: &String| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::pretty_name;

    #[test]
    fn pretty_names() {
        assert_eq!(pretty_name("ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n").as_deref(), Some("Debian GNU/Linux 12"));
        assert_eq!(pretty_name("PRETTY_NAME='A \\ B'").as_deref(), Some("A \\ B"));
        assert_eq!(pretty_name("PRETTY_NAME=\"The \\\"X\\\" OS\"").as_deref(), Some("The \"X\" OS"));
        assert_eq!(pretty_name("PRETTY_NAME=plain").as_deref(), Some("plain"));
        assert_eq!(pretty_name("PRETTY_NAME="), None);
        assert_eq!(pretty_name("NAME=x"), None);
    }
}

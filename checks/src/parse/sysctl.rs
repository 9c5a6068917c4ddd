//! `sysctl.conf(5)` and `sysctl.d(5)`: what a file sets, which files are read in which order, and which line wins.
//!
//! Two programs read these files at boot, and they do not agree in everything: `systemd-sysctl` (systemd, `src/sysctl/sysctl.c`)
//! and `sysctl --system` (procps-ng, `src/sysctl.c`).

use crate::evidence::Place;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// The directories, the strongest first: a file hides those of the same name in the ones after it (`sysctl.d(5)`).
pub const DIRECTORIES: [&str; 5] =
    ["/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d"];
/// The file that procps reads last.
pub const LAST_FILE: &str = "/etc/sysctl.conf";

/// Who reads the files at boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loader {
    /// `systemd-sysctl`: one value for each key, the last one.
    Systemd,
    /// `sysctl --system`: every line in turn, `/etc/sysctl.conf` last.
    Procps,
}

impl Loader {
    /// The command.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Systemd => "systemd-sysctl",
            Self::Procps => "sysctl --system",
        }
    }

    /// The one that it is not.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Systemd => Self::Procps,
            Self::Procps => Self::Systemd,
        }
    }
}

/// One line that means something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Line number, from 1.
    pub line: u32,
    /// The file below `/proc/sys`, which may be a glob: `net/ipv4/conf/eth0.100/mtu`.
    pub path: String,
    /// What is written there; `None` for `-key` without a value, which takes the key out of every glob.
    pub value: Option<String>,
    /// `-key = value`: a failure is no error.
    pub lenient: bool,
}

impl Setting {
    /// Whether the key is a glob.
    #[must_use]
    pub fn is_glob(&self) -> bool {
        self.path.contains(['*', '?', '['])
    }

    /// Whether the kernel refuses the value, whatever the key: neither program takes quotes off, and nothing is no number.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.value.as_deref().is_some_and(|value| value.is_empty() || value.starts_with(['"', '\'']))
    }
}

/// A file that has been read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct File {
    /// Its name.
    pub name: String,
    /// Its lines.
    pub settings: Vec<Setting>,
}

/// Reads one file. Lines that mean nothing to either program are left out.
#[must_use]
pub fn parse(text: &str) -> Vec<Setting> {
    let line = |(index, line): (usize, &str)| {
        let line = line.trim_matches(BLANK);
        if line.is_empty() || line.starts_with(['#', ';']) {
            return None;
        }
        let (key, value) = line.split_once('=').map_or((line, None), |(key, value)| (key, Some(value)));
        let dashed = key.strip_prefix('-');
        if value.is_none() && dashed.is_none() {
            return None;
        }
        let path = path(dashed.unwrap_or(key).trim_matches(BLANK));
        let value = value.map(|value| value.trim_matches(BLANK).to_string());
        let number = u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1);
        (!path.is_empty()).then_some(Setting { line: number, path, lenient: value.is_some() && dashed.is_some(), value })
    };
    text.split('\n').enumerate().filter_map(line).collect()
}

/// What C's `isspace` calls white space.
const BLANK: [char; 6] = [' ', '\t', '\n', '\r', '\u{b}', '\u{c}'];

/// The file below `/proc/sys` of a key as people write it: where the first separator is a dot, dots and slashes change places
/// (`sysctl_normalize`, `slashdot`), so `net.ipv4.conf.eth0/100.mtu` is `net/ipv4/conf/eth0.100/mtu`.
#[must_use]
pub fn path(key: &str) -> String {
    let swapped: String;
    let key = match key.find(['.', '/']).map(|at| key.as_bytes()[at]) {
        Some(b'.') => {
            swapped = swap(key);
            &swapped
        }
        _ => key,
    };
    let mut parts: Vec<&str> = key.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.starts_with(&["proc", "sys"]) && key.starts_with('/') {
        parts.drain(..2);
    }
    parts.join("/")
}

/// The key of a file below `/proc/sys`, as `sysctl` prints it.
#[must_use]
pub fn key(path: &str) -> String {
    swap(path)
}

fn swap(text: &str) -> String {
    let swap = |c| match c {
        '.' => '/',
        '/' => '.',
        c => c,
    };
    text.chars().map(swap).collect()
}

/// Whether `path` names one file below `/proc/sys` and nothing else: no way up, no glob, no white space, at least two parts, and
/// no dot in the first, so that [`key`] can be read back.
#[must_use]
pub fn is_lawful(path: &str) -> bool {
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '*' | '?' | '[' | ']' | '\\' | '=' | '"' | '\'');
    path.len() <= 255
        && path.split_once('/').is_some_and(|(first, _)| !first.contains('.'))
        && !path.contains(odd)
        && path.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
}

/// A value with single spaces between its fields: the kernel writes tabs, people write what they like.
#[must_use]
pub fn normal(value: &str) -> String {
    value.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a directory holds: its own name, and the names in it.
pub type Listing<'a> = (&'a str, Vec<String>);

/// The files that are read, in their order. `listings` are those of [`DIRECTORIES`] that exist, in that order, without names of
/// directories where `loader` is systemd; `last` says whether `/etc/sysctl.conf` is a regular file.
#[must_use]
pub fn order(loader: Loader, listings: &[Listing<'_>], last: bool) -> Vec<String> {
    // One entry for each name, in byte order, from the first directory that has it.
    let mut chosen: BTreeMap<&str, &str> = BTreeMap::new();
    for (directory, names) in listings {
        for name in names.iter().filter(|name| name.strip_suffix(".conf").is_some()) {
            // systemd leaves hidden files out (`dirent_is_file_with_suffix`), procps does not.
            if loader == Loader::Procps || !name.starts_with('.') {
                chosen.entry(name).or_insert(directory);
            }
        }
    }
    let mut files: Vec<String> = chosen.iter().map(|(name, directory)| [*directory, "/", *name].concat()).collect();
    if last && loader == Loader::Procps {
        files.push(LAST_FILE.into());
    }
    files
}

/// Which line decides over one key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decided {
    /// The value after boot; `None` = no line sets it.
    pub value: Option<String>,
    /// The line that sets it.
    pub winner: Option<Place>,
    /// Lines that set it too and lose, in the order in which they are read.
    pub losers: Vec<Place>,
    /// Lines whose value the kernel refuses.
    pub refused: Vec<Place>,
}

/// What `loader` makes of `path`, a file below `/proc/sys` that exists there; `files` are in the order of [`order`].
#[must_use]
pub fn decide(loader: Loader, files: &[File], path: &str) -> Decided {
    let all = files.iter().flat_map(|file| file.settings.iter().map(move |setting| (file, setting)));
    let (mut exact, mut globs) = (Vec::new(), Vec::new());
    for (file, setting) in all {
        if setting.is_glob() {
            if matches(&setting.path, path) {
                globs.push((file, setting));
            }
        } else if setting.path == path {
            exact.push((file, setting));
        }
    }
    let place = |(file, setting): (&File, &Setting)| Place { file: file.name.clone(), line: setting.line };
    // A line of its own takes a key out of every glob, in whichever file it stands.
    let winner = match loader {
        Loader::Systemd if exact.is_empty() => last_glob(&globs),
        // One value for each key: the last, and `-key` is one, too.
        Loader::Systemd => exact.last().copied().filter(|(_, setting)| setting.value.is_some() && !setting.is_refused()),
        Loader::Procps => {
            let lines = if exact.is_empty() { &globs } else { &exact };
            lines.iter().rev().copied().find(|(_, setting)| setting.value.is_some() && !setting.is_refused())
        }
    };
    let mut setting: Vec<(&File, &Setting)> =
        exact.iter().chain(&globs).copied().filter(|(_, line)| line.value.is_some()).collect();
    let position = |wanted: &File| files.iter().position(|file| core::ptr::eq(file, wanted));
    setting.sort_by_key(|(file, setting)| (position(file), setting.line));
    let is_winner = |(file, line): &(&File, &Setting)| {
        winner.is_some_and(|(other, won): (&File, &Setting)| core::ptr::eq(*file, other) && core::ptr::eq(*line, won))
    };
    let (refused, lost): (Vec<_>, Vec<_>) =
        setting.into_iter().filter(|line| !is_winner(line)).partition(|(_, line)| line.is_refused());
    Decided {
        value: winner.and_then(|(_, setting)| setting.value.as_deref()).map(normal),
        winner: winner.map(place),
        losers: lost.into_iter().map(place).collect(),
        refused: refused.into_iter().map(place).collect(),
    }
}

/// The last of systemd's globs. A glob that is given again with the same value keeps its old place in the table of options,
/// with another value it goes to the end, and `-glob` without one takes it away.
fn last_glob<'a>(globs: &[(&'a File, &'a Setting)]) -> Option<(&'a File, &'a Setting)> {
    let mut options: Vec<(&File, &Setting)> = Vec::new();
    for &(file, setting) in globs {
        match options.iter().position(|(_, old)| old.path == setting.path) {
            Some(at) if options[at].1.value == setting.value => {}
            Some(at) => {
                options.remove(at);
                options.push((file, setting));
            }
            None => options.push((file, setting)),
        }
    }
    options.into_iter().rev().find(|(_, setting)| setting.value.is_some() && !setting.is_refused())
}

/// Whether a glob (`glob(7)`) means `path`; no wildcard matches a slash.
#[must_use]
pub fn matches(glob: &str, path: &str) -> bool {
    let (mut globs, mut parts) = (glob.split('/'), path.split('/'));
    loop {
        match (globs.next(), parts.next()) {
            (None, None) => return true,
            (Some(glob), Some(part)) if part_matches(glob, part) => {}
            _ => return false,
        }
    }
}

/// One part between slashes. Goes back to the last star only, so it takes at most the product of both lengths.
fn part_matches(glob: &str, part: &str) -> bool {
    let glob: Vec<char> = glob.chars().collect();
    let part: Vec<char> = part.chars().collect();
    if part.first() == Some(&'.') && glob.first() != Some(&'.') {
        return false;
    }
    let (mut g, mut p) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while p < part.len() {
        if glob.get(g) == Some(&'*') {
            star = Some((g + 1, p));
            g += 1;
        } else if let Some(next) = glob.get(g).and_then(|_| one(&glob, g, part[p])) {
            g = next;
            p += 1;
        } else if let Some((after, from)) = star {
            star = Some((after, from + 1));
            (g, p) = (after, from + 1);
        } else {
            return false;
        }
    }
    glob[g..].iter().all(|c| *c == '*')
}

/// Where the glob goes on after the element at `at`, if that matches `c`.
fn one(glob: &[char], at: usize, c: char) -> Option<usize> {
    match glob[at] {
        '?' => Some(at + 1),
        '\\' if at + 1 < glob.len() => (glob[at + 1] == c).then_some(at + 2),
        '[' => match bracket(glob, at, c) {
            Some((matched, next)) => matched.then_some(next),
            None => (c == '[').then_some(at + 1),
        },
        other => (other == c).then_some(at + 1),
    }
}

/// A bracket expression: whether it holds `c`, and what follows it. `None` where the bracket is never closed.
fn bracket(glob: &[char], open: usize, c: char) -> Option<(bool, usize)> {
    let mut at = open + 1;
    let negated = matches!(glob.get(at), Some('!' | '^'));
    at += usize::from(negated);
    let first = at;
    let mut matched = false;
    loop {
        let from = *glob.get(at)?;
        if from == ']' && at > first {
            return Some((matched != negated, at + 1));
        }
        if from == '['
            && glob.get(at + 1) == Some(&':')
            && let Some(end) = (at + 2..glob.len()).find(|end| glob[*end] == ':' && glob.get(end + 1) == Some(&']'))
        {
            let class: String = glob[at + 2..end].iter().collect();
            matched |= in_class(&class, c);
            at = end + 2;
            continue;
        }
        let (from, next) = if from == '\\' { (*glob.get(at + 1)?, at + 2) } else { (from, at + 1) };
        if glob.get(next) == Some(&'-') && glob.get(next + 1).is_some_and(|to| *to != ']') {
            matched |= (from..=*glob.get(next + 1)?).contains(&c);
            at = next + 2;
        } else {
            matched |= from == c;
            at = next;
        }
    }
}

fn in_class(class: &str, c: char) -> bool {
    match class {
        "alnum" => c.is_ascii_alphanumeric(),
        "alpha" => c.is_ascii_alphabetic(),
        "digit" => c.is_ascii_digit(),
        "lower" => c.is_ascii_lowercase(),
        "upper" => c.is_ascii_uppercase(),
        "punct" => c.is_ascii_punctuation(),
        "xdigit" => c.is_ascii_hexdigit(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::vec;

    fn file(name: &str, text: &str) -> File {
        File { name: name.into(), settings: parse(text) }
    }

    fn won(loader: Loader, files: &[File], path: &str) -> String {
        let decided = decide(loader, files, path);
        let place = decided.winner.map_or_else(|| "none".into(), |place| format!("{}:{}", place.file, place.line));
        format!("{} {place}", decided.value.as_deref().unwrap_or("-"))
    }

    #[test]
    fn keys_with_dots_inside_interface_names() {
        assert_eq!(path("net.ipv4.conf.eth0/100.mtu"), "net/ipv4/conf/eth0.100/mtu");
        assert_eq!(path("net/ipv4/conf/eth0.100/mtu"), "net/ipv4/conf/eth0.100/mtu");
        assert_eq!(path("/net//ipv4/./conf"), "net/ipv4/conf");
        assert_eq!(path("/proc/sys/net/core/rmem_max"), "net/core/rmem_max");
        assert_eq!(key("net/ipv4/conf/eth0.100/mtu"), "net.ipv4.conf.eth0/100.mtu");
        assert_eq!(path("single"), "single");
    }

    #[test]
    fn no_key_leads_out_of_proc_sys() {
        for key in ["net.//.//.etc.passwd", "a/../../etc/passwd", "..", "net", "net.ipv4.*", "net.a b", "", "net.a\u{1b}b"] {
            assert!(!is_lawful(&path(key)), "{key:?}");
        }
        assert!(is_lawful(&path("net.ipv4.conf.eth0/100.mtu")));
    }

    #[test]
    fn lines() {
        let text =
            "# a\n;b\n\n  net.a.b =  1\t2  \r\n-net.c.d=3\n-net.e.f\nnonsense\n=4\nnet.q.r=\"5\"\nnet.s.t=a=b\n- net.u.v = 1";
        let found: Vec<String> = parse(text)
            .iter()
            .map(|line| format!("{} {} {:?} {} {}", line.line, line.path, line.value, line.lenient, line.is_refused()))
            .collect();
        assert_eq!(
            found,
            [
                "4 net/a/b Some(\"1\\t2\") false false",
                "5 net/c/d Some(\"3\") true false",
                "6 net/e/f None false false",
                "9 net/q/r Some(\"\\\"5\\\"\") false true",
                "10 net/s/t Some(\"a=b\") false false",
                "11 net/u/v Some(\"1\") true false",
            ]
        );
    }

    #[test]
    fn the_first_directory_hides_the_others_and_names_sort_by_bytes() {
        let list = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let listings = [
            ("/etc/sysctl.d", list(&["90-b.conf", "README", ".x.conf"])),
            ("/usr/lib/sysctl.d", list(&["10-a.conf", "90-b.conf"])),
        ];
        let systemd = vec!["/usr/lib/sysctl.d/10-a.conf", "/etc/sysctl.d/90-b.conf"];
        assert_eq!(order(Loader::Systemd, &listings, true), systemd);
        let procps = vec!["/etc/sysctl.d/.x.conf", "/usr/lib/sysctl.d/10-a.conf", "/etc/sysctl.d/90-b.conf", "/etc/sysctl.conf"];
        assert_eq!(order(Loader::Procps, &listings, true), procps);
    }

    #[test]
    fn the_last_line_wins_and_globs_lose_to_it() {
        let files = [
            file("a", "net.x.y = 1\nnet.x.y = 2"),
            file("b", "net.x.* = 3\nnet.*.z = 4\n-net.x.w"),
            file("c", "net.x.* = 5\nnet.x.* = 3\n"),
        ];
        for loader in [Loader::Systemd, Loader::Procps] {
            assert_eq!(won(loader, &files, "net/x/y"), "2 a:2");
            assert_eq!(won(loader, &files, "net/x/w"), "- none");
            assert_eq!(won(loader, &files, "net/x/z"), "3 c:2");
            assert_eq!(won(loader, &files, "net/v/z"), "4 b:2");
        }
        let losers = decide(Loader::Procps, &files, "net/x/y").losers;
        assert_eq!(
            losers.iter().map(|place| format!("{}:{}", place.file, place.line)).collect::<Vec<_>>(),
            ["a:1", "b:1", "c:1", "c:2"]
        );
    }

    #[test]
    fn where_the_two_programs_differ() {
        let files = [file("a", "net.x.y = 1"), file("b", "-net.x.y")];
        assert_eq!(won(Loader::Systemd, &files, "net/x/y"), "- none");
        assert_eq!(won(Loader::Procps, &files, "net/x/y"), "1 a:1");
        let files = [file("a", "net.x.y = 1"), file("b", "net.x.y = \"2\"")];
        assert_eq!(won(Loader::Systemd, &files, "net/x/y"), "- none");
        assert_eq!(won(Loader::Procps, &files, "net/x/y"), "1 a:1");
        let files = [file("a", "net.x.* = 1\nnet.*.y = 2"), file("b", "net.x.* = 1")];
        assert_eq!(won(Loader::Systemd, &files, "net/x/y"), "2 a:2");
        assert_eq!(won(Loader::Procps, &files, "net/x/y"), "1 b:1");
        let files = [file("a", "net.x.? = 1"), file("b", "-net.x.?")];
        assert_eq!(won(Loader::Systemd, &files, "net/x/y"), "- none");
        assert_eq!(won(Loader::Procps, &files, "net/x/y"), "1 a:1");
    }

    #[test]
    fn globs_match_as_glob_7_says() {
        for (glob, path, yes) in [
            ("net/ipv4/conf/*/mtu", "net/ipv4/conf/eth0.100/mtu", true),
            ("net/*/mtu", "net/ipv4/conf/mtu", false),
            ("net/ipv4/conf/eth[0-9]/mtu", "net/ipv4/conf/eth5/mtu", true),
            ("net/ipv4/conf/eth[!0-9]/mtu", "net/ipv4/conf/eth5/mtu", false),
            ("net/ipv4/conf/eth[[:digit:]]/mtu", "net/ipv4/conf/eth5/mtu", true),
            ("net/tcp_?mem", "net/tcp_rmem", true),
            ("net/tcp_?mem", "net/tcp_mem", false),
            ("net/*_*_*", "net/a_b_c", true),
            ("net/a*b*c", "net/aXbYbZc", true),
            ("net/[", "net/[", true),
            ("net/[]]", "net/]", true),
            ("net/a\\*", "net/a*", true),
            ("net/*", "net/", true),
        ] {
            assert_eq!(matches(glob, path), yes, "{glob} {path}");
        }
    }
}

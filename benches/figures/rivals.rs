//! The tools that answer the same question, as their users call them.

use crate::PATHVET;
use pathvet::lab::Lab;
use pathvet::lab::topologies::Family;
use pathvet_checks::report::Report;
use std::path::Path;
use std::process::Command;

/// What a tool says of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// One size, in bytes of IP packet.
    Size(u32),
    /// A size between these, both included.
    Between(u32, u32),
    /// Nothing.
    None,
}

/// Where a tool runs.
pub(crate) struct Place {
    pub(crate) family: Family,
    pub(crate) target: String,
    /// MTU of the sending interface.
    pub(crate) mtu: u32,
}

/// A tool.
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    program: &'static str,
    v6: bool,
    argv: fn(&Place) -> Vec<String>,
    read: fn(&str) -> Answer,
}

/// pathvet first: its figures are what the others are compared with.
pub(crate) const TOOLS: &[Tool] = &[
    Tool { name: "pathvet check", program: "", v6: true, argv: pathvet, read: read_pathvet },
    Tool { name: "ping -M do, bisected", program: "ping", v6: true, argv: ping, read: read_size },
    Tool { name: "fping -M, bisected", program: "fping", v6: true, argv: fping, read: read_size },
    Tool { name: "nmap path-mtu", program: "nmap", v6: false, argv: nmap, read: read_nmap },
    Tool { name: "traceroute --mtu", program: "traceroute", v6: true, argv: traceroute, read: read_traceroute },
    Tool { name: "tracepath", program: "tracepath", v6: true, argv: tracepath, read: read_tracepath },
];

impl Answer {
    pub(crate) fn is_exact(self, truth: u32) -> bool {
        self == Self::Size(truth)
    }

    pub(crate) fn words(self, truth: u32) -> String {
        match self {
            Self::Size(size) if size == truth => format!("{size}"),
            Self::Size(size) => format!("**{size}**, wrong"),
            Self::Between(low, high) if (low..=high).contains(&truth) => format!("{low} to {high}"),
            Self::Between(low, high) => format!("**{low} to {high}**, wrong"),
            Self::None => "none".to_owned(),
        }
    }
}

impl Tool {
    /// Whether it can be measured here; pathvet always can.
    pub(crate) fn is_here(&self, family: Family) -> bool {
        let places = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
        let installed = self.program.is_empty() || places.iter().any(|place| Path::new(place).join(self.program).exists());
        installed && (self.v6 || family == Family::V4)
    }

    /// The command that asks for the path, on the first host.
    pub(crate) fn command(&self, lab: &Lab, place: &Place) -> Command {
        lab.command(lab.first(), &(self.argv)(place)).expect("the first host exists")
    }

    pub(crate) fn read(&self, stdout: &str) -> Answer {
        (self.read)(stdout)
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn pathvet(place: &Place) -> Vec<String> {
    words(&[PATHVET, "check", "--format", "json", &place.target])
}

/// Bisects between the least that every path carries and the interface. `$1` target, `$2` MTU, `$3` headers, `$4` the least,
/// then the command that sends one payload.
const BISECT: &str = r#"
target=$1 high=$2 headers=$3 low=$4; shift 4
try() { size=$(($1 - headers)); shift; "$@" "$size" "$target" >/dev/null 2>&1; }
try "$low" "$@" || exit 0
high=$((high + 1))
while [ $((high - low)) -gt 1 ]; do
    middle=$(((low + high) / 2))
    if try "$middle" "$@"; then low=$middle; else high=$middle; fi
done
echo "$low"
"#;

fn bisect(place: &Place, command: &[&str]) -> Vec<String> {
    let (headers, least) = if place.family == Family::V4 { (28, 1200) } else { (48, 1280) };
    let numbers = [place.mtu, headers, least].map(|number| number.to_string());
    let mut argv = words(&["sh", "-c", BISECT, "sh", &place.target]);
    argv.extend(numbers);
    argv.extend(words(command));
    argv
}

fn ping(place: &Place) -> Vec<String> {
    bisect(place, &["ping", "-n", "-M", "do", "-c", "1", "-W", "1", "-s"])
}

fn fping(place: &Place) -> Vec<String> {
    bisect(place, &["fping", "-q", "-M", "-b"])
}

fn read_size(text: &str) -> Answer {
    text.trim().parse().map_or(Answer::None, Answer::Size)
}

fn read_pathvet(text: &str) -> Answer {
    report(text).and_then(|report| report.paths.first()?.path.path_mtu).map_or(Answer::None, Answer::Size)
}

/// pathvet's report; none where it printed something else.
pub(crate) fn report(text: &str) -> Option<Report> {
    serde_json::from_str(text).ok()
}

/// node2 listens on port 22.
fn nmap(place: &Place) -> Vec<String> {
    words(&["nmap", "-n", "-Pn", "-sS", "-p", "22", "--script", "path-mtu", &place.target])
}

/// `PMTU == 1500` or `8166 <= PMTU < 9600`.
fn read_nmap(text: &str) -> Answer {
    let Some(line) = text.lines().find(|line| line.contains("PMTU")) else { return Answer::None };
    let numbers: Vec<u32> = line.split(|letter: char| !letter.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect();
    match numbers[..] {
        [size] => Answer::Size(size),
        [low, above] => Answer::Between(low, above.saturating_sub(1)),
        _ => Answer::None,
    }
}

fn traceroute(place: &Place) -> Vec<String> {
    let family = if place.family == Family::V4 { "-4" } else { "-6" };
    words(&["traceroute", family, "-n", "--mtu", &place.target])
}

/// The last `F=1500`.
fn read_traceroute(text: &str) -> Answer {
    let mut sizes = text.split_whitespace().filter_map(|word| word.strip_prefix("F=")?.parse().ok());
    sizes.next_back().map_or(Answer::None, Answer::Size)
}

fn tracepath(place: &Place) -> Vec<String> {
    let family = if place.family == Family::V4 { "-4" } else { "-6" };
    words(&["tracepath", family, "-n", &place.target])
}

/// `Resume: pmtu 1500`, or the last `pmtu 1500` before.
fn read_tracepath(text: &str) -> Answer {
    let mut words = text.split_whitespace();
    let mut last = Answer::None;
    while let Some(word) = words.next() {
        if word == "pmtu" {
            last = words.next().and_then(|size| size.parse().ok()).map_or(last, Answer::Size);
        }
    }
    last
}

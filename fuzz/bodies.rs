//! What each fuzz target does with its bytes: a plain function that panics where a promise is broken, and says whether the
//! bytes meant anything.
//!
//! cargo-fuzz drives them (`fuzz/targets`), and so does `tests/fuzz_bodies.rs`, on stable, with seeded mutations of
//! [`ALL`]'s samples.

#[path = "infiniband.rs"]
mod fabric;
#[path = "search.rs"]
mod machine;
#[path = "neighbours.rs"]
mod partners;
#[path = "samples.rs"]
mod samples;

pub use fabric::{fabric_text, mad};
pub use machine::search;
pub use partners::{captures, dcb, lldp, neighbours};

use pathvet::cli::target::{Target as HostTarget, parse_list};
use pathvet::error::InputError;
use pathvet::host::{DriverInfo, Host};
use pathvet::lab::network::TooBig;
use pathvet::plan::{Local, Plan};
use pathvet::probe::fuzz::Heard;
use pathvet::report::{View, json, table};
use pathvet::{catalogue, collect, lab, probe, resolve};
use pathvet_checks::baseline as known;
use pathvet_checks::evidence::{self, Evidence};
use pathvet_checks::expect::Expect;
use pathvet_checks::report::Report;
use pathvet_checks::size::{Family, Size};
use pathvet_checks::wire::{ethtool, linkinfo, nla, rtnl};
use pathvet_checks::{Case, judge};
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, also that of the file in `fuzz/targets`.
    pub name: &'static str,
    /// Its body.
    pub run: fn(&[u8]) -> bool,
    /// Real inputs.
    pub samples: fn() -> Vec<Vec<u8>>,
    /// Mutations that the test on stable makes of them.
    pub mutations: u32,
}

/// Every target.
pub const ALL: [Target; 22] = [
    Target { name: "icmp4", run: icmp4, samples: samples::icmp4, mutations: 200_000 },
    Target { name: "icmp6", run: icmp6, samples: samples::icmp6, mutations: 200_000 },
    Target { name: "tcp", run: tcp, samples: samples::tcp, mutations: 200_000 },
    Target { name: "fragments", run: fragments, samples: samples::fragments, mutations: 20_000 },
    Target { name: "frames", run: frames, samples: samples::frames, mutations: 100_000 },
    Target { name: "netlink", run: netlink, samples: samples::netlink, mutations: 50_000 },
    Target { name: "facts", run: facts, samples: samples::netlink, mutations: 20_000 },
    Target { name: "evidence", run: evidence, samples: samples::evidence, mutations: 10_000 },
    Target { name: "plan", run: plan, samples: samples::plan, mutations: 10_000 },
    Target { name: "baseline", run: baseline, samples: samples::baseline, mutations: 10_000 },
    Target { name: "sizes", run: sizes, samples: samples::sizes, mutations: 100_000 },
    Target { name: "targets", run: targets, samples: samples::targets, mutations: 50_000 },
    Target { name: "names", run: names, samples: samples::names, mutations: 50_000 },
    Target { name: "sysctl", run: sysctl, samples: samples::sysctl, mutations: 50_000 },
    Target { name: "journal", run: journal, samples: samples::journal, mutations: 20_000 },
    Target { name: "search", run: search, samples: samples::search, mutations: 20_000 },
    Target { name: "mad", run: mad, samples: fabric::mad_samples, mutations: 100_000 },
    Target { name: "fabric_text", run: fabric_text, samples: samples::fabric_text, mutations: 10_000 },
    Target { name: "lldp", run: lldp, samples: partners::lldp_samples, mutations: 200_000 },
    Target { name: "captures", run: captures, samples: partners::capture_samples, mutations: 20_000 },
    Target { name: "neighbours", run: neighbours, samples: partners::neighbour_samples, mutations: 10_000 },
    Target { name: "dcb", run: dcb, samples: partners::dcb_samples, mutations: 50_000 },
];

fn heard(heard: Heard, bytes: &[u8]) -> bool {
    if let Some(broken) = heard.broken {
        panic!("{broken}: {bytes:02x?}");
    }
    heard.understood
}

/// `ICMPv4` as raw and datagram sockets deliver it, with what errors quote.
pub fn icmp4(bytes: &[u8]) -> bool {
    heard(probe::fuzz::icmp_v4(bytes), bytes)
}

/// `ICMPv6` messages, neighbour advertisements among them.
pub fn icmp6(bytes: &[u8]) -> bool {
    heard(probe::fuzz::icmp_v6(bytes), bytes)
}

/// TCP segments with and without an IP header, and marks.
pub fn tcp(bytes: &[u8]) -> bool {
    heard(probe::fuzz::tcp(bytes), bytes)
}

/// An echo request cut into fragments: two bytes of limit, then the packet.
pub fn fragments(bytes: &[u8]) -> bool {
    let Some((limit, echo)) = bytes.split_first_chunk::<2>() else { return false };
    heard(probe::fuzz::fragments(echo, u16::from_be_bytes(*limit).into()), bytes)
}

/// A frame of the lab: a byte that chooses the rule, four of MTU, then the frame.
pub fn frames(bytes: &[u8]) -> bool {
    let Some((&[kind, a, b, c, d], frame)) = bytes.split_first_chunk::<5>() else { return false };
    let says = u32::from_be_bytes([a, b, c, d]);
    let from = match kind % 3 {
        0 => None,
        1 => Some(Ipv4Addr::new(203, 0, 113, 1).into()),
        _ => Some(Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 1).into()),
    };
    let rule = TooBig { above: says / 2, says, from, every_ms: 0, only: None };
    let Some((length, filters, answer)) = lab::fuzz::frame(frame, &rule) else { return false };
    assert_eq!(length + 14, frame.len());
    assert!((1..=4).contains(&filters), "{filters} filters mean {frame:02x?}");
    if let Some(answer) = answer {
        assert!(answer.len() <= 14 + 1280, "{} bytes of answer", answer.len());
        assert_eq!((&answer[..6], &answer[6..12]), (&frame[6..12], &frame[..6]), "it goes back");
        let ip = &answer[14..];
        let understood = if ip[0] >> 4 == 4 { icmp4(ip) } else { icmp6(&ip[40..]) };
        // A quote is understood where it holds the transport header.
        let quotes = if frame[14] >> 4 == 4 { usize::from(frame[14] & 0xf) * 4 } else { 40 } + 8;
        assert!(understood || length < quotes.max(28) || frame[14] & 0xf < 5, "nobody understands {answer:02x?}");
    }
    true
}

/// Netlink messages, attributes, rtnetlink's tables, link information and ethtool's answers.
pub fn netlink(bytes: &[u8]) -> bool {
    let names = BTreeMap::from([(1, "lo".to_owned()), (2, "eth0".to_owned())]);
    let mut understood = false;
    for message in nla::messages(bytes).map_while(Result::ok) {
        understood = true;
        assert!(message.bytes.len() >= nla::HEADER && message.body.len() == message.bytes.len() - nla::HEADER);
        let _ = message.error();
        tables(&message);
        for fixed in [0, 4, 8, 12, 16] {
            for attribute in nla::attributes(message.body.get(fixed..).unwrap_or_default()).map_while(Result::ok) {
                assert!(attribute.value.len() < attribute.bytes.len());
                let _ = (attribute.text(), attribute.number(), attribute.u32(), attribute.ip(), attribute.nested().count());
                if attribute.kind == 18 {
                    let _ = linkinfo::read(attribute.value, &names);
                }
            }
        }
        for question in [ethtool::Question::LinkModes, ethtool::Question::Pause, ethtool::Question::PrivateFlags] {
            let _ = ethtool::answer(&message, question);
        }
    }
    let _ = (linkinfo::read(bytes, &names), linkinfo::mac(bytes), ethtool::family_id(bytes));
    assert!(nla::messages(bytes).count() <= bytes.len() && nla::attributes(bytes).count() <= bytes.len());
    understood
}

/// Every table reads the message, whatever it says it is.
fn tables(message: &nla::Message<'_>) {
    for kind in [message.kind, 16, 20, 24, 28, 32] {
        let message = nla::Message { kind, ..*message };
        let mut read = 0;
        read += usize::from(rtnl::Link::read(&message).is_ok_and(|row| row.is_some()));
        read += usize::from(rtnl::Address::read(&message).is_ok_and(|row| row.is_some()));
        read += usize::from(rtnl::Neighbour::read(&message).is_ok_and(|row| row.is_some()));
        read += usize::from(rtnl::Rule::read(&message).is_ok_and(|row| row.is_some()));
        match rtnl::Route::read(&message) {
            Ok(Some(route)) => {
                assert!(route.dst.is_none_or(|dst| Family::of(dst) == route.family), "{route:?}");
                assert!(route.nexthops as usize <= message.body.len() / 8, "{route:?}");
                read += 1;
            }
            Ok(None) => {}
            Err(fault) => assert!(!fault.to_string().is_empty()),
        }
        assert!(read <= 1, "{read} tables have {message:02x?}");
    }
}

/// A host that gives the same bytes to every question of netlink, but knows the number of ethtool's family.
struct Says<'b>(&'b [u8]);

impl Host for Says<'_> {
    fn origin(&self) -> &'static str {
        "root"
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        match path {
            "/sys/class/net/eth0/ifindex" => Ok(b"2\n".to_vec()),
            "/etc/iproute2/rt_tables" => Ok(self.0.to_vec()),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn list(&self, _: &str) -> io::Result<Vec<String>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn link(&self, _: &str) -> io::Result<String> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn netlink(&self, _: i32, request: &[u8]) -> io::Result<Vec<u8>> {
        const CONTROL: u16 = 16;
        if nla::read_u16(&request[4..]) == Some(CONTROL) {
            return Ok(nla::Builder::new(CONTROL, 0, &[1, 2, 0, 0]).put(1, &21_u16.to_ne_bytes()).finish());
        }
        Ok(self.0.to_vec())
    }

    fn driver(&self, _: &str) -> io::Result<DriverInfo> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn live(&self) -> bool {
        false
    }
}

/// The collectors, over a kernel that answers anything.
pub fn facts(bytes: &[u8]) -> bool {
    let host = Says(bytes);
    let (links, _) = collect::links(&host);
    let links = links.unwrap_or_default();
    let (routes, _) = collect::routes(&host, &links);
    let (neighbours, _) = collect::neighbours(&host, &links);
    let (routing, _) = collect::Routing::new(&host, &links);
    for target in [IpAddr::from(Ipv4Addr::new(192, 0, 2, 2)), IpAddr::from(Ipv6Addr::LOCALHOST)] {
        let _ = collect::route_used(&host, &routing, collect::RouteQuery::to(target));
    }
    !links.is_empty() || routes.is_some_and(|routes| !routes.is_empty()) || neighbours.is_some_and(|rows| !rows.is_empty())
}

/// An evidence document: read, merged, judged and shown.
pub fn evidence(bytes: &[u8]) -> bool {
    let read = match collect::read_evidence("f", bytes) {
        Ok(read) => read,
        Err(error) => {
            let lines = bytes.split(|byte| *byte == b'\n').count();
            assert!((1..=lines).contains(&error.line), "{error}");
            return false;
        }
    };
    let text = serde_json::to_string(&read).expect("evidence is JSON");
    assert_eq!(collect::read_evidence("f", text.as_bytes()).expect("what is written is read"), read);

    let once = evidence::merge_all([read.clone()]);
    assert_eq!(evidence::merge_all([read.clone(), read.clone()]), once, "merging is idempotent");
    let other =
        Evidence { paths: read.paths.iter().take(1).cloned().collect(), ..Evidence::empty(jiff::Timestamp::UNIX_EPOCH, "other") };
    assert_eq!(
        evidence::merge_all([read.clone(), other.clone()]),
        evidence::merge_all([other, read.clone()]),
        "merging is commutative"
    );

    let expect = Expect { mtu: Some(9000), ..Expect::default() };
    let case = Case { evidence: &read, expect: &expect, catalogue: catalogue::ceilings(), now: jiff::Timestamp::UNIX_EPOCH };
    let report = judge(&case);
    assert_eq!(judge(&case), report, "the same case gives the same report");
    let mut shown = Vec::new();
    json::write(&report, &mut shown).expect("a report is JSON");
    let shown = String::from_utf8(shown).expect("JSON is text");
    assert_eq!(serde_json::from_str::<Report>(&shown).expect("a report is read back"), report);
    for (width, verbose, utf8) in [(20, 0, false), (80, 1, true)] {
        let page = table::render(&report, &View { width, verbose, utf8, ..View::default() });
        assert!(!page.contains(|char: char| char.is_control() && char != '\n'), "{page:?}");
    }
    true
}

/// Mistakes have places in their file, and messages move no cursor.
fn mistakes(error: &InputError) -> bool {
    assert!(!error.problems.is_empty());
    assert!(error.problems.iter().all(|problem| problem.place.is_some()), "{error:?}");
    let text = error.render(false);
    assert!(!text.contains(|char: char| char.is_control() && char != '\n'), "{text:?}");
    false
}

/// A plan.
pub fn plan(bytes: &[u8]) -> bool {
    match Plan::parse("p", bytes) {
        Ok(plan) => {
            let local = Local { names: vec!["node1".into()], addresses: vec![Ipv4Addr::new(192, 0, 2, 1).into()] };
            let _ = (plan.paths_from(&local), plan.lint(jiff::civil::date(2026, 11, 20)), plan.recognise(&local));
            true
        }
        Err(error) => mistakes(&error),
    }
}

/// A baseline of kernel settings. Its values are what the rules, the lint and the writer of files get.
pub fn baseline(bytes: &[u8]) -> bool {
    match pathvet::plan::baseline::parse("b", bytes) {
        Ok(baseline) => {
            let mut values = BTreeMap::new();
            for setting in &baseline.values {
                assert!(known::is_key(&setting.key), "{:?}", setting.key);
                if let Some(target) = setting.target(None) {
                    assert!(setting.rule.holds(&target), "{setting:?}");
                    assert!(!target.contains(|char: char| char.is_control()), "{setting:?}");
                    values.insert(setting.key.clone(), target);
                }
            }
            let _ = known::lint(&values, &known::Machine::default());
            true
        }
        Err(error) => mistakes(&error),
    }
}

/// Sizes as people write them, and host names as arguments.
pub fn sizes(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let mut understood = false;
    for family in [None, Some(Family::V4), Some(Family::V6)] {
        match Size::parse(&text, family) {
            Ok(size) => {
                understood = true;
                let smallest = family.unwrap_or(Family::V4).min_mtu();
                assert!((smallest..=65_535).contains(&size.ip.0), "{size:?}");
                let _ = size.slip();
            }
            Err(error) => assert!(error.to_string().chars().count() < 300, "{error}"),
        }
    }
    match HostTarget::parse(&text) {
        Ok(target) => {
            assert_eq!(target.as_str(), text);
            let _ = (target.address(), target.zone());
        }
        Err(error) => drop(error.to_string()),
    }
    understood
}

/// A list of targets.
pub fn targets(bytes: &[u8]) -> bool {
    match parse_list("f", bytes) {
        Ok(targets) => {
            // What is accepted in a list is accepted as an argument, and the resolver never calls it unlawful.
            for target in &targets {
                assert_eq!(HostTarget::parse(target.as_str()).as_ref(), Ok(target));
                assert!(resolve::literal(target.as_str()).is_ok(), "{target}");
            }
            assert!(!targets.is_empty());
            true
        }
        Err(error) => mistakes(&error),
    }
}

/// What the hosts file and `getent` say, and literals.
pub fn names(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let answers = resolve::from_getent(&text).len();
    let listed: usize = ["node2", "localhost", "a.example."].iter().map(|name| resolve::from_hosts(&text, name).len()).sum();
    assert!(answers <= text.lines().count() && listed <= 3 * text.lines().count());
    let _ = resolve::literal(&text);
    answers + listed > 0
}

/// A file of kernel settings, twice and with another, as both programs read it.
pub fn sysctl(bytes: &[u8]) -> bool {
    use pathvet_checks::parse::sysctl::{File, Loader, decide, is_lawful, key, matches, parse, path};
    let text = String::from_utf8_lossy(bytes);
    let settings = parse(&text);
    let lines = text.split('\n').count();
    for setting in &settings {
        assert!(usize::try_from(setting.line).is_ok_and(|line| (1..=lines).contains(&line)), "{setting:?}");
        assert!(!setting.path.starts_with('/') && !setting.path.contains("//"), "{setting:?}");
        if is_lawful(&setting.path) {
            assert_eq!(path(&key(&setting.path)), setting.path, "a key is found again by its printed form");
            assert!(!setting.path.split('/').any(|part| part == ".."), "{setting:?} leads up");
        }
        let _ = matches(&setting.path, "net/ipv4/conf/eth0.100/mtu");
    }
    let file = |name: &str| File { name: name.into(), settings: settings.clone() };
    let files = [file("a"), file("b")];
    for loader in [Loader::Systemd, Loader::Procps] {
        for wanted in
            settings.iter().map(|setting| setting.path.as_str()).chain(["net/core/rmem_max", "net/ipv4/conf/all/mtu"]).take(20)
        {
            let decided = decide(loader, &files, wanted);
            assert_eq!(decided.value.is_some(), decided.winner.is_some());
            assert!(decided.winner.iter().all(|winner| !decided.losers.contains(winner)));
        }
    }
    !settings.is_empty()
}

/// A journal of an apply.
pub fn journal(bytes: &[u8]) -> bool {
    use pathvet::tune::journal::{Journal, ValueChange};
    use std::path::Component;
    match Journal::parse("f", bytes) {
        Ok(journal) => {
            for place in journal.values.iter().map(ValueChange::place) {
                // Dots inside of a name lead nowhere.
                let inside = |part: Component<'_>| matches!(part, Component::RootDir | Component::Normal(_));
                assert!(place.starts_with("/proc/sys") && place.components().all(inside), "{}", place.display());
            }
            for place in [journal.file_place(), journal.file_draft()] {
                assert_eq!(place.parent(), Some(std::path::Path::new("/etc/sysctl.d")));
            }
            let text = serde_json::to_vec(&journal).expect("a journal is JSON");
            assert_eq!(Journal::parse("f", &text).expect("what is written is read"), journal);
            true
        }
        Err(error) => {
            let text = error.render(false);
            assert!(!text.contains(|char: char| char.is_control() && char != '\n'), "{text:?}");
            false
        }
    }
}

//! How runs end that do not end well: signals, deadlines, outputs that cannot be written, readers that go away, missing rights.
//! `RUST_BACKTRACE` is set everywhere, and nothing may show it.

use pathvet::lab::topologies::{Family, Topology};
use pathvet::lab::{Lab, Output};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

const PATHVET: &str = env!("CARGO_BIN_EXE_pathvet");

fn start(name: &str) -> Lab {
    let topology = Topology::find(name).expect("the topology exists");
    Lab::start_with(Path::new(PATHVET), topology, Family::V4).expect("the lab starts")
}

fn command(lab: &Lab, args: &[&str]) -> Command {
    let target = lab.target().map(|target| target.to_string());
    let words = std::iter::once("pathvet").chain(args.iter().map(|arg| match (*arg, &target) {
        ("TARGET", Some(target)) => target.as_str(),
        (arg, _) => arg,
    }));
    let mut command = lab.command(lab.first(), &words.collect::<Vec<_>>()).expect("the host is known");
    command.env("RUST_BACKTRACE", "1").stdin(Stdio::null());
    command
}

fn run(lab: &Lab, args: &[&str]) -> Output {
    let output = command(lab, args).output().expect("a program can be started");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let output = Output { status: output.status, stdout: text(&output.stdout), stderr: text(&output.stderr) };
    assert!(!output.stderr.contains("panicked") && !output.stderr.contains("backtrace"), "{args:?}: {}", output.stderr);
    output
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// IP packets that the switch has seen from the first host.
fn packets(lab: &Lab) -> u64 {
    let [forward, reverse] = lab.counters("sw1").expect("the lab runs").expect("sw1 is a forwarder");
    forward.packets + reverse.packets
}

/// Starts a run that would take a minute, and sends it a signal when its first probes have passed the switch.
fn interrupted(lab: &Lab, args: &[&str], signal: &str) -> Output {
    let before = packets(lab);
    let mut slow = args.to_vec();
    slow.extend(["--rate", "2"]);
    let mut child = command(lab, &slow).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    while packets(lab) < before + 2 {
        assert!(child.try_wait().expect("it is ours").is_none(), "it ended before it was interrupted");
        std::thread::yield_now();
    }
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill runs");
    assert!(sent.success());
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Output { status: output.status, stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

#[test]
fn a_signal_ends_a_run_with_the_partial_report() {
    let lab = start("story");
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let output = interrupted(&lab, &["check", "TARGET", "--format", "json"], signal);
        assert_eq!(output.status.code(), Some(code), "{}", output.stderr);
        let report = json(&output.stdout);
        let paths = report["paths"].as_array().expect("a list");
        assert_eq!(paths.len(), 1, "{}", output.stdout);
        assert!(paths[0]["probes_sent"].as_u64().is_some_and(|sent| sent > 0), "{}", output.stdout);
        assert!(report["findings"].as_array().is_some_and(|findings| !findings.is_empty()), "{}", output.stdout);
    }
    let output = interrupted(&lab, &["check", "TARGET"], "-INT");
    assert_eq!(output.status.code(), Some(130));
    assert!(output.stdout.contains("path-mtu") && output.stdout.contains("UNKNOWN"), "{}", output.stdout);
    let output = interrupted(&lab, &["probe", "TARGET"], "-INT");
    assert_eq!(output.status.code(), Some(130), "{}{}", output.stdout, output.stderr);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let place = folder.path().join("evidence.json");
    let name = place.to_str().expect("a plain name");
    let output = interrupted(&lab, &["collect", "TARGET", "-o", name], "-INT");
    assert_eq!(output.status.code(), Some(130), "{}", output.stderr);
    let judged = run(&lab, &["judge", name, "--format", "json"]);
    assert_eq!(json(&judged.stdout)["verdict"], "unknown", "{}{}", judged.stdout, judged.stderr);
}

#[test]
fn a_deadline_before_any_answer_leaves_a_whole_report() {
    let lab = start("host-down");
    let output = run(&lab, &["check", "TARGET", "--deadline", "100ms", "--format", "json"]);
    let report = json(&output.stdout);
    assert_eq!((output.status.code(), output.stderr.as_str()), (Some(3), ""), "{}", output.stdout);
    assert_eq!((&report["verdict"], &report["exit_code"]), (&"unknown".into(), &3.into()), "{}", output.stdout);
    assert_eq!(report["paths"].as_array().map(Vec::len), Some(1));
    let table = run(&lab, &["check", "TARGET", "--deadline", "100ms"]);
    assert!(table.stdout.lines().any(|line| line.starts_with("UNKNOWN: 1 unknown")), "{}", table.stdout);
}

#[test]
fn methods_that_cannot_be_used_end_a_run_too() {
    let lab = start("gateway-silent");
    for method in ["icmp", "udp", "tcp"] {
        let output = run(&lab, &["check", "--methods", method, "--format", "json"]);
        assert!(output.status.code().is_some_and(|code| code < 4), "{method}: {}", output.stderr);
        json(&output.stdout);
    }
}

#[test]
fn a_reader_that_goes_away_is_silent() {
    let lab = start("clean");
    for args in
        [["check", "TARGET"].as_slice(), &["check", "TARGET", "--format", "json"], &["collect", "TARGET"], &["probe", "TARGET"]]
    {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = command(&lab, args).stdout(writer).stderr(Stdio::piped()).output().expect("it runs");
        assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""), "{args:?}");
    }
    // As with `| head -1`: the reader takes a line of many and leaves.
    let mut child =
        Command::new(PATHVET).args(["explain", "9198"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut line = String::new();
    BufReader::with_capacity(1, child.stdout.take().expect("it is a pipe")).read_line(&mut line).expect("it is text");
    let mut errors = String::new();
    child.stderr.take().expect("it is a pipe").read_to_string(&mut errors).expect("it is text");
    assert_eq!((child.wait().expect("it ends").code(), errors.as_str()), (Some(0), ""), "{line}");
}

#[test]
fn a_full_disk_is_74_after_a_run() {
    if !Path::new("/dev/full").exists() {
        println!("ABSENT: /dev/full");
        return;
    }
    let lab = start("clean");
    let full = || std::fs::File::options().write(true).open("/dev/full").expect("a device for everybody");
    for args in
        [["check", "TARGET"].as_slice(), &["check", "TARGET", "--format", "json"], &["collect", "TARGET"], &["probe", "TARGET"]]
    {
        let output = command(&lab, args).stdout(full()).stderr(Stdio::piped()).output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(74), "{args:?}: {text}");
        assert!(text.starts_with("pathvet: cannot write standard output: ") && text.lines().count() == 1, "{args:?}: {text}");
    }
    for flag in ["--save=/dev/full", "--output=json=/dev/full"] {
        let output = run(&lab, &["check", "TARGET", flag]);
        assert_eq!(output.status.code(), Some(74), "{flag}: {}", output.stderr);
        assert!(output.stderr.contains("/dev/full"), "{flag}: {}", output.stderr);
        assert!(output.stdout.contains("PASS"), "the report is shown all the same: {}", output.stdout);
    }
}

#[test]
fn nothing_is_sent_before_outputs_are_open_and_input_is_right() {
    let lab = start("story");
    let before = packets(&lab);
    for (args, code) in [
        (["check", "TARGET", "--save", "/nowhere/at/all"].as_slice(), 74),
        (&["check", "TARGET", "-o", "json=/nowhere/at/all"], 74),
        (&["collect", "TARGET", "-o", "/proc/nothing"], 74),
        (&["collect", "TARGET", "--record", "/proc/nothing"], 74),
        (&["check", "TARGET", "--only", "path-mtuu"], 64),
        (&["check", "TARGET", "--expect-mtu", "67"], 64),
        (&["check", "TARGET", "-f", "/nowhere/at/all"], 64),
        (&["check", "TARGET", "--targets", "/nowhere/at/all"], 64),
        (&["check", "TARGET", "192.0.2.0/24"], 64),
        // An inventory that brought nothing is no reason to vet the gateway instead.
        (&["check", "--targets", "/dev/null"], 64),
        (&["check", "--targets", "-"], 64),
        (&["check", &"a".repeat(64)], 64),
        (&["check", "TARGET", "-n"], 0),
    ] {
        let output = run(&lab, args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}{}", output.stdout, output.stderr);
        assert_eq!(packets(&lab), before, "{args:?} has sent something");
    }
    run(&lab, &["check", "TARGET"]);
    assert!(packets(&lab) > before, "the counter counts");
}

/// Neither raw nor ICMP datagram sockets: what is left is used, and what a right would add is said.
#[test]
fn a_missing_right_is_named() {
    let mut scene = Topology::find("clean").expect("the topology exists").scene(Family::V4);
    for host in &mut scene.network.hosts {
        host.sysctls.retain(|(key, _)| key != "net/ipv4/ping_group_range");
    }
    let lab = Lab::build(Path::new(PATHVET), scene).expect("the lab starts");
    let target = lab.target().expect("a target").to_string();
    let udp = lab.run_without_rights(lab.first(), &["pathvet", "check", &target]).expect("it starts");
    assert_eq!((udp.status.code(), udp.stderr.as_str()), (Some(0), ""), "UDP needs no right: {}", udp.stdout);
    for methods in [&["--methods", "icmp"], &["--methods", "tcp"]] {
        let args = [&["pathvet", "check", &target], &methods[..]].concat();
        let output = lab.run_without_rights(lab.first(), &args).expect("it starts");
        assert!(output.status.code().is_some_and(|code| code < 4), "{args:?}: {}", output.stderr);
        assert!(output.stdout.contains("CAP_NET_RAW"), "{args:?}: {}{}", output.stdout, output.stderr);
        assert_eq!(output.stderr, "", "{args:?}");
    }
}

#[test]
fn broken_evidence_has_its_place() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let place = folder.path().join("evidence.json");
    let name = place.to_str().expect("a plain name");
    let lab = start("clean");
    let saved = run(&lab, &["collect", "TARGET", "-o", name]);
    assert_eq!(saved.status.code(), Some(0), "{}", saved.stderr);
    let good = std::fs::read_to_string(&place).expect("it was written");
    let line = |text: &str| text.lines().count();
    let deep = good.replacen("\"hosts\": [", &format!("\"hosts\": [\n{}", "[".repeat(5_000)), 1);
    let cut = &good[..good.len() / 2];
    for (text, at) in [
        (
            good.replacen("\"mtu\": ", "\"mtu\": \"many\", \"n\": ", 1),
            good[..good.find("\"mtu\": ").expect("a link")].lines().count(),
        ),
        (deep.clone(), line(&deep[..deep.find("[[[").expect("it is there")]) + 1),
        (cut.to_owned(), line(cut)),
    ] {
        std::fs::write(&place, &text).expect("a writable folder");
        let output = run(&lab, &["judge", name]);
        assert_eq!((output.status.code(), output.stdout.as_str()), (Some(64), ""));
        assert!(output.stderr.contains(&format!("evidence.json:{at}:")), "line {at}: {}", output.stderr);
    }
    std::fs::write(&place, [0xff, 0xfe, 0, 1]).expect("a writable folder");
    assert_eq!(run(&lab, &["judge", name]).status.code(), Some(64));
    assert_eq!(run(&lab, &["judge", "/"]).status.code(), Some(64));
}

//! Many targets, many copies, a small receive buffer, and what a run may do to a network, seen from the far end.
//!
//! The file's name puts it last: its thousands of neighbours fill a table that is one for all networks of a machine.
#![expect(clippy::print_stdout, reason = "the counts are shown")]

use pathvet::lab::Lab;
use pathvet::lab::network::{Filter, Hop, Network, Route, Rules};
use pathvet::lab::topologies::{Family, Scene, Topology, targets};
use pathvet::probe::{self, Options, Silent, Target};
use pathvet_checks::evidence::{Asked, LimitKind, RouteUsed};
use pathvet_checks::report::Report;
use pathvet_checks::search::KNOWN_CEILINGS;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

const PATHVET: &str = env!("CARGO_BIN_EXE_pathvet");

/// The kernel counts the neighbours of all namespaces together: the test that fills its table runs alone.
static NEIGHBOURS: RwLock<()> = RwLock::new(());

fn beside_others() -> RwLockReadGuard<'static, ()> {
    NEIGHBOURS.read().unwrap_or_else(PoisonError::into_inner)
}

fn scene(name: &str, family: Family) -> Scene {
    Topology::find(name).expect("the topology exists").scene(family)
}

fn build(scene: Scene) -> Lab {
    Lab::build(Path::new(PATHVET), scene).expect("the lab starts")
}

/// Changes what the box between the hosts does, in both directions.
fn with_rules(mut scene: Scene, change: impl Fn(&mut Rules)) -> Scene {
    let boxes = scene.network.hosts.iter_mut().filter_map(|host| host.forwarder.as_mut());
    boxes.for_each(|forwarder| {
        change(&mut forwarder.forward);
        change(&mut forwarder.reverse);
    });
    scene
}

/// The story's cut, with 200 addresses behind it and nothing lost.
fn cut(family: Family) -> Scene {
    with_rules(scene("loss-5-cut", family), |rules| rules.loss_ppm = 0)
}

fn box_of(network: &Network) -> &str {
    &network.hosts.iter().find(|host| host.forwarder.is_some()).expect("there is a box").name
}

fn list(addresses: &[IpAddr]) -> tempfile::NamedTempFile {
    let mut text = String::new();
    for address in addresses {
        writeln!(text, "{address}").expect("it is a string");
    }
    let file = tempfile::NamedTempFile::new().expect("a file can be made");
    std::fs::write(file.path(), text).expect("it is writable");
    file
}

fn unlimited(lab: &Lab, list: &Path) -> Command {
    let list = list.to_str().expect("it is text");
    let argv = [PATHVET, "check", "--targets", list, "--rate", "unlimited", "--yes", "--format", "json"];
    lab.command(lab.first(), &argv).expect("the first host exists")
}

fn report(output: &std::process::Output) -> Report {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// How many paths carry exactly `mtu`; says which do not.
fn exact(what: &str, report: &Report, mtu: u32) -> usize {
    for path in report.paths.iter().map(|path| &path.path).filter(|path| path.path_mtu != Some(mtu)).take(20) {
        println!("{what}: {} {:?} {:?} {:?} {:?}", path.to, path.path_mtu, path.limit.kind, path.unreachable, path.send_error);
    }
    report.paths.iter().filter(|path| path.path.path_mtu == Some(mtu)).count()
}

#[test]
fn ten_thousand_addresses_are_exact() {
    let _guard = beside_others();
    for family in Family::BOTH {
        let lab = build(scene("farm", family));
        let list = list(&targets("farm", family, 10_000));
        let report = report(&unlimited(&lab, list.path()).output().expect("it runs"));
        let probes: u64 = report.paths.iter().map(|path| path.path.probes_sent).sum();
        let right = exact("farm", &report, 9000);
        println!("10,000 addresses, {family}: {right} exact, {probes} probes");
        assert_eq!((report.paths.len(), right), (10_000, 10_000));
    }
}

/// The kernel's table has room for 1,024 neighbours (`gc_thresh3`), of all namespaces together.
#[test]
fn two_thousand_neighbours_are_more_than_the_table_holds_and_none_is_dead() {
    let _alone = NEIGHBOURS.write().unwrap_or_else(PoisonError::into_inner);
    for family in Family::BOTH {
        let mut scene = scene("onlink-2000", family);
        // Room is made where a neighbour no longer counts as reachable: after seconds here, not after half a minute.
        let version = family.number();
        let node1 = scene.network.hosts.iter_mut().find(|host| host.name == "node1").expect("node1 is a host");
        for (key, value) in [("base_reachable_time_ms", "4000"), ("delay_first_probe_time", "1")] {
            node1.interface_sysctls.push((format!("net/ipv{version}/neigh/eth0/{key}"), value.to_owned()));
        }
        let lab = build(scene);
        let list = list(&targets("onlink-2000", family, 2_000));
        let report = report(&unlimited(&lab, list.path()).output().expect("it runs"));
        let dead = report.paths.iter().filter(|path| path.path.limit.kind == LimitKind::Unreachable).count();
        let right = exact("onlink-2000", &report, 9000);
        println!("2,000 targets on the link, {family}: {right} exact, {dead} reported dead");
        assert_eq!((right, dead), (2_000, 0));
    }
}

#[test]
fn eight_copies_at_once_do_not_disturb_each_other() {
    let _guard = beside_others();
    for family in Family::BOTH {
        for (name, scene, mtu, all) in [
            ("farm", scene("farm", family), 9000, targets("farm", family, 512)),
            ("cut", cut(family), 9198, targets("cut", family, 192).into_iter().cycle().take(512).collect()),
        ] {
            let lab = build(scene);
            let lists: Vec<_> = all.chunks(64).map(list).collect();
            let start = |list: &tempfile::NamedTempFile| {
                unlimited(&lab, list.path()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
            };
            let copies: Vec<_> = lists.iter().map(start).collect();
            let outputs: Vec<_> = std::thread::scope(|scope| {
                let waiting: Vec<_> =
                    copies.into_iter().map(|copy| scope.spawn(|| copy.wait_with_output().expect("it ends"))).collect();
                waiting.into_iter().map(|waiting| waiting.join().expect("nothing panics")).collect()
            });
            let right: usize = outputs.iter().map(|output| exact(name, &report(output), mtu)).sum();
            println!("8 copies, {name}, {family}: {right} of 512 exact");
            assert_eq!((outputs.len(), right), (8, 512));
        }
    }
}

/// Set for the copy of this test that runs on a lab's host: the addresses, the MTU of the interface, and the right answer.
const INSIDE: &str = "PATHVET_TEST_INSIDE";

/// The default of `net.core.rmem_max`, on a machine that was never tuned. The limit is of the whole machine, so the library is
/// told to take no more.
#[test]
fn a_receive_buffer_of_212992_bytes_is_enough() {
    if let Ok(words) = std::env::var(INSIDE) {
        inside(&words);
        return;
    }
    let _guard = beside_others();
    for family in Family::BOTH {
        for (scene, addresses, mtu, right) in [
            (scene("farm", family), targets("farm", family, 500), 9000, 9000),
            (cut(family), targets("cut", family, 64), 9600, 9198),
        ] {
            let lab = build(scene);
            let own = std::env::current_exe().expect("this is a file");
            let own = own.to_str().expect("it is text");
            let argv = [own, "a_receive_buffer_of_212992_bytes_is_enough", "--exact", "--nocapture"];
            let words: Vec<String> =
                addresses.iter().map(ToString::to_string).chain([format!("{mtu}"), format!("{right}")]).collect();
            let mut command = lab.command(lab.first(), &argv).expect("the first host exists");
            let output = command.env(INSIDE, words.join(" ")).output().expect("it runs");
            let text = String::from_utf8_lossy(&output.stdout);
            let line = text.lines().find(|line| line.contains("exact")).unwrap_or_default();
            println!("212992 bytes, {family}: {line}");
            assert!(output.status.success() && line.contains(&format!("{} exact", addresses.len())), "{output:?}");
        }
    }
}

fn inside(words: &str) {
    let mut words: Vec<&str> = words.split(' ').collect();
    let right: u32 = words.pop().and_then(|word| word.parse().ok()).expect("the right answer");
    let mtu: u32 = words.pop().and_then(|word| word.parse().ok()).expect("an MTU");
    let gateway = |address: IpAddr| -> IpAddr {
        if address.is_ipv4() { [192, 0, 2, 2].into() } else { "2001:db8::2".parse().expect("an address") }
    };
    let source = |address: IpAddr| -> IpAddr {
        if address.is_ipv4() { [192, 0, 2, 1].into() } else { "2001:db8::1".parse().expect("an address") }
    };
    let ifindex =
        std::fs::read_to_string("/sys/class/net/eth0/ifindex").expect("there is an eth0").trim().parse().expect("a number");
    let target = |word: &&str| {
        let address: IpAddr = word.parse().expect("an address");
        let route = RouteUsed {
            kind: "unicast".to_owned(),
            dev: Some("eth0".to_owned()),
            gateway: Some(gateway(address)),
            source: Some(source(address)),
            ..RouteUsed::default()
        };
        Target {
            from: "node1".to_owned(),
            to: (*word).to_owned(),
            network: None,
            asked: Asked::Named,
            address,
            scope_id: 0,
            route,
            interface: Some("eth0".to_owned()),
            ifindex,
            bind: false,
            source: None,
            lladdr: None,
            interface_mtu: mtu,
            probe_above: true,
            speed_mbps: Some(10_000),
            on_link: false,
            resolved: false,
            dscp: 0,
            expected: None,
        }
    };
    let targets: Vec<Target> = words.iter().map(target).collect();
    let options = Options { rate: None, receive_buffer: Some(212_992), ceilings: KNOWN_CEILINGS.into(), ..Options::default() };
    let outcome = probe::run(&targets, &options, &Vec::new, &mut Silent).expect("it can probe");
    let void: u32 = outcome.paths.iter().map(|path| path.void_rounds).sum();
    let right = outcome.paths.iter().filter(|path| path.path_mtu == Some(right)).count();
    println!("{right} exact, {void} rounds void");
}

/// Runs pathvet, and asks the box again and again how much it has seen. The bounds are those of token buckets: what was seen by
/// then was sent before, so a slow machine only makes them easier.
fn assert_bounded(lab: &Lab, argv: &[&str], packets: (u64, u64), bytes: (u64, u64)) -> Report {
    let middle = box_of(&lab.scene().network).to_owned();
    let seen = || lab.counters(&middle).expect("the lab runs").expect("it is a box")[0];
    let before = seen();
    let start = Instant::now();
    let mut command = lab.command(lab.first(), argv).expect("the first host exists");
    let copy = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let (output, worst) = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| copy.wait_with_output().expect("it ends"));
        let mut worst = (0, 0, Duration::ZERO);
        loop {
            let ended = waiting.is_finished();
            let now = seen();
            let elapsed = start.elapsed();
            let bound =
                |(burst, rate): (u64, u64)| burst + u64::try_from(elapsed.as_micros()).expect("it is short") * rate / 1_000_000;
            let (count, length) = (now.packets - before.packets, now.bytes - before.bytes);
            assert!(count <= bound(packets), "{count} packets after {elapsed:?}, at most {}", bound(packets));
            assert!(length <= bound(bytes), "{length} bytes after {elapsed:?}, at most {}", bound(bytes));
            worst = worst.max((count, length, elapsed));
            if ended {
                break;
            }
            std::thread::yield_now();
        }
        (waiting.join().expect("nothing panics"), worst)
    });
    println!("{argv:?}: {} packets, {} bytes after {:?}", worst.0, worst.1, worst.2);
    report(&output)
}

/// 5 % of 10 Gb/s, and what may leave at once.
const BYTES: (u64, u64) = (512 * 1024 + 65_535, 62_500_000);

#[test]
fn one_target_gets_a_hundred_probes_at_once_and_then_five_hundred_a_second() {
    let _guard = beside_others();
    for family in Family::BOTH {
        // So much is lost that far more than a hundred are wanted.
        let lab = build(scene("loss-40-cut", family));
        let target = lab.target().expect("it has a target").to_string();
        // A few more: the neighbour's, and the connection that asks for the far end's MTU.
        let report = assert_bounded(&lab, &[PATHVET, "check", "--format", "json", &target], (100 + 40, 500), BYTES);
        let sent = report.paths[0].path.probes_sent;
        assert!(sent > 150, "the limit was not reached: {sent}");
    }
}

/// Targets on the link, so that no router's budget is in the way; each needs dozens of probes.
#[test]
fn a_run_keeps_to_two_thousand_probes_a_second() {
    let _guard = beside_others();
    let mut scene = cut(Family::V4);
    let addresses: Vec<_> = targets("cut", Family::V4, 200).split_off(1);
    let node1 = scene.network.hosts.iter_mut().find(|host| host.name == "node1").expect("node1 is a host");
    for route in &mut node1.routes {
        route.hops = vec![Hop { via: None, interface: Some("eth0".to_owned()) }];
    }
    let lab = build(scene);
    let list = list(&addresses);
    let list = list.path().to_str().expect("it is text");
    let argv = [PATHVET, "check", "--targets", list, "--yes", "--no-connect", "--format", "json"];
    let report = assert_bounded(&lab, &argv, (1_000, 2_000), BYTES);
    let sent: u64 = report.paths.iter().map(|path| path.path.probes_sent).sum();
    assert_eq!(exact("cut", &report, 9198), 199);
    assert!(sent > 5_000, "the limit was not reached: {sent}");
}

/// The default gateway was not asked for by anyone: it gets less.
#[test]
fn a_gateway_gets_forty_probes_and_then_a_hundred_a_second() {
    let _guard = beside_others();
    for family in Family::BOTH {
        let mut scene = scene("loss-5-cut", family);
        let gateway = scene.target.take().expect("it has a target");
        let anywhere: IpAddr = if gateway.is_ipv4() { [0, 0, 0, 0].into() } else { "::".parse().expect("an address") };
        let node1 = scene.network.hosts.iter_mut().find(|host| host.name == "node1").expect("node1 is a host");
        node1.routes.push(Route::via(anywhere, 0, gateway));
        let lab = build(scene);
        assert_bounded(&lab, &[PATHVET, "check", "--format", "json"], (40 + 20, 100), BYTES);
    }
}

/// Nothing but small probes reaches a target that never answers, and few of those.
#[test]
fn silence_is_not_met_with_more() {
    let _guard = beside_others();
    for family in Family::BOTH {
        let lab = build(with_rules(scene("mute", family), |rules| rules.drop = vec![Filter::Ip]));
        let target = lab.target().expect("it has a target").to_string();
        assert_bounded(&lab, &[PATHVET, "check", "--format", "json", &target], (60, 0), (60 * 1_500, 0));
    }
}

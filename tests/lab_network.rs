//! The built-in network does what its topologies say, judged by the system's own `ping`.

use pathvet::lab::topologies::{ALL, Family, Scene, Topology, targets};
use pathvet::lab::{Counters, Lab};
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;

const PATHVET: &str = env!("CARGO_BIN_EXE_pathvet");

fn start(name: &str, family: Family) -> Lab {
    let topology = Topology::find(name).unwrap_or_else(|| panic!("no topology {name}"));
    Lab::start_with(Path::new(PATHVET), topology, family).unwrap_or_else(|error| panic!("{name} {family}: {error}"))
}

/// What the target of a topology is.
fn target(lab: &Lab) -> IpAddr {
    lab.target().expect("this topology has a target")
}

/// Whether the judge is there.
#[expect(clippy::print_stderr, reason = "a test that is skipped must say so")]
fn ping_is_missing() -> bool {
    let missing = Command::new("ping").arg("-V").output().is_err();
    if missing {
        eprintln!("SKIPPED: ping is missing (apt-get install iputils-ping)");
    }
    missing
}

/// Pings with DF and packets of an IP length, one after the other; gives how many answers came, and what ping said. An answer or
/// an error ends each wait, so the time is for a machine that is very busy.
fn ping(lab: &Lab, host: &str, to: IpAddr, length: usize, count: usize) -> (usize, String) {
    let answers = (0..count).map(|_| ping_with(lab, host, to, length, "-c 1 -W 20"));
    answers.fold((0, String::new()), |(received, said), (one, text)| (received + one, said + &text))
}

/// The same at once, where nothing is expected to come back.
fn silence(lab: &Lab, length: usize, count: usize) -> (usize, String) {
    ping_with(lab, "node1", target(lab), length, &format!("-c {count} -W 0.3"))
}

fn ping_with(lab: &Lab, host: &str, to: IpAddr, length: usize, limits: &str) -> (usize, String) {
    let headers = if to.is_ipv4() { 28 } else { 48 };
    let words = format!("ping -n {limits} -i 0.002 -M do -s {} {to}", length - headers);
    let output = lab.run(host, &words.split(' ').collect::<Vec<_>>()).expect("ping runs");
    let text = output.stdout + &output.stderr;
    let received = text.split(", ").find_map(|part| part.strip_suffix(" received")?.parse().ok());
    (received.unwrap_or_else(|| panic!("ping says: {text}")), text)
}

/// How many echo replies reached node1's kernel, those that came after ping had gone too.
fn echo_replies(lab: &Lab, family: Family) -> u64 {
    let read = |file| lab.run("node1", &["cat", file]).expect("cat runs").stdout;
    let found = match family {
        // A line of names, then one of numbers.
        Family::V4 => {
            let text = read("/proc/net/snmp");
            let mut rows = text.lines().filter_map(|line| line.strip_prefix("Icmp: ")).map(|line| line.split(' '));
            let names = rows.next().expect("names");
            names.zip(rows.next().expect("numbers")).find(|(name, _)| *name == "InEchoReps").map(|(_, value)| value.to_owned())
        }
        Family::V6 => {
            let text = read("/proc/net/snmp6");
            text.lines().find_map(|line| line.strip_prefix("Icmp6InEchoReplies")).map(|value| value.trim().to_owned())
        }
    };
    found.and_then(|value| value.parse().ok()).expect("the kernel counts echo replies")
}

/// Sends so many echo requests at once, and waits until the answers and what `gone` counts are as many again. Gives the answers.
fn burst(lab: &Lab, family: Family, length: usize, count: u64, gone: impl Fn() -> u64) -> u64 {
    let before = echo_replies(lab, family);
    ping_with(lab, "node1", target(lab), length, &format!("-c {count} -W 0.3"));
    let state = || (echo_replies(lab, family) - before, gone());
    let all = (0..5_000).map(|_| state()).find(|(answered, gone)| answered + gone == count);
    all.unwrap_or_else(|| panic!("of {count}: answers and losses {:?}", state())).0
}

fn counted(lab: &Lab, host: &str) -> [Counters; 2] {
    lab.counters(host).expect("the lab runs").expect("this host forwards")
}

#[test]
fn every_topology_is_built_and_every_link_is_up() {
    for topology in ALL {
        for family in Family::BOTH {
            let lab = start(topology.name, family);
            let names = lab.run("node1", &["ls", "/sys/class/net"]).expect("a host runs programs").stdout;
            let mut names: Vec<_> = names.split_whitespace().collect();
            names.sort_unstable();
            assert!(names.contains(&"eth0"), "{} {family}: {names:?}", topology.name);
            for name in names.iter().filter(|name| name.starts_with("eth")) {
                let state = lab.run("node1", &["cat", &format!("/sys/class/net/{name}/operstate")]).expect("cat runs").stdout;
                assert_eq!(state, "up\n", "{} {family}: {name}", topology.name);
            }
        }
    }
}

#[test]
fn hosts_have_names() {
    let lab = start("story", Family::V4);
    assert_eq!(lab.run("node2", &["uname", "-n"]).expect("uname runs").stdout, "node2\n");
    let hosts = lab.run("node1", &["cat", "/etc/hosts"]).expect("cat runs").stdout;
    assert!(hosts.contains("192.0.2.2 node2\n"), "{hosts}");
}

#[test]
fn every_cut_is_exact_to_the_byte() {
    if ping_is_missing() {
        return;
    }
    for (name, size) in [
        ("story", 9198),
        ("cut-9216", 9216),
        ("cut-peer-9600", 9198),
        ("cut-peer-9000", 9000),
        ("cut-peer-1500", 1500),
        ("router-mute", 1500),
        ("reverse-silent", 1500),
        ("ipoib-cut", 2044),
        ("delay", 9198),
    ] {
        for family in Family::BOTH {
            let lab = start(name, family);
            assert_eq!(ping(&lab, "node1", target(&lab), size, 3).0, 3, "{name} {family}: {size} passes");
            let (received, text) = silence(&lab, size + 1, 3);
            assert_eq!(received, 0, "{name} {family}: {} is cut", size + 1);
            assert!(!text.contains("From"), "{name} {family}: silently: {text}");
        }
    }
}

#[test]
fn what_is_clean_carries_the_whole_interface_mtu() {
    if ping_is_missing() {
        return;
    }
    for (name, size) in [
        ("clean", 9000),
        ("clean-1500", 1500),
        ("wrong-interface", 1500),
        ("bridge-tap", 1500),
        ("reverse-known", 9000),
        ("ipoib-clean", 65520),
        ("farm", 9000),
        ("onlink-2000", 9000),
        ("twins", 9000),
    ] {
        for family in Family::BOTH {
            let lab = start(name, family);
            assert_eq!(ping(&lab, "node1", target(&lab), size, 3).0, 3, "{name} {family}");
        }
    }
}

#[test]
fn routers_answer_what_their_topology_says() {
    if ping_is_missing() {
        return;
    }
    for (name, [from4, from6], mtu) in [
        ("router", ["192.0.2.254", "2001:db8::fe"], 1500),
        ("router-honest", ["192.0.2.254", "2001:db8::fe"], 1500),
        ("router-slow", ["192.0.2.254", "2001:db8::fe"], 1500),
        ("liar-zero", ["192.0.2.254", "2001:db8::fe"], 0),
        ("liar-larger", ["192.0.2.254", "2001:db8::fe"], 12_000),
        ("liar-68", ["192.0.2.254", "2001:db8::fe"], 68),
        ("liar-stranger", ["203.0.113.254", "2001:db8:71:f::e"], 1500),
        ("overlay", ["192.0.2.2", "2001:db8::2"], 8950),
        ("proxy-arp", ["192.0.2.254", "2001:db8::fe"], 1500),
    ] {
        for family in Family::BOTH {
            let lab = start(name, family);
            let passes = if name == "overlay" { 8950 } else { 1500 };
            assert_eq!(ping(&lab, "node1", target(&lab), passes, 2).0, 2, "{name} {family}: {passes} passes");
            let (received, text) = ping(&lab, "node1", target(&lab), 9000, 1);
            assert_eq!(received, 0, "{name} {family}");
            let line = match family {
                Family::V4 => format!("From {from4} icmp_seq=1 Frag needed and DF set (mtu = {mtu})"),
                Family::V6 => format!("From {from6} icmp_seq=1 Packet too big: mtu={mtu}"),
            };
            assert!(text.contains(&line), "{name} {family}: {text}");
        }
    }
}

#[test]
fn a_slow_router_answers_the_first_of_a_burst() {
    if ping_is_missing() {
        return;
    }
    let lab = start("router-slow", Family::V4);
    assert_eq!(ping(&lab, "node1", target(&lab), 100, 1).0, 1, "the next hop is known");
    // Without a pause: what leaves before the router's word is back goes out.
    let to = target(&lab).to_string();
    let words = ["ping", "-n", "-c", "8", "-l", "8", "-W", "0.3", "-M", "do", "-s", "8972", &to];
    lab.run("node1", &words).expect("ping runs");
    let [forward, _] = counted(&lab, "box");
    assert!(forward.too_big >= 1);
    assert_eq!(forward.answers, 1, "{forward:?}");
}

#[test]
fn every_lost_packet_was_lost_by_the_rule() {
    if ping_is_missing() {
        return;
    }
    for (percent, family) in [(5, Family::V4), (20, Family::V6), (40, Family::V4)] {
        let lab = start(&format!("loss-{percent}"), family);
        let sent: u32 = 400;
        // Nothing else loses packets.
        let lost = || counted(&lab, "sw1").iter().map(|counters| counters.lost).sum();
        let received = burst(&lab, family, 1000, sent.into(), lost);
        // Six standard deviations of the answers that both ways let through.
        let both_pass = (1.0 - f64::from(percent) / 100.0).powi(2);
        let spread = 6.0 * (f64::from(sent) * both_pass * (1.0 - both_pass)).sqrt();
        let answers = f64::from(u32::try_from(received).expect("a small number"));
        assert!((answers - f64::from(sent) * both_pass).abs() < spread, "{percent} %: {received} of {sent}");
    }
}

#[test]
fn one_run_can_vet_many_addresses_behind_a_lossy_path() {
    if ping_is_missing() {
        return;
    }
    for family in Family::BOTH {
        let lab = start("loss-5", family);
        let addresses = targets("loss-5", family, 200);
        assert_eq!(addresses.len(), 200);
        for address in [addresses[1], addresses[199]] {
            assert!(ping_with(&lab, "node1", address, 100, "-c 1 -w 20").0 > 0, "{address}");
        }
    }
}

#[test]
fn special_topologies_hold_the_addresses_that_they_list() {
    if ping_is_missing() {
        return;
    }
    for (name, count) in [("farm", 10_000), ("onlink-2000", 2_000)] {
        for family in Family::BOTH {
            let lab = start(name, family);
            let addresses = targets(name, family, count);
            for address in [addresses[0], addresses[addresses.len() / 2], addresses[addresses.len() - 1]] {
                assert_eq!(ping(&lab, "node1", address, 9000, 1).0, 1, "{name} {address}");
            }
        }
    }
}

#[test]
fn policers_drop_what_their_counters_say() {
    if ping_is_missing() {
        return;
    }
    for (name, length) in [("policer-packets", 100), ("policer-bytes", 9000)] {
        let lab = start(name, Family::V4);
        burst(&lab, Family::V4, length, 100, || counted(&lab, "sw1")[0].policed);
        let [forward, reverse] = counted(&lab, "sw1");
        assert!(forward.policed > 0, "{name}: {forward:?}");
        assert_eq!(reverse.policed, 0, "{name}");
    }
}

#[test]
fn filters_drop_their_packets_and_no_others() {
    if ping_is_missing() {
        return;
    }
    for family in Family::BOTH {
        let connect = |lab: &Lab| {
            let words = format!("exec 3<>/dev/tcp/{}/22", target(lab));
            lab.run("node1", &["bash", "-c", &words]).expect("bash runs").status.success()
        };
        let lab = start("echo-filtered", family);
        assert_eq!(silence(&lab, 100, 2).0, 0);
        assert_eq!(counted(&lab, "sw1")[0].filtered, 2);
        assert!(connect(&lab), "TCP passes");

        let lab = start("icmp-large-filtered", family);
        let limit = if family == Family::V4 { 1024 } else { 1280 };
        assert_eq!(ping(&lab, "node1", target(&lab), limit, 2).0, 2);
        assert_eq!(silence(&lab, limit + 1, 2).0, 0);
        assert!(connect(&lab), "TCP passes");

        let lab = start("mute", family);
        assert_eq!(silence(&lab, 100, 2).0, 0);
        assert_eq!(counted(&lab, "sw1")[0].filtered, 2, "the neighbour was resolved, so both were sent");
    }
}

#[test]
fn the_cache_is_stale_and_the_path_is_not() {
    if ping_is_missing() {
        return;
    }
    for family in Family::BOTH {
        let lab = start("stale-cache", family);
        let (received, text) = ping(&lab, "node1", target(&lab), 9000, 1);
        assert_eq!(received, 0);
        assert!(text.contains("too long, mtu"), "refused here: {text}");
        let node1 = if family == Family::V4 { "192.0.2.1" } else { "2001:db8::1" };
        assert_eq!(ping(&lab, "node2", node1.parse().expect("an address"), 9000, 1).0, 1, "the box carries everything");
        assert_eq!(counted(&lab, "box")[0].answers, 1);
    }
}

#[test]
fn both_machines_answer_for_their_address() {
    let lab = start("twins", Family::V4);
    let address = |host: &str| lab.run(host, &["cat", "/sys/class/net/eth0/address"]).expect("cat runs").stdout;
    assert_ne!(address("node2"), address("node3"));
}

#[test]
fn rules_can_change_while_the_network_runs() {
    if ping_is_missing() {
        return;
    }
    let lab = start("story", Family::V4);
    assert_eq!(silence(&lab, 9600, 1).0, 0);
    let open = pathvet::lab::network::Rules::default();
    lab.change("sw1", open.clone(), open).expect("the lab runs");
    assert_eq!(ping(&lab, "node1", target(&lab), 9600, 1).0, 1);
}

#[test]
fn the_same_seed_loses_the_same_packets() {
    if ping_is_missing() {
        return;
    }
    let answers = |seed| {
        let mut scene: Scene = Topology::find("loss-20").expect("it exists").scene(Family::V4);
        scene.network.seed = seed;
        let lab = Lab::build(Path::new(PATHVET), scene).expect("it is built");
        // Until 60 are answered, however many that takes.
        let (_, text) = ping_with(&lab, "node1", target(&lab), 100, "-c 60 -w 60");
        let numbers = text.split("icmp_seq=").skip(1).filter_map(|part| part.split(' ').next()?.parse().ok());
        numbers.take(60).collect::<Vec<u16>>()
    };
    assert_eq!(answers(7), answers(7));
    assert_ne!(answers(7), answers(8));
}

#[test]
fn flows_spread_over_equal_cost_paths() {
    for family in Family::BOTH {
        let lab = start("ecmp", family);
        let words = format!("for port in {{40001..40064}}; do echo x > /dev/udp/{}/$port; done", target(&lab));
        assert!(lab.run("node1", &["bash", "-c", &words]).expect("bash runs").status.success());
        // On a busy machine the way's next hop may still be asked for; the flows wait for that in its queue.
        let packets = |_| Some(counted(&lab, "box")[0]).filter(|forward| forward.packets > 0);
        let forward = (0..20_000).find_map(packets).unwrap_or_default();
        // One of four ways. That none or all of 64 flows take it has a chance below 1 in 10 million.
        assert!((1..64).contains(&forward.packets), "{family}: {forward:?}");
    }
}

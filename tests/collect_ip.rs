//! What the collectors say, against what iproute2 says, in a network namespace made for it.
#![expect(clippy::print_stdout, reason = "a test says what it skipped and how much it compared")]

use pathvet::collect::{self, RouteQuery, Routing};
use pathvet::host::ThisHost;
use pathvet_checks::evidence::{Host, Link, Neighbour, Route};
use rustix::net::sockopt::{self, Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, UdpSocket};
use std::process::{Child, Command, Stdio};

/// Runs the named test of this file again, in a user and network namespace of its own. `None`: this is that run.
fn in_namespace(test: &str) -> Option<()> {
    if std::env::var_os("PATHVET_TEST_NAMESPACE").is_some() {
        return None;
    }
    for tool in ["/usr/bin/unshare", "/sbin/ip"] {
        if !std::path::Path::new(tool).exists() {
            skip(&format!("{tool} is not installed"));
            return Some(());
        }
    }
    let ns = |args: &[&str]| {
        let mut command = Command::new("/usr/bin/unshare");
        command.args(args).arg(std::env::current_exe().expect("this test"));
        command
            .args(["--exact", test, "--nocapture", "--test-threads=1"])
            .env("PATHVET_TEST_NAMESPACE", "1")
            .env_remove("RUST_BACKTRACE");
        command.output().expect("unshare runs")
    };
    let output = ns(&["--user", "--map-root-user", "--net", "--mount"]);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if err.contains("unshare failed") {
        skip(err.trim());
        return Some(());
    }
    println!("{}", out.lines().filter(|line| line.contains("compared")).collect::<Vec<_>>().join("\n"));
    assert!(output.status.success() && out.contains("1 passed"), "{out}{err}");
    Some(())
}

fn skip(why: &str) {
    println!("SKIPPED: {why}");
    assert!(std::env::var_os("CI").is_none(), "SKIPPED in CI: {why}");
}

fn ip(args: &str) -> String {
    let output = Command::new("/sbin/ip").args(args.split_whitespace()).output().expect("ip runs");
    assert!(output.status.success(), "ip {args}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn json(args: &str) -> Vec<Value> {
    let text = ip(args);
    if text.trim().is_empty() { Vec::new() } else { serde_json::from_str(&text).expect("JSON") }
}

/// A shell that holds another network namespace, killed when dropped.
struct Far(Child, BufReader<std::process::ChildStdout>);

impl Far {
    fn new() -> Self {
        let mut command = Command::new("/usr/bin/unshare");
        command.args(["--net", "/bin/sh", "-c", "echo up; while read line; do $line && echo ok; done"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("unshare runs");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let mut far = Self(child, output);
        assert_eq!(far.line(), "up");
        far
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.1.read_line(&mut line).expect("a line");
        line.trim().to_owned()
    }

    fn run(&mut self, command: &str) {
        writeln!(self.0.stdin.as_mut().expect("piped"), "{command}").expect("written");
        assert_eq!(self.line(), "ok", "{command}");
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn now() -> jiff::Timestamp {
    jiff::Timestamp::UNIX_EPOCH
}

/// Compares one value, where `ip` prints one.
fn same(counts: &mut usize, what: &str, ours: &Value, theirs: Option<&Value>) {
    if let Some(theirs) = theirs {
        assert_eq!(ours, theirs, "{what}");
        *counts += 1;
    }
}

fn compare_link(counts: &mut usize, link: &Link, theirs: &Value) {
    let name = &link.ifname;
    let ours = serde_json::to_value(link).expect("JSON");
    for key in ["ifindex", "mtu", "min_mtu", "link_type", "address", "master", "link_netnsid"] {
        same(counts, &format!("{name} {key}"), &ours[key], theirs.get(key));
    }
    let theirs_max = theirs["max_mtu"].as_u64().filter(|&mtu| mtu != 0);
    assert_eq!(link.max_mtu.map(u64::from), theirs_max, "{name} max_mtu");
    assert_eq!(link.operstate.as_deref(), theirs["operstate"].as_str().map(str::to_lowercase).as_deref(), "{name} operstate");
    let flags: Vec<&str> = theirs["flags"].as_array().expect("flags").iter().filter_map(Value::as_str).collect();
    // Worked out by ip from the lower device, not a flag of this one.
    let flags: Vec<&str> = flags.into_iter().filter(|&flag| flag != "M-DOWN").collect();
    assert_eq!(link.flags, flags, "{name} flags");
    let below = theirs.get("link").and_then(Value::as_str).map(str::to_owned);
    let below = below.or_else(|| theirs.get("link_index").map(|index| format!("@{index}")));
    assert_eq!(link.link, below, "{name} link");
    *counts += 4;

    let info = link.linkinfo.clone().unwrap_or_default();
    let their_info = &theirs["linkinfo"];
    assert_eq!(info.info_kind.as_deref(), their_info["info_kind"].as_str(), "{name} info_kind");
    assert_eq!(info.info_slave_kind.as_deref(), their_info["info_slave_kind"].as_str(), "{name} info_slave_kind");
    for (data, part) in [(&info.info_data, "info_data"), (&info.info_slave_data, "info_slave_data")] {
        let their_data = their_info.get(part).and_then(Value::as_object).cloned().unwrap_or_default();
        for (key, value) in data {
            assert_eq!(Some(value), their_data.get(key), "{name} {part} {key}: ip says {their_data:?}");
            *counts += 1;
        }
        assert!(!data.is_empty() || their_data.is_empty(), "{name}: nothing of {part} {their_data:?}");
    }
}

fn compare_addresses(counts: &mut usize, host: &Host) {
    for theirs in json("-j addr") {
        let link = host.link(theirs["ifname"].as_str().expect("name")).expect("the same links");
        let their_list: Vec<(String, String, u64)> = theirs["addr_info"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|one| one.get("local").is_some())
            .map(|one| {
                let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
                (text("family"), text("local"), one["prefixlen"].as_u64().expect("length"))
            })
            .collect();
        let ours: Vec<(String, String, u64)> =
            link.addresses.iter().map(|one| (one.family.clone(), one.local.to_string(), one.prefixlen.into())).collect();
        assert_eq!(ours, their_list, "{}", link.ifname);
        *counts += ours.len();
    }
}

/// A route as both sides can say it. `ip` leaves out what is usual, and a full prefix length.
fn our_route(route: &Route, tables: &BTreeMap<&str, u32>) -> BTreeMap<String, String> {
    let mut map = BTreeMap::new();
    let mut put = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            map.insert(key.to_owned(), value);
        }
    };
    let full = if route.family == 4 { "/32" } else { "/128" };
    put("dst", Some(route.dst.strip_suffix(full).unwrap_or(&route.dst).to_owned()));
    put("type", Some(route.kind.clone()));
    put("table", Some(route.table.to_string()));
    put("dev", route.dev.clone());
    put("gateway", route.gateway.map(|ip| ip.to_string()));
    put("prefsrc", route.prefsrc.map(|ip| ip.to_string()));
    put("protocol", route.protocol.clone());
    put("metric", route.metric.map(|metric| metric.to_string()));
    put("mtu", route.mtu.map(|mtu| mtu.to_string()));
    put("advmss", route.advmss.map(|mss| mss.to_string()));
    put("nexthops", Some(route.nexthops).filter(|&count| count > 0).map(|count| count.to_string()));
    put("scope", route.scope.clone());
    assert!(tables.len() > 2);
    map
}

fn their_route(route: &Value, tables: &BTreeMap<&str, u32>) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut map = BTreeMap::from([("type".to_owned(), "unicast".to_owned()), ("table".to_owned(), "254".to_owned())]);
    for key in ["type", "dst", "dev", "gateway", "prefsrc", "protocol", "metric", "scope"] {
        if let Some(value) = route.get(key) {
            map.insert(key.into(), text(value));
        }
    }
    if let Some(table) = route.get("table").map(text) {
        map.insert("table".into(), tables.get(table.as_str()).map_or(table.clone(), u32::to_string));
    }
    if let Some(via) = route.get("via") {
        map.insert("gateway".into(), text(&via["host"]));
    }
    for metric in route["metrics"].as_array().into_iter().flatten() {
        for key in ["mtu", "advmss"] {
            if let Some(value) = metric.get(key) {
                map.insert(key.into(), text(value));
            }
        }
    }
    if let Some(hops) = route["nexthops"].as_array() {
        map.insert("nexthops".into(), hops.len().to_string());
        for key in ["gateway", "dev"] {
            if let Some(value) = hops[0].get(key) {
                map.insert(key.into(), text(value));
            }
        }
    }
    map
}

fn compare_routes(counts: &mut usize, host: &Host) {
    let tables = BTreeMap::from([("default", 253), ("main", 254), ("local", 255)]);
    for (family, flag) in [(4, "-4"), (6, "-6")] {
        let ours: Vec<_> = host.routes.iter().flatten().filter(|route| route.family == family).collect();
        let mut ours: Vec<_> = ours.into_iter().map(|route| our_route(route, &tables)).collect();
        let mut theirs: Vec<_> =
            json(&format!("{flag} -d -j route show table all")).iter().map(|route| their_route(route, &tables)).collect();
        ours.sort();
        theirs.sort();
        assert_eq!(ours, theirs, "IPv{family}");
        *counts += ours.iter().map(BTreeMap::len).sum::<usize>();
    }
}

fn compare_neighbours(counts: &mut usize, host: &Host) {
    let mut theirs: Vec<Neighbour> = json("-j neigh show")
        .iter()
        .map(|entry| Neighbour {
            dst: entry["dst"].as_str().expect("dst").parse().expect("ip"),
            dev: entry["dev"].as_str().expect("dev").to_owned(),
            lladdr: entry["lladdr"].as_str().map(str::to_owned),
            state: entry["state"][0].as_str().expect("state").to_lowercase(),
            router: entry.get("router").is_some(),
        })
        .collect();
    theirs.sort();
    assert!(theirs.len() >= 4, "{theirs:?}");
    assert_eq!(host.neighbours.as_deref(), Some(&theirs[..]));
    *counts += theirs.len() * 5;
}

fn build() -> Far {
    let far = Far::new();
    for command in [
        "link set lo up",
        "link add v0 type veth peer name v1",
        "link add br0 type bridge stp_state 1 forward_delay 200",
        "link set v0 master br0 mtu 9000",
        "link set v0 up",
        "link set v1 up mtu 9000",
        "link set br0 up",
        "link add vx4 type vxlan id 5 dstport 4789 local 192.0.2.1 remote 192.0.2.2 dev v1 ttl 3 tos 0x10 df set",
        "link add vx4g type vxlan id 6 dstport 8472 group 239.1.1.1 dev v1 nolearning srcport 1000 2000",
        "link add vx6 type vxlan id 7 dstport 4789 local 2001:db8::1 remote 2001:db8::2 udp6zerocsumtx",
        "link add mv0 link v1 type macvlan mode bridge",
        "link add mv1 link v1 type macvlan mode private",
        "tuntap add tap0 mode tap",
        "tuntap add tun0 mode tun multi_queue",
        "link set tap0 master br0",
        "link add alone type ifb",
        "addr add 192.0.2.1/24 dev v1",
        "addr add 198.51.100.1 peer 198.51.100.2 dev v1",
        "addr add 2001:db8::1/64 dev v1 nodad",
        "addr add 10.9.0.1/16 dev br0 label br0:x",
        "route add default via 192.0.2.254 metric 50",
        "route add 203.0.113.0/24 via 192.0.2.253 mtu 1400 advmss 1300",
        "route add 203.0.113.7 via 192.0.2.253 mtu lock 1300",
        "route add 10.1.0.0/16 nexthop via 192.0.2.3 weight 1 nexthop via 192.0.2.4 weight 2",
        "route add 10.2.0.0/16 via inet6 2001:db8::9 dev v1",
        "route add blackhole 10.3.0.0/16",
        "route add unreachable 10.4.0.0/16",
        "route add prohibit 10.5.0.0/16",
        "route add throw 10.6.0.0/16",
        "route add 10.7.0.0/16 via 192.0.2.7 table 700 proto static",
        "route add 10.8.0.0/16 dev v1 scope link src 192.0.2.1 proto dhcp",
        "-6 route add default via 2001:db8::fe metric 10",
        "-6 route add 2001:db8:1::/48 via 2001:db8::9 mtu 1400",
        "-6 route add 2001:db8:2::/48 nexthop via 2001:db8::3 nexthop via 2001:db8::4",
        "-6 route add blackhole 2001:db8:3::/48",
        "-6 route add unreachable 2001:db8:4::/48",
        "-6 route add prohibit 2001:db8:5::/48",
        "-6 route add 2001:db8:7::/48 via 2001:db8::7 table 700",
        "rule add from 192.0.2.1 to 10.7.0.0/16 lookup 700 pref 100",
        "rule add fwmark 0x5/0xff lookup 700 pref 110",
        "rule add not fwmark 0/0x800 lookup 700 pref 115",
        "rule add to 10.0.0.0/8 lookup main suppress_prefixlength 0 pref 120",
        "rule add iif lo oif v1 tos 0x10 lookup 700 pref 130",
        "rule add uidrange 0-0 lookup 701 pref 140",
        "rule add ipproto tcp dport 443 lookup 700 pref 150",
        "rule add to 10.99.0.0/16 prohibit pref 160",
        "-6 rule add from 2001:db8::1 to 2001:db8:7::/48 lookup 700 pref 100",
        "neigh add 192.0.2.10 lladdr 02:00:00:00:00:10 nud permanent dev v1",
        "neigh add 192.0.2.11 lladdr 02:00:00:00:00:11 nud stale dev v1",
        "neigh add 192.0.2.12 lladdr 02:00:00:00:00:12 nud reachable dev v1",
        "neigh add 192.0.2.13 nud failed dev v1",
        "neigh add 2001:db8::10 lladdr 02:00:00:00:00:10 nud permanent router dev v1",
        "neigh add 192.0.2.14 lladdr 02:00:00:00:00:14 nud noarp dev v1",
    ] {
        ip(command);
    }
    ip(&format!("link add here type veth peer name there netns {}", far.0.id()));
    far
}

#[test]
fn every_fact_equals_what_ip_says() {
    if in_namespace("every_fact_equals_what_ip_says").is_some() {
        return;
    }
    let _far = build();
    let host = collect::host(&ThisHost, now());
    let links = host.links.as_deref().expect("links");
    let theirs = json("-d -j link");
    assert_eq!(links.len(), theirs.len());
    let mut counts = 0;
    for theirs in &theirs {
        let link = host.link(theirs["ifname"].as_str().expect("name")).expect("the same links");
        compare_link(&mut counts, link, theirs);
    }
    compare_addresses(&mut counts, &host);
    compare_routes(&mut counts, &host);
    compare_neighbours(&mut counts, &host);
    let v1 = host.link("v1").expect("v1");
    assert_eq!((v1.speed_mbps, v1.duplex.as_deref(), v1.carrier), (Some(10_000), Some("full"), Some(true)));
    println!("{counts} values compared, gaps: {:?}", host.gaps);
    assert!(counts > 500, "{counts}");
}

/// The answer of `ip route get` to the same question, `None` where it has an error.
fn route_get(question: &str, fib: bool) -> Option<Value> {
    let mut args: Vec<&str> = vec!["-j", "-d", "route", "get"];
    if fib {
        args.push("fibmatch");
    }
    args.extend(question.split_whitespace());
    let output = Command::new("/sbin/ip").args(&args).output().expect("ip runs");
    output.status.success().then(|| serde_json::from_slice::<Vec<Value>>(&output.stdout).expect("JSON").swap_remove(0))
}

#[test]
fn the_route_used_is_the_kernels() {
    if in_namespace("the_route_used_is_the_kernels").is_some() {
        return;
    }
    let _far = build();
    let host = collect::host(&ThisHost, now());
    let links = host.links.as_deref().expect("links");
    let (routing, gaps) = Routing::new(&ThisHost, links);
    assert!(gaps.is_empty(), "{gaps:?}");
    let v1 = routing.ifindex("v1").expect("v1");
    let rules4: Vec<String> = ip("rule").lines().map(|line| line.replace('\t', " ").trim().to_owned()).collect();
    let rules6: Vec<String> = ip("-6 rule").lines().map(|line| line.replace('\t', " ").trim().to_owned()).collect();

    let to = |dst: &str| RouteQuery::to(dst.parse().expect("ip"));
    let source = |dst: &str, source: &str| RouteQuery { source: Some(source.parse().expect("ip")), ..to(dst) };
    let cases = [
        (to("192.0.2.77"), "unicast", 32766),
        (to("8.8.8.8"), "unicast", 32766),
        (to("203.0.113.5"), "unicast", 32766),
        (to("203.0.113.7"), "unicast", 32766),
        (to("10.1.2.3"), "unicast", 120),
        (to("10.2.2.3"), "unicast", 120),
        (to("10.3.2.3"), "blackhole", 0),
        (to("10.4.2.3"), "unreachable", 0),
        (to("10.5.2.3"), "prohibit", 0),
        (to("10.99.2.3"), "prohibit", 0),
        (source("10.7.1.1", "192.0.2.1"), "unicast", 100),
        (RouteQuery { mark: 0x105, ..to("10.7.1.1") }, "unicast", 110),
        (RouteQuery { mark: 0x800, ..to("10.7.1.1") }, "unicast", 115),
        (RouteQuery { tos: 0x10, oif: Some(v1), ..to("10.7.1.1") }, "unicast", 130),
        (to("10.7.1.1"), "unicast", 32766),
        (to("192.0.2.1"), "local", 0),
        (to("127.0.0.5"), "local", 0),
        (to("192.0.2.255"), "broadcast", 0),
        (to("2001:db8::77"), "unicast", 32766),
        (to("2001:db9::77"), "unicast", 32766),
        (to("2001:db8:1::1"), "unicast", 32766),
        (to("2001:db8:2::1"), "unicast", 32766),
        (to("2001:db8:3::1"), "blackhole", 0),
        (to("2001:db8:4::1"), "unreachable", 0),
        (to("2001:db8:5::1"), "prohibit", 0),
        (source("2001:db8:7::1", "2001:db8::1"), "unicast", 100),
        (to("::1"), "local", 0),
        (to("2001:db8::1"), "local", 0),
    ];
    let queries: Vec<RouteQuery> = cases.iter().map(|case| case.0).collect();
    let answers = collect::routes_used(&ThisHost, &routing, &queries);
    let mut compared = 0;
    for ((query, kind, rule), answer) in cases.iter().zip(answers) {
        let used = answer.unwrap_or_else(|gap| panic!("{query:?}: {gap:?}"));
        assert_eq!(used.kind, *kind, "{query:?}: {used:?}");
        if let Some(text) = &used.rule {
            let rules = if query.dst.is_ipv4() { &rules4 } else { &rules6 };
            assert!(rules.contains(text), "{text:?} is not in {rules:?}");
            assert!(text.starts_with(&format!("{rule}:")), "{query:?}: {text}");
        } else {
            assert!(used.dev.is_none(), "{query:?}: {used:?}");
        }
        let mut question = query.dst.to_string();
        if let Some(source) = query.source {
            let _ = write!(question, " from {source}");
        }
        if query.oif.is_some() {
            question.push_str(" oif v1");
        }
        if query.mark != 0 {
            let _ = write!(question, " mark {}", query.mark);
        }
        if query.tos != 0 {
            let _ = write!(question, " tos {:#x}", query.tos);
        }
        let Some(theirs) = route_get(&question, false) else { continue };
        let fib = route_get(&question, true).expect("the entry");
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let gateway = text(&theirs["gateway"]).or_else(|| text(&theirs["via"]["host"]));
        assert_eq!(used.dev, text(&theirs["dev"]), "{question}");
        assert_eq!(used.gateway.map(|ip| ip.to_string()), gateway, "{question}");
        let source = text(&theirs["prefsrc"]).or_else(|| text(&theirs["from"])).or(query.source.map(|ip| ip.to_string()));
        assert_eq!(used.source.map(|ip| ip.to_string()), source, "{question}");
        let dst = used.dst.clone().expect("the entry");
        let full = if query.dst.is_ipv4() { "/32" } else { "/128" };
        assert_eq!(Some(dst.strip_suffix(full).unwrap_or(&dst).to_owned()), text(&fib["dst"]), "{question}");
        let metric = |key: &str| fib["metrics"].as_array().and_then(|list| list.iter().find_map(|one| one[key].as_u64()));
        assert_eq!(used.mtu.map(u64::from), metric("mtu"), "{question}");
        assert_eq!(used.advmss.map(u64::from), metric("advmss"), "{question}");
        let hops = fib["nexthops"].as_array().map_or(0, Vec::len);
        assert_eq!(usize::try_from(used.nexthops).expect("small"), hops, "{question}");
        compared += 7;
    }
    let locked = collect::route_used(&ThisHost, &routing, to("203.0.113.7")).expect("a route");
    assert_eq!((locked.mtu, locked.mtu_locked, locked.cached_mtu), (Some(1300), true, None));
    let stranger = collect::route_used(&ThisHost, &routing, source("8.8.8.8", "9.9.9.9")).expect_err("not ours");
    assert!(stranger.detail.contains("9.9.9.9 is not an address of this host"), "{stranger:?}");
    let missing = collect::route_used(&ThisHost, &routing, RouteQuery { oif: Some(4_000_000), ..to("8.8.8.8") });
    assert!(missing.is_err() || missing.is_ok_and(|used| used.kind == "none"));
    println!("{compared} values compared");
}

/// Sends datagrams that may not be fragmented until the router beyond has said that they are too big: `EMSGSIZE`.
fn learn_path_mtu(source: &str, target: &str) {
    let socket = UdpSocket::bind((source, 0)).expect("a socket");
    if source.contains(':') {
        sockopt::set_ipv6_mtu_discover(&socket, Ipv6PathMtuDiscovery::DO).expect("an option");
    } else {
        sockopt::set_ip_mtu_discover(&socket, Ipv4PathMtuDiscovery::DO).expect("an option");
    }
    socket.connect((target, 9)).expect("a route");
    for _ in 0..10_000 {
        match socket.send(&[0; 3000]) {
            Err(error) if error.raw_os_error() == Some(libc::EMSGSIZE) => return,
            _ => std::thread::yield_now(),
        }
    }
    panic!("no router said that 3000 bytes to {target} are too big");
}

#[test]
fn a_cached_path_mtu_is_seen_with_its_age() {
    if in_namespace("a_cached_path_mtu_is_seen_with_its_age").is_some() {
        return;
    }
    let mut far = Far::new();
    ip("link set lo up");
    ip(&format!("link add here mtu 9000 type veth peer name there mtu 9000 netns {}", far.0.id()));
    ip("link set here up");
    ip("addr add 192.0.2.1/24 dev here");
    ip("addr add 2001:db8::1/64 dev here nodad");
    far.run("mount -t sysfs sysfs /sys");
    for command in [
        "ip link set lo up",
        "ip link set there up",
        "ip addr add 192.0.2.2/24 dev there",
        "ip addr add 2001:db8::2/64 dev there nodad",
        "ip link add narrow mtu 1400 type veth peer name end",
        "ip link set narrow up",
        "ip link set end up",
        "ip addr add 203.0.113.1/24 dev narrow",
        "ip addr add 2001:db8:9::1/64 dev narrow nodad",
        "ip neigh add 203.0.113.9 lladdr 02:00:00:00:00:09 dev narrow",
        "ip neigh add 2001:db8:9::9 lladdr 02:00:00:00:00:09 dev narrow",
        "sysctl -q -w net.ipv4.ip_forward=1",
        "sysctl -q -w net.ipv6.conf.all.forwarding=1",
    ] {
        far.run(command);
    }
    ip("route add 203.0.113.0/24 via 192.0.2.2");
    ip("-6 route add 2001:db8:9::/64 via 2001:db8::2");
    let (links, _) = collect::links(&ThisHost);
    let (routing, _) = Routing::new(&ThisHost, &links.expect("links"));
    for (source, target) in [("192.0.2.1", "203.0.113.9"), ("2001:db8::1", "2001:db8:9::9")] {
        let query = RouteQuery::to(target.parse::<IpAddr>().expect("ip"));
        let before = collect::route_used(&ThisHost, &routing, query).expect("a route");
        assert_eq!((before.cached_mtu, before.cache_expires_s), (None, None), "{target}");
        learn_path_mtu(source, target);
        let after = collect::route_used(&ThisHost, &routing, query).expect("a route");
        assert_eq!((after.cached_mtu, after.mtu, after.mtu_locked), (Some(1400), None, false), "{target}: {after:?}");
        let left = after.cache_expires_s.expect("an end");
        assert!((590..=600).contains(&left), "{left} s of mtu_expires, 600 s");
        assert_eq!(after.dst, before.dst, "the entry is still the table's");
        println!("{target}: 1400 cached for {left} s, compared");
    }
    let host = collect::host(&ThisHost, now());
    assert!(!host.routes.expect("routes").iter().any(|route| route.dst.starts_with("203.0.113.9")), "clones are no routes");
}

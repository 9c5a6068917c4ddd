//! Writes a first plan from what this host is set to.

use super::{SCHEMA, contains, mask};
use pathvet_checks::evidence::{Host, Link};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::IpAddr;

/// Most neighbours of one network that become hosts of the plan.
const MOST_HOSTS: usize = 4;

/// A subnet that this host is in.
struct Segment<'h> {
    name: String,
    subnet: (IpAddr, u8),
    link: &'h Link,
    neighbours: Vec<IpAddr>,
}

/// A commented plan of the networks that `host` is in, with the neighbours that it knows as targets. It lints clean.
#[must_use]
pub fn plan(host: &Host) -> String {
    let segments = segments(host);
    let mut text = format!(
        "# A plan for pathvet: which paths are vetted, and what is expected of them.\n\
         # Made from the settings of {}. Edit it, then:  pathvet plan lint FILE  and  pathvet check -f FILE\n\
         schema: {SCHEMA}\n",
        one_line(&host.name)
    );
    let used: Vec<_> = segments.iter().filter(|segment| !segment.neighbours.is_empty()).collect();

    text.push_str("\n# The machines at the far ends. `address` fixes which address is probed; without it the name is resolved.\n");
    text.push_str("# A machine whose evidence you have can be named too:  hv3: { evidence: hv3.json }\n");
    if used.is_empty() {
        text.push_str("hosts: {}\n#  node2: { address: 192.0.2.2 }\n");
    } else {
        text.push_str("hosts:\n");
        for (segment, index, address) in targets(&used) {
            let name = host_name(segment, index);
            let _ = writeln!(text, "  {name}: {{ address: \"{address}\" }}");
        }
    }

    text.push_str("\n# The networks. `mtu` is the expected path MTU: the size of the IP packet. Other ways of counting are said with a unit:\n");
    text.push_str("# 9014eth (with header), 9018frame (header and FCS), 9022tagged, 8972ping, jumbo9014 (the Windows setting).\n");
    text.push_str(if used.is_empty() { "networks: {}\n" } else { "networks:\n" });
    for segment in &segments {
        let comment = if segment.neighbours.is_empty() { "#  " } else { "  " };
        let (address, prefix) = segment.subnet;
        let link = segment.link;
        let ifname = one_line(&link.ifname);
        let _ =
            writeln!(text, "{comment}{}: {{ subnet: \"{address}/{prefix}\", mtu: {} }}   # {ifname}", segment.name, unit(link.mtu));
    }

    text.push_str(
        "\n# The paths. `local` is this host. Between several hosts:  { network: NAME, mesh: [node1, node2] }  or  ring: [...]\n",
    );
    if used.is_empty() {
        text.push_str("paths: []\n#  - { network: NAME, from: local, to: [node2] }\n");
    } else {
        text.push_str("paths:\n");
        for segment in &used {
            let count = segment.neighbours.len().min(MOST_HOSTS);
            let names: Vec<_> = (0..count).map(|index| host_name(segment, index)).collect();
            let _ = writeln!(text, "  - {{ network: {}, from: local, to: [{}] }}", segment.name, names.join(", "));
        }
    }

    text.push_str(
        "\n# What is expected of every path, where its network or host says nothing else.\n\
         #expect: { mtu: 1500, loss: 1% }\n\
         \n# How fast probes may be sent, a second over all paths, and with which DSCP values.\n\
         #limits: { rate: 2000, dscp: [0] }\n\
         \n# A FAIL of that check counts as WARN.\n\
         #severity: { link-mtu: warn }\n\
         \n# Findings that somebody accepts until a day.\n\
         #waivers:\n\
         #  - { check: link-mtu, subject: \"node1:eth0\", owner: ops, reason: \"old switch\", until: 2027-01-31 }\n",
    );
    text
}

/// The subnets of the interfaces that are up, without loopback and link-local ones, each once.
fn segments(host: &Host) -> Vec<Segment<'_>> {
    let mut names = BTreeMap::<String, u32>::new();
    let mut subnets = BTreeSet::new();
    let mut segments = Vec::new();
    let gateways: BTreeSet<_> = host.routes.iter().flatten().filter_map(|route| route.gateway).collect();
    for link in host.links.iter().flatten().filter(|link| link.is_up() && !link.is_loopback()) {
        for address in &link.addresses {
            let bits = if address.local.is_ipv4() { 32 } else { 128 };
            let subnet = (mask(address.local, address.prefixlen.min(bits)), address.prefixlen.min(bits));
            if address.prefixlen >= bits || is_link_local(address.local) || !subnets.insert(subnet) {
                continue;
            }
            // The interface's MTU must be one that a plan may hold for this family.
            let least = if address.local.is_ipv4() { 68 } else { 1280 };
            if !(least..=65_535).contains(&link.mtu) {
                continue;
            }
            let base = plan_name(&link.ifname);
            let count = names.entry(base.clone()).or_default();
            *count += 1;
            let name = if *count == 1 { base } else { format!("{base}-{count}") };
            let mut neighbours: Vec<_> = host
                .neighbours
                .iter()
                .flatten()
                .filter(|neighbour| neighbour.dev == link.ifname && neighbour.lladdr.is_some())
                .map(|neighbour| neighbour.dst)
                .filter(|dst| contains(subnet, *dst) && !gateways.contains(dst))
                .collect();
            neighbours.sort();
            neighbours.dedup();
            segments.push(Segment { name, subnet, link, neighbours });
        }
    }
    segments
}

fn targets<'s, 'h>(segments: &'s [&'s Segment<'h>]) -> impl Iterator<Item = (&'s Segment<'h>, usize, IpAddr)> {
    segments.iter().flat_map(|segment| {
        segment.neighbours.iter().take(MOST_HOSTS).enumerate().map(|(index, address)| (*segment, index, *address))
    })
}

fn host_name(segment: &Segment<'_>, index: usize) -> String {
    format!("{}-peer{}", segment.name, index + 1)
}

/// An MTU that is set on an interface is meant, whatever it looks like; the usual slips are written with the unit that means it.
fn unit(mtu: u32) -> String {
    if pathvet_checks::size::lint(mtu).is_some() { format!("{}frame", mtu + 18) } else { mtu.to_string() }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

/// An interface name as the name of a network: what a plan's name may not hold becomes `-`.
fn plan_name(ifname: &str) -> String {
    let name: String = ifname.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '_' | '.') { c } else { '-' }).collect();
    // A name of digits alone would be read as a number, `true` as a truth value.
    format!("net-{name}")
}

/// Text from outside, fit for a comment.
fn one_line(text: &str) -> String {
    crate::error::printable(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;
    use pathvet_checks::evidence::{Address, Neighbour, Route};

    fn link(ifname: &str, mtu: u32, addresses: &[(&str, u8)]) -> Link {
        let addresses = addresses
            .iter()
            .map(|(local, prefixlen)| Address { local: local.parse().unwrap(), prefixlen: *prefixlen, family: "inet".into() })
            .collect();
        Link { ifname: ifname.into(), mtu, flags: vec!["UP".into()], addresses, ..Link::default() }
    }

    fn neighbour(dst: &str, dev: &str) -> Neighbour {
        Neighbour {
            dst: dst.parse().unwrap(),
            dev: dev.into(),
            lladdr: Some("02:00:00:00:00:01".into()),
            state: "reachable".into(),
            router: false,
        }
    }

    fn lints_clean(host: &Host) -> Plan {
        let text = plan(host);
        let plan = Plan::parse("plan.yaml", text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let today = jiff::civil::date(2026, 11, 20);
        assert_eq!(plan.lint(today), [], "{text}");
        plan
    }

    #[test]
    fn a_host_with_neighbours_gives_paths_to_them() {
        let host = Host {
            name: "node1".into(),
            links: Some(vec![
                link("eth0", 9600, &[("192.0.2.1", 24), ("2001:db8::1", 64), ("fe80::1", 64)]),
                link("eth1", 9014, &[("198.51.100.7", 25), ("198.51.100.8", 25)]),
                link("10", 1500, &[("10.0.0.1", 31), ("10.9.0.1", 32)]),
            ]),
            routes: Some(vec![Route { gateway: Some("192.0.2.254".parse().unwrap()), ..Route::default() }]),
            neighbours: Some(vec![
                neighbour("192.0.2.2", "eth0"),
                neighbour("192.0.2.254", "eth0"),
                neighbour("198.51.100.9", "eth1"),
            ]),
            ..Host::default()
        };
        let plan = lints_clean(&host);
        assert_eq!(plan.paths.len(), 2);
        assert_eq!(plan.expect.networks["net-eth0"].mtu, Some(9600));
        assert_eq!(plan.expect.networks["net-eth1"].mtu, Some(9014), "9014 is really set, so it is what the plan means");
        assert_eq!(plan.hosts["net-eth0-peer1"].address, Some("192.0.2.2".parse().unwrap()));
        assert_eq!(plan.hosts.len(), 2, "the gateway is no target");
    }

    #[test]
    fn odd_hosts_lint_clean_too() {
        lints_clean(&Host::default());
        lints_clean(&Host { name: "a\nb: [".into(), links: Some(Vec::new()), ..Host::default() });
        let odd = vec![link("we: {ird", 65_536, &[("192.0.2.1", 0)]), link("é\n", 68, &[("2001:db8::1", 64), ("::", 255)])];
        let neighbours = vec![neighbour("2001:db8::2", "é\n")];
        lints_clean(&Host { links: Some(odd), neighbours: Some(neighbours), ..Host::default() });
    }

    #[test]
    fn the_commented_lines_are_right_when_they_are_uncommented() {
        let text = plan(&Host::default());
        let uncommented = text
            .lines()
            .map(|line| match line {
                "hosts: {}" => "hosts:",
                "networks: {}" => "networks:\n  NAME: {}",
                "paths: []" => "paths:",
                _ => line.strip_prefix('#').filter(|rest| !rest.starts_with(' ') || rest.starts_with("  ")).unwrap_or(line),
            })
            .collect::<Vec<_>>()
            .join("\n");
        let result = Plan::parse("plan.yaml", uncommented.as_bytes());
        // Until a check of that name is built in, its id is the only thing that may be refused.
        if let Err(error) = result {
            assert!(error.problems.iter().all(|problem| problem.message.contains("no check is called")), "{error}\n{uncommented}");
        }
    }
}

//! Policy rules (`ip rule`), and which of them chose a table.

use super::rtnetlink;
use crate::host::Host;
use pathvet_checks::evidence::Gap;
use pathvet_checks::size::Family;
use pathvet_checks::wire::rtnl::{self, RuleAction};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;

/// What a rule is matched against.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flow<'a> {
    pub(super) dst: IpAddr,
    pub(super) source: Option<IpAddr>,
    pub(super) oif: Option<&'a str>,
    pub(super) mark: u32,
    pub(super) tos: u8,
    pub(super) uid: Option<u32>,
    /// Table of the VRF that the outgoing interface is or belongs to.
    pub(super) vrf_table: Option<u32>,
}

/// One rule.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag or attribute of the kernel's own rule")]
pub(super) struct Rule {
    priority: u32,
    invert: bool,
    from: Option<(IpAddr, u8)>,
    from_length: u8,
    to: Option<(IpAddr, u8)>,
    to_length: u8,
    tos: u8,
    dscp: Option<u8>,
    mark: u32,
    mask: Option<u32>,
    iif: Option<String>,
    oif: Option<String>,
    l3mdev: bool,
    uids: Option<(u32, u32)>,
    /// Protocol, ports or tunnel id: selectors that the probes' question to the kernel does not carry.
    other: bool,
    /// A selector that this version does not know.
    foreign: bool,
    table: u32,
    goto: Option<u32>,
    action: Action,
    suppress_length: Option<u32>,
    suppress_group: bool,
    text_of_others: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Action {
    #[default]
    Lookup,
    Goto,
    Nop,
    Refuse(&'static str),
}

/// The rules of one family, in the order in which the kernel walks them.
pub(super) fn rules(host: &dyn Host, family: Family) -> (Vec<Rule>, Vec<Gap>) {
    let place = match family {
        Family::V4 => "netlink RTM_GETRULE inet",
        Family::V6 => "netlink RTM_GETRULE inet6",
    };
    let (rules, gaps) = rtnetlink::dump(host, "rules", place, &rtnl::rules_request(family), |message| {
        Ok(rtnl::Rule::read(message)?.map(|row| Rule::new(&row)))
    });
    let mut rules = rules.unwrap_or_default();
    rules.sort_by_key(|rule| rule.priority);
    (rules, gaps)
}

impl Rule {
    fn new(row: &rtnl::Rule<'_>) -> Self {
        let mut rule = Self {
            priority: row.priority,
            invert: row.invert,
            from: row.from.map(|ip| (ip, row.from_length)),
            from_length: row.from_length,
            to: row.to.map(|ip| (ip, row.to_length)),
            to_length: row.to_length,
            tos: row.tos,
            dscp: row.dscp,
            mark: row.mark,
            mask: row.mask,
            iif: row.iif.map(str::to_owned),
            oif: row.oif.map(str::to_owned),
            l3mdev: row.l3mdev,
            uids: row.uids,
            other: false,
            foreign: row.foreign,
            table: row.table,
            goto: row.goto,
            action: match row.action {
                RuleAction::Lookup => Action::Lookup,
                RuleAction::Goto => Action::Goto,
                RuleAction::Blackhole => Action::Refuse("blackhole"),
                RuleAction::Unreachable => Action::Refuse("unreachable"),
                RuleAction::Prohibit => Action::Refuse("prohibit"),
                RuleAction::Nop => Action::Nop,
            },
            suppress_length: row.suppress_length.filter(|&length| length != u32::MAX),
            suppress_group: row.suppress_group.is_some_and(|group| group != u32::MAX),
            text_of_others: String::new(),
        };
        // In the order in which the kernel tells them (`fib_nl_fill_rule`).
        rule.note(row.tunnel != 0, &format!(" tun_id {}", row.tunnel));
        for (word, range) in [("sport", row.sport), ("dport", row.dport)] {
            if let Some((first, last)) = range {
                rule.note(true, &ports(word, first, last));
            }
        }
        rule.note(row.protocol != 0, &format!(" ipproto {}", ip_protocol(row.protocol)));
        rule
    }

    fn note(&mut self, selects: bool, text: &str) {
        if selects {
            self.other = true;
            self.text_of_others.push_str(text);
        }
    }

    /// `fib_rule_match` (`net/core/fib_rules.c`) and its IPv4 and IPv6 parts, for a packet that this host sends.
    fn matches(&self, flow: &Flow<'_>) -> bool {
        if self.foreign {
            return false;
        }
        let selected = self.iif.as_deref().is_none_or(|iif| iif == "lo")
            && self.oif.as_deref().is_none_or(|oif| flow.oif == Some(oif))
            && (self.mark ^ flow.mark) & self.mask.unwrap_or(if self.mark == 0 { 0 } else { u32::MAX }) == 0
            && (!self.l3mdev || flow.vrf_table.is_some())
            && self.uids.is_none_or(|(first, last)| flow.uid.is_some_and(|uid| (first..=last).contains(&uid)))
            && !self.other
            && prefix(self.to, Some(flow.dst))
            && prefix(self.from, flow.source)
            && (self.tos == 0 || self.tos == flow.tos)
            && self.dscp.is_none_or(|dscp| dscp == flow.tos >> 2);
        selected != self.invert
    }

    /// As `ip rule` prints it, with one space for the tab.
    fn text(&self, tables: &BTreeMap<u32, String>) -> String {
        let mut text = format!("{}:", self.priority);
        if self.invert {
            text.push_str(" not");
        }
        text.push_str(" from ");
        text.push_str(&network(self.from, self.from_length, "all"));
        if self.to.is_some() || self.to_length > 0 {
            text.push_str(" to ");
            text.push_str(&network(self.to, self.to_length, "all"));
        }
        if self.tos != 0 {
            let _ = write!(text, " tos {:#04x}", self.tos);
        }
        match self.mask {
            Some(mask) if mask != u32::MAX => {
                let _ = write!(text, " fwmark {}/{}", hex(self.mark), hex(mask));
            }
            mask if mask.is_some() || self.mark != 0 => {
                let _ = write!(text, " fwmark {}", hex(self.mark));
            }
            _ => {}
        }
        for (word, name) in [("iif", &self.iif), ("oif", &self.oif)] {
            if let Some(name) = name {
                let _ = write!(text, " {word} {name}");
            }
        }
        if self.l3mdev {
            text.push_str(" lookup [l3mdev-table]");
        }
        if let Some((first, last)) = self.uids {
            let _ = write!(text, " uidrange {first}-{last}");
        }
        text.push_str(&self.text_of_others);
        if self.table != 0 {
            let _ = write!(text, " lookup {}", table_name(self.table, tables));
            if let Some(length) = self.suppress_length {
                let _ = write!(text, " suppress_prefixlength {length}");
            }
        }
        match (self.action, self.goto) {
            (Action::Goto, Some(priority)) => {
                let _ = write!(text, " goto {priority}");
            }
            (Action::Refuse(word), _) => {
                let _ = write!(text, " {word}");
            }
            (Action::Nop, _) => text.push_str(" nop"),
            _ => {}
        }
        if let Some(dscp) = self.dscp {
            let _ = write!(text, " dscp {dscp}");
        }
        text
    }
}

/// The rule that sent `flow` to `table`, where an entry of `prefix_length` bits matched: the first that matches, looks that
/// table up and does not suppress so short a prefix. An earlier lookup of the same table would have found the same entry.
pub(super) fn decider(
    rules: &[Rule],
    flow: &Flow<'_>,
    table: u32,
    prefix_length: Option<u8>,
    tables: &BTreeMap<u32, String>,
) -> Option<String> {
    let mut at = 0;
    // A jump leads forward alone (`fib_nl_newrule`), so this ends.
    while let Some(rule) = rules.get(at) {
        at += 1;
        if !rule.matches(flow) {
            continue;
        }
        match rule.action {
            Action::Lookup => {
                let looked_up = if rule.l3mdev { flow.vrf_table.unwrap_or(0) } else { rule.table };
                let suppressed = rule.suppress_length.zip(prefix_length).is_some_and(|(limit, length)| u32::from(length) <= limit);
                if looked_up == table && !suppressed && !rule.suppress_group {
                    return Some(rule.text(tables));
                }
            }
            Action::Goto => {
                let target = rule.goto.unwrap_or(0);
                at = rules.iter().position(|other| other.priority == target).filter(|&to| to >= at).unwrap_or(at);
            }
            Action::Nop | Action::Refuse(_) => {}
        }
    }
    None
}

/// Names of routing tables: those that every system has, and `rt_tables` of iproute2.
pub(super) fn table_names(host: &dyn Host) -> BTreeMap<u32, String> {
    let mut names = BTreeMap::from([(253, "default".into()), (254, "main".into()), (255, "local".into())]);
    let file = ["/etc/iproute2/rt_tables", "/usr/share/iproute2/rt_tables"].iter().find_map(|path| host.read(path).ok());
    for line in String::from_utf8_lossy(&file.unwrap_or_default()).lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        if let (Some(Ok(number)), Some(name)) = (words.next().map(str::parse), words.next()) {
            names.entry(number).or_insert_with(|| name.to_owned());
        }
    }
    names
}

fn table_name(table: u32, tables: &BTreeMap<u32, String>) -> String {
    tables.get(&table).cloned().unwrap_or_else(|| table.to_string())
}

/// Whether `ip` lies in a rule's prefix. The kernel compares a packet without source as 0.0.0.0 (`fib4_rule_match`), so that
/// no prefix but an empty one matches it.
fn prefix(rule: Option<(IpAddr, u8)>, ip: Option<IpAddr>) -> bool {
    match (rule, ip) {
        (None | Some((_, 0)), _) => true,
        (Some((IpAddr::V4(net), length)), Some(IpAddr::V4(ip))) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length.min(32))).unwrap_or(0);
            (net.to_bits() ^ ip.to_bits()) & mask == 0
        }
        (Some((IpAddr::V6(net), length)), Some(IpAddr::V6(ip))) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length.min(128))).unwrap_or(0);
            (net.to_bits() ^ ip.to_bits()) & mask == 0
        }
        _ => false,
    }
}

fn network(net: Option<(IpAddr, u8)>, length: u8, none: &str) -> String {
    match net {
        Some((ip, length)) if length == if ip.is_ipv4() { 32 } else { 128 } => ip.to_string(),
        Some((ip, length)) => format!("{ip}/{length}"),
        None if length > 0 => format!("0/{length}"),
        None => none.into(),
    }
}

fn ports(word: &str, first: u16, last: u16) -> String {
    if first == last { format!(" {word} {first}") } else { format!(" {word} {first}-{last}") }
}

fn ip_protocol(number: u8) -> String {
    match i32::from(number) {
        libc::IPPROTO_ICMP => "icmp".into(),
        libc::IPPROTO_TCP => "tcp".into(),
        libc::IPPROTO_UDP => "udp".into(),
        libc::IPPROTO_ICMPV6 => "ipv6-icmp".into(),
        _ => number.to_string(),
    }
}

fn hex(number: u32) -> String {
    if number == 0 { "0".into() } else { format!("{number:#x}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(dst: &str) -> Flow<'static> {
        Flow { dst: dst.parse().expect("ip"), source: None, oif: None, mark: 0, tos: 0, uid: Some(0), vrf_table: None }
    }

    fn lookup(priority: u32, table: u32) -> Rule {
        Rule { priority, table, ..Rule::default() }
    }

    #[test]
    fn the_first_rule_that_matches_and_looks_the_table_up_decides() {
        let marked = Rule { mark: 7, ..lookup(100, 50) };
        let rules = [lookup(0, 255), marked, lookup(200, 50), lookup(32766, 254)];
        let tables = BTreeMap::from([(254, "main".to_owned()), (255, "local".to_owned())]);
        let decide = |flow: &Flow<'_>, table| decider(&rules, flow, table, Some(0), &tables);
        assert_eq!(decide(&flow("192.0.2.1"), 254).as_deref(), Some("32766: from all lookup main"));
        assert_eq!(decide(&flow("192.0.2.1"), 50).as_deref(), Some("200: from all lookup 50"));
        assert_eq!(decide(&Flow { mark: 7, ..flow("192.0.2.1") }, 50).as_deref(), Some("100: from all fwmark 0x7 lookup 50"));
        assert_eq!(decide(&flow("192.0.2.1"), 99), None);
    }

    #[test]
    fn suppression_jumps_and_inversion() {
        let tables = BTreeMap::new();
        let quick = Rule { suppress_length: Some(0), ..lookup(1, 254) };
        let jump = Rule { priority: 2, goto: Some(5), action: Action::Goto, ..Rule::default() };
        let rules = [quick, jump, lookup(3, 254), lookup(5, 254)];
        assert_eq!(
            decider(&rules, &flow("192.0.2.1"), 254, Some(0), &tables).as_deref(),
            Some("5: from all lookup 254"),
            "the default route is suppressed, and rule 3 is jumped over"
        );
        assert_eq!(
            decider(&rules, &flow("192.0.2.1"), 254, Some(24), &tables).as_deref(),
            Some("1: from all lookup 254 suppress_prefixlength 0")
        );
        let to = ("192.0.2.0".parse().expect("ip"), 24);
        let not = [Rule { invert: true, to: Some(to), to_length: 24, ..lookup(1, 9) }];
        assert_eq!(decider(&not, &flow("192.0.2.1"), 9, None, &tables), None);
        assert_eq!(
            decider(&not, &flow("198.51.100.1"), 9, None, &tables).as_deref(),
            Some("1: not from all to 192.0.2.0/24 lookup 9")
        );
    }

    #[test]
    fn selectors_that_the_question_does_not_carry_are_told_in_the_kernels_order() {
        let row = rtnl::Rule {
            action: RuleAction::Lookup,
            invert: true,
            priority: 90,
            table: 254,
            tunnel: 5,
            sport: Some((1000, 2000)),
            dport: Some((22, 22)),
            protocol: 6,
            suppress_length: Some(u32::MAX),
            suppress_group: Some(u32::MAX),
            ..rtnl::Rule::default()
        };
        let decide = |row: &rtnl::Rule<'_>| decider(&[Rule::new(row)], &flow("192.0.2.1"), 254, Some(0), &BTreeMap::new());
        let text = "90: not from all tun_id 5 sport 1000-2000 dport 22 ipproto tcp lookup 254";
        assert_eq!(decide(&row).as_deref(), Some(text));
        assert_eq!(decide(&rtnl::Rule { invert: false, ..row }), None, "nobody knows whether it matches");
        assert_eq!(decide(&rtnl::Rule { foreign: true, ..row }), None);
    }

    #[test]
    fn table_names_are_read() {
        let tree = tempfile::tempdir().expect("a directory");
        std::fs::create_dir_all(tree.path().join("etc/iproute2")).expect("a directory");
        std::fs::write(tree.path().join("etc/iproute2/rt_tables"), "# x\n100\tisp1 # y\nbad line\n254 other\n").expect("a file");
        let names = table_names(&crate::host::Tree::open(tree.path()).expect("tree"));
        assert_eq!(names.get(&100).map(String::as_str), Some("isp1"));
        assert_eq!(names.get(&254).map(String::as_str), Some("main"));
        assert_eq!(names.len(), 4);
    }
}

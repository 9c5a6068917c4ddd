//! The readers of a plan's keys. Each collects its mistakes and goes on, so that one run shows them all.

mod expect_dcb;

use super::yaml::{Document, Entry, Node};
use super::{Limits, Pairs, PathGroup, Plan, PlanHost, SCHEMA, mask};
use crate::error::{InputError, MOST_SHOWN, Place, Problem};
use pathvet_checks::builtin;
use pathvet_checks::expect::{HostExpect, Network, Settings, Waiver};
use pathvet_checks::report::Outcome;
use pathvet_checks::size::{FORMS, Family, MAX, Size, SizeError, Unit};
use serde_yaml::Value;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Fastest rate that a plan may set, probes a second; above it only `--rate unlimited` helps.
const FASTEST: u64 = 1_000_000;
/// Most values of `limits.dscp`.
const MOST_DSCP: usize = 16;
/// Most machines of one `mesh` or `ring`.
const MOST_HOSTS: usize = 4096;
/// Roles that later decisions know.
const ROLES: [&str; 4] = ["migration", "storage", "rdma", "management"];

/// Reads a whole plan, or says everything that is wrong with it.
pub(super) fn read(name: &str, bytes: &[u8]) -> Result<Plan, InputError> {
    let document = Document::parse(name, bytes)?;
    let mut reader = Reader { problems: Vec::new(), notes: Vec::new(), unused: Vec::new(), used: BTreeSet::new() };
    let mut plan = Plan { name: name.to_string(), ..Plan::default() };
    reader.plan(&document.root(), &mut plan);
    if !reader.problems.is_empty() {
        // What stands in a file that the plan names comes after what stands in the plan.
        reader.problems.sort_by_key(|problem| (problem.origin != name, problem.position()));
        return Err(InputError { problems: reader.problems });
    }
    reader.notes.sort_by_key(Problem::position);
    plan.notes = reader.notes;
    plan.unused = reader.unused;
    Ok(plan)
}

pub(super) struct Reader {
    pub(super) problems: Vec<Problem>,
    pub(super) notes: Vec<Problem>,
    unused: Vec<Problem>,
    /// `host x` and `network x` that some path names.
    used: BTreeSet<String>,
}

impl Reader {
    pub(super) fn wrong(&mut self, node: &Node<'_>, expected: &str) {
        self.problems
            .push(node.problem(format!("{} does not belong here", node.describe())).expected(format!("expected {expected}")));
    }

    /// The entries of a mapping whose keys are known. Unknown keys are reported and left out.
    pub(super) fn fields<'d>(&mut self, node: &Node<'d>, known: &[&str]) -> Option<Vec<Entry<'d>>> {
        let entries = self.mapping(node, &format!("a mapping with {}", one_of(known)))?;
        let (right, unknown): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| known.contains(&entry.key));
        for entry in unknown {
            let problem = entry.key_problem(format!("unknown key `{}`", entry.key)).expected(format!("expected {}", one_of(known)));
            self.near(problem, entry.key, known.iter().copied());
        }
        Some(right)
    }

    fn mapping<'d>(&mut self, node: &Node<'d>, expected: &str) -> Option<Vec<Entry<'d>>> {
        if node.value.is_null() {
            return Some(Vec::new());
        }
        let entries = node.entries();
        if entries.is_none() {
            self.wrong(node, expected);
        }
        entries
    }

    /// A list, or one item standing for a list of one.
    fn list<'d>(&mut self, node: &Node<'d>, expected: &str) -> Option<Vec<Node<'d>>> {
        match node.value {
            Value::Sequence(_) => node.items(),
            Value::Null | Value::Mapping(_) => {
                self.wrong(node, expected);
                None
            }
            _ => Some(vec![node.clone()]),
        }
    }

    /// Adds the nearest right word. Only for the problems that are shown: with thousands of each it would take its time.
    pub(super) fn near<'w>(&mut self, problem: Problem, word: &str, words: impl IntoIterator<Item = &'w str>) {
        let problem = if self.problems.len() < MOST_SHOWN { problem.nearest(word, words) } else { problem };
        self.problems.push(problem);
    }

    pub(super) fn text<'d>(&mut self, node: &Node<'d>, expected: &str) -> Option<&'d str> {
        match node.value.as_str() {
            Some(text) if !text.trim().is_empty() => Some(text),
            _ => {
                self.wrong(node, expected);
                None
            }
        }
    }

    pub(super) fn word<'w>(&mut self, node: &Node<'_>, words: &[&'w str]) -> Option<&'w str> {
        let text = self.text(node, &one_of(words))?;
        let found = words.iter().copied().find(|word| *word == text);
        if found.is_none() {
            let problem = node.problem(format!("`{text}` does not belong here")).expected(format!("expected {}", one_of(words)));
            self.near(problem, text, words.iter().copied());
        }
        found
    }

    pub(super) fn number(&mut self, node: &Node<'_>, range: std::ops::RangeInclusive<u64>, what: &str) -> Option<u64> {
        let number = node.value.as_u64().filter(|number| range.contains(number));
        if number.is_none() {
            self.wrong(node, &format!("{what} from {} to {}", range.start(), range.end()));
        }
        number
    }

    pub(super) fn size(&mut self, node: &Node<'_>, family: Option<Family>) -> Option<u32> {
        let least = family.unwrap_or(Family::V4).min_mtu();
        let expected = format!("expected an IP MTU from {least} to {MAX}, or a size with its unit");
        let size = match node.value {
            Value::Number(number) => match number.as_u64().map(u32::try_from) {
                Some(Ok(number)) => Size::new(number, Unit::Ip, family),
                Some(Err(_)) => Err(SizeError::TooLarge(number.to_string())),
                None => Err(SizeError::NotASize(number.to_string())),
            },
            Value::String(text) => Size::parse(text, family),
            _ => {
                let message = format!("{} is not a size: write {FORMS}", node.describe());
                self.problems.push(node.problem(message).expected(expected));
                return None;
            }
        };
        match size {
            Ok(size) => {
                if let Some(slip) = size.slip() {
                    self.notes.push(node.problem(slip).warning());
                }
                Some(size.ip.0)
            }
            Err(error) => {
                let mut problem = node.problem(error.to_string());
                if let SizeError::Unit { nearest: Some(near), .. } = &error {
                    problem = problem.help(format!("did you mean `{near}`?"));
                }
                self.problems.push(problem.expected(expected));
                None
            }
        }
    }

    fn check_id(&mut self, text: &str, problem: impl FnOnce(String) -> Problem) -> Option<String> {
        let mut ids = builtin::ALL.iter().map(|check| check.meta().id);
        if ids.clone().any(|id| id == text) {
            return Some(text.to_string());
        }
        let problem = problem(format!("no check is called `{text}`")).expected("expected an id from `pathvet list`");
        self.near(problem, text, &mut ids);
        None
    }

    fn plan(&mut self, node: &Node<'_>, plan: &mut Plan) {
        if node.value.is_null() {
            self.problems.push(node.problem("the plan is empty").expected(format!("expected at least `schema: {SCHEMA}`")));
            return;
        }
        let keys = ["schema", "hosts", "networks", "paths", "expect", "limits", "severity", "waivers"];
        let Some(entries) = self.fields(node, &keys) else { return };
        let entry = |key: &str| entries.iter().find(|entry| entry.key == key).map(|entry| entry.node.clone());
        if let Some(schema) = entry("schema") {
            self.schema(&schema);
        } else {
            let problem = node.problem("the plan does not say which schema it follows");
            self.problems.push(problem.expected(format!("expected the line `schema: {SCHEMA}`")));
        }
        if let Some(node) = entry("hosts") {
            self.hosts(&node, plan);
        }
        if let Some(node) = entry("networks") {
            self.networks(&node, plan);
        }
        if let Some(node) = entry("paths") {
            self.paths(&node, plan);
        }
        if let Some(node) = entry("expect") {
            plan.expect.all = self.settings(&node, None);
        }
        if let Some(node) = entry("limits") {
            plan.limits = self.limits(&node);
        }
        if let Some(node) = entry("severity") {
            self.severity(&node, plan);
        }
        if let Some(node) = entry("waivers") {
            for waiver in self.list(&node, "a list of waivers").unwrap_or_default() {
                if let Some((waiver, place)) = self.waiver(&waiver) {
                    plan.expect.waivers.push(waiver);
                    plan.waiver_places.push(place);
                }
            }
        }
        for (kind, key) in [("host", "hosts"), ("network", "networks")] {
            for named in entry(key).and_then(|node| node.entries()).unwrap_or_default() {
                if !self.used.contains(&format!("{kind} {}", named.key)) {
                    self.unused.push(named.key_problem(format!("no path uses the {kind} `{}`", named.key)).warning());
                }
            }
        }
    }

    fn schema(&mut self, node: &Node<'_>) {
        let Some(text) = self.text(node, &format!("`{SCHEMA}`")) else { return };
        if text == SCHEMA {
            return;
        }
        let message = match text.strip_prefix("pathvet.plan/") {
            Some(version) if version.parse::<u32>().is_ok() => {
                format!("this plan has schema {text}; this pathvet ({}) reads {SCHEMA}", env!("CARGO_PKG_VERSION"))
            }
            _ => format!("`{text}` is not the schema of a plan"),
        };
        self.problems.push(node.problem(message).expected(format!("expected `{SCHEMA}`")));
    }

    fn hosts(&mut self, node: &Node<'_>, plan: &mut Plan) {
        let Some(entries) = self.mapping(node, "a mapping of host names") else { return };
        for entry in entries {
            self.name(&entry, "host");
            let keys = ["address", "evidence", "expect", "ssh", "ssh_options"];
            let Some(fields) = self.fields(&entry.node, &keys) else { continue };
            let mut host = PlanHost::default();
            let mut expect = HostExpect::default();
            for field in &fields {
                match field.key {
                    "address" => host.address = self.address(&field.node),
                    "evidence" => {
                        host.evidence = self.text(&field.node, "the name of an evidence file").map(|file| beside(&plan.name, file));
                    }
                    "ssh" => host.ssh = self.ssh(&field.node),
                    "ssh_options" => {
                        for option in self.list(&field.node, "a list of options").unwrap_or_default() {
                            host.ssh_options.extend(self.text(&option, "an option of ssh, in quotes").map(str::to_string));
                        }
                    }
                    _ => expect.expect = self.settings(&field.node, None),
                }
            }
            let at = |key: &str| fields.iter().find(|field| field.key == key);
            if let (Some(options), None) = (at("ssh_options"), at("ssh")) {
                self.problems.push(options.key_problem("`ssh_options` without `ssh`").expected("expected `ssh` beside it"));
            }
            expect.address = host.address;
            plan.hosts.insert(entry.key.to_string(), host);
            plan.expect.hosts.insert(entry.key.to_string(), expect);
        }
    }

    /// Names stand in subjects such as `node1->node2@migration/6`, so what separates the parts of a subject is no part of a name.
    fn name(&mut self, entry: &Entry<'_>, what: &str) {
        let good = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
        let name = entry.key;
        if name.is_empty() || name.len() > 253 || !name.chars().all(good) || name.starts_with(['-', '.']) {
            let problem = entry.key_problem(format!("`{name}` cannot be the name of a {what}"));
            self.problems.push(problem.expected("expected letters, digits, `-`, `_` and `.`"));
        } else if name == "local" && what == "host" {
            self.problems.push(entry.key_problem("`local` always means this host").expected("expected another name"));
        }
    }

    fn address(&mut self, node: &Node<'_>) -> Option<IpAddr> {
        let text = self.text(node, "an IP address")?;
        let address = text.parse().ok();
        if address.is_none() {
            let problem = node.problem(format!("{} is not an IP address", node.describe()));
            self.problems.push(problem.expected("expected an address such as 192.0.2.9 or 2001:db8::9"));
        }
        address
    }

    fn ssh(&mut self, node: &Node<'_>) -> Option<String> {
        let text = self.text(node, "a destination of ssh, such as root@192.0.2.2")?;
        if text.starts_with('-') || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            self.wrong(node, "a destination of ssh, such as root@192.0.2.2");
            return None;
        }
        Some(text.to_string())
    }

    fn networks(&mut self, node: &Node<'_>, plan: &mut Plan) {
        let Some(entries) = self.mapping(node, "a mapping of networks") else { return };
        for entry in entries {
            self.name(&entry, "network");
            let Some(fields) = self.fields(&entry.node, &["subnet", "interface", "mtu", "role", "expect"]) else { continue };
            let mut network = Network::default();
            let at = |key: &str| fields.iter().find(|field| field.key == key).map(|field| &field.node);
            if let Some(node) = at("subnet") {
                network.subnet = self.subnet(node);
            }
            let family = network.subnet.map(|(address, _)| Family::of(address));
            if let Some(node) = at("interface") {
                network.interface = self.interface(node);
            }
            if let Some(node) = at("mtu") {
                network.mtu = self.size(node, family);
            }
            if let Some(node) = at("role") {
                network.role = self.role(node);
            }
            if let Some(node) = at("expect") {
                network.expect = self.settings(node, family);
            }
            let both =
                at("expect").filter(|_| network.mtu.is_some() && network.expect.mtu.is_some_and(|mtu| Some(mtu) != network.mtu));
            if let Some(node) = both {
                let problem = node.problem("this network expects two different MTUs");
                self.problems.push(problem.expected("`mtu` and `expect.mtu` of a network mean the same: write one"));
            }
            plan.expect.networks.insert(entry.key.to_string(), network);
        }
    }

    fn subnet(&mut self, node: &Node<'_>) -> Option<(IpAddr, u8)> {
        let expected = "a subnet such as 192.0.2.0/24 or 2001:db8::/64";
        let text = self.text(node, expected)?;
        let parsed = text.split_once('/').and_then(|(address, prefix)| {
            let address: IpAddr = address.parse().ok()?;
            let prefix: u8 = prefix.parse().ok()?;
            let bits = if address.is_ipv4() { 32 } else { 128 };
            (prefix <= bits).then_some((address, prefix))
        });
        let Some((address, prefix)) = parsed else {
            self.wrong(node, expected);
            return None;
        };
        let network = mask(address, prefix);
        if network != address {
            let problem = node.problem(format!("{text} is a host's address with a prefix, not a subnet"));
            self.problems.push(problem.help(format!("did you mean `{network}/{prefix}`?")));
            return None;
        }
        Some((address, prefix))
    }

    fn interface(&mut self, node: &Node<'_>) -> Option<String> {
        let text = self.text(node, "the name of an interface")?;
        if super::is_interface_name(text) {
            return Some(text.to_string());
        }
        self.wrong(node, "the name of an interface: at most 15 bytes, no blank, `/` or `:`");
        None
    }

    fn role(&mut self, node: &Node<'_>) -> Option<String> {
        let text = self.text(node, &one_of(&ROLES))?;
        if !ROLES.contains(&text)
            && let Some(near) = crate::error::nearest(text, ROLES)
        {
            self.notes.push(node.problem(format!("`{text}` is a role of your own; did you mean `{near}`?")).warning());
        }
        Some(text.to_string())
    }

    fn settings(&mut self, node: &Node<'_>, family: Option<Family>) -> Settings {
        let mut settings = Settings::default();
        for field in self.fields(node, &["mtu", "loss", "dcb", "lldp_neighbor", "ipoib", "sm", "tuning"]).unwrap_or_default() {
            match field.key {
                "mtu" => settings.mtu = self.size(&field.node, family),
                "dcb" => settings.dcb = self.dcb(&field.node),
                "lldp_neighbor" => settings.lldp_neighbor = self.lldp_neighbor(&field.node),
                "ipoib" => settings.ipoib = self.ipoib(&field.node),
                "sm" => settings.sm = self.subnet_manager(&field.node),
                "tuning" => settings.tuning = super::expect_tuning::read(&field.node, &mut self.problems),
                _ => settings.loss_ppm = self.loss(&field.node),
            }
        }
        settings
    }

    /// A share of lost packets in percent. The sign is demanded, because 0.5 alone could be a half or half a percent.
    fn loss(&mut self, node: &Node<'_>) -> Option<u32> {
        let ppm = node.value.as_str().and_then(percent_to_ppm);
        if ppm.is_none() {
            let problem = node.problem(format!("{} is not a share of lost packets", node.describe()));
            let problem = problem.expected("expected a percentage with its sign, such as 0.1%, at most 4 decimals");
            let number = matches!(node.value, Value::Number(_));
            let help = if let (true, Value::Number(number)) = (number, node.value) {
                problem.help(format!("did you mean `{number}%`?"))
            } else {
                problem
            };
            self.problems.push(help);
        }
        ppm
    }

    fn paths(&mut self, node: &Node<'_>, plan: &mut Plan) {
        for node in self.list(node, "a list of paths").unwrap_or_default() {
            let Some(fields) = self.fields(&node, &["network", "from", "to", "mesh", "ring"]) else { continue };
            let at = |key: &str| fields.iter().find(|field| field.key == key);
            let network = at("network").and_then(|field| self.network_of(&field.node, plan));
            if let Some(from) = at("from")
                && self.text(&from.node, "`local`").is_some_and(|text| text != "local")
            {
                let problem = from.node.problem(format!("{} does not belong here", from.node.describe()));
                self.problems
                    .push(problem.expected("expected `local`, this host; for paths between other hosts use `mesh` or `ring`"));
            }
            let kinds: Vec<_> = ["to", "mesh", "ring"].into_iter().filter_map(at).collect();
            let [kind] = kinds.as_slice() else {
                let message =
                    if kinds.is_empty() { "this entry names no paths" } else { "this entry names paths in more than one way" };
                self.problems.push(node.problem(message).expected("expected one of `to`, `mesh` and `ring`"));
                continue;
            };
            if let (Some(from), "mesh" | "ring") = (at("from"), kind.key) {
                self.problems.push(from.key_problem(format!("`from` does not go with `{}`", kind.key)).expected("expected `to`"));
            }
            let hosts = self.path_hosts(kind, plan);
            let pairs = match kind.key {
                "to" => Pairs::FromLocal(hosts),
                "mesh" => Pairs::Mesh(hosts),
                _ => Pairs::Ring(hosts),
            };
            plan.paths.push(PathGroup { network, pairs });
        }
    }

    fn network_of(&mut self, node: &Node<'_>, plan: &Plan) -> Option<String> {
        let text = self.text(node, "the name of a network")?;
        self.used.insert(format!("network {text}"));
        if !plan.expect.networks.contains_key(text) {
            let problem =
                node.problem(format!("no network is called `{text}`")).expected("expected a name that stands under `networks`");
            self.near(problem, text, plan.expect.networks.keys().map(String::as_str));
        }
        Some(text.to_string())
    }

    /// The hosts of one entry of `paths`. Targets may be plain addresses; members of a mesh or ring must be hosts of the plan.
    fn path_hosts(&mut self, kind: &Entry<'_>, plan: &Plan) -> Vec<String> {
        let mut hosts: Vec<String> = Vec::new();
        let mut seen = BTreeSet::new();
        let Some(items) = self.list(&kind.node, "a list of hosts") else { return hosts };
        if items.len() > MOST_HOSTS {
            self.problems.push(kind.node.problem(format!("{} hosts are more than the {MOST_HOSTS} that are read", items.len())));
            return hosts;
        }
        for item in &items {
            let Some(text) = self.text(item, "the name of a host") else { continue };
            self.used.insert(format!("host {text}"));
            let address = kind.key == "to" && text.parse::<IpAddr>().is_ok();
            if !address && !plan.hosts.contains_key(text) {
                let expected = if kind.key == "to" {
                    "expected a name that stands under `hosts`, or an address"
                } else {
                    "expected a name that stands under `hosts`"
                };
                let problem = item.problem(format!("no host is called `{text}`")).expected(expected);
                self.near(problem, text, plan.hosts.keys().map(String::as_str));
            } else if !seen.insert(text) {
                self.problems.push(item.problem(format!("`{text}` stands here a second time")));
            }
            hosts.push(text.to_string());
        }
        let least = if kind.key == "to" { 1 } else { 2 };
        if items.len() < least {
            let expected = if least == 1 { "expected at least one host" } else { "expected at least two hosts" };
            self.problems.push(kind.node.problem(format!("`{}` names too few hosts", kind.key)).expected(expected));
        }
        hosts
    }

    fn limits(&mut self, node: &Node<'_>) -> Limits {
        let mut limits = Limits::default();
        for field in self.fields(node, &["rate", "flows", "dscp"]).unwrap_or_default() {
            match field.key {
                "rate" => {
                    let rate = self.number(&field.node, 1..=FASTEST, "a number of probes a second");
                    limits.rate = rate.and_then(|rate| u32::try_from(rate).ok());
                }
                "flows" => {
                    if field.node.value.as_u64() != Some(1) {
                        self.wrong(&field.node, "1, the one flow that is vetted");
                    }
                }
                _ => {
                    let items = self.list(&field.node, "a list of DSCP values").unwrap_or_default();
                    for item in items.iter().take(MOST_DSCP + 1) {
                        let dscp = self.number(item, 0..=63, "a DSCP value").and_then(|dscp| u8::try_from(dscp).ok());
                        if let Some(dscp) = dscp.filter(|dscp| !limits.dscp.contains(dscp)) {
                            limits.dscp.push(dscp);
                        }
                    }
                    if items.len() > MOST_DSCP {
                        self.problems.push(field.node.problem(format!("at most {MOST_DSCP} DSCP values are probed")));
                    }
                }
            }
        }
        limits
    }

    fn severity(&mut self, node: &Node<'_>, plan: &mut Plan) {
        let Some(entries) = self.mapping(node, "a mapping of check ids") else { return };
        for entry in entries {
            let id = self.check_id(entry.key, |message| entry.key_problem(message));
            let word = self.word(&entry.node, &["warn", "pass"]);
            if let (Some(id), Some(word)) = (id, word) {
                plan.expect.severity.insert(id, if word == "warn" { Outcome::Warn } else { Outcome::Pass });
            }
        }
    }

    fn waiver(&mut self, node: &Node<'_>) -> Option<(Waiver, Place)> {
        let keys = ["check", "subject", "owner", "reason", "until"];
        if node.value.is_null() {
            self.wrong(node, &format!("a mapping with {}", one_of(&keys)));
            return None;
        }
        let fields = self.fields(node, &keys)?;
        for key in keys {
            if !fields.iter().any(|field| field.key == key) {
                let problem = node.problem(format!("this waiver has no `{key}`"));
                self.problems.push(problem.expected("expected check, subject, owner, reason and until"));
            }
        }
        let at = |key: &str| fields.iter().find(|field| field.key == key).map(|field| &field.node);
        let check = at("check").and_then(|node| {
            let text = self.text(node, "a check id")?;
            self.check_id(text, |message| node.problem(message))
        });
        let subject = at("subject").and_then(|node| self.text(node, "a subject such as \"node2:eth0\" or \"node1->node2\""));
        let owner = at("owner").and_then(|node| self.text(node, "who accepted it"));
        let reason = at("reason").and_then(|node| self.text(node, "why it is accepted"));
        let until = at("until").and_then(|node| Some((self.date(node)?, node.place())));
        let (until, place) = until.unzip();
        let waiver = Waiver {
            check: check?,
            // People copy subjects from the table of a UTF-8 terminal, where the arrow is drawn.
            subject: subject?.replace(" → ", "->").replace('→', "->"),
            owner: owner?.to_string(),
            reason: reason?.to_string(),
            until: until?,
        };
        Some((waiver, place?))
    }

    fn date(&mut self, node: &Node<'_>) -> Option<jiff::civil::Date> {
        let date = node.value.as_str().filter(|text| text.len() == 10).and_then(|text| text.parse().ok());
        if date.is_none() {
            self.wrong(node, "the last day on which it holds, such as 2027-01-31");
        }
        date
    }
}

/// `a, b or c`.
fn one_of(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [word] => (*word).to_string(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// A file that the plan names, looked for in the plan's own folder.
fn beside(plan: &str, file: &str) -> PathBuf {
    Path::new(plan).parent().map_or_else(|| PathBuf::from(file), |folder| folder.join(file))
}

/// `0.5%` as millionths; at most four decimals, at most 100 %.
fn percent_to_ppm(text: &str) -> Option<u32> {
    let number = text.strip_suffix('%')?.trim_end();
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(decimals) || whole.len() > 3 || decimals.len() > 4 {
        return None;
    }
    let whole: u32 = whole.parse().ok()?;
    let decimals: u32 = format!("{decimals:0<4}").parse().ok()?;
    Some(whole * 10_000 + decimals).filter(|ppm| *ppm <= 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_exact() {
        assert_eq!(percent_to_ppm("1%"), Some(10_000));
        assert_eq!(percent_to_ppm("0.1 %"), Some(1_000));
        assert_eq!(percent_to_ppm("0.0001%"), Some(1));
        assert_eq!(percent_to_ppm("100%"), Some(1_000_000));
        for text in ["100.0001%", "1", "%", ".5%", "1.%", "-1%", "1e1%", "0.00001%", "9999%"] {
            assert_eq!(percent_to_ppm(text), None, "{text}");
        }
    }
}

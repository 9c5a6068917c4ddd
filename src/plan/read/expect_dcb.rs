//! Reads `expect.dcb` and `expect.lldp_neighbor`.

use super::{Reader, one_of};
use crate::catalogue;
use crate::plan::yaml::{Entry, Node};
use pathvet_checks::expect::{AppExpect, AppId, ClassExpect, DcbExpect, Trust};
use serde_yaml::Value;

/// Keys of the inline form.
const KEYS: [&str; 6] = ["profile", "lossless", "ets", "apps", "willing", "trust"];
/// Most switches of one `lldp_neighbor`.
const MOST_NEIGHBORS: usize = 64;

impl Reader {
    /// A profile's name, or a mapping of fields.
    pub(super) fn dcb(&mut self, node: &Node<'_>) -> Option<Box<DcbExpect>> {
        if let Some(text) = node.value.as_str() {
            return self.profile(node, text).map(Box::new);
        }
        if !matches!(node.value, Value::Mapping(_)) {
            self.wrong(node, &format!("the name of a profile, or a mapping with {}", one_of(&KEYS)));
            return None;
        }
        let fields = self.fields(node, &KEYS)?;
        let mut expect = DcbExpect::default();
        if let Some(field) = fields.iter().find(|field| field.key == "profile")
            && let Some(text) = self.text(&field.node, "the name of a profile")
        {
            expect = self.profile(&field.node, text).unwrap_or_default();
        }
        for field in &fields {
            match field.key {
                "lossless" => expect.lossless = self.priorities(&field.node).or(expect.lossless),
                "ets" => expect.ets = self.classes(&field.node).or(expect.ets),
                "apps" => expect.apps = self.apps(field).or(expect.apps),
                "willing" => match field.node.value.as_bool() {
                    Some(willing) => expect.willing = Some(willing),
                    None => self.wrong(&field.node, "true or false"),
                },
                "trust" => {
                    let word = self.word(&field.node, &["dscp", "pcp"]);
                    expect.trust = word.map(|word| if word == "dscp" { Trust::Dscp } else { Trust::Pcp }).or(expect.trust);
                }
                _ => {}
            }
        }
        if node.entries().is_some_and(|entries| entries.is_empty()) {
            self.wrong(node, &format!("at least one of {}", one_of(&KEYS)));
        }
        Some(Box::new(expect))
    }

    fn profile(&mut self, node: &Node<'_>, text: &str) -> Option<DcbExpect> {
        if let Some(profile) = catalogue::dcb_profile(text) {
            return Some(profile.expect());
        }
        let names: Vec<&str> = catalogue::dcb_profiles().iter().map(|profile| profile.id.as_str()).collect();
        let problem = node.problem(format!("no DCB profile is called `{text}`")).expected(format!("expected {}", one_of(&names)));
        self.near(problem, text, names);
        None
    }

    /// A list of priorities, or `none`; ranges such as `0-3` are text.
    fn priorities(&mut self, node: &Node<'_>) -> Option<u8> {
        const EXPECTED: &str = "priorities from 0 to 7, such as [3] or \"0-2,4-7\", or `none`";
        if node.value.as_str() == Some("none") || matches!(node.value, Value::Sequence(items) if items.is_empty()) {
            return Some(0);
        }
        let mut all = 0_u8;
        let before = self.problems.len();
        for item in self.list(node, EXPECTED)? {
            let found = match item.value {
                Value::Number(number) => number.as_u64().and_then(bit),
                Value::String(text) => ranges(text),
                _ => None,
            };
            match found {
                Some(found) if all & found != 0 => {
                    self.problems.push(item.problem(format!("{} stands here a second time", item.describe())));
                }
                Some(found) => all |= found,
                None => self.wrong(&item, EXPECTED),
            }
        }
        (self.problems.len() == before).then_some(all)
    }

    fn classes(&mut self, node: &Node<'_>) -> Option<Vec<ClassExpect>> {
        const EXPECTED: &str = "a list of classes such as { priorities: [3], share: 50 }";
        let Value::Sequence(_) = node.value else {
            self.wrong(node, EXPECTED);
            return None;
        };
        let before = self.problems.len();
        let mut classes = Vec::new();
        let mut seen = 0_u8;
        for item in node.items().unwrap_or_default() {
            if !matches!(item.value, Value::Mapping(_)) {
                self.wrong(&item, "a class such as { priorities: [3], share: 50 }");
                continue;
            }
            let Some(fields) = self.fields(&item, &["priorities", "share", "strict"]) else { continue };
            let at = |key: &str| fields.iter().find(|field| field.key == key).map(|field| &field.node);
            let priorities = if let Some(node) = at("priorities") {
                self.priorities(node)
            } else {
                self.problems.push(item.problem("this class has no `priorities`").expected("expected `priorities: [3]`"));
                None
            };
            let share = match (at("share"), at("strict")) {
                (Some(node), None) => self.share(node).map(Some),
                (None, Some(node)) => {
                    if node.value.as_bool() != Some(true) {
                        self.wrong(node, "`true`, or `share` in its place");
                    }
                    Some(None)
                }
                (Some(_), Some(node)) => {
                    self.problems.push(node.problem("a strict class has no share").expected("expected `share` or `strict: true`"));
                    None
                }
                (None, None) => {
                    let problem = item.problem("this class has neither `share` nor `strict`");
                    self.problems.push(problem.expected("expected `share: 50` or `strict: true`"));
                    None
                }
            };
            let Some(priorities) = priorities else { continue };
            if priorities == 0 {
                self.problems.push(item.problem("this class has no priority").expected("expected at least one"));
            } else if seen & priorities != 0 {
                self.problems.push(item.problem("a priority stands in two classes").expected("each priority is in one class"));
            }
            seen |= priorities;
            if let Some(share) = share {
                classes.push(ClassExpect { priorities: (0..8).filter(|bit| priorities >> bit & 1 == 1).collect(), share });
            }
        }
        if self.problems.len() > before {
            return None;
        }
        let sum: u32 = classes.iter().filter_map(|class| class.share).map(u32::from).sum();
        if classes.is_empty() || sum != 100 && classes.iter().any(|class| class.share.is_some()) {
            let message = if classes.is_empty() { "no class".to_string() } else { format!("the shares add up to {sum}") };
            self.problems.push(node.problem(message).expected("expected shares that add up to 100 (IEEE 802.1Qaz)"));
            return None;
        }
        Some(classes)
    }

    /// `50` or `50%`.
    fn share(&mut self, node: &Node<'_>) -> Option<u8> {
        let text = node.value.as_str().map(|text| text.strip_suffix('%').unwrap_or(text).trim());
        let number = text.map_or_else(|| node.value.as_u64(), |text| text.parse().ok());
        let share = number.and_then(|number| u8::try_from(number).ok()).filter(|share| (1..=100).contains(share));
        if share.is_none() {
            self.wrong(node, "a share from 1 to 100 per cent");
        }
        share
    }

    /// A mapping from applications to priorities.
    fn apps(&mut self, field: &Entry<'_>) -> Option<Vec<AppExpect>> {
        let words = AppId::ALL.map(AppId::word);
        let fields = self.fields(&field.node, &words)?;
        let mut apps = Vec::new();
        for entry in fields {
            let priority = self.number(&entry.node, 0..=7, "a priority").and_then(|priority| u8::try_from(priority).ok());
            let app = AppId::ALL.into_iter().find(|app| app.word() == entry.key);
            if let (Some(app), Some(priority)) = (app, priority) {
                apps.push(AppExpect { app, priority });
            }
        }
        Some(apps)
    }

    /// One name of a switch, or a list of them.
    pub(super) fn lldp_neighbor(&mut self, node: &Node<'_>) -> Option<Vec<String>> {
        let items = self.list(node, "the name of a switch, or a list of names")?;
        if items.is_empty() || items.len() > MOST_NEIGHBORS {
            self.wrong(node, &format!("from 1 to {MOST_NEIGHBORS} names of switches"));
            return None;
        }
        let names = items.iter().filter_map(|item| self.text(item, "the name of a switch, as it announces itself"));
        Some(names.map(str::to_string).collect())
    }
}

fn bit(priority: u64) -> Option<u8> {
    u32::try_from(priority).ok().filter(|priority| *priority < 8).map(|priority| 1 << priority)
}

/// `3`, `0-2`, `0-2,4-7` as bits.
fn ranges(text: &str) -> Option<u8> {
    let mut all = 0_u8;
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let digit = |text: &str| text.trim().parse::<u64>().ok().filter(|digit| *digit < 8);
        let (first, last) = (digit(first)?, digit(last)?);
        if first > last {
            return None;
        }
        all |= (first..=last).filter_map(bit).fold(0, |all, bit| all | bit);
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::ranges;

    #[test]
    fn ranges_of_priorities() {
        assert_eq!(ranges("3"), Some(8));
        assert_eq!(ranges("0-2,4-7"), Some(0b1111_0111));
        assert_eq!(ranges(" 0 - 1 , 7"), Some(0b1000_0011));
        for text in ["", "8", "3-1", "-1", "a", "1-", "0,,1"] {
            assert_eq!(ranges(text), None, "{text}");
        }
    }
}

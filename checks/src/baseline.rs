//! Baselines: named sets of kernel settings, each with a rule, and what is known to be harmful among such settings.
//!
//! Plain data and pure functions. The command reads `checks/catalogue/baselines/*.yaml` and a site's own files into
//! [`Baseline`]; the check `tuning` and `pathvet tune` compare with it and ask [`lint`].

mod keys;
mod lint;

pub use keys::{Kind, Shape, WATCHED, dotted, is_key, known, never_built_in, shape};
pub use lint::{Machine, Risk, Severity, lint, wrap_words};
pub(crate) use lint::{mtu_probing, no_pmtu_disc};

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// A named set of settings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Baseline {
    /// Its name: a word in lower case with hyphens.
    pub name: String,
    /// One line.
    pub title: String,
    /// What it is for, and what it is not for.
    pub purpose: String,
    /// Where the values come from.
    pub origin: Vec<String>,
    /// The baseline that it is built on, as written; its values are already among [`Baseline::values`].
    pub extends: Option<String>,
    /// What to know before it is used.
    pub warnings: Vec<String>,
    /// The longest exit latency of an idle state that is wanted, microseconds; `None` = not a matter of this baseline.
    pub idle_latency_us: Option<u32>,
    /// The file, as the user named it; `None` for what is built in.
    pub file: Option<String>,
    /// The settings, in the order of the file.
    pub values: Vec<Setting>,
}

/// One setting of a baseline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The key in dots, as `sysctl` prints it; a dot within an interface name is a slash.
    pub key: String,
    /// What its value must be.
    pub rule: Rule,
    /// What is written where [`Rule`] alone leaves it open.
    pub set: Option<String>,
    /// What the value does, and why it is wanted; may be empty in a site's own file.
    pub reason: String,
    /// What it costs, or when it is wrong.
    pub warning: Option<String>,
}

/// What a value must be. Values are texts of one or more fields, one space between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// This value.
    Equal(String),
    /// Every field at least this large: a larger buffer passes.
    AtLeast(String),
    /// Every field at most this large.
    AtMost(String),
    /// One of these.
    OneOf(Vec<String>),
    /// None of these.
    Not(Vec<String>),
}

impl Baseline {
    /// The setting of that key.
    #[must_use]
    pub fn setting(&self, key: &str) -> Option<&Setting> {
        self.values.iter().find(|setting| setting.key == key)
    }

    /// The values of `base` under this baseline's own: what both set is this one's, what `without` names is left out.
    pub fn build_on(&mut self, base: &Self, without: &[String]) {
        let own = core::mem::take(&mut self.values);
        self.values = base.values.iter().filter(|setting| !without.contains(&setting.key)).cloned().collect();
        for setting in own {
            match self.values.iter_mut().find(|known| known.key == setting.key) {
                Some(known) => *known = setting,
                None => self.values.push(setting),
            }
        }
    }
}

impl Setting {
    /// The value that makes a machine whose value is `running` follow the rule: `running` itself where it does already, and
    /// never less than it of what must be at least. `None` where the rule says only what the value must not be.
    #[must_use]
    pub fn target(&self, running: Option<&str>) -> Option<String> {
        if let Some(running) = running.filter(|running| self.rule.holds(running)) {
            return Some(normal(running));
        }
        if let Some(set) = &self.set {
            return Some(set.clone());
        }
        match &self.rule {
            Rule::Equal(value) => Some(value.clone()),
            Rule::AtLeast(value) => Some(fieldwise(value, running, i128::max)),
            Rule::AtMost(value) => Some(fieldwise(value, running, i128::min)),
            Rule::OneOf(values) => values.first().cloned(),
            Rule::Not(_) => None,
        }
    }
}

impl Rule {
    /// Whether a value follows the rule. White space does not matter, numbers are compared as numbers, and values of several
    /// fields field by field.
    #[must_use]
    pub fn holds(&self, value: &str) -> bool {
        match self {
            Self::Equal(wanted) => same(wanted, value),
            Self::AtLeast(least) => every(least, value, |least, value| value >= least),
            Self::AtMost(most) => every(most, value, |most, value| value <= most),
            Self::OneOf(values) => values.iter().any(|wanted| same(wanted, value)),
            Self::Not(values) => !values.iter().any(|unwanted| same(unwanted, value)),
        }
    }

    /// The word for it in a file: `equal`, `at_least`, `at_most`, `one_of`, `not`.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Equal(_) => "equal",
            Self::AtLeast(_) => "at_least",
            Self::AtMost(_) => "at_most",
            Self::OneOf(_) => "one_of",
            Self::Not(_) => "not",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equal(value) => f.write_str(value),
            Self::AtLeast(value) => write!(f, "at least {value}"),
            Self::AtMost(value) => write!(f, "at most {value}"),
            Self::OneOf(values) => write!(f, "{}", values.join(" or ")),
            Self::Not(values) => write!(f, "not {}", values.join(" or ")),
        }
    }
}

/// A value with single spaces between its fields and none around them.
#[must_use]
pub fn normal(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for field in value.split_whitespace() {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(field);
    }
    text
}

/// The fields of a value as numbers; `None` where one is none.
pub(crate) fn numbers(value: &str) -> Option<Vec<i128>> {
    value.split_whitespace().map(|field| field.parse().ok()).collect()
}

fn same(one: &str, other: &str) -> bool {
    let equal = |(one, other): (&str, &str)| {
        one == other || one.parse::<i128>().is_ok_and(|one| other.parse::<i128>().is_ok_and(|other| one == other))
    };
    one.split_whitespace().count() == other.split_whitespace().count()
        && one.split_whitespace().zip(other.split_whitespace()).all(equal)
}

/// Whether both have the same number of fields, all numbers, and `right` holds of each pair.
fn every(wanted: &str, value: &str, right: impl Fn(i128, i128) -> bool) -> bool {
    let (Some(wanted), Some(value)) = (numbers(wanted), numbers(value)) else { return false };
    wanted.len() == value.len() && !wanted.is_empty() && wanted.iter().zip(&value).all(|(wanted, value)| right(*wanted, *value))
}

fn fieldwise(wanted: &str, running: Option<&str>, pick: impl Fn(i128, i128) -> i128) -> String {
    let both = numbers(wanted).zip(running.and_then(numbers)).filter(|(wanted, running)| wanted.len() == running.len());
    let Some((wanted, running)) = both else { return wanted.to_owned() };
    let fields: Vec<String> = wanted.iter().zip(&running).map(|(wanted, running)| format!("{}", pick(*wanted, *running))).collect();
    fields.join(" ")
}

/// A number of bytes in the largest unit that shows it exactly, else with one decimal: `64 GiB`, `212,992 bytes`, `1.5 MiB`.
#[must_use]
pub fn bytes_words(bytes: u128) -> String {
    const UNITS: [(&str, u32); 5] = [("PiB", 50), ("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let Some((unit, shift)) = UNITS.iter().find(|(_, shift)| bytes >> shift > 0) else { return format!("{bytes} bytes") };
    let (whole, rest) = (bytes >> shift, bytes & ((1_u128 << shift) - 1));
    // Rounded to the nearest tenth; of what rounds up to the next unit only the digits differ.
    let tenths = ((rest * 10) + (1_u128 << (shift - 1))) >> shift;
    match tenths {
        0 => format!("{whole} {unit}"),
        10 => format!("{} {unit}", whole + 1),
        tenths => format!("{whole}.{tenths} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(rule: Rule) -> Setting {
        Setting { key: "net.core.rmem_max".into(), rule, set: None, reason: String::new(), warning: None }
    }

    #[test]
    fn values_are_compared_by_fields_and_as_numbers() {
        let equal = Rule::Equal("4096 87380 16777216".into());
        assert!(equal.holds("4096\t87380\t16777216\n"));
        assert!(equal.holds(" 04096  87380 16777216"));
        assert!(!equal.holds("4096 87380"));
        assert!(!equal.holds("4096 87380 16777216 1"));
        let least = Rule::AtLeast("4096 87380 16777216".into());
        assert!(least.holds("4096 131072 33554432"), "a larger buffer passes");
        assert!(!least.holds("4096 131072 6291456"));
        assert!(!least.holds("33554432"));
        assert!(!least.holds("4096 87380 many"));
        assert!(!Rule::AtLeast(String::new()).holds(""));
        assert!(Rule::AtMost("1048576".into()).holds("212992"));
        assert!(!Rule::AtMost("1048576".into()).holds("1048577"));
        assert!(Rule::OneOf(alloc::vec!["fq".into(), "fq_codel".into()]).holds("fq_codel"));
        assert!(!Rule::Not(alloc::vec!["0".into()]).holds("0"));
        assert!(Rule::Not(alloc::vec!["0".into()]).holds("2"));
    }

    #[test]
    fn a_target_keeps_what_already_passes_and_lowers_no_buffer() {
        let least = setting(Rule::AtLeast("4096 87380 16777216".into()));
        assert_eq!(least.target(None).as_deref(), Some("4096 87380 16777216"));
        assert_eq!(least.target(Some("4096\t131072\t33554432")).as_deref(), Some("4096 131072 33554432"));
        assert_eq!(least.target(Some("4096 131072 6291456")).as_deref(), Some("4096 131072 16777216"));
        assert_eq!(least.target(Some("what")).as_deref(), Some("4096 87380 16777216"));
        assert_eq!(setting(Rule::AtMost("5".into())).target(Some("9")).as_deref(), Some("5"));
        assert_eq!(setting(Rule::OneOf(alloc::vec!["a".into(), "b".into()])).target(Some("c")).as_deref(), Some("a"));
        let not = setting(Rule::Not(alloc::vec!["0".into()]));
        assert_eq!(not.target(Some("2")).as_deref(), Some("2"));
        assert_eq!(not.target(Some("0")), None);
        let told = Setting { set: Some("1".into()), ..not };
        assert_eq!(told.target(Some("0")).as_deref(), Some("1"));
    }

    #[test]
    fn a_baseline_is_built_on_another() {
        let value =
            |key: &str, value: &str| Setting { key: key.into(), rule: Rule::Equal(value.into()), ..setting(Rule::Not(Vec::new())) };
        let base = Baseline { values: alloc::vec![value("a", "1"), value("b", "1"), value("c", "1")], ..Baseline::default() };
        let mut site = Baseline { values: alloc::vec![value("d", "2"), value("b", "2")], ..Baseline::default() };
        site.build_on(&base, &["c".into()]);
        let got: Vec<_> = site.values.iter().map(|setting| format!("{}={}", setting.key, setting.rule)).collect();
        assert_eq!(got, ["a=1", "b=2", "d=2"]);
    }

    #[test]
    fn sizes_in_words() {
        assert_eq!(bytes_words(16_777_216 * 4096), "64 GiB");
        assert_eq!(bytes_words(16_777_216 * 65_536), "1 TiB");
        assert_eq!(bytes_words(212_992), "208 KiB");
        assert_eq!(bytes_words(10_000_000 * 4096), "38.1 GiB");
        assert_eq!(bytes_words(1023), "1023 bytes");
        assert_eq!(bytes_words(2 * 1024 * 1024 - 1), "2 MiB");
    }
}

//! `opensm.conf` and `partitions.conf`, as `OpenSM` 3.3 reads them (its `doc/partition-config.txt`), and Debian's
//! `/etc/default/opensm`.

use super::infiniband::{guid, mbps_of_code, mtu_of_code, number, show_guid};
use super::{Fault, line_number, quoted};
use crate::evidence::{Partition, SmConfig};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// `P_Key` of the default partition, without the membership bit.
const DEFAULT_PKEY: u16 = 0x7fff;
/// What a group has where the file does not say: MTU code 4, rate code 3.
const DEFAULT_MTU: u16 = 2048;
const DEFAULT_RATE: u32 = 10_000;

/// Options of `opensm.conf` that matter here, and where its partitions file is, if it names one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// The options, without file names and partitions.
    pub config: SmConfig,
    /// `partition_config_file`.
    pub partition_config_file: Option<String>,
}

/// Reads `opensm.conf`: an option and its value in each line, `#` before a comment, `(null)` for no value. Of an option that
/// stands there twice the last counts.
#[must_use]
pub fn options(text: &str) -> (Options, Vec<Fault>) {
    let mut found = Options::default();
    let mut faults = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split([' ', '\t', '=']).filter(|word| !word.trim().is_empty());
        let Some(key) = words.next().map(str::trim) else { continue };
        let value = words.next().map(str::trim).filter(|value| *value != "(null)");
        if let Err(message) = option(&mut found, key, value) {
            faults.push(Fault::new(line_number(index), key, message));
        }
    }
    (found, faults)
}

fn option(found: &mut Options, key: &str, value: Option<&str>) -> Result<(), String> {
    let wants = matches!(key, "guid" | "sm_priority" | "sminfo_polling_timeout" | "polling_retry_number" | "partition_config_file");
    if !wants {
        return Ok(());
    }
    let Some(value) = value else {
        return if key == "partition_config_file" { Ok(()) } else { Err("the value is missing".into()) };
    };
    let whole =
        || number(value).and_then(|number| u32::try_from(number).ok()).ok_or_else(|| format!("`{}` is no number", quoted(value)));
    match key {
        "guid" => found.config.guid = Some(guid(value)?).filter(|guid| *guid != 0).map(show_guid),
        "sm_priority" => {
            let priority = whole()?;
            let lawful = u8::try_from(priority).ok().filter(|priority| *priority <= 15);
            found.config.priority = Some(lawful.ok_or_else(|| format!("`{}` is no priority; expected 0 to 15", quoted(value)))?);
        }
        "sminfo_polling_timeout" => found.config.polling_timeout_ms = Some(whole()?),
        "polling_retry_number" => found.config.polling_retries = Some(whole()?),
        _ => found.partition_config_file = Some(value.to_string()),
    }
    Ok(())
}

/// The ports that Debian's `/etc/default/opensm` starts a manager on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ports {
    /// Every port.
    All,
    /// None: the manager is off.
    None,
    /// The ports with these GUIDs, normalised.
    Guids(Vec<String>),
}

/// Reads `PORTS=` of `/etc/default/opensm`; the last one counts. `None`: the file does not set it.
#[must_use]
pub fn ports(text: &str) -> (Option<Ports>, Vec<Fault>) {
    let mut found = None;
    let mut faults = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let Some(value) = line.trim().strip_prefix("PORTS=") else { continue };
        let value = value.split('#').next().unwrap_or_default().trim().trim_matches(['"', '\'']).trim();
        found = Some(match value {
            "ALL" => Ports::All,
            "NONE" => Ports::None,
            _ => {
                let mut guids = Vec::new();
                for word in value.split_whitespace() {
                    match guid(word) {
                        Ok(guid) => guids.push(show_guid(guid)),
                        Err(message) => faults.push(Fault::new(line_number(index), "PORTS", message)),
                    }
                }
                Ports::Guids(guids)
            }
        });
    }
    (found, faults)
}

/// Reads `partitions.conf`. Where it has no default partition, the one that `OpenSM` makes all the same stands at the end, with
/// line 0: the manager's own port is a full member of it, every other a limited one, and it has no `IPoIB` group.
#[must_use]
pub fn partitions(text: &str) -> (Vec<Partition>, Vec<Fault>) {
    let mut found: Vec<Partition> = Vec::new();
    let mut faults = Vec::new();
    let mut places: BTreeMap<u16, usize> = BTreeMap::new();
    for (rule, line) in rules(text, &mut faults) {
        if let Some(partition) = partition(&rule, line, &mut faults) {
            let at = *places.entry(partition.pkey).or_insert(found.len());
            match found.get_mut(at) {
                Some(known) => join(known, partition),
                None => found.push(partition),
            }
        }
    }
    if !places.contains_key(&DEFAULT_PKEY) {
        let members = [("ALL", "limited"), ("SELF", "full")].map(|(member, kind)| (member.to_string(), kind.to_string()));
        found.push(Partition { members: members.into(), ..empty("Default", DEFAULT_PKEY, 0) });
    }
    (found, faults)
}

fn empty(name: &str, pkey: u16, line: u32) -> Partition {
    Partition {
        name: name.to_string(),
        pkey,
        ipoib: false,
        mtu: DEFAULT_MTU,
        rate_mbps: DEFAULT_RATE,
        sl: None,
        members: BTreeMap::new(),
        line,
    }
}

/// One piece of a rule, and its line.
struct Piece {
    text: String,
    line: u32,
}

/// The rules of a file: everything up to a `;`, without comments, with the line on which they begin. White space means nothing.
fn rules(text: &str, faults: &mut Vec<Fault>) -> Vec<(Vec<Piece>, u32)> {
    let mut rules = Vec::new();
    let mut pieces: Vec<Piece> = Vec::new();
    let mut open = None;
    for (index, line) in text.strip_prefix('\u{feff}').unwrap_or(text).lines().enumerate() {
        let number = line_number(index);
        let line = line.split('#').next().unwrap_or_default();
        let mut rest = line;
        loop {
            let (part, more) = rest.split_once(';').map_or((rest, None), |(part, more)| (part, Some(more)));
            if !part.trim().is_empty() {
                open.get_or_insert(number);
                pieces.push(Piece { text: part.to_string(), line: number });
            }
            let Some(more) = more else { break };
            if let Some(begun) = open.take() {
                rules.push((core::mem::take(&mut pieces), begun));
            }
            rest = more;
        }
    }
    if let Some(line) = open {
        let shown = pieces.first().map(|piece| quoted(piece.text.trim())).unwrap_or_default();
        faults.push(Fault::new(line, "partition", format!("`{shown}` has no `;` at its end; OpenSM does not read it")));
    }
    rules
}

/// Splits the pieces of a rule at its first `:` into the definition and the members.
fn halves(rule: &[Piece]) -> (Vec<Piece>, Option<Vec<Piece>>) {
    let mut definition = Vec::new();
    let mut members: Option<Vec<Piece>> = None;
    for Piece { text, line } in rule {
        let piece = |text: &str| Piece { text: text.to_string(), line: *line };
        match &mut members {
            Some(members) => members.push(piece(text)),
            None => match text.split_once(':') {
                Some((before, after)) => {
                    definition.push(piece(before));
                    members = Some(Vec::from([piece(after)]));
                }
                None => definition.push(piece(text)),
            },
        }
    }
    (definition, members)
}

/// The words between commas, with their lines; without the white space around and within `=`.
fn words(pieces: &[Piece]) -> impl Iterator<Item = (u32, &str, Option<&str>)> {
    let split = pieces.iter().flat_map(|piece| piece.text.split(',').map(move |word| (piece.line, word.trim())));
    split.filter(|(_, word)| !word.is_empty()).map(|(line, word)| match word.split_once('=') {
        Some((key, value)) => (line, key.trim(), Some(value.trim())),
        None => (line, word, None),
    })
}

fn partition(rule: &[Piece], line: u32, faults: &mut Vec<Fault>) -> Option<Partition> {
    let (definition, members) = halves(rule);
    let mut words = words(&definition);
    let Some((_, name, key)) = words.next() else {
        faults.push(Fault::new(line, "partition", "a rule without a name or P_Key".to_string()));
        return None;
    };
    let key = match key {
        Some(key) => {
            let lawful = number(key).and_then(|key| u16::try_from(key).ok()).map(|key| key & 0x7fff).filter(|key| *key != 0);
            if lawful.is_none() {
                faults.push(Fault::new(line, name, format!("`{}` is no P_Key; expected 0x0001 to 0x7fff", quoted(key))));
                return None;
            }
            lawful
        }
        None if name.eq_ignore_ascii_case("Default") => Some(DEFAULT_PKEY),
        // The name may be left out.
        None => number(name).and_then(|key| u16::try_from(key).ok()).map(|key| key & 0x7fff).filter(|key| *key != 0),
    };
    let Some(pkey) = key else {
        faults.push(Fault::new(line, name, "has no P_Key; OpenSM chooses one, which is not known here".to_string()));
        return None;
    };
    let mut found = empty(&quoted(name), pkey, line);
    let mut default = "limited";
    for (line, key, value) in words {
        if let Err(message) = flag(&mut found, &mut default, key, value) {
            faults.push(Fault::new(line, key, message));
        }
    }
    if members.is_none() {
        faults.push(Fault::new(line, name, "has no `:` and so no members".to_string()));
    }
    for (line, member, value) in self::words(members.as_deref().unwrap_or_default()) {
        // A multicast group of its own stands on its own lines.
        if member.starts_with("mgid") {
            continue;
        }
        match membership(member, value.unwrap_or(default)) {
            Ok((member, kind)) => {
                found.members.insert(member, kind.to_string());
            }
            // Flags of a multicast group follow its mgid; as members they are none.
            Err(_) if is_flag(member) => {}
            Err(message) => faults.push(Fault::new(line, member, message)),
        }
    }
    Some(found)
}

const FLAGS: [&str; 10] = ["ipoib", "mtu", "rate", "sl", "scope", "defmember", "indx0", "q_key", "tclass", "flowlabel"];

fn is_flag(word: &str) -> bool {
    FLAGS.iter().any(|flag| flag.eq_ignore_ascii_case(word))
}

fn flag(found: &mut Partition, default: &mut &'static str, key: &str, value: Option<&str>) -> Result<(), String> {
    let code = || {
        let value = value.ok_or_else(|| "the value is missing".to_string())?;
        number(value).ok_or_else(|| format!("`{}` is no number", quoted(value)))
    };
    match key.to_ascii_lowercase().as_str() {
        "ipoib" => found.ipoib = true,
        "mtu" => {
            let code = code()?;
            found.mtu =
                mtu_of_code(code).ok_or_else(|| match (1..=5).find(|known| mtu_of_code(*known).map(u64::from) == Some(code)) {
                    Some(meant) => format!("{code} is no code; {code} bytes are mtu={meant}"),
                    None => format!("{code} is no code; expected 1 to 5, for 256, 512, 1024, 2048 and 4096 bytes"),
                })?;
        }
        "rate" => {
            let code = code()?;
            found.rate_mbps =
                mbps_of_code(code).ok_or_else(|| format!("{code} is no code; expected 2 to 24, such as 7 for 40 Gb/s"))?;
        }
        "sl" => {
            let code = code()?;
            let level = u8::try_from(code).ok().filter(|level| *level <= 15);
            found.sl = Some(level.ok_or_else(|| format!("{code} is no service level; expected 0 to 15"))?);
        }
        "defmember" => *default = kind(value.unwrap_or_default())?,
        _ if is_flag(key) => {}
        _ => return Err(format!("no flag of a partition; expected one of {}", FLAGS.join(", "))),
    }
    Ok(())
}

/// `full`, `limited` or `both`.
fn kind(text: &str) -> Result<&'static str, String> {
    let known = ["full", "limited", "both"].into_iter().find(|kind| kind.eq_ignore_ascii_case(text));
    known.ok_or_else(|| format!("`{}` is no membership; expected full, limited or both", quoted(text)))
}

fn membership(member: &str, value: &str) -> Result<(String, &'static str), String> {
    const GROUPS: [&str; 6] = ["ALL", "ALL_CAS", "ALL_VCAS", "ALL_SWITCHES", "ALL_ROUTERS", "SELF"];
    let kind = kind(value)?;
    match GROUPS.iter().find(|group| group.eq_ignore_ascii_case(member)) {
        Some(group) => Ok(((*group).to_string(), kind)),
        None => match number(member).filter(|guid| *guid != 0) {
            Some(guid) => Ok((show_guid(guid), kind)),
            None => Ok((show_guid(guid(member)?), kind)),
        },
    }
}

/// Adds what another rule says of the same partition.
fn join(known: &mut Partition, more: Partition) {
    if more.ipoib && !known.ipoib {
        (known.ipoib, known.mtu, known.rate_mbps, known.line) = (true, more.mtu, more.rate_mbps, more.line);
        known.sl = more.sl.or(known.sl);
    }
    for (member, kind) in more.members {
        // Full membership, once given, is not taken away by another rule.
        let kept = known.members.entry(member).or_default();
        if kept.is_empty() || kind == "full" || (kind == "both" && kept != "full") {
            *kept = kind;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Partition {
        let (found, faults) = partitions(text);
        assert_eq!(faults, [], "{text}");
        found.into_iter().next().expect("a partition")
    }

    #[test]
    fn the_line_of_the_home_lab() {
        let found = one("Default=0x7fff,ipoib,mtu=5:ALL=full;\n");
        assert_eq!(
            (found.name.as_str(), found.pkey, found.ipoib, found.mtu, found.rate_mbps, found.line),
            ("Default", 0x7fff, true, 4096, 10_000, 1)
        );
        assert_eq!(found.members, [("ALL".to_string(), "full".to_string())].into());
        assert_eq!(partitions("Default=0x7fff,ipoib,mtu=5:ALL=full;").0.len(), 1, "nothing is implied beside it");
    }

    #[test]
    fn white_space_comments_and_lines_mean_nothing() {
        let text = "# all\n Default = 0xffff , ipoib , mtu = 5 ,\n  rate=7, sl=3 : # members\n ALL, SELF = full,\n 0x2c90300aa0001=both ;YourSwitch=0x1:ALL_SWITCHES;";
        let (found, faults) = partitions(text);
        assert_eq!(faults, []);
        assert_eq!(
            (found[0].pkey, found[0].mtu, found[0].rate_mbps, found[0].sl, found[0].line),
            (0x7fff, 4096, 40_000, Some(3), 2)
        );
        let members: Vec<_> = found[0].members.iter().map(|(member, kind)| (member.as_str(), kind.as_str())).collect();
        assert_eq!(members, [("0x0002c90300aa0001", "both"), ("ALL", "limited"), ("SELF", "full")]);
        assert_eq!((found[1].name.as_str(), found[1].pkey, found[1].ipoib, found[1].line), ("YourSwitch", 1, false, 5));
    }

    #[test]
    fn without_a_default_rule_others_are_limited_members() {
        let (found, _) = partitions("Storage=0x8001,ipoib,defmember=full:ALL;");
        assert_eq!((found[0].pkey, found[0].members["ALL"].as_str()), (1, "full"));
        let last = found.last().expect("the implied one");
        assert_eq!((last.pkey, last.ipoib, last.line, last.members["ALL"].as_str()), (0x7fff, false, 0, "limited"));
        assert_eq!(partitions("").0.len(), 1);
    }

    #[test]
    fn rules_of_one_partition_are_joined() {
        let (found, _) = partitions("Default=0x7fff:ALL=limited;\nDefault=0x7fff,ipoib,mtu=4:SELF=full,ALL=full;");
        assert_eq!((found.len(), found[0].ipoib, found[0].mtu, found[0].line), (1, true, 2048, 2));
        assert_eq!(found[0].members["ALL"], "full");
    }

    #[test]
    fn mistakes_have_lines_and_the_rest_is_read() {
        let text = "Default=0x7fff,ipoib,mtu=4096:ALL=full;\nA=0x99999:ALL;\nB=0x2,\nmtuu=4:\nALL=ful;\nC=0x3,rate=99,sl=16:0xzz;\nD:ALL;\nE=0x5;\n=;:;\nF=0x6,ipoib:ALL=full";
        let (found, faults) = partitions(text);
        let places: Vec<_> = faults.iter().map(|fault| (fault.line, fault.field.as_str())).collect();
        let expected = [
            (10, "partition"),
            (1, "mtu"),
            (2, "A"),
            (4, "mtuu"),
            (5, "ALL"),
            (6, "rate"),
            (6, "sl"),
            (6, "0xzz"),
            (7, "D"),
            (8, "E"),
            (9, ""),
            (9, "partition"),
        ];
        assert_eq!(places, expected, "{faults:#?}");
        assert!(faults[1].message.contains("4096 bytes are mtu=5"), "{}", faults[1].message);
        assert_eq!(found.iter().map(|partition| partition.pkey).collect::<Vec<_>>(), [0x7fff, 2, 3, 5]);
    }

    #[test]
    fn options_of_opensm() {
        let text = "# guid\nguid 0x0002c90300aa0001\n\nsm_priority 13\nsminfo_polling_timeout\t1000\npolling_retry_number 2\n\
                    partition_config_file /etc/opensm/p.conf\nsm_key 0x0000000000000001\nlog_file (null)\n";
        let (found, faults) = options(text);
        assert_eq!(faults, []);
        assert_eq!(found.config.guid.as_deref(), Some("0x0002c90300aa0001"));
        assert_eq!(
            (found.config.priority, found.config.polling_timeout_ms, found.config.polling_retries),
            (Some(13), Some(1000), Some(2))
        );
        assert_eq!(found.partition_config_file.as_deref(), Some("/etc/opensm/p.conf"));
        let (found, faults) =
            options("guid 0x0000000000000000\nsm_priority 16\nsminfo_polling_timeout soon\npolling_retry_number\n");
        assert_eq!(found, Options::default());
        assert_eq!(faults.iter().map(|fault| fault.line).collect::<Vec<_>>(), [2, 3, 4]);
    }

    #[test]
    fn the_ports_of_debian() {
        assert_eq!(ports("#PORTS=\"0x1\"\nPORTS=ALL\n").0, Some(Ports::All));
        assert_eq!(ports("PORTS=\"NONE\"").0, Some(Ports::None));
        let (found, faults) = ports("PORTS=\"0x0002c9030002fce9 x\"");
        assert_eq!((found, faults.len()), (Some(Ports::Guids(["0x0002c9030002fce9".to_string()].into())), 1));
        assert_eq!(ports("").0, None);
    }
}

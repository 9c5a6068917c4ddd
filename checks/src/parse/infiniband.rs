//! The words and numbers of InfiniBand, as sysfs and the diagnostic tools print them.

use super::quoted;
use alloc::format;
use alloc::string::{String, ToString};

/// A rate of a port, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Signalling rate over all lanes, Mb/s.
    pub mbps: u32,
    /// What is left of it for data, Mb/s; `None` where the speed is not named.
    pub data_mbps: Option<u32>,
    /// Lanes.
    pub width: Option<u8>,
    /// Speed of a lane.
    pub speed: Option<Speed>,
}

/// Speed of one lane (IBA `LinkSpeedActive`, `LinkSpeedExtActive`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are those of the standard")]
pub enum Speed {
    Sdr,
    Ddr,
    Qdr,
    Fdr10,
    Fdr,
    Edr,
    Hdr,
    Ndr,
    Xdr,
}

impl Speed {
    const ALL: [(Self, &'static str); 9] = [
        (Self::Sdr, "SDR"),
        (Self::Ddr, "DDR"),
        (Self::Qdr, "QDR"),
        (Self::Fdr10, "FDR10"),
        (Self::Fdr, "FDR"),
        (Self::Edr, "EDR"),
        (Self::Hdr, "HDR"),
        (Self::Ndr, "NDR"),
        (Self::Xdr, "XDR"),
    ];

    /// Its name, in capitals.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(speed, _)| *speed == self).map_or("", |(_, name)| name)
    }

    /// The speed of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| known.eq_ignore_ascii_case(name)).map(|(speed, _)| *speed)
    }

    /// Signalling rate of one lane in hundredths of Mb/s: SDR 2.5 Gb/s, FDR 14.0625, EDR 25.78125, HDR 53.125.
    const fn lane(self) -> u64 {
        match self {
            Self::Sdr => 250_000,
            Self::Ddr => 500_000,
            Self::Qdr => 1_000_000,
            Self::Fdr10 => 1_031_250,
            Self::Fdr => 1_406_250,
            Self::Edr => 2_578_125,
            Self::Hdr => 5_312_500,
            Self::Ndr => 10_625_000,
            Self::Xdr => 21_250_000,
        }
    }

    /// Signalling rate of so many lanes, Mb/s.
    #[must_use]
    pub fn mbps(self, lanes: u8) -> u32 {
        u32::try_from(self.lane() * u64::from(lanes) / 100).unwrap_or(u32::MAX)
    }

    /// Data rate of so many lanes, Mb/s: 8b/10b up to QDR, 64b/66b from FDR10 to EDR, 256b/257b and RS(544,514) above.
    #[must_use]
    pub fn data_mbps(self, lanes: u8) -> u32 {
        let signal = self.lane() * u64::from(lanes);
        let data = match self {
            Self::Sdr | Self::Ddr | Self::Qdr => signal * 8 / 10,
            Self::Fdr10 | Self::Fdr | Self::Edr => signal * 64 / 66,
            Self::Hdr | Self::Ndr | Self::Xdr => signal * 514 * 256 / (544 * 257),
        };
        u32::try_from(data / 100).unwrap_or(u32::MAX)
    }
}

/// Reads a rate: `40 Gb/sec (4X QDR)`, `10 Gb/sec (4X)` of old kernels (SDR has no name there), or ibstat's number alone.
///
/// # Errors
/// What is wrong with it.
pub fn rate(text: &str) -> Result<Rate, String> {
    let wrong = || format!("`{}` is no rate; expected one such as `40 Gb/sec (4X QDR)`", quoted(text));
    let text_trimmed = text.trim();
    let end = text_trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text_trimmed.len());
    let printed = tenths(&text_trimmed[..end]).ok_or_else(wrong)?;
    let rest = text_trimmed[end..].trim();
    if rest.is_empty() {
        return Ok(Rate { mbps: printed * 100, data_mbps: None, width: None, speed: None });
    }
    let rest = rest.strip_prefix("Gb/sec").or_else(|| rest.strip_prefix("Gbps")).ok_or_else(wrong)?.trim();
    if rest.is_empty() {
        return Ok(Rate { mbps: printed * 100, data_mbps: None, width: None, speed: None });
    }
    let inner = rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).ok_or_else(wrong)?;
    let mut words = inner.split_whitespace();
    let width = words.next().and_then(lanes).ok_or_else(wrong)?;
    let speed = match words.next() {
        None => Speed::Sdr,
        Some(name) => Speed::from_name(name).ok_or_else(wrong)?,
    };
    if words.next().is_some() {
        return Err(wrong());
    }
    Ok(Rate { mbps: speed.mbps(width), data_mbps: Some(speed.data_mbps(width)), width: Some(width), speed: Some(speed) })
}

/// Lanes: `4X` or `4x`.
#[must_use]
pub fn lanes(text: &str) -> Option<u8> {
    let number: u8 = text.strip_suffix(['X', 'x'])?.parse().ok()?;
    matches!(number, 1 | 2 | 4 | 8 | 12).then_some(number)
}

/// A number with at most one decimal, in tenths; up to 10,000.
fn tenths(text: &str) -> Option<u32> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digit = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 5 || part.len() != 1 || !digit(whole) || !digit(part) {
        return None;
    }
    let number = whole.parse::<u32>().ok()? * 10 + part.parse::<u32>().ok()?;
    (1..=100_000).contains(&number).then_some(number)
}

/// Logical states of a port, by number (IBA `PortInfo:PortState`), in ibstat's words.
pub const STATES: [&str; 6] = ["NoChange", "Down", "Initializing", "Armed", "Active", "ActiveDefer"];

/// Physical states of a port, by number (IBA `PortInfo:PortPhysicalState`), in the kernel's words.
pub const PHYS_STATES: [&str; 8] =
    ["NoChange", "Sleep", "Polling", "Disabled", "PortConfigurationTraining", "LinkUp", "LinkErrorRecovery", "PhyTest"];

/// Reads a logical state: sysfs `4: ACTIVE`, ibstat `Active`, rdma `ACTIVE`.
///
/// # Errors
/// What is wrong with it.
pub fn state(text: &str) -> Result<String, String> {
    numbered(text, &STATES, |word| match word {
        "init" | "initialize" => Some(2),
        "nop" => Some(0),
        _ => None,
    })
    .ok_or_else(|| format!("`{}` is no state of a port; expected one such as `4: ACTIVE`", quoted(text)))
}

/// Reads a physical state: sysfs `5: LinkUp`, ibstat `LinkUp`, rdma `LINK_UP`.
///
/// # Errors
/// What is wrong with it.
pub fn phys_state(text: &str) -> Result<String, String> {
    numbered(text, &PHYS_STATES, |word| match word {
        "nop" => Some(0),
        "test" => Some(7),
        _ => None,
    })
    .ok_or_else(|| format!("`{}` is no physical state; expected one such as `5: LinkUp`", quoted(text)))
}

/// A word of a list, by its number where one stands before it. Number and word must not contradict each other.
fn numbered(text: &str, words: &[&str], synonym: impl Fn(&str) -> Option<usize>) -> Option<String> {
    let plain = |word: &str| -> String {
        word.chars().filter(|c| !matches!(c, '_' | '-') && !c.is_whitespace()).flat_map(char::to_lowercase).collect()
    };
    let (number, word) = match text.split_once(':') {
        Some((number, word)) => (Some(number.trim().parse::<usize>().ok()?), word.trim()),
        None => (None, text.trim()),
    };
    let wanted = plain(word);
    let by_word = words.iter().position(|known| plain(known) == wanted).or_else(|| synonym(&wanted));
    let at = match (number, by_word) {
        (Some(number), Some(word)) if number != word => return None,
        // Words of a number differ between kernels and drivers; the number is the standard's.
        (Some(number), _) => number,
        (None, word) => word?,
    };
    words.get(at).map(|word| (*word).to_string())
}

/// Reads a GUID in any usual spelling: `0x2c90300aa0001`, `0002c90300aa0001`, `0002:c903:00aa:0001`.
///
/// # Errors
/// What is wrong with it.
pub fn guid(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{}` is no GUID; expected one such as `0x0002c90300aa0001`", quoted(text));
    let text = text.trim();
    let prefixed = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let digits = prefixed.unwrap_or(text);
    let hex = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let parts = digits.split(':').count();
    let lawful = match parts {
        1 => digits.len() <= 16 && hex(digits) && (prefixed.is_some() || digits.len() >= 12),
        4 => digits.split(':').all(|part| part.len() == 4 && hex(part)),
        8 => digits.split(':').all(|part| part.len() == 2 && hex(part)),
        _ => false,
    };
    if !lawful {
        return Err(wrong());
    }
    let joined: String = digits.chars().filter(|c| *c != ':').collect();
    u64::from_str_radix(&joined, 16).map_err(|_| wrong())
}

/// A GUID as the evidence has it: `0x` and 16 digits.
#[must_use]
pub fn show_guid(guid: u64) -> String {
    format!("{guid:#018x}")
}

/// A GID, eight groups of four digits: subnet prefix and GUID.
#[must_use]
pub fn gid(text: &str) -> Option<(u64, u64)> {
    let text = text.trim();
    if text.len() != 39 || text.split(':').count() != 8 {
        return None;
    }
    let (prefix, id) = text.split_at(19);
    Some((guid(prefix).ok()?, guid(id.strip_prefix(':')?).ok()?))
}

/// A number in decimal, or in hexadecimal after `0x`.
#[must_use]
pub fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) if !digits.starts_with('+') => u64::from_str_radix(digits, 16).ok(),
        None if !text.starts_with('+') => text.parse().ok(),
        _ => None,
    }
}

/// The link layer in the kernel's word; old tools say `IB`.
#[must_use]
pub fn link_layer(text: &str) -> Option<&'static str> {
    match text.trim() {
        "InfiniBand" | "IB" => Some("InfiniBand"),
        "Ethernet" => Some("Ethernet"),
        _ => None,
    }
}

/// Bytes of an MTU code: 1 to 5 are 256, 512, 1024, 2048, 4096 (IBA `PortInfo:NeighborMTU`).
#[must_use]
pub fn mtu_of_code(code: u64) -> Option<u16> {
    (1..=5).contains(&code).then(|| 128_u16 << code)
}

/// Mb/s of a rate code (IBA table 224, `PathRecord:Rate`; `OpenSM`'s partition-config.txt has the same list). Gb/s are those of
/// the names: 14 is FDR on one lane, 56 on four.
#[must_use]
pub fn mbps_of_code(code: u64) -> Option<u32> {
    Some(match code {
        2 => 2_500,
        3 => 10_000,
        4 => 30_000,
        5 => 5_000,
        6 => 20_000,
        7 => 40_000,
        8 => 60_000,
        9 => 80_000,
        10 => 120_000,
        11 => 14_000,
        12 => 56_000,
        13 => 112_000,
        14 => 168_000,
        15 => 25_000,
        16 => 100_000,
        17 => 200_000,
        18 => 300_000,
        19 => 28_000,
        20 => 50_000,
        21 => 400_000,
        22 => 600_000,
        23 => 800_000,
        24 => 1_200_000,
        _ => return None,
    })
}

/// States of a subnet manager, by number (IBA `SMInfo:SMState`).
pub const SM_STATES: [&str; 4] = ["NOTACTIVE", "DISCOVERING", "STANDBY", "MASTER"];

/// The name of a subnet manager's state.
#[must_use]
pub fn sm_state(number: u64) -> Option<&'static str> {
    SM_STATES.get(usize::try_from(number).ok()?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_of_every_speed() {
        for (text, mbps, data, width, speed) in [
            ("2.5 Gb/sec (1X SDR)", 2_500, 2_000, 1, "SDR"),
            ("10 Gb/sec (4X)", 10_000, 8_000, 4, "SDR"),
            ("20 Gb/sec (4X DDR)", 20_000, 16_000, 4, "DDR"),
            ("40 Gb/sec (4X QDR)", 40_000, 32_000, 4, "QDR"),
            ("40 Gb/sec (4X FDR10)", 41_250, 40_000, 4, "FDR10"),
            ("56 Gb/sec (4X FDR)", 56_250, 54_545, 4, "FDR"),
            ("100 Gb/sec (4X EDR)", 103_125, 100_000, 4, "EDR"),
            ("200 Gb/sec (4X HDR)", 212_500, 200_000, 4, "HDR"),
            ("400 Gb/sec (4X NDR)", 425_000, 400_000, 4, "NDR"),
            ("120 Gb/sec (12X QDR)", 120_000, 96_000, 12, "QDR"),
        ] {
            let found = rate(text).expect(text);
            assert_eq!((found.mbps, found.data_mbps, found.width), (mbps, Some(data), Some(width)), "{text}");
            assert_eq!(found.speed.map(Speed::name), Some(speed), "{text}");
        }
        assert_eq!(rate("40").map(|rate| (rate.mbps, rate.speed)), Ok((40_000, None)));
        assert_eq!(rate("2.5").map(|rate| rate.mbps), Ok(2_500));
        for text in ["", "N/A", "x Gb/sec (4X QDR)", "40 Gb/sec (5X QDR)", "40 Gb/sec (4X ZDR)", "40 Gb/sec 4X", "0", "99999999999"]
        {
            assert!(rate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn states_in_every_spelling() {
        for text in ["4: ACTIVE", "Active", "ACTIVE", " active "] {
            assert_eq!(state(text).as_deref(), Ok("Active"));
        }
        for text in ["2: INIT", "Initializing", "Initialize", "INIT"] {
            assert_eq!(state(text).as_deref(), Ok("Initializing"));
        }
        assert_eq!(state("5: ACTIVE_DEFER").as_deref(), Ok("ActiveDefer"));
        for text in ["5: LinkUp", "LINK_UP", "LinkUp"] {
            assert_eq!(phys_state(text).as_deref(), Ok("LinkUp"));
        }
        assert_eq!(phys_state("7: Phy Test").as_deref(), Ok("PhyTest"));
        assert_eq!(phys_state("4: <unknown>").as_deref(), Ok("PortConfigurationTraining"));
        for text in ["", "N/A", "9: ACTIVE", "1: ACTIVE", "x: ACTIVE", "up"] {
            assert!(state(text).is_err(), "{text}");
        }
    }

    #[test]
    fn guids_in_every_spelling() {
        for text in ["0x2c90300aa0001", "0002c90300aa0001", "0002:c903:00aa:0001", "00:02:c9:03:00:aa:00:01", "0X0002C90300AA0001"]
        {
            assert_eq!(guid(text).map(show_guid).as_deref(), Ok("0x0002c90300aa0001"), "{text}");
        }
        for text in ["", "0x", "0002:c903:00aa", "0x123456789abcdef01", "12", "zz", "+0x1", "0x+1", "0002:c903:00aa:+001"] {
            assert!(guid(text).is_err(), "{text}");
        }
        assert_eq!(gid("fe80:0000:0000:0000:0002:c903:00bb:0001"), Some((0xfe80_0000_0000_0000, 0x0002_c903_00bb_0001)));
        assert_eq!(gid("fe80::1"), None);
    }

    #[test]
    fn codes() {
        assert_eq!([0, 1, 4, 5, 6].map(mtu_of_code), [None, Some(256), Some(2048), Some(4096), None]);
        assert_eq!([1, 3, 7, 24, 25].map(mbps_of_code), [None, Some(10_000), Some(40_000), Some(1_200_000), None]);
        assert_eq!([number("0x3"), number("12"), number("0x+3"), number("x")], [Some(3), Some(12), None, None]);
    }
}

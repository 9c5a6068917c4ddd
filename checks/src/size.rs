//! Packet and frame sizes, and the units in which people write them.
//!
//! A plain number is an IP MTU. Every other way of counting is said with a unit: `9014eth` (with the Ethernet header), `9018frame`
//! (header and FCS, as switches count), `9022tagged` (header, one VLAN tag and FCS), `8972ping` (the payload of an IPv4 ping),
//! `jumbo9014` (the Windows `*JumboPacket` setting, which counts the header).

use alloc::string::{String, ToString};
use core::fmt;

/// Ethernet header, bytes (IEEE 802.3 clause 3.1).
pub const ETHERNET_HEADER: u32 = 14;
/// Frame check sequence, bytes (IEEE 802.3 clause 3.2.9).
pub const FCS: u32 = 4;
/// One VLAN tag, bytes (IEEE 802.1Q clause 9).
pub const VLAN_TAG: u32 = 4;
/// IPv4 header without options, bytes (RFC 791 section 3.1).
pub const IPV4_HEADER: u32 = 20;
/// IPv6 header, bytes (RFC 8200 section 3).
pub const IPV6_HEADER: u32 = 40;
/// ICMP and `ICMPv6` echo header, bytes (RFC 792, RFC 4443 section 4.1).
pub const ICMP_HEADER: u32 = 8;
/// Smallest IPv4 MTU, bytes (RFC 791 section 3.2).
pub const MIN_IPV4: u32 = 68;
/// Smallest IPv6 MTU, bytes (RFC 8200 section 5).
pub const MIN_IPV6: u32 = 1280;
/// Largest size that an IP header can say, bytes (RFC 791 section 3.1).
pub const MAX: u32 = 65_535;

/// The version of IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    #[must_use]
    pub const fn of(address: core::net::IpAddr) -> Self {
        match address {
            core::net::IpAddr::V4(_) => Self::V4,
            core::net::IpAddr::V6(_) => Self::V6,
        }
    }

    /// Smallest lawful MTU, bytes.
    #[must_use]
    pub const fn min_mtu(self) -> u32 {
        match self {
            Self::V4 => MIN_IPV4,
            Self::V6 => MIN_IPV6,
        }
    }

    /// IP and ICMP header together, bytes: what an echo adds to its payload.
    #[must_use]
    pub const fn echo_overhead(self) -> u32 {
        match self {
            Self::V4 => IPV4_HEADER + ICMP_HEADER,
            Self::V6 => IPV6_HEADER + ICMP_HEADER,
        }
    }

    /// 4 or 6, as the evidence says it.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::V4 => 4,
            Self::V6 => 6,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IPv{}", self.number())
    }
}

/// Size of a whole IP packet, header included, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IpMtu(pub u32);

/// Size of an untagged Ethernet frame with header and FCS, bytes. This is what "frame" means in everything that pathvet prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameSize(pub u32);

/// Payload of an echo request, bytes: what `ping -s` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Payload(pub u32);

impl fmt::Display for IpMtu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for FrameSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The untagged frame with FCS that carries a packet of that size.
#[must_use]
pub const fn frame_with_fcs(ip: IpMtu) -> FrameSize {
    FrameSize(ip.0.saturating_add(ETHERNET_HEADER + FCS))
}

/// The frame with FCS and one VLAN tag that carries a packet of that size, bytes.
#[must_use]
pub const fn tagged_frame_with_fcs(ip: IpMtu) -> u32 {
    ip.0.saturating_add(ETHERNET_HEADER + VLAN_TAG + FCS)
}

/// The `ping -s` value that makes a packet of that size; 0 where the headers alone are larger.
#[must_use]
pub const fn ping_payload(ip: IpMtu, family: Family) -> Payload {
    Payload(ip.0.saturating_sub(family.echo_overhead()))
}

/// The packet that an untagged frame with FCS carries; `None` for a frame smaller than its own header.
#[must_use]
pub const fn ip_of_frame(frame: FrameSize) -> Option<IpMtu> {
    match frame.0.checked_sub(ETHERNET_HEADER + FCS) {
        Some(ip) => Some(IpMtu(ip)),
        None => None,
    }
}

/// The packet that a ping with that payload makes.
#[must_use]
pub const fn ip_of_ping(payload: Payload, family: Family) -> IpMtu {
    IpMtu(payload.0.saturating_add(family.echo_overhead()))
}

/// What a written number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    /// A plain number: the IP packet.
    Ip,
    /// `eth`: with the Ethernet header, without FCS.
    Eth,
    /// `frame`: with header and FCS.
    Frame,
    /// `tagged`: with header, one VLAN tag and FCS.
    Tagged,
    /// `ping`: the payload of an IPv4 echo.
    Ping,
    /// `jumbo` before the number: the Windows `*JumboPacket` property, which counts the header and not the FCS.
    Jumbo,
}

/// Suffixes with their unit, and what they count.
const SUFFIXES: [(&str, Unit); 4] = [("eth", Unit::Eth), ("frame", Unit::Frame), ("tagged", Unit::Tagged), ("ping", Unit::Ping)];

/// How a size may be written, for messages and help texts.
pub const FORMS: &str = "9000, 9014eth, 9018frame, 9022tagged, 8972ping or jumbo9014";

impl Unit {
    /// The IP packet that `number` of this unit means; `None` where the unit's own headers are larger, or the sum overflows.
    #[must_use]
    pub const fn ip_mtu(self, number: u32) -> Option<IpMtu> {
        let ip = match self {
            Self::Ip => Some(number),
            Self::Eth | Self::Jumbo => number.checked_sub(ETHERNET_HEADER),
            Self::Frame => number.checked_sub(ETHERNET_HEADER + FCS),
            Self::Tagged => number.checked_sub(ETHERNET_HEADER + VLAN_TAG + FCS),
            Self::Ping => number.checked_add(IPV4_HEADER + ICMP_HEADER),
        };
        match ip {
            Some(ip) => Some(IpMtu(ip)),
            None => None,
        }
    }
}

/// A size as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Size {
    /// The number as written.
    pub number: u32,
    /// What it counts.
    pub unit: Unit,
    /// The IP packet that it means.
    pub ip: IpMtu,
}

/// Why a text is not a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    /// It holds no number where one belongs.
    #[error("`{0}` is not a size: write {FORMS}")]
    NotASize(String),
    /// The unit is not known.
    #[error("`{unit}` is not a unit of size: write {FORMS}")]
    Unit {
        /// What stood behind the number.
        unit: String,
        /// The whole text with the nearest unit, where one is near.
        nearest: Option<String>,
    },
    /// Smaller than the protocol allows.
    #[error("{ip} bytes is below the smallest {family} MTU, {}", family.min_mtu())]
    TooSmall {
        /// What the text means, bytes of IP packet.
        ip: u32,
        /// Whose smallest MTU it is held against.
        family: Family,
    },
    /// Larger than an IP header can say.
    #[error("{0} is above the largest IP packet, {MAX} bytes")]
    TooLarge(String),
}

impl Size {
    /// Reads a size. It is held against the range of `family`, or of IPv4 where none is given.
    ///
    /// # Errors
    /// The text is no size, has an unknown unit, or is outside 68..=65535 (IPv4) or 1280..=65535 (IPv6).
    pub fn parse(text: &str, family: Option<Family>) -> Result<Self, SizeError> {
        let (digits, unit) = split(text)?;
        let Ok(number) = digits.parse::<u32>() else {
            return Err(SizeError::TooLarge(shorten(digits)));
        };
        Self::new(number, unit, family)
    }

    /// A size from a number and its unit, held against the range of `family`, or of IPv4 where none is given.
    ///
    /// # Errors
    /// It is outside 68..=65535 (IPv4) or 1280..=65535 (IPv6) bytes of IP packet.
    pub fn new(number: u32, unit: Unit, family: Option<Family>) -> Result<Self, SizeError> {
        let family = family.unwrap_or(Family::V4);
        let Some(ip) = unit.ip_mtu(number) else {
            // Only `ping` can overflow; every other unit fails by being smaller than its own headers.
            return Err(if number > MAX { SizeError::TooLarge(number.to_string()) } else { SizeError::TooSmall { ip: 0, family } });
        };
        if ip.0 < family.min_mtu() {
            return Err(SizeError::TooSmall { ip: ip.0, family });
        }
        if ip.0 > MAX {
            return Err(SizeError::TooLarge(ip.0.to_string()));
        }
        Ok(Self { number, unit, ip })
    }

    /// What is probably a slip of units, for sizes written without one.
    #[must_use]
    pub fn slip(&self) -> Option<&'static str> {
        if self.unit == Unit::Ip { lint(self.number) } else { None }
    }
}

/// Splits a written size into its digits and its unit.
fn split(text: &str) -> Result<(&str, Unit), SizeError> {
    let not_a_size = || SizeError::NotASize(shorten(text));
    if let Some(digits) = text.strip_prefix("jumbo") {
        return if is_number(digits) { Ok((digits, Unit::Jumbo)) } else { Err(not_a_size()) };
    }
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    if digits.is_empty() {
        return Err(not_a_size());
    }
    if unit.is_empty() {
        return Ok((digits, Unit::Ip));
    }
    if let Some((_, unit)) = SUFFIXES.iter().find(|(suffix, _)| *suffix == unit) {
        return Ok((digits, *unit));
    }
    if !unit.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return Err(not_a_size());
    }
    let near = SUFFIXES.iter().find(|(suffix, _)| {
        let first = unit.as_bytes()[0].to_ascii_lowercase();
        suffix.as_bytes()[0] == first
    });
    let nearest = near.map(|(suffix, _)| alloc::format!("{}{suffix}", shorten(digits)));
    Err(SizeError::Unit { unit: shorten(unit), nearest })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Messages quote what was written, and what was written may be a megabyte.
fn shorten(text: &str) -> String {
    const MOST: usize = 40;
    if text.chars().count() <= MOST {
        return text.to_string();
    }
    let mut short: String = text.chars().take(MOST).collect();
    short.push('…');
    short
}

/// What a number written as an MTU probably means instead: the usual slips of units.
#[must_use]
pub const fn lint(number: u32) -> Option<&'static str> {
    Some(match number {
        1472 => "1472 is usually a ping payload (IP MTU 1500): write 1472ping or 1500",
        1514 => "1514 is usually a frame with header (IP MTU 1500): write 1514eth or 1500",
        1518 => "1518 is usually a frame with header and FCS (IP MTU 1500): write 1518frame or 1500",
        8972 => "8972 is usually a ping payload (IP MTU 9000): write 8972ping or 9000",
        9014 => "9014 is usually a frame with header (IP MTU 9000): write 9014eth or 9000",
        9018 => "9018 is usually a frame with header and FCS (IP MTU 9000): write 9018frame or 9000",
        9022 => "9022 is usually a tagged frame with FCS (IP MTU 9000): write 9022tagged or 9000",
        9216 => "9216 is usually a switch's largest frame with header and FCS (IP MTU 9198): write 9216frame or 9198",
        9614 => "9614 is usually a frame with header, the Windows jumbo setting (IP MTU 9600): write jumbo9614 or 9600",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> u32 {
        Size::parse(text, None).unwrap().ip.0
    }

    #[test]
    fn every_unit_means_the_same_packet() {
        for text in ["9000", "9014eth", "9018frame", "9022tagged", "8972ping", "jumbo9014"] {
            assert_eq!(ip(text), 9000, "{text}");
        }
        assert_eq!(ip("jumbo9614"), 9600);
        assert_eq!(ip("9216frame"), 9198);
        assert_eq!(ip("9216tagged"), 9194);
    }

    #[test]
    fn the_range_is_the_protocols() {
        assert_eq!(ip("68"), 68);
        assert_eq!(ip("65535"), 65_535);
        assert_eq!(Size::parse("67", None), Err(SizeError::TooSmall { ip: 67, family: Family::V4 }));
        assert_eq!(Size::parse("1279", Some(Family::V6)), Err(SizeError::TooSmall { ip: 1279, family: Family::V6 }));
        assert_eq!(Size::parse("1280", Some(Family::V6)).unwrap().ip, IpMtu(1280));
        assert_eq!(Size::parse("65536", None), Err(SizeError::TooLarge("65536".into())));
        assert_eq!(Size::parse("13eth", None), Err(SizeError::TooSmall { ip: 0, family: Family::V4 }));
        assert_eq!(Size::parse("4294967295ping", None), Err(SizeError::TooLarge("4294967295".into())));
        assert_eq!(Size::parse("99999999999", None), Err(SizeError::TooLarge("99999999999".into())));
    }

    #[test]
    fn what_is_no_size_says_what_is() {
        for text in ["", "x", "-1", "9000.0", "9,000", "9000 ", "jumbo", "jumbo9014eth", "٩٠٠٠"] {
            assert!(matches!(Size::parse(text, None), Err(SizeError::NotASize(_))), "{text:?}");
        }
        assert_eq!(
            Size::parse("9018frames", None),
            Err(SizeError::Unit { unit: "frames".into(), nearest: Some("9018frame".into()) })
        );
        assert_eq!(Size::parse("9000x", None), Err(SizeError::Unit { unit: "x".into(), nearest: None }));
    }

    #[test]
    fn slips_are_named_only_without_a_unit() {
        for number in [1472, 1514, 1518, 8972, 9014, 9018, 9022, 9216, 9614] {
            let size = Size::new(number, Unit::Ip, None).unwrap();
            assert!(size.slip().is_some_and(|text| text.starts_with(&number.to_string())), "{number}");
        }
        assert_eq!(Size::parse("9014eth", None).unwrap().slip(), None);
        assert_eq!(Size::parse("9000", None).unwrap().slip(), None);
    }

    #[test]
    fn every_slip_offers_sizes_that_mean_what_it_says() {
        for number in [1472, 1514, 1518, 8972, 9014, 9018, 9022, 9216, 9614] {
            let text = lint(number).unwrap();
            let meant = text.split("(IP MTU ").nth(1).and_then(|rest| rest.split(')').next()).unwrap();
            let (one, other) = text.split("write ").nth(1).and_then(|rest| rest.split_once(" or ")).unwrap();
            assert_eq!((ip(one).to_string().as_str(), other), (meant, meant), "{text}");
        }
    }

    #[test]
    fn conversions_go_both_ways() {
        for size in [68, 576, 1280, 1500, 9000, 9198, 65_535] {
            let ip = IpMtu(size);
            assert_eq!(ip_of_frame(frame_with_fcs(ip)), Some(ip));
            assert_eq!(ip_of_ping(ping_payload(ip, Family::V4), Family::V4), ip);
        }
        assert_eq!(frame_with_fcs(IpMtu(9198)), FrameSize(9216));
        assert_eq!(tagged_frame_with_fcs(IpMtu(9600)), 9622);
        assert_eq!(ping_payload(IpMtu(9000), Family::V4), Payload(8972));
        assert_eq!(ping_payload(IpMtu(9000), Family::V6), Payload(8952));
        assert_eq!(ip_of_frame(FrameSize(17)), None);
    }
}

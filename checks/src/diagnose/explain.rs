//! What stops at a size, in every unit that the number may have been written in.

use crate::catalogue::{self, Catalogue, Ceiling, Fit, Match, SignatureReading, TunnelMatch};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// Everything that is known about a number somebody met as a size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SizeExplanation<'a> {
    /// The number.
    pub number: u32,
    /// What it may mean, likeliest first; at least the reading as an IP MTU.
    pub readings: Vec<Reading<'a>>,
}

/// One meaning of the number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading<'a> {
    /// What the number counts.
    pub unit: Written,
    /// The IP MTU that it then means, bytes.
    pub ip_mtu: u32,
    /// What stops there, in the order of blame.
    pub ceilings: Vec<Match<'a>>,
    /// Encapsulations that leave this much.
    pub tunnels: Vec<TunnelMatch<'a>>,
    /// What a measured size like this usually means.
    pub signatures: Vec<&'a SignatureReading>,
}

/// The unit in which a number may have been written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Written {
    /// IP packet.
    IpMtu,
    /// Ethernet frame with header and FCS, as switches count.
    Frame,
    /// Ethernet frame with header, without FCS, as Windows and Junos count.
    Eth,
    /// Ethernet frame with header, FCS and one VLAN tag.
    Tagged,
    /// Dell `SmartFabric` OS10's layer-2 MTU.
    Os10,
    /// Payload of an IPv4 ping.
    Ping,
}

impl Written {
    const ALL: [Self; 6] = [Self::IpMtu, Self::Frame, Self::Eth, Self::Tagged, Self::Os10, Self::Ping];

    /// Bytes that the number counts above the IP packet; negative for a payload.
    const fn above_ip(self) -> i64 {
        match self {
            Self::IpMtu => 0,
            Self::Frame => 18,
            Self::Eth => 14,
            Self::Tagged => 22,
            Self::Os10 => 32,
            Self::Ping => -28,
        }
    }

    /// The IP MTU that `number` means in this unit.
    fn ip_mtu(self, number: u32) -> Option<u32> {
        u32::try_from(i64::from(number) - self.above_ip()).ok()
    }

    /// Whether a product in the catalogue shows just this number in this unit.
    fn is_shown(self, catalogue: &Catalogue, number: u32) -> bool {
        let fits = |ceiling: &Ceiling| ceiling.value == number && i64::from(ceiling.unit_counts.above_ip()) == self.above_ip();
        catalogue.ceilings.iter().any(fits)
    }

    /// The unit in words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::IpMtu => "IP MTU",
            Self::Frame => "frame with header and FCS",
            Self::Eth => "frame with header, without FCS (Windows *JumboPacket, Junos)",
            Self::Tagged => "frame with header, VLAN tag and FCS",
            Self::Os10 => "Dell OS10 layer-2 MTU",
            Self::Ping => "payload of an IPv4 ping",
        }
    }
}

impl Reading<'_> {
    fn strength(&self) -> u32 {
        let exact = self.ceilings.iter().filter(|found| found.fit != Fit::Tagged).count();
        let usual = if matches!(self.ip_mtu, 1500 | 9000) { 100 } else { 0 };
        u32::try_from(exact).unwrap_or(u32::MAX).saturating_add(usual)
    }
}

/// Numbers that are nearly always written in another unit than the IP MTU, although something stops at them as an IP MTU too:
/// the usual payloads of a ping and the usual adapter properties.
const SLIPS: [(u32, Written); 9] = [
    (1472, Written::Ping),
    (8972, Written::Ping),
    (1514, Written::Eth),
    (9014, Written::Eth),
    (9614, Written::Eth),
    (1518, Written::Frame),
    (9018, Written::Frame),
    (1522, Written::Tagged),
    (9022, Written::Tagged),
];

/// What `number` may mean as a size, and what stops there. The reading as an IP MTU comes first unless the number is a usual slip;
/// other units follow where a product shows the number in them.
#[must_use]
pub fn explain_size(catalogue: &Catalogue, number: u32) -> SizeExplanation<'_> {
    let slip = SLIPS.iter().find(|(slip, _)| *slip == number).map(|(_, unit)| *unit);
    let mut readings: Vec<Reading<'_>> = Written::ALL
        .iter()
        .filter_map(|unit| Some(reading(catalogue, *unit, unit.ip_mtu(number)?)))
        .filter(|reading| reading.unit == Written::IpMtu || slip == Some(reading.unit) || reading.unit.is_shown(catalogue, number))
        .collect();
    readings.sort_by_key(|reading| {
        let first = slip.map_or(reading.unit == Written::IpMtu, |slip| reading.unit == slip);
        (!first, reading.unit != Written::IpMtu, core::cmp::Reverse(reading.strength()), reading.unit)
    });
    SizeExplanation { number, readings }
}

fn reading(catalogue: &Catalogue, unit: Written, ip_mtu: u32) -> Reading<'_> {
    let signatures =
        catalogue.signatures.iter().filter(|signature| signature.ip_mtu == ip_mtu).flat_map(|signature| &signature.readings);
    Reading {
        unit,
        ip_mtu,
        ceilings: catalogue::ceilings_at(catalogue, ip_mtu),
        tunnels: catalogue::tunnels_at(catalogue, ip_mtu),
        signatures: signatures.collect(),
    }
}

/// `frame 9216, tagged 9220, ping 9170 (IPv6 9150)`.
fn other_units(ip_mtu: u32) -> String {
    let plus = |bytes: u32| ip_mtu.saturating_add(bytes);
    let mut text = format!("frame+FCS {}, with a VLAN tag {}, with header only {}", plus(18), plus(22), plus(14));
    if let (Some(four), Some(six)) = (ip_mtu.checked_sub(28), ip_mtu.checked_sub(48)) {
        text = format!("{text}, ping -s {four} (IPv6 {six})");
    }
    text
}

/// A line of the list: `Dell N-series   9216 with header and FCS (system jumbo mtu)`.
fn line(found: &Match<'_>) -> String {
    let ceiling = found.ceiling;
    let sure = match ceiling.confidence {
        catalogue::Sureness::Verified => "",
        catalogue::Sureness::CommonlyCited => "; often quoted",
        catalogue::Sureness::Uncertain => "; uncertain",
    };
    let product = if ceiling.product.starts_with(&ceiling.vendor) {
        ceiling.product.clone()
    } else {
        format!("{} {}", ceiling.vendor, ceiling.product)
    };
    format!("{product}: {}, {} {}{sure}", ceiling.setting, ceiling.value, ceiling.unit_counts.words())
}

impl fmt::Display for SizeExplanation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, reading) in self.readings.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            reading.write(f, self.number)?;
        }
        Ok(())
    }
}

impl Reading<'_> {
    fn write(&self, f: &mut fmt::Formatter<'_>, number: u32) -> fmt::Result {
        match self.unit {
            Written::IpMtu => writeln!(f, "{number} as an IP MTU: {}", other_units(self.ip_mtu))?,
            unit => writeln!(f, "{number} as a {}: IP MTU {}; {}", unit.words(), self.ip_mtu, other_units(self.ip_mtu))?,
        }
        for signature in &self.signatures {
            writeln!(f, "  {}", signature.meaning)?;
        }
        for (fit, heading) in [
            (Fit::Exact, "At most this much"),
            (Fit::Tagged, "At most this much where the VLAN tag is counted"),
            (Fit::Default, "This much unless somebody changed it"),
        ] {
            let mut of_fit = self.ceilings.iter().filter(|found| found.fit == fit).peekable();
            if of_fit.peek().is_some() {
                writeln!(f, "  {heading}:")?;
            }
            for found in of_fit {
                writeln!(f, "    {}", line(found))?;
            }
        }
        if !self.tunnels.is_empty() {
            writeln!(f, "  A tunnel over a usual underlay:")?;
        }
        for found in &self.tunnels {
            writeln!(f, "    {}: {} less {}", found.tunnel.name, found.underlay, found.tunnel.overhead)?;
        }
        if self.ceilings.is_empty() && self.tunnels.is_empty() && self.signatures.is_empty() {
            writeln!(f, "  Nothing in the catalogue stops there.")?;
        }
        Ok(())
    }
}

//! Known frame and packet ceilings, with their sources. Plain data; the command parses [`CEILINGS`] into it.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// The built-in catalogue, `checks/catalogue/mtu-ceilings.yaml`, as the JSON that `checks/build.rs` makes of it.
pub const CEILINGS: &str = include_str!(concat!(env!("OUT_DIR"), "/mtu-ceilings.json"));

/// The whole catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Catalogue {
    /// Number of the file's layout.
    #[serde(default)]
    pub schema: u32,
    /// Every known ceiling.
    pub ceilings: Vec<Ceiling>,
    /// Every known encapsulation.
    #[serde(default)]
    pub tunnels: Vec<Tunnel>,
    /// What a measured size usually means.
    #[serde(default)]
    pub signatures: Vec<Signature>,
}

/// One product's or standard's ceiling.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ceiling {
    /// Stable id.
    pub id: String,
    /// Vendor.
    pub vendor: String,
    /// Product or family.
    pub product: String,
    /// What kind of thing it is.
    pub kind: Kind,
    /// The setting's name on the product.
    pub setting: String,
    /// The number as the product shows it.
    pub value: u32,
    /// What that number counts.
    pub unit_counts: Unit,
    /// What the number bounds.
    pub bound: Bound,
    /// The IP MTU that it means without a VLAN tag, bytes: `value` less the unit's bytes.
    pub ip_mtu_untagged: u32,
    /// The IP MTU where a VLAN tag is counted, bytes.
    #[serde(default)]
    pub ip_mtu_if_tag_counted: Option<u32>,
    /// How well the figure is founded.
    pub confidence: Sureness,
    /// Where the figure was read.
    #[serde(default)]
    pub source: Vec<String>,
    /// What else is known.
    #[serde(default)]
    pub note: Option<String>,
}

/// One encapsulation and what it costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tunnel {
    /// Stable id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Bytes taken from the underlay's IP MTU.
    pub overhead: u32,
    /// How well the figure is founded.
    pub confidence: Sureness,
    /// Where the figure was read.
    #[serde(default)]
    pub source: Vec<String>,
    /// What else is known.
    #[serde(default)]
    pub note: Option<String>,
}

/// What a measured size usually means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// The measured IP MTU, bytes.
    pub ip_mtu: u32,
    /// Its meanings, likeliest first.
    pub readings: Vec<SignatureReading>,
}

/// One meaning of a measured size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignatureReading {
    /// In words.
    pub meaning: String,
    /// How well it is founded.
    pub confidence: Sureness,
    /// Ids of the ceilings and tunnels that it rests on.
    #[serde(default)]
    pub entries: Vec<String>,
}

/// What kind of thing has the ceiling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A switch.
    Switch,
    /// A router or firewall.
    Router,
    /// A virtual switch or virtual network card.
    Hypervisor,
    /// A cloud's network.
    Cloud,
    /// A network card with its driver.
    Nic,
    /// A standard.
    Standard,
}

/// What a number on a product counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// The IP packet.
    IpPacket,
    /// What the Ethernet frame carries: the IP packet.
    EthernetPayload,
    /// With the 14-byte Ethernet header.
    EthernetFrameWithoutFcs,
    /// With header and frame check sequence.
    EthernetFrameWithFcs,
    /// With header, one VLAN tag and frame check sequence.
    EthernetFrameWithFcsAndVlan,
    /// The `InfiniBand` link MTU: 4 bytes of `IPoIB` header above the IP packet (RFC 4391).
    IbLinkPayload,
    /// Dell `SmartFabric` OS10's layer-2 MTU: 32 above the IP MTU.
    DellOs10L2Mtu,
}

/// What a number bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// The largest that the product takes.
    Max,
    /// The only size that it takes.
    Fixed,
    /// One of few sizes that can be chosen.
    Option,
    /// What is set unless somebody changed it.
    Default,
    /// What guides tell people to set.
    Recommended,
    /// What a protocol needs at least; not a ceiling.
    Min,
}

/// How well a figure is founded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sureness {
    /// Read in the named source.
    Verified,
    /// Widely stated; the primary source was not read.
    CommonlyCited,
    /// Not to be shown as a fact.
    Uncertain,
}

/// How a ceiling comes to stop packets at a measured size, in the order of blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// It can carry exactly this much.
    Exact,
    /// It can carry exactly this much where it counts a VLAN tag.
    Tagged,
    /// This much is what it carries unless somebody changed it.
    Default,
}

/// A ceiling that explains a measured size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Match<'a> {
    /// The ceiling.
    pub ceiling: &'a Ceiling,
    /// How it comes to this size.
    pub fit: Fit,
}

/// An encapsulation that explains a measured size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TunnelMatch<'a> {
    /// The encapsulation.
    pub tunnel: &'a Tunnel,
    /// IP MTU of the underlay that it would need, bytes.
    pub underlay: u32,
}

/// Usual IP MTUs of a network that carries tunnels.
const UNDERLAYS: [u32; 7] = [1500, 9000, 9001, 9100, 9198, 9214, 9216];

impl Catalogue {
    /// One that knows nothing, for cases without a cut.
    pub const EMPTY: Self = Self { schema: 0, ceilings: Vec::new(), tunnels: Vec::new(), signatures: Vec::new() };
}

impl Unit {
    /// Bytes that the number counts above the IP packet.
    #[must_use]
    pub const fn above_ip(self) -> u32 {
        match self {
            Self::IpPacket | Self::EthernetPayload => 0,
            Self::EthernetFrameWithoutFcs => 14,
            Self::EthernetFrameWithFcs => 18,
            Self::EthernetFrameWithFcsAndVlan => 22,
            Self::IbLinkPayload => 4,
            Self::DellOs10L2Mtu => 32,
        }
    }

    /// In words, for after a number: `9216 with header and FCS`.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::IpPacket => "as IP packet",
            Self::EthernetPayload => "without header and FCS",
            Self::EthernetFrameWithoutFcs => "with header, without FCS",
            Self::EthernetFrameWithFcs => "with header and FCS",
            Self::EthernetFrameWithFcsAndVlan => "with header, VLAN tag and FCS",
            Self::IbLinkPayload => "as InfiniBand link MTU",
            Self::DellOs10L2Mtu => "as OS10 layer-2 MTU, 32 above IP",
        }
    }
}

impl Ceiling {
    /// Vendor and product without the remarks in parentheses, short enough for a list.
    #[must_use]
    pub fn name(&self) -> String {
        let product = self.product.split(['(', ';']).next().unwrap_or(&self.product);
        let product = product.split(" / ").next().unwrap_or(product).trim();
        if product.starts_with(&self.vendor) { product.into() } else { alloc::format!("{} {product}", self.vendor) }
    }

    /// How it comes to stop at `ip_mtu`, if it does.
    #[must_use]
    pub fn fit(&self, ip_mtu: u32) -> Option<Fit> {
        let untagged = self.ip_mtu_untagged == ip_mtu;
        match self.bound {
            Bound::Max | Bound::Fixed | Bound::Option if untagged => Some(Fit::Exact),
            Bound::Max | Bound::Fixed | Bound::Option if self.ip_mtu_if_tag_counted == Some(ip_mtu) => Some(Fit::Tagged),
            Bound::Default | Bound::Recommended if untagged => Some(Fit::Default),
            _ => None,
        }
    }
}

/// What stops at `ip_mtu` bytes, in the order of blame: the best fit first, then what stands between hosts before what is in
/// them, then the better founded figure, then the order of the file.
#[must_use]
pub fn ceilings_at(catalogue: &Catalogue, ip_mtu: u32) -> Vec<Match<'_>> {
    let mut matches: Vec<Match<'_>> =
        catalogue.ceilings.iter().filter_map(|ceiling| Some(Match { ceiling, fit: ceiling.fit(ip_mtu)? })).collect();
    matches.sort_by_key(|found| (found.fit, found.ceiling.kind, found.ceiling.confidence));
    matches
}

/// Encapsulations that leave `ip_mtu` bytes of a usual underlay.
#[must_use]
pub fn tunnels_at(catalogue: &Catalogue, ip_mtu: u32) -> Vec<TunnelMatch<'_>> {
    let mut matches: Vec<TunnelMatch<'_>> = catalogue
        .tunnels
        .iter()
        .filter_map(|tunnel| {
            let underlay = ip_mtu.checked_add(tunnel.overhead)?;
            UNDERLAYS.contains(&underlay).then_some(TunnelMatch { tunnel, underlay })
        })
        .collect();
    matches.sort_by_key(|found| (found.tunnel.confidence, UNDERLAYS.iter().position(|mtu| *mtu == found.underlay)));
    matches
}

/// IP MTUs that are worth a probe of their own, likeliest first: every size between 576 and 65535 at which something in the
/// catalogue stops. The search probes the first of them that lie inside its gap, each with the size one above.
#[must_use]
pub fn known_ceilings(catalogue: &Catalogue) -> Vec<u32> {
    let mut weights: BTreeMap<u32, u32> = BTreeMap::new();
    let mut add = |ip_mtu: u32, weight: u32| {
        if (576..=65535).contains(&ip_mtu) {
            let total = weights.entry(ip_mtu).or_default();
            *total = total.saturating_add(weight);
        }
    };
    for signature in &catalogue.signatures {
        add(signature.ip_mtu, 4);
    }
    for ceiling in &catalogue.ceilings {
        let founded = match ceiling.confidence {
            Sureness::Verified => 2,
            Sureness::CommonlyCited | Sureness::Uncertain => 1,
        };
        let weight = match (ceiling.bound, ceiling.kind) {
            (Bound::Min, _) => continue,
            (Bound::Max | Bound::Fixed | Bound::Option, Kind::Switch | Kind::Router) => 4 * founded,
            _ => 2 * founded,
        };
        add(ceiling.ip_mtu_untagged, weight);
        if let Some(tagged) = ceiling.ip_mtu_if_tag_counted {
            add(tagged, founded);
        }
    }
    for tunnel in &catalogue.tunnels {
        for underlay in [1500_u32, 9000] {
            add(underlay.saturating_sub(tunnel.overhead), 2);
        }
    }
    // The two sizes that most hosts and ports are set to; what a catalogue lists most often need not be what is met most often.
    for usual in [1500, 9000] {
        if let Some(total) = weights.get_mut(&usual) {
            *total = u32::MAX;
        }
    }
    let mut ranked: Vec<(u32, u32)> = weights.into_iter().collect();
    ranked.sort_by_key(|(ip_mtu, weight)| (core::cmp::Reverse(*weight), core::cmp::Reverse(*ip_mtu)));
    ranked.into_iter().map(|(ip_mtu, _)| ip_mtu).collect()
}

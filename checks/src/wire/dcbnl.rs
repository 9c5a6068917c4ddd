//! DCB netlink: requests, and replies as typed attributes in their order (`linux/dcbnl.h`, `net/dcb/dcbnl.c`).
//!
//! A reply is read into [`Reply`] and written back to the same bytes; what it means is [`Reply::ieee_evidence`] and [`Reply::cee_evidence`].

mod emit;
mod meaning;

use super::nla::{self, Attribute, Builder, attributes};
use crate::evidence::Buffer;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// `RTM_GETDCB`; replies have it too.
pub const GETDCB: u16 = 78;
/// Length of `struct dcbmsg`.
pub const HEADER: usize = 4;
/// Longest name that a request carries (`IFNAMSIZ` without its NUL).
const IFNAME_MAX: usize = 15;

/// `DCB_CMD_*`: what can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// `DCB_CMD_IEEE_GET`: everything that 802.1Qaz has, and the DCBX byte; what dcb(8) asks for each of its objects.
    IeeeGet,
    /// `DCB_CMD_GDCBX`: the DCBX byte alone.
    GetDcbx,
    /// `DCB_CMD_CEE_GET`: everything that CEE has, and the DCBX byte.
    CeeGet,
}

impl Command {
    /// The number on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::IeeeGet => 21,
            Self::GetDcbx => 22,
            Self::CeeGet => 26,
        }
    }
}

/// One question about one interface. The kernel answers with one message, or with `EOPNOTSUPP` where the device has no DCB.
#[must_use]
pub fn request(command: Command, ifname: &str) -> Vec<u8> {
    let end = ifname.char_indices().map(|(at, char)| at + char.len_utf8()).take_while(|&end| end <= IFNAME_MAX).last();
    let mut builder = Builder::new(GETDCB, nla::REQUEST, &[0, command.code(), 0, 0]);
    builder.text(1, &ifname[..end.unwrap_or(0)]).finish()
}

/// An answer: `struct dcbmsg` and its attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// `cmd` of `struct dcbmsg`.
    pub command: u8,
    /// The attributes in their order.
    pub attributes: Vec<Top>,
}

/// `DCB_ATTR_*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Top {
    /// `DCB_ATTR_IFNAME`.
    Ifname(String),
    /// `DCB_ATTR_IEEE`.
    Ieee(Vec<Ieee>),
    /// `DCB_ATTR_DCBX`.
    Dcbx(u8),
    /// `DCB_ATTR_CEE`.
    Cee(Vec<Cee>),
    /// Any other, or one whose length is not its own.
    Other(u16, Vec<u8>),
}

/// `DCB_ATTR_IEEE_*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ieee {
    /// `DCB_ATTR_IEEE_ETS`.
    Ets(IeeeEts),
    /// `DCB_ATTR_IEEE_PFC`.
    Pfc(IeeePfc),
    /// `DCB_ATTR_IEEE_APP_TABLE`.
    Apps(Vec<IeeeApp>),
    /// `DCB_ATTR_IEEE_PEER_ETS`.
    PeerEts(IeeeEts),
    /// `DCB_ATTR_IEEE_PEER_PFC`.
    PeerPfc(IeeePfc),
    /// `DCB_ATTR_IEEE_PEER_APP`.
    PeerApps(Vec<IeeeApp>),
    /// `DCB_ATTR_IEEE_MAXRATE`: kb/s of each class.
    MaxRate([u64; 8]),
    /// `DCB_ATTR_DCB_BUFFER`.
    Buffer(Buffer),
    /// `DCB_ATTR_DCB_APP_TRUST_TABLE`: selectors in their order.
    Trust(Vec<u8>),
    /// Any other (QCN, rewrite tables), or one whose length is not its own.
    Other(u16, Vec<u8>),
}

/// `struct ieee_ets`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IeeeEts {
    /// Whether the port takes over the other side's settings.
    pub willing: u8,
    /// Traffic classes that the port supports.
    pub ets_cap: u8,
    /// Credit-based shaper supported.
    pub cbs: u8,
    /// Share of each class when sending.
    pub tc_tx_bw: [u8; 8],
    /// Share of each class when receiving.
    pub tc_rx_bw: [u8; 8],
    /// Algorithm of each class.
    pub tc_tsa: [u8; 8],
    /// Class of each priority.
    pub prio_tc: [u8; 8],
    /// Recommended shares.
    pub tc_reco_bw: [u8; 8],
    /// Recommended algorithms.
    pub tc_reco_tsa: [u8; 8],
    /// Recommended classes.
    pub reco_prio_tc: [u8; 8],
}

/// `struct ieee_pfc`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IeeePfc {
    /// How many classes may have PFC.
    pub pfc_cap: u8,
    /// Bitmap of priorities.
    pub pfc_en: u8,
    /// `MACsec` bypass capability.
    pub mbc: u8,
    /// Allowance for the round trip.
    pub delay: u16,
    /// Frames sent.
    pub requests: [u64; 8],
    /// Frames received.
    pub indications: [u64; 8],
}

/// `struct dcb_app`, in the attribute that it stood in (`DCB_ATTR_IEEE_APP` 1, `DCB_ATTR_DCB_APP` 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IeeeApp {
    /// The attribute.
    pub kind: u16,
    /// What `protocol` is.
    pub selector: u8,
    /// Priority; in a CEE table a bitmap of priorities.
    pub priority: u8,
    /// `EtherType`, port, DSCP or PCP.
    pub protocol: u16,
}

/// `DCB_ATTR_CEE_*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cee {
    /// `DCB_ATTR_CEE_PEER_PG`.
    PeerPg(CeePg),
    /// `DCB_ATTR_CEE_PEER_PFC`: willing, error, bitmap, number of classes (`struct cee_pfc`).
    PeerPfc([u8; 4]),
    /// `DCB_ATTR_CEE_PEER_APP_TABLE`.
    PeerApps(Vec<PeerApp>),
    /// `DCB_ATTR_CEE_TX_PG`.
    TxPg(Vec<Pg>),
    /// `DCB_ATTR_CEE_RX_PG`.
    RxPg(Vec<Pg>),
    /// `DCB_ATTR_CEE_PFC`: attribute (`DCB_PFC_UP_ATTR_0` = 1 to 8) and value.
    Pfc(Vec<(u16, u8)>),
    /// `DCB_ATTR_CEE_APP_TABLE`.
    Apps(Vec<CeeApp>),
    /// `DCB_ATTR_CEE_FEAT`: feature (2 priority groups, 3 PFC, 4 applications) and flags (1 error, 2 enabled, 4 willing).
    Features(Vec<(u16, u8)>),
    /// Any other, or one that cannot be read.
    Other(u16, Vec<u8>),
}

/// `struct cee_pg`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CeePg {
    /// Willing bit.
    pub willing: u8,
    /// Error bit.
    pub error: u8,
    /// Enable bit.
    pub enabled: u8,
    /// Number of classes.
    pub tcs: u8,
    /// Share of each group.
    pub pg_bw: [u8; 8],
    /// Group of each priority; 15 is the group without a limit.
    pub prio_pg: [u8; 8],
}

/// `DCB_ATTR_CEE_PEER_APP_INFO` and `DCB_ATTR_CEE_PEER_APP`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerApp {
    /// Willing and error.
    Info(u8, u8),
    /// One entry, its priority as a bitmap.
    App(IeeeApp),
}

/// `DCB_PG_ATTR_*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pg {
    /// `DCB_PG_ATTR_TC_0` (1) and on: `DCB_TC_ATTR_PARAM_*` (1 group, 2 bitmap of priorities, 3 strict, 4 share) and value.
    Class(u16, Vec<(u16, u8)>),
    /// `DCB_PG_ATTR_BW_ID_0` (11) and on: the share of a group.
    Share(u16, u8),
    /// Any other.
    Other(u16, Vec<u8>),
}

/// `DCB_ATTR_APP` of a CEE table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CeeApp {
    /// `DCB_APP_ATTR_IDTYPE`.
    pub selector: u8,
    /// `DCB_APP_ATTR_ID`.
    pub protocol: u16,
    /// `DCB_APP_ATTR_PRIORITY`, a bitmap.
    pub priorities: u8,
}

/// What of an answer cannot be read; the rest of it is used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{attribute}: {why}")]
pub struct Fault {
    /// The attribute, by its name in `linux/dcbnl.h`.
    pub attribute: &'static str,
    /// What is wrong with it.
    pub why: String,
}

/// Reads the body of a `RTM_GETDCB` message, with what could not be read. `None`: it is shorter than `struct dcbmsg`.
#[must_use]
pub fn parse(body: &[u8]) -> Option<(Reply, Vec<Fault>)> {
    let (&[_, command, _, _], rest) = body.split_first_chunk::<HEADER>()?;
    let mut faults = Faults(Vec::new());
    let mut found = Vec::new();
    for attribute in faults.walk("DCB_ATTR", rest) {
        found.push(match (attribute.kind, attribute.value) {
            (1, [.., 0]) => Top::Ifname(attribute.text()),
            (13, value) => Top::Ieee(ieee(value, &mut faults)),
            (14, &[dcbx]) => Top::Dcbx(dcbx),
            (14, value) => {
                faults.length("DCB_ATTR_DCBX", value, 1);
                Top::Other(14, value.to_vec())
            }
            (16, value) => Top::Cee(cee(value, &mut faults)),
            (kind, value) => Top::Other(kind, value.to_vec()),
        });
    }
    Some((Reply { command, attributes: found }, faults.0))
}

struct Faults(Vec<Fault>);

impl Faults {
    fn add(&mut self, attribute: &'static str, why: String) {
        // A hostile answer has thousands; a few tell as much.
        if self.0.len() < 8 {
            self.0.push(Fault { attribute, why });
        }
    }

    fn length(&mut self, attribute: &'static str, value: &[u8], wanted: usize) {
        self.add(attribute, format!("{} bytes where {wanted} are expected", value.len()));
    }

    fn walk<'a>(&mut self, attribute: &'static str, bytes: &'a [u8]) -> Vec<Attribute<'a>> {
        let mut found = Vec::new();
        for item in attributes(bytes) {
            match item {
                Ok(item) => found.push(item),
                Err(fault) => self.add(attribute, fault.to_string()),
            }
        }
        found
    }
}

fn ieee(bytes: &[u8], faults: &mut Faults) -> Vec<Ieee> {
    let mut found = Vec::new();
    for attribute in faults.walk("DCB_ATTR_IEEE", bytes) {
        let (kind, value) = (attribute.kind, attribute.value);
        let read = match kind {
            1 => read_ets(value).map(Ieee::Ets).ok_or(("DCB_ATTR_IEEE_ETS", 59)),
            2 => read_pfc(value).map(Ieee::Pfc).ok_or(("DCB_ATTR_IEEE_PFC", 136)),
            3 => Ok(Ieee::Apps(apps("DCB_ATTR_IEEE_APP_TABLE", value, faults))),
            4 => read_ets(value).map(Ieee::PeerEts).ok_or(("DCB_ATTR_IEEE_PEER_ETS", 59)),
            5 => read_pfc(value).map(Ieee::PeerPfc).ok_or(("DCB_ATTR_IEEE_PEER_PFC", 136)),
            6 => Ok(Ieee::PeerApps(apps("DCB_ATTR_IEEE_PEER_APP", value, faults))),
            7 => Some(value)
                .filter(|value| value.len() == 64)
                .and_then(words64)
                .map(Ieee::MaxRate)
                .ok_or(("DCB_ATTR_IEEE_MAXRATE", 64)),
            10 => read_buffer(value).map(Ieee::Buffer).ok_or(("DCB_ATTR_DCB_BUFFER", 44)),
            11 => Ok(trust(value, faults)),
            _ => Ok(Ieee::Other(kind, value.to_vec())),
        };
        found.push(read.unwrap_or_else(|(name, wanted)| {
            faults.length(name, value, wanted);
            Ieee::Other(kind, value.to_vec())
        }));
    }
    found
}

fn octets(bytes: &[u8], at: usize) -> Option<[u8; 8]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn words64(bytes: &[u8]) -> Option<[u64; 8]> {
    let mut words = [0; 8];
    for (word, chunk) in words.iter_mut().zip(bytes.get(..64)?.chunks_exact(8)) {
        *word = nla::read_u64(chunk)?;
    }
    Some(words)
}

fn read_ets(bytes: &[u8]) -> Option<IeeeEts> {
    let &[willing, ets_cap, cbs] = bytes.first_chunk::<3>()?;
    if bytes.len() != 59 {
        return None;
    }
    Some(IeeeEts {
        willing,
        ets_cap,
        cbs,
        tc_tx_bw: octets(bytes, 3)?,
        tc_rx_bw: octets(bytes, 11)?,
        tc_tsa: octets(bytes, 19)?,
        prio_tc: octets(bytes, 27)?,
        tc_reco_bw: octets(bytes, 35)?,
        tc_reco_tsa: octets(bytes, 43)?,
        reco_prio_tc: octets(bytes, 51)?,
    })
}

fn read_pfc(bytes: &[u8]) -> Option<IeeePfc> {
    let &[pfc_cap, pfc_en, mbc] = bytes.first_chunk::<3>()?;
    if bytes.len() != 136 {
        return None;
    }
    Some(IeeePfc {
        pfc_cap,
        pfc_en,
        mbc,
        delay: nla::read_u16(bytes.get(4..)?)?,
        requests: words64(bytes.get(8..)?)?,
        indications: words64(bytes.get(72..)?)?,
    })
}

fn read_buffer(bytes: &[u8]) -> Option<Buffer> {
    if bytes.len() != 44 {
        return None;
    }
    let mut buffer_size = [0; 8];
    for (size, chunk) in buffer_size.iter_mut().zip(bytes.get(8..40)?.chunks_exact(4)) {
        *size = nla::read_u32(chunk)?;
    }
    Some(Buffer { prio_buffer: octets(bytes, 0)?, buffer_size, total_size: nla::read_u32(bytes.get(40..)?)? })
}

fn read_app(attribute: &Attribute<'_>) -> Option<IeeeApp> {
    match *attribute.value {
        [selector, priority, low, high] => {
            Some(IeeeApp { kind: attribute.kind, selector, priority, protocol: u16::from_ne_bytes([low, high]) })
        }
        _ => None,
    }
}

fn apps(name: &'static str, bytes: &[u8], faults: &mut Faults) -> Vec<IeeeApp> {
    let mut found = Vec::new();
    for attribute in faults.walk(name, bytes) {
        match read_app(&attribute) {
            Some(app) => found.push(app),
            None => faults.length(name, attribute.value, 4),
        }
    }
    found
}

fn trust(bytes: &[u8], faults: &mut Faults) -> Ieee {
    const NAME: &str = "DCB_ATTR_DCB_APP_TRUST_TABLE";
    let mut selectors = Vec::new();
    for attribute in faults.walk(NAME, bytes) {
        match *attribute.value {
            [selector] => selectors.push(selector),
            _ => faults.length(NAME, attribute.value, 1),
        }
    }
    Ieee::Trust(selectors)
}

fn cee(bytes: &[u8], faults: &mut Faults) -> Vec<Cee> {
    let mut found = Vec::new();
    for attribute in faults.walk("DCB_ATTR_CEE", bytes) {
        let (kind, value) = (attribute.kind, attribute.value);
        let read = match kind {
            1 => read_cee_pg(value).map(Cee::PeerPg).ok_or(("DCB_ATTR_CEE_PEER_PG", 20)),
            2 => <[u8; 4]>::try_from(value).map(Cee::PeerPfc).map_err(|_| ("DCB_ATTR_CEE_PEER_PFC", 4)),
            3 => Ok(Cee::PeerApps(peer_apps(value, faults))),
            4 => Ok(Cee::TxPg(groups("DCB_ATTR_CEE_TX_PG", value, faults))),
            5 => Ok(Cee::RxPg(groups("DCB_ATTR_CEE_RX_PG", value, faults))),
            6 => Ok(Cee::Pfc(bytes_of("DCB_ATTR_CEE_PFC", value, faults))),
            7 => Ok(Cee::Apps(cee_apps(value, faults))),
            8 => Ok(Cee::Features(bytes_of("DCB_ATTR_CEE_FEAT", value, faults))),
            _ => Ok(Cee::Other(kind, value.to_vec())),
        };
        found.push(read.unwrap_or_else(|(name, wanted)| {
            faults.length(name, value, wanted);
            Cee::Other(kind, value.to_vec())
        }));
    }
    found
}

fn read_cee_pg(bytes: &[u8]) -> Option<CeePg> {
    let &[willing, error, enabled, tcs] = bytes.first_chunk::<4>()?;
    if bytes.len() != 20 {
        return None;
    }
    Some(CeePg { willing, error, enabled, tcs, pg_bw: octets(bytes, 4)?, prio_pg: octets(bytes, 12)? })
}

fn bytes_of(name: &'static str, bytes: &[u8], faults: &mut Faults) -> Vec<(u16, u8)> {
    let mut found = Vec::new();
    for attribute in faults.walk(name, bytes) {
        match *attribute.value {
            [value] => found.push((attribute.kind, value)),
            _ => faults.length(name, attribute.value, 1),
        }
    }
    found
}

fn groups(name: &'static str, bytes: &[u8], faults: &mut Faults) -> Vec<Pg> {
    let mut found = Vec::new();
    for attribute in faults.walk(name, bytes) {
        found.push(match (attribute.kind, attribute.value) {
            (kind @ 1..=8, value) => Pg::Class(kind, bytes_of(name, value, faults)),
            (kind @ 11..=18, &[share]) => Pg::Share(kind, share),
            (kind, value) => Pg::Other(kind, value.to_vec()),
        });
    }
    found
}

fn cee_apps(bytes: &[u8], faults: &mut Faults) -> Vec<CeeApp> {
    const NAME: &str = "DCB_ATTR_CEE_APP_TABLE";
    let mut found = Vec::new();
    for attribute in faults.walk(NAME, bytes) {
        let mut app = CeeApp::default();
        for part in faults.walk(NAME, attribute.value) {
            match (part.kind, part.value) {
                (1, &[selector]) => app.selector = selector,
                (2, &[low, high]) => app.protocol = u16::from_ne_bytes([low, high]),
                (3, &[priorities]) => app.priorities = priorities,
                (_, value) => faults.add(NAME, format!("an entry of {} bytes", value.len())),
            }
        }
        found.push(app);
    }
    found
}

fn peer_apps(bytes: &[u8], faults: &mut Faults) -> Vec<PeerApp> {
    const NAME: &str = "DCB_ATTR_CEE_PEER_APP_TABLE";
    let mut found = Vec::new();
    for attribute in faults.walk(NAME, bytes) {
        match (attribute.kind, attribute.value) {
            (1, &[willing, error]) => found.push(PeerApp::Info(willing, error)),
            (_, value) => match read_app(&attribute) {
                Some(app) => found.push(PeerApp::App(app)),
                None => faults.length(NAME, value, 4),
            },
        }
    }
    found
}

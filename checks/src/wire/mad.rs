//! InfiniBand management datagrams (IBA volume 1, chapters 13 to 15), and the header that `/dev/infiniband/umad*` puts before them
//! (`rdma/ib_user_mad.h`).
//!
//! Questions alone can be built: [`Question`] has no member that sets anything, and [`Method`] no number of `Set`. The `SM_Key`
//! that answers carry is not read.

mod attribute;

pub use attribute::{NodeInfo, PortInfo, SmInfo, SmInfoRecord};

use alloc::vec::Vec;

/// Length of the header without `pkey_index` (`struct ib_user_mad_hdr_old`), which a kernel uses until it is asked for the longer
/// one.
pub const HEADER: usize = 56;
/// Length of a management datagram.
pub const LENGTH: usize = 256;
/// Where the data of a subnet management packet begin.
const SMP_DATA: usize = 64;
/// Where the data of a subnet administration datagram begin.
const SA_DATA: usize = 56;
/// Length of the data of a subnet management packet.
const SMP_LENGTH: usize = 64;
/// The permissive LID.
const PERMISSIVE: u16 = 0xffff;
/// Queue key of queue pair 1 (IBA 10.2.5).
const QKEY: u32 = 0x8001_0000;
/// Most hops of a directed route here: this port, and what its cable leads to.
const HOPS: u8 = 1;

/// Management classes (IBA table 109).
const CLASS_SUBNET_LID: u8 = 0x01;
const CLASS_SUBNET_DIRECTED: u8 = 0x81;
const CLASS_ADMINISTRATION: u8 = 0x03;

/// Attributes (IBA 14.2.5, 15.2.5).
const NODE_INFO: u16 = 0x11;
const PORT_INFO: u16 = 0x15;
const SM_INFO: u16 = 0x20;
const SM_INFO_RECORD: u16 = 0x18;

/// Methods that ask (IBA 13.4.5). `Set` (2) and all others that change something do not exist here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Method {
    /// `Get`.
    Get = 0x01,
    /// `GetTable` of subnet administration.
    GetTable = 0x12,
}

impl Method {
    /// Every method.
    pub const ALL: [Self; 2] = [Self::Get, Self::GetTable];

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }
}

/// How far a directed route goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// To this port itself.
    Here,
    /// Out of the port of that number, to what its cable leads to.
    Through(u8),
}

/// A question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// What a node is.
    NodeInfo(Route),
    /// How a port of a node is set.
    PortInfo(Route, u8),
    /// What the subnet manager at a LID says of itself.
    SmInfo(u16),
    /// All subnet managers that the subnet administration at a LID knows.
    SmInfoRecords(u16),
}

/// The class that a question needs an agent for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Subnet management by LID.
    Subnet,
    /// Subnet management by directed route.
    Directed,
    /// Subnet administration.
    Administration,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 3] = [Self::Subnet, Self::Directed, Self::Administration];

    /// What an agent is registered with: queue pair, class, its version, version of RMPP.
    #[must_use]
    pub const fn registration(self) -> (u8, u8, u8, u8) {
        match self {
            Self::Subnet => (0, CLASS_SUBNET_LID, 1, 0),
            Self::Directed => (0, CLASS_SUBNET_DIRECTED, 1, 0),
            Self::Administration => (1, CLASS_ADMINISTRATION, 2, 1),
        }
    }
}

impl Question {
    /// The class of agent that asks it.
    #[must_use]
    pub const fn class(self) -> Class {
        match self {
            Self::NodeInfo(_) | Self::PortInfo(..) => Class::Directed,
            Self::SmInfo(_) => Class::Subnet,
            Self::SmInfoRecords(_) => Class::Administration,
        }
    }

    /// Its method.
    #[must_use]
    pub const fn method(self) -> Method {
        match self {
            Self::SmInfoRecords(_) => Method::GetTable,
            Self::NodeInfo(_) | Self::PortInfo(..) | Self::SmInfo(_) => Method::Get,
        }
    }

    const fn attribute(self) -> u16 {
        match self {
            Self::NodeInfo(_) => NODE_INFO,
            Self::PortInfo(..) => PORT_INFO,
            Self::SmInfo(_) => SM_INFO,
            Self::SmInfoRecords(_) => SM_INFO_RECORD,
        }
    }

    /// The datagram with the umad header before it. The kernel answers after `timeout_ms` with an error where nobody else does.
    #[must_use]
    pub fn build(self, agent: u32, transaction: u32, timeout_ms: u32) -> Vec<u8> {
        let (queue_pair, class, class_version, _) = self.class().registration();
        let mut bytes = Vec::with_capacity(HEADER + LENGTH);
        for word in [agent, 0, timeout_ms, 0, 0] {
            bytes.extend_from_slice(&word.to_ne_bytes());
        }
        bytes.extend_from_slice(&u32::from(queue_pair).to_be_bytes());
        bytes.extend_from_slice(&if queue_pair == 1 { QKEY } else { 0 }.to_be_bytes());
        let lid = match self {
            Self::NodeInfo(_) | Self::PortInfo(..) => PERMISSIVE,
            Self::SmInfo(lid) | Self::SmInfoRecords(lid) => lid,
        };
        bytes.extend_from_slice(&lid.to_be_bytes());
        bytes.resize(HEADER, 0);

        let mut mad = [0_u8; LENGTH];
        mad[..4].copy_from_slice(&[1, class, class_version, self.method().number()]);
        mad[12..16].copy_from_slice(&transaction.to_be_bytes());
        mad[16..18].copy_from_slice(&self.attribute().to_be_bytes());
        if let Self::PortInfo(_, port) = self {
            mad[20..24].copy_from_slice(&u32::from(port).to_be_bytes());
        }
        if let Self::NodeInfo(route) | Self::PortInfo(route, _) = self {
            mad[32..36].fill(0xff);
            if let Route::Through(port) = route {
                mad[7] = HOPS;
                mad[129] = port;
            }
        }
        if self.class() == Class::Administration {
            mad[24] = 1;
        }
        bytes.extend_from_slice(&mad);
        bytes
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// To [`Question::NodeInfo`].
    NodeInfo(NodeInfo),
    /// To [`Question::PortInfo`].
    PortInfo(PortInfo),
    /// To [`Question::SmInfo`].
    SmInfo(SmInfo),
    /// To [`Question::SmInfoRecords`].
    SmInfoRecords(Vec<SmInfoRecord>),
}

/// Why there is no answer in a datagram that was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Shorter than its headers.
    #[error("{0} bytes, which is shorter than a management datagram")]
    Short(usize),
    /// The kernel gave up waiting, or could not send (`ib_user_mad_hdr.status`).
    #[error("the kernel says errno {0}")]
    Status(u32),
    /// The other end refused it (`MADHeader:Status`).
    #[error("refused with status {0:#06x}")]
    Refused(u16),
    /// Not an answer to this question.
    #[error("an answer to another question: class {class:#04x}, method {method:#04x}, attribute {attribute:#06x}")]
    Other {
        /// `MgmtClass`.
        class: u8,
        /// `Method`.
        method: u8,
        /// `AttributeID`.
        attribute: u16,
    },
    /// A table whose rows cannot be told apart.
    #[error("a table with rows of {0} bytes")]
    Rows(usize),
}

/// `ETIMEDOUT`, by which the kernel says that nobody answered.
const TIMED_OUT: u32 = 110;

impl Fault {
    /// Whether nobody answered in time.
    #[must_use]
    pub fn is_timeout(self) -> bool {
        self == Self::Status(TIMED_OUT)
    }
}

/// The transaction that a received datagram belongs to, and the agent; `None` for one that is too short.
#[must_use]
pub fn transaction(received: &[u8]) -> Option<(u32, u32)> {
    let agent = u32::from_ne_bytes(*received.first_chunk()?);
    Some((agent, be32(received.get(HEADER..)?, 12)?))
}

/// Reads what was received in answer to `question`.
///
/// # Errors
/// [`Fault`].
pub fn read(question: Question, received: &[u8]) -> Result<Answer, Fault> {
    let short = || Fault::Short(received.len());
    let status = received.get(4..8).and_then(|bytes| bytes.first_chunk()).map(|bytes| u32::from_ne_bytes(*bytes));
    match status.ok_or_else(short)? {
        0 => {}
        status => return Err(Fault::Status(status)),
    }
    let mad = received.get(HEADER..).filter(|mad| mad.len() >= SA_DATA).ok_or_else(short)?;
    let attribute = be16(mad, 16).ok_or_else(short)?;
    let (class, method) = (mad[1], mad[3]);
    let answered = question.method().number() | 0x80;
    let (_, asked_class, ..) = question.class().registration();
    if class != asked_class || method != answered || attribute != question.attribute() {
        return Err(Fault::Other { class, method, attribute });
    }
    // The highest bit is the direction of a directed route.
    let status = be16(mad, 4).ok_or_else(short)? & if question.class() == Class::Directed { 0x7fff } else { 0xffff };
    if status != 0 {
        return Err(Fault::Refused(status));
    }
    let data = || mad.get(SMP_DATA..SMP_DATA + SMP_LENGTH).ok_or_else(short);
    Ok(match question {
        Question::NodeInfo(_) => Answer::NodeInfo(NodeInfo::read(data()?).ok_or_else(short)?),
        Question::PortInfo(..) => Answer::PortInfo(PortInfo::read(data()?).ok_or_else(short)?),
        Question::SmInfo(_) => Answer::SmInfo(SmInfo::read(data()?).ok_or_else(short)?),
        Question::SmInfoRecords(_) => {
            // In units of 8 bytes; 0 where the table is empty.
            let row = usize::from(be16(mad, 44).ok_or_else(short)?) * 8;
            let table = mad.get(SA_DATA..).unwrap_or_default();
            if row == 0 {
                return Ok(Answer::SmInfoRecords(Vec::new()));
            }
            if row < SmInfoRecord::LENGTH {
                return Err(Fault::Rows(row));
            }
            // One that is not filled up ends in zeros, and no subnet manager has the LID 0.
            let rows = table.chunks(row).filter_map(SmInfoRecord::read).filter(|record| record.lid != 0);
            Answer::SmInfoRecords(rows.collect())
        }
    })
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn be64(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests;

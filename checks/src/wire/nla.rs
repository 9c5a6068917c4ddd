//! Netlink messages and attributes as bytes (`linux/netlink.h`, `net/netlink.h`).
//!
//! Reading never panics and never reads beyond its slice: whatever does not fit ends the walk with [`Malformed`]. Numbers
//! are in the byte order of the machine that wrote them; a recorded answer is read on a machine of the same order.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

/// Length of `struct nlmsghdr`.
pub const HEADER: usize = 16;
/// `NLMSG_ERROR`: an errno, or an acknowledgement where it is 0.
pub const ERROR: u16 = 2;
/// `NLMSG_DONE`: the end of a dump.
pub const DONE: u16 = 3;
/// `NLM_F_REQUEST`.
pub const REQUEST: u16 = 0x1;
/// `NLM_F_ACK`.
pub const ACK: u16 = 0x4;
/// `NLM_F_DUMP_INTR`: the table changed while it was dumped.
pub const DUMP_INTERRUPTED: u16 = 0x10;
/// `NLM_F_DUMP`.
pub const DUMP: u16 = 0x300;
/// Type bits of an attribute, without `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER`.
const TYPE_MASK: u16 = 0x3fff;
const NESTED: u16 = 0x8000;

/// A length that does not fit where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a length of {length} bytes where {room} are left, at byte {offset}")]
pub struct Malformed {
    /// Where in the walked slice.
    pub offset: usize,
    /// The length that is claimed there.
    pub length: usize,
    /// The bytes that are left there.
    pub room: usize,
}

/// One netlink message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// `nlmsg_type`.
    pub kind: u16,
    /// `nlmsg_flags`.
    pub flags: u16,
    /// `nlmsg_seq`.
    pub seq: u32,
    /// Everything after `struct nlmsghdr`.
    pub body: &'a [u8],
    /// The message with its header, without padding.
    pub bytes: &'a [u8],
}

impl Message<'_> {
    /// The (positive) errno of an `NLMSG_ERROR`, 0 for an acknowledgement; `None` for any other message.
    #[must_use]
    pub fn error(&self) -> Option<i32> {
        (self.kind == ERROR).then(|| read_i32(self.body).map_or(0, i32::wrapping_neg))
    }
}

/// Walks the messages of a buffer; ends after the first malformed one.
#[derive(Debug, Clone)]
pub struct Messages<'a> {
    rest: &'a [u8],
    offset: usize,
}

/// The messages of `bytes`.
#[must_use]
pub fn messages(bytes: &[u8]) -> Messages<'_> {
    Messages { rest: bytes, offset: 0 }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let length = read_u32(self.rest).map_or(0, |length| usize::try_from(length).unwrap_or(usize::MAX));
        if length < HEADER || length > self.rest.len() {
            let fault = Malformed { offset: self.offset, length, room: self.rest.len() };
            self.rest = &[];
            return Some(Err(fault));
        }
        let (bytes, _) = self.rest.split_at(length);
        let step = align(length).min(self.rest.len());
        self.rest = &self.rest[step..];
        self.offset += step;
        Some(Ok(Message {
            kind: read_u16(&bytes[4..]).unwrap_or(0),
            flags: read_u16(&bytes[6..]).unwrap_or(0),
            seq: read_u32(&bytes[8..]).unwrap_or(0),
            body: &bytes[HEADER..],
            bytes,
        }))
    }
}

/// One attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// Its type, without the nested and byte-order bits.
    pub kind: u16,
    /// Its payload.
    pub value: &'a [u8],
    /// The attribute with its header, without padding.
    pub bytes: &'a [u8],
}

/// Walks attributes; ends after the first malformed one.
#[derive(Debug, Clone)]
pub struct Attributes<'a> {
    rest: &'a [u8],
    offset: usize,
}

/// The attributes of `bytes`.
#[must_use]
pub fn attributes(bytes: &[u8]) -> Attributes<'_> {
    Attributes { rest: bytes, offset: 0 }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.len() < 4 {
            return None;
        }
        let length = usize::from(read_u16(self.rest).unwrap_or(0));
        if length < 4 || length > self.rest.len() {
            let fault = Malformed { offset: self.offset, length, room: self.rest.len() };
            self.rest = &[];
            return Some(Err(fault));
        }
        let (bytes, _) = self.rest.split_at(length);
        let step = align(length).min(self.rest.len());
        self.rest = &self.rest[step..];
        self.offset += step;
        Some(Ok(Attribute { kind: read_u16(&bytes[2..]).unwrap_or(0) & TYPE_MASK, value: &bytes[4..], bytes }))
    }
}

impl<'a> Attribute<'a> {
    /// The nested attributes in the payload; stops at the first malformed one.
    pub fn nested(&self) -> impl Iterator<Item = Attribute<'a>> + use<'a> {
        attributes(self.value).map_while(Result::ok)
    }

    /// The payload as a string without its terminating NUL; bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn text(&self) -> String {
        let end = self.value.iter().position(|&byte| byte == 0).unwrap_or(self.value.len());
        String::from_utf8_lossy(&self.value[..end]).into_owned()
    }

    /// The payload as an unsigned number of its own width (1, 2, 4 or 8 bytes), host order.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        match self.value.len() {
            1 => self.value.first().copied().map(u64::from),
            2 => read_u16(self.value).map(u64::from),
            4 => read_u32(self.value).map(u64::from),
            8 => read_u64(self.value),
            _ => None,
        }
    }

    /// The payload as a 32-bit number.
    #[must_use]
    pub fn u32(&self) -> Option<u32> {
        read_u32(self.value)
    }

    /// The payload as an IP address, by its length.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        read_ip(self.value)
    }
}

/// Reads an IP address; its length tells the family.
#[must_use]
pub fn read_ip(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

/// Reads a 16-bit number in host order.
#[must_use]
pub fn read_u16(bytes: &[u8]) -> Option<u16> {
    bytes.first_chunk().copied().map(u16::from_ne_bytes)
}

/// Reads a 32-bit number in host order.
#[must_use]
pub fn read_u32(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().copied().map(u32::from_ne_bytes)
}

fn read_i32(bytes: &[u8]) -> Option<i32> {
    bytes.first_chunk().copied().map(i32::from_ne_bytes)
}

/// Reads a 64-bit number in host order.
#[must_use]
pub fn read_u64(bytes: &[u8]) -> Option<u64> {
    bytes.first_chunk().copied().map(u64::from_ne_bytes)
}

/// The length with its padding to four bytes.
pub(crate) const fn align(length: usize) -> usize {
    length.saturating_add(3) & !3
}

/// Writes one netlink message.
#[derive(Debug, Clone)]
pub struct Builder {
    bytes: Vec<u8>,
}

impl Builder {
    /// A message of that type and those flags, sequence number 0, with `fixed` (`struct ifinfomsg`, `genlmsghdr`, …) as its
    /// fixed part.
    #[must_use]
    pub fn new(kind: u16, flags: u16, fixed: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(64);
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&flags.to_ne_bytes());
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(fixed);
        let mut builder = Self { bytes };
        builder.pad();
        builder
    }

    /// Adds an attribute. A value that is too long for one (65,531 bytes) is cut.
    pub fn put(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        let value = &value[..value.len().min(usize::from(u16::MAX) - 4)];
        let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        self.pad();
        self
    }

    /// Adds a string attribute with its terminating NUL.
    pub fn text(&mut self, kind: u16, value: &str) -> &mut Self {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.put(kind, &bytes)
    }

    /// Adds a 32-bit attribute.
    pub fn u32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.put(kind, &value.to_ne_bytes())
    }

    /// Adds an IP address.
    pub fn ip(&mut self, kind: u16, address: IpAddr) -> &mut Self {
        match address {
            IpAddr::V4(address) => self.put(kind, &address.octets()),
            IpAddr::V6(address) => self.put(kind, &address.octets()),
        }
    }

    /// Adds a nest and fills it.
    pub fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) -> &mut Self {
        let start = self.bytes.len();
        self.put(kind | NESTED, &[]);
        fill(self);
        let length = u16::try_from(self.bytes.len() - start).unwrap_or(u16::MAX);
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self
    }

    /// The finished message.
    #[must_use]
    pub fn finish(&self) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        bytes[..4].copy_from_slice(&length.to_ne_bytes());
        bytes
    }

    fn pad(&mut self) {
        self.bytes.resize(align(self.bytes.len()), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_built_is_read_back() {
        let mut builder = Builder::new(18, REQUEST | DUMP, &[0; 16]);
        builder.text(3, "eth0").u32(4, 9000).nest(18, |nest| {
            nest.text(1, "vlan");
        });
        let bytes = builder.finish();
        let message = messages(&bytes).next().expect("one message").expect("well formed");
        assert_eq!((message.kind, message.flags), (18, REQUEST | DUMP));
        let read: Vec<_> = attributes(&message.body[16..]).map(|attribute| attribute.expect("well formed")).collect();
        assert_eq!(read[0].text(), "eth0");
        assert_eq!(read[1].u32(), Some(9000));
        assert_eq!(read[2].nested().next().expect("the kind").text(), "vlan");
    }

    #[test]
    fn a_cut_message_is_malformed_and_ends_the_walk() {
        let bytes = Builder::new(18, 0, &[0; 16]).finish();
        let mut walk = messages(&bytes[..20]);
        assert_eq!(walk.next(), Some(Err(Malformed { offset: 0, length: 32, room: 20 })));
        assert_eq!(walk.next(), None);
    }

    proptest! {
        #[test]
        fn any_bytes_end_the_walk(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(messages(&bytes).count() <= bytes.len());
            prop_assert!(attributes(&bytes).count() <= bytes.len());
            for message in messages(&bytes).flatten() {
                let _ = message.error();
            }
        }
    }
}

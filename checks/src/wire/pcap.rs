//! Captures: classic pcap in both byte orders, with micro- and nanoseconds, and pcapng (draft-ietf-opsawg-pcap and -pcapng).
//!
//! Frames come out one by one; a block that does not fit ends the walk with [`Malformed`].

use alloc::string::String;
use alloc::vec::Vec;

/// `LINKTYPE_ETHERNET`.
const ETHERNET: u32 = 1;
/// `LINKTYPE_LINUX_SLL`, what `tcpdump -i any` writes.
const LINUX_SLL: u32 = 113;
/// `LINKTYPE_LINUX_SLL2`.
const LINUX_SLL2: u32 = 276;
/// Most interfaces of one section.
const INTERFACES: usize = 4096;

/// A capture that cannot be read on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}, at byte {offset}")]
pub struct Malformed {
    /// Where in the file.
    pub offset: usize,
    /// What is wrong there.
    pub why: &'static str,
}

/// One captured frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its number in the file, from 1, as Wireshark counts.
    pub number: usize,
    /// Number of its interface within the file; 0 in classic captures.
    pub interface: usize,
    /// `LINKTYPE_*`.
    pub link_type: u32,
    /// When it was captured, nanoseconds since 1970; `None` where the file does not say.
    pub time: Option<u64>,
    /// Whether the capture says that it left this host.
    pub outbound: bool,
    /// The frame, as much of it as was kept.
    pub bytes: &'a [u8],
}

/// Addresses and payload of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payload<'a> {
    /// Where it went to; `None` where the capture does not keep it.
    pub to: Option<[u8; 6]>,
    /// Whether it left this host.
    pub outbound: bool,
    /// Interface index, where the frame says it.
    pub ifindex: Option<u32>,
    /// `EtherType` behind any VLAN tags.
    pub ethertype: u16,
    /// What follows the `EtherType`.
    pub bytes: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The payload; `None` for a frame that is cut off before it, or of a medium that is not known.
    #[must_use]
    pub fn payload(&self) -> Option<Payload<'a>> {
        let bytes = self.bytes;
        let (to, outbound, ifindex, mut ethertype, mut rest) = match self.link_type {
            ETHERNET => (bytes.first_chunk().copied(), false, None, be16(bytes, 12)?, bytes.get(14..)?),
            // Packet type 4 is what this host sent (PACKET_OUTGOING).
            LINUX_SLL => (None, be16(bytes, 0)? == 4, None, be16(bytes, 14)?, bytes.get(16..)?),
            LINUX_SLL2 => {
                let ifindex = bytes.get(4..8)?.first_chunk().map(|index| u32::from_be_bytes(*index));
                (None, *bytes.get(10)? == 4, ifindex, be16(bytes, 0)?, bytes.get(20..)?)
            }
            _ => return None,
        };
        while matches!(ethertype, 0x8100 | 0x88a8) {
            ethertype = be16(rest, 2)?;
            rest = rest.get(4..)?;
        }
        Some(Payload { to, outbound: outbound || self.outbound, ifindex, ethertype, bytes: rest })
    }
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
}

/// A capture file.
#[derive(Debug, Clone)]
pub struct Capture<'a> {
    bytes: &'a [u8],
    offset: usize,
    big: bool,
    number: usize,
    format: Format,
    /// Interfaces of this file; those of the current section begin at `section`.
    interfaces: Vec<Interface>,
    section: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Classic {
        nanoseconds: bool,
    },
    Ng,
    /// Ended by what cannot be read.
    Over,
}

#[derive(Debug, Clone, Default)]
struct Interface {
    name: Option<String>,
    link_type: u32,
    /// Units of time in a second.
    units: u64,
}

impl<'a> Capture<'a> {
    /// Opens a capture.
    ///
    /// # Errors
    ///
    /// It is none.
    pub fn open(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let fault = |why| Malformed { offset: 0, why };
        let magic = *bytes.first_chunk::<4>().ok_or_else(|| fault("shorter than the mark of a capture"))?;
        let mut capture = Self { bytes, offset: 0, big: false, number: 0, format: Format::Ng, interfaces: Vec::new(), section: 0 };
        let (big, nanoseconds) = match magic {
            [0xd4, 0xc3, 0xb2, 0xa1] => (false, false),
            [0xa1, 0xb2, 0xc3, 0xd4] => (true, false),
            [0x4d, 0x3c, 0xb2, 0xa1] => (false, true),
            [0xa1, 0xb2, 0x3c, 0x4d] => (true, true),
            [0x0a, 0x0d, 0x0d, 0x0a] => return Ok(capture),
            _ => return Err(fault("neither pcap nor pcapng")),
        };
        capture.big = big;
        capture.format = Format::Classic { nanoseconds };
        capture.offset = 24;
        // The upper bits say whether frames end in an FCS.
        let link_type = capture.word(20).ok_or_else(|| fault("a header that is cut off"))? & 0xffff;
        capture.interfaces.push(Interface { link_type, ..Interface::default() });
        Ok(capture)
    }

    /// The name that the capture gives to an interface, by its number.
    #[must_use]
    pub fn interface_name(&self, interface: usize) -> Option<&str> {
        self.interfaces.get(interface)?.name.as_deref()
    }

    fn word(&self, at: usize) -> Option<u32> {
        let bytes = *self.bytes.get(at..)?.first_chunk::<4>()?;
        Some(if self.big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    fn half(&self, at: usize) -> Option<u16> {
        let bytes = *self.bytes.get(at..)?.first_chunk::<2>()?;
        Some(if self.big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn length(&self, at: usize) -> Option<usize> {
        self.word(at).and_then(|length| usize::try_from(length).ok())
    }

    fn end(&mut self, why: &'static str) -> Malformed {
        self.format = Format::Over;
        Malformed { offset: self.offset, why }
    }

    fn classic(&mut self, nanoseconds: bool) -> Result<Frame<'a>, Malformed> {
        let at = self.offset;
        let (Some(seconds), Some(part), Some(kept)) = (self.word(at), self.word(at + 4), self.length(at + 8)) else {
            return Err(self.end("a frame's header is cut off"));
        };
        let Some(bytes) = at.checked_add(16).and_then(|start| self.bytes.get(start..)?.get(..kept)) else {
            return Err(self.end("a frame is longer than the file"));
        };
        self.offset = at + 16 + kept;
        self.number += 1;
        let part = u64::from(part) * if nanoseconds { 1 } else { 1000 };
        let time = Some(u64::from(seconds) * 1_000_000_000 + part);
        let link_type = self.interfaces.first().map_or(ETHERNET, |interface| interface.link_type);
        Ok(Frame { number: self.number, interface: 0, link_type, time, outbound: false, bytes })
    }

    /// The next frame; `None` at the end.
    fn ng(&mut self) -> Result<Option<Frame<'a>>, Malformed> {
        while self.offset < self.bytes.len() {
            let at = self.offset;
            if self.bytes.get(at..at + 4) == Some(&[0x0a, 0x0d, 0x0d, 0x0a]) {
                self.big = match self.bytes.get(at + 8..at + 12) {
                    Some([0x1a, 0x2b, 0x3c, 0x4d]) => true,
                    Some([0x4d, 0x3c, 0x2b, 0x1a]) => false,
                    _ => return Err(self.end("a section without its mark of byte order")),
                };
                self.section = self.interfaces.len();
            }
            let (Some(kind), Some(length)) = (self.word(at), self.length(at + 4)) else {
                return Err(self.end("a block's header is cut off"));
            };
            let block = at.checked_add(length).and_then(|end| self.bytes.get(at..end));
            if length < 12 || length % 4 != 0 || block.is_none() {
                return Err(self.end("a block's length does not fit the file"));
            }
            let end = at + length - 4;
            let frame = match kind {
                1 => {
                    self.interface(at + 8, end)?;
                    None
                }
                // Enhanced and simple packet blocks; 2 is the obsolete one.
                6 => Some(self.packet(at, end, self.word(at + 8))?),
                2 => Some(self.packet(at, end, self.half(at + 8).map(u32::from))?),
                3 => Some(self.simple(at, end)?),
                _ => None,
            };
            self.offset = at + length;
            if let Some(frame) = frame {
                return Ok(Some(frame));
            }
        }
        self.format = Format::Over;
        Ok(None)
    }

    /// Options of a block: number and value.
    fn options(&self, mut at: usize, end: usize) -> Vec<(u16, &'a [u8])> {
        let mut found = Vec::new();
        while at + 4 <= end {
            let (Some(kind), Some(length)) = (self.half(at), self.half(at + 2)) else { break };
            let length = usize::from(length);
            let value = self.bytes.get(at + 4..at + 4 + length).filter(|_| at + 4 + length <= end);
            match (kind, value) {
                (0, _) | (_, None) => break,
                (kind, Some(value)) => found.push((kind, value)),
            }
            at += 4 + length.next_multiple_of(4);
        }
        found
    }

    fn interface(&mut self, at: usize, end: usize) -> Result<(), Malformed> {
        let Some(link_type) = self.half(at).filter(|_| at + 8 <= end) else {
            return Err(self.end("an interface's block is cut off"));
        };
        let mut interface = Interface { link_type: link_type.into(), units: 1_000_000, ..Interface::default() };
        for (kind, value) in self.options(at + 8, end) {
            match (kind, value) {
                (2, name) => {
                    interface.name =
                        Some(String::from_utf8_lossy(name).trim_end_matches('\0').into()).filter(|name: &String| !name.is_empty());
                }
                (9, &[resolution, ..]) => {
                    let base: u64 = if resolution & 0x80 == 0 { 10 } else { 2 };
                    interface.units = base.checked_pow(u32::from(resolution & 0x7f)).unwrap_or(0);
                }
                _ => {}
            }
        }
        if self.interfaces.len() >= INTERFACES {
            return Err(self.end("more interfaces than any machine has"));
        }
        self.interfaces.push(interface);
        Ok(())
    }

    fn packet(&mut self, at: usize, end: usize, interface: Option<u32>) -> Result<Frame<'a>, Malformed> {
        let number = interface.and_then(|number| usize::try_from(number).ok()).map(|number| self.section.saturating_add(number));
        let known = number.and_then(|number| Some((number, self.interfaces.get(number)?)));
        let Some((number, interface)) = known else { return Err(self.end("a frame of an interface that was not described")) };
        let (link_type, units) = (interface.link_type, interface.units);
        let kept = self.length(at + 20);
        let bytes = kept.and_then(|kept| self.bytes.get(..end)?.get(at + 28..)?.get(..kept));
        let Some(bytes) = bytes else { return Err(self.end("a frame is longer than its block")) };
        let time = match (self.word(at + 12), self.word(at + 16)) {
            (Some(high), Some(low)) if units != 0 => {
                let count = u128::from(high) << 32 | u128::from(low);
                u64::try_from(count * 1_000_000_000 / u128::from(units)).ok()
            }
            _ => None,
        };
        let flags = self.options(at + 28 + bytes.len().next_multiple_of(4), end).into_iter().find(|(kind, _)| *kind == 2);
        let direction = flags.and_then(|(_, value)| value.first_chunk::<4>().copied());
        let direction = direction.map(|flags| if self.big { u32::from_be_bytes(flags) } else { u32::from_le_bytes(flags) });
        self.number += 1;
        let outbound = direction.is_some_and(|flags| flags & 3 == 2);
        Ok(Frame { number: self.number, interface: number, link_type, time, outbound, bytes })
    }

    fn simple(&mut self, at: usize, end: usize) -> Result<Frame<'a>, Malformed> {
        let Some(interface) = self.interfaces.get(self.section) else {
            return Err(self.end("a frame of an interface that was not described"));
        };
        let link_type = interface.link_type;
        let original = self.length(at + 8).unwrap_or(0);
        let Some(bytes) = self.bytes.get(at + 12..end) else { return Err(self.end("a frame is longer than its block")) };
        self.number += 1;
        let bytes = bytes.get(..original).unwrap_or(bytes);
        Ok(Frame { number: self.number, interface: self.section, link_type, time: None, outbound: false, bytes })
    }
}

impl<'a> Iterator for Capture<'a> {
    type Item = Result<Frame<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.format {
            Format::Over => None,
            Format::Classic { .. } if self.offset >= self.bytes.len() => None,
            Format::Classic { nanoseconds } => Some(self.classic(nanoseconds)),
            Format::Ng => self.ng().transpose(),
        }
    }
}

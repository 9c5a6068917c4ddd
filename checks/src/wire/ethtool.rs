//! Generic netlink to ethtool: requests, and the answers that carry speed, pause and private flags
//! (`linux/genetlink.h`, `linux/ethtool_netlink.h`; fields in the kernel's Documentation/networking/ethtool-netlink.rst).

use super::nla::{self, Attribute, Builder, Message, attributes};
use crate::evidence::Pause;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

/// `GENL_ID_CTRL`.
const CONTROL: u16 = 16;
/// Length of `struct genlmsghdr`.
const GENL_HEADER: usize = 4;
/// `ETHTOOL_FLAG_COMPACT_BITSETS`.
const COMPACT: u32 = 1;
/// `SPEED_UNKNOWN`.
const SPEED_UNKNOWN: u32 = u32::MAX;

/// What can be asked of every interface in one dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// `ETHTOOL_MSG_LINKMODES_GET`: speed and duplex.
    LinkModes,
    /// `ETHTOOL_MSG_PAUSE_GET`: 802.3x pause.
    Pause,
    /// `ETHTOOL_MSG_PRIVFLAGS_GET`: the driver's private flags by name.
    PrivateFlags,
}

impl Question {
    const fn command(self) -> u8 {
        match self {
            Self::LinkModes => 4,
            Self::PrivateFlags => 13,
            Self::Pause => 21,
        }
    }
}

/// What one interface said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// `ETHTOOL_A_HEADER_DEV_INDEX`.
    pub ifindex: u32,
    /// `ETHTOOL_A_LINKMODES_SPEED` in Mb/s; `None` where unknown.
    pub speed_mbps: Option<u32>,
    /// `ETHTOOL_A_LINKMODES_DUPLEX`: `full`, `half`.
    pub duplex: Option<&'static str>,
    /// `ETHTOOL_A_PAUSE_*`.
    pub pause: Option<Pause>,
    /// `ETHTOOL_A_PRIVFLAGS_FLAGS` by name.
    pub private_flags: Option<BTreeMap<String, bool>>,
}

/// Asks the generic netlink controller for the number of the `ethtool` family (`CTRL_CMD_GETFAMILY`).
#[must_use]
pub fn family_request() -> Vec<u8> {
    Builder::new(CONTROL, nla::REQUEST, &[3, 1, 0, 0]).text(2, "ethtool").finish()
}

/// Reads the answer to [`family_request`] (`CTRL_ATTR_FAMILY_ID`).
#[must_use]
pub fn family_id(answer: &[u8]) -> Option<u16> {
    let message = nla::messages(answer).next()?.ok()?;
    let rest = message.body.get(GENL_HEADER..)?;
    let id = attributes(rest).map_while(Result::ok).find(|attribute| attribute.kind == 1)?;
    nla::read_u16(id.value)
}

/// Asks all interfaces of the namespace one question.
#[must_use]
pub fn dump_request(family: u16, question: Question) -> Vec<u8> {
    // Names are wanted of the private flags alone; the list of link modes would be long.
    let flags = if question == Question::PrivateFlags { 0 } else { COMPACT };
    let mut builder = Builder::new(family, nla::REQUEST | nla::DUMP, &[question.command(), 1, 0, 0]);
    builder.nest(1, |header| {
        header.u32(3, flags);
    });
    builder.finish()
}

/// Reads one message of the answer to [`dump_request`]; `None` where it names no interface.
#[must_use]
pub fn answer(message: &Message<'_>, question: Question) -> Option<Answer> {
    let rest = message.body.get(GENL_HEADER..)?;
    let mut answer = Answer::default();
    let mut pause = Pause { rx: false, tx: false, autoneg: false };
    let mut pause_seen = false;
    for attribute in attributes(rest).map_while(Result::ok) {
        match (question, attribute.kind) {
            (_, 1) => answer.ifindex = attribute.nested().find(|inner| inner.kind == 1)?.u32()?,
            (Question::LinkModes, 5) => {
                answer.speed_mbps = attribute.u32().filter(|&speed| speed != 0 && speed != SPEED_UNKNOWN);
            }
            (Question::LinkModes, 6) => {
                answer.duplex = match attribute.value {
                    [0] => Some("half"),
                    [1] => Some("full"),
                    _ => None,
                };
            }
            (Question::Pause, kind @ 2..=4) => {
                let on = attribute.value.first().is_some_and(|&byte| byte != 0);
                pause_seen = true;
                match kind {
                    2 => pause.autoneg = on,
                    3 => pause.rx = on,
                    _ => pause.tx = on,
                }
            }
            (Question::PrivateFlags, 2) => answer.private_flags = Some(bitset(&attribute)),
            _ => {}
        }
    }
    answer.pause = pause_seen.then_some(pause);
    (answer.ifindex != 0).then_some(answer)
}

/// A verbose bitset (`ETHTOOL_A_BITSET_BITS`): every named bit, and whether it is set.
fn bitset(attribute: &Attribute<'_>) -> BTreeMap<String, bool> {
    let mut bits = BTreeMap::new();
    for bit in attribute.nested().filter(|inner| inner.kind == 3).flat_map(|list| list.nested()) {
        let mut name = None;
        let mut set = false;
        for part in bit.nested() {
            match part.kind {
                2 => name = Some(part.text()),
                3 => set = true,
                _ => {}
            }
        }
        if let Some(name) = name {
            bits.insert(name, set);
        }
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(build: impl FnOnce(&mut Builder)) -> Vec<u8> {
        let mut builder = Builder::new(21, 0, &[4, 1, 0, 0]);
        builder.nest(1, |header| {
            header.u32(1, 7).text(2, "eth0");
        });
        build(&mut builder);
        builder.finish()
    }

    fn read(bytes: &[u8], question: Question) -> Answer {
        answer(&nla::messages(bytes).next().expect("one").expect("well formed"), question).expect("an interface")
    }

    #[test]
    fn speed_and_duplex() {
        let bytes = reply(|it| {
            it.u32(5, 40_000).put(6, &[1]);
        });
        let answer = read(&bytes, Question::LinkModes);
        assert_eq!((answer.ifindex, answer.speed_mbps, answer.duplex), (7, Some(40_000), Some("full")));
        let bytes = reply(|it| {
            it.u32(5, SPEED_UNKNOWN).put(6, &[255]);
        });
        let answer = read(&bytes, Question::LinkModes);
        assert_eq!((answer.speed_mbps, answer.duplex), (None, None));
    }

    #[test]
    fn pause_and_private_flags() {
        let bytes = reply(|it| {
            it.put(2, &[1]).put(3, &[0]).put(4, &[1]);
        });
        assert_eq!(read(&bytes, Question::Pause).pause, Some(Pause { rx: false, tx: true, autoneg: true }));
        let bytes = reply(|it| {
            it.nest(2, |set| {
                set.nest(3, |bits| {
                    bits.nest(1, |bit| {
                        bit.u32(1, 0).text(2, "disable-fw-lldp").put(3, &[]);
                    });
                    bits.nest(1, |bit| {
                        bit.u32(1, 1).text(2, "link-down-on-close");
                    });
                });
            });
        });
        let flags = read(&bytes, Question::PrivateFlags).private_flags.expect("flags");
        assert_eq!(flags.into_iter().collect::<Vec<_>>(), [("disable-fw-lldp".into(), true), ("link-down-on-close".into(), false)]);
    }
}

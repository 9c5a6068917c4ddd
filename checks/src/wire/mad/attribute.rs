//! The attributes that are asked for (IBA 14.2.5, 15.2.5).

use super::{be16, be32, be64};
use crate::parse::infiniband::{PHYS_STATES, SM_STATES, STATES, Speed, mtu_of_code};

/// `CapabilityMask:IsExtendedSpeedsSupported`.
const EXTENDED_SPEEDS: u32 = 1 << 14;

/// `NodeInfo` (IBA 14.2.5.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeInfo {
    /// 1 adapter, 2 switch, 3 router.
    pub node_type: u8,
    /// Number of ports.
    pub ports: u8,
    /// GUID of the node.
    pub node_guid: u64,
    /// GUID of the port.
    pub port_guid: u64,
    /// Number of the port that the question came in by.
    pub local_port: u8,
}

impl NodeInfo {
    pub(super) fn read(data: &[u8]) -> Option<Self> {
        Some(Self {
            node_type: *data.get(2)?,
            ports: *data.get(3)?,
            node_guid: be64(data, 12)?,
            port_guid: be64(data, 20)?,
            local_port: *data.get(36)?,
        })
    }
}

/// `PortInfo` (IBA 14.2.5.6), of it what is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortInfo {
    /// `GidPrefix`.
    pub gid_prefix: u64,
    /// `LID`.
    pub lid: u16,
    /// `MasterSMLID`.
    pub sm_lid: u16,
    /// `CapabilityMask`.
    pub cap_mask: u32,
    /// `LinkWidthSupported`, bits.
    pub width_supported: u8,
    /// `LinkWidthActive`, one bit.
    pub width_active: u8,
    /// `LinkSpeedSupported`, bits.
    pub speed_supported: u8,
    /// `LinkSpeedActive`, one bit.
    pub speed_active: u8,
    /// `LinkSpeedExtSupported`, bits; 0 where the port knows none.
    pub speed_ext_supported: u8,
    /// `LinkSpeedExtActive`, one bit.
    pub speed_ext_active: u8,
    /// `PortState`, 0 to 15.
    pub state: u8,
    /// `PortPhysicalState`, 0 to 15.
    pub phys_state: u8,
    /// `LMC`.
    pub lmc: u8,
    /// `NeighborMTU`, code.
    pub neighbor_mtu: u8,
    /// `MTUCap`, code.
    pub mtu_cap: u8,
}

impl PortInfo {
    pub(super) fn read(data: &[u8]) -> Option<Self> {
        let byte = |at: usize| data.get(at).copied();
        let cap_mask = be32(data, 20)?;
        let extended = byte(62)?;
        let extended = if cap_mask & EXTENDED_SPEEDS == 0 { 0 } else { extended };
        Some(Self {
            gid_prefix: be64(data, 8)?,
            lid: be16(data, 16)?,
            sm_lid: be16(data, 18)?,
            cap_mask,
            width_supported: byte(30)?,
            width_active: byte(31)?,
            speed_supported: byte(32)? >> 4,
            speed_active: byte(35)? >> 4,
            speed_ext_supported: extended & 0xf,
            speed_ext_active: extended >> 4,
            state: byte(32)? & 0xf,
            phys_state: byte(33)? >> 4,
            lmc: byte(34)? & 7,
            neighbor_mtu: byte(36)? >> 4,
            mtu_cap: byte(41)? & 0xf,
        })
    }

    /// `NeighborMTU` in bytes.
    #[must_use]
    pub fn active_mtu(&self) -> Option<u16> {
        mtu_of_code(self.neighbor_mtu.into())
    }

    /// `MTUCap` in bytes.
    #[must_use]
    pub fn max_mtu(&self) -> Option<u16> {
        mtu_of_code(self.mtu_cap.into())
    }

    /// The largest number of lanes that is supported.
    #[must_use]
    pub fn widest(&self) -> Option<u8> {
        lanes(self.width_supported).max()
    }

    /// Lanes in use.
    #[must_use]
    pub fn width(&self) -> Option<u8> {
        let mut found = lanes(self.width_active);
        found.next().filter(|_| self.width_active.is_power_of_two())
    }

    /// The highest speed that is supported. FDR10 is a vendor's and not in the standard's mask.
    #[must_use]
    pub fn fastest(&self) -> Option<Speed> {
        speeds(self.speed_supported, self.speed_ext_supported).max()
    }

    /// The speed in use.
    #[must_use]
    pub fn speed(&self) -> Option<Speed> {
        speeds(if self.speed_ext_active == 0 { self.speed_active } else { 0 }, self.speed_ext_active).max()
    }

    /// The word of `PortState`.
    #[must_use]
    pub fn state_word(&self) -> Option<&'static str> {
        STATES.get(usize::from(self.state)).copied()
    }

    /// The word of `PortPhysicalState`.
    #[must_use]
    pub fn phys_state_word(&self) -> Option<&'static str> {
        PHYS_STATES.get(usize::from(self.phys_state)).copied()
    }
}

fn lanes(mask: u8) -> impl Iterator<Item = u8> {
    [(1, 1), (2, 4), (4, 8), (8, 12), (16, 2)].into_iter().filter(move |(bit, _)| mask & bit != 0).map(|(_, lanes)| lanes)
}

fn speeds(mask: u8, extended: u8) -> impl Iterator<Item = Speed> {
    let plain = [(1, Speed::Sdr), (2, Speed::Ddr), (4, Speed::Qdr)].into_iter().filter(move |(bit, _)| mask & bit != 0);
    let more = [(1, Speed::Fdr), (2, Speed::Edr), (4, Speed::Hdr), (8, Speed::Ndr)];
    plain.chain(more.into_iter().filter(move |(bit, _)| extended & bit != 0)).map(|(_, speed)| speed)
}

/// `SMInfo` (IBA 14.2.5.13). Its `SM_Key` is a secret, and not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SmInfo {
    /// GUID of the port on which the manager runs.
    pub guid: u64,
    /// `ActCount`.
    pub act_count: u32,
    /// `Priority`, 0 to 15.
    pub priority: u8,
    /// `SMState`, 0 to 15.
    pub state: u8,
}

impl SmInfo {
    pub(super) fn read(data: &[u8]) -> Option<Self> {
        let byte = *data.get(20)?;
        Some(Self { guid: be64(data, 0)?, act_count: be32(data, 16)?, priority: byte >> 4, state: byte & 0xf })
    }

    /// The word of `SMState`.
    #[must_use]
    pub fn state_word(&self) -> Option<&'static str> {
        SM_STATES.get(usize::from(self.state)).copied()
    }
}

/// `SMInfoRecord` (IBA 15.2.5.10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SmInfoRecord {
    /// LID of the port on which the manager runs.
    pub lid: u16,
    /// What the subnet administration knows of it.
    pub info: SmInfo,
}

impl SmInfoRecord {
    /// Length without padding: LID, two reserved bytes, `SMInfo`.
    pub(super) const LENGTH: usize = 25;

    pub(super) fn read(data: &[u8]) -> Option<Self> {
        Some(Self { lid: be16(data, 0)?, info: SmInfo::read(data.get(4..)?)? })
    }
}

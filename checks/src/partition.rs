//! What a subnet manager's files say about the partition of a port or interface, and whether they are in force.

use crate::Case;
use crate::evidence::{Host, IbPort, Link, Partition, SmConfig};
use crate::fabric::{self, Fabric};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// `P_Key` of the default partition without the membership bit (IBA 10.9.1.2).
pub(crate) const DEFAULT: u16 = 0x7fff;
/// The membership bit: full members have it.
pub(crate) const FULL: u16 = 0x8000;
/// `IsSM` of `PortInfo:CapabilityMask` (IBA 14.2.5.6): a subnet manager runs on the port.
const IS_SM: u32 = 1 << 1;

/// Whether the files of a subnet manager are what its fabric lives by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Force {
    /// No manager runs on that host, or its manager has no say.
    Idle,
    /// Its manager waits: the files count once it takes over.
    Standby,
    /// It cannot be told.
    Unknown,
    /// Its manager is the master.
    Master,
}

/// One instance of `OpenSM` that may rule a fabric.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Config<'a> {
    /// Whose files they are.
    pub(crate) host: &'a Host,
    /// What they say.
    pub(crate) file: &'a SmConfig,
    /// Whether they count.
    pub(crate) force: Force,
}

/// The partition of an interface, as a file has it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule<'a> {
    /// Whose file, and whether it counts.
    pub(crate) of: Config<'a>,
    /// The partition; `None` = there is no file, and `OpenSM` makes the default one.
    pub(crate) written: Option<&'a Partition>,
}

impl Rule<'_> {
    /// MTU of the group in bytes of InfiniBand.
    pub(crate) fn mtu(&self) -> u16 {
        self.written.map_or(2048, |partition| partition.mtu)
    }

    /// IP MTU of the group.
    pub(crate) fn ip_mtu(&self) -> u32 {
        u32::from(self.mtu()).saturating_sub(fabric::ENCAPSULATION)
    }

    /// `partition Default (node1:partitions.conf:1)`.
    pub(crate) fn name(&self) -> String {
        match self.written {
            Some(partition) => format!("partition {} ({})", partition.name, self.place().replace("/etc/opensm/", "")),
            None => format!("the default partition ({} has no partitions.conf)", self.of.host.name),
        }
    }

    /// `node1:/etc/opensm/partitions.conf:1`.
    pub(crate) fn place(&self) -> String {
        let file = self.of.file.partitions_file.as_deref().unwrap_or("partitions.conf");
        let line = self.written.map_or(0, |partition| partition.line);
        if line == 0 { format!("{}:{file}", self.of.host.name) } else { format!("{}:{file}:{line}", self.of.host.name) }
    }

    /// How to give the group another MTU.
    pub(crate) fn set_mtu(&self, mtu: u16) -> String {
        let (new, ip) = (code(mtu), u32::from(mtu).saturating_sub(fabric::ENCAPSULATION));
        let restart = format!("then `systemctl restart opensm` on {}: {ip} for every IPoIB interface in it", self.of.host.name);
        let Some(partition) = self.written else {
            return format!("in partitions.conf:   Default=0x7fff,ipoib,mtu={new}:ALL=full;   {restart}");
        };
        let plain = partition.pkey == DEFAULT
            && matches!(partition.rate_mbps, 0 | 10_000)
            && partition.sl.is_none()
            && partition.members.len() == 1
            && partition.members.get("ALL").is_some_and(|member| member == "full");
        if plain {
            format!("in {}:   {}=0x7fff,ipoib,mtu={new}:ALL=full;   {restart}", self.place(), partition.name)
        } else {
            format!("in {}: mtu={new} instead of mtu={};   {restart}", self.place(), code(partition.mtu))
        }
    }
}

/// The code of an MTU in partitions.conf (IBA `PortInfo:NeighborMTU`).
pub(crate) const fn code(mtu: u16) -> u8 {
    match mtu {
        0..=256 => 1,
        257..=512 => 2,
        513..=1024 => 3,
        1025..=2048 => 4,
        _ => 5,
    }
}

/// The instances of `OpenSM` whose files are at hand and that serve the fabric of a port, the master's first.
pub(crate) fn configs<'a>(case: &Case<'a>, fabrics: &[Fabric<'a>], host: &Host, port: &IbPort) -> Vec<Config<'a>> {
    let Some(fabric) = fabrics.iter().find(|fabric| fabric.holds(host, port)) else { return Vec::new() };
    let mut found: Vec<Config<'a>> = Vec::new();
    for owner in &case.evidence.hosts {
        for config in owner.infiniband.iter().flat_map(|table| table.sm_config.iter().flatten()) {
            let guid = config.guid.as_deref().map(fabric::normal);
            let serves = |(known, own): &&(&'a Host, &'a IbPort)| {
                core::ptr::eq(*known, owner) && (guid.is_none() || own.port_guid.as_deref().map(fabric::normal) == guid)
            };
            let ports: Vec<&IbPort> = fabric.ports.iter().filter(serves).map(|(_, own)| *own).collect();
            if !ports.is_empty() {
                found.push(Config { host: owner, file: config, force: force(fabric, &ports) });
            }
        }
    }
    found.sort_by_key(|config| core::cmp::Reverse(config.force));
    found
}

/// Whether the manager on one of `ports` rules their fabric.
fn force(fabric: &Fabric<'_>, ports: &[&IbPort]) -> Force {
    let guids: Vec<String> = ports.iter().filter_map(|port| port.port_guid.as_deref()).map(fabric::normal).collect();
    let seen: Vec<_> = (0..fabric.ports.len()).filter_map(|index| fabric.seen(index)).flatten().collect();
    if !seen.is_empty() && guids.len() == ports.len() {
        let own = |word: &str| {
            seen.iter().any(|manager| guids.contains(&fabric::normal(&manager.guid)) && fabric::is_state(manager, word))
        };
        return match (own("MASTER"), own("STANDBY")) {
            (true, _) => Force::Master,
            (false, true) => Force::Standby,
            (false, false) => Force::Idle,
        };
    }
    let here = |port: &&&IbPort| port.lid.is_some_and(|lid| lid != 0) && port.lid == port.sm_lid;
    if ports.iter().any(|port| here(&port)) {
        return Force::Master;
    }
    let elsewhere = ports.iter().all(|port| port.lid.is_some() && port.sm_lid.is_some_and(|lid| lid != 0));
    let masks: Vec<u32> = ports.iter().filter_map(|port| port.cap_mask).collect();
    match masks.iter().any(|mask| mask & IS_SM != 0) {
        true if elsewhere => Force::Standby,
        false if masks.len() == ports.len() && !masks.is_empty() => Force::Idle,
        _ => Force::Unknown,
    }
}

/// What the files say about the group of an interface; files that do not count are left out.
pub(crate) fn rule<'a>(
    case: &Case<'a>,
    fabrics: &[Fabric<'a>],
    host: &Host,
    port: &IbPort,
    link: Option<&Link>,
) -> Option<Rule<'a>> {
    let pkey = link.and_then(|link| link.ipoib.as_ref()?.pkey).unwrap_or(DEFAULT) & DEFAULT;
    configs(case, fabrics, host, port).into_iter().filter(|of| of.force != Force::Idle).find_map(|of| match &of.file.partitions {
        // That a file is missing says something only where a manager is known to run.
        None if pkey == DEFAULT && matches!(of.force, Force::Master | Force::Standby) => Some(Rule { of, written: None }),
        None => None,
        Some(partitions) => {
            let fitting = |partition: &&Partition| partition.pkey & DEFAULT == pkey && partition.ipoib;
            partitions.iter().find(fitting).map(|partition| Rule { of, written: Some(partition) })
        }
    })
}

/// The parameter of `mlx4_core` that keeps the ports of a host at 2048, where it does.
fn held_down(host: &Host) -> Option<&str> {
    let module = host.modules.iter().flatten().find(|module| module.name == "mlx4_core")?;
    let off = |value: &str| matches!(value.trim(), "0" | "N" | "n");
    let names = ["mtu_4k", "set_4k_mtu", "enable_4k_mtu"];
    module.parameters.iter().find(|(name, value)| names.contains(&name.as_str()) && off(value)).map(|(name, _)| name.as_str())
}

/// Why a link carries no more, from the driver's settings of its host.
pub(crate) fn driver_limit(host: &Host) -> Option<String> {
    let name = held_down(host)?;
    Some(format!("mlx4_core is loaded with {name}=0 on {}, which keeps its ports at 2048", host.name))
}

/// How to let the card carry 4096.
pub(crate) fn raise_card(host: &Host) -> Option<String> {
    let name = held_down(host)?;
    Some(format!(
        "on {}: options mlx4_core {name}=1 in /etc/modprobe.d (ESXi: esxcli system module parameters set -m=mlx4_core -p=mtu_4k=1), \
         then reboot",
        host.name
    ))
}

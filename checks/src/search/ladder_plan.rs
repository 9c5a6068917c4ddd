//! Which sizes a round asks for.

use super::{Config, MAX_BYTES_IN_FLIGHT, MAX_IN_FLIGHT};
use alloc::vec::Vec;

/// What a round knows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gap {
    /// Largest answered size.
    pub(super) low: u32,
    /// Smallest size that is taken as lost, where there is one.
    pub(super) high: Option<u32>,
    /// The size at which the search ends.
    pub(super) top: u32,
    /// Nothing large was tried yet.
    pub(super) first: bool,
    /// The first round inside a gap: known ceilings are tried.
    pub(super) second: bool,
    /// Copies of the top, where loss was seen; else 1.
    pub(super) tries: u32,
    /// A policer is known, so every probe costs a twentieth of a second.
    pub(super) policed: bool,
}

/// Sizes in ascending order; the top may stand in it more than once.
pub(super) fn sizes(config: &Config, gap: &Gap) -> Vec<u32> {
    let mut sizes = Vec::new();
    if gap.first {
        sizes.extend([1280, 1500, 9000, gap.top].into_iter().filter(|size| *size > gap.low && *size <= gap.top));
        sizes.extend(config.expected.filter(|size| *size > gap.low && *size <= gap.top));
        sizes.sort_unstable();
        sizes.dedup();
        // Small links: something between the control and the top tells more than the top alone.
        if sizes.len() < 2 && gap.top > 600 {
            sizes.insert(0, 576);
        }
        if config.probe_above && gap.top == config.interface_mtu && gap.top < 65_535 {
            sizes.push(gap.top + 1);
        }
        sizes.retain(|size| *size > gap.low);
        return sizes;
    }
    let end = gap.high.unwrap_or(gap.top + 1);
    let room = room(end, gap.policed);
    let inside = |size: u32| size > gap.low && size < end;
    if gap.low + 1 < end {
        sizes.push(gap.low + 1);
    }
    if gap.second && !gap.policed {
        let expected = config.expected.into_iter().flat_map(|size| [size, size.saturating_add(1)]);
        for size in expected.chain(config.ceilings.iter().flat_map(|ceiling| [*ceiling, *ceiling + 1])) {
            if sizes.len() + 1 >= room {
                break;
            }
            if inside(size) && !sizes.contains(&size) {
                sizes.push(size);
            }
        }
    }
    let wide = end.saturating_sub(gap.low + 1);
    if sizes.len() < 8.min(room) {
        let steps = u32::try_from(room.saturating_sub(sizes.len() + 1).min(18)).unwrap_or(18).min(wide);
        for step in 1..=steps {
            let size = gap.low + u32::try_from(u64::from(wide + 1) * u64::from(step) / u64::from(steps + 1)).unwrap_or(0);
            if inside(size) && !sizes.contains(&size) {
                sizes.push(size);
            }
        }
    }
    sizes.sort_unstable();
    // A lone loss at the top is the likeliest of all mistakes, so it is asked once more.
    if gap.second || gap.tries > 1 || gap.high.is_none() || gap.policed {
        let copies = if gap.policed { 1 } else { gap.tries.min(4) };
        sizes.extend((0..copies).map(|_| gap.top));
    }
    sizes
}

/// How many probes of about that size one round may have in flight.
fn room(size: u32, policed: bool) -> usize {
    let by_bytes = usize::try_from((MAX_BYTES_IN_FLIGHT - 2048) / size.max(1)).unwrap_or(MAX_IN_FLIGHT);
    let limit = if policed { 4 } else { MAX_IN_FLIGHT - 3 };
    by_bytes.clamp(3, limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::Methods;

    /// This host itself refuses the control probe: there is nothing between it and the top.
    #[test]
    fn a_top_below_the_control_probe_is_no_panic() {
        let methods = Methods { icmp: true, udp: false, tcp: false, forward_icmp: false, fragments: false, connect: false };
        let config = Config {
            v6: false,
            interface_mtu: 70,
            probe_above: false,
            expected: None,
            on_link: true,
            resolved: true,
            ceilings: [].into(),
            methods,
            gateway: false,
            sample: 0,
            ladder_only: false,
            seed: 1,
        };
        let gap = Gap { low: 84, high: None, top: 70, first: false, second: true, tries: 1, policed: false };
        assert!(sizes(&config, &gap).iter().all(|size| *size <= 70));
        assert!(sizes(&config, &Gap { high: Some(84), ..gap }).iter().all(|size| *size <= 70));
    }
}

//! How much memory a host has, and how large its pages are.

use super::gap;
use crate::host::Host;
use pathvet_checks::evidence::{Gap, Memory};

const MEMINFO: &str = "/proc/meminfo";
const AUXV: &str = "/proc/self/auxv";
/// `AT_PAGESZ` (`include/uapi/linux/auxvec.h`).
const PAGE_SIZE: u64 = 6;

/// The memory of a host. `None` where nothing is known.
pub fn memory(host: &dyn Host) -> (Option<Memory>, Vec<Gap>) {
    let mut gaps = Vec::new();
    let mut read = |path: &str| host.read(path).map_err(|error| gaps.push(gap::from_error("memory", path, &error))).ok();
    let total = read(MEMINFO).and_then(|bytes| total(&String::from_utf8_lossy(&bytes)));
    let page_size = read(AUXV).and_then(|bytes| page_size(&bytes));
    let memory = Memory { total, page_size };
    ((memory != Memory::default()).then_some(memory), gaps)
}

/// `MemTotal` in bytes (`fs/proc/meminfo.c`).
fn total(text: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    rest.trim().strip_suffix("kB")?.trim_end().parse::<u64>().ok()?.checked_mul(1024)
}

/// The size of a page in the auxiliary vector: pairs of words of the machine, 64 bits as pathvet itself is (`getauxval(3)`).
fn page_size(bytes: &[u8]) -> Option<u32> {
    const WORD: usize = size_of::<usize>();
    let word = |bytes: &[u8]| bytes.try_into().ok().map(usize::from_ne_bytes).and_then(|word| u64::try_from(word).ok());
    let pair = bytes.chunks_exact(2 * WORD).find(|pair| word(&pair[..WORD]) == Some(PAGE_SIZE))?;
    let size = u32::try_from(word(&pair[WORD..])?).ok()?;
    (size.is_power_of_two() && (4096..=1 << 20).contains(&size)).then_some(size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::ThisHost;

    #[test]
    fn this_host_knows_its_memory() {
        let (memory, gaps) = memory(&ThisHost);
        let memory = memory.expect("a Linux host tells");
        assert_eq!(gaps, []);
        assert!(memory.total.is_some_and(|bytes| bytes > 16 << 20));
        assert!(memory.page_size.is_some_and(|size| [4096, 16_384, 65_536].contains(&size)), "{memory:?}");
    }

    #[test]
    fn nonsense_is_nothing() {
        assert_eq!(total("MemFree: 5 kB\nMemTotal:   16384 kB\n"), Some(16 << 20));
        for text in [
            "",
            "MemTotal:",
            "MemTotal: x kB",
            "MemTotal: 5",
            "MemTotal: 99999999999999999999 kB",
            "MemTotal: 18446744073709551615 kB",
        ] {
            assert_eq!(total(text), None, "{text}");
        }
        let vector = |pairs: &[usize]| pairs.iter().flat_map(|word| word.to_ne_bytes()).collect::<Vec<u8>>();
        assert_eq!(page_size(&vector(&[33, 1, 6, 65_536, 0, 0])), Some(65_536));
        for words in [&[][..], &[6], &[6, 0], &[6, 4097], &[6, usize::MAX], &[5, 4096, 0, 0]] {
            assert_eq!(page_size(&vector(words)), None, "{words:?}");
        }
        assert_eq!(page_size(&[6; 7]), None);
    }
}

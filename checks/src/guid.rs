//! GUIDs of InfiniBand (EUI-64), in the ways in which people and tools write them.

use alloc::format;
use alloc::string::String;

/// The one spelling that evidence has: `0x` and 16 hexadecimal digits in lower case.
///
/// Read are `0x0002c90300cc0001` and shorter (`sminfo` drops leading zeros), 16 digits without `0x`, and groups of two or four
/// digits with colons (sysfs, `ibv_devinfo`), dashes or dots. Of a GID, 32 digits with `0x` or eight groups of four, it is the lower
/// half. `None` for anything else, and for 0, which no port has.
#[must_use]
pub fn normal(text: &str) -> Option<String> {
    let text = text.trim();
    let prefixed = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let value = match prefixed {
        Some(digits) if digits.len() == 32 => {
            number(digits.get(..16)?)?;
            number(digits.get(16..)?)?
        }
        Some(digits) => number(digits)?,
        None => match text.bytes().find(|byte| matches!(byte, b':' | b'-' | b'.')) {
            Some(mark) => grouped(text, mark)?,
            None if text.len() == 16 => number(text)?,
            None => return None,
        },
    };
    (value != 0).then(|| written(value))
}

/// The GUID of that number, as [`normal`] writes it.
#[must_use]
pub fn written(value: u64) -> String {
    format!("0x{value:016x}")
}

fn number(digits: &str) -> Option<u64> {
    let plain = (1..=16).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if plain { u64::from_str_radix(digits, 16).ok() } else { None }
}

/// Eight groups of two digits, or four of four; of eight groups of four the lower half.
fn grouped(text: &str, mark: u8) -> Option<u64> {
    let (mut value, mut groups) = (0_u64, 0_u8);
    let width = text.bytes().position(|byte| byte == mark)?;
    for group in text.split(char::from(mark)) {
        if group.len() != width {
            return None;
        }
        value = value.checked_shl(u32::try_from(width).ok()?.checked_mul(4)?)? | number(group)?;
        groups = groups.checked_add(1)?;
    }
    matches!((width, groups), (2, 8) | (4, 4 | 8)).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_spellings_are_one_guid() {
        for text in [
            "0x0002c90300cc0001",
            "0X0002C90300CC0001",
            "0x2c90300cc0001",
            "0002c90300cc0001",
            "0002:c903:00cc:0001",
            "00:02:c9:03:00:cc:00:01",
            "00-02-c9-03-00-cc-00-01",
            "0002.c903.00cc.0001",
            "  0002:c903:00cc:0001\n",
            "0xfe800000000000000002c90300cc0001",
            "fe80:0000:0000:0000:0002:c903:00cc:0001",
        ] {
            assert_eq!(normal(text).as_deref(), Some("0x0002c90300cc0001"), "{text}");
        }
        let wrong =
            ["", "0x", "0x0", "0x0002c90300cc00011", "2c90300cc0001", "0002:c903:00cc", "00:02:c9:03:00:cc", "0002:c903:00cc:00g1"];
        for text in wrong.into_iter().chain([":", "0002-c903:00cc:0001", "+002c90300cc0001", "0x+1", "0000:0000:0000:0000"]) {
            assert_eq!(normal(text), None, "{text}");
        }
    }
}

//! Text of other programs and their files to structs.
//!
//! Reading never fails as a whole: a value that cannot be read is a [`Fault`] with its line, and the rest goes on.

pub mod capture;
pub mod infiniband;
pub mod lldpd;
pub mod lldptool;
pub mod opensm;
pub mod paste;
pub mod sysctl;

use alloc::string::String;

/// One value that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Line of the text, from 1.
    pub line: u32,
    /// What it was to say: the word that stands before it.
    pub field: String,
    /// What is wrong with it, and what was expected.
    pub message: String,
}

impl Fault {
    fn new(line: u32, field: &str, message: String) -> Self {
        Self { line, field: quoted(field), message }
    }
}

/// A piece of foreign text, short enough for a message.
#[must_use]
pub fn quoted(text: &str) -> String {
    const MOST: usize = 60;
    let mut short: String = text.chars().take(MOST).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// A number of line as it is kept.
fn line_number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1)
}

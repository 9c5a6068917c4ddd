//! Single values of sysfs: read, or a gap that names file and field.

use crate::collect::gap;
use crate::collect::identity::line;
use crate::host::Host;
use pathvet_checks::evidence::Gap;
use pathvet_checks::parse::infiniband::{guid, number, show_guid};
use pathvet_checks::parse::quoted;
use std::io;

/// Longest text that is kept.
const LONGEST: usize = 64;

/// The files below one folder.
pub(super) struct Values<'a> {
    pub(super) host: &'a dyn Host,
    /// The folder.
    pub(super) base: &'a str,
    /// What gaps call the things of that folder.
    pub(super) what: String,
    pub(super) gaps: &'a mut Vec<Gap>,
}

impl Values<'_> {
    /// The first line of a file, as `parse` reads it.
    pub(super) fn read<T>(&mut self, file: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let place = format!("{}/{file}", self.base);
        let what = || format!("{}.{file}", self.what);
        match line(self.host, &place) {
            Ok(text) => match if text.is_empty() { Err("the file is empty".to_owned()) } else { parse(&text) } {
                Ok(value) => return Some(value),
                Err(why) => self.gaps.push(gap::malformed(&what(), &place, why)),
            },
            Err(error) => self.gaps.push(gap::from_error(&what(), &place, &error)),
        }
        None
    }

    /// A number in decimal, or in hexadecimal after `0x`.
    pub(super) fn number<T: TryFrom<u64>>(&mut self, file: &str) -> Option<T> {
        self.read(file, |text| {
            let value = number(text).and_then(|value| T::try_from(value).ok());
            value.ok_or_else(|| format!("`{}` is no number of {} bits", quoted(text), 8 * size_of::<T>()))
        })
    }

    /// A GUID; 0 is none.
    pub(super) fn guid(&mut self, file: &str) -> Option<String> {
        self.read(file, guid).filter(|guid| *guid != 0).map(show_guid)
    }

    /// A word that not every driver has: missing is no gap.
    pub(super) fn text(&mut self, file: &str) -> Option<String> {
        let place = format!("{}/{file}", self.base);
        if line(self.host, &place).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            return None;
        }
        self.read(file, |text| {
            let lawful = text != "N/A" && text.len() <= LONGEST && text.chars().all(|c| c.is_ascii_graphic() || c == ' ');
            lawful.then(|| text.to_owned()).ok_or_else(|| format!("`{}` is no name or version", quoted(text)))
        })
    }
}

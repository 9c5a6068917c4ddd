//! Errors of the world as gaps.

use pathvet_checks::evidence::{Gap, GapReason};
use std::io;

/// A gap from an error: the reason follows from its kind, the words are the system's.
pub(super) fn from_error(what: &str, place: &str, error: &io::Error) -> Gap {
    let reason = match error.raw_os_error() {
        Some(libc::EOPNOTSUPP | libc::EAFNOSUPPORT | libc::EPROTONOSUPPORT | libc::ENOSYS | libc::ENOPROTOOPT) => {
            GapReason::Unsupported
        }
        _ => match error.kind() {
            io::ErrorKind::NotFound => GapReason::NotPresent,
            io::ErrorKind::PermissionDenied => GapReason::NotPermitted,
            io::ErrorKind::Unsupported => GapReason::Unsupported,
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => GapReason::TimedOut,
            _ => GapReason::Malformed,
        },
    };
    Gap { what: what.into(), place: place.into(), reason, detail: words(error), right: None }
}

/// A gap for an answer that cannot be read.
pub(super) fn malformed(what: &str, place: &str, detail: impl Into<String>) -> Gap {
    Gap { what: what.into(), place: place.into(), reason: GapReason::Malformed, detail: detail.into(), right: None }
}

/// The system's words without the number that Rust adds to them.
pub(super) fn words(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

//! What a check is, and the macro that declares one.

use crate::Case;
use crate::report::Finding;
use alloc::vec::Vec;

/// What there is to say about a check. Its documentation is the doc comment of its type, nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meta {
    /// The field's noun for what is vetted, lower case with hyphens; the file has the same name in snake case.
    pub id: &'static str,
    /// One clause: what it detects.
    pub summary: &'static str,
    /// Lines of the doc comment, in Markdown: *What it looks for*, *How it decides*, *What to do*.
    pub docs: &'static [&'static str],
}

/// One check. It reads its argument and nothing else.
pub trait Check: Sync {
    /// Its id, summary and documentation.
    fn meta(&self) -> &'static Meta;
    /// What it says of this case: one finding for every subject that it looked at.
    fn judge(&self, case: &Case<'_>) -> Vec<Finding>;
}

/// Declares a check type; its doc comment becomes the check's documentation in `explain`, the manual and rustdoc alike.
///
/// ```ignore
/// check! {
///     /// # What it looks for
///     /// …
///     pub(crate) struct PathMtu = { id: "path-mtu", summary: "the largest packet that the path carries" }
/// }
/// ```
macro_rules! check {
    ($(#[doc = $doc:literal])+ $vis:vis struct $name:ident = { id: $id:literal, summary: $summary:literal $(,)? }) => {
        $(#[doc = $doc])+
        $vis struct $name;
        impl $name {
            pub(crate) const META: $crate::check::Meta = $crate::check::Meta { id: $id, summary: $summary, docs: &[$($doc),+] };
        }
    };
}
pub(crate) use check;

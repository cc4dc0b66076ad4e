//! What a person is told when something is wrong: what, where, why, and what to do now.
//!
//! Modules return their own error enums; those that point at a place in a file turn into a [`Diagnostic`] here,
//! which is printed once, at the top.

use serde::Serialize;

/// A place in a file, with the line as it stands there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The file as the reader knows it: a manifest layer's name, or an absolute path on the host.
    pub file: String,
    /// Counted from 1.
    pub line: u32,
    /// Counted in characters from 1.
    pub column: u32,
    /// How many characters of the line are meant, at least 1.
    pub width: u32,
    /// The whole line without its line end; bytes that are not UTF-8 are replaced.
    pub text: String,
}

/// One error or note for a person.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Diagnostic {
    /// What is wrong, one line without a full stop.
    pub what: String,
    /// Where, if it is in a file.
    pub place: Option<Place>,
    /// Why it is wrong, shown under the place.
    pub why: Option<String>,
    /// What would be right, or what to do now.
    pub hint: Option<String>,
}

//! Lossless editors: bytes to bytes, with the daemon's own meaning of them.
//!
//! `parse(x).to_bytes() == x` holds for every byte string. An `ensure` is idempotent, changes a set value in
//! place on its line and says what it did; what it cannot prove it refuses. Nothing here reads a file or
//! knows a manifest.

pub mod shellvars;
pub mod xinetd;

use serde::{Deserialize, Serialize};

/// What one `ensure` did to one line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LineEdit {
    /// How the line came to differ.
    pub kind: EditKind,
    /// The line's number in the edited file, counted from 1.
    pub line: u32,
    /// The enclosing block, e.g. `service smtp` or `defaults`; none in a flat file.
    pub block: Option<String>,
    /// The line as it was, without its line end; none where a line is new.
    pub before: Option<Vec<u8>>,
    /// The line as it is now, without its line end.
    pub after: Vec<u8>,
}

/// How a line is edited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EditKind {
    /// The value changes on its own line.
    Change,
    /// A line that the daemon ignored or choked on becomes one that it reads.
    Repair,
    /// The setting had no line.
    Insert,
}

/// The bytes after one or more `ensure`s, and what differs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "an edit that nobody writes changes nothing"]
pub struct EditedBytes {
    /// The whole file.
    pub bytes: Vec<u8>,
    /// Empty where the file already said so; then `bytes` equals the input.
    pub lines: Vec<LineEdit>,
}

/// A line in one file, for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FileLine {
    /// Counted from 1.
    pub line: u32,
    /// Counted in bytes from 1.
    pub column: u32,
    /// How many bytes are meant, at least 1.
    pub width: u32,
}

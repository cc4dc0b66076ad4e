//! What a person is told when something is wrong: what, where, why, and what to do now.
//!
//! Modules return their own error enums; those that point at a place in a file turn into a [`Diagnostic`]
//! here, which is printed once, at the top.

use serde::{Deserialize, Serialize};

use crate::model::{HostPath, ManifestOrigin, printable};

/// A place in a file, with the line as it stands there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FilePlace {
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

/// A place in a file of the host; `column` and `width` count bytes.
#[must_use]
pub fn place(path: &HostPath, bytes: &[u8], line: u32, column: u32, width: u32) -> FilePlace {
    let text = bytes.split(|byte| *byte == b'\n').nth(line.saturating_sub(1) as usize).unwrap_or_default();
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let ahead = text.get(..(column.saturating_sub(1) as usize).min(text.len())).unwrap_or_default();
    FilePlace {
        file: path.to_string(),
        line,
        column: u32::try_from(printable::text(ahead).chars().count()).unwrap_or(u32::MAX).saturating_add(1),
        width: width.max(1),
        text: printable::text(text),
    }
}

/// A place in the manifest.
#[must_use]
pub fn declared_at(origin: &ManifestOrigin) -> FilePlace {
    FilePlace {
        file: origin.layer.clone(),
        line: origin.line,
        column: origin.column,
        width: 1,
        text: origin.text.clone(),
    }
}

/// One error or note for a person.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Diagnostic {
    /// What is wrong, one line without a full stop.
    pub what: String,
    /// Where, if it is in a file.
    pub place: Option<FilePlace>,
    /// Why it is wrong, shown under the place.
    pub why: Option<String>,
    /// What would be right, or what to do now.
    pub hint: Option<String>,
}

/// The exit codes of all commands, ordered so that the largest of many is the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Exit {
    /// Nothing to do, or applied and verified.
    AsDesired = 0,
    /// Changes are pending.
    Pending = 2,
    /// Something is still owed.
    Owed = 3,
    /// Usage or manifest error.
    Usage = 4,
    /// Another run holds the lock.
    Locked = 5,
    /// The plan is stale, or has another fingerprint than expected.
    Stale = 6,
    /// Refused by a safety rule.
    Refused = 7,
    /// Failed and rolled back.
    RolledBack = 8,
    /// Failed and partly applied.
    PartlyApplied = 9,
    /// An error in mailward itself.
    Internal = 10,
    /// The host cannot be reached, or its state is unknown.
    Unknown = 11,
}

impl Exit {
    /// The number for the operating system.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl Diagnostic {
    /// A message without a place.
    #[must_use]
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), place: None, why: None, hint: None }
    }

    /// Adds where.
    #[must_use]
    pub fn at(mut self, place: FilePlace) -> Self {
        self.place = Some(place);
        self
    }

    /// Adds why.
    #[must_use]
    pub fn because(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into());
        self
    }

    /// Adds what to do now.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// An error with its chain of causes.
    #[must_use]
    pub fn of(error: &dyn std::error::Error) -> Self {
        let mut causes = Vec::new();
        let mut next = error.source();
        while let Some(cause) = next {
            causes.push(cause.to_string());
            next = cause.source();
        }
        let diagnostic = Self::new(error.to_string());
        if causes.is_empty() { diagnostic } else { diagnostic.because(causes.join(": ")) }
    }
}

/// Something that keeps a plan from being made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlanBlocker {
    /// Of what kind, for the exit code.
    pub kind: PlanBlocked,
    /// What to tell.
    pub diagnostic: Diagnostic,
}

/// Why a plan cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PlanBlocked {
    /// The manifest asks for what this host does not have.
    Manifest,
    /// It would be unsafe, or the meaning of a file is not certain.
    Refused,
    /// The host's state cannot be read.
    Unknown,
}

impl PlanBlocked {
    /// The exit code.
    #[must_use]
    pub const fn exit(self) -> Exit {
        match self {
            Self::Manifest => Exit::Usage,
            Self::Refused => Exit::Refused,
            Self::Unknown => Exit::Unknown,
        }
    }
}

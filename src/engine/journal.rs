//! The journal: what a run is about to do, written durably before the first byte changes, and what is still
//! owed.
//!
//! One small file, replaced as a whole. It is there only while a run is under way or something is owed.

use serde::{Deserialize, Serialize};

use crate::failure::Diagnostic;
use crate::host::{Digest, FileFound, STATE};
use crate::limits::owed::OwedAction;
use crate::model::{HostPath, known};
use crate::plan::{Fingerprint, Step};

const FORMAT: u32 = 1;

/// What earlier runs wrote down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    /// The format's number, 1.
    pub format: u32,
    /// Service actions that were written down and not seen to be completed.
    pub owed: Vec<OwedAction>,
    /// The run that is under way, or was killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<JournalRun>,
}

/// A run that is under way, or was killed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalRun {
    /// The run's id, the name of its history entry and of its backups.
    pub id: String,
    /// When it began, in seconds since 1970.
    pub started: i64,
    /// The fingerprint of its plan.
    pub fingerprint: Fingerprint,
    /// Its steps.
    pub steps: Vec<Step>,
    /// For each edited file, what it holds afterwards.
    pub written: Vec<ReplacedFile>,
}

/// A file that a run replaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplacedFile {
    /// The file.
    pub path: HostPath,
    /// What it held before.
    pub before: Digest,
    /// What it holds afterwards.
    pub after: Digest,
}

/// The journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// It cannot be read.
    #[error("cannot read {path}, so it is not known what earlier runs owe: {reason}")]
    Unreadable {
        /// The journal.
        path: HostPath,
        /// Why.
        reason: String,
    },
    /// It is not a journal of this version.
    #[error("{path} is not a journal that this version of mailward can read")]
    Foreign {
        /// The journal.
        path: HostPath,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

impl JournalError {
    /// What to tell.
    #[must_use]
    pub fn diagnostic(&self) -> Diagnostic {
        Diagnostic::of(self).hint(match self {
            Self::Unreadable { .. } => "see what stands there, and whether this user may read it",
            Self::Foreign { .. } => "use the version of mailward that wrote it",
        })
    }
}

/// The journal's path.
#[must_use]
pub fn path() -> HostPath {
    known(&format!("{STATE}/journal.json"))
}

/// Where a run keeps what a file held before: its edited files are numbered from 0, in the order of
/// [`JournalRun::written`].
#[must_use]
pub fn backup(run: &str, number: usize, file: &HostPath) -> HostPath {
    known(&format!("{STATE}/backups/{run}/{number}-{}", file.name()))
}

impl Default for Journal {
    fn default() -> Self {
        Self { format: FORMAT, owed: Vec::new(), run: None }
    }
}

impl Journal {
    /// A journal of nothing but what is owed.
    #[must_use]
    pub fn owing(owed: Vec<OwedAction>) -> Self {
        Self { owed, ..Self::default() }
    }

    /// Reads the journal; none there is an empty one.
    ///
    /// # Errors
    /// [`JournalError`]: what is owed must never be guessed.
    pub fn read(found: FileFound) -> Result<Self, JournalError> {
        let state = match found {
            FileFound::File(state) => state,
            FileFound::Missing => return Ok(Self::default()),
            FileFound::NotRegular => {
                return Err(JournalError::Unreadable {
                    path: path(),
                    reason: "it is not a regular file".to_owned(),
                });
            }
            FileFound::Unreadable(reason) => {
                return Err(JournalError::Unreadable { path: path(), reason });
            }
        };
        let journal: Self = serde_json::from_slice(&state.bytes)
            .map_err(|source| JournalError::Foreign { path: path(), source })?;
        if journal.format == FORMAT {
            Ok(journal)
        } else {
            let source = serde::de::Error::custom(format!("format {} instead of {FORMAT}", journal.format));
            Err(JournalError::Foreign { path: path(), source })
        }
    }

    /// Whether there is nothing to remember.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.owed.is_empty() && self.run.is_none()
    }

    /// The journal's bytes.
    ///
    /// # Errors
    /// Only where a value cannot be written as JSON, which none of ours can fail.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec_pretty(self)
    }
}

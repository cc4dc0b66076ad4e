//! Reads what became of an act. What is no clear answer is unclear, never a failure.

use super::{ReplyReader, system};
use crate::host::{HostError, OperationError, WaitResult};

/// What becomes of an act.
pub(in crate::host::ssh) enum OperationAnswer {
    /// It failed for this reason.
    By(OperationError),
    /// It cannot be told.
    Unclear(String),
}

impl OperationAnswer {
    pub(in crate::host::ssh) fn of(error: HostError) -> Self {
        Self::Unclear(error.to_string())
    }
}

impl ReplyReader<'_> {
    /// Whether something came in time.
    pub(in crate::host::ssh) fn awaited(&mut self) -> std::result::Result<WaitResult, OperationAnswer> {
        match self.record().map_err(OperationAnswer::of)? {
            (b'w', b"y") => Ok(WaitResult::InTime),
            (b'w', _) => Ok(WaitResult::TooLate),
            (kind, text) => Err(refusal(kind, text)),
        }
    }

    /// Whether an act was done.
    pub(in crate::host::ssh) fn acted(&mut self) -> std::result::Result<(), OperationAnswer> {
        match self.record().map_err(OperationAnswer::of)? {
            (b'a', _) => Ok(()),
            (kind, text) => Err(refusal(kind, text)),
        }
    }
}

/// Why an act failed.
fn refusal(kind: u8, text: &[u8]) -> OperationAnswer {
    if kind != b'x' {
        return OperationAnswer::Unclear("an act's line is of no known kind".to_owned());
    }
    let (kind, text) = match text.split_first() {
        Some((kind, text)) => (*kind, String::from_utf8_lossy(text.trim_ascii())),
        None => (b'?', "".into()),
    };
    OperationAnswer::By(match kind {
        b's' => OperationError::System(system(&text)),
        b'c' => OperationError::Changed,
        b'g' => OperationError::Gone,
        b'p' => OperationError::NoProcess,
        b'l' => OperationError::NotReplaced("a symbolic link"),
        b'd' => OperationError::NotReplaced("a folder"),
        b'o' => OperationError::NotReplaced("not a regular file"),
        b'h' => OperationError::NotReplaced("a file with several hard links"),
        b'm' => OperationError::UnseenMetadata,
        _ => return OperationAnswer::Unclear(format!("it failed, and said: {text}")),
    })
}

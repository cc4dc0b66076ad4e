//! Reads what became of an act. What is no clear answer is unclear, never a failure.

use super::{Reader, system};
use crate::host::{ActError, Came, HostError};

/// What becomes of an act.
pub(in crate::host::ssh) enum Refused {
    /// It failed for this reason.
    By(ActError),
    /// It cannot be told.
    Unclear(String),
}

impl Refused {
    pub(in crate::host::ssh) fn of(error: HostError) -> Self {
        Self::Unclear(error.to_string())
    }
}

impl Reader<'_> {
    /// Whether something came in time.
    pub(in crate::host::ssh) fn awaited(&mut self) -> std::result::Result<Came, Refused> {
        match self.record().map_err(Refused::of)? {
            (b'w', b"y") => Ok(Came::InTime),
            (b'w', _) => Ok(Came::TooLate),
            (kind, text) => Err(refusal(kind, text)),
        }
    }

    /// Whether an act was done.
    pub(in crate::host::ssh) fn acted(&mut self) -> std::result::Result<(), Refused> {
        match self.record().map_err(Refused::of)? {
            (b'a', _) => Ok(()),
            (kind, text) => Err(refusal(kind, text)),
        }
    }
}

/// Why an act failed.
fn refusal(kind: u8, text: &[u8]) -> Refused {
    if kind != b'x' {
        return Refused::Unclear("an act's line is of no known kind".to_owned());
    }
    let (kind, text) = match text.split_first() {
        Some((kind, text)) => (*kind, String::from_utf8_lossy(text.trim_ascii())),
        None => (b'?', "".into()),
    };
    Refused::By(match kind {
        b's' => ActError::System(system(&text)),
        b'c' => ActError::Changed,
        b'g' => ActError::Gone,
        b'p' => ActError::NoProcess,
        b'l' => ActError::NotReplaced("a symbolic link"),
        b'd' => ActError::NotReplaced("a folder"),
        b'o' => ActError::NotReplaced("not a regular file"),
        b'h' => ActError::NotReplaced("a file with several hard links"),
        b'm' => ActError::UnseenMetadata,
        _ => return Refused::Unclear(format!("it failed, and said: {text}")),
    })
}

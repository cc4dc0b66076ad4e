//! What runs have seen the panel's command do that nobody asked for, kept on the host: a panel that deletes a
//! user on "deny" must not do so to one account in every nightly run.
//!
//! It is forgotten when another version of Plesk is installed, when a run that was allowed to try again sees
//! that the command does what it should, or when the file is removed.

use serde::{Deserialize, Serialize};

use crate::host::{FileFound, HostOperation, STATE};
use crate::model::{HostPath, known};
use crate::panel_access::step::{AccountAct, CommandSurprise};

/// The number of the file's format; any other is not read.
const FORMAT: u32 = 1;

/// One thing that was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeenEffect {
    /// What the command was to do.
    pub act: AccountAct,
    /// What it did.
    pub surprise: CommandSurprise,
    /// The version of Plesk that did it; none where it does not tell.
    pub version: Option<String>,
    /// The run that saw it.
    pub run: String,
}

/// All that was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandMemory {
    seen: Vec<SeenEffect>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptEffects {
    format: u32,
    seen: Vec<SeenEffect>,
}

/// What was seen cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MemoryUnreadable {
    /// The file cannot be read.
    #[error("{} cannot be read: {reason}", path())]
    Unreadable {
        /// Why.
        reason: String,
    },
    /// The file is none of ours, or damaged.
    #[error("{} is not what a run has written: {reason}", path())]
    Damaged {
        /// Why.
        reason: String,
    },
    /// Another version of mailward wrote it.
    #[error("{} has format {format}, this version of mailward reads {FORMAT}", path())]
    Format {
        /// What stands there.
        format: u32,
    },
}

/// Where it is kept.
#[must_use]
pub fn path() -> HostPath {
    known(&format!("{STATE}/panel-command.json"))
}

impl CommandMemory {
    /// Reads the file; of other versions of Plesk nothing is remembered.
    ///
    /// # Errors
    /// [`MemoryUnreadable`] where there is something and it cannot be told what.
    pub fn read(found: FileFound, version: Option<&str>) -> Result<Self, MemoryUnreadable> {
        let bytes = match found {
            FileFound::Missing => return Ok(Self::default()),
            FileFound::File(state) => state.bytes,
            FileFound::NotRegular => {
                return Err(MemoryUnreadable::Unreadable { reason: "it is no regular file".to_owned() });
            }
            FileFound::Unreadable(reason) => return Err(MemoryUnreadable::Unreadable { reason }),
        };
        let damaged = |error: serde_json::Error| MemoryUnreadable::Damaged { reason: error.to_string() };
        let json: serde_json::Value = serde_json::from_slice(&bytes).map_err(damaged)?;
        let format = json.get("format").and_then(serde_json::Value::as_u64);
        if let Some(format) = format.filter(|format| *format != u64::from(FORMAT)) {
            return Err(MemoryUnreadable::Format { format: u32::try_from(format).unwrap_or(u32::MAX) });
        }
        let KeptEffects { format: _, mut seen } = serde_json::from_value(json).map_err(damaged)?;
        seen.retain(|seen| seen.version.as_deref() == version);
        Ok(Self { seen })
    }

    /// What was seen of an act.
    #[must_use]
    pub fn of(&self, act: AccountAct) -> Option<&SeenEffect> {
        self.seen.iter().find(|seen| seen.act == act)
    }

    /// Takes something in, in the place of what was seen of the act before.
    pub fn remember(&mut self, seen: SeenEffect) {
        self.forget(seen.act);
        self.seen.push(seen);
    }

    /// Forgets what was seen of an act.
    pub fn forget(&mut self, act: AccountAct) {
        self.seen.retain(|seen| seen.act != act);
    }

    /// The act that keeps it on the host.
    ///
    /// # Errors
    /// Only where a value cannot be written as JSON, which none of ours can fail.
    pub fn keep(&self) -> Result<HostOperation, serde_json::Error> {
        if self.seen.is_empty() {
            return Ok(HostOperation::Remove(path()));
        }
        let mut bytes = serde_json::to_vec_pretty(&KeptEffects { format: FORMAT, seen: self.seen.clone() })?;
        bytes.push(b'\n');
        Ok(HostOperation::Save { path: path(), bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{FileState, LinkState};

    fn found(bytes: &[u8]) -> FileFound {
        FileFound::File(FileState { bytes: bytes.to_vec(), link: LinkState::Plain, links: 1, changed: 0 })
    }

    fn seen(act: AccountAct) -> SeenEffect {
        SeenEffect {
            act,
            surprise: CommandSurprise::UserDeleted,
            version: Some("11.0.9".to_owned()),
            run: "20261130T120000Z-1".to_owned(),
        }
    }

    #[test]
    fn what_was_seen_is_read_back_and_another_version_has_not_done_it() {
        let mut memory = CommandMemory::default();
        memory.remember(seen(AccountAct::Lock));
        memory.remember(seen(AccountAct::CreateUser));
        let Ok(HostOperation::Save { path: at, bytes }) = memory.keep() else {
            panic!("it is saved");
        };
        assert_eq!(at, path());
        assert_eq!(CommandMemory::read(found(&bytes), Some("11.0.9")).unwrap(), memory);
        for other in [Some("12.5.30"), None] {
            let read = CommandMemory::read(found(&bytes), other).unwrap();
            assert_eq!(read, CommandMemory::default());
        }
        memory.forget(AccountAct::Lock);
        assert_eq!(memory.of(AccountAct::Lock), None);
        memory.forget(AccountAct::CreateUser);
        assert!(matches!(memory.keep(), Ok(HostOperation::Remove(_))));
    }

    #[test]
    fn what_is_damaged_is_an_error_and_never_nothing() {
        for bytes in ["", "{", "[]", "{\"format\":1}", "{\"format\":2,\"seen\":[]}"] {
            assert!(CommandMemory::read(found(bytes.as_bytes()), None).is_err(), "{bytes}");
        }
        assert!(CommandMemory::read(FileFound::NotRegular, None).is_err());
        assert!(CommandMemory::read(FileFound::Unreadable("no".to_owned()), None).is_err());
        assert_eq!(CommandMemory::read(FileFound::Missing, None), Ok(CommandMemory::default()));
    }
}

//! What is written down of a change that waits, and what became of it: the record's name tells.

use serde::{Deserialize, Serialize};

use super::boot;
use super::step::FilterBackend;
use crate::failure::Diagnostic;
use crate::host::batch::{Answers, Batch, Ticket};
use crate::host::timer::{self, CheckpointFolder, TimerLoad};
use crate::host::{FileFound, HostError, Process, ProcessId, ReadHost, SshClient};
use crate::model::{Desired, HostPath};

/// The number of the record's format.
const FORMAT: u32 = 2;

/// The format of the version before, whose timer decides by the record's name.
const FORMER: u32 = 1;

/// A change of access that waits for its confirmation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// The format's number, 2.
    pub format: u32,
    /// The run that made it.
    pub run: String,
    /// What enforces it.
    pub way: FilterBackend,
    /// What was declared of access.
    pub desired: Desired,
    /// Tells one boot from another (`/proc/sys/kernel/random/boot_id`); none where the host does not tell.
    pub boot: Option<String>,
    /// When it went live, in milliseconds since the boot.
    pub opened: u64,
    /// When it goes back by itself, likewise.
    pub until: u64,
    /// The ssh connection by which it was made; none where there was none, e.g. on a console.
    pub by: Option<SshClient>,
    /// What the timer loads; none where the vendor's own window takes the change back.
    pub load: Option<TimerLoad>,
    /// Where the timer looks for a decision. Without it the record's own name is what decides: there is no
    /// timer, or it is that of the version before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<CheckpointFolder>,
}

/// What has become of a change that waited.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum WaitingCheckpoint {
    /// There is none.
    #[default]
    Nothing,
    /// It is live and waits.
    Open(Box<Checkpoint>),
    /// It is being taken back, or should be.
    Reverting(Box<Checkpoint>),
    /// Its timer has taken it back.
    Reverted(Box<Checkpoint>),
    /// It was confirmed, and what comes after that is not done.
    Confirmed(Box<Checkpoint>),
}

/// How long a window is still open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeLeft {
    /// So many seconds, at least one.
    Seconds(u64),
    /// Its time is up.
    Nothing,
    /// The host has booted since, which took the change back.
    Booted,
}

/// The record's names, in mailward's state.
pub mod files {
    use super::{HostPath, boot};

    /// While it waits.
    #[must_use]
    pub fn open() -> HostPath {
        boot::state("window.json")
    }

    /// While it is taken back, where no folder of the window says so.
    #[must_use]
    pub fn reverting() -> HostPath {
        boot::state("reverting.json")
    }

    /// When the timer of the version before has taken it back.
    #[must_use]
    pub fn reverted() -> HostPath {
        boot::state("reverted.json")
    }

    /// When it is confirmed.
    #[must_use]
    pub fn confirmed() -> HostPath {
        boot::state("confirmed.json")
    }

    /// Since when a change of the version before is live.
    #[must_use]
    pub fn live() -> HostPath {
        boot::state("live")
    }
}

impl Checkpoint {
    /// A record of this version.
    pub(crate) const FORMAT: u32 = FORMAT;

    /// How long it is still open, by the host's own boot and the milliseconds since it.
    #[must_use]
    pub fn left(&self, boot: Option<&str>, uptime: u64) -> TimeLeft {
        // A clock that stands before the beginning is that of another boot.
        if self.boot.as_deref() != boot || uptime < self.opened {
            return TimeLeft::Booted;
        }
        match self.until.saturating_sub(uptime).div_ceil(1000) {
            0 => TimeLeft::Nothing,
            seconds => TimeLeft::Seconds(seconds),
        }
    }

    /// Where it says since when the change is live.
    pub(crate) fn live(&self) -> HostPath {
        (self.folder.as_ref()).map_or_else(files::live, CheckpointFolder::live)
    }
}

/// What the folder of a window shows beside its decision.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WatchedFolder {
    /// The processes that will take the change back.
    pub watchers: Vec<ProcessId>,
    /// Whether the file is there over which it is decided.
    pub decidable: CheckpointDecidable,
}

/// Whether a window can be decided.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CheckpointDecidable {
    /// It can, or is.
    Yes,
    /// What would be renamed is gone: nobody can confirm, and the change goes back.
    #[default]
    No,
}

/// The requests for the record of a change, by each of its names.
pub struct RecordTickets {
    open: Ticket<FileFound>,
    reverting: Ticket<FileFound>,
    reverted: Ticket<FileFound>,
    confirmed: Ticket<FileFound>,
}

impl RecordTickets {
    /// Asks for the record.
    pub fn ask(batch: &mut Batch) -> Self {
        Self {
            open: batch.file(files::open()),
            reverting: batch.file(files::reverting()),
            reverted: batch.file(files::reverted()),
            confirmed: batch.file(files::confirmed()),
        }
    }

    /// What it says; [`WaitingCheckpoint::look`] finishes it.
    ///
    /// # Errors
    /// [`HostError`] where an answer is missing; inside, what to tell where a file cannot be read.
    pub fn waiting(
        self,
        answers: &mut Answers,
    ) -> Result<Result<WaitingCheckpoint, Box<Diagnostic>>, HostError> {
        Ok(WaitingCheckpoint::read(
            answers.take(self.open)?,
            answers.take(self.reverting)?,
            answers.take(self.reverted)?,
            answers.take(self.confirmed)?,
        ))
    }
}

/// The requests for what the folder of a window shows.
pub(crate) struct FolderTickets {
    open: Ticket<FileFound>,
    reverting: Ticket<FileFound>,
    reverted: Ticket<FileFound>,
    closed: Ticket<FileFound>,
    confirmed: Ticket<FileFound>,
    processes: Ticket<Vec<Process>>,
}

impl FolderTickets {
    /// Asks what a folder shows.
    pub(crate) fn ask(batch: &mut Batch, folder: &CheckpointFolder) -> Self {
        Self {
            open: batch.file(folder.open()),
            reverting: batch.file(folder.reverting()),
            reverted: batch.file(folder.reverted()),
            closed: batch.file(folder.closed()),
            confirmed: batch.file(folder.confirmed()),
            processes: batch.processes(vec![timer::PROGRAM]),
        }
    }

    /// What was decided there of a change whose record is open, and who watches over it.
    pub(crate) fn decided(
        self,
        answers: &mut Answers,
        checkpoint: Box<Checkpoint>,
        folder: &CheckpointFolder,
    ) -> Result<Result<LookedCheckpoint, Box<Diagnostic>>, HostError> {
        let mark = folder.mark();
        let mut names = |ticket: Ticket<FileFound>, path: HostPath| match answers.take(ticket)? {
            FileFound::File(state) => Ok(Ok(state.bytes == mark.as_bytes())),
            // As for its timer, it counts for nothing.
            FileFound::Missing | FileFound::NotRegular => Ok(Ok(false)),
            FileFound::Unreadable(reason) => Ok(Err(unreadable(&path, &reason))),
        };
        let all = [
            names(self.open, folder.open())?,
            names(self.reverting, folder.reverting())?,
            names(self.reverted, folder.reverted())?,
            names(self.closed, folder.closed())?,
            names(self.confirmed, folder.confirmed())?,
        ];
        let processes = answers.take(self.processes)?;
        let mut read = Vec::with_capacity(all.len());
        for one in all {
            match one {
                Ok(is_there) => read.push(is_there),
                Err(unread) => return Ok(Err(unread)),
            }
        }
        let [open, reverting, reverted, closed, confirmed] = read[..] else {
            return Ok(Ok((WaitingCheckpoint::Open(checkpoint), None)));
        };
        let decidable = match open || reverting || reverted || closed || confirmed {
            true => CheckpointDecidable::Yes,
            false => CheckpointDecidable::No,
        };
        let watched = WatchedFolder { watchers: folder.watchers(&processes), decidable };
        let waiting = if confirmed {
            WaitingCheckpoint::Confirmed(checkpoint)
        } else if reverted || closed {
            WaitingCheckpoint::Reverted(checkpoint)
        } else if reverting {
            WaitingCheckpoint::Reverting(checkpoint)
        } else {
            WaitingCheckpoint::Open(checkpoint)
        };
        Ok(Ok((waiting, Some(watched))))
    }
}

/// A change that waits as its window's folder has it, and who watches over it where there is such a folder.
pub(crate) type LookedCheckpoint = (WaitingCheckpoint, Option<WatchedFolder>);

impl WaitingCheckpoint {
    /// Reads what lies at [`files::open`], [`files::reverting`], [`files::reverted`] and
    /// [`files::confirmed`].
    ///
    /// # Errors
    /// What to tell where one of them cannot be read: whether something waits must never be guessed.
    pub fn read(
        open: FileFound,
        reverting: FileFound,
        reverted: FileFound,
        confirmed: FileFound,
    ) -> Result<Self, Box<Diagnostic>> {
        let read = |path: HostPath, found: FileFound| match found {
            FileFound::Missing => Ok(None),
            FileFound::File(state) => serde_json::from_slice::<Checkpoint>(&state.bytes)
                .map_err(|error| error.to_string())
                .and_then(|checkpoint| match checkpoint.format {
                    FORMAT | FORMER => Ok(Some(Box::new(checkpoint))),
                    other => Err(format!("format {other} instead of {FORMAT}")),
                })
                .map_err(|why| foreign(&path, &why)),
            FileFound::NotRegular => Err(foreign(&path, "it is not a regular file")),
            FileFound::Unreadable(reason) => Err(unreadable(&path, &reason)),
        };
        // The later in a window's life, the more it tells.
        if let Some(checkpoint) = read(files::open(), open)? {
            return Ok(Self::Open(checkpoint));
        }
        if let Some(checkpoint) = read(files::reverting(), reverting)? {
            return Ok(Self::Reverting(checkpoint));
        }
        if let Some(checkpoint) = read(files::confirmed(), confirmed)? {
            return Ok(Self::Confirmed(checkpoint));
        }
        Ok(read(files::reverted(), reverted)?.map_or(Self::Nothing, Self::Reverted))
    }

    /// Looks into the folder of a window that its record calls open: what was decided there, and who watches
    /// over it. A trip of its own, made only where a change waits.
    ///
    /// # Errors
    /// [`HostError`] where the host cannot be asked; inside, what to tell where a file cannot be read.
    pub fn look(self, host: &dyn ReadHost) -> Result<Result<LookedCheckpoint, Box<Diagnostic>>, HostError> {
        let (checkpoint, folder) = match self {
            Self::Open(checkpoint) => match checkpoint.folder.clone() {
                Some(folder) => (checkpoint, folder),
                None => return Ok(Ok((Self::Open(checkpoint), None))),
            },
            other @ (Self::Nothing | Self::Reverting(_) | Self::Reverted(_) | Self::Confirmed(_)) => {
                return Ok(Ok((other, None)));
            }
        };
        let mut batch = Batch::default();
        let tickets = FolderTickets::ask(&mut batch, &folder);
        tickets.decided(&mut batch.read(host)?, checkpoint, &folder)
    }

    /// Its record, if there is one.
    #[must_use]
    pub fn checkpoint(&self) -> Option<&Checkpoint> {
        match self {
            Self::Nothing => None,
            Self::Open(checkpoint)
            | Self::Reverting(checkpoint)
            | Self::Reverted(checkpoint)
            | Self::Confirmed(checkpoint) => Some(checkpoint),
        }
    }
}

fn unreadable(path: &HostPath, reason: &str) -> Box<Diagnostic> {
    Box::new(Diagnostic::new(format!(
        "cannot read {path}, so it is not known whether a change of access waits: {reason}"
    )))
}

fn foreign(path: &HostPath, why: &str) -> Box<Diagnostic> {
    let what = format!("{path} is not a record that this version of mailward can read");
    Box::new(Diagnostic::new(what).because(why).hint("use the version of mailward that wrote it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint() -> Checkpoint {
        Checkpoint {
            format: FORMAT,
            run: "r".to_owned(),
            way: FilterBackend::Nftables,
            desired: Desired::default(),
            boot: Some("a".to_owned()),
            opened: 1000,
            until: 61_000,
            by: None,
            load: None,
            folder: None,
        }
    }

    #[test]
    fn a_window_closes_with_its_time_and_with_a_boot() {
        let checkpoint = checkpoint();
        assert_eq!(checkpoint.left(Some("a"), 1000), TimeLeft::Seconds(60));
        assert_eq!(checkpoint.left(Some("a"), 60_001), TimeLeft::Seconds(1));
        assert_eq!(checkpoint.left(Some("a"), 61_000), TimeLeft::Nothing);
        assert_eq!(checkpoint.left(Some("b"), 2000), TimeLeft::Booted);
        assert_eq!(checkpoint.left(Some("a"), 999), TimeLeft::Booted);
    }
}

//! What a host remembers of a change of access that waits, asked alone: to look at one record costs no whole
//! set of facts.

use crate::facts::BootClock;
use crate::failure::Diagnostic;
use crate::firewall::checkpoint::{Checkpoint, FolderTickets, RecordTickets, TimeLeft, WaitingCheckpoint};
use crate::host::batch::Batch;
use crate::host::timer::CheckpointFolder;
use crate::host::{HostError, ReadHost};

/// A change that waits, or what became of it, at one moment of the host's clocks.
#[derive(Debug)]
pub(super) struct RememberedChange {
    /// What the record and its window's folder say.
    pub(super) waiting: WaitingCheckpoint,
    /// Why that could not be read, if so: then it is not known what waits.
    pub(super) unread: Option<Diagnostic>,
    clock: BootClock,
}

impl RememberedChange {
    /// Reads the record, and with it what the folder of its window shows, in one trip where the caller knows
    /// the folder.
    pub(super) fn read(host: &dyn ReadHost, folder: Option<&CheckpointFolder>) -> Result<Self, HostError> {
        let mut batch = Batch::default();
        let record = RecordTickets::ask(&mut batch);
        let clock = BootClock::ask(&mut batch);
        let shown = folder.map(|folder| (folder, FolderTickets::ask(&mut batch, folder)));
        let mut answers = batch.read(host)?;
        let waiting = record.waiting(&mut answers)?;
        let clock = clock.clock(&mut answers)?;
        let looked = match (waiting, shown) {
            (Err(unread), _) => Err(unread),
            (Ok(WaitingCheckpoint::Open(checkpoint)), Some((folder, tickets)))
                if checkpoint.folder.as_ref() == Some(folder) =>
            {
                tickets.decided(&mut answers, checkpoint, folder)?
            }
            (Ok(waiting), _) => waiting.look(host)?,
        };
        let (waiting, unread) = match looked {
            Ok((waiting, _)) => (waiting, None),
            Err(unread) => (WaitingCheckpoint::default(), Some(*unread)),
        };
        Ok(Self { waiting, unread, clock })
    }

    /// The change of a run, where it is live and has time left.
    pub(super) fn is_open(&self, run: &str) -> bool {
        matches!(&self.waiting, WaitingCheckpoint::Open(checkpoint) if checkpoint.run == run && self.has_time(checkpoint))
    }

    fn has_time(&self, checkpoint: &Checkpoint) -> bool {
        match checkpoint.left(self.clock.boot.as_deref(), self.clock.uptime) {
            TimeLeft::Seconds(_) => true,
            TimeLeft::Nothing | TimeLeft::Booted => false,
        }
    }
}

//! What a host remembers of changes of who may reach its services.

use super::boot;
use super::checkpoint::{RecordTickets, TimeLeft, WaitingCheckpoint, WatchedFolder};
use crate::facts::Facts;
use crate::failure::Diagnostic;
use crate::host::batch::{Answers, Batch, Ticket};
use crate::host::{HostError, PathExistence, ReadHost};
use crate::model::known;

/// What is remembered of changes of who may reach a host's services.
#[derive(Debug, Clone, Default)]
pub struct RecalledFirewall {
    /// The change that waits for its confirmation, or what became of it.
    pub waiting: WaitingCheckpoint,
    /// What the change's own folder shows of it; none where nothing waits, or no timer of this version.
    pub watched: Option<WatchedFolder>,
    /// Why that could not be read, if so: then it is not known what waits, and no plan is made.
    pub unread: Option<Diagnostic>,
    /// Whether there is anything of access in mailward's state.
    pub has_state: bool,
}

/// Requests for it under way.
pub struct RecallTickets {
    record: RecordTickets,
    state: Ticket<PathExistence>,
}

impl RecallTickets {
    /// Asks what is remembered.
    pub fn ask(batch: &mut Batch) -> Self {
        Self { record: RecordTickets::ask(batch), state: batch.exists(known(boot::FOLDER)) }
    }

    /// What is remembered, by a trip of its own for a change that waits.
    ///
    /// # Errors
    /// [`HostError`]; what cannot be read is in it.
    pub fn recalled(self, host: &dyn ReadHost, answers: &mut Answers) -> Result<RecalledFirewall, HostError> {
        let mut recalled = RecalledFirewall {
            has_state: answers.take(self.state)? == PathExistence::Folder,
            ..RecalledFirewall::default()
        };
        let looked = match self.record.waiting(answers)? {
            Ok(waiting) => waiting.look(host)?,
            Err(unread) => Err(unread),
        };
        match looked {
            Ok((waiting, watched)) => (recalled.waiting, recalled.watched) = (waiting, watched),
            Err(unread) => recalled.unread = Some(*unread),
        }
        Ok(recalled)
    }
}

impl RecalledFirewall {
    /// Whether a change waits whose timer of this version runs no more.
    #[must_use]
    pub fn is_unwatched(&self, facts: &Facts) -> bool {
        matches!(&self.waiting, WaitingCheckpoint::Open(checkpoint)
            if matches!(checkpoint.left(facts.boot.as_deref(), facts.uptime), TimeLeft::Seconds(_)))
            && (self.watched.as_ref()).is_some_and(|watched| watched.watchers.is_empty())
    }
}

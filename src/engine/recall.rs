//! What a host remembers of earlier runs, read together with the facts.

use super::journal::{self, Journal, JournalRun};
use crate::facts::{Facts, FactsError, FactsTickets};
use crate::failure::Diagnostic;
use crate::firewall::recall::{RecallTickets, RecalledFirewall};
use crate::host::ReadHost;
use crate::host::batch::Batch;
use crate::limits::recall::RecalledLimits;
use crate::limits::xinetd::LoadedXinetdFiles;

/// What a host remembers of earlier runs.
#[derive(Debug, Clone, Default)]
pub struct Recalled {
    /// Of connection limits.
    pub limits: RecalledLimits,
    /// Of who may reach the services.
    pub firewall: RecalledFirewall,
    /// The run that is under way, or was killed.
    pub run: Option<JournalRun>,
    /// Why the journal could not be read, if so: then it is not known what is owed, and no plan is made.
    pub unread: Option<Diagnostic>,
}

/// What a host is and what it remembers.
#[derive(Debug, Clone)]
pub struct HostSurvey {
    /// What kind of host it is.
    pub facts: Facts,
    /// What it remembers of earlier runs.
    pub recalled: Recalled,
}

impl HostSurvey {
    /// Reads both in one trip, in a second one where a change of access waits, and again for a moment where a
    /// daemon is being started.
    ///
    /// # Errors
    /// [`FactsError`]; a missing thing is a fact, an unreadable one an error.
    pub fn read(host: &dyn ReadHost) -> Result<Self, FactsError> {
        let mut batch = Batch::default();
        // The record before the clocks: a change that begins in between would seem to be of another boot.
        let firewall = RecallTickets::ask(&mut batch);
        let facts = FactsTickets::ask(&mut batch);
        let journal = batch.file(journal::path());
        let loaded = batch.file(LoadedXinetdFiles::path());
        let mut answers = batch.read(host)?;
        let facts = facts.facts(host, &mut answers)?;
        let (Journal { format: _, owed, run }, unread) = match Journal::read(answers.take(journal)?) {
            Ok(journal) => (journal, None),
            Err(error) => (Journal::default(), Some(error.diagnostic())),
        };
        let firewall = firewall.recalled(host, &mut answers)?;
        let loaded = LoadedXinetdFiles::read(answers.take(loaded)?);
        let recalled = Recalled { limits: RecalledLimits { owed, loaded }, firewall, run, unread };
        Ok(Self { facts, recalled })
    }

    /// Reads again what may be another one a moment later; what is remembered stays as it was read.
    ///
    /// # Errors
    /// [`FactsError`].
    pub fn read_again(&self, host: &dyn ReadHost) -> Result<Self, FactsError> {
        Ok(Self { facts: self.facts.read_again(host)?, recalled: self.recalled.clone() })
    }
}

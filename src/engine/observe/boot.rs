//! Asks what a boot does about mailward's own rules.

use crate::firewall::boot::{BootObserved, paths, places};
use crate::host::batch::{Answers, Batch, Ticket};
use crate::host::{FileFound, HostError, PathExistence};
use crate::model::HostPath;

/// Requests under way.
pub(super) struct BootTickets {
    files: Vec<(HostPath, Ticket<FileFound>)>,
    places: Vec<(HostPath, Ticket<PathExistence>)>,
}

pub(super) fn ask(batch: &mut Batch) -> BootTickets {
    BootTickets {
        files: (paths().into_iter()).map(|path| (path.clone(), batch.file(path))).collect(),
        places: (places().into_iter()).map(|path| (path.clone(), batch.exists(path))).collect(),
    }
}

impl BootTickets {
    pub(super) fn observed(self, answers: &mut Answers) -> Result<BootObserved, HostError> {
        let mut observed = BootObserved::default();
        for (path, ticket) in self.files {
            observed.files.insert(path, answers.take(ticket)?);
        }
        for (path, ticket) in self.places {
            observed.places.insert(path, answers.take(ticket)?);
        }
        Ok(observed)
    }
}

//! Writes down what became of a change, and removes what it left.

use crate::access::boot;
use crate::apply::Failed;
use crate::apply::outcome::{Outcome, StepState, Verdict};
use crate::failure::Diagnostic;
use crate::host::{Act, Found, Reply, Request, STATE, WriteHost};
use crate::model::{HostPath, known};

use super::record::Window;

/// The files that a window leaves.
pub(super) const LEFT: [&str; 12] = [
    "window.json",
    "reverting.json",
    "reverted.json",
    "confirmed.json",
    "revert.nft",
    "revert.v4",
    "revert.v6",
    "load.nft",
    "revert.log",
    "live",
    "timer.pid",
    "timer.sh",
];

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It was taken back.
    Back,
    /// It was confirmed, and all that comes after that is done.
    Stays,
    /// It was confirmed, and what comes after that is left to the next plan.
    StaysUnfinished,
}

/// Writes down in the history what became of a change, and removes what it left in the state.
pub(super) fn close<H: WriteHost + ?Sized>(
    host: &mut H,
    window: &Window,
    fate: Fate,
    message: Option<Diagnostic>,
) -> Result<(), Failed> {
    let mut acts = Vec::new();
    if let Some(mut outcome) = history(host, &window.run)? {
        let (change, later, verdict) = match fate {
            Fate::Back => (StepState::Undone, StepState::NotTried, Verdict::RolledBack),
            Fate::Stays => (StepState::Done, StepState::Done, Verdict::Applied),
            // How far it came is for the next plan to see.
            Fate::StaysUnfinished => (StepState::Done, StepState::Unknown, Verdict::PartlyApplied),
        };
        for step in &mut outcome.steps {
            if step.step.as_sources().is_some() {
                step.state = change;
            } else if step.step.is_after_confirmation() {
                step.state = later;
            }
        }
        // What else the run did was done and verified before.
        let others = outcome
            .steps
            .iter()
            .any(|step| step.state == StepState::Done);
        outcome.conclude(match fate {
            Fate::Back if others => Verdict::PartlyApplied,
            // What was put off is still owed.
            Fate::Stays if !outcome.owed.is_empty() => Verdict::Owed,
            Fate::Back | Fate::Stays | Fate::StaysUnfinished => verdict,
        });
        outcome.messages.extend(message);
        let bytes = serde_json::to_vec_pretty(&outcome)
            .map_err(|error| Failed(vec![Diagnostic::of(&error)]))?;
        acts.push(Act::Save {
            path: history_path(&window.run),
            bytes,
        });
    }
    acts.extend(LEFT.iter().map(|name| Act::Remove(boot::state(name))));
    host.write(&acts, &[])
        .map(|_| ())
        .map_err(|error| Failed(vec![Diagnostic::of(&error)]))
}

fn history_path(run: &str) -> HostPath {
    known(&format!("{STATE}/history/{run}.json"))
}

/// The history entry of a run; none where it has none, or one of another version.
pub(super) fn history<H: WriteHost + ?Sized>(
    host: &H,
    run: &str,
) -> Result<Option<Outcome>, Failed> {
    let replies = host
        .read(&[Request::File(history_path(run))])
        .map_err(|error| Failed(vec![Diagnostic::of(&error)]))?;
    match replies.into_iter().next() {
        Some(Reply::File(Found::File(state))) => Ok(serde_json::from_slice(&state.bytes).ok()),
        _ => Ok(None),
    }
}

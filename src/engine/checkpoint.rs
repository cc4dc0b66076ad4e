//! The time in which a change of access waits for its confirmation.
//!
//! A change goes live provisionally. Everything that takes it back is written and started beforehand; then
//! one rename decides whether it stays: a confirmation gives the window's record another name, or the timer
//! does. What is to last over a boot is written after the confirmation, so that a boot takes back what nobody
//! confirmed.

mod back;
mod close;
pub mod confirm;
pub(super) mod context;
mod finish;
mod former;
mod load;
pub(super) mod open;
mod plesk;
mod proof;
mod remembered;
pub mod revert;
pub(super) mod settle;
mod unconfirmed;

use std::time::Duration;

use self::remembered::RememberedChange;
use self::settle::CheckpointStanding;
use super::ApplyFailure;
use crate::host::WriteHost;
use crate::plan::outcome::{Outcome, OutcomeVerdict};

/// What became of a run whose change waited; none as long as it waits, or somebody is at work there.
///
/// As long as it waits, the lock is left alone: a confirmation must never find it taken by somebody who only
/// looks.
pub fn became(host: &mut dyn WriteHost, run: &str, deadline: Duration) -> Option<Outcome> {
    match RememberedChange::read(host, None) {
        Ok(remembered) if remembered.is_open(run) => return None,
        Ok(_) => {}
        Err(error) => return Some(ApplyFailure::from(error).outcome()),
    }
    match confirm::begin(host, deadline) {
        Ok((_, CheckpointStanding::Open(checkpoint, ..))) if checkpoint.run == run => None,
        Ok(_) => match close::history(host, run) {
            Ok(Some(outcome)) => Some(outcome),
            Ok(None) => Some(Outcome::without_run(OutcomeVerdict::Unknown, Vec::new())),
            Err(why) => Some(why.outcome()),
        },
        Err(failure) => Some(failure.outcome()).filter(|outcome| outcome.result != OutcomeVerdict::Locked),
    }
}

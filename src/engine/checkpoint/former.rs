//! A change that a version before made live and this one is asked to confirm: its rules are those that it
//! loaded.

use super::back::texts;
use crate::engine::ApplyFailure;
use crate::engine::observe::Observed;
use crate::firewall::former;
use crate::host::ReadHost;
use crate::plan::Plan;

/// How the rules in force are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Made {
    /// As this version makes them.
    Now,
    /// As a version before did. The next plan says what this one would change.
    Before,
    /// They are others.
    Otherwise,
}

/// How the rules are made that a plan would change, or leaves as they are.
pub(super) fn made(host: &dyn ReadHost, observed: &Observed, plan: &Plan) -> Result<Made, ApplyFailure> {
    let Some(step) = plan.steps.iter().find_map(|step| step.as_firewall()) else {
        return Ok(Made::Now);
    };
    let (Some(access), Some(how)) = (&observed.firewall, step.how.as_deref()) else {
        return Ok(Made::Otherwise);
    };
    let [loaded] = texts(host, ["load.nft"])?;
    Ok(match former::is_made(access, how, loaded.as_deref()) {
        true => Made::Before,
        false => Made::Otherwise,
    })
}

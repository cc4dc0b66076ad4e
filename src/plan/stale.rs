//! Compares a plan that was agreed with the plan that the host needs now.
//!
//! A step that has meanwhile been satisfied is no difference. Line numbers and digests are none either: what
//! counts is what is done and why, so that an unrelated comment does not make a plan stale, and a changed
//! meaning does.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::{AccountAct, HostId, PanelAccessStep, Plan, Step};
use crate::model::PanelLogin;

/// Why a plan of today is not the one that was agreed.
#[derive(Debug, Clone, PartialEq)]
pub enum StaleReason {
    /// That was agreed for another host.
    OtherHost {
        /// Its name, where that is known.
        name: Option<String>,
    },
    /// It has steps that were not agreed: these.
    Steps(Vec<Step>),
}

/// Whether everything that `now` does was agreed in `agreed`, for the same host.
///
/// # Errors
/// [`StaleReason`] tells what was not.
pub fn compare(agreed: &Plan, now: &Plan) -> Result<(), StaleReason> {
    same_host(agreed, &now.host)?;
    let known: Vec<Json> = agreed.steps.iter().map(essence).collect();
    let accounts = accounts(agreed);
    let steps: Vec<Step> = (now.steps.iter())
        .filter_map(|step| match step {
            Step::PanelAccess(step) => not_agreed(step, &accounts).map(Step::PanelAccess),
            Step::Edit(_)
            | Step::Panel(_)
            | Step::Action(_)
            | Step::Firewall(_)
            | Step::Boot(_)
            | Step::Retire(_) => (!known.contains(&essence(step))).then(|| step.clone()),
        })
        .collect();
    if steps.is_empty() { Ok(()) } else { Err(StaleReason::Steps(steps)) }
}

/// Whether a plan was agreed for this host.
///
/// # Errors
/// [`StaleReason::OtherHost`].
pub fn same_host(agreed: &Plan, host: &HostId) -> Result<(), StaleReason> {
    if agreed.host == *host {
        return Ok(());
    }
    let name = agreed.host.name.clone();
    Err(StaleReason::OtherHost { name })
}

/// Every account that was agreed, with what it gets and how.
fn accounts(agreed: &Plan) -> BTreeSet<(&str, PanelLogin, AccountAct)> {
    (agreed.steps.iter())
        .flat_map(|step| match step {
            Step::PanelAccess(PanelAccessStep { access, act, accounts, .. }) => {
                let each = accounts.iter();
                each.map(|change| (change.account.as_str(), *access, *act)).collect()
            }
            Step::Edit(_)
            | Step::Panel(_)
            | Step::Action(_)
            | Step::Firewall(_)
            | Step::Boot(_)
            | Step::Retire(_) => Vec::new(),
        })
        .collect()
}

/// The part of a step that was not agreed; those that are satisfied since are not in it.
fn not_agreed(
    step: &PanelAccessStep,
    agreed: &BTreeSet<(&str, PanelLogin, AccountAct)>,
) -> Option<PanelAccessStep> {
    let mut rest = step.clone();
    rest.accounts.retain(|change| !agreed.contains(&(change.account.as_str(), step.access, step.act)));
    rest.count = rest.accounts.len();
    (rest.count > 0).then_some(rest)
}

fn essence(step: &Step) -> Json {
    match step {
        Step::Edit(step) => step.agreed(),
        Step::Panel(step) => step.agreed(),
        Step::Action(step) => step.agreed(),
        // Compared account by account.
        Step::PanelAccess(_) => Json::Null,
        Step::Firewall(step) => step.agreed(),
        Step::Boot(step) => step.agreed(),
        Step::Retire(step) => step.agreed(),
    }
}

//! Compares a plan that was agreed with the plan that the host needs now.
//!
//! A step that has meanwhile been satisfied is no difference. Line numbers and digests are none either: what counts is
//! what is done and why, so that an unrelated comment does not make a plan stale, and a changed meaning does.

use serde_json::{Value as Json, json};

use super::{Action, Edit, PanelStep, Plan, Step};

/// A step of today that was not agreed.
#[derive(Debug, Clone, PartialEq)]
pub struct Stale {
    /// The steps that were not agreed.
    pub steps: Vec<Step>,
}

/// Whether everything that `now` does was agreed in `agreed`.
///
/// # Errors
/// [`Stale`] with the steps that were not.
pub fn compare(agreed: &Plan, now: &Plan) -> Result<(), Stale> {
    let known: Vec<Json> = agreed.steps.iter().map(essence).collect();
    let steps: Vec<Step> = now
        .steps
        .iter()
        .filter(|step| !known.contains(&essence(step)))
        .cloned()
        .collect();
    if steps.is_empty() {
        Ok(())
    } else {
        Err(Stale { steps })
    }
}

fn essence(step: &Step) -> Json {
    match step {
        Step::Edit(Edit {
            path,
            before: _,
            lines,
            effects,
            causes: _,
            bytes: _,
            old: _,
        }) => json!({
            "path": path,
            "lines": lines
                .iter()
                .map(|line| json!({ "kind": line.kind, "before": line.before, "after": line.after, "block": line.block }))
                .collect::<Vec<_>>(),
            "effects": effects,
        }),
        Step::Panel(PanelStep {
            argv,
            undo,
            effects,
            causes: _,
        }) => {
            json!({ "argv": argv, "undo": undo, "effects": effects })
        }
        Step::Action(Action {
            verb,
            daemon,
            unit,
            services,
            cost,
            causes: _,
            also_live,
            expects,
            how: _,
        }) => json!({
            "verb": verb, "daemon": daemon, "unit": unit, "services": services, "cost": cost,
            "also_live": also_live, "expects": expects,
        }),
    }
}

//! Makes a plan, purely: from what is desired, what kind of host it is, what was observed, and what is owed.

use std::collections::BTreeSet;
use std::time::Duration;

use super::observe::Observed;
use super::recall::{HostSurvey, Recalled};
use crate::edit::shellvars;
use crate::edit::xinetd::{ProblemEffect, XinetdProblemKind};
use crate::failure::{Diagnostic, PlanBlocked, PlanBlocker, declared_at};
use crate::firewall::{
    self,
    plan::{FirewallPart, KnownFirewall},
};
use crate::limits::observed::ObservedLimits;
use crate::limits::{self, LimitsPart, courier, xinetd};
use crate::model::Desired;
use crate::panel_access;
use crate::plan::{
    CommonNote, FORMAT, Fingerprint, LimitsNote, Note, OwedActionSettled, Plan, PlanInput, SafetyOverrides,
    Step,
};

/// How long a service action may take where the command line does not say.
pub const ACTION_DEADLINE: Duration = Duration::from_secs(60);

/// Makes the plan that brings the host to what is desired.
///
/// # Errors
/// That the manifest is for another host, and nothing else; or all that keeps it from being made, sorted.
pub fn make(
    desired: &Desired,
    advice: &[Diagnostic],
    survey: &HostSurvey,
    observed: &Observed,
    deadline: Duration,
    allowed: &SafetyOverrides,
) -> Result<Plan, Vec<PlanBlocker>> {
    let HostSurvey { facts, recalled } = survey;
    guard(desired, &facts.names)?;
    let mut blockers = Vec::new();
    blockers.extend(
        recalled
            .unread
            .iter()
            .map(|unread| PlanBlocker { kind: PlanBlocked::Unknown, diagnostic: unread.clone() }),
    );
    let LimitsPart { edits, panel: panels, actions, notes: of_limits, blockers: refused } =
        limits::plan(desired, facts, &recalled.limits, &observed.limits, deadline);
    blockers.extend(refused);
    let mut notes: Vec<Note> =
        advice.iter().map(|advice| Note::Common(CommonNote::Advice(Box::new(advice.clone())))).collect();
    notes.extend(of_limits.into_iter().map(Note::from));
    let panel_access::plan::PanelAccessPart { steps: accounts, notes: left, blockers: refused } =
        panel_access::plan::plan(desired, observed.accounts.as_ref(), allowed, deadline);
    notes.extend(left.into_iter().map(Note::from));
    blockers.extend(refused);
    let firewall = observed.firewall.as_ref().map_or_else(FirewallPart::default, |filters| {
        let known = KnownFirewall {
            filters,
            boot: observed.boot.as_ref(),
            connection: observed.connection.as_ref(),
            recalled: &recalled.firewall,
        };
        firewall::plan::plan(desired, facts, &known, allowed, deadline)
    });
    notes.extend(firewall.notes.into_iter().map(Note::from));
    blockers.extend(firewall.blockers);
    if !blockers.is_empty() {
        blockers.sort();
        blockers.dedup();
        return Err(blockers);
    }
    let settled = if recalled
        .limits
        .owed
        .iter()
        .all(|owed| actions.iter().any(|action| action.daemon == owed.daemon && action.unit == owed.unit))
    {
        OwedActionSettled::Nothing
    } else {
        OwedActionSettled::Some
    };
    let steps: Vec<Step> = (edits.into_iter().map(Step::Edit))
        .chain(panels.into_iter().map(Step::Panel))
        .chain(actions.into_iter().map(Step::Action))
        .chain(accounts.into_iter().map(Step::PanelAccess))
        .chain(firewall.change.into_iter().map(Step::Firewall))
        .chain(firewall.boot.into_iter().map(Step::Boot))
        .chain(firewall.retired.into_iter().map(Step::Retire))
        .collect();
    if steps.is_empty() {
        // With nothing to restart there is nothing to explain about what is not restarted.
        notes.retain(|note| !matches!(note, Note::Limits(LimitsNote::NotRestarted { .. })));
    }
    notes.extend(problems(desired, recalled, observed, &steps));
    Ok(Plan {
        format: FORMAT,
        fingerprint: Fingerprint::of(&steps),
        host: facts.id(),
        steps,
        notes,
        inputs: inputs(observed),
        desired: desired.clone(),
        settled,
    })
}

/// The manifest's own guard, `[host] name`, which comes before everything else that is looked at.
///
/// # Errors
/// That the manifest is for another host than the one that has these names.
pub fn guard(desired: &Desired, names: &BTreeSet<String>) -> Result<(), Vec<PlanBlocker>> {
    let Some(first) = desired.host.first() else {
        return Ok(());
    };
    if (desired.host.iter()).any(|declared| names.contains(&declared.value)) {
        return Ok(());
    }
    let is: Vec<&str> = names.iter().map(String::as_str).collect();
    let is = if is.is_empty() { "unknown".to_owned() } else { is.join(", ") };
    Err(vec![PlanBlocker {
        kind: PlanBlocked::Refused,
        diagnostic: Diagnostic::new("this manifest is for another host")
            .at(declared_at(&first.origin))
            .because(format!("this host's name is {is}"))
            .hint("check which host and which manifest you meant"),
    }])
}

/// The files that a plan is made from, with their digests, by path.
#[must_use]
pub fn inputs(observed: &Observed) -> Vec<PlanInput> {
    let Observed { limits, accounts: _, firewall: _, boot: _, connection: _ } = observed;
    let ObservedLimits { courier, panel: _, xinetd } = limits;
    let courier = courier.iter().flat_map(courier::CourierFiles::inputs);
    let xinetd = xinetd.iter().flat_map(xinetd::XinetdFiles::inputs);
    let mut inputs: Vec<PlanInput> = courier.chain(xinetd).map(PlanInput::from).collect();
    inputs.sort_by(|a, b| a.path.cmp(&b.path));
    inputs
}

/// Lines that are not what their author may think, in the files that the manifest concerns, as they will be.
fn problems(desired: &Desired, recalled: &Recalled, observed: &Observed, steps: &[Step]) -> Vec<Note> {
    let edits = || steps.iter().filter_map(Step::as_edit);
    let mut notes = Vec::new();
    let files = observed.limits.courier.as_ref().filter(|_| courier::concerns(desired, &recalled.limits));
    for file in files.iter().flat_map(|files| files.0.values()) {
        let edited = edits().find(|edit| edit.path == file.path).map(|edit| &edit.bytes);
        let Some(bytes) = edited.or(file.bytes.as_ref().ok()) else {
            continue;
        };
        for problem in shellvars::ShellFile::parse(bytes).problems() {
            let effect = problem.kind.to_string();
            notes.push(Note::Limits(LimitsNote::Problem {
                path: file.path.clone(),
                line: problem.spot.line,
                effect,
            }));
        }
    }
    if let Some(state) =
        observed.limits.xinetd.as_ref().filter(|_| xinetd::concerns(desired, &recalled.limits))
    {
        let after = edits().next().map(|_| state.after(edits()));
        for problem in &after.as_ref().unwrap_or(&state.config).problems {
            // Package managers' and editors' left-overs in the folder are skipped by design.
            let usual = problem.kind == XinetdProblemKind::NameSkipped
                || problem.kind.effect() == ProblemEffect::Warning;
            if !usual {
                let effect = problem.kind.to_string();
                notes.push(Note::Limits(LimitsNote::Problem {
                    path: problem.path.clone(),
                    line: problem.spot.line,
                    effect,
                }));
            }
        }
    }
    notes
}

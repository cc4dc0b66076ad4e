//! The listeners that one service runs: why it is restarted or started, and how. What that makes live is
//! found elsewhere.

use std::time::Duration;

use super::super::edits::ListenersAfter;
use super::super::running::common;
use super::super::{CourierListener, CourierProcess, CourierWants, SETTINGS};
use super::differs;
use crate::facts::Facts;
use crate::failure::{Diagnostic, PlanBlocked};
use crate::limits::LimitsPart;
use crate::limits::action::{
    ActionCost, ActionMethod, ActionVerb, Daemon, RunningExpectation, ServiceAction,
};
use crate::limits::owed::{OwedAction, OwedActionBegun};
use crate::limits::recall::RecalledLimits;
use crate::limits::step::{LimitSetting, LimitValue, StepCause};

/// The listeners that one service runs.
pub(super) struct ListenerGroup<'a> {
    unit: &'static str,
    pub(super) listeners: Vec<CourierListener>,
    pub(super) wants: &'a CourierWants,
    owed: Option<&'a OwedAction>,
    pub(super) causes: Vec<StepCause>,
    /// Those that must serve afterwards: those that run, and those that an owed action must bring back.
    pub(super) serving: Vec<CourierListener>,
}

impl<'a> ListenerGroup<'a> {
    pub(super) fn new(
        unit: &'static str,
        listeners: Vec<CourierListener>,
        wants: &'a CourierWants,
        facts: &'a Facts,
        recalled: &'a RecalledLimits,
        after: &ListenersAfter,
    ) -> Self {
        let owed = recalled.owed.iter().find(|owed| owed.daemon == Daemon::Courier && owed.unit == unit);
        let runs = |listener: &CourierListener| !CourierProcess::of(*listener, &facts.processes).is_empty();
        // What was only put off and does not run any more was stopped by somebody else, and stays so.
        let owes = |listener: &CourierListener| {
            owed.is_some_and(|owed| {
                let named = owed.services.iter().any(|name| name == listener.service().name());
                named && (owed.begun == OwedActionBegun::Perhaps || runs(listener))
            })
        };
        let serving: Vec<CourierListener> =
            listeners.iter().copied().filter(|l| runs(l) || owes(l)).collect();
        let mut causes = Vec::new();
        for listener in serving.iter().filter(|listener| runs(listener)) {
            let running = CourierProcess::of(*listener, &facts.processes);
            for setting in SETTINGS {
                if differs(wants, *listener, setting, &running, after)
                    && let Some(value) = after.values.get(&(*listener, setting))
                {
                    causes.push(StepCause::RunningDiffers {
                        service: listener.service().name().to_owned(),
                        setting,
                        running: common(&running, setting),
                        value: *value,
                    });
                }
            }
        }
        for listener in serving.iter().filter(|listener| {
            let named = |setting: &LimitSetting| wants.contains_key(&(**listener, *setting));
            SETTINGS.iter().any(named)
        }) {
            let running = CourierProcess::of(*listener, &facts.processes);
            if running.iter().any(|one| one.process.is_replaced()) {
                causes.push(StepCause::ProgramReplaced { service: listener.service().name().to_owned() });
            }
        }
        // An owed action is done when all that it must bring back runs, with the values that the files have.
        let unmet = serving.iter().filter(|listener| owes(listener)).any(|listener| {
            let running = CourierProcess::of(*listener, &facts.processes);
            let value = |setting: &LimitSetting| after.values.get(&(*listener, *setting)).copied();
            running.is_empty()
                || SETTINGS.iter().any(|s| value(s).is_some_and(|value| common(&running, *s) != value))
        });
        if unmet {
            causes.push(StepCause::Owed);
        }
        Self { unit, listeners, wants, owed, causes, serving }
    }

    pub(super) fn action(
        &self,
        facts: &Facts,
        after: &ListenersAfter,
        deadline: Duration,
        part: &mut LimitsPart,
    ) -> Option<ServiceAction> {
        let mut expects = Vec::new();
        let mut arguments = Vec::new();
        let mut processes = Vec::new();
        for listener in &self.serving {
            let name = listener.service().name();
            let running = CourierProcess::of(*listener, &facts.processes);
            let mut options = Vec::new();
            for (setting, option) in
                [(LimitSetting::Total, "-maxprocs="), (LimitSetting::PerIp, "-maxperip=")]
            {
                let value = after.values.get(&(*listener, setting)).copied().unwrap_or(LimitValue::Nothing);
                if value == LimitValue::Nothing {
                    let reading = after.parsed.reading(*listener, setting);
                    part.block(
                        PlanBlocked::Refused,
                        Diagnostic::new(format!(
                            "{} would stop {name}, and it might not start again",
                            self.unit
                        ))
                        .because(reading.problems.join("; "))
                        .hint("mend Courier's files by hand, then plan again"),
                    );
                    return None;
                }
                if let LimitValue::Count(count) = value {
                    options.push(format!("{option}{count}"));
                }
                expects.push(RunningExpectation { service: name.to_owned(), setting, value });
            }
            for one in &running {
                processes.push(one.process.id);
            }
            // The login program tells one listener from the other when several have the same limits.
            let login = running.first().and_then(|one| {
                one.process.argv.iter().skip(1).find(|a| !a.starts_with(b"-") && a.ends_with(b"login"))
            });
            options.extend(login.and_then(|path| String::from_utf8(path.clone()).ok()));
            arguments.push(options);
        }
        expects.sort_by_key(|expectation| (expectation.service.clone(), expectation.setting));
        let runs = !processes.is_empty();
        let mut causes = self.causes.clone();
        if let Some(owed) = self.owed
            && causes.contains(&StepCause::Owed)
        {
            causes.extend(owed.causes.iter().filter(|cause| !self.causes.contains(cause)).cloned());
        }
        Some(ServiceAction {
            verb: if runs { ActionVerb::Restart } else { ActionVerb::Start },
            daemon: Daemon::Courier,
            unit: self.unit.to_owned(),
            services: self.serving.iter().map(|listener| listener.service().name().to_owned()).collect(),
            cost: if runs { ActionCost::SessionsDropped } else { ActionCost::Nothing },
            causes,
            also_live: self.also_live(facts, after),
            expects,
            how: ActionMethod::Commands {
                control: facts.control(self.unit, deadline)?,
                processes,
                arguments,
            },
        })
    }
}

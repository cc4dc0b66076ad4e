//! The listeners that one service runs: why it is restarted or started, and how. What that makes live is found elsewhere.

use std::time::Duration;

use super::super::edits::After;
use super::super::running::common;
use super::super::{Listener, Running, SETTINGS, Wants};
use super::differs;
use crate::apply::journal::{Begun, Owed};
use crate::facts::Facts;
use crate::failure::{Blocked, Diagnostic};
use crate::limits::Part;
use crate::plan::{Action, Cause, Cost, Daemon, Expectation, How, Setting, Value, Verb};

/// The listeners that one service runs.
pub(super) struct Group<'a> {
    unit: &'static str,
    pub(super) listeners: Vec<Listener>,
    pub(super) wants: &'a Wants,
    owed: Option<&'a Owed>,
    pub(super) causes: Vec<Cause>,
    /// Those that must serve afterwards: those that run, and those that an owed action must bring back.
    pub(super) serving: Vec<Listener>,
}

impl<'a> Group<'a> {
    pub(super) fn new(
        unit: &'static str,
        listeners: Vec<Listener>,
        wants: &'a Wants,
        facts: &'a Facts,
        after: &After,
    ) -> Self {
        let owed = facts
            .journal
            .owed
            .iter()
            .find(|owed| owed.daemon == Daemon::Courier && owed.unit == unit);
        let runs = |listener: &Listener| !Running::of(*listener, &facts.processes).is_empty();
        // What was only put off and does not run any more was stopped by somebody else, and stays so.
        let owes = |listener: &Listener| {
            owed.is_some_and(|owed| {
                let named = owed
                    .services
                    .iter()
                    .any(|name| name == listener.service().name());
                named && (owed.begun == Begun::Perhaps || runs(listener))
            })
        };
        let serving: Vec<Listener> = listeners
            .iter()
            .copied()
            .filter(|l| runs(l) || owes(l))
            .collect();
        let mut causes = Vec::new();
        for listener in serving.iter().filter(|listener| runs(listener)) {
            let running = Running::of(*listener, &facts.processes);
            for setting in SETTINGS {
                if differs(wants, *listener, setting, &running, after)
                    && let Some(value) = after.values.get(&(*listener, setting))
                {
                    causes.push(Cause::RunningDiffers {
                        service: listener.service().name().to_owned(),
                        setting,
                        running: common(&running, setting),
                        value: *value,
                    });
                }
            }
        }
        for listener in serving.iter().filter(|listener| {
            let named = |setting: &Setting| wants.contains_key(&(**listener, *setting));
            SETTINGS.iter().any(named)
        }) {
            let running = Running::of(*listener, &facts.processes);
            if running.iter().any(|one| one.process.is_replaced()) {
                causes.push(Cause::ProgramReplaced {
                    service: listener.service().name().to_owned(),
                });
            }
        }
        // An owed action is done when all that it must bring back runs, with the values that the files have.
        let unmet = serving
            .iter()
            .filter(|listener| owes(listener))
            .any(|listener| {
                let running = Running::of(*listener, &facts.processes);
                let value = |setting: &Setting| after.values.get(&(*listener, *setting)).copied();
                running.is_empty()
                    || SETTINGS
                        .iter()
                        .any(|s| value(s).is_some_and(|value| common(&running, *s) != value))
            });
        if unmet {
            causes.push(Cause::Owed);
        }
        Self {
            unit,
            listeners,
            wants,
            owed,
            causes,
            serving,
        }
    }

    pub(super) fn action(
        &self,
        facts: &Facts,
        after: &After,
        deadline: Duration,
        part: &mut Part,
    ) -> Option<Action> {
        let mut expects = Vec::new();
        let mut arguments = Vec::new();
        let mut processes = Vec::new();
        for listener in &self.serving {
            let name = listener.service().name();
            let running = Running::of(*listener, &facts.processes);
            let mut options = Vec::new();
            for (setting, option) in [
                (Setting::Total, "-maxprocs="),
                (Setting::PerIp, "-maxperip="),
            ] {
                let value = after
                    .values
                    .get(&(*listener, setting))
                    .copied()
                    .unwrap_or(Value::Nothing);
                if value == Value::Nothing {
                    let reading = after.parsed.reading(*listener, setting);
                    part.block(
                        Blocked::Refused,
                        Diagnostic::new(format!(
                            "{} would stop {name}, and it might not start again",
                            self.unit
                        ))
                        .because(reading.problems.join("; "))
                        .hint("mend Courier's files by hand, then plan again"),
                    );
                    return None;
                }
                if let Value::Count(count) = value {
                    options.push(format!("{option}{count}"));
                }
                expects.push(Expectation {
                    service: name.to_owned(),
                    setting,
                    value,
                });
            }
            for one in &running {
                processes.push(one.process.id);
            }
            // The login program tells one listener from the other when several have the same limits.
            let login = running.first().and_then(|one| {
                one.process
                    .argv
                    .iter()
                    .skip(1)
                    .find(|a| !a.starts_with(b"-") && a.ends_with(b"login"))
            });
            options.extend(login.and_then(|path| String::from_utf8(path.clone()).ok()));
            arguments.push(options);
        }
        expects.sort_by_key(|expectation| (expectation.service.clone(), expectation.setting));
        let runs = !processes.is_empty();
        let mut causes = self.causes.clone();
        if let Some(owed) = self.owed
            && causes.contains(&Cause::Owed)
        {
            causes.extend(
                owed.causes
                    .iter()
                    .filter(|cause| !self.causes.contains(cause))
                    .cloned(),
            );
        }
        Some(Action {
            verb: if runs { Verb::Restart } else { Verb::Start },
            daemon: Daemon::Courier,
            unit: self.unit.to_owned(),
            services: self
                .serving
                .iter()
                .map(|listener| listener.service().name().to_owned())
                .collect(),
            cost: if runs {
                Cost::SessionsDropped
            } else {
                Cost::Nothing
            },
            causes,
            also_live: self.also_live(facts, after),
            expects,
            how: How::Commands {
                control: facts.control(self.unit, deadline)?,
                processes,
                arguments,
            },
        })
    }
}

//! Whether xinetd has to read its files again, and what else that would do.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{
    BUILT_IN_RATE, BlockTarget, XinetdFiles, XinetdReload, XinetdWanted, default_of, in_force, loaded,
    running, setting,
};
use crate::capability::PartNote;
use crate::edit::xinetd::dump::XinetdDump;
use crate::edit::xinetd::{Attribute, ServiceState, XinetdConfig};
use crate::facts::Facts;
use crate::failure::{Diagnostic, PlanBlocked};
use crate::limits::LimitsPart;
use crate::limits::action::{
    ActionCost, ActionMethod, ActionVerb, AlsoLiveSessions, Daemon, RunningExpectation, ServiceAction,
};
use crate::limits::note::LimitsNote;
use crate::limits::owed::{OwedAction, OwedActionBegun};
use crate::limits::recall::RecalledLimits;
use crate::limits::step::{LimitSetting, LimitValue, SkipReason, StepCause};
use crate::model::{ConnectionLimit, HostPath};

/// Plans the reload.
pub(super) fn plan(
    wants: &[XinetdWanted],
    facts: &Facts,
    recalled: &RecalledLimits,
    xinetd: &XinetdFiles,
    after: &XinetdConfig,
    deadline: Duration,
    part: &mut LimitsPart,
) {
    let names: BTreeSet<String> = wants.iter().map(|want| want.target.name().to_owned()).collect();
    let owed = recalled.owed.iter().find(|owed| owed.daemon == Daemon::Xinetd);
    let processes = running(&facts.processes);
    let process = match processes.as_slice() {
        [] => {
            not_running(names, owed, facts, xinetd, after, deadline, part);
            return;
        }
        [process] => *process,
        [_, _, ..] => {
            part.block(
                PlanBlocked::Refused,
                Diagnostic::new("several xinetds run on this host, and it cannot be told which one is meant")
                    .hint("end those that should not run, then plan again"),
            );
            return;
        }
    };
    if process.is_replaced() && !wants.is_empty() {
        part.notes.push(PartNote::remark("xinetd runs a program file that was replaced or removed since, as by an upgrade: a reload does not change that, restarting it does".to_owned()));
    }
    let changed = loaded::changed(process, recalled.loaded.as_ref(), xinetd);
    let concerned = concerned(wants, xinetd, &changed);
    let mut causes: Vec<StepCause> = part.edits.iter().flat_map(|edit| edit.causes.clone()).collect();
    if causes.is_empty() && !concerned.is_empty() {
        causes.push(StepCause::RunningUnknown { paths: concerned });
    }
    // A reload that is owed was done by somebody else where xinetd is known to have loaded the files as they
    // are.
    if let Some(owed) = owed
        && (!changed.is_empty() || !part.edits.is_empty())
    {
        causes
            .extend(owed.causes.iter().filter(|cause| !causes.contains(cause)).cloned().collect::<Vec<_>>());
        causes.push(StepCause::Owed);
    }
    if causes.is_empty() {
        if !wants.is_empty() {
            let services = names.into_iter().collect();
            let reason = SkipReason::NothingChanges;
            part.notes.push(PartNote::Own(LimitsNote::NotRestarted {
                daemon: Daemon::Xinetd,
                services,
                reason,
            }));
        }
        return;
    }
    let reload = XinetdReload { xinetd, after, process, changed: &changed };
    reload.by_sockets(part);
    let also_live = changed.iter().map(|path| AlsoLiveSessions::File { path: path.clone() }).collect();
    let touched: BTreeSet<String> = part
        .edits
        .iter()
        .flat_map(|edit| &edit.effects)
        .map(|effect| effect.service.clone())
        .chain(names)
        .collect();
    part.actions.push(ServiceAction {
        verb: ActionVerb::Reload,
        daemon: Daemon::Xinetd,
        unit: "xinetd".to_owned(),
        services: touched.iter().cloned().collect(),
        cost: ActionCost::SessionsSurvive,
        causes,
        also_live,
        expects: expects(&touched, after),
        how: ActionMethod::Signal { process: process.id, control: facts.control("xinetd", deadline) },
    });
}

/// Without an xinetd there is nothing to reload; one that a reload of ours ended is started again, no other.
fn not_running(
    names: BTreeSet<String>,
    owed: Option<&OwedAction>,
    facts: &Facts,
    xinetd: &XinetdFiles,
    after: &XinetdConfig,
    deadline: Duration,
    part: &mut LimitsPart,
) {
    let ended = owed.filter(|owed| owed.begun == OwedActionBegun::Perhaps);
    let (Some(owed), Some(control)) = (ended, facts.control("xinetd", deadline)) else {
        if !names.is_empty() {
            part.notes.push(PartNote::Own(LimitsNote::NotRunning {
                daemon: Daemon::Xinetd,
                services: names.into_iter().collect(),
            }));
        }
        return;
    };
    let files = xinetd.about.keys();
    let touched: BTreeSet<String> = owed.services.iter().cloned().chain(names).collect();
    part.actions.push(ServiceAction {
        verb: ActionVerb::Start,
        daemon: Daemon::Xinetd,
        unit: "xinetd".to_owned(),
        services: touched.iter().cloned().collect(),
        cost: ActionCost::Nothing,
        causes: std::iter::once(StepCause::Owed).chain(owed.causes.iter().cloned()).collect(),
        // What it had read before it ended is not known any more.
        also_live: files.map(|path| AlsoLiveSessions::File { path: path.clone() }).collect(),
        expects: expects(&touched, after),
        how: ActionMethod::Start { control },
    });
}

/// The changed files that decide about something wanted: its own, and those with a `defaults`.
fn concerned(wants: &[XinetdWanted], xinetd: &XinetdFiles, changed: &[HostPath]) -> Vec<HostPath> {
    let mut paths = BTreeSet::new();
    for want in wants {
        paths.extend(xinetd.config.defaults.blocks.iter().map(|at| &at.path));
        if let BlockTarget::Service(name) = &want.target {
            paths.extend(xinetd.config.services.iter().filter(|e| e.name == *name).map(|entry| &entry.path));
        }
    }
    changed.iter().filter(|path| paths.contains(path)).cloned().collect()
}

/// What the touched services must have once xinetd has read the files.
fn expects(touched: &BTreeSet<String>, after: &XinetdConfig) -> Vec<RunningExpectation> {
    let mut expects = Vec::new();
    for service in touched {
        for attribute in Attribute::ALL {
            let mut values: Vec<LimitValue> = after
                .services
                .iter()
                .filter(|entry| entry.name == *service && entry.state == ServiceState::Offered)
                .map(|entry| in_force(entry, attribute))
                .collect();
            if service == "defaults" {
                values.push(default_of(after, attribute));
            }
            values.dedup();
            // Blocks of one service that differ among themselves are compared by the dump's own differences
            // instead.
            if let [value] = values.as_slice() {
                expects.push(RunningExpectation {
                    service: service.clone(),
                    setting: setting(attribute),
                    value: *value,
                });
            }
        }
    }
    expects
}

/// What a dump says of a setting: one value for `defaults`, else one for each running service of the name.
#[must_use]
pub fn dumped(dump: &XinetdDump, service: &str, setting: LimitSetting) -> Vec<LimitValue> {
    if service == "defaults" {
        let count =
            |value: Option<ConnectionLimit>| LimitValue::Count(value.unwrap_or(ConnectionLimit::Unlimited));
        return vec![match setting {
            LimitSetting::PerIp => count(dump.per_source),
            LimitSetting::Total => count(dump.instances),
            LimitSetting::Cps => LimitValue::Rate(dump.cps.unwrap_or(BUILT_IN_RATE)),
        }];
    }
    let running = dump.services.iter().filter(|running| running.name == service);
    running
        .map(|running| match setting {
            LimitSetting::PerIp => LimitValue::Count(dump.per_source(running)),
            LimitSetting::Total => LimitValue::Count(dump.instances(running)),
            LimitSetting::Cps => LimitValue::Rate(dump.cps(running)),
        })
        .collect()
}

/// The expectations that xinetd's own dump does not meet.
#[must_use]
pub fn unmet<'e>(expects: &'e [RunningExpectation], dump: &XinetdDump) -> Vec<&'e RunningExpectation> {
    let met = |expectation: &&RunningExpectation| {
        let values = dumped(dump, &expectation.service, expectation.setting);
        !values.is_empty() && values.iter().all(|value| *value == expectation.value)
    };
    expects.iter().filter(|expectation| !met(expectation)).collect()
}

//! Whether xinetd has to read its files again, and what else that would do.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{
    BUILT_IN_RATE, Reload, Target, Wanted, Xinetd, default_of, in_force, loaded, running, setting,
};
use crate::apply::journal::{Begun, Owed};
use crate::edit::xinetd::dump::Dump;
use crate::edit::xinetd::{Attribute, Config, ServiceState};
use crate::facts::Facts;
use crate::failure::{Blocked, Diagnostic};
use crate::limits::Part;
use crate::model::{Count, HostPath};
use crate::plan::{
    Action, AlsoLive, Cause, Cost, Daemon, Expectation, Held, How, Note, Setting, Value, Verb,
};

/// Plans the reload.
pub(super) fn plan(
    wants: &[Wanted],
    facts: &Facts,
    xinetd: &Xinetd,
    after: &Config,
    deadline: Duration,
    part: &mut Part,
) {
    let names: BTreeSet<String> = wants
        .iter()
        .map(|want| want.target.name().to_owned())
        .collect();
    let owed = facts
        .journal
        .owed
        .iter()
        .find(|owed| owed.daemon == Daemon::Xinetd);
    let processes = running(&facts.processes);
    let process = match processes.as_slice() {
        [] => {
            not_running(names, owed, facts, xinetd, after, deadline, part);
            return;
        }
        [process] => *process,
        [_, _, ..] => {
            part.block(
                Blocked::Refused,
                Diagnostic::new(
                    "several xinetds run on this host, and it cannot be told which one is meant",
                )
                .hint("end those that should not run, then plan again"),
            );
            return;
        }
    };
    if process.is_replaced() && !wants.is_empty() {
        part.notes.push(Note::Remark {
            text: "xinetd runs a program file that was replaced or removed since, as by an upgrade: a reload does not change that, restarting it does".to_owned(),
        });
    }
    let changed = loaded::changed(process, facts.loaded.as_ref(), xinetd);
    let concerned = concerned(wants, xinetd, &changed);
    let mut causes: Vec<Cause> = part
        .edits
        .iter()
        .flat_map(|edit| edit.causes.clone())
        .collect();
    if causes.is_empty() && !concerned.is_empty() {
        causes.push(Cause::RunningUnknown { paths: concerned });
    }
    // A reload that is owed was done by somebody else where xinetd is known to have loaded the files as they are.
    if let Some(owed) = owed
        && (!changed.is_empty() || !part.edits.is_empty())
    {
        causes.extend(
            owed.causes
                .iter()
                .filter(|cause| !causes.contains(cause))
                .cloned()
                .collect::<Vec<_>>(),
        );
        causes.push(Cause::Owed);
    }
    if causes.is_empty() {
        if !wants.is_empty() {
            let services = names.into_iter().collect();
            let reason = Held::NothingChanges;
            part.notes.push(Note::NotRestarted {
                daemon: Daemon::Xinetd,
                services,
                reason,
            });
        }
        return;
    }
    let reload = Reload {
        xinetd,
        after,
        process,
        changed: &changed,
    };
    reload.by_sockets(part);
    let also_live = changed
        .iter()
        .map(|path| AlsoLive::File { path: path.clone() })
        .collect();
    let touched: BTreeSet<String> = part
        .edits
        .iter()
        .flat_map(|edit| &edit.effects)
        .map(|effect| effect.service.clone())
        .chain(names)
        .collect();
    part.actions.push(Action {
        verb: Verb::Reload,
        daemon: Daemon::Xinetd,
        unit: "xinetd".to_owned(),
        services: touched.iter().cloned().collect(),
        cost: Cost::SessionsSurvive,
        causes,
        also_live,
        expects: expects(&touched, after),
        how: How::Signal {
            process: process.id,
            control: facts.control("xinetd", deadline),
        },
    });
}

/// Without an xinetd there is nothing to reload; one that a reload of ours ended is started again, no other.
fn not_running(
    names: BTreeSet<String>,
    owed: Option<&Owed>,
    facts: &Facts,
    xinetd: &Xinetd,
    after: &Config,
    deadline: Duration,
    part: &mut Part,
) {
    let ended = owed.filter(|owed| owed.begun == Begun::Perhaps);
    let (Some(owed), Some(control)) = (ended, facts.control("xinetd", deadline)) else {
        if !names.is_empty() {
            part.notes.push(Note::NotRunning {
                daemon: Daemon::Xinetd,
                services: names.into_iter().collect(),
            });
        }
        return;
    };
    let files = xinetd.about.keys();
    let touched: BTreeSet<String> = owed.services.iter().cloned().chain(names).collect();
    part.actions.push(Action {
        verb: Verb::Start,
        daemon: Daemon::Xinetd,
        unit: "xinetd".to_owned(),
        services: touched.iter().cloned().collect(),
        cost: Cost::Nothing,
        causes: std::iter::once(Cause::Owed)
            .chain(owed.causes.iter().cloned())
            .collect(),
        // What it had read before it ended is not known any more.
        also_live: files
            .map(|path| AlsoLive::File { path: path.clone() })
            .collect(),
        expects: expects(&touched, after),
        how: How::Start { control },
    });
}

/// The changed files that decide about something wanted: its own, and those with a `defaults`.
fn concerned(wants: &[Wanted], xinetd: &Xinetd, changed: &[HostPath]) -> Vec<HostPath> {
    let mut paths = BTreeSet::new();
    for want in wants {
        paths.extend(xinetd.config.defaults.blocks.iter().map(|at| &at.path));
        if let Target::Service(name) = &want.target {
            paths.extend(
                xinetd
                    .config
                    .services
                    .iter()
                    .filter(|e| e.name == *name)
                    .map(|entry| &entry.path),
            );
        }
    }
    changed
        .iter()
        .filter(|path| paths.contains(path))
        .cloned()
        .collect()
}

/// What the touched services must have once xinetd has read the files.
fn expects(touched: &BTreeSet<String>, after: &Config) -> Vec<Expectation> {
    let mut expects = Vec::new();
    for service in touched {
        for attribute in Attribute::ALL {
            let mut values: Vec<Value> = after
                .services
                .iter()
                .filter(|entry| entry.name == *service && entry.state == ServiceState::Offered)
                .map(|entry| in_force(entry, attribute))
                .collect();
            if service == "defaults" {
                values.push(default_of(after, attribute));
            }
            values.dedup();
            // Blocks of one service that differ among themselves are compared by the dump's own differences instead.
            if let [value] = values.as_slice() {
                expects.push(Expectation {
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
pub fn dumped(dump: &Dump, service: &str, setting: Setting) -> Vec<Value> {
    if service == "defaults" {
        let count = |value: Option<Count>| Value::Count(value.unwrap_or(Count::Unlimited));
        return vec![match setting {
            Setting::PerIp => count(dump.per_source),
            Setting::Total => count(dump.instances),
            Setting::Cps => Value::Rate(dump.cps.unwrap_or(BUILT_IN_RATE)),
        }];
    }
    let running = dump
        .services
        .iter()
        .filter(|running| running.name == service);
    running
        .map(|running| match setting {
            Setting::PerIp => Value::Count(dump.per_source(running)),
            Setting::Total => Value::Count(dump.instances(running)),
            Setting::Cps => Value::Rate(dump.cps(running)),
        })
        .collect()
}

/// The expectations that xinetd's own dump does not meet.
#[must_use]
pub fn unmet<'e>(expects: &'e [Expectation], dump: &Dump) -> Vec<&'e Expectation> {
    let met = |expectation: &&Expectation| {
        let values = dumped(dump, &expectation.service, expectation.setting);
        !values.is_empty() && values.iter().all(|value| *value == expectation.value)
    };
    expects
        .iter()
        .filter(|expectation| !met(expectation))
        .collect()
}

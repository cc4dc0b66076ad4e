//! Which of Courier's services are stopped and started, and what that costs.

mod also_live;
mod group;
mod unit;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use self::group::ListenerGroup;
use self::unit::unit;
use super::edits::ListenersAfter;
use super::running::common;
use super::{CourierListener, CourierProcess, CourierWants, SETTINGS};
use crate::capability::PartNote;
use crate::facts::Facts;
use crate::failure::{Diagnostic, PlanBlocked};
use crate::limits::LimitsPart;
use crate::limits::action::{AlsoLiveSessions, Daemon};
use crate::limits::note::LimitsNote;
use crate::limits::recall::RecalledLimits;
use crate::limits::step::{LimitSetting, SkipReason};

/// Plans the actions.
pub(super) fn plan(
    wants: &CourierWants,
    facts: &Facts,
    recalled: &RecalledLimits,
    after: &ListenersAfter,
    deadline: Duration,
    part: &mut LimitsPart,
) {
    let mut groups: BTreeMap<&'static str, Vec<CourierListener>> = BTreeMap::new();
    let mut homeless = Vec::new();
    for listener in CourierListener::ALL {
        match unit(listener, facts) {
            Some(unit) => groups.entry(unit).or_default().push(listener),
            None => homeless.push(listener),
        }
    }
    let mut idle = BTreeSet::new();
    let mut unnamed = BTreeSet::new();
    let mut unchanged = BTreeSet::new();
    for (unit, listeners) in groups {
        let group = ListenerGroup::new(unit, listeners, wants, facts, recalled, after);
        if group.causes.is_empty() {
            for listener in &group.listeners {
                let named = SETTINGS.iter().any(|setting| wants.contains_key(&(*listener, *setting)));
                let runs = !CourierProcess::of(*listener, &facts.processes).is_empty();
                match (named, runs) {
                    (true, true) => unchanged.insert(listener.service()),
                    (true, false) => idle.insert(listener.service()),
                    (false, true) => unnamed.insert(listener.service()),
                    (false, false) => false,
                };
            }
            part.notes.extend(group.also_live(facts, after).into_iter().filter_map(unmanaged));
        } else if let Some(action) = group.action(facts, after, deadline, part) {
            part.actions.push(action);
        }
    }
    for listener in homeless {
        let named = SETTINGS.iter().any(|setting| wants.contains_key(&(listener, *setting)));
        let running = CourierProcess::of(listener, &facts.processes);
        if named && running.is_empty() {
            idle.insert(listener.service());
        } else if named && SETTINGS.iter().any(|setting| differs(wants, listener, *setting, &running, after))
        {
            part.block(
                PlanBlocked::Refused,
                Diagnostic::new(format!("no service is known that stops and starts {}", listener.service()))
                    .because(
                        "couriertcpd runs for it, but none of its usual systemd units or init scripts exists",
                    )
                    .hint("restart it by hand after the change, or leave it out of the manifest"),
            );
        }
    }
    let names = |services: BTreeSet<crate::model::Service>| {
        services.into_iter().map(|s| s.name().to_owned()).collect()
    };
    if !idle.is_empty() {
        part.notes
            .push(PartNote::Own(LimitsNote::NotRunning { daemon: Daemon::Courier, services: names(idle) }));
    }
    for (services, reason) in [(unchanged, SkipReason::NothingChanges), (unnamed, SkipReason::NotNamed)] {
        if !services.is_empty() {
            part.notes.push(PartNote::Own(LimitsNote::NotRestarted {
                daemon: Daemon::Courier,
                services: names(services),
                reason,
            }));
        }
    }
}

fn unmanaged(also: AlsoLiveSessions) -> Option<PartNote<LimitsNote>> {
    match also {
        AlsoLiveSessions::Setting { service, setting, from, to } => {
            Some(PartNote::Own(LimitsNote::Unmanaged { service, setting, running: from, value: to }))
        }
        AlsoLiveSessions::Variable { .. }
        | AlsoLiveSessions::Unknown { .. }
        | AlsoLiveSessions::File { .. } => None,
    }
}

/// Whether a named setting runs with another value than it will have in the files.
fn differs(
    wants: &CourierWants,
    listener: CourierListener,
    setting: LimitSetting,
    running: &[CourierProcess<'_>],
    after: &ListenersAfter,
) -> bool {
    wants.contains_key(&(listener, setting))
        && after.values.get(&(listener, setting)).is_some_and(|value| common(running, setting) != *value)
}

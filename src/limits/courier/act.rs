//! Which of Courier's services are stopped and started, and what that costs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::edits::After;
use super::running::common;
use super::{Listener, Running, SETTINGS, Wants};
use crate::apply::journal::{Begun, Owed};
use crate::facts::Facts;
use crate::failure::{Blocked, Diagnostic};
use crate::limits::Part;
use crate::plan::{
    Action, AlsoLive, Cause, Cost, Daemon, Expectation, Held, How, Note, Setting, Value, Verb,
};

/// The services that may run one listener alone, the usual one first.
const fn own_units(listener: Listener) -> &'static [&'static str] {
    match listener {
        Listener::Imap => &["courier-imapd"],
        Listener::Imaps => &["courier-imaps", "courier-imapd-ssl", "courier-imap-ssl"],
        Listener::Pop3 => &["courier-pop3d", "courier-pop"],
        Listener::Pop3s => &["courier-pop3s", "courier-pop3d-ssl", "courier-pop-ssl"],
    }
}

/// The service that runs a listener on this host. `courier-imap` is IMAP's alone where others of its kind exist
/// (Debian), else the one script for all four.
fn unit(listener: Listener, facts: &Facts) -> Option<&'static str> {
    let own = own_units(listener)
        .iter()
        .find(|name| facts.services.contains(**name));
    let shared = facts.services.get("courier-imap");
    let split = ["courier-imap-ssl", "courier-pop", "courier-pop-ssl"]
        .iter()
        .any(|name| facts.services.contains(name));
    match (own, shared, split) {
        (Some(own), _, _) => Some(own),
        (None, Some(shared), false) => Some(shared),
        (None, Some(shared), true) if listener == Listener::Imap => Some(shared),
        (None, None | Some(_), _) => None,
    }
}

/// Plans the actions.
pub(super) fn plan(
    wants: &Wants,
    facts: &Facts,
    after: &After,
    deadline: Duration,
    part: &mut Part,
) {
    let mut groups: BTreeMap<&'static str, Vec<Listener>> = BTreeMap::new();
    let mut homeless = Vec::new();
    for listener in Listener::ALL {
        match unit(listener, facts) {
            Some(unit) => groups.entry(unit).or_default().push(listener),
            None => homeless.push(listener),
        }
    }
    let mut idle = BTreeSet::new();
    let mut unnamed = BTreeSet::new();
    let mut unchanged = BTreeSet::new();
    for (unit, listeners) in groups {
        let group = Group::new(unit, listeners, wants, facts, after);
        if group.causes.is_empty() {
            for listener in &group.listeners {
                let named = SETTINGS
                    .iter()
                    .any(|setting| wants.contains_key(&(*listener, *setting)));
                let runs = !Running::of(*listener, &facts.processes).is_empty();
                match (named, runs) {
                    (true, true) => unchanged.insert(listener.service()),
                    (true, false) => idle.insert(listener.service()),
                    (false, true) => unnamed.insert(listener.service()),
                    (false, false) => false,
                };
            }
            part.notes.extend(
                group
                    .also_live(facts, after)
                    .into_iter()
                    .filter_map(unmanaged),
            );
        } else if let Some(action) = group.action(facts, after, deadline, part) {
            part.actions.push(action);
        }
    }
    for listener in homeless {
        let named = SETTINGS
            .iter()
            .any(|setting| wants.contains_key(&(listener, *setting)));
        let running = Running::of(listener, &facts.processes);
        if named && running.is_empty() {
            idle.insert(listener.service());
        } else if named
            && SETTINGS
                .iter()
                .any(|setting| differs(wants, listener, *setting, &running, after))
        {
            part.block(
                Blocked::Refused,
                Diagnostic::new(format!("no service is known that stops and starts {}", listener.service()))
                    .because("couriertcpd runs for it, but none of its usual systemd units or init scripts exists")
                    .hint("restart it by hand after the change, or leave it out of the manifest"),
            );
        }
    }
    let names = |services: BTreeSet<crate::model::Service>| {
        services.into_iter().map(|s| s.name().to_owned()).collect()
    };
    if !idle.is_empty() {
        part.notes.push(Note::NotRunning {
            daemon: Daemon::Courier,
            services: names(idle),
        });
    }
    for (services, reason) in [(unchanged, Held::NothingChanges), (unnamed, Held::NotNamed)] {
        if !services.is_empty() {
            part.notes.push(Note::NotRestarted {
                daemon: Daemon::Courier,
                services: names(services),
                reason,
            });
        }
    }
}

fn unmanaged(also: AlsoLive) -> Option<Note> {
    match also {
        AlsoLive::Setting {
            service,
            setting,
            from,
            to,
        } => Some(Note::Unmanaged {
            service,
            setting,
            running: from,
            value: to,
        }),
        AlsoLive::Variable { .. } | AlsoLive::Unknown { .. } | AlsoLive::File { .. } => None,
    }
}

/// Whether a named setting runs with another value than it will have in the files.
fn differs(
    wants: &Wants,
    listener: Listener,
    setting: Setting,
    running: &[Running<'_>],
    after: &After,
) -> bool {
    wants.contains_key(&(listener, setting))
        && after
            .values
            .get(&(listener, setting))
            .is_some_and(|value| common(running, setting) != *value)
}

/// The listeners that one service runs.
struct Group<'a> {
    unit: &'static str,
    listeners: Vec<Listener>,
    wants: &'a Wants,
    owed: Option<&'a Owed>,
    causes: Vec<Cause>,
    /// Those that must serve afterwards: those that run, and those that an owed action must bring back.
    serving: Vec<Listener>,
}

impl<'a> Group<'a> {
    fn new(
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

    fn action(
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

    /// What a restart would make live besides what the manifest names.
    fn also_live(&self, facts: &Facts, after: &After) -> Vec<AlsoLive> {
        let mut also = BTreeSet::new();
        for listener in &self.serving {
            let service = listener.service().name().to_owned();
            let running = Running::of(*listener, &facts.processes);
            let Some(first) = running.first() else {
                continue;
            };
            for setting in SETTINGS {
                let to = after
                    .values
                    .get(&(*listener, setting))
                    .copied()
                    .unwrap_or(Value::Nothing);
                let from = common(&running, setting);
                if !self.wants.contains_key(&(*listener, setting)) && from != to {
                    also.insert(AlsoLive::Setting {
                        service: service.clone(),
                        setting,
                        from,
                        to,
                    });
                }
            }
            match &first.process.environment {
                Err(reason) => {
                    also.insert(AlsoLive::Unknown {
                        service,
                        reason: reason.clone(),
                    });
                }
                Ok(environment) => {
                    let environment: BTreeMap<_, _> = environment.iter().cloned().collect();
                    for (name, value) in after.parsed.exported(*listener) {
                        let limit = name == b"MAXDAEMONS" || name == b"MAXPERIP";
                        let fixed = set_by_script(*listener, &name);
                        if !limit && !fixed && environment.get(&name) != Some(&value) {
                            let name = String::from_utf8_lossy(&name).into_owned();
                            also.insert(AlsoLive::Variable {
                                service: service.clone(),
                                name,
                            });
                        }
                    }
                }
            }
        }
        also.into_iter().collect()
    }
}

/// Whether the listener's start script sets a variable itself after it has read the files, whatever they say.
///
/// As `/usr/sbin/imapd`, `imapd-ssl` and `pop3d-ssl` of Debian's Courier 1.0 do.
fn set_by_script(listener: Listener, name: &[u8]) -> bool {
    let names: &[&str] = match listener {
        Listener::Imap => &["IMAP_STARTTLS"],
        Listener::Imaps => &["IMAP_TLS"],
        Listener::Pop3 => &[],
        Listener::Pop3s => &["POP3_TLS", "POP3_STARTTLS", "POP3_TLS_REQUIRED"],
    };
    names.iter().any(|fixed| fixed.as_bytes() == name)
}

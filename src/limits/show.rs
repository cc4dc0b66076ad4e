//! What a host's limits are now: a flat list, one entry a setting, for `show`.

use serde::Serialize;

use super::courier::{self, CourierListener, CourierProcess, SETTINGS, common};
use super::observed::ObservedLimits;
use super::recall::RecalledLimits;
use super::text;
use super::xinetd::{self, BlockTarget, InetdServices, default_of, setting};
use crate::edit::xinetd::{
    Attribute, ProblemEffect, ServiceEntry, ServiceState, TreeEntry as FileEntry, ValueSource, XinetdProblem,
    XinetdProblemKind,
};
use crate::facts::Facts;
use crate::failure::Diagnostic;
use crate::host::Process;
use crate::limits::action::Daemon;
use crate::limits::step::{LimitSetting, LimitValue};
use crate::model::{Desired, HostPath};

/// One setting of one service.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct LimitEntry {
    /// `pop3`, …; an xinetd service's name; or `defaults`.
    pub service: String,
    /// In the words of `[limits]`.
    pub setting: LimitSetting,
    /// The daemon.
    pub daemon: Daemon,
    /// The daemon's own name for it.
    pub key: String,
    /// What the daemon has on its next start.
    pub value: LimitValue,
    /// The file that decides; none where the value is built in.
    #[schemars(with = "Option<String>")]
    pub path: Option<HostPath>,
    /// The line that decides.
    pub line: Option<u32>,
    /// What the running daemon has: a value, `"unknown"`, or null where it does not run.
    pub running: RunningValue,
    /// What is wrong with it.
    pub problems: Vec<String>,
    /// What the manifest declares, where one was given and names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub declared: Option<DeclaredAs>,
}

/// What a running daemon has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunningValue {
    /// This value.
    With(LimitValue),
    /// It runs, and the value cannot be read.
    Unknown,
    /// It does not run.
    Not,
}

impl Serialize for RunningValue {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::With(value) => value.serialize(serializer),
            Self::Unknown => serializer.serialize_str("unknown"),
            Self::Not => serializer.serialize_none(),
        }
    }
}

impl schemars::JsonSchema for RunningValue {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Runs".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        LimitValue::json_schema(generator)
    }
}

/// What a manifest declares for an entry, and which layer does.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct DeclaredAs {
    /// The value.
    pub value: LimitValue,
    /// The layer.
    pub layer: String,
    /// The layer's line.
    pub line: u32,
}

/// Lists every limit of the host.
#[must_use]
pub fn entries(
    desired: Option<&Desired>,
    facts: &Facts,
    recalled: &RecalledLimits,
    observed: &ObservedLimits,
) -> Vec<LimitEntry> {
    let mut entries = courier_entries(desired, facts, observed);
    entries.extend(xinetd_entries(desired, facts, recalled, observed));
    entries
}

/// The processes of which it cannot be told whether they are daemons.
fn unclear(facts: &Facts) -> Vec<Process> {
    let unclear = (facts.others.unclear.iter()).map(|(process, _)| process);
    unclear.cloned().collect()
}

fn courier_entries(desired: Option<&Desired>, facts: &Facts, observed: &ObservedLimits) -> Vec<LimitEntry> {
    let Some(files) = &observed.courier else {
        return Vec::new();
    };
    let parsed = files.parse();
    let wants = desired.map(courier::wants).unwrap_or_default();
    let mut entries = Vec::new();
    let unclear = unclear(facts);
    for listener in CourierListener::ALL {
        let running = CourierProcess::of(listener, &facts.processes);
        let may_run = !CourierProcess::of(listener, &unclear).is_empty();
        let own = files.0.get(listener.file());
        let absent = own.and_then(|file| Some((&file.path, file.bytes.as_ref().err()?)));
        if let Some((_, courier::ContentAbsent::Missing)) = absent
            && running.is_empty()
            && !may_run
        {
            continue;
        }
        for setting in SETTINGS {
            let mut reading = parsed.reading(listener, setting);
            if let Some((_, courier::ContentAbsent::Unreadable(_))) = absent {
                reading.value = LimitValue::Nothing;
            }
            let (path, line) = reading.at.unzip();
            let declared = wants.get(&(listener, setting)).map(|want| DeclaredAs {
                value: courier::value(want.value),
                layer: want.declared.origin.layer.clone(),
                line: want.declared.origin.line,
            });
            entries.push(LimitEntry {
                service: listener.service().name().to_owned(),
                setting,
                daemon: Daemon::Courier,
                key: courier::key(setting).unwrap_or_default().to_owned(),
                value: reading.value,
                path,
                line,
                running: match (running.is_empty(), common(&running, setting)) {
                    (true, _) if may_run => RunningValue::Unknown,
                    (true, _) => RunningValue::Not,
                    (false, LimitValue::Nothing) => RunningValue::Unknown,
                    (false, value) => RunningValue::With(value),
                },
                problems: reading.problems,
                declared,
            });
        }
    }
    entries
}

fn xinetd_entries(
    desired: Option<&Desired>,
    facts: &Facts,
    recalled: &RecalledLimits,
    observed: &ObservedLimits,
) -> Vec<LimitEntry> {
    let Some(state) = &observed.xinetd else {
        return Vec::new();
    };
    if state.config.files.is_empty() {
        return Vec::new();
    }
    let wants = desired.map(xinetd::wants).unwrap_or_default();
    let declared = |target: &BlockTarget, attribute: Attribute| {
        let want = wants.iter().find(|want| want.target == *target && want.attribute == attribute)?;
        let (layer, line) = (want.origin.layer.clone(), want.origin.line);
        Some(DeclaredAs { value: want.value, layer, line })
    };
    // What xinetd runs with is known where it has loaded the files as they are.
    let process = xinetd::running(&facts.processes).first().copied();
    let unclear = unclear(facts);
    let stale = process.map(|process| xinetd::changed(process, recalled.loaded.as_ref(), state));
    let runs = |value: LimitValue, offered: bool| match &stale {
        Some(stale) if stale.is_empty() && offered => RunningValue::With(value),
        Some(stale) if stale.is_empty() => RunningValue::Not,
        Some(_) => RunningValue::Unknown,
        None if !xinetd::running(&unclear).is_empty() => RunningValue::Unknown,
        None => RunningValue::Not,
    };
    let reload = reload_problems(state, process);
    let runs_at_all = reload.fatal.is_empty();
    let in_force = |value: LimitValue| {
        if runs_at_all { value } else { LimitValue::Nothing }
    };
    let mut entries = Vec::new();
    for attribute in Attribute::ALL {
        let value = in_force(default_of(&state.config, attribute));
        let assigned = state.config.defaults.attribute(attribute.name());
        let blocks = &state.config.defaults.blocks;
        entries.push(LimitEntry {
            service: "defaults".to_owned(),
            setting: setting(attribute),
            daemon: Daemon::Xinetd,
            key: attribute.name().to_owned(),
            value,
            path: assigned.map(|assigned| assigned.at.path.clone()),
            line: assigned.map(|assigned| assigned.at.line),
            running: runs(value, true),
            problems: reload
                .fatal
                .iter()
                .chain(&reload.beside)
                .cloned()
                .chain(problems(state, attribute, blocks.iter().map(|at| (&at.path, at.line))))
                .collect(),
            declared: declared(&BlockTarget::Defaults, attribute),
        });
    }
    for service in &state.config.services {
        for attribute in Attribute::ALL {
            let source = match attribute {
                Attribute::PerSource => &service.per_source.from,
                Attribute::Instances => &service.instances.from,
                Attribute::Cps => &service.cps.from,
            };
            let at = match source {
                ValueSource::Own(at) | ValueSource::Defaults(at) => Some(at),
                ValueSource::BuiltIn => None,
            };
            let mut problems = problems(state, attribute, [(&service.path, service.line)].into_iter());
            let value = in_force(xinetd::in_force(service, attribute));
            problems.splice(0..0, reload.fatal.iter().cloned());
            problems.extend(service.doubts.iter().map(said));
            let value = by_state(service, value, &mut problems);
            entries.push(LimitEntry {
                service: service.name.clone(),
                setting: setting(attribute),
                daemon: Daemon::Xinetd,
                key: attribute.name().to_owned(),
                value,
                path: at.map(|at| at.path.clone()),
                line: at.map(|at| at.line),
                running: runs(value, service.state == ServiceState::Offered),
                problems,
                declared: declared(&BlockTarget::Service(service.name.clone()), attribute),
            });
        }
    }
    entries
}

/// What is in force of a service that is offered, disabled or dropped; says why where that is not offered.
fn by_state(service: &ServiceEntry, value: LimitValue, problems: &mut Vec<String>) -> LimitValue {
    let at = format!("{}:{}", service.path, service.line);
    match &service.state {
        ServiceState::Offered => value,
        ServiceState::Disabled => {
            problems.push(format!("{at}: the service is disabled"));
            value
        }
        ServiceState::Dropped(kind) => {
            problems.insert(0, format!("{at}: xinetd drops the service: {kind}"));
            LimitValue::Nothing
        }
    }
}

/// What of a host's files could not be read.
#[must_use]
pub fn unreadable(observed: &ObservedLimits) -> Vec<Diagnostic> {
    let courier =
        observed.courier.iter().flat_map(|files| files.0.values()).filter_map(|file| match &file.bytes {
            Err(courier::ContentAbsent::Unreadable(reason)) => Some((&file.path, reason)),
            Err(courier::ContentAbsent::Missing) | Ok(_) => None,
        });
    let xinetd = observed.xinetd.iter().flat_map(|state| &state.config.problems).filter_map(|problem| {
        let XinetdProblemKind::IncludeUnreadable { path, why } = &problem.kind else {
            return None;
        };
        Some((path, why))
    });
    let not_a_file = "it is not a regular file".to_owned();
    let main = observed.xinetd.iter().filter_map(|state| {
        let main = state.tree.files.get(&state.main);
        (main == Some(&FileEntry::NotRegular)).then_some((&state.main, &not_a_file))
    });
    courier
        .chain(main)
        .chain(xinetd)
        .map(|(path, reason)| Diagnostic::new(format!("cannot read {path}: {reason}")))
        .collect()
}

/// What concerns all that xinetd reads.
struct ReloadProblems {
    /// With these it does not run.
    fatal: Vec<String>,
    /// What else it may read or not take, which is not listed.
    beside: Vec<String>,
}

fn reload_problems(state: &xinetd::XinetdFiles, process: Option<&Process>) -> ReloadProblems {
    let mut found = ReloadProblems { fatal: Vec::new(), beside: Vec::new() };
    for problem in &state.config.problems {
        match problem.kind.effect() {
            ProblemEffect::DaemonExits | ProblemEffect::Unforeseeable => found.fatal.push(said(problem)),
            ProblemEffect::NotFollowed => found.beside.push(said(problem)),
            ProblemEffect::BlockLost if problem.kind == XinetdProblemKind::SecondDefaults => {
                found.beside.push(said(problem));
            }
            ProblemEffect::BlockLost
            | ProblemEffect::Warning
            | ProblemEffect::LineIgnored
            | ProblemEffect::FileSkipped
            | ProblemEffect::ServiceDropped
            | ProblemEffect::Unclear => {}
        }
    }
    found.beside.extend(state.config.doubts.iter().map(said));
    let compat = process.is_some_and(|process| {
        let mut arguments = process.argv.iter();
        arguments.any(|argument| argument == b"-inetd_compat")
    });
    if compat && state.inetd == InetdServices::Services {
        found.beside.push(
            "xinetd runs with -inetd_compat, and the services of /etc/inetd.conf are not listed".to_owned(),
        );
    }
    found
}

fn said(problem: &XinetdProblem) -> String {
    format!("{}:{}: {}", problem.path, problem.spot.line, problem.kind)
}

/// The lines of an attribute in some blocks that are not what they seem.
fn problems<'a>(
    state: &xinetd::XinetdFiles,
    attribute: Attribute,
    blocks: impl Iterator<Item = (&'a HostPath, u32)>,
) -> Vec<String> {
    blocks
        .flat_map(|(path, heading)| xinetd::problems_of(&state.config, path, heading, attribute))
        .map(said)
        .collect()
}

impl LimitEntry {
    /// The value that runs, for people.
    #[must_use]
    pub fn runs(&self) -> String {
        match self.running {
            RunningValue::With(value) => text::value(value),
            RunningValue::Unknown => "unknown".to_owned(),
            RunningValue::Not => "-".to_owned(),
        }
    }
}

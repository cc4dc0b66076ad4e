//! The words of connection limits.

use super::note::LimitsNote;
use super::step::{LimitValue, SkipReason};
use crate::host::ForeignProcess;

/// A value in one word.
#[must_use]
pub fn value(value: LimitValue) -> String {
    match value {
        LimitValue::Count(count) => count.to_string(),
        LimitValue::Rate(rate) => format!("{}/s, pause {} s", rate.rate, rate.pause),
        LimitValue::Nothing => "nothing in force".to_owned(),
    }
}

/// What a note says.
#[must_use]
pub fn note(note: &LimitsNote) -> String {
    match note {
        LimitsNote::NotRunning { daemon, services } => format!(
            "{} does not run for {}: it is not started, and has the values when it starts",
            daemon.name(),
            services.join(", ")
        ),
        LimitsNote::NotRestarted { daemon, services, reason } => {
            let reason = match reason {
                SkipReason::NothingChanges => "none of their running values changes",
                SkipReason::NotNamed => "the manifest does not name them",
            };
            format!("{} is left alone for {}: {reason}", daemon.name(), services.join(", "))
        }
        LimitsNote::Stranger { program, foreign } => format!(
            "a process called `{program}` is not the daemon and counts for nothing: {}",
            match foreign {
                ForeignProcess::User { uid } => format!("the user with the id {uid} runs it"),
                ForeignProcess::SetUser => "a user may have started it, by a set-user-ID program".to_owned(),
                ForeignProcess::File { path } => format!("it executes {}", path),
                ForeignProcess::Unit { group } =>
                    format!("it does not belong to the service's unit but to {}", group),
            }
        ),
        LimitsNote::Problem { path, line, effect } => format!("{path}:{line}: {effect}"),
        LimitsNote::Unmanaged { service, setting, running, value: has } => format!(
            "{service} runs with {} = {}, its file says {}; the manifest does not name it",
            setting.name(),
            value(*running),
            value(*has)
        ),
    }
}

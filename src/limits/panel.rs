//! The panel's own setting: newer Plesk keeps one value of each limit for all four of Courier's listeners.
//!
//! Where its `mailserver` command lists `--set-max-connections`, that command sets the limits, never a hand
//! edit beside it: the panel would overwrite one (Plesk Obsidian's Administrator's Guide, Mail Server
//! Settings).

use std::collections::{BTreeMap, BTreeSet};

use super::LimitsPart;
use super::courier::{self, ContentAbsent, CourierFiles, CourierListener, CourierWants};
use crate::facts::Plesk;
use crate::failure::{Diagnostic, PlanBlocked, PlanBlocker, declared_at};
use crate::host::{CommandEnding, CommandOutput, HostCommand};
use crate::limits::step::{LimitEffect, LimitSetting, LimitValue, PanelLimitStep, SettingNamed, StepCause};
use crate::model::printable;
use crate::model::{HostPath, known};

/// The panel's `mailserver` command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PanelCommand {
    /// The program.
    pub command: HostPath,
    /// Whether it owns the limits.
    pub owns: PanelOwnership,
}

/// Whether the panel owns Courier's limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PanelOwnership {
    /// Its command sets them.
    Limits,
    /// It does not have the option, or there is no such command.
    Nothing,
    /// That cannot be told; the reason.
    Unknown(String),
}

/// The option that sets a limit.
const fn option(setting: LimitSetting) -> Option<&'static str> {
    match setting {
        LimitSetting::Total => Some("--set-max-connections"),
        LimitSetting::PerIp => Some("--set-max-connections-per-ip"),
        LimitSetting::Cps => None,
    }
}

/// The command that tells whether the panel owns the limits.
#[must_use]
pub fn probe(plesk: &Plesk) -> HostCommand {
    let command =
        plesk.root.join("bin/mailserver").unwrap_or_else(|_| known("/usr/local/psa/bin/mailserver"));
    HostCommand::new(command, vec!["--help".to_owned()], std::time::Duration::from_secs(60))
}

impl PanelCommand {
    /// Reads the answer to [`probe`].
    #[must_use]
    pub fn read(command: &HostCommand, output: &CommandOutput) -> Self {
        let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
        let text = String::from_utf8_lossy(&text);
        let owns = match output.end {
            CommandEnding::NotStarted => PanelOwnership::Nothing,
            CommandEnding::TimedOut => PanelOwnership::Unknown("its --help did not end in time".to_owned()),
            // Which exit code a usage text has is not documented, so the text decides; none at all tells
            // nothing.
            CommandEnding::Code(_) | CommandEnding::Signal(_) if text.contains("--set-max-connections") => {
                PanelOwnership::Limits
            }
            CommandEnding::Code(_) | CommandEnding::Signal(_) if text.trim().is_empty() => {
                PanelOwnership::Unknown("its --help printed nothing".to_owned())
            }
            CommandEnding::Code(_) | CommandEnding::Signal(_) => PanelOwnership::Nothing,
        };
        Self { command: command.program.clone(), owns }
    }

    /// A blocker where it cannot be told who owns the limits.
    #[must_use]
    pub fn blocker(&self) -> Option<PlanBlocker> {
        match &self.owns {
            PanelOwnership::Limits | PanelOwnership::Nothing => None,
            PanelOwnership::Unknown(reason) => Some(PlanBlocker {
                kind: PlanBlocked::Unknown,
                diagnostic: Diagnostic::new("it cannot be told whether the panel owns Courier's limits")
                    .because(format!("{}: {reason}", self.command))
                    .hint(format!(
                        "see what `{}` prints on the host",
                        printable::command([self.command.as_str(), "--help"])
                    )),
            }),
        }
    }
}

/// Plans the panel's commands; gives what every listener will have.
pub(super) fn plan(
    wants: &CourierWants,
    files: &CourierFiles,
    panel: &PanelCommand,
    part: &mut LimitsPart,
) -> Option<BTreeMap<(CourierListener, LimitSetting), LimitValue>> {
    // The panel sets all four files at once, so that one that cannot be read matters although it is not
    // named.
    for file in files.0.values() {
        if let Err(ContentAbsent::Unreadable(reason)) = &file.bytes {
            let what = format!("cannot read {}: {reason}", file.path);
            let hint = "see what stands there, and whether this user may read it";
            part.block(PlanBlocked::Unknown, Diagnostic::new(what).hint(hint));
            return None;
        }
    }
    let parsed = files.parse();
    let mut values = courier::values(&parsed);
    let present: Vec<CourierListener> =
        CourierListener::ALL.into_iter().filter(|l| files.bytes(l.file()).is_some()).collect();
    for setting in courier::SETTINGS {
        let Some(option) = option(setting) else {
            continue;
        };
        let declared: Vec<_> =
            present.iter().filter_map(|l| Some((*l, wants.get(&(*l, setting))?))).collect();
        let Some((_, first)) = declared.first() else {
            continue;
        };
        let numbers: BTreeSet<u32> = declared.iter().map(|(_, want)| want.value).collect();
        if numbers.len() > 1 || declared.len() < present.len() {
            let places: Vec<String> = declared
                .iter()
                .map(|(_, want)| format!("[limits.{}] {} = {}", want.by, setting.name(), want.value))
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect();
            part.block(
                PlanBlocked::Manifest,
                Diagnostic::new(format!(
                    "the panel has one {} for POP3, POP3S, IMAP and IMAPS together",
                    setting.name()
                ))
                .at(declared_at(&first.declared.origin))
                .because(format!("the manifest declares {}", places.join(", ")))
                .hint("declare the same number for limits.pop3 and limits.imap on this host"),
            );
            continue;
        }
        let value = courier::value(first.value);
        let before: BTreeSet<Option<u32>> =
            present.iter().map(|l| number(values.get(&(*l, setting)))).collect();
        if before.iter().all(|before| *before == Some(first.value)) {
            continue;
        }
        let argv = |number: u32| vec![panel.command.to_string(), option.to_owned(), number.to_string()];
        let mut step =
            PanelLimitStep { argv: argv(first.value), undo: None, effects: Vec::new(), causes: Vec::new() };
        if let [Some(old)] = before.iter().copied().collect::<Vec<_>>().as_slice() {
            step.undo = Some(argv(*old));
        }
        for (listener, want) in &declared {
            let from = values.insert((*listener, setting), value).unwrap_or(LimitValue::Nothing);
            if from != value {
                let named = if want.by == listener.service() {
                    SettingNamed::ByManifest
                } else {
                    SettingNamed::Inherits
                };
                let service = listener.service().name().to_owned();
                step.effects.push(LimitEffect { service, setting, from, to: value, named });
                let cause: StepCause = courier::declared(*listener, setting, want);
                step.causes.push(cause);
            }
        }
        part.panel.push(step);
    }
    part.blockers.is_empty().then_some(values)
}

const fn number(value: Option<&LimitValue>) -> Option<u32> {
    match value {
        Some(LimitValue::Count(crate::model::ConnectionLimit::Number(number))) => Some(*number),
        Some(
            LimitValue::Count(crate::model::ConnectionLimit::Unlimited)
            | LimitValue::Rate(_)
            | LimitValue::Nothing,
        )
        | None => None,
    }
}

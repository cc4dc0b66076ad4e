//! courier-imap's four listeners: which file decides, what runs, and what changes.
//!
//! Each listener is a `couriertcpd` of its own, started by a script that sources two files one after the
//! other; the later one overrides (seen with the real start scripts, 2002 to 2023). A running couriertcpd
//! keeps the limits of its command line until it ends: SIGHUP only opens its access file again (tcpd.c), so
//! new limits need a stop and a start.

mod act;
mod edits;
mod files;
mod running;

use std::collections::BTreeMap;
use std::time::Duration;

pub use self::edits::values;
pub use self::files::{ContentAbsent, CourierFile, CourierFiles, ListenerReading, ParsedCourierFiles};
pub use self::running::{CourierProcess, common, unmet};
use super::LimitsPart;
use super::panel::{self, PanelCommand, PanelOwnership};
use super::recall::RecalledLimits;
use crate::facts::{COURIERTCPD, DOVECOT, Facts};
use crate::failure::{Diagnostic, PlanBlocked};
use crate::limits::action::Daemon;
use crate::limits::step::{LimitSetting, LimitValue, StepCause};
use crate::model::{ConnectionLimit, Declared, Desired, Service};

/// One of Courier's four listeners.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CourierListener {
    /// IMAP.
    Imap,
    /// IMAP over TLS.
    Imaps,
    /// POP3.
    Pop3,
    /// POP3 over TLS.
    Pop3s,
}

impl CourierListener {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Imap, Self::Imaps, Self::Pop3, Self::Pop3s];

    /// The service that it serves.
    #[must_use]
    pub const fn service(self) -> Service {
        match self {
            Self::Imap => Service::Imap,
            Self::Imaps => Service::Imaps,
            Self::Pop3 => Service::Pop3,
            Self::Pop3s => Service::Pop3s,
        }
    }

    /// Its port.
    #[must_use]
    pub const fn port(self) -> u16 {
        match self {
            Self::Imap => 143,
            Self::Imaps => 993,
            Self::Pop3 => 110,
            Self::Pop3s => 995,
        }
    }

    /// Its own file.
    #[must_use]
    pub const fn file(self) -> &'static str {
        match self {
            Self::Imap => "imapd",
            Self::Imaps => "imapd-ssl",
            Self::Pop3 => "pop3d",
            Self::Pop3s => "pop3d-ssl",
        }
    }

    /// The listener of the same protocol with TLS, or without.
    #[must_use]
    pub const fn twin(self) -> Self {
        match self {
            Self::Imap => Self::Imaps,
            Self::Imaps => Self::Imap,
            Self::Pop3 => Self::Pop3s,
            Self::Pop3s => Self::Pop3,
        }
    }

    /// The files that its start script sources, in that order: its own comes last and overrides.
    #[must_use]
    pub const fn sources(self) -> [&'static str; 2] {
        [self.twin().file(), self.file()]
    }

    /// The service of `[limits]` that it takes its limits from where its own is not set apart.
    const fn plain(self) -> Service {
        match self {
            Self::Imap | Self::Imaps => Service::Imap,
            Self::Pop3 | Self::Pop3s => Service::Pop3,
        }
    }
}

/// The variable that holds a setting.
#[must_use]
pub const fn key(setting: LimitSetting) -> Option<&'static str> {
    match setting {
        LimitSetting::PerIp => Some("MAXPERIP"),
        LimitSetting::Total => Some("MAXDAEMONS"),
        LimitSetting::Cps => None,
    }
}

/// The two settings that Courier has.
pub const SETTINGS: [LimitSetting; 2] = [LimitSetting::PerIp, LimitSetting::Total];

/// What the manifest wants of a listener's setting.
#[derive(Debug, Clone)]
pub struct CourierWanted {
    /// The number.
    pub value: u32,
    /// Where it is declared.
    pub declared: Declared<ConnectionLimit>,
    /// The service that declares it.
    pub by: Service,
}

/// What the manifest wants, by listener and setting.
pub type CourierWants = BTreeMap<(CourierListener, LimitSetting), CourierWanted>;

/// What the manifest wants of Courier.
#[must_use]
pub fn wants(desired: &Desired) -> CourierWants {
    let mut wants = CourierWants::new();
    for listener in CourierListener::ALL {
        for setting in SETTINGS {
            // A limit of the TLS listener's own comes before the one that covers both.
            let declared = [listener.service(), listener.plain()].into_iter().find_map(|service| {
                let limit = desired.limits.get(&service)?;
                let declared = match setting {
                    LimitSetting::PerIp => limit.per_ip.as_ref(),
                    LimitSetting::Total => limit.total.as_ref(),
                    LimitSetting::Cps => None,
                };
                declared.map(|declared| (service, declared))
            });
            if let Some((by, declared)) = declared
                && let ConnectionLimit::Number(value) = declared.value
            {
                wants.insert((listener, setting), CourierWanted { value, declared: declared.clone(), by });
            }
        }
    }
    wants
}

/// Whether the manifest or an owed action concerns Courier.
#[must_use]
pub fn concerns(desired: &Desired, recalled: &RecalledLimits) -> bool {
    !wants(desired).is_empty() || recalled.owed.iter().any(|owed| owed.daemon == Daemon::Courier)
}

/// Plans Courier's limits.
#[must_use]
pub fn plan(
    desired: &Desired,
    facts: &Facts,
    recalled: &RecalledLimits,
    files: &CourierFiles,
    panel: Option<&PanelCommand>,
    deadline: Duration,
) -> LimitsPart {
    let wants = wants(desired);
    let mut part = LimitsPart::default();
    super::others(&[COURIERTCPD, DOVECOT], facts, &mut part);
    if !part.blockers.is_empty() {
        return part;
    }
    if let Some(other) = in_charge(facts, &wants) {
        for (service, want) in other {
            let origin = want.declared.origin.clone();
            part.block(
                PlanBlocked::Manifest,
                Diagnostic::new(format!(
                    "{service} serves {} here, and mailward cannot set its limits yet",
                    want.by
                ))
                .at(crate::failure::declared_at(&origin))
                .hint(format!("take [limits.{}] out of this host's manifest", want.by)),
            );
        }
        return part;
    }
    if let Some(blocker) = panel.and_then(PanelCommand::blocker) {
        part.blockers.push(blocker);
        return part;
    }
    let after = match panel {
        Some(panel) if panel.owns == PanelOwnership::Limits => edits::provable(&wants, files, &mut part)
            .and_then(|wants| {
                let values = panel::plan(&wants, files, panel, &mut part)?;
                let parsed = files.parse();
                Some(edits::ListenersAfter { values, parsed })
            }),
        Some(_) | None => edits::plan(&wants, files, &mut part),
    };
    let Some(after) = after else { return part };
    act::plan(&wants, facts, recalled, &after, deadline, &mut part);
    part
}

/// Another daemon that serves what the manifest declares, if there is one.
fn in_charge<'a>(facts: &Facts, wants: &'a CourierWants) -> Option<Vec<(&'static str, &'a CourierWanted)>> {
    let serves = |listener: CourierListener| {
        let mut dovecots = (facts.processes.iter()).filter(|process| process.name == DOVECOT);
        // Of one whose sockets are not known it may be so.
        dovecots.any(|process| (process.ports.as_ref()).is_none_or(|ports| ports.contains(&listener.port())))
    };
    let found: Vec<_> = wants
        .iter()
        .filter(|((listener, _), _)| {
            serves(*listener) && CourierProcess::of(*listener, &facts.processes).is_empty()
        })
        .map(|(_, want)| ("Dovecot", want))
        .collect();
    (!found.is_empty()).then_some(found)
}

pub(crate) fn value(number: u32) -> LimitValue {
    LimitValue::Count(ConnectionLimit::Number(number))
}

pub(crate) fn declared(listener: CourierListener, setting: LimitSetting, want: &CourierWanted) -> StepCause {
    StepCause::Declared {
        service: listener.service().name().to_owned(),
        setting,
        value: value(want.value),
        origin: want.declared.origin.clone(),
    }
}

//! What a restart would make live besides what the manifest names. Whether there is one is not decided here.

use std::collections::{BTreeMap, BTreeSet};

use super::super::edits::ListenersAfter;
use super::super::running::common;
use super::super::{CourierListener, CourierProcess, SETTINGS};
use super::group::ListenerGroup;
use crate::facts::Facts;
use crate::limits::action::AlsoLiveSessions;
use crate::limits::step::LimitValue;

impl ListenerGroup<'_> {
    /// What a restart would make live besides what the manifest names.
    pub(super) fn also_live(&self, facts: &Facts, after: &ListenersAfter) -> Vec<AlsoLiveSessions> {
        let mut also = BTreeSet::new();
        for listener in &self.serving {
            let service = listener.service().name().to_owned();
            let running = CourierProcess::of(*listener, &facts.processes);
            let Some(first) = running.first() else {
                continue;
            };
            for setting in SETTINGS {
                let to = after.values.get(&(*listener, setting)).copied().unwrap_or(LimitValue::Nothing);
                let from = common(&running, setting);
                if !self.wants.contains_key(&(*listener, setting)) && from != to {
                    also.insert(AlsoLiveSessions::Setting { service: service.clone(), setting, from, to });
                }
            }
            match &first.process.environment {
                Err(reason) => {
                    also.insert(AlsoLiveSessions::Unknown { service, reason: reason.clone() });
                }
                Ok(environment) => {
                    let environment: BTreeMap<_, _> = environment.iter().cloned().collect();
                    for (name, value) in after.parsed.exported(*listener) {
                        let limit = name == b"MAXDAEMONS" || name == b"MAXPERIP";
                        let fixed = set_by_script(*listener, &name);
                        if !limit && !fixed && environment.get(&name) != Some(&value) {
                            let name = crate::model::printable::text(&name);
                            also.insert(AlsoLiveSessions::Variable { service: service.clone(), name });
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
fn set_by_script(listener: CourierListener, name: &[u8]) -> bool {
    let names: &[&str] = match listener {
        CourierListener::Imap => &["IMAP_STARTTLS"],
        CourierListener::Imaps => &["IMAP_TLS"],
        CourierListener::Pop3 => &[],
        CourierListener::Pop3s => &["POP3_TLS", "POP3_STARTTLS", "POP3_TLS_REQUIRED"],
    };
    names.iter().any(|fixed| fixed.as_bytes() == name)
}

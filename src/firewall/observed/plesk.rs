//! Plesk's firewall: whether it is on, its rules, whether an apply of it is under way, and how long it waits.

use std::time::Duration;

use super::RulesUnread;
use crate::firewall::plesk::{PleskRule, parse};
use crate::host::{CommandEnding, CommandOutput, FileFound, HostCommand, PathExistence, ProcessId};
use crate::model::HostPath;

/// The time in which Plesk's firewall wants a confirmation unless `panel.ini` says otherwise (Plesk's
/// knowledge base).
const USUAL_WINDOW: Duration = Duration::from_secs(60);

/// Plesk's firewall.
#[derive(Debug, Clone)]
pub struct PleskFirewall {
    /// Its command.
    pub command: HostPath,
    /// Whether it manages rules.
    pub enabled: PleskFirewallState,
    /// Its rules, in the order in which they are decided.
    pub list: Result<Vec<PleskRule>, RulesUnread>,
    /// The processes of an apply of it that waits for its confirmation: those with `firewall-new.sh` among
    /// their arguments.
    pub applies: Vec<ProcessId>,
    /// How long it waits for a confirmation.
    pub checkpoint: Result<Duration, RulesUnread>,
}

/// Whether it manages rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PleskFirewallState {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// That is not known.
    Unknown(RulesUnread),
}

/// The answers about it.
#[derive(Debug)]
pub(crate) struct PleskAnswers {
    pub(crate) exists: PathExistence,
    pub(crate) enabled: (HostCommand, CommandOutput),
    pub(crate) list: (HostCommand, CommandOutput),
    pub(crate) ini: (HostPath, FileFound),
    pub(crate) applies: Vec<ProcessId>,
}

impl PleskFirewall {
    /// None where the command does not exist.
    pub(super) fn read(asked: PleskAnswers) -> Option<Self> {
        if asked.exists == PathExistence::Missing {
            return None;
        }
        let list = super::reply::printed(&asked.list.0, &asked.list.1).and_then(|stdout| {
            parse(stdout).map_err(|error| RulesUnread::Command {
                command: super::reply::line(&asked.list.0),
                reason: super::reply::chain(&error),
            })
        });
        let enabled = match (asked.enabled.1.end, &list) {
            (CommandEnding::Code(0), _) => PleskFirewallState::Yes,
            (CommandEnding::Code(_), Ok(_)) => PleskFirewallState::No,
            // A command that cannot do its work fails with a code too.
            (CommandEnding::Code(_), Err(unread)) => PleskFirewallState::Unknown(unread.clone()),
            (CommandEnding::NotStarted | CommandEnding::Signal(_) | CommandEnding::TimedOut, _) => {
                PleskFirewallState::Unknown(super::reply::failure(&asked.enabled.0, &asked.enabled.1))
            }
        };
        Some(Self {
            command: asked.list.0.program.clone(),
            enabled,
            list,
            applies: asked.applies,
            checkpoint: checkpoint(&asked.ini.0, &asked.ini.1),
        })
    }
}

fn checkpoint(path: &HostPath, found: &FileFound) -> Result<Duration, RulesUnread> {
    let unread = |reason: &str| Err(RulesUnread::File { path: path.to_string(), reason: reason.to_owned() });
    let state = match found {
        FileFound::Missing => return Ok(USUAL_WINDOW),
        FileFound::NotRegular => return unread("it is not a regular file"),
        FileFound::Unreadable(reason) => return unread(reason),
        FileFound::File(state) => state,
    };
    match time_out(&String::from_utf8_lossy(&state.bytes)) {
        None => Ok(USUAL_WINDOW),
        Some(Some(checkpoint)) => Ok(checkpoint),
        Some(None) => unread("its confirmTimeoutCli is no number of seconds"),
    }
}

/// `confirmTimeoutCli` of the section `[ext-firewall]`; the inner none where it is no time.
fn time_out(ini: &str) -> Option<Option<Duration>> {
    let mut section = "";
    let mut value = None;
    for line in ini.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[') {
            section = name.split(']').next().unwrap_or_default().trim();
        } else if section == "ext-firewall"
            && !line.starts_with([';', '#'])
            && let Some((key, text)) = line.split_once('=')
            && key.trim() == "confirmTimeoutCli"
        {
            value = Some(text);
        }
    }
    value.map(|text| {
        let text = text.split(';').next().unwrap_or_default();
        let seconds: f64 = text.trim().trim_matches(['"', '\'']).parse().ok()?;
        Duration::try_from_secs_f64(seconds).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_is_that_of_the_section_of_the_firewall() {
        let seconds = |n| Some(Some(Duration::from_secs(n)));
        assert_eq!(time_out(""), None);
        assert_eq!(time_out("confirmTimeoutCli = 9\n"), None);
        let ini = "[x]\nconfirmTimeoutCli=1\n[ext-firewall]\nconfirmTimeout = 5\n; confirmTimeoutCli = 7\n\
                   confirmTimeoutCli = \"120\" ; two minutes\n[y]\nconfirmTimeoutCli=3\n";
        assert_eq!(time_out(ini), seconds(120));
        assert_eq!(time_out("[ext-firewall]\nconfirmTimeoutCli = soon\n"), Some(None));
    }
}

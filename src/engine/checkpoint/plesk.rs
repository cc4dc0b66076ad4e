//! The vendor's own window of Plesk's firewall: its apply, its confirmation, and what follows when it takes a
//! change back.
//!
//! What its command says is never taken for what it did. A change is live when the kernel has the whole
//! planned list; it is confirmed when the process that would take it back is gone and the kernel still has
//! it; and it is back when that process is gone and the kernel has what the list says again.

mod look;

use std::time::Duration;

use self::look::{PleskSeen, look, look_again};
use super::back::{BootSince, TakenBack};
use super::load::{pause, run, set_rule, with};
use crate::engine::ApplyFailure;
use crate::facts::{BootClock, Facts};
use crate::failure::Diagnostic;
use crate::firewall::checkpoint::Checkpoint;
use crate::firewall::methods::LoadMethod;
use crate::firewall::observed::PleskFirewallState;
use crate::firewall::plesk::kernel;
use crate::host::{HostCommand, HostOperation, RunConnection, SshClient, WaitCondition, WriteHost};
use crate::model::HostPath;

/// How much longer than its window the vendor's process may take.
const GRACE: Duration = Duration::from_secs(15);

/// How long the kernel may stay as it is, in looks a second apart, before nothing more is expected of an
/// apply.
const STILL: u32 = 3;

/// The most looks at the kernel that an apply gets.
const LOOKS: u32 = 30;

/// With more than this left of a window, in milliseconds, what was active is loaded at once; with less, the
/// vendor does it soon, and two scripts at the same time would spoil each other.
const WORTH_IT: u64 = 10_000;

/// Sets the rules, applies them, and waits until the kernel has the whole planned list.
pub(super) fn apply(
    host: &mut dyn WriteHost,
    how: &LoadMethod,
    checkpoint: &mut Checkpoint,
) -> Result<(), ApplyFailure> {
    let LoadMethod::PleskFirewall { command, changes, before, list, allowlists } = how else {
        return Ok(());
    };
    for change in changes {
        run(host, set_rule(command, change))?;
    }
    // Which of its sets the command lists is not documented.
    let set = look(host, checkpoint)?;
    let now = set.list()?;
    if !kernel::same(&now, list) && !kernel::same(&now, before) {
        return Err(Diagnostic::new("the rules of Plesk's firewall are not what was set")
            .because("somebody edits them at the same time, or its ids have changed meanwhile")
            .hint("nothing was applied; plan again")
            .into());
    }
    let length = checkpoint.until.saturating_sub(checkpoint.opened);
    run(host, with(command, &["--apply"], &variable(&checkpoint.by)))?;
    let began = BootClock::read(host)?.uptime;
    let mut last = None;
    let mut still = 0;
    for _ in 0..LOOKS {
        let seen = look_again(host, checkpoint, &set)?;
        let wrong = seen.unmet(allowlists).or_else(|| seen.unexplained(list));
        let Some(wrong) = wrong else {
            // Who comes in now has passed the new rules.
            checkpoint.opened = seen.survey.facts.uptime;
            checkpoint.until = began.saturating_add(length);
            return Ok(());
        };
        still = if last.as_ref() == Some(&seen.kernel) { still + 1 } else { 0 };
        last = Some(seen.kernel);
        if still >= STILL {
            return Err(
                look::told("the kernel's rules are not what Plesk's firewall was told", &wrong).into()
            );
        }
        pause(host)?;
    }
    Err(Diagnostic::new("Plesk's firewall does not come to an end with its apply").into())
}

/// What became of a change that was to be confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PleskConfirmation {
    /// It stays.
    Stays,
    /// The vendor has taken it back all the same.
    WentBack,
}

/// Confirms, and waits until it is seen what became of it.
pub(super) fn confirm(
    host: &mut dyn WriteHost,
    checkpoint: &Checkpoint,
    connection: &RunConnection,
    deadline: Duration,
) -> Result<PleskConfirmation, ApplyFailure> {
    let before = look(host, checkpoint)?;
    let mut client = variable(&connection.client);
    if client == variable(&checkpoint.by) {
        // The operator has waived the proof that it is another, which the vendor looks at too.
        client = "127.0.0.1 65534 22".to_owned();
    }
    let command = HostCommand::new(before.command.clone(), Vec::new(), deadline);
    let ran = run(host, with(&command, &["--confirm"], &client));
    let left = Duration::from_millis(checkpoint.until.saturating_sub(before.survey.facts.uptime)) + GRACE;
    let patience = match &ran {
        Ok(()) => left,
        // It may have done it all the same.
        Err(_) => Duration::from_secs(3),
    };
    let gone = if before.applies.is_empty() {
        // Nothing shows whether it still waits but the end of its time.
        wait(host, left)?;
        true
    } else {
        await_gone(host, &before, patience)?
    };
    if !gone {
        return Err(ran.err().unwrap_or_else(|| {
            ApplyFailure::from(Diagnostic::new(
                "an apply of Plesk's firewall is still under way though its time is up",
            ))
        }));
    }
    let seen = quiet(host, checkpoint, &before)?;
    Ok(match seen.as_applied(checkpoint) {
        None => PleskConfirmation::Stays,
        Some(_) => PleskConfirmation::WentBack,
    })
}

/// Takes the pending edits back, and sees to it that the kernel has the rules of before.
pub(super) fn reset(
    host: &mut dyn WriteHost,
    checkpoint: &Checkpoint,
    booted: BootSince,
    deadline: Duration,
) -> Result<TakenBack, ApplyFailure> {
    let before = look(host, checkpoint)?;
    let command = HostCommand::new(before.command.clone(), Vec::new(), deadline);
    let reset = run(host, with(&command, &["--reset"], &variable(&None)));
    if before.enabled == PleskFirewallState::No {
        // Somebody has switched it off meanwhile, which took the change back and whatever else it had loaded.
        return Ok(TakenBack::Back);
    }
    reset?;
    if booted == BootSince::No && !before.applies.is_empty() {
        if checkpoint.until.saturating_sub(before.survey.facts.uptime) > WORTH_IT {
            // What it says is seen in the end.
            let _ = load_active(host, &before.survey.facts, deadline);
        }
        let whole = Duration::from_millis(checkpoint.until.saturating_sub(checkpoint.opened));
        if !await_gone(host, &before, whole + GRACE)? {
            return Err(Diagnostic::new(
                "an apply of Plesk's firewall is still under way though its time is up",
            )
            .into());
        }
    }
    let mut seen = quiet(host, checkpoint, &before)?;
    let mut list = seen.list()?;
    if seen.unexplained(&list).is_some() {
        // An apply that was cut off in the middle.
        load_active(host, &seen.survey.facts, deadline)?;
        seen = quiet(host, checkpoint, &before)?;
        list = seen.list()?;
    }
    if let Some(wrong) = seen.unexplained(&list) {
        return Err(look::told("the kernel's rules are not those of Plesk's firewall", &wrong)
            .hint("see the rules in Plesk, Tools & Settings > Firewall, and apply them there")
            .into());
    }
    Ok(match seen.as_applied(checkpoint) {
        Some(_) => TakenBack::Back,
        // The vendor's own command has confirmed it, whoever ran it.
        None => TakenBack::Stays,
    })
}

/// Runs the script of what was confirmed last, as the vendor's service does at boot and its window at its
/// end.
fn load_active(host: &mut dyn WriteHost, facts: &Facts, deadline: Duration) -> Result<(), ApplyFailure> {
    let script: Option<HostPath> = (facts.plesk.as_ref())
        .and_then(|plesk| plesk.root.join("var/modules/firewall/firewall-active.sh").ok());
    match script {
        Some(script) => run(host, HostCommand::new(script, Vec::new(), deadline)),
        None => Ok(()),
    }
}

/// Waits until no apply of the vendor's waits any more; false where one still does.
fn await_gone(host: &mut dyn WriteHost, seen: &PleskSeen, patience: Duration) -> Result<bool, ApplyFailure> {
    let act = HostOperation::Await(WaitCondition::Gone(seen.applies.clone()), patience);
    let done = host.write(&[act], &[])?;
    Ok(look::came(&done))
}

/// Waits.
fn wait(host: &mut dyn WriteHost, time: Duration) -> Result<(), ApplyFailure> {
    for _ in 0..time.as_secs() {
        pause(host)?;
    }
    Ok(())
}

/// Looks until nothing changes any more.
fn quiet(
    host: &mut dyn WriteHost,
    checkpoint: &Checkpoint,
    last: &PleskSeen,
) -> Result<PleskSeen, ApplyFailure> {
    let mut seen = look_again(host, checkpoint, last)?;
    for _ in 0..LOOKS {
        pause(host)?;
        let next = look_again(host, checkpoint, &seen)?;
        let same = next.kernel == seen.kernel && next.applies.is_empty();
        seen = next;
        if same {
            break;
        }
    }
    Ok(seen)
}

/// `SSH_CLIENT` as sshd sets it: the client's address and port, and the own port (ssh(1)). Without a
/// connection it is what published set-up scripts give, since the command may want one.
fn variable(by: &Option<SshClient>) -> String {
    by.as_ref().map_or_else(
        || "127.0.0.1 65535 22".to_owned(),
        |by| {
            let port = by.server_port.unwrap_or(22);
            format!("{} {} {port}", by.address, by.port)
        },
    )
}

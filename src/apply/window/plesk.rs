//! The vendor's own window of Plesk's firewall: its confirmation, and what follows when it has taken a change back.

use std::time::Duration;

use super::back::Booted;
use super::load::{run, with};
use super::record::Window;
use crate::access::observed::PleskFirewall;
use crate::apply::Failed;
use crate::facts::Facts;
use crate::failure::Diagnostic;
use crate::host::{Act, Command, Condition, Connection, WriteHost};
use crate::observe::{Observed, Scope};

/// How much longer than its window the vendor's process may take.
const GRACE: Duration = Duration::from_secs(10);

/// Confirms, and waits until that is seen: the process that would take the change back is gone, and the rules are there.
pub(super) fn confirm<H: WriteHost + ?Sized>(
    host: &mut H,
    facts: &Facts,
    window: &Window,
    connection: &Connection,
    deadline: Duration,
) -> Result<(), Failed> {
    let firewall = firewall(host, facts, window)?;
    let command = Command::new(firewall.command.clone(), Vec::new(), deadline);
    run(
        host,
        with(&command, &["--confirm"], connection.client.as_ref()),
    )?;
    settled(host, facts, window)
}

/// Takes the pending edits back, once the vendor has taken back the rules in the kernel.
pub(super) fn reset<H: WriteHost + ?Sized>(
    host: &mut H,
    facts: &Facts,
    window: &Window,
    booted: Booted,
    deadline: Duration,
) -> Result<(), Failed> {
    let firewall = firewall(host, facts, window)?;
    let command = Command::new(firewall.command.clone(), Vec::new(), deadline);
    run(host, with(&command, &["--reset"], None))?;
    match booted {
        // At boot it loads what was confirmed last.
        Booted::Since => Ok(()),
        Booted::No => settled(host, facts, window),
    }
}

/// Waits until no apply of the vendor's waits any more.
fn settled<H: WriteHost + ?Sized>(
    host: &mut H,
    facts: &Facts,
    window: &Window,
) -> Result<(), Failed> {
    let left = Duration::from_millis(window.until.saturating_sub(facts.uptime)) + GRACE;
    let firewall = firewall(host, facts, window)?;
    if firewall.applies.is_empty() {
        return Ok(());
    }
    let act = Act::Await(Condition::Gone(firewall.applies), left);
    let _came = host
        .write(&[act], &[])
        .map_err(|error| Failed(vec![Diagnostic::of(&error)]))?;
    if self::firewall(host, facts, window)?.applies.is_empty() {
        Ok(())
    } else {
        Err(Failed(vec![Diagnostic::new(
            "an apply of Plesk's firewall is still under way though its time is up",
        )]))
    }
}

/// The vendor's firewall as it is now.
fn firewall<H: WriteHost + ?Sized>(
    host: &H,
    facts: &Facts,
    window: &Window,
) -> Result<PleskFirewall, Failed> {
    let observed = Observed::read(host, facts, Scope::Of(&window.desired))
        .map_err(|error| Failed(vec![Diagnostic::of(&error)]))?;
    observed
        .access
        .and_then(|access| access.plesk)
        .ok_or_else(|| {
            Failed(vec![Diagnostic::new(
                "the command of Plesk's firewall is not there any more",
            )])
        })
}

//! One look at Plesk's firewall and the kernel, in which nothing is changed.

use std::collections::BTreeSet;

use super::super::record::Window;
use crate::access::effect::Filters;
use crate::access::observed::{Enabled, Unread};
use crate::access::plesk::PleskRule;
use crate::access::plesk::kernel::{self, Differs};
use crate::access::rules::few;
use crate::access::{Gate, gates};
use crate::apply::ApplyFailure;
use crate::facts::Facts;
use crate::failure::Diagnostic;
use crate::host::{Came, Done, ProcessId, ReadHost, Written};
use crate::model::{HostPath, Networks};
use crate::observe::{Observed, Scope};

/// What was seen.
pub(super) struct Seen {
    pub(super) facts: Facts,
    /// The vendor's command.
    pub(super) command: HostPath,
    /// What the vendor's script has loaded.
    pub(super) kernel: Filters,
    /// Whether it manages rules.
    pub(super) enabled: Enabled,
    /// The applies that wait for the vendor's confirmation.
    pub(super) applies: Vec<ProcessId>,
    list: Result<Vec<PleskRule>, Unread>,
    ssh_ports: BTreeSet<u16>,
    spoken: Networks,
}

impl Seen {
    /// The vendor's list.
    pub(super) fn list(&self) -> Result<Vec<PleskRule>, ApplyFailure> {
        Ok(self.list.clone()?)
    }

    pub(super) fn unmet(&self, gates: &[Gate]) -> Option<Differs> {
        kernel::unmet(&self.kernel, gates, &self.spoken)
    }

    pub(super) fn unexplained(&self, list: &[PleskRule]) -> Option<Differs> {
        kernel::unexplained(&self.kernel, list, &self.ssh_ports, &self.spoken)
    }

    /// Where the kernel is not what a change has made it; none where it is.
    pub(super) fn as_applied(&self, window: &Window) -> Option<Differs> {
        self.unmet(&gates(&window.desired.access))
    }
}

/// Looks.
pub(super) fn look(host: &dyn ReadHost, window: &Window) -> Result<Seen, ApplyFailure> {
    look_with(host, window, Facts::read(host)?)
}

/// Looks again, a moment after another look.
pub(super) fn look_again(
    host: &dyn ReadHost,
    window: &Window,
    last: &Seen,
) -> Result<Seen, ApplyFailure> {
    look_with(host, window, last.facts.read_again(host)?)
}

fn look_with(host: &dyn ReadHost, window: &Window, facts: Facts) -> Result<Seen, ApplyFailure> {
    let observed = Observed::read(host, &facts, Scope::Of(&window.desired))?;
    let missing = || {
        ApplyFailure::from(Diagnostic::new(
            "the command of Plesk's firewall is not there any more",
        ))
    };
    let access = observed.access.ok_or_else(missing)?;
    let firewall = access.plesk.ok_or_else(missing)?;
    let layers = access.layers?;
    Ok(Seen {
        facts,
        command: firewall.command,
        enabled: firewall.enabled,
        kernel: kernel::loaded(&layers),
        applies: firewall.applies,
        list: firewall.list,
        ssh_ports: access.ssh_ports,
        spoken: kernel::spoken(access.speaks_ipv6),
    })
}

/// Whether what was waited for came.
pub(super) fn came(written: &Written) -> bool {
    matches!(written.done.first(), Some(Done::Awaited(Came::InTime)))
}

/// What is wrong in the kernel.
pub(super) fn told(what: &str, wrong: &Differs) -> Diagnostic {
    Diagnostic::new(what).because(format!(
        "port {} differs for {}",
        wrong.port,
        few(&wrong.sources)
    ))
}

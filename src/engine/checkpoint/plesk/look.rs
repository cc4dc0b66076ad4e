//! One look at Plesk's firewall and the kernel, in which nothing is changed.

use std::collections::BTreeSet;

use crate::engine::ApplyFailure;
use crate::engine::observe::{ObserveScope, Observed};
use crate::engine::recall::HostSurvey;
use crate::failure::Diagnostic;
use crate::firewall::checkpoint::Checkpoint;
use crate::firewall::effect::FilterStack;
use crate::firewall::observed::{PleskFirewallState, RulesUnread};
use crate::firewall::plesk::PleskRule;
use crate::firewall::plesk::kernel::{self, PortDifference};
use crate::firewall::rules::few;
use crate::firewall::{PortAllowlist, allowlists};
use crate::host::{OperationResult, OperationResults, ProcessId, ReadHost, WaitResult};
use crate::model::{HostPath, Networks};

/// What was seen.
pub(super) struct PleskSeen {
    pub(super) survey: HostSurvey,
    /// The vendor's command.
    pub(super) command: HostPath,
    /// What the vendor's script has loaded.
    pub(super) kernel: FilterStack,
    /// Whether it manages rules.
    pub(super) enabled: PleskFirewallState,
    /// The applies that wait for the vendor's confirmation.
    pub(super) applies: Vec<ProcessId>,
    list: Result<Vec<PleskRule>, RulesUnread>,
    ssh_ports: BTreeSet<u16>,
    spoken: Networks,
}

impl PleskSeen {
    /// The vendor's list.
    pub(super) fn list(&self) -> Result<Vec<PleskRule>, ApplyFailure> {
        Ok(self.list.clone()?)
    }

    pub(super) fn unmet(&self, allowlists: &[PortAllowlist]) -> Option<PortDifference> {
        kernel::unmet(&self.kernel, allowlists, &self.spoken)
    }

    pub(super) fn unexplained(&self, list: &[PleskRule]) -> Option<PortDifference> {
        kernel::unexplained(&self.kernel, list, &self.ssh_ports, &self.spoken)
    }

    /// Where the kernel is not what a change has made it; none where it is.
    pub(super) fn as_applied(&self, checkpoint: &Checkpoint) -> Option<PortDifference> {
        self.unmet(&allowlists(&checkpoint.desired.access))
    }
}

/// Looks.
pub(super) fn look(host: &dyn ReadHost, checkpoint: &Checkpoint) -> Result<PleskSeen, ApplyFailure> {
    look_with(host, checkpoint, HostSurvey::read(host)?)
}

/// Looks again, a moment after another look.
pub(super) fn look_again(
    host: &dyn ReadHost,
    checkpoint: &Checkpoint,
    last: &PleskSeen,
) -> Result<PleskSeen, ApplyFailure> {
    look_with(host, checkpoint, last.survey.read_again(host)?)
}

fn look_with(
    host: &dyn ReadHost,
    checkpoint: &Checkpoint,
    survey: HostSurvey,
) -> Result<PleskSeen, ApplyFailure> {
    let observed = Observed::read(host, &survey, ObserveScope::Of(&checkpoint.desired))?;
    let missing =
        || ApplyFailure::from(Diagnostic::new("the command of Plesk's firewall is not there any more"));
    let access = observed.firewall.ok_or_else(missing)?;
    let firewall = access.plesk.ok_or_else(missing)?;
    let layers = access.layers?;
    Ok(PleskSeen {
        survey,
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
pub(super) fn came(written: &OperationResults) -> bool {
    matches!(written.done.first(), Some(OperationResult::Awaited(WaitResult::InTime)))
}

/// What is wrong in the kernel.
pub(super) fn told(what: &str, wrong: &PortDifference) -> Diagnostic {
    Diagnostic::new(what).because(format!("port {} differs for {}", wrong.port, few(&wrong.sources)))
}

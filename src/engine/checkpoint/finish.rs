//! What comes after a confirmation: the rules come back at boot, and others that did the same go.

use std::time::Duration;

use super::load::{self, LoadContext};
use crate::engine::ApplyFailure;
use crate::failure::Diagnostic;
use crate::firewall::methods::{BootMethod, RetireMethod};
use crate::firewall::nft;
use crate::host::{ExecutePermission, FileMode, HostOperation, WriteHost};
use crate::plan::Step;

/// Carries out one step that comes after a confirmation; whether it took is seen by planning again.
pub(in crate::engine) fn carry_out(
    host: &mut dyn WriteHost,
    step: &Step,
    deadline: Duration,
) -> Result<(), ApplyFailure> {
    match step {
        Step::Boot(step) => match &step.how {
            Some(how) => hook(host, how),
            None => Err(no_way()),
        },
        Step::Retire(step) => match step.how.as_deref() {
            Some(RetireMethod::Nftables { nft }) => {
                let mut cx = LoadContext::of_run(host, deadline);
                load::script_of_nft(&mut cx, nft, "load.nft", nft::REMOVAL)
            }
            Some(RetireMethod::Iptables { families }) => {
                let mut cx = LoadContext::of_run(host, deadline);
                (families.iter())
                    .try_for_each(|(_, restore, script)| load::script_of_iptables(&mut cx, restore, script))
            }
            None => Err(no_way()),
        },
        Step::Edit(_) | Step::Panel(_) | Step::Action(_) | Step::PanelAccess(_) | Step::Firewall(_) => Ok(()),
    }
}

fn no_way() -> ApplyFailure {
    ApplyFailure::from(Diagnostic::new("the plan does not say how this is done: plan again on this host"))
}

/// Makes a boot do something about the own rules.
pub(super) fn hook(host: &mut dyn WriteHost, how: &BootMethod) -> Result<(), ApplyFailure> {
    let mut acts: Vec<HostOperation> = (how.save.iter())
        .map(|(path, text)| HostOperation::Save { path: path.clone(), bytes: text.as_bytes().to_vec() })
        .collect();
    acts.extend(how.put.iter().map(|(path, text, executable)| HostOperation::Put {
        path: path.clone(),
        bytes: text.as_bytes().to_vec(),
        mode: match executable {
            ExecutePermission::Yes => FileMode::Program,
            ExecutePermission::No => FileMode::Plain,
        },
    }));
    let first = acts.len();
    acts.extend(how.run.iter().cloned().map(HostOperation::Run));
    acts.extend(how.remove.iter().cloned().map(HostOperation::Remove));
    let written = host.write(&acts, &[])?;
    (how.run.iter().enumerate())
        .try_for_each(|(index, command)| load::judge(command, written.done.get(first + index)))
}

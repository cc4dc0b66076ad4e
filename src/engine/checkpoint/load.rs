//! Makes rules live, and takes them back: programs that are run, whose word is not taken for it.

use std::time::Duration;

use crate::engine::ApplyFailure;
use crate::engine::act::failed_command;
use crate::failure::Diagnostic;
use crate::firewall::boot;
use crate::firewall::checkpoint::Checkpoint;
use crate::firewall::methods::{FamilyLoadMethod, LoadMethod};
use crate::firewall::plesk::{PleskRuleAction, PleskRuleChange};
use crate::host::timer::CheckpointFolder;
use crate::host::{CommandEnding, CommandOutput, HostCommand, HostOperation, OperationResult, WriteHost};
use crate::model::{HostPath, known};

/// The most that a list of networks is kept of what a program prints, in bytes.
pub(super) const LIST_CAP: usize = 64 * 1024 * 1024;

/// How often the lock of iptables is asked for again, a second apart.
const LOCK_TRIES: u32 = 5;

/// What a program that loads rules has in its environment, so that the timer of the window finds it.
const WINDOW: &str = "MAILWARD_WINDOW";

/// Who answers for a program that loads rules.
#[derive(Debug, Clone, Copy)]
enum RulesLoader<'a> {
    /// The run, which waits for its end.
    Run,
    /// The timer of this window as well: it ends the program before it loads what was before, whatever became
    /// of the run.
    Window(&'a CheckpointFolder),
}

impl RulesLoader<'_> {
    fn starts(self, mut command: HostCommand) -> HostCommand {
        match self {
            Self::Run => {}
            Self::Window(folder) => {
                let id = folder.id().to_owned();
                command.environment.push((WINDOW.to_owned(), id));
            }
        }
        command
    }
}

/// What every program that loads rules is started with.
pub(super) struct LoadContext<'a> {
    host: &'a mut dyn WriteHost,
    /// Who answers for it.
    loader: RulesLoader<'a>,
    /// How long it may take.
    deadline: Duration,
}

impl<'a> LoadContext<'a> {
    /// Loads for which the run alone answers.
    pub(super) fn of_run(host: &'a mut dyn WriteHost, deadline: Duration) -> Self {
        Self { host, loader: RulesLoader::Run, deadline }
    }
}

/// Makes the planned rules live; where the vendor's own window takes them back, the record gets its times.
pub(super) fn load(
    host: &mut dyn WriteHost,
    how: &LoadMethod,
    checkpoint: &mut Checkpoint,
    deadline: Duration,
) -> Result<(), ApplyFailure> {
    let folder = checkpoint.folder.clone();
    let loader = folder.as_ref().map_or(RulesLoader::Run, RulesLoader::Window);
    match how {
        LoadMethod::Nftables { .. } | LoadMethod::Iptables { .. } => {
            let mut cx = LoadContext { host, loader, deadline };
            own(&mut cx, how)
        }
        LoadMethod::PleskFirewall { .. } => super::plesk::apply(host, how, checkpoint),
    }
}

/// Makes planned rules of an own way live.
pub(super) fn own(cx: &mut LoadContext<'_>, how: &LoadMethod) -> Result<(), ApplyFailure> {
    match how {
        LoadMethod::Nftables { nft, script, .. } => script_of_nft(cx, nft, "load.nft", script),
        LoadMethod::Iptables { families, .. } => {
            families.iter().try_for_each(|family| family_of_iptables(cx, family))
        }
        LoadMethod::PleskFirewall { .. } => Ok(()),
    }
}

/// Loads a script of nftables from a file, since old versions read nothing else.
pub(super) fn script_of_nft(
    cx: &mut LoadContext<'_>,
    nft: &HostPath,
    name: &str,
    script: &str,
) -> Result<(), ApplyFailure> {
    let path = boot::state(name);
    let arguments = vec!["-f".to_owned(), path.to_string()];
    let command = (cx.loader).starts(HostCommand::new(nft.clone(), arguments, cx.deadline));
    let acts = [
        HostOperation::Save { path, bytes: script.as_bytes().to_vec() },
        HostOperation::Run(command.clone()),
    ];
    let written = cx.host.write(&acts, &[])?;
    judge(&command, written.done.get(1))
}

fn family_of_iptables(cx: &mut LoadContext<'_>, family: &FamilyLoadMethod) -> Result<(), ApplyFailure> {
    let Some(script) = &family.script else {
        return Ok(());
    };
    script_of_iptables(cx, &family.restore, script)
}

/// Loads a script of iptables; other rules stay. Tries again as long as somebody else holds the lock of
/// iptables: exit code 4 (iptables(8)).
pub(super) fn script_of_iptables(
    cx: &mut LoadContext<'_>,
    restore: &HostPath,
    script: &str,
) -> Result<(), ApplyFailure> {
    const BUSY: CommandEnding = CommandEnding::Code(4);
    let command = HostCommand::new(restore.clone(), vec!["--noflush".to_owned()], cx.deadline);
    let mut command = cx.loader.starts(command);
    command.input = script.as_bytes().to_vec();
    let mut tries = LOCK_TRIES;
    loop {
        let written = cx.host.write(&[HostOperation::Run(command.clone())], &[])?;
        let done = written.done.first();
        let Err(failed) = judge(&command, done) else {
            return Ok(());
        };
        match done {
            Some(OperationResult::Ran(CommandOutput { end: BUSY, .. })) if tries > 0 => {
                tries -= 1;
                pause(cx.host)?;
            }
            Some(OperationResult::Ran(_) | OperationResult::Quietly | OperationResult::Awaited(_)) | None => {
                return Err(failed);
            }
        }
    }
}

/// Lets a second pass.
pub(super) fn pause(host: &mut dyn WriteHost) -> Result<(), ApplyFailure> {
    let command = HostCommand::new(known("/bin/sleep"), vec!["1".to_owned()], Duration::from_secs(10));
    let _written = host.write(&[HostOperation::Run(command)], &[])?;
    Ok(())
}

/// One change of a rule of Plesk's firewall; its list replaces the old one, and is never empty.
pub(super) fn set_rule(command: &HostCommand, change: &PleskRuleChange) -> HostCommand {
    let action = match change.action {
        PleskRuleAction::Allow => "allow",
        PleskRuleAction::Deny => "deny",
    };
    let mut words = vec!["--set-rule", "-id", change.id.as_str(), "-action", action];
    let list = change.from.as_ref().map(|from| {
        let networks: Vec<String> = from.iter().map(|network| network.to_string()).collect();
        networks.join(",")
    });
    if let Some(list) = &list {
        words.extend(["-remote-addresses", list]);
    }
    extended(command, &words)
}

/// The vendor's command with more arguments.
fn extended(command: &HostCommand, words: &[&str]) -> HostCommand {
    let mut command = command.clone();
    (command.arguments).extend(words.iter().map(|&word| word.to_owned()));
    command
}

/// The same with the ssh connection that it looks at: mailward gives its commands no other variable of its
/// own session.
pub(super) fn with(command: &HostCommand, words: &[&str], client: &str) -> HostCommand {
    let mut command = extended(command, words);
    command.environment.push(("SSH_CLIENT".to_owned(), client.to_owned()));
    command
}

/// Runs a command that must end with 0.
pub(super) fn run(host: &mut dyn WriteHost, command: HostCommand) -> Result<(), ApplyFailure> {
    let written = host.write(&[HostOperation::Run(command.clone())], &[])?;
    judge(&command, written.done.first())
}

/// Whether a command ended with 0.
pub(super) fn judge(command: &HostCommand, done: Option<&OperationResult>) -> Result<(), ApplyFailure> {
    match done {
        Some(OperationResult::Ran(CommandOutput { end: CommandEnding::Code(0), .. })) => Ok(()),
        Some(OperationResult::Ran(output)) => Err(failed_command(command, output).into()),
        Some(OperationResult::Quietly | OperationResult::Awaited(_)) | None => {
            Err(Diagnostic::new(format!("it is not known what became of {}", command.program)).into())
        }
    }
}

//! Turns acts into calls, and what the calls say into results. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use super::ask::{run, seconds};
use super::reply::{OperationAnswer, ReplyReader};
use super::words::{CallWord, ShellCall};
use crate::host::{
    Digest, FileReplacement, HostOperation, OperationError, OperationResult, WaitCondition, rules,
};
use crate::model::HostPath;

/// The calls for acts, up to the first that cannot be done: then also why.
pub(super) fn calls(
    acts: &[HostOperation],
    seen: &BTreeMap<HostPath, Vec<u8>>,
) -> (Vec<ShellCall>, Option<OperationError>) {
    let mut calls = Vec::with_capacity(acts.len());
    // What earlier acts of the same batch leave behind.
    let mut written: BTreeMap<&HostPath, &[u8]> = BTreeMap::new();
    for act in acts {
        let call = match act {
            HostOperation::Replace(change) => {
                let now = written.get(&change.path).copied();
                let now = now.or_else(|| seen.get(&change.path).map(Vec::as_slice));
                written.insert(&change.path, &change.bytes);
                replace(change, now)
            }
            HostOperation::Save { path, bytes } => rules::may_save(path).map(|()| {
                let call = ShellCall::new("save").word(path).word(&temporary(path));
                call.word(CallWord::Content(bytes))
            }),
            HostOperation::Put { path, bytes, mode } => rules::may_put(path).map(|()| {
                let call = ShellCall::new("put").word(path).word(&temporary(path));
                let mode = format!("{:o}", mode.bits());
                call.word(&mode).word(CallWord::Content(bytes))
            }),
            HostOperation::Remove(path) => {
                rules::may_remove(path).map(|()| ShellCall::new("remove").word(path))
            }
            HostOperation::Decide { from, to } => {
                rules::may_decide(from, to).map(|()| ShellCall::new("decide").word(from).word(to))
            }
            HostOperation::Run(command) => Ok(run(command).acted()),
            HostOperation::Signal(id, signal) => {
                Ok(ShellCall::new("signal").word(signal.name()).process(*id))
            }
            HostOperation::Await(condition, longest) => await_(condition, *longest),
        };
        match call {
            Ok(call) => calls.push(call),
            Err(error) => return (calls, Some(error)),
        }
    }
    (calls, None)
}

/// Files that were never read cannot be told from a missing one here; the host can.
fn replace(change: &FileReplacement, now: Option<&[u8]>) -> Result<ShellCall, OperationError> {
    let FileReplacement { path, before, bytes } = change;
    let now = match now {
        Some(now) if Digest::of(now) == *before => now,
        Some(_) => return Err(OperationError::Changed),
        // It is no file: what it is instead is the reason that the host gives.
        None => &[],
    };
    Ok(ShellCall::new("replace")
        .word(path)
        .word(&temporary(path))
        .word(CallWord::Content(now))
        .word(CallWord::Content(bytes)))
}

fn temporary(path: &HostPath) -> String {
    let folder = path.parent();
    let folder = folder.as_ref().map_or("", HostPath::as_str);
    format!("{folder}/{}", FileReplacement::temporary(path))
}

fn await_(condition: &WaitCondition, longest: Duration) -> Result<ShellCall, OperationError> {
    let call = ShellCall::new("await").word(seconds(longest.min(rules::LONGEST_WAIT)));
    Ok(match condition {
        WaitCondition::Gone(ids) => ids.iter().fold(call.word("gone"), |call, id| call.process(*id)),
        WaitCondition::Serving { program, arguments } => {
            if arguments.iter().flatten().any(|text| text.contains(['\n', '\0'])) {
                let why = "an argument of more than one line cannot be looked for";
                return Err(OperationError::System(std::io::Error::other(why)));
            }
            arguments.iter().fold(call.word("serving").word(*program), |call, list| {
                call.word(list.len() as u64).words(list)
            })
        }
        WaitCondition::Grown { path, beyond, end } => {
            call.word("grown").word(path).word(*beyond).word(end.trim_ascii_end())
        }
    })
}

/// How long the host may be silent while it acts.
pub(super) fn busy(acts: &[HostOperation]) -> Duration {
    acts.iter()
        .map(|act| match act {
            HostOperation::Run(command) => command.deadline.min(rules::LONGEST_WAIT),
            HostOperation::Await(_, longest) => (*longest).min(rules::LONGEST_WAIT),
            HostOperation::Replace(_) | HostOperation::Save { .. } | HostOperation::Put { .. } => {
                Duration::ZERO
            }
            HostOperation::Remove(_) | HostOperation::Decide { .. } | HostOperation::Signal(..) => {
                Duration::ZERO
            }
        })
        .sum()
}

/// What became of each act, or the place of the one that failed and why.
pub(super) fn results(
    reader: &mut ReplyReader<'_>,
    acts: &[HostOperation],
) -> Result<Vec<OperationResult>, (usize, OperationError)> {
    acts.iter()
        .enumerate()
        .map(|(index, act)| {
            result(reader, act).map_err(|error| {
                let error = match error {
                    OperationAnswer::By(error) => error,
                    OperationAnswer::Unclear(why) => OperationError::After(why),
                };
                (index, error)
            })
        })
        .collect()
}

/// How many acts are known to be done from the beginning of a reply.
pub(super) fn count_done(mut reader: ReplyReader<'_>, acts: &[HostOperation]) -> usize {
    acts.iter().take_while(|act| result(&mut reader, act).is_ok()).count()
}

fn result(reader: &mut ReplyReader<'_>, act: &HostOperation) -> Result<OperationResult, OperationAnswer> {
    let done = match act {
        HostOperation::Run(_) => OperationResult::Ran(reader.output().map_err(OperationAnswer::of)?),
        HostOperation::Await(..) => OperationResult::Awaited(reader.awaited()?),
        HostOperation::Replace(_) | HostOperation::Save { .. } | HostOperation::Put { .. } => {
            OperationResult::Quietly
        }
        HostOperation::Remove(_) | HostOperation::Decide { .. } | HostOperation::Signal(..) => {
            OperationResult::Quietly
        }
    };
    reader.acted()?;
    Ok(done)
}

//! Turns acts into calls, and what the calls say into results. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use super::ask::{run, seconds};
use super::reply::{Reader, Refused};
use super::words::{Call, Word};
use crate::host::{Act, ActError, Condition, Digest, Done, Replace, rules};
use crate::model::HostPath;

/// The calls for acts, up to the first that cannot be done: then also why.
pub(super) fn calls(
    acts: &[Act],
    seen: &BTreeMap<HostPath, Vec<u8>>,
) -> (Vec<Call>, Option<ActError>) {
    let mut calls = Vec::with_capacity(acts.len());
    // What earlier acts of the same batch leave behind.
    let mut written: BTreeMap<&HostPath, &[u8]> = BTreeMap::new();
    for act in acts {
        let call = match act {
            Act::Replace(change) => {
                let now = written.get(&change.path).copied();
                let now = now.or_else(|| seen.get(&change.path).map(Vec::as_slice));
                written.insert(&change.path, &change.bytes);
                replace(change, now)
            }
            Act::Save { path, bytes } => rules::may_save(path).map(|()| {
                let call = Call::new("save").word(path).word(&temporary(path));
                call.word(Word::Content(bytes))
            }),
            Act::Put { path, bytes, mode } => rules::may_put(path).map(|()| {
                let call = Call::new("put").word(path).word(&temporary(path));
                let mode = format!("{:o}", mode.bits());
                call.word(&mode).word(Word::Content(bytes))
            }),
            Act::Remove(path) => rules::may_remove(path).map(|()| Call::new("remove").word(path)),
            Act::Decide { from, to } => {
                rules::may_decide(from, to).map(|()| Call::new("decide").word(from).word(to))
            }
            Act::Run(command) => Ok(run(command).acted()),
            Act::Signal(id, signal) => Ok(Call::new("signal").word(signal.name()).process(*id)),
            Act::Await(condition, longest) => await_(condition, *longest),
        };
        match call {
            Ok(call) => calls.push(call),
            Err(error) => return (calls, Some(error)),
        }
    }
    (calls, None)
}

/// Files that were never read cannot be told from a missing one here; the host can.
fn replace(change: &Replace, now: Option<&[u8]>) -> Result<Call, ActError> {
    let Replace {
        path,
        before,
        bytes,
    } = change;
    let now = match now {
        Some(now) if Digest::of(now) == *before => now,
        Some(_) => return Err(ActError::Changed),
        // It is no file: what it is instead is the reason that the host gives.
        None => &[],
    };
    Ok(Call::new("replace")
        .word(path)
        .word(&temporary(path))
        .word(Word::Content(now))
        .word(Word::Content(bytes)))
}

fn temporary(path: &HostPath) -> String {
    let folder = path.parent();
    let folder = folder.as_ref().map_or("", HostPath::as_str);
    format!("{folder}/{}", Replace::temporary(path))
}

fn await_(condition: &Condition, longest: Duration) -> Result<Call, ActError> {
    let call = Call::new("await").word(seconds(longest.min(rules::LONGEST_WAIT)));
    Ok(match condition {
        Condition::Gone(ids) => ids
            .iter()
            .fold(call.word("gone"), |call, id| call.process(*id)),
        Condition::Serving { program, arguments } => {
            if arguments
                .iter()
                .flatten()
                .any(|text| text.contains(['\n', '\0']))
            {
                let why = "an argument of more than one line cannot be looked for";
                return Err(ActError::System(std::io::Error::other(why)));
            }
            arguments
                .iter()
                .fold(call.word("serving").word(*program), |call, list| {
                    call.word(list.len() as u64).words(list)
                })
        }
        Condition::Grown { path, beyond, end } => call
            .word("grown")
            .word(path)
            .word(*beyond)
            .word(end.trim_ascii_end()),
    })
}

/// How long the host may be silent while it acts.
pub(super) fn busy(acts: &[Act]) -> Duration {
    acts.iter()
        .map(|act| match act {
            Act::Run(command) => command.deadline.min(rules::LONGEST_WAIT),
            Act::Await(_, longest) => (*longest).min(rules::LONGEST_WAIT),
            Act::Replace(_) | Act::Save { .. } | Act::Put { .. } => Duration::ZERO,
            Act::Remove(_) | Act::Decide { .. } | Act::Signal(..) => Duration::ZERO,
        })
        .sum()
}

/// What became of each act, or the place of the one that failed and why.
pub(super) fn results(
    reader: &mut Reader<'_>,
    acts: &[Act],
) -> Result<Vec<Done>, (usize, ActError)> {
    acts.iter()
        .enumerate()
        .map(|(index, act)| {
            result(reader, act).map_err(|error| {
                let error = match error {
                    Refused::By(error) => error,
                    Refused::Unclear(why) => ActError::After(why),
                };
                (index, error)
            })
        })
        .collect()
}

/// How many acts are known to be done from the beginning of a reply.
pub(super) fn count_done(mut reader: Reader<'_>, acts: &[Act]) -> usize {
    acts.iter()
        .take_while(|act| result(&mut reader, act).is_ok())
        .count()
}

fn result(reader: &mut Reader<'_>, act: &Act) -> Result<Done, Refused> {
    let done = match act {
        Act::Run(_) => Done::Ran(reader.output().map_err(Refused::of)?),
        Act::Await(..) => Done::Awaited(reader.awaited()?),
        Act::Replace(_) | Act::Save { .. } | Act::Put { .. } => Done::Quietly,
        Act::Remove(_) | Act::Decide { .. } | Act::Signal(..) => Done::Quietly,
    };
    reader.acted()?;
    Ok(done)
}

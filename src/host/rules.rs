//! The rules that every host follows alike, so that a plan made in memory means the same on a machine.
//!
//! Pure: nothing here reads or writes anything.

use std::time::Duration;

use super::{
    CommandEnding, FileFound, FileReplacement, HostCommand, HostError, HostOperation, INIT_SCRIPT,
    OperationError, OperationFailed, PathExistence, Process, ProcessId, ReadReply, SERVICE_UNIT,
    SHARED_WINDOW, STATE, WINDOWS,
};
use crate::model::HostPath;

/// The largest file that is read, in bytes.
pub(super) const FILE_CAP: u64 = 64 * 1024 * 1024;

/// The longest that anything is waited for: a day, so that no sum of times overflows.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// Why a file above [`FILE_CAP`] is not read.
pub(super) const TOO_LARGE: &str = "larger than 64 MiB";

/// Whether a reply speaks of something that is there, as [`super::Request::FirstOf`] asks.
pub(super) fn is_there(reply: &ReadReply) -> bool {
    match reply {
        ReadReply::File(FileFound::Missing) | ReadReply::Exists(PathExistence::Missing) => false,
        ReadReply::File(FileFound::File(_) | FileFound::NotRegular | FileFound::Unreadable(_)) => true,
        ReadReply::Exists(
            PathExistence::File(_) | PathExistence::Folder | PathExistence::Other | PathExistence::Unknown(_),
        ) => true,
        ReadReply::Folder(names) => !matches!(names, Ok(None)),
        ReadReply::FirstOf(first) => first.is_some(),
        ReadReply::Processes(processes) => !processes.is_empty(),
        ReadReply::Output(output) => output.end != CommandEnding::NotStarted,
        ReadReply::Now(_) | ReadReply::Paused | ReadReply::Connection(_) => true,
    }
}

/// The processes that serve: for each argument list those that have all of it and listen; `None` if one has
/// nobody.
///
/// A process whose ports cannot be read does not count.
pub(super) fn serving(processes: &[Process], arguments: &[Vec<String>]) -> Option<Vec<Vec<ProcessId>>> {
    arguments
        .iter()
        .map(|wanted| {
            let ids: Vec<ProcessId> = processes
                .iter()
                .filter(|process| process.may_be_roots())
                .filter(|process| process.ports.as_ref().is_some_and(|ports| !ports.is_empty()))
                .filter(|process| {
                    wanted.iter().all(|text| process.argv.iter().any(|word| word == text.as_bytes()))
                })
                .map(|process| process.id)
                .collect();
            (!ids.is_empty()).then_some(ids)
        })
        .collect()
}

/// Whether, for each argument list, one of those who served before still does.
pub(super) fn still_serving(before: &[Vec<ProcessId>], now: &[Vec<ProcessId>]) -> bool {
    before.iter().zip(now).all(|(before, now)| before.iter().any(|id| now.contains(id)))
}

/// Whether what came to a file ends with `end`, blank lines aside; nothing new is never enough.
pub(super) fn ends_with(new: &[u8], end: &str) -> bool {
    !new.is_empty() && new.trim_ascii_end().ends_with(end.trim_ascii_end().as_bytes())
}

/// Why a command cannot be started with these arguments and variables, if so.
pub(super) fn may_run(command: &HostCommand) -> Result<(), &'static str> {
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    if command.arguments.iter().any(|text| text.contains('\0')) {
        return Err("an argument holds a NUL byte");
    }
    for (name, value) in &command.environment {
        if !is_name(name) {
            return Err("a variable's name is not of capital letters");
        } else if ["PATH", "HOME", "LC_ALL", "MAILWARD_ROOT"].contains(&name.as_str()) {
            return Err("a variable is one that every command has");
        } else if value.contains('\0') {
            return Err("a variable holds a NUL byte");
        }
    }
    Ok(())
}

/// The most that is shown of what a lock's holder wrote, in characters.
pub(super) const HOLDER_CAP: usize = 200;

/// What a lock's holder wrote of itself, harmless for a terminal.
pub(super) fn holder(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default().trim();
    if line.is_empty() {
        return "it has not said who it is".to_owned();
    }
    line.chars()
        .take(HOLDER_CAP)
        .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
        .collect()
}

/// Digits of a window's id.
const ID: usize = 32;

/// Whether this folder is that of one window: named by its id, in memory or, where there is no such place,
/// below [`STATE`].
pub(super) fn is_checkpoint(path: &str) -> bool {
    let on_disk = format!("{STATE}/access/");
    let in_memory = format!("{WINDOWS}/");
    let id = (path.strip_prefix(&in_memory))
        .or_else(|| path.strip_prefix(SHARED_WINDOW))
        .or_else(|| path.strip_prefix(&on_disk));
    id.is_some_and(|id| id.len() == ID && id.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')))
}

/// Whether everything in this folder is mailward's own, which nobody else may look at.
pub(super) fn is_private(path: &str) -> bool {
    path.starts_with(STATE) || path == WINDOWS || is_checkpoint(path)
}

/// Whether this is what makes systemd keep a window's watch: its unit, or the link that a start of the user
/// space follows.
fn is_watch(path: &HostPath) -> bool {
    let (units, links) = ("/run/systemd/system/", "/run/systemd/system/sysinit.target.wants/");
    let text = path.as_str();
    (text.strip_prefix(links).or_else(|| text.strip_prefix(units)))
        .and_then(|name| name.strip_prefix("mailward-revert-"))
        .and_then(|name| name.strip_suffix(".service"))
        .is_some_and(|id| is_checkpoint(&format!("{WINDOWS}/{id}")))
}

/// What may be saved: below [`STATE`], the lock apart, and in the folder of a window.
pub(super) fn may_save(path: &HostPath) -> Result<(), OperationError> {
    if path.parent().is_some_and(|folder| is_checkpoint(folder.as_str())) {
        return Ok(());
    }
    let below = path.as_str().strip_prefix(STATE).and_then(|rest| rest.strip_prefix('/'));
    match below {
        None => Err(OperationError::NotReplaced("outside mailward's own folder")),
        Some("lock") => Err(OperationError::NotReplaced("the lock")),
        Some(_) => Ok(()),
    }
}

/// What may be put outside [`STATE`].
pub(super) fn may_put(path: &HostPath) -> Result<(), OperationError> {
    if [SERVICE_UNIT, INIT_SCRIPT].contains(&path.as_str()) {
        Ok(())
    } else {
        Err(OperationError::NotReplaced("not a file that mailward puts there"))
    }
}

/// What may be removed: what may be saved or put, a window's own folder and unit, and a
/// [`FileReplacement::temporary`] that a killed run left anywhere.
pub(super) fn may_remove(path: &HostPath) -> Result<(), OperationError> {
    let name = path.name();
    let left_over = name
        .strip_prefix('.')
        .and_then(|rest| rest.strip_suffix(".mailward"))
        .is_some_and(|target| !target.is_empty());
    if left_over || may_put(path).is_ok() || is_checkpoint(path.as_str()) || is_watch(path) {
        Ok(())
    } else {
        may_save(path).map_err(|refusal| match refusal {
            OperationError::NotReplaced("the lock") => OperationError::NotReplaced("the lock"),
            OperationError::NotReplaced(_)
            | OperationError::System(_)
            | OperationError::Changed
            | OperationError::Gone
            | OperationError::NoProcess
            | OperationError::NoStandIn(_)
            | OperationError::UnseenMetadata
            | OperationError::Lost(_)
            | OperationError::After(_) => OperationError::NotReplaced("not mailward's own file"),
        })
    }
}

/// What may be decided by giving a file another name: what may be saved, within one folder.
///
/// Two folders may be two file systems, between which `mv` copies; and a name given to itself decides
/// nothing.
pub(super) fn may_decide(from: &HostPath, to: &HostPath) -> Result<(), OperationError> {
    may_save(from)?;
    may_save(to)?;
    if from == to || from.parent() != to.parent() {
        return Err(OperationError::NotReplaced("not another name in the same folder"));
    }
    Ok(())
}

/// What an act was about, for the message when it fails.
pub(super) fn attempt(act: &HostOperation) -> String {
    match act {
        HostOperation::Replace(FileReplacement { path, .. }) => format!("cannot replace {path}"),
        HostOperation::Save { path, .. } => format!("cannot save {path}"),
        HostOperation::Put { path, .. } => format!("cannot write {path}"),
        HostOperation::Remove(path) => format!("cannot remove {path}"),
        HostOperation::Decide { from, to } => format!("cannot rename {from} to {to}"),
        HostOperation::Run(command) => format!("cannot run {}", command.program),
        HostOperation::Signal(id, signal) => {
            format!("cannot send {} to process {}", signal.name(), id.pid)
        }
        HostOperation::Await(..) => "cannot wait for the services".to_owned(),
    }
}

/// The failure of a batch whose acts are done but whose requests cannot be answered.
pub(super) fn unread(acts: usize, error: &HostError) -> OperationFailed {
    use std::error::Error as _;
    let mut why = error.to_string();
    if let Some(source) = error.source() {
        why = format!("{why}: {source}");
    }
    OperationFailed {
        index: acts,
        what: "cannot read the state afterwards".to_owned(),
        source: OperationError::After(why),
    }
}

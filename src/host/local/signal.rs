//! Sends a signal to one certain process, or lets a stand-in answer; under a root no real process is ever
//! signalled.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, kill_process, pidfd_open, pidfd_send_signal};

use super::tree::{LastLink, PathRoot};
use super::{command, processes};
use crate::host::{CommandEnding, HostCommand, OperationError, ProcessId, ProcessSignal};
use crate::model::HostPath;

/// How long a stand-in may take.
const STAND_IN_DEADLINE: Duration = Duration::from_secs(10);

pub(super) fn send(tree: &PathRoot, id: ProcessId, signal: ProcessSignal) -> Result<(), OperationError> {
    match tree {
        PathRoot::Machine => send_real(tree, id, signal),
        PathRoot::Below(_) => send_to_stand_in(tree, id, signal),
    }
}

fn send_real(tree: &PathRoot, id: ProcessId, signal: ProcessSignal) -> Result<(), OperationError> {
    let pid = i32::try_from(id.pid).ok().filter(|&pid| pid > 0).and_then(Pid::from_raw);
    let pid = pid.ok_or(OperationError::NoProcess)?;
    // Opened first: if the process that is looked at next is the right one, so is this.
    let handle = open(pid)?;
    check(tree, id)?;
    let number = match signal {
        ProcessSignal::Hangup => rustix::process::Signal::HUP,
        ProcessSignal::User1 => rustix::process::Signal::USR1,
    };
    let sent = match handle.map(|handle| pidfd_send_signal(handle, number)) {
        None | Some(Err(Errno::NOSYS)) => kill_process(pid, number),
        Some(sent) => sent,
    };
    sent.map_err(|error| match error {
        Errno::SRCH => OperationError::NoProcess,
        error => OperationError::System(error.into()),
    })
}

/// A handle that stays with the process; `None` where the kernel (before 5.3) or a filter has none.
fn open(pid: Pid) -> Result<Option<OwnedFd>, OperationError> {
    match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(handle) => Ok(Some(handle)),
        Err(Errno::SRCH) => Err(OperationError::NoProcess),
        Err(_) => Ok(None),
    }
}

fn check(tree: &PathRoot, id: ProcessId) -> Result<(), OperationError> {
    match processes::is_alive(tree, id) {
        Ok(true) => Ok(()),
        Ok(false) => Err(OperationError::NoProcess),
        Err(error) => Err(OperationError::System(std::io::Error::other(error))),
    }
}

fn send_to_stand_in(tree: &PathRoot, id: ProcessId, signal: ProcessSignal) -> Result<(), OperationError> {
    check(tree, id)?;
    let path = format!("/proc/{}/on-signal", id.pid);
    match tree.find(path.as_bytes(), LastLink::Follow) {
        Ok(_) => {}
        Err(Errno::NOENT) => return Err(OperationError::NoStandIn(path)),
        Err(error) => return Err(OperationError::System(error.into())),
    }
    let output = command::run(
        tree,
        &HostCommand::new(
            HostPath::new(path).map_err(std::io::Error::other)?,
            vec![signal.name().to_owned()],
            STAND_IN_DEADLINE,
        ),
    )?;
    let failed = |how: String| Err(std::io::Error::other(format!("its on-signal {how}")).into());
    match output.end {
        CommandEnding::Code(0) => Ok(()),
        CommandEnding::Code(code) => failed(format!("ended with exit code {code}")),
        CommandEnding::Signal(number) => failed(format!("was ended by signal {number}")),
        CommandEnding::TimedOut => failed("did not end in time".to_owned()),
        CommandEnding::NotStarted => {
            failed(format!("did not start: {}", String::from_utf8_lossy(&output.stderr)))
        }
    }
}

//! Sends a signal to one certain process, or lets a stand-in answer; under a root no real process is ever signalled.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, kill_process, pidfd_open, pidfd_send_signal};

use super::tree::{Last, Tree};
use super::{command, processes};
use crate::host::{ActError, Command, End, ProcessId, Signal};
use crate::model::HostPath;

/// How long a stand-in may take.
const STAND_IN_DEADLINE: Duration = Duration::from_secs(10);

pub(super) fn send(tree: &Tree, id: ProcessId, signal: Signal) -> Result<(), ActError> {
    match tree {
        Tree::Machine => send_real(tree, id, signal),
        Tree::Below(_) => send_to_stand_in(tree, id, signal),
    }
}

fn send_real(tree: &Tree, id: ProcessId, signal: Signal) -> Result<(), ActError> {
    let pid = i32::try_from(id.pid)
        .ok()
        .filter(|&pid| pid > 0)
        .and_then(Pid::from_raw);
    let pid = pid.ok_or(ActError::NoProcess)?;
    // Opened first: if the process that is looked at next is the right one, so is this.
    let handle = open(pid)?;
    check(tree, id)?;
    let number = match signal {
        Signal::Hangup => rustix::process::Signal::HUP,
        Signal::User1 => rustix::process::Signal::USR1,
    };
    let sent = match handle.map(|handle| pidfd_send_signal(handle, number)) {
        None | Some(Err(Errno::NOSYS)) => kill_process(pid, number),
        Some(sent) => sent,
    };
    sent.map_err(|error| match error {
        Errno::SRCH => ActError::NoProcess,
        error => ActError::System(error.into()),
    })
}

/// A handle that stays with the process; `None` where the kernel (before 5.3) or a filter has none.
fn open(pid: Pid) -> Result<Option<OwnedFd>, ActError> {
    match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(handle) => Ok(Some(handle)),
        Err(Errno::SRCH) => Err(ActError::NoProcess),
        Err(_) => Ok(None),
    }
}

fn check(tree: &Tree, id: ProcessId) -> Result<(), ActError> {
    match processes::is_alive(tree, id) {
        Ok(true) => Ok(()),
        Ok(false) => Err(ActError::NoProcess),
        Err(error) => Err(ActError::System(std::io::Error::other(error))),
    }
}

fn send_to_stand_in(tree: &Tree, id: ProcessId, signal: Signal) -> Result<(), ActError> {
    check(tree, id)?;
    let path = format!("/proc/{}/on-signal", id.pid);
    match tree.find(path.as_bytes(), Last::Follow) {
        Ok(_) => {}
        Err(Errno::NOENT) => return Err(ActError::NoStandIn(path)),
        Err(error) => return Err(ActError::System(error.into())),
    }
    let output = command::run(
        tree,
        &Command::new(
            HostPath::new(path).map_err(std::io::Error::other)?,
            vec![signal.name().to_owned()],
            STAND_IN_DEADLINE,
        ),
    )?;
    let failed = |how: String| Err(std::io::Error::other(format!("its on-signal {how}")).into());
    match output.end {
        End::Code(0) => Ok(()),
        End::Code(code) => failed(format!("ended with exit code {code}")),
        End::Signal(number) => failed(format!("was ended by signal {number}")),
        End::TimedOut => failed("did not end in time".to_owned()),
        End::NotStarted => failed(format!(
            "did not start: {}",
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}

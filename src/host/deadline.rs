//! How long a run may take in all, for those who wait for a host and those who begin steps.
//!
//! Before anything is changed no wait goes beyond it, be it one for an answer or for what a daemon does. From
//! the first change on it cuts nothing: what was begun is brought to its end or undone, in time of its own,
//! of which each command has its own limit, and only no further step begins.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{
    HostError, HostOperation, OperationError, OperationFailed, OperationResults, ReadHost, ReadReply,
    ReadRequest, WriteHost,
};

/// The time of one run; all copies are one.
#[derive(Debug, Clone)]
pub struct Deadline(Arc<RunTime>);

#[derive(Debug)]
struct RunTime {
    whole: Duration,
    began: Instant,
    /// Milliseconds that do not count.
    waited: AtomicU64,
    changes: AtomicBool,
}

impl Deadline {
    /// A run that begins now and may take so long.
    #[must_use]
    pub fn new(whole: Duration) -> Self {
        Self(Arc::new(RunTime {
            whole,
            began: Instant::now(),
            waited: AtomicU64::new(0),
            changes: AtomicBool::new(false),
        }))
    }

    /// A run that may take any time.
    #[must_use]
    pub fn none() -> Self {
        Self::new(Duration::MAX)
    }

    /// How long it may take in all, in seconds.
    #[must_use]
    pub fn seconds(&self) -> u64 {
        self.0.whole.as_secs()
    }

    /// What is left of it.
    #[must_use]
    pub fn left(&self) -> Duration {
        let waited = Duration::from_millis(self.0.waited.load(Ordering::Relaxed));
        let taken = self.0.began.elapsed().saturating_sub(waited);
        self.0.whole.saturating_sub(taken)
    }

    /// Whether nothing is left of it.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.left().is_zero()
    }

    /// How long a wait may still take; none where it cuts nothing any more.
    #[must_use]
    pub fn cuts(&self) -> Option<Duration> {
        (!self.0.changes.load(Ordering::Relaxed)).then(|| self.left())
    }

    /// From here on something is changed, and no wait is cut.
    pub fn changes_begin(&self) {
        self.0.changes.store(true, Ordering::Relaxed);
    }

    /// Does what does not count, such as waiting for a person's answer.
    pub fn without<R>(&self, act: impl FnOnce() -> R) -> R {
        let began = Instant::now();
        let result = act();
        let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.waited.fetch_add(took, Ordering::Relaxed);
        result
    }
}

/// A host that is asked nothing once the run's time is up.
pub struct LimitedHost {
    host: Box<dyn WriteHost>,
    deadline: Deadline,
}

impl LimitedHost {
    /// The host, for one run.
    #[must_use]
    pub fn new(host: Box<dyn WriteHost>, deadline: Deadline) -> Self {
        Self { host, deadline }
    }

    fn in_time(&self) -> Result<Option<Duration>, HostError> {
        match self.deadline.cuts() {
            Some(left) if left.is_zero() => Err(HostError::Late { seconds: self.deadline.seconds() }),
            left => Ok(left),
        }
    }
}

impl ReadHost for LimitedHost {
    fn read(&self, requests: &[ReadRequest]) -> Result<Vec<ReadReply>, HostError> {
        match self.in_time()? {
            Some(left) => {
                let requests: Vec<ReadRequest> = requests.iter().map(|request| cut(request, left)).collect();
                self.host.read(&requests)
            }
            None => self.host.read(requests),
        }
    }

    fn lost(&self) -> Option<String> {
        self.host.lost()
    }
}

impl WriteHost for LimitedHost {
    fn lock(&mut self) -> Result<(), HostError> {
        self.in_time()?;
        self.host.lock()
    }

    fn changes(&mut self) {
        self.deadline.changes_begin();
    }

    fn write(
        &mut self,
        acts: &[HostOperation],
        then: &[ReadRequest],
    ) -> Result<OperationResults, OperationFailed> {
        if acts.iter().any(is_change) {
            self.changes();
        }
        let late = |error: HostError| OperationFailed {
            index: 0,
            what: "cannot go on".to_owned(),
            source: OperationError::After(error.to_string()),
        };
        match self.in_time().map_err(late)? {
            Some(left) => {
                let acts: Vec<HostOperation> = acts.iter().map(|act| in_so_long(act, left)).collect();
                let then: Vec<ReadRequest> = then.iter().map(|one| cut(one, left)).collect();
                self.host.write(&acts, &then)
            }
            None => self.host.write(acts, then),
        }
    }
}

/// Whether an act changes more than what mailward notes for itself, or waits for.
const fn is_change(act: &HostOperation) -> bool {
    match act {
        HostOperation::Replace(_)
        | HostOperation::Put { .. }
        | HostOperation::Decide { .. }
        | HostOperation::Run(_) => true,
        // A signal asks xinetd for its dump; one that has it read its files comes when a run has begun.
        HostOperation::Save { .. }
        | HostOperation::Remove(_)
        | HostOperation::Signal(..)
        | HostOperation::Await(..) => false,
    }
}

/// An act that waits no longer than this.
fn in_so_long(act: &HostOperation, left: Duration) -> HostOperation {
    match act {
        HostOperation::Await(condition, longest) => {
            HostOperation::Await(condition.clone(), (*longest).min(left))
        }
        HostOperation::Replace(_)
        | HostOperation::Save { .. }
        | HostOperation::Put { .. }
        | HostOperation::Remove(_)
        | HostOperation::Decide { .. }
        | HostOperation::Run(_)
        | HostOperation::Signal(..) => act.clone(),
    }
}

/// A request that takes no longer than this.
fn cut(request: &ReadRequest, left: Duration) -> ReadRequest {
    match request {
        ReadRequest::Output(command) if command.deadline > left => {
            let mut command = command.clone();
            command.deadline = left;
            ReadRequest::Output(command)
        }
        ReadRequest::FirstOf(choices) => {
            ReadRequest::FirstOf(choices.iter().map(|choice| cut(choice, left)).collect())
        }
        ReadRequest::Pause(pause) => ReadRequest::Pause((*pause).min(left)),
        ReadRequest::Output(_)
        | ReadRequest::File(_)
        | ReadRequest::Folder(_)
        | ReadRequest::Exists(_)
        | ReadRequest::Processes(_)
        | ReadRequest::Now
        | ReadRequest::Connection => request.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_count_is_not_taken_from_a_runs_time() {
        let deadline = Deadline::new(Duration::from_secs(1));
        deadline.without(|| std::thread::sleep(Duration::from_millis(1200)));
        assert!(!deadline.is_over());
        std::thread::sleep(Duration::from_millis(1100));
        assert!(deadline.is_over());
    }

    #[test]
    fn nothing_is_cut_once_something_is_changed() {
        let deadline = Deadline::new(Duration::ZERO);
        assert_eq!(deadline.cuts(), Some(Duration::ZERO));
        deadline.clone().changes_begin();
        assert_eq!(deadline.cuts(), None);
        assert!(deadline.is_over(), "no further step begins");
    }
}

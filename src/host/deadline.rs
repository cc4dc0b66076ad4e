//! How long a run may take in all, for those who wait for a host and those who begin steps.
//!
//! Before anything is changed no wait goes beyond it, be it one for an answer or for what a daemon does. From the first change on
//! it cuts nothing: what was begun is brought to its end or undone, in time of its own, of which each command has its own limit,
//! and only no further step begins.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{Act, ActError, ActFailed, HostError, ReadHost, Reply, Request, WriteHost, Written};

/// The time of one run; all copies are one.
#[derive(Debug, Clone)]
pub struct Deadline(Arc<Time>);

#[derive(Debug)]
struct Time {
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
        Self(Arc::new(Time {
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
pub struct Limited {
    host: Box<dyn WriteHost>,
    deadline: Deadline,
}

impl Limited {
    /// The host, for one run.
    #[must_use]
    pub fn new(host: Box<dyn WriteHost>, deadline: Deadline) -> Self {
        Self { host, deadline }
    }

    fn in_time(&self) -> Result<Option<Duration>, HostError> {
        match self.deadline.cuts() {
            Some(left) if left.is_zero() => Err(HostError::Late {
                seconds: self.deadline.seconds(),
            }),
            left => Ok(left),
        }
    }
}

impl ReadHost for Limited {
    fn read(&self, requests: &[Request]) -> Result<Vec<Reply>, HostError> {
        match self.in_time()? {
            Some(left) => {
                let requests: Vec<Request> =
                    requests.iter().map(|request| cut(request, left)).collect();
                self.host.read(&requests)
            }
            None => self.host.read(requests),
        }
    }

    fn lost(&self) -> Option<String> {
        self.host.lost()
    }
}

impl WriteHost for Limited {
    fn lock(&mut self) -> Result<(), HostError> {
        self.in_time()?;
        self.host.lock()
    }

    fn changes(&mut self) {
        self.deadline.changes_begin();
    }

    fn write(&mut self, acts: &[Act], then: &[Request]) -> Result<Written, ActFailed> {
        if acts.iter().any(is_change) {
            self.changes();
        }
        let late = |error: HostError| ActFailed {
            index: 0,
            what: "cannot go on".to_owned(),
            source: ActError::After(error.to_string()),
        };
        match self.in_time().map_err(late)? {
            Some(left) => {
                let acts: Vec<Act> = acts.iter().map(|act| in_so_long(act, left)).collect();
                let then: Vec<Request> = then.iter().map(|one| cut(one, left)).collect();
                self.host.write(&acts, &then)
            }
            None => self.host.write(acts, then),
        }
    }
}

/// Whether an act changes more than what mailward notes for itself, or waits for.
const fn is_change(act: &Act) -> bool {
    match act {
        Act::Replace(_) | Act::Put { .. } | Act::Decide { .. } | Act::Run(_) => true,
        // A signal asks xinetd for its dump; one that has it read its files comes when a run has begun.
        Act::Save { .. } | Act::Remove(_) | Act::Signal(..) | Act::Await(..) => false,
    }
}

/// An act that waits no longer than this.
fn in_so_long(act: &Act, left: Duration) -> Act {
    match act {
        Act::Await(condition, longest) => Act::Await(condition.clone(), (*longest).min(left)),
        Act::Replace(_)
        | Act::Save { .. }
        | Act::Put { .. }
        | Act::Remove(_)
        | Act::Decide { .. }
        | Act::Run(_)
        | Act::Signal(..) => act.clone(),
    }
}

/// A request that takes no longer than this.
fn cut(request: &Request, left: Duration) -> Request {
    match request {
        Request::Output(command) if command.deadline > left => {
            let mut command = command.clone();
            command.deadline = left;
            Request::Output(command)
        }
        Request::FirstOf(choices) => {
            Request::FirstOf(choices.iter().map(|choice| cut(choice, left)).collect())
        }
        Request::Pause(pause) => Request::Pause((*pause).min(left)),
        Request::Output(_)
        | Request::File(_)
        | Request::Folder(_)
        | Request::Exists(_)
        | Request::Processes(_)
        | Request::Now
        | Request::Connection => request.clone(),
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

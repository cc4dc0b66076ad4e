//! Waits, by looking again and again, until something is so or the time is up.

use std::os::unix::fs::FileExt as _;
use std::time::{Duration, Instant};

use rustix::fs::{FileType, OFlags};

use super::processes;
use super::tree::{LastLink, PathRoot};
use crate::host::{HostError, ProcessId, WaitCondition, WaitResult, rules};
use crate::model::HostPath;

/// The first and the longest sleep between two looks.
const SLEEP: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(100));

/// How long a process must go on serving. couriertcpd starts, and only then dies of an argument that it
/// dislikes.
const SETTLE: Duration = Duration::from_millis(200);

/// The most that is looked at of what came to a file, in bytes from its end.
const TAIL_CAP: u64 = 64 * 1024;

/// Waits; the moment that [`WaitCondition::Serving`] must last comes on top of `longest`.
pub(super) fn wait(
    tree: &PathRoot,
    condition: &WaitCondition,
    longest: Duration,
) -> Result<WaitResult, HostError> {
    let deadline = Instant::now() + longest.min(rules::LONGEST_WAIT);
    let mut sleep = SLEEP.0;
    loop {
        if holds(tree, condition)? {
            return Ok(WaitResult::InTime);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(WaitResult::TooLate);
        }
        std::thread::sleep(sleep.min(left));
        sleep = (sleep * 3 / 2).min(SLEEP.1);
    }
}

fn holds(tree: &PathRoot, condition: &WaitCondition) -> Result<bool, HostError> {
    match condition {
        WaitCondition::Gone(ids) => {
            for &id in ids {
                if processes::is_alive(tree, id)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        WaitCondition::Serving { program, arguments } => {
            let Some(before) = serving(tree, program, arguments)? else {
                return Ok(false);
            };
            std::thread::sleep(SETTLE);
            let now = serving(tree, program, arguments)?;
            Ok(now.is_some_and(|now| rules::still_serving(&before, &now)))
        }
        WaitCondition::Grown { path, beyond, end } => Ok(has_grown(tree, path, *beyond, end)),
    }
}

fn serving(
    tree: &PathRoot,
    program: &str,
    arguments: &[Vec<String>],
) -> Result<Option<Vec<Vec<ProcessId>>>, HostError> {
    Ok(rules::serving(&processes::list(tree, &[program])?, arguments))
}

/// A file that cannot be read has not grown.
fn has_grown(tree: &PathRoot, path: &HostPath, beyond: u64, end: &str) -> bool {
    let new = || -> std::io::Result<Vec<u8>> {
        let spot = tree.find(path.as_str().as_bytes(), LastLink::Follow)?;
        let size = u64::try_from(spot.stat.st_size).unwrap_or(0);
        if spot.kind() != FileType::RegularFile || size <= beyond {
            return Ok(Vec::new());
        }
        let file = std::fs::File::from(spot.open(OFlags::RDONLY | OFlags::NONBLOCK)?);
        let from = beyond.max(size.saturating_sub(TAIL_CAP));
        let mut bytes = vec![0; usize::try_from(size - from).unwrap_or(0)];
        file.read_exact_at(&mut bytes, from)?;
        Ok(bytes)
    };
    new().is_ok_and(|new| rules::ends_with(&new, end))
}

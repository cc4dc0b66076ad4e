//! Which boot a host is in, and since when, by what its kernel tells.

use crate::host::batch::{Answers, Batch, Ticket};
use crate::host::{FileFound, HostError, ReadHost};
use crate::model::known;

/// What a host's clocks say at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootClock {
    /// Tells one boot from another; none where the host does not tell.
    pub boot: Option<String>,
    /// Milliseconds since the boot, or since 1970 where the host does not tell.
    pub uptime: u64,
    /// Seconds since 1970.
    pub now: i64,
}

/// Requests for a [`BootClock`].
pub(crate) struct ClockTickets {
    boot: Ticket<FileFound>,
    first: Ticket<FileFound>,
    uptime: Ticket<FileFound>,
    now: Ticket<i64>,
}

impl BootClock {
    /// Reads the clocks alone.
    ///
    /// # Errors
    /// [`HostError`] when the host cannot be asked.
    pub(crate) fn read(host: &dyn ReadHost) -> Result<Self, HostError> {
        let mut batch = Batch::default();
        let tickets = Self::ask(&mut batch);
        tickets.clock(&mut batch.read(host)?)
    }

    /// Asks for the clocks.
    pub(crate) fn ask(batch: &mut Batch) -> ClockTickets {
        ClockTickets {
            boot: batch.file(known("/proc/sys/kernel/random/boot_id")),
            first: batch.file(known("/proc/1/stat")),
            uptime: batch.file(known("/proc/uptime")),
            now: batch.now(),
        }
    }
}

impl ClockTickets {
    pub(crate) fn clock(self, answers: &mut Answers) -> Result<BootClock, HostError> {
        let first = line(answers.take(self.first)?);
        let boot = line(answers.take(self.boot)?).map(|boot| boot_of(&boot, first.as_deref()));
        let uptime = line(answers.take(self.uptime)?);
        let now = answers.take(self.now)?;
        Ok(BootClock { boot, uptime: milliseconds(uptime.as_deref(), now), now })
    }
}

/// The first line of a file of the kernel, if it can be had.
fn line(found: FileFound) -> Option<String> {
    let FileFound::File(state) = found else {
        return None;
    };
    let text = String::from_utf8_lossy(&state.bytes).into_owned();
    (text.lines().next()).map(|line| line.trim().to_owned())
}

/// The kernel's boot and the start of the first process, in ticks since then: the 22nd field of its `stat`
/// (proc(5)), whose second may hold anything within parentheses.
fn boot_of(kernel: &str, first: Option<&str>) -> String {
    let start =
        first.and_then(|stat| stat.rsplit_once(')')).and_then(|(_, rest)| rest.split_whitespace().nth(19));
    match start {
        Some(start) => format!("{kernel}/{start}"),
        None => kernel.to_owned(),
    }
}

/// The first number of `/proc/uptime`, which has seconds with two decimals; without it the clock.
fn milliseconds(uptime: Option<&str>, now: i64) -> u64 {
    let seconds = uptime
        .and_then(|line| line.split_whitespace().next())
        .and_then(|number| number.split_once('.'))
        .and_then(|(whole, part)| {
            let hundredths: u64 = part.get(..2)?.parse().ok()?;
            Some(whole.parse::<u64>().ok()? * 1000 + hundredths * 10)
        });
    seconds.unwrap_or_else(|| u64::try_from(now).unwrap_or(0).saturating_mul(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_boots_on_a_kernel_that_goes_on() {
        let stat = "1 (a) b (c)) S 0 1 1 0 -1 4194560 9 8 7 6 5 4 3 2 20 0 1 0 4711 170000 99\n";
        assert_eq!(boot_of("6f", Some(stat)), "6f/4711");
        assert_eq!(boot_of("6f", None), "6f");
        assert_eq!(boot_of("6f", Some("1 (x")), "6f");
    }
}

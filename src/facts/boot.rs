//! Which boot a host is in, and since when, by what its kernel tells. Pure.

use crate::host::Found;

/// The first line of a file of the kernel, if it can be had.
pub(super) fn line(found: Found) -> Option<String> {
    let Found::File(state) = found else {
        return None;
    };
    let text = String::from_utf8_lossy(&state.bytes).into_owned();
    (text.lines().next()).map(|line| line.trim().to_owned())
}

/// The kernel's boot and the start of the first process, in ticks since then: the 22nd field of its `stat` (proc(5)), whose
/// second may hold anything within parentheses.
pub(super) fn boot_of(kernel: &str, first: Option<&str>) -> String {
    let start = first
        .and_then(|stat| stat.rsplit_once(')'))
        .and_then(|(_, rest)| rest.split_whitespace().nth(19));
    match start {
        Some(start) => format!("{kernel}/{start}"),
        None => kernel.to_owned(),
    }
}

/// The first number of `/proc/uptime`, which has seconds with two decimals; without it the clock.
pub(crate) fn milliseconds(uptime: Option<&str>, now: i64) -> u64 {
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

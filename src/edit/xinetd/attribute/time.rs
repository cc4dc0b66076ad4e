//! Times of day in `access_times`.

/// Whether xinetd takes an interval: `2:30-4:15`, the end behind the beginning.
pub(super) fn interval(text: &[u8]) -> bool {
    let start = text.iter().position(|&b| b != b' ').unwrap_or(text.len());
    let mut rest = &text[start..];
    let mut number = |stop: Option<u8>, most: u32| {
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        // The daemon's sum wraps where it gets too large; so does this one.
        let value = rest[..digits]
            .iter()
            .fold(0_i32, |sum, digit| sum.wrapping_mul(10).wrapping_add(i32::from(digit - b'0')));
        let stops = rest.get(digits).copied() == stop;
        rest = rest.get(digits + 1..).unwrap_or_default();
        u32::try_from(value).ok().filter(|value| stops && *value <= most)
    };
    let times = [number(Some(b':'), 23), number(Some(b'-'), 59), number(Some(b':'), 23), number(None, 59)];
    match times {
        [Some(from_hour), Some(from), Some(to_hour), Some(to)] => from_hour * 60 + from < to_hour * 60 + to,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_has_minutes_and_goes_forward() {
        for fine in ["2:30-4:15", "00:00-23:59", "2:-4:", ":-:1"] {
            assert!(interval(fine.as_bytes()), "{fine}");
        }
        for bad in ["9-17", "17:00-9:00", "9:00-9:00", "24:00-25:00", "9:60-10:00", "9:00-10:00x", "9:00"] {
            assert!(!interval(bad.as_bytes()), "{bad}");
        }
    }
}

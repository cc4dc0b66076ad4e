//! Numbers as xinetd reads them: C's `strto*`, cut to what the daemon keeps them in.

use crate::model::{ConnectionLimit, ConnectionRate};

use super::super::reader::is_space;
use super::is;

/// A limit's value as xinetd has it; none where it would not take the text.
///
/// It reads a `long` and keeps the low 32 bits.
pub(in super::super) fn count(text: &[u8]) -> Option<ConnectionLimit> {
    if is(text, "UNLIMITED") {
        return Some(ConnectionLimit::Unlimited);
    }
    u32::try_from(signed(text, 10)?).ok().map(ConnectionLimit::Number)
}

/// A rate as xinetd has it: unsigned numbers, of which it keeps the low 32 bits.
pub(in super::super) fn rate(values: &[&[u8]]) -> Option<ConnectionRate> {
    let [rate, pause] = values else { return None };
    Some(ConnectionRate { rate: unsigned(rate)?, pause: unsigned(pause)? })
}

/// A port as xinetd has it: `010` is 10.
pub(in super::super) fn port(text: &[u8]) -> Option<u16> {
    signed(text, 10).and_then(|port| u16::try_from(port).ok())
}

/// Whether the number in the text is larger than xinetd keeps.
pub(in super::super) fn wraps(text: &[u8]) -> bool {
    number(text, 10).is_some_and(|(_, magnitude)| magnitude > 0x7fff_ffff)
}

/// `strtol` cut to 32 bits; none where it fails or leaves text over.
pub(super) fn signed(text: &[u8], base: u32) -> Option<i32> {
    let (negative, magnitude) = number(text, base)?;
    let value = if negative { 0i128 - i128::from(magnitude) } else { i128::from(magnitude) };
    let value = i64::try_from(value).ok()?;
    #[expect(clippy::cast_possible_truncation, reason = "xinetd stores a long in an int")]
    let kept = value as i32;
    Some(kept)
}

/// `strtoull` cut to 32 bits; it takes a minus sign and wraps.
pub(super) fn unsigned(text: &[u8]) -> Option<u32> {
    let (negative, magnitude) = number(text, 10)?;
    let value = if negative { magnitude.wrapping_neg() } else { magnitude };
    #[expect(clippy::cast_possible_truncation, reason = "xinetd stores a long long in an int")]
    let kept = value as u32;
    Some(kept)
}

/// The number that C's `strto*` reads, when only white space follows it.
///
/// White space alone is 0: nothing was converted, and nothing is left over.
fn number(text: &[u8], base: u32) -> Option<(bool, u64)> {
    if text.is_empty() {
        return None;
    }
    let text = text.trim_ascii_start_c();
    let (negative, digits) = match text.first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let length = digits.iter().take_while(|b| char::from(**b).is_digit(base)).count();
    if length == 0 {
        return text.is_empty().then_some((false, 0));
    }
    if !digits[length..].iter().all(|&b| is_space(b)) {
        return None;
    }
    let mut magnitude = 0u64;
    for digit in &digits[..length] {
        magnitude = magnitude.checked_mul(u64::from(base))?.checked_add(u64::from(digit - b'0'))?;
    }
    Some((negative, magnitude))
}

/// White space as C has it.
trait TrimC {
    fn trim_ascii_start_c(&self) -> &[u8];
}

impl TrimC for [u8] {
    fn trim_ascii_start_c(&self) -> &[u8] {
        let start = self.iter().position(|&b| !is_space(b)).unwrap_or(self.len());
        &self[start..]
    }
}

/// A `<number>[kKmM]` in bytes; none where xinetd does not take it.
pub(super) fn size(text: &[u8]) -> Option<u64> {
    let end = text.iter().rposition(|&b| !is_space(b)).map_or(0, |at| at + 1);
    let (digits, unit) = match text[..end].last() {
        Some(b'k' | b'K') => (&text[..end - 1], 1024),
        Some(b'm' | b'M') => (&text[..end - 1], 1024 * 1024),
        Some(_) | None => (text, 1),
    };
    wide(digits)?.checked_mul(unit)
}

/// `strtoull`; it takes a minus sign and wraps.
pub(super) fn wide(text: &[u8]) -> Option<u64> {
    let (negative, magnitude) = number(text, 10)?;
    Some(if negative { magnitude.wrapping_neg() } else { magnitude })
}

/// Whether `max_load` takes the text, as far as C's `sscanf("%lf")` is plain: it reads what it can of the
/// beginning.
///
/// None where that is not plain: exponents, hexadecimal numbers, infinities.
pub(super) fn load(text: &[u8]) -> Option<bool> {
    let start = text.iter().position(|&b| !is_space(b)).unwrap_or(text.len());
    let text = &text[start..];
    let text = match text.first() {
        Some(b'+' | b'-') => &text[1..],
        Some(_) | None => text,
    };
    let (mut digits, mut points, mut is_zero) = (0_usize, 0_usize, true);
    let mut rest = text.iter().copied();
    let stop = loop {
        match rest.next() {
            Some(digit @ b'0'..=b'9') => {
                digits += 1;
                is_zero &= digit == b'0';
            }
            Some(b'.') if points == 0 => points = 1,
            stop => break stop,
        }
    };
    match stop.map(|byte| byte.to_ascii_lowercase()) {
        Some(b'e' | b'x' | b'p') if digits > 0 => None,
        Some(b'i' | b'n') if digits + points == 0 => None,
        Some(_) | None => Some(digits > 0 && !is_zero),
    }
}

//! What couriertcpd makes of a value that a start script pastes into its command line.

/// The number that `-maxprocs=` or `-maxperip=` gets from a value; none where couriertcpd refuses to start,
/// or where it is not certain what reaches it.
///
/// couriertcpd reads digits up to the first other byte (`atoi`) and refuses what is not above zero. Before
/// that the start script pastes the value into the text of a second `sh -c`: blanks, quotes and the shell's
/// signs would be read once more there, so a value that holds any is no number.
#[must_use]
pub fn daemon_number(value: &[u8]) -> Option<u32> {
    let text = value.strip_suffix(b"\r").unwrap_or(value);
    if !text.iter().all(|byte| is_inert(*byte)) {
        return None;
    }
    let digits = text.strip_prefix(b"+").unwrap_or(text);
    let mut number: u32 = 0;
    for digit in digits.iter().take_while(|byte| byte.is_ascii_digit()) {
        number = number.checked_mul(10)?.checked_add(u32::from(digit - b'0'))?;
    }
    // `atoi` gives an int; what becomes of more differs between machines.
    (number > 0 && i32::try_from(number).is_ok()).then_some(number)
}

/// Whether a shell reads the byte as itself inside a word.
pub(super) fn is_inert(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"%+,-./:=@_#".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_up_to_the_first_other_byte_count() {
        for (value, number) in [
            (&b"40"[..], Some(40)),
            (b"40#c", Some(40)),
            (b"40abc", Some(40)),
            (b"40\r", Some(40)),
            (b"040", Some(40)),
            (b"+4", Some(4)),
            (b"2147483647", Some(2_147_483_647)),
            (b"2147483648", None),
            (b"99999999999", None),
            (b"", None),
            (b"0", None),
            (b"-1", None),
            (b"abc", None),
            (b"\r", None),
        ] {
            assert_eq!(daemon_number(value), number, "{}", value.escape_ascii());
        }
    }

    #[test]
    fn a_value_that_a_second_shell_would_read_differently_is_no_number() {
        for value in
            [&b"4 0"[..], b"40 & touch /run/pwn #", b"40;", b"4\\0", b"\"40\"", b"40\n", b"40*", b"4\r0"]
        {
            assert_eq!(daemon_number(value), None, "{}", value.escape_ascii());
        }
    }
}

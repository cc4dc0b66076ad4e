//! Addresses in xinetd's files: which words a list of addresses takes, and what `bind` means.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What `bind` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum BindAddress {
    Address(IpAddr),
    /// A name, or an address on one link: only the host's resolver knows.
    Name,
    /// Nothing that xinetd takes.
    None,
}

impl BindAddress {
    /// Digits and dots are IPv4 in C's spelling, a colon makes it IPv6, all else is a name.
    pub(in super::super) fn of(text: &[u8]) -> Self {
        if text.iter().all(|&b| b.is_ascii_digit() || b == b'.') {
            return ipv4(text).map_or(Self::None, |address| Self::Address(IpAddr::V4(address)));
        }
        if text.contains(&b':') {
            let text = std::str::from_utf8(text).unwrap_or_default();
            return match text.parse::<Ipv6Addr>() {
                Ok(address) => Self::Address(IpAddr::V6(address)),
                Err(_) if text.contains('%') => Self::Name,
                Err(_) => Self::None,
            };
        }
        Self::Name
    }
}

/// `inet_aton`: up to four numbers, octal with a leading 0, the last of which fills the bytes that are left.
fn ipv4(text: &[u8]) -> Option<Ipv4Addr> {
    let text = std::str::from_utf8(text).ok()?;
    let parts: Vec<u32> = text
        .split('.')
        .map(|part| {
            let octal = part.len() > 1 && part.starts_with('0');
            u32::from_str_radix(part, if octal { 8 } else { 10 }).ok()
        })
        .collect::<Option<_>>()?;
    let (last, before) = parts.split_last()?;
    if before.len() > 3 || before.iter().any(|part| *part > 255) {
        return None;
    }
    let left = 8 * (4 - u32::try_from(before.len()).ok()?);
    if u64::from(*last) >> left != 0 {
        return None;
    }
    let mut address = *last;
    for (index, part) in before.iter().enumerate() {
        address |= part << (24 - 8 * index);
    }
    Some(Ipv4Addr::from(address))
}

/// Whether a list of addresses takes a word. It takes nearly all, and drops what it cannot read.
///
/// Only a comma outside of braces, and something between addresses of the form `10.{1,2}` and other words, is
/// an error.
pub(in super::super) fn listed(word: &[u8]) -> bool {
    let brace = word.iter().position(|&b| b == b'{');
    if brace.is_none() && word.contains(&b',') {
        return false;
    }
    // A word that begins with a dot and has a letter or the like is a domain; names are looked up, and
    // dropped.
    let mut last = b'.';
    for &byte in &word[..brace.unwrap_or(word.len())] {
        match byte {
            b'0'..=b'9' => {}
            b'.' if last == b'.' => return word[0] == b'.' && brace.is_none() && is_domain(word),
            b'.' => {}
            // Some other form, or none at all.
            _ => return true,
        }
        last = byte;
    }
    let Some(brace) = brace else { return true };
    let mut last = b',';
    for (at, &byte) in word.iter().enumerate().skip(brace + 1) {
        match byte {
            b'0'..=b'9' => {}
            b',' | b'}' if last == b',' => return false,
            b',' => {}
            b'}' => return at + 1 == word.len(),
            _ => return false,
        }
        last = byte;
    }
    false
}

fn is_domain(word: &[u8]) -> bool {
    !word.contains(&b'/') && !word.iter().all(|&b| b.is_ascii_digit() || b == b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_spelt_as_c_spells_it() {
        let four = |text: &str| BindAddress::of(text.as_bytes());
        let address = |text: &str| BindAddress::Address(text.parse().unwrap());
        assert_eq!(four("127.0.0.1"), address("127.0.0.1"));
        assert_eq!(four("127.1"), address("127.0.0.1"));
        assert_eq!(four("010.1.1.1"), address("8.1.1.1"));
        assert_eq!(four("0"), address("0.0.0.0"));
        assert_eq!(four("::1"), address("::1"));
        for bad in ["1.2.3.4.5", "256.1.1.1", "08.1.1.1", "1..2", "1:2", "::g"] {
            assert_eq!(four(bad), BindAddress::None, "{bad}");
        }
        assert_eq!(four("localhost"), BindAddress::Name);
        assert_eq!(four("fe80::1%lo"), BindAddress::Name);
    }

    #[test]
    fn a_list_of_addresses_takes_nearly_every_word() {
        for fine in [
            "10.0.0.1",
            "10.0.0.0/8",
            "10.0.0.0/x",
            ".example.com",
            "a..b",
            "::1",
            "fe80::/10",
            "10.{1,2}",
            "{1}",
            "x{1",
        ] {
            assert!(listed(fine.as_bytes()), "{fine}");
        }
        for bad in ["1.2.3.4,5.6.7.8", "1..2", ".5", "10.{}", "10.{1,}", "10.{1", "10.{1}2", "10.{a}"] {
            assert!(!listed(bad.as_bytes()), "{bad}");
        }
    }
}

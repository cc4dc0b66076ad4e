//! Makes sense of the texts in /proc (proc(5)). Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::host::{EnvironmentVariables, ProcessOwner};

/// The parts of `/proc/PID/stat` that matter.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::host) struct ProcessStat<'a> {
    pub(in crate::host) name: &'a [u8],
    pub(in crate::host) state: u8,
    pub(in crate::host) parent: u32,
    /// The number of its controlling terminal; 0 for none.
    pub(in crate::host) terminal: i64,
    pub(in crate::host) start: u64,
}

impl<'a> ProcessStat<'a> {
    /// The name stands between the first `(` and the last `)`: it may hold either, and blanks.
    pub(in crate::host) fn parse(text: &'a [u8]) -> Option<Self> {
        let open = text.iter().position(|&byte| byte == b'(')?;
        let close = text.iter().rposition(|&byte| byte == b')')?;
        let name = text.get(open + 1..close)?;
        let rest = std::str::from_utf8(text.get(close + 1..)?).ok()?;
        let mut fields = rest.split_ascii_whitespace();
        let &[state] = fields.next()?.as_bytes() else {
            return None;
        };
        let parent = fields.next()?.parse().ok()?;
        // Fields 5 and 6 lie between, then 8 to 21.
        let terminal = fields.nth(2)?.parse().ok()?;
        let start = fields.nth(14)?.parse().ok()?;
        Some(Self { name, state, parent, terminal, start })
    }

    /// Neither a zombie nor dead.
    pub(in crate::host) fn is_alive(&self) -> bool {
        !matches!(self.state, b'Z' | b'X' | b'x')
    }
}

/// Splits what is ended, or just separated, by NUL.
pub(in crate::host) fn split_words(text: &[u8]) -> Vec<Vec<u8>> {
    if text.is_empty() {
        return Vec::new();
    }
    let text = text.strip_suffix(b"\0").unwrap_or(text);
    text.split(|&byte| byte == 0).map(<[u8]>::to_vec).collect()
}

/// Splits an environment into names and values.
pub(in crate::host) fn split_environment(text: &[u8]) -> EnvironmentVariables {
    let pair = |word: &[u8]| {
        let cut = word.iter().position(|&byte| byte == b'=').unwrap_or(word.len());
        (word[..cut].to_vec(), word.get(cut + 1..).unwrap_or_default().to_vec())
    };
    text.split(|&byte| byte == 0).filter(|word| !word.is_empty()).map(pair).collect()
}

/// Whether `/proc/PID/status` shows a process in a pid namespace inside ours: it then has a number in each.
pub(in crate::host) fn is_in_inner_namespace(status: &[u8]) -> bool {
    status
        .split(|&byte| byte == b'\n')
        .find_map(|line| line.strip_prefix(b"NSpid:"))
        .is_some_and(|numbers| numbers.trim_ascii().iter().any(u8::is_ascii_whitespace))
}

/// Whose a process is by `/proc/PID/status`: its real, effective and saved user id, and that of the file
/// system.
pub(in crate::host) fn owner(status: &[u8]) -> ProcessOwner {
    let mut lines = status.split(|&byte| byte == b'\n');
    let Some(ids) = lines.find_map(|line| line.strip_prefix(b"Uid:")) else {
        return ProcessOwner::Unknown;
    };
    let ids = ids.split(u8::is_ascii_whitespace);
    owner_of(ids.filter(|field| !field.is_empty()))
}

/// The same by the four ids themselves.
pub(in crate::host) fn owner_of<'t>(ids: impl Iterator<Item = &'t [u8]>) -> ProcessOwner {
    let ids = ids.map(|id| std::str::from_utf8(id).ok()?.parse::<u32>().ok());
    match ids.collect::<Option<Vec<u32>>>().as_deref() {
        Some(&[real, effective, saved, files]) => {
            if [effective, saved, files] == [real; 3] {
                ProcessOwner::User(real)
            } else {
                ProcessOwner::Several
            }
        }
        Some(_) | None => ProcessOwner::Unknown,
    }
}

/// The path of the control group by which systemd knows a process (`/proc/PID/cgroup`): that of the hierarchy
/// that is systemd's own, or of the one for all. `None` where neither is used: then all processes are in its
/// first group.
pub(in crate::host) fn control_group(text: &[u8]) -> Option<Vec<u8>> {
    let of = |begin: &[u8]| {
        let mut lines = text.split(|&byte| byte == b'\n');
        let path = lines.find_map(|line| {
            let colon = line.iter().position(|&byte| byte == b':')?;
            line[colon..].strip_prefix(begin)
        });
        path.filter(|path| *path != b"/").map(<[u8]>::to_vec)
    };
    of(b":name=systemd:").or_else(|| of(b"::"))
}

/// The inode in the target of a socket's link, `socket:[12345]`.
pub(in crate::host) fn socket(target: &[u8]) -> Option<u64> {
    let inode = target.strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
    std::str::from_utf8(inode).ok()?.parse().ok()
}

/// Inode and address of each socket in state LISTEN (0A) of a table like `/proc/net/tcp`.
pub(in crate::host) fn listening(table: &[u8]) -> impl Iterator<Item = (u64, SocketAddr)> + '_ {
    table.split(|&byte| byte == b'\n').skip(1).filter_map(|line| {
        // sl local rem st tx:rx tr:when retrnsmt uid timeout inode
        let mut fields = line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
        let local = fields.nth(1)?;
        if fields.nth(1)? != b"0A" {
            return None;
        }
        let inode = fields.nth(5)?;
        let (address, port) = std::str::from_utf8(local).ok()?.rsplit_once(':')?;
        let port = u16::from_str_radix(port, 16).ok()?;
        let address = SocketAddr::new(address_of(address)?, port);
        Some((std::str::from_utf8(inode).ok()?.parse().ok()?, address))
    })
}

/// An address as the kernel prints it: words of 32 bits in the order of a little-endian machine.
fn address_of(text: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let word = u32::from_str_radix(text.get(at..at + 8)?, 16).ok()?;
        Some(word.swap_bytes())
    };
    match text.len() {
        8 => Some(IpAddr::V4(Ipv4Addr::from(word(0)?))),
        32 => {
            let [a, b, c, d] = [word(0)?, word(8)?, word(16)?, word(24)?].map(u128::from);
            let address = a << 96 | b << 64 | c << 32 | d;
            Some(IpAddr::V6(Ipv6Addr::from(address)))
        }
        _ => None,
    }
}

/// The ports of some sockets, sorted.
pub(in crate::host) fn ports(sockets: &[SocketAddr]) -> Vec<u16> {
    let mut ports: Vec<u16> = sockets.iter().map(SocketAddr::port).collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// The ports of a table like `/proc/net/tcp` on which something listens.
pub fn listening_ports(table: &[u8]) -> impl Iterator<Item = u16> + '_ {
    listening(table).map(|(_, address)| address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_may_be_named_like_the_rest_of_the_line() {
        let text = b"12 (a) Z 1 (b)) S 7 12 12 34816 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4242 99 100\n";
        let stat = ProcessStat::parse(text).unwrap();
        assert_eq!(
            stat,
            ProcessStat { name: b"a) Z 1 (b)", state: b'S', parent: 7, terminal: 34816, start: 4242 }
        );
    }

    #[test]
    fn half_a_line_is_no_answer() {
        for text in [&b""[..], b"12", b"12 (a", b"12 (a)", b"12 (a) S 1 2", b")("] {
            assert_eq!(ProcessStat::parse(text), None);
        }
    }

    #[test]
    fn words_are_split_at_nul_and_empty_ones_kept() {
        assert_eq!(split_words(b""), Vec::<Vec<u8>>::new());
        assert_eq!(split_words(b"a\0"), [b"a".to_vec()]);
        assert_eq!(split_words(b"a\0\0b\0\0"), [&b"a"[..], b"", b"b", b""].map(<[u8]>::to_vec));
        assert_eq!(split_words(b"sshd: listener"), [b"sshd: listener".to_vec()]);
    }

    #[test]
    fn a_variable_ends_at_its_first_equals_sign() {
        let variables = split_environment(b"A=1=2\0B=\0C\0");
        let pair = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
        assert_eq!(variables, [pair("A", "1=2"), pair("B", ""), pair("C", "")]);
    }

    #[test]
    fn two_numbers_are_a_namespace_inside_ours() {
        assert!(is_in_inner_namespace(b"Name:\tx\nNSpid:\t40\t1\nNSpgid:\t40\t1\n"));
        assert!(!is_in_inner_namespace(b"Name:\tx\nNSpid:\t40\nNSpgid:\t40\n"));
        assert!(!is_in_inner_namespace(b"Name:\tx\n"));
    }

    #[test]
    fn an_owner_is_one_only_where_all_ids_agree() {
        let of = |ids: &str| owner(format!("Name:\tx\nUid:\t{ids}\nGid:\t5\t5\t5\t5\n").as_bytes());
        assert_eq!(of("0\t0\t0\t0"), ProcessOwner::User(0));
        assert_eq!(of("1000\t1000\t1000\t1000"), ProcessOwner::User(1000));
        assert_eq!(of("1000\t0\t0\t0"), ProcessOwner::Several);
        assert_eq!(of("0\t0\t0\t1000"), ProcessOwner::Several);
        for half in ["", "0", "0\t0\t0", "0\t0\t0\tx"] {
            assert_eq!(of(half), ProcessOwner::Unknown, "{half}");
        }
        assert_eq!(owner(b"Name:\tx\n"), ProcessOwner::Unknown);
    }

    #[test]
    fn the_control_group_is_that_of_systemd() {
        let one = b"0::/system.slice/xinetd.service\n";
        assert_eq!(control_group(one).unwrap(), b"/system.slice/xinetd.service");
        let two = b"11:devices:/other\n1:name=systemd:/system.slice/a.service\n0::/system.slice/b\n";
        assert_eq!(control_group(two).unwrap(), b"/system.slice/a.service");
        let unused = b"1:name=systemd:/\n0::/system.slice/b.service\n";
        assert_eq!(control_group(unused).unwrap(), b"/system.slice/b.service");
        assert_eq!(control_group(b"4:devices:/a\n0::/\n"), None);
        assert_eq!(control_group(b""), None);
    }

    #[test]
    fn only_listening_sockets_count() {
        let table = b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   0: 0100007F:006E 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1001 1 0 100\n   1: 0100007F:006E 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 1002 1 0 100\n   2: 00000000000000000000000000000000:03E3 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1003 1\n";
        assert_eq!(
            listening(table).collect::<Vec<_>>(),
            [(1001, "127.0.0.1:110".parse().unwrap()), (1003, "[::]:995".parse().unwrap())]
        );
        assert_eq!(socket(b"socket:[1001]"), Some(1001));
        assert_eq!(socket(b"pipe:[1001]"), None);
    }
}

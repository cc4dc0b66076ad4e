//! What the processes above a run tell of how it came to the host.

use super::{ControllingTerminal, ProcessesAbove, SshClient};

/// A process that a run descends from, or the run itself.
#[derive(Debug)]
pub(in crate::host) struct Ancestor {
    /// The program's name as the kernel keeps it.
    pub(in crate::host) name: Vec<u8>,
    /// Its first argument, in which sshd says what the process is for.
    pub(in crate::host) title: Vec<u8>,
    /// Its parent's pid.
    pub(in crate::host) parent: u32,
    /// When it started, in clock ticks since boot.
    pub(in crate::host) start: u64,
    /// The number of its controlling terminal.
    pub(in crate::host) terminal: i64,
    /// The client that its variables name.
    pub(in crate::host) client: Option<SshClient>,
}

/// What a run's ancestors tell.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::host) struct Ancestry {
    pub(in crate::host) above: ProcessesAbove,
    /// When the connection was accepted, in clock ticks since boot.
    pub(in crate::host) accepted: Option<u64>,
    pub(in crate::host) client: Option<SshClient>,
    pub(in crate::host) terminal: ControllingTerminal,
    pub(in crate::host) login: Option<String>,
}

/// What a process has to do with sshd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SshdPart {
    /// It serves one connection.
    Session,
    /// It listens.
    Listener,
    None,
}

impl Ancestor {
    /// sshd forks a process for a connection when it accepts it, and that one forks others; each names itself
    /// so, and only the one that listens is called `[listener]`, or by its path.
    fn part(&self) -> SshdPart {
        match &self.name[..] {
            b"sshd" | b"sshd-session" if is_session(&self.title) => SshdPart::Session,
            b"sshd" => SshdPart::Listener,
            _ => SshdPart::None,
        }
    }
}

/// Whether sshd calls a process so that serves one connection.
#[must_use]
pub fn is_session(title: &[u8]) -> bool {
    titled(title).is_some() && memchr::memmem::find(title, b"[listener]").is_none()
}

fn titled(title: &[u8]) -> Option<&[u8]> {
    (title.strip_prefix(b"sshd: ")).or_else(|| title.strip_prefix(b"sshd-session: "))
}

/// Who logged in: `operator [priv]`, `operator@pts/0`.
fn login(title: &[u8]) -> Option<String> {
    let name = titled(title)?.split(|byte| matches!(byte, b'@' | b' ')).next()?;
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    let fits = name.first().is_some_and(u8::is_ascii_alphanumeric) && name.iter().all(is_plain);
    fits.then(|| String::from_utf8_lossy(name).into_owned())
}

impl Ancestry {
    /// From the run itself to the one below the first process, or as far as they are seen.
    ///
    /// A session within a session is as old as the outer one, and comes from where that comes from. Of the
    /// variables those count that sshd gave, which are those of the process right below it: whatever runs
    /// further down may have them from another login, or not at all.
    pub(in crate::host) fn of(mut ancestors: Vec<Ancestor>) -> Self {
        let terminal =
            ancestors.first().map_or(ControllingTerminal::None, |run| ControllingTerminal::of(run.terminal));
        let is_whole = ancestors.last().is_some_and(|last| last.parent == 1);
        let parts: Vec<SshdPart> = ancestors.iter().map(Ancestor::part).collect();
        let Some(outermost) = parts.iter().rposition(|part| *part == SshdPart::Session) else {
            return Self {
                above: if is_whole { ProcessesAbove::Others } else { ProcessesAbove::Unseen },
                accepted: None,
                client: ancestors.into_iter().find_map(|one| one.client),
                terminal,
                login: None,
            };
        };
        let sessions = parts.iter().zip(&ancestors).filter(|(part, _)| **part == SshdPart::Session);
        let accepted = sessions.map(|(_, one)| one.start).min();
        let is_accepted = is_whole || parts[outermost..].contains(&SshdPart::Listener);
        let login = login(&ancestors[outermost].title);
        let below = ancestors.drain(..outermost).zip(&parts).rev();
        let mut below = below.filter(|(_, part)| **part == SshdPart::None);
        Self {
            above: if is_accepted { ProcessesAbove::Sshd } else { ProcessesAbove::Unseen },
            accepted,
            client: below.find_map(|(one, _)| one.client),
            terminal,
            login,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(number: u8) -> SshClient {
        SshClient {
            address: [192, 0, 2, number].into(),
            port: 7,
            server_address: None,
            server_port: Some(22),
        }
    }

    /// Name, title, start, and whom the variables name; the last is a child of the first process.
    fn of(chain: &[(&str, &str, u64, u8)]) -> Ancestry {
        let mut ancestors: Vec<Ancestor> = (chain.iter())
            .map(|(name, title, start, number)| Ancestor {
                name: name.as_bytes().to_vec(),
                title: title.as_bytes().to_vec(),
                parent: 50,
                start: *start,
                terminal: 0,
                client: (*number > 0).then(|| client(*number)),
            })
            .collect();
        ancestors.last_mut().unwrap().parent = 1;
        Ancestry::of(ancestors)
    }

    const LISTENER: (&str, &str, u64, u8) =
        ("sshd", "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups", 5, 9);

    #[test]
    fn the_oldest_process_of_a_session_is_the_connections() {
        for (chain, login) in [
            (
                [
                    ("bash", "-bash", 60, 1),
                    ("sshd", "sshd: operator@pts/0", 55, 0),
                    ("sshd", "sshd: operator [priv]", 50, 0),
                    LISTENER,
                ],
                "operator",
            ),
            (
                [
                    ("sudo", "sudo", 70, 0),
                    ("sh", "sh", 60, 1),
                    ("sshd-session", "sshd-session: root@notty", 50, 0),
                    LISTENER,
                ],
                "root",
            ),
            (
                [
                    ("sh", "sh", 60, 1),
                    ("sshd", "sshd: root@notty", 50, 0),
                    ("sshd", "/usr/sbin/sshd", 5, 9),
                    ("runsv", "runsv", 1, 9),
                ],
                "root",
            ),
        ] {
            let told = of(&chain);
            assert_eq!((told.above, told.accepted), (ProcessesAbove::Sshd, Some(50)));
            assert_eq!(told.client, Some(client(1)));
            assert_eq!(told.login.as_deref(), Some(login));
        }
        let tmux = of(&[("sh", "-sh", 70, 0), ("tmux: server", "tmux", 60, 2)]);
        assert_eq!((tmux.above, tmux.accepted), (ProcessesAbove::Others, None));
        assert_eq!(tmux.client, Some(client(2)));
        assert_eq!(of(&[LISTENER]).accepted, None);
    }

    #[test]
    fn a_session_within_a_session_is_the_outer_one() {
        let told = of(&[
            ("sh", "sh", 90, 3),
            ("sshd", "sshd: root@notty", 85, 0),
            ("sshd", "sshd: root [priv]", 80, 0),
            ("sh", "sh", 60, 1),
            ("sshd", "sshd: operator [priv]", 50, 0),
            LISTENER,
        ]);
        assert_eq!((told.above, told.accepted), (ProcessesAbove::Sshd, Some(50)));
        assert_eq!(told.client, Some(client(1)));
        assert_eq!(told.login.as_deref(), Some("operator"));
    }

    #[test]
    fn what_sshd_gave_comes_before_what_is_nearer() {
        let told = of(&[
            ("mailward", "mailward", 90, 3),
            ("sudo", "sudo", 70, 0),
            ("bash", "-bash", 60, 1),
            ("sshd", "sshd: root@notty", 50, 4),
            LISTENER,
        ]);
        assert_eq!(told.client, Some(client(1)));
        let lost = of(&[
            ("mailward", "mailward", 90, 3),
            ("bash", "bash", 60, 0),
            ("sshd", "sshd: root@notty", 50, 4),
            LISTENER,
        ]);
        assert_eq!(lost.client, Some(client(3)));
        let none = of(&[("mailward", "mailward", 90, 0), ("sshd", "sshd: root", 50, 4), LISTENER]);
        assert_eq!(none.client, None);
    }

    #[test]
    fn what_only_calls_itself_sshd_is_none() {
        let told = of(&[("bash", "sshd: root@notty", 60, 1)]);
        assert_eq!((told.above, told.accepted), (ProcessesAbove::Others, None));
        assert_eq!(login(b"sshd: [accepted]"), None);
        assert_eq!(login(b"sshd: -oProxyCommand=x [priv]"), None);
    }

    #[test]
    fn ancestors_that_are_not_seen_leave_it_open() {
        let cut = |parent| {
            let one = |name: &str, title: &str, parent| Ancestor {
                name: name.as_bytes().to_vec(),
                title: title.as_bytes().to_vec(),
                parent,
                start: 7,
                terminal: 1025,
                client: None,
            };
            let shell = Ancestry::of(vec![one("sh", "sh", parent)]);
            assert_eq!(shell.terminal, ControllingTerminal::Console);
            let chain = vec![one("sh", "sh", 8), one("sshd", "sshd: root@notty", parent)];
            (shell.above, Ancestry::of(chain).above)
        };
        assert_eq!(cut(0), (ProcessesAbove::Unseen, ProcessesAbove::Unseen));
        assert_eq!(cut(1), (ProcessesAbove::Others, ProcessesAbove::Sshd));
        assert_eq!(Ancestry::of(Vec::new()), Ancestry::default());
    }
}

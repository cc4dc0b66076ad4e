//! What a confirmation must show: that its connection was made since the change, and came through the filter from outside.
//!
//! What cannot be shown to be so is not so. Pure.

use crate::failure::Diagnostic;
use crate::host::{Above, Connection, Side, SshClient, Terminal};
use crate::report::printable;

/// Where the program runs that confirms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Site {
    /// On the host itself.
    Here,
    /// On another machine, and over ssh on the host.
    Elsewhere,
}

/// When a change went live, beside the host's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Since {
    /// When it did, in milliseconds since boot; none where its run did not get so far as to say.
    pub(super) live: Option<u64>,
    /// How long the host is up.
    pub(super) uptime: u64,
}

/// Why a confirmation shows nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unproven {
    #[error("it comes by the connection that made the change, and open connections always live on")]
    Same,
    #[error(
        "it comes by a connection that was there before the change, and open connections always live on"
    )]
    Older,
    #[error(
        "its connection comes from this host itself ({}), and the host's own packets always get in",
        .0.address
    )]
    Inside(SshClient),
    #[error(
        "where its connection comes from cannot be told: sshd's variable SSH_CONNECTION is gone"
    )]
    Nobody,
    #[error(
        "whether {} is another machine cannot be told: the host's own addresses cannot be read",
        .0.address
    )]
    Side(SshClient),
    #[error("not all processes above it are seen, so that it cannot be told over what it came")]
    Unseen,
    #[error(
        "it has variables of an ssh connection but no sshd above it, e.g. inside tmux or screen: since when that connection is there cannot be told"
    )]
    Left,
    #[error(
        "its terminal is a pseudo-terminal and no sshd is above it, as in tmux, screen and systemd-run, also where they were started over a connection from before the change"
    )]
    Pseudo,
    #[error("it comes neither by ssh nor from a console, e.g. from cron")]
    Neither,
}

/// Whether a confirmation that came this way shows that people still get in.
pub(super) fn proof(
    by: Option<&SshClient>,
    since: Since,
    connection: &Connection,
) -> Result<(), Unproven> {
    let client = connection.client.as_ref();
    match connection.above {
        Above::Sshd => {
            let is_same = |client: &SshClient| {
                by.is_some_and(|by| (client.address, client.port) == (by.address, by.port))
            };
            if client.is_some_and(is_same) {
                return Err(Unproven::Same);
            }
            if !is_newer(connection, since) {
                return Err(Unproven::Older);
            }
            match (client, connection.side) {
                (None, _) => Err(Unproven::Nobody),
                (Some(_), Side::Outside) => Ok(()),
                (Some(client), Side::Inside) => Err(Unproven::Inside(client.clone())),
                (Some(client), Side::Unknown) => Err(Unproven::Side(client.clone())),
            }
        }
        Above::Unseen => Err(Unproven::Unseen),
        Above::Others => match (client, connection.terminal) {
            (Some(_), _) => Err(Unproven::Left),
            (None, Terminal::Console) => Ok(()),
            (None, Terminal::Other) => Err(Unproven::Pseudo),
            (None, Terminal::None) => Err(Unproven::Neither),
        },
    }
}

/// Whether a connection was accepted after the change went live: each is as old as its own clock says, so that no clock that
/// was set meanwhile matters.
fn is_newer(connection: &Connection, since: Since) -> bool {
    let Some(accepted) = connection.since else {
        return false;
    };
    let age = u64::try_from(connection.now.saturating_sub(accepted)).unwrap_or(0);
    (since.live).is_some_and(|live| age < since.uptime.saturating_sub(live))
}

/// The refusal: why this shows nothing, and what would, for whoever came this way.
pub(super) fn refusal(
    why: &Unproven,
    connection: &Connection,
    site: Site,
    seconds: u64,
) -> Diagnostic {
    let command = match site {
        Site::Elsewhere => "`mailward confirm --host HOST`".to_owned(),
        Site::Here => format!("`{}`", anew(connection)),
    };
    Diagnostic::new("this does not show that anybody still gets in")
        .because(why.to_string())
        .hint(format!(
            "run {command} on another machine, or `mailward confirm` at the host's console; without it the change goes back in {seconds} s"
        ))
}

/// What gets in anew and confirms, as the one who came this way would type it on another machine.
fn anew(connection: &Connection) -> String {
    let port = (connection.client.as_ref())
        .and_then(|client| client.server_port)
        .filter(|port| *port != 22);
    let port = port.map_or(String::new(), |port| format!("-p {port} "));
    match connection.login.as_deref() {
        None => format!("ssh -o ControlPath=none {port}HOST mailward confirm"),
        Some("root") => format!("ssh -o ControlPath=none {port}root@HOST mailward confirm"),
        Some(login) => {
            let there = printable::quoted(&format!("{login}@HOST"));
            format!("ssh -t -o ControlPath=none {port}{there} sudo mailward confirm")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(port: u16) -> SshClient {
        SshClient {
            address: [203, 0, 113, 9].into(),
            port,
            server_address: None,
            server_port: Some(22),
        }
    }

    /// Live for ten seconds.
    const SINCE: Since = Since {
        live: Some(50_000),
        uptime: 60_000,
    };

    fn new() -> Connection {
        Connection {
            client: Some(client(7)),
            since: Some(95_000),
            now: 100_000,
            terminal: Terminal::None,
            above: Above::Sshd,
            side: Side::Outside,
            login: Some("root".to_owned()),
        }
    }

    fn judged(change: impl FnOnce(&mut Connection)) -> Result<(), Unproven> {
        let mut connection = new();
        change(&mut connection);
        proof(Some(&client(6)), SINCE, &connection)
    }

    #[test]
    fn only_a_new_connection_from_outside_shows_something() {
        assert_eq!(judged(|_| ()), Ok(()));
        // A terminal of whatever kind makes no difference below sshd.
        for terminal in [Terminal::Console, Terminal::Other] {
            assert_eq!(judged(|one| one.terminal = terminal), Ok(()));
            let older = judged(|one| (one.terminal, one.since) = (terminal, Some(90_000)));
            assert_eq!(older, Err(Unproven::Older));
        }
        assert_eq!(
            judged(|one| one.client = Some(client(6))),
            Err(Unproven::Same)
        );
        assert_eq!(judged(|one| one.since = None), Err(Unproven::Older));
        assert_eq!(judged(|one| one.client = None), Err(Unproven::Nobody));
        let inside = judged(|one| one.side = Side::Inside);
        assert_eq!(inside, Err(Unproven::Inside(client(7))));
        let unknown = judged(|one| one.side = Side::Unknown);
        assert_eq!(unknown, Err(Unproven::Side(client(7))));
        let since = Since {
            live: None,
            ..SINCE
        };
        assert_eq!(proof(None, since, &new()), Err(Unproven::Older));
    }

    #[test]
    fn without_sshd_only_a_console_does() {
        let console = |one: &mut Connection| {
            one.above = Above::Others;
            one.client = None;
            one.terminal = Terminal::Console;
        };
        assert_eq!(judged(console), Ok(()));
        for (terminal, why) in [
            (Terminal::Other, Unproven::Pseudo),
            (Terminal::None, Unproven::Neither),
        ] {
            let told = judged(|one| {
                console(one);
                one.terminal = terminal;
            });
            assert_eq!(told, Err(why));
        }
        let left = judged(|one| {
            console(one);
            one.client = Some(client(7));
        });
        assert_eq!(left, Err(Unproven::Left));
        let unseen = judged(|one| {
            console(one);
            one.above = Above::Unseen;
        });
        assert_eq!(unseen, Err(Unproven::Unseen));
    }

    #[test]
    fn a_refusal_names_what_would_do() {
        let told = |change: &dyn Fn(&mut Connection), site| {
            let mut connection = new();
            change(&mut connection);
            refusal(&Unproven::Older, &connection, site, 41)
                .hint
                .unwrap()
        };
        let here = told(&|_| (), Site::Here);
        assert_eq!(
            here,
            "run `ssh -o ControlPath=none root@HOST mailward confirm` on another machine, or `mailward confirm` at the host's console; without it the change goes back in 41 s"
        );
        let operator = told(
            &|one| {
                one.login = Some("operator".to_owned());
                one.client = Some(SshClient {
                    server_port: Some(2222),
                    ..client(7)
                });
            },
            Site::Here,
        );
        let typed = "`ssh -t -o ControlPath=none -p 2222 operator@HOST sudo mailward confirm`";
        assert!(operator.contains(typed), "{operator}");
        let nobody = told(&|one| one.login = None, Site::Here);
        assert!(nobody.contains("none HOST mailward confirm`"), "{nobody}");
        let elsewhere = told(&|_| (), Site::Elsewhere);
        assert!(
            elsewhere.starts_with("run `mailward confirm --host HOST` on"),
            "{elsewhere}"
        );
    }
}

//! What a confirmation must show: that its connection was made since the change, and came through the filter
//! from outside.
//!
//! What cannot be shown to be so is not so. Pure.

use crate::failure::Diagnostic;
use crate::host::{ClientSide, ControllingTerminal, ProcessesAbove, RunConnection, SshClient};
use crate::model::printable;

/// Where the program runs that confirms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfirmSite {
    /// On the host itself.
    Here,
    /// On another machine, and over ssh on the host.
    Elsewhere,
}

/// When a change went live, beside the host's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LiveSince {
    /// When it did, in milliseconds since boot; none where its run did not get so far as to say.
    pub(super) live: Option<u64>,
    /// How long the host is up.
    pub(super) uptime: u64,
}

/// Why a confirmation shows nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum UnprovenReason {
    #[error("it comes by the connection that made the change, and open connections always live on")]
    Same,
    #[error("it comes by a connection that was there before the change, and open connections always live on")]
    Older,
    #[error(
        "its connection comes from this host itself ({}), and the host's own packets always get in",
        .0.address
    )]
    Inside(SshClient),
    #[error("where its connection comes from cannot be told: sshd's variable SSH_CONNECTION is gone")]
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
    since: LiveSince,
    connection: &RunConnection,
) -> Result<(), UnprovenReason> {
    let client = connection.client.as_ref();
    match connection.above {
        ProcessesAbove::Sshd => {
            let is_same = |client: &SshClient| {
                by.is_some_and(|by| (client.address, client.port) == (by.address, by.port))
            };
            if client.is_some_and(is_same) {
                return Err(UnprovenReason::Same);
            }
            if !is_newer(connection, since) {
                return Err(UnprovenReason::Older);
            }
            match (client, connection.side) {
                (None, _) => Err(UnprovenReason::Nobody),
                (Some(_), ClientSide::Outside) => Ok(()),
                (Some(client), ClientSide::Inside) => Err(UnprovenReason::Inside(client.clone())),
                (Some(client), ClientSide::Unknown) => Err(UnprovenReason::Side(client.clone())),
            }
        }
        ProcessesAbove::Unseen => Err(UnprovenReason::Unseen),
        ProcessesAbove::Others => match (client, connection.terminal) {
            (Some(_), _) => Err(UnprovenReason::Left),
            (None, ControllingTerminal::Console) => Ok(()),
            (None, ControllingTerminal::Other) => Err(UnprovenReason::Pseudo),
            (None, ControllingTerminal::None) => Err(UnprovenReason::Neither),
        },
    }
}

/// Whether a connection was accepted after the change went live: each is as old as its own clock says, so
/// that no clock that was set meanwhile matters.
fn is_newer(connection: &RunConnection, since: LiveSince) -> bool {
    let Some(accepted) = connection.since else {
        return false;
    };
    let age = u64::try_from(connection.now.saturating_sub(accepted)).unwrap_or(0);
    (since.live).is_some_and(|live| age < since.uptime.saturating_sub(live))
}

/// The refusal: why this shows nothing, and what would, for whoever came this way.
pub(super) fn refusal(
    why: &UnprovenReason,
    connection: &RunConnection,
    site: ConfirmSite,
    seconds: u64,
) -> Diagnostic {
    let command = match site {
        ConfirmSite::Elsewhere => "`mailward confirm --host HOST`".to_owned(),
        ConfirmSite::Here => format!("`{}`", anew(connection)),
    };
    Diagnostic::new("this does not show that anybody still gets in")
        .because(why.to_string())
        .hint(format!(
            "run {command} on another machine, or `mailward confirm` at the host's console; without it the change goes back in {seconds} s"
        ))
}

/// What gets in anew and confirms, as the one who came this way would type it on another machine.
fn anew(connection: &RunConnection) -> String {
    let port = (connection.client.as_ref()).and_then(|client| client.server_port).filter(|port| *port != 22);
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
        SshClient { address: [203, 0, 113, 9].into(), port, server_address: None, server_port: Some(22) }
    }

    /// Live for ten seconds.
    const SINCE: LiveSince = LiveSince { live: Some(50_000), uptime: 60_000 };

    fn new() -> RunConnection {
        RunConnection {
            client: Some(client(7)),
            since: Some(95_000),
            now: 100_000,
            terminal: ControllingTerminal::None,
            above: ProcessesAbove::Sshd,
            side: ClientSide::Outside,
            login: Some("root".to_owned()),
        }
    }

    fn judged(change: impl FnOnce(&mut RunConnection)) -> Result<(), UnprovenReason> {
        let mut connection = new();
        change(&mut connection);
        proof(Some(&client(6)), SINCE, &connection)
    }

    #[test]
    fn only_a_new_connection_from_outside_shows_something() {
        assert_eq!(judged(|_| ()), Ok(()));
        // A terminal of whatever kind makes no difference below sshd.
        for terminal in [ControllingTerminal::Console, ControllingTerminal::Other] {
            assert_eq!(judged(|one| one.terminal = terminal), Ok(()));
            let older = judged(|one| (one.terminal, one.since) = (terminal, Some(90_000)));
            assert_eq!(older, Err(UnprovenReason::Older));
        }
        assert_eq!(judged(|one| one.client = Some(client(6))), Err(UnprovenReason::Same));
        assert_eq!(judged(|one| one.since = None), Err(UnprovenReason::Older));
        assert_eq!(judged(|one| one.client = None), Err(UnprovenReason::Nobody));
        let inside = judged(|one| one.side = ClientSide::Inside);
        assert_eq!(inside, Err(UnprovenReason::Inside(client(7))));
        let unknown = judged(|one| one.side = ClientSide::Unknown);
        assert_eq!(unknown, Err(UnprovenReason::Side(client(7))));
        let since = LiveSince { live: None, ..SINCE };
        assert_eq!(proof(None, since, &new()), Err(UnprovenReason::Older));
    }

    #[test]
    fn without_sshd_only_a_console_does() {
        let console = |one: &mut RunConnection| {
            one.above = ProcessesAbove::Others;
            one.client = None;
            one.terminal = ControllingTerminal::Console;
        };
        assert_eq!(judged(console), Ok(()));
        for (terminal, why) in [
            (ControllingTerminal::Other, UnprovenReason::Pseudo),
            (ControllingTerminal::None, UnprovenReason::Neither),
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
        assert_eq!(left, Err(UnprovenReason::Left));
        let unseen = judged(|one| {
            console(one);
            one.above = ProcessesAbove::Unseen;
        });
        assert_eq!(unseen, Err(UnprovenReason::Unseen));
    }

    #[test]
    fn a_refusal_names_what_would_do() {
        let told = |change: &dyn Fn(&mut RunConnection), site| {
            let mut connection = new();
            change(&mut connection);
            refusal(&UnprovenReason::Older, &connection, site, 41).hint.unwrap()
        };
        let here = told(&|_| (), ConfirmSite::Here);
        assert_eq!(
            here,
            "run `ssh -o ControlPath=none root@HOST mailward confirm` on another machine, or `mailward confirm` at the host's console; without it the change goes back in 41 s"
        );
        let operator = told(
            &|one| {
                one.login = Some("operator".to_owned());
                one.client = Some(SshClient { server_port: Some(2222), ..client(7) });
            },
            ConfirmSite::Here,
        );
        let typed = "`ssh -t -o ControlPath=none -p 2222 operator@HOST sudo mailward confirm`";
        assert!(operator.contains(typed), "{operator}");
        let nobody = told(&|one| one.login = None, ConfirmSite::Here);
        assert!(nobody.contains("none HOST mailward confirm`"), "{nobody}");
        let elsewhere = told(&|_| (), ConfirmSite::Elsewhere);
        assert!(elsewhere.starts_with("run `mailward confirm --host HOST` on"), "{elsewhere}");
    }
}

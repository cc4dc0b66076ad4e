//! Where sshd listens: by itself, or behind a program that listens for others and starts them for whoever
//! connects. Pure.
//!
//! What such a program would start is known from its own configuration; a port of which that is not known may
//! be sshd's.

use std::collections::{BTreeMap, BTreeSet};

use crate::edit::xinetd::{ServiceEntry, ServiceSocket, ServiceState, XinetdConfig};
use crate::model::MailService;

/// sshd's own port (sshd_config(5)).
pub const USUAL: u16 = 22;

/// What a program that listens for others starts for whoever connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenerStarts {
    /// sshd, or what leads to it.
    Sshd,
    /// Something else.
    Other,
}

/// A service of a program that listens for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenerService {
    /// Its port; none where only the host's `/etc/services` knows it.
    pub port: Option<u16>,
    /// What it starts.
    pub starts: ListenerStarts,
}

/// The ports of a program that listens for others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListenerPorts {
    /// Those on which sshd is started.
    pub sshd: BTreeSet<u16>,
    /// Those on which something else is.
    pub others: BTreeSet<u16>,
}

impl ListenerPorts {
    /// Sorts the ports that a program holds by what its services start.
    #[must_use]
    pub fn of(held: &BTreeSet<u16>, services: &[ListenerService]) -> Self {
        let of = |starts| {
            let services = services.iter().filter(move |one| one.starts == starts);
            services.filter_map(|one| one.port).filter(|port| held.contains(port))
        };
        let mut behind =
            Self { sshd: of(ListenerStarts::Sshd).collect(), others: of(ListenerStarts::Other).collect() };
        let is_named = |one: &ListenerService| one.starts == ListenerStarts::Sshd && one.port.is_none();
        if services.iter().any(is_named) {
            // It is on one of those that no other service explains.
            let rest = held.difference(&behind.others).copied();
            behind.sshd.extend(rest.collect::<Vec<_>>());
        }
        behind
    }
}

/// All ports of the mail services.
#[must_use]
pub fn mail_ports() -> BTreeSet<u16> {
    let services = MailService::ALL.into_iter();
    services.flat_map(|service| service.ports().iter().copied()).collect()
}

/// Whether a word of a command line has to do with an ssh server, by the file's name: wrappers have it among
/// their arguments.
fn is_ssh(word: &[u8]) -> bool {
    let name = word.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    let has = |part: &[u8]| memchr::memmem::find(name, part).is_some();
    has(b"ssh") || has(b"dropbear")
}

/// The port that a name of a mail service stands for in every `/etc/services`.
fn named(name: &str) -> Option<u16> {
    Some(match name {
        "smtp" | "mail" => 25,
        "pop3" | "pop-3" => 110,
        "imap" | "imap2" => 143,
        "smtps" | "ssmtp" | "urd" | "submissions" => 465,
        "submission" | "msa" => 587,
        "imaps" => 993,
        "pop3s" => 995,
        _ => return None,
    })
}

fn number(text: &[u8]) -> Option<u16> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// What xinetd offers. `sshd` are the ports on which sshd itself listens, to which a service may redirect.
#[must_use]
pub fn of_xinetd(config: &XinetdConfig, sshd: &BTreeSet<u16>) -> Vec<ListenerService> {
    // One that is dropped now may have been begun with an earlier file.
    let begun = (config.services.iter()).filter(|entry| match entry.state {
        ServiceState::Offered | ServiceState::Dropped(_) => true,
        ServiceState::Disabled => false,
    });
    let service = |entry: &ServiceEntry| {
        let words = |name: &str| {
            let line = entry.attribute(name);
            line.map_or(&[][..], |line| &line.values)
        };
        let redirects = match words("redirect") {
            [_, port, ..] => is_ssh(port) || number(port).is_some_and(|to| to == USUAL || sshd.contains(&to)),
            [] | [_] => false,
        };
        let starts = words("server").iter().chain(words("server_args"));
        let port = match words("port") {
            [port, ..] => number(port),
            [] => {
                let known = entry.socket.as_ref().and_then(ServiceSocket::port);
                known.or_else(|| named(&entry.name))
            }
        };
        ListenerService {
            port,
            starts: match redirects || starts.into_iter().any(|word| is_ssh(word)) {
                true => ListenerStarts::Sshd,
                false => ListenerStarts::Other,
            },
        }
    };
    begun.map(service).collect()
}

/// What inetd's file offers: `[ADDRESS:]SERVICE TYPE PROTOCOL WAIT USER SERVER ARGUMENTS`.
#[must_use]
pub fn of_inetd(text: &[u8]) -> Vec<ListenerService> {
    let text = String::from_utf8_lossy(text);
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let service = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (&first, rest) = (words.first()?, words.get(5..)?);
        let name = first.rsplit(':').next().unwrap_or(first);
        Some(ListenerService {
            port: name.parse().ok().or_else(|| named(name)),
            starts: match rest.iter().any(|word| is_ssh(word.as_bytes())) {
                true => ListenerStarts::Sshd,
                false => ListenerStarts::Other,
            },
        })
    };
    lines.filter_map(service).collect()
}

/// What `systemctl show` tells of its sockets and services: blocks of `NAME=VALUE`, an empty line between
/// two.
///
/// A socket whose service is not loaded, such as the template of one that starts a process for each
/// connection, tells by its name alone; what that does not tell either is left out.
#[must_use]
pub fn of_systemd(text: &str) -> Vec<ListenerService> {
    let blocks: Vec<SystemctlBlock<'_>> = text.split("\n\n").map(SystemctlBlock::read).collect();
    let programs: BTreeMap<&str, &str> = (blocks.iter())
        .filter(|block| !block.program.is_empty())
        .map(|block| (block.id, block.program))
        .collect();
    let mut services = Vec::new();
    for socket in blocks.iter().filter(|block| block.id.ends_with(".socket")) {
        let program = socket.triggers.split(' ').find_map(|unit| programs.get(unit));
        let tells_ssh = |text: &str| text.contains("ssh") || text.contains("dropbear");
        let starts = match program {
            Some(program) if tells_ssh(program) => ListenerStarts::Sshd,
            Some(_) => ListenerStarts::Other,
            None if tells_ssh(socket.id) || tells_ssh(socket.triggers) => ListenerStarts::Sshd,
            None => continue,
        };
        services.extend(socket.ports.iter().map(|&port| ListenerService { port: Some(port), starts }));
    }
    services
}

/// One unit of `systemctl show`.
#[derive(Default)]
struct SystemctlBlock<'t> {
    id: &'t str,
    triggers: &'t str,
    program: &'t str,
    ports: Vec<u16>,
}

impl<'t> SystemctlBlock<'t> {
    fn read(text: &'t str) -> Self {
        let mut block = Self::default();
        for line in text.lines() {
            let Some((name, value)) = line.split_once('=') else {
                continue;
            };
            match name {
                "Id" => block.id = value,
                "Triggers" => block.triggers = value,
                "ExecStart" => block.program = value,
                // `Listen=[::]:22 (Stream)`; before systemd 230 `ListenStream=[::]:22`.
                "Listen" | "ListenStream" => {
                    let address = value.split(' ').next().unwrap_or_default();
                    let port = address.rsplit(':').next().unwrap_or_default();
                    block.ports.extend(port.parse::<u16>().ok());
                }
                _ => {}
            }
        }
        block
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(ports: &[u16]) -> BTreeSet<u16> {
        ports.iter().copied().collect()
    }

    fn service(port: impl Into<Option<u16>>, starts: ListenerStarts) -> ListenerService {
        ListenerService { port: port.into(), starts }
    }

    #[test]
    fn what_is_held_is_sorted_by_what_it_starts() {
        let services = [
            service(587, ListenerStarts::Sshd),
            service(25, ListenerStarts::Other),
            service(22, ListenerStarts::Sshd),
        ];
        let behind = ListenerPorts::of(&set(&[25, 465, 587]), &services);
        assert_eq!((behind.sshd, behind.others), (set(&[587]), set(&[25])));
        // A name that is not known is one of those that are not explained.
        let services = [service(None, ListenerStarts::Sshd), service(25, ListenerStarts::Other)];
        let behind = ListenerPorts::of(&set(&[25, 465, 587]), &services);
        assert_eq!(behind.sshd, set(&[465, 587]));
    }

    #[test]
    fn inetd_tells_by_its_lines() {
        let text = b"# ssh stream tcp nowait root /usr/sbin/sshd sshd -i\n\
            587\tstream tcp nowait root /usr/sbin/sshd sshd -i\n\
            0.0.0.0:imaps stream tcp nowait root /usr/sbin/tcpd /usr/sbin/sshd -i\n\
            extra stream tcp nowait root /usr/sbin/dropbear dropbear -i\n\
            smtp stream tcp nowait mail /usr/sbin/exim exim -bs\nhalf a line\n";
        let expected = [
            service(587, ListenerStarts::Sshd),
            service(993, ListenerStarts::Sshd),
            service(None, ListenerStarts::Sshd),
            service(25, ListenerStarts::Other),
        ];
        assert_eq!(of_inetd(text), expected);
    }

    #[test]
    fn systemd_tells_by_the_program_or_else_by_the_name() {
        let text = "Id=ssh.socket\nTriggers=ssh.service\nListen=0.0.0.0:993 (Stream)\nListen=[::]:993 (Stream)\n\n\
            Id=sshd.socket\nTriggers=\nListenStream=[::]:587\n\n\
            Id=mail.socket\nTriggers=mail.service\nListen=[::]:143 (Stream)\n\n\
            Id=door.socket\nTriggers=door.service\nListen=[::]:995 (Stream)\nListen=/run/x (Stream)\n\n\
            Id=what.socket\nTriggers=what.service\nListen=[::]:110 (Stream)\n\n\
            Id=ssh.service\nExecStart={ path=/usr/sbin/sshd ; argv[]=/usr/sbin/sshd -D ; pid=0 }\n\n\
            Id=door.service\nExecStart={ path=/usr/sbin/sshd ; argv[]=/usr/sbin/sshd -D ; pid=0 }\n\n\
            Id=mail.service\nExecStart={ path=/usr/sbin/dovecot ; argv[]=/usr/sbin/dovecot -F ; pid=0 }\n";
        let expected = [
            service(993, ListenerStarts::Sshd),
            service(993, ListenerStarts::Sshd),
            service(587, ListenerStarts::Sshd),
            service(143, ListenerStarts::Other),
            service(995, ListenerStarts::Sshd),
        ];
        assert_eq!(of_systemd(text), expected);
    }
}

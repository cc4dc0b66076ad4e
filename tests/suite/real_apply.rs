//! The built program against real daemons: a manifest that raises limits is applied in a private host, by the
//! program there and by one on this side of a real sshd, and what the host's clients see before and after is
//! what counts.

mod broken;
mod deferred;
mod killed;
pub(crate) mod liar;
mod outlived;
mod raised;
mod sockets;
mod strangers;

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use crate::support::host::{Host, Kind, Layout, Output};
use crate::support::ssh::Ssh;

/// What most cases ask for: four connections from one address become twenty.
const MANIFEST: &str = "version = 1\n\
    [limits.pop3]\nper_ip = 20\ntotal = 80\n\
    [limits.imap]\nper_ip = 20\ntotal = 80\n\
    [limits.smtp]\nper_ip = 20\n";

const POP3D: &str = "/etc/courier/pop3d";
const IMAPD: &str = "/etc/courier/imapd";
const XINETD_CONF: &str = "/etc/xinetd.conf";
const SMTP: &str = "/etc/xinetd.d/smtp_psa";
const SMTPS: &str = "/etc/xinetd.d/smtps_psa";

/// Every file that [`MANIFEST`] may change or that daemons read beside it.
const FILES: [&str; 7] =
    [POP3D, "/etc/courier/pop3d-ssl", IMAPD, "/etc/courier/imapd-ssl", XINETD_CONF, SMTP, SMTPS];

/// A host and where the program runs that manages it.
struct Place {
    host: Host,
    way: Way,
}

/// Where the program runs.
enum Way {
    /// On the host.
    Inside,
    /// On this side of an sshd.
    Ssh(Box<Ssh>),
}

impl Deref for Place {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.host
    }
}

impl DerefMut for Place {
    fn deref_mut(&mut self) -> &mut Host {
        &mut self.host
    }
}

impl Place {
    /// A fresh host that is not switched on yet; its daemons all serve four connections from one address.
    fn prepare(kind: Kind) -> Option<Host> {
        let host = Host::prepare(kind, Layout::Debian)?;
        host.replace_text(XINETD_CONF, "per_source\t= 10", "per_source\t= 4");
        Some(host)
    }

    fn inside(host: Host) -> Self {
        Self { host, way: Way::Inside }
    }

    /// Over an sshd that the host has, once it is switched on.
    fn over(host: Host, ssh: Ssh) -> Self {
        Self { host, way: Way::Ssh(Box::new(ssh)) }
    }
}

/// Runs a case on fresh hosts of each kind, with the program on the host and with it on this side of its
/// sshd.
fn on_each_kind(case: impl Fn(&mut Place)) {
    on_each_kind_with(|_| {}, case);
}

/// Runs a case like [`on_each_kind`], on hosts whose files `change` has changed before they were switched on.
fn on_each_kind_with(change: impl Fn(&Host), case: impl Fn(&mut Place)) {
    for kind in Kind::ALL {
        let Some(mut host) = Place::prepare(kind) else {
            return;
        };
        println!("on a host with {kind:?}");
        change(&host);
        host.boot();
        case(&mut Place::inside(host));

        let mut host = Place::prepare(kind).expect("made before");
        println!("over ssh to a host with {kind:?}");
        host.sshd();
        change(&host);
        host.boot();
        let ssh = host.ssh();
        case(&mut Place::over(host, ssh));
    }
}

/// Runs mailward on a manifest from standard input, where the place has it.
fn mailward(place: &Place, arguments: &[&str], manifest: &str) -> Output {
    let mut argv = arguments.to_vec();
    argv.push("-");
    let run = match &place.way {
        Way::Inside => {
            argv.insert(0, "/usr/local/bin/mailward");
            place.command(&argv)
        }
        Way::Ssh(ssh) => ssh.mailward(&argv),
    };
    run.stdin(manifest).within(Duration::from_secs(120)).run()
}

fn apply(host: &Place, manifest: &str) -> Output {
    mailward(host, &["apply", "--yes"], manifest)
}

fn contents(host: &Host) -> Vec<(&'static str, Vec<u8>)> {
    FILES.map(|path| (path, host.read(path))).to_vec()
}

/// The numbers of the processes that listen for mail: those of couriertcpd and xinetd, with their arguments.
fn daemons(host: &Host) -> Vec<(u32, Vec<String>)> {
    let listens = |argv: &[String]| {
        argv.first().is_some_and(|name| name.ends_with("/couriertcpd") || name.ends_with("sbin/xinetd"))
    };
    let all = host.processes().into_iter();
    all.filter(|process| listens(&process.argv)).map(|process| (process.pid, process.argv)).collect()
}

/// The number of the couriertcpd process that listens on `port`.
fn listener(host: &Host, port: u16) -> u32 {
    let argv = host.couriertcpd(port).expect("the daemon runs");
    let mut all = daemons(host).into_iter();
    all.find(|(_, other)| *other == argv).expect("it still runs").0
}

/// The entries of the folder that holds the history, by name; none before the first run.
fn history(host: &Host) -> String {
    host.run(&["sh", "-c", "ls -1 /var/lib/mailward/history 2>/dev/null || :"]).success()
}

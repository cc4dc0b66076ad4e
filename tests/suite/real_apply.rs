//! The built program against real daemons: a manifest that raises limits is applied in a private host, and what its
//! clients see before and after is what counts.

mod broken;
mod deferred;

mod killed;
mod liar;
mod raised;

use std::time::Duration;

use crate::support::host::{Host, Kind, Layout, Output};

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
const FILES: [&str; 7] = [
    POP3D,
    "/etc/courier/pop3d-ssl",
    IMAPD,
    "/etc/courier/imapd-ssl",
    XINETD_CONF,
    SMTP,
    SMTPS,
];

/// Runs a case on a fresh host of each kind, whose daemons all serve four connections from one address.
fn on_each_kind(case: impl Fn(&mut Host)) {
    on_each_kind_with(|_| {}, case);
}

/// Runs a case like [`on_each_kind`], on hosts whose files `change` has changed before they were switched on.
fn on_each_kind_with(change: impl Fn(&Host), case: impl Fn(&mut Host)) {
    for kind in Kind::ALL {
        let Some(mut host) = Host::prepare(kind, Layout::Debian) else {
            return;
        };
        println!("on a host with {kind:?}");
        host.replace_text(XINETD_CONF, "per_source\t= 10", "per_source\t= 4");
        change(&host);
        host.boot();
        case(&mut host);
    }
}

/// Runs mailward in the host on a manifest from standard input.
fn mailward(host: &Host, arguments: &[&str], manifest: &str) -> Output {
    let mut argv = vec!["/usr/local/bin/mailward"];
    argv.extend(arguments);
    argv.push("-");
    host.command(&argv)
        .stdin(manifest)
        .within(Duration::from_secs(120))
        .run()
}

fn apply(host: &Host, manifest: &str) -> Output {
    mailward(host, &["apply", "--yes"], manifest)
}

fn contents(host: &Host) -> Vec<(&'static str, Vec<u8>)> {
    FILES.map(|path| (path, host.read(path))).to_vec()
}

/// The numbers of the processes that listen for mail: those of couriertcpd and xinetd, with their arguments.
fn daemons(host: &Host) -> Vec<(u32, Vec<String>)> {
    let listens = |argv: &[String]| {
        argv.first()
            .is_some_and(|name| name.ends_with("/couriertcpd") || name.ends_with("sbin/xinetd"))
    };
    let all = host.processes().into_iter();
    all.filter(|process| listens(&process.argv))
        .map(|process| (process.pid, process.argv))
        .collect()
}

/// The number of the couriertcpd process that listens on `port`.
fn listener(host: &Host, port: u16) -> u32 {
    let argv = host.couriertcpd(port).expect("the daemon runs");
    let mut all = daemons(host).into_iter();
    all.find(|(_, other)| *other == argv)
        .expect("it still runs")
        .0
}

/// The entries of the folder that holds the history, by name; none before the first run.
fn history(host: &Host) -> String {
    host.run(&[
        "sh",
        "-c",
        "ls -1 /var/lib/mailward/history 2>/dev/null || :",
    ])
    .success()
}

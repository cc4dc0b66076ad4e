//! A start that "succeeds" and leaves nothing running: found out, told, and undone.

use super::{MANIFEST, apply, contents, daemons, mailward, on_each_kind_with};
use crate::support::host::{Host, Kind};

/// Puts a script in pop3d's place that does nothing on `start` where `lies` is true in shell, and says that
/// all is well.
pub(crate) fn install(host: &Host, lies: &str) {
    let real = host.read("/usr/sbin/pop3d");
    host.write("/usr/sbin/pop3d.real", real);
    host.write(
        "/usr/sbin/pop3d",
        format!(
            "#!/bin/sh\nif [ \"$1\" = start ] && {lies}; then exit 0; fi\n\
             exec /bin/sh /usr/sbin/pop3d.real \"$@\"\n"
        ),
    );
    match host.kind() {
        // As a generated unit of an init script is: whatever the script leaves behind, the unit is active.
        Kind::Systemd => host.write(
            "/etc/systemd/system/courier-pop.service.d/liar.conf",
            "[Service]\nType=oneshot\nRemainAfterExit=yes\nPIDFile=\n",
        ),
        Kind::SysV | Kind::BusyBox => {}
    }
}

#[test]
fn a_daemon_that_dies_of_the_new_values_is_told_and_everything_is_rolled_back() {
    on_each_kind_with(
        |host| install(host, "grep -q MAXPERIP=20 /etc/courier/pop3d"),
        |host| {
            let before = contents(host);
            let arguments: Vec<_> = daemons(host).into_iter().map(|(_, argv)| argv).collect();
            let applied = apply(host, MANIFEST);
            assert_eq!(applied.code(), 8, "{applied:#?}");
            assert!(format!("{}{}", applied.stdout, applied.stderr).contains("courier-pop"), "{applied:#?}");
            assert_eq!(before, contents(host));
            host.wait_for_ports(&[25, 110, 143, 993, 995]);
            let mut after: Vec<_> = daemons(host).into_iter().map(|(_, argv)| argv).collect();
            let mut arguments = arguments;
            arguments.sort();
            after.sort();
            assert_eq!(arguments, after, "all run with the old values");
            assert_eq!(host.open_until_cut(110, "198.51.100.7", 20).len(), 4);
            assert_eq!(host.open_until_cut(25, "198.51.100.7", 20).len(), 4);
            let check = mailward(host, &["check"], MANIFEST);
            assert_eq!(check.code(), 2, "nothing of it stays: {check:#?}");
        },
    );
}

#[test]
fn a_daemon_that_does_not_come_back_with_the_old_values_either_is_never_called_rolled_back() {
    on_each_kind_with(
        |host| install(host, "[ -e /etc/lie ]"),
        |host| {
            host.write("/etc/lie", "");
            let before = contents(host);
            let applied = apply(host, MANIFEST);
            assert_eq!(applied.code(), 9, "{applied:#?}");
            assert!(host.couriertcpd(110).is_none(), "the liar lies");
            for (path, bytes) in before {
                assert_eq!(bytes, host.read(path), "{path} is as before");
            }

            // Once the cause is gone, the same command makes all good.
            host.remove("/etc/lie");
            let applied = apply(host, MANIFEST);
            assert_eq!(applied.code(), 0, "{applied:#?}");
            assert_eq!(host.open_until_cut(110, "198.51.100.7", 30).len(), 20);
        },
    );
}

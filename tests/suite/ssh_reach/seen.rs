//! What a run there sees of processes, and what the daemons that it starts inherit.

use super::{host, inside, run, told};
use crate::support::host::{Host, Kind, Layout, OPERATOR};

#[test]
fn where_proc_hides_processes_nothing_is_said_of_them() {
    let Some(host) = host(Kind::SysV, Layout::Debian) else {
        return;
    };
    let operator = host.ssh().user(OPERATOR);
    for hidden in ["hidepid=1", "hidepid=2"] {
        let option = format!("remount,{hidden}");
        host.run(&["mount", "-o", &option, "/proc"]).success();
        for command in ["plan", "check", "show"] {
            let here = run(&operator, &[command]);
            let there = super::as_operator(&host, command);
            for output in [here, there] {
                assert_eq!(output.code(), 11, "{hidden} {command}: {output:#?}");
                assert!(told(&output).contains("/proc"), "{hidden} {command}: {output:#?}");
            }
            assert_ne!(run(&host.ssh(), &[command]).code(), 11, "{hidden}: root sees all");
        }
    }
}

/// The umask of every couriertcpd, and the modes of their pid files.
fn inherited(host: &Host) -> String {
    let script = "for pid in $(pidof couriertcpd); do grep Umask /proc/$pid/status; done; cd /run/courier; stat -c '%a %n' *.pid";
    host.run(&["sh", "-c", script]).success()
}

#[test]
fn a_daemon_that_is_started_over_ssh_has_the_usual_umask() {
    let Some(host) = host(Kind::SysV, Layout::Debian) else {
        return;
    };
    let applied = inside(&host, &["apply", "--yes"]);
    assert_eq!(applied.code(), 0, "{applied:#?}");
    let local = inherited(&host);
    assert_eq!(local.matches("0022").count(), 4, "{local}");
    let running = host.couriertcpd(110);
    let more = super::MANIFEST.replace("= 20", "= 21");
    let applied = host.ssh().mailward(&["apply", "--yes", "-"]).stdin(more).run();
    assert_eq!(applied.code(), 0, "{applied:#?}");
    assert_ne!(host.couriertcpd(110), running, "it was started again");
    assert_eq!(inherited(&host), local);
}

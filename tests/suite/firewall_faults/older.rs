//! A systemd that does not know, or does not say that it knows, what makes a watcher come back: two watch
//! each other then.

use super::{From, Way, case, side_by_side};
use crate::support::host::Kind::Systemd;
use crate::support::host::PORTS;

/// Does what the real one does, and leaves lines out.
const LIES: &str =
    "#!/bin/sh\n/usr/bin/systemctl.real \"$@\" | case $1 in show) grep -v OMITTED ;; *) cat ;; esac\n";

#[test]
fn where_systemd_keeps_no_watcher_two_watch_each_other() {
    let cases = [
        case(Systemd, Way::Nftables, From::Here),
        case(Systemd, Way::IptablesLegacy, From::Afar),
        case(Systemd, Way::IptablesNft, From::Here),
    ];
    side_by_side(&cases, 30, |site, number| {
        let omitted = ["IgnoreOnIsolate", "Restart=", "."][number];
        site.sh("mv /usr/bin/systemctl /usr/bin/systemctl.real");
        let script = LIES.replace("OMITTED", omitted);
        site.scene.host.write_as("/usr/bin/systemctl", 0o755, script);
        let before = site.scene.rules();
        let begun = site.apply_unseen();
        let roles = || {
            site.sh(
                "ps -A -o args | sed -n 's/.*[r]evert.sh watch \\([a-z]*\\) .*/\\1/p' | sort | tr '\\n' ' '",
            )
        };
        assert_eq!(roles(), "alone first second ", "{:?}", site.case);
        site.scene.host.run(&["systemctl", "isolate", "rescue.target"]);
        let pair = || {
            let pids = site.sh("pgrep -f '[r]evert.sh watch [fs]'; :");
            pids.lines().map(str::to_owned).collect::<Vec<_>>()
        };
        for round in 0..3 {
            let victim = pair()[round % 2].clone();
            site.sh(&format!("kill -9 {victim}"));
            site.scene.host.wait_until("another takes its place", || {
                let pair = pair();
                pair.len() == 2 && !pair.contains(&victim)
            });
        }
        site.sh("systemctl daemon-reload; systemctl isolate multi-user.target");
        site.scene.host.wait_for_ports(&PORTS);
        site.scene.host.wait_for_ports(&[22, 8443, 8880]);
        site.goes_back(begun, &before);
        site.settles(&before);
    });
}

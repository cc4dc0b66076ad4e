//! Programs so slow that the time is up before a change is live, or is seen to be; and a run that does not
//! live to see it.

use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use super::{From, Site, Way, case, side_by_side};
use crate::support::host::Kind::{SysV, Systemd};

impl Site {
    /// Puts a script in front of a program; `REAL` in it is the program's own path.
    fn wrap(&self, program: &str, script: &str) {
        let (path, real) = (format!("/usr/sbin/{program}"), format!("/usr/sbin/.real/{program}"));
        self.sh(&format!("mkdir -p /usr/sbin/.real && mv {path} {real}"));
        let script = format!("#!/bin/sh\n{}\n", script.replace("REAL", &real));
        self.scene.host.write_as(&path, 0o755, script);
    }

    /// Makes the programs that load new rules take so many seconds before they do.
    fn loads_slowly(&self, seconds: u32) {
        self.wrap("nft", &format!("case $* in *load.nft*) sleep {seconds} ;; esac; exec REAL \"$@\""));
        for program in ["iptables-restore", "ip6tables-restore"] {
            self.wrap(program, &format!(
                "in=$(cat); case $in in *'-A MAILWARD-imap -s '*) sleep {seconds} ;; esac; printf '%s\\n' \"$in\" | REAL \"$@\""
            ));
        }
    }

    /// Makes the programs that list rules take so many seconds after they have, once there are own ones.
    fn lists_slowly(&self, seconds: u32) {
        for program in ["nft", "iptables-save", "ip6tables-save"] {
            let script = format!(
                "REAL \"$@\"; code=$?; case $* in *-f*) exit $code ;; esac; \
                 if nft list ruleset 2>/dev/null | grep -q 'table inet mailward' || \
                 iptables-legacy-save | grep -q -e '-A MAILWARD-imap'; then sleep {seconds}; fi; exit $code"
            );
            self.wrap(program, &script.replace("if nft", "if /usr/sbin/.real/nft"));
        }
    }
}

#[test]
fn a_change_that_was_not_live_in_time_is_never_called_live() {
    let cases = [
        case(SysV, Way::IptablesNft, From::Here),
        case(Systemd, Way::IptablesLegacy, From::Afar),
        case(SysV, Way::Nftables, From::Here),
        case(SysV, Way::IptablesLegacy, From::Afar),
    ];
    side_by_side(&cases, 10, |site, number| {
        let before = site.scene.rules();
        match number {
            // The two families together take too long.
            0 | 1 => site.loads_slowly(7),
            _ => site.lists_slowly(11),
        }
        let (code, said) = site.attempt();
        assert_eq!(code, 8, "{:?}: {said}", site.case);
        assert_eq!(site.scene.rules(), before, "{:?}: {said}", site.case);
        assert_eq!(site.scene.result(), "rolled-back", "{:?}", site.case);
        site.leaves_nothing();
    });
}

#[test]
fn what_a_killed_run_still_loads_when_the_time_is_up_does_not_stay() {
    let cases = [
        case(SysV, Way::IptablesLegacy, From::Here),
        case(Systemd, Way::Nftables, From::Here),
        case(Systemd, Way::IptablesNft, From::Afar),
    ];
    side_by_side(&cases, 10, |site, _| {
        let before = site.scene.rules();
        site.loads_slowly(14);
        let mut child = site.start("apply --yes", Stdio::null());
        site.scene.host.wait_until("it loads", || !site.sh("pgrep -f '[s]leep 14'; :").is_empty());
        site.sh("pkill -9 -x mailward; :");
        child.kill().expect("the child is ours");
        child.wait().expect("the child is ours");
        sleep(Duration::from_secs(16));
        site.scene.assert_open();
        let settled = site.run("revert");
        assert_eq!(settled.code(), 0, "{:?}: {settled:#?}", site.case);
        assert_eq!(site.scene.rules(), before, "{:?}", site.case);
        site.leaves_nothing();
    });
}

//! A host that slept, and clocks that are set, while a change waits.

use std::time::Duration;

use super::{From, Way, case, side_by_side};
use crate::support::host::Kind::{SysV, Systemd};

/// What a process is shown of the time since the boot.
const JUMPS: &str = "read -r now rest </proc/uptime; echo \"$((${now%.*} + 700)).00 1.00\" >/root/uptime; \
    mount --bind /root/uptime /proc/uptime";

#[test]
fn a_host_that_slept_longer_than_the_window_takes_the_change_back_at_once() {
    let cases = [case(SysV, Way::Nftables, From::Here), case(Systemd, Way::IptablesLegacy, From::Afar)];
    side_by_side(&cases, 600, |site, _| {
        let before = site.scene.rules();
        let begun = site.apply_unseen();
        site.tells(3, "WAITS: ", Some("WAITS: "));
        site.sh(JUMPS);
        site.goes_back(begun, &before);
        assert!(begun.elapsed() < Duration::from_secs(60));
        site.sh("umount /proc/uptime");
        site.settles(&before);
    });
}

/// Only what asks the program `date` can be shown another time here: the kernel's clock is the machine's.
#[test]
fn a_clock_that_is_set_moves_no_window() {
    let cases = [case(SysV, Way::IptablesNft, From::Afar), case(Systemd, Way::Nftables, From::Here)];
    side_by_side(&cases, 15, |site, number| {
        let before = site.scene.rules();
        let begun = site.apply_unseen();
        let day = ["+ 86400", "- 86400"][number];
        let date = format!("#!/bin/sh\nexec /usr/bin/date -d \"@$(($(/usr/bin/date +%s) {day}))\" \"$@\"\n");
        site.scene.host.write_as("/usr/local/sbin/date", 0o755, date);
        site.scene.assert_restricted();
        site.goes_back(begun, &before);
        assert!(begun.elapsed() > Duration::from_secs(12), "{:?}", site.case);
        site.settles(&before);
    });
}

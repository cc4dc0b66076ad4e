//! Other targets of systemd, and boots, while a change waits and after it went back.

use super::{From, Way, case, side_by_side};
use crate::support::host::Kind::{SysV, Systemd};
use crate::support::host::PORTS;

#[test]
fn a_change_of_the_target_ends_no_timer() {
    let cases = [case(Systemd, Way::Nftables, From::Here), case(Systemd, Way::IptablesLegacy, From::Here)];
    side_by_side(&cases, 25, |site, _| {
        let before = site.scene.rules();
        let begun = site.apply();
        for change in [
            "telinit 3",
            "systemctl default",
            "systemctl isolate rescue.target",
            "systemctl daemon-reexec",
            "systemctl isolate multi-user.target",
        ] {
            let changed = site.scene.host.run(&["sh", "-c", change]);
            assert_eq!(site.watchers().len(), 1, "{change}: {changed:#?}");
        }
        site.scene.host.wait_for_ports(&PORTS);
        site.scene.host.wait_for_ports(&[22, 8443, 8880]);
        site.goes_back(begun, &before);
        site.settles(&before);
    });
}

#[test]
fn a_boot_after_it_went_back_finds_it_so() {
    let cases = [case(Systemd, Way::IptablesNft, From::Afar), case(SysV, Way::Nftables, From::Here)];
    side_by_side(&cases, 20, |site, _| {
        let before = site.scene.rules();
        let begun = site.apply_unseen();
        site.goes_back(begun, &before);
        site.scene.host.reboot();
        site.scene.assert_open();
        site.tells(2, "DRIFT: ", None);
        site.settles(&before);
        // And one in the window.
        site.apply_unseen();
        site.scene.host.reboot();
        site.scene.assert_open();
        site.tells(2, "DRIFT: ", None);
        site.settles(&before);
    });
}

//! The limit: a watch that ended for good. It is what every command says first, and each that may write
//! starts it again.

use super::full::FULL_RUN;
use super::{From, Site, Way, case, side_by_side};
use crate::firewall_apply::over;
use crate::support::host::Kind::{self, SysV, Systemd};

impl Site {
    /// Ends all that watches, in a way that nothing comes back.
    fn loses_its_watch(&self) {
        if self.case.kind == Kind::Systemd {
            self.sh(
                "rm /run/systemd/system/mailward-revert-*.service /run/systemd/system/sysinit.target.wants/mailward*; \
                 systemctl daemon-reload",
            );
        }
        let watchers = self.watchers().into_iter().map(|pid| format!(" {pid}"));
        self.sh(&format!("kill -9{}", watchers.collect::<String>()));
        self.scene.host.wait_until("nobody watches", || self.watchers().is_empty());
    }

    /// Somebody watches again.
    fn is_watched(&self) {
        assert!(!self.watchers().is_empty(), "{:?}", self.case);
        let check = self.run("check");
        assert!(check.stdout.starts_with("WAITS: "), "{check:#?}");
    }
}

#[test]
fn a_dead_timer_is_the_first_thing_said_and_whoever_may_write_starts_it_again() {
    let cases = [
        case(SysV, Way::Nftables, From::Here),
        case(Systemd, Way::IptablesLegacy, From::Here),
        case(SysV, Way::IptablesNft, From::Afar),
        case(Systemd, Way::Nftables, From::Afar),
    ];
    side_by_side(&cases, 40, |site, _| {
        let before = site.scene.rules();
        let older = site.scene.ssh().warm();
        let begun = site.apply_unseen();
        site.loses_its_watch();
        site.tells(3, "UNWATCHED: ", Some("UNWATCHED: "));
        let refused = over(&older, "confirm");
        assert_eq!(refused.code(), 7, "{refused:#?}");
        assert!(format!("{refused:#?}").contains("started again"), "{refused:#?}");
        site.is_watched();
        site.loses_its_watch();
        let locked = site.run("apply --yes");
        assert_eq!(locked.code(), 5, "{locked:#?}");
        assert!(format!("{locked:#?}").contains("started again"), "{locked:#?}");
        site.is_watched();
        // It is for the time that is left.
        site.goes_back(begun, &before);
        site.settles(&before);
        site.apply_unseen();
        site.loses_its_watch();
        let reverted = site.run("revert");
        assert_eq!(reverted.code(), 0, "{reverted:#?}");
        assert_eq!(site.scene.rules(), before, "{:?}", site.case);
        site.leaves_nothing();
        site.apply_unseen();
        site.loses_its_watch();
        let confirmed = site.run("confirm --allow unproven-confirm");
        assert_eq!(confirmed.code(), 0, "{confirmed:#?}");
        site.leaves_nothing();
        site.scene.assert_restricted();
    });
}

#[test]
fn a_change_that_cannot_be_watched_again_goes_back_at_once() {
    let cases = [case(SysV, Way::IptablesLegacy, From::Here), case(SysV, Way::Nftables, From::Afar)];
    side_by_side(&cases, 300, |site, _| {
        let before = site.scene.rules();
        site.apply_unseen();
        let watchers = site.watchers();
        site.sh(&FULL_RUN.script(FULL_RUN.happens));
        site.sh(&format!("kill -9 {} {}", watchers[0], watchers[1]));
        let late = site.run("confirm --allow unproven-confirm");
        assert_eq!(late.code(), 8, "{:?}: {late:#?}", site.case);
        assert_eq!(site.scene.rules(), before, "{:?} {late:#?}", site.case);
        site.sh(&FULL_RUN.script(FULL_RUN.mended));
        site.settles(&before);
    });
}

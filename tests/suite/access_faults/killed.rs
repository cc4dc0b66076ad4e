//! Processes that are killed while a change waits: the run, each watcher, and what systemd starts in their place.

use std::thread::sleep;
use std::time::Duration;

use super::{From, Way, case, side_by_side};
use crate::support::host::Kind::{SysV, Systemd};

/// systemd starts a watcher again some time after it was killed: at any moment of a confirmation.
#[test]
fn a_watcher_that_comes_back_while_a_change_is_confirmed_does_not_take_it_back() {
    let cases = [
        case(Systemd, Way::Nftables, From::Here),
        case(SysV, Way::IptablesNft, From::Here),
    ];
    side_by_side(&cases, 30, |site, _| {
        for delay in (0..400).step_by(20) {
            site.apply_unseen();
            let watchers = site.watchers();
            site.sh(&format!("kill -9 {}", watchers[0]));
            sleep(Duration::from_millis(delay));
            let confirmed = site.run("confirm --allow unproven-confirm");
            assert_eq!(
                confirmed.code(),
                0,
                "{:?} {delay}: {confirmed:#?}",
                site.case
            );
            sleep(Duration::from_millis(500));
            assert_eq!(
                site.watchers(),
                Vec::<u32>::new(),
                "{:?} {delay}",
                site.case
            );
            site.leaves_nothing();
            site.opens();
        }
    });
}

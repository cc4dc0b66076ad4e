//! Processes that are killed while a change waits: the run, each watcher, and what systemd starts in their
//! place.

use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{From, Site, Way, case, side_by_side};
use crate::support::host::Kind::{SysV, Systemd};

/// systemd starts a watcher again some time after it was killed: at any moment of a confirmation.
#[test]
fn a_watcher_that_comes_back_while_a_change_is_confirmed_does_not_take_it_back() {
    let cases = [case(Systemd, Way::Nftables, From::Here), case(SysV, Way::IptablesNft, From::Here)];
    side_by_side(&cases, 30, |site, _| {
        for delay in (0..400).step_by(20) {
            site.apply_unseen();
            let watchers = site.watchers();
            site.sh(&format!("kill -9 {}", watchers[0]));
            sleep(Duration::from_millis(delay));
            let confirmed = site.run("confirm --allow unproven-confirm");
            assert_eq!(confirmed.code(), 0, "{:?} {delay}: {confirmed:#?}", site.case);
            sleep(Duration::from_millis(500));
            assert_eq!(site.watchers(), Vec::<u32>::new(), "{:?} {delay}", site.case);
            site.leaves_nothing();
            site.opens();
        }
    });
}

/// Windows of each host; `MAILWARD_TEST_TIMES` times as many for once.
const ROUNDS: usize = 3;

/// Kills in each.
const KILLS: u64 = 3;

/// A watcher that was killed is replaced by then.
const REPLACED: u64 = 1500;

/// Numbers that look random, from a seed that is printed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }
}

impl Site {
    /// Ends one of them somehow; what was done, for the message of a case that fails.
    fn kills(&self, random: &mut Random) -> String {
        let unit = "$(basename /run/systemd/system/mailward-revert-*.service)";
        let script = match random.below(6) {
            0 => "pkill -9 -x mailward".to_owned(),
            1 => "kill -9 $(pgrep -o -f '[r]evert.sh watch')".to_owned(),
            2 | 3 => "kill -9 $(pgrep -n -f '[r]evert.sh watch')".to_owned(),
            4 => format!("systemctl kill -s KILL {unit}"),
            _ => format!("systemctl stop {unit}; systemctl restart {unit}; systemctl kill {unit}"),
        };
        self.sh(&format!("{{ {script}; }} 2>/dev/null; :"));
        script
    }
}

#[test]
fn whoever_is_killed_and_whenever_the_rules_of_before_are_there_when_the_time_is_up() {
    let cases = [
        case(Systemd, Way::Nftables, From::Here),
        case(SysV, Way::IptablesLegacy, From::Here),
        case(SysV, Way::Nftables, From::Afar),
        case(Systemd, Way::IptablesNft, From::Afar),
    ];
    let times = std::env::var("MAILWARD_TEST_TIMES").map_or(1, |text| text.parse().unwrap());
    let seed = std::env::var("MAILWARD_TEST_SEED")
        .map_or_else(|_| u64::from(std::process::id()) << 20 | 1, |text| text.parse().unwrap());
    crate::support::covered(&format!("MAILWARD_TEST_SEED={seed}"));
    side_by_side(&cases, 10, |site, number| {
        let mut random = Random(seed.wrapping_mul(2 * number as u64 + 3));
        let before = site.scene.rules();
        for round in 0..ROUNDS * times {
            let mut child = site.start("apply --yes", Stdio::null());
            let begun = Instant::now();
            let mut done = Vec::new();
            for _ in 0..KILLS {
                sleep(Duration::from_millis(REPLACED / 2 + random.below(REPLACED)));
                done.push((begun.elapsed(), site.kills(&mut random)));
            }
            let what = format!("{:?}, round {round} of seed {seed}: {done:#?}", site.case);
            // Its connection ends with it.
            child.kill().expect("the child is ours");
            child.wait().expect("the child is ours");
            let end = Instant::now() + Duration::from_secs(25);
            // systemd starts one again a moment after it was killed.
            let mut alone = 0;
            while alone < 6 && Instant::now() < end {
                sleep(Duration::from_millis(200));
                alone = if site.watchers().is_empty() { alone + 1 } else { 0 };
            }
            assert_eq!(site.watchers(), Vec::<u32>::new(), "{what}");
            let rules = site.scene.rules();
            assert_eq!(super::in_force(&rules), super::in_force(&before), "{what}");
            // The shell of a connection that was cut ends a moment after it, and the lock with it.
            let mut settled = site.run("revert");
            while settled.code() == 5 && Instant::now() < end {
                sleep(Duration::from_millis(200));
                settled = site.run("revert");
            }
            assert_eq!(settled.code(), 0, "{what}: {settled:#?}");
            assert_eq!(site.scene.rules(), before, "{what}");
            site.leaves_nothing();
        }
    });
}

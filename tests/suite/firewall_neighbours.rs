//! Beside real programs that have rules of their own: each is started, reloaded and stopped, before and after
//! two boots. What is confirmed stays, or a check says that it is gone. By an own table of nftables, and by
//! chains of both kinds of iptables.

mod docker;
mod flushing;
mod plesk;
mod ufw;

use crate::firewall_apply::{MANIFEST, Scene};
use crate::firewall_nat::By;
use crate::support::host::{Family, Kind, Reach};

/// Debian packages as they unpack, which tests/install.sh leaves there.
const UNPACKED: &str = "/var/cache/mailward-tests";

/// A host, and what enforces its manifest.
struct Beside {
    scene: Scene,
    by: By,
}

impl Beside {
    fn new(kind: Kind, by: By) -> Option<Self> {
        let enforce = match by {
            By::Nftables => "nftables",
            By::Iptables(_) => "iptables",
        };
        let scene = Scene::new(kind, enforce, "60s")?;
        if let By::Iptables(which) = by {
            scene.host.packet_filter_is(which);
        }
        Some(Self { scene, by })
    }

    fn sh(&self, script: &str) -> String {
        (self.scene.host.run(&["sh", "-euc", script])).success()
    }

    /// How a check ends, and what it says.
    fn check(&self) -> (i32, String) {
        let check = self.scene.run(&format!("check {MANIFEST}"));
        (check.code(), format!("{}{}", check.stdout, check.stderr))
    }

    fn reach(&self, port: u16) -> Vec<Reach> {
        let (stranger, office) = (self.scene.stranger(), self.scene.office());
        vec![
            stranger.reaches(port, Family::V4),
            stranger.reaches(port, Family::V6),
            office.reaches(port, Family::V4),
            office.reaches(port, Family::V6),
        ]
    }

    /// Only the office gets in, and a check finds nothing to do.
    fn holds(&self, when: &str) {
        self.holds_at(143, when);
    }

    fn holds_at(&self, port: u16, when: &str) {
        let (silent, connects) = (Reach::Silent, Reach::Connects);
        assert_eq!(self.reach(port), [silent, silent, connects, connects], "{:?}, {when}", self.by);
        let (code, said) = self.check();
        assert_eq!(code, 0, "{:?}, {when}: {said}", self.by);
    }

    /// Everybody gets in, a check says so, and an apply ends it.
    fn gone(&self, when: &str) {
        assert_eq!(self.reach(143), [Reach::Connects; 4], "{:?}, {when}", self.by);
        let (code, said) = self.check();
        assert_eq!(code, 2, "{:?}, {when}: {said}", self.by);
        let plan = self.scene.plan();
        assert!(plan.1.contains("the rules are gone from the kernel"), "{plan:?}");
        self.scene.apply_for_good();
        self.holds(&format!("{when}, and applied again"));
    }
}

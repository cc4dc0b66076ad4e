//! Plesk's firewall, whose script flushes `mangle` whenever its service starts, at boot behind the hook.

use super::Beside;
use crate::firewall_nat::By;
use crate::support::firewall::{Era, Firewall};
use crate::support::host::{Family, Kind, PacketFilter, Reach};

/// Another port leads to a restricted one; Plesk's script flushes `nat`, too.
const REDIRECT: &str = "for i in iptables ip6tables; do \
    $i -t nat -A PREROUTING -p tcp --dport 9993 -j REDIRECT --to-ports 993; done";

#[test]
fn own_chains_beside_plesks_firewall_hold_the_port_and_what_it_flushes_is_told_or_comes_back_after_a_boot() {
    for (kind, filter, era) in
        [(Kind::Systemd, PacketFilter::Nft, Era::Extension), (Kind::SysV, PacketFilter::Legacy, Era::Module)]
    {
        let Some(mut beside) = Beside::new(kind, By::Iptables(filter)) else {
            return;
        };
        let firewall = Firewall::install(&beside.scene.host, era);
        let (_, plan) = beside.scene.plan();
        assert!(plan.contains("flushes the table mangle"), "{plan}");
        beside.scene.apply_for_good();
        let reached = |beside: &Beside, port: u16| {
            Family::ALL.map(|family| beside.scene.stranger().reaches(port, family))
        };
        let whole = |beside: &Beside, when: &str| {
            assert_eq!(reached(beside, 9993), [Reach::Silent; 2], "{kind:?}, {when}");
            beside.holds(when);
        };
        let told = |beside: &Beside, when: &str| {
            // The chains of raw stand.
            assert_eq!(reached(beside, 993), [Reach::Silent; 2], "{kind:?}, {when}");
            assert_eq!(reached(beside, 9993), [Reach::Connects; 2], "{kind:?}, {when}");
            let (code, said) = beside.check();
            assert_eq!(code, 2, "{kind:?}, {when}: {said}");
            beside.scene.apply_for_good();
            whole(beside, when);
        };
        beside.sh(REDIRECT);
        whole(&beside, "confirmed");
        let service = firewall.service();
        beside.scene.host.service(service, "restart").success();
        beside.sh(REDIRECT);
        told(&beside, "restarted");
        // A name like that of a change, made by somebody who may write to memory.
        beside
            .scene
            .host
            .write("/etc/tmpfiles.d/stranger.conf", "f /dev/shm/mailward-x 0644 nobody nogroup -\n");
        for when in ["booted", "booted twice"] {
            beside.scene.host.reboot();
            if kind == Kind::Systemd {
                beside.sh("test -e /dev/shm/mailward-x && test ! -O /dev/shm/mailward-x");
            }
            beside.sh(REDIRECT);
            match kind {
                Kind::Systemd => whole(&beside, when),
                Kind::SysV | Kind::BusyBox => told(&beside, when),
            }
        }
    }
}

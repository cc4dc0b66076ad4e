//! Debian's nftables.service and netfilter-persistent, which flush what is not theirs, too.

use super::Beside;
use crate::firewall_nat::{ALL, By};
use crate::support::host::{Kind, PacketFilter};

#[test]
fn what_nftables_service_takes_away_is_told_and_a_boot_brings_it_back() {
    for by in ALL {
        let Some(mut beside) = Beside::new(Kind::Systemd, by) else {
            return;
        };
        let flushed = match by {
            By::Nftables | By::Iptables(PacketFilter::Nft) => true,
            By::Iptables(PacketFilter::Legacy) => false,
        };
        beside.scene.apply_for_good();
        for round in ["before", "after"] {
            for action in ["start", "reload", "stop"] {
                beside.sh(&format!("systemctl {action} nftables"));
                let when = format!("{action}, {round} two boots");
                // A service that is started already does not start.
                match flushed && !(action == "start" && round != "before") {
                    true => beside.gone(&when),
                    false => beside.holds(&when),
                }
            }
            if round == "after" {
                break;
            }
            beside.sh("systemctl enable nftables");
            for boot in ["a boot", "another"] {
                beside.scene.host.reboot();
                beside.sh("systemctl is-active nftables");
                beside.holds(boot);
            }
        }
    }
}

#[test]
fn netfilter_persistent_leaves_an_own_table_and_what_it_flushes_of_chains_is_told() {
    for by in ALL {
        let Some(mut beside) = Beside::new(Kind::Systemd, by) else {
            return;
        };
        beside.scene.apply_for_good();
        for round in ["before", "after"] {
            beside.sh("netfilter-persistent save");
            for action in ["start", "reload", "stop"] {
                beside.sh(&format!("systemctl {action} netfilter-persistent || :"));
                beside.holds(&format!("{action}, {round} two boots"));
            }
            beside.sh("netfilter-persistent flush");
            match by {
                By::Nftables => beside.holds(&format!("flush, {round} two boots")),
                By::Iptables(_) => beside.gone(&format!("flush, {round} two boots")),
            }
            if round == "after" {
                break;
            }
            beside.sh("systemctl enable netfilter-persistent");
            for boot in ["a boot", "another"] {
                beside.scene.host.reboot();
                beside.holds(boot);
            }
        }
    }
}

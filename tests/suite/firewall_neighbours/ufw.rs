//! ufw and Fail2ban, which change rules of their own alone.

use super::{Beside, UNPACKED};
use crate::firewall_nat::{ALL, By};
use crate::support::host::{Family, Kind, PacketFilter, Reach};

/// What the package's setup does, and rules that let in whatever the host serves.
const UFW: &str = "for of in etc lib usr; do cp -a UNPACKED/ufw/$of/. /$of/; done
cd /usr/share/ufw
cp iptables/before.rules iptables/before6.rules iptables/after.rules iptables/after6.rules iptables/user.rules \
    iptables/user6.rules before.init after.init ufw.conf /etc/ufw/
chmod 640 /etc/ufw/*.rules /etc/ufw/*.init
ufw allow proto tcp to any port 21,22,25,110,143,465,587,993,995,8443,8880
";

/// One jail, without a log to read: who is banned is told by hand.
const FAIL2BAN: &str = "rm -f /etc/fail2ban/jail.d/*
cat >/etc/fail2ban/jail.local <<END
[DEFAULT]
banaction = ACTION
[sshd]
enabled = false
[mail]
enabled = true
filter = courier-auth
port = 143,993
backend = polling
logpath = /var/log/mail.log
END
: >/var/log/mail.log
";

const BAN: &str = "fail2ban-client set mail banip 198.18.1.9";

#[test]
fn ufw_and_fail2ban_start_reload_and_stop_beside_own_rules_which_stay() {
    for by in ALL {
        let (kind, action) = match by {
            By::Nftables => (Kind::Systemd, "nftables-multiport"),
            By::Iptables(PacketFilter::Nft) => (Kind::Systemd, "iptables-multiport"),
            By::Iptables(PacketFilter::Legacy) => (Kind::SysV, "iptables-multiport"),
        };
        let Some(mut beside) = Beside::new(kind, by) else {
            return;
        };
        beside.sh(&UFW.replace("UNPACKED", UNPACKED));
        beside.sh(&FAIL2BAN.replace("ACTION", action));
        let service = |beside: &Beside, action: &str| {
            beside.scene.host.service("fail2ban", action).success();
        };
        let ready = |beside: &Beside| {
            beside.scene.host.wait_until("Fail2ban answers", || {
                let status = ["fail2ban-client", "status", "mail"];
                beside.scene.host.run(&status).code() == 0
            });
        };
        let banned = |beside: &Beside, when: &str| {
            beside.scene.host.wait_until("the banned address is shut out", || {
                let banned = beside.scene.office().at("198.18.1.9");
                banned.reaches(143, Family::V4) != Reach::Connects
            });
            let other = beside.scene.office().reaches(143, Family::V4);
            assert_eq!(other, Reach::Connects, "{by:?}, {when}");
        };
        beside.scene.apply_for_good();
        beside.sh("ufw --force enable");
        service(&beside, "start");
        ready(&beside);
        beside.sh(BAN);
        banned(&beside, "started");
        beside.holds("started");
        at_boot(&beside);
        for when in ["before", "after"] {
            beside.sh("ufw reload");
            service(&beside, "reload");
            ready(&beside);
            banned(&beside, when);
            beside.holds(&format!("reloaded, {when} two boots"));
            if when == "after" {
                break;
            }
            beside.sh("ufw disable");
            service(&beside, "stop");
            beside.holds(&format!("stopped, {when} two boots"));
            beside.sh("ufw --force enable");
            for boot in ["a boot", "another"] {
                beside.scene.host.reboot();
                let active = beside.sh("ufw status");
                assert!(active.starts_with("Status: active"), "{active}");
                ready(&beside);
                // It has written down whom it bans.
                banned(&beside, boot);
                beside.holds(boot);
            }
        }
    }
}

fn at_boot(beside: &Beside) {
    beside.scene.host.enable("fail2ban");
    match beside.scene.host.kind() {
        Kind::Systemd => beside.scene.host.enable("ufw"),
        Kind::SysV | Kind::BusyBox => {
            beside.sh("ln -s ../init.d/ufw /etc/rcS.d/S10ufw");
        }
    }
}

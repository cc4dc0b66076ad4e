//! The form of the chains of iptables: asked of the kernel, never found out by a failure; and both families,
//! always.

use super::By;
use crate::firewall_apply::MANIFEST;
use crate::support::host::{Family, PacketFilter, Reach};

#[test]
fn a_load_that_fails_is_taken_back_and_no_other_form_is_tried() {
    for filter in PacketFilter::ALL {
        let Some(scene) = By::Iptables(filter).scene() else {
            return;
        };
        let before = scene.rules();
        // Fails once and for all where the kernel's own match is asked for, whatever the cause.
        let program = "/usr/sbin/iptables-restore";
        let real = scene.host.run(&["readlink", "-f", program]).success();
        let script = format!(
            "#!/bin/sh\nin=$(cat)\ncase $in in *addrtype*) echo 'line 5 failed' >&2; exit 1 ;; esac\n\
             printf '%s\\n' \"$in\" | {} \"$@\"\n",
            match filter {
                PacketFilter::Nft => "/usr/sbin/iptables-nft-restore",
                PacketFilter::Legacy => "/usr/sbin/iptables-legacy-restore",
            }
        );
        assert!(!real.is_empty());
        scene.host.remove(program);
        scene.host.write_as(program, 0o755, script);
        let failed = scene.run(&format!("apply --yes {MANIFEST}"));
        assert_eq!(failed.code(), 8, "{failed:#?}");
        assert_eq!(scene.rules(), before);
        scene.assert_open();
    }
}

#[test]
fn ipv6_that_is_switched_on_later_is_restricted_at_once_and_after_a_boot() {
    for by in super::ALL {
        let Some(mut scene) = by.scene() else {
            return;
        };
        let switch = |scene: &super::Scene, off: u8| {
            let script = format!(
                "for of in all default lo eth0; do echo {off} >/proc/sys/net/ipv6/conf/$of/disable_ipv6; done; \
                 [ {off} = 1 ] || ip -6 addr add 2001:db8:25::1/64 dev eth0 nodad; ip -6 route add default via 2001:db8:25::fe || :"
            );
            scene.host.run(&["sh", "-c", &script]).success();
        };
        switch(&scene, 1);
        let seen = scene.host.run(&["cat", "/proc/net/if_inet6"]).success();
        assert_eq!(seen, "", "{by:?}");
        scene.apply_for_good();
        switch(&scene, 0);
        let shut = |scene: &super::Scene| {
            let office = scene.office().reaches(143, Family::V6);
            let stranger = scene.stranger().reaches(143, Family::V6);
            assert_eq!((office, stranger), (Reach::Connects, Reach::Silent), "{by:?}");
        };
        shut(&scene);
        // Nothing but what the boot has.
        scene.host.reboot();
        shut(&scene);
        super::checked(&scene);
    }
}

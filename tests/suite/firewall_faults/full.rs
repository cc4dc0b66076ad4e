//! Disks and memory that are full or read-only, when a change begins and while it waits.

use super::{Case, From, Site, Way, case, side_by_side};
use crate::support::host::Kind::{SysV, Systemd};

/// What happens to a place that is written to, as scripts of the host.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    /// Before mailward ever ran there.
    prepared: &'static str,
    pub(super) happens: &'static str,
    /// Makes room for some more, for the time of this NUMBER; nothing where that cannot be.
    frees: &'static str,
    pub(super) mended: &'static str,
}

/// The state on a file system of its own, as Debian mounts it.
const EXT4: &str = "mkdir -p /var/lib/mailward && truncate -s 8M /root/disk && mkfs.ext4 -q -F -N 64 /root/disk && \
    mknod /dev/loop-control c 10 237 && for n in $(seq 0 63); do mknod /dev/loop$n b 7 $n; done && \
    mount -o loop,errors=remount-ro /root/disk /var/lib/mailward && \
    rmdir /var/lib/mailward/lost+found && chmod 700 /var/lib/mailward";

/// Down to the last block and the last inode.
const FILL: &str = "cat /dev/zero >DIR/full 2>/dev/null; n=0; while true >DIR/full.$n; do n=$((n + 1)); done 2>/dev/null; \
    cat /dev/zero >DIR/full.0 2>/dev/null; ! mkdir DIR/x 2>/dev/null";

const READ_ONLY_BY_ERROR: Fault = Fault {
    prepared: EXT4,
    happens: "unshare --mount --net sh -c \"mount -t sysfs sysfs /mnt && \
        echo test >/mnt/fs/ext4/$(losetup -j /root/disk | sed 's=^/dev/==;s=:.*==')/trigger_fs_error\" && ! mkdir /var/lib/mailward/x 2>/dev/null",
    frees: "",
    mended: "umount /var/lib/mailward && { e2fsck -fy /root/disk >/dev/null; mount -o loop /root/disk /var/lib/mailward; }",
};

const READ_ONLY: Fault = Fault {
    prepared: "mkdir -p /var/lib/mailward && mount --bind /var /var",
    happens: "mount -o remount,bind,ro /var",
    frees: "",
    mended: "mount -o remount,bind,rw /var",
};

const FULL_DISK: Fault = Fault {
    prepared: EXT4,
    happens: "DIR=/var/lib/mailward FILL",
    frees: "rm -f /var/lib/mailward/full.$((2 * NUMBER)) /var/lib/mailward/full.$((2 * NUMBER + 1)); truncate -s -$((4 * NUMBER))k /var/lib/mailward/full",
    mended: "rm -rf /var/lib/mailward/full* /var/lib/mailward/x",
};

const FULL_TMPFS: Fault = Fault {
    prepared: "mkdir -p /var/lib/mailward && mount -t tmpfs -o mode=700,size=4m,nr_inodes=64 tmpfs /var/lib/mailward",
    happens: "DIR=/var/lib/mailward FILL",
    frees: "rm -f /var/lib/mailward/full.$((2 * NUMBER)) /var/lib/mailward/full.$((2 * NUMBER + 1)); truncate -s -$((4 * NUMBER))k /var/lib/mailward/full",
    mended: "rm -rf /var/lib/mailward/full* /var/lib/mailward/x",
};

/// The folder of the window lies there.
pub(super) const FULL_RUN: Fault = Fault {
    prepared: ":",
    happens: "size=$(df -k --output=used /run | tail -1); inodes=$(df --output=iused /run | tail -1); \
        mount -o remount,size=$((size + 64))k,nr_inodes=$((inodes + 16)) /run && DIR=/run FILL",
    frees: "rm -f /run/full.$((2 * NUMBER)) /run/full.$((2 * NUMBER + 1)); truncate -s -$((4 * NUMBER))k /run/full",
    mended: "mount -o remount,size=64m,nr_inodes=65536 /run; rm -rf /run/full* /run/x",
};

impl Fault {
    /// One of its scripts as a shell takes it.
    pub(super) fn script(&self, text: &str) -> String {
        match text.split_once("DIR=") {
            Some((before, rest)) => {
                let (folder, _) = rest.split_once(' ').expect("a folder");
                format!("{before} {}", FILL.replace("DIR", folder))
            }
            None => text.to_owned(),
        }
    }
}

#[test]
fn a_disk_that_is_lost_while_a_change_waits_keeps_nothing_from_going_back() {
    const CASES: [(Case, Fault); 6] = [
        (case(Systemd, Way::Nftables, From::Here), READ_ONLY_BY_ERROR),
        (case(SysV, Way::IptablesLegacy, From::Afar), FULL_DISK),
        (case(SysV, Way::Nftables, From::Afar), READ_ONLY),
        (case(Systemd, Way::IptablesNft, From::Afar), FULL_TMPFS),
        (case(SysV, Way::IptablesNft, From::Here), FULL_RUN),
        (case(Systemd, Way::IptablesLegacy, From::Here), FULL_RUN),
    ];
    side_by_side(&CASES.map(|(case, _)| case), 25, |site, number| {
        let fault = CASES[number].1;
        site.sh(&fault.script(fault.prepared));
        let before = site.scene.rules();
        let begun = site.apply();
        site.sh(&fault.script(fault.happens));
        site.tells(3, "WAITS: ", Some("WAITS: "));
        site.goes_back(begun, &before);
        site.tells(2, "DRIFT: ", None);
        site.sh(&fault.script(fault.mended));
        site.settles(&before);
    });
}

#[test]
fn a_change_is_taken_back_at_once_on_a_disk_that_is_lost_and_nothing_else_is_said() {
    const CASES: [(Case, Fault); 6] = [
        (case(SysV, Way::Nftables, From::Here), READ_ONLY_BY_ERROR),
        (case(Systemd, Way::IptablesLegacy, From::Here), FULL_DISK),
        (case(Systemd, Way::Nftables, From::Afar), READ_ONLY),
        (case(SysV, Way::IptablesNft, From::Afar), FULL_TMPFS),
        (case(Systemd, Way::IptablesNft, From::Here), FULL_DISK),
        (case(SysV, Way::IptablesLegacy, From::Afar), FULL_RUN),
    ];
    side_by_side(&CASES.map(|(case, _)| case), 600, |site, number| {
        let (case, fault) = CASES[number];
        site.sh(&fault.script(fault.prepared));
        let before = site.scene.rules();
        site.apply();
        site.sh(&fault.script(fault.happens));
        let reverted = site.run("revert");
        assert_eq!(super::in_force(&site.scene.rules()), super::in_force(&before), "{case:?} {reverted:#?}");
        assert_eq!(reverted.code(), 0, "{case:?}: {reverted:#?}");
        assert!(reverted.stdout.contains("Taken back."), "{case:?}: {reverted:#?}");
        assert!(!reverted.stdout.contains("NOT as it was"), "{case:?}: {reverted:#?}");
        let checked = site.run("check");
        assert_eq!(checked.code(), 2, "{case:?}: {checked:#?}");
        site.sh(&fault.script(fault.mended));
        site.settles(&before);
    });
}

#[test]
fn without_room_or_memory_a_change_is_refused_before_it_begins() {
    const CASES: [(Case, Fault); 6] = [
        (case(SysV, Way::Nftables, From::Here), READ_ONLY_BY_ERROR),
        (case(Systemd, Way::IptablesLegacy, From::Here), FULL_DISK),
        (case(Systemd, Way::Nftables, From::Afar), READ_ONLY),
        (case(SysV, Way::IptablesNft, From::Afar), FULL_TMPFS),
        (case(Systemd, Way::IptablesNft, From::Here), FULL_RUN),
        (case(SysV, Way::IptablesLegacy, From::Afar), FULL_RUN),
    ];
    side_by_side(&CASES.map(|(case, _)| case), 30, |site, number| {
        let (case, fault) = CASES[number];
        site.sh(&fault.script(fault.prepared));
        let before = site.scene.rules();
        site.sh(&fault.script(fault.happens));
        site.refuses(&before);
        // With room for one file more each time, and for some content in the end.
        let mut code = 0;
        for more in 0..26 {
            if code != 3 && !fault.frees.is_empty() {
                site.sh(&fault.frees.replace("NUMBER", &more.to_string()));
                code = site.refuses(&before);
            }
        }
        if fault.frees.is_empty() {
            site.sh(&fault.script(fault.mended));
            site.apply_unseen();
        }
        site.scene.assert_restricted();
        site.sh(&fault.script(fault.mended));
        let reverted = site.run("revert");
        assert_eq!(reverted.code(), 0, "{case:?}: {reverted:#?}");
        assert_eq!(site.scene.rules(), before, "{case:?}");
        site.leaves_nothing();
    });
}

impl Site {
    /// Applies where there may be no room: either nothing is changed, or the change waits as it should.
    fn refuses(&self, before: &str) -> i32 {
        let (code, said) = self.attempt();
        match code {
            3 => {}
            8 | 11 => {
                assert_eq!(self.scene.rules(), before, "{said}");
                assert!(self.watchers().is_empty(), "{said}");
                let check = self.run("check");
                assert!(check.stdout.starts_with("DRIFT: "), "{said}: {check:#?}");
            }
            other => panic!("{:?}: {other}: {said}", self.case),
        }
        code
    }
}

//! A host without any file system in memory: the window lies on the disk, and its watchers hold all they
//! need.

use super::{From, Way, case, side_by_side};
use crate::support::host::Kind::SysV;

#[test]
fn without_memory_for_it_the_watchers_themselves_hold_what_goes_back() {
    let cases = [
        case(SysV, Way::Nftables, From::Here),
        case(SysV, Way::IptablesLegacy, From::Afar),
        case(SysV, Way::IptablesNft, From::Here),
    ];
    side_by_side(&cases, 35, |site, number| {
        site.sh(
            "mkdir -p /var/lib/mailward && mount --bind /var /var && mkdir /root/shm && mount --bind /root/shm /dev/shm && \
             cp -a /run /root/run && umount -l /run && cp -a /root/run/. /run",
        );
        let before = site.scene.rules();
        let begun = site.apply_unseen();
        let folder = site.sh("ls -d /var/lib/mailward/access/????????????????????????????????");
        assert_eq!(folder.lines().count(), 1, "{folder}");
        let happens = [
            "mount -o remount,bind,ro /var",
            "rm -rf /var/lib/mailward/access/????????????????????????????????",
            "rm -f /var/lib/mailward/access/????????????????????????????????/revert.*",
        ][number];
        site.sh(happens);
        // Each is replaced, from the disk or from the memory of the other.
        for round in 0..3 {
            let watchers = site.watchers();
            assert_eq!(watchers.len(), 2, "{:?}: {watchers:?}", site.case);
            let victim = watchers[round % 2];
            site.sh(&format!("kill -9 {victim}"));
            site.scene.host.wait_until("another takes its place", || {
                let watchers = site.watchers();
                watchers.len() == 2 && !watchers.contains(&victim)
            });
        }
        site.goes_back(begun, &before);
        site.scene.host.wait_until("all have ended", || site.watchers().is_empty());
        site.sh("mount -o remount,bind,rw /var");
        site.settles(&before);
    });
}

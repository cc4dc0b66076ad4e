//! Docker itself, with a container behind a port that is restricted.

use super::{Beside, UNPACKED};
use crate::firewall_nat::ALL;
use crate::support::host::{Kind, Reach};

/// Debian's Docker and its units; the storage is what works on any file system. Nothing else serves the port
/// of the container.
const INSTALL: &str = "for from in docker.io/usr/sbin/dockerd docker.io/usr/sbin/docker-proxy docker.io/usr/bin/docker \
    containerd/usr/bin/containerd containerd/usr/bin/containerd-shim-runc-v2 runc/usr/sbin/runc; do
    ln -s UNPACKED/$from /usr/sbin/${from##*/}
done
for program in containerd containerd-shim-runc-v2 docker; do ln -s ../sbin/$program /usr/bin/$program; done
cp -a UNPACKED/docker.io/lib/systemd/system/docker.* UNPACKED/containerd/lib/systemd/system/containerd.service \
    /lib/systemd/system/
mkdir -p /etc/docker
cat >/etc/docker/daemon.json <<END
{ \"storage-driver\": \"vfs\", \"userland-proxy\": false, \"experimental\": true, \"ipv6\": true, \"ip6tables\": true,
  \"fixed-cidr-v6\": \"fd17::/64\" }
END
groupadd -f docker
systemctl disable --now courier-imap-ssl
systemctl daemon-reload
systemctl enable --now containerd docker.socket docker
";

/// A container that serves 993 of the host, whatever is restarted.
const CONTAINER: &str = "mkdir -p /tmp/image/bin
cp /bin/busybox /tmp/image/bin/
tar -C /tmp/image -c . | docker import - mail
docker run -d --name mail --stop-signal KILL --restart always -p 993:143 mail /bin/busybox httpd -f -p '[::]:143' -h /
";

/// Whether the container comes to its own port by the address of its host, and back to itself by Docker's
/// rules.
fn hairpin(beside: &Beside) -> bool {
    let script = "nsenter -t $(docker inspect -f '{{.State.Pid}}' mail) -n timeout 2 bash -c '</dev/tcp/192.0.2.1/993'";
    beside.scene.host.run(&["sh", "-c", script]).code() == 0
}

#[test]
fn docker_starts_reloads_and_stops_beside_own_rules_which_restrict_its_container() {
    for by in ALL {
        let Some(mut beside) = Beside::new(Kind::Systemd, by) else {
            return;
        };
        beside.sh(&INSTALL.replace("UNPACKED", UNPACKED));
        beside.sh(CONTAINER);
        beside.scene.host.wait_until("the container serves", || {
            beside.reach(993) == [Reach::Connects; 4] && hairpin(&beside)
        });
        beside.scene.apply_for_good();
        let both = |beside: &Beside, when: &str| {
            beside
                .scene
                .host
                .wait_until("the container serves", || beside.reach(993)[2..] == [Reach::Connects; 2]);
            beside.holds_at(993, when);
            beside.holds(when);
        };
        both(&beside, "started");
        assert!(!hairpin(&beside), "{by:?}");
        beside.scene.declare("imap = [\"office\", ", "imap = [\"office\", \"172.17.0.0/16\", ");
        beside.scene.apply_for_good();
        assert!(hairpin(&beside), "{by:?}");
        for when in ["before", "after"] {
            beside.sh("systemctl reload docker");
            both(&beside, &format!("reloaded, {when} two boots"));
            beside.sh("systemctl restart docker");
            both(&beside, &format!("restarted, {when} two boots"));
            if when == "after" {
                break;
            }
            beside.sh("systemctl stop docker.socket docker");
            assert_eq!(beside.reach(993)[..2], [Reach::Silent; 2], "{by:?}, {when}");
            beside.holds(&format!("stopped, {when} two boots"));
            for boot in ["a boot", "another"] {
                beside.scene.host.reboot();
                both(&beside, boot);
            }
        }
    }
}

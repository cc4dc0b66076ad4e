//! Address translation of others, on real hosts and from outside: what is restricted is restricted at both of
//! its ends, and what a host forwards to others is left alone. By an own table of nftables, and by chains of
//! both kinds of iptables.

mod forms;
mod older;

use std::net::IpAddr;

use crate::firewall_apply::{MANIFEST, Scene};
use crate::support::host::{Family, Kind, PacketFilter, Reach};

/// What enforces access, and what translates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Nftables,
    Iptables(PacketFilter),
}

pub(crate) const ALL: [By; 3] =
    [By::Nftables, By::Iptables(PacketFilter::Nft), By::Iptables(PacketFilter::Legacy)];

/// A client of the host that stands beside it, in a namespace of its own, and serves 993; it is the host of
/// another name, too.
const CONTAINER: &str = "
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
setsid unshare -n sleep 1000 </dev/null >/dev/null 2>&1 &
pid=$!
until [ \"$(readlink /proc/$pid/ns/net)\" != \"$(readlink /proc/self/ns/net)\" ]; do sleep 0.05; done
ip link add c0 type veth peer name eth0 netns $pid
ip link set c0 up
ip addr add 172.20.0.1/24 dev c0
ip -6 addr add fd20::1/64 dev c0 nodad
inside() { nsenter -t $pid -n \"$@\"; }
inside ip link set lo up
inside ip link set eth0 up
inside ip addr add 172.20.0.2/24 dev eth0
inside ip -6 addr add fd20::2/64 dev eth0 nodad
inside ip route add default via 172.20.0.1
inside ip -6 route add default via fd20::1
# Another mail host, which is found where this one is.
inside ip addr add 192.0.2.77/32 dev eth0
inside ip -6 addr add 2001:db8:25::77/128 dev eth0 nodad
ip route add 192.0.2.77/32 dev c0
ip -6 route add 2001:db8:25::77/128 via fd20::2
echo 0 >/proc/sys/net/ipv4/neigh/eth0/proxy_delay
echo 0 >/proc/sys/net/ipv6/neigh/eth0/proxy_delay
echo 1 >/proc/sys/net/ipv4/conf/eth0/proxy_arp
echo 1 >/proc/sys/net/ipv6/conf/eth0/proxy_ndp
ip -6 neigh add proxy 2001:db8:25::77 dev eth0
for port in 25 143 993; do inside busybox httpd -p [::]:$port -h /; done
echo $pid >/run/container
";

/// The other mail host.
const BEYOND: [&str; 2] = ["192.0.2.77", "2001:db8:25::77"];

impl By {
    fn scene(self) -> Option<Scene> {
        let (kind, enforce) = match self {
            Self::Nftables => (Kind::Systemd, "nftables"),
            Self::Iptables(_) => (Kind::SysV, "iptables"),
        };
        let scene = Scene::new(kind, enforce, "60s")?;
        if let Self::Iptables(which) = self {
            scene.host.packet_filter_is(which);
        }
        Some(scene)
    }

    /// Has what comes to a port of the host go to another one, here (`redirect`) or in the container
    /// (`dnat`).
    fn translates(self, scene: &Scene, from: u16, to: To) {
        let script = match self {
            Self::Nftables => {
                let rules = match to {
                    To::Port(port) => {
                        format!("fib daddr type local tcp dport {from} redirect to :{port}\n")
                    }
                    To::Container => format!(
                        "fib daddr type local tcp dport {from} dnat ip to 172.20.0.2:993\n\
                         fib daddr type local tcp dport {from} dnat ip6 to [fd20::2]:993\n"
                    ),
                };
                format!(
                    "nft -f - <<END\ntable inet others\ndelete table inet others\ntable inet others {{\nchain p {{\n\
                     type nat hook prerouting priority -100\n{rules}}}\nchain q {{\ntype nat hook postrouting priority 100\n\
                     oifname \"c0\" iifname \"c0\" masquerade\n}}\n}}\nEND\n"
                )
            }
            Self::Iptables(_) => {
                let lines = [("iptables", "172.20.0.2:993"), ("ip6tables", "[fd20::2]:993")].map(|(program, at)| {
                    let target = match to {
                        To::Port(port) => format!("REDIRECT --to-ports {port}"),
                        To::Container => format!("DNAT --to-destination {at}"),
                    };
                    format!(
                        "{program} -t nat -F\n{program} -t nat -A PREROUTING -p tcp --dport {from} -m addrtype \
                         --dst-type LOCAL -j {target}\n"
                    )
                });
                let hairpin =
                    [("iptables", "172.20.0.0/24"), ("ip6tables", "fd20::/64")].map(|(program, from)| {
                        format!("{program} -t nat -A POSTROUTING -s {from} -o c0 -j MASQUERADE\n")
                    });
                lines.concat() + &hairpin.concat()
            }
        };
        scene.host.run(&["sh", "-euc", &script]).success();
    }
}

/// Where a port is translated to.
#[derive(Debug, Clone, Copy)]
enum To {
    Port(u16),
    Container,
}

/// A client beyond the host reaches a port, or gets no answer, over both families.
fn outsiders(scene: &Scene, port: u16, expected: Reach) {
    for family in Family::ALL {
        let reach = scene.stranger().reaches(port, family);
        assert_eq!(reach, expected, "a stranger at {port} over {family:?}");
        let reach = scene.office().reaches(port, family);
        assert_eq!(reach, Reach::Connects, "the office at {port} over {family:?}");
    }
}

/// Nothing is left to do.
fn checked(scene: &Scene) -> String {
    let check = scene.run(&format!("check {MANIFEST}"));
    assert_eq!(check.code(), 0, "{check:#?}");
    format!("{}{}", check.stdout, check.stderr)
}

#[test]
fn a_port_that_is_redirected_to_another_is_restricted_as_the_one_that_the_client_chose() {
    for by in ALL {
        let Some(scene) = by.scene() else {
            return;
        };
        let serve = "busybox httpd -p '[::]:10993' -h /";
        scene.host.run(&["sh", "-c", serve]).success();
        by.translates(&scene, 993, To::Port(10993));
        outsiders(&scene, 993, Reach::Connects);
        scene.apply_for_good();
        outsiders(&scene, 993, Reach::Silent);
        outsiders(&scene, 143, Reach::Silent);
        // The port behind it is nobody's to restrict.
        outsiders(&scene, 10993, Reach::Connects);
        checked(&scene);
        // Rules of others that come later change nothing.
        by.translates(&scene, 143, To::Port(10993));
        outsiders(&scene, 143, Reach::Silent);
    }
}

#[test]
fn another_port_that_is_redirected_to_a_restricted_one_is_restricted_as_that() {
    for by in ALL {
        let Some(scene) = by.scene() else {
            return;
        };
        by.translates(&scene, 9993, To::Port(993));
        outsiders(&scene, 9993, Reach::Connects);
        let mut open = scene.stranger().open(9993, Family::V4);
        scene.apply_for_good();
        outsiders(&scene, 9993, Reach::Silent);
        outsiders(&scene, 993, Reach::Silent);
        assert!(open.still_open());
        checked(&scene);
    }
}

/// The chains of iptables of such a kernel: `example_firewall`.
#[test]
fn where_a_kernel_cannot_tell_its_own_addresses_a_translated_port_is_refused_and_the_rule_named() {
    let by = By::Nftables;
    let Some(scene) = by.scene() else {
        return;
    };
    // A list of modules in which `fib` is not.
    let list = "mkdir -p /lib/modules/$(uname -r); touch /lib/modules/$(uname -r)/modules.dep";
    scene.host.run(&["sh", "-c", list]).success();
    let (code, plan) = scene.plan();
    assert_eq!(code, 2, "{plan}");
    assert!(plan.contains("behind address translation alone"), "{plan}");
    scene.apply_for_good();
    scene.assert_restricted();
    assert!(!scene.rules().contains("fib daddr"));
    checked(&scene);
    by.translates(&scene, 993, To::Port(8443));
    let refused = scene.run(&format!("check {MANIFEST}"));
    assert_eq!(refused.code(), 7, "{refused:#?}");
    let said = format!("{}{}", refused.stdout, refused.stderr);
    let rule = "nft table inet others, chain p, rule 1";
    assert!(said.contains(rule) && said.contains("993 (imap)"), "{said}");
    assert!(!said.contains("143 (imap)"), "{said}");
}

#[test]
fn a_container_behind_a_restricted_port_is_restricted_and_other_hosts_behind_this_one_are_not() {
    for by in ALL {
        let Some(mut scene) = by.scene() else {
            return;
        };
        let inside = |scene: &Scene, target: &str| {
            let script =
                format!("nsenter -t $(cat /run/container) -n timeout 2 bash -c '</dev/tcp/{target}/993'");
            scene.host.command(&["sh", "-c", &script]).run().code() == 0
        };
        scene.host.run(&["sh", "-euc", CONTAINER]).success();
        by.translates(&scene, 993, To::Container);
        outsiders(&scene, 993, Reach::Connects);
        let mut open = scene.stranger().open(993, Family::V4);
        let beyond = |scene: &Scene| {
            for address in BEYOND {
                let address: IpAddr = address.parse().unwrap();
                for port in [25, 143, 993] {
                    let reach = scene.stranger().reaches_beyond(address, port);
                    assert_eq!(reach, Reach::Connects, "{by:?}: {address}");
                }
            }
        };
        beyond(&scene);
        scene.apply_for_good();
        outsiders(&scene, 993, Reach::Silent);
        outsiders(&scene, 143, Reach::Silent);
        // Mail of others that the host forwards, and what the container itself calls elsewhere.
        beyond(&scene);
        assert!(open.still_open());
        // The container is an outsider of the host's own port, whoever serves it.
        assert!(!inside(&scene, "192.0.2.1"), "{by:?}");
        assert!(inside(&scene, "192.0.2.77"), "{by:?}");
        checked(&scene);
        scene.declare("imap = [\"office\", ", "imap = [\"office\", \"172.20.0.0/24\", ");
        scene.apply_for_good();
        // Hairpin: its own address comes back to it by the translation, under the address of the host.
        assert!(inside(&scene, "192.0.2.1"), "{by:?}");
        drop(open);
        scene.host.reboot();
        scene.host.run(&["sh", "-euc", CONTAINER]).success();
        by.translates(&scene, 993, To::Container);
        outsiders(&scene, 993, Reach::Silent);
        beyond(&scene);
    }
}

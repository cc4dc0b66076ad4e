# Keeps one private host: its root, its client network and its boots.
#
# Runs as `unshare --mount --net --propagation private sh -eu keep.sh`. Reads one command a line from standard
# input ("boot", "halt", "network") and answers one line to each; at the end of input, which is also what it sees when the
# test dies in any way, it ends the host and leaves. All of its mounts live in its own mount namespace, on a
# tmpfs, so the machine's mount table and disk never see them.
#
# Variables: KIND (systemd, sysv, busybox), LAYOUT (debian, plesk-split, plesk-single), PLACE (the folder that the tmpfs covers),
# SUPPORT (the folder of this file), MAILWARD (the program), SUITE (the test program). MAILWARD_TEST_LOWER: the layers that a
# host lies over, where it is not the machine's root (tests/fresh).

mount -t tmpfs -o mode=755 mailward-test "$PLACE"
exec 2>"$PLACE/log"
cd "$PLACE"
mkdir upper work root cgroups clients
mkfifo up

cgroup=cgroups/mailward-test-$$
number=0
init=

halt() {
    if [ -n "$init" ]; then
        kill -KILL "$init" 2>/dev/null || :
        wait "$supervisor" || :
        init=
    fi
    # Programs that the test ran in the host by nsenter have processes of their own outside of init's tree only
    # for a moment: they die with the pid namespace. The loop waits for that.
    tries=0
    while [ -d "$cgroup" ] && [ "$tries" -lt 200 ]; do
        find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null || :
        tries=$((tries + 1))
        [ ! -d "$cgroup" ] || sleep 0.01
    done
    ip link del "host$number" 2>/dev/null || :
}

leave() {
    status=$?
    trap - EXIT
    set +e
    halt
    if [ "$status" != 0 ]; then
        echo "failed: $(tr '\n' ' ' <log)"
    fi
    exit "$status"
}
trap leave EXIT
trap 'exit 143' TERM HUP INT

mount -t cgroup2 cgroup2 cgroups
# A keeper that was killed could not remove its cgroup.
for stale in cgroups/mailward-test-*; do
    if [ -d "$stale" ] && [ ! -e "/proc/${stale##*-}" ]; then
        find "$stale" -depth -type d -exec rmdir {} + 2>/dev/null || :
    fi
done
case $KIND in
busybox)
    # Nothing of the machine is in such a host, but what is copied there.
    lower=$PLACE/empty
    mkdir "$lower"
    ;;
*)
    lower=${MAILWARD_TEST_LOWER:-/}
    # The overlay's sign that a folder of the lower layer is gone: the home of root is the host's own.
    mknod upper/root c 0 0
    ;;
esac
mount -t overlay -o "lowerdir=$lower,upperdir=upper,workdir=work" overlay root
# Everything below changes the host's root only; a root that is not the overlay would be the machine's own.
[ "$(stat -f -c %T root)" = overlayfs ]

R=$PLACE/root
mkdir -m 700 "$R/root"
[ "$KIND" != busybox ] || . "$SUPPORT/busybox.sh"
# No service of the machine is the host's, whatever is installed there.
for folder in etc/rc0.d etc/rc1.d etc/rc2.d etc/rc3.d etc/rc4.d etc/rc5.d etc/rc6.d etc/rcS.d \
    etc/xinetd.d etc/cron.d etc/systemd/system var/lib/mailward var/log/journal; do
    rm -rf "${R:?}/$folder"
    mkdir -p "$R/$folder"
done
rmdir "$R/var/lib/mailward"
rm -f "$R/etc/inetd.conf" "$R/usr/local/bin/mailward" "$R/usr/sbin/policy-rc.d" "$R/etc/ssh/sshd_config"
cp -R "$SUPPORT/tree/both/." "$R/"
cp -R "$SUPPORT/tree/$KIND/." "$R/"
chmod 755 "$R"/usr/local/lib/test-services/*
if [ "$KIND" != busybox ]; then
    for program in bin/mailward lib/mailward-suite; do
        : >"$R/usr/local/$program"
        chmod 755 "$R/usr/local/$program"
    done
fi
tr -d - </proc/sys/kernel/random/uuid >"$R/etc/machine-id"
echo mx1.test >"$R/etc/hostname"
printf '127.0.0.1\tlocalhost\n192.0.2.1\tmx1.test mx1\n' >"$R/etc/hosts"
# Debian's imapd has 20; upstream's and Plesk's value is that of pop3d.
sed -i 's/^MAXPERIP=.*/MAXPERIP=4/' "$R/etc/courier/imapd" "$R/etc/courier/pop3d"
services="courier-authdaemon courier-imap courier-imap-ssl courier-pop courier-pop-ssl xinetd"
[ "$LAYOUT" = debian ] || . "$SUPPORT/plesk.sh"
order=1
for service in $services; do
    ln -s "../init.d/$service" "$R/etc/rc2.d/S0$order$service"
    order=$((order + 1))
done
case $KIND in
systemd)
    mkdir "$R/etc/systemd/system/multi-user.target.wants"
    # A service without a unit gets one from its init script, wanted for the sake of the link in rc2.d.
    for service in $services; do
        unit=/lib/systemd/system/$service.service
        [ ! -e "$R$unit" ] || ln -s "$unit" "$R/etc/systemd/system/multi-user.target.wants/"
    done
    # What reaches for the machine's kernel, or is of no use in a host that lives for seconds.
    for unit in dbus.service dbus.socket systemd-logind.service getty.target systemd-journal-flush.service \
        systemd-udevd.service systemd-networkd.service systemd-resolved.service systemd-timesyncd.service \
        systemd-sysusers.service systemd-firstboot.service systemd-update-utmp.service \
        systemd-journald-audit.socket systemd-machine-id-commit.service systemd-sysctl.service \
        systemd-modules-load.service dev-hugepages.mount sys-kernel-debug.mount sys-kernel-tracing.mount \
        sys-kernel-config.mount sys-fs-fuse-connections.mount proc-sys-fs-binfmt_misc.automount \
        systemd-binfmt.service systemd-random-seed.service systemd-remount-fs.service \
        modprobe@.service; do
        ln -s /dev/null "$R/etc/systemd/system/$unit"
    done
    ;;
sysv)
    # A host without systemd has none of its tools.
    rm -rf "$R/bin/systemctl" "$R/lib/systemd/systemd" "$R/lib/systemd/system"
    ;;
busybox)
    rm -r "$R/etc/systemd"
    chmod 755 "$R"/etc/init.d/*
    ;;
esac

# The client's side of the network: any address of these networks may be the source of a connection.
ip link set lo up
for network in 192.0.2.128/25 198.51.100.0/24 203.0.113.0/24; do
    ip route add local "$network" dev lo
done
ip -6 route add local 2001:db8:51::/48 dev lo
# For IPv4 a local route is enough to send from an address; IPv6 wants this as well. This network's own switch.
echo 1 >/proc/sys/net/ipv6/ip_nonlocal_bind
# No second lost in asking whether anybody else has the address: on a link of two there is nobody.
echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad

echo ready
while read -r command; do
    case $command in
    boot)
        number=$((number + 1))
        mkdir -p "$cgroup"
        # The subshell enters the cgroup, so that it is the root of the cgroup namespace made next.
        (
            sh -c 'echo $PPID' >"$cgroup/cgroup.procs"
            exec setpriv --pdeathsig KILL \
                unshare --mount --pid --net --uts --ipc --cgroup --propagation private --fork --kill-child=KILL \
                /bin/sh -eu "$SUPPORT/boot.sh" "host$number" 8>up 9</proc/self/ns/net
        ) </dev/null >/dev/null 2>>log &
        supervisor=$!
        answer=
        read -r answer <up || :
        init=${answer#up }
        [ -n "$answer" ]
        ip link set "host$number" up
        ip addr add 192.0.2.129/24 dev "host$number"
        ip -6 addr add 2001:db8:25::fe/64 dev "host$number" nodad
        echo "$answer"
        ;;
    halt)
        halt
        echo halted
        ;;
    network)
        . "$SUPPORT/network.sh"
        echo connected
        ;;
    *)
        echo "unknown command: $command" >&2
        exit 1
        ;;
    esac
done

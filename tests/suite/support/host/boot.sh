# Becomes PID 1 of a private host: fills in its network, /proc, /sys, /dev, /run and /tmp, makes the overlay its
# root and runs its init. Called by keep.sh in new namespaces, as `boot.sh CLIENT-LINK`, with file descriptor 8 to
# say that it is up and 9 open on the client's network namespace.
#
# Variables: KIND, PLACE, MAILWARD, SUITE.

link=$1
# This is still the machine's /proc, so the number is the one by which the machine knows this process.
read -r pid rest </proc/self/stat

hostname mx1.test
ip link set lo up
echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad
ip link add eth0 type veth peer name "$link" netns /proc/self/fd/9
exec 9<&-
ip link set eth0 up
ip addr add 192.0.2.1/24 dev eth0
ip -6 addr add 2001:db8:25::1/64 dev eth0 nodad
ip route add default via 192.0.2.129
ip -6 route add default via 2001:db8:25::fe

cd "$PLACE/root"
mount -t proc proc proc
# The kernel's switches are the machine's: only those of the host's own network can be turned here.
mount --bind proc/sys proc/sys
mount --bind proc/sys/net proc/sys/net
mount -o remount,bind,ro proc/sys
if [ -e proc/sysrq-trigger ]; then
    mount --bind proc/sysrq-trigger proc/sysrq-trigger
    mount -o remount,bind,ro proc/sysrq-trigger
fi
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/pts dev/shm run/lock
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mknod -m 666 dev/null c 1 3
mknod -m 666 dev/zero c 1 5
mknod -m 666 dev/full c 1 7
mknod -m 666 dev/random c 1 8
mknod -m 666 dev/urandom c 1 9
mknod -m 666 dev/tty c 5 0
ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/0 dev/stdin
ln -s /proc/self/fd/1 dev/stdout
ln -s /proc/self/fd/2 dev/stderr
ln -s pts/ptmx dev/ptmx
# They need libraries that a host with BusyBox does not have.
if [ "$KIND" != busybox ]; then
    mount --bind "$MAILWARD" usr/local/bin/mailward
    mount --bind "$SUITE" usr/local/lib/mailward-suite
fi
# What the test runs in the host goes to a cgroup of its own, which no service manager there looks after.
mkdir sys/fs/cgroup/tests

pivot_root . .
umount -l .
cd /

echo "up $pid" >&8
exec 8>&-
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
case $KIND in
systemd)
    exec env -i PATH="$PATH" container=mailward-test \
        /lib/systemd/systemd --system --unit=multi-user.target --log-target=journal --show-status=no
    ;;
sysv)
    exec env -i PATH="$PATH" tini -- /usr/local/lib/test-services/rc
    ;;
busybox)
    exec env -i PATH="$PATH" /sbin/init
    ;;
esac

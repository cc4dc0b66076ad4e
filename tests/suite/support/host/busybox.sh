# Fills the empty root of a host whose only userland is BusyBox: its applets, the daemons that the tests need with
# their libraries, and Courier's files as Debian has them. Sourced by keep.sh.
#
# Variables: R (the host's root).

mkdir -p "$R/bin" "$R/sbin" "$R/usr/bin" "$R/usr/sbin" "$R/usr/lib/courier" "$R/usr/local/bin" "$R/usr/local/lib" \
    "$R/dev" "$R/proc" "$R/sys" "$R/run" "$R/tmp" "$R/etc/courier" "$R/etc/default" "$R/etc/init.d" "$R/etc/ssh" \
    "$R/home" "$R/var/lib/courier" "$R/var/log" "$R/var/tmp"
ln -s /run "$R/var/run"
ln -s /run/lock "$R/var/lock"
chmod 1777 "$R/var/tmp"
cp /bin/busybox "$R/bin/busybox"
chroot "$R" /bin/busybox --install -s

daemons="/usr/sbin/sshd /usr/sbin/xinetd /usr/sbin/couriertcpd /usr/sbin/courierlogger /usr/bin/couriertls /usr/bin/imapd
    /usr/lib/courier/courier/courierpop3login /usr/lib/courier/courier/courierpop3d
    /usr/lib/courier/courier/imaplogin /usr/lib/courier/courier-authlib/authdaemond"
# Neither list has a name with a space.
# shellcheck disable=SC2086
libraries=$(ldd $daemons | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p; s/^[[:space:]]*\(\/[^ :]*\) (.*/\1/p' | sort -u)
# shellcheck disable=SC2086
cp -L --parents $daemons $libraries "$R"

# The packet filter of kernels before nftables, as such an old system has it; extensions are loaded by name.
filter=/usr/sbin/xtables-legacy-multi
extensions=$(find /usr/lib/*/xtables -name 'libxt_*' -o -name 'libipt_*' -o -name 'libip6t_*')
# shellcheck disable=SC2046,SC2086
cp -L --parents $filter $(ldd $filter | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p') $extensions "$R"
for name in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
    # In this folder CentOS 5 and 6 have them.
    ln -s ../usr/sbin/xtables-legacy-multi "$R/sbin/$name"
done

# Shell scripts, which BusyBox runs as any other sh does.
cp /usr/sbin/imapd /usr/sbin/imapd-ssl /usr/sbin/pop3d /usr/sbin/pop3d-ssl /usr/sbin/authdaemond "$R/usr/sbin/"
cp -R --preserve=mode,ownership /etc/courier/. "$R/etc/courier/"
cp /etc/services /etc/protocols "$R/etc/"
{
    printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n'
    grep -E '^(courier|sshd):' /etc/passwd
} >"$R/etc/passwd"
{
    printf 'root:x:0:\ntty:x:5:\nnogroup:x:65534:\n'
    grep -E '^courier:' /etc/group
} >"$R/etc/group"
printf 'root:*:19000:0:99999:7:::\n' >"$R/etc/shadow"
chmod 600 "$R/etc/shadow"

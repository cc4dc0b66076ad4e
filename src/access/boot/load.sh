# Loads the rules of mailward that are kept for the boot. Run by the boot, from its own unit or init script; written by
# mailward, which writes it again when it differs.
PATH=/usr/sbin:/sbin:/usr/bin:/bin
cd /var/lib/mailward/access || exit 1
status=0

# restore PROGRAM FILE: tries again while somebody else holds the lock of iptables (4). Kernels without addrtype take the
# file's second form, which also sees what is only forwarded.
restore() {
    for try in 1 2 3 4 5 6 7 8 9 10; do
        "$1" --noflush <"$2" && return 0
        [ $? = 4 ] || break
        sleep 1
    done
    "$1" --noflush <"$2-all"
}

if [ -f boot.nft ]; then
    nft -f boot.nft || status=1
fi
if [ -f boot.v4 ]; then
    restore iptables-restore boot.v4 || status=1
fi
if [ -f boot.v6 ]; then
    restore ip6tables-restore boot.v6 || status=1
fi
exit $status

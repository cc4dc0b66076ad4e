# Loads the rules of mailward that are kept for the boot. Run by the boot, from its own unit or init script; written by
# mailward, which writes it again when it differs.
PATH=/usr/sbin:/sbin:/usr/bin:/bin
cd /var/lib/mailward/access || exit 1
status=0
if [ -f boot.nft ]; then
    nft -f boot.nft || status=1
fi
# Kernels without addrtype take the second form, which also sees what is only forwarded.
if [ -f boot.v4 ]; then
    iptables-restore --noflush <boot.v4 || iptables-restore --noflush <boot.v4-all || status=1
fi
if [ -f boot.v6 ]; then
    ip6tables-restore --noflush <boot.v6 || ip6tables-restore --noflush <boot.v6-all || status=1
fi
exit $status

# Makes a host's clients, each in a network namespace of its own, with the keeper's namespace as the router between them
# and the host. Sourced by keep.sh on the command "network".
#
# Each namespace is held by a mount at $PLACE/clients/NAME. A client has its whole networks: any address of them may be
# the source of a connection.

# client NAME NUMBER [NETWORK-OF-IPV4]: its IPv6 network is 2001:db8:NUMBER::/64, and it itself the first of each.
client() {
    name=$1
    link=client$2
    six=2001:db8:$2
    four=${3:-}
    : >"clients/$name"
    unshare "--net=$PLACE/clients/$name" true
    ip link add "$link" type veth peer name eth0 netns "$PLACE/clients/$name"
    # Before the link is up, or the kernel would still ask whether anybody else has the address.
    echo 0 >"/proc/sys/net/ipv6/conf/$link/accept_dad"
    # shellcheck disable=SC2016
    nsenter "--net=$PLACE/clients/$name" /bin/sh -eu -c '
        echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad
        echo 1 >/proc/sys/net/ipv6/ip_nonlocal_bind
        ip link set lo up
        ip link set eth0 up
        ip -6 addr add "$1::1/128" dev eth0 nodad
        ip -6 route add local "$1::/64" dev lo
        ip -6 route add default via fe80::1 dev eth0
        [ -n "$2" ] || exit 0
        ip addr add "$2.1/32" dev eth0
        ip route add local "$2.0/24" dev lo
        ip route add default via 169.254.0.1 dev eth0 onlink
        ' sh "$six" "$four"
    ip link set "$link" up
    ip -6 addr add fe80::1/64 dev "$link" nodad
    ip -6 route add "$six::/64" via "$six::1" dev "$link" onlink
    if [ -n "$four" ]; then
        ip addr add 169.254.0.1/32 dev "$link"
        ip route add "$four.0/24" via "$four.1" dev "$link" onlink
    fi
}

client office 1 198.18.1
client vpn 2 198.18.2
client stranger 3 198.18.3
client six 4
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/net/ipv6/conf/all/forwarding

"""Random rulesets of somebody else's, loaded into the kernel of a network namespace, and connections from another one through
each: what `mailward show` says must be what happens, or "unclear".

judge.py MAILWARD KIND SEED COUNT; KIND is nft, iptables-nft or iptables-legacy. judge.py MAILWARD given FILE: rulesets of nft
from a file, a list of [name, script]. Prints one JSON object. Runs in a network namespace of its own (`unshare -n`) as root;
makes a second one. The host's device is a bridge, so that rules of the family
bridge and of its port are passed, too. Neighbours are known beforehand: no rule about ARP or ICMPv6 decides.
"""

import ipaddress
import json
import os
import random
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time

MAILWARD, KIND = sys.argv[1:3]
GIVEN = json.load(open(sys.argv[3])) if KIND == "given" else None
SEED, COUNT = (0, len(GIVEN)) if GIVEN else map(int, sys.argv[3:5])
SOURCES = ["203.0.113.9", "203.0.114.200", "192.0.2.5", "2001:db8:51::9", "2001:db8:99::9"]
PORTS = [25, 110, 143, 587, 993]
OTHERS = [10993, 2525]
RANDOM = random.Random(SEED)


def run(*command, text=None):
    return subprocess.run(command, input=text, capture_output=True, text=True)


def must(line):
    done = run(*line.split())
    if done.returncode:
        sys.exit(line + ": " + done.stderr)


# --- the network -------------------------------------------------------------------------------------------------------

def network():
    peer = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", "unshare", "-n", "sleep", "3000"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    own = os.readlink("/proc/self/ns/net")
    while os.readlink(f"/proc/{peer.pid}/ns/net") == own:
        time.sleep(0.02)
    inside = f"nsenter -t {peer.pid} -n "
    must(f"ip link add port0 type veth peer name client netns {peer.pid}")
    must("ip link add host type bridge")
    must("ip link set port0 master host")
    for device in ["lo", "port0", "host"]:
        must(f"ip link set {device} up")
    must("ip addr add 100.64.0.1/10 dev host")
    must("ip addr add fd00::1/64 dev host nodad")
    must(inside + "ip link set lo up")
    must(inside + "ip link set client up")
    must(inside + "ip addr add fd00::2/64 dev client nodad")
    mac = lambda line: run(*line.split()).stdout.split("link/ether ")[1].split()[0]
    host, client = mac("ip -o link show host"), mac(inside + "ip -o link show client")
    must(inside + f"ip neigh replace fd00::1 lladdr {host} dev client nud permanent")
    must(inside + "ip route add 100.64.0.1/32 dev client")
    must(inside + f"ip neigh replace 100.64.0.1 lladdr {host} dev client nud permanent")
    for source in SOURCES:
        wide = 128 if ":" in source else 32
        dad = " nodad" if ":" in source else ""
        must(inside + f"ip addr add {source}/{wide} dev client{dad}")
        must(f"ip route add {source}/{wide} dev host")
        must(f"ip neigh replace {source} lladdr {client} dev host nud permanent")
    return peer


def serve():
    """Answers each connection that sends something, on all ports."""
    chosen = selectors.DefaultSelector()
    for port in PORTS + OTHERS:
        server = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=256)
        server.setblocking(False)
        chosen.register(server, selectors.EVENT_READ, "new")
    while True:
        for key, _ in chosen.select():
            try:
                if key.data == "new":
                    connection, _ = key.fileobj.accept()
                    connection.setblocking(False)
                    chosen.register(connection, selectors.EVENT_READ, "open")
                elif key.fileobj.recv(10):
                    key.fileobj.send(b"220")
                else:
                    raise OSError
            except OSError:
                if key.data == "open":
                    chosen.unregister(key.fileobj)
                    key.fileobj.close()


CLIENT = r"""
import json, selectors, socket, sys, time
port = 20000
for line in sys.stdin:
    patience, asked = json.loads(line)
    chosen = selectors.DefaultSelector()
    can = []
    for source, to in asked:
        port = 20000 if port > 60000 else port + 1
        six = ":" in source
        client = socket.socket(socket.AF_INET6 if six else socket.AF_INET)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        client.setblocking(False)
        try:
            client.bind((source, port))
            client.connect(("fd00::1" if six else "100.64.0.1", to))
        except BlockingIOError:
            chosen.register(client, selectors.EVENT_WRITE, (source, to))
        except OSError:
            client.close()
    end = time.monotonic() + patience
    while chosen.get_map() and time.monotonic() < end:
        for key, mask in chosen.select(max(0, end - time.monotonic())):
            client = key.fileobj
            try:
                if mask & selectors.EVENT_WRITE:
                    client.send(b"x")
                    chosen.modify(client, selectors.EVENT_READ, key.data)
                    continue
                if client.recv(10) == b"220":
                    can.append(key.data)
            except OSError:
                pass
            chosen.unregister(client)
            client.close()
    for key in list(chosen.get_map().values()):
        key.fileobj.close()
    print(json.dumps(can), flush=True)
"""


class Client:
    def __init__(self, peer):
        command = ["nsenter", "-t", str(peer.pid), "-n", sys.executable, "-c", CLIENT]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def connects(self, patience):
        asked = [(source, port) for source in SOURCES for port in PORTS]
        self.process.stdin.write(json.dumps([patience, asked]) + "\n")
        self.process.stdin.flush()
        return {(source, port) for source, port in json.loads(self.process.stdout.readline())}


class Deck:
    """Each thing once before any comes again."""

    def __init__(self, things):
        self.things, self.left = list(things), []

    def draw(self, fits=lambda thing: True):
        for _ in range(2):
            for index, thing in enumerate(self.left):
                if fits(thing):
                    return self.left.pop(index)
            more = RANDOM.sample(self.things, len(self.things))
            self.left += more
        return "-"


# --- rules of nftables -------------------------------------------------------------------------------------------------

CONDITIONS = [line.strip() for line in """
ip saddr 203.0.113.0/24
ip saddr != 203.0.113.0/24
ip saddr { 203.0.113.9, 192.0.2.0/24 }
ip saddr @office
ip saddr @seen
ip saddr & 0.0.0.255 == 9
ip daddr 100.64.0.1
ip daddr 203.0.113.9
ip daddr 203.0.113.0/24
ip daddr != 203.0.113.9
ip daddr 224.0.0.0/4
ip6 saddr 2001:db8:51::/48
ip6 daddr 2001:db8:51::/48
ip6 daddr fd00::1
tcp dport 143
tcp dport { 25, 110 }
tcp dport @ports
tcp dport != 143
tcp dport 100-600
tcp dport > 500
tcp dport <= 143
tcp dport & 1 == 1
th dport 993
tcp sport 143
tcp sport { 25, 110 }
tcp sport != 143
tcp sport 1024-65535
tcp sport 0-1023
tcp sport < 30000
udp dport 143
iifname "host"
iifname "lo"
iifname != "lo"
iifname { "lo", "host" }
iifname @links
iifname "l*"
iifname != "host"
iif "lo"
oifname "host"
oifname "lo"
oifname != "lo"
oif "host"
ct state new
ct state established,related
ct state { new, untracked }
ct state { established, related }
ct state invalid
ct state invalid,new
ct state untracked
ct state related
ct state != established
ct state != { new, established }
ct state != new
ct direction reply
ct direction original
ct status assured
ct status dnat
ct mark 1
ct mark 0
ct original proto-dst 143
ct zone 0
tcp flags syn
tcp flags ack
tcp flags & (fin|syn|rst|ack) == syn
tcp flags & (fin|syn|rst|ack) != syn
tcp flags & (syn|ack) == (syn|ack)
tcp flags & (fin|syn) == (fin|syn)
tcp flags & (fin|syn|rst|psh|ack|urg) == 0
tcp flags != syn
tcp flags == syn
tcp flags syn,ack
tcp flags ! syn,rst
meta l4proto tcp
meta l4proto udp
meta l4proto { tcp, udp }
meta l4proto != tcp
meta l4proto @protocols
ip protocol tcp
ip protocol != tcp
ip6 nexthdr tcp
meta nfproto ipv4
meta nfproto ipv6
meta protocol ip6
meta pkttype host
meta pkttype { broadcast, multicast }
meta mark 0
meta mark 1
meta length 0-1500
meta iiftype ether
meta skuid 0
meta cpu 0
meta priority 0
ip ttl 64
ip dscp cs1
ip version 4
ip frag-off & 0x1fff == 0
ip length 60
ip6 hoplimit 64
fib daddr type local
fib daddr type { broadcast, multicast }
fib saddr type local
fib saddr . iif oif missing
fib daddr . iif type local
socket transparent 1
socket mark 0
rt classid 0
tcp option maxseg size 0-65535
tcp option sack-perm exists
tcp window 0-65535
exthdr frag exists
ip saddr . tcp dport { 203.0.113.9 . 143, 192.0.2.5 . 25 }
ct state . tcp dport { new . 143 }
numgen inc mod 2 0
jhash ip saddr mod 2 0
symhash mod 2 0
meta hour "00:00"-"23:59"
meta time > "2020-01-01 00:00:00"
meta random < 1000
osf name "Linux"
""".strip().splitlines()]

STATEMENTS = [line.strip() for line in """
counter
log prefix "x"
limit rate 1000/second
limit rate over 1/day
quota 100 mbytes
quota over 1 bytes
ct count 100
ct count over 0
notrack
ct mark set 1
ct mark set meta mark
ct event set new
meta mark set 1
meta mark set ct mark
meta mark set tcp dport map { 25 : 1 }
meta priority set 1:2
meta nftrace set 0
meta pkttype set other
ip dscp set cs1
ip ecn set ect0
ip ttl set 1
ip ttl set 64
ip saddr set 203.0.113.9
ip daddr set 100.64.0.1
ip daddr set 203.0.113.9
ip6 saddr set 2001:db8:51::9
ip6 hoplimit set 1
tcp dport set 25
tcp dport set 10993
tcp sport set 143
tcp sport set 1025
tcp window set 100
tcp option maxseg size set 1000
reset tcp option sack-perm
ct zone set 1
ct helper set "ftp"
ct timeout set "slow"
ct expectation set "more"
add @seen { ip saddr }
add @seen { ip saddr limit rate over 1/day }
update @seen { ip saddr counter }
delete @seen { ip saddr }
meter m { ip saddr limit rate over 1/day }
dup to 203.0.113.9
""".strip().splitlines()]

VERDICTS = [line.strip() for line in """
accept
accept
accept
drop
drop
drop
reject
reject with tcp reset
return
continue
jump x
goto y
ct state vmap { established : accept, related : accept, invalid : drop }
ct state vmap { established : accept, related : accept, invalid : drop, untracked : jump x }
ct state vmap { new : goto y, established : accept }
ct state vmap { invalid : drop, new : jump x }
tcp dport vmap { 25 : accept, 100-200 : goto y, 993 : drop }
tcp dport vmap { 143 : drop, 110 : jump x }
tcp dport vmap @verdicts
tcp sport vmap { 25 : drop, 143 : accept }
ip saddr vmap { 203.0.113.0/24 : drop, 192.0.2.5 : jump x }
ip saddr vmap @people
ip daddr vmap { 203.0.113.0/24 : drop, 100.64.0.1 : jump x }
ip6 saddr vmap { 2001:db8:51::/48 : drop }
iifname vmap { "lo" : accept, "host" : jump x }
iifname vmap { "lo" : accept, "h*" : drop }
oifname vmap { "lo" : accept, "host" : drop }
meta l4proto vmap { tcp : jump x, udp : drop }
meta nfproto vmap { ipv4 : jump x, ipv6 : drop }
ip protocol vmap { tcp : jump x, udp : drop }
meta mark vmap { 0 : accept, 1 : drop }
meta pkttype vmap { host : jump x, broadcast : drop }
fib daddr type vmap { local : jump x, multicast : drop }
ip saddr . tcp dport vmap { 203.0.113.9 . 143 : drop, 192.0.2.5 . 25 : accept }
ct state . tcp dport vmap { new . 143 : drop, established . 143 : accept }
meta l4proto tcp redirect to :25
tcp dport 993 redirect to :10993
tcp dport 143 redirect to :993
meta l4proto tcp dnat ip to 100.64.0.1:143
tcp dport 143 dnat ip to 203.0.113.9:25
tcp dport 25 dnat ip to 127.0.0.1
masquerade
snat ip to 203.0.113.9
meta l4proto tcp tproxy to :25
tcp dport 143 tproxy to :2525 meta mark set 1
tcp dport 143 synproxy mss 1460 wscale 7
queue num 1
fwd to "lo"
-
-
-
""".strip().splitlines()]

HOOKS = (
    ["filter input 0"] * 6
    + ["filter prerouting -300", "filter prerouting -200", "filter prerouting -150", "filter prerouting 0"]
    + ["nat prerouting -100", "nat input 100", "nat output -100", "nat postrouting 100"]
    + ["filter output -300", "filter output 0", "route output -150", "filter postrouting -150", "filter postrouting 0"]
    + ["filter forward 0"]
)


DECKS = [Deck(CONDITIONS), Deck(STATEMENTS), Deck(VERDICTS)]


def rule(fits):
    conditions, statements, verdicts = DECKS
    parts = [conditions.draw() for _ in range(RANDOM.choice([0, 1, 1, 1, 2]))]
    if RANDOM.random() < 0.3:
        parts.insert(RANDOM.randrange(len(parts) + 1), statements.draw())
    verdict = verdicts.draw(fits)
    if verdict != "-":
        parts.append(verdict)
    return " ".join(parts)


def nft_rules():
    """The base script, then rules that are added one by one: not every kernel takes all."""
    family = RANDOM.choice(["inet"] * 6 + ["ip", "ip6"])
    hooks = RANDOM.sample(HOOKS, RANDOM.choice([1, 1, 2, 2, 3]))
    first = RANDOM.random() < 0.3
    base = f"table {family} t {{\n"
    base += "set office { type ipv4_addr; flags interval; elements = { 203.0.113.0/24 } }\n"
    base += "set ports { type inet_service; elements = { 143, 993 } }\n"
    base += "set links { type ifname; elements = { \"lo\", \"host\" } }\n"
    base += "set protocols { type inet_proto; elements = { tcp, udp } }\n"
    base += "set seen { type ipv4_addr; flags dynamic; size 100; timeout 1m; elements = { 192.0.2.5 } }\n"
    base += "map verdicts { type inet_service : verdict; elements = { 143 : drop, 25 : accept, 110 : jump y } }\n"
    base += "map people { type ipv4_addr : verdict; flags interval; elements = { 203.0.113.0/24 : drop, 192.0.2.5 : accept } }\n"
    base += "ct helper ftp { type \"ftp\" protocol tcp; }\n"
    if family != "ip6":
        base += "ct timeout slow { protocol tcp; l3proto ip; policy = { established : 1000 }; }\n"
        base += "ct expectation more { protocol tcp; dport 143; timeout 1h; size 12; l3proto ip; }\n"
    base += "chain x { }\nchain y { }\n"
    chains = ["x", "y"]
    for index, hook in enumerate(dict.fromkeys(hooks)):
        kind, at, priority = hook.split()
        policy = "drop" if kind == "filter" and RANDOM.random() < 0.25 else "accept"
        base += f"chain c{index} {{ type {kind} hook {at} priority {priority}; policy {policy}; }}\n"
        chains += [f"c{index}"] * 3
    base += "}\n"
    extra = RANDOM.random()
    tables = [(f"{family} t", chain) for chain in chains]
    if extra < 0.06:
        at = RANDOM.choice(["prerouting", "input", "output", "postrouting"])
        policy = RANDOM.choice(["accept", "accept", "drop"])
        base += f"table bridge b {{\nchain b {{ type filter hook {at} priority 0; policy {policy}; }}\n}}\n"
        tables += [("bridge b", "b")] * 4
    elif extra < 0.10:
        base += "table netdev d {\nchain d { type filter hook ingress device \"port0\" priority 0; policy accept; }\n}\n"
        tables += [("netdev d", "d")] * 4
    elif extra < 0.12:
        base += "table netdev d {\nchain d { type filter hook egress device \"host\" priority 0; policy accept; }\n}\n"
        tables += [("netdev d", "d")] * 4
    elif extra < 0.13:
        base += "table arp a {\nchain a { type filter hook input priority 0; policy drop; }\n}\n"
    rules = []
    if first:
        usual = "ct state vmap { established : accept, related : accept, invalid : drop }"
        rules.append(f"add rule {family} t c0 " + RANDOM.choice([usual, "ct state established,related accept"]))
    number = RANDOM.choice([1, 2, 3, 3, 4, 5, 6, 8])
    for _ in range(number):
        table, chain = RANDOM.choice(tables)
        # The last chains jump nowhere, and other tables have none.
        alone = chain in "xybd"
        fits = lambda verdict: not (alone and any(word in verdict for word in ["jump", "goto", "@"]))
        rules.append(f"add rule {table} {chain} " + rule(fits))
    return base, rules


def load_nft():
    base, rules = nft_rules()
    done = run("nft", "-f", "-", text=base)
    if done.returncode:
        sys.exit("the base is not loaded: " + base + done.stderr)
    return [line for line in rules if loads(line, "nft", "-f", "-", text=line + "\n")]


REFUSED = {}


PARTS = set()


def loads(what, *command, text=None):
    done = run(*command, text=text)
    if done.returncode:
        REFUSED[what] = done.stderr.strip().splitlines()[:1]
    else:
        PARTS.update(part for part in ALL if part in what)
    return done.returncode == 0


# --- rules of iptables -------------------------------------------------------------------------------------------------

MATCHES = [line.strip() for line in """
-s 203.0.113.0/24
! -s 203.0.113.0/24
-s 2001:db8:51::/48
-d 100.64.0.1
-d 203.0.113.9
! -d 203.0.113.9
-d fd00::1
-d 224.0.0.0/4
-i host
-i lo
! -i lo
-i l+
-i +
-o host
-o lo
! -o lo
-p tcp
-p udp
! -p tcp
-f
! -f
-p tcp --dport 143
-p tcp ! --dport 143
-p tcp --dport 100:600
-p tcp --sport 143
-p tcp --sport 1024:65535
-p tcp --sport 0:1023
-p tcp --syn
-p tcp ! --syn
-p tcp --tcp-flags SYN,ACK SYN,ACK
-p tcp --tcp-flags ALL NONE
-p tcp --tcp-flags ALL SYN
-p tcp --tcp-flags RST RST
-p tcp --tcp-flags FIN,SYN,RST,ACK SYN
-p tcp --tcp-option 2
-p tcp -m multiport --dports 25,110:143
-p tcp -m multiport ! --dports 25,143
-p tcp -m multiport --sports 25,143
-p tcp -m multiport --ports 25,143
-p tcp -m tcpmss --mss 0:65535
-m state --state NEW
-m state --state RELATED,ESTABLISHED
-m state --state INVALID
-m state --state UNTRACKED
-m conntrack --ctstate NEW,UNTRACKED
-m conntrack ! --ctstate ESTABLISHED
-m conntrack ! --ctstate NEW,RELATED
-m conntrack --ctstate INVALID
-m conntrack --ctstate RELATED
-m conntrack --ctstate DNAT
-m conntrack --ctdir REPLY
-m conntrack --ctstatus ASSURED
-m conntrack --ctorigdstport 143
-m comment --comment --syn
-m comment --comment "-j ACCEPT"
-m addrtype --dst-type LOCAL
-m addrtype ! --dst-type LOCAL
-m addrtype --dst-type BROADCAST,MULTICAST
-m addrtype --src-type LOCAL
-m addrtype --dst-type LOCAL --limit-iface-in
-m pkttype --pkt-type unicast
-m pkttype --pkt-type broadcast
-m iprange --src-range 203.0.113.1-203.0.113.99
-m iprange --dst-range 203.0.113.1-203.0.113.99
-m limit --limit 1000/second
-m hashlimit --hashlimit-above 1/day --hashlimit-name h --hashlimit-mode srcip
-m connlimit --connlimit-above 0
-m connbytes --connbytes 0: --connbytes-dir both --connbytes-mode bytes
-m connmark --mark 1
-m connmark --mark 0
-m mark --mark 1
-m mark --mark 0
-m recent --name r --set
-m recent --name r --rcheck
-m statistic --mode nth --every 2
-m length --length 0:1500
-m mac --mac-source 00:11:22:33:44:55
-m owner --uid-owner 0
-m quota --quota 1
-m string --string x --algo bm
-m time --timestart 00:00
-m ttl --ttl-eq 64
-m hl --hl-eq 64
-m tos --tos 0
-m dscp --dscp 0
-m ecn --ecn-tcp-ece
-m u32 --u32 0=0
-m socket
-m rpfilter
-m rpfilter --invert
-m policy --dir in --pol none
-m physdev --physdev-in port0
-m helper --helper ftp
-m cpu --cpu 0
-m cgroup --cgroup 0
-m cluster --cluster-total-nodes 2 --cluster-local-node 1 --cluster-hash-seed 1
-m devgroup --src-group 0
-m realm --realm 0
-m frag --fragid 1
-m ipv6header --header frag
-m set --match-set no src
-m bpf --bytecode 1,6 0 0 1
-m nfacct --nfacct-name no
-m osf --genre Linux
-m rateest --rateest e --rateest-gt --rateest-bps 1
-m ipvs --ipvs
-m connlabel --label 1
""".strip().splitlines()]

TARGETS = [line.strip() for line in """
ACCEPT
ACCEPT
ACCEPT
ACCEPT
DROP
DROP
DROP
DROP
REJECT
REJECT --reject-with tcp-reset
RETURN
RETURN
x
x
x
-
AUDIT --type accept
CHECKSUM --checksum-fill
CLASSIFY --set-class 1:2
CONNMARK --set-mark 1
CONNMARK --save-mark
CONNMARK --restore-mark
CONNSECMARK --save
CT --notrack
CT --zone 1
CT --helper ftp
CT --ctevents new
NOTRACK
DNAT --to-destination 100.64.0.1:143
DNAT --to-destination 203.0.113.9
REDIRECT --to-ports 25
REDIRECT --to-ports 10993
NETMAP --to 203.0.113.0/24
SNAT --to-source 203.0.113.9
MASQUERADE
DSCP --set-dscp 8
TOS --set-tos 16
ECN --ecn-tcp-remove
TTL --ttl-set 1
TTL --ttl-set 64
HL --hl-set 1
HMARK --hmark-tuple src --hmark-mod 2 --hmark-offset 1 --hmark-rnd 1
IDLETIMER --timeout 600 --label q
LED --led-trigger-id q
LOG
MARK --set-mark 1
NFLOG
NFQUEUE --queue-num 1
NFQUEUE --queue-num 1 --queue-bypass
RATEEST --rateest-name e --rateest-interval 250ms --rateest-ewmalog 500ms
SECMARK --selctx a
SET --add-set no src
SYNPROXY --mss 1460 --wscale 7
TCPMSS --set-mss 1000
TCPMSS --clamp-mss-to-pmtu
TCPOPTSTRIP --strip-options sack-permitted
TEE --gateway 203.0.113.9
TPROXY --on-port 25
TPROXY --on-port 2525 --tproxy-mark 1
TRACE
CLUSTERIP --new --hashmode sourceip --clustermac 01:00:5e:00:00:01 --total-nodes 2 --local-node 1
DNPT --src-pfx fd00::/64 --dst-pfx fd01::/64
SNPT --src-pfx fd00::/64 --dst-pfx fd01::/64
""".strip().splitlines()]

# What must have been loaded at least once, or is listed as lacking.
ALL = set() if KIND == "given" else set(CONDITIONS + STATEMENTS + VERDICTS if KIND == "nft" else MATCHES + TARGETS) - {"-"}

CHAINS = {
    "raw": ["PREROUTING", "PREROUTING", "OUTPUT"],
    "mangle": ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING", "FORWARD"],
    "nat": ["PREROUTING", "PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"],
    "filter": ["INPUT", "INPUT", "INPUT", "OUTPUT"],
    "security": ["INPUT", "OUTPUT"],
}


# Where a target may stand, if not everywhere.
HOMES = {
    "raw": "CT NOTRACK TRACE",
    "mangle": "CHECKSUM CLASSIFY CONNMARK DSCP TOS ECN TTL HL HMARK MARK TCPMSS TCPOPTSTRIP TPROXY TEE DNPT SNPT",
    "nat": "DNAT REDIRECT NETMAP SNAT MASQUERADE",
    "filter": "REJECT SYNPROXY CLUSTERIP",
}
ONLY = {target: table for table, targets in HOMES.items() for target in targets.split()}
MATCH_DECK, TARGET_DECK = Deck(MATCHES), Deck(TARGETS)


def split(words):
    found = []
    for index, part in enumerate(words.split('"')):
        found += [part] if index % 2 else part.split()
    return found


def load_iptables():
    variant = KIND.split("-")[1]
    loaded = []
    tables = RANDOM.sample(list(CHAINS), RANDOM.choice([1, 2, 2, 3]))
    if "filter" not in tables and RANDOM.random() < 0.6:
        tables.append("filter")
    for family in ["iptables", "ip6tables"]:
        program = f"{family}-{variant}"
        for table in tables:
            run(program, "-t", table, "-N", "x")
            lines = []
            if table == "filter" and RANDOM.random() < 0.3:
                lines.append((table, "INPUT", "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"))
            for _ in range(RANDOM.choice([1, 2, 2, 3, 4])):
                six = family == "ip6tables"
                fits = lambda match: "." not in match and ("::" not in match or six) if six else "::" not in match
                parts = [MATCH_DECK.draw(fits) for _ in range(RANDOM.choice([0, 1, 1, 2]))]
                target = TARGET_DECK.draw()
                if RANDOM.random() < 0.4:
                    target = RANDOM.choice(["ACCEPT", "DROP"])
                name = target.split()[0]
                home = ONLY.get(name, table)
                if home != table:
                    run(program, "-t", home, "-N", "x")
                chain = RANDOM.choice(CHAINS[home] + ["x"])
                if chain == "x" and target == "x":
                    target = "RETURN"
                if name in ["DNAT", "REDIRECT", "TPROXY", "SYNPROXY", "REJECT", "TCPMSS", "TCPOPTSTRIP", "ECN"]:
                    if not any(part.startswith("-p tcp") for part in parts):
                        parts.insert(0, "-p tcp")
                if name == "TCPMSS":
                    parts.insert(1, "--syn")
                if target == "x" and RANDOM.random() < 0.3:
                    parts.append("-g x")
                elif target != "-":
                    parts.append("-j " + target)
                lines.append((home, chain, " ".join(parts)))
            for home, chain, line in lines:
                what = f"{family} -t {home} -A {chain} {line}"
                if loads(what, program, "-t", home, "-A", chain, *split(line)):
                    loaded.append(what)
            chain = RANDOM.choice(CHAINS[table])
            if table != "nat" and RANDOM.random() < 0.15:
                if loads("policy", program, "-t", table, "-P", chain, "DROP"):
                    loaded.append(f"{family} -t {table} -P {chain} DROP")
    return loaded


def unload():
    run("nft", "flush", "ruleset")
    if KIND == "iptables-legacy":
        for family in ["iptables-legacy", "ip6tables-legacy"]:
            text = ""
            for table, chains in CHAINS.items():
                kernel = {"raw": "PREROUTING OUTPUT", "nat": "PREROUTING INPUT OUTPUT POSTROUTING",
                          "mangle": "PREROUTING INPUT FORWARD OUTPUT POSTROUTING"}.get(table, "INPUT FORWARD OUTPUT")
                text += f"*{table}\n" + "".join(f":{chain} ACCEPT [0:0]\n" for chain in kernel.split()) + "COMMIT\n"
            done = run(family + "-restore", text=text)
            if done.returncode:
                sys.exit(done.stderr)


# --- the judge ---------------------------------------------------------------------------------------------------------

def shown():
    done = run(MAILWARD, "show", "--format", "json")
    if not done.stdout:
        sys.exit("show: " + done.stderr)
    access = json.loads(done.stdout)["access"]
    if access["unread"]:
        sys.exit("unread: " + str(access["unread"]))
    said = {}
    for entry in access["services"]:
        if entry["port"] not in PORTS:
            continue
        listed = [ipaddress.ip_network(network) for network in entry["networks"]]
        unclear = [ipaddress.ip_network(network) for network in entry["unclear"]]
        for source in SOURCES:
            if (":" in source) != (entry["family"] == "ipv6"):
                continue
            address = ipaddress.ip_address(source)
            among = any(address in network for network in listed)
            word = {"everybody": True, "nobody": False, "only": among, "all-but": not among, "unknown": None}
            can = word[entry["reached_by"]]
            if any(address in network for network in unclear):
                can = None
            said[source, entry["port"]] = can
    return said


def main():
    peer = network()
    threading.Thread(target=serve, daemon=True).start()
    client = Client(peer)
    figures = {"rulesets": 0, "rules": 0, "connections": 0, "open": 0, "closed": 0, "unclear": 0}
    wrong = []
    told = {}
    try:
        if client.connects(3) != {(source, port) for source in SOURCES for port in PORTS}:
            sys.exit("without rules not everything connects")
        for number in range(COUNT):
            unload()
            if GIVEN:
                name, script = GIVEN[number]
                if not loads(name, "nft", "-f", "-", text=script):
                    sys.exit(name + ": " + str(REFUSED[name]))
                rules = [name]
            else:
                rules = load_nft() if KIND == "nft" else load_iptables()
            said = shown()
            can = client.connects(0.4)
            differs = lambda: {key: word for key, word in said.items() if word is not None and word != (key in can)}
            if differs():
                # Again, with patience: the machine has other work.
                can = client.connects(0.4) | client.connects(2.5)
            figures["rulesets"] += 1
            figures["rules"] += len(rules)
            figures["connections"] += len(said)
            for word in said.values():
                figures["unclear" if word is None else "open" if word else "closed"] += 1
            if GIVEN:
                told[name] = {
                    "unclear": sum(word is None for word in said.values()),
                    "open": sum(word is True for word in said.values()),
                    "closed": sum(word is False for word in said.values()),
                }
            if differs():
                listing = run("nft", "-nn", "list", "ruleset").stdout if KIND == "nft" else ""
                wrong.append({"number": number, "rules": rules, "listing": listing,
                              "wrong": [f"{source} to {port}: said {word}" for (source, port), word in differs().items()]})
    finally:
        client.process.kill()
        peer.kill()
    lacking = sorted(part for part in ALL if part not in PARTS)
    print(json.dumps({"figures": figures, "wrong": wrong, "told": told, "lacking": lacking}, indent=1))


main()
os._exit(0)

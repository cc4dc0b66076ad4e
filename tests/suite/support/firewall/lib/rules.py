"""The rules of the stand-in for the Plesk Firewall: the predefined ones, and what is kept of both sets between calls.

Must load nothing."""

import fcntl
import ipaddress
import json
import os
import re

HOME = "/var/lib/stand-in/firewall"

# Names, ports and their order: a list of the rules that a server had in 2016, from a published firewall script. Of the
# classes only ssh, mysql, plesk and plesk_http3 are known; the others are not documented: see `meddle class`.
PREDEFINED = [
    ("plesk_payment", "Customer & Business Manager payment gateways", "12443/tcp"),
    ("plesk_sso", "Single Sign-On", "11443/tcp,11444/tcp"),
    ("plesk_installer", "Plesk Installer", "8447/tcp"),
    ("plesk", "Plesk administrative interface", "8443/tcp,8880/tcp"),
    ("plesk_http3", "Plesk administrative interface (HTTP/3)", "8443/udp"),
    ("www", "WWW server", "80/tcp,443/tcp"),
    ("ftp", "FTP server", "21/tcp"),
    ("ssh", "SSH (secure shell) server", "22/tcp"),
    ("submission", "SMTP (submission port) server", "587/tcp"),
    ("smtp", "SMTP (mail sending) server", "25/tcp,465/tcp"),
    ("pop3", "POP3 (mail retrieval) server", "110/tcp,995/tcp"),
    ("imap", "IMAP (mail retrieval) server", "143/tcp,993/tcp"),
    ("poppassd", "Mail password change service", "106/tcp"),
    ("mysql", "MySQL server", "3306/tcp"),
    ("postgresql", "PostgreSQL server", "5432/tcp"),
    ("tomcat", "Tomcat administrative interface", "9008/tcp,9080/tcp"),
    ("samba", "Samba (file sharing in Windows networks)", "137/udp,138/udp,139/tcp,445/tcp"),
    ("vpn", "Plesk VPN", "1194/udp"),
    ("dns", "Domain name server", "53/udp,53/tcp"),
    # How ICMP is written in `ports` is not documented.
    ("ipv6_nd", "IPv6 Neighbor Discovery", "134/icmpv6,135/icmpv6,136/icmpv6,137/icmpv6"),
    ("ping", "Ping service", "8/icmp,128/icmpv6,129/icmpv6"),
]

# The policies stand at the end of the list and are its last rules in the kernel (the manual of 12.5; generated scripts).
# The vendor's default for incoming traffic is not documented: see `meddle policy`.
POLICIES = [
    ("input", "System policy for incoming traffic", "deny"),
    ("output", "System policy for outgoing traffic", "allow"),
    ("forward", "System policy for forwarding of traffic", "deny"),
]

# What is not documented, and what is played unless a test asks for another answer.
KNOBS = {
    # Which set `--list-json` prints: pending or active.
    "listed": "pending",
    # Whether the policies are in the list: listed or hidden.
    "policies": "listed",
    # Whether an id in the list is a number or a string.
    "id": "number",
    # Whether rules get new ids when one set is copied over the other: reissued or kept. Ids of one host that were
    # published years apart, 47 and 69 for one rule, say the first.
    "ids": "reissued",
    # How addresses are read back: kept as given, or short (sorted, a whole-length prefix dropped).
    "form": "kept",
    # What a service rule does in the family of which its list names nothing: closed, policy (no line at all) or open.
    "other_family": "closed",
    # A confirmation where it or the apply was not made over ssh: accepted or refused. Published cron jobs rely on the first.
    "without_ssh": "accepted",
    # A second apply inside the window: loads (and can't be confirmed, as the vendor's article says) or refused.
    "second_apply": "loads",
    # Whether apply ends when the kernel has the rules or before: loaded or at-once.
    "apply_ends": "loaded",
    # Whether apply does something while rules management is off: refused or loads.
    "apply_off": "refused",
    # The option -auto-confirm-this-may-lock-me-out-of-the-server: known or unknown. Which release began is not documented.
    "auto_confirm": "known",
    # Whether the command has --list-json, which is not shown for releases before the extension: known or unknown.
    "list_json": "known",
}


def lock():
    """Waits for the lock on everything here; it ends with the file that is returned."""
    os.makedirs(HOME, exist_ok=True)
    file = open(HOME + "/lock", "w")
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


def read(name, default):
    try:
        with open(f"{HOME}/{name}") as file:
            return json.load(file)
    except FileNotFoundError:
        return default


def write(name, value):
    path = f"{HOME}/{name}"
    with open(path + ".new", "w") as file:
        json.dump(value, file, indent=1)
    os.rename(path + ".new", path)


def knob(name):
    return read("knobs", {}).get(name, KNOBS[name])


def fresh():
    """What a server has on which nobody has changed anything."""
    state = {"enabled": True, "next_id": 1, "pending": [], "active": [], "window": None}
    rules = [("service", *rule, "input", "allow") for rule in PREDEFINED]
    rules += [("policy", "policy", name, "", direction, action) for direction, name, action in POLICIES]
    for kind, name, text, ports, direction, action in rules:
        rule = {"type": kind, "class": name, "name": text, "direction": direction, "action": action}
        state["pending"].append(rule | {"ports": ports, "from": [], "comment": ""})
    give_ids(state, "pending")
    copy(state, "pending", "active")
    return state


def load():
    state = read("state", None)
    return fresh() if state is None else state


def save(state):
    write("state", state)


def give_ids(state, name):
    for rule in state[name]:
        rule["id"] = state["next_id"]
        state["next_id"] += 1


def copy(state, source, target):
    state[target] = [dict(rule) for rule in state[source]]
    if knob("ids") == "reissued":
        give_ids(state, "pending")


def listed(rule):
    """A rule as `--list-json` prints it: the keys that published scripts rely on."""
    shown = {key: rule[key] for key in ("id", "name", "class", "direction", "action", "ports", "comment")}
    if knob("id") == "string":
        shown["id"] = str(shown["id"])
    shown["from"] = ",".join(rule["from"])
    return shown


def addresses(text):
    """Takes a list of sources apart, as the options take it; an empty one is everybody."""
    found = []
    for word in filter(None, (word.strip() for word in text.split(","))):
        # Countries by their two letters are taken, too.
        if not re.fullmatch("[A-Z]{2}", word):
            ipaddress.ip_network(word, strict=False)
        found.append(word)
    if knob("form") == "short":
        found = sorted({word.removesuffix("/32").removesuffix("/128") for word in found})
    return found


def ports(text):
    """Takes `8443/tcp,50000-50500/udp` and gives it back."""
    for word in filter(None, text.split(",")):
        if not re.fullmatch(r"[0-9]+(-[0-9]+)?/(tcp|udp|icmp|icmpv6)", word):
            raise ValueError(f"{word}: not a port")
    return text

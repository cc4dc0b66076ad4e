"""The script that the stand-in for the Plesk Firewall generates, in the form of Obsidian's of 2023."""

import ipaddress

from rules import knob

START = r"""#!/bin/bash
#ATTENTION!
#DO NOT MODIFY THIS FILE BECAUSE IT WAS GENERATED AUTOMATICALLY
set -e
apply_rule() { "$1" -w "${@:2}"; }
"""

# What is deleted and flushed before, family by family. That a rule with a blank in a quoted comment is not found, and stays,
# is so in the generated script as well.
CLEAR = r"""
# Start of COMMAND setup
COMMAND-save -t filter 2>/dev/null | grep -- "-A INPUT" | grep -v "fail2ban-\|f2b-" | sed -e "s#^-A#apply_rule COMMAND -D#g" | while read -r cmd; do ${cmd} || true; done
apply_rule COMMAND -F FORWARD
apply_rule COMMAND -F OUTPUT
"""

CHAIN = """apply_rule COMMAND -P CHAIN DROP
apply_rule COMMAND -A CHAIN -m state --state ESTABLISHED,RELATED -j ACCEPT
apply_rule COMMAND -A CHAIN -p tcp ! --syn -m state --state NEW -j REJECT --reject-with tcp-reset
apply_rule COMMAND -A CHAIN -m state --state INVALID -j DROP
"""

LOOPBACK = """apply_rule COMMAND -A INPUT -i lo -j ACCEPT
apply_rule COMMAND -A OUTPUT -o lo -j ACCEPT
apply_rule COMMAND -A FORWARD -i lo -o lo -j ACCEPT
"""

COMMANDS = {4: "/sbin/iptables", 6: "/sbin/ip6tables"}
TABLES = {"mangle": "PREROUTING OUTPUT INPUT FORWARD POSTROUTING", "nat": "PREROUTING OUTPUT POSTROUTING"}


def flush(command, table):
    lines = [f"apply_rule {command} -t {table} -F", f"apply_rule {command} -t {table} -Z"]
    return lines + [f"apply_rule {command} -t {table} -P {chain} ACCEPT" for chain in TABLES[table].split()]


def generate(rules, half):
    """The whole script; with `half` it ends in the middle with an error, as one does whose kernel lacks a match."""
    text = START
    for command in COMMANDS.values():
        text += CLEAR.replace("COMMAND", command)
        for chain in ("INPUT", "OUTPUT", "FORWARD"):
            text += CHAIN.replace("COMMAND", command).replace("CHAIN", chain)
        text += LOOPBACK.replace("COMMAND", command)
        text += "\n".join(flush(command, "mangle")) + "\n"
    text += "\n".join(flush(COMMANDS[4], "nat")) + "\n"
    for rule in rules:
        if half and rule["class"] == "pop3":
            text += "false\n"
        lines = list(policy(rule) if rule["type"] == "policy" else one(rule))
        text += f"# {rule['class']}\n" + "".join(f"apply_rule {line}\n" for line in lines)
    return text


def policy(rule):
    for command in COMMANDS.values():
        yield f"{command} -A {rule['direction'].upper()} -j {target(rule)}"


def target(rule):
    return "ACCEPT" if rule["action"] == "allow" else "DROP"


def one(rule):
    """The lines of a rule: one for each port, family and source; no mark of the rule they come from."""
    # Without ports a rule is for all of TCP and UDP (the manual of 8.3).
    for port in rule["ports"].split(",") if rule["ports"] else ["/tcp", "/udp"]:
        number, protocol = port.split("/")
        for family, command in COMMANDS.items():
            match = matches(number, protocol, family)
            if match is None:
                continue
            start = f"{command} -A {rule['direction'].upper()} {match}"
            side = "-d" if rule["direction"] == "output" else "-s"
            # The kernel's form of a country is not documented: it matches nothing here.
            sources = [source for source in rule["from"] if not source.isalpha()]
            here = [source for source in sources if version(source) == family]
            for source in here:
                yield f"{start} {side} {source} -j {target(rule)}"
            if not rule["from"]:
                yield f"{start} -j {target(rule)}"
            elif rule["type"] == "service" and rule["action"] == "allow":
                # "Allow from specified addresses only and deny from all others" (the guide); the lines are not documented.
                how = "closed" if here else knob("other_family")
                if how != "policy":
                    yield f"{start} -j {'DROP' if how == 'closed' else 'ACCEPT'}"


def version(source):
    return ipaddress.ip_network(source, strict=False).version


def matches(number, protocol, family):
    match (protocol, family):
        case ("icmp", 4):
            return f"-p icmp --icmp-type {number}"
        case ("icmpv6", 6):
            return f"-p ipv6-icmp --icmpv6-type {number}"
        case ("icmp" | "icmpv6", _):
            return None
    return f"-p {protocol}" + (f" --dport {number.replace('-', ':')}" if number else "")


def emergency():
    """Opens everything. What the vendor's script of this name does beyond that is not documented."""
    text = START
    for command in COMMANDS.values():
        text += CLEAR.replace("COMMAND", command)
        for chain in ("INPUT", "OUTPUT", "FORWARD"):
            text += f"apply_rule {command} -P {chain} ACCEPT\n"
    return text

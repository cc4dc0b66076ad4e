"""The time in which a configuration that was applied must be confirmed, or is taken back.

The command starts it as a process of its own, whose arguments name firewall-new.sh: the vendor's article tells to wait
until no such process is left. It survives the end of the session that began it."""

import os
import subprocess
import sys
import time

import rules

FOLDER = "/usr/local/psa/var/modules/firewall"
NEW = FOLDER + "/firewall-new.sh"
ACTIVE = FOLDER + "/firewall-active.sh"
EMERGENCY = FOLDER + "/firewall-emergency.sh"


def seconds():
    """The length: 60, or what panel.ini has (a published set-up script sets both keys)."""
    length = 60.0
    try:
        with open("/usr/local/psa/admin/conf/panel.ini") as file:
            for line in file:
                key, _, value = line.partition("=")
                if key.strip() == "confirmTimeoutCli":
                    length = float(value)
    except FileNotFoundError:
        pass
    return length


def run(path):
    return subprocess.run([path], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL).returncode


def watch(number):
    status = run(NEW)
    end = time.monotonic() + seconds()
    with rules.lock():
        state = rules.load()
        if mine(state, number):
            state["window"]["loaded"] = status
            rules.save(state)
    # What becomes of a script that fails is not documented; here it stays as far as it came until the time is up.
    while time.monotonic() < end:
        if not mine(rules.load(), number):
            return
        time.sleep(0.02)
    with rules.lock():
        state = rules.load()
        if not mine(state, number):
            return
        state["window"] = None
        # Whether rules management that was just switched on is off again after this is not documented; here it is.
        if not rules_were_active():
            state["enabled"] = False
        # The pending set stays as it is: "to perform rollback in the database configuration as well use --reset".
        rules.save(state)
        run(ACTIVE if rules_were_active() else EMERGENCY)


def rules_were_active():
    return os.path.exists(ACTIVE)


def mine(state, number):
    return state["window"] is not None and state["window"]["number"] == number


if __name__ == "__main__":
    watch(int(sys.argv[1]))

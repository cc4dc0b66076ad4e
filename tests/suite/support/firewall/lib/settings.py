"""The stand-in for the Plesk Firewall's command: `/usr/local/psa/bin/modules/firewall/settings`, and `plesk ext firewall`.

Options as published scripts spell them. Texts and exit codes other than 0 are not documented."""

import json
import os
import shutil
import subprocess
import sys
import time

import meddle
import rules
import script
import window

AUTO = "-auto-confirm-this-may-lock-me-out-of-the-server"
SHORT = {"-s": "--set-rule", "-a": "--apply", "-c": "--confirm", "-e": "--enable"}
# `-from` and `-remote-addresses` are used for the same.
OPTIONS = {
    "-id": "id", "-name": "name", "-direction": "direction", "-action": "action", "-ports": "ports",
    "-from": "from", "-remote-addresses": "from", "-comment": "comment",
}
FLAG = window.FOLDER + "/active.flag"


class Refusal(Exception):
    pass


def options(words):
    """`-id 5` and `-id=5` are both in use."""
    found = {}
    words = list(words)
    while words:
        name, equals, value = words.pop(0).partition("=")
        if name not in OPTIONS:
            raise Refusal(f"Unknown option {name}")
        if not equals:
            if not words:
                raise Refusal(f"{name} wants a value")
            value = words.pop(0)
        found[OPTIONS[name]] = value
    return found


def find(state, number):
    for rule in state["pending"]:
        if str(rule["id"]) == number:
            return rule
    raise Refusal(f"There is no rule with the id {number}")


def set_rule(state, words):
    """Changes what is given and keeps the rest; the list of sources is replaced. Only the pending set changes."""
    given = options(words)
    try:
        if "from" in given:
            given["from"] = rules.addresses(given["from"])
        rules.ports(given.get("ports", ""))
    except ValueError as error:
        raise Refusal(str(error)) from error
    if given.get("direction", "input") not in ("input", "output", "forward") or \
            given.get("action", "allow") not in ("allow", "deny"):
        raise Refusal("Unknown direction or action")
    if "id" in given:
        rule = find(state, given.pop("id"))
        rule |= given
        print("The rule was updated.")
        return
    if "name" not in given:
        raise Refusal("-id or -name is needed")
    rule = {"type": "custom", "class": "custom", "direction": "input", "action": "allow", "ports": "", "from": [], "comment": ""}
    rule |= given | {"id": state["next_id"]}
    state["next_id"] += 1
    # Where in the order a new rule comes is not documented; here it is the first.
    state["pending"].insert(0, rule)
    print("The rule was created.")


def remove_rule(state, words):
    rule = find(state, options(words).get("id", ""))
    # Whether a predefined rule can be removed is not documented.
    if rule["type"] != "custom":
        raise Refusal("A predefined rule cannot be removed")
    state["pending"].remove(rule)
    print("The rule was removed.")


def list_json(state, _):
    if rules.knob("list_json") == "unknown":
        raise Refusal("Unknown option --list-json")
    shown = state[rules.knob("listed")]
    if rules.knob("policies") == "hidden":
        shown = [rule for rule in shown if rule["type"] != "policy"]
    print(json.dumps([rules.listed(rule) for rule in shown]))


def start(state, confirmed):
    """Writes firewall-new.sh from the pending set and starts the process that loads it and waits for the confirmation."""
    os.makedirs(window.FOLDER, exist_ok=True)
    write(window.NEW, script.generate(state["pending"], trouble("half") is not None))
    if confirmed:
        if window.run(window.NEW) != 0:
            raise Refusal("The rules could not be loaded")
        keep(state)
        return None
    old = state["window"]
    # "If a new configuration is applied again while the previous process is still running the second configuration will not
    # be able to be confirmed": the first window goes on, and at its end the active script is loaded.
    if old is not None:
        if rules.knob("second_apply") == "refused":
            raise Refusal("Another configuration waits for its confirmation")
        old["spoiled"] = True
        window.run(window.NEW)
        return None
    number = state["next_window"] = state.get("next_window", 0) + 1
    state["window"] = {"number": number, "from": os.environ.get("SSH_CLIENT"), "spoiled": False, "loaded": None}
    return number


def watch(number):
    program = os.path.join(os.path.dirname(__file__), "window.py")
    argv = [sys.executable, "-SE", program, str(number), window.NEW, window.ACTIVE]
    nothing = subprocess.DEVNULL
    subprocess.Popen(argv, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True, cwd="/")
    while rules.knob("apply_ends") == "loaded":
        now = rules.load()["window"]
        if now is None or now["number"] != number:
            break
        if now["loaded"] is not None:
            if now["loaded"] != 0:
                raise Refusal("The rules could not be loaded")
            break
        time.sleep(0.02)


def write(path, text):
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, 0o755)


def keep(state):
    """What a confirmation does: the script becomes the active one, the pending set the active one."""
    shutil.copy(window.NEW, window.ACTIVE)
    rules.copy(state, "pending", "active")
    state["window"] = None


def apply(state, words):
    confirmed = words == [AUTO] and rules.knob("auto_confirm") == "known"
    if words and not confirmed:
        raise Refusal(f"Unknown option {words[0]}")
    if not state["enabled"] and rules.knob("apply_off") == "refused":
        raise Refusal("Rules management is off")
    number = start(state, confirmed)
    print("The changes were applied.")
    return number


def confirm(state, _):
    waiting = state["window"]
    if waiting is None:
        raise Refusal("Nothing waits for a confirmation")
    if waiting["spoiled"]:
        raise Refusal("This configuration cannot be confirmed")
    # The command looks at SSH_CLIENT: published scripts fake another value of it.
    here, there = os.environ.get("SSH_CLIENT"), waiting["from"]
    if None in (here, there):
        if rules.knob("without_ssh") == "refused":
            raise Refusal("The confirmation must come from another SSH session")
    elif here == there:
        raise Refusal("The confirmation must come from another SSH session")
    keep(state)
    print("The changes were confirmed.")


def reset(state, _):
    rules.copy(state, "active", "pending")
    print("The changes were reverted.")


def enable(state, words):
    """Switches rules management on and applies the pending set, which wants a confirmation too (the set-up script)."""
    state["enabled"] = True
    os.makedirs(window.FOLDER, exist_ok=True)
    write(FLAG, "")
    return apply(state, words)


def disable(state, _):
    """Switches it off; that this opens everything, and at once, is not documented."""
    state["enabled"] = False
    state["window"] = None
    if os.path.exists(FLAG):
        os.remove(FLAG)
    window.run(window.EMERGENCY)
    print("The firewall was disabled.")


def is_enabled(state, _):
    if not state["enabled"]:
        raise Refusal("disabled")
    print("enabled")


def help_text(_, __):
    print("Usage: settings command [options]\n  " + "\n  ".join(VERBS))


def first(state, _):
    """Not the vendor's: what the installation of the firewall leaves."""
    os.makedirs(window.FOLDER, exist_ok=True)
    write(FLAG, "")
    write(window.ACTIVE, script.generate(state["active"], False))
    write(window.EMERGENCY, script.emergency())


VERBS = {
    "--set-rule": set_rule,
    # Both spellings are in use.
    "--remove-rule": remove_rule, "--remove-rules": remove_rule,
    "--apply": apply, "--confirm": confirm, "--reset": reset,
    "--list-json": list_json, "--list": list_json, "--export": list_json,
    "--enable": enable, "--disable": disable, "--is-enabled": is_enabled, "--help": help_text,
    "--stand-in": first,
}

SAID = {"--apply": "The changes were applied.", "--confirm": "The changes were confirmed.", "--set-rule": "The rule was updated."}

# What is to go wrong with this call: from kind to detail.
TROUBLES = {}


def trouble(kind):
    return TROUBLES.get(kind)


def take_troubles(verb):
    """Finds what is asked for this call, and counts it where it is for the first ones only."""
    with rules.lock():
        asked = rules.read("troubles", [])
        for one in asked:
            if one["verb"] == verb and one["times"] != 0:
                TROUBLES[one["kind"]] = one["detail"]
                one["times"] -= 1
        rules.write("troubles", asked)


def main(words):
    verb, rest = SHORT.get(words[0], words[0]), words[1:]
    if verb not in VERBS:
        raise Refusal(f"Unknown command {verb}")
    take_troubles(verb)
    if trouble("slow") is not None:
        time.sleep(float(trouble("slow")))
    if trouble("hang-before") is not None:
        time.sleep(600)
    if trouble("lie") is not None:
        print(SAID.get(verb, ""))
        return
    if trouble("fail") is not None:
        raise Refusal("The operation failed")
    with rules.lock():
        state = rules.load()
        number = VERBS[verb](state, rest)
        if trouble("meddle") is not None:
            meddle.meddle(state, trouble("meddle").split(" "))
        rules.save(state)
    if number is not None:
        watch(number)
    if trouble("hang-after") is not None:
        sys.stdout.flush()
        time.sleep(600)
    if trouble("do-and-fail") is not None:
        raise Refusal("The operation failed")


if __name__ == "__main__":
    arguments = sys.argv[1:] or ["--help"]
    if arguments[0] != "--stand-in":
        with rules.lock(), open(rules.HOME + "/calls", "a") as calls:
            calls.write(json.dumps({"argv": arguments, "ssh": os.environ.get("SSH_CLIENT")}) + "\n")
    try:
        main(arguments)
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        sys.exit(1)

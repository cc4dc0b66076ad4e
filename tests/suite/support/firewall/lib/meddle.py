"""What another administrator does in the panel meanwhile: it is pending there, and nobody has applied it.

from CLASS LIST · class OLD NEW · policy allow|deny (pending and active) · ids (new ones for all rules)"""

import sys

import rules


def meddle(state, words):
    match words:
        case ["from", name, sources]:
            for rule in state["pending"]:
                if rule["class"] == name:
                    rule["from"] = rules.addresses(sources)
        case ["class", old, new]:
            for rule in state["pending"] + state["active"]:
                if rule["class"] == old:
                    rule["class"] = new
        case ["policy", action]:
            for rule in state["pending"] + state["active"]:
                if rule["type"] == "policy" and rule["direction"] == "input":
                    rule["action"] = action
        case ["ids"]:
            rules.give_ids(state, "pending")
        case _:
            sys.exit(f"cannot do {words}")


if __name__ == "__main__":
    with rules.lock():
        found = rules.load()
        meddle(found, sys.argv[1:])
        rules.save(found)

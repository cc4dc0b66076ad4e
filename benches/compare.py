#!/usr/bin/env python3
"""Compares whole processes: mailward's no-op plan with what one would use instead, in turn, in one run.

    cargo build --release && python3 benches/compare.py [RUNS]

Prints medians and the median of the ratios pair by pair. Needs: GNU time, augtool; ansible and pyinfra are measured where
they are installed, and named where they are not.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

PROGRAM = os.path.abspath("target/release/mailward")
RUNS = int(sys.argv[1]) if len(sys.argv) > 1 else 41


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)


def courier(name):
    lines = [f"##NAME: SETTING{n}:0\n#\n# A setting of {name} with a line about it.\n\nSETTING{n}=value{n}\n\n" for n in range(40)]
    return "".join(lines) + "MAXDAEMONS=80\n\nMAXPERIP=20\n"


SERVICE = """service s{n}
{{
\tdisable\t\t= no
\ttype\t\t= UNLISTED
\tport\t\t= {port}
\tsocket_type\t= stream
\tprotocol\t= tcp
\twait\t\t= no
\tuser\t\t= root
\tserver\t\t= /bin/cat
\tper_source\t= 20
}}
"""


def host(root, services):
    for name in ["imapd", "pop3d"]:
        write(f"{root}/etc/courier-imap/{name}", courier(name))
    write(f"{root}/etc/xinetd.conf", "defaults\n{\n\tinstances = 50\n\tper_source = 20\n}\n\nincludedir /etc/xinetd.d\n")
    for n in range(services):
        write(f"{root}/etc/xinetd.d/s{n:04}", SERVICE.format(n=n, port=10000 + n))
    write(f"{root}/proc/sys/kernel/hostname", "bench\n")
    manifest = "version = 1\n[limits.pop3]\nper_ip = 20\n[limits.imap]\nper_ip = 20\n[xinetd.defaults]\nper_source = 20\n"
    manifest += "".join(f"[xinetd.services.s{n}]\nper_source = 20\n" for n in range(services))
    write(f"{root}/mailward.toml", manifest)


def run(command):
    start = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    wall = time.perf_counter() - start
    return wall, done.returncode, done.stderr


def peak(command):
    """Peak memory in MiB, as GNU time has it from the kernel."""
    _, _, said = run(["/usr/bin/time", "-f", "%M", *command])
    return int(said.split()[-1]) / 1024


def compare(title, ours, others):
    print(f"\n{title}\n")
    print("| command | median ms | peak MiB | mailward / it (median of pairs) |")
    print("|---|---|---|---|")
    _, code, said = run(ours)
    if code != 0:
        sys.exit(f"mailward's plan is not empty (exit {code}): {said.decode()}")
    for name, command, _ in others:
        _, code, said = run(command)
        if code != 0:
            sys.exit(f"{name} failed (exit {code}): {said.decode()[-2000:]}")
    walls, pairs = [], {name: [] for name, _, _ in others}
    alone = {name: [] for name, _, _ in others}
    for turn in range(RUNS):
        for name, command, every in others:
            if turn % every:
                continue
            one, other = run(ours)[0], run(command)[0]
            walls.append(one)
            alone[name].append(other)
            pairs[name].append(one / other)
    print(f"| mailward plan | {statistics.median(walls) * 1000:.2f} | {peak(ours):.1f} | |")
    for name, command, _ in others:
        row = f"{statistics.median(alone[name]) * 1000:.2f} | {peak(command):.1f} | {statistics.median(pairs[name]):.3f}"
        print(f"| {name} | {row} |")


def playbook(root):
    tasks = []
    for name in ["imapd", "pop3d"]:
        tasks.append(f"    - lineinfile: {{path: '{root}/etc/courier-imap/{name}', regexp: '^MAXPERIP=', line: 'MAXPERIP=20'}}\n")
    tasks.append(f"    - lineinfile: {{path: '{root}/etc/xinetd.conf', regexp: 'per_source', line: '\tper_source = 20'}}\n")
    write(f"{root}/play.yml", "- hosts: localhost\n  connection: local\n  gather_facts: false\n  tasks:\n" + "".join(tasks))
    return ["ansible-playbook", "-i", "localhost,", "-e", f"ansible_python_interpreter={sys.executable}", "--check", f"{root}/play.yml"]


def deploy(root):
    calls = [f"files.line(path='{root}/etc/courier-imap/{n}', line='^MAXPERIP=.*', replace='MAXPERIP=20')\n" for n in ["imapd", "pop3d"]]
    calls.append(f"files.line(path='{root}/etc/xinetd.conf', line='.*per_source.*', replace='\\tper_source = 20')\n")
    write(f"{root}/deploy.py", "from pyinfra.operations import files\n" + "".join(calls))
    return ["pyinfra", "@local", f"{root}/deploy.py", "--dry"]


def main():
    for need in ["/usr/bin/time", "augtool"]:
        if not shutil.which(need):
            sys.exit(f"{need} is missing (Debian packages: time, augeas-tools)")
    with tempfile.TemporaryDirectory() as folder:
        small, large = f"{folder}/small", f"{folder}/large"
        host(small, 0)
        host(large, 1000)
        files = " ".join(f"{small}/etc/{name}" for name in ["courier-imap/imapd", "courier-imap/pop3d", "xinetd.conf"])
        ours = [PROGRAM, "plan", "--root", small, f"{small}/mailward.toml"]
        others = [("cat; sha256sum", ["sh", "-c", f"cat {files}; sha256sum {files}"], 1)]
        for name, command in [("ansible-core lineinfile --check", playbook(small)), ("pyinfra --dry", deploy(small))]:
            if shutil.which(command[0]):
                others.append((name, command, 8))
            else:
                print(f"not measured: {name} (not installed)")
        compare("Three files, nothing to change", ours, others)
        ours = [PROGRAM, "plan", "--root", large, f"{large}/mailward.toml"]
        augtool = ["sh", "-c", f"printf 'set /augeas/load/Xinetd/lens Xinetd.lns\\nset /augeas/load/Xinetd/incl[1] /etc/xinetd.conf\\n"
                   f"set /augeas/load/Xinetd/incl[2] \"/etc/xinetd.d/*\"\\nload\\nmatch /files//per_source\\n' | augtool --noautoload --root {large}"]
        compare("1,000 xinetd services, nothing to change", ours, [("augtool, the same files", augtool, 4)])


main()

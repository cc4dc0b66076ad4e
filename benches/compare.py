#!/usr/bin/env python3
"""Compares whole processes: mailward's no-op plan with what one would use instead, in turn, in one run.

    cargo build --release && python3 benches/compare.py [RUNS]

Prints medians and the median of the ratios pair by pair. Needs: GNU time, augtool; ansible, pyinfra and MariaDB are measured
where they are installed, and named where they are not. `python3 benches/compare.py RUNS panel` measures panel access alone.
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


# The stand-ins of a panel: the client prints an answer that was made before, the vendor's command lists its option.
CLIENT = """#!/bin/sh
exec cat "$MAILWARD_ROOT/answer"
"""
VENDOR = """#!/bin/sh
case "$1" in
--help) echo "    -cp-access         <true|false>    enables control panel access" ;;
--info) echo "CP Access:          false" ;;
esac
"""
# The client of a real MariaDB, which the benchmark started: its own login instead of the panel's.
REAL = """#!/bin/sh
shift
unset MYSQL_PWD
exec mariadb --no-defaults -S {socket} -uroot "$@"
"""


def program(path, text):
    write(path, text)
    os.chmod(path, 0o755)


def panel(root, client):
    write(f"{root}/proc/sys/kernel/hostname", "bench\n")
    write(f"{root}/etc/psa/psa.conf", "PRODUCT_ROOT_D /usr/local/psa\n")
    write(f"{root}/etc/psa/.psa.shadow", "secret\n")
    write(f"{root}/usr/local/psa/version", "11.0.9 CentOS 6 110120608.16\n")
    program(f"{root}/usr/bin/mysql", client)
    program(f"{root}/usr/local/psa/bin/mail", VENDOR)
    write(f"{root}/mailward.toml", "version = 1\n[panel_access]\ndefault = false\n")


def answer(root, accounts):
    """What the database answers: as many accounts in a fiftieth as many domains, half of them with a locked user."""
    domains = max(1, accounts // 50)
    with open(f"{root}/answer", "w") as file:
        file.write("mailward\tbegin\nid\tint(10) unsigned\nuserId\tint(10) unsigned\nmailward\tcolumns\n")
        file.writelines(f"d\t{n}\td{n}.example.jp\n" for n in range(domains))
        file.write(f"mailward\tdomains\t{domains}\nc\t1\tadmin\nmailward\tclients\t1\n")
        file.writelines(f"u\t{n}\t{n % domains}\tuser{n}\t" + ("1\t=\n" if n % 2 else "-\t\n") for n in range(accounts))
        file.write(f"mailward\taccounts\t{accounts}\nmailward\tend\n")


def accounts(folder):
    print("\nPanel access, nothing to change, a stand-in client that prints what is read\n")
    print("| accounts | mailward plan, median ms | peak MiB | µs an account | the client alone, median ms |")
    print("|---|---|---|---|---|")
    root = f"{folder}/panel"
    panel(root, CLIENT)
    ours = [PROGRAM, "plan", "--root", root, f"{root}/mailward.toml"]
    bare = ["env", f"MAILWARD_ROOT={root}", f"{root}/usr/bin/mysql"]
    for number in [1000, 10_000, 100_000, 1_000_000]:
        answer(root, number)
        _, code, said = run(ours)
        if code != 0:
            sys.exit(f"mailward's plan is not empty (exit {code}): {said.decode()}")
        ones, others = zip(*[(run(ours)[0], run(bare)[0]) for _ in range(RUNS)])
        one, other = statistics.median(ones), statistics.median(others)
        print(f"| {number:,} | {one * 1000:.1f} | {peak(ours):.1f} | {one / number * 1e6:.2f} | {other * 1000:.1f} |")
    info = [f"{root}/usr/local/psa/bin/mail", "--info"]
    start = time.perf_counter()
    for n in range(100):
        run([*info, f"user{n}@example.jp"])
    each = (time.perf_counter() - start) / 100
    print(f"\nOne `mail --info` an account, as a loop would have it: {each * 1000:.2f} ms each for 100 accounts with a stand-in that only")
    print(f"starts a shell, so at least {each * 100_000:.0f} s for 100,000 (extrapolated); the real command boots PHP and takes longer.")
    mariadb(folder)


FILL = """DROP DATABASE IF EXISTS psa; CREATE DATABASE psa; USE psa;
CREATE TABLE domains (id INT UNSIGNED PRIMARY KEY, name VARCHAR(255) CHARACTER SET ascii UNIQUE) ENGINE=InnoDB;
CREATE TABLE clients (id INT UNSIGNED PRIMARY KEY, login VARCHAR(60)) ENGINE=InnoDB;
CREATE TABLE mail (id INT UNSIGNED PRIMARY KEY, mail_name VARCHAR(245) CHARACTER SET ascii, perm_id INT UNSIGNED, dom_id INT UNSIGNED,
  userId INT UNSIGNED, UNIQUE KEY (dom_id, mail_name)) ENGINE=InnoDB;
CREATE TABLE smb_users (id INT UNSIGNED PRIMARY KEY, login VARCHAR(255) CHARACTER SET utf8, email VARCHAR(255) CHARACTER SET utf8,
  roleId INT UNSIGNED, isLocked TINYINT) ENGINE=InnoDB;
INSERT INTO clients VALUES (1, 'admin');
INSERT INTO domains SELECT seq, CONCAT('d', seq, '.example.jp') FROM seq_1_to_{domains};
INSERT INTO mail SELECT seq, CONCAT('user', seq), 0, 1 + seq % {domains}, IF(seq % 2, seq, 0) FROM seq_1_to_{accounts};
INSERT INTO smb_users SELECT m.id, CONCAT(m.mail_name, '@', d.name), CONCAT(m.mail_name, '@', d.name), 4, 1
  FROM mail m JOIN domains d ON d.id = m.dom_id WHERE m.userId;
"""
# The rows that a plan is made from, as somebody would fetch them by hand.
ROWS = """SELECT m.id, CONCAT(m.mail_name, '@', d.name), u.login, u.email, u.isLocked FROM mail m JOIN domains d ON d.id = m.dom_id
LEFT JOIN smb_users u ON u.id = m.userId
"""


def mariadb(folder):
    if not shutil.which("mariadbd") or not shutil.which("mariadb-install-db"):
        print("\nnot measured: MariaDB (Debian package: mariadb-server)")
        return
    data, socket, root = f"{folder}/data", f"{folder}/sock", f"{folder}/real"
    run(["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal", "--skip-test-db"])
    server = subprocess.Popen(["mariadbd", "--no-defaults", "--user=root", f"--datadir={data}", f"--socket={socket}", "--skip-networking"],
                              stderr=subprocess.DEVNULL)
    try:
        client = ["mariadb", "--no-defaults", "-S", socket, "-uroot"]
        for _ in range(100):
            if run([*client, "-e", "SELECT 1"])[1] == 0:
                break
            time.sleep(0.1)
        panel(root, REAL.format(socket=socket))
        ours = [PROGRAM, "plan", "--root", root, f"{root}/mailward.toml"]
        bare = [*client, "-Dpsa", "-BN", "-e", ROWS]
        print("\nPanel access, nothing to change, a real MariaDB on this machine\n")
        print("| accounts | mailward plan, median ms | peak MiB | the bare client fetching the same rows, median ms | mailward / it (median of pairs) |")
        print("|---|---|---|---|---|")
        for number in [1000, 10_000, 100_000, 1_000_000]:
            said = subprocess.run(client, input=FILL.format(accounts=number, domains=max(1, number // 50)).encode(), capture_output=True)
            if said.returncode != 0:
                sys.exit(f"the database cannot be filled: {said.stderr.decode()}")
            _, code, said = run(ours)
            if code != 0:
                sys.exit(f"mailward's plan is not empty (exit {code}): {said.decode()}")
            ones, others = zip(*[(run(ours)[0], run(bare)[0]) for _ in range(min(RUNS, 11) if number > 100_000 else RUNS)])
            pairs = statistics.median(one / other for one, other in zip(ones, others))
            one, other = statistics.median(ones), statistics.median(others)
            print(f"| {number:,} | {one * 1000:.1f} | {peak(ours):.1f} | {other * 1000:.1f} | {pairs:.2f} |")
    finally:
        server.terminate()
        server.wait()


def main():
    if sys.argv[2:] == ["panel"]:
        with tempfile.TemporaryDirectory() as folder:
            accounts(folder)
        return
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
        accounts(folder)


main()

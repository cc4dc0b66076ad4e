"""Runs a program on a terminal of its own, and tells how both ended.

Arguments: the program and its arguments. What comes on standard input is typed on the terminal; what the terminal shows
goes to standard output, and then one more line: the exit code or, negative, the signal, and whether the terminal echoes.
"""

import fcntl
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time

master, slave = pty.openpty()
ended, ends = os.pipe()
over, holds = os.pipe()


def lead():
    """Has the terminal as a login shell has it: with the end of its leader a terminal is hung up for everybody else."""
    os.close(holds)
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    usual = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    child = subprocess.Popen(sys.argv[1:], stdin=slave, stdout=slave, stderr=slave, preexec_fn=usual)
    os.write(ends, b"%d" % child.wait())
    # Until the test has looked, or is gone.
    os.read(over, 1)
    os._exit(0)


leader = os.fork()
if leader == 0:
    lead()
sources = [master, sys.stdin.fileno(), ended]
code = None
while True:
    ready, _, _ = select.select(sources, [], [], 0.02)
    if not ready and code is not None:
        break
    for source in ready:
        data = os.read(source, 65536)
        if source == master:
            os.write(1, data)
        elif source == ended:
            code = data
            sources.remove(ended)
        elif data:
            os.write(master, data)
        else:
            sources.remove(source)
# A child of the program may be ending just now, and give the terminal back.
for _ in range(100):
    echoes = termios.tcgetattr(slave)[3] & termios.ECHO
    if echoes:
        break
    time.sleep(0.01)
os.write(1, b"\n%s %s\n" % (code, b"echo" if echoes else b"silent"))
os.close(holds)
os.waitpid(leader, 0)

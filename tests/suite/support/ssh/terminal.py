"""Runs a program on a terminal of its own, and tells how both ended.

Arguments: the program and its arguments. What comes on standard input is typed on the terminal; what the terminal shows
goes to standard output, and then one more line: the exit code or, negative, the signal, and whether the terminal echoes.
"""

import fcntl
import os
import pty
import select
import subprocess
import sys
import termios

master, slave = pty.openpty()


def own():
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)


child = subprocess.Popen(sys.argv[1:], stdin=slave, stdout=slave, stderr=slave, preexec_fn=own)
sources = [master, sys.stdin.fileno()]
while True:
    ready, _, _ = select.select(sources, [], [], 0.02)
    if not ready and child.poll() is not None:
        break
    for source in ready:
        data = os.read(source, 65536)
        if source != master:
            if data:
                os.write(master, data)
            else:
                sources.remove(source)
        else:
            os.write(1, data)
echoes = termios.tcgetattr(slave)[3] & termios.ECHO
os.write(1, b"\n%d %s\n" % (child.returncode, b"echo" if echoes else b"silent"))

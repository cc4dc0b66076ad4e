"""Stands in for ssh: runs it, passes on what is said, counts messages, and fails on demand.

Arguments: FOLDER FATE MOMENT MESSAGE, then those of ssh. FATE is never, cut or hang; MOMENT is one of those in
line.rs; MESSAGE is the number, from 1, of the message that it is about. In FOLDER, `log` gets a line for each start,
message and answer, and `failed` appears before the line fails; when it is there, the line is sound.
A message to the host ends with the line `# mailward end`.
"""

import fcntl
import os
import select
import struct
import subprocess
import sys
import termios
import time

END = b"# mailward end"
# An answer that pauses for this many seconds is taken for complete.
QUIET = 0.3
# Time for ssh to send what it has taken from its standard input.
SENDING = 0.05

folder, fate, moment, message = sys.argv[1:5]
message = int(message)
failed = os.path.join(folder, "failed")
log = open(os.path.join(folder, "log"), "a")
parent = os.getppid()


def note(text):
    log.write(text + "\n")
    log.flush()


class Ended(Exception):
    """The real ssh has ended, or whoever started this one is no longer there."""


class Line:
    def __init__(self, arguments):
        note("connect")
        self.ssh = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", "ssh", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        self.to_host = self.ssh.stdin.fileno()
        self.from_host = self.ssh.stdout.fileno()
        for descriptor in (self.to_host, self.from_host):
            os.set_blocking(descriptor, False)
        self.going = bytearray()
        self.coming = bytearray()
        self.held = bytearray()
        self.line = bytearray()
        self.size = 0
        self.answer = 0
        self.count = 0
        self.input_open = True
        self.about_to_fail = fate != "never" and not os.path.exists(failed)

    def is_the_one(self):
        return self.about_to_fail and self.count + 1 == message

    def step(self, timeout=None, listen=True, pass_back=True):
        """Moves what can be moved; returns whether the host has said something."""
        reads = [self.from_host]
        if listen and self.input_open:
            reads.append(0)
        writes = []
        if self.going:
            writes.append(self.to_host)
        readable, writable, _ = select.select(reads, writes, [], timeout)
        heard = False
        if self.from_host in readable:
            said = os.read(self.from_host, 65536)
            if not said:
                raise Ended
            self.answer += len(said)
            self.coming += said
            heard = True
        if pass_back and self.coming:
            self.flush_back(len(self.coming))
        if self.to_host in writable:
            try:
                sent = os.write(self.to_host, self.going[:65536])
            except BrokenPipeError:
                raise Ended from None
            del self.going[:sent]
        if 0 in readable:
            said = os.read(0, 65536)
            if said:
                self.take(said)
            else:
                self.input_open = False
        if not self.input_open and not self.going and not self.ssh.stdin.closed:
            self.ssh.stdin.close()
        return heard

    def flush_back(self, count):
        while count:
            try:
                passed = os.write(1, self.coming[:count])
            except BrokenPipeError:
                self.ssh.kill()
                raise Ended from None
            del self.coming[:passed]
            count -= passed

    def take(self, said):
        for piece in split(said):
            self.size += len(piece)
            self.line += piece
            (self.held if self.is_the_one() else self.going).extend(piece)
            if self.line.endswith(b"\n"):
                if self.line[:-1] == END:
                    self.end_message()
                self.line.clear()

    def end_message(self):
        if self.count:
            note(f"answer {self.answer}")
        if self.is_the_one():
            self.fail()
        self.count += 1
        note(f"message {self.size}")
        self.size = 0
        self.answer = 0

    def fail(self):
        self.about_to_fail = False
        if moment == "half-message":
            self.send(self.held[: len(self.held) // 2])
            self.settle()
        elif moment != "before":
            self.send(self.held)
            note(f"message {self.size}")
            if moment == "sent":
                self.settle()
            else:
                self.answer = 0
                self.await_answer()
                note(f"answer {self.answer}")
                if moment == "half-answer":
                    self.flush_back(len(self.coming) // 2)
        open(failed, "w").close()
        if fate == "cut":
            self.ssh.kill()
            self.ssh.wait()
            sys.exit(255)
        while os.getppid() == parent:
            time.sleep(0.02)
        sys.exit(255)

    def send(self, data):
        """Has ssh take these bytes; what the host said before them is passed back."""
        self.flush_back(len(self.coming))
        self.going += data
        while self.going or self.in_pipe():
            self.step(0.001, listen=False, pass_back=False)

    def in_pipe(self):
        return struct.unpack("i", fcntl.ioctl(self.to_host, termios.FIONREAD, b"\0" * 4))[0]

    def settle(self):
        """Waits until what ssh has taken is on its way."""
        end = time.monotonic() + SENDING
        while time.monotonic() < end and not self.coming:
            self.step(0.005, listen=False, pass_back=False)

    def await_answer(self):
        try:
            while not self.coming:
                self.step(listen=False, pass_back=False)
            while self.step(QUIET, listen=False, pass_back=False):
                pass
        except Ended:
            # The end is part of this answer, and is lost with it.
            pass


def split(said):
    """Splits at line feeds only."""
    pieces = said.split(b"\n")
    whole = [piece + b"\n" for piece in pieces[:-1]]
    return whole + [pieces[-1]] if pieces[-1] else whole


line = Line(sys.argv[5:])
try:
    while True:
        line.step()
except Ended:
    pass
if line.count:
    note(f"answer {line.answer}")
code = line.ssh.wait()
sys.exit(code if code >= 0 else 255)

# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's serial console: what it has said, and commands for its program."""
import re
import select
import time


class Failure(Exception):
    """What a test says when it fails."""


class Console:
    """Takes over a connected socket. @whose is for messages; @patience is for each wait, in
    seconds; @check is called while nothing comes, and raises a Failure if nothing can."""

    def __init__(self, sock, whose, patience, check=lambda: None):
        self.sock = sock
        self.whose = whose
        self.patience = patience
        self.check = check
        self.said = b""

    def listen(self, seconds):
        """Takes in what the guest says; false if nothing came in time, or nothing more will."""
        heard = False
        while select.select([self.sock], [], [], 0 if heard else seconds)[0]:
            try:
                data = self.sock.recv(65536)
            except OSError:
                data = b""
            if not data:
                break
            self.said += data
            heard = True
        return heard

    def hear(self, pattern, after=0):
        """Waits until the guest has said, past so many bytes, what matches; the match."""
        deadline = time.monotonic() + self.patience
        while True:
            found = re.search(pattern, self.said[after:].decode(errors="replace"))
            if found:
                return found
            if self.listen(0.1):
                continue
            self.check()
            if time.monotonic() > deadline:
                raise Failure(f"the guest at the {self.whose} says no '{pattern}'; its last "
                              f"words: {self.said[-200:]!r}")

    def tell(self, command):
        """Gives the guest's program a command; its answer."""
        word = command.split()[0]
        after = len(self.said)
        self.sock.sendall(command.encode() + b"\n")
        answer = self.hear(rf"(?s)(.*)(failed {word}: [^\n]*|done {word})", after)
        if answer[2].startswith("failed"):
            raise Failure(f"the guest at the {self.whose}: {answer[2].strip()}")
        return answer[1]

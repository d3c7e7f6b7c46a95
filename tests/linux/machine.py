# SPDX-License-Identifier: GPL-2.0-or-later
"""A QEMU process with its monitor and its guest's serial console.

Both are sockets that QEMU inherits, so that nothing has a name that could be taken or stay behind.
"""
import contextlib
import json
import logging
import os
import re
import select
import signal
import socket
import subprocess
import time

from console import Console, Failure

PAGE = 4096


class Ended(Failure):
    """QEMU has ended, for the guest has panicked, say."""


def wait_until(what, seconds, condition):
    """Waits until condition() is true and returns what it returned."""
    logging.info("until %s", what)
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f"waited {seconds} s in vain until {what}")
        time.sleep(0.02)


class Machine:
    """One QEMU. Ends with the with-block that it is made in, and with us, whatever happens.

    In the command {monitor} and {console} stand for file descriptors. @patience is for each wait,
    in seconds.
    """

    def __init__(self, name, command, log_dir, patience):
        self.name = name
        self.patience = patience
        self.log = f"{log_dir}/{name}"
        self.monitor, monitor = socket.socketpair()
        ours, console = socket.socketpair()
        self.console = Console(ours, name, patience, self._check)
        self.hear = self.console.hear
        self.tell = self.console.tell
        self.received = b""
        fds = {"monitor": monitor.fileno(), "console": console.fileno()}
        with open(f"{self.log}.stderr", "wb") as stderr, monitor, console:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *(word.format(**fds) for word in command)],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr,
                pass_fds=list(fds.values()), start_new_session=True)

    def __enter__(self):
        try:
            self._message()
            self.run("qmp_capabilities")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *unused):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.console.listen(0)
        with open(f"{self.log}.console", "wb") as console:
            console.write(self.console.said)
        self.monitor.close()
        self.console.sock.close()

    def _ended(self):
        """What is to be raised once QEMU has closed a connection."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(1)
        self.console.listen(0)
        text = self.console.said.decode(errors="replace").replace("\r", "").splitlines()
        with open(f"{self.log}.stderr", encoding="utf-8", errors="replace") as stderr:
            text += stderr.read().splitlines()
        reasons = [line for line in text if re.search(r"Kernel panic|Oops|BUG:", line)] or text[-1:]
        return Ended(f"the {self.name} has ended: " + "; ".join(reasons[:2]))

    def _check(self):
        """The console has nothing; will it ever?"""
        if self.process.poll() is not None:
            raise self._ended()

    def _message(self):
        """The monitor's next line. The console is read meanwhile, lest the guest has to wait."""
        deadline = time.monotonic() + self.patience
        while b"\n" not in self.received:
            self.console.listen(0)
            if select.select([self.monitor], [], [], 0.05)[0]:
                data = self.monitor.recv(65536)
                if not data:
                    raise self._ended()
                self.received += data
            elif time.monotonic() > deadline:
                raise Failure(f"the {self.name} does not answer")
        line, self.received = self.received.split(b"\n", 1)
        return json.loads(line)

    def run(self, command, **arguments):
        """Executes a command of the monitor; the names of its arguments are written with `_'."""
        arguments = {key.replace("_", "-"): value for key, value in arguments.items()}
        try:
            self.monitor.sendall(json.dumps({"execute": command, "arguments": arguments}).encode())
            while True:
                answer = self._message()
                if "error" in answer:
                    raise Failure(f"{self.name}: {command}: {answer['error']['desc']}")
                if "return" in answer:
                    return answer["return"]
        except OSError as error:
            raise self._ended() from error

    def ram(self, size):
        """Where the guest's RAM of this size is, and how many bytes of it are there."""
        with open(f"/proc/{self.process.pid}/smaps", encoding="utf-8") as smaps:
            for line in smaps:
                found = re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line)
                if found:
                    start, end = (int(address, 16) for address in found.groups())
                elif line.startswith("Rss:") and end - start == size:
                    return start, int(line.split()[1]) * 1024
        raise Failure(f"the {self.name} has no RAM of {size} bytes")

    def pages(self, size):
        """The guest's RAM, page by page."""
        address = self.ram(size)[0]
        with open(f"/proc/{self.process.pid}/mem", "rb") as memory:
            memory.seek(address)
            for _ in range(size // PAGE):
                yield memory.read(PAGE)

    def wait_status(self, wanted):
        """Waits until the migration's status is the wanted one."""
        def reached():
            info = self.run("query-migrate")
            if info.get("status") in ("failed", "cancelled"):
                raise Failure(f"{self.name}: the migration is {info['status']}: "
                              f"{info.get('error-desc', 'no reason given')}")
            return info.get("status") == wanted
        wait_until(f"the migration of the {self.name} is {wanted}", self.patience, reached)

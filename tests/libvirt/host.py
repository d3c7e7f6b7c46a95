# SPDX-License-Identifier: GPL-2.0-or-later
"""A host with a libvirt of its own, on this machine; and the guest that moves between two."""
import logging
import pathlib
import socket
import subprocess

from console import Console, Failure
from machine import wait_until

EXAMPLES = "/usr/local/share/doc/rdmachunk/examples/libvirt"
UUID = "7c0ffee0-0000-4000-8000-000000000012"
HERE = pathlib.Path(__file__).resolve().parent
DOMAIN = """<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>guest</name>
  <uuid>{uuid}</uuid>
  <memory unit='MiB'>{mib}</memory>
  {limit}
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc-q35-10.0'>hvm</type>
    <kernel>/guest/kernel</kernel>
    <initrd>/guest/initramfs</initrd>
    <cmdline>console=ttyS0 panic=-1 oops=panic mitigations=off quiet loglevel=3</cmdline>
  </os>
  <cpu mode='custom' match='exact'><model>qemu64</model></cpu>
  <on_reboot>destroy</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>{emulator}</emulator>
    <controller type='usb' model='none'/>
    <serial type='unix'><source mode='bind' path='/run/guest/console'/></serial>
    <memballoon model='virtio'/>
  </devices>
  <qemu:commandline>
{variables}
  </qemu:commandline>
</domain>
"""


def domain(mib, emulator, variables, hard_limit):
    """The guest's XML; @hard_limit is in KiB, or None."""
    limit = hard_limit and f"<memtune><hard_limit unit='KiB'>{hard_limit}</hard_limit></memtune>"
    lines = (f"    <qemu:env name='{name}' value='{value}'/>" for name, value in variables.items())
    return DOMAIN.format(uuid=UUID, mib=mib, emulator=emulator, limit=limit or "", variables="\n".join(lines))


class Host:
    """A libvirtd with its own files. Ends with the with-block that it is made in; its QEMUs end
    with the PID namespace."""

    def __init__(self, name, work, root, installed, security, binds, patience):
        self.name = name
        self.patience = patience
        self.dir = work / name
        self.console = None
        self.log_from = 0
        with open(work / f"{name}.libvirtd", "wb") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--uts", HERE / "host",
                 name, root, self.dir, installed, security, work, *binds],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def __enter__(self):
        wait_until(f"the libvirt of {self.name} is up", self.patience, self._up)
        return self

    def __exit__(self, *unused):
        self.process.kill()
        self.process.wait()

    def _up(self):
        if self.process.poll() is not None:
            raise Failure(f"the libvirt of {self.name} has ended")
        return (self.dir / "run/libvirt-sock").is_socket()

    @property
    def uri(self):
        """By which each host's virsh reaches this one."""
        return f"qemu+unix:///system?socket={self.dir}/run/libvirt-sock"

    def enter(self, *command):
        """Runs a command on this host; what has become of it."""
        logging.info("%s: %s", self.name, " ".join(command))
        try:
            return subprocess.run(
                ["nsenter", f"--target={self.process.pid}", "--mount", "--uts", "--root", "--wd=/",
                 "env", "-i", "PATH=/usr/local/bin:/usr/sbin:/usr/bin", "LC_ALL=C", *command],
                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=self.patience)
        except subprocess.TimeoutExpired as expired:
            raise Failure(f"{self.name}: {' '.join(command[:3])}: not done in {self.patience} s"
                          ) from expired

    def run(self, *command):
        """Runs a command that has to succeed; what it prints."""
        done = self.enter(*command)
        if done.returncode:
            lines = done.stderr.strip().splitlines() or ["no reason given"]
            raise Failure(f"{self.name}: {' '.join(command[:3])}: {lines[-1]}")
        return done.stdout

    def virsh(self, *arguments):
        """What virsh prints."""
        return self.run("virsh", "--quiet", *arguments)

    def write(self, name, text):
        """A file for a command on this host; its path there."""
        path = self.dir / "guest" / name
        path.write_text(text, encoding="utf-8")
        return f"/run/guest/{name}"

    def listen(self):
        """Connects to the guest's console."""
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(str(self.dir / "guest/console"))
        self.console = Console(sock, self.name, self.patience, self._check)

    def _check(self):
        if not pathlib.Path(f"/proc/{self.pid()}").exists():
            raise Failure(f"the guest at {self.name} has ended")

    def leave(self):
        """The guest goes elsewhere, or has gone."""
        if self.console:
            self.console.sock.close()
            self.console = None

    def pid(self):
        """That of the guest's QEMU."""
        path = self.dir / "run/qemu/guest.pid"
        return int(path.read_text(encoding="utf-8")) if path.exists() else 0

    def log(self):
        """What QEMU has said, and how libvirt has started it, since forget_log()."""
        return self._log()[self.log_from:].decode(errors="replace")

    def forget_log(self):
        """What was said so far is about another guest."""
        self.log_from = len(self._log())

    def _log(self):
        path = self.dir / "log/qemu/guest.log"
        return path.read_bytes() if path.exists() else b""

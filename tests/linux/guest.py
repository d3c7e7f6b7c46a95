# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest: its kernel, its QEMU's command line, and the state in which it is saved once and from
which each case resumes."""
import fcntl
import hashlib
import os
import pathlib
import re
import subprocess
import time

from machine import Machine
from migration import MIB, RAM, UNLIMITED

HERE = pathlib.Path(__file__).resolve().parent
BACKENDS = {
    "file": "memory-backend-file,mem-path=/dev/shm,share=on",
    "memfd": "memory-backend-memfd,share=on",
    "private": "memory-backend-ram",
}
# In another root directory QEMU sees the host's devices, and its files at the same paths.
ENTER = """root=$1; shift
for dir in /dev /proc /sys $BINDS; do
	mkdir -p "$root$dir" && mount --rbind "$dir" "$root$dir" || exit
done
exec chroot "$root" "$@" """


class Guest:
    """The guest as it waits for commands, booted and saved if that has not been done before."""

    def __init__(self, options):
        self.root = options.root
        self.directory = options.build_dir / "tests/linux"
        image = subprocess.run([HERE / "image", self.directory, self.directory / "verify"],
                               check=True, stdout=subprocess.PIPE, text=True).stdout.split("\n")
        self.kernel, self.initramfs = image[:2]
        self.binds = [self.directory.parent.parent, pathlib.Path(self.kernel).parent,
                      options.log_dir, options.shim.parent]
        version = subprocess.run(self.enter(["qemu-system-x86_64", "--version"], {}),
                                 check=True, stdout=subprocess.PIPE, text=True).stdout
        self.major = int(re.search(r"version (\d+)", version)[1])
        command = self.command("memfd", "on")
        key = hashlib.sha256("\0".join([version, image[2], *command]).encode()).hexdigest()[:16]
        self.state = self.directory / f"state-{self.major}-{key}"
        with open(self.directory / "lock", "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self.state.exists():
                for old in self.directory.glob(f"state-{self.major}-*"):
                    old.unlink()
                self._save(options, command)

    def _save(self, options, command):
        began = time.monotonic()
        state = self.state
        self.state = state.with_suffix(".new")
        with Machine("boot", self.enter(command, {}), options.log_dir, options.patience) as machine:
            machine.hear("done start")
            machine.run("stop")
            machine.run("migrate-set-parameters", max_bandwidth=UNLIMITED)
            machine.run("migrate", uri=self.uri("cat", ">"))
            machine.wait_status("completed")
        self.state = self.state.rename(state)
        print(f"a guest was booted and saved in {time.monotonic() - began:.1f} s, "
              f"{state.stat().st_size // MIB} MiB", flush=True)

    def uri(self, program, direction):
        """Where the state is saved or read; QEMU can open a file by itself from 8.2 on."""
        if self.major > 8:
            return f"file:{self.state}"
        return f"exec:{program} {direction}'{self.state}'"

    def command(self, memory, reporting):
        """QEMU's command line; Machine fills in what is in braces."""
        return [
            "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none",
            "-no-reboot", "-machine", "q35,memory-backend=ram0", "-accel", "tcg", "-cpu", "qemu64",
            "-object", f"{BACKENDS[memory]},id=ram0,size={RAM}", "-m", f"{RAM // 1024}K",
            "-kernel", self.kernel, "-initrd", self.initramfs,
            "-append", "console=ttyS0 panic=-1 oops=panic mitigations=off quiet loglevel=3",
            "-chardev", "socket,id=monitor,fd={monitor}", "-mon", "chardev=monitor,mode=control",
            "-chardev", "socket,id=console,fd={console}", "-serial", "chardev:console",
            "-device", f"virtio-balloon-pci,free-page-reporting={reporting}"]

    def enter(self, command, variables):
        """The command in the environment that it is to have, and in the root directory, if any."""
        kept = [name for name in os.environ if name.startswith(("RDMACHUNK_", "LD_"))]
        command = ["env", *(f"--unset={name}" for name in kept),
                   *(f"{name}={value}" for name, value in variables.items()), *command]
        if not self.root:
            return command
        return ["env", "BINDS=" + " ".join(map(str, self.binds)), "unshare", "--mount",
                "--propagation=private", "sh", "-c", ENTER, "sh", str(self.root), *command]

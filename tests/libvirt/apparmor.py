# SPDX-License-Identifier: GPL-2.0-or-later
"""AppArmor: whether there is one, what it holds QEMU to, and what it has kept QEMU from."""
import pathlib
import re
import subprocess

from console import Failure
from host import EXAMPLES, UUID

PROFILE = f"libvirt-{UUID}"
LINES = "/etc/apparmor.d/abstractions/libvirt-qemu.d/rdmachunk"


def is_enforced():
    """Has the kernel AppArmor, and is it on?"""
    path = pathlib.Path("/sys/module/apparmor/parameters/enabled")
    return path.exists() and path.read_text(encoding="utf-8").strip() == "Y"


def check_confined(pid):
    """AppArmor holds QEMU to the profile that libvirt has made for this guest."""
    profile = pathlib.Path(f"/proc/{pid}/attr/current").read_text(encoding="utf-8").strip()
    if profile != f"{PROFILE} (enforce)":
        raise Failure(f"QEMU is confined by {profile}")


def set_lines(host, wanted):
    """Has the host our lines for QEMU's profile?"""
    if wanted:
        host.run("cp", f"{EXAMPLES}/apparmor-qemu", LINES)
    else:
        host.run("rm", "-f", LINES)


def reload_profile(host):
    """QEMU is held to what its profile says now."""
    host.run("apparmor_parser", "-r", f"/etc/apparmor.d/libvirt/{PROFILE}")


class Denials:
    """What AppArmor has kept libvirt and its QEMUs from, as the kernel says, from now on."""

    def __init__(self):
        self.before = 0
        self.before = len(self.lines())

    def lines(self):
        """Those of the kernel's log. virt-aa-helper makes the profiles of QEMUs."""
        said = subprocess.run(["dmesg"], check=True, stdout=subprocess.PIPE, text=True).stdout
        pattern = re.compile('apparmor="DENIED".* profile="(libvirt|virt-aa-helper)')
        return [line for line in said.splitlines() if pattern.search(line)][self.before:]

    def check(self, *names):
        """The guest's QEMU was kept from files whose paths end like this."""
        lines = self.lines()
        for name in names:
            pattern = re.compile(f' profile="{PROFILE}" name="[^"]*{name}"')
            if not any(map(pattern.search, lines)):
                raise Failure(f"AppArmor does not say that it denies {name}, but {lines}")
            print(f"   AppArmor denies {name}", flush=True)

    def check_none(self):
        """They were kept from nothing."""
        for line in self.lines():
            raise Failure(f"AppArmor denies: {line}")

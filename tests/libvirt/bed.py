# SPDX-License-Identifier: GPL-2.0-or-later
"""Two libvirts, the guest that moves from one to the other, and what each step has to have done."""
import filecmp
import json
import pathlib
import re
import resource

from console import Failure
from host import EXAMPLES, domain
from machine import wait_until
from migration import ALL_PAGES, CHURN, LASTING, MIB, verify

# Libvirt makes whole MiB of any other size.
RAM = 256 * MIB
QEMU = "/usr/bin/qemu-system-x86_64"
EMULATOR = "/usr/local/lib/rdmachunk/qemu-system-x86_64"
LIBRARY = "/usr/local/lib/librdmachunk.so"
HOOK = "/etc/libvirt/hooks/qemu.d/rdmachunk"
STATS = "/var/log/rdmachunk/stats"
LOG = "/var/log/rdmachunk/log"
# The user whom libvirt runs QEMU as; the filter of system calls, as /proc calls it.
USER, FILTERED = "64055", "2"
CAP_SYS_RESOURCE = 24
# For libvirt to raise.
SMALL_LIMIT = 64 << 10
TRIES = 3


def status_of(pid):
    """What /proc/PID/status says: a dictionary of words."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return {key: value.split() for key, value in re.findall(r"^(\w+):\s*(.*)$", text, re.M)}


def connections_given_up():
    """How many connections the link's driver has given up, since nobody answered; 0 if it does not
    say. A peer without a RECV is another count."""
    counters = pathlib.Path("/sys/class/infiniband").glob("*/ports/*/hw_counters/retry_exceeded_err")
    return sum(int(path.read_text(encoding="utf-8")) for path in counters)


def memlock_of(pid):
    """The bytes that a process may lock, or `unlimited'."""
    text = pathlib.Path(f"/proc/{pid}/limits").read_text(encoding="utf-8")
    return re.search(r"^Max locked memory +(\S+)", text, re.M)[1]


def hard_limit():
    """KiB that the domain may lock, which is what libvirt lets QEMU lock: more than QEMU needs with
    all of its RAM locked. Sets what QEMU begins with: little, or, where libvirt may not raise that,
    all that there is, with which libvirt is content."""
    most = 2 * RAM // 1024
    if may_raise_limits():
        limit = SMALL_LIMIT
    else:
        limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]
        if limit != resource.RLIM_INFINITY:
            most = min(most, limit // 1024)
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (limit, limit))
    return most


def may_raise_limits():
    """May root, as which libvirt runs, raise them here?"""
    return int(status_of("self")["CapEff"][0], 16) >> CAP_SYS_RESOURCE & 1


class Bed:
    """What all cases share. The first of the hosts is the source."""

    def __init__(self, options, work):
        self.options = options
        self.work = work
        self.hosts = ()
        self.hard_limit = hard_limit()
        self.prepared = options.build_dir / "tests/libvirt"

    def xml(self, way, limited=True):
        """The domain as it is for an end."""
        preload = str(self.options.count)
        variables = {"RDMACOUNT_FILE": "/run/guest/counts"}
        if way == "env":
            variables["RDMACHUNK_STATS"] = STATS
            variables["RDMACHUNK_LOG"] = "info"
            variables["RDMACHUNK_LOG_FILE"] = LOG
            preload = f"{LIBRARY} {preload}"
        variables["LD_PRELOAD"] = preload
        if self.options.fabric_dir:
            variables["LD_LIBRARY_PATH"] = self.options.fabric_dir
            variables["RDMAFABRIC_AWAIT_RECV"] = "on"
            variables["RDMAFABRIC_RNR_RETRY"] = "7"
            variables["RDMAFABRIC_NET"] = f"libvirt-{self.work.name}"
        emulator = EMULATOR if way == "emulator" else QEMU
        return domain(RAM // MIB, emulator, variables, self.hard_limit if limited else None)

    def clean(self):
        """Ends what an earlier case has left."""
        for host in self.hosts:
            host.leave()
            for command in ("destroy", "undefine"):
                host.enter("virsh", "--quiet", command, "guest")
            wait_until(f"the guest is gone from {host.name}", host.patience,
                       lambda host=host: "guest" not in host.virsh("list", "--all", "--name"))
            host.enter("rm", "-f", HOOK)
            host.forget_log()
            for path in [host.dir / "guest/counts", *host.dir.glob("stats/*")]:
                path.unlink(missing_ok=True)

    def start(self, way, limited=True):
        """The saved guest goes on at the source; its verifier has pages to look after."""
        source = self.hosts[0]
        xml = source.write("source.xml", self.xml(way, limited))
        if way in ("attach", "hook"):
            source.virsh("define", xml)
        if way == "hook":
            source.run("install", "-m", "755", f"{EXAMPLES}/hook", HOOK)
        paused = ["--paused"] if self.options.paused else []
        source.virsh("restore", "/run/guest/state", "--xml", xml, *paused)
        self.check_may_lock(source, limited)
        if way == "hook":
            await_hook(source)
        source.listen()
        if not self.options.paused:
            source.console.tell(f"pools {LASTING // MIB} {CHURN // MIB}")
        if way == "attach":
            self.attach()

    def attach(self):
        """Loads the library into the guest's QEMU, which knows nothing of it."""
        self.hosts[0].run("rdmachunk", "attach", "--stats", STATS, "guest")

    def migrate(self, way):
        """Has libvirt migrate the guest; the process of QEMU there. Tries it again where the driver
        of the link says that it has given up a connection, as rxe does on a busy machine."""
        source, destination = self.hosts
        source.leave()
        command = ("migrate", "--live", "guest", destination.uri,
                   "--migrateuri", f"rdma://{self.options.addr}",
                   "--listen-address", self.options.addr,
                   "--xml", source.write("destination.xml", self.xml(way)))
        for tries_left in reversed(range(TRIES)):
            given_up = connections_given_up()
            try:
                source.virsh(*command)
                break
            except Failure as failure:
                if not tries_left or connections_given_up() == given_up:
                    raise
                print(f"   again, the link gave up: {failure}", flush=True)
        self.check_may_lock(destination)
        return destination.pid()

    def check_source(self):
        """All is well where the guest is; remembers what RAM is like if it is to stay so."""
        source = self.hosts[0]
        if self.options.paused:
            dump(source)
        elif verify(source.console)["wrong"]:
            raise Failure("pages are wrong at the source already")

    def check_arrived(self, name):
        """RAM is the same at the destination, or the guest's verifier finds all its pages there."""
        source, destination = self.hosts
        if self.options.paused:
            if not filecmp.cmp(dump(destination), source.dir / "guest/ram", shallow=False):
                raise Failure("RAM differs at the destination")
            print(f"   {name}: RAM is identical", flush=True)
            return
        destination.listen()
        found = verify(destination.console)
        print(f"   {name}: {found['checked']} pages checked, {found['wrong']} wrong", flush=True)
        if found["wrong"] or found["checked"] < ALL_PAGES:
            raise Failure(f"{found['wrong']} of {found['checked']} pages are wrong at the "
                          "destination")

    def check_limit(self, host):
        """QEMU could lock what the domain says, and no more, when it made its connection."""
        found = counts(host)["memlock"]
        if found != self.hard_limit * 1024:
            raise Failure(f"QEMU at {host.name} could lock {found} bytes, and not "
                          f"{self.hard_limit} KiB")

    def check_may_lock(self, host, limited=True):
        """libvirt lets QEMU lock what the domain says, or else what libvirt may lock itself."""
        limit, ours = memlock_of(host.pid()), memlock_of("self")
        if limit != (str(self.hard_limit * 1024) if limited else ours):
            raise Failure(f"QEMU at {host.name} may lock {limit} bytes, libvirt {ours}, the domain "
                          f"{self.hard_limit if limited else 'any'} KiB")


def dump(host):
    """A file with all of the guest's RAM, which does not run."""
    path = host.dir / "guest/ram"
    path.unlink(missing_ok=True)
    answer = host.virsh("qemu-monitor-command", "guest", "--hmp",
                        f'pmemsave 0 {RAM} "/run/guest/ram"').strip()
    if answer or path.stat().st_size != RAM:
        raise Failure(f"the RAM at {host.name} is not saved: {answer}")
    return path


def await_hook(host):
    """Waits until the process that the hook has left behind has ended. Ours are all there are."""
    def ended():
        for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if HOOK in path.read_text(encoding="utf-8"):
                    return False
            except OSError:
                continue
        return True

    wait_until(f"the hook of {host.name} has ended", host.patience, ended)


def is_loaded(pid):
    """Has the process mapped the library?"""
    maps = pathlib.Path(f"/proc/{pid}/maps").read_text(encoding="utf-8")
    return "/librdmachunk.so" in maps


def counts(host):
    """What the counting library has seen of the QEMU there."""
    path = host.dir / "guest/counts"
    wait_until(f"the calls at {host.name} are counted", host.patience, path.exists)
    return json.loads(path.read_text(encoding="utf-8"))


def stats(host):
    """Role and state of each connection of a migration, as the library says."""
    path = host.dir / "stats/stats"
    wait_until(f"the library at {host.name} writes its statistics", host.patience,
               lambda: path.exists() and path.read_text(encoding="utf-8").endswith("\n"))
    lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return [(line["role"], line["state"]) for line in lines]


def check_quiet(host):
    """The loader and the library have nothing to complain of."""
    for line in host.log().splitlines():
        if "rdmachunk" in line and ("cannot" in line or "rdmachunk: " in line):
            raise Failure(f"QEMU's log at {host.name}: {line}")


def check_counts(source, loaded):
    """Stock QEMU asks for each chunk with data by itself, and registers none with another."""
    seen = counts(source)
    requests, chunks = seen["send_register_request"], (LASTING + CHURN) // MIB
    print(f"   {requests} requests, {seen['reg_mr_calls']} registrations at the source", flush=True)
    if loaded and not 0 < requests <= chunks // 2:
        raise Failure(f"{requests} requests with the library")
    if loaded != (seen["reg_mr_largest"] > MIB):
        raise Failure(f"the largest registration has {seen['reg_mr_largest']} bytes")


def check_took_part(host, role):
    """The library had a connection there. A return path has one of its own."""
    if (role, "active") not in stats(host):
        raise Failure(f"the library at the {role} took no part")


def check_logged(host, role):
    """The library there has told of the migration in its log."""
    path = host.dir / "stats/log"
    wait_until(f"the library at {host.name} writes its log", host.patience,
               lambda: path.exists() and f"{role} of a migration" in path.read_text(encoding="utf-8"))


def check_end(host, role, pid, loaded):
    """The same, and nobody complains."""
    check_process(role, pid, loaded)
    check_quiet(host)


def check_process(role, pid, loaded):
    """QEMU is confined as libvirt does it, and has the library in its process, or not."""
    status = status_of(pid)
    if set(status["Uid"]) != {USER} or status["Seccomp"] != [FILTERED] or int(status["CapEff"][0], 16):
        raise Failure(f"QEMU at the {role} is not confined: user {status['Uid']}, filter "
                      f"{status['Seccomp']}, capabilities {status['CapEff']}")
    if is_loaded(pid) != loaded:
        raise Failure(f"the library is {'not ' if loaded else ''}loaded at the {role}")

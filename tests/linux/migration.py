# SPDX-License-Identifier: GPL-2.0-or-later
"""A migration of the guest, in the steps that sequences are made of."""
import re
import time

from machine import PAGE, Failure, wait_until

MIB = 1 << 20
# Two pages more than 256 MiB. QEMU's emulated processor marks a page as dirty when it first writes
# there after the page has come into its TLB, and again when the TLB has been told that the mark was
# taken. Of a RAM block whose size is a multiple of 64 pages QEMU 7.2 takes the marks by the word,
# and tells no TLB (include/exec/ram_addr.h, cpu_physical_memory_sync_dirty_bitmap). What the guest
# then writes until it changes to another process does not arrive, whatever the transport. Of any
# other block it takes them page by page, and tells.
RAM = 256 * MIB + 2 * PAGE
# The verifier's pools. All that is free takes less than the second, when it is in use.
LASTING, CHURN = 32 * MIB, 96 * MIB
# Bandwidths: QEMU all but stands; is slower than what churns; gets on; has no limit.
SLOW, GENTLE, QUICK, UNLIMITED = MIB // 8, 8 * MIB, 64 * MIB, 1 << 40
PORT = 7471
ALL_PAGES = (LASTING + CHURN) // PAGE


class Migration:
    """A guest that runs at the source, its verifier's pools filled; a destination that waits."""

    def __init__(self, source, destination, address):
        self.source = source
        self.destination = destination
        self.patience = source.patience
        self.uri = f"rdma:{address}:{PORT}"
        # How often QEMU is to go over RAM before it may let the guest stand still for longer.
        self.passes = 0

    def resume(self, uri):
        """Goes on with the saved guest, which has not looked at its balloon yet."""
        self.source.run("migrate-incoming", uri=uri)
        self.source.wait_status("completed")
        self.source.run("cont")
        self.source.tell("module /modules/virtio_balloon.ko")
        self.source.tell(f"pools {LASTING // MIB} {CHURN // MIB}")

    def start(self):
        """Starts to migrate, slowly, and so that the end is not near until finish()."""
        self.destination.run("migrate-incoming", uri=self.uri)
        self.limit(SLOW, downtime=1)
        self.source.run("migrate", uri=self.uri)
        wait_until("RAM is being sent", self.patience, lambda: self._progress("remaining"))

    def limit(self, bandwidth, downtime=1):
        """Bytes a second, and the milliseconds for which the guest may stand still in the end."""
        self.source.run("migrate-set-parameters", max_bandwidth=bandwidth, downtime_limit=downtime)

    def _progress(self, name):
        return self.source.run("query-migrate").get("ram", {}).get(name, 0)

    def advance(self, size):
        """Lets QEMU get on by so much in its first pass over RAM, and all but stand still again."""
        if not size:
            return
        left = self._progress("remaining") - size
        self.limit(QUICK)
        wait_until(f"{size // MIB} MiB are sent", self.patience,
                   lambda: self._progress("remaining") <= left)
        self.limit(SLOW)

    def is_at_start(self):
        """Has QEMU sent next to nothing?"""
        return self._progress("remaining") > RAM - 16 * MIB

    def _memory(self):
        """Bytes of the guest's RAM that are there."""
        return self.source.ram(RAM)[1]

    def _given_back(self, most, size, seconds):
        """Waits so long at most until the guest's RAM is so much smaller than `most`, what it was
        before any was given back. It may grow first: what is registered is allocated."""
        deadline = time.monotonic() + seconds
        memory = self._memory()
        most = max(most, memory)
        while memory > most - size and time.monotonic() < deadline:
            time.sleep(0.02)
            memory = self._memory()
            most = max(most, memory)
        return memory <= most - size

    def report(self):
        """Frees the churn pool, waits until it is reported and discarded, and fills it again.

        The kernel reports free areas of 2 MiB and more, 32 at a time, two seconds after one was
        freed. It may have been at others when the pool was freed: then it is freed once more.
        """
        for _ in range(6):
            memory = self._memory()
            self.source.tell("free")
            done = self._given_back(memory, CHURN * 3 // 8, self.patience / 6)
            self.source.tell("fill")
            if done:
                return
        raise Failure("nothing that the guest has freed is discarded")

    def balloon(self, size):
        """Lets the balloon take what the guest has beyond this size, or give it back."""
        self.source.run("balloon", value=size)
        self._wait_balloon(size)

    def _wait_balloon(self, size):
        wait_until("the balloon has its size", self.patience,
                   lambda: self.source.run("query-balloon")["actual"] == size)

    def inflate_and_deflate(self):
        """Frees the churn pool, has the balloon take it, and give it back, and fills it again."""
        memory = self._memory()
        self.source.tell("free")
        self.source.run("balloon", value=RAM - CHURN)
        # Some of what it takes may have been free for longer, and never been there.
        if not self._given_back(memory, CHURN * 3 // 8, self.patience):
            raise Failure("nothing that the balloon has taken is discarded")
        self._wait_balloon(RAM - CHURN)
        self.balloon(RAM)
        self.source.tell("fill")

    def _go_over_ram(self):
        """Has QEMU go over RAM again and again, in a few milliseconds each time, as the guest may
        stand still for one only. It may come to the end by that."""
        self.limit(QUICK)
        wait_until(f"there were {self.passes} passes", self.patience,
                   lambda: self._progress("dirty-sync-count") > self.passes or
                   self.source.run("query-migrate")["status"] == "completed")

    def finish(self):
        """Lets the migration come to its end; the guest goes on at the destination."""
        if verify(self.source)["wrong"]:
            raise Failure("pages are wrong at the source already")
        if self.passes:
            self._go_over_ram()
        self.limit(UNLIMITED, downtime=300)
        self.source.wait_status("completed")
        self.destination.wait_status("completed")

    def compare(self, listing):
        """Pages that are not the same at both ends: how many, and in how many of these the source has
        data. The others are zeros there: what was discarded after it had been sent, and is free, may
        be among them. Their numbers, and the ends at which they are zeros, go to the file `listing`."""
        different = lost = 0
        with open(listing, "w", encoding="utf-8") as lines:
            both = zip(self.source.pages(RAM), self.destination.pages(RAM))
            for number, (source, destination) in enumerate(both):
                if source == destination:
                    continue
                different += 1
                zero = [end for end, page in (("source", source), ("destination", destination))
                        if not any(page)]
                lost += "source" not in zero
                print(number, *zero, file=lines)
        return different, lost


def verify(machine):
    """What the guest's verifier says of all its pages. `wrong' includes those seen before."""
    answer = machine.tell("verify")
    found = re.search(r"verify: (\d+) pages checked, (\d+) wrong, (\d+) of them zero; "
                      r"(\d+) seen before", answer)
    if not found:
        raise Failure(f"the verifier's answer is not understood: {answer}")
    checked, wrong, zero, before = map(int, found.groups())
    return {"checked": checked, "wrong": max(wrong, before), "zero": zero}

# SPDX-License-Identifier: GPL-2.0-only
"""The live update of one device.

    boot, arm every vector, ring (counted one by one)
    preserve, load the next kernel, jump
    ring in the blackout: the old kernel is down, the next has not armed
    retrieve, look what the device latched, arm, ring, FINISH, ring
"""

import errno
import random
import time

from course import run
from machine import gdbstub
from machine import qemulog
from machine.iommu import IOMMUS

RING_GAP = 0.002           # pause between rings of different vectors
ROUND_TIMEOUT = 2          # time for the guest to see one ring of each vector
BLACKOUT_SPREAD = 1.0      # rings of the blackout are spread over this time
NO_SESSION = (errno.ENOENT, errno.EIO)    # none was handed over; none can be read


class Update(run.Run):
    def __init__(self, scenario, machine, build):
        super().__init__(scenario, machine, build)
        self._session = False

    def _course(self):
        self._old_kernel()
        self._jump()
        self._ring_in_blackout()
        self._next_kernel()

    # The doorbell

    def _add_counts(self, phase, since):
        """Credit what was counted since then to a phase. Returns the new counts."""
        counts = self._settled_counts()
        for vector, old, new in zip(self.result.vectors, since, counts):
            setattr(vector, phase, new - old)
        return counts

    def _ring_each(self):
        """Ring in rounds. Two rings of a vector make one interrupt when the guest is
        busy, so a round begins only when the guest has seen the one before, or never will."""
        expected = self._counts()
        for _ in range(self.scenario.rings):
            for number in self.numbers:
                self.machine.doorbell.ring(number)
                time.sleep(RING_GAP)
            expected = [count + 1 for count in expected]
            self._wait_for_counts(expected)

    def _wait_for_counts(self, expected):
        deadline = time.monotonic() + ROUND_TIMEOUT * self.slowness
        while time.monotonic() < deadline:
            if all(seen >= count for seen, count in zip(self._counts(), expected)):
                return

    def _ring_in_blackout(self):
        order = list(self.result.vectors)
        random.Random(self.scenario.seed).shuffle(order)
        gap = BLACKOUT_SPREAD * self.slowness / len(order)
        for vector in order:
            self.machine.doorbell.ring(vector.number)
            vector.rung += 1
            time.sleep(gap)

    # The old kernel

    def _bind(self, msi):
        bound = self._command("bind msi" if msi else "bind")
        if self.scenario.attached:
            self._command("attach")
        self.result.bound = self.result.bound or bound
        if self.device.ring:
            self.machine.doorbell.found_at(self.result.bound["registers"])
            if not self.result.retrieved:
                self.machine.doorbell.set_up()

    def _arm(self):
        for first, count in self.scenario.ranges():
            self._command(f"arm {first} {count}")

    def _take_entries(self):
        """Make sure that the next kernel does not get the same table entries by accident."""
        iommu = IOMMUS[self.scenario.iommu]
        if not iommu.table_per_device:
            return
        self._arm()
        address, entries = iommu.entries_to_take(qemulog.read(self.machine.log_path).events)
        self._command("disarm")
        with self.machine.stub() as stub:
            stub.write(gdbstub.DIRECT_MAP + address, entries)

    def _look(self, when):
        """Note the identity of the vectors."""
        seen = self._command("snapshot")["vectors"]
        for vector in self.result.vectors:
            setattr(vector, when, seen[vector.number])

    def _old_kernel(self):
        self._boot()
        self._command("counters")
        self._command("open")
        self._bind(self.device.msi)
        self._take_entries()
        self._arm()
        self._hook("old_armed")
        counts = self._counts()
        self._ring_each()
        self._add_counts("before", counts)
        self._command("preserve device" if self.scenario.handover else "preserve")
        self._hook("old_changes")
        self._look("old")
        self._hook("old_preserved")

    # The next kernel

    def _retrieve(self):
        """Retrieve the session and its contents. A kernel that cannot give it back starts cold."""
        self._session = self._allowed("session", *NO_SESSION)
        if not self._session:
            self._command("counters")
            self._command("open")
        elif self.scenario.handover:
            self._retrieve_device()
        else:
            self._command("open")

    def _give_up(self):
        """Finish the session, if there is one, and open the device like any other."""
        if self._allowed("session", *NO_SESSION):
            self._hook("next_session")
            self._finish()
        else:
            self._command("counters")
        self._hook("next_given_up")
        self._command("open")

    def _retrieve_device(self):
        """Retrieve the device. If it is not given back, it can be opened when the session is
        finished."""
        self.result.retrieved = self._allowed("retrieve", errno.ENODEV)
        if not self.result.retrieved:
            self._finish()
            self._command("open")

    def _finish(self):
        self._command(self.scenario.end)
        self._session = False

    def _look_for_late(self):
        if self.device.ring and not self.device.numbers:
            return
        seen = self._command("counts")["seen"]
        for vector in self.result.vectors:
            vector.late = self.machine.doorbell.rings[vector.number] - seen[vector.number]

    def _look_for_pending(self):
        pending = self._command("pending")["pending"]
        for vector in self.result.vectors:
            vector.latched = pending[vector.number]

    def _next_kernel(self):
        self._wait_for_vmm("next")
        self._hook("next_ready")
        if self.scenario.breaks:
            return
        if self.scenario.claims:
            self._retrieve()
        else:
            self._give_up()
        self._bind(self.device.msi and not self.scenario.leaves_msi)
        counts = self._counts()
        self._look_for_pending()
        self.result.windows[-1].rearm = time.time()
        self._arm()
        counts = self._add_counts("delivered", counts)
        self._hook("next_armed")
        self._look("new")
        self._ring_each()
        counts = self._add_counts("adopted", counts)
        self._hook("next_finishing")
        if self._session:
            self._look_for_late()
            self._finish()
        counts = self._add_counts("synthetic", counts)
        self._hook("next_finished")
        self._ring_each()
        self._add_counts("after", counts)
        self._take_final_counts()

    def _take_final_counts(self):
        self._settled_counts()
        answer = self._command("counts")
        for vector in self.result.vectors:
            vector.counted = answer["counts"][vector.number]
            vector.seen = answer["seen"][vector.number]
        self.result.trace = self._shell("cat /sys/kernel/tracing/trace")

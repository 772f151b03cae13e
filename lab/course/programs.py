# SPDX-License-Identifier: GPL-2.0-only
"""A run in which programs of the guest do everything themselves."""

import time

from course import run
from machine import qemulog
from machine.iommu import IOMMUS, lets_pass

# I/Os per second of a disk that is held, and how many have to be in flight then
HELD_IOPS = 1
HELD_IOS = 4


class Programs(run.Run):
    def _hold_disk(self):
        """Returns when more is in flight than the disk completes before the jump."""
        tail = qemulog.Tail(self.machine.log_path)
        self.machine.limit_disk(HELD_IOPS)
        deadline = time.monotonic() + self._timeout("command")
        flying = ()
        while len(flying) < HELD_IOS:
            if time.monotonic() > deadline or not self.machine.alive():
                raise run.RunFailed("the guest does no I/O on the disk that is held")
            time.sleep(0.1)
            flying = qemulog.in_flight(tail.events(), flying)
        tail.close()

    def _jump_without_frames(self):
        """Returns when translation lets the device reach memory, in either kernel."""
        iommu = IOMMUS[self.scenario.iommu]
        tail = qemulog.Tail(self.machine.log_path)
        self.machine.hold_frames()
        self._start_jump()
        deadline = time.monotonic() + self._timeout("boot")
        while not any(lets_pass(iommu, event) for event in tail.events()):
            if time.monotonic() > deadline or not self.machine.alive():
                raise run.RunFailed("translation keeps the device from memory")
            time.sleep(0.001)
        tail.close()
        self.machine.send_frames()

    def _course(self):
        self._boot()
        self._programs("old", self.scenario.old_runs)
        if not self.scenario.next_runs:
            return
        if self.scenario.scribble:
            self.machine.scribble()
        if self.scenario.holds_disk:
            self._hold_disk()
        if self.scenario.holds_frames:
            self._jump_without_frames()
        else:
            self._start_jump()
        self._wait_for_vmm("next")
        if self.scenario.holds_disk:
            self.machine.limit_disk(self.scenario.iops)
        self._patch(self.scenario.next_patch)
        self._programs("next", self.scenario.next_runs)

# SPDX-License-Identifier: GPL-2.0-only
"""A run in which programs of the guest do everything themselves."""

from course import run


class Programs(run.Run):
    def _course(self):
        self._boot()
        self._programs("old", self.scenario.old_runs)
        if not self.scenario.next_runs:
            return
        if self.scenario.scribble:
            self.machine.scribble()
        self._start_jump()
        self._wait_for_vmm("next")
        self._patch(self.scenario.next_patch)
        self._programs("next", self.scenario.next_runs)

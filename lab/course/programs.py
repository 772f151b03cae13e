# SPDX-License-Identifier: GPL-2.0-only
"""A run in which programs of the guest do everything themselves."""

from course import run


class Programs(run.Run):
    def _course(self):
        self._boot()
        for line in self.scenario.old_runs:
            self._extra("old", f"shell {line}")
        if not self.scenario.next_runs:
            return
        if self.scenario.scribble:
            self.machine.scribble()
        self._start_jump()
        self._wait_for_vmm("next")
        self._patch(self.scenario.next_patch)
        for line in self.scenario.next_runs:
            self._extra("next", f"shell {line}")

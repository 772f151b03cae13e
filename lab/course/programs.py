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
        self._start_jump()
        self._wait_for_vmm("next")
        for line in self.scenario.next_runs:
            self._extra("next", f"shell {line}")

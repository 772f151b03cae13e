# SPDX-License-Identifier: GPL-2.0-only
"""Live updates in a row of a guest and its device: the programs of the next kernel are run in
each, and at the end those which tell what has become of the guest."""

import time

from course import chain
from course import programs


class GuestChain(programs.Programs):
    next_initrd = "/sys/firmware/initrd"

    def _update(self):
        self._start_jump()
        self._wait_for_vmm("next")
        self._run("next", self.scenario.next_runs)
        self.result.windows[-1].end = time.time()
        self.result.chain.append(chain.memory(self._shell))

    def _course(self):
        self._boot()
        self._run("old", self.scenario.old_runs)
        for _ in range(self.scenario.length):
            self._update()
        self._run("next", self.scenario.end_runs)

# SPDX-License-Identifier: GPL-2.0-only
"""A live update in a storm: rings at any time, at any pace, from before the device is
preserved until after FINISH, while the machine is held up at every step.

The seed determines the machine, when each vector is rung, and how long each
step takes.
"""

import random
import threading
import time

from course import run
from course import update
from machine import patching
from machine.devices import DEVICES

# CPUs of the old and the next kernel
CPUS = ((1, 2), (2, 1), (2, 4), (4, 2), (1, 4), (4, 1), (2, 2), (4, 3))
MODES = ("x2apic", "xapic")
VECTORS = (4, 16)

# Phases of a storm, in each of which some vectors are rung for the last time
ARMED, PRESERVED, JUMPING, DOWN, ADOPTING, ADOPTED, FINISHED = range(7)
SILENT = ARMED - 1

# What a storm may do next, and how likely that is
PACED, BURST, ALL, LULL = range(4)
WEIGHTS = (80, 4, 8, 8)
PACE = 0.004
BURST_RINGS = 60
LULL_MAX = 0.03

# Where the machine is held up: functions of the kernels, in the order in which they run
STEPS = ("irq_liveupdate_freeze", "irq_lu_shutdown", "irq_lu_ser_seal_root", "machine_kexec",
         "irq_liveupdate_take_over", "irq_liveupdate_match", "__irq_liveupdate_irq",
         "irq_liveupdate_finish")
HOLD_UP_MAX = 0.05

PAUSE_MAX = 0.1
TAIL_MAX = 0.3
QUIET = 0.2


def vary(scenario):
    """The scenario on the machine of its seed."""
    seed = scenario.seed
    vectors = random.Random(f"vectors {seed}").randint(*VECTORS)
    if DEVICES[scenario.device].function:
        vectors = scenario.vectors
    return scenario.with_changes(vectors=vectors, mode=MODES[seed % len(MODES)],
                                 cpus=CPUS[seed // len(MODES) % len(CPUS)])


class Ringer(threading.Thread):
    """Rings until it is told to stop. Once a phase has begun, vectors whose last phase was before
    it are no longer rung."""

    def __init__(self, doorbell, seed, vectors):
        super().__init__(daemon=True)
        self._doorbell = doorbell
        self._random = random.Random(f"rings {seed}")
        self._last = self._last_phases(vectors)
        self._stopped = False
        self._error = None
        self._lock = threading.Lock()    # protects what follows
        self._phase = ARMED

    def _last_phases(self, vectors):
        """For each vector the last phase in which it is rung: one never is, one always, and the
        last ring of another one is in the blackout."""
        order = self._random.sample(vectors, len(vectors))
        last = {vector: self._random.randint(SILENT, FINISHED) for vector in order}
        return last | {order[0]: SILENT, order[1]: FINISHED, order[2]: DOWN}

    def last_rung_in(self, *phases):
        return [vector for vector, last in self._last.items() if last in phases]

    def enter(self, phase):
        with self._lock:
            self._phase = phase

    def _act(self, vectors):
        """Do one thing. Returns how long to pause after it."""
        what = self._random.choices((PACED, BURST, ALL, LULL), WEIGHTS)[0]
        if what == LULL:
            return self._random.uniform(0, LULL_MAX)
        rung = vectors if what == ALL else [self._random.choice(vectors)]
        count = self._random.randint(2, BURST_RINGS) if what == BURST else 1
        for vector in rung * count:
            self._doorbell.ring(vector)
        return self._random.uniform(0, PACE)

    def _ring(self):
        while not self._stopped:
            with self._lock:
                pause = self._act([v for v, last in self._last.items() if last >= self._phase])
            time.sleep(pause)

    def run(self):
        try:
            self._ring()
        except Exception as error:  # pylint: disable=broad-exception-caught
            self._error = error

    def stop(self):
        self._stopped = True
        self.join()

    def end(self):
        """Stop. It fails if it had ended by itself."""
        self.stop()
        if self._error:
            raise run.RunFailed(f"the rings have ended: {self._error!r}")


class HoldUps(threading.Thread):
    """Stops the machine for a while at every step, while the rings continue.

    At the last one the scenario's patch of the next kernel is applied.
    """

    def __init__(self, stub, symbols, scenario, timeout):
        super().__init__(daemon=True)
        self._stub = stub
        self._symbols = symbols
        self._patch = scenario.next_patch
        self._steps = [symbols.address(step) for step in STEPS]
        self._random = random.Random(f"hold-ups {scenario.seed}")
        self._timeout = timeout
        self._error = None
        stub.start_until(self._steps[0])

    def run(self):
        try:
            with self._stub as stub:
                self._hold_up(stub)
        except Exception as error:  # pylint: disable=broad-exception-caught
            self._error = error

    def _hold_up(self, stub):
        stub.wait(self._steps[0], self._timeout)
        for step in self._steps[1:]:
            time.sleep(self._random.uniform(0, HOLD_UP_MAX))
            stub.start_until(step)
            stub.wait(step, self._timeout)
        time.sleep(self._random.uniform(0, HOLD_UP_MAX))
        patching.apply_all(stub, self._symbols, self._patch)

    def end(self):
        """Wait until the last step is over."""
        self.join(self._timeout)
        if self._error or self.is_alive():
            raise run.RunFailed(f"a step was not reached: {self._error!r}")


class Storm(update.Update):
    def __init__(self, scenario, machine, build):
        super().__init__(scenario, machine, build)
        self._random = random.Random(f"course {scenario.seed}")
        self._ringer = None
        self._hold_ups = None
        self._before_finish = {}

    def _pause(self, longest=PAUSE_MAX):
        time.sleep(self._random.uniform(0, longest))

    def _names(self):
        return super()._names() | {"silent": self._ringer.last_rung_in(SILENT)[0]}

    def _enter(self, phase):
        self._ringer.enter(phase)
        self._pause()

    def _arm_at_random(self):
        """Arm the vectors in any order, one or some at a time."""
        start, ranges = 0, []
        while start < len(self.numbers):
            count = self._random.randint(1, len(self.numbers) - start)
            ranges.append((start, count))
            start += count
        for first, count in self._random.sample(ranges, len(ranges)):
            self._command(f"arm {first} {count}")
            self._pause(PAUSE_MAX / len(ranges))

    def _old_kernel(self):
        self._boot()
        self._command("counters")
        self._command("open")
        self._bind(False)
        self._take_entries()
        self._arm_at_random()
        self._ringer = Ringer(self.machine.doorbell, self.scenario.seed, self.numbers)
        self._ringer.start()
        self._pause(TAIL_MAX)
        self._command("preserve device")
        self._enter(PRESERVED)
        self._look("old")

    def _start_kexec(self):
        self._hold_ups = HoldUps(self.machine.stub(), self.symbols, self.scenario,
                                 self._timeout("boot"))
        self._hold_ups.start()
        self._ringer.enter(JUMPING)
        super()._start_kexec()

    def _jump(self):
        self._start_jump()
        self._ringer.enter(DOWN)

    def _next_kernel(self):
        self._wait_for_vmm("next")
        self._hook("next_ready")
        self._pause()
        self._retrieve()
        self._bind(False)
        self._look_for_pending()
        self.result.windows[-1].rearm = time.time()
        self._enter(ADOPTING)
        self._arm_at_random()
        self._enter(ADOPTED)
        self._look("new")
        self._finish_in_storm()
        self._ringer.end()
        # A ring that is never seen is lost, and fails the storm.
        self._wait_for_rings(self.numbers, self._timeout("block"))
        self._take_final_counts()

    def _counts_of(self, vectors):
        counts = self._command("counts")["counts"]
        return {vector: counts[vector] for vector in vectors}

    def _wait_for_rings(self, vectors, timeout):
        """Wait until the owner was signalled after the last ring of each, or never will be."""
        deadline = time.monotonic() + timeout
        rings = self.machine.doorbell.rings
        while time.monotonic() < deadline:
            seen = self._command("counts")["seen"]
            if all(seen[vector] == rings[vector] for vector in vectors):
                return

    def _wait_for_quiet(self, vectors):
        """The counts of the vectors that are no longer rung, once they have stopped rising. Before
        FINISH, the owner may wait for the synthetic interrupt to find a ring."""
        self._wait_for_rings(vectors, update.ROUND_TIMEOUT * self.slowness)
        return self._until_settled(lambda: self._counts_of(vectors), QUIET)

    def _finish_in_storm(self):
        """Vectors that are quiet by now get the synthetic interrupt and nothing else."""
        self._ringer.enter(FINISHED)
        quiet = self._ringer.last_rung_in(*range(FINISHED))
        self._before_finish = self._wait_for_quiet(quiet)
        self._look_for_late()
        for vector in self.result.vectors:
            vector.late *= vector.number in quiet
        self._finish()
        self._hold_ups.end()
        self._pause(TAIL_MAX)

    def _take_final_counts(self):
        super()._take_final_counts()
        counted = {vector.number: vector.counted for vector in self.result.vectors}
        self.result.never = {n: counted[n] for n in self._ringer.last_rung_in(SILENT)}
        self.result.quiet = {n: counted[n] - self._before_finish[n]
                             for n in self._ringer.last_rung_in(*range(FINISHED))}

    def _course(self):
        try:
            self._old_kernel()
            self._jump()
            self._next_kernel()
        finally:
            if self._ringer:
                self._ringer.stop()

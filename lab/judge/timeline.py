# SPDX-License-Identifier: GPL-2.0-only
"""Where the time of a guest's pause goes. The VMM measures its own steps. The step between two of
them, "boot", is divided by messages that the two kernels print meanwhile: QEMU's trace has them
with their times."""

from judge import virtual_machine
from machine import qemulog

BOOT, ARM = "boot", "arm"

# The message that ends each step of the kernels
ENDS = {"freeze": "irq_liveupdate: freeze begins with ", "jump": "Linux version",
        "early boot": "interrupt remapping entries", "kernel": "Run /init"}
BLOCK, LAST = "block", "first process"
# The steps that divide the boot
WITHIN_BOOT = {*ENDS, BLOCK, LAST}
# Steps in which most of what runs is the code of interrupt live update. Its other steps, take-over
# and match, are part of "kernel"; "make bench" measures them separately.
OURS = ("freeze", BLOCK, "retrieve", ARM, "finish")


def _armed(seen):
    """When the device's vectors were unmasked, or None."""
    return next((event.time for event in seen.window("msix_write_config")
                 if event.text == f"dev {seen.model} enabled 1 masked 0"), None)


def _blocked(seen):
    release = qemulog.Release(seen.model)
    return next((event.time for event in seen.events
                 if event.time >= seen.start and release.seen_in(event)), None)


def kernels_steps(path, seen):
    """(name, end) of the steps of the kernels; none if one of them is missing."""
    steps = list(zip(ENDS, qemulog.console_times(path, ENDS.values(), seen.start)))
    steps.insert(1, (BLOCK, _blocked(seen)))
    return steps if all(time for _, time in steps) else []


def ours(steps):
    """(milliseconds, share of the pause) of our steps; None if the boot is not divided."""
    found = [ms for name, ms in steps if name in OURS]
    if len(found) < len(OURS):
        return None
    return sum(found), sum(found) / sum(ms for _, ms in steps)


def of(report, path, seen):
    """(step, milliseconds) of the pause, in order. None if the guest was booted again."""
    pause, armed = report.get("pause", []), _armed(seen)
    ends = dict(pause)
    if not armed or ARM not in ends:
        return virtual_machine.steps_ms(report)
    steps = [(name, end / report["tsc_khz"]) for name, end in pause]
    # The same moment on the guest's clock and on the clock of the trace
    offset = ends[ARM] / report["tsc_khz"] - armed * 1000
    between = [(name, time * 1000 + offset) for name, time in kernels_steps(path, seen)]
    at = next(n for n, (name, _) in enumerate(steps) if name == BOOT)
    if between:
        steps[at:at + 1] = between + [(LAST, steps[at][1])]
    return [(name, end - begin) for (_, begin), (name, end) in zip(steps, steps[1:])]

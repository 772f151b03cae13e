# SPDX-License-Identifier: GPL-2.0-only
"""The result of a run. A course fills in what happened, judge/ what that means."""

from dataclasses import dataclass, field

# The last kernel of a run prints this when all is done
SIGN_OFF = "lab: end of the run"


@dataclass
class Vector:
    """What happened to one vector; identities as the VMM reports them.

    late: before FINISH, rings after the last one that its owner had found when it looked
    counted, seen: at the end, how often its owner was signalled in total, and the last ring that it
        had found when it looked
    """

    number: int
    old: dict = None
    new: dict = None
    before: int = 0
    rung: int = 0
    latched: int = 0
    delivered: int = 0
    adopted: int = 0
    synthetic: int = 0
    after: int = 0
    late: int = 0
    counted: int = 0
    seen: int = 0

    def lost(self):
        """Whether no interrupt at all told the owner of its ring in the blackout."""
        return self.rung > 0 and not self.delivered and not self.synthetic


@dataclass
class Window:
    """One live update in time.

    start: when the old kernel began to shut down
    rearm: when the next kernel's VMM armed the vectors; none: it never did
    end: when the last thing that counts happened
    """

    start: float
    rearm: float = None
    end: float = None


@dataclass
class Result:
    """What happened:

    release: that of the kernel
    online: how many CPUs the last kernel has online
    log, stderr: what QEMU has written: the path of its trace, and its warnings
    answered: the log was written up to this instant, at least
    windows: of the live updates
    bound: what the VMM reports of the device
    rings: by vector, how often the lab has rung it
    repeats, waits: what the lab had to do again to ring, see machine/register_doorbell.py
    trace: of the next kernel
    chain: per live update what was measured, name to number
    quiet: in a storm, for each vector which was no longer rung, how often it was signalled across
        FINISH; never: for each vector which was never rung, how often it was signalled in total
    extras: answers to the scenario's own commands
    retrieved: whether the device was given back
    role: which kernel has booted after a crash
    error: why the run ended early
    cpu_seconds: CPU time of the host that QEMU took

    What it means:

    judged: for each rule its Verdict, see judge/verdict.py
    accounts: for each vector what became of its rings, if it has kept its identity
    complaints: lines of the console that must not be there
    said: lines of the console in which the kernel reports what it refuses, or other errors
    blind: why log or console cannot serve as evidence
    flight: the I/Os in flight at the jump, if the scenario is about them
    guest: what the guest of a virtual machine reports, see judge/virtual_machine.py
    linux: the same of a guest with Linux, see judge/linux_guest.py
    timeline: (step, milliseconds) of the last pause of a guest, see judge/timeline.py
    late_calls: calls of the watched function after the block
    attempts: how often the scenario was run, to hit a race
    seconds: how long all attempts took, including the judging
    """

    scenario: object
    vectors: list
    release: str = ""
    online: int = 0
    log: str = ""
    stderr: str = ""
    answered: float = 0.0
    windows: list = field(default_factory=list)
    bound: dict = field(default_factory=dict)
    rings: list = field(default_factory=list)
    repeats: list = field(default_factory=list)
    waits: int = 0
    trace: str = ""
    chain: list = field(default_factory=list)
    quiet: dict = field(default_factory=dict)
    never: dict = field(default_factory=dict)
    extras: list = field(default_factory=list)
    retrieved: bool = False
    role: str = ""
    error: str = ""
    cpu_seconds: float = 0.0
    console: str = ""

    judged: dict = field(default_factory=dict)
    accounts: list = field(default_factory=list)
    complaints: list = field(default_factory=list)
    said: list = field(default_factory=list)
    blind: list = field(default_factory=list)
    flight: object = None
    guest: dict = None
    linux: dict = None
    timeline: list = field(default_factory=list)
    late_calls: int = 0
    attempts: int = 1
    seconds: float = 0.0

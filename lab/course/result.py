# SPDX-License-Identifier: GPL-2.0-only
"""What a run has shown, before it is held against anything."""

from dataclasses import dataclass, field


@dataclass
class Vector:
    """What happened to one vector; identities as the VMM reports them.

    late: before FINISH, rings after the last one that was there when its owner looked
    counted, seen: in the end, how often its owner was signalled in all, and the last
        ring that was there when it looked
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


@dataclass
class Result:
    """What a run has shown.

    release: of the kernel
    judged: per judge of the trace what it found wrong
    accounts: per vector what became of its rings, if it has kept its identity
    chain: per live update what was measured, name to number
    complaints: lines of the consoles that must not be there
    extras: answers to the scenario's own commands
    retrieved: whether the device was given back
    role: which kernel has booted after a crash
    flight: the I/Os in flight at the jump, if the scenario is about them
    late_calls: calls of the watched function after the block
    error: why the run ended early
    """

    scenario: object
    vectors: list
    release: str = ""
    judged: dict = field(default_factory=dict)
    chain: list = field(default_factory=list)
    accounts: list = field(default_factory=list)
    complaints: list = field(default_factory=list)
    extras: list = field(default_factory=list)
    retrieved: bool = False
    role: str = ""
    flight: object = None
    late_calls: int = 0
    error: str = ""
    seconds: float = 0.0
    console: str = ""

# SPDX-License-Identifier: GPL-2.0-only
"""The table of old and next kernels says of each pair what became of the device."""

from course.result import Result, Vector
from judge.live_device import Flight
from report import tables
from scenarios.scenario import Scenario

SAME = {"irq": 24, "address": 1, "data": 2, "irte": 3}
REFUSED = "irq_liveupdate: interrupts not taken over: unknown format"


def row(outcome=None, ok=True, vectors=(), said=(), **fields):
    """A line of the table, in cells."""
    scenario = Scenario(name="pair", title="", across=True, **fields)
    if outcome is None:
        outcome = Result(scenario, list(vectors), said=list(said)), ok
    line = tables.across([(scenario, ("7.2.12-lab", "7.3.4-lab"), outcome)])[1]
    return [cell for cell in line.split("  ") if cell]


def test_vectors():
    kept = Vector(0, old=SAME, new=SAME)
    other = Vector(1, old=SAME, new=SAME | {"irq": 25})
    assert row(vectors=[kept, other], append=("", "no5lvl")) == [
        "pair", "7.2.12-lab", "7.3.4-lab no5lvl", "ok", "handed over, 1 of 2 vectors"]


def test_ios_in_flight():
    result = Result(Scenario(name="pair", title=""), [], flight=Flight({1: 40, 2: 24}, 63))
    assert row((result, False), expect="in-flight")[3:] == [
        "FAIL", "handed over, 63 of 64 I/Os in flight complete"]


def test_refusal_and_cold_start():
    assert row(said=[REFUSED], expect="refused")[3:] == ["ok", REFUSED]
    assert row(expect="cold")[3:] == ["ok", "cold start"]


def test_guest():
    assert row(expect="guest-handed-over")[3:] == ["ok", "handed over, with a guest"]


def test_sabotage():
    assert row(breaks=("flush",))[3:] == ["ok", "broken on purpose: flush"]


def test_kernel_which_is_not_there():
    assert row("build-7.2/bzImage")[3:] == ["skip", "needs build-7.2/bzImage"]

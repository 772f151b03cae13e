# SPDX-License-Identifier: GPL-2.0-only
"""How the report of the guest of a virtual machine is judged."""

import copy
import json

import pytest

from judge import virtual_machine

QUEUE = {"interrupts": 20, "completed": 40, "verified": 20, "wrong": 0, "outstanding": 0,
         "moved": 5, "paused": {"completed": 10, "outstanding": 24, "moved": 2}}
CPU = {"ticks": 900, "altered": 0, "gaps": [[100, 300], [1000, 4000]]}
REPORT = {"tsc_khz": 10, "updates": 1,
          "pause": [["update", 1200], ["stop", 1300], ["finish", 3900]],
          "cpus": [CPU, CPU],
          "queues": [QUEUE | {"paused": {"completed": 5, "outstanding": 0, "moved": 0}},
                     QUEUE, QUEUE]}


def changed(**changes):
    """Of the last queue, or of the last CPU"""
    report = copy.deepcopy(REPORT)
    for name, value in changes.items():
        part = "cpus" if name in CPU else "queues"
        report[part][-1][name] = value
    return report


def broken(report):
    found = virtual_machine.judge(report, True)
    return {name for name, verdict in found.items() if verdict.broken()}


def blind(report):
    found = virtual_machine.judge(report, True)
    return {name for name, verdict in found.items() if verdict.blind()}


def test_all_is_well():
    assert broken(REPORT) == blind(REPORT) == set()


@pytest.mark.parametrize("rule,changes", (
    ("guest-data", {"wrong": 1}),
    ("guest-lost", {"outstanding": 1}),
    ("guest-spurious", {"interrupts": 42}),
    ("guest-registers", {"altered": 1}),
    ("guest-clock", {"gaps": [[4000, 1000]]}),
    ("guest-clock", {"gaps": [[1400, 4000]]}),
    ("guest-clock", {"gaps": [[1000, 3800]]}),
    ("guest-clock", {"gaps": []}),
))
def test_broken(rule, changes):
    assert broken(changed(**changes)) == {rule}


def test_update_gives_each_vector_one_interrupt():
    assert broken(changed(interrupts=41)) == set()
    assert broken(changed(interrupts=41) | {"updates": 0}) == {"guest-spurious"}
    assert broken(changed(interrupts=49) | {"updates": 10}) == set()
    assert broken(changed(interrupts=51) | {"updates": 10}) == {"guest-spurious"}


def test_cpu_runs_until_it_is_stopped():
    assert broken(changed(gaps=[[1250, 4000]])) == set()


def test_nothing_was_done():
    assert blind(changed(interrupts=0, completed=0)) == {"guest-lost", "guest-spurious"}
    assert blind(changed(ticks=0)) == {"guest-registers", "guest-clock"}
    idle = copy.deepcopy(REPORT)
    for queue in idle["queues"]:
        queue["verified"] = 0
    assert blind(idle) == {"guest-data"}


def test_without_a_pause():
    report = copy.deepcopy(REPORT)
    del report["pause"]
    words = [virtual_machine.judge(report, updated)["guest-clock"].word()
             for updated in (False, True)]
    assert words == ["not judged", "broken"]


def test_last_report_counts():
    line = virtual_machine.LINE
    outputs = ("", f"TAP\n{line}{{}}\nok 1", f"{line}{json.dumps(REPORT)}\n")
    assert virtual_machine.of([{"output": output} for output in outputs]) == REPORT
    assert virtual_machine.of([{}]) is None


def test_numbers():
    assert virtual_machine.longest_gap_ms(REPORT) == 300
    assert virtual_machine.in_flight(REPORT) == 48
    assert virtual_machine.verified(REPORT) == 40
    assert virtual_machine.steps_ms(REPORT) == [("stop", 10), ("finish", 260)]
    assert virtual_machine.moved_when_prepared(REPORT) == {1: 2, 2: 2}

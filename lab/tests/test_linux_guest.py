# SPDX-License-Identifier: GPL-2.0-only
"""How the console of a guest with Linux is judged."""

import copy
import json

import pytest

from judge import linux_guest

REPORT = {"tsc_khz": 10, "updates": 1,
          "pause": [["update", 1200], ["stop", 1300], ["finish", 3900]],
          "paused": 3,
          "console": ["[    0.000000] Linux version 7.3.4-guest",
                      "[    2.100000] nvme nvme0: 2/0/0 default/read/poll queues",
                      "[    3.000000] guest: CPU 0 verified round 1",
                      "[    3.100000] guest: CPU 1 verified round 1",
                      "[    9.000000] guest: CPU 1 verified round 2",
                      "[    9.100000] guest: CPU 0 verified round 2"]}


def with_line(line):
    report = copy.deepcopy(REPORT)
    report["console"].append(line)
    return report


def broken(report):
    return {name for name, verdict in linux_guest.judge(report).items() if verdict.broken()}


def test_all_is_well():
    assert broken(REPORT) == set()
    assert linux_guest.rounds(REPORT) == {0: 1, 1: 2}


@pytest.mark.parametrize("line", (
    "[   40.0] nvme nvme0: I/O tag 1 (1001) opcode 0x1 (I/O Cmd) QID 1 timeout, aborting req_op:1",
    "[   40.0] nvme nvme0: I/O tag 3 (0003) QID 2 timeout, completion polled",
    "[   40.0] nvme nvme0: controller is down; will reset: CSTS=0xffffffff, PCI_STATUS=0xffff",
    "[   40.0] I/O error, dev nvme0n1, sector 2 op 0x1:(WRITE)",
    "[   40.0] EXT2-fs (nvme0n1): error: ext2_lookup: deleted inode referenced: 12",
    "[   40.0] clocksource: Marking clocksource 'tsc' as unstable because the skew is too large",
    "[   40.0] watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [sh:42]",
    "[   40.0] INFO: task sync:57 blocked for more than 10 seconds.",
))
def test_complaint(line):
    assert broken(with_line(line)) == {"linux-log"}


@pytest.mark.parametrize("line", (
    "[   10.0] guest: CPU 1 read something else in round 3",
    "[   10.0] guest: no file system",
))
def test_wrong_data(line):
    assert broken(with_line(line)) == {"linux-io"}


def test_cpu_that_hangs():
    report = copy.deepcopy(REPORT)
    report["console"].pop()
    report["console"].pop()
    assert broken(report) == {"linux-io"}


def test_nothing_was_printed():
    verdicts = linux_guest.judge(REPORT | {"console": []})
    assert verdicts["linux-log"].blind()
    assert verdicts["linux-io"].broken()


def test_last_report_counts():
    lines = [f"{linux_guest.CONSOLE}{line}" for line in REPORT["console"]]
    times = {key: REPORT[key] for key in ("tsc_khz", "updates", "pause", "paused")}
    output = "\n".join([f"{linux_guest.LINE}{json.dumps(times)}", *lines, "ok 1"])
    assert linux_guest.of([{}, {"output": f"{linux_guest.LINE}{{}}\n"},
                           {"output": output}]) == REPORT
    assert linux_guest.of([{}]) is None

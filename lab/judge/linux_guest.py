# SPDX-License-Identifier: GPL-2.0-only
"""Judges the console of a guest with Linux, which the VMM prints at the end: see
lab/guest/vm/linux_guest.c and lab/guest/guest_init.

Its kernel must not have noticed the update. Half a minute after an interrupt was lost, its NVMe
driver would complain. Nobody waits that long: the loop of that CPU completes no further round.
"""

import json
import re

from judge import console
from judge.verdict import Verdict

LINE = "# linux: "
CONSOLE = "# console: "
CPUS = 2

ROUND = re.compile(r"guest: CPU (\d+) verified round")
WRONG = re.compile(r"guest: (CPU \d+ read something else|no file system)")

# How the drivers of disk, file system and clocks report what has gone wrong
COMPLAINTS = re.compile(r"time[d-]?\s?out|\breset\b|\bpolled\b|\babort|I/O error|EXT2-fs.*error|"
                        r"\bunstable\b|\blockup\b|\bstall", re.IGNORECASE)


def of(extras):
    """The last report in what the programs of a run have printed, or None."""
    reports = []
    for line in (line for extra in extras for line in extra.get("output", "").splitlines()):
        if line.startswith(LINE):
            reports.append(json.loads(line[len(LINE):]) | {"console": []})
        elif reports and line.startswith(CONSOLE):
            reports[-1]["console"].append(line[len(CONSOLE):])
    return reports[-1] if reports else None


def rounds(report):
    """For each CPU, how often it has verified a file since the pause, or ever if there was none."""
    found = [ROUND.search(line) for line in report["console"][report.get("paused", 0):]]
    cpus = [int(match[1]) for match in found if match]
    return {cpu: cpus.count(cpu) for cpu in range(CPUS)}


def io(report):
    """All files contain what was written to them, and each CPU continues."""
    wrong = [line for line in report["console"] if WRONG.search(line)]
    wrong += [f"CPU {cpu} has verified nothing more" for cpu, n in rounds(report).items() if not n]
    return Verdict(wrong, len(report["console"]))


def log(report):
    """Nobody complains."""
    wrong = console.complaints("\n".join(report["console"]))
    wrong += [line for line in report["console"] if COMPLAINTS.search(line)]
    return Verdict(wrong, len(report["console"]))


RULES = {"linux-io": io, "linux-log": log}


def judge(report):
    return {name: rule(report) for name, rule in RULES.items()}

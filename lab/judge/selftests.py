# SPDX-License-Identifier: GPL-2.0-only
"""The results of the kselftests that a run has started in the guest."""

import re
from dataclasses import dataclass

from report import ktap

# Names of programs: the selftests are named after their folder, and live_vm counts only where it is
# started with an option, not where it gets a signal; the plan; the last line
NAME = re.compile(r"\b(?:irq_liveupdate_\w+|live_vm(?= -))\b")
PLAN = re.compile(r"1\.\.(\d+)")
ENDED = "# Totals: "


@dataclass
class Outcome:
    """Of one program: what is wrong with its results, why it skipped cases, and the number of
    results."""

    wrong: list
    skipped: list
    count: int


def _outcome(name, output):
    lines = output.splitlines()
    results = ktap.parse(lines)
    wrong = [f"{name}: {one.name} {one.why}" for one in results if one.status == ktap.FAIL]
    # A stage that only prepares for the next kernel has no plan.
    planned = sum(int(match[1]) for match in map(PLAN.match, lines) if match)
    if planned != len(results) or not any(line.startswith(ENDED) for line in lines):
        wrong.append(f"{name}: {len(results)} results, plan {planned}")
    return Outcome(wrong, [one.why or one.name for one in results if one.status == ktap.SKIP],
                   len(results))


def of(extras):
    """An Outcome for each command that starts a selftest. The exit status is not a result."""
    return [_outcome(name[0], extra["output"]) for extra in extras
            if (name := NAME.search(extra["command"]))]

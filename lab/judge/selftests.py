# SPDX-License-Identifier: GPL-2.0-only
"""The results of the kselftests that a run has started in the guest."""

import re
from dataclasses import dataclass

from report import ktap

# Names of programs: the selftests are named after their folder, and live_vm counts only where it is
# started with an option, not where it gets a signal; upstream's are started by their path; the
# plan; the last line
NAME = re.compile(r"\b(?:irq_liveupdate_\w+|live_vm(?= -)|(?<=/kselftest/iommu/)\w+)\b")
PLAN = re.compile(r"1\.\.(\d+)")
ENDED = "# Totals: "


@dataclass
class Outcome:
    """Of one program: its name, what is wrong with its output, and its results."""

    name: str
    wrong: list
    results: list

    @property
    def skipped(self):
        """The reasons."""
        return [one.why or one.name for one in self.results if one.status == ktap.SKIP]

    @property
    def failed(self):
        """Map from the name of a case to the reason."""
        return {one.name: one.why for one in self.results if one.status == ktap.FAIL}


def _outcome(name, output):
    lines = output.splitlines()
    results, wrong = ktap.parse(lines), []
    # A stage that only prepares for the next kernel has no plan.
    planned = sum(int(match[1]) for match in map(PLAN.match, lines) if match)
    if planned != len(results) or not any(line.startswith(ENDED) for line in lines):
        wrong.append(f"{name}: {len(results)} results, plan {planned}")
    return Outcome(name, wrong, results)


def of(extras):
    """An Outcome for each command that starts a selftest. The exit status is not a result."""
    return [_outcome(name[0], extra["output"]) for extra in extras
            if (name := NAME.search(extra["command"]))]


def _statuses(extras, leg):
    """The statuses of the cases in one of the two kernels, by name."""
    return {case.name: case.status
            for outcome in of(extra for extra in extras if extra["at"] == leg)
            for case in outcome.results}


def differences(extras):
    """The names of cases with different results in the two kernels, or a result in one only."""
    old, following = _statuses(extras, "old"), _statuses(extras, "next")
    return sorted(name for name in old.keys() | following.keys()
                  if old.get(name) != following.get(name))

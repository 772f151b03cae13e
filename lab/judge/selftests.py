# SPDX-License-Identifier: GPL-2.0-only
"""The results of the kselftests that a run has started in the guest."""

import re
from collections import Counter
from dataclasses import dataclass

from report import ktap

# Names of programs: the selftests are named after their folder, and live_vm counts only where it is
# started with an option, not where it gets a signal; upstream's are started by their path
NAME = re.compile(r"\b(?:irq_liveupdate_\w+|live_vm(?= -)|(?<=/kselftest/iommu/)\w+)\b")
NO_CASE = re.compile(r"1\.\.0 # SKIP (.*)")

# The last line of a program, with how many cases had each outcome
ENDED = "# Totals: "
TOTAL = re.compile(r"(\w+):(\d+)")

# This script starts several programs. It names each, prints its output as comments, then its
# result.
SCRIPT = "run_kselftest.sh"
STARTED = re.compile(r"# selftests: \w+: (\w+)$")
COMMENT = "# "


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


def _totals(lines):
    """What the programs themselves have counted: passed, failed, skipped; None if they have not
    ended."""
    counted = Counter()
    ends = [line for line in lines if line.startswith(ENDED)]
    for line in ends:
        counted.update({what: int(number) for what, number in TOTAL.findall(line)})
    return (counted["pass"] + counted["xfail"] + counted["xpass"],
            counted["fail"] + counted["error"], counted["skip"]) if ends else None


def _outcome(name, output):
    lines = output.splitlines()
    for match in filter(None, map(NO_CASE.match, lines)):
        return Outcome(name, [], [ktap.Result(name, ktap.SKIP, match[1])])
    results, wrong = ktap.parse(lines), []
    # A stage that only prepares for the next kernel has no plan.
    planned = sum(int(match[1]) for match in map(ktap.PLAN.match, lines) if match)
    totals = _totals(lines)
    if planned != len(results) or not totals:
        wrong.append(f"{name}: {len(results)} results, plan {planned}")
    elif totals != ktap.counts(results):
        wrong.append(f"{name}: passed, failed, skipped: {ktap.counts(results)}, "
                     f"by its own account {totals}")
    return Outcome(name, wrong, results)


def _programs(output):
    """(name, output) of each program in the output of the script."""
    name, lines = None, []
    for line in output.splitlines():
        started = STARTED.match(line)
        if started:
            name, lines = started[1], []
        elif line.startswith(COMMENT):
            lines.append(line.removeprefix(COMMENT))
        elif name:
            yield name, "\n".join(lines)
            name = None


def _outcomes_of_script(output):
    """Of the script itself and of its programs, which say why they skip something."""
    script, programs = _outcome(SCRIPT, output), list(_programs(output))
    if len(programs) != len(script.results):
        script.wrong.append(f"{SCRIPT}: {len(programs)} programs, {len(script.results)} results")
    script.results = [one for one in script.results if one.status != ktap.SKIP]
    return [script, *(_outcome(*program) for program in programs)]


def _outcomes(extra):
    if SCRIPT in extra["command"]:
        return _outcomes_of_script(extra["output"])
    name = NAME.search(extra["command"])
    return [_outcome(name[0], extra["output"])] if name else []


def of(extras):
    """An Outcome for each selftest that a command starts. The exit status is not a result."""
    return [outcome for extra in extras for outcome in _outcomes(extra)]


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

# SPDX-License-Identifier: GPL-2.0-only
"""Compares a run's result with what its scenario expects, which is an outcome, or that judges
notice what it breaks, and with what holds for every run."""

import re

from judge import irqlu
from judge import selftests
from judge.checks import Check, all_of
from judge.outcomes import EXPECTED


def _no_late_change(result):
    """Whether the scenario has to hit a race, and nobody has changed an entry after the block."""
    return result.scenario.watch_late_changes and not result.late_calls


def _sabotaged(result):
    """The judges of the broken rules noticed, and no others; all others had evidence."""
    noticed = {name for name, verdict in result.judged.items() if verdict.broken()}
    blind = {name for name, verdict in result.judged.items() if verdict.blind()}
    broken = set(result.scenario.breaks)
    return [all_of("sabotage: noticed by the judges of the broken rules", sorted(broken - noticed),
                 race=_no_late_change(result)),
            all_of("sabotage: noticed by no other judge", sorted(noticed - broken)),
            all_of("sabotage: no other judge is blind", sorted(blind - broken))]


# For any outcome

def _log(result):
    return all_of("the logs are whole, and QEMU knows all events", result.blind)


def _console(result):
    return all_of("console: no complaint", result.complaints)


def _said(result):
    """Our error lines, which say what is refused and why: those of the scenario and no others. If a
    race was missed, its consequences are not logged."""
    patterns = [re.compile(pattern) for pattern in result.scenario.errors]
    wanted = list(result.scenario.says)
    said = [line for line in result.said if not any(p.search(line) for p in patterns)]
    missing = [p.pattern for p in patterns if not any(map(p.search, result.said))]
    missing += [line for line in wanted if line not in said]
    wrong = [line for line in said if line not in wanted]
    if not wrong and not missing and said != wanted:
        wrong = ["not in this order, or not as often"]
    return all_of("console: what is refused, and why", wrong + [f"not said: {m}" for m in missing],
                  race=_no_late_change(result) and not wrong)


def _selftests(result):
    """The programs skip and fail what the scenario says, all of it and nothing else. Sabotage ends
    a run before the stage that has results."""
    found = selftests.of(result.extras)
    if not found:
        return []
    fails = set(result.scenario.fails)
    wrong = [line for one in found for line in one.wrong]
    wrong += [f"{one.name}: {name} {why}" for one in found for name, why in one.failed.items()
              if name not in fails]
    failed = {name for one in found for name in one.failed}
    wrong += [f"does not fail: {name}" for name in sorted(fails - failed)]
    if not result.scenario.breaks and not any(one.results for one in found):
        wrong.append("no results at all")
    reasons = {reason for one in found for reason in one.skipped}
    expected = set(result.scenario.skips)
    return [all_of("programs in the guest: all cases passed", wrong),
            all_of("programs in the guest: skipped what is expected",
                 sorted(f"skipped: {r}" for r in reasons - expected)
                 + sorted(f"not skipped: {r}" for r in expected - reasons))]


def of_any_run(result):
    """Checks of the logs and of the console."""
    return [_log(result), _console(result), _said(result)]


def check(result):
    if result.error:
        return [Check("the run finished", False, result.error.splitlines()[0])]
    outcome = _sabotaged if result.scenario.breaks else EXPECTED[result.scenario.expect]
    return [*outcome(result), *of_any_run(result), *_selftests(result),
            *irqlu.check(result.extras)]


def race_was_missed(checks):
    """Whether a missed race is all that is wrong."""
    failed = [one for one in checks if not one.ok]
    return bool(failed) and all(one.race for one in failed)

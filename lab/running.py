# SPDX-License-Identifier: GPL-2.0-only
"""Takes a scenario through all steps: a machine is built, a course is run on it, judges look at
what it has left, and the result is compared with what was expected."""

import time
import traceback

from course import chain
from course import crash
from course import programs
from course import storm
from course import update
from judge import expectation
from judge import judgement
from machine import qemu

COURSES = {"update": update.Update, "crash": crash.Crash, "storm": storm.Storm,
           "chain": chain.Chain, "program-chain": chain.ProgramChain,
           "programs": programs.Programs, "guest-chain": chain.ProgramChain}

ATTEMPTS = 8               # attempts to hit a race


def judged(result):
    """The checks of a result. The guest's answers may be of a kind that no judge expects."""
    try:
        judgement.judge(result)
        return expectation.check(result)
    except Exception as error:  # pylint: disable=broad-exception-caught
        result.error = f"{error!r}\n{traceback.format_exc()}"
        return expectation.check(result)


def execute_once(scenario, build, echo=False):
    """(result, checks)"""
    course = COURSES[scenario.course_kind()]
    with qemu.Machine(build.qemu, build.plugin(), build.results(scenario.name), echo) as machine:
        result = course(scenario, machine, build).execute()
    return result, judged(result)


def execute(scenario, build, echo=False):
    """A scenario that has to hit a race is run again as long as the race is all it has missed.
    Every attempt is compared with what is expected."""
    began = time.monotonic()
    for attempt in range(1, ATTEMPTS + 1):
        result, checks = execute_once(scenario, build, echo)
        result.attempts = attempt
        if not expectation.race_was_missed(checks):
            break
    result.seconds = time.monotonic() - began
    return result, checks

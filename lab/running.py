# SPDX-License-Identifier: GPL-2.0-only
"""Takes a scenario all the way: a machine is built, a course is run on it, judges look at what it
has left, and what was expected is held against that."""

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

ATTEMPTS = 8               # to hit a race


def judged(result):
    """Its checks. What the guest has answered may be of a kind which no judge expects."""
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
    """A scenario which wants to hit a race is run again as long as that is all it has missed:
    every attempt is held against what is expected."""
    began = time.monotonic()
    for attempt in range(1, ATTEMPTS + 1):
        result, checks = execute_once(scenario, build, echo)
        result.attempts = attempt
        if not expectation.race_was_missed(checks):
            break
    result.seconds = time.monotonic() - began
    return result, checks

# SPDX-License-Identifier: GPL-2.0
"""scripts/cases.txt names suites, cases and scenarios that exist."""

import glob
import os
import re

import cases
from scenarios import scenario

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")

# The suite of genirq itself is in a patch.
SUITES = ("kunit/**/*.h", "kunit/**/*.c", "kernel/irq/irq_test.c.patch")


def rows():
    """The columns of each row, without the results that cases.py needs."""
    with open(cases.CASES, encoding="utf-8") as lines:
        return [[part.split() for part in line.split("|")] for line in lines
                if line.strip() and not line.startswith("#")]


def kunit_names():
    """(suite, case) of each row."""
    return [name.split(".") for _, names, _ in rows() for name in names]


def words_of_suites():
    """All identifiers in the sources of the suites."""
    words = set()
    for pattern in SUITES:
        for name in glob.glob(pattern, root_dir=ROOT, recursive=True):
            with open(os.path.join(ROOT, name), encoding="utf-8") as source:
                words |= set(re.findall(r"\w+", source.read()))
    return words


def test_each_suite_is_known():
    assert {suite for suite, _ in kunit_names()} <= set(cases.SUITES)


def test_each_case_of_a_suite_exists():
    assert {case for _, case in kunit_names()} <= words_of_suites()


def test_each_scenario_is_run_by_make_test():
    assert {name for _, _, names in rows() for name in names} <= set(scenario.names(full=False))

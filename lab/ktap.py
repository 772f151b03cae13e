# SPDX-License-Identifier: GPL-2.0-only
"""Test results in KTAP (Documentation/dev-tools/ktap.rst)."""

import unittest


def plan(count, indent=""):
    print(f"{indent}KTAP version 1\n{indent}1..{count}", flush=True)


def case(number, name, ok, indent=""):
    print(f"{indent}{'ok' if ok else 'not ok'} {number} {name}", flush=True)


def say(text, indent=""):
    for line in text.splitlines():
        print(f"{indent}# {line}", flush=True)


class _Result(unittest.TestResult):
    indent = "    "

    def _case(self, test, ok):
        case(self.testsRun, test.id().rsplit(".", 1)[-1], ok, self.indent)

    def addSuccess(self, test):
        super().addSuccess(test)
        self._case(test, True)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        say(self.failures[-1][1], self.indent)
        self._case(test, False)

    def addError(self, test, err):
        super().addError(test, err)
        say(self.errors[-1][1], self.indent)
        self._case(test, False)


def run_unit_tests(directory):
    """Run the unit tests of a directory as one KTAP subtest."""
    suite = unittest.defaultTestLoader.discover(directory, top_level_dir=directory + "/..")
    plan(suite.countTestCases(), _Result.indent)
    result = _Result()
    suite.run(result)
    return result.wasSuccessful()

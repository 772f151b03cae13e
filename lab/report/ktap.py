# SPDX-License-Identifier: GPL-2.0
"""KTAP (Documentation/dev-tools/ktap.rst): read with the parser of kunit.py, and written.

The parser is in the kernel tree, which "make prepare" provides.
"""

import importlib
import os
import re
import sys
from dataclasses import dataclass

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

# One output may contain the results of several programs, one after the other.
START = re.compile(r"K?TAP version \d+$")
PLAN = re.compile(r"1\.\.(\d+)")
RESULT = re.compile(r"(?:not )?ok \d+ ?(?:- )?(.*)")

PASS, FAIL, SKIP = "pass", "fail", "skip"
OF_PARSER = {"SUCCESS": PASS, "SKIPPED": SKIP}


def build():
    """The build directory. lab.py knows it only when it has read its command line."""
    return os.path.join(ROOT, os.environ.get("BUILD", "build"))


def kunit_tool():
    """The folder of kunit.py."""
    return os.path.join(build(), "linux", "tools", "testing", "kunit")


@dataclass
class Result:
    """The outcome of one test case."""
    name: str
    status: str
    why: str = ""


def _documents(lines):
    found = []
    for line in lines:
        if START.match(line):
            found.append([])
        if found:
            found[-1].append(line)
    return found


def _cases(test, above):
    """The cases of a test: its leaves, and the test itself if it failed and none of them did."""
    name = (*above, test.name or "missing")
    below = [result for sub in test.subtests for result in _cases(sub, name)]
    status = OF_PARSER.get(test.status.name, FAIL)
    failed = status == FAIL or test.counts.errors
    if not below or (failed and counts(below)[1] == 0):
        return [*below, Result(".".join(name), FAIL if failed else status, test.skip_reason)]
    return below


def _parsed(document):
    if kunit_tool() not in sys.path:
        sys.path.insert(0, kunit_tool())
    parser = importlib.import_module("kunit_parser")
    printer = importlib.import_module("kunit_printer")
    return parser.parse_run_tests(document, printer.null_printer)


def _beyond_plan(document):
    """The results that the parser of kunit.py does not read: it stops when the plan is fulfilled.
    Each is a failure, whatever it says."""
    plans = list(filter(None, map(PLAN.match, document)))
    found = list(filter(None, map(RESULT.match, document)))
    planned = int(plans[0][1]) if plans else len(found)
    return [Result(match[1], FAIL, "not planned") for match in found[planned:]]


def parse(lines):
    """The test cases in the output of a command or on a console."""
    return [result for document in _documents(line.rstrip() for line in lines)
            for result in (*(case for test in _parsed(document).subtests
                             for case in _cases(test, ())), *_beyond_plan(document))]


def plan(count, indent=""):
    """Begin a document."""
    print(f"{indent}KTAP version 1\n{indent}1..{count}", flush=True)


def case(number, name, ok, indent=""):
    """One result."""
    print(f"{indent}{'ok' if ok else 'not ok'} {number} {name}", flush=True)


def say(text, indent=""):
    """Lines for people."""
    for line in text.splitlines():
        print(f"{indent}# {line}", flush=True)


def write(results):
    """Print results as a KTAP document of their own."""
    plan(len(results))
    for number, result in enumerate(results, 1):
        say(result.why)
        case(number, result.name, result.status != FAIL)


def counts(results):
    """(passed, failed, skipped)"""
    statuses = [result.status for result in results]
    return tuple(statuses.count(status) for status in (PASS, FAIL, SKIP))


def count_line(results):
    """The line that ends every test run."""
    passed, failed, skipped = counts(results)
    line = f"{passed} passed, {failed} failed"
    return line + (f", {skipped} skipped" if skipped else "")

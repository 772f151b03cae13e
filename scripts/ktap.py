# SPDX-License-Identifier: GPL-2.0
"""Read KTAP (Documentation/dev-tools/ktap.rst), also out of a kernel console."""

import re

# What printk puts before a line: the time, and with PRINTK_CALLER the caller.
PRINTK = re.compile(r"^(?:<\d+>)?\[ *\d+\.\d+\](?:\[ *[TC]\d+\])? ?")
RESULT = re.compile(
    r"^(?P<indent> *)(?P<no>not )?ok \d+(?: -)? ?(?P<name>.*?)"
    r"(?: *# *(?P<directive>SKIP|XFAIL|TODO|TIMEOUT|ERROR)\b(?P<why>.*))?$",
    re.IGNORECASE)
PLAN = re.compile(r"^ *1\.\.(\d+)(?: *# *SKIP.*)?$", re.IGNORECASE)
SUBTEST = re.compile(r"^(?P<indent> *)# Subtest: (?P<name>.*)$")

PASS, FAIL, SKIP = "pass", "fail", "skip"


class Result:
    """The outcome of one test case."""

    def __init__(self, name, status, why=""):
        self.name = name
        self.status = status
        self.why = why

    def as_dict(self):
        """For JSON."""
        return dict(vars(self))


def status_of(match):
    """Pass, fail or skip."""
    directive = (match["directive"] or "").upper()
    if directive == "SKIP":
        return SKIP
    if directive in ("XFAIL", "TODO"):
        return PASS
    return FAIL if match["no"] else PASS


def parse(lines):
    """Return the test cases: the leaves, not the suites that sum them up.

    A suite that failed although all its cases passed counts as one more.
    """
    results = []
    # For each depth the cases seen since the last result one level above.
    open_cases = {}
    names = {}
    for line in lines:
        line = PRINTK.sub("", line.rstrip("\r\n"), count=1)
        subtest = SUBTEST.match(line)
        if subtest:
            names[len(subtest["indent"])] = subtest["name"]
            continue
        match = RESULT.match(line)
        if not match:
            continue
        depth = len(match["indent"])
        below = [case for level in list(open_cases) if level > depth
                 for case in open_cases.pop(level)]
        status = status_of(match)
        if below and (status != FAIL or
                      any(case.status == FAIL for case in below)):
            open_cases.setdefault(depth, []).extend(below)
            continue
        prefix = [names[level] for level in sorted(names)
                  if 0 < level <= depth]
        name = ".".join([*prefix, match["name"].strip()])
        result = Result(name, status, (match["why"] or "").strip())
        results.append(result)
        open_cases.setdefault(depth, []).extend([*below, result])
    return results


def plan_of(lines):
    """The number of tests that the outermost plan announces, or None."""
    for line in lines:
        match = PLAN.match(PRINTK.sub("", line.rstrip("\r\n"), count=1))
        if match:
            return int(match[1])
    return None


def counts(results):
    """(passed, failed, skipped)"""
    statuses = [result.status for result in results]
    return tuple(statuses.count(status) for status in (PASS, FAIL, SKIP))


def count_line(results):
    """The line that ends every test run."""
    passed, failed, skipped = counts(results)
    line = f"{passed} passed, {failed} failed"
    return line + (f", {skipped} skipped" if skipped else "")

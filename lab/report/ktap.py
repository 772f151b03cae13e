# SPDX-License-Identifier: GPL-2.0-only
"""Test results in KTAP (Documentation/dev-tools/ktap.rst)."""

import os
import shutil
import subprocess
import tempfile
import xml.etree.ElementTree


def plan(count, indent=""):
    print(f"{indent}KTAP version 1\n{indent}1..{count}", flush=True)


def case(number, name, ok, indent=""):
    print(f"{indent}{'ok' if ok else 'not ok'} {number} {name}", flush=True)


def say(text, indent=""):
    for line in text.splitlines():
        print(f"{indent}# {line}", flush=True)


def run_unit_tests(directory):
    """Run the tests of a directory with pytest, as one KTAP subtest."""
    indent = "    "
    with tempfile.TemporaryDirectory() as scratch:
        report = os.path.join(scratch, "report.xml")
        pytest = shutil.which("pytest-3") or "pytest"
        run = subprocess.run([pytest, "-q", "-p", "no:cacheprovider", "--junitxml", report,
                              directory], stdout=subprocess.PIPE, text=True, check=False)
        if run.returncode:
            say(run.stdout, indent)
        cases = list(xml.etree.ElementTree.parse(report).iter("testcase"))
    plan(len(cases), indent)
    for number, found in enumerate(cases, 1):
        name = found.get("name").replace("[", ".").rstrip("]")
        case(number, name, not found.findall("failure") + found.findall("error"), indent)
    return not run.returncode

# SPDX-License-Identifier: GPL-2.0-only
"""Runs the lab's own tests with pytest, as one KTAP subtest."""

import os
import re
import shutil
import subprocess
import tempfile
import xml.etree.ElementTree

from report import ktap

INDENT = "    "


# pytest names a case after its arguments. KTAP would take what follows a "#" as a directive.
NOT_A_NAME = re.compile(r"[^\w.,:=+-]+")


def _name(found):
    return NOT_A_NAME.sub("_", found.get("name").replace("[", ".")).strip("_")


def _skip(found):
    """The directive of a case that was skipped."""
    skipped = found.find("skipped")
    return "" if skipped is None else f" # SKIP {' '.join(skipped.get('message').split())}"


def run(directory):
    with tempfile.TemporaryDirectory() as scratch:
        report = os.path.join(scratch, "report.xml")
        pytest = shutil.which("pytest-3") or "pytest"
        done = subprocess.run([pytest, "-q", "-p", "no:cacheprovider", "--junitxml", report,
                              directory], stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            ktap.say(done.stdout, INDENT)
        cases = list(xml.etree.ElementTree.parse(report).iter("testcase"))
    ktap.plan(len(cases), INDENT)
    for number, found in enumerate(cases, 1):
        failed = found.findall("failure") + found.findall("error")
        ktap.case(number, _name(found) + _skip(found), not failed, INDENT)
    return not done.returncode

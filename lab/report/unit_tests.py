# SPDX-License-Identifier: GPL-2.0-only
"""Runs the lab's own tests with pytest, as one KTAP subtest."""

import os
import shutil
import subprocess
import tempfile
import xml.etree.ElementTree

from report import ktap

INDENT = "    "


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
        name = found.get("name").replace("[", ".").rstrip("]")
        ktap.case(number, name, not found.findall("failure") + found.findall("error"), INDENT)
    return not done.returncode

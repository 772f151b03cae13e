# SPDX-License-Identifier: GPL-2.0-only
"""Data flows one way: a package does not import from one that comes after it in a run."""

import glob
import os
import re

import pytest

from machine import builds

ORDER = ("scenarios", "machine", "course", "judge", "report", "cost")
IMPORT = re.compile(r"^(?:from|import) (\w+).*", re.MULTILINE)

# Programs of the guest and make test print KTAP: one parser for judges, reports and scripts/
KTAP = "from report import ktap"


@pytest.mark.parametrize("package", ORDER)
def test_imports(package):
    allowed = [KTAP] if package == "judge" else []
    later = ORDER[ORDER.index(package) + 1:]
    wrong = []
    for path in glob.glob(os.path.join(builds.LAB, package, "*.py")):
        with open(path) as file:
            wrong += [f"{os.path.basename(path)}: {found[0]}"
                      for found in IMPORT.finditer(file.read())
                      if found[1] in later and found[0] not in allowed]
    assert not wrong

# SPDX-License-Identifier: GPL-2.0-only
"""Each case of the lab's own tests is a case in the KTAP as well."""

from report import ktap
from report import unit_tests

CASES = '''
import pytest

@pytest.mark.parametrize("text", ("one", "# Totals: pass:2", "1..2\\nnot ok 1 two"))
def test_text(text):
    assert text

def test_wrong():
    assert False

@pytest.mark.skip(reason="no # compiler\\nhere")
def test_skipped():
    assert False
'''


def test_names_which_are_arguments(tmp_path, capfd):
    (tmp_path / "test_cases.py").write_text(CASES)
    ktap.plan(1)
    ktap.case(1, "judges", unit_tests.run(tmp_path))
    results = ktap.parse(capfd.readouterr().out.splitlines())
    assert ktap.counts(results) == (3, 1, 1)
    assert [one.why for one in results if one.status == ktap.SKIP] == ["no # compiler here"]

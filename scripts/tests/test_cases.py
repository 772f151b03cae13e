# SPDX-License-Identifier: GPL-2.0
"""scripts/cases.txt names suites, cases and scenarios that exist."""

import glob
import os
import re

import cases
import ktap
import pytest
from scenarios import scenario

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")

# The suite of genirq itself is in a patch.
SUITES = ("kunit/**/*.h", "kunit/**/*.c", "kernel/irq/irq_test.c.patch")


def kunit_names():
    """(suite, case) of each row."""
    return [name.split(".") for _, names, _ in cases.rows() for name in names]


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


def test_each_scenario_exists():
    named = {name for _, _, names in cases.rows() for name in names}
    assert named <= set(scenario.names(full=True))


def results_where(name, status):
    """Results for everything that is listed, all passed except one."""
    kunit = {cases.kunit_name(case): ktap.PASS for _, names, _ in cases.rows()
             for case in names}
    lab = {case: ktap.PASS for _, _, names in cases.rows() for case in names}
    return {**kunit, **{key: status for key in kunit if key == name}}, \
        {**lab, **{key: status for key in lab if key == name}}


def test_all_passed_is_shown():
    assert not list(cases.not_shown(*results_where("", ktap.PASS)))


def test_one_that_did_not_pass_is_named():
    for status in ktap.FAIL, ktap.SKIP, None:
        for name in "cold", "irq_liveupdate_preserve.msix_vectors_live_on":
            assert list(cases.not_shown(*results_where(name, status)))


def test_scenario_of_test_full_needs_no_result():
    full = cases.only_in_test_full() & {name for _, _, names in cases.rows() for name in names}
    assert full and "cold" not in full
    kunit, lab = results_where("", ktap.PASS)
    lab = {name: status for name, status in lab.items() if name not in full}
    assert not list(cases.not_shown(kunit, lab))
    assert list(cases.not_shown(kunit, {**lab, min(full): ktap.FAIL}))


def test_table_is_up_to_date():
    assert not cases.is_stale()


def ktap_of(statuses):
    lines = [f"{'not ok' if status == ktap.FAIL else 'ok'} {number} {name}"
             + " # SKIP no reason" * (status == ktap.SKIP)
             for number, (name, status) in enumerate(statuses.items(), 1)]
    return "\n".join(["KTAP version 1", f"1..{len(lines)}", *lines, ""])


@pytest.mark.parametrize("lab, debug, status", (
    (ktap.PASS, None, ktap.PASS), (ktap.PASS, ktap.FAIL, ktap.FAIL),
    (ktap.FAIL, ktap.PASS, ktap.FAIL), (ktap.SKIP, ktap.PASS, ktap.PASS),
    (ktap.SKIP, None, ktap.SKIP), (ktap.SKIP, ktap.SKIP, ktap.SKIP), (None, ktap.PASS, None)))
def test_debug_kernel_runs_what_the_lab_kernel_skips(tmp_path, monkeypatch, lab, debug, status):
    (tmp_path / "results").mkdir()
    (tmp_path / "linux").symlink_to(os.path.join(ktap.build(), "linux"))    # kunit.py's parser
    for step, of_case in (("lab", lab), ("lab-debug", debug)):
        statuses = {"other": ktap.PASS} | ({"case": of_case} if of_case else {})
        (tmp_path / "results" / f"{step}.log").write_text(ktap_of(statuses), encoding="utf-8")
    monkeypatch.setenv("BUILD", str(tmp_path))
    assert cases.results("lab").get("case") == status


def test_each_scenario_on_a_named_machine_has_a_row():
    """A scenario that has a row has one on each machine on which "make test" runs it."""
    named = {name for _, _, names in cases.rows() for name in names}
    listed = {name.partition("@")[0] for name in named}
    assert {name for name in scenario.names(full=False)
            if name.partition("@")[0] in listed} <= named

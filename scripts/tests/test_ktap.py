# SPDX-License-Identifier: GPL-2.0
"""What counts as a case, and what counts as a failed one."""

import ktap

SUITES = """KTAP version 1
1..2
    KTAP version 1
    # Subtest: one
    1..2
    # a: EXPECTATION FAILED at one.c:7
    not ok 1 a
    ok 2 b # SKIP needs more memory
# one: pass:0 fail:1 skip:1 total:2
not ok 1 one
    KTAP version 1
    # Subtest: two
    1..1
        KTAP version 1
        # Subtest: c
        ok 1 xAPIC
        ok 2 x2APIC
    ok 1 c
ok 2 two
"""


def outcomes(text):
    """Name and status of each case."""
    return [(result.name, result.status) for result in ktap.parse(text.splitlines())]


def test_cases_are_the_leaves():
    assert outcomes(SUITES) == [
        ("one.a", ktap.FAIL), ("one.b", ktap.SKIP),
        ("two.c.xAPIC", ktap.PASS), ("two.c.x2APIC", ktap.PASS)]


def test_reason_of_a_skip_is_kept():
    assert ktap.parse(SUITES.splitlines())[1].why == "needs more memory"


def test_lines_before_and_between_documents_do_not_matter():
    assert outcomes("Starting\nok 1 no KTAP\n" + SUITES + SUITES) == 2 * outcomes(SUITES)


def test_no_document_has_no_cases():
    assert not outcomes("ok 1 a\n")


def test_suite_that_does_not_end_fails():
    cut = SUITES[:SUITES.index("        ok 2 x2APIC")]
    failed = [name for name, status in outcomes(cut) if status == ktap.FAIL]
    assert len(failed) == 2 and failed[1].startswith("two.c")


def test_suite_that_does_not_begin_fails():
    cut = SUITES[:SUITES.rindex("    KTAP version 1\n    # Subtest: two")]
    assert ktap.counts(ktap.parse(cut.splitlines())) == (0, 2, 1)


def test_result_beyond_the_plan_fails():
    text = "TAP version 13\n1..1\nok 1 a\nnot ok 2 b\nok 3 - c\n# Totals: pass:2 fail:1\n"
    assert outcomes(text) == [("a", ktap.PASS), ("b", ktap.FAIL), ("c", ktap.FAIL)]
    assert outcomes(SUITES + "ok 3 three\n")[-1] == ("three", ktap.FAIL)


def test_suite_that_fails_although_its_cases_pass_fails():
    text = SUITES.replace("\nok 2 two", "\nnot ok 2 two")
    assert ("two", ktap.FAIL) in outcomes(text)

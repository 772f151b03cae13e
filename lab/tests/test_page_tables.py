# SPDX-License-Identifier: GPL-2.0-only
"""Cost of page tables: what the suite says, per table and by size."""

import pytest

from cost import page_tables

CONSOLE = """
[    1.0] # each_step: tables: preserve 1 2097152 4 4000000
[    1.0] # each_step: tables: freeze 1 2097152 4 700
[    1.0] # each_step: tables: preserve 1 4096 500 50000
[    1.0] # each_step: tables: freeze 1 4096 500 700
[    1.0] # each_step: tables: preserve 32 4096 16000 1600000
[    1.0] # each_step: tables: freeze 32 4096 16000 700
[    1.0] reboot: Power down
"""


def test_few_tables_do_not_count_in_a_step_which_grows():
    found = page_tables.parse(CONSOLE)
    assert page_tables.per_table(found, "preserve") == (100, "500 tables")
    assert page_tables.exponent(found, "preserve") == pytest.approx(1)


def test_all_sizes_count_in_a_step_which_does_not():
    found = page_tables.parse(CONSOLE)
    assert page_tables.exponent(found, "freeze") == pytest.approx(0)
    grows = page_tables.parse(CONSOLE.replace("16000 700", "16000 900"))
    assert page_tables.exponent(grows, "freeze") > 0.01


def test_a_suite_which_fails_says_nothing():
    for console in ("", CONSOLE + "EXPECTATION FAILED at y", CONSOLE.partition("] reboot")[0]):
        with pytest.raises(RuntimeError):
            page_tables.parse(console)

# SPDX-License-Identifier: GPL-2.0
"""After which patches of the series the suites run."""

import types

import pytest
import series_build
import series_kunit
from overlay import OverlayError

PATCHES = (("fixes", "kernel/irq/irq_test.c"), ("fixes", "drivers/pci/iov.c"),
           ("fixes", "mm/memblock.c"), ("core", "kernel/irq/manage.c"),
           ("core", "include/kunit/luo_session.h"), ("core", "Documentation/a.rst"),
           ("tools", "tools/irq_liveupdate/irqlu.c"))


@pytest.fixture(name="plan")
def make_plan():
    patches = [types.SimpleNamespace(part=part, path=path) for part, path in PATCHES]
    return types.SimpleNamespace(patches=patches,
                                 written=lambda patch: [(patch.path, b"", None)])


def test_suites_run_where_they_change_and_where_a_part_with_code_ends(plan):
    assert series_kunit.chosen(plan, range(1, len(PATCHES) + 1)) == [1, 3, 5]


def test_only_asked_patches_are_tested(plan):
    assert series_kunit.chosen(plan, range(2, 5)) == [3]


@pytest.mark.parametrize("which, found", [("3-5", [3, 4, 5]), ("6-", [6, 7]), ("4", [4])])
def test_patches_are_named_by_their_numbers(which, found):
    assert list(series_build.numbers(which, 7)) == found


@pytest.mark.parametrize("which", ["a", "-4", "3-x", ""])
def test_what_names_no_patch_is_refused(which):
    with pytest.raises(OverlayError):
        series_build.numbers(which, 7)

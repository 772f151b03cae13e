# SPDX-License-Identifier: GPL-2.0
"""Where a file of the kernel tree lives in the repository, and back."""

import overlay
import pytest

PLACES = {
    "kernel/irq/liveupdate.c": "kernel/irq/liveupdate.c",
    "kernel/irq/irq_liveupdate_core_test.c": "kunit/kernel/irq/irq_liveupdate_core_test.c",
    "kernel/irq/.kunitconfig": "kunit/kernel/irq/.kunitconfig",
    "drivers/iommu/intel/kunit_fake_vtd.h": "kunit/drivers/iommu/intel/kunit_fake_vtd.h",
    "include/kunit/irq_liveupdate/watch.h": "kunit/include/kunit/irq_liveupdate/watch.h",
    "tools/testing/irq_liveupdate_ser/kunit/test.h":
        "tools/testing/irq_liveupdate_ser/kunit/test.h",
    "tools/testing/selftests/x/a_test.c": "tools/testing/selftests/x/a_test.c",
    "kernel/irq/irq_test.c.patch": "kernel/irq/irq_test.c.patch",
}


@pytest.mark.parametrize("laid, filed", PLACES.items())
def test_each_file_has_one_place(laid, filed):
    assert overlay.repo_path(laid) == filed
    assert overlay.kernel_path(filed) == laid


@pytest.mark.parametrize("path", ["kunit/kernel/irq/helper.h", "kernel/irq/a_test.c"])
def test_file_in_the_wrong_half_is_refused(path):
    with pytest.raises(overlay.OverlayError):
        overlay.kernel_path(path)


def test_documents_beside_the_suites_are_not_laid():
    assert not overlay.in_overlay(overlay.kernel_path("kunit/README.md"))

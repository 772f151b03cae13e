# SPDX-License-Identifier: GPL-2.0-only
"""The judges of DMA accept a device that is kept out, and one whose entry is replaced at once."""

import pytest

from judge import translation
from machine.iommu import IOMMUS
from tests.test_rules import observe

ROOT = "1@100.0:root_write table 0x200000 mode 0"
ENABLED = "1@100.1:vtd_reg_write_gcmd status 0x0 value 0x80000000"

# Context entries of legacy mode: page table and present; width and domain
OLD = "w0 0x300001 w1 0x702 w2 0x0 w3 0x0"
NEW = "w0 0x500001 w1 0x902 w2 0x0 w3 0x0"
TORN = "w0 0x500001 w1 0x702 w2 0x0 w3 0x0"
CLOSED = "w0 0x2 w1 0x0 w2 0x0 w3 0x0"

CONTEXT_FLUSH = "vtd_inv_desc_cc_device context device 00:01.0"
MAPPING_FLUSH = "vtd_inv_desc_iotlb_domain iotlb invalidate domain 0x7"
WAIT = "vtd_inv_desc_wait_sw wait invalidate status write addr 0x15d9fc data 0x2"
FLUSHES = (CONTEXT_FLUSH, MAPPING_FLUSH, WAIT)

STOP, GO_ON = (f"pci_cfg_write ivshmem-doorbell 01:00.0 @0x4 <- {command:#x}"
               for command in (0x103, 0x107))
ARM = "msix_write_config dev ivshmem-doorbell enabled 1 masked 0"


def entry(words):
    return f"dma_write {words}"


def seen(before, *after, **changes):
    """A device with an entry before the shutdown, and what comes after it."""
    lines = [ROOT, ENABLED, f"1@101.0:{entry(before)}",
             *(f"1@{105 + n / 10}:{text}" for n, text in enumerate(after))]
    return observe(lines, **changes)


def wrong(*log, **changes):
    return translation.entry_is_replaced(seen(*log, **changes)).wrong


@pytest.mark.parametrize("after", ((ARM,), (entry(OLD), *FLUSHES), (entry(OLD), *FLUSHES, ARM)))
def test_entry_is_only_kept(after):
    assert translation.entry_is_replaced(seen(OLD, *after)).blind()


def test_run_that_ends_before_the_owner_comes():
    assert translation.entry_is_replaced(seen(OLD)).not_judged


def test_entry_is_replaced():
    verdict = translation.entry_is_replaced(seen(OLD, entry(NEW), *FLUSHES, ARM))
    assert not verdict.wrong and verdict.evidence


@pytest.mark.parametrize("after", ((CLOSED,), (CLOSED, NEW)))
def test_entry_is_closed(after):
    found = wrong(OLD, *map(entry, after), *FLUSHES)
    assert found == ["closed: 0x2 0x0 0x0 0x0"]


def test_entry_is_torn():
    found = wrong(OLD, entry(TORN), entry(NEW), *FLUSHES)
    assert found == ["neither the old one nor the new one: 0x500001 0x702 0x0 0x0"]


@pytest.mark.parametrize("missing, what", zip(FLUSHES, ("entries", "mappings", "a wait")))
def test_entry_is_not_flushed(missing, what):
    found = wrong(OLD, entry(NEW), *(text for text in FLUSHES if text != missing))
    assert any(f"{what} not flushed" in line for line in found)


def test_entry_is_flushed_before_it_is_replaced():
    assert wrong(OLD, *FLUSHES, entry(NEW))


@pytest.mark.parametrize("step", ((ARM,), (STOP, entry(CLOSED))))
def test_entry_is_flushed_too_late(step):
    found = wrong(OLD, entry(NEW), *step, *FLUSHES)
    assert found == [f"0x500001 0x902 0x0 0x0: {what} not flushed after it"
                     for what in ("entries", "mappings", "a wait")]


def test_entry_is_flushed_after_the_end():
    assert wrong(OLD, entry(NEW), *FLUSHES, end=105.05)


def test_device_without_mappings():
    assert not wrong(CLOSED)
    assert not wrong(CLOSED, entry(NEW), *FLUSHES, rearm=104.0)
    assert wrong(CLOSED, entry(OLD), entry(CLOSED)) == ["reaches memory: 0x300001 0x702 0x0 0x0"]


DISABLED = "vtd_reg_write_gcmd status 0xc7000000 value 0x47000000"
STOP_OTHER = STOP.replace("01:00.0", "00:08.0")


def stopped_first(*after):
    return translation.stopped_first(seen(CLOSED, *after))


def test_translation_goes_off_after_the_device_was_stopped():
    verdict = stopped_first(GO_ON, STOP, DISABLED)
    assert not verdict.wrong and verdict.evidence


@pytest.mark.parametrize("after", ((DISABLED,), (DISABLED, STOP), (STOP, GO_ON, DISABLED),
                                   (STOP_OTHER, DISABLED)))
def test_translation_goes_off_while_the_device_is_not_stopped(after):
    assert stopped_first(*after).wrong == [f"01:00.0 not stopped before {DISABLED}"]


def test_entry_is_opened():
    assert stopped_first(entry(OLD), STOP).wrong
    assert not stopped_first(STOP, entry(OLD), DISABLED).wrong


def test_device_with_mappings_need_not_be_stopped():
    assert translation.stopped_first(seen(OLD, entry(NEW), DISABLED)).not_judged


def test_device_is_kept_out():
    assert stopped_first(STOP, entry(CLOSED)).not_judged
    assert {name for name, verdict in translation.judge(seen(CLOSED, STOP)).items()
            if not verdict.failure() and not verdict.not_judged} == {"translation"}


@pytest.mark.parametrize("before", (OLD, CLOSED))
def test_device_which_is_stopped(before):
    assert not wrong(before, STOP, entry(NEW), entry(CLOSED), entry(OLD))
    assert wrong(before, GO_ON, entry(NEW), entry(CLOSED), entry(OLD))


def test_nothing_seen_of_the_entry():
    assert translation.entry_is_replaced(observe([ROOT, ENABLED])).blind()


def test_translation():
    assert not translation.stays_enabled(seen(OLD)).wrong
    assert translation.stays_enabled(observe([])).blind()


@pytest.mark.parametrize("event", (
    "root_write table 0x600000 mode 0", "root_write table 0x200000 mode 1",
    "vtd_reg_write_gcmd status 0xc6000000 value 0x6000000"))
def test_translation_goes_off(event):
    assert len(translation.stays_enabled(seen(OLD, event)).wrong) == 1


def test_unit_which_does_not_translate():
    dark = seen(OLD, entry(CLOSED), translated=False)
    assert translation.stays_enabled(dark).not_judged
    assert translation.entry_is_replaced(dark).not_judged


@pytest.mark.parametrize("iommu, words, reaches", (
    ("intel", (0x300001, 0x702, 0, 0), True),
    ("intel", (0x2, 0, 0, 0), False),
    ("intel-scalable", (0xdca401, 0xe0b089, 0x7, 0), True),
    ("intel-scalable", (0xdca401, 0, 0, 0), False),
    ("intel-scalable", (0x2, 0xe0b089, 0x7, 0), False),
    ("amd", (0x6000000000e79603, 8, 0, 0), True),
    ("amd", (0x3, 0, 0, 0), False),
    ("amd", (0x1, 0, 0, 0), False),
    ("amd", (0, 0, 0, 0), True)))
def test_what_an_entry_lets_a_device_reach(iommu, words, reaches):
    assert IOMMUS[iommu].reaches_memory(words) == reaches


@pytest.mark.parametrize("iommu, parameters, translates", (
    ("intel", "", True), ("intel", "intel_iommu=off quiet", False), ("amd", "", True),
    ("amd-untranslated", "", False)))
def test_which_units_translate(iommu, parameters, translates):
    assert IOMMUS[iommu].translates(parameters) == translates

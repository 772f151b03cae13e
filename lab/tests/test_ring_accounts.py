# SPDX-License-Identifier: GPL-2.0-only
"""The account of a vector from a log, and the laws against accounts that break them."""

import unittest
from dataclasses import replace

from course.result import Vector
from judge import ring_accounts
from judge import rules
from machine.iommu import IOMMUS
from tests import logs


def _command(time, cpu, offset, value):
    return (f"5@{time}:memory_region_ops_write cpu {cpu} mr 0x5500 addr {0xfee00300 + offset:#x} "
            f"value {value:#x} size 4 name 'apic-msi'")


def high(time, cpu, value):
    """A CPU in xAPIC mode says where the next interrupt goes."""
    return _command(time, cpu, 0x10, value)


def low(time, cpu, value):
    """And sends it."""
    return _command(time, cpu, 0, value)


LOG = f"""\
0@100.000000:irte_write index 17 low 0x10000220001 high 0x40100
7@101.000000:vtd_ir_remap_msi_req addr 0xfee00238 data 0x0
7@101.000001:vtd_ir_remap_msi (addr 0xfee00238, data 0x0) -> (addr 0xfee0100c, data 0x4022)
7@102.000000:vtd_ir_remap_msi_req addr 0xfee00238 data 0x0
{high(102.5, 0, 0x1000000)}
{low(102.6, 0, 0x22)}
{high(103.5, 0, 0x1000000)}
{high(103.500001, 1, 0x2000000)}
{low(103.6, 0, 0x22)}
{low(103.600001, 1, 0x22)}
"""
# The second message is dropped; then another device sends the same one.
AMDVI_LOG = f"""\
0@100.000000:irte_write index 17 low 0x141 high 0x22
7@101.000000:amdvi_ir_remap_msi_req addr 0xfee00000 data 0x11 devid 0x0
7@101.000001:amdvi_ir_irte_ga_val hi 0x22 lo 0x141
7@101.000002:amdvi_ir_remap_msi (addr 0xfee00000, data 0x11) -> (addr 0xfee01004, data 0x4022)
7@102.000000:amdvi_ir_remap_msi_req addr 0xfee00000 data 0x11 devid 0x0
7@102.000001:amdvi_ir_irte_ga_val hi 0xff lo 0x2
7@102.000002:amdvi_ir_target_abort MSI: target abort
7@102.100000:amdvi_ir_remap_msi_req addr 0xfee00000 data 0x11 devid 0x40
7@102.100001:amdvi_ir_irte_ga_val hi 0x23 lo 0x141
7@102.100002:amdvi_ir_remap_msi (addr 0xfee00000, data 0x11) -> (addr 0xfee01004, data 0x4023)
{high(103.5, 0, 0x1000000)}
{low(103.6, 0, 0x22)}
{low(103.7, 0, 0x23)}
"""
TRACE = "vmm-70 [000] ...1. 3.5: irq_liveupdate_inject: irq=26 arrivals=1 was_pending=1 how=sent"

GOOD = ring_accounts.Account(number=0, rings=3, sent=2, delivered=3, resent=1, injected=("sent",))


def observe(log, **changes):
    return replace(rules.Observation(
        events=[logs.parse(line) for line in log.splitlines()], start=99.0, rearm=103.0,
        end=110.0, model="", device="", bridges=[], table=0, numbers=[0],
        messages=[(0xfee00238, 0)], irtes=[17]), **changes)


class FromLog(unittest.TestCase):
    log = LOG
    x2apic_low, x2apic_high = "0x100220001", "0x40100"
    changes = {}

    def account(self, log=None, unit_x2apic=False, cpus_x2apic=False):
        vector = Vector(0, new={"irq": 26}, latched=1, counted=2, seen=2)
        seen = observe(log or self.log, **self.changes)
        return ring_accounts.accounts(seen, (unit_x2apic, cpus_x2apic), [3], [vector], TRACE)[0]

    def test_messages(self):
        found = self.account()
        self.assertEqual((found.rings, found.sent, found.dropped), (3, 2, 1))

    def test_owner(self):
        found = self.account()
        self.assertEqual((found.latched, found.delivered, found.lost), (1, 2, 1))

    def test_kernel(self):
        found = self.account()
        self.assertEqual((found.injected, found.arrivals, found.pending), (("sent",), 1, 1))

    def test_resent_in_xapic_mode(self):
        self.assertEqual(self.account().resent, 1)

    def test_message_of_a_device_is_not_resent(self):
        log = self.log + low(103.8, 0, 0x22).replace("apic-msi", "vtd-ir")
        self.assertEqual(self.account(log).resent, 1)

    def test_resent_in_x2apic_mode(self):
        log = ("0@100.0:irte_write index 17 low 0x100220001 high 0x40100\n"
               "5@103.5:apic_register_write register 0x30 = 0x100000822\n"
               "5@103.6:apic_register_write register 0x30 = 0x200000822\n"
               "5@103.7:apic_register_write register 0x30 = 0x1000008fb\n")
        self.assertEqual(self.account(log, True, True).resent, 1)

    def test_cpus_of_the_next_kernel_have_left_the_mode_of_the_unit(self):
        log = (f"0@100.0:irte_write index 17 low {self.x2apic_low} high {self.x2apic_high}\n"
               f"{high(103.5, 0, 0x1000000)}\n{low(103.6, 0, 0x22)}\n")
        self.assertEqual(self.account(log, True, False).resent, 1)
        self.assertEqual(self.account(log, True, True).resent, 0)

    def test_closed_entry_is_no_target(self):
        log = LOG + ("0@103.7:irte_write index 17 low 0x10000220000 high 0x40100\n"
                     + low(103.8, 0, 0x22))
        self.assertEqual(self.account(log).resent, 1)


class FromLogOfAmdvi(FromLog):
    log = AMDVI_LOG
    x2apic_low, x2apic_high = "0x141", "0x22"
    changes = {"iommu": IOMMUS["amd"], "device": "01:00.0", "messages": [(0xfee00000, 17)]}

    def test_resent_in_x2apic_mode(self):
        log = ("0@100.0:irte_write index 17 low 0x2341 high 0x100000000000022\n"
               "5@103.5:apic_register_write register 0x30 = 0x100002300000822\n"
               "5@103.6:apic_register_write register 0x30 = 0x2300000822\n"
               "5@103.7:apic_register_write register 0x30 = 0x2300000822\n")
        self.assertEqual(self.account(log, True, True).resent, 1)

    def test_closed_entry_is_no_target(self):
        log = AMDVI_LOG + ("0@103.8:irte_write index 17 low 0x2 high 0x22\n"
                           + low(103.9, 0, 0x22))
        self.assertEqual(self.account(log).resent, 1)


# A message arrives, its entry is freed, and another entry is given its target.
STRAY = """\
0@100.0:irte_write index 17 low 0x100220001 high 0x40100
7@101.0:vtd_ir_remap_msi_req addr 0xfee00238 data 0x0
7@101.1:vtd_ir_remap_msi (addr 0xfee00238, data 0x0) -> (addr 0xfee0100c, data 0x4022)
0@101.2:irte_write index 17 low 0x0 high 0x0
0@101.3:irte_write index 18 low 0x100220001 high 0x40100
"""


class Strays(unittest.TestCase):
    def spurious(self, signals, log=STRAY):
        """Of two vectors, for the first of which a message arrives."""
        vectors = [Vector(n, new={"irq": 26 + n}, counted=count, seen=1)
                   for n, count in enumerate(signals)]
        seen = observe(log, messages=[(0xfee00238, 0), (0xfee00258, 0)], irtes=[17, 18])
        found = ring_accounts.accounts(seen, (True, True), [1, 1], vectors, "")
        return [one.spurious for one in found]

    def test_all_is_well(self):
        self.assertEqual(self.spurious([1, 0]), [0, 0])

    def test_interrupt_reaches_the_next_owner_of_its_target(self):
        self.assertEqual(self.spurious([0, 1]), [0, 0])

    def test_what_nobody_misses_has_not_strayed(self):
        self.assertEqual(self.spurious([1, 1]), [0, 1])
        self.assertEqual(self.spurious([0, 2]), [0, 1])

    def test_nothing_strays_from_one_kernel_to_the_next(self):
        later = STRAY.replace("0@101.3", "0@103.3")
        self.assertEqual(self.spurious([0, 1], later), [0, 1])

    def test_nothing_strays_to_another_target(self):
        elsewhere = STRAY.replace("index 18 low 0x100220001", "index 18 low 0x100230001")
        self.assertEqual(self.spurious([0, 1], elsewhere), [0, 1])


class Laws(unittest.TestCase):
    def noticed(self, **changes):
        found = ring_accounts.judge([GOOD, replace(GOOD, **changes)])
        return {name for name, verdict in found.items() if verdict.broken()}

    def test_good(self):
        self.assertEqual(self.noticed(), set())

    def test_lost(self):
        self.assertEqual(self.noticed(lost=1), {"lost"})

    def test_no_synthetic_interrupt(self):
        self.assertEqual(self.noticed(resent=0, delivered=2), {"synthetic"})
        self.assertEqual(self.noticed(injected=()), {"synthetic"})

    def test_two_synthetic_interrupts(self):
        self.assertEqual(self.noticed(resent=2), {"synthetic"})
        self.assertEqual(replace(GOOD, resent=2).duplicate, 1)
        self.assertEqual(self.noticed(injected=("sent", "sent")), {"synthetic"})

    def test_signal_without_message(self):
        self.assertEqual(self.noticed(delivered=4), {"spurious"})
        self.assertEqual(self.noticed(dropped=1), {"spurious"})

    def test_message_without_ring(self):
        self.assertEqual(self.noticed(rings=1), {"spurious"})

    def blind(self, **changes):
        """Of four vectors, whose number is no evidence."""
        found = ring_accounts.judge([replace(GOOD, **changes)] * 4)
        return {name for name, verdict in found.items() if verdict.blind()}

    def test_good_is_seen(self):
        self.assertEqual(self.blind(), set())

    def test_nothing_was_rung(self):
        self.assertEqual(self.blind(rings=0, sent=0, delivered=1), {"lost", "spurious"})

    def test_nothing_was_sent(self):
        self.assertEqual(self.blind(sent=0, delivered=1), {"spurious"})

    def test_no_vector_is_no_evidence(self):
        found = ring_accounts.judge([])
        self.assertTrue(all(verdict.blind() for verdict in found.values()))


if __name__ == "__main__":
    unittest.main()

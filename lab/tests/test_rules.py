# SPDX-License-Identifier: GPL-2.0-only
"""Every judge accepts a good handover's log, and notices when it is altered."""

import os
import unittest
from dataclasses import replace

from judge import console
from judge import rules
from machine.iommu import IOMMUS
from tests import logs

DIRECTORY = os.path.dirname(os.path.abspath(__file__))


def observe(lines, **changes):
    return replace(rules.Observation(
        events=[event for event in map(logs.parse, lines) if event],
        start=102.0, rearm=106.0, end=110.0,
        model="ivshmem-doorbell", device="01:00.0", bridges=["00:04.0"],
        table=0xfe601000,
        numbers=[0, 1], messages=[(0xfee00238, 0), (0xfee00258, 0)], irtes=[17, 18]), **changes)


class Altering(unittest.TestCase):
    log = "handover.log"
    changes = {}

    def setUp(self):
        with open(os.path.join(DIRECTORY, self.log)) as f:
            self.lines = f.read().splitlines()

    def noticed(self):
        """The judges that find something wrong with the log as it is now."""
        found = rules.judge(observe(self.lines, **self.changes))
        return {name for name, verdict in found.items() if verdict.broken()}

    def blind(self):
        """The judges that see nothing of what they are about in the log as it is now."""
        found = rules.judge(observe(self.lines, **self.changes))
        return {name for name, verdict in found.items() if verdict.blind()}

    def add(self, seconds, text):
        """Put a line where its time says."""
        later = [n for n, line in enumerate(self.lines)
                 if logs.parse(line).time > seconds]
        position = later[0] if later else len(self.lines)
        self.lines.insert(position, f"1@{seconds:.6f}:{text}")

    def remove(self, text):
        kept = [line for line in self.lines if text not in line]
        self.assertLess(len(kept), len(self.lines), "nothing to remove")
        self.lines = kept

    def replace(self, old, new):
        self.assertTrue(any(old in line for line in self.lines), "nothing to replace")
        self.lines = [line.replace(old, new) for line in self.lines]


class AlteredLog(Altering):
    def test_good_log(self):
        self.assertEqual(self.noticed(), set())

    def expect_only_some_bits_may_change(self, offset, before, allowed, forbidden):
        port = f"pci_cfg_write pcie-root-port 00:04.0 @{offset:#x} <-"
        self.add(101.0, f"{port} {before:#x}")
        self.add(104.5, f"{port} {allowed:#x}")
        self.assertEqual(self.noticed(), set())
        self.add(104.6, f"{port} {forbidden:#x}")
        self.assertEqual(self.noticed(), {"config"})

    def test_extended_tag_of_a_running_device(self):
        self.expect_only_some_bits_may_change(0x5c, 0x0, 0xf, 0x10f)

    def test_error_mask_of_the_path(self):
        self.expect_only_some_bits_may_change(0x114, 0xe000, 0xc000, 0x8000)

    def test_error_mask_of_the_path_was_never_written(self):
        self.add(104.5, "pci_cfg_write pcie-root-port 00:04.0 @0x114 <- 0xc000")
        self.assertEqual(self.noticed(), set())
        self.add(104.6, "pci_cfg_write pcie-root-port 00:04.0 @0x114 <- 0x8000")
        self.assertEqual(self.noticed(), {"config"})

    def test_register_that_was_never_written(self):
        for offset, value in ((0x14e, 0x5d), (0x5c, 0xf0ff), (0x18, 0x99)):
            with self.subTest(offset=offset):
                self.setUp()
                self.add(104.5, f"pci_cfg_write pcie-root-port 00:04.0 @{offset:#x} <- {value:#x}")
                found = rules.judge(observe(self.lines))["config"].wrong
                self.assertEqual(found, [f"pcie-root-port 00:04.0: {offset:#x} written {value:#x}, "
                                         "never written before"])

    def test_bus_number_of_the_path(self):
        self.add(101.0, "pci_cfg_write pcie-root-port 00:04.0 @0x18 <- 0x010100")
        self.add(104.5, "pci_cfg_write pcie-root-port 00:04.0 @0x18 <- 0x0")
        self.assertEqual(self.noticed(), {"config"})

    def test_bus_reset(self):
        self.add(104.5, "pci_cfg_write pcie-root-port 00:04.0 @0x3e <- 0x42")
        self.assertEqual(self.noticed(), {"config"})

    def test_bar_is_sized_and_moved(self):
        self.add(101.0, "pci_cfg_write ivshmem-doorbell 01:00.0 @0x14 <- 0xfe601000")
        self.add(104.5, "pci_cfg_write ivshmem-doorbell 01:00.0 @0x14 <- 0xffffffff")
        self.add(104.6, "pci_cfg_write ivshmem-doorbell 01:00.0 @0x14 <- 0xfe601000")
        self.assertEqual(self.noticed(), set())
        self.add(104.7, "pci_cfg_write ivshmem-doorbell 01:00.0 @0x14 <- 0xfe700000")
        self.assertEqual(self.noticed(), {"config"})

    def test_address_that_was_never_written(self):
        for place, offset in (("ivshmem-doorbell 01:00.0", 0x14), ("pcie-root-port 00:04.0", 0x20)):
            with self.subTest(place=place):
                self.setUp()
                self.lines = [line for line in self.lines if f"{place} @{offset:#x} " not in line]
                self.add(104.5, f"pci_cfg_write {place} @{offset:#x} <- 0xffffffff")
                self.add(104.6, f"pci_cfg_write {place} @{offset:#x} <- 0xfe601000")
                found = rules.judge(observe(self.lines))["config"].wrong
                self.assertEqual(found, [f"{place[-7:]}: address at {offset:#x} is 0xfe601000, "
                                         "never written before"])

    def test_unknown_register(self):
        self.add(104.5, "pci_cfg_write ivshmem-doorbell 01:00.0 @0x90 <- 0x0")
        self.assertEqual(self.noticed(), {"config"})

    def test_remapping_disabled(self):
        self.add(104.5, "vtd_reg_write_gcmd status 0x47000000 value 0x4000000")
        self.assertEqual(self.noticed(), {"remapping"})

    def test_remapping_disabled_before_the_shutdown_is_no_matter(self):
        self.add(100.5, "vtd_reg_write_gcmd status 0x47000000 value 0x4000000")
        self.assertEqual(self.noticed(), set())

    def test_msix_disabled(self):
        self.add(105.5, "msix_write_config dev ivshmem-doorbell enabled 0 masked 1")
        self.assertEqual(self.noticed(), {"enable"})

    def test_msix_of_another_device_disabled(self):
        self.add(105.5, "msix_write_config dev nvme enabled 0 masked 1")
        self.assertEqual(self.noticed(), set())

    def test_bus_mastering_off_on_device(self):
        self.add(103.5, "pci_cfg_write ivshmem-doorbell 01:00.0 @0x4 <- 0x103")
        self.assertEqual(self.noticed(), {"bus-master"})

    def test_bus_mastering_off_on_bridge(self):
        self.add(103.5, "pci_cfg_write pcie-root-port 00:04.0 @0x4 <- 0x503")
        self.assertEqual(self.noticed(), {"bus-master"})

    def test_message_changed(self):
        text = "addr 0xfe601000 value 0xfee00238"
        first = next(n for n, line in enumerate(self.lines) if text in line)
        kept = self.lines[first]
        self.replace(text, "addr 0xfe601000 value 0xfee00258")
        self.lines[first] = kept
        self.assertEqual(self.noticed(), {"message"})

    def test_message_changed_by_a_wide_write(self):
        self.add(105.5, "memory_region_ops_write cpu 1 mr 0x5500 addr 0xfe601010 "
                        "value 0x1fee00258 size 8 name 'msix-table'")
        self.assertEqual(self.noticed(), {"message"})

    def test_vector_control_may_change(self):
        self.add(105.5, "memory_region_ops_write cpu 1 mr 0x5500 addr 0xfe60100c "
                        "value 0x1 size 4 name 'msix-table'")
        self.assertEqual(self.noticed(), set())

    def test_entry_not_closed(self):
        self.remove("irte_write index 18 low 0x80021000e")
        self.assertEqual(self.noticed(), {"flush"})

    def test_entry_closed_without_suppressing_faults(self):
        self.replace("irte_write index 18 low 0x80021000e", "irte_write index 18 low 0x80021000c")
        self.assertEqual(self.noticed(), {"flush"})

    def test_no_invalidation(self):
        self.remove("vtd_inv_desc_iec granularity 0x1 index 0x12")
        self.assertEqual(self.noticed(), {"flush"})

    def test_no_wait(self):
        self.remove("vtd_inv_desc_wait_sw wait invalidate status write addr 0x15da04")
        self.assertEqual(self.noticed(), {"flush"})

    def test_wait_before_invalidation(self):
        self.remove("addr 0x15da04")
        self.add(103.0000065, "vtd_inv_desc_wait_sw wait invalidate status write addr 0x1 data 2")
        self.assertEqual(self.noticed(), {"flush"})

    def test_one_global_invalidation(self):
        self.remove("vtd_inv_desc_iec granularity 0x1 index 0x11")
        self.replace("granularity 0x1 index 0x12 mask 0x0", "granularity 0x0 index 0x0 mask 0x0")
        self.assertEqual(self.noticed(), set())

    def test_invalidation_by_mask(self):
        self.remove("vtd_inv_desc_iec granularity 0x1 index 0x11")
        self.replace("index 0x12 mask 0x0", "index 0x10 mask 0x2")
        self.assertEqual(self.noticed(), set())

    def test_invalidation_after_the_jump_is_too_late(self):
        self.remove("vtd_inv_desc_iec granularity 0x1 index 0x12")
        self.add(104.5, "vtd_inv_desc_iec granularity 0x0 index 0x0 mask 0x0")
        self.assertEqual(self.noticed(), {"flush"})

    def test_device_not_masked(self):
        self.remove("ivshmem-doorbell enabled 1 masked 1")
        self.assertEqual(self.noticed(), {"blocked"})

    def test_device_masked_too_late(self):
        self.remove("ivshmem-doorbell enabled 1 masked 1")
        self.add(103.5, "msix_write_config dev ivshmem-doorbell enabled 1 masked 1")
        self.assertEqual(self.noticed(), {"blocked"})

    def test_entry_opened_by_the_old_kernel(self):
        self.add(103.5, "irte_write index 17 low 0x40021000d high 0x40100")
        self.assertEqual(self.noticed(), {"blocked"})

    def test_entry_opened_and_freed_again(self):
        self.add(103.5, "irte_write index 17 low 0x40021000d high 0x40100")
        self.add(103.6, "irte_write index 17 low 0x0 high 0x40100")
        self.assertEqual(self.noticed(), {"blocked"})

    def test_entry_opened_by_the_next_kernel_too_early(self):
        self.add(105.5, "irte_write index 18 low 0x80021000d high 0x40100")
        self.assertEqual(self.noticed(), {"blocked"})

    def test_entry_moved_before_it_is_closed(self):
        self.add(102.5, "irte_write index 18 low 0x0 high 0x0")
        self.add(102.6, "irte_write index 18 low 0x10021000d high 0x40100")
        self.assertEqual(self.noticed(), set())

    def test_entries_of_another_table(self):
        self.add(104.5, "irta_write table 0x500000 entries 65536")
        self.add(104.6, "irte_write index 17 low 0x10021000d high 0x40040")
        self.assertEqual(self.noticed(), {"table"})

    def test_entry_present_with_wrong_source(self):
        self.add(107.5, "irte_write index 17 low 0x40021000d high 0x40040")
        self.assertEqual(self.noticed(), {"source-id"})

    def test_entry_half_valid(self):
        self.add(107.5, "irte_write index 17 low 0x40021000d high 0x0")
        self.assertEqual(self.noticed(), {"source-id"})

    def test_stray_interrupt(self):
        self.add(105.5, "vtd_ir_remap_msi (addr 0xfee00258, data 0x0) -> "
                        "(addr 0xfee01000, data 0x4022)")
        self.assertEqual(self.noticed(), {"stray"})

    def test_interrupt_of_another_device(self):
        self.add(105.5, "vtd_ir_remap_msi (addr 0xfee00358, data 0x0) -> "
                        "(addr 0xfee01000, data 0x4022)")
        self.assertEqual(self.noticed(), set())

    def test_interrupt_through_another_table(self):
        self.add(104.5, "irta_write table 0x500000 entries 65536")
        self.add(105.5, "vtd_ir_remap_msi (addr 0xfee00258, data 0x0) -> "
                        "(addr 0xfee01000, data 0x4022)")
        self.assertEqual(self.noticed(), {"table"})

    def test_late_calls(self):
        for seconds in (102.5, 103.5, 103.6, 104.5):
            self.add(seconds, "call cpu 1")
        self.assertEqual(rules.late_calls(observe(self.lines)), 2)

    def test_fault(self):
        self.add(105.5, "vtd_dmar_fault sid 0x100 fault 0x22 addr 0x11 write 0")
        self.assertEqual(self.noticed(), {"faults"})


class AlteredLogOfMsi(Altering):
    """The same device, used with two messages of MSI, with mask bits."""

    changes = {
        "messages": [(0xfee00238, 0), (0xfee00238, 1)],
        "msi": {"pos": 0x50, "data": 0x5c, "mask": 0x60},
    }

    def setUp(self):
        super().setUp()
        self.remove("msix_write_config")
        self.remove("name 'msix-table'")
        self.config(101.5, 0x54, 0xfee00238)
        self.config(101.6, 0x52, 0x193)
        self.config(102.9, 0x60, 0x3)
        self.config(107.6, 0x54, 0xfee00238)
        self.config(107.7, 0x58, 0)
        self.config(107.8, 0x5c, 0)
        self.config(107.9, 0x52, 0x193)

    def config(self, seconds, offset, value, device="01:00.0"):
        self.add(seconds, f"pci_cfg_write edu {device} @{offset:#x} <- {value:#x}")

    def test_good_log(self):
        self.assertEqual(self.noticed(), set())

    def test_msi_disabled(self):
        self.config(105.5, 0x52, 0x192)
        self.assertEqual(self.noticed(), {"enable"})

    def test_msi_of_another_device_disabled(self):
        self.config(105.5, 0x52, 0x192, "00:08.0")
        self.assertEqual(self.noticed(), set())

    def test_msix_enabled_as_well(self):
        self.add(107.5, "msix_write_config dev ivshmem-doorbell enabled 1 masked 1")
        self.add(107.6, "msix_write_config dev ivshmem-doorbell enabled 1 masked 0")
        self.assertEqual(self.noticed(), {"one-type"})

    def test_msix_enabled_instead(self):
        self.config(107.4, 0x52, 0x192)
        self.remove("@0x52 <- 0x193")
        self.add(107.6, "msix_write_config dev ivshmem-doorbell enabled 1 masked 0")
        self.assertEqual(self.noticed(), {"enable"})

    def test_message_changed(self):
        for offset, value in (0x54, 0xfee00258), (0x58, 1), (0x5c, 2):
            with self.subTest(offset=offset):
                self.setUp()
                self.config(105.5, offset, value)
                self.assertEqual(self.noticed(), {"message"})

    def test_not_masked(self):
        self.remove("@0x60 <- 0x3")
        self.assertEqual(self.noticed(), {"blocked"})

    def test_one_message_not_masked(self):
        self.replace("@0x60 <- 0x3", "@0x60 <- 0x1")
        self.assertEqual(self.noticed(), {"blocked"})

    def test_masked_too_late(self):
        self.remove("@0x60 <- 0x3")
        self.config(103.5, 0x60, 0x3)
        self.assertEqual(self.noticed(), {"blocked"})

    def test_cannot_be_masked(self):
        self.changes = self.changes | {"msi": {"pos": 0x50, "data": 0x5c, "mask": 0}}
        self.remove("@0x60 <- 0x3")
        self.assertEqual(self.noticed(), set())

    def test_opened_too_early_without_mask(self):
        self.changes = self.changes | {"msi": {"pos": 0x50, "data": 0x5c, "mask": 0}}
        self.add(105.5, "irte_write index 18 low 0x80021000d high 0x40100")
        self.assertEqual(self.noticed(), {"blocked"})


class AlteredLogOfAmdvi(Altering):
    log = "handover-amd.log"
    changes = {
        "iommu": IOMMUS["amd"],
        "messages": [(0xfee00000, 0x11), (0xfee00000, 0x12)],
    }

    def control(self, seconds, value):
        self.add(seconds, "memory_region_ops_write cpu 0 mr 0x5600 addr 0xfed80018 "
                          f"value {value:#x} size 8 name 'amdvi-mmio'")

    def base(self, seconds, address, value, size):
        self.add(seconds, f"memory_region_ops_write cpu 0 mr 0x5600 addr {address:#x} "
                          f"value {value:#x} size {size} name 'amdvi-mmio'")

    def request(self, seconds, devid, entry, answer):
        for n, text in enumerate((f"remap_msi_req addr 0xfee00000 data 0x12 devid {devid:#x}",
                                  f"irte_ga_val hi 0x22 lo {entry:#x}", answer)):
            self.add(seconds + n / 1000, f"amdvi_ir_{text}")

    def test_good_log(self):
        self.assertEqual(self.noticed(), set())

    def test_unit_disabled(self):
        self.control(104.2, 0x482)
        self.assertEqual(self.noticed(), {"remapping", "translation"})

    def test_another_device_table(self):
        self.base(100.1, 0xfed80000, 0x12340001, 8)
        self.base(104.2, 0xfed80000, 0x12340001, 4)
        self.base(104.2, 0xfed80004, 0, 4)
        self.assertEqual(self.noticed(), set())
        self.base(104.2, 0xfed80004, 1, 4)
        self.assertEqual(self.noticed(), {"base"})

    def test_another_device_table_of_a_disabled_unit(self):
        self.base(100.1, 0xfed80000, 0x12340001, 8)
        self.control(104.1, 0x482)
        self.base(104.2, 0xfed80000, 0x56780001, 8)
        self.control(104.3, 0x483)
        self.assertEqual(self.noticed(), {"remapping", "translation"})

    def test_device_not_remapped(self):
        self.add(104.2, "dte_write remapped 0 table 0x24aa000")
        self.assertEqual(self.noticed(), {"remapping"})

    def test_no_invalidation(self):
        self.lines.remove(next(line for line in self.lines if "amdvi_all_inval" in line))
        self.assertEqual(self.noticed(), {"flush"})

    def test_invalidation_of_tables(self):
        self.replace("amdvi_all_inval Invalidation of all", "amdvi_intr_inval Invalidation of")
        self.assertEqual(self.noticed(), set())

    def test_invalidation_when_commands_are_off(self):
        self.control(103.0000025, 0xc000000030483)
        self.assertEqual(self.noticed(), {"flush"})

    def test_no_wait(self):
        self.remove("amdvi_completion_wait")
        self.assertEqual(self.noticed(), {"flush"})

    def test_entry_not_closed(self):
        self.remove("irte_write index 18 low 0x2 ")
        self.assertEqual(self.noticed(), {"flush"})

    def test_entry_reports_faults(self):
        self.replace("irte_write index 18 low 0x2 ", "irte_write index 18 low 0x0 ")
        self.assertEqual(self.noticed(), {"flush"})

    def test_entry_opened_too_early(self):
        self.add(105.5, "irte_write index 18 low 0x241 high 0x22")
        self.assertEqual(self.noticed(), {"blocked"})

    def test_device_gets_another_table(self):
        self.add(104.6, "irta_write table 0x5000 entries 512")
        self.assertEqual(self.noticed(), {"table"})

    def test_table_of_another_device(self):
        self.add(105.5, "alien_dte_write devid 0x40")
        self.assertEqual(self.noticed(), {"source-id"})

    def test_stray_interrupt(self):
        self.request(105.5, 0x0, 0x241, "remap_msi (addr 0xfee00000, data 0x12) -> "
                                        "(addr 0xfee02004, data 0x4022)")
        self.assertEqual(self.noticed(), {"stray"})

    def test_stray_interrupt_of_a_unit_which_is_off(self):
        self.add(104.4, "irta_write table 0x0 entries 0")
        self.add(105.5, "amdvi_ir_remap_msi_req addr 0xfee00000 data 0x12 devid 0x0")
        self.add(105.6, "amdvi_ir_remap_msi (addr 0xfee00000, data 0x12) -> "
                        "(addr 0xfee00000, data 0x12)")
        self.assertEqual(self.noticed(), {"stray", "table"})

    def test_the_same_message_of_another_device(self):
        self.request(105.5, 0x48, 0x241, "remap_msi (addr 0xfee00000, data 0x12) -> "
                                         "(addr 0xfee02004, data 0x4022)")
        self.assertEqual(self.noticed(), set())

    def test_interrupt_dropped_in_silence(self):
        self.request(105.5, 0x0, 0x2, "target_abort IRTE is not valid")
        self.assertEqual(self.noticed(), set())

    def test_interrupt_dropped_with_a_fault(self):
        self.request(105.5, 0x0, 0x0, "target_abort IRTE is not valid")
        self.assertEqual(self.noticed(), {"faults"})

    def test_dma_refused(self):
        self.add(105.5, "amdvi_page_fault error: page fault accessing guest physical address "
                        "0x1000")
        self.assertEqual(self.noticed(), {"faults"})

    def test_message_changed(self):
        self.add(105.5, "memory_region_ops_write cpu 1 mr 0x5500 addr 0xfe601008 "
                        "value 0x0 size 4 name 'msix-table'")
        self.assertEqual(self.noticed(), {"message"})


class Console(unittest.TestCase):
    COMPLAINTS = (
        "[    1.0] WARNING: CPU: 0 PID: 1 at kernel/irq/manage.c:1 free_irq+0x1/0x2",
        "[    1.0] BUG: KASAN: slab-use-after-free in foo+0x1/0x2",
        "[    1.0] BUG: sleeping function called from invalid context at mm/slab.h:1",
        "[    1.0] Oops: general protection fault",
        "[    1.0] INFO: possible recursive locking detected",
        "[    1.0] WARNING: possible circular locking dependency detected",
        "[    1.0] WARNING: suspicious RCU usage",
        "[    1.0] __common_interrupt: 0.33 No irq handler for vector",
        "[    1.0] DMAR: DRHD: handling fault status reg 2",
        "[    1.0] DMAR: [INTR-REMAP] Request device [01:00.0] fault index 0x11",
        "[    1.0] kmemleak: 1 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
        "unreferenced object 0xffff888100000000 (size 64):",
    )
    ORDINARY = (
        "[    0.8] **     NOTICE NOTICE NOTICE NOTICE NOTICE NOTICE NOTICE    **",
        "[    0.3] DMAR-IR: IRQ remapping was enabled on dmar0 but we are not in kdump mode",
        "[    0.3] DMAR-IR: Enabled IRQ remapping in x2apic mode",
        "[    0.0] kasan: KernelAddressSanitizer initialized (generic)",
        "[    0.0] Lock dependency validator: Copyright (c) 2006 Red Hat, Inc.",
        "[    0.9] clocksource: Watchdog remote CPU 2 read timed out",
    )

    def test_complaints(self):
        for line in self.COMPLAINTS:
            self.assertEqual(console.complaints(line), [line], line)

    def test_expected_warning(self):
        text = "\n".join((
            "[    1.0] WARNING: ../fs/proc/generic.c:742 at remove_proc_entry+0x1/0x2, CPU#0",
            "[    1.0] Tainted: [W]=WARN, [N]=TEST"))
        self.assertEqual(len(console.complaints(text)), 2)
        self.assertEqual(len(console.complaints(text, ("kho_add_subtree",))), 1)
        self.assertEqual(console.complaints(text, ("remove_proc_entry",)), [])

    def test_ordinary_lines(self):
        self.assertEqual(console.complaints("\n".join(self.ORDINARY)), [])


if __name__ == "__main__":
    unittest.main()

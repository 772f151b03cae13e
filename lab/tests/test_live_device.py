# SPDX-License-Identifier: GPL-2.0-only
"""The log shows what was in flight, and whether the device was left alone."""

import unittest
from dataclasses import replace

from judge import live_device
from judge import rules
from machine import qemulog
from tests import logs

# Queue 1 completes one I/O before the jump, one in the blackout, one after; queue 2 has one left.
LOG = """\
1@10.000000:pci_nvme_mmio_cfg wrote MMIO, config controller config=0x460001
1@11.000000:pci_nvme_io_cmd cid 1 nsid 0x1 sqid 1 opc 0x2 opname 'NVME_NVM_CMD_READ'
1@11.000000:pci_nvme_io_cmd cid 2 nsid 0x1 sqid 1 opc 0x1 opname 'NVME_NVM_CMD_WRITE'
1@11.000000:pci_nvme_io_cmd cid 3 nsid 0x1 sqid 1 opc 0x2 opname 'NVME_NVM_CMD_READ'
1@11.000000:pci_nvme_io_cmd cid 1 nsid 0x1 sqid 2 opc 0x2 opname 'NVME_NVM_CMD_READ'
1@12.000000:pci_nvme_enqueue_req_completion cid 1 cqid 1 dw0 0x0 dw1 0x0 status 0x0
1@21.000000:msix_write_config dev nvme enabled 1 masked 1
1@22.000000:pci_nvme_enqueue_req_completion cid 2 cqid 1 dw0 0x0 dw1 0x0 status 0x0
1@23.000000:msix_write_config dev nvme enabled 1 masked 0
1@24.000000:pci_nvme_enqueue_req_completion cid 3 cqid 1 dw0 0x0 dw1 0x0 status 0x0
"""


# Two virtual functions are enabled, the control register is at 0x128
SRIOV_LOG = """\
1@10.000000:pci_cfg_write nvme 01:00.0 @0x144 <- 0xfe000004
1@10.000000:pci_cfg_write nvme 01:00.0 @0x128 <- 0x10
1@11.000000:pci_cfg_write nvme 01:00.0 @0x130 <- 0x2
1@11.000000:pci_cfg_write nvme 01:00.0 @0x128 <- 0x19
"""


def observe(log, start=20.0, sriov=0):
    return rules.Observation(
        events=[event for event in map(logs.parse, log.splitlines()) if event],
        start=start, rearm=30.0, end=30.0, model="nvme", device="01:00.0", bridges=[],
        table=0, numbers=[], messages=[], irtes=[], sriov=sriov)


class Flight(unittest.TestCase):
    def test_in_flight(self):
        flight = live_device.flight(observe(LOG))
        self.assertEqual(flight, live_device.Flight(queues={1: 2, 2: 1}, landed=1))

    def test_goes_on_from_before(self):
        events = observe(LOG).events
        self.assertEqual(qemulog.in_flight(events[4:], qemulog.in_flight(events[:4])),
                         qemulog.in_flight(events))

    def test_never_let_go(self):
        self.assertEqual(live_device.flight(observe(LOG, start=22.0)).total(), 0)


class VirtualFunctions(unittest.TestCase):
    def judged(self, *writes):
        lines = [f"1@25.0:pci_cfg_write nvme {write}" for write in writes]
        return live_device.virtual_functions_stay(
            observe(SRIOV_LOG + "\n".join(lines), sriov=0x128))

    def test_sized(self):
        verdict = self.judged("01:00.0 @0x128 <- 0x11", "01:00.0 @0x144 <- 0xffffffff",
                              "01:00.0 @0x144 <- 0xfe000004", "01:00.0 @0x128 <- 0x19")
        self.assertFalse(verdict.broken())
        self.assertEqual(verdict.evidence, 1)

    def test_of_another_device(self):
        self.assertFalse(self.judged("00:08.0 @0x128 <- 0x0").broken())

    def test_of_the_physical_function(self):
        seen = replace(observe(SRIOV_LOG + "1@25.0:pci_cfg_write nvme 01:00.0 @0x128 <- 0x18",
                               sriov=0x128), device="01:00.1", physical="01:00.0")
        verdict = live_device.virtual_functions_stay(seen)
        self.assertTrue(verdict.broken())
        self.assertEqual(verdict.evidence, 1)

    def test_disabled_for_a_moment(self):
        self.assertTrue(self.judged("01:00.0 @0x128 <- 0x18", "01:00.0 @0x128 <- 0x19").broken())

    def test_left_without_memory(self):
        self.assertTrue(self.judged("01:00.0 @0x128 <- 0x11").broken())

    def test_moved(self):
        self.assertTrue(self.judged("01:00.0 @0x144 <- 0xfd000004").broken())

    def test_address_that_was_never_written(self):
        verdict = self.judged("01:00.0 @0x148 <- 0xfd000004")
        self.assertEqual(verdict.wrong, ["SR-IOV of 01:00.0: +0x20 is 0xfd000004, "
                                         "never written before"])

    def test_counted(self):
        self.assertTrue(self.judged("01:00.0 @0x130 <- 0x2").broken())

    def test_page_size(self):
        self.assertTrue(self.judged("01:00.0 @0x140 <- 0x1").broken())

    def test_never_enabled(self):
        verdict = live_device.virtual_functions_stay(observe(LOG, sriov=0x128))
        self.assertEqual(verdict.evidence, 0)

    def test_not_used(self):
        self.assertTrue(live_device.virtual_functions_stay(observe(SRIOV_LOG)).not_judged)


class LeftAlone(unittest.TestCase):
    def noticed(self, *lines):
        found = live_device.judge(observe(LOG + "\n".join(lines)))
        return {name for name, verdict in found.items() if verdict.broken()}

    def test_left_alone(self):
        self.assertEqual(self.noticed(), set())

    def test_configured(self):
        self.assertEqual(self.noticed("1@25.0:pci_nvme_mmio_cfg wrote MMIO, config controller "
                                      "config=0x460000"), {"reset"})

    def test_reset(self):
        self.assertEqual(self.noticed("1@25.0:pci_nvme_pci_reset PCI Function Level Reset"),
                         {"reset"})

    def test_network_card_reset(self):
        self.assertEqual(self.noticed("1@25.0:e1000e_core_ctrl_sw_reset Doing SW reset"), {"reset"})

    def test_disabled(self):
        self.assertEqual(self.noticed("1@25.0:msix_write_config dev nvme enabled 0 masked 0"),
                         {"enable"})


if __name__ == "__main__":
    unittest.main()

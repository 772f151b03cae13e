# SPDX-License-Identifier: GPL-2.0-only
"""Judges what becomes of a device that keeps working through a live update, by QEMU's trace.

There are no decoys in the machine, because the events do not name their device.
"""

from dataclasses import dataclass, field

from judge import config_space
from judge import rules
from judge.verdict import Verdict
from machine import qemulog

# Rules of judge/rules.py which need to know nothing but the device
RULES = ("remapping", "enable", "bus-master", "faults", "translation", "dma-entry")

# Rules for which the number of updates does not matter
CHAIN_RULES = ("remapping", "enable", "bus-master", "faults", "translation")

# PCIe r6.0 sec 9.3.3, from the control register on: VF Enable, NumVFs and System Page Size, the
# addresses
SRIOV_ENABLE = 1 << 0
SRIOV_FIXED = (0x08, 0x18)
SRIOV_ADDRESSES, SRIOV_END = 0x1c, 0x34

RESETS = ("pci_nvme_mmio_cfg", "pci_nvme_mmio_start_success", "pci_nvme_mmio_stopped",
          "pci_nvme_mmio_shutdown_set", "pci_nvme_pci_reset",
          "e1000e_core_ctrl_sw_reset", "e1000e_cb_qdev_reset_hold")


@dataclass
class Flight:
    """The I/O that was in flight when the old kernel let go of an NVMe controller.

    queues: number of I/Os by queue
    landed: how many of them were completed, or aborted, before the vectors were armed again
    """

    queues: dict = field(default_factory=dict)
    landed: int = 0

    def total(self):
        return sum(self.queues.values())


def flight(seen):
    release = qemulog.Release(seen.model)
    block = next((n for n, event in enumerate(seen.events)
                  if event.time >= seen.start and release.seen_in(event)), None)
    if block is None:
        return Flight()
    armed = next((n for n, event in enumerate(seen.events[block:], block)
                  if event.name == "msix_write_config"
                  and event.text == f"dev {seen.model} enabled 1 masked 0"), None)
    flying = qemulog.in_flight(seen.events[:block])
    queues = sorted(queue for queue, _ in flying)
    return Flight(queues={queue: queues.count(queue) for queue in queues},
                  landed=len(flying - qemulog.in_flight(seen.events[:armed])))


def not_reset(seen):
    """Nobody configures, starts, stops or resets the device."""
    return Verdict([f"{event.name} {event.text}" for event in seen.window(*RESETS)],
                   len(seen.before(*RESETS)))


def virtual_functions_stay(seen):
    """VF Enable is never cleared, and what it depends on is not written. The addresses of the
    virtual functions are sized while their memory is disabled, and are the same again
    afterwards."""
    if not seen.sriov:
        return Verdict(not_judged="the device has no virtual functions")
    control, addresses = seen.sriov, range(seen.sriov + SRIOV_ADDRESSES, seen.sriov + SRIOV_END, 4)
    fixed = [seen.sriov + offset for offset in SRIOV_FIXED]
    device = seen.physical or seen.device
    before = {offset: value for _, offset, value in seen.config_writes(seen.before(), device)}
    wrong, after = [], {}
    for _, offset, value in seen.config_writes(seen.window("pci_cfg_write"), device):
        if offset in fixed or offset == control and not value & SRIOV_ENABLE:
            wrong.append(f"SR-IOV of {device}: {offset - control:+#x} written {value:#x}")
        if offset in addresses or offset == control:
            after[offset] = value
    wrong += [f"SR-IOV of {device}: {offset - control:+#x} is {value:#x}, "
              f"{config_space.was(before, offset)}"
              for offset, value in after.items() if value != before.get(offset)]
    return Verdict(wrong, before.get(control, 0) & SRIOV_ENABLE)


def judge_rules(seen, names=RULES):
    return {name: rules.RULES[name](seen) for name in names}


def judge(seen):
    return judge_rules(seen) | {"reset": not_reset(seen),
                                "virtual-functions": virtual_functions_stay(seen)}


def judge_chain(seen):
    return judge_rules(seen, CHAIN_RULES) | {"reset": not_reset(seen),
                                             "virtual-functions": virtual_functions_stay(seen)}

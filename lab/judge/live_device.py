# SPDX-License-Identifier: GPL-2.0-only
"""What becomes of a device which works through a live update, by QEMU's trace.

There are no decoys in the machine, because the events do not say whose they are.
"""

from dataclasses import dataclass, field

from judge import rules
from judge.verdict import Verdict
from machine import qemulog

# Those of judge/rules.py for which it is enough to know the device
RULES = ("remapping", "enable", "bus-master", "faults", "translation", "dma-entry")

# Those of which it does not matter how many updates there were
CHAIN_RULES = ("remapping", "enable", "bus-master", "faults", "translation")

RESETS = ("pci_nvme_mmio_cfg", "pci_nvme_mmio_start_success", "pci_nvme_mmio_stopped",
          "pci_nvme_mmio_shutdown_set", "pci_nvme_pci_reset",
          "e1000e_core_ctrl_sw_reset", "e1000e_cb_qdev_reset_hold")


@dataclass
class Flight:
    """The I/O which was in flight when the old kernel let go of an NVMe controller.

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


def judge_rules(seen, names=RULES):
    return {name: rules.RULES[name](seen) for name in names}


def judge(seen):
    return judge_rules(seen) | {"reset": not_reset(seen)}


def judge_chain(seen):
    return judge_rules(seen, CHAIN_RULES) | {"reset": not_reset(seen)}

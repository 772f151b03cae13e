# SPDX-License-Identifier: GPL-2.0-only
"""The devices a scenario can hand over, and how their interrupts are raised from outside."""

from dataclasses import dataclass

# igb: interrupt cause read, cause set, mask set; one of the causes
IGB_ICR, IGB_ICS, IGB_IMS = 0xc0, 0xc8, 0xd0
IGB_CAUSE = 1 << 2


@dataclass(frozen=True)
class Device:
    """A device under test; its name is QEMU's.

    options: further options, {vectors} stands for the number of vectors
    msi: it is used with MSI, not with MSI-X
    ring: accesses to its registers that raise its only interrupt, each a command of
        QEMU's test protocol, an offset and what is written; none: it is an ivshmem device
    """

    options: str = ""
    msi: bool = False
    ring: tuple = ()


DEVICES = {
    "ivshmem-doorbell": Device(options=",vectors={vectors},chardev=doorbell"),
    "edu": Device(msi=True, ring=(("writel", 0x60, 1),)),
    "igb": Device(options=",romfile=", msi=True,
                  ring=(("readl", IGB_ICR), ("writel", IGB_IMS, IGB_CAUSE),
                        ("writel", IGB_ICS, IGB_CAUSE))),
}

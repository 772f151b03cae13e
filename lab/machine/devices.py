# SPDX-License-Identifier: GPL-2.0-only
"""The devices a scenario can hand over, and how their interrupts are raised from outside."""

from dataclasses import dataclass

# igb: interrupt cause read, cause set, mask set; one of the causes
IGB_ICR, IGB_ICS, IGB_IMS = 0xc0, 0xc8, 0xd0
IGB_CAUSE = 1 << 2

# igbvf: the same, with a bit for each of its vectors; the mailbox, which is general-purpose memory
IGBVF_EICS, IGBVF_EIMS, IGBVF_EIAC = 0x1520, 0x1524, 0x152c
IGBVF_VECTORS = 0b111
IGBVF_MAILBOX = 0x800

# xHCI 1.2 sec 5.4.1 and 5.5.2, at QEMU's offsets: a command register, and for each message an
# interrupter, with an event ring. An interrupter raises its message when its event handler is no
# longer busy with an event while the dequeue pointer says that there is another one.
XHCI_COMMAND, XHCI_COMMAND_INTE = 0x40, 1 << 2
XHCI_INTERRUPTERS, XHCI_INTERRUPTER_BYTES = 0x1020, 0x20
XHCI_IMAN, XHCI_IMAN_IE = 0x00, 1 << 1
XHCI_ERSTSZ, XHCI_ERSTBA, XHCI_ERDP, XHCI_ERDP_EHB = 0x08, 0x10, 0x18, 1 << 3
XHCI_TRB_BYTES, XHCI_MESSAGES = 16, 16

# Linux does not use the first 64 KiB. Here: the segment table of a ring, and the ring.
LOW_MEMORY, RING, RING_TRBS = 0x2000, 0x3000, 16


def _interrupter(number, register):
    return XHCI_INTERRUPTERS + number * XHCI_INTERRUPTER_BYTES + register


def _xhci_set_up():
    yield "writel", XHCI_COMMAND, XHCI_COMMAND_INTE
    for number in range(XHCI_MESSAGES):
        yield "writel", _interrupter(number, XHCI_IMAN), XHCI_IMAN_IE
        yield "writel", _interrupter(number, XHCI_ERSTSZ), 1
        yield "writeq", _interrupter(number, XHCI_ERSTBA), LOW_MEMORY


@dataclass(frozen=True)
class Device:
    """A device under test.

    model: QEMU's name of it, if that differs from its name here
    function: address and QEMU's name of the virtual function that is used instead, and
        whose physical function another program owns
    before: devices that it needs, as QEMU's -device takes them
    options: further options, {vectors} stands for the number of vectors
    msi: it is used with MSI, not with MSI-X
    ring: accesses to its registers that raise an interrupt, each a command of QEMU's
        test protocol, an offset and the value to write; none: it is an ivshmem device,
        or not used by the VMM
    stride: bytes from these registers of one vector to those of the next one
    bits: whether the value to write is the bit of the vector
    numbers: memory of the device, a word for each vector, in which the rings are numbered
    set_up: accesses to its registers after a reset, before it can be rung
    memory: accesses to memory that are made before those
    cable: it is a network card, see machine/frames.py for the other end
    virtual_functions: where the control register of its SR-IOV capability is, 0 if it has none
        that are used
    virtual: QEMU's name of its first virtual function, if that is handed over and not the
        device, and a program of the guest uses it
    """

    model: str = ""
    function: tuple = ()
    before: tuple = ()
    options: str = ""
    msi: bool = False
    ring: tuple = ()
    stride: int = 0
    bits: bool = False
    numbers: int = 0
    set_up: tuple = ()
    memory: tuple = ()
    cable: bool = False
    virtual_functions: int = 0
    virtual: str = ""


# The physical function and two of four virtual functions each have as many queues and vectors as
# "nvme"
NVME_SRIOV = (",sriov_max_vfs=4,sriov_vq_flexible=12,sriov_vi_flexible=12"
              ",sriov_max_vq_per_vf=6,sriov_max_vi_per_vf=6")

# Another name of the same model, by which the trace tells a virtual function from the physical one
VIRTIO_VF = "virtio-net-pci-non-transitional"
VIRTIO_OPTIONS = "romfile=,iommu_platform=on"

DEVICES = {
    "ivshmem-doorbell": Device(options=",vectors={vectors},chardev=doorbell"),
    "edu": Device(msi=True, ring=(("writel", 0x60, 1),)),
    "igb": Device(options=",romfile=", msi=True,
                  ring=(("readl", IGB_ICR), ("writel", IGB_IMS, IGB_CAUSE),
                        ("writel", IGB_ICS, IGB_CAUSE))),
    "nec-usb-xhci": Device(options=",msi=on,msix=off", msi=True,
                           ring=(("writel", _interrupter(0, XHCI_ERDP),
                                  RING + XHCI_TRB_BYTES | XHCI_ERDP_EHB),),
                           stride=XHCI_INTERRUPTER_BYTES, set_up=tuple(_xhci_set_up()),
                           memory=(("writeq", LOW_MEMORY, RING),
                                   ("writeq", LOW_MEMORY + 8, RING_TRBS))),
    "igbvf": Device(model="igb", function=("0000:01:10.0", "igbvf"), options=",romfile=",
                    ring=(("writel", IGBVF_EICS),), bits=True, numbers=IGBVF_MAILBOX,
                    set_up=(("writel", IGBVF_EIAC, IGBVF_VECTORS),
                            ("writel", IGBVF_EIMS, IGBVF_VECTORS)),
                    virtual_functions=0x168),
    "igb-sriov": Device(model="igb", options=",romfile=,netdev=cable", cable=True,
                        virtual_functions=0x168),
    "e1000e": Device(options=",romfile=,netdev=cable", cable=True),
    "nvme": Device(options=",id=nvme0,serial=lab,max_ioqpairs=5,msix_qsize={vectors}"),
    "nvme-sriov": Device(model="nvme", before=("nvme-subsys,id=storage",),
                         options=",id=nvme0,subsys=storage,serial=lab,max_ioqpairs=17"
                                 ",msix_qsize=18" + NVME_SRIOV,
                         virtual_functions=0x128),
    "virtio-net-sriov": Device(model="virtio-net-pci",
                               before=(f"{VIRTIO_VF},bus=path,addr=0.1,sriov-pf=pf,netdev=cable,"
                                       + VIRTIO_OPTIONS,
                                       f"{VIRTIO_VF},bus=path,addr=0.2,sriov-pf=pf,"
                                       + VIRTIO_OPTIONS),
                               options=",id=pf,addr=0.0," + VIRTIO_OPTIONS, cable=True,
                               virtual_functions=0x108, virtual=VIRTIO_VF),
}


def model(name):
    """QEMU's name of a device."""
    return DEVICES[name].model or name


def used(name):
    """QEMU's name of the function that is used, in the trace."""
    device = DEVICES[name]
    return device.function[1] if device.function else device.virtual or model(name)

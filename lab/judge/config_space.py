# SPDX-License-Identifier: GPL-2.0-only
"""What the next kernel may write to the configuration space of a device that is running.

From the jump until its owner arms its vectors again, the device may have requests under way. Every
register of the device and of the bridges above it that is written meanwhile has a check here,
which says what may change. A register without a check must not be written. The reasons are in the
documentation, "What does the next kernel write to a device that is running?". Bus mastering, MSI
and MSI-X have judges of their own.
"""

from judge.verdict import Verdict


def _anything(_value, _before):
    """For status bits that are cleared by writing ones, and for what concerns only the port
    itself."""
    return True


def _same_but(mask, reset=None):
    """Only these bits may change. A register that the old kernel has never written has its value
    after a reset. If the specification does not say what that is, nobody knows what would be the
    same, and the register must not be written. In the traces of live updates of ivshmem and of NVMe
    the next kernel writes no such register of the device or of its port, unless it is of another
    version."""
    def check(value, before):
        before = reset if before is None else before
        return before is not None and not (value ^ before) & ~mask
    return check


def _without(mask):
    return lambda value, _before: not value & mask


# Command: I/O Space, Memory Space, INTx Disable; Bus Master has a judge
HEADER = {0x04: _same_but(0x407), 0x06: _anything, 0x3c: _anything}

# Bus numbers, Secondary Status, Bridge Control without Secondary Bus Reset
BRIDGE = HEADER | {0x18: _same_but(0), 0x19: _same_but(0), 0x1a: _same_but(0), 0x1e: _anything,
                   0x3e: _without(0x40)}

# These are sized, or disabled, and written again. Only the final value counts, and it has to be the
# one before: each of these was written before, because firmware and kernels size them all.
DEVICE_ADDRESSES = (0x10, 0x14, 0x18, 0x1c, 0x20, 0x24, 0x30)
BRIDGE_ADDRESSES = (0x10, 0x14, 0x1c, 0x20, 0x24, 0x28, 0x2c, 0x30, 0x38)


def _express(pos):
    return {pos + 0x08: _same_but(0x000f),     # Device Control: error reporting
            pos + 0x0a: _anything,             # Device Status
            pos + 0x10: _same_but(0x0d63),     # Link Control: ASPM, clocks, Retrain, interrupts
            pos + 0x12: _anything,             # Link Status
            pos + 0x18: _anything,             # Slot Control
            pos + 0x1a: _anything,             # Slot Status
            pos + 0x1c: _anything,             # Root Control
            pos + 0x20: _anything,             # Root Status
            pos + 0x28: _same_but(0x0400)}     # Device Control 2: LTR


def _msi(pos):
    return {pos + offset: _anything for offset in (0x02, 0x04, 0x08, 0x0c, 0x10)}


def _msix(pos):
    return {pos + 0x02: _anything}


def _error_reporting(pos):
    return {pos + 0x04: _anything,             # Uncorrectable Error Status
            pos + 0x10: _anything,             # Correctable Error Status
            # Correctable Error Mask: Advisory Non-Fatal Error. After a reset that, internal errors
            # and overflows of the header log are masked (PCIe r7.0, sec 7.8.4.6). Linux 7.2 never
            # writes it.
            pos + 0x14: _same_but(0x2000, reset=0xe000)}


def _root_error_reporting(pos):
    return _error_reporting(pos) | {pos + 0x2c: _anything,     # Root Error Command
                                    pos + 0x30: _anything}     # Root Error Status


def _access_control(pos):
    return {pos + 0x06: _same_but(0)}


def _virtual_functions(pos):
    """The functions that this rule judges have no virtual functions enabled: VF Enable stays clear,
    and without it their number, their page size and their addresses mean nothing."""
    return {pos + 0x08: _without(0x1),
            pos + 0x10: _anything,
            pos + 0x20: _anything} | {pos + address: _anything for address in range(0x24, 0x3c, 4)}


# Where QEMU's models have their capabilities
CAPABILITIES = {
    "igb": _msix(0x70) | _express(0xa0) | _error_reporting(0x100) | _virtual_functions(0x160),
    "igbvf": _msix(0x70) | _express(0xa0) | _error_reporting(0x100),
    "ivshmem-doorbell": _msix(0x40),
    "nec-usb-xhci": _msix(0x90) | _express(0xa0),
    "pcie-root-port": _msix(0x48) | _express(0x54) | _root_error_reporting(0x100)
                      | _access_control(0x148),
}


def _last_written(seen, address):
    """Value of each register of the device before the jump."""
    values = {}
    for event in seen.events:
        if event.time >= seen.start:
            break
        if event.name == "pci_cfg_write":
            _, written, offset, value = event.config_write()
            if written == address:
                values[offset] = value
    return values


def was(before, offset):
    return f"was {before[offset]:#x}" if offset in before else "never written before"


def _judge_device(seen, address, header, addresses):
    wrong = []
    before = _last_written(seen, address)
    after = {}
    for event in seen.window("pci_cfg_write", until=seen.armed()):
        model, written, offset, value = event.config_write()
        if written != address:
            continue
        if offset in addresses:
            after[offset] = value
            continue
        permitted = (header | CAPABILITIES.get(model, {})).get(offset)
        if not permitted or not permitted(value, before.get(offset)):
            wrong.append(f"{model} {address}: {offset:#x} written {value:#x}, "
                         f"{was(before, offset)}")
    wrong += [f"{address}: address at {offset:#x} is {value:#x}, {was(before, offset)}"
              for offset, value in after.items() if value != before.get(offset)]
    return wrong


def only_known_writes(seen):
    """Nothing that the requests of the running device depend on is written, in the device or on its
    path. The evidence is the writes that enumeration cannot do without."""
    device = HEADER | (_msi(seen.msi["pos"]) if seen.msi else {})
    wrong = _judge_device(seen, seen.device, device, DEVICE_ADDRESSES)
    for bridge in seen.bridges:
        wrong += _judge_device(seen, bridge, BRIDGE, BRIDGE_ADDRESSES)
    writes = seen.window("pci_cfg_write", until=seen.armed())
    return Verdict(wrong, sum(1 for _ in seen.config_writes(writes)))

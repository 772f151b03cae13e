# SPDX-License-Identifier: GPL-2.0-only
"""Judges a run from outside the guest, by QEMU's trace.

Every judge is a function of an Observation and returns what it found wrong, as
a list of sentences; an empty list means that its rule held.
"""

from dataclasses import dataclass, field

from machine.iommu import IOMMUS
from machine.qemulog import IRTE_PRESENT

COMMAND = 4
COMMAND_BUS_MASTER = 1 << 2

TABLE_ENTRY_BYTES = 16
TABLE_MESSAGE_BYTES = 12

MSI_CONTROL = 2  # in the MSI capability, as are the two below
MSI_ADDRESS_LOW = 4
MSI_ADDRESS_HIGH = 8
MSI_CONTROL_ENABLE = 1 << 0


@dataclass
class Observation:
    """A log, and what the lab knows about the run that wrote it.

    events: all events, from power-on
    start, rearm, end: times of the old kernel's shutdown, of the next kernel's
        VMM arming its vectors, and of the last thing that counts
    model, device, bridges: QEMU's name of the device, its address, the
        addresses of the bridges on its path (bus:slot.function)
    table: physical address of the MSI-X table
    msi: of a device that is used with MSI, the offsets in its configuration space of
        the capability ("pos"), the message data and the mask bits (0: it has none)
    numbers: of the vectors that the old kernel has armed
    messages: per such vector (address, data) in the old kernel
    irtes: per such vector the index of its remapping entry in the old kernel
    iommu: what the log says about interrupt remapping, see machine/iommu.py
    """

    events: list
    start: float
    rearm: float
    end: float
    model: str
    device: str
    bridges: list
    table: int
    numbers: list
    messages: list
    irtes: list
    msi: dict = field(default_factory=dict)
    iommu: object = IOMMUS["intel"]

    def config_writes(self, until=None):
        """(event, offset, value) of the writes to the device's configuration space."""
        for event in self.window("pci_cfg_write", until=until):
            _, address, offset, value = event.config_write()
            if address == self.device:
                yield event, offset, value

    def window(self, *names, until=None):
        """Events of the given names, or all, from the shutdown on."""
        until = until or self.end
        return [e for e in self.events
                if (not names or e.name in names) and self.start <= e.time <= until]


def remapping_stays_enabled(seen):
    """Interrupt remapping is never disabled."""
    return [f"interrupt remapping off: {event.name} {event.text}" for event in seen.window()
            if seen.iommu.switches_remapping_off(event)]


def msi_stays_enabled(seen):
    """MSI Enable, or MSI-X Enable, of the device is never cleared."""
    if seen.msi:
        return [f"MSI control of {seen.device} written: {value:#x}"
                for _, offset, value in seen.config_writes()
                if offset == seen.msi["pos"] + MSI_CONTROL and not value & MSI_CONTROL_ENABLE]
    return [f"MSI-X control of {seen.device} written: {event.text}"
            for event in seen.window("msix_write_config")
            if event.text.startswith(f"dev {seen.model} enabled 0")]


def one_type_at_a_time(seen):
    """MSI-X is never enabled and unmasked while MSI is enabled, as it is at first."""
    wrong = []
    msi = bool(seen.msi)
    for event in seen.window("pci_cfg_write", "msix_write_config"):
        if event.name == "msix_write_config":
            if msi and event.text == f"dev {seen.model} enabled 1 masked 0":
                wrong.append(f"MSI-X of {seen.device} enabled while MSI is enabled")
            continue
        _, address, offset, value = event.config_write()
        if seen.msi and address == seen.device and offset == seen.msi["pos"] + MSI_CONTROL:
            msi = bool(value & MSI_CONTROL_ENABLE)
    return wrong


def bus_mastering_stays_on(seen):
    """Bus mastering is never cleared on the device or a bridge above it."""
    wrong = []
    for event in seen.window("pci_cfg_write"):
        _, address, offset, value = event.config_write()
        if address not in (seen.device, *seen.bridges) or offset != COMMAND:
            continue
        if not value & COMMAND_BUS_MASTER:
            wrong.append(f"COMMAND of {address} written {value:#x}: bus mastering off")
    return wrong


def _table_words(event):
    """The (address, value) of each 32-bit word that an MSI-X table write stores."""
    numbers = event.numbers()
    for byte in range(0, numbers["size"], 4):
        yield numbers["addr"] + byte, numbers["value"] >> 8 * byte & 0xffffffff


def _msi_message_stays(seen):
    address, data = seen.messages[0]
    words = {seen.msi["pos"] + MSI_ADDRESS_LOW: address & 0xffffffff,
             seen.msi["pos"] + MSI_ADDRESS_HIGH: address >> 32,
             seen.msi["data"]: data}
    return [f"message word at {offset:#x} written {value:#x}, was {words[offset]:#x}"
            for _, offset, value in seen.config_writes()
            if value != words.get(offset, value)]


def messages_stay(seen):
    """No write changes an address or data word of an armed vector."""
    if seen.msi:
        return _msi_message_stays(seen)
    wrong = []
    words = {}
    table_end = seen.table + (max(seen.numbers) + 1) * TABLE_ENTRY_BYTES
    for event in seen.events:
        if event.name != "memory_region_ops_write" or event.time > seen.end:
            continue
        for address, value in _table_words(event):
            if not seen.table <= address < table_end:
                continue
            vector, offset = divmod(address - seen.table, TABLE_ENTRY_BYTES)
            before = words.get(address)
            words[address] = value
            if event.time < seen.start or offset >= TABLE_MESSAGE_BYTES or value == before:
                continue
            if vector not in seen.numbers:
                continue
            wrong.append(f"vector {vector}: message word {offset // 4} "
                         f"written {value:#x}, was {before or 0:#x}")
    return wrong


class _Block:
    """The old kernel's closing of the device's remapping entries, found in the trace.

    An entry is closed by the first write, from the shutdown on, that leaves it
    not present with fault reporting suppressed; one that is merely freed has
    both bits clear. The old kernel is gone when the unit's queue of commands is
    switched off, by itself or by the next kernel.

    until: when that was
    masked: when the device was last masked before, or None
    closing: per closed index the position of the closing write in the log
    """

    def __init__(self, seen):
        self.until = min((e.time for e in seen.window()
                          if seen.iommu.switches_queue_off(e)), default=seen.rearm)
        self.masked = max(self._masked(seen), default=None)
        self.closing = {}
        for position, event in enumerate(seen.events):
            if event.name != "irte_write" or not seen.start <= event.time <= self.until:
                continue
            index = event.numbers()["index"]
            if event.closes_entry() and index in seen.irtes:
                self.closing.setdefault(index, position)

    def _masked(self, seen):
        if seen.msi:
            every = (1 << len(seen.messages)) - 1
            return [event.time for event, offset, value in seen.config_writes(self.until)
                    if offset == seen.msi["mask"] and value & every == every]
        return [e.time for e in seen.window("msix_write_config", until=self.until)
                if e.text == f"dev {seen.model} enabled 1 masked 1"]


def _of_this_table(seen):
    """Position and event, up to when another remapping table replaces the old kernel's."""
    table = None
    for position, event in enumerate(seen.events):
        if event.name == "irta_write":
            if event.time > seen.start and event.numbers()["table"] != table:
                return
            table = event.numbers()["table"]
        yield position, event


def table_stays(seen):
    """The remapping table of the device is never another one."""
    tables = [(event, event.numbers()["table"]) for event in seen.events
              if event.name == "irta_write" and event.time <= seen.end]
    old = [table for event, table in tables if event.time < seen.start]
    return [f"remapping table at {table:#x}, was at {old[-1]:#x}" for event, table in tables
            if event.time >= seen.start and table != old[-1]]


def _entry_writes(seen, until):
    """(position, index, low, high) of each write to an entry of the device, from the shutdown."""
    for position, event in _of_this_table(seen):
        if event.name != "irte_write" or not seen.start <= event.time <= until:
            continue
        numbers = event.numbers()
        if numbers["index"] in seen.irtes:
            yield position, numbers["index"], numbers["low"], numbers["high"]


def block_is_flushed(seen):
    """After an entry was closed its cache is invalidated, and that is waited for."""
    block = _Block(seen)
    wrong = [f"IRTE {index}: not closed before the jump"
             for index in seen.irtes if index not in block.closing]
    for index, position in block.closing.items():
        rest = [e for e in seen.events[position + 1:] if e.time <= block.until]
        flushed = next((n for n, e in enumerate(rest) if seen.iommu.invalidates(e, index)), None)
        if flushed is None:
            wrong.append(f"IRTE {index}: not invalidated after it was closed")
        elif not any(seen.iommu.waits(e) for e in rest[flushed:]):
            wrong.append(f"IRTE {index}: its invalidation was not waited for")
    return wrong


def blocked_stays_blocked(seen):
    """The device is masked first, if it can be; a closed entry stays so until it is armed."""
    block = _Block(seen)
    can_mask = not seen.msi or seen.msi["mask"]
    if can_mask and block.masked is None:
        return ["the device was not masked before the jump"]
    wrong = [f"IRTE {index}: closed before the device was masked"
             for index, position in block.closing.items()
             if can_mask and seen.events[position].time < block.masked]
    for position, index, low, _ in _entry_writes(seen, seen.rearm):
        if low & IRTE_PRESENT and position > block.closing.get(index, position):
            wrong.append(f"IRTE {index}: opened before its vector was armed")
    return wrong


def entries_are_whole(seen):
    """Once closed, no entry is ever present with another source-id than its device's."""
    block = _Block(seen)
    opened = [(index, high) for position, index, low, high in _entry_writes(seen, seen.end)
              if low & IRTE_PRESENT and position > block.closing.get(index, 0)]
    return seen.iommu.wrong_sources(seen, opened)


def nothing_stray(seen):
    """From the block until the vectors are armed again no interrupt of the device arrives.

    Where all devices share a table, a next kernel with another one gives the same message to
    other devices.
    """
    block = _Block(seen)
    if not block.closing:
        return ["nothing was blocked before the jump"]
    closed = max(seen.events[position].time for position in block.closing.values())
    events = (seen.events if seen.iommu.table_per_device
              else (event for _, event in _of_this_table(seen)))
    return [f"message {event.text}" for event, message in seen.iommu.arrivals(events, seen.device)
            if closed < event.time <= seen.rearm and message in seen.messages]


def no_faults(seen):
    """The remapping unit reports no fault."""
    return [f"{event.name} {event.text}"
            for event in seen.iommu.faults(seen.window(), seen.device)]


def late_calls(seen):
    """How often the watched function was called after the block, in the old kernel."""
    block = _Block(seen)
    closed = max((seen.events[position].time for position in block.closing.values()),
                 default=block.until)
    return sum(closed < event.time < block.until for event in seen.window("call"))


JUDGES = {
    "remapping": remapping_stays_enabled,
    "table": table_stays,
    "enable": msi_stays_enabled,
    "one-type": one_type_at_a_time,
    "bus-master": bus_mastering_stays_on,
    "message": messages_stay,
    "flush": block_is_flushed,
    "blocked": blocked_stays_blocked,
    "source-id": entries_are_whole,
    "stray": nothing_stray,
    "faults": no_faults,
}


def judge(seen):
    """Name of every rule to what was found against it."""
    return {name: rule(seen) for name, rule in JUDGES.items()}

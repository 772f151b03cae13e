# SPDX-License-Identifier: GPL-2.0-only
"""Judges a run from outside the guest, by QEMU's trace.

Every judge is a function of an Observation and returns what it found wrong, as
a list of sentences; an empty list means that its rule held.
"""

from dataclasses import dataclass

COMMAND = 4
COMMAND_BUS_MASTER = 1 << 2

GLOBAL_INTERRUPT_REMAPPING = 1 << 25

TABLE_ENTRY_BYTES = 16
TABLE_MESSAGE_BYTES = 12

IRTE_PRESENT = 1 << 0
IRTE_SOURCE = (1 << 20) - 1  # of the upper half: SID, SQ, SVT


@dataclass
class Observation:
    """A log, and what the lab knows about the run that wrote it.

    events: all events, from power-on
    start, rearm, end: times of the old kernel's shutdown, of the next kernel's
        VMM arming its vectors, and of the last thing that counts
    model, device, bridges: QEMU's name of the device, its address, the
        addresses of the bridges on its path (bus:slot.function)
    table: physical address of the MSI-X table
    messages: per vector (address, data) in the old kernel
    irtes: per vector the index of its remapping entry in the old kernel
    """

    events: list
    start: float
    rearm: float
    end: float
    model: str
    device: str
    bridges: list
    table: int
    messages: list
    irtes: list

    def window(self, *names, until=None):
        """Events of the given names from the shutdown on."""
        until = until or self.end
        return [e for e in self.events if e.name in names and self.start <= e.time <= until]


def remapping_stays_enabled(seen):
    """Interrupt remapping is never disabled."""
    wrong = []
    for event in seen.window("vtd_reg_write_gcmd"):
        numbers = event.numbers()
        if numbers["status"] & ~numbers["value"] & GLOBAL_INTERRUPT_REMAPPING:
            wrong.append(f"GCMD written {numbers['value']:#x}: interrupt remapping off")
    return wrong


def msix_stays_enabled(seen):
    """MSI-X Enable of the device is never cleared."""
    return [f"MSI-X control of {seen.device} written: {event.text}"
            for event in seen.window("msix_write_config")
            if event.text.startswith(f"dev {seen.model} enabled 0")]


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


def messages_stay(seen):
    """No write changes an address or data word of an armed vector's MSI-X entry."""
    wrong = []
    words = {}
    table_end = seen.table + len(seen.messages) * TABLE_ENTRY_BYTES
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
            wrong.append(f"vector {vector}: message word {offset // 4} "
                         f"written {value:#x}, was {before or 0:#x}")
    return wrong


class _Block:
    """The old kernel's closing of the remapping entries, found in the trace.

    It lies between the setting of the device's Function Mask and the next
    kernel's first act on the remapping unit, turning queued invalidation off.
    """

    def __init__(self, seen):
        self.until = min((e.time for e in seen.window("vtd_inv_qi_enable")
                          if e.numbers()["enabled"] == 0), default=seen.rearm)
        self.masked = max((e.time for e in seen.window("msix_write_config", until=self.until)
                           if e.text == f"dev {seen.model} enabled 1 masked 1"), default=None)
        self.closing = {}
        if self.masked is None:
            return
        for position, event in enumerate(seen.events):
            if event.name != "irte_write" or not self.masked <= event.time <= self.until:
                continue
            numbers = event.numbers()
            if numbers["index"] in seen.irtes and not numbers["low"] & IRTE_PRESENT:
                self.closing[numbers["index"]] = position

    def present_after(self, seen):
        """Indices of entries that are still present when the block is over."""
        state = {}
        for event in seen.events:
            if event.name == "irte_write" and event.time <= self.until:
                state[event.numbers()["index"]] = event.numbers()["low"]
        return [index for index in seen.irtes if state.get(index, 0) & IRTE_PRESENT]


def _invalidates(event, index):
    if event.name != "vtd_inv_desc_iec":
        return False
    numbers = event.numbers()
    if numbers["granularity"] == 0:
        return True
    return (numbers["index"] ^ index) >> numbers["mask"] == 0


def block_is_flushed(seen):
    """After the last entry was closed its cache is invalidated, and that is waited for."""
    block = _Block(seen)
    if block.masked is None:
        return ["the device's Function Mask was not set before the jump"]
    wrong = [f"IRTE {index}: still present" for index in block.present_after(seen)]
    for index, position in block.closing.items():
        rest = [e for e in seen.events[position + 1:] if e.time <= block.until]
        flushed = next((n for n, e in enumerate(rest) if _invalidates(e, index)), None)
        if flushed is None:
            wrong.append(f"IRTE {index}: not invalidated after it was closed")
        elif not any(e.name.startswith("vtd_inv_desc_wait") for e in rest[flushed:]):
            wrong.append(f"IRTE {index}: its invalidation was not waited for")
    return wrong


def blocked_stays_blocked(seen):
    """From the block until its vector is armed again no entry is present."""
    block = _Block(seen)
    wrong = []
    for position, event in enumerate(seen.events):
        if event.name != "irte_write" or event.time > seen.rearm:
            continue
        numbers = event.numbers()
        closed = block.closing.get(numbers["index"])
        if closed is not None and position > closed and numbers["low"] & IRTE_PRESENT:
            wrong.append(f"IRTE {numbers['index']}: opened before its vector was armed")
    if not block.closing:
        wrong.append("no entry was closed before the jump")
    return wrong


def _source_ids(seen):
    """Per index the source-id fields of the entry when the shutdown began."""
    source = {}
    for event in seen.events:
        if event.name == "irte_write" and event.time < seen.start:
            source[event.numbers()["index"]] = event.numbers()["high"] & IRTE_SOURCE
    return source


def entries_are_whole(seen):
    """From the block on no entry is present with another source-id than its device's."""
    source = _source_ids(seen)
    masked = _Block(seen).masked or seen.start
    wrong = []
    for event in seen.window("irte_write"):
        numbers = event.numbers()
        index = numbers["index"]
        if event.time < masked or index not in seen.irtes or not numbers["low"] & IRTE_PRESENT:
            continue
        if numbers["high"] & IRTE_SOURCE != source[index]:
            wrong.append(f"IRTE {index}: present with source {numbers['high']:#x}, "
                         f"not {source[index]:#x}")
    return wrong


def nothing_stray(seen):
    """From the block until the vectors are armed again no interrupt of the device arrives."""
    block = _Block(seen)
    if block.masked is None:
        return ["nothing was blocked before the jump"]
    last_closed = max((seen.events[p].time for p in block.closing.values()), default=block.masked)
    return [f"message {event.text}" for event in seen.window("vtd_ir_remap_msi", until=seen.rearm)
            if event.time > last_closed and event.remapped_message() in seen.messages]


def no_faults(seen):
    """The remapping unit reports no fault."""
    return [f"{event.name} {event.text}" for event in seen.window("vtd_dmar_fault", "vtd_frr_new")]


JUDGES = {
    "remapping": remapping_stays_enabled,
    "enable": msix_stays_enabled,
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

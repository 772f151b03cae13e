# SPDX-License-Identifier: GPL-2.0-only
"""Judges a run from outside the guest, by QEMU's trace.

Every rule is a function of an Observation and returns a Verdict: what was found wrong, as
sentences, and how much evidence the rule had. "Remapping was never disabled" means little if the
log does not show that it was enabled before.
"""

from dataclasses import dataclass, field

from judge import config_space
from judge import translation
from judge.verdict import Verdict
from machine.iommu import IOMMUS
from machine.qemulog import COMMAND, COMMAND_BUS_MASTER, IRTE_PRESENT

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
    start, rearm, end: when the old kernel began to shut down, when the next kernel's VMM armed its
        vectors (none: it did not), and when the last thing that counts happened
    model, device, bridges: QEMU's name of the device, its address, the
        addresses of the bridges on its path (bus:slot.function)
    table: physical address of the MSI-X table
    msi: of a device that is used with MSI, the offsets in its configuration space of
        the capability ("pos"), the message data and the mask bits (0: it has none)
    numbers: of the vectors that the old kernel has armed
    messages: per such vector (address, data) in the old kernel
    irtes: per such vector the index of its remapping entry in the old kernel
    iommu: what the log says about interrupt remapping and DMA, see machine/iommu.py
    translated: whether DMA is translated
    sriov: where the control register of the SR-IOV capability is, 0 if it is not used
    physical: address of the physical function, if the device is a virtual one
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
    translated: bool = True
    sriov: int = 0
    physical: str = ""

    def armed(self):
        """When the vectors were armed again, or the end if they were not."""
        return self.rearm or self.end

    def before(self, *names):
        """Events of the given names, or all, from power-on until the shutdown."""
        return [e for e in self.events
                if (not names or e.name in names) and e.time < self.start]

    def config_writes(self, events, of=None):
        """(event, offset, value) of each event that writes to the configuration space of the
        device, or of another one."""
        for event in events:
            if event.name != "pci_cfg_write":
                continue
            _, address, offset, value = event.config_write()
            if address == (of or self.device):
                yield event, offset, value

    def window(self, *names, until=None):
        """Events of the given names, or all, from the shutdown on."""
        until = until or self.end
        return [e for e in self.events
                if (not names or e.name in names) and self.start <= e.time <= until]


def remapping_stays_enabled(seen):
    """Interrupt remapping is never disabled."""
    return Verdict(
        wrong=[f"interrupt remapping off: {event.name} {event.text}" for event in seen.window()
               if seen.iommu.switches_remapping_off(event)],
        evidence=sum(map(seen.iommu.switches_remapping_on, seen.before())))


def _msi_control(seen, events):
    return [value for _, offset, value in seen.config_writes(events)
            if offset == seen.msi["pos"] + MSI_CONTROL]


def _msi_stays_enabled(seen):
    wrong = [f"MSI control of {seen.device} written: {value:#x}"
             for value in _msi_control(seen, seen.window()) if not value & MSI_CONTROL_ENABLE]
    before = _msi_control(seen, seen.before("pci_cfg_write"))
    return Verdict(wrong, sum(value & MSI_CONTROL_ENABLE for value in before))


def msi_stays_enabled(seen):
    """MSI Enable, or MSI-X Enable, of the device is never cleared."""
    if seen.msi:
        return _msi_stays_enabled(seen)
    wrong = [f"MSI-X control of {seen.device} written: {event.text}"
             for event in seen.window("msix_write_config")
             if event.text.startswith(f"dev {seen.model} enabled 0")]
    before = seen.before("msix_write_config")
    return Verdict(wrong, sum(e.text.startswith(f"dev {seen.model} enabled 1") for e in before))


def one_type_at_a_time(seen):
    """MSI-X is never enabled and unmasked while MSI is enabled. At first MSI is enabled."""
    if not seen.msi:
        return Verdict(not_judged="the device is used with MSI-X alone")
    wrong, msi = [], True
    for event in seen.window("pci_cfg_write", "msix_write_config"):
        if event.name == "msix_write_config":
            if msi and event.text == f"dev {seen.model} enabled 1 masked 0":
                wrong.append(f"MSI-X of {seen.device} enabled while MSI is enabled")
            continue
        for value in _msi_control(seen, [event]):
            msi = bool(value & MSI_CONTROL_ENABLE)
    before = _msi_control(seen, seen.before("pci_cfg_write"))
    return Verdict(wrong, sum(value & MSI_CONTROL_ENABLE for value in before))


def _bus_mastering(seen, events):
    """(address, whether it is on) of each write to COMMAND of the device and the bridges."""
    for event in events:
        _, address, offset, value = event.config_write()
        if address in (seen.device, *seen.bridges) and offset == COMMAND:
            yield address, bool(value & COMMAND_BUS_MASTER)


def bus_mastering_stays_on(seen):
    """Bus mastering is never cleared on the device or a bridge above it."""
    wrong = [f"COMMAND of {address}: bus mastering off"
             for address, on in _bus_mastering(seen, seen.window("pci_cfg_write")) if not on]
    was_on = {address for address, on in _bus_mastering(seen, seen.before("pci_cfg_write")) if on}
    return Verdict(wrong, len(was_on) if len(was_on) == 1 + len(seen.bridges) else 0)


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
    wrong = [f"message word at {offset:#x} written {value:#x}, was {words[offset]:#x}"
             for _, offset, value in seen.config_writes(seen.window())
             if value != words.get(offset, value)]
    before = [offset for _, offset, value in seen.config_writes(seen.before("pci_cfg_write"))
              if words.get(offset) == value]
    return Verdict(wrong, len(before))


def messages_stay(seen):
    """No write changes an address or data word of an armed vector."""
    if seen.msi:
        return _msi_message_stays(seen)
    wrong, words, written = [], {}, set()
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
            if vector not in seen.numbers or offset >= TABLE_MESSAGE_BYTES:
                continue
            if event.time < seen.start:
                written.add(vector)
            elif value != before:
                wrong.append(f"vector {vector}: message word {offset // 4} "
                             f"written {value:#x}, was {before or 0:#x}")
    return Verdict(wrong, len(written) if written == set(seen.numbers) else 0)


class _Block:
    """The old kernel's closing of the device's remapping entries, found in the trace.

    An entry is closed by the first write, from the shutdown on, that leaves it
    not present with fault reporting suppressed; one that is merely freed has
    both bits clear. The old kernel is gone when the unit's command queue is switched off, by the
    old kernel or by the next one.

    until: when that happened
    masked: when the device was last masked before that, or None
    closing: per closed index the position of the closing write in the log
    """

    def __init__(self, seen):
        self.until = min((e.time for e in seen.window()
                          if seen.iommu.switches_queue_off(e)), default=seen.armed())
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
            return [event.time for event, offset, value
                    in seen.config_writes(seen.window(until=self.until))
                    if offset == seen.msi["mask"] and value & every == every]
        return [e.time for e in seen.window("msix_write_config", until=self.until)
                if e.text == f"dev {seen.model} enabled 1 masked 1"]


def _of_this_table(seen):
    """(position, event) of all events until another remapping table replaces the old kernel's."""
    table = None
    for position, event in enumerate(seen.events):
        if event.name == "irta_write":
            if event.time > seen.start and event.numbers()["table"] != table:
                return
            table = event.numbers()["table"]
        yield position, event


def table_stays(seen):
    """The remapping table of the device never changes."""
    tables = [(event, event.numbers()["table"]) for event in seen.events
              if event.name == "irta_write" and event.time <= seen.end]
    old = [table for event, table in tables if event.time < seen.start]
    return Verdict([f"remapping table at {table:#x}, was at {old[-1]:#x}"
                    for event, table in tables if old and event.time >= seen.start
                    and table != old[-1]], len(old))


def base_stays(seen):
    """The device table of a unit never changes while the unit is enabled."""
    if not seen.iommu.base_is_fixed:
        return Verdict(not_judged="the base of the tables may change while the unit is enabled")
    # A kernel that has itself taken over the table never writes the base.
    return Verdict([f"device table base of the enabled unit changed: {event.text}"
                    for event, changed in seen.iommu.base_writes(seen.events)
                    if changed and event.time >= seen.start],
                   sum(map(seen.iommu.switches_remapping_on, seen.before())))


def _entry_writes(seen, until):
    """(position, index, low, high) of each write to an entry of the device, from the shutdown."""
    for position, event in _of_this_table(seen):
        if event.name != "irte_write" or not seen.start <= event.time <= until:
            continue
        numbers = event.numbers()
        if numbers["index"] in seen.irtes:
            yield position, numbers["index"], numbers["low"], numbers["high"]


def block_is_flushed(seen):
    """After an entry was closed, the cache is invalidated, and the kernel waits for that."""
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
    return Verdict(wrong, len(block.closing))


def blocked_stays_blocked(seen):
    """The device is masked first, if it can be. A closed entry stays closed until it is armed."""
    block = _Block(seen)
    can_mask = not seen.msi or seen.msi["mask"]
    if can_mask and block.masked is None:
        return Verdict(["the device was not masked before the jump"])
    wrong = [f"IRTE {index}: closed before the device was masked"
             for index, position in block.closing.items()
             if can_mask and seen.events[position].time < block.masked]
    for position, index, low, _ in _entry_writes(seen, seen.armed()):
        if low & IRTE_PRESENT and position > block.closing.get(index, position):
            wrong.append(f"IRTE {index}: opened before its vector was armed")
    return Verdict(wrong, len(block.closing))


def entries_are_whole(seen):
    """Once closed, no entry is ever present with a source-id other than its device's."""
    block = _Block(seen)
    opened = [(index, high) for position, index, low, high in _entry_writes(seen, seen.end)
              if low & IRTE_PRESENT and position > block.closing.get(index, 0)]
    wrong = seen.iommu.wrong_sources(seen, opened)
    if not opened and not wrong and not seen.rearm:
        return Verdict(not_judged="no vector was armed again")
    return Verdict(wrong, len(opened))


def nothing_stray(seen):
    """From the block until the vectors are armed again no interrupt of the device arrives.

    Where all devices share a table, a next kernel with another table gives the same message to
    other devices. The evidence is the interrupts that arrived before.
    """
    block = _Block(seen)
    if not block.closing:
        return Verdict()
    closed = max(seen.events[position].time for position in block.closing.values())
    events = (seen.events if seen.iommu.table_per_device
              else (event for _, event in _of_this_table(seen)))
    arrivals = [event for event, message in seen.iommu.arrivals(events, seen.device)
                if message in seen.messages]
    return Verdict([f"message {event.text}" for event in arrivals
                    if closed < event.time <= seen.armed()],
                   sum(event.time <= closed for event in arrivals))


def no_faults(seen):
    """The remapping unit reports no fault for any message that it gets."""
    return Verdict([f"{event.name} {event.text}"
                    for event in seen.iommu.faults(seen.window(), seen.device)],
                   sum(1 for _ in seen.iommu.requests(seen.events, seen.device)))


def late_calls(seen):
    """How often the watched function was called after the block, in the old kernel."""
    block = _Block(seen)
    closed = max((seen.events[position].time for position in block.closing.values()),
                 default=block.until)
    return sum(closed < event.time < block.until for event in seen.window("call"))


RULES = {
    "remapping": remapping_stays_enabled,
    "table": table_stays,
    "base": base_stays,
    "enable": msi_stays_enabled,
    "one-type": one_type_at_a_time,
    "bus-master": bus_mastering_stays_on,
    "message": messages_stay,
    "flush": block_is_flushed,
    "blocked": blocked_stays_blocked,
    "source-id": entries_are_whole,
    "stray": nothing_stray,
    "faults": no_faults,
    "config": config_space.only_known_writes,
} | translation.RULES


def judge(seen):
    """Name of every rule to its verdict."""
    return {name: rule(seen) for name, rule in RULES.items()}

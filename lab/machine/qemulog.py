# SPDX-License-Identifier: GPL-2.0-only
"""The log of QEMU's trace events and of the plugin, as a list of events in order."""

import re
from dataclasses import dataclass, field
from datetime import datetime

# A whole second has no fraction.
STAMP = r"^(?P<time>\d+-\d+-\d+T\d+:\d+:\d+(?:\.\d+)?Z) "
LINE = re.compile(STAMP + r"(?P<name>\w+) ?(?P<text>.*)$")
NUMBER = re.compile(r"(\w+) (0x[0-9a-f]+|\d+)")
CONFIG_WRITE = re.compile(r"(\S+) (\S+) @(0x[0-9a-f]+) <- (0x[0-9a-f]+)")
REMAP = re.compile(r"\(?addr (0x[0-9a-f]+),? data (0x[0-9a-f]+)")
REGISTER = re.compile(r"register 0x[0-9a-f]+ = (0x[0-9a-f]+)")

CONSOLE = re.compile(STAMP + r"memory_region_ops_write .*"
                     r" addr 0x3f8 value 0x(?P<char>[0-9a-f]+) size 1 name 'serial'$")

# Where the interrupt command register is, in xAPIC mode
ICR_LOW, ICR_HIGH = 0xfee00300, 0xfee00310

# Of all guest writes to devices only three kinds are of interest: those to an MSI-X table, those to
# the registers of AMD-Vi, and those by which a CPU sends an interrupt in xAPIC mode. The first two
# have no events of their own, and the event of the third does not name the CPU.
MMIO_WRITE = "memory_region_ops_write"
MMIO_OF_INTEREST = ("name 'msix-table'", "name 'amdvi-mmio'", f"addr {ICR_LOW:#x} ",
                    f"addr {ICR_HIGH:#x} ")

# In x2APIC mode the interrupt command register is a single one, and there is no such write.
APIC_WRITE = "apic_register_write"
APIC_SENDS = "register 0x30 "

# "cpu_reset" also logs all registers of a CPU, between the events.
REGISTERS = re.compile(r"CPU Reset \(CPU \d+\)$|[A-Z][A-Z0-9]{1,4} ?=|$")

# In the configuration space of each device
COMMAND = 4
COMMAND_BUS_MASTER = 1 << 2

IRTE_PRESENT = 1 << 0
IRTE_FPD = 1 << 1


@dataclass(frozen=True)
class Event:
    time: float
    name: str
    text: str

    def numbers(self):
        """The "name value" pairs of the text."""
        return {name: int(value, 0) for name, value in NUMBER.findall(self.text)}

    def config_write(self):
        """(model, bus:slot.function, offset, value) of a pci_cfg_write."""
        model, address, offset, value = CONFIG_WRITE.match(self.text).groups()
        return model, address, int(offset, 0), int(value, 0)

    def closes_entry(self):
        """Whether an irte_write leaves the entry not present, its faults suppressed."""
        return self.numbers()["low"] & (IRTE_PRESENT | IRTE_FPD) == IRTE_FPD

    def words(self):
        """The words of a dma_write."""
        numbers = self.numbers()
        return tuple(numbers[f"w{n}"] for n in range(4))

    def register_value(self):
        """The value of an apic_register_write."""
        return int(REGISTER.match(self.text)[1], 0)

    def message(self):
        """(address, data) as the device sent it, of a vtd_ir_remap_msi or its request."""
        address, data = REMAP.match(self.text).groups()
        return int(address, 0), int(data, 0)


def _time(match):
    return datetime.fromisoformat(match["time"]).timestamp()


def parse(line):
    """The event of a line, or None if it is of no interest."""
    if MMIO_WRITE in line and not any(name in line for name in MMIO_OF_INTEREST):
        return None
    if APIC_WRITE in line and APIC_SENDS not in line:
        return None
    match = LINE.match(line)
    if not match:
        return None
    return Event(_time(match), match["name"], match["text"])


@dataclass
class Log:
    """events: of interest, in order
    until: time of the last line, of any event
    broken: lines that are neither an event nor part of a CPU's registers
    """

    events: list
    until: float = 0.0
    broken: list = field(default_factory=list)


def _noted(lines, log):
    """The lines; meanwhile notes in the log what there is to say about them as a whole."""
    last = ""
    for line in lines:
        if LINE.match(line):
            last = line
        elif not REGISTERS.match(line):
            log.broken.append(line.rstrip("\n")[:200])
        yield line
    if last:
        log.until = _time(LINE.match(last))


def of_lines(lines):
    log = Log([])
    log.events = [event for event in map(parse, _noted(lines, log)) if event]
    return log


def read(path):
    with open(path, errors="replace") as f:
        return of_lines(f)


def without_events(path):
    """For a log of which only the rest is of interest."""
    log = Log([])
    with open(path, errors="replace") as f:
        for _ in _noted(f, log):
            pass
    return log


def _console_characters(path, since):
    """(time, character) for all that the guest has written to its console."""
    with open(path, errors="replace") as f:
        for line in f:
            match = CONSOLE.match(line)
            if match and _time(match) >= since:
                yield _time(match), chr(int(match["char"], 16))


def console_times(path, texts, since):
    """When the guest had written each of the texts to its console, one after the other; None
    for one that it has not."""
    characters = _console_characters(path, since)
    times = []
    for text in texts:
        written, found = "", None
        for time, character in characters:
            written = (written + character)[-len(text):]
            if written == text:
                found = time
                break
        times.append(found)
    return times


def console_time(path, text, since):
    """When the guest had written text to its console, in the order of the log, or None."""
    return console_times(path, (text,), since)[0]


def _command(event, queue):
    numbers = event.numbers()
    return numbers[queue], numbers["cid"]


def in_flight(events, before=()):
    """(queue, command id) of commands that are submitted to an NVMe controller but not completed.
    before: those in flight before these events."""
    flying = set(before)
    for event in events:
        if event.name == "pci_nvme_io_cmd":
            flying.add(_command(event, "sqid"))
        elif event.name == "pci_nvme_enqueue_req_completion":
            flying.discard(_command(event, "cqid"))
    return flying


class Tail:
    """Follows a log that is being written, from its present end."""

    def __init__(self, path):
        self._file = open(path, errors="replace")
        self._file.seek(0, 2)
        self._rest = ""

    def events(self):
        """The events that have become complete since the last call."""
        *lines, self._rest = (self._rest + self._file.read()).split("\n")
        return [event for event in map(parse, lines) if event]

    def close(self):
        self._file.close()


class Release:
    """Detects that the old kernel lets go of a device: MSI-X Function Mask is set or the entry of
    MSI is closed (a handover), or bus mastering is cleared (an ordinary shutdown)."""

    def __init__(self, model, msi_entry=None):
        """msi_entry: the remapping entry of a device that is used with MSI."""
        self._model = model
        self._msi_entry = msi_entry

    def seen_in(self, event):
        if event.name == "msix_write_config":
            return event.text == f"dev {self._model} enabled 1 masked 1"
        if event.name == "irte_write":
            return (self._msi_entry is not None and event.closes_entry()
                    and event.numbers()["index"] == self._msi_entry)
        if event.name != "pci_cfg_write":
            return False
        model, _, offset, value = event.config_write()
        return (model == self._model and offset == COMMAND and not value & COMMAND_BUS_MASTER)

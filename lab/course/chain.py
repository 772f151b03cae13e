# SPDX-License-Identifier: GPL-2.0-only
"""Live updates in a row: kernel after kernel takes the same devices over, in one machine.

Before each, every vector is rung and counted, and a live update is prepared and cancelled; in the
blackout every vector is rung; FINISH gives each one more. What is measured in every kernel must not
drift.
"""

import ctypes
import random
import statistics
import time

from course import corruption
from course import run
from course import update
from machine import gdbstub
from machine import kho
from machine import qemu

DEVICES = (qemu.DEVICE, "0000:02:00.0", "0000:03:00.0")
SIGNALS_PER_UPDATE = 3

# Its arguments are the root of the interrupt state and the device directory, both complete
SEAL = "irq_lu_ser_seal_root"

# Pages in the per-CPU lists are free as well. After much was freed they amount to tens of MiB, some
# of which go back to the zone each second. The kernel holds the lock of the zone while it prints
# both numbers, so that no page is missed.
READ_MEMORY = """echo 3 > /proc/sys/vm/drop_caches; cat /proc/meminfo; \
awk '$1 == "pages" && $2 == "free" { n += $3 } $1 == "count:" { n += $2 } \
END { print "AllFree:", 4 * n }' /proc/zoneinfo; \
awk '$1 == "nr_iommu_pages" { print "IommuPages:", $2 }' /proc/vmstat"""

# Other tasks need more or less memory meanwhile
READINGS = 5


def memory(shell):
    """Values that are measured in a kernel, by name; shell: runs a line there."""
    readings = [dict(line.split()[:2] for line in shell(READ_MEMORY).splitlines())
                for _ in range(READINGS)]
    total = int(readings[0]["MemTotal:"])
    free = statistics.median(int(found["AllFree:"]) for found in readings)
    return {"memory, KiB": total, "memory in use, KiB": total - free,
            "pages of IOMMU tables": int(readings[-1]["IommuPages:"])}


def domain_ids(stub, symbols, layouts):
    """The domain ids in the records of DMA translation that are handed over."""
    def at(address, structure, count=1):
        kind = layouts[structure] * count
        return kind.from_buffer_copy(stub.read(address, ctypes.sizeof(kind)))

    pointer = stub.read(symbols.address(corruption.TRANSLATION), corruption.POINTER_BYTES)
    root = int.from_bytes(pointer, "little")
    block = at(root, "iommu_lu_root_ser")[0].devices if root else 0
    found = set()
    while block:
        header = at(gdbstub.DIRECT_MAP + block, "kho_block_header_ser")[0]
        records = gdbstub.DIRECT_MAP + block + ctypes.sizeof(header)
        found |= {ser.domain_id for ser in at(records, "iommu_lu_device_ser", header.count)}
        block = header.next
    # All fields of an unused record are zero.
    return found - {0}


class Chain(update.Update):
    """result.chain: per update what was measured, name to number."""

    next_initrd = "/sys/firmware/initrd"
    devices = DEVICES

    def __init__(self, scenario, machine, build):
        super().__init__(scenario, machine, build)
        self._random = random.Random(f"chain {scenario.seed}")
        self._first = None
        self._updates = 0
        self._row = {}

    def _each(self):
        """(index, doorbell) of each device, while the VMM has that device selected."""
        for index, doorbell in enumerate(self.machine.doorbells):
            self._command(f"select {index}")
            yield index, doorbell

    def _all_counts(self):
        """The counts of all vectors of all devices."""
        return [count for _ in self._each()
                for count in self._command("counts")["counts"][:self.scenario.vectors]]

    def _expect_counts(self, expected, when):
        """Fail unless all vectors have this count, and keep it."""
        deadline = time.monotonic() + update.ROUND_TIMEOUT * self.slowness
        while min(self._all_counts()) < expected and time.monotonic() < deadline:
            pass
        time.sleep(run.SETTLE * self.slowness)
        wrong = [count for count in self._all_counts() if count != expected]
        if wrong:
            raise run.RunFailed(f"update {self._updates + 1}, {when}: {len(wrong)} vectors "
                                f"signalled {wrong} times, not {expected}")

    def _ring_all(self):
        rings = [(doorbell, vector) for doorbell in self.machine.doorbells
                 for vector in range(self.scenario.vectors)]
        for doorbell, vector in self._random.sample(rings, len(rings)):
            doorbell.ring(vector)
            time.sleep(update.RING_GAP)

    def _identities(self):
        """Irq number, message and IRTE of all vectors of all devices."""
        return [(v["irq"], (v["address"], v["data"]), v["irte"]) for _ in self._each()
                for v in self._command("snapshot")["vectors"][:self.scenario.vectors]]

    def _bind_and_arm(self, how):
        for index, _ in self._each():
            self._command(how)
            bound = self._command("bind")
            if self.scenario.attached:
                self._command("attach")
            if not index:
                self.result.bound = bound
            self._command(f"arm 0 {self.scenario.vectors}")

    def _measure_handover(self, stub):
        registers = stub.registers()
        layouts = self._layouts()
        root = layouts["irq_lu_root_ser"].from_buffer_copy(
            stub.read(registers["rdi"], ctypes.sizeof(layouts["irq_lu_root_ser"])))
        refs = layouts["irq_lu_device_ref_ser"] * root.nr_devices
        table = refs.from_buffer_copy(stub.read(registers["rsi"], ctypes.sizeof(refs)))
        self._row["devices"] = root.nr_devices
        self._row["bytes of records"] = sum(ref.len for ref in table)
        self._row["pages preserved"] = kho.preserved_pages(stub, self.symbols)
        ids = domain_ids(stub, self.symbols, layouts)
        self._row["domain ids"] = len(ids)
        self._row["highest domain id"] = max(ids, default=0)

    def _start_kexec(self):
        address = self.symbols.address(SEAL)
        with self.machine.stub() as stub:
            stub.start_until(address)
            super()._start_kexec()
            stub.wait(address, self._timeout("block"))
            self._measure_handover(stub)

    def _measure_kernel(self):
        self._row |= memory(self._shell)
        pairs = list(zip(self._first, self._identities()))
        for n, part in enumerate(("irq number", "message", "IRTE")):
            self._row[f"vectors with another {part}"] = sum(a[n] != b[n] for a, b in pairs)

    def _take_over(self):
        self._wait_for_vmm("next")
        self._command("session")
        self.result.windows[-1].rearm = time.time()
        self._bind_and_arm("retrieve")
        if self._updates == self.scenario.length // 2:
            self._patch(self.scenario.next_patch)

    def _update(self):
        """One live update. Counts include those of the updates before."""
        before = SIGNALS_PER_UPDATE * self._updates
        self._ring_all()
        self._expect_counts(before + 1, "rung")
        # One that is cancelled leaves nothing behind for the next kernel.
        self._command("preserve device")
        self._command("cancel")
        self._command("preserve device")
        self._start_jump()
        time.sleep(self._random.uniform(0, update.BLACKOUT_SPREAD))
        self._ring_all()
        self._take_over()
        self._expect_counts(before + 2, "rung in the blackout")
        self._command("finish")
        self._command("cancel")
        self.result.windows[-1].end = time.time()
        self._expect_counts(before + SIGNALS_PER_UPDATE, "finished")
        self._updates += 1

    def _course(self):
        self._boot()
        self._command("counters")
        self._bind_and_arm("open")
        self._first = self._identities()
        self._command("select 0")
        self._look("old")
        for _ in range(self.scenario.length):
            self._row = {}
            self._update()
            self._measure_kernel()
            self.result.chain.append(self._row)


class ProgramChain(Chain):
    """In each kernel a program does what the VMM does otherwise: it takes its device over from the
    kernel before, and preserves it for the next one. In the last kernel other programs may follow,
    which report the result."""

    devices = (qemu.DEVICE,)

    def _course(self):
        self._boot()
        self._programs("old", self.scenario.old_runs)
        for _ in range(self.scenario.length):
            self._row = {}
            self._start_jump()
            self._wait_for_vmm("next")
            self._programs("next", self.scenario.next_runs)
            self.result.windows[-1].end = time.time()
            self._row |= memory(self._shell)
            self.result.chain.append(self._row)
        self._programs("next", self.scenario.end_runs)

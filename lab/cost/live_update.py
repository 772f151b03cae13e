# SPDX-License-Identifier: GPL-2.0-only
"""What a live update of interrupts costs, compared with what every boot costs anyway.

One QEMU whose time is the number of instructions executed (-icount), with a
plugin that counts those of each step from outside. Hardware operations are those
that QEMU logs between the beginning and the end of a step.
"""

import json
import statistics
import subprocess
from dataclasses import dataclass, field, replace

from course import programs
from course import update
from course.run import RunFailed
from judge import expectation
from judge import judgement
from machine import qemu
from machine import qemulog
from scenarios import scenario

# Otherwise QEMU cannot give several CPUs the same time. Output on a slow console is not part of
# what is measured.
PARAMETERS = "hpet=disable clocksource=tsc quiet"

# With -icount, QEMU 11.1.3 aborts early in the boot in x2APIC mode: "Bad icount read".
MODE = "xapic"

SLOWNESS = 40

# The kernel that is measured, and the one with which its boot is compared: CONFIG_IRQ_LIVEUPDATE=n
FLAVOUR = "cost"
FLAVOURS = (FLAVOUR, "nolu")

# The plugin watches the addresses of functions in this kernel, so both kernels must be this one.
KERNELS = (FLAVOUR, FLAVOUR)

VECTORS = (1, 16, 64, 256, 1024, 2048)

# Runs of each size: random numbers differ, and with them the points at which the slab needs a page
RUNS = 3
DEVICES = 4
DEVICE_VECTORS = 64
VECTORS_PER_CPU = 128
MAX_CPUS = 24

# Step: functions of the kernel. In the order of a live update.
STEPS = {
    "cold": ("vfio_pci_set_irqs_ioctl",),
    "preserve": ("vfio_pci_liveupdate_preserve",),
    "freeze": ("vfio_pci_liveupdate_freeze",),
    "block": ("irq_lu_block",),
    "take-over": ("intel_ir_restore_table", "intel_ir_take_over"),
    "match": ("irq_liveupdate_match",),
    "adopt": ("vfio_pci_set_irqs_ioctl",),
    "finish": ("vfio_pci_liveupdate_finish",),
}
OLD_STEPS = ("cold", "preserve", "freeze", "block")
HANDOVER_STEPS = ("preserve", "freeze", "block", "take-over", "match", "adopt", "finish")

# Where an interrupt enters the kernel
INTERRUPTS = ("asm_common_interrupt", "asm_spurious_", "asm_sysvec_")

# Hardware operation: (name of the event, what its text must contain)
MSIX = "name 'msix-"
REMAPPING_UNIT = "name 'intel_iommu'"
OPERATIONS = {
    "device reads": ("memory_region_ops_read", MSIX),
    "device writes": ("memory_region_ops_write", MSIX),
    "config reads": ("pci_cfg_read", ""),
    "config writes": ("pci_cfg_write", ""),
    "unit reads": ("memory_region_ops_read", REMAPPING_UNIT),
    "unit writes": ("memory_region_ops_write", REMAPPING_UNIT),
    "IRTE writes": ("irte_write", ""),
    "invalidations": ("vtd_inv_desc_iec", ""),
    "waits": ("vtd_inv_desc_wait_sw", ""),
}

# What a step cannot do without. Limits are upper bounds: nothing at all would meet them.
NEEDED = (("freeze", "device reads"), ("block", "config writes"), ("block", "waits"),
          ("adopt", "device writes"))

TRACED = ("pci_cfg_read", "pci_cfg_write", "memory_region_ops_read",
          "memory_region_ops_write", "vtd_inv_desc_iec", "vtd_inv_desc_wait_sw")


@dataclass
class Step:
    """What the functions of a step have done.

    instructions: executed by the task which ran them, without interrupts, and so without the
        owner's handler of the synthetic interrupts
    machine: all instructions that the machine executed meanwhile
    """

    instructions: int = 0
    machine: int = 0
    calls: int = 0
    operations: dict = field(default_factory=lambda: dict.fromkeys(OPERATIONS, 0))


class Machine(qemu.Machine):
    """flavour: that of its kernels; functions: those which are watched"""

    ACCELERATOR = qemu.COUNTING

    flavour = FLAVOUR
    functions = frozenset(name for step in STEPS.values() for name in step)

    def __init__(self, build, directory, echo=False):
        super().__init__(build.qemu, build.plugin(), directory, echo)
        self._cost = build.plugin("cost")
        self._symbols = build.symbols(self.flavour)

    @staticmethod
    def _traced(iommu):
        return TRACED

    def _plugins(self, iommu, device, call_address):
        watched = "".join(f",watch={name}:{start:#x}" for name in sorted(self.functions)
                          for start, _ in self._symbols.functions(name))
        entries = "".join(f",interrupt={address:#x}"
                          for address in self._symbols.starting_with(*INTERRUPTS))
        return [self._plugin + ",entries=65536", self._cost + watched + entries]


class _Undisturbed:
    """Mixed into a course that is measured: it gets more time, and its kernels trace nothing."""

    TRACED = ""

    # Their consoles show nothing less important: PARAMETERS
    SIGN_OFF_LEVEL = 3

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.slowness = SLOWNESS


class Programs(_Undisturbed, programs.Programs):
    """What programs of the guest do."""


class Course(_Undisturbed, update.Update):
    """A live update and nothing else."""

    def _course(self):
        self._boot()
        self._command("counters")
        self._command("open")
        self._bind(self.device.msi)
        self._arm()
        self._command("preserve device")
        self._start_jump()
        self._wait_for_vmm("next")
        self._command("session")
        self._command("retrieve")
        self._bind(self.device.msi)
        self._arm()
        self._finish()


class Reader:
    """Reads the log of a run: what happened in which step."""

    def __init__(self):
        self.steps = {name: Step() for name in STEPS}
        self._jumped = False
        self._finished = False
        self._inside = []

    def _step_of(self, function):
        """The step that a function belongs to. None for what owners do with their vectors after
        FINISH."""
        if self._finished and function not in STEPS["finish"]:
            return None
        for name, functions in STEPS.items():
            if function in functions and (name in OLD_STEPS) != self._jumped:
                return self.steps[name]
        return None

    def _enter(self, function, _):
        self._finished |= function in STEPS["finish"]
        self._inside.append(function)

    def _leave(self, function, numbers):
        self._inside.remove(function)
        step = self._step_of(function)
        if step:
            step.instructions += numbers["own"]
            step.machine += numbers["all"] - numbers["from"]
            step.calls += 1
        if function in STEPS["block"]:
            self._jumped = True

    def _count(self, event):
        step = self._step_of(self._inside[-1])
        if not step:
            return
        for name, (wanted, part) in OPERATIONS.items():
            if event.name == wanted and part in event.text:
                step.operations[name] += 1

    def read(self, path):
        with open(path, errors="replace") as f:
            for line in f:
                match = qemulog.LINE.match(line)
                if not match:
                    continue
                event = qemulog.Event(0, match["name"], match["text"])
                if event.name in ("enter", "leave"):
                    function = event.text.split()[0]
                    getattr(self, "_" + event.name)(function, event.numbers())
                elif self._inside:
                    self._count(event)
        return self.steps


@dataclass
class Measurement:
    """Live updates of the same devices."""

    vectors: int
    devices: int
    steps: dict


def _cpus_for(vectors):
    """Each CPU has about 200 vectors to assign."""
    return min(MAX_CPUS, 2 + vectors // VECTORS_PER_CPU)


def _one_device(vectors):
    cpus = _cpus_for(vectors)
    return replace(scenario.load("handover"), name=f"bench-{vectors}", vectors=vectors,
                   mode=MODE, cpus=(cpus, cpus), append=(PARAMETERS, PARAMETERS),
                   kernels=KERNELS)


def _several_devices():
    slots = [f"{0xa + i:x}" for i in range(DEVICES)]
    names = " ".join(f"0000:00:{slot:>02}.0" for slot in slots)
    bind = (f"for d in {names}; do echo vfio-pci > /sys/bus/pci/devices/$d/driver_override; "
            "echo $d > /sys/bus/pci/drivers_probe; done")
    cpus = _cpus_for(DEVICES * DEVICE_VECTORS)
    return replace(
        scenario.load("guest-devices"), name="bench-devices", mode=MODE, cpus=(cpus, cpus),
        append=(PARAMETERS, PARAMETERS), kernels=KERNELS,
        devices=tuple(f"nvme,addr={slot}.0,serial=bench{slot},msix_qsize={DEVICE_VECTORS}"
                      for slot in slots),
        old_runs=(bind, f"irq_liveupdate_kexec -s 1 {names}"),
        next_runs=(bind, f"irq_liveupdate_kexec -s 2 {names}"))


def run_once(chosen, build, echo, machine_of=Machine, course_of=Course, reader_of=Reader):
    """What a reader finds in the log of a run, which fails as any other if the log or the console
    is not as it should be."""
    with machine_of(build, build.results(chosen.name), echo) as machine:
        result = course_of(chosen, machine, build).execute()
    if result.error:
        raise RunFailed(result.error)
    judgement.look_over(result, qemulog.without_events(result.log))
    wrong = [f"{one.name}: {one.detail}" for one in expectation.of_any_run(result) if not one.ok]
    if wrong:
        raise RunFailed("\n".join(wrong))
    return reader_of().read(result.log)


def median(runs):
    """The median of each number of each step, over some runs."""
    def middle(name, part):
        return statistics.median_low(part(steps[name]) for steps in runs)

    return {name: Step(middle(name, lambda step: step.instructions),
                       middle(name, lambda step: step.machine),
                       middle(name, lambda step: step.calls),
                       {what: middle(name, lambda step, what=what: step.operations[what])
                        for what in OPERATIONS})
            for name in STEPS}


def _missing(steps):
    """What an update cannot have done without, and is not in the log."""
    return ([f"{name}: not executed" for name, step in steps.items()
             if not step.calls or not step.instructions]
            + [f"{name}: no {what}" for name, what in NEEDED if not steps[name].operations[what]])


def _measure(chosen, build, vectors, devices, echo, course_of=Course):
    runs = [run_once(replace(chosen, name=f"{chosen.name}.{number}"), build, echo,
                     course_of=course_of)
            for number in range(1, RUNS + 1)]
    missing = [line for steps in runs for line in _missing(steps)]
    if missing:
        raise RunFailed("\n".join(missing))
    found = Measurement(vectors, devices, median(runs))
    closed = found.steps["block"].operations["IRTE writes"]
    if closed != vectors:
        raise RunFailed(f"{closed} vectors were handed over, not {vectors}")
    return found


def measure(vectors, build, echo=False):
    """Live updates of one device."""
    return _measure(_one_device(vectors), build, vectors, 1, echo)


def measure_devices(build, echo=False):
    """Live updates of several devices."""
    return _measure(_several_devices(), build, DEVICES * DEVICE_VECTORS, DEVICES, echo,
                    Programs)


def measure_serializer(build):
    """Nanoseconds per record in user space, on this machine."""
    found = subprocess.run([build.serializer_cost()], check=True, stdout=subprocess.PIPE)
    return json.loads(found.stdout)

# SPDX-License-Identifier: GPL-2.0-only
"""Scenarios are data: lab/scenarios/*.toml, read into this."""

import os
from dataclasses import dataclass, field, replace

import tomllib

DIRECTORY = os.path.dirname(os.path.abspath(__file__))

# A file lists other machines in "iommus", and those of make test-full in "iommus_full"
MACHINES = ("iommus", "iommus_full")
DEFAULT_IOMMU = "intel"

# Points in a run at which a scenario may give the VMM further commands
HOOKS = ("old_armed", "old_changes", "old_preserved", "next_ready", "next_session", "next_given_up",
         "next_armed", "next_finishing", "next_finished")

# Keys that not every course uses, and hooks
UPDATES = ("update", "crash")
PROGRAM_CHAINS = ("program-chain", "guest-chain")
USED_BY = {
    **dict.fromkeys(("arm", "rings", "handover", "claims", "leaves_msi", "ring_into_block"),
                    UPDATES),
    **dict.fromkeys(("at", "end", "watch_late_changes"), (*UPDATES, "storm")),
    "attached": (*UPDATES, "storm", "chain"),
    "seed": (*UPDATES, "storm", "chain"),
    **dict.fromkeys(("crashes", "crash_kernel"), ("crash",)),
    "length": ("chain", *PROGRAM_CHAINS),
    **dict.fromkeys(("old_runs", "next_runs"), ("programs", *PROGRAM_CHAINS)),
    "end_runs": PROGRAM_CHAINS,
    **dict.fromkeys(("scribble", "holds_disk", "holds_frames"), ("programs",)),
    "watch_device": ("programs", "guest-chain"),
    "next_patch": ("storm", "chain", "programs"),
}
HOOKS_OF = dict.fromkeys(UPDATES, HOOKS) | {"storm": ("next_ready",)}


@dataclass(frozen=True)
class Scenario:
    """What makes up a run. Every field can be set in a scenario's file.

    title: one line for people
    expect: name of the outcome that it is compared with, see judge/outcomes.py
    course: of the run: an update, a storm, see course/storm.py, a chain of updates, of the VMM,
        of programs or of a guest, see course/chain.py
    device: the device under test, see machine/devices.py, which determines MSI or MSI-X
    vectors, cpus, memory, iommu, mode: the machine; cpus of the old and the next kernel
    cpu: further features of the CPUs, as QEMU's -cpu takes them
    arm: the vectors that are used, as "FIRST COUNT", armed one after the other; none: all
    devices: further devices of the machine, as QEMU's -device takes them; on the bus "path"
        they are functions of the device under test, and a network card with "netdev=NAME" is
        sent frames as well
    native_hotplug: whether the ports signal hot-plug themselves, to pciehp; if not, which is
        QEMU's default, firmware keeps that to itself
    decoys: whether there are any; without them an event that does not name its device belongs
        to the device under test
    watch_device: whether the trace is to show what becomes of a device that a program of the guest
        drives, see judge/live_device.py; needs a machine without decoys. That of a program-chain
        always is
    frame_gap: seconds from one frame that a network card is sent to the next
    iops: if set, there are the disks "fast" and "slow", which have the same contents; the slow one
        does this number of I/Os a second, and the I/O in flight at the jump is judged
    patience: factor by which the guest may take longer than usual to answer, because its commands
        do a lot
    holds_disk: whether the slow disk is throttled to almost nothing, from before the jump until the
        next kernel runs, so that something is in flight in between
    holds_frames: whether no frame is sent from before the jump until translation lets the device
        reach memory. The first frame after that must find ring entries: a card that cannot read its
        ring skips all entries for one frame, even when the program can no longer refill the ring
    handover: whether the VMM preserves the device as well as its counters
    attached: whether the VMM maps its counters for the device, and attaches it
    claims: whether the VMM of the next kernel retrieves the device; if not it finishes the
        session without it, if there is one, and then opens the device like any other
    end: the VMM's command that ends the update
    leaves_msi: whether the VMM of the next kernel uses MSI-X although that of the old one used MSI
    kernels: build flavours of the old and the next kernel; "7.2:lab" is one of another series:
        lab.py test skips the scenario if it was not built
    across: whether lab.py test lists it in the table of old and next kernels
    proof: for each kernel a shell line that succeeds only if it is the kernel that the scenario
        wants, or ""
    image: the user space of the kernels: initrd, or systemd, whose first process is systemd, or
        package, which in addition has the kernels installed as packages
    next_kernel: path of the next kernel's image in the old one's user space
    guest: build flavour of the kernel of a guest with Linux, which the old kernel's programs find
        in /guest, with its initrd; none: there is no such guest
    append: further kernel parameters of the old and the next kernel
    rings: per vector, in each phase in which rings are counted one by one
    length: of a chain, in updates
    ring_into_block: continue to ring, uncounted, until the old kernel lets go of the device
    watch_late_changes: whether the old kernel must try to change entries after the block; in a run
        in which it does not, sabotage that nobody notices, or an error that is not printed, is a
        race that was missed
    seed: of the order of the rings in the blackout; of everything in a storm
    at: further commands to the VMM, by hook
    needs: options, without CONFIG_, that its kernels must have; lab.py test skips it where one
        is missing, as in a kernel without debug checks, or in one of another series
    warns: functions of the kernel that may warn
    tolerates: patterns of lines on the console that are expected here, although they are complaints
        elsewhere
    dma_faults: addresses of the devices whose DMA the IOMMU refuses: lines that say so are expected
    old_runs, next_runs: programs that each kernel runs instead of what the VMM does; end_runs:
        those that the last kernel of a chain runs at the end
    jump: what the old kernel runs to jump into the next one
    scribble: whether the lab overwrites the disks after old_runs
    patch: map from a function of the old kernel to the function that it no longer calls at the
        jump, see machine/patching.py; next_patch: the same for the next kernel at FINISH, in a
        storm or in the middle of a chain, or before its programs run
    corrupt: alterations of what the old kernel hands over, see course/corruption.py
    says: the lines in which the kernels report what they refuse, and other errors of ours, in
        order; errors: patterns of further ones, each of which must occur at least once
    skips: reasons for which the kselftests of the scenario skip a case
    fails: cases of kselftests that fail whatever we do; each of them must
    crashes: where the machine crashes: at a hook, or when the old kernel, on its way to the
        jump, reaches the function of this name; the panic and its trace are expected
    crash_kernel: whether one is loaded then; if not, the machine is reset
    breaks: judges whose rules the scenario breaks on purpose; they must notice, no others may, and
        an update ends after the hook next_ready
    """

    name: str
    title: str
    expect: str = "handover"
    course: str = "update"
    device: str = "ivshmem-doorbell"
    vectors: int = 8
    arm: tuple = ()
    cpus: tuple = (3, 4)
    memory: str = "1G"
    iommu: str = DEFAULT_IOMMU
    mode: str = "x2apic"
    cpu: tuple = ()
    devices: tuple = ()
    native_hotplug: bool = False
    decoys: bool = True
    watch_device: bool = False
    frame_gap: float = 0.02
    iops: int = 0
    patience: int = 1
    holds_disk: bool = False
    holds_frames: bool = False
    handover: bool = True
    attached: bool = False
    claims: bool = True
    end: str = "finish"
    leaves_msi: bool = False
    kernels: tuple = ("lab", "lab")
    across: bool = False
    proof: tuple = ("", "")
    image: str = "initrd"
    next_kernel: str = "/next/kernel"
    guest: str = ""
    append: tuple = ("", "")
    rings: int = 3
    length: int = 10
    ring_into_block: bool = False
    watch_late_changes: bool = False
    seed: int = 1
    at: dict = field(default_factory=dict)
    old_runs: tuple = ()
    next_runs: tuple = ()
    end_runs: tuple = ()
    jump: str = "kexec -e"
    scribble: bool = False
    needs: tuple = ()
    warns: tuple = ()
    tolerates: tuple = ()
    dma_faults: tuple = ()
    patch: dict = field(default_factory=dict)
    next_patch: dict = field(default_factory=dict)
    corrupt: tuple = ()
    says: tuple = ()
    errors: tuple = ()
    skips: tuple = ()
    fails: tuple = ()
    crashes: str = ""
    crash_kernel: bool = True
    breaks: tuple = ()

    def ranges(self):
        """(first, count) of the vectors that are used."""
        return [tuple(map(int, text.split())) for text in self.arm] or [(0, self.vectors)]

    def course_kind(self):
        """Name of the course."""
        if self.old_runs and self.course == "update":
            return "programs"
        return "crash" if self.crashes else self.course

    def numbers(self):
        """The numbers of the vectors that are used."""
        return [number for first, count in self.ranges() for number in range(first, first + count)]

    def x2apic(self):
        """Whether the remapping unit and the CPUs of the next kernel are in x2APIC mode: the old
        kernel has set the unit to it together with its own CPUs, and the unit has to support it for
        those of the next kernel."""
        old, both = (self.mode == "x2apic" and "nox2apic" not in legs
                     for legs in (self.append[0], " ".join(self.append)))
        return old, both

    def has_vm(self):
        """Whether programs of the guest run a virtual machine."""
        lines = (*self.old_runs, *self.next_runs, *self.end_runs, *sum(self.at.values(), []))
        return any("live_vm" in line for line in lines)

    def flavours(self):
        """The flavours of all kernels that the scenario needs."""
        return self.kernels + ((self.guest,) if self.guest else ())

    def with_changes(self, **changes):
        return replace(self, **changes)


def _read(name):
    """Read a file, which may have the cases of another one, "cases_of"."""
    with open(os.path.join(DIRECTORY, name + ".toml"), "rb") as f:
        data = tomllib.load(f)
    other = data.pop("cases_of", None)
    return data | {"cases": _read(other)["cases"]} if other else data


def _machines(data):
    """The machines of a file besides the one with VT-d."""
    parts = [data, *data.get("cases", {}).values()]
    return {machine for part in parts for key in MACHINES
            for machine in part.get(key, ())} - {DEFAULT_IOMMU}


def _is_like(value, default):
    """Whether a value of a file has the type of the default. A list without a default is of
    strings."""
    if isinstance(default, tuple):
        element = default[0] if default else ""
        return isinstance(value, list) and all(_is_like(one, element) for one in value)
    return (isinstance(value, type(default))
            and isinstance(value, bool) == isinstance(default, bool))


def _mistyped(data):
    """Keys whose value is not of the type of their default, and hooks without a list."""
    defaults = vars(Scenario("", "")) | dict.fromkeys(MACHINES, ())
    yield from (key for key, value in data.items()
                if key in defaults and not _is_like(value, defaults[key]))
    at = data.get("at", {})
    if isinstance(at, dict):
        yield from (f"at.{hook}" for hook, lines in at.items() if not _is_like(lines, ()))


def _unused(data, course):
    """Keys and hooks that the course does not use."""
    yield from (key for key in data if course not in USED_BY.get(key, (course,)))
    yield from (f"at.{hook}" for hook in data.get("at", ())
                if hook not in HOOKS_OF.get(course, ()))


def _refuse(name, what, keys):
    keys = sorted(keys)
    if keys:
        raise ValueError(f"{name}: {what}: {', '.join(keys)}")


def load(name):
    """A file's only scenario, or one of its cases: "file.case". On a machine other than the one
    with VT-d: "file.case@amd", where "on.amd" in the file takes precedence over the rest."""
    scenario, _, iommu = name.partition("@")
    file, _, case = scenario.partition(".")
    data = _read(file)
    _refuse(name, "no machine of the file", data.get("on", {}).keys() - _machines(data))
    cases, machines = data.pop("cases", {}), data.pop("on", {})
    if case:
        data |= cases[case] | {"title": f"{data['title']}: {case}"}
    if iommu:
        data |= machines.get(iommu, {})
        data |= {"title": f"{data['title']}; {iommu}", "iommu": iommu}
    _refuse(name, "of another type", _mistyped(data))
    for key in MACHINES:
        data.pop(key, None)
    lists = {key: tuple(value) for key, value in data.items() if isinstance(value, list)}
    loaded = Scenario(name=name, **(data | lists))
    course = loaded.course_kind()
    _refuse(name, f"not used by the course {course}", _unused(data, course))
    return loaded


def name_of(file, case, iommu):
    name = f"{file}.{case}" if case else file
    return name if iommu == DEFAULT_IOMMU else f"{name}@{iommu}"


def _names_in(file, full):
    data = _read(file)
    found = []
    for case, changes in data.get("cases", {"": {}}).items():
        of_case = data | changes
        iommus = of_case.get("iommus", [DEFAULT_IOMMU])
        if full:
            iommus = dict.fromkeys(iommus + of_case.get("iommus_full", []))
        found += [name_of(file, case, iommu) for iommu in iommus]
    return found


def names(full=True):
    """The names of all scenarios, or of those of make test."""
    files = sorted(f[:-5] for f in os.listdir(DIRECTORY) if f.endswith(".toml"))
    return [name for file in files for name in _names_in(file, full)]

# SPDX-License-Identifier: GPL-2.0-only
"""Scenarios are data: lab/scenarios/*.toml, read into this."""

import os
from dataclasses import dataclass, field, replace

import tomllib

DIRECTORY = os.path.dirname(os.path.abspath(__file__))

# A file lists others in "iommus", and in "iommus_full" those of make test-full
DEFAULT_IOMMU = "intel"

# Points of a run at which a scenario may give the VMM further commands
HOOKS = ("old_armed", "old_changes", "old_preserved", "next_ready", "next_session", "next_given_up",
         "next_armed", "next_finishing", "next_finished")


@dataclass(frozen=True)
class Scenario:
    """What a run is made of; every field can be set in a scenario's file.

    title: one line for people
    expect: name of the outcome it is held against, see judge/expectation.py
    course: of the run: an update, a storm, see course/storm.py, a chain of updates, of the VMM,
        of programs or of a guest, see course/chain.py
    device: the device under test, see machine/devices.py; which decides about MSI or MSI-X
    vectors, cpus, memory, iommu, mode: the machine; cpus of the old and the next kernel
    cpu: further features of the CPUs, as QEMU's -cpu takes them
    arm: the vectors that are used, as "FIRST COUNT", armed one after the other; none: all
    devices: further devices of the machine, as QEMU's -device takes them; on the bus "path"
        they are functions of the device under test, and a network card with "netdev=NAME" is
        sent frames as well
    native_hotplug: whether the ports signal hot-plug themselves, to pciehp; if not, which is
        QEMU's default, firmware keeps that to itself
    decoys: whether there are any; without them an event which does not say whose it is belongs
        to the device under test
    watch_device: whether the trace is to tell how a device does that is driven by a program of
        the guest, see judge/live_device.py; needs a machine without decoys
    frame_gap: of a network card, seconds from one frame to the next that it is sent
    iops: if set, there are the disks "fast" and "slow", which are the same; the slow one does
        so many I/Os a second, and what is in flight at the jump is looked at
    patience: how many times as long as usual the guest may take to answer, because its commands do
        a lot
    holds_disk: whether the slow disk stands almost still, from before the jump until the next
        kernel runs, so that something is in flight in between
    holds_frames: whether no frame is sent from before the jump until the old kernel has
        switched translation off
    handover: whether the VMM preserves the device as well as its counters
    claims: whether the VMM of the next kernel retrieves the device; if not it finishes the
        session without it, if there is one, and then opens the device as any other
    end: the VMM's command that ends the update
    leaves_msi: whether the VMM of the next kernel uses MSI-X, where that of the old one used MSI
    kernels: build flavours of the old and the next kernel; "7.2:lab" is the one of another series,
        without which lab.py test skips the scenario
    across: whether lab.py test has it in the table of old and next kernels
    proof: per kernel a shell line which succeeds only in one that is what the scenario wants, or ""
    image: what the kernels have as user space: initrd, or systemd, whose first process is systemd,
        or package, with the kernels installed as packages as well
    next_kernel: path of the next kernel's image in the old one's user space
    guest: that of the kernel of a guest with Linux, which the old kernel's programs find with
        its initrd in /guest; none: there is no such guest
    append: further kernel parameters of the old and the next kernel
    rings: per vector, in each phase in which rings are counted one by one
    length: of a chain, in updates
    ring_into_block: ring on, uncounted, until the old kernel lets go of the device
    watch_late_changes: whether the old kernel has to try to change entries after the block
    seed: of the order of the rings in the blackout; of everything in a storm
    at: further commands to the VMM, by hook
    needs: options, without CONFIG_, that its kernels must have; lab.py test skips it where one
        is missing, as in a kernel that checks nothing, or in one of another series
    warns: functions of the kernel that may warn
    tolerates: texts of the console that are right here, although they are complaints elsewhere
    old_runs, next_runs: programs that each kernel runs instead of what the VMM does; end_runs:
        those that the last kernel of a chain runs in the end
    jump: what the old kernel runs to jump into the next one
    scribble: whether the lab overwrites the disks after old_runs
    patch: function of the old kernel to what it no longer does at the jump, see
        machine/patching.py; next_patch: of the next kernel at FINISH, in a storm or in the
        middle of a chain, or before its programs run
    corrupt: alterations of what the old kernel hands over, see course/corruption.py
    says: the lines in which the kernels say what they refuse, and other errors of ours, in
        order; errors: patterns of further ones, each of which is said at least once
    skips: reasons for which the kselftests of the scenario skip a case
    crashes: where the machine crashes: at a hook, or when the old kernel, on its way to the
        jump, comes to the function of this name
    crash_kernel: whether one is loaded then; if not, the machine is reset
    breaks: judges whose rules the scenario breaks on purpose; they have to notice, no
        other may, and an update ends after the hook next_ready
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
    patch: dict = field(default_factory=dict)
    next_patch: dict = field(default_factory=dict)
    corrupt: tuple = ()
    says: tuple = ()
    errors: tuple = ()
    skips: tuple = ()
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
        """Of the vectors that are used."""
        return [number for first, count in self.ranges() for number in range(first, first + count)]

    def x2apic(self):
        """Whether the remapping unit is in that mode, to which the old kernel has set it together
        with its CPUs, and the CPUs of the next kernel, which the unit has to support."""
        old, both = (self.mode == "x2apic" and "nox2apic" not in legs
                     for legs in (self.append[0], " ".join(self.append)))
        return old, both

    def flavours(self):
        """Of all kernels that it needs."""
        return self.kernels + ((self.guest,) if self.guest else ())

    def with_changes(self, **changes):
        return replace(self, **changes)


def _read(name):
    """A file may have the cases of another one, "cases_of"."""
    with open(os.path.join(DIRECTORY, name + ".toml"), "rb") as f:
        data = tomllib.load(f)
    other = data.pop("cases_of", None)
    return data | {"cases": _read(other)["cases"]} if other else data


def load(name):
    """A file's only scenario, or one of its cases: "file.case". On another machine than the one
    with VT-d: "file.case@amd", where what the file says in "on.amd" goes before the rest."""
    scenario, _, iommu = name.partition("@")
    file, _, case = scenario.partition(".")
    data = _read(file)
    cases, machines = data.pop("cases", {}), data.pop("on", {})
    if case:
        data |= cases[case] | {"title": f"{data['title']}: {case}"}
    if iommu:
        data |= machines.get(iommu, {})
        data |= {"title": f"{data['title']}; {iommu}", "iommu": iommu}
    for key in ("iommus", "iommus_full"):
        data.pop(key, None)
    unknown = set(data.get("at", {})) - set(HOOKS)
    if unknown:
        raise ValueError(f"{name}: unknown hooks {sorted(unknown)}")
    lists = {key: tuple(value) for key, value in data.items() if isinstance(value, list)}
    return Scenario(name=name, **(data | lists))


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
    """Of all scenarios, or of those of make test."""
    files = sorted(f[:-5] for f in os.listdir(DIRECTORY) if f.endswith(".toml"))
    return [name for file in files for name in _names_in(file, full)]

# SPDX-License-Identifier: GPL-2.0-only
"""Which part of a guest's pause is ours, in instructions, for one device with all of its vectors
armed, which reaches all of the guest's memory.

The machine is that of cost/live_update.py, where time is the number of instructions. The pause
begins where the VMM has called reboot(2), and ends with FINISH. Before and after that the VMM
stops, saves and starts the guest, as it would for any update.
"""

from collections import Counter
from dataclasses import dataclass, replace

from course.run import RunFailed
from cost import live_update
from machine import qemulog
from scenarios import scenario

VECTORS = 64
GUEST_MIB = 1024
MEMORY = "3G"
LONGEST = 10

BEGIN, END = "liveupdate_reboot", "vfio_pci_liveupdate_finish"

# Requests to the unit while the page table is replaced, as the beginnings of event names
REPLACEMENT = "vfio_df_ioctl_attach_pt"
WAIT = "vtd_inv_desc_wait_sw"
INVALIDATIONS = ("vtd_inv_desc_cc_", "vtd_inv_desc_pasid_cache_", "vtd_inv_desc_iotlb_")
# QEMU logs this one for each device that a request concerns
CONCERNED = "vtd_inv_desc_cc_device"

FREED = "old page tables are freed"

# Step: functions of the kernel. What the VMM maps is its own business.
OURS = {
    "freeze": ("vfio_pci_liveupdate_freeze",),
    "block": ("irq_lu_shutdown", "intel_liveupdate_close_all"),
    "records are read": ("irq_lu_load_once",),
    "take-over": ("intel_ir_restore_table", "intel_ir_take_over", "intel_liveupdate_take_over"),
    "match": ("pci_liveupdate_setup_device", "irq_liveupdate_match"),
    "retrieve": ("vfio_pci_liveupdate_retrieve",),
    "adoption": ("vfio_pci_set_irqs_ioctl",),
    "replacement": (REPLACEMENT,),
    # By a work item, on any CPU, if it runs before the end of FINISH
    FREED: ("free_left",),
    "FINISH": ("vfio_pci_liveupdate_finish",),
}
OTHERS = {
    "devices are shut down": ("device_shutdown",),
    "setup of the machine": ("setup_arch",),
    "setup of memory": ("mm_core_init",),
    "start of the other CPUs": ("smp_init",),
    "initcalls": ("do_one_initcall",),
    "initramfs is unpacked": ("do_populate_rootfs",),
    "memory of the guest is retrieved": ("memfd_luo_retrieve",),
    "memory is mapped for the device": ("iommufd_ioas_map", "iommufd_hwpt_alloc"),
    "virtual machine is restored": ("kvm_dev_ioctl", "kvm_vm_ioctl", "kvm_vcpu_ioctl"),
}

# All instructions between the entries of these two functions, whatever executes them
BETWEEN = {
    "jump: purgatory and decompression": ("machine_kexec", "x86_64_start_kernel"),
    "first process, until the VMM has the session": ("run_init_process", "memfd_luo_retrieve"),
}


@dataclass(frozen=True)
class Pause:
    """In instructions.

    whole: of all CPUs, from the first to the last
    ours, others: by step, those of the tasks that were in its functions
    requests: how many requests of each kind the replacement makes to the unit
    """

    whole: int
    ours: dict
    others: dict
    requests: dict

    def invalidations(self):
        return sum(count for name, count in self.requests.items() if name != WAIT)

    def waits(self):
        return self.requests.get(WAIT, 0)

    def sum_of_ours(self):
        return sum(self.ours.values())

    def share(self):
        return self.sum_of_ours() / self.whole

    def missing(self):
        """What a pause cannot be without."""
        steps = [name for name, count in self.ours.items() if not count and name != FREED]
        return steps + ["requests of the replacement"] * (not self.invalidations()
                                                          or not self.waits())

    def longest(self):
        steps = [(name, count) for steps in (self.ours, self.others)
                 for name, count in steps.items()]
        return sorted(steps, key=lambda step: -step[1])[:LONGEST]


class Machine(live_update.Machine):
    functions = {name for steps in (OURS, OTHERS, BETWEEN) for names in steps.values()
                 for name in names} | {BEGIN, END}

    @staticmethod
    def _traced(iommu):
        return (*live_update.TRACED, *(name + "*" for name in INVALIDATIONS))


def _events(path):
    with open(path, errors="replace") as f:
        for match in map(qemulog.LINE.match, f):
            if match:
                yield qemulog.Event(0, match["name"], match["text"])


class Reader:
    """Counts from the beginning of the pause to its end."""

    def __init__(self):
        self._begin = None
        self._counted = Counter()
        self._replacing = False
        self._first = {}
        self._requests = Counter()

    def _enter(self, function, numbers):
        self._first.setdefault(function, numbers["all"])
        self._replacing |= function == REPLACEMENT

    def _leave(self, function, numbers):
        """Functions entered before the pause began do not count."""
        if numbers["from"] >= self._begin:
            self._counted[function] += numbers["own"]
        self._replacing &= function != REPLACEMENT

    def _count(self, event):
        """Count an event that the plugin has logged. True at the end of the pause."""
        function, numbers = event.text.split()[0], event.numbers()
        if function == BEGIN and event.name == "enter":
            self._begin = numbers["all"]
        if self._begin is not None:
            getattr(self, "_" + event.name)(function, numbers)
        return (event.name, function) == ("leave", END) and self._begin is not None

    def _note_request(self, event):
        if (self._replacing and event.name != CONCERNED
                and event.name.startswith((*INVALIDATIONS, WAIT))):
            self._requests[event.name] += 1

    def read(self, path):
        for event in _events(path):
            if event.name not in ("enter", "leave"):
                self._note_request(event)
            elif self._count(event):
                return self._result(event.numbers()["all"])
        raise RunFailed("the pause has no end")

    def _steps(self, steps):
        return {name: sum(self._counted[function] for function in functions)
                for name, functions in steps.items()}

    def _between(self):
        return {name: self._first[end] - self._first[begin]
                for name, (begin, end) in BETWEEN.items()}

    def _result(self, end):
        return Pause(end - self._begin, self._steps(OURS),
                     self._steps(OTHERS) | self._between(), dict(self._requests))


def _scenario():
    parameters = live_update.PARAMETERS
    return replace(
        scenario.load("vm"), name="bench-pause", vectors=VECTORS, memory=MEMORY,
        mode=live_update.MODE, cpus=(2, 2), append=(parameters, parameters),
        kernels=live_update.KERNELS,
        old_runs=(f"live_vm -m {GUEST_MIB} -s 1 {{device}}",))


def measure(build, echo=False):
    found = live_update.run_once(_scenario(), build, echo, Machine, live_update.Programs,
                                 Reader)
    if found.missing():
        raise RunFailed(f"not seen in the pause: {', '.join(found.missing())}")
    return found

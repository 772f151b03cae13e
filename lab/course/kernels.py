# SPDX-License-Identifier: GPL-2.0-only
"""The command lines of the kernels of a run, what memory these kernels need, and how slow they
are."""

from machine.iommu import IOMMUS

CONSOLE = "console=ttyS0,115200"
PANIC = "oops=panic panic=-1"

# On a busy host an emulated machine's clocks cannot be calibrated against each other, and ticks of
# its timer come too late for the kernel's check of the IO-APIC: with QEMU 11.1, 4 of 45 boots end
# with "IO-APIC + timer doesn't work" there, on VT-d and AMD-Vi.
CLOCKS = "no_timer_check tsc=reliable lpj=4000000"

COMMON_PARAMETERS = (
    # earlycon: shows the messages of a kernel that panics before there is a console
    f"{CONSOLE} earlycon=uart8250,io,0x3f8,115200 {PANIC} {CLOCKS} "
    # TCG may let a CPU continue after HLT for a broadcast that its local APIC drops. A CPU that the
    # next kernel does not use then executes memory that was reused, see README.md
    "no_ipi_broadcast=1 "
    # Otherwise the CPUs that wait for their turn spin, and slow down the one that starts them
    "cpuhp.parallel=0"
)

LIVE_UPDATE_PARAMETERS = "kho=on liveupdate=on"

# KHO would make its scratch memory too large: it counts what is reserved for the crash kernel.
CRASH_SCRATCH = "kho_scratch=16M,256M,256M"
CRASH_KERNEL = "crashkernel=192M"
SLOW_CRASH_KERNEL = "crashkernel=512M"

# KASAN makes the next kernel too large for KHO's default scratch memory, and KHO then
# disables itself.
DEBUG_MEMORY = "2G"
DEBUG_PARAMETERS = "kho_scratch=16M,512M,256M"

# For runs without a virtual machine: KVM patches so much code at boot that TCG spends a fifth of a
# run on it.
NO_KVM = "initcall_blacklist=svm_init"

SLOW_KERNELS = ("debug", "gcov")
SLOWNESS = 10


def with_memory(scenario):
    """A scenario on a machine that has enough memory for its kernels: the debug kernel may be
    either."""
    if "debug" not in scenario.kernels:
        return scenario
    append = tuple(f"{part} {DEBUG_PARAMETERS}".strip() for part in scenario.append)
    return scenario.with_changes(append=append, memory=DEBUG_MEMORY)


def slowness(scenario):
    return SLOWNESS if set(SLOW_KERNELS) & set(scenario.kernels) else 1


def has_crash_kernel(scenario, leg):
    """Only where it is needed: the next kernel would take its memory out of the scratch memory."""
    crashes = scenario.crashes
    return crashes and scenario.crash_kernel and leg == crashes.startswith("next_")


def _crash_parameters(scenario, leg):
    slow = slowness(scenario) > 1    # such kernels set their scratch memory already
    memory = SLOW_CRASH_KERNEL if slow else CRASH_KERNEL
    return " ".join(([memory] if has_crash_kernel(scenario, leg) else []) +
                    ([CRASH_SCRATCH] if scenario.crashes and not slow else []))


def of_role(scenario, role, devices, further):
    """further: parameters of the course and of the machine"""
    return (f"{COMMON_PARAMETERS} {further} {IOMMUS[scenario.iommu].parameters} "
            f"lab.device={','.join(devices)} lab.role={role}")


def of_leg(scenario, leg, devices, further):
    """leg: 0 is the old kernel, 1 the next one."""
    return " ".join((of_role(scenario, ("old", "next")[leg], devices, further),
                     LIVE_UPDATE_PARAMETERS, _crash_parameters(scenario, leg),
                     "" if scenario.has_vm() else NO_KVM,
                     f"nr_cpus={scenario.cpus[leg]}", scenario.append[leg]))

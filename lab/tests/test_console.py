# SPDX-License-Identifier: GPL-2.0-only
"""What must not be on any console, and which lines there are errors of ours."""

import pytest

from course.result import Result
from judge import console
from judge import error_lines
from judge import judgement
from machine import qemulog
from scenarios import scenario

COMPLAINTS = (
    "irq 24: nobody cared (try booting with the \"irqpoll\" option)",
    "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
    "rcu: INFO: rcu_preempt self-detected stall on CPU",
    "UBSAN: shift-out-of-bounds in kernel/irq/liveupdate.c:12:3",
    "ODEBUG: free active (active state 0) object: work_struct",
    "AMD-Vi: Completion-Wait loop timed out",
    "DMAR: VT-d detected Invalidation Queue Error: Reason f",
    "DMAR: VT-d detected Invalidation Time-out Error: SID 100",
    "DMAR: VT-d detected Invalidation Completion Error: SID 100",
    "AMD-Vi: Event logged [IO_PAGE_FAULT device=0000:00:00.0 domain=0x0000 address=0x1000 "
    "flags=0x0000]",
    "pci 0000:00:01.0: AMD-Vi: Event logged [ILLEGAL_COMMAND_ERROR address=0x1000]",
    "Call Trace:",
    "0.33 No irq handler for vector",
    "WARNING: CPU: 0 PID: 1 at kernel/irq/chip.c:1 irq_startup+0x1/0x2",
    "BUG: KASAN: slab-use-after-free in irq_lu_block+0x1/0x2",
    "general protection fault, probably for non-canonical address 0x1",
    "WARNING: possible circular locking dependency detected",
    "INFO: task vmm:70 blocked for more than 120 seconds.",
    "DMAR: DRHD: handling fault status reg 2",
    "DMAR: [DMA Write NO_PASID] Request device [0000:01:00.0] fault addr 0x1000 "
    "[fault reason 0x02] Present bit in context entry is clear",
    "DMAR: [DMA Read PASID 0x0] Request device [0000:01:00.0] fault addr 0x1000 "
    "[fault reason 0x71] SM: Present bit in first-level paging entry is clear",
    "DMAR: Failed to copy translation tables from previous kernel for dmar0",
    "kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
    "kmemleak: Kernel memory leak detector disabled",
    "kmemleak: Memory pool empty, consider increasing CONFIG_DEBUG_KMEMLEAK_MEM_POOL_SIZE",
    "Spurious interrupt (vector 0x22) on CPU#1. Acked",
    "Spurious interrupt (vector 0x22) on CPU#1. Not pending!",
    "irq 25: Affinity broken due to vector space exhaustion.",
    "irq 25 handler vfio_msihandler+0x0/0x20 enabled interrupts",
    "genirq: Flags mismatch irq 16. 00000000 (vfio-intx) vs. 00000080 (ahci)",
    "vmm[70]: segfault at 8 ip 00007f1fa4a5b2c3 sp 00007ffc8a2b1d40 error 4 in vmm[401000+9000] "
    "likely on CPU 1 (core 1, socket 0)",
    "Out of memory: Killed process 70 (vmm) total-vm:2048kB, anon-rss:128kB, file-rss:0kB",
    "pcieport 0000:00:04.0: PCIe Bus Error: severity=Uncorrectable (Non-Fatal), "
    "type=Transaction Layer, (Requester ID)",
    "watchdog: CPU1: Watchdog detected hard LOCKUP on cpu 0",
    "rcu: rcu_preempt kthread starved for 2602 jiffies! g1 f0x0 RCU_GP_WAIT_FQS(5) ->state=R",
    "KHO: Failed to reserve scratch area, disabling kexec handover",
    "nvme nvme0: I/O tag 5 (1005) QID 2 timeout, completion polled",
    "nvme nvme0: I/O tag 5 (1005) QID 0 timeout, disable controller",
    "nvme nvme0: I/O tag 5 (1005) opcode 0x2 (Read) QID 2 timeout, reset controller",
    "nvme nvme0: I/O tag 5 (1005) opcode 0x2 (Read) QID 2 timeout, aborting "
    "req_op:READ(0) size:4096",
    "e1000e 0000:01:00.0 eth0: NETDEV WATCHDOG: CPU: 0: transmit queue 0 timed out 5120 ms",
    "unchecked MSR access error: WRMSR to 0x48 (tried to write 0x0000000000000000) at rIP: "
    "0xffffffff81000000 (native_write_msr+0x4/0x20)",
    "unchecked MSR access error: RDMSR from 0x48 at rIP: "
    "0xffffffff81000000 (native_read_msr+0x4/0x20)",
    "BUG kmalloc-64 (Not tainted): Poison overwritten",
    "INFO: trying to register non-static key.",
    "sysfs: cannot create duplicate filename '/devices/pci0000:00/0000:00:04.0/liveupdate'",
)

# Lines of every boot
HARMLESS = (
    "Linux version 7.3.4-lab (lab@lab) (gcc (Debian 12.2.0-14+deb12u1) 12.2.0) #4 SMP DEBUG_BUGS",
    "Kernel command line: oops=panic panic=-1 kho=off",
    "DMAR: [Firmware Bug]: RMRR entry for device 00:02.0 is broken - applying workaround",
    "kmemleak: Kernel memory leak detector initialized (mem pool available: 15932)",
    "nvme nvme0: 2/0/0 default/read/poll queues",
)


@pytest.mark.parametrize("line", COMPLAINTS)
def test_complaint(line):
    assert console.complaints(f"[    1.234567] {line}\n"
                              "[    1.3] irq_liveupdate: freeze begins with 0000:01:00.0")


@pytest.mark.parametrize("line", HARMLESS)
def test_no_complaint(line):
    assert not console.complaints(f"[    1.234567] {line}\n")


WARNING = ("[ 1.0] WARNING: fs/proc/generic.c:1 at remove_proc_entry+0x1/0x2, CPU#0: x/1\n"
           "[ 1.0] Tainted: [W]=WARN\n[ 1.0] Call Trace:\n")


def test_warning_which_may_be():
    assert not console.complaints(2 * WARNING, warns=("remove_proc_entry",))
    assert console.complaints(WARNING)


def test_warning_which_may_be_excuses_one_trace():
    text = WARNING + "[ 2.0] Call Trace:\n"
    assert console.complaints(text, warns=("remove_proc_entry",)) == ["[ 2.0] Call Trace:"]
    text = "[ 0.5] Call Trace:\n" + WARNING
    assert console.complaints(text, warns=("remove_proc_entry",)) == ["[ 0.5] Call Trace:"]


BOOT = "[    0.000000] Linux version 7.3.4-lab (lab@lab)\n"
PANIC = "[    3.000000] Kernel panic - not syncing: sysrq triggered crash\n"
TRACE = "[    3.000100] Call Trace:\n"
CRASH = f"[    2.900000] sysrq: Trigger a crash\n{PANIC}[    3.000050] CPU: 0\n{TRACE}"


def test_crash_of_the_scenario():
    assert not console.complaints(BOOT + CRASH + BOOT, crashes=True)
    assert len(console.complaints(BOOT + CRASH + BOOT)) == 2


@pytest.mark.parametrize("text, line", (
    (TRACE + CRASH + BOOT, TRACE), (CRASH + TRACE + BOOT, TRACE),    # of the kernel that crashes
    (CRASH + BOOT + TRACE, TRACE), (PANIC + BOOT + TRACE, TRACE),    # of the kernel after it
    (CRASH + BOOT + PANIC, PANIC),
    (CRASH.replace("sysrq triggered crash", "Fatal exception") + BOOT,
     PANIC.replace("sysrq triggered crash", "Fatal exception") + TRACE),
))
def test_only_the_crash_of_the_scenario_and_its_trace_are_accepted(text, line):
    found = console.complaints(BOOT + text, crashes=True)
    assert found == line.splitlines()


@pytest.mark.parametrize("name", [name for name in scenario.names() if name.startswith("crash")])
def test_crashing_scenario_accepts_no_other_trace(name):
    result = Result(scenario.load(name), [], console=BOOT + BOOT + CRASH + BOOT + TRACE)
    judgement.look_over(result, qemulog.Log([]))
    assert result.complaints == [TRACE.strip()]


FAULT = "DMAR: [DMA Write NO_PASID] Request device [{}] fault addr 0x1000"
HANDLING = "DMAR: DRHD: handling fault status reg 2"
LOGGED = "AMD-Vi: Event logged [{} device=0000:00:00.0 domain=0x0000 address=0x1000 flags=0x0000]"
PAGE_FAULT = LOGGED.format("IO_PAGE_FAULT")
FUNCTIONS = ("0000:00:09.0", "0000:00:10.0", "0000:01:00.0", "0000:01:00.1", "0000:01:00.2",
             "0000:01:00.3", "0000:01:10.0", "0000:02:00.0", "0001:01:00.0")

# Further complaints about DMA, none of which any scenario expects
OTHERS = (
    "DMAR: VT-d detected Invalidation Queue Error: Reason f",
    "DMAR: VT-d detected Invalidation Time-out Error: SID 100",
    "DMAR: [INTR-REMAP] Request device [01:00.0] fault index 0x11",
    "AMD-Vi: Completion-Wait loop timed out", LOGGED.format("ILLEGAL_DEV_TABLE_ENTRY"),
)
FAULTING = [name for name in scenario.names() if scenario.load(name).dma_faults]


def accepted(chosen, lines):
    tolerates = judgement.tolerated(chosen)
    return [line for line in lines if not console.complaints(line, tolerates=tolerates)]


@pytest.mark.parametrize("name", FAULTING)
def test_only_faults_of_the_named_devices_are_accepted(name):
    chosen = scenario.load(name)
    faults = [FAULT.format(device) for device in FUNCTIONS]
    expected = [FAULT.format(device) for device in FUNCTIONS if device in chosen.dma_faults]
    assert len(expected) == len(chosen.dma_faults)
    expected = [PAGE_FAULT] if chosen.iommu == "amd" else [*expected, HANDLING]
    assert accepted(chosen, [*faults, HANDLING, PAGE_FAULT, *OTHERS]) == expected


def test_run_is_judged_by_the_patterns_of_its_machine():
    result = Result(scenario.load("vm-canary"), [], console=FAULT.format("0000:00:09.0"))
    judgement.look_over(result, qemulog.Log([]))
    assert not result.complaints
    result.scenario = scenario.load("vm-canary@amd")
    judgement.look_over(result, qemulog.Log([]))
    assert result.complaints == [result.console]


# These are about reports of the unit themselves, of messages or of any kind.
OWN_PATTERNS = {"faults-again", "sabotage-faults", "next-lost-table"}


def test_no_other_scenario_accepts_a_fault():
    lines = [*map(FAULT.format, FUNCTIONS), HANDLING, PAGE_FAULT]
    for name in set(scenario.names()) - set(FAULTING):
        chosen = scenario.load(name)
        if name.partition("@")[0] not in OWN_PATTERNS:
            assert not accepted(chosen, lines), name


def test_patterns_of_faults_are_the_machines():
    lines = [*map(FAULT.format, FUNCTIONS), HANDLING, PAGE_FAULT]
    for name in FAULTING:
        assert not accepted(scenario.load(name).with_changes(dma_faults=()), lines), name


def test_next_kernel_without_a_driver_for_the_unit_reports_no_faults():
    assert "next-no-translation" in FAULTING
    assert not scenario.load("next-no-translation@amd").dma_faults


def test_no_scenario_accepts_an_error_of_the_unit():
    errors = [line for line in COMPLAINTS if "detected Inv" in line or "Completion-Wait" in line]
    assert len(errors) == 4
    for name in scenario.names():
        assert not accepted(scenario.load(name), errors), name


SOURCE = r'''
#define pr_fmt(fmt) "irq_liveupdate: " fmt
	dev_err(msi->dev, "irq_liveupdate: irq %u: %s: %pe\n", msi->irq + i,
		"device and kernel disagree", ERR_PTR(ret));
	pr_err("interrupts not taken over: %s\n", reason);
	pr_info("%s: taken over: "
		"%u vectors\n", name, n);
	pci_err(pdev, "live update: stopped: nobody has claimed it\n");
	pr_err("%s\n", text);
'''


@pytest.mark.parametrize("line,error", (
    ("vfio-pci 0000:01:00.0: irq_liveupdate: irq 29: device and kernel disagree: -EIO", True),
    ("irq_liveupdate: interrupts not taken over: unknown version", True),
    ("irq_liveupdate: 0000:01:00.0: taken over: 8 vectors", False),
    ("pci 0000:01:00.0: live update: stopped: nobody has claimed it", True),
    ("something of somebody else", False),
))
def test_level_of_a_line(line, error):
    known = error_lines.formats(SOURCE)
    found = error_lines.error_lines(f"[    1.234567] {line}\n", known)
    assert found == ([line] if error else [])


def test_audit_of_the_kernel_is_an_error():
    line = "vfio-pci 0000:01:00.0: irq_liveupdate: irq 29: device and kernel disagree: -EIO"
    assert error_lines.error_lines(f"[    1.234567] {line}\n") == [line]

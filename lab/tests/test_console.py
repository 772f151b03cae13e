# SPDX-License-Identifier: GPL-2.0-only
"""What must not be on any console, and which lines there are errors of ours."""

import pytest

from judge import console
from judge import error_lines

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
    "kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
)


@pytest.mark.parametrize("line", COMPLAINTS)
def test_complaint(line):
    assert console.complaints(f"[    1.234567] {line}\n[    1.3] irq_liveupdate: frozen: 8 vectors")


def test_warning_which_may_be():
    text = ("[ 1.0] WARNING: fs/proc/generic.c:1 at remove_proc_entry+0x1/0x2, CPU#0: x/1\n"
            "[ 1.0] Tainted: [W]=WARN\n[ 1.0] Call Trace:\n")
    assert not console.complaints(text, warns=("remove_proc_entry",))
    assert console.complaints(text)


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

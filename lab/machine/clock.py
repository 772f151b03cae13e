# SPDX-License-Identifier: GPL-2.0-only
"""The frequency of the TSC of an emulated machine, which is the TSC of its host.

A kernel measures it when it boots, against timers that QEMU emulates, and again a second later. On
a busy host the first measurement is wrong by as much as a factor of 13, and so are all clocks of
the kernel. As a rule it is wrong by 0.1 %, which is more than KVM tolerates when a virtual machine
is created in that second. So the kernels are given the frequency.
"""

import ctypes
import functools
import mmap
import platform
import time

# rdtsc; shl $32, %rdx; or %rdx, %rax; ret
READ_TSC = bytes.fromhex("0f31 48c1e220 4809d0 c3")

SAMPLES = 50
INTERVAL = 0.2
NSEC_PER_MSEC = 1000000


def _sample(read_tsc):
    """(nanoseconds, cycles) at one instant, as exact as possible."""
    def try_once():
        before = time.monotonic_ns()
        cycles = read_tsc()
        after = time.monotonic_ns()
        return after - before, before, cycles

    return min(try_once() for _ in range(SAMPLES))[1:]


@functools.cache
def tsc_khz():
    """None on a host without a TSC, or one that does not let its programs write code."""
    if platform.machine() != "x86_64":
        return None
    try:
        code = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    except OSError:
        return None
    code.write(READ_TSC)
    address = ctypes.addressof(ctypes.c_char.from_buffer(code))
    read_tsc = ctypes.CFUNCTYPE(ctypes.c_uint64)(address)
    begin, first = _sample(read_tsc)
    time.sleep(INTERVAL)
    end, last = _sample(read_tsc)
    return round((last - first) * NSEC_PER_MSEC / (end - begin))


def parameters():
    """The parameters for a kernel."""
    return [f"tsc_early_khz={tsc_khz()}"] if tsc_khz() else []

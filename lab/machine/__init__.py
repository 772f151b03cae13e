# SPDX-License-Identifier: GPL-2.0-only
"""The machine on which a run happens, and all ways to inspect it from outside.

qemu.py starts the QEMU process, and is the only place that knows its command line. vmm.py is
the connection to the program in the guest; ivshmem.py, register_doorbell.py and frames.py are what
its devices are connected to; qemulog.py reads the trace, gdbstub.py and monitor.py query the
machine while it runs; symbols.py, abi.py, kho.py and patching.py know the kernel's memory; iommu.py
and devices.py describe how IOMMUs and devices differ. Nothing in here knows a scenario's outcome.
Another device or IOMMU is an entry in one of the last two.
"""

# SPDX-License-Identifier: GPL-2.0-only
"""Where the CPUs of a machine that does not answer are."""

import os
import tempfile
import unittest

from machine import monitor
from machine import symbols

REGISTERS = """\
info registers -a

CPU#0
RAX=0000000000000000 RBX=0000000000000000 RCX=0000000000000000 RDX=0000000000000000
RIP=ffffffff81000012 RFL=00000246 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=1
EFER=0000000000000d01

CPU#1
RAX=0000000000000000 RBX=0000000000000000 RCX=0000000000000000 RDX=0000000000000000
RIP=00000000000fd0a9 RFL=00000046 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=0
EFER=0000000000000000
(qemu) """

SYSTEM_MAP = """\
0000000000002000 A fixed_percpu
ffffffff81000000 T _text
ffffffff81000010 T default_idle
ffffffff81000020 T cpu_startup_entry
ffffffff81000030 B _end
"""


class Where(unittest.TestCase):
    def setUp(self):
        with tempfile.NamedTemporaryFile("w", delete=False) as f:
            f.write(SYSTEM_MAP)
        self.addCleanup(os.unlink, f.name)
        self.symbols = symbols.Symbols(f.name)

    def test_each_cpu(self):
        self.assertEqual(monitor.where(REGISTERS, self.symbols),
                         ["CPU 0: rip ffffffff81000012 default_idle+0x2 halted",
                          "CPU 1: rip 00000000000fd0a9 not in the kernel"])

    def test_qemu_has_ended(self):
        lines, registers = monitor.autopsy("/nonexistent", self.symbols)
        self.assertIn("QEMU's monitor: ", lines)
        self.assertEqual(registers, "")


if __name__ == "__main__":
    unittest.main()

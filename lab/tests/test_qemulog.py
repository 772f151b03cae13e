# SPDX-License-Identifier: GPL-2.0-only
"""What QEMU and the plugins write, as it is read."""

import unittest

from machine import qemulog


class Parse(unittest.TestCase):
    def test_trace_event(self):
        event = qemulog.parse("2026-11-28T05:19:21.105381Z vtd_ir_enable enable 1\n")
        self.assertEqual(event, qemulog.Event(1795843161.105381, "vtd_ir_enable", "enable 1"))

    def test_whole_second(self):
        event = qemulog.parse("2026-11-28T05:19:21Z vtd_ir_enable enable 1\n")
        self.assertEqual(event.time, 1795843161)

    def test_other_lines(self):
        for line in ("EAX=00000000 EBX=00000000", "1@103.5:vtd_ir_enable enable 1", ""):
            self.assertIsNone(qemulog.parse(line), line)


if __name__ == "__main__":
    unittest.main()

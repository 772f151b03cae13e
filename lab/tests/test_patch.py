# SPDX-License-Identifier: GPL-2.0-only
"""A patch takes out what is named, and nothing else."""

import unittest

import patch

START = 0xffffffff81000000
TARGET = START - 0x1000


def call(at, target):
    return b"\xe8" + (target - (at + 5)).to_bytes(4, "little", signed=True)


class Patch(unittest.TestCase):
    def test_call_is_taken_out(self):
        code = b"\x55" + call(START + 1, TARGET) + b"\x5d\xc3"
        self.assertEqual(patch.without_call(code, START, TARGET),
                         (b"\x55" + patch.NOP + b"\x5d\xc3", 1))

    def test_call_of_another_function_stays(self):
        code = b"\x55" + call(START + 1, TARGET + 0x10) + b"\x5d\xc3"
        self.assertEqual(patch.without_call(code, START, TARGET), (code, 0))


if __name__ == "__main__":
    unittest.main()

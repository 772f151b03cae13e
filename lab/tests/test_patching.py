# SPDX-License-Identifier: GPL-2.0-only
"""A patch removes what it names, and nothing else."""

import unittest

from machine import patching

START = 0xffffffff81000000
TARGET = START - 0x1000


def call(at, target):
    return b"\xe8" + (target - (at + 5)).to_bytes(4, "little", signed=True)


class Memory:
    """A kernel with a function, its copy in a KUnit suite, and what the former calls."""

    ADDRESSES = {"block": [START, START + 0x100], "flush": [TARGET]}

    def __init__(self):
        self.code = {START: call(START, TARGET) + b"\xc3", START + 0x100: b"\xc3"}
        self.before = dict(self.code)

    def functions(self, name):
        return [(start, start + len(self.code[start])) for start in self.ADDRESSES[name]]

    def address(self, name):
        return self.ADDRESSES[name][0]

    def read(self, address, length):
        return self.code[address][:length]

    def write(self, address, data):
        self.code[address] = data


class Patch(unittest.TestCase):
    def test_call_is_taken_out(self):
        code = b"\x55" + call(START + 1, TARGET) + b"\x5d\xc3"
        self.assertEqual(patching.without_call(code, START, TARGET),
                         (b"\x55" + patching.RETURNS_0 + b"\x5d\xc3", 1))

    def test_call_of_another_function_stays(self):
        code = b"\x55" + call(START + 1, TARGET + 0x10) + b"\x5d\xc3"
        self.assertEqual(patching.without_call(code, START, TARGET), (code, 0))

    def test_only_the_function_which_has_the_call_is_written(self):
        memory = Memory()
        patching.apply_all(memory, memory, {"block": "flush"})
        self.assertEqual(memory.code, memory.before | {START: patching.RETURNS_0 + b"\xc3"})

    def test_nothing_to_take_out(self):
        memory = Memory()
        for do in (patching.check_all, patching.apply_all):
            with self.assertRaisesRegex(patching.NothingToPatch, "block does not call block"):
                do(memory, memory, {"block": "block"})

    def test_check_writes_nothing(self):
        memory = Memory()
        patching.check_all(memory, memory, {"block": "flush"})
        self.assertEqual(memory.code, memory.before)


if __name__ == "__main__":
    unittest.main()

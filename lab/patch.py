# SPDX-License-Identifier: GPL-2.0-only
"""Breaks a running kernel: its functions no longer do what a scenario names.

A scenario's patch is {function: what it no longer does}: the name of a function
that it calls, or "set_bit", which is inline.
"""

import re

import gdbstub

CALL = 0xe8
CALL_BYTES = 5
NOP = bytes.fromhex("0f1f440000")

# bts %r64,m64, which becomes btr: the bit is clear before, and stays so
SET_BIT = re.compile(rb"([\x48-\x4f]\x0f)\xab", re.DOTALL)


def without_set_bit(code):
    return SET_BIT.subn(rb"\1" + b"\xb3", code)


def without_call(code, start, target):
    """The code, which is at start, with its calls of target turned into NOPs; their number."""
    code, count = bytearray(code), 0
    for n in range(len(code) - CALL_BYTES + 1):
        end = n + CALL_BYTES
        offset = int.from_bytes(code[n + 1:end], "little", signed=True)
        if code[n] == CALL and start + end + offset == target:
            code[n:end] = NOP
            count += 1
    return bytes(code), count


def apply(stub, symbols, function, what):
    """Patch a function; a copy in a KUnit suite may use fakes instead."""
    found = 0
    for start, end in symbols.functions(function):
        code = stub.read(start, end - start)
        if what == "set_bit":
            patched, count = without_set_bit(code)
        else:
            patched, count = without_call(code, start, symbols.address(what))
        stub.write(start, patched)
        found += count
    if not found:
        raise gdbstub.StubError(f"{function} has no {what} that could be taken out")

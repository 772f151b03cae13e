# SPDX-License-Identifier: GPL-2.0-only
"""Breaks a running kernel: its functions no longer do what a scenario names.

A scenario's patch is {function: the name of a function that it no longer calls}.
"""

CALL = 0xe8
CALL_BYTES = 5
# As long as a call, which returns 0 if anything: xor %eax,%eax; nopl (%rax)
RETURNS_0 = bytes.fromhex("31c00f1f00")


class NothingToPatch(Exception):
    """A function does not contain the call that is to be removed."""


def without_call(code, start, target):
    """The code at the address start without its calls of target, and the number of calls."""
    code, count = bytearray(code), 0
    for n in range(len(code) - CALL_BYTES + 1):
        end = n + CALL_BYTES
        offset = int.from_bytes(code[n + 1:end], "little", signed=True)
        if code[n] == CALL and start + end + offset == target:
            code[n:end] = RETURNS_0
            count += 1
    return bytes(code), count


def _patched(stub, symbols, function, what):
    """Map from address to the code of a function without its calls. A copy of the function in a
    KUnit suite may call fakes instead."""
    found = {}
    for start, end in symbols.functions(function):
        code = stub.read(start, end - start)
        patched, count = without_call(code, start, symbols.address(what))
        if count:
            found[start] = patched
    if not found:
        raise NothingToPatch(f"{function} does not call {what}: nothing to remove")
    return found


def check_all(stub, symbols, patch):
    """Make sure that a patch finds what it removes, before a run relies on it."""
    for function, what in patch.items():
        _patched(stub, symbols, function, what)


def apply_all(stub, symbols, patch):
    for function, what in patch.items():
        for start, code in _patched(stub, symbols, function, what).items():
            stub.write(start, code)

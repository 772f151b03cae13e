# SPDX-License-Identifier: GPL-2.0-only
"""Reads gcov's counters out of a kernel, from outside.

A kernel that jumps into the next one loses its counters, and what it does last is of interest here.
So they are read from its memory while the machine is stopped.
"""

import struct

MAGIC = 0x67636461
TAG_FUNCTION = 0x01000000
TAG_COUNTERS = 0x01a10000
COUNTER_TAG_SHIFT = 17

# What GCC 12 and 13 make: struct gcov_info, gcov_fn_info and gcov_ctr_info of
# kernel/gcov/gcc_4_7.c. The compiler, not the kernel, determines their layout.
VERSIONS = (b"B2", b"B3")
NR_KINDS = 8
INFO = struct.Struct(f"<4s4xQIIQ{NR_KINDS}QI4xQ")
FUNCTION = struct.Struct("<QIII4x")
COUNTERS = struct.Struct("<I4xQ")
WORD = 4
VALUE = 8


class UnknownCompiler(Exception):
    """The kernel was built by a compiler whose counters have a different format."""


def _string(stub, address):
    data = b""
    while b"\0" not in data:
        data += stub.read(address + len(data), 64)
    return data.split(b"\0")[0].decode()


def _values(stub, address, count):
    return struct.unpack(f"<{count}Q", stub.read(address, count * VALUE))


def _function(stub, address, kinds):
    """(ident, checksums) of a function, and the values of each kind of counters."""
    data = stub.read(address, FUNCTION.size + len(kinds) * COUNTERS.size)
    head = FUNCTION.unpack_from(data)[1:]
    counters = {}
    for n, kind in enumerate(kinds):
        count, values = COUNTERS.unpack_from(data, FUNCTION.size + n * COUNTERS.size)
        counters[kind] = _values(stub, values, count) if count else ()
    return head, counters


class Object:
    """The counters of one object file, summed up over runs of the same kernel."""

    def __init__(self, version, stamp):
        self.version = version
        self.stamp = stamp
        self.functions = {}

    def add(self, head, counters):
        if head not in self.functions:
            self.functions[head] = counters
            return
        sums = self.functions[head]
        for kind, values in counters.items():
            sums[kind] = tuple(map(sum, zip(sums[kind], values)))

    def gcda(self):
        data = struct.pack("<I4sII", MAGIC, self.version, self.stamp, 0)
        for head, counters in self.functions.items():
            data += struct.pack("<II3I", TAG_FUNCTION, len(head) * WORD, *head)
            for kind, values in counters.items():
                tag = TAG_COUNTERS + (kind << COUNTER_TAG_SHIFT)
                data += struct.pack(f"<II{len(values)}Q", tag, len(values) * VALUE, *values)
        return data


class Counters:
    """The counters of all object files, by the names of their .gcda files."""

    def __init__(self):
        self.objects = {}

    def add(self, stub, symbols):
        """Add what the stopped kernel has counted so far."""
        info = _values(stub, symbols.address("gcov_info_head"), 1)[0]
        while info:
            info = self._add_object(stub, info)

    def _add_object(self, stub, address):
        """Returns the address of the next one."""
        version, following, stamp, _, name, *kinds, count, functions = INFO.unpack(
            stub.read(address, INFO.size))
        if not version[::-1].startswith(VERSIONS):
            raise UnknownCompiler(f"gcov version {version[::-1].decode()}")
        kinds = [kind for kind, merge in enumerate(kinds) if merge]
        one = self.objects.setdefault(_string(stub, name), Object(version, stamp))
        for function in _values(stub, functions, count):
            one.add(*_function(stub, function, kinds))
        return following

    def write(self):
        """Write the counters where gcov looks for them: beside the object files."""
        for name, one in self.objects.items():
            with open(name, "wb") as f:
                f.write(one.gcda())

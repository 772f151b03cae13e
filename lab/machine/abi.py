# SPDX-License-Identifier: GPL-2.0-only
"""The structures that are handed over, as the compiler lays them out: scripts/layouts.py."""

import ctypes
import functools
import json

WORDS = {1: ctypes.c_uint8, 2: ctypes.c_uint16, 4: ctypes.c_uint32, 8: ctypes.c_uint64}


def _kind(size, count):
    """The type of a field: what is not a number is bytes."""
    kind = WORDS.get(size, ctypes.c_uint8 * size)
    return kind * count if count else kind


def _fields(members, size):
    at = 0
    for name, offset, bytes_of_one, count in [*members, (None, size, 0, 0)]:
        if offset > at:
            yield f"_{at}", ctypes.c_uint8 * (offset - at)
        if name:
            yield name, _kind(bytes_of_one, count)
        at = offset + bytes_of_one * (count or 1)


def _layout(name, size, members):
    return type(name, (ctypes.LittleEndianStructure,),
                {"_pack_": 1, "_fields_": list(_fields(members, size))})


@functools.cache
def structures(path):
    """Map from name to layout of each structure in a file."""
    with open(path, encoding="utf-8") as file:
        return {name: _layout(name, **found) for name, found in json.load(file).items()}

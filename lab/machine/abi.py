# SPDX-License-Identifier: GPL-2.0-only
"""The structures of include/linux/kho/abi, read from the headers themselves."""

import ctypes
import os
import re

DIRECTORY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "include",
                         "linux", "kho", "abi")
HEADERS = ("irq.h", "pci.h")

STRUCT = re.compile(r"^struct (\w+) \{\n(.*?)^\};", re.MULTILINE | re.DOTALL)
# An array without a size is what follows the structure, and no part of it.
MEMBER = re.compile(r"^\t(?:__u(\d+)|char)\s+(\w+)(?:\[(\d+)\])?;", re.MULTILINE)

CHAR = "8"
WORDS = {"8": ctypes.c_uint8, "16": ctypes.c_uint16, "32": ctypes.c_uint32, "64": ctypes.c_uint64}


def _member(bits, name, count):
    word = WORDS[bits or CHAR]
    return (name, word * int(count) if count else word)


def _structures_of(header):
    with open(os.path.join(DIRECTORY, header)) as f:
        text = f.read()
    return {name: type(name, (ctypes.LittleEndianStructure,),
                       {"_fields_": [_member(*m) for m in MEMBER.findall(body)]})
            for name, body in STRUCT.findall(text)}


def size(layout):
    return ctypes.sizeof(layout)


def structures():
    """Name to layout of each structure."""
    return {name: layout for header in HEADERS
            for name, layout in _structures_of(header).items()}

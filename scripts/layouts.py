#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Write $BUILD/layouts.json: the layout of the structures that the lab reads and
alters in a guest's memory.

The lab kernel has no debug information, which would double the time of its build. One object
is compiled again, in the same way as for the kernel, with debug information and the headers of the
handed-over structures.
"""

import json
import os
import shlex
import subprocess
import sys
import tempfile

from elftools.elf.elffile import ELFFile

import ktap

KERNEL = os.path.join(ktap.build(), "kernel", "lab")
LAYOUTS = os.path.join(ktap.build(), "layouts.json")
# This object has LUO's own structures.
COMMAND = os.path.join(KERNEL, "kernel", "liveupdate", ".luo_flb.o.cmd")
HEADERS = ("linux/kho/abi/irq.h", "linux/kho/abi/pci.h", "linux/kho/abi/iommu.h")
PREFIXES = ("irq_lu_", "pci_lu_", "iommu_lu_", "luo_flb_", "liveupdate_file_op_args",
            "kho_block_header_ser")

DEBUG = ("-g", "-fno-eliminate-unused-debug-types", "-Wno-missing-declarations")


def _compiler():
    """How the object was compiled, without its name and without its list of headers."""
    with open(COMMAND, encoding="utf-8") as file:
        command = file.readline().partition(":= ")[2]
    words = shlex.split(command.partition(" ; ")[0])
    output = words.index("-o")
    return [word for word in words[:output] + words[output + 2:] if not word.startswith("-Wp,")]


def _compile(output):
    include = [word for header in HEADERS for word in ("-include", header)]
    *compiler, source = _compiler()
    subprocess.run([*compiler, *DEBUG, *include, source, "-o", output], cwd=KERNEL, check=True)


def _type(die):
    """The type of a member, without typedefs and qualifiers."""
    while die.tag in ("DW_TAG_typedef", "DW_TAG_const_type", "DW_TAG_volatile_type"):
        die = die.get_DIE_from_attribute("DW_AT_type")
    return die


def _size(die):
    die = _type(die)
    if die.tag == "DW_TAG_pointer_type":
        return die.cu["address_size"]
    return die.attributes["DW_AT_byte_size"].value


def _count(array):
    """None: it has no size."""
    for die in array.iter_children():
        if "DW_AT_upper_bound" in die.attributes:
            return die.attributes["DW_AT_upper_bound"].value + 1
    return None


def _member(die):
    kind = _type(die.get_DIE_from_attribute("DW_AT_type"))
    name = die.attributes["DW_AT_name"].value.decode()
    offset = die.attributes["DW_AT_data_member_location"].value
    if kind.tag == "DW_TAG_array_type":
        return name, offset, _size(kind.get_DIE_from_attribute("DW_AT_type")), _count(kind)
    return name, offset, _size(kind), 0


def _members(structure):
    """(name, offset, size, elements if it is an array). A flexible array is not a member here."""
    members = [_member(die) for die in structure.iter_children() if die.tag == "DW_TAG_member"]
    return [member for member in members if member[3] is not None]


def _is_wanted(die):
    name = die.attributes.get("DW_AT_name")
    return (die.tag == "DW_TAG_structure_type" and "DW_AT_byte_size" in die.attributes
            and name and name.value.decode().startswith(PREFIXES))


def _layouts(elf):
    return {die.attributes["DW_AT_name"].value.decode():
            {"size": _size(die), "members": _members(die)}
            for unit in elf.get_dwarf_info().iter_CUs()
            for die in unit.get_top_DIE().iter_children() if _is_wanted(die)}


def layouts():
    """Map from name to size and members."""
    # A compiler cache replaces the file, so it must not be opened before.
    with tempfile.TemporaryDirectory() as directory:
        output = os.path.join(directory, "layouts.o")
        _compile(output)
        with open(output, "rb") as file:
            return _layouts(ELFFile(file))


def main():
    """Write the file, if it is older than its inputs."""
    headers = (os.path.join(ktap.build(), "linux", "include", header) for header in HEADERS)
    newest = max(os.path.getmtime(path)
                 for path in (COMMAND, os.path.realpath(__file__), *headers))
    if not os.path.exists(LAYOUTS) or os.path.getmtime(LAYOUTS) < newest:
        with open(LAYOUTS + ".next", "w", encoding="utf-8") as file:
            json.dump(layouts(), file, indent=1)
        os.replace(LAYOUTS + ".next", LAYOUTS)
    return 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: GPL-2.0-only
"""What KHO hands over, in the memory of a stopped machine: how many pages there are, and which
memory KHO is to lose.

include/linux/kho/abi/kexec_handover.h: a radix tree with levels of tables above
bitmaps. A key is the page frame number, shifted by the order, below a bit that gives the order.
"""

import struct

from machine import gdbstub

PAGE_SHIFT = 12
PAGE_BYTES = 1 << PAGE_SHIFT
TABLE_BITS = 9
BITMAP_BITS = PAGE_SHIFT + 3
TOP_LEVEL = 5

# The variable whose first member points to the device tree that is handed over
OUTGOING = "kho_out"
POINTER_BYTES = 8

# scripts/dtc/libfdt/fdt.h: FDT_PROP, struct fdt_property, in which the length is followed by the
# offset of the name
FDT_PROP = 3
FDT_NAME_BYTES = 4
MAP_BYTES = 8

ORDERS = range(11)


def _memory_map(fdt):
    """Physical address of the radix tree: in KHO's device tree, the first property of 8 bytes,
    after a string."""
    head = struct.pack(">II", FDT_PROP, MAP_BYTES)
    return struct.unpack_from("<Q", fdt, fdt.index(head) + len(head) + FDT_NAME_BYTES)[0]


def _pages_of(key):
    order = 64 - PAGE_SHIFT - (key.bit_length() - 1)
    return 1 << order


def _pages_in_bitmap(bitmap, key):
    return sum(_pages_of(key + 8 * n + bit) for n, byte in enumerate(bitmap) if byte
               for bit in range(8) if byte >> bit & 1)


def _pages_in_tree(stub, physical, level=TOP_LEVEL, key=0):
    """The pages in the part of the tree at an address; key: that of its first leaf."""
    page = stub.read(gdbstub.DIRECT_MAP + physical, PAGE_BYTES)
    if not level:
        return _pages_in_bitmap(page, key)
    shift = BITMAP_BITS + (level - 1) * TABLE_BITS
    return sum(_pages_in_tree(stub, child, level - 1, key + (n << shift))
               for n, child in enumerate(struct.unpack("<512Q", page)) if child)


def _tree(stub, symbols):
    pointer = stub.read(symbols.address(OUTGOING), POINTER_BYTES)
    return _memory_map(stub.read(int.from_bytes(pointer, "little"), PAGE_BYTES))


def preserved_pages(stub, symbols):
    return _pages_in_tree(stub, _tree(stub, symbols))


def _clear_key(stub, table, key):
    """Remove a key. Whether it was in the tree."""
    for level in range(TOP_LEVEL, 0, -1):
        index = key >> BITMAP_BITS + (level - 1) * TABLE_BITS & (1 << TABLE_BITS) - 1
        entry = stub.read(gdbstub.DIRECT_MAP + table + index * POINTER_BYTES, POINTER_BYTES)
        table = int.from_bytes(entry, "little")
        if not table:
            return False
    byte, bit = divmod(key & (1 << BITMAP_BITS) - 1, 8)
    address = gdbstub.DIRECT_MAP + table + byte
    old = stub.read(address, 1)[0]
    stub.write(address, bytes([old & ~(1 << bit)]))
    return bool(old >> bit & 1)


def lose(stub, symbols, physical):
    """The next kernel does not learn that the memory at this address was preserved."""
    tree, pfn = _tree(stub, symbols), physical >> PAGE_SHIFT
    keys = [1 << 64 - PAGE_SHIFT - order | pfn >> order
            for order in ORDERS if not pfn & (1 << order) - 1]
    # Not any(): it may have been preserved in parts of several sizes.
    if not sum(_clear_key(stub, tree, key) for key in keys):
        raise ValueError(f"memory at {physical:#x} is not preserved")

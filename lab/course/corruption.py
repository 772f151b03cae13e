# SPDX-License-Identifier: GPL-2.0-only
"""Alters what the old kernel hands over, at the end of its jump.

A scenario's "corrupt" is a list of alterations, "structure.field = value", with the
fields of include/linux/kho/abi. The value is a number or another field. If the field is an array,
its first element is altered. Structures:

    root, unit0, ref0, device0, device0.vector0     irq.h
    device0.vector0.entry                           its remapping table entry: low, high
    device0.vector0.dte                             AMD-Vi, its device table entry: interrupts
    pci, pci.device0, pci.device0.sriov             pci.h
    file                                            the arguments of freeze() of LUO's file:
                                                    serialized_data, see vfio_pci.h
    flb0                                            LUO's entry of the list of PCI devices
    iommu, iommu.unit0, iommu.device0               iommu.h; the units of VT-d alone

"lose structure.field" is an alteration as well: KHO forgets the memory whose physical address is in
the field.

Checksums are recomputed, unless they are what is altered. The list of PCI
devices has none.
"""

import binascii
import ctypes

from machine import kho
from machine.gdbstub import DIRECT_MAP

# Functions that the old kernel runs on its way to the jump, in order. The first gets the arguments
# of a LUO file, the second the root; from the third on, nothing writes to the state.
FREEZE = "vfio_pci_liveupdate_freeze"
SEAL = "irq_lu_ser_seal_root"
JUMP = "machine_kexec"

# The variable which points to the list of PCI devices
PCI_LIST = "pci_lu_out"

# The variable which points to the state of DMA translation
TRANSLATION = "iommu_lu_out_root"

# LUO's file-lifecycle-bound objects
FLB_GLOBAL = "luo_flb_global"

# The backend of a unit, and the address of the interrupt table in a device table entry
AMDVI = 2
AMDVI_TABLE = 0xfffffffffffc0

LOSE = "lose "

POINTER_BYTES = 8
CHECKSUM_MASK = 0xffffffff


class TableEntry(ctypes.LittleEndianStructure):
    _fields_ = [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]


class DeviceTableEntry(ctypes.LittleEndianStructure):
    """A device table entry of AMD-Vi; word 2 describes interrupts."""

    _fields_ = [("dma", ctypes.c_uint64 * 2), ("interrupts", ctypes.c_uint64),
                ("reserved", ctypes.c_uint64)]


def alter_file(stub, layouts, arguments, alteration):
    """LUO continues with what freeze() leaves in its arguments."""
    field, value = alteration.removeprefix("file.").split(" = ")
    member = getattr(layouts["liveupdate_file_op_args"], field)
    stub.write(arguments + member.offset, int(value, 0).to_bytes(member.size, "little"))


def flb_entries(layouts, global_state):
    """Address of the pointer to the list of objects that LUO hands over."""
    return (global_state + layouts["luo_flb_global"].outgoing.offset
            + layouts["luo_flb_header"].ser.offset)


class State:
    """What the old kernel hands over: named structures in its memory.

    layouts: of the structures, by name
    root, devices, flb, translation: virtual addresses of the root of the interrupt state, of
        the list of PCI devices, of LUO's entry of that list, and of the root of the state of
        DMA translation, which may be 0
    """

    def __init__(self, stub, layouts, root, devices, flb, translation):
        self._stub = stub
        self._layouts = layouts
        self._found = {}
        self._altered = set()
        self._find_interrupts(root)
        self._name("pci", "pci_lu_ser", devices)
        self._find_pci_devices()
        self._found["flb0"] = (self._layouts["luo_flb_ser"], flb)
        if translation:
            self._find_translation(translation)

    def _size(self, structure):
        return ctypes.sizeof(self._layouts[structure])

    def _name(self, name, structure, address):
        self._found[name] = (self._layouts[structure], address)

    def _array(self, name, structure, address, count):
        for n in range(count):
            self._name(f"{name}{n}", structure, address + n * self._size(structure))

    def _end(self, name):
        layout, address = self._found[name]
        return address + ctypes.sizeof(layout)

    def _find_interrupts(self, root):
        self._name("root", "irq_lu_root_ser", root)
        self._array("unit", "irq_lu_unit_ser", self._end("root"), self.get("root.nr_units"))
        self._array("ref", "irq_lu_device_ref_ser", DIRECT_MAP + self.get("root.device_dir"),
                    self.get("root.nr_devices"))
        for n in range(self.get("root.nr_devices")):
            self._find_device(f"device{n}", DIRECT_MAP + self.get(f"ref{n}.blob"))

    def _find_pci_devices(self):
        nr_devices = self.get("pci.nr_devices")
        self._array("pci.device", "pci_lu_dev_ser", self._end("pci"), nr_devices)
        for n in range(nr_devices):
            layout, address = self._found[f"pci.device{n}"]
            self._name(f"pci.device{n}.sriov", "pci_lu_sriov_ser", address + layout.sriov.offset)

    def _find_translation(self, root):
        """The state of DMA translation; of the devices only those in the first block."""
        self._name("iommu", "iommu_lu_root_ser", root)
        self._array("iommu.unit", "iommu_lu_unit_ser", self._end("iommu"),
                    self.get("iommu.nr_units"))
        block = DIRECT_MAP + self.get("iommu.devices")
        self._array("iommu.device", "iommu_lu_device_ser",
                    block + self._size("kho_block_header_ser"), self.get("iommu.nr_devices"))

    def _find_device(self, device, address):
        self._name(device, "irq_lu_device_ser", address)
        nr_vectors = self.get(f"{device}.nr_vectors")
        self._array(f"{device}.vector", "irq_lu_vector_ser", self._end(device), nr_vectors)
        for n in range(nr_vectors):
            self._find_entry(f"{device}.vector{n}")

    def _find_entry(self, vector):
        unit = f"unit{self.get(f'{vector}.unit')}"
        table = self.get(f"{unit}.table")
        if self.get(f"{unit}.backend") == AMDVI:
            table = self._find_table(f"{vector}.dte", table, self.get(f"{vector}.source"))
        index = self.get(f"{vector}.handle")
        self._found[f"{vector}.entry"] = (
            TableEntry, DIRECT_MAP + table + index * ctypes.sizeof(TableEntry))

    def _find_table(self, dte, device_table, devid):
        offset = devid * ctypes.sizeof(DeviceTableEntry)
        self._found[dte] = (DeviceTableEntry, DIRECT_MAP + device_table + offset)
        return self.get(f"{dte}.interrupts") & AMDVI_TABLE

    def _field(self, name):
        """Address and size of a field."""
        structure, _, field = name.rpartition(".")
        layout, address = self._found[structure]
        kind = dict(layout._fields_)[field]
        if issubclass(kind, ctypes.Array):
            kind = kind._type_
        return address + getattr(layout, field).offset, ctypes.sizeof(kind)

    def get(self, name):
        return int.from_bytes(self._stub.read(*self._field(name)), "little")

    def _set(self, name, value):
        address, size = self._field(name)
        self._stub.write(address, value.to_bytes(size, "little"))

    def alter(self, alteration):
        name, value = alteration.split(" = ")
        self._set(name, self.get(value) if "." in value else int(value, 0))
        self._altered.add(name)

    def _seal(self, checksum, start, length):
        if checksum in self._altered:
            return
        self._set(checksum, 0)
        _, address = self._found[start]
        self._set(checksum, binascii.crc32(self._stub.read(address, length)) ^ CHECKSUM_MASK)

    def _seal_with_array(self, name, structure, count):
        layout, _ = self._found[name]
        self._seal(f"{name}.checksum", name, ctypes.sizeof(layout)
                   + self.get(f"{name}.{count}") * self._size(structure))

    def seal(self):
        """Recompute all checksums that were not altered; inner ones first."""
        nr_devices = self.get("root.nr_devices")
        for n in range(nr_devices):
            self._seal_with_array(f"device{n}", "irq_lu_vector_ser", "nr_vectors")
        self._seal("root.dir_checksum", "ref0",
                   nr_devices * self._size("irq_lu_device_ref_ser"))
        self._seal_with_array("root", "irq_lu_unit_ser", "nr_units")
        if "iommu" in self._found:
            self._seal_translation()

    def _seal_translation(self):
        for n in range(self.get("iommu.nr_devices")):
            self._seal(f"iommu.device{n}.checksum", f"iommu.device{n}",
                       self._size("iommu_lu_device_ser"))
        self._seal_with_array("iommu", "iommu_lu_unit_ser", "nr_units")


class Visit:
    """Stops the old kernel on its way to the jump. The constructor starts the machine."""

    def __init__(self, stub, symbols, layouts, timeout):
        self._stub = stub
        self._symbols = symbols
        self._layouts = layouts
        self._timeout = timeout
        self._stub.start_until(self._symbols.address(FREEZE))

    def _wait(self, function):
        """The first argument of the function that the machine was started for."""
        self._stub.wait(self._symbols.address(function), self._timeout)
        return self._stub.registers()["rdi"]

    def _go_on(self, function):
        self._stub.start_until(self._symbols.address(function))
        return self._wait(function)

    def _pointer(self, address):
        return int.from_bytes(self._stub.read(address, POINTER_BYTES), "little")

    def alter(self, alterations):
        arguments = self._wait(FREEZE)
        of_file = [alteration for alteration in alterations if alteration.startswith("file.")]
        for alteration in of_file:
            alter_file(self._stub, self._layouts, arguments, alteration)
        root = self._go_on(SEAL)
        self._go_on(JUMP)
        devices = self._pointer(self._symbols.address(PCI_LIST))
        flb = self._pointer(flb_entries(self._layouts, self._symbols.address(FLB_GLOBAL)))
        translation = self._pointer(self._symbols.address(TRANSLATION))
        state = State(self._stub, self._layouts, root, devices, flb, translation)
        for alteration in alterations:
            if alteration.startswith(LOSE):
                kho.lose(self._stub, self._symbols, state.get(alteration.removeprefix(LOSE)))
            elif alteration not in of_file:
                state.alter(alteration)
        state.seal()

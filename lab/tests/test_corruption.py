# SPDX-License-Identifier: GPL-2.0-only
"""A corruption alters what it is told to alter, and recomputes the checksums."""

import binascii
import ctypes
import glob
import json
import os
import re
import unittest
from unittest import mock

from course import corruption
from course import run
from machine import builds
from report import ktap
from scenarios.scenario import Scenario

LAYOUTS = builds.Build(ktap.build()).layouts("lab")
HEADERS = os.path.join(ktap.ROOT, "include", "linux", "kho", "abi", "*.h")
MEMORY_BYTES = 0xa000
ROOT, DEVICE_DIR, DEVICE, TABLE, PCI, FILE, FLB, IOMMU, BLOCK = range(0x1000, 0xa000, 0x1000)
HANDLE = 17
NR_VECTORS = 2


class Memory:
    """A stub whose memory is a piece of the direct map."""

    def __init__(self):
        self.bytes = bytearray(MEMORY_BYTES)

    def read(self, address, length):
        start = address - corruption.DIRECT_MAP
        return bytes(self.bytes[start:start + length])

    def write(self, address, data):
        start = address - corruption.DIRECT_MAP
        self.bytes[start:start + len(data)] = data

    def put(self, address, structure, **fields):
        self.write(corruption.DIRECT_MAP + address, bytes(LAYOUTS[structure](**fields)))

    def at(self, address, structure):
        return LAYOUTS[structure].from_buffer_copy(self.bytes, address)


def checksum(data):
    return ~binascii.crc32(data) & 0xffffffff


class Layouts(unittest.TestCase):
    def test_sizes_are_those_the_headers_assert(self):
        asserted = {}
        for header in glob.glob(HEADERS):
            with open(header) as f:
                asserted |= dict(re.findall(r"static_assert\(sizeof\(struct (\w+)\) == (\d+)\)",
                                            f.read()))
        self.assertGreater(len(asserted), 0)
        self.assertEqual({name: str(ctypes.sizeof(LAYOUTS[name])) for name in asserted}, asserted)

    def test_fields_are_where_they_belong(self):
        layout = LAYOUTS["irq_lu_root_ser"]
        self.assertEqual((layout.checksum.offset, layout.checksum.size), (28, 4))
        self.assertEqual(layout.reserved.size, 12)

    def test_padding_is_no_field(self):
        layout = LAYOUTS["liveupdate_file_op_args"]
        self.assertEqual((layout.retrieve_status.offset, layout.file.offset), (16, 24))


class CorruptionTest(unittest.TestCase):
    def setUp(self):
        self.memory = Memory()
        self.memory.put(ROOT, "irq_lu_root_ser", state=2, nr_units=1, nr_devices=1,
                        device_dir=DEVICE_DIR)
        self.memory.put(ROOT + 64, "irq_lu_unit_ser", table=TABLE)
        self.memory.put(DEVICE_DIR, "irq_lu_device_ref_ser", blob=DEVICE, len=144)
        self.memory.put(DEVICE, "irq_lu_device_ser", len=144, nr_vectors=NR_VECTORS)
        for n in range(NR_VECTORS):
            self.memory.put(DEVICE + 48 + n * 48, "irq_lu_vector_ser", handle=HANDLE + n)
        self.memory.put(PCI, "pci_lu_ser", nr_devices=1)
        self.memory.put(IOMMU, "iommu_lu_root_ser", nr_units=1, nr_devices=1, devices=BLOCK)
        self.memory.put(BLOCK, "kho_block_header_ser", count=1)
        addresses = (corruption.DIRECT_MAP + place for place in (ROOT, PCI, FLB, IOMMU))
        self.state = corruption.State(self.memory, LAYOUTS, *addresses)

    def alter(self, *alterations):
        for alteration in alterations:
            self.state.alter(alteration)
        self.state.seal()

    def assert_sealed(self, structure, address, length):
        data = bytearray(self.memory.bytes[address:address + length])
        part = LAYOUTS[structure].checksum
        sealed = int.from_bytes(data[part.offset:part.offset + part.size], "little")
        data[part.offset:part.offset + part.size] = bytes(part.size)
        self.assertEqual(sealed, checksum(data))

    def test_all_is_sealed(self):
        self.alter("device0.vector1.irq = 5", "ref0.reserved = 1", "unit0.flags = 2",
                   "pci.device0.vendor = 0x1234")
        vector = self.memory.at(DEVICE + 96, "irq_lu_vector_ser")
        self.assertEqual((vector.irq, vector.handle), (5, HANDLE + 1))
        self.assert_sealed("irq_lu_device_ser", DEVICE, 144)
        self.assert_sealed("irq_lu_root_ser", ROOT, 128)
        self.assertEqual(self.memory.at(ROOT, "irq_lu_root_ser").dir_checksum,
                         checksum(self.memory.bytes[DEVICE_DIR:DEVICE_DIR + 16]))
        self.assertEqual(self.memory.at(PCI + 8, "pci_lu_dev_ser").vendor, 0x1234)

    def test_translation_is_sealed(self):
        self.alter("iommu.unit0.root = 0x5000", "iommu.device0.domain_id = 9")
        self.assertEqual(self.memory.at(IOMMU + 64, "iommu_lu_unit_ser").root, 0x5000)
        self.assertEqual(self.memory.at(BLOCK + 16, "iommu_lu_device_ser").domain_id, 9)
        self.assert_sealed("iommu_lu_root_ser", IOMMU, 128)
        self.assert_sealed("iommu_lu_device_ser", BLOCK + 16, 64)

    def test_data_of_file(self):
        corruption.alter_file(self.memory, LAYOUTS, corruption.DIRECT_MAP + FILE,
                              "file.serialized_data = 0x1ff00")
        data = FILE + LAYOUTS["liveupdate_file_op_args"].serialized_data.offset
        self.assertEqual(self.memory.bytes[data:data + 8], (0x1ff00).to_bytes(8, "little"))

    def test_altered_checksum_stays(self):
        self.alter("device0.checksum = 7")
        self.assertEqual(self.memory.at(DEVICE, "irq_lu_device_ser").checksum, 7)

    def test_value_of_another_field(self):
        self.alter("device0.vector1.handle = device0.vector0.handle")
        self.assertEqual(self.memory.at(DEVICE + 96, "irq_lu_vector_ser").handle, HANDLE)

    def test_table_entry(self):
        self.alter("device0.vector1.entry.high = 0x40200")
        entry = TABLE + (HANDLE + 1) * 16
        self.assertEqual(self.memory.bytes[entry:entry + 16],
                         bytes(8) + (0x40200).to_bytes(8, "little"))

    def test_array_is_altered_in_its_first_element(self):
        self.alter("device0.vector0.reserved = 0xff")
        vector = self.memory.at(DEVICE + 48, "irq_lu_vector_ser")
        self.assertEqual(list(vector.reserved), [0xff] + [0] * 12)


SYMBOLS = (corruption.FREEZE, corruption.SEAL, corruption.JUMP, corruption.PCI_LIST,
           corruption.TRANSLATION, corruption.FLB_GLOBAL)


@mock.patch.object(corruption.State, "seal")
def test_offsets_are_those_of_the_old_kernel_in_the_build_that_was_given(_, tmp_path):
    for series, moved in (("build", 0x100), ("build-7.2", 0x200)):
        with open(os.path.join(ktap.build(), "layouts.json")) as file:
            layouts = json.load(file)
        arguments = layouts["liveupdate_file_op_args"]
        arguments["size"] += moved
        arguments["members"] = [(name, offset + moved, size, count)
                                for name, offset, size, count in arguments["members"]]
        (tmp_path / series / "kernel" / "lab").mkdir(parents=True)
        (tmp_path / series / "layouts.json").write_text(json.dumps(layouts))
        (tmp_path / series / "kernel" / "lab" / "System.map").write_text(
            "".join(f"{n:x} T {name}\n" for n, name in enumerate(SYMBOLS)))
    stub = mock.Mock()
    stub.read.side_effect = lambda _, length: bytes(length)
    stub.registers.return_value = {"rdi": FILE}
    machine = mock.MagicMock()
    machine.stub().__enter__.return_value = stub
    offset = LAYOUTS["liveupdate_file_op_args"].serialized_data.offset
    for kernels, moved in ((("lab", "7.2:lab"), 0x100), (("7.2:lab", "lab"), 0x200)):
        scenario = Scenario("", "", kernels=kernels, corrupt=("file.serialized_data = 5",))
        run.Run(scenario, machine, builds.Build(tmp_path / "build"))._start_kexec()
        address, data = stub.write.call_args_list[0].args
        assert (address - FILE - offset, data) == (moved, (5).to_bytes(8, "little"))
        stub.write.reset_mock()


if __name__ == "__main__":
    unittest.main()

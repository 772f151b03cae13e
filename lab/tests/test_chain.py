# SPDX-License-Identifier: GPL-2.0-only
"""What drifts in a chain of live updates is noticed, and domain ids are found."""

import unittest
from unittest import mock

from course import chain
from judge import drift
from machine.gdbstub import DIRECT_MAP
from tests.test_corruption import LAYOUTS, Memory

ROW = {"pages preserved": 275, "memory in use, KiB": 32000, "vectors with another IRTE": 0,
       "domain ids": 2, "highest domain id": 6}


class Drift(unittest.TestCase):
    def drift(self, **changes):
        last = ROW | {name.replace("_", " "): value for name, value in changes.items()}
        return [line.partition(":")[0] for line in drift.judge([ROW, ROW, last]).wrong]

    def test_none(self):
        self.assertEqual(self.drift(), [])

    def test_one_page(self):
        self.assertEqual(self.drift(pages_preserved=276), ["pages preserved"])

    def test_memory_in_use_within_limits(self):
        self.assertEqual(drift.judge([ROW, ROW | {"memory in use, KiB": 32500}]).wrong, [])

    def test_memory_in_use(self):
        self.assertEqual(drift.judge([ROW, ROW | {"memory in use, KiB": 33000}]).wrong,
                         ["memory in use, KiB: 32000 to 33000"])

    def test_domain_ids_take_turns(self):
        self.assertEqual(self.drift(highest_domain_id=8), [])

    def test_domain_ids_rise(self):
        self.assertEqual(self.drift(highest_domain_id=9), ["highest domain id"])

    def test_other_identity_from_the_first_on(self):
        row = ROW | {"vectors with another IRTE": 1}
        self.assertEqual(drift.judge([row, row]).wrong, ["vectors with another IRTE: 1"])


POINTER, ROOT, BLOCKS = 0x1000, 0x2000, (0x3000, 0x4000)


class DomainIds(unittest.TestCase):
    def setUp(self):
        self.memory = Memory()

    def put_root(self, **fields):
        self.memory.write(DIRECT_MAP + POINTER, (DIRECT_MAP + ROOT).to_bytes(8, "little"))
        self.memory.put(ROOT, "iommu_lu_root_ser", **fields)

    def put_block(self, address, following, ids):
        self.memory.put(address, "kho_block_header_ser", next=following, count=len(ids))
        for n, number in enumerate(ids):
            self.memory.put(address + 16 + 64 * n, "iommu_lu_device_ser", domain_id=number)

    def found(self):
        symbols = mock.Mock(**{"address.return_value": DIRECT_MAP + POINTER})
        return chain.domain_ids(self.memory, symbols, LAYOUTS)

    def test_in_all_blocks(self):
        self.put_root(devices=BLOCKS[0])
        self.put_block(BLOCKS[0], BLOCKS[1], [5, 5, 0])
        self.put_block(BLOCKS[1], 0, [7])
        self.assertEqual(self.found(), {5, 7})

    def test_without_devices_or_root(self):
        self.assertEqual(self.found(), set())
        self.put_root(nr_units=1)
        self.assertEqual(self.found(), set())


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: GPL-2.0-only
"""What drifts in a chain of live updates is noticed."""

import unittest

from judge import drift

ROW = {"pages preserved": 275, "memory in use, KiB": 32000, "vectors with another IRTE": 0}


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

    def test_other_identity_from_the_first_on(self):
        row = ROW | {"vectors with another IRTE": 1}
        self.assertEqual(drift.judge([row, row]).wrong, ["vectors with another IRTE: 1"])


if __name__ == "__main__":
    unittest.main()

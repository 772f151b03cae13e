# SPDX-License-Identifier: GPL-2.0-only
"""What cost/boot.py makes of counts."""

import unittest
from collections import Counter
from unittest import mock

from cost import boot
from cost import cost_report

LEAST, MIDDLE, MOST, UNITS = ((1, 8, 1024), (1, 32, 4096), (1, 512, 65536), (8, 512, 65536))


def _profiles(step, least, most):
    """At 1024 and 65536 vectors of one unit, and at another size that is ignored."""
    return {boot.Scaled("scale", step, *size, 0):
            Counter({name: count * size[2] for name, count in counts.items()})
            for size, counts in ((LEAST, least), (MOST, most), (UNITS, {"other": 1000}))}


CONSOLE = """\
[    0.328526]     # steps: scale: match 1 8 1024 1340
[    0.516491]     # steps: memory: load 1 8 1024 1048576
"""
FAILURE = ("[    0.5]     # steps: EXPECTATION FAILED at "
           "drivers/iommu/intel/irq_liveupdate_scale_test.c:442\n")
OVER = "[    0.7] reboot: Power down\r\n"


class ScaledTest(unittest.TestCase):
    def test_reads_time_and_memory(self):
        self.assertEqual(boot._scaled(CONSOLE + OVER),
                         [boot.Scaled("scale", "match", 1, 8, 1024, 1340),
                          boot.Scaled("memory", "load", 1, 8, 1024, 1048576)])

    def test_is_nothing_of_a_suite_that_does_not_pass(self):
        for console in (CONSOLE + FAILURE + OVER, CONSOLE, OVER):
            with self.assertRaises(RuntimeError):
                boot._scaled(console)


class SizesTest(unittest.TestCase):
    """A step may have been measured at fewer sizes than another."""

    def setUp(self):
        self.scaled = [boot.Scaled("scale", step, *size, value) for step, size, value in (
            ("adopt", LEAST, 10240), ("adopt", MIDDLE, 40960), ("adopt", MOST, 655360),
            ("adopt", UNITS, 655360), ("cold", LEAST, 20480), ("cold", MIDDLE, 163840))]

    def test_ratio_only_where_both_are_known(self):
        self.assertEqual(boot.ratios(self.scaled, "adopt", "cold"), {1024: 0.5, 4096: 0.25})

    def test_columns_stay_apart(self):
        lines = cost_report._growth(self.scaled, [("f", [2, 2, 2], [5, 10])])
        self.assertEqual([line.split() for line in lines[1:3]], [
            ["function", "adopt", "4096", "65536", "exponent", "cold", "4096", "exponent"],
            ["f", "2", "2", "2", "1.000", "5", "10", "1.500"]])


class ProfileTest(unittest.TestCase):
    def test_each_ends_with_a_line(self):
        lines = [f"2026-11-28T05:46:50.858295Z {text}" for text in (
            "count f 3", "count g.part.0 4", "count g 1", "end", "count f 5", "end")]
        self.assertEqual(boot._profiles(lines), [{"f": 3, "g": 5}, {"f": 5}])


class GrowthTest(unittest.TestCase):
    def setUp(self):
        adopt = _profiles("adopt", {"same": 40, "grows": 10, "__irq_liveupdate_irq": 4,
                                    "irq_lu_ser_find": 3},
                          {"same": 40, "grows": 30, "new": 5, "__irq_liveupdate_irq": 8})
        cold = _profiles("cold", {"same": 41, "search": 9}, {"same": 41, "search": 600})
        self.rows = {name: values for name, *values in
                     boot.growth(adopt | cold, "adopt", "cold",
                                 {"__irq_liveupdate_irq", "irq_lu_ser_find"})}

    def test_is_per_vector_and_beside_the_other_step(self):
        self.assertEqual(self.rows["grows"], [[10, 30], [0, 0]])
        self.assertEqual(self.rows["same"], [[40, 40], [41, 41]])

    def test_begins_with_what_grows_most(self):
        self.assertEqual(list(self.rows)[:3], ["grows", "new", "same"])

    def test_sums_ours_and_the_rest(self):
        self.assertEqual(self.rows["ours"], [[7, 8], [0, 0]])
        self.assertEqual(self.rows["all others"], [[0, 0], [9, 600]])
        self.assertEqual(self.rows["sum"], [[57, 83], [50, 641]])
        self.assertEqual(self.rows["sum without grows"], [[47, 53], [50, 641]])


class FunctionsTest(unittest.TestCase):
    def measured(self, ours):
        with mock.patch.object(boot, "_functions", side_effect=[Counter(ours), Counter(same=9)]):
            return boot.measure_functions(None, ("cost", "nolu"), {"irq_lu_load", "irq_lu_seal"})

    def test_ours_are_those_of_our_files(self):
        self.assertEqual(self.measured({"same": 9, "irq_lu_load": 4})[1], 4)

    def test_boot_without_ours_is_none_of_our_kernel(self):
        with self.assertRaises(RuntimeError):
            self.measured({"same": 9})


class SeamTest(unittest.TestCase):
    def seam(self, instruction):
        lines = ("push   %rbx", instruction, "test   %rax,%rax", "jne    8b2", "ret")
        text = "".join(f"ffffffff810008{n:02x}:\t{line}\n" for n, line in enumerate(lines))
        with mock.patch.object(boot.subprocess, "run", return_value=mock.Mock(stdout=text)):
            return boot._seam("vmlinux", "__setup_irq")

    def test_is_the_load_and_what_follows(self):
        load = "mov    0x1a2b(%rip),%rax # <irq_liveupdate_incoming>"
        self.assertEqual(self.seam(load), [" ".join(load.split()), "test %rax,%rax", "jne 8b2"])

    def test_must_be_there(self):
        with self.assertRaises(RuntimeError):
            self.seam("mov    0x1a2b(%rip),%rax # <other>")


if __name__ == "__main__":
    unittest.main()

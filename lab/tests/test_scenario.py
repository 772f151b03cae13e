# SPDX-License-Identifier: GPL-2.0-only
"""Which scenarios a file defines, on which machines."""

import os
import tempfile
import unittest

from judge import linux_guest
from judge import names
from judge import ring_accounts
from judge import rules
from judge import virtual_machine
from machine import qemu
from scenarios import scenario

FILE = """
title = "t"
iommus_full = ["amd"]
append = ["", ""]
[on.amd]
append = ["amd", ""]
[cases.first]
[cases.second]
iommus = ["intel", "amd"]
vectors = 3
[cases.third]
iommus = ["amd"]
"""


class Names(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.addCleanup(setattr, scenario, "DIRECTORY", scenario.DIRECTORY)
        scenario.DIRECTORY = directory.name
        with open(os.path.join(directory.name, "file.toml"), "w") as f:
            f.write(FILE)

    def test_all(self):
        self.assertEqual(scenario.names(), ["file.first", "file.first@amd", "file.second",
                                            "file.second@amd", "file.third@amd"])

    def test_those_of_make_test(self):
        self.assertEqual(scenario.names(full=False), ["file.first", "file.second",
                                                      "file.second@amd", "file.third@amd"])

    def test_cases_of_another_file(self):
        with open(os.path.join(scenario.DIRECTORY, "other.toml"), "w") as f:
            f.write('title = "o"\ncases_of = "file"\nvectors = 5\n')
        self.assertIn("other.second@amd", scenario.names())
        self.assertEqual([scenario.load(f"other.{case}").vectors for case in ("first", "second")],
                         [5, 3])

    def test_machine_goes_before_the_rest(self):
        self.assertEqual(scenario.load("file.second").append, ("", ""))
        second = scenario.load("file.second@amd")
        self.assertEqual((second.append, second.vectors, second.iommu), (("amd", ""), 3, "amd"))
        self.assertEqual(scenario.load("file.third").append, ("", ""))


class Courses(unittest.TestCase):
    def kind(self, **fields):
        return scenario.Scenario("name", "title", **fields).course_kind()

    def test_programs_do_an_update_or_a_chain(self):
        self.assertEqual(self.kind(), "update")
        self.assertEqual(self.kind(old_runs=("program",)), "programs")
        self.assertEqual(self.kind(old_runs=("program",), course="program-chain"),
                         "program-chain")


class Modes(unittest.TestCase):
    def test_x2apic_needs_the_unit_and_both_kernels(self):
        for append, mode, wanted in ((("", ""), "x2apic", (True, True)),
                                     (("", "nox2apic"), "x2apic", (True, False)),
                                     (("nox2apic", ""), "x2apic", (False, False)),
                                     (("", ""), "xapic", (False, False))):
            one = scenario.Scenario("name", "title", append=append, mode=mode)
            self.assertEqual(one.x2apic(), wanted)


class Cables(unittest.TestCase):
    def test_each_network_card_has_one(self):
        one = scenario.Scenario("name", "title", device="e1000e")
        two = one.with_changes(devices=("pcie-root-port,id=b", "e1000e,bus=b,netdev=branch"))
        none = two.with_changes(device="nvme", devices=())
        self.assertEqual([qemu.Machine.cables(config) for config in (one, two, none)],
                         [["cable"], ["cable", "branch"], []])


class Files(unittest.TestCase):
    def test_every_rule_is_broken_by_a_scenario_and_no_other_name_is(self):
        broken = {rule for name in scenario.names() for rule in scenario.load(name).breaks}
        self.assertEqual(broken, set(names.RULES))

    def test_every_rule_has_a_name(self):
        known = {*rules.RULES, *ring_accounts.LAWS, *virtual_machine.RULES,
                 *linux_guest.RULES, "foreign", "drift", "reset",
                 "virtual-functions"}
        self.assertEqual(known, set(names.RULES))

    def test_every_scenario_can_be_loaded(self):
        for name in scenario.names():
            self.assertEqual(scenario.load(name).name, name)


if __name__ == "__main__":
    unittest.main()

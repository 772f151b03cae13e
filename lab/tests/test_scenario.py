# SPDX-License-Identifier: GPL-2.0-only
"""Which scenarios a file defines, on which machines."""

import os
import tempfile
import unittest

import pytest

from judge import linux_guest
from judge import names
from judge import ring_accounts
from judge import rules
from judge import translation
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


# What is wrong with a file, and the line
BAD = (
    ("of another type: tolerates", 'tolerates = "DMAR: handling"'),
    ("of another type: needs", 'needs = "FAILSLAB"'),
    ("of another type: append", "append = [1, 2]"),
    ("of another type: cpus", 'cpus = ["3", "4"]'),
    ("of another type: vectors", 'vectors = "8"'),
    ("of another type: decoys", "decoys = 0"),
    ("of another type: patch", 'patch = "function"'),
    ("of another type: at.next_ready", 'at.next_ready = "shell true"'),
    ("of another type: iommus_full", 'iommus_full = "amd"'),
    ("no machine of the file: amdd", 'iommus = ["amd"]\non.amdd.vectors = 3'),
    ("no machine of the file: intel", 'iommus = ["intel", "amd"]\non.intel.vectors = 3'),
    ("not used by the course update: next_patch", 'next_patch.function = "other"'),
    ("not used by the course update: at.next_redy", 'at.next_redy = ["shell true"]'),
    ("not used by the course update: next_runs", 'next_runs = ["true"]'),
    ("not used by the course storm: at.next_armed",
     'course = "storm"\nat.next_armed = ["shell true"]'),
    ("not used by the course chain: at, at.next_ready",
     'course = "chain"\nat.next_ready = ["shell true"]'),
    ("not used by the course programs: at, at.next_ready",
     'old_runs = ["true"]\nat.next_ready = ["shell true"]'),
    ("not used by the course programs: crashes", 'old_runs = ["true"]\ncrashes = "next_ready"'),
    ("not used by the course program-chain: next_patch",
     'course = "program-chain"\nold_runs = ["true"]\nnext_patch.function = "other"'),
)


@pytest.mark.parametrize("wrong, line", BAD)
def test_bad_file(tmp_path, monkeypatch, wrong, line):
    monkeypatch.setattr(scenario, "DIRECTORY", str(tmp_path))
    (tmp_path / "bad.toml").write_text(f'title = "t"\n{line}\n')
    with pytest.raises(ValueError, match=f"^bad: {wrong}$"):
        scenario.load("bad")


@pytest.mark.parametrize("line", ("frame_gap = 0.1", "length = 3\ncourse = 'chain'",
                                  "crashes = 'next_ready'\nat.old_armed = ['shell true']"))
def test_good_file(tmp_path, monkeypatch, line):
    monkeypatch.setattr(scenario, "DIRECTORY", str(tmp_path))
    (tmp_path / "good.toml").write_text(f'title = "t"\n{line}\n')
    assert scenario.load("good").title == "t"


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
        known = {*rules.RULES, *translation.DEVICE_RULES, *ring_accounts.LAWS,
                 *virtual_machine.RULES, *linux_guest.RULES, "foreign", "drift", "reset",
                 "virtual-functions"}
        self.assertEqual(known, set(names.RULES))

    def test_every_scenario_can_be_loaded(self):
        for name in scenario.names():
            self.assertEqual(scenario.load(name).name, name)


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: GPL-2.0
"""After which patches of the series the suites run, and which of them have to."""

import os
import types

import pytest
import series_build
import series_kunit
from overlay import OverlayError

PATCHES = (("fixes", "kernel/irq/irq_test.c"), ("fixes", "drivers/pci/iov.c"),
           ("fixes", "mm/memblock.c"), ("core", "kernel/irq/manage.c"),
           ("core", "include/kunit/luo_session.h"), ("core", "Documentation/a.rst"),
           ("tools", "tools/irq_liveupdate/irqlu.c"))


@pytest.fixture(name="plan")
def make_plan():
    patches = [types.SimpleNamespace(part=part, path=path) for part, path in PATCHES]
    return types.SimpleNamespace(patches=patches,
                                 written=lambda patch: [(patch.path, b"", None)])


def test_suites_run_where_they_change_and_where_a_part_with_code_ends(plan):
    assert series_kunit.chosen(plan, range(1, len(PATCHES) + 1)) == [1, 3, 5]


def test_only_asked_patches_are_tested(plan):
    assert series_kunit.chosen(plan, range(2, 5)) == [3]


@pytest.mark.parametrize("which, found", [("3-5", [3, 4, 5]), ("6-", [6, 7]), ("4", [4])])
def test_patches_are_named_by_their_numbers(which, found):
    assert list(series_build.numbers(which, 7)) == found


@pytest.mark.parametrize("which", ["a", "-4", "3-x", ""])
def test_what_names_no_patch_is_refused(which):
    with pytest.raises(OverlayError):
        series_build.numbers(which, 7)


TEST = "drivers/pci/probe_test.c"
TREE = {
    TEST: 'static struct kunit_suite a = {\n\t.name\t= "probe",\n\t.init = init,\n};\n'
          'static struct kunit_suite b = {\n\t.init = init,\n\t.name = "probe_late",\n};\n'
          'static struct irq_chip c = {\n\t.name = "fake",\n};\n',
    "drivers/pci/probe.c": "",
    "drivers/pci/Makefile": "obj-$(CONFIG_PCI)\t+= probe.o\n"
                            "obj-$(CONFIG_PCI_TEST) += other_test.o \\\n\t\t\tprobe_test.o\n",
    "kernel/irq/Kconfig.liveupdate": "config PCI_TEST\n\tbool\n",
}


def suites(tree, changes):
    for path, text in (TREE | changes).items():
        os.makedirs(tree / os.path.dirname(path), exist_ok=True)
        (tree / path).write_text(text, encoding="utf-8")
    return series_kunit.suites_of(str(tree), ["drivers/pci/probe.c", TEST, "tools/irq/a_test.c"])


def test_suites_of_a_patch_have_to_run(tmp_path):
    assert suites(tmp_path, {}) == ["probe", "probe_late"]


def test_suite_whose_option_comes_later_need_not_run(tmp_path):
    later = {"kernel/irq/Kconfig.liveupdate": "config PCI_TESTS\n\tdepends on PCI_TEST\n"}
    assert not suites(tmp_path, later)


def test_suite_that_no_makefile_builds_has_to_run(tmp_path):
    assert suites(tmp_path, {"drivers/pci/Makefile": ""}) == ["probe", "probe_late"]


def test_its_kernel_runs_in_the_qemu_of_the_lab_and_its_suites_are_demanded(tmp_path, plan,
                                                                            monkeypatch):
    commands = []

    def note(command, env=None, **_):
        commands.append(command)
        assert not env, "QEMU is looked for in $BUILD"
        return types.SimpleNamespace(returncode=0)

    builder = types.SimpleNamespace(tree=str(tmp_path), folder=str(tmp_path),
                                    build=lambda *_: ("on: 1 files", False),
                                    out=lambda variant: str(tmp_path / variant.name))
    plan.patches[0].path = TEST
    suites(tmp_path, {})
    monkeypatch.setattr(series_kunit.subprocess, "run", note)
    assert not series_kunit.run_suites(builder, plan, 1)[1]
    assert commands[0][1:] == ["--build-dir", str(tmp_path / "on"),
                               "--suites", "probe", "probe_late"]

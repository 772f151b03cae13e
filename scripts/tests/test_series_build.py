# SPDX-License-Identifier: GPL-2.0
"""What is built after each patch of the series."""

import os
import subprocess
import types

import pytest
import series_build

PARTS = ("fixes", "fixes", "core")
OFF, ON = series_build.EACH
_, I386, ARM64 = series_build.OTHERS


class Builder:
    """Notes what it is asked to build, and fails for one variant."""

    def __init__(self, fails=None):
        self.built = []
        self.fails = fails

    def build(self, variant, options_change, words):
        self.built.append((variant.name, options_change, words))
        return f"{variant.name}: 1 files", variant.name == self.fails


@pytest.fixture(name="plan")
def make_plan():
    patches = [types.SimpleNamespace(part=part) for part in PARTS]
    return types.SimpleNamespace(
        patches=patches, written=lambda patch: [("kernel/irq/chip.c", b"", None)])


@pytest.fixture(autouse=True)
def compilers(monkeypatch):
    monkeypatch.setattr(series_build.shutil, "which", lambda name: name)


def test_patch_builds_its_folder():
    assert series_build.targets(["drivers/pci/msi/msi.c"], ON) == ["drivers/pci/"]


def test_header_of_a_folder_stays_there():
    assert series_build.targets(["drivers/pci/pci.h"], ON) == ["drivers/pci/"]


@pytest.mark.parametrize("path", ["include/linux/pci.h", "arch/x86/include/asm/msi.h",
                                  "kernel/irq/Kconfig.liveupdate"])
def test_shared_header_or_option_builds_all_that_may_use_it(path):
    found = series_build.targets([path], ON)
    assert {"drivers/pci/", "kernel/irq/", "arch/x86/kernel/apic/"} <= set(found)
    assert not set(series_build.ALONE) & set(found)


def test_folder_alone_is_built_when_it_is_touched():
    assert "mm/" in series_build.targets(["mm/memfd_luo.c", "include/linux/memfd.h"], ON)


def test_file_of_a_folder_that_is_not_built_as_a_whole():
    assert series_build.targets(["lib/idr.c"], ON) == ["lib/idr.o"]


@pytest.mark.parametrize("path", ["Documentation/core-api/irq/irq-liveupdate.rst",
                                  "tools/irq_liveupdate/irqlu.c", "MAINTAINERS"])
def test_nothing_to_compile(path):
    assert series_build.targets([path], ON) == []


def test_every_folder_of_the_series_is_built():
    """A file that the series adds or changes is compiled, unless it is for user space."""
    listed = subprocess.run([os.path.join(series_build.REPO, "scripts/overlay.py"), "list"],
                            check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    sources = [path.removesuffix(".patch") for path in listed]
    missed = [path for path in sources if path.endswith((".c", ".h", ".S"))
              and not path.startswith(series_build.NO_CODE)
              and not series_build.targets([path], ON)]
    assert not missed


@pytest.mark.parametrize("number, others", [(1, []), (2, ["up", "i386", "arm64"]),
                                            (3, ["up", "i386", "arm64"])])
def test_end_of_a_part_is_built_in_other_ways(plan, number, others):
    builder = Builder()
    said, failed = series_build.build_patch(builder, plan, number, False)
    assert not failed
    assert [name for name, _, _ in builder.built] == ["off", "on"] + others
    assert len(said) == len(builder.built)


def test_patch_after_a_patch_that_is_not_known_builds_everything(plan):
    builder = Builder()
    series_build.build_patch(builder, plan, 1, True)
    assert builder.built == [("off", True, OFF.folders), ("on", True, ON.folders)]


def test_architecture_without_a_compiler_fails(plan, monkeypatch):
    monkeypatch.setattr(series_build.shutil, "which", lambda name: name == "gcc")
    builder = Builder()
    said, failed = series_build.build_patch(builder, plan, 3, False)
    assert failed and builder.built[-1][0] == "i386"
    assert said[-1] == "arm64: not built, install gcc-aarch64-linux-gnu"


def test_setup_installs_the_compilers():
    with open(os.path.join(series_build.REPO, "scripts/setup.sh"), encoding="utf-8") as file:
        packages = file.read().split()
    assert all(f"gcc-{variant.cross[:-1]}" in packages
               for variant in series_build.OTHERS if variant.cross)


def test_variant_that_fails_fails_the_patch(plan):
    assert series_build.build_patch(Builder("on"), plan, 1, False)[1]


def compile_c(folder, name, text):
    os.makedirs(folder, exist_ok=True)
    subprocess.run(["gcc", "-xc", "-c", "-o", os.path.join(folder, name), "-"], check=True,
                   input=text, text=True)


def test_call_of_what_a_later_patch_defines_is_found(tmp_path, monkeypatch):
    variant = series_build.Variant("on", folders=("core/", "user/"))
    final = tmp_path / "final"
    builder = series_build.Builder("", str(tmp_path), str(final))
    user = "void ours(void); void printk(void); void f(void) { ours(); printk(); }"
    for out in (str(final), builder.out(variant)):
        compile_c(os.path.join(out, "user"), "user.o", user)
    compile_c(final / "core", "core.o", "void ours(void) {}")
    monkeypatch.setattr(builder, "make", lambda *_: 1)
    assert builder.build(variant, False, ["user/"]) == ("on: not defined yet: ours", True)
    compile_c(os.path.join(builder.out(variant), "core"), "core.o", "void ours(void) {}")
    assert builder.build(variant, False, ["user/"]) == ("on: 1 files", False)


def test_objects_of_later_patches_do_not_count(tmp_path, plan, monkeypatch):
    compile_c(tmp_path / "kernel/lab", "vmlinux", "")
    compile_c(tmp_path / "series.build/kernel/on/kernel/irq", "later.o", "")
    monkeypatch.setattr(series_build, "commits_of", lambda *_: [])
    _, builder = series_build.prepare(plan, "", str(tmp_path))
    assert not os.path.exists(builder.out(ON))


@pytest.mark.parametrize("says", ["a.c:1:2: warning: unused", "WARNING: modpost: missing",
                                  "lib/Kconfig:3:warning: ignoring"])
def test_warning_fails(tmp_path, monkeypatch, says):
    builder = series_build.Builder("", str(tmp_path), "")
    run = types.SimpleNamespace(returncode=0, stdout=f"  CC      a.o\n{says}\n")
    monkeypatch.setattr(series_build.subprocess, "run", lambda *_, **__: run)
    assert builder.make(OFF, "a.o") is None
    run.stdout = "  CC      a.o\n  CC      warning.o\n"
    assert builder.make(OFF, "a.o") == 2


def test_warning_fails_again_until_the_source_is_fixed(tmp_path):
    builder = series_build.Builder("", str(tmp_path), "")
    os.makedirs(builder.out(OFF))
    with open(os.path.join(builder.tree, "Makefile"), "w", encoding="utf-8") as file:
        file.write(".PHONY: a.o\na.o: $(O)/a.o\n"
                   "$(O)/a.o: a.c\n\t@echo '  CC      a.o'; cat $<; touch $@\n")
    source = os.path.join(builder.tree, "a.c")
    for text, compiled in (("a.c:1:2: warning: unused\n", None), ("", 1), ("", 0)):
        with open(source, "w", encoding="utf-8") as file:
            file.write(text)
        os.utime(source, (1, 1))
        assert builder.make(OFF, "a.o") == compiled
        if text:
            assert builder.make(OFF, "a.o") == compiled

# SPDX-License-Identifier: GPL-2.0
"""Which warnings of a build are about the overlay."""

import io

import own_warnings
import pytest

# A folder of this name above the kernel tree has misled the script before.
BUILD = "/home/u/linux/lab/build"
PATCH = "--- a/kernel/irq/chip.c\n+++ b/kernel/irq/chip.c\n@@ -7,2 +7,3 @@\n a\n+b\n c\n"
OWN = {"kernel/irq/liveupdate.c": None, "include/linux/irq_liveupdate.h": None,
       "kernel/irq/chip.c": own_warnings.added_lines(PATCH)}


@pytest.fixture(autouse=True)
def build_folder(monkeypatch):
    monkeypatch.setattr(own_warnings, "BUILD", BUILD)


@pytest.mark.parametrize("line", (
    f"{BUILD}/linux/kernel/irq/liveupdate.c:12:3: warning: unused variable",
    f"{BUILD}/linux/include/linux/irq_liveupdate.h:12:3: warning: unused variable",
    "../../linux/kernel/irq/liveupdate.c:12:3: warning: unused variable",
    "kernel/irq/liveupdate.c:12:3: error: no such thing",
    f"{BUILD}/linux/kernel/irq/liveupdate.c:12: warning: Function parameter not described",
    f"{BUILD}/linux/kernel/irq/chip.c:8:1: warning: the line that is added",
    "kernel/irq/liveupdate.o: warning: objtool: block+0x12: unreachable instruction",
    "kernel/irq/chip.o: warning: objtool: irq_startup+0x12: unreachable instruction",
))
def test_warning_about_the_overlay(line):
    assert own_warnings.is_own(line, OWN)


@pytest.mark.parametrize("line", (
    f"{BUILD}/linux/kernel/irq/chip.c:7:1: warning: an upstream line",
    f"{BUILD}/linux/kernel/irq/manage.c:12:3: warning: unused variable",
    "/home/u/linux/kernel/irq/liveupdate.c:12:3: warning: another tree",
    "kernel/irq/manage.o: warning: objtool: setup_irq+0x12: unreachable instruction",
    f"In file included from {BUILD}/linux/kernel/irq/liveupdate.c:12:",
    "  CC      kernel/irq/liveupdate.o",
))
def test_anything_else(line):
    assert not own_warnings.is_own(line, OWN)


@pytest.mark.parametrize("path, status", (("kernel/irq/liveupdate.c", 1),
                                          ("kernel/irq/pm.c", 0)))
def test_warning_is_passed_on_and_fails(monkeypatch, capsys, path, status):
    line = f"../../linux/{path}:12:3: warning: unused variable\n"
    monkeypatch.setattr(own_warnings.sys, "stdin", io.StringIO("  CC      a.o\n" + line))
    assert own_warnings.main() == status
    assert capsys.readouterr().out == line * status

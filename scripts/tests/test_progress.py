# SPDX-License-Identifier: GPL-2.0
"""What a build says while it runs."""

import os
import subprocess

PROGRESS = os.path.join(os.path.dirname(__file__), "..", "progress.py")
BUILD = b"""  HOSTCC  scripts/basic/fixdep
  CC      init/main.o
  CC [M]  drivers/vfio/vfio.o
  AS      arch/x86/entry/entry.o
  LD      vmlinux
"""


def said(total, output):
    """What is printed without a terminal."""
    return subprocess.run([PROGRESS, "lab", str(total)], input=output, check=True,
                          stderr=subprocess.PIPE).stderr.decode()


def test_files_are_counted_against_the_total():
    assert "lab: 3 of 5 files compiled" in said(5, BUILD)


def test_total_that_was_too_small_grows():
    assert "lab: 3 of 3 files compiled" in said(2, BUILD)


def test_no_total_without_one():
    assert "lab: 3 files compiled" in said(0, BUILD)


def test_nothing_to_compile_says_nothing():
    assert said(0, b"  LD      vmlinux\n") == ""

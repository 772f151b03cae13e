# SPDX-License-Identifier: GPL-2.0
"""The QEMU that kunit.py finds first."""

import os
import subprocess

WRAPPER = os.path.join(os.path.dirname(__file__), "..", "tcg", "qemu-system-x86_64")


def passed_on(tmp_path, *arguments):
    """The arguments which the lab's QEMU gets."""
    qemu = tmp_path / "qemu" / "qemu-system-x86_64"
    qemu.parent.mkdir()
    qemu.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    qemu.chmod(0o755)
    return subprocess.run([WRAPPER, *arguments], env={**os.environ, "BUILD": str(tmp_path)},
                          check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()


def test_only_the_software_cpu_is_left(tmp_path):
    assert passed_on(tmp_path, "-m", "1024", "-accel", "kvm", "-append", "a  b", "-accel", "hvf",
                     "-accel", "tcg", "-serial", "stdio") == [
        "-m", "1024", "-append", "a  b", "-accel", "tcg", "-serial", "stdio"]

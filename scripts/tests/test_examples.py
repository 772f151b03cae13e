# SPDX-License-Identifier: GPL-2.0
"""Tests of the examples for operators, which nothing else runs."""

import os
import re
import shutil
import subprocess

import pytest

from overlay import REPO

EXAMPLES = os.path.join(REPO, "tools", "irq_liveupdate", "examples")


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as f:
        return f.read()


def fields_of(event, header):
    """What a trace event records, its class included."""
    match = re.search(rf"DEFINE_EVENT\((\w+), {event},", header)
    name = match[1] if match else event
    body = re.search(rf"(?:TRACE_EVENT|DECLARE_EVENT_CLASS)\({name},.*?\n\);", header, re.S)[0]
    return set(re.findall(r"__field\(.*?, (\w+)\)|__string\((\w+),", body))


def test_bpftrace_uses_what_is_recorded():
    header = read(REPO, "include", "trace", "events", "irq_liveupdate.h")
    probes = re.findall(r"^tracepoint:irq_liveupdate:(\w+)\n\{(.*?)^\}",
                        read(EXAMPLES, "irq_liveupdate.bt"), re.M | re.S)
    assert probes
    for event, body in probes:
        recorded = {name for names in fields_of(event, header) for name in names}
        assert set(re.findall(r"args->(\w+)", body)) <= recorded, event


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd")
def test_units_are_right(tmp_path):
    for name in ("vmm@.service", "live-update.service"):
        text = re.sub(r"/usr/(local/)?s?bin/\w+", "/bin/true", read(EXAMPLES, name))
        (tmp_path / name).write_text(text, encoding="utf-8")
    run = subprocess.run(["systemd-analyze", "verify", tmp_path / "live-update.service",
                          tmp_path / "vmm@x.service"], text=True, check=False,
                         stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
                         env=os.environ | {"SYSTEMD_UNIT_PATH": f"{tmp_path}:"})
    # Those are of systemd 254.
    newer = ("'FileDescriptorStorePreserve'", "SuccessAction=")
    complaints = [line for line in run.stderr.splitlines()
                  if str(tmp_path) in line and not any(name in line for name in newer)]
    assert not complaints
    assert run.returncode == 0

# SPDX-License-Identifier: GPL-2.0-only
"""The steps of a guest's pause."""

import os
from types import SimpleNamespace

import pytest

from course.result import Result
from judge import live_device
from judge import outcomes
from judge import timeline
from machine.qemulog import Event
from report import ktap
from report import tables
from scenarios.scenario import Scenario

# Milliseconds: those of the guest's clock are 1,000,000 ahead of the seconds of the trace
REPORT = {"tsc_khz": 10, "pause": [[name, (1_000_000 + ms) * 10] for name, ms in (
    ("update", 0), ("stop", 10), ("save", 15), ("boot", 5000), ("map", 5100), ("arm", 5200),
    ("finish", 5210))]}
ARMED = Event(5.2, "msix_write_config", "dev nvme enabled 1 masked 0")
BLOCKED = Event(0.3, "msix_write_config", "dev nvme enabled 1 masked 1")
# Where the kernel prints the message that ends a step: with which prefix, and with which text,
# in which a %s may stand for something else
PRINTED = (("freeze", "kernel/irq/liveupdate.c", "irq_liveupdate: ", "freeze begins with "),
           ("jump", "init/version-timestamp.c", "", "Linux version"),
           *(("early boot", f"drivers/iommu/{iommu}/irq_liveupdate.c", "",
              "interrupt remapping entries") for iommu in ("intel", "amd")),
           ("kernel", "init/main.c", "", "Run %s"))
SAID = tuple(zip((0.2, 0.9, 1.5, 4.0), timeline.ENDS.values()))


def written(path, said):
    with open(path, "w") as f:
        for time, text in said:
            for char in text:
                f.write(f"1970-01-01T00:00:{time:09.6f}Z memory_region_ops_write cpu 0 mr 0x1 "
                        f"addr 0x3f8 value 0x{ord(char):x} size 1 name 'serial'\n")
    return path


def seen(*events):
    return SimpleNamespace(model="nvme", start=0.0, events=events,
                           window=lambda name: [e for e in events if e.name == name])


def test_boot_is_divided(tmp_path):
    steps = timeline.of(REPORT, written(tmp_path / "log", SAID), seen(BLOCKED, ARMED))
    assert [(name, round(ms, 3)) for name, ms in steps] == [
        ("stop", 10), ("save", 5), ("freeze", 185), ("block", 100), ("jump", 600),
        ("early boot", 600), ("kernel", 2500), ("first process", 1000), ("map", 100),
        ("arm", 100), ("finish", 10)]


def test_table_has_the_whole_boot_and_its_parts():
    whole = [("stop", 10.0), ("boot", 6.0), ("arm", 1.0)]
    assert list(tables.pause_column(whole).items()) == [
        ("pause: stop", "10.0 ms"), ("pause: boot", "6.0 ms"), ("pause: arm", "1.0 ms")]
    parts = [("freeze", 1.0), ("block", 2.0), ("first process", 3.0), ("arm", 1.0)]
    assert list(tables.pause_column(parts).items()) == [
        ("pause: boot", "6.0 ms"), ("pause: boot: freeze", "1.0 ms"),
        ("pause: boot: block", "2.0 ms"), ("pause: boot: first process", "3.0 ms"),
        ("pause: arm", "1.0 ms")]


def test_share_of_our_steps():
    steps = [("stop", 5.0), ("freeze", 1.0), ("block", 2.0), ("kernel", 84.0), ("retrieve", 1.0),
             ("map", 2.0), ("arm", 3.0), ("finish", 2.0)]
    assert timeline.ours(steps) == (9.0, 0.09)
    assert list(tables.pause_column(steps).items())[-1] == (
        "pause: freeze, block, retrieve, arm, finish", "9.0%")
    assert timeline.ours([step for step in steps if step[0] != "freeze"]) is None


def test_without_a_handover_it_is_not(tmp_path):
    path = written(tmp_path / "log", SAID[1:])
    steps = timeline.of(REPORT, path, seen(BLOCKED, ARMED))
    assert [name for name, _ in steps] == ["stop", "save", "boot", "map", "arm", "finish"]
    assert timeline.of(REPORT, path, seen(BLOCKED)) == steps


@pytest.mark.parametrize("step, path, prefix, text", PRINTED)
def test_kernels_print_what_ends_a_step(step, path, prefix, text):
    with open(os.path.join(ktap.build(), "linux", path)) as file:
        source = file.read()
    assert f'pr_fmt(fmt) "{prefix}" fmt' in source or not prefix
    assert any(text in line for line in source.splitlines() if '"' in line)
    assert timeline.ENDS[step] == (prefix + text).replace("%s", "/init")


def test_every_end_of_a_step_is_printed():
    assert {step for step, *_ in PRINTED} == timeline.ENDS.keys()


@pytest.mark.parametrize("said, divided", ((SAID, True), (SAID[1:], False)))
def test_pause_that_is_not_divided_is_noticed(tmp_path, said, divided):
    steps = timeline.of(REPORT, written(tmp_path / "log", said), seen(BLOCKED, ARMED))
    result = Result(Scenario("", ""), [], timeline=steps, flight=live_device.Flight())
    found = outcomes.EXPECTED["guest-handed-over"](result)
    assert [one.ok for one in found if "pause" in one.name] == [divided]

# SPDX-License-Identifier: GPL-2.0-only
"""A limit that is missed, and not known to be, fails; the plot is readable."""

import re
import subprocess
from unittest import mock

import pytest

from cost import boot
from cost import limits
from cost import live_update
from cost import plot
from cost.limits import Limit
from course.result import SIGN_OFF, Result
from course.run import RunFailed
from scenarios import scenario


def test_words():
    known, (most, _) = next(iter(limits.KNOWN.items()))
    assert Limit("a", 1, 1, "").word() == "met"
    assert Limit("a", 1, 1.01, "").word() == "MISSED"
    assert Limit(known, 1, most, "").word() == "missed, known"
    assert Limit(known, 1, most + 0.01, "").word() == "MISSED"
    assert not Limit(known, 1, 1, "").is_known()


SOURCE = """
static __attribute__((noinline)) int only_ours(int n) { return n + 1; }
int shared(int n) { return only_ours(n); }
int variable;
"""


def _compile(directory, name, text):
    path = directory / f"{name}.o"
    subprocess.run(["cc", "-c", "-x", "c", "-o", path, "-"], input=text, text=True, check=True)
    return path


class _Build:
    """A build whose kernels are one object file each."""

    def __init__(self, directory):
        self._ours = _compile(directory, "ours", SOURCE)
        self._without = _compile(directory, "without", "int shared(int n) { return n; }")

    def own_objects(self, _):
        return [self._ours]

    def vmlinux(self, _):
        return self._without


def test_boot_counts_functions_of_ours_alone(tmp_path):
    assert boot.own_functions(_Build(tmp_path), ("cost", "nolu")) == {"only_ours"}


def test_time_of_a_live_update_is_the_number_of_instructions():
    machine = object.__new__(live_update.Machine)
    machine.scratch = machine.console_path = machine.log_path = ""
    machine._binary = "qemu"
    machine._plugins = lambda *_: []
    arguments = machine._arguments(scenario.load("handover"), "kernel", "initrd", "", None)
    assert arguments.count("-accel") == 1
    assert "-icount" in arguments


def _measurement(vectors):
    steps = {name: live_update.Step(instructions=vectors * (n + 1) * 10)
             for n, name in enumerate(live_update.STEPS)}
    return live_update.Measurement(vectors, 1, steps)


def test_labels_of_the_plot_do_not_overlap(tmp_path):
    path = tmp_path / "bench.svg"
    plot.draw([_measurement(vectors) for vectors in (1, 64, 2048)], path)
    text = path.read_text()
    places = [float(y) for y, name in re.findall(
        r'<g transform="translate\([\d.]+,([\d.]+)\)"[^>]*>\s*<text><tspan[^>]*>([\w-]+)<', text)
              if name in plot.STEPS]
    assert len(places) == len(plot.STEPS)
    gaps = [b - a for a, b in zip(sorted(places), sorted(places)[1:])]
    assert min(gaps) >= 12


def _steps(vectors):
    """Of an update that was done."""
    steps = {name: live_update.Step(instructions=1, calls=1) for name in live_update.STEPS}
    for name, what in live_update.NEEDED:
        steps[name].operations[what] = 1
    steps["block"].operations["IRTE writes"] = vectors
    return steps


def _measure(steps, vectors=8):
    with mock.patch.object(live_update, "run_once", return_value=steps):
        return live_update.measure(vectors, None)


def test_devices_have_the_vectors_which_they_count_for():
    assert _measure(_steps(8)).vectors == 8
    with pytest.raises(RunFailed, match="8 vectors were handed over, not 256"):
        _measure(_steps(8), 256)


@pytest.mark.parametrize("step", live_update.STEPS)
@pytest.mark.parametrize("part", ("calls", "instructions"))
def test_step_that_was_not_executed_is_no_measurement(step, part):
    steps = _steps(8)
    setattr(steps[step], part, 0)
    with pytest.raises(RunFailed, match=f"{step}: not executed"):
        _measure(steps)


@pytest.mark.parametrize("step, what", (
    ("freeze", "device reads"), ("block", "config writes"), ("block", "waits"),
    ("adopt", "device writes")))
def test_step_without_its_operations_is_no_measurement(step, what):
    steps = _steps(8)
    steps[step].operations[what] = 0
    with pytest.raises(RunFailed, match=f"{step}: no {what}"):
        _measure(steps)


LINE = "2026-01-01T00:00:00.000000Z enter irq_lu_block all 1\n"
BOOT = f"[    0.000000] Linux version 7.3.4-cost (lab@lab)\n[    0.900000] {SIGN_OFF}\n"


@pytest.mark.parametrize("changes, wrong", (
    ({}, None),
    ({"error": "the end"}, "the end"),
    ({"log": "of something else\n"}, "the logs are whole"),
    ({"stderr": "warning: trace event 'vtd_x' does not exist"}, "the logs are whole"),
    ({"answered": 2000000000.0}, "the logs are whole"),
    ({"console": ""}, "the logs are whole"),
    ({"console": BOOT.splitlines()[0]}, "the logs are whole"),
    ({"console": BOOT + "[    1.0] BUG: sleeping function"}, "console: no complaint"),
    ({"console": BOOT + "[    1.0] irq_liveupdate: interrupts not taken over: unknown version"},
     "console: what is refused"),
))
def test_run_that_is_measured_fails_as_any_other(tmp_path, changes, wrong):
    (tmp_path / "qemu.log").write_text(LINE + changes.pop("log", ""))
    chosen = scenario.load("handover")
    result = Result(chosen, [], **{"console": BOOT} | changes)
    build, course, machine = mock.MagicMock(), mock.MagicMock(), mock.MagicMock()
    build.results.return_value = tmp_path
    course().execute.return_value = result
    result.log = tmp_path / "qemu.log"

    def once():
        return live_update.run_once(chosen, build, False, machine, course, mock.MagicMock())

    if not wrong:
        assert once()
        return
    with pytest.raises(RunFailed, match=wrong):
        once()

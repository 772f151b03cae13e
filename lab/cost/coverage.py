# SPDX-License-Identifier: GPL-2.0-only
"""Which lines of our files run, in the KUnit suites and the scenarios together.

Runs them on the kernel that counts (flavour "gcov"), reads the counters from outside both before
the jump and at the end, and has gcovr evaluate them. Fails if too few lines run, or if a file is
not counted.
"""

import csv
import glob
import os
import re
import subprocess

from cost import gcov
import running
from course import corruption
from course import run
from machine import gdbstub
from machine import qemu
from scenarios import scenario

FLAVOUR = "gcov"
LEAST_LINES = 90.0

SUITES = scenario.Scenario(
    name="coverage-kunit", title="the KUnit suites", old_runs=("true",),
    kernels=(FLAVOUR, FLAVOUR), append=("kunit.autorun=1 kunit.filter_glob=irq_liveupdate*", ""))


class Counting(run.Run):  # pylint: disable=abstract-method
    """Mixed into a course: reads the counters of its kernels."""

    counters = None

    def _start_kexec(self):
        # The gdb stub serves one client, and a corruption needs it. The old kernel's part is the
        # same anyway.
        if self.scenario.corrupt or self.scenario.kernels[0] != FLAVOUR:
            super()._start_kexec()
            return
        jump = self.symbols.address(corruption.JUMP)
        with self.machine.stub() as stub:
            stub.start_until(jump)
            super()._start_kexec()
            stub.wait(jump, self._timeout("block"))
            self.counters.add(stub, self.symbols)

    def execute(self):
        result = super().execute()
        if self.machine.alive() and self.scenario.kernels[1] == FLAVOUR:
            with self.machine.stub() as stub:
                self.counters.add(stub, self.symbols)
        return result


def _counting(chosen):
    kernels = tuple(FLAVOUR if kernel == "lab" else kernel for kernel in chosen.kernels)
    return chosen.with_changes(name=f"coverage-{chosen.name}", kernels=kernels)


def _run(chosen, build, counters):
    with qemu.Machine(build.qemu, build.plugin(), build.results(chosen.name)) as machine:
        try:
            course = type("Course", (Counting, running.COURSES[chosen.course_kind()]),
                          {"counters": counters})
            result = course(chosen, machine, build).execute()
        except gdbstub.StubError as error:
            return f"{error}"
    return result.error.partition("\n")[0]


def _forget(build):
    for name in glob.glob(os.path.join(build.directory, "kernel", FLAVOUR, "**", "*.gcda"),
                          recursive=True):
        os.unlink(name)


def _gcovr(build):
    """gcovr's account of our files, as rows of its CSV; details beside it."""
    tree = os.path.join(build.directory, "linux")
    base = os.path.join(build.results(), "coverage")
    filters = [part for name in build.own_files()
               for part in ("--filter", re.escape(os.path.join(tree, name)))]
    subprocess.run(["/usr/bin/gcovr", "--root", tree, "--gcov-ignore-parse-errors",
                    "--csv", base + ".csv", "--txt", base + ".txt", "--json", base + ".json",
                    *filters, os.path.join(build.directory, "kernel", FLAVOUR)], check=True)
    with open(base + ".csv", newline="", encoding="utf-8") as f:
        return list(csv.DictReader(f))


def _percent(row, what):
    total = int(row[f"{what}_total"])
    return 100.0 * int(row[f"{what}_covered"]) / total if total else 100.0


def _report(rows, files):
    """Print the rows. Whether there is one for each of these files, and enough lines ran."""
    total = {key: sum(int(row[key]) for row in rows)
             for key in ("line_total", "line_covered", "branch_total", "branch_covered")}
    print(f"{'file':<44}{'lines':>7}{'run':>7}{'branches':>10}{'taken':>7}")
    for row in [*rows, {"filename": "all"} | total]:
        print(f"{row['filename']:<44}{row['line_total']:>7}{_percent(row, 'line'):>6.1f}%"
              f"{row['branch_total']:>10}{_percent(row, 'branch'):>6.1f}%")
    missing = sorted(set(files) - {row["filename"] for row in rows})
    if missing:
        print("not counted: " + ", ".join(missing))
    return total["line_total"] > 0 and not missing and _percent(total, "line") >= LEAST_LINES


def measure(build, names):
    """Run the suites and these scenarios. Whether all of them finished, and ran enough lines."""
    counters = gcov.Counters()
    chosen = [_counting(scenario.load(name)) for name in names]
    failed = []
    for one in [SUITES, *(one for one in chosen if not build.lacking(one) and not one.breaks)]:
        error = _run(one, build, counters)
        print(f"# {one.name}: {error or 'counted'}", flush=True)
        if error:
            failed.append(one.name)
    _forget(build)
    counters.write()
    enough = _report(_gcovr(build), build.own_files())
    if failed:
        print("did not finish: " + ", ".join(failed))
    return enough and not failed

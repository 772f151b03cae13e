#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Run the KUnit suites of a lab kernel with kunit.py, and judge its console.

The kernel is not built here: kunit.py boots the one of the flavour. Prints
KTAP as it comes; the whole console is in $BUILD/kernel/FLAVOUR/test.log. Fails if a case failed, if
nothing ran, if no case of our suites ran although all suites were requested, if a suite did not
finish, if the kernel did not restart by itself after the last one, or if the console shows a report
that no test expects.

With --same-as STEP it also fails unless the suites of this kernel have the same cases
with the same results in the log of that step of "make test-full". Such a kernel need not
have our suites.
"""

import argparse
import fnmatch
import os
import subprocess
import sys

import ktap

sys.path.insert(0, os.path.join(ktap.ROOT, "lab"))
# pylint: disable=wrong-import-position
from course import kernels
from judge.console import complaints
from machine import clock
from machine.qemu import CPU_MODEL

# All suites that are built in: ours, and genirq's own.
DEFAULT_GLOB = "*"
OWN_SUITES = "irq_liveupdate*"
TIMEOUT = 2400
TAIL_LINES = 40
# kunit.py only prints that its time is over, and then terminates the machine.
RESTARTED = "reboot: Restarting system"
# FAKE_ITE_SID of kunit_fake_vtd.h: the device whose time-outs spoil the flushes of others
TOLERATED = ("Invalidation Time-out Error: SID ff55",)

MACHINE = f"-machine q35 -cpu {CPU_MODEL} -smp 2"


def command(args):
    """The command line of kunit.py."""
    parameters = [*kernels.LIVE_UPDATE_PARAMETERS.split(), "kunit.autorun=1", "loglevel=7",
                  "panic=-1", *kernels.CLOCKS.split(), *clock.parameters(), *args.append]
    machine = MACHINE
    if args.flavour == "debug":
        machine += f" -m {kernels.DEBUG_MEMORY}"
        parameters += kernels.DEBUG_PARAMETERS.split()
    return [os.path.join(ktap.kunit_tool(), "kunit.py"), "exec", "--arch=x86_64",
            f"--build_dir={args.build_dir}", f"--timeout={TIMEOUT}", "--raw_output=kunit",
            f"--qemu_args={machine}",
            *(f"--kernel_args={parameter}" for parameter in parameters), args.glob]


def run(args):
    """Run kunit.py, pass its output on and return it, and the exit status."""
    scripts = os.path.dirname(os.path.abspath(__file__))
    path = os.path.join(scripts, "tcg") + os.pathsep + os.environ["PATH"]
    lines = []
    with subprocess.Popen(command(args), env={**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1"},
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          text=True, errors="replace") as tool:
        for line in tool.stdout:
            lines.append(line)
            print(line, end="", flush=True)
    return lines, tool.returncode


def judge(results, console, wanted):
    """What else must hold, as cases of their own. wanted: for each of these patterns, a suite has
    to run. A case that is skipped does not run."""
    ran = {result.name.split(".")[0] for result in results if result.status != ktap.SKIP}
    missing = [pattern for pattern in wanted or ["*"] if not fnmatch.filter(ran, pattern)]
    trouble = complaints(console, tolerates=TOLERATED)
    restarted = RESTARTED in console
    return [
        ktap.Result("kunit.suites_ran", ktap.FAIL if missing else ktap.PASS,
                    "no case of a suite " + ", ".join(missing) if missing else ""),
        ktap.Result("kunit.console_is_clean", ktap.FAIL if trouble else ktap.PASS,
                    trouble[0] if trouble else ""),
        ktap.Result("kunit.kernel_restarted", ktap.PASS if restarted else ktap.FAIL,
                    "" if restarted else f"the console lacks {RESTARTED!r}")]


def differences(results, others):
    """Cases of the suites in results that are not in both runs, or have a different status."""
    suites = {result.name.split(".")[0] for result in results}
    ours = {result.name: result.status for result in results}
    theirs = {result.name: result.status for result in others
              if result.name.split(".")[0] in suites}
    return sorted(name for name in ours.keys() | theirs.keys()
                  if ours.get(name) != theirs.get(name))


def compare(results, step):
    """The comparison with the results of another kernel, as a case of its own."""
    with open(os.path.join(ktap.build(), "results", f"{step}.log"), encoding="utf-8") as log:
        wrong = differences(results, ktap.parse(log))
    return ktap.Result(f"kunit.same_as_{step}", ktap.FAIL if wrong else ktap.PASS,
                       " ".join(wrong))


def names_of_failed(results):
    """The names of failed cases, to look for: a suite prints thousands of lines."""
    return [result.name for result in results if result.status == ktap.FAIL]


def main():
    """Run, judge, report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--flavour", default="lab", help="kernel flavour")
    parser.add_argument("--build-dir", metavar="DIR", type=os.path.abspath,
                        help="where the kernel was built (default $BUILD/kernel/FLAVOUR)")
    parser.add_argument("--glob", default=DEFAULT_GLOB,
                        help=f"suites to run (default {DEFAULT_GLOB})")
    parser.add_argument("--suites", nargs="*", default=[OWN_SUITES], metavar="GLOB",
                        help="fail unless a suite of each such name runs (default "
                        f"{OWN_SUITES}), if all are run")
    parser.add_argument("--append", action="append", default=[],
                        help="one more kernel parameter")
    parser.add_argument("--same-as", metavar="STEP",
                        help="step with whose log the results are compared")
    args = parser.parse_args()
    args.build_dir = args.build_dir or os.path.join(ktap.build(), "kernel", args.flavour)

    lines, status = run(args)
    results = ktap.parse(lines)
    log = os.path.join(args.build_dir, "test.log")
    with open(log, encoding="utf-8", errors="replace") as file:
        console = file.read()
    all_of_ours = args.glob == DEFAULT_GLOB and not args.same_as
    checks = judge(results, console, args.suites if all_of_ours else [])
    if args.same_as:
        checks.append(compare(results, args.same_as))
    ktap.write(checks)
    failed = names_of_failed(results + checks)
    if failed:
        ktap.say("\n".join([f"console, last {TAIL_LINES} lines of {log}:",
                            *console.splitlines()[-TAIL_LINES:],
                            f"{len(failed)} failed:", *failed]))
    return 1 if failed or status else 0


if __name__ == "__main__":
    sys.exit(main())

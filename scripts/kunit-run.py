#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Boot a lab kernel in QEMU, let it run its KUnit suites, judge the console.

The kernel runs the suites by itself before it looks for an init, and powers
off. Prints KTAP as it comes, writes $BUILD/results/kunit-FLAVOUR.{log,json}.
Fails when a case failed, when none of our suites ran, when a suite did not end,
or when the console shows a report that no test asked for.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import threading

import ktap

# Ours, and genirq's own. One glob, since the kernel takes one.
DEFAULT_GLOB = "irq*"
OWN_SUITES = "irq_liveupdate"
TAIL_LINES = 40
KILLED = "kunit-run: killed"

# KASAN makes the next kernel too large for KHO's default scratch memory, and KHO
# then disables itself. As in lab/lab.py.
DEBUG_MEMORY = "2G"
DEBUG_PARAMETERS = "kho_scratch=16M,512M,256M"

TROUBLE = re.compile(
    r"WARNING: |BUG: |KASAN: |Kernel panic|Oops: |UBSAN: |general protection|"
    r"INFO: possible|INFO: task .* blocked|unreferenced object|"
    r"ODEBUG: |suspicious RCU")


def console_lines(command, timeout):
    """Run QEMU, yield console lines; kill it at the end of its time."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace") as qemu:
        expired = threading.Event()

        def expire():
            expired.set()
            qemu.kill()

        timer = threading.Timer(timeout, expire)
        timer.start()
        try:
            for line in qemu.stdout:
                yield line.rstrip("\r\n")
        finally:
            timer.cancel()
            qemu.kill()
        if expired.is_set():
            yield f"{KILLED} after {timeout} seconds"


def qemu_command(args):
    """The smallest machine that runs the suites."""
    append = [
        "console=ttyS0", "loglevel=7", "panic=-1", "kho=on", "kunit.enable=1",
        "kunit.autorun=1", f"kunit.filter_glob={args.glob}",
        "kunit_shutdown=poweroff", *args.append]
    return [
        args.qemu, "-machine", "q35", "-cpu", "max,la57=off", "-accel", "tcg,thread=multi",
        "-m", args.memory, "-smp", str(args.cpus), "-nodefaults",
        "-display", "none", "-no-reboot", "-serial", "stdio",
        "-kernel", args.kernel, "-append", " ".join(append)]


def judge(lines, wanted):
    """The test cases, and what else must hold, as one more case each."""
    results = ktap.parse(lines)
    if not any(result.name.startswith(wanted) for result in results):
        results.append(ktap.Result("kunit.own_suites_ran", ktap.FAIL,
                                   f"no case of a suite {wanted}*"))
    planned = ktap.plan_of(lines)
    finished = sum(1 for line in lines
                   if re.match(r"(?:not )?ok \d+", ktap.PRINTK.sub("", line, count=1)))
    if finished != planned or KILLED in lines[-1]:
        results.append(ktap.Result("kunit.ended", ktap.FAIL,
                                   f"{finished} of {planned} suites ended"
                                   f" ({lines[-1]})"))
    trouble = [line for line in lines if TROUBLE.search(line)]
    results.append(ktap.Result("kunit.console_is_clean",
                               ktap.FAIL if trouble else ktap.PASS,
                               trouble[0] if trouble else ""))
    return results


def main():
    """Run, judge, report."""
    build = os.environ.get("BUILD", "build")
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--build", default=build, help="build folder")
    parser.add_argument("--flavour", default="lab", help="kernel flavour")
    parser.add_argument("--kernel", help="bzImage, instead of the flavour's")
    parser.add_argument("--qemu", help="QEMU binary")
    parser.add_argument("--glob", default=DEFAULT_GLOB,
                        help=f"suites to run (default {DEFAULT_GLOB})")
    parser.add_argument("--require", default=OWN_SUITES, metavar="PREFIX",
                        help="suites of which a case must run "
                        f"(default {OWN_SUITES})")
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--memory", help="default: 1G, debug kernel 2G")
    parser.add_argument("--timeout", type=int, default=900, help="seconds (default: 900)")
    parser.add_argument("--append", action="append", default=[],
                        help="more kernel parameters")
    args = parser.parse_args()
    args.kernel = args.kernel or os.path.join(
        args.build, "kernel", args.flavour, "arch/x86/boot/bzImage")
    if args.flavour == "debug":
        args.memory = args.memory or DEBUG_MEMORY
        args.append.append(DEBUG_PARAMETERS)
    args.memory = args.memory or "1G"
    args.qemu = args.qemu or os.path.join(args.build, "qemu", "qemu-system-x86_64")

    base = os.path.join(args.build, "results", f"kunit-{args.flavour}")
    os.makedirs(os.path.dirname(base), exist_ok=True)
    lines = []
    with open(base + ".log", "w", encoding="utf-8") as log:
        for line in console_lines(qemu_command(args), args.timeout):
            lines.append(line)
            print(line, file=log, flush=True)
            text = ktap.PRINTK.sub("", line, count=1)
            if re.match(r" *(?:(?:not )?ok \d|1\.\.\d|KTAP |# )", text):
                print(text, flush=True)

    results = judge(lines, args.require)
    # The last ones are ours, not the kernel's: say them in KTAP, too.
    extra = [result for result in results if result.name.startswith("kunit.")]
    suites = ktap.plan_of(lines) or 0
    for number, result in enumerate(extra, suites + 1):
        mark = "not ok" if result.status == ktap.FAIL else "ok"
        print(f"{mark} {number} {result.name}")
        if result.why:
            print(f"# {result.why}")
    with open(base + ".json", "w", encoding="utf-8") as file:
        json.dump({"name": f"kunit-{args.flavour}",
                   "tests": [result.as_dict() for result in results]},
                  file, indent=1)

    if ktap.counts(results)[1]:
        print(f"# console, last {TAIL_LINES} lines of {base}.log:")
        for line in lines[-TAIL_LINES:]:
            print(f"# {line}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Run the steps of "make test", count test cases, end with one line of counts.

A step is a command. If it prints KTAP, its cases are counted, and it fails if there are none;
otherwise it counts as one case. A step that fails although none of its cases did counts as one
failed case. Every step's output is kept in $BUILD/results/NAME.log, and the overall result in
$BUILD/results/test.json. The time that each step took is printed before the counts.

    test.py NAME COMMAND [NAME COMMAND]...

COMMAND is one word for the shell. Steps whose NAMEs end with "&" run one after the other in
parallel with the next step whose NAME does not, and their output is only in their logs. Exit
status: 0 if at least one case passed and none failed.
"""

import concurrent.futures
import dataclasses
import json
import os
import subprocess
import sys
import time

import ktap

RESULTS = os.path.join(ktap.build(), "results")


@dataclasses.dataclass
class Step:
    """One command, and its results."""
    name: str
    log: str
    tests: list
    seconds: float


def output_of(command, log_name, outputs):
    """Run a command with its output passed on; return its lines and status."""
    lines = []
    with open(log_name, "w", encoding="utf-8") as log, \
            subprocess.Popen(command, shell=True, text=True, errors="replace",
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT) as step:
        for line in step.stdout:
            lines.append(line)
            for out in log, *outputs:
                out.write(line)
                out.flush()
    return lines, step.returncode


def cases_of(name, lines, status):
    """The test cases of a step."""
    results = ktap.parse(lines)
    if not results and any(ktap.START.match(line.rstrip()) for line in lines):
        return [ktap.Result(name, ktap.FAIL, "KTAP without a case")]
    if not results or (status and not ktap.counts(results)[1]):
        results.append(ktap.Result(name, ktap.FAIL if status else ktap.PASS,
                                   f"exit status {status}"))
    return results


def run(name, command, outputs=(sys.stdout,)):
    """Run one step."""
    log_name = os.path.join(RESULTS, f"{name}.log")
    print(f"# {name}: {command}", flush=True)
    start = time.monotonic()
    tests = cases_of(name, *output_of(command, log_name, outputs))
    step = Step(name, log_name, tests, round(time.monotonic() - start, 1))
    print(f"# {name}: {ktap.count_line(tests)} ({step.seconds} s)\n", flush=True)
    return step


def run_all(commands):
    """Run all steps, whatever becomes of the ones before."""
    steps, beside = [], []
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as executor:
        for name, command in commands:
            if name.endswith("&"):
                beside.append(executor.submit(run, name[:-1], command, ()))
                continue
            steps.append(run(name, command))
            steps += [step.result() for step in beside]
            beside.clear()
    return steps + [step.result() for step in beside]


def report(steps):
    """Print where the time went, what failed, and how many cases there were."""
    for step in steps:
        print(f"{int(step.seconds // 60):4}:{int(step.seconds % 60):02}  {step.name}")
    for step in steps:
        for test in step.tests:
            if test.status == ktap.FAIL:
                print(f"FAILED {step.name}: {test.name} {test.why} (log: {step.log})")
    every = [test for step in steps for test in step.tests]
    print(ktap.count_line(every))
    return ktap.counts(every)


def main():
    """Run all steps, and report."""
    if len(sys.argv) < 3 or len(sys.argv) % 2 == 0:
        print(__doc__)
        return 2
    os.makedirs(RESULTS, exist_ok=True)
    steps = run_all(zip(sys.argv[1::2], sys.argv[2::2]))
    with open(os.path.join(RESULTS, "test.json"), "w", encoding="utf-8") as file:
        json.dump([dataclasses.asdict(step) for step in steps], file, indent=1)
    passed, failed, _ = report(steps)
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())

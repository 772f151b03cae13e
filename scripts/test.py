#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Run the steps of "make test", count test cases, end with one line of counts.

A step is a command. One that prints KTAP counts by its cases; another counts
as one case. A step that fails although none of its cases did counts as one
failed case. Every step's output is kept in $BUILD/results/NAME.log, the whole
in $BUILD/results/test.json.

    test.py NAME COMMAND [NAME COMMAND]...

COMMAND is one word to the shell. Exit status: 0 when at least one case passed
and none failed.
"""

import json
import os
import subprocess
import sys
import time

import ktap


def run(name, command, log_name):
    """Run one step with its output passed on; return its test cases."""
    lines = []
    print(f"# {name}: {command}", flush=True)
    with open(log_name, "w", encoding="utf-8") as log, \
            subprocess.Popen(command, shell=True, text=True, errors="replace",
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT) as step:
        for line in step.stdout:
            lines.append(line)
            log.write(line)
            log.flush()
            sys.stdout.write(line)
            sys.stdout.flush()
    results = ktap.parse(lines)
    if not results:
        status = ktap.FAIL if step.returncode else ktap.PASS
        return [ktap.Result(name, status, f"exit status {step.returncode}")]
    if step.returncode and not ktap.counts(results)[1]:
        results.append(ktap.Result(name, ktap.FAIL,
                                   f"exit status {step.returncode}"))
    return results


def main():
    """Run all steps, whatever becomes of the ones before."""
    if len(sys.argv) < 3 or len(sys.argv) % 2 == 0:
        print(__doc__)
        return 2
    folder = os.path.join(os.environ.get("BUILD", "build"), "results")
    os.makedirs(folder, exist_ok=True)

    every, report = [], []
    for name, command in zip(sys.argv[1::2], sys.argv[2::2]):
        log_name = os.path.join(folder, f"{name}.log")
        start = time.monotonic()
        results = run(name, command, log_name)
        every += results
        report.append({"step": name, "seconds": round(time.monotonic() - start, 1),
                       "log": log_name,
                       "tests": [result.as_dict() for result in results]})
        print(f"# {name}: {ktap.count_line(results)} "
              f"({report[-1]['seconds']} s)\n", flush=True)

    with open(os.path.join(folder, "test.json"), "w", encoding="utf-8") as file:
        json.dump(report, file, indent=1)
    for step in report:
        for test in step["tests"]:
            if test["status"] == ktap.FAIL:
                print(f"FAILED {step['step']}: {test['name']} {test['why']}"
                      f" (log: {step['log']})")
    print(ktap.count_line(every))
    passed, failed, _ = ktap.counts(every)
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())

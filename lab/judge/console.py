# SPDX-License-Identifier: GPL-2.0-only
"""What must not appear on any console, of scenarios and KUnit alike."""

import re

COMPLAINTS = re.compile("|".join((
    r"\bWARN(ING)?\b",
    r"\bBUG\b",
    r"\bOops\b",
    r"\bKASAN\b.*:",
    r"\bUBSAN:",
    r"\bODEBUG:",
    r"general protection",
    r"Kernel panic",
    r"Call Trace",
    r"INFO: possible",
    r"possible .* detected",
    r"inconsistent lock state",
    r"suspicious RCU usage",
    r"rcu: INFO: .* stall",
    r"self-detected stall",
    r"blocked for more than",
    r"hard LOCKUP",
    r"kthread starved",
    r"INFO: trying to register non-static key",
    r"cannot create duplicate filename",
    r"unchecked MSR access error",
    r"\bsegfault at\b",
    r"Killed process \d",
    r"nobody cared",
    r"No irq handler",
    r"Spurious interrupt \(vector",
    r"handler .* enabled interrupts",
    r"Flags mismatch irq",
    r"Affinity broken due to vector space exhaustion",
    r"disabling kexec handover",
    r"Bus Error: severity=",
    r"timeout, (completion polled|(disable|reset) controller|aborting)",
    r"NETDEV WATCHDOG",
    r"DRHD: handling fault",
    r"\[INTR-REMAP\]",
    r"\[DMA (Read|Write) .*\] Request device",
    r"Failed to copy translation tables",
    r"Completion-Wait loop timed out",
    r"Event logged \[",
    r"detected Invalidation (Queue|Time-out|Completion) Error",
    r"unreferenced object",
    r"kmemleak: \d+ new",
    r"kmemleak: (Kernel memory leak detector disabled|Memory pool empty)",
)))

# After a warning each dump says so
TAINTED = re.compile(r"Tainted: .*=WARN")
TRACE = "Call Trace"

# The first message of a kernel
BOOTED = re.compile(r"\] Linux version ")

# A crash that a scenario causes
CRASHED = re.compile(r"Kernel panic - not syncing: sysrq triggered crash$")


def _not_of_warnings(lines, warns):
    """Without the warnings that these functions cause, and without the trace of each."""
    traces = 0
    for line in lines:
        if any(re.search(rf"WARNING: \S+ at {name}\+", line) for name in warns):
            traces += 1
        elif traces and TRACE in line:
            traces -= 1
        elif not warns or not TAINTED.search(line):
            yield line


def _without_crash(lines):
    """Without the first crash that the scenario causes, and without the trace of it, which the same
    kernel prints."""
    awaited = [CRASHED, re.compile(TRACE)]
    for line in lines:
        if len(awaited) == 1 and BOOTED.search(line):
            awaited = []
        if awaited and awaited[0].search(line):
            awaited = awaited[1:]
        else:
            yield line


def complaints(text, warns=(), tolerates=(), crashes=False):
    """Lines of a console that fail a run. The functions in warns may cause a WARNING; lines that
    one of the patterns in tolerates matches are accepted. crashes: whether one kernel is made to
    crash."""
    lines = text.splitlines()
    found = [line.strip() for line in (_without_crash(lines) if crashes else lines)
             if COMPLAINTS.search(line)]
    return [line for line in _not_of_warnings(found, warns)
            if not any(re.search(pattern, line) for pattern in tolerates)]

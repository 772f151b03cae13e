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
    r"Failed to copy translation tables",
    r"Completion-Wait loop timed out",
    r"Event logged \[",
    r"detected Invalidation (Queue|Time-out|Completion) Error",
    r"unreferenced object",
    r"kmemleak: \d+ new",
    r"kmemleak: (Kernel memory leak detector disabled|Memory pool empty)",
)))

# Lines that come with a warning, and are not complaints of their own
PART_OF_A_WARNING = r"Tainted: .*=WARN|Call Trace"


def _expected(line, warns, tolerates):
    return (any(text in line for text in tolerates) or
            any(re.search(rf"WARNING: \S+ at {name}\+|{PART_OF_A_WARNING}", line)
                for name in warns))


def complaints(text, warns=(), tolerates=()):
    """Lines of a console that fail a run. The functions in warns may cause a WARNING; lines with
    one of the texts in tolerates are accepted."""
    return [line.strip() for line in text.splitlines()
            if COMPLAINTS.search(line) and not _expected(line, warns, tolerates)]

# SPDX-License-Identifier: GPL-2.0-only
"""What must not be on any console."""

import re

COMPLAINTS = re.compile("|".join((
    r"\bWARN(ING)?\b",
    r"\bBUG:",
    r"\bOops\b",
    r"\bKASAN\b.*:",
    r"Kernel panic",
    r"INFO: possible",
    r"possible .* detected",
    r"inconsistent lock state",
    r"suspicious RCU usage",
    r"self-detected stall",
    r"blocked for more than",
    r"No irq handler",
    r"DRHD: handling fault",
    r"\[INTR-REMAP\]",
    r"unreferenced object",
    r"kmemleak: \d+ new",
)))


def _expected(line, warns, tolerates):
    return (any(text in line for text in tolerates) or
            any(re.search(rf"WARNING: \S+ at {name}\+|Tainted: .*=WARN", line)
                for name in warns))


def complaints(text, warns=(), tolerates=()):
    """Lines of a console that fail a run. The functions in warns may have a WARNING, lines
    with one of the texts in tolerates are right."""
    return [line.strip() for line in text.splitlines()
            if COMPLAINTS.search(line) and not _expected(line, warns, tolerates)]

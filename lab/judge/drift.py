# SPDX-License-Identifier: GPL-2.0-only
"""Whether what is measured at each kernel of a chain stays the same."""

from judge.verdict import Verdict

# Memory in use is never the same twice: page cache, per-CPU lists. In KiB.
MEMORY_DRIFT = 512


def _allowed(name, row):
    """How much a value may vary. A kernel uses other domain ids than the one before, whose ids stay
    reserved until the devices have left them: at most as many ids higher."""
    if name.startswith("memory in use"):
        return MEMORY_DRIFT
    return row["domain ids"] if name == "highest domain id" else 0


def judge(rows):
    """What is not the same in every kernel. Some values may vary within a limit."""
    wrong = []
    for name in rows[0] if rows else ():
        values = [row[name] for row in rows]
        if max(values) - min(values) > _allowed(name, rows[0]):
            wrong.append(f"{name}: {min(values)} to {max(values)}")
        if name.startswith("vectors with another") and max(values):
            wrong.append(f"{name}: {max(values)}")
    return Verdict(wrong, max(0, len(rows) - 1))

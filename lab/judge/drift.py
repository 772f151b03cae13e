# SPDX-License-Identifier: GPL-2.0-only
"""Whether what is measured at each kernel of a chain stays the same."""

from judge.verdict import Verdict

# Memory in use is never the same twice: page cache, per-CPU lists. In KiB.
MEMORY_DRIFT = 512


def judge(rows):
    """What is not the same in every kernel. Memory in use may vary within a limit."""
    wrong = []
    for name in rows[0] if rows else ():
        values = [row[name] for row in rows]
        allowed = MEMORY_DRIFT if name.startswith("memory in use") else 0
        if max(values) - min(values) > allowed:
            wrong.append(f"{name}: {min(values)} to {max(values)}")
        if name.startswith("vectors with another") and max(values):
            wrong.append(f"{name}: {max(values)}")
    return Verdict(wrong, max(0, len(rows) - 1))

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Pass on the compiler warnings about lines of the overlay.

Reads the output of a build from stdin. All warnings about new files count, and those about added
lines of patched upstream files. Fails if there are any.
"""

import re
import sys

from overlay import REPO, Repo

WARNING = re.compile(r"^(?:\.\./)*(?:.*?/linux/)?(?P<path>[^:\s]+):(?P<line>\d+)"
                     r"(?::\d+)?: (?:warning|error):? ")
HUNK = re.compile(r"^@@ -\d+(?:,\d+)? \+(\d+)")


def added_lines(patch):
    """The line numbers, in the patched file, of what a patch adds."""
    found, number = set(), 0
    for line in patch.splitlines():
        hunk = HUNK.match(line)
        if hunk:
            number = int(hunk[1])
        elif line.startswith("+") and not line.startswith("+++ "):
            found.add(number)
            number += 1
        elif line.startswith(" "):
            number += 1
    return found


def main():
    """Filter stdin."""
    own = {}
    for path, entry in Repo(REPO).entries().items():
        if path.endswith(".patch"):
            own[path.removesuffix(".patch")] = added_lines(
                entry.data.decode("utf-8", "replace"))
        else:
            own[path] = None
    bad = 0
    for line in sys.stdin:
        match = WARNING.match(line)
        if not match or match["path"] not in own:
            continue
        lines = own[match["path"]]
        if lines is None or int(match["line"]) in lines:
            print(line, end="")
            bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

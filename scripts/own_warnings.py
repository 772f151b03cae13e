#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Pass on the compiler warnings about lines of the overlay.

Reads the output of a build in $BUILD/kernel/FLAVOUR from stdin. All warnings about new files count,
and those about added lines of patched upstream files. Those of objtool name an object and no line:
they count if the overlay adds or patches its source. Fails if there are any.
"""

import os
import re
import sys

from overlay import REPO, Repo

BUILD = os.path.realpath(os.path.join(REPO, os.environ.get("BUILD", "build")))

WARNING = re.compile(r"^(?P<path>[^:\s]+):(?P<line>\d+)(?::\d+)?: (?:warning|error):? ")
OBJTOOL = re.compile(r"^(?P<path>[^:\s]+)\.o: (?:warning|error): objtool: ")
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


def path_in_kernel(path):
    """The path below the kernel tree of a file that a build names: absolute, or relative to the
    folder of the flavour."""
    folder = os.path.join(BUILD, "kernel", "FLAVOUR")
    name = os.path.normpath(os.path.join(folder, path))
    return name.removeprefix(folder + "/").removeprefix(os.path.join(BUILD, "linux") + "/")


def is_own(line, own):
    """Whether a line of the output is a warning about the overlay. own has the added lines of each
    file, None for all."""
    match = OBJTOOL.match(line)
    if match:
        return any(path_in_kernel(match["path"]) + suffix in own for suffix in (".c", ".S"))
    match = WARNING.match(line)
    path = match and path_in_kernel(match["path"])
    return path in own and (own[path] is None or int(match["line"]) in own[path])


def main():
    """Filter stdin."""
    own = {}
    for path, entry in Repo(REPO).entries().items():
        if path.endswith(".patch"):
            own[path.removesuffix(".patch")] = added_lines(
                entry.data.decode("utf-8", "replace"))
        else:
            own[path] = None
    found = [line for line in sys.stdin if is_own(line, own)]
    print("".join(found), end="")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

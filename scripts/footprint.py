#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""How much of the upstream kernel the overlay changes.

For each patched upstream file: lines added and removed, hunks, and conditionals
added. Kconfig, Makefile and MAINTAINERS lines count like all others. Whether a
change is a good one is judged by reading it: there is no budget.

A conditional is a decision point that a reader of the changed file meets:
one for each of these on an added line, comments and strings left out:

    if  else  switch  while  for  case  ?:  &&  ||     in C
    any identifier with for_each in it                 in C
    #if  #ifdef  #ifndef  #elif  #else                 in C
    if                                                 in Kconfig
    ifdef  ifndef  ifeq  ifneq  else                   in a Makefile

"else if" counts once, and so does "do { } while". Mere declarations do not count: "depends on",
"obj-$(CONFIG_X) += x.o". Removed lines are not subtracted.
"""

import os
import re

from overlay import REPO, Repo, repo_path

COMMENTS_AND_STRINGS = re.compile("|".join((
    r'"(?:\\.|[^"\\])*"', r"'(?:\\.|[^'\\])*'", r"/\*.*?\*/", r"/\*.*$", r"//.*$")))
COMMENT_LINE = re.compile(r"^\s*\*(\s|/|$)")

C_CONDITIONAL = re.compile(
    r"^\s*#\s*(?:if|ifdef|ifndef|elif|else)\b|"
    r"\belse\s+if\b|\b(?:if|else|switch|while|for|case)\b|"
    r"\b\w*for_each\w*(?=\s*\()|\?|&&|\|\|")
KCONFIG_CONDITIONAL = re.compile(r"\bif\b")
KCONFIG_STATEMENT = re.compile(r"^\s*(?:if|bool|tristate|prompt|default|select|"
                               r"imply|depends|visible|def_bool|def_tristate)\b")
MAKE_CONDITIONAL = re.compile(r"^\s*(?:ifdef|ifndef|ifeq|ifneq|else)\b")


def conditionals(path, line):
    """The number of conditionals on one added line."""
    name = os.path.basename(path)
    if name.startswith("Kconfig"):
        if not KCONFIG_STATEMENT.match(line):
            return 0
        return len(KCONFIG_CONDITIONAL.findall(COMMENTS_AND_STRINGS.sub(" ", line)))
    if name in ("Makefile", "Kbuild"):
        return len(MAKE_CONDITIONAL.findall(line))
    if not path.endswith((".c", ".h", ".S")) or COMMENT_LINE.match(line):
        return 0
    return len(C_CONDITIONAL.findall(COMMENTS_AND_STRINGS.sub(" ", line)))


class Footprint:
    """The counts for one patched file."""

    def __init__(self, path, patch):
        self.path = path
        self.added = self.removed = self.hunks = self.conditionals = 0
        for line in patch.splitlines():
            if line.startswith("@@"):
                self.hunks += 1
            elif line.startswith("+") and not line.startswith("+++ "):
                self.added += 1
                self.conditionals += conditionals(path, line[1:])
            elif line.startswith("-") and not line.startswith("--- "):
                self.removed += 1


def subsystem(path):
    """The folder that a new file, by its path here, is counted under."""
    parts = path.split("/")[:-1]
    if parts[0] == "kunit":
        return "kunit"
    depth = 4 if parts[0] == "tools" else 3 if parts[0] == "drivers" else 2
    return "/".join(parts[:depth])


def print_patched(patched):
    """The table of upstream files."""
    width = max([len(entry.path) for entry in patched] + [len("upstream file")])
    row = f"{{:<{width}}} {{:>6}} {{:>8}} {{:>6}} {{:>13}}".format
    print(row("upstream file", "added", "removed", "hunks", "conditionals"))
    for entry in patched:
        print(row(entry.path, entry.added, entry.removed, entry.hunks,
                  entry.conditionals))
    print(row("total", sum(entry.added for entry in patched),
              sum(entry.removed for entry in patched),
              sum(entry.hunks for entry in patched),
              sum(entry.conditionals for entry in patched)))


def print_new(new):
    """The table of our own files."""
    width = max([len(name) for name in new] + [len("new files in")])
    row = f"{{:<{width}}} {{:>6}} {{:>8}}".format
    print(row("new files in", "files", "lines"))
    for name, (files, lines) in sorted(new.items()):
        print(row(name, files, lines))
    print(row("total", sum(files for files, _ in new.values()),
              sum(lines for _, lines in new.values())))


def main():
    """Print both tables."""
    patched, new = [], {}
    for path, entry in sorted(Repo(REPO).entries().items()):
        text = entry.data.decode("utf-8", "replace")
        if path.endswith(".patch"):
            patched.append(Footprint(path.removesuffix(".patch"), text))
        else:
            folder = subsystem(repo_path(path))
            files, lines = new.get(folder, (0, 0))
            new[folder] = (files + 1, lines + text.count("\n"))
    print_new(new)
    print()
    print_patched(patched)


if __name__ == "__main__":
    main()

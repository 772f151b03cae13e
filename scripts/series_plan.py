# SPDX-License-Identifier: GPL-2.0
"""Which change of the overlay belongs to which patch of the series.

series/plan lists the patches in their order and, indented below each, what it takes:

    kernel/irq/chip.c                   a file: whatever it changes there
    kernel/irq/liveupdate*              a pattern, in which * matches any text
    drivers/pci/probe.c    mps|rcb      those changes in which a line matches;
                                        of a new file only if this is its path

A change that a line with an expression matches belongs to that patch. The other changes of a file
belong to the patch with the longest pattern, so that additions to a folder find their patch. A
change that no line takes is an error, and so is one that two patches take.

A change is a run of lines that differ from the pristine file. A run that only adds is
taken apart where statements, declarations, functions, or Kconfig entries end, and by lines
in files that are lists. If the fix of a patch cannot be separated from a later hook in the same
lines, series/NAME.diff has the fix, relative to the pristine file with the fixes before it.
"""

import fnmatch
import os
import re
import subprocess
import tempfile

from overlay import OverlayError, apply_patch

# Files in which each line stands for itself.
LISTS = re.compile(r"(?:.*/)?(?:Makefile|MAINTAINERS|index\.rst)")
KCONFIG = re.compile(r"(?:.*/)?Kconfig[^/]*")


class Take:
    """One line of the plan: a pattern, and perhaps an expression."""

    def __init__(self, patch, line):
        pattern, *expression = line.split(None, 1)
        self.patch = patch
        self.pattern = pattern
        self.expression = re.compile(expression[0]) if expression else None
        self.used = False

    def covers(self, path):
        return fnmatch.fnmatchcase(path, self.pattern)

    def matches(self, change):
        return any(self.expression.search(line) for line in change.lines())


class Patch:
    """A patch of the series: its message, and what it takes."""

    def __init__(self, folder, name, part, number):
        self.name = name
        self.part = part
        self.number = number
        self.takes = []
        try:
            with open(os.path.join(folder, name + ".txt"), encoding="utf-8") as file:
                self.message = file.read().strip() + "\n"
        except FileNotFoundError:
            raise OverlayError(f"series/{name}.txt: patch without a message") from None
        self.fixes = {}
        diff = os.path.join(folder, name + ".diff")
        if os.path.exists(diff):
            with open(diff, "rb") as file:
                self.fixes = split_diff(file.read())


class Change:
    """Lines of a file that are removed, and those that replace them."""

    def __init__(self, start, old, new):
        self.start = start
        self.old = old
        self.new = new
        self.patch = None

    def lines(self):
        return [line.decode("utf-8", "replace").rstrip("\n")
                for line in self.old + self.new]


def split_diff(data):
    """A diff of several files by path."""
    found = {}
    for part in re.split(rb"^(?=--- a/)", data, flags=re.M)[1:]:
        found[part.split(b"\n", 1)[0][len(b"--- a/"):].decode()] = part
    return found


def read_plan(folder):
    """The patches of series/plan."""
    patches, part = [], None
    with open(os.path.join(folder, "plan"), encoding="utf-8") as file:
        for line in file.read().splitlines():
            if line.startswith("## "):
                part = line[3:]
            elif line.startswith("#") or not line.strip():
                continue
            elif line[0].isspace():
                patches[-1].takes.append(Take(patches[-1], line.strip()))
            else:
                patches.append(Patch(folder, line, part, len(patches)))
    return patches


def ends_item(path, line):
    """Whether what was added up to this line can stand alone."""
    text = line.decode("utf-8", "replace").rstrip()
    if LISTS.fullmatch(path):
        return True
    if not path.endswith((".c", ".h")):
        return False
    return (text.endswith(";") or text == "}" or text.startswith(("#include", "#define"))
            or bool(re.match(r"\t\w[^(]*,$", text)))


def split_added(path, lines):
    """Take apart a run of lines that are only added."""
    items, depth = [[]], 0
    for number, line in enumerate(lines):
        blank = not line.strip()
        kconfig = KCONFIG.fullmatch(path) and re.match(rb"(config|source|#) ?", line)
        if kconfig and items[-1] and not items[-1][-1].startswith(b"#"):
            items.append([])
        items[-1].append(line)
        depth += line.count(b"{") - line.count(b"}")
        # A block in a conditional of the preprocessor stays whole, too.
        depth += bool(re.match(rb"#\s*if", line)) - bool(re.match(rb"#\s*endif", line))
        after = lines[number + 1] if number + 1 < len(lines) else b"x"
        if depth == 0 and after.strip() and (blank and len(items[-1]) > 1
                                             and ends_item(path, items[-1][-2])
                                             or not blank and ends_item(path, line)):
            items.append([])
    return [item for item in items if item]


def changes_of(path, old, new):
    """What differs between two states of a file, in the smallest parts."""
    with tempfile.TemporaryDirectory() as folder:
        names = [os.path.join(folder, name) for name in ("old", "new")]
        for name, data in zip(names, (old, new)):
            with open(name, "wb") as file:
                file.write(data)
        diff = subprocess.run(["git", "diff", "--no-index", "--no-color", "--text", "-U0",
                               "--diff-algorithm=myers", "--no-indent-heuristic", *names],
                              stdout=subprocess.PIPE, check=False).stdout
    found = []
    old_lines, new_lines = (data.splitlines(keepends=True) for data in (old, new))
    for match in re.finditer(rb"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@", diff, re.M):
        at, gone, to, came = (1 if number is None else int(number)
                              for number in match.groups())
        # An empty side names the line before.
        at, to = at - (gone > 0), to - (came > 0)
        removed, added = old_lines[at:at + gone], new_lines[to:to + came]
        if removed:
            found.append(Change(at, removed, added))
        else:
            found.extend(Change(at, [], item) for item in split_added(path, added))
    return found


def compose(old, changes):
    """The file with these changes made."""
    lines, result, at = old.splitlines(keepends=True), [], 0
    for change in changes:
        result += lines[at:change.start] + change.new
        at = change.start + len(change.old)
    return b"".join(result + lines[at:])


class File:
    """A file that the overlay changes, in all states of the series."""

    # The mode of the pristine file.
    executable = None

    def __init__(self, path, pristine, final, patches):
        self.path = path
        self.pristine = pristine
        self.fixes = [patch for patch in patches if path in patch.fixes]
        self.base = self.fixed(len(patches))
        self.changes = changes_of(path, self.base, final)

    def fixed(self, number):
        """The pristine file with the fixes up to the patch of this number."""
        data = self.pristine
        for patch in self.fixes:
            if patch.number <= number:
                data = apply_patch(self.path, data, patch.fixes[self.path])
        return data

    def assign(self, patches):
        """Give each change its patch; returns what is wrong."""
        wrong = []
        for change in self.changes:
            where = f"{self.path}: line {change.start + 1}: {change.lines()[0].strip()!r}"
            owner, why = self.owner(patches, change)
            if not owner:
                wrong.append(f"{where}: {why}")
            elif self.fixes and owner.number <= self.fixes[-1].number:
                wrong.append(f"{where}: goes into {owner.name}, but "
                             f"series/{self.fixes[-1].name}.diff is laid after it")
            change.patch = owner
        return wrong

    def takes(self, patches):
        """The lines of the plan that may take changes of this file."""
        return [take for patch in patches for take in patch.takes
                if take.covers(self.path)]

    def owner(self, patches, change):
        """The patch that takes a change, and what is wrong when it is none."""
        takes = self.takes(patches)
        exact = [take for take in takes if take.expression and take.matches(change)]
        if not exact:
            whole = [take for take in takes if not take.expression]
            longest = max((len(take.pattern) for take in whole), default=0)
            exact = [take for take in whole if len(take.pattern) == longest]
        for take in exact:
            take.used = True
        owners = {take.patch for take in exact}
        if len(owners) == 1:
            return owners.pop(), None
        return None, ("taken by " + " and ".join(sorted(patch.name for patch in owners))
                      if owners else "no patch takes it, see series/plan")

    def after(self, number):
        """The file as it is once the patch of this number is applied."""
        if self.fixes and number < self.fixes[-1].number:
            return self.fixed(number)
        return compose(self.base, [change for change in self.changes
                                   if change.patch.number <= number])


class NewFile(File):
    """A file that the overlay adds, as a whole unless a line with its exact path takes parts of
    it."""

    def __init__(self, path, entry, patches):
        super().__init__(path, b"", entry.data, [])
        self.executable = entry.executable
        if not any(take.expression and take.pattern == path
                   for patch in patches for take in patch.takes):
            self.changes = [Change(0, [], entry.data.splitlines(keepends=True))]

    def takes(self, patches):
        return [take for take in super().takes(patches)
                if not take.expression or take.pattern == self.path]

    def after(self, number):
        """The file after a patch, without the blank line before what comes later."""
        data = super().after(number)
        return data[:-1] if data.endswith(b"\n\n") else data


class Plan:
    """The series: for each patch the files that it writes."""

    def __init__(self, folder, entries, pristine):
        """pristine(path) is the content of an upstream file, or None."""
        self.patches = read_plan(folder)
        self.files, self.wrong = [], []
        for path, entry in sorted(entries.items()):
            if path.endswith(".patch"):
                path = path.removesuffix(".patch")
                old = pristine(path)
                self.files.append(File(path, old, apply_patch(path, old, entry.data),
                                       self.patches))
            else:
                self.files.append(NewFile(path, entry, self.patches))
            self.wrong += self.files[-1].assign(self.patches)
        self.wrong += [f"series/plan: {take.patch.name}: nothing to take: {take.pattern}"
                       for patch in self.patches for take in patch.takes if not take.used]

    def written(self, patch):
        """(path, content, executable) of each file that a patch writes."""
        for file in self.files:
            new = file.after(patch.number)
            if new and new != file.after(patch.number - 1):
                yield file.path, new, file.executable

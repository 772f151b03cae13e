#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Show that a kernel build is alive: how many files of how many are compiled.

    make ... | progress.py NAME TOTAL

Reads what kbuild prints without -s. Draws a bar on a terminal, otherwise prints a line every 20
seconds. TOTAL is 0 if it is not known.
"""

import os
import re
import select
import shutil
import sys
import time

COMPILED = re.compile(r"  (?:CC|AS)(?: \[M\])? ")
EVERY = 20


class Progress:
    """A counter on the terminal, or in a log."""

    def __init__(self, name, total):
        self.name = name
        self.total = total
        self.compiled = 0
        self.tty = sys.stderr.isatty()
        self.start = self.shown = time.monotonic()

    def text(self):
        """The count in words."""
        of_total = f" of {max(self.total, self.compiled)}" if self.total else ""
        seconds = int(time.monotonic() - self.start)
        return f"  KERNEL   {self.name}: {self.compiled}{of_total} files compiled, {seconds} s"

    def drawn(self):
        """The count, with a bar behind it when there is room."""
        text = self.text()
        room = shutil.get_terminal_size().columns - len(text) - 4
        if not self.total or room < 10:
            return text
        done = min(self.compiled, self.total) * room // self.total
        return f"{text} [{'#' * done}{'.' * (room - done)}]"

    def show(self):
        """Draw the bar again, or print a line when it is time for one."""
        if self.tty:
            print(f"\r{self.drawn()}", end="", file=sys.stderr, flush=True)
        elif time.monotonic() - self.shown >= EVERY:
            self.shown = time.monotonic()
            print(self.text(), file=sys.stderr, flush=True)

    def end(self):
        """The last state, if anything was compiled."""
        if self.tty:
            print("\r\033[K", end="", file=sys.stderr)
        if self.compiled:
            print(self.text(), file=sys.stderr, flush=True)


def lines(progress):
    """The lines of stdin. Meanwhile the progress is shown, at least once a second."""
    rest = b""
    while True:
        progress.show()
        if not select.select([0], [], [], 1)[0]:
            continue
        data = os.read(0, 65536)
        if not data:
            return
        *whole, rest = (rest + data).split(b"\n")
        yield from (line.decode(errors="replace") for line in whole)


def main():
    """Count until the build ends."""
    progress = Progress(sys.argv[1], int(sys.argv[2]))
    for line in lines(progress):
        progress.compiled += bool(COMPILED.match(line))
    progress.end()


if __name__ == "__main__":
    main()

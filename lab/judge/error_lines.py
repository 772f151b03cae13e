# SPDX-License-Identifier: GPL-2.0-only
"""Lines of a console that our own code prints at level err, or worse.

A serial console does not show the level of a line. The sources do: a line is an error if it
fits the format of one of our error messages better than any other message of ours.
"""

import functools
import glob
import os
import re

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
OURS = ("arch", "drivers", "include", "kernel")

PREFIX = re.compile(r"^#define pr_fmt\(fmt\) (?:KBUILD_MODNAME )?((?:\"[^\"]*\" )*)fmt$",
                    re.MULTILINE)
CALL = re.compile(r"\b(pr|dev|pci)_(emerg|alert|crit|err|warn|notice|info)(?:_\w+)?\("
                  r"([^;\"]*)((?:\"(?:[^\"\\]|\\.)*\"\s*)+)")
STRING = re.compile(r"\"((?:[^\"\\]|\\.)*)\"")
CONVERSION = re.compile(r"%p[a-zA-Z]*|%[-#0 ]*[\d.*]*(?:hh|h|ll|l|z)?[a-zA-Z]")
ERRORS = ("emerg", "alert", "crit", "err")
LITERAL = 8    # minimum of characters of a format; one with fewer would fit anything

PRINTK = re.compile(r"^\[ *\d+\.\d+\](?:\[ *[TC]\d+\])? ")


def _text(strings):
    return "".join(STRING.findall(strings)).replace("\\n", "")


def _pattern(text):
    """(regular expression, number of literal characters) of a format."""
    literal = CONVERSION.split(text)
    return re.compile(".*".join(map(re.escape, literal)) + "$"), sum(map(len, literal))


def formats(source):
    """(regular expression, literal characters, whether it is an error) of each message of a
    file."""
    prefix = PREFIX.search(source)
    found = []
    for kind, level, _, strings in CALL.findall(source):
        before = _text(prefix[1]) if prefix and kind == "pr" else ""
        found.append((*_pattern(before + _text(strings)), level in ERRORS))
    return [one for one in found if one[1] >= LITERAL]


def _ours(name):
    """The text of a file of ours, or what a patch adds to one."""
    with open(name) as f:
        if not name.endswith(".patch"):
            return f.read()
        return "".join(line[1:] for line in f if line.startswith("+"))


@functools.cache
def our_formats():
    names = (os.path.join(SOURCE, directory, "**", pattern)
             for directory in OURS for pattern in ("*.[ch]", "*.[ch].patch"))
    return [one for name in names for path in glob.glob(name, recursive=True)
            for one in formats(_ours(path))]


def is_error(line, known):
    """Whether the message that the line fits best is an error."""
    best = max(((literal, error) for pattern, literal, error in known if pattern.search(line)),
               default=(0, False))
    return best[1]


def error_lines(console, known=None):
    """The error lines of a console, without their time stamps."""
    lines = [PRINTK.sub("", line) for line in console.splitlines() if PRINTK.match(line)]
    return [line for line in lines if is_error(line, known or our_formats())]

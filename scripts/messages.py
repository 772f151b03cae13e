#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Compare what our code can write to the log with what the administrator's guide explains.

Prints messages without an entry, and entries that nothing writes. Fails if there are any.
"""

import os
import re
import sys

from overlay import REPO, Repo

PAGE = os.path.join("Documentation", "admin-guide", "irq-liveupdate-messages.rst")
SOURCE = re.compile(r"(?!kunit/|tools/|versions/|lab/)(?!.*_test)(?!.*kunit).*\.c(\.patch)?$")

COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
PREPROCESSOR = re.compile(r"^#(?:[^\n\\]|\\\n|\\.)*", re.M)
LITERAL = r'"(?:[^"\\\n]|\\.)*"'
LITERALS = re.compile(rf"{LITERAL}(?:\s*{LITERAL})*")
PR_FMT = re.compile(rf"#define pr_fmt\(fmt\)\s*({LITERAL})\s*fmt")
SPECIFIER = re.compile(r"%[-+ #0]*[\d*]*(?:\.[\d*]+)?(?:hh|h|ll|l|z)?[a-zA-Z]+?(?:[EeIi4]|fn)?"
                       r"(?![a-zA-Z])")
CALL = re.compile(r"\b(\w+)\s*\($")

LOG = re.compile(r"(pr|dev|pci)_(emerg|alert|crit|err|warn|notice|info)(_once|_ratelimited)?$")
# Functions that take a reason as an argument
REFUSAL = re.compile(r"\w*(refus|stop|give_up|fail)\w*$")
# Functions that write elsewhere than to the log
OTHER = re.compile(r"(seq_\w+|\w*printf|MODULE_\w+|request_module|\w*_getfile\w*|WARN\w*)$")

ENTRY = re.compile(r"^\s*(?:- )?``([^`]+)``$", re.M)


def normalize(text):
    """A format as in the page: variable parts are '...'."""
    text = SPECIFIER.sub("...", text)
    return re.sub(r"\.\.\.(?:[.:]\.\.\.)+", "...", text).removesuffix("\\n")


def added(patch):
    """The lines that a patch adds, without those it only moves."""
    removed = "\n".join(line[1:] for line in patch.splitlines() if line.startswith("-"))
    text = "\n".join(line[1:] for line in patch.splitlines()
                     if line.startswith("+") and not line.startswith("+++"))
    return LITERALS.sub(lambda match: "0" if match[0] in removed else match[0], text)


def enclosing_call(text, at):
    """The function that is called with what is at this position among its arguments, or ""."""
    depth, at = 0, at - 1
    while at >= 0 and text[at] not in ";{}":
        depth += {")": 1, "(": -1}.get(text[at], 0)
        if depth < 0:
            match = CALL.search(text[:at + 1])
            if match and match[1] not in ("if", "return", "while"):
                return match[1]
            depth = 0
        at -= 1
    return ""


def is_phrase(text):
    """Whether it is meant for people: words with spaces between them."""
    return re.search(r"[a-zA-Z]{2}", text) and " " in text and not text.endswith(" ")


def messages(path, source):
    """(lines, reasons) of a source, normalized."""
    patch = path.endswith(".patch")
    if patch:
        source = added(source)
    prefix = PR_FMT.search(source)
    prefix = prefix[1][1:-1] if prefix else ""
    text = PREPROCESSOR.sub("", COMMENT.sub("", source))
    lines, reasons = set(), set()
    for match in LITERALS.finditer(text):
        literal = normalize("".join(part[1:-1] for part in re.findall(LITERAL, match[0])))
        call = enclosing_call(text, match.start())
        if LOG.match(call):
            lines.add((prefix if call.startswith("pr_") else "") + literal)
        elif REFUSAL.match(call) and re.search(r"[a-zA-Z]{2}", literal):
            reasons.add(literal)
        elif not patch and not OTHER.match(call) and is_phrase(literal):
            reasons.add(literal)
    return lines, reasons


def all_messages(entries):
    """The messages of all sources of the overlay."""
    found = set()
    for path, entry in entries.items():
        if SOURCE.match(path):
            found.update(*messages(path, entry.data.decode("utf-8", "replace")))
    return found


def faults(found, page):
    """What is wrong with the page, one line each."""
    entries = ENTRY.findall(page)
    return ([f"{PAGE}: no entry: {text}" for text in sorted(found - set(entries))] +
            [f"{PAGE}: nothing writes: {text}" for text in sorted(set(entries) - found)] +
            [f"{PAGE}: twice: {text}" for text in sorted(set(entries))
             if entries.count(text) > 1])


def main():
    """Check the repository."""
    with open(os.path.join(REPO, PAGE), encoding="utf-8") as f:
        found = faults(all_messages(Repo(REPO).entries()), f.read())
    for fault in found:
        print(fault, file=sys.stderr)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())

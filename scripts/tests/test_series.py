# SPDX-License-Identifier: GPL-2.0
"""Each change of the overlay belongs to one patch, and the patches result in the overlay."""

import os
import subprocess

import pytest
import series_plan
from overlay import Entry, OverlayError

import series

OLD = b"int a;\nint b;\nint c;\n"
NEW = b"int a;\n#include <x.h>\nint fix;\nint b;\nint hook(void)\n{\n\treturn 1;\n}\n\nint c;\n"
HOOK = "int hook(void)\n{\n\treturn 1;\n}\n"


def patch_of(path, old, new):
    changes = series_plan.changes_of(path, old, new)
    lines = [f"--- a/{path}\n+++ b/{path}\n"]
    shift = 0
    for change in changes:
        lines.append(f"@@ -{change.start},0 +{change.start + 1 + shift},{len(change.new)} @@\n")
        lines += [f"+{line.decode()}" for line in change.new]
        shift += len(change.new)
    return "".join(lines).encode()


def make(folder, plan, diffs=(), old=OLD, new=NEW, more=()):
    """A plan over one file that is changed, and new files."""
    (folder / "plan").write_text(plan, encoding="utf-8")
    for line in plan.splitlines():
        if line and not line[0].isspace():
            (folder / (line + ".txt")).write_text(line + "\n\nBody\n", encoding="utf-8")
    for name, diff in diffs:
        (folder / (name + ".diff")).write_bytes(diff)
    entries = {"lib/a.c.patch": Entry(patch_of("lib/a.c", old, new), False)}
    entries.update((path, Entry(data, False)) for path, data in more)
    return series_plan.Plan(str(folder), entries, lambda path: old)


def states(plan):
    return [{path: data for path, data, _ in plan.written(patch)} for patch in plan.patches]


def test_an_added_run_is_taken_apart():
    changes = series_plan.changes_of("lib/a.c", OLD, NEW)
    assert ["".join(line.decode() for line in change.new) for change in changes] == [
        "#include <x.h>\n", "int fix;\n", HOOK + "\n"]


@pytest.mark.parametrize("path, lines", [
    ("lib/Makefile", b"obj-y += a.o\nobj-y += b.o\n"),
    ("lib/Kconfig", b"config A\n\tbool\n\nconfig B\n\tbool\n\n"),
    ("lib/a.h", b"int a(int b,\n\tint c);\nint d(void);\n"),
], ids=["list", "kconfig", "header"])
def test_two_things_are_two_changes(path, lines):
    assert len(series_plan.changes_of(path, b"", lines)) == 2


def test_expression_takes_before_the_pattern(tmp_path):
    plan = make(tmp_path, "fix\n\tlib/*.c\tfix\nrest\n\tlib/*\n")
    assert plan.wrong == []
    first, last = states(plan)
    assert first["lib/a.c"] == b"int a;\nint fix;\nint b;\nint c;\n"
    assert last["lib/a.c"] == NEW


def test_change_that_no_patch_takes_is_named(tmp_path):
    plan = make(tmp_path, "fix\n\tlib/a.c\tfix\n")
    assert [wrong.split(": ")[:3] for wrong in plan.wrong] == [
        ["lib/a.c", "line 2", "'#include <x.h>'"], ["lib/a.c", "line 3", "'int hook(void)'"]]
    assert all("no patch takes it" in wrong for wrong in plan.wrong)


def test_new_file_that_no_patch_takes_is_named(tmp_path):
    plan = make(tmp_path, "rest\n\tlib/a.c\n", more=[("mm/new.c", b"x\n")])
    assert len(plan.wrong) == 1 and plan.wrong[0].startswith("mm/new.c")


def test_change_that_two_patches_take_is_named(tmp_path):
    plan = make(tmp_path, "one\n\tlib/a.c\tfix\ntwo\n\tlib/*\tint fix\nrest\n\tlib/*\n")
    assert ["taken by one and two" in wrong for wrong in plan.wrong] == [True]


def test_line_that_takes_nothing_is_named(tmp_path):
    plan = make(tmp_path, "rest\n\tlib/*\n\tmm/gone.c\n")
    assert plan.wrong == ["series/plan: rest: nothing to take: mm/gone.c"]


def test_longest_pattern_takes_a_new_file(tmp_path):
    plan = make(tmp_path, "one\n\tlib/a.c\n\tmm/*\ntwo\n\tmm/*_test.c\n",
                more=[("mm/x.c", b"x\n"), ("mm/x_test.c", b"fix\n")])
    assert plan.wrong == []
    assert ["mm/x_test.c" in state for state in states(plan)] == [False, True]


def test_first_part_of_a_new_file_has_no_blank_line_at_its_end(tmp_path):
    plan = make(tmp_path, "one\n\tlib/*\n\ntwo\n\tlib/Kconfig.new\tconfig B\n",
                more=[("lib/Kconfig.new", b"config A\n\tbool\n\nconfig B\n\tbool\n")])
    assert plan.wrong == []
    assert [state["lib/Kconfig.new"] for state in states(plan)] == [
        b"config A\n\tbool\n", b"config A\n\tbool\n\nconfig B\n\tbool\n"]


def test_fix_in_the_lines_of_a_hook_has_a_diff(tmp_path):
    fix = b"--- a/lib/a.c\n+++ b/lib/a.c\n@@ -1,2 +1,3 @@\n int a;\n+int fixed;\n int b;\n"
    plan = make(tmp_path, "fix\nrest\n\tlib/*\n", diffs=[("fix", fix)])
    assert plan.wrong == []
    first, last = states(plan)
    assert first["lib/a.c"] == b"int a;\nint fixed;\nint b;\nint c;\n"
    assert last["lib/a.c"] == NEW


def test_fixes_of_one_file_are_laid_in_their_order(tmp_path):
    one = b"--- a/lib/a.c\n+++ b/lib/a.c\n@@ -1,2 +1,3 @@\n int a;\n+int fixed;\n int b;\n"
    two = one.replace(b"1,2 +1,3", b"1,3 +1,4").replace(b"+int fixed;", b" int fixed;\n+int too;")
    plan = make(tmp_path, "one\ntwo\nrest\n\tlib/*\n", diffs=[("one", one), ("two", two)])
    assert plan.wrong == []
    assert [state["lib/a.c"] for state in states(plan)] == [
        b"int a;\nint fixed;\nint b;\nint c;\n",
        b"int a;\nint fixed;\nint too;\nint b;\nint c;\n", NEW]


def test_nothing_goes_before_the_diff(tmp_path):
    fix = b"--- a/lib/a.c\n+++ b/lib/a.c\n@@ -1,2 +1,3 @@\n int a;\n+int fixed;\n int b;\n"
    plan = make(tmp_path, "early\n\tlib/a.c\thook\nfix\nrest\n\tlib/*\n", diffs=[("fix", fix)])
    assert ["is laid after it" in wrong for wrong in plan.wrong] == [True]


def test_patch_without_a_message_is_refused(tmp_path):
    (tmp_path / "plan").write_text("one\n", encoding="utf-8")
    with pytest.raises(OverlayError):
        series_plan.read_plan(str(tmp_path))


def test_the_repository_has_one_message_for_each_patch():
    folder = os.path.join(os.path.dirname(__file__), "..", "..", "series")
    names = {patch.name for patch in series_plan.read_plan(folder)}
    files = {name.rsplit(".", 1)[0] for name in os.listdir(folder) if "." in name}
    assert files == names | {"cover", "README", "objections"}


@pytest.mark.parametrize("patch, quoted", (
    ('Flush all.\n\nFixes: 12 ("Flush upto last")\n---\n', True),
    ('Flush upto all.\n\nFixes: 12 ("Flush upto last")\n---\n', False),
    ('Flush all.\n---\n+/* upto */\n', False)))
def test_typo_in_the_subject_of_another_commit_is_its_own(patch, quoted):
    line = "0015-x.patch: :9: WARNING:TYPO_SPELLING: 'upto' may be misspelled - perhaps 'up to'?"
    assert series.is_quoted(line, patch) == quoted
    assert not series.is_quoted("0015-x.patch: :9: WARNING:LONG_LINE: 'upto'", patch)


def test_person_has_to_stand_in_the_section_of_the_series():
    other = "INTERSIL DRIVER\nM:\tA Person <a@b.c>\n"
    section = "INTERRUPT LIVE UPDATE\n{}L:\tlist@b.c\nF:\tkernel/irq/\n\n"
    assert not series.says_who_maintains(section.format("") + other)
    assert series.says_who_maintains(section.format("M:\tA Person <a@b.c>\n") + other)


def git(folder, *args):
    subprocess.run(["git", "-C", folder, *args], check=True)


def series_of(folder, message):
    """A repository with a pristine file, a series of one patch, and the overlay."""
    git(folder, "init", "-q", "-b", "pristine")
    for key in ("name", "email"):
        git(folder, "config", f"user.{key}", "x@example.org")
    (folder / "lib").mkdir()
    for branch, content, text in (("pristine", OLD, "vanilla"), ("series", NEW, message),
                                  ("overlay", NEW, "overlay")):
        git(folder, "checkout", "-q", "-B", branch, *(["pristine"] * (branch == "overlay")))
        (folder / "lib/a.c").write_bytes(content)
        git(folder, "add", "lib")
        git(folder, "commit", "-q", "-m", text)
    git(folder, "format-patch", "-q", "--signoff", "-o", "out", "pristine..series")
    return [str(path) for path in (folder / "out").iterdir()]


@pytest.mark.parametrize("message, whole", [
    ("a: Fix it\n\nBody\n", True), ("a: Fix it\n\nBody\n---\nThe end\n", False)])
def test_message_is_what_git_am_takes(tmp_path, monkeypatch, message, whole):
    (tmp_path / "plan.d").mkdir()
    plan = make(tmp_path / "plan.d", "fix\n\tlib/a.c\n")
    (tmp_path / "git").mkdir()
    monkeypatch.setattr(series, "GIT_DIR", str(tmp_path / "git"))
    patches = series_of(tmp_path / "git", message)
    if whole:
        series.apply_all(patches, plan, "pristine")
    else:
        with pytest.raises(OverlayError, match="whole message of fix"):
            series.apply_all(patches, plan, "pristine")

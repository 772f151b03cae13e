# SPDX-License-Identifier: GPL-2.0-only
"""What "make coverage" accepts."""

import os
import re
import types

from cost import coverage
import pytest

FILES = ["kernel/irq/liveupdate.c", "kernel/irq/liveupdate_in.c"]


def row(name, lines, run):
    return {"filename": name, "line_total": str(lines), "line_covered": str(run),
            "branch_total": "0", "branch_covered": "0"}


@pytest.mark.parametrize("rows, enough", (
    ([row(FILES[0], 100, 91), row(FILES[1], 100, 89)], True),
    ([row(FILES[0], 100, 91), row(FILES[1], 100, 88)], False),
    ([row(FILES[0], 100, 100)], False),
    ([row(FILES[0], 0, 0), row(FILES[1], 0, 0)], False),
    ([], False)),
    ids=("enough", "too_few_lines", "file_not_counted", "no_lines", "nothing"))
def test_report(rows, enough):
    assert coverage._report(rows, FILES) == enough


def test_file_that_is_not_counted_is_named(capsys):
    coverage._report([row(FILES[0], 100, 100)], FILES)
    assert f"not counted: {FILES[1]}\n" in capsys.readouterr().out


def test_path_of_the_clone_is_no_expression(tmp_path, monkeypatch):
    def gcovr(command, **_):
        pattern = command[command.index("--filter") + 1]
        assert re.match(pattern, os.path.join(build.directory, "linux", FILES[0]))
        (tmp_path / "coverage.csv").write_text("filename\n", encoding="utf-8")

    build = types.SimpleNamespace(directory="/home/c++ (old)/build", own_files=lambda: FILES,
                                  results=lambda: str(tmp_path))
    monkeypatch.setattr(coverage.subprocess, "run", gcovr)
    assert not coverage._gcovr(build)

# SPDX-License-Identifier: GPL-2.0
"""How the steps of "make test" are counted."""

import os
import subprocess

import ktap

TEST = os.path.join(os.path.dirname(__file__), "..", "test.py")
TWO_CASES = "printf 'KTAP version 1\\n1..2\\nok 1 a\\nok 2 b # SKIP no reason\\n'"


def run(tmp_path, *steps):
    """The last lines of the output, and the exit status."""
    (tmp_path / "linux").symlink_to(os.path.join(ktap.build(), "linux"))
    done = subprocess.run([TEST, *steps], env={**os.environ, "BUILD": str(tmp_path)},
                          stdout=subprocess.PIPE, text=True, check=False)
    return done.stdout.splitlines(), done.returncode


def test_step_without_ktap_is_one_case(tmp_path):
    lines, status = run(tmp_path, "one", "true", "two", TWO_CASES)
    assert (lines[-1], status) == ("2 passed, 0 failed, 1 skipped", 0)


def test_failure_names_its_step_and_log(tmp_path):
    lines, status = run(tmp_path, "one", "true", "two", "exit 3")
    assert (lines[-1], status) == ("1 passed, 1 failed", 1)
    assert lines[-2].startswith("FAILED two: two exit status 3") and "two.log" in lines[-2]


def test_step_that_fails_without_a_failed_case_fails(tmp_path):
    lines, status = run(tmp_path, "two", f"{TWO_CASES}; exit 1")
    assert (lines[-1], status) == ("1 passed, 1 failed, 1 skipped", 1)


def test_time_of_each_step_is_printed(tmp_path):
    lines, _ = run(tmp_path, "one", "true", "two", "true")
    assert [line.split() for line in lines[-3:-1]] == [["0:00", "one"], ["0:00", "two"]]


def test_nothing_that_passes_is_a_failure(tmp_path):
    only_a_skip = "printf 'KTAP version 1\\n1..1\\nok 1 b # SKIP no reason\\n'"
    lines, status = run(tmp_path, "one", only_a_skip)
    assert (lines[-1], status) == ("0 passed, 0 failed, 1 skipped", 1)


def test_step_beside_the_next_one_is_quiet_and_over_before_the_one_after(tmp_path):
    made, waited = tmp_path / "made", tmp_path / "waited"
    wait = f"while ! [ -e {made} ]; do sleep 0.1; done; echo unseen; touch {waited}"
    lines, status = run(tmp_path, "beside&", wait, "next", f"touch {made}",
                        "after", f"[ -e {waited} ]")
    assert (lines[-1], status) == ("3 passed, 0 failed", 0)
    assert [line.split()[1] for line in lines[-4:-1]] == ["next", "beside", "after"]
    assert "unseen" not in lines


def test_step_beside_the_last_one_counts(tmp_path):
    lines, status = run(tmp_path, "one", "true", "beside&", "exit 3")
    assert (lines[-1], status) == ("1 passed, 1 failed", 1)


def test_ktap_without_a_case_is_a_failure(tmp_path):
    lines, status = run(tmp_path, "one", "true", "two", "printf 'KTAP version 1\\n1..0\\n'")
    assert (lines[-1], status) == ("1 passed, 1 failed", 1)
    assert lines[-2].startswith("FAILED two: two KTAP without a case")

# SPDX-License-Identifier: GPL-2.0-only
"""Runs that go wrong end, and only they fail; all attempts are judged."""

import os
import subprocess
import sys
from unittest import mock

import pytest

import running
from course import crash
from course import run
from course import update
from course.result import SIGN_OFF, Result
from judge.checks import Check
from machine import builds
from machine import vmm
from scenarios import scenario
from scenarios.scenario import Scenario

import lab

CLEAN = Check("clean", True)
WRONG = Check("wrong", False)
MISSED = Check("race", False, race=True)
HIT = Check("race", True, race=True)


def attempts(*outcomes):
    """How many attempts are made, and the checks of the last."""
    made = [(mock.Mock(), list(checks)) for checks in outcomes]
    with mock.patch.object(running, "execute_once", side_effect=made):
        result, checks = running.execute(None, None)
    return result.attempts, checks


def test_race_which_is_hit():
    assert attempts([CLEAN, HIT]) == (1, [CLEAN, HIT])


def test_race_is_tried_again():
    assert attempts([CLEAN, MISSED], [CLEAN, MISSED], [CLEAN, HIT]) == (3, [CLEAN, HIT])


def test_failure_is_not_tried_again():
    assert attempts([WRONG, MISSED], [CLEAN, HIT]) == (1, [WRONG, MISSED])
    assert attempts([CLEAN, MISSED], [WRONG, HIT], [CLEAN, HIT]) == (2, [WRONG, HIT])


def test_race_is_not_tried_for_ever():
    number, checks = attempts(*[[CLEAN, MISSED]] * 20)
    assert (number, checks) == (running.ATTEMPTS, [CLEAN, MISSED])


def test_result_which_no_judge_understands_fails_the_run():
    result = Result(Scenario("name", "title"), [], windows=["no window"], bound={"table": 0},
                    log="/dev/null")
    assert [check.ok for check in running.judged(result)] == [False]
    assert "Error" in result.error


def machineless(kind=update.Update, **changes):
    machine = mock.MagicMock()
    for text in (machine.console, machine.console_tail, machine.autopsy, machine.stderr):
        text.return_value = ""
    return kind(Scenario(name="name", title="", **changes), machine, mock.MagicMock())


@pytest.mark.parametrize("name", ("across.from-debug", "across.to-debug", "handover"))
def test_machine_has_the_memory_that_the_debug_kernel_needs(name):
    one = update.Update(scenario.load(name), mock.MagicMock(), mock.MagicMock())
    debug = "debug" in name
    assert one.scenario.memory == ("2G" if debug else "1G")
    assert all(("kho_scratch=" in one._parameters(leg)) == debug for leg in (0, 1))


@pytest.mark.parametrize("name, started", (("handover", False), ("vm", True), ("vm-systemd", True),
                                           ("vm-cancelled", True)))
def test_kvm_is_started_for_a_virtual_machine_only(name, started):
    one = update.Update(scenario.load(name), mock.MagicMock(), mock.MagicMock())
    assert all(("svm_init" in one._parameters(leg)) != started for leg in (0, 1))


@pytest.mark.parametrize("answer", (b"{\n", b"{}\n", b'{"counts": [1, 2\n'))
def test_answer_which_is_none(answer):
    guest = vmm.Guest.__new__(vmm.Guest)
    with mock.patch.object(guest, "_read_line", lambda timeout: answer, create=True):
        with pytest.raises(vmm.NotUnderstood):
            guest.reply(1)


@pytest.mark.parametrize("answer", ({"ok": True}, {"ok": True, "counts": None}))
def test_answer_without_what_it_should_have_fails_the_run(answer):
    one = machineless()
    one.machine.guest.command.return_value = answer
    with mock.patch.object(one, "_course", one._settled_counts):
        assert "Error" in one.execute().error


def test_run_ends_when_the_console_has_its_last_line():
    one = machineless()
    one.machine.guest.command.return_value = {"ok": True}
    consoles = ["", "[ 3.9] something else\n", f"[ 3.9] something else\n[ 4.0] {SIGN_OFF}\n"]
    one.machine.console.side_effect = [*consoles, consoles[-1]]
    with mock.patch.object(one, "_course"):
        assert one.execute().console == consoles[-1]
    one.machine.guest.shell.assert_called_with(f"echo '<6>{SIGN_OFF}' > /dev/kmsg", mock.ANY)


def test_run_ends_without_its_last_line():
    one = machineless()
    with mock.patch.object(one, "_course"), mock.patch.dict(run.TIMEOUT, console=0.1):
        result = one.execute()
    assert (result.error, result.console) == ("", "")


def test_guest_which_does_a_lot():
    for what, usual in run.TIMEOUT.items():
        assert machineless()._timeout(what) == usual
        assert machineless(patience=3)._timeout(what) == 3 * usual


def test_counts_which_never_settle():
    one = machineless()
    counts = iter(range(10 ** 9))
    with mock.patch.object(run, "SETTLE_TIMEOUT", 0.1):
        with pytest.raises(run.RunFailed):
            one._until_settled(lambda: next(counts), 0.01)


def test_counts_which_settle():
    counts = iter((1, 2, 3, 3, 4))
    assert machineless()._until_settled(lambda: next(counts), 0) == 3


HELLO = {"ok": True, "role": "next", "release": "7.3.4-lab", "cpus": 1}


def test_cpus_are_those_of_the_guest():
    one = machineless(cpus=(3, 4))
    one.build.release.return_value = HELLO["release"]
    one.machine.guest.reply.return_value = HELLO
    one._wait_for_vmm("next")
    assert one.result.online == 1


def test_kernel_is_the_one_of_the_scenario():
    one = machineless(kernels=("7.2:lab", "lab"), proof=("", "true"))
    one.build.release.side_effect = {"7.2:lab": "7.2.12-lab", "lab": HELLO["release"]}.get
    one.machine.guest.reply.return_value = HELLO
    one._wait_for_vmm("next")
    one.machine.guest.shell.assert_called_once_with("true", mock.ANY)
    one.machine.guest.reply.return_value = HELLO | {"role": "old"}
    with pytest.raises(run.RunFailed, match="7.3.4-lab, not 7.2.12-lab"):
        one._wait_for_vmm("old")


def test_command_is_refused_with_the_expected_error_only():
    one = machineless()
    one.machine.guest.try_command.return_value = {"ok": False, "errno": 2, "error": "No such file"}
    assert not one._allowed("session", 2, 5)
    with pytest.raises(run.RunFailed, match="No such file"):
        one._allowed("retrieve", 19)


@pytest.mark.parametrize("option, variable, wanted", (
    (["--build", "/a"], "/b", "/a"), ([], "/b", "/b"), ([], None, os.path.abspath("build"))))
def test_build_directory_is_that_of_all_parts(option, variable, wanted):
    program = "import lab, os, sys; from report import ktap; " \
        "lab.builds.Build = lambda path: print(path, ktap.build(), os.environ['BUILD']) " \
        "or sys.exit(); lab.main()"
    rest = {name: value for name, value in os.environ.items() if name != "BUILD"}
    done = subprocess.run([sys.executable, "-c", program, "run", "handover", *option],
                          env=rest | {"PYTHONPATH": builds.LAB}
                          | ({"BUILD": variable} if variable else {}),
                          stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout.split() == [wanted] * 3


def test_crash_kernel_may_do_live_updates_and_finds_no_session():
    one = machineless(crash.Crash, crashes="next_ready")
    one._load_crash_kernel()
    line = one.machine.guest.shell.call_args[0][0]
    assert "kexec -s -p" in line and "kho=on liveupdate=on" in line

    one.machine.guest.reply.return_value = {"role": "crash"}
    one.machine.guest.try_command.return_value = {"ok": True}
    with mock.patch.object(one, "_ring_in_blackout"), \
            pytest.raises(run.RunFailed, match="there is a session"):
        one._after_crash()


def test_repeated_runs_do_not_share_their_results():
    chosen = Scenario(name="a", title=""), Scenario(name="b", title="")
    assert [one.name for one in lab._repeated(chosen, 2)] == ["a-1", "b-1", "a-2", "b-2"]
    assert lab._repeated(chosen, 1) == chosen

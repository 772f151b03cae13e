# SPDX-License-Identifier: GPL-2.0
"""kunit-run.py: what it demands of a run, and comparing the suites of two kernels."""

import argparse
import contextlib
import importlib.util
import os

import ktap
import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
SPEC = importlib.util.spec_from_file_location("kunit_run",
                                              os.path.join(HERE, "..", "kunit-run.py"))
kunit_run = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(kunit_run)


def results(**statuses):
    return [ktap.Result(name.replace("__", "."), status) for name, status in statuses.items()]


OURS = results(irq__a=ktap.PASS, irq__b=ktap.SKIP)


def test_names_of_failed():
    assert kunit_run.names_of_failed([*OURS, *results(irq__c=ktap.FAIL, luo__a=ktap.FAIL)]) == \
        ["irq.c", "luo.a"]


def test_machine_and_clocks_are_those_of_the_lab():
    args = argparse.Namespace(flavour="lab", build_dir="there", glob="*", append=[])
    command = kunit_run.command(args)
    assert "--build_dir=there" in command
    assert f"-cpu {kunit_run.CPU_MODEL} " in next(
        word for word in command if word.startswith("--qemu_args="))
    wanted = kunit_run.kernels.CLOCKS.split()
    assert wanted and {f"--kernel_args={word}" for word in wanted} <= set(command)


def test_same():
    assert not kunit_run.differences(OURS, OURS)


def test_other_suites_do_not_count():
    assert not kunit_run.differences(OURS, [*OURS, *results(luo__a=ktap.PASS)])


@pytest.mark.parametrize("others, wrong", (
    (results(irq__a=ktap.PASS, irq__b=ktap.PASS), "irq.b"),
    (results(irq__a=ktap.PASS), "irq.b"),
    (results(irq__a=ktap.PASS, irq__b=ktap.SKIP, irq__c=ktap.PASS), "irq.c")))
def test_different(others, wrong):
    assert kunit_run.differences(OURS, others) == [wrong]


def test_log_of_a_step(tmp_path, monkeypatch):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "kunit.log").write_text(
        "KTAP version 1\n1..1\n    KTAP version 1\n    # Subtest: irq\n    1..1\n"
        "    ok 1 a\nok 1 irq\n", encoding="utf-8")
    monkeypatch.setenv("BUILD", str(tmp_path))
    assert kunit_run.compare(results(irq__a=ktap.PASS), "kunit").status == ktap.PASS
    assert kunit_run.compare(results(irq__a=ktap.FAIL), "kunit").status == ktap.FAIL


@pytest.mark.parametrize("sid, status", (("ff55", ktap.PASS), ("0300", ktap.FAIL)))
def test_only_the_time_out_of_the_fake_device_is_accepted(sid, status):
    console = f"DMAR: VT-d detected Invalidation Time-out Error: SID {sid}\n"
    assert kunit_run.judge([], console, [])[1].status == status


def test_kernel_is_that_of_the_flavour_or_of_a_given_directory(tmp_path, monkeypatch):
    used = []
    monkeypatch.setenv("BUILD", "/build")
    monkeypatch.setattr(kunit_run, "run", lambda args: used.append(args.build_dir) or ([], 1))
    for arguments in ([], ["--flavour", "nolu"], ["--build-dir", str(tmp_path)]):
        monkeypatch.setattr(kunit_run.sys, "argv", ["kunit-run.py", *arguments])
        with contextlib.suppress(FileNotFoundError):
            kunit_run.main()
    assert used == ["/build/kernel/lab", "/build/kernel/nolu", str(tmp_path)]


SUITE = "KTAP version 1\n1..1\n    KTAP version 1\n    # Subtest: irq_liveupdate\n    1..1\n" \
    "    ok 1 a\nok 1 irq_liveupdate\n"
RESTART = "[    9.936275] reboot: Restarting system\n"


def outcome_of(tmp_path, monkeypatch, console, status):
    """The exit status of kunit-run.py, with a stand-in for kunit.py."""
    (tmp_path / "kernel/lab").mkdir(parents=True)
    (tmp_path / "kernel/lab/test.log").write_text(console, encoding="utf-8")
    monkeypatch.setenv("BUILD", str(tmp_path))
    monkeypatch.setattr(kunit_run, "command",
                        lambda args: ["sh", "-c", f'printf %s "{console}"; exit {status}'])
    monkeypatch.setattr(kunit_run.sys, "argv", ["kunit-run.py"])
    return kunit_run.main()


@pytest.mark.parametrize("console, status, outcome", (
    (SUITE + RESTART, 0, 0), (SUITE + RESTART, 1, 1), (SUITE, 0, 1), (RESTART, 0, 1)),
    ids=("all_well", "kunit_py_fails", "kernel_hangs_after_the_last_suite", "nothing_runs"))
def test_run(tmp_path, monkeypatch, console, status, outcome):
    assert outcome_of(tmp_path, monkeypatch, console, status) == outcome


@pytest.mark.parametrize("wanted, status", (
    ([], ktap.PASS), (["irq*"], ktap.PASS), (["irq", "luo"], ktap.PASS), (["ir"], ktap.FAIL),
    (["irq", "luo", "vfio"], ktap.FAIL), (["pci"], ktap.FAIL)))
def test_each_wanted_suite_has_to_run_a_case(wanted, status):
    ran = [*OURS, *results(luo__a=ktap.PASS, pci__a=ktap.SKIP)]
    assert kunit_run.judge(ran, "", wanted)[0].status == status


def test_run_without_a_case_that_is_not_skipped_fails():
    assert kunit_run.judge(results(pci__a=ktap.SKIP), "", [])[0].status == ktap.FAIL

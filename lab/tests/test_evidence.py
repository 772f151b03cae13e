# SPDX-License-Identifier: GPL-2.0-only
"""A rule does not hold without evidence: what is missing from a log is not a pass."""

import os
import re
from dataclasses import replace

import pytest

from course.result import SIGN_OFF, Result, Vector, Window
from judge import judgement
from judge import live_device
from judge import rules
from judge import verdict
from judge.verdict import Verdict
from machine import qemulog
from scenarios.scenario import Scenario

from tests import logs
from tests.test_rules import observe

LINE = "1@100.000000:vtd_ir_enable enable 1"


def good_log():
    with open(os.path.join(os.path.dirname(__file__), "handover.log")) as f:
        return f.read().splitlines()


def test_empty_log_holds_nothing():
    held = {name for name, one in rules.judge(observe([])).items() if not one.failure()}
    assert held == {"one-type", "base"}
    assert {rules.judge(observe([]))[name].word() for name in held} == {"not judged"}


def test_empty_log_holds_nothing_of_a_live_device():
    seen = replace(observe([]), sriov=0x128)
    assert {one.word() for one in live_device.judge(seen).values()} == {"not seen"}


# What the log must show before the jump, for each rule
NEEDED = {
    "remapping": ("vtd_reg_write_gcmd",),
    "table": ("irta_write",),
    "enable": ("msix_write_config",),
    "bus-master": ("pci_cfg_write pcie-root-port", "pci_cfg_write ivshmem-doorbell 01:00.0 @0x4 "),
    "message": ("addr 0xfe60101", "msix-table"),
    "stray": ("vtd_ir_remap_msi ",),
    "faults": ("vtd_ir_remap_msi_req",),
}


@pytest.mark.parametrize("rule,text", [(rule, text) for rule, texts in NEEDED.items()
                                       for text in texts])
def test_rule_needs_its_evidence(rule, text):
    lines = [line for line in good_log() if text not in line]
    assert rules.judge(observe(lines))[rule].failure()
    assert not rules.judge(observe(good_log()))[rule].failure()


def test_source_id_is_not_judged_when_nothing_was_armed_again():
    lines = [line for line in good_log() if not line.startswith("1@107")]
    assert rules.judge(observe(lines, rearm=None))["source-id"].word() == "not judged"
    assert rules.judge(observe(lines))["source-id"].word() == "not seen"


def test_each_update_of_a_chain_needs_evidence():
    assert verdict.merge([Verdict([], 2), Verdict([], 0)]).blind()
    assert verdict.merge([Verdict([], 2), Verdict([], 1)]).word() == "held"
    assert verdict.merge([Verdict(["wrong"], 2), Verdict([], 1)]).broken()
    assert verdict.merge([]).blind()


def test_rule_of_a_chain_applies_to_all_updates_or_to_none():
    without = Verdict(not_judged="the device is used with MSI-X alone")
    assert verdict.merge([without, without]).word() == "not judged"
    assert verdict.merge([without, Verdict([], 2)]).blind()
    assert verdict.merge([Verdict([], 2), without]).blind()
    assert verdict.merge([without, Verdict(["wrong"], 2)]).broken()


def blind(lines, stderr="", answered=0):
    return judgement.blind(qemulog.of_lines(map(logs.stamped, lines)), stderr, answered)


def test_event_which_qemu_does_not_know():
    assert blind([LINE], "qemu-system-x86_64: warning: trace event 'vtd_x' does not exist")
    assert not blind([LINE], "qemu-system-x86_64: warning: nic e1000e.0 has no peer")


def test_log_is_empty():
    assert blind([]) == ["the log is empty"]


def test_log_ends_before_the_last_answer():
    assert blind([LINE], answered=100.5)
    assert not blind([LINE], answered=99.9)


def test_lines_of_no_interest_count_as_well():
    lines = [LINE, "1@101.000000:memory_region_ops_write cpu 0 mr 0x1 addr 0x2f8 value 0x6f size 1 "
                   "name 'serial'"]
    assert not blind(lines, answered=100.5)


@pytest.mark.parametrize("line", ("1@100.0000", "vtd_ir_enable enable 1", "1@100.000000"))
def test_damaged_line(line):
    assert blind([LINE, line]) == [f"not a line of the log: {line}"]


def test_registers_are_no_damage():
    assert not blind([LINE, "CPU Reset (CPU 0)", "EAX=00000000 EBX=00000000", "ES =0000 00000000",
                      "YMM00=0000", "DR6=0000"])


BOOT = "[    0.000000] Linux version 7.3.4-lab (lab@lab)\n[    1.234567] Run /init\n"
BOOT_WITH_CALLER = "[    0.000000][    T0] Linux version 7.3.4-debug (lab@lab)\n"
END = f"[    4.567890] {SIGN_OFF}\n"
UPDATE = Window(100, 106, 110)


def look_over(text, windows, crashes=""):
    seen = Result(Scenario("name", "title", crashes=crashes), [], windows=windows, console=text)
    judgement.look_over(seen, qemulog.of_lines([logs.stamped(LINE)]))
    return seen


@pytest.mark.parametrize("windows, crashes, boots", (
    ([], "", 1), ([UPDATE], "", 2), ([UPDATE] * 5, "", 6),
    ([], "old_preserved", 2), ([UPDATE], "next_ready", 3), ([UPDATE], "machine_shutdown", 2)))
def test_console_lacks_a_kernel(windows, crashes, boots):
    def console_is_blind(text):
        return look_over(text, windows, crashes).blind

    assert console_is_blind("") == [f"the console has 0 of {boots} kernels"]
    found = console_is_blind(BOOT * (boots - 1) + END)
    assert found == [f"the console has {boots - 1} of {boots} kernels"]
    assert not console_is_blind(BOOT * (boots - 1) + BOOT_WITH_CALLER + END)


@pytest.mark.parametrize("last", (
    "[    0.000000] Linux version 7.3.4-lab (lab@lab)\n", BOOT, BOOT + END[:-5], BOOT + END + BOOT))
def test_console_ends_before_the_run(last):
    found = look_over(BOOT + last, [UPDATE]).blind
    assert found == ["the console ends before the run: the last kernel has not signed off"]


def test_end_of_a_run_is_nothing_else():
    seen = look_over(BOOT + BOOT + END, [UPDATE])
    assert (seen.blind, seen.complaints, seen.said) == ([], [], [])


def test_table_of_a_chain_is_known_from_the_update_before():
    log = good_log()
    table = next(line for line in log if "irta_write" in line)
    rest = [line for line in log if "irta_write" not in line]
    first, later = [table, *rest], [re.sub(r"@1(\d\d)\.", r"@2\1.", line) for line in rest]
    vector = Vector(0, old={"address": 0xfee00238, "data": 0, "irte": 17})
    seen = Result(Scenario("chain", "title", vectors=1), [vector], bound={"table": 0xfe601000},
                  windows=[Window(102, 106, 110), Window(202, 206, 210)])
    judgement._judge_chain(seen, qemulog.of_lines(map(logs.stamped, first + later)))
    assert seen.judged["table"].word() == "held"


FREEZE = "[    3.1] irq_liveupdate: freeze begins with 0000:01:00.0"


def judged(tmp_path, lines, printed, **changes):
    """The rules of an update that begins at 102 s, and whose FREEZE is on the console at some
    time."""
    serial = [f"1@{printed:.6f}:memory_region_ops_write cpu 0 mr 0x1 addr 0x3f8 "
              f"value 0x{ord(char):x} size 1 name 'serial'" for char in FREEZE]
    lines = sorted(good_log() + lines + serial, key=lambda line: float(line[2:line.index(":")]))
    path = tmp_path / "qemu.log"
    path.write_text("".join(logs.stamped(line) + "\n" for line in lines))
    vectors = [Vector(n, old={"address": address, "data": 0, "irte": irte})
               for n, (address, irte) in enumerate(((0xfee00238, 17), (0xfee00258, 18)))]
    seen = Result(Scenario("update", "title", vectors=2, **changes), vectors, log=str(path),
                  bound={"table": 0xfe601000}, windows=[Window(102, 106, 110)])
    judgement._judge_update(seen, qemulog.read(path))
    return {name for name, one in seen.judged.items() if one.broken()}


# What a kernel may do to the device before the console has the line with which FREEZE begins
EARLY = {
    "bus-master": "pci_cfg_write ivshmem-doorbell 01:00.0 @0x4 <- 0x103",
    "enable": "msix_write_config dev ivshmem-doorbell enabled 0 masked 1",
    "config": "pci_cfg_write pcie-root-port 00:04.0 @0x3e <- 0x42",
    "message": "memory_region_ops_write cpu 1 mr 0x5500 addr 0xfe601010 value 0x0 size 4 "
               "name 'msix-table'",
}


@pytest.mark.parametrize("rule", EARLY)
def test_late_line_of_the_freeze_hides_nothing(tmp_path, rule):
    early = [f"1@102.500000:{EARLY[rule]}"]
    assert judged(tmp_path, [], 102.7) == set()
    assert judged(tmp_path, early, 102.7) == {rule}
    assert judged(tmp_path, early, 102.4) == {rule}


def test_owner_that_changes_vectors_may_do_so_until_freeze(tmp_path):
    early = [f"1@102.500000:{EARLY['message']}", "1@102.600000:memory_region_ops_write cpu 1 "
             "mr 0x5500 addr 0xfe601010 value 0xfee00258 size 4 name 'msix-table'"]
    assert judged(tmp_path, early, 102.7, watch_late_changes=True) == set()
    assert judged(tmp_path, early, 102.4, watch_late_changes=True) == {"message"}

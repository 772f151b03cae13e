# SPDX-License-Identifier: GPL-2.0-only
"""Completes a Result with what the logs of the run say about the rules."""

from bisect import bisect

from course.result import SIGN_OFF
from course.result import Window
from judge import console
from judge import drift
from judge import error_lines
from judge import linux_guest
from judge import live_device
from judge import ring_accounts
from judge import rules
from judge import timeline
from judge import translation
from judge import verdict
from judge import virtual_machine
from machine import qemu
from machine import qemulog
from machine.devices import DEVICES, used
from machine.iommu import IOMMUS
from scenarios.scenario import HOOKS

FROZEN = timeline.ENDS["freeze"]


def _observe(result, window, events):
    scenario, bound = result.scenario, result.bound
    known = [v.old for v in result.vectors if v.old]
    return rules.Observation(
        events=events, start=window.start, rearm=window.rearm, end=window.end,
        model=used(scenario.device), device=qemu.handed_over(scenario)[5:],
        physical=qemu.DEVICE[5:] if DEVICES[scenario.device].virtual else "",
        bridges=[qemu.ROOT_PORT[5:]],
        table=bound.get("table", 0), msi=bound.get("msi", {}),
        numbers=[v.number for v in result.vectors if v.old],
        messages=[(old["address"], old["data"]) for old in known],
        irtes=[old["irte"] for old in known], iommu=IOMMUS[scenario.iommu],
        translated=translation.applies_to(scenario),
        sriov=DEVICES[scenario.device].virtual_functions)


def _can_account(result):
    """Accounts go by the messages, so these have to be the same in both kernels."""
    device = DEVICES[result.scenario.device]
    return (result.trace and (device.numbers or not device.ring)
            and not any(ring_accounts.changed(v) for v in result.vectors))


def _start(result, window):
    """When the device must be left alone. An owner that changes its vectors during the jump may do
    so until FREEZE. Only for it this is the time of a message: a kernel prints from a thread, and
    may meanwhile have shut devices down."""
    if not result.scenario.watch_late_changes:
        return window.start
    return qemulog.console_time(result.log, FROZEN, window.start) or window.start


def _judge_update(result, log):
    window = result.windows[0]
    start = _start(result, window)
    seen = _observe(result, Window(start, window.rearm, window.end), log.events)
    result.judged = rules.judge(seen)
    result.late_calls = rules.late_calls(seen)
    if _can_account(result):
        result.accounts = ring_accounts.accounts(
            seen, result.scenario.x2apic(), result.rings, result.vectors, result.trace)


def _judge_storm(result, log):
    _judge_update(result, log)
    if result.accounts:
        result.judged |= ring_accounts.judge(result.accounts)
        result.judged["foreign"] = ring_accounts.foreign(result.never, result.quiet)


def _judge_chain(result, log, judge_one=rules.judge):
    """Judge each update of the first device by itself, with the events since the one before, and
    with the table that the device has had since then."""
    times = [event.time for event in log.events]
    found, since, table = {}, 0, []
    for window in result.windows:
        events = table + log.events[bisect(times, since):bisect(times, window.end)]
        since = window.start
        table = [e for e in events if e.name == "irta_write" and e.time < since][-1:]
        for name, one in judge_one(_observe(result, window, events)).items():
            found.setdefault(name, []).append(one)
    result.judged = {name: verdict.merge(each) for name, each in found.items()}
    result.judged["drift"] = drift.judge(result.chain)


def _judge_programs(result, log):
    """Little is known of the vectors of a device that a program of the guest drives."""
    seen = _observe(result, result.windows[0], log.events)
    if not result.scenario.watch_device:
        result.judged = translation.judge(seen)
        return
    result.judged = live_device.judge(seen)
    if result.scenario.iops:
        result.flight = live_device.flight(seen)
    report = result.guest or result.linux
    if report:
        result.timeline = timeline.of(report, result.log, seen)


def _judge_guest_chain(result, log):
    """Judge what is done to the device in all updates; the programs report what the guest has
    seen."""
    result.judged["drift"] = drift.judge(result.chain)
    if not result.scenario.watch_device:
        return
    whole = Window(result.windows[0].start, end=result.windows[-1].end)
    result.judged |= live_device.judge_chain(_observe(result, whole, log.events))


def _judge_program_chain(result, log):
    """The device was reset when it was set up, and never during the updates."""
    _judge_chain(result, log, live_device.judge_rules)
    whole = Window(result.windows[0].start, None, result.windows[-1].end)
    seen = _observe(result, whole, log.events)
    result.judged["reset"] = live_device.not_reset(seen)
    result.judged["virtual-functions"] = live_device.virtual_functions_stay(seen)


JUDGES = {"update": _judge_update, "crash": _judge_update, "storm": _judge_storm,
          "chain": _judge_chain, "program-chain": _judge_program_chain,
          "programs": _judge_programs, "guest-chain": _judge_guest_chain}


def blind(log, stderr, answered):
    """Why a log cannot serve as evidence: QEMU does not know an event and has only warned, lines
    are damaged, or the log ends before the guest's last answer, which it should contain."""
    found = [line for line in stderr.splitlines() if not qemu.HARMLESS.search(line)]
    found += [f"not a line of the log: {line}" for line in log.broken]
    if not log.until:
        found.append("the log is empty")
    elif log.until < answered:
        found.append(f"the log ends {answered - log.until:.3f} s before the guest's last answer")
    return found


def _boots(result):
    """How many kernels have booted: the old one, the next one of each live update, and the one
    after a crash. A machine that crashes on its way to the jump boots no next one."""
    return 1 + len(result.windows) + (result.scenario.crashes in HOOKS)


def blind_console(text, boots):
    """Why a console cannot serve as evidence: it lacks the beginning of a kernel that has booted,
    or the end of the last one, so that nothing, or not all of what the kernels have printed, is
    there."""
    begun = list(console.BOOTED.finditer(text))
    if len(begun) < boots:
        return [f"the console has {len(begun)} of {boots} kernels"]
    if SIGN_OFF not in text[begun[-1].end():]:
        return ["the console ends before the run: the last kernel has not signed off"]
    return []


def tolerated(scenario):
    """Patterns of complaints that the scenario expects."""
    return [*scenario.tolerates, *IOMMUS[scenario.iommu].dma_fault_lines(scenario.dma_faults)]


def look_over(result, log):
    """Complete the result with what counts in any run, whatever it is about."""
    scenario = result.scenario
    result.complaints = console.complaints(result.console, scenario.warns, tolerated(scenario),
                                           bool(scenario.crashes))
    result.said = error_lines.error_lines(result.console)
    result.blind = (blind(log, result.stderr, result.answered)
                    + blind_console(result.console, _boots(result)))


def judge(result):
    scenario = result.scenario
    log = qemulog.read(result.log)
    look_over(result, log)
    result.guest = virtual_machine.of(result.extras)
    result.linux = linux_guest.of(result.extras)
    if result.windows and (result.bound or scenario.old_runs):
        JUDGES[scenario.course_kind()](result, log)
    if result.guest:
        result.judged |= virtual_machine.judge(result.guest, bool(result.windows))
    if result.linux:
        result.judged |= linux_guest.judge(result.linux)

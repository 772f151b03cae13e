# SPDX-License-Identifier: GPL-2.0-only
"""Judges the report of the guest of a virtual machine, which the VMM prints at the end: see
lab/guest/vm/report.h.

Nobody tells the guest of a live update. By the end it has been told to submit no more, and has had
time, so whatever is outstanding then will never complete.
"""

import json

from judge.verdict import Verdict

LINE = "# guest: "

UPDATE_INTERRUPTS = 1      # interrupts that each update itself gives to each vector
STOPPED = 1                # the step of the pause after which no CPU runs


def of(extras):
    """The last report in what the programs of a run have printed, or None."""
    lines = [line for extra in extras for line in extra.get("output", "").splitlines()
             if line.startswith(LINE)]
    return json.loads(lines[-1][len(LINE):]) if lines else None


def _numbered_io(report):
    """The I/O queues with their numbers, without the admin queue"""
    return list(enumerate(report["queues"]))[1:]


def data(report):
    """Each page that was written is read back unchanged."""
    wrong = [f"queue {n}: {queue['wrong']} completions or pages are wrong"
             for n, queue in _numbered_io(report) if queue["wrong"]]
    return Verdict(wrong, verified(report))


def lost(report):
    """Nothing is outstanding at the end."""
    wrong = [f"queue {n}: {queue['outstanding']} I/Os hang"
             for n, queue in _numbered_io(report) if queue["outstanding"]]
    return Verdict(wrong, min(queue["interrupts"] for queue in report["queues"]))


def spurious(report):
    """A completion causes one interrupt at most, and so does each update for each vector."""
    allowed = UPDATE_INTERRUPTS * report["updates"]
    wrong = [f"vector {n}: {queue['interrupts']} interrupts, {queue['completed']} completions"
             for n, queue in enumerate(report["queues"])
             if queue["interrupts"] > queue["completed"] + allowed]
    return Verdict(wrong, min(queue["completed"] for queue in report["queues"]))


def registers(report):
    """At each tick the registers have the values that the guest has given them."""
    wrong = [f"CPU {n}: other values at {cpu['altered']} ticks"
             for n, cpu in enumerate(report["cpus"]) if cpu["altered"]]
    return Verdict(wrong, min(cpu["ticks"] for cpu in report["cpus"]))


def _is_of(gap, pause):
    """Whether the gap lasts from where all CPUs are stopped to the last step of the pause."""
    return gap[0] <= pause[STOPPED][1] and pause[-1][1] <= gap[1]


def _wrong_gaps(cpu, pause):
    back = [f"its clock went back from {gap[0]} to {gap[1]}" for gap in cpu["gaps"]
            if gap[1] < gap[0]]
    none = [] if any(_is_of(gap, pause) for gap in cpu["gaps"]) else ["does not know the pause"]
    return back or none


def clock(report):
    """The clock does not go back, and continues during the pause."""
    if "pause" not in report:
        return Verdict(["it knows of no pause"])
    wrong = [f"CPU {n}: {what}" for n, cpu in enumerate(report["cpus"])
             for what in _wrong_gaps(cpu, report["pause"])]
    return Verdict(wrong, min(cpu["ticks"] for cpu in report["cpus"]))


RULES = {"guest-data": data, "guest-lost": lost, "guest-spurious": spurious,
         "guest-registers": registers, "guest-clock": clock}


def judge(report, updated):
    """updated: whether the host was updated meanwhile"""
    found = {name: rule(report) for name, rule in RULES.items()}
    if not updated:
        found["guest-clock"] = Verdict(not_judged="there was no update")
    return found


def verified(report):
    """Pages"""
    return sum(queue["verified"] for _, queue in _numbered_io(report))


def longest_gap_ms(report):
    """The longest time during which the guest has not run."""
    gaps = [gap[1] - gap[0] for cpu in report["cpus"] for gap in cpu["gaps"]]
    return max(gaps, default=0) / report["tsc_khz"]


def hanging(report):
    """I/Os outstanding at the end"""
    return sum(queue["outstanding"] for _, queue in _numbered_io(report))


def steps_ms(report):
    """(step, how long it took) of the pause."""
    pause = report.get("pause", [])
    return [(name, (end - begin) / report["tsc_khz"])
            for (_, begin), (name, end) in zip(pause, pause[1:])]


def in_flight(report):
    """I/Os in flight when the guest was paused"""
    return sum(queue["paused"]["outstanding"] for _, queue in _numbered_io(report)
               if "paused" in queue)


def moved_when_prepared(report):
    """How often each vector was moved between the end of preserving and the pause"""
    return {n: queue["paused"]["moved"] for n, queue in _numbered_io(report)
            if queue.get("paused", {}).get("moved")}

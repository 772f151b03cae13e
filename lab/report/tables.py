# SPDX-License-Identifier: GPL-2.0-only
"""Results for people (a table) and for programs (JSON, KTAP)."""

import json
from dataclasses import asdict

from judge import linux_guest
from judge import names
from judge import ring_accounts
from judge import timeline
from judge import virtual_machine

HEADINGS = ("vec", "irq", "message", "IRTE", "CPU", "before", "blackout", "latched",
            "delivered", "adopted", "synthetic", "after", "lost", "")


def _message(identity):
    return f"{identity['address']:08x}:{identity['data']:04x}"


def _was_is(old, new):
    return f"{old}" if old == new else f"{old} -> {new}"


def _row(vector, rings):
    number = vector.number
    old, new = vector.old, vector.new
    if not old or not new:
        return (str(number),) + ("-",) * (len(HEADINGS) - 2) + ("did not arrive",)
    change = ring_accounts.changed(vector)
    return (str(number), _was_is(old["irq"], new["irq"]),
            _was_is(_message(old), _message(new)), _was_is(old["irte"], new["irte"]),
            _was_is(old["cpu"], new["cpu"]), f"{vector.before}/{rings}", str(vector.rung),
            str(vector.latched), str(vector.delivered), f"{vector.adopted}/{rings}",
            str(vector.synthetic), f"{vector.after}/{rings}", str(int(vector.lost())),
            "changed" if change else "same")


def table(rows):
    """Lines in which the cells of all rows are aligned."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths)).rstrip()
            for row in rows]


def vectors_table(result):
    rows = [HEADINGS] + [_row(v, result.scenario.rings) for v in result.vectors]
    return table(rows)


def accounts_table(result):
    columns = ("number", *ring_accounts.COLUMNS)
    rows = [tuple(str(getattr(a, name)) for name in columns) for a in result.accounts]
    return table([columns, *rows])


def repeats(result):
    """What the lab had to do again to ring, in lines."""
    lines = [f"vector {vector}: {count} rings repeated, as the device had lost their numbers"
             for vector, count in enumerate(result.repeats) if count]
    if result.waits:
        lines.append(f"{result.waits} times the device did not take the number of a ring")
    return lines


def chain_table(result):
    rows = [("", "first", "last", "min", "max")]
    for name in result.chain[0]:
        values = [row[name] for row in result.chain]
        rows.append((name, *map(str, (values[0], values[-1], min(values), max(values)))))
    return table(rows)


def judges_table(*results):
    lines = []
    for name, rule in names.RULES.items():
        if not any(name in r.judged for r in results):
            continue
        words = [r.judged[name].word() if name in r.judged else "-" for r in results]
        lines.append(f"  {rule:<55}" + "".join(f"{word:>12}" for word in words))
    return lines


def failures(checks):
    return [f"  FAIL {check.name}: {check.detail}" for check in checks if not check.ok]


def flight(seen):
    """The I/O of a controller across the jump, in one line."""
    queues = ", ".join(f"{number} in queue {queue}" for queue, number in seen.queues.items())
    return f"in flight at the jump: {seen.total()} I/Os ({queues}); " \
           f"{seen.landed} were over before the vectors were armed"


def _steps(result):
    steps = ", ".join(f"{name} {ms:.1f}" for name, ms in result.timeline)
    return f" ({steps})" if steps else ""


def guest(result):
    """The guest of a virtual machine, in one line."""
    report = result.guest
    return f"guest: {virtual_machine.verified(report)} pages verified, " \
           f"{virtual_machine.in_flight(report)} I/Os in flight when it was paused, " \
           f"longest gap {virtual_machine.longest_gap_ms(report):.0f} ms" + _steps(result)


def linux(result):
    """A guest with Linux, in one line."""
    rounds = ", ".join(f"CPU {cpu} {n} times"
                       for cpu, n in linux_guest.rounds(result.linux).items())
    return f"guest: Linux, files verified after the pause: {rounds}" + _steps(result)


def _lost(result):
    lost = sum(v.lost() for v in result.vectors)
    moved = sum(bool(v.new) and bool(ring_accounts.changed(v)) for v in result.vectors)
    return f"{moved} of {len(result.vectors)} vectors changed identity, " \
           f"{lost} of {sum(v.rung > 0 for v in result.vectors)} interrupts of the blackout lost"


def _leg(title, result):
    return [f"{title}  ({result.seconds:.1f} s)", *vectors_table(result), ""]


LEGEND = """irq, message, IRTE, CPU: old kernel -> next kernel, one value if equal.
before, adopted, after: counted/rung before FREEZE, from adoption to FINISH, after FINISH.
blackout: rung while the old kernel was down and the next had not adopted; latched by the device;
delivered to the owner. synthetic: counted across FINISH with nothing rung. lost: no interrupt told
the owner of the ring in the blackout."""


def pause_column(steps):
    """The steps of a pause by name, with those that divide the boot after it"""
    inner = {name: ms for name, ms in steps if name in timeline.WITHIN_BOOT}
    column = {}
    for name, ms in steps:
        if name in inner:
            column.setdefault(f"pause: {timeline.BOOT}", sum(inner.values()))
            name = f"{timeline.BOOT}: {name}"
        column[f"pause: {name}"] = ms
    column = {name: f"{ms:.1f} ms" for name, ms in column.items()}
    ours = timeline.ours(steps)
    if ours:
        column["pause: " + ", ".join(timeline.OURS)] = f"{ours[1]:.1%}"
    return column


def _guest_column(result):
    """What became of a guest, by name"""
    report = result.guest
    if not report:
        return {}
    return {"pages written, read back and compared": virtual_machine.verified(report),
            "I/Os in flight when it was paused": virtual_machine.in_flight(report),
            "I/Os that never complete": virtual_machine.hanging(report),
            "longest gap of its clock": f"{virtual_machine.longest_gap_ms(report):.0f} ms"} \
        | pause_column(result.timeline)


def _two_columns(title, off, on):
    return f"  {title:<55}{off:>12}{on:>12}"


def demo_guest(cold, handover):
    """The upper part of the demonstration"""
    off, on = _guest_column(cold), _guest_column(handover)
    return "\n".join([
        "A guest and its NVMe controller across the update of their host", "",
        _two_columns("Handover of the controller", "OFF", "ON"),
        *(_two_columns(name, off.get(name, "-"), value) for name, value in on.items()),
        *judges_table(cold, handover), "", ""])


def demo(cold, handover, checks):
    """The demonstration's table; checks: of both runs."""
    scenario = handover.scenario
    vectors = "vector" if scenario.vectors == 1 else "vectors"
    ok = all(check.ok for check in checks)
    lines = [
        f"Interrupt live update: {scenario.vectors} MSI-X {vectors}, "
        f"{scenario.cpus[0]} CPUs -> {scenario.cpus[1]}, {scenario.iommu}, {scenario.mode}, "
        f"Linux {handover.release or cold.release}, seed {scenario.seed}", "",
        *_leg("Handover OFF", cold), *_leg("Handover ON", handover), LEGEND, "",
        f"  {'Seen from outside, from the old kernel-s shutdown on':<55}{'OFF':>12}{'ON':>12}"
        .replace("-s", "'s"),
        *judges_table(cold, handover), "",
        f"  Cold start: {_lost(cold)}.", f"  Handover:   {_lost(handover)}.",
        *failures(checks), "", f"  {'PASS' if ok else 'FAIL'}"]
    return "\n".join(lines)


def _outcome(result):
    """What became of the device, in a few words; if something goes wrong on purpose, what was
    reported."""
    scenario = result.scenario
    if scenario.breaks:
        return f"broken on purpose: {', '.join(scenario.breaks)}"
    if result.flight:
        return f"handed over, {result.flight.landed} of {result.flight.total()} I/Os in flight " \
            "complete"
    if scenario.expect == "handover":
        kept = sum(bool(v.new) and not ring_accounts.changed(v) for v in result.vectors)
        return f"handed over, {kept} of {len(result.vectors)} vectors"
    if result.said:
        return result.said[0]
    if scenario.expect == "guest-handed-over":
        return "handed over, with a guest"
    return "handed over" if scenario.expect == "programs" else "cold start"


def across(rows):
    """Lines of a table of old and next kernels.

    rows: (scenario, its two kernels, (result, whether it is right) or why there is none)
    """
    lines = [("scenario", "old kernel", "next kernel", "", "outcome")]
    for scenario, releases, outcome in rows:
        legs = [" ".join((release, append)).strip()
                for release, append in zip(releases, scenario.append)]
        if isinstance(outcome, str):
            word, what = "skip", f"needs {outcome}"
        else:
            result, ok = outcome
            word, what = "ok" if ok else "FAIL", _outcome(result)
        lines.append((scenario.name, *legs, word, what))
    widths = [max(map(len, column)) for column in zip(*lines)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip()
            for line in lines]


def _storm_sums(results):
    accounts = [one for result in results for one in result.accounts]
    return {"seeds": len(results)} | ring_accounts.totals(accounts)


def storm_line(result):
    scenario = result.scenario
    sums = ring_accounts.totals(result.accounts)
    return (f"seed {scenario.seed}: {scenario.mode}, {scenario.cpus[0]} -> {scenario.cpus[1]} "
            f"CPUs, {scenario.vectors} vectors, {result.seconds:.1f} s: "
            + ", ".join(f"{name} {value}" for name, value in sums.items()))


def storms_table(results):
    """Sums over the storms that have accounts, by mode, by CPUs and in total."""
    results = [result for result in results if result.accounts]
    groups = {}
    for result in results:
        scenario = result.scenario
        old, new = scenario.cpus
        for group in (scenario.mode, f"{old} -> {new} CPUs"):
            groups.setdefault(group, []).append(result)
    rows = [(group, *_storm_sums(groups[group]).values()) for group in sorted(groups)]
    rows.append(("all", *_storm_sums(results).values()))
    return table([("", *_storm_sums([])), *[tuple(map(str, row)) for row in rows]])


def as_data(result, checks):
    return {
        "scenario": asdict(result.scenario),
        "release": result.release,
        "seconds": round(result.seconds, 2),
        "cpu_seconds": round(result.cpu_seconds, 2),
        "vectors": [asdict(vector) for vector in result.vectors],
        "online": result.online,
        "attempts": result.attempts,
        "judges": {name: asdict(one) | {"verdict": one.word()}
                   for name, one in result.judged.items()},
        "chain": result.chain,
        "accounts": [asdict(one) for one in result.accounts],
        "repeats": list(result.repeats),
        "waits": result.waits,
        "console": result.complaints,
        "said": result.said,
        "blind": result.blind,
        "extras": result.extras,
        "flight": asdict(result.flight) if result.flight else None,
        "guest": result.guest,
        "linux": result.linux,
        "timeline": result.timeline,
        "timeline_ours": timeline.ours(result.timeline),
        "late_calls": result.late_calls,
        "error": result.error,
        "checks": [asdict(check) for check in checks],
        "ok": all(check.ok for check in checks),
    }


def write_json(path, data):
    with open(path, "w") as f:
        json.dump(data, f, indent=1)
        f.write("\n")

# SPDX-License-Identifier: GPL-2.0-only
"""Results for people (a table) and for programs (JSON, KTAP)."""

import json
from dataclasses import asdict

import expectation

RULES = {
    "remapping": "interrupt remapping never disabled",
    "table": "remapping table taken over in place",
    "enable": "MSI or MSI-X Enable never cleared",
    "one-type": "MSI and MSI-X never enabled together",
    "bus-master": "bus mastering never cleared, device and path",
    "message": "no MSI or MSI-X message word changed",
    "flush": "block: entries closed, cache invalidated, waited for",
    "blocked": "blocked entries stay closed until armed",
    "source-id": "no entry present with a wrong source-id",
    "stray": "no interrupt arrives while blocked",
    "faults": "no remapping fault",
}

HEADINGS = ("vec", "irq", "message", "IRTE", "CPU", "before", "blackout", "latched", "dropped",
            "delivered", "adopted", "synthetic", "after", "")


def _message(identity):
    return f"{identity['address']:08x}:{identity['data']:04x}"


def _was_is(old, new):
    return f"{old}" if old == new else f"{old} -> {new}"


def _row(vector, rings):
    number = vector.number
    old, new = vector.old, vector.new
    if not old or not new:
        return (str(number),) + ("-",) * (len(HEADINGS) - 2) + ("did not arrive",)
    change = expectation.changed(vector)
    return (str(number), _was_is(old["irq"], new["irq"]),
            _was_is(_message(old), _message(new)), _was_is(old["irte"], new["irte"]),
            _was_is(old["cpu"], new["cpu"]), f"{vector.before}/{rings}", str(vector.rung),
            str(vector.latched), str(vector.rung - min(vector.rung, vector.latched)),
            str(vector.delivered), f"{vector.adopted}/{rings}", str(vector.synthetic),
            f"{vector.after}/{rings}", "changed" if change else "same")


def _table(rows):
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths)).rstrip()
            for row in rows]


def vectors_table(result):
    rows = [HEADINGS] + [_row(v, result.scenario.rings) for v in result.vectors]
    return _table(rows)


def judges_table(*results):
    lines = []
    for name, rule in RULES.items():
        verdicts = ["-" if name not in r.judged else "broken" if r.judged[name] else "held"
                    for r in results]
        lines.append(f"  {rule:<55}" + "".join(f"{verdict:>10}" for verdict in verdicts))
    return lines


def failures(checks):
    return [f"  FAIL {check.name}: {check.detail}" for check in checks if not check.ok]


def _lost(result):
    dropped = sum(v.rung > 0 and v.delivered == 0 for v in result.vectors)
    moved = sum(bool(v.new) and bool(expectation.changed(v)) for v in result.vectors)
    return f"{moved} of {len(result.vectors)} vectors changed identity, " \
           f"{dropped} of {sum(v.rung > 0 for v in result.vectors)} interrupts of the blackout lost"


def _leg(title, result):
    return [f"{title}  ({result.seconds:.1f} s)", *vectors_table(result), ""]


LEGEND = """irq, message, IRTE, CPU: old kernel -> next kernel, one value if equal.
before, adopted, after: counted/rung before FREEZE, from adoption to FINISH, after FINISH.
blackout: rung while the old kernel was down and the next had not adopted; latched by the device
or dropped; delivered to the owner. synthetic: counted across FINISH with nothing rung."""


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
        f"  {'Seen from outside, from the old kernel-s shutdown on':<55}{'OFF':>10}{'ON':>10}"
        .replace("-s", "'s"),
        *judges_table(cold, handover), "",
        f"  Cold start: {_lost(cold)}.", f"  Handover:   {_lost(handover)}.",
        *failures(checks), "", f"  {'PASS' if ok else 'FAIL'}"]
    return "\n".join(lines)


def as_data(result, checks):
    return {
        "scenario": asdict(result.scenario),
        "release": result.release,
        "seconds": round(result.seconds, 2),
        "vectors": [asdict(vector) for vector in result.vectors],
        "judges": result.judged,
        "console": result.complaints,
        "extras": result.extras,
        "late_calls": result.late_calls,
        "error": result.error,
        "checks": [asdict(check) for check in checks],
        "ok": all(check.ok for check in checks),
    }


def write_json(path, data):
    with open(path, "w") as f:
        json.dump(data, f, indent=1)
        f.write("\n")

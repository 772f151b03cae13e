# SPDX-License-Identifier: GPL-2.0-only
"""Cost for people (tables) and for programs (JSON)."""

from dataclasses import asdict, dataclass

from cost import boot
from cost import limits
from cost import live_update
from cost import page_tables
from cost import pause
from report.tables import table

COLUMNS = ("cold", *live_update.HANDOVER_STEPS)


@dataclass(frozen=True)
class Findings:
    """All that was measured.

    updates: a Measurement for each live update
    serializer: nanoseconds per record, by name
    scaled: a Scaled for each step and size
    page_tables: a page_tables.Tables for each step and size
    growth: functions with which adoption grows, see boot.growth()
    boots: instructions of some boots, by flavour
    functions: (function, instructions in our kernel, in the other) where the boots differ
    boot_of_ours: the instructions of a boot in functions of ours
    seams: lines of disassembly
    pause: of a guest, see cost/pause.py
    sizes: of what is handed over, see limits.sizes()
    """

    updates: list
    serializer: dict
    scaled: list
    page_tables: list
    growth: list
    boots: dict
    functions: list
    boot_of_ours: int
    seams: list
    pause: object
    sizes: dict


def _number(value):
    return f"{value:.0f}" if value == int(value) or value >= 100 else f"{value:.2f}"


def _instructions(measurements):
    rows = [("vectors", "devices", *COLUMNS, "handover/cold")]
    for m in measurements:
        rows.append((str(m.vectors), str(m.devices),
                     *(_number(m.steps[name].instructions / m.vectors) for name in COLUMNS),
                     f"{limits.figures(m)['handover']:.3f}"))
    return ["Instructions per vector", *table(rows), ""]


def _operations(measurement):
    rows = [("", *COLUMNS)]
    for name in live_update.OPERATIONS:
        rows.append((name, *(str(measurement.steps[step].operations[name])
                             for step in COLUMNS)))
    return [f"Hardware operations, {measurement.vectors} vectors of "
            f"{measurement.devices} device(s)", *table(rows), ""]


def _limits(found):
    rows = [("", "limit", "worst", "at", "")]
    rows += [(one.what, _number(one.limit), _number(one.value), one.where, one.word())
             for one in limits.check(found)]
    notes = [f"  known: {one.what}: {limits.KNOWN[one.what][1]}" for one in limits.check(found)
             if one.is_known()]
    return ["Limits", *table(rows), *notes]


def _serializer(serializer):
    numbers = ", ".join(f"{name} {serializer[name]:.2f}"
                        for name in ("serialize", "validate", "look-up", "memcpy", "checksum"))
    return [f"Serializer in user space, ns per record of {serializer['records']}: {numbers}", ""]


def _scale(scaled, what, title):
    scaled = [one for one in scaled if one.what == what]
    rows = [("units", "devices", "vectors", *dict.fromkeys(one.step for one in scaled))]
    sizes = dict.fromkeys((one.units, one.devices, one.vectors) for one in scaled)
    for size in sizes:
        measured = {one.step: _number(one.value / one.vectors) for one in scaled
                    if (one.units, one.devices, one.vectors) == size}
        rows.append((*map(str, size), *(measured.get(step, "") for step in rows[0][3:])))
    exponents = boot.exponents(scaled, what)
    rows.append(("1", "", "exponent", *(f"{exponents[step]:.3f}" for step in rows[0][3:])))
    return [f"Emulated units, {title} per vector", *table(rows), ""]


def _page_tables(found):
    sizes = dict.fromkeys((one.gib, one.page, one.tables) for one in found)
    value = {(one.step, one.gib, one.page): one for one in found}

    def lines(title, steps, number):
        rows = [("GiB", "in pages of", "tables", *steps)]
        rows += [(str(gib), str(page), str(nr),
                  *(_number(number(value[step, gib, page])) for step in steps))
                 for gib, page, nr in sizes]
        rows.append(("", "", "exponent",
                     *(f"{page_tables.exponent(found, step):.3f}" for step in steps)))
        return [title, *table(rows), ""]

    return [*lines("Page table of a device, instructions per table", page_tables.GROWING,
                   page_tables.Tables.per_table),
            *lines("The same, instructions", page_tables.CONSTANT,
                   lambda one: one.instructions)]


def _growth(scaled, growth):
    steps = ("adopt", "cold")
    sizes = {step: sorted(one.vectors for one in scaled
                          if (one.what, one.step, one.units) == ("scale", step, 1))
             for step in steps}

    def cells(step, values):
        points = [(n, n * value) for n, value in zip(sizes[step], values)]
        known = all(value for _, value in points)
        return (*(f"{value:,.0f}" for value in values),
                f"{boot.exponent(points):.3f}" if known else "")

    rows = [("function", *(head for step in steps
                           for head in (step, *map(str, sizes[step][1:]), "exponent")))]
    rows += [(name, *(cell for step, values in zip(steps, columns)
                      for cell in cells(step, values))) for name, *columns in growth]
    return ["Where adoption grows, instructions per vector of one emulated unit, "
            f"from {sizes['adopt'][0]} vectors", *table(rows), ""]


def _boot(boots):
    rows = [("kernel", "least", "median", "most")]
    rows += [(flavour, *(f"{counts[i]:,}" for i in (0, len(counts) // 2, -1)))
             for flavour, counts in ((name, sorted(boots[name])) for name in boots)]
    ours, without = (sorted(boots[flavour]) for flavour in live_update.FLAVOURS)
    more = ours[len(ours) // 2] - without[len(without) // 2]
    return ["Boot without a handover, instructions from start_kernel() to the first process",
            *table(rows), f"  {more:+,} in the median. With other random numbers the same kernel "
            f"takes up to {without[-1] - without[0]:,} more", ""]


def _functions(functions):
    rows = [("function", "with", "without", "more")]
    rows += [(name, f"{ours:,}", f"{without:,}", f"{ours - without:+,}")
             for name, ours, without in functions]
    return [f"The same by function, boots with the seed {boot.SEEDS[0]}",
            *table(rows), ""]


def _seams(seams):
    return ["Seams, as compiled", *seams, ""]


def _pause(found):
    rows = [("our steps", "instructions", "share")]
    rows += [(name, f"{count:,}", f"{count / found.whole:.3%}")
             for name, count in found.ours.items()]
    rows.append(("all of ours", f"{found.sum_of_ours():,}", f"{found.share():.3%}"))
    longest = [("longest steps", "instructions", "share")]
    longest += [(name, f"{count:,}", f"{count / found.whole:.3%}")
                for name, count in found.longest()]
    return [f"Pause of a guest: one device of {pause.VECTORS} vectors, {pause.GUEST_MIB} MiB of "
            f"memory; {found.whole:,} instructions from reboot(2) to FINISH",
            *table(rows), "", *table(longest), "",
            "Requests to the unit, of the replacement: " +
            ", ".join(f"{count} {name}" for name, count in found.requests.items()), ""]


def tables(found):
    lines = _instructions(found.updates)
    for measurement in found.updates:
        lines += _operations(measurement)
    lines += _blob(found.sizes) + _serializer(found.serializer)
    lines += _scale(found.scaled, "scale", "instructions")
    lines += _scale(found.scaled, "memory", "bytes")
    lines += _page_tables(found.page_tables)
    lines += _growth(found.scaled, found.growth)
    lines += _boot(found.boots) + _functions(found.functions) + _pause(found.pause)
    return "\n".join(lines + _seams(found.seams) + _limits(found))


def _blob(sizes):
    return [f"Handed over: {sizes['vector']} bytes per vector, {sizes['device']} per device, "
            f"{sizes['requester id']} per requester id with mappings, {sizes['unit']} per unit; "
            f"one page holds the root and up to 63 units", ""]


def as_data(found):
    return {
        "measurements": [{"vectors": m.vectors, "devices": m.devices,
                          "steps": {name: asdict(step) for name, step in m.steps.items()},
                          "figures": limits.figures(m)} for m in found.updates],
        "limits": [asdict(one) | {"met": one.met(), "known": one.is_known()}
                   for one in limits.check(found)],
        "serializer": found.serializer,
        "scale": [asdict(one) for one in found.scaled],
        "exponents": boot.exponents(found.scaled),
        "adopt_over_cold": boot.ratios(found.scaled, "adopt", "cold"),
        "memory_exponents": boot.exponents(found.scaled, "memory"),
        "page_tables": [asdict(one) for one in found.page_tables],
        "growth": found.growth,
        "boot": found.boots,
        "boot_functions": found.functions,
        "boot_of_ours": found.boot_of_ours,
        "pause": asdict(found.pause),
    }

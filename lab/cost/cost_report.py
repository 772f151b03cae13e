# SPDX-License-Identifier: GPL-2.0-only
"""Cost for people (tables, a plot) and for programs (JSON)."""

import ctypes
import math
from dataclasses import asdict, dataclass

from cost import boot
from cost import live_update
from machine import abi

COLUMNS = ("cold", *live_update.HANDOVER_STEPS)

# (what, figure of a measurement, its limit, from how many vectors on)
TARGETS = (
    ("whole handover / cold path", "handover", 1.10, 64),
    ("adoption / cold path", "adopt", 1.0, 1),
    ("adoption + finish / cold path, hardware operations", "adopt_operations", 1.0, 1),
    ("freeze + block, instructions per vector", "before_jump", 2000, 64),
    ("freeze, device reads per vector", "freeze_reads", 5, 1),
    ("freeze, device and config writes", "freeze_writes", 0, 1),
    ("block, invalidation waits", "block_waits", 1, 1),
    ("block, config writes per device", "block_config", 1, 1),
    ("take-over, invalidation waits", "take_over_waits", 1, 1),
)

# Of serializing and of validating, each
SERIALIZER_LIMIT = 2

# IRQ_LU_ROOT_SIZE, which holds all units
ROOT_SIZE = 4096

EXPONENT_LIMIT = 1.05


@dataclass(frozen=True)
class Findings:
    """All that was measured.

    updates: a Measurement for each live update
    serializer: nanoseconds per record, by name
    scaled: a Scaled for each step and size
    growth: functions with which adoption grows, see boot.growth()
    boots: instructions of some boots, by flavour
    functions: (function, instructions, those without) where the boots differ
    seams: lines of disassembly
    """

    updates: list
    serializer: dict
    scaled: list
    growth: list
    boots: dict
    functions: list
    seams: list


def figures(measurement):
    """What is held against a target."""
    steps, vectors = measurement.steps, measurement.vectors
    cold, freeze, block = (steps[name] for name in ("cold", "freeze", "block"))

    def operations(name):
        return sum(steps[name].operations.values())

    return {
        "handover": sum(steps[name].instructions for name in live_update.HANDOVER_STEPS)
        / cold.instructions,
        "adopt": steps["adopt"].instructions / cold.instructions,
        "adopt_operations": (operations("adopt") + operations("finish")) / operations("cold"),
        "before_jump": (freeze.instructions + block.instructions) / vectors,
        "freeze_reads": freeze.operations["device reads"] / vectors,
        "freeze_writes": freeze.operations["device writes"] + freeze.operations["config writes"],
        "block_waits": block.operations["waits"],
        "block_config": block.operations["config writes"] / measurement.devices,
        "take_over_waits": steps["take-over"].operations["waits"],
    }


def _table(rows):
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  " + "  ".join(cell.rjust(width) for cell, width in zip(row, widths))
            for row in rows]


def _number(value):
    return f"{value:.0f}" if value == int(value) or value >= 100 else f"{value:.2f}"


def _instructions(measurements):
    rows = [("vectors", "devices", *COLUMNS, "handover/cold")]
    for m in measurements:
        rows.append((str(m.vectors), str(m.devices),
                     *(_number(m.steps[name].instructions / m.vectors) for name in COLUMNS),
                     f"{figures(m)['handover']:.3f}"))
    return ["Instructions per vector", *_table(rows), ""]


def _operations(measurement):
    rows = [("", *COLUMNS)]
    for name in live_update.OPERATIONS:
        rows.append((name, *(str(measurement.steps[step].operations[name])
                             for step in COLUMNS)))
    return [f"Hardware operations, {measurement.vectors} vectors of "
            f"{measurement.devices} device(s)", *_table(rows), ""]


def targets(measurements):
    """(what, limit, worst figure, number of vectors there) of each target."""
    found = []
    for what, name, limit, least in TARGETS:
        value, vectors = max((figures(m)[name], m.vectors) for m in measurements
                             if m.vectors >= least)
        found.append((what, limit, value, vectors))
    return found


def _limit(what, limit, value, where):
    return (what, _number(limit), _number(value), where, "met" if value <= limit else "MISSED")


def _scale_limits(scaled):
    value, vectors = max((value, n) for n, value in
                         boot.ratios(scaled, "adopt", "cold").items())
    exponents = boot.exponents(scaled)
    cold = exponents.pop("cold")
    rows = [_limit("adoption / cold allocation, emulated units", 1, value, f"{vectors} vectors")]
    for step, value in exponents.items():
        beside = f", cold {cold:.2f}" if step == "adopt" else ""
        rows.append(_limit(f"exponent of {step}", EXPONENT_LIMIT, value,
                           "1024-65536 vectors" + beside))
    return rows


def _blob_limits():
    sizes = _sizes()
    return [_limit("handed over, bytes per vector", 64, sizes["vector"], "the format"),
            _limit("handed over, bytes per device", 64, sizes["device"], "the format"),
            _limit("handed over, bytes for one unit besides its table", 4096, sizes["root"],
                   "the format")]


def _limits(found):
    rows = [("", "limit", "worst", "at", "")]
    rows += [_limit(what, limit, value, f"{vectors} vectors")
             for what, limit, value, vectors in targets(found.updates)]
    rows += _blob_limits()
    rows += [_limit(f"to {name} / (memcpy + checksum), user space", SERIALIZER_LIMIT,
                    serializer_ratio(found.serializer, name),
                    f"{found.serializer['records']} records")
             for name in ("serialize", "validate")]
    rows += _scale_limits(found.scaled)
    rows += [_limit(f"exponent of the memory of {step}", EXPONENT_LIMIT, value,
                    "1024-65536 vectors")
             for step, value in boot.exponents(found.scaled, "memory").items()]
    more, spread = boot_difference(found.boots)
    rows.append(_limit("boot without a handover, more / spread", 1, more / spread,
                       f"{len(boot.SEEDS)} boots"))
    return ["Limits", *_table(rows)]


def serializer_ratio(serializer, name):
    return serializer[name] / (serializer["memcpy"] + serializer["checksum"])


def _serializer(serializer):
    numbers = ", ".join(f"{name} {serializer[name]:.2f}"
                        for name in ("serialize", "validate", "look-up", "memcpy", "checksum"))
    return [f"Serializer in user space, ns per record of {serializer['records']}: {numbers}", ""]


def boot_difference(boots):
    """By how much the median of a boot is higher, and the spread of the others."""
    ours, without = (sorted(boots[flavour]) for flavour in live_update.FLAVOURS)
    middle = len(without) // 2
    return ours[middle] - without[middle], without[-1] - without[0]


def _scale(scaled, what, title):
    scaled = [one for one in scaled if one.what == what]
    rows = [("units", "devices", "vectors", *dict.fromkeys(one.step for one in scaled))]
    sizes = dict.fromkeys((one.units, one.devices, one.vectors) for one in scaled)
    for size in sizes:
        rows.append((*map(str, size), *(_number(one.value / one.vectors) for one in scaled
                                        if (one.units, one.devices, one.vectors) == size)))
    exponents = boot.exponents(scaled, what)
    rows.append(("1", "", "exponent", *(f"{exponents[step]:.3f}" for step in rows[0][3:])))
    return [f"Emulated units, {title} per vector", *_table(rows), ""]


def _growth(scaled, growth):
    sizes = sorted({one.vectors for one in scaled if one.units == 1})

    def cells(values):
        points = [(n, n * value) for n, value in zip(sizes, values)]
        known = all(value for _, value in points)
        return (*(f"{value:,.0f}" for value in values),
                f"{boot.exponent(points):.3f}" if known else "")

    rows = [("function", "adopt", *map(str, sizes[1:]), "exponent",
             "cold", *map(str, sizes[1:]), "exponent")]
    rows += [(name, *cells(adopt), *cells(cold)) for name, adopt, cold in growth]
    return ["Where adoption grows, instructions per vector of one emulated unit, "
            f"from {sizes[0]} vectors", *_table(rows), ""]


def _boot(boots):
    rows = [("kernel", "least", "median", "most")]
    rows += [(flavour, *(f"{counts[i]:,}" for i in (0, len(counts) // 2, -1)))
             for flavour, counts in ((name, sorted(boots[name])) for name in boots)]
    more, spread = boot_difference(boots)
    return ["Boot without a handover, instructions from start_kernel() to the first process",
            *_table(rows), f"  {more:+,} in the median; spread without it {spread:,}", ""]


def _functions(functions):
    rows = [("function", "with", "without", "more")]
    rows += [(name, f"{ours:,}", f"{without:,}", f"{ours - without:+,}")
             for name, ours, without in functions]
    return [f"The same by function, boots with the seed {boot.SEEDS[0]}",
            *_table(rows), ""]


def _seams(seams):
    return ["Seams, as compiled", *seams, ""]


def tables(found):
    lines = _instructions(found.updates)
    for measurement in found.updates:
        lines += _operations(measurement)
    lines += _blob() + _serializer(found.serializer)
    lines += _scale(found.scaled, "scale", "instructions")
    lines += _scale(found.scaled, "memory", "bytes")
    lines += _growth(found.scaled, found.growth)
    lines += _boot(found.boots) + _functions(found.functions)
    return "\n".join(lines + _seams(found.seams) + _limits(found))


def _sizes():
    sizes = {name: ctypes.sizeof(layout) for name, layout in abi.structures().items()}
    return {"vector": sizes["irq_lu_vector_ser"],
            "device": sizes["irq_lu_device_ser"] + sizes["irq_lu_device_ref_ser"],
            "unit": sizes["irq_lu_unit_ser"],
            "root": ROOT_SIZE}


def _blob():
    sizes = _sizes()
    return [f"Handed over: {sizes['vector']} bytes per vector, {sizes['device']} per device, "
            f"{sizes['unit']} per unit; one page holds the root and up to 63 units", ""]


def as_data(found):
    return {
        "measurements": [{"vectors": m.vectors, "devices": m.devices,
                          "steps": {name: asdict(step) for name, step in m.steps.items()},
                          "figures": figures(m)} for m in found.updates],
        "targets": [{"what": what, "limit": limit, "worst": value, "vectors": vectors,
                     "met": value <= limit}
                    for what, limit, value, vectors in targets(found.updates)],
        "serializer": found.serializer,
        "scale": [asdict(one) for one in found.scaled],
        "exponents": boot.exponents(found.scaled),
        "adopt_over_cold": boot.ratios(found.scaled, "adopt", "cold"),
        "memory_exponents": boot.exponents(found.scaled, "memory"),
        "growth": found.growth,
        "boot": found.boots,
        "boot_functions": found.functions,
    }


# The plot: instructions per vector, both axes logarithmic

WIDTH, HEIGHT, MARGIN = 760, 460, 70
COLOURS = ("#000000", "#d62728", "#1f77b4", "#2ca02c", "#ff7f0e", "#9467bd", "#8c564b", "#7f7f7f")


class _Axis:
    def __init__(self, values, start, length):
        self._low, high = math.log(min(values)), math.log(max(values))
        self._scale = length / ((high - self._low) or 1)
        self._start = start

    def place(self, value):
        return self._start + (math.log(value) - self._low) * self._scale


def _text(x, y, text, anchor="middle", colour="#000000"):
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" fill="{colour}">{text}</text>'


def _curve(points, colour):
    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{corners}" fill="none" stroke="{colour}" stroke-width="2"/>'


def plot(measurements):
    """An SVG picture of how the cost of a vector goes with their number."""
    single = [m for m in measurements if m.devices == 1]
    numbers = [m.vectors for m in single]
    curves = {name: [max(m.steps[name].instructions, 1) / m.vectors for m in single]
              for name in COLUMNS}
    x = _Axis(numbers, MARGIN, WIDTH - 3 * MARGIN)
    y = _Axis([value for curve in curves.values() for value in curve], HEIGHT - MARGIN,
              2 * MARGIN - HEIGHT)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
             'font-family="sans-serif" font-size="12">',
             f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
             _text(WIDTH / 2, 30, "Instructions per vector by number of vectors")]
    parts += [_text(x.place(number), HEIGHT - MARGIN + 25, number) for number in numbers]
    for power in range(7):
        height = y.place(10 ** power)
        if MARGIN <= height <= HEIGHT - MARGIN:
            parts.append(f'<line x1="{MARGIN}" x2="{WIDTH - 2 * MARGIN}" y1="{height:.0f}" '
                         f'y2="{height:.0f}" stroke="#dddddd"/>')
            parts.append(_text(MARGIN - 8, height + 4, 10 ** power, "end"))
    for (name, curve), colour in zip(curves.items(), COLOURS):
        points = [(x.place(number), y.place(value)) for number, value in zip(numbers, curve)]
        parts.append(_curve(points, colour))
        parts.append(_text(points[-1][0] + 8, points[-1][1] + 4, name, "start", colour))
    return "\n".join(parts + ["</svg>"]) + "\n"

# SPDX-License-Identifier: GPL-2.0-only
"""The demonstration as a self-contained page: its JSON in, HTML with two drawings out.

Each drawing shows handover off above handover on: for the guest, the steps of its pause, to scale;
for the device, a lane for each vector with its rings, and what became of them.
"""

import os

import jinja2

from course.result import Vector
from judge import ring_accounts
from judge import virtual_machine

TEMPLATE = "picture.html.jinja"
OURS = ("freeze", "block")
TITLES = {"off": "Handover off", "on": "Handover on"}

# In pixels
WIDTH = 1000
LABEL = 130
LANE = 20
MARK = 15
PAUSE = 40

# Parts of the time line with their share of the width; _lane() has the counts of a vector in each
PHASES = (("old kernel", 3), ("blackout", 2), ("armed", 1.3), ("adopted", 3), ("FINISH", 1.3),
          ("after it", 3))
# More marks than this are shown as a number
MOST_MARKS = 6


def _label(vector):
    if not vector.old or not vector.new:
        return f"{vector.number}: did not arrive"
    old, new = vector.old["irq"], vector.new["irq"]
    return f"{vector.number}: irq {old}" + ("" if old == new else f" \u2192 {new}")


def _of_rings(signals, rings):
    return [("real", min(signals, rings)), ("dropped", max(rings - signals, 0))]


def _lane(vector, rings):
    """(kind of mark, how many) in each phase"""
    return (_of_rings(vector.before, rings),
            [("ring", vector.rung), ("latched", vector.latched),
             ("dropped", vector.rung if vector.lost() else 0)],
            [("real", vector.delivered)],
            _of_rings(vector.adopted, rings),
            [("synthetic", vector.synthetic)],
            _of_rings(vector.after, rings))


def _phases():
    """(name, where it begins, its width)"""
    scale = (WIDTH - LABEL) / sum(share for _, share in PHASES)
    found, x = [], LABEL
    for name, share in PHASES:
        found.append((name, round(x), round(share * scale)))
        x += share * scale
    return found


def _marks(counts, begin, width):
    """(kind, where) of what happened in one phase, or (kind, where, how often)"""
    marks = [kind for kind, number in counts for _ in range(number)]
    if len(marks) > MOST_MARKS:
        marks = [(kind, number) for kind, number in counts if number]
    else:
        marks = [(kind, 1) for kind in marks]
    step = min(width / (len(marks) + 1), 2 * MARK) if marks else 0
    first = begin + width / 2 - step * (len(marks) - 1) / 2
    return [(kind, round(first + step * i), number) for i, (kind, number) in enumerate(marks)]


def _device(run):
    vectors = [Vector(**vector) for vector in run["vectors"]]
    lanes = []
    for vector in vectors:
        phases = zip(_lane(vector, run["scenario"]["rings"]), _phases())
        lanes.append((_label(vector), [mark for counts, (_, begin, width) in phases
                                       for mark in _marks(counts, begin, width)]))
    return {"lanes": lanes, "lost": sum(vector.lost() for vector in vectors),
            "changed": sum(bool(v.old and v.new and ring_accounts.changed(v)) for v in vectors)}


def _guest(run, scale):
    """The pause of a guest, with each step as (name, milliseconds, where it begins, its width)"""
    steps, x = [], 0
    for name, ms in run["timeline"]:
        steps.append((name, ms, x * scale, ms * scale))
        x += ms
    gap = virtual_machine.longest_gap_ms(run["guest"])
    return {"steps": steps, "total": x, "gap": gap, "gap_width": gap * scale,
            "hanging": virtual_machine.hanging(run["guest"])}


def _guests(data):
    runs = {name: data[f"guest_{name}"] for name in TITLES
            if data.get(f"guest_{name}", {}).get("guest")}
    longest = max([sum(ms for _, ms in run["timeline"]) for run in runs.values()] +
                  [virtual_machine.longest_gap_ms(run["guest"]) for run in runs.values()],
                  default=0) or 1
    return {name: _guest(run, WIDTH / longest) for name, run in runs.items()}


def render(data):
    """data: the JSON of a demonstration"""
    loader = jinja2.FileSystemLoader(os.path.dirname(os.path.abspath(__file__)))
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True,
                                     lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    return environment.get_template(TEMPLATE).render(
        ok=data["ok"], scenario=data["on"]["scenario"], release=data["on"]["release"],
        titles=TITLES, ours=OURS, guests=_guests(data), phases=_phases(),
        devices={name: _device(data[name]) for name in TITLES},
        width=WIDTH, lane=LANE, pause=PAUSE)


def write(path, data):
    """The page of a demonstration"""
    with open(path, "w", encoding="utf-8") as f:
        f.write(render(data))

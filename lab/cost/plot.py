# SPDX-License-Identifier: GPL-2.0-only
"""Plots how the cost per vector depends on the number of vectors, with gnuplot."""

import subprocess

from cost import live_update

STEPS = ("cold", *live_update.HANDOVER_STEPS)

# The key stands beside the curves, which lie too close to each other for labels at their ends.
SETTINGS = """\
set terminal svg size 860,460 font "sans,12" background "white"
set output "{path}"
set title "Instructions per vector by number of vectors"
set logscale xy
set grid ytics
set xlabel "vectors"
set xtics ({tics})
set key outside right center
plot {curves}
"""


def _points(step, measurements):
    lines = [f"{m.vectors} {max(m.steps[step].instructions, 1) / m.vectors}" for m in measurements]
    return "\n".join([f"${step.replace('-', '_')} << END", *lines, "END", ""])


def draw(measurements, path):
    """measurements: live updates of one device each"""
    single = [m for m in measurements if m.devices == 1]
    settings = SETTINGS.format(
        path=path, tics=", ".join(str(m.vectors) for m in single),
        curves=", ".join(f"${step.replace('-', '_')} with linespoints linewidth 2 title '{step}'"
                         for step in STEPS))
    subprocess.run(["gnuplot"], input="".join(_points(step, single) for step in STEPS) + settings,
                   text=True, check=True)

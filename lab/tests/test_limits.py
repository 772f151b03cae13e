# SPDX-License-Identifier: GPL-2.0-only
"""A limit which is missed, and not known to be, fails; the plot can be read."""

import re


from cost import boot
from cost import limits
from cost import live_update
from cost import plot
from cost.limits import Limit


def test_words():
    known = next(iter(limits.KNOWN))
    assert Limit("a", 1, 1, "").word() == "met"
    assert Limit("a", 1, 1.01, "").word() == "MISSED"
    assert Limit(known, 1, 1.01, "").word() == "missed, known"
    assert not Limit(known, 1, 1, "").is_known()


def test_boot_counts_functions_of_ours_alone():
    for name in ("irq_liveupdate_take_over", "pci_lu_probe", "irq_lu_ser_find",
                 "intel_ir_take_over"):
        assert boot.OURS.search(name)
    for name in ("trace_event_update_all", "pci_lookup", "irq_create_mapping",
                 "liveupdate_register_flb", "early_liveupdate_param"):
        assert not boot.OURS.search(name)


def _measurement(vectors):
    steps = {name: live_update.Step(instructions=vectors * (n + 1) * 10)
             for n, name in enumerate(live_update.STEPS)}
    return live_update.Measurement(vectors, 1, steps)


def test_labels_of_the_plot_do_not_overlap(tmp_path):
    path = tmp_path / "bench.svg"
    plot.draw([_measurement(vectors) for vectors in (1, 64, 2048)], path)
    text = path.read_text()
    places = [float(y) for y, name in re.findall(
        r'<g transform="translate\([\d.]+,([\d.]+)\)"[^>]*>\s*<text><tspan[^>]*>([\w-]+)<', text)
              if name in plot.STEPS]
    assert len(places) == len(plot.STEPS)
    gaps = [b - a for a, b in zip(sorted(places), sorted(places)[1:])]
    assert min(gaps) >= 12

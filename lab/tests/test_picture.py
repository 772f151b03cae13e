# SPDX-License-Identifier: GPL-2.0-only
"""Tests of the page of a demonstration, on made-up results."""

import re
import xml.etree.ElementTree as ET
from dataclasses import asdict

from course.result import Vector
from report import picture


def vector(number, **counts):
    old = {"irq": 26 + number, "address": 0xfee00238, "data": 0, "irte": 17, "cpu": 0}
    return Vector(number, old, old | counts.pop("new", {}), **counts)


LOST = vector(0, before=3, rung=1, adopted=3, after=2, new={"irq": 35})
KEPT = vector(0, before=3, rung=1, latched=1, delivered=1, adopted=3, synthetic=1, after=3)
LATE = vector(0, before=3, rung=1, adopted=3, synthetic=1, after=3)
BUSY = vector(1, before=12, rung=0, adopted=12, synthetic=1, after=12)


def run(*vectors, rings=3):
    return {"scenario": {"rings": rings, "vectors": len(vectors), "cpus": [2, 3], "seed": 1,
                         "iommu": "<intel>", "mode": "x2apic"},
            "release": "7.3.4", "vectors": [asdict(one) for one in vectors]}


def guest(hanging):
    return {"timeline": [("stop", 10.0), ("freeze", 2.0), ("boot", 988.0)],
            "guest": {"tsc_khz": 1000, "cpus": [{"gaps": [[0, 500000]]}],
                      "queues": [{"outstanding": 1}, {"outstanding": hanging}]}}


def data(**more):
    return {"off": run(LOST), "on": run(KEPT), "ok": True} | more


def svgs(page):
    """The drawings, parsed, without those of the key"""
    return [ET.fromstring(text) for text in
            re.findall(r"<svg viewBox=.*?</svg>", page, re.S) if "aria-label" in text]


def marks(drawing):
    """What is drawn, from left to right"""
    kinds = [element.get("class") for element in drawing.iter() if element.get("class")]
    return [kind for kind in kinds
            if kind in ("ring", "real", "latched", "dropped", "synthetic")]


class TestDevice:
    def test_marks_of_a_lane(self):
        off, on = svgs(picture.render(data()))
        assert marks(off) == ["real"] * 3 + ["ring", "dropped"] + ["real"] * 5 + ["dropped"]
        assert marks(on) == ["real"] * 3 + ["ring", "latched"] + ["real"] * 4 + \
            ["synthetic"] + ["real"] * 3

    def test_ring_that_the_synthetic_interrupt_makes_up_for_is_not_lost(self):
        on = svgs(picture.render(data(on=run(LATE))))[1]
        assert "dropped" not in marks(on)

    def test_many_rings_are_a_number(self):
        page = picture.render(data(on=run(BUSY, rings=12)))
        assert marks(svgs(page)[1]) == ["real", "real", "synthetic", "real"]
        assert page.count(">12<") == 3

    def test_sums(self):
        page = " ".join(picture.render(data()).split())
        assert "Handover off: 1 of 1 lost what was rung in the blackout, 1 changed" in page
        assert "Handover on: 0 of 1 lost what was rung in the blackout, 0 changed" in page
        assert "irq 26 → 35" in page

    def test_vector_that_did_not_arrive(self):
        assert "0: did not arrive" in picture.render(data(off=run(Vector(0))))


class TestGuest:
    def test_steps_to_scale(self):
        page = picture.render(data(guest_off=guest(97), guest_on=guest(0)))
        off = svgs(page)[0]
        widths = {rect.get("class"): float(rect.get("width")) for rect in off.iter("rect")}
        assert widths == {"step": 8, "step ours": 3}
        assert "97 I/Os hang" in page and "longest gap 500 ms" in page

    def test_without_a_guest(self):
        assert "NVMe" not in picture.render(data())


class TestPage:
    def test_nothing_is_fetched(self):
        page = picture.render(data(guest_off=guest(1), guest_on=guest(0)))
        assert not re.search(r"https?:|src=|url\(|@import|<script|<link", page)

    def test_text_is_escaped(self):
        assert "&lt;intel&gt;" in picture.render(data())

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Write the table of cases in the documentation from the results of "make ci".

    cases.py		write Documentation/core-api/irq/irq-liveupdate-cases.csv
    cases.py --check	fail when a test is missing or failed, or the table is stale

The cases and the tests that show them are in scripts/cases.txt; the results are read
from $BUILD/results: of the lab kernel, and of the debug kernel, which runs what the lab
kernel has to skip.
"""

import csv
import io
import os
import sys

import ktap

HERE = os.path.dirname(os.path.abspath(__file__))
CASES = os.path.join(HERE, "cases.txt")
TABLE = os.path.join(HERE, "..", "Documentation", "core-api", "irq",
                     "irq-liveupdate-cases.csv")
SUITES = {"core": "irq_liveupdate_core", "ser": "irq_liveupdate_ser",
          "vtd": "irq_liveupdate_vtd", "vtd_dma": "irq_liveupdate_vtd_dma",
          "units": "irq_liveupdate_vtd_units", "iommu": "irq_liveupdate_iommu",
          "msi": "irq_liveupdate_msi", "msix": "irq_liveupdate_msix",
          "mutation": "irq_liveupdate_mutation", "session": "irq_liveupdate_session",
          "pci": "irq_liveupdate_pci", "vfio": "irq_liveupdate_vfio",
          "amd": "irq_liveupdate_amd", "amd_ga": "irq_liveupdate_amd_ga_fmt",
          "amd_legacy": "irq_liveupdate_amd_legacy_fmt", "vtd_fmt": "irq_liveupdate_vtd_fmt",
          "mock": "irq_liveupdate_mock", "ioapic": "irq_ioapic", "irq": "irq_test_cases",
          "luo": "luo_flb"}
WORST_FIRST = (ktap.FAIL, ktap.SKIP, ktap.PASS)


def worst(statuses):
    """The worst of some statuses, none of none."""
    return next((status for status in WORST_FIRST if status in statuses), "")


def results_of_step(step):
    """Status by name of the tests of a step; parameters count for their case."""
    statuses = {}
    with open(os.path.join(ktap.BUILD, "results", f"{step}.log"), encoding="utf-8") as log:
        for result in ktap.parse(log):
            for name in (result.name, ".".join(result.name.split(".")[:2])):
                statuses.setdefault(name, set()).add(result.status)
    return {name: worst(seen) for name, seen in statuses.items()}


def results(step):
    """Status by name on both kernels: one runs what the other one skips."""
    lab, debug = results_of_step(step), results_of_step(f"{step}-debug")
    return {name: worst({lab.get(name), debug.get(name)} - {ktap.SKIP}) or ktap.SKIP
            for name in {*lab, *debug}}


def status(statuses, names):
    """The worst of some tests, and which are missing."""
    return (worst({statuses.get(name) for name in names}),
            [name for name in names if name not in statuses])


def rows():
    """The rows of the table, and the names of tests there are no results of."""
    kunit, lab = results("kunit"), results("lab")
    table, absent = [], []
    with open(CASES, encoding="utf-8") as cases:
        for line in cases:
            if not line.strip() or line.startswith("#"):
                continue
            case, suites, scenarios = (part.strip() for part in line.split("|"))
            in_kunit, no_kunit = status(
                kunit, [f"{SUITES[name.split('.')[0]]}.{name.split('.')[1]}"
                        for name in suites.split()])
            in_lab, no_lab = status(lab, scenarios.split())
            absent += no_kunit + no_lab
            table.append([case, suites.replace(" ", ", "), in_kunit,
                          scenarios.replace(" ", ", "), in_lab])
    return table, absent


def main():
    """Write, or compare."""
    table, absent = rows()
    failed = [row[0] for row in table if ktap.FAIL in (row[2], row[4])]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["Case", "KUnit", "", "QEMU", ""])
    writer.writerows(table)
    for name in absent:
        print(f"no result of {name}")
    for name in failed:
        print(f"failed: {name}")
    if absent or failed:
        return 1
    if "--check" not in sys.argv[1:]:
        with open(TABLE, "w", encoding="utf-8") as file:
            file.write(text.getvalue())
        return 0
    with open(TABLE, encoding="utf-8") as file:
        stale = file.read() != text.getvalue()
    if stale:
        print(f"{os.path.relpath(TABLE)} is stale: scripts/cases.py")
    return stale


if __name__ == "__main__":
    sys.exit(main())

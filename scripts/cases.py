#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Which tests cover which case: the table of the lab, and whether these tests passed.

    cases.py		write lab/doc/cases.csv
    cases.py --check	fail unless every test that is listed has passed, and the
			table is up to date

The cases and their tests are in scripts/cases.txt. The results are those of "make ci" in
$BUILD/results: the debug kernel runs what the lab kernel has to skip. A scenario that only
"make test-full" runs has no result there; the table marks it with an asterisk.
"""

import csv
import io
import os
import sys

import ktap

sys.path.insert(0, os.path.join(ktap.ROOT, "lab"))
# pylint: disable=wrong-import-position
from scenarios import scenario

HERE = os.path.dirname(os.path.abspath(__file__))
CASES = os.path.join(HERE, "cases.txt")
TABLE = os.path.join(HERE, "..", "lab", "doc", "cases.csv")
SUITES = {"core": "irq_liveupdate_core", "inject": "irq_liveupdate_inject",
          "finish": "irq_liveupdate_finish", "preserve": "irq_liveupdate_preserve",
          "failing": "irq_liveupdate_failing", "trace": "irq_liveupdate_trace",
          "ser": "irq_liveupdate_ser",
          "vtd": "irq_liveupdate_vtd", "vtd_dma_out": "irq_liveupdate_vtd_dma_out",
          "vtd_dma_in": "irq_liveupdate_vtd_dma_in",
          "vtd_dma_device": "irq_liveupdate_vtd_dma_device",
          "units": "irq_liveupdate_vtd_units", "iommu": "irq_liveupdate_iommu",
          "iommu_in": "irq_liveupdate_iommu_in", "iommu_out": "irq_liveupdate_iommu_out",
          "iommu_frozen": "irq_liveupdate_iommu_frozen",
          "iommu_group": "irq_liveupdate_iommu_group",
          "dma_legacy": "irq_liveupdate_vtd_dma_legacy",
          "dma_second": "irq_liveupdate_vtd_dma_second_stage",
          "dma_first": "irq_liveupdate_vtd_dma_first_stage",
          "dma_amd": "irq_liveupdate_amd_dma", "dma_mock": "irq_liveupdate_mock_dma",
          "msi": "irq_liveupdate_msi", "msix": "irq_liveupdate_msix",
          "mutation": "irq_liveupdate_mutation", "session": "luo_file",
          "iommufd": "irq_liveupdate_iommufd",
          "pci_list": "irq_liveupdate_pci_list", "pci_out": "irq_liveupdate_pci_out",
          "pci_in": "irq_liveupdate_pci_in", "enum": "irq_liveupdate_enum",
          "probe": "irq_liveupdate_probe",
          "vfio": "irq_liveupdate_vfio",
          "amd": "irq_liveupdate_amd", "amd_units": "irq_liveupdate_amd_units",
          "amd_mappings": "irq_liveupdate_amd_mappings", "amd_ga": "irq_liveupdate_amd_ga_fmt",
          "amd_legacy": "irq_liveupdate_amd_legacy_fmt", "vtd_fmt": "irq_liveupdate_vtd_fmt",
          "mock": "irq_liveupdate_mock", "ioapic": "irq_ioapic", "irq": "irq_test_cases",
          "apic": "irq_liveupdate_apic", "mask": "pci_msix",
          "kho": "kexec_handover", "kho_debugfs": "kexec_handover_debugfs",
          "luo": "luo_flb", "luo_abandon": "luo_flb_abandon",
          "unbinding": "device_block_unbinding"}
WORST_FIRST = (ktap.FAIL, ktap.SKIP, ktap.PASS)


def worst(statuses):
    """The worst of some statuses; empty if there are none."""
    return next((status for status in WORST_FIRST if status in statuses), "")


def results_of_step(step):
    """Map from the name of each test of a step to its status; parameters count for their case."""
    statuses = {}
    with open(os.path.join(ktap.build(), "results", f"{step}.log"), encoding="utf-8") as log:
        for result in ktap.parse(log):
            for name in (result.name, ".".join(result.name.split(".")[:2])):
                statuses.setdefault(name, set()).add(result.status)
    return {name: worst(seen) for name, seen in statuses.items()}


def results(step):
    """Map from name to status on both kernels: the debug kernel runs what the lab kernel skips.
    What the lab kernel neither runs nor skips has no result."""
    lab, debug = results_of_step(step), results_of_step(f"{step}-debug")
    return {name: worst({status, debug.get(name)} - {ktap.SKIP}) or ktap.SKIP
            for name, status in lab.items()}


def rows():
    """(case, KUnit cases, scenarios) of each line of cases.txt."""
    with open(CASES, encoding="utf-8") as cases:
        for line in cases:
            if line.strip() and not line.startswith("#"):
                case, suites, scenarios = line.split("|")
                yield case.strip(), suites.split(), scenarios.split()


def kunit_name(name):
    """The name that KTAP has for a KUnit case."""
    suite, case = name.split(".")
    return f"{SUITES[suite]}.{case}"


def only_in_test_full():
    """The scenarios that "make test-full" runs, and "make test" does not."""
    return set(scenario.names(full=True)) - set(scenario.names(full=False))


def not_shown(kunit, lab):
    """One line for each test that the results do not show as passed: absent, failed or skipped."""
    later = only_in_test_full() - set(lab)
    for case, suites, scenarios in rows():
        seen = {name: kunit.get(kunit_name(name)) for name in suites}
        seen.update((name, lab.get(name)) for name in scenarios if name not in later)
        for name, status in seen.items():
            if status != ktap.PASS:
                yield f"{case}: {name}: {status or 'no result'}"


def table():
    """The table of the documentation: which tests cover which case."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    full = only_in_test_full()
    writer.writerow(["Case", "KUnit", "QEMU"])
    writer.writerows([case, ", ".join(suites),
                      ", ".join(name + "*" * (name in full) for name in scenarios)]
                     for case, suites, scenarios in rows())
    return text.getvalue()


def is_stale():
    """Does the table of the lab differ?"""
    with open(TABLE, encoding="utf-8") as file:
        return file.read() != table()


def main():
    """Write, or check."""
    if "--check" not in sys.argv[1:]:
        with open(TABLE, "w", encoding="utf-8") as file:
            file.write(table())
        return 0
    faults = list(not_shown(results("kunit"), results("lab")))
    if is_stale():
        faults.append(f"{os.path.relpath(TABLE)} is stale: scripts/cases.py")
    print("".join(f"{line}\n" for line in faults), end="")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
